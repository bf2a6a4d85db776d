/*
 * Sleeping that does not sleep: waits in a futex end with EINTR, with EAGAIN or for no reason at
 * all, and those for condition variables for none, up to one in two of them. Nobody outside may see
 * it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "workload.h"

#include <errno.h>

int main(void)
{
	static const int errors[] = { EINTR, EAGAIN, 0 };

	workload_init("sleep");
	for (uint64_t round = 0; round < MANY_TIMES(30); round++) {
		inject_seed(round);
		inject_one_in(INJECT_SLEEP, 2 + round % 2, errors[round % 3]);
		inject_one_in(INJECT_CONDITION, 2 + round % 3, 0);
		workload_that(workload_run(WORKLOAD_ALL, 0, "with waits that end early, round",
		                           round) == 0);
	}
	return workload_done(500);
}
