/*
 * tests/unit/rate.c: rates: how many permits in which time, in which order, and what ends a wait.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "runner.h"

#include <leat/pace.h>
#include <math.h>

#include "runtime/pace/rate.h"

TestSuite(rate, .timeout = 600);

static struct leat_rate *open_rate(double per_second, uint32_t burst)
{
	struct leat_rate *rate = leat_rate_open(
		&(struct leat_rate_opts){ .per_second = per_second, .burst = burst });
	cr_assert_not_null(rate);
	return rate;
}

/* When the permits of the waiter that came last are due. */
static int64_t last_due(struct leat_rate *rate)
{
	int64_t due_ns;
	leat_mutex_lock(&rate->lock);
	due_ns = (int64_t)leat_load_rlx(&rate->waiters.prev->due_ns);
	leat_mutex_unlock(&rate->lock);
	return due_ns;
}

static uint32_t drain(struct leat_rate *rate)
{
	uint32_t n = 0;
	while (leat_rate_try(rate, 1) == 0)
		n++;
	return n;
}

Test(rate, bad_options_open_nothing)
{
	const double none[] = { 0, -1, NAN, INFINITY, -INFINITY };
	struct leat_rate_opts opts = { .per_second = 1 };
	for (size_t i = 0; i < COUNT(none); i++)
		cr_expect_null(leat_rate_open(&(struct leat_rate_opts){ .per_second = none[i] }));
	for (int i = 0; i < 4; i++) {
		opts.reserved[i] = 1;
		cr_expect_null(leat_rate_open(&opts));
		opts.reserved[i] = 0;
	}
	cr_expect_null(leat_rate_open(NULL));
	cr_expect_eq(leat_rate_close(NULL), 0);
}

Test(rate, bad_arguments)
{
	struct leat_rate *rate = open_rate(1, 3);
	int64_t due_ns = 0;
	cr_expect_eq(leat_rate_take(NULL, 1, NULL, 0), -EINVAL);
	cr_expect_eq(leat_rate_try(NULL, 1), -EINVAL);
	cr_expect_eq(leat_rate_after(NULL, 1, &due_ns), -EINVAL);
	cr_expect_eq(leat_rate_after(rate, 1, NULL), -EINVAL);
	cr_expect_eq(leat_rate_set(NULL, 1, 1), -EINVAL);
	cr_expect_eq(leat_rate_set(rate, 0, 1), -EINVAL);
	cr_expect_eq(leat_rate_set(rate, NAN, 1), -EINVAL);
	cr_expect_eq(leat_rate_take(rate, 4, NULL, LEAT_NEVER), -EINVAL);
	cr_expect_eq(leat_rate_try(rate, 4), -EINVAL);
	cr_expect_eq(leat_rate_after(rate, 4, &due_ns), -EINVAL);
	cr_expect_eq(due_ns, 0);
	cr_expect_eq(leat_rate_take(rate, 0, NULL, 0), 0);
	cr_expect_eq(drain(rate), 3, "none of these took anything");
	cr_expect_eq(leat_rate_close(rate), 0);
}

Test(rate, it_starts_full)
{
	struct leat_rate *rate = open_rate(0.001, 5), *one = open_rate(0.001, 0);
	cr_expect_eq(leat_rate_try(rate, 5), 0);
	cr_expect_eq(leat_rate_try(rate, 1), -EAGAIN);
	cr_expect_eq(leat_rate_try(one, 1), 0, "a burst of 0 is 1");
	cr_expect_eq(leat_rate_try(one, 1), -EAGAIN);
	cr_expect_eq(leat_rate_close(rate), 0);
	cr_expect_eq(leat_rate_close(one), 0);
}

/* A thread that is late each time still gets all permits that were due. */
Test(rate, lateness_costs_nothing)
{
	struct leat_rate *rate = open_rate(1000, 1);
	int64_t due_ns, began_ns = leat_now_ns();
	cr_expect_eq(leat_rate_take(rate, 1, NULL, LEAT_NEVER), 0);
	for (int i = 0; i < 100; i++)
		cr_expect_eq(leat_rate_take(rate, 1, NULL, LEAT_NEVER), 0);
	due_ns = (int64_t)(rate->next >> 32);
	cr_expect_geq(due_ns - began_ns, 100 * MS);
	cr_expect_eq((due_ns - began_ns) / MS, 100 + (due_ns - began_ns - 100 * MS) / MS);
	cr_expect_eq(leat_rate_close(rate), 0);
}

Test(rate, what_cannot_be_met_times_out_at_once_and_takes_nothing)
{
	struct leat_rate *rate = open_rate(0.1, 2);
	int64_t began_ns = leat_now_ns();
	cr_expect_eq(leat_rate_take(rate, 2, NULL, 0), 0, "what is there needs no wait");
	for (int i = 0; i < 3; i++)
		cr_expect_eq(leat_rate_take(rate, 1, NULL, leat_now_ns() + 9000 * MS), -ETIMEDOUT);
	cr_expect_eq(leat_rate_take(rate, 1, NULL, 0), -ETIMEDOUT);
	cr_expect_lt(leat_now_ns() - began_ns, 5000 * MS);
	cr_expect_leq((int64_t)(rate->next >> 32), leat_now_ns(), "nothing taken");
	cr_expect_eq(leat_rate_close(rate), 0);
}

Test(rate, a_rate_beyond_all_clocks)
{
	struct leat_rate *never = open_rate(1e-300, UINT32_MAX), *always = open_rate(1e18, 1);
	cr_expect_eq(leat_rate_take(never, UINT32_MAX, NULL, 0), 0);
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(leat_rate_take(never, UINT32_MAX, NULL, LEAT_NEVER - 1), -ETIMEDOUT);
		cr_expect_eq(leat_rate_try(never, 1), -EAGAIN);
	}
	for (int i = 0; i < 1000; i++)
		cr_expect_eq(leat_rate_take(always, 1, NULL, LEAT_NEVER), 0);
	cr_expect_eq(leat_rate_close(never), 0);
	cr_expect_eq(leat_rate_close(always), 0);
}

/* Threads that take. */
struct taker {
	pthread_t thread;
	uint32_t tid, n, done;
	struct leat_rate *rate;
	struct leat_scope *scope;
	int64_t deadline_ns, done_ns;
	int rc;
};

static void *take_main(void *arg)
{
	struct taker *taker = arg;
	leat_store_rel(&taker->tid, own_tid());
	taker->rc = leat_rate_take(taker->rate, taker->n, taker->scope, taker->deadline_ns);
	taker->done_ns = leat_now_ns();
	leat_store_rel(&taker->done, 1u);
	return NULL;
}

static void taker_start(struct taker *taker)
{
	if (taker->n == 0)
		taker->n = 1;
	if (taker->deadline_ns == 0)
		taker->deadline_ns = LEAT_NEVER;
	cr_assert_eq(pthread_create(&taker->thread, NULL, take_main, taker), 0);
	cr_assert(await_parked(&taker->tid));
}

static int taker_join(struct taker *taker)
{
	cr_assert_eq(pthread_join(taker->thread, NULL), 0);
	return taker->rc;
}

/* It waits so long by the manual clock, and not less. */
static void expect_done_after(struct taker *taker, int64_t ns, int rc)
{
	clock_advance(ns - 1);
	cr_expect_eq(leat_load_acq(&taker->done), 0);
	clock_advance(1);
	cr_expect_eq(taker_join(taker), rc);
}

Test(rate, a_take_waits_until_its_permits_are_due)
{
	clock_start();
	struct leat_rate *rate = open_rate(200, 4);
	cr_expect_eq(leat_rate_take(rate, 4, NULL, LEAT_NEVER), 0);
	for (uint32_t n = 1; n <= 4; n++) {
		struct taker taker = { .rate = rate, .n = n };
		taker_start(&taker);
		expect_done_after(&taker, n * 5 * MS, 0);
	}
	cr_expect_eq(leat_rate_close(rate), 0);
}

Test(rate, a_cancel_wakes_a_waiter_at_once_and_takes_nothing)
{
	struct leat_rate *rate = open_rate(0.001, 1);
	struct leat_scope *root = leat_scope_open(NULL, NULL), *scope = leat_scope_open(root, NULL);
	struct taker taker = { .rate = rate, .scope = scope };
	leat_rate_time before;
	cr_assert_eq(leat_rate_try(rate, 1), 0);
	before = rate->next;
	taker_start(&taker);
	cr_expect_eq(leat_rate_try(rate, 1), -EAGAIN);
	cr_expect_eq(leat_rate_close(rate), -EBUSY);
	leat_scope_cancel(root, 0, NULL);
	cr_expect_eq(taker_join(&taker), -ECANCELED);
	cr_expect(rate->next == before);
	cr_expect_eq(leat_rate_take(rate, 1, scope, LEAT_NEVER), -ECANCELED);
	cr_expect_eq(leat_rate_set(rate, 1e6, 1), 0);
	cr_expect_eq(leat_rate_take(rate, 1, NULL, LEAT_NEVER), 0);
	cr_expect_eq(leat_rate_take(rate, 1, scope, LEAT_NEVER), -ECANCELED,
	             "also when it is there");
	cr_expect_eq(leat_rate_close(rate), 0);
	leat_scope_close(scope);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(rate, the_deadline_of_the_scope_ends_a_wait)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 20 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct leat_rate *rate = open_rate(0.001, 1);
	struct taker taker = { .rate = rate, .scope = scope };
	cr_assert_eq(leat_rate_try(rate, 1), 0);
	taker_start(&taker);
	expect_done_after(&taker, 20 * MS, -ECANCELED);
	cr_expect_eq(leat_rate_close(rate), 0);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(rate, waiters_behind_one_that_was_cancelled_are_due_sooner)
{
	struct leat_rate *rate = open_rate(0.2, 4);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct taker first = { .rate = rate, .n = 3, .scope = scope }, second = { .rate = rate };
	int64_t due_ns;
	cr_assert_eq(leat_rate_try(rate, 4), 0);
	taker_start(&first);
	taker_start(&second);
	due_ns = last_due(rate);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(taker_join(&first), -ECANCELED);
	cr_expect_eq(last_due(rate), due_ns - 15000 * MS);
	cr_expect_eq(leat_load_acq(&second.done), 0);
	cr_expect_eq(leat_rate_set(rate, 1000, 4), 0, "and now at once");
	cr_expect_eq(taker_join(&second), 0);
	cr_expect_eq(leat_rate_close(rate), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(rate, waiters_are_served_in_order_of_their_calls)
{
	clock_start();
	struct leat_rate *rate = open_rate(100, 1);
	struct taker takers[4];
	int64_t last_ns = 0;
	cr_assert_eq(leat_rate_set(rate, 0.001, 1), 0);
	cr_assert_eq(leat_rate_try(rate, 1), 0);
	for (int i = 0; i < 4; i++) {
		takers[i] = (struct taker){ .rate = rate };
		taker_start(&takers[i]);
		cr_expect_gt(last_due(rate), last_ns);
		last_ns = last_due(rate);
	}
	cr_expect_eq(leat_rate_try(rate, 1), -EAGAIN);
	cr_assert_eq(leat_rate_set(rate, 20, 1), 0);
	for (int i = 0; i < 4; i++)
		expect_done_after(&takers[i], 50 * MS, 0);
	cr_expect_eq(leat_rate_close(rate), 0);
}

/* Changes */

Test(rate, a_change_keeps_the_permits_that_are_there)
{
	struct leat_rate *rate = open_rate(0.001, 10);
	cr_assert_eq(leat_rate_try(rate, 4), 0);
	cr_expect_eq(leat_rate_set(rate, 0.002, 100), 0);
	cr_expect_eq(drain(rate), 6, "a larger bucket fills in time");
	cr_expect_eq(leat_rate_close(rate), 0);
	rate = open_rate(0.001, 10);
	cr_expect_eq(leat_rate_set(rate, 0.002, 3), 0);
	cr_expect_eq(drain(rate), 3, "a smaller one holds fewer");
	cr_expect_eq(leat_rate_close(rate), 0);
}

Test(rate, a_change_fails_waiters_that_can_no_longer_be_served)
{
	struct leat_rate *rate = open_rate(1, 10);
	struct taker many = { .rate = rate, .n = 8 },
		     late = { .rate = rate, .deadline_ns = leat_now_ns() + 100000 * MS },
		     other = { .rate = rate };
	cr_assert_eq(leat_rate_try(rate, 10), 0);
	taker_start(&many);
	taker_start(&late);
	taker_start(&other);
	cr_expect_eq(leat_rate_set(rate, 0.0001, 5), 0);
	cr_expect_eq(taker_join(&many), -EINVAL);
	cr_expect_eq(taker_join(&late), -ETIMEDOUT);
	cr_expect_eq(leat_load_acq(&other.done), 0);
	cr_expect_eq(leat_rate_set(rate, 1e5, 5), 0);
	cr_expect_eq(taker_join(&other), 0);
	cr_expect_eq(leat_rate_close(rate), 0);
}

/* Steps */

struct paced {
	struct leat_rate *rate;
	int64_t due_ns, dues[8];
	uint64_t made, most;
	int take_rc;
};

static int next_paced(void *state, void *item)
{
	struct paced *paced = state;
	int64_t due_ns = paced->due_ns;
	int rc;
	if (paced->made == paced->most)
		return 0;
	while (paced->take_rc == 0 && due_ns == 0) /* on a pool, until it would have to wait */
		paced->take_rc = leat_rate_take(paced->rate, 1, NULL, LEAT_NEVER);
	rc = leat_rate_after(paced->rate, 1, &paced->due_ns);
	if (rc != 0)
		return rc;
	paced->dues[paced->made] = due_ns;
	*(uint64_t *)item = paced->made++;
	return 1;
}

/* On a pool with each kind of channel, on a thread, and pulled. */
Test(rate, a_seq_is_paced_wherever_it_runs)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	for (int where = 0; where < 4; where++) {
		struct paced paced = { .rate = open_rate(200, 2),
			               .most = 6,
			               .take_rc = where >= 2 };
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_seq seq = { .next = next_paced, .state = &paced, .item_size = 8 };
		struct leat_gen_opts opts = { .pool = where < 2 ? pool : NULL,
			                      .chan.capacity = where == 0 ? 1 : 4096 };
		int64_t began_ns = leat_now_ns();
		struct leat_rx *rx = NULL;
		uint64_t item, n = 0;
		if (where == 3)
			while (seq.next(seq.state, &item) == 1)
				n++;
		else
			cr_assert_eq(leat_gen_seq(scope, seq, &opts, &rx), 0);
		while (where < 3 && leat_recv(rx, &item) == 1)
			n++;
		cr_expect_eq(n, 6);
		cr_expect_geq(leat_now_ns() - began_ns, 4 * 5 * MS);
		if (where < 2)
			cr_expect_eq(paced.take_rc, -EDEADLK, "%d", paced.take_rc);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
		cr_expect_eq(leat_rate_close(paced.rate), 0);
	}
	cr_expect_eq(leat_pool_close(pool), 0);
}

Test(rate, a_step_that_waits_ends_with_its_consumer)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct paced paced = { .rate = open_rate(0.001, 1), .most = 6, .take_rc = 1 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_seq seq = { .next = next_paced, .state = &paced, .item_size = 8 };
	struct leat_rx *rx;
	uint64_t item;
	cr_assert_eq(leat_gen_seq(scope, seq, &(struct leat_gen_opts){ .pool = pool }, &rx), 0);
	cr_expect_eq(leat_recv(rx, &item), 1);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_rate_close(paced.rate), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}

/* In front of what a step took, a cancelled waiter gives nothing back: the step's time stays. */
Test(rate, what_a_step_was_promised_stays)
{
	struct leat_rate *rate = open_rate(0.001, 1);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct taker taker = { .rate = rate, .scope = scope };
	leat_rate_time before;
	int64_t due_ns = 0;
	cr_assert_eq(leat_rate_try(rate, 1), 0);
	taker_start(&taker);
	leat_mutex_lock(&rate->lock);
	before = rate->next + rate->each;
	rate->next = before; /* as leat_rate_after() moves it, which would wait here */
	rate->fixed++;
	due_ns = (int64_t)(before >> 32);
	leat_mutex_unlock(&rate->lock);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(taker_join(&taker), -ECANCELED);
	cr_expect(rate->next == before);
	cr_expect_gt(due_ns, leat_now_ns());
	cr_expect_eq(leat_rate_close(rate), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}
