/*
 * runtime/chan/handle.h: what the sources of this room do with handles (handle.c). struct
 * leat_handle is in runtime/chan/chan.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_HANDLE_H
#define LEAT_RUNTIME_CHAN_HANDLE_H

#include "runtime/chan/chan.h"

void leat_handle_init(struct leat_handle *h, struct leat_chan *chan, bool sender);
/* A sender of a channel that drops needs room for the item it drops. */
int leat_handle_alloc_scratch(struct leat_handle *h);
/* Under the lock. */
void leat_handle_link(struct leat_handle *h);
void leat_handle_unlink(struct leat_handle *h);
/*
 * The first steps of a close: gives up what is held, and makes sure that a use after it is noticed.
 */
void leat_handle_retire(struct leat_handle *h);

/*
 * The figures of a wait of this handle: it began, it is over. Several waits at once are one.
 */
void leat_handle_wait_begins(struct leat_handle *h, int64_t now_ns);
void leat_handle_wait_ends(struct leat_handle *h, int64_t now_ns);

#endif
