/*
 * Moving items: what an attempt to send or receive does, what overflow does, and the calls that
 * copy.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/transfer.h"
#include "runtime/chan/block.h"
#include "runtime/chan/endings.h"
#include "runtime/chan/rx_ops.h"
#include "runtime/chan/stat.h"
#include "runtime/event/times.h"

#include <string.h>

/*
 * How often a sender that drops the oldest item tries before it drops its own: a receiver may be in
 * the oldest slot.
 */
enum { DROP_TRIES = 64 };

/* n items (C1), or n free slots (C2), were published: notifies the waiters parked on the event. */
static inline void notify_parked(struct leat_chan *chan, struct leat_event *event, uint32_t bit,
                                 size_t n)
{
	uint32_t ctl = leat_chan_load_parked(chan);

	if (leat_unlikely(ctl & bit))
		leat_event_notify(event, n < LEAT_EVENT_ALL ? (uint32_t)n : LEAT_EVENT_ALL);
}

void leat_chan_sent(struct leat_chan *chan, size_t n)
{
	notify_parked(chan, &chan->items, LEAT_CTL_RX_PARKED,
	              chan->ring == NULL ? n : LEAT_EVENT_ALL); /* each subscriber */
}

void leat_chan_received(struct leat_chan *chan, size_t n)
{
	notify_parked(chan, &chan->room, LEAT_CTL_TX_PARKED, n);
}

/* The other side has parked: what this thread does here is noted, though it may never wait here. */
void leat_detail_sent(struct leat_tx *tx)
{
	leat_times_note_wait(tx->chan->node.id, true);
	leat_chan_sent(tx->chan, 1);
}

void leat_detail_received(struct leat_rx *rx)
{
	leat_times_note_wait(rx->chan->node.id, false);
	if (rx->chan->ring != NULL)
		rx->chan->ring->received(leat_handle_of_rx(rx));
	else
		leat_chan_received(rx->chan, 1);
}

static void note_handle_peak(struct leat_handle *h, uint64_t in_flight)
{
	if (in_flight > leat_load_rlx(&h->counts.peak)) /* rlx: only this thread writes it */
		/* rlx: the same; a number for snapshots */
		leat_store_rlx(&h->counts.peak, in_flight);
}

/*
 * So that the compiler knows the size of most items: a copy of a constant size is no call. 24 is
 * that of lines (leat/io.h).
 */
#define BY_SIZE(size, call) \
	((size) == 8    ? call(8) \
	 : (size) == 24 ? call(24) \
	 : (size) == 16 ? call(16) \
	 : (size) == 4  ? call(4) \
	 : (size) == 64 ? call(64) \
	                : call(size))

size_t leat_push_spsc(struct leat_spsc_cursor *tx, const unsigned char *items, size_t n,
                      size_t size)
{
#define PUSH(size) leat_spsc_push_batch(tx, items, n, size)
	if (n > 1)
		return BY_SIZE(size, PUSH);
#undef PUSH
	if (!leat_spsc_can_push(tx))
		return 0;
	leat_spsc_push(tx, items, size);
	return 1;
}

/* Of a broadcast's stage, which follows its gates. Out of line, for its registers. */
static __attribute__((noinline)) size_t pop_gated(struct leat_spsc_cursor *rx,
                                                  unsigned char *items, size_t n, size_t size)
{
#define POP(size) leat_spsc_pop_batch_gated(rx, items, n, size)
	return BY_SIZE(size, POP);
#undef POP
}

size_t leat_pop_spsc(struct leat_spsc_cursor *rx, unsigned char *items, size_t n, size_t size)
{
	if (leat_unlikely(!rx->line_word && size <= LEAT_SPSC_PACKED_MAX && n > 1))
		return pop_gated(rx, items, n, size);
#define POP(size) leat_spsc_pop_batch(rx, items, n, size)
	if (n > 1)
		return BY_SIZE(size, POP);
#undef POP
	if (!leat_spsc_can_pop(rx))
		return 0;
	leat_spsc_pop(rx, items, size);
	return 1;
}

static size_t push_turns(struct leat_handle *h, const unsigned char *items, size_t n, size_t size)
{
	struct leat_mpmc *ring = &leat_chan_of(h)->mpmc;
	size_t done = 0, k;

#define PUSH(size) leat_mpmc_push(ring, &h->cursor, items, size)
	if (n == 1)
		return BY_SIZE(size, PUSH);
#undef PUSH
#define PUSH(size) leat_mpmc_push_batch(ring, &h->cursor, items + done * size, n - done, size)
	do
		done += k = BY_SIZE(size, PUSH);
	/* stop at the end of a run, not by a failed push: that would back off before it notifies */
	while (done < n && leat_mpmc_at_end(&h->cursor, k));
#undef PUSH
	return done;
}

/* Copies up to n items into the ring. Returns how many. */
static size_t push_items(struct leat_handle *h, const unsigned char *items, size_t n)
{
	struct leat_chan *chan = leat_chan_of(h);
	size_t done;

	if (chan->turns)
		done = push_turns(h, items, n, chan->item_size);
	else if (chan->ring != NULL)
		done = chan->ring->push(h, items, n);
	else
		done = leat_push_spsc(&h->spsc, items, n, chan->item_size);
	if (done == 0)
		note_handle_peak(h, chan->capacity);
	return done;
}

/* Frees the slots in front that producers gave up. Whether there were any. */
static bool free_given_up(struct leat_chan *chan)
{
	size_t skipped;

	if (!leat_mpmc_skippable(&chan->mpmc))
		return false; /* without a write that other cores would see */
	leat_chan_begin_move(chan);
	skipped = leat_mpmc_skip(&chan->mpmc);
	/* D1: begun before it; pairs with read_ring_figures() */
	leat_add_acqrel(&chan->skipped_taken, skipped);
	leat_chan_end_move(chan);
	if (skipped == 0)
		return false;
	leat_chan_received(chan, skipped);
	return true;
}

/*
 * A receive found no item at the head. Returns whether there may be one behind slots that producers
 * gave up.
 */
static bool find_behind_given_up(struct leat_chan *chan)
{
	return free_given_up(chan) ||
	       leat_mpmc_readable(&chan->mpmc); /* another receiver may have freed them */
}

size_t leat_chan_take(struct leat_chan *chan, size_t want, struct leat_mpmc_claim *claim)
{
	size_t n;

	do
		n = leat_mpmc_claim_items(&chan->mpmc, want, claim);
	while (n == 0 && find_behind_given_up(chan));
	return n;
}

static size_t pop_run(struct leat_handle *h, unsigned char *items, size_t n, size_t size)
{
	struct leat_mpmc *ring = &leat_chan_of(h)->mpmc;

#define POP(size) leat_mpmc_pop(ring, &h->cursor, items, size)
	if (n == 1)
		return BY_SIZE(size, POP);
#undef POP
#define POP(size) leat_mpmc_pop_batch(ring, &h->cursor, items, n, size)
	return BY_SIZE(size, POP);
#undef POP
}

static size_t pop_turns(struct leat_handle *h, unsigned char *items, size_t n, size_t size)
{
	struct leat_chan *chan = leat_chan_of(h);
	size_t done = 0, k;

	while (done < n) {
		do
			k = pop_run(h, items + done * size, n - done, size);
		while (k == 0 && done == 0 && find_behind_given_up(chan));
		done += k;
		if (!leat_mpmc_at_end(&h->cursor, k))
			break; /* no more items; a failed pop would back off before it notifies */
	}
	return done;
}

/* Copies up to n items out of the ring. Returns how many. */
static size_t pop_items(struct leat_handle *h, unsigned char *items, size_t n)
{
	struct leat_chan *chan = leat_chan_of(h);

	return chan->turns ? pop_turns(h, items, n, chan->item_size)
	                   : leat_pop_spsc(&h->spsc, items, n, chan->item_size);
}

void leat_chan_discard(struct leat_chan *chan, void *item)
{
	if (chan->discard != NULL)
		chan->discard(item, chan->discard_arg);
}

/*
 * A thread moves a position between begin_move() and end_move() or end_drop(). A snapshot takes a
 * reading only where `ended`, read first, equals `begun`, read last.
 */
void leat_chan_begin_move(struct leat_chan *chan)
{
	/* rlx: D1: the release of the head after it (M3, R2) publishes it */
	leat_add_rlx(&chan->drops_begun, 1);
}

void leat_chan_end_move(struct leat_chan *chan)
{
	/* D2, D3: what was counted before ended; pairs with read_ring_figures() */
	leat_add_acqrel(&chan->drops_ended, 1);
}

void leat_chan_end_drop(struct leat_chan *chan, enum leat_drop reason, size_t n)
{
	/* D1: begun before it; pairs with read_ring_figures() */
	leat_add_acqrel(&chan->dropped[reason], n);
	leat_chan_end_move(chan);
}

static size_t take_to_drop(struct leat_chan *chan, enum leat_drop reason,
                           struct leat_mpmc_claim *claim)
{
	size_t n;

	leat_chan_begin_move(chan);
	n = leat_chan_take(chan, SIZE_MAX, claim);
	leat_chan_end_drop(chan, reason, n);
	return n;
}

static void drain_turns(struct leat_chan *chan, enum leat_drop reason)
{
	struct leat_mpmc_claim claim;
	size_t n;

	if (!leat_mpmc_readable(&chan->mpmc))
		return; /* without a write that other cores would see, and a visit of each handle */
	leat_chan_note_peak(chan);
	while ((n = take_to_drop(chan, reason, &claim)) > 0) {
		for (size_t i = 0; i < n; i++)
			leat_chan_discard(chan, leat_mpmc_item(&chan->mpmc, &claim, i));
		leat_mpmc_release(&chan->mpmc, &claim);
	}
}

static void drain_spsc(struct leat_chan *chan, enum leat_drop reason)
{
	struct leat_spsc_cursor *rx = &chan->first_rx.spsc;
	bool disabled = leat_spsc_is_disabled(rx);
	void *slots;
	size_t n;

	if (disabled)
		leat_spsc_enable(rx);
	for (bool first = true; (n = leat_spsc_peek(rx, SIZE_MAX, &slots)) > 0; first = false) {
		if (first)
			leat_chan_note_peak(chan);
		for (size_t i = 0; i < n; i++)
			leat_chan_discard(chan, (char *)slots + i * chan->item_size);
		leat_chan_begin_move(chan);
		leat_spsc_release(rx, n);
		leat_chan_end_drop(chan, reason, n);
	}
	if (disabled)
		leat_spsc_disable(rx);
}

void leat_chan_drain(struct leat_chan *chan, enum leat_drop reason)
{
	if (chan->item_size == 0)
		return;
	if (chan->turns)
		drain_turns(chan, reason);
	else if (chan->ring == NULL)
		drain_spsc(chan, reason);
}

/*
 * Makes room by dropping the oldest item, unless there is room or a receiver is in that slot.
 */
static void drop_oldest(struct leat_chan *chan)
{
	struct leat_mpmc_claim claim;
	size_t n;

	leat_chan_begin_move(chan);
	n = leat_mpmc_claim_oldest(&chan->mpmc, &claim, LEAT_TURN_FULL);
	leat_chan_end_drop(chan, LEAT_DROPPED_OLDEST, n);
	if (n == 0)
		return;
	leat_chan_discard(chan, leat_mpmc_item(&chan->mpmc, &claim, 0));
	leat_mpmc_release(&chan->mpmc, &claim);
}

/* Drops the item that is being sent, for want of room. */
static void drop_newest(struct leat_handle *h, const void *item)
{
	struct leat_chan *chan = leat_chan_of(h);

	if (item != h->scratch)
		/* discard may write to the item, and the caller's is const */
		memcpy(h->scratch, item, chan->item_size);
	leat_bump(&h->counts.dropped_newest, 1);
	leat_chan_discard(chan, h->scratch);
}

bool leat_chan_behind_peer(const struct leat_chan *chan, bool sender)
{
	if (!chan->turns || chan->item_size == 0)
		return false;
	if (sender)
		return !chan->mpmc.single_consumer && leat_mpmc_room_behind(&chan->mpmc);
	return !chan->mpmc.single_producer && leat_mpmc_item_behind(&chan->mpmc);
}

/*
 * There is room behind the slot of a receiver that has not finished. Pauses for that receiver.
 * Returns whether the item was sent after all.
 */
static bool push_behind_peer(struct leat_handle *h, const void *item)
{
	for (int i = 0; i < LEAT_PEER_PAUSES && leat_chan_behind_peer(leat_chan_of(h), true); i++) {
		leat_pause();
		if (push_items(h, item, 1) == 1)
			return true;
	}
	return false;
}

/* There was no room for the item: drops it, or the oldest, as the overflow policy says. */
static void send_overflowing(struct leat_handle *h, const void *item)
{
	struct leat_chan *chan = leat_chan_of(h);

	if (chan->overflow == LEAT_DROP_NEWEST && push_behind_peer(h, item)) {
		leat_chan_sent(chan, 1);
		return;
	}
	if (chan->overflow == LEAT_DROP_OLDEST)
		for (int i = 0; i < DROP_TRIES; i++) {
			drop_oldest(chan);
			if (push_items(h, item, 1) == 1) {
				leat_chan_sent(chan, 1);
				return;
			}
		}
	drop_newest(h, item);
}

void leat_handle_send_scratch(struct leat_handle *h)
{
	if (push_items(h, h->scratch, 1) == 1)
		leat_chan_sent(leat_chan_of(h), 1);
	else
		send_overflowing(h, h->scratch);
}

static ssize_t attempt_send(struct leat_op *op)
{
	struct leat_chan *chan = leat_chan_of(op->h);
	int refusal = leat_handle_refusal(op->h);
	size_t n;

	if (refusal != 0)
		return refusal;
	n = push_items(op->h, op->items, op->n);
	if (n > 0) {
		leat_chan_sent(chan, n);
		return (ssize_t)n;
	}
	if (leat_chan_ring_closed(chan))
		return -EPIPE; /* since the refusal was read */
	if (chan->overflow == LEAT_BLOCK)
		return -EAGAIN;
	send_overflowing(op->h, op->items);
	return 1;
}

/*
 * Caller holds chan->lock. Returns 0, or -ECANCELED where a cancel was first. A later cancel finds
 * ENDED and does nothing.
 */
static ssize_t set_ended(struct leat_chan *chan)
{
	uint32_t ctl = leat_load_rlx(&chan->ctl); /* rlx: the swap decides */

	while (!(ctl & (LEAT_CTL_ENDED | LEAT_CTL_CANCELED)))
		/* rlx: the swap alone decides; ENDED publishes nothing */
		if (leat_cas_rlx(&chan->ctl, &ctl, ctl | LEAT_CTL_ENDED))
			return 0;
	return ctl & LEAT_CTL_ENDED ? 0 : -ECANCELED;
}

/*
 * The senders have failed, or leat_tx_close_all() refuses them, and handles of theirs may be open.
 * Whether receivers have claimed all items. Behind leat_tx_close_all() no send can add one then,
 * not even a send that is under way: the ring is closed.
 */
static bool refused_stream_is_drained(const struct leat_chan *chan, uint32_t ctl)
{
	if (!chan->turns)
		return true;
	if (ctl & LEAT_CTL_TX_CLOSED && !leat_mpmc_is_closed(&chan->mpmc))
		return false;
	return leat_mpmc_idle(&chan->mpmc);
}

/*
 * The ring was found empty and its senders are closed, or are refused: sets ENDED, so that receives
 * return 0 from now on. Returns 0; -ECANCELED; -EAGAIN if there may be an item. The lock orders
 * this with a receiver that puts items back: it did so before the ring is read once more here, or
 * it finds ENDED and keeps what it holds (put_back_claim()).
 */
static ssize_t end_chan_stream(struct leat_chan *chan)
{
	/* rlx: the caller read TX_GONE or TX_FAILED set */
	uint32_t ctl = leat_load_rlx(&chan->ctl);
	bool refused = !(ctl & LEAT_CTL_TX_GONE);
	ssize_t r = -EAGAIN;

	leat_mutex_lock(&chan->lock);
	if (!chan->turns || (!leat_mpmc_readable(&chan->mpmc) &&
	                     (!refused || refused_stream_is_drained(chan, ctl))))
		r = set_ended(chan);
	leat_mutex_unlock(&chan->lock);
	if (r == 0 && refused)
		leat_event_notify(&chan->items, LEAT_EVENT_ALL); /* no last sender's close will */
	return r;
}

ssize_t leat_chan_refuse_receive(struct leat_chan *chan, uint32_t ctl)
{
	if (ctl & LEAT_CTL_CANCELED) {
		leat_chan_drain(chan, LEAT_DROPPED_CANCELED);
		return -ECANCELED;
	}
	/* ENDED with an item in the ring: a clone's send was under way when its generator failed */
	return ctl & LEAT_CTL_ENDED ? 0 : -EAGAIN;
}

ssize_t leat_chan_end_if_empty(struct leat_chan *chan, uint32_t ctl)
{
	ssize_t r = -EAGAIN;

	if (ctl & (LEAT_CTL_TX_GONE | LEAT_CTL_TX_FAILED)) {
		r = end_chan_stream(chan);
		if (r == -ECANCELED)
			leat_chan_drain(chan, LEAT_DROPPED_CANCELED);
	}
	return r;
}

static ssize_t attempt_recv(struct leat_op *op)
{
	struct leat_chan *chan = leat_chan_of(op->h);
	/* K1: all that was sent before TX_GONE; pairs with leat_tx_close() */
	uint32_t ctl = leat_load_acq(&chan->ctl);
	ssize_t r = leat_chan_refuse_receive(chan, ctl);
	size_t n;

	if (r != -EAGAIN)
		return r;
	n = pop_items(op->h, op->items, op->n);
	if (n == 0)
		return leat_chan_end_if_empty(chan, ctl);
	leat_chan_received(chan, n);
	return (ssize_t)n;
}

/* The first step of every call that copies: 0, or the error that the call returns. */
static int check_transfer(const struct leat_handle *h, const void *items, size_t size,
                          const char *call)
{
	if (h == NULL)
		return -EINVAL;
	leat_handle_check(h, call);
	if (items == NULL || leat_chan_of(h)->item_size == 0)
		return -EINVAL;
	if (size != LEAT_DETAIL_CHAN_SIZE && size != leat_chan_of(h)->item_size)
		leat_die("%s: the pointer is to items of %zu bytes; the channel \"%s\" has items "
		         "of %zu",
		         call, size, leat_chan_of(h)->name, leat_chan_of(h)->item_size);
	return h->held != 0 ? -EBUSY : 0;
}

/* Items that a send leaves with its caller, but by -EAGAIN, are counted as rejected. Returns r. */
static ssize_t count_rejected(struct leat_handle *h, ssize_t r, size_t n)
{
	if (r < 0 && r != -EAGAIN)
		leat_bump(&h->counts.rejected, n);
	return r;
}

int leat_chan_send_or_wait(struct leat_tx *tx, const void *item, size_t size, int64_t deadline_ns)
{
	struct leat_op op = { leat_handle_of_tx(tx), attempt_send, (void *)(uintptr_t)item, 1,
		              NULL };
	int rc = check_transfer(op.h, item, size, "leat_send");

	if (rc != 0)
		return rc;
	rc = (int)count_rejected(op.h, leat_op_run(&op, deadline_ns), 1);
	return rc < 0 ? rc : 0;
}

int leat_detail_send_wait(struct leat_tx *tx, const void *item, size_t size, int64_t deadline_ns)
{
	const struct leat_handle *h = leat_handle_of_tx(tx);

	if (h != NULL && h->open && h->held == 0 && tx->chan->ring != NULL)
		return tx->chan->ring->send(tx, item, size, deadline_ns);
	return leat_chan_send_or_wait(tx, item, size, deadline_ns);
}

/*
 * Of the ring for one thread on each side: sends a batch, if the last look at the receiver has
 * found room for all of it. False, and nothing has happened, otherwise. A cursor that must not be
 * used is disabled, and has no room.
 */
static inline bool send_batch_at_once(struct leat_tx *tx, const void *items, size_t n, size_t size)
{
	if (tx == NULL || n == 0 || tx->spsc.room - tx->spsc.pos < n || tx->chan->ring != NULL ||
	    !leat_chan_send_is_usual(tx->chan, items, size))
		return false;
	leat_push_spsc(&tx->spsc, items, n, tx->spsc.item_size);
	leat_chan_sent(tx->chan, n);
	return true;
}

/* Whether the last try found nothing. Then the next call makes its one try by leat_op_run(). */
static inline bool found_nothing(const struct leat_mpmc_cursor *cursor)
{
	return cursor->moved == cursor->missed;
}

/*
 * Of a ring with turns: what a batch finds room for at once. 0, and nothing has happened, where
 * anything is out of the ordinary.
 */
static inline size_t send_turns_at_once(struct leat_tx *tx, const void *items, size_t n, size_t size)
{
	size_t k;

	if (tx == NULL || tx->mpmc == NULL || n - 1 >= tx->chan->capacity ||
	    found_nothing(&tx->cursor) ||
	    !leat_chan_send_is_usual(tx->chan, items, size))
		return 0;
	k = push_turns(leat_handle_of_tx(tx), items, n, tx->chan->item_size);
	if (k > 0)
		leat_chan_sent(tx->chan, k);
	return k;
}

/* A batch of n items goes on behind the first `done`. */
static ssize_t send_rest(struct leat_tx *tx, const void *items, size_t n, size_t done,
                         int64_t deadline_ns)
{
	const size_t size = tx->chan->item_size;
	struct leat_op op = { leat_handle_of_tx(tx), attempt_send,
		              (char *)(uintptr_t)items + done * size, n - done, NULL };
	ssize_t r = 0;

	while (op.n > 0) {
		r = leat_op_run(&op, deadline_ns);
		if (r < 0)
			break;
		op.items = (char *)op.items + (size_t)r * size;
		op.n -= (size_t)r;
	}
	if (op.n == n && n > 0)
		return count_rejected(op.h, r, n);
	return (ssize_t)(n - op.n);
}

ssize_t leat_chan_send_many_or_wait(struct leat_tx *tx, const void *items, size_t n, size_t size,
                                    int64_t deadline_ns)
{
	int rc = check_transfer(leat_handle_of_tx(tx), items, size, "leat_send_batch");

	if (rc == 0 && !leat_fits_ssize(n, tx->chan->item_size))
		rc = -EINVAL;
	return rc != 0 ? rc : send_rest(tx, items, n, 0, deadline_ns);
}

ssize_t leat_detail_send_many(struct leat_tx *tx, const void *items, size_t n, size_t size,
                              int64_t deadline_ns)
{
	const struct leat_handle *h = leat_handle_of_tx(tx);
	size_t done;

	if (send_batch_at_once(tx, items, n, size))
		return (ssize_t)n;
	done = send_turns_at_once(tx, items, n, size);
	if (done > 0)
		return done == n ? (ssize_t)n : send_rest(tx, items, n, done, deadline_ns);
	if (h != NULL && h->open && h->held == 0 && tx->chan->ring != NULL)
		return tx->chan->ring->send_many(tx, items, n, size, deadline_ns);
	return leat_chan_send_many_or_wait(tx, items, n, size, deadline_ns);
}

ssize_t leat_chan_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                       int64_t deadline_ns, const char *call)
{
	struct leat_op op = { leat_handle_of_rx(rx), attempt_recv, items, max, NULL };
	int rc = check_transfer(op.h, items, size, call);

	if (rc == 0 && (max == 0 || !leat_fits_ssize(max, leat_chan_of(op.h)->item_size)))
		rc = -EINVAL;
	return rc != 0 ? rc : leat_op_run(&op, deadline_ns);
}

int leat_detail_recv_wait(struct leat_rx *rx, void *item, size_t size, int64_t deadline_ns)
{
	if (leat_unlikely(rx == NULL))
		return -EINVAL;
	return (int)leat_rx_ops_of(rx)->recv(rx, item, 1, size, deadline_ns, "leat_recv");
}

/*
 * Of the ring for one thread on each side: receives what is there, where nothing is out of the
 * ordinary. Otherwise returns 0, and nothing has happened. A cursor that must not be used is
 * disabled.
 */
static inline size_t recv_batch_at_once(struct leat_rx *rx, void *items, size_t max, size_t size)
{
	struct leat_spsc_cursor *cursor = &rx->spsc;
	size_t n;

	if (items == NULL || leat_spsc_is_disabled(cursor) || max - 1 >= cursor->capacity ||
	    rx->chan->ring != NULL ||
	    (size != LEAT_DETAIL_CHAN_SIZE && size != cursor->item_size) ||
	    /* rlx: a call that began before a cancel may miss it */
	    leat_load_rlx(rx->ctl) & LEAT_CTL_CANCELED)
		return 0;
	n = leat_pop_spsc(cursor, items, max, cursor->item_size);
	if (n > 0)
		leat_chan_received(rx->chan, n);
	return n;
}

/* The same of a ring with turns. */
static inline size_t recv_turns_at_once(struct leat_rx *rx, void *items, size_t max, size_t size)
{
	struct leat_handle *h = leat_handle_of_rx(rx);
	struct leat_chan *chan = rx->chan;
	size_t n = 0, k;

	if (items == NULL || max - 1 >= chan->capacity || found_nothing(&rx->cursor) ||
	    (size != LEAT_DETAIL_CHAN_SIZE && size != chan->item_size) ||
	    /* rlx: a call that began before the end may miss it */
	    leat_load_rlx(rx->ctl) & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED))
		return 0;
	do
		n += k = pop_run(h, (unsigned char *)items + n * chan->item_size, max - n,
		                 chan->item_size);
	while (n < max && leat_mpmc_at_end(&h->cursor, k));
	if (n > 0)
		leat_chan_received(chan, n);
	return n;
}

ssize_t leat_detail_recv_many(struct leat_rx *rx, void *items, size_t max, size_t size,
                              int64_t deadline_ns)
{
	size_t n;

	if (leat_unlikely(rx == NULL))
		return -EINVAL;
	n = (rx->mpmc != NULL ? recv_turns_at_once : recv_batch_at_once)(rx, items, max, size);
	if (n > 0)
		return (ssize_t)n;
	return leat_rx_ops_of(rx)->recv(rx, items, max, size, deadline_ns, "leat_recv_batch");
}

/* Whether a second receive must not add to what a first one has taken. */
static bool ends_fill(struct leat_rx *rx)
{
	return leat_rx_ops_of(rx)->ends_fill != NULL && leat_rx_ops_of(rx)->ends_fill(rx);
}

/*
 * Receives until max items are there. What ends it on the way stays: the next call returns it too.
 * The deadline has passed for the next call as well, and a step that must not wait returns here
 * what it found.
 */
ssize_t leat_detail_recv_fill(struct leat_rx *rx, void *items, size_t max, size_t size,
                              int64_t deadline_ns)
{
	unsigned char *to = items;
	size_t done = 0;
	ssize_t r;

	if (leat_unlikely(rx == NULL))
		return -EINVAL;
	do {
		r = leat_rx_ops_of(rx)->recv(rx, to, max - done, size, deadline_ns,
		                             "leat_recv_fill");
		if (r <= 0)
			break;
		done += (size_t)r;
		to += (size_t)r * rx->spsc.item_size;
	} while (done < max && !ends_fill(rx));
	return done > 0 ? (ssize_t)done : r;
}

int leat_copy_check(const struct leat_handle *h, const void *item, size_t size, const char *call)
{
	return check_transfer(h, item, size, call);
}

ssize_t leat_copy_attempt(struct leat_handle *h, void *item)
{
	struct leat_op op = { .h = h, .items = item, .n = 1 };

	return h->sender ? count_rejected(h, attempt_send(&op), 1) : attempt_recv(&op);
}

/*
 * A stream whose generator failed has not ended while other handles still claim slots, even if no
 * item is there.
 */
static bool ready_to_receive(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);
	/* rlx: a caller that gets true makes an attempt, and that loads in order */
	uint32_t ctl = leat_load_rlx(&chan->ctl);

	if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED))
		return true;
	if (chan->turns ? leat_mpmc_readable(&chan->mpmc) : leat_spsc_can_pop(&h->spsc))
		return true;
	return (ctl & LEAT_CTL_TX_GONE) ||
	       ((ctl & LEAT_CTL_TX_FAILED) && refused_stream_is_drained(chan, ctl));
}

static bool ready_to_send(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	if (leat_handle_refusal(h) != 0 || chan->overflow != LEAT_BLOCK)
		return true;
	if (chan->ring != NULL)
		return chan->ring->writable(h);
	return chan->turns ? leat_mpmc_writable(&chan->mpmc) : leat_spsc_can_push(&h->spsc);
}

bool leat_copy_ready(struct leat_handle *h)
{
	return h->sender ? ready_to_send(h) : ready_to_receive(h);
}
