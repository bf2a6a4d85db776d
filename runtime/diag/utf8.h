/*
 * runtime/diag/utf8.h: which bytes are a character. Texts come from the program and from files of
 * others, and what writes them (JSON, Prometheus, terminals) refuses bytes that are no UTF-8.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_UTF8_H
#define LEAT_RUNTIME_DIAG_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Returns how many bytes the UTF-8 character at p has, or 0 if there is none within `left` bytes.
 */
static inline size_t leat_utf8_length(const unsigned char *p, size_t left)
{
	size_t bytes = *p < 0x80                 ? 1
	               : *p >= 0xc2 && *p < 0xe0 ? 2
	               : *p >= 0xe0 && *p < 0xf0 ? 3
	               : *p >= 0xf0 && *p < 0xf5 ? 4
	                                         : 0;

	if (bytes > left)
		return 0;
	for (size_t i = 1; i < bytes; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, and code points beyond the last one */
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] >= 0xa0) ||
	    (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] >= 0x90))
		return 0;
	return bytes;
}

/* Whether a terminal shows that character: false for a control character, and for one of 0 bytes.
 */
static inline bool leat_utf8_is_shown(const unsigned char *p, size_t bytes)
{
	/* U+0080 to U+009F are control characters, too */
	return bytes > 0 && *p >= ' ' && *p != 127 && (bytes != 2 || *p != 0xc2 || p[1] >= 0xa0);
}

#endif
