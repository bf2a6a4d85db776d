/*
 * runtime/scope/scope.h: what channels, generators and waits call of the scope that they are in.
 *
 * Lock and memory. One lock guards the links, counts and causes of a whole tree; it is in the root.
 * A scope's memory lives as long as it is held: by its owner until the close, by its children, by
 * what is attached to it, by its generators.
 *
 * Cause. A cause comes from leat_scope_cancel() or a close, from a generator that failed
 * (leat_scope_fail()), or from a deadline (leat_scope_expire()). The canceller takes the tree's
 * lock. It writes the cause, its code and its text into the scope, and into each scope below that
 * has no cause yet; then it calls the hooks. So a scope's first cause is fixed when the first
 * canceller that reaches the scope has the lock, and stays. A later
 * cancel changes no cause. It calls all hooks again where a failure has spared one. Later causes,
 * but not that of a close, are counted, and a join returns the code of the first of them if the
 * scope's own cause has code 0. A scope that is opened below a cancelled one copies
 * its parent's cause. leat_scope_cause() reads cause, code and text without the lock (edge S1).
 *
 * Readers of a cause. A cancel copies no cause into a channel: the hook marks the channel, or the
 * compact generator's block, as cancelled, and calls on it return -ECANCELED. A generator that ends
 * with -ECANCELED on a cancelled channel copies the scope's cause into its outcome;
 * leat_rx_status() returns that outcome, or, before the generator has ended, the scope's cause.
 * leat_scope_join() returns the code.
 *
 * Hook. What a cancel or a stop must reach attaches a hook. The canceller, or the stopper, calls
 * the hook while it holds the tree's lock. A hook may wake threads. It must not call back into the
 * tree, nor run a function of the user's.
 *
 * Lock order: timers, tree, gen_set, a channel's events, a pool's queues. No thread holds a
 * channel's own lock and the tree's together.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_SCOPE_H
#define LEAT_RUNTIME_SCOPE_SCOPE_H

#include "runtime/event/event.h"
#include "runtime/os/os.h"

#include <leat/atomic.h>
#include <leat/scope.h>

/*
 * Whether a generator that a drain deadline found running was not told to end: it is no source, and
 * receives nothing whose end it could see. What receives is noted (leat_scope_note_fed()) where
 * that costs a receive that finds an item nothing.
 */
enum leat_untold {
	LEAT_UNTOLD_NO,
	/* a function was not seen to wait for an item; but it may have found each item there */
	LEAT_UNTOLD_PERHAPS,
	/* a seq, whose receives by leat_seq_from_rx() are all noted, was not seen to receive */
	LEAT_UNTOLD_LIKELY
};

struct leat_scope_hook {
	struct leat_scope_hook *prev, *next;
	/*
	 * spared: the one thing behind this hook that the cancel leaves alone; NULL: it cancels
	 * everything behind the hook
	 */
	void (*cancel)(struct leat_scope_hook *hook, const void *spared);
	/* The scope is stopping: has the sources behind the hook end. NULL: there never are any. */
	void (*stop)(struct leat_scope_hook *hook);
	/*
	 * Finds a generator behind the hook that runs and that a stop does not reach, and stores
	 * its name: the likeliest one. Returns how likely. NULL: there never is one.
	 */
	enum leat_untold (*untold)(struct leat_scope_hook *hook, char name[LEAT_NAME_MAX + 1]);
};

/*
 * The thread of a generator that has ended: it has exited or is about to, and waits to be joined,
 * by a join of its scope or by the next start of a generator in its tree.
 */
struct leat_ended {
	struct leat_ended *next;
	struct leat_scope *scope;
	struct leat_thread thread;
};

/*
 * Attaches the hook and holds the scope. Returns 0, or -ECANCELED in a cancelled scope. In a
 * stopping scope it also calls the hook's stop().
 */
int leat_scope_attach(struct leat_scope *scope, struct leat_scope_hook *hook);
/* Detaches and drops the hold. After it returns the hook neither runs nor will be called. */
void leat_scope_detach(struct leat_scope *scope, struct leat_scope_hook *hook);

/*
 * A generator begins: counts it for joins of the scope and of all scopes above. Returns 0 or
 * -ECANCELED. After 0 exactly one of two calls follows: leat_scope_exit(), as the last thing that
 * the generator's thread does; or leat_scope_end(), for a generator without a thread, because it
 * ran on a pool or its thread could not be started.
 */
int leat_scope_begin(struct leat_scope *scope);
void leat_scope_end(struct leat_scope *scope);
void leat_scope_exit(struct leat_ended *ended);
/*
 * Joins the threads of this tree that have ended, so that a scope which is never joined does not
 * gather them. Does nothing on a thread whose own generator has ended.
 */
void leat_scope_reap(struct leat_scope *scope);

/*
 * A generator failed: cancels the scope as leat_scope_cancel() does, but leaves the hook `except`
 * alone, or calls it with spared where that is not NULL. So receivers can still take what the
 * generator sent before it failed. In a scope that is cancelled already it only counts.
 */
void leat_scope_fail(struct leat_scope *scope, int code, const char *text,
                     struct leat_scope_hook *except, const void *spared);

/*
 * Waits until a cancel that is under way in the tree has called every hook. For a generator that
 * got -ECANCELED elsewhere, perhaps before the cancel reached its own channel: after this call its
 * channel says whether it was cancelled.
 */
void leat_scope_settle(struct leat_scope *scope); /* mutate */

/* The text of the stop that this scope obeys; "" if it is not stopping. */
const char *leat_scope_stop_text(const struct leat_scope *scope);

/* The nearest deadline of the scope and of all above; LEAT_NEVER if there is none. Constant. */
int64_t leat_scope_deadline(const struct leat_scope *scope);
/* That deadline has passed: cancels the scope that has it, if the timer has not yet. */
void leat_scope_expire(struct leat_scope *scope);

/*
 * Whether a stop ends the generator whose thread this is, and is to end a wait in this scope (NULL:
 * in none): its output is a source; and the scope is stopping, or the generator's own, or that of
 * its output. Then the generator has been told.
 */
bool leat_scope_stops_this_thread(const struct leat_scope *scope);

/* Of a sender. */
struct leat_stop_mark {
	uint32_t source; /* it is a source; written by the handle's thread */
	uint32_t fed;    /* its generator receives; the same */
	bool told;       /* its generator has been told of a stop */
};
/* The mark of the output of the generator that runs on this thread, or NULL. */
extern LEAT_TLS struct leat_stop_mark *leat_scope_own_mark;

/* Not in a step that the generator's receive runs here: that is another generator's. */
static inline bool leat_scope_runs_source(void)
{
	return leat_scope_own_mark != NULL && leat_must_not_wait == 0 &&
	       leat_load_rlx(&leat_scope_own_mark->source); /* rlx: this thread wrote it */
}

/* The generator that runs on this thread, if any, receives: a stop need not reach it. */
static inline void leat_scope_note_fed(void)
{
	if (leat_scope_own_mark != NULL)
		/* rlx: for a text, which says no more than what was seen */
		leat_store_rlx(&leat_scope_own_mark->fed, 1);
}

/* The scope of the generator that runs on this thread, or NULL. Set by this thread alone. */
extern LEAT_TLS struct leat_scope *leat_scope_current;
/*
 * While leat_scope_own_mark is set: the scope of that output's channel, which is another after
 * leat_gen_into().
 */
extern LEAT_TLS struct leat_scope *leat_scope_of_output;

#endif
