/*
 * runtime/io/line.h: bytes that come in pieces, cut into lines that share memory.
 *
 *     leat_splitter_room(&split, &at, &room);        where the next piece may be written
 *     leat_splitter_fill(&split, read(fd, at, room));
 *     while (leat_splitter_next(&split, &line))      the whole lines that are there now, each one a
 *                                                    hold
 *             ...
 *     leat_splitter_rest(&split, &line);             at the end: a last line without its line feed
 *     leat_splitter_fini(&split);
 *
 * One thread feeds a splitter; the lines it gives may be freed by any thread, also after the
 * splitter is gone. A line is never copied, unless it stands across the end of a block; a longer
 * one than a block makes the block grow.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_LINE_H
#define LEAT_RUNTIME_IO_LINE_H

#include <leat/io.h>

/*
 * Bytes that a block holds and that a read asks for: large enough that the kernel's copy and not
 * the call is what a read costs, small enough to be in a core's second-level cache when the lines
 * are looked at.
 */
#define LEAT_BLOCK_BYTES ((size_t)128 * 1024)

/* All zero: an empty one. */
struct leat_splitter {
	struct leat_block *block;
	char *data; /* the block's bytes: `size` of them, `end` filled */
	size_t size, end;
	size_t start;   /* of the line that is not whole yet */
	size_t scanned; /* no line feed from start to here */
	uint64_t given; /* lines of this block */
};

/* 0 and at least one byte of room; or -ENOMEM, and nothing has changed. */
int leat_splitter_room(struct leat_splitter *split, char **at, size_t *room);
/* So many bytes were written there. */
void leat_splitter_fill(struct leat_splitter *split, size_t n);

bool leat_splitter_next(struct leat_splitter *split, struct leat_line *line);
/* What is left over as a line; false if nothing is. */
bool leat_splitter_rest(struct leat_splitter *split, struct leat_line *line);
void leat_splitter_fini(struct leat_splitter *split);

#endif
