/*
 * Parts of the workload: rates, semaphores and breakers, and what a scope tells of its cancel.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "workload.h"

#include <leat/atomic.h>
#include <leat/leat.h>
#include <poll.h>
#include <string.h>

enum { GRANTS = 40, PERMITS = 2, WORKERS = 3, HOOKS = 4 };

/* --- rates --- */

struct paced {
	struct leat_rate *quick, *slow;
	uint64_t sent, received;
	int64_t due_ns;
	int last;
};

/* At the end it waits for a permit that comes in hours. */
static int send_at_a_pace(struct leat_tx *out, void *arg)
{
	struct paced *paced = arg;
	int rc = 0;

	while (rc == 0 && paced->sent < GRANTS) {
		rc = leat_rate_take(paced->quick, 1, leat_tx_scope(out), LEAT_NEVER);
		if (rc == 0)
			rc = leat_send(out, &paced->sent);
		paced->sent += rc == 0;
	}
	paced->last = rc == 0 ? leat_rate_take(paced->slow, 1, leat_tx_scope(out), LEAT_NEVER) : rc;
	return paced->last;
}

static int next_at_a_pace(void *state, void *item)
{
	struct paced *paced = state;
	int rc = paced->sent == GRANTS ? 0 : leat_rate_after(paced->quick, 1, &paced->due_ns);

	if (rc != 0 || paced->sent == GRANTS)
		return rc;
	memcpy(item, &paced->sent, sizeof(paced->sent));
	paced->sent++;
	return 1;
}

static void receive_grants(struct paced *paced, struct leat_rx *rx)
{
	uint64_t item;

	while (paced->received < GRANTS && leat_recv(rx, &item) == 1)
		workload_that(item == paced->received++);
}

static int pace_in_steps(struct paced *paced, struct leat_scope *scope)
{
	struct leat_seq seq = { next_at_a_pace, NULL, paced, sizeof(uint64_t) };
	struct leat_gen_opts opts = { .pool = leat_pool_open(
					      &(struct leat_pool_opts){ .workers = 1 }) };
	struct leat_rx *rx;
	int rc = WORKLOAD_NOTHING;

	if (opts.pool != NULL)
		rc = leat_gen_seq(scope, seq, &opts, &rx);
	if (rc == 0) {
		receive_grants(paced, rx);
		leat_rx_close(rx);
		rc = leat_scope_join(scope);
		workload_that(paced->sent == paced->received);
	}
	leat_scope_close(scope);
	workload_that(leat_pool_close(opts.pool) == 0);
	return rc;
}

/* The cancel ends the wait, in which nothing was taken. */
static int pace_on_a_thread(struct paced *paced, struct leat_scope *scope)
{
	struct leat_rx *rx;
	int rc = leat_gen(scope, send_at_a_pace, paced, sizeof(uint64_t), NULL, &rx);

	if (rc == 0) {
		receive_grants(paced, rx);
		workload_that(paced->received == GRANTS);
		leat_scope_cancel(scope, 0, "enough");
		workload_that(leat_scope_join(scope) == 0);
		workload_that(paced->sent == GRANTS && paced->last == -ECANCELED);
		leat_rx_close(rx);
	}
	workload_that(leat_scope_close(scope) == 0);
	return rc;
}

static int pace(int (*run)(struct paced *paced, struct leat_scope *scope))
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct paced paced = {
		.quick = leat_rate_open(&(struct leat_rate_opts){ .per_second = 1e6, .burst = 3 }),
		.slow = leat_rate_open(&(struct leat_rate_opts){ .per_second = 1e-4 }),
	};
	int rc = WORKLOAD_NOTHING;

	if (scope != NULL && paced.quick != NULL && paced.slow != NULL) {
		workload_that(leat_rate_try(paced.slow, 1) == 0);
		rc = run(&paced, scope);
	} else {
		leat_scope_close(scope);
	}
	workload_that(leat_rate_close(paced.quick) == 0);
	workload_that(leat_rate_close(paced.slow) == 0);
	return rc;
}

int workload_rate(void)
{
	return pace(pace_on_a_thread);
}

int workload_rate_in_steps(void)
{
	return pace(pace_in_steps);
}

/* --- a semaphore --- */

struct permits {
	struct leat_sem *sem;
	uint32_t out; /* atomic: that are held now */
	uint64_t made;
};

static void hold(struct permits *permits, uint32_t n)
{
	workload_that(leat_add_acqrel(&permits->out, n) + n <= PERMITS);
}

static void give_back(struct permits *permits, uint32_t n)
{
	leat_add_acqrel(&permits->out, -n);
	workload_that(leat_sem_release(permits->sem, n) == 0);
}

static int hold_permits(struct leat_tx *out, void *arg)
{
	struct permits *permits = arg;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < GRANTS; i++) {
		uint32_t n = 1 + i % PERMITS;

		rc = leat_sem_acquire(permits->sem, n, leat_tx_scope(out), LEAT_NEVER);
		if (rc != 0)
			break;
		hold(permits, n);
		give_back(permits, n);
	}
	return rc;
}

/* The permit goes with the item, and is given back by the receiver. */
static int next_with_a_permit(void *state, void *item)
{
	struct permits *permits = state;
	int rc = permits->made == GRANTS ? 0 : leat_sem_after(permits->sem, 1);

	if (rc != 0 || permits->made == GRANTS)
		return rc;
	hold(permits, 1);
	memcpy(item, &permits->made, sizeof(permits->made));
	permits->made++;
	return 1;
}

static int take_permits(struct permits *permits, struct leat_scope *scope, struct leat_pool *pool)
{
	struct leat_seq seq = { next_with_a_permit, NULL, permits, sizeof(uint64_t) };
	struct leat_gen_opts opts = { .pool = pool };
	struct leat_rx *rx;
	uint64_t item, received = 0;
	int rc = 0, result = 0;

	for (int i = 0; i < WORKERS; i++) {
		rc = leat_gen(scope, hold_permits, permits, 0, NULL, NULL);
		result = rc != 0 ? rc : result;
	}
	rc = leat_gen_seq(scope, seq, &opts, &rx);
	result = rc != 0 ? rc : result;
	/* a failure of the seq leaves what it has made; no other generator fails */
	while (rx != NULL && leat_recv(rx, &item) == 1) {
		received++;
		give_back(permits, 1);
	}
	leat_rx_close(rx);
	rc = leat_scope_join(scope);
	workload_that(rc == 0 || rc == workload_expected());
	workload_that(permits->made == received);
	return result != 0 ? result : rc;
}

/* Whatever failed, all permits are there again. */
int workload_sem(void)
{
	struct permits permits = { .sem = leat_sem_open(PERMITS) };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	int rc = WORKLOAD_NOTHING;

	if (permits.sem != NULL && scope != NULL && pool != NULL)
		rc = take_permits(&permits, scope, pool);
	leat_scope_close(scope);
	workload_that(leat_pool_close(pool) == 0);
	if (permits.sem != NULL) {
		workload_that(leat_sem_try(permits.sem, PERMITS) == 0);
		workload_that(leat_sem_release(permits.sem, PERMITS) == 0);
	}
	workload_that(leat_sem_close(permits.sem) == 0);
	return rc;
}

/* --- a breaker --- */

int workload_breaker(void)
{
	struct leat_breaker_opts opts = { .failures = 2, .open_ns = INT64_C(3600000000000) };
	struct leat_breaker *breaker = leat_breaker_new(&opts);
	uint64_t ticket;

	if (breaker == NULL)
		return WORKLOAD_NOTHING;
	for (int i = 0; i < 2; i++) {
		workload_that(leat_breaker_now(breaker) == LEAT_BREAKER_CLOSED);
		workload_that(leat_breaker_enter(breaker, &ticket) == 0);
		leat_breaker_leave(breaker, ticket, -EIO);
	}
	workload_that(leat_breaker_enter(breaker, &ticket) == -EBUSY);
	leat_breaker_free(breaker);
	return 0;
}

/* --- hooks --- */

struct called {
	struct leat_hook *hook;
	uint32_t times; /* atomic */
	int rc;
};

static void count_call(void *arg)
{
	leat_add_acqrel(&((struct called *)arg)->times, 1u);
}

/* The second half of them are the library's to free. Returns 0, or what one could not be had for.
 */
static int add_hooks(struct called called[HOOKS], struct leat_scope *outer,
                     struct leat_scope *inner)
{
	int rc = 0;

	for (int i = 0; i < HOOKS; i++) {
		called[i].rc = leat_scope_on_cancel(i & 1 ? inner : outer, count_call, &called[i],
		                                    i < HOOKS / 2 ? &called[i].hook : NULL);
		workload_that((called[i].hook != NULL) == (called[i].rc == 0 && i < HOOKS / 2));
		if (called[i].rc != 0)
			rc = called[i].rc;
	}
	return rc;
}

static int fail_as_expected(struct leat_tx *out, void *arg)
{
	(void)out, (void)arg;
	return -EBADMSG;
}

/* Each function that could be had runs once, or was removed before. */
static int run_hooks(struct leat_scope *outer, struct leat_scope *inner, bool by_failure)
{
	struct called called[HOOKS] = { 0 };
	int rc = add_hooks(called, outer, inner), started = -1, ran;

	workload_that(leat_hook_remove(called[0].hook) == 0);
	if (by_failure)
		started = leat_gen(outer, fail_as_expected, NULL, 0, NULL, NULL);
	if (started == 0)
		workload_that(leat_scope_join(outer) == -EBADMSG);
	else
		leat_scope_cancel(outer, 0, "enough");
	ran = leat_hook_remove(called[1].hook);
	workload_that(ran == (int)leat_load_acq(&called[1].times));
	workload_that(leat_scope_close(inner) == (started == 0 ? -EBADMSG : 0));
	workload_that(leat_scope_close(outer) == (started == 0 ? -EBADMSG : 0));
	workload_that(called[0].times == 0);
	/* a failure has its hooks run by another thread, which the remove may have been ahead of */
	workload_that(ran == (called[1].rc == 0) || started == 0);
	for (int i = HOOKS / 2; i < HOOKS; i++)
		workload_that(called[i].times == (called[i].rc == 0));
	return rc != 0 || !by_failure ? rc : started;
}

static int hooks(bool by_failure)
{
	struct leat_scope *outer = leat_scope_open(NULL, NULL), *inner = NULL;

	if (outer != NULL)
		inner = leat_scope_open(outer, NULL);
	if (inner != NULL)
		return run_hooks(outer, inner, by_failure);
	leat_scope_close(outer);
	return WORKLOAD_NOTHING;
}

int workload_hooks(void)
{
	return hooks(false);
}

int workload_hooks_of_a_failure(void)
{
	return hooks(true);
}

/* --- a scope's descriptor --- */

static int cancel_own_scope(struct leat_tx *out, void *arg)
{
	(void)arg;
	leat_scope_cancel(leat_tx_scope(out), 0, "enough");
	return 0;
}

/* It is there or not, and later calls answer the same, or try again. */
static int run_scope_fd(struct leat_scope *scope)
{
	int fd = leat_scope_fd(scope), rc = leat_gen(scope, cancel_own_scope, NULL, 0, NULL, NULL);
	struct leat_case cases[] = { LEAT_CASE_FD(fd, POLLIN) };
	int result = fd < 0 ? fd : rc, done;

	if (rc != 0)
		leat_scope_cancel(scope, 0, "enough");
	if (fd >= 0) {
		workload_that(leat_scope_fd(scope) == fd);
		done = leat_select(cases, 1, LEAT_NEVER, LEAT_BY_CHANCE);
		result = done < 0 ? done : result;
		workload_that(leat_scope_join(scope) == 0);
	} else {
		workload_that(leat_scope_join(scope) == 0);
		fd = leat_scope_fd(scope);
	}
	if (fd >= 0)
		workload_that(poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1);
	return result;
}

int workload_scope_fd(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int rc;

	if (scope == NULL)
		return WORKLOAD_NOTHING;
	rc = run_scope_fd(scope);
	workload_that(leat_scope_close(scope) == 0);
	return rc;
}
