/*
 * tools/leat/flow/row.c: the fields of the line in hand. See row.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/row.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Places of columns stay below what leat_expr_names has room for. */
#define NAMES_MAX 65000u

void leat_row_init(struct leat_row *row, enum leat_as as)
{
	*row = (struct leat_row){ .as = as };
}

void leat_row_fini(struct leat_row *row)
{
	for (size_t i = 0; i < row->count; i++)
		free((char *)row->names[i].text.data);
	free(row->names);
	free(row->texts);
	free(row->columns);
	leat_csv_close(row->csv);
	leat_kv_close(row->kv);
#ifdef LEAT_HAVE_SIMDJSON
	leat_json_close(row->json);
#endif
	*row = (struct leat_row){ .count = 0 };
}

static int append_name(struct leat_row *row, const char *name, size_t len, uint32_t number)
{
	struct leat_row_name *grown = realloc(row->names, (row->count + 1) * sizeof(*row->names));
	char *copy = malloc(len + 1);

	if (grown != NULL)
		row->names = grown;
	if (grown == NULL || copy == NULL) {
		free(copy);
		row->no_memory = true;
		return -1;
	}
	memcpy(copy, name, len);
	copy[len] = '\0';
	row->names[row->count] = (struct leat_row_name){ { copy, len }, number };
	return (int)row->count++;
}

/* Returns the place of the name, which is added if it is not there yet; -1: it can't be. */
static int add_name(struct leat_row *row, const char *name, size_t len, uint32_t number)
{
	for (size_t i = 0; i < row->count; i++)
		if (row->names[i].number == number &&
		    leat_text_same(row->names[i].text, (struct leat_text){ name, len }))
			return (int)i;
	return row->count < NAMES_MAX ? append_name(row, name, len, number) : -1;
}

static int find_name(void *data, const char *name, size_t len, enum leat_expr_type *type)
{
	*type = LEAT_EXPR_TEXT;
	return add_name(data, name, len, 0);
}

static int find_number(void *data, int number)
{
	return number < 0 ? -1 : add_name(data, "", 0, (uint32_t)number);
}

static int find_field(void *data, int number)
{
	struct leat_row *row = data;
	int column = leat_fields_add(row->fields, number);

	row->no_memory |= column < 0;
	return column;
}

static int find_none(void *data, const char *name, size_t len, enum leat_expr_type *type)
{
	(void)data;
	(void)name;
	(void)len;
	(void)type;
	return -1;
}

struct leat_expr_names leat_row_names(struct leat_row *row, const struct leat_value *value)
{
	struct leat_expr_names names = { .find = find_none, .data = row };

	if (row->fields != NULL)
		names.find_field = find_field;
	if (row->as == LEAT_AS_TEXT) {
		names.known = "$ for the line; as:csv, as:kv or as:json behind lines:FILE, whose "
			      "fields then have names";
	} else if (value->replaced != NULL) {
		snprintf(row->none, sizeof(row->none), "%.20s in front has replaced the line",
		         value->replaced);
		names.none = row->none;
		names.known = "$ for what that step made; or this step in front of it";
	} else {
		names.find = find_name;
		names.known = "a shorter expression";
		names.find_field = row->as == LEAT_AS_CSV ? find_number : NULL;
	}
	return names;
}

/* The number of a field of CSV, or 0: without a header no field has a name. */
static uint32_t number_of(const struct leat_row *row, const struct leat_row_name *name)
{
	if (name->number != 0)
		return name->number;
	return row->header != NULL ? leat_csv_header_find(row->header, name->text) : 0;
}

static int open_csv(struct leat_row *row)
{
	uint32_t *numbers = calloc(row->count + 1, sizeof(*numbers));
	int rc = -ENOMEM;

	for (size_t i = 0; numbers != NULL && i < row->count; i++)
		numbers[i] = number_of(row, &row->names[i]);
	if (numbers != NULL)
		rc = leat_csv_open(&row->csv, numbers, row->count);
	free(numbers);
	return rc;
}

static int open_named(struct leat_row *row)
{
	struct leat_text *names = calloc(row->count + 1, sizeof(*names));
	int rc = -ENOMEM;

	if (names == NULL)
		return rc;
	for (size_t i = 0; i < row->count; i++)
		names[i] = row->names[i].text;
	if (row->as == LEAT_AS_KV)
		rc = leat_kv_open(&row->kv, names, row->count);
#ifdef LEAT_HAVE_SIMDJSON
	else
		rc = leat_json_open(&row->json, names, row->count);
#endif
	free(names);
	return rc;
}

static int open_reader(struct leat_row *row)
{
	int rc = row->as == LEAT_AS_CSV ? open_csv(row) : open_named(row);

	row->texts = calloc(row->count, sizeof(*row->texts));
	row->columns = calloc(row->count, sizeof(*row->columns));
	if (rc == 0 && (row->texts == NULL || row->columns == NULL))
		rc = -ENOMEM;
	for (size_t i = 0; rc == 0 && i < row->count; i++)
		row->columns[i] = &row->texts[i];
	return rc;
}

static int read_line(struct leat_row *row, struct leat_text line)
{
	if (row->csv != NULL)
		return leat_csv_read(row->csv, line, row->texts);
	if (row->kv != NULL)
		return leat_kv_read(row->kv, line, row->texts);
#ifdef LEAT_HAVE_SIMDJSON
	return leat_json_read(row->json, line, row->texts);
#else
	return -ENOMEM; /* not reached: the parser refuses as:json */
#endif
}

int leat_row_read(struct leat_row *row, const struct leat_line *line)
{
	int rc = 0;

	if (row->has_line || row->count == 0)
		return 0;
	if (row->columns == NULL)
		rc = open_reader(row);
	if (rc == 0)
		rc = read_line(row, (struct leat_text){ line->data, line->len });
	if (rc != 0 && rc != -EBADMSG)
		return rc;
	row->has_line = true;
	row->lines++;
	row->bad += rc != 0;
	return 0;
}
