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
	const struct machine *m = &run->machine;

	fprintf(out, "leat %s, %s, %s %s\n", LEAT_VERSION, BENCH_COMMIT, BENCH_COMPILER, LEAT_BENCH_OPTIONS);
	fprintf(out, "%s, %u cores (", m->processor, bench_cores_count);
	for (unsigned i = 0; i < bench_cores_count && i < 8; i++)
		fprintf(out, "%s%d", i == 0 ? "" : " ", bench_cores[i]);
	fprintf(out, "%s), %s, %s\n", bench_cores_count > 8 ? " ..." : "", m->kernel, run->date);
	for (size_t i = 0; bench_missing[i][0] != NULL; i++)
		fprintf(out, "left out: %s (package %s; tools/bench-peers installs them all)\n", bench_missing[i][0],
			bench_missing[i][1]);
	fprintf(out, "\nThe machine's limits, ns\n");
	if (bench_cores_count > 1) {
		fprintf(out, "  round trip between two cores, one line     "), number(out, 8, m->line_ns);
		fprintf(out, "\n                                two lines    "), number(out, 8, m->two_lines_ns);
		for (int i = 0; i < 4; i++) {
			fprintf(out, "\n  a line streamed through %4zu KiB            ", machine_stream_bytes[i] >> 10);
			number(out, 8, m->stream_ns[i]);
			fprintf(out, "   %.1f bytes a ns", 64 / m->stream_ns[i]);
		}
		fprintf(out, "\n  futex, from wake to running               "), number(out, 8, m->futex_ns);
	}
	fprintf(out, "\n  locked compare-and-swap, add; nobody else  "), number(out, 8, m->cas_ns);
	number(out, 0, m->xadd_ns);
	fprintf(out, "\n  membarrier with the other core busy       "), number(out, 8, m->membarrier_ns);
	fprintf(out, "\n  pause, clock, yield                        "), number(out, 8, m->pause_ns);
	number(out, 0, m->clock_ns);
	number(out, 0, m->yield_ns);
	fprintf(out, "\n");
	if (m->line_ns > 200)
		fprintf(out, "The two cores are far apart: expect every figure to be far from what near cores do.\n");
	fflush(out);
}

static const struct result *limit_of(const struct outcome *o)
{
	static const char *const names[] = { "(lines streamed)", "(two lines)", "(bare futex)" };

	for (size_t i = 0; i < 3; i++) {
		const struct result *found = outcome_find(o, names[i]);

		if (found != NULL)
			return found;
	}
	return NULL;
}

static void latency_columns(const struct result *r, FILE *out)
{
	static const double quantiles[] = { 0.9, 0.99, 0.999, 0.9999 };

	for (size_t i = 0; i < 4; i++)
		number(out, 8, histogram_quantile(r->latency, quantiles[i]));
	number(out, 9, (double)r->latency->max);
}

static void times(FILE *out, const struct result *other, const struct result *r)
{
	if (other != NULL && other->kept > 0 && r->median > 0)
		fprintf(out, " %7.2f", other->median / r->median);
	else
		fprintf(out, " %7s", "");
}

void report_outcome(const struct outcome *o, FILE *out)
{
	const struct result *best = outcome_best_peer(o), *limit = limit_of(o);
	bool paced = o->scenario.measure == MEASURE_PACED;
	char title[128];

	scenario_title(&o->scenario, title, sizeof(title));
	fprintf(out, "\n%s; %s  (%.1f s)\n", title, scenario_unit(&o->scenario), o->seconds);
	if (o->results_count == 0)
		fprintf(out, "  nobody here can do this\n");
	else
		fprintf(out, "  %-22s %8s %8s %8s%s %7s %7s  %s\n", "", "median", "p5", "p95",
			paced ? "      p90      p99    p99.9   p99.99       max" : "", "x best", "x limit", "samples");
	for (size_t i = 0; i < o->results_count; i++) {
		const struct result *r = &o->results[i];

		fprintf(out, "  %-22s", r->contestant->name);
		if (r->kept == 0) {
			fprintf(out, " no sample that counts: %u with far cores, %u disturbed\n", r->far, r->busy);
			continue;
		}
		number(out, 8, r->median);
		number(out, 8, r->p5);
		number(out, 8, r->p95);
		if (paced)
			latency_columns(r, out);
		times(out, best, r);
		times(out, limit, r);
		fprintf(out, "  %u of %u%s%s\n", r->kept, r->taken, r->collapsed ? ", collapses" : "",
			r->contestant->unbounded ? ", unbounded"
			: r == best		 ? ", best peer"
						 : "");
	}
	fflush(out);
}

void report_set_aside(const struct run *run, FILE *out)
{
	unsigned taken = 0, far = 0, busy = 0;

	for (size_t i = 0; i < run->count; i++)
		for (size_t k = 0; k < run->outcomes[i].results_count; k++) {
			const struct result *r = &run->outcomes[i].results[k];

			taken += r->taken;
			far += r->far;
			busy += r->busy;
		}
	fprintf(out, "\nSet aside of %u samples: %u as the cores were far apart, %u as something else ran on them.\n",
		taken, far, busy);
	if (busy > taken / 5)
		fprintf(out, "This machine is busy: do not trust these figures.\n");
}

static void figure_row(const struct figure *f, FILE *out)
{
	static const char *const signs[] = { ">=", "<=", "<=", "<=" };
	static const char *const units[] = { "", "", " ns", " ms/s" };
	char versus[64];

	snprintf(versus, sizeof(versus), "%s%s%s", f->ours,
		 f->how == FIGURE_MORE	  ? " - "
		 : f->how == FIGURE_TIMES ? " against "
		 : f->how == FIGURE_CPU	  ? " beside "
					  : " of ",
		 f->peer);
	fprintf(out, "  %-66s %-39s", f->text, versus);
	if (!f->known) {
		fprintf(out, "   %s %5.2f   not measured here\n", signs[f->how], f->want);
		return;
	}
	number(out, 8, f->ours_ns);
	if (f->beside)
		number(out, 8, f->peer_ns);
	else
		fprintf(out, " %8s", "");
	fprintf(out, "   %s %5.2f   %6.2f%s  %s\n", signs[f->how], f->want, f->got, units[f->how],
		f->reached ? "reached" : "MISSED");
}

void report_figures(const struct run *run, FILE *out)
{
	struct figure figures[FIGURES_MAX];
	size_t count = figures_make(run, figures, FIGURES_MAX), reached = 0, known = 0;

	fprintf(out, "\n%-68s %-39s %8s %8s   %8s   %6s\n", "The table of figures", "", "ours", "other", "to reach",
		"got");
	for (size_t i = 0; i < count; i++) {
		figure_row(&figures[i], out);
		known += figures[i].known;
		reached += figures[i].reached;
	}
	fprintf(out, "%zu of %zu reached\n", reached, known);
	fflush(out);
}
