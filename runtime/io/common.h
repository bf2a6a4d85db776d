/*
 * runtime/io/common.h: what the sources share: their options' checks, when to stop, what to say.
 *
 * Inside a source 0 means "go on"; LEAT_EMIT_ENOUGH or any other positive value "end well"; a
 * negative value "end with it". leat_source_end() makes of it what the source answers.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_COMMON_H
#define LEAT_RUNTIME_IO_COMMON_H

#include "runtime/io/line.h"
#include "runtime/io/source.h"

struct leat_source {
	const struct leat_emitter *to;
	const char *name; /* the first word of its failures: "lines" */
	const char *path; /* the second; NULL where there is none */
	int64_t until_ns; /* LEAT_NEVER for none */
	unsigned emitted; /* items; wraps */
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
 * Items between two looks at the clock and the channel: a look costs about as much as sending a
 * few.
 */
#define LEAT_SOURCE_STRIDE 64

/* Whether to go on: nobody receives, cancelled, out of time. */
int leat_source_check(const struct leat_source *source);

/* Emits; now and then checks before. On anything but 0 the item is the caller's. */
static inline int leat_source_emit(struct leat_source *source, void *item)
{
	if (source->emitted++ % LEAT_SOURCE_STRIDE == 0) {
		int rc = leat_source_check(source);

		if (rc != 0)
			return rc;
	}
	return source->to->emit(source->to->arg, item);
}

/* Emits all lines that are whole, or what is left over; frees the one that was not taken. */
int leat_source_emit_lines(struct leat_source *source, struct leat_splitter *split);
int leat_source_emit_rest(struct leat_source *source, struct leat_splitter *split);

/*
 * Opens for reading, so that neither this nor a read waits. The descriptor or -errno; never -EINTR.
 */
int leat_source_open(const char *path);
/* One read(2) into the splitter: the bytes, 0 at the end, -errno (also -ENOMEM); never -EINTR. */
ssize_t leat_source_read(struct leat_splitter *split, int fd);

/*
 * Waits for fd (-1: for none), until deadline_ns at the latest: 1, -ETIMEDOUT; anything else ends
 * the source.
 */
int leat_source_wait(const struct leat_source *source, int fd, int64_t deadline_ns);

/* "lines: PATH: DETAIL: No such file or directory"; detail may be NULL. Answers code. */
int leat_source_fail(const struct leat_source *source, int code, const char *detail);
/* "lines: PATH: TEXT". Answers code. */
int leat_source_refuse(const struct leat_source *source, int code, const char *text);

/* What all options have in common: -EINVAL, said, or 0. missing: "no path", or NULL. */
int leat_source_check_opts(const struct leat_source *source, const uint64_t *reserved, size_t n,
                           const char *missing);

/* first + k * interval; LEAT_NEVER where that is past the end of time. */
int64_t leat_source_due(int64_t first_ns, uint64_t k, int64_t interval_ns);

/*
 * The public face: runs a source with an emitter that sends. -EINVAL for no channel; also, and
 * said, for one with items of another size.
 */
typedef int leat_source_fn(const struct leat_emitter *to, const void *opts);
int leat_source_send_lines(struct leat_tx *out, const char *name, int64_t until_ns,
                           leat_source_fn *fn, const void *opts);
int leat_source_send_numbers(struct leat_tx *out, const char *name, int64_t until_ns,
                             leat_source_fn *fn, const void *opts);

#endif
