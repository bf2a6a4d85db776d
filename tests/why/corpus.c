/*
 * tests/why/corpus.c: how often the verdict of leat/why.h is right, over flows whose limit is known
 * (flows.c).
 *
 *     PROGRAM [-n RUNS] [-w SECONDS] [-v] [NAME]...      names: a part of one is enough
 *
 * Each run is a process of its own: it starts the flow, lets it settle, and looks at it for the
 * window, in ten readings. Flows that mostly sleep run beside each other; those that compute run
 * one at a time after them. Right is the limit and the stage. Fails if fewer than 95 % of the runs
 * are right, if more than 5 % cannot tell, or if a stage is named that is blocked itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tests/why/corpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RIGHT_LEAST 0.95
#define UNKNOWN_MOST 0.05
#define OTHERS_MOST 0.3  /* processors: with more, a flow that computes may lack them */
#define BLOCKED_MOST 0.5 /* of the time, of a stage that is named */

enum { READINGS = 10, BESIDE = 12, SETTLE_MS = 300 };

/* Of one run; the process that makes it writes it, in memory that it shares with the first. */
struct result {
	struct leat_verdict verdict;
	double blocked; /* the least of the threads of the stage */
	bool done;
	double others; /* processors that other processes used meanwhile; where runs come one by one
	                */
};

static struct {
	int64_t window_ns;
	unsigned runs;
	bool verbose;
} wanted = { .window_ns = INT64_C(2000000000), .runs = 1 };

/* --- one run --- */

struct look {
	struct leat_why *why;
	struct result *result;
	unsigned readings;
	uint64_t first_ns[64]; /* blocked, by the ids of generators */
};

/* What the named stage was blocked for, whatever the verdict was found from. */
static double find_blocked(const struct look *look, const struct leat_snapshot *last)
{
	const struct leat_verdict *verdict = &look->result->verdict;
	double least = 1;

	for (size_t i = 0; i < last->generators_count; i++) {
		const struct leat_gen_stat *gen = &last->generators[i];
		double blocked;

		if (strcmp(gen->name, verdict->thread) != 0 || gen->id >= 64)
			continue;
		blocked = (double)(gen->blocked_ns - look->first_ns[gen->id]) /
		          (double)(verdict->to_ns - verdict->from_ns);
		least = blocked < least ? blocked : least;
	}
	return least < 1 ? least : 0;
}

static void take_reading(const struct leat_snapshot *snapshot, void *arg)
{
	struct look *look = arg;

	if (look->result->done)
		return;
	for (size_t i = 0; look->readings == 0 && i < snapshot->generators_count; i++)
		if (snapshot->generators[i].id < 64)
			look->first_ns[snapshot->generators[i].id] =
				snapshot->generators[i].blocked_ns;
	if (leat_why_add(look->why, snapshot) != 0)
		abort();
	if (look->readings++ < READINGS)
		return;
	if (leat_why_verdict(look->why, &look->result->verdict) != 0)
		abort();
	look->result->blocked = find_blocked(look, snapshot);
	look->result->done = true;
	_exit(0);
}

static void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

/* Does not return: the process ends with the last reading. */
static _Noreturn void run_example(const struct example *example, struct result *result)
{
	struct look look = { .why = leat_why_open(), .result = result };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);

	example->start(scope);
	if (example->main == NULL)
		sleep_ms(SETTLE_MS);
	leat_diag_start(&(struct leat_diag_opts){ .interval_ns = wanted.window_ns / READINGS,
	                                          .callback = take_reading,
	                                          .callback_arg = &look });
	if (example->main != NULL)
		example->main();
	for (;;)
		pause();
}

/* Processor time of all processes until now, in seconds, without that of this one's children. */
static double others_until_now(void)
{
	unsigned long long user, nice, system, idle, iowait, irq, softirq;
	struct rusage own;
	FILE *in = fopen("/proc/stat", "r");
	int n = in == NULL ? 0
	                   : fscanf(in, "cpu %llu %llu %llu %llu %llu %llu %llu", &user, &nice,
	                            &system, &idle, &iowait, &irq, &softirq);

	if (in != NULL)
		fclose(in);
	getrusage(RUSAGE_CHILDREN, &own);
	return n != 7 ? 0
	              : (double)(user + nice + system + irq + softirq) /
	                                (double)sysconf(_SC_CLK_TCK) -
	                        (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) -
	                        (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec) / 1e6;
}

static void start_run(const struct example *example, struct result *result)
{
	pid_t pid = fork();

	if (pid < 0) {
		perror("corpus: fork");
		exit(1);
	}
	if (pid == 0)
		run_example(example, result);
}

/* --- all --- */

struct score {
	unsigned runs, right, unknown, blamed;
};

static bool is_named(const char *stage, const char *names)
{
	size_t length = strlen(stage);

	while (names != NULL) {
		const char *end = strchrnul(names, '|');

		if ((size_t)(end - names) == length && memcmp(names, stage, length) == 0)
			return true;
		names = *end == '|' ? end + 1 : NULL;
	}
	return false;
}

static void count(const struct example *example, const struct result *result, struct score *score)
{
	const struct leat_verdict *v = &result->verdict;
	/* others take processors: that is the limit, and what is named is among those that wait */
	bool crowded = result->others >= OTHERS_MOST &&
	               (v->limit == LEAT_LIMIT_CORES || v->limit == LEAT_LIMIT_BALANCED);
	bool right =
		result->done &&
		(crowded || (v->limit == example->limit && is_named(v->stage, example->stage)));
	bool blamed = leat_limit_is_named(v->limit) && v->limit != LEAT_LIMIT_DEADLOCK &&
	              result->blocked > BLOCKED_MOST;

	score->runs++;
	score->right += right;
	score->unknown += !result->done || v->limit == LEAT_LIMIT_UNKNOWN;
	score->blamed += blamed;
	if (wanted.verbose || !right || blamed)
		printf("%s %-28s %s \"%s\" (%.0f %%), wanted %s \"%s\"\n    %s\n    %s\n",
		       right ? "right" : "WRONG", example->name, leat_limit_name(v->limit),
		       v->stage, v->confidence * 100, leat_limit_name(example->limit),
		       example->stage, v->text, v->evidence);
	fflush(stdout);
}

static bool is_wanted(const struct example *example, char **names, int names_count)
{
	for (int i = 0; i < names_count; i++)
		if (strstr(example->name, names[i]) != NULL)
			return true;
	return names_count == 0;
}

/* What other processes do while some runs are made. */
struct others {
	double before;
	struct timespec from;
};

static struct others others_begin(void)
{
	struct others others = { .before = others_until_now() };

	clock_gettime(CLOCK_MONOTONIC, &others.from);
	return others;
}

/* The processors that they used since then, on average. */
static double others_end(const struct others *others)
{
	struct timespec to;

	clock_gettime(CLOCK_MONOTONIC, &to);
	return (others_until_now() - others->before) /
	       ((double)(to.tv_sec - others->from.tv_sec) +
	        (double)(to.tv_nsec - others->from.tv_nsec) / 1e9);
}

/* One run, while there is no other. */
static void run_alone(const struct example *example, struct result *result)
{
	struct others others = others_begin();

	start_run(example, result);
	wait(NULL);
	result->others = others_end(&others);
}

/* So many at a time as may be. */
static void run_beside(const struct example *example, struct result *result, unsigned *running)
{
	if (*running == BESIDE) {
		wait(NULL);
		(*running)--;
	}
	start_run(example, result);
	(*running)++;
}

struct wish {
	bool computes;
	char **names; /* parts of names; none: all */
	int names_count;
};

static void run_all(const struct wish *wish, struct result *results, struct score *score)
{
	struct others others = others_begin();
	const size_t runs = examples_count * wanted.runs;
	unsigned running = 0;
	double used;

	for (size_t i = 0; i < runs; i++) {
		const struct example *example = &examples[i / wanted.runs];

		if (example->computes != wish->computes ||
		    !is_wanted(example, wish->names, wish->names_count))
			continue;
		if (wish->computes)
			run_alone(example, &results[i]);
		else
			run_beside(example, &results[i], &running);
	}
	while (running-- > 0)
		wait(NULL);
	used = others_end(&others);
	for (size_t i = 0; i < runs; i++) {
		const struct example *example = &examples[i / wanted.runs];

		if (example->computes != wish->computes ||
		    !is_wanted(example, wish->names, wish->names_count))
			continue;
		if (!wish->computes)
			results[i].others = used;
		count(example, &results[i], score);
	}
}

static void read_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "n:w:v")) != -1) {
		if (option == 'n')
			wanted.runs = (unsigned)atoi(optarg);
		else if (option == 'w')
			wanted.window_ns = (int64_t)(atof(optarg) * 1e9);
		else if (option == 'v')
			wanted.verbose = true;
		else
			exit(2);
	}
	if (wanted.runs == 0 || wanted.window_ns < INT64_C(500000000)) {
		fputs("corpus: -n takes a number from 1, -w seconds from 0.5\n", stderr);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	struct score score = { .runs = 0 };
	struct result *results;

	read_options(argc, argv);
	results = mmap(NULL, examples_count * wanted.runs * sizeof(*results),
	               PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED) {
		perror("corpus: mmap");
		return 1;
	}
	for (int computes = 0; computes < 2; computes++)
		run_all(&(struct wish){ computes, argv + optind, argc - optind }, results, &score);
	printf("corpus: %zu flows, %u runs: %u right, %u wrong, %u cannot tell; %u named that are "
	       "blocked themselves\n",
	       examples_count, score.runs, score.right, score.runs - score.right - score.unknown,
	       score.unknown, score.blamed);
	return score.runs == 0 || score.right < RIGHT_LEAST * score.runs ||
	       score.unknown > UNKNOWN_MOST * score.runs || score.blamed > 0;
}
