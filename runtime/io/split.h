/*
 * runtime/io/split.h: bytes into lines, without copying them: what was read stays where it was read, and lines point
 * into it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_IO_SPLIT_H
#define LEAT_RUNTIME_IO_SPLIT_H

#include "runtime/io/source.h"

/* One descriptor's bytes on their way. Zero it to begin; fini when done. */
struct leat_split {
	struct leat_block *block; /* where bytes are read to */
	size_t start;             /* of the line that is not whole yet */
	size_t seen;              /* bytes in which there is no line feed behind start */
	size_t filled;
	uint64_t handed;          /* lines of this block that were taken */
};

/* Reads once. Above 0: bytes; 0: the end; -errno (-ENOMEM too). */
ssize_t leat_split_read(struct leat_split *split, int fd);
/* The next whole line of what was read; false when there is none. It is the caller's only if it says so: */
bool leat_split_next(struct leat_split *split, struct leat_line *line);
/* The bytes after the last line feed, as a line; false when there are none. */
bool leat_split_rest(struct leat_split *split, struct leat_line *line);
/* The line was taken by somebody who will free it. */
void leat_split_handed(struct leat_split *split);
/* Forgets the bytes after the last line feed. */
void leat_split_forget(struct leat_split *split);
void leat_split_fini(struct leat_split *split);

/* Emits every whole line: 0, or what the emitter answered. *clock counts down to the next look at the time. */
int leat_split_emit(struct leat_split *split, const struct leat_emitter *to, int64_t until_ns);

/* Fails with "WHAT: PATH: reason" as its words. Answers code. */
int leat_source_fail(const struct leat_emitter *to, int code, const char *what, const char *path);
/* Whether the time is over. until_ns 0: never. */
bool leat_source_over(int64_t until_ns);
/* A deadline for leat_tx_wait(): until_ns, or LEAT_NEVER for 0. */
int64_t leat_source_deadline(int64_t until_ns);
/* What a source answers when it stopped for rc: -ETIMEDOUT and LEAT_EMIT_ENOUGH are good ends. */
int leat_source_end(int rc);
/* Whether a structure of options is well: not NULL, reserved zero. */
bool leat_source_reserved(const uint64_t *reserved, size_t count);

#endif
