/*
 * testkit/testkit.h: what the files of libleat-test share. The library takes every object of
 * libleat but those of the seam: memory.c, sleep.c, epoll.c and thread.c of runtime/os, and
 * memory.c of runtime/scope. It defines their functions itself:
 *
 *     memory.c   counts what is allocated
 *     scopes.c   lists the scopes that are open
 *     threads.c  counts the threads of the library
 *     sleep.c    the manual clock, and each sleep by it; without that clock, the real functions
 *     census.c   the census (leat/test.h)
 *
 * Without the manual clock, nothing here takes a lock on the way of a sleep, a wake-up or an
 * allocation: ThreadSanitizer would take such a lock for an order between threads, and would miss
 * that the library has none.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTKIT_TESTKIT_H
#define LEAT_TESTKIT_TESTKIT_H

#include "runtime/os/os.h"
#include "testkit/real.h"

#include <leat/test.h>

/* memory.c: bytes and blocks that were allocated and not freed. */
void leat_kit_count_memory(uint64_t *bytes, uint64_t *blocks);

/* scopes.c: the number of the last scope that was opened. */
uint64_t leat_kit_last_scope(void);
/* Calls fn with the name of each open scope whose number is above that one. */
void leat_kit_walk_scopes(uint64_t last, void (*fn)(void *arg, const char *name), void *arg);

/* threads.c: whether the caller is a thread that leat_thread_start() started. */
bool leat_kit_in_library(void);
/* How many of those run, or sleep. Only while the clock is real. */
uint32_t leat_kit_threads(void);

/* census.c: how long a census waits for what is on its way out, in real time. */
extern int64_t leat_kit_patience_ns;

/* sleep.c */

/* A sleep by the manual clock. */
struct leat_kit_sleeper {
	struct leat_kit_sleeper *next, **link; /* in the order in which the sleeps began */
	const void *on;                        /* what a wake-up names; NULL: descriptors */
	struct pollfd *fds;
	size_t n;
	int found; /* what poll(2) returned */
	int64_t due_ns;
	uint32_t woken;
};

bool leat_kit_clock_is_manual(void);
/* Guards all sleeps by the manual clock. Nothing else is locked by a thread that holds it. */
void leat_kit_lock(void);
void leat_kit_unlock(void);
/*
 * Caller holds the lock; it is released meanwhile, and mutex, if not NULL, too. Returns 0, or
 * -ETIMEDOUT once the time has come.
 */
int leat_kit_sleep(struct leat_kit_sleeper *me, struct leat_mutex *mutex);
/* Caller holds the lock. Wakes up to n threads that sleep on this. */
void leat_kit_wake(const void *on, unsigned n);
/* Caller holds the lock. One thread more, or less, runs that a settle waits for. */
void leat_kit_count_running(int by);
/* The thread and the descriptor of the manual clock itself, which the census leaves out; or 0, -1.
 */
void leat_kit_clock_parts(uint32_t *tid, int *fd);

#endif
