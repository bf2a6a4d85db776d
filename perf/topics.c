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
#define AN_ITEM { { "an item", "ns" } }

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
			if ((c->run != NULL || c->go != NULL) && (!c->remote || remote_found()))
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
