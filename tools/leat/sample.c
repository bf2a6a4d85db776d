/* SPDX-License-Identifier: BSD-2-Clause */
#include "tools/leat/sample.h"

#include <stdlib.h>
#include <string.h>

bool sample_take(struct sample *sample, const struct leat_counters *counters)
{
	const struct leat_counters_record *records;
	size_t count = leat_counters_records(counters, &records);
	void *copy = realloc(sample->records, (count + 1) * sizeof(*records));

	if (copy == NULL)
		return false;
	sample->records = copy;
	if (count > 0)
		memcpy(copy, records, count * sizeof(*records));
	sample->count = count;
	sample->time_ns = leat_counters_info(counters)->time_ns;
	sample->events_total = leat_counters_info(counters)->events_total;
	sample->taken = true;
	return true;
}

void sample_fini(struct sample *sample)
{
	free(sample->records);
	*sample = (struct sample){ 0 };
}

/* A process that is late with its figures has no rates of now. */
void view_take(struct view *view, const struct leat_counters *counters, const struct sample *before)
{
	int64_t ns;

	*view = (struct view){ .counters = counters, .info = leat_counters_info(counters) };
	view->records_count = leat_counters_records(counters, &view->records);
	view->events_count = leat_counters_events(counters, &view->events);
	if (before->taken && !__builtin_sub_overflow(view->info->time_ns, before->time_ns, &ns) &&
	    ns > 0) {
		view->before = before;
		view->seconds = (double)ns / 1e9;
	}
}

static int compare_places(const void *key, const void *element)
{
	const struct leat_counters_record *a = key, *b = element;

	return a->place < b->place ? -1 : a->place > b->place;
}

/* The same object, or the same sum, in the reading before. */
static const struct leat_counters_record *find_before(const struct view *view,
                                                      const struct leat_counters_record *record)
{
	const struct leat_counters_record *found =
		view->before == NULL || view->before->count == 0
			? NULL
			: bsearch(record, view->before->records, view->before->count,
	                          sizeof(*record), compare_places);

	return found != NULL && found->generation == record->generation ? found : NULL;
}

struct rates view_rates(const struct view *view, const struct leat_counters_record *record)
{
	struct rates rates = { .now = record,
		               .before = find_before(view, record),
		               .seconds = view->seconds };
	int64_t until_ns = record->ended_ns != 0 ? record->ended_ns : view->info->time_ns;
	int64_t ns;

	if (view->before == NULL && !__builtin_sub_overflow(until_ns, record->opened_ns, &ns) &&
	    ns > 0)
		rates.seconds = (double)ns / 1e9;
	return rates;
}

static double rise_of(const struct rates *rates, unsigned value)
{
	uint64_t now = rates->now->values[value];
	uint64_t before = rates->before != NULL ? rates->before->values[value] : 0;

	return now > before ? (double)(now - before) : 0;
}

double rate_of(const struct rates *rates, unsigned value)
{
	return rates->seconds > 0 ? rise_of(rates, value) / rates->seconds : 0;
}

double share_of(const struct rates *rates, unsigned value, uint64_t threads)
{
	double share;

	if (rates->seconds <= 0 || threads == 0)
		return -1;
	share = rate_of(rates, value) / 1e9 / (double)threads;
	return share < 1 ? share : 1;
}

double drops_of(const struct rates *rates, unsigned first)
{
	double all = 0;

	for (unsigned reason = 0; reason < LEAT_DROP_REASONS; reason++)
		all += rate_of(rates, first + reason);
	return all;
}

const struct leat_counters_record *view_channel(const struct view *view, uint64_t id)
{
	for (size_t i = 0; i < view->records_count && id != 0; i++)
		if (view->records[i].kind == LEAT_COUNTERS_CHANNEL && view->records[i].id == id)
			return &view->records[i];
	return NULL;
}

bool view_has(const struct view *view, const struct leat_counters_record *record)
{
	return (record->flags & LEAT_COUNTERS_ENDED) == 0 || view->before == NULL ||
	       record->ended_ns > view->before->time_ns;
}
