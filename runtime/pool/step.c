/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/pool.h"

LEAT_TLS struct leat_step *leat_step_current;

uint32_t leat_steps_within(unsigned cost, unsigned most)
{
	enum { UNKNOWN = 4, MOST_LOG = 6 };

	if (cost == 0)
		return UNKNOWN;
	return cost >= most ? 1 : 1u << (most - cost < MOST_LOG ? most - cost : (unsigned)MOST_LOG);
}

unsigned leat_steps_cost(int64_t since_ns, uint64_t n)
{
	uint64_t each_ns = (uint64_t)(leat_now_ns() - since_ns) / (n > 0 ? n : 1);

	return 63 - (unsigned)__builtin_clzll(each_ns | 2);
}
