/*
 * perf/scenarios.c: what is asked: one scenario in words, and the sets of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#include <stdlib.h>
#include <string.h>

bool scenario_same(const struct scenario *a, const struct scenario *b)
{
	return a->measure == b->measure && a->kind == b->kind && a->producers == b->producers &&
	       a->consumers == b->consumers && a->item_size == b->item_size && a->capacity == b->capacity &&
	       a->calls == b->calls && a->batch == b->batch && a->place == b->place &&
	       a->interval_ns == b->interval_ns && a->topic == b->topic;
}

const char *scenario_title(const struct scenario *s, char text[160])
{
	static const char *const kinds[KINDS] = { "SPSC", "MPSC", "SPMC", "MPMC" };
	static const char *const places[] = { "", ", on one core", ", not pinned" };
	static const char *const measures[] = { "", " round trip", " latency" };
	static const char *const calls[CALLS] = { "one at a time", "batches of %u", "in place, up to %u", "blocking",
						  "blocking batches of %u" };
	char how[32], rate[48] = "", capacity[32];

	if (s->measure == MEASURE_TOPIC)
		return s->topic->title;
	if (s->measure == MEASURE_IDLE)
		return "Waiting, both sides, for nothing";
	snprintf(how, sizeof(how), calls[s->calls], s->batch);
	if (s->measure == MEASURE_PACED)
		snprintf(rate, sizeof(rate), ", %.4gk items a second", 1e6 / (double)s->interval_ns);
	if (s->capacity < 1000)
		snprintf(capacity, sizeof(capacity), "%zu", s->capacity);
	else
		snprintf(capacity, sizeof(capacity), "%zu,%03zu", s->capacity / 1000, s->capacity % 1000);
	snprintf(text, 160, "%s %u+%u%s, %u B, %s, capacity %s%s%s", kinds[s->kind], s->producers, s->consumers,
		 measures[s->measure], s->item_size, how, capacity, rate, places[s->place]);
	return text;
}

const char *scenario_value(const struct scenario *s, int value, const char **unit)
{
	static const char *const whats[] = { "an item", "a round trip", "half of them", "CPU a second" };

	if (s->measure == MEASURE_TOPIC) {
		*unit = s->topic->values[value].unit;
		return s->topic->values[value].what;
	}
	*unit = s->measure == MEASURE_IDLE ? "ms" : "ns";
	return value == 0 ? whats[s->measure] : NULL;
}

void set_add(struct set *set, const struct scenario *scenario)
{
	for (size_t i = 0; i < set->count; i++)
		if (scenario_same(&set->scenarios[i], scenario))
			return;
	set->scenarios = realloc(set->scenarios, (set->count + 1) * sizeof(*scenario));
	if (set->scenarios == NULL)
		bench_fail("no memory");
	set->scenarios[set->count++] = *scenario;
}

static const struct scenario crowds[] = {
	{ .kind = KIND_SPSC, .producers = 1, .consumers = 1 }, { .kind = KIND_MPSC, .producers = 2, .consumers = 1 },
	{ .kind = KIND_SPMC, .producers = 1, .consumers = 2 }, { .kind = KIND_MPMC, .producers = 1, .consumers = 1 },
	{ .kind = KIND_MPMC, .producers = 2, .consumers = 2 }, { .kind = KIND_MPMC, .producers = 4, .consumers = 4 },
	{ .kind = KIND_MPMC, .producers = 8, .consumers = 8 },
};

/* Every crowd, with each of three capacities, by one way to call. */
static void add_crowds(struct set *set, enum calls calls, unsigned item_size, const size_t *capacities)
{
	for (size_t k = 0; k < sizeof(crowds) / sizeof(crowds[0]); k++)
		for (int c = 0; c < 3; c++) {
			struct scenario s = crowds[k];

			s.item_size = item_size;
			s.capacity = capacities[c];
			s.calls = calls;
			s.batch = calls == CALLS_ONE || calls == CALLS_BLOCKING ? 1 : 32;
			set_add(set, &s);
		}
}

/* One thread on each side: on one core, not pinned, there and back, and at three rates. */
static void add_pair(struct set *set, enum kind kind, enum calls calls)
{
	static const int64_t intervals_ns[] = { 250000, 10000, 1000 };
	struct scenario s = { .kind = kind, .producers = 1, .consumers = 1, .item_size = 8, .batch = 1, .capacity = 1024,
			      .calls = calls };

	s.place = PLACE_SAME;
	set_add(set, &s);
	s.place = PLACE_FREE;
	set_add(set, &s);
	s.place = PLACE_SEPARATE;
	s.measure = MEASURE_ROUND_TRIP;
	set_add(set, &s);
	s.measure = MEASURE_PACED;
	for (int i = 0; i < 3; i++) {
		s.interval_ns = intervals_ns[i];
		set_add(set, &s);
	}
}

void set_add_all(struct set *set)
{
	static const size_t capacities[] = { 16, 1024, 65536 }, blocking[] = { 16, 64, 1024 };

	set_add_figures(set, false);
	for (enum calls calls = CALLS_ONE; calls <= CALLS_ZERO_COPY; calls++)
		for (unsigned item_size = 8; item_size <= 256; item_size += item_size == 8 ? 56 : 192)
			add_crowds(set, calls, item_size, capacities);
	add_crowds(set, CALLS_BLOCKING, 8, blocking);
	add_crowds(set, CALLS_BLOCKING_BATCH, 8, blocking);
	add_pair(set, KIND_SPSC, CALLS_ONE);
	add_pair(set, KIND_SPSC, CALLS_BLOCKING);
	add_pair(set, KIND_MPMC, CALLS_ONE);
	add_pair(set, KIND_MPMC, CALLS_BLOCKING);
	set_add(set, &(struct scenario){ .measure = MEASURE_IDLE, .producers = 1, .consumers = 1, .item_size = 8,
					 .batch = 1, .capacity = 64, .calls = CALLS_BLOCKING });
}
