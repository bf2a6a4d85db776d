/*
 * tests/census.h: counts what a test leaves behind: threads, also those that sleep; descriptors;
 * channels and generators that the registry still knows; and blocks of memory that runtime/os
 * allocated. The linker's --wrap around leat_os_alloc() and leat_os_free() counts the blocks, in
 * test programs alone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_CENSUS_H
#define LEAT_TESTS_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How often a test does what it does many times: n times, but a quarter of that with
 * ThreadSanitizer, which makes all ten times as slow.
 */
#ifdef __SANITIZE_THREAD__
#define MANY_TIMES(n) ((n) / 4)
#else
#define MANY_TIMES(n) (n)
#endif

struct census {
	int threads, descriptors;
	size_t nodes;
	uint64_t blocks;
};

/* Returns how many entries a folder has, without dot files; -1 if there is no such folder. */
int census_entries(const char *path);
int census_threads(void);
int census_descriptors(void);

/*
 * Counts what there is now. With a sanitizer the first call starts a thread, so that the thread
 * which the sanitizer itself starts then is counted too.
 */
void census_begin(struct census *census);

/*
 * Returns true if there is no more than at the beginning; else false, with a text in words that
 * says what is left. A joined thread is in /proc for a moment longer, and a thread may be inside
 * its last free. So this counts again until nothing is left, for three seconds at most.
 */
bool census_end(const struct census *census, char *words, size_t size);

#endif
