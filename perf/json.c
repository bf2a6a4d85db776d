/*
 * perf/json.c: everything that was measured, as one JSON object.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#include <leat/version.h>

#include "commit.h"

void report_text(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', out);
		if ((unsigned char)*s < ' ')
			fprintf(out, "\\u%04x", (unsigned char)*s);
		else
			putc(*s, out);
	}
	putc('"', out);
}

static void named(FILE *out, const char *name, const char *value)
{
	fprintf(out, "\"%s\": ", name);
	report_text(out, value);
}

static void machine(const struct run *run, FILE *out)
{
	const struct machine *m = &run->machine;

	fprintf(out, "  ");
	named(out, "program", "leat bench");
	fprintf(out, ", "), named(out, "version", LEAT_VERSION);
	fprintf(out, ", "), named(out, "commit", BENCH_COMMIT);
	fprintf(out, ", "), named(out, "compiler", BENCH_COMPILER);
	fprintf(out, ", "), named(out, "options", LEAT_BENCH_OPTIONS);
	fprintf(out, ",\n  "), named(out, "arguments", run->command);
	fprintf(out, ", "), named(out, "date", run->date);
	fprintf(out, ", "), named(out, "processor", m->processor);
	fprintf(out, ", "), named(out, "kernel", m->kernel);
	fprintf(out, ",\n  \"cores\": [");
	for (unsigned i = 0; i < bench_cores_count; i++)
		fprintf(out, "%s%d", i == 0 ? "" : ", ", bench_cores[i]);
	fprintf(out, "],\n  \"left_out\": [");
	for (size_t i = 0; bench_missing[i][0] != NULL; i++) {
		fprintf(out, "%s", i == 0 ? "" : ", ");
		report_text(out, bench_missing[i][0]);
	}
	fprintf(out, "],\n  \"limits_ns\": {\"line_round_trip\": %.1f, \"two_lines_round_trip\": %.1f, ", m->line_ns,
		m->two_lines_ns);
	for (int i = 0; i < 4; i++)
		fprintf(out, "\"line_streamed_%zuKiB\": %.3f, ", machine_stream_bytes[i] >> 10, m->stream_ns[i]);
	fprintf(out,
		"\"futex_wake_to_run\": %.0f,\n    \"compare_and_swap\": %.2f, \"add\": %.2f, \"membarrier\": %.0f, ",
		m->futex_ns, m->cas_ns, m->xadd_ns, m->membarrier_ns);
	fprintf(out, "\"pause\": %.2f, \"clock\": %.2f, \"yield\": %.1f},\n", m->pause_ns, m->clock_ns, m->yield_ns);
}

static void latency(const struct histogram *h, FILE *out)
{
	static const struct {
		const char *name;
		double q;
	} quantiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p99.9", 0.999 }, { "p99.99", 0.9999 } };

	fprintf(out, ",\n       \"latency_ns\": {\"items\": %llu", (unsigned long long)h->total);
	for (size_t i = 0; i < 5; i++)
		fprintf(out, ", \"%s\": %.0f", quantiles[i].name, histogram_quantile(h, quantiles[i].q));
	fprintf(out, ", \"max\": %llu}", (unsigned long long)h->max);
}

static void result(const struct result *r, FILE *out)
{
	const struct contestant *c = r->contestant;

	fprintf(out, "      {"), named(out, "contestant", c->name);
	fprintf(out,
		", \"limit\": %s, \"unbounded\": %s, \"operations\": %llu, \"taken\": %u, \"kept\": %u, "
		"\"set_aside_far\": %u, \"set_aside_busy\": %u, \"collapses\": %s",
		c->limit ? "true" : "false", c->unbounded ? "true" : "false", (unsigned long long)r->operations,
		r->taken, r->kept, r->far, r->busy, r->collapsed ? "true" : "false");
	if (r->kept > 0)
		fprintf(out, ",\n       \"median\": %.4g, \"p5\": %.4g, \"p95\": %.4g", r->median, r->p5, r->p95);
	fprintf(out, ", \"samples\": [");
	for (unsigned i = 0; i < r->kept; i++)
		fprintf(out, "%s%.4g", i == 0 ? "" : ", ", r->ns[i]);
	fprintf(out, "]");
	if (r->latency != NULL && r->kept > 0)
		latency(r->latency, out);
	fprintf(out, "}");
}

static void outcome(const struct outcome *o, FILE *out)
{
	static const char *const kinds[KINDS] = { "spsc", "mpsc", "spmc", "mpmc" };
	static const char *const calls[CALLS] = { "one", "batch", "zero_copy", "blocking", "blocking_batch" };
	static const char *const measures[] = { "throughput", "round_trip", "latency", "idle" };
	static const char *const places[] = { "separate", "same", "free" };
	const struct scenario *s = &o->scenario;
	char title[128];

	scenario_title(s, title, sizeof(title));
	fprintf(out, "    {"), named(out, "title", title);
	fprintf(out, ", "), named(out, "measure", measures[s->measure]);
	fprintf(out, ", "), named(out, "unit", scenario_unit(s));
	fprintf(out, ",\n     "), named(out, "kind", kinds[s->kind]);
	fprintf(out, ", \"producers\": %u, \"consumers\": %u, \"item_bytes\": %u, \"capacity\": %zu, ", s->producers,
		s->consumers, s->item_size, s->capacity);
	named(out, "calls", calls[s->calls]);
	fprintf(out, ", \"batch\": %u, ", s->batch);
	named(out, "place", places[s->place]);
	fprintf(out, ", \"interval_ns\": %lld, \"line_round_trip_ns\": %.1f, \"seconds\": %.1f,\n     \"results\": [\n",
		(long long)s->interval_ns, o->near_ns, o->seconds);
	for (size_t i = 0; i < o->results_count; i++) {
		result(&o->results[i], out);
		fprintf(out, "%s\n", i + 1 < o->results_count ? "," : "");
	}
	fprintf(out, "    ]}");
}

static void figure(const struct figure *f, FILE *out)
{
	static const char *const hows[] = { "other/ours at least", "ours/other at most", "ours-other ns at most",
					    "CPU ms a second at most" };

	fprintf(out, "    {"), named(out, "scenario", f->text);
	fprintf(out, ", "), named(out, "ours", f->ours);
	fprintf(out, ", "), named(out, "other", f->peer != NULL ? f->peer : "");
	fprintf(out, ", "), named(out, "how", hows[f->how]);
	fprintf(out, ", \"to_reach\": %g, ", f->want);
	if (f->known)
		fprintf(out, "\"got\": %.4g, \"reached\": %s}", f->got, f->reached ? "true" : "false");
	else
		fprintf(out, "\"got\": null, \"reached\": null}");
}

void report_json(const struct run *run, FILE *out)
{
	struct figure figures[FIGURES_MAX];
	size_t count = run->figures ? figures_make(run, figures, FIGURES_MAX) : 0;

	fprintf(out, "{\n");
	machine(run, out);
	fprintf(out, "  \"scenarios\": [\n");
	for (size_t i = 0; i < run->count; i++) {
		outcome(&run->outcomes[i], out);
		fprintf(out, "%s\n", i + 1 < run->count ? "," : "");
	}
	fprintf(out, "  ],\n  \"figures\": [\n");
	for (size_t i = 0; i < count; i++) {
		figure(&figures[i], out);
		fprintf(out, "%s\n", i + 1 < count ? "," : "");
	}
	fprintf(out, "  ]");
	if (run->generators != NULL)
		generators_json(run->generators, out);
	if (run->selects != NULL)
		selects_json(run->selects, out);
	fprintf(out, "\n}\n");
}
