/*
 * tools/leat/flow/steps.c: what the steps do with a line. See steps.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/steps.h"
#include "text/fields.h"
#include "tools/leat/flow/group.h"
#include "tools/leat/flow/later.h"
#include "tools/leat/flow/tally.h"
#include "tools/leat/flow/tee.h"
#include "tools/leat/flow/word.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The choices of map, in the order of the table. */
enum { UPPER, LOWER, TRIM, LENGTH, EXPRESSION };

/* Opens format with the text in it. */
static int open_within(const char *format, const char *text, const struct leat_expr_opts *opts,
                       struct leat_expr **expr, struct leat_mistake *mistake)
{
	char within[LEAT_EXPR_BYTES + 32];

	snprintf(within, sizeof(within), format, text);
	return leat_expr_open(within, opts, expr, mistake);
}

int leat_step_expr_open(enum leat_form form, const struct leat_value *value, size_t max,
                        struct leat_row *row, struct leat_expr **expr, struct leat_mistake *mistake)
{
	const struct leat_expr_names names = leat_row_names(row, value);
	const struct leat_expr_opts opts = { .items = LEAT_EXPR_LINES,
		                             .max = max,
		                             .names = &names };
	enum leat_expr_type type;
	int rc = leat_expr_open(value->text, &opts, expr, mistake);

	if (rc != 0)
		return row->no_memory ? -ENOMEM : rc;
	type = leat_expr_type(*expr);
	if (form == LEAT_FORM_AMOUNT
	            ? type != LEAT_EXPR_TRUTH
	            : type == (form == LEAT_FORM_TRUTH ? LEAT_EXPR_TRUTH : LEAT_EXPR_TEXT))
		return 0;
	leat_expr_close(*expr);
	*expr = NULL;
	if (form != LEAT_FORM_TRUTH)
		return open_within(form == LEAT_FORM_AMOUNT  ? "(%s) ? 1 : 0"
		                   : type == LEAT_EXPR_TRUTH ? "text((%s) ? 1 : 0)"
		                                             : "text(%s)",
		                   value->text, &opts, expr, mistake);
	*mistake = (struct leat_mistake){ .what = "this is neither true nor false",
		                          .wanted = "a comparison such as ($9 == 404)" };
	return -EINVAL;
}

static bool is_csv_field(const struct leat_stage *stage)
{
	return stage->arg.as == LEAT_AS_CSV && stage->arg.replaced == NULL && stage->arg.number > 0;
}

/* field:N of CSV is map:($N). A field whose number no expression can have is empty. */
static int open_csv_field(struct leat_run_step *step, const struct leat_value *value)
{
	char text[LEAT_FIGURES + 2] = "''";
	struct leat_value as_text = *value;

	if (value->number <= LEAT_EXPR_FIELD_MAX)
		snprintf(text, sizeof(text), "$%llu", (unsigned long long)value->number);
	as_text.text = text;
	return leat_step_expr_open(LEAT_FORM_VALUE, &as_text, 1, step->row, &step->expr,
	                           &(struct leat_mistake){ 0 });
}

int leat_grep_check(const char *text, char *why, size_t size)
{
	struct leat_pattern *pattern = NULL;
	int rc = leat_pattern_open(&pattern, text, why, size);

	leat_pattern_close(pattern);
	return rc;
}

static void init_rate(struct leat_run_rate *rate, const struct leat_stage *stage)
{
	rate->item_ns = (double)stage->arg.ns / (double)stage->arg.number;
	/*
	 * Without a burst: as many items as there are in a hundredth of a second. That looks
	 * steady, and leaves time to sleep.
	 */
	const struct leat_value *key = leat_stage_key(stage, "burst");
	double burst = key->given ? (double)key->number : 1e7 / rate->item_ns;
	rate->slack_ns = burst > 1 ? (burst - 1) * rate->item_ns : 0;
}

int leat_step_init(struct leat_run_step *step, const struct leat_stage *stage, struct leat_row *row)
{
	*step = (struct leat_run_step){ .stage = stage, .row = row };
	if (leat_later_is(stage))
		return leat_later_open(&step->later, stage);
	switch (stage->type->verb) {
	case LEAT_VERB_GREP:
		step->invert = leat_stage_key(stage, "invert")->number != 0;
		/* The parser has tried it: the only error that is left is -ENOMEM. */
		return leat_pattern_open(&step->pattern, stage->arg.text, (char[1]){ 0 }, 1);
	case LEAT_VERB_FILTER:
	case LEAT_VERB_WHILE:
		return leat_step_expr_open(LEAT_FORM_TRUTH, &stage->arg, 1, row, &step->expr,
		                           &(struct leat_mistake){ 0 });
	case LEAT_VERB_FIELD:
		return is_csv_field(stage) ? open_csv_field(step, &stage->arg) : 0;
	case LEAT_VERB_MAP:
		if (stage->arg.number < EXPRESSION)
			return 0;
		return leat_step_expr_open(LEAT_FORM_VALUE, &stage->arg, 1, row, &step->expr,
		                           &(struct leat_mistake){ 0 });
	case LEAT_VERB_PARTITION:
		step->reads_again = row->count > 0;
		return leat_step_expr_open(LEAT_FORM_VALUE, &stage->arg, 1, row, &step->expr,
		                           &(struct leat_mistake){ 0 });
	case LEAT_VERB_RATE:
		init_rate(&step->rate, stage);
		return 0;
	case LEAT_VERB_TAKE:
	case LEAT_VERB_SKIP:
	case LEAT_VERB_EVERY:
		step->left = stage->arg.number;
		return 0;
	case LEAT_VERB_GROUP:
		return leat_group_open(&step->group, stage, row);
	case LEAT_VERB_DISTINCT:
		leat_recent_init(&step->recent, (size_t)stage->arg.number);
		return 0;
	case LEAT_VERB_SCAN:
		step->scan.kind = (enum leat_scan_kind)stage->arg.number;
		return 0;
	case LEAT_VERB_WORD:
		return leat_word_open(leat_word_of(stage->type), stage->arg.text,
		                      &step->word_state);
	default:
		return 0;
	}
}

void leat_step_fini(struct leat_run_step *step)
{
	leat_pattern_close(step->pattern);
	leat_expr_close(step->expr);
	leat_tee_close(step->tee);
	step->tee = NULL;
	step->pattern = NULL;
	step->expr = NULL;
	leat_group_close(step->group);
	step->group = NULL;
	leat_later_close(step->later);
	step->later = NULL;
	leat_uniq_fini(&step->uniq);
	leat_recent_fini(&step->recent);
	if (step->word_state != NULL)
		leat_word_close(leat_word_of(step->stage->type), step->word_state);
	step->word_state = NULL;
}

static int match_pattern(struct leat_run_step *step, const struct leat_line *line)
{
	const char *data = line->len != 0 ? line->data : "";
	bool found = leat_pattern_find(step->pattern, data, line->len) != NULL;

	return found != step->invert;
}

/* As awk splits: blanks in front of the first field do not count, and several blanks are one. */
static void cut_field(struct leat_line *line, uint64_t n)
{
	struct leat_text field;

	if (n == 0)
		return;
	field = leat_field_find((struct leat_text){ line->data, line->len }, (uint32_t)n);
	line->data = field.len != 0 ? field.data : line->data;
	line->len = field.len;
}

char *leat_put_figures(char *end, uint64_t number)
{
	do
		*--end = (char)('0' + number % 10);
	while ((number /= 10) != 0);
	return end;
}

/* The memory that lines share is read only, so a step that changes bytes makes a copy. */
static int map_line(struct leat_line *line, uint64_t what)
{
	char figures[LEAT_FIGURES], *end = figures + sizeof(figures), *length;
	struct leat_line made;
	int rc;

	if (what == TRIM) {
		struct leat_text text = leat_text_trim((struct leat_text){ line->data, line->len });

		line->data = text.data;
		line->len = text.len;
		return 1;
	}
	length = leat_put_figures(end, line->len);
	rc = what == LENGTH ? leat_line_copy(&made, length, (size_t)(end - length))
	                    : leat_line_copy(&made, line->data, line->len);
	if (rc != 0)
		return rc;
	if (what != LENGTH)
		leat_text_change_case((char *)made.data, made.data, made.len,
		                      what == UPPER ? 'a' : 'A');
	leat_line_free(line);
	*line = made;
	return 1;
}

static int run_expr(struct leat_run_step *step, const struct leat_line *line,
                    struct leat_expr_values *values)
{
	int rc = 0;

	/* Behind a step that replaced the line no expression has names, and the row is not asked.
	 */
	if (step->row->count != 0 && step->stage->arg.replaced == NULL)
		rc = leat_row_read(step->row, line);
	return rc != 0 ? rc : leat_expr_run(step->expr, line, step->row->columns, 1, values);
}

static int filter_line(struct leat_run_step *step, const struct leat_line *line)
{
	struct leat_expr_values values;
	int rc = run_expr(step, line, &values);

	return rc != 0 ? rc : values.truths[0];
}

uint64_t leat_step_part(struct leat_run_step *step, const struct leat_line *line, uint64_t parts)
{
	const uint64_t lines = step->row->lines, bad = step->row->bad;
	struct leat_expr_values values;
	const struct leat_text *text;
	int rc;

	leat_row_forget(step->row);
	rc = run_expr(step, line, &values);
	if (step->reads_again) { /* it counts once */
		step->row->lines = lines;
		step->row->bad = bad;
	}
	if (rc != 0)
		return parts - 1;
	text = &values.texts[0];
	if (step->stage->arg.number != 0) /* true is the first part */
		return text->len == 1 && text->data[0] == '1' ? 0 : 1;
	return leat_tally_hash(text->data, text->len) % parts;
}

static int map_by_expression(struct leat_run_step *step, struct leat_line *line)
{
	struct leat_expr_values values;
	const struct leat_text *text;
	struct leat_line made;
	int rc = run_expr(step, line, &values);

	if (rc != 0)
		return rc;
	text = values.texts;
	if (leat_row_is_part(line, text)) {
		line->data = text->len == 0 ? line->data : text->data;
		line->len = text->len;
		return 1;
	}
	rc = leat_line_copy(&made, text->data, text->len);
	if (rc != 0)
		return rc;
	leat_line_free(line);
	*line = made;
	return 1;
}

int leat_step_run(struct leat_run_step *step, struct leat_line *line)
{
	switch (step->stage->type->verb) {
	case LEAT_VERB_GREP:
		return match_pattern(step, line);
	case LEAT_VERB_FIELD:
		if (step->expr != NULL)
			return map_by_expression(step, line);
		cut_field(line, step->stage->arg.number);
		return 1;
	case LEAT_VERB_FILTER:
	case LEAT_VERB_WHILE:
		return filter_line(step, line);
	case LEAT_VERB_MAP:
		return step->expr != NULL ? map_by_expression(step, line)
		                          : map_line(line, step->stage->arg.number);
	case LEAT_VERB_SKIP:
		if (step->left == 0)
			return 1;
		step->left--;
		return 0;
	case LEAT_VERB_EVERY:
		if (--step->left != 0)
			return 0;
		step->left = step->stage->arg.number;
		return 1;
	case LEAT_VERB_UNIQ:
		return leat_uniq_add(&step->uniq, line->data, line->len);
	case LEAT_VERB_DISTINCT:
		return leat_recent_add(&step->recent, line->data, line->len);
	case LEAT_VERB_SCAN:
		return leat_scan_line(&step->scan, line);
	case LEAT_VERB_TEE:
		return step->tee != NULL ? leat_tee_put(step->tee, line) : 1;
	default:
		return 1;
	}
}

int64_t leat_step_rate_take(struct leat_run_rate *rate, int64_t now_ns)
{
	double floor_ns = (double)now_ns - rate->slack_ns;

	if (!rate->begun)
		rate->spent_ns = floor_ns;
	rate->begun = true;
	/* Time that was not used is kept only as far as the bucket is deep. */
	if (rate->spent_ns < floor_ns)
		rate->spent_ns = floor_ns;
	double go_ns = rate->spent_ns;
	rate->spent_ns += rate->item_ns;
	return (int64_t)go_ns;
}
