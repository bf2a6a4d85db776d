/*
 * runtime/pace/sem.h: the inside of a semaphore.
 *
 * Waiting threads and steps are on a queue, in the order of their calls. Permits that come back go
 * to the first of them as soon as they suffice for it: the thread that gives them back takes them
 * for it, takes it off the queue, and raises its news. So permits are never up for grabs while
 * anything waits, and none is lost with its waiter:
 *
 *     a waiter that ends its wait          with the semaphore's lock held
 *     finds that it was granted permits    has them, whatever ended its wait; a step that is not
 *                                          called again gives them back
 *     finds itself on the queue            leaves it; then the permits that are there may suffice
 *                                          for the waiters behind it, which gets them
 *
 * Invariant: while a waiter is on the queue, the permits that are there do not suffice for the
 * first of them. Every change of the permits or of the head of the queue ends in grant_waiters().
 *
 * A thread's place is on its stack. A step's is allocated, and its job keeps it from turn to turn
 * (struct leat_step_place in runtime/pool/pool.h).
 *
 * Lock order: the semaphore's, then the event of a waiter's news, then a pool's queues.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_PACE_SEM_H
#define LEAT_RUNTIME_PACE_SEM_H

#include "runtime/event/wait.h"
#include "runtime/gen/news.h"
#include "runtime/pool/pool.h"
#include "runtime/scope/watch.h"

#include <leat/pace.h>

struct leat_sem_waiter {
	struct leat_sem *sem;
	uint32_t n;
	struct leat_news news; /* raised once it is granted */
	/* guarded by the semaphore's lock: */
	struct leat_sem_waiter *prev, *next; /* on the queue, unless it is granted */
	bool granted;
	struct leat_step_place place; /* of a step */
};

struct leat_sem {
	struct leat_mutex lock; /* guards the rest */
	uint32_t permits, there;
	struct leat_sem_waiter queue; /* both ends of a ring */
};

#endif
