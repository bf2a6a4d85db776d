/*
 * runtime/pool/pool.h: workers, and the queues that they take jobs from.
 *
 * Each worker has a queue of its own. A job that is woken by a thread that is no worker goes to the
 * pool's inbox. A worker without work takes from the inbox, then steals from other workers' queues.
 * A worker that finds nothing for a while parks on the pool's event. One of the parked workers, the
 * timekeeper, sleeps no longer than until the next job in the wheel is due; where jobs wait for
 * descriptors, it sleeps on those.
 *
 * A user of a pool owns jobs on it: an arena of compact generators (runtime/gen/arena.h). A new job
 * that its receiver is likely to run is unstarted: it is in no queue. Its user keeps it, and is on
 * the pool's list unstarted_users. The word `unstarted` says that this list is not empty. A worker
 * without work asks each user on the list by wake_unstarted(); a user that is asked twice with the
 * same job wakes it.
 *
 * Invariant: a worker that parks finds an unstarted job, or the thread that starts it notifies a
 * worker. If not: the job would never run, should its receiver not receive. Therefore: a user comes
 * onto the list with its own lock held, and decides with that lock held whether it stays. A worker
 * that has taken the user off the list either finds the new job when it takes that lock, or had the
 * lock before the job came; then the starter or the worker puts the user on the list again.
 *
 *     C1  a worker that parks enters the pool's      <->  push or store to unstarted, light
 *         event, heavy fence, loads of counts and         fence, load of ctl
 *         of unstarted
 *     P1  a pusher, having pushed, swaps searching    ->  P1  a worker that stops searching swaps
 *                                                         it, then loads counts
 *     P2  a job that ends lets go of the pool         ->  P2  the closer loads held: nothing of
 *                                                         that job is used any more
 *     P3  the first descriptor is counted             ->  P3  workers load count: the descriptors
 *                                                         to sleep on are there
 *
 * Lock order. A thread that holds one of these locks takes only locks that are further down:
 *
 *     1. stat_lock of the pool
 *     2. users_lock, one for all pools
 *     3. ask_lock of the pool
 *     4. a user's own lock (an arena's: the lock of its gen_set)
 *     5. the lock of the pool's poller
 *     6. lock of the pool
 *     7. the lock of a queue; unstarted_lock
 *     8. the lock of the pool's event
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

/* Owns jobs on a pool. */
struct leat_pool_user {
	struct leat_pool_user *prev, *next;
	/* the pool on whose list of users this one is; NULL: none */
	struct leat_pool *pool;
	struct leat_link unstarted_link; /* on the pool's unstarted_users; next NULL: not on it */
	/* it is on that list, or a worker is about to ask it; guarded by the user's lock */
	bool unstarted_listed;
	/* whether a job of the user's is left: then the pool is not closed */
	bool (*busy)(struct leat_pool_user *user);
	/* the pool is closed: the user must not name it any more */
	void (*forget_pool)(struct leat_pool_user *user);
	/*
	 * Wakes the user's unstarted job, if the job was there at the last call already and still
	 * waits for its first turn. Returns whether the user has one that it keeps. Takes the lock
	 * that callers of leat_pool_add_unstarted() hold, and stores in unstarted_listed, with that
	 * lock held, what it returns.
	 */
	bool (*wake_unstarted)(struct leat_pool_user *user);
	/*
	 * Adds the user's figures, and the name of the generator that long_id is, if it is one of
	 * the user's. The caller holds none of the pool's locks unless no job of the user's is
	 * left. What this adds is never more than there is when it returns.
	 */
	void (*read_stat)(struct leat_pool_user *user, struct leat_pool_stat *stat);
	/*
	 * once the user is removed and no reader is in read_stat(); the caller holds no lock of
	 * this room
	 */
	void (*free)(struct leat_pool_user *user);
	/* guarded by users_lock: */
	unsigned stat_readers; /* readers that are in read_stat(): the user is not freed */
	bool removed;
	/* on a pool's list of deferred users, and not freed before it is off that */
	bool deferred;
	struct leat_pool_user *deferred_next;
};
void leat_pool_add_user(struct leat_pool *pool, struct leat_pool_user *user);
/*
 * No job of the user's is left. Its figures stay with the pool, if that is not closed already; then
 * the user is freed.
 */
void leat_pool_remove_user(struct leat_pool_user *user);

/*
 * Keeps the pool from being closed for one job that belongs to no user. Letting go is the last that
 * the job does with the pool.
 */
void leat_pool_hold(struct leat_pool *pool);
void leat_pool_let_go(struct leat_pool *pool);

/*
 * The user has a new job, IDLE and in no queue: its receiver may run it at once, and
 * wake_unstarted() finds it if the receiver does not. The caller holds the user's lock, and the
 * user is busy. True: the caller calls leat_pool_notify_unstarted(), in a read section that began
 * with that lock held.
 */
bool leat_pool_add_unstarted(struct leat_pool *pool, struct leat_pool_user *user);
void leat_pool_notify_unstarted(struct leat_pool *pool);

struct leat_poller *leat_pool_poller(struct leat_pool *pool);
/* A descriptor was added to the poller: from now on some worker must sleep in it. */
void leat_pool_want_timekeeper(struct leat_pool *pool);

/*
 * The present figures, without the time; a walk of the registry calls it. Totals never fall from
 * one call to the next.
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
	bool by_itself; /* no input ended: the seq or sink failed, and these are its words */
	char text[LEAT_TEXT_MAX + 1];
};

/*
 * A place in a queue that a step keeps from one call of its function to the next, while the job
 * waits for news: of a semaphore (runtime/pace/sem.h). Between two turns the job has it.
 */
struct leat_step_place {
	struct leat_news *news;                      /* that the job waits for */
	void (*drop)(struct leat_step_place *place); /* gives it up, and frees it */
};

/* What a step asked for, by leat_after() and its like, and how an input of it ended. */
struct leat_step {
	int64_t after_ns;
	int fd; /* -1: none */
	short events;
	struct leat_news *news;        /* that it waits for; NULL: none (runtime/gen/news.h) */
	struct leat_step_place *place; /* NULL: none */
	struct leat_rx *rx;
	struct leat_step *outer;
	/*
	 * The generator's output: a sender, or the control word of a compact one. NULL: none, in a
	 * last step.
	 */
	struct leat_tx *out;
	uint32_t *ctl;
	bool told; /* a call in the step has returned -ESHUTDOWN */
	struct leat_input_end input;
};
extern LEAT_TLS struct leat_step *leat_step_current; /* NULL: no step is under way on this thread */

/* A turn's frame: while it lasts, calls that would wait return -EDEADLK. */
/* What a step asks for last is what counts: a time, and a descriptor or news or neither. */
static inline void leat_step_ask(struct leat_step *step, int64_t after_ns, int fd,
                                 struct leat_news *news)
{
	step->after_ns = after_ns;
	step->fd = fd;
	step->news = news;
}

static inline void leat_step_begin(struct leat_step *step)
{
	leat_step_ask(step, 0, -1, NULL);
	step->rx = NULL;
	step->out = NULL;
	step->ctl = NULL;
	step->told = false;
	step->place = NULL;
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

/* The step does not wait in its place any more. Called before the generator can end. */
static inline void leat_step_drop_place(struct leat_step *step)
{
	struct leat_step_place *place = step->place;

	step->place = NULL;
	if (place != NULL)
		place->drop(place);
}

/* Turns inside turns: pipelines whose stages run one another. */
enum { LEAT_STEPS_NESTED = 16 };

/*
 * How many steps a turn may have, by the binary logarithm of what one takes: few where that is
 * unknown (0), else as many as take 2 to the power of `most` nanoseconds.
 */
uint32_t leat_steps_within(unsigned cost, unsigned most);
/* That logarithm, for n steps since since_ns; at least 1. */
unsigned leat_steps_cost(int64_t since_ns, uint64_t n);
enum {
	LEAT_COST_HEAVY = 11, /* steps of 2 microseconds and more are worth a worker */
	/* a receiver that needs one item runs ahead for one microsecond at the most */
	LEAT_COST_INLINE = 10,
	LEAT_COST_TURN = 17 /* a worker's turn: some 130 microseconds at the most */
};

#endif
