/*
 * runtime/io/common.h: what the sources share: checks of options, when to stop, texts of failures.
 *
 * A source runs against an emitter, on a thread that waits in place; or it is a seq, which has no
 * emitter. Then its waits are leat_after(), leat_ready() and leat_news_await(), so it returns in
 * the midst of a wait, and is called again.
 *
 * Inside a source a function returns 0 to go on, LEAT_EMIT_ENOUGH or any other positive value to
 * end well, and a negative value to end with that value. leat_source_end() makes of this what the
 * source returns to its caller. In a seq LEAT_AFTER and LEAT_READY are positive values that do not
 * end the source: its next() returns them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_COMMON_H
#define LEAT_RUNTIME_IO_COMMON_H

#include "runtime/io/line.h"
#include "runtime/io/source.h"

struct leat_source {
	const struct leat_emitter *to; /* NULL: the source is a seq */
	const char *name;              /* how its failure texts begin: "lines" */
	const char *path;              /* what follows in them; NULL: nothing */
	int64_t until_ns;              /* LEAT_NEVER for none */
	unsigned emitted;              /* items; it may wrap */
};

static inline int64_t leat_source_until(int64_t until_ns)
{
	return until_ns == 0 ? LEAT_NEVER : until_ns;
}

static inline int leat_source_end(int rc)
{
	return rc > 0 ? 0 : rc;
}

/*
 * A source checks the clock and the channel once for so many items: a check costs as much as
 * sending a few.
 */
#define LEAT_SOURCE_STRIDE 64

/*
 * Whether to go on: -EPIPE or -ECANCELED as a send would return, LEAT_EMIT_ENOUGH once the time is
 * up, else 0.
 */
int leat_source_check(const struct leat_source *source);

/*
 * What a seq does before each item: before every LEAT_SOURCE_STRIDE-th it checks.
 */
static inline int leat_source_pace(struct leat_source *source)
{
	return source->emitted++ % LEAT_SOURCE_STRIDE == 0 ? leat_source_check(source) : 0;
}

/*
 * Emits the item; before every LEAT_SOURCE_STRIDE-th item it checks. If it returns anything but 0,
 * the item is still the caller's.
 */
static inline int leat_source_emit(struct leat_source *source, void *item)
{
	if (source->emitted++ % LEAT_SOURCE_STRIDE == 0) {
		int rc = leat_source_check(source);

		if (rc != 0)
			return rc;
	}
	return source->to->emit(source->to->arg, item);
}

/*
 * A source of lines, as a machine: each advance() brings bytes into the splitter, and the lines
 * that are whole then are taken before the next advance(). advance() returns 0, a value that ends
 * the source, or, in a seq, LEAT_AFTER or LEAT_READY.
 */
struct leat_line_source {
	struct leat_source source;
	struct leat_splitter split;
	int (*advance)(struct leat_line_source *lines);
	void (*fini)(struct leat_line_source *lines); /* NULL: nothing but the splitter */
	/* advance() sets it: what is left without a line feed is a line, too */
	bool takes_rest;
	bool at_once; /* what there is to read comes without a wait */
	bool ended;   /* a seq's: with result */
	int result;
};

/* Emits all lines, and frees what the source has. rc: what preparing it returned. */
int leat_line_source_run(struct leat_line_source *lines, int rc);
/* Makes the seq, whose state is the source, allocated by leat_os_alloc(). */
struct leat_seq leat_line_source_seq(struct leat_line_source *lines);
/*
 * Makes *seq empty. Returns whether a public function that makes a seq has a seq and options.
 */
static inline bool leat_source_seq_wanted(struct leat_seq *seq, const void *opts)
{
	if (seq != NULL)
		*seq = (struct leat_seq){ .next = NULL };
	return seq != NULL && opts != NULL;
}

/*
 * Allocates size bytes for the state of a seq, and behind them the text prefix + path, which *copy
 * is set to (NULL if path is NULL). NULL: there is no memory.
 */
void *leat_source_alloc(size_t size, const char *prefix, const char *path, char **copy);
/* Fills in the seq that a public function makes; frees the state if rc is an error. Returns rc. */
int leat_source_make_seq(struct leat_seq *seq, struct leat_seq made, int rc);

/*
 * Opens for reading, without waiting: nor will a read wait. Returns the descriptor or -errno, never
 * -EINTR.
 */
int leat_source_open(const char *path);
/*
 * One read(2) into the splitter. Returns the bytes read, 0 at the end, or -errno (-ENOMEM too),
 * never -EINTR.
 */
ssize_t leat_source_read(struct leat_splitter *split, int fd);
/* The same of a source of lines, through a filter; NULL: none. */
ssize_t leat_source_read_through(struct leat_line_source *lines, int fd,
                                 struct leat_filter *filter);

/*
 * Waits until fd (-1: none) can be read, at most until deadline_ns. Returns 1 or -ETIMEDOUT; in a
 * seq also LEAT_AFTER or LEAT_READY; anything else ends the source.
 */
int leat_source_wait(const struct leat_source *source, int fd, int64_t deadline_ns);

/*
 * Records the text "lines: PATH: DETAIL: No such file or directory", with the words for code at its
 * end; detail may be NULL. Returns code.
 */
int leat_source_fail(const struct leat_source *source, int code, const char *detail);
/* Records the text "lines: PATH: TEXT". Returns code. */
int leat_source_refuse(const struct leat_source *source, int code, const char *text);

/*
 * Checks what all options have in common. Returns 0, or -EINVAL with its text recorded. missing:
 * what the caller found to be missing, such as "no path"; NULL: nothing.
 */
int leat_source_check_opts(const struct leat_source *source, const uint64_t *reserved, size_t n,
                           const char *missing);

/* Returns first + k * interval, or LEAT_NEVER where that overflows. */
int64_t leat_source_due(int64_t first_ns, uint64_t k, int64_t interval_ns);

/*
 * The body of a public source: runs fn with an emitter that sends into out. Returns -EINVAL if out
 * is NULL, or (with a text) if the items of out have another size.
 */
typedef int leat_source_fn(const struct leat_emitter *to, const void *opts);
int leat_source_send_lines(struct leat_tx *out, const char *name, int64_t until_ns,
                           leat_source_fn *fn, const void *opts);
int leat_source_send_numbers(struct leat_tx *out, const char *name, int64_t until_ns,
                             leat_source_fn *fn, const void *opts);

#endif
