/*
 * runtime/scope/hook.h: functions of programs that a cancel calls (leat_scope_on_cancel()).
 *
 * A cancel holds the tree's lock while it calls the library's own hooks, and a deadline's cancel
 * holds the timers' lock too. A program's function runs with none of them held. Therefore the
 * cancel only marks the hook as called, and a thread runs the function later:
 *
 *     leat_scope_cancel(), leat_scope_close()   in the call, before it returns
 *     a deadline, a failed generator            on the library's runner thread, as the cancelling
 *                                               thread may be a receiver in the middle of a receive
 *
 * A hook is in one of these states, all guarded by hook.c's lock:
 *
 *     ARMED     attached to its scope
 *     CALLED    a cancel reached it; on the list of called hooks
 *     RUNNING   a thread runs the function; on that list
 *     OVER      it has run, or it was removed: it will not run
 *
 * CALLED to RUNNING is one step with the lock held, so the function runs once, on whichever thread
 * comes first: the canceller, the runner, or a close, which runs what it finds CALLED and waits for
 * what is RUNNING elsewhere. So no close waits for the runner to begin a function, and a function
 * on the runner may close other scopes.
 *
 * Memory. A hook that is not OVER holds its scope. The function's thread detaches the hook before
 * it stores OVER, and touches neither hook nor scope after that.
 *
 * The runner exists from the first hook on, since a cancel must not fail for lack of a thread. It
 * is stopped and joined by the remove or the close that finds no hook that could still run.
 *
 * Lock order: timers, tree, then the lock of this file. A function runs without any of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SCOPE_HOOK_H
#define LEAT_RUNTIME_SCOPE_HOOK_H

#include "runtime/scope/scope.h"

/*
 * Frame a cancel whose functions run in the calling thread: begin takes the tree's lock; end
 * releases it and runs the functions of this scope and of those below that were called.
 */
void leat_hooks_cancel_begin(struct leat_scope *scope);
void leat_hooks_cancel_end(struct leat_scope *scope);

/* Whether this thread runs a function of this scope, or of a scope below. */
bool leat_hooks_inside(const struct leat_scope *scope);
/* Whether any thread runs such a function. */
bool leat_hooks_running(const struct leat_scope *scope);
/*
 * The scope is being closed, and is cancelled: runs the functions that were called and did not
 * begin, and waits for those that other threads run, of this scope and of scopes below.
 */
void leat_hooks_close(const struct leat_scope *scope);

#endif
