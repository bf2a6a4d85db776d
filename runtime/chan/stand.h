/*
 * runtime/chan/stand.h: a receiver as something that a job waits for.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_STAND_H
#define LEAT_RUNTIME_CHAN_STAND_H

#include "runtime/event/event.h"

#include <leat/chan.h>

/* As leat_event_enter() and leat_event_leave(), on whatever a receiver receives from. Its owner's thread. */
void leat_rx_enter(struct leat_rx *rx, struct leat_waiter *waiter);
void leat_rx_leave(struct leat_rx *rx, struct leat_waiter *waiter);
/* Whether a receive would find an item, the end or a cancel. It also sees to it that a generator on a pool gets its turn. */
bool leat_rx_ready(struct leat_rx *rx);

#endif
