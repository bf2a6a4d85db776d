/*
 * Blocks, and the lines that hold them.
 *
 * A block counts its holds. The source takes a large number of holds when it begins a block, gives
 * one of them away with each line without writing to the count, and gives up those that are left in
 * one step when it begins the next block. So a line costs one atomic step, in its free, and a block
 * costs the source one. The thread that gives up the last hold frees the block; if it has all
 * holds, it needs no atomic step for that.
 *
 *     L1  a free gives up its hold (or the        ->  L2  the thread that finds no other hold frees
 *         source those that it has left)                  the block
 *     L3  the source finds no hold but its own    ->  L1  and fills the block again
 *
 * Invariant: every read of a line is before the block is freed or written again. If not: a receiver
 * reads its line and gives up its hold; the source finds the count at its own holds and reads the
 * next piece of the file into the block, before the receiver's read is done. Therefore the count is
 * given up with release, after the reads (L1), and loaded with acquire, before the free (L2) or the
 * writes (L3).
 *
 * The bytes that the source writes into a block reach a reader with the line, through the channel
 * that carries it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/io/line.h"
#include "runtime/os/os.h"

#include <leat/atomic.h>

#include <assert.h>
#include <string.h>

struct leat_block {
	uint64_t holds;
	/* makes the structure 16 bytes, so that the bytes of a copied line are aligned to 16 */
	uint64_t unused;
};

/* The holds that a source takes: more than a block can have lines. */
#define SOURCE_HOLDS (UINT64_C(1) << 62)

/*
 * Where the bytes of a shared block begin: one line of the cache behind the count, so that readers
 * of the first lines are not slowed by threads that free.
 */
#define SHARED_HEAD 64

/* With less room than this a block counts as full: a smaller read is hardly worth its call. */
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
		leat_store_rlx(&block->holds, holds); /* rlx: no other thread has the block yet */
	return block;
}

/* Gives up so many holds; the last ones free the block. */
static void drop_holds(struct leat_block *block, uint64_t holds)
{
	/* L2: the count before the free of the block; pairs with L1 in drop_holds() elsewhere. */
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

void leat_line_share(struct leat_line *copy, const struct leat_line *line)
{
	if (copy == NULL || line == NULL)
		return;
	*copy = *line;
	if (line->block != NULL)
		/* rlx: the caller's hold keeps the block, and its bytes have been seen with it */
		leat_add_rlx(&line->block->holds, (uint64_t)1);
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

/* Whether every line of the block is free again: then no other thread can come to hold it. */
static bool block_is_unshared(const struct leat_splitter *split)
{
	/* L3: the count before the writes that follow; pairs with L1 in drop_holds(). */
	return leat_load_acq(&split->block->holds) == SOURCE_HOLDS - split->given;
}

static void install_block(struct leat_splitter *split, struct leat_block *block, size_t size,
                          size_t kept)
{
	split->block = block;
	split->data = (char *)block + SHARED_HEAD;
	split->size = size;
	split->end = kept;
	split->start = split->scanned = 0;
	split->given = 0;
}

/* How many lines of a block that was left are not free yet. */
static uint64_t lines_held(const struct leat_left_block *left)
{
	return leat_load_rlx(&left->block->holds) - 1; /* rlx: a number; the free decides by L2 */
}

/* Keeps a block that no line holds any more for the next bytes, or frees it. */
static void keep_spare(struct leat_splitter *split, const struct leat_left_block *left)
{
	/* L3: the count before the writes that follow; pairs with L1 in drop_holds(). */
	if (split->spare == NULL && left->size == LEAT_BLOCK_BYTES &&
	    leat_load_acq(&left->block->holds) == 1)
		split->spare = left->block;
	else
		drop_holds(left->block, 1);
}

/* Takes back the blocks that no line holds any more, and says whether lines are being kept. */
static void sweep_left(struct leat_splitter *split)
{
	uint64_t held = 0, given = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < split->left_count; i++) {
		struct leat_left_block left = split->left[i];
		uint64_t lines = lines_held(&left);

		if (lines == 0) {
			keep_spare(split, &left);
			continue;
		}
		held += lines;
		given += left.given;
		split->left[n++] = left;
	}
	split->left_count = n;
	if (n <= LEAT_BLOCKS_HELD / 2)
		split->copies = false;
	else if (n == LEAT_BLOCKS_HELD && held < given / 4)
		split->copies = true;
}

/* Leaves the block to its lines. */
static void leave_block(struct leat_splitter *split)
{
	struct leat_left_block *left = split->left;

	if (split->block == NULL)
		return;
	if (block_is_unshared(split)) {
		leat_os_free(split->block);
	} else {
		if (split->left_count == LEAT_BLOCKS_HELD) {
			drop_holds(left[0].block, 1);
			memmove(left, left + 1, --split->left_count * sizeof(*left));
		}
		left[split->left_count++] =
			(struct leat_left_block){ split->block, split->size, split->given };
		drop_holds(split->block, SOURCE_HOLDS - split->given - 1);
	}
	split->block = NULL;
}

/*
 * Makes the block larger, which holds the begin of one line and nothing else: its pages move, and
 * its bytes are not copied.
 */
static int grow_block(struct leat_splitter *split, size_t size)
{
	struct leat_block *block = leat_os_grow(split->block, SHARED_HEAD + split->end,
	                                        SHARED_HEAD + size, SHARED_HEAD);

	if (block == NULL)
		return -ENOMEM;
	install_block(split, block, size, split->end);
	return 0;
}

/* A block for so many bytes: one that its lines have left, or a new one. */
static struct leat_block *take_block(struct leat_splitter *split, size_t size)
{
	struct leat_block *block = split->spare;

	if (block == NULL || size != LEAT_BLOCK_BYTES)
		return create_block(SHARED_HEAD, size, SHARED_HEAD, SOURCE_HOLDS);
	split->spare = NULL;
	leat_store_rlx(&block->holds, SOURCE_HOLDS); /* rlx: no other thread has the block */
	return block;
}

/* Begins a block, or the same one again, with the bytes of the line that is not whole yet. */
static int start_next_block(struct leat_splitter *split)
{
	size_t kept = split->end - split->start;
	size_t size = kept <= LEAT_BLOCK_BYTES / 2 ? LEAT_BLOCK_BYTES : 2 * kept;
	struct leat_block *next;

	if (size > LEAT_LINE_BYTES + LEAT_BLOCK_BYTES)
		size = LEAT_LINE_BYTES + LEAT_BLOCK_BYTES;
	sweep_left(split);
	if (split->block != NULL && split->size == size && block_is_unshared(split)) {
		memmove(split->data, split->data + split->start, kept);
		/* rlx: no other thread has the block */
		leat_store_rlx(&split->block->holds, SOURCE_HOLDS);
		install_block(split, split->block, size, kept);
		return 0;
	}
	if (split->block != NULL && split->given == 0 && split->start == 0)
		return grow_block(split, size);
	next = take_block(split, size);
	if (next == NULL)
		return -ENOMEM;
	if (kept > 0)
		memcpy((char *)next + SHARED_HEAD, split->data + split->start, kept);
	leave_block(split);
	install_block(split, next, size, kept);
	return 0;
}

int leat_splitter_room(struct leat_splitter *split, char **at, size_t *room)
{
	size_t scanned = split->scanned - split->start, kept = split->end - split->start;
	int rc;

	if (kept >= LEAT_LINE_BYTES)
		return -EMSGSIZE;
	if (split->size - split->end < LEAST_ROOM) {
		rc = start_next_block(split);
		if (rc < 0)
			return rc;
		split->scanned = scanned;
	}
	*at = split->data + split->end;
	*room = split->size - split->end;
	/* no more of a line than makes it too long */
	if (*room > LEAT_LINE_BYTES - kept)
		*room = LEAT_LINE_BYTES - kept;
	return 0;
}

void leat_splitter_fill(struct leat_splitter *split, size_t n)
{
	split->end += n;
}

/* Makes the bytes from split->start to end a line; the next one begins at `next`. */
static void make_line(struct leat_splitter *split, struct leat_line *line, size_t end, size_t next)
{
	const char *data = split->data + split->start;
	size_t len = end - split->start;

	split->start = split->scanned = next;
	if (leat_unlikely(split->copies) && leat_line_copy(line, data, len) == 0)
		return; /* without memory for the copy it shares the block after all */
	line->data = data;
	line->len = len;
	line->block = split->block;
	split->given++;
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

bool leat_splitter_find(struct leat_splitter *split, struct leat_line *line, leat_find_fn *find,
                        void *arg)
{
	const char *text = split->data + split->start, *last, *found, *feed;

	if (split->scanned == split->end)
		return false;
	last = memrchr(split->data + split->scanned, '\n', split->end - split->scanned);
	if (last == NULL) {
		split->scanned = split->end;
		return false;
	}
	found = find(arg, text, (size_t)(last - text));
	if (found == NULL) {
		split->start = (size_t)(last + 1 - split->data);
		split->scanned = split->end;
		return false;
	}
	feed = memrchr(text, '\n', (size_t)(found - text));
	if (feed != NULL)
		split->start = (size_t)(feed + 1 - split->data);
	feed = memchr(found, '\n', (size_t)(last + 1 - found));
	make_line(split, line, (size_t)(feed - split->data), (size_t)(feed + 1 - split->data));
	return true;
}

/*
 * How many line feeds a run of bytes has. The compiler makes vectors of the inner loop, whose sum
 * is in a byte for that: a run has no more of them than a byte can count.
 */
#define FEEDS_RUN ((size_t)240)

static unsigned count_feeds_of_run(const unsigned char *data)
{
	uint8_t feeds = 0;

	for (size_t i = 0; i < FEEDS_RUN; i++)
		feeds = (uint8_t)(feeds + (data[i] == '\n'));
	return feeds;
}

static uint64_t count_feeds(const char *text, size_t len)
{
	const unsigned char *data = (const unsigned char *)text;
	uint64_t feeds = 0;

	for (; len >= FEEDS_RUN; data += FEEDS_RUN, len -= FEEDS_RUN)
		feeds += count_feeds_of_run(data);
	for (size_t i = 0; i < len; i++)
		feeds += data[i] == '\n';
	return feeds;
}

uint64_t leat_splitter_count(struct leat_splitter *split)
{
	const size_t len = split->end - split->scanned;
	const char *text = split->data + split->scanned, *last;
	uint64_t lines;

	if (len == 0)
		return 0;
	lines = count_feeds(text, len);
	split->scanned = split->end;
	if (lines == 0)
		return 0;
	last = memrchr(text, '\n', len);
	split->start = (size_t)(last + 1 - split->data);
	return lines;
}

int leat_splitter_put(struct leat_splitter *split, struct leat_line *line, const void *data,
                      size_t len)
{
	size_t room;
	char *at;
	int rc = leat_splitter_room(split, &at, &room);

	if (rc < 0)
		return rc;
	memcpy(at, data, len);
	split->end += len;
	make_line(split, line, split->end, split->end);
	return 0;
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
	leave_block(split);
	for (unsigned i = 0; i < split->left_count; i++)
		drop_holds(split->left[i].block, 1);
	leat_os_free(split->spare);
	*split = (struct leat_splitter){ 0 };
}
