/*
 * perf/bench.h: the harness: scenarios, one sampler for all of them, and what came of them.
 *
 * Contestants take turns. Before and after each sample the round trip of a cache line between the two
 * cores is measured: a virtual machine's cores move. Samples of near cores and of far cores are two
 * classes, each with a median of its own; a sample during which the cores moved is thrown away.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_BENCH_H
#define LEAT_PERF_BENCH_H

#include "perf/contestant.h"

#include <stdio.h>

enum { CORES_MAX = 256, THREADS_MAX = 2 * SIDE_MAX, CONTESTANTS_MAX = 64 };

/* Threads: a measurement starts them, pinned, lets them go at the same moment, and joins them. */
extern int bench_cores[CORES_MAX]; /* those that may be used; the first two are the two sides */
extern unsigned bench_cores_count;

enum place { PLACE_SEPARATE, PLACE_SAME, PLACE_FREE };

struct thread {
	part_fn *run;
	struct part part;
	int core; /* an index into bench_cores; -1: any */
	int64_t started_ns, over_ns;
	int64_t lost_ns; /* of that, something else had its core */
};
/* Runs them all; returns the nanoseconds between the first start and the last end. */
int64_t threads_run(struct thread *threads, unsigned count, struct finish *finish);
/* The core of the ith producer (or consumer): the two sides begin at different ends. */
int threads_core(enum place place, bool producer, unsigned i);
void threads_cores_init(void);
void threads_cores_keep(void); /* this thread, and what it starts, runs on them alone */

/* A question that is no loop over a pipe: generators, selects, the machine's own limits. */
struct topic {
	const char *group, *title;
	struct {
		const char *what, *unit;
	} values[VALUES_MAX + 1]; /* less is better; ends with a what of NULL */
	bool apart;           /* each sample runs in a process of its own, so that its memory is known */
	bool anywhere;        /* nothing passes between cores: near and far are no matter */
	struct contestant by[14]; /* ends with a name of NULL */
};

/* What is asked. */
struct scenario {
	enum measure measure;
	enum kind kind;
	unsigned producers, consumers, item_size;
	size_t capacity;
	enum calls calls;
	unsigned batch; /* CALLS_BATCH, CALLS_ZERO_COPY and CALLS_BLOCKING_BATCH */
	enum place place;
	int64_t interval_ns; /* MEASURE_PACED: an item each */
	const struct topic *topic; /* MEASURE_TOPIC */
	uint64_t count;            /* MEASURE_TOPIC, where the contestant does not say: of how many */
};
static inline bool scenario_blocks(const struct scenario *s)
{
	return s->calls == CALLS_BLOCKING || s->calls == CALLS_BLOCKING_BATCH;
}
bool scenario_same(const struct scenario *a, const struct scenario *b);
/* "SPSC 1+1, 8 B, one at a time, capacity 1,024" */
const char *scenario_title(const struct scenario *scenario, char text[160]);
/* What is measured of it, such as "an item", and the unit; NULL: it has no such value. */
const char *scenario_value(const struct scenario *scenario, int value, const char **unit);

/* Sets of scenarios. */
struct set {
	struct scenario *scenarios;
	size_t count;
};
void set_add(struct set *set, const struct scenario *scenario); /* unless it is there */
void set_add_figures(struct set *set, bool quick);
void set_add_all(struct set *set);
void set_add_topics(struct set *set, const char *group, uint64_t count);
extern const struct topic topics[];
const struct topic *topic_find(const char *title);
void topics_list(FILE *out);

/* How near the two cores were. */
enum class { NEAR, FAR, CLASSES, MOVED = CLASSES };
extern const char *const class_names[CLASSES];
double near_probe(void);              /* a line's round trip, now */
double near_border(void);             /* above it a round trip is far, by all probes up to now */
enum class near_class(double before_ns, double after_ns);
double near_typical(enum class class); /* the middle of that class's probes; 0: there was none */

struct sample {
	double values[VALUES_MAX]; /* ns an operation; MEASURE_IDLE: CPU ms a second */
	double before_ns, after_ns;
	struct histogram *latency; /* MEASURE_PACED */
};

/* What one contestant's samples of one class are: sorted, value by value. */
struct series {
	unsigned count;
	double *ns[VALUES_MAX], median[VALUES_MAX], p5[VALUES_MAX], p95[VALUES_MAX];
	struct histogram *latency; /* MEASURE_PACED: of all of them */
};

struct result {
	const struct contestant *contestant;
	uint64_t operations; /* in a sample */
	struct sample *samples;
	unsigned taken, wanted;
	unsigned kept, moved, busy; /* kept is taken but for these: cores moved; something else ran */
	bool collapsed;             /* samples had to be given up */
	bool left_out;              /* too few samples that count, of either class */
	struct series of[CLASSES];
};

struct outcome {
	struct scenario scenario;
	struct result *results;
	size_t results_count;
	bool classless;            /* how near the cores are is no matter; all its samples are in NEAR */
	bool has[CLASSES], left_out[CLASSES]; /* left out: there were samples, too few of a contestant */
	unsigned fewest[CLASSES];             /* samples that a contestant had */
	double seconds;
};

struct sampling {
	unsigned samples;
	int64_t most_ns; /* the rounds of a scenario end after this, once each had three tries; 0: no matter */
	const char *only; /* a contestant's name holds this, or is a limit; NULL: all */
	void (*progress)(const struct scenario *scenario, const char *contestant, unsigned done, unsigned all);
};
void outcome_open(struct outcome *outcome, const struct scenario *scenario, const struct sampling *sampling);
/* Rounds of samples. True: each contestant has all near samples (`both`: and all far ones). */
bool outcome_take(struct outcome *outcome, const struct sampling *sampling, bool both);
/*
 * Sorts the samples into classes. Each contestant gets as many of a class, or the class is left out; a
 * contestant that has too few of either class is left out itself.
 */
void outcome_sum_up(struct outcome *outcome, const struct sampling *sampling);
void outcome_close(struct outcome *outcome);
/*
 * The fastest of those whose name is `pattern`, or begins with what stands before its "*"; "*" itself
 * is any peer that holds a bounded queue's promises. NULL: there is none in this class.
 */
const struct result *outcome_find(const struct outcome *outcome, const char *pattern, enum class class, int value);
void bench_sort(double *values, size_t count);
double histogram_quantile(const struct histogram *histogram, double q);

/* The contestants of one item size, and what is missing. */
size_t contestants_find(unsigned item_size, const struct contestant **found, size_t max);
extern const char *const bench_missing[][2]; /* the adapter, its package; ends with NULL */
bool contestant_ours(const struct contestant *contestant);

/* Go's channels, in a program of their own beside this one. Nanoseconds an operation. */
bool remote_found(const struct contestant *contestant); /* or the Disruptor's program */
double remote_sample(const struct contestant *contestant, const struct scenario *scenario, uint64_t operations,
		     struct histogram *latency);
/* A sample of a topic in a child of this process, which may become Go's program. */
void remote_apart(const struct contestant *contestant, uint64_t count, double *values);
void remote_close(void);
extern const struct contestant *const remote_contestants[];

struct run {
	struct outcome *outcomes;
	size_t count;
	struct sampling sampling;
	char command[256], date[32], processor[128], kernel[160];
};
enum { PROCESSORS = 2 };
extern const char *const processor_names[PROCESSORS + 1]; /* the columns of the table of figures */
int processor_column(const struct run *run); /* which of them this one is; -1: none */
void machine_name(struct run *run);

/* A row of the table: what was to be reached, and what was. */
enum how { FIGURE_NONE, FIGURE_TIMES, FIGURE_AT_MOST, FIGURE_MORE, FIGURE_VALUE };
struct target {
	enum how how;
	double want;
};
struct figure {
	char text[208], versus[96];
	const char *ours, *peer, *unit;
	const struct target *targets; /* one for each processor */
	bool known, judged, reached;
	double ours_ns, peer_ns, got;
};
size_t figures_make(const struct run *run, struct figure *figures, size_t max);
void figure_target(const struct target *target, const char *unit, char text[32]); /* ">= 3.2 x", "<= 9 ns" */
enum { FIGURES_MAX = 128 };

int report_digits(double value); /* how many digits behind the point say something */
void report_machine(const struct run *run, FILE *out);
void report_outcome(const struct outcome *outcome, FILE *out);
void report_classes(const struct run *run, FILE *out);
void report_figures(const struct run *run, FILE *out);
void report_json(const struct run *run, FILE *out);
void report_svg(const struct run *run, FILE *out);

#endif
