/*
 * perf/topics.c: the questions that are no loop over a pipe: what the machine can do, generators, selects
 * and merges.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"
#include "perf/topics.h"

#include <string.h>
#include <unistd.h>

#define LIMIT(name_, run_, of) { .name = name_, .run = run_, .n = of, .limit = true }
#define HERE(name_, run_, of) { .name = name_, .run = run_, .n = of }
#define GO(name_, word) { .name = name_, .go = word, .remote = true }
#define GO_SELECT(name_, of) { .name = name_, .run = remote_select, .n = of, .remote = true }
#ifndef LEAT_BENCH_COROUTINE
#define coroutine_alive NULL
#define coroutine_pull NULL
#endif
#ifdef LEAT_BENCH_CK_EC
#define CK_EC(name, of) HERE(name, question_publish, of)
#else
#define CK_EC(name, of) HERE(name, NULL, of)
#endif
#define AN_ITEM { { "an item", "ns" } }
#define BROADCAST_OF(title_, capacity_text, ...) \
	{ .group = "broadcast", .title = "Broadcast, " title_ ", capacity " capacity_text, \
	  .values = { { "an item", "ns" }, { "the senders' CPU, an item", "ns" } }, .by = { __VA_ARGS__ } }
#define LEAT_AND_DISRUPTOR(what) \
	HERE("leat broadcast, received in batches", broadcast_leat, (what) + BROADCAST_TAKES), \
	LEAT_AND_DISRUPTOR_BATCHES(what)
#define LEAT_AND_DISRUPTOR_BATCHES(what) \
	HERE("leat broadcast", broadcast_leat, what), \
	HERE("leat broadcast, adaptive", broadcast_leat, (what) + BROADCAST_ADAPTIVE), \
	{ .name = "Disruptor", .run = remote_disruptor, .n = what, .remote = true }, \
	{ .name = "Disruptor, tries", .run = remote_disruptor, .n = (what) + BROADCAST_TRIES, .remote = true }
#define AND_EACH(what) \
	LEAT_AND_DISRUPTOR(what), HERE("leat channels, one each", broadcast_leat, (what) + BROADCAST_CHANNELS), \
	HERE("leat rings, one each", broadcast_leat, (what) + BROADCAST_RINGS)
#define LAGGARD(what) \
	HERE("leat broadcast, skip", broadcast_leat, (what) + BROADCAST_SKIP), \
	HERE("leat broadcast, skip, a laggard", broadcast_leat, (what) + BROADCAST_LAGGARD)
#define BROADCASTS(capacity, text) \
	BROADCAST_OF("1 to 1, 8 B, one at a time", text, \
		     LEAT_AND_DISRUPTOR(BROADCAST(BROADCAST_TO_ALL, 1, 1, 8, 1, capacity))), \
	BROADCAST_OF("1 to 1, 8 B, batches of 32", text, \
		     LEAT_AND_DISRUPTOR_BATCHES(BROADCAST(BROADCAST_TO_ALL, 1, 1, 8, 32, capacity))), \
	BROADCAST_OF("1 to 2, 8 B, one at a time", text, \
		     LEAT_AND_DISRUPTOR(BROADCAST(BROADCAST_TO_ALL, 1, 2, 8, 1, capacity))), \
	BROADCAST_OF("1 to 3, 8 B, one at a time", text, \
		     LEAT_AND_DISRUPTOR(BROADCAST(BROADCAST_TO_ALL, 1, 3, 8, 1, capacity))), \
	BROADCAST_OF("pipeline of 3, 8 B, one at a time", text, \
		     LEAT_AND_DISRUPTOR(BROADCAST(BROADCAST_PIPELINE, 1, 3, 8, 1, capacity))), \
	BROADCAST_OF("diamond, 8 B, one at a time", text, \
		     LEAT_AND_DISRUPTOR(BROADCAST(BROADCAST_DIAMOND, 1, 3, 8, 1, capacity))), \
	BROADCAST_OF("1 to 3, 64 B, one at a time", text, AND_EACH(BROADCAST(BROADCAST_TO_ALL, 1, 3, 64, 1, capacity))), \
	BROADCAST_OF("3 to 1, 8 B, one at a time", text, \
		     LEAT_AND_DISRUPTOR(BROADCAST(BROADCAST_TO_ALL, 3, 1, 8, 1, capacity))), \
	BROADCAST_OF("1 to 1, 8 B, with and without one that lags for ever", text, \
		     LAGGARD(BROADCAST(BROADCAST_TO_ALL, 1, 1, 8, 1, capacity)))
#ifndef LEAT_BENCH_RANGES
#define flow_ranges_2 NULL
#define flow_ranges_3 NULL
#endif
#ifndef LEAT_BENCH_FLOW_TBB
#define flow_tbb NULL
#endif
#define AN_ITEM_AND_CPU { { "an item", "ns" }, { "its CPU", "ns" } }
#define FLOW_LOOP(level, of) \
	LIMIT("a loop by hand, -O" #level, flow_loop_##level, FLOW_PLAIN + (of)), \
	HERE("a loop by hand with a branch, -O" #level, flow_loop_##level, FLOW_PLAIN + FLOW_BRANCHES + (of)), \
	HERE("leat flow, -O" #level, flow_leat_##level, FLOW_PLAIN + (of)), \
	HERE("leat flow fused, -O" #level, flow_leat_##level, FLOW_PLAIN + FLOW_FUSED + (of)), \
	HERE("C++20 ranges, -O" #level, flow_ranges_##level, FLOW_PLAIN + (of))
#define FLOW(title_, of, go_word) \
	{ .group = "flow", .title = "Flow, array to array, one thread: " title_, .values = AN_ITEM_AND_CPU, .apart = true, \
	  .anywhere = true, \
	  .by = { FLOW_LOOP(2, of), FLOW_LOOP(3, of), HERE("oneTBB pipeline", flow_tbb, FLOW_PLAIN + (of)), \
		  { .name = "Go, 4 stages", .go = go_word, .n = FLOW_ITEMS_SLOW, .remote = true } } }
#define QUANTILES { { "median", "us" }, { "p99", "us" }, { "p99.9", "us" }, { "most", "us" } }
#define LATE(title_, busy, deadline) \
	{ .group = "late", .title = title_, .values = QUANTILES, .anywhere = true, \
	  .by = { HERE("leat channel", question_late, (deadline) + 10 * (busy)), \
		  HERE("leat channel, park", question_late, (deadline) + 10 * (busy) + 1), \
		  LIMIT("bare futex", question_late, (deadline) + 10 * (busy) + 2) } }
#define POOL(title_, which) \
	{ .group = "pool", .title = title_, .values = { { "each", "ns" }, { "its CPU", "ns" } }, \
	  .by = { HERE("leat pool", question_pool, which) } }

const struct topic topics[] = {
	{ .group = "machine", .title = "The machine, between two cores", .values = { { "an operation", "ns" } },
	  .by = { LIMIT("one line, there and back", limit_between, 0), LIMIT("two lines, there and back", limit_between, 1),
		  LIMIT("a line streamed, 8 KiB", limit_between, 8 << 10),
		  LIMIT("a line streamed, 64 KiB", limit_between, 64 << 10),
		  LIMIT("a line streamed, 512 KiB", limit_between, 512 << 10),
		  LIMIT("a line streamed, 4 MiB", limit_between, 4 << 20),
		  LIMIT("futex, wake to running", limit_between, 2) } },
	{ .group = "machine", .title = "The machine, one core", .values = { { "an operation", "ns" } }, .anywhere = true,
	  .by = { LIMIT("compare-and-swap", limit_alone, 0), LIMIT("atomic add", limit_alone, 1), LIMIT("pause", limit_alone, 2),
		  LIMIT("clock", limit_alone, 3), LIMIT("yield", limit_alone, 4),
		  LIMIT("membarrier, other core busy", limit_alone, 5) } },
	{ .group = "generators", .title = "One after another: made, one value received, ended, closed and counted",
	  .values = { { "all of it", "ns" } }, .apart = true,
	  .by = { HERE("leat pool", leat_one_after_another, 0), GO("Go goroutines", "after"), GO("Go, one thread", "after1") } },
	{ .group = "generators", .title = "All alive at once, each with its channel of one item",
	  .values = { { "memory each", "bytes" }, { "to make one", "ns" }, { "a value from each in turn", "ns" } }, .apart = true,
	  .by = { HERE("leat pool", leat_alive, 0), GO("Go goroutines", "alive") } },
	{ .group = "generators", .title = "All alive at once, pulled",
	  .values = { { "memory each", "bytes" }, { "a value from each in turn", "ns" } }, .apart = true, .anywhere = true,
	  .by = { HERE("leat seq", leat_pulled, 0), HERE("C++20 coroutines", coroutine_alive, 0) } },
	{ .group = "generators", .title = "Pulled in a loop, through a pointer",
	  .values = { { "a value", "ns" } }, .apart = true, .anywhere = true,
	  .by = { HERE("leat seq", leat_pull_pointer, 0), GO("Go closure", "pointer") } },
	{ .group = "generators", .title = "Pulled in a loop, the function in sight of the compiler",
	  .values = { { "a value", "ns" } }, .apart = true, .anywhere = true,
	  .by = { HERE("leat seq", leat_pull_seen, 0), GO("Go method", "seen"), HERE("C++20 coroutines", coroutine_pull, 0) } },
	{ .group = "generators", .title = "From a generator to its consumer on one thread, capacity 64",
	  .values = { { "a value", "ns" } }, .apart = true, .anywhere = true,
	  .by = { HERE("leat pool", leat_pass_64, 0), GO("Go goroutines", "pass64") } },
	{ .group = "generators", .title = "From a generator to its consumer on one thread, capacity 1",
	  .values = { { "a value", "ns" } }, .apart = true, .anywhere = true,
	  .by = { HERE("leat pool", leat_pass_1, 0), GO("Go goroutines", "pass1") } },
	{ .group = "generators", .title = "All alive at once, cancelled",
	  .values = { { "until all are ended and joined", "ms" }, { "to give everything back", "ms" },
		      { "memory left of each", "bytes" } }, .apart = true,
	  .by = { HERE("leat pool", leat_cancel_all, 0), GO("Go goroutines", "cancel") } },
	{ .group = "select", .title = "One thread: an item sent, then received", .values = AN_ITEM, .anywhere = true,
	  .by = { HERE("leat_recv", receive_alone, 1), HERE("leat_select, 1 case", select_alone, 1),
		  HERE("leat_select, 8 cases", select_alone, SELECT_CHANS), GO_SELECT("Go select, 8 cases", 0) } },
	{ .group = "select", .title = "8 channels, a producer for each, one thread that selects", .values = AN_ITEM,
	  .by = { HERE("leat_select", select_from, SELECT_CHANS), GO_SELECT("Go select", SELECT_CHANS) } },
	{ .group = "select", .title = "8 channels, one producer in turn, one thread that selects", .values = AN_ITEM,
	  .by = { HERE("leat_select", select_from, 1), GO_SELECT("Go select", 1) } },
	{ .group = "select", .title = "A merge, 10 busy lanes, one producer in turn", .values = AN_ITEM,
	  .by = { HERE("leat_merge of 10", merge_from, SELECT_BUSY), HERE("leat_merge of 10,000", merge_from, SELECT_LANES) } },
	{ .group = "select", .title = "A merge, 10 busy lanes, one thread for both", .values = AN_ITEM, .anywhere = true,
	  .by = { HERE("leat_merge of 10", merge_alone, SELECT_BUSY), HERE("leat_merge of 10,000", merge_alone, SELECT_LANES) } },
	{ .group = "select", .title = "A merge, each item to a lane that stood armed, one thread for both", .values = AN_ITEM,
	  .anywhere = true,
	  .by = { HERE("leat_merge of 100", merge_asleep, 100), HERE("leat_merge of 10,000", merge_asleep, SELECT_LANES) } },
	BROADCASTS(1024, "1,024"),
	BROADCASTS(65536, "65,536"),
	FLOW("3 maps and a filter", 0, "flow"),
	FLOW("3 maps and a filter of 2 ns each", FLOW_WORKS, "flowworks"),
	{ .group = "flow", .title = "Flow, 2 workers, 1 us an item", .values = AN_ITEM_AND_CPU, .apart = true, .anywhere = true,
	  .by = { HERE("leat flow, unordered", flow_workers_2, FLOW_PLAIN),
		  HERE("leat flow, ordered", flow_workers_2, FLOW_PLAIN + FLOW_ORDERED) } },
	{ .group = "flow", .title = "Flow, a lone item to another thread and back", .values = { { "a round trip", "ns" } },
	  .apart = true,
	  .by = { HERE("leat flow, no steps", flow_lone_2, FLOW_PLAIN),
		  HERE("leat flow, 10 fused steps", flow_lone_2, FLOW_PLAIN + FLOW_FUSED) } },
	{ .group = "publish", .title = "One publish while no thread sleeps", .values = { { "a publish", "ns" } }, .anywhere = true,
	  .by = { LIMIT("a store with release", question_publish, 0), HERE("leat's event", question_publish, 1),
		  HERE("leat's event, full_fence", question_publish, 2), CK_EC("ck_ec, one publisher", 3),
		  CK_EC("ck_ec, many publishers", 4) } },
	{ .group = "floor", .title = "One thread: a word swapped, a ring with turns filled and emptied",
	  .values = { { "an operation", "ns" } }, .anywhere = true,
	  .by = { LIMIT("a swap", question_floor, 0), HERE("leat ring mpmc, a push", question_floor, 1),
		  HERE("leat ring mpmc, a pop", question_floor, 2) } },
	{ .group = "floor", .title = "Two lines, there and back, and what a ring does beside", .values = { { "a round trip", "ns" } },
	  .by = { LIMIT("bare", question_trip, 0), LIMIT("and a mark in the line that came", question_trip, 1),
		  LIMIT("and a swap", question_trip, 2), LIMIT("and both", question_trip, 3) } },
	{ .group = "starts", .title = "A start, 400,000 generators alive", .values = QUANTILES, .apart = true,
	  .by = { HERE("leat, their scope", question_starts, 4), HERE("leat, a new scope", question_starts, 5),
		  HERE("leat, their scope, snapshots", question_starts, 6), HERE("leat, a new scope, snapshots", question_starts, 7) } },
	LATE("How late a lone item is", 0, 0),
	LATE("How late a lone item is, beside 1 busy thread", 1, 0),
	LATE("How late a lone item is, beside 2 busy threads", 2, 0),
	LATE("How late a lone item is, beside 8 busy threads", 8, 0),
	LATE("How late a deadline of 1 ms is", 0, 100),
	LATE("How late a deadline of 1 ms is, beside 1 busy thread", 1, 100),
	LATE("How late a deadline of 1 ms is, beside 2 busy threads", 2, 100),
	LATE("How late a deadline of 1 ms is, beside 8 busy threads", 8, 100),
	POOL("A pool of two: an item through three stages", 1),
	{ .group = "pool", .title = "A pool of two: a lone item to a sink", .values = { { "median", "ns" }, { "p99", "ns" } },
	  .by = { HERE("leat pool", question_pool, 2) } },
	POOL("A pool of two: a start, and a receive at once", 3),
	POOL("A pool of two: a start, eight before a receive", 4),
	POOL("A pool of two: a start whose step and whose consumer work for 20 us", 5),
	{ .group = NULL },
};

const struct topic *topic_find(const char *title)
{
	for (const struct topic *t = topics; t->group != NULL; t++)
		if (strcmp(t->title, title) == 0)
			return t;
	bench_fail("there is no such topic");
}

void set_add_topics(struct set *set, const char *group, uint64_t count)
{
	for (const struct topic *t = topics; t->group != NULL; t++)
		if (strcmp(t->group, group) == 0)
			set_add(set, &(struct scenario){ .measure = MEASURE_TOPIC, .topic = t, .count = count, .place = PLACE_FREE });
}

void topics_list(FILE *out)
{
	for (const struct topic *t = topics; t->group != NULL; t++) {
		unsigned named = 0;

		fprintf(out, "%s: %s:", t->group, t->title);
		for (const struct contestant *c = t->by; c->name != NULL; c++)
			if ((c->run != NULL || c->go != NULL) && (!c->remote || remote_found(c)))
				fprintf(out, "%s %s", named++ == 0 ? "" : ";", c->name);
		fprintf(out, "\n");
	}
}

uint64_t bench_resident(void)
{
	unsigned long long size, pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL || fscanf(file, "%llu %llu", &size, &pages) != 2)
		bench_fail("cannot read /proc/self/statm");
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

double bench_grown_each(uint64_t before, uint64_t count)
{
	uint64_t now = bench_resident();

	return now > before ? (double)(now - before) / (double)count : 0;
}
