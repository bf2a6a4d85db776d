/*
 * tools/leat/flow/histogram.c: how many numbers are of which size, as bars. See histogram.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/histogram.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_POWER (-324)
#define BAR_MIN 10
#define EMPTY_MAX 3

void leat_histogram_init(struct leat_histogram *histogram)
{
	char text[16];

	memset(histogram, 0, sizeof(*histogram));
	for (int i = 0; i < LEAT_BUCKETS; i++) {
		/* read, not computed: each bound is the double next to it, as a line's number is */
		snprintf(text, sizeof(text), "%ce%d", "125"[i % 3], LEAST_POWER + i / 3);
		histogram->bounds[i] = strtod(text, NULL);
	}
	histogram->bounds[LEAT_BUCKETS] = INFINITY;
}

/* The bucket of a number above 0: near by its binary exponent, then by the bounds. */
static int find_bucket(const struct leat_histogram *histogram, double size)
{
	int exponent, i;

	frexp(size, &exponent);
	i = 3 * ((int)floor((exponent - 1) * 0.30102999566398120) - LEAST_POWER);
	i = i < 0 ? 0 : i;
	while (i > 0 && size < histogram->bounds[i])
		i--;
	while (size >= histogram->bounds[i + 1])
		i++;
	return i;
}

void leat_histogram_add(struct leat_histogram *histogram, double number)
{
	int at = LEAT_BUCKET_ZERO;

	if (number > 0)
		at += 1 + find_bucket(histogram, number);
	else if (number < 0)
		at -= 1 + find_bucket(histogram, -number);
	histogram->counts[at]++;
}

/* What the buckets from first to last take. */
struct layout {
	int first, last, number_width, count_width, bar_width;
	uint64_t most;
};

static void put_bounds(const struct leat_histogram *histogram, int at, char from[32], char to[32])
{
	int i = abs(at - LEAT_BUCKET_ZERO) - 1;
	double near = i < 0 ? 0 : histogram->bounds[i], far = i < 0 ? 0 : histogram->bounds[i + 1];

	snprintf(from, 32, "%.9g", at < LEAT_BUCKET_ZERO ? -far : near);
	snprintf(to, 32, "%.9g", at < LEAT_BUCKET_ZERO ? -near : far);
}

bool leat_histogram_next(const struct leat_histogram *histogram, int *at,
                         struct leat_bucket *bucket)
{
	while (*at < 2 * LEAT_BUCKETS + 1 && histogram->counts[*at] == 0)
		++*at;
	if (*at == 2 * LEAT_BUCKETS + 1)
		return false;
	put_bounds(histogram, *at, bucket->from, bucket->to);
	bucket->count = histogram->counts[(*at)++];
	return true;
}

static int widest(int a, int b)
{
	return a > b ? a : b;
}

/* How many buckets from there on have no number, in front of one that has. */
static int count_empty(const struct leat_histogram *histogram, int at)
{
	int n = 0;

	while (histogram->counts[at + n] == 0)
		n++;
	return n;
}

static struct layout lay_out(const struct leat_histogram *histogram, int columns)
{
	struct layout layout = { .first = -1 };
	char from[32], to[32];

	for (int i = 0; i < 2 * LEAT_BUCKETS + 1; i++) {
		uint64_t count = histogram->counts[i];

		if (count == 0)
			continue;
		layout.first = layout.first < 0 ? i : layout.first;
		layout.last = i;
		layout.most = count > layout.most ? count : layout.most;
	}
	for (int i = layout.first; i >= 0 && i <= layout.last; i++) {
		int empty = count_empty(histogram, i);

		if (empty > EMPTY_MAX) {
			i += empty - 1;
			continue;
		}
		put_bounds(histogram, i, from, to);
		layout.number_width =
			widest(layout.number_width, widest((int)strlen(from), (int)strlen(to)));
	}
	layout.count_width = snprintf(NULL, 0, "%" PRIu64, layout.most);
	/* a blank between two columns, two before the bar, and the last column stays free */
	layout.bar_width =
		widest(BAR_MIN, columns - 2 * layout.number_width - layout.count_width - 5);
	return layout;
}

/* A count above 0 has a bar of one at the least. */
static int measure_bar(const struct layout *layout, uint64_t count)
{
	double length = (double)count * layout->bar_width / (double)layout->most;

	return count == 0 ? 0 : widest(1, (int)(length + 0.5));
}

void leat_histogram_put(const struct leat_histogram *histogram, int columns, FILE *out)
{
	struct layout layout = lay_out(histogram, columns);
	char from[32], to[32];

	for (int i = layout.first; i >= 0 && i <= layout.last; i++) {
		int empty = count_empty(histogram, i), bar;

		if (empty > EMPTY_MAX) {
			fputs("...\n", out);
			i += empty - 1;
			continue;
		}
		put_bounds(histogram, i, from, to);
		bar = measure_bar(&layout, histogram->counts[i]);
		fprintf(out, "%*s %*s %*" PRIu64 "%s", layout.number_width, from,
		        layout.number_width, to, layout.count_width, histogram->counts[i],
		        bar > 0 ? "  " : "");
		while (bar-- > 0)
			putc('#', out);
		putc('\n', out);
	}
}
