/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "perf/harness.h"

#include <leat/atomic.h>
#include <leat/base.h>
#include <leat/version.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTESTANTS_MAX = 16, SAMPLES_MAX = 1000, PROBES = 2000 };

void fail(const char *what)
{
	fprintf(stderr, "perf: %s\n", what);
	exit(1);
}

static void pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(core, &set);
	if (pthread_setaffinity_np(pthread_self(), sizeof(set), &set) != 0)
		fail("cannot pin a thread: two cores are needed");
}

struct pair {
	void (*consume)(void *);
	void *arg;
	uint32_t ready, go;
};

static void *second_core(void *arg)
{
	struct pair *pair = arg;

	pin(1);
	leat_store_rel(&pair->ready, 1);
	while (leat_load_acq(&pair->go) == 0)
		leat_pause();
	pair->consume(pair->arg);
	return NULL;
}

double on_two_cores(void (*produce)(void *), void (*consume)(void *), void *arg)
{
	struct pair pair = { consume, arg, 0, 0 };
	pthread_t thread;
	int64_t start_ns;

	pin(0);
	if (pthread_create(&thread, NULL, second_core, &pair) != 0)
		fail("cannot start a thread");
	while (leat_load_acq(&pair.ready) == 0)
		leat_pause();
	start_ns = leat_now_ns();
	leat_store_rel(&pair.go, 1);
	produce(arg);
	pthread_join(thread, NULL);
	return (double)(leat_now_ns() - start_ns);
}

struct probe {
	uint64_t there __attribute__((aligned(128)));
	uint64_t back __attribute__((aligned(128)));
	int64_t took_ns;
};

static void probe_here(void *arg)
{
	struct probe *probe = arg;
	int64_t start_ns = leat_now_ns();

	for (uint64_t i = 1; i <= PROBES; i++) {
		leat_store_rel(&probe->there, i);
		while (leat_load_acq(&probe->there) == i)
			;
	}
	probe->took_ns = leat_now_ns() - start_ns;
	leat_store_rel(&probe->back, 1);
}

static void probe_there(void *arg)
{
	struct probe *probe = arg;

	for (uint64_t i = 1; i <= PROBES; i++) {
		while (leat_load_acq(&probe->there) != i)
			;
		leat_store_rel(&probe->there, 0);
	}
}

double line_round_trip_ns(void)
{
	struct probe probe = { 0 };

	on_two_cores(probe_here, probe_there, &probe);
	return (double)probe.took_ns / PROBES;
}

struct samples {
	double ns[SAMPLES_MAX], before[SAMPLES_MAX], after[SAMPLES_MAX];
	size_t kept;
	double median, p5, p95;
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double quantile(const double *sorted, size_t count, double q)
{
	return sorted[(size_t)(q * (double)(count - 1) + 0.5)];
}

/* Keeps the samples between whose probes the cores were near each other, and sums them up. */
static void sum_up(struct samples *s, unsigned count, double best_probe)
{
	double kept[SAMPLES_MAX];

	s->kept = 0;
	for (unsigned i = 0; i < count; i++)
		if (s->before[i] < 1.5 * best_probe && s->after[i] < 1.5 * best_probe)
			kept[s->kept++] = s->ns[i];
	if (s->kept == 0)
		return;
	qsort(kept, s->kept, sizeof(kept[0]), by_value);
	s->median = quantile(kept, s->kept, 0.5);
	s->p5 = quantile(kept, s->kept, 0.05);
	s->p95 = quantile(kept, s->kept, 0.95);
}

/* The tenth part of the probes that were the fastest tells what "near" is on this machine. */
static double best_probe(const struct samples *all, size_t contestants, unsigned count)
{
	double *probes = malloc(contestants * count * sizeof(*probes));
	double best;

	if (probes == NULL)
		fail("no memory");
	for (size_t c = 0; c < contestants; c++)
		memcpy(probes + c * count, all[c].before, count * sizeof(*probes));
	qsort(probes, contestants * count, sizeof(*probes), by_value);
	best = quantile(probes, contestants * count, 0.1);
	free(probes);
	return best;
}

static void take_samples(const struct scenario *scenario, struct samples *all, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		for (size_t k = 0; k < scenario->contestants_count; k++) {
			size_t c = (k + i) % scenario->contestants_count; /* nobody is always the first */
			const struct contestant *contestant = &scenario->contestants[c];

			all[c].before[i] = line_round_trip_ns();
			all[c].ns[i] = contestant->run(contestant, scenario->operations);
			all[c].after[i] = line_round_trip_ns();
			if (all[c].ns[i] < 0)
				fail("a contestant lost, repeated or changed an item");
		}
}

static void print_machine(void)
{
	char line[256], *model = NULL;
	FILE *cpu = fopen("/proc/cpuinfo", "re");

	while (cpu != NULL && model == NULL && fgets(line, sizeof(line), cpu) != NULL)
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL)
			model = strchr(line, ':') + 2;
	if (cpu != NULL)
		fclose(cpu);
	if (model != NULL)
		model[strcspn(model, "\n")] = '\0';
	printf("# leat %s, compiler %s, processor %s\n", LEAT_VERSION, __VERSION__, model != NULL ? model : "unknown");
}

static void run_scenario(const struct scenario *scenario, unsigned count)
{
	struct samples *all = calloc(scenario->contestants_count, sizeof(*all));
	double near_ns;

	if (all == NULL)
		fail("no memory");
	take_samples(scenario, all, count);
	near_ns = best_probe(all, scenario->contestants_count, count);
	printf("\n%s; a line's round trip %.0f ns\n", scenario->name, near_ns);
	printf("%-28s %12s %8s %8s %8s %10s\n", "", "ns/operation", "p5", "p95", "ratio", "samples");
	for (size_t c = 0; c < scenario->contestants_count; c++) {
		struct samples *s = &all[c];

		sum_up(s, count, near_ns);
		if (s->kept == 0) {
			printf("%-28s no sample while the cores were near\n", scenario->contestants[c].name);
			continue;
		}
		printf("%-28s %12.2f %8.2f %8.2f ", scenario->contestants[c].name, s->median, s->p5, s->p95);
		if (all[0].kept > 0)
			printf("%8.2f ", all[0].median / s->median);
		else
			printf("%8s ", "-");
		printf("%5zu of %u\n", s->kept, count);
	}
	fflush(stdout);
	free(all);
}

int measure(const struct scenario *scenarios, size_t count, int argc, char **argv)
{
	unsigned samples = 0;

	if (argc == 3 && strcmp(argv[1], "--samples") == 0 && atoi(argv[2]) > 0 && atoi(argv[2]) <= SAMPLES_MAX) {
		samples = (unsigned)atoi(argv[2]);
	} else if (argc > 1) {
		fprintf(stderr, "usage: %s [--samples N]    N of each contestant, 1 to %d\n", argv[0], SAMPLES_MAX);
		return 2;
	}
	print_machine();
	printf("# pinned to cores 0 and 1, contestants in turn; ratio: how many times as fast as the first\n");
	for (size_t s = 0; s < count; s++) {
		if (scenarios[s].contestants_count > CONTESTANTS_MAX)
			fail("too many contestants");
		run_scenario(&scenarios[s], samples != 0 ? samples : scenarios[s].samples);
	}
	return 0;
}
