/*
 * perf/select.c: the questions of `leat bench select`, who answers them, and what came of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CONTESTANTS = 4 };

struct question {
	const char *name, *title;
	struct {
		const char *name;
		select_sample_fn *run;
		unsigned n;
	} by[CONTESTANTS];
	/* Which of them is held against which, and how many times its nanoseconds are to be reached; 0: any. */
	unsigned ours, other;
	double at_most;
};

static const struct question questions[] = {
	{ "alone", "One thread: an item sent, then received",
	  { { "leat_recv", receive_alone, 0 },
	    { "leat_select, 1 case", select_alone, 1 },
	    { "leat_select, 8 cases", select_alone, SELECT_CHANS },
	    { "Go select, 8 cases", remote_select, 0 } },
	  .ours = 2, .other = 3, .at_most = 0.5 },
	{ "producers_8", "8 channels, a producer for each, one who selects",
	  { { "leat_select", select_from, SELECT_CHANS }, { "Go select", remote_select, SELECT_CHANS } },
	  .ours = 0, .other = 1, .at_most = 0.5 },
	{ "producers_1", "8 channels, one producer in turn, one who selects",
	  { { "leat_select", select_from, 1 }, { "Go select", remote_select, 1 } },
	  .ours = 0, .other = 1, .at_most = 0.5 },
	{ "merge", "A merge, 10 busy lanes, one producer in turn",
	  { { "leat_merge of 10", merge_from, SELECT_BUSY }, { "leat_merge of 10,000", merge_from, SELECT_LANES } },
	  .ours = 1, .other = 0, .at_most = 2 },
	{ "merge_alone", "A merge, 10 busy lanes, one thread for both",
	  { { "leat_merge of 10", merge_alone, SELECT_BUSY }, { "leat_merge of 10,000", merge_alone, SELECT_LANES } },
	  .ours = 1, .other = 0, .at_most = 2 },
	{ "merge_asleep", "A merge, each item to a lane that stood armed, one thread for both",
	  { { "leat_merge of 100", merge_asleep, 100 }, { "leat_merge of 10,000", merge_asleep, SELECT_LANES } },
	  .ours = 1, .other = 0 },
};
enum { QUESTIONS = sizeof(questions) / sizeof(questions[0]) };

struct selects {
	unsigned samples;
	double *ns[QUESTIONS][CONTESTANTS]; /* a sample each, sorted in the end; NULL: takes no part */
};

static bool takes_part(int q, unsigned c, const char *only)
{
	const char *name = questions[q].by[c].name;

	return name != NULL && (questions[q].by[c].run != remote_select || remote_found()) &&
	       (only == NULL || strcasestr(name, only) != NULL);
}

/* Nobody is always the first. */
static void take_turns(struct selects *selects, int q)
{
	for (unsigned s = 0; s < selects->samples; s++)
		for (unsigned k = 0; k < CONTESTANTS; k++) {
			unsigned c = (k + s) % CONTESTANTS;

			if (selects->ns[q][c] != NULL)
				selects->ns[q][c][s] = questions[q].by[c].run(questions[q].by[c].n);
		}
	for (unsigned c = 0; c < CONTESTANTS; c++)
		if (selects->ns[q][c] != NULL)
			bench_sort(selects->ns[q][c], selects->samples);
}

struct selects *selects_measure(unsigned samples, const char *only)
{
	struct selects *selects = bench_alloc(sizeof(*selects));
	bool terminal = isatty(STDERR_FILENO);

	selects->samples = samples;
	for (int q = 0; q < QUESTIONS; q++) {
		for (unsigned c = 0; c < CONTESTANTS; c++)
			if (takes_part(q, c, only))
				selects->ns[q][c] = bench_alloc(samples * sizeof(double));
		if (terminal)
			fprintf(stderr, "\r\033[K%d of %d  %s", q + 1, (int)QUESTIONS, questions[q].title);
		take_turns(selects, q);
	}
	if (terminal)
		fputs("\r\033[K", stderr);
	return selects;
}

void selects_free(struct selects *selects)
{
	for (int q = 0; q < QUESTIONS && selects != NULL; q++)
		for (unsigned c = 0; c < CONTESTANTS; c++)
			free(selects->ns[q][c]);
	free(selects);
}

static double quantile(const struct selects *selects, int q, unsigned c, double part)
{
	return bench_quantile(selects->ns[q][c], selects->samples, part);
}

/* Ours as so many times the other's; 0: one of them did not take part. */
static double times(const struct selects *selects, int q)
{
	unsigned ours = questions[q].ours, other = questions[q].other;

	if (selects->ns[q][ours] == NULL || selects->ns[q][other] == NULL)
		return 0;
	return quantile(selects, q, ours, 0.5) / quantile(selects, q, other, 0.5);
}

/* Whether there is something to reach, and it is known whether it was. */
static bool judged(const struct selects *selects, int q, bool *reached)
{
	double got = times(selects, q);

	*reached = got <= questions[q].at_most;
	return got > 0 && questions[q].at_most > 0;
}

static void row(const struct selects *selects, int q, unsigned c, FILE *out)
{
	static const double parts[] = { 0.5, 0.05, 0.95 };
	bool reached;

	fprintf(out, "  %-22s", questions[q].by[c].name);
	for (int i = 0; i < 3; i++) {
		double ns = quantile(selects, q, c, parts[i]);

		fprintf(out, " %8.*f", report_digits(ns), ns);
	}
	if (c == questions[q].ours && times(selects, q) > 0) {
		fprintf(out, "   %5.2f times %s", times(selects, q), questions[q].by[questions[q].other].name);
		if (judged(selects, q, &reached))
			fprintf(out, "   <= %g  %s", questions[q].at_most, reached ? "reached" : "MISSED");
	}
	fprintf(out, "\n");
}

void selects_report(const struct selects *selects, FILE *out)
{
	unsigned known = 0, good = 0;
	bool reached;

	fprintf(out, "\nChannels of %d items of 8 bytes; ns an item, %u samples of %d items\n", (int)SELECT_CAPACITY,
		selects->samples, (int)SELECT_ITEMS);
	if (!remote_found())
		fprintf(out, "left out: Go select (the program leat-bench-go is not beside this one)\n");
	for (int q = 0; q < QUESTIONS; q++) {
		fprintf(out, "\n%s\n  %-22s %8s %8s %8s\n", questions[q].title, "", "median", "p5", "p95");
		for (unsigned c = 0; c < CONTESTANTS; c++)
			if (selects->ns[q][c] != NULL)
				row(selects, q, c, out);
		if (judged(selects, q, &reached)) {
			known++;
			good += reached;
		}
	}
	fprintf(out, "\n%u of %u reached\n", good, known);
	fflush(out);
}

static void json_question(const struct selects *selects, int q, FILE *out)
{
	const struct question *question = &questions[q];
	bool reached, known = judged(selects, q, &reached);

	fprintf(out, "    {\"question\": \"%s\", \"title\": \"%s\", \"unit\": \"ns an item\",\n     ", question->name,
		question->title);
	fprintf(out, "\"ours\": \"%s\", \"other\": \"%s\"", question->by[question->ours].name,
		question->by[question->other].name);
	if (question->at_most > 0)
		fprintf(out, ", \"at_most\": %g", question->at_most);
	if (times(selects, q) > 0)
		fprintf(out, ", \"times_other\": %.4g", times(selects, q));
	fprintf(out, ", \"reached\": %s, \"results\": [", !known ? "null" : reached ? "true" : "false");
	for (unsigned c = 0, comma = 0; c < CONTESTANTS; c++) {
		if (selects->ns[q][c] == NULL)
			continue;
		fprintf(out, "%s\n      {\"contestant\": \"%s\", \"median\": %.4g, \"p5\": %.4g, \"p95\": %.4g, \"samples\": [",
			comma++ ? "," : "", question->by[c].name, quantile(selects, q, c, 0.5),
			quantile(selects, q, c, 0.05), quantile(selects, q, c, 0.95));
		for (unsigned s = 0; s < selects->samples; s++)
			fprintf(out, "%s%.4g", s == 0 ? "" : ", ", selects->ns[q][c][s]);
		fprintf(out, "]}");
	}
	fprintf(out, "]}");
}

void selects_json(const struct selects *selects, FILE *out)
{
	fprintf(out, ",\n  \"select\": {\"items\": %d, \"capacity\": %d, \"samples\": %u, \"questions\": [", (int)SELECT_ITEMS,
		(int)SELECT_CAPACITY, selects->samples);
	for (int q = 0; q < QUESTIONS; q++) {
		fprintf(out, "%s\n", q == 0 ? "" : ",");
		json_question(selects, q, out);
	}
	fprintf(out, "\n  ]}");
}

void selects_list(FILE *out)
{
	for (int q = 0; q < QUESTIONS; q++) {
		unsigned named = 0;

		fprintf(out, "%s:", questions[q].title);
		for (unsigned c = 0; c < CONTESTANTS; c++)
			if (takes_part(q, c, NULL))
				fprintf(out, "%s %s", named++ == 0 ? "" : ";", questions[q].by[c].name);
		fprintf(out, "\n");
	}
}
