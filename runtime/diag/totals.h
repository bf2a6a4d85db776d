/*
 * runtime/diag/totals.h: the counters of channels, summed by name.
 *
 * A scrape may come after a channel has ended and before the next of its name is opened. So what
 * ended channels counted is kept under their name, and a total is that plus what the living
 * channels of the name have counted: it does not fall while the diagnostics thread runs.
 *
 * At most LEAT_TOTALS_MOST names are kept. Channels of further names, and those for whose name
 * there was no memory, are summed under LEAT_TOTALS_OTHER.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_TOTALS_H
#define LEAT_RUNTIME_DIAG_TOTALS_H

#include <leat/stat.h>

#define LEAT_TOTALS_MOST 4096
#define LEAT_TOTALS_OTHER "(other names)"

struct leat_total {
	struct leat_chan_stat ended; /* the name, and the sums over the channels that have ended */
	struct leat_chan_stat now;   /* the same, with the living channels of this snapshot */
	uint32_t living;             /* these */
};

struct leat_totals {
	struct leat_total *list;
	size_t count, room;
	uint32_t *places; /* open addressing by the name's hash: an index into list, and one; 0:
	                     none */
	size_t places_count;
	struct leat_total other;
};

/* Adds a snapshot. Each channel that has ended is in one snapshot; a total counts it once. */
void leat_totals_take(struct leat_totals *totals, const struct leat_snapshot *snapshot);
/* The total of that name, or the one of other names. */
const struct leat_total *leat_totals_of(const struct leat_totals *totals, const char *name);
void leat_totals_fini(struct leat_totals *totals);

#endif
