/*
 * perf/json.c: everything that was measured, as one JSON object.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#include <leat/version.h>

#include "commit.h"

static void text(FILE *out, const char *s)
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
	text(out, value);
}

static void machine(const struct run *run, FILE *out)
{
	const char *const words[][2] = {
		{ "program", "leat bench" },	    { "version", LEAT_VERSION },
		{ "commit", BENCH_COMMIT },	    { "compiler", BENCH_COMPILER },
		{ "options", LEAT_BENCH_OPTIONS },  { "arguments", run->command },
		{ "date", run->date },		    { "processor", run->processor },
		{ "kernel", run->kernel },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		fprintf(out, "  "), named(out, words[i][0], words[i][1]);
		fprintf(out, ",\n");
	}
	fprintf(out, "  \"cores\": [");
	for (unsigned i = 0; i < bench_cores_count; i++)
		fprintf(out, "%s%d", i == 0 ? "" : ", ", bench_cores[i]);
	fprintf(out, "],\n  \"left_out\": [");
	for (size_t i = 0; bench_missing[i][0] != NULL; i++) {
		fprintf(out, "%s", i == 0 ? "" : ", ");
		text(out, bench_missing[i][0]);
	}
	fprintf(out, "],\n  \"line_round_trip_ns\": {\"near\": %.1f, \"far\": %.1f, \"border\": %.1f},\n", near_typical(NEAR),
		near_typical(FAR), near_border());
}

static void latency(const struct histogram *h, FILE *out)
{
	static const char *const names[] = { "p50", "p90", "p99", "p99.9", "p99.99" };
	static const double quantiles[] = { 0.5, 0.9, 0.99, 0.999, 0.9999 };

	fprintf(out, ", \"latency_ns\": {\"items\": %llu", (unsigned long long)h->total);
	for (size_t i = 0; i < 5; i++)
		fprintf(out, ", \"%s\": %.0f", names[i], histogram_quantile(h, quantiles[i]));
	fprintf(out, ", \"max\": %llu}", (unsigned long long)h->max);
}

static void series(const struct series *s, int v, const char *class, FILE *out)
{
	fprintf(out, ",\n        \"%s\": {\"median\": %.4g, \"p5\": %.4g, \"p95\": %.4g, \"samples\": [", class, s->median[v],
		s->p5[v], s->p95[v]);
	for (unsigned i = 0; i < s->count; i++)
		fprintf(out, "%s%.4g", i == 0 ? "" : ", ", s->ns[v][i]);
	fprintf(out, "]");
	if (s->latency != NULL)
		latency(s->latency, out);
	fprintf(out, "}");
}

static void result(const struct outcome *o, const struct result *r, FILE *out)
{
	const struct contestant *c = r->contestant;
	const char *what, *unit;

	fprintf(out, "      {"), named(out, "contestant", c->name);
	fprintf(out,
		", \"limit\": %s, \"unbounded\": %s, \"operations\": %llu, \"taken\": %u, \"kept\": %u, "
		"\"thrown_away_moved\": %u, \"thrown_away_busy\": %u, \"collapses\": %s, \"values\": [",
		c->limit ? "true" : "false", c->unbounded ? "true" : "false", (unsigned long long)r->operations,
		r->taken + r->busy, r->kept, r->moved, r->busy, r->collapsed ? "true" : "false");
	for (int v = 0; (what = scenario_value(&o->scenario, v, &unit)) != NULL; v++) {
		fprintf(out, "%s\n       {", v == 0 ? "" : ","), named(out, "what", what);
		fprintf(out, ", "), named(out, "unit", unit);
		for (int class = 0; class < CLASSES; class++)
			if (r->of[class].count > 0)
				series(&r->of[class], v, o->classless ? "any" : class_names[class], out);
		fprintf(out, "}");
	}
	fprintf(out, "]}");
}

static void loop(const struct scenario *s, FILE *out)
{
	static const char *const kinds[KINDS] = { "spsc", "mpsc", "spmc", "mpmc" };
	static const char *const calls[CALLS] = { "one", "batch", "zero_copy", "blocking", "blocking_batch" };
	static const char *const places[] = { "separate", "same", "free" };

	fprintf(out, ", "), named(out, "kind", kinds[s->kind]);
	fprintf(out, ", \"producers\": %u, \"consumers\": %u, \"item_bytes\": %u, \"capacity\": %zu, ", s->producers,
		s->consumers, s->item_size, s->capacity);
	named(out, "calls", calls[s->calls]);
	fprintf(out, ", \"batch\": %u, ", s->batch), named(out, "place", places[s->place]);
	fprintf(out, ", \"interval_ns\": %lld", (long long)s->interval_ns);
}

static void outcome(const struct outcome *o, FILE *out)
{
	static const char *const measures[] = { "throughput", "round_trip", "latency", "idle", "topic" };
	const struct scenario *s = &o->scenario;
	char title[160];

	fprintf(out, "    {"), named(out, "title", scenario_title(s, title));
	fprintf(out, ", "), named(out, "measure", measures[s->measure]);
	if (s->topic != NULL)
		fprintf(out, ", "), named(out, "group", s->topic->group);
	else
		loop(s, out);
	fprintf(out, ",\n     \"count\": %llu, \"seconds\": %.1f, \"left_out_near\": %s, \"left_out_far\": %s,\n     \"results\": [\n",
		(unsigned long long)s->count, o->seconds, o->left_out[NEAR] ? "true" : "false",
		o->left_out[FAR] ? "true" : "false");
	for (size_t i = 0; i < o->results_count; i++) {
		result(o, &o->results[i], out);
		fprintf(out, "%s\n", i + 1 < o->results_count ? "," : "");
	}
	fprintf(out, "    ]}");
}

static void figure(const struct figure *f, FILE *out)
{
	char target[32];

	fprintf(out, "    {"), named(out, "scenario", f->text);
	fprintf(out, ", "), named(out, "ours", f->ours);
	fprintf(out, ", "), named(out, "other", f->peer);
	fprintf(out, ", \"to_reach\": {");
	for (int p = 0; p < PROCESSORS; p++) {
		figure_target(&f->targets[p], f->unit, target);
		fprintf(out, "%s", p == 0 ? "" : ", "), named(out, processor_names[p], target);
	}
	fprintf(out, "}, \"got\": ");
	if (f->known)
		fprintf(out, "%.4g, \"reached\": %s}", f->got, !f->judged ? "null" : f->reached ? "true" : "false");
	else
		fprintf(out, "null, \"reached\": null}");
}

void report_json(const struct run *run, FILE *out)
{
	struct figure figures[FIGURES_MAX];
	size_t count = figures_make(run, figures, FIGURES_MAX);

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
	fprintf(out, "  ]\n}\n");
}
