/*
 * tools/leat/flow/quantiles.c: below which number so many percent of the numbers are. See
 * quantiles.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/quantiles.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_FIRST ((size_t)1024)
/* What the buckets may add to the error: the result is rounded to five figures, which adds 0.00005.
 */
#define BUCKET_ERROR (LEAT_QUANTILES_ERROR - 0.0001)
/* Bucket i has the numbers above GAMMA^(i - 1) up to GAMMA^i; these are the first and the last. */
#define GAMMA ((1 + BUCKET_ERROR) / (1 - BUCKET_ERROR))
#define BUCKET_FIRST (-413700)
#define BUCKET_LAST 394400
#define BUCKETS ((size_t)(BUCKET_LAST - BUCKET_FIRST + 1))

/* An integer for each double, in the same order. -0 is 0. */
static uint64_t rank_double(double number)
{
	uint64_t bits;

	number += 0.0;
	memcpy(&bits, &number, sizeof(bits));
	return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

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

static int sketch_number(struct leat_quantiles *quantiles, double number)
{
	uint64_t **buckets = number > 0 ? &quantiles->above : &quantiles->below;

	if (number == 0) {
		quantiles->zeros++;
		return 0;
	}
	/* 6 MB of addresses; pages take memory as numbers fall into them. */
	if (*buckets == NULL)
		*buckets = calloc(BUCKETS, sizeof(**buckets));
	if (*buckets == NULL)
		return -ENOMEM;
	(*buckets)[find_bucket(fabs(number))]++;
	return 0;
}

/* Counts the kept numbers in buckets instead. After -ENOMEM they are still kept. */
static int sketch_kept(struct leat_quantiles *quantiles)
{
	for (size_t i = 0; i < quantiles->count; i++) {
		int rc = sketch_number(quantiles, unrank_double(quantiles->kept[i]));

		if (rc == 0)
			continue;
		free(quantiles->above);
		free(quantiles->below);
		quantiles->above = quantiles->below = NULL;
		quantiles->zeros = 0;
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
	quantiles->kept[quantiles->count] = rank_double(number);
	quantiles->sorted = false;
	return 0;
}

bool leat_quantiles_sketched(const struct leat_quantiles *quantiles)
{
	return quantiles->count > LEAT_QUANTILES_KEPT;
}

int leat_quantiles_add(struct leat_quantiles *quantiles, double number)
{
	int rc = 0;

	if (quantiles->count == LEAT_QUANTILES_KEPT && quantiles->kept != NULL)
		rc = sketch_kept(quantiles);
	if (rc == 0)
		rc = quantiles->count < LEAT_QUANTILES_KEPT ? keep_number(quantiles, number)
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

/*
 * Radix sort from the least byte on; a byte that all have in common takes no pass. A million
 * numbers take some 20 ms, whatever they are.
 */
static int sort_kept(struct leat_quantiles *quantiles)
{
	size_t n = (size_t)quantiles->count, starts[256];
	uint64_t *from = quantiles->kept, *to = malloc(quantiles->kept_size * sizeof(*to));

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
	quantiles->sorted = true;
	return 0;
}

/* The bucket's number of this rank, counted from 1: from below 0 up. */
static double find_sketched(const struct leat_quantiles *quantiles, uint64_t rank)
{
	uint64_t seen = 0;

	for (size_t i = BUCKETS; quantiles->below != NULL && i-- > 0;) {
		seen += quantiles->below[i];
		if (seen >= rank)
			return -middle_of(i);
	}
	seen += quantiles->zeros;
	if (seen >= rank)
		return 0;
	for (size_t i = 0; quantiles->above != NULL && i < BUCKETS; i++) {
		seen += quantiles->above[i];
		if (seen >= rank)
			return middle_of(i);
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
	free(quantiles->above);
	free(quantiles->below);
	*quantiles = (struct leat_quantiles){ 0 };
}
