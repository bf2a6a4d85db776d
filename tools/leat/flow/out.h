/*
 * tools/leat/flow/out.h: the output of a sink: buffered, and never stuck.
 *
 * A write to a pipe or a terminal may wait for a reader without end, and nothing can end a write(2)
 * that waits. So the sink waits until the output can be written or the flow is cancelled. Then it
 * writes a page at the most, for which there is room.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_OUT_H
#define LEAT_TOOLS_LEAT_FLOW_OUT_H

#include <leat/scope.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEAT_OUT_SIZE 65536u

struct leat_out {
	int fd;
	bool regular;             /* a file on a disk: a write does not wait for a reader */
	struct leat_scope *scope; /* a wait ends when this is cancelled */
	bool failed;              /* a write has failed, also with -EPIPE or -ECANCELED */
	/*
	 * after a cancel, the output is written until then, as far as the reader takes it at once;
	 * 0: not cancelled
	 */
	int64_t grace_ns;
	size_t len;
	char buffer[LEAT_OUT_SIZE];
};

/* The caller owns fd and scope, which must live as long as out. */
void leat_out_init(struct leat_out *out, int fd, struct leat_scope *scope);

/*
 * Return 0; -errno as write(2); or -ECANCELED, also when the scope is cancelled.
 */
int leat_out_put(struct leat_out *out, const void *data, size_t len);
/* Puts a line, and a line feed. The buffer has whole lines if nothing else is put. */
int leat_out_put_line(struct leat_out *out, const void *data, size_t len);
int leat_out_flush(struct leat_out *out);
/* From now on it writes to this; the buffer stays. */
void leat_out_turn(struct leat_out *out, int fd);

#endif
