/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/parts.h"

#include <leat/atomic.h>

void leat_pool_remove_timed(struct leat_pool *pool, struct leat_job *job)
{
	leat_mutex_lock(&pool->lock);
	if (job->link.next != NULL)
		leat_wheel_remove(&pool->wheel, job);
	leat_mutex_unlock(&pool->lock);
}

/*
 * Caller holds pool->lock. Wakes the timekeeper, which rechecks until when to sleep and on what. To
 * the event this is a spurious wake-up.
 */
static void wake_timekeeper(struct leat_pool *pool, int64_t until_ns)
{
	uint32_t *word = leat_sleeper_notify(&pool->timekeeper->sleeper);

	pool->timekeeper_until_ns = until_ns;
	leat_os_futex_wake(word, 1);
}

void leat_pool_want_timekeeper(struct leat_pool *pool)
{
	bool kept;

	leat_mutex_lock(&pool->lock);
	kept = pool->timekeeper != NULL;
	if (kept && !pool->timekeeper_polls)
		wake_timekeeper(pool, pool->timekeeper_until_ns);
	leat_mutex_unlock(&pool->lock);
	if (!kept)
		leat_pool_notify_worker(pool, true);
}

bool leat_pool_update_due_time(struct leat_pool *pool)
{
	int64_t due_ns = leat_wheel_next_ns(&pool->wheel);
	struct leat_worker *timekeeper = pool->timekeeper;

	/* rlx: a time; a worker that reads an earlier one rechecks it */
	leat_store_rlx(&pool->due_ns, (uint64_t)due_ns);
	if (timekeeper == NULL)
		return false;
	if (due_ns < pool->timekeeper_until_ns)
		wake_timekeeper(pool, due_ns);
	return true;
}

/* Caller holds pool->lock, and has taken the job, which is due, out of the wheel. */
static void queue_due_job(struct leat_pool *pool, struct leat_job *job)
{
	uint32_t run = LEAT_RUN_TIMED;

	/* rlx: J2: it became TIMED with this lock held; the queue's lock orders the rest */
	if (leat_cas_rlx(&job->run, &run, LEAT_RUN_QUEUED))
		/*
		 * if it is not TIMED, a waker has made it QUEUED and pushes it once it has this
		 * lock
		 */
		leat_queue_push(pool, job, true, false);
}

void leat_pool_expire_wheel(struct leat_pool *pool)
{
	struct leat_job *job;
	int64_t now_ns;

	if (leat_load_rlx(&pool->due_ns) == (uint64_t)LEAT_NEVER) /* rlx: a time */
		return;
	now_ns = leat_now_ns();
	if ((int64_t)leat_load_rlx(&pool->due_ns) > now_ns) /* rlx: the same */
		return;
	leat_mutex_lock(&pool->lock);
	while ((job = leat_wheel_expire(&pool->wheel, now_ns)) != NULL)
		queue_due_job(pool, job);
	/* rlx: the same */
	leat_store_rlx(&pool->due_ns, (uint64_t)leat_wheel_next_ns(&pool->wheel));
	leat_mutex_unlock(&pool->lock);
}

/* Caller holds pool->lock. */
static bool needs_timekeeper(const struct leat_pool *pool)
{
	/* a thread that adds a descriptor calls leat_pool_want_timekeeper() afterwards */
	return pool->wheel.count > 0 || leat_poller_wanted(&pool->poller);
}

bool leat_pool_lacks_timekeeper(struct leat_pool *pool)
{
	bool vacant;

	/* rlx: a time */
	if (leat_load_rlx(&pool->due_ns) == (uint64_t)LEAT_NEVER &&
	    !leat_poller_wanted(&pool->poller))
		return false;
	leat_mutex_lock(&pool->lock);
	vacant = pool->timekeeper == NULL && needs_timekeeper(pool);
	leat_mutex_unlock(&pool->lock);
	return vacant;
}

int64_t leat_pool_become_timekeeper(struct leat_worker *worker, int64_t until_ns)
{
	struct leat_pool *pool = worker->pool;
	int64_t due_ns;

	worker->sleeper.fd = -1;
	leat_mutex_lock(&pool->lock);
	if (pool->timekeeper == NULL && needs_timekeeper(pool)) {
		due_ns = leat_wheel_next_ns(&pool->wheel);
		until_ns = due_ns < until_ns ? due_ns : until_ns;
		pool->timekeeper = worker;
		pool->timekeeper_until_ns = until_ns;
		/* a thread that adds the first descriptor later wakes the timekeeper */
		pool->timekeeper_polls = leat_poller_wanted(&pool->poller);
		if (pool->timekeeper_polls)
			worker->sleeper.fd = pool->poller.wake_fd;
	}
	leat_mutex_unlock(&pool->lock);
	return until_ns;
}

bool leat_pool_stop_timekeeping(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	bool vacant;

	leat_mutex_lock(&pool->lock);
	vacant = pool->timekeeper == worker && needs_timekeeper(pool);
	if (pool->timekeeper == worker)
		pool->timekeeper = NULL;
	leat_mutex_unlock(&pool->lock);
	return vacant;
}
