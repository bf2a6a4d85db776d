/*
 * runtime/pool/queue.h: queues of jobs. Each worker has one of its own, and has adopted another;
 * one more is the pool's inbox.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_QUEUE_H
#define LEAT_RUNTIME_POOL_QUEUE_H

#include "runtime/pool/job.h"

struct leat_worker;

struct leat_queue {
	struct leat_spin lock __attribute__((aligned(LEAT_LINES_APART))); /* guards the links */
	struct leat_link ends;
	/*
	 * jobs that are in it, and that ever were; a thread that holds the lock stores, any thread
	 * loads
	 */
	uint32_t count, pushes;
	uint32_t urgent; /* since it was last empty it got a job that must not wait; the same */
};
void leat_queue_init(struct leat_queue *queue);

static inline bool leat_queue_is_empty(const struct leat_queue *queue)
{
	/* rlx: a caller that must not miss a job has executed a fence before, or rechecks */
	return leat_load_rlx(&queue->count) == 0;
}

/* Caller holds queue->lock. */
static inline void leat_queue_unlink(struct leat_queue *queue, struct leat_job *job)
{
	leat_link_remove(&job->link);
	leat_store_rlx(&job->queue, NULL); /* rlx: as in queue_link() */
	leat_store_rlx(&queue->count, leat_load_rlx(&queue->count) - 1); /* rlx: the same */
	if (queue->ends.next == &queue->ends)
		leat_store_rlx(&queue->urgent, 0); /* rlx: as count */
}

/*
 * Puts a QUEUED job into the calling worker's own queue, or into the inbox where the caller is no
 * worker of this pool, and notifies a worker if that is needed. urgent: the job must not wait until
 * a worker polls. first: it goes before all others of that queue.
 *
 * As soon as the job is in a queue, it may run and end, and its pool may be closed. So the caller
 * is in a read section that began while the job could not end.
 */
void leat_queue_push(struct leat_pool *pool, struct leat_job *job, bool urgent, bool first);

/*
 * Takes the first job out of a queue, RUNNING, and moves up to `most` others to the worker's own
 * queue. NULL: the queue is empty. steal() takes half of the jobs of another worker's queue, or of
 * a queue that another worker has adopted.
 */
struct leat_job *leat_queue_take(struct leat_worker *worker, struct leat_queue *from,
                                 uint32_t most);
struct leat_job *leat_queue_steal(struct leat_worker *worker);
/*
 * Makes the inbox this worker's adopted queue, and the queue that it had adopted, which is empty,
 * the inbox: so wakers and takers contend once for many jobs.
 *
 * The thread that started a job may be about to run it, in a receive; taking the job away from it
 * would cost both. So a few new jobs are left in the inbox while more keep coming, for some checks
 * in a row: no thread may be going to run one of them.
 */
void leat_queue_swap_inbox(struct leat_worker *worker);

#endif
