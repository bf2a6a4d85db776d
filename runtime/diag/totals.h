/*
 * runtime/diag/totals.h: the counters of channels, and the times of generators, summed by name.
 *
 * A scrape may come after a channel has ended and before the next of its name is opened. So what
 * ended channels counted is kept under their name, and a total is that plus what the living
 * channels of the name have counted: it does not fall while the diagnostics thread runs. The same
 * holds for generators, which have a table of their own.
 *
 * At most LEAT_TOTALS_MOST names are kept in a table. Channels (or generators) of further names,
 * and those for whose name there was no memory, are summed under LEAT_TOTALS_OTHER.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_TOTALS_H
#define LEAT_RUNTIME_DIAG_TOTALS_H

#include <leat/stat.h>

#define LEAT_TOTALS_MOST 4096
#define LEAT_TOTALS_OTHER "(other names)"

/* The times of generators, in the order of the figures of struct leat_gen_stat. */
enum { LEAT_TOTALS_BUSY, LEAT_TOTALS_CPU = 5, LEAT_TOTALS_RUNQ, LEAT_TOTALS_TIMES };

struct leat_total {
	char name[LEAT_NAME_MAX + 1];
	uint32_t living; /* those of this snapshot that have not ended */
	/* sums over those that have ended; and the same with the living */
	union {
		struct {
			struct leat_chan_stat ended, now;
		} chan;
		struct {
			uint64_t ended_ns[LEAT_TOTALS_TIMES], now_ns[LEAT_TOTALS_TIMES];
		} gen;
	};
};

struct leat_totals {
	struct leat_total *list;
	size_t count, room;
	uint32_t *places; /* open addressing by the name's hash: an index into list, and one; 0:
	                     none */
	size_t places_count;
	struct leat_total other;
};

/*
 * Adds a snapshot to a table of channels. Each channel that has ended is in one snapshot; a total
 * counts it once.
 */
void leat_totals_take_channels(struct leat_totals *totals, const struct leat_snapshot *snapshot);
/* The same to a table of generators. Those without a thread of their own have no times. */
void leat_totals_take_generators(struct leat_totals *totals, const struct leat_snapshot *snapshot);
/* The total of that name, or the one of other names. */
const struct leat_total *leat_totals_of(const struct leat_totals *totals, const char *name);
void leat_totals_fini(struct leat_totals *totals);

#endif
