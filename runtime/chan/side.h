/*
 * runtime/chan/side.h: one side of a channel as one of several things to wait for.
 *
 * All that leat_select(), merges and descriptors know of a channel. A side is a handle, of either type; it is its
 * thread's, as the handle is. Who waits does, for each of his sides,
 *
 *     attempt, on all            until one answers something else than -EAGAIN
 *     line_up, on all            then one leat_event_fence(), and an attempt on all once more
 *     leat_sleeper_park()
 *     leave, on all              and pass_on() for those that were told, once it is known what was taken
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_SIDE_H
#define LEAT_RUNTIME_CHAN_SIDE_H

#include "runtime/event/event.h"

#include <leat/chan.h>

struct leat_side; /* never defined: a handle under another name */

static inline struct leat_side *leat_side_of_tx(struct leat_tx *tx)
{
	return (struct leat_side *)tx;
}

static inline struct leat_side *leat_side_of_rx(struct leat_rx *rx)
{
	return (struct leat_side *)rx;
}

/* 0, -EINVAL or -EBUSY. size 0: the channel's; another than that stops the program. */
int leat_side_check(struct leat_side *side, const void *item, size_t size, const char *call);
/* The size of the channel's items; 0 for a task's channel. */
size_t leat_side_item_size(struct leat_side *side);
/* Sends or receives one item, if that can be done at once: 1; 0 the end of the stream; -EAGAIN; -EPIPE, -ECANCELED. */
int leat_side_attempt(struct leat_side *side, void *item);
/* Whether an attempt would answer something else than -EAGAIN. */
bool leat_side_ready(struct leat_side *side);

/* Where it waits. line_up() answers what leat_event_fence() is to be called with; leave() whether it was told. */
bool leat_side_line_up(struct leat_side *side, struct leat_waiter *waiter);
bool leat_side_leave(struct leat_side *side, struct leat_waiter *waiter);
void leat_side_pass_on(struct leat_side *side);

enum leat_wait leat_side_policy(struct leat_side *side);
struct leat_scope *leat_side_scope(struct leat_side *side);
/* As leat_handle_wake_fd(). */
int leat_side_wake_fd(struct leat_side *side);

/* The books of a wait: it began, it slept once, it is over. Several waits at once of the same side are one. */
void leat_side_wait_begins(struct leat_side *side, int64_t now_ns);
void leat_side_wait_parks(struct leat_side *side);
void leat_side_wait_ends(struct leat_side *side, int64_t now_ns);

#endif
