/*
 * Each creation of a thread fails once, then one in three, then all.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "workload.h"

#include <errno.h>

int main(void)
{
	workload_init("threads");
	workload_fail_each(INJECT_THREAD, EAGAIN);
	for (uint64_t round = 0; round < MANY_TIMES(20); round++) {
		inject_seed(round);
		inject_one_in(INJECT_THREAD, round == 0 ? 1 : 3, EAGAIN);
		workload_that(workload_run(WORKLOAD_ALL, -EAGAIN,
		                           "with a third of the threads failing, round",
		                           round) != 0);
		workload_that(workload_run(WORKLOAD_ALL, 0, "after it, round", round) == 0);
	}
	return workload_done(100);
}
