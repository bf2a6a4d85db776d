/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pace/sem.h"
#include "runtime/gen/await.h"

#include <leat/gen.h>

enum { SEM_GRANTED = 1 }; /* the bit of the news */

/* --- the queue; the caller holds the semaphore's lock --- */

static bool has_queue(const struct leat_sem *sem)
{
	return sem->queue.next != &sem->queue;
}

static void enqueue_waiter(struct leat_sem *sem, struct leat_sem_waiter *waiter)
{
	waiter->next = &sem->queue;
	waiter->prev = sem->queue.prev;
	waiter->prev->next = sem->queue.prev = waiter;
}

static void dequeue_waiter(struct leat_sem_waiter *waiter)
{
	waiter->prev->next = waiter->next;
	waiter->next->prev = waiter->prev;
}

static void grant_waiters(struct leat_sem *sem) /* mutate */
{
	struct leat_sem_waiter *first;

	while (has_queue(sem) && (first = sem->queue.next)->n <= sem->there) {
		dequeue_waiter(first);
		sem->there -= first->n;
		first->granted = true;
		/* its owner takes the lock before it returns, so the news is still there */
		leat_news_raise(&first->news, SEM_GRANTED);
	}
}

/* Returns 0, -EAGAIN, or -EINVAL. */
static int take_if_free(struct leat_sem *sem, uint32_t n)
{
	if (n > sem->permits)
		return -EINVAL;
	if (n > 0 && (has_queue(sem) || n > sem->there))
		return -EAGAIN;
	sem->there -= n;
	return 0;
}

static void init_sem_waiter(struct leat_sem_waiter *waiter, struct leat_sem *sem, uint32_t n)
{
	*waiter = (struct leat_sem_waiter){ .sem = sem, .n = n };
	leat_news_init(&waiter->news);
	waiter->place.news = &waiter->news;
}

/* Takes permits, or puts the waiter into the queue and returns -EAGAIN. */
static int take_or_enqueue(struct leat_sem *sem, struct leat_sem_waiter *waiter)
{
	int rc;

	leat_mutex_lock(&sem->lock);
	rc = take_if_free(sem, waiter->n);
	if (rc == -EAGAIN)
		enqueue_waiter(sem, waiter);
	leat_mutex_unlock(&sem->lock);
	return rc;
}

/* The wait is over with rc. Returns 0 if the permits were granted, also where rc is an error. */
static int leave_queue(struct leat_sem_waiter *waiter, int rc)
{
	struct leat_sem *sem = waiter->sem;

	leat_mutex_lock(&sem->lock);
	if (!waiter->granted) {
		dequeue_waiter(waiter);
		grant_waiters(sem);
	} else {
		rc = 0;
	}
	leat_mutex_unlock(&sem->lock);
	return rc;
}

/* --- a thread --- */

struct sem_wait {
	struct leat_wait_loop loop;
	struct leat_waiter at_news;
	struct leat_wait_watch watch;
	struct leat_scope *scope;
	struct leat_sem_waiter waiter;
};

static struct sem_wait *sem_wait_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct sem_wait, loop);
}

static ssize_t sem_attempt(struct leat_wait_loop *w)
{
	struct sem_wait *wait = sem_wait_of(w);
	int refusal;

	if (leat_news_there(&wait->waiter.news))
		return 0;
	refusal = leat_scope_wait_refusal(wait->scope);
	return refusal != 0 ? refusal : -EAGAIN;
}

static void sem_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)now_ns;
	leat_scope_expire(sem_wait_of(w)->scope);
}

static void sem_prepare(struct leat_wait_loop *w)
{
	struct sem_wait *wait = sem_wait_of(w);

	leat_wait_watch(&wait->watch, wait->scope, &w->sleeper);
	leat_event_prepare_wait(&wait->waiter.news.event, &wait->at_news);
}

/* The news is this waiter's alone: there is nothing to forward. */
static bool sem_retire(struct leat_wait_loop *w)
{
	struct sem_wait *wait = sem_wait_of(w);

	leat_wait_unwatch(&wait->watch);
	leat_event_remove_waiter(&wait->waiter.news.event, &wait->at_news);
	return false;
}

static const struct leat_wait_ops sem_wait_ops = {
	.attempt = sem_attempt,
	.expire = sem_expire,
	.prepare = sem_prepare,
	.retire = sem_retire,
};

static int wait_for_permits(struct sem_wait *wait, int64_t deadline_ns, enum leat_time time)
{
	wait->at_news.sleeper = &wait->loop.sleeper;
	wait->loop = (struct leat_wait_loop){
		.ops = &sem_wait_ops,
		.policy = LEAT_WAIT_ADAPTIVE,
		.time = time,
		.waits_for = time == LEAT_TIME_PACED ? LEAT_PACED_SEMAPHORE : 0,
		.weight = 1,
		.deadline_ns = deadline_ns,
		.scopes_ns = leat_scope_deadline_or_never(wait->scope),
		.sleeper = LEAT_SLEEPER_INIT,
	};
	return leave_queue(&wait->waiter, (int)leat_wait_for(&wait->loop));
}

static int acquire_permits(struct leat_sem *sem, uint32_t n, struct leat_scope *scope,
                           int64_t deadline_ns, enum leat_time time)
{
	struct sem_wait wait;
	int rc;

	if (sem == NULL || n > sem->permits)
		return -EINVAL;
	rc = leat_scope_wait_refusal(scope);
	if (rc < 0)
		return rc;
	wait.scope = scope;
	init_sem_waiter(&wait.waiter, sem, n);
	rc = take_or_enqueue(sem, &wait.waiter);
	return rc == -EAGAIN ? wait_for_permits(&wait, deadline_ns, time) : rc;
}

int leat_sem_acquire(struct leat_sem *sem, uint32_t n, struct leat_scope *scope,
                     int64_t deadline_ns)
{
	return acquire_permits(sem, n, scope, deadline_ns, LEAT_TIME_PACED);
}

int leat_detail_sem_turn(struct leat_sem *sem, bool in_order)
{
	return acquire_permits(sem, 1, NULL, LEAT_NEVER,
	                       in_order ? LEAT_TIME_ORDER : LEAT_TIME_STARVED);
}

int leat_sem_try(struct leat_sem *sem, uint32_t n)
{
	int rc;

	if (sem == NULL)
		return -EINVAL;
	leat_mutex_lock(&sem->lock);
	rc = take_if_free(sem, n);
	leat_mutex_unlock(&sem->lock);
	return rc;
}

int leat_sem_release(struct leat_sem *sem, uint32_t n)
{
	int rc = 0;

	if (sem == NULL)
		return -EINVAL;
	leat_mutex_lock(&sem->lock);
	if (n > sem->permits - sem->there)
		rc = -EINVAL;
	else
		sem->there += n;
	grant_waiters(sem);
	leat_mutex_unlock(&sem->lock);
	return rc;
}

/* --- a step --- */

static struct leat_sem_waiter *waiter_of_place(struct leat_step_place *place)
{
	return leat_container_of(place, struct leat_sem_waiter, place);
}

static void drop_sem_place(struct leat_step_place *place)
{
	struct leat_sem_waiter *waiter = waiter_of_place(place);
	struct leat_sem *sem = waiter->sem;

	leat_mutex_lock(&sem->lock);
	if (waiter->granted)
		sem->there += waiter->n;
	else
		dequeue_waiter(waiter);
	grant_waiters(sem);
	leat_mutex_unlock(&sem->lock);
	leat_os_free(waiter);
}

/* The waiter of the last call, if this is the same call again; else NULL, and its place is lost. */
static struct leat_sem_waiter *find_step_waiter(struct leat_step *step, struct leat_sem *sem,
                                                uint32_t n)
{
	struct leat_step_place *place = step->place;

	if (place != NULL && place->drop == drop_sem_place && waiter_of_place(place)->sem == sem &&
	    waiter_of_place(place)->n == n)
		return waiter_of_place(place);
	leat_step_drop_place(step);
	return NULL;
}

static bool was_granted(struct leat_sem_waiter *waiter)
{
	bool granted;

	leat_mutex_lock(&waiter->sem->lock);
	granted = waiter->granted;
	leat_mutex_unlock(&waiter->sem->lock);
	return granted;
}

static int ask_for_permits(struct leat_step *step, struct leat_sem *sem, uint32_t n)
{
	struct leat_sem_waiter *waiter = find_step_waiter(step, sem, n);
	int rc;

	if (waiter == NULL) {
		rc = leat_sem_try(sem, n);
		if (rc != -EAGAIN)
			return rc;
		waiter = leat_os_alloc(sizeof(*waiter), 0);
		if (waiter == NULL)
			return -ENOMEM;
		init_sem_waiter(waiter, sem, n);
		waiter->place.drop = drop_sem_place;
		rc = take_or_enqueue(sem, waiter);
		if (rc != -EAGAIN) {
			leat_os_free(waiter);
			return rc;
		}
		step->place = &waiter->place;
	}
	if (was_granted(waiter)) {
		step->place = NULL;
		leat_os_free(waiter);
		return 0;
	}
	if (leat_step_is_stopped(step))
		return -ESHUTDOWN;
	/* A grant that comes from here on is found when the turn ends. */
	leat_step_ask(step, LEAT_NEVER, -1, &waiter->news);
	return LEAT_READY;
}

int leat_sem_after(struct leat_sem *sem, uint32_t n)
{
	struct leat_sem_waiter waiter;
	int rc;

	if (sem == NULL || n > sem->permits)
		return -EINVAL;
	if (leat_step_current != NULL)
		return ask_for_permits(leat_step_current, sem, n);
	init_sem_waiter(&waiter, sem, n);
	rc = take_or_enqueue(sem, &waiter);
	if (rc == -EAGAIN)
		rc = leave_queue(&waiter,
		                 leat_news_await(&waiter.news, NULL, LEAT_NEVER, LEAT_TIME_PACED));
	return rc;
}

/* --- open and close --- */

struct leat_sem *leat_detail_sem_open(unsigned abi, uint32_t permits)
{
	struct leat_sem *sem;

	if (abi != LEAT_ABI || permits == 0)
		return leat_open_failed(abi != LEAT_ABI ? -ELIBBAD : -EINVAL);
	sem = leat_os_alloc(sizeof(*sem), 0);
	if (sem == NULL)
		return leat_open_failed(-ENOMEM);
	leat_mutex_init(&sem->lock);
	sem->queue.prev = sem->queue.next = &sem->queue;
	sem->permits = sem->there = permits;
	return sem;
}

/* For a caller that takes the address, or from another language: its layout is not checked. */
struct leat_sem *(leat_sem_open)(uint32_t permits)
{
	return leat_sem_open(permits);
}

int leat_sem_close(struct leat_sem *sem)
{
	bool waits;

	if (sem == NULL)
		return 0;
	leat_mutex_lock(&sem->lock);
	waits = has_queue(sem);
	leat_mutex_unlock(&sem->lock);
	if (waits)
		return -EBUSY;
	leat_os_free(sem);
	return 0;
}
