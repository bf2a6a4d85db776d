/*
 * runtime/diag/json.h: text as JSON strings.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_DIAG_JSON_H
#define LEAT_RUNTIME_DIAG_JSON_H

#include "runtime/diag/utf8.h"

#include <stdio.h>

/* Writes len bytes of text as a JSON string in quotes. A byte that is no UTF-8 becomes U+FFFD. */
void leat_json_string(FILE *out, const char *text, size_t len);

#endif
