/*
 * text/csv.h: the fields of a line of CSV (RFC 4180): apart by commas, from 1 on.
 *
 * A field that begins with a quote (") goes on to the quote that closes it; a comma is a part of
 * it, and two quotes are one. In any other field a quote is a byte like others. Blanks count.
 * A carriage return at the end of a line is no part of it. Fields are of one line: a line feed in
 * quotes ends the line, and both its parts are lines that cannot be read.
 *
 * A reader gets the numbers of the fields that are wanted, once, and then gives their texts for
 * each line:
 *
 *     rc = leat_csv_open(&csv, (const uint32_t[]){ 3, 1 }, 2);
 *     rc = leat_csv_read(csv, line, fields);     fields[0] is the third, fields[1] the first
 *     leat_csv_close(csv);
 *
 * One thread at a time uses a reader.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_CSV_H
#define LEAT_TEXT_CSV_H

#include "text/text.h"

#include <stdbool.h>
#include <stdint.h>

struct leat_csv;

/* Numbers are kept; 0 is a field that no line has. Returns 0 or -ENOMEM. */
int leat_csv_open(struct leat_csv **csv, const uint32_t *numbers, size_t count);
void leat_csv_close(struct leat_csv *csv); /* NULL does nothing */

/*
 * Returns 0; -EBADMSG if a quote is not closed, or closed before the end of its field; -ENOMEM. A
 * field that is missing is empty, and all are after an error. The texts are valid until the next
 * call and while the line is; they are parts of the line where no quotes were doubled.
 */
int leat_csv_read(struct leat_csv *csv, struct leat_text line, struct leat_text *fields);

/* The first line of a file: the names of its fields. */
struct leat_csv_header {
	struct leat_text line; /* without a mark of UTF-8 in front, and the end of the line */
	struct leat_text *names;
	size_t count;
};

/* Copies the line. Returns 0; -EBADMSG as leat_csv_read(); -ENOMEM. After an error it is empty. */
int leat_csv_header_init(struct leat_csv_header *header, struct leat_text line);
void leat_csv_header_fini(struct leat_csv_header *header);
/* Returns the number of the first field of this name, or 0. */
uint32_t leat_csv_header_find(const struct leat_csv_header *header, struct leat_text name);
/* Whether this first line of another file is the same. */
bool leat_csv_header_same(const struct leat_csv_header *header, struct leat_text line);

#endif
