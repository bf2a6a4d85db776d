/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/scope/hook.h"
#include "runtime/event/event.h"
#include "runtime/event/times.h"
#include "runtime/scope/tree.h"
#include "runtime/scope/watch.h"

enum hook_state { HOOK_ARMED, HOOK_CALLED, HOOK_RUNNING, HOOK_OVER };

struct leat_hook {
	struct leat_scope_hook hook;
	struct leat_scope *scope;
	void (*fn)(void *arg);
	void *arg;
	bool owned; /* the program has it, and removes it; else it is freed once it has run */
	/* guarded by the lock: */
	enum hook_state state;
	bool for_runner; /* CALLED: the runner runs it, if no close or cancel comes first */
	struct leat_hook *prev, *next;
	struct leat_hook *outer; /* RUNNING: the hook whose function its thread runs around it */
};

/* Each runner has a word of its own, as one that was stopped may still end when the next begins. */
struct hook_runner {
	struct leat_thread thread;
	bool stop;
};

static struct leat_mutex hooks_lock = LEAT_MUTEX_INIT;
static struct leat_cond hooks_changed; /* a hook was called for the runner, or is over; a stop */
static bool hooks_changed_made;
static struct leat_hook called = { .prev = &called, .next = &called };
static size_t alive_count; /* hooks that are not OVER */
static struct hook_runner *runner;
/* 1 while there is a runner; else no hook is CALLED or RUNNING */
static uint32_t hooks_exist;

static LEAT_TLS struct leat_hook *running; /* the innermost one of this thread */
static LEAT_TLS bool runs_called;          /* this thread is inside leat_hooks_cancel_begin() */
static LEAT_TLS struct hook_runner *running_as; /* the runner that this thread is; NULL: none */

/* Caller holds the lock. */
static void list_called(struct leat_hook *hook)
{
	hook->next = &called;
	hook->prev = called.prev;
	hook->prev->next = called.prev = hook;
}

static void unlist_called(struct leat_hook *hook)
{
	hook->prev->next = hook->next;
	hook->next->prev = hook->prev;
}

/*
 * Called by a cancel, which holds the tree's lock; perhaps again, after a failure that spared
 * another hook.
 */
static void call_hook(struct leat_scope_hook *scope_hook, const void *spared)
{
	struct leat_hook *hook = leat_container_of(scope_hook, struct leat_hook, hook);

	(void)spared;
	leat_mutex_lock(&hooks_lock);
	if (hook->state == HOOK_ARMED) {
		hook->state = HOOK_CALLED;
		hook->for_runner = !runs_called;
		list_called(hook);
		if (hook->for_runner)
			leat_cond_broadcast(&hooks_changed);
	}
	leat_mutex_unlock(&hooks_lock);
}

/*
 * Caller holds the lock, which is released while the function runs. Afterwards the scope may be
 * gone: its close waits until this stores OVER.
 */
static void run_hook(struct leat_hook *hook)
{
	hook->state = HOOK_RUNNING;
	hook->outer = running;
	running = hook;
	leat_mutex_unlock(&hooks_lock);
	hook->fn(hook->arg);
	leat_scope_detach(hook->scope, &hook->hook);
	leat_mutex_lock(&hooks_lock);
	running = hook->outer;
	unlist_called(hook);
	hook->state = HOOK_OVER;
	alive_count--;
	leat_cond_broadcast(&hooks_changed);
	if (!hook->owned)
		leat_os_free(hook);
}

/* Caller holds the lock. A hook on the list holds its scope, or its scope's close waits for it. */
static struct leat_hook *find_called(const struct leat_scope *top, enum hook_state state)
{
	struct leat_hook *hook = called.next;

	while (hook != &called && (hook->state != state || !is_below(hook->scope, top)))
		hook = hook->next;
	return hook == &called ? NULL : hook;
}

static struct leat_hook *find_for_runner(void)
{
	struct leat_hook *hook = called.next;

	while (hook != &called && (hook->state != HOOK_CALLED || !hook->for_runner))
		hook = hook->next;
	return hook == &called ? NULL : hook;
}

static void run_called_hooks(const struct leat_scope *top)
{
	struct leat_hook *hook;

	leat_mutex_lock(&hooks_lock);
	while ((hook = find_called(top, HOOK_CALLED)) != NULL)
		run_hook(hook);
	leat_mutex_unlock(&hooks_lock);
}

/* --- the runner --- */

static void run_hooks(void *arg)
{
	struct hook_runner *self = arg;

	running_as = self;
	leat_mutex_lock(&hooks_lock);
	while (!self->stop) {
		struct leat_hook *hook = find_for_runner();

		if (hook != NULL)
			run_hook(hook);
		else
			leat_cond_wait(&hooks_changed, &hooks_lock);
	}
	leat_mutex_unlock(&hooks_lock);
}

/* Caller holds the lock. Returns 0 or -errno. */
static int ensure_runner(void)
{
	struct hook_runner *made;
	int rc;

	if (runner != NULL)
		return 0;
	if (!hooks_changed_made)
		leat_cond_init(&hooks_changed);
	hooks_changed_made = true;
	made = leat_os_alloc(sizeof(*made), 0);
	if (made == NULL)
		return -ENOMEM;
	rc = leat_thread_start(&made->thread, run_hooks, made, "leat-hooks", 0);
	if (rc < 0) {
		leat_os_free(made);
		return rc;
	}
	runner = made;
	/* rlx: the tree's lock orders it: a cancel that reaches the new hook takes it later */
	leat_store_rlx(&hooks_exist, 1);
	return 0;
}

/*
 * Caller holds the lock, which this releases. Stops the runner if no hook is left that could run,
 * but for a caller that is the runner itself: the next remove or close does it then.
 */
static void unlock_and_stop_idle(void)
{
	struct hook_runner *idle = NULL;

	if (alive_count == 0 && runner != running_as) {
		idle = runner;
		runner = NULL;
		leat_store_rlx(&hooks_exist, 0); /* rlx: no hook is left that a cancel could find */
	}
	if (idle != NULL) {
		idle->stop = true;
		leat_cond_broadcast(&hooks_changed);
	}
	leat_mutex_unlock(&hooks_lock);
	if (idle == NULL)
		return;
	leat_thread_join(&idle->thread);
	leat_os_free(idle);
}

/* --- what a cancel and a close call --- */

static bool may_have_hooks(void)
{
	/* rlx: the tree's lock, which the caller has taken, orders it */
	return leat_load_rlx(&hooks_exist) != 0;
}

void leat_hooks_cancel_begin(struct leat_scope *scope)
{
	lock_tree(scope);
	runs_called = true;
}

/*
 * The threads that the cancel woke may close the scope as soon as the tree is unlocked. The scope
 * is held, so that no other scope gets its memory, and this thread runs no function of another.
 */
void leat_hooks_cancel_end(struct leat_scope *scope)
{
	bool any = may_have_hooks();

	runs_called = false;
	scope->refs += any;
	unlock_tree(scope);
	if (!any)
		return;
	run_called_hooks(scope);
	leat_scope_let_go(scope);
}

bool leat_hooks_inside(const struct leat_scope *scope)
{
	const struct leat_hook *hook = running;

	while (hook != NULL && !is_below(hook->scope, scope))
		hook = hook->outer;
	return hook != NULL;
}

bool leat_hooks_running(const struct leat_scope *scope)
{
	bool any;

	leat_mutex_lock(&hooks_lock);
	any = find_called(scope, HOOK_RUNNING) != NULL;
	leat_mutex_unlock(&hooks_lock);
	return any;
}

/* Caller holds the lock, which is released meanwhile, and waits for a function to be over. */
static void wait_for_hook(void)
{
	enum leat_time outer = leat_times_begin(LEAT_TIME_STARVED);

	leat_cond_wait(&hooks_changed, &hooks_lock);
	leat_times_end(outer);
}

void leat_hooks_close(const struct leat_scope *scope)
{
	struct leat_hook *hook;

	if (!may_have_hooks())
		return;
	leat_mutex_lock(&hooks_lock);
	for (;;) {
		if ((hook = find_called(scope, HOOK_CALLED)) != NULL)
			run_hook(hook);
		else if (find_called(scope, HOOK_RUNNING) != NULL)
			wait_for_hook();
		else
			break;
	}
	unlock_and_stop_idle();
}

/* --- what programs call --- */

static struct leat_hook *create_hook(struct leat_scope *scope, void (*fn)(void *arg), void *arg)
{
	struct leat_hook *hook = leat_os_alloc(sizeof(*hook), 0);

	if (hook == NULL)
		return NULL;
	hook->hook.cancel = call_hook;
	hook->scope = scope;
	hook->fn = fn;
	hook->arg = arg;
	hook->state = HOOK_ARMED;
	return hook;
}

/* Counts a hook that is about to be attached. Returns 0, or what the runner could not start for. */
static int count_hook(void)
{
	int rc;

	leat_mutex_lock(&hooks_lock);
	rc = ensure_runner();
	alive_count += rc == 0;
	leat_mutex_unlock(&hooks_lock);
	return rc;
}

static void discount_hook(void)
{
	leat_mutex_lock(&hooks_lock);
	alive_count--;
	unlock_and_stop_idle();
}

int leat_scope_on_cancel(struct leat_scope *scope, void (*fn)(void *arg), void *arg,
                         struct leat_hook **hook)
{
	struct leat_hook *made;
	int rc;

	if (hook != NULL)
		*hook = NULL;
	if (scope == NULL || fn == NULL)
		return -EINVAL;
	rc = leat_scope_refusal(scope);
	if (rc < 0)
		return rc;
	made = create_hook(scope, fn, arg);
	if (made == NULL)
		return -ENOMEM;
	made->owned = hook != NULL;
	rc = count_hook();
	if (rc == 0) {
		if (hook != NULL)
			*hook = made; /* before the attach: the function may run at once */
		rc = leat_scope_attach(scope, &made->hook);
		if (rc < 0)
			discount_hook();
	}
	if (rc < 0) {
		if (hook != NULL)
			*hook = NULL;
		leat_os_free(made);
	}
	return rc;
}

static bool runs_here(const struct leat_hook *hook)
{
	const struct leat_hook *mine = running;

	while (mine != NULL && mine != hook)
		mine = mine->outer;
	return mine != NULL;
}

int leat_hook_remove(struct leat_hook *hook)
{
	bool ran;

	if (hook == NULL)
		return 0;
	leat_mutex_lock(&hooks_lock);
	if (hook->state == HOOK_RUNNING && (leat_must_not_wait > 0 || runs_here(hook))) {
		leat_mutex_unlock(&hooks_lock);
		return -EDEADLK;
	}
	while (hook->state == HOOK_RUNNING)
		wait_for_hook();
	ran = hook->state == HOOK_OVER;
	if (hook->state == HOOK_CALLED)
		unlist_called(hook);
	hook->state = HOOK_OVER; /* a cancel that reaches it before the detach does nothing */
	alive_count -= !ran;
	unlock_and_stop_idle();
	if (!ran)
		leat_scope_detach(hook->scope, &hook->hook);
	leat_os_free(hook);
	return ran;
}
