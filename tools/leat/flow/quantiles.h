/*
 * tools/leat/flow/quantiles.h: below which number so many percent of the numbers are.
 *
 * Up to LEAT_QUANTILES_KEPT numbers (or `most`) are kept, and each result is one of them: the
 * smallest that at least so many percent of the numbers do not exceed (the nearest rank). Beyond
 * that they are counted in buckets that grow with the numbers, and a result is within
 * LEAT_QUANTILES_ERROR of what it should be, of itself: DDSketch (C. Masson, J. Rim, H. Lee:
 * "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error Guarantees", PVLDB 12,
 * 2019, p. 2195), with buckets for all doubles, so that none has to be collapsed; its results have
 * five figures. Least and greatest are exact. Buckets take 8 bytes each from the smallest to the
 * largest that was needed: 1,280 for numbers of one power of ten.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_QUANTILES_H
#define LEAT_TOOLS_LEAT_FLOW_QUANTILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAT_QUANTILES_KEPT ((size_t)1 << 20)
#define LEAT_QUANTILES_ERROR 0.001

/* Those from `first` on have counts. */
struct leat_sketch {
	uint64_t *counts;
	size_t first, size;
};

/* All zero is empty. */
struct leat_quantiles {
	size_t most; /* that are kept; 0: LEAT_QUANTILES_KEPT */
	uint64_t count;
	double least, greatest;
	uint64_t *kept; /* the numbers, as integers in their order; NULL with buckets */
	size_t kept_size;
	bool sorted;
	/* numbers above and below 0, by size */
	struct leat_sketch above, below;
	uint64_t zeros;
};

/* Returns 0, or -ENOMEM, and then the number is not counted. It is finite. */
int leat_quantiles_add(struct leat_quantiles *quantiles, double number);
/* Whether results are what the sketch knows, and not exact. */
bool leat_quantiles_sketched(const struct leat_quantiles *quantiles);
/*
 * *number: the quantile of so many millionths of a percent, of at least one number. 0: the least,
 * 100 million: the greatest. Returns 0 or -ENOMEM.
 */
int leat_quantiles_find(struct leat_quantiles *quantiles, uint32_t micropercent, double *number);
void leat_quantiles_fini(struct leat_quantiles *quantiles);

#endif
