/*
 * runtime/broadcast/broadcast.h: the inside of a broadcast.
 *
 * A broadcast is a channel (runtime/chan) with another ring. Its sender is a handle of that
 * channel; each subscriber is one too, in a table that is allocated at open. The channel's code
 * waits, cancels, stops, closes and counts as for any channel, and calls the functions of
 * struct leat_chan_ring for what is different.
 *
 * Two rings. With one sender and no subscriber that may be overtaken, the ring is that of
 * leat/ring/spsc.h with a consumer's cursor for each subscriber: items move by the inline bodies of
 * leat_send() and leat_recv(), at their price. Else each slot has a turn (turns.c).
 *
 *     line   field              writer              reader               published by
 *     S      word, items        the sender          subscribers          R1, A1 of leat/ring/spsc.h
 *     B      head, gating       its subscriber,     the sender, the      R2 of leat/ring/spsc.h,
 *            (each subscriber)  joiner, evicter     subscribers after    H2
 *     G      lowest             the sender          -                    private
 *     handle granted            the sender          joiner               J1
 *     T      tail               senders, joiner     all                  J2, T1
 *     L      limit              a scanning sender,  senders              L1
 *                               joiner
 *     slots  turn               senders             subscribers          T1, T2
 *     cold   the rest           holding the channel's lock
 *
 *     R2  a subscriber stores head      ->  A2  a scan loads head         it has read the items
 *                                                                         before that position
 *     H2  a subscriber's gating or      ->  H2  a scan loads it, or a     its head before that
 *         state is stored                       subscriber after it
 *     J1  a joiner sets JOINED, heavy   <->  the sender stores granted
 *         fence, loads granted and pos       or pos, light fence, loads ctl
 *     J2  a joiner lowers limit and     ->  J2  a sender loads tail,      the lowered limit
 *         swaps tail                            then limit
 *     L1  limit is stored after a scan  ->  L1  a sender loads it         the slots are free
 *     N1  a subscriber stores head,     <->  another subscriber does
 *         full fence, scans the heads        the same
 *     N2  the timer resets stuck_at,    <->  a subscriber ends a copy,
 *         full fence, loads state            full fence, loads stuck_at
 *     T1  a sender stores turn          ->  T1  a subscriber loads turn   the item is written
 *     T2  a sender stores turn, then    ->  T2  a subscriber that may     a copy that was overtaken
 *         words of the item                     be overtaken loads        is noticed
 *                                               words, then turn
 *     O1  leaving a slot of the table   ->  O1  a joiner takes it         what its last user did
 *
 * Room. The sender may write position p once every gating subscriber has released p - capacity. It
 * scans the heads only when it has used up the room that its last scan found. Invariant: it never
 * writes a slot that a gating subscriber has still to read. A subscriber that joins between two
 * scans could break that:
 *
 *     the sender                              a joiner at position p
 *     scans: no subscriber; room up to
 *     tail + capacity
 *                                             stores head = p, gating
 *     writes on, past p + capacity, without
 *     a scan
 *
 * With one sender: the joiner sets JOINED in the control word, which every send loads anyway, and
 * executes a heavy fence. A send whose load came after that fence reads the bit and scans again; it
 * alone clears the bit, before it scans. At most one item that an inline body began to write before
 * is still under way, at the position that the joiner then reads, and a batch ends at `granted`,
 * which the sender has stored in its handle before it loaded the bit. There is one slot more than
 * the capacity, so the slot that this one item goes to is not among the last `capacity` ones.
 * Therefore the joiner may start at any of those.
 *
 * With turns: a sender claims by a swap of tail, and the joiner, which holds scan_lock, lowers
 * limit and then changes the low bits of tail. So a sender that has loaded the limit before loses
 * its swap and loads both again. (Those bits count joins modulo 256: a sender would have to stand
 * between its load and its swap while 256 subscribers join and no other sender sends.)
 *
 * Waiting. Subscribers wait for senders on the channel's event `items`, which a send notifies with
 * all its waiters. Senders wait on `room`, and subscribers that come after others on `stage`. A
 * subscriber that has released items reads TX_PARKED and STAGE_PARKED as a receiver does (C2). It
 * notifies senders only where a scan finds room, or each release of the fastest subscriber would
 * wake a sender that waits for the slowest. Two subscribers may release the last two slots at the
 * same time; if neither read the other's head, neither would notify the sender:
 *
 *     subscriber A                        subscriber B
 *     stores head (in its buffer)         stores head (in its buffer)
 *     scans: B is behind                  scans: A is behind
 *     notifies no sender                  notifies no sender
 *
 * Therefore each executes a full fence between its store and its scan (N1).
 *
 * Eviction. A subscriber with LEAT_LAG_EVICT copies between two swaps of its state: IDLE to READING
 * and back. A timer evicts it by a swap of IDLE to EVICTED; so no slot is written that it copies.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_BROADCAST_BROADCAST_H
#define LEAT_RUNTIME_BROADCAST_BROADCAST_H

#include "runtime/chan/block.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/transfer.h"
#include "runtime/scope/timer.h"

#include <leat/broadcast.h>

enum { LEAT_AFTER_MOST = 16, LEAT_SUBSCRIBERS_MOST = 4096, LEAT_SUBSCRIBERS = 16 };

/* What a place of the table is. */
enum leat_sub_state {
	LEAT_SUB_FREE,
	LEAT_SUB_IDLE,
	LEAT_SUB_READING, /* of LEAT_LAG_EVICT alone */
	LEAT_SUB_EVICTED,
	LEAT_SUB_CLOSED /* others that come after it still use its head */
};

struct leat_sub {
	struct leat_handle h;
	struct leat_broadcast *bc;
	enum leat_lag lag;
	/* the consumer's cursor: h.spsc, or, where the inline bodies must not run, `own` */
	struct leat_spsc_cursor *cursor, own;
	uint64_t pos;     /* with turns: the next item to receive */
	/*
	 * of a stage with several gates: how far all of them have come; of one that begins before
	 * its gates do: as far as that the sender has written, too
	 */
	uint64_t allowed;
	uint64_t gates_start; /* none of the gates it waits for has read items before this position */
	bool taken;       /* a join is under way: chan->lock */
	bool owes;        /* with discard: the next call releases what the last one copied */
	bool ended;       /* a receive has returned 0 */
	/* with turns: it waits for senders alone, is not overtaken, and releases what it copies */
	bool plain;
	bool has_copy;   /* a sink's: `copy` holds an item that was not released yet */
	void *copy;      /* of a sink's that may be overtaken, or evicted; or NULL */
	bool gate_ended; /* because ended_by, which it came after, had closed */
	size_t gates;    /* of `after`, how many it waits for; 0: it waits for senders */
	bool after_optional;
	struct leat_sub *after[LEAT_AFTER_MOST];
	size_t after_count;
	char ended_by[LEAT_NAME_MAX + 1]; /* the gate that closed; "" */
	char name[LEAT_NAME_MAX + 1];
	uint64_t start;             /* where it began */
	uint64_t delivered, missed; /* delivered: with turns; else the cursor says it */

	uint64_t head __attribute__((aligned(LEAT_LINES_APART))); /* what it has released */
	uint32_t gating;                                          /* senders wait for it */
	uint32_t state;
	uint32_t followers; /* how many come after it: written holding chan->lock */

	struct leat_timer timer; /* of LEAT_LAG_EVICT */
	uint32_t timed;          /* the timer is there: written holding patience_lock */
	int64_t patience_ns;
	uint64_t stuck_at; /* the head for which the timer runs; UINT64_MAX: none */
};

struct leat_broadcast {
	struct leat_chan *chan;
	struct leat_sub *subs;
	/* places: of the table; used: how many of them ever were; joining: chan->lock */
	unsigned most, places, used, joining;
	struct leat_mutex patience_lock;
	bool turns, skip, wait_for_first;
	uint32_t has_had_one;  /* a subscriber */
	size_t capacity, mask; /* mask: 0 unless the capacity is a power of two */

	/*
	 * With turns, where they and the items are. Runs of 1 << run_shift slots: their turns are
	 * at slot_turns, their items at slots, both so many bytes apart. Small items are packed
	 * into the line of their turns, so that a send and a receive each touch one line; slots is
	 * behind the turns of the first run then. In no line that is written while items flow.
	 */
	unsigned char *slot_turns __attribute__((aligned(LEAT_LINES_APART))), *slots;
	unsigned run_shift;
	bool packed;
	bool plain;      /* turns, items of a word, no skip, no discard */
	size_t run_mask; /* slots of a run, less one */
	size_t turns_apart, items_apart;
	size_t stride; /* from one item of a run to the next */

	struct leat_event stage __attribute__((aligned(LEAT_LINES_APART)));

	/* one sender, no turns */
	struct leat_spsc_cursor *tx; /* h.spsc of the sender, or, with discard, own_tx */
	struct leat_spsc_cursor own_tx;
	uint64_t discarded; /* slots before this position have been discarded */
	uint64_t lowest __attribute__((aligned(LEAT_LINES_APART)));

	/* turns */
	uint64_t tail __attribute__((aligned(LEAT_LINES_APART)));  /* position << 8 | joins */
	uint64_t limit __attribute__((aligned(LEAT_LINES_APART))); /* of claims */
	struct leat_mutex scan_lock __attribute__((aligned(LEAT_LINES_APART)));
	uint64_t finished; /* of several senders: slots before it have been written, or are holes */
	uint64_t holes;
	uint32_t senders_closed; /* written holding scan_lock */

	/*
	 * chan->lock: subscribers that senders waited for have left after a cancel, or the last has
	 * after the close: what all had released then
	 */
	bool left_behind;
	uint64_t passed;
	uint64_t delivered; /* chan->lock: the figures count items before this position as that */
};

/* Bits of tail below the position. */
enum { LEAT_TAIL_JOINS = 8 };

static inline struct leat_sub *leat_sub_of(struct leat_handle *h)
{
	return leat_container_of(h, struct leat_sub, h);
}

static inline struct leat_broadcast *leat_broadcast_of(const struct leat_chan *chan)
{
	return chan->broadcast;
}

/* The oldest position whose slot still has its item, with the tail there. */
static inline uint64_t leat_broadcast_oldest(const struct leat_broadcast *bc, uint64_t tail)
{
	return tail > bc->capacity ? tail - bc->capacity : 0;
}

/* Without turns: the run (leat/ring/spsc.h) that has the slot of this position. */
static inline unsigned char *leat_broadcast_run_of(const struct leat_spsc_cursor *side,
                                                   uint64_t pos)
{
	size_t runs = (size_t)(side->end - side->lines) / side->stride;

	return side->lines + pos / side->run % runs * side->stride;
}

/* gates.c */

/* The lowest head of all that senders wait for; `none` if there is no such subscriber. */
uint64_t leat_broadcast_scan(const struct leat_broadcast *bc, uint64_t none);
/* Whether senders wait for the first subscriber. */
bool leat_broadcast_must_wait(const struct leat_broadcast *bc);
/* The position of the next item, as senders have published it. */
uint64_t leat_broadcast_tail(const struct leat_broadcast *bc);
/*
 * A subscriber's head, gating or state has changed, or a subscriber has left: notifies those that
 * wait for it. Caller does not hold chan->lock: a waiter's function may take a lock that a thread
 * which reads this channel's figures holds.
 */
void leat_sub_notify(struct leat_sub *sub);                 /* mutate */
void leat_broadcast_notify_left(struct leat_broadcast *bc); /* mutate */
/* A sender found no room at this head: starts the patience of those that may be evicted. */
void leat_broadcast_lose_patience(struct leat_broadcast *bc, uint64_t lowest);
/* From now on it may be evicted; from now on it must not be, and its timer may be removed. */
void leat_sub_set_timed(struct leat_sub *sub, bool timed);
void leat_sub_fire_timer(struct leat_timer *timer);
extern const struct leat_chan_ring leat_broadcast_ring;

/* The subscriber has stored its head: it notifies the senders and stages that are parked. */
static inline void leat_sub_released(struct leat_sub *sub)
{
	if (leat_unlikely(leat_chan_load_parked(sub->bc->chan) &
	                  (LEAT_CTL_TX_PARKED | LEAT_CTL_STAGE_PARKED)))
		leat_sub_notify(sub);
}

/* turns.c */
size_t leat_turns_push(struct leat_broadcast *bc, const unsigned char *items, size_t n);
/* leat_send() of a handle that holds nothing; of a ring without turns, too. */
int leat_turns_send(struct leat_tx *tx, const void *item, size_t size, int64_t deadline_ns);
bool leat_turns_writable(struct leat_broadcast *bc);
size_t leat_turns_claim(struct leat_broadcast *bc, size_t want, struct leat_handle *h,
                        void **place);
void leat_turns_commit(struct leat_broadcast *bc, struct leat_handle *h, size_t n);
/* Every handle is closed: discards what is in the slots. */
void leat_turns_drain(struct leat_broadcast *bc);
uint64_t leat_turns_count(const struct leat_broadcast *bc, uint64_t *lowest, uint64_t tail,
                          uint64_t *holes);
/* No claim succeeds from now on: leat_tx_close_all(). */
void leat_turns_close(struct leat_chan *chan);
void leat_turns_free(struct leat_broadcast *bc);
int leat_turns_open(struct leat_broadcast *bc, size_t item_size);
/* Of a plain subscriber: as the recv of leat_sub_ops. */
ssize_t leat_turns_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                        int64_t deadline_ns, const char *call);
/* Copies up to max items and moves sub->pos behind them. Returns how many. */
size_t leat_turns_take(struct leat_sub *sub, unsigned char *items, size_t max);
/* Finds up to want items that lie side by side. Moves sub->pos over holes only. */
size_t leat_turns_peek(struct leat_sub *sub, size_t want, void **place);
/* Whether the next slot has an item, is a hole, or was overtaken. */
bool leat_turns_readable(struct leat_sub *sub);
/* A joiner has stored its head: makes every claim from now on heed it. Returns the tail. */
uint64_t leat_turns_join(struct leat_broadcast *bc);

/* receive.c */
extern const struct leat_rx_ops leat_sub_ops, leat_bound_sub_ops;
/* What a receive does where nothing is there at once, or that is not known. Out of line. */
ssize_t leat_sub_recv_or_wait(struct leat_rx *rx, void *items, size_t max, size_t size,
                              int64_t deadline_ns, const char *call) __attribute__((noinline));
/* A sink takes the receiver over: it may peek, at a copy if need be. 0, -ENOMEM. */
int leat_sub_let_peek(struct leat_rx *rx);
/* Whether it is a subscriber, bound or not. */
bool leat_rx_is_sub(const struct leat_rx *rx);
/* What the last receive on this thread that returned -ECONNABORTED said; "". */
extern LEAT_TLS char leat_evicted_text[LEAT_TEXT_MAX + 1];
/* How far the gates of a stage have come; UINT64_MAX for one without gates. */
uint64_t leat_sub_allowed(const struct leat_sub *sub);
/* Lets the cursor of a subscriber follow its gates, or the senders where it has none. */
void leat_sub_set_source(struct leat_sub *sub);
/* What it waits for when it has found nothing. */
struct leat_event *leat_sub_event(struct leat_sub *sub);
/* With discard: releases what the last receive copied. Whether there was any. */
bool leat_sub_release_owed(struct leat_sub *sub);
uint64_t leat_sub_next(const struct leat_sub *sub);
void leat_sub_read_stat(const struct leat_handle *h, struct leat_subscriber_stat *stat);

/* subscribe.c */
void leat_broadcast_opened(struct leat_chan *chan);
void leat_broadcast_free(struct leat_broadcast *bc);
void leat_sub_close(struct leat_rx *rx);
void leat_sub_unlinked(struct leat_handle *h);

#endif
