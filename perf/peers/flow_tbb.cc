/*
 * perf/peers/flow_tbb.cc: oneTBB's parallel_pipeline in `leat bench flow`, with one thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/flow_work.h"

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_pipeline.h>

enum { TOKENS = 64 };

/* A filter cannot drop an item: the last one is the step that keeps items, and writes them. */
template <bool works> static void through_filters(struct flow_arrays *a, uint64_t items)
{
	using namespace oneapi::tbb;
	constexpr auto serial = filter_mode::serial_in_order;
	uint64_t at = 0;
	auto source = make_filter<void, uint64_t>(serial, [&](flow_control &control) -> uint64_t {
		if (at == items) {
			control.stop();
			return 0;
		}
		return a->in[at++];
	});
	auto first = make_filter<uint64_t, uint64_t>(serial, [](uint64_t x) { return flow_first(x, works); });
	auto second = make_filter<uint64_t, uint64_t>(serial, [](uint64_t x) { return flow_second(x, works); });
	auto third = make_filter<uint64_t, uint64_t>(serial, [](uint64_t x) { return flow_third(x, works); });
	auto keep = make_filter<uint64_t, void>(serial, [=](uint64_t x) {
		a->out[a->made] = x;
		a->made += flow_keeps(x, works);
	});

	parallel_pipeline(TOKENS, source & first & second & third & keep);
}

void flow_tbb(uint64_t n, double *values)
{
	oneapi::tbb::global_control one(oneapi::tbb::global_control::max_allowed_parallelism, 1);
	struct flow_arrays a = flow_arrays_open_alone(FLOW_ITEMS_SLOW);
	const bool works = (n & FLOW_WORKS) != 0;
	struct flow_clock from = flow_clock_now();

	if (works)
		through_filters<true>(&a, FLOW_ITEMS_SLOW);
	else
		through_filters<false>(&a, FLOW_ITEMS_SLOW);
	flow_clock_read(from, FLOW_ITEMS_SLOW, values);
	flow_arrays_check(&a, FLOW_ITEMS_SLOW, works);
}
