/*
 * runtime/chan/transfer.h: what copying and zero-copy transfer share.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_TRANSFER_H
#define LEAT_RUNTIME_CHAN_TRANSFER_H

#include "runtime/chan/chan.h"

/* Takes up to want neighbouring items of a ring with turns; what producers gave up is freed on the way. */
size_t leat_chan_take(struct leat_chan *chan, size_t want, struct leat_mpmc_claim *claim);

/* Before a receive looks at the ring: -ECANCELED, after a drain, or -EAGAIN to go on. */
ssize_t leat_chan_refuse_receive(struct leat_chan *chan, uint32_t ctl);
/* After it found nothing, ctl having been loaded before: 0 the end, -ECANCELED, -EAGAIN. */
ssize_t leat_chan_found_nothing(struct leat_chan *chan, uint32_t ctl);

/* Makes room by dropping the oldest item. False where nothing was dropped: there is room, or a receiver stands in it. */
bool leat_chan_drop_oldest(struct leat_chan *chan);
/* Drops an item that was sent, or the handle's scratch item, for want of room. */
void leat_handle_drop_newest(struct leat_handle *h, const void *item);

#endif
