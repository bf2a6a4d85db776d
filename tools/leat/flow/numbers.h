/*
 * tools/leat/flow/numbers.h: the source `count` where its numbers stay numbers: from the source,
 * through steps that compute with them, into a sink that does.
 *
 * Such an item is a struct leat_line without a text: its data is leat_number_mark, its len the
 * number. Only this source makes one, and only where nothing but such a sink receives it. Numbers
 * are up to 2^53, and a filter compares them, or their remainders: in these the arithmetic of
 * texts, which are decimals, is the same as that of integers. A filter with any of + - * / has
 * texts.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_NUMBERS_H
#define LEAT_TOOLS_LEAT_FLOW_NUMBERS_H

#include "tools/leat/flow/flow.h"

extern const char leat_number_mark[1];

static inline bool leat_line_is_number(const struct leat_line *line)
{
	return line->data == leat_number_mark;
}

/*
 * Runs the source of the member so, if it is such a one, with the steps on its thread: *runs says
 * whether it is. Returns as the sources of leat/io.h do.
 */
int leat_numbers_run(struct leat_member *member, bool *runs);

#endif
