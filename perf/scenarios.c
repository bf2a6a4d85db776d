/*
 * perf/scenarios.c: what is asked: one scenario in words, and the sets of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#include <stdlib.h>

bool scenario_same(const struct scenario *a, const struct scenario *b)
{
	return a->measure == b->measure && a->kind == b->kind && a->producers == b->producers &&
	       a->consumers == b->consumers && a->item_size == b->item_size && a->capacity == b->capacity &&
	       a->calls == b->calls && a->batch == b->batch && a->place == b->place && a->interval_ns == b->interval_ns;
}

static const char *thousands(size_t n, char text[32])
{
	if (n < 1000)
		snprintf(text, 32, "%zu", n);
	else
		snprintf(text, 32, "%s%zu,%03zu", "", n / 1000, n % 1000);
	return text;
}

void scenario_title(const struct scenario *s, char *text, size_t size)
{
	static const char *const kinds[KINDS] = { "SPSC", "MPSC", "SPMC", "MPMC" };
	static const char *const places[] = { "", ", on one core", ", not pinned" };
	char capacity[32], calls[32] = "", rate[48] = "";

	if (s->measure == MEASURE_IDLE) {
		snprintf(text, size, "Waiting, both sides, for nothing");
		return;
	}
	if (s->calls == CALLS_BLOCKING)
		snprintf(calls, sizeof(calls), "blocking");
	else if (s->calls == CALLS_BLOCKING_BATCH)
		snprintf(calls, sizeof(calls), "blocking batches of %u", s->batch);
	else if (s->calls == CALLS_BATCH)
		snprintf(calls, sizeof(calls), "batches of %u", s->batch);
	else if (s->calls == CALLS_ZERO_COPY)
		snprintf(calls, sizeof(calls), "in place, up to %u", s->batch);
	else
		snprintf(calls, sizeof(calls), "one at a time");
	if (s->measure == MEASURE_PACED)
		snprintf(rate, sizeof(rate), ", %.4gk items a second", 1e6 / (double)s->interval_ns);
	snprintf(text, size, "%s %u+%u%s, %u B, %s, capacity %s%s%s", kinds[s->kind], s->producers, s->consumers,
		 s->measure == MEASURE_ROUND_TRIP ? " round trip" : s->measure == MEASURE_PACED ? " latency" : "",
		 s->item_size, calls, thousands(s->capacity, capacity), rate, places[s->place]);
}

const char *scenario_unit(const struct scenario *s)
{
	static const char *const units[] = { "ns an item", "ns a round trip", "ns, half of them", "CPU ms a second" };

	return units[s->measure];
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

static const struct {
	enum kind kind;
	unsigned producers, consumers;
} crowds[] = {
	{ KIND_SPSC, 1, 1 }, { KIND_MPSC, 2, 1 }, { KIND_SPMC, 1, 2 }, { KIND_MPMC, 1, 1 },
	{ KIND_MPMC, 2, 2 }, { KIND_MPMC, 4, 4 }, { KIND_MPMC, 8, 8 },
};
enum { CROWDS = sizeof(crowds) / sizeof(crowds[0]) };
static const size_t capacities[] = { 16, 1024, 65536 };
static const unsigned sizes[] = { 8, 64, 256 };

static void add_throughputs(struct set *set, enum calls calls)
{
	for (size_t k = 0; k < CROWDS; k++)
		for (size_t i = 0; i < 3; i++)
			for (size_t c = 0; c < 3; c++)
				set_add(set, &(struct scenario){
						.kind = crowds[k].kind, .producers = crowds[k].producers,
						.consumers = crowds[k].consumers, .item_size = sizes[i],
						.capacity = capacities[c], .calls = calls,
						.batch = calls == CALLS_ONE ? 1 : 32 });
}

void set_add_all(struct set *set)
{
	static const size_t blocking[] = { 16, 64, 1024 };
	static const int64_t intervals_ns[] = { 250000, 10000, 1000 };

	set_add_figures(set, false);
	add_throughputs(set, CALLS_ONE);
	add_throughputs(set, CALLS_BATCH);
	add_throughputs(set, CALLS_ZERO_COPY);
	for (size_t k = 0; k < CROWDS; k++)
		for (size_t c = 0; c < 3; c++)
			for (enum calls calls = CALLS_BLOCKING; calls <= CALLS_BLOCKING_BATCH; calls++)
				set_add(set, &(struct scenario){
						.kind = crowds[k].kind, .producers = crowds[k].producers,
						.consumers = crowds[k].consumers, .item_size = 8,
						.batch = calls == CALLS_BLOCKING ? 1 : 32,
						.capacity = blocking[c], .calls = calls });
	for (enum kind kind = KIND_SPSC; kind <= KIND_MPMC; kind += KIND_MPMC - KIND_SPSC)
		for (int calls = 0; calls < 2; calls++) {
			struct scenario s = { .kind = kind, .producers = 1, .consumers = 1, .item_size = 8, .batch = 1,
					      .capacity = 1024, .calls = calls == 0 ? CALLS_ONE : CALLS_BLOCKING };

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
	set_add(set, &(struct scenario){ .measure = MEASURE_IDLE, .producers = 1, .consumers = 1, .item_size = 8,
					 .batch = 1, .capacity = 64, .calls = CALLS_BLOCKING });
}
