/*
 * perf/peers/flow.c: leat's part of `leat bench flow`, and the loop that a flow is compared with.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/flow_work.h"

#include <leat/flow.h>
#include <leat/leat.h>

#include <stdlib.h>

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)
#define LEVEL(name) PASTE(name##_, FLOW_LEVEL)

/* --- three maps and a filter, from an array into an array --- */

#define STEPS(n, works) \
	LEAT_MAP(first_##n, u64, x, u64, y, const void *, unused) \
	{ \
		*y = flow_first(*x, works); \
		return 0; \
	} \
	LEAT_MAP(second_##n, u64, x, u64, y, const void *, unused) \
	{ \
		*y = flow_second(*x, works); \
		return 0; \
	} \
	LEAT_MAP(third_##n, u64, x, u64, y, const void *, unused) \
	{ \
		*y = flow_third(*x, works); \
		return 0; \
	} \
	LEAT_FILTER(keeps_##n, u64, x, const void *, unused) \
	{ \
		return flow_keeps(*x, works); \
	} \
	LEAT_FUSE(all_##n, u64, u64, first_##n, second_##n, third_##n, keeps_##n)
STEPS(0, false);
STEPS(1, true);

/* The flow's threads are started and joined within the time. */
static void run_flow(struct flow_arrays *a, uint64_t items, bool works, bool fused)
{
	static const struct leat_step *const steps[2][4] = { { &first_0, &second_0, &third_0, &keeps_0 },
							     { &first_1, &second_1, &third_1, &keeps_1 } };
	void *states[4] = { NULL };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port p = leat_flow_from_array(flow, LEAT_T(u64), a->in, items);

	if (fused)
		p = leat_flow_step(p, works ? &all_1 : &all_0, states);
	for (int i = 0; i < 4 && !fused; i++)
		p = leat_flow_step(p, steps[works][i], NULL);
	leat_flow_to_array(p, a->out, items, &a->made);
	if (leat_flow_start(flow) != 0 || leat_flow_join(flow) != 0)
		bench_fail("a flow failed");
	leat_flow_close(flow);
}

void LEVEL(flow_leat)(uint64_t n, double *values)
{
	struct flow_arrays a = flow_arrays_open_alone(FLOW_ITEMS);
	const bool works = (n & FLOW_WORKS) != 0;
	struct flow_clock from = flow_clock_now();

	run_flow(&a, FLOW_ITEMS, works, (n & FLOW_FUSED) != 0);
	flow_clock_read(from, FLOW_ITEMS, values);
	flow_arrays_check(&a, FLOW_ITEMS, works);
}

/* Without a branch to mispredict, as a flow's loops are; or with one, as most would write it. */
static inline __attribute__((always_inline)) size_t loop(const uint64_t *in, uint64_t *out, bool works, bool branches)
{
	size_t made = 0;

	for (uint64_t i = 0; i < FLOW_ITEMS; i++) {
		uint64_t x = flow_third(flow_second(flow_first(in[i], works), works), works);

		if (branches) {
			if (flow_keeps(x, works))
				out[made++] = x;
		} else {
			out[made] = x;
			made += flow_keeps(x, works);
		}
	}
	return made;
}

void LEVEL(flow_loop)(uint64_t n, double *values)
{
	struct flow_arrays a = flow_arrays_open_alone(FLOW_ITEMS);
	const bool works = (n & FLOW_WORKS) != 0;
	struct flow_clock from = flow_clock_now();

	if (works)
		a.made = n & FLOW_BRANCHES ? loop(a.in, a.out, true, true) : loop(a.in, a.out, true, false);
	else
		a.made = n & FLOW_BRANCHES ? loop(a.in, a.out, false, true) : loop(a.in, a.out, false, false);
	flow_clock_read(from, FLOW_ITEMS, values);
	flow_arrays_check(&a, FLOW_ITEMS, works);
}

/* --- workers --- */

/* About a microsecond: a chain of so many multiplications, each of which waits for the one before. */
enum { CHAIN = 1000, WORKED_ITEMS = 100000, WORKERS = 2 };

LEAT_MAP(microsecond, u64, x, u64, y, const void *, unused)
{
	uint64_t word = *x;

	for (int i = 0; i < CHAIN; i++) {
		word *= UINT64_C(0x9e3779b97f4a7c15);
		__asm__ volatile("" : "+r"(word));
	}
	*y = *x + (word == 0);
	return 0;
}

void LEVEL(flow_workers)(uint64_t n, double *values)
{
	struct flow_arrays a = flow_arrays_open(WORKED_ITEMS);
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port p = leat_flow_from_array(flow, LEAT_T(u64), a.in, WORKED_ITEMS);
	uint64_t wanted = 0, got = 0;
	bool in_order = true;
	struct flow_clock from;

	p = leat_flow_workers(p, WORKERS, n & FLOW_ORDERED ? LEAT_ORDERED : LEAT_UNORDERED);
	p = leat_flow_gather(leat_flow_step(p, &microsecond, NULL));
	leat_flow_to_array(p, a.out, WORKED_ITEMS, &a.made);
	from = flow_clock_now();
	if (leat_flow_start(flow) != 0 || leat_flow_join(flow) != 0)
		bench_fail("a flow failed");
	flow_clock_read(from, WORKED_ITEMS, values);
	leat_flow_close(flow);
	for (size_t i = 0; i < a.made && i < WORKED_ITEMS; i++) {
		wanted += a.in[i];
		got += a.out[i];
		in_order &= a.in[i] == a.out[i];
	}
	if (a.made != WORKED_ITEMS || wanted != got || (!in_order && n & FLOW_ORDERED))
		bench_fail("an item is lost, changed, or out of order");
}

/* --- a lone item, there and back --- */

enum { TRIPS = 20000, TRIPS_FIRST = 1000 };

#define ADD(n) \
	LEAT_MAP(add_##n, u64, x, u64, y, const void *, unused) \
	{ \
		*y = *x + (n); \
		return 0; \
	}
ADD(1) ADD(2) ADD(3) ADD(4) ADD(5) ADD(6) ADD(7) ADD(8) ADD(9) ADD(10)
LEAT_FUSE(five, u64, u64, add_1, add_2, add_3, add_4, add_5);
LEAT_FUSE(ten, u64, u64, five, add_6, add_7, add_8, add_9, add_10);

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The median of the trips: an item to the island's thread and back to this one. Both spin. */
void LEVEL(flow_lone)(uint64_t n, double *values)
{
	struct leat_chan_opts spin = { .send_wait = LEAT_WAIT_SPIN, .recv_wait = LEAT_WAIT_SPIN };
	struct leat_flow_opts opts = { .wait = LEAT_WAIT_SPIN };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, &opts);
	void *five_states[5] = { NULL }, *states[6] = { five_states };
	int64_t *times = bench_alloc(TRIPS * sizeof(*times));
	struct leat_port p;
	struct leat_tx *tx;
	struct leat_rx *rx;

	if (leat_chan_open(scope, sizeof(uint64_t), &spin, &tx, &rx) != 0)
		bench_fail("cannot open a channel");
	p = leat_flow_from_rx(flow, LEAT_T(u64), rx);
	if (n & FLOW_FUSED)
		p = leat_flow_step(p, &ten, states);
	leat_flow_to_rx(p, &rx);
	if (leat_flow_start(flow) != 0)
		bench_fail("a flow failed");
	for (int i = -TRIPS_FIRST; i < TRIPS; i++) {
		uint64_t item = (uint64_t)i, back = 0;
		int64_t start_ns = bench_now_ns();

		if (leat_send(tx, &item) != 0 || leat_recv(rx, &back) != 1 ||
		    back != item + (n & FLOW_FUSED ? 55 : 0))
			bench_fail("an item is lost, or changed");
		if (i >= 0)
			times[i] = bench_now_ns() - start_ns;
	}
	qsort(times, TRIPS, sizeof(*times), compare_times);
	values[0] = (double)times[TRIPS / 2];
	leat_tx_close(tx);
	leat_rx_close(rx);
	leat_flow_join(flow);
	leat_flow_close(flow);
	leat_scope_close(scope);
}
