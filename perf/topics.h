/*
 * perf/topics.h: the samples of `leat bench generators`, `select`, `broadcast` and `flow`, by leat, by C++20's
 * coroutines and by the Disruptor: what a generator costs to make, to keep, to take a value from and to
 * end; what it costs to wait for several things; what it costs to send each item to several.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_TOPICS_H
#define LEAT_PERF_TOPICS_H

#include "perf/contestant.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A generator's values: in turn from all that are alive; pulled in a loop; passed to a consumer. */
enum { GENERATORS_ROUNDS = 16, GENERATORS_PULLED = 64, GENERATORS_PASSED = 8 };
/* Items of a sample; channels selected from, what each holds, and how many lanes of a merge are busy. */
enum { SELECT_ITEMS = 400000, SELECT_CHANS = 8, SELECT_CAPACITY = 1024, SELECT_BUSY = 10, SELECT_LANES = 10000 };

/* perf/peers/generators.c; n generators */
sample_fn leat_one_after_another, leat_alive, leat_pulled, leat_pull_pointer, leat_pull_seen, leat_pass_64,
	leat_pass_1, leat_cancel_all;
/* perf/peers/coroutine.cc, where the compiler has them */
sample_fn coroutine_alive, coroutine_pull;

/* perf/peers/select.c. Alone: one thread sends and receives. */
sample_fn receive_alone;
sample_fn select_alone;	/* from n channels */
sample_fn select_from;	/* from SELECT_CHANS channels, with n producers */
sample_fn merge_from;	/* of n lanes, the busy ones fed by one producer */
sample_fn merge_alone;	/* of n lanes */
sample_fn merge_asleep;	/* of n lanes, alone: each item to a lane that has stood armed for long */
/* perf/remote.c: Go's select from SELECT_CHANS channels, with n producers; 0: the receiver sends */
sample_fn remote_select;

/*
 * `leat bench broadcast`. A sample's number holds all of it: BROADCAST(shape, bytes, batch,
 * capacity), plus the way. Way CALLS: calls that wait, with the policy LEAT_WAIT_SPIN, or
 * LEAT_WAIT_YIELD where there are more threads than cores; the Disruptor's sender waits in next().
 */
enum broadcast_shape {
	BROADCAST_TO_ALL,
	BROADCAST_PIPELINE,
	BROADCAST_DIAMOND, /* the third comes after the first two */
};
enum broadcast_way {
	BROADCAST_CALLS,
	BROADCAST_TRIES,    /* the Disruptor's sender tries, in a loop */
	BROADCAST_TAKES,    /* as CALLS; subscribers receive up to 32 at once, as the Disruptor's do */
	BROADCAST_ADAPTIVE, /* calls that wait, by the default policy */
	BROADCAST_SKIP,     /* as CALLS; subscribers could skip */
	BROADCAST_LAGGARD,  /* and one more does: it receives nothing */
	BROADCAST_CHANNELS, /* an SPSC channel for each consumer */
	BROADCAST_RINGS,    /* a bare SPSC ring for each consumer */
};
enum { BROADCAST_SIDE_MAX = 3 };
#define BROADCAST(shape, producers, consumers, bytes, batch, capacity) \
	((uint64_t)(shape) << 4 | (uint64_t)(producers) << 8 | (uint64_t)(consumers) << 12 | \
	 (uint64_t)(bytes) << 16 | (uint64_t)(batch) << 24 | (uint64_t)(capacity) << 32)
struct broadcast_sample {
	enum broadcast_shape shape;
	enum broadcast_way way;
	unsigned producers, consumers, bytes, batch;
	size_t capacity;
	uint64_t items;
};
static inline struct broadcast_sample broadcast_sample_of(uint64_t n)
{
	struct broadcast_sample of;

	of.shape = (enum broadcast_shape)(n >> 4 & 15);
	of.way = (enum broadcast_way)(n & 15);
	of.producers = (unsigned)(n >> 8 & 15);
	of.consumers = (unsigned)(n >> 12 & 15);
	of.bytes = (unsigned)(n >> 16 & 255);
	of.batch = (unsigned)(n >> 24 & 255);
	of.capacity = (size_t)(n >> 32);
	/* a multiple of three senders, of a batch, and of the laps of 65,536 items */
	of.items = of.producers + of.consumers > 2 ? 786432 : 3145728;
	return of;
}
/*
 * `leat bench flow`: perf/peers/flow.c and flow_ranges.cc, each compiled with -O2 and with -O3. A
 * sample's number is a sum of these. Go's and oneTBB's take fewer items, as they take longer. The others
 * are so many that the start and the end of a flow, 0.3 ms in a new process, are no part of the figure.
 */
/* PLAIN is in all of them: a number of 0 would be the scenario's count. */
enum { FLOW_WORKS = 1, FLOW_FUSED = 2, FLOW_BRANCHES = 4, FLOW_ORDERED = 8, FLOW_PLAIN = 16 };
enum { FLOW_ITEMS = 1 << 24, FLOW_ITEMS_SLOW = 1 << 18 };
sample_fn flow_leat_2, flow_leat_3, flow_loop_2, flow_loop_3, flow_workers_2, flow_workers_3, flow_lone_2, flow_lone_3,
	flow_ranges_2, flow_ranges_3, flow_tbb;

/* perf/peers/broadcast.c */
sample_fn broadcast_leat;
/* perf/remote.c: the Disruptor. Ways CALLS and TRIES */
sample_fn remote_disruptor;

/* perf/machine.c: what the machine can do between two cores, and on one. n says which. */
sample_fn limit_between, limit_alone;

/* perf/peers/questions.c; n says which */
sample_fn question_publish, question_floor, question_trip, question_starts, question_late, question_pool;

/* This process, which has one thread yet, and all it starts, runs on one core from now on. */
void bench_one_core(void);

/* Memory of this process that is resident, in bytes; and how much more of it there is, for each of so many. */
uint64_t bench_resident(void);
double bench_grown_each(uint64_t before, uint64_t count);

#ifdef __cplusplus
}
#endif
#endif
