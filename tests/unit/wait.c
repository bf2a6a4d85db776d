/*
 * tests/unit/wait.c: what an adaptive wait does between two attempts, and what it learns from spins
 * that were in vain.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE

#include "runtime/event/wait.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <leat/leat.h>
#include <sched.h>

TestSuite(wait, .timeout = 60);

enum { WHOLE = 64 }; /* attempts of a spin: runtime/event/wait.c, PAUSES */

static unsigned attempts, yields;
static unsigned ends_at_attempt, ends_at_yield; /* the attempt that succeeds; 0: none of them */
static int64_t yield_ns;                        /* how long another thread keeps the core */

/* The engine's: this program's comes before that of the C library. */
int sched_yield(void)
{
	int64_t until_ns = leat_now_ns() + yield_ns;

	while (yield_ns > 0 && leat_now_ns() < until_ns)
		;
	yields++;
	return 0;
}

static ssize_t attempt(struct leat_wait_loop *w)
{
	(void)w;
	attempts++;
	if (ends_at_attempt > 0)
		return attempts >= ends_at_attempt ? 1 : -EAGAIN;
	return yields >= ends_at_yield ? 1 : -EAGAIN;
}

static void expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)w, (void)now_ns;
}

static void wait_once(void)
{
	static const struct leat_wait_ops ops = { .attempt = attempt, .expire = expire };
	struct leat_wait_loop loop = {
		.ops = &ops,
		.policy = LEAT_WAIT_ADAPTIVE,
		.time = LEAT_TIME_STARVED,
		.weight = 1,
		.deadline_ns = LEAT_NEVER,
		.scopes_ns = LEAT_NEVER,
		.sleeper = LEAT_SLEEPER_INIT,
	};

	attempts = yields = 0;
	cr_assert_eq(leat_wait_for(&loop), 1);
}

/* A wait that the n-th yield ends. Returns how many attempts its spin made. */
static unsigned spin_before_yield(unsigned n)
{
	ends_at_attempt = 0;
	ends_at_yield = n;
	wait_once();
	cr_expect_eq(yields, n);
	return attempts - n;
}

/* A wait that its n-th attempt ends, which is one of its spin. */
static void end_in_spin(unsigned n)
{
	ends_at_attempt = n;
	wait_once();
	cr_expect_eq(yields, 0);
	cr_expect_eq(attempts, n);
}

Test(wait, spins_in_vain_are_left_out_while_the_first_yield_ends_each_wait)
{
	for (unsigned left_out = 1; left_out <= 63; left_out = left_out * 2 + 1) {
		cr_expect_eq(spin_before_yield(1), WHOLE);
		for (unsigned i = 0; i < left_out; i++)
			cr_expect_eq(spin_before_yield(1), 1, "%u of %u", i, left_out);
	}
	cr_expect_eq(spin_before_yield(1), WHOLE, "and no more than 63 in a row");
	for (unsigned i = 0; i < 63; i++)
		cr_expect_eq(spin_before_yield(1), 1);
	cr_expect_eq(spin_before_yield(1), WHOLE);
}

Test(wait, a_first_yield_that_ends_nothing_brings_the_spin_back)
{
	for (int i = 0; i < 9; i++)
		cr_expect_eq(spin_before_yield(2), WHOLE,
		             "a later yield says nothing about the core");
	cr_expect_eq(spin_before_yield(1), WHOLE);
	cr_expect_eq(spin_before_yield(2), 1);
	cr_expect_eq(spin_before_yield(1), WHOLE);
	cr_expect_eq(spin_before_yield(1), 1, "as after the first in vain");
	cr_expect_eq(spin_before_yield(1), WHOLE);
}

Test(wait, a_spin_that_ends_a_wait_begins_the_count_anew)
{
	cr_expect_eq(spin_before_yield(1), WHOLE);
	cr_expect_eq(spin_before_yield(1), 1);
	cr_expect_eq(spin_before_yield(1), WHOLE);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(spin_before_yield(1), 1);
	end_in_spin(9);
	cr_expect_eq(spin_before_yield(1), WHOLE);
	cr_expect_eq(spin_before_yield(1), 1);
	cr_expect_eq(spin_before_yield(1), WHOLE, "one wait was left out, and not seven");
}

Test(wait, a_lost_slice_brings_the_spin_back)
{
	cr_expect_eq(spin_before_yield(1), WHOLE);
	cr_expect_eq(spin_before_yield(1), 1);
	cr_expect_eq(spin_before_yield(1), WHOLE);
	yield_ns = 1000000; /* a slice; so the next waits do not yield */
	cr_expect_eq(spin_before_yield(1), 1);
	end_in_spin(9);
}
