/*
 * tools/leat/flow/scan.c: the step `scan`. See scan.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/scan.h"

#include <inttypes.h>
#include <stdio.h>

static void add_number(struct leat_scan *scan, const struct leat_number *number)
{
	int order;

	if (scan->kind == LEAT_SCAN_SUM || scan->kind == LEAT_SCAN_MEAN) {
		leat_sum_add(&scan->sum, number);
		return;
	}
	order = scan->sum.count++ == 0 ? -1 : leat_number_compare(number, &scan->best);
	if (order < 0 ? scan->kind == LEAT_SCAN_MIN || scan->sum.count == 1
	              : order > 0 && scan->kind == LEAT_SCAN_MAX)
		scan->best = *number;
}

static size_t write_result(const struct leat_scan *scan, char text[LEAT_SUM_TEXT])
{
	struct leat_sum bound = { 0 };

	if (scan->kind == LEAT_SCAN_COUNT)
		return (size_t)snprintf(text, LEAT_SUM_TEXT, "%" PRIu64, scan->sum.count);
	if (scan->kind == LEAT_SCAN_SUM)
		return leat_sum_put(&scan->sum, text);
	if (scan->sum.count == 0)
		return 0;
	if (scan->kind == LEAT_SCAN_MEAN)
		return (size_t)snprintf(text, LEAT_SUM_TEXT, "%.15Lg",
		                        leat_sum_value(&scan->sum) / (long double)scan->sum.count);
	leat_sum_add(&bound, &scan->best);
	return leat_sum_put(&bound, text);
}

int leat_scan_line(struct leat_scan *scan, struct leat_line *line)
{
	char text[LEAT_SUM_TEXT];
	struct leat_number number;
	struct leat_line made;
	int rc;

	if (scan->kind == LEAT_SCAN_COUNT)
		scan->sum.count++;
	else if (leat_number_read(line->data, line->len, &number))
		add_number(scan, &number);
	rc = leat_line_copy(&made, text, write_result(scan, text));
	if (rc != 0)
		return rc;
	leat_line_free(line);
	*line = made;
	return 1;
}
