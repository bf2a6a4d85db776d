/*
 * leat/ring/mpmc.h: a bounded ring for any number of producers and consumers.
 *
 * Dmitry Vyukov's bounded MPMC queue (1024cores.net, 2010): each slot has a turn that says which
 * side may use the slot. So a claim reads one slot and moves one position, and neither side ever
 * reads the other side's position. Two things differ from his queue. Turns count laps instead of
 * positions, so a capacity of 1 works and any capacity is exact. And a position is a lap and an
 * index in one word, so no operation divides. A side with a single thread moves its position by a
 * plain store, unless that lets it catch up with the other side (leat_mpmc_stores()). A position
 * must not reach its last bit, which closes the ring (leat_mpmc_close()): at a billion items a
 * second that takes 146 years.
 *
 * A claim takes n neighbouring slots by one compare-and-swap, and only once all of them are known
 * to be free (or full). So no thread ever holds a slot that it has to wait for. A thread that
 * stalls between its claim and its commit delays the threads that claim behind it: they find the
 * ring empty, or a lap later full. It corrupts nothing.
 *
 *     line  field     writer              reader           published by
 *     T     tail      producers           producers, diag  CAS; the turn of the slot decides; M3
 *     H     head      consumers           consumers, diag  CAS; the same; M3
 *     R     the rest  init                all              the start of the threads
 *     S     turn      both sides in turn  both sides       M1 (to full), M2 (to free)
 *           item      claimant            claimant         M1, M2
 *
 *     M1  commit stores turn = full   ->  B1  a consumer loads turn   the item is written
 *     M2  release stores turn = free  ->  B2  a producer loads turn   the item has been read
 *     M3  a swap of tail or head      ->  M3  the next swap of it     slots that were given up come
 *                                                                     to their next claimant by the
 *                                                                     position alone
 *     D1  (runtime/chan/chan.h) a position that one thread alone moves is stored with release, for
 *         snapshots
 *
 * A turn is a position's lap, in the same bits, with the state in place of the index. In lap L:
 *
 *     L|0      free, for the producer of lap L
 *     L|1      full
 *     L|2      skipped: claimed, then given up; consumers free it and go on
 *     (L+1)|0  free again
 *
 * Items of up to 32 bytes are beside their turns, four 8-byte items to a line, so one transfer of a
 * line serves several items. Larger items are apart from their turns, contiguous, aligned, and
 * without padding.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RING_MPMC_H
#define LEAT_RING_MPMC_H

#include <leat/ring/spsc.h>

struct leat_mpmc {
	uint64_t tail __attribute__((aligned(LEAT_LINES_APART)));
	uint64_t head __attribute__((aligned(LEAT_LINES_APART)));
	unsigned char *items __attribute__((aligned(LEAT_LINES_APART)));
	unsigned char *turns;
	size_t item_stride, turn_stride; /* bytes from one slot to the next */
	size_t item_size, capacity;
	uint64_t index_mask; /* the index's bits of a position; the lap is above them */
	unsigned lap_shift;
	bool single_producer, single_consumer;
};

/* n neighbouring slots, from position pos, that the holder may write or read. */
struct leat_mpmc_claim {
	uint64_t pos;
	size_t n;
};

/*
 * How many lines ahead a push or pop prefetches, and how many items its cursor must have moved
 * since it last found nothing to do.
 */
enum { LEAT_MPMC_AHEAD = 4, LEAT_MPMC_AHEAD_RUN = 16 };
/* A back-off takes at most this for each item of the capacity. */
#ifndef LEAT_MPMC_BACKOFF_PS
#define LEAT_MPMC_BACKOFF_PS 1575
#endif
/* How many items a single side must have moved since it last caught up, before it stores. */
#ifndef LEAT_MPMC_STORE_RUN
#define LEAT_MPMC_STORE_RUN 512
#endif

/*
 * In tail: the ring is closed. No turn has this bit, so every claim of a producer finds the ring
 * full, and every claim that began before and has not swapped yet fails.
 */
#define LEAT_MPMC_CLOSED (UINT64_C(1) << 63)

enum { LEAT_TURN_FREE, LEAT_TURN_FULL, LEAT_TURN_SKIPPED, LEAT_TURNS };
enum { LEAT_MPMC_STATE_BITS = 2 };

/* Whether items of this size are beside their turns. */
static inline bool leat_mpmc_packed(size_t item_size)
{
	return item_size <= 32;
}

static inline size_t leat_mpmc_packed_stride(size_t item_size)
{
	size_t align = leat_item_align(item_size) < 8 ? 8 : leat_item_align(item_size);

	return ((item_size + align - 1) / align * align + 8 + align - 1) / align * align;
}

/* Bytes from item to item, and from turn to turn: constants if the size is one. */
#define leat_mpmc_item_stride(ring, size) \
	(!__builtin_constant_p(size) ? (ring)->item_stride \
	 : leat_mpmc_packed(size)    ? leat_mpmc_packed_stride(size) \
	                             : (size))
#define leat_mpmc_turn_stride(ring, size) \
	(!__builtin_constant_p(size) ? (ring)->turn_stride \
	 : leat_mpmc_packed(size)    ? leat_mpmc_packed_stride(size) \
	                             : sizeof(uint64_t))

/* The memory that init needs, aligned to 64 bytes; 0 if a size_t cannot hold its size. */
static inline size_t leat_mpmc_bytes(size_t item_size, size_t capacity)
{
	size_t stride = item_size, items, turns = 0;

	if (leat_mpmc_packed(item_size))
		stride = leat_mpmc_packed_stride(item_size);
	else if (__builtin_mul_overflow(capacity, sizeof(uint64_t), &turns))
		return 0;
	if (__builtin_mul_overflow(capacity, stride, &items) ||
	    __builtin_add_overflow(items, turns + 64, &items))
		return 0;
	return items;
}

/* memory: leat_mpmc_bytes() bytes, all zero: every turn is "free, lap 0" */
static inline void leat_mpmc_init(struct leat_mpmc *ring, void *memory, size_t item_size,
                                  size_t capacity, bool single_producer, bool single_consumer)
{
	unsigned char *bytes = (unsigned char *)memory;

	memset(ring, 0, sizeof(*ring));
	ring->item_size = item_size;
	ring->capacity = capacity;
	/* an index is as wide as a turn's state, or wider */
	ring->lap_shift = LEAT_MPMC_STATE_BITS;
	while (((uint64_t)1 << ring->lap_shift) < capacity)
		ring->lap_shift++;
	ring->index_mask = ((uint64_t)1 << ring->lap_shift) - 1;
	ring->single_producer = single_producer;
	ring->single_consumer = single_consumer;
	ring->items = bytes;
	if (leat_mpmc_packed(item_size)) {
		ring->item_stride = ring->turn_stride = leat_mpmc_packed_stride(item_size);
		ring->turns = bytes + ring->item_stride - sizeof(uint64_t);
	} else {
		ring->item_stride = item_size;
		ring->turn_stride = sizeof(uint64_t);
		ring->turns = bytes + (item_size * capacity + 63) / 64 * 64;
	}
}

static inline size_t leat_mpmc_index(const struct leat_mpmc *ring, uint64_t pos)
{
	return (size_t)(pos & ring->index_mask);
}

/* The turn that the slot of pos has in pos's lap if it is in this state. */
static inline uint64_t leat_mpmc_turn_of(const struct leat_mpmc *ring, uint64_t pos, unsigned state)
{
	return (pos & ~ring->index_mask) + state;
}

/* The turn of a slot of pos once it has been read: free for the producer of the next lap. */
static inline uint64_t leat_mpmc_turn_after(const struct leat_mpmc *ring, uint64_t pos)
{
	return (pos | ring->index_mask) + 1;
}

static inline uint64_t *leat_mpmc_turn(const struct leat_mpmc *ring, size_t index)
{
	return (uint64_t *)(void *)(ring->turns + index * ring->turn_stride);
}

static inline void *leat_mpmc_item(const struct leat_mpmc *ring,
                                   const struct leat_mpmc_claim *claim, size_t i)
{
	return ring->items + (leat_mpmc_index(ring, claim->pos) + i) * ring->item_stride;
}

/* How many items a claim may want if they must be contiguous. */
static inline size_t leat_mpmc_contiguous(const struct leat_mpmc *ring, size_t want)
{
	return ring->item_stride == ring->item_size ? want : 1;
}

/* How many positions there are before this one. */
static inline uint64_t leat_mpmc_count(const struct leat_mpmc *ring, uint64_t pos)
{
	pos &= ~LEAT_MPMC_CLOSED;
	return (pos >> ring->lap_shift) * ring->capacity + (pos & ring->index_mask);
}

/* The position n slots further on; a claim never goes past the last slot. */
static inline uint64_t leat_mpmc_after(const struct leat_mpmc *ring, uint64_t pos, size_t n)
{
	return leat_mpmc_index(ring, pos) + n == ring->capacity ? (pos | ring->index_mask) + 1
	                                                        : pos + n;
}

/* How many slots from pos on, up to want and to the last slot, have this state in pos's lap. */
static inline size_t leat_mpmc_count_ready(const struct leat_mpmc *ring, uint64_t pos, size_t want,
                                           unsigned state)
{
	size_t index = leat_mpmc_index(ring, pos), n = 0;
	uint64_t turn = leat_mpmc_turn_of(ring, pos, state);

	if (want > ring->capacity - index)
		want = ring->capacity - index;
	/* B1 for full: the item is written; pairs with M1 in leat_mpmc_commit() */
	/* B2 for free: the item has been read; pairs with M2 in leat_mpmc_release() */
	while (n < want && leat_load_acq(leat_mpmc_turn(ring, index + n)) == turn)
		n++;
	return n;
}

/*
 * Moves a position to `after`. B1 or B2 has read that the slots are free (or full). If *pos is
 * stale the swap fails, and *pos is then what the position was. M3: every swap of a shared position
 * releases and acquires: slots that were given up come to their next claimant without a turn in
 * between, so only the position orders what the first claimant did there.
 */
static inline bool leat_mpmc_move(uint64_t *position, bool single, uint64_t *pos, uint64_t after)
{
	if (!single)
		return leat_cas_acqrel(position, pos, after); /* M3: pairs with itself */
	/* D1: begun before head; pairs with read_ring_figures() */
	leat_store_rel(position, after);
	return true;
}

/*
 * Moves a position over up to want neighbouring slots that are in this state. Returns how many; the
 * claim says which.
 */
static inline size_t leat_mpmc_claim_run(struct leat_mpmc *ring, uint64_t *position, bool single,
                                         unsigned state, size_t want, struct leat_mpmc_claim *claim)
{
	uint64_t pos = leat_load_rlx(position); /* rlx: with a stale one the swap fails */

	for (;;) {
		size_t n = leat_mpmc_count_ready(ring, pos, want, state);

		if (n == 0) {
			uint64_t now = leat_load_rlx(position); /* rlx: the same */

			if (now == pos)
				return 0;
			pos = now;
			continue;
		}
		claim->pos = pos;
		claim->n = n;
		if (leat_mpmc_move(position, single, &pos, leat_mpmc_after(ring, pos, n)))
			return n;
	}
}

/*
 * A producer claims up to want neighbouring slots. Returns how many; 0 if the ring is full, or a
 * consumer still reads the next slot.
 */
static inline size_t leat_mpmc_claim_slots(struct leat_mpmc *ring, size_t want,
                                           struct leat_mpmc_claim *claim)
{
	return leat_mpmc_claim_run(ring, &ring->tail, ring->single_producer, LEAT_TURN_FREE, want,
	                           claim);
}

/*
 * Publishes the first n claimed slots and gives the others up: takes them back if no other producer
 * has claimed behind them, else marks them skipped. Returns how many it has marked; the caller
 * wakes consumers for those as for items.
 */
static inline size_t leat_mpmc_commit(struct leat_mpmc *ring, const struct leat_mpmc_claim *claim,
                                      size_t n)
{
	size_t index = leat_mpmc_index(ring, claim->pos);
	uint64_t end = leat_mpmc_after(ring, claim->pos, claim->n);
	size_t used = claim->n;

	/*
	 * Taking back leaves every slot and position as before the claim. So a swap that finds
	 * `end` twice does no harm.
	 */
	if (n < claim->n &&
	    leat_cas_acqrel(&ring->tail, &end, leat_mpmc_after(ring, claim->pos, n))) /* M3 */
		used = n;
	for (size_t i = n; i < used; i++) /* M1: pairs with B1 in leat_mpmc_count_ready() */
		leat_store_rel(leat_mpmc_turn(ring, index + i),
		               leat_mpmc_turn_of(ring, claim->pos, LEAT_TURN_SKIPPED));
	/* M1: item before turn; pairs with B1 in leat_mpmc_count_ready() */
	for (size_t i = 0; i < n; i++)
		leat_store_rel(leat_mpmc_turn(ring, index + i),
		               leat_mpmc_turn_of(ring, claim->pos, LEAT_TURN_FULL));
	return used - n;
}

/*
 * A consumer claims up to want neighbouring items. Returns how many; 0 if there are none, or a
 * producer still writes the next slot.
 */
static inline size_t leat_mpmc_claim_items(struct leat_mpmc *ring, size_t want,
                                           struct leat_mpmc_claim *claim)
{
	return leat_mpmc_claim_run(ring, &ring->head, ring->single_consumer, LEAT_TURN_FULL, want,
	                           claim);
}

/*
 * One thread's own place in the ring, for push and pop: where it left off, and how many items it
 * has moved. A cursor that finds nothing to do backs off, as in leat/ring/spsc.h.
 *
 * A swap delays all loads behind it until it is done. Therefore: the cursor has copies of the
 * ring's constants, so a push or pop reads nothing but the cursor and the turn, and no load waits
 * for another.
 */
struct leat_mpmc_cursor {
	uint64_t next; /* where the position is if no other thread has moved it */
	uint64_t moved, missed; /* items moved; how many when it last found nothing to do */
	struct leat_ring_backoff backoff;
	unsigned char *items, *turns;
	uint64_t index_mask;
	size_t capacity;
	bool single_producer, single_consumer;
};

static inline void leat_mpmc_cursor_init(struct leat_mpmc_cursor *side,
                                         const struct leat_mpmc *ring)
{
	memset(side, 0, sizeof(*side));
	side->items = ring->items;
	side->turns = ring->turns;
	side->index_mask = ring->index_mask;
	side->capacity = ring->capacity;
	leat_ring_backoff_init(&side->backoff, ring->capacity, LEAT_MPMC_BACKOFF_PS);
	side->single_producer = ring->single_producer;
	side->single_consumer = ring->single_consumer;
}

/* After a try that found nothing. Out of line, so that push and pop save no registers for it. */
static __attribute__((noinline, unused)) void leat_mpmc_backoff(struct leat_mpmc_cursor *side)
{
	side->missed = side->moved;
	leat_ring_back_off(&side->backoff, side->moved);
}

/*
 * Whether a side that is single moves its position by a store. A side that stores is faster than
 * one that swaps, so it catches up again and again, and each time takes lines that the other side
 * is using. Therefore: a single side that has caught up lately swaps too, and goes as slowly as the
 * other side.
 */
static inline bool leat_mpmc_stores(const struct leat_mpmc_cursor *side, bool single)
{
	return single && side->missed + LEAT_MPMC_STORE_RUN <= side->moved;
}

/* Prefetches the line some slots ahead, if this slot is the first of its line. */
static inline void leat_mpmc_prefetch(const struct leat_mpmc_cursor *side, size_t index,
                                      size_t stride)
{
	/* The cast: C++20 deprecates arithmetic between two enumerations. */
	size_t far = index + (size_t)LEAT_MPMC_AHEAD * LEAT_SPSC_LINE / stride;

	if (index * stride % LEAT_SPSC_LINE >= stride ||
	    side->moved - side->missed < LEAT_MPMC_AHEAD_RUN)
		return;
	if (far >= side->capacity)
		far -= side->capacity;
	if (far < side->capacity)
		leat_prefetch_write(side->items + far * stride);
}

/* A slot that was claimed: where it is, and what its turn was. All of it is known before the swap.
 */
struct leat_mpmc_slot {
	uint64_t *turn;
	size_t index;
	uint64_t was;
};

/*
 * Moves a position over one slot that is in this state. It begins where this cursor left off: so it
 * waits for the swap alone, and not for a load of the position before it. It prefetches the slot's
 * line to write it, so that the line moves once: a producer before it reads the turn, unless its
 * last try found the ring full; a consumer once the item is there, as an earlier prefetch would
 * take the line from the producer that is about to fill it.
 */
LEAT_RING_INLINE bool leat_mpmc_claim_one(struct leat_mpmc_cursor *side, uint64_t *position,
                                          bool single, unsigned state, size_t stride,
                                          struct leat_mpmc_slot *slot)
{
	uint64_t pos = side->next;

	for (;;) {
		uint64_t now, after;

		slot->index = (size_t)(pos & side->index_mask);
		slot->turn = (uint64_t *)(void *)(side->turns + slot->index * stride);
		slot->was = (pos - slot->index) + state;
		if (state == LEAT_TURN_FREE && side->moved != side->missed)
			leat_prefetch_write(slot->turn);
		/* B1 for full: the item is written; pairs with M1 in leat_mpmc_commit(), push */
		/* B2 for free: the item has been read; pairs with M2 in leat_mpmc_release(), pop */
		if (leat_likely(leat_load_acq(slot->turn) == slot->was)) {
			if (state == LEAT_TURN_FULL)
				leat_prefetch_write(slot->turn);
			after = pos + 1;
			if (leat_unlikely(slot->index + 1 == side->capacity))
				after = (pos | side->index_mask) + 1;
			side->next = after;
			if (leat_likely(leat_mpmc_move(position, single, &pos, after)))
				return true;
			continue;
		}
		now = leat_load_rlx(position); /* rlx: with a stale one the swap fails */
		if (now == pos)
			return false;
		pos = now;
	}
}

/*
 * Writes one item. Returns false if the ring is full. size is item_size, as a constant if the
 * caller has one.
 */
LEAT_RING_INLINE bool leat_mpmc_push(struct leat_mpmc *ring, struct leat_mpmc_cursor *side,
                                     const void *item, size_t size)
{
	const size_t stride = leat_mpmc_item_stride(ring, size),
		     turn_stride = leat_mpmc_turn_stride(ring, size);
	struct leat_mpmc_slot slot;

	if (leat_unlikely(!leat_mpmc_claim_one(side, &ring->tail,
	                                       leat_mpmc_stores(side, side->single_producer),
	                                       LEAT_TURN_FREE, turn_stride, &slot))) {
		leat_mpmc_backoff(side);
		return false;
	}
	memcpy(side->items + slot.index * stride, item, size);
	/* M1: item before turn; pairs with B1 */
	leat_store_rel(slot.turn, slot.was + LEAT_TURN_FULL);
	leat_mpmc_prefetch(side, slot.index, stride);
	side->moved++;
	return true;
}

/*
 * Reads one item. Returns false if there is none, or the next slot is a skipped one: then
 * leat_mpmc_skip() goes past it.
 */
LEAT_RING_INLINE bool leat_mpmc_pop(struct leat_mpmc *ring, struct leat_mpmc_cursor *side,
                                    void *item, size_t size)
{
	const size_t stride = leat_mpmc_item_stride(ring, size),
		     turn_stride = leat_mpmc_turn_stride(ring, size);
	struct leat_mpmc_slot slot;

	if (leat_unlikely(!leat_mpmc_claim_one(side, &ring->head,
	                                       leat_mpmc_stores(side, side->single_consumer),
	                                       LEAT_TURN_FULL, turn_stride, &slot))) {
		leat_mpmc_backoff(side);
		return false;
	}
	memcpy(item, side->items + slot.index * stride, size);
	/* M2: item's loads before turn; pairs with B2 */
	leat_store_rel(slot.turn, slot.was - LEAT_TURN_FULL + side->index_mask + 1);
	leat_mpmc_prefetch(side, slot.index, stride);
	side->moved++;
	return true;
}

/* How far this turn is from the one that is wanted; 0: it is that one. */
LEAT_RING_INLINE uint64_t leat_mpmc_differs(const unsigned char *at, uint64_t turn)
{
	/* B1 for full, B2 for free: as in leat_mpmc_count_ready() */
	return leat_load_acq((const uint64_t *)(const void *)at) ^ turn;
}

/*
 * How many slots have this turn, from index on and up to `most`. The four turns of a line are
 * compared together; no line is read ahead.
 */
LEAT_RING_INLINE size_t leat_mpmc_count_turns(const unsigned char *turns, size_t index,
                                              size_t stride, size_t most, uint64_t turn)
{
	const unsigned char *at = turns + index * stride;
	size_t n = 0;

	for (;; n++, at += stride) {
		while (stride * 4 == LEAT_SPSC_LINE && (index + n) % 4 == 0 && most - n >= 4 &&
		       (leat_mpmc_differs(at, turn) | leat_mpmc_differs(at + stride, turn) |
		        leat_mpmc_differs(at + 2 * stride, turn) |
		        leat_mpmc_differs(at + 3 * stride, turn)) == 0) {
			n += 4;
			at += 4 * stride;
		}
		if (n == most || leat_mpmc_differs(at, turn) != 0)
			return n;
	}
}

/*
 * Moves a position over up to want slots that are in this state. Returns how many; *at is the first
 * one's position. Single sides swap here too: in a batch that costs little, and it keeps the side
 * from catching up with the other.
 */
LEAT_RING_INLINE size_t leat_mpmc_claim_batch(struct leat_mpmc *ring, struct leat_mpmc_cursor *side,
                                              uint64_t *position, unsigned state, size_t stride,
                                              size_t want, uint64_t *at)
{
	uint64_t pos = side->next;

	for (;;) {
		size_t index = leat_mpmc_index(ring, pos), end = ring->capacity - index;
		size_t n = leat_mpmc_count_turns(ring->turns, index, stride, want < end ? want : end,
		                                 leat_mpmc_turn_of(ring, pos, state));
		uint64_t now;

		if (leat_likely(n > 0)) {
			*at = pos;
			side->next = leat_mpmc_after(ring, pos, n);
			if (leat_mpmc_move(position, false, &pos, side->next))
				return n;
			continue;
		}
		now = leat_load_rlx(position); /* rlx: with a stale one the swap fails */
		if (now == pos)
			return 0;
		pos = now;
	}
}

/* Prefetches the lines that the next batch of this size will use. */
static inline void leat_mpmc_prefetch_batch(const struct leat_mpmc *ring,
                                            const struct leat_mpmc_cursor *side, size_t n,
                                            size_t stride)
{
	size_t from = leat_mpmc_index(ring, side->next) * stride, end = ring->capacity * stride;

	if (side->moved - side->missed < LEAT_MPMC_AHEAD_RUN)
		return;
	for (size_t i = 0; i < n * stride && from + i < end; i += LEAT_SPSC_LINE)
		leat_prefetch_write(ring->items + from + i);
}

/* One item of a batch into its slot, or out of it. */
LEAT_RING_INLINE void leat_mpmc_write(unsigned char *slot, unsigned char *turn, const void *item,
                                      size_t size, uint64_t full)
{
	memcpy(slot, item, size);
	/* M1: item before turn; pairs with B1 */
	leat_store_rel((uint64_t *)(void *)turn, full);
}

LEAT_RING_INLINE void leat_mpmc_read(const unsigned char *slot, unsigned char *turn, void *item,
                                     size_t size, uint64_t free)
{
	memcpy(item, slot, size);
	/* M2: item's loads before turn; pairs with B2 */
	leat_store_rel((uint64_t *)(void *)turn, free);
}

/* Writes up to n items, as far as the last slot. Returns how many. */
LEAT_RING_INLINE size_t leat_mpmc_push_batch(struct leat_mpmc *ring, struct leat_mpmc_cursor *side,
                                             const void *items, size_t n, size_t size)
{
	const size_t stride = leat_mpmc_item_stride(ring, size),
		     turn_stride = leat_mpmc_turn_stride(ring, size);
	const unsigned char *from = (const unsigned char *)items;
	unsigned char *slot, *turn;
	uint64_t pos, full;
	size_t left;

	n = leat_mpmc_claim_batch(ring, side, &ring->tail, LEAT_TURN_FREE, turn_stride, n, &pos);
	if (n == 0) {
		leat_mpmc_backoff(side);
		return 0;
	}
	slot = ring->items + leat_mpmc_index(ring, pos) * stride;
	turn = ring->turns + leat_mpmc_index(ring, pos) * turn_stride;
	full = leat_mpmc_turn_of(ring, pos, LEAT_TURN_FULL);
	for (left = n; left >= 4; left -= 4) { /* four at a time: fewer instructions an item */
		leat_mpmc_write(slot, turn, from, size, full);
		leat_mpmc_write(slot + stride, turn + turn_stride, from + size, size, full);
		leat_mpmc_write(slot + 2 * stride, turn + 2 * turn_stride, from + 2 * size, size, full);
		leat_mpmc_write(slot + 3 * stride, turn + 3 * turn_stride, from + 3 * size, size, full);
		slot += 4 * stride;
		turn += 4 * turn_stride;
		from += 4 * size;
	}
	for (size_t i = 0; i < left; i++)
		leat_mpmc_write(slot + i * stride, turn + i * turn_stride, from + i * size, size, full);
	side->moved += n;
	leat_mpmc_prefetch_batch(ring, side, n, stride);
	return n;
}

/* Reads up to n items, as far as the last slot. Returns how many, as leat_mpmc_pop() does. */
LEAT_RING_INLINE size_t leat_mpmc_pop_batch(struct leat_mpmc *ring, struct leat_mpmc_cursor *side,
                                            void *items, size_t n, size_t size)
{
	const size_t stride = leat_mpmc_item_stride(ring, size),
		     turn_stride = leat_mpmc_turn_stride(ring, size);
	unsigned char *to = (unsigned char *)items, *slot, *turn;
	uint64_t pos, free;
	size_t left;

	n = leat_mpmc_claim_batch(ring, side, &ring->head, LEAT_TURN_FULL, turn_stride, n, &pos);
	if (n == 0) {
		leat_mpmc_backoff(side);
		return 0;
	}
	slot = ring->items + leat_mpmc_index(ring, pos) * stride;
	turn = ring->turns + leat_mpmc_index(ring, pos) * turn_stride;
	free = leat_mpmc_turn_after(ring, pos);
	for (left = n; left >= 4; left -= 4) {
		leat_mpmc_read(slot, turn, to, size, free);
		leat_mpmc_read(slot + stride, turn + turn_stride, to + size, size, free);
		leat_mpmc_read(slot + 2 * stride, turn + 2 * turn_stride, to + 2 * size, size, free);
		leat_mpmc_read(slot + 3 * stride, turn + 3 * turn_stride, to + 3 * size, size, free);
		slot += 4 * stride;
		turn += 4 * turn_stride;
		to += 4 * size;
	}
	for (size_t i = 0; i < left; i++)
		leat_mpmc_read(slot + i * stride, turn + i * turn_stride, to + i * size, size, free);
	side->moved += n;
	leat_mpmc_prefetch_batch(ring, side, n, stride);
	return n;
}

/* Whether a batch that moved n items stopped at the last slot, and may go on at the first. */
static inline bool leat_mpmc_at_end(const struct leat_mpmc_cursor *side, size_t n)
{
	return n > 0 && (side->next & side->index_mask) == 0;
}

/*
 * Claims the slot that a producer needs next, the oldest of a full ring, if it is in this state
 * (full or skipped). Returns 0 if that would make no room, because the ring is not full or a
 * consumer still reads that slot.
 */
static inline size_t leat_mpmc_claim_oldest(struct leat_mpmc *ring, struct leat_mpmc_claim *claim,
                                            unsigned state)
{
	/* rlx: the swap decides */
	uint64_t lap = (uint64_t)1 << ring->lap_shift, pos = leat_load_rlx(&ring->tail);

	if (pos < lap)
		return 0;
	pos -= lap;
	claim->pos = pos;
	claim->n = 1;
	if (leat_mpmc_count_ready(ring, pos, 1, state) == 0)
		return 0;
	return leat_cas_acqrel(&ring->head, &pos, leat_mpmc_after(ring, pos, 1)); /* M3 */
}

/*
 * Puts back all but the first n claimed items. Returns false if another consumer has claimed behind
 * them. (Putting them back leaves every slot and position as before the claim, so a swap that finds
 * the same head twice does no harm.)
 */
static inline bool leat_mpmc_unclaim(struct leat_mpmc *ring, const struct leat_mpmc_claim *claim,
                                     size_t n)
{
	uint64_t end = leat_mpmc_after(ring, claim->pos, claim->n);

	return leat_cas_acqrel(&ring->head, &end, leat_mpmc_after(ring, claim->pos, n)); /* M3 */
}

/* Frees claimed slots for the producers. */
static inline void leat_mpmc_release(struct leat_mpmc *ring, const struct leat_mpmc_claim *claim)
{
	size_t index = leat_mpmc_index(ring, claim->pos);
	uint64_t turn = leat_mpmc_turn_after(ring, claim->pos);

	/* M2: item's loads before turn; pairs with B2 in leat_mpmc_count_ready() */
	for (size_t i = 0; i < claim->n; i++)
		leat_store_rel(leat_mpmc_turn(ring, index + i), turn);
}

/* Whether the next slot of consumers is a skipped one. */
static inline bool leat_mpmc_skippable(const struct leat_mpmc *ring)
{
	uint64_t pos =
		leat_load_rlx(&ring->head); /* rlx: leat_mpmc_skip() reads it again, and swaps */

	return leat_mpmc_count_ready(ring, pos, 1, LEAT_TURN_SKIPPED) == 1;
}

/*
 * A consumer frees the skipped slots at the front. Returns how many: that is room, for which the
 * caller notifies producers.
 */
static inline size_t leat_mpmc_skip(struct leat_mpmc *ring)
{
	struct leat_mpmc_claim claim = { leat_load_rlx(&ring->head),
		                         1 }; /* rlx: a stale one fails the swap */
	size_t skipped = 0;

	while (leat_mpmc_count_ready(ring, claim.pos, 1, LEAT_TURN_SKIPPED) == 1) {
		uint64_t pos = claim.pos;

		if (!leat_mpmc_move(&ring->head, ring->single_consumer, &pos,
		                    leat_mpmc_after(ring, pos, 1)))
			return skipped;
		leat_mpmc_release(ring, &claim);
		skipped++;
		claim.pos = leat_mpmc_after(ring, claim.pos, 1);
	}
	return skipped;
}

/* Whether consumers have claimed all that producers ever claimed. */
static inline bool leat_mpmc_idle(const struct leat_mpmc *ring)
{
	/* rlx: K1 orders what came before the end; a claim that is under way may be missed */
	return leat_load_rlx(&ring->head) == (leat_load_rlx(&ring->tail) & ~LEAT_MPMC_CLOSED);
}

/*
 * Ends the claims of producers, for good. What was claimed before is still published or given up.
 * Only for a ring of many producers, whose every claim is a swap of tail.
 */
static inline void leat_mpmc_close(struct leat_mpmc *ring)
{
	/* M3, K2: what was done before; pairs with leat_mpmc_is_closed() */
	leat_or_acqrel(&ring->tail, LEAT_MPMC_CLOSED);
}

static inline bool leat_mpmc_is_closed(const struct leat_mpmc *ring)
{
	/* K2: what was done before the close; pairs with leat_mpmc_close() */
	return leat_load_acq(&ring->tail) & LEAT_MPMC_CLOSED;
}

/* Whether a consumer, or a producer, could find something to do now: for forwarded notifications.
 */
static inline bool leat_mpmc_readable(const struct leat_mpmc *ring)
{
	uint64_t pos, now = leat_load_rlx(&ring->head); /* rlx: read again if nothing is found */

	do {
		pos = now;
		if (leat_mpmc_count_ready(ring, pos, 1, LEAT_TURN_FULL) == 1 ||
		    leat_mpmc_count_ready(ring, pos, 1, LEAT_TURN_SKIPPED) == 1)
			return true;
		now = leat_load_rlx(&ring->head); /* rlx: the same */
	} while (now != pos);
	return false;
}

static inline bool leat_mpmc_writable(const struct leat_mpmc *ring)
{
	uint64_t pos, now = leat_load_rlx(&ring->tail); /* rlx: read again if nothing is found */

	do {
		pos = now;
		if (leat_mpmc_count_ready(ring, pos, 1, LEAT_TURN_FREE) == 1)
			return true;
		now = leat_load_rlx(&ring->tail); /* rlx: the same */
	} while (now != pos);
	return false;
}

/*
 * For a consumer that found nothing: whether there is an item behind the slot of a producer that
 * has claimed the slot and not published it yet. Consumers can claim that item once the producer
 * goes on.
 */
static inline bool leat_mpmc_item_behind(const struct leat_mpmc *ring)
{
	/* rlx: the next try finds what moves meanwhile; the turns decide */
	uint64_t pos = leat_load_rlx(&ring->head), tail = leat_load_rlx(&ring->tail);

	tail &= ~LEAT_MPMC_CLOSED;
	for (; (int64_t)(tail - pos) > 0; pos = leat_mpmc_after(ring, pos, 1))
		if (leat_mpmc_count_ready(ring, pos, 1, LEAT_TURN_FULL) == 1)
			return true;
	return false;
}

/*
 * The same for a producer: whether a slot is free behind one that a consumer has claimed and not
 * freed yet.
 */
static inline bool leat_mpmc_room_behind(const struct leat_mpmc *ring)
{
	/* rlx: as in leat_mpmc_item_behind() */
	uint64_t pos = leat_load_rlx(&ring->tail),
		 end = leat_load_rlx(&ring->head) + ((uint64_t)1 << ring->lap_shift);

	if (pos & LEAT_MPMC_CLOSED)
		return false;
	for (; (int64_t)(end - pos) > 0; pos = leat_mpmc_after(ring, pos, 1))
		if (leat_mpmc_count_ready(ring, pos, 1, LEAT_TURN_FREE) == 1)
			return true;
	return false;
}

LEAT_STATIC_ASSERT(offsetof(struct leat_mpmc, tail) == 0, "T: tail has its own lines");
LEAT_STATIC_ASSERT(offsetof(struct leat_mpmc, head) == LEAT_LINES_APART,
                   "H: head has its own lines");
LEAT_STATIC_ASSERT(offsetof(struct leat_mpmc, items) == 2 * LEAT_LINES_APART,
                   "R: the rest is only read");
LEAT_STATIC_ASSERT(LEAT_TURNS <= 1 << LEAT_MPMC_STATE_BITS, "a turn's state is below its lap");

#endif
