/*
 * leat/ring/spsc.h: a bounded ring for one producer and one consumer.
 *
 * Lamport's ring (Leslie Lamport, "Specifying Concurrent Program Modules", 1983): two positions, each written by
 * one side only. Each side keeps how far it may go before it must look at the other's position again (Lee, Bu and
 * Chandranmenon, "A Lock-Free, Cache-Efficient Shared Ring Buffer", 2009), so that in steady state a position's line
 * crosses once for many items.
 *
 *     struct leat_spsc ring;                     the producer's thread       struct leat_spsc_side tx;
 *     leat_spsc_init(&ring, &tx, &rx, slots,     if (leat_spsc_can_push(&tx))
 *                    sizeof(item), 1000);                leat_spsc_push(&tx, &item, sizeof(item));
 *
 * The ring knows nothing of sleeping, closing or scopes; that is the channel's (leat/chan.h). A bare ring's user sees
 * full and empty as plain answers. Any item size, any capacity from 1, exactly.
 *
 *     line  field            writer     reader     published by
 *     P     tail             producer   consumer   R1
 *     C     head             consumer   producer   R2
 *     side  pos, limit, slot its own    -          private: each side's struct leat_spsc_side is one thread's
 *     S     slots            producer   consumer   R1 (written), R2 (free again)
 *
 *     R1  producer stores tail  ->  A1  consumer loads tail    the slots before tail are written
 *     R2  consumer stores head  ->  A2  producer loads head    the slots before head have been read
 *
 * Positions count items from 0, run free, and do not wrap in practice (64 bits); they are compared as unsigned
 * differences only, so they could.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RING_SPSC_H
#define LEAT_RING_SPSC_H

#include <leat/atomic.h>
#include <leat/base.h>
#include <string.h>

/* Two lines: x86 fetches lines in pairs, and other machines have lines of 128 bytes. */
#define LEAT_LINES_APART 128

/* What both sides share. */
struct leat_spsc {
	uint64_t tail __attribute__((aligned(LEAT_LINES_APART)));
	uint64_t head __attribute__((aligned(LEAT_LINES_APART)));
};

/* One side's own view. */
struct leat_spsc_side {
	uint64_t pos;           /* the next item to write, or to read */
	uint64_t limit;         /* pos may go this far before the other side must be looked at */
	unsigned char *slot;    /* pos's slot */
	unsigned char *end;     /* one past the last slot */
	uint64_t *mine;         /* this side's published position */
	const uint64_t *theirs; /* the other side's */
	size_t item_size, capacity;
};

static inline void leat_spsc_init_side(struct leat_spsc_side *side, unsigned char *slots, size_t item_size,
				       size_t capacity, uint64_t *mine, const uint64_t *theirs)
{
	side->pos = 0;
	side->limit = 0;
	side->slot = slots;
	side->end = slots + item_size * capacity;
	side->mine = mine;
	side->theirs = theirs;
	side->item_size = item_size;
	side->capacity = capacity;
}

/* slots: capacity * item_size bytes of memory, which stay the caller's. */
static inline void leat_spsc_init(struct leat_spsc *ring, struct leat_spsc_side *tx, struct leat_spsc_side *rx,
				  void *slots, size_t item_size, size_t capacity)
{
	leat_store_rlx(&ring->tail, 0); /* rlx: nobody else knows the ring yet */
	leat_store_rlx(&ring->head, 0); /* rlx: the same */
	leat_spsc_init_side(tx, (unsigned char *)slots, item_size, capacity, &ring->tail, &ring->head);
	leat_spsc_init_side(rx, (unsigned char *)slots, item_size, capacity, &ring->head, &ring->tail);
	tx->limit = capacity; /* a new ring is all room */
}

/* The producer: room for how many items, looking at the consumer's position. */
static inline size_t leat_spsc_room(struct leat_spsc_side *tx)
{
	/* A2: slot free; pairs with R2 in leat_spsc_pop() and leat_spsc_release() */
	uint64_t limit = leat_load_acq(tx->theirs) + tx->capacity;

	if (limit != tx->limit) /* a store for each look that finds nothing new costs a poll its speed */
		tx->limit = limit;
	return (size_t)(limit - tx->pos);
}

/* The consumer: how many items there are, looking at the producer's position. */
static inline size_t leat_spsc_there(struct leat_spsc_side *rx)
{
	/* A1: slot written; pairs with R1 in leat_spsc_push() and leat_spsc_publish() */
	uint64_t limit = leat_load_acq(rx->theirs);

	if (limit != rx->limit) /* the same */
		rx->limit = limit;
	return (size_t)(limit - rx->pos);
}

static inline void leat_spsc_advance(struct leat_spsc_side *side, size_t n, size_t item_size)
{
	side->pos += n;
	side->slot += n * item_size;
	if (side->slot == side->end)
		side->slot -= side->capacity * item_size;
}

/* One item, where pos != limit. size is item_size, as a constant where the caller has one. */
static inline void leat_spsc_push(struct leat_spsc_side *tx, const void *item, size_t size)
{
	memcpy(tx->slot, item, size);
	leat_spsc_advance(tx, 1, size);
	leat_store_rel(tx->mine, tx->pos); /* R1: slot before tail; pairs with A1 in leat_spsc_there() */
}

static inline void leat_spsc_pop(struct leat_spsc_side *rx, void *item, size_t size)
{
	memcpy(item, rx->slot, size);
	leat_spsc_advance(rx, 1, size);
	leat_store_rel(rx->mine, rx->pos); /* R2: slot's loads before head; pairs with A2 in leat_spsc_room() */
}

static inline size_t leat_spsc_contiguous(const struct leat_spsc_side *side, size_t n, size_t want)
{
	size_t to_end = (size_t)(side->end - side->slot) / side->item_size;

	n = n < want ? n : want;
	return n < to_end ? n : to_end;
}

/* In place: how many slots, up to want, stand at *items for writing; 0 when full. Then publish the first n of them. */
static inline size_t leat_spsc_claim(struct leat_spsc_side *tx, size_t want, void **items)
{
	size_t n = (size_t)(tx->limit - tx->pos);

	if (n < want)
		n = leat_spsc_room(tx);
	*items = tx->slot;
	return leat_spsc_contiguous(tx, n, want);
}

static inline void leat_spsc_publish(struct leat_spsc_side *tx, size_t n)
{
	leat_spsc_advance(tx, n, tx->item_size);
	leat_store_rel(tx->mine, tx->pos); /* R1: slots before tail; pairs with A1 in leat_spsc_there() */
}

/* In place: how many items, up to want, stand at *items for reading; 0 when empty. Then release the first n of them. */
static inline size_t leat_spsc_peek(struct leat_spsc_side *rx, size_t want, void **items)
{
	size_t n = (size_t)(rx->limit - rx->pos);

	if (n < want)
		n = leat_spsc_there(rx);
	*items = rx->slot;
	return leat_spsc_contiguous(rx, n, want);
}

static inline void leat_spsc_release(struct leat_spsc_side *rx, size_t n)
{
	leat_spsc_advance(rx, n, rx->item_size);
	leat_store_rel(rx->mine, rx->pos); /* R2: slots' loads before head; pairs with A2 in leat_spsc_room() */
}

#ifdef __cplusplus
#define LEAT_STATIC_ASSERT static_assert
#else
#define LEAT_STATIC_ASSERT _Static_assert
#endif
LEAT_STATIC_ASSERT(offsetof(struct leat_spsc, tail) == 0, "P: tail has its own lines");
LEAT_STATIC_ASSERT(offsetof(struct leat_spsc, head) == LEAT_LINES_APART, "C: head has its own lines");
LEAT_STATIC_ASSERT(sizeof(struct leat_spsc) == 2 * LEAT_LINES_APART, "nothing else stands on them");
LEAT_STATIC_ASSERT(sizeof(struct leat_spsc_side) <= 64, "a side is one line");

#endif
