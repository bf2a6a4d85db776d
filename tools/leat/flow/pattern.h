/*
 * tools/leat/flow/pattern.h: what grep looks for: plain text, or an extended regular expression
 * (POSIX).
 *
 * With RE2 a search takes time in proportion to the text, whatever the expression, and runs over
 * many lines at once. Without it (LEAT_HAVE_RE2 is not defined) regexec(3) searches line by line.
 * Bytes are bytes, in any locale; no match contains a line feed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_PATTERN_H
#define LEAT_TOOLS_LEAT_FLOW_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

struct leat_pattern;

/*
 * 0; -EINVAL for an expression that is none, with the reason in why; -ENOMEM. text must outlive the
 * pattern. One thread at a time searches with a pattern.
 */
int leat_pattern_open(struct leat_pattern **pattern, const char *text, char *why, size_t size);
void leat_pattern_close(struct leat_pattern *pattern);

/*
 * Searches text of one line or of many, each but the last ended by a line feed. Returns a byte of
 * the first line that has a match, or NULL.
 */
const char *leat_pattern_find(const struct leat_pattern *pattern, const char *text, size_t len);

#endif
