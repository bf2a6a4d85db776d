/*
 * Models of broadcasts: ends against threads that wait; discard; select.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/broadcast.h"

#include <leat/select.h>

static struct leat_rx *second;

/* --- ends --- */

static void cancels(void *arg)
{
	(void)arg;
	leat_scope_cancel(scope, 0, "enough");
}

static void cancel_all(struct leat_broadcast_opts opts)
{
	items = 2;
	opts.capacity = 1;
	open_feed(opts);
	first = join((struct leat_subscribe_opts){ 0 });
	second = join_after(first, false);
	verify_spawn(sends_until_refused, tx, "sender");
	verify_spawn(reads_until_refused, second, "stage");
	verify_spawn(cancels, NULL, "canceller");
	verify_join();
	leat_rx_close(first);
	close_feed();
}

MODEL(broadcast_cancel,
      .what = "a cancel frees a sender that waits for room and a stage that waits for its gate",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	cancel_all((struct leat_broadcast_opts){ 0 });
}

MODEL(broadcast_cancel_several, .what = "the same, a ring for several senders", .preemptions = 1,
      .stale = 1, .quick_both = 1)
{
	cancel_all((struct leat_broadcast_opts){ .kind = LEAT_MPMC });
}

static void stops(void *arg)
{
	(void)arg;
	verify_that(leat_scope_stop(scope, LEAT_NEVER, "enough") == 0);
}

MODEL(broadcast_stop, .what = "a stop frees a source that waits for room; what it sent is received",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	items = 3;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	leat_tx_source(tx, true);
	verify_spawn(sends_until_refused, tx, "source");
	verify_spawn(stops, NULL, "stopper");
	verify_spawn(reads_what_it_gets, first, "subscriber");
	verify_join();
	close_feed();
}

/* --- discard --- */

static uint64_t discards;

static void counts(void *item, void *arg)
{
	(void)arg;
	verify_that(*(uint64_t *)item == discards);
	discards++;
	*(uint64_t *)item = 99; /* nobody reads it any more */
}

static void discard_each(enum leat_kind kind)
{
	items = 3;
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 1, .discard = counts });
	verify_spawn(reads, join((struct leat_subscribe_opts){ 0 }), "subscriber");
	sends(tx);
	verify_join();
	close_feed();
	verify_that(discards == items);
}

MODEL(broadcast_discard, .what = "each slot is discarded once, after all have read it",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 2)
{
	discard_each(LEAT_SPSC);
}

MODEL(broadcast_discard_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	discard_each(LEAT_MPMC);
}

/* --- select --- */

MODEL(broadcast_select, .what = "a select on a stage and its gate, and a sender that selects",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 1)
{
	uint64_t a, b, got[2] = { 0, 0 };

	items = 2;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	second = join_after(first, false);
	verify_spawn(sends, tx, "sender");
	while (got[1] < 2) {
		struct leat_case cases[] = { LEAT_CASE_RECV(first, &a),
			                     LEAT_CASE_RECV(second, &b) };
		int i = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);
		verify_that(i == 0 || i == 1);
		if (cases[i].answer == 1)
			verify_that((i == 0 ? a : b) == got[i]++);
		else
			break; /* the end of the first; the second may have an item left */
	}
	while (leat_recv(second, &b) == 1)
		verify_that(b == got[1]++);
	verify_that(got[0] == 2 && got[1] == 2);
	verify_join();
	leat_rx_close(second);
	leat_rx_close(first);
	close_feed();
}
