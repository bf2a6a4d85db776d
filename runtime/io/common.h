/*
 * runtime/io/common.h: what the sources share: checks of options, when to stop, texts of failures.
 *
 * Inside a source a function returns 0 to go on, LEAT_EMIT_ENOUGH or any other positive value to
 * end well, and a negative value to end with that value. leat_source_end() makes of this what the
 * source returns to its caller.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_COMMON_H
#define LEAT_RUNTIME_IO_COMMON_H

#include "runtime/io/line.h"
#include "runtime/io/source.h"

struct leat_source {
	const struct leat_emitter *to;
	const char *name; /* how its failure texts begin: "lines" */
	const char *path; /* what follows in them; NULL: nothing */
	int64_t until_ns; /* LEAT_NEVER for none */
	unsigned emitted; /* items; it may wrap */
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
 * Emit each whole line that the splitter holds, or what is left in it without a line feed. They
 * free a line that the emitter did not take.
 */
int leat_source_emit_lines(struct leat_source *source, struct leat_splitter *split);
int leat_source_emit_rest(struct leat_source *source, struct leat_splitter *split);

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

/*
 * Waits until fd (-1: none) can be read, at most until deadline_ns. Returns 1 or -ETIMEDOUT;
 * anything else ends the source.
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
