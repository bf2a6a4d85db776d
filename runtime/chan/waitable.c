/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/chan/waitable.h"
#include "runtime/chan/block.h"
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/rx_ops.h"
#include "runtime/chan/transfer.h"

static struct leat_handle *handle_of(struct leat_waitable *side)
{
	return (struct leat_handle *)(void *)side;
}

/* The receiver that a side is, where that brings its own functions; else NULL. */
static struct leat_rx *foreign(struct leat_waitable *side)
{
	struct leat_rx *rx = (struct leat_rx *)(void *)side;

	return leat_rx_has_ops(rx) ? rx : NULL;
}

static struct leat_event *event_of(struct leat_handle *h)
{
	return h->sender ? &leat_chan_of(h)->room : &leat_chan_of(h)->items;
}

int leat_waitable_check_slowly(struct leat_waitable *side, const void *item, size_t size,
                               const char *call)
{
	struct leat_rx *rx = foreign(side);

	if (rx != NULL && size != LEAT_DETAIL_CHAN_SIZE && size != rx->ring.item_size)
		leat_die("%s: the pointer is to items of %zu bytes; the channel has items of %zu",
		         call, size, rx->ring.item_size);
	if (rx != NULL)
		return leat_rx_ops_of(rx)->check(rx, item, call);
	return leat_copy_check(handle_of(side), item, size, call);
}

size_t leat_waitable_item_size(struct leat_waitable *side)
{
	if (foreign(side) != NULL)
		return foreign(side)->ring.item_size;
	return leat_chan_of(handle_of(side))->item_size;
}

int leat_waitable_attempt_slowly(struct leat_waitable *side, void *item)
{
	struct leat_rx *rx = foreign(side);

	if (rx != NULL)
		return leat_rx_ops_of(rx)->attempt(rx, item);
	return (int)leat_copy_now(handle_of(side), item);
}

bool leat_waitable_ready(struct leat_waitable *side)
{
	struct leat_rx *rx = foreign(side);
	struct leat_handle *h = handle_of(side);

	if (rx != NULL)
		return leat_rx_ops_of(rx)->ready(rx);
	if (leat_copy_ready(h))
		return true;
	if (!h->sender && h->chan->producer != NULL)
		/* a worker sees to it that there will be something */
		h->chan->producer->demand(h->chan->producer);
	return false;
}

bool leat_waitable_position(struct leat_waitable *side, uint64_t *position)
{
	struct leat_handle *h = handle_of(side);
	const struct leat_mpmc *ring;

	*position = 0;
	if (foreign(side) != NULL || !leat_chan_of(h)->turns)
		return false;
	ring = &leat_chan_of(h)->mpmc;
	if (h->sender ? ring->single_producer : ring->single_consumer)
		return false;
	/* M3: before the attempt; pairs with itself */
	*position = leat_load_acq(h->sender ? &ring->tail : &ring->head);
	return true;
}

bool leat_waitable_behind_peer(struct leat_waitable *side)
{
	struct leat_handle *h = handle_of(side);

	return foreign(side) == NULL && leat_chan_behind_peer(leat_chan_of(h), h->sender);
}

bool leat_waitable_add_waiter(struct leat_waitable *side, struct leat_waiter *waiter)
{
	struct leat_rx *rx = foreign(side);
	struct leat_handle *h = handle_of(side);

	leat_chan_fd_disarm(side); /* else the news would be told to that */
	if (rx != NULL)
		return leat_rx_ops_of(rx)->add_waiter(rx, waiter->sleeper);
	return leat_event_add_waiter(event_of(h), waiter);
}

bool leat_waitable_remove_waiter(struct leat_waitable *side, struct leat_waiter *waiter)
{
	struct leat_rx *rx = foreign(side);

	if (rx != NULL)
		return leat_rx_ops_of(rx)->remove_waiter(rx, waiter->sleeper);
	return leat_event_remove_waiter(event_of(handle_of(side)), waiter);
}

void leat_waitable_forward_notify(struct leat_waitable *side)
{
	struct leat_handle *h = handle_of(side);

	if (foreign(side) != NULL)
		return; /* there is one receiver */
	leat_chan_forward_notify(leat_chan_of(h), h->sender);
}

enum leat_wait leat_waitable_policy(struct leat_waitable *side)
{
	struct leat_rx *rx = foreign(side);
	struct leat_handle *h = handle_of(side);

	if (rx != NULL)
		return leat_rx_ops_of(rx)->policy(rx);
	return h->sender ? leat_chan_of(h)->send_wait : leat_chan_of(h)->recv_wait;
}

struct leat_scope *leat_waitable_scope(struct leat_waitable *side)
{
	struct leat_rx *rx = foreign(side);

	return rx != NULL ? leat_rx_ops_of(rx)->scope(rx) : leat_chan_of(handle_of(side))->scope;
}

int leat_waitable_wake_fd(struct leat_waitable *side)
{
	struct leat_rx *rx = foreign(side);
	struct leat_rx_waits *waits;

	if (rx == NULL)
		return leat_wake_fd(&handle_of(side)->wake_fd);
	waits = leat_rx_ops_of(rx)->waits(rx, true);
	return waits == NULL ? -ENOMEM : leat_wake_fd(&waits->wake_fd);
}

void leat_waitable_wait_begins(struct leat_waitable *side, int64_t now_ns)
{
	struct leat_handle *h = handle_of(side);

	if (foreign(side) != NULL)
		return; /* it keeps no such books */
	/* rlx: a number; what it says is right as soon as it is seen */
	leat_store_rlx(&h->wait_base_ns, (uint64_t)now_ns - leat_load_rlx(&h->counts.blocked_ns));
}

void leat_waitable_wait_parks(struct leat_waitable *side)
{
	if (foreign(side) == NULL)
		leat_bump(&handle_of(side)->counts.parks, 1);
}

void leat_waitable_wait_ends(struct leat_waitable *side, int64_t now_ns)
{
	struct leat_handle *h = handle_of(side);
	uint64_t base_ns;

	if (foreign(side) != NULL)
		return;
	base_ns = leat_load_rlx(&h->wait_base_ns); /* rlx: only this thread writes it */
	if (base_ns == 0)
		return;
	leat_store_rlx(&h->counts.blocked_ns, (uint64_t)now_ns - base_ns); /* rlx: a number */
	leat_store_rlx(&h->wait_base_ns, 0); /* rlx: the same; what looks tell never goes back */
}
