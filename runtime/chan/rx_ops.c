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

static int check_handle(struct leat_rx *rx, const void *item, size_t size, const char *call)
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

static bool add_handle_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	return leat_event_add_waiter(leat_handle_of_rx(rx)->event, waiter);
}

static bool remove_handle_waiter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	return leat_event_remove_waiter(leat_handle_of_rx(rx)->event, waiter);
}

static enum leat_wait handle_policy(const struct leat_rx *rx)
{
	return leat_handle_of_rx(rx)->wait;
}

static struct leat_scope *handle_scope(const struct leat_rx *rx)
{
	return rx->chan->scope;
}

static struct leat_rx_waits *handle_waits(struct leat_rx *rx, bool make)
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

static void begin_handle_wait(struct leat_rx *rx, int64_t now_ns)
{
	leat_handle_wait_begins(leat_handle_of_rx(rx), now_ns);
}

static void count_handle_park(struct leat_rx *rx)
{
	leat_bump(&leat_handle_of_rx(rx)->counts.parks, 1);
}

static void end_handle_wait(struct leat_rx *rx, int64_t now_ns)
{
	leat_handle_wait_ends(leat_handle_of_rx(rx), now_ns);
}

static struct leat_bind *handle_bind(struct leat_rx *rx, bool make)
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

static size_t handle_capacity(const struct leat_rx *rx)
{
	return rx->chan->capacity;
}

const struct leat_rx_ops leat_chan_rx_ops = {
	.recv = leat_chan_recv,
	.peek = leat_chan_peek,
	.release = leat_chan_release,
	.close = leat_chan_close_rx,
	.status = leat_chan_status,
	.check = check_handle,
	.attempt = attempt_handle,
	.ready = handle_is_ready,
	.add_waiter = add_handle_waiter,
	.remove_waiter = remove_handle_waiter,
	.policy = handle_policy,
	.scope = handle_scope,
	.waits = handle_waits,
	.position = handle_position,
	.behind_peer = handle_behind_peer,
	.forward_notify = forward_handle_notify,
	.moved = handle_moved,
	.bind = handle_bind,
	.set_bound = set_handle_bound,
	.pending = handle_pending,
	.capacity = handle_capacity,
	.wait_begins = begin_handle_wait,
	.wait_parks = count_handle_park,
	.wait_ends = end_handle_wait,
};

/* Where leat_chan_rx_ops has a function that does not receive, this has the same. */
const struct leat_rx_ops leat_bound_rx_ops = {
	.recv = leat_bound_recv,
	.peek = leat_bound_peek,
	.release = leat_bound_release,
	.close = leat_bound_close,
	.status = leat_chan_status,
	.check = check_handle,
	.attempt = leat_bound_attempt,
	.ready = leat_bound_ready,
	.add_waiter = leat_bound_add_waiter,
	.remove_waiter = leat_bound_remove_waiter,
	.policy = handle_policy,
	.scope = handle_scope,
	.waits = handle_waits,
	.position = handle_position,
	.behind_peer = handle_behind_peer,
	.forward_notify = forward_handle_notify,
	.moved = handle_moved,
	.bind = handle_bind,
	.set_bound = set_handle_bound,
	.pending = handle_pending,
	.capacity = handle_capacity,
	.wait_begins = begin_handle_wait,
	.wait_parks = count_handle_park,
	.wait_ends = end_handle_wait,
};
