/*
 * Reserving and peeking: items that are written and read in their slots.
 *
 * The cursors of a handle that holds a reservation or a peek are disabled, so that no fast path
 * passes what is held.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/block.h"
#include "runtime/chan/endings.h"
#include "runtime/chan/rx_ops.h"
#include "runtime/chan/transfer.h"

/*
 * Publishes how much of a ring with turns this handle has claimed. The handle does so before the
 * ring's position counts the claim, and until no part of it can be given back. So a snapshot may
 * count an item too late, but never too early.
 */
static void store_claimed(struct leat_handle *h, uint64_t claim)
{
	/* rlx: only this thread writes it */
	uint64_t changes = leat_load_rlx(&h->claimed) & ~(LEAT_CLAIMING | LEAT_CLAIM_ITEMS);

	changes = (changes + LEAT_CLAIM_CHANGE) & ~LEAT_CLAIMING;
	/* D4: with the position, given back or moved; pairs with subtract_claimed() */
	leat_store_rel(&h->claimed, changes | claim);
}

static size_t hold_items(struct leat_handle *h, size_t n)
{
	h->held = n;
	leat_spsc_disable(&h->spsc);
	h->mpmc = NULL;
	return n;
}

static void unhold_items(struct leat_handle *h)
{
	h->held = 0;
	leat_spsc_enable(&h->spsc);
	h->mpmc = leat_chan_of(h)->turns ? &leat_chan_of(h)->mpmc : NULL;
}

/* Claims slots or items, by claim: claim_room() or leat_chan_take(). */
static size_t claim_turns(struct leat_op *op,
                          size_t (*claim)(struct leat_chan *, size_t, struct leat_mpmc_claim *))
{
	struct leat_handle *h = op->h;
	struct leat_chan *chan = leat_chan_of(h);
	size_t want = leat_mpmc_contiguous(&chan->mpmc,
	                                   op->n < chan->capacity ? op->n : chan->capacity),
	       n;

	if (want > LEAT_CLAIM_ITEMS)
		want = LEAT_CLAIM_ITEMS;
	store_claimed(h, want | LEAT_CLAIMING);
	n = claim(chan, want, &h->claim);
	store_claimed(h, n);
	if (n > 0)
		op->place = leat_mpmc_item(&chan->mpmc, &h->claim, 0);
	return n;
}

static size_t claim_room(struct leat_chan *chan, size_t want, struct leat_mpmc_claim *claim)
{
	return leat_mpmc_claim_slots(&chan->mpmc, want, claim);
}

static size_t reserve_now(struct leat_op *op)
{
	struct leat_handle *h = op->h;
	size_t n;

	if (leat_chan_of(h)->turns)
		n = claim_turns(op, claim_room);
	else
		n = leat_spsc_claim(&h->spsc, op->n, &op->place);
	return n == 0 ? 0 : hold_items(h, n);
}

/*
 * Invariant: the ring is closed only while no handle holds a scratch item. If not, a reservation
 * that was made before leat_tx_close_all() could not be committed. Two threads decide: the closer
 * sets TX_CLOSED and then reads scratched of each handle; a sender writes scratched and then reads
 * ctl (K3). So either the closer leaves the ring open for a handle, or the handle's sender reads
 * TX_CLOSED and calls this once it has let go. The lock orders those that let go at the same time.
 */
void leat_chan_close_ring(struct leat_chan *chan)
{
	bool held = false;

	if (chan->ring != NULL) {
		chan->ring->close_senders(chan);
		return;
	}
	leat_mutex_lock(&chan->lock);
	/* K3: TX_CLOSED before scratched; pairs with reserve_scratch(), let_go_of_scratch() */
	leat_fence_seq();
	for (const struct leat_handle *h = chan->handles; h != NULL; h = h->next)
		held |= h->sender && leat_load_rlx(&h->scratched) != 0; /* rlx: K3 orders it */
	if (!held)
		leat_mpmc_close(&chan->mpmc);
	leat_mutex_unlock(&chan->lock);
	if (!held)
		leat_event_notify(&chan->items, LEAT_EVENT_ALL);
}

static void let_go_of_scratch(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	leat_store_rlx(&h->scratched, 0); /* rlx: K3 orders it */
	if (!leat_chan_many_senders(chan))
		return;
	/* K3: scratched before ctl; pairs with leat_chan_close_ring() */
	leat_fence_seq();
	if (leat_load_rlx(&chan->ctl) & LEAT_CTL_TX_CLOSED) /* rlx: K3 orders it */
		leat_chan_close_ring(chan);                 /* mutate */
}

/*
 * Invariant: a reservation drops nothing and keeps no other sender of a channel that drops from a
 * slot. If not: an accepted item would be lost for one that may never be sent. Therefore: a sender
 * reserves its scratch item where there is no room, or where other senders could find their way
 * blocked by its claim; the commit sends that item as leat_send() does.
 */
static ssize_t reserve_scratch(struct leat_op *op)
{
	int refusal = 0;

	/* rlx: K3 orders it */
	leat_store_rlx(&op->h->scratched, 1);
	if (leat_chan_many_senders(leat_chan_of(op->h))) {
		/* K3: scratched before ctl; pairs with leat_chan_close_ring() */
		leat_fence_seq();
		refusal = leat_chan_refusal(leat_chan_of(op->h));
	}
	if (refusal != 0) {
		let_go_of_scratch(op->h);
		return refusal;
	}
	op->place = op->h->scratch;
	return (ssize_t)hold_items(op->h, 1);
}

static ssize_t attempt_reserve(struct leat_op *op)
{
	struct leat_chan *chan = leat_chan_of(op->h);
	int refusal = leat_handle_refusal(op->h);
	size_t n;

	if (refusal != 0)
		return refusal;
	if (chan->overflow != LEAT_BLOCK && leat_chan_many_senders(chan))
		return reserve_scratch(op);
	if (chan->ring != NULL) {
		ssize_t r = chan->ring->claim(op->h, op->n, &op->place);

		return r > 0 ? (ssize_t)hold_items(op->h, (size_t)r) : r;
	}
	n = reserve_now(op);
	if (n > 0)
		return (ssize_t)n;
	if (leat_chan_ring_closed(chan))
		return -EPIPE; /* since the refusal was read */
	/* rlx: only this thread writes it */
	if (chan->capacity > leat_load_rlx(&op->h->counts.peak))
		leat_store_rlx(&op->h->counts.peak, chan->capacity); /* rlx: the same */
	return chan->overflow == LEAT_BLOCK ? -EAGAIN : reserve_scratch(op);
}

static int check_zero_copy(const struct leat_handle *h, size_t want, const void *items,
                           const char *call)
{
	if (h == NULL)
		return -EINVAL;
	leat_handle_check(h, call);
	if (want == 0 || items == NULL || leat_chan_of(h)->item_size == 0)
		return -EINVAL;
	return h->held != 0 ? -EBUSY : 0;
}

static ssize_t reserve_by(struct leat_tx *tx, size_t want, void **items, int64_t deadline_ns,
                          const char *call)
{
	struct leat_op op = { leat_handle_of_tx(tx), attempt_reserve, NULL, want, NULL };
	ssize_t r = check_zero_copy(op.h, want, items, call);

	if (r != 0)
		return r;
	if (tx->chan->overflow != LEAT_BLOCK)
		op.n = 1; /* the handle has one scratch item to lend */
	r = leat_op_run(&op, deadline_ns);
	if (r > 0)
		*items = op.place;
	return r;
}

ssize_t leat_reserve(struct leat_tx *tx, size_t want, void **items)
{
	return reserve_by(tx, want, items, LEAT_NEVER, "leat_reserve");
}

ssize_t leat_reserve_until(struct leat_tx *tx, size_t want, void **items, int64_t deadline_ns)
{
	return reserve_by(tx, want, items, leat_detail_deadline(deadline_ns), "leat_reserve_until");
}

ssize_t leat_try_reserve(struct leat_tx *tx, size_t want, void **items)
{
	return reserve_by(tx, want, items, LEAT_DETAIL_TRY, "leat_try_reserve");
}

/*
 * Sends n slots of the claim. The rest is given back; where another sender has claimed slots behind
 * it, it stays in the ring as skipped, and receivers are notified of those slots as of items.
 */
static void commit_turns(struct leat_handle *h, size_t n)
{
	struct leat_chan *chan = leat_chan_of(h);
	size_t skipped = 0, back = h->claim.n - n;

	if (back == 0) {
		leat_mpmc_commit(&chan->mpmc, &h->claim, n);
		store_claimed(h, 0);
	} else {
		leat_chan_begin_move(chan);
		skipped = leat_mpmc_commit(&chan->mpmc, &h->claim, n);
		leat_add_rlx(&chan->skipped_sent, skipped); /* rlx: D2 publishes it */
		store_claimed(h, 0);
		leat_chan_end_move(chan);
		if (skipped == 0)
			/* there is room again, for senders that found none meanwhile */
			leat_chan_received(chan, back);
	}
	if (n + skipped > 0)
		leat_chan_sent(chan, n + skipped);
	else if (!chan->mpmc.single_producer)
		/* this claim may have been all that kept a failed stream from its end */
		leat_chan_sent(chan, LEAT_EVENT_ALL);
}

static void commit_held(struct leat_handle *h, size_t n)
{
	struct leat_chan *chan = leat_chan_of(h);
	bool scratched = leat_load_rlx(&h->scratched) != 0; /* rlx: its own thread's */

	unhold_items(h);
	if (scratched) {
		if (n > 0)
			leat_handle_send_scratch(h);
		let_go_of_scratch(h);
	} else if (chan->ring != NULL) {
		chan->ring->commit(h, n);
	} else if (chan->turns) {
		commit_turns(h, n);
	} else if (n > 0) {
		leat_spsc_publish(&h->spsc, n);
		leat_chan_sent(chan, n);
	}
}

int leat_commit(struct leat_tx *tx, size_t n)
{
	struct leat_handle *h = leat_handle_of_tx(tx);

	if (h == NULL)
		return -EINVAL;
	leat_handle_check(h, "leat_commit");
	if (h->held == 0 || n > h->held)
		return -EINVAL;
	commit_held(h, n);
	return 0;
}

static ssize_t attempt_peek(struct leat_op *op)
{
	struct leat_handle *h = op->h;
	struct leat_chan *chan = leat_chan_of(h);
	/* K1: all that was sent before TX_GONE; pairs with leat_tx_close() */
	uint32_t ctl = leat_load_acq(&chan->ctl);
	ssize_t r = leat_chan_refuse_receive(chan, ctl);
	size_t n;

	if (r != -EAGAIN)
		return r;
	if (chan->turns)
		n = claim_turns(op, leat_chan_take);
	else
		n = leat_spsc_peek(&h->spsc, op->n, &op->place);
	return n == 0 ? leat_chan_end_if_empty(chan, ctl) : (ssize_t)hold_items(h, n);
}

static ssize_t peek_by(struct leat_rx *rx, size_t want, const void **items, int64_t deadline_ns,
                       const char *call)
{
	return rx == NULL ? -EINVAL : leat_rx_ops_of(rx)->peek(rx, want, items, deadline_ns, call);
}

ssize_t leat_peek(struct leat_rx *rx, size_t want, const void **items)
{
	return peek_by(rx, want, items, LEAT_NEVER, "leat_peek");
}

ssize_t leat_peek_until(struct leat_rx *rx, size_t want, const void **items, int64_t deadline_ns)
{
	return peek_by(rx, want, items, leat_detail_deadline(deadline_ns), "leat_peek_until");
}

ssize_t leat_try_peek(struct leat_rx *rx, size_t want, const void **items)
{
	return peek_by(rx, want, items, LEAT_DETAIL_TRY, "leat_try_peek");
}

ssize_t leat_chan_peek(struct leat_rx *rx, size_t want, const void **items, int64_t deadline_ns,
                       const char *call)
{
	struct leat_op op = { leat_handle_of_rx(rx), attempt_peek, NULL, want, NULL };
	ssize_t r = check_zero_copy(op.h, want, items, call);

	if (r != 0)
		return r;
	r = leat_op_run(&op, deadline_ns);
	if (r > 0)
		*items = op.place;
	return r;
}

/*
 * Puts back all but the first n of the claim. False where another receiver has taken items behind
 * it, or where a receive has returned 0. Holds chan->lock, as end_chan_stream() does, so that a
 * receive returns 0 before this or after it, but not meanwhile.
 */
static bool put_back_claim(struct leat_handle *h, size_t n)
{
	struct leat_chan *chan = leat_chan_of(h);
	bool back;

	leat_mutex_lock(&chan->lock);
	leat_chan_begin_move(chan);
	back = !(leat_load_rlx(&chan->ctl) & LEAT_CTL_ENDED) && /* rlx: set holding this lock */
	       leat_mpmc_unclaim(&chan->mpmc, &h->claim, n);
	if (back) {
		h->claim.n = n;
		store_claimed(h, n);
	}
	leat_chan_end_move(chan);
	leat_mutex_unlock(&chan->lock);
	return back;
}

static void free_claim(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	leat_mpmc_release(&chan->mpmc, &h->claim);
	store_claimed(h, 0);
	if (h->claim.n > 0)
		leat_chan_received(chan, h->claim.n);
}

int leat_release(struct leat_rx *rx, size_t n)
{
	return rx == NULL ? -EINVAL : leat_rx_ops_of(rx)->release(rx, n);
}

int leat_chan_release(struct leat_rx *rx, size_t n)
{
	struct leat_handle *h = leat_handle_of_rx(rx);
	struct leat_chan *chan = leat_chan_of(h);
	size_t back = h->held - n;

	leat_handle_check(h, "leat_release");
	if (h->held == 0 || n > h->held)
		return -EINVAL;
	if (chan->turns && back > 0 && !put_back_claim(h, n))
		return -EINVAL;
	unhold_items(h);
	if (chan->turns) {
		free_claim(h);
		if (back > 0)
			/* there are items again, for receivers that found none meanwhile */
			leat_chan_sent(chan, back);
	} else if (n > 0) {
		leat_spsc_release(&h->spsc, n);
		leat_chan_received(chan, n);
	}
	return 0;
}

/* A close with a peek that cannot be put back: discards the items of the claim. */
static void discard_claim(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	leat_chan_begin_move(chan);
	store_claimed(h, 0);
	leat_chan_end_drop(chan, leat_chan_drop_reason(chan), h->claim.n);
	for (size_t i = 0; i < h->claim.n; i++)
		leat_chan_discard(chan, leat_mpmc_item(&chan->mpmc, &h->claim, i));
	free_claim(h);
}

void leat_handle_give_up_held(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);
	size_t held = h->held;

	if (held == 0)
		return;
	if (h->sender) {
		commit_held(h, 0);
		return;
	}
	if (!chan->turns) {
		unhold_items(h);
	} else if (put_back_claim(h, 0)) {
		unhold_items(h);
		leat_chan_sent(chan, held);
	} else {
		discard_claim(h);
		unhold_items(h);
	}
}
