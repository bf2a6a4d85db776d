/*
 * Waiting on a channel: the wait engine (runtime/event/wait.h) around any attempt.
 *
 * A waiter that was notified and returns forwards the notification if work is left: see
 * leat_chan_forward_notify().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/block.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/handle.h"
#include "runtime/chan/transfer.h"
#include "runtime/chan/waitable.h"
#include "runtime/event/wait.h"

/* One wait of one handle. */
struct chan_wait {
	struct leat_wait_loop loop;
	struct leat_waiter waiter;
	struct leat_op *op;
};

static struct chan_wait *chan_wait_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct chan_wait, loop);
}

static struct leat_handle *waiting_handle(struct leat_wait_loop *w)
{
	return chan_wait_of(w)->op->h;
}

/* The generator on a pool that a receive waits for, or NULL. */
static struct leat_producer *producer_of(const struct leat_handle *h)
{
	return h->sender ? NULL : leat_chan_of(h)->producer;
}

static void demand_items(const struct leat_handle *h)
{
	struct leat_producer *producer = producer_of(h);

	if (producer != NULL)
		producer->schedule(producer);
}

static struct leat_waitable *waitable_of(struct leat_wait_loop *w)
{
	return leat_waitable_of_tx(&waiting_handle(w)->tx);
}

/*
 * A sender that has yielded has given its core away, and so has backed off; leat/ring/spsc.h would
 * have it back off once more before it reads the receiver's position.
 */
static ssize_t chan_wait_attempt(struct leat_wait_loop *w)
{
	struct leat_op *op = chan_wait_of(w)->op;

	if (op->h->wait == LEAT_WAIT_YIELD)
		op->h->spsc.caught_up = false;
	return op->attempt(op);
}

static void chan_wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	(void)now_ns;
	leat_scope_expire(leat_chan_of(waiting_handle(w))->scope);
}

static bool chan_wait_run_here(struct leat_wait_loop *w)
{
	struct leat_producer *producer = producer_of(waiting_handle(w));

	return producer != NULL && producer->run_here(producer);
}

static bool chan_wait_schedule(struct leat_wait_loop *w)
{
	demand_items(waiting_handle(w));
	return false;
}

static void chan_wait_prepare(struct leat_wait_loop *w)
{
	leat_chan_fd_disarm(waitable_of(w)); /* an armed descriptor would take the notification */
	chan_wait_of(w)->waiter.event = waiting_handle(w)->event;
	leat_event_prepare_wait(waiting_handle(w)->event, &chan_wait_of(w)->waiter);
}

static ssize_t chan_wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	leat_bump(&waiting_handle(w)->counts.parks, 1);
	leat_sleeper_park(&w->sleeper, until_ns);
	return -EAGAIN;
}

static bool chan_wait_retire(struct leat_wait_loop *w)
{
	struct leat_waiter *waiter = &chan_wait_of(w)->waiter;
	bool notified = leat_event_remove_waiter(waiter->event, waiter);

	/* Not notified: its time is over, or it slept a millisecond unfenced. Neither is a loss. */
	waiter->lost += notified;
	return notified;
}

/*
 * 0 for an SPSC channel, so that each long yield counts as a lost slice: its other thread runs as
 * well when this one parks.
 */
static uint64_t chan_wait_transfers(struct leat_wait_loop *w)
{
	const struct leat_chan *chan = leat_chan_of(waiting_handle(w));
	const struct leat_mpmc *ring = &chan->mpmc;

	if (chan->ring != NULL)
		return chan->ring->count_transfers(chan);
	if (!chan->turns)
		return 0;
	/* rlx: a hint */
	return leat_mpmc_count(ring, leat_load_rlx(&ring->head)) +
	       leat_mpmc_count(ring, leat_load_rlx(&ring->tail));
}

static void chan_wait_forward(struct leat_wait_loop *w)
{
	leat_chan_forward_notify(leat_chan_of(waiting_handle(w)), waiting_handle(w)->sender);
}

static void chan_wait_begin(struct leat_wait_loop *w, int64_t now_ns)
{
	leat_handle_wait_begins(waiting_handle(w), now_ns);
}

static void chan_wait_end(struct leat_wait_loop *w, int64_t now_ns)
{
	leat_handle_wait_ends(waiting_handle(w), now_ns);
}

static const struct leat_wait_ops chan_wait_ops = {
	.attempt = chan_wait_attempt,
	.expire = chan_wait_expire,
	.run_here = chan_wait_run_here,
	.schedule = chan_wait_schedule,
	.prepare = chan_wait_prepare,
	.park = chan_wait_park,
	.retire = chan_wait_retire,
	.forward = chan_wait_forward,
	.transfers = chan_wait_transfers,
	.begin = chan_wait_begin,
	.end = chan_wait_end,
};

void leat_chan_forward_notify(struct leat_chan *chan, bool sender)
{
	/* rlx: a hint; the bit is exact under the event's lock */
	uint32_t ctl = leat_load_rlx(&chan->ctl);

	if (!chan->turns)
		return; /* one thread on each side: no other waiter */
	if (sender && (ctl & LEAT_CTL_TX_PARKED) && leat_mpmc_writable(&chan->mpmc))
		leat_event_notify(&chan->room, 1);
	if (!sender && (ctl & LEAT_CTL_RX_PARKED) &&
	    ((ctl & LEAT_CTL_TX_FAILED) || leat_mpmc_readable(&chan->mpmc)))
		leat_event_notify(&chan->items, 1); /* TX_FAILED: perhaps of the end */
}

/*
 * The result of a call that may wait no longer: none, unless an attempt succeeds once the transfer
 * of another thread, which was in the way, is finished.
 */
static ssize_t attempt_behind_peer(struct leat_op *op, ssize_t none)
{
	ssize_t r = -EAGAIN;

	for (int i = 0; i < LEAT_PEER_PAUSES && r == -EAGAIN &&
	                leat_chan_behind_peer(leat_chan_of(op->h), op->h->sender);
	     i++) {
		leat_pause();
		r = op->attempt(op);
	}
	return r == -EAGAIN ? none : r;
}

static ssize_t finish_try(struct leat_op *op)
{
	ssize_t r = attempt_behind_peer(op, -EAGAIN);

	if (r == -EAGAIN)
		demand_items(op->h); /* the next try finds what the producer makes */
	return r;
}

ssize_t leat_op_run(struct leat_op *op, int64_t deadline_ns)
{
	const struct leat_chan *chan = leat_chan_of(op->h);
	struct chan_wait wait;
	ssize_t r = op->attempt(op);

	if (r != -EAGAIN)
		return r;
	if (!op->h->sender)
		leat_scope_note_fed();
	if (deadline_ns == LEAT_DETAIL_TRY)
		return finish_try(op);
	wait.op = op;
	wait.waiter = (struct leat_waiter){ .sleeper = &wait.loop.sleeper };
	wait.loop = (struct leat_wait_loop){
		.ops = &chan_wait_ops,
		.policy = op->h->wait,
		.time = op->h->sender ? LEAT_TIME_BLOCKED : LEAT_TIME_STARVED,
		.waits_for = chan->node.id,
		.weight = 1,
		.deadline_ns = deadline_ns,
		.scopes_ns = leat_scope_deadline(chan->scope),
		.sleeper = LEAT_SLEEPER_INIT,
	};
	r = leat_wait_for(&wait.loop);
	return r == -ETIMEDOUT ? attempt_behind_peer(op, r) : r;
}
