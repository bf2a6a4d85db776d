/*
 * tools/leat/flow/group.h: the sink `group`: a row for each key, of what lines with that key have.
 *
 *     group:($1) count:yes sum:($10) p99:($10)
 *
 * A key is the value of an expression, as a text; so is what the key of the stage says for a column
 * (sum, mean, min, max, p99) as a number, and each different one is computed once for a line. A
 * value that is no number is left out and counted, as the sinks of numbers do.
 *
 * Columns stand as in the text of the flow, then the key. Rows are in the order of the first
 * column, the largest first, where values are compared as doubles; rows without a number come last,
 * and equal ones are in the order of their keys. by:key has all rows in the order of their keys,
 * byte by byte. most:N keeps so many keys; lines with further ones share a last row, which has no
 * key.
 *
 * Memory of a group: its key and 16 bytes, 22 to 43 in the table of slots, and the cells (cells.h)
 * of each different expression: 32 bytes for sum and mean, 24 for min or max, 16 for quantiles with
 * 8 for each number, up to 32 KiB, then a sketch.
 *
 * No thread, channel or descriptor is used here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_GROUP_H
#define LEAT_TOOLS_LEAT_FLOW_GROUP_H

#include "tools/leat/flow/parse.h"
#include "tools/leat/flow/result.h"
#include "tools/leat/flow/row.h"

#include <leat/io.h>

/* Lines of a vector. */
#define LEAT_GROUP_BATCH 64u

struct leat_group;

/*
 * Opens the expressions of a stage that the parser has read; the row gets their names. The stage
 * and the row must outlive the group. Returns 0 or -ENOMEM.
 */
int leat_group_open(struct leat_group **group, const struct leat_stage *stage,
                    struct leat_row *row);
/* The next result begins: what has come belongs to the one before it. The note is about all. */
void leat_group_restart(struct leat_group *group);
void leat_group_close(struct leat_group *group); /* NULL does nothing */

/* Returns 0 or -ENOMEM. The lines, at most LEAT_GROUP_BATCH, stay the caller's. */
int leat_group_add(struct leat_group *group, const struct leat_line *lines, size_t n);

/* Whether leat_group_put() is over within some hundredths of a second. */
bool leat_group_is_quick(const struct leat_group *group);
/* Writes the rows. Returns 0, -ENOMEM, or what the result's write returned. */
int leat_group_put(struct leat_group *group, struct leat_result *result);
/* What has to be said about them, after leat_group_put(), without a line feed; "": nothing. */
void leat_group_note(const struct leat_group *group, char *note, size_t size);

#endif
