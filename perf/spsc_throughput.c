/*
 * How many nanoseconds an 8-byte item takes from one core to the other, one at a time, through a ring of 1,024 and of
 * 65,536 items.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/contestants.h"

struct work {
	void *pipe;
	uint64_t operations;
	bool ok;
};

/*
 * The same loops for each kind of pipe. What a loop reads is copied first: the barriers of an atomic operation make the
 * compiler read memory again each time, and this memory stands on one side's stack. Items are 1, 2, 3, ...; each is checked.
 */
#define THROUGHPUT(kind) \
	static void kind##_produce(void *arg) \
	{ \
		struct work *work = arg; \
		struct kind *pipe = work->pipe; \
		const uint64_t operations = work->operations; \
		for (uint64_t i = 1; i <= operations; i++) \
			while (!kind##_push(pipe, i)) \
				leat_pause(); \
	} \
	static void kind##_consume(void *arg) \
	{ \
		struct work *work = arg; \
		struct kind *pipe = work->pipe; \
		const uint64_t operations = work->operations; \
		bool ok = true; \
		for (uint64_t i = 1; i <= operations; i++) { \
			uint64_t item = 0; \
			while (!kind##_pop(pipe, &item)) \
				leat_pause(); \
			ok &= item == i; \
		} \
		work->ok = ok; \
	} \
	static double kind##_throughput(const struct contestant *self, uint64_t operations) \
	{ \
		static struct kind pipe; \
		struct work work = { &pipe, operations, false }; \
		double took_ns; \
		kind##_open(&pipe, self->capacity); \
		took_ns = on_two_cores(kind##_produce, kind##_consume, &work); \
		kind##_close(&pipe); \
		return work.ok ? took_ns / (double)operations : -1; \
	}

THROUGHPUT(ck_pipe)
THROUGHPUT(ring_pipe)
THROUGHPUT(chan_pipe)

static const struct contestant small[] = {
	{ "ck_ring", ck_pipe_throughput, 1024 },
	{ "leat ring", ring_pipe_throughput, 1024 },
	{ "leat channel", chan_pipe_throughput, 1024 },
};
static const struct contestant large[] = {
	{ "ck_ring", ck_pipe_throughput, 65536 },
	{ "leat ring", ring_pipe_throughput, 65536 },
	{ "leat channel", chan_pipe_throughput, 65536 },
};

int main(int argc, char **argv)
{
	const struct scenario scenarios[] = {
		{ "SPSC, 8-byte items, one at a time, capacity 1,024", "item", 1000000, 31, 3, small },
		{ "SPSC, 8-byte items, one at a time, capacity 65,536", "item", 1000000, 31, 3, large },
	};

	return measure(scenarios, 2, argc, argv);
}
