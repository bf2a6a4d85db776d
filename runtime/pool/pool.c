/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/pool.h"
#include "runtime/registry/rcu.h"

#include <leat/atomic.h>
#include <leat/detail/ctl.h>

#include <stdio.h>
#include <string.h>

#ifndef LEAT_POOL_SEARCH_ROUNDS
#define LEAT_POOL_SEARCH_ROUNDS \
	32 /* some 50 microseconds; the exploring scheduler has its own idea of time */
#endif

enum {
	/* of a worker without work, before it parks; the later ones further apart */
	SEARCH_ROUNDS = LEAT_POOL_SEARCH_ROUNDS,
	ROUND_PAUSES = 256, /* at most, between two looks */
	TAKE_AT_ONCE = 32,  /* jobs that are stolen together */
	CLOCK_TURNS = 16,   /* the wheel is looked at once in so many turns */
	POLL_TURNS = 64,    /* and the descriptors, and the others' queues, once in so many */
	/*
	 * how long a worker sleeps at the most, or gives turns, while who starts new jobs may run
	 * them himself
	 */
	POLL_NS = 200000,
	/* so few jobs in the inbox may be about to be run by who put them there */
	UNSTARTED_FEW = 8,
	INBOX_SKIPS_MOST = 16, /* looks in a row that leave them there */
	WORKERS_MAX = 4096
};

struct leat_queue {
	struct leat_spin lock __attribute__((aligned(LEAT_LINES_APART))); /* guards the links */
	struct leat_link ends;
	/* jobs in it, and that there ever were: written under the lock, read by anybody */
	uint32_t count, pushes;
	uint32_t urgent; /* since it was empty it got a job that must not wait; the same */
};

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

/* of all pools: a user may outlive its pool */
static struct leat_mutex users_lock = LEAT_MUTEX_INIT;

LEAT_TLS struct leat_step *leat_step_current;
static LEAT_TLS struct leat_worker *leat_worker_current;

uint32_t leat_steps_within(unsigned cost, unsigned most)
{
	enum { UNKNOWN = 4, MOST_LOG = 6 };

	if (cost == 0)
		return UNKNOWN;
	return cost >= most ? 1 : 1u << (most - cost < MOST_LOG ? most - cost : (unsigned)MOST_LOG);
}

unsigned leat_steps_cost(int64_t since_ns, uint64_t n)
{
	uint64_t each_ns = (uint64_t)(leat_now_ns() - since_ns) / (n > 0 ? n : 1);

	return 63 - (unsigned)__builtin_clzll(each_ns | 2);
}

void leat_pool_hold(struct leat_pool *pool)
{
	leat_add_rlx(&pool->held, 1); /* rlx: who holds it keeps it open anyway */
}

void leat_pool_let_go(struct leat_pool *pool)
{
	leat_sub_acqrel(&pool->held, 1); /* P2: pairs with leat_pool_dismiss_users() */
}

bool leat_pool_workers_only(const struct leat_pool *pool)
{
	return pool->workers_only;
}

static void leat_queue_init(struct leat_queue *queue)
{
	leat_spin_init(&queue->lock);
	queue->ends.next = queue->ends.prev = &queue->ends;
}

struct leat_poller *leat_pool_poller(struct leat_pool *pool)
{
	return &pool->poller;
}

static bool leat_queue_is_empty(const struct leat_queue *queue)
{
	/* rlx: who must not miss any has fenced, or looks again */
	return leat_load_rlx(&queue->count) == 0;
}

/* Under the lock. first: before all others. */
static void queue_link(struct leat_queue *queue, struct leat_job *job, bool first)
{
	leat_link_before(&job->link, first ? queue->ends.next : &queue->ends);
	leat_store_rlx(&job->queue, queue); /* rlx: believed only under the queue's lock */
	/* rlx: C1 or P1 order it */
	leat_store_rlx(&queue->count, leat_load_rlx(&queue->count) + 1);
	leat_store_rlx(&queue->pushes, leat_load_rlx(&queue->pushes) + 1); /* rlx: a hint */
}

/* Under the lock. */
static void leat_queue_unlink(struct leat_queue *queue, struct leat_job *job)
{
	leat_link_remove(&job->link);
	leat_store_rlx(&job->queue, NULL); /* rlx: as in queue_link() */
	leat_store_rlx(&queue->count, leat_load_rlx(&queue->count) - 1); /* rlx: the same */
	if (queue->ends.next == &queue->ends)
		leat_store_rlx(&queue->urgent, 0); /* rlx: as count */
}

/*
 * Somebody has work for a worker: whether to wake one, as none is looking around anyway, or soon
 * enough.
 */
static bool leat_pool_should_notify(struct leat_pool *pool, bool urgent)
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

static void leat_pool_notify_worker(struct leat_pool *pool, bool urgent) /* mutate */
{
	if (leat_pool_should_notify(pool, urgent))
		leat_event_notify(&pool->idle, 1);
}

static void list_unstarted_user(struct leat_pool *pool, struct leat_pool_user *user)
{
	leat_spin_lock(&pool->unstarted_lock);
	leat_link_before(&user->unstarted_link, &pool->unstarted_users);
	leat_store_rlx(&pool->unstarted, 1); /* rlx: C1 orders it, as count */
	leat_spin_unlock(&pool->unstarted_lock);
}

bool leat_pool_add_unstarted(struct leat_pool *pool, struct leat_pool_user *user)
{
	if (!user->unstarted_listed)
		/* else who asks it takes the lock that is held, or has yet to come */
		list_unstarted_user(pool, user);
	user->unstarted_listed = true;
	return leat_pool_should_notify(pool, false);
}

void leat_pool_notify_unstarted(struct leat_pool *pool)
{
	leat_event_notify(&pool->idle, 1);
}

static struct leat_queue *leat_pool_inbox(const struct leat_pool *pool)
{
	/*
	 * rlx: queues stand from the start; who uses one as the inbox locks it and looks again,
	 * others take it as a hint
	 */
	return leat_load_rlx(&pool->inbox);
}

/* Whichever queue is the inbox, locked. */
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

/*
 * Once it is in a queue the job may run and end, and its pool be closed: so in a read section,
 * begun while it was somebody's.
 */
static void leat_queue_push(struct leat_pool *pool, struct leat_job *job, bool urgent, bool first)
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

void leat_job_start(struct leat_job *job, bool pulled)
{
	leat_rcu_read_lock();
	leat_queue_push(job->kind->pool(job), job, !pulled, false);
	leat_rcu_read_unlock();
}

/* Where its time has not come just now. */
static void leat_pool_remove_timed(struct leat_pool *pool, struct leat_job *job)
{
	leat_mutex_lock(&pool->lock);
	if (job->link.next != NULL)
		leat_wheel_remove(&pool->wheel, job);
	leat_mutex_unlock(&pool->lock);
}

/* What a wake-up makes of run. One that is only for who parks leaves all others as they are. */
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
 * Takes a job out of the queue that it stands in. That queue stays while a read section does that
 * found the job in it.
 */
bool leat_job_claim_queued(struct leat_job *job)
{
	struct leat_queue *queue;
	uint32_t run = LEAT_RUN_QUEUED;
	bool mine = false;

	leat_rcu_read_lock();
	queue = leat_load_rlx(&job->queue); /* rlx: looked at again under its lock */
	if (queue != NULL) {
		leat_spin_lock(&queue->lock);
		mine = leat_load_rlx(&job->queue) == queue; /* rlx: written under the lock */
		if (mine) {
			leat_queue_unlink(queue, job);
			/* J1, J2: who is linked is QUEUED */
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

/*
 * Under the lock: the timekeeper looks again what there is to keep. To the event it is a spurious
 * wake-up.
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

/*
 * Under the lock: whoever sleeps until the wheel's next time does so for not too long. False:
 * nobody does.
 */
static bool leat_pool_update_due_time(struct leat_pool *pool)
{
	int64_t due_ns = leat_wheel_next_ns(&pool->wheel);
	struct leat_worker *timekeeper = pool->timekeeper;

	/* rlx: a time; who is late by it looks again */
	leat_store_rlx(&pool->due_ns, (uint64_t)due_ns);
	if (timekeeper == NULL)
		return false;
	if (due_ns < pool->timekeeper_until_ns)
		wake_timekeeper(pool, due_ns);
	return true;
}

/* The turn ended with a time to wait for. False: it was woken meanwhile. */
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
	/* rlx: J2: who queues it takes the lock after this */
	timed = leat_cas_rlx(&job->run, &run, LEAT_RUN_TIMED);
	if (!timed)
		leat_wheel_remove(&pool->wheel, job);
	leat_mutex_unlock(&pool->lock);
	if (timed && !kept)
		/*
		 * one that sleeps for ever must know of it; one that is awake looks before it
		 * sleeps
		 */
		leat_pool_notify_worker(pool, true);
	leat_rcu_read_unlock();
	return timed;
}

static bool settle_parked(struct leat_job *job, bool alone)
{
	uint32_t run = LEAT_RUN_RUNNING;

	if (!alone) {
		/* rlx: J3: the fence orders it; none runs it from there */
		if (!leat_cas_rlx(&job->run, &run, LEAT_RUN_PARKING))
			return false;
		run = LEAT_RUN_PARKING;
		/* J3: PARKING before ready(); pairs with the fence of who changes something */
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
	 * rlx: J2 is the queue's lock; J1: who runs it next swaps what this has swapped, and so
	 * what the waker has
	 */
	while (!leat_cas_rlx(&job->run, &run, LEAT_RUN_QUEUED))
		;
	leat_queue_push(job->kind->pool(job), job, true, false);
	leat_rcu_read_unlock();
}

/* Under the pool's lock: a job whose time has come, and which is in the wheel no more. */
static void queue_due_job(struct leat_pool *pool, struct leat_job *job)
{
	uint32_t run = LEAT_RUN_TIMED;

	/* rlx: J2: it became TIMED under this lock; the queue's orders the rest */
	if (leat_cas_rlx(&job->run, &run, LEAT_RUN_QUEUED))
		/* one that somebody else woke he pushes, once he has this lock */
		leat_queue_push(pool, job, true, false);
}

/* Looks at the clock, and wakes those whose time has come. */
static void leat_pool_expire_wheel(struct leat_pool *pool)
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

/* Takes the first for this worker to run, and some more into its own queue. */
static struct leat_job *leat_queue_take(struct leat_worker *worker, struct leat_queue *from,
                                        uint32_t most)
{
	struct leat_job *first = NULL, *more[TAKE_AT_ONCE];
	uint32_t n = 0, run = LEAT_RUN_QUEUED;

	if (leat_queue_is_empty(from))
		return NULL;
	leat_spin_lock(&from->lock);
	if (leat_load_rlx(&from->count) > 0) { /* rlx: under the lock */
		first = leat_job_of(from->ends.next);
		leat_queue_unlink(from, first);
		/* J1, J2: who was linked is QUEUED until now */
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
	/* on their way they could not be seen by who went to sleep */
	leat_pool_notify_worker(worker->pool, true);
	return first;
}

/*
 * Makes the inbox this worker's adopted queue, and that, which is empty, the inbox: so that who
 * wakes jobs and who takes them meet once for many.
 *
 * A job that has just been put there may be run by who put it there, as soon as it receives; taking
 * it away would cost both. So few of them are left where they are while more keep coming, for some
 * looks: there may be one among them that nobody runs.
 */
static void leat_queue_swap_inbox(struct leat_worker *worker)
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

/*
 * Under ask_lock: takes the first off the list; NULL if it is empty. *last: whom to stop at, so
 * that those who are listed again and again meanwhile are not asked for ever; set where it is NULL.
 */
static struct leat_pool_user *take_unstarted_user(struct leat_pool *pool, struct leat_link **last)
{
	struct leat_link *link = NULL;

	leat_spin_lock(&pool->unstarted_lock);
	if (*last == NULL)
		*last = pool->unstarted_users.prev;
	if (pool->unstarted_users.next != &pool->unstarted_users) {
		link = pool->unstarted_users.next;
		leat_link_remove(link);
	}
	if (pool->unstarted_users.next == &pool->unstarted_users)
		/* rlx: before the user's lock: under that he is seen, or listed again */
		leat_store_rlx(&pool->unstarted, 0);
	leat_spin_unlock(&pool->unstarted_lock);
	return link == NULL ? NULL : leat_container_of(link, struct leat_pool_user, unstarted_link);
}

/* Under users_lock, and with nobody left in it. */
static void leat_pool_unlist_unstarted(struct leat_pool *pool, struct leat_pool_user *user)
{
	leat_mutex_lock(&pool->ask_lock);
	leat_spin_lock(&pool->unstarted_lock);
	if (user->unstarted_link.next != NULL)
		leat_link_remove(&user->unstarted_link);
	leat_spin_unlock(&pool->unstarted_lock);
	leat_mutex_unlock(&pool->ask_lock);
	user->unstarted_listed = false;
}

/* What is new and is run by nobody gets into this worker's queue, once it has been seen twice. */
static void leat_pool_ask_unstarted(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	struct leat_link *last = NULL;
	struct leat_pool_user *user;
	bool left = false;

	if (leat_load_rlx(&pool->unstarted) == 0) /* rlx: C1 orders it, as count */
		return;
	worker->had_unstarted = true;
	worker->unstarted_ns = leat_now_ns();
	leat_mutex_lock(&pool->ask_lock);
	while ((user = take_unstarted_user(pool, &last)) != NULL) {
		if (user->wake_unstarted(user)) {
			list_unstarted_user(pool, user);
			left = true;
		}
		if (&user->unstarted_link == last)
			break;
	}
	leat_mutex_unlock(&pool->ask_lock);
	if (left)
		/* meanwhile it could not be seen by who went to sleep */
		leat_pool_notify_worker(pool, false);
}

/*
 * Between turns: not at each, as all users are asked; but a turn may be long, so that not turns are
 * counted.
 */
static void poll_unstarted(struct leat_worker *worker)
{
	/* rlx: as in leat_pool_ask_unstarted() */
	if (leat_load_rlx(&worker->pool->unstarted) != 0 &&
	    leat_now_ns() - worker->unstarted_ns >= POLL_NS)
		leat_pool_ask_unstarted(worker);
}

static struct leat_job *leat_queue_steal(struct leat_worker *worker)
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

/*
 * Its own jobs and those it adopted by turns, and now and then one of another worker's, whose turn
 * may take long.
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

static bool leat_pool_has_work(const struct leat_pool *pool)
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

/* The same, but for new jobs that those may run themselves who started them. */
static bool leat_pool_has_urgent_work(const struct leat_pool *pool)
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

static bool pool_is_stopping(const struct leat_pool *pool)
{
	return leat_load_rlx(&pool->stop) != 0; /* rlx: see stop_workers() */
}

/* Under the lock. */
static bool needs_timekeeper(const struct leat_pool *pool)
{
	/* who adds one tells afterwards */
	return pool->wheel.count > 0 || leat_poller_wanted(&pool->poller);
}

/* Whether something stands in the wheel, and nobody sleeps until its time. */
static bool leat_pool_lacks_timekeeper(struct leat_pool *pool)
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

/*
 * The last that stops searching, and has found something, sees to it that what else there is finds
 * somebody.
 */
static void stop_searching(struct leat_pool *pool, bool found)
{
	/* P1: before the look; pairs with leat_pool_should_notify() */
	bool last = leat_sub_acqrel(&pool->searching, 1) == 1;

	if (found && last && (leat_pool_has_work(pool) || leat_pool_lacks_timekeeper(pool)))
		leat_pool_notify_worker(pool, true);
}

/* Looks around for a while. */
static struct leat_job *search_for_job(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	struct leat_job *job = NULL;

	/* rlx: P1: who sees it relies on stop_searching(), or on C1 */
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
 * Takes the timekeeper's part, if nobody has it and there is anything to keep: until when to sleep.
 */
static int64_t leat_pool_become_timekeeper(struct leat_worker *worker, int64_t until_ns)
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
		/* who adds one rouses the timekeeper */
		pool->timekeeper_polls = leat_poller_wanted(&pool->poller);
		if (pool->timekeeper_polls)
			worker->sleeper.fd = pool->poller.wake_fd;
	}
	leat_mutex_unlock(&pool->lock);
	return until_ns;
}

/* Whether it was the timekeeper, and the wheel needs another. */
static bool leat_pool_stop_timekeeping(struct leat_worker *worker)
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

/*
 * Who starts generators and runs them himself, by receiving, need not pay for waking a worker each
 * time that one has gone to sleep. A worker that was woken for nothing looks again by itself, until
 * nothing new comes.
 */
static bool update_polling(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	/* rlx: a hint */
	uint32_t pushes = leat_load_rlx(&leat_pool_inbox(pool)->pushes), others = 0;
	/* rlx: the same */
	bool wanted = pushes != worker->pushes_at_sleep || worker->had_unstarted ||
	              leat_load_rlx(&pool->unstarted) != 0;

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

/* With a job: those who put others in relied on this worker, which has no time for them now. */
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

/* Sleeps until there may be something to do. Whether the wheel needs another timekeeper. */
static bool park_worker(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	int64_t until_ns, poll_ns = update_polling(worker) ? leat_now_ns() + POLL_NS : LEAT_NEVER;
	bool vacant;

	leat_sleeper_reset(&worker->sleeper);
	until_ns = leat_pool_become_timekeeper(worker, poll_ns);
	leat_event_prepare_wait(&pool->idle, &worker->waiter);
	/*
	 * what somebody else put into the wheel while this worker decided to keep nothing, it keeps
	 * after all
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

/* NULL: the pool is being closed. */
static struct leat_job *next_job(struct leat_worker *worker)
{
	struct leat_job *job = find_job(worker);
	bool vacant = false;

	if (job == NULL)
		job = search_for_job(worker);
	while (job == NULL && !pool_is_stopping(worker->pool)) {
		vacant = park_worker(worker);
		job = worker->polling ? find_job(worker) : search_for_job(worker);
	}
	stop_polling(worker);
	if (job != NULL && vacant)
		leat_pool_notify_worker(worker->pool, true); /* who has work can't keep */
	return job;
}

static void run_worker(void *arg)
{
	struct leat_worker *worker = arg;
	struct leat_job *job;

	leat_worker_current = worker;
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
}

/*
 * Under users_lock: whether the turn that this worker is at was so already when somebody looked
 * before.
 */
static void read_worker_stat(struct leat_worker *worker, struct leat_pool_stat *stat,
                             int64_t now_ns)
{
	/* rlx: numbers */
	uint64_t running = leat_load_rlx(&worker->running),
		 turns_run = leat_load_rlx(&worker->turns_run);

	stat->turns += turns_run;
	if (running == 0 || turns_run != worker->stat_turns_run) {
		worker->stat_turns_run = turns_run;
		worker->stat_since_ns = now_ns;
	} else if (now_ns - worker->stat_since_ns > stat->long_ns) {
		stat->long_ns = now_ns - worker->stat_since_ns;
		stat->long_id = running;
	}
}

static void add_user_stat(struct leat_pool_stat *to, const struct leat_pool_stat *from)
{
	to->generators += from->generators;
	to->offered += from->offered;
	to->delivered += from->delivered;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		to->dropped[reason] += from->dropped[reason];
	if (from->long_name[0] != '\0')
		memcpy(to->long_name, from->long_name, sizeof(to->long_name));
}

/* Under users_lock. */
static void unlink_user(struct leat_pool_user *user)
{
	user->prev->next = user->next;
	user->next->prev = user->prev;
	user->next = user->prev = NULL;
	user->pool = NULL;
}

/* Caller holds users_lock. The thread that makes the last of these true frees the user. */
static bool may_free(const struct leat_pool_user *user)
{
	return user->removed && user->pool == NULL && user->stat_readers == 0 && !user->deferred;
}

/* Under users_lock, which it lets go of and takes again. */
static void free_user(struct leat_pool_user *user)
{
	leat_mutex_unlock(&users_lock);
	user->free(user);
	leat_mutex_lock(&users_lock);
}

/*
 * Under users_lock, with nobody left in it and no look that has read the past. It may have left
 * with the pool already.
 */
static void end_user(struct leat_pool *pool, struct leat_pool_user *user)
{
	if (user->pool != pool)
		return;
	user->read_stat(user, &pool->past_stat);
	unlink_user(user);
}

/*
 * Under users_lock, which it lets go of at each user: so no start waits for a whole walk. Each
 * user's figures are of a moment of its own. No user leaves the list meanwhile, but with the pool:
 * so each is in the sum once, and one whose scope was closed before the look began is in it with
 * all that it had.
 */
static void read_users_stat(struct leat_pool *pool, struct leat_pool_stat *sum)
{
	struct leat_pool_user *user = pool->users.next, *next;

	pool->reading_stat = true;
	add_user_stat(sum, &pool->past_stat);
	while (user != &pool->users) {
		struct leat_pool_stat stat = { .long_id = sum->long_id };

		user->stat_readers++;
		leat_mutex_unlock(&users_lock);
		user->read_stat(user, &stat);
		leat_mutex_lock(&users_lock);
		user->stat_readers--;
		next = &pool->users; /* the pool is being closed, unless */
		if (user->pool == pool) {
			next = user->next;
			add_user_stat(sum, &stat);
		}
		if (may_free(user))
			free_user(user);
		user = next;
	}
	pool->reading_stat = false;
}

/*
 * Under users_lock, which it lets go of and takes again, after a look: those that were removed
 * during it.
 */
static void end_deferred_users(struct leat_pool *pool)
{
	struct leat_pool_user *user;

	while ((user = pool->deferred) != NULL) {
		pool->deferred = user->deferred_next;
		user->deferred = false;
		end_user(pool, user);
		if (may_free(user))
			free_user(user);
	}
}

static uint64_t larger_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Under users_lock. */
static void raise_totals(struct leat_pool *pool, struct leat_pool_stat *stat)
{
	uint64_t out;

	out = stat->delivered = pool->last_stat.delivered =
		larger_of(stat->delivered, pool->last_stat.delivered);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		out += stat->dropped[reason] = pool->last_stat.dropped[reason] =
			larger_of(stat->dropped[reason], pool->last_stat.dropped[reason]);
	stat->offered = pool->last_stat.offered =
		larger_of(larger_of(stat->offered, pool->last_stat.offered), out);
	stat->in_flight = stat->offered - out;
}

void leat_pool_read_stat(struct leat_node *node, struct leat_pool_stat *stat)
{
	struct leat_pool *pool = leat_container_of(node, struct leat_pool, node);
	int64_t now_ns = leat_now_ns();

	memset(stat, 0, sizeof(*stat));
	stat->id = node->id;
	memcpy(stat->name, pool->name, sizeof(stat->name));
	stat->workers = pool->workers_count;
	leat_mutex_lock(&pool->stat_lock);
	leat_mutex_lock(&users_lock);
	for (unsigned i = 0; i < pool->workers_count; i++)
		read_worker_stat(&pool->workers[i], stat, now_ns);
	stat->generators = leat_load_rlx(&pool->held); /* rlx: a number */
	read_users_stat(pool, stat);
	raise_totals(pool, stat);
	end_deferred_users(pool);
	leat_mutex_unlock(&users_lock);
	leat_mutex_unlock(&pool->stat_lock);
}

static void stop_workers(struct leat_pool *pool, unsigned n)
{
	/* rlx: who is about to sleep comes by the event's lock; the joins order the rest */
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

/* All but its own memory, which a walk of the registry may stand in. */
static void pool_fini(struct leat_pool *pool)
{
	leat_poller_fini(&pool->poller);
	leat_os_free(pool->queues);
	pool->queues = NULL;
}

static void pool_init(struct leat_pool *pool, const struct leat_pool_opts *opts, unsigned workers)
{
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
	/* rlx: nobody else knows the pool yet */
	leat_store_rlx(&pool->inbox, &pool->queues[workers]);
	leat_mutex_init(&pool->lock);
	leat_wheel_init(&pool->wheel, leat_now_ns());
	leat_event_init(&pool->idle, &pool->ctl, LEAT_CTL_RX_PARKED);
	if (!leat_os_fence_heavy_prepare())
		/* rlx: nobody else knows the pool yet */
		leat_store_rlx(&pool->ctl, LEAT_CTL_FENCED);
	for (unsigned i = 0; i < workers; i++) {
		struct leat_worker *worker = &pool->workers[i];

		leat_queue_init(&worker->own);
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

	if (abi != leat_detail_abi(*opts))
		return NULL;
	if (opts == NULL)
		opts = &defaults;
	if (!leat_words_unused(opts->reserved,
	                       sizeof(opts->reserved) / sizeof(opts->reserved[0])) ||
	    !leat_name_copy(name, opts->name) || opts->workers > WORKERS_MAX)
		return NULL;
	workers = opts->workers != 0 ? opts->workers : leat_os_cores();
	pool = leat_os_alloc(sizeof(*pool) + workers * sizeof(pool->workers[0]), LEAT_LINES_APART);
	if (pool == NULL)
		return NULL;
	leat_poller_init(&pool->poller);
	pool->queues = leat_os_alloc((workers + 1) * sizeof(pool->queues[0]), LEAT_LINES_APART);
	if (pool->queues == NULL) {
		pool_fini(pool);
		leat_os_free(pool);
		return NULL;
	}
	memcpy(pool->name, name, sizeof(pool->name));
	pool_init(pool, opts, workers);
	if (start_workers(pool, name) < 0) {
		pool_fini(pool);
		leat_os_free(pool);
		return NULL;
	}
	leat_registry_add(&pool->node, LEAT_NODE_POOL, pool);
	return pool;
}

/* For a caller by address or from another language, which is not checked. */
struct leat_pool *(leat_pool_open)(const struct leat_pool_opts *opts)
{
	return leat_pool_open(opts);
}

/* Under users_lock: 0, and nobody names the pool any more; or -EBUSY. */
static int leat_pool_dismiss_users(struct leat_pool *pool)
{
	struct leat_pool_user *user;

	if (leat_load_acq(&pool->held) > 0) /* P2: pairs with leat_pool_let_go() */
		return -EBUSY;
	for (user = pool->users.next; user != &pool->users; user = user->next)
		if (user->busy(user))
			return -EBUSY;
	while ((user = pool->users.next) != &pool->users) {
		leat_pool_unlist_unstarted(pool, user); /* before another pool can have it */
		user->forget_pool(user);
		unlink_user(user);
	}
	return 0;
}

int leat_pool_close(struct leat_pool *pool)
{
	int rc;

	if (pool == NULL)
		return 0;
	if (leat_must_not_wait > 0)
		return -EDEADLK;
	leat_mutex_lock(&users_lock);
	rc = leat_pool_dismiss_users(pool);
	leat_mutex_unlock(&users_lock);
	if (rc < 0)
		return rc;
	stop_workers(pool, pool->workers_count);
	leat_rcu_synchronize(); /* who pushed the last job may still be telling a worker of it */
	pool_fini(pool);
	leat_registry_remove(&pool->node, NULL);
	return 0;
}

void leat_pool_add_user(struct leat_pool *pool, struct leat_pool_user *user)
{
	leat_mutex_lock(&users_lock);
	user->next = &pool->users;
	user->prev = pool->users.prev;
	user->prev->next = pool->users.prev = user;
	user->pool = pool;
	leat_mutex_unlock(&users_lock);
}

void leat_pool_remove_user(struct leat_pool_user *user)
{
	struct leat_pool *pool;
	bool now;

	leat_mutex_lock(&users_lock);
	pool = user->pool;
	user->removed = true;
	if (pool != NULL)
		leat_pool_unlist_unstarted(pool, user);
	if (pool != NULL && pool->reading_stat) {
		user->deferred = true;
		user->deferred_next = pool->deferred;
		pool->deferred = user;
	} else if (pool != NULL) {
		end_user(pool, user);
	}
	now = may_free(user);
	leat_mutex_unlock(&users_lock);
	if (now)
		user->free(user);
}
