/*
 * perf/svg.c: a plot: for each scenario a group of horizontal bars, the shorter the better, each group on its own
 * scale.
 *
 * A contestant that is many times slower than the best would press all others together: its bar is cut, and torn at
 * its end. Its figure stands beside it as with the others.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#include <leat/version.h>

#include <stdlib.h>

#include "commit.h"

enum { COLUMN = 860, LABELS = 190, BARS = 540, ROW = 19, BAR = 13, TITLE = 30, GAP = 16, TOP = 92, LEFT = 24 };
/* More groups than this stand in two columns. */
enum { GROUPS_BELOW = 6 };
/* Longer than this many times the best is cut. */
#define CUT 10.0

static void escaped(FILE *out, const char *s)
{
	for (; *s != '\0'; s++)
		if (*s == '<')
			fputs("&lt;", out);
		else if (*s == '&')
			fputs("&amp;", out);
		else
			putc(*s, out);
}

static void words(FILE *out, int x, int y, const char *class, const char *text)
{
	fprintf(out, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, class);
	escaped(out, text);
	fprintf(out, "</text>\n");
}

/* What one group shows: one value of one class of an outcome. */
struct group {
	const struct outcome *outcome;
	enum class class;
	int value;
};

static bool shown(const struct group *g, const struct result *r)
{
	const struct scenario *s = &g->outcome->scenario;

	return r->of[g->class].count > 0 &&
	       (!r->contestant->limit || s->measure != MEASURE_THROUGHPUT || s->producers + s->consumers == 2);
}

static unsigned rows_of(const struct group *g)
{
	unsigned rows = 0;

	for (size_t i = 0; i < g->outcome->results_count; i++)
		rows += shown(g, &g->outcome->results[i]);
	return rows;
}

/* What a whole width of bars stands for. */
static double scale_of(const struct group *g)
{
	double best = 0, most = 0;

	for (size_t i = 0; i < g->outcome->results_count; i++) {
		const struct result *r = &g->outcome->results[i];
		double median = r->of[g->class].median[g->value];

		if (!shown(g, r))
			continue;
		most = median > most ? median : most;
		if (!r->contestant->limit && (best <= 0 || median < best))
			best = median;
	}
	return most > CUT * best && best > 0 ? CUT * best : most > 0 ? most : 1;
}

static const char *color_of(const struct contestant *c)
{
	return c->limit ? "limit" : contestant_ours(c) ? "ours" : c->unbounded ? "loose" : "peer";
}

static void bar(const struct group *g, const struct result *r, double scale, int y, FILE *out)
{
	const struct series *s = &r->of[g->class];
	double median = s->median[g->value], p5 = s->p5[g->value], p95 = s->p95[g->value];
	bool cut = median > scale;
	double length = cut ? BARS : median / scale * BARS, end = LEFT + LABELS + length;
	char value[64];

	words(out, LEFT + LABELS - 8, y + BAR - 2, "name", r->contestant->name);
	fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" class=\"%s\"/>\n", LEFT + LABELS, y,
		length < 1 ? 1 : length, BAR, color_of(r->contestant));
	if (cut) { /* torn */
		fprintf(out, "<path d=\"M%.1f %d l4 4 l-4 4 l4 4 l-4 4\" class=\"torn\"/>\n", end - 26, y - 1);
	} else if (p95 > p5) {
		double from = LEFT + LABELS + p5 / scale * BARS;
		double to = LEFT + LABELS + (p95 < scale ? p95 / scale : 1) * BARS;

		fprintf(out, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" class=\"spread\"/>\n", from, to,
			y + BAR / 2.0, y + BAR / 2.0);
		end = to > end ? to : end;
	}
	snprintf(value, sizeof(value), "%.*f%s", report_digits(median), median, r->collapsed ? ", collapses" : "");
	words(out, (int)end + 7, y + BAR - 2, "value", value);
}

static int height_of(const struct group *g)
{
	return TITLE + (int)rows_of(g) * ROW + GAP;
}

static void draw(const struct group *g, int y, FILE *out)
{
	const struct outcome *o = g->outcome;
	double scale = scale_of(g);
	char title[160], text[256];
	const char *unit, *what = scenario_value(&o->scenario, g->value, &unit);

	snprintf(text, sizeof(text), "%s; %s %s%s%s", scenario_title(&o->scenario, title), unit, what,
		 o->classless ? "" : "; ", o->classless ? "" : class_names[g->class]);
	words(out, LEFT, y + 16, "title", text);
	y += TITLE;
	fprintf(out, "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" class=\"axis\"/>\n", LEFT + LABELS, LEFT + LABELS,
		y - 4, y + (int)rows_of(g) * ROW);
	for (size_t i = 0; i < o->results_count; i++) {
		if (!shown(g, &o->results[i]))
			continue;
		bar(g, &o->results[i], scale, y, out);
		y += ROW;
	}
}

static void legend(FILE *out, int y)
{
	static const struct {
		const char *class, *text;
		int x;
	} entries[] = { { "ours", "leat", 24 },
			{ "peer", "peers, bounded", 90 },
			{ "loose", "peers, unbounded", 220 },
			{ "limit", "the machine's limit", 365 } };

	for (size_t i = 0; i < 4; i++) {
		fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"13\" height=\"13\" class=\"%s\"/>\n", entries[i].x,
			y - 11, entries[i].class);
		words(out, entries[i].x + 19, y, "small", entries[i].text);
	}
	words(out, 520, y, "small", "bars: medians, shorter is better; lines: p5 to p95");
}

static void head(const struct run *run, int width, int height, FILE *out)
{
	char text[512];

	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
		"<style>\n"
		"text { font-family: 'DejaVu Sans', 'Helvetica Neue', Arial, sans-serif; font-size: 12px;"
		" fill: #222 }\n"
		".head { font-size: 18px; font-weight: bold } .title { font-size: 13px; font-weight: bold }\n"
		".small { font-size: 11.5px; fill: #555 } .name { text-anchor: end } .value { fill: #444 }\n"
		".ours { fill: #0b6e99 } .peer { fill: #b9c2c9 } .loose { fill: #e3d9c2 } .limit { fill: #d9534f }\n"
		".spread { stroke: #222; stroke-width: 1 } .axis { stroke: #999; stroke-width: 1 }\n"
		".torn { stroke: #fff; stroke-width: 3; fill: none }\n"
		"</style>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
		width, height, width, height);
	words(out, LEFT, 30, "head", "leat bench");
	snprintf(text, sizeof(text), "leat %s (%s), %s, %s, %u cores, %s", LEAT_VERSION, BENCH_COMMIT, BENCH_COMPILER,
		 run->processor, bench_cores_count, run->date);
	words(out, LEFT, 51, "small", text);
	legend(out, 74);
}

static struct group *find_groups(const struct run *run, size_t *count)
{
	struct group *groups = bench_alloc((run->count + 1) * CLASSES * VALUES_MAX * sizeof(*groups));
	const char *unit;

	*count = 0;
	for (size_t i = 0; i < run->count; i++)
		for (int class = 0; class < CLASSES; class++)
			for (int v = 0; scenario_value(&run->outcomes[i].scenario, v, &unit) != NULL; v++) {
				struct group g = { &run->outcomes[i], (enum class)class, v };

				if (rows_of(&g) > 0)
					groups[(*count)++] = g;
			}
	return groups;
}

void report_svg(const struct run *run, FILE *out)
{
	size_t count, first;
	struct group *groups = find_groups(run, &count);
	int all = 0, longest = 0, y = 0;

	for (size_t i = 0; i < count; i++)
		all += height_of(&groups[i]);
	longest = all;
	first = count;
	/* The first column ends where half of it all has been passed. */
	for (size_t i = 0; count > GROUPS_BELOW && i < count && y < (all + 1) / 2; i++) {
		y += height_of(&groups[i]);
		longest = y;
		first = i + 1;
	}
	head(run, first < count ? 2 * COLUMN : COLUMN, TOP + longest, out);
	y = TOP;
	fprintf(out, "<g>\n");
	for (size_t i = 0; i < count; i++) {
		if (i == first) {
			fprintf(out, "</g>\n<g transform=\"translate(%d, 0)\">\n", COLUMN);
			y = TOP;
		}
		draw(&groups[i], y, out);
		y += height_of(&groups[i]);
	}
	fprintf(out, "</g>\n</svg>\n");
	free(groups);
}
