/*
 * The table of a channel's handles: what its functions do as one of several things to wait for. A
 * sender's handle comes here under the name of a receiver; the two are one structure.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/rx_ops.h"
#include "runtime/chan/bind.h"
#include "runtime/chan/block.h"
#include "runtime/chan/endings.h"
#include "runtime/chan/handle.h"
#include "runtime/chan/stat.h"
#include "runtime/chan/transfer.h"

int leat_handle_rx_check(struct leat_rx *rx, const void *item, size_t size, const char *call)
{
	return leat_copy_check(leat_handle_of_rx(rx), item, size, call);
}

static int attempt_handle(struct leat_rx *rx, void *item)
{
	return (int)leat_copy_attempt(leat_handle_of_rx(rx), item);
}

static bool handle_is_ready(struct leat_rx *rx)
{
	struct leat_handle *h = leat_handle_of_rx(rx);

	if (leat_copy_ready(h))
		return true;
	if (!h->sender && h->chan->producer != NULL)
		/* a worker sees to it that there will be something */
		h->chan->producer->schedule(h->chan->producer);
	return false;
}

bool leat_handle_rx_add_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	waiter->event = leat_handle_of_rx(rx)->event;
	return leat_event_add_waiter(waiter->event, waiter);
}

bool leat_handle_rx_remove_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	(void)rx;
	return leat_event_remove_waiter(waiter->event, waiter);
}

enum leat_wait leat_handle_rx_policy(const struct leat_rx *rx)
{
	return leat_handle_of_rx(rx)->wait;
}

struct leat_scope *leat_handle_rx_scope(const struct leat_rx *rx)
{
	return rx->chan->scope;
}

struct leat_rx_waits *leat_handle_rx_waits(struct leat_rx *rx, bool make)
{
	(void)make;
	return &leat_handle_of_rx(rx)->waits;
}

static bool handle_position(struct leat_rx *rx, uint64_t *position)
{
	const struct leat_handle *h = leat_handle_of_rx(rx);
	const struct leat_mpmc *ring = &leat_chan_of(h)->mpmc;

	if (!leat_chan_of(h)->turns || (h->sender ? ring->single_producer : ring->single_consumer))
		return false;
	/* M3: before the attempt; pairs with itself */
	*position = leat_load_acq(h->sender ? &ring->tail : &ring->head);
	return true;
}

static bool handle_behind_peer(struct leat_rx *rx)
{
	return leat_chan_behind_peer(rx->chan, leat_handle_of_rx(rx)->sender);
}

static void forward_handle_notify(struct leat_rx *rx)
{
	struct leat_handle *h = leat_handle_of_rx(rx);

	leat_chan_forward_notify(leat_chan_of(h), h->sender);
}

static uint64_t handle_moved(const struct leat_rx *rx)
{
	return rx->cursor.moved + leat_handle_of_rx(rx)->claim.pos;
}

void leat_handle_rx_wait_begins(struct leat_rx *rx, int64_t now_ns)
{
	leat_handle_wait_begins(leat_handle_of_rx(rx), now_ns);
}

void leat_handle_rx_wait_parks(struct leat_rx *rx)
{
	leat_bump(&leat_handle_of_rx(rx)->counts.parks, 1);
}

void leat_handle_rx_wait_ends(struct leat_rx *rx, int64_t now_ns)
{
	leat_handle_wait_ends(leat_handle_of_rx(rx), now_ns);
}

struct leat_bind *leat_handle_rx_bind(struct leat_rx *rx, bool make)
{
	(void)make;
	return &leat_handle_of_rx(rx)->bind;
}

/* A handle that holds a peek has its cursor disabled already, until the release. */
static void set_handle_bound(struct leat_rx *rx, bool bound)
{
	struct leat_handle *h = leat_handle_of_rx(rx);
	struct leat_chan *chan = leat_chan_of(h);
	bool enabled = !bound && h->held == 0;

	/* rlx: read by this thread, and by leat_rx_clone(), to which both words say the same */
	leat_store_rlx(&rx->ctl, bound ? &h->bound_word.ctl : &chan->ctl);
	if (chan->turns)
		h->mpmc = enabled ? &chan->mpmc : NULL;
	else if (enabled && leat_spsc_is_disabled(&h->spsc))
		leat_spsc_enable(&h->spsc);
	else if (!enabled && !leat_spsc_is_disabled(&h->spsc))
		leat_spsc_disable(&h->spsc);
}

static size_t handle_pending(struct leat_rx *rx)
{
	return leat_chan_pending(leat_handle_of_rx(rx));
}

size_t leat_handle_rx_capacity(const struct leat_rx *rx)
{
	return rx->chan->capacity;
}

/* What the two tables have in common. */
#define COMMON_FUNCTIONS \
	LEAT_RX_OPS_OF_HANDLES, .status = leat_chan_status, .position = handle_position, \
				.behind_peer = handle_behind_peer, \
				.forward_notify = forward_handle_notify, .moved = handle_moved, \
				.set_bound = set_handle_bound, .pending = handle_pending

const struct leat_rx_ops leat_chan_rx_ops = {
	COMMON_FUNCTIONS,
	.recv = leat_chan_recv,
	.peek = leat_chan_peek,
	.release = leat_chan_release,
	.close = leat_chan_close_rx,
	.attempt = attempt_handle,
	.ready = handle_is_ready,
	.add_waiter = leat_handle_rx_add_waiter,
	.remove_waiter = leat_handle_rx_remove_waiter,
};

const struct leat_rx_ops leat_bound_rx_ops = {
	COMMON_FUNCTIONS,
	LEAT_BOUND_FUNCTIONS,
};
