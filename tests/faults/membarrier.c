/*
 * A kernel without membarrier: channels then pay fences of their own. It is asked once, for all of
 * them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "workload.h"

#include <errno.h>

int main(void)
{
	workload_init("membarrier");
	for (uint64_t round = 0; round < MANY_TIMES(20); round++) {
		inject_one_in(INJECT_MEMBARRIER, 1, ENOSYS);
		workload_that(workload_run(WORKLOAD_ALL, 0, "without membarrier, round", round) ==
		              0);
	}
	workload_that(inject_calls(INJECT_MEMBARRIER) == 1);
	return workload_done(1);
}
