/*
 * perf/generators.c: the questions of `leat bench generators`, who answers them, and what came of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTESTANTS = 3, SAMPLES_MAX = 1000 };

/* What is measured in one sample, and what is to be reached: so much at the most, or so many times the best peer's. */
struct wanted {
	const char *what, *unit;
	double at_most, times;
};

struct answers {
	const char *name;
	generators_sample_fn *run; /* in a child of this process; NULL: Go's program is asked */
	const char *go;
};

struct question {
	const char *name, *title;
	struct wanted wanted[GENERATORS_VALUES + 1];
	struct answers by[CONTESTANTS + 1]; /* the first is leat */
};

#ifdef LEAT_BENCH_COROUTINE
#define COROUTINE(fn) { "C++20 coroutines", fn, NULL }
#else
#define COROUTINE(fn) { NULL, NULL, NULL }
#endif

static const struct question questions[] = {
	{ "one_after_another", "One after another: made, one value received, ended, closed and counted",
	  { { "all of it", "ns", 0, 8 } },
	  { { "leat pool", leat_one_after_another, NULL },
	    { "Go goroutines", NULL, "after" },
	    { "Go, one thread", NULL, "after1" } } },
	{ "alive", "All alive at once, each with its channel of one item",
	  { { "memory each", "bytes", 256, 0 }, { "to make one", "ns", 300, 0 }, { "a value from each in turn", "ns", 40, 0 } },
	  { { "leat pool", leat_alive, NULL }, { "Go goroutines", NULL, "alive" } } },
	{ "pulled", "All alive at once, pulled",
	  { { "memory each", "bytes", 88, 0 }, { "a value from each in turn", "ns", 6.4, 0 } },
	  { { "leat seq", leat_pulled, NULL }, COROUTINE(coroutine_alive) } },
	{ "pull_pointer", "Pulled in a loop, through a pointer",
	  { { "a value", "ns", 1.5, 0 } },
	  { { "leat seq", leat_pull_pointer, NULL }, { "Go closure", NULL, "pointer" } } },
	{ "pull_seen", "Pulled in a loop, the function in sight of the compiler",
	  { { "a value", "ns", 0.7, 0 } },
	  { { "leat seq", leat_pull_seen, NULL }, { "Go method", NULL, "seen" }, COROUTINE(coroutine_pull) } },
	{ "pass_64", "From a generator to its consumer on one thread, capacity 64",
	  { { "a value", "ns", 20, 0 } },
	  { { "leat pool", leat_pass_64, NULL }, { "Go goroutines", NULL, "pass64" } } },
	{ "pass_1", "From a generator to its consumer on one thread, capacity 1",
	  { { "a value", "ns", 60, 0 } },
	  { { "leat pool", leat_pass_1, NULL }, { "Go goroutines", NULL, "pass1" } } },
	{ "cancel", "All alive at once, cancelled",
	  { { "until all are ended and joined", "ms", 1000, 0 },
	    { "to give everything back", "ms", 0, 0 },
	    { "memory left of each", "bytes", 8, 0 } },
	  { { "leat pool", leat_cancel_all, NULL }, { "Go goroutines", NULL, "cancel" } } },
};
enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

struct generators {
	uint64_t count;
	unsigned samples;
	struct {
		bool asked;
		double (*value)[GENERATORS_VALUES]; /* a sample each; sorted value by value in the end */
	} of[QUESTIONS][CONTESTANTS];
};

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

static void child(const struct answers *by, uint64_t count, int out)
{
	double values[GENERATORS_VALUES] = { 0 };
	char number[24];

	threads_cores_keep();
	if (by->run == NULL) {
		snprintf(number, sizeof(number), "%llu", (unsigned long long)count);
		dup2(out, STDOUT_FILENO);
		execl(remote_path(), "leat-bench-go", "generators", by->go, number, (char *)NULL);
		_exit(127);
	}
	malloc_trim(0); /* or what is free of this process's would be taken for nothing */
	by->run(count, values);
	_exit(dprintf(out, "%.6g %.6g %.6g\n", values[0], values[1], values[2]) > 0 ? 0 : 1);
}

/* False: its process failed. */
static bool sample(const struct question *q, const struct answers *by, uint64_t count, double *values)
{
	int out[2], status, got = 0;
	char line[256] = "", *rest = line, *end;
	FILE *answers;
	pid_t pid;

	fflush(stdout);
	if (pipe2(out, O_CLOEXEC) != 0 || (pid = fork()) < 0)
		bench_fail("cannot start a process");
	if (pid == 0)
		child(by, count, out[1]);
	close(out[1]);
	answers = fdopen(out[0], "r");
	if (answers == NULL || fgets(line, sizeof(line), answers) == NULL)
		line[0] = '\0';
	for (; got < GENERATORS_VALUES && q->wanted[got].what != NULL; got++, rest = end) {
		values[got] = strtod(rest, &end);
		if (end == rest)
			break;
	}
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return false;
	if (answers != NULL)
		fclose(answers);
	return got == GENERATORS_VALUES || q->wanted[got].what == NULL;
}

static bool takes_part(const struct answers *by, const char *only)
{
	return by->name != NULL && (by->run != NULL || remote_found()) &&
	       (only == NULL || strcasestr(by->name, only) != NULL);
}

static void sort(double (*value)[GENERATORS_VALUES], unsigned samples)
{
	double column[SAMPLES_MAX];

	for (int v = 0; v < GENERATORS_VALUES; v++) {
		for (unsigned s = 0; s < samples; s++)
			column[s] = value[s][v];
		bench_sort(column, samples);
		for (unsigned s = 0; s < samples; s++)
			value[s][v] = column[s];
	}
}

/* Nobody is always the first. */
static void take_turns(struct generators *g, int q)
{
	for (unsigned s = 0; s < g->samples; s++)
		for (unsigned k = 0; k < CONTESTANTS; k++) {
			unsigned c = (k + s) % CONTESTANTS;
			const struct answers *by = &questions[q].by[c];

			if (!g->of[q][c].asked || sample(&questions[q], by, g->count, g->of[q][c].value[s]))
				continue;
			fprintf(stderr, "leat-bench: %s: %s: it failed, or a value was wrong\n", by->name,
				questions[q].title);
			exit(1);
		}
	for (unsigned c = 0; c < CONTESTANTS; c++)
		if (g->of[q][c].asked)
			sort(g->of[q][c].value, g->samples);
}

struct generators *generators_measure(uint64_t count, unsigned samples, const char *only)
{
	struct generators *g = bench_alloc(sizeof(*g));

	g->count = count;
	g->samples = samples;
	for (int q = 0; q < QUESTIONS; q++) {
		for (unsigned c = 0; c < CONTESTANTS; c++) {
			g->of[q][c].asked = takes_part(&questions[q].by[c], only);
			if (g->of[q][c].asked)
				g->of[q][c].value = bench_alloc(samples * sizeof(*g->of[q][c].value));
		}
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r\033[K%d of %d  %s", q + 1, (int)QUESTIONS, questions[q].title);
		take_turns(g, q);
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return g;
}

void generators_free(struct generators *g)
{
	for (int q = 0; q < QUESTIONS && g != NULL; q++)
		for (unsigned c = 0; c < CONTESTANTS; c++)
			free(g->of[q][c].value);
	free(g);
}

static double median(const struct generators *g, int q, unsigned c, int v)
{
	return g->of[q][c].value[g->samples / 2][v];
}

/* How many times the best peer's is ours; 0: there is none. */
static double ratio(const struct generators *g, int q, int v)
{
	double best = 0;

	for (unsigned c = 1; c < CONTESTANTS; c++)
		if (g->of[q][c].asked && (best <= 0 || median(g, q, c, v) < best))
			best = median(g, q, c, v);
	return g->of[q][0].asked && median(g, q, 0, v) > 0 ? best / median(g, q, 0, v) : 0;
}

/* Whether there is something to reach, and it is known whether it was. */
static bool judged(const struct generators *g, int q, int v, bool *reached)
{
	const struct wanted *w = &questions[q].wanted[v];
	double times = ratio(g, q, v);

	*reached = w->at_most > 0 ? g->of[q][0].asked && median(g, q, 0, v) <= w->at_most : times >= w->times;
	return g->of[q][0].asked && (w->at_most > 0 || (w->times > 0 && times > 0));
}

static void number(FILE *out, double value)
{
	fprintf(out, " %9.*f", report_digits(value), value);
}

static void row(const struct generators *g, int q, unsigned c, int v, FILE *out)
{
	const struct wanted *w = &questions[q].wanted[v];
	bool reached;

	fprintf(out, "  %-31s %-5s  %-17s", c == 0 ? w->what : "", c == 0 ? w->unit : "", questions[q].by[c].name);
	number(out, median(g, q, c, v));
	number(out, g->of[q][c].value[0][v]);
	number(out, g->of[q][c].value[g->samples - 1][v]);
	if (c == 0) {
		double times = ratio(g, q, v);

		if (times > 0)
			fprintf(out, " %7.2f", times);
		else
			fprintf(out, " %7s", "");
		if (w->at_most > 0)
			fprintf(out, "   <= %g", w->at_most);
		else if (w->times > 0)
			fprintf(out, "   %g times", w->times);
		if (judged(g, q, v, &reached))
			fprintf(out, "  %s", reached ? "reached" : "MISSED");
	}
	fprintf(out, "\n");
}

void generators_report(const struct generators *g, FILE *out)
{
	unsigned known = 0, good = 0;
	bool reached;

	fprintf(out, "\n%llu generators, %u samples of each, every one in a process of its own%s\n",
		(unsigned long long)g->count, g->samples,
		g->count != 1000000 ? "; what is to be reached is meant for 1000000" : "");
	for (int q = 0; q < QUESTIONS; q++) {
		fprintf(out, "\n%s\n  %-31s %-5s  %-17s %9s %9s %9s %7s   %s\n", questions[q].title, "", "", "", "median",
			"least", "most", "x best", "to reach");
		for (int v = 0; v < GENERATORS_VALUES && questions[q].wanted[v].what != NULL; v++) {
			for (unsigned c = 0; c < CONTESTANTS; c++)
				if (g->of[q][c].asked)
					row(g, q, c, v, out);
			if (judged(g, q, v, &reached)) {
				known++;
				good += reached;
			}
		}
	}
	fprintf(out, "\n%u of %u reached\n", good, known);
	fflush(out);
}

static void json_values(const struct generators *g, int q, int v, FILE *out)
{
	const struct wanted *w = &questions[q].wanted[v];
	bool reached, known = judged(g, q, v, &reached);

	fprintf(out, "      {\"what\": \"%s\", \"unit\": \"%s\"", w->what, w->unit);
	if (w->at_most > 0)
		fprintf(out, ", \"at_most\": %g", w->at_most);
	if (w->times > 0)
		fprintf(out, ", \"times_best\": %g", w->times);
	if (ratio(g, q, v) > 0)
		fprintf(out, ", \"x_best\": %.4g", ratio(g, q, v));
	fprintf(out, ", \"reached\": %s, \"results\": [", !known ? "null" : reached ? "true" : "false");
	for (unsigned c = 0, comma = 0; c < CONTESTANTS; c++) {
		if (!g->of[q][c].asked)
			continue;
		fprintf(out, "%s\n        {\"contestant\": \"%s\", \"median\": %.5g, \"samples\": [", comma++ ? "," : "",
			questions[q].by[c].name, median(g, q, c, v));
		for (unsigned s = 0; s < g->samples; s++)
			fprintf(out, "%s%.5g", s == 0 ? "" : ", ", g->of[q][c].value[s][v]);
		fprintf(out, "]}");
	}
	fprintf(out, "]}");
}

void generators_json(const struct generators *g, FILE *out)
{
	fprintf(out, ",\n  \"generators\": {\"count\": %llu, \"samples\": %u, \"questions\": [", (unsigned long long)g->count,
		g->samples);
	for (int q = 0; q < QUESTIONS; q++) {
		fprintf(out, "%s\n    {\"question\": \"%s\", \"title\": ", q == 0 ? "" : ",", questions[q].name);
		report_text(out, questions[q].title);
		fprintf(out, ", \"values\": [\n");
		for (int v = 0; v < GENERATORS_VALUES && questions[q].wanted[v].what != NULL; v++) {
			fprintf(out, "%s", v == 0 ? "" : ",\n");
			json_values(g, q, v, out);
		}
		fprintf(out, "]}");
	}
	fprintf(out, "\n  ]}");
}

void generators_list(FILE *out)
{
	for (int q = 0; q < QUESTIONS; q++) {
		fprintf(out, "%s:", questions[q].title);
		for (unsigned c = 0; c < CONTESTANTS; c++)
			if (takes_part(&questions[q].by[c], NULL))
				fprintf(out, "%s %s", c == 0 ? "" : ",", questions[q].by[c].name);
		fprintf(out, "\n");
	}
}
