/*
 * Generators of a scope, from begin to end, and the joins and closes that wait for them.
 *
 * Threads that have ended are on root->ended. A join takes one off that list, joins the thread, and
 * only then counts its generator off; a start of another generator does the same (reap), so that a
 * scope which is never joined does not gather threads.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/event/times.h"
#include "runtime/scope/hook.h"
#include "runtime/scope/tree.h"
#include "runtime/scope/watch.h"

LEAT_TLS struct leat_scope *leat_scope_current;
/* of a thread whose generator has ended (leat_scope_exit()); only compared */
static LEAT_TLS struct leat_ended *own_end;

int leat_scope_begin(struct leat_scope *scope)
{
	int rc = -ECANCELED;

	lock_tree(scope);
	if (!is_cancelled(scope)) {
		rc = 0;
		scope->refs++;
		count_live(scope, 1);
	}
	unlock_tree(scope);
	return rc;
}

/* exited: leat_scope_exit() has counted it as such. */
static void count_off(struct leat_scope *scope, bool exited)
{
	lock_tree(scope);
	count_live(scope, (size_t)-1);
	if (exited)
		count_exited(scope, (size_t)-1);
	leat_scope_check_drained(scope);
	leat_cond_broadcast(&scope->root->changed);
	unlock_tree(scope);
	leat_scope_let_go(scope);
}

void leat_scope_end(struct leat_scope *scope)
{
	count_off(scope, false);
}

void leat_scope_exit(struct leat_ended *ended)
{
	struct leat_scope *root = ended->scope->root;

	own_end = ended;
	leat_mutex_lock(&root->lock);
	ended->next = root->ended;
	root->ended = ended;
	count_exited(ended->scope, 1);
	leat_scope_check_drained(ended->scope);
	leat_cond_broadcast(&root->changed);
	leat_mutex_unlock(&root->lock);
}

/*
 * Returns the link to a thread that has ended and that the caller may join, or to NULL. Caller
 * holds the tree's lock.
 *
 * Destructors of a thread's own values run after leat_scope_exit(), and may call the library. A
 * thread in such a destructor must not join itself. Nor may it join a thread that it has no need
 * of, as a destructor of that thread may wait for this one. Therefore it joins only threads of the
 * scope that it waits for.
 */
static struct leat_ended **find_ended(struct leat_scope *root, const struct leat_scope *waits_for)
{
	struct leat_ended **link = &root->ended;

	if (own_end != NULL)
		while (*link != NULL && (*link == own_end || !is_below((*link)->scope, waits_for)))
			link = &(*link)->next;
	return link;
}

/*
 * Joins one thread that has ended; returns false if there is none. Caller holds the tree's lock,
 * which is released during the join.
 */
static bool reap_one(struct leat_scope *root, const struct leat_scope *waits_for)
{
	struct leat_ended **link = find_ended(root, waits_for), *ended = *link;

	if (ended == NULL)
		return false;
	*link = ended->next;
	leat_mutex_unlock(&root->lock);
	leat_thread_join(&ended->thread);
	count_off(ended->scope, true);
	leat_os_free(ended);
	leat_mutex_lock(&root->lock);
	return true;
}

void leat_scope_reap(struct leat_scope *scope)
{
	if (own_end != NULL)
		return; /* joins by other threads do it */
	lock_tree(scope);
	while (reap_one(scope->root, scope->root))
		;
	unlock_tree(scope);
}

/*
 * Whether the calling thread runs a generator that a join of this scope would wait for, or a
 * function that its cancel called.
 */
static bool is_inside(const struct leat_scope *scope)
{
	return is_below(leat_scope_current, scope) || leat_hooks_inside(scope);
}

/* Caller holds the tree's lock. */
static int join_result(const struct leat_scope *scope)
{
	return scope->code != 0 ? scope->code : scope->later_code;
}

/*
 * Caller holds the tree's lock. Invariant: while a join waits, a gen_set in which no generator
 * lives is not counted in live. If it were, the join would sleep although all generators have
 * ended. The last leaver of a gen_set and this function take the gen_set's lock in turn:
 *
 *     the leaver is first     settle below finds live 0 and counts the gen_set off
 *     this function is first  the lock orders joiners before the leaver's load: the leaver reads a
 *                             joiner, counts the gen_set off and broadcasts
 *
 * Returns whether all have ended; false after the deadline.
 */
static bool wait_for_all(struct leat_scope *scope, int64_t deadline_ns)
{
	enum leat_time outer = leat_times_begin(LEAT_TIME_STARVED);
	struct leat_scope *root = scope->root;
	int rc = 0;

	/* rlx: leavers read it under a gen_set's lock, which settle takes after this */
	leat_store_rlx(&root->joiners, leat_load_rlx(&root->joiners) + 1);
	leat_gen_sets_settle(scope);
	while (scope->live > 0) {
		if (reap_one(root, scope))
			continue;
		if (rc == -ETIMEDOUT)
			break;
		rc = leat_cond_wait_until(&root->changed, &root->lock, deadline_ns);
	}
	/* rlx: a leaver that still reads the old number broadcasts in vain */
	leat_store_rlx(&root->joiners, leat_load_rlx(&root->joiners) - 1);
	leat_times_end(outer);
	return scope->live == 0;
}

/*
 * Whether a join must return -EDEADLK: the caller runs inside a generator that the join would wait
 * for, or in a step on a pool while any generator lives.
 */
static bool must_not_join(struct leat_scope *scope)
{
	bool would_wait = false;

	if (leat_must_not_wait > 0) {
		lock_tree(scope);
		leat_gen_sets_settle(scope);
		would_wait = scope->live > 0;
		unlock_tree(scope);
	}
	return would_wait || is_inside(scope);
}

int leat_scope_join(struct leat_scope *scope)
{
	return leat_scope_join_until(scope, LEAT_NEVER);
}

/* A deadline that has passed is no wait, so a step may poll; a generator of the scope may not. */
int leat_scope_join_until(struct leat_scope *scope, int64_t deadline_ns)
{
	int rc;

	if (scope == NULL)
		return -EINVAL;
	if (is_inside(scope))
		return -EDEADLK;
	if (must_not_join(scope))
		return leat_now_ns() < deadline_ns ? -EDEADLK : -EAGAIN;
	lock_tree(scope);
	rc = scope->live == 0 || wait_for_all(scope, deadline_ns) ? join_result(scope) : -EAGAIN;
	unlock_tree(scope);
	return rc;
}

int leat_scope_close(struct leat_scope *scope)
{
	int rc;

	if (scope == NULL)
		return 0;
	if (must_not_join(scope) || (leat_must_not_wait > 0 && leat_hooks_running(scope)))
		return -EDEADLK;
	leat_hooks_cancel_begin(scope);
	leat_scope_cancel_tree(scope, LEAT_CANCELED, 0, "scope closed", NULL, NULL);
	leat_hooks_cancel_end(scope);
	rc = leat_scope_join(scope);
	leat_scope_signals_end(scope);
	leat_hooks_close(scope);
	if (scope->has_timer)
		leat_timer_remove(&scope->timer);
	leat_scope_stop_end(scope);
	leat_scope_close_flag(scope);
	leat_gen_sets_orphan(scope);
	leat_scope_let_go(scope);
	return rc;
}
