/*
 * perf/peers/broadcast.c: leat's part of `leat bench broadcast`, and what its users had before: a
 * channel, or a bare ring, for each consumer. perf/topics.h says what a sample's number holds.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"
#include "perf/topics.h"

#include <leat/atomic.h>
#include <leat/leat.h>
#include <leat/ring/spsc.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, WORDS = 8, SIDE = BROADCAST_SIDE_MAX };
struct big {
	uint64_t word[WORDS];
};
struct ring {
	struct leat_spsc ring;
	struct leat_spsc_cursor tx __attribute__((aligned(APART))), rx __attribute__((aligned(APART)));
	void *slots;
};

static struct feed {
	struct broadcast_sample of;
	bool crowded;
	struct leat_scope *scope;
	struct leat_tx *tx[SIDE];
	struct leat_rx *rx[SIDE], *laggard;
	struct ring *rings[SIDE];
} feed;

static void fail_if(bool failed)
{
	if (failed)
		bench_fail("a call failed");
}

#define INLINE static inline __attribute__((always_inline))
/* The calls know an item's size by the pointer's type. */
#define BY_SIZE(call, handle, items, ...) \
	(bytes == 8 ? call(handle, items, ##__VA_ARGS__) : call(handle, (struct big *)(void *)(items), ##__VA_ARGS__))

/* --- open and close --- */

static void subscribe(struct leat_broadcast *bc, unsigned i, enum leat_wait wait)
{
	const enum broadcast_shape shape = feed.of.shape;
	struct leat_subscribe_opts opts = { .recv_wait = wait, .after = feed.rx };

	if (shape == BROADCAST_PIPELINE && i > 0) {
		opts.after = &feed.rx[i - 1];
		opts.after_count = 1;
	} else if (shape == BROADCAST_DIAMOND && i == 2) {
		opts.after_count = 2;
	}
	fail_if(leat_broadcast_subscribe(bc, &opts, &feed.rx[i]) != 0);
}

static void feed_open_broadcast(enum leat_wait wait)
{
	const struct broadcast_sample *of = &feed.of;
	const bool skip = of->way == BROADCAST_SKIP || of->way == BROADCAST_LAGGARD;
	struct leat_broadcast_opts opts = { .kind = of->producers > 1 ? LEAT_MPMC : LEAT_SPMC,
					    .capacity = of->capacity, .send_wait = wait, .skip = skip };
	struct leat_broadcast *bc;

	fail_if(leat_broadcast_open(feed.scope, of->bytes, &opts, &bc, &feed.tx[0]) != 0);
	for (unsigned i = 1; i < of->producers; i++)
		fail_if((feed.tx[i] = leat_tx_clone(feed.tx[0])) == NULL);
	for (unsigned i = 0; i < of->consumers; i++)
		subscribe(bc, i, wait);
	if (of->way == BROADCAST_LAGGARD)
		fail_if(leat_broadcast_subscribe(bc, &(struct leat_subscribe_opts){ .lag = LEAT_LAG_SKIP },
						 &feed.laggard) != 0);
	leat_broadcast_close(bc);
}

static void feed_open_rings(unsigned i)
{
	struct ring *ring = feed.rings[i] = bench_alloc(sizeof(*ring));

	ring->slots = bench_alloc(leat_spsc_bytes(feed.of.bytes, feed.of.capacity));
	leat_spsc_init(&ring->ring, &ring->tx, &ring->rx, ring->slots, feed.of.bytes, feed.of.capacity);
}

/* One lap, so that no sample has the first touch of memory. */
static void feed_warm_up(void)
{
	const unsigned bytes = feed.of.bytes;
	uint64_t item[WORDS] = { 0 };

	for (size_t n = 0; n < feed.of.capacity && feed.of.way != BROADCAST_RINGS; n++) {
		fail_if(BY_SIZE(leat_send, feed.tx[0], item) != 0);
		for (unsigned i = 0; i < feed.of.consumers; i++) {
			if (feed.of.way == BROADCAST_CHANNELS && i > 0)
				fail_if(BY_SIZE(leat_send, feed.tx[i], item) != 0);
			fail_if(BY_SIZE(leat_recv, feed.rx[i], item) != 1);
		}
	}
}

static void feed_open(void)
{
	const struct broadcast_sample *of = &feed.of;
	const enum leat_wait wait = of->way == BROADCAST_ADAPTIVE ? LEAT_WAIT_ADAPTIVE
				    : feed.crowded		  ? LEAT_WAIT_YIELD
								  : LEAT_WAIT_SPIN;
	const struct leat_chan_opts opts = { .capacity = of->capacity, .send_wait = wait, .recv_wait = wait };

	feed.scope = leat_scope_open(NULL, NULL);
	fail_if(feed.scope == NULL);
	for (unsigned i = 0; i < of->consumers; i++)
		if (of->way == BROADCAST_RINGS)
			feed_open_rings(i);
		else if (of->way == BROADCAST_CHANNELS)
			fail_if(leat_chan_open(feed.scope, of->bytes, &opts, &feed.tx[i], &feed.rx[i]) != 0);
	if (of->way < BROADCAST_CHANNELS)
		feed_open_broadcast(wait);
	feed_warm_up();
}

static void feed_close(void)
{
	for (unsigned i = 0; i < SIDE; i++) {
		leat_tx_close(feed.tx[i]);
		leat_rx_close(feed.rx[i]);
		if (feed.rings[i] != NULL)
			free(feed.rings[i]->slots);
		free(feed.rings[i]);
	}
	leat_rx_close(feed.laggard);
	leat_scope_close(feed.scope);
	memset(&feed, 0, sizeof(feed));
}

/* --- the loops; bytes, batch and way are constants in each --- */

/* After a try that failed. */
INLINE void hold_on(unsigned *failed, bool shares)
{
	leat_pause();
	if (shares && ++*failed == 64) {
		*failed = 0;
		sched_yield();
	}
}

INLINE void send_items(struct leat_tx *tx, uint64_t *items, const size_t bytes, size_t n)
{
	fail_if(n == 1 ? BY_SIZE(leat_send, tx, items) != 0 : BY_SIZE(leat_send_batch, tx, items, n) != (ssize_t)n);
}

INLINE size_t receive_items(struct leat_rx *rx, uint64_t *items, const size_t bytes, size_t most)
{
	ssize_t n = most == 1 ? BY_SIZE(leat_recv, rx, items) : BY_SIZE(leat_recv_batch, rx, items, most);

	fail_if(n <= 0);
	return (size_t)n;
}

/* The sender's part of a ring for each consumer: it waits for the slowest, in order. */
INLINE void push_to_all(const uint64_t *item, const size_t bytes, bool shares)
{
	for (unsigned i = 0; i < feed.of.consumers; i++) {
		unsigned failed = 0;

		while (!leat_spsc_can_push(&feed.rings[i]->tx))
			hold_on(&failed, shares);
		leat_spsc_push(&feed.rings[i]->tx, item, bytes);
	}
}

INLINE void produce(const struct part *part, const size_t bytes, const size_t batch, const enum broadcast_way way)
{
	const uint64_t base = (uint64_t)part->number << 48, count = part->count;
	const size_t words = bytes / 8;
	const bool shares = part->shares;
	struct leat_tx *tx = feed.tx[part->number];
	uint64_t items[BATCH * WORDS];

	for (uint64_t n = 1; n <= count; n += batch) {
		for (size_t i = 0; i < batch; i++)
			for (size_t w = 0; w < words; w++)
				items[i * words + w] = base | (n + i);
		if (way == BROADCAST_RINGS)
			push_to_all(items, bytes, shares);
		else if (way == BROADCAST_CHANNELS)
			for (unsigned i = 0; i < feed.of.consumers; i++)
				send_items(feed.tx[i], items, bytes, batch);
		else
			send_items(tx, items, bytes, batch);
	}
}

INLINE void consume(struct part *part, const size_t bytes, const size_t batch, const enum broadcast_way way)
{
	const uint64_t count = part->count;
	const size_t words = bytes / 8;
	const bool shares = part->shares, alone = part->alone;
	struct leat_rx *rx = feed.rx[part->number];
	struct ring *ring = feed.rings[part->number];
	uint64_t items[BATCH * WORDS], got = 0, sum = 0, wrong = 0, last[SIDE] = { 0 };

	while (got < count) {
		size_t came = 1;
		unsigned failed = 0;

		if (way == BROADCAST_RINGS) {
			while (!leat_spsc_can_pop(&ring->rx))
				hold_on(&failed, shares);
			leat_spsc_pop(&ring->rx, items, bytes);
		} else {
			came = receive_items(rx, items, bytes, way == BROADCAST_TAKES ? BATCH : batch);
		}
		for (size_t i = 0; i < came; i++) {
			const uint64_t value = items[i * words];

			got++;
			for (size_t w = 1; w < words; w++)
				wrong |= items[i * words + w] ^ value;
			if (alone) {
				wrong |= value ^ got;
			} else {
				wrong |= value <= last[(value >> 48) % SIDE];
				last[(value >> 48) % SIDE] = value;
			}
			sum += value;
		}
	}
	part->sum = sum;
	part->wrong = wrong != 0;
}

#define LOOP(bytes, batch, way) \
	static void produce_##bytes##_##batch##_##way(struct part *part) \
	{ \
		produce(part, bytes, batch, way); \
	} \
	static void consume_##bytes##_##batch##_##way(struct part *part) \
	{ \
		consume(part, bytes, batch, way); \
	}
#define LOOPS(bytes, batch) LOOP(bytes, batch, BROADCAST_CALLS) LOOP(bytes, batch, BROADCAST_TAKES)
LOOPS(8, 1)
LOOP(8, 32, BROADCAST_CALLS)
LOOPS(64, 1)
LOOP(64, 1, BROADCAST_CHANNELS)
LOOP(64, 1, BROADCAST_RINGS)

#define PAIR(bytes, batch, way) \
	do { \
		*produce = produce_##bytes##_##batch##_##way; \
		*consume = consume_##bytes##_##batch##_##way; \
	} while (0)
static void choose_loops(part_fn **produce, part_fn **consume)
{
	const struct broadcast_sample *of = &feed.of;

	if (of->way == BROADCAST_CHANNELS)
		PAIR(64, 1, BROADCAST_CHANNELS);
	else if (of->way == BROADCAST_RINGS)
		PAIR(64, 1, BROADCAST_RINGS);
	else if (of->bytes == 64 && of->way == BROADCAST_TAKES)
		PAIR(64, 1, BROADCAST_TAKES);
	else if (of->bytes == 64)
		PAIR(64, 1, BROADCAST_CALLS);
	else if (of->batch == 32)
		PAIR(8, 32, BROADCAST_CALLS);
	else if (of->way == BROADCAST_TAKES)
		PAIR(8, 1, BROADCAST_TAKES);
	else
		PAIR(8, 1, BROADCAST_CALLS);
}

static void verify(const struct thread *threads)
{
	const uint64_t each = feed.of.items / feed.of.producers;
	uint64_t sent = 0;

	for (uint64_t p = 0; p < feed.of.producers; p++)
		sent += (p << 48) * each + each * (each + 1) / 2;
	for (unsigned i = feed.of.producers; i < feed.of.producers + feed.of.consumers; i++)
		if (threads[i].part.wrong || threads[i].part.sum != sent)
			bench_fail("an item is lost, changed, or out of order");
}

/* The wall time, and the CPU time of the producers; ns an item. */
void broadcast_leat(uint64_t n, double *values)
{
	struct thread threads[2 * SIDE] = { 0 };
	part_fn *send, *receive;
	int64_t took_ns;

	feed.of = broadcast_sample_of(n);
	feed.crowded = feed.of.producers + feed.of.consumers > bench_cores_count;
	feed_open();
	choose_loops(&send, &receive);
	for (unsigned i = 0; i < feed.of.producers + feed.of.consumers; i++) {
		const bool producer = i < feed.of.producers;
		struct thread *t = &threads[i];

		t->run = producer ? send : receive;
		t->part.number = producer ? i : i - feed.of.producers;
		t->part.count = producer ? feed.of.items / feed.of.producers : feed.of.items;
		t->part.shares = feed.crowded;
		t->part.alone = feed.of.producers == 1;
		t->core = threads_core(PLACE_SEPARATE, producer, t->part.number);
	}
	took_ns = threads_run(threads, feed.of.producers + feed.of.consumers, NULL);
	verify(threads);
	values[0] = (double)took_ns / (double)feed.of.items;
	values[1] = 0;
	for (unsigned i = 0; i < feed.of.producers; i++)
		values[1] += (double)(threads[i].over_ns - threads[i].started_ns - threads[i].lost_ns) /
			     (double)feed.of.items;
	feed_close();
}
