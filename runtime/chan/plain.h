/*
 * runtime/chan/plain.h: tries whose caller is in this library and knows the size of its item only
 * when it runs (plain.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_PLAIN_H
#define LEAT_RUNTIME_CHAN_PLAIN_H

#include <leat/chan.h>

/* As leat_try_send() and leat_try_recv(). size: of the caller's item, or LEAT_DETAIL_CHAN_SIZE. */
int leat_try_send_sized(struct leat_tx *tx, const void *item, size_t size);
int leat_try_recv_sized(struct leat_rx *rx, void *item, size_t size);

#endif
