/*
 * text/plain.h: a search for a plain text, many times over.
 *
 * Two bytes of the text, those that texts have least of, are compared with 64 places of the other
 * one at a time (Wojciech Mula, "SIMD-friendly algorithms for substring searching", 2018). Without
 * SSE2 it is memmem(3).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_PLAIN_H
#define LEAT_TEXT_PLAIN_H

#include <stddef.h>

struct leat_plain {
	const char *text; /* the caller's */
	size_t len;
	size_t rare, next; /* where in it those two are; the same where it has one byte */
};

void leat_plain_init(struct leat_plain *plain, const char *text, size_t len);
/* Where the text begins in this one, first; NULL: nowhere. An empty text is everywhere. */
const char *leat_plain_find(const struct leat_plain *plain, const char *in, size_t len);

#endif
