/*
 * leat/io.h: sources: lines of a file, lines appended to a file, readings of /proc, ticks, numbers.
 * Each source is a leat_gen_fn (leat/gen.h) whose argument is a structure of options:
 *
 *     struct leat_lines_opts in = { .path = "access.log" };
 *     struct leat_gen_opts opts = { .chan = { .discard = leat_line_discard } };
 *     leat_gen(scope, leat_lines, &in, sizeof(struct leat_line), &opts, &rx);
 *     leat_for(struct leat_line, line, rx) {
 *             fwrite(line.data, 1, line.len, stdout);
 *             leat_line_free(&line);
 *     }
 *
 * Options. They belong to the caller. They, and the strings they point to, must live until the
 * generator has ended. A path, a name and the interval of ticks must be given; all else may be
 * zero, and `reserved` must be. A source that gets NULL for its options fails with -EINVAL.
 *
 * Items. The channel's items must be of the type that a source's comment names; if their size is
 * another, the source fails with -EINVAL. The receiver owns each item that it receives: it frees
 * each line. `discard` frees the lines that no receiver gets.
 *
 * How a source ends. It returns 0 at the end of its input, or when until_ns has come (absolute, on
 * the clock of leat_now_ns(); 0: no such time). It returns -EPIPE when the last receiver closes and
 * -ECANCELED when its scope is cancelled, also while it waits for input. It returns -errno when a
 * system call fails: then the text of the cause has the source's name, the path and the reason.
 *
 * Seqs. For each source there is a function that makes a struct leat_seq of it, which
 * leat_gen_seq() runs on a thread, or as steps on a pool, where hundreds of sources need no thread
 * each:
 *
 *     struct leat_seq seq;
 *     leat_follow_seq(&(struct leat_follow_opts){ .path = "access.log" }, &seq);
 *     leat_gen_seq(scope, seq, &on_pool, &rx);
 *
 * It returns 0; -EINVAL for NULL or for options that the source would refuse; -ENOMEM. On an error
 * *seq is all zero. Options and strings are copied. The seq's owner calls its fini, or
 * leat_gen_seq() does. The items are those of the source. next() waits by leat_after() or
 * leat_ready(), and fails with the codes and the texts of the source; a caller that pulls the seq
 * itself gets the code alone. A seq reads the clock for until_ns when it makes items: while its
 * channel is full it does not end. A read of a regular file is not waited for, so it keeps a worker
 * as long as the disk takes.
 *
 * What a follow costs: one descriptor; about 2 KiB, and 128 KiB of address space for what it reads,
 * of which pages that were never read into take no memory; and three watches of inotify (file,
 * directory, its parent), two more for each symbolic link, of which follows in one directory share
 * those of directories. All follows of a process share one inotify instance, two descriptors and
 * one thread, which are there while there is a follow.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_IO_H
#define LEAT_IO_H

#include <leat/gen.h>

LEAT_BEGIN_DECLS

/*
 * Memory that many lines share. It counts the lines that hold it; the free of the last one frees
 * it.
 */
struct leat_block;

/*
 * A line of text: len bytes at data, without the line feed and without a NUL behind them. A line
 * may hold any byte, NUL too.
 *
 * The structure is one hold on its block: its owner calls leat_line_free() once. A copy of the
 * structure is the same hold and no further one. leat_line_copy() makes a line that lives on its
 * own. Any thread may free a line. No thread may write to data: other lines share the block.
 */
struct leat_line {
	const char *data;
	size_t len;
	struct leat_block *block; /* what leat_line_free() frees; NULL: nothing to free */
};

/*
 * Sources of lines fail with -EMSGSIZE at a line of this many bytes (1 GiB) or more, its line feed
 * not counted. Shorter lines are never cut. An input without a line feed makes its source hold so
 * many bytes, and 128 KiB at the most beyond them.
 */
#define LEAT_LINE_BYTES ((size_t)1 << 30)

/*
 * Copies len bytes into a block that no other line shares. Returns 0; -ENOMEM; -EINVAL if line is
 * NULL, or data is NULL and len is not 0. The caller owns the line.
 */
LEAT_API int leat_line_copy(struct leat_line *line, const void *data, size_t len);
/*
 * Gives up the line's hold, and makes the line empty: a second call does nothing. NULL does
 * nothing.
 */
LEAT_API void leat_line_free(struct leat_line *line);
/* Makes *copy one hold more on the block of a line, with the same bytes: nothing is copied. */
LEAT_API void leat_line_share(struct leat_line *copy, const struct leat_line *line);
/* leat_line_free() as a leat_chan_opts.discard; the second argument is not used. */
LEAT_API void leat_line_discard(void *line, void *unused);

/*
 * Sends the lines of a file, a pipe, or standard input (path "-"), in order. Item: struct
 * leat_line. What follows the last line feed is a line too, if it is not empty. Fails with -errno
 * as open(2) or read(2), and with -EISDIR for a directory.
 */
struct leat_lines_opts {
	const char *path;
	/* how many times to send the lines; 0: once. Fails with -ESPIPE above 1 for a pipe */
	uint64_t repeat;
	int64_t until_ns; /* when to return 0; 0: at the end of the input */
	uint64_t reserved[4];
};
LEAT_API int leat_lines(struct leat_tx *out, void *opts);
LEAT_API int leat_lines_seq(const struct leat_lines_opts *opts, struct leat_seq *seq);

/*
 * Sends the lines that are appended to a file from the call on, until until_ns. Item: struct
 * leat_line. A line is sent once its line feed is there. The source sleeps while nothing changes.
 *
 * The file need not exist yet: the source waits for it. When the path comes to name another file
 * (rotation), the source sends the old file up to its end, then the new one from its start. When
 * the file becomes shorter than what was read (truncation), the source reads it from its start; a
 * line without a line feed before such a change is sent as far as it came.
 *
 * Fails with -errno as open(2), fstat(2), read(2) or inotify(7), with -EISDIR for a directory, with
 * -EINVAL for another file that is not regular, or that has bytes and no size (most in /proc), and
 * with -ENOSPC when the user has no inotify watch left.
 *
 * It misses changes that inotify does not report: those made through a memory map, by another
 * machine on a network file system, or to a file that an overlay file system copies at the first
 * write.
 */
struct leat_follow_opts {
	const char *path;
	bool from_start; /* send what the file holds at the call, too */
	int64_t until_ns;
	uint64_t reserved[4];
};
LEAT_API int leat_follow(struct leat_tx *out, void *opts);
/* What is appended from the call on is sent, whenever the seq is started. */
LEAT_API int leat_follow_seq(const struct leat_follow_opts *opts, struct leat_seq *seq);

/*
 * Reads a file of /proc at once and then every interval_ns, and sends every line of each reading.
 * Item: struct leat_line. A reading is taken whole before its first line is sent. If the receiver
 * is late by more than an interval, the readings between are left out. Fails with -errno as open(2)
 * or read(2) (a process may be gone), with -EINVAL for a bad name or interval, and with -EFBIG for
 * a reading above 64 MiB.
 */
struct leat_proc_opts {
	const char *name;    /* below /proc: "stat", "meminfo", "self/status"; no ".." in it */
	int64_t interval_ns; /* 0: one second; not negative */
	int64_t until_ns;
	uint64_t reserved[4];
};
LEAT_API int leat_proc(struct leat_tx *out, void *opts);
LEAT_API int leat_proc_seq(const struct leat_proc_opts *opts, struct leat_seq *seq);

/*
 * Sends the numbers of ticks: tick k is due k intervals after the call, from k = 1. Item: uint64_t.
 * Numbers rise; a source that is late sends the number that is due and leaves out those before it,
 * so a receiver sees by the number how many ticks it missed. Fails with -EINVAL for an interval
 * that is not above 0.
 */
struct leat_tick_opts {
	int64_t interval_ns; /* above 0 */
	int64_t until_ns;
	uint64_t reserved[4];
};
LEAT_API int leat_tick(struct leat_tx *out, void *opts);
/* Intervals are counted from the call. */
LEAT_API int leat_tick_seq(const struct leat_tick_opts *opts, struct leat_seq *seq);

/* Sends first, first + 1, ... last, in order; nothing if first is above last. Item: uint64_t. */
struct leat_count_opts {
	uint64_t first, last;
	int64_t until_ns;
	uint64_t reserved[4];
};
LEAT_API int leat_count(struct leat_tx *out, void *opts);
LEAT_API int leat_count_seq(const struct leat_count_opts *opts, struct leat_seq *seq);

LEAT_END_DECLS
#endif
