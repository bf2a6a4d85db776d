/*
 * runtime/pool/pool.h: workers, and the queues that they take jobs from.
 *
 * Each worker has a queue; what is woken by a thread that is no worker goes to the inbox. A worker
 * without work takes from the inbox, then from the other workers' queues; finds nothing for a
 * while; and parks on the pool's event. One of those that park, the timekeeper, sleeps no longer
 * than until the next job in the wheel, and where jobs wait for descriptors, on those.
 *
 * A new job that its receiver is likely to run stands in no queue: its user has it, and stands on
 * the pool's list of those that may have one, which the word `unstarted` says is not empty. A
 * worker without work asks those; who has the same one twice wakes it. A user comes onto the list
 * under its own lock, and says under that lock whether it stays, so that a job is either seen or
 * announced.
 *
 *     C1   a worker that parks enters the pool's event, heavy fence, looks at queues and unstarted
 *           <->  push or unstarted, light fence,
 *          load of ctl
 *     P1   who pushes swaps searching, having pushed  ->  P1  who stops searching swaps it, then
 *                                                             looks for more to do
 *     P2   who ends lets go of the pool      ->  P2  who closes it loads held      nothing of it is
 *                                                    used any more
 *     P3   a first descriptor is counted     ->  P3  workers load count            the descriptors
 *                                                    to sleep on are there
 *
 * Lock order: that of all pools' users, a pool's of asking for new jobs, a user's own, a pool's,
 * its queues' and its list's of those that may have one, its event's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_POOL_H
#define LEAT_RUNTIME_POOL_POOL_H

#include "runtime/pool/job.h"
#include "runtime/pool/poller.h"
#include "runtime/pool/wheel.h"

#include "runtime/registry/registry.h"

#include <leat/pool.h>
#include <leat/stat.h>

/* Who has jobs on a pool, as far as closing it is concerned. */
struct leat_pool_user {
	struct leat_pool_user *prev, *next;
	struct leat_pool *pool;          /* set with those */
	struct leat_link unstarted_link; /* on the list of those that may have a new job */
	bool unstarted_listed;           /* it is, or is being asked; under the user's lock */
	bool (*busy)(struct leat_pool_user *user);
	/* the pool is closed: must not be named any more */
	void (*gone)(struct leat_pool_user *user);
	/*
	 * Wakes the new job that stood with it at the last call already, and still waits for its
	 * first turn. Whether another does. Takes the lock under which leat_pool_add_unstarted() is
	 * called, and says under it in unstarted_listed what it answers.
	 */
	bool (*unstarted)(struct leat_pool_user *user);
	/*
	 * Adds its figures, and the name of the generator that long_id is, if it is one of its.
	 * Under no lock of the pool's: what it adds is never more than there was when it returns.
	 */
	void (*look)(struct leat_pool_user *user, struct leat_pool_stat *stat);
	/* once it is removed and no look is at it; under no lock */
	void (*free)(struct leat_pool_user *user);
	/* under users_lock: */
	unsigned looks; /* at it just now: it is not freed */
	bool removed;
	/* on a pool's list of those, and freed when that is settled at the earliest */
	bool ended;
	struct leat_pool_user *ended_next;
};
void leat_pool_add_user(struct leat_pool *pool, struct leat_pool_user *user);
/*
 * With nobody left in it. Its figures stay with the pool, if that is not gone already; then it is
 * freed.
 */
void leat_pool_remove_user(struct leat_pool_user *user);

/* The same for one job at a time. Letting go is the last that is done with the pool. */
void leat_pool_hold(struct leat_pool *pool);
void leat_pool_let_go(struct leat_pool *pool);

/*
 * A new job stands with its user, IDLE: who receives from it may run it at once, and unstarted()
 * finds it if nobody does. Under a lock of the user's, while it is busy. True:
 * leat_pool_notify_unstarted(), in a read section begun under that lock.
 */
bool leat_pool_add_unstarted(struct leat_pool *pool, struct leat_pool_user *user);
void leat_pool_notify_unstarted(struct leat_pool *pool);

/* Somebody must sleep in its poller from now on. */
struct leat_poller *leat_pool_poller(struct leat_pool *pool);
void leat_pool_want_timekeeper(struct leat_pool *pool);

/*
 * The figures of now, but for time: a walk of the registry calls it. Totals never fall from one
 * call to the next.
 */
void leat_pool_read_stat(struct leat_node *node, struct leat_pool_stat *stat);

/* Only workers run steps on this pool. */
bool leat_pool_workers_only(const struct leat_pool *pool);

/* How an input of a seq or sink ended, where not well: runtime/gen/input.h. */
struct leat_input_end {
	/*
	 * what the end was returned as; 0: there was none, or the step went on without that input
	 */
	int rc;
	enum leat_cause cause;
	int code;
	char text[LEAT_TEXT_MAX + 1];
};

/* What a step asked for, by leat_after() and its like; and what it met with. */
struct leat_step {
	int64_t after_ns;
	int fd; /* -1: none */
	short events;
	struct leat_news *news; /* that it waits for; NULL: none (runtime/gen/news.h) */
	struct leat_rx *rx;
	struct leat_step *outer;
	struct leat_input_end input;
};
extern LEAT_TLS struct leat_step *leat_step_current; /* NULL: no step is under way on this thread */

/* A turn's frame: while it lasts, calls that would wait answer -EDEADLK. */
static inline void leat_step_begin(struct leat_step *step)
{
	step->after_ns = 0;
	step->fd = -1;
	step->news = NULL;
	step->rx = NULL;
	step->input.rc = 0;
	step->outer = leat_step_current;
	leat_step_current = step;
	leat_must_not_wait++;
}

static inline void leat_step_end(struct leat_step *step)
{
	leat_step_current = step->outer;
	leat_must_not_wait--;
}

/* Turns inside turns: pipelines whose stages run one another. */
enum { LEAT_STEPS_NESTED = 16 };

/*
 * The steps of a turn, by the log of what one takes: unknown (0) few, else as many as take 2 to the
 * most nanoseconds.
 */
uint32_t leat_steps_within(unsigned cost, unsigned most);
/* That log, of n steps since then; at least 1. */
unsigned leat_steps_cost(int64_t since_ns, uint64_t n);
enum {
	LEAT_COST_HEAVY = 11, /* steps of 2 microseconds and more are worth a worker */
	/* a receiver that needs one item runs ahead for one microsecond at the most */
	LEAT_COST_INLINE = 10,
	LEAT_COST_TURN = 17 /* a worker's turn: some 130 microseconds at the most */
};

#endif
