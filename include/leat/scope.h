/*
 * leat/scope.h: scopes, which are the nodes of a cancellation tree and own generators.
 *
 * A generator is started in a scope and never outlives it. To cancel a scope cancels everything
 * below it at once, and says why. To stop a scope ends its sources, and lets everything that they
 * have sent run through. To join a scope waits until its generators have ended.
 *
 *     struct leat_scope *s = leat_scope_open(NULL, NULL);
 *     leat_gen(s, ticks, NULL, sizeof(struct tick), NULL, &rx);
 *     ...
 *     leat_scope_cancel(s, 0, "market closed");
 *     int rc = leat_scope_close(s);               0 here; the failure's code if a generator failed
 *
 * Threads: any thread may make any of these calls while the scope is open. A scope is closed once.
 * A join or close from inside a generator that it would wait for returns -EDEADLK.
 *
 * Cause: the first one wins, and the scope keeps it with its code and its text until it is closed;
 * leat_scope_cause() reads it, and leat_scope_join() returns its code. Later causes are counted. A
 * cause goes down the tree, never up: each scope below that has none yet takes it, and a child that
 * fails leaves its parent running. Calls on a cancelled channel return -ECANCELED; they do not say
 * why, so read the cause of the channel's scope.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_SCOPE_H
#define LEAT_SCOPE_H

#include <leat/base.h>

#include <sys/select.h> /* sigset_t, which <signal.h> hides from strict C */

LEAT_BEGIN_DECLS

struct leat_scope;
struct leat_hook;

struct leat_scope_opts {
	const char *name;    /* copied; at most LEAT_NAME_MAX bytes */
	int64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none; in the past: opens a cancelled scope */
	uint64_t reserved[8];
};

/*
 * Opens a scope below parent, or the root of a tree where parent is NULL. A child of a cancelled
 * parent is open and cancelled. The caller closes it. Returns NULL for bad options (a name too
 * long, reserved not zero), when there is no memory, or no thread for the first deadline, and when
 * the caller was compiled for another layout (leat/base.h).
 */
LEAT_API struct leat_scope *leat_scope_open(struct leat_scope *parent,
                                            const struct leat_scope_opts *opts);

/*
 * Cancels the scope and everything below it. Every thread that is parked on one of their channels
 * is woken. Calls that begin after this returned return -ECANCELED, but a receive for which the
 * stream has ended still returns 0, and a send to receivers that have left -EPIPE. Items in flight
 * go to `discard` in the receives and closes that follow. code is 0, or -errno for a failure; a
 * positive code breaks a rule and stops the program. text is copied and may be NULL. A second
 * cancel changes no cause.
 */
LEAT_API void leat_scope_cancel(struct leat_scope *scope, int code, const char *text);

/*
 * Stops the scope and everything below it: the graceful end, in which nothing is lost that a send
 * has accepted. Sources end (leat_tx_source(), leat_gen_opts.source; the sources of leat/io.h are
 * sources): their sends and waits return -ESHUTDOWN, and they end as LEAT_STOPPED with this text.
 * Their channels close behind them, so the stages and sinks that receive take what is left, and end
 * as LEAT_COMPLETED. The scope has no cause; a join returns 0. Returns at once, and runs no user
 * code: a join waits.
 *
 * At drain_deadline_ns (LEAT_NEVER: never) what still runs is cancelled, with the cause
 * LEAT_DEADLINE. A deadline that is not in the future cancels at once. Once no generator of the
 * scope or below is left the deadline means nothing more, and what is in channels stays there to be
 * received.
 *
 * The text of that cause names a generator, where there is one, that perhaps nothing told to end:
 * it is no source, and is not known to receive. A sink receives; so does what uses
 * leat_seq_from_rx() or binds a receiver. A function that receives otherwise is known to do so once
 * it has waited for an item. If it never did, the text may name it, and says that it "was not seen
 * to wait for an item". A seq that "was not seen to receive" is named before it.
 *
 * In a stopping scope, and in scopes that are opened below it later, no source can be started
 * (-ESHUTDOWN); stages can. A second stop keeps the first text and may only bring the deadline
 * nearer. A cancel beats a stop.
 *
 * Returns 0; -EINVAL for NULL; -ECANCELED in a cancelled scope; -EAGAIN when no thread can be
 * started for the deadline, and -ENOMEM, and after these two nothing was stopped. text is copied
 * and may be NULL.
 */
LEAT_API int leat_scope_stop(struct leat_scope *scope, int64_t drain_deadline_ns, const char *text);
LEAT_API bool leat_scope_stopping(const struct leat_scope *scope);

/*
 * For programs: the first of these signals that comes stops the scope, with the signal's name
 * ("SIGTERM") as text and drain_ns from then on to drain (LEAT_NEVER: no limit; 0: the signal
 * cancels at once). The second one cancels the scope, with its name as text; later ones do nothing.
 *
 *     int main(void)
 *             ...
 *             sigaddset(&signals, SIGTERM);
 *             leat_scope_stop_on_signals(scope, &signals, 2000000000);
 *             start generators, and join the scope
 *
 * The call blocks the signals in the calling thread, and starts a thread of the library that waits
 * for them. So call it before other threads are started, which then inherit the mask; a thread that
 * runs already must block them itself, or the signal may come there and do what it always does.
 * Only signals to the process count (kill(2)), not those to one thread (raise(3)). Where two scopes
 * wait for the same signal, one of them gets it.
 *
 * The close of the scope ends the thread. The signals stay blocked.
 *
 * Returns 0; -EINVAL for NULL and for a negative drain_ns; -ECANCELED in a cancelled scope;
 * -EALREADY where the scope waits for signals; -EAGAIN, -ENOMEM, -EMFILE and -ENFILE for what is
 * missing. After an error the mask is what it was. Where no thread can be started for the drain
 * deadline later, or there is no memory for it, the first signal cancels.
 */
LEAT_API int leat_scope_stop_on_signals(struct leat_scope *scope, const sigset_t *signals,
                                        int64_t drain_ns);

/*
 * Returns the first cause, or LEAT_RUNNING before there is one. code and text may be NULL; *text is
 * never NULL and lives as long as the scope is open.
 */
LEAT_API enum leat_cause leat_scope_cause(const struct leat_scope *scope, int *code,
                                          const char **text);

/*
 * Waits for the generators of the scope and of all scopes below it; cancels nothing. Returns the
 * cause's code if that is not 0 (-ETIMEDOUT for a deadline); else the code of the first later
 * failure; else 0. -EINVAL for NULL. -EDEADLK from inside one of the generators, and in a step on a
 * pool while there is any to wait for.
 */
LEAT_API int leat_scope_join(struct leat_scope *scope);

/*
 * As leat_scope_join(), but waits no longer than until the deadline. Returns -EAGAIN when
 * generators still run then; the caller may join again. A deadline that is not in the future means
 * no wait.
 */
LEAT_API int leat_scope_join_until(struct leat_scope *scope, int64_t deadline_ns);

/*
 * Cancels what still runs, joins, frees the scope, and returns what join does. It waits for
 * generators, never for handles: channels and child scopes that are still open stay, cancelled,
 * until they are closed. NULL is 0. After -EDEADLK the scope is unchanged, and still the caller's.
 */
LEAT_API int leat_scope_close(struct leat_scope *scope);

/*
 * Sleeps until the deadline, or until the scope is cancelled. Returns 0 when the time has come, at
 * once if the deadline is not in the future; -ECANCELED in a cancelled scope; -ESHUTDOWN for a
 * source that was stopped (leat_tx_source()), or in a stopped scope; -EINVAL for NULL; -EDEADLK in
 * a step on a pool, where leat_after() (leat/gen.h) does the same.
 */
LEAT_API int leat_scope_sleep(struct leat_scope *scope, int64_t deadline_ns);

/*
 * Returns a descriptor for poll(2) and epoll(7), which is readable from the cancel of the scope on,
 * for good. It is made by the first call; each call returns the same one. The scope keeps it, and
 * closes it in its own close: the caller only polls it, and neither reads nor closes it. Returns
 * -EINVAL for NULL, -ENOMEM, or what eventfd(2) failed with.
 */
LEAT_API int leat_scope_fd(struct leat_scope *scope);

/*
 * Has fn(arg) called when the scope is cancelled: by leat_scope_cancel() or leat_scope_close() of
 * this scope or one above, by a deadline, or by the failure of a generator. Returns 0; the caller
 * then has *hook, and removes it, also after the scope was closed. hook may be NULL: then the
 * library frees it. -ECANCELED in a cancelled scope: fn does not run. -EINVAL for a NULL scope or
 * fn, -ENOMEM, -EAGAIN when no thread can be started.
 *
 * fn runs once. It runs in the call of leat_scope_cancel() or leat_scope_close(), before that
 * returns; after a deadline or a failure on a thread of the library. The library holds no lock
 * meanwhile, so fn may call it, but
 *
 *     - a join or close of this scope, or of one above, returns -EDEADLK
 *     - fn should not wait for long: other functions of the same thread wait for it
 *     - fn must not throw, nor end its thread
 *
 * The close of a scope waits until each fn of it and of the scopes below has run. A join does not.
 */
LEAT_API int leat_scope_on_cancel(struct leat_scope *scope, void (*fn)(void *arg), void *arg,
                                  struct leat_hook **hook);

/*
 * Frees the hook, once. Returns 0: fn has not run, and will not run. Returns 1: fn has run; where
 * another thread is running it, this waits for its end. So after either, arg is the caller's alone.
 * -EDEADLK, and the hook is still there: inside fn itself, and in a step on a pool while fn runs
 * elsewhere. NULL is 0.
 */
LEAT_API int leat_hook_remove(struct leat_hook *hook);

LEAT_API struct leat_scope *leat_detail_scope_open(unsigned abi, struct leat_scope *parent,
                                                   const struct leat_scope_opts *opts);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_scope_open(...) \
	leat_detail_scope_open(leat_detail_abi(struct leat_scope_opts), __VA_ARGS__)

#endif
