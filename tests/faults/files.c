/*
 * Each call for a descriptor or a file fails once, with several errors (a part answers that one, or
 * does without); then one in two of those that a signal may interrupt is, and reads and writes are
 * short, which nobody may see.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "workload.h"

#include <errno.h>

int main(void)
{
	workload_init("files");
	workload_fail_each(INJECT_FILE, EIO);
	workload_fail_each(INJECT_FILE, EMFILE);
	workload_fail_each(INJECT_FILE, ENOSPC);
	for (uint64_t round = 0; round < MANY_TIMES(10); round++) {
		inject_seed(round);
		inject_one_in(INJECT_SIGNALLED, 2, EINTR);
		inject_one_in(INJECT_SHORT, 2, 0);
		workload_that(workload_run(WORKLOAD_ALL, 0,
		                           "with calls that are interrupted or short, round",
		                           round) == 0);
	}
	return workload_done(200);
}
