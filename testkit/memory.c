/*
 * Counts memory. In front of each block is its size, and the distance to the block of the real
 * function.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "testkit/testkit.h"

#include <leat/atomic.h>

#include <string.h>

struct head {
	size_t size, distance;
};

static uint64_t bytes, blocks; /* by relaxed additions: they order nothing */

void leat_kit_count_memory(uint64_t *bytes_now, uint64_t *blocks_now)
{
	*bytes_now = leat_load_rlx(&bytes); /* rlx: a total */
	*blocks_now = leat_load_rlx(&blocks);
}

static void count_block(size_t size, uint64_t by)
{
	leat_add_rlx(&bytes, by * size);
	leat_add_rlx(&blocks, by);
}

static void *put_head(char *real, size_t size, size_t distance)
{
	struct head head = { size, distance };

	memcpy(real + distance - sizeof(head), &head, sizeof(head));
	return real + distance;
}

static struct head head_of(const void *memory)
{
	struct head head;

	memcpy(&head, (const char *)memory - sizeof(head), sizeof(head));
	return head;
}

/* The distance keeps the alignment. */
static size_t distance_for(size_t align)
{
	return align < sizeof(struct head) ? sizeof(struct head) : align;
}

void *leat_os_alloc(size_t size, size_t align)
{
	size_t distance = distance_for(align), total;
	char *real;

	if (__builtin_add_overflow(size, distance, &total))
		return NULL;
	real = leat_real_alloc(total, align);
	if (real == NULL)
		return NULL;
	count_block(size, 1);
	return put_head(real, size, distance);
}

void *leat_os_grow(void *memory, size_t old, size_t size, size_t align)
{
	struct head head = head_of(memory);
	size_t total;
	char *real;

	if (__builtin_add_overflow(size, head.distance, &total))
		return NULL;
	real = leat_real_grow((char *)memory - head.distance, old + head.distance, total, align);
	if (real == NULL)
		return NULL;
	count_block(head.size, (uint64_t)-1);
	count_block(size, 1);
	return put_head(real, size, head.distance);
}

void leat_os_free(void *memory)
{
	struct head head;

	if (memory == NULL)
		return;
	head = head_of(memory);
	count_block(head.size, (uint64_t)-1);
	leat_real_free((char *)memory - head.distance);
}

void *leat_os_pages(size_t size)
{
	void *pages = leat_real_pages(size);

	if (pages != NULL)
		count_block(size, 1);
	return pages;
}

void leat_os_pages_free(void *pages, size_t size)
{
	count_block(size, (uint64_t)-1);
	leat_real_pages_free(pages, size);
}
