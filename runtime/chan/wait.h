/*
 * runtime/chan/wait.h: waiting inside a generator for something that is no item.
 *
 * A source that sleeps until its next tick, or until a descriptor is ready, must still end at once
 * when its consumer leaves or its scope is cancelled. Both arrive at the sending side of its
 * channel, so it waits there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_WAIT_H
#define LEAT_RUNTIME_CHAN_WAIT_H

#include <leat/chan.h>

/*
 * Waits until fd has one of poll(2)'s events (fd -1: never), the deadline passes, or a send on tx
 * can no longer succeed. Answers 1 for fd; -ETIMEDOUT for the deadline; -EPIPE or -ECANCELED as a
 * send would; -errno when the descriptor for being woken can't be had. Parks at once and polls
 * nothing. A task's tx will do.
 */
int leat_tx_wait(struct leat_tx *tx, int fd, short events, int64_t deadline_ns);

#endif
