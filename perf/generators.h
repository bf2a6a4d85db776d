/*
 * perf/generators.h: `leat bench generators`: what a generator costs to make, to keep, to take a value from and to end,
 * beside Go's goroutines and C++20's coroutines.
 *
 * Every sample runs in a process of its own, so that nothing of the one before it is in memory; contestants take turns.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_GENERATORS_H
#define LEAT_PERF_GENERATORS_H

#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GENERATORS_VALUES = 3, GENERATORS_ROUNDS = 16, GENERATORS_PULLED = 64, GENERATORS_PASSED = 8 };

/* One sample with so many generators: fills as many values as its question has. Ends the program where a sum is wrong. */
typedef void generators_sample_fn(uint64_t count, double *values);

/* perf/peers/generators.c */
generators_sample_fn leat_one_after_another, leat_alive, leat_pulled, leat_pull_pointer, leat_pull_seen, leat_pass_64,
	leat_pass_1, leat_cancel_all;
/* perf/peers/coroutine.cc, where the compiler has them */
generators_sample_fn coroutine_alive, coroutine_pull;

/* Memory of this process that is resident, in bytes; and how much more of it there is, for each of so many. */
uint64_t bench_resident(void);
double bench_grown_each(uint64_t before, uint64_t count);

struct generators;
/* Measures; NULL cannot be. */
struct generators *generators_measure(uint64_t count, unsigned samples, const char *only);
void generators_list(FILE *out);
void generators_report(const struct generators *generators, FILE *out);
void generators_json(const struct generators *generators, FILE *out);
void generators_free(struct generators *generators);

#ifdef __cplusplus
}
#endif
#endif
