/*
 * perf/flow_work.h: what `leat bench flow` does with each item: three maps and a filter, the same for
 * leat's flows, for a loop by hand, for C++20's ranges and for oneTBB's pipeline. Each is compiled with
 * -O2 and with -O3, as FLOW_LEVEL says.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_FLOW_WORK_H
#define LEAT_PERF_FLOW_WORK_H

#include "perf/topics.h"

/*
 * A step that takes some 2 ns: four multiplications in a row. On an AMD EPYC (Zen 3) a loop over items
 * takes 8 ns for four such steps, as the work of neighbouring items overlaps. The compiler cannot see
 * through the register, so it neither leaves out a multiplication nor widens one.
 */
static inline __attribute__((always_inline)) uint64_t flow_work(uint64_t x, bool works)
{
	for (int i = 0; works && i < 4; i++) {
		x *= UINT64_C(0x9e3779b97f4a7c15);
		__asm__ volatile("" : "+r"(x));
	}
	return x;
}

static inline __attribute__((always_inline)) uint64_t flow_first(uint64_t x, bool works)
{
	return flow_work(x, works) + 12345;
}

static inline __attribute__((always_inline)) uint64_t flow_second(uint64_t x, bool works)
{
	return flow_work(x, works) * 3;
}

static inline __attribute__((always_inline)) uint64_t flow_third(uint64_t x, bool works)
{
	return flow_work(x, works) ^ x >> 7;
}

static inline __attribute__((always_inline)) bool flow_keeps(uint64_t x, bool works)
{
	return (flow_work(x, works) & 1) != 0;
}

/* The time, and the CPU time of this process, which is the sample's own. */
struct flow_clock {
	int64_t wall_ns, cpu_ns;
};

static inline struct flow_clock flow_clock_now(void)
{
	struct timespec cpu;
	struct flow_clock now = { bench_now_ns(), 0 };

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	now.cpu_ns = (int64_t)cpu.tv_sec * 1000000000 + cpu.tv_nsec;
	return now;
}

/* What has gone by since, an item. */
static inline void flow_clock_read(struct flow_clock from, uint64_t items, double *values)
{
	struct flow_clock now = flow_clock_now();

	values[0] = (double)(now.wall_ns - from.wall_ns) / (double)items;
	values[1] = (double)(now.cpu_ns - from.cpu_ns) / (double)items;
}

/* Items in no order that a branch could be predicted by; touched, as is the room for what comes out. */
struct flow_arrays {
	uint64_t *in, *out;
	size_t made;
};

static inline struct flow_arrays flow_arrays_open(uint64_t items)
{
	struct flow_arrays a = { (uint64_t *)bench_alloc(items * sizeof(uint64_t)),
				 (uint64_t *)bench_alloc(items * sizeof(uint64_t)), 0 };
	uint64_t x = 88172645463325252;

	for (uint64_t i = 0; i < items; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		a.in[i] = x;
	}
	return a;
}

/*
 * The same for what has one thread: on one core, the one that has touched them. A flow's thread is not
 * the one that calls, and on another core finds what is left of them in a cache that is not its own.
 */
static inline struct flow_arrays flow_arrays_open_alone(uint64_t items)
{
	bench_one_core();
	return flow_arrays_open(items);
}

/* What came out is what has to, in its order. The process ends behind it, and with it the memory. */
static inline void flow_arrays_check(const struct flow_arrays *a, uint64_t items, bool works)
{
	size_t made = 0;

	for (uint64_t i = 0; i < items; i++) {
		uint64_t x = flow_third(flow_second(flow_first(a->in[i], works), works), works);

		if (!flow_keeps(x, works))
			continue;
		if (made == a->made || a->out[made] != x)
			bench_fail("an item is lost, changed, or out of order");
		made++;
	}
	if (made != a->made)
		bench_fail("an item came twice");
}

#endif
