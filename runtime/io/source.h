/*
 * runtime/io/source.h: the sources of leat/io.h, with a function in place of the channel.
 *
 * A flow runs the cheap steps behind a source on the source's own thread: the source passes each
 * item to a function, and only what is left after the steps goes into a ring. So each source is
 * written once, against an emitter. The public sources of leat/io.h use an emitter that sends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_SOURCE_H
#define LEAT_RUNTIME_IO_SOURCE_H

#include <leat/io.h>

/*
 * Takes one item, of the type that the comment of the source in leat/io.h names. If it returns 0,
 * the emitter owns the item. If it returns anything else, the source still owns the item, frees it,
 * and ends at once: with that value if it is negative, and well, returning 0, if it is positive
 * (LEAT_EMIT_ENOUGH).
 */
typedef int leat_emit_fn(void *arg, void *item);
#define LEAT_EMIT_ENOUGH 1

/*
 * Returns a byte of the first line of the text that is wanted, or NULL where none is. The text is
 * one line or more, each but the last ended by a line feed.
 */
typedef const char *leat_find_fn(void *arg, const char *text, size_t len);

/* Takes so many lines, of which only the number is wanted. Returns as leat_emit_fn. */
typedef int leat_take_count_fn(void *arg, uint64_t lines);

/*
 * What lies between the bytes of a file and those of its lines: it may unpack them.
 *
 * read() is like read(2), and reads fd at most once, as a second read might wait; never if fd is
 * -1. It returns how many bytes it has made, 0 at the end, or -EAGAIN if it has made none yet. On
 * another error, `why` is the text of the failure, or "": that of the code.
 */
struct leat_filter {
	ssize_t (*read)(struct leat_filter *filter, int fd, char *to, size_t room);
	void (*rewind)(struct leat_filter *filter); /* fd is at the start of a file */
	char why[128];
};

/* Hears that a source has failed, and why, without its name and its path. Returns code. */
typedef int leat_hear_failure_fn(void *arg, int code, const char *why);

struct leat_emitter {
	leat_emit_fn *emit;
	void *arg;
	leat_find_fn *find; /* of a source of text: which lines it emits; NULL: all */
	/*
	 * Of a source of text: called in place of emit, with the number of lines of each piece that
	 * was read. NULL: each line is emitted; so it is while *emits is true, which emit and
	 * end_file may change. emits is set where count is; find is not.
	 */
	leat_take_count_fn *count;
	const bool *emits;
	struct leat_filter *filter; /* of leat_lines_into(); NULL: none */
	/*
	 * Called behind the last line of each file, or reading, that has ended: what comes next is
	 * of another one (repeated, rotated or truncated). NULL: nothing.
	 */
	void (*end_file)(void *arg);
	/*
	 * Of a source of text: called behind the lines of each piece that was read, before the
	 * source reads again. waits: that may take any time, so an emitter that has kept lines
	 * passes them on now. Returns as emit does. NULL: nothing.
	 */
	int (*end_piece)(void *arg, bool waits);
	bool as_text; /* numbers are emitted as struct leat_line, in decimal figures */
	/*
	 * with this the source waits (leat_tx_wait()), and records the text of a failure
	 * (leat_tx_fail())
	 */
	struct leat_tx *out;
	/* takes the text of a failure in place of `out`, which keeps the first one; NULL: none */
	leat_hear_failure_fn *fail;
	void *fail_arg;
};

/* A file that is open for reading, without waiting; the path, which is not "-", names it. */
struct leat_open_file {
	int fd;
	const char *path;
	int64_t until_ns; /* as in struct leat_lines_opts */
};

/* As leat_lines_into(), once, and closes the file. */
int leat_open_file_into(const struct leat_emitter *to, const struct leat_open_file *file);
int leat_lines_into(const struct leat_emitter *to, const struct leat_lines_opts *opts);
int leat_follow_into(const struct leat_emitter *to, const struct leat_follow_opts *opts);
int leat_proc_into(const struct leat_emitter *to, const struct leat_proc_opts *opts);
int leat_tick_into(const struct leat_emitter *to, const struct leat_tick_opts *opts);
int leat_count_into(const struct leat_emitter *to, const struct leat_count_opts *opts);

#endif
