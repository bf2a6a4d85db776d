/*
 * What a channel counts, and how a snapshot reads it while items move. The edges are in
 * runtime/chan/stat.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/stat.h"

#include <string.h>

enum { READ_TRIES = 100 };

void leat_counts_add(struct leat_counts *to, const struct leat_counts *from)
{
	/* rlx: numbers, as they are now */
	to->blocked_ns += leat_load_rlx(&from->blocked_ns);
	to->parks += leat_load_rlx(&from->parks);                   /* rlx: the same */
	to->rejected += leat_load_rlx(&from->rejected);             /* rlx: the same */
	to->dropped_newest += leat_load_rlx(&from->dropped_newest); /* rlx: the same */
	if (leat_load_rlx(&from->peak) > to->peak)                  /* rlx: the same */
		to->peak = leat_load_rlx(&from->peak);              /* rlx: the same */
}

/* How many items the ring's tail counts; below, its head. */
static uint64_t count_tail(const struct leat_chan *chan)
{
	if (chan->turns)
		/* D3: after head; pairs with leat_chan_end_move() */
		return leat_mpmc_count(&chan->mpmc, leat_load_acq(&chan->mpmc.tail));
	/* D5: the head that the producer knows; pairs with leat_spsc_publish_to() */
	return leat_load_acq(&chan->first_tx.spsc.pos);
}

static uint64_t count_head(const struct leat_chan *chan)
{
	if (chan->turns)
		/* D3: before tail; pairs with leat_chan_end_move() */
		return leat_mpmc_count(&chan->mpmc, leat_load_acq(&chan->mpmc.head));
	return leat_load_acq(&chan->spsc.head); /* D3: the same */
}

/* What was read of the claims of one side. */
struct claims {
	uint64_t changes; /* of all handles, summed: an equal sum means that none has changed */
	/* one is about to change, so the position may count it or not */
	bool claiming;
};

/* Takes from a position what the handles of one side hold of it, and what was skipped. */
static uint64_t subtract_claimed(const struct leat_chan *chan, uint64_t count, bool by_senders,
                                 uint64_t skipped, struct claims *claims)
{
	uint64_t not_yet = skipped;

	for (const struct leat_handle *h = chan->handles; h != NULL; h = h->next)
		if (h->sender == by_senders) {
			/* D4: pairs with store_claimed() */
			uint64_t claimed = leat_load_acq(&h->claimed);

			claims->claiming |= (claimed & LEAT_CLAIMING) != 0;
			claims->changes += (claimed & ~LEAT_CLAIMING) / LEAT_CLAIM_CHANGE;
			not_yet += claimed & LEAT_CLAIM_ITEMS;
		}
	/* a claim may be newer than the position */
	return count > not_yet ? count - not_yet : 0;
}

/* What one reading finds. The tail is read between two readings of the head. */
struct reading {
	struct leat_last_stat now;
	uint64_t heads[2], counts[2]; /* positions; items taken, less those still held */
	struct claims by_receivers[2], by_senders;
	uint64_t least; /* at least so many were in flight when the tail was read */
	/* 0: exactly in_flight were; else how far the head moved meanwhile, or 1 */
	uint64_t skew;
};

static void read_head(const struct leat_chan *chan, struct reading *r, int i)
{
	r->heads[i] = count_head(chan);
	/* D1: the same as dropped */
	r->counts[i] = subtract_claimed(chan, r->heads[i], false,
	                                leat_load_acq(&chan->skipped_taken), &r->by_receivers[i]);
}

/*
 * Makes figures of what was read. The head is the later one: items that were sent after the tail
 * was read cannot be counted as in flight by it. Claims of receivers that changed meanwhile may be
 * newer than the head, and then too few items count as delivered. In flight is then computed from
 * the positions alone.
 */
static void settle_reading(const struct leat_chan *chan, struct reading *r, uint64_t tail,
                           uint64_t dropped)
{
	uint64_t head = r->counts[1] > dropped ? r->counts[1] : dropped;
	const struct claims *before = &r->by_receivers[0], *after = &r->by_receivers[1];
	bool changed = before->claiming || after->claiming || before->changes != after->changes;

	r->least = tail > r->heads[1] ? tail - r->heads[1] : 0;
	r->skew = r->heads[1] - r->heads[0];
	if (r->skew == 0 &&
	    (changed || r->by_senders.claiming || r->counts[0] != r->counts[1] || tail < head))
		r->skew = 1;
	r->now.delivered = head - dropped;
	r->now.in_flight = changed ? r->least : tail > head ? tail - head : 0;
	if (r->now.in_flight > chan->capacity)
		r->now.in_flight = chan->capacity; /* a claim counts already */
}

/* Reads the ring's figures. False if a drop was under way, so that they do not fit together. */
static bool read_ring_figures(const struct leat_chan *chan, struct reading *r)
{
	/* D2: pairs with leat_chan_end_move() */
	uint64_t ended = leat_load_acq(&chan->drops_ended);
	uint64_t tail, dropped = 0;

	memset(r, 0, sizeof(*r));
	read_head(chan, r, 0);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
		/* D1: before begun; pairs with leat_chan_end_drop() */
		r->now.dropped[reason] = leat_load_acq(&chan->dropped[reason]);
		dropped += r->now.dropped[reason];
	}
	tail = count_tail(chan);
	/* rlx: a number */
	tail = subtract_claimed(chan, tail, true, leat_load_rlx(&chan->skipped_sent),
	                        &r->by_senders);
	read_head(chan, r, 1);
	settle_reading(chan, r, tail, dropped);
	/* rlx: D1: what must be read before it has been acquired */
	return leat_load_rlx(&chan->drops_begun) == ended;
}

static uint64_t sum_accepted(const struct leat_last_stat *figures)
{
	uint64_t sum = figures->delivered + figures->in_flight;

	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		sum += figures->dropped[reason];
	return sum;
}

/*
 * Reads until head, drops and tail fit together: no drop was under way meanwhile, and the head
 * stood still, so that in_flight was right when the tail was read. If the head never stands still
 * for that long, the reading in which it moved least is taken; in_flight is then too low or right,
 * never too high. A reading whose sums fell was made while a handle claimed; it is made again. A
 * thread that is held up in a drop or a claim does not hold this up: after READ_TRIES readings the
 * figures of the last snapshot stay. Caller holds chan->lock.
 */
static void refresh_last_stat(struct leat_chan *chan)
{
	struct reading r, best = { .skew = UINT64_MAX };
	uint64_t peak = chan->last_stat.peak, most;

	if (chan->item_size == 0)
		return;
	if (chan->ring != NULL) {
		if (!chan->settled)
			chan->ring->read_figures(chan, &chan->last_stat);
		return;
	}
	for (int tries = 0; tries < READ_TRIES && best.skew != 0; tries++) {
		if (tries > 0)
			leat_pause();
		if (!read_ring_figures(chan, &r))
			continue;
		most = r.skew == 0 ? r.now.in_flight : r.least;
		peak = most > peak ? most : peak;
		if (r.now.delivered >= chan->last_stat.delivered &&
		    sum_accepted(&r.now) >= sum_accepted(&chan->last_stat) && r.skew < best.skew)
			best = r;
	}
	chan->last_stat.peak = peak;
	if (best.skew == UINT64_MAX)
		return;
	memcpy(best.now.blocked_ns, chan->last_stat.blocked_ns, sizeof(best.now.blocked_ns));
	best.now.peak = peak;
	chan->last_stat = best.now;
}

void leat_chan_note_peak(struct leat_chan *chan)
{
	leat_mutex_lock(&chan->lock);
	refresh_last_stat(chan);
	leat_mutex_unlock(&chan->lock);
}

/* Adds what a handle counted, with the wait that has not ended. */
static void add_handle_counts(const struct leat_handle *h, struct leat_counts *counts,
                              int64_t now_ns)
{
	/* rlx: a number; read_stat keeps what it returns from falling */
	uint64_t base_ns = leat_load_rlx(&h->wait_base_ns);
	uint64_t before_ns = counts->blocked_ns, blocked_ns;

	leat_counts_add(counts, &h->counts);
	blocked_ns = counts->blocked_ns - before_ns;
	if (base_ns != 0 && (uint64_t)now_ns > base_ns + blocked_ns)
		counts->blocked_ns = before_ns + (uint64_t)now_ns - base_ns;
}

void leat_chan_read_stat(struct leat_chan *chan, struct leat_chan_stat *stat)
{
	struct leat_counts counts[2];
	int64_t now_ns = leat_now_ns();
	struct leat_last_stat last;

	memset(stat, 0, sizeof(*stat));
	leat_mutex_lock(&chan->lock);
	refresh_last_stat(chan);
	last = chan->last_stat;
	memcpy(counts, chan->past, sizeof(counts));
	for (const struct leat_handle *h = chan->handles; h != NULL; h = h->next)
		add_handle_counts(h, &counts[h->sender], now_ns);
	for (int side = 0; side < 2; side++) {
		/* a wait may have ended before now_ns, and its thread store that only later */
		if (counts[side].blocked_ns < chan->last_stat.blocked_ns[side])
			counts[side].blocked_ns = chan->last_stat.blocked_ns[side];
		chan->last_stat.blocked_ns[side] = counts[side].blocked_ns;
	}
	stat->senders = chan->senders;
	stat->receivers = chan->receivers;
	leat_mutex_unlock(&chan->lock);

	stat->delivered = last.delivered;
	stat->in_flight = last.in_flight;
	memcpy(stat->dropped, last.dropped, sizeof(stat->dropped));
	stat->id = chan->node.id;
	memcpy(stat->name, chan->name, sizeof(stat->name));
	stat->kind = chan->kind;
	if (chan->ring != NULL) /* whose receivers are many */
		stat->kind = leat_chan_many_senders(chan) ? LEAT_MPMC : LEAT_SPMC;
	stat->canceled = leat_load_rlx(&chan->ctl) & LEAT_CTL_CANCELED; /* rlx: a number */
	stat->item_size = chan->item_size;
	stat->capacity = chan->capacity;
	stat->dropped[LEAT_DROPPED_NEWEST] = counts[1].dropped_newest;
	stat->rejected = counts[1].rejected;
	stat->offered = stat->delivered + stat->in_flight + stat->rejected;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		stat->offered += stat->dropped[reason];
	stat->peak = counts[0].peak > counts[1].peak ? counts[0].peak : counts[1].peak;
	if (last.peak > stat->peak)
		stat->peak = last.peak;
	stat->send_blocked_ns = counts[1].blocked_ns;
	stat->recv_blocked_ns = counts[0].blocked_ns;
	stat->send_parks = counts[1].parks;
	stat->recv_parks = counts[0].parks;
}

size_t leat_chan_read_subscribers(struct leat_chan *chan, struct leat_subscriber_stat *stats,
                                  size_t room)
{
	size_t n = 0;

	if (chan->ring == NULL)
		return 0;
	leat_mutex_lock(&chan->lock);
	for (const struct leat_handle *h = chan->handles; h != NULL; h = h->next)
		if (!h->sender) {
			if (n < room)
				chan->ring->read_receiver(h, &stats[n]);
			n++;
		}
	leat_mutex_unlock(&chan->lock);
	return n;
}

void leat_chan_settle_stat(struct leat_chan *chan)
{
	leat_mutex_lock(&chan->lock); /* walks of the registry still read the figures */
	chan->last_stat.delivered = 0;
	chan->last_stat.in_flight = 0;
	memset(chan->last_stat.dropped, 0, sizeof(chan->last_stat.dropped));
	refresh_last_stat(chan);
	chan->settled = true;
	leat_mutex_unlock(&chan->lock);
}

size_t leat_chan_pending(const struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);
	size_t pending;

	if (leat_load_rlx(&chan->ctl) & LEAT_CTL_CANCELED) /* rlx: a number */
		return 0;
	if (!chan->turns)
		/* the head stands still: this thread alone moves it */
		return (size_t)(count_tail(chan) - h->spsc.pos);
	leat_mutex_lock(&chan->lock);
	refresh_last_stat(chan);
	pending = (size_t)chan->last_stat.in_flight;
	leat_mutex_unlock(&chan->lock);
	return pending;
}

size_t leat_rx_pending(struct leat_rx *rx)
{
	return rx == NULL ? 0 : leat_rx_ops_of(rx)->pending(rx);
}

size_t leat_rx_capacity(const struct leat_rx *rx)
{
	return rx == NULL ? 0 : leat_rx_ops_of(rx)->capacity(rx);
}

size_t leat_tx_capacity(const struct leat_tx *tx)
{
	return tx == NULL || tx->chan->item_size == 0 ? 0 : tx->chan->capacity;
}
