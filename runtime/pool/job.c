/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/parts.h"

#include <leat/atomic.h>

void leat_job_start(struct leat_job *job, bool pulled)
{
	leat_rcu_read_lock();
	leat_queue_push(job->kind->pool(job), job, !pulled, false);
	leat_rcu_read_unlock();
}

/*
 * What a wake-up makes of run. A wake-up for parked jobs only leaves jobs in all other states as
 * they are.
 */
static uint32_t state_after_wake(uint32_t run, bool parked_only)
{
	if (run == LEAT_RUN_QUEUED ||
	    (parked_only && run != LEAT_RUN_IDLE && run != LEAT_RUN_PARKING))
		return run;
	return run <= LEAT_RUN_TIMED ? (uint32_t)LEAT_RUN_QUEUED : (uint32_t)LEAT_RUN_AGAIN;
}

bool leat_job_wake_begin(struct leat_job *job, bool parked_only, bool *timed)
{
	uint32_t run = leat_load_rlx(&job->run), to; /* rlx: the swap decides */

	do {
		to = state_after_wake(run, parked_only);
		/* J1: pairs with the swap to RUNNING, or away from AGAIN */
	} while (!leat_cas_acqrel(&job->run, &run, to));
	*timed = run == LEAT_RUN_TIMED;
	return run <= LEAT_RUN_TIMED && to == LEAT_RUN_QUEUED;
}

static void queue_woken_job(struct leat_job *job, bool timed, bool first)
{
	struct leat_pool *pool = job->kind->pool(job);

	if (timed)
		leat_pool_remove_timed(pool, job);
	leat_queue_push(pool, job, true, first);
}

void leat_job_wake_finish(struct leat_job *job, bool timed)
{
	queue_woken_job(job, timed, false);
}

static void wake_job(struct leat_job *job, bool parked_only, bool first)
{
	bool timed;

	leat_rcu_read_lock();
	if (leat_job_wake_begin(job, parked_only, &timed))
		queue_woken_job(job, timed, first);
	leat_rcu_read_unlock();
}

void leat_job_wake(struct leat_job *job)
{
	wake_job(job, false, false);
}

void leat_job_wake_parked(struct leat_job *job)
{
	wake_job(job, true, false);
}

/*
 * Takes a job out of the queue that it is in. The queue is not freed during the read section in
 * which the job was found in it.
 */
bool leat_job_claim_queued(struct leat_job *job)
{
	struct leat_queue *queue;
	uint32_t run = LEAT_RUN_QUEUED;
	bool mine = false;

	leat_rcu_read_lock();
	queue = leat_load_rlx(&job->queue); /* rlx: rechecked with the queue's lock held */
	if (queue != NULL) {
		leat_spin_lock(&queue->lock);
		mine = leat_load_rlx(&job->queue) == queue; /* rlx: this thread holds the lock */
		if (mine) {
			leat_queue_unlink(queue, job);
			/* J1, J2: a job that is linked is QUEUED */
			leat_cas_acqrel(&job->run, &run, LEAT_RUN_RUNNING);
		}
		leat_spin_unlock(&queue->lock);
	}
	leat_rcu_read_unlock();
	return mine;
}

void leat_job_wake_first(struct leat_job *job)
{
	uint32_t run = LEAT_RUN_RUNNING;

	leat_rcu_read_lock();
	if (leat_job_claim_queued(job)) {
		/* rlx: J1, J2: as in leat_job_settle() */
		while (!leat_cas_rlx(&job->run, &run, LEAT_RUN_QUEUED))
			;
		leat_queue_push(job->kind->pool(job), job, true, true);
	} else {
		wake_job(job, false, true);
	}
	leat_rcu_read_unlock();
}

/* The turn ended with a time to wait for. False: the job was woken meanwhile. */
static bool settle_timed(struct leat_job *job)
{
	struct leat_pool *pool = job->kind->pool(job);
	uint32_t run = LEAT_RUN_RUNNING;
	bool timed, kept;

	if (job->due_ns == LEAT_NEVER)
		return leat_cas_acqrel(&job->run, &run, LEAT_RUN_TIMED); /* J2: the same as below */
	leat_rcu_read_lock(); /* as in leat_queue_push() */
	leat_mutex_lock(&pool->lock);
	leat_wheel_add(&pool->wheel, job);
	kept = leat_pool_update_due_time(pool);
	/* rlx: J2: the thread that queues the job takes the lock after this */
	timed = leat_cas_rlx(&job->run, &run, LEAT_RUN_TIMED);
	if (!timed)
		leat_wheel_remove(&pool->wheel, job);
	leat_mutex_unlock(&pool->lock);
	if (timed && !kept)
		/*
		 * a worker that sleeps without a deadline must become the timekeeper; one that is
		 * awake checks the wheel before it sleeps
		 */
		leat_pool_notify_worker(pool, true);
	leat_rcu_read_unlock();
	return timed;
}

static bool settle_parked(struct leat_job *job, bool alone)
{
	uint32_t run = LEAT_RUN_RUNNING;

	if (!alone) {
		/* rlx: J3: the fence orders it; no thread runs a PARKING job */
		if (!leat_cas_rlx(&job->run, &run, LEAT_RUN_PARKING))
			return false;
		run = LEAT_RUN_PARKING;
		/*
		 * J3: PARKING before ready(); pairs with the fence of the thread that changes
		 * something
		 */
		leat_fence_seq();
		if (job->kind->ready(job))
			return false;
	}
	/* J2: pairs with the next swap to RUNNING */
	return leat_cas_acqrel(&job->run, &run, LEAT_RUN_IDLE);
}

void leat_job_settle(struct leat_job *job, enum leat_job_result turn, bool alone)
{
	uint32_t run;

	if (turn == LEAT_JOB_OVER)
		return;
	if (turn == LEAT_JOB_PARK && settle_parked(job, alone))
		return;
	if (turn == LEAT_JOB_AFTER && settle_timed(job))
		return;
	leat_rcu_read_lock();
	run = leat_load_rlx(&job->run); /* rlx: the swap decides */
	/*
	 * rlx: J2 is the queue's lock; J1: the thread that runs the job next swaps the word after
	 * this swap, and so after the waker's
	 */
	while (!leat_cas_rlx(&job->run, &run, LEAT_RUN_QUEUED))
		;
	leat_queue_push(job->kind->pool(job), job, true, false);
	leat_rcu_read_unlock();
}
