/*
 * perf/main.c: leat-bench, the program behind `leat bench`: its command line.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"

#include <leat/version.h>

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2, GENERATORS = 1000000, GENERATORS_QUICK = 100000, PROBES_FIRST = 32 };

/* With --all, for the rounds of one scenario. */
#define MOST_NS_ALL 2000000000

static const char help_text[] =
	"usage: leat bench [--quick | --all | KIND | idle | generators | select | broadcast |\n"
	"                   flow | QUESTION] [options]\n"
	"\n"
	"Measures leat's rings and channels beside their peers, in one run, on this machine: contestants take\n"
	"turns, and every item is checked. Samples of near cores and of far cores are two classes that are never\n"
	"mixed. Plain, it measures what the table of figures needs (about two minutes) and prints it.\n"
	"\n"
	"  --quick              its SPSC, MPMC and blocking rows, in less than a minute\n"
	"  --all                everything: kinds, item sizes, calls, capacities, crowds, latencies\n"
	"  KIND                 spsc, mpsc, spmc or mpmc: one scenario, which these describe:\n"
	"      --threads P+C    producers and consumers, up to 8+8 (1+1, mpsc 2+1, spmc 1+2, mpmc 2+2)\n"
	"      --item BYTES     8, 64 or 256 (8)\n"
	"      --capacity N     items (1024)\n"
	"      --batch N        N at a time, up to 256\n"
	"      --zero-copy      in place, up to --batch (32) at a time\n"
	"      --blocking       calls that wait by themselves, and park; with --batch, for batches\n"
	"      --round-trip     there and back, through two of them\n"
	"      --rate N         latency at N items a second, from when each was due to be sent\n"
	"      --place HOW      separate (cores, the default), same (one core), free (not pinned)\n"
	"  idle                 what waiting costs, in CPU\n"
	"  generators           what generators cost: to make, in memory, a value, to cancel; --quick: fewer\n"
	"      --count N        so many of them, from 1000 to 10000000 (1000000, or 100000 with --quick)\n"
	"  select               what waiting for several costs: selects and merges; --quick: fewer samples\n"
	"  broadcast            what it costs to send each item to several, beside the Disruptor\n"
	"  flow                 what steps of a flow cost, beside a loop, ranges, oneTBB and Go's stages\n"
	"  QUESTION             publish (while no thread sleeps), floor (of a ring with turns), starts (beside\n"
	"                       snapshots), late (a receiver on a busy core), pool (its idle workers)\n"
	"\n"
	"  --samples N          of each contestant (15; 7 with --quick, 5 with --all; generators 5, or 3;\n"
	"                       select 21, or 7; broadcast and flow 15, or 5; questions 5 to 31)\n"
	"  --only TEXT          contestants whose name holds TEXT (and the limits)\n"
	"  --both SECONDS       goes on for so long at most, until there are all samples of both classes\n"
	"  --cores A,B,...      the cores to use; the first two are the two sides\n"
	"  --json FILE          everything that was measured, as one JSON object\n"
	"  --svg FILE           a plot of it\n"
	"  --list               contestants, and those that are missing; measures nothing\n"
	"  --help, --version\n"
	"\n"
	"exit status   0; 1 it failed, or an item was lost; 2 usage\n";

enum {
	QUICK, ALL, THREADS, ITEM, CAPACITY, BATCH, ZERO_COPY, BLOCKING, ROUND_TRIP, RATE, PLACE, COUNT, SAMPLES, ONLY, BOTH,
	CORES, JSON, SVG, LIST, HELP, VERSION, OPTIONS, DESCRIBES = THREADS, DESCRIBES_LAST = PLACE
};

static const struct {
	const char *name;
	int takes;
	uint64_t least, most; /* where it takes a number */
	const char *wanted;
} known[OPTIONS] = {
	[QUICK] = { .name = "quick" },
	[ALL] = { .name = "all" },
	[THREADS] = { "threads", 1, 0, 0, NULL },
	[ITEM] = { "item", 1, 8, 256, "items have 8, 64 or 256 bytes" },
	[CAPACITY] = { "capacity", 1, 1, 1 << 20, "wanted is a number of items from 1 to 1048576" },
	[BATCH] = { "batch", 1, 1, BATCH_MAX, "wanted is a number from 1 to 256" },
	[ZERO_COPY] = { .name = "zero-copy" },
	[BLOCKING] = { .name = "blocking" },
	[ROUND_TRIP] = { .name = "round-trip" },
	[RATE] = { "rate", 1, 1, 100000000, "wanted are items a second, from 1 to 100000000" },
	[PLACE] = { "place", 1, 0, 0, NULL },
	[COUNT] = { "count", 1, 1000, 10000000, "wanted is a number from 1000 to 10000000" },
	[SAMPLES] = { "samples", 1, 1, 1000, "wanted is a number from 1 to 1000" },
	[ONLY] = { "only", 1, 0, 0, NULL },
	[BOTH] = { "both", 1, 1, 86400, "wanted are seconds, from 1 to 86400" },
	[CORES] = { "cores", 1, 0, 0, NULL },
	[JSON] = { "json", 1, 0, 0, NULL },
	[SVG] = { "svg", 1, 0, 0, NULL },
	[LIST] = { .name = "list" },
	[HELP] = { .name = "help" },
	[VERSION] = { .name = "version" },
};

/* Words, and how many samples each contestant takes of what they ask for; quick. */
static const struct {
	const char *word;
	unsigned samples, quick;
} whats[] = {
	{ "spsc", 15, 7 },	{ "mpsc", 15, 7 },   { "spmc", 15, 7 },	  { "mpmc", 15, 7 },  { "idle", 15, 7 },
	{ "generators", 5, 3 }, { "select", 21, 7 }, { "broadcast", 15, 5 }, { "flow", 15, 5 },
	{ "publish", 31, 7 },	{ "floor", 31, 7 },
	{ "starts", 5, 3 },	{ "late", 5, 3 },    { "pool", 7, 3 },	  { NULL, 15, 7 },
};
enum { IDLE = KINDS, TOPICS_ASKED, GENERATORS_ASKED = TOPICS_ASKED, FIGURES_ASKED = sizeof(whats) / sizeof(whats[0]) - 1 };

struct asked {
	int what; /* of whats; FIGURES_ASKED: none */
	unsigned given[OPTIONS];
	const char *text[OPTIONS];
	uint64_t value[OPTIONS];
	struct scenario one;
};

static int usage(const char *format, const char *word, const char *more)
{
	fprintf(stderr, "leat bench: ");
	fprintf(stderr, format, word, more);
	fprintf(stderr, "; see leat bench --help\n");
	return STATUS_USAGE;
}

static bool read_number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *value >= least && *value <= most;
}

static int read_threads(struct scenario *s, const char *text)
{
	uint64_t producers, consumers;
	char word[16];
	char *plus;

	snprintf(word, sizeof(word), "%s", text);
	plus = strchr(word, '+');
	if (plus == NULL)
		return usage("--threads %s: wanted is P+C, such as 2+2%s", text, "");
	*plus++ = '\0';
	if (!read_number(word, 1, SIDE_MAX, &producers) || !read_number(plus, 1, SIDE_MAX, &consumers))
		return usage("--threads %s: each side has 1 to 8 threads%s", text, "");
	s->producers = (unsigned)producers;
	s->consumers = (unsigned)consumers;
	return 0;
}

static int read_cores(const char *text)
{
	int wanted[CORES_MAX];
	unsigned count = 0;
	char *copy = strdup(text), *rest = copy, *word;
	uint64_t core = 0;

	while (copy != NULL && (word = strsep(&rest, ",")) != NULL && count < CORES_MAX) {
		bool usable = false;

		if (read_number(word, 0, CORES_MAX, &core))
			for (unsigned i = 0; i < bench_cores_count; i++)
				usable |= bench_cores[i] == (int)core;
		for (unsigned i = 0; i < count; i++)
			usable &= wanted[i] != (int)core;
		if (!usable) {
			free(copy);
			return usage("--cores %s: wanted are cores of this machine, each once, such as 0,1%s", text,
				     "");
		}
		wanted[count++] = (int)core;
	}
	free(copy);
	memcpy(bench_cores, wanted, count * sizeof(wanted[0]));
	bench_cores_count = count;
	return 0;
}

static int say(const char *text)
{
	if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
		return 0;
	perror("leat bench: stdout");
	return STATUS_FAILED;
}

/* The scenario that the options describe. */
static int describe(struct asked *a)
{
	static const char *const places[] = { "separate", "same", "free" };
	static const unsigned producers[] = { 1, 2, 1, 2, 1 }, consumers[] = { 1, 1, 2, 2, 1 };
	struct scenario *s = &a->one;
	bool alone = a->given[ROUND_TRIP] || a->given[RATE];
	int place = 0;

	*s = (struct scenario){ .kind = a->what == IDLE ? KIND_SPSC : (enum kind)a->what,
				.producers = alone ? 1 : producers[a->what], .consumers = alone ? 1 : consumers[a->what],
				.item_size = a->given[ITEM] ? (unsigned)a->value[ITEM] : 8,
				.capacity = a->given[CAPACITY] ? a->value[CAPACITY] : 1024,
				.batch = a->given[BATCH] ? (unsigned)a->value[BATCH] : a->given[ZERO_COPY] ? 32 : 1 };
	if (a->what == IDLE) {
		*s = (struct scenario){ .measure = MEASURE_IDLE, .producers = 1, .consumers = 1, .item_size = 8, .batch = 1,
					.capacity = 64, .calls = CALLS_BLOCKING };
		return 0;
	}
	if (s->item_size != 8 && s->item_size != 64 && s->item_size != 256)
		return usage("--item %s: items have 8, 64 or 256 bytes%s", a->text[ITEM], "");
	if (a->given[ZERO_COPY] && a->given[BLOCKING])
		return usage("--zero-copy and --blocking exclude each other%s%s", "", "");
	s->calls = a->given[ZERO_COPY]	 ? CALLS_ZERO_COPY
		   : a->given[BLOCKING] ? (s->batch > 1 ? CALLS_BLOCKING_BATCH : CALLS_BLOCKING)
		   : s->batch > 1	 ? CALLS_BATCH
					 : CALLS_ONE;
	if (a->given[THREADS] && read_threads(s, a->text[THREADS]) != 0)
		return STATUS_USAGE;
	while (a->given[PLACE] && place < 3 && strcmp(a->text[PLACE], places[place]) != 0)
		place++;
	if (place == 3)
		return usage("--place %s: there are: separate, same, free%s", a->text[PLACE], "");
	s->place = (enum place)place;
	if (a->given[RATE]) {
		s->measure = MEASURE_PACED;
		s->interval_ns = 1000000000 / (int64_t)a->value[RATE];
	} else if (a->given[ROUND_TRIP]) {
		s->measure = MEASURE_ROUND_TRIP;
	}
	if ((s->producers > 1 && (s->kind == KIND_SPSC || s->kind == KIND_SPMC)) ||
	    (s->consumers > 1 && (s->kind == KIND_SPSC || s->kind == KIND_MPSC)))
		return usage("--threads: that side of this kind has one thread%s%s", "", "");
	if (alone && (s->producers != 1 || s->consumers != 1 || s->batch > 1 || s->calls == CALLS_ZERO_COPY))
		return usage("--round-trip and --rate are for one thread on each side, one item at a time%s%s", "", "");
	if (s->measure == MEASURE_PACED && s->place == PLACE_SAME)
		return usage("--rate wants a core for each side%s%s", "", "");
	if (s->measure == MEASURE_ROUND_TRIP && s->place == PLACE_SAME && s->calls != CALLS_BLOCKING)
		return usage("--round-trip on one core wants --blocking%s%s", "", "");
	return 0;
}

/* What the options mean together. */
static int settle(struct asked *a)
{
	bool described = false;

	for (int o = DESCRIBES; o <= DESCRIBES_LAST; o++)
		described |= a->given[o] != 0;
	if (a->given[QUICK] + a->given[ALL] > 1 || (a->what < TOPICS_ASKED && (a->given[QUICK] || a->given[ALL])) ||
	    (a->what != FIGURES_ASKED && a->given[ALL]))
		return usage("one of --quick, --all and a kind is enough%s%s", "", "");
	if (a->given[COUNT] && a->what != GENERATORS_ASKED)
		return usage("--count is for generators%s%s", "", "");
	if (described && a->what >= IDLE)
		return usage("an option that describes a scenario wants a kind: %s%s", "spsc, mpsc, spmc or mpmc", "");
	if (a->given[CORES] && read_cores(a->text[CORES]) != 0)
		return STATUS_USAGE;
	return a->what <= IDLE ? describe(a) : 0;
}

static int read_option(struct asked *a, int option)
{
	a->given[option]++;
	a->text[option] = optarg;
	if (known[option].most == 0 || read_number(optarg, known[option].least, known[option].most, &a->value[option]))
		return 0;
	fprintf(stderr, "leat bench: --%s %s: %s; see leat bench --help\n", known[option].name, optarg,
		known[option].wanted);
	return STATUS_USAGE;
}

static int read_what(struct asked *a, const char *word)
{
	int what = 0;

	while (what < FIGURES_ASKED && strcmp(word, whats[what].word) != 0)
		what++;
	if (what == FIGURES_ASKED)
		return usage("there is no \"%s\"; there are: %s", word,
			     "spsc, mpsc, spmc, mpmc, idle, generators, select, broadcast, publish, floor, starts, late, pool");
	if (a->what != FIGURES_ASKED)
		return usage("one of --quick, --all and a kind is enough%s%s", "", "");
	a->what = what;
	return 0;
}

/* -1, or the exit status when there is nothing to measure. */
static int read_command(struct asked *a, int argc, char **argv)
{
	struct option options[OPTIONS + 1] = { 0 };
	int option, status = 0;

	for (int o = 0; o < OPTIONS; o++)
		options[o] = (struct option){ known[o].name, known[o].takes, NULL, 256 + o };
	while (status == 0 && (option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		const char *name = argv[optind - 1];

		if (option == ':')
			return usage("%s takes a value%s", name, "");
		if (option == '?' && optopt >= 256)
			return usage("%s: this option takes no value%s", name, "");
		if (option == '?')
			return usage("there is no option %s%s", name, "");
		if (option == 256 + HELP)
			return say(help_text);
		if (option == 256 + VERSION)
			return say("leat-bench " LEAT_VERSION "\n");
		status = read_option(a, option - 256);
	}
	for (; status == 0 && optind < argc; optind++)
		status = read_what(a, argv[optind]);
	if (status == 0)
		status = settle(a);
	return status != 0 ? status : -1;
}

static int list(void)
{
	static const char *const kinds[KINDS] = { "spsc", "mpsc", "spmc", "mpmc" };
	static const char *const calls[CALLS] = { "one", "batch", "zero-copy", "blocking", "blocking-batch" };
	const struct contestant *found[CONTESTANTS_MAX];
	size_t count = contestants_find(8, found, CONTESTANTS_MAX);

	for (size_t i = 0; i < count; i++) {
		const struct contestant *one = found[i];

		printf("%-22s", one->name);
		for (int k = 0; k < KINDS; k++)
			printf(" %-4s", one->kinds & (1u << k) ? kinds[k] : "");
		printf("  ");
		for (int c = 0; c < CALLS; c++)
			if (one->tx[0][c] != NULL || one->tx[1][c] != NULL || one->tx[2][c] != NULL ||
			    (one->remote && c >= CALLS_BLOCKING))
				printf(" %s", calls[c]);
		printf("%s\n", one->unbounded ? " (unbounded)" : one->limit ? " (a limit of the machine)" : "");
	}
	topics_list(stdout);
	for (size_t i = 0; bench_missing[i][0] != NULL; i++)
		printf("missing: %s (package %s)\n", bench_missing[i][0], bench_missing[i][1]);
	return fflush(stdout) == 0 ? 0 : STATUS_FAILED;
}

static size_t at, all;
static int64_t started_ns;

static void progress(const struct scenario *s, const char *contestant, unsigned done, unsigned samples)
{
	char title[160];

	fprintf(stderr, "\r\033[K%3.0f s  %zu of %zu  %s: %s %u/%u", (double)(bench_now_ns() - started_ns) / 1e9, at,
		all, scenario_title(s, title), contestant, done, samples);
	fflush(stderr);
}

/* Opened before anything is measured, so that a mistake in a name costs nothing. */
static FILE *open_output(const char *path)
{
	FILE *file = path != NULL ? fopen(path, "we") : NULL;

	if (path != NULL && file == NULL) {
		fprintf(stderr, "leat bench: %s: %s\n", path, strerror(errno));
		exit(STATUS_FAILED);
	}
	return file;
}

static int close_output(FILE *file, const char *path)
{
	bool bad;

	if (file == NULL)
		return 0;
	bad = ferror(file) != 0;
	if (fclose(file) == 0 && !bad)
		return 0;
	fprintf(stderr, "leat bench: %s: it could not be written\n", path);
	return STATUS_FAILED;
}

static void sum_up(struct run *run, struct outcome *outcome)
{
	outcome_sum_up(outcome, &run->sampling);
	if (run->sampling.progress != NULL)
		fputs("\r\033[K", stderr);
	report_outcome(outcome, stdout);
}

/* Scenario after scenario; with --both again, those that lack samples, until none does or time is over. */
static void measure(struct run *run, const struct set *set, uint64_t both_s)
{
	bool *done = bench_alloc(set->count * sizeof(*done)), whole = false;

	run->outcomes = bench_alloc(set->count * sizeof(*run->outcomes));
	all = set->count;
	started_ns = bench_now_ns();
	report_machine(run, stdout);
	for (int i = 0; i < PROBES_FIRST; i++)
		near_probe();
	for (size_t i = 0; i < set->count; i++) {
		at = i + 1;
		outcome_open(&run->outcomes[i], &set->scenarios[i], &run->sampling);
		done[i] = outcome_take(&run->outcomes[i], &run->sampling, both_s > 0);
		run->count++;
		if (both_s == 0)
			sum_up(run, &run->outcomes[i]);
	}
	while (!whole && bench_now_ns() - started_ns < (int64_t)both_s * 1000000000) {
		whole = true;
		for (size_t i = 0; i < set->count; i++) {
			at = i + 1;
			done[i] = done[i] || outcome_take(&run->outcomes[i], &run->sampling, true);
			whole &= done[i];
		}
	}
	for (size_t i = 0; both_s > 0 && i < set->count; i++)
		sum_up(run, &run->outcomes[i]);
	report_figures(run, stdout);
	report_classes(run, stdout);
	printf("%.0f s\n", (double)(bench_now_ns() - started_ns) / 1e9);
	free(done);
}

static void fill_set(struct set *set, struct run *run, const struct asked *a)
{
	bool quick = a->given[QUICK] != 0;

	run->sampling.samples = quick ? whats[a->what].quick : whats[a->what].samples;
	set_add_topics(set, "machine", 0);
	if (a->what == GENERATORS_ASKED) {
		set_add_topics(set, "generators",
			       a->given[COUNT] ? a->value[COUNT] : quick ? GENERATORS_QUICK : GENERATORS);
	} else if (a->what != FIGURES_ASKED && a->what >= TOPICS_ASKED) {
		set_add_topics(set, whats[a->what].word, 0);
	} else if (a->what != FIGURES_ASKED) {
		set_add(set, &a->one);
	} else if (a->given[ALL]) {
		set_add_all(set);
		run->sampling.samples = 5;
		run->sampling.most_ns = a->given[SAMPLES] ? 0 : MOST_NS_ALL;
	} else {
		set_add_figures(set, quick);
	}
	if (a->given[SAMPLES])
		run->sampling.samples = (unsigned)a->value[SAMPLES];
}

int main(int argc, char **argv)
{
	struct asked a = { .what = FIGURES_ASKED };
	struct run run = { 0 };
	struct set set = { 0 };
	time_t now = time(NULL);
	FILE *json, *svg;
	int status;

	threads_cores_init();
	for (int i = 1; i < argc; i++)
		snprintf(run.command + strlen(run.command), sizeof(run.command) - strlen(run.command), "%s%s",
			 i == 1 ? "" : " ", argv[i]);
	status = read_command(&a, argc, argv);
	if (status >= 0)
		return status;
	if (a.given[LIST])
		return list();
	strftime(run.date, sizeof(run.date), "%Y-%m-%d %H:%M UTC", gmtime(&now));
	json = open_output(a.text[JSON]);
	svg = open_output(a.text[SVG]);
	machine_name(&run);
	run.sampling.only = a.text[ONLY];
	run.sampling.progress = isatty(STDERR_FILENO) ? progress : NULL;
	fill_set(&set, &run, &a);
	measure(&run, &set, a.given[BOTH] ? a.value[BOTH] : 0);
	if (json != NULL)
		report_json(&run, json);
	if (svg != NULL)
		report_svg(&run, svg);
	status = close_output(json, a.text[JSON]) | close_output(svg, a.text[SVG]);
	if (fflush(stdout) != 0 && status == 0) {
		perror("leat bench: stdout");
		status = STATUS_FAILED;
	}
	remote_close();
	for (size_t i = 0; i < run.count; i++)
		outcome_close(&run.outcomes[i]);
	free(run.outcomes);
	free(set.scenarios);
	return status;
}
