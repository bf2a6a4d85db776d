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

/*
 * A gen_set: many generators of a scope that are counted together, under a lock of their own, so
 * that starting and ending one leaves the tree alone. It lives as long as its scope is open or
 * anybody holds it.
 *
 *     S2  a gen_set is made, then linked  ->  S2  leat_scope_find_gen_set() loads the link
 */
struct leat_gen_set {
	uint64_t next; /* the scope's next gen_set, as a number; set before it is linked */
	/* an address, as a number; 0, set under the gen_set's lock, once it has none any more */
	uint64_t key;
	struct leat_scope *scope;
	struct leat_scope_hook hook;
	void (*free)(struct leat_gen_set *gen_set);

	struct leat_spin lock; /* guards the rest, and what the gen_set's maker says */
	size_t live;           /* generators that have begun and not ended */
	size_t holds;
	bool counted; /* the tree counts this gen_set as one generator that lives */
	bool canceled, orphan;
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
struct leat_gen_set *leat_scope_reuse_gen_set(struct leat_scope *scope, const void *key);
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

/* Waits until a cancel under way in the tree has reached every hook. */
void leat_scope_settle(struct leat_scope *scope); /* mutate */

/* The nearest deadline of the scope and those above it; LEAT_NEVER if none. Constant. */
int64_t leat_scope_deadline(const struct leat_scope *scope);
/* That deadline has passed: cancels the scope whose it is, if the timer has not yet. */
void leat_scope_expire(struct leat_scope *scope);

/* The scope that the calling thread's generator runs in, or NULL. Set by the generator's thread. */
extern LEAT_TLS struct leat_scope *leat_scope_current;

#endif
