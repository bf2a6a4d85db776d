/*
 * text/kv.h: the fields of a line of pairs (logfmt): level=warn msg="no such file" ms=12
 *
 * Pairs are apart by runs of blanks and tabs. A name ends at the first "="; its value goes on to
 * the next blank, or, if it begins with a quote ("), to the quote that closes it. In quotes \" is a
 * quote and \\ a backslash, \n \r \t are what they are in C, and any other byte behind a backslash
 * is itself. A word without "=" is no pair, and is passed over. If a name comes again, its last
 * value counts. A carriage return at the end of the line is no part of it.
 *
 * A reader gets the names that are wanted, once, and then gives their texts for each line:
 *
 *     rc = leat_kv_open(&kv, names, 2);
 *     rc = leat_kv_read(kv, line, fields);       fields[i] is that of names[i]
 *     leat_kv_close(kv);
 *
 * One thread at a time uses a reader.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_KV_H
#define LEAT_TEXT_KV_H

#include "text/text.h"

struct leat_kv;

/* Names are copied. Returns 0 or -ENOMEM. */
int leat_kv_open(struct leat_kv **kv, const struct leat_text *names, size_t count);
void leat_kv_close(struct leat_kv *kv); /* NULL does nothing */

/*
 * Returns 0; -EBADMSG if a quote is not closed, or closed before the end of its value; -ENOMEM. A
 * field that is missing is empty, and all are after an error. The texts are valid until the next
 * call and while the line is; they are parts of the line where nothing was escaped.
 */
int leat_kv_read(struct leat_kv *kv, struct leat_text line, struct leat_text *fields);

#endif
