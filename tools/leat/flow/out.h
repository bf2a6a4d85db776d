/*
 * tools/leat/flow/out.h: what a sink writes to, buffered, never stuck.
 *
 * A write to a pipe or a terminal can wait for its reader for ever, and nothing can end a write(2)
 * that waits. So the wait is poll(2)'s, next to the channel's end (leat_tx_wait), and what is then
 * written is a page at the most, for which there is room.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_OUT_H
#define LEAT_TOOLS_LEAT_FLOW_OUT_H

#include <leat/chan.h>

#define LEAT_OUT_SIZE 65536u

struct leat_out {
	int fd;
	bool regular;         /* a file on a disk: it never waits for a reader */
	struct leat_tx *wait; /* what ends a wait */
	/* once cancelled, what can be had at once is still written, until then */
	int64_t grace_ns;
	size_t len;
	char buffer[LEAT_OUT_SIZE];
};

void leat_out_init(struct leat_out *out, int fd, struct leat_tx *wait);

/* 0; -errno as write(2); -EPIPE or -ECANCELED also when that is how a send on wait would end. */
int leat_out_put(struct leat_out *out, const void *data, size_t len);
int leat_out_flush(struct leat_out *out);

#endif
