/*
 * Models of broadcasts: senders that wait, for room or for each other; leaving.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/broadcast.h"

static struct leat_rx *second;

/* --- waiting for room --- */

static void two_readers(struct leat_broadcast_opts opts)
{
	items = 2;
	opts.capacity = 1;
	open_feed(opts);
	first = join((struct leat_subscribe_opts){ 0 });
	second = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(reads, first, "first");
	verify_spawn(reads, second, "second");
	sends(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_room_of_two, .what = "a sender that waits for two is woken by the later of them",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 2)
{
	two_readers((struct leat_broadcast_opts){ 0 });
}

MODEL(broadcast_room_of_two_several, .what = "the same, a ring for several senders",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	two_readers((struct leat_broadcast_opts){ .kind = LEAT_MPMC });
}

MODEL(broadcast_room_of_two_no_membarrier, .what = "the same, with full fences", .preemptions = 1,
      .quick_both = 1, .stale = 1, .no_membarrier = true)
{
	two_readers((struct leat_broadcast_opts){ 0 });
}

MODEL(broadcast_both_woken, .what = "one item wakes each subscriber that is parked",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	items = 2;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(reads, join((struct leat_subscribe_opts){ 0 }), "second");
	verify_spawn(sends, tx,
	             "sender"); /* after both of them have parked, if it is not preempted */
	reads(first);
	verify_join();
	close_feed();
}

static void leave(struct leat_broadcast_opts opts)
{
	items = 3;
	opts.capacity = 1;
	open_feed(opts);
	verify_spawn(reads_one_and_leaves, join((struct leat_subscribe_opts){ 0 }), "leaver");
	sends(tx); /* it goes on without a subscriber */
	verify_join();
	close_feed();
}

MODEL(broadcast_leave, .what = "a sender that waits goes on when the subscriber leaves",
      .preemptions = 3, .quick = 2, .quick_both = 2, .stale = 2)
{
	leave((struct leat_broadcast_opts){ 0 });
}

MODEL(broadcast_leave_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	leave((struct leat_broadcast_opts){ .kind = LEAT_MPMC });
}

static void closes_feed(void *arg)
{
	(void)arg;
	leat_broadcast_close(feed);
}

MODEL(broadcast_last_close, .what = "-EPIPE after the last of close and leave; freed once",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 1)
{
	items = 4;
	open_feed((struct leat_broadcast_opts){ .capacity = 2 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(closes_feed, NULL, "closer");
	verify_spawn(sends_until_refused, tx, "sender");
	leat_rx_close(first);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
}

static void waits_for_first(enum leat_kind kind)
{
	items = 2;
	open_feed((struct leat_broadcast_opts){
		.kind = kind, .capacity = 1, .wait_for_first = true });
	verify_spawn(sends, tx, "sender");
	first = join((struct leat_subscribe_opts){ 0 });
	verify_that(leat_rx_seq(first) == 0);
	reads(first);
	verify_join();
	close_feed();
}

MODEL(broadcast_wait_for_first, .what = "a sender waits for the first subscriber, which sees all",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 2)
{
	waits_for_first(LEAT_SPSC);
}

MODEL(broadcast_wait_for_first_several, .what = "the same, a ring for several senders",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 2)
{
	waits_for_first(LEAT_MPMC);
}

/* --- several senders --- */

static void sends_one(void *arg)
{
	uint64_t item = arg == tx;

	verify_that(leat_send((struct leat_tx *)arg, &item) == 0);
	leat_tx_close(arg);
}

MODEL(broadcast_two_senders, .what = "items of two senders, each once, to a subscriber that parks",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 2)
{
	uint64_t item, sum = 0;

	open_feed((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(sends_one, leat_tx_clone(tx), "other");
	verify_spawn(sends_one, tx, "sender");
	for (int i = 0; i < 2; i++) {
		verify_that(leat_recv(first, &item) == 1);
		sum += item;
	}
	verify_that(sum == 1);
	verify_that(leat_recv(first, &item) == 0);
	verify_join();
	leat_rx_close(first);
	close_feed();
}

static void sends_until_closed(void *arg)
{
	uint64_t item = 0;

	seen = leat_send((struct leat_tx *)arg, &item) == 0;
	leat_tx_close(arg);
}

static void closes_all(void *arg)
{
	leat_tx_close_all(arg);
}

MODEL(broadcast_close_all, .what = "what was sent before all senders were closed is received",
      .preemptions = 2, .stale = 2)
{
	uint64_t item, received = 0;

	open_feed((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 2 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(sends_until_closed, leat_tx_clone(tx), "other");
	verify_spawn(closes_all, tx, "closer");
	while (leat_recv(first, &item) == 1)
		received++;
	verify_join();
	verify_that(received == seen);
	leat_rx_close(first);
	close_feed();
}

static void sends_two(void *arg)
{
	for (uint64_t i = 0; i < 2; i++)
		verify_that(send_number((struct leat_tx *)arg, i) == 0);
	leat_tx_close(arg);
}

MODEL(broadcast_senders_alone,
      .what = "a sender waits until another one has written the slot that it wants",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 1)
{
	open_feed((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 1 });
	verify_spawn(sends_two, leat_tx_clone(tx), "other");
	verify_that(send_number(tx, 0) == 0);
	verify_join(); /* the close of a sender would wake the other one */
	leat_tx_close(tx);
	close_feed();
}
