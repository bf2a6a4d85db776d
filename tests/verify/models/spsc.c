/*
 * Models of the ring for one producer and one consumer.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include <leat/ring/spsc.h>

enum { MEMORY = 1024, SIZE_MOST = 4 * sizeof(uint64_t) };

static struct leat_spsc ring;
static struct leat_spsc_cursor tx, rx;
static unsigned char memory[MEMORY] __attribute__((aligned(64)));
static size_t size; /* of an item: 8, seven to a line; 24, two to a line; 32, side by side */
static unsigned capacity, items;
static bool size_unknown; /* to batches: then they go by runs, not by lines */

static void open_ring(size_t its_size, unsigned its_capacity, unsigned its_items)
{
	size = its_size;
	capacity = its_capacity;
	items = its_items;
	verify_that(leat_spsc_bytes(size, capacity) <= MEMORY);
	leat_spsc_init(&ring, &tx, &rx, memory, size, capacity);
}

/* An item says its number in each of its words. */
static void write_item(void *to, uint64_t number)
{
	uint64_t item[SIZE_MOST / 8] = { number, number, number, number };

	memcpy(to, item, size);
}

static uint64_t read_item(const void *from)
{
	uint64_t item[SIZE_MOST / 8];

	memcpy(item, from, size);
	verify_that(item[size / 8 - 1] == item[0]);
	return item[0];
}

static void push(uint64_t number)
{
	unsigned char item[SIZE_MOST];

	write_item(item, number);
	while (!leat_spsc_can_push(&tx))
		leat_pause();
	leat_spsc_push(&tx, item, size);
}

static uint64_t pop(void)
{
	unsigned char item[SIZE_MOST];

	while (!leat_spsc_can_pop(&rx))
		leat_pause();
	leat_spsc_pop(&rx, item, size);
	return read_item(item);
}

static void producer(void *arg)
{
	(void)arg;
	for (unsigned i = 1; i <= items; i++)
		push(i);
}

static void consumer(void *arg)
{
	(void)arg;
	for (unsigned i = 1; i <= items; i++)
		verify_that(pop() == i);
}

static void run(size_t its_size, unsigned its_capacity, unsigned its_items)
{
	open_ring(its_size, its_capacity, its_items);
	verify_spawn(producer, NULL, "producer");
	verify_spawn(consumer, NULL, "consumer");
	verify_join();
}

MODEL(spsc_two_items, .what = "every item once and in order; capacity 2", .preemptions = 3,
      .stale = VERIFY_NO_BOUND)
{
	run(8, 2, 2);
}

MODEL(spsc_two_items_apart, .what = "the same, items above 24 bytes", .preemptions = 3,
      .stale = VERIFY_NO_BOUND)
{
	run(32, 2, 2);
}

MODEL(spsc_capacity_one, .what = "a slot is not written before it was read; capacity 1",
      .preemptions = 3, .stale = 3)
{
	run(8, 1, 2);
}

MODEL(spsc_capacity_one_apart, .what = "the same, items above 24 bytes", .preemptions = 3,
      .stale = 3)
{
	run(32, 1, 2);
}

MODEL(spsc_lines, .what = "four items over three lines of two, capacity 3", .preemptions = 3,
      .stale = 2)
{
	run(24, 3, 4);
}

MODEL(spsc_wrap_around, .what = "two laps of two lines, and into the third, capacity 1",
      .preemptions = 2, .stale = 2)
{
	run(24, 1, 5);
}

MODEL(spsc_wrap_around_lines, .what = "two laps of three lines, capacity 3", .preemptions = 2,
      .stale = 1)
{
	run(24, 3, 9);
}

MODEL(spsc_wrap_around_apart, .what = "three laps of two slots", .preemptions = 2, .stale = 2)
{
	run(32, 2, 6);
}

static void run_late(size_t its_size)
{
	open_ring(its_size, 1, 0);
	for (uint64_t i = 0; i < 3; i++) { /* so that both sides have gone round once */
		push(i);
		verify_that(pop() == i);
	}
	items = 2;
	verify_spawn(producer, NULL, "producer");
	verify_spawn(consumer, NULL, "consumer");
	verify_join();
}

MODEL(spsc_later_laps, .what = "the words of earlier laps still stand in the lines",
      .preemptions = 3, .stale = 3)
{
	run_late(24);
}

/* Several at a time, in place. */
static void producer_in_place(void *arg)
{
	(void)arg;
	for (uint64_t sent = 0; sent < items;) {
		void *place;
		size_t n = leat_spsc_claim(&tx, items - sent, &place);

		if (n == 0) {
			leat_pause();
			continue;
		}
		verify_that(n <= capacity);
		for (size_t i = 0; i < n; i++)
			write_item((char *)place + i * size, sent + i + 1);
		leat_spsc_publish(&tx, n);
		sent += n;
	}
}

static void consumer_in_place(void *arg)
{
	(void)arg;
	for (uint64_t got = 0; got < items;) {
		void *place;
		size_t n = leat_spsc_peek(&rx, items, &place);

		if (n == 0) {
			leat_pause();
			continue;
		}
		verify_that(n <= capacity);
		for (size_t i = 0; i < n; i++)
			verify_that(read_item((char *)place + i * size) == got + i + 1);
		leat_spsc_release(&rx, n);
		got += n;
	}
}

static void run_in_place(size_t its_size)
{
	open_ring(its_size, 3, 5);
	verify_spawn(producer_in_place, NULL, "producer");
	verify_spawn(consumer_in_place, NULL, "consumer");
	verify_join();
}

MODEL(spsc_in_place, .what = "claims and peeks of several, over lines and laps; capacity 3",
      .preemptions = 3, .stale = 2)
{
	run_in_place(24);
}

MODEL(spsc_in_place_apart, .what = "the same, items above 24 bytes", .preemptions = 3, .stale = 2)
{
	run_in_place(32);
}

static void producer_in_batches(void *arg)
{
	unsigned char batch[5 * SIZE_MOST];
	uint64_t sent = 0;

	(void)arg;
	while (sent < items) {
		size_t n = items - sent < 3 ? items - sent : 3;

		for (size_t i = 0; i < n; i++)
			write_item(batch + i * size, sent + i + 1);
		n = size == 24 && !size_unknown ? leat_spsc_push_batch(&tx, batch, n, 24)
		                                : leat_spsc_push_batch(&tx, batch, n, size);
		verify_that(n <= capacity);
		if (n == 0)
			leat_pause();
		sent += n;
	}
}

static void consumer_in_batches(void *arg)
{
	unsigned char batch[5 * SIZE_MOST];

	(void)arg;
	for (uint64_t got = 0; got < items;) {
		size_t n = size == 24 && !size_unknown ? leat_spsc_pop_batch(&rx, batch, 3, 24)
		                                       : leat_spsc_pop_batch(&rx, batch, 3, size);

		for (size_t i = 0; i < n; i++)
			verify_that(read_item(batch + i * size) == got + i + 1);
		if (n == 0)
			leat_pause();
		got += n;
	}
}

static void run_in_batches(size_t its_size)
{
	open_ring(its_size, 3, 5);
	verify_spawn(producer_in_batches, NULL, "producer");
	verify_spawn(consumer_in_batches, NULL, "consumer");
	verify_join();
}

MODEL(spsc_batches, .what = "batches of three over lines of two; capacity 3", .preemptions = 3,
      .stale = 2)
{
	run_in_batches(24);
}

MODEL(spsc_batches_size_unknown, .what = "the same, without a constant size", .preemptions = 3,
      .stale = 2)
{
	size_unknown = true;
	run_in_batches(24);
}

MODEL(spsc_batches_laps, .what = "the same twice round three lines", .preemptions = 2, .stale = 2)
{
	open_ring(24, 3, 9);
	verify_spawn(producer_in_batches, NULL, "producer");
	verify_spawn(consumer_in_batches, NULL, "consumer");
	verify_join();
}

/* Lines that are not handed back (leat/ring/tuning.h). */
static void run_kept(void (*produce)(void *), void (*consume)(void *))
{
	open_ring(24, 3, 9);
	rx.hand_back = false;
	verify_spawn(produce, NULL, "producer");
	verify_spawn(consume, NULL, "consumer");
	verify_join();
}

MODEL(spsc_lines_kept, .what = "two laps of three lines, which the consumer only reads",
      .preemptions = 2, .stale = 1)
{
	run_kept(producer, consumer);
}

MODEL(spsc_batches_lines_kept, .what = "the same in batches", .preemptions = 2, .stale = 1)
{
	run_kept(producer_in_batches, consumer_in_batches);
}

MODEL(spsc_batches_apart, .what = "the same, items above 24 bytes", .preemptions = 3, .stale = 2)
{
	run_in_batches(32);
}

/* Never more in the ring than fits, without ever waiting: what a try answers. */
static uint64_t pushed, popped;

static void trying_producer(void *arg)
{
	(void)arg;
	for (unsigned tries = 0; tries < 4; tries++)
		if (leat_spsc_can_push(&tx))
			push(++pushed);
}

static void trying_consumer(void *arg)
{
	(void)arg;
	for (unsigned tries = 0; tries < 2; tries++)
		if (leat_spsc_can_pop(&rx))
			verify_that(pop() == ++popped);
}

static void full_at_exact_capacity(size_t its_size)
{
	open_ring(its_size, 2, 0);
	verify_spawn(trying_producer, NULL, "producer");
	verify_spawn(trying_consumer, NULL, "consumer");
	verify_join();
	verify_that(pushed >= 2 && pushed - popped <= 2);
	while (pushed - popped < 2)
		push(++pushed);
	verify_that(!leat_spsc_can_push(&tx));
	while (popped < pushed)
		verify_that(pop() == ++popped);
	verify_that(!leat_spsc_can_pop(&rx));
}

MODEL(spsc_full_at_exact_capacity, .what = "a try succeeds exactly while there is room; capacity 2",
      .preemptions = 3, .stale = 3)
{
	full_at_exact_capacity(24);
}

MODEL(spsc_full_at_exact_capacity_apart, .what = "the same, items above 24 bytes", .preemptions = 3,
      .stale = 3)
{
	full_at_exact_capacity(32);
}

/* Each side's thread hands its side over to the other in the middle, by a flag. */
static uint32_t tx_free, rx_free;

static void swap_first(void *arg)
{
	(void)arg;
	push(1);
	push(2);
	leat_store_rel(&tx_free, 1); /* pairs with the load in swap_second() */
	while (leat_load_acq(&rx_free) == 0)
		leat_pause();
	verify_that(pop() == 2);
	verify_that(pop() == 3);
}

static void swap_second(void *arg)
{
	(void)arg;
	verify_that(pop() == 1);
	leat_store_rel(&rx_free, 1); /* pairs with the load in swap_first() */
	while (leat_load_acq(&tx_free) == 0)
		leat_pause();
	push(3);
}

MODEL(spsc_role_swap, .what = "a producer becomes the consumer, and the reverse", .preemptions = 3,
      .stale = 2)
{
	open_ring(24, 2, 3);
	verify_spawn(swap_first, NULL, "first");
	verify_spawn(swap_second, NULL, "second");
	verify_join();
}
