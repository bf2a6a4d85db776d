/*
 * runtime/pool/parts.h: what a pool consists of, for the files of this room:
 *
 *     pool.c        opens and closes pools, and runs workers
 *     queue.c       queues, the inbox, stealing
 *     job.c         the states of a job
 *     timekeeper.c  the wheel, and the worker that sleeps until its next time
 *     unstarted.c   new jobs that are in no queue
 *     stat.c        users: their figures, and how they leave
 *     step.c        what a turn knows of its steps
 *
 * Five heuristics decide when a worker is notified and which jobs it leaves alone. Each gives up
 * after a time or a number of checks, so no job waits for ever because of one.
 *
 *     heuristic      what it does, and what that avoids           where
 *     searching      No worker is notified while another one      leat_pool_should_notify(),
 *                    searches. The last worker that stops         search_for_job(),
 *                    searching with a job notifies another one    stop_searching()
 *                    if there is more work. Avoids a wake-up
 *                    for each push.
 *     polling        While new jobs keep coming, one worker       update_polling(),
 *                    parks for POLL_NS at a time, and a job       stop_polling(),
 *                    that is not urgent notifies no worker.       park_worker()
 *                    Avoids a wake-up for each start of a
 *                    generator that its receiver runs.
 *     unstarted      The job that a user started last is in no    leat_pool_add_unstarted(),
 *                    queue until a worker has found it twice.     leat_pool_ask_unstarted(),
 *                    Avoids the queue's lock, and a worker that   poll_unstarted()
 *                    takes the job from the receiver that would
 *                    run it.
 *     UNSTARTED_FEW  At most so many jobs that are not urgent     leat_queue_swap_inbox()
 *                    stay in the inbox while more come. Avoids
 *                    the same for jobs in the inbox.
 *     inbox_skips    They stay for INBOX_SKIPS_MOST checks in a   leat_queue_swap_inbox()
 *                    row at most. Avoids that a job waits there
 *                    long that no receiver runs.
 *
 * docs/perf.md says what each of them gains.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_PARTS_H
#define LEAT_RUNTIME_POOL_PARTS_H

#include "runtime/event/times.h"
#include "runtime/pool/pool.h"
#include "runtime/pool/queue.h"
#include "runtime/registry/rcu.h"

#include <leat/detail/ctl.h>

struct leat_worker {
	/* jobs that this worker or its jobs woke, and those that had a turn and want another */
	struct leat_queue own;
	/* jobs that other threads woke: one of pool->queues, which no other worker has adopted */
	struct leat_queue *adopted;
	struct leat_pool *pool;
	struct leat_thread thread;
	struct leat_sleeper sleeper;
	struct leat_waiter waiter;
	/*
	 * id of the job that has its turn, or 0; turns that there were. The worker stores them,
	 * readers of figures load them
	 */
	uint64_t running, turns_run;
	/* turns_run when a reader first found the present turn; guarded by users_lock */
	uint64_t stat_turns_run;
	int64_t stat_since_ns; /* when that was */
	struct leat_times times;
	/* the inbox's pushes when this worker last checked it, and when it last parked */
	uint32_t pushes_at_check, pushes_at_sleep;
	uint32_t inbox_skips; /* how often in a row it has left the inbox's jobs there */
	int64_t unstarted_ns; /* when it last asked users for unstarted jobs */
	bool had_unstarted;   /* there were some since it last parked */
	bool polling;
	unsigned index, turns;
};

struct leat_pool {
	/* LEAT_CTL_RX_PARKED: a worker has parked */
	uint32_t ctl __attribute__((aligned(LEAT_LINES_APART)));
	uint32_t searching; /* workers that are awake and have found no job yet */
	/* 1: a worker polls every POLL_NS; a new job that is not urgent notifies none */
	uint32_t polling;
	/* 0: unstarted_users is empty; stored with unstarted_lock held */
	uint32_t unstarted;
	uint32_t stop;
	uint32_t held;
	/* when the next job in the wheel is due, or LEAT_NEVER; stored with the lock held */
	uint64_t due_ns;
	/* a thread that changes it holds the lock of the queue that it says */
	struct leat_queue *inbox;
	struct leat_event idle __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_mutex lock; /* guards the wheel, due_ns and the timekeeper */
	struct leat_worker *timekeeper;
	int64_t timekeeper_until_ns;
	bool timekeeper_polls; /* it sleeps on descriptors, in the poller */
	struct leat_poller poller;
	struct leat_wheel wheel;
	struct leat_pool_user users; /* the ends of a ring; guarded by users_lock */
	/*
	 * figures of users that have left the list; the last that a reader got. Guarded by
	 * users_lock
	 */
	struct leat_pool_stat past_stat, last_stat;
	/*
	 * a reader has added past_stat, which must not change before it is done; guarded by
	 * users_lock
	 */
	bool reading_stat;
	/*
	 * users that were removed meanwhile, and stay on the list until then; guarded by users_lock
	 */
	struct leat_pool_user *deferred;
	struct leat_mutex stat_lock; /* held by a reader of figures: one at a time */
	/* held by a worker that asks users for unstarted jobs: none of them is freed meanwhile */
	struct leat_mutex ask_lock;
	struct leat_spin unstarted_lock; /* guards the links of unstarted_users */
	/* users that may have an unstarted job: the ends of a ring */
	struct leat_link unstarted_users;
	struct leat_node node;
	char name[LEAT_NAME_MAX + 1];
	int64_t began_ns;
	bool workers_only;
	unsigned workers_count;
	/* one more than workers: each worker has adopted one, and one is the inbox */
	struct leat_queue *queues;
	struct leat_worker workers[];
};

/* The worker that this thread is; NULL: it is none. */
extern LEAT_TLS struct leat_worker *leat_worker_current;

static inline struct leat_queue *leat_pool_inbox(const struct leat_pool *pool)
{
	/*
	 * rlx: queues are there as long as the pool; a thread that uses one as the inbox locks it
	 * and rechecks, for others it is a hint
	 */
	return leat_load_rlx(&pool->inbox);
}

/*
 * The caller has made work: whether it must notify a worker, as none is searching, and none polls
 * soon enough for work that is not urgent.
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
/* Notifies a worker of work that the caller has made, if that is needed. */
void leat_pool_notify_worker(struct leat_pool *pool, bool urgent); /* mutate */
/* Whether a parked worker would find work: jobs in a queue, or unstarted ones that none polls for.
 */
bool leat_pool_has_work(const struct leat_pool *pool);
/* The same without new jobs that the threads that started them may run. */
bool leat_pool_has_urgent_work(const struct leat_pool *pool);

/* timekeeper.c */
/* Takes a job out of the wheel, unless a worker has just done so because the job was due. */
void leat_pool_remove_timed(struct leat_pool *pool, struct leat_job *job);
/*
 * Caller holds pool->lock and has added to the wheel: stores due_ns, and wakes the timekeeper if it
 * would sleep for longer. False: there is no timekeeper.
 */
bool leat_pool_update_due_time(struct leat_pool *pool);
/* Reads the clock, and queues the jobs that are due. */
void leat_pool_expire_wheel(struct leat_pool *pool);
/* Whether a job waits in the wheel or for a descriptor, and no worker is the timekeeper. */
bool leat_pool_lacks_timekeeper(struct leat_pool *pool);
/*
 * Makes this worker the timekeeper, if there is none and one is needed. Returns until when it is to
 * sleep: until_ns, or the wheel's next time if that is earlier. The timekeeper's sleeper has the
 * poller's wake_fd where jobs wait for descriptors.
 */
int64_t leat_pool_become_timekeeper(struct leat_worker *worker, int64_t until_ns);
/* Returns whether this worker was the timekeeper and another one is needed. */
bool leat_pool_stop_timekeeping(struct leat_worker *worker);

/* unstarted.c */
/*
 * Asks each user on unstarted_users for its unstarted job. One that was there at the last call
 * already gets into this worker's queue.
 */
void leat_pool_ask_unstarted(struct leat_worker *worker);
/*
 * Takes a user off unstarted_users for good. Caller holds users_lock, and no job of the user's is
 * left.
 */
void leat_pool_unlist_unstarted(struct leat_pool *pool, struct leat_pool_user *user);

/* stat.c */
/* 0: no user names the pool any more. -EBUSY: jobs are left on it. */
int leat_pool_dismiss_users(struct leat_pool *pool);

#endif
