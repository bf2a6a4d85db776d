/*
 * Sets of generators: begin and leave under the set's own lock, and what joins and closes of the
 * scope do with a set.
 *
 * The tree counts a set as one generator, from the first begin until a join, or a leaver that reads
 * a joiner, finds that no generator of it lives. So it may stay counted while it is empty and no
 * join waits: the next begin then leaves the tree alone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/scope/tree.h"

struct leat_gen_set *leat_scope_find_gen_set(const struct leat_scope *scope, const void *key)
{
	/* S2: pairs with leat_scope_add_gen_set() */
	struct leat_gen_set *gen_set = leat_load_acq(&scope->gen_sets);

	/*
	 * rlx: an old key was cleared before another object could have its address; what a thread
	 * that sets the key now does to the gen_set is ordered by the gen_set's lock, which the
	 * caller takes next
	 */
	while (gen_set != NULL && leat_load_rlx(&gen_set->key) != key)
		gen_set = gen_set->next;
	return gen_set;
}

/* Caller holds the tree's lock. */
static void count_gen_sets(struct leat_scope *scope, size_t by)
{
	for (; scope != NULL; scope = scope->parent)
		scope->gen_sets_below += by;
}

int leat_scope_add_gen_set(struct leat_scope *scope, struct leat_gen_set *gen_set)
{
	const void *key;
	int rc;

	leat_spin_init(&gen_set->lock);
	gen_set->scope = scope;
	rc = leat_scope_attach(scope, &gen_set->hook);
	if (rc < 0)
		return rc;
	lock_tree(scope);
	key = leat_load_rlx(&gen_set->key); /* rlx: this thread wrote it */
	if (leat_scope_find_gen_set(scope, key) == NULL) {
		gen_set->next = leat_load_rlx(
			&scope->gen_sets); /* rlx: only written under the tree's lock */
		/* S2: pairs with leat_scope_find_gen_set() */
		leat_store_rel(&scope->gen_sets, gen_set);
		count_gen_sets(scope, 1);
	} else {
		rc = -EEXIST;
	}
	unlock_tree(scope);
	if (rc < 0)
		leat_scope_detach(scope, &gen_set->hook);
	return rc;
}

/*
 * Takes the gen_set's lock. Returns true with the lock held if the gen_set has no key, no generator
 * and no hold; else releases the lock. Caller holds the tree's lock.
 */
static bool lock_if_unused(struct leat_gen_set *gen_set)
{
	leat_spin_lock(&gen_set->lock);
	/* rlx: cleared under this lock */
	if (leat_load_rlx(&gen_set->key) == NULL && gen_set->live == 0 && gen_set->holds == 0)
		return true;
	leat_spin_unlock(&gen_set->lock);
	return false;
}

struct leat_gen_set *leat_scope_reuse_gen_set(struct leat_scope *scope, void *key)
{
	struct leat_gen_set *gen_set = NULL;

	lock_tree(scope);
	if (!is_cancelled(scope) && leat_scope_find_gen_set(scope, key) == NULL)
		gen_set = leat_load_rlx(&scope->gen_sets); /* rlx: the tree's lock is held */
	while (gen_set != NULL && !lock_if_unused(gen_set))
		gen_set = gen_set->next;
	if (gen_set != NULL)
		/* rlx: a thread that finds it takes the gen_set's lock before all else */
		leat_store_rlx(&gen_set->key, key);
	unlock_tree(scope);
	return gen_set;
}

/*
 * Has the tree count the gen_set from now on. Returns 0, or -ECANCELED in a cancelled scope. Caller
 * holds no lock.
 */
static int count_gen_set(struct leat_gen_set *gen_set)
{
	struct leat_scope *scope = gen_set->scope;
	int rc = 0;

	lock_tree(scope);
	leat_spin_lock(&gen_set->lock);
	if (is_cancelled(scope)) {
		rc = -ECANCELED;
	} else if (!gen_set->counted) {
		gen_set->counted = true;
		count_live(scope, 1);
	}
	leat_spin_unlock(&gen_set->lock);
	unlock_tree(scope);
	return rc;
}

int leat_gen_set_begin(struct leat_gen_set *gen_set)
{
	int rc;

	while (!gen_set->counted && !gen_set->canceled) {
		leat_spin_unlock(&gen_set->lock);
		rc = count_gen_set(gen_set);
		leat_spin_lock(&gen_set->lock);
		if (rc < 0)
			return rc;
	}
	if (gen_set->canceled)
		return -ECANCELED;
	gen_set->live++;
	return 0;
}

/* Counts the gen_set off if no generator of it lives. Caller holds the tree's lock. */
static void settle_gen_set(struct leat_gen_set *gen_set)
{
	leat_spin_lock(&gen_set->lock);
	if (gen_set->live == 0 && gen_set->counted) {
		gen_set->counted = false;
		count_live(gen_set->scope, (size_t)-1);
	}
	leat_spin_unlock(&gen_set->lock);
}

static void free_gen_set(struct leat_gen_set *gen_set)
{
	struct leat_scope *scope = gen_set->scope;

	lock_tree(scope);
	count_gen_sets(scope, (size_t)-1);
	unlock_tree(scope);
	leat_scope_detach(scope, &gen_set->hook);
	gen_set->free(gen_set);
}

/* Caller holds the gen_set's lock, which this releases. May free the gen_set. */
static void drop_hold(struct leat_gen_set *gen_set)
{
	bool last = --gen_set->holds == 0 && gen_set->orphan;

	leat_spin_unlock(&gen_set->lock);
	if (last)
		free_gen_set(gen_set);
}

void leat_gen_set_leave_unlock(struct leat_gen_set *gen_set, bool ended, bool let_go)
{
	struct leat_scope *root = gen_set->scope->root;

	/*
	 * rlx: a join that waits either counted itself before it took this lock, and is read here,
	 * or takes this lock later and finds the set empty (wait_for_all())
	 */
	if (ended && --gen_set->live == 0 && leat_load_rlx(&root->joiners) > 0) {
		gen_set->holds += !let_go;
		leat_spin_unlock(&gen_set->lock);
		leat_mutex_lock(&root->lock);
		settle_gen_set(gen_set);
		leat_scope_check_drained(gen_set->scope);
		leat_cond_broadcast(&root->changed);
		leat_mutex_unlock(&root->lock);
		let_go = true;
		leat_spin_lock(&gen_set->lock);
	}
	if (let_go)
		drop_hold(gen_set);
	else
		leat_spin_unlock(&gen_set->lock);
}

void leat_gen_sets_settle(struct leat_scope *top)
{
	struct leat_scope *scope;

	for (scope = top; scope != NULL; scope = next_below(top, scope, scope->gen_sets_below > 0))
		/* rlx: the tree's lock is held */
		for (struct leat_gen_set *gen_set = leat_load_rlx(&scope->gen_sets);
		     gen_set != NULL; gen_set = gen_set->next)
			settle_gen_set(gen_set);
}

void leat_gen_sets_orphan(struct leat_scope *scope)
{
	struct leat_gen_set *gen_set, *next;

	lock_tree(scope);
	gen_set = leat_load_rlx(&scope->gen_sets); /* rlx: the tree's lock is held */
	leat_store_rlx(&scope->gen_sets, NULL);    /* rlx: the same */
	unlock_tree(scope);
	for (; gen_set != NULL; gen_set = next) {
		next = gen_set->next;
		leat_spin_lock(&gen_set->lock);
		gen_set->orphan = true;
		gen_set->holds++;
		drop_hold(gen_set);
	}
}
