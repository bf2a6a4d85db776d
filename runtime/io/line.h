/*
 * runtime/io/line.h: a splitter: cuts bytes that come in pieces into lines that share memory.
 *
 *     leat_splitter_room(&split, &at, &room);        where the next piece may be written
 *     leat_splitter_fill(&split, read(fd, at, room));
 *     while (leat_splitter_next(&split, &line))      each whole line that is there now
 *             ...
 *     leat_splitter_rest(&split, &line);             at the end: a last line without its line feed
 *     leat_splitter_fini(&split);
 *
 * One thread uses a splitter. Any thread may free the lines that it makes, also when the splitter
 * is gone; each line is one hold on its block. A line is not copied, unless the end of a block is
 * in the midst of it. A line that is longer than a block makes the next block larger; from then on
 * that block grows in place, until the line has LEAT_LINE_BYTES.
 *
 * Lines that are kept. A line that is not freed keeps its whole block, so a program that keeps one
 * line of many would keep all that was read. Therefore the splitter remembers the last
 * LEAT_BLOCKS_HELD blocks that it left and that lines still hold. When there are so many, and most
 * of their lines have been freed, each further line is a copy in memory of its own, until half of
 * these blocks are free. So kept lines hold at most LEAT_BLOCKS_HELD blocks and their own bytes.
 * Lines on their way through long channels are not taken for kept ones: their blocks are still
 * full.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_LINE_H
#define LEAT_RUNTIME_IO_LINE_H

#include "runtime/io/source.h"

/*
 * The bytes of a block. Large enough that blocks are few, small enough to be in a core's
 * second-level cache when the lines are read.
 */
#define LEAT_BLOCK_BYTES ((size_t)128 * 1024)

/* Blocks of a splitter that kept lines can hold: 4 MiB. */
#define LEAT_BLOCKS_HELD 32

/* A block that the splitter has left. It keeps one hold of it, to read the count. */
struct leat_left_block {
	struct leat_block *block;
	size_t size;
	uint64_t given; /* lines */
};

/* All zero is an empty splitter. */
struct leat_splitter {
	struct leat_block *block;
	char *data; /* the bytes of the block: `size` of them, of which `end` are filled */
	size_t size, end;
	size_t start;   /* where the line begins that is not whole yet */
	size_t scanned; /* up to here there is no line feed after start */
	uint64_t given; /* lines that were made of this block */
	bool copies;    /* lines are kept: each further line is a copy */
	unsigned left_count;
	struct leat_left_block left[LEAT_BLOCKS_HELD]; /* the oldest first */
	struct leat_block *spare; /* one of LEAT_BLOCK_BYTES that no line holds; NULL: none */
};

/*
 * Makes room for a piece. Returns 0, with *at and at least one byte of *room; -ENOMEM or -EMSGSIZE,
 * with the splitter unchanged.
 */
int leat_splitter_room(struct leat_splitter *split, char **at, size_t *room);
/* Says that n bytes were written at *at. */
void leat_splitter_fill(struct leat_splitter *split, size_t n);

/*
 * The next whole line, without its line feed; false if there is none yet. The caller owns the line.
 */
bool leat_splitter_next(struct leat_splitter *split, struct leat_line *line);

/* The next whole line that find() finds; those before it are passed over. */
bool leat_splitter_find(struct leat_splitter *split, struct leat_line *line, leat_find_fn *find,
                        void *arg);

/* Passes over all whole lines that are there now, and returns how many they are. */
uint64_t leat_splitter_count(struct leat_splitter *split);

/* Makes a line of these bytes, at most LEAT_SPLITTER_PUT, behind those before. 0 or -ENOMEM. */
#define LEAT_SPLITTER_PUT 4096
int leat_splitter_put(struct leat_splitter *split, struct leat_line *line, const void *data,
                      size_t len);

/*
 * What is left without a line feed, as a line; false if nothing is left. The caller owns the line.
 */
bool leat_splitter_rest(struct leat_splitter *split, struct leat_line *line);
/* Gives the block up. It lives on while there are lines of it. */
void leat_splitter_fini(struct leat_splitter *split);

#endif
