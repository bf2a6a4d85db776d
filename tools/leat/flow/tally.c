/*
 * tools/leat/flow/tally.c: how often each value came, or what else is kept for each. See tally.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/tally.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SLOTS_FIRST ((size_t)1024)
/* Of a block: each is twice as large as the one before. */
#define BLOCK_FIRST ((size_t)64 * 1024)
#define BLOCK_MOST ((size_t)8 * 1024 * 1024)
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)
/* A slot has this many bits of an address, which is all of them, and above them bits of the hash.
 */
#define ADDRESS_BITS 48
/* Slots of a larger table that are asked for before the first of them is filled. */
#define SLOTS_AHEAD 64u

struct leat_tally_block {
	struct leat_tally_block *next;
	size_t size, used;
	struct leat_tally_entry bytes[];
};

/*
 * Eight bytes at a time through a multiplication whose halves are folded; the constants are odd and
 * random.
 */
static uint64_t fold_product(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t leat_tally_hash(const void *value, size_t len)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ len, word;
	const char *p = value;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		hash = fold_product(hash ^ word, UINT64_C(0xa0761d6478bd642f));
	}
	word = 0;
	if (len != 0)
		memcpy(&word, p, len);
	return fold_product(hash ^ word, UINT64_C(0xe7037ed1a0b428db));
}

void leat_tally_prefetch(const struct leat_tally *tally, uint64_t hash)
{
	if (tally->slots_count != 0)
		__builtin_prefetch(&tally->slots[hash & (tally->slots_count - 1)]);
}

static uint64_t make_slot(uint64_t hash, const struct leat_tally_entry *entry)
{
	return (hash >> ADDRESS_BITS) << ADDRESS_BITS | (uintptr_t)entry;
}

static struct leat_tally_entry *entry_at(uint64_t slot)
{
	return (struct leat_tally_entry *)(uintptr_t)(slot & ((UINT64_C(1) << ADDRESS_BITS) - 1));
}

static bool entry_is(const struct leat_tally *tally, const struct leat_tally_entry *entry,
                     const void *value, size_t len)
{
	return entry->len == len &&
	       (len == 0 || memcmp(leat_tally_value(tally, entry), value, len) == 0);
}

/* The slot that holds the value, or the empty one where it belongs. */
static uint64_t *find_slot(const struct leat_tally *tally, uint64_t hash, const void *value,
                           size_t len)
{
	for (size_t i = hash;; i++) {
		uint64_t *slot = &tally->slots[i & (tally->slots_count - 1)];

		if (*slot == 0)
			return slot;
		if ((*slot ^ hash) >> ADDRESS_BITS == 0 &&
		    entry_is(tally, entry_at(*slot), value, len))
			return slot;
	}
}

void *leat_tally_alloc(size_t size)
{
	void *memory;

	if (size < 2 * HUGE_PAGE)
		return malloc(size);
	memory = aligned_alloc(HUGE_PAGE, (size + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE);
	if (memory != NULL)
		madvise(memory, size, MADV_HUGEPAGE);
	return memory;
}

static size_t entry_size(const struct leat_tally *tally, size_t len)
{
	size_t align = _Alignof(struct leat_tally_entry);

	return (sizeof(struct leat_tally_entry) + tally->extra + len + align - 1) / align * align;
}

struct leat_tally_entry *leat_tally_next(const struct leat_tally *tally,
                                         struct leat_tally_walk *walk)
{
	struct leat_tally_entry *entry;

	while (walk->block != NULL && walk->at == walk->block->used)
		*walk = (struct leat_tally_walk){ .block = walk->block->next };
	if (walk->block == NULL)
		return NULL;
	entry = (void *)((char *)walk->block->bytes + walk->at);
	walk->at += entry_size(tally, entry->len);
	return entry;
}

/* Puts the entries, whose values all differ, into the empty slots; so many at a time, as misses. */
static void fill_slots(const struct leat_tally *tally, uint64_t *slots, size_t count)
{
	struct leat_tally_walk walk = leat_tally_walk(tally);
	struct leat_tally_entry *entries[SLOTS_AHEAD];
	uint64_t hashes[SLOTS_AHEAD];
	size_t n;

	do {
		for (n = 0; n < SLOTS_AHEAD; n++) {
			entries[n] = leat_tally_next(tally, &walk);
			if (entries[n] == NULL)
				break;
			hashes[n] = leat_tally_hash(leat_tally_value(tally, entries[n]),
			                            entries[n]->len);
			__builtin_prefetch(&slots[hashes[n] & (count - 1)], 1);
		}
		for (size_t i = 0; i < n; i++) {
			size_t to = hashes[i] & (count - 1);

			while (slots[to] != 0)
				to = (to + 1) & (count - 1);
			slots[to] = make_slot(hashes[i], entries[i]);
		}
	} while (n == SLOTS_AHEAD);
}

static int grow_slots(struct leat_tally *tally)
{
	size_t count = tally->slots_count != 0 ? 2 * tally->slots_count : SLOTS_FIRST;
	uint64_t *slots = leat_tally_alloc(count * sizeof(*slots));

	if (slots == NULL)
		return -ENOMEM;
	memset(slots, 0, count * sizeof(*slots));
	fill_slots(tally, slots, count);
	free(tally->slots);
	tally->slots = slots;
	tally->slots_count = count;
	return 0;
}

static struct leat_tally_block *add_block(struct leat_tally *tally, size_t least)
{
	struct leat_tally_block *last = tally->blocks, *block;
	size_t size = last == NULL                  ? BLOCK_FIRST
	              : 2 * last->size < BLOCK_MOST ? 2 * last->size
	                                            : BLOCK_MOST;

	size = size > least ? size : least;
	block = leat_tally_alloc(sizeof(*block) + size);
	if (block == NULL)
		return NULL;
	*block = (struct leat_tally_block){ .next = last, .size = size };
	tally->blocks = block;
	return block;
}

static struct leat_tally_entry *cut_entry(struct leat_tally *tally, size_t len)
{
	size_t size = entry_size(tally, len);
	struct leat_tally_block *block = tally->blocks;
	struct leat_tally_entry *entry;

	if (block == NULL || block->size - block->used < size)
		block = add_block(tally, size);
	if (block == NULL)
		return NULL;
	entry = (void *)((char *)block->bytes + block->used);
	block->used += size;
	return entry;
}

int leat_tally_find(struct leat_tally *tally, uint64_t hash, const void *value, size_t len,
                    size_t most, struct leat_tally_entry **found)
{
	struct leat_tally_entry *entry;
	uint64_t *slot;

	*found = NULL;
	if (tally->used * 4 >= tally->slots_count * 3) {
		int rc = grow_slots(tally);

		if (rc != 0)
			return rc;
	}
	slot = find_slot(tally, hash, value, len);
	*found = entry_at(*slot);
	if (*slot != 0 || tally->used >= most)
		return 0;
	entry = cut_entry(tally, len);
	if (entry == NULL)
		return -ENOMEM;
	*entry = (struct leat_tally_entry){ .len = len };
	memset(entry->bytes, 0, tally->extra);
	if (len != 0)
		memcpy(entry->bytes + tally->extra, value, len);
	*slot = make_slot(hash, entry);
	tally->used++;
	*found = entry;
	return 0;
}

int leat_tally_add(struct leat_tally *tally, uint64_t hash, const void *value, size_t len)
{
	struct leat_tally_entry *entry;
	int rc = leat_tally_find(tally, hash, value, len, SIZE_MAX, &entry);

	if (rc == 0)
		entry->count++;
	return rc;
}

void leat_tally_fini(struct leat_tally *tally)
{
	while (tally->blocks != NULL) {
		struct leat_tally_block *block = tally->blocks;

		tally->blocks = block->next;
		free(block);
	}
	free(tally->slots);
	*tally = (struct leat_tally){ 0 };
}
