/*
 * perf/machine.c: which machine this is, how near its cores are, and what it can do.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"
#include "perf/topics.h"

#include <leat/atomic.h>

#include <linux/membarrier.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

/* A probe is the middle one of so many bursts of round trips, so that an interruption does not count. */
enum { BURSTS = 9, BURST_TRIPS = 100 };
/*
 * The border is derived from all probes of the run. They are counted by their logarithm, and parted in two
 * where the parts differ most (Otsu's threshold). If the parts' means differ by less than FAR_TIMES, there
 * is one class alone: far if its mean is above FAR_ALONE_NS, which no two cores of one chip take that this
 * was tried on, else near, with a border at FAR_TIMES its mean.
 */
enum { OCTAVE_BINS = 32, BINS = 11 * OCTAVE_BINS };
#define FAR_TIMES 2.0
#define FAR_ALONE_NS 200.0

const char *const class_names[CLASSES] = { "near", "far" };
static unsigned probes[BINS], probes_count;
static double burst_ns[BURSTS];

static const struct contestant *find_limit(const char *name)
{
	const struct contestant *found[CONTESTANTS_MAX];
	size_t count = contestants_find(8, found, CONTESTANTS_MAX);

	for (size_t i = 0; i < count; i++)
		if (strcmp(found[i]->name, name) == 0)
			return found[i];
	bench_fail("a limit is not there");
}

static void ask_in_bursts(struct part *part)
{
	part_fn *ask = find_limit("(one line)")->tx[MEASURE_ROUND_TRIP][CALLS_ONE];
	struct part burst = *part;

	burst.count = BURST_TRIPS;
	for (int i = 0; i < BURSTS; i++) {
		int64_t start_ns = bench_now_ns();

		ask(&burst);
		burst_ns[i] = (double)(bench_now_ns() - start_ns) / BURST_TRIPS;
	}
}

static void answer_bursts(struct part *part)
{
	part_fn *answer = find_limit("(one line)")->rx[MEASURE_ROUND_TRIP][CALLS_ONE];
	struct part burst = *part;

	burst.count = BURST_TRIPS;
	for (int i = 0; i < BURSTS; i++)
		answer(&burst);
}

/* Runs a producer's and a consumer's loop of a limit on the two cores; returns ns an operation. */
static double run_limit(const struct contestant *c, part_fn *tx, part_fn *rx, size_t capacity, uint64_t operations,
			struct histogram *latency)
{
	struct part part = { .pipe = c->open(&(struct shape){ KIND_SPSC, capacity, 1, 1 }), .count = operations,
			     .alone = true, .interval_ns = 250000, .histogram = latency };
	struct thread threads[2] = {
		{ .run = tx, .part = part, .core = threads_core(PLACE_SEPARATE, true, 0) },
		{ .run = rx, .part = part, .core = threads_core(PLACE_SEPARATE, false, 0) },
	};
	int64_t took_ns = threads_run(threads, 2, NULL);

	c->close(part.pipe);
	return (double)took_ns / (double)operations;
}

double near_probe(void)
{
	int bin;

	if (bench_cores_count < 2)
		return 0;
	run_limit(find_limit("(one line)"), ask_in_bursts, answer_bursts, 1, BURSTS * BURST_TRIPS, NULL);
	bench_sort(burst_ns, BURSTS);
	bin = (int)(log2(burst_ns[BURSTS / 2]) * OCTAVE_BINS);
	probes[bin < 0 ? 0 : bin < BINS ? bin : BINS - 1]++;
	probes_count++;
	return burst_ns[BURSTS / 2];
}

/* The ns that a place among the bins stands for. */
static double bin_ns(double bin)
{
	return exp2((bin + 0.5) / OCTAVE_BINS);
}

double near_border(void)
{
	double all = 0, below = 0, below_count = 0, most = 0, low = 0, high = 0;

	for (int b = 0; b < BINS; b++)
		all += (double)probes[b] * b;
	for (int b = 0; b < BINS && below_count < probes_count; b++) {
		double above_count, apart;

		below += (double)probes[b] * b;
		below_count += probes[b];
		above_count = probes_count - below_count;
		if (below_count <= 0 || above_count <= 0)
			continue;
		apart = (all - below) / above_count - below / below_count;
		if (below_count * above_count * apart * apart > most) {
			most = below_count * above_count * apart * apart;
			low = below / below_count;
			high = (all - below) / above_count;
		}
	}
	if (bin_ns(high) >= FAR_TIMES * bin_ns(low) && most > 0)
		return bin_ns((low + high) / 2);
	if (probes_count == 0)
		return FAR_ALONE_NS;
	all = bin_ns(all / probes_count);
	return all > FAR_ALONE_NS ? all / FAR_TIMES : all * FAR_TIMES;
}

enum class near_class(double before_ns, double after_ns)
{
	double border = near_border();

	if ((before_ns > border) != (after_ns > border))
		return MOVED;
	return before_ns > border ? FAR : NEAR;
}

double near_typical(enum class class)
{
	double border = near_border();
	unsigned count = 0, passed = 0;

	for (int pass = 0; pass < 2; pass++)
		for (int b = 0; b < BINS; b++) {
			if ((bin_ns(b) > border) != (class == FAR))
				continue;
			if (pass == 0)
				count += probes[b];
			else if ((passed += probes[b]) > count / 2)
				return bin_ns(b);
		}
	return 0;
}

void machine_name(struct run *run)
{
	struct utsname name;
	char line[256];
	FILE *cpu = fopen("/proc/cpuinfo", "re");

	snprintf(run->processor, sizeof(run->processor), "unknown");
	while (cpu != NULL && fgets(line, sizeof(line), cpu) != NULL)
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL) {
			line[strcspn(line, "\n")] = '\0';
			snprintf(run->processor, sizeof(run->processor), "%s", strchr(line, ':') + 2);
			break;
		}
	if (cpu != NULL)
		fclose(cpu);
	if (uname(&name) == 0)
		snprintf(run->kernel, sizeof(run->kernel), "%s %s", name.sysname, name.release);
}

void limit_between(uint64_t n, double *values)
{
	static struct histogram wakes;
	const struct contestant *c = find_limit(n == 0 ? "(one line)" : n == 1 ? "(two lines)" : n == 2 ? "(bare futex)"
													 : "(lines streamed)");

	if (n < 2) {
		values[0] = run_limit(c, c->tx[MEASURE_ROUND_TRIP][0], c->rx[MEASURE_ROUND_TRIP][0], 1, 10000, NULL);
	} else if (n == 2) {
		memset(&wakes, 0, sizeof(wakes));
		run_limit(c, c->tx[MEASURE_PACED][CALLS_BLOCKING], c->rx[MEASURE_PACED][CALLS_BLOCKING], 1, 100, &wakes);
		values[0] = histogram_quantile(&wakes, 0.5);
	} else { /* eight items to a line */
		values[0] = 8 * run_limit(c, c->tx[0][0], c->rx[0][0], n / 8, 2 * n, NULL);
	}
}

/* The fastest of some short runs: a limit is what the machine can do when nothing is in the way. */
#define FASTEST(times, statement) \
	({ \
		double best_ = 1e18; \
		for (int run_ = 0; run_ < 20; run_++) { \
			int64_t start_ = bench_now_ns(); \
			for (int i_ = 0; i_ < (times); i_++) { \
				statement; \
			} \
			double took_ = (double)(bench_now_ns() - start_) / (times); \
			best_ = took_ < best_ ? took_ : best_; \
		} \
		best_; \
	})

static void run_alone(struct part *part)
{
	static uint64_t word __attribute__((aligned(APART)));
	double *ns = part->pipe;
	uint64_t old = 0;

	switch (part->number) {
	case 0:
		*ns = FASTEST(1000, leat_cas_acqrel(&word, &old, old + 1));
		break;
	case 1:
		*ns = FASTEST(1000, leat_add_acqrel(&word, UINT64_C(1)));
		break;
	case 2:
		*ns = FASTEST(1000, leat_pause());
		break;
	case 3:
		*ns = FASTEST(1000, bench_now_ns());
		break;
	case 4:
		*ns = FASTEST(100, sched_yield());
		break;
	default:
		*ns = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0
			      ? 0
			      : FASTEST(100, syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	}
	leat_store_rel((uint32_t *)part->back, 1u);
}

/* Keeps the other core busy in this process, so that a membarrier has a thread to interrupt. */
static void keep_busy(struct part *part)
{
	while (leat_load_acq((uint32_t *)part->back) == 0)
		leat_pause();
}

void limit_alone(uint64_t n, double *values)
{
	uint32_t over = 0;
	struct thread threads[2] = {
		{ .run = run_alone, .part = { .pipe = values, .back = &over, .number = (unsigned)n } },
		{ .run = keep_busy, .part = { .back = &over }, .core = 1 },
	};

	threads_run(threads, n == 5 && bench_cores_count > 1 ? 2 : 1, NULL);
}
