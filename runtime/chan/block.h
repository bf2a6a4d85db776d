/*
 * runtime/chan/block.h: waiting on a channel (block.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_BLOCK_H
#define LEAT_RUNTIME_CHAN_BLOCK_H

#include "runtime/chan/chan.h"

/*
 * A waiter of this side was notified and returns, with an item or without. If work remains (items
 * for receivers, room for senders) and another waiter of the side is parked, this notifies that
 * waiter. If not, an item that was published after the notification could stay behind with every
 * receiver asleep: runtime/event/event.h, "Forwarding".
 */
void leat_chan_forward_notify(struct leat_chan *chan, bool sender); /* mutate */

/*
 * One thing to wait for. attempt() returns above 0 when it is done, 0 at the end of the stream,
 * -EAGAIN when it cannot be done now, or the error that ends the wait.
 */
struct leat_op {
	struct leat_handle *h;
	ssize_t (*attempt)(struct leat_op *op);
	void *items; /* to send, or to receive into */
	size_t n;
	void *place; /* what was reserved, or peeked at */
};

/*
 * Makes attempts, and waits between them by the channel's policy, until one returns something else
 * than -EAGAIN or the deadline passes (-ETIMEDOUT). With LEAT_DETAIL_TRY it does not wait.
 */
ssize_t leat_op_run(struct leat_op *op, int64_t deadline_ns);

#endif
