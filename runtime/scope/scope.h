/*
 * runtime/scope/scope.h: the inside of a scope, for what lives in one.
 *
 * One lock guards a whole tree; it stands in the root. Under it: links, counts, causes. A scope's
 * memory lives as long as somebody holds it: its owner until the close, its children, what is
 * attached to it, its generators.
 *
 * What can be woken by a cancel attaches a hook. The hook is called under the tree's lock, may wake
 * threads, must not call back into the tree, and must not run anything of the user's.
 *
 * Lock order: timers, tree, gen_set, a channel's events, a pool's queues. A channel's own lock is
 * never held together with the tree's.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_SCOPE_H
#define LEAT_RUNTIME_SCOPE_SCOPE_H

#include "runtime/os/os.h"

#include <leat/scope.h>

struct leat_scope_hook {
	struct leat_scope_hook *prev, *next;
	/*
	 * spared: what of this hook's a failure leaves alone; NULL: nothing, or all where the hook
	 * is one thing
	 */
	void (*cancel)(struct leat_scope_hook *hook, const void *spared);
};

/* A generator's thread that has ended or is about to, waiting to be joined by whoever comes by. */
struct leat_ended {
	struct leat_ended *next;
	struct leat_scope *scope;
	struct leat_thread thread;
};

/* Attaches and holds the scope: 0, or -ECANCELED in a cancelled one. */
int leat_scope_attach(struct leat_scope *scope, struct leat_scope_hook *hook);
/* Detaches, after which the hook is not called and not running, and lets go of the scope. */
void leat_scope_detach(struct leat_scope *scope, struct leat_scope_hook *hook);

/*
 * A generator begins: counts it for the joins of the scope and all above it. Returns 0 or
 * -ECANCELED. Then exactly one of these two is called: exit, as the last thing that a generator's
 * thread does; or end, for a generator that has no thread, be it that it ran on a pool or that its
 * thread could not be started.
 */
int leat_scope_begin(struct leat_scope *scope);
void leat_scope_end(struct leat_scope *scope);
void leat_scope_exit(struct leat_ended *ended);
/*
 * Joins threads that have ended, so that a scope which is never joined does not gather them. Not on
 * such a thread itself.
 */
void leat_scope_reap(struct leat_scope *scope);

/*
 * A generator failed: cancels the scope as leat_scope_cancel() does, but leaves one hook alone, or,
 * where spared is not NULL, calls that hook with it.
 */
void leat_scope_fail(struct leat_scope *scope, int code, const char *text,
                     struct leat_scope_hook *except, const void *spared);

/* Waits until a cancel under way in the tree has reached every hook. */
void leat_scope_settle(struct leat_scope *scope); /* mutate */

/* The nearest deadline of the scope and those above it; LEAT_NEVER if none. Constant. */
int64_t leat_scope_deadline(const struct leat_scope *scope);
/* That deadline has passed: cancels the scope whose it is, if the timer has not yet. */
void leat_scope_expire(struct leat_scope *scope);

/* The scope that the calling thread's generator runs in, or NULL. Set by the generator's thread. */
extern LEAT_TLS struct leat_scope *leat_scope_current;

#endif
