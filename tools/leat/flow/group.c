/*
 * tools/leat/flow/group.c: the sink `group`: a row for each key. See group.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/group.h"
#include "text/expr.h"
#include "tools/leat/flow/cells.h"
#include "tools/leat/flow/steps.h"
#include "tools/leat/flow/tally.h"
#include "tools/leat/flow/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_LEN 32
#define KEY_NAME "key"
#define OTHERS "(others)"
/* Rows, and among them quantiles, that are written in some hundredths of a second. */
#define QUICK_ROWS 50000u
#define QUICK_QUANTILES 5000u

/* An expression whose values are numbers: what one column, or several, are made of. */
struct input {
	const struct leat_value *value; /* of the first such column */
	struct leat_expr *expr;
	struct leat_cells cells;
	uint64_t bad; /* values that were no numbers */
};

enum column_kind { COUNT, SUM, MEAN, MIN, MAX, PERCENT };

struct column {
	enum column_kind kind;
	struct input *input; /* NULL: count */
	uint32_t percent;
	char name[NAME_MAX_LEN];
};

struct leat_group {
	const struct leat_stage *stage;
	struct leat_row *row;
	struct leat_expr *key;
	struct input *inputs;
	struct column *columns;
	size_t inputs_count, columns_count;
	const char **names; /* those of the columns, and of the key */
	bool by_key;
	size_t most, top; /* keys, rows */
	struct leat_tally tally;
	struct leat_tally_entry *others; /* of lines whose keys there was no room for; NULL: none */
	uint64_t lines, others_before;   /* of all results; in `others` of those before this one */
	bool rounded, sketched;          /* what has been written is so */
	int rc;                          /* of an order by quantiles */
	struct leat_fields *fields;      /* those of lines without names, for all expressions */
	/* what a vector of lines has under the row's names, and the entries of the lines */
	struct leat_text *texts;
	const void **text_columns;
	struct leat_tally_entry *entries[LEAT_GROUP_BATCH];
};

static const struct {
	const char *name;
	enum column_kind kind;
	enum leat_cell cell;
} kinds[] = {
	{ "count", COUNT, LEAT_CELL_COUNT }, { "sum", SUM, LEAT_CELL_SUM },
	{ "mean", MEAN, LEAT_CELL_SUM },     { "min", MIN, LEAT_CELL_LEAST },
	{ "max", MAX, LEAT_CELL_GREATEST },  { "p", PERCENT, LEAT_CELL_QUANTILES },
};

/* The input of this expression, which is added if it is not there yet; NULL: no memory. */
static struct input *find_input(struct leat_group *group, const struct leat_value *value)
{
	struct input *input;
	struct leat_mistake mistake;

	for (size_t i = 0; i < group->inputs_count; i++)
		if (strcmp(group->inputs[i].value->text, value->text) == 0)
			return &group->inputs[i];
	input = &group->inputs[group->inputs_count];
	input->value = value;
	/* The parser has tried it: the only error that is left is -ENOMEM. */
	if (leat_step_expr_open(LEAT_FORM_AMOUNT, value, LEAT_GROUP_BATCH, group->row, &input->expr,
	                        &mistake) != 0)
		return NULL;
	group->inputs_count++;
	return input;
}

/* The second column named sum is sum_2. */
static void name_column(struct leat_group *group, struct column *column, const char *name)
{
	unsigned same = 1;

	for (const struct column *c = group->columns; c < column; c++)
		same += strncmp(c->name, name, strlen(name)) == 0 &&
		        (c->name[strlen(name)] == '\0' || c->name[strlen(name)] == '_');
	if (same == 1)
		snprintf(column->name, NAME_MAX_LEN, "%.20s", name);
	else
		snprintf(column->name, NAME_MAX_LEN, "%.20s_%u", name, same);
}

static int add_column(struct leat_group *group, const struct leat_value *value)
{
	struct column *column = &group->columns[group->columns_count];
	size_t i = 0, count;
	uint32_t percents[LEAT_PERCENTS_MAX];

	while (strcmp(kinds[i].name, value->param->name) != 0)
		i++;
	column->kind = kinds[i].kind;
	if (column->kind == PERCENT && leat_value_percents(value->name + 1, percents, &count) == 0)
		column->percent = percents[0];
	if (column->kind != COUNT) {
		column->input = find_input(group, value);
		if (column->input == NULL)
			return -ENOMEM;
		leat_cells_want(&column->input->cells, kinds[i].cell, &group->tally.extra);
	}
	name_column(group, column, value->name);
	group->names[group->columns_count++] = column->name;
	return 0;
}

/* Whether the key of the stage is a column. */
static bool is_column(const struct leat_value *value)
{
	return value->param->form == LEAT_FORM_AMOUNT ||
	       (strcmp(value->param->name, "count") == 0 && value->number != 0);
}

/* Without columns, and without a word on them, there is the count. */
static int add_columns(struct leat_group *group)
{
	bool any = leat_stage_key(group->stage, "count")->given;
	int rc = 0;

	for (const struct leat_value *value = group->stage->keys; rc == 0 && value != NULL;
	     value = value->next) {
		if (is_column(value))
			rc = add_column(group, value);
		any |= is_column(value);
	}
	if (!any) {
		strcpy(group->columns[0].name, "count");
		group->names[group->columns_count++] = group->columns[0].name;
	}
	group->names[group->columns_count] = KEY_NAME;
	return rc;
}

/* Columns of texts for the names that the expressions mention, which are all there now. */
static int open_texts(struct leat_group *group)
{
	size_t count = group->row->count;

	if (count == 0)
		return 0;
	group->texts = calloc(count * LEAT_GROUP_BATCH, sizeof(*group->texts));
	group->text_columns = calloc(count, sizeof(*group->text_columns));
	if (group->texts == NULL || group->text_columns == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		group->text_columns[i] = group->texts + i * LEAT_GROUP_BATCH;
	return 0;
}

/* Names, where there are any, are columns themselves. */
static int open_fields(struct leat_group *group)
{
	int rc;

	if (group->row->as != LEAT_AS_TEXT && group->stage->arg.replaced == NULL)
		return 0;
	rc = leat_fields_open(&group->fields, LEAT_GROUP_BATCH);
	group->row->fields = group->fields;
	return rc;
}

int leat_group_open(struct leat_group **made, const struct leat_stage *stage, struct leat_row *row)
{
	struct leat_group *group = calloc(1, sizeof(*group));
	const struct leat_value *most = leat_stage_key(stage, "most"),
				*top = leat_stage_key(stage, "top");
	struct leat_mistake mistake;
	size_t n = 1;
	int rc = -ENOMEM;

	*made = group;
	if (group == NULL)
		return rc;
	for (const struct leat_value *value = stage->keys; value != NULL; value = value->next)
		n++;
	group->stage = stage;
	group->row = row;
	group->most = most->given ? (size_t)most->number : SIZE_MAX;
	group->top = top->given ? (size_t)top->number : SIZE_MAX;
	group->by_key = leat_stage_key(stage, "by")->number != 0;
	group->inputs = calloc(n, sizeof(*group->inputs));
	group->columns = calloc(n, sizeof(*group->columns));
	group->names = calloc(n + 1, sizeof(*group->names));
	if (group->inputs != NULL && group->columns != NULL && group->names != NULL)
		rc = open_fields(group);
	if (rc == 0)
		rc = leat_step_expr_open(LEAT_FORM_VALUE, &stage->arg, LEAT_GROUP_BATCH, row,
		                         &group->key, &mistake);
	if (rc == 0)
		rc = add_columns(group);
	row->fields = NULL;
	if (rc == 0)
		rc = open_texts(group);
	return rc == 0 ? 0 : -ENOMEM;
}

static void free_cells(struct leat_group *group, struct leat_tally_entry *entry)
{
	for (size_t i = 0; i < group->inputs_count; i++)
		leat_cells_fini(&group->inputs[i].cells, entry->bytes);
}

static void free_entries(struct leat_group *group)
{
	struct leat_tally_walk walk = leat_tally_walk(&group->tally);
	struct leat_tally_entry *entry;

	while (group->inputs_count != 0 && (entry = leat_tally_next(&group->tally, &walk)) != NULL)
		free_cells(group, entry);
	if (group->others != NULL)
		free_cells(group, group->others);
	free(group->others);
	group->others = NULL;
}

void leat_group_restart(struct leat_group *group)
{
	const size_t extra = group->tally.extra;

	group->others_before += group->others != NULL ? group->others->count : 0;
	free_entries(group);
	leat_tally_fini(&group->tally);
	group->tally = (struct leat_tally){ .extra = extra };
}

void leat_group_close(struct leat_group *group)
{
	if (group == NULL)
		return;
	free_entries(group);
	for (size_t i = 0; i < group->inputs_count; i++)
		leat_expr_close(group->inputs[i].expr);
	leat_expr_close(group->key);
	leat_fields_close(group->fields);
	leat_tally_fini(&group->tally);
	free(group->inputs);
	free(group->columns);
	free(group->names);
	free(group->texts);
	free(group->text_columns);
	free(group);
}

/* The entry that lines with further keys share; NULL: no memory. */
static struct leat_tally_entry *find_others(struct leat_group *group)
{
	if (group->others == NULL)
		group->others = calloc(1, sizeof(*group->others) + group->tally.extra);
	return group->others;
}

/* Finds the entries of n lines, by their keys, and counts the lines. */
static int find_entries(struct leat_group *group, const struct leat_text *keys, size_t n)
{
	uint64_t hashes[LEAT_GROUP_BATCH];

	for (size_t i = 0; i < n; i++) {
		hashes[i] = leat_tally_hash(keys[i].data, keys[i].len);
		leat_tally_prefetch(&group->tally, hashes[i]);
	}
	for (size_t i = 0; i < n; i++) {
		struct leat_tally_entry *entry;
		int rc = leat_tally_find(&group->tally, hashes[i], keys[i].data, keys[i].len,
		                         group->most, &entry);

		if (rc == 0 && entry == NULL)
			entry = find_others(group);
		if (entry == NULL)
			return -ENOMEM;
		entry->count++;
		group->entries[i] = entry;
	}
	return 0;
}

/* The value of item i as a number. False: it is none. */
static bool read_value(const struct leat_expr_values *values, size_t i, struct leat_number *number)
{
	switch (values->type) {
	case LEAT_EXPR_TEXT:
		return leat_number_read(values->texts[i].data, values->texts[i].len, number);
	case LEAT_EXPR_DECIMAL:
		return leat_number_from(values->decimals[i], number);
	default:
		*number = (struct leat_number){ .exact = true, .whole = values->integers[i] };
		return values->absent == NULL || !values->absent[i];
	}
}

static int add_input(struct leat_group *group, struct input *input, const struct leat_line *lines,
                     const void *const *columns, size_t n)
{
	struct leat_expr_values values;
	struct leat_number number;
	int rc = leat_expr_run(input->expr, lines, columns, n, &values);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (read_value(&values, i, &number))
			rc = leat_cells_add(&input->cells, group->entries[i]->bytes, &number);
		else
			input->bad++;
	}
	return rc;
}

static int add_vector(struct leat_group *group, const struct leat_line *lines, size_t n)
{
	const void *const *columns = group->fields != NULL
	                                     ? leat_fields_split(group->fields, lines, n)
	                                     : group->text_columns;
	struct leat_expr_values values;
	int rc = leat_expr_run(group->key, lines, columns, n, &values);

	if (rc == 0)
		rc = find_entries(group, values.texts, n);
	for (size_t i = 0; rc == 0 && i < group->inputs_count; i++)
		rc = add_input(group, &group->inputs[i], lines, columns, n);
	group->lines += n;
	return rc;
}

/*
 * Reads the fields of the line, as item `at` of a vector. *own: some of them are in memory that the
 * row uses for the next line, too.
 */
static int read_fields(struct leat_group *group, const struct leat_line *line, size_t at, bool *own)
{
	struct leat_row *row = group->row;
	int rc;

	leat_row_forget(row);
	rc = leat_row_read(row, line);
	for (size_t i = 0; rc == 0 && i < row->count; i++) {
		group->texts[i * LEAT_GROUP_BATCH + at] = row->texts[i];
		*own |= !leat_row_is_part(line, &row->texts[i]);
	}
	return rc;
}

/* A vector ends behind a line whose fields the next one would overwrite. */
static int add_named(struct leat_group *group, const struct leat_line *lines, size_t n)
{
	int rc = 0;

	for (size_t from = 0, to = 0; rc == 0 && to < n; from = to) {
		bool own = false;

		while (rc == 0 && to < n && !own) {
			rc = read_fields(group, &lines[to], to - from, &own);
			to++;
		}
		if (rc == 0)
			rc = add_vector(group, lines + from, to - from);
	}
	return rc;
}

int leat_group_add(struct leat_group *group, const struct leat_line *lines, size_t n)
{
	return group->texts != NULL ? add_named(group, lines, n) : add_vector(group, lines, n);
}

static bool has_number(const struct column *column, const struct leat_tally_entry *entry)
{
	return column->kind == COUNT || column->kind == SUM ||
	       leat_cells_count(&column->input->cells, entry->bytes) != 0;
}

static long double find_mean(const struct column *column, const struct leat_tally_entry *entry)
{
	struct leat_sum sum;

	leat_cells_sum(&column->input->cells, entry->bytes, &sum);
	return leat_sum_value(&sum) / (long double)sum.count;
}

static struct leat_number find_bound(const struct column *column,
                                     const struct leat_tally_entry *entry)
{
	return leat_cells_bound(&column->input->cells, entry->bytes,
	                        column->kind == MIN ? LEAT_CELL_LEAST : LEAT_CELL_GREATEST);
}

static int find_quantile(const struct column *column, const struct leat_tally_entry *entry,
                         double *number)
{
	return leat_quantiles_find(leat_cells_quantiles(&column->input->cells, entry->bytes),
	                           column->percent, number);
}

/* A leat_tally_weigh_fn: the first column. */
static uint64_t weigh_group(void *arg, struct leat_tally_entry *entry)
{
	struct leat_group *group = arg;
	const struct column *column = &group->columns[0];
	struct leat_number bound;
	struct leat_sum sum;
	double number = 0;

	if (group->by_key || group->columns_count == 0 || !has_number(column, entry))
		return 0;
	switch (column->kind) {
	case COUNT:
		return entry->count;
	case SUM:
		leat_cells_sum(&column->input->cells, entry->bytes, &sum);
		number = (double)leat_sum_value(&sum);
		break;
	case MEAN:
		number = (double)find_mean(column, entry);
		break;
	case PERCENT:
		if (find_quantile(column, entry, &number) != 0)
			group->rc = -ENOMEM;
		break;
	default:
		bound = find_bound(column, entry);
		number = leat_number_double(&bound);
	}
	return leat_double_rank(number);
}

static int put_sum(struct leat_group *group, const struct leat_sum *sum, struct leat_result *result)
{
	char text[LEAT_SUM_TEXT];

	group->rounded |= leat_sum_rounded(sum);
	return leat_result_number(result, text, leat_sum_put(sum, text));
}

static int put_quantile(struct leat_group *group, const struct column *column,
                        const struct leat_tally_entry *entry, struct leat_result *result)
{
	double number;
	int rc = find_quantile(column, entry, &number);

	group->sketched |=
		leat_quantiles_sketched(leat_cells_quantiles(&column->input->cells, entry->bytes));
	return rc != 0 ? rc : leat_result_double(result, number);
}

static int put_column(struct leat_group *group, const struct column *column,
                      const struct leat_tally_entry *entry, struct leat_result *result)
{
	char text[LEAT_SUM_TEXT];
	struct leat_sum sum = { 0 };
	struct leat_number bound;

	if (!has_number(column, entry))
		return leat_result_none(result);
	switch (column->kind) {
	case COUNT:
		return leat_result_count(result, entry->count);
	case SUM:
		leat_cells_sum(&column->input->cells, entry->bytes, &sum);
		return put_sum(group, &sum, result);
	case MEAN:
		return leat_result_number(
			result, text,
			(size_t)snprintf(text, sizeof(text), "%.15Lg", find_mean(column, entry)));
	case PERCENT:
		return put_quantile(group, column, entry, result);
	default:
		bound = find_bound(column, entry);
		leat_sum_add(&sum, &bound);
		return put_sum(group, &sum, result);
	}
}

static int put_columns(struct leat_group *group, const struct leat_tally_entry *entry,
                       struct leat_result *result)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < group->columns_count; i++)
		rc = put_column(group, &group->columns[i], entry, result);
	return rc;
}

/* The key of the last row is none in JSON, and a text that says what it is elsewhere. */
static int put_others(struct leat_group *group, struct leat_result *result)
{
	int rc = put_columns(group, group->others, result);

	if (rc != 0)
		return rc;
	return result->form == LEAT_RESULT_JSON ? leat_result_none(result)
	                                        : leat_result_text(result, OTHERS, strlen(OTHERS));
}

static size_t count_rows(const struct leat_group *group)
{
	return group->top < group->tally.used ? group->top : group->tally.used;
}

bool leat_group_is_quick(const struct leat_group *group)
{
	size_t quantiles = 0;

	for (size_t i = 0; i < group->columns_count; i++)
		quantiles += group->columns[i].kind == PERCENT ? group->tally.used : 0;
	return group->tally.used <= QUICK_ROWS && quantiles <= QUICK_QUANTILES;
}

int leat_group_put(struct leat_group *group, struct leat_result *result)
{
	struct leat_tally_row *rows;
	size_t n;
	int rc = leat_tally_top(&group->tally, count_rows(group), weigh_group, group, &rows, &n);

	if (rc == 0)
		rc = group->rc;
	if (rc == 0)
		rc = leat_result_header(result, group->names, group->columns_count + 1);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		leat_tally_read_ahead(rows, i, n);
		rc = put_columns(group, rows[i].entry, result);
		if (rc == 0)
			rc = leat_result_text(result,
			                      leat_tally_value(&group->tally, rows[i].entry),
			                      rows[i].entry->len);
	}
	if (rc == 0 && group->others != NULL)
		rc = put_others(group, result);
	free(rows);
	return rc;
}

static void append_note(char *note, size_t size, const char *text)
{
	size_t used = strlen(note);

	snprintf(note + used, size - used, "%s%s", used != 0 ? "; " : "", text);
}

void leat_group_note(const struct leat_group *group, char *note, size_t size)
{
	char text[160];

	note[0] = '\0';
	for (size_t i = 0; i < group->inputs_count; i++) {
		const struct input *input = &group->inputs[i];

		if (input->bad == 0)
			continue;
		snprintf(text, sizeof(text),
		         "%" PRIu64 " of %" PRIu64 " lines %s no number in %.40s", input->bad,
		         group->lines, input->bad == 1 ? "has" : "have", input->value->text);
		append_note(note, size, text);
	}
	if (group->others != NULL || group->others_before != 0) {
		snprintf(text, sizeof(text),
		         "more than %zu keys: %" PRIu64 " lines with others are in the last row",
		         group->most,
		         group->others_before + (group->others != NULL ? group->others->count : 0));
		append_note(note, size, text);
	}
	if (group->rounded)
		append_note(note, size, "sums or bounds with too many figures are rounded to 15");
	if (group->sketched) {
		snprintf(text, sizeof(text),
		         "more than %zu numbers of a key: its quantiles are within %g %%",
		         LEAT_CELLS_KEPT, 100 * LEAT_QUANTILES_ERROR);
		append_note(note, size, text);
	}
}
