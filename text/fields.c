/*
 * text/fields.c: the fields of lines that several expressions use. See fields.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "text/fields.h"
#include "text/expr_code.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 65000u /* places of columns are below 65535 */

struct leat_fields {
	size_t max;
	struct expr_split split;
	struct expr_field *front, *back; /* in the order of their numbers: those of the split */
	void **columns;
	size_t count;
};

int leat_fields_open(struct leat_fields **made, size_t max)
{
	struct leat_fields *fields = calloc(1, sizeof(*fields));

	*made = fields;
	if (fields == NULL)
		return -ENOMEM;
	fields->max = max;
	return 0;
}

void leat_fields_close(struct leat_fields *fields)
{
	if (fields == NULL)
		return;
	for (size_t i = 0; i < fields->count; i++)
		free(fields->columns[i]);
	free(fields->columns);
	free(fields->front);
	free(fields->back);
	free(fields);
}

/* A column of its own, behind the others. */
static int add_column(struct leat_fields *fields)
{
	void **columns = reallocarray(fields->columns, fields->count + 1, sizeof(*columns));

	if (columns == NULL)
		return -1;
	fields->columns = columns;
	columns[fields->count] = calloc(fields->max, sizeof(struct leat_text));
	return columns[fields->count] != NULL ? (int)fields->count++ : -1;
}

/* The column of this number in a list, which is added in its place. */
static int add_number(struct leat_fields *fields, struct expr_field **list, uint16_t *count,
                      uint32_t number)
{
	struct expr_field *grown;
	size_t at = 0;
	int column;

	while (at < *count && (*list)[at].number < number)
		at++;
	if (at < *count && (*list)[at].number == number)
		return (*list)[at].column;
	grown = reallocarray(*list, *count + 1u, sizeof(*grown));
	if (grown == NULL || fields->count == COLUMNS_MAX)
		return -1;
	*list = grown;
	column = add_column(fields);
	if (column < 0)
		return -1;
	memmove(&grown[at + 1], &grown[at], (*count - at) * sizeof(*grown));
	grown[at] = (struct expr_field){ .number = number, .column = (uint16_t)column };
	++*count;
	return column;
}

int leat_fields_add(struct leat_fields *fields, int number)
{
	struct expr_split *split = &fields->split;
	int column =
		number > 0
			? add_number(fields, &fields->front, &split->front_count, (uint32_t)number)
			: add_number(fields, &fields->back, &split->back_count, (uint32_t)-number);

	split->front = fields->front;
	split->back = fields->back;
	return column;
}

const void *const *leat_fields_split(struct leat_fields *fields, const struct leat_line *lines,
                                     size_t n)
{
	leat_expr_split(&fields->split, fields->columns, lines, n);
	return (const void *const *)fields->columns;
}
