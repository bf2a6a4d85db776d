/*
 * runtime/scope/tree.h: struct leat_scope, which the files of this room share: scope.c (the tree,
 * its causes, its cancels), memory.c, deadline.c, stop.c, stop_signals.c (stops by a signal),
 * join.c (generators, joins, closes), gen_set.c (generators that are counted together), watch.c
 * (waits for a cancel), hook.c (functions of programs).
 *
 * The tree's lock guards all that changes in a scope. Without it, threads read cause (and then code
 * and text), stopped_by (and then its stop_text), gen_sets and joiners.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_TREE_H
#define LEAT_RUNTIME_SCOPE_TREE_H

#include "runtime/scope/gen_set.h"
#include "runtime/scope/timer.h"

#include <leat/atomic.h>

struct leat_scope {
	struct leat_scope *root, *parent;
	struct leat_scope *children;      /* the child that was opened last */
	struct leat_scope *older, *newer; /* siblings */
	struct leat_scope_hook hooks;     /* both ends of a ring */
	struct leat_timer timer;
	/* the scope with the nearest deadline: this one or one above; constant */
	struct leat_scope *deadline_owner;
	bool has_timer, expired;
	/*
	 * a cancel has called all hooks here and below; a cancelled scope refuses new ones, so none
	 * is left
	 */
	bool swept;
	unsigned refs;
	/*
	 * generators of this scope and below that have not ended, or whose thread is not joined; a
	 * gen_set that is counted is one
	 */
	size_t live;
	size_t exited;  /* of those, the threads that have ended and are not joined */
	uint32_t cause; /* enum leat_cause; published by S1 */
	struct leat_gen_set *gen_sets; /* published by S2 */
	size_t gen_sets_below;         /* generator sets of this scope and below */
	struct leat_scope_flag *flag;  /* behind leat_scope_fd(); NULL: none was asked for */
	int code, later_code;
	char text[LEAT_TEXT_MAX + 1], name[LEAT_NAME_MAX + 1];

	/* the scope whose stop this one obeys: itself or one above; NULL; published by S3 */
	struct leat_scope *stopped_by;
	struct leat_timer drain; /* of has_drain_timer */
	bool has_drain_timer;    /* guarded by stop.c's lock */
	bool draining;           /* the drain deadline is armed */
	char stop_text[LEAT_TEXT_MAX + 1];
	struct leat_scope_signals *signals; /* of stop_signals.c, which guards it; NULL: none */

	/* Of the root alone, for the whole tree. */
	struct leat_mutex lock;
	struct leat_cond changed;
	struct leat_ended *ended;
	size_t drains; /* scopes with an armed drain deadline */
	/*
	 * joins that wait, and armed drain deadlines; a leaver reads it while it holds a gen_set's
	 * lock
	 */
	uint32_t joiners;
};

static inline void lock_tree(const struct leat_scope *scope)
{
	leat_mutex_lock(&scope->root->lock);
}

static inline void unlock_tree(const struct leat_scope *scope)
{
	leat_mutex_unlock(&scope->root->lock);
}

/* Caller holds the tree's lock. */
static inline bool is_cancelled(const struct leat_scope *scope)
{
	return leat_load_rlx(&scope->cause) != LEAT_RUNNING; /* rlx: caller holds the lock */
}

/*
 * Walks the tree below top: returns the scope after this one, or NULL at the end. Without descend
 * it passes over what is below this one. Caller holds the tree's lock.
 */
static inline struct leat_scope *next_below(const struct leat_scope *top, struct leat_scope *scope,
                                            bool descend)
{
	if (descend && scope->children != NULL)
		return scope->children;
	while (scope != top && scope->older == NULL)
		scope = scope->parent;
	return scope == top ? NULL : scope->older;
}

/* Whether the scope is top or below it; NULL is not. The links up are constant. */
static inline bool is_below(const struct leat_scope *scope, const struct leat_scope *top)
{
	while (scope != NULL && scope != top)
		scope = scope->parent;
	return scope != NULL;
}

/* Caller holds the tree's lock. */
static inline void count_live(struct leat_scope *scope, size_t by)
{
	for (; scope != NULL; scope = scope->parent)
		scope->live += by;
}

/* Caller holds the tree's lock. */
static inline void count_exited(struct leat_scope *scope, size_t by)
{
	for (; scope != NULL; scope = scope->parent)
		scope->exited += by;
}

/* --- memory.c: libleat-test replaces it, in order to know which scopes are open --- */

/*
 * The zeroed memory of a scope that has this name. Returns NULL without memory, and for a name that
 * is too long.
 */
struct leat_scope *leat_scope_create(const char *name);
void leat_scope_destroy(struct leat_scope *scope);

/* --- scope.c --- */

/*
 * Drops one hold. Frees the scope if that was the last one, and then each scope above that only its
 * child still held. Takes the tree's lock.
 */
void leat_scope_let_go(struct leat_scope *scope);

/*
 * Cancels this scope and everything below it. Caller holds the tree's lock. A scope that has a
 * cause keeps it. A swept scope has nothing left to cancel, so the walk passes over it: a tree is
 * walked twice at most, however deep it is and in whatever order its scopes are closed. except, if
 * not NULL, is a hook of top itself: it is not called, or called with spared if that is not NULL.
 */
void leat_scope_cancel_tree(struct leat_scope *top, enum leat_cause cause, int code,
                            const char *text, const struct leat_scope_hook *except,
                            const void *spared);

/*
 * A cause came after the first one of this scope: counts it, and keeps its code for the result of a
 * join. Does nothing in a scope that has no cause yet. Caller holds the tree's lock.
 */
void leat_scope_count_later(struct leat_scope *scope, int code);

/* --- deadline.c --- */

/*
 * The deadline's part of an open: finds the nearest deadline, and adds a timer if this scope has
 * one of its own. A deadline that has passed cancels the scope. Returns 0 or -errno.
 */
int leat_scope_set_deadline(struct leat_scope *scope, int64_t deadline_ns);

/* --- stop.c --- */

/*
 * Generators of this scope were counted off: disarms the drain deadlines of this scope and of those
 * above that have no generator any more. Caller holds the tree's lock.
 */
void leat_scope_check_drained(struct leat_scope *scope);

/* The close's part: no drain deadline passes after it. */
void leat_scope_stop_end(struct leat_scope *scope);

/* --- stop_signals.c --- */

/* The close's part: no signal stops the scope after it. Waits for the thread, if there is one. */
void leat_scope_signals_end(struct leat_scope *scope);

/* --- gen_set.c --- */

/*
 * Counts off each gen_set in top and below in which no generator lives. Caller holds the tree's
 * lock.
 */
void leat_gen_sets_settle(struct leat_scope *top);

/*
 * The scope is being closed and no generator lives in it. Takes its gen_sets out of it and drops
 * the scope's hold on each. A gen_set that something else holds lives on until the last hold is
 * dropped; the scope may stay in the tree for longer, so walks of the tree must not find the
 * gen_set there.
 */
void leat_gen_sets_orphan(struct leat_scope *scope);

#endif
