/*
 * tests/unit/pool_books.c: the counts of a pool and of its generators in a snapshot.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "numbers.h"

#include <leat/diag.h>
#include <pthread.h>

TestSuite(pool_books, .timeout = 600);

struct told {
	struct leat_pool_stat pool;
	struct leat_gen_stat failed;
	uint32_t unbalanced;
};

/*
 * The diagnostics thread writes what the latest snapshot told while the test reads it: both hold
 * the lock.
 */
struct seen {
	pthread_mutex_t lock;
	struct told told;
	uint32_t snapshots, long_steps;
};

static void see(const struct leat_snapshot *snapshot, void *arg)
{
	struct seen *seen = arg;
	struct told *told = &seen->told;

	pthread_mutex_lock(&seen->lock);
	for (size_t i = 0; i < snapshot->pools_count; i++) {
		const struct leat_pool_stat *pool = &snapshot->pools[i];
		uint64_t dropped = 0;
		for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
			dropped += pool->dropped[reason];
		if (pool->offered != pool->delivered + dropped + pool->in_flight)
			told->unbalanced++;
		told->pool = *pool;
		if (pool->long_ns > 0 && strcmp(pool->long_name, "slow") == 0)
			leat_add_acqrel(&seen->long_steps, 1);
	}
	for (size_t i = 0; i < snapshot->generators_count; i++)
		if (snapshot->generators[i].cause == LEAT_FAILED)
			told->failed = snapshot->generators[i];
	pthread_mutex_unlock(&seen->lock);
	leat_add_acqrel(&seen->snapshots, 1);
}

/* What is told once n more snapshots were taken. */
static struct told await_snapshots(struct seen *seen, uint32_t n)
{
	uint32_t until = leat_load_acq(&seen->snapshots) + n;
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	struct told told;
	while (leat_load_acq(&seen->snapshots) < until && leat_now_ns() < patience_ns)
		sched_yield();
	pthread_mutex_lock(&seen->lock);
	told = seen->told;
	pthread_mutex_unlock(&seen->lock);
	return told;
}

Test(pool_books, snapshots_count_its_generators_and_name_who_takes_long)
{
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct told told;
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 2 * MS, .callback = see, .callback_arg = &seen });
	struct leat_pool *pool = leat_pool_open(
		&(struct leat_pool_opts){ .name = "mill", .workers = 2, .workers_only = true });
	struct leat_scope *scope = leat_scope_open(NULL, NULL),
			  *failing = leat_scope_open(NULL, NULL);
	struct place place = { pool, scope };
	enum { MANY = 500 };
	static struct numbers n[MANY];
	struct leat_rx *rx[MANY], *bad;
	uint64_t got;
	memset(n, 0, sizeof(n));
	for (int i = 0; i < MANY; i++) {
		n[i].end = UINT64_MAX;
		rx[i] = start_on(pool, scope, (struct leat_chan_opts){ .capacity = 4 }, &n[i]);
		for (int k = 0; k < 10; k++)
			cr_assert_eq(leat_recv(rx[i], &got), 1);
	}
	told = await_snapshots(&seen, 2);
	cr_expect_eq(told.pool.generators, MANY);
	cr_expect_eq(told.pool.delivered, MANY * 10);
	cr_expect_geq(told.pool.in_flight + told.pool.delivered, MANY * 10);
	cr_expect_str_eq(told.pool.name, "mill");
	cr_expect_eq(told.pool.workers, 2);

	for (int form = 0; form < 2; form++) {
		struct numbers slow = { .end = 3, .step_ns = 50 * MS };
		struct leat_rx *slow_rx = start_on(
			pool, scope,
			(struct leat_chan_opts){ .name = "slow", .capacity = form == 0 ? 2 : 1000 },
			&slow);
		int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
		leat_store_rel(&seen.long_steps, 0);
		while (leat_load_acq(&seen.long_steps) == 0 && leat_now_ns() < patience_ns)
			sched_yield();
		cr_expect_gt(leat_load_acq(&seen.long_steps), 0, "form %d: its long step was told",
		             form);
		while (leat_recv(slow_rx, &got) == 1)
			;
		leat_rx_close(slow_rx);
	}

	struct numbers broken = { .end = 1, .last = -EIO };
	bad = start_on(pool, failing, (struct leat_chan_opts){ .name = "bad", .capacity = 4 },
	               &broken);
	while (leat_recv(bad, &got) == 1)
		;
	leat_rx_close(bad);
	cr_expect_eq(leat_scope_close(failing), -EIO);
	leat_scope_cancel(scope, 0, NULL);
	for (int i = 0; i < MANY; i++)
		leat_rx_close(rx[i]);
	leat_scope_join(scope);
	told = await_snapshots(&seen, 2);
	cr_expect_eq(told.pool.generators, 0);
	cr_expect_eq(told.pool.in_flight, 0);
	cr_expect_str_eq(told.failed.name, "bad");
	cr_expect_eq(told.failed.code, -EIO);
	cr_expect_eq(told.unbalanced, 0);
	place_close(place);
	cr_expect_eq(leat_diag_stop(diag), 0);
}

/* Its receiver's items are dropped when the next pool already runs. */
Test(pool_books, receivers_that_outlive_it_are_not_in_the_next_one_s_books)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct leat_diag *diag;
	struct numbers n[3] = { { .end = 2 }, { .end = 1 }, { .end = 1 } };
	struct leat_rx *old, *rx;
	struct leat_census before, after;
	uint64_t got;
	struct leat_pool *pool =
		leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	old = start_on(pool, scope, (struct leat_chan_opts){ .capacity = 4 }, &n[0]);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);

	for (int i = 0; i < 2; i++) {
		pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		leat_census_take(&before);
		rx = start_on(pool, scope, (struct leat_chan_opts){ .capacity = 4 }, &n[1 + i]);
		leat_census_take(&after);
		cr_expect_eq(after.blocks > before.blocks, i == 0,
		             "a new crowd for the first, and one of the two for the second");
		if (i == 0) {
			cr_expect_eq(leat_recv(old, &got), 1);
			cr_expect_eq(got, 0);
			leat_rx_close(old);
		}
		cr_expect_eq(leat_recv(rx, &got), 1);
		cr_expect_eq(leat_recv(rx, &got), 0);
		leat_rx_close(rx);
		diag = leat_diag_start(
			&(struct leat_diag_opts){ .callback = see, .callback_arg = &seen });
		cr_expect_eq(leat_diag_stop(diag), 0);
		cr_expect_eq(seen.told.pool.offered, 1, "%d", i);
		cr_expect_eq(seen.told.pool.delivered, 1, "%d", i);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
	cr_expect_eq(leat_scope_close(scope), 0);
}
