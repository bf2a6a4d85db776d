/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Built against the installed libleat-flow: numbers through a fused step, to workers and back in
 * order, into memory.
 */
#include <leat/flow.h>

#include <stdlib.h>

enum { COUNT = 1000 };

LEAT_FILTER(odd, u64, n, const void *, unused)
{
	return *n % 2 == 1;
}

LEAT_MAP(square, u64, n, u64, out, const void *, unused)
{
	*out = *n * *n;
	return 0;
}

LEAT_FUSE(odd_squares, u64, u64, odd, square);

LEAT_MAP(add_one, u64, n, u64, out, const void *, unused)
{
	*out = *n + 1;
	return 0;
}

int main(void)
{
	uint64_t items[COUNT], *made;
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), items, COUNT);
	void *collected, *states[] = { NULL, NULL };
	size_t count = 0;
	int wrong;

	for (uint64_t i = 0; i < COUNT; i++)
		items[i] = i;
	port = leat_flow_step(port, &odd_squares, states);
	port = leat_flow_workers(port, 2, LEAT_ORDERED);
	port = leat_flow_gather(leat_flow_step(port, &add_one, NULL));
	leat_flow_collect(port, &collected, &count);
	wrong = leat_flow_start(flow) != 0 || leat_flow_join(flow) != 0 || count != COUNT / 2;
	leat_flow_close(flow);
	made = collected;
	for (uint64_t i = 0; i < count; i++)
		wrong |= made[i] != (2 * i + 1) * (2 * i + 1) + 1;
	free(made);
	return wrong;
}
