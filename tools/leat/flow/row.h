/*
 * tools/leat/flow/row.h: the fields of the line that a thread of a flow has in hand, for the
 * expressions of its steps.
 *
 * A row belongs to one member. While its steps are opened, their expressions add the names that
 * they mention. Then each line is read at most once, for all of its steps, when the first of them
 * asks:
 *
 *     leat_row_init(&row, LEAT_AS_KV);
 *     names = leat_row_names(&row, &stage->arg);    for leat_expr_open()
 *     leat_row_forget(&row);                        another line
 *     rc = leat_row_read(&row, line);               then row.columns is what leat_expr_run() gets
 *
 * A header of CSV is read by the source, before it sends any line. So all threads that get a line
 * see it, and none changes it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_ROW_H
#define LEAT_TOOLS_LEAT_FLOW_ROW_H

#include "text/csv.h"
#include "text/expr.h"
#include "text/fields.h"
#include "text/json.h"
#include "text/kv.h"
#include "tools/leat/flow/parse.h"

/* A name that an expression mentions; or, for CSV, the number of a field. */
struct leat_row_name {
	struct leat_text text; /* the row's own copy */
	uint32_t number;       /* 0: it has a name */
};

struct leat_row {
	enum leat_as as;
	struct leat_row_name *names;
	size_t count;
	/* of CSV, until the row is closed; NULL: no line of the file was read */
	const struct leat_csv_header *header;
	const void **columns; /* those of leat_expr_run(), for one line; NULL: not opened yet */
	struct leat_text *texts;
	struct leat_csv *csv;
	struct leat_kv *kv;
	struct leat_json *json;
	/*
	 * of the expressions that are opened: their fields that are apart by blanks are columns of
	 * these; NULL: each expression splits the line itself
	 */
	struct leat_fields *fields;
	char none[64];       /* for a mistake: why names mean nothing */
	bool no_memory;      /* a name could not be added */
	bool has_line;       /* the texts are those of the line in hand */
	uint64_t lines, bad; /* that were read, and of these how many could not be */
};

void leat_row_init(struct leat_row *row, enum leat_as as);
void leat_row_fini(struct leat_row *row);

/* What names mean in the expression that is this value. */
struct leat_expr_names leat_row_names(struct leat_row *row, const struct leat_value *value);

/* The line that is read next is another. */
static inline void leat_row_forget(struct leat_row *row)
{
	row->has_line = false;
}

/* Whether the text is in the memory of the line. */
static inline bool leat_row_is_part(const struct leat_line *line, const struct leat_text *text)
{
	uintptr_t at = (uintptr_t)text->data, begin = (uintptr_t)line->data;

	return text->len == 0 ||
	       (at >= begin && at - begin <= line->len && text->len <= line->len - (at - begin));
}

/* Returns 0, also for a line that cannot be read, whose fields are empty; or -ENOMEM. */
int leat_row_read(struct leat_row *row, const struct leat_line *line);

#endif
