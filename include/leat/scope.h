/*
 * leat/scope.h: the cancellation tree, and who owns the generators.
 *
 * A scope is a node of a tree. Generators are started in one and never outlive it; cancelling it
 * cancels everything below it, at once, and says why; joining it waits until its generators are
 * gone.
 *
 *     struct leat_scope *s = leat_scope_open(NULL, NULL);
 *     leat_gen(s, ticks, NULL, sizeof(struct tick), NULL, &rx);
 *     ...
 *     leat_scope_cancel(s, 0, "market closed");
 *     int rc = leat_scope_close(s);               0 here; the failure's code if a generator failed
 *
 * Who may call what: any thread, at any time, while the scope is open. A scope is closed once; join
 * or close from inside a generator that they would wait for answers -EDEADLK.
 *
 * What wins: the first cause, and it is kept with its code and its text. Later ones are counted. A
 * cause is inherited downwards, never upwards: a child that fails leaves its parent running.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_SCOPE_H
#define LEAT_SCOPE_H

#include <leat/base.h>

LEAT_BEGIN_DECLS

struct leat_scope;

struct leat_scope_opts {
	const char *name;    /* copied; at most LEAT_NAME_MAX bytes */
	int64_t deadline_ns; /* 0: none. A deadline that has passed opens a cancelled scope */
	uint64_t reserved[8];
};

/*
 * Opens a scope below parent, or a tree's root where parent is NULL. A child of a cancelled parent
 * is open and cancelled. Returns NULL for bad options (a name too long, reserved not zero), when
 * memory, or a thread for the first deadline, cannot be had, and when the caller was compiled for
 * another layout (leat/base.h).
 */
LEAT_API struct leat_scope *leat_scope_open(struct leat_scope *parent,
                                            const struct leat_scope_opts *opts);

/*
 * Cancels the scope and everything below it: every thread parked on one of their channels is woken,
 * calls begun after this returned answer -ECANCELED, and what is in flight goes to `discard` in the
 * receives and closes that follow. code is 0, or -errno for a failure; a positive code breaks a
 * rule and stops the program. text is copied and may be NULL. Cancelling twice changes no cause.
 */
LEAT_API void leat_scope_cancel(struct leat_scope *scope, int code, const char *text);

/*
 * The first cause, LEAT_RUNNING before there is one. code and text may be NULL; *text is never NULL
 * and lives as long as the scope is open.
 */
LEAT_API enum leat_cause leat_scope_cause(const struct leat_scope *scope, int *code,
                                          const char **text);

/*
 * Waits for the generators of the scope and of all scopes below it; cancels nothing. Answers the
 * cause's code (-ETIMEDOUT for a deadline, 0 for a plain cancel), else the first later failure,
 * else 0; -EINVAL for NULL; -EDEADLK from inside one of the generators.
 */
LEAT_API int leat_scope_join(struct leat_scope *scope);

/*
 * Cancels what still runs, joins, frees, and answers what join does. Waits for generators, never
 * for handles: channels and child scopes that are still held live on, cancelled, until they are
 * closed. NULL is 0; after -EDEADLK the scope is untouched.
 */
LEAT_API int leat_scope_close(struct leat_scope *scope);

LEAT_API struct leat_scope *leat_detail_scope_open(unsigned abi, struct leat_scope *parent,
                                                   const struct leat_scope_opts *opts);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_scope_open(...) \
	leat_detail_scope_open(leat_detail_abi(struct leat_scope_opts), __VA_ARGS__)

#endif
