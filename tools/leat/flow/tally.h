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

/* Entries are cut from large blocks: there may be millions, and they are freed all at once. */
struct leat_tally_block;

/* All zero is an empty tally. */
struct leat_tally {
	/*
	 * Open addressing; a power of two of them. A slot is 0 if it is empty; else the address of
	 * an entry, and above it 16 bits of the hash, so that few probes read an entry in vain.
	 */
	uint64_t *slots;
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

/*
 * Memory for free(3), or NULL. What is large has huge pages: there are fewer faults, and fewer
 * misses of the page table. Where the system has none, it is only slower.
 */
void *leat_tally_alloc(size_t size);

/*
 * All entries, as they stand in memory: the processor reads ahead of such a walk.
 *
 *     struct leat_tally_walk walk = leat_tally_walk(tally);
 *     while ((entry = leat_tally_next(tally, &walk)) != NULL)
 *             ...
 */
struct leat_tally_walk {
	const struct leat_tally_block *block;
	size_t at;
};

static inline struct leat_tally_walk leat_tally_walk(const struct leat_tally *tally)
{
	return (struct leat_tally_walk){ .block = tally->blocks };
}

/* NULL: there are no more. */
struct leat_tally_entry *leat_tally_next(const struct leat_tally *tally,
                                         struct leat_tally_walk *walk);

/* What entries are ordered by, the largest first: their counts (NULL), or what this returns. */
typedef uint64_t leat_tally_weigh_fn(void *arg, struct leat_tally_entry *entry);

/* Rows ahead: so many misses of the cache are under way at a time. */
#define LEAT_TALLY_AHEAD 16u

/* A value and its place in the order. */
struct leat_tally_row {
	uint64_t weight; /* the count, or the user's */
	struct leat_tally_entry *entry;
};

/*
 * Entries of rows are all over the memory: a caller that goes through rows prefetches those of some
 * rows further on, while it is at row `at`.
 */
static inline void leat_tally_read_ahead(const struct leat_tally_row *rows, size_t at, size_t n)
{
	if (at + LEAT_TALLY_AHEAD < n)
		__builtin_prefetch(rows[at + LEAT_TALLY_AHEAD].entry);
}

/*
 * *rows: `used` of them, the largest weight first, those of one weight by value, byte by byte; the
 * caller frees the array, and reads it only while the tally is there. 0 or -ENOMEM.
 */
int leat_tally_sort(const struct leat_tally *tally, leat_tally_weigh_fn *weigh, void *arg,
                    struct leat_tally_row **rows);
/*
 * *rows: the first `most` of those that leat_tally_sort() returns, or all, and *n how many. Few
 * among many are not worth a sort of all: then a heap keeps the rows that are ahead so far.
 */
int leat_tally_top(const struct leat_tally *tally, size_t most, leat_tally_weigh_fn *weigh,
                   void *arg, struct leat_tally_row **rows, size_t *n);
void leat_tally_fini(struct leat_tally *tally);

#endif
