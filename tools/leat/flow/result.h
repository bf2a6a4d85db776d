/*
 * tools/leat/flow/result.h: what a sink has found, as rows of columns in one of three forms.
 *
 *     text   the values of a row, apart by tabs; none is an empty text
 *     CSV    RFC 4180, with the names of the columns in the first line, and a line feed at the end
 *            of each; none is an empty field
 *     JSON   an object for each row, one in each line; numbers are numbers, none is null. A byte
 *            that is no UTF-8 becomes U+FFFD
 *
 *     leat_result_init(&result, LEAT_RESULT_JSON, write, arg);
 *     leat_result_header(&result, names, 2);
 *     leat_result_number(&result, "12", 2);
 *     rc = leat_result_text(&result, line, len);     the row is complete: {"count":12,"line":"..."}
 *
 * Each function returns 0, or what `write` returned first; after that nothing is written.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_RESULT_H
#define LEAT_TOOLS_LEAT_FLOW_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of the choices of the key `as` of a sink. */
enum leat_result_form { LEAT_RESULT_TEXT, LEAT_RESULT_CSV, LEAT_RESULT_JSON };

typedef int leat_result_write_fn(void *arg, const void *data, size_t len);

struct leat_result {
	enum leat_result_form form;
	leat_result_write_fn *write;
	void *arg;
	const char *const *names;
	size_t count, at; /* columns; that of the next value */
	uint64_t which;   /* of several results: this one, from 1; 0: it is the only one */
	bool in_header;
	int rc;
};

void leat_result_init(struct leat_result *result, enum leat_result_form form,
                      leat_result_write_fn *write, void *arg);
/*
 * Before the header: this is one of several results that are written one behind the other, counted
 * from 1. In CSV and JSON its rows begin with a column "result", which has that number, and only
 * the first result has a header.
 */
void leat_result_which(struct leat_result *result, uint64_t which);
/* Before the first row, once: at least one name. The names stay the caller's, and must not move. */
int leat_result_header(struct leat_result *result, const char *const *names, size_t count);

/*
 * The next value of the row, or the first one of the next row. A number is written as
 * leat_number_read() takes it, without blanks: JSON gets all its figures, in the way it wants them.
 */
int leat_result_number(struct leat_result *result, const char *text, size_t len);
int leat_result_count(struct leat_result *result, uint64_t number);
/* A double, as the sinks of numbers write it: 15 figures, or all of an integer that it holds. */
int leat_result_double(struct leat_result *result, double number);
int leat_result_text(struct leat_result *result, const void *data, size_t len);
int leat_result_none(struct leat_result *result);

#endif
