/*
 * runtime/chan/handle.h: what this room does with handles (handle.c). The structure is in
 * runtime/chan/chan.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_HANDLE_H
#define LEAT_RUNTIME_CHAN_HANDLE_H

#include "runtime/chan/chan.h"

/* Makes a handle open; it is in no list yet. */
void leat_handle_init(struct leat_handle *h, struct leat_chan *chan, bool sender);
/* Memory for the item that a sender of a channel that drops is dropping. 0, -ENOMEM. */
int leat_handle_alloc_scratch(struct leat_handle *h);
/* Caller holds chan->lock. An unlinked handle serves the next clone. */
void leat_handle_link(struct leat_handle *h);
void leat_handle_unlink(struct leat_handle *h);
/*
 * The first part of a close: gives up what the handle holds, closes its descriptors, and disables
 * its fast paths, so that a call on the closed handle comes to leat_handle_check().
 */
void leat_handle_retire(struct leat_handle *h);

/*
 * The figures of a wait of this handle: it begins, it ends. Several waits at the same time count as
 * one.
 */
void leat_handle_wait_begins(struct leat_handle *h, int64_t now_ns);
void leat_handle_wait_ends(struct leat_handle *h, int64_t now_ns);

#endif
