/*
 * leat/io.h: sources from the world. Each is a leat_gen_fn whose argument is a structure of
 * options:
 *
 *     struct leat_lines_opts in = { .path = "access.log" };
 *     struct leat_gen_opts opts = { .chan = { .discard = leat_line_discard } };
 *     leat_gen(scope, leat_lines, &in, sizeof(struct leat_line), &opts, &rx);
 *     leat_for(struct leat_line, line, rx) {
 *             fwrite(line.data, 1, line.len, stdout);
 *             leat_line_free(&line);
 *     }
 *
 * The options, and the strings they point to, must live until the generator ended. A source that
 * fails says the path and the reason in the text of its cause. All of them end when nobody receives
 * any more or their scope is cancelled, also while they wait for input.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_IO_H
#define LEAT_IO_H

#include <leat/gen.h>

LEAT_BEGIN_DECLS

/* Memory that many lines share; counted, freed with its last line. */
struct leat_block;

/*
 * A piece of text: the item of every source of text. It may hold any byte, NUL too, and is not
 * terminated. A line is without its line feed. Whoever holds it frees it, once; copies of the
 * structure are the same hold.
 */
struct leat_line {
	const char *data;
	size_t len;
	struct leat_block *block; /* who owns the memory; NULL: nobody needs to */
};

/*
 * A line of as many bytes, or more, is refused where it is read: -EMSGSIZE. Shorter ones are whole,
 * always.
 */
#define LEAT_LINE_BYTES ((size_t)1 << 30)

/* A line in memory of its own, copied from data. 0 or -ENOMEM. */
LEAT_API int leat_line_copy(struct leat_line *line, const void *data, size_t len);
LEAT_API void leat_line_free(struct leat_line *line);
/* The same, in the shape of leat_chan_opts.discard. */
LEAT_API void leat_line_discard(void *line, void *unused);

/*
 * The lines of a file, a pipe, or standard input ("-"). A last line without a line
 * feed counts. Item: struct leat_line. Fails with what open(2) or read(2) answered, -EISDIR for a
 * directory.
 */
struct leat_lines_opts {
	const char *path;
	/* read it this many times; 0: once. A pipe can be read once only: -ESPIPE */
	uint64_t repeat;
	int64_t until_ns; /* end quietly at this time; 0: at the end */
	uint64_t reserved[4];
};
LEAT_API int leat_lines(struct leat_tx *out, void *opts);

/*
 * The lines that are appended to a file from now on, for ever, through rotation (the path names
 * another file: the old one is read to its end, then the new one from its start) and truncation
 * (read again from the start). It waits for a file that is not there yet. A line is sent once its
 * line feed is there. No CPU while nothing changes.
 */
struct leat_follow_opts {
	const char *path;
	bool from_start; /* send what the file holds already */
	int64_t until_ns;
	uint64_t reserved[4];
};
LEAT_API int leat_follow(struct leat_tx *out, void *opts);

/*
 * Readings of a /proc file at a steady interval: every line of /proc/NAME, each time. Item: struct
 * leat_line.
 */
struct leat_proc_opts {
	const char *name;    /* below /proc: "stat", "meminfo", "self/status"; no ".." */
	int64_t interval_ns; /* 0: a second */
	int64_t until_ns;
	uint64_t reserved[4];
};
LEAT_API int leat_proc(struct leat_tx *out, void *opts);

/*
 * A tick at a steady interval, counted from 1: the number that is due, so that a late reader sees
 * how many it missed when the channel drops. Item: uint64_t.
 */
struct leat_tick_opts {
	int64_t interval_ns; /* above 0 */
	int64_t until_ns;
	uint64_t reserved[4];
};
LEAT_API int leat_tick(struct leat_tx *out, void *opts);

/* first, first + 1, ... last. Item: uint64_t. */
struct leat_count_opts {
	uint64_t first, last;
	int64_t until_ns;
	uint64_t reserved[4];
};
LEAT_API int leat_count(struct leat_tx *out, void *opts);

LEAT_END_DECLS
#endif
