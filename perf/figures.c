/*
 * perf/figures.c: the table of figures: what is to be reached, ratio by ratio, each within one scenario's run.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#include <string.h>

#define SPSC KIND_SPSC, 1, 1
#define MPMC(producers, consumers) KIND_MPMC, producers, consumers
#define ONE CALLS_ONE, 1
#define BATCH CALLS_BATCH, 32
#define BLOCKING CALLS_BLOCKING, 1
#define QUICK true

/* Ours against a peer, or a limit. */
struct row {
	struct {
		enum kind kind;
		unsigned producers, consumers, item_size;
		enum calls calls;
		unsigned batch;
		size_t capacity;
		enum measure measure;
		int64_t interval_ns;
	} in;
	const char *ours, *peer;
	double want;
	int how; /* of struct figure */
	bool quick;
};

static const struct row rows[] = {
	{ { SPSC, 8, ONE, 1024, 0, 0 }, "leat ring spsc", "ck_ring spsc", 4.5, FIGURE_TIMES, QUICK },
	{ { SPSC, 8, ONE, 65536, 0, 0 }, "leat ring spsc", "ck_ring spsc", 5, FIGURE_TIMES, QUICK },
	{ { SPSC, 8, BATCH, 1024, 0, 0 }, "leat ring spsc", "Boost spsc_queue", 2.4, FIGURE_TIMES, QUICK },
	{ { SPSC, 8, BATCH, 65536, 0, 0 }, "leat ring spsc", "Boost spsc_queue", 2, FIGURE_TIMES, QUICK },
	{ { SPSC, 64, ONE, 1024, 0, 0 }, "leat ring spsc", "Boost spsc_queue", 1.25, FIGURE_TIMES, QUICK },
	{ { SPSC, 64, BATCH, 1024, 0, 0 }, "leat ring spsc", "Boost spsc_queue", 1.4, FIGURE_TIMES, QUICK },
	{ { SPSC, 64, ONE, 65536, 0, 0 }, "leat ring spsc", "Boost spsc_queue", 4, FIGURE_TIMES, QUICK },
	{ { SPSC, 64, BATCH, 65536, 0, 0 }, "leat ring spsc", "Boost spsc_queue", 1.25, FIGURE_TIMES, QUICK },
	{ { SPSC, 8, ONE, 1024, MEASURE_ROUND_TRIP, 0 }, "leat ring spsc", "(two lines)", 1.15, FIGURE_AT_MOST, QUICK },

	{ { MPMC(1, 1), 8, ONE, 1024, 0, 0 }, "leat ring mpmc", "ck_ring mpmc", 15, FIGURE_TIMES, QUICK },
	{ { KIND_MPMC, 2, 1, 8, ONE, 1024, 0, 0 }, "leat ring mpmc", "ck_ring mpmc", 4.2, FIGURE_TIMES, QUICK },
	{ { KIND_MPMC, 1, 2, 8, ONE, 1024, 0, 0 }, "leat ring mpmc", "ck_ring mpmc", 4.2, FIGURE_TIMES, QUICK },
	{ { MPMC(2, 2), 8, ONE, 1024, 0, 0 }, "leat ring mpmc", "ck_ring mpmc", 10, FIGURE_TIMES, QUICK },
	{ { MPMC(4, 4), 8, ONE, 1024, 0, 0 }, "leat ring mpmc", "rte_ring HTS", 17, FIGURE_TIMES, QUICK },
	{ { MPMC(8, 8), 8, ONE, 1024, 0, 0 }, "leat ring mpmc", "rte_ring HTS", 17, FIGURE_TIMES, QUICK },
	{ { MPMC(1, 1), 8, BATCH, 1024, 0, 0 }, "leat ring mpmc", "rte_ring MP/MC", 1.25, FIGURE_TIMES, QUICK },
	{ { MPMC(2, 1), 8, BATCH, 1024, 0, 0 }, "leat ring mpmc", "rte_ring MP/MC", 1.2, FIGURE_TIMES, QUICK },
	{ { MPMC(1, 2), 8, BATCH, 1024, 0, 0 }, "leat ring mpmc", "rte_ring MP/MC", 1.2, FIGURE_TIMES, QUICK },
	{ { MPMC(2, 2), 8, BATCH, 1024, 0, 0 }, "leat ring mpmc", "rte_ring MP/MC", 1.3, FIGURE_TIMES, QUICK },
	{ { MPMC(4, 4), 8, BATCH, 1024, 0, 0 }, "leat ring mpmc", "rte_ring HTS", 1.6, FIGURE_TIMES, QUICK },
	{ { MPMC(1, 1), 8, ONE, 1024, MEASURE_ROUND_TRIP, 0 }, "leat ring mpmc", "(two lines)", 1.15, FIGURE_AT_MOST, QUICK },

	{ { KIND_MPSC, 1, 1, 8, ONE, 1024, 0, 0 }, "leat ring mpsc", "leat ring mpmc", 1, FIGURE_TIMES, false },
	{ { KIND_MPSC, 2, 1, 8, ONE, 1024, 0, 0 }, "leat ring mpsc", "leat ring mpmc", 1, FIGURE_TIMES, false },
	{ { KIND_MPSC, 2, 1, 8, BATCH, 1024, 0, 0 }, "leat ring mpsc", "leat ring mpmc", 1, FIGURE_TIMES, false },
	{ { KIND_SPMC, 1, 1, 8, ONE, 1024, 0, 0 }, "leat ring spmc", "leat ring mpmc", 1, FIGURE_TIMES, false },
	{ { KIND_SPMC, 1, 2, 8, ONE, 1024, 0, 0 }, "leat ring spmc", "leat ring mpmc", 1, FIGURE_TIMES, false },
	{ { KIND_SPMC, 1, 2, 8, BATCH, 1024, 0, 0 }, "leat ring spmc", "leat ring mpmc", 1, FIGURE_TIMES, false },

	{ { SPSC, 8, BLOCKING, 1024, 0, 0 }, "leat channel", "Go goroutines", 5, FIGURE_TIMES, QUICK },
	{ { MPMC(1, 1), 8, BLOCKING, 1024, 0, 0 }, "leat channel", "Go goroutines", 5, FIGURE_TIMES, false },
	{ { MPMC(4, 4), 8, BLOCKING, 1024, 0, 0 }, "leat channel", "Go goroutines", 5, FIGURE_TIMES, QUICK },
	{ { MPMC(8, 8), 8, BLOCKING, 1024, 0, 0 }, "leat channel", "Go goroutines", 5, FIGURE_TIMES, QUICK },
	{ { MPMC(8, 8), 8, BLOCKING, 64, 0, 0 }, "leat channel", "Go goroutines", 1, FIGURE_TIMES, QUICK },
	{ { SPSC, 8, BLOCKING, 1024, 0, 0 }, "leat channel", "leat channel, spin", 0.95, FIGURE_TIMES, QUICK },
	{ { SPSC, 8, BLOCKING, 1024, MEASURE_PACED, 250000 }, "leat channel", "(bare futex)", 1.15, FIGURE_AT_MOST, false },
	{ { SPSC, 8, BLOCKING, 64, MEASURE_IDLE, 0 }, "leat channel", "Go goroutines", 0.2, FIGURE_CPU, false },
	{ { SPSC, 8, ONE, 1024, 0, 0 }, "leat channel", "leat ring spsc", 0.3, FIGURE_MORE, QUICK },
	{ { SPSC, 8, ONE, 65536, 0, 0 }, "leat channel", "leat ring spsc", 0.3, FIGURE_MORE, QUICK },
	{ { MPMC(1, 1), 8, ONE, 1024, 0, 0 }, "leat channel", "leat ring mpmc", 0.3, FIGURE_MORE, QUICK },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
_Static_assert((int)ROWS <= (int)FIGURES_MAX, "the table has room");

static struct scenario scenario_of(const struct row *row)
{
	return (struct scenario){
		.measure = row->in.measure, .kind = row->in.kind, .producers = row->in.producers,
		.consumers = row->in.consumers, .item_size = row->in.item_size, .capacity = row->in.capacity,
		.calls = row->in.calls, .batch = row->in.batch, .interval_ns = row->in.interval_ns,
	};
}

void set_add_figures(struct set *set, bool quick)
{
	for (size_t i = 0; i < ROWS; i++) {
		struct scenario scenario = scenario_of(&rows[i]);

		if (rows[i].quick || !quick)
			set_add(set, &scenario);
	}
}

static void compare(struct figure *f)
{
	const struct result *ours = outcome_find(f->outcome, f->ours);
	const struct result *peer = f->peer != NULL ? outcome_find(f->outcome, f->peer) : NULL;

	f->known = ours != NULL && (peer != NULL || f->how == FIGURE_CPU);
	if (!f->known)
		return;
	f->ours_ns = ours->median;
	f->peer_ns = peer != NULL ? peer->median : 0;
	f->beside = peer != NULL;
	switch (f->how) {
	case FIGURE_TIMES:
		f->got = f->peer_ns / f->ours_ns;
		break;
	case FIGURE_AT_MOST:
		f->got = f->ours_ns / f->peer_ns;
		break;
	case FIGURE_MORE:
		f->got = f->ours_ns - f->peer_ns;
		break;
	case FIGURE_CPU:
		f->got = f->ours_ns;
	}
	f->reached = f->how == FIGURE_TIMES ? f->got >= f->want : f->got <= f->want;
}

size_t figures_make(const struct run *run, struct figure *figures, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < ROWS && count < max; i++) {
		struct figure *f = &figures[count];
		struct scenario scenario = scenario_of(&rows[i]);

		memset(f, 0, sizeof(*f));
		for (size_t o = 0; o < run->count; o++)
			if (scenario_same(&run->outcomes[o].scenario, &scenario))
				f->outcome = &run->outcomes[o];
		if (f->outcome == NULL)
			continue;
		scenario_title(&scenario, f->text, sizeof(f->text));
		f->ours = rows[i].ours;
		f->peer = rows[i].peer;
		f->want = rows[i].want;
		f->how = rows[i].how;
		compare(f);
		count++;
	}
	return count;
}
