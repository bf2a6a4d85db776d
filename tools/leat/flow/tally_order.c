/*
 * tools/leat/flow/tally_order.c: the rows of a tally in order. See tally.h.
 *
 * What bounds the sort of millions of rows is memory: reads of entries at random, and pages that
 * the system has to clear. So the weight of a row and the beginning of its value become one number,
 * its place, and rows of two words are sorted by it where they are, without their entries.
 *
 * Places are dense. Of each position behind what all values begin with, only the bytes that occur
 * are told apart: lines of figures take 11 numbers a position, and not 256. So most values fit into
 * their places as a whole. Rows of one place are sorted anew by what is behind it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/tally.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Positions of a value that its place may have, and what may stand there: a byte, or its end. */
#define POSITIONS 16
#define SYMBOLS 257
/* So few rows are inserted one by one; and of one place, or so deep, rows are compared. */
#define FEW_ROWS 16
#define FEW_ALIKE 64
#define DEPTH_MOST 64
/*
 * Of a digit of a place: the sort writes to 256 parts of the rows in turn, and the cache has room
 * for that. Of each part it prefetches a row that is so many further on.
 */
#define DIGIT_BITS 8
#define DIGITS_MOST (1 << DIGIT_BITS)
#define ROWS_AHEAD 12
/* Of a larger share of all values a heap is no faster than sorting them all. */
#define TOP_SHARE 16

struct order {
	const struct leat_tally *tally;
	size_t prefix;    /* bytes that all values begin with */
	size_t positions; /* behind it that are part of the place */
	bool whole;       /* no value goes on behind them */
	unsigned depth, value_bits, weight_bits;
	uint64_t greatest; /* weight */
	/* what a symbol adds to the place: its rank among those that occur, times what is behind */
	uint64_t parts[POSITIONS][SYMBOLS];
};

static int compare_values(const void *a, const void *b, void *tally)
{
	const struct leat_tally_entry *x = ((const struct leat_tally_row *)a)->entry;
	const struct leat_tally_entry *y = ((const struct leat_tally_row *)b)->entry;
	int order = memcmp(leat_tally_value(tally, x), leat_tally_value(tally, y),
	                   x->len < y->len ? x->len : y->len);

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

static void swap_rows(struct leat_tally_row *a, struct leat_tally_row *b)
{
	struct leat_tally_row row = *a;

	*a = *b;
	*b = row;
}

static void insert_rows(struct leat_tally_row *rows, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct leat_tally_row row = rows[i];
		size_t at = i;

		for (; at > 0 && rows[at - 1].weight > row.weight; at--)
			rows[at] = rows[at - 1];
		rows[at] = row;
	}
}

static unsigned count_bits(uint64_t number)
{
	return number == 0 ? 0 : 64 - (unsigned)__builtin_clzll(number);
}

/* Moves rows to where those of their digit belong: starts[digit] to ends[digit]. */
static void place_rows(struct leat_tally_row *rows, size_t *starts, const size_t *ends,
                       unsigned shift, unsigned digits)
{
	for (unsigned digit = 0; digit < digits; digit++)
		while (starts[digit] < ends[digit]) {
			struct leat_tally_row *row = &rows[starts[digit]], *to;
			unsigned home = (unsigned)(row->weight >> shift) & (digits - 1);

			if (home == digit) {
				starts[digit]++;
				continue;
			}
			to = &rows[starts[home]++];
			__builtin_prefetch(to + ROWS_AHEAD, 1);
			swap_rows(row, to);
		}
}

/* Radix sort from the greatest digit on, in place, of rows whose weights differ in low `bits`. */
static void sort_rows(struct leat_tally_row *rows, size_t n, unsigned bits)
{
	size_t ends[DIGITS_MOST] = { 0 }, starts[DIGITS_MOST], sum = 0;
	unsigned width = count_bits(n / FEW_ROWS), shift, digits;

	if (n <= FEW_ROWS) {
		insert_rows(rows, n);
		return;
	}
	width = width < DIGIT_BITS ? width : DIGIT_BITS;
	width = width < bits ? width : bits;
	shift = bits - width;
	digits = 1u << width;
	for (size_t i = 0; i < n; i++)
		ends[(rows[i].weight >> shift) & (digits - 1)]++;
	for (unsigned digit = 0; digit < digits; digit++) {
		starts[digit] = sum;
		sum += ends[digit];
		ends[digit] = sum;
	}
	place_rows(rows, starts, ends, shift, digits);
	sum = 0;
	for (unsigned digit = 0; digit < digits; digit++) {
		if (shift != 0 && ends[digit] - sum > 1)
			sort_rows(rows + sum, ends[digit] - sum, shift);
		sum = ends[digit];
	}
}

static size_t count_alike(const char *a, const char *b, size_t most)
{
	size_t len = 0;

	while (len < most && a[len] == b[len])
		len++;
	return len;
}

static const char *symbols_at(const struct order *order, const struct leat_tally_entry *entry,
                              size_t *n)
{
	*n = entry->len - order->prefix;
	return leat_tally_value(order->tally, entry) + order->prefix;
}

/* Finds the range of weights, what values begin with, and the length of the longest. */
static size_t measure_rows(struct order *order, const struct leat_tally_row *rows, size_t n)
{
	const char *first = leat_tally_value(order->tally, rows[0].entry);
	size_t common = rows[0].entry->len, longest = common;
	uint64_t greatest = rows[0].weight, least = greatest;

	for (size_t i = 1; i < n; i++) {
		const struct leat_tally_entry *entry = rows[i].entry;
		uint64_t weight = rows[i].weight;

		leat_tally_read_ahead(rows, i, n);
		greatest = weight > greatest ? weight : greatest;
		least = weight < least ? weight : least;
		longest = entry->len > longest ? entry->len : longest;
		common = count_alike(leat_tally_value(order->tally, entry), first,
		                     common < entry->len ? common : entry->len);
	}
	order->prefix = common;
	order->greatest = greatest;
	order->weight_bits = count_bits(greatest - least);
	return longest;
}

static void mark_symbols(struct order *order, const struct leat_tally_row *rows, size_t n)
{
	memset(order->parts, 0, sizeof(order->parts));
	for (size_t i = 0; i < n; i++) {
		size_t left;
		const char *symbols = symbols_at(order, rows[i].entry, &left);

		leat_tally_read_ahead(rows, i, n);
		if (left < POSITIONS)
			order->parts[left][0] = 1;
		else
			left = POSITIONS;
		for (size_t at = 0; at < left; at++)
			order->parts[at][1 + (uint8_t)symbols[at]] = 1;
	}
}

/* Replaces marks by ranks, from 0. Returns how many symbols occur. */
static uint64_t rank_symbols(uint64_t *parts)
{
	uint64_t count = 0;

	for (unsigned symbol = 0; symbol < SYMBOLS; symbol++)
		if (parts[symbol] != 0)
			parts[symbol] = count++;
	return count;
}

/* Chooses as many positions as a place has room for beside the weight. */
static void choose_positions(struct order *order, size_t longest)
{
	uint64_t most = order->weight_bits < 64 ? INT64_MAX >> order->weight_bits : 0, places = 1,
		 counts[POSITIONS];
	size_t at = 0;

	for (; at < POSITIONS && order->prefix + at < longest; at++) {
		counts[at] = rank_symbols(order->parts[at]);
		if (places > most / counts[at])
			break;
		places *= counts[at];
	}
	order->positions = at;
	order->whole = order->prefix + at == longest;
	order->value_bits = count_bits(places - 1);
	for (places = 1; at-- > 0; places *= counts[at])
		for (unsigned symbol = 0; symbol < SYMBOLS; symbol++)
			order->parts[at][symbol] *= places;
}

static void place_row(const struct order *order, struct leat_tally_row *row)
{
	size_t left;
	const char *symbols = symbols_at(order, row->entry, &left);
	uint64_t place = (order->greatest - row->weight) << order->value_bits;

	left = left < order->positions ? left : order->positions;
	for (size_t at = 0; at < left; at++)
		place += order->parts[at][1 + (uint8_t)symbols[at]];
	row->weight = place;
}

static void order_rows(struct order *order, struct leat_tally_row *rows, size_t n);

/* Rows whose places were the same; they have their weights again. */
static void order_alike(struct order *order, struct leat_tally_row *rows, size_t n)
{
	if (n <= FEW_ALIKE || order->depth == DEPTH_MOST) {
		qsort_r(rows, n, sizeof(*rows), compare_values, (void *)(uintptr_t)order->tally);
		return;
	}
	order->depth++;
	order_rows(order, rows, n);
	order->depth--;
}

static void order_rows(struct order *order, struct leat_tally_row *rows, size_t n)
{
	size_t longest = measure_rows(order, rows, n);
	unsigned value_bits;
	uint64_t greatest;
	bool whole;

	mark_symbols(order, rows, n);
	choose_positions(order, longest);
	value_bits = order->value_bits; /* the order of rows that are alike has others */
	greatest = order->greatest;
	whole = order->whole;
	for (size_t i = 0; i < n; i++) {
		leat_tally_read_ahead(rows, i, n);
		place_row(order, &rows[i]);
	}
	sort_rows(rows, n, order->weight_bits + value_bits);
	for (size_t from = 0, to; from < n; from = to) {
		uint64_t place = rows[from].weight;

		for (to = from; to < n && rows[to].weight == place; to++)
			rows[to].weight = greatest - (place >> value_bits);
		if (!whole && to - from > 1)
			order_alike(order, &rows[from], to - from);
	}
}

static uint64_t weigh_entry(leat_tally_weigh_fn *weigh, void *arg, struct leat_tally_entry *entry)
{
	return weigh != NULL ? weigh(arg, entry) : entry->count;
}

int leat_tally_sort(const struct leat_tally *tally, leat_tally_weigh_fn *weigh, void *arg,
                    struct leat_tally_row **sorted)
{
	struct leat_tally_row *rows = leat_tally_alloc((tally->used + 1) * sizeof(*rows));
	struct order *order = malloc(sizeof(*order));
	struct leat_tally_walk walk = leat_tally_walk(tally);
	struct leat_tally_entry *entry;
	size_t n = 0;

	*sorted = NULL;
	if (rows == NULL || order == NULL) {
		free(rows);
		free(order);
		return -ENOMEM;
	}
	for (; (entry = leat_tally_next(tally, &walk)) != NULL; n++)
		rows[n] = (struct leat_tally_row){ .weight = weigh_entry(weigh, arg, entry),
			                           .entry = entry };
	order->tally = tally;
	order->depth = 0;
	if (n > 0)
		order_rows(order, rows, n);
	free(order);
	*sorted = rows;
	return 0;
}

/* Eight bytes of the value, so that numbers compare as memcmp(3) does. */
static uint64_t first_bytes(const struct leat_tally *tally, const struct leat_tally_entry *entry)
{
	uint64_t word = 0;

	memcpy(&word, leat_tally_value(tally, entry), entry->len < 8 ? entry->len : 8);
	return be64toh(word);
}

/* A row that may be among the first. */
struct candidate {
	struct leat_tally_row row;
	uint64_t bytes; /* the first of its value */
};

/* Below 0: the row comes before the other one. */
static int compare_candidates(const struct leat_tally *tally, const struct candidate *a,
                              const struct candidate *b)
{
	if (a->row.weight != b->row.weight)
		return a->row.weight > b->row.weight ? -1 : 1;
	if (a->bytes != b->bytes)
		return a->bytes < b->bytes ? -1 : 1;
	return compare_values(&a->row, &b->row, (void *)(uintptr_t)tally);
}

/* A heap of n rows, whose last one in the order is at the top; only heap[0] may be out of place. */
static void sift_down(const struct leat_tally *tally, struct candidate *heap, size_t n)
{
	struct candidate row = heap[0];
	size_t at = 0, child;

	for (; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && compare_candidates(tally, &heap[child + 1], &heap[child]) > 0)
			child++;
		if (compare_candidates(tally, &row, &heap[child]) >= 0)
			break;
		heap[at] = heap[child];
	}
	heap[at] = row;
}

static void sift_up(const struct leat_tally *tally, struct candidate *heap, size_t at)
{
	struct candidate row = heap[at];

	for (; at > 0 && compare_candidates(tally, &row, &heap[(at - 1) / 2]) > 0;
	     at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = row;
}

/* Takes the row into the heap, if it is ahead of one of the `most` that are there. */
static void offer_row(const struct leat_tally *tally, struct candidate *heap, size_t *n,
                      size_t most, struct leat_tally_row row)
{
	struct candidate candidate = { .row = row };

	if (*n == most && row.weight < heap[0].row.weight)
		return; /* most are, and need no more than a look */
	candidate.bytes = first_bytes(tally, row.entry);
	if (*n < most) {
		heap[*n] = candidate;
		sift_up(tally, heap, (*n)++);
	} else if (compare_candidates(tally, &candidate, &heap[0]) < 0) {
		heap[0] = candidate;
		sift_down(tally, heap, *n);
	}
}

/* Takes the rows from the heap, the last in the order first. */
static void empty_heap(const struct leat_tally *tally, struct candidate *heap,
                       struct leat_tally_row *rows, size_t n)
{
	while (n > 0) {
		rows[--n] = heap[0].row;
		heap[0] = heap[n];
		if (n > 1)
			sift_down(tally, heap, n);
	}
}

int leat_tally_top(const struct leat_tally *tally, size_t most, leat_tally_weigh_fn *weigh,
                   void *arg, struct leat_tally_row **top, size_t *n)
{
	struct leat_tally_walk walk = leat_tally_walk(tally);
	struct leat_tally_entry *entry;
	struct candidate *heap;

	*n = most < tally->used ? most : tally->used;
	if (*n >= tally->used / TOP_SHARE)
		return leat_tally_sort(tally, weigh, arg, top);
	*n = 0;
	*top = malloc(most * sizeof(**top));
	heap = malloc(most * sizeof(*heap));
	if (*top == NULL || heap == NULL) {
		free(*top);
		free(heap);
		*top = NULL;
		return -ENOMEM;
	}
	while ((entry = leat_tally_next(tally, &walk)) != NULL)
		offer_row(tally, heap, n, most,
		          (struct leat_tally_row){ .weight = weigh_entry(weigh, arg, entry),
		                                   .entry = entry });
	empty_heap(tally, heap, *top, *n);
	free(heap);
	return 0;
}
