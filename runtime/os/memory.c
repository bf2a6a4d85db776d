/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/os/os.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * A size to refuse: the sanitizers' allocators would stop the program for it, while calloc returns
 * NULL.
 */
static const size_t absurd = (size_t)1 << 40;

/*
 * calloc, unlike memset, leaves the pages of a large block untouched until they are used. The word
 * before the aligned address has the address of the block.
 */
static char *align_in_block(void *block, size_t align)
{
	return (char *)(((uintptr_t)block + sizeof(void *) + align - 1) & ~(uintptr_t)(align - 1));
}

/* The size of the block for so much memory; 0: refused. Makes the alignment 16 at least. */
static size_t find_block_size(size_t size, size_t *align)
{
	size_t total;

	if (*align < 16)
		*align = 16;
	if (__builtin_add_overflow(size, *align + sizeof(void *), &total) || total >= absurd)
		return 0;
	return total;
}

void *leat_os_alloc(size_t size, size_t align)
{
	size_t total = find_block_size(size, &align);
	char *block = total > 0 ? calloc(1, total) : NULL, *aligned;

	if (block == NULL)
		return NULL;
	aligned = align_in_block(block, align);
	memcpy(aligned - sizeof(void *), &block, sizeof(block));
	return aligned;
}

void *leat_os_grow(void *memory, size_t old, size_t size, size_t align)
{
	size_t total = find_block_size(size, &align), offset;
	char *block, *aligned;

	if (total == 0)
		return NULL;
	memcpy(&block, (char *)memory - sizeof(void *), sizeof(block));
	offset = (size_t)((char *)memory - block);
	block = realloc(block, total);
	if (block == NULL)
		return NULL;
	/* realloc(3) keeps the distance from its block, and the alignment only of whole pages. */
	aligned = align_in_block(block, align);
	if (aligned != block + offset)
		memmove(aligned, block + offset, old);
	memcpy(aligned - sizeof(void *), &block, sizeof(block));
	return aligned;
}

void leat_os_free(void *memory)
{
	void *block;

	if (memory == NULL)
		return;
	memcpy(&block, (char *)memory - sizeof(void *), sizeof(block));
	free(block);
}

void *leat_os_pages(size_t size)
{
	int saved = errno;
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	errno = saved;
	return pages == MAP_FAILED ? NULL : pages;
}

void leat_os_pages_free(void *pages, size_t size)
{
	munmap(pages, size);
}
