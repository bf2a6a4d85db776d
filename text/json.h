/*
 * text/json.h: the fields of a line that is one JSON object, read by simdjson. json.cc is there
 * only if simdjson was when leat was built (LEAT_HAVE_SIMDJSON).
 *
 * A name is that of a member of the object. "a.b" is the member "b" of the object that is the
 * member "a", at any depth, or a member whose name has the dot in it. If a name comes again, its
 * last value counts. The text of a string is what it means, without its quotes and escapes; that of
 * a number is as it is written; true and false are these words, null is empty. The text of an array
 * or an object is as it is written.
 *
 * The line is read whole: what is no JSON, also where nothing is wanted of it, is a mistake, and so
 * are bytes that are no UTF-8, another value than an object, and more than LEAT_JSON_DEPTH arrays
 * and objects within each other.
 *
 * A reader gets the names that are wanted, once, and then gives their texts for each line:
 *
 *     rc = leat_json_open(&json, names, 2);
 *     rc = leat_json_read(json, line, fields);   fields[i] is that of names[i]
 *     leat_json_close(json);
 *
 * One thread at a time uses a reader.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_JSON_H
#define LEAT_TEXT_JSON_H

#include "text/text.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LEAT_JSON_DEPTH 256

struct leat_json;

/* Names are copied. Returns 0 or -ENOMEM. */
int leat_json_open(struct leat_json **json, const struct leat_text *names, size_t count);
void leat_json_close(struct leat_json *json); /* NULL does nothing */

/*
 * Returns 0; -EBADMSG if the line is no object of JSON; -ENOMEM. A field that is missing is empty,
 * and all are after an error. The texts are valid until the next call and while the line is; they
 * are parts of the line where nothing was escaped.
 */
int leat_json_read(struct leat_json *json, struct leat_text line, struct leat_text *fields);

#ifdef __cplusplus
}
#endif
#endif
