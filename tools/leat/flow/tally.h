/*
 * tools/leat/flow/tally.h: how often each value came.
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

/* Entries are cut from large blocks: there may be millions, and they are given up all at once. */
struct leat_tally_block;

struct leat_tally {
	struct leat_tally_entry **slots; /* open addressing; a power of two of them */
	size_t slots_count, used;
	struct leat_tally_block *blocks; /* the newest first; entries are cut from it */
};

/* All zero is an empty tally. 0 or -ENOMEM, and then nothing was counted. */
int leat_tally_add(struct leat_tally *tally, const void *value, size_t len);

/*
 * Largest count first, ties by value, byte by byte. Gives the table up: afterwards slots[0..used)
 * are in order.
 */
void leat_tally_sort(struct leat_tally *tally);
void leat_tally_fini(struct leat_tally *tally);

#endif
