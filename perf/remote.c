/* SPDX-License-Identifier: BSD-2-Clause */
#include "perf/bench.h"

const struct contestant *const remote_contestants[] = { NULL };

bool remote_found(void)
{
	return false;
}

double remote_sample(const struct contestant *contestant, const struct scenario *scenario, uint64_t operations,
		     struct histogram *latency)
{
	(void)contestant;
	(void)scenario;
	(void)operations;
	(void)latency;
	return -1;
}
