/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/parts.h"

#include <leat/atomic.h>

enum {
	TAKE_AT_ONCE = 32, /* at most so many jobs are stolen together */
	/* so few jobs in the inbox may be about to be run by the threads that started them */
	UNSTARTED_FEW = 8,
	INBOX_SKIPS_MOST = 16 /* so many checks in a row leave them there */
};

void leat_queue_init(struct leat_queue *queue)
{
	leat_spin_init(&queue->lock);
	queue->ends.next = queue->ends.prev = &queue->ends;
}

/* Caller holds queue->lock. first: before all others. */
static void queue_link(struct leat_queue *queue, struct leat_job *job, bool first)
{
	leat_link_before(&job->link, first ? queue->ends.next : &queue->ends);
	/* rlx: a reader rechecks it with the queue's lock held */
	leat_store_rlx(&job->queue, queue);
	/* rlx: C1 or P1 order it */
	leat_store_rlx(&queue->count, leat_load_rlx(&queue->count) + 1);
	leat_store_rlx(&queue->pushes, leat_load_rlx(&queue->pushes) + 1); /* rlx: a hint */
}

/* Locks the queue that is the inbox, and returns it. */
static struct leat_queue *lock_inbox(struct leat_pool *pool)
{
	for (;;) {
		struct leat_queue *inbox = leat_pool_inbox(pool);

		leat_spin_lock(&inbox->lock);
		if (inbox == leat_pool_inbox(pool))
			return inbox;
		leat_spin_unlock(&inbox->lock);
	}
}

void leat_pool_notify_worker(struct leat_pool *pool, bool urgent)
{
	if (leat_pool_should_notify(pool, urgent))
		leat_event_notify(&pool->idle, 1);
}

void leat_queue_push(struct leat_pool *pool, struct leat_job *job, bool urgent, bool first)
{
	struct leat_worker *worker = leat_worker_current;
	struct leat_queue *queue =
		worker != NULL && worker->pool == pool ? &worker->own : lock_inbox(pool);

	if (worker != NULL && worker->pool == pool)
		leat_spin_lock(&queue->lock);
	queue_link(queue, job, first);
	if (urgent)
		leat_store_rlx(&queue->urgent, 1); /* rlx: as count */
	leat_spin_unlock(&queue->lock);
	leat_pool_notify_worker(pool, urgent);
}

struct leat_job *leat_queue_take(struct leat_worker *worker, struct leat_queue *from, uint32_t most)
{
	struct leat_job *first = NULL, *more[TAKE_AT_ONCE];
	uint32_t n = 0, run = LEAT_RUN_QUEUED;

	if (leat_queue_is_empty(from))
		return NULL;
	leat_spin_lock(&from->lock);
	if (leat_load_rlx(&from->count) > 0) { /* rlx: this thread holds the lock */
		first = leat_job_of(from->ends.next);
		leat_queue_unlink(from, first);
		/* J1, J2: a job that is linked is QUEUED */
		leat_cas_acqrel(&first->run, &run, LEAT_RUN_RUNNING);
	}
	while (n < most && leat_load_rlx(&from->count) > 0) { /* rlx: the same */
		more[n] = leat_job_of(from->ends.next);
		leat_queue_unlink(from, more[n++]);
	}
	leat_spin_unlock(&from->lock);
	if (n == 0)
		return first;
	leat_spin_lock(&worker->own.lock);
	for (uint32_t i = 0; i < n; i++)
		queue_link(&worker->own, more[i], false);
	leat_spin_unlock(&worker->own.lock);
	/* a worker that parked meanwhile found them in neither queue */
	leat_pool_notify_worker(worker->pool, true);
	return first;
}

void leat_queue_swap_inbox(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	struct leat_queue *inbox = leat_pool_inbox(pool);
	/* rlx: hints */
	uint32_t pushes = leat_load_rlx(&inbox->pushes), count = leat_load_rlx(&inbox->count);

	if (count == 0)
		return;
	/* rlx: as count */
	if (count <= UNSTARTED_FEW && pushes != worker->pushes_at_check &&
	    leat_load_rlx(&inbox->urgent) == 0 && worker->inbox_skips++ < INBOX_SKIPS_MOST) {
		worker->pushes_at_check = pushes;
		return;
	}
	worker->inbox_skips = 0;
	inbox = lock_inbox(pool);
	if (leat_queue_is_empty(worker->adopted)) {
		leat_store_rlx(&pool->inbox, worker->adopted); /* rlx: see leat_pool_inbox() */
		worker->adopted = inbox;
	}
	leat_spin_unlock(&inbox->lock);
}

struct leat_job *leat_queue_steal(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;

	for (unsigned i = 1; i < pool->workers_count; i++) {
		struct leat_queue *queue =
			&pool->workers[(worker->index + i) % pool->workers_count].own;
		uint32_t half = leat_load_rlx(&queue->count) / 2; /* rlx: a hint */
		struct leat_job *job =
			leat_queue_take(worker, queue, half < TAKE_AT_ONCE ? half : TAKE_AT_ONCE);

		if (job != NULL)
			return job;
	}
	for (unsigned i = 0; i <= pool->workers_count; i++) {
		struct leat_queue *queue = &pool->queues[i];
		uint32_t half = leat_load_rlx(&queue->count) / 2; /* rlx: a hint */
		struct leat_job *job = NULL;

		if (queue != leat_pool_inbox(pool))
			job = leat_queue_take(worker, queue,
			                      half < TAKE_AT_ONCE ? half : TAKE_AT_ONCE);
		if (job != NULL)
			return job;
	}
	return NULL;
}

bool leat_pool_has_work(const struct leat_pool *pool)
{
	/* rlx: C1 orders them, as count */
	if (leat_load_rlx(&pool->unstarted) != 0 && leat_load_rlx(&pool->polling) == 0)
		return true;
	for (unsigned i = 0; i < pool->workers_count; i++)
		if (!leat_queue_is_empty(&pool->workers[i].own))
			return true;
	for (unsigned i = 0; i <= pool->workers_count; i++)
		if (!leat_queue_is_empty(&pool->queues[i]))
			return true;
	return false;
}

bool leat_pool_has_urgent_work(const struct leat_pool *pool)
{
	const struct leat_queue *inbox = leat_pool_inbox(pool);

	for (unsigned i = 0; i < pool->workers_count; i++)
		if (!leat_queue_is_empty(&pool->workers[i].own))
			return true;
	for (unsigned i = 0; i <= pool->workers_count; i++)
		/* rlx: C1 */
		if (!leat_queue_is_empty(&pool->queues[i]) &&
		    (&pool->queues[i] != inbox || leat_load_rlx(&inbox->urgent) != 0))
			return true;
	return false;
}
