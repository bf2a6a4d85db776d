/*
 * tests/unit/sem.c: semaphores: who gets permits, in which order, and that none is lost.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "runner.h"

#include <leat/pace.h>

#include "runtime/pace/sem.h"

TestSuite(sem, .timeout = 600);

static uint32_t there(struct leat_sem *sem)
{
	uint32_t n;
	leat_mutex_lock(&sem->lock);
	n = sem->there;
	leat_mutex_unlock(&sem->lock);
	return n;
}

Test(sem, permits_are_taken_and_given_back)
{
	struct leat_sem *sem = leat_sem_open(3);
	cr_expect_eq(leat_sem_acquire(sem, 2, NULL, 0), 0);
	cr_expect_eq(leat_sem_try(sem, 2), -EAGAIN);
	cr_expect_eq(leat_sem_try(sem, 1), 0);
	cr_expect_eq(leat_sem_acquire(sem, 1, NULL, 0), -ETIMEDOUT);
	cr_expect_eq(leat_sem_acquire(sem, 1, NULL, leat_now_ns() + 5 * MS), -ETIMEDOUT);
	cr_expect_eq(leat_sem_release(sem, 3), 0);
	cr_expect_eq(leat_sem_acquire(sem, 3, NULL, LEAT_NEVER), 0);
	cr_expect_eq(leat_sem_close(sem), 0, "permits may be out");
}

Test(sem, bad_arguments)
{
	struct leat_sem *sem = leat_sem_open(2);
	cr_expect_null(leat_sem_open(0));
	cr_expect_eq(leat_sem_acquire(NULL, 1, NULL, 0), -EINVAL);
	cr_expect_eq(leat_sem_try(NULL, 1), -EINVAL);
	cr_expect_eq(leat_sem_after(NULL, 1), -EINVAL);
	cr_expect_eq(leat_sem_release(NULL, 1), -EINVAL);
	cr_expect_eq(leat_sem_acquire(sem, 3, NULL, LEAT_NEVER), -EINVAL);
	cr_expect_eq(leat_sem_try(sem, 3), -EINVAL);
	cr_expect_eq(leat_sem_after(sem, 3), -EINVAL);
	cr_expect_eq(leat_sem_release(sem, 1), -EINVAL, "none is out");
	cr_expect_eq(leat_sem_acquire(sem, 0, NULL, 0), 0);
	cr_expect_eq(there(sem), 2);
	cr_expect_eq(leat_sem_close(sem), 0);
	cr_expect_eq(leat_sem_close(NULL), 0);
}

struct getter {
	pthread_t thread;
	uint32_t tid, n, done;
	struct leat_sem *sem;
	struct leat_scope *scope;
	int64_t deadline_ns;
	int rc;
};

static void *get_main(void *arg)
{
	struct getter *getter = arg;
	leat_store_rel(&getter->tid, own_tid());
	getter->rc = leat_sem_acquire(getter->sem, getter->n, getter->scope, getter->deadline_ns);
	leat_store_rel(&getter->done, 1u);
	return NULL;
}

static void getter_start(struct getter *getter)
{
	if (getter->n == 0)
		getter->n = 1;
	if (getter->deadline_ns == 0)
		getter->deadline_ns = LEAT_NEVER;
	cr_assert_eq(pthread_create(&getter->thread, NULL, get_main, getter), 0);
	cr_assert(await_parked(&getter->tid));
}

static int getter_join(struct getter *getter)
{
	cr_assert_eq(pthread_join(getter->thread, NULL), 0);
	return getter->rc;
}

Test(sem, first_come_first_served)
{
	struct leat_sem *sem = leat_sem_open(4);
	struct getter many = { .sem = sem, .n = 3 }, few = { .sem = sem };
	cr_assert_eq(leat_sem_try(sem, 3), 0);
	getter_start(&many);
	getter_start(&few);
	cr_expect_eq(leat_sem_try(sem, 1), -EAGAIN, "one is there, but threads wait");
	cr_expect_eq(leat_sem_close(sem), -EBUSY);
	cr_expect_eq(leat_load_acq(&few.done), 0, "it does not overtake");
	cr_expect_eq(leat_sem_release(sem, 2), 0);
	cr_expect_eq(getter_join(&many), 0);
	cr_expect_eq(leat_load_acq(&few.done), 0);
	cr_expect_eq(leat_sem_release(sem, 1), 0);
	cr_expect_eq(getter_join(&few), 0);
	cr_expect_eq(there(sem), 0);
	cr_expect_eq(leat_sem_close(sem), 0);
}

Test(sem, who_gives_up_lets_those_behind_go)
{
	clock_start();
	for (int how = 0; how < 2; how++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_sem *sem = leat_sem_open(4);
		struct getter many = { .sem = sem, .n = 4 }, few = { .sem = sem };
		cr_assert_eq(leat_sem_try(sem, 2), 0);
		many.scope = scope;
		many.deadline_ns = how == 0 ? leat_now_ns() + 50 * MS : 0;
		getter_start(&many);
		getter_start(&few);
		if (how == 0)
			clock_advance(50 * MS);
		else
			leat_scope_cancel(scope, 0, NULL);
		cr_expect_eq(getter_join(&many), how == 0 ? -ETIMEDOUT : -ECANCELED);
		cr_expect_eq(getter_join(&few), 0);
		cr_expect_eq(there(sem), 1);
		cr_expect_eq(leat_sem_close(sem), 0);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(sem, in_a_cancelled_scope_nothing_is_taken)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 20 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct leat_sem *sem = leat_sem_open(1);
	struct getter getter = { .sem = sem, .scope = scope };
	cr_assert_eq(leat_sem_acquire(sem, 1, scope, LEAT_NEVER), 0);
	getter_start(&getter);
	clock_advance(20 * MS - 1);
	cr_expect_eq(leat_load_acq(&getter.done), 0);
	clock_advance(1);
	cr_expect_eq(getter_join(&getter), -ECANCELED);
	cr_assert_eq(leat_sem_release(sem, 1), 0);
	cr_expect_eq(leat_sem_acquire(sem, 1, scope, LEAT_NEVER), -ECANCELED);
	cr_expect_eq(there(sem), 1);
	cr_expect_eq(leat_sem_close(sem), 0);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

/* Many threads, with deadlines and cancels: in the end all permits are there. */
struct worker {
	pthread_t thread;
	struct leat_sem *sem;
	struct leat_scope *scope;
	uint32_t *out, *over;
	unsigned seed;
};

static void *work_main(void *arg)
{
	struct worker *worker = arg;
	for (int i = 0; i < MANY_TIMES(3000); i++) {
		uint32_t n = 1 + (uint32_t)rand_r(&worker->seed) % 3;
		int64_t wait_ns = rand_r(&worker->seed) % 50000;
		struct leat_scope *scope = i % 3 == 0 ? worker->scope : NULL;
		if (leat_sem_acquire(worker->sem, n, scope, leat_now_ns() + wait_ns) != 0)
			continue;
		if (leat_add_acqrel(worker->out, n) + n > 4)
			leat_store_rlx(worker->over, 1u);
		if (i % 8 == 0)
			sched_yield();
		leat_sub_acqrel(worker->out, n);
		leat_sem_release(worker->sem, n);
	}
	return NULL;
}

Test(sem, no_permit_is_lost_and_none_is_made)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_sem *sem = leat_sem_open(4);
	struct worker workers[4];
	uint32_t out = 0, over = 0;
	for (unsigned i = 0; i < 4; i++) {
		workers[i] = (struct worker){
			.sem = sem, .scope = scope, .out = &out, .over = &over, .seed = i
		};
		cr_assert_eq(pthread_create(&workers[i].thread, NULL, work_main, &workers[i]), 0);
	}
	leat_scope_cancel(scope, 0, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(workers[i].thread, NULL);
	cr_expect_eq(over, 0);
	cr_expect_eq(there(sem), 4);
	cr_expect_eq(leat_sem_close(sem), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* Steps */

struct user {
	struct leat_sem *sem, *other;
	uint32_t n, calls, used, most, hold;
	int acquire_rc;
};

/* Takes a permit, and gives it back unless it is to hold it. */
static int next_with_permit(void *state, void *item)
{
	struct user *user = state;
	int rc;
	leat_add_acqrel(&user->calls, 1u);
	if (leat_load_acq(&user->used) == user->most)
		return 0;
	if (user->acquire_rc == 1)
		user->acquire_rc = leat_sem_acquire(user->sem, user->n, NULL, LEAT_NEVER);
	rc = leat_sem_after(user->sem, user->n);
	if (rc != 0)
		return rc;
	if (!user->hold)
		leat_sem_release(user->sem, user->n);
	*(uint64_t *)item = leat_add_acqrel(&user->used, 1u);
	return 1;
}

static struct leat_rx *start_user(struct leat_scope *scope, struct user *user,
                                  struct leat_pool *pool, bool compact, leat_next_fn *next)
{
	struct leat_seq seq = { .next = next, .state = user, .item_size = 8 };
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = compact ? 2 : 4096 };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope, seq, &opts, &rx), 0);
	return rx;
}

/* Receives on a thread of its own, so that the steps run. */
struct eater {
	pthread_t thread;
	struct leat_rx *rx;
	uint32_t n;
};

static void *eat(void *arg)
{
	struct eater *eater = arg;
	uint64_t item;
	while (leat_recv(eater->rx, &item) == 1)
		eater->n++;
	leat_rx_close(eater->rx);
	return NULL;
}

/* In a compact generator, in one with an ordinary channel, and on a thread. */
Test(sem, a_step_is_called_again_when_it_was_granted_permits)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	for (int where = 0; where < 3; where++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_sem *sem = leat_sem_open(2);
		struct user user = { .sem = sem, .n = 2, .most = 5, .acquire_rc = where < 2 };
		struct eater eater = { 0 };
		struct getter getter = { .sem = sem };
		cr_assert_eq(leat_sem_try(sem, 1), 0);
		eater.rx = start_user(scope, &user, where < 2 ? pool : NULL, where == 0,
		                      next_with_permit);
		cr_assert_eq(pthread_create(&eater.thread, NULL, eat, &eater), 0);
		cr_assert(await_word(&user.calls, 1));
		while (leat_sem_try(sem, 1) == 0) /* until the step waits */
			leat_sem_release(sem, 1);
		getter_start(&getter);
		cr_expect_eq(user.used, 0);
		cr_expect_eq(leat_load_acq(&getter.done), 0, "it came behind the step");
		cr_expect_eq(leat_sem_release(sem, 1), 0);
		cr_expect_eq(getter_join(&getter), 0);
		cr_expect_eq(leat_sem_release(sem, 1), 0);
		pthread_join(eater.thread, NULL);
		cr_expect_eq(eater.n, 5);
		cr_expect_eq(there(sem), 2);
		if (where < 2)
			cr_expect_eq(user.acquire_rc, -EDEADLK);
		cr_expect_eq(leat_scope_close(scope), 0);
		cr_expect_eq(leat_sem_close(sem), 0);
	}
	cr_expect_eq(leat_pool_close(pool), 0);
}

/* The consumer leaves, or the scope is cancelled, while a step waits, and while it was granted. */
Test(sem, a_step_that_ends_gives_its_place_and_its_permits_back)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	for (int how = 0; how < 8; how++) {
		bool compact = how & 1, cancel = how & 2, granted = how & 4;
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_sem *sem = leat_sem_open(2);
		struct user user = { .sem = sem, .n = 2, .most = 5, .hold = 1 };
		struct leat_rx *rx;
		uint64_t item;
		cr_assert_eq(leat_sem_try(sem, 1), 0);
		rx = start_user(scope, &user, pool, compact, next_with_permit);
		cr_expect_eq(leat_recv_until(rx, &item, leat_now_ns() + MS), -ETIMEDOUT);
		while (leat_sem_try(sem, 1) == 0)
			leat_sem_release(sem, 1);
		if (granted)
			leat_sem_release(sem, 1);
		if (cancel)
			leat_scope_cancel(scope, 0, NULL);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(there(sem) + 2 * user.used, granted ? 2 : 1);
		cr_expect_eq(leat_scope_close(scope), 0);
		cr_expect_eq(leat_sem_close(sem), 0);
	}
	cr_expect_eq(leat_pool_close(pool), 0);
}

/* The second call asks for something else: the place of the first is given up. */
static int next_that_changes_its_mind(void *state, void *item)
{
	struct user *user = state;
	uint32_t calls = leat_add_acqrel(&user->calls, 1u);
	int rc;
	if (calls == 0) {
		rc = leat_sem_after(user->sem, 2);
		if (rc != 0)
			return rc;
		leat_sem_release(user->sem, 2); /* granted at once: the test was quicker */
	}
	if (user->other == NULL)
		return 0;
	rc = leat_sem_after(user->other, 1);
	if (rc != 0)
		return rc;
	*(uint64_t *)item = 7;
	user->other = NULL;
	return 1;
}

Test(sem, a_step_that_asks_for_something_else_loses_its_place)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	for (int compact = 0; compact < 2; compact++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_sem *sem = leat_sem_open(2), *other = leat_sem_open(1);
		struct user user = { .sem = sem, .other = other };
		struct eater eater = { 0 };
		cr_assert_eq(leat_sem_try(sem, 1), 0);
		eater.rx = start_user(scope, &user, pool, compact, next_that_changes_its_mind);
		cr_assert_eq(pthread_create(&eater.thread, NULL, eat, &eater), 0);
		cr_assert(await_word(&user.calls, 1));
		while (leat_sem_try(sem, 1) == 0)
			leat_sem_release(sem, 1);
		cr_expect_eq(leat_sem_release(sem, 1), 0);
		pthread_join(eater.thread, NULL);
		cr_expect_eq(eater.n, 1);
		cr_expect_eq(there(sem), 2);
		cr_expect_eq(leat_scope_close(scope), 0);
		cr_expect_eq(leat_sem_close(sem), 0);
		cr_expect_eq(leat_sem_close(other), 0);
	}
	cr_expect_eq(leat_pool_close(pool), 0);
}

Test(sem, on_a_generators_thread_its_end_ends_the_wait)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_sem *sem = leat_sem_open(1);
	struct user user = { .sem = sem, .n = 1, .most = 5 };
	struct leat_rx *rx;
	enum leat_cause cause;
	cr_assert_eq(leat_sem_try(sem, 1), 0);
	rx = start_user(scope, &user, NULL, false, next_with_permit);
	cr_assert(await_word(&user.calls, 1));
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_rx_status(rx, &cause, NULL, NULL), 0);
	cr_expect_eq(cause, LEAT_CANCELED);
	leat_rx_close(rx);
	cr_expect_eq(there(sem), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_sem_close(sem), 0);
}
