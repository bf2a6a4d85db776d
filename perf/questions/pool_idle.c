/*
 * What do the idle heuristics of pools gain? docs/perf.md has the figures with each of them switched off. On a pool of two
 * workers: a pipeline of three stages; a lone item each millisecond to a sink whose workers sleep; a generator that is started
 * and received from at once; eight that are started before the first is received from; and one that makes its item while its
 * consumer does something else.
 *
 *     perf_pool_idle
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

enum { ITEMS = 1000000, LONE = 1500, STARTS = 300000, TOGETHER = 8, BESIDE = 3000 };

static struct leat_pool *pool;

static double cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

static void print_figures(const char *name, int64_t since_ns, double since_cpu_ns, unsigned n)
{
	printf("%-32s %8.1f ns, %8.1f ns of CPU\n", name, (double)(leat_now_ns() - since_ns) / n, (cpu_ns() - since_cpu_ns) / n);
}

static void stop_if(bool failed)
{
	if (failed)
		abort();
}

static int count_down(void *state, void *item)
{
	uint64_t *left = state;

	if (*left == 0)
		return 0;
	*(uint64_t *)item = (*left)--;
	return 1;
}

static int add_one(void *state, void *item)
{
	struct leat_seq *in = state;
	int rc = in->next(in->state, item);

	*(uint64_t *)item += rc == 1;
	return rc;
}

static void end_input(void *state)
{
	struct leat_seq *in = state;

	in->fini(in->state);
}

static int add_up(void *state, const void *item)
{
	*(uint64_t *)state += *(const uint64_t *)item;
	return 0;
}

static struct leat_rx *start(struct leat_scope *scope, struct leat_seq seq, size_t capacity)
{
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = capacity };
	struct leat_rx *rx;

	stop_if(leat_gen_seq(scope, seq, &opts, &rx) < 0);
	return rx;
}

static void measure_pipeline(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .pool = pool };
	uint64_t left = ITEMS, sum = 0;
	double cpu = cpu_ns();
	int64_t since_ns = leat_now_ns();
	struct leat_seq in = leat_seq_from_rx(start(scope, (struct leat_seq){ count_down, NULL, &left, sizeof(left) }, 64));
	struct leat_rx *rx = start(scope, (struct leat_seq){ add_one, end_input, &in, sizeof(left) }, 64);

	stop_if(leat_gen_sink(scope, rx, (struct leat_sink){ add_up, NULL, &sum }, &opts) < 0);
	stop_if(leat_scope_join(scope) < 0);
	print_figures("an item through three stages", since_ns, cpu, ITEMS);
	leat_scope_close(scope);
}

struct latencies {
	int64_t ns[LONE];
	unsigned count;
};

static int take_time(void *state, const void *item)
{
	struct latencies *latencies = state;

	latencies->ns[latencies->count++] = leat_now_ns() - *(const int64_t *)item;
	return 0;
}

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void measure_lone_items(void)
{
	static struct latencies latencies;
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .pool = pool };
	struct leat_tx *tx;
	struct leat_rx *rx;
	int64_t first_ns;

	stop_if(leat_chan_open(scope, sizeof(int64_t), NULL, &tx, &rx) < 0);
	stop_if(leat_gen_sink(scope, rx, (struct leat_sink){ take_time, NULL, &latencies }, &opts) < 0);
	first_ns = leat_now_ns();
	for (unsigned i = 0; i < LONE; i++) {
		int64_t due_ns = first_ns + (int64_t)i * 1000000, now_ns;
		struct timespec due = { due_ns / 1000000000, due_ns % 1000000000 };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		now_ns = leat_now_ns();
		stop_if(leat_send(tx, &now_ns) < 0);
	}
	leat_tx_close(tx);
	stop_if(leat_scope_join(scope) < 0);
	qsort(latencies.ns, latencies.count, sizeof(latencies.ns[0]), compare_times);
	printf("%-32s %8" PRId64 " ns median, %" PRId64 " ns in 99 of 100\n", "a lone item to a sink", latencies.ns[LONE / 2],
	       latencies.ns[LONE * 99 / 100]);
	leat_scope_close(scope);
}

static void receive_all(struct leat_rx *rx)
{
	uint64_t item;

	while (leat_recv(rx, &item) == 1)
		;
	leat_rx_close(rx);
}

static void measure_starts(const char *name, unsigned together)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx[TOGETHER];
	double cpu = cpu_ns();
	int64_t since_ns = leat_now_ns();

	for (unsigned n = 0; n < STARTS; n += together) {
		uint64_t left[TOGETHER];

		for (unsigned i = 0; i < together; i++) {
			left[i] = 1;
			rx[i] = start(scope, (struct leat_seq){ count_down, NULL, &left[i], sizeof(left[i]) }, 1);
		}
		for (unsigned i = 0; i < together; i++)
			receive_all(rx[i]);
	}
	print_figures(name, since_ns, cpu, STARTS);
	leat_scope_close(scope);
}

static void work_for(int64_t ns)
{
	int64_t end_ns = leat_now_ns() + ns;

	while (leat_now_ns() < end_ns)
		;
}

static int count_down_slowly(void *state, void *item)
{
	if (*(uint64_t *)state > 0)
		work_for(20000);
	return count_down(state, item);
}

static void measure_beside(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	double cpu = cpu_ns();
	int64_t since_ns = leat_now_ns();

	for (unsigned n = 0; n < BESIDE; n++) {
		uint64_t left = 1;
		struct leat_rx *rx = start(scope, (struct leat_seq){ count_down_slowly, NULL, &left, sizeof(left) }, 1);

		work_for(20000);
		receive_all(rx);
	}
	print_figures("20 us of work beside its consumer", since_ns, cpu, BESIDE);
	leat_scope_close(scope);
}

int main(void)
{
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	stop_if(pool == NULL);
	measure_pipeline();
	measure_lone_items();
	measure_starts("a start, and a receive at once", 1);
	measure_starts("a start, eight before a receive", TOGETHER);
	measure_beside();
	return leat_pool_close(pool) < 0;
}
