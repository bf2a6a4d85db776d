/*
 * How many nanoseconds an 8-byte item takes to the other core and back, through two rings of 1,024 items.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/contestants.h"

struct work {
	void *there, *back;
	uint64_t operations;
	bool ok;
};

#define ROUND_TRIP(kind) \
	static void kind##_ask(void *arg) \
	{ \
		struct work *work = arg; \
		struct kind *there = work->there, *back = work->back; \
		const uint64_t operations = work->operations; \
		bool ok = true; \
		for (uint64_t i = 1; i <= operations; i++) { \
			uint64_t item = 0; \
			while (!kind##_push(there, i)) \
				; \
			while (!kind##_pop(back, &item)) \
				; \
			ok &= item == i; \
		} \
		work->ok = ok; \
	} \
	static void kind##_answer(void *arg) \
	{ \
		struct work *work = arg; \
		struct kind *there = work->there, *back = work->back; \
		const uint64_t operations = work->operations; \
		for (uint64_t i = 1; i <= operations; i++) { \
			uint64_t item = 0; \
			while (!kind##_pop(there, &item)) \
				; \
			while (!kind##_push(back, item)) \
				; \
		} \
	} \
	static double kind##_round_trip(const struct contestant *self, uint64_t operations) \
	{ \
		static struct kind there, back; \
		struct work work = { &there, &back, operations, false }; \
		double took_ns; \
		kind##_open(&there, self->capacity); \
		kind##_open(&back, self->capacity); \
		took_ns = on_two_cores(kind##_ask, kind##_answer, &work); \
		kind##_close(&there); \
		kind##_close(&back); \
		return work.ok ? took_ns / (double)operations : -1; \
	}

ROUND_TRIP(ck_pipe)
ROUND_TRIP(ring_pipe)
ROUND_TRIP(chan_pipe)

static double one_line(const struct contestant *self, uint64_t operations)
{
	(void)self;
	(void)operations;
	return line_round_trip_ns();
}

static const struct contestant contestants[] = {
	{ "ck_ring", ck_pipe_round_trip, 1024 },
	{ "leat ring", ring_pipe_round_trip, 1024 },
	{ "leat channel", chan_pipe_round_trip, 1024 },
	{ "one line, no ring", one_line, 0 },
};

int main(int argc, char **argv)
{
	const struct scenario scenarios[] = {
		{ "SPSC, round trip of an 8-byte item through two rings", "round trip", 20000, 31, 4, contestants },
	};

	return measure(scenarios, 1, argc, argv);
}
