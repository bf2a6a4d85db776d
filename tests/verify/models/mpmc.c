/*
 * Models of the ring with turns.
 *
 * What is kept of each push and pop is when it began and ended; at the end nothing may be lost or
 * taken twice, and what was pushed before something else began to be pushed must not be taken after
 * it was.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include <leat/ring/mpmc.h>

enum { MOST = 8, MEMORY = 1024 };

static struct leat_mpmc ring;
static unsigned char memory[MEMORY] __attribute__((aligned(64)));

static void open_ring(size_t capacity, bool single_producer, bool single_consumer)
{
	verify_that(leat_mpmc_bytes(sizeof(uint64_t), capacity) <= MEMORY);
	leat_mpmc_init(&ring, memory, sizeof(uint64_t), capacity, single_producer, single_consumer);
}

/* The history. An item is its index here; each is pushed by one thread. */
static struct {
	uint64_t push_began, push_ended, pop_began, pop_ended;
	unsigned popped, given_up;
} history[MOST + 1];

static bool try_push(uint64_t item)
{
	struct leat_mpmc_claim claim;

	if (history[item].push_began == 0)
		history[item].push_began = verify_now();
	if (leat_mpmc_claim_slots(&ring, 1, &claim) == 0)
		return false;
	memcpy(leat_mpmc_item(&ring, &claim, 0), &item, sizeof(item));
	leat_mpmc_commit(&ring, &claim, 1);
	history[item].push_ended = verify_now();
	return true;
}

static void push(uint64_t item)
{
	while (!try_push(item)) {
		leat_pause();
		history[item].push_began = 0;
	}
}

static uint64_t try_pop(void)
{
	uint64_t began = verify_now(), item;
	struct leat_mpmc_claim claim;

	leat_mpmc_skip(&ring);
	if (leat_mpmc_claim_items(&ring, 1, &claim) == 0)
		return 0;
	memcpy(&item, leat_mpmc_item(&ring, &claim, 0), sizeof(item));
	leat_mpmc_release(&ring, &claim);
	verify_that(item >= 1 && item <= MOST);
	verify_that(history[item].popped == 0);
	history[item].popped++;
	history[item].pop_began = began;
	history[item].pop_ended = verify_now();
	return item;
}

static uint64_t pop(void)
{
	uint64_t item;

	while ((item = try_pop()) == 0)
		leat_pause();
	return item;
}

/* Everything of 1 to n that was pushed was popped, in an order that fits that of the pushes. */
static void check_history(uint64_t n)
{
	for (uint64_t i = 1; i <= n; i++) {
		if (history[i].push_ended == 0)
			continue;
		verify_that(history[i].popped == 1);
		for (uint64_t j = 1; j <= n; j++)
			if (history[j].push_ended != 0 &&
			    history[i].push_ended < history[j].push_began)
				verify_that(history[i].pop_began <= history[j].pop_ended);
	}
}

static unsigned each_pops;

static void producer(void *arg)
{
	uintptr_t first = (uintptr_t)arg;

	push(first);
	push(first + 1);
}

static void one_pusher(void *arg)
{
	push((uintptr_t)arg);
}

static void popper(void *arg)
{
	uint64_t last[3] = { 0 };

	(void)arg;
	for (unsigned i = 0; i < each_pops; i++) {
		uint64_t item = pop(), from = (item - 1) / 2;

		if (from < 2) {
			verify_that(item > last[from]); /* first in, first out of each producer */
			last[from] = item;
		}
	}
}

MODEL(mpmc_one_by_one, .what = "one producer, one consumer, two items, capacity 2",
      .preemptions = 3, .stale = 3)
{
	open_ring(2, false, false);
	each_pops = 2;
	verify_spawn(producer, (void *)1, "producer");
	verify_spawn(popper, NULL, "consumer");
	verify_join();
	check_history(2);
}

MODEL(mpmc_capacity_one, .what = "full and empty are told apart with one slot, over three laps",
      .preemptions = 2, .stale = 2)
{
	open_ring(1, false, false);
	each_pops = 3;
	verify_spawn(producer, (void *)1, "producer");
	verify_spawn(popper, NULL, "consumer");
	push(3);
	verify_join();
	check_history(3);
}

MODEL(mpmc_single_sides, .what = "the same with plain stores of the positions (SPSC with turns)",
      .preemptions = 3, .stale = 3)
{
	open_ring(1, true, true);
	each_pops = 2;
	verify_spawn(producer, (void *)1, "producer");
	verify_spawn(popper, NULL, "consumer");
	verify_join();
	check_history(2);
}

MODEL(mpsc_two_producers, .what = "two producers, one consumer, capacity 1", .preemptions = 2,
      .stale = 2)
{
	open_ring(1, false, true);
	each_pops = 2;
	verify_spawn(one_pusher, (void *)1, "producer 1");
	verify_spawn(one_pusher, (void *)3, "producer 2");
	verify_spawn(popper, NULL, "consumer");
	verify_join();
	check_history(4);
}

MODEL(mpsc_two_producers_two_slots,
      .what = "two producers with two items each, one consumer, capacity 2", .preemptions = 2,
      .stale = 1)
{
	open_ring(2, false, true);
	each_pops = 4;
	verify_spawn(producer, (void *)1, "producer 1");
	verify_spawn(producer, (void *)3, "producer 2");
	popper(NULL);
	verify_join();
	check_history(4);
}

MODEL(spmc_two_consumers, .what = "one producer, two consumers, capacity 1", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	open_ring(1, true, false);
	each_pops = 1;
	verify_spawn(producer, (void *)1, "producer");
	verify_spawn(popper, NULL, "consumer 1");
	verify_spawn(popper, NULL, "consumer 2");
	verify_join();
	check_history(2);
}

MODEL(mpmc_two_by_two, .what = "two producers, two consumers, an item each, capacity 1",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_ring(1, false, false);
	each_pops = 1;
	verify_spawn(one_pusher, (void *)1, "producer 1");
	verify_spawn(one_pusher, (void *)3, "producer 2");
	verify_spawn(popper, NULL, "consumer 1");
	verify_spawn(popper, NULL, "consumer 2");
	verify_join();
	check_history(4);
}

MODEL(mpmc_wrap_around, .what = "capacity 3, which is no power of two: four items, two consumers",
      .preemptions = 2, .stale = 1)
{
	open_ring(3, false, false);
	push(1);
	push(2);
	verify_that(pop() == 1);
	/* the next item stands in the last slot, the one after it in the first of the next lap */
	verify_that(pop() == 2);
	each_pops = 1;
	verify_spawn(popper, NULL, "consumer 1");
	verify_spawn(popper, NULL, "consumer 2");
	producer((void *)3);
	verify_join();
	check_history(4);
}

MODEL(mpmc_role_swap, .what = "each thread produces, then consumes", .preemptions = 2, .stale = 2)
{
	open_ring(2, false, false);
	each_pops = 1;
	verify_spawn(one_pusher, (void *)1, "first");
	push(3);
	popper(NULL);
	verify_join();
	popper(NULL);
	check_history(4);
}

/* Tries, which answer what is so. */
static unsigned tried, got;

static void trying_producer(void *arg)
{
	for (uintptr_t i = (uintptr_t)arg; i < (uintptr_t)arg + 2; i++)
		if (try_push(i))
			leat_add_rlx(&tried, 1);
}

MODEL(mpmc_full_at_exact_capacity,
      .what = "four tries by two producers: exactly two find room of two", .preemptions = 3,
      .stale = 2)
{
	open_ring(2, false, false);
	verify_spawn(trying_producer, (void *)1, "producer 1");
	verify_spawn(trying_producer, (void *)3, "producer 2");
	verify_join();
	verify_that(tried == 2);
	for (got = 0; try_pop() != 0;)
		got++;
	verify_that(got == 2);
	check_history(4);
}

/* A producer stands between claim and commit while others go on as far as they can. */
static struct leat_mpmc_claim stalled;

static void goes_on(void *arg)
{
	for (uintptr_t i = (uintptr_t)arg; i < (uintptr_t)arg + 2; i++)
		try_push(i);
	try_pop();
	try_pop();
}

MODEL(mpmc_stalled_claimant,
      .what = "stalled_claimant_does_not_corrupt: nobody gets past it, or writes where it does",
      .preemptions = 2, .stale = 2)
{
	uint64_t item = 7, last = 0, next;

	open_ring(2, false, false);
	history[item].push_began = verify_now();
	verify_that(leat_mpmc_claim_slots(&ring, 1, &stalled) == 1);
	verify_spawn(goes_on, (void *)1, "other 1");
	verify_spawn(goes_on, (void *)3, "other 2");
	memcpy(leat_mpmc_item(&ring, &stalled, 0), &item, sizeof(item));
	verify_that(leat_mpmc_commit(&ring, &stalled, 1) == 0);
	history[item].push_ended = verify_now();
	verify_join();
	while ((next = try_pop()) != 0)
		last = next;
	(void)last;
	check_history(MOST);
}

/* A consumer stands between take and free: its slot is not written. */
static void fills(void *arg)
{
	(void)arg;
	for (uint64_t i = 3; i <= 5; i++)
		try_push(i);
}

MODEL(mpmc_stalled_consumer,
      .what = "reserve_when_full_never_overwrites: what is being read is not written",
      .preemptions = 3, .stale = 2)
{
	struct leat_mpmc_claim claim;
	uint64_t item;

	open_ring(2, false, false);
	push(1);
	push(2);
	verify_spawn(fills, NULL, "producer");
	verify_that(leat_mpmc_claim_items(&ring, 1, &claim) == 1);
	memcpy(&item, leat_mpmc_item(&ring, &claim, 0), sizeof(item));
	verify_that(item == 1);
	memcpy(&item, leat_mpmc_item(&ring, &claim, 0), sizeof(item));
	verify_that(item == 1);
	leat_mpmc_release(&ring, &claim);
	history[1].popped = 1;
	history[1].pop_ended = verify_now();
	verify_join();
	while (try_pop() != 0)
		;
	check_history(5);
}

/*
 * Fewer committed than claimed: taken back, or skipped by consumers; the items around them come
 * through.
 */
static void gives_back(void *arg)
{
	struct leat_mpmc_claim claim;
	uint64_t item = 1;
	size_t n;

	(void)arg;
	history[1].push_began = verify_now();
	while ((n = leat_mpmc_claim_slots(&ring, 2, &claim)) == 0)
		leat_pause();
	for (size_t i = 0; i < n; i++) /* what is given up has been written to as well */
		memcpy(leat_mpmc_item(&ring, &claim, i), &item, sizeof(item));
	leat_mpmc_commit(&ring, &claim, 1);
	history[1].push_ended = verify_now();
}

MODEL(mpmc_commit_fewer,
      .what = "a commit of fewer against another claim: nothing lost, nothing stuck",
      .preemptions = 3, .stale = 2)
{
	open_ring(3, false, false);
	verify_spawn(gives_back, NULL, "gives back");
	verify_spawn(one_pusher, (void *)3, "other");
	verify_that(pop() != 0);
	verify_that(pop() != 0);
	verify_join();
	verify_that(try_pop() == 0);
	check_history(4);
	for (uint64_t i = 5; i <= 7; i++) /* all room is there again */
		verify_that(try_push(i));
	for (uint64_t i = 5; i <= 7; i++)
		verify_that(try_pop() == i);
}

static void pushes_three(void *arg)
{
	(void)arg;
	for (uint64_t item = 2; item <= 4; item++)
		push(item);
}

MODEL(mpmc_skipped_used_again,
      .what = "a slot that was written to and given up is another producer's a lap later",
      .preemptions = 2, .stale = 1)
{
	open_ring(3, false, false);
	verify_spawn(gives_back, NULL, "gives back");
	verify_spawn(pushes_three, NULL, "other");
	for (int i = 0; i < 4; i++)
		pop();
	verify_join();
	verify_that(try_pop() == 0);
	check_history(4);
}

static void gives_all_back(void *arg)
{
	struct leat_mpmc_claim claim;
	uint64_t item = MOST;

	(void)arg;
	if (leat_mpmc_claim_slots(&ring, 1, &claim) == 0)
		return;
	memcpy(leat_mpmc_item(&ring, &claim, 0), &item, sizeof(item));
	leat_mpmc_commit(&ring, &claim, 0);
}

MODEL(mpmc_given_up_used_again, .what = "the same where nothing of the claim is committed",
      .preemptions = 2, .stale = 1)
{
	open_ring(2, false, false);
	verify_spawn(gives_all_back, NULL, "gives up");
	verify_spawn(pushes_three, NULL, "other");
	for (int i = 0; i < 3; i++)
		pop();
	verify_join();
	verify_that(try_pop() == 0);
	check_history(4);
}

MODEL(mpmc_commit_none, .what = "a claim given up against a producer and two consumers",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	open_ring(2, false, false);
	each_pops = 1;
	verify_spawn(gives_all_back, NULL, "gives up");
	verify_spawn(producer, (void *)1, "producer");
	verify_spawn(popper, NULL, "consumer");
	pop();
	verify_join();
	verify_that(try_pop() == 0);
	check_history(2);
}

/* Fewer freed than taken. */
static void puts_back(void *arg)
{
	struct leat_mpmc_claim claim;
	uint64_t began = verify_now(), item, n;

	(void)arg;
	n = leat_mpmc_claim_items(&ring, 2, &claim);
	if (n == 0)
		return;
	for (size_t i = 0; i < n; i++) /* what is put back has been looked at */
		memcpy(&item, leat_mpmc_item(&ring, &claim, i), sizeof(item));
	if (n == 2 && leat_mpmc_unclaim(&ring, &claim, 1))
		claim.n = 1;
	for (size_t i = 0; i < claim.n; i++) {
		memcpy(&item, leat_mpmc_item(&ring, &claim, i), sizeof(item));
		verify_that(history[item].popped++ == 0);
		history[item].pop_began = began;
		history[item].pop_ended = verify_now();
	}
	leat_mpmc_release(&ring, &claim);
}

static void pops_what_there_is(void *arg)
{
	(void)arg;
	try_pop();
	try_pop();
}

MODEL(mpmc_put_back, .what = "a release of fewer against another consumer and a producer",
      .preemptions = 3, .stale = 1)
{
	open_ring(2, false, false);
	push(1);
	push(2);
	verify_spawn(puts_back, NULL, "puts back");
	verify_spawn(pops_what_there_is, NULL, "other");
	trying_producer((void *)3);
	verify_join();
	while (try_pop() != 0)
		;
	check_history(4);
}

static void puts_all_back(void *arg)
{
	struct leat_mpmc_claim claim;
	uint64_t item, n;

	(void)arg;
	n = leat_mpmc_claim_items(&ring, 2, &claim);
	for (size_t i = 0; i < n; i++)
		memcpy(&item, leat_mpmc_item(&ring, &claim, i), sizeof(item));
	if (n == 0 || leat_mpmc_unclaim(&ring, &claim, 0))
		return;
	for (size_t i = 0; i < n; i++) {
		memcpy(&item, leat_mpmc_item(&ring, &claim, i), sizeof(item));
		verify_that(history[item].popped++ == 0);
		history[item].pop_ended = verify_now();
	}
	leat_mpmc_release(&ring, &claim);
}

static void pushes_two(void *arg)
{
	(void)arg;
	push(3);
	push(4);
}

MODEL(mpmc_put_back_used_again,
      .what = "an item that was looked at and put back is taken and its slot written by others",
      .preemptions = 2, .stale = 1)
{
	open_ring(2, false, false);
	push(1);
	push(2);
	verify_spawn(verify_choose(2) ? puts_all_back : puts_back, NULL, "puts back");
	verify_spawn(pushes_two, NULL, "producer");
	for (int i = 0; i < 6; i++) {
		leat_pause();
		try_pop();
	}
	verify_join();
	while (try_pop() != 0)
		;
	check_history(4);
}

/* A sender that makes room by taking the oldest, against a receiver. */
static unsigned dropped;

static void drops_oldest(void *arg)
{
	(void)arg;
	for (uint64_t item = 3; item <= 4; item++) {
		struct leat_mpmc_claim claim;

		for (int tries = 0; tries < 3 && !try_push(item); tries++) {
			uint64_t oldest;

			if (leat_mpmc_claim_oldest(&ring, &claim, LEAT_TURN_FULL) == 0)
				continue;
			memcpy(&oldest, leat_mpmc_item(&ring, &claim, 0), sizeof(oldest));
			verify_that(history[oldest].popped++ == 0);
			history[oldest].pop_ended = verify_now();
			leat_mpmc_release(&ring, &claim);
			dropped++;
		}
	}
}

MODEL(mpmc_drop_oldest,
      .what = "drop_oldest against receive: each item is received or dropped, once",
      .preemptions = 3, .stale = 2)
{
	open_ring(2, true, false);
	push(1);
	push(2);
	verify_spawn(drops_oldest, NULL, "sender");
	try_pop();
	try_pop();
	verify_join();
	while (try_pop() != 0)
		;
	for (uint64_t i = 1; i <= 4; i++)
		verify_that(history[i].push_ended == 0 || history[i].popped == 1);
}

MODEL(mpmc_drop_what_was_put_back,
      .what = "what a receiver looked at and put back is dropped, and its slot written",
      .preemptions = 3, .stale = 2)
{
	open_ring(2, true, false);
	push(1);
	push(2);
	verify_spawn(verify_choose(2) ? puts_all_back : puts_back, NULL, "puts back");
	drops_oldest(NULL);
	verify_join();
	while (try_pop() != 0)
		;
	for (uint64_t i = 1; i <= 4; i++)
		verify_that(history[i].push_ended == 0 || history[i].popped == 1);
}

/* The calls for one item, and for several, which begin where their thread left off. */
static void pushes_by_side(void *arg)
{
	uint64_t first = (uintptr_t)arg, batch[2] = { first, first + 1 };
	struct leat_mpmc_cursor side;

	leat_mpmc_cursor_init(&side, &ring);
	for (uint64_t i = 0; i < 2; i++) {
		history[first + i].push_began = verify_now();
		while (!leat_mpmc_push(&ring, &side, &batch[i], sizeof(uint64_t)))
			leat_pause();
		history[first + i].push_ended = verify_now();
	}
}

/* The most of a batch: two, or a whole line, whose turns are compared together. */
enum { LINE = 4 };
static size_t most = 2;

static void pushes_batch(void *arg)
{
	uint64_t first = (uintptr_t)arg, batch[LINE];
	struct leat_mpmc_cursor side;

	leat_mpmc_cursor_init(&side, &ring);
	for (uint64_t i = 0; i < most; i++) {
		batch[i] = first + i;
		history[first + i].push_began = verify_now();
	}
	for (size_t done = 0; done < most;) {
		size_t n = leat_mpmc_push_batch(&ring, &side, batch + done, most - done,
		                                sizeof(uint64_t));

		for (size_t i = 0; i < n; i++)
			history[first + done + i].push_ended = verify_now();
		done += n;
		if (n == 0)
			leat_pause();
	}
}

static void note_popped(uint64_t item, uint64_t began)
{
	verify_that(item >= 1 && item <= MOST && history[item].popped == 0);
	history[item].popped++;
	history[item].pop_began = began;
	history[item].pop_ended = verify_now();
}

static void pops_by_side(void *arg)
{
	struct leat_mpmc_cursor side;

	(void)arg;
	leat_mpmc_cursor_init(&side, &ring);
	for (unsigned i = 0; i < each_pops; i++) {
		uint64_t began = verify_now(), item;

		while (!leat_mpmc_pop(&ring, &side, &item, sizeof(item))) {
			leat_pause();
			began = verify_now();
		}
		note_popped(item, began);
	}
}

static void pops_batch(void *arg)
{
	struct leat_mpmc_cursor side;
	uint64_t batch[LINE];

	(void)arg;
	leat_mpmc_cursor_init(&side, &ring);
	for (unsigned done = 0; done < each_pops;) {
		uint64_t began = verify_now();
		size_t n = leat_mpmc_pop_batch(&ring, &side, batch,
		                               each_pops - done < most ? each_pops - done : most,
		                               sizeof(uint64_t));

		for (size_t i = 0; i < n; i++)
			note_popped(batch[i], began);
		done += (unsigned)n;
		if (n == 0)
			leat_pause();
	}
}

static void by_sides(size_t capacity, bool single_producer, bool single_consumer,
                     void (*pushes)(void *), void (*pops)(void *))
{
	open_ring(capacity, single_producer, single_consumer);
	each_pops = single_producer || single_consumer ? 2 : 1;
	if (single_producer && !single_consumer)
		each_pops = 1;
	else if (!single_producer && single_consumer)
		each_pops = 4;
	verify_spawn(pushes, (void *)1, "producer 1");
	if (!single_producer)
		verify_spawn(pushes, (void *)3, "producer 2");
	if (!single_consumer)
		verify_spawn(pops, NULL, "consumer 2");
	pops(NULL);
	verify_join();
	each_pops = 1;
	while (!single_producer && !single_consumer &&
	       history[1].popped + history[2].popped + history[3].popped + history[4].popped < 4)
		pops(NULL);
	check_history(4);
}

MODEL(mpmc_sides_single, .what = "push and pop with one thread on each side, capacity 1",
      .preemptions = 3, .stale = 2)
{
	by_sides(1, true, true, pushes_by_side, pops_by_side);
}

MODEL(mpsc_sides, .what = "push and pop, two producers with two items each, capacity 2",
      .preemptions = 2, .stale = 1)
{
	by_sides(2, false, true, pushes_by_side, pops_by_side);
}

MODEL(spmc_sides, .what = "push and pop, two consumers, capacity 1", .preemptions = 2, .stale = 2)
{
	by_sides(1, true, false, pushes_by_side, pops_by_side);
}

MODEL(mpmc_sides, .what = "push and pop, two on each side, capacity 2", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	by_sides(2, false, false, pushes_by_side, pops_by_side);
}

MODEL(mpsc_sides_batches, .what = "batches of two, two producers, capacity 3", .preemptions = 2,
      .stale = 1)
{
	by_sides(3, false, true, pushes_batch, pops_batch);
}

MODEL(spmc_sides_batches, .what = "batches of two, two consumers, capacity 2", .preemptions = 2,
      .stale = 2)
{
	by_sides(2, true, false, pushes_batch, pops_batch);
}

MODEL(mpmc_sides_batches, .what = "batches of two, two on each side, capacity 3", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	by_sides(3, false, false, pushes_batch, pops_batch);
}

MODEL(mpsc_sides_lines, .what = "batches of four, a line, two producers, capacity 6",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	most = LINE;
	open_ring(6, false, true);
	each_pops = 2 * LINE;
	verify_spawn(pushes_batch, (void *)1, "producer 1");
	verify_spawn(pushes_batch, (void *)5, "producer 2");
	pops_batch(NULL);
	verify_join();
	check_history(2 * LINE);
}

MODEL(spmc_sides_lines, .what = "batches of four, a line, two consumers, capacity 5",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	most = LINE;
	open_ring(5, true, false);
	each_pops = LINE;
	verify_spawn(pops_batch, NULL, "consumer 1");
	verify_spawn(pops_batch, NULL, "consumer 2");
	pushes_batch((void *)1);
	pushes_batch((void *)5);
	verify_join();
	check_history(2 * LINE);
}

static void pushes_three_by_side(void *arg)
{
	struct leat_mpmc_cursor side;

	(void)arg;
	leat_mpmc_cursor_init(&side, &ring);
	for (uint64_t item = 2; item <= 4; item++)
		while (!leat_mpmc_push(&ring, &side, &item, sizeof(item)))
			leat_pause();
}

MODEL(mpmc_sides_given_back,
      .what = "a slot that was written to and taken back is next used by push", .preemptions = 3,
      .stale = 2, .quick = 2)
{
	open_ring(5, false, false); /* one may be left as skipped */
	verify_spawn(gives_back, NULL, "gives back");
	pushes_three_by_side(NULL);
	verify_join();
	for (int i = 0; i < 4; i++)
		verify_that(try_pop() != 0);
}

static void pops_three_by_side(void *arg)
{
	struct leat_mpmc_cursor side;
	uint64_t item;

	(void)arg;
	leat_mpmc_cursor_init(&side, &ring);
	for (int i = 0; i < 6; i++) {
		if (leat_mpmc_pop(&ring, &side, &item, sizeof(item)))
			note_popped(item, verify_now());
		else
			leat_pause();
	}
}

MODEL(mpmc_sides_put_back,
      .what = "an item that was looked at and put back is taken by pop, and its slot written",
      .preemptions = 2, .stale = 1)
{
	open_ring(2, false, false);
	push(1);
	push(2);
	verify_spawn(puts_all_back, NULL, "puts back");
	verify_spawn(pushes_two, NULL, "producer");
	pops_three_by_side(NULL);
	for (int i = 0; i < 2; i++) {
		leat_pause();
		try_pop();
	}
	verify_join();
	while (try_pop() != 0)
		;
	check_history(4);
}

MODEL(mpmc_sides_given_back_batch, .what = "the same, next used by a batch", .preemptions = 3,
      .stale = 2, .quick = 2)
{
	open_ring(5, false, false);
	verify_spawn(gives_back, NULL, "gives back");
	pushes_batch((void *)2);
	verify_join();
	for (int i = 0; i < 3; i++)
		verify_that(try_pop() != 0);
}
