/*
 * runtime/scope/gen_set.h: generators of one scope that are counted together.
 *
 * A start or an end of a generator changes counts in its scope and in every scope above, under the
 * lock of the whole tree. A gen_set has a lock of its own: a start or an end takes that lock alone,
 * and the tree counts the whole set as one generator. The compact generators of a scope on one pool
 * are such a set (runtime/gen/arena.h).
 *
 * Ownership. The caller that adds the set gives its memory and a free(). It lives as long as its
 * scope is open or `holds` is not 0. The close of the scope, or after that the thread that drops
 * the last hold, calls free(), with no lock held.
 *
 *     S2  a gen_set is complete, then linked  ->  S2  leat_scope_find_gen_set() loads the link
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_GEN_SET_H
#define LEAT_RUNTIME_SCOPE_GEN_SET_H

#include "runtime/scope/scope.h"

struct leat_gen_set {
	struct leat_gen_set *next; /* the scope's next gen_set; set before it is linked */
	/* only compared; NULL once it has none any more, which is stored under the set's lock */
	void *key;
	struct leat_scope *scope;
	struct leat_scope_hook hook;
	void (*free)(struct leat_gen_set *gen_set);

	struct leat_spin lock; /* guards the rest, and what the structure around it says */
	size_t live;           /* generators that have begun and not ended */
	size_t holds;
	bool counted; /* the tree counts this gen_set as one generator that lives */
	/* canceled: none begins any more; orphan: its scope is closed, the last hold frees it */
	bool canceled, orphan;
	bool stopping; /* its scope is: those that begin find it out at once */
};

/* Returns the scope's gen_set of this key, or NULL. Only while the scope is open. */
struct leat_gen_set *leat_scope_find_gen_set(const struct leat_scope *scope, const void *key);
/*
 * Adds a gen_set whose hook.cancel, free and key are set. Returns 0; -ECANCELED in a cancelled
 * scope; -EEXIST when another thread has added one with this key. After 0 the scope owns it; after
 * an error the caller does.
 */
int leat_scope_add_gen_set(struct leat_scope *scope, struct leat_gen_set *gen_set);
/*
 * Gives this key to a gen_set of the scope that has no key any more, no generator and no hold. So a
 * scope has no more gen_sets than keys at a time, however long it is open. Returns the gen_set with
 * its lock held: the caller sets it up anew before it releases the lock, and a thread that finds it
 * meanwhile takes that lock first. Returns NULL if there is none, if there is one of that key, or
 * if the scope is cancelled.
 */
struct leat_gen_set *leat_scope_reuse_gen_set(struct leat_scope *scope, void *key);
/*
 * One more generator lives. Returns 0 or -ECANCELED. Caller holds the gen_set's lock, which may be
 * released and taken again meanwhile.
 */
int leat_gen_set_begin(struct leat_gen_set *gen_set);
/*
 * One generator fewer lives (ended), and one hold is let go (let_go). Caller holds the gen_set's
 * lock, which this releases, and must not touch the gen_set after the call: it may be freed.
 */
void leat_gen_set_leave_unlock(struct leat_gen_set *gen_set, bool ended, bool let_go);

#endif
