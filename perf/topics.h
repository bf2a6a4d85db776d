/*
 * perf/topics.h: the samples of `leat bench generators` and `leat bench select`, by leat and by C++20's
 * coroutines: what a generator costs to make, to keep, to take a value from and to end; what it costs to
 * wait for several things.
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

/* perf/machine.c: what the machine can do between two cores, and on one. n says which. */
sample_fn limit_between, limit_alone;

/* perf/peers/questions.c; n says which */
sample_fn question_publish, question_floor, question_trip, question_starts, question_late, question_pool;

/* Memory of this process that is resident, in bytes; and how much more of it there is, for each of so many. */
uint64_t bench_resident(void);
double bench_grown_each(uint64_t before, uint64_t count);

#ifdef __cplusplus
}
#endif
#endif
