/*
 * Models of looks at a pool: against generators that start, end and are cancelled, and scopes that
 * are closed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

#include "runtime/gen/compact_block.h"

#include <leat/diag.h>

/* What looks told last, and what they may tell at the most. */
static struct leat_pool_stat told;
static uint64_t offered_most, delivered_most;

static void look(struct leat_node *node, void *arg)
{
	struct leat_pool_stat now;
	uint64_t out;

	(void)arg;
	if (node->kind != LEAT_NODE_POOL)
		return;
	leat_pool_read_stat(node, &now);
	out = now.delivered + now.in_flight;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
		out += now.dropped[reason];
		verify_that(now.dropped[reason] >= told.dropped[reason]);
	}
	verify_that(now.offered == out);
	verify_that(now.offered >= told.offered && now.offered <= offered_most);
	verify_that(now.delivered >= told.delivered && now.delivered <= delivered_most);
	told = now;
}

static void looks_twice(void *arg)
{
	(void)arg;
	leat_registry_walk(look, NULL);
	leat_registry_walk(look, NULL);
}

/* At one of several pools. */
static void look_if_asked(struct leat_node *node, void *which)
{
	struct leat_pool_stat now;

	if (node->kind != LEAT_NODE_POOL || node->memory != which)
		return;
	leat_pool_read_stat(node, &now);
	verify_that(now.offered <= offered_most && now.delivered <= delivered_most);
}

static void looks_one_pool(void *which)
{
	leat_registry_walk(look_if_asked, which);
}

/* At the end nothing is missing. */
static void expect_totals(uint64_t offered, uint64_t delivered)
{
	leat_registry_walk(look, NULL);
	verify_that(told.offered == offered && told.delivered == delivered && told.in_flight == 0);
}

/* One that sends two, of which one is received, and then another in its block. */
static void start_and_end(struct numbers *n)
{
	struct leat_rx *rx = start(LEAT_SPSC, 1, n);
	uint64_t item;

	verify_that(leat_recv(rx, &item) == 1 && item == 1);
	leat_rx_close(rx);
}

static void totals(bool close_between)
{
	static struct numbers n[2] = { { .last = 1 }, { .last = 1 } };

	offered_most = delivered_most = 2;
	open_pool(1, false);
	if (close_between)
		start_and_end(&n[0]);
	verify_spawn(looks_twice, NULL, "looker");
	if (close_between) {
		verify_that(leat_scope_close(scope) == 0);
		scope = leat_scope_open(NULL, NULL);
	} else {
		start_and_end(&n[0]);
	}
	start_and_end(&n[1]);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
	expect_totals(2, 2);
	verify_that(leat_pool_close(pool) == 0);
	verify_that(leat_registry_size() == 0);
}

MODEL(pool_totals_never_fall,
      .what = "two looks while a generator ends and the next begins in its block", .preemptions = 2,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	totals(false);
}

MODEL(pool_totals_scope_closed,
      .what = "two looks while a scope is closed and the first generator of another begins",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	totals(true);
}

/* The worker may still be removing the scope's group when its close returns. */
MODEL(pool_totals_after_close,
      .what = "a look that begins after a scope's close tells all that the scope had",
      .preemptions = 3, .quick = 2, .stale = VERIFY_NONE)
{
	static struct numbers n = { .last = 1 };

	offered_most = delivered_most = 1;
	open_pool(1, false);
	start_and_end(&n);
	verify_that(leat_scope_close(scope) == 0);
	expect_totals(1, 1);
	verify_that(leat_pool_close(pool) == 0);
}

/*
 * A group that is removed while a look stands at it, and whose pool is closed before the look goes
 * on, is freed once.
 */
MODEL(pool_look_against_both_closes,
      .what = "a look at a group whose scope and whose pool are closed meanwhile", .preemptions = 2,
      .stale = VERIFY_NONE)
{
	static struct numbers n = { .last = 1 };

	offered_most = delivered_most = 1;
	open_pool(1, false);
	start_and_end(&n);
	verify_that(leat_scope_join(scope) == 0);
	verify_spawn(looks_twice, NULL, "looker");
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_pool_close(pool) == 0);
	verify_join();
}

/*
 * Two are sent, one is received, one is dropped: that is never told as delivered, nor is what was
 * delivered taken back.
 */
MODEL(pool_totals_drop, .what = "two looks while a receiver leaves an item behind",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	static struct numbers n = { .last = 2 };
	struct leat_rx *rx;
	uint64_t item;

	offered_most = 2;
	delivered_most = 1;
	open_pool(1, false);
	rx = start(LEAT_SPSC, 2, &n);
	verify_that(leat_recv(rx, &item) == 1 && item == 1);
	verify_spawn(looks_twice, NULL, "looker");
	leat_rx_close(rx);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
	leat_registry_walk(look, NULL);
	verify_that(told.delivered == 1 && told.in_flight == 0);
	verify_that(leat_pool_close(pool) == 0);
}

MODEL(pool_totals_pool_closed,
      .what = "a look while the pool is closed, and its scope gets another", .preemptions = 2,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	static struct numbers n[2] = { { .last = 1 }, { .last = 1 } };
	static struct leat_pool *next_pool;

	offered_most = delivered_most = 1;
	open_pool(1, false);
	start_and_end(&n[0]);
	verify_that(leat_scope_join(scope) == 0);
	verify_spawn(looks_twice, NULL, "looker");
	verify_that(leat_pool_close(pool) == 0);
	verify_join();
	memset(&told, 0, sizeof(told)); /* the next pool's begin anew */
	next_pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	pool = next_pool;
	start_and_end(&n[1]);
	verify_that(leat_scope_join(scope) == 0);
	expect_totals(1, 1);
	close_pool(0);
}

/* A group whose pool is closed starts on the next one, while a look at the first stands at it. */
static struct leat_pool *last_pool;

static void closes_last(void *arg)
{
	(void)arg;
	verify_that(leat_pool_close(last_pool) == 0);
}

MODEL(pool_look_against_reuse,
      .what = "a look at a group whose pool is closed, and which starts on the next one",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
{
	static struct numbers n[2] = { { .last = 1 }, { .last = 1 } };
	struct leat_rx *rx;

	offered_most = delivered_most = 1;
	open_pool(1, true);
	start_and_end(&n[0]);
	verify_that(leat_scope_join(scope) == 0);
	last_pool = pool;
	verify_spawn(looks_one_pool, last_pool, "looker");
	verify_spawn(closes_last, NULL, "closer");
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	rx = start(LEAT_SPSC, 1, &n[1]);
	leat_rx_close(rx);
	verify_join();
	close_pool(0);
}

/*
 * A scope's group with nobody left in it, looked at while the scope is closed: freed once, by the
 * close or by the look.
 */
MODEL(pool_look_against_scope_close, .what = "a look at a group that is destroyed",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n = { .last = 1 };

	offered_most = delivered_most = 1;
	open_pool(1, false);
	start_and_end(&n);
	verify_that(leat_scope_join(scope) == 0);
	verify_spawn(looks_twice, NULL, "looker");
	verify_that(leat_scope_close(scope) == 0);
	verify_join();
	expect_totals(1, 1);
	verify_that(leat_pool_close(pool) == 0);
}

/* A slab empties while a look, or a cancel, stands in it; it goes when that is over. */
enum { FULL = 4 }; /* blocks of the first slab */

static void walk_against_ends(bool cancel)
{
	static struct numbers n[FULL + 2];
	struct leat_rx *rx[FULL + 2];
	uint64_t item;

	open_pool(1, false);
	for (int i = 0; i < FULL + 2; i++) {
		rx[i] = start(LEAT_SPSC, 1, &n[i]);
		verify_that(leat_recv(rx[i], &item) == 0);
	}
	verify_spawn(cancel ? cancels : looks_twice, NULL, cancel ? "canceller" : "looker");
	leat_rx_close(rx[0]); /* room in the first, so that the second goes */
	for (int i = FULL; i < FULL + 2; i++)
		leat_rx_close(rx[i]);
	verify_join();
	for (int i = 1; i < FULL; i++)
		leat_rx_close(rx[i]);
	close_pool(0);
}

MODEL(pool_look_slab_goes, .what = "blocks and their slab go while they are looked at",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	walk_against_ends(false);
}

MODEL(pool_cancel_slab_goes, .what = "the same while they are cancelled", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	walk_against_ends(true);
}

static void starts_and_leaves(void *n)
{
	leat_rx_close(start(LEAT_SPSC, 1, n));
}

/* In blocks that were used before, while they are looked at. */
static void looks_once(void *arg)
{
	(void)arg;
	leat_registry_walk(look, NULL);
}

MODEL(pool_look_against_starts,
      .what = "snapshot against starts: two threads start in blocks that were used before",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	static struct numbers n[3];

	open_pool(1, true);
	leat_rx_close(start(LEAT_SPSC, 1, &n[0]));
	verify_that(leat_scope_join(scope) == 0);
	verify_spawn(looks_once, NULL, "looker");
	verify_spawn(starts_and_leaves, &n[1], "starter");
	starts_and_leaves(&n[2]);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	close_pool(0);
}
