/*
 * Opening, cloning and closing channels, and how they end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/rx_ops.h"
#include "runtime/chan/transfer.h"

#include <string.h>

enum { DEFAULT_CAPACITY = 1024, LOOKS = 100 };

void leat_handle_check(const struct leat_handle *h, const char *call)
{
	if (!h->open)
		leat_die("%s: the handle is closed", call);
}

int leat_chan_check(const struct leat_chan_opts *opts)
{
	char name[LEAT_NAME_MAX + 1];

	if ((unsigned)opts->kind > LEAT_MPMC || (unsigned)opts->send_wait > LEAT_WAIT_PARK ||
	    (unsigned)opts->recv_wait > LEAT_WAIT_PARK ||
	    (unsigned)opts->overflow > LEAT_DROP_OLDEST)
		return -EINVAL;
	if (!leat_words_unused(opts->reserved, sizeof(opts->reserved) / sizeof(opts->reserved[0])))
		return -EINVAL;
	return leat_name_copy(name, opts->name) ? 0 : -EINVAL;
}

static void handle_init(struct leat_handle *h, struct leat_chan *chan, bool sender)
{
	h->tx.ctl = &chan->ctl; /* struct leat_rx has the same shape */
	h->tx.chan = chan;
	memset(&h->ring, 0, sizeof(h->ring));
	h->ring.item_size = chan->item_size;
	leat_spsc_shut(&h->ring); /* until there is a ring of its kind */
	leat_mpmc_side_init(&h->side, &chan->mpmc);
	h->fast = chan->turns && chan->item_size != 0 ? &chan->mpmc : NULL;
	h->sender = sender;
	h->open = true;
	h->held = 0;
	h->wake_fd = -1;
	h->watch = NULL;
	memset(&h->counts, 0, sizeof(h->counts));
}

/* Under the lock. */
static void handle_link(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	h->prev = NULL;
	h->next = chan->handles;
	if (h->next != NULL)
		h->next->prev = h;
	chan->handles = h;
	if (h->sender)
		chan->senders++;
	else
		chan->receivers++;
}

/* A sender of a channel that drops needs room for the item it drops. */
static int handle_scratch(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	if (!h->sender || chan->overflow == LEAT_BLOCK || h->scratch != NULL ||
	    chan->item_size == 0)
		return 0;
	h->scratch = leat_os_alloc(chan->item_size, leat_item_align(chan->item_size));
	return h->scratch == NULL ? -ENOMEM : 0;
}

static void turns_open(struct leat_chan *chan)
{
	leat_mpmc_init(&chan->mpmc, chan->slots, chan->item_size, chan->capacity,
	               !leat_chan_many_senders(chan),
	               !leat_chan_many_receivers(chan) && chan->overflow != LEAT_DROP_OLDEST);
	leat_mpmc_side_init(&chan->first_tx.side, &chan->mpmc);
	leat_mpmc_side_init(&chan->first_rx.side, &chan->mpmc);
}

static int ring_open(struct leat_chan *chan)
{
	size_t bytes;

	if (chan->item_size == 0)
		return 0;
	if (chan->turns)
		bytes = leat_mpmc_bytes(chan->item_size, chan->capacity);
	else
		bytes = leat_spsc_bytes(chan->item_size, chan->capacity);
	if (bytes == 0)
		return -ENOMEM;
	chan->slots = leat_os_alloc(bytes, 64);
	if (chan->slots == NULL)
		return -ENOMEM;
	if (chan->turns)
		turns_open(chan);
	else
		leat_spsc_init(&chan->spsc, &chan->first_tx.ring, &chan->first_rx.ring, chan->slots,
		               chan->item_size, chan->capacity);
	return 0;
}

static void wake_all(struct leat_chan *chan)
{
	leat_event_notify(&chan->items, LEAT_EVENT_ALL);
	leat_event_notify(&chan->room, LEAT_EVENT_ALL);
	leat_event_notify(&chan->done, LEAT_EVENT_ALL);
}

/*
 * The scope's hook: under the tree's lock. Receivers that have been answered a 0, or are gone, are
 * past cancelling.
 */
static void cancel(struct leat_scope_hook *hook, const void *spared)
{
	struct leat_chan *chan = caa_container_of(hook, struct leat_chan, hook);
	uint32_t ctl = leat_load_rlx(&chan->ctl); /* rlx: the swap decides */

	(void)spared;
	do {
		if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_RX_GONE))
			return;
		/* K1: pairs with attempt_recv() */
	} while (!leat_cas_acqrel(&chan->ctl, &ctl, ctl | LEAT_CTL_CANCELED));
	wake_all(chan);
}

static void chan_free(struct leat_chan *chan)
{
	leat_os_free(chan->first_tx.scratch);
	leat_os_free(chan->slots);
	leat_os_free(chan->end);
	leat_os_free(chan->producer);
	leat_os_free(chan);
}

static void chan_init(struct leat_chan *chan, size_t item_size, const struct leat_chan_opts *opts)
{
	chan->kind = opts->kind;
	chan->send_wait = opts->send_wait;
	chan->recv_wait = opts->recv_wait;
	chan->overflow = opts->overflow;
	chan->item_size = item_size;
	chan->capacity = opts->capacity != 0 ? opts->capacity : DEFAULT_CAPACITY;
	chan->discard = opts->discard;
	chan->discard_arg = opts->discard_arg;
	chan->turns = opts->kind != LEAT_SPSC || opts->overflow == LEAT_DROP_OLDEST;
	chan->hook.cancel = cancel;
	leat_name_copy(chan->name, opts->name);
	leat_mutex_init(&chan->lock);
	leat_event_init(&chan->items, &chan->ctl, LEAT_CTL_RX_PARKED);
	leat_event_init(&chan->room, &chan->ctl, LEAT_CTL_TX_PARKED);
	leat_event_init(&chan->done, &chan->ctl, 0);
	if (opts->full_fence || !leat_os_fence_heavy_prepare())
		/* rlx: nobody else knows the channel yet */
		leat_store_rlx(&chan->ctl, LEAT_CTL_FENCED);
	handle_init(&chan->first_tx, chan, true);
	handle_init(&chan->first_rx, chan, false);
}

int leat_chan_create(struct leat_scope *scope, size_t item_size, const struct leat_chan_opts *opts,
                     struct leat_tx **tx, struct leat_rx **rx)
{
	static const struct leat_chan_opts defaults;
	struct leat_chan *chan;
	int rc;

	if (opts == NULL)
		opts = &defaults;
	rc = leat_chan_check(opts);
	if (rc < 0)
		return rc;
	chan = leat_os_alloc(sizeof(*chan), LEAT_LINES_APART);
	if (chan == NULL)
		return -ENOMEM;
	chan_init(chan, item_size, opts);
	chan->end = leat_os_alloc(sizeof(*chan->end), 0);
	rc = chan->end == NULL ? -ENOMEM : ring_open(chan);
	if (rc == 0)
		rc = handle_scratch(&chan->first_tx);
	if (rc == 0)
		rc = leat_scope_attach(scope, &chan->hook);
	if (rc < 0) {
		chan_free(chan);
		return rc;
	}
	chan->scope = scope;
	handle_link(&chan->first_tx);
	if (rx != NULL) {
		handle_link(&chan->first_rx);
		*rx = &chan->first_rx.rx;
	}
	*tx = &chan->first_tx.tx;
	leat_registry_add(&chan->node, LEAT_NODE_CHAN, chan);
	return 0;
}

int leat_detail_chan_open(unsigned abi, struct leat_scope *scope, size_t item_size,
                          const struct leat_chan_opts *opts, struct leat_tx **tx,
                          struct leat_rx **rx)
{
	if (tx != NULL)
		*tx = NULL;
	if (rx != NULL)
		*rx = NULL;
	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (scope == NULL || item_size == 0 || tx == NULL || rx == NULL)
		return -EINVAL;
	return leat_chan_create(scope, item_size, opts, tx, rx);
}

/* For a caller by address or from another language, which is not checked. */
int(leat_chan_open)(struct leat_scope *scope, size_t item_size, const struct leat_chan_opts *opts,
                    struct leat_tx **tx, struct leat_rx **rx)
{
	return leat_chan_open(scope, item_size, opts, tx, rx);
}

/* A closed handle's memory serves the next clone; until then it still says that it is closed. */
static struct leat_handle *handle_clone(struct leat_handle *of)
{
	struct leat_chan *chan = leat_chan_of(of);
	struct leat_handle *h;

	leat_mutex_lock(&chan->lock);
	h = chan->closed[of->sender];
	if (h != NULL)
		chan->closed[of->sender] = h->next;
	leat_mutex_unlock(&chan->lock);
	if (h == NULL)
		h = leat_os_alloc(sizeof(*h), LEAT_LINES_APART);
	if (h == NULL)
		return NULL;
	handle_init(h, chan, of->sender);
	if (handle_scratch(h) < 0) {
		leat_os_free(h);
		return NULL;
	}
	leat_mutex_lock(&chan->lock);
	handle_link(h);
	leat_mutex_unlock(&chan->lock);
	return h;
}

struct leat_tx *leat_tx_clone(struct leat_tx *tx)
{
	struct leat_handle *h = leat_handle_of_tx(tx);

	if (h == NULL)
		return NULL;
	leat_handle_check(h, "leat_tx_clone");
	if (!leat_chan_many_senders(tx->chan) || tx->chan->item_size == 0)
		return NULL;
	h = handle_clone(h);
	return h == NULL ? NULL : &h->tx;
}

struct leat_rx *leat_rx_clone(struct leat_rx *rx)
{
	struct leat_handle *h = leat_handle_of_rx(rx);

	if (h == NULL || leat_rx_has_ops(rx))
		return NULL;
	leat_handle_check(h, "leat_rx_clone");
	if (!leat_chan_many_receivers(rx->chan))
		return NULL;
	h = handle_clone(h);
	return h == NULL ? NULL : &h->rx;
}

static void add_counts(struct leat_counts *to, const struct leat_counts *from)
{
	/* rlx: numbers, as they are now */
	to->blocked_ns += leat_load_rlx(&from->blocked_ns);
	to->parks += leat_load_rlx(&from->parks);                   /* rlx: the same */
	to->rejected += leat_load_rlx(&from->rejected);             /* rlx: the same */
	to->dropped_newest += leat_load_rlx(&from->dropped_newest); /* rlx: the same */
	if (leat_load_rlx(&from->peak) > to->peak)                  /* rlx: the same */
		to->peak = leat_load_rlx(&from->peak);              /* rlx: the same */
}

/* How many items a ring's positions have seen. */
static uint64_t tail_count(const struct leat_chan *chan)
{
	if (chan->turns)
		/* D3: after head; see look */
		return leat_mpmc_count(&chan->mpmc, leat_load_acq(&chan->mpmc.tail));
	/* D5: the head that the producer knows; pairs with leat_spsc_publish_to() */
	return leat_load_acq(&chan->first_tx.ring.pos);
}

static uint64_t head_count(const struct leat_chan *chan)
{
	if (chan->turns)
		/* D3: before tail; see look */
		return leat_mpmc_count(&chan->mpmc, leat_load_acq(&chan->mpmc.head));
	return leat_load_acq(&chan->spsc.head); /* D3: the same */
}

/* What was read of the claims of one side's handles. */
struct claims {
	uint64_t changes; /* of all, summed up: the same sum means that none has changed */
	/* one is about to change, so that it may count already and not yet in the position */
	bool claiming;
};

/* Less what one side's handles hold of a position and what was skipped. */
static uint64_t less_claimed(const struct leat_chan *chan, uint64_t count, bool by_senders,
                             uint64_t skipped, struct claims *claims)
{
	uint64_t not_yet = skipped;

	for (const struct leat_handle *h = chan->handles; h != NULL; h = h->next)
		if (h->sender == by_senders) {
			/* D4: pairs with tell_claimed() */
			uint64_t claimed = leat_load_acq(&h->claimed);

			claims->claiming |= (claimed & LEAT_CLAIMING) != 0;
			claims->changes += (claimed & ~LEAT_CLAIMING) / LEAT_CLAIM_CHANGE;
			not_yet += claimed & LEAT_CLAIM_ITEMS;
		}
	/* a claim may be newer than the position that was read */
	return count > not_yet ? count - not_yet : 0;
}

/* What one look reads. The tail is read between two readings of the head. */
struct reading {
	struct leat_last_stat now;
	uint64_t heads[2], counts[2]; /* positions; items taken and not held any more */
	struct claims by_receivers[2], by_senders;
	uint64_t least; /* so many were in flight when the tail was read, or more */
	/* 0: exactly in_flight were, else how far the head moved meanwhile, or 1 */
	uint64_t skew;
};

static void read_head(const struct leat_chan *chan, struct reading *r, int i)
{
	r->heads[i] = head_count(chan);
	/* D1: the same as dropped */
	r->counts[i] = less_claimed(chan, r->heads[i], false, leat_load_acq(&chan->skipped_taken),
	                            &r->by_receivers[i]);
}

/*
 * Makes figures of what was read: the head is the later one, which no items that came since can
 * make too much of. Claims of receivers that changed meanwhile may be newer than the head, so that
 * too little of it is told as delivered: then what is in flight is told by the position alone.
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

/* Reads the ring's figures. False when a drop was under way, so that they do not fit together. */
static bool read_ring(const struct leat_chan *chan, struct reading *r)
{
	/* D2: pairs with leat_chan_move_ended() */
	uint64_t ended = leat_load_acq(&chan->drops_ended);
	uint64_t tail, dropped = 0;

	memset(r, 0, sizeof(*r));
	read_head(chan, r, 0);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
		/* D1: before begun; pairs with leat_chan_drop_ended() */
		r->now.dropped[reason] = leat_load_acq(&chan->dropped[reason]);
		dropped += r->now.dropped[reason];
	}
	tail = tail_count(chan);
	/* rlx: a number */
	tail = less_claimed(chan, tail, true, leat_load_rlx(&chan->skipped_sent), &r->by_senders);
	read_head(chan, r, 1);
	settle_reading(chan, r, tail, dropped);
	/* rlx: D1: what must be read before it has been acquired */
	return leat_load_rlx(&chan->drops_begun) == ended;
}

static uint64_t accepted(const struct leat_last_stat *seen)
{
	uint64_t sum = seen->delivered + seen->in_flight;

	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		sum += seen->dropped[reason];
	return sum;
}

/*
 * Head, drops and tail that fit together: no drop was under way while they were read, and the head
 * stood still, so that what is told as in flight was so when the tail was read. Where the head
 * never stands still for so long the reading in which it moved least is told; then fewer may be
 * told as in flight than there were, and never more. Figures that went back were read while
 * something was being claimed; they are read again. A dropper or claimant that is held up does not
 * hold up the look, which after some tries tells what the last one saw. Under the lock.
 */
static void look_at_ring(struct leat_chan *chan)
{
	struct reading r, best = { .skew = UINT64_MAX };
	uint64_t peak = chan->seen.peak, most;

	if (chan->item_size == 0)
		return;
	for (int tries = 0; tries < LOOKS && best.skew != 0; tries++) {
		if (tries > 0)
			leat_pause();
		if (!read_ring(chan, &r))
			continue;
		most = r.skew == 0 ? r.now.in_flight : r.least;
		peak = most > peak ? most : peak;
		if (r.now.delivered >= chan->seen.delivered &&
		    accepted(&r.now) >= accepted(&chan->seen) && r.skew < best.skew)
			best = r;
	}
	chan->seen.peak = peak;
	if (best.skew == UINT64_MAX)
		return;
	memcpy(best.now.blocked_ns, chan->seen.blocked_ns, sizeof(best.now.blocked_ns));
	best.now.peak = peak;
	chan->seen = best.now;
}

void leat_chan_note_peak(struct leat_chan *chan)
{
	leat_mutex_lock(&chan->lock);
	look_at_ring(chan);
	leat_mutex_unlock(&chan->lock);
}

/* Adds what a handle counted, the wait under way included. */
static void look_at_handle(const struct leat_handle *h, struct leat_counts *counts, int64_t now_ns)
{
	/* rlx: a number; what looks tell never goes back */
	uint64_t base_ns = leat_load_rlx(&h->wait_base_ns);
	uint64_t before_ns = counts->blocked_ns, blocked_ns;

	add_counts(counts, &h->counts);
	blocked_ns = counts->blocked_ns - before_ns;
	if (base_ns != 0 && (uint64_t)now_ns > base_ns + blocked_ns)
		counts->blocked_ns = before_ns + (uint64_t)now_ns - base_ns;
}

void leat_chan_read_stat(struct leat_chan *chan, struct leat_chan_stat *stat)
{
	struct leat_counts counts[2];
	int64_t now_ns = leat_now_ns();
	struct leat_last_stat seen;

	memset(stat, 0, sizeof(*stat));
	leat_mutex_lock(&chan->lock);
	look_at_ring(chan);
	seen = chan->seen;
	memcpy(counts, chan->past, sizeof(counts));
	for (const struct leat_handle *h = chan->handles; h != NULL; h = h->next)
		look_at_handle(h, &counts[h->sender], now_ns);
	for (int side = 0; side < 2; side++) {
		/* a wait may have ended before this look's clock, and say so only after it */
		if (counts[side].blocked_ns < chan->seen.blocked_ns[side])
			counts[side].blocked_ns = chan->seen.blocked_ns[side];
		chan->seen.blocked_ns[side] = counts[side].blocked_ns;
	}
	stat->senders = chan->senders;
	stat->receivers = chan->receivers;
	leat_mutex_unlock(&chan->lock);

	stat->delivered = seen.delivered;
	stat->in_flight = seen.in_flight;
	memcpy(stat->dropped, seen.dropped, sizeof(stat->dropped));
	stat->id = chan->node.id;
	memcpy(stat->name, chan->name, sizeof(stat->name));
	stat->kind = chan->kind;
	stat->canceled = leat_load_rlx(&chan->ctl) & LEAT_CTL_CANCELED; /* rlx: a number */
	stat->item_size = chan->item_size;
	stat->capacity = chan->capacity;
	stat->dropped[LEAT_DROPPED_NEWEST] = counts[1].dropped_newest;
	stat->rejected = counts[1].rejected;
	stat->offered = stat->delivered + stat->in_flight + stat->rejected;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		stat->offered += stat->dropped[reason];
	stat->peak = counts[0].peak > counts[1].peak ? counts[0].peak : counts[1].peak;
	if (seen.peak > stat->peak)
		stat->peak = seen.peak;
	stat->send_blocked_ns = counts[1].blocked_ns;
	stat->recv_blocked_ns = counts[0].blocked_ns;
	stat->send_parks = counts[1].parks;
	stat->recv_parks = counts[0].parks;
}

enum leat_drop leat_chan_drop_reason(const struct leat_chan *chan)
{
	/* rlx: all handles are closed, or all receivers are */
	uint32_t ctl = leat_load_rlx(&chan->ctl);

	return ctl & LEAT_CTL_CANCELED ? LEAT_DROPPED_CANCELED : LEAT_DROPPED_ABANDONED;
}

/*
 * The last figures: nobody moves anything any more, so that what fits is right, whatever was seen
 * before.
 */
static void look_for_the_last_time(struct leat_chan *chan)
{
	leat_mutex_lock(&chan->lock); /* walks of the registry still look */
	chan->seen.delivered = 0;
	chan->seen.in_flight = 0;
	memset(chan->seen.dropped, 0, sizeof(chan->seen.dropped));
	look_at_ring(chan);
	leat_mutex_unlock(&chan->lock);
}

/*
 * The last handle is closed: nobody else can reach the channel but its scope and a walk of the
 * registry.
 */
static void chan_destroy(struct leat_chan *chan)
{
	struct leat_end *end = chan->end;
	struct leat_handle *h;

	leat_chan_drain(chan, leat_chan_drop_reason(chan));
	leat_scope_detach(chan->scope, &chan->hook);
	look_for_the_last_time(chan);
	leat_chan_read_stat(chan, &end->chan);
	if (end->chan.in_flight != 0)
		leat_die("channel \"%s\": its books do not balance: %llu items in flight after the "
		         "last was taken out",
		         chan->name, (unsigned long long)end->chan.in_flight);
	end->kind = LEAT_NODE_CHAN;
	end->chan.ended = true;
	for (int side = 0; side < 2; side++)
		while ((h = chan->closed[side]) != NULL) {
			chan->closed[side] = h->next;
			leat_os_free(h->scratch);
			if (h != &chan->first_tx && h != &chan->first_rx)
				leat_os_free(h);
		}
	leat_os_free(chan->slots);
	leat_os_free(chan->producer);
	leat_registry_remove(&chan->node, end);
}

/* Under the lock: whether this was the last that anybody wanted of the channel. */
static bool unused(const struct leat_chan *chan)
{
	return chan->senders == 0 && chan->receivers == 0 && chan->holds == 0;
}

/*
 * The first steps of a close: gives up what is held, and makes sure that a use after it is noticed.
 */
static void handle_retire(struct leat_handle *h)
{
	leat_handle_let_go(h);
	leat_spsc_shut(&h->ring);
	h->fast = NULL;
	h->open = false;
	leat_chan_fd_close((struct leat_waitable *)(void *)h, &h->watch);
	leat_wake_fd_close(&h->wake_fd);
}

/* Under the lock. */
static void handle_unlink(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	if (h->prev != NULL)
		h->prev->next = h->next;
	else
		chan->handles = h->next;
	if (h->next != NULL)
		h->next->prev = h->prev;
	h->next = chan->closed[h->sender];
	chan->closed[h->sender] = h;
	add_counts(&chan->past[h->sender], &h->counts);
}

/*
 * The side's own part of the last close (told by its bit in ctl), before the count of handles lets
 * anybody else destroy the channel.
 */
static bool last_of_side(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);
	bool last;

	leat_mutex_lock(&chan->lock);
	last = (h->sender ? chan->senders : chan->receivers) == 1;
	if (!last) {
		handle_unlink(h);
		if (h->sender)
			chan->senders--;
		else
			chan->receivers--;
	}
	leat_mutex_unlock(&chan->lock);
	return last;
}

static void close_side(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);
	bool last;

	leat_mutex_lock(&chan->lock);
	handle_unlink(h);
	if (h->sender)
		chan->senders--;
	else
		chan->receivers--;
	last = unused(chan);
	leat_mutex_unlock(&chan->lock);
	if (last)
		chan_destroy(chan);
}

void leat_chan_hold(struct leat_chan *chan)
{
	leat_mutex_lock(&chan->lock);
	chan->holds++;
	leat_mutex_unlock(&chan->lock);
}

void leat_chan_let_go(struct leat_chan *chan)
{
	bool last;

	leat_mutex_lock(&chan->lock);
	chan->holds--;
	last = unused(chan);
	leat_mutex_unlock(&chan->lock);
	if (last)
		chan_destroy(chan);
}

void leat_chan_fail_tx(struct leat_chan *chan)
{
	uint32_t ctl = leat_load_rlx(&chan->ctl); /* rlx: the swap decides */

	do {
		if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE | LEAT_CTL_TX_GONE))
			return;
		/* K1: pairs with attempt_recv() */
	} while (!leat_cas_acqrel(&chan->ctl, &ctl, ctl | LEAT_CTL_TX_FAILED));
	wake_all(chan);
}

void leat_tx_close(struct leat_tx *tx)
{
	struct leat_handle *h = leat_handle_of_tx(tx);
	struct leat_chan *chan;

	if (h == NULL)
		return;
	leat_handle_check(h, "leat_tx_close");
	chan = leat_chan_of(h);
	handle_retire(h);
	if (!last_of_side(h))
		return;
	leat_chan_note_peak(chan);
	/* K1: items before TX_GONE; pairs with attempt_recv() */
	leat_or_acqrel(&chan->ctl, LEAT_CTL_TX_GONE);
	leat_event_notify(&chan->items, LEAT_EVENT_ALL);
	close_side(h);
}

void leat_rx_close(struct leat_rx *rx)
{
	struct leat_handle *h = leat_handle_of_rx(rx);
	struct leat_chan *chan;

	if (h == NULL)
		return;
	if (leat_rx_has_ops(rx)) {
		leat_rx_ops_of(rx)->close(rx);
		return;
	}
	leat_handle_check(h, "leat_rx_close");
	chan = leat_chan_of(h);
	handle_retire(h);
	if (!last_of_side(h))
		return;
	leat_chan_note_peak(chan);
	/* K1: what was done before; pairs with leat_chan_refusal() */
	leat_or_acqrel(&chan->ctl, LEAT_CTL_RX_GONE);
	leat_event_notify(&chan->room, LEAT_EVENT_ALL);
	leat_event_notify(&chan->done, LEAT_EVENT_ALL);
	if (chan->producer != NULL)
		chan->producer->end(chan->producer);
	leat_chan_drain(chan, leat_chan_drop_reason(chan));
	close_side(h);
}

bool leat_tx_done(const struct leat_tx *tx)
{
	return tx == NULL || leat_chan_refusal(tx->chan) != 0;
}

struct leat_scope *leat_tx_scope(const struct leat_tx *tx)
{
	return tx == NULL ? NULL : tx->chan->scope;
}

int leat_tx_fail(struct leat_tx *tx, int code, const char *text)
{
	struct leat_chan *chan;

	if (tx == NULL || code >= 0)
		return -EINVAL;
	leat_handle_check(leat_handle_of_tx(tx), "leat_tx_fail");
	chan = tx->chan;
	leat_mutex_lock(&chan->lock);
	if (!chan->has_words) {
		chan->has_words = true;
		chan->words_code = code;
		leat_text_copy(chan->words, text);
	}
	leat_mutex_unlock(&chan->lock);
	return code;
}

void leat_chan_words(struct leat_chan *chan, char text[LEAT_TEXT_MAX + 1])
{
	leat_mutex_lock(&chan->lock);
	memcpy(text, chan->words, sizeof(chan->words));
	leat_mutex_unlock(&chan->lock);
}

void leat_chan_set_outcome(struct leat_chan *chan, const struct leat_outcome *outcome)
{
	leat_mutex_lock(&chan->lock);
	chan->outcome = *outcome;
	chan->outcome.known = true;
	leat_mutex_unlock(&chan->lock);
}

/* A plain channel's end, or a cancelled one's whose generator has not ended yet. */
static enum leat_cause cause_without_generator(const struct leat_chan *chan, uint32_t ctl,
                                               int *code, const char **text)
{
	if (ctl & LEAT_CTL_CANCELED)
		return leat_scope_cause(chan->scope, code, text);
	*code = chan->has_words ? chan->words_code : 0;
	*text = chan->words;
	return chan->has_words ? LEAT_FAILED : LEAT_COMPLETED;
}

int leat_rx_status(const struct leat_rx *rx, enum leat_cause *cause, int *code, const char **text)
{
	struct leat_chan *chan;
	enum leat_cause its_cause;
	const char *its_text;
	int its_code;
	uint32_t ctl;

	if (rx == NULL)
		return -EINVAL;
	if (leat_rx_has_ops(rx))
		return leat_rx_ops_of(rx)->status(rx, cause, code, text);
	leat_handle_check(leat_handle_of_rx(rx), "leat_rx_status");
	chan = rx->chan;
	/* K1: what was done before the end; pairs with leat_tx_close(), cancel() */
	ctl = leat_load_acq(&chan->ctl);
	if (!(ctl & (LEAT_CTL_TX_GONE | LEAT_CTL_CANCELED | LEAT_CTL_TX_FAILED)))
		return -EAGAIN;
	leat_mutex_lock(&chan->lock);
	if (chan->outcome.known) {
		its_cause = chan->outcome.cause;
		its_code = chan->outcome.code;
		its_text = chan->outcome.text;
	} else {
		its_cause = cause_without_generator(chan, ctl, &its_code, &its_text);
	}
	leat_mutex_unlock(&chan->lock);
	if (cause != NULL)
		*cause = its_cause;
	if (code != NULL)
		*code = its_code;
	if (text != NULL)
		*text = its_text;
	return 0;
}
