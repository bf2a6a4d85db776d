/*
 * perf/questions/samples.h: what the programs that answer one question share: a core of one's own, and a row of the table.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_QUESTIONS_SAMPLES_H
#define LEAT_PERF_QUESTIONS_SAMPLES_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static inline void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static inline int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static inline void print_head(const char *what)
{
	printf("%-48s %8s %8s %8s\n", what, "median", "p5", "p95");
}

/* Sorts them. */
static inline void print_samples(const char *name, double *ns, int samples)
{
	qsort(ns, (size_t)samples, sizeof(ns[0]), by_value);
	printf("%-48s %8.2f %8.2f %8.2f\n", name, ns[samples / 2], ns[samples / 20], ns[samples - 1 - samples / 20]);
}

#endif
