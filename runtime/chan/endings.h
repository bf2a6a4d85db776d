/*
 * runtime/chan/endings.h: how a channel ends, inside this room (endings.c).
 *
 *     K1  close, cancel, sever set a bit      ->  a receive loads ctl          every item sent
 *                                                 before is in the ring
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_ENDINGS_H
#define LEAT_RUNTIME_CHAN_ENDINGS_H

#include "runtime/chan/chan.h"

/*
 * The scope's hook: under the tree's lock. Receivers that have been answered a 0, or are gone, are
 * past cancelling.
 */
void leat_chan_cancel(struct leat_scope_hook *hook, const void *spared);
/* Why an item that nobody receives is dropped: the receivers left, or a cancel came. */
enum leat_drop leat_chan_drop_reason(const struct leat_chan *chan);
/* The functions of leat_chan_rx_ops that end. */
void leat_chan_close_rx(struct leat_rx *rx);
int leat_chan_status(const struct leat_rx *rx, enum leat_cause *cause, int *code,
                     const char **text);
/*
 * In chan.c. The last handle is closed: nobody else can reach the channel but its scope and a walk
 * of the registry.
 */
void leat_chan_destroy(struct leat_chan *chan);

#endif
