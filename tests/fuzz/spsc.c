/*
 * Fuzzes leat/ring/spsc.h against a model, which is two counts: item number n is the n-th, so what
 * comes out is known.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fuzz/start.h"

struct ring {
	struct leat_spsc spsc;
	struct leat_spsc_cursor tx, rx;
	size_t size, capacity;
	/* the model */
	uint64_t tail, head;
	bool tx_shut, rx_shut;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static size_t room(const struct ring *r)
{
	return r->tx_shut ? 0 : r->capacity - (size_t)(r->tail - r->head);
}

static size_t there(const struct ring *r)
{
	return r->rx_shut ? 0 : (size_t)(r->tail - r->head);
}

/* How far the items from number n on stand side by side. */
static size_t side_by_side(const struct ring *r, uint64_t n)
{
	size_t run = leat_spsc_run(r->size, r->capacity);

	return run - (size_t)(n % run);
}

static void push(struct ring *r)
{
	unsigned char item[FUZZ_ITEM_MAX];
	bool can = leat_spsc_can_push(&r->tx);

	CHECK(can == (room(r) > 0), "%zu of %zu", there(r), r->capacity);
	if (!can)
		return;
	item_write(item, r->tail++, r->size);
#define PUSH(size) leat_spsc_push(&r->tx, item, size)
	BY_SIZE(r->size, PUSH);
}

static void pop(struct ring *r)
{
	unsigned char item[FUZZ_ITEM_MAX];
	bool can = leat_spsc_can_pop(&r->rx);

	CHECK(can == (there(r) > 0), "%zu of %zu", there(r), r->capacity);
	if (!can)
		return;
#define POP(size) leat_spsc_pop(&r->rx, item, size)
	BY_SIZE(r->size, POP);
	CHECK(item_is(item, r->head, r->size), "item %llu", (unsigned long long)r->head);
	r->head++;
}

static void push_batch(struct ring *r, size_t n)
{
	unsigned char *items = memory_open(n * r->size);
	size_t wanted = least(n, room(r)), done;

	for (size_t i = 0; i < n; i++)
		item_write(items + i * r->size, r->tail + i, r->size);
#define PUSH_BATCH(size) leat_spsc_push_batch(&r->tx, items, n, size)
	done = BY_SIZE(r->size, PUSH_BATCH);
	CHECK(done == wanted, "%zu of %zu, %zu wanted", done, n, wanted);
	r->tail += done;
	free(items);
}

static void pop_batch(struct ring *r, size_t n)
{
	unsigned char *items = memory_open(n * r->size);
	size_t wanted = least(n, there(r)), done;

#define POP_BATCH(size) leat_spsc_pop_batch(&r->rx, items, n, size)
	done = BY_SIZE(r->size, POP_BATCH);
	CHECK(done == wanted, "%zu of %zu, %zu wanted", done, n, wanted);
	for (size_t i = 0; i < done; i++)
		CHECK(item_is(items + i * r->size, r->head + i, r->size), "item %zu of a batch", i);
	r->head += done;
	free(items);
}

/* Claims, writes and publishes no more than `use` of them. */
static void claim(struct ring *r, size_t want, size_t use)
{
	void *items = NULL;
	size_t n = leat_spsc_claim(&r->tx, want, &items);

	CHECK(n == least(want, least(room(r), side_by_side(r, r->tail))), "%zu of %zu", n, want);
	for (size_t i = 0; i < n; i++)
		item_write((char *)items + i * r->size, i < use ? r->tail + i : UINT64_MAX,
		           r->size);
	if (least(n, use) == 0)
		return;
	leat_spsc_publish(&r->tx, least(n, use));
	r->tail += least(n, use);
}

static void peek(struct ring *r, size_t want, size_t use)
{
	void *items = NULL;
	size_t n = leat_spsc_peek(&r->rx, want, &items);

	CHECK(n == least(want, least(there(r), side_by_side(r, r->head))), "%zu of %zu", n, want);
	for (size_t i = 0; i < n; i++)
		CHECK(item_is((char *)items + i * r->size, r->head + i, r->size),
		      "item %zu of a peek", i);
	if (least(n, use) == 0)
		return;
	leat_spsc_release(&r->rx, least(n, use));
	r->head += least(n, use);
}

static void shut(struct leat_spsc_cursor *side, bool *is_shut)
{
	if (*is_shut)
		leat_spsc_enable(side);
	else
		leat_spsc_disable(side);
	*is_shut = !*is_shut;
	CHECK(leat_spsc_is_disabled(side) == *is_shut, "a side that was opened or shut");
}

static void step(struct ring *r, struct input *in)
{
	unsigned op = next_byte(in);
	size_t n = op >> 3; /* up to 31 */

	switch (op & 7) {
	case 0:
		for (size_t i = 0; i <= n; i++)
			push(r);
		break;
	case 1:
		for (size_t i = 0; i <= n; i++)
			pop(r);
		break;
	case 2:
		push_batch(r, n == 31 ? FUZZ_CAPACITY_MAX + 1 : n);
		break;
	case 3:
		pop_batch(r, n == 31 ? FUZZ_CAPACITY_MAX + 1 : n);
		break;
	case 4:
		claim(r, n + 1, next_byte(in));
		break;
	case 5:
		peek(r, n + 1, next_byte(in));
		break;
	case 6:
		shut(&r->tx, &r->tx_shut);
		break;
	default:
		shut(&r->rx, &r->rx_shut);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct ring r = { .size = next_size(&in), .capacity = next_in(&in, 1, FUZZ_CAPACITY_MAX) };
	void *memory = memory_open(leat_spsc_bytes(r.size, r.capacity));
	uint64_t start = next_start(&in);

	leat_spsc_init(&r.spsc, &r.tx, &r.rx, memory, r.size, r.capacity);
	if (start != 0)
		spsc_start(&r.spsc, &r.tx, &r.rx, start);
	while (in.at < in.end) {
		step(&r, &in);
		CHECK(r.tx.pos - start == r.tail && r.rx.pos - start == r.head &&
		              r.spsc.head == r.rx.pos,
		      "positions");
	}
	free(memory);
	return 0;
}
