/*
 * runtime/pool/parts.h: what a pool consists of, for the files of this room:
 *
 *     pool.c        opens and closes pools, and runs workers
 *     queue.c       queues, the inbox, stealing
 *     job.c         the states of a job
 *     timekeeper.c  the wheel, and the worker that sleeps until its next time
 *     unstarted.c   new jobs that are in no queue
 *     stat.c        users: their figures, and how they leave
 *     step.c        steps of a turn
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_PARTS_H
#define LEAT_RUNTIME_POOL_PARTS_H

#include "runtime/pool/pool.h"
#include "runtime/pool/queue.h"
#include "runtime/registry/rcu.h"

#include <leat/detail/ctl.h>

struct leat_worker {
	struct leat_queue own; /* what it or its jobs woke, or had a turn and wants more */
	/* what others woke; one of the pool's queues, and nobody else's */
	struct leat_queue *adopted;
	struct leat_pool *pool;
	struct leat_thread thread;
	struct leat_sleeper sleeper;
	struct leat_waiter waiter;
	/* whose turn it is, or 0; how many there were. Written by the worker, read by looks */
	uint64_t running, turns_run;
	uint64_t stat_turns_run; /* given when a look first found this turn; under users_lock */
	int64_t stat_since_ns;   /* when that was */
	/* the inbox's pushes when this worker last looked, last went to sleep */
	uint32_t pushes_at_check, pushes_at_sleep;
	uint32_t inbox_skips; /* how often in a row it has left there what it saw */
	int64_t unstarted_ns; /* when it last looked at new jobs that stand in no queue */
	bool had_unstarted;   /* there were some since it last went to sleep */
	bool polling;
	unsigned index, turns;
};

struct leat_pool {
	/* LEAT_CTL_RX_PARKED: a worker sleeps */
	uint32_t ctl __attribute__((aligned(LEAT_LINES_APART)));
	uint32_t searching; /* workers that are awake and have found nothing yet */
	uint32_t polling;   /* a worker looks every now and then: new generators wake nobody */
	/* a user may have a new job that nobody has run yet; written under unstarted_lock */
	uint32_t unstarted;
	uint32_t stop;
	uint32_t held;
	uint64_t due_ns;          /* when the wheel is to be looked at; written under the lock */
	struct leat_queue *inbox; /* changed under the lock of the queue that it says */
	struct leat_event idle __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_mutex lock; /* guards the wheel and the timekeeper */
	struct leat_worker *timekeeper;
	int64_t timekeeper_until_ns;
	bool timekeeper_polls; /* it sleeps on descriptors */
	struct leat_poller poller;
	struct leat_wheel wheel;
	struct leat_pool_user users; /* the ends of a ring; under users_lock */
	/* of users that are off the list; what the last look told. Under users_lock */
	struct leat_pool_stat past_stat, last_stat;
	/* a look has read past, which must not change until it is over. Under users_lock */
	bool reading_stat;
	/* users removed during that look, on the list until it is over. Under users_lock */
	struct leat_pool_user *deferred;
	struct leat_mutex stat_lock; /* held by a look: one at a time */
	/* held by who asks one of those: it is not taken away meanwhile */
	struct leat_mutex ask_lock;
	struct leat_spin unstarted_lock;  /* guards the links of */
	struct leat_link unstarted_users; /* those that may have a new job: the ends of a ring */
	struct leat_node node;
	char name[LEAT_NAME_MAX + 1];
	bool workers_only;
	unsigned workers_count;
	/* one more than workers: each has adopted one, and one is the inbox */
	struct leat_queue *queues;
	struct leat_worker workers[];
};

/* NULL: this thread is no worker. */
extern LEAT_TLS struct leat_worker *leat_worker_current;

static inline struct leat_queue *leat_pool_inbox(const struct leat_pool *pool)
{
	/*
	 * rlx: queues stand from the start; who uses one as the inbox locks it and looks again,
	 * others take it as a hint
	 */
	return leat_load_rlx(&pool->inbox);
}

/*
 * Somebody has work for a worker: whether to wake one, as none is looking around anyway, or soon
 * enough.
 */
static inline bool leat_pool_should_notify(struct leat_pool *pool, bool urgent)
{
	uint32_t ctl;

	/* C1: count before ctl; pairs with leat_event_prepare_wait() */
	leat_fence_light();
	ctl = leat_load_rlx(&pool->ctl); /* rlx: C1 orders it */
	if (ctl & LEAT_CTL_FENCED) {
		/* C1: without membarrier; pairs with the full fence of leat_event_prepare_wait() */
		leat_fence_seq();
		ctl = leat_load_rlx(&pool->ctl); /* rlx: the same */
	}
	/* rlx: C1 orders it, as ctl */
	if (!(ctl & LEAT_CTL_RX_PARKED) || (!urgent && leat_load_rlx(&pool->polling) != 0))
		return false;
	/* P1: the push before searching; pairs with stop_searching() */
	return leat_add_acqrel(&pool->searching, 0) == 0;
}

/* queue.c */
void leat_pool_notify_worker(struct leat_pool *pool, bool urgent); /* mutate */
bool leat_pool_has_work(const struct leat_pool *pool);
/* The same, but for new jobs that those may run themselves who started them. */
bool leat_pool_has_urgent_work(const struct leat_pool *pool);

/* timekeeper.c */
/* Where its time has not come just now. */
void leat_pool_remove_timed(struct leat_pool *pool, struct leat_job *job);
/*
 * Under the lock: whoever sleeps until the wheel's next time does so for not too long. False:
 * nobody does.
 */
bool leat_pool_update_due_time(struct leat_pool *pool);
/* Looks at the clock, and wakes those whose time has come. */
void leat_pool_expire_wheel(struct leat_pool *pool);
/* Whether something stands in the wheel, and nobody sleeps until its time. */
bool leat_pool_lacks_timekeeper(struct leat_pool *pool);
/*
 * Takes the timekeeper's part, if nobody has it and there is anything to keep: until when to sleep.
 */
int64_t leat_pool_become_timekeeper(struct leat_worker *worker, int64_t until_ns);
/* Whether it was the timekeeper, and the wheel needs another. */
bool leat_pool_stop_timekeeping(struct leat_worker *worker);

/* unstarted.c */
/* What is new and is run by nobody gets into this worker's queue, once it has been seen twice. */
void leat_pool_ask_unstarted(struct leat_worker *worker);
/* Under users_lock, and with nobody left in it. */
void leat_pool_unlist_unstarted(struct leat_pool *pool, struct leat_pool_user *user);

/* stat.c */
/* 0, and nobody names the pool any more; or -EBUSY. */
int leat_pool_dismiss_users(struct leat_pool *pool);

#endif
