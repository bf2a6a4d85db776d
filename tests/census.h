/*
 * tests/census.h: counts threads and descriptors. What a test leaves behind is found by the census
 * of leat/test.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_CENSUS_H
#define LEAT_TESTS_CENSUS_H

#include <leat/test.h>

/*
 * How often a test does what it does many times: n times, but a quarter of that with
 * ThreadSanitizer, which makes all ten times as slow, and half of it with AddressSanitizer; in the
 * short form of the check half of that again, at least once.
 */
#if defined(__SANITIZE_THREAD__)
#define LEAT_TESTS_SLOWER 4
#elif defined(__SANITIZE_ADDRESS__)
#define LEAT_TESTS_SLOWER 2
#else
#define LEAT_TESTS_SLOWER 1
#endif
#if defined(LEAT_TESTS_SHORT) && LEAT_TESTS_SLOWER > 1
#define MANY_TIMES(n) ((n) / (2 * LEAT_TESTS_SLOWER) > 0 ? (n) / (2 * LEAT_TESTS_SLOWER) : 1)
#else
#define MANY_TIMES(n) ((n) / LEAT_TESTS_SLOWER)
#endif

/* Returns how many entries a folder has, without dot files; -1 if there is no such folder. */
int census_entries(const char *path);
int census_threads(void);
int census_descriptors(void);

#endif
