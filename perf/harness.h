/*
 * perf/harness.h: what every measurement does alike: two pinned threads, contestants in turn, a look at the machine
 * before and after each sample, medians and tails.
 *
 * A virtual machine's cores move: a cache line's round trip between them is measured around each sample, and the samples
 * of a run whose round trips are far from the run's best are set aside (and counted).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_HARNESS_H
#define LEAT_PERF_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One contestant of a scenario. run() does the whole of one sample on two pinned threads, checks every item, and
 * answers nanoseconds an operation; below 0 is an error that stops the run. */
struct contestant {
	const char *name;
	double (*run)(const struct contestant *self, uint64_t operations);
	size_t capacity;
};

struct scenario {
	const char *name;      /* what is measured */
	const char *operation; /* what one operation is: "item", "round trip" */
	uint64_t operations;   /* in a sample */
	unsigned samples;      /* of each contestant */
	size_t contestants_count;
	const struct contestant *contestants; /* the first is the peer that ratios are against */
};

/* Runs, and prints a table. Answers main()'s status. argv: --samples N. */
int measure(const struct scenario *scenarios, size_t count, int argc, char **argv);

/* Runs produce on one core and consume on the other, and answers the nanoseconds between both ready and both done. */
double on_two_cores(void (*produce)(void *), void (*consume)(void *), void *arg);

/* Nanoseconds for a cache line to go to the other core and back. */
double line_round_trip_ns(void);

_Noreturn void fail(const char *what);

#endif
