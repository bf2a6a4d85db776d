/*
 * tools/leat/flow/cells.h: what is kept of the numbers of one of very many groups.
 *
 * A group is so many bytes, which a layout divides: it has only the cells that are wanted, and each
 * is small while its numbers are. Sums and bounds are exact, as those of number.h are.
 *
 *     size_t size = 0;
 *     struct leat_cells cells = { 0 };
 *     leat_cells_want(&cells, LEAT_CELL_SUM, &size);     32 bytes
 *     leat_cells_add(&cells, group, &number);            group: `size` bytes, all 0 at first
 *     leat_cells_sum(&cells, group, &sum);
 *     leat_cells_fini(&cells, group);
 *
 * Several layouts may divide the same bytes, one behind the other: one for each column of numbers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_CELLS_H
#define LEAT_TOOLS_LEAT_FLOW_CELLS_H

#include "tools/leat/flow/number.h"
#include "tools/leat/flow/quantiles.h"

/* Numbers of a group that its quantiles keep: 32 KiB at the most. */
#define LEAT_CELLS_KEPT ((size_t)4096)

enum leat_cell {
	LEAT_CELL_COUNT, /* of numbers; it is there with any of the others */
	LEAT_CELL_SUM,
	LEAT_CELL_LEAST,
	LEAT_CELL_GREATEST,
	LEAT_CELL_QUANTILES,
	LEAT_CELL_KINDS
};

/* All zero: no cell. */
struct leat_cells {
	bool has[LEAT_CELL_KINDS];
	size_t at[LEAT_CELL_KINDS]; /* offsets in the group, which is aligned as a pointer is */
};

/* Makes room for the cell, if it is not there yet, behind the *size bytes so far. */
void leat_cells_want(struct leat_cells *cells, enum leat_cell kind, size_t *size);

/* Returns 0; or -ENOMEM, and then some cells may lack the number. */
int leat_cells_add(const struct leat_cells *cells, char *group, const struct leat_number *number);
void leat_cells_fini(const struct leat_cells *cells, char *group);

/* These want that cell. */
uint64_t leat_cells_count(const struct leat_cells *cells, const char *group);
void leat_cells_sum(const struct leat_cells *cells, const char *group, struct leat_sum *sum);
/* kind: LEAT_CELL_LEAST or LEAT_CELL_GREATEST, of at least one number. */
struct leat_number leat_cells_bound(const struct leat_cells *cells, const char *group,
                                    enum leat_cell kind);
/* NULL: no number came. */
struct leat_quantiles *leat_cells_quantiles(const struct leat_cells *cells, const char *group);

#endif
