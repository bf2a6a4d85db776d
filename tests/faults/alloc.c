/*
 * Each allocation fails once, and then one in ten of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "workload.h"

#include <errno.h>

int main(void)
{
	workload_init("alloc");
	workload_fail_each(INJECT_ALLOC, ENOMEM);
	for (uint64_t round = 0; round < MANY_TIMES(20); round++) {
		inject_seed(round);
		inject_one_in(INJECT_ALLOC, 10, ENOMEM);
		workload_run(WORKLOAD_ALL, -ENOMEM,
		             "with a tenth of the allocations failing, round", round);
		workload_that(workload_run(WORKLOAD_ALL, 0, "after it, round", round) == 0);
	}
	return workload_done(200);
}
