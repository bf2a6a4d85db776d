/*
 * perf/peers/coroutine.cc: C++20's coroutines in `leat bench generators`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/topics.h"

#include <coroutine>
#include <cstdlib>
#include <exception>

namespace
{
/* The least that a generator needs: its frame has its value, and its handle is one word. */
struct generator {
	struct promise_type {
		uint64_t value;

		generator get_return_object()
		{
			return { std::coroutine_handle<promise_type>::from_promise(*this) };
		}
		std::suspend_always initial_suspend() noexcept
		{
			return {};
		}
		std::suspend_always final_suspend() noexcept
		{
			return {};
		}
		std::suspend_always yield_value(uint64_t next) noexcept
		{
			value = next;
			return {};
		}
		void return_void()
		{
		}
		void unhandled_exception()
		{
			std::terminate();
		}
	};
	std::coroutine_handle<promise_type> handle;

	bool next(uint64_t *item)
	{
		handle.resume();
		if (handle.done())
			return false;
		*item = handle.promise().value;
		return true;
	}
};

generator count_up(uint64_t next, uint64_t end)
{
	while (next != end)
		co_yield next++;
}

double since(int64_t start_ns, uint64_t operations)
{
	return (double)(bench_now_ns() - start_ns) / (double)operations;
}
}

extern "C" void coroutine_alive(uint64_t count, double *values)
{
	const uint64_t rounds = GENERATORS_ROUNDS, before = bench_resident();
	generator *all = static_cast<generator *>(bench_alloc(count * sizeof(*all)));
	uint64_t sum = 0, value = 0;

	for (uint64_t i = 0; i < count; i++)
		all[i] = count_up(i, UINT64_MAX);
	const int64_t start_ns = bench_now_ns();
	for (uint64_t r = 0; r < rounds; r++)
		for (uint64_t i = 0; i < count; i++) {
			if (!all[i].next(&value))
				bench_fail("a coroutine has no value");
			sum += value;
		}
	values[1] = since(start_ns, count * rounds);
	values[0] = bench_grown_each(before, count);
	for (uint64_t i = 0; i < count; i++)
		all[i].handle.destroy();
	free(all);
	if (sum != rounds * (count * (count - 1) / 2) + count * (rounds * (rounds - 1) / 2))
		bench_fail("a value is lost, or came twice");
}

extern "C" void coroutine_pull(uint64_t count, double *values)
{
	const uint64_t all = count * GENERATORS_PULLED;
	uint64_t sum = 0, value = 0;
	generator one = count_up(0, all);
	const int64_t start_ns = bench_now_ns();

	while (one.next(&value)) {
		uint64_t taken = value;

		__asm__ volatile("" : "+r"(taken));
		sum += taken;
	}
	values[0] = since(start_ns, all);
	one.handle.destroy();
	if (sum != all * (all - 1) / 2)
		bench_fail("a value is lost");
}
