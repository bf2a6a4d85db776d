/*
 * runtime/pool/queue.h: queues of jobs.
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
	/* jobs in it, and that there ever were: written under the lock, read by anybody */
	uint32_t count, pushes;
	uint32_t urgent; /* since it was empty it got a job that must not wait; the same */
};
void leat_queue_init(struct leat_queue *queue);

static inline bool leat_queue_is_empty(const struct leat_queue *queue)
{
	/* rlx: who must not miss any has fenced, or looks again */
	return leat_load_rlx(&queue->count) == 0;
}

/* Under the lock. */
static inline void leat_queue_unlink(struct leat_queue *queue, struct leat_job *job)
{
	leat_link_remove(&job->link);
	leat_store_rlx(&job->queue, NULL); /* rlx: as in queue_link() */
	leat_store_rlx(&queue->count, leat_load_rlx(&queue->count) - 1); /* rlx: the same */
	if (queue->ends.next == &queue->ends)
		leat_store_rlx(&queue->urgent, 0); /* rlx: as count */
}

/*
 * Once it is in a queue the job may run and end, and its pool be closed: so in a read section,
 * begun while it was somebody's.
 */
void leat_queue_push(struct leat_pool *pool, struct leat_job *job, bool urgent, bool first);

/* Takes the first for this worker to run, and some more into its own queue. */
struct leat_job *leat_queue_take(struct leat_worker *worker, struct leat_queue *from,
                                 uint32_t most);
struct leat_job *leat_queue_steal(struct leat_worker *worker);
void leat_queue_swap_inbox(struct leat_worker *worker);

#endif
