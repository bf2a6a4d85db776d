/*
 * The calls of leat/chan.h as plain functions, for callers that take an address, that use another
 * language, or that are in this library. The item has the channel's size, unchecked.
 *
 * They are the inline bodies of leat/detail/chan.h, compiled once. No other source of the library
 * uses those.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/chan.h>

int(leat_chan_open)(struct leat_scope *scope, size_t item_size, const struct leat_chan_opts *opts,
                    struct leat_tx **tx, struct leat_rx **rx)
{
	return leat_chan_open(scope, item_size, opts, tx, rx);
}

#undef leat_send
#undef leat_send_until
#undef leat_try_send
#undef leat_send_batch
#undef leat_try_send_batch
#undef leat_recv
#undef leat_recv_until
#undef leat_try_recv
#undef leat_recv_batch
#undef leat_try_recv_batch
#undef leat_recv_fill

/*
 * A ring with turns is by itself: the registers that its loop needs would be saved for SPSC as
 * well, some nine instructions a call.
 */
static __attribute__((noinline)) int send_turns(struct leat_tx *tx, const void *item, size_t size,
                                                int64_t deadline_ns)
{
	return leat_detail_send_turns(tx, item, size, deadline_ns);
}

static __attribute__((noinline)) int recv_turns(struct leat_rx *rx, void *item, size_t size,
                                                int64_t deadline_ns)
{
	return leat_detail_recv_turns(rx, item, size, deadline_ns);
}

static inline int send_plainly(struct leat_tx *tx, const void *item, int64_t deadline_ns)
{
	if (tx == NULL || item == NULL)
		return leat_detail_send_wait(tx, item, LEAT_DETAIL_CHAN_SIZE, deadline_ns);
	if (tx->mpmc != NULL)
		return send_turns(tx, item, tx->spsc.item_size, deadline_ns);
	return leat_detail_send(tx, item, LEAT_DETAIL_CHAN_SIZE, deadline_ns);
}

static inline int recv_plainly(struct leat_rx *rx, void *item, int64_t deadline_ns)
{
	if (rx == NULL || item == NULL)
		return leat_detail_recv_wait(rx, item, LEAT_DETAIL_CHAN_SIZE, deadline_ns);
	if (rx->mpmc != NULL)
		return recv_turns(rx, item, rx->spsc.item_size, deadline_ns);
	return leat_detail_recv_by(rx, item, LEAT_DETAIL_CHAN_SIZE, deadline_ns);
}

int leat_send(struct leat_tx *tx, const void *item)
{
	return send_plainly(tx, item, LEAT_NEVER);
}

int leat_send_until(struct leat_tx *tx, const void *item, int64_t deadline_ns)
{
	return send_plainly(tx, item, leat_detail_deadline(deadline_ns));
}

int leat_try_send(struct leat_tx *tx, const void *item)
{
	return send_plainly(tx, item, LEAT_DETAIL_TRY);
}

ssize_t leat_send_batch(struct leat_tx *tx, const void *items, size_t n)
{
	return leat_detail_send_many(tx, items, n, LEAT_DETAIL_CHAN_SIZE, LEAT_NEVER);
}

ssize_t leat_try_send_batch(struct leat_tx *tx, const void *items, size_t n)
{
	return leat_detail_send_many(tx, items, n, LEAT_DETAIL_CHAN_SIZE, LEAT_DETAIL_TRY);
}

int leat_recv(struct leat_rx *rx, void *item)
{
	return recv_plainly(rx, item, LEAT_NEVER);
}

int leat_recv_until(struct leat_rx *rx, void *item, int64_t deadline_ns)
{
	return recv_plainly(rx, item, leat_detail_deadline(deadline_ns));
}

int leat_try_recv(struct leat_rx *rx, void *item)
{
	return recv_plainly(rx, item, LEAT_DETAIL_TRY);
}

ssize_t leat_recv_batch(struct leat_rx *rx, void *items, size_t max)
{
	return leat_detail_recv_many(rx, items, max, LEAT_DETAIL_CHAN_SIZE, LEAT_NEVER);
}

ssize_t leat_try_recv_batch(struct leat_rx *rx, void *items, size_t max)
{
	return leat_detail_recv_many(rx, items, max, LEAT_DETAIL_CHAN_SIZE, LEAT_DETAIL_TRY);
}

ssize_t leat_recv_fill(struct leat_rx *rx, void *items, size_t max, int64_t deadline_ns)
{
	return leat_detail_recv_fill(rx, items, max, LEAT_DETAIL_CHAN_SIZE,
	                             leat_detail_deadline(deadline_ns));
}
