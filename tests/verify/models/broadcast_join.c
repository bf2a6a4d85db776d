/*
 * Models of broadcasts: joins against senders that are under way.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/broadcast.h"

static void joins_the_oldest(void *arg)
{
	(void)arg;
	reads(join((struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST }));
}

static void joins_now(void *arg)
{
	(void)arg;
	reads(join((struct leat_subscribe_opts){ 0 }));
}

static void join_against(struct leat_broadcast_opts opts, void (*joins)(void *))
{
	items = 3;
	opts.capacity = 1;
	open_feed(opts);
	verify_spawn(joins, NULL, "joiner");
	sends(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_join_oldest,
      .what = "a joiner reads each item from where it began, while the ring wraps",
      .preemptions = 3, .quick = 2, .quick_both = 2, .stale = 2)
{
	join_against((struct leat_broadcast_opts){ 0 }, joins_the_oldest);
}

MODEL(broadcast_join_now, .what = "the same from now", .preemptions = 2, .quick = 2,
      .quick_both = 2, .stale = 2)
{
	join_against((struct leat_broadcast_opts){ 0 }, joins_now);
}

MODEL(broadcast_join_no_membarrier, .what = "the same, with full fences in place of membarrier",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 2, .no_membarrier = true)
{
	join_against((struct leat_broadcast_opts){ 0 }, joins_the_oldest);
}

MODEL(broadcast_join_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	join_against((struct leat_broadcast_opts){ .kind = LEAT_MPMC }, joins_the_oldest);
}

MODEL(broadcast_join_oldest_apart, .what = "the same, items above 24 bytes", .preemptions = 3,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	size = 32;
	join_against((struct leat_broadcast_opts){ 0 }, joins_the_oldest);
}

MODEL(broadcast_join_apart_no_membarrier, .what = "the same, with full fences", .preemptions = 2,
      .quick_both = 2, .stale = 2, .no_membarrier = true)
{
	size = 32;
	join_against((struct leat_broadcast_opts){ 0 }, joins_the_oldest);
}

static void sends_a_batch(void *arg)
{
	uint64_t batch[5 * 4];
	const size_t words = size / 8;
	ssize_t n = 0;

	for (size_t i = 0; i < items * words; i++)
		batch[i] = i / words;
	while (n < (ssize_t)items) {
		ssize_t more = leat_send_batch((struct leat_tx *)arg,
		                               (const void *)(batch + (size_t)n * words),
		                               (size_t)items - (size_t)n);
		verify_that(more > 0);
		n += more;
	}
	leat_tx_close(arg);
}

static void join_a_batch(enum leat_kind kind)
{
	items = 5;
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 2 });
	verify_spawn(joins_the_oldest, NULL, "joiner");
	sends_a_batch(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_join_batch, .what = "a joiner meets a batch that is being written",
      .preemptions = 3, .quick = 2, .quick_both = 2, .stale = 2)
{
	join_a_batch(LEAT_SPSC);
}

MODEL(broadcast_join_batch_apart, .what = "the same, items above 24 bytes", .preemptions = 3,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	size = 32;
	join_a_batch(LEAT_SPSC);
}

MODEL(broadcast_join_batch_several, .what = "the same, a ring for several senders",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 2)
{
	join_a_batch(LEAT_MPMC);
}

static void joins_for_pairs(void *arg)
{
	(void)arg;
	reads_pairs(join((struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST }));
}

static void join_pairs(void)
{
	items = 8;
	open_feed((struct leat_broadcast_opts){ .capacity = 4 });
	verify_spawn(joins_for_pairs, NULL, "joiner");
	sends_pairs(tx);
	verify_join();
	leat_tx_close(tx);
	close_feed();
}

MODEL(broadcast_join_pairs, .what = "a joiner meets batches that take the short way",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 1)
{
	join_pairs();
}

MODEL(broadcast_join_pairs_inline, .what = "the same by the inline bodies", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 1)
{
	size_known = true;
	join_pairs();
}

/*
 * Lines of small items have one line to spare, so a batch must be longer than that to come to a
 * slot that a joiner may still read.
 */
enum { LINES_CAPACITY = 6, LINES_BATCH = 5 };

static void sends_lines(void)
{
	struct three batch[LINES_BATCH];

	for (uint64_t i = 0; i < items;) {
		const uint64_t n = i % (LINES_BATCH + 1) == 0 ? 1 : LINES_BATCH;

		for (uint64_t k = 0; k < n; k++)
			for (int word = 0; word < 3; word++)
				batch[k].words[word] = i + k;
		if (n == 1)
			verify_that(leat_send(tx, batch) == 0);
		else
			verify_that(leat_send_batch(tx, batch, n) == (ssize_t)n);
		i += n;
	}
	leat_tx_close(tx);
}

MODEL(broadcast_join_lines_inline, .what = "a joiner meets batches of more than a line",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	size = sizeof(struct three);
	items = 3 * (LINES_BATCH + 1);
	open_feed((struct leat_broadcast_opts){ .capacity = LINES_CAPACITY });
	verify_spawn(joins_the_oldest, NULL, "joiner");
	sends_lines();
	verify_join();
	close_feed();
}

MODEL(broadcast_join_pairs_apart, .what = "the same, items above 24 bytes", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 1)
{
	size = 32;
	join_pairs();
}

static void send_pairs_to_one(void)
{
	items = 8;
	open_feed((struct leat_broadcast_opts){ .capacity = 4 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(reads_pairs, first, "subscriber");
	sends_pairs(tx);
	verify_join(); /* the close would wake the subscriber */
	leat_tx_close(tx);
	close_feed();
}

MODEL(broadcast_pairs, .what = "batches that take the short way, on both sides", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 1)
{
	send_pairs_to_one();
}

MODEL(broadcast_pairs_inline, .what = "the same by the inline bodies", .preemptions = 2, .quick = 2,
      .quick_both = 2, .stale = 1)
{
	size_known = true;
	send_pairs_to_one();
}

/* Reserves `most` slots, and commits one. */
static void send_reserved(size_t most)
{
	void *slot;

	for (uint64_t i = 0; i < items; i++) {
		verify_that(leat_reserve(tx, most, &slot) >= 1);
		for (size_t word = 0; word < size / 8; word++)
			((uint64_t *)slot)[word] = i;
		verify_that(leat_commit(tx, 1) == 0);
	}
	leat_tx_close(tx);
}

static void join_a_reservation(enum leat_kind kind, size_t most)
{
	items = 4;
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 2 });
	verify_spawn(joins_the_oldest, NULL, "joiner");
	send_reserved(most);
	verify_join();
	close_feed();
}

MODEL(broadcast_join_reserved, .what = "a joiner meets a reservation", .preemptions = 2,
      .quick_both = 2, .stale = 2)
{
	join_a_reservation(LEAT_SPSC, 2);
}

/* One at a time: what is given up there is a hole, which has a number. */
MODEL(broadcast_join_reserved_several, .what = "the same, a ring for several senders",
      .preemptions = 2, .quick_both = 2, .stale = 2)
{
	join_a_reservation(LEAT_MPMC, 1);
}

MODEL(broadcast_join_reserved_apart, .what = "the same, items above 24 bytes", .preemptions = 2,
      .quick_both = 2, .stale = 2)
{
	size = 32;
	join_a_reservation(LEAT_SPSC, 2);
}
