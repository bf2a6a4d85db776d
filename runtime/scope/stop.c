/*
 * Stops: leat_scope_stop(), and the deadline by which a stopped scope is to be drained.
 *
 * A stop cancels nothing. It marks the scope and each scope below (stopped_by), and calls the stop
 * hook of each channel and gen_set there, which tell their sources to end. The rest of the
 * generators end by themselves, as their inputs end.
 *
 *     S3  the stopper writes stop_text,  ->  S3  leat_scope_stopping() and others load stopped_by:
 *         then stores stopped_by                 the text is written
 *
 * The drain deadline is armed while `draining` is set. The timer cancels the scope if it finds it
 * set. Invariant: it is cleared in the moment in which no generator of the scope or below is left.
 * If it were cleared later, a deadline that passes in between would cancel a scope that has
 * drained, and what its last generators sent would be dropped. Therefore each thread that counts
 * generators off calls leat_scope_check_drained() before it releases the tree's lock. Leavers of a
 * gen_set take that lock while root->joiners is not 0, and each armed deadline counts there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/scope/tree.h"

#include <stdio.h>
#include <string.h>

LEAT_TLS struct leat_stop_mark *leat_scope_own_mark;
LEAT_TLS struct leat_scope *leat_scope_of_output;

/* Orders stops, which change timers: taken before any other lock. */
static struct leat_mutex stops = LEAT_MUTEX_INIT;

static bool is_drained(struct leat_scope *scope)
{
	leat_gen_sets_settle(scope);
	return scope->live == scope->exited;
}

/* Caller holds the tree's lock. */
static void count_joiner(struct leat_scope *root, uint32_t by)
{
	/* rlx: as in wait_for_all() */
	leat_store_rlx(&root->joiners, leat_load_rlx(&root->joiners) + by);
}

/* Caller holds the tree's lock. */
static void arm_drain(struct leat_scope *scope)
{
	if (scope->draining)
		return;
	scope->draining = true;
	scope->root->drains++;
	count_joiner(scope->root, 1); /* before is_drained() settles: see wait_for_all() */
}

/* Caller holds the tree's lock. */
static void disarm_drain(struct leat_scope *scope)
{
	if (!scope->draining)
		return;
	scope->draining = false;
	scope->root->drains--;
	count_joiner(scope->root, (uint32_t)-1);
}

void leat_scope_check_drained(struct leat_scope *scope)
{
	if (leat_likely(scope->root->drains == 0))
		return;
	for (; scope != NULL; scope = scope->parent)
		if (scope->draining && is_drained(scope))
			disarm_drain(scope);
}

/*
 * Finds a generator that was not told to end, as it is no source, and that is fed by nothing whose
 * end it could see. Of those that are equally likely the first one is taken.
 */
static enum leat_untold find_untold(struct leat_scope *top, char name[LEAT_NAME_MAX + 1])
{
	enum leat_untold found = LEAT_UNTOLD_NO;
	char other[LEAT_NAME_MAX + 1];

	for (struct leat_scope *scope = top; scope != NULL; scope = next_below(top, scope, true))
		for (struct leat_scope_hook *hook = scope->hooks.next; hook != &scope->hooks;
		     hook = hook->next) {
			enum leat_untold how =
				hook->untold != NULL ? hook->untold(hook, other) : LEAT_UNTOLD_NO;

			if (how <= found)
				continue;
			found = how;
			memcpy(name, other, sizeof(other));
		}
	return found;
}

/* Says no more than what was seen. */
static void describe_undrained(struct leat_scope *scope, char text[LEAT_TEXT_MAX + 1])
{
	char name[LEAT_NAME_MAX + 1];
	enum leat_untold how = find_untold(scope, name);

	if (how == LEAT_UNTOLD_NO)
		leat_text_copy(text, "not drained in time");
	else
		/* a name that is longer than what the sentence leaves is cut */
		snprintf(text, LEAT_TEXT_MAX + 1,
		         "not drained in time: \"%.54s\" is no source and was not seen to %s", name,
		         how == LEAT_UNTOLD_LIKELY ? "receive" : "wait for an item");
}

/*
 * The drain deadline has passed: cancels the scope, if a generator is left. Caller holds the tree's
 * lock.
 */
static void expire_drain(struct leat_scope *scope)
{
	char text[LEAT_TEXT_MAX + 1];

	if (!scope->draining)
		return;
	disarm_drain(scope);
	leat_scope_count_later(scope, 0);
	describe_undrained(scope, text);
	leat_scope_cancel_tree(scope, LEAT_DEADLINE, -ETIMEDOUT, text, NULL, NULL);
}

static void expire_by_timer(struct leat_timer *timer)
{
	struct leat_scope *scope = leat_container_of(timer, struct leat_scope, drain);

	lock_tree(scope);
	expire_drain(scope);
	unlock_tree(scope);
}

/* Caller holds the tree's lock. A scope that is stopping already has nothing new below. */
static void mark_stopped(struct leat_scope *top, const char *text)
{
	struct leat_scope *scope, *next;

	if (leat_load_rlx(&top->stopped_by) == NULL) /* rlx: the tree's lock is held */
		leat_text_copy(top->stop_text, text);
	for (scope = top; scope != NULL; scope = next) {
		bool descend = leat_load_rlx(&scope->stopped_by) == NULL; /* rlx: the same */

		if (descend) {
			/* S3: stop_text before it; pairs with leat_scope_stop_text() */
			leat_store_rel(&scope->stopped_by, top);
			for (struct leat_scope_hook *hook = scope->hooks.next;
			     hook != &scope->hooks; hook = hook->next)
				if (hook->stop != NULL)
					hook->stop(hook);
		}
		next = next_below(top, scope, descend);
	}
}

/*
 * Sets the timer of the drain deadline. It does nothing until the deadline is armed. Returns 0 or
 * -errno.
 */
static int set_drain_timer(struct leat_scope *scope, int64_t deadline_ns)
{
	int rc = 0;

	if (deadline_ns == LEAT_NEVER)
		return 0;
	if (scope->has_drain_timer) {
		leat_timer_advance(&scope->drain, deadline_ns);
		return 0;
	}
	scope->drain.due.due_ns = deadline_ns;
	scope->drain.fire = expire_by_timer;
	rc = leat_timer_add(&scope->drain);
	scope->has_drain_timer = rc == 0;
	return rc;
}

static int stop_scope(struct leat_scope *scope, int64_t drain_deadline_ns, const char *text)
{
	int rc = 0;

	if (drain_deadline_ns > leat_now_ns())
		rc = set_drain_timer(scope, drain_deadline_ns);

	if (rc < 0)
		return rc;
	lock_tree(scope);
	if (is_cancelled(scope)) {
		rc = -ECANCELED;
	} else {
		if (drain_deadline_ns != LEAT_NEVER)
			arm_drain(scope);
		leat_scope_check_drained(scope);
		/* it may have passed before it was armed, and then its timer has not seen it */
		if (drain_deadline_ns <= leat_now_ns())
			expire_drain(scope);
		mark_stopped(scope, text);
	}
	unlock_tree(scope);
	return rc;
}

int leat_scope_stop(struct leat_scope *scope, int64_t drain_deadline_ns, const char *text)
{
	int rc;

	if (scope == NULL)
		return -EINVAL;
	leat_mutex_lock(&stops);
	rc = stop_scope(scope, drain_deadline_ns, text);
	leat_mutex_unlock(&stops);
	return rc;
}

bool leat_scope_stopping(const struct leat_scope *scope)
{
	/* S3: pairs with mark_stopped() */
	return scope != NULL && leat_load_acq(&scope->stopped_by) != NULL;
}

bool leat_scope_stops_this_thread(const struct leat_scope *scope)
{
	if (!leat_scope_runs_source() ||
	    (!leat_scope_stopping(scope) && !leat_scope_stopping(leat_scope_current) &&
	     !leat_scope_stopping(leat_scope_of_output)))
		return false;
	leat_scope_own_mark->told = true;
	return true;
}

const char *leat_scope_stop_text(const struct leat_scope *scope)
{
	/* S3: pairs with mark_stopped() */
	const struct leat_scope *by = leat_load_acq(&scope->stopped_by);

	return by != NULL ? by->stop_text : "";
}

void leat_scope_stop_end(struct leat_scope *scope)
{
	lock_tree(scope);
	disarm_drain(scope);
	unlock_tree(scope);
	if (scope->has_drain_timer)
		leat_timer_remove(&scope->drain);
}
