/*
 * How long does a start wait beside snapshots? One thread starts a generator on a pool and closes its receiver, again and again,
 * while hundreds of thousands of generators of the same scope live, first without snapshots, then beside a thread that takes one
 * after another; then the same where each start is the first of a scope of its own, which the pool has to be told of.
 *
 *     perf_starts [GENERATORS [STARTS]]        400000 and 50000
 *
 * Microseconds; the last column counts the snapshots that were taken meanwhile.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "samples.h"

#include <leat/diag.h>
#include <leat/gen.h>

static struct leat_pool *pool;
static struct leat_scope *scope;
static unsigned snapshots;
static double *us;

static int next(void *state, void *item)
{
	(void)state;
	*(uint64_t *)item = 1;
	return 1;
}

static struct leat_rx *start(struct leat_scope *in)
{
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = 1 };
	struct leat_rx *rx;

	if (leat_gen_seq(in, (struct leat_seq){ next, NULL, NULL, sizeof(uint64_t) }, &opts, &rx) < 0)
		abort();
	return rx;
}

static void count(const struct leat_snapshot *snapshot, void *arg)
{
	(void)snapshot;
	(void)arg;
	snapshots++;
}

static double start_and_end(bool new_scope)
{
	struct leat_scope *in = new_scope ? leat_scope_open(NULL, NULL) : scope;
	int64_t since_ns = leat_now_ns(), took_ns;
	struct leat_rx *rx = start(in);

	took_ns = leat_now_ns() - since_ns;
	leat_rx_close(rx);
	if (new_scope)
		leat_scope_close(in);
	return (double)took_ns / 1000;
}

static void measure(const char *name, bool new_scope, bool beside, int starts)
{
	struct leat_diag *diag = NULL;

	snapshots = 0;
	if (beside)
		diag = leat_diag_start(&(struct leat_diag_opts){ .interval_ns = 1, .callback = count });
	for (int i = 0; i < starts; i++)
		us[i] = start_and_end(new_scope);
	if (beside && leat_diag_stop(diag) < 0)
		abort();
	qsort(us, (size_t)starts, sizeof(us[0]), by_value);
	printf("%-40s %9.2f %9.2f %9.2f %9.2f %6u\n", name, us[starts / 2], us[(size_t)starts * 99 / 100],
	       us[(size_t)starts * 999 / 1000], us[starts - 1], snapshots);
}

int main(int argc, char **argv)
{
	int generators = argc > 1 ? atoi(argv[1]) : 400000, starts = argc > 2 ? atoi(argv[2]) : 50000;
	struct leat_rx **rx;

	if (generators < 1 || starts < 1 || argc > 3) {
		fprintf(stderr, "usage: %s [GENERATORS [STARTS]], both above 0\n", argv[0]);
		return 2;
	}
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	scope = leat_scope_open(NULL, NULL);
	rx = malloc((size_t)generators * sizeof(rx[0]));
	us = malloc((size_t)starts * sizeof(us[0]));
	if (pool == NULL || scope == NULL || rx == NULL || us == NULL)
		return 1;
	for (int i = 0; i < generators; i++)
		rx[i] = start(scope);
	printf("%-40s %9s %9s %9s %9s %6s\n", "a start, us", "median", "p99", "p99.9", "most", "looks");
	measure("in their scope", false, false, starts);
	measure("in their scope, beside snapshots", false, true, starts);
	measure("in a new scope", true, false, starts);
	measure("in a new scope, beside snapshots", true, true, starts);
	for (int i = 0; i < generators; i++)
		leat_rx_close(rx[i]);
	leat_scope_close(scope);
	leat_pool_close(pool);
	return 0;
}
