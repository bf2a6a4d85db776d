/*
 * perf/figures.c: the table of figures: what is to be reached on each processor, each within one class of
 * samples of one run.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#include <string.h>

const char *const processor_names[PROCESSORS + 1] = { "Intel Xeon", "AMD EPYC", NULL };

#define SPSC(bytes, items, ...) \
	{ .producers = 1, .consumers = 1, .item_size = bytes, .capacity = items, __VA_ARGS__ }
#define MANY(kind_, p, c, items, ...) \
	{ .kind = kind_, .producers = p, .consumers = c, .item_size = 8, .capacity = items, __VA_ARGS__ }
#define MPMC(p, c, ...) MANY(KIND_MPMC, p, c, 1024, __VA_ARGS__)
#define ONE .calls = CALLS_ONE, .batch = 1
#define BATCH .calls = CALLS_BATCH, .batch = 32
#define BLOCKING .calls = CALLS_BLOCKING, .batch = 1
#define ROUND_TRIP .measure = MEASURE_ROUND_TRIP, ONE
#define ON(xeon, zen) .targets = { xeon, zen }
#define ON_BOTH(...) .targets = { __VA_ARGS__, __VA_ARGS__ }
#define TIMES(times) { FIGURE_TIMES, times }
#define AT_MOST(times) { FIGURE_AT_MOST, times }
#define MORE(by) { FIGURE_MORE, by }
#define VALUE(value) { FIGURE_VALUE, value }

/* Ours against a peer, or a limit. */
struct row {
	struct scenario in;
	const char *topic; /* by its title */
	int value;
	enum class class;
	const char *ours, *peer; /* as outcome_find() has them */
	struct target targets[PROCESSORS];
	bool long_too;    /* not measured with --quick */
	bool near_peer;   /* the peer's near samples, whatever the row's class is */
	bool trying_peer; /* the peer in the same scenario by calls that try */
};

#define NEAR_AND_FAR(bytes, items, xeon_ns, zen_times, ...) \
	{ .in = SPSC(bytes, items, __VA_ARGS__), .ours = "leat ring spsc", .peer = "Boost spsc_queue", \
	  ON(VALUE(xeon_ns), TIMES(zen_times)) }, \
	{ .in = SPSC(bytes, items, __VA_ARGS__), .class = FAR, .ours = "leat ring spsc", .peer = "*", \
	  ON_BOTH(TIMES(1)) }
#define FAR_TO_NEAR(bytes) \
	{ .in = SPSC(bytes, 65536, BATCH), .class = FAR, .ours = "leat ring spsc", .peer = "leat ring spsc", \
	  .near_peer = true, ON_BOTH(AT_MOST(2)) }
#define ONE_SIDED(kind, p, c, ours_, ...) \
	{ .in = MANY(kind, p, c, 1024, __VA_ARGS__), .ours = ours_, .peer = "leat ring mpmc", .long_too = true, ON_BOTH(TIMES(1)) }
#define TOPIC(title, value_, ours_, peer_, target) \
	{ .topic = title, .value = value_, .ours = ours_, .peer = peer_, ON_BOTH(target) }

#define BROADCASTS(text) \
	TOPIC("Broadcast, 1 to 1, 8 B, one at a time, capacity " text, 0, "leat broadcast*", "Disruptor*", TIMES(2)), \
	TOPIC("Broadcast, 1 to 1, 8 B, batches of 32, capacity " text, 0, "leat broadcast", "Disruptor*", TIMES(1.3)), \
	TOPIC("Broadcast, 1 to 2, 8 B, one at a time, capacity " text, 0, "leat broadcast*", "Disruptor*", TIMES(1.5)), \
	TOPIC("Broadcast, 1 to 3, 8 B, one at a time, capacity " text, 0, "leat broadcast*", "Disruptor*", TIMES(1.5)), \
	TOPIC("Broadcast, pipeline of 3, 8 B, one at a time, capacity " text, 0, "leat broadcast*", "Disruptor*", \
	      TIMES(1.5)), \
	TOPIC("Broadcast, diamond, 8 B, one at a time, capacity " text, 0, "leat broadcast*", "Disruptor*", TIMES(1.5)), \
	TOPIC("Broadcast, 1 to 3, 64 B, one at a time, capacity " text, 1, "leat broadcast", "leat rings, one each", \
	      AT_MOST(0.5)), \
	TOPIC("Broadcast, 3 to 1, 8 B, one at a time, capacity " text, 0, "leat broadcast*", "Disruptor*", TIMES(2)), \
	TOPIC("Broadcast, 1 to 1, 8 B, with and without one that lags for ever, capacity " text, 0, \
	      "leat broadcast, skip, a laggard", "leat broadcast, skip", AT_MOST(1.05))

#define FLOW "Flow, array to array, one thread: 3 maps and a filter"
#define FLOWS(level) \
	TOPIC(FLOW, 0, "leat flow, -O" level, "a loop by hand, -O2", AT_MOST(3)), \
	TOPIC(FLOW, 0, "leat flow fused, -O" level, "a loop by hand, -O2", AT_MOST(1.1)), \
	TOPIC(FLOW, 0, "leat flow fused, -O" level, "C++20 ranges, -O" level, TIMES(1)), \
	TOPIC(FLOW, 0, "leat flow, -O" level, "Go, 4 stages", TIMES(50)), \
	TOPIC(FLOW, 0, "leat flow, -O" level, "oneTBB pipeline", TIMES(3)), \
	TOPIC(FLOW " of 2 ns each", 0, "leat flow, -O" level, "a loop by hand, -O2", AT_MOST(1.2)), \
	TOPIC(FLOW " of 2 ns each", 0, "leat flow fused, -O" level, "a loop by hand, -O2", AT_MOST(1.2))

static const struct row rows[] = {
	/* The Xeon's are what perf/results has of 2026-11-21. */
	NEAR_AND_FAR(8, 1024, 1.9, 3.2, ONE),
	NEAR_AND_FAR(8, 65536, 1.3, 5.5, ONE),
	NEAR_AND_FAR(8, 1024, 1.7, 2, BATCH),
	NEAR_AND_FAR(8, 65536, 0.9, 2.8, BATCH),
	NEAR_AND_FAR(64, 1024, 6.7, 7, ONE),
	NEAR_AND_FAR(64, 65536, 2.9, 7, ONE),
	NEAR_AND_FAR(64, 1024, 5.6, 2.5, BATCH),
	NEAR_AND_FAR(64, 65536, 3.4, 3.5, BATCH),
	FAR_TO_NEAR(8),
	FAR_TO_NEAR(64),
	{ .in = SPSC(8, 1024, ROUND_TRIP), .ours = "leat ring spsc", .peer = "(two lines)", ON_BOTH(AT_MOST(1.12)) },
	{ .in = SPSC(8, 1024, ROUND_TRIP), .class = FAR, .ours = "leat ring spsc", .peer = "*", ON_BOTH(TIMES(1)) },

	{ .in = MPMC(1, 1, ONE), .ours = "leat ring mpmc", .peer = "ck_ring mpmc", ON_BOTH(TIMES(15)) },
	{ .in = MPMC(2, 1, ONE), .ours = "leat ring mpmc", .peer = "ck_ring mpmc", ON_BOTH(TIMES(4.2)) },
	{ .in = MPMC(2, 1, ONE), .ours = "leat ring mpmc", .peer = "*", ON(VALUE(12), VALUE(9)) },
	{ .in = MPMC(1, 2, ONE), .ours = "leat ring mpmc", .peer = "ck_ring mpmc", ON_BOTH(TIMES(4.2)) },
	{ .in = MPMC(1, 2, ONE), .ours = "leat ring mpmc", .peer = "*", ON(VALUE(12), VALUE(9)) },
	{ .in = MPMC(2, 2, ONE), .ours = "leat ring mpmc", .peer = "ck_ring mpmc", ON_BOTH(TIMES(10)) },
	{ .in = MPMC(4, 4, ONE), .ours = "leat ring mpmc", .peer = "rte_ring HTS", ON_BOTH(TIMES(17)) },
	{ .in = MPMC(8, 8, ONE), .ours = "leat ring mpmc", .peer = "rte_ring HTS", ON_BOTH(TIMES(17)) },
	{ .in = MPMC(1, 1, BATCH), .ours = "leat ring mpmc", .peer = "rte_ring*", ON_BOTH(TIMES(1.1)) },
	{ .in = MPMC(2, 1, BATCH), .ours = "leat ring mpmc", .peer = "rte_ring*", ON_BOTH(TIMES(1.1)) },
	{ .in = MPMC(1, 2, BATCH), .ours = "leat ring mpmc", .peer = "rte_ring*", ON_BOTH(TIMES(1.1)) },
	{ .in = MPMC(2, 2, BATCH), .ours = "leat ring mpmc", .peer = "rte_ring*", ON_BOTH(TIMES(1.1)) },
	{ .in = MPMC(4, 4, BATCH), .ours = "leat ring mpmc", .peer = "rte_ring*", ON_BOTH(TIMES(1.1)) },
	{ .in = MPMC(1, 1, ROUND_TRIP), .ours = "leat ring mpmc", .peer = "(two lines)", ON_BOTH(AT_MOST(1.15)) },

	ONE_SIDED(KIND_MPSC, 1, 1, "leat ring mpsc", ONE),
	ONE_SIDED(KIND_MPSC, 2, 1, "leat ring mpsc", ONE),
	ONE_SIDED(KIND_MPSC, 2, 1, "leat ring mpsc", BATCH),
	ONE_SIDED(KIND_SPMC, 1, 1, "leat ring spmc", ONE),
	ONE_SIDED(KIND_SPMC, 1, 2, "leat ring spmc", ONE),
	ONE_SIDED(KIND_SPMC, 1, 2, "leat ring spmc", BATCH),

	{ .in = SPSC(8, 1024, BLOCKING), .ours = "leat channel", .peer = "Go goroutines", ON_BOTH(TIMES(5)) },
	{ .in = MPMC(1, 1, BLOCKING), .ours = "leat channel", .peer = "Go goroutines", ON_BOTH(TIMES(5)), .long_too = true },
	{ .in = MPMC(4, 4, BLOCKING), .ours = "leat channel", .peer = "Go goroutines", ON_BOTH(TIMES(5)) },
	{ .in = MPMC(8, 8, BLOCKING), .ours = "leat channel", .peer = "Go goroutines", ON_BOTH(TIMES(5)) },
	{ .in = MANY(KIND_MPMC, 8, 8, 64, BLOCKING), .ours = "leat channel", .peer = "Go goroutines", ON_BOTH(TIMES(1)) },
	{ .in = SPSC(8, 1024, BLOCKING), .ours = "leat channel", .peer = "leat channel, spin", ON_BOTH(TIMES(0.95)) },
	{ .in = SPSC(8, 1024, BLOCKING), .ours = "leat channel", .peer = "leat ring spsc", .trying_peer = true,
	  ON_BOTH(MORE(2)) },
	{ .in = SPSC(8, 1024, BLOCKING, .measure = MEASURE_PACED, .interval_ns = 250000), .ours = "leat channel",
	  .peer = "(bare futex)", ON_BOTH(AT_MOST(1.15)), .long_too = true },
	{ .in = SPSC(8, 64, BLOCKING, .measure = MEASURE_IDLE), .ours = "leat channel", .peer = "Go goroutines",
	  ON_BOTH(VALUE(0.2)), .long_too = true },
	{ .in = SPSC(8, 1024, ONE), .ours = "leat channel", .peer = "leat ring spsc", ON_BOTH(MORE(0.3)) },
	{ .in = SPSC(8, 65536, ONE), .ours = "leat channel", .peer = "leat ring spsc", ON_BOTH(MORE(0.3)) },
	{ .in = MPMC(1, 1, ONE), .ours = "leat channel", .peer = "leat ring mpmc", ON_BOTH(MORE(0.3)) },

	TOPIC("One after another: made, one value received, ended, closed and counted", 0, "leat*", "*", TIMES(8)),
	TOPIC("All alive at once, each with its channel of one item", 0, "leat*", "*", VALUE(256)),
	TOPIC("All alive at once, each with its channel of one item", 1, "leat*", "*", VALUE(300)),
	TOPIC("All alive at once, each with its channel of one item", 2, "leat*", "*", VALUE(40)),
	TOPIC("All alive at once, pulled", 0, "leat*", "*", VALUE(88)),
	TOPIC("All alive at once, pulled", 1, "leat*", "*", VALUE(6.4)),
	TOPIC("Pulled in a loop, through a pointer", 0, "leat*", "*", VALUE(1.5)),
	TOPIC("Pulled in a loop, the function in sight of the compiler", 0, "leat*", "*", VALUE(0.7)),
	TOPIC("From a generator to its consumer on one thread, capacity 64", 0, "leat*", "*", VALUE(20)),
	TOPIC("From a generator to its consumer on one thread, capacity 1", 0, "leat*", "*", VALUE(60)),
	TOPIC("All alive at once, cancelled", 0, "leat*", "*", VALUE(1000)),
	TOPIC("All alive at once, cancelled", 2, "leat*", "*", VALUE(8)),
	TOPIC("One thread: an item sent, then received", 0, "leat_select, 8 cases", "Go*", AT_MOST(0.5)),
	TOPIC("8 channels, a producer for each, one thread that selects", 0, "leat_select", "Go*", AT_MOST(0.5)),
	TOPIC("8 channels, one producer in turn, one thread that selects", 0, "leat_select", "Go*", AT_MOST(0.5)),
	TOPIC("A merge, 10 busy lanes, one producer in turn", 0, "leat_merge of 10,000", "leat_merge of 10", AT_MOST(2)),
	TOPIC("A merge, 10 busy lanes, one thread for both", 0, "leat_merge of 10,000", "leat_merge of 10", AT_MOST(2)),
	FLOWS("2"),
	FLOWS("3"),
	TOPIC("Flow, 2 workers, 1 us an item", 0, "leat flow, ordered", "leat flow, unordered", AT_MOST(1.1)),
	TOPIC("Flow, a lone item to another thread and back", 0, "leat flow, 10 fused steps", "leat flow, no steps",
	      MORE(100)),
	BROADCASTS("1,024"),
	BROADCASTS("65,536"),
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
_Static_assert((int)ROWS <= (int)FIGURES_MAX, "the table has room");

void set_add_figures(struct set *set, bool quick)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].topic == NULL && (!rows[i].long_too || !quick))
			set_add(set, &rows[i].in);
}

int processor_column(const struct run *run)
{
	return strstr(run->processor, "Intel") != NULL ? 0 : strstr(run->processor, "AMD") != NULL ? 1 : -1;
}

void figure_target(const struct target *t, const char *unit, char text[32])
{
	static const char *const formats[] = { "", ">= %g x", "<= %g x", "<= %g %s more", "<= %g %s" };

	snprintf(text, 32, formats[t->how], t->want, unit);
}

static const struct outcome *find_outcome(const struct run *run, const struct row *row, bool trying)
{
	struct scenario wanted = row->in;

	if (trying)
		wanted.calls = CALLS_ONE;
	for (size_t o = 0; o < run->count; o++) {
		const struct scenario *s = &run->outcomes[o].scenario;

		if (row->topic != NULL ? s->topic != NULL && strcmp(s->topic->title, row->topic) == 0
				       : scenario_same(s, &wanted))
			return &run->outcomes[o];
	}
	return NULL;
}

static void compare(struct figure *f, const struct target *target)
{
	switch (target->how) {
	case FIGURE_TIMES:
		f->got = f->peer_ns / f->ours_ns;
		break;
	case FIGURE_AT_MOST:
		f->got = f->ours_ns / f->peer_ns;
		break;
	case FIGURE_MORE:
		f->got = f->ours_ns - f->peer_ns;
		break;
	default:
		f->got = f->ours_ns;
	}
	f->reached = target->how == FIGURE_TIMES ? f->got >= target->want : f->got <= target->want;
}

static void fill_figure(struct figure *f, const struct run *run, const struct row *row, const struct outcome *o)
{
	const struct outcome *with = row->trying_peer ? find_outcome(run, row, true) : o;
	const struct result *ours = outcome_find(o, row->ours, row->class, row->value), *peer = NULL;
	enum class peer_class = row->near_peer ? NEAR : row->class;
	int column = processor_column(run);
	const struct target *target = &row->targets[column < 0 ? 0 : column];
	const char *what = scenario_value(&o->scenario, row->value, &f->unit);
	char title[160];
	bool several = row->topic != NULL && o->scenario.topic->values[1].what != NULL;

	if (with != NULL)
		peer = outcome_find(with, row->peer, peer_class, row->value);
	snprintf(f->text, sizeof(f->text), "%s%s%s%s%s", scenario_title(&o->scenario, title), several ? ", " : "",
		 several ? what : "", o->classless ? "" : "; ", o->classless ? "" : class_names[row->class]);
	f->ours = row->ours[strlen(row->ours) - 1] == '*' && ours != NULL ? ours->contestant->name : row->ours;
	f->peer = peer != NULL ? peer->contestant->name : strcmp(row->peer, "*") == 0 ? "best peer" : row->peer;
	snprintf(f->versus, sizeof(f->versus), "%s%s%s%s", f->ours,
		 target->how == FIGURE_MORE	 ? " - "
		 : target->how == FIGURE_AT_MOST ? " of "
						 : " against ",
		 f->peer, row->near_peer ? ", near" : "");
	f->targets = row->targets;
	f->known = ours != NULL && (peer != NULL || target->how == FIGURE_VALUE);
	f->judged = f->known && column >= 0;
	if (!f->known)
		return;
	f->ours_ns = ours->of[row->class].median[row->value];
	f->peer_ns = peer != NULL ? peer->of[peer_class].median[row->value] : 0;
	compare(f, target);
}

size_t figures_make(const struct run *run, struct figure *figures, size_t max)
{
	size_t count = 0;

	for (size_t i = 0; i < ROWS && count < max; i++) {
		const struct outcome *o = find_outcome(run, &rows[i], false);

		if (o == NULL)
			continue;
		memset(&figures[count], 0, sizeof(figures[count]));
		fill_figure(&figures[count++], run, &rows[i], o);
	}
	return count;
}
