/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "perf/bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A sample lasts about this long, unless a ring has to be filled more often than fits into it. */
#define SAMPLE_NS 10e6
#define PACED_SAMPLE_NS 50e6
#define LAPS_NS 100e6
/* What all samples of a slow one may take, but for the first three. */
#define SLOW_NS 1e9
#define LOST_MAX 0.02
enum { CONTESTANTS_MAX = 64, LAPS_MIN = 4, OPERATIONS_MAX = 4000000 };

static const struct scenario *current;
static bool collapsed; /* the last sample was given up */
static double lost;    /* the share of the last sample that something else had a core of it */
static const char *current_contestant;

/* Says what was going on, so that a failure need not be searched for. */
void bench_fail(const char *what)
{
	char title[128];

	if (current != NULL)
		scenario_title(current, title, sizeof(title));
	fprintf(stderr, "leat-bench: %s%s%s%s%s\n", current_contestant != NULL ? current_contestant : "",
		current_contestant != NULL ? ": " : "", current != NULL ? title : "", current != NULL ? ": " : "",
		what);
	exit(1);
}

static bool crowded(const struct scenario *s)
{
	unsigned threads = s->producers + s->consumers;

	return s->place == PLACE_SAME || threads > bench_cores_count;
}

static void set_up(struct thread *threads, const struct contestant *c, const struct scenario *s, void *pipe, void *back,
		   uint64_t operations, struct finish *finish, struct histogram *latency)
{
	const struct part part = {
		.pipe = pipe,
		.back = back,
		.batch = s->batch,
		.shares = crowded(s),
		.interval_ns = s->interval_ns,
		.alone = s->producers == 1 && s->consumers == 1,
		.histogram = latency,
	};

	for (unsigned i = 0; i < s->producers + s->consumers; i++) {
		bool producer = i < s->producers;
		unsigned number = producer ? i : i - s->producers;
		struct thread *t = &threads[i];

		t->part = part;
		t->part.number = number;
		t->part.count = operations / (producer ? s->producers : s->consumers);
		t->core = threads_core(s->place, producer, number);
		if (s->measure == MEASURE_ROUND_TRIP)
			t->run = producer ? c->ask[s->calls] : c->answer[s->calls];
		else if (s->measure == MEASURE_PACED)
			t->run = producer ? c->pace[s->calls] : c->arrive[s->calls];
		else
			t->run = producer ? c->produce[s->calls] : c->consume[s->calls];
		if (!producer && finish != NULL) {
			t->part.finish = finish;
			t->part.count = UINT64_MAX;
		}
	}
}

/* Every item came once, unharmed, and in its producer's order. */
static void verify(const struct thread *threads, const struct contestant *c, const struct scenario *s,
		   uint64_t *operations)
{
	uint64_t got = 0, sum = 0, each = *operations / s->producers, pushed = 0;
	bool asks = s->measure == MEASURE_ROUND_TRIP;

	for (unsigned i = asks ? 0 : s->producers; i < (asks ? s->producers : s->producers + s->consumers); i++) {
		got += threads[i].part.got;
		sum += threads[i].part.sum;
		if (threads[i].part.wrong)
			bench_fail("an item came changed, twice, or out of order");
	}
	/* Given up: what came must be right, and the rest is missed by nobody. */
	collapsed = bench_stop != 0 && !threads->part.alone && got < *operations;
	if (collapsed) {
		*operations = got > 0 ? got : 1;
		return;
	}
	for (uint64_t p = 0; p < s->producers; p++)
		pushed += (p << 48) * each + each * (each + 1) / 2;
	if (got != *operations)
		bench_fail("items are lost");
	if (sum != pushed && s->measure != MEASURE_PACED && !(c->limit && asks))
		bench_fail("the sum of the items is wrong");
}

static double sample_here(const struct contestant *c, const struct scenario *s, uint64_t operations,
			  struct histogram *latency)
{
	const struct shape shape = { s->kind, s->capacity, s->producers, s->consumers };
	struct thread threads[THREADS_MAX] = { 0 };
	struct finish *finish = NULL;
	bool asks = s->measure == MEASURE_ROUND_TRIP;
	void *pipe = c->open(&shape), *back = asks && pipe != NULL ? c->open(&shape) : NULL;
	int64_t took_ns;

	if (pipe == NULL)
		return -1;
	/* Consumers that sleep cannot be told of an end that all queues would know: each takes its share. */
	if (s->consumers > 1 && !scenario_blocks(s) && !(s->calls == CALLS_ZERO_COPY && c->in_place_waits)) {
		finish = bench_alloc(sizeof(*finish));
		finish->producing = s->producers;
		finish->consumers = s->consumers;
		finish->total = operations;
	}
	set_up(threads, c, s, pipe, back, operations, finish, latency);
	took_ns = threads_run(threads, s->producers + s->consumers, finish);
	verify(threads, c, s, &operations);
	for (unsigned i = 0; i < s->producers + s->consumers; i++)
		lost += (double)threads[i].lost_ns / (double)took_ns;
	c->close(pipe);
	if (back != NULL)
		c->close(back);
	free(finish);
	return (double)took_ns / (double)operations;
}

static double sample(const struct contestant *c, const struct scenario *s, uint64_t operations,
		     struct histogram *latency)
{
	current_contestant = c->name;
	collapsed = false;
	lost = 0;
	if (c->remote)
		return remote_sample(c, s, operations, latency);
	return sample_here(c, s, operations, latency);
}

/* How many operations of ns each. */
static uint64_t sample_size(double ns, uint64_t least)
{
	uint64_t operations = (uint64_t)(SAMPLE_NS / ns);

	if (operations < least) /* but no longer than this for the sake of laps */
		operations = (double)least * ns < LAPS_NS ? least : (uint64_t)(LAPS_NS / ns) + 256;
	return operations < OPERATIONS_MAX ? operations : OPERATIONS_MAX;
}

/* How many operations make a sample. False: this contestant can't do the scenario after all. */
static bool calibrate(struct result *r, const struct scenario *s, unsigned samples)
{
	uint64_t step = (uint64_t)s->producers * s->consumers, operations;
	uint64_t least = s->measure == MEASURE_THROUGHPUT ? LAPS_MIN * s->capacity : 100;
	double took_ns = 0, ns = 0;

	r->wanted = samples;
	if (s->measure == MEASURE_PACED) {
		r->operations = (uint64_t)(PACED_SAMPLE_NS / (double)s->interval_ns) + 50;
		return true;
	}
	for (operations = 1024; operations < OPERATIONS_MAX; operations *= 8) {
		operations = (operations + step - 1) / step * step;
		ns = sample(r->contestant, s, operations, NULL);
		if (ns < 0)
			return false;
		if (collapsed) {
			r->collapsed = true;
			r->taken = r->kept = r->wanted = 1;
			r->ns[0] = ns;
			return true;
		}
		took_ns = ns * (double)operations;
		if (took_ns > SAMPLE_NS / 10)
			break;
	}
	operations = sample_size(ns, least);
	/* One that was slow by chance would make all samples short, and their threads' start the most of them. */
	for (int again = 0; again < 3 && operations < OPERATIONS_MAX; again++) {
		ns = sample(r->contestant, s, (operations + step - 1) / step * step, NULL);
		if (collapsed || ns * (double)operations > SAMPLE_NS / 2)
			break;
		operations = sample_size(ns, least);
	}
	/* Who collapses when crowded must not take everybody's time. */
	if (ns * (double)operations * samples > SLOW_NS)
		r->wanted = (unsigned)(SLOW_NS / (ns * (double)operations)) + 3;
	if (r->wanted > samples)
		r->wanted = samples;
	r->operations = (operations + step - 1) / step * step;
	return true;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

void bench_sort(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), by_value);
}

double bench_quantile(const double *sorted, size_t count, double q)
{
	return sorted[(size_t)(q * (double)(count - 1) + 0.5)];
}

static void sum_up(struct result *r)
{
	if (r->kept == 0)
		return;
	bench_sort(r->ns, r->kept);
	r->median = bench_quantile(r->ns, r->kept, 0.5);
	r->p5 = bench_quantile(r->ns, r->kept, 0.05);
	r->p95 = bench_quantile(r->ns, r->kept, 0.95);
}

double histogram_quantile(const struct histogram *histogram, double q)
{
	uint64_t below = 0, wanted = (uint64_t)(q * (double)histogram->total);

	for (unsigned b = 0; b < BUCKETS; b++) {
		below += histogram->count[b];
		if (below > wanted)
			return (double)histogram_bucket_ns(b);
	}
	return (double)histogram->max;
}

static void merge(struct histogram *into, const struct histogram *from)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		into->count[b] += from->count[b];
	into->total += from->total;
	if (from->max > into->max)
		into->max = from->max;
}

/* Where each thread spins on a core of its own, nothing else has any business there. */
static bool disturbed(const struct scenario *s)
{
	return lost > LOST_MAX && !scenario_blocks(s) && s->place == PLACE_SEPARATE && !crowded(s);
}

/* One sample between two probes; kept if the cores were near around it and its threads undisturbed. */
static void take(struct result *r, const struct scenario *s)
{
	static struct histogram latency;
	bool near = near_is(near_probe());
	double ns;

	r->taken++;
	if (!near) {
		r->far++;
		return;
	}
	memset(&latency, 0, sizeof(latency));
	ns = sample(r->contestant, s, r->operations, &latency);
	if (ns < 0)
		bench_fail("failed");
	if (disturbed(s)) {
		r->busy++;
		return;
	}
	if (!collapsed && !near_is(near_probe())) {
		r->far++;
		return;
	}
	if (s->measure == MEASURE_PACED) {
		merge(r->latency, &latency);
		ns = histogram_quantile(&latency, 0.5);
	}
	r->ns[r->kept++] = ns;
	if (collapsed) {
		r->collapsed = true;
		r->wanted = r->kept;
	}
}

/* Rounds until each has its samples, or the cores were far apart too often. Nobody is always the first. */
static void take_turns(struct outcome *o, const struct sampling *sampling)
{
	size_t open = o->results_count;
	int64_t start_ns = bench_now_ns();

	for (unsigned round = 0; open > 0 && round < 3 * sampling->samples + 5; round++) {
		open = 0;
		for (size_t k = 0; k < o->results_count; k++) {
			struct result *r = &o->results[(k + round) % o->results_count];

			if (r->kept == r->wanted)
				continue;
			if (sampling->most_ns != 0 && r->taken > 2 && bench_now_ns() - start_ns > sampling->most_ns)
				continue;
			if (sampling->progress != NULL)
				sampling->progress(&o->scenario, r->contestant->name, round, sampling->samples);
			take(r, &o->scenario);
			open += r->kept < r->wanted;
		}
	}
	for (size_t k = 0; k < o->results_count; k++)
		sum_up(&o->results[k]);
}

static bool can(const struct contestant *c, const struct scenario *s, const char *only)
{
	if (!(c->kinds & (1u << s->kind)) || c->item_size != s->item_size)
		return false;
	if (only != NULL && !c->limit && strcasestr(c->name, only) == NULL)
		return false;
	if (s->measure == MEASURE_IDLE)
		return c->produce[CALLS_BLOCKING] != NULL || c->remote;
	/* These spin, and would do it on the core that the other side needs. */
	if (bench_cores_count < 2 &&
	    (s->measure == MEASURE_PACED || (s->measure == MEASURE_ROUND_TRIP && s->calls == CALLS_ONE)))
		return false;
	if (c->remote)
		return scenario_blocks(s) && s->place != PLACE_SAME;
	if (s->measure == MEASURE_ROUND_TRIP)
		return c->ask[s->calls] != NULL;
	if (s->measure == MEASURE_PACED)
		return c->pace[s->calls] != NULL;
	return c->produce[s->calls] != NULL && !(c->limit && s->place == PLACE_SAME);
}

void outcome_measure(struct outcome *o, const struct scenario *scenario, const struct sampling *sampling)
{
	const struct contestant *all[CONTESTANTS_MAX];
	size_t count = contestants_find(scenario->item_size, all, CONTESTANTS_MAX);
	int64_t start_ns = bench_now_ns();

	memset(o, 0, sizeof(*o));
	o->scenario = *scenario;
	current = &o->scenario;
	o->results = bench_alloc(CONTESTANTS_MAX * sizeof(*o->results));
	for (size_t i = 0; i < count; i++) {
		struct result *r = &o->results[o->results_count];

		if (!can(all[i], scenario, sampling->only))
			continue;
		if (sampling->progress != NULL)
			sampling->progress(scenario, all[i]->name, 0, sampling->samples);
		memset(r, 0, sizeof(*r));
		r->contestant = all[i];
		r->ns = bench_alloc(sampling->samples * sizeof(*r->ns));
		if (scenario->measure != MEASURE_IDLE && !calibrate(r, scenario, sampling->samples)) {
			free(r->ns);
			continue;
		}
		if (scenario->measure == MEASURE_PACED)
			r->latency = bench_alloc(sizeof(*r->latency));
		o->results_count++;
	}
	if (scenario->measure == MEASURE_IDLE && o->results_count > 0)
		idle_measure(o->results, o->results_count);
	else
		take_turns(o, sampling);
	o->near_ns = near_ns();
	o->seconds = (double)(bench_now_ns() - start_ns) / 1e9;
	current = NULL;
	current_contestant = NULL;
}

void outcome_free(struct outcome *o)
{
	for (size_t i = 0; i < o->results_count; i++) {
		free(o->results[i].ns);
		free(o->results[i].latency);
	}
	free(o->results);
}

const struct result *outcome_find(const struct outcome *o, const char *contestant)
{
	for (size_t i = 0; i < o->results_count; i++)
		if (o->results[i].kept > 0 && strcmp(o->results[i].contestant->name, contestant) == 0)
			return &o->results[i];
	return NULL;
}

bool contestant_ours(const struct contestant *contestant)
{
	return strncmp(contestant->name, "leat ", 5) == 0;
}

const struct result *outcome_best_peer(const struct outcome *o)
{
	const struct result *best = NULL;

	for (size_t i = 0; i < o->results_count; i++) {
		const struct result *r = &o->results[i];

		if (r->kept > 0 && !r->contestant->limit && !r->contestant->unbounded &&
		    !contestant_ours(r->contestant) && (best == NULL || r->median < best->median))
			best = r;
	}
	return best;
}
