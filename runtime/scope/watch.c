/*
 * Waits for the cancel of a scope: asleep until a time, or by a descriptor. And for the stop that
 * ends a source.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/scope/watch.h"
#include "runtime/event/wait.h"
#include "runtime/scope/tree.h"

/*
 * Caller holds the tree's lock. So the waiter, which detaches the hook before it returns, has not
 * returned yet.
 */
static void notify_watcher(struct leat_scope_hook *hook, const void *spared)
{
	struct leat_scope_watch *watch = leat_container_of(hook, struct leat_scope_watch, hook);
	uint32_t *word = leat_sleeper_notify(watch->sleeper);

	(void)spared;
	if (word != NULL)
		leat_os_futex_wake(word, 1);
}

static void notify_source(struct leat_scope_hook *hook)
{
	notify_watcher(hook, NULL);
}

/* stop: called at a stop, or NULL. */
static void watch_scope(struct leat_scope_watch *watch, struct leat_scope *scope,
                        struct leat_sleeper *sleeper, void (*stop)(struct leat_scope_hook *hook))
{
	watch->hook.cancel = notify_watcher;
	watch->hook.stop = stop;
	watch->hook.untold = NULL;
	watch->sleeper = sleeper;
	watch->scope = NULL;
	if (scope != NULL && leat_scope_attach(scope, &watch->hook) == 0)
		watch->scope = scope;
}

void leat_scope_watch(struct leat_scope_watch *watch, struct leat_scope *scope,
                      struct leat_sleeper *sleeper)
{
	watch_scope(watch, scope, sleeper, NULL);
}

void leat_scope_unwatch(struct leat_scope_watch *watch)
{
	if (watch->scope != NULL)
		leat_scope_detach(watch->scope, &watch->hook);
	watch->scope = NULL;
}

void leat_source_watch(struct leat_source_watch *watch, const struct leat_scope *watched,
                       struct leat_sleeper *sleeper)
{
	struct leat_scope *own = NULL, *of_output = NULL;

	if (leat_scope_runs_source()) {
		own = leat_scope_current;
		of_output = leat_scope_of_output;
	}
	watch_scope(&watch->own, own != watched ? own : NULL, sleeper, notify_source);
	watch_scope(&watch->of_output, of_output != watched && of_output != own ? of_output : NULL,
	            sleeper, notify_source);
}

void leat_source_unwatch(struct leat_source_watch *watch)
{
	leat_scope_unwatch(&watch->own);
	leat_scope_unwatch(&watch->of_output);
}

void leat_wait_watch(struct leat_wait_watch *watch, struct leat_scope *scope,
                     struct leat_sleeper *sleeper)
{
	/*
	 * In a scope that is stopping the attach itself notifies. No other thread than a source's
	 * may be woken by that: its recheck would find nothing, and it would attach again at once.
	 */
	watch_scope(&watch->scope, scope, sleeper, leat_scope_runs_source() ? notify_source : NULL);
	leat_source_watch(&watch->source, scope, sleeper);
}

void leat_wait_unwatch(struct leat_wait_watch *watch)
{
	leat_scope_unwatch(&watch->scope);
	leat_source_unwatch(&watch->source);
}

/* --- a sleep --- */

struct scope_sleep {
	struct leat_wait_loop loop;
	struct leat_wait_watch watch;
	struct leat_scope *scope;
};

static struct scope_sleep *scope_sleep_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct scope_sleep, loop);
}

static ssize_t scope_sleep_attempt(struct leat_wait_loop *w)
{
	int refusal = leat_scope_wait_refusal(scope_sleep_of(w)->scope);

	return refusal != 0 ? refusal : -EAGAIN;
}

static void scope_sleep_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)now_ns;
	leat_scope_expire(scope_sleep_of(w)->scope);
}

static void scope_sleep_prepare(struct leat_wait_loop *w)
{
	leat_wait_watch(&scope_sleep_of(w)->watch, scope_sleep_of(w)->scope, &w->sleeper);
}

/* The cancel is no work that another waiter could do: there is nothing to forward. */
static bool scope_sleep_retire(struct leat_wait_loop *w)
{
	leat_wait_unwatch(&scope_sleep_of(w)->watch);
	return false;
}

static const struct leat_wait_ops scope_sleep_ops = {
	.attempt = scope_sleep_attempt,
	.expire = scope_sleep_expire,
	.prepare = scope_sleep_prepare,
	.retire = scope_sleep_retire,
};

int leat_scope_sleep(struct leat_scope *scope, int64_t deadline_ns)
{
	struct scope_sleep sleep;
	int rc;

	if (scope == NULL)
		return -EINVAL;
	rc = leat_scope_wait_refusal(scope);
	if (rc < 0)
		return rc;
	sleep = (struct scope_sleep){
		.loop = {
			.ops = &scope_sleep_ops,
			.policy = LEAT_WAIT_PARK,
			.time = LEAT_TIME_PACED,
			.waits_for = LEAT_PACED_TIME,
			.weight = 1,
			.deadline_ns = deadline_ns,
			.scopes_ns = leat_scope_deadline(scope),
			.sleeper = LEAT_SLEEPER_INIT,
		},
		.scope = scope,
	};
	rc = (int)leat_wait_for(&sleep.loop);
	return rc == -ETIMEDOUT ? 0 : rc;
}

/* --- the descriptor --- */

/* Made by the first leat_scope_fd(); guarded by the tree's lock until the close. */
struct leat_scope_flag {
	struct leat_scope_hook hook;
	int fd;
	bool attached;
};

static void raise_scope_flag(struct leat_scope_hook *hook, const void *spared)
{
	(void)spared;
	leat_os_flag_raise(leat_container_of(hook, struct leat_scope_flag, hook)->fd);
}

static struct leat_scope_flag *open_scope_flag(int *rc)
{
	struct leat_scope_flag *flag = leat_os_alloc(sizeof(*flag), 0);

	*rc = flag == NULL ? -ENOMEM : leat_os_flag_open();
	if (*rc >= 0) {
		flag->fd = *rc;
		flag->hook.cancel = raise_scope_flag;
		return flag;
	}
	leat_os_free(flag);
	return NULL;
}

/* Gives the scope its flag, or closes it where another thread has given the scope one. */
static int install_scope_flag(struct leat_scope *scope, struct leat_scope_flag *flag)
{
	struct leat_scope_flag *other;

	lock_tree(scope);
	other = scope->flag;
	if (other == NULL)
		scope->flag = flag;
	unlock_tree(scope);
	if (other != NULL) {
		leat_os_flag_close(flag->fd);
		leat_os_free(flag);
		return other->fd;
	}
	flag->attached = leat_scope_attach(scope, &flag->hook) == 0;
	if (!flag->attached)
		leat_os_flag_raise(flag->fd);
	return flag->fd;
}

int leat_scope_fd(struct leat_scope *scope)
{
	struct leat_scope_flag *flag;
	int rc;

	if (scope == NULL)
		return -EINVAL;
	lock_tree(scope);
	flag = scope->flag;
	unlock_tree(scope);
	if (flag != NULL)
		return flag->fd;
	flag = open_scope_flag(&rc);
	return flag == NULL ? rc : install_scope_flag(scope, flag);
}

void leat_scope_close_flag(struct leat_scope *scope)
{
	struct leat_scope_flag *flag = scope->flag;

	if (flag == NULL)
		return;
	scope->flag = NULL;
	if (flag->attached)
		leat_scope_detach(scope, &flag->hook);
	leat_os_flag_close(flag->fd);
	leat_os_free(flag);
}
