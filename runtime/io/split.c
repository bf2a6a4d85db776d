/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/io/split.h"
#include "runtime/os/os.h"

#include <leat/atomic.h>

#include <string.h>
#include <unistd.h>

/* A block is read in one piece; larger saves system calls and costs cache. */
enum { BLOCK_BYTES = 128 * 1024 };

/*
 * A block is held by its lines and by the splitter. The splitter takes a great many holds at once and gives back, when
 * it leaves the block, those that it did not hand on: so a line costs one atomic operation, its free.
 */
#define HOLDS (UINT64_C(1) << 62)

struct leat_block {
	uint64_t holds;
	size_t size;
	char data[];
};

static struct leat_block *block_open(size_t size)
{
	struct leat_block *block = leat_os_alloc(sizeof(*block) + size, 0);

	if (block == NULL)
		return NULL;
	block->size = size;
	leat_store_rlx(&block->holds, HOLDS); /* rlx: nobody else knows the block yet */
	return block;
}

/* B1: uses of the text before the hold is given back; pairs with itself in whoever gives back the last and frees. */
static void block_let_go(struct leat_block *block, uint64_t holds)
{
	if (leat_add_acqrel(&block->holds, -holds) == holds)
		leat_os_free(block);
}

int leat_line_copy(struct leat_line *line, const void *data, size_t len)
{
	struct leat_block *block;

	if (line == NULL || (data == NULL && len > 0))
		return -EINVAL;
	block = block_open(len);
	if (block == NULL)
		return -ENOMEM;
	leat_store_rlx(&block->holds, 1); /* rlx: nobody else knows the block yet */
	if (len > 0)
		memcpy(block->data, data, len);
	*line = (struct leat_line){ block->data, len, block };
	return 0;
}

void leat_line_free(struct leat_line *line)
{
	if (line == NULL || line->block == NULL)
		return;
	block_let_go(line->block, 1);
	line->block = NULL;
}

void leat_line_discard(void *line, void *unused)
{
	(void)unused;
	leat_line_free(line);
}

static void leave_block(struct leat_split *split)
{
	if (split->block != NULL)
		block_let_go(split->block, HOLDS - split->handed);
	split->block = NULL;
	split->handed = 0;
}

/* A block with room behind the begun line, which moves there. A line that fills its block gets one twice as large. */
static int make_room(struct leat_split *split)
{
	size_t begun = split->filled - split->start;
	struct leat_block *next;

	if (split->block != NULL && split->filled < split->block->size)
		return 0;
	next = block_open(begun < BLOCK_BYTES / 2 ? BLOCK_BYTES : begun * 2);
	if (next == NULL)
		return -ENOMEM;
	if (begun > 0)
		memcpy(next->data, split->block->data + split->start, begun);
	leave_block(split);
	split->block = next;
	split->start = 0;
	split->filled = begun;
	return 0;
}

ssize_t leat_split_read(struct leat_split *split, int fd)
{
	int rc = make_room(split);
	ssize_t n;

	if (rc < 0)
		return rc;
	do
		n = read(fd, split->block->data + split->filled, split->block->size - split->filled);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	split->filled += (size_t)n;
	return n;
}

bool leat_split_next(struct leat_split *split, struct leat_line *line)
{
	size_t from = split->start + split->seen;
	const char *feed;

	if (split->block == NULL || from >= split->filled)
		return false;
	feed = memchr(split->block->data + from, '\n', split->filled - from);
	if (feed == NULL) {
		split->seen = split->filled - split->start;
		return false;
	}
	line->data = split->block->data + split->start;
	line->len = (size_t)(feed - line->data);
	line->block = split->block;
	split->start += line->len + 1;
	split->seen = 0;
	return true;
}

bool leat_split_rest(struct leat_split *split, struct leat_line *line)
{
	if (split->block == NULL || split->start == split->filled)
		return false;
	line->data = split->block->data + split->start;
	line->len = split->filled - split->start;
	line->block = split->block;
	leat_split_forget(split);
	return true;
}

void leat_split_handed(struct leat_split *split)
{
	split->handed++;
}

void leat_split_forget(struct leat_split *split)
{
	split->start = split->filled;
	split->seen = 0;
}

void leat_split_fini(struct leat_split *split)
{
	leave_block(split);
}

int leat_split_emit(struct leat_split *split, const struct leat_emitter *to, int64_t until_ns)
{
	enum { LINES_A_LOOK = 64 };
	struct leat_line line;
	unsigned lines = 0;

	while (leat_split_next(split, &line)) {
		int rc = to->emit(to->arg, &line);

		if (rc != 0)
			return rc;
		leat_split_handed(split);
		if (++lines % LINES_A_LOOK == 0 && leat_source_over(until_ns))
			return -ETIMEDOUT;
	}
	return 0;
}
