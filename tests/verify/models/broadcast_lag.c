/*
 * Models of broadcasts: copies against senders that overtake; eviction.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/broadcast.h"

static struct leat_rx *second;

/* --- copy against overwrite --- */

static void skips(void *arg)
{
	uint64_t item[2] = { 0 }, next = 0;
	int rc;

	while ((rc = leat_recv((struct leat_rx *)arg, (void *)item)) == 1) {
		verify_that(item[0] == item[1]);
		verify_that(item[0] >= next);
		next = item[0] + 1;
		verify_that(leat_rx_seq(arg) == next);
		seen++;
	}
	verify_that(rc == 0);
	verify_that(seen + leat_rx_missed(arg) == items);
	leat_rx_close(arg);
}

/* Items are a number twice; the second may lack its upper bytes, which are 0. */
static void overtake(size_t item_size, size_t capacity)
{
	struct leat_broadcast_opts opts = { .capacity = capacity, .skip = true };
	struct leat_subscribe_opts sub = { .lag = LEAT_LAG_SKIP, .recv_wait = LEAT_WAIT_PARK };

	items = 3;
	scope = leat_scope_open(NULL, NULL);
	verify_that(scope != NULL);
	verify_that(leat_broadcast_open(scope, item_size, &opts, &feed, &tx) == 0);
	verify_that(leat_broadcast_subscribe(feed, &sub, &first) == 0);
	verify_spawn(skips, first, "reader");
	for (uint64_t i = 0; i < items; i++) {
		uint64_t item[2] = { i, i };
		verify_that(leat_send(tx, (const void *)item) == 0);
	}
	leat_tx_close(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_overtaken, .what = "a copy that was overtaken is not seen; missed is exact",
      .preemptions = 3, .quick = 2, .quick_both = 2, .stale = 3)
{
	overtake(16, 1);
}

MODEL(broadcast_overtaken_two, .what = "the same, capacity 2", .preemptions = 2, .quick = 2,
      .quick_both = 2, .stale = 3)
{
	overtake(16, 2);
}

MODEL(broadcast_overtaken_odd, .what = "the same, items that are no whole number of words",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 3)
{
	overtake(12, 1);
}

/* --- eviction --- */

static void may_be_evicted(void *arg)
{
	uint64_t item, next = 0;
	int rc;

	while ((rc = leat_recv((struct leat_rx *)arg, &item)) == 1) {
		verify_that(item == next);
		next++;
	}
	verify_that(rc == -ECONNABORTED || (rc == 0 && next == items));
	leat_rx_close(arg);
}

static void evict(enum leat_kind kind)
{
	items = 2;
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 1 });
	/* no patience: it is evicted by the sender, at once */
	first = join((struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT });
	verify_spawn(may_be_evicted, first, "slow");
	sends(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_evict, .what = "what an evicted subscriber copied is whole; the sender goes on",
      .preemptions = 3, .quick = 1, .quick_both = 2, .stale = 2)
{
	evict(LEAT_SPSC);
}

MODEL(broadcast_evict_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 1, .quick_both = 2, .stale = 2)
{
	evict(LEAT_MPMC);
}

static void copies_one(void *arg)
{
	uint64_t item[4];
	int rc = leat_try_recv((struct leat_rx *)arg, (void *)item);

	verify_that(rc == -ECONNABORTED || (rc == 1 && item[size / 8 - 1] == 0));
}

static void open_to_evict(enum leat_kind kind, int64_t patience_ns)
{
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 1 });
	first = join(
		(struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT, .patience_ns = patience_ns });
	verify_that(send_number(tx, 0) == 0);
}

static void join_and_close(void)
{
	verify_join();
	leat_rx_close(first);
	leat_tx_close(tx);
	close_feed();
}

static void evict_while_copying(enum leat_kind kind, uint64_t slots)
{
	const uint64_t item[4] = { 0 };

	open_to_evict(kind, 0);
	verify_spawn(copies_one, first, "slow");
	/* twice each: a try that finds no room evicts; a call that waits would execute a fence, too
	 */
	for (uint64_t i = 0; i < 2 * slots; i++)
		(void)leat_try_send(tx, (const void *)item);
	join_and_close();
}

MODEL(broadcast_evict_while_copying, .what = "no slot is written while it is copied",
      .preemptions = 3, .quick = 2, .stale = 1)
{
	size = 32; /* side by side, in two slots */
	evict_while_copying(LEAT_SPSC, 2);
}

MODEL(broadcast_evict_while_copying_several, .what = "the same, a ring for several senders",
      .preemptions = 3, .quick = 2, .stale = 1)
{
	evict_while_copying(LEAT_MPMC, 1);
}

static void looks_once(void *arg)
{
	uint64_t item;
	int rc = leat_try_recv((struct leat_rx *)arg, &item);

	verify_that(rc == 1 || rc == -EAGAIN || rc == -ECONNABORTED);
}

MODEL(broadcast_evict_after_a_look,
      .what = "one that looked, in vain, while its patience ended is evicted later",
      .preemptions = 1, .stale = 2, .idle_ns = VERIFY_ANY_NS)
{
	struct leat_rx *gates[1];

	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = gates[0] = join((struct leat_subscribe_opts){ 0 });
	second = join((struct leat_subscribe_opts){
		.lag = LEAT_LAG_EVICT, .patience_ns = DEADLINE, .after = gates, .after_count = 1 });
	verify_instant(VERIFY_START_NS + DEADLINE);
	verify_that(send_number(tx, 0) == 0);
	verify_spawn(looks_once, second, "stage");
	verify_that(receive_number(first, &seen) == 1);
	verify_that(send_number(tx, 1) == 0);
	verify_join();
	leat_rx_close(second);
	join_and_close();
}

static void copies_one_then(void *arg)
{
	verify_that(leat_recv_until(second, &seen, VERIFY_START_NS + DEADLINE) == -ETIMEDOUT);
	copies_one(arg);
}

/* No stale load is needed, and there would be a great many. */
MODEL(broadcast_evict_by_timer_while_copying,
      .what = "the same, where the timer evicts while the sender looks again", .preemptions = 2,
      .quick_both = 1, .stale = VERIFY_NONE, .idle_ns = VERIFY_ANY_NS)
{
	struct leat_chan_opts waits = { .recv_wait = LEAT_WAIT_PARK };
	struct leat_tx *silent;
	uint64_t item = 0;
	int rc;

	open_to_evict(LEAT_MPMC, DEADLINE);
	verify_that(leat_chan_open(scope, sizeof(item), &waits, &silent, &second) == 0);
	verify_spawn(copies_one_then, first, "slow");
	rc = leat_send_until(tx, &item, VERIFY_START_NS + DEADLINE);
	verify_that(rc == 0 || rc == -ETIMEDOUT);
	(void)leat_try_send(tx, &item);
	verify_join();
	leat_tx_close(silent);
	leat_rx_close(second);
	join_and_close();
}

static void never_reads(void *arg)
{
	(void)arg;
}

MODEL(broadcast_evict_by_timer, .what = "a sender that is parked is freed by the timer",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 1, .idle_ns = VERIFY_ANY_NS)
{
	items = 3;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join(
		(struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT, .patience_ns = DEADLINE });
	verify_spawn(never_reads, NULL, "nobody");
	sends(tx);
	verify_join();
	verify_that(leat_recv(first, &seen) == -ECONNABORTED);
	leat_rx_close(first);
	close_feed();
}
