/*
 * Fuzzes the text of a flow: whatever it is, it is taken apart or refused with a place inside of
 * it; and what was taken apart, written down again with other quotes and blanks, is the same flow.
 *
 * Expressions with counted or many repetitions are left out: the C library compiles
 * a{200}{200}{200}, and a with thirty times + behind it, for minutes and into gigabytes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/flow.h"
#include "tests/fuzz/fuzz.h"
#include "tools/leat/flow/group.h"
#include "tools/leat/flow/numeric.h"
#include "tools/leat/flow/parse.h"
#include "tools/leat/flow/steps.h"

#include <errno.h>

/* A word's text in quotes: what holds one kind is put into the other. */
static void put_quoted(FILE *out, const char *text)
{
	while (*text != '\0') {
		char quote = *text == '"' ? '\'' : '"';
		size_t len = strcspn(text, quote == '"' ? "\"" : "'");

		fprintf(out, "%c%.*s%c", quote, (int)len, text, quote);
		text += len;
	}
}

static void put_value(FILE *out, const char *name, const struct leat_value *value)
{
	fprintf(out, "\t%s", name);
	if (!value->given)
		return;
	fputc(':', out);
	put_quoted(out, value->text);
}

/* What a branch begins with, unless that is a source. */
static void put_from(FILE *out, const struct leat_stages *stages, const struct leat_branch *branch)
{
	static const char *const joins[] = { [LEAT_JOIN_STREAM] = "",
		                             [LEAT_JOIN_MERGE] = "merge:",
		                             [LEAT_JOIN_FIRST] = "merge:",
		                             [LEAT_JOIN_BY] = "merge:",
		                             [LEAT_JOIN_ZIP] = "zip:" };

	if (branch->join == LEAT_JOIN_SOURCE)
		return;
	fputs(joins[branch->join], out);
	for (size_t i = 0; i < branch->from_count; i++)
		fprintf(out, "%s%s", i > 0 ? "," : "", stages->streams[branch->from[i]].name);
	if (branch->join == LEAT_JOIN_BY)
		put_value(out, "by", &branch->by);
	fputs(branch->join == LEAT_JOIN_FIRST ? "\tfirst:'yes' |" : " |", out);
}

static void put_to(FILE *out, const struct leat_stages *stages, const struct leat_branch *branch)
{
	for (size_t i = 0; i < branch->to_count; i++)
		fprintf(out, "%s%s", i > 0 ? " , " : " as ", stages->streams[branch->to + i].name);
}

static char *write_down(const struct leat_stages *stages)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	CHECK(out != NULL, "no memory");
	for (size_t i = 0; i < stages->count; i++) {
		const struct leat_stage *stage = &stages->list[i];
		const struct leat_branch *branch = &stages->branches[stage->branch];
		const bool last = i + 1 == branch->first + branch->count;

		if (i == branch->first)
			put_from(out, stages, branch);
		if (stage->workers != 0)
			fprintf(out, "\n%s:'%u'", stage->ordered ? "ordered" : "workers",
			        stage->workers);
		put_value(out, stage->type->name, &stage->arg);
		for (const struct leat_value *key = stage->keys; key != NULL; key = key->next)
			put_value(out, key->name, key);
		if (last)
			put_to(out, stages, branch);
		fputs(i + 1 == stages->count ? "" : last ? "; " : " |", out);
	}
	fclose(out);
	return text;
}

static bool same_value(const struct leat_value *a, const struct leat_value *b)
{
	return a->given == b->given && a->number == b->number && a->ns == b->ns &&
	       a->param == b->param &&
	       (!a->given || (strcmp(a->text, b->text) == 0 && strcmp(a->name, b->name) == 0));
}

static bool same_keys(const struct leat_value *a, const struct leat_value *b)
{
	while (a != NULL && b != NULL && same_value(a, b)) {
		a = a->next;
		b = b->next;
	}
	return a == NULL && b == NULL;
}

static void check_again(const struct leat_stages *stages)
{
	char *text = write_down(stages);
	struct leat_stages again;
	struct leat_mistake mistake;

	CHECK(leat_stages_parse(text, &again, &mistake) == 0, "%s: at %zu: %s", text, mistake.at,
	      mistake.what);
	CHECK(again.count == stages->count && again.branches_count == stages->branches_count &&
	              again.streams_count == stages->streams_count,
	      "%s", text);
	for (size_t i = 0; i < again.branches_count; i++)
		CHECK(again.branches[i].join == stages->branches[i].join &&
		              same_value(&again.branches[i].by, &stages->branches[i].by),
		      "%s", text);
	for (size_t i = 0; i < again.count; i++) {
		const struct leat_stage *a = &stages->list[i], *b = &again.list[i];

		CHECK(a->type == b->type && a->workers == b->workers && a->ordered == b->ordered,
		      "%s", text);
		CHECK(same_value(&a->arg, &b->arg) && same_keys(a->keys, b->keys), "%s", text);
	}
	leat_stages_free(&again);
	free(text);
}

static void check_stages(const struct leat_stages *stages, size_t len)
{
	CHECK(stages->count >= 2, "%zu stages", stages->count);
	for (size_t i = 0; i < stages->streams_count; i++)
		CHECK(stages->streams[i].users > 0 &&
		              stages->streams[i].branch < stages->branches_count,
		      "a stream that goes nowhere");
	for (size_t i = 0; i < stages->count; i++) {
		const struct leat_stage *stage = &stages->list[i];

		const struct leat_branch *branch = &stages->branches[stage->branch];
		const bool first = i == branch->first && branch->join == LEAT_JOIN_SOURCE;
		const bool last = i + 1 == branch->first + branch->count && branch->to_count == 0;

		CHECK(stage->branch < stages->branches_count && i >= branch->first &&
		              i < branch->first + branch->count,
		      "the branch of a stage");
		CHECK(stage->type->role == (first  ? LEAT_SOURCE
		                            : last ? LEAT_SINK
		                                   : LEAT_STEP),
		      "role");
		CHECK(stage->at < len && stage->arg.at <= len, "places");
		for (const struct leat_value *key = stage->keys; key != NULL; key = key->next)
			CHECK(key->given && key->at <= len, "the place of a key");
		CHECK(stage->workers <= LEAT_WORKERS_MAX &&
		              (stage->workers == 0 ? !stage->ordered : stage->type->many),
		      "workers");
		CHECK(stage->arg.given == (stage->type->arg.form != LEAT_FORM_NONE),
		      "the argument");
	}
}

static void check_mistake(const struct leat_mistake *mistake, size_t len)
{
	CHECK(mistake->at <= len, "%zu of %zu", mistake->at, len);
	CHECK(mistake->what[0] != '\0' && mistake->wanted[0] != '\0', "a mistake without words");
	CHECK(memchr(mistake->what, '\0', sizeof(mistake->what)) != NULL, "what");
	CHECK(memchr(mistake->wanted, '\0', sizeof(mistake->wanted)) != NULL, "wanted");
}

/* The flow's own text goes through its steps, as one line; expressions may double it each time. */
#define LINE_MOST ((size_t)1 << 16)

static void run_steps(const struct leat_stages *stages, const char *text, size_t len)
{
	struct leat_line line;
	int rc = leat_line_copy(&line, text, len);

	CHECK(rc == 0, "no memory");
	for (size_t i = 0; line.len <= LINE_MOST && i < stages->count; i++) {
		size_t most = line.len > 20 ? line.len : 20;
		struct leat_run_step step;
		struct leat_row row;

		if (stages->list[i].type->role != LEAT_STEP)
			continue;
		leat_row_init(&row, leat_stage_as(&stages->list[i]));
		CHECK(leat_step_init(&step, &stages->list[i], &row) == 0,
		      "a step that was checked");
		rc = leat_step_run(&step, &line);
		CHECK(rc == 0 || rc == 1, "%d", rc);
		CHECK(step.expr != NULL || line.len <= most, "%zu bytes of %zu", line.len, most);
		leat_step_fini(&step);
		leat_row_fini(&row);
	}
	leat_line_free(&line);
}

/* A result is thrown away; its writer sees to it that each of its lines ends. */
static int note_end(void *arg, const void *data, size_t len)
{
	CHECK(len != 0, "nothing is written");
	*(char *)arg = ((const char *)data)[len - 1];
	return 0;
}

static void run_group(const struct leat_stage *stage, const struct leat_line *line)
{
	struct leat_line lines[3] = { *line, { .data = "1 2 3", .len = 5 }, *line };
	struct leat_result result;
	struct leat_group *group;
	struct leat_row row;
	char note[LEAT_NOTE], last = '\n';

	leat_row_init(&row, leat_stage_as(stage));
	CHECK(leat_group_open(&group, stage, &row) == 0, "a group that was checked");
	CHECK(leat_group_add(group, lines, 3) == 0, "no memory");
	for (enum leat_result_form form = LEAT_RESULT_TEXT; form <= LEAT_RESULT_JSON; form++) {
		leat_result_init(&result, form, note_end, &last);
		CHECK(leat_group_put(group, &result) == 0 && result.at == 0, "a row");
		CHECK(last == '\n', "the end of a row");
	}
	leat_group_note(group, note, sizeof(note));
	CHECK(memchr(note, '\0', sizeof(note)) != NULL, "the note");
	leat_group_close(group);
	leat_row_fini(&row);
}

/* And into its sink, where that is one of numbers or a group. */
static void run_sink(const struct leat_stage *stage, const char *text, size_t len)
{
	struct leat_line line = { .data = text, .len = len };
	struct leat_result rows;
	struct leat_numeric numeric;
	char note[LEAT_NOTE], *result = NULL, last = '\n';
	size_t size;
	FILE *out;

	if (stage->type->verb == LEAT_VERB_GROUP)
		run_group(stage, &line);
	if (!leat_numeric_has(stage->type->verb))
		return;
	out = open_memstream(&result, &size);
	CHECK(out != NULL, "no memory");
	CHECK(leat_numeric_init(&numeric, stage) == 0, "a sink that was checked");
	CHECK(leat_numeric_add(&numeric, &line, 1) == 0, "no memory");
	CHECK(leat_numeric_put(&numeric, 80, out) == 0, "no memory");
	leat_result_init(&rows, LEAT_RESULT_JSON, note_end, &last);
	CHECK(leat_numeric_put_rows(&numeric, &rows) == 0 && rows.at == 0 && last == '\n', "rows");
	leat_numeric_note(&numeric, note);
	CHECK(note[0] != '\0', "the text of a flow is no number");
	fclose(out);
	free(result);
	leat_numeric_fini(&numeric);
}

/* The flow as it would run, which may be refused: two branches of one stream would stand still. */
static void build(struct leat_stages *stages)
{
	const struct leat_run_opts opts = { .capacity = 16, .checks = true };
	struct leat_run *flow;
	char why[LEAT_RUN_WHY];

	if (stages->count > 32) { /* each takes a thread's memory for its steps */
		leat_stages_free(stages);
		return;
	}
	if (leat_run_open(&flow, stages, &opts, why) != 0) {
		CHECK(why[0] != '\0' && flow == NULL, "no reason");
		return;
	}
	for (size_t i = 0; i < flow->plan.groups_count; i++) {
		const struct leat_run_group *group = &flow->plan.groups[i];

		CHECK((group->in == LEAT_NO_EDGE) ==
		              (flow->stages.list[group->first].type->role == LEAT_SOURCE),
		      "what comes into \"%s\"", group->name);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(flow->plan.groups[k].name, group->name) != 0, "\"%s\" twice",
			      group->name);
	}
	for (size_t i = 0; i < flow->plan.edges_count; i++)
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(flow->plan.edges[k].name, flow->plan.edges[i].name) != 0,
			      "\"%s\" twice", flow->plan.edges[i].name);
	leat_run_free(flow);
}

static bool takes_for_ever(const uint8_t *data, size_t size)
{
	size_t repetitions = 0;

	for (size_t i = 0; i < size; i++)
		repetitions += data[i] == '{' ? 100 : data[i] == '+' || data[i] == '*';
	return repetitions > 6 || size > 1024;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct leat_stages stages;
	struct leat_mistake mistake;
	char *text;
	int rc;

	if (takes_for_ever(data, size))
		return 0;
	text = malloc(size + 1);
	CHECK(text != NULL, "no memory");
	if (size != 0)
		memcpy(text, data, size);
	text[size] = '\0';
	rc = leat_stages_parse(text, &stages, &mistake);
	CHECK(rc == 0 || rc == -EINVAL, "%d", rc);
	if (rc == 0) {
		check_stages(&stages, strlen(text));
		check_again(&stages);
		run_steps(&stages, text, size);
		for (size_t i = 0; i < stages.count; i++)
			run_sink(&stages.list[i], text, size);
		build(&stages);
	} else {
		check_mistake(&mistake, strlen(text));
		CHECK(stages.list == NULL && stages.count == 0,
		      "stages of a flow that was refused");
	}
	free(text);
	return 0;
}
