/*
 * text/text.h: bytes that are another's: of a line, or of a buffer that a reader of lines keeps.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEXT_TEXT_H
#define LEAT_TEXT_TEXT_H

#include <stddef.h>

struct leat_text {
	const char *data; /* any value if len is 0 */
	size_t len;
};

#endif
