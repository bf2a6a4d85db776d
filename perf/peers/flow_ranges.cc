/*
 * perf/peers/flow_ranges.cc: C++20's ranges in `leat bench flow`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/flow_work.h"

#include <ranges>
#include <span>

template <bool works> static size_t through_views(std::span<const uint64_t> in, uint64_t *out)
{
	uint64_t *to = out;
	auto all = in | std::views::transform([](uint64_t x) { return flow_first(x, works); }) |
		   std::views::transform([](uint64_t x) { return flow_second(x, works); }) |
		   std::views::transform([](uint64_t x) { return flow_third(x, works); }) |
		   std::views::filter([](uint64_t x) { return flow_keeps(x, works); });

	for (uint64_t x : all)
		*to++ = x;
	return (size_t)(to - out);
}

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

void PASTE(flow_ranges_, FLOW_LEVEL)(uint64_t n, double *values)
{
	struct flow_arrays a = flow_arrays_open_alone(FLOW_ITEMS);
	const bool works = (n & FLOW_WORKS) != 0;
	struct flow_clock from = flow_clock_now();

	a.made = works ? through_views<true>({ a.in, FLOW_ITEMS }, a.out)
		       : through_views<false>({ a.in, FLOW_ITEMS }, a.out);
	flow_clock_read(from, FLOW_ITEMS, values);
	flow_arrays_check(&a, FLOW_ITEMS, works);
}
