/*
 * perf/sample.c: the one sampler: a sample of each contestant in turn, between two probes of how near the
 * cores are, and what all of them come to.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A sample lasts about this long, unless a ring has to be filled more often than fits into it. */
#define SAMPLE_NS 10e6
#define PACED_SAMPLE_NS 50e6
#define LAPS_NS 100e6
/* What all samples of a slow contestant may take, but for the first three. */
#define SLOW_NS 1e9
#define LOST_MAX 0.02
enum { LAPS_MIN = 4, OPERATIONS_MAX = 4000000, CLASS_LEAST = 3 };
/* Idle: more items than any contestant holds (a pipe holds a page). */
enum { IDLE_MS = 500, IDLE_SETTLE_MS = 50, IDLE_ITEMS = 8192 };

static const struct scenario *current;
static bool collapsed; /* the last sample was given up */
static double lost;    /* the share of the last sample that something else had a core of it */
static const char *current_contestant;

/* Says what was going on, so that a failure need not be searched for. */
void bench_fail(const char *what)
{
	char title[160];

	fprintf(stderr, "leat-bench: %s%s%s%s%s\n", current_contestant != NULL ? current_contestant : "",
		current_contestant != NULL ? ": " : "", current != NULL ? scenario_title(current, title) : "",
		current != NULL ? ": " : "", what);
	exit(1);
}

static bool crowded(const struct scenario *s)
{
	return s->place == PLACE_SAME || s->producers + s->consumers > bench_cores_count;
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
		t->run = (producer ? c->tx : c->rx)[s->measure][s->calls];
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
	/* A sample that was given up lacks items; those that came are right. */
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

/* Nanoseconds an operation; below 0: the contestant has no pipe of this shape. */
static double sample_loops(const struct contestant *c, const struct scenario *s, uint64_t operations,
			   struct histogram *latency)
{
	const struct shape shape = { s->kind, s->capacity, s->producers, s->consumers };
	struct thread threads[THREADS_MAX] = { 0 };
	struct finish *finish = NULL;
	void *pipe = c->open(&shape), *back = NULL;
	int64_t took_ns;

	if (pipe == NULL)
		return -1;
	if (s->measure == MEASURE_ROUND_TRIP)
		back = c->open(&shape);
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

struct idler {
	part_fn *run;
	struct part part;
	pthread_t thread;
};

static void *run_idler(void *arg)
{
	struct idler *idler = arg;

	idler->run(&idler->part);
	return NULL;
}

static void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static double used_ms(const struct idler *idlers)
{
	double ms = 0;

	for (int side = 0; side < 2; side++) {
		struct timespec used;
		clockid_t clock;

		if (pthread_getcpuclockid(idlers[side].thread, &clock) == 0 && clock_gettime(clock, &used) == 0)
			ms += (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
	}
	return ms;
}

/* A receiver at an empty pipe and a sender at a full one: CPU milliseconds a second. */
static double sample_idle(const struct contestant *c, const struct scenario *s)
{
	const struct shape shape = { s->kind, s->capacity, 1, 1 };
	part_fn *send = c->tx[0][CALLS_BLOCKING], *receive = c->rx[0][CALLS_BLOCKING];
	struct part one = { .pipe = c->open(&shape), .count = 1, .alone = true };
	struct part all = { .pipe = c->open(&shape), .count = IDLE_ITEMS, .alone = true };
	struct idler idlers[2] = { { .run = receive, .part = one }, { .run = send, .part = all } };
	double ms;

	for (int side = 0; side < 2; side++)
		if (pthread_create(&idlers[side].thread, NULL, run_idler, &idlers[side]) != 0)
			bench_fail("cannot start a thread");
	sleep_ms(IDLE_SETTLE_MS);
	ms = used_ms(idlers);
	sleep_ms(IDLE_MS);
	ms = (used_ms(idlers) - ms) * 1000 / IDLE_MS;
	send(&one); /* each gets what it waits for */
	receive(&all);
	for (int side = 0; side < 2; side++)
		pthread_join(idlers[side].thread, NULL);
	if (all.wrong || all.got != IDLE_ITEMS || idlers[0].part.wrong)
		bench_fail("an item is lost or changed");
	c->close(one.pipe);
	c->close(all.pipe);
	return ms;
}

static void take_sample(const struct contestant *c, const struct scenario *s, uint64_t operations, struct sample *sample)
{
	current_contestant = c->name;
	collapsed = false;
	lost = 0;
	if (s->measure == MEASURE_TOPIC && s->topic->apart)
		remote_apart(c, c->n != 0 ? c->n : s->count, sample->values);
	else if (s->measure == MEASURE_TOPIC)
		c->run(c->n, sample->values);
	else if (c->remote)
		sample->values[0] = remote_sample(c, s, s->measure == MEASURE_IDLE ? IDLE_MS : operations, sample->latency);
	else if (s->measure == MEASURE_IDLE)
		sample->values[0] = sample_idle(c, s);
	else
		sample->values[0] = sample_loops(c, s, operations, sample->latency);
}

/* How many operations of ns each. */
static uint64_t sample_size(double ns, uint64_t least)
{
	uint64_t operations = (uint64_t)(SAMPLE_NS / ns);

	if (operations < least) /* but no longer than this for the sake of laps */
		operations = (double)least * ns < LAPS_NS ? least : (uint64_t)(LAPS_NS / ns) + 256;
	return operations < OPERATIONS_MAX ? operations : OPERATIONS_MAX;
}

/* Each thread has as many. */
static uint64_t round_up(uint64_t operations, const struct scenario *s)
{
	uint64_t step = (uint64_t)s->producers * s->consumers;

	return (operations + step - 1) / step * step;
}

static double try_size(const struct result *r, const struct scenario *s, uint64_t *operations)
{
	struct sample sample = { 0 };

	*operations = round_up(*operations, s);
	take_sample(r->contestant, s, *operations, &sample);
	return sample.values[0];
}

static void give_up(struct result *r)
{
	r->collapsed = true;
	if (r->wanted > CLASS_LEAST)
		r->wanted = CLASS_LEAST;
}

/* How many operations make a sample. False: this contestant can't do the scenario after all. */
static bool calibrate(struct result *r, const struct scenario *s, unsigned samples)
{
	uint64_t least = s->measure == MEASURE_THROUGHPUT ? LAPS_MIN * s->capacity : 100;
	double ns = 0;

	r->wanted = s->measure == MEASURE_IDLE ? 1 : samples;
	if (s->measure == MEASURE_PACED)
		r->operations = (uint64_t)(PACED_SAMPLE_NS / (double)s->interval_ns) + 50;
	if (s->measure > MEASURE_ROUND_TRIP)
		return true;
	for (r->operations = 1024; r->operations < OPERATIONS_MAX; r->operations *= 8) {
		ns = try_size(r, s, &r->operations);
		if (ns < 0)
			return false;
		if (collapsed) { /* it may do so in each sample, for a second */
			give_up(r);
			return true;
		}
		if (ns * (double)r->operations > SAMPLE_NS / 10)
			break;
	}
	r->operations = sample_size(ns, least);
	/* One that was slow by chance would make all samples short, and their threads' start the most of them. */
	for (int again = 0; again < 3 && r->operations < OPERATIONS_MAX; again++) {
		ns = try_size(r, s, &r->operations);
		if (collapsed || ns * (double)r->operations > SAMPLE_NS / 2)
			break;
		r->operations = sample_size(ns, least);
	}
	/* A contestant that is slow when crowded must not take all the time. */
	if (ns * (double)r->operations * samples > SLOW_NS)
		r->wanted = (unsigned)(SLOW_NS / (ns * (double)r->operations)) + 3;
	if (r->wanted > samples)
		r->wanted = samples;
	r->operations = round_up(r->operations, s);
	return true;
}

static unsigned rounds_of(const struct sampling *sampling)
{
	return 3 * sampling->samples + 5;
}

static bool can_loop(const struct contestant *c, const struct scenario *s)
{
	if (!(c->kinds & (1u << s->kind)) || c->item_size != s->item_size)
		return false;
	if (s->measure == MEASURE_IDLE)
		return c->tx[0][CALLS_BLOCKING] != NULL || c->remote;
	/* These spin, and would do it on the core that the other side needs. */
	if (bench_cores_count < 2 &&
	    (s->measure == MEASURE_PACED || (s->measure == MEASURE_ROUND_TRIP && s->calls == CALLS_ONE)))
		return false;
	if (c->remote)
		return scenario_blocks(s) && s->place != PLACE_SAME;
	return c->tx[s->measure][s->calls] != NULL && !(c->limit && s->place == PLACE_SAME);
}

static bool takes_part(const struct contestant *c, const struct scenario *s, const char *only)
{
	if (only != NULL && !c->limit && strcasestr(c->name, only) == NULL)
		return false;
	if (s->measure != MEASURE_TOPIC)
		return can_loop(c, s);
	return (c->run != NULL || c->go != NULL) && (!c->remote || remote_found(c)) &&
	       (bench_cores_count > 1 || s->topic->anywhere || !c->limit);
}

static size_t find_all(const struct scenario *s, const struct contestant **all)
{
	size_t count = 0;

	if (s->measure != MEASURE_TOPIC)
		return contestants_find(s->item_size, all, CONTESTANTS_MAX);
	for (const struct contestant *c = s->topic->by; c->name != NULL; c++)
		all[count++] = c;
	return count;
}

void outcome_open(struct outcome *o, const struct scenario *scenario, const struct sampling *sampling)
{
	const struct contestant *all[CONTESTANTS_MAX];
	size_t count = find_all(scenario, all);
	int64_t start_ns = bench_now_ns();

	memset(o, 0, sizeof(*o));
	o->scenario = *scenario;
	o->classless = bench_cores_count < 2 || scenario->measure == MEASURE_IDLE || scenario->place == PLACE_SAME ||
		       (scenario->measure == MEASURE_TOPIC && scenario->topic->anywhere);
	current = &o->scenario;
	o->results = bench_alloc(CONTESTANTS_MAX * sizeof(*o->results));
	for (size_t i = 0; i < count; i++) {
		struct result *r = &o->results[o->results_count];

		if (!takes_part(all[i], scenario, sampling->only))
			continue;
		if (sampling->progress != NULL)
			sampling->progress(scenario, all[i]->name, 0, sampling->samples);
		memset(r, 0, sizeof(*r));
		r->contestant = all[i];
		if (calibrate(r, scenario, sampling->samples))
			o->results_count++;
	}
	o->seconds = (double)(bench_now_ns() - start_ns) / 1e9;
	current = NULL;
	current_contestant = NULL;
}

static enum class class_of(const struct outcome *o, const struct sample *sample)
{
	return o->classless ? NEAR : near_class(sample->before_ns, sample->after_ns);
}

/* By the border as it is now. */
static unsigned count_class(const struct outcome *o, const struct result *r, enum class class)
{
	unsigned count = 0;

	for (unsigned i = 0; i < r->taken; i++)
		count += class_of(o, &r->samples[i]) == class;
	return count;
}

/* Where each thread spins on a core of its own, nothing else has any business there. */
static bool disturbed(const struct scenario *s)
{
	return lost > LOST_MAX && s->measure < LOOPS && !scenario_blocks(s) && s->place == PLACE_SEPARATE && !crowded(s);
}

/* One sample between two probes, unless the contestant has all of the class that the first probe tells. */
static void take(struct outcome *o, struct result *r)
{
	const struct scenario *s = &o->scenario;
	struct sample sample = { .before_ns = o->classless ? 0 : near_probe() };

	sample.after_ns = sample.before_ns;
	if (count_class(o, r, class_of(o, &sample)) >= r->wanted)
		return;
	if (s->measure == MEASURE_PACED)
		sample.latency = bench_alloc(sizeof(*sample.latency));
	take_sample(r->contestant, s, r->operations, &sample);
	if (sample.values[0] < 0)
		bench_fail("failed");
	if (disturbed(s)) {
		r->busy++;
		free(sample.latency);
		return;
	}
	if (!o->classless)
		sample.after_ns = near_probe();
	if (sample.latency != NULL)
		sample.values[0] = histogram_quantile(sample.latency, 0.5);
	if (collapsed)
		give_up(r);
	r->samples = realloc(r->samples, (r->taken + 1) * sizeof(sample));
	if (r->samples == NULL)
		bench_fail("no memory");
	r->samples[r->taken++] = sample;
}

bool outcome_take(struct outcome *o, const struct sampling *sampling, bool both)
{
	size_t open = o->results_count;
	int64_t start_ns = bench_now_ns();

	current = &o->scenario;
	for (unsigned round = 0; open > 0 && round < rounds_of(sampling); round++) {
		open = 0;
		for (size_t k = 0; k < o->results_count; k++) { /* no contestant is always the first */
			struct result *r = &o->results[(k + round) % o->results_count];

			if (sampling->most_ns != 0 && r->taken + r->busy > 2 && bench_now_ns() - start_ns > sampling->most_ns)
				continue;
			if (sampling->progress != NULL)
				sampling->progress(&o->scenario, r->contestant->name, round, sampling->samples);
			if (count_class(o, r, NEAR) < r->wanted ||
			    (both && !o->classless && count_class(o, r, FAR) < r->wanted)) {
				take(o, r);
				open++;
			}
		}
	}
	o->seconds += (double)(bench_now_ns() - start_ns) / 1e9;
	current = NULL;
	current_contestant = NULL;
	return open == 0;
}

static int compare_values(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bench_sort(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), compare_values);
}

static double quantile(const double *sorted, size_t count, double q)
{
	return sorted[(size_t)(q * (double)(count - 1) + 0.5)];
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

/* The first `count` samples of a class. */
static void fill_series(const struct outcome *o, struct result *r, enum class class, unsigned count)
{
	struct series *series = &r->of[class];

	for (int v = 0; v < VALUES_MAX; v++)
		series->ns[v] = bench_alloc((count + 1) * sizeof(double));
	for (unsigned i = 0; i < r->taken && series->count < count; i++) {
		struct sample *sample = &r->samples[i];

		if (class_of(o, sample) != class)
			continue;
		for (int v = 0; v < VALUES_MAX; v++)
			series->ns[v][series->count] = sample->values[v];
		series->count++;
		if (sample->latency != NULL && series->latency == NULL)
			series->latency = bench_alloc(sizeof(*series->latency));
		if (sample->latency != NULL)
			merge(series->latency, sample->latency);
	}
	for (int v = 0; v < VALUES_MAX && series->count > 0; v++) {
		bench_sort(series->ns[v], series->count);
		series->median[v] = quantile(series->ns[v], series->count, 0.5);
		series->p5[v] = quantile(series->ns[v], series->count, 0.05);
		series->p95[v] = quantile(series->ns[v], series->count, 0.95);
	}
}

/* How many samples of a class each contestant gets; 0: the class is left out, or there are none. */
static unsigned samples_of_class(struct outcome *o, enum class class, unsigned samples)
{
	unsigned fewest = samples, most = 0;

	for (size_t i = 0; i < o->results_count; i++) {
		const struct result *r = &o->results[i];
		unsigned count = count_class(o, r, class);

		if (r->left_out)
			continue;
		most = count > most ? count : most;
		if (count < r->wanted && count < fewest)
			fewest = count;
	}
	o->fewest[class] = fewest;
	o->left_out[class] = most > 0 && fewest < (samples < CLASS_LEAST ? samples : CLASS_LEAST);
	return o->left_out[class] ? 0 : most > 0 ? fewest : 0;
}

void outcome_sum_up(struct outcome *o, const struct sampling *sampling)
{
	for (size_t i = 0; i < o->results_count; i++) {
		struct result *r = &o->results[i];
		unsigned least = r->wanted < CLASS_LEAST ? r->wanted : CLASS_LEAST;

		r->moved = o->classless ? 0 : count_class(o, r, MOVED);
		r->left_out = count_class(o, r, NEAR) < least && count_class(o, r, FAR) < least;
	}
	for (int class = 0; class < CLASSES; class++) {
		unsigned count = samples_of_class(o, (enum class)class, sampling->samples);

		for (size_t i = 0; i < o->results_count && count > 0; i++) {
			struct result *r = &o->results[i];

			if (r->left_out)
				continue;
			fill_series(o, r, (enum class)class, count < r->wanted ? count : r->wanted);
			r->kept += r->of[class].count;
		}
		o->has[class] = count > 0;
	}
}

void outcome_close(struct outcome *o)
{
	for (size_t i = 0; i < o->results_count; i++) {
		struct result *r = &o->results[i];

		for (unsigned s = 0; s < r->taken; s++)
			free(r->samples[s].latency);
		free(r->samples);
		for (int class = 0; class < CLASSES; class++) {
			for (int v = 0; v < VALUES_MAX; v++)
				free(r->of[class].ns[v]);
			free(r->of[class].latency);
		}
	}
	free(o->results);
}

bool contestant_ours(const struct contestant *contestant)
{
	return strncmp(contestant->name, "leat", 4) == 0;
}

static bool fits(const struct contestant *c, const char *pattern)
{
	size_t len = strcspn(pattern, "*");

	if (strcmp(pattern, "*") == 0)
		return !c->limit && !c->unbounded && !contestant_ours(c);
	return strncmp(c->name, pattern, len) == 0 && (pattern[len] == '*' || c->name[len] == '\0');
}

const struct result *outcome_find(const struct outcome *o, const char *pattern, enum class class, int value)
{
	const struct result *best = NULL;

	for (size_t i = 0; i < o->results_count; i++) {
		const struct result *r = &o->results[i];

		if (r->of[class].count > 0 && fits(r->contestant, pattern) &&
		    (best == NULL || r->of[class].median[value] < best->of[class].median[value]))
			best = r;
	}
	return best;
}
