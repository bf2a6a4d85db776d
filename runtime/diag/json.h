/*
 * runtime/diag/json.h: text as JSON strings.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_JSON_H
#define LEAT_RUNTIME_DIAG_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Writes len bytes of text as a JSON string in quotes. A byte that is no UTF-8 becomes U+FFFD. */
void leat_json_string(FILE *out, const char *text, size_t len);

/*
 * Returns how many bytes the UTF-8 character at p has, or 0 if there is none within `left` bytes.
 */
size_t leat_utf8_length(const unsigned char *p, size_t left);
/* Whether a terminal shows that character: false for a control character, and for one of 0 bytes.
 */
bool leat_utf8_is_shown(const unsigned char *p, size_t bytes);

#endif
