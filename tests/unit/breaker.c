/*
 * tests/unit/breaker.c: circuit breakers and back-offs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"

#include <leat/pace.h>
#include <leat/test.h>
#include <math.h>

TestSuite(breaker, .timeout = 600);
TestSuite(backoff, .timeout = 600);

static struct leat_breaker *make(uint32_t failures, uint32_t probes, int64_t window_ns,
                                 int64_t open_ns)
{
	clock_start();
	struct leat_breaker *breaker =
		leat_breaker_new(&(struct leat_breaker_opts){ .failures = failures,
	                                                      .probes = probes,
	                                                      .window_ns = window_ns,
	                                                      .open_ns = open_ns });
	cr_assert_not_null(breaker);
	return breaker;
}

static void expect_state(struct leat_breaker *breaker, enum leat_breaker_state state)
{
	cr_expect_eq(leat_breaker_now(breaker), state, "state %d", leat_breaker_now(breaker));
}

static uint64_t enter(struct leat_breaker *breaker)
{
	uint64_t ticket = 0;
	cr_assert_eq(leat_breaker_enter(breaker, &ticket), 0);
	return ticket;
}

/* One call that comes back with rc. */
static void call(struct leat_breaker *breaker, int rc)
{
	leat_breaker_leave(breaker, enter(breaker), rc);
}

/* By the manual clock: just before that time the state is still the other, then it is this one. */
static void expect_state_after(struct leat_breaker *breaker, int64_t ns,
                               enum leat_breaker_state state)
{
	clock_advance(ns - 1);
	cr_expect_neq(leat_breaker_now(breaker), state);
	clock_advance(1);
	expect_state(breaker, state);
}

Test(breaker, bad_options_and_arguments)
{
	struct leat_breaker_opts opts = { 0 };
	uint64_t ticket;
	for (int i = 0; i < 4; i++) {
		opts.reserved[i] = 1;
		cr_expect_null(leat_breaker_new(&opts));
		opts.reserved[i] = 0;
	}
	opts.probes = 65536;
	cr_expect_null(leat_breaker_new(&opts));
	opts.probes = 0;
	opts.window_ns = -1;
	cr_expect_null(leat_breaker_new(&opts));
	opts.window_ns = 0;
	opts.open_ns = -1;
	cr_expect_null(leat_breaker_new(&opts));
	struct leat_breaker *breaker = leat_breaker_new(NULL);
	cr_expect_eq(leat_breaker_enter(NULL, &ticket), -EINVAL);
	cr_expect_eq(leat_breaker_enter(breaker, NULL), -EINVAL);
	leat_breaker_leave(NULL, 0, 0);
	leat_breaker_free(breaker);
	leat_breaker_free(NULL);
}

Test(breaker, it_opens_at_the_last_of_so_many_failures)
{
	struct leat_breaker *breaker = make(3, 1, 3600000 * MS, 3600000 * MS);
	uint64_t ticket;
	call(breaker, -EIO);
	call(breaker, -EIO);
	for (int i = 0; i < 10; i++) {
		call(breaker, 0);
		call(breaker, 7);
		call(breaker, -ECANCELED);
		call(breaker, -EPIPE);
		call(breaker, -ESHUTDOWN);
	}
	expect_state(breaker, LEAT_BREAKER_CLOSED);
	call(breaker, -ENOENT);
	expect_state(breaker, LEAT_BREAKER_OPEN);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(leat_breaker_enter(breaker, &ticket), -EBUSY);
	leat_breaker_free(breaker);
}

Test(breaker, old_failures_do_not_count)
{
	struct leat_breaker *breaker = make(2, 1, 10 * MS, 3600000 * MS);
	for (int i = 0; i < 4; i++) {
		call(breaker, -EIO);
		clock_advance(10 * MS);
		expect_state(breaker, LEAT_BREAKER_CLOSED);
	}
	leat_breaker_free(breaker);
}

Test(breaker, a_probe_that_succeeds_closes_it)
{
	struct leat_breaker *breaker = make(1, 1, 3600000 * MS, 20 * MS);
	uint64_t probe, ticket;
	call(breaker, -EIO);
	expect_state_after(breaker, 20 * MS, LEAT_BREAKER_HALF_OPEN);
	probe = enter(breaker);
	cr_expect_eq(leat_breaker_enter(breaker, &ticket), -EBUSY);
	leat_breaker_leave(breaker, probe, 0);
	expect_state(breaker, LEAT_BREAKER_CLOSED);
	leat_breaker_free(breaker);
}

Test(breaker, a_probe_that_fails_opens_it_again)
{
	struct leat_breaker *breaker = make(1, 2, 3600000 * MS, 200 * MS);
	uint64_t probe, other, ticket;
	call(breaker, -EIO);
	expect_state_after(breaker, 200 * MS, LEAT_BREAKER_HALF_OPEN);
	probe = enter(breaker);
	other = enter(breaker);
	leat_breaker_leave(breaker, probe, -EIO);
	cr_expect_eq(leat_breaker_enter(breaker, &ticket), -EBUSY);
	expect_state(breaker, LEAT_BREAKER_OPEN);
	leat_breaker_leave(breaker, other, 0);
	expect_state(breaker, LEAT_BREAKER_OPEN);
	expect_state_after(breaker, 200 * MS, LEAT_BREAKER_HALF_OPEN);
	leat_breaker_free(breaker);
}

Test(breaker, what_is_neither_gives_the_probe_back)
{
	const int neither[] = { -ECANCELED, -EPIPE, -ESHUTDOWN };
	struct leat_breaker *breaker = make(1, 1, 3600000 * MS, 200 * MS);
	call(breaker, -EIO);
	expect_state_after(breaker, 200 * MS, LEAT_BREAKER_HALF_OPEN);
	for (size_t i = 0; i < COUNT(neither); i++) {
		call(breaker, neither[i]);
		expect_state(breaker, LEAT_BREAKER_HALF_OPEN);
	}
	call(breaker, 0);
	expect_state(breaker, LEAT_BREAKER_CLOSED);
	leat_breaker_free(breaker);
}

Test(breaker, a_leave_of_an_earlier_state_is_ignored)
{
	struct leat_breaker *breaker = make(2, 1, 3600000 * MS, 20 * MS);
	uint64_t closed[3], probe;
	for (int i = 0; i < 3; i++)
		closed[i] = enter(breaker);
	call(breaker, -EIO);
	call(breaker, -EIO);
	leat_breaker_leave(breaker, closed[0], 0);
	expect_state(breaker, LEAT_BREAKER_OPEN);
	expect_state_after(breaker, 20 * MS, LEAT_BREAKER_HALF_OPEN);
	leat_breaker_leave(breaker, closed[1], 0);
	expect_state(breaker, LEAT_BREAKER_HALF_OPEN);
	leat_breaker_leave(breaker, closed[2], -EIO);
	expect_state(breaker, LEAT_BREAKER_HALF_OPEN);
	probe = enter(breaker);
	leat_breaker_leave(breaker, probe, 0);
	expect_state(breaker, LEAT_BREAKER_CLOSED);
	leat_breaker_leave(breaker, probe, -EIO);
	leat_breaker_leave(breaker, probe, -EIO);
	expect_state(breaker, LEAT_BREAKER_CLOSED);
	call(breaker, -EIO);
	expect_state(breaker, LEAT_BREAKER_CLOSED);
	leat_breaker_free(breaker);
}

Test(breaker, a_probe_that_does_not_come_back_has_failed)
{
	struct leat_breaker *breaker = make(1, 1, 3600000 * MS, 30 * MS);
	uint64_t lost, probe;
	call(breaker, -EIO);
	expect_state_after(breaker, 30 * MS, LEAT_BREAKER_HALF_OPEN);
	lost = enter(breaker);
	expect_state_after(breaker, 30 * MS, LEAT_BREAKER_OPEN);
	expect_state_after(breaker, 30 * MS, LEAT_BREAKER_HALF_OPEN);
	probe = enter(breaker);
	leat_breaker_leave(breaker, lost, 0);
	expect_state(breaker, LEAT_BREAKER_HALF_OPEN);
	leat_breaker_leave(breaker, probe, 0);
	expect_state(breaker, LEAT_BREAKER_CLOSED);
	leat_breaker_free(breaker);
}

/* Back-offs */

Test(backoff, pauses_grow_up_to_the_most)
{
	struct leat_backoff pause = { .first_ns = 100, .most_ns = 1000, .tries = 6 };
	const int64_t pauses[] = { 100, 200, 400, 800, 1000, 1000, -1, -1 };
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT(pauses); i++)
			cr_expect_eq(leat_backoff_next(&pause), pauses[i]);
		leat_backoff_reset(&pause);
	}
}

Test(backoff, zero_means_the_defaults)
{
	struct leat_backoff pause = { 0 };
	cr_expect_eq(leat_backoff_next(&pause), 1 * MS);
	cr_expect_eq(leat_backoff_next(&pause), 2 * MS);
	for (int i = 0; i < 200; i++)
		cr_expect_gt(leat_backoff_next(&pause), 0);
	cr_expect_eq(leat_backoff_next(&pause), LEAT_NEVER, "endless, and no overflow");
}

Test(backoff, odd_factors_and_jitters)
{
	const double factors[] = { 0.5, -3, NAN };
	for (size_t i = 0; i < COUNT(factors); i++) {
		struct leat_backoff pause = { .first_ns = 100, .factor = factors[i] };
		cr_expect_eq(leat_backoff_next(&pause), 100);
		cr_expect_eq(leat_backoff_next(&pause), 100);
	}
	struct leat_backoff half = { .first_ns = 100, .factor = 1.5, .jitter = -1 };
	cr_expect_eq(leat_backoff_next(&half), 100);
	cr_expect_eq(leat_backoff_next(&half), 150);
	struct leat_backoff wild = { .first_ns = 1000, .most_ns = 1000, .jitter = 40 };
	for (int i = 0; i < 100; i++) {
		int64_t ns = leat_backoff_next(&wild);
		cr_expect(ns >= 0 && ns <= 1000);
	}
}

Test(backoff, jitter_takes_away_up_to_its_part)
{
	struct leat_backoff pause = { .first_ns = 1000, .most_ns = 1000, .jitter = 0.5 },
			    other = pause;
	int64_t least = 1000, most = 0, differ = 0;
	for (int i = 0; i < 1000; i++) {
		int64_t ns = leat_backoff_next(&pause);
		cr_assert(ns >= 500 && ns <= 1000);
		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
		differ += leat_backoff_next(&other) != ns;
	}
	cr_expect_lt(least, 550);
	cr_expect_gt(most, 950);
	cr_expect_gt(differ, 500, "two clients do not come back together");
}
