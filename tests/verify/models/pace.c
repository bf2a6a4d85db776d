/*
 * Models of waits in a scope, of functions that a cancel calls, and of rates, semaphores and
 * breakers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/os/os.h"
#include "runtime/pace/sem.h"
#include "runtime/scope/scope.h"

#include <leat/pace.h>
#include <leat/scope.h>
#include <leat/select.h>

#include <poll.h>

static struct leat_scope *scope;

static void cancels(void *arg)
{
	(void)arg;
	leat_scope_cancel(scope, 0, "enough");
}

/* --- waits --- */

MODEL(watch_sleep, .what = "a sleep in a scope ends with the scope's cancel", .preemptions = 3,
      .stale = 2)
{
	scope = leat_scope_open(NULL, NULL);
	verify_spawn(cancels, NULL, "canceller");
	verify_that(leat_scope_sleep(scope, LEAT_NEVER) == -ECANCELED);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(watch_select, .what = "a select on a scope ends with the scope's cancel", .preemptions = 2,
      .stale = 1)
{
	struct leat_scope *child;
	struct leat_case cases[2];

	scope = leat_scope_open(NULL, NULL);
	child = leat_scope_open(scope, NULL);
	cases[0] = (struct leat_case)LEAT_CASE_SCOPE(child);
	cases[1] = (struct leat_case)LEAT_CASE_SCOPE(NULL);
	verify_spawn(cancels, NULL, "canceller");
	verify_that(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY) == 0);
	verify_that(cases[0].answer == -ECANCELED);
	verify_join();
	verify_that(leat_scope_close(child) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(watch_fd, .what = "a scope's descriptor, made while the scope is cancelled, is readable",
      .preemptions = 2, .stale = 1)
{
	struct pollfd polled = { .events = POLLIN };

	scope = leat_scope_open(NULL, NULL);
	verify_spawn(cancels, NULL, "canceller");
	polled.fd = leat_scope_fd(scope);
	verify_that(polled.fd >= 0);
	while (leat_os_poll(&polled, 1, LEAT_NEVER) == 0)
		;
	verify_that(polled.revents == POLLIN);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
}

/* --- functions that a cancel calls --- */

static uint32_t ran, inside;

static void counts(void *arg)
{
	(void)arg;
	verify_that(leat_scope_join(scope) == -EDEADLK);
	leat_store_rlx(&inside, 1);
	leat_add_acqrel(&ran, 1);
	leat_store_rlx(&inside, 0);
}

MODEL(hook_remove_against_cancel,
      .what = "what leat_hook_remove() returns is what happened, and it is over", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	struct leat_hook *hook;
	int rc, removed = 0;

	scope = leat_scope_open(NULL, NULL);
	verify_spawn(cancels, NULL, "canceller");
	rc = leat_scope_on_cancel(scope, counts, NULL, &hook);
	verify_that(rc == 0 || rc == -ECANCELED);
	if (rc == 0) {
		removed = leat_hook_remove(hook);
		verify_that(removed == (int)leat_load_acq(&ran));
		verify_that(leat_load_rlx(&inside) == 0);
	}
	verify_join();
	verify_that(leat_load_rlx(&ran) == (uint32_t)removed);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(hook_close_against_cancel, .what = "a close waits until the function has run, which is once",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_scope_on_cancel(scope, counts, NULL, NULL) == 0);
	verify_spawn(cancels, NULL, "canceller");
	/* as a thread that the cancel has woken: the canceller may still be in its call */
	while (leat_scope_cause(scope, NULL, NULL) == LEAT_RUNNING)
		leat_pause();
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_load_rlx(&ran) == 1 && leat_load_rlx(&inside) == 0);
	verify_join();
	verify_that(leat_load_rlx(&ran) == 1);
}

MODEL(hook_failure_against_close,
      .what = "a failure leaves the function to the runner, or to the close that comes before it",
      .preemptions = 1, .stale = 1, .quick = VERIFY_NONE)
{
	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_scope_on_cancel(scope, counts, NULL, NULL) == 0);
	leat_scope_fail(scope, -EIO, "broken", NULL, NULL);
	verify_that(leat_scope_close(scope) == -EIO);
	verify_that(leat_load_rlx(&ran) == 1 && leat_load_rlx(&inside) == 0);
}

static void wakes(void *arg)
{
	leat_store_rel((uint32_t *)arg, 1);
	leat_os_futex_wake(arg, 1);
}

MODEL(hook_failure_runs, .what = "a failure wakes the runner, which runs the function",
      .preemptions = 2, .stale = 1)
{
	static uint32_t woken;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_scope_on_cancel(scope, wakes, &woken, NULL) == 0);
	leat_scope_fail(scope, -EIO, "broken", NULL, NULL);
	while (leat_load_acq(&woken) == 0)
		leat_os_futex_wait(&woken, 0, LEAT_NEVER);
	verify_that(leat_scope_close(scope) == -EIO);
}

/* --- semaphores --- */

static struct leat_sem *sem;
static uint32_t granted;

static void gives_up(void *arg)
{
	int rc = leat_sem_acquire(sem, 2, scope, LEAT_NEVER);

	(void)arg;
	verify_that(rc == 0 || rc == -ECANCELED);
	if (rc == 0)
		verify_that(leat_sem_release(sem, 2) == 0);
}

static void waits_for_one(void *arg)
{
	(void)arg;
	verify_that(leat_sem_acquire(sem, 1, NULL, LEAT_NEVER) == 0);
	leat_add_acqrel(&granted, 1);
	verify_that(leat_sem_release(sem, 1) == 0);
}

MODEL(sem_cancel_loses_nothing,
      .what = "the first of the queue is cancelled: the one behind it gets its permit; in the end "
              "all are there",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	scope = leat_scope_open(NULL, NULL);
	sem = leat_sem_open(2);
	verify_that(leat_sem_try(sem, 1) == 0);
	verify_spawn(gives_up, NULL, "two");
	verify_spawn(waits_for_one, NULL, "one");
	leat_scope_cancel(scope, 0, NULL);
	verify_join();
	verify_that(leat_load_rlx(&granted) == 1);
	verify_that(sem->there == 1);
	verify_that(leat_sem_release(sem, 1) == 0 && leat_sem_try(sem, 2) == 0);
	verify_that(leat_sem_close(sem) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(sem_cancel_wakes, .what = "an acquire in a scope ends with the scope's cancel",
      .preemptions = 1, .stale = 1, .short_pauses = true)
{
	scope = leat_scope_open(NULL, NULL);
	sem = leat_sem_open(2);
	verify_that(leat_sem_try(sem, 1) == 0);
	verify_spawn(cancels, NULL, "canceller");
	verify_that(leat_sem_acquire(sem, 2, scope, LEAT_NEVER) == -ECANCELED);
	verify_join();
	verify_that(sem->there == 1);
	verify_that(leat_sem_close(sem) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

static void waits_until(void *arg)
{
	int rc = leat_sem_acquire(sem, 1, NULL, 2000);

	(void)arg;
	verify_that(rc == 0 || rc == -ETIMEDOUT);
	if (rc == 0)
		leat_add_acqrel(&granted, 1);
}

MODEL(sem_deadline_loses_nothing,
      .what = "a permit is given back in the moment of a time-out: it is taken or there",
      .preemptions = 2, .stale = 1, .idle_ns = 2000 - VERIFY_START_NS)
{
	verify_instant(2000);
	sem = leat_sem_open(1);
	verify_that(leat_sem_try(sem, 1) == 0);
	verify_spawn(waits_until, NULL, "waiter");
	verify_that(leat_sem_release(sem, 1) == 0);
	verify_join();
	verify_that(sem->there + leat_load_rlx(&granted) == 1);
	verify_that(leat_sem_close(sem) == 0);
}

/* --- rates --- */

static struct leat_rate *rate;

static void takes_in_scope(void *arg)
{
	int rc = leat_rate_take(rate, 1, scope, LEAT_NEVER);

	(void)arg;
	verify_that(rc == 0 || rc == -ECANCELED);
}

MODEL(rate_change_wakes,
      .what = "a waiter whose permit is due sooner after a change does not sleep on",
      .preemptions = 2, .stale = 1, .idle_ns = 2000)
{
	rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 0.001 });
	verify_that(leat_rate_try(rate, 1) == 0);
	scope = NULL;
	verify_spawn(takes_in_scope, NULL, "taker");
	verify_that(leat_rate_set(rate, 1e9, 1) == 0);
	verify_join();
	verify_that(leat_rate_close(rate) == 0);
}

MODEL(rate_cancel_wakes, .what = "a take in a scope ends with the scope's cancel", .preemptions = 2,
      .stale = 1)
{
	rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 0.001 });
	verify_that(leat_rate_try(rate, 1) == 0);
	scope = leat_scope_open(NULL, NULL);
	verify_spawn(takes_in_scope, NULL, "taker");
	leat_scope_cancel(scope, 0, NULL);
	verify_join();
	verify_that(leat_rate_close(rate) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

static void takes(void *arg)
{
	(void)arg;
	verify_that(leat_rate_take(rate, 1, NULL, LEAT_NEVER) == 0);
}

MODEL(rate_cancel_moves,
      .what = "a waiter behind one that is cancelled does not sleep until its permit was due "
              "before",
      .preemptions = 2, .stale = 1, .quick = 1, .idle_ns = 10000)
{
	rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 1e5 });
	verify_that(leat_rate_try(rate, 1) == 0);
	scope = leat_scope_open(NULL, NULL);
	verify_spawn(takes_in_scope, NULL, "first");
	verify_spawn(takes, NULL, "second");
	leat_scope_cancel(scope, 0, NULL);
	verify_join();
	verify_that(leat_rate_close(rate) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

/* --- breakers --- */

static struct leat_breaker *breaker;
static uint32_t probes, busy;

static void probes_once(void *arg)
{
	uint64_t ticket;
	int rc = leat_breaker_enter(breaker, &ticket);

	(void)arg;
	verify_that(rc == 0 || rc == -EBUSY);
	leat_add_acqrel(rc == 0 ? &probes : &busy, 1);
}

MODEL(breaker_one_probe, .what = "of three threads that find it half open one may probe",
      .preemptions = 2, .stale = 1, .idle_ns = 1000)
{
	uint32_t never = 0;
	uint64_t ticket;

	breaker = leat_breaker_new(
		&(struct leat_breaker_opts){ .failures = 1, .open_ns = 1000, .probes = 1 });
	verify_that(leat_breaker_enter(breaker, &ticket) == 0);
	leat_breaker_leave(breaker, ticket, -EIO);
	leat_os_futex_wait(&never, 0, VERIFY_START_NS + 1000);
	verify_that(leat_breaker_now(breaker) == LEAT_BREAKER_HALF_OPEN);
	verify_spawn(probes_once, NULL, "second");
	verify_spawn(probes_once, NULL, "third");
	probes_once(NULL);
	verify_join();
	verify_that(leat_load_rlx(&probes) == 1 && leat_load_rlx(&busy) == 2);
	leat_breaker_free(breaker);
}
