/*
 * runtime/scope/gen_set.h: generators that are counted together.
 *
 * A gen_set: many generators of a scope that are counted together, under a lock of their own, so
 * that starting and ending one leaves the tree alone. It lives as long as its scope is open or
 * anybody holds it.
 *
 *     S2  a gen_set is made, then linked  ->  S2  leat_scope_find_gen_set() loads the link
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_GEN_SET_H
#define LEAT_RUNTIME_SCOPE_GEN_SET_H

#include "runtime/scope/scope.h"

struct leat_gen_set {
	struct leat_gen_set *next; /* the scope's next gen_set; set before it is linked */
	/* only compared; NULL, set under the gen_set's lock, once it has none any more */
	void *key;
	struct leat_scope *scope;
	struct leat_scope_hook hook;
	void (*free)(struct leat_gen_set *gen_set);

	struct leat_spin lock; /* guards the rest, and what the gen_set's maker says */
	size_t live;           /* generators that have begun and not ended */
	size_t holds;
	bool counted; /* the tree counts this gen_set as one generator that lives */
	bool canceled, orphan;
};

/* The scope's gen_set of this key, or NULL. While the scope is open. */
struct leat_gen_set *leat_scope_find_gen_set(const struct leat_scope *scope, const void *key);
/*
 * Adds a gen_set whose hook.cancel, free and key are set: 0; -ECANCELED; -EEXIST when another
 * thread added one with this key. After a 0 the scope owns it and calls free() when the scope is
 * closed and nobody holds it; under no lock.
 */
int leat_scope_add_gen_set(struct leat_scope *scope, struct leat_gen_set *gen_set);
/*
 * A gen_set of the scope's that has no key any more, and in which nobody lives or holds it, gets
 * this key: so a scope has no more of them than keys at a time, however long it is open. Answers it
 * with its lock held, under which its maker makes it new; who finds it meanwhile comes by that
 * lock. NULL: there is none, or there is one of that key, or the scope is cancelled.
 */
struct leat_gen_set *leat_scope_reuse_gen_set(struct leat_scope *scope, void *key);
/*
 * Under the gen_set's lock, which it may let go of and take again: one more lives. 0, or
 * -ECANCELED.
 */
int leat_gen_set_begin(struct leat_gen_set *gen_set);
/*
 * Under the gen_set's lock, which it lets go of: one fewer lives (ended), and one hold fewer
 * (held). The last thing that anybody does with the gen_set.
 */
void leat_gen_set_leave(struct leat_gen_set *gen_set, bool ended, bool held);

#endif
