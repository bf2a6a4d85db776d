/*
 * perf/machine.c: what the machine itself can do, and how near its cores are.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"

#include <leat/atomic.h>

#include <linux/membarrier.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/*
 * A probe is a thousand round trips. What counts as near is the tenth part of the latest probes that was the
 * fastest, and half as much again.
 */
enum { PROBE_TRIPS = 1000, PROBES_KEPT = 128, PROBES_FIRST = 32 };
#define NEAR_TIMES 1.5

static double probes[PROBES_KEPT];
static unsigned probes_count;

static const struct contestant *limit(const char *name)
{
	const struct contestant *found[64];
	size_t count = contestants_find(8, found, 64);

	for (size_t i = 0; i < count; i++)
		if (strcmp(found[i]->name, name) == 0)
			return found[i];
	bench_fail("a limit is not there");
}

static double run_limit(const char *name, enum measure measure, size_t capacity, uint64_t operations,
			struct histogram *latency)
{
	const struct contestant *c = limit(name);
	const struct shape shape = { KIND_SPSC, capacity, 1, 1 };
	struct thread threads[2] = { 0 };
	struct part part = {
		.pipe = c->open(&shape), .count = operations, .alone = true, .interval_ns = 250000, .histogram = latency
	};
	int64_t took_ns;

	for (int i = 0; i < 2; i++) {
		threads[i].part = part;
		threads[i].core = threads_core(PLACE_SEPARATE, i == 0, 0);
	}
	threads[0].run = measure == MEASURE_ROUND_TRIP ? c->ask[CALLS_ONE]
			 : measure == MEASURE_PACED    ? c->pace[CALLS_BLOCKING]
						       : c->produce[CALLS_ONE];
	threads[1].run = measure == MEASURE_ROUND_TRIP ? c->answer[CALLS_ONE]
			 : measure == MEASURE_PACED    ? c->arrive[CALLS_BLOCKING]
						       : c->consume[CALLS_ONE];
	took_ns = threads_run(threads, 2, NULL);
	c->close(part.pipe);
	return (double)took_ns / (double)operations;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double near_ns(void)
{
	unsigned count = probes_count < PROBES_KEPT ? probes_count : PROBES_KEPT;
	double sorted[PROBES_KEPT];

	memcpy(sorted, probes, count * sizeof(sorted[0]));
	qsort(sorted, count, sizeof(sorted[0]), by_value);
	return sorted[count / 10];
}

double near_probe(void)
{
	double ns;

	if (bench_cores_count < 2)
		return 0;
	ns = run_limit("(one line)", MEASURE_ROUND_TRIP, 1, PROBE_TRIPS, NULL);
	probes[probes_count++ % PROBES_KEPT] = ns;
	return ns;
}

bool near_is(double probe_ns)
{
	return bench_cores_count < 2 || probe_ns < NEAR_TIMES * near_ns();
}

/* The fastest of some short runs: a limit is what the machine can do when nothing is in the way. */
#define FASTEST(runs, times, statement) \
	({ \
		double best_ = 1e18; \
		for (int run_ = 0; run_ < (runs); run_++) { \
			int64_t start_ = bench_now_ns(); \
			for (int i_ = 0; i_ < (times); i_++) { \
				statement; \
			} \
			double took_ = (double)(bench_now_ns() - start_) / (times); \
			best_ = took_ < best_ ? took_ : best_; \
		} \
		best_; \
	})

static void alone(struct part *part)
{
	struct machine *machine = part->pipe;
	static uint64_t word __attribute__((aligned(APART)));
	uint64_t old = 0;

	machine->cas_ns = FASTEST(20, 1000, leat_cas_acqrel(&word, &old, old + 1));
	machine->xadd_ns = FASTEST(20, 1000, leat_add_acqrel(&word, UINT64_C(1)));
	machine->pause_ns = FASTEST(20, 1000, leat_pause());
	machine->clock_ns = FASTEST(20, 1000, bench_now_ns());
	machine->yield_ns = FASTEST(20, 100, sched_yield());
	machine->membarrier_ns = 0;
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0)
		machine->membarrier_ns =
			FASTEST(20, 100, syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	leat_store_rel((uint32_t *)part->back, 1u);
}

/* Keeps the other core busy in this process, so that a membarrier has somebody to interrupt. */
static void busy(struct part *part)
{
	while (leat_load_acq((uint32_t *)part->back) == 0)
		leat_pause();
}

static void name_machine(struct machine *machine)
{
	struct utsname name;
	char line[256];
	FILE *cpu = fopen("/proc/cpuinfo", "re");

	snprintf(machine->processor, sizeof(machine->processor), "unknown");
	while (cpu != NULL && fgets(line, sizeof(line), cpu) != NULL)
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(machine->processor, sizeof(machine->processor), "%s", strchr(line, ':') + 2);
			break;
		}
	if (cpu != NULL)
		fclose(cpu);
	if (uname(&name) == 0)
		snprintf(machine->kernel, sizeof(machine->kernel), "%s %s", name.sysname, name.release);
}

const size_t machine_stream_bytes[4] = { 8 << 10, 64 << 10, 512 << 10, 4 << 20 };

/* The middle one of some near runs; the fastest of all where none was near. */
static double near_limit(const char *name, enum measure measure, size_t bytes)
{
	double ns[9], any = 1e18;
	unsigned kept = 0;

	for (int tries = 0; tries < 27 && kept < 9; tries++) {
		uint64_t operations = measure == MEASURE_ROUND_TRIP ? 10000 : 16 * (uint64_t)bytes / 8;
		bool near = near_is(near_probe());
		double took = run_limit(name, measure, bytes / 8, operations, NULL);

		any = took < any ? took : any;
		if (near && near_is(near_probe()))
			ns[kept++] = took;
	}
	if (kept == 0)
		return any;
	qsort(ns, kept, sizeof(ns[0]), by_value);
	return ns[kept / 2];
}

void machine_measure(struct machine *machine)
{
	struct thread threads[2] = { 0 };
	struct histogram *wakes = bench_alloc(sizeof(*wakes));
	uint32_t over = 0;

	name_machine(machine);
	threads[0].run = alone;
	threads[1].run = busy;
	threads[0].part.pipe = machine;
	threads[0].part.back = threads[1].part.back = &over;
	threads[1].core = bench_cores_count > 1;
	threads_run(threads, bench_cores_count > 1 ? 2 : 1, NULL);
	if (bench_cores_count > 1) {
		for (int i = 0; i < PROBES_FIRST; i++)
			near_probe();
		machine->line_ns = near_limit("(one line)", MEASURE_ROUND_TRIP, 8);
		machine->two_lines_ns = near_limit("(two lines)", MEASURE_ROUND_TRIP, 8);
		for (int i = 0; i < 4; i++) /* eight items to a line */
			machine->stream_ns[i] =
				8 * near_limit("(lines streamed)", MEASURE_THROUGHPUT, machine_stream_bytes[i]);
		run_limit("(bare futex)", MEASURE_PACED, 1, 400, wakes);
		machine->futex_ns = histogram_quantile(wakes, 0.5);
	}
	free(wakes);
}
