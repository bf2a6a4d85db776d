/*
 * tools/leat/flow/stages.c: the table of stages, and reading what they take. See parse.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/later.h"
#include "tools/leat/flow/parse.h"
#include "tools/leat/flow/steps.h"
#include "tools/leat/flow/uniq.h"
#include "tools/leat/flow/value.h"
#include "tools/leat/flow/word.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
#define NUMBER(least, most, words) \
	{ .form = LEAT_FORM_NUMBER, .min = (least), .max = (most), .wanted = (words) }
#define SPAN "a number of lines, or a time such as 100ms, 2s or 1m"
#define A_SPAN { .form = LEAT_FORM_SPAN, .min = 1, .max = UINT64_MAX, .wanted = SPAN }
#define BETWEEN \
	{ .name = "between", .form = LEAT_FORM_ANY, .wanted = "a text to stand between two lines" }
#define PERCENTS "up to 16 percentages from 0 to 100 with up to 6 places, such as 50,99.9,max"
#define LINES_FILE "a file, a pattern such as logs/*.log, or - for standard input"
#define NO_KEYS { { .name = NULL } }
#define AS_LINES \
	{ .name = "as", .form = LEAT_FORM_CHOICE, .choices = { "text", "csv", "kv", "json" }, \
	  .wanted = "csv, kv or json" }
/* in the order of enum leat_result_form */
#define AS_RESULT \
	{ .name = "as", .form = LEAT_FORM_CHOICE, .choices = { "text", "csv", "json" }, \
	  .wanted = "csv or json" }
/* a result for each so many lines, or each time, in place of one */
#define EVERY { .name = "every", .form = LEAT_FORM_SPAN, .min = 1, .max = UINT64_MAX, .wanted = SPAN }
#define AN_AMOUNT "an expression such as ($10)"
#define AMOUNT(key) \
	{ .name = key, .again = true, .form = LEAT_FORM_AMOUNT, .wanted = AN_AMOUNT }
#define APPEND { .name = "append", .form = LEAT_FORM_CHOICE, .choices = { "no", "yes" } }
#define A_FILE(words) { .form = LEAT_FORM_TEXT, .wanted = (words) }

const struct leat_stage_type leat_stage_types[] = {
	{ LEAT_VERB_LINES, LEAT_SOURCE, false, "lines", "lines:FILE [and:FILE] [as:csv|kv|json]",
	  A_FILE(LINES_FILE),
	  { { .name = "and", .again = true, .form = LEAT_FORM_TEXT, .wanted = LINES_FILE },
	    AS_LINES } },
	{ LEAT_VERB_WALK, LEAT_SOURCE, false, "walk", "walk:DIR [name:PATTERN] [as:csv|kv|json]",
	  A_FILE("a directory"),
	  { { .name = "name", .form = LEAT_FORM_TEXT, .wanted = "a pattern such as *.log" },
	    AS_LINES } },
	{ LEAT_VERB_FOLLOW, LEAT_SOURCE, false, "follow",
	  "follow:FILE [from:start|end] [as:csv|kv|json]",
	  A_FILE("a file"),
	  { { .name = "from", .form = LEAT_FORM_CHOICE, .choices = { "end", "start" } },
	    AS_LINES } },
	{ LEAT_VERB_PROC, LEAT_SOURCE, false, "proc", "proc:NAME [every:TIME]",
	  A_FILE("a file below /proc, such as stat"),
	  { { .name = "every", .form = LEAT_FORM_TIME } } },
	{ LEAT_VERB_TICK, LEAT_SOURCE, false, "tick", "tick:TIME",
	  { .form = LEAT_FORM_TIME }, NO_KEYS },
	{ LEAT_VERB_NUMBERS, LEAT_SOURCE, false, "count", "count:N",
	  NUMBER(1, UINT64_MAX, "a number from 1"), NO_KEYS },
	{ LEAT_VERB_GREP, LEAT_STEP, true, "grep", "grep:PATTERN [invert:yes]",
	  { .form = LEAT_FORM_ANY, .wanted = "a text or an extended regular expression" },
	  { { .name = "invert", .form = LEAT_FORM_CHOICE, .choices = { "no", "yes" } } } },
	{ LEAT_VERB_FILTER, LEAT_STEP, true, "filter", "filter:(EXPRESSION)",
	  { .form = LEAT_FORM_TRUTH, .wanted = "an expression such as ($9 == 404)" }, NO_KEYS },
	{ LEAT_VERB_FIELD, LEAT_STEP, true, "field", "field:N",
	  NUMBER(0, UINT32_MAX, "a number from 1 to 4294967295, or 0 for the whole line"), NO_KEYS },
	{ LEAT_VERB_MAP, LEAT_STEP, true, "map", "map:upper|lower|trim|length|(EXPRESSION)",
	  { .form = LEAT_FORM_VALUE, .choices = { "upper", "lower", "trim", "length" },
	    .wanted = "upper, lower, trim, length or an expression such as ($1 .. \" \" .. $9)" },
	  NO_KEYS },
	{ LEAT_VERB_RATE, LEAT_STEP, false, "rate", "rate:N/s [burst:N]",
	  { .form = LEAT_FORM_RATE },
	  { { .name = "burst", .form = LEAT_FORM_NUMBER, .min = 1, .max = UINT32_MAX,
	      .wanted = "a number from 1 to 4294967295" } } },
	{ LEAT_VERB_TAKE, LEAT_STEP, false, "take", "take:N",
	  NUMBER(1, UINT64_MAX, "a number from 1"), NO_KEYS },
	{ LEAT_VERB_SKIP, LEAT_STEP, false, "skip", "skip:N",
	  NUMBER(1, UINT64_MAX, "a number from 1"), NO_KEYS },
	{ LEAT_VERB_EVERY, LEAT_STEP, false, "every", "every:N|TIME", A_SPAN, NO_KEYS },
	{ LEAT_VERB_UNIQ, LEAT_STEP, false, "uniq", "uniq", { 0 }, NO_KEYS },
	{ LEAT_VERB_DISTINCT, LEAT_STEP, false, "distinct", "distinct:N",
	  NUMBER(1, LEAT_RECENT_MAX, "a number of lines to remember, from 1 to 1073741824"),
	  NO_KEYS },
	{ LEAT_VERB_WHILE, LEAT_STEP, false, "while", "while:(EXPRESSION)",
	  { .form = LEAT_FORM_TRUTH, .wanted = "an expression such as ($1 < 100)" }, NO_KEYS },
	/* in the order of enum leat_scan_kind */
	{ LEAT_VERB_SCAN, LEAT_STEP, false, "scan", "scan:count|sum|min|max|mean",
	  { .form = LEAT_FORM_CHOICE, .choices = { "count", "sum", "min", "max", "mean" } },
	  NO_KEYS },
	{ LEAT_VERB_BATCH, LEAT_STEP, false, "batch", "batch:N [within:TIME] [between:TEXT]",
	  NUMBER(1, UINT32_MAX, "a number of lines from 1 to 4294967295"),
	  { { .name = "within", .form = LEAT_FORM_TIME }, BETWEEN } },
	{ LEAT_VERB_WINDOW, LEAT_STEP, false, "window", "window:N [between:TEXT]",
	  NUMBER(1, LEAT_WINDOW_MAX, "a number of lines from 1 to 65536"), { BETWEEN } },
	{ LEAT_VERB_DELAY, LEAT_STEP, false, "delay", "delay:TIME [most:N]",
	  { .form = LEAT_FORM_TIME },
	  { { .name = "most", .form = LEAT_FORM_NUMBER, .min = 1, .max = UINT32_MAX,
	      .wanted = "a number of lines from 1 to 4294967295" } } },
	{ LEAT_VERB_DEBOUNCE, LEAT_STEP, false, "debounce", "debounce:TIME",
	  { .form = LEAT_FORM_TIME }, NO_KEYS },
	{ LEAT_VERB_TIMEOUT, LEAT_STEP, false, "timeout", "timeout:TIME",
	  { .form = LEAT_FORM_TIME }, NO_KEYS },
	{ LEAT_VERB_TEE, LEAT_STEP, false, "tee", "tee:FILE [append:yes]",
	  A_FILE("the path of a file to write"), { APPEND } },
	{ LEAT_VERB_PARTITION, LEAT_STEP, false, "partition", "partition:(KEY) as NAME, NAME",
	  { .form = LEAT_FORM_KEY, .wanted = "an expression such as ($9 >= 400) or ($1)" }, NO_KEYS },
	{ LEAT_VERB_BRIDGE, LEAT_STEP, false, "bridge", "bridge:N",
	  NUMBER(1, 1024, "a number of files to read at a time, from 1 to 1024"), NO_KEYS },
	{ LEAT_VERB_BUFFER, LEAT_STEP, false, "buffer", "buffer:N",
	  NUMBER(1, LEAT_CAPACITY_MAX, "a number of items from 1 to 16777216"), NO_KEYS },
	{ LEAT_VERB_STDOUT, LEAT_SINK, false, "stdout", "stdout", { 0 }, NO_KEYS },
	{ LEAT_VERB_FILE, LEAT_SINK, false, "file",
	  "file:PATH [append:yes] [sync:yes|TIME] [reopen:yes]",
	  A_FILE("the path of a file to write"),
	  { APPEND,
	    { .name = "sync", .form = LEAT_FORM_TIME_OR, .choices = { "no", "yes" },
	      .wanted = "no, yes or a time such as 100ms, 2s or 1m" },
	    { .name = "reopen", .form = LEAT_FORM_CHOICE, .choices = { "no", "yes" } } } },
	{ LEAT_VERB_COUNT, LEAT_SINK, false, "count", "count [as:csv|json] [every:N|TIME]", { 0 }, { AS_RESULT, EVERY } },
	{ LEAT_VERB_TALLY, LEAT_SINK, false, "tally", "tally [as:csv|json] [every:N|TIME]", { 0 }, { AS_RESULT, EVERY } },
	{ LEAT_VERB_TOP, LEAT_SINK, false, "top", "top:N [as:csv|json] [every:N|TIME]",
	  NUMBER(1, UINT32_MAX, "a number of lines from 1 to 4294967295"), { AS_RESULT, EVERY } },
	{ LEAT_VERB_GROUP, LEAT_SINK, false, "group",
	  "group:(KEY) [count:yes] [sum|mean|min|max|p99:(EXPRESSION)]... [by:key] [top:N] [most:N] "
	  "[as:csv|json] [every:N|TIME]",
	  { .form = LEAT_FORM_VALUE, .wanted = "an expression such as ($1)" },
	  { { .name = "count", .form = LEAT_FORM_CHOICE, .choices = { "no", "yes" } },
	    AMOUNT("sum"), AMOUNT("mean"), AMOUNT("min"), AMOUNT("max"),
	    { .name = "p", .again = true, .percent = true, .form = LEAT_FORM_AMOUNT,
	      .wanted = AN_AMOUNT },
	    { .name = "by", .form = LEAT_FORM_CHOICE, .choices = { "value", "key" } },
	    { .name = "top", .form = LEAT_FORM_NUMBER, .min = 1, .max = UINT32_MAX,
	      .wanted = "a number of rows from 1 to 4294967295" },
	    { .name = "most", .form = LEAT_FORM_NUMBER, .min = 1, .max = UINT32_MAX,
	      .wanted = "a number of keys from 1 to 4294967295" },
	    AS_RESULT, EVERY } },
	{ LEAT_VERB_SUM, LEAT_SINK, false, "sum", "sum [as:csv|json] [every:N|TIME]", { 0 }, { AS_RESULT, EVERY } },
	{ LEAT_VERB_MIN, LEAT_SINK, false, "min", "min [as:csv|json] [every:N|TIME]", { 0 }, { AS_RESULT, EVERY } },
	{ LEAT_VERB_MAX, LEAT_SINK, false, "max", "max [as:csv|json] [every:N|TIME]", { 0 }, { AS_RESULT, EVERY } },
	{ LEAT_VERB_MEAN, LEAT_SINK, false, "mean", "mean [as:csv|json] [every:N|TIME]", { 0 }, { AS_RESULT, EVERY } },
	{ LEAT_VERB_QUANTILES, LEAT_SINK, false, "quantiles", "quantiles [of:P,P,...] [as:csv|json] [every:N|TIME]",
	  { 0 }, { { .name = "of", .form = LEAT_FORM_PERCENTS, .wanted = PERCENTS }, AS_RESULT,
	         EVERY } },
	{ LEAT_VERB_HISTOGRAM, LEAT_SINK, false, "histogram", "histogram [as:csv|json] [every:N|TIME]", { 0 }, { AS_RESULT, EVERY } },
	{ LEAT_VERB_NULL, LEAT_SINK, false, "null", "null", { 0 }, NO_KEYS },
};
/* clang-format on */
const size_t leat_stage_types_count = sizeof(leat_stage_types) / sizeof(leat_stage_types[0]);

/* Those of the table, then those that were registered; NULL behind the last. */
static const struct leat_stage_type *type_at(size_t i)
{
	return i < leat_stage_types_count ? &leat_stage_types[i]
	                                  : leat_word_type(i - leat_stage_types_count);
}

const struct leat_stage_type *leat_stage_find(enum leat_role role, const char *name)
{
	const struct leat_stage_type *type;

	for (size_t i = 0; (type = type_at(i)) != NULL; i++)
		if (type->role == role && strcmp(type->name, name) == 0)
			return type;
	return NULL;
}

static void append_part(char *to, size_t size, const char *text, size_t len)
{
	size_t used = strlen(to);

	snprintf(to + used, size - used, "%s%.*s", used != 0 ? ", " : "", (int)len, text);
}

static void append_name(char *to, size_t size, const char *text)
{
	append_part(to, size, text, strlen(text));
}

/* Nearly all sinks have the key `as`, which would fill their list: it is told with their keys. */
static size_t measure_shown(const struct leat_stage_type *type)
{
	const char *as = type->role == LEAT_SINK ? strstr(type->shown, " [as:") : NULL;

	return as != NULL ? (size_t)(as - type->shown) : strlen(type->shown);
}

void leat_stages_list(enum leat_role role, bool many_only, char *to, size_t size)
{
	const struct leat_stage_type *type;

	to[0] = '\0';
	for (size_t i = 0; (type = type_at(i)) != NULL; i++)
		if (type->role == role && (!many_only || type->many))
			append_part(to, size, type->shown, measure_shown(type));
	if (role == LEAT_STEP && !many_only) {
		append_name(to, size, "workers:N STEP");
		append_name(to, size, "ordered:N STEP");
	}
}

bool leat_stage_is_workers(const char *name)
{
	return strcmp(name, "workers") == 0 || strcmp(name, "ordered") == 0;
}

void leat_param_wanted(const struct leat_param *param, char *to, size_t size)
{
	const char *wanted = param->wanted;

	to[0] = '\0';
	if (wanted == NULL && param->form == LEAT_FORM_TIME)
		wanted = "a time such as 100ms, 2s or 1m";
	else if (wanted == NULL && param->form == LEAT_FORM_RATE)
		wanted = "a rate such as 1000/s or 10/m";
	if (wanted != NULL)
		append_name(to, size, wanted);
	for (size_t i = 0; wanted == NULL && param->choices[i] != NULL; i++)
		append_name(to, size, param->choices[i]);
	if (to[0] == '\0')
		append_name(to, size, "VALUE");
}

static bool refuse_value(struct leat_mistake *mistake, const struct leat_value *value,
                         const char *what, const struct leat_param *param)
{
	mistake->at = value->at;
	snprintf(mistake->what, sizeof(mistake->what), "%s", what);
	leat_param_wanted(param, mistake->wanted, sizeof(mistake->wanted));
	return false;
}

static bool read_choice(const struct leat_param *param, struct leat_value *value,
                        struct leat_mistake *mistake)
{
	struct leat_param choices = *param;

	for (value->number = 0; param->choices[value->number] != NULL; value->number++)
		if (strcmp(param->choices[value->number], value->text) == 0)
			return true;
	choices.wanted = NULL; /* it may leave out a choice that is that of no key */
	return refuse_value(mistake, value, "no such choice", &choices);
}

static bool read_number(const struct leat_param *param, struct leat_value *value,
                        struct leat_mistake *mistake)
{
	int rc = leat_value_number(value->text, &value->number);

	if (rc == -EINVAL)
		return refuse_value(mistake, value, "not a number", param);
	if (rc != 0 && param->max == UINT64_MAX)
		return refuse_value(mistake, value, "a number above 18446744073709551615", param);
	if (rc != 0 || value->number < param->min || value->number > param->max)
		return refuse_value(mistake, value, "a number out of range", param);
	return true;
}

/* A time or a rate; neither may be 0. */
static bool read_time(const struct leat_param *param, struct leat_value *value,
                      struct leat_mistake *mistake)
{
	bool rate = param->form == LEAT_FORM_RATE;
	int rc = rate ? leat_value_rate(value->text, &value->number, &value->ns)
	              : leat_value_time(value->text, &value->ns);

	if (rc == -EINVAL)
		return refuse_value(mistake, value, rate ? "not a rate" : "not a time", param);
	if (rc != 0)
		return refuse_value(
			mistake, value,
			rate ? "a rate above 18446744073709551615" : "a time above 876000h", param);
	if (value->ns == 0 || (rate && value->number == 0))
		return refuse_value(mistake, value, rate ? "a rate of 0" : "a time of 0", param);
	return true;
}

/* A number of lines, or a time. */
static bool read_span(const struct leat_param *param, struct leat_value *value,
                      struct leat_mistake *mistake)
{
	if (leat_value_number(value->text, &value->number) != -EINVAL)
		return read_number(param, value, mistake);
	value->number = 0;
	if (leat_value_time(value->text, &value->ns) == -EINVAL)
		return refuse_value(mistake, value, "neither a number nor a time", param);
	return read_time(param, value, mistake);
}

static bool read_time_or(const struct leat_param *param, struct leat_value *value,
                         struct leat_mistake *mistake)
{
	for (value->number = 0; param->choices[value->number] != NULL; value->number++)
		if (strcmp(param->choices[value->number], value->text) == 0)
			return true;
	return read_time(param, value, mistake);
}

static bool is_word(const char *text)
{
	while ((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z'))
		text++;
	return *text == '\0';
}

/* The mistake's place is within value->text, from value->at on. */
static bool read_expression(const struct leat_param *param, struct leat_value *value,
                            struct leat_mistake *mistake)
{
	struct leat_expr *expr;
	struct leat_row row;
	int rc;

	for (value->number = 0; param->choices[value->number] != NULL; value->number++)
		if (strcmp(param->choices[value->number], value->text) == 0)
			return true;
	leat_row_init(&row, value->as);
	rc = leat_step_expr_open(param->form, value, 1, &row, &expr, mistake);
	leat_row_fini(&row);
	if (rc == -EINVAL && value->number > 0 && is_word(value->text))
		return refuse_value(mistake, value, "no such choice", param);
	if (rc != 0) {
		mistake->at += value->at;
		if (rc == -ENOMEM)
			return refuse_value(mistake, value, "no memory", param);
		return false;
	}
	leat_expr_close(expr);
	return true;
}

static bool read_key(const struct leat_param *param, struct leat_value *value,
                     struct leat_mistake *mistake)
{
	struct leat_param truth = *param;
	struct leat_mistake none;
	bool is_truth;

	if (!read_expression(param, value, mistake))
		return false;
	truth.form = LEAT_FORM_TRUTH;
	is_truth = read_expression(&truth, value, &none);
	value->number = is_truth;
	return true;
}

static bool read_percents(const struct leat_param *param, struct leat_value *value,
                          struct leat_mistake *mistake)
{
	uint32_t percents[LEAT_PERCENTS_MAX];
	size_t count;
	int rc = leat_value_percents(value->text, percents, &count);

	if (rc == 0)
		return true;
	return refuse_value(mistake, value,
	                    rc == -EINVAL                ? "no percentages"
	                    : count == LEAT_PERCENTS_MAX ? "more than 16 percentages"
	                                                 : "a percentage out of range",
	                    param);
}

bool leat_param_read(const struct leat_param *param, struct leat_value *value,
                     struct leat_mistake *mistake)
{
	if (value->text[0] == '\0' && param->form != LEAT_FORM_ANY)
		return refuse_value(mistake, value, "the value is empty", param);
	switch (param->form) {
	case LEAT_FORM_NUMBER:
		return read_number(param, value, mistake);
	case LEAT_FORM_TIME:
	case LEAT_FORM_RATE:
		return read_time(param, value, mistake);
	case LEAT_FORM_SPAN:
		return read_span(param, value, mistake);
	case LEAT_FORM_TIME_OR:
		return read_time_or(param, value, mistake);
	case LEAT_FORM_CHOICE:
		return read_choice(param, value, mistake);
	case LEAT_FORM_PERCENTS:
		return read_percents(param, value, mistake);
	case LEAT_FORM_TRUTH:
	case LEAT_FORM_VALUE:
	case LEAT_FORM_AMOUNT:
		return read_expression(param, value, mistake);
	case LEAT_FORM_KEY:
		return read_key(param, value, mistake);
	case LEAT_FORM_TEXT:
	case LEAT_FORM_ANY:
	case LEAT_FORM_NONE:
		break;
	}
	return true;
}
