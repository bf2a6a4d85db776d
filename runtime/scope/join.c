/*
 * Generators of scopes, and those that wait for their ends: joins and closes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/event/event.h"
#include "runtime/scope/tree.h"

LEAT_TLS struct leat_scope *leat_scope_current;
/* of a generator's thread that has told of its end; only compared */
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

void leat_scope_end(struct leat_scope *scope)
{
	lock_tree(scope);
	count_live(scope, (size_t)-1);
	leat_cond_broadcast(&scope->root->changed);
	unlock_tree(scope);
	leat_scope_let_go(scope);
}

void leat_scope_exit(struct leat_ended *ended)
{
	struct leat_scope *root = ended->scope->root;

	own_end = ended;
	leat_mutex_lock(&root->lock);
	ended->next = root->ended;
	root->ended = ended;
	leat_cond_broadcast(&root->changed);
	leat_mutex_unlock(&root->lock);
}

static bool is_below(const struct leat_scope *scope, const struct leat_scope *top)
{
	while (scope != NULL && scope != top)
		scope = scope->parent;
	return scope != NULL;
}

/*
 * Under the lock: the link to a thread that has ended and that the caller may join, or to NULL.
 *
 * Destructors of a thread's own values run after its generator has told of its end, and may use the
 * library. Such a thread must not join itself. Nor may it join any thread that it has no need of,
 * as that thread's destructors may wait for this one; so it joins only those of the scope that it
 * waits for.
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
 * Under the lock, which it lets go of meanwhile: joins one thread that has ended. False if there is
 * none to join.
 */
static bool reap_one(struct leat_scope *root, const struct leat_scope *waits_for)
{
	struct leat_ended **link = find_ended(root, waits_for), *ended = *link;

	if (ended == NULL)
		return false;
	*link = ended->next;
	leat_mutex_unlock(&root->lock);
	leat_thread_join(&ended->thread);
	leat_scope_end(ended->scope);
	leat_os_free(ended);
	leat_mutex_lock(&root->lock);
	return true;
}

void leat_scope_reap(struct leat_scope *scope)
{
	if (own_end != NULL)
		return; /* the joins of others do it */
	lock_tree(scope);
	while (reap_one(scope->root, scope->root))
		;
	unlock_tree(scope);
}

/* Whether the calling thread is a generator that a join of scope would wait for. */
static bool is_inside(const struct leat_scope *scope)
{
	for (const struct leat_scope *s = leat_scope_current; s != NULL; s = s->parent)
		if (s == scope)
			return true;
	return false;
}

/* Under the lock. */
static int join_result(const struct leat_scope *scope)
{
	return scope->code != 0 ? scope->code : scope->later_code;
}

/*
 * Under the lock. Crowds that are empty already are found here; those that become so see the
 * joiner.
 */
static void wait_for_all(struct leat_scope *scope)
{
	struct leat_scope *root = scope->root;

	/* rlx: before the gen_sets' locks are taken */
	leat_store_rlx(&root->joiners, leat_load_rlx(&root->joiners) + 1);
	leat_gen_sets_settle(scope);
	while (scope->live > 0)
		if (!reap_one(root, scope))
			leat_cond_wait(&root->changed, &root->lock);
	/* rlx: a leaver that still sees it broadcasts in vain */
	leat_store_rlx(&root->joiners, leat_load_rlx(&root->joiners) - 1);
}

/* From inside what would be waited for, and in a step where there is anything to wait for. */
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
	int rc;

	if (scope == NULL)
		return -EINVAL;
	if (must_not_join(scope))
		return -EDEADLK;
	lock_tree(scope);
	if (scope->live > 0)
		wait_for_all(scope);
	rc = join_result(scope);
	unlock_tree(scope);
	return rc;
}

int leat_scope_close(struct leat_scope *scope)
{
	int rc;

	if (scope == NULL)
		return 0;
	if (must_not_join(scope))
		return -EDEADLK;
	lock_tree(scope);
	leat_scope_cancel_tree(scope, LEAT_CANCELED, 0, "scope closed", NULL, NULL);
	unlock_tree(scope);
	rc = leat_scope_join(scope);
	if (scope->has_timer)
		leat_timer_remove(&scope->timer);
	leat_gen_sets_orphan(scope);
	leat_scope_let_go(scope);
	return rc;
}
