/*
 * runtime/scope/watch.h: a scope's cancel as an event: for a thread that waits for something else
 * besides, as a descriptor, and for programs that have a function called (hook.c).
 *
 *     the waiter                                      the canceller
 *     leat_scope_watch(&watch, scope, &sleeper);      holds the tree's lock, and stores cause;
 *     if (leat_scope_refusal(scope) == 0)             calls the hook, which notifies the sleeper
 *             leat_sleeper_park(&sleeper, ...);
 *     leat_scope_unwatch(&watch);
 *
 * No lost wake-up. leat_scope_watch() attaches a hook, with the tree's lock held. A canceller that
 * had the lock before has stored the cause, which the waiter's recheck loads. A canceller that has
 * the lock later finds the hook. The lock orders them, so no fence is needed.
 *
 * The descriptor is a flag. Its hook stays attached until the scope is closed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_WATCH_H
#define LEAT_RUNTIME_SCOPE_WATCH_H

#include "runtime/event/event.h"
#include "runtime/scope/scope.h"

/* A hook that notifies a sleeper. Its owner, which waits, gives the memory. */
struct leat_scope_watch {
	struct leat_scope_hook hook;
	struct leat_scope *scope; /* NULL: not attached */
	struct leat_sleeper *sleeper;
};

/*
 * From now on a cancel of the scope notifies the sleeper. In a scope that is cancelled already this
 * does nothing, so the caller rechecks. NULL does nothing.
 */
void leat_scope_watch(struct leat_scope_watch *watch, struct leat_scope *scope,
                      struct leat_sleeper *sleeper); /* mutate */
/* After it returns the sleeper is not notified any more. May be called for one not attached. */
void leat_scope_unwatch(struct leat_scope_watch *watch);

/*
 * Where the caller runs a source: the same for the scopes whose stop ends it, its own and that of
 * its output; and a stop of either notifies, too, also one that came before. Elsewhere this does
 * nothing. watched: a scope that the caller watches for stops by itself, or NULL.
 */
struct leat_source_watch {
	struct leat_scope_watch own, of_output;
};
void leat_source_watch(struct leat_source_watch *watch, const struct leat_scope *watched,
                       struct leat_sleeper *sleeper); /* mutate */
void leat_source_unwatch(struct leat_source_watch *watch);

/*
 * Both, for a wait in a scope, or in none (NULL), that ends by leat_scope_wait_refusal(). Of a
 * source, a stop of that scope notifies, too.
 */
struct leat_wait_watch {
	struct leat_scope_watch scope;
	struct leat_source_watch source;
};
void leat_wait_watch(struct leat_wait_watch *watch, struct leat_scope *scope,
                     struct leat_sleeper *sleeper); /* mutate */
void leat_wait_unwatch(struct leat_wait_watch *watch);

/* 0, or -ECANCELED in a cancelled scope. NULL: 0. */
static inline int leat_scope_refusal(const struct leat_scope *scope)
{
	if (scope == NULL || leat_scope_cause(scope, NULL, NULL) == LEAT_RUNNING)
		return 0;
	return -ECANCELED;
}

/* What a wait in this scope returns now: the same, and -ESHUTDOWN where a stop ends it. */
static inline int leat_scope_wait_refusal(const struct leat_scope *scope)
{
	int refusal = leat_scope_refusal(scope);

	return refusal == 0 && leat_scope_stops_this_thread(scope) ? -ESHUTDOWN : refusal;
}

/* The nearest deadline of the scope, or LEAT_NEVER for NULL. */
static inline int64_t leat_scope_deadline_or_never(const struct leat_scope *scope)
{
	return scope == NULL ? LEAT_NEVER : leat_scope_deadline(scope);
}

/* The close of the scope closes its descriptor. */
void leat_scope_close_flag(struct leat_scope *scope);

#endif
