/*
 * text/fields.h: the fields of lines that several expressions use: each line is split once, for all
 * of them.
 *
 *     leat_fields_open(&fields, 256)
 *     names.find_field = ... leat_fields_add(fields, number)    while they are opened
 *     columns = leat_fields_split(fields, lines, n)             then leat_expr_run(expr, lines,
 *                                                               columns, n, &values), for each
 *
 * Fields are apart by runs of blanks and tabs, as those of an expression are that has none
 * supplied.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_FIELDS_H
#define LEAT_TEXT_FIELDS_H

#include "text/text.h"

#include <leat/io.h>

#include <stddef.h>
#include <stdint.h>

struct leat_fields;

/* max: lines of the largest vector. Returns 0 or -ENOMEM. */
int leat_fields_open(struct leat_fields **fields, size_t max);
void leat_fields_close(struct leat_fields *fields); /* NULL does nothing */

/* The column of field N, or, below 0, of the Nth from the end. Returns -1 where there is no memory.
 */
int leat_fields_add(struct leat_fields *fields, int number);

/* The columns of these lines, valid until the next call, and while the lines are. */
const void *const *leat_fields_split(struct leat_fields *fields, const struct leat_line *lines,
                                     size_t n);

/* Field N of one line, from 1; an empty text where there is none. */
struct leat_text leat_field_find(struct leat_text line, uint32_t number);

#endif
