/*
 * tests/faults/inject.h: calls of the library, and of the tests, that fail when they are told to.
 *
 * The programs here are linked with --wrap for each call below: what the library's objects call
 * arrives here first. What the C library calls inside itself does not.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_FAULTS_INJECT_H
#define LEAT_TESTS_FAULTS_INJECT_H

#include <stdbool.h>
#include <stdint.h>

enum inject_point {
	INJECT_ALLOC,     /* malloc, calloc, realloc, strdup, asprintf */
	INJECT_THREAD,    /* pthread_create */
	INJECT_SLEEP,     /* a wait in a futex: 0 stands for a wake-up that nobody sent */
	INJECT_CONDITION, /* a wait for a condition variable: it ends for no reason */
	INJECT_MEMBARRIER,
	/*
	 * eventfd, epoll, fcntl, inotify, open, fopen, read, pread, write, fclose, stat, rename,
	 * ...: an error
	 */
	INJECT_FILE,
	INJECT_SIGNALLED, /* those of them that may: interrupted by a signal */
	INJECT_SHORT,     /* read and write: of fewer bytes */
	INJECT_POINTS
};

/*
 * The nth call from now on (from 1) fails once, with error, or where that is 0 with one that the
 * call knows.
 */
void inject_nth(enum inject_point point, uint64_t nth, int error);
/* One call in n fails, drawn at random. Several points may be on at a time. */
void inject_one_in(enum inject_point point, uint64_t n, int error);
void inject_seed(uint64_t seed);
void inject_off(void);

/* Of that point, since it was told to fail; of all points, since the beginning. */
uint64_t inject_count(enum inject_point point);
uint64_t inject_total(void);
uint64_t inject_calls(enum inject_point point); /* since the beginning, failed or not */

/* Blocks that were allocated through these calls and not freed. */
uint64_t inject_blocks(void);

#endif
