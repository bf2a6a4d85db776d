/*
 * tests/stress/rate.c: a rate of 1,000,000 a second with a burst of 1,000, from four threads, and
 * the promise over every window of the log.
 *
 *     PROGRAM [seconds [least]]
 *
 * Each thread notes the time before and after each take that returned 0. The grant was in between,
 * so of any window from a to b, at least those grants were in it which came back by b, less those
 * that were called before a. If those are more than burst + per_second x (b - a), the promise is
 * broken. The largest such number over all windows is found in one pass through both lists of times
 * in order. Fewer grants than the pace are due to the machine: the program prints how many there
 * were, and fails below `least` per cent of those that were due: 50, or 1 with a sanitizer, which
 * takes most of the time. `rate 10 99` is the promise, on a machine that has nothing else to do.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/census.h"

#include <inttypes.h>
#include <leat/atomic.h>
#include <leat/pace.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { LEAST_PERCENT = 1 };
#else
enum { LEAST_PERCENT = 50 };
#endif

enum { THREADS = 4, BURST = 1000, PER_SECOND = 1000000 };
#define SECOND_NS INT64_C(1000000000)

struct grants {
	pthread_t thread;
	struct leat_rate *rate;
	int64_t until_ns, *before_ns, *after_ns;
	size_t n, most;
};

static void *take_all(void *arg)
{
	struct grants *g = arg;

	while (g->n < g->most) {
		g->before_ns[g->n] = leat_now_ns();
		if (g->before_ns[g->n] >= g->until_ns ||
		    leat_rate_take(g->rate, 1, NULL, g->until_ns) != 0)
			return NULL;
		g->after_ns[g->n++] = leat_now_ns();
	}
	return NULL;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Copies one of the two lists of all threads, in order. */
static int64_t *collect(const struct grants *grants, size_t total, int after)
{
	int64_t *all = malloc((total + 1) * sizeof(*all));
	size_t n = 0;

	if (all == NULL)
		abort();
	for (int t = 0; t < THREADS; t++)
		for (size_t i = 0; i < grants[t].n; i++)
			all[n++] = after ? grants[t].after_ns[i] : grants[t].before_ns[i];
	qsort(all, n, sizeof(*all), by_time);
	return all;
}

/*
 * Returns the most that any window had above per_second x its length, in permits. Of windows that
 * begin at a before and end at an after: the number of afters up to b, less per_second x b, plus
 * per_second x a, less the number of befores in front of a.
 */
static double find_most(const int64_t *before_ns, const int64_t *after_ns, size_t n)
{
	const double each_ns = (double)SECOND_NS / PER_SECOND;
	double best_start = -1e18, most = -1e18;
	size_t begun = 0;

	for (size_t ended = 0; ended < n; ended++) {
		for (; begun < n && before_ns[begun] <= after_ns[ended]; begun++) {
			double start =
				(double)(before_ns[begun] - before_ns[0]) / each_ns - (double)begun;

			best_start = start > best_start ? start : best_start;
		}
		double end =
			(double)(ended + 1) - (double)(after_ns[ended] - before_ns[0]) / each_ns;

		most = end + best_start > most ? end + best_start : most;
	}
	return most;
}

int main(int argc, char **argv)
{
	int64_t length_ns = (argc > 1 ? atoi(argv[1]) : 3) * SECOND_NS, began_ns;
	struct leat_rate_opts opts = { .per_second = PER_SECOND, .burst = BURST };
	double least = argc > 2 ? atof(argv[2]) : LEAST_PERCENT, most, percent;
	size_t total = 0, due = (size_t)(length_ns / SECOND_NS * PER_SECOND) + BURST;
	struct grants grants[THREADS] = { 0 };
	struct leat_rate *rate;

	rate = leat_rate_open(&opts);
	began_ns = leat_now_ns();
	for (int t = 0; t < THREADS; t++) {
		struct grants *g = &grants[t];

		*g = (struct grants){ .rate = rate, .most = due + 1 };
		g->until_ns = began_ns + length_ns;
		g->before_ns = malloc(g->most * sizeof(int64_t));
		g->after_ns = malloc(g->most * sizeof(int64_t));
		if (rate == NULL || g->before_ns == NULL || g->after_ns == NULL ||
		    pthread_create(&g->thread, NULL, take_all, g) != 0)
			abort();
	}
	for (int t = 0; t < THREADS; t++) {
		pthread_join(grants[t].thread, NULL);
		total += grants[t].n;
	}
	int64_t *before_ns = collect(grants, total, 0), *after_ns = collect(grants, total, 1);
	most = find_most(before_ns, after_ns, total);
	percent = 100.0 * (double)total / (double)due;
	printf("rate: %zu grants of %zu that were due (%.2f %%), at most %.1f above the pace in "
	       "any window\n",
	       total, due, percent, most);
	for (int t = 0; t < THREADS; t++) {
		free(grants[t].before_ns);
		free(grants[t].after_ns);
	}
	free(before_ns);
	free(after_ns);
	if (leat_rate_close(rate) != 0 || most > BURST || percent < least) {
		printf("rate: the promise is broken\n");
		return 1;
	}
	return 0;
}
