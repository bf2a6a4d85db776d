/*
 * leat/ring/spsc.h: a bounded ring for one producer and one consumer.
 *
 * Lamport's ring (Leslie Lamport, "Specifying Concurrent Program Modules", 1983): two positions, each written by one side
 * only. Three things keep the lines between the cores quiet:
 *
 *   - The producer's position travels with the data, as the flag of FastForward does (Giacomoni, Moseley and
 *     Vachharajani, 2008): small items stand in lines, each with a word in front that says how far the producer has
 *     come. One line moves for several items, and a lone item arrives with the line that says that it is there.
 *     Any item value is legal. Items above LEAT_SPSC_PACKED_MAX stand side by side, with one such word for all.
 *   - Each side keeps how far it may go before it must look at the other's word again (Lee, Bu and Chandranmenon, "A
 *     Lock-Free, Cache-Efficient Shared Ring Buffer", 2009). The consumer's position is looked at when the producer has
 *     used up the room that it saw last, not before, so that capacity is exact.
 *   - Who catches up with the other rests for a moment, as long as the run behind him, so that the two do not go on in
 *     step over the same line. A lone item never waits for that: no run, no rest.
 *
 *     struct leat_spsc ring;                             the producer's thread     struct leat_spsc_side tx;
 *     leat_spsc_init(&ring, &tx, &rx, memory,            if (leat_spsc_can_push(&tx))
 *                    sizeof(item), 1000);                        leat_spsc_push(&tx, &item, sizeof(item));
 *
 * The ring knows nothing of sleeping, closing or scopes; that is the channel's (leat/chan.h). A bare ring's user sees
 * full and empty as plain answers. Any item size, any capacity from 1, exactly.
 *
 *     line  field              writer     reader            published by
 *     S     word               producer   consumer          R1
 *           items behind it    producer   consumer          R1 (written), R2 (free again)
 *     C     head               consumer   producer, diag    R2
 *     side  pos                its own    diag              D5; the consumer's relaxed, a number
 *           the rest           its own    -                 private: a struct leat_spsc_side is one thread's
 *
 *     R1  producer stores word  ->  A1  consumer loads word    the items before that position are written
 *     R2  consumer stores head  ->  A2  producer loads head    the items before that position have been read
 *     D5  producer stores pos   ->  D5  a snapshot loads pos   the head that let it go so far (runtime/chan/stat.h)
 *
 * A word says a position of its line's own lap or, before the producer comes there, of an earlier one, which is behind
 * the consumer: so it needs no flag for the lap. There is one line more than the items need, so that the producer
 * never comes to a line that the consumer has not left.
 *
 * Positions count items from 0, run free, and do not wrap in practice (64 bits); they are compared by their differences
 * only, so they could.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RING_SPSC_H
#define LEAT_RING_SPSC_H

#include <leat/atomic.h>
#include <leat/base.h>
#include <string.h>

enum {
	LEAT_SPSC_LINE = 64,
	LEAT_SPSC_PACKED_MAX = 24, /* the largest item of which two stand in a line with its word */
	LEAT_SPSC_AHEAD_TX = 8,    /* lines that the producer asks for before it writes them */
	LEAT_SPSC_AHEAD_RX = 4,    /* and the consumer before it reads them */
	LEAT_SPSC_AHEAD_LARGE = 32, /* the same of items that are not packed: they are known to be written */
	LEAT_REST_RUN = 64,        /* the shortest run that is followed by a rest, in items */
	LEAT_REST_MAX = 128        /* the longest rest, in pauses: 1.4 to 6 microseconds on current x86 */
};

/* What both sides share, beside the lines. */
struct leat_spsc {
	uint64_t tail __attribute__((aligned(LEAT_LINES_APART))); /* the word of items that are not packed */
	uint64_t head __attribute__((aligned(LEAT_LINES_APART)));
};

/*
 * One side's own view. A run is what stands side by side: the items of a line, or the whole ring. pos's slot is
 * base + pos * item_size as far as run_end; a position that reaches it goes on to the next run when it is next used.
 */
struct leat_spsc_side {
	uint64_t pos;    /* the next item to write, or to read */
	uint64_t limit;  /* pos may go this far without asking, and not past run_end */
	uint64_t base;
	uint64_t *word;  /* the run's: how far the producer has come */
	uint64_t *head;
	size_t item_size;

	uint64_t run_end;
	uint64_t room;   /* the producer's: the limit but for run_end */
	unsigned char *line, *lines, *end; /* the run's first byte, the first run's, one past the last's */
	size_t stride, header, run;        /* bytes from run to run, bytes before its items, its items */
	size_t capacity;
	uint64_t rested;                   /* pos when this side last rested */
	uint64_t never;                    /* the word of a side that is shut: pos, so that nothing is beyond it */
	struct {
		uint64_t *word;
		uint64_t limit, run_end, room;
	} kept; /* while it is shut */
	bool packed;
	bool caught_up; /* the producer's last look gained little, the consumer's last batch came short */
};

/* The largest power of two that divides an item's size, at most 64. */
static inline size_t leat_item_align(size_t item_size)
{
	size_t align = item_size & (~item_size + 1);

	return align < 64 ? align : 64;
}

static inline size_t leat_spsc_header(size_t item_size)
{
	size_t align = leat_item_align(item_size);

	return item_size > LEAT_SPSC_PACKED_MAX ? 0 : align > sizeof(uint64_t) ? align : sizeof(uint64_t);
}

/* Items of a run. */
static inline size_t leat_spsc_run(size_t item_size, size_t capacity)
{
	return item_size > LEAT_SPSC_PACKED_MAX ? capacity : (LEAT_SPSC_LINE - leat_spsc_header(item_size)) / item_size;
}

/* The memory that init needs, aligned to 64 bytes; 0 when that is more than a size_t can say. */
static inline size_t leat_spsc_bytes(size_t item_size, size_t capacity)
{
	size_t run = leat_spsc_run(item_size, capacity), bytes;

	if (item_size > LEAT_SPSC_PACKED_MAX)
		return __builtin_mul_overflow(capacity, item_size, &bytes) ? 0 : bytes;
	return __builtin_mul_overflow((capacity - 1) / run + 2, (size_t)LEAT_SPSC_LINE, &bytes) ? 0 : bytes;
}

static inline void leat_spsc_enter_run(struct leat_spsc_side *side, unsigned char *line)
{
	side->line = line;
	side->base = (uint64_t)(uintptr_t)line + side->header - side->pos * side->item_size;
	side->run_end = side->pos + side->run;
	if (side->packed)
		side->word = (uint64_t *)(void *)line;
}

static inline void leat_spsc_init_side(struct leat_spsc_side *side, struct leat_spsc *ring, void *memory,
				       size_t item_size, size_t capacity)
{
	memset(side, 0, sizeof(*side));
	side->packed = item_size <= LEAT_SPSC_PACKED_MAX;
	side->item_size = item_size;
	side->capacity = capacity;
	side->header = leat_spsc_header(item_size);
	side->run = leat_spsc_run(item_size, capacity);
	side->stride = side->packed ? (size_t)LEAT_SPSC_LINE : item_size * capacity;
	side->lines = (unsigned char *)memory;
	side->end = side->lines + leat_spsc_bytes(item_size, capacity);
	side->word = &ring->tail;
	side->head = &ring->head;
	leat_spsc_enter_run(side, side->lines);
}

/* memory: leat_spsc_bytes() bytes, all zero, aligned to 64; it stays the caller's. */
static inline void leat_spsc_init(struct leat_spsc *ring, struct leat_spsc_side *tx, struct leat_spsc_side *rx,
				  void *memory, size_t item_size, size_t capacity)
{
	leat_store_rlx(&ring->tail, 0); /* rlx: nobody else knows the ring yet */
	leat_store_rlx(&ring->head, 0); /* rlx: the same */
	leat_spsc_init_side(tx, ring, memory, item_size, capacity);
	leat_spsc_init_side(rx, ring, memory, item_size, capacity);
	tx->room = capacity; /* a new ring is all room */
}

/* Makes every can_push() and can_pop() of this side answer no, until it is opened again. */
static inline void leat_spsc_shut(struct leat_spsc_side *side)
{
	side->kept.word = side->word;
	side->kept.limit = side->limit;
	side->kept.run_end = side->run_end;
	side->kept.room = side->room;
	side->limit = side->room = side->never = side->pos;
	side->run_end = side->pos - 1; /* behind, so that pos is not at it */
	side->word = &side->never;
}

static inline void leat_spsc_open(struct leat_spsc_side *side)
{
	side->word = side->kept.word;
	side->limit = side->kept.limit;
	side->run_end = side->kept.run_end;
	side->room = side->kept.room;
}

static inline bool leat_spsc_is_shut(const struct leat_spsc_side *side)
{
	return side->word == &side->never;
}

/* Goes on to the next run, and asks for the line `ahead` of it, to write it or to read it; 0: asks for none. */
static inline void leat_spsc_next_run(struct leat_spsc_side *side, size_t ahead, bool write)
{
	unsigned char *line = side->line + side->stride, *far;

	if (line == side->end)
		line = side->lines;
	leat_spsc_enter_run(side, line);
	if (!side->packed || ahead == 0)
		return;
	far = line + ahead * LEAT_SPSC_LINE;
	if (far >= side->end)
		far -= side->end - side->lines;
	if (far >= side->end)
		return; /* the ring is smaller than that */
	if (!write)
		__builtin_prefetch(far, 0);
	else if (side->room - side->pos > ahead * side->run) /* not from under a consumer who still reads it */
		leat_prefetch_write(far);
}

/* As many pauses as steps were made since the last rest, up to `most`. Out of line; not for long. */
static __attribute__((noinline, unused)) void leat_rest(uint64_t *rested, uint64_t now, uint64_t most)
{
	uint64_t pauses = now - *rested;

	*rested = now;
	if (most > LEAT_REST_MAX)
		most = LEAT_REST_MAX;
	for (pauses = pauses < most ? pauses : most; pauses > 0; pauses--)
		leat_pause();
}

/*
 * Caught up with the other side: rests, if there was a run since it last did. Otherwise the two would go on in step, each
 * taking the line that the other is about to use. A lone item is never kept waiting by this.
 */
static inline void leat_spsc_rest(struct leat_spsc_side *side)
{
	if (side->pos - side->rested >= LEAT_REST_RUN)
		leat_rest(&side->rested, side->pos, side->capacity / 16);
}

/*
 * The producer: looks at the consumer's position. Whether there is room beyond pos. A look takes the line that the
 * consumer writes for each item, so one that gained little is followed by a rest before the next.
 */
static inline bool leat_spsc_look_for_room(struct leat_spsc_side *tx)
{
	uint64_t room;

	if (leat_spsc_is_shut(tx))
		return false;
	if (tx->caught_up)
		leat_spsc_rest(tx);
	/* A2: slots free; pairs with R2 in leat_spsc_release_to() */
	room = leat_load_acq(tx->head) + tx->capacity;
	tx->caught_up = room - tx->room < tx->capacity / 8;
	tx->room = room;
	return room != tx->pos;
}

/* The producer, at its limit: whether it may go on, without a look at the consumer. */
static inline bool leat_spsc_go_on(struct leat_spsc_side *tx)
{
	if (tx->pos == tx->run_end)
		leat_spsc_next_run(tx, LEAT_SPSC_AHEAD_TX, true);
	tx->limit = tx->room - tx->pos < tx->run_end - tx->pos ? tx->room : tx->run_end;
	return tx->limit != tx->pos;
}

/* Room for one item, looking at the consumer's position where that is needed. */
static inline bool leat_spsc_can_push(struct leat_spsc_side *tx)
{
	return tx->pos != tx->limit || leat_spsc_go_on(tx) || (leat_spsc_look_for_room(tx) && leat_spsc_go_on(tx));
}

/* The consumer, at its limit: looks at how far the producer has come; asks for lines ahead as leat_spsc_next_run(). */
static inline bool leat_spsc_look_for_items(struct leat_spsc_side *rx, size_t ahead)
{
	uint64_t tail;

	if (rx->pos == rx->run_end)
		leat_spsc_next_run(rx, ahead, false);
	tail = leat_load_acq(rx->word); /* A1: items written; pairs with R1 in leat_spsc_publish_to() */
	if ((int64_t)(tail - rx->pos) <= 0)
		return false;
	rx->limit = tail - rx->pos < rx->run_end - rx->pos ? tail : rx->run_end;
	return true;
}

/* One item, or more. */
static inline bool leat_spsc_can_pop(struct leat_spsc_side *rx)
{
	if (leat_likely(rx->pos != rx->limit) || leat_spsc_look_for_items(rx, LEAT_SPSC_AHEAD_RX))
		return true;
	leat_spsc_rest(rx);
	return false;
}

static inline void *leat_spsc_slot_of(const struct leat_spsc_side *side, uint64_t pos, size_t item_size)
{
	return (void *)(uintptr_t)(side->base + pos * item_size); /* an address, kept as a number */
}

static inline void *leat_spsc_slot(const struct leat_spsc_side *side, size_t item_size)
{
	return leat_spsc_slot_of(side, side->pos, item_size);
}

/* The producer: publishes the items from its position to this one. */
static inline void leat_spsc_publish_to(struct leat_spsc_side *tx, uint64_t pos)
{
	leat_store_rel(&tx->pos, pos); /* D5: the head that made room; pairs with a look at the channel's books, count_tail() */
	leat_store_rel(tx->word, pos); /* R1: items before word; pairs with A1 in leat_spsc_look_for_items() */
}

/* The consumer: gives the slots from its position to this one back. */
static inline void leat_spsc_release_to(struct leat_spsc_side *rx, uint64_t pos)
{
	leat_store_rlx(&rx->pos, pos); /* rlx: only this thread writes it */
	leat_store_rel(rx->head, pos); /* R2: slots' loads before head; pairs with A2 in leat_spsc_look_for_room() */
}

/* The producer: publishes the n items at pos. */
static inline void leat_spsc_publish(struct leat_spsc_side *tx, size_t n)
{
	leat_spsc_publish_to(tx, tx->pos + n);
}

/* The consumer: gives the n slots at pos back. */
static inline void leat_spsc_release(struct leat_spsc_side *rx, size_t n)
{
	leat_spsc_release_to(rx, rx->pos + n);
}

/* Where items are not packed, each asks for the lines that one a few lines on will want, as far as the run goes. */
static inline void leat_spsc_ask_ahead(const struct leat_spsc_side *side, size_t size, size_t ahead, bool write)
{
	const size_t items = ahead * LEAT_SPSC_LINE / size + 1;

	if (side->limit - side->pos <= items)
		return;
	for (size_t at = 0; at < size; at += LEAT_SPSC_LINE) {
		const unsigned char *far = (const unsigned char *)leat_spsc_slot(side, size) + items * size + at;

		if (write)
			leat_prefetch_write(far);
		else
			__builtin_prefetch(far, 0);
	}
}

/*
 * One item, after can_push() or can_pop() said yes. size is item_size, as a constant where the caller has one. The position
 * is read once: to the compiler, the copy may have changed it.
 */
static inline void leat_spsc_push(struct leat_spsc_side *tx, const void *item, size_t size)
{
	const uint64_t pos = tx->pos;

	if (size > LEAT_SPSC_PACKED_MAX)
		leat_spsc_ask_ahead(tx, size, LEAT_SPSC_AHEAD_TX, true);
	memcpy(leat_spsc_slot_of(tx, pos, size), item, size);
	leat_spsc_publish_to(tx, pos + 1);
}

static inline void leat_spsc_pop(struct leat_spsc_side *rx, void *item, size_t size)
{
	const uint64_t pos = rx->pos;

	if (size > LEAT_SPSC_PACKED_MAX)
		leat_spsc_ask_ahead(rx, size, LEAT_SPSC_AHEAD_LARGE, false);
	memcpy(item, leat_spsc_slot_of(rx, pos, size), size);
	leat_spsc_release_to(rx, pos + 1);
}

/* In place: how many slots, up to want and to the run's end, stand at *items for writing; 0 when full. */
static inline size_t leat_spsc_claim(struct leat_spsc_side *tx, size_t want, void **items)
{
	uint64_t n;

	if (!leat_spsc_can_push(tx))
		return 0;
	n = tx->limit - tx->pos;
	if (n < want && tx->limit != tx->run_end && leat_spsc_look_for_room(tx) && leat_spsc_go_on(tx))
		n = tx->limit - tx->pos;
	*items = leat_spsc_slot(tx, tx->item_size);
	return (size_t)(n < want ? n : want);
}

/* In place: how many items, up to want and to the run's end, stand at *items for reading; 0 when empty. */
static inline size_t leat_spsc_peek(struct leat_spsc_side *rx, size_t want, void **items)
{
	uint64_t n;

	if (!leat_spsc_can_pop(rx))
		return 0;
	n = rx->limit - rx->pos;
	if (n < want && rx->limit != rx->run_end) {
		leat_spsc_look_for_items(rx, 0);
		n = rx->limit - rx->pos;
	}
	*items = leat_spsc_slot(rx, rx->item_size);
	return (size_t)(n < want ? n : want);
}

/* A full line of small items is copied as one piece, where the size is a constant. */
static inline __attribute__((always_inline)) void leat_spsc_copy(void *to, const void *from, size_t n, size_t size)
{
	if (__builtin_constant_p(size) && size <= LEAT_SPSC_PACKED_MAX && n == leat_spsc_run(size, 0))
		memcpy(to, from, leat_spsc_run(size, 0) * size);
	else
		memcpy(to, from, n * size);
}

/*
 * A batch keeps what it moves in registers. Stores to the side for each line would fill the store buffer behind the other
 * side's line; and reading fields back together, as copying the struct does, waits for all stores before them.
 */
static inline void leat_spsc_begin(struct leat_spsc_side *now, const struct leat_spsc_side *side)
{
	now->pos = leat_load_rlx(&side->pos);         /* rlx: only this thread writes it; one load for one field */
	now->limit = leat_load_rlx(&side->limit);     /* rlx: the same */
	now->base = leat_load_rlx(&side->base);       /* rlx: the same */
	now->run_end = leat_load_rlx(&side->run_end); /* rlx: the same */
	now->room = leat_load_rlx(&side->room);       /* rlx: the same */
	now->word = *(uint64_t *const volatile *)&side->word;
	now->line = *(unsigned char *const volatile *)&side->line;
	now->item_size = side->item_size;
	now->lines = side->lines;
	now->end = side->end;
	now->stride = side->stride;
	now->header = side->header;
	now->run = side->run;
	now->packed = side->packed;
}

static inline void leat_spsc_end(struct leat_spsc_side *side, const struct leat_spsc_side *now)
{
	side->limit = now->limit;
	side->base = now->base;
	side->run_end = now->run_end;
	side->word = now->word;
	side->line = now->line;
	leat_store_rlx(&side->pos, now->pos); /* rlx: only this thread writes it */
}

/*
 * Up to n items, in order; answers how many. size is item_size, as a constant where the caller has one. Looks for room
 * once: looking again for each line that comes free keeps both sides in step.
 */
static inline __attribute__((always_inline)) size_t leat_spsc_push_batch(struct leat_spsc_side *tx, const void *items, size_t n, size_t size)
{
	const unsigned char *from = (const unsigned char *)items;
	struct leat_spsc_side now;
	size_t left;

	if (tx->room - tx->pos < n && !leat_spsc_look_for_room(tx))
		return 0;
	if (tx->room - tx->pos < n)
		n = (size_t)(tx->room - tx->pos);
	leat_spsc_begin(&now, tx);
	for (left = n; left > 0;) {
		size_t k;

		if (now.pos == now.limit)
			leat_spsc_go_on(&now);
		k = now.limit - now.pos < left ? (size_t)(now.limit - now.pos) : left;
		leat_spsc_copy(leat_spsc_slot(&now, size), from, k, size);
		now.pos += k;
		if (size > LEAT_SPSC_PACKED_MAX && now.limit - now.pos >= k) /* the next batch's lines, if it is like this one */
			for (size_t at = 0; at < k * size; at += LEAT_SPSC_LINE)
				leat_prefetch_write((const unsigned char *)leat_spsc_slot(&now, size) + at);
		leat_store_rel(&tx->pos, now.pos);   /* D5: the head that made room; pairs with count_tail() */
		leat_store_rel(now.word, now.pos);   /* R1: items before word; pairs with A1 in leat_spsc_look_for_items() */
		from += k * size;
		left -= k;
	}
	leat_spsc_end(tx, &now);
	return n;
}

/*
 * The slots go back together, after the last was read, and before any rest: they are news. Lines of small items are not
 * asked for ahead: a batch reads several at once anyway, and would ask for those that the producer still writes. One that
 * came short has caught up, and would do so again and again: it never finds nothing, and so would never rest.
 */
static inline __attribute__((always_inline)) size_t leat_spsc_pop_batch(struct leat_spsc_side *rx, void *items, size_t n, size_t size)
{
	struct leat_spsc_side now;
	size_t done = 0;

	if (leat_unlikely(rx->caught_up))
		leat_spsc_rest(rx);
	leat_spsc_begin(&now, rx);
	while (done < n && (now.pos != now.limit || leat_spsc_look_for_items(&now, 0))) {
		size_t k = now.limit - now.pos < n - done ? (size_t)(now.limit - now.pos) : n - done;

		leat_spsc_copy((unsigned char *)items + done * size, leat_spsc_slot(&now, size), k, size);
		now.pos += k;
		done += k;
		if (size > LEAT_SPSC_PACKED_MAX && now.limit - now.pos >= k) /* what the next batch reads, if it is like this one */
			for (size_t at = 0; at < k * size; at += LEAT_SPSC_LINE)
				__builtin_prefetch((const unsigned char *)leat_spsc_slot(&now, size) + at, 0);
	}
	leat_spsc_end(rx, &now);
	rx->caught_up = done > 0 && done < n;
	if (done > 0)
		leat_spsc_release(rx, 0);
	else
		leat_spsc_rest(rx);
	return done;
}

#ifdef __cplusplus
#define LEAT_STATIC_ASSERT static_assert
#else
#define LEAT_STATIC_ASSERT _Static_assert
#endif
LEAT_STATIC_ASSERT(offsetof(struct leat_spsc, tail) == 0, "the word of large items has its own lines");
LEAT_STATIC_ASSERT(offsetof(struct leat_spsc, head) == LEAT_LINES_APART, "C: head has its own lines");
LEAT_STATIC_ASSERT(sizeof(struct leat_spsc) == 2 * LEAT_LINES_APART, "nothing else stands on them");
LEAT_STATIC_ASSERT(offsetof(struct leat_spsc_side, run_end) == 48, "what every operation touches, with two pointers, is one line");

#endif
