/*
 * tests/faults/inject.h: makes calls of the library, and of the tests, fail.
 *
 * The programs here are linked with --wrap for each call below. A call from the library's objects
 * arrives here first. A call from inside the C library does not.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_FAULTS_INJECT_H
#define LEAT_TESTS_FAULTS_INJECT_H

#include <stdbool.h>
#include <stdint.h>

enum inject_point {
	INJECT_ALLOC, /* malloc, calloc, aligned_alloc, realloc, strdup, asprintf, open_memstream */
	INJECT_THREAD,    /* pthread_create */
	INJECT_SLEEP,     /* a wait in a futex: error 0 is a spurious wake-up */
	INJECT_CONDITION, /* a wait for a condition variable: it ends for no reason */
	INJECT_MEMBARRIER,
	/*
	 * eventfd, signalfd, epoll, fcntl, inotify, open, fopen, read, pread, write, fclose, stat,
	 * rename,
	 * ...: an error
	 */
	INJECT_FILE,
	INJECT_SIGNALLED, /* the calls among them that a signal may interrupt */
	INJECT_SHORT,     /* read and write: of fewer bytes */
	INJECT_POINTS
};

/*
 * The nth call from now on (from 1) fails once, with error; if that is 0, with an error that the
 * call documents.
 */
void inject_nth(enum inject_point point, uint64_t nth, int error);
/* One call in n fails, drawn at random. Several points may be on at a time. */
void inject_one_in(enum inject_point point, uint64_t n, int error);
void inject_seed(uint64_t seed);
void inject_off(void);

/* Returns the faults of that point since it was set; of all points since the beginning. */
uint64_t inject_count(enum inject_point point);
uint64_t inject_total(void);
uint64_t inject_calls(enum inject_point point); /* since the beginning, failed or not */

/* Blocks that were allocated through these calls and not freed. */
uint64_t inject_blocks(void);

#endif
