/*
 * tools/leat/sample.h: readings of a counters file, and what was counted from one to the next.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_SAMPLE_H
#define LEAT_TOOLS_LEAT_SAMPLE_H

#include <leat/counters.h>
#include <stdio.h>

/* A reading that is kept beside the present one. */
struct sample {
	struct leat_counters_record *records; /* by rising places */
	size_t count;
	int64_t time_ns;
	uint64_t events_total;
	bool taken;
};

/* Keeps the present reading. Returns false without memory. */
bool sample_take(struct sample *sample, const struct leat_counters *counters);
void sample_fini(struct sample *sample);

/* A process as it is shown: the present reading, and what to compare it with. */
struct view {
	const struct leat_counters *counters;
	const struct leat_counters_process *info;
	const struct leat_counters_record *records;
	const struct leat_counters_event *events;
	size_t records_count, events_count;
	/*
	 * NULL: nothing to compare with, as the process is gone or stalled, so rates are those
	 * since an object was opened.
	 */
	const struct sample *before;
	double seconds;       /* since then */
	uint64_t first_event; /* that is shown */
};

void view_take(struct view *view, const struct leat_counters *counters,
               const struct sample *before);

/* The rates of one record. */
struct rates {
	const struct leat_counters_record *now, *before; /* before: NULL: it was not there */
	double seconds;                                  /* that they are over; 0: none */
};

struct rates view_rates(const struct view *view, const struct leat_counters_record *record);
/* What a total has risen by in each second. */
double rate_of(const struct rates *rates, unsigned value);
/* The same for a time: a share of the time of so many threads; below 0: of none. */
double share_of(const struct rates *rates, unsigned value, uint64_t threads);
/* The sum of the drops of all reasons, from the first of their values on. */
double drops_of(const struct rates *rates, unsigned first);
/* The channel with this id; NULL: it has no record of its own. */
const struct leat_counters_record *view_channel(const struct view *view, uint64_t id);

/* Whether it is to be shown with what lives: it does, or it ended since the reading before. */
bool view_has(const struct view *view, const struct leat_counters_record *record);

/* The present reading as tables, and as one JSON object in a line. */
void view_print(const struct view *view, FILE *out);
void view_print_json(const struct view *view, FILE *out);

#endif
