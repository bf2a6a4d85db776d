/*
 * runtime/gen/await.h: what a job on a pool waits for when its step asked to: a descriptor, news,
 * or what a receiver brings. (Times stand in the job itself.)
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_AWAIT_H
#define LEAT_RUNTIME_GEN_AWAIT_H

#include "runtime/pool/poller.h"
#include "runtime/pool/pool.h"

struct leat_await {
	struct leat_job *job;
	struct leat_rx *rx;     /* that it stands at, or NULL */
	struct leat_news *news; /* the same */
	struct leat_sleeper sleeper;
	struct leat_waiter waiter;
	struct leat_polled polled;
};

void leat_await_init(struct leat_await *await, struct leat_job *job);
/*
 * Whether rc, LEAT_AFTER and the like, is what the step asked for. Needs no struct leat_await for
 * LEAT_AFTER.
 */
bool leat_await_asked(const struct leat_step *step, int rc);
/* What the turn ends with; or -errno, which is then the generator's. */
int leat_await_begin(struct leat_await *await, struct leat_job *job, const struct leat_step *step,
                     int rc);
/* The next turn has come, for whatever reason. NULL is nothing. */
void leat_await_end(struct leat_await *await);

#endif
