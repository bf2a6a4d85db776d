/*
 * tools/leat/flow/scan.h: the step `scan`: in place of each line, what a sink would write if the
 * line were the last one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_SCAN_H
#define LEAT_TOOLS_LEAT_FLOW_SCAN_H

#include "tools/leat/flow/number.h"

#include <leat/io.h>

/* In the order of the choices of the table. */
enum leat_scan_kind {
	LEAT_SCAN_COUNT,
	LEAT_SCAN_SUM,
	LEAT_SCAN_MIN,
	LEAT_SCAN_MAX,
	LEAT_SCAN_MEAN
};

/* All zero, but for its kind, is that of no line. */
struct leat_scan {
	enum leat_scan_kind kind;
	struct leat_sum sum; /* its count is that of the lines (count), or of the numbers */
	struct leat_number best;
};

/*
 * Makes the line the result so far; an empty one where no number has come. A line that is no number
 * counts for count alone. Returns 1, or -ENOMEM.
 */
int leat_scan_line(struct leat_scan *scan, struct leat_line *line);

#endif
