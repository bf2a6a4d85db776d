/*
 * text/expr_open.c: from a text to an evaluator, and its run over a vector. See expr.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/expr_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES 64 /* of a cache */

static const uint8_t type_sizes[] = { sizeof(int64_t), sizeof(double), sizeof(struct leat_text),
	                              sizeof(uint8_t) };

typedef int expr_loop_fn(struct leat_expr *expr, const struct expr_op *op);
static expr_loop_fn *const loops[] = {
#define EXPR_LOOP_ENTRY(code, name) [EXPR_##code] = leat_expr_##name,
	EXPR_LOOPS(EXPR_LOOP_ENTRY)
#undef EXPR_LOOP_ENTRY
};

/* An array of its own; *rc becomes -ENOMEM if there is no memory, and stays else. */
static void *copy_array(const void *from, size_t count, size_t size, int *rc)
{
	void *copy = *rc == 0 ? calloc(count + 1, size) : NULL;

	if (copy == NULL)
		*rc = -ENOMEM;
	else if (count != 0)
		memcpy(copy, from, count * size);
	return copy;
}

static int copy_program(struct expr_program *to, const struct expr_program *from)
{
	int rc = 0;

	*to = *from;
	to->ops = copy_array(from->ops, from->ops_count, sizeof(*to->ops), &rc);
	to->columns = copy_array(from->columns, from->columns_count, sizeof(*to->columns), &rc);
	to->fields.front = copy_array(from->fields.front, from->fields.front_count,
	                              sizeof(*to->fields.front), &rc);
	to->fields.back = copy_array(from->fields.back, from->fields.back_count,
	                             sizeof(*to->fields.back), &rc);
	to->list = copy_array(from->list, from->list_count, sizeof(*to->list), &rc);
	to->patterns = copy_array(from->patterns, from->patterns_count, sizeof(*to->patterns), &rc);
	to->texts = copy_array(from->texts, from->texts_len, 1, &rc);
	return rc;
}

static bool is_given(const struct expr_column *column)
{
	return column->kind == EXPR_INPUT_COLUMN ||
	       (column->kind == EXPR_ITEM_COLUMN && column->type != LEAT_EXPR_TEXT);
}

static size_t column_bytes(const struct leat_expr *expr, const struct expr_column *column)
{
	if (is_given(column))
		return 0;
	return (expr->max * type_sizes[column->type] + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

static void fill_constant(const struct leat_expr *expr, const struct expr_column *column, void *to)
{
	const struct expr_value *value = &column->value;

	for (size_t i = 0; i < expr->max; i++) {
		if (column->type == LEAT_EXPR_INTEGER)
			((int64_t *)to)[i] = value->integer;
		else if (column->type == LEAT_EXPR_DECIMAL)
			((double *)to)[i] = value->decimal;
		else if (column->type == LEAT_EXPR_TRUTH)
			((uint8_t *)to)[i] = value->truth;
		else
			((struct leat_text *)to)[i] =
				(struct leat_text){ expr->program.texts + value->text.at,
				                    value->text.len };
	}
}

static int make_columns(struct leat_expr *expr)
{
	const struct expr_program *program = &expr->program;
	size_t bytes = 0;

	for (size_t i = 0; i < program->columns_count; i++)
		bytes += column_bytes(expr, &program->columns[i]);
	expr->columns = calloc(program->columns_count + 1u, sizeof(*expr->columns));
	expr->memory = aligned_alloc(LINE_BYTES, bytes + LINE_BYTES);
	if (expr->columns == NULL || expr->memory == NULL)
		return -ENOMEM;
	/* Invariant: a truth value is 0 or 1, also where no loop has written it yet. */
	memset(expr->memory, 0, bytes + LINE_BYTES);
	char *at = expr->memory;
	for (size_t i = 0; i < program->columns_count; i++) {
		expr->columns[i] = at;
		at += column_bytes(expr, &program->columns[i]);
		if (program->columns[i].kind == EXPR_CONSTANT_COLUMN)
			fill_constant(expr, &program->columns[i], expr->columns[i]);
	}
	return 0;
}

static int make_selections(struct leat_expr *expr)
{
	size_t count = expr->program.selections;

	expr->selected = calloc(count, sizeof(*expr->selected));
	expr->selected_counts = calloc(count, sizeof(*expr->selected_counts));
	if (expr->selected == NULL || expr->selected_counts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		expr->selected[i] = calloc(expr->max, sizeof(**expr->selected));
		if (expr->selected[i] == NULL)
			return -ENOMEM;
	}
	for (size_t i = 0; i < expr->max; i++)
		expr->selected[0][i] = (uint16_t)i;
	return 0;
}

/* Each was compiled once when its node was made: the only error that is left is -ENOMEM. */
static int make_patterns(struct leat_expr *expr)
{
	const struct expr_program *program = &expr->program;

	expr->patterns = calloc(program->patterns_count + 1u, sizeof(struct leat_pattern *));
	if (expr->patterns == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < program->patterns_count; i++) {
		int rc =
			leat_pattern_open(&expr->patterns[i], program->texts + program->patterns[i],
		                          (char[1]){ 0 }, 1);
		if (rc != 0)
			return -ENOMEM;
	}
	return 0;
}

int leat_expr_make(const struct expr_program *program, size_t max, struct leat_expr **made)
{
	struct leat_expr *expr = calloc(1, sizeof(*expr));

	*made = expr;
	if (expr == NULL)
		return -ENOMEM;
	expr->max = max;
	int rc = copy_program(&expr->program, program);
	if (rc == 0)
		rc = make_columns(expr);
	if (rc == 0)
		rc = make_selections(expr);
	if (rc == 0)
		rc = make_patterns(expr);
	if (rc != 0) {
		leat_expr_close(expr);
		*made = NULL;
	}
	return rc;
}

void leat_expr_close(struct leat_expr *expr)
{
	if (expr == NULL)
		return;
	struct expr_program *program = &expr->program;
	for (size_t i = 0; expr->patterns != NULL && i < program->patterns_count; i++)
		leat_pattern_close(expr->patterns[i]);
	free(expr->patterns);
	for (size_t i = 0; expr->selected != NULL && i < program->selections; i++)
		free(expr->selected[i]);
	free(expr->selected);
	free(expr->selected_counts);
	free(expr->memory);
	free(expr->columns);
	for (struct expr_chunk *chunk = expr->chunks, *next; chunk != NULL; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(program->ops);
	free(program->columns);
	free(program->fields.front);
	free(program->fields.back);
	free(program->list);
	free(program->patterns);
	free(program->texts);
	free(expr);
}

static int compile_text(struct expr_build *b, struct leat_expr **expr)
{
	size_t len = strlen(b->text);

	if (b->opts->max == 0 || b->opts->max > LEAT_EXPR_ITEMS_MAX)
		return -EINVAL;
	if (len > LEAT_EXPR_BYTES) {
		leat_expr_fail(b, LEAT_EXPR_BYTES, "a shorter expression",
		               "the expression has more than %u bytes", LEAT_EXPR_BYTES);
		return b->rc;
	}
	uint16_t node = leat_expr_parse(b);
	if (node == 0)
		return b->rc;
	leat_expr_emit(b, node);
	return leat_expr_make(&b->program, b->opts->max, expr);
}

int leat_expr_open(const char *text, const struct leat_expr_opts *opts, struct leat_expr **expr,
                   struct leat_mistake *mistake)
{
	struct expr_build *b = calloc(1, sizeof(*b));

	*expr = NULL;
	*mistake = (struct leat_mistake){ 0 };
	if (b == NULL)
		return -ENOMEM;
	b->text = text;
	b->opts = opts;
	b->mistake = mistake;
	int rc = compile_text(b, expr);
	free(b->program.texts);
	free(b);
	return rc;
}

int leat_expr_clone(const struct leat_expr *expr, struct leat_expr **clone)
{
	return leat_expr_make(&expr->program, expr->max, clone);
}

enum leat_expr_type leat_expr_type(const struct leat_expr *expr)
{
	return expr->program.type;
}

static void set_inputs(struct leat_expr *expr, const void *items, const void *const *columns)
{
	const struct expr_program *program = &expr->program;

	for (size_t i = 0; i < program->columns_count; i++) {
		const struct expr_column *column = &program->columns[i];
		if (column->kind == EXPR_INPUT_COLUMN)
			expr->columns[i] = (void *)columns[column->number];
		else if (is_given(column))
			expr->columns[i] = (void *)items;
	}
}

static void set_texts(struct leat_expr *expr, const struct leat_line *lines)
{
	struct leat_text *to = expr->columns[expr->program.line];

	for (size_t i = 0; i < expr->n; i++)
		to[i] = (struct leat_text){ lines[i].data, lines[i].len };
}

static void set_values(const struct leat_expr *expr, struct leat_expr_values *values)
{
	const struct expr_program *program = &expr->program;
	const void *column = expr->columns[program->value];

	*values = (struct leat_expr_values){ .type = program->type };
	switch (values->type) {
	case LEAT_EXPR_INTEGER:
		values->integers = column;
		if (program->absent != EXPR_NO_COLUMN)
			values->absent = expr->columns[program->absent];
		break;
	case LEAT_EXPR_DECIMAL:
		values->decimals = column;
		break;
	case LEAT_EXPR_TEXT:
		values->texts = column;
		break;
	case LEAT_EXPR_TRUTH:
		values->truths = column;
		break;
	}
}

int leat_expr_run(struct leat_expr *expr, const void *items, const void *const *columns, size_t n,
                  struct leat_expr_values *values)
{
	const struct expr_program *program = &expr->program;

	if (n > expr->max)
		return -EINVAL;
	expr->n = n;
	expr->selected_counts[0] = n;
	leat_expr_forget(expr);
	set_inputs(expr, items, columns);
	if (program->line != EXPR_NO_COLUMN)
		set_texts(expr, items);
	if (program->fields.front_count + program->fields.back_count != 0)
		leat_expr_split(&program->fields, expr->columns, items, n);
	for (size_t i = 0; i < program->ops_count; i++) {
		int rc = loops[program->ops[i].code](expr, &program->ops[i]);
		if (rc < 0)
			return rc;
		i += (size_t)rc;
	}
	set_values(expr, values);
	return 0;
}
