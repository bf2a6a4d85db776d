/*
 * runtime/scope/tree.h: the inside of a scope, for the files of this room: scope.c (the tree, its
 * causes, cancels), deadline.c, join.c (generators and those that wait for them), gen_set.c.
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
	struct leat_scope *children;      /* the last opened */
	struct leat_scope *older, *newer; /* its siblings */
	struct leat_scope_hook hooks;     /* the ends of a ring */
	struct leat_timer timer;
	/* whose deadline is the nearest: this scope or one above; constant */
	struct leat_scope *deadline_owner;
	bool has_timer, expired;
	/* a cancel reached all hooks here and below; none can come after it */
	bool swept;
	unsigned refs;
	/* generators of this scope and below, until joined */
	size_t live;
	uint32_t cause;                /* enum leat_cause; published by S1 */
	struct leat_gen_set *gen_sets; /* published by S2 */
	size_t gen_sets_below;         /* generator sets of this scope and below */
	int code, later_code;
	char text[LEAT_TEXT_MAX + 1], name[LEAT_NAME_MAX + 1];

	/* The root's: for the whole tree. */
	struct leat_mutex lock;
	struct leat_cond changed;
	struct leat_ended *ended;
	uint32_t joiners; /* joins that wait; read under a gen_set's lock */
};

static inline void lock_tree(const struct leat_scope *scope)
{
	leat_mutex_lock(&scope->root->lock);
}

static inline void unlock_tree(const struct leat_scope *scope)
{
	leat_mutex_unlock(&scope->root->lock);
}

static inline bool is_cancelled(const struct leat_scope *scope)
{
	return leat_load_rlx(&scope->cause) != LEAT_RUNNING; /* rlx: under the tree's lock */
}

/*
 * The next scope of the tree below top, and below scope itself only where that is wanted; NULL at
 * the end.
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

/* Under the lock. */
static inline void count_live(struct leat_scope *scope, size_t by)
{
	for (; scope != NULL; scope = scope->parent)
		scope->live += by;
}

/* --- scope.c --- */

/* Lets go of a scope and of those above it that nobody else holds. Takes the tree's lock. */
void leat_scope_let_go(struct leat_scope *scope);

/*
 * Under the lock: this scope and everything below it. First causes stay. What is swept has nothing
 * left to cancel, so that a tree is walked twice at the most, however deep it is and in whatever
 * order it is closed. Only a hook of this very scope may be left alone.
 */
void leat_scope_cancel_tree(struct leat_scope *top, enum leat_cause cause, int code,
                            const char *text, const struct leat_scope_hook *except,
                            const void *spared);

void leat_scope_count_later(struct leat_scope *scope, int code);

/* --- deadline.c --- */

/* The deadline's part of an open: the nearest deadline, and a timer for one of this scope's own. */
int leat_scope_set_deadline(struct leat_scope *scope, int64_t deadline_ns);

/* --- gen_set.c --- */

/* Under the tree's lock. */
void leat_gen_sets_settle(struct leat_scope *top);

/*
 * The scope is closed, and nobody lives in it: its gen_sets live on as long as they are held, and
 * are not found any more by who walks the tree, in which the scope may stay longer than they do.
 */
void leat_gen_sets_orphan(struct leat_scope *scope);

#endif
