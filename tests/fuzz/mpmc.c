/*
 * Fuzzes leat/ring/mpmc.h, with one producer or two, one consumer or two, who each may hold claims,
 * against turns.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/fuzz/start.h"
#include "tests/fuzz/turns.h"

enum { SIDES = 2, HELD = 3 };

struct held {
	struct leat_mpmc_claim claim;
	struct turns_claim model; /* n 0: nothing is held */
};

struct ring {
	struct leat_mpmc mpmc;
	struct leat_mpmc_cursor tx[SIDES], rx[SIDES];
	struct held claimed[HELD], taken[HELD];
	struct turns model;
	size_t size;
	uint64_t number; /* the next item's */
};

static size_t held(const struct held *list)
{
	size_t n = 0;

	for (size_t i = 0; i < HELD; i++)
		n += list[i].model.n;
	return n;
}

/* One thread alone on its side does one thing after the other. */
static bool producer_is_busy(const struct ring *r)
{
	return r->mpmc.single_producer && held(r->claimed) != 0;
}

static bool consumer_is_busy(const struct ring *r)
{
	return r->mpmc.single_consumer && held(r->taken) != 0;
}

static struct leat_mpmc_cursor *tx_of(struct ring *r, size_t n)
{
	return &r->tx[r->mpmc.single_producer ? 0 : n % SIDES];
}

static struct leat_mpmc_cursor *rx_of(struct ring *r, size_t n)
{
	return &r->rx[r->mpmc.single_consumer ? 0 : n % SIDES];
}

static void push(struct ring *r, size_t arg)
{
	unsigned char item[FUZZ_ITEM_MAX];
	struct turns_claim claim;
	bool did, can = turns_claim(&r->model, 1, &claim) == 1;

	item_write(item, r->number, r->size);
#define PUSH(size) leat_mpmc_push(&r->mpmc, tx_of(r, arg), item, size)
	did = BY_SIZE(r->size, PUSH);
	CHECK(did == can, "a push of item %llu", (unsigned long long)r->number);
	if (!can)
		return;
	turns_slot(&r->model, claim.at)->number = r->number++;
	turns_commit(&r->model, &claim, 1);
}

static void pop(struct ring *r, size_t arg)
{
	unsigned char item[FUZZ_ITEM_MAX];
	struct turns_claim claim;
	bool did, can = turns_take(&r->model, 1, &claim) == 1;
	uint64_t number = turns_slot(&r->model, claim.at)->number;

#define POP(size) leat_mpmc_pop(&r->mpmc, rx_of(r, arg), item, size)
	did = BY_SIZE(r->size, POP);
	CHECK(did == can, "a pop of item %llu", (unsigned long long)number);
	CHECK(!did || item_is(item, number, r->size), "item %llu", (unsigned long long)number);
	turns_free(&r->model, &claim);
}

static void push_batch(struct ring *r, size_t arg, size_t n)
{
	unsigned char *items = memory_open(n * r->size);
	struct turns_claim claim;
	size_t wanted = turns_claim(&r->model, n, &claim), done;

	for (size_t i = 0; i < n; i++)
		item_write(items + i * r->size, r->number + i, r->size);
#define PUSH_BATCH(size) leat_mpmc_push_batch(&r->mpmc, tx_of(r, arg), items, n, size)
	done = BY_SIZE(r->size, PUSH_BATCH);
	CHECK(done == wanted, "%zu of %zu, %zu wanted", done, n, wanted);
	CHECK(leat_mpmc_at_end(tx_of(r, arg), done) ==
	              (done > 0 && turns_index(&r->model, r->model.tail) == 0),
	      "at_end");
	for (size_t i = 0; i < done; i++)
		turns_slot(&r->model, claim.at + i)->number = r->number++;
	turns_commit(&r->model, &claim, done);
	free(items);
}

static void pop_batch(struct ring *r, size_t arg, size_t n)
{
	unsigned char *items = memory_open(n * r->size);
	struct turns_claim claim;
	size_t wanted = turns_take(&r->model, n, &claim), done;

#define POP_BATCH(size) leat_mpmc_pop_batch(&r->mpmc, rx_of(r, arg), items, n, size)
	done = BY_SIZE(r->size, POP_BATCH);
	CHECK(done == wanted, "%zu of %zu, %zu wanted", done, n, wanted);
	CHECK(leat_mpmc_at_end(rx_of(r, arg), done) ==
	              (done > 0 && turns_index(&r->model, r->model.head) == 0),
	      "at_end");
	for (size_t i = 0; i < done; i++)
		CHECK(item_is(items + i * r->size, turns_slot(&r->model, claim.at + i)->number,
		              r->size),
		      "item %zu", i);
	turns_free(&r->model, &claim);
	free(items);
}

static void claim(struct ring *r, struct held *h, size_t want)
{
	size_t n = leat_mpmc_claim_slots(&r->mpmc, want, &h->claim);

	CHECK(n == turns_claim(&r->model, want, &h->model), "%zu of %zu, %zu wanted", n, want,
	      h->model.n);
	for (size_t i = 0; i < n; i++) {
		turns_slot(&r->model, h->model.at + i)->number = r->number;
		item_write(leat_mpmc_item(&r->mpmc, &h->claim, i), r->number++, r->size);
	}
}

static void commit(struct ring *r, struct held *h, size_t n)
{
	size_t skipped = leat_mpmc_commit(&r->mpmc, &h->claim, n);

	CHECK(skipped == turns_commit(&r->model, &h->model, n), "%zu skipped", skipped);
	h->model.n = 0;
}

/* What was taken stands until it is given back, whatever else happens: looked at then. */
static void look(struct ring *r, const struct held *h)
{
	for (size_t i = 0; i < h->model.n; i++)
		CHECK(item_is(leat_mpmc_item(&r->mpmc, &h->claim, i),
		              turns_slot(&r->model, h->model.at + i)->number, r->size),
		      "item %zu of what was taken", i);
}

static void take(struct ring *r, struct held *h, size_t want)
{
	size_t n = leat_mpmc_claim_items(&r->mpmc, want, &h->claim);

	CHECK(n == turns_take(&r->model, want, &h->model), "%zu of %zu, %zu wanted", n, want,
	      h->model.n);
	look(r, h);
}

static void release(struct ring *r, struct held *h)
{
	look(r, h);
	leat_mpmc_release(&r->mpmc, &h->claim);
	turns_free(&r->model, &h->model);
	h->model.n = 0;
}

static void put_back(struct ring *r, struct held *h, size_t n)
{
	bool back = leat_mpmc_unclaim(&r->mpmc, &h->claim, n);

	CHECK(back == turns_untake(&r->model, &h->model, n), "%zu of %zu put back", h->model.n - n,
	      h->model.n);
	if (!back)
		return;
	h->claim.n = h->model.n = n;
	if (n > 0)
		release(r, h);
}

/* A producer who drops is a consumer too: never where there is only one. */
static void take_oldest(struct ring *r, struct held *h, bool skipped)
{
	size_t n = leat_mpmc_claim_oldest(&r->mpmc, &h->claim,
	                                  skipped ? LEAT_TURN_SKIPPED : LEAT_TURN_FULL);

	CHECK(n == turns_take_oldest(&r->model, &h->model, skipped ? SLOT_SKIPPED : SLOT_FULL),
	      "the oldest: %zu", n);
	if (n == 0)
		return;
	if (!skipped)
		look(r, h);
	leat_mpmc_release(&r->mpmc, &h->claim);
	turns_free(&r->model, &h->model);
	h->model.n = 0;
}

static void ask(struct ring *r)
{
	enum slot_state head = turns_slot(&r->model, r->model.head)->state;

	if (r->model.head == r->model.tail && head != SLOT_FREE)
		head = SLOT_FREE; /* nothing is there; the slot is still a lap behind */
	CHECK(leat_mpmc_readable(&r->mpmc) == (head == SLOT_FULL || head == SLOT_SKIPPED),
	      "readable");
	CHECK(leat_mpmc_skippable(&r->mpmc) == (head == SLOT_SKIPPED), "skippable");
	CHECK(leat_mpmc_writable(&r->mpmc) ==
	              (turns_slot(&r->model, r->model.tail)->state == SLOT_FREE),
	      "writable");
	CHECK(leat_mpmc_idle(&r->mpmc) == (r->model.head == r->model.tail), "idle");
}

static void produce(struct ring *r, unsigned op, size_t arg)
{
	struct held *h = &r->claimed[arg % HELD];
	size_t n = arg >> 2; /* up to 63 */

	if (op == 3 && h->model.n > 0)
		commit(r, h, n % (h->model.n + 1));
	else if (producer_is_busy(r))
		return;
	else if (op == 0)
		push(r, arg);
	else if (op == 1)
		push_batch(r, arg, n);
	else if (h->model.n == 0)
		claim(r, h, n + 1);
}

static void consume(struct ring *r, unsigned op, size_t arg)
{
	struct held *h = &r->taken[arg % HELD];
	size_t n = arg >> 2;

	if (op == 3 && h->model.n > 0)
		put_back(r, h, n % (h->model.n + 1));
	else if (op == 4 && h->model.n > 0)
		release(r, h);
	else if (consumer_is_busy(r))
		return;
	else if (op == 0)
		pop(r, arg);
	else if (op == 1)
		pop_batch(r, arg, n);
	else if (op == 2 && h->model.n == 0)
		take(r, h, n + 1);
	else if (op == 5)
		CHECK(leat_mpmc_skip(&r->mpmc) == turns_skip(&r->model), "skipped");
	else if (op >= 6 && !r->mpmc.single_consumer && h->model.n == 0)
		take_oldest(r, h, op == 7);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, data + size };
	struct ring r = { .size = next_size(&in),
		          .model.capacity = next_in(&in, 1, FUZZ_CAPACITY_MAX) };
	void *memory = memory_open(leat_mpmc_bytes(r.size, r.model.capacity));
	uint64_t start = next_start(&in);
	unsigned kind = next_byte(&in);

	leat_mpmc_init(&r.mpmc, memory, r.size, r.model.capacity, kind & 1, kind & 2);
	r.model.first = (kind >> 2) % r.model.capacity;
	mpmc_start(&r.mpmc, mpmc_lap(&r.mpmc, start), r.model.first);
	for (size_t i = 0; i < SIDES; i++) {
		leat_mpmc_cursor_init(&r.tx[i], &r.mpmc);
		leat_mpmc_cursor_init(&r.rx[i], &r.mpmc);
		r.tx[i].next = r.rx[i].next = r.mpmc.tail;
	}
	start = leat_mpmc_count(&r.mpmc, r.mpmc.tail);
	while (in.at < in.end) {
		unsigned op = next_byte(&in);

		if (op & 8)
			consume(&r, op & 7, next_byte(&in));
		else
			produce(&r, op & 3, next_byte(&in));
		ask(&r);
		CHECK(leat_mpmc_count(&r.mpmc, r.mpmc.tail) - start == r.model.tail, "tail");
		CHECK(leat_mpmc_count(&r.mpmc, r.mpmc.head) - start == r.model.head, "head");
	}
	free(memory);
	return 0;
}
