/*
 * tests/unit/clock.h: tests by the manual clock. A test starts the clock first, and advances it
 * where it would have waited; then it calls what returns at once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_CLOCK_H
#define LEAT_TEST_CLOCK_H

#include "census.h"

static UNUSED void clock_start(void)
{
	cr_assert_eq(leat_test_clock_start(), 0);
}

static UNUSED void clock_advance(int64_t ns)
{
	cr_assert_eq(leat_test_clock_advance(ns), 0);
}

static UNUSED void clock_settle(void)
{
	cr_assert_eq(leat_test_clock_settle(), 0);
}

/* A thread of the test, in a call that parks: advances by ns once it is parked. */
static UNUSED void clock_advance_past(struct caller *caller, int64_t ns)
{
	cr_assert(await_parked(&caller->tid));
	clock_advance(ns);
}

#endif
