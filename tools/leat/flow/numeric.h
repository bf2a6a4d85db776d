/*
 * tools/leat/flow/numeric.h: what the sinks make of lines that are numbers: sum, min, max, mean,
 * quantiles, histogram.
 *
 * A sink gives each vector of lines to leat_numeric_add(), and at the end, or at a cancel, gets
 * the text that it is to write, and a note where something has to be said about it: how many lines
 * were no numbers, or that the result is not exact. No thread, channel or descriptor is used here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_NUMERIC_H
#define LEAT_TOOLS_LEAT_FLOW_NUMERIC_H

#include "tools/leat/flow/histogram.h"
#include "tools/leat/flow/number.h"
#include "tools/leat/flow/parse.h"
#include "tools/leat/flow/quantiles.h"
#include "tools/leat/flow/result.h"
#include "tools/leat/flow/value.h"

#include <leat/io.h>

#define LEAT_PERCENT_NAME 24

struct leat_numeric {
	enum leat_verb verb;
	uint64_t lines;
	/* of the results before this one, for the note */
	uint64_t lines_before, numbers_before;
	bool rounded_before, sketched_before;
	struct leat_sum sum; /* its count is that of the numbers, for every verb */
	/* min and max: the number, and as it was written */
	struct leat_number best;
	char *best_text;
	size_t best_len, best_size;
	struct leat_quantiles quantiles;
	uint32_t percents[LEAT_PERCENTS_MAX];
	size_t percents_count;
	/* the columns of their row */
	char percent_names[LEAT_PERCENTS_MAX][LEAT_PERCENT_NAME];
	const char *columns[LEAT_PERCENTS_MAX];
	struct leat_histogram *histogram;
};

bool leat_numeric_has(enum leat_verb verb);
/* Returns 0 or -ENOMEM. The caller calls leat_numeric_fini() in either case. */
int leat_numeric_init(struct leat_numeric *numeric, const struct leat_stage *stage);
/* The next result begins: what has come belongs to the one before it. The note is about all. */
void leat_numeric_restart(struct leat_numeric *numeric);
void leat_numeric_fini(struct leat_numeric *numeric);
/* Returns 0 or -ENOMEM. The lines stay the caller's. */
int leat_numeric_add(struct leat_numeric *numeric, const struct leat_line *lines, size_t n);
/*
 * Writes the result as lines: nothing, but for sum, where no number came. columns: for a
 * histogram. Returns 0 or -ENOMEM.
 */
int leat_numeric_put(struct leat_numeric *numeric, int columns, FILE *out);
/*
 * Writes the result as columns, one for each number: those of quantiles are p50, p90, ..., of a
 * histogram from, to, count. There is no row where no number came, but for sum. Returns 0, -ENOMEM,
 * or what the result's write returned.
 */
int leat_numeric_put_rows(struct leat_numeric *numeric, struct leat_result *result);
/* What has to be said about the result, without a line feed; "" if nothing has. */
#define LEAT_NOTE 256
void leat_numeric_note(const struct leat_numeric *numeric, char note[LEAT_NOTE]);

#endif
