/*
 * runtime/pace/rate.h: the inside of a rate, by the generic cell rate algorithm.
 *
 * `next` is the time at which a bucket with no permits would have the next one: an earlier time
 * stands for permits that are there. A take of n moves it by n intervals; what it then is is the
 * time at which these n permits are due. It is never further back than burst intervals.
 *
 *     next before the take     max(next, now - burst x each)
 *     due, and next after it   that + n x each
 *     the grant's time         max(due, now)
 *
 * Invariant: of the grants i to j, in the order of their calls, the permits are at most burst +
 * (time of j - time of i) / each. For next before take i was at least the time of i - burst x each:
 * by the clamp where i did not wait, and as n is at most burst where it did. And due of j is at
 * least that + the permits of i to j x each.
 *
 * Waiters. A take that has to wait has taken: next is behind its due. It is on the list of waiters,
 * whose dues rise. A waiter whose scope is cancelled gives back what it took: the dues of the
 * waiters behind it, and next, move back by its permits. That keeps the invariant, as all of them
 * were computed without a clamp: next was ahead of the clock. But what leat_rate_after() took has
 * no waiter, and its due is with its caller: `fixed` counts these. A waiter in front of such a take
 * gives nothing back.
 *
 * Times are in units of 2^-32 nanoseconds. From 1,000 nanoseconds up the interval is rounded up to
 * whole nanoseconds, and so are then all dues. Below that a due is rounded up when it becomes a
 * time of the clock, so the promise holds to a nanosecond.
 *
 * Wake-ups. A thread that moves dues holds the rate's lock, and then notifies all waiters of the
 * event `moved`. A waiter adds itself to that event and then loads its due: the lock of the event
 * orders the two, so no fence is needed, and the event has no bit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_PACE_RATE_H
#define LEAT_RUNTIME_PACE_RATE_H

#include "runtime/event/wait.h"
#include "runtime/scope/watch.h"

#include <leat/pace.h>

__extension__ typedef __int128 leat_rate_time;

struct leat_rate_waiter {
	struct leat_wait_loop loop;
	struct leat_waiter waiter;
	struct leat_wait_watch watch;
	struct leat_scope *scope;
	struct leat_rate *rate;
	uint32_t n;
	int64_t deadline_ns;
	/* guarded by the rate's lock: */
	struct leat_rate_waiter *prev, *next; /* next NULL: not on the list */
	leat_rate_time start, due;            /* next before and after this take */
	uint64_t fixed;                       /* the rate's when this take was made */
	/* copies, which the waiter reads without the lock: */
	uint64_t due_ns;
	uint32_t failed; /* 0, or -errno with which leat_rate_set() ended it */
};

struct leat_rate {
	struct leat_mutex lock; /* guards the rest but the event */
	leat_rate_time each, next;
	uint32_t burst;
	uint64_t fixed;
	struct leat_rate_waiter waiters; /* both ends of a ring */
	struct leat_event moved;
};

#endif
