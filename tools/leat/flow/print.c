/*
 * tools/leat/flow/print.c: the report in words, and as JSON. See report.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/json.h"
#include "tools/leat/flow/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/*
 * Whether a source that counts its lines has failed, or was cancelled: then that is how its member
 * ended, whatever went wrong when the count was written.
 */
static bool ended_in_source(const struct leat_report *report, size_t at)
{
	const struct leat_end_stat *end = &report->ends[at];

	return leat_member_counts(&report->flow->members[at]) &&
	       (end->cause == LEAT_CANCELED || (end->cause == LEAT_FAILED && end->text[0] != '\0'));
}

/*
 * How a member ended, as the report shows it: as the library has it, but "abandoned" for a sink
 * that lost its reader, and for a group in the middle that has neither seen its last line nor had
 * enough; and what a tee failed with at its end.
 */
static struct leat_end_stat find_shown_end(const struct leat_report *report, size_t at)
{
	const struct leat_member *member = &report->flow->members[at];
	const bool middle = leat_member_is_middle(member);
	struct leat_end_stat end = report->ends[at];

	if ((!report->gave_up || end.known) && member->code != 0 && !ended_in_source(report, at)) {
		end.cause = LEAT_FAILED;
		end.code = member->code;
		snprintf(end.text, sizeof(end.text), "%s", member->failure);
	} else if (end.cause == LEAT_FAILED && middle && end.text[0] == '\0') {
		snprintf(end.text, sizeof(end.text), "%.*s", (int)sizeof(end.text) - 1,
		         report->flow->error);
	} else if (end.cause == LEAT_COMPLETED &&
	           (member->left == -EPIPE || (middle && !member->finished))) {
		end.cause = LEAT_ABANDONED;
		end.code = -EPIPE;
	}
	return end;
}

/*
 * The name that a failure is reported under. In the first and the last group the source or the sink
 * fails, not the steps on its thread; of a member that is both, one of the two.
 */
static const char *find_shown_name(const struct leat_report *report, size_t at)
{
	const struct leat_run *flow = report->flow;
	const struct leat_member *member = &flow->members[at];

	if (leat_member_counts(member) && member->code != 0 && !ended_in_source(report, at))
		return member->final->stage->type->name;
	if (!leat_member_is_middle(member))
		return flow->stages.list[flow->plan.groups[member->group].first].type->name;
	return member->name;
}

static void put_clean(const char *text, FILE *out)
{
	for (; *text != '\0'; text++)
		putc((unsigned char)*text < ' ' || *text == 127 ? '?' : *text, out);
}

static void put_failure(const char *name, int code, const char *text, FILE *out)
{
	const size_t len = strlen(name);

	if (text[0] == '\0')
		text = strerror(-code);
	fputs("leat: ", out);
	/* some texts begin with the name */
	if (strncmp(text, name, len) != 0 || text[len] != ':')
		fprintf(out, "%s: ", name);
	put_clean(text, out);
	putc('\n', out);
}

void leat_report_failures(const struct leat_report *report, FILE *out)
{
	for (size_t i = 0; i < report->flow->members_count; i++) {
		const struct leat_member *member = &report->flow->members[i];
		const struct leat_end_stat end = find_shown_end(report, i);
		if (report->gave_up && !end.known && end.text[0] != '\0')
			fprintf(out, "leat: %s: %s\n", member->name, end.text);
		if (!end.known || end.cause != LEAT_FAILED)
			continue;
		put_failure(find_shown_name(report, i), end.code, end.text, out);
		if (ended_in_source(report, i) && member->code != 0)
			put_failure(member->final->stage->type->name, member->code, member->failure,
			            out);
	}
}

/* "" where there is none, or the sink still runs and may be writing it. */
static const char *find_note(const struct leat_report *report, size_t at)
{
	const struct leat_member *sink = &report->flow->members[at];

	return sink->final == NULL || !sink->started || (report->gave_up && !leat_member_over(sink))
	               ? ""
	               : sink->final->note;
}

void leat_report_note(const struct leat_report *report, FILE *out)
{
	for (size_t i = 0; i < report->flow->members_count; i++)
		if (find_note(report, i)[0] != '\0')
			fprintf(out, "leat: %s: %s\n",
			        report->flow->members[i].final->stage->type->name,
			        find_note(report, i));
}

/* As many of the names as are worth reading. */
static void put_columns(const struct leat_csv_header *header, FILE *out)
{
	size_t len = 0;

	fputs("leat: the columns are ", out);
	for (size_t i = 0; i < header->count; i++) {
		char name[81];

		if (len > 1000) {
			fprintf(out, ", and %zu more", header->count - i);
			break;
		}
		len += header->names[i].len + 2;
		snprintf(name, sizeof(name), "%.*s", (int)header->names[i].len,
		         header->names[i].data);
		fputs(i > 0 ? ", " : "", out);
		put_clean(name, out);
	}
	putc('\n', out);
}

void leat_report_lines_read(const struct leat_report *report, FILE *out)
{
	static const char *const names[] = { "text", "CSV", "pairs", "JSON objects" };
	const struct leat_run *flow = report->flow;
	uint64_t lines, bad;

	if (report->gave_up)
		return;
	for (size_t i = 0; i < flow->inputs_count; i++) {
		const struct leat_input *input = &flow->inputs[i];

		if (input->unknown != NULL)
			put_columns(&input->header, out);
		leat_run_lines_read(flow, input, &lines, &bad);
		if (bad != 0)
			fprintf(out,
			        "leat: %llu of %llu lines could not be read as %s; their fields "
			        "were empty\n",
			        (unsigned long long)bad, (unsigned long long)lines,
			        names[leat_stage_as(input->stage)]);
	}
}

/* Whether each line of the text has less than so many columns; 0: any number. */
static bool fits_columns(const char *text, int columns)
{
	if (columns == 0)
		return true;
	for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1)
		if (end - text >= columns)
			return false;
	return true;
}

/*
 * Writes the text. Lines of `columns` columns or more are broken at blanks, and go on indented. A
 * word that is too long stays whole.
 */
static void put_wrapped(const char *text, int columns, FILE *out)
{
	int column = 0;

	while (*text != '\0') {
		int blanks = (int)strspn(text, " ");
		int len = (int)strcspn(text + blanks, " \n");
		if (columns != 0 && column > 0 && column + blanks + len >= columns) {
			fputs("\n   ", out);
			column = 3;
			blanks = blanks > 0 ? 1 : 0;
			text += strspn(text, " ") - (size_t)blanks;
		}
		fprintf(out, "%.*s", blanks + len, text);
		column += blanks + len;
		text += blanks + len;
		if (*text == '\n') {
			putc(*text++, out);
			column = 0;
		}
	}
}

typedef void put_part_fn(const struct leat_report *report, FILE *out);

/* Writes the table if its lines fit, else the sentences. */
static void put_fitting(const struct leat_report *report, put_part_fn *put_table,
                        put_part_fn *put_sentences, int columns, FILE *out)
{
	char *text = NULL;
	size_t len;

	for (int i = 0; i < 2; i++) {
		FILE *memory = open_memstream(&text, &len);
		if (memory == NULL)
			break;
		(i == 0 ? put_table : put_sentences)(report, memory);
		fclose(memory);
		if (i == 1 || fits_columns(text, columns)) {
			put_wrapped(text, i == 0 ? 0 : columns, out);
			free(text);
			return;
		}
		free(text);
	}
	put_table(report, out);
}

/* The cause in the books; "running" where the report was made before the end. */
static const char *describe_cause(const struct leat_report *report, size_t at)
{
	if (report->ends[at].known || report->gave_up)
		return leat_cause_name(find_shown_end(report, at).cause);
	return "unknown";
}

static int measure_names(const struct leat_report *report, bool edges)
{
	const struct leat_run *flow = report->flow;
	size_t n = edges ? flow->plan.edges_count : flow->members_count,
	       width = strlen("generator");

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(edges ? flow->plan.edges[i].name : flow->members[i].name);
		width = len > width ? len : width;
	}
	return (int)width;
}

static const char *describe_balance(const struct leat_edge_stat *edge)
{
	return !edge->known                       ? "unknown"
	       : leat_report_balanced(&edge->now) ? "balanced"
	                                          : "NOT BALANCED";
}

static void put_drops(const struct leat_chan_stat *stat, FILE *out)
{
	for (int k = 0; k < LEAT_DROP_REASONS; k++)
		if (stat->dropped[k] != 0)
			fprintf(out, "; dropped %s %" PRIu64, leat_drop_name(k), stat->dropped[k]);
	putc('\n', out);
}

static void put_edges(const struct leat_report *report, FILE *out)
{
	int width = measure_names(report, true);

	fprintf(out, "%-*s %12s %12s %10s %10s %10s %9s  books\n", width, "edge", "offered",
	        "delivered", "dropped", "rejected", "in flight", "peak");
	for (size_t i = 0; i < report->flow->plan.edges_count; i++) {
		const struct leat_chan_stat *stat = &report->edges[i].now;
		fprintf(out,
		        "%-*s %12" PRIu64 " %12" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
		        " %9" PRIu64 "  %s",
		        width, report->flow->plan.edges[i].name, stat->offered, stat->delivered,
		        leat_report_dropped(stat), stat->rejected, stat->in_flight, stat->peak,
		        describe_balance(&report->edges[i]));
		put_drops(stat, out);
	}
}

static void put_edge_sentences(const struct leat_report *report, FILE *out)
{
	for (size_t i = 0; i < report->flow->plan.edges_count; i++) {
		const struct leat_chan_stat *stat = &report->edges[i].now;
		fprintf(out,
		        "%s: offered %" PRIu64 " = delivered %" PRIu64 " + dropped %" PRIu64
		        " + rejected %" PRIu64 " + in flight %" PRIu64 "; peak %" PRIu64 "; %s",
		        report->flow->plan.edges[i].name, stat->offered, stat->delivered,
		        leat_report_dropped(stat), stat->rejected, stat->in_flight, stat->peak,
		        describe_balance(&report->edges[i]));
		put_drops(stat, out);
	}
}

/* A row for each member that counts on its source's thread, and so has no edge. */
static void put_counted(const struct leat_report *report, FILE *out)
{
	const struct leat_run *flow = report->flow;
	const int width = measure_names(report, false);

	fprintf(out, "%-*s %12s\n", width, "counted", "lines");
	for (size_t i = 0; i < flow->members_count; i++)
		if (leat_member_counts(&flow->members[i]))
			fprintf(out, "%-*s %12" PRIu64 "\n", width, flow->members[i].name,
			        leat_member_counted(&flow->members[i]));
}

static void put_counted_sentences(const struct leat_report *report, FILE *out)
{
	const struct leat_run *flow = report->flow;

	for (size_t i = 0; i < flow->members_count; i++)
		if (leat_member_counts(&flow->members[i]))
			fprintf(out, "%s: counted %" PRIu64 " lines\n", flow->members[i].name,
			        leat_member_counted(&flow->members[i]));
}

static void put_ends(const struct leat_report *report, FILE *out)
{
	int width = measure_names(report, false);

	fprintf(out, "%-*s %-10s %5s  text\n", width, "generator", "cause", "code");
	for (size_t i = 0; i < report->flow->members_count; i++) {
		const struct leat_end_stat end = find_shown_end(report, i);
		if (!report->flow->members[i].started)
			continue;
		fprintf(out, "%-*s %-10s %5d%s", width, report->flow->members[i].name,
		        describe_cause(report, i), end.code, end.text[0] != '\0' ? "  " : "");
		put_clean(end.text, out);
		putc('\n', out);
	}
}

static void put_end_sentences(const struct leat_report *report, FILE *out)
{
	for (size_t i = 0; i < report->flow->members_count; i++) {
		const struct leat_end_stat end = find_shown_end(report, i);
		if (!report->flow->members[i].started)
			continue;
		fprintf(out, "%s: %s, code %d%s", report->flow->members[i].name,
		        describe_cause(report, i), end.code, end.text[0] != '\0' ? ": " : "");
		put_clean(end.text, out);
		putc('\n', out);
	}
}

void leat_report_books(const struct leat_report *report, int columns, FILE *out)
{
	if (report->flow->plan.edges_count > 0) {
		put_fitting(report, put_edges, put_edge_sentences, columns, out);
		putc('\n', out);
	}
	if (leat_report_counts(report) > 0) {
		put_fitting(report, put_counted, put_counted_sentences, columns, out);
		putc('\n', out);
	}
	put_fitting(report, put_ends, put_end_sentences, columns, out);
	fprintf(out, "\nthreads left behind: %d\n", report->threads_left);
}

/* What the busiest thread of the bottleneck does; "": its rate says it, or a pause of --slow. */
static const char *kind_of_limit(enum leat_limit limit)
{
	switch (limit) {
	case LEAT_LIMIT_BALANCED:
		return "others are as busy";
	case LEAT_LIMIT_CPU:
		return "it computes";
	case LEAT_LIMIT_CALL:
		return "it is in calls that block in the kernel";
	case LEAT_LIMIT_SKEW:
		return "one of its threads has most of the work";
	case LEAT_LIMIT_CORES:
		return "it waits for a processor";
	case LEAT_LIMIT_ORDER:
		return "its workers wait for the one whose turn it is";
	default:
		return "";
	}
}

static void put_verdict(const struct leat_report *report, FILE *out)
{
	struct leat_bottleneck verdict = leat_report_verdict(report);
	const struct leat_verdict *by = &verdict.verdict;
	const char *mark = "; ";

	fputs("bottleneck: ", out);
	if (!verdict.found) {
		fprintf(out, "%s\n", verdict.why_not);
		return;
	}
	fprintf(out, "%s (", report->flow->plan.groups[verdict.group].name);
	if (verdict.rate != NULL)
		fprintf(out, "paced by rate: it lets %s through", verdict.rate->arg.text);
	else
		fprintf(out, "busy %.0f %%", verdict.busy * 100);
	if (verdict.upstream_blocked >= 0) {
		fprintf(out, "%supstream blocked %.0f %% on sending", mark,
		        verdict.upstream_blocked * 100);
		mark = ", ";
	}
	if (verdict.downstream_blocked >= 0)
		fprintf(out, "%sdownstream blocked %.0f %% on receiving", mark,
		        verdict.downstream_blocked * 100);
	fprintf(out, ")\n");
	if (kind_of_limit(by->limit)[0] != '\0')
		fprintf(out, "  %s%s%s\n", kind_of_limit(by->limit),
		        by->advice[0] != '\0' ? "; " : "", by->advice);
}

void leat_report_verdict_line(const struct leat_report *report, int columns, FILE *out)
{
	put_fitting(report, put_verdict, put_verdict, columns, out);
}

static void put_json_text(const char *key, const char *text, FILE *out)
{
	fprintf(out, "\"%s\":", key);
	leat_json_string(out, text, strlen(text));
}

static void put_json_edge(const char *name, const struct leat_chan_stat *stat, FILE *out)
{
	putc('{', out);
	put_json_text("name", name, out);
	fprintf(out, ",\"offered\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"dropped\":{",
	        stat->offered, stat->delivered);
	for (int i = 0; i < LEAT_DROP_REASONS; i++)
		fprintf(out, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", leat_drop_name(i),
		        stat->dropped[i]);
	fprintf(out, "},\"rejected\":%" PRIu64 ",\"in_flight\":%" PRIu64 ",\"peak\":%" PRIu64 "}",
	        stat->rejected, stat->in_flight, stat->peak);
}

static void put_json_end(const char *name, enum leat_cause cause, int code, const char *text,
                         FILE *out)
{
	putc('{', out);
	put_json_text("name", name, out);
	fprintf(out, ",\"cause\":\"%s\",\"code\":%d,", leat_cause_name(cause), code);
	put_json_text("text", text, out);
	putc('}', out);
}

/* What sinks have to say, as one text. */
static void put_json_notes(const struct leat_report *report, FILE *out)
{
	char *text = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&text, &len);

	if (memory == NULL)
		return;
	for (size_t i = 0; i < report->flow->members_count; i++)
		if (find_note(report, i)[0] != '\0')
			fprintf(memory, "%s%s", ftell(memory) > 0 ? "; " : "",
			        find_note(report, i));
	fclose(memory);
	if (len > 0) {
		putc(',', out);
		put_json_text("note", text, out);
	}
	free(text);
}

/* The lines of members that count on their source's thread; such a flow alone has the key. */
static void put_json_counted(const struct leat_report *report, FILE *out)
{
	const struct leat_run *flow = report->flow;
	const char *before = ",\"counted\":[";

	for (size_t i = 0; i < flow->members_count; i++) {
		if (!leat_member_counts(&flow->members[i]))
			continue;
		fprintf(out, "%s{", before);
		put_json_text("name", flow->members[i].name, out);
		fprintf(out, ",\"lines\":%" PRIu64 "}", leat_member_counted(&flow->members[i]));
		before = ",";
	}
	if (leat_report_counts(report) > 0)
		putc(']', out);
}

void leat_report_json(const struct leat_report *report, FILE *out)
{
	const struct leat_run *flow = report->flow;
	struct leat_bottleneck verdict = leat_report_verdict(report);
	const char *comma = "";

	fprintf(out, "{\"status\":%d,\"edges\":[", report->status);
	for (size_t i = 0; i < flow->plan.edges_count; i++) {
		fputs(i > 0 ? "," : "", out);
		put_json_edge(flow->plan.edges[i].name, &report->edges[i].now, out);
	}
	putc(']', out);
	put_json_counted(report, out);
	fputs(",\"generators\":[", out);
	for (size_t i = 0; i < flow->members_count; i++) {
		if (!flow->members[i].started)
			continue;
		fputs(comma, out);
		comma = ",";
		const struct leat_end_stat end = find_shown_end(report, i);
		put_json_end(flow->members[i].name, end.cause, end.code, end.text, out);
	}
	fprintf(out, "],\"threads_left\":%d,\"bottleneck\":", report->threads_left);
	if (verdict.found)
		leat_json_string(out, flow->plan.groups[verdict.group].name,
		                 strlen(flow->plan.groups[verdict.group].name));
	else
		fputs("null", out);
	fprintf(out, ",\"paced\":%s", verdict.found && verdict.rate != NULL ? "true" : "false");
	put_json_notes(report, out);
	fputs("}\n", out);
}

void leat_report_json_unopened(int status, const char *name, int code, const char *text, FILE *out)
{
	fprintf(out, "{\"status\":%d,\"edges\":[],\"generators\":[", status);
	put_json_end(name, LEAT_FAILED, code, text, out);
	fputs("],\"threads_left\":0,\"bottleneck\":null,\"paced\":false}\n", out);
}
