/*
 * Opening a broadcast, joining it and leaving it. How a join meets senders that are under way is in
 * runtime/broadcast/broadcast.h, Room.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/broadcast/broadcast.h"
#include "runtime/chan/endings.h"
#include "runtime/chan/handle.h"
#include "runtime/chan/transfer.h"

#include <limits.h>
#include <string.h>

enum { CAPACITY = 1024 };

/* --- open --- */

static int check_broadcast_opts(const struct leat_broadcast_opts *opts)
{
	if (opts->kind != LEAT_SPSC && opts->kind != LEAT_SPMC && opts->kind != LEAT_MPMC)
		return -EINVAL;
	if (opts->subscribers > LEAT_SUBSCRIBERS_MOST || (opts->skip && opts->discard != NULL))
		return -EINVAL;
	return leat_words_unused(opts->reserved, sizeof(opts->reserved) / sizeof(opts->reserved[0]))
	               ? 0
	               : -EINVAL;
}

static int open_lines(struct leat_broadcast *bc, size_t item_size)
{
	/* one slot more: runtime/broadcast/broadcast.h, Room */
	size_t bytes = bc->capacity == SIZE_MAX ? 0 : leat_spsc_bytes(item_size, bc->capacity + 1);

	if (bytes == 0)
		return -ENOMEM;
	bc->slots = leat_os_alloc(bytes, 64);
	return bc->slots == NULL ? -ENOMEM : 0;
}

void leat_broadcast_free(struct leat_broadcast *bc)
{
	if (bc->turns)
		leat_turns_free(bc);
	else
		leat_os_free(bc->slots);
	leat_os_free(bc->subs);
	leat_os_free(bc);
}

static int make_broadcast(const struct leat_broadcast_opts *opts, size_t item_size,
                          struct leat_broadcast **made)
{
	struct leat_broadcast *bc = leat_os_alloc(sizeof(*bc), LEAT_LINES_APART);
	int rc;

	if (bc == NULL)
		return -ENOMEM;
	bc->most = opts->subscribers != 0 ? opts->subscribers : LEAT_SUBSCRIBERS;
	bc->capacity = opts->capacity != 0 ? opts->capacity : CAPACITY;
	bc->skip = opts->skip;
	bc->turns = opts->skip || opts->kind == LEAT_MPMC;
	bc->wait_for_first = opts->wait_for_first;
	leat_mutex_init(&bc->scan_lock);
	leat_mutex_init(&bc->patience_lock);
	bc->places = bc->most * 2; /* for those that have closed, while others come after them */
	bc->subs = leat_os_alloc(bc->places * sizeof(*bc->subs), LEAT_LINES_APART);
	rc = bc->subs == NULL ? -ENOMEM
	     : bc->turns      ? leat_turns_open(bc, item_size)
	                      : open_lines(bc, item_size);
	if (rc < 0) {
		leat_broadcast_free(bc);
		return rc;
	}
	*made = bc;
	return 0;
}

void leat_broadcast_opened(struct leat_chan *chan)
{
	struct leat_broadcast *bc = leat_broadcast_of(chan);

	bc->chan = chan;
	bc->plain = bc->turns && !bc->skip && chan->discard == NULL &&
	            chan->item_size == sizeof(uint64_t);
	leat_event_init(&bc->stage, &chan->ctl, LEAT_CTL_STAGE_PARKED);
	if (bc->turns)
		return;
	/* the inline bodies must not pass items that are to be discarded */
	bc->tx = chan->discard == NULL ? &chan->first_tx.spsc : &bc->own_tx;
	leat_store_rlx(&chan->spsc.tail, 0); /* rlx: no other thread knows the ring yet */
	leat_spsc_init_cursor(bc->tx, &chan->spsc, bc->slots, chan->item_size, bc->capacity + 1);
	bc->tx->capacity = bc->capacity;
	bc->tx->head = &bc->lowest;
	bc->tx->room = bc->wait_for_first ? 0 : bc->capacity;
}

int leat_detail_broadcast_open(unsigned abi, struct leat_scope *scope, size_t item_size,
                               const struct leat_broadcast_opts *opts,
                               struct leat_broadcast **broadcast, struct leat_tx **tx)
{
	static const struct leat_broadcast_opts defaults;
	struct leat_chan_opts chan_opts;
	struct leat_broadcast *bc = NULL;
	struct leat_chan *chan;
	int rc;

	if (broadcast != NULL)
		*broadcast = NULL;
	if (tx != NULL)
		*tx = NULL;
	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (scope == NULL || item_size == 0 || broadcast == NULL || tx == NULL)
		return -EINVAL;
	if (opts == NULL)
		opts = &defaults;
	rc = check_broadcast_opts(opts);
	if (rc < 0)
		return rc;
	chan_opts = (struct leat_chan_opts){
		.name = opts->name,
		/* a subscriber is single */
		.kind = opts->kind == LEAT_MPMC ? LEAT_MPSC : LEAT_SPSC,
		.capacity = opts->capacity,
		.send_wait = opts->send_wait,
		.discard = opts->discard,
		.discard_arg = opts->discard_arg,
	};
	rc = leat_chan_check(&chan_opts);
	if (rc == 0)
		rc = make_broadcast(opts, item_size, &bc);
	if (rc < 0)
		return rc;
	rc = leat_chan_create_broadcast(scope, item_size, &chan_opts, bc, &leat_broadcast_ring,
	                                &leat_sub_ops, &chan);
	if (rc < 0) {
		leat_broadcast_free(bc);
		return rc;
	}
	*broadcast = bc;
	*tx = &chan->first_tx.tx;
	return 0;
}

void leat_broadcast_close(struct leat_broadcast *broadcast)
{
	if (broadcast != NULL)
		leat_chan_close_to_more(broadcast->chan);
}

/* --- join --- */

static struct leat_sub *find_gate(const struct leat_broadcast *bc, struct leat_rx *rx)
{
	struct leat_sub *gate;

	if (!leat_rx_is_sub(rx))
		return NULL;
	gate = leat_sub_of(leat_handle_of_rx(rx));
	leat_handle_check(&gate->h, "leat_broadcast_subscribe");
	return gate->bc == bc && gate->lag == LEAT_LAG_WAIT ? gate : NULL;
}

static int check_subscribe_opts(const struct leat_broadcast *bc,
                                const struct leat_subscribe_opts *opts)
{
	char name[LEAT_NAME_MAX + 1];

	if ((unsigned)opts->from > LEAT_FROM_SEQ || (unsigned)opts->lag > LEAT_LAG_EVICT ||
	    (unsigned)opts->recv_wait > LEAT_WAIT_PARK || !leat_name_copy(name, opts->name))
		return -EINVAL;
	if ((opts->lag == LEAT_LAG_SKIP && !bc->skip) ||
	    (opts->lag != LEAT_LAG_WAIT && bc->chan->discard != NULL))
		return -EINVAL;
	if (opts->after_count > LEAT_AFTER_MOST || (opts->after_count > 0 && opts->after == NULL))
		return -EINVAL;
	for (size_t i = 0; i < opts->after_count; i++)
		if (find_gate(bc, opts->after[i]) == NULL)
			return -EINVAL;
	return leat_words_unused(opts->reserved, sizeof(opts->reserved) / sizeof(opts->reserved[0]))
	               ? 0
	               : -EINVAL;
}

/* Caller holds chan->lock. NULL: the table is full. */
static struct leat_sub *take_slot(struct leat_broadcast *bc)
{
	if (bc->chan->receivers + bc->joining >= bc->most)
		return NULL;
	for (unsigned i = 0; i < bc->places; i++) {
		struct leat_sub *sub = &bc->subs[i];

		/* rlx: written holding this lock */
		if (leat_load_rlx(&sub->state) != LEAT_SUB_FREE || sub->taken)
			continue;
		if (i == leat_load_rlx(&bc->used))        /* rlx: the same */
			leat_store_rlx(&bc->used, i + 1); /* rlx: as leat_broadcast_scan() */
		sub->taken = true;
		bc->joining++;
		return sub;
	}
	return NULL;
}

/* leat/ring/tuning.h */
static bool hands_back(const struct leat_sub *sub)
{
	const struct leat_ring_tuning tuning = leat_ring_tune();

	if (!tuning.hand_back || sub->bc->chan->discard != NULL || sub->lag != LEAT_LAG_WAIT)
		return false;
	/* one that may come to follow the sender, beside an editor, must not write to its items */
	if (tuning.shared && (sub->cursor->packed || !sub->after_optional))
		return true;
	return sub->cursor->packed ? sub->after_count == 0 : sub->bc->most == 1;
}

static void init_sub(struct leat_sub *sub, struct leat_broadcast *bc,
                     const struct leat_subscribe_opts *opts)
{
	struct leat_chan *chan = bc->chan;

	sub->bc = bc;
	sub->lag = opts->lag;
	sub->owes = sub->ended = sub->gate_ended = sub->has_copy = false;
	sub->after_optional = opts->after_optional;
	sub->after_count = opts->after_count;
	for (size_t i = 0; i < opts->after_count; i++)
		sub->after[i] = find_gate(bc, opts->after[i]);
	sub->ended_by[0] = '\0';
	leat_name_copy(sub->name, opts->name);
	leat_store_rlx(&sub->missed, 0);    /* rlx: no other thread has the handle yet */
	leat_store_rlx(&sub->delivered, 0); /* rlx: the same */
	sub->patience_ns = opts->patience_ns;
	/* rlx: a number, and no head is that high */
	leat_store_rlx(&sub->stuck_at, UINT64_MAX);
	leat_handle_init(&sub->h, chan, false);
	sub->h.wait = opts->recv_wait;
	sub->h.bound_word.functions = &leat_bound_sub_ops;
	sub->plain = bc->turns && opts->lag == LEAT_LAG_WAIT && opts->after_count == 0 &&
	             chan->discard == NULL;
	if (bc->turns)
		return;
	sub->cursor =
		opts->lag == LEAT_LAG_EVICT || chan->discard != NULL ? &sub->own : &sub->h.spsc;
	leat_spsc_init_cursor(sub->cursor, &chan->spsc, bc->slots, chan->item_size,
	                      bc->capacity + 1);
	sub->cursor->head = &sub->head;
	sub->cursor->hand_back = hands_back(sub);
}

/* Places a consumer's cursor at a position that the ring still has. */
static void place_cursor(struct leat_spsc_cursor *rx, uint64_t pos)
{
	rx->pos = pos - pos % rx->run;
	leat_spsc_enter_run(rx, leat_broadcast_run_of(rx, pos));
	rx->pos = rx->limit = pos;
}

/*
 * From now on senders wait for this subscriber. Returns the tail after that; *oldest is the oldest
 * position whose slot still has its item. Caller holds chan->lock.
 */
static uint64_t add_gate(struct leat_sub *sub, uint64_t *oldest)
{
	struct leat_broadcast *bc = sub->bc;
	struct leat_chan *chan = bc->chan;
	uint64_t tail = leat_broadcast_tail(bc), granted, limit, spare;

	*oldest = leat_broadcast_oldest(bc, tail);
	leat_store_rlx(&sub->head, *oldest); /* rlx: H2 publishes it */
	/* H2: pairs with leat_broadcast_scan() */
	leat_store_rel(&sub->gating, sub->lag != LEAT_LAG_SKIP);
	if (bc->turns) {
		leat_mutex_lock(&bc->scan_lock);
		limit = *oldest + bc->capacity;
		/* rlx: the lock */
		if (sub->lag != LEAT_LAG_SKIP && (int64_t)(leat_load_rlx(&bc->limit) - limit) > 0)
			leat_store_rel(&bc->limit, limit); /* L1: as find_room() */
		tail = leat_turns_join(bc);
		leat_mutex_unlock(&bc->scan_lock);
		*oldest = leat_broadcast_oldest(bc, tail);
		return tail;
	}
	leat_or_acqrel(&chan->ctl, LEAT_CTL_JOINED); /* J1: pairs with announce() */
	/* J1: the bit before granted and pos; rlx: constant */
	leat_event_fence(!(leat_load_rlx(&chan->ctl) & LEAT_CTL_FENCED));
	granted = leat_load_acq(&chan->first_tx.tx.granted); /* J1: pairs with announce() */
	tail = leat_broadcast_tail(bc);
	*oldest = leat_broadcast_oldest(bc, tail);
	spare = chan->discard == NULL;
	if (granted > tail && granted > *oldest + bc->capacity + spare)
		*oldest = granted - bc->capacity - spare;
	/* rlx: granted, or the tail, was loaded with acquire; 0 without discard */
	if (leat_load_rlx(&bc->discarded) > *oldest)
		*oldest = leat_load_rlx(&bc->discarded); /* rlx: the same */
	return tail;
}

/* Where a subscriber begins. */
static int choose_start(const struct leat_subscribe_opts *opts, uint64_t tail, uint64_t oldest,
                        uint64_t *start)
{
	*start = tail;
	if (opts->from == LEAT_FROM_OLDEST)
		*start = oldest;
	if (opts->from != LEAT_FROM_SEQ)
		return 0;
	if (opts->seq < oldest || opts->seq > tail)
		return -ERANGE;
	*start = opts->seq;
	return 0;
}

/* Caller holds chan->lock. */
static int join(struct leat_sub *sub, const struct leat_subscribe_opts *opts)
{
	struct leat_broadcast *bc = sub->bc;
	uint64_t oldest, tail, start;
	int rc;

	if (opts->from != LEAT_FROM_NOW)
		/* what was delivered before this subscriber came, to which it may go back */
		leat_broadcast_ring.read_figures(bc->chan, &bc->chan->last_stat);
	tail = add_gate(sub, &oldest);
	rc = choose_start(opts, tail, oldest, &start);
	if (rc < 0) {
		leat_store_rel(&sub->gating, 0); /* H2: pairs with leat_broadcast_scan() */
		return rc;
	}
	for (size_t i = 0; i < sub->after_count; i++)
		/* rlx: written holding chan->lock; a hint to others */
		leat_store_rlx(&sub->after[i]->followers,
		               leat_load_rlx(&sub->after[i]->followers) + 1); /* rlx: the same */
	if (bc->turns)
		leat_store_rlx(&sub->pos, start); /* rlx: no other thread has the handle yet */
	else
		place_cursor(sub->cursor, start);
	sub->start = start;
	leat_sub_set_source(sub);
	sub->h.event = leat_sub_event(sub);
	if (sub->cursor == &sub->own || bc->turns)
		leat_spsc_disable(&sub->h.spsc);
	/* R2: nothing read yet; pairs with A2 in leat_broadcast_scan() */
	leat_store_rel(&sub->head, start);
	leat_store_rel(&sub->state, LEAT_SUB_IDLE); /* H2: pairs with evict() */
	leat_handle_link(&sub->h);
	/* rlx: as leat_broadcast_must_wait() */
	leat_store_rlx(&bc->has_had_one, 1);
	return 0;
}

/* Joins with a place that was taken. The place must not be given away before this returns. */
static int join_place(struct leat_sub *sub, const struct leat_subscribe_opts *opts)
{
	struct leat_chan *chan = sub->bc->chan;
	const bool evictable = opts->lag == LEAT_LAG_EVICT;
	int rc = 0;

	if (evictable) {
		sub->timer = (struct leat_timer){ .due = { .due_ns = LEAT_NEVER },
			                          .fire = leat_sub_fire_timer };
		rc = leat_timer_add(&sub->timer);
	}
	if (rc < 0)
		return rc;
	leat_mutex_lock(&chan->lock);
	rc = join(sub, opts);
	leat_mutex_unlock(&chan->lock);
	if (rc < 0 && evictable)
		leat_timer_remove(&sub->timer);
	if (rc == 0 && evictable)
		leat_sub_set_timed(sub, true);
	leat_sub_notify(sub); /* a sender may wait for it by now, or have waited for the first */
	return rc;
}

static int subscribe(struct leat_broadcast *bc, const struct leat_subscribe_opts *opts,
                     struct leat_rx **rx)
{
	struct leat_sub *sub;
	int rc;

	leat_mutex_lock(&bc->chan->lock);
	sub = take_slot(bc);
	leat_mutex_unlock(&bc->chan->lock);
	if (sub == NULL)
		return -ENOSPC;
	init_sub(sub, bc, opts);
	rc = join_place(sub, opts);
	leat_mutex_lock(&bc->chan->lock);
	sub->taken = false;
	bc->joining--;
	leat_mutex_unlock(&bc->chan->lock);
	if (rc == 0)
		*rx = &sub->h.rx;
	return rc;
}

int leat_detail_broadcast_subscribe(unsigned abi, struct leat_broadcast *bc,
                                    const struct leat_subscribe_opts *opts, struct leat_rx **rx)
{
	static const struct leat_subscribe_opts defaults;
	int rc;

	if (rx != NULL)
		*rx = NULL;
	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (bc == NULL || rx == NULL)
		return -EINVAL;
	if (opts == NULL)
		opts = &defaults;
	rc = check_subscribe_opts(bc, opts);
	if (rc < 0)
		return rc;
	if (leat_scope_cause(bc->chan->scope, NULL, NULL) != LEAT_RUNNING)
		return -ECANCELED;
	return subscribe(bc, opts, rx);
}

/* --- leave --- */

void leat_sub_close(struct leat_rx *rx)
{
	struct leat_handle *h = leat_handle_of_rx(rx);
	struct leat_sub *sub = leat_sub_of(h);
	struct leat_broadcast *bc = sub->bc;

	leat_handle_check(h, "leat_rx_close");
	if (sub->lag == LEAT_LAG_EVICT) {
		leat_sub_set_timed(sub, false);
		leat_timer_remove(&sub->timer);
	}
	h->held = 0;
	leat_sub_release_owed(sub);
	leat_os_free(sub->copy);
	sub->copy = NULL;
	leat_chan_hold(bc->chan);
	leat_chan_close_rx(rx);
	leat_broadcast_notify_left(bc);
	leat_chan_let_go(bc->chan);
}

/* A slot of the table is free once its subscriber has closed and none comes after it any more. */
static void settle_slot(struct leat_sub *sub)
{
	/* rlx: chan->lock is held; O1: take_slot() holds it, too */
	if (leat_load_rlx(&sub->state) == LEAT_SUB_CLOSED && leat_load_rlx(&sub->followers) == 0)
		leat_store_rlx(&sub->state, LEAT_SUB_FREE);
}

/* Caller holds chan->lock. */
void leat_sub_unlinked(struct leat_handle *h)
{
	struct leat_sub *sub = leat_sub_of(h);
	struct leat_broadcast *bc = sub->bc;
	const uint32_t over = LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE;

	/* rlx: the lock orders the last close; a later cancel finds nothing left behind */
	if (leat_load_rlx(&bc->chan->ctl) & over && leat_load_rlx(&sub->gating) &&
	    !bc->left_behind) {
		bc->left_behind = true;
		bc->passed = leat_broadcast_scan(bc, 0);
	}
	/* H2: its last head; pairs with is_closed() */
	leat_store_rel(&sub->state, LEAT_SUB_CLOSED);
	leat_store_rel(&sub->gating, 0); /* H2: pairs with leat_broadcast_scan() */
	for (size_t i = 0; i < sub->after_count; i++) {
		/* rlx: written holding chan->lock */
		leat_store_rlx(&sub->after[i]->followers,
		               leat_load_rlx(&sub->after[i]->followers) - 1); /* rlx: the same */
		settle_slot(sub->after[i]);
	}
	settle_slot(sub);
}

/* For a caller that takes the address, or from another language: its layout is not checked. */
int(leat_broadcast_open)(struct leat_scope *scope, size_t item_size,
                         const struct leat_broadcast_opts *opts, struct leat_broadcast **broadcast,
                         struct leat_tx **tx)
{
	return leat_broadcast_open(scope, item_size, opts, broadcast, tx);
}

int(leat_broadcast_subscribe)(struct leat_broadcast *broadcast,
                              const struct leat_subscribe_opts *opts, struct leat_rx **rx)
{
	return leat_broadcast_subscribe(broadcast, opts, rx);
}
