/*
 * Blocks, and the lines that hold them.
 *
 * A block counts holds. Its source takes a large number of them when it begins the block, gives one
 * with each line without touching the count, and gives back the rest in one step when it leaves the
 * block. So a line costs one atomic step, in its free, and the source one for each block. The last
 * hold frees; one that stands alone needs no step.
 *
 *     L1  a free takes its hold off (or the source its rest)  ->  L2  who finds itself last frees
 *                                                                     the block
 *     L3  the source finds nobody else                        ->  L1  and fills it again
 *     all reads of the block are before its end, or before what is written into it next
 *
 * What the source wrote into the block reaches a reader with the line, through the channel that
 * carries it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/io/line.h"
#include "runtime/os/os.h"

#include <leat/atomic.h>

#include <assert.h>
#include <string.h>

struct leat_block {
	uint64_t holds;
	uint64_t unused; /* the bytes of a line's own copy stand aligned to 16 */
};

/* The holds a source begins with: more than a block can have lines. */
#define SOURCE_HOLDS (UINT64_C(1) << 62)

/*
 * Where the bytes of a shared block begin: readers of the first lines are apart from those who
 * count.
 */
#define SHARED_HEAD 64

/* Bytes of room below which a block counts as full: a read for less is hardly worth its call. */
#define LEAST_ROOM 4096

static_assert(sizeof(struct leat_block) == 16,
              "the bytes of a line's own copy stand aligned to 16");
static_assert(sizeof(struct leat_block) <= SHARED_HEAD, "the head has room for the count");

static struct leat_block *create_block(size_t head, size_t len, size_t align, uint64_t holds)
{
	struct leat_block *block;

	if (len > SIZE_MAX - head)
		return NULL;
	block = leat_os_alloc(head + len, align);
	if (block != NULL)
		leat_store_rlx(&block->holds, holds); /* rlx: nobody else has it yet */
	return block;
}

static void drop_holds(struct leat_block *block, uint64_t holds)
{
	/* L2: the count before the end of the block; pairs with L1 in drop_holds() elsewhere. */
	if (leat_load_acq(&block->holds) != holds &&
	    /*
	     * L1: reads of the block before the count; pairs with L2 in drop_holds() and L3 in
	     * block_is_unshared().
	     */
	    leat_add_acqrel(&block->holds, UINT64_C(0) - holds) != holds)
		return;
	leat_os_free(block);
}

int leat_line_copy(struct leat_line *line, const void *data, size_t len)
{
	struct leat_block *block;

	if (line == NULL)
		return -EINVAL;
	*line = (struct leat_line){ .data = "" };
	if (len == 0)
		return 0;
	if (data == NULL)
		return -EINVAL;
	block = create_block(sizeof(*block), len, 0, 1);
	if (block == NULL)
		return -ENOMEM;
	*line = (struct leat_line){ .data = memcpy(block + 1, data, len),
		                    .len = len,
		                    .block = block };
	return 0;
}

void leat_line_free(struct leat_line *line)
{
	struct leat_block *block = line != NULL ? line->block : NULL;

	if (block == NULL)
		return;
	*line = (struct leat_line){ .data = "" };
	drop_holds(block, 1);
}

void leat_line_discard(void *line, void *unused)
{
	(void)unused;
	leat_line_free(line);
}

/* Every line that was given is free again: nobody else can come to hold the block. */
static bool block_is_unshared(const struct leat_splitter *split)
{
	/* L3: the count before what is written next; pairs with L1 in drop_holds(). */
	return leat_load_acq(&split->block->holds) == SOURCE_HOLDS - split->given;
}

static void install_block(struct leat_splitter *split, struct leat_block *block, size_t size,
                          size_t kept)
{
	*split = (struct leat_splitter){
		.block = block, .data = (char *)block + SHARED_HEAD, .size = size, .end = kept
	};
}

/* Begins a block with what has come of the line that is not whole yet. */
static int start_next_block(struct leat_splitter *split)
{
	size_t kept = split->end - split->start;
	size_t size = kept <= LEAT_BLOCK_BYTES / 2 ? LEAT_BLOCK_BYTES : 2 * kept;
	struct leat_block *next;

	if (kept >= LEAT_LINE_BYTES)
		return -EMSGSIZE;
	if (split->block != NULL && split->size == size && block_is_unshared(split)) {
		memmove(split->data, split->data + split->start, kept);
		leat_store_rlx(&split->block->holds, SOURCE_HOLDS); /* rlx: nobody else has it */
		install_block(split, split->block, size, kept);
		return 0;
	}
	next = create_block(SHARED_HEAD, size, SHARED_HEAD, SOURCE_HOLDS);
	if (next == NULL)
		return -ENOMEM;
	if (kept > 0)
		memcpy((char *)next + SHARED_HEAD, split->data + split->start, kept);
	leat_splitter_fini(split);
	install_block(split, next, size, kept);
	return 0;
}

int leat_splitter_room(struct leat_splitter *split, char **at, size_t *room)
{
	size_t scanned = split->scanned - split->start;
	int rc;

	if (split->size - split->end < LEAST_ROOM) {
		rc = start_next_block(split);
		if (rc < 0)
			return rc;
		split->scanned = scanned;
	}
	*at = split->data + split->end;
	*room = split->size - split->end;
	return 0;
}

void leat_splitter_fill(struct leat_splitter *split, size_t n)
{
	split->end += n;
}

static void make_line(struct leat_splitter *split, struct leat_line *line, size_t end, size_t next)
{
	line->data = split->data + split->start;
	line->len = end - split->start;
	line->block = split->block;
	split->given++;
	split->start = split->scanned = next;
}

bool leat_splitter_next(struct leat_splitter *split, struct leat_line *line)
{
	const char *feed;
	size_t end;

	if (split->scanned == split->end)
		return false;
	feed = memchr(split->data + split->scanned, '\n', split->end - split->scanned);
	if (feed == NULL) {
		split->scanned = split->end;
		return false;
	}
	end = (size_t)(feed - split->data);
	make_line(split, line, end, end + 1);
	return true;
}

bool leat_splitter_rest(struct leat_splitter *split, struct leat_line *line)
{
	if (split->start == split->end)
		return false;
	make_line(split, line, split->end, split->end);
	return true;
}

void leat_splitter_fini(struct leat_splitter *split)
{
	if (split->block != NULL)
		drop_holds(split->block, SOURCE_HOLDS - split->given);
	*split = (struct leat_splitter){ 0 };
}
