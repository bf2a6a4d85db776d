/*
 * tools/leat/flow/histogram.h: how many numbers are of which size, as bars.
 *
 * Buckets begin at 1, 2 and 5 times the powers of 10, for numbers below 0 the same, mirrored; 0 has
 * one of its own. So they suit numbers of any size, and no number has to be kept.
 *
 *          0        0       12  #
 *          1        2      300  ############
 *
 * is a line for each bucket from the first with a number to the last: from which number (with it)
 * to which (without it; of those below 0 from without, to with), how many, and a bar. Where more
 * than three buckets in a row are empty, they are one line of three dots.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_HISTOGRAM_H
#define LEAT_TOOLS_LEAT_FLOW_HISTOGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* 3 for each power of 10 from -324 to 308. */
#define LEAT_BUCKETS (3 * (324 + 308 + 1))

/* Of the bucket of 0, which is in the middle. */
#define LEAT_BUCKET_ZERO LEAT_BUCKETS

struct leat_histogram {
	double bounds[LEAT_BUCKETS + 1]; /* bucket i is from bounds[i] on; the last is infinite */
	/* from the least numbers on: below 0, 0, above 0 */
	uint64_t counts[2 * LEAT_BUCKETS + 1];
};

void leat_histogram_init(struct leat_histogram *histogram);
void leat_histogram_add(struct leat_histogram *histogram, double number);
/* A bucket with numbers in it: its bounds as texts, "inf" beyond the greatest double. */
struct leat_bucket {
	char from[32], to[32];
	uint64_t count;
};
/* The next such bucket from *at on, which is 0 at first. False: there is no further one. */
bool leat_histogram_next(const struct leat_histogram *histogram, int *at,
                         struct leat_bucket *bucket);
/* Writes the lines, none as long as `columns`, if these are not too few for a bar of ten. */
void leat_histogram_put(const struct leat_histogram *histogram, int columns, FILE *out);

#endif
