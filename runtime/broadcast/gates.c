/*
 * The senders' side of a broadcast: finding room, writing, and the subscribers that hold a sender
 * up. What follows is of the ring without turns; the other one's functions are in turns.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/broadcast/broadcast.h"
#include "runtime/chan/transfer.h"

#include <string.h>

uint64_t leat_broadcast_scan(const struct leat_broadcast *bc, uint64_t none)
{
	/* rlx: J1, or scan_lock, shows a new place to whoever must see it; the table was there
	 * before */
	unsigned used = leat_load_rlx(&bc->used);
	uint64_t lowest = UINT64_MAX;

	for (unsigned i = 0; i < used; i++) {
		const struct leat_sub *sub = &bc->subs[i];
		uint64_t head;

		if (!leat_load_acq(&sub->gating)) /* H2: pairs with add_gate() */
			continue;
		/* A2: items read; pairs with R2 in leat_spsc_release_to(), publish_head() */
		head = leat_load_acq(&sub->head);
		if (head < lowest)
			lowest = head;
	}
	return lowest == UINT64_MAX ? none : lowest;
}

uint64_t leat_broadcast_tail(const struct leat_broadcast *bc)
{
	if (bc->turns)
		return leat_load_acq(&bc->tail) >> LEAT_TAIL_JOINS; /* J2: as the claims do */
	return leat_load_acq(&bc->tx->pos); /* D5: pairs with leat_spsc_publish_to() */
}

/* sub: NULL for one that has left, whose place of the table may be another's by now. */
static void notify_gated(struct leat_broadcast *bc, const struct leat_sub *sub)
{
	uint64_t tail, lowest;
	uint32_t ctl;

	/* N1: head before the scan, N2: state before stuck_at; pairs with itself, evict() */
	leat_fence_seq();
	ctl = leat_load_rlx(&bc->chan->ctl); /* rlx: C2, N1 order it */
	/* rlx: the same */
	if (ctl & LEAT_CTL_STAGE_PARKED && (sub == NULL || leat_load_rlx(&sub->followers)))
		leat_event_notify(&bc->stage, LEAT_EVENT_ALL);
	if (!(ctl & LEAT_CTL_TX_PARKED))
		return;
	tail = leat_broadcast_tail(bc);
	lowest = leat_broadcast_scan(bc, tail);
	if (lowest + bc->capacity != tail)
		leat_event_notify(&bc->chan->room, LEAT_EVENT_ALL);
	else
		leat_broadcast_lose_patience(bc, lowest); /* with one that comes after this one */
}

void leat_sub_notify(struct leat_sub *sub)
{
	notify_gated(sub->bc, sub);
}

void leat_broadcast_notify_left(struct leat_broadcast *bc)
{
	notify_gated(bc, NULL);
}

/* --- eviction --- */

/*
 * Fails where the subscriber copies, or has closed. Its patience then begins anew: by the release
 * of what it copied, or, if it found nothing, by attempt_recv(), which calls leat_sub_notify().
 */
static void evict(struct leat_sub *sub)
{
	uint32_t idle = LEAT_SUB_IDLE;

	leat_store_rlx(&sub->stuck_at, UINT64_MAX); /* rlx: N2 orders it */
	leat_fence_seq(); /* N2: stuck_at before state; pairs with notify_gated() */
	/* H2: pairs with end_reading() */
	if (!leat_cas_acqrel(&sub->state, &idle, LEAT_SUB_EVICTED))
		return;
	leat_store_rel(&sub->gating, 0); /* H2: pairs with leat_broadcast_scan() */
	leat_event_notify(&sub->bc->chan->items, LEAT_EVENT_ALL);
	leat_event_notify(&sub->bc->stage, LEAT_EVENT_ALL);
	leat_event_notify(&sub->bc->chan->room, LEAT_EVENT_ALL);
}

void leat_sub_fire_timer(struct leat_timer *timer)
{
	struct leat_sub *sub = leat_container_of(timer, struct leat_sub, timer);
	uint64_t stuck_at = leat_load_rlx(&sub->stuck_at); /* rlx: the timer's lock */

	/* rlx: a number; evict() acquires what was copied */
	if (leat_load_rlx(&sub->head) == stuck_at)
		evict(sub);
}

/*
 * Whether it holds a sender up at this head, and may be evicted, and its patience has not begun.
 * A subscriber that waits for a gate before it is not what the sender waits for. Caller holds
 * patience_lock, as leat_sub_set_timed() did after the join; evict() acquires what was copied.
 */
static bool must_lose_patience(struct leat_sub *sub, uint64_t lowest)
{
	return leat_load_rlx(&sub->timed) &&              /* rlx: the lock */
	       leat_load_rlx(&sub->gating) &&             /* rlx: the same */
	       leat_load_rlx(&sub->head) == lowest &&     /* rlx: the caller's scan acquired it */
	       leat_load_rlx(&sub->stuck_at) != lowest && /* rlx: a number */
	       leat_sub_allowed(sub) != lowest;
}

void leat_sub_set_timed(struct leat_sub *sub, bool timed)
{
	leat_mutex_lock(&sub->bc->patience_lock);
	leat_store_rlx(&sub->timed, timed); /* rlx: the lock */
	leat_mutex_unlock(&sub->bc->patience_lock);
}

/*
 * Called by each sender that finds no room. The patience with a subscriber begins when it is first
 * found at this head; it then runs on the timer's thread, however the sender waits. The lock keeps
 * the subscriber, or a sender would evict one that took the place of the table meanwhile.
 */
void leat_broadcast_lose_patience(struct leat_broadcast *bc, uint64_t lowest)
{
	unsigned used = leat_load_rlx(&bc->used); /* rlx: as in a scan */

	for (unsigned i = 0; i < used; i++) {
		struct leat_sub *sub = &bc->subs[i];

		if (!leat_load_rlx(&sub->timed)) /* rlx: read again holding the lock */
			continue;
		leat_mutex_lock(&bc->patience_lock);
		if (must_lose_patience(sub, lowest)) {
			/* the deadline of an earlier head must not pass for this one's */
			leat_timer_move(&sub->timer, LEAT_NEVER);
			/* rlx: the lock of the timers publishes it */
			leat_store_rlx(&sub->stuck_at, lowest);
			if (sub->patience_ns > 0)
				leat_timer_move(&sub->timer, leat_now_ns() + sub->patience_ns);
			else
				evict(sub);
		}
		leat_mutex_unlock(&bc->patience_lock);
	}
}

/* --- room --- */

bool leat_broadcast_must_wait(const struct leat_broadcast *bc)
{
	/* rlx: it comes after a scan, which J1, or scan_lock, orders against the join */
	return bc->wait_for_first && !leat_load_rlx(&bc->has_had_one);
}

/*
 * Scans. Returns how many items there is room for. As leat_spsc_refresh_head(), it backs off before
 * it looks again after a look that gained little.
 */
static uint64_t find_room(struct leat_broadcast *bc)
{
	struct leat_spsc_cursor *tx = bc->tx;
	uint64_t lowest, room;

	if (tx->caught_up)
		leat_spsc_backoff(tx);
	/* J1: before the scan; pairs with add_gate() */
	if (leat_load_rlx(&bc->chan->ctl) & LEAT_CTL_JOINED) /* rlx: the swap loads in order */
		leat_and_acqrel(&bc->chan->ctl, ~(uint32_t)LEAT_CTL_JOINED);
	lowest = leat_broadcast_scan(bc, tx->pos);
	if (leat_broadcast_must_wait(bc))
		lowest = tx->pos - bc->capacity;
	room = lowest + bc->capacity;
	if ((int64_t)(room - tx->pos) <= 0) {
		/* behind by one more than the capacity: a joiner met a send that was under way */
		room = tx->pos;
		leat_broadcast_lose_patience(bc, lowest);
	}
	tx->caught_up = (int64_t)(room - tx->room) < (int64_t)(bc->capacity / 8);
	tx->room = room;
	tx->limit = room - tx->pos < tx->run_end - tx->pos ? room : tx->run_end;
	/* rlx: read by this thread alone, in leat_spsc_refresh_head() */
	leat_store_rlx(&bc->lowest, room - bc->capacity);
	return room - tx->pos;
}

/*
 * Before the sender loads ctl: a batch, or a reservation, ends at this position. The inline body of
 * leat_send_batch() does the same.
 */
static inline void announce(struct leat_broadcast *bc, uint64_t end)
{
	leat_store_rel(&bc->chan->first_tx.tx.granted, end); /* J1: pairs with add_gate() */
	leat_fence_light(); /* J1: granted before ctl; pairs with add_gate() */
}

/*
 * Makes sure of room for up to n items, and announces that so many will be written. Returns how
 * many that are.
 */
static size_t grant(struct leat_broadcast *bc, size_t n)
{
	struct leat_spsc_cursor *tx = bc->tx;
	uint32_t ctl = leat_load_rlx(&bc->chan->ctl); /* rlx: find_room() loads in order */
	uint64_t room;

	for (;;) {
		room = tx->room - tx->pos;
		if (room < n || ctl & LEAT_CTL_JOINED)
			room = find_room(bc);
		if (room == 0) {
			announce(bc, tx->pos);
			return 0;
		}
		if (room > n)
			room = n;
		announce(bc, tx->pos + room);
		if (leat_load_rlx(&bc->chan->ctl) & LEAT_CTL_FENCED) /* rlx: constant */
			leat_fence_seq();                            /* J1: without membarrier */
		ctl = leat_load_rlx(&bc->chan->ctl);                 /* rlx: J1 orders it */
		if (!(ctl & LEAT_CTL_JOINED))
			return (size_t)room;
	}
}

/* The slot of a position that is not older than the ring is long. */
static void *slot_of(const struct leat_spsc_cursor *side, uint64_t pos)
{
	return leat_broadcast_run_of(side, pos) + side->header + pos % side->run * side->item_size;
}

/* Discards the items whose slots are used again when the tail comes to this position. */
static void discard_until(struct leat_broadcast *bc, uint64_t tail)
{
	struct leat_chan *chan = bc->chan;
	uint64_t pos;

	if (chan->discard == NULL)
		return;
	/* rlx: only this thread writes it */
	pos = leat_load_rlx(&bc->discarded);
	for (; (int64_t)(tail - bc->capacity - pos) > 0; pos++)
		leat_chan_discard(chan, slot_of(bc->tx, pos));
	leat_store_rlx(&bc->discarded, pos); /* rlx: granted, or the tail, publishes it */
}

/* --- the functions of struct leat_chan_ring --- */

static size_t push_items(struct leat_handle *h, const void *items, size_t n)
{
	struct leat_broadcast *bc = leat_broadcast_of(leat_chan_of(h));

	if (bc->turns)
		return leat_turns_push(bc, items, n);
	n = grant(bc, n);
	if (n == 0)
		return 0;
	discard_until(bc, bc->tx->pos + n);
	return leat_push_spsc(bc->tx, items, n, leat_chan_of(h)->item_size);
}

/* The only sender sends a batch, if its last scan found room for all of it and nobody joins. */
static inline bool send_lines_at_once(struct leat_broadcast *bc, const void *items, size_t n)
{
	struct leat_spsc_cursor *tx = bc->tx;

	if (tx->room - tx->pos < n)
		return false;
	announce(bc, tx->pos + n);
	/* rlx: J1 orders it; else grant() begins anew */
	if (leat_load_rlx(&bc->chan->ctl) & (LEAT_CTL_FENCED | LEAT_CTL_JOINED))
		return false;
	leat_push_spsc(tx, items, n, tx->item_size);
	leat_chan_sent(bc->chan, n);
	return true;
}

static ssize_t send_many(struct leat_tx *tx, const void *items, size_t n, size_t size,
                         int64_t deadline_ns)
{
	struct leat_chan *chan = tx->chan;
	struct leat_broadcast *bc = leat_broadcast_of(chan);

	if (n == 0 || n > chan->capacity || bc->turns || chan->discard != NULL ||
	    !leat_chan_send_is_usual(chan, items, size) || !send_lines_at_once(bc, items, n))
		return leat_chan_send_many_or_wait(tx, items, n, size, deadline_ns);
	return (ssize_t)n;
}

static bool is_writable(struct leat_handle *h)
{
	struct leat_broadcast *bc = leat_broadcast_of(leat_chan_of(h));

	if (bc->turns)
		return leat_turns_writable(bc);
	return bc->tx->room != bc->tx->pos || find_room(bc) > 0;
}

static ssize_t claim_slots(struct leat_handle *h, size_t want, void **place)
{
	struct leat_broadcast *bc = leat_broadcast_of(leat_chan_of(h));
	size_t n;

	if (bc->skip)
		return -ENOTSUP;
	if (bc->turns) {
		n = leat_turns_claim(bc, want, h, place);
		return n == 0 ? -EAGAIN : (ssize_t)n;
	}
	n = grant(bc, want);
	if (n == 0)
		return -EAGAIN;
	n = leat_spsc_claim(bc->tx, n, place);
	discard_until(bc, bc->tx->pos + n);
	return (ssize_t)n;
}

static void commit_slots(struct leat_handle *h, size_t n)
{
	struct leat_broadcast *bc = leat_broadcast_of(leat_chan_of(h));

	if (bc->turns) {
		leat_turns_commit(bc, h, n);
		return;
	}
	if (n > 0)
		leat_spsc_publish(bc->tx, n);
	announce(bc, bc->tx->pos); /* and what was discarded before */
	if (n > 0)
		leat_chan_sent(bc->chan, n);
}

static void received(struct leat_handle *h)
{
	leat_sub_released(leat_sub_of(h));
}

/* 0 with one thread on each side, as for an SPSC channel (runtime/chan/block.c). */
static uint64_t count_transfers(const struct leat_chan *chan)
{
	const struct leat_broadcast *bc = leat_broadcast_of(chan);
	unsigned used = leat_load_rlx(&bc->used); /* rlx: a hint */
	uint64_t sum;

	if (!bc->turns && used < 2)
		return 0;
	sum = leat_broadcast_tail(bc);
	for (unsigned i = 0; i < used; i++)
		sum += leat_load_rlx(&bc->subs[i].head); /* rlx: a hint */
	return sum;
}

static void notify_ends(struct leat_chan *chan)
{
	leat_event_notify(&leat_broadcast_of(chan)->stage, LEAT_EVENT_ALL);
}

/* How many items senders have sent, by these figures. */
static uint64_t count_sent(const struct leat_last_stat *stat)
{
	uint64_t sent = stat->delivered + stat->in_flight;

	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		sent += stat->dropped[reason];
	return sent;
}

/* What a cancel, or the close of the last subscriber, left behind is dropped. */
static void set_left(const struct leat_broadcast *bc, struct leat_last_stat *stat, uint64_t left)
{
	const struct leat_chan *chan = bc->chan;

	memset(stat->dropped, 0, sizeof(stat->dropped));
	if (bc->left_behind && chan->receivers == 0) {
		/* rlx: a number */
		stat->dropped[leat_load_rlx(&chan->ctl) & LEAT_CTL_CANCELED
		                      ? LEAT_DROPPED_CANCELED
		                      : LEAT_DROPPED_ABANDONED] = left;
		left = 0;
	}
	stat->in_flight = left < bc->capacity ? left : bc->capacity;
	if (stat->in_flight > stat->peak)
		stat->peak = stat->in_flight;
}

/*
 * An item is delivered once every subscriber that senders wait for has released it; without such a
 * subscriber, once it is sent. It stays so when a subscriber joins at it later.
 *
 * Invariant: what was sent, by the figures, never falls. A sender that is about to make holes has
 * counted them already, and then what others have sent seems to be less. Therefore a reading with
 * less than the one before is thrown away. Caller holds chan->lock.
 */
static void read_figures(struct leat_chan *chan, struct leat_last_stat *now)
{
	struct leat_broadcast *bc = leat_broadcast_of(chan);
	struct leat_last_stat next = *now;
	uint64_t tail = leat_broadcast_tail(bc), sent = tail, holes = 0;
	uint64_t lowest = bc->left_behind ? bc->passed : leat_broadcast_scan(bc, tail);

	if (lowest > tail)
		lowest = tail; /* the scan is later */
	if (lowest < bc->delivered)
		lowest = bc->delivered;
	if (bc->turns)
		sent = leat_turns_count(bc, &lowest, tail, &holes);
	bc->delivered = lowest;
	if (lowest > holes && lowest - holes > next.delivered)
		next.delivered = lowest - holes;
	set_left(bc, &next, sent > next.delivered ? sent - next.delivered : 0);
	if (count_sent(&next) >= count_sent(now))
		*now = next;
}

/* Every handle is closed: discards what is in the slots. */
static void drain_slots(struct leat_chan *chan)
{
	struct leat_broadcast *bc = leat_broadcast_of(chan);

	if (bc->turns)
		leat_turns_drain(bc);
	else
		discard_until(bc, bc->tx->pos + bc->capacity);
}

static void free_ring(struct leat_chan *chan)
{
	leat_broadcast_free(leat_broadcast_of(chan));
}

const struct leat_chan_ring leat_broadcast_ring = {
	.push = push_items,
	.send = leat_turns_send,
	.send_many = send_many,
	.writable = is_writable,
	.claim = claim_slots,
	.commit = commit_slots,
	.received = received,
	.count_transfers = count_transfers,
	.notify_ends = notify_ends,
	.close_senders = leat_turns_close,
	.drain = drain_slots,
	.read_figures = read_figures,
	.read_receiver = leat_sub_read_stat,
	.free = free_ring,
	.opened = leat_broadcast_opened,
	.unlinked = leat_sub_unlinked,
};
