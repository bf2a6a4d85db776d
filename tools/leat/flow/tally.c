/*
 * tools/leat/flow/tally.c: counts how often each value came. See tally.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/tally.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_FIRST 1024u
#define BLOCK_SIZE (256u * 1024u)

struct leat_tally_block {
	struct leat_tally_block *next;
	size_t size, used;
	max_align_t bytes[];
};

/*
 * The hash multiplies eight bytes at a time and folds the halves of the product; its constants are
 * odd and random.
 */
static uint64_t mix_words(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(const char *p, size_t len)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ len, word;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&word, p, 8);
		hash = mix_words(hash ^ word, UINT64_C(0xa0761d6478bd642f));
	}
	word = 0;
	if (len != 0)
		memcpy(&word, p, len);
	return mix_words(hash ^ word, UINT64_C(0xe7037ed1a0b428db));
}

/* Returns the slot of the value, or the empty slot where it belongs. */
static struct leat_tally_entry **find_slot(const struct leat_tally *tally, uint64_t hash,
                                           const void *value, size_t len)
{
	for (size_t i = hash;; i++) {
		struct leat_tally_entry **slot = &tally->slots[i & (tally->slots_count - 1)],
					*entry = *slot;
		if (entry == NULL)
			return slot;
		if (entry->hash == hash && entry->len == len &&
		    (len == 0 || memcmp(entry->value, value, len) == 0))
			return slot;
	}
}

static int grow_table(struct leat_tally *tally)
{
	struct leat_tally larger = { .used = tally->used, .blocks = tally->blocks };

	larger.slots_count = tally->slots_count != 0 ? 2 * tally->slots_count : SLOTS_FIRST;
	larger.slots = calloc(larger.slots_count, sizeof(*larger.slots));
	if (larger.slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < tally->slots_count; i++) {
		struct leat_tally_entry *entry = tally->slots[i];
		if (entry != NULL)
			*find_slot(&larger, entry->hash, entry->value, entry->len) = entry;
	}
	free(tally->slots);
	*tally = larger;
	return 0;
}

static struct leat_tally_entry *cut_entry(struct leat_tally *tally, size_t size)
{
	struct leat_tally_block *block = tally->blocks;

	size = (size + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
	if (block == NULL || block->size - block->used < size) {
		size_t block_size = size > BLOCK_SIZE ? size : BLOCK_SIZE;
		block = malloc(sizeof(*block) + block_size);
		if (block == NULL)
			return NULL;
		*block = (struct leat_tally_block){ .next = tally->blocks, .size = block_size };
		tally->blocks = block;
	}
	struct leat_tally_entry *entry = (void *)((char *)block->bytes + block->used);
	block->used += size;
	return entry;
}

int leat_tally_add(struct leat_tally *tally, const void *value, size_t len)
{
	uint64_t hash = hash_bytes(value, len);

	if (tally->used * 4 >= tally->slots_count * 3) {
		int rc = grow_table(tally);
		if (rc != 0)
			return rc;
	}
	struct leat_tally_entry **slot = find_slot(tally, hash, value, len), *entry = *slot;
	if (entry == NULL) {
		entry = cut_entry(tally, sizeof(*entry) + len);
		if (entry == NULL)
			return -ENOMEM;
		*entry = (struct leat_tally_entry){ .hash = hash, .len = len };
		if (len != 0)
			memcpy(entry->value, value, len);
		*slot = entry;
		tally->used++;
	}
	entry->count++;
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct leat_tally_entry *x = *(struct leat_tally_entry *const *)a;
	const struct leat_tally_entry *y = *(struct leat_tally_entry *const *)b;

	if (x->count != y->count)
		return x->count > y->count ? -1 : 1;
	int order = memcmp(x->value, y->value, x->len < y->len ? x->len : y->len);
	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

void leat_tally_sort(struct leat_tally *tally)
{
	size_t n = 0;

	for (size_t i = 0; i < tally->slots_count; i++)
		if (tally->slots[i] != NULL) {
			struct leat_tally_entry *entry = tally->slots[i];
			tally->slots[i] = NULL;
			tally->slots[n++] = entry;
		}
	if (n > 1)
		qsort(tally->slots, n, sizeof(*tally->slots), compare_entries);
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
