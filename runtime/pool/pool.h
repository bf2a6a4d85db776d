/*
 * runtime/pool/pool.h: workers, and the queues that they take jobs from.
 *
 * Each worker has a queue; what is woken by a thread that is no worker goes to the inbox. A worker without work takes from
 * the inbox, then from the other workers' queues; finds nothing for a while; and parks on the pool's event. One of those
 * that park, the keeper, sleeps no longer than until the next job in the wheel.
 *
 *     C1   a worker that parks enters the pool's event, heavy fence, looks at queues  <->  push, light fence, load of ctl
 *     P1   who pushes swaps searching, having pushed  ->  P1  who stops searching swaps it, then looks for more to do
 *
 * Lock order: a pool's lock, its queues, its event. No lock of anybody else's is taken under these.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_POOL_H
#define LEAT_RUNTIME_POOL_POOL_H

#include "runtime/pool/wheel.h"

#include <leat/gen.h>

/* Who has jobs on a pool, as far as closing it is concerned. */
struct leat_pool_user {
	struct leat_pool_user *prev, *next;
	bool (*busy)(struct leat_pool_user *user);
	void (*gone)(struct leat_pool_user *user); /* the pool is closed: must not be named any more */
};
void leat_pool_add_user(struct leat_pool *pool, struct leat_pool_user *user);
/* Does nothing if the pool is gone already. */
void leat_pool_remove_user(struct leat_pool_user *user);

/* Only workers run steps on this pool. */
bool leat_pool_workers_only(const struct leat_pool *pool);

/* What a step that is under way on this thread asked for. NULL: no step is. */
struct leat_step {
	int64_t after_ns;
	struct leat_step *outer;
};
extern __thread struct leat_step *leat_step_current;

/* A turn's frame: while it lasts, calls that would wait answer -EDEADLK. */
void leat_step_begin(struct leat_step *step);
void leat_step_end(struct leat_step *step);

#endif
