/*
 * runtime/pool/wheel.h: jobs in the order of their times.
 *
 * A hierarchy of timing wheels (George Varghese and Tony Lauck, "Hashed and Hierarchical Timing
 * Wheels", 1987): 64 slots a level, each level's slot as long as the whole level below it. Adding
 * and removing take the same few steps, however many jobs are in it. Times are rounded up to ticks
 * of 16 microseconds: never early.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_WHEEL_H
#define LEAT_RUNTIME_POOL_WHEEL_H

#include "runtime/pool/job.h"

enum { LEAT_WHEEL_LEVELS = 8, LEAT_WHEEL_SLOTS = 64 };

struct leat_wheel {
	uint64_t now;                     /* in ticks: all jobs before it have expired */
	uint64_t used[LEAT_WHEEL_LEVELS]; /* a bit for each slot that has a job */
	struct leat_link slots[LEAT_WHEEL_LEVELS][LEAT_WHEEL_SLOTS];
	size_t count;
};

/* One thread at a time calls any of these. */
void leat_wheel_init(struct leat_wheel *wheel, int64_t now_ns);
/* job->due_ns is after now. */
void leat_wheel_add(struct leat_wheel *wheel, struct leat_job *job);
void leat_wheel_remove(struct leat_wheel *wheel, struct leat_job *job);
/* When the next job may expire, or its slot is to be spread; LEAT_NEVER: the wheel is empty. */
int64_t leat_wheel_next_ns(const struct leat_wheel *wheel);
/* Takes out a job that is due, and returns it; NULL: there is none. */
struct leat_job *leat_wheel_expire(struct leat_wheel *wheel, int64_t now_ns);

#endif
