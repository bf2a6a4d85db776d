/*
 * tools/leat/flow/tally.c: how often each value came, or what else is kept for each. See tally.h.
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
#include <sys/mman.h>

#define SLOTS_FIRST ((size_t)1024)
#define BLOCK_SIZE ((size_t)1024 * 1024)
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)

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

static bool entry_is(const struct leat_tally *tally, const struct leat_tally_entry *entry,
                     const void *value, size_t len)
{
	return entry->len == len &&
	       (len == 0 || memcmp(leat_tally_value(tally, entry), value, len) == 0);
}

/* The slot that holds the value, or the empty one where it belongs. */
static struct leat_tally_slot *find_slot(const struct leat_tally *tally, uint64_t hash,
                                         const void *value, size_t len)
{
	for (size_t i = hash;; i++) {
		struct leat_tally_slot *slot = &tally->slots[i & (tally->slots_count - 1)];

		if (slot->entry == NULL)
			return slot;
		if (slot->hash == hash && entry_is(tally, slot->entry, value, len))
			return slot;
	}
}

static struct leat_tally_slot *alloc_slots(size_t count)
{
	size_t size = count * sizeof(struct leat_tally_slot);
	void *slots;

	if (size < 2 * HUGE_PAGE)
		return calloc(count, sizeof(struct leat_tally_slot));
	slots = aligned_alloc(HUGE_PAGE, size);
	if (slots == NULL)
		return NULL;
	madvise(slots, size,
	        MADV_HUGEPAGE); /* fewer misses of the page table; else it is only slower */
	return memset(slots, 0, size);
}

static int grow_slots(struct leat_tally *tally)
{
	size_t count = tally->slots_count != 0 ? 2 * tally->slots_count : SLOTS_FIRST;
	struct leat_tally_slot *slots = alloc_slots(count);

	if (slots == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < tally->slots_count; i++) {
		size_t to = tally->slots[i].hash & (count - 1);

		if (tally->slots[i].entry == NULL)
			continue;
		while (slots[to].entry != NULL)
			to = (to + 1) & (count - 1);
		slots[to] = tally->slots[i];
	}
	free(tally->slots);
	tally->slots = slots;
	tally->slots_count = count;
	return 0;
}

static size_t entry_size(const struct leat_tally *tally, size_t len)
{
	size_t align = _Alignof(struct leat_tally_entry);

	return (sizeof(struct leat_tally_entry) + tally->extra + len + align - 1) / align * align;
}

static struct leat_tally_entry *cut_entry(struct leat_tally *tally, size_t len)
{
	size_t size = entry_size(tally, len);
	struct leat_tally_block *block = tally->blocks;
	struct leat_tally_entry *entry;

	if (block == NULL || block->size - block->used < size) {
		size_t block_size = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		block = malloc(sizeof(*block) + block_size);
		if (block == NULL)
			return NULL;
		*block = (struct leat_tally_block){ .next = tally->blocks, .size = block_size };
		tally->blocks = block;
	}
	entry = (void *)((char *)block->bytes + block->used);
	block->used += size;
	return entry;
}

int leat_tally_find(struct leat_tally *tally, uint64_t hash, const void *value, size_t len,
                    size_t most, struct leat_tally_entry **found)
{
	struct leat_tally_slot *slot;
	struct leat_tally_entry *entry;

	*found = NULL;
	if (tally->used * 4 >= tally->slots_count * 3) {
		int rc = grow_slots(tally);

		if (rc != 0)
			return rc;
	}
	slot = find_slot(tally, hash, value, len);
	*found = slot->entry;
	if (slot->entry != NULL || tally->used >= most)
		return 0;
	entry = cut_entry(tally, len);
	if (entry == NULL)
		return -ENOMEM;
	*entry = (struct leat_tally_entry){ .len = len };
	memset(entry->bytes, 0, tally->extra);
	if (len != 0)
		memcpy(entry->bytes + tally->extra, value, len);
	*slot = (struct leat_tally_slot){ .hash = hash, .entry = entry };
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

static uint64_t weigh_entry(leat_tally_weigh_fn *weigh, void *arg, struct leat_tally_entry *entry)
{
	return weigh != NULL ? weigh(arg, entry) : entry->count;
}

/* All entries, as they stand in memory: the processor reads ahead of a walk over them. */
static size_t list_entries(const struct leat_tally *tally, struct leat_tally_row *rows)
{
	struct leat_tally_block *block;
	size_t n = 0;

	for (block = tally->blocks; block != NULL; block = block->next)
		for (size_t at = 0; at < block->used; n++) {
			rows[n].entry = (void *)((char *)block->bytes + at);
			at += entry_size(tally, rows[n].entry->len);
		}
	return n;
}

/* As many bytes as all values begin with. */
static size_t common_prefix(const struct leat_tally *tally, const struct leat_tally_row *rows,
                            size_t n)
{
	const char *first = leat_tally_value(tally, rows[0].entry);
	size_t common = rows[0].entry->len;

	for (size_t i = 1; i < n && common > 0; i++) {
		const char *value = leat_tally_value(tally, rows[i].entry);
		size_t len = 0;

		while (len < common && len < rows[i].entry->len && value[len] == first[len])
			len++;
		common = len;
	}
	return common;
}

/* Eight bytes of the value from there on, so that numbers compare as memcmp(3) does. */
static uint64_t key_at(const struct leat_tally *tally, const struct leat_tally_entry *entry,
                       size_t from)
{
	size_t left = entry->len - from;
	uint64_t word = 0;

	memcpy(&word, leat_tally_value(tally, entry) + from, left < 8 ? left : 8);
	return be64toh(word);
}

static int compare_values(const void *a, const void *b, void *tally)
{
	const struct leat_tally_entry *x = ((const struct leat_tally_row *)a)->entry;
	const struct leat_tally_entry *y = ((const struct leat_tally_row *)b)->entry;
	int order = memcmp(leat_tally_value(tally, x), leat_tally_value(tally, y),
	                   x->len < y->len ? x->len : y->len);

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* Byte `digit` of a row's place in the order, from the least: the key, then the weight, falling. */
static uint8_t digit_of(const struct leat_tally_row *row, unsigned digit)
{
	return (uint8_t)(digit < 8 ? row->key >> 8 * digit : ~row->weight >> 8 * (digit - 8));
}

/*
 * Radix sort from the least byte on, by key and weight: a pass over all rows for each byte in which
 * they differ. Returns the array of the two that has the result.
 */
static struct leat_tally_row *sort_digits(struct leat_tally_row *rows, struct leat_tally_row *spare,
                                          size_t n)
{
	size_t starts[256], counts[256];

	for (unsigned digit = 0; digit < 16; digit++) {
		struct leat_tally_row *sorted = spare;
		size_t start = 0;

		memset(counts, 0, sizeof(counts));
		for (size_t i = 0; i < n; i++)
			counts[digit_of(&rows[i], digit)]++;
		if (counts[digit_of(&rows[0], digit)] == n)
			continue;
		for (unsigned byte = 0; byte < 256; start += counts[byte++])
			starts[byte] = start;
		for (size_t i = 0; i < n; i++)
			sorted[starts[digit_of(&rows[i], digit)]++] = rows[i];
		spare = rows;
		rows = sorted;
	}
	return rows;
}

/* Rows of one weight and one key: by the rest of their values. */
static void sort_ties(const struct leat_tally *tally, struct leat_tally_row *rows, size_t n)
{
	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && rows[to].key == rows[from].key &&
		                    rows[to].weight == rows[from].weight;)
			to++;
		if (to - from > 1)
			qsort_r(&rows[from], to - from, sizeof(*rows), compare_values,
			        (void *)(uintptr_t)tally);
	}
}

int leat_tally_sort(const struct leat_tally *tally, leat_tally_weigh_fn *weigh, void *arg,
                    struct leat_tally_row **sorted)
{
	size_t n = 0, size = (tally->used + 1) * sizeof(struct leat_tally_row), prefix;
	struct leat_tally_row *rows = malloc(size), *spare = malloc(size);

	*sorted = NULL;
	if (rows == NULL || spare == NULL) {
		free(rows);
		free(spare);
		return -ENOMEM;
	}
	n = list_entries(tally, rows);
	*sorted = rows;
	if (n > 0) {
		prefix = common_prefix(tally, rows, n);
		for (size_t i = 0; i < n; i++) {
			rows[i].weight = weigh_entry(weigh, arg, rows[i].entry);
			rows[i].key = key_at(tally, rows[i].entry, prefix);
		}
		*sorted = sort_digits(rows, spare, n);
		sort_ties(tally, *sorted, n);
	}
	free(*sorted == rows ? spare : rows);
	return 0;
}

/* Below 0: the row comes before the other one. Their keys are the first eight bytes. */
static int compare_rows(const struct leat_tally *tally, const struct leat_tally_row *a,
                        const struct leat_tally_row *b)
{
	if (a->weight != b->weight)
		return a->weight > b->weight ? -1 : 1;
	if (a->key != b->key)
		return a->key < b->key ? -1 : 1;
	return compare_values(a, b, (void *)(uintptr_t)tally);
}

/* A heap of n rows, whose last one in the order is at the top; only heap[0] may be out of place. */
static void sift_down(const struct leat_tally *tally, struct leat_tally_row *heap, size_t n)
{
	struct leat_tally_row row = heap[0];
	size_t at = 0, child;

	for (; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && compare_rows(tally, &heap[child + 1], &heap[child]) > 0)
			child++;
		if (compare_rows(tally, &row, &heap[child]) >= 0)
			break;
		heap[at] = heap[child];
	}
	heap[at] = row;
}

static void sift_up(const struct leat_tally *tally, struct leat_tally_row *heap, size_t at)
{
	struct leat_tally_row row = heap[at];

	for (; at > 0 && compare_rows(tally, &row, &heap[(at - 1) / 2]) > 0; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = row;
}

/* Takes the row into the heap, if it is ahead of one of the `most` that are there. */
static void offer_row(const struct leat_tally *tally, struct leat_tally_row *heap, size_t *n,
                      size_t most, struct leat_tally_row row)
{
	if (*n == most && row.weight < heap[0].weight)
		return; /* most are, and need no more than a look */
	row.key = key_at(tally, row.entry, 0);
	if (*n < most) {
		heap[*n] = row;
		sift_up(tally, heap, (*n)++);
	} else if (compare_rows(tally, &row, &heap[0]) < 0) {
		heap[0] = row;
		sift_down(tally, heap, *n);
	}
}

int leat_tally_top(const struct leat_tally *tally, size_t most, leat_tally_weigh_fn *weigh,
                   void *arg, struct leat_tally_row **top, size_t *n)
{
	struct leat_tally_block *block;
	struct leat_tally_row *heap;

	*n = tally->used;
	if (most >= tally->used)
		return leat_tally_sort(tally, weigh, arg, top);
	*n = 0;
	*top = heap = malloc(most * sizeof(*heap));
	if (heap == NULL)
		return -ENOMEM;
	for (block = tally->blocks; block != NULL; block = block->next)
		for (size_t at = 0; at < block->used;) {
			struct leat_tally_row row = { .entry =
				                              (void *)((char *)block->bytes + at) };

			row.weight = weigh_entry(weigh, arg, row.entry);
			offer_row(tally, heap, n, most, row);
			at += entry_size(tally, row.entry->len);
		}
	/* The last of the rows that are left goes behind them, again and again. */
	for (size_t left = *n; left > 1; left--) {
		struct leat_tally_row last = heap[0];

		heap[0] = heap[left - 1];
		sift_down(tally, heap, left - 1);
		heap[left - 1] = last;
	}
	return 0;
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
