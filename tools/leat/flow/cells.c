/*
 * tools/leat/flow/cells.c: what is kept of the numbers of a group. See cells.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/cells.h"

#include <errno.h>
#include <stdlib.h>

/* The sum is whole + part / LEAT_NUMBER_UNIT, where |part| < LEAT_NUMBER_UNIT. */
struct sum_cell {
	int64_t whole, part;
	struct leat_sum *wide; /* NULL: none; else the sum, which the other two could not hold */
};

/* A number of 64 bits; or, where part is WIDE, which no number has, any number. */
struct bound_cell {
	union {
		int64_t whole;
		struct leat_number *wide;
	};
	int64_t part;
};
#define WIDE INT64_MIN

static const size_t sizes[LEAT_CELL_KINDS] = {
	[LEAT_CELL_COUNT] = sizeof(uint64_t),
	[LEAT_CELL_SUM] = sizeof(struct sum_cell),
	[LEAT_CELL_LEAST] = sizeof(struct bound_cell),
	[LEAT_CELL_GREATEST] = sizeof(struct bound_cell),
	[LEAT_CELL_QUANTILES] = sizeof(struct leat_quantiles *),
};

void leat_cells_want(struct leat_cells *cells, enum leat_cell kind, size_t *size)
{
	if (kind != LEAT_CELL_COUNT)
		leat_cells_want(cells, LEAT_CELL_COUNT, size);
	if (cells->has[kind])
		return;
	cells->has[kind] = true;
	cells->at[kind] = *size;
	*size += sizes[kind];
}

static void *cell_of(const struct leat_cells *cells, const char *group, enum leat_cell kind)
{
	return (void *)(uintptr_t)(group + cells->at[kind]);
}

static bool is_narrow(const struct leat_number *number)
{
	return number->exact && number->whole == (int64_t)number->whole;
}

/* The sum as number.h has it. */
static void read_sum(const struct sum_cell *cell, uint64_t count, struct leat_sum *sum)
{
	*sum = cell->wide != NULL ? *cell->wide
	                          : (struct leat_sum){ .whole = cell->whole, .parts = cell->part };
	sum->count = count;
}

static int add_wide(struct sum_cell *cell, const struct leat_number *number)
{
	if (cell->wide == NULL) {
		struct leat_sum *wide = malloc(sizeof(*wide));

		if (wide == NULL)
			return -ENOMEM;
		read_sum(cell, 0, wide);
		cell->wide = wide;
	}
	leat_sum_add(cell->wide, number);
	return 0;
}

static int add_to_sum(struct sum_cell *cell, const struct leat_number *number)
{
	int64_t whole, part;

	if (cell->wide != NULL || !is_narrow(number))
		return add_wide(cell, number);
	part = cell->part + number->part; /* less than 2 * 10^18 of the 9 * 10^18 that there are */
	whole = part <= -LEAT_NUMBER_UNIT ? -1 : part >= LEAT_NUMBER_UNIT;
	part -= whole * LEAT_NUMBER_UNIT;
	if (__builtin_add_overflow(whole, (int64_t)number->whole, &whole) ||
	    __builtin_add_overflow(whole, cell->whole, &whole))
		return add_wide(cell, number);
	cell->whole = whole;
	cell->part = part;
	return 0;
}

static struct leat_number read_bound(const struct bound_cell *cell)
{
	if (cell->part == WIDE)
		return *cell->wide;
	return (struct leat_number){ .exact = true, .whole = cell->whole, .part = cell->part };
}

static int write_bound(struct bound_cell *cell, const struct leat_number *number)
{
	struct leat_number *wide = cell->part == WIDE ? cell->wide : NULL;

	if (is_narrow(number)) {
		*cell = (struct bound_cell){ .whole = (int64_t)number->whole,
			                     .part = number->part };
		free(wide);
		return 0;
	}
	if (wide == NULL)
		wide = malloc(sizeof(*wide));
	if (wide == NULL)
		return -ENOMEM;
	*wide = *number;
	*cell = (struct bound_cell){ .wide = wide, .part = WIDE };
	return 0;
}

/* sign: below 0 for the least, above 0 for the greatest. Of equal numbers the first one stays. */
static int add_to_bound(struct bound_cell *cell, bool first, int sign,
                        const struct leat_number *number)
{
	if (!first) {
		struct leat_number bound = read_bound(cell);

		if (sign * leat_number_compare(number, &bound) <= 0)
			return 0;
	}
	return write_bound(cell, number);
}

static int add_to_quantiles(struct leat_quantiles **cell, const struct leat_number *number)
{
	if (*cell == NULL) {
		*cell = calloc(1, sizeof(**cell));
		if (*cell == NULL)
			return -ENOMEM;
		(*cell)->most = LEAT_CELLS_KEPT;
	}
	return leat_quantiles_add(*cell, leat_number_double(number));
}

int leat_cells_add(const struct leat_cells *cells, char *group, const struct leat_number *number)
{
	uint64_t *count = cell_of(cells, group, LEAT_CELL_COUNT);
	bool first = (*count)++ == 0;
	int rc = 0;

	if (cells->has[LEAT_CELL_SUM])
		rc = add_to_sum(cell_of(cells, group, LEAT_CELL_SUM), number);
	if (rc == 0 && cells->has[LEAT_CELL_LEAST])
		rc = add_to_bound(cell_of(cells, group, LEAT_CELL_LEAST), first, -1, number);
	if (rc == 0 && cells->has[LEAT_CELL_GREATEST])
		rc = add_to_bound(cell_of(cells, group, LEAT_CELL_GREATEST), first, 1, number);
	if (rc == 0 && cells->has[LEAT_CELL_QUANTILES])
		rc = add_to_quantiles(cell_of(cells, group, LEAT_CELL_QUANTILES), number);
	return rc;
}

void leat_cells_fini(const struct leat_cells *cells, char *group)
{
	struct leat_quantiles *quantiles;

	if (cells->has[LEAT_CELL_SUM])
		free(((struct sum_cell *)cell_of(cells, group, LEAT_CELL_SUM))->wide);
	for (enum leat_cell kind = LEAT_CELL_LEAST; kind <= LEAT_CELL_GREATEST; kind++) {
		struct bound_cell *bound = cell_of(cells, group, kind);

		if (cells->has[kind] && bound->part == WIDE)
			free(bound->wide);
	}
	if (!cells->has[LEAT_CELL_QUANTILES])
		return;
	quantiles = leat_cells_quantiles(cells, group);
	if (quantiles != NULL)
		leat_quantiles_fini(quantiles);
	free(quantiles);
}

uint64_t leat_cells_count(const struct leat_cells *cells, const char *group)
{
	return *(uint64_t *)cell_of(cells, group, LEAT_CELL_COUNT);
}

void leat_cells_sum(const struct leat_cells *cells, const char *group, struct leat_sum *sum)
{
	read_sum(cell_of(cells, group, LEAT_CELL_SUM), leat_cells_count(cells, group), sum);
}

struct leat_number leat_cells_bound(const struct leat_cells *cells, const char *group,
                                    enum leat_cell kind)
{
	return read_bound(cell_of(cells, group, kind));
}

struct leat_quantiles *leat_cells_quantiles(const struct leat_cells *cells, const char *group)
{
	return *(struct leat_quantiles **)cell_of(cells, group, LEAT_CELL_QUANTILES);
}
