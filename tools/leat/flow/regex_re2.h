/*
 * tools/leat/flow/regex_re2.h: RE2 as C sees it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_REGEX_RE2_H
#define LEAT_TOOLS_LEAT_FLOW_REGEX_RE2_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct leat_regex;

/* As leat_pattern_open(), leat_pattern_close() and leat_pattern_find(), for an expression. */
int leat_regex_open(struct leat_regex **regex, const char *text, char *why, size_t size);
void leat_regex_close(struct leat_regex *regex);
const char *leat_regex_find(const struct leat_regex *regex, const char *text, size_t len);

#ifdef __cplusplus
}
#endif
#endif
