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
#include <unistd.h>

enum { STATUS_FAILED = 1, STATUS_USAGE = 2, SAMPLES = 15, SAMPLES_QUICK = 7, SAMPLES_ALL = 5, SAMPLES_MAX = 1000,
       GENERATORS = 1000000, GENERATORS_QUICK = 100000, GENERATORS_SAMPLES = 5, GENERATORS_SAMPLES_QUICK = 3,
       SELECT_SAMPLES = 21, SELECT_SAMPLES_QUICK = 7 };

/* With --all, for the rounds of one scenario. */
#define MOST_NS_ALL 2000000000

static const char help_text[] =
	"usage: leat bench [--quick | --all | KIND | idle | generators | select] [options]\n"
	"\n"
	"Measures leat's rings and channels beside their peers, in one run, on this machine: contestants take\n"
	"turns, every item is checked, and samples taken while the cores were far apart are set aside. Plain, it\n"
	"measures what the table of figures needs (about a minute and a half) and prints it.\n"
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
	"\n"
	"  --samples N          of each contestant (15; 7 with --quick, 5 with --all; generators 5, or 3;\n"
	"                       select 21, or 7)\n"
	"  --only TEXT          contestants whose name holds TEXT (and the limits)\n"
	"  --cores A,B,...      the cores to use; the first two are the two sides\n"
	"  --json FILE          everything that was measured, as one JSON object\n"
	"  --svg FILE           a plot\n"
	"  --list               who takes part, and who is missing; measures nothing\n"
	"  --help, --version\n"
	"\n"
	"exit status   0; 1 it failed, or an item was lost; 2 usage\n";

enum {
	OPT_QUICK = 256,
	OPT_ALL,
	OPT_THREADS,
	OPT_ITEM,
	OPT_CAPACITY,
	OPT_BATCH,
	OPT_ZERO_COPY,
	OPT_BLOCKING,
	OPT_ROUND_TRIP,
	OPT_RATE,
	OPT_PLACE,
	OPT_COUNT,
	OPT_SAMPLES,
	OPT_ONLY,
	OPT_CORES,
	OPT_JSON,
	OPT_SVG,
	OPT_LIST,
	OPT_HELP,
	OPT_VERSION
};

static const struct option options[] = {
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "item", required_argument, NULL, OPT_ITEM },
	{ "capacity", required_argument, NULL, OPT_CAPACITY },
	{ "batch", required_argument, NULL, OPT_BATCH },
	{ "zero-copy", no_argument, NULL, OPT_ZERO_COPY },
	{ "blocking", no_argument, NULL, OPT_BLOCKING },
	{ "round-trip", no_argument, NULL, OPT_ROUND_TRIP },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "place", required_argument, NULL, OPT_PLACE },
	{ "count", required_argument, NULL, OPT_COUNT },
	{ "samples", required_argument, NULL, OPT_SAMPLES },
	{ "only", required_argument, NULL, OPT_ONLY },
	{ "cores", required_argument, NULL, OPT_CORES },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "svg", required_argument, NULL, OPT_SVG },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

struct asked {
	enum { ASKED_FIGURES, ASKED_QUICK, ASKED_ALL, ASKED_ONE, ASKED_GENERATORS, ASKED_SELECT } what;
	struct scenario one;
	bool described; /* by an option that only fits ASKED_ONE */
	bool quick;	/* ASKED_GENERATORS, ASKED_SELECT */
	uint64_t count; /* ASKED_GENERATORS; 0: not said */
	unsigned samples;
	const char *only, *json, *svg;
	bool list;
};

/* A kind with questions of its own, and no scenario. */
static bool asked_apart(const struct asked *a)
{
	return a->what == ASKED_GENERATORS || a->what == ASKED_SELECT;
}

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

/* An index into a list of words that NULL ends, or -1. */
static int one_of(const char *text, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(text, words[i]) == 0)
			return i;
	return -1;
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

static int read_option(struct asked *a, int option, const char *text)
{
	static const char *const places[] = { "separate", "same", "free", NULL };
	struct scenario *s = &a->one;
	uint64_t value;
	int word;

	a->described |= option >= OPT_THREADS && option <= OPT_PLACE;
	switch (option) {
	case OPT_QUICK:
		if (asked_apart(a) && !a->quick) {
			a->quick = true;
			return 0;
		}
		/* fall through */
	case OPT_ALL:
		if (a->what != ASKED_FIGURES)
			return usage("one of --quick, --all and a kind is enough%s%s", "", "");
		a->what = option == OPT_QUICK ? ASKED_QUICK : ASKED_ALL;
		return 0;
	case OPT_THREADS:
		return read_threads(s, text);
	case OPT_ITEM:
		if (!read_number(text, 0, 256, &value) || (value != 8 && value != 64 && value != 256))
			return usage("--item %s: items have 8, 64 or 256 bytes%s", text, "");
		s->item_size = (unsigned)value;
		return 0;
	case OPT_CAPACITY:
		if (!read_number(text, 1, 1 << 20, &value))
			return usage("--capacity %s: wanted is a number of items from 1 to 1048576%s", text, "");
		s->capacity = (size_t)value;
		return 0;
	case OPT_BATCH:
		if (!read_number(text, 1, BATCH_MAX, &value))
			return usage("--batch %s: wanted is a number from 1 to 256%s", text, "");
		s->batch = (unsigned)value;
		return 0;
	case OPT_ZERO_COPY:
	case OPT_BLOCKING:
		if (s->calls != CALLS_ONE)
			return usage("--zero-copy and --blocking exclude each other%s%s", "", "");
		s->calls = option == OPT_ZERO_COPY ? CALLS_ZERO_COPY : CALLS_BLOCKING;
		return 0;
	case OPT_ROUND_TRIP:
		s->measure = MEASURE_ROUND_TRIP;
		return 0;
	case OPT_RATE:
		if (!read_number(text, 1, 100000000, &value))
			return usage("--rate %s: wanted are items a second, from 1 to 100000000%s", text, "");
		s->measure = MEASURE_PACED;
		s->interval_ns = 1000000000 / (int64_t)value;
		return 0;
	case OPT_PLACE:
		word = one_of(text, places);
		if (word < 0)
			return usage("--place %s: there are: separate, same, free%s", text, "");
		s->place = (enum place)word;
		return 0;
	case OPT_COUNT:
		if (!read_number(text, 1000, 10000000, &a->count))
			return usage("--count %s: wanted is a number from 1000 to 10000000%s", text, "");
		return 0;
	case OPT_SAMPLES:
		if (!read_number(text, 1, SAMPLES_MAX, &value))
			return usage("--samples %s: wanted is a number from 1 to 1000%s", text, "");
		a->samples = (unsigned)value;
		return 0;
	case OPT_ONLY:
		a->only = text;
		return 0;
	case OPT_CORES:
		return read_cores(text);
	case OPT_JSON:
		a->json = text;
		return 0;
	case OPT_SVG:
		a->svg = text;
		return 0;
	default:
		a->list = true;
		return 0;
	}
}

static int say(const char *text)
{
	if (fputs(text, stdout) >= 0 && fflush(stdout) == 0)
		return 0;
	perror("leat bench: stdout");
	return STATUS_FAILED;
}

static int unknown(char **argv, int option)
{
	const char *name = argv[optind - 1];

	if (option == ':')
		return usage("%s takes a value%s", name, "");
	if (optopt >= OPT_QUICK)
		return usage("%s: this option takes no value%s", name, "");
	return usage("there is no option %s%s", name, "");
}

static int read_what(struct asked *a, const char *word)
{
	static const char *const words[] = { "spsc", "mpsc", "spmc", "mpmc", "idle", "generators", "select", NULL };
	static const unsigned producers[] = { 1, 2, 1, 2, 1 }, consumers[] = { 1, 1, 2, 2, 1 };
	int which = one_of(word, words);

	if (which < 0)
		return usage("there is no \"%s\"; there are: %s", word, "spsc, mpsc, spmc, mpmc, idle, generators, select");
	if (which >= 5 && (a->what == ASKED_FIGURES || a->what == ASKED_QUICK)) {
		a->quick = a->what == ASKED_QUICK;
		a->what = which == 5 ? ASKED_GENERATORS : ASKED_SELECT;
		return 0;
	}
	if (a->what != ASKED_FIGURES)
		return usage("one of --quick, --all and a kind is enough%s%s", "", "");
	a->what = ASKED_ONE;
	if (which == 4) {
		if (a->described)
			return usage("idle measures one thing; that option is for a kind%s%s", "", "");
		a->one = (struct scenario){ .measure = MEASURE_IDLE, .capacity = 64, .calls = CALLS_BLOCKING };
	} else {
		a->one.kind = (enum kind)which;
	}
	if (a->one.producers == 0) {
		a->one.producers = producers[which];
		a->one.consumers = consumers[which];
		if (a->one.measure == MEASURE_ROUND_TRIP || a->one.measure == MEASURE_PACED)
			a->one.producers = a->one.consumers = 1;
	}
	return 0;
}

/* What the options mean together. */
static int settle(struct asked *a)
{
	struct scenario *s = &a->one;

	if (a->count != 0 && a->what != ASKED_GENERATORS)
		return usage("--count is for generators%s%s", "", "");
	if (asked_apart(a) && (a->svg != NULL || a->described))
		return usage("generators and select: %s%s", "there is no plot of them, and no kind of queue to describe", "");
	if (a->what != ASKED_ONE)
		return a->described ? usage("an option that describes a scenario wants a kind: %s%s",
					    "spsc, mpsc, spmc or mpmc", "")
				    : 0;
	if ((s->producers > 1 && (s->kind == KIND_SPSC || s->kind == KIND_SPMC)) ||
	    (s->consumers > 1 && (s->kind == KIND_SPSC || s->kind == KIND_MPSC)))
		return usage("--threads: that side of this kind has one thread%s%s", "", "");
	if ((s->measure == MEASURE_ROUND_TRIP || s->measure == MEASURE_PACED) &&
	    (s->producers != 1 || s->consumers != 1 || s->batch > 1 || s->calls == CALLS_ZERO_COPY))
		return usage("--round-trip and --rate are for one thread on each side, one item at a time%s%s", "", "");
	if (s->measure == MEASURE_PACED && s->place == PLACE_SAME)
		return usage("--rate wants a core for each side%s%s", "", "");
	if (s->measure == MEASURE_ROUND_TRIP && s->place == PLACE_SAME && s->calls != CALLS_BLOCKING)
		return usage("--round-trip on one core wants --blocking%s%s", "", "");
	if (s->calls == CALLS_BLOCKING && s->batch > 1)
		s->calls = CALLS_BLOCKING_BATCH;
	if (s->calls == CALLS_ONE && s->batch > 1)
		s->calls = CALLS_BATCH;
	if (s->batch == 0)
		s->batch = s->calls == CALLS_ZERO_COPY ? 32 : 1;
	if (s->item_size == 0)
		s->item_size = 8;
	if (s->capacity == 0)
		s->capacity = 1024;
	return 0;
}

/* -1, or the exit status when there is nothing to measure. */
static int read_command(struct asked *a, int argc, char **argv)
{
	int option, status;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == '?' || option == ':')
			return unknown(argv, option);
		if (option == OPT_HELP)
			return say(help_text);
		if (option == OPT_VERSION)
			return say("leat-bench " LEAT_VERSION "\n");
		status = read_option(a, option, optarg);
		if (status != 0)
			return status;
	}
	for (; optind < argc; optind++) {
		status = read_what(a, argv[optind]);
		if (status != 0)
			return status;
	}
	status = settle(a);
	return status != 0 ? status : -1;
}

static int list(void)
{
	static const char *const kinds[KINDS] = { "spsc", "mpsc", "spmc", "mpmc" };
	static const char *const calls[CALLS] = { "one", "batch", "zero-copy", "blocking", "blocking-batch" };
	const struct contestant *found[64];
	size_t count = contestants_find(8, found, 64);

	for (size_t i = 0; i < count; i++) {
		printf("%-22s", found[i]->name);
		for (int k = 0; k < KINDS; k++)
			printf(" %-4s", found[i]->kinds & (1u << k) ? kinds[k] : "");
		printf("  ");
		for (int c = 0; c < CALLS; c++)
			if (found[i]->produce[c] != NULL || found[i]->ask[c] != NULL || found[i]->pace[c] != NULL ||
			    (found[i]->remote && c >= CALLS_BLOCKING))
				printf(" %s", calls[c]);
		printf("%s\n", found[i]->unbounded ? " (unbounded)"
			       : found[i]->limit   ? " (a limit of the machine)"
						   : "");
	}
	printf("generators\n");
	generators_list(stdout);
	printf("select\n");
	selects_list(stdout);
	for (size_t i = 0; bench_missing[i][0] != NULL; i++)
		printf("missing: %s (package %s)\n", bench_missing[i][0], bench_missing[i][1]);
	return fflush(stdout) == 0 ? 0 : STATUS_FAILED;
}

static size_t at, all;
static int64_t started_ns;

static void progress(const struct scenario *s, const char *contestant, unsigned done, unsigned samples)
{
	char title[128];

	scenario_title(s, title, sizeof(title));
	fprintf(stderr, "\r\033[K%3.0f s  %zu of %zu  %s: %s %u/%u", (double)(bench_now_ns() - started_ns) / 1e9, at,
		all, title, contestant, done, samples);
	fflush(stderr);
}

static void progress_wipe(const struct sampling *sampling)
{
	if (sampling->progress != NULL)
		fputs("\r\033[K", stderr);
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

static void measure(struct run *run, const struct asked *a, const struct set *set)
{
	run->outcomes = bench_alloc(set->count * sizeof(*run->outcomes));
	all = set->count;
	started_ns = bench_now_ns();
	machine_measure(&run->machine);
	report_machine(run, stdout);
	for (size_t i = 0; i < set->count; i++) {
		at = i + 1;
		outcome_measure(&run->outcomes[i], &set->scenarios[i], &run->sampling);
		progress_wipe(&run->sampling);
		report_outcome(&run->outcomes[i], stdout);
		run->count++;
	}
	run->figures = a->what != ASKED_ONE;
	if (run->figures)
		report_figures(run, stdout);
	report_set_aside(run, stdout);
	printf("%.0f s\n", (double)(bench_now_ns() - started_ns) / 1e9);
}

static void measure_generators(struct run *run, const struct asked *a)
{
	unsigned samples = a->samples != 0 ? a->samples : a->quick ? GENERATORS_SAMPLES_QUICK : GENERATORS_SAMPLES;

	run->generators = generators_measure(a->count != 0 ? a->count : a->quick ? GENERATORS_QUICK : GENERATORS, samples,
					     a->only);
	generators_report(run->generators, stdout);
}

static void measure_select(struct run *run, const struct asked *a)
{
	unsigned samples = a->samples != 0 ? a->samples : a->quick ? SELECT_SAMPLES_QUICK : SELECT_SAMPLES;

	run->selects = selects_measure(samples, a->only);
	selects_report(run->selects, stdout);
}

static void measure_apart(struct run *run, const struct asked *a)
{
	started_ns = bench_now_ns();
	machine_measure(&run->machine);
	report_machine(run, stdout);
	if (a->what == ASKED_GENERATORS)
		measure_generators(run, a);
	else
		measure_select(run, a);
	printf("%.0f s\n", (double)(bench_now_ns() - started_ns) / 1e9);
}

int main(int argc, char **argv)
{
	struct asked a = { 0 };
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
	if (a.list)
		return list();
	strftime(run.date, sizeof(run.date), "%Y-%m-%d %H:%M UTC", gmtime(&now));
	json = open_output(a.json);
	svg = open_output(a.svg);
	run.sampling.only = a.only;
	run.sampling.samples = a.samples != 0	       ? a.samples
			       : a.what == ASKED_QUICK ? SAMPLES_QUICK
			       : a.what == ASKED_ALL   ? SAMPLES_ALL
						       : SAMPLES;
	run.sampling.most_ns = a.what == ASKED_ALL && a.samples == 0 ? MOST_NS_ALL : 0;
	run.sampling.progress = isatty(STDERR_FILENO) ? progress : NULL;
	if (asked_apart(&a))
		measure_apart(&run, &a);
	else if (a.what == ASKED_ONE)
		set_add(&set, &a.one);
	else if (a.what == ASKED_ALL)
		set_add_all(&set);
	else
		set_add_figures(&set, a.what == ASKED_QUICK);
	if (!asked_apart(&a))
		measure(&run, &a, &set);
	if (json != NULL)
		report_json(&run, json);
	if (svg != NULL)
		report_svg(&run, svg);
	status = close_output(json, a.json) | close_output(svg, a.svg);
	if (fflush(stdout) != 0 && status == 0) {
		perror("leat bench: stdout");
		status = STATUS_FAILED;
	}
	remote_close();
	for (size_t i = 0; i < run.count; i++)
		outcome_free(&run.outcomes[i]);
	free(run.outcomes);
	generators_free(run.generators);
	selects_free(run.selects);
	free(set.scenarios);
	return status;
}
