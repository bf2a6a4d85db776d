/*
 * tests/census.h: what a test leaves behind: threads (and with them whoever sleeps in a futex or a
 * descriptor), descriptors, channels and generators that the registry still knows, and blocks of
 * memory that runtime/os gave. The blocks are counted by the linker's --wrap around leat_os_alloc()
 * and leat_os_free(), in test programs alone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_CENSUS_H
#define LEAT_TESTS_CENSUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a test does many times: with ThreadSanitizer, which makes each ten times as slow, a quarter
 * of them.
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

/* Of a folder, but for those whose names begin with a dot; -1 where there is none. */
int census_entries(const char *path);
int census_threads(void);
int census_descriptors(void);

/*
 * What is there now. With a sanitizer the first one starts a thread, so that the one that comes
 * with it is counted.
 */
void census_begin(struct census *census);

/*
 * Nothing more than at the beginning; else false, and words say what. A thread that was joined
 * stands in /proc a moment longer, and a thread may be inside its last free, so what is left is
 * looked at until it is gone, for three seconds.
 */
bool census_end(const struct census *census, char *words, size_t size);

#endif
