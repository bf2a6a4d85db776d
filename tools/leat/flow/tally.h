/*
 * tools/leat/flow/tally.h: how often each value came; or what else is kept for each value: its
 * user has so many bytes (`extra`) in each entry.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_TALLY_H
#define LEAT_TOOLS_LEAT_FLOW_TALLY_H

#include <stddef.h>
#include <stdint.h>

struct leat_tally_entry {
	uint64_t count;
	size_t len;
	char bytes[]; /* the user's `extra`, then the value */
};

/* A place in the table: a probe compares hashes, and reads the entry only if these are equal. */
struct leat_tally_slot {
	uint64_t hash;
	struct leat_tally_entry *entry; /* NULL: empty */
};

/* Entries are cut from large blocks: there may be millions, and they are freed all at once. */
struct leat_tally_block;

/* All zero is an empty tally. */
struct leat_tally {
	struct leat_tally_slot *slots; /* open addressing; a power of two of them */
	size_t slots_count, used;
	struct leat_tally_block *blocks; /* the newest first; entries are cut from it */
	size_t extra; /* bytes for the user in each entry, all 0 at first; set before the first */
};

static inline const char *leat_tally_value(const struct leat_tally *tally,
                                           const struct leat_tally_entry *entry)
{
	return entry->bytes + tally->extra;
}

uint64_t leat_tally_hash(const void *value, size_t len);

/*
 * Asks the processor for the slot of this hash. In a table that is larger than its caches, a value
 * costs little more than one miss: a caller with several values prefetches them all, then adds.
 */
void leat_tally_prefetch(const struct leat_tally *tally, uint64_t hash);

/* Counts the value, whose hash that is. 0 or -ENOMEM, and then nothing was counted. */
int leat_tally_add(struct leat_tally *tally, uint64_t hash, const void *value, size_t len);
/*
 * *entry: that of the value, which is made with a count of 0 if it is not there, up to `most`
 * entries: NULL: it is not there and there are so many. 0 or -ENOMEM.
 */
int leat_tally_find(struct leat_tally *tally, uint64_t hash, const void *value, size_t len,
                    size_t most, struct leat_tally_entry **entry);

/* What entries are ordered by, the largest first: their counts (NULL), or what this returns. */
typedef uint64_t leat_tally_weigh_fn(void *arg, struct leat_tally_entry *entry);

/* A value and its place in the order. */
struct leat_tally_row {
	uint64_t weight; /* the count, or the user's */
	uint64_t key;    /* the first bytes in which values differ */
	struct leat_tally_entry *entry;
};

/*
 * *rows: `used` of them, the largest weight first, those of one weight by value, byte by byte; the
 * caller frees the array, and reads it only while the tally is there. 0 or -ENOMEM.
 */
int leat_tally_sort(const struct leat_tally *tally, leat_tally_weigh_fn *weigh, void *arg,
                    struct leat_tally_row **rows);
/*
 * *rows: the first `most` of those that leat_tally_sort() returns, or all, and *n how many. It
 * sorts only these: it goes through all entries once, with a heap of those that are ahead so far.
 */
int leat_tally_top(const struct leat_tally *tally, size_t most, leat_tally_weigh_fn *weigh,
                   void *arg, struct leat_tally_row **rows, size_t *n);
void leat_tally_fini(struct leat_tally *tally);

#endif
