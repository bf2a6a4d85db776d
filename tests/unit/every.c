/*
 * What is held against every test, whatever its suite says: at its end there is nothing that was
 * not there at its beginning (leat/test.h). The call of each test goes through here by the
 * linker's --wrap. (A fixture would be too late: an expectation that does not hold there, or a
 * crash, is printed by Criterion 2.4.1, and the test has passed.)
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/census.h"

#include <criterion/criterion.h>

void __real_criterion_internal_test_main(void (*test)(void));
void __wrap_criterion_internal_test_main(void (*test)(void));

static void (*test_inside)(void);

static void run(void)
{
	struct leat_census before;
	char words[500];

	leat_census_take(&before);
	test_inside();
	cr_expect_eq(leat_census_left(&before, words, sizeof(words)), 0, "%s", words);
}

void __wrap_criterion_internal_test_main(void (*test)(void))
{
	test_inside = test;
	__real_criterion_internal_test_main(run);
}
