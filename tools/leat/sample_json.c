/*
 * A reading of a counters file as one JSON object.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/json.h"
#include "tools/leat/sample.h"

#include <inttypes.h>
#include <leat/diag.h>
#include <string.h>

static void put_string(FILE *out, const char *key, const char *text)
{
	fprintf(out, ",\"%s\":", key);
	leat_json_string(out, text, strlen(text));
}

static void put_share(FILE *out, const char *key, double share)
{
	if (share < 0)
		fprintf(out, ",\"%s\":null", key);
	else
		fprintf(out, ",\"%s\":%.6f", key, share);
}

/* All values by their names, but the cause, which has a name of its own. */
static void put_values(FILE *out, const struct leat_counters_record *record)
{
	const char *name;

	for (unsigned i = 0; (name = leat_counters_value_name(record->kind, i)) != NULL; i++) {
		if (record->kind == LEAT_COUNTERS_GENERATOR && i == LEAT_COUNTERS_GEN_CAUSE)
			put_string(out, name, leat_cause_name((enum leat_cause)record->values[i]));
		else if (record->kind == LEAT_COUNTERS_GENERATOR && i == LEAT_COUNTERS_GEN_CODE)
			fprintf(out, ",\"%s\":%" PRId64, name, (int64_t)record->values[i]);
		else
			fprintf(out, ",\"%s\":%" PRIu64, name, record->values[i]);
	}
}

/* What each total rises by in a second; of a time in nanoseconds that is a number of threads. */
static void put_rates(FILE *out, const struct rates *rates)
{
	enum leat_counters_kind kind = rates->now->kind;
	const char *name, *comma = "";

	fputs(",\"per_second\":{", out);
	for (unsigned i = 0; (name = leat_counters_value_name(kind, i)) != NULL; i++) {
		if (leat_counters_value_type(kind, i) != LEAT_COUNTERS_TOTAL)
			continue;
		fprintf(out, "%s\"%s\":%.3f", comma, name, rate_of(rates, i));
		comma = ",";
	}
	putc('}', out);
}

static void put_shares(FILE *out, const struct rates *rates)
{
	static const char *const names[] = { "busy_share",  "starved_share", "blocked_share",
		                             "order_share", "paced_share",   "cpu_share",
		                             "runq_share" };
	const struct leat_counters_record *now = rates->now;
	const uint64_t *v = now->values;

	if (now->kind == LEAT_COUNTERS_CHANNEL) {
		put_share(out, "send_blocked_share",
		          share_of(rates, LEAT_COUNTERS_CHAN_SEND_BLOCKED,
		                   v[LEAT_COUNTERS_CHAN_SENDERS]));
		put_share(out, "recv_blocked_share",
		          share_of(rates, LEAT_COUNTERS_CHAN_RECV_BLOCKED,
		                   v[LEAT_COUNTERS_CHAN_RECEIVERS]));
	} else if (now->kind == LEAT_COUNTERS_GENERATOR) {
		for (unsigned t = LEAT_COUNTERS_GEN_BUSY; t <= LEAT_COUNTERS_GEN_RUNQ; t++)
			put_share(out, names[t],
			          share_of(rates, t, now->living != 0 ? now->living : 1));
	} else if (now->kind == LEAT_COUNTERS_POOL) {
		put_share(out, names[0],
		          share_of(rates, LEAT_COUNTERS_POOL_BUSY, v[LEAT_COUNTERS_POOL_WORKERS]));
	}
}

static void put_record(FILE *out, const struct view *view,
                       const struct leat_counters_record *record)
{
	struct rates rates = view_rates(view, record);

	fprintf(out, "{\"id\":%" PRIu64, record->id);
	put_string(out, "name", record->name);
	fprintf(out, ",\"sum\":%s,\"ended\":%s,\"count\":%" PRIu32 ",\"living\":%" PRIu32,
	        (record->flags & LEAT_COUNTERS_SUM) != 0 ? "true" : "false",
	        (record->flags & LEAT_COUNTERS_ENDED) != 0 ? "true" : "false", record->count,
	        record->living);
	if (record->kind == LEAT_COUNTERS_GENERATOR || record->kind == LEAT_COUNTERS_SUBSCRIBER)
		fprintf(out, ",\"channel\":%" PRIu64, record->channel);
	if (record->kind == LEAT_COUNTERS_GENERATOR)
		put_string(out, "text", record->text);
	if (record->kind == LEAT_COUNTERS_POOL)
		put_string(out, "long_name", record->text);
	put_values(out, record);
	put_shares(out, &rates);
	put_rates(out, &rates);
	putc('}', out);
}

static void put_records(FILE *out, const struct view *view, enum leat_counters_kind kind)
{
	const char *comma = "";

	fprintf(out, ",\"%ss\":[", leat_counters_kind_name(kind));
	for (size_t i = 0; i < view->records_count; i++) {
		if (view->records[i].kind != kind)
			continue;
		fputs(comma, out);
		put_record(out, view, &view->records[i]);
		comma = ",";
	}
	putc(']', out);
}

static void put_event(FILE *out, const struct leat_counters_event *event)
{
	fprintf(out, "{\"number\":%" PRIu64 ",\"time_ns\":%" PRId64, event->number, event->time_ns);
	put_string(out, "event", leat_counters_event_name(event->type));
	put_string(out, "of", leat_counters_kind_name(event->kind));
	fprintf(out, ",\"id\":%" PRIu64, event->id);
	put_string(out, "name", event->name);
	fprintf(out, ",\"value\":%" PRIu64, event->value);
	put_string(out, "cause", leat_cause_name(event->cause));
	fprintf(out, ",\"code\":%d", event->code);
	put_string(out, "text", event->text);
	putc('}', out);
}

static void put_events(FILE *out, const struct view *view)
{
	const char *comma = "";

	fputs(",\"events\":[", out);
	for (size_t i = 0; i < view->events_count; i++) {
		if (view->events[i].number < view->first_event)
			continue;
		fputs(comma, out);
		put_event(out, &view->events[i]);
		comma = ",";
	}
	putc(']', out);
}

static void put_process(FILE *out, const struct view *view)
{
	const struct leat_counters_process *info = view->info;

	fprintf(out, "{\"pid\":%" PRIu32, info->pid);
	put_string(out, "name", info->name);
	put_string(out, "state", leat_counters_state_name(info->state));
	fprintf(out, ",\"start_ns\":%" PRId64 ",\"time_ns\":%" PRId64 ",\"wall_ns\":%" PRId64,
	        info->start_ns, info->time_ns, info->wall_ns);
	fprintf(out, ",\"interval_ns\":%" PRId64 ",\"cost_ns\":%" PRId64 ",\"snapshots\":%" PRIu64,
	        info->interval_ns, info->cost_ns, info->snapshots);
	put_string(out, "rates_since", view->before != NULL ? "previous" : "start");
	if (view->before != NULL)
		fprintf(out, ",\"seconds\":%.6f", view->seconds);
	else
		fputs(",\"seconds\":null", out);
	fputs(",\"exits\":{", out);
	for (int cause = LEAT_COMPLETED; cause < LEAT_CAUSES; cause++)
		fprintf(out, "%s\"%s\":%" PRIu64, cause == LEAT_COMPLETED ? "" : ",",
		        leat_cause_name((enum leat_cause)cause), info->exits[cause]);
	fprintf(out,
	        "},\"causes_later\":%" PRIu64 ",\"untold\":%" PRIu64 ",\"waits_unfenced\":%" PRIu64
	        ",\"cores\":%" PRIu32,
	        info->causes_later, info->untold, info->waits_unfenced, info->cores);
	fprintf(out,
	        ",\"records_lost\":%" PRIu64 ",\"events_total\":%" PRIu64
	        ",\"events_lost\":%" PRIu64 ",\"torn\":%" PRIu32 ",\"truncated\":%s,\"mixed\":%s",
	        info->records_lost, info->events_total, info->events_lost, info->torn,
	        info->truncated ? "true" : "false", info->mixed ? "true" : "false");
}

void view_print_json(const struct view *view, FILE *out)
{
	put_process(out, view);
	for (int kind = LEAT_COUNTERS_CHANNEL; kind < LEAT_COUNTERS_KINDS; kind++)
		put_records(out, view, (enum leat_counters_kind)kind);
	put_events(out, view);
	fputs("}\n", out);
}
