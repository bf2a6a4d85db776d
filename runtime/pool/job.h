/*
 * runtime/pool/job.h: a job is what runs on a pool. It is given turns, one at a time, and is data
 * between them.
 *
 *     IDLE ------ wake -----> QUEUED ------ take -----> RUNNING ------ OVER ----->
 *     IDLE ------ claim ------------------------------> RUNNING
 *                             QUEUED <----- MORE ------ RUNNING
 *     IDLE <----- ready() found nothing --- PARKING <-- RUNNING, with PARK
 *     TIMED ----- wake, or its time has come ---------> QUEUED
 *     TIMED <---- AFTER ------------------------------- RUNNING
 *     AGAIN <---- wake -------------------------------- RUNNING, PARKING
 *     AGAIN ----- the turn is over -------------------> QUEUED
 *
 *     run        means                                       changed by
 *     IDLE       the job waits to be woken                   a waker, to QUEUED; a claimer, to
 *                                                            RUNNING
 *     TIMED      it is in the wheel, or waits for something  a waker or the timekeeper, to QUEUED
 *                else that will wake it
 *     QUEUED     it is in a queue, or about to be            the thread that takes it out, to
 *                                                            RUNNING
 *     RUNNING    it has its turn                             the thread that runs it; a waker, to
 *                                                            AGAIN
 *     PARKING    its turn is over and ready() rechecks       the thread that runs it, to IDLE, or
 *                                                            to QUEUED if ready() is true; a
 *                                                            waker, to AGAIN
 *     AGAIN      it was woken during its turn                the thread that runs it, to QUEUED
 *
 * Handing a job to a worker. Invariant: a wake-up leads to a turn that begins after it. The waker
 * and the thread that ends the turn swap the same word, so one of the two swaps is first:
 *
 *     the thread that runs the job               the waker
 *     RUNNING -> PARKING, full fence
 *     ready(): there is nothing
 *                                                changes something, swaps PARKING -> AGAIN
 *     PARKING -> IDLE fails: run is AGAIN
 *     AGAIN -> QUEUED, puts it into a queue      pushes nothing: the other thread does
 *
 * If the waker's swap comes after the one to IDLE, it finds IDLE, makes it QUEUED and pushes the
 * job itself. A store in place of either swap would lose the wake-up: the job would be IDLE with
 * work to do.
 *
 *     J1  a waker swaps run                 ->  J1  the thread that runs the job swaps run: what
 *                                                   the waker changed is there
 *     J2  a turn swaps run to IDLE, QUEUED  ->  J2  the next swaps it to RUNNING: what the turn
 *                                                   before did is there
 *     J3  PARKING, full fence, ready()     <->  change, full fence, load of run: one of the two
 *                                               sees the other
 *
 * A thread that changes something that a job may wait for either wakes the job, or executes a full
 * fence and wakes it if run is IDLE or PARKING then.
 *
 * Ownership. A job's memory belongs to its kind. Before OVER the kind must not free a job that is
 * linked anywhere, or that is not IDLE. After OVER run has no meaning: the kind frees the job when
 * it is linked nowhere and no waker can reach it. A thread that wakes a job that may end meanwhile
 * holds something that keeps its memory.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_JOB_H
#define LEAT_RUNTIME_POOL_JOB_H

#include "runtime/event/event.h"

#include <leat/atomic.h>

struct leat_pool;
struct leat_queue;

enum leat_run {
	LEAT_RUN_IDLE,
	LEAT_RUN_TIMED,
	LEAT_RUN_QUEUED,
	LEAT_RUN_RUNNING,
	LEAT_RUN_PARKING,
	LEAT_RUN_AGAIN
};

/* What a turn ends with. */
enum leat_job_result {
	LEAT_JOB_OVER, /* the job has ended; its memory may be gone */
	LEAT_JOB_MORE, /* there is more to do; it is the others' turn */
	LEAT_JOB_PARK, /* it waits until it is woken */
	/*
	 * it waits for due_ns (LEAT_NEVER: for what it has asked for), and no other thread is to
	 * run it before
	 */
	LEAT_JOB_AFTER
};

/* A place in a queue or in the wheel; next NULL: in none. */
struct leat_link {
	struct leat_link *prev, *next;
};

struct leat_job {
	uint32_t run;
	uint32_t spare; /* its kind's */
	const struct leat_job_kind *kind;
	struct leat_queue *queue; /* that the job is in; written by a thread that holds its lock */
	struct leat_link link;
	int64_t due_ns;
};

struct leat_job_kind {
	enum leat_job_result (*turn)(struct leat_job *job);
	/* While it parks: whether there is something to do after all. */
	bool (*ready)(const struct leat_job *job);
	struct leat_pool *(*pool)(const struct leat_job *job);
	/* The generator's id in the registry. */
	uint64_t (*id)(const struct leat_job *job);
};

/* A new job, that waits to be woken. */
static inline void leat_job_init(struct leat_job *job, const struct leat_job_kind *kind)
{
	job->run = LEAT_RUN_IDLE;
	job->kind = kind;
	job->queue = NULL;
	job->link.prev = job->link.next = NULL;
}

/*
 * Puts a new job, whose run is QUEUED, where workers find it. pulled: its receiver may claim and
 * run it first, so no worker is woken for it while one polls the inbox.
 */
void leat_job_start(struct leat_job *job, bool pulled);

/* Lists of links are rings, whose ends are a link that is in no job. */
static inline void leat_link_before(struct leat_link *link, struct leat_link *ends)
{
	link->next = ends;
	link->prev = ends->prev;
	link->prev->next = ends->prev = link;
}

static inline void leat_link_remove(struct leat_link *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	link->next = link->prev = NULL;
}

static inline struct leat_job *leat_job_of(struct leat_link *link)
{
	return leat_container_of(link, struct leat_job, link);
}

/*
 * Gives the job a turn: now if it waits, once more if it has one. Any thread may call this, also
 * with locks held.
 */
void leat_job_wake(struct leat_job *job); /* mutate */
/*
 * The same, and before the others of its queue, also where it is in one already: for a job that
 * is to end because its receiver left. An end that travels from stage to stage through a pool's
 * queues would else wait, at each stage, for a turn of all that still works for nothing: as many
 * turns as the square of the stages.
 */
void leat_job_wake_first(struct leat_job *job); /* mutate */
/*
 * The same, but only if it has parked, or is about to: one that asked for a time in a turn
 * meanwhile is not to be early.
 */
void leat_job_wake_parked(struct leat_job *job); /* mutate */
/*
 * The two halves of these, for callers that hold a spin lock. begin() makes no system call. Where
 * it returns true the job waits to be put into a queue: no thread runs or ends it before the
 * caller, which holds no spin lock any more, has called finish(). That is called in a read section
 * or by a worker of the job's pool: neither lets the pool be closed.
 */
bool leat_job_wake_begin(struct leat_job *job, bool parked_only, bool *timed);
void leat_job_wake_finish(struct leat_job *job, bool timed); /* mutate */

/*
 * For a thread that runs the job itself. claim() takes the job if it is IDLE, or QUEUED and in a
 * queue. The thread then gives it its turn, and says with leat_job_settle() what the turn ended
 * with. alone: no other thread changes what the job waits for, so PARK needs no recheck.
 */
bool leat_job_claim_queued(struct leat_job *job);
void leat_job_settle(struct leat_job *job, enum leat_job_result turn, bool alone);

/*
 * A receiver wants the job's next turn: wakes the job if it is IDLE or PARKING. A receiver that is
 * going to sleep has executed a full fence before (J3); one that does not sleep asks again.
 */
static inline void leat_job_schedule(struct leat_job *job) /* mutate */
{
	uint32_t run = leat_load_rlx(&job->run); /* rlx: J3 orders it, where it must be */

	if (run == LEAT_RUN_IDLE || run == LEAT_RUN_PARKING)
		leat_job_wake_parked(job);
}

static inline bool leat_job_claim(struct leat_job *job)
{
	uint32_t run = leat_load_rlx(&job->run); /* rlx: the swap decides, or the queue's lock */

	/* J1, J2: pair with leat_job_wake(), leat_job_settle() */
	if (leat_likely(run == LEAT_RUN_IDLE) && leat_cas_acqrel(&job->run, &run, LEAT_RUN_RUNNING))
		return true;
	return run == LEAT_RUN_QUEUED && leat_job_claim_queued(job);
}

/* leat_job_settle() with PARK and alone. */
static inline void leat_job_park_alone(struct leat_job *job)
{
	uint32_t run = LEAT_RUN_RUNNING;

	/* J2: pairs with the next swap to RUNNING */
	if (leat_unlikely(!leat_cas_acqrel(&job->run, &run, LEAT_RUN_IDLE)))
		leat_job_settle(job, LEAT_JOB_MORE, true);
}

#endif
