/*
 * perf/report.c: the tables for people.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#include <leat/version.h>

#include "commit.h"

int report_digits(double value)
{
	if (value < 9.995)
		return 2;
	return value < 99.95 ? 1 : 0;
}

static void number(FILE *out, int width, double value)
{
	fprintf(out, " %*.*f", width, report_digits(value), value);
}

void report_machine(const struct run *run, FILE *out)
{
	fprintf(out, "leat %s, %s, %s %s\n", LEAT_VERSION, BENCH_COMMIT, BENCH_COMPILER, LEAT_BENCH_OPTIONS);
	fprintf(out, "%s, %u cores (", run->processor, bench_cores_count);
	for (unsigned i = 0; i < bench_cores_count && i < 8; i++)
		fprintf(out, "%s%d", i == 0 ? "" : " ", bench_cores[i]);
	fprintf(out, "%s), %s, %s\n", bench_cores_count > 8 ? " ..." : "", run->kernel, run->date);
	for (size_t i = 0; bench_missing[i][0] != NULL; i++)
		fprintf(out, "left out: %s (package %s; tools/bench-peers installs them all)\n", bench_missing[i][0],
			bench_missing[i][1]);
	if (!remote_found(remote_contestants[0]))
		fprintf(out, "left out: Go (the program leat-bench-go is not beside this one)\n");
	fflush(out);
}

static void latency_columns(const struct histogram *latency, FILE *out)
{
	static const double quantiles[] = { 0.9, 0.99, 0.999, 0.9999 };

	for (size_t i = 0; i < 4; i++)
		number(out, 8, histogram_quantile(latency, quantiles[i]));
	number(out, 9, (double)latency->max);
}

static void times(FILE *out, const struct result *other, const struct result *r, enum class class, int v)
{
	if (other != NULL && r->of[class].median[v] > 0)
		fprintf(out, " %7.2f", other->of[class].median[v] / r->of[class].median[v]);
	else
		fprintf(out, " %7s", "");
}

static void row(const struct outcome *o, const struct result *r, enum class class, int v, FILE *out)
{
	const struct series *series = &r->of[class];
	const struct result *best = outcome_find(o, "*", class, v);

	fprintf(out, "  %-36s", r->contestant->name);
	number(out, 8, series->median[v]);
	number(out, 8, series->p5[v]);
	number(out, 8, series->p95[v]);
	if (series->latency != NULL)
		latency_columns(series->latency, out);
	times(out, best, r, class, v);
	if (o->scenario.measure != MEASURE_TOPIC)
		times(out, outcome_find(o, "(*", class, v), r, class, v);
	fprintf(out, "  %u of %u%s%s\n", series->count, r->taken + r->busy, r->collapsed ? ", collapses" : "",
		r->contestant->unbounded ? ", unbounded"
		: r == best		 ? ", best peer"
					 : "");
}

static void class_table(const struct outcome *o, enum class class, int v, FILE *out)
{
	const char *unit, *what = scenario_value(&o->scenario, v, &unit);
	bool paced = o->scenario.measure == MEASURE_PACED;
	char head[64];

	snprintf(head, sizeof(head), "%s%s%s, %s", o->classless ? "" : class_names[class], o->classless ? "" : ": ", what,
		 unit);
	fprintf(out, "  %-36s %8s %8s %8s%s %7s%s  samples\n", head, "median", "p5", "p95",
		paced ? "      p90      p99    p99.9   p99.99       max" : "", "x best",
		o->scenario.measure != MEASURE_TOPIC ? " x limit" : "");
	for (size_t i = 0; i < o->results_count; i++)
		if (o->results[i].of[class].count > 0)
			row(o, &o->results[i], class, v, out);
}

void report_outcome(const struct outcome *o, FILE *out)
{
	const char *unit;
	char title[160], of[32] = "";

	if (o->scenario.count > 0)
		snprintf(of, sizeof(of), "; %llu of them", (unsigned long long)o->scenario.count);
	fprintf(out, "\n%s%s  (%.1f s)\n", scenario_title(&o->scenario, title), of, o->seconds);
	if (o->results_count == 0)
		fprintf(out, "  no contestant here can do this\n");
	for (size_t i = 0; i < o->results_count; i++)
		if (o->results[i].left_out)
			fprintf(out, "  %s: left out, with too few samples of %u: the cores moved in %u, %u were disturbed\n",
				o->results[i].contestant->name, o->results[i].taken + o->results[i].busy, o->results[i].moved,
				o->results[i].busy);
	for (int class = 0; class < CLASSES; class++) {
		if (o->left_out[class])
			fprintf(out, "  %s: left out, as a contestant has %u samples\n", class_names[class],
				o->fewest[class]);
		else if (o->has[class])
			for (int v = 0; scenario_value(&o->scenario, v, &unit) != NULL; v++)
				class_table(o, (enum class)class, v, out);
	}
	fflush(out);
}

void report_classes(const struct run *run, FILE *out)
{
	unsigned taken = 0, moved = 0, busy = 0, with[CLASSES] = { 0 }, left_out[CLASSES] = { 0 }, all = 0;

	for (size_t i = 0; i < run->count; i++) {
		const struct outcome *o = &run->outcomes[i];

		all += !o->classless && o->results_count > 0;
		for (size_t k = 0; k < o->results_count; k++) {
			taken += o->results[k].taken + o->results[k].busy;
			moved += o->results[k].moved;
			busy += o->results[k].busy;
		}
		for (int class = 0; class < CLASSES && !o->classless && o->results_count > 0; class++) {
			with[class] += o->has[class];
			left_out[class] += o->left_out[class];
		}
	}
	fprintf(out, "\nOf %u samples %u were thrown away as the cores moved, %u as something else ran on them.\n", taken,
		moved, busy);
	if (bench_cores_count > 1)
		fprintf(out, "A line's round trip above %.0f ns is far.\n", near_border());
	for (int class = 0; class < CLASSES && all > 0; class++)
		if (near_typical((enum class)class) > 0)
			fprintf(out, "%s, %.0f ns in the middle: in %u of %u scenarios; left out of %u, with too few samples.\n",
				class_names[class], near_typical((enum class)class), with[class], all, left_out[class]);
		else
			fprintf(out, "%s: never in this run.\n", class_names[class]);
	if (all > 0 && near_typical(NEAR) <= 0)
		fprintf(out, "The two cores were never near: nothing here is to be compared with near figures.\n");
	if (busy > taken / 5)
		fprintf(out, "This machine is busy: do not trust these figures.\n");
}

static void figure_row(const struct figure *f, int column, FILE *out)
{
	char target[32];

	fprintf(out, "  %-72s %-44s", f->text, f->versus);
	for (int side = 0; side < 2; side++) {
		double ns = side == 0 ? f->ours_ns : f->peer_ns;

		if (ns > 0)
			number(out, 8, ns);
		else
			fprintf(out, " %8s", "");
	}
	for (int p = 0; p < PROCESSORS; p++) {
		figure_target(&f->targets[p], f->unit, target);
		fprintf(out, "  %-14s", target);
	}
	if (!f->known)
		fprintf(out, "  not measured here\n");
	else
		fprintf(out, " %7.2f  %s\n", f->got, column < 0 ? "" : f->reached ? "reached" : "MISSED");
}

void report_figures(const struct run *run, FILE *out)
{
	struct figure figures[FIGURES_MAX];
	size_t count = figures_make(run, figures, FIGURES_MAX), reached = 0, judged = 0;
	int column = processor_column(run);

	if (count == 0)
		return;
	fprintf(out, "\n%-74s %-44s %8s %8s", "The table of figures; to reach, on:", "", "ours", "other");
	for (int p = 0; p < PROCESSORS; p++)
		fprintf(out, "  %-13s%s", processor_names[p], p == column ? "*" : " ");
	fprintf(out, " %7s\n", "got");
	for (size_t i = 0; i < count; i++) {
		figure_row(&figures[i], column, out);
		judged += figures[i].judged;
		reached += figures[i].judged && figures[i].reached;
	}
	fprintf(out, "%zu of %zu reached (* this processor)\n", reached, judged);
	fflush(out);
}
