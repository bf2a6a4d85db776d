/*
 * tools/leat/flow/quantiles.c: below which number so many percent of the numbers are. See
 * quantiles.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/quantiles.h"
#include "tools/leat/flow/number.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_FIRST ((size_t)16)
#define SPARE_FIRST ((size_t)32) /* buckets on both sides of the first one */
#define RADIX_MIN 128            /* fewer numbers are sorted sooner by qsort(3) */
/* What the buckets may add to the error: the result is rounded to five figures, which adds 0.00005.
 */
#define BUCKET_ERROR (LEAT_QUANTILES_ERROR - 0.0001)
/* Bucket i has the numbers above GAMMA^(i - 1) up to GAMMA^i; these are the first and the last. */
#define GAMMA ((1 + BUCKET_ERROR) / (1 - BUCKET_ERROR))
#define BUCKET_FIRST (-413700)
#define BUCKET_LAST 394400
#define BUCKETS ((size_t)(BUCKET_LAST - BUCKET_FIRST + 1))

static double unrank_double(uint64_t rank)
{
	uint64_t bits = rank >> 63 ? rank & ~(UINT64_C(1) << 63) : ~rank;
	double number;

	memcpy(&number, &bits, sizeof(number));
	return number;
}

static size_t find_bucket(double size)
{
	static double scale;
	double at;

	if (scale == 0)
		scale = 1 / log(GAMMA);
	at = ceil(log(size) * scale);
	at = at < BUCKET_FIRST ? BUCKET_FIRST : at > BUCKET_LAST ? BUCKET_LAST : at;
	return (size_t)((long)at - BUCKET_FIRST);
}

/* As far from the least as from the greatest number of the bucket, for the size of these. */
static double middle_of(size_t bucket)
{
	double at = (double)bucket + BUCKET_FIRST;
	char text[32];

	snprintf(text, sizeof(text), "%.4e", 2 * exp(at * log(GAMMA) - log(GAMMA + 1)));
	return strtod(text, NULL);
}

/*
 * Makes room for the bucket, and for half as many further ones on that side: so few sketches are
 * copied often.
 */
static int widen_sketch(struct leat_sketch *sketch, size_t bucket)
{
	bool empty = sketch->size == 0;
	size_t end = sketch->first + sketch->size, spare = sketch->size / 2 + SPARE_FIRST;
	size_t first = empty || bucket < sketch->first ? bucket : sketch->first;
	size_t last = empty || bucket >= end ? bucket : end - 1;
	uint64_t *counts;

	if (empty || bucket < sketch->first)
		first = first > spare ? first - spare : 0;
	if (empty || bucket >= end)
		last = last + spare < BUCKETS ? last + spare : BUCKETS - 1;
	counts = calloc(last - first + 1, sizeof(*counts));
	if (counts == NULL)
		return -ENOMEM;
	if (!empty)
		memcpy(counts + (sketch->first - first), sketch->counts,
		       sketch->size * sizeof(*counts));
	free(sketch->counts);
	*sketch = (struct leat_sketch){ counts, first, last - first + 1 };
	return 0;
}

static int sketch_number(struct leat_quantiles *quantiles, double number)
{
	struct leat_sketch *sketch = number > 0 ? &quantiles->above : &quantiles->below;
	size_t bucket;

	if (number == 0) {
		quantiles->zeros++;
		return 0;
	}
	bucket = find_bucket(fabs(number));
	/* one in front of the first wraps around */
	if (bucket - sketch->first >= sketch->size && widen_sketch(sketch, bucket) != 0)
		return -ENOMEM;
	sketch->counts[bucket - sketch->first]++;
	return 0;
}

static void drop_sketches(struct leat_quantiles *quantiles)
{
	free(quantiles->above.counts);
	free(quantiles->below.counts);
	quantiles->above = quantiles->below = (struct leat_sketch){ 0 };
	quantiles->zeros = 0;
}

/* Counts the kept numbers in buckets instead. After -ENOMEM they are still kept. */
static int sketch_kept(struct leat_quantiles *quantiles)
{
	for (size_t i = 0; i < quantiles->count; i++) {
		int rc = sketch_number(quantiles, unrank_double(quantiles->kept[i]));

		if (rc == 0)
			continue;
		drop_sketches(quantiles);
		return rc;
	}
	free(quantiles->kept);
	quantiles->kept = NULL;
	return 0;
}

static int keep_number(struct leat_quantiles *quantiles, double number)
{
	if (quantiles->count == quantiles->kept_size) {
		size_t size = quantiles->kept_size != 0 ? 2 * quantiles->kept_size : KEPT_FIRST;
		uint64_t *kept = realloc(quantiles->kept, size * sizeof(*kept));

		if (kept == NULL)
			return -ENOMEM;
		quantiles->kept = kept;
		quantiles->kept_size = size;
	}
	quantiles->kept[quantiles->count] = leat_double_rank(number);
	quantiles->sorted = false;
	return 0;
}

static size_t count_kept_most(const struct leat_quantiles *quantiles)
{
	return quantiles->most != 0 ? quantiles->most : LEAT_QUANTILES_KEPT;
}

bool leat_quantiles_sketched(const struct leat_quantiles *quantiles)
{
	return quantiles->count > count_kept_most(quantiles);
}

int leat_quantiles_add(struct leat_quantiles *quantiles, double number)
{
	size_t most = count_kept_most(quantiles);
	int rc = 0;

	if (quantiles->count == most && quantiles->kept != NULL)
		rc = sketch_kept(quantiles);
	if (rc == 0)
		rc = quantiles->count < most ? keep_number(quantiles, number)
		                             : sketch_number(quantiles, number);
	if (rc != 0)
		return rc;
	if (quantiles->count == 0 || number < quantiles->least)
		quantiles->least = number;
	if (quantiles->count == 0 || number > quantiles->greatest)
		quantiles->greatest = number;
	quantiles->count++;
	return 0;
}

static int compare_ranks(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/*
 * Radix sort from the least byte on; a byte that all have in common takes no pass. A million
 * numbers take some 20 ms, whatever they are.
 */
static int sort_kept(struct leat_quantiles *quantiles)
{
	size_t n = (size_t)quantiles->count, starts[256];
	uint64_t *from = quantiles->kept, *to;

	quantiles->sorted = true;
	if (n < RADIX_MIN) {
		qsort(from, n, sizeof(*from), compare_ranks);
		return 0;
	}
	to = malloc(quantiles->kept_size * sizeof(*to));
	quantiles->sorted = to != NULL;
	if (to == NULL)
		return -ENOMEM;
	for (unsigned shift = 0; shift < 64; shift += 8) {
		uint64_t *sorted = to;
		size_t start = 0;

		memset(starts, 0, sizeof(starts));
		for (size_t i = 0; i < n; i++)
			starts[from[i] >> shift & 255]++;
		if (starts[from[0] >> shift & 255] == n)
			continue;
		for (unsigned byte = 0; byte < 256; byte++) {
			size_t count = starts[byte];

			starts[byte] = start;
			start += count;
		}
		for (size_t i = 0; i < n; i++)
			sorted[starts[from[i] >> shift & 255]++] = from[i];
		to = from;
		from = sorted;
	}
	free(to);
	quantiles->kept = from;
	return 0;
}

/* The bucket's number of this rank, counted from 1: from below 0 up. */
static double find_sketched(const struct leat_quantiles *quantiles, uint64_t rank)
{
	uint64_t seen = 0;

	for (size_t i = quantiles->below.size; i-- > 0;) {
		seen += quantiles->below.counts[i];
		if (seen >= rank)
			return -middle_of(quantiles->below.first + i);
	}
	seen += quantiles->zeros;
	if (seen >= rank)
		return 0;
	for (size_t i = 0; i < quantiles->above.size; i++) {
		seen += quantiles->above.counts[i];
		if (seen >= rank)
			return middle_of(quantiles->above.first + i);
	}
	return quantiles->greatest;
}

int leat_quantiles_find(struct leat_quantiles *quantiles, uint32_t micropercent, double *number)
{
	const uint32_t all = 100000000;
	uint64_t rank =
		(uint64_t)(((unsigned __int128)quantiles->count * micropercent + all - 1) / all);
	int rc = 0;

	if (rank <= 1 || rank == quantiles->count) {
		*number = rank <= 1 ? quantiles->least : quantiles->greatest;
		return 0;
	}
	if (leat_quantiles_sketched(quantiles)) {
		*number = fmin(fmax(find_sketched(quantiles, rank), quantiles->least),
		               quantiles->greatest);
		return 0;
	}
	if (!quantiles->sorted)
		rc = sort_kept(quantiles);
	if (rc == 0)
		*number = unrank_double(quantiles->kept[rank - 1]);
	return rc;
}

void leat_quantiles_fini(struct leat_quantiles *quantiles)
{
	free(quantiles->kept);
	drop_sketches(quantiles);
	*quantiles = (struct leat_quantiles){ 0 };
}
