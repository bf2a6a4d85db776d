/*
 * runtime/gen/await.h: what a job on a pool waits for between two turns because its step asked to:
 * a descriptor, news, or an item of a receiver. (A time is in the job itself: due_ns.)
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_AWAIT_H
#define LEAT_RUNTIME_GEN_AWAIT_H

#include "runtime/pool/poller.h"
#include "runtime/pool/pool.h"

struct leat_await {
	struct leat_job *job;
	struct leat_rx *rx;     /* the receiver that waiter is at, or NULL */
	struct leat_news *news; /* the news that waiter is at, or NULL */
	struct leat_sleeper sleeper;
	struct leat_waiter waiter;
	struct leat_polled polled;
	/* that the step had when it asked; the next turn has it back; NULL: none */
	struct leat_step_place *place;
};

void leat_await_init(struct leat_await *await, struct leat_job *job);
/*
 * Whether a step that returned rc, a LEAT_AFTER, LEAT_READY or LEAT_ITEM, has asked for that by
 * leat_after(), leat_ready() or a receive.
 */
bool leat_await_asked(const struct leat_step *step, int rc);
/*
 * Begins to wait for what the step asked for by rc. Returns the enum leat_job_result that the turn
 * ends with, or -errno, with which the generator then ends. await may be NULL for LEAT_AFTER.
 */
int leat_await_begin(struct leat_await *await, struct leat_job *job, struct leat_step *step,
                     int rc);
/* Ends the wait: the next turn has come, for whatever reason. NULL does nothing. */
void leat_await_end(struct leat_await *await);
/* The step of that next turn has begun: it gets the place back that the last one had. */
static inline void leat_await_resume(struct leat_await *await, struct leat_step *step)
{
	step->place = await->place;
	await->place = NULL;
}

/*
 * For a call that is about to ask that the step be called again: whether a stop ends the generator
 * instead, so that the call must return -ESHUTDOWN.
 */
bool leat_step_is_stopped(struct leat_step *step);

/*
 * What sends begins with the caller: marks the generator that runs here, if one does, as
 * leat_tx_source() does.
 */
void leat_gen_mark_source(void);

/* In a step: returns LEAT_AFTER, so that other jobs have their turns; elsewhere 0. */
int leat_step_pause(void);

#endif
