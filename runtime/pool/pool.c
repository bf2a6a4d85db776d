/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/parts.h"

#include <leat/atomic.h>

#include <stdio.h>
#include <string.h>

#ifndef LEAT_POOL_SEARCH_ROUNDS
#define LEAT_POOL_SEARCH_ROUNDS 32 /* some 50 microseconds; the exploring scheduler has fewer */
#endif

enum {
	/* of a worker without work, before it parks; the later, the further apart */
	SEARCH_ROUNDS = LEAT_POOL_SEARCH_ROUNDS,
	ROUND_PAUSES = 256, /* at most, between two rounds */
	CLOCK_TURNS = 16,   /* a worker reads the clock once in so many turns */
	POLL_TURNS = 64,    /* and polls descriptors, and other workers' queues, once in so many */
	/*
	 * at most so long a worker sleeps, or gives turns, between two checks for new jobs that the
	 * threads that started them may run
	 */
	POLL_NS = 200000,
	WORKERS_MAX = 4096
};

LEAT_TLS struct leat_worker *leat_worker_current;

void leat_pool_hold(struct leat_pool *pool)
{
	/* rlx: the caller has another reason why the pool stays open */
	leat_add_rlx(&pool->held, 1);
}

void leat_pool_let_go(struct leat_pool *pool)
{
	leat_sub_acqrel(&pool->held, 1); /* P2: pairs with dismiss_users() */
}

bool leat_pool_workers_only(const struct leat_pool *pool)
{
	return pool->workers_only;
}

struct leat_poller *leat_pool_poller(struct leat_pool *pool)
{
	return &pool->poller;
}

/*
 * Between two turns. Not between any two, as all users are asked; and by the clock, as turns may be
 * long.
 */
static void poll_unstarted(struct leat_worker *worker)
{
	/* rlx: as in leat_pool_ask_unstarted() */
	if (leat_load_rlx(&worker->pool->unstarted) != 0 &&
	    leat_now_ns() - worker->unstarted_ns >= POLL_NS)
		leat_pool_ask_unstarted(worker);
}

/*
 * Takes from the worker's own queue and from its adopted one in turn, and now and then from another
 * worker's, which may be in a long turn.
 */
static struct leat_job *find_job(struct leat_worker *worker)
{
	bool own_first = worker->turns++ % 2 == 0, poll_others = worker->turns % POLL_TURNS == 0;
	struct leat_job *job;

	if (worker->turns % CLOCK_TURNS == 0)
		leat_pool_expire_wheel(worker->pool);
	if (poll_others && leat_poller_wanted(&worker->pool->poller))
		leat_poller_wait(&worker->pool->poller, 0);
	poll_unstarted(worker);
	if (poll_others && (job = leat_queue_steal(worker)) != NULL)
		return job;
	if (leat_queue_is_empty(worker->adopted))
		leat_queue_swap_inbox(worker);
	job = leat_queue_take(worker, own_first ? &worker->own : worker->adopted, 0);
	if (job == NULL)
		job = leat_queue_take(worker, own_first ? worker->adopted : &worker->own, 0);
	return job != NULL ? job : leat_queue_steal(worker);
}

static bool pool_is_stopping(const struct leat_pool *pool)
{
	return leat_load_rlx(&pool->stop) != 0; /* rlx: see stop_workers() */
}

/*
 * The last worker that stops searching, if it has found a job, notifies another worker if there is
 * more work. Pushers relied on it.
 */
static void stop_searching(struct leat_pool *pool, bool found)
{
	/* P1: the swap before the loads of counts; pairs with leat_pool_should_notify() */
	bool last = leat_sub_acqrel(&pool->searching, 1) == 1;

	if (found && last && (leat_pool_has_work(pool) || leat_pool_lacks_timekeeper(pool)))
		leat_pool_notify_worker(pool, true);
}

/*
 * Searches all queues for a job, in rounds that are further and further apart. NULL: there was
 * none.
 */
static struct leat_job *search_for_job(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	struct leat_job *job = NULL;

	/* rlx: P1: a pusher that reads it relies on stop_searching(), or on C1 */
	leat_add_rlx(&pool->searching, 1);
	for (unsigned round = 0; round < SEARCH_ROUNDS && job == NULL && !pool_is_stopping(pool);
	     round++) {
		for (unsigned i = 0; i < ROUND_PAUSES && i <= round * 2; i++)
			leat_pause();
		if (round % CLOCK_TURNS == CLOCK_TURNS - 1) {
			leat_os_yield();
			leat_pool_ask_unstarted(worker);
		}
		leat_pool_expire_wheel(pool);
		job = find_job(worker);
	}
	stop_searching(pool, job != NULL);
	return job;
}

/*
 * Returns whether this worker polls for new jobs while it is parked: it does if new jobs came since
 * it last parked, and no other worker polls. A thread that starts generators and runs them itself,
 * by receiving, then notifies no worker for each. Not where time stands: a job would wait until a
 * test advances it.
 */
static bool update_polling(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	/* rlx: a hint */
	uint32_t pushes = leat_load_rlx(&leat_pool_inbox(pool)->pushes), others = 0;
	/* rlx: the same */
	bool wanted = !leat_os_time_stands() &&
	              (pushes != worker->pushes_at_sleep || worker->had_unstarted ||
	               leat_load_rlx(&pool->unstarted) != 0);

	worker->pushes_at_sleep = pushes;
	worker->had_unstarted = false;
	if (wanted && !worker->polling)
		/* rlx: C1 orders it, as ctl */
		worker->polling = leat_cas_rlx(&pool->polling, &others, 1);
	if (!wanted && worker->polling) {
		/* rlx: C1: before the heavy fence in leat_event_prepare_wait() */
		leat_store_rlx(&pool->polling, 0);
		worker->polling = false;
	}
	return worker->polling;
}

/*
 * The worker has a job. Threads that pushed other jobs relied on it to poll, so it notifies another
 * worker of those.
 */
static void stop_polling(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;

	if (!worker->polling)
		return;
	worker->polling = false;
	leat_store_rlx(&pool->polling, 0); /* rlx: C1 orders it, as ctl */
	if (pool->workers_count == 1)
		return;
	/* C1: polling before the queues; pairs with leat_pool_should_notify() */
	leat_event_fence(!(leat_load_rlx(&pool->ctl) & LEAT_CTL_FENCED));
	if (leat_pool_has_work(pool))
		leat_pool_notify_worker(pool, true);
}

/* Sleeps until there may be something to do. Returns whether another timekeeper is needed. */
static bool park_worker(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	int64_t until_ns, poll_ns = update_polling(worker) ? leat_now_ns() + POLL_NS : LEAT_NEVER;
	bool vacant;

	leat_sleeper_reset(&worker->sleeper);
	until_ns = leat_pool_become_timekeeper(worker, poll_ns);
	leat_event_prepare_wait(&pool->idle, &worker->waiter);
	/*
	 * A job may have come into the wheel after this worker found that no timekeeper was needed.
	 * Then the worker does not sleep now, and becomes the timekeeper at the next call.
	 */
	if (!(worker->polling ? leat_pool_has_urgent_work(pool) : leat_pool_has_work(pool)) &&
	    !leat_pool_lacks_timekeeper(pool) && !pool_is_stopping(pool)) {
		if (worker->sleeper.fd >= 0)
			leat_poller_wait(&pool->poller, until_ns);
		else
			leat_sleeper_park(&worker->sleeper, until_ns);
	}
	leat_event_remove_waiter(&pool->idle, &worker->waiter);
	vacant = leat_pool_stop_timekeeping(worker);
	leat_pool_expire_wheel(pool);
	leat_pool_ask_unstarted(worker);
	return vacant;
}

/* The worker's next job; NULL: the pool is being closed. */
static struct leat_job *next_job(struct leat_worker *worker)
{
	struct leat_job *job = find_job(worker);
	enum leat_time outer;
	bool vacant = false;

	if (job != NULL) {
		stop_polling(worker);
		return job;
	}
	outer = leat_times_begin(LEAT_TIME_STARVED);
	job = search_for_job(worker);
	while (job == NULL && !pool_is_stopping(worker->pool)) {
		vacant = park_worker(worker);
		job = worker->polling ? find_job(worker) : search_for_job(worker);
	}
	leat_times_end(outer);
	stop_polling(worker);
	if (job != NULL && vacant)
		/* this worker has a job and keeps no time */
		leat_pool_notify_worker(worker->pool, true);
	return job;
}

static void run_worker(void *arg)
{
	struct leat_worker *worker = arg;
	struct leat_job *job;

	leat_worker_current = worker;
	leat_times_enter(&worker->times);
	while ((job = next_job(worker)) != NULL) {
		enum leat_job_result turn;

		/* rlx: a number */
		leat_store_rlx(&worker->turns_run, leat_load_rlx(&worker->turns_run) + 1);
		/* rlx: a number */
		leat_store_rlx(&worker->running, job->kind->id(job));
		turn = job->kind->turn(job);
		leat_store_rlx(&worker->running, 0); /* rlx: a number */
		leat_job_settle(job, turn, false);
	}
	leat_times_leave(&worker->times, false); /* no snapshot has a pool that is closed */
}

static void stop_workers(struct leat_pool *pool, unsigned n)
{
	/* rlx: a worker that is about to park takes the event's lock; the joins order the rest */
	leat_store_rlx(&pool->stop, 1);
	leat_event_notify(&pool->idle, LEAT_EVENT_ALL);
	for (unsigned i = 0; i < n; i++)
		leat_thread_join(&pool->workers[i].thread);
}

static int start_workers(struct leat_pool *pool, const char *name)
{
	for (unsigned i = 0; i < pool->workers_count; i++) {
		char thread_name[LEAT_NAME_MAX + 16];
		int rc;

		snprintf(thread_name, sizeof(thread_name), "%.11s/%u", *name ? name : "leat-pool",
		         i);
		rc = leat_thread_start(&pool->workers[i].thread, run_worker, &pool->workers[i],
		                       thread_name, 0);
		if (rc < 0) {
			stop_workers(pool, i);
			return rc;
		}
	}
	return 0;
}

/* Frees all but the pool's own memory, in which a walk of the registry may be. */
static void pool_fini(struct leat_pool *pool)
{
	leat_poller_fini(&pool->poller);
	leat_os_free(pool->queues);
	pool->queues = NULL;
}

static void pool_init(struct leat_pool *pool, const struct leat_pool_opts *opts, unsigned workers)
{
	pool->began_ns = leat_now_ns();
	pool->workers_only = opts->workers_only;
	pool->workers_count = workers;
	pool->users.next = pool->users.prev = &pool->users;
	pool->due_ns = (uint64_t)LEAT_NEVER;
	leat_mutex_init(&pool->ask_lock);
	leat_mutex_init(&pool->stat_lock);
	leat_spin_init(&pool->unstarted_lock);
	pool->unstarted_users.next = pool->unstarted_users.prev = &pool->unstarted_users;
	for (unsigned i = 0; i <= workers; i++)
		leat_queue_init(&pool->queues[i]);
	/* rlx: no other thread knows the pool yet */
	leat_store_rlx(&pool->inbox, &pool->queues[workers]);
	leat_mutex_init(&pool->lock);
	leat_wheel_init(&pool->wheel, pool->began_ns);
	leat_event_init(&pool->idle, &pool->ctl, LEAT_CTL_RX_PARKED);
	if (!leat_os_fence_heavy_prepare())
		/* rlx: no other thread knows the pool yet */
		leat_store_rlx(&pool->ctl, LEAT_CTL_FENCED);
	for (unsigned i = 0; i < workers; i++) {
		struct leat_worker *worker = &pool->workers[i];

		leat_queue_init(&worker->own);
		leat_times_init(&worker->times, pool->began_ns);
		worker->adopted = &pool->queues[i];
		worker->pool = pool;
		worker->index = i;
		worker->sleeper = (struct leat_sleeper)LEAT_SLEEPER_INIT;
		worker->waiter.sleeper = &worker->sleeper;
	}
}

struct leat_pool *leat_detail_pool_open(unsigned abi, const struct leat_pool_opts *opts)
{
	static const struct leat_pool_opts defaults;
	char name[LEAT_NAME_MAX + 1];
	struct leat_pool *pool;
	unsigned workers;
	int rc;

	if (abi != leat_detail_abi(*opts))
		return leat_open_failed(-ELIBBAD);
	if (opts == NULL)
		opts = &defaults;
	if (!leat_words_unused(opts->reserved,
	                       sizeof(opts->reserved) / sizeof(opts->reserved[0])) ||
	    !leat_name_copy(name, opts->name) || opts->workers > WORKERS_MAX)
		return leat_open_failed(-EINVAL);
	workers = opts->workers != 0 ? opts->workers : leat_os_cores();
	pool = leat_os_alloc(sizeof(*pool) + workers * sizeof(pool->workers[0]), LEAT_LINES_APART);
	if (pool == NULL)
		return leat_open_failed(-ENOMEM);
	leat_poller_init(&pool->poller);
	pool->queues = leat_os_alloc((workers + 1) * sizeof(pool->queues[0]), LEAT_LINES_APART);
	if (pool->queues == NULL) {
		pool_fini(pool);
		leat_os_free(pool);
		return leat_open_failed(-ENOMEM);
	}
	memcpy(pool->name, name, sizeof(pool->name));
	pool_init(pool, opts, workers);
	rc = start_workers(pool, name);
	if (rc < 0) {
		pool_fini(pool);
		leat_os_free(pool);
		return leat_open_failed(rc);
	}
	leat_registry_add(&pool->node, LEAT_NODE_POOL, pool);
	return pool;
}

/* For a caller by address or from another language, whose options are not checked. */
struct leat_pool *(leat_pool_open)(const struct leat_pool_opts *opts)
{
	return leat_pool_open(opts);
}

int leat_pool_close(struct leat_pool *pool)
{
	int rc;

	if (pool == NULL)
		return 0;
	if (leat_must_not_wait > 0)
		return -EDEADLK;
	rc = leat_pool_dismiss_users(pool);
	if (rc < 0)
		return rc;
	stop_workers(pool, pool->workers_count);
	/* the thread that pushed the last job may still be notifying a worker of it */
	leat_rcu_synchronize();
	pool_fini(pool);
	leat_registry_remove(&pool->node, NULL);
	return 0;
}
