/*
 * tools/leat/flow/tally.h: a table that counts how often each value came.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_TALLY_H
#define LEAT_TOOLS_LEAT_FLOW_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct leat_tally_entry {
	uint64_t hash, count;
	size_t len;
	char value[];
};

/* Entries are cut from large blocks, as there may be millions, which are freed all at once. */
struct leat_tally_block;

struct leat_tally {
	struct leat_tally_entry **slots; /* open addressing; their number is a power of two */
	size_t slots_count, used;
	struct leat_tally_block *blocks; /* the newest one first, from which entries are cut */
};

/*
 * Counts a value, which is copied. All zero is an empty tally. Returns 0; or -ENOMEM, and then
 * nothing was counted.
 */
int leat_tally_add(struct leat_tally *tally, const void *value, size_t len);

/*
 * Sorts: the largest count first; equal counts by value, byte by byte. Afterwards slots[0..used)
 * are in order, and leat_tally_add() must not be called.
 */
void leat_tally_sort(struct leat_tally *tally);
void leat_tally_fini(struct leat_tally *tally);

#endif
