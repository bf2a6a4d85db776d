/*
 * perf/bench.h: the harness: scenarios, how they are measured, and what came of them.
 *
 * Contestants take turns. Around each sample the round trip of a cache line between the two cores is measured: a
 * virtual machine's cores move, and what was measured while they were far apart is set aside and counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_BENCH_H
#define LEAT_PERF_BENCH_H

#include "perf/contestant.h"
#include "perf/generators.h"
#include "perf/select.h"

#include <stdio.h>

enum { CORES_MAX = 256, THREADS_MAX = 2 * SIDE_MAX };

/* Threads: whatever is measured starts them, pinned, lets them go at the same moment, and joins them. */
extern int bench_cores[CORES_MAX]; /* those that may be used; the first two are the near ones */
extern unsigned bench_cores_count;

enum place { PLACE_SEPARATE, PLACE_SAME, PLACE_FREE };

struct thread {
	part_fn *run;
	struct part part;
	int core; /* an index into bench_cores; -1: any */
	int64_t started_ns, over_ns;
	int64_t lost_ns; /* of that, something else had its core */
};
/* Runs them all; answers the nanoseconds between the first start and the last end. */
int64_t threads_run(struct thread *threads, unsigned count, struct finish *finish);
/* The core of the ith producer (or consumer): the two sides begin at different ends. */
int threads_core(enum place place, bool producer, unsigned i);
void threads_cores_init(void);
void threads_cores_keep(void); /* this thread, and what it starts, runs on them alone */

/* What one question asks. */
/* The last is asked of Go's program alone: select.h. */
enum measure { MEASURE_THROUGHPUT, MEASURE_ROUND_TRIP, MEASURE_PACED, MEASURE_IDLE, MEASURE_SELECT };

struct scenario {
	enum measure measure;
	enum kind kind;
	unsigned producers, consumers, item_size;
	size_t capacity;
	enum calls calls;
	unsigned batch; /* CALLS_BATCH, CALLS_ZERO_COPY and CALLS_BLOCKING_BATCH */
	enum place place;
	int64_t interval_ns; /* MEASURE_PACED: an item each */
};
static inline bool scenario_blocks(const struct scenario *s)
{
	return s->calls == CALLS_BLOCKING || s->calls == CALLS_BLOCKING_BATCH;
}
bool scenario_same(const struct scenario *a, const struct scenario *b);
/* "SPSC 1+1, 8 B, one at a time, capacity 1,024" */
void scenario_title(const struct scenario *scenario, char *text, size_t size);
const char *scenario_unit(const struct scenario *scenario);

struct result {
	const struct contestant *contestant;
	uint64_t operations;	      /* in a sample */
	unsigned taken, kept, wanted; /* samples; those with near cores and nobody else on them */
	unsigned far, busy;	      /* set aside: the cores were far apart; something else ran on them */
	bool collapsed;		      /* samples had to be given up */
	double *ns; /* an operation; the kept ones, sorted in the end. Idle: CPU milliseconds a second */
	double median, p5, p95;
	struct histogram *latency; /* MEASURE_PACED: all the kept samples */
};

struct outcome {
	struct scenario scenario;
	struct result *results;
	size_t results_count;
	double near_ns; /* a line's round trip in these samples */
	double seconds;
};

struct sampling {
	unsigned samples;
	int64_t most_ns; /* a scenario whose rounds took this long ends once each had three tries; 0: no matter */
	const char *only; /* a contestant's name holds this, or is a limit; NULL: all */
	void (*progress)(const struct scenario *scenario, const char *contestant, unsigned done, unsigned all);
};
void outcome_measure(struct outcome *outcome, const struct scenario *scenario, const struct sampling *sampling);
void idle_measure(struct result *results, size_t count); /* one sample each, all at once */
void outcome_free(struct outcome *outcome);
/* By the beginning of the name; NULL where it was not measured. */
const struct result *outcome_find(const struct outcome *outcome, const char *contestant);
/* The fastest of those that hold a bounded queue's promises, leat's aside; NULL. */
const struct result *outcome_best_peer(const struct outcome *outcome);
void bench_sort(double *values, size_t count);
double bench_quantile(const double *sorted, size_t count, double q);
double histogram_quantile(const struct histogram *histogram, double q);

/* The contestants of one item size, and what is missing. */
size_t contestants_find(unsigned item_size, const struct contestant **found, size_t max);
extern const char *const bench_missing[][2]; /* the adapter, its package; ends with NULL */
bool contestant_ours(const struct contestant *contestant);

/* Go's channels, in a program of their own beside this one. Nanoseconds an operation; below 0: it failed. */
bool remote_found(void);
const char *remote_path(void);
double remote_sample(const struct contestant *contestant, const struct scenario *scenario, uint64_t operations,
		     struct histogram *latency);
/* What its idle receiver and idle sender use in some seconds, in CPU ms a second. */
double remote_idle(const struct contestant *contestant, unsigned seconds);
select_sample_fn remote_select; /* from SELECT_CHANS channels, with n producers; 0: whoever selects sends */
void remote_close(void);
extern const struct contestant *const remote_contestants[];

/* What is measured of the machine itself, once a run. */
struct machine {
	char processor[128], kernel[160];
	double line_ns, two_lines_ns, stream_ns[4], cas_ns, xadd_ns, pause_ns, membarrier_ns, futex_ns, clock_ns,
		yield_ns;
};
extern const size_t machine_stream_bytes[4];
void machine_measure(struct machine *machine);
/* The round trip of a line between the two cores, now; and whether this is as near as they have been lately. */
double near_probe(void);
double near_ns(void);
bool near_is(double probe_ns);

/* What is asked for: sets of scenarios, and the table of figures. */
struct set {
	struct scenario *scenarios;
	size_t count;
};
void set_add(struct set *set, const struct scenario *scenario); /* unless it is there */
void set_add_figures(struct set *set, bool quick);
void set_add_all(struct set *set);

struct run {
	struct machine machine;
	struct outcome *outcomes;
	size_t count;
	struct sampling sampling;
	char command[256];
	char date[32];
	bool figures; /* the table of ratios comes with it */
	struct generators *generators; /* instead of scenarios; or NULL */
	struct selects *selects;       /* as well */
};

/* A row of the table: what was to be reached, and what was. */
struct figure {
	char text[96];
	const char *ours, *peer;
	bool beside; /* the peer was measured, too */
	double ours_ns, peer_ns, got, want;
	enum { FIGURE_TIMES, FIGURE_AT_MOST, FIGURE_MORE, FIGURE_CPU } how;
	bool known, reached;
	const struct outcome *outcome;
};
size_t figures_make(const struct run *run, struct figure *figures, size_t max);
enum { FIGURES_MAX = 64 };

/* How many digits behind the point say something. */
int report_digits(double value);
void report_text(FILE *out, const char *text); /* as a JSON string */
void report_machine(const struct run *run, FILE *out);
void report_outcome(const struct outcome *outcome, FILE *out);
void report_set_aside(const struct run *run, FILE *out);
void report_figures(const struct run *run, FILE *out);
void report_json(const struct run *run, FILE *out);
void report_svg(const struct run *run, FILE *out);

#endif
