/*
 * leat/ring/spsc.h: a bounded ring for one producer and one consumer.
 *
 * Lamport's ring (Leslie Lamport, "Specifying Concurrent Program Modules", 1983): two positions,
 * each written by one side only. Four things keep the lines between the cores quiet:
 *
 *   - The producer's position is in the line of the items, as the flag of FastForward is in the
 *     slot (Giacomoni, Moseley and Vachharajani, "FastForward for Efficient Pipeline Parallelism",
 *     2008). A line of small items begins with a word that holds the producer's position. One line
 *     moves for several items, and a lone item arrives with the line that announces it. Any item
 *     value is legal. Items above LEAT_SPSC_PACKED_MAX are side by side; one word serves all.
 *   - Each side keeps how far it may go before it must read the other side's word again (Lee, Bu
 *     and Chandranmenon, "A Lock-Free, Cache-Efficient Shared Ring Buffer", 2009). The producer
 *     reads the consumer's position when it has used up the room that it knows, not before, so
 *     capacity is exact.
 *   - Back-off: a side that finds the ring empty (or full), or nearly so, pauses for a time that
 *     grows with the items that it has moved since its last back-off. Otherwise both sides would go
 *     on in step, each taking the line that the other is about to use. A side that has moved fewer
 *     than LEAT_BACKOFF_RUN items does not pause, so a lone item is never delayed. After a back-off
 *     that was in vain the next ones are left out, as the other side may need this core
 *     (leat/ring/tuning.h).
 *   - Lines handed back, on processors where that is faster (leat/ring/tuning.h): before the
 *     consumer leaves a line, it stores to the line what is there. Then the line is modified in the
 *     consumer's cache, and the producer's next write takes it from there. After mere reads both
 *     caches share the line, and a write must first invalidate the other copy, which takes longer.
 *
 *     struct leat_spsc ring;                       the producer's thread
 *     struct leat_spsc_cursor tx, rx;              if (leat_spsc_can_push(&tx))
 *     leat_spsc_init(&ring, &tx, &rx, memory,              leat_spsc_push(&tx, &item, 8);
 *                    8, 1000);
 *
 * The ring knows nothing of sleeping, closing or scopes: channels have those (leat/chan.h). A full
 * or an empty ring is a plain result. Any item size, and any capacity from 1, exactly.
 *
 *     line    field             writer               reader          published by
 *     S       word              producer; consumer   consumer        R1
 *                               (hand-back)
 *             items behind it   producer; consumer   consumer        R1 (written), R2 (free again)
 *                               (hand-back: no
 *                               value changes)
 *     C       head              consumer             producer, diag  R2
 *     cursor  pos               its own side         diag            D5; the consumer's relaxed
 *             the rest          its own side         -               private to one thread
 *
 *     R1  producer stores word, ->  A1  consumer loads word   the items before that position are
 *         or another consumer                                 written
 *         hands the line back
 *     R2  consumer stores head  ->  A2  producer loads head   the items before that position have
 *                                                             been read, and the lines before the
 *                                                             consumer's line were handed back
 *     D5  producer stores pos   ->  D5  a snapshot loads pos  the head that let the producer go so
 *                                                             far (runtime/chan/stat.h)
 *
 * Invariant: a word that the consumer reads is at most the number of items written, and the word of
 * a line that the producer has not yet reached in this lap is not above the consumer's position. So
 * a word needs no flag for the lap. There is one line more than the items need, so the producer
 * never enters a line that the consumer has not left.
 *
 * The hand-back is a second writer of the word. Invariant: it comes before the producer's next
 * store there. The consumer stores to line l before it releases the first item of line l + 1 (R2),
 * and because of the spare line the producer enters line l again only after it has read that
 * release (A2). The value is the one that is there: the position at which line l ends. The
 * subscribers that a broadcast's sender waits for hand back, too: it reads the head of each.
 *
 * Positions count items from 0. They do not wrap in practice (64 bits), and are only compared by
 * their differences, so they could.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RING_SPSC_H
#define LEAT_RING_SPSC_H

#include <leat/atomic.h>
#include <leat/base.h>
#include <leat/ring/tuning.h>
#include <string.h>

enum {
	LEAT_SPSC_LINE = 64,
	LEAT_SPSC_PACKED_MAX = 24, /* the largest item of which two fit in a line with its word */
	/* How many lines ahead a side prefetches: the producer, to write; the consumer, to read. */
	LEAT_SPSC_AHEAD_TX = 8,
	LEAT_SPSC_AHEAD_RX = 4,
	LEAT_SPSC_AHEAD_BATCH = 8,
	LEAT_SPSC_AHEAD_LARGE = 32, /* the consumer of items that are not packed */
	/* A consumer of such items that finds fewer backs off before it looks again, on AMD. */
	LEAT_SPSC_LARGE_FEW = 256,
	LEAT_BACKOFF_RUN = 64, /* the shortest run of items that a back-off follows */
	LEAT_BACKOFF_MAX = 128 /* the longest back-off, in pauses: 1.6 to 6 microseconds on x86 */
};

/* A back-off takes at most this for each item of the capacity. */
#define LEAT_SPSC_BACKOFF_PS 780
/* About two round trips of a line between near cores: see leat_spsc_init_backoff(). */
#define LEAT_SPSC_ENOUGH_PS 200000

/* One side's back-offs. Positions count the items that the side has moved. */
struct leat_ring_backoff {
	uint64_t last; /* the position at the last back-off */
	uint32_t most; /* pauses */
	/*
	 * how many back-offs are left out after one in vain; how many of those are still to come;
	 * how many there are at most
	 */
	uint8_t skips, to_skip, skips_most;
	bool undecided; /* whether the last back-off was in vain */
};

/* What both sides share, beside the lines. */
struct leat_spsc {
	/* the word of items that are not packed */
	uint64_t tail __attribute__((aligned(LEAT_LINES_APART)));
	uint64_t head __attribute__((aligned(LEAT_LINES_APART)));
};

/*
 * One side's own view. A run is what is side by side: the items of a line, or the whole ring. The
 * slot of pos is base + pos * item_size as far as run_end; a position that reaches run_end goes on
 * to the next run when it is next used.
 */
struct leat_spsc_cursor {
	uint64_t pos;   /* the next item to write, or to read */
	uint64_t limit; /* how far pos may go without a look at the other side; not past run_end */
	uint64_t base;
	uint64_t *word; /* of the run: how far the producer has come */
	uint64_t *head;
	size_t item_size;

	uint64_t run_end;
	uint64_t room; /* the producer's: the limit but for run_end */
	/* the run's first byte, the first run's, one past the last's */
	unsigned char *line, *lines, *end;
	size_t stride, header, run; /* bytes from run to run, bytes before its items, its items */
	size_t capacity;
	struct leat_ring_backoff backoff;
	uint64_t missed;        /* pos when this side last found nothing to do */
	uint64_t disabled_word; /* the word of a disabled cursor: pos, so nothing is beyond it */
	struct {
		uint64_t *word;
		uint64_t limit, run_end, room;
	} saved; /* while it is disabled */
	bool packed;
	/* packed, and its word is that of its line; a broadcast's stage follows its gates instead */
	bool line_word;
	/* the producer's last look gained little, the consumer's last batch or look came short */
	bool caught_up;
	bool hand_back;
};

/* Inlined whatever the compiler thinks: a constant item_size must reach each copy. */
#define LEAT_RING_INLINE static inline __attribute__((always_inline))

/* The largest power of two that divides an item's size, at most 64. */
static inline size_t leat_item_align(size_t item_size)
{
	size_t align = item_size & (~item_size + 1);

	return align < 64 ? align : 64;
}

LEAT_RING_INLINE size_t leat_spsc_header(size_t item_size)
{
	size_t align = leat_item_align(item_size);

	if (item_size > LEAT_SPSC_PACKED_MAX)
		return 0;
	return align > sizeof(uint64_t) ? align : sizeof(uint64_t);
}

/* Items of a run. */
LEAT_RING_INLINE size_t leat_spsc_run(size_t item_size, size_t capacity)
{
	if (item_size > LEAT_SPSC_PACKED_MAX)
		return capacity;
	return (LEAT_SPSC_LINE - leat_spsc_header(item_size)) / item_size;
}

/* The memory that init needs, aligned to 64 bytes; 0 if a size_t cannot hold its size. */
static inline size_t leat_spsc_bytes(size_t item_size, size_t capacity)
{
	size_t run = leat_spsc_run(item_size, capacity), bytes;

	if (item_size > LEAT_SPSC_PACKED_MAX)
		return __builtin_mul_overflow(capacity, item_size, &bytes) ? 0 : bytes;
	if (__builtin_mul_overflow((capacity - 1) / run + 2, (size_t)LEAT_SPSC_LINE, &bytes))
		return 0;
	return bytes;
}

/* b is all zero. A back-off takes at most ps for each item of the capacity. */
static inline void leat_ring_backoff_init(struct leat_ring_backoff *b, size_t capacity, uint32_t ps)
{
	struct leat_ring_tuning tuning = leat_ring_tune();
	uint64_t pauses = capacity < UINT32_MAX ? capacity : UINT32_MAX;

	pauses = pauses * ps / tuning.pause_ps;
	b->most = pauses < LEAT_BACKOFF_MAX ? (uint32_t)pauses : (uint32_t)LEAT_BACKOFF_MAX;
	b->skips_most = tuning.skips;
}

/*
 * Items of a word, in batches, pass sooner than a back-off of so long for each: the other side runs
 * through the whole ring meanwhile, and backs off in its turn. So on some processors a back-off is
 * half as long, where that is still longer than two round trips of a line.
 */
static inline void leat_spsc_init_backoff(struct leat_ring_backoff *b, size_t capacity,
                                          size_t item_size)
{
	size_t ps = LEAT_SPSC_BACKOFF_PS;

	if (leat_ring_tune().shorter && item_size <= sizeof(uint64_t) &&
	    capacity > LEAT_SPSC_ENOUGH_PS / ps) {
		const size_t enough = LEAT_SPSC_ENOUGH_PS / capacity;

		ps = enough > ps / 2 ? enough : ps / 2;
	}
	leat_ring_backoff_init(b, capacity, (uint32_t)ps);
}

LEAT_RING_INLINE void leat_spsc_enter_run(struct leat_spsc_cursor *side, unsigned char *line)
{
	side->line = line;
	side->base = (uint64_t)(uintptr_t)line + side->header - side->pos * side->item_size;
	side->run_end = side->pos + side->run;
	if (side->line_word)
		side->word = (uint64_t *)(void *)line;
}

static inline void leat_spsc_init_cursor(struct leat_spsc_cursor *side, struct leat_spsc *ring,
                                         void *memory, size_t item_size, size_t capacity)
{
	memset(side, 0, sizeof(*side));
	side->packed = side->line_word = item_size <= LEAT_SPSC_PACKED_MAX;
	side->item_size = item_size;
	side->capacity = capacity;
	side->header = leat_spsc_header(item_size);
	side->run = leat_spsc_run(item_size, capacity);
	side->stride = side->packed ? (size_t)LEAT_SPSC_LINE : item_size * capacity;
	side->lines = (unsigned char *)memory;
	side->end = side->lines + leat_spsc_bytes(item_size, capacity);
	side->word = &ring->tail;
	side->head = &ring->head;
	leat_spsc_init_backoff(&side->backoff, capacity, item_size);
	leat_spsc_enter_run(side, side->lines);
}

/*
 * memory: leat_spsc_bytes() bytes, all zero, aligned to 64; it stays the caller's. Both sides write
 * to it (see Lines handed back).
 */
static inline void leat_spsc_init(struct leat_spsc *ring, struct leat_spsc_cursor *tx,
                                  struct leat_spsc_cursor *rx, void *memory, size_t item_size,
                                  size_t capacity)
{
	leat_store_rlx(&ring->tail, 0); /* rlx: no other thread knows the ring yet */
	leat_store_rlx(&ring->head, 0); /* rlx: the same */
	leat_spsc_init_cursor(tx, ring, memory, item_size, capacity);
	leat_spsc_init_cursor(rx, ring, memory, item_size, capacity);
	tx->room = capacity; /* a new ring is all room */
	rx->hand_back = leat_ring_tune().hand_back;
}

/* Makes can_push() and can_pop() of this side return false, until it is enabled again. */
static inline void leat_spsc_disable(struct leat_spsc_cursor *side)
{
	side->saved.word = side->word;
	side->saved.limit = side->limit;
	side->saved.run_end = side->run_end;
	side->saved.room = side->room;
	side->limit = side->room = side->disabled_word = side->pos;
	side->run_end = side->pos - 1; /* behind pos, so that pos is not at it */
	side->word = &side->disabled_word;
}

static inline void leat_spsc_enable(struct leat_spsc_cursor *side)
{
	side->word = side->saved.word;
	side->limit = side->saved.limit;
	side->run_end = side->saved.run_end;
	side->room = side->saved.room;
}

static inline bool leat_spsc_is_disabled(const struct leat_spsc_cursor *side)
{
	return side->word == &side->disabled_word;
}

/* --- from run to run --- */

LEAT_RING_INLINE unsigned char *leat_spsc_line_after(const struct leat_spsc_cursor *side,
                                                     unsigned char *line)
{
	line += LEAT_SPSC_LINE;
	return line == side->end ? side->lines : line;
}

/* The line so many lines ahead; some other line if the ring has fewer. */
LEAT_RING_INLINE unsigned char *leat_spsc_line_ahead(const struct leat_spsc_cursor *side,
                                                     unsigned char *line, size_t ahead)
{
	line += ahead * LEAT_SPSC_LINE;
	return line < side->end ? line : line - (side->end - side->lines);
}

LEAT_RING_INLINE bool leat_spsc_has_lines(const struct leat_spsc_cursor *side, size_t lines)
{
	return (size_t)(side->end - side->lines) > lines * LEAT_SPSC_LINE;
}

/* The consumer leaves a line of which it has read all items: see Lines handed back. */
LEAT_RING_INLINE void leat_spsc_hand_line_back(const struct leat_spsc_cursor *rx, uint64_t *word,
                                               uint64_t end)
{
	if (rx->hand_back)
		/*
		 * R1: the items, which A1 has acquired, for a broadcast's other readers, before the
		 * word; pairs with A1 in leat_spsc_refresh_tail(). R2 of the next item orders it
		 * before the producer's next R1 there.
		 */
		leat_store_rel(word, end);
}

/* The same for so many bytes of items that are not packed: a byte of each line. */
LEAT_RING_INLINE void leat_spsc_hand_items_back(const struct leat_spsc_cursor *rx,
                                                const void *items, size_t bytes)
{
	if (rx->hand_back)
		for (size_t i = 0; i < bytes; i += LEAT_SPSC_LINE)
			leat_rewrite_byte((const unsigned char *)items + i);
}

/* Goes on to the next run, and prefetches the line `ahead` of it; 0: prefetches none. */
LEAT_RING_INLINE void leat_spsc_next_run(struct leat_spsc_cursor *side, size_t ahead, bool write)
{
	unsigned char *line = side->line + side->stride;

	if (line == side->end)
		line = side->lines;
	leat_spsc_enter_run(side, line);
	if (!side->line_word || ahead == 0 || !leat_spsc_has_lines(side, ahead))
		return;
	line = leat_spsc_line_ahead(side, line, ahead);
	if (!write)
		__builtin_prefetch(line, 0);
	/* else only a line that the consumer no longer reads */
	else if (side->room - side->pos > ahead * side->run)
		leat_prefetch_write(line);
}

/* --- back-off --- */

/*
 * This side found nothing to do, or little. If it has moved a run of items since its last back-off,
 * it pauses once for each of them, at most `most` times.
 *
 * A back-off was in vain if the next look still found nothing to do: the other side did not run.
 * Where it needs this core, a back-off only delays it. So the next back-offs are left out: one
 * after the first in vain, 3 after the second in a row, and so on, where leat/ring/tuning.h says
 * so. Out of line: not for the fast path.
 */
static __attribute__((noinline, unused)) void leat_ring_back_off(struct leat_ring_backoff *b,
                                                                 uint64_t pos)
{
	uint64_t run = pos - b->last;

	if (run == 0 && b->undecided) {
		b->undecided = false;
		b->skips = b->skips < b->skips_most ? (uint8_t)(b->skips * 2 + 1) : b->skips;
		b->to_skip = b->skips;
	}
	if (run < LEAT_BACKOFF_RUN)
		return;
	if (b->undecided)
		b->skips = 0;
	b->last = pos;
	b->undecided = b->to_skip == 0;
	if (b->to_skip > 0)
		b->to_skip--;
	else
		for (run = run < b->most ? run : b->most; run > 0; run--)
			leat_pause();
}

/*
 * Single items, with a miss after each, are no run: 64 round trips would add up to one, and then
 * one of them would be late.
 */
static __attribute__((noinline, unused)) void leat_spsc_backoff(struct leat_spsc_cursor *side)
{
	if (side->pos - side->missed == 1) {
		side->backoff.last = side->pos;
		side->backoff.undecided = false;
	}
	side->missed = side->pos;
	leat_ring_back_off(&side->backoff, side->pos);
}

/* --- room and items --- */

/*
 * The producer reads the consumer's position. Returns whether there is room beyond pos. This takes
 * the line that the consumer writes for each item, so after a look that gained little the producer
 * backs off before the next.
 */
static inline bool leat_spsc_refresh_head(struct leat_spsc_cursor *tx)
{
	uint64_t room;

	if (leat_spsc_is_disabled(tx))
		return false;
	if (tx->caught_up)
		leat_spsc_backoff(tx);
	/* A2: slots free; pairs with R2 in leat_spsc_release_to() */
	room = leat_load_acq(tx->head) + tx->capacity;
	tx->caught_up = room - tx->room < tx->capacity / 8;
	tx->room = room;
	return room != tx->pos;
}

/* The producer, at its limit. Returns whether it may go on without a look at the consumer. */
LEAT_RING_INLINE bool leat_spsc_extend_limit(struct leat_spsc_cursor *tx)
{
	if (tx->pos == tx->run_end)
		leat_spsc_next_run(tx, LEAT_SPSC_AHEAD_TX, true);
	tx->limit = tx->room - tx->pos < tx->run_end - tx->pos ? tx->room : tx->run_end;
	return tx->limit != tx->pos;
}

/* Whether there is room for an item. Reads the consumer's position if need be. */
LEAT_RING_INLINE bool leat_spsc_can_push(struct leat_spsc_cursor *tx)
{
	return tx->pos != tx->limit || leat_spsc_extend_limit(tx) ||
	       (leat_spsc_refresh_head(tx) && leat_spsc_extend_limit(tx));
}

/* The consumer, at its limit, reads how far the producer has come. ahead: leat_spsc_next_run(). */
LEAT_RING_INLINE bool leat_spsc_refresh_tail(struct leat_spsc_cursor *rx, size_t ahead)
{
	uint64_t tail;

	if (rx->pos == rx->run_end) {
		if (rx->line_word)
			leat_spsc_hand_line_back(rx, rx->word, rx->pos);
		else if (rx->packed)
			leat_spsc_hand_line_back(rx, (uint64_t *)(void *)rx->line, rx->pos);
		leat_spsc_next_run(rx, ahead, false);
	}
	/* A1: items written; pairs with R1 in leat_spsc_publish_to() */
	tail = leat_load_acq(rx->word);
	if ((int64_t)(tail - rx->pos) <= 0)
		return false;
	rx->caught_up = !rx->packed && rx->hand_back && tail - rx->pos < LEAT_SPSC_LARGE_FEW;
	rx->limit = tail - rx->pos < rx->run_end - rx->pos ? tail : rx->run_end;
	return true;
}

/* Whether there is an item. */
LEAT_RING_INLINE bool leat_spsc_can_pop(struct leat_spsc_cursor *rx)
{
	if (leat_likely(rx->pos != rx->limit))
		return true;
	if (!rx->packed && rx->caught_up)
		leat_spsc_backoff(rx);
	if (leat_spsc_refresh_tail(rx, LEAT_SPSC_AHEAD_RX))
		return true;
	leat_spsc_backoff(rx);
	return false;
}

LEAT_RING_INLINE void *leat_spsc_slot_of(const struct leat_spsc_cursor *side, uint64_t pos,
                                         size_t item_size)
{
	return (void *)(uintptr_t)(side->base + pos * item_size); /* an address, kept as a number */
}

LEAT_RING_INLINE void *leat_spsc_slot(const struct leat_spsc_cursor *side, size_t item_size)
{
	return leat_spsc_slot_of(side, side->pos, item_size);
}

/* The producer publishes the items from its position to this one. */
LEAT_RING_INLINE void leat_spsc_publish_to(struct leat_spsc_cursor *tx, uint64_t pos)
{
	/* D5: the head that made room; pairs with count_tail() */
	leat_store_rel(&tx->pos, pos);
	/* R1: items before word; pairs with A1 in leat_spsc_refresh_tail() */
	leat_store_rel(tx->word, pos);
}

/* The consumer frees the slots from its position to this one. */
LEAT_RING_INLINE void leat_spsc_release_to(struct leat_spsc_cursor *rx, uint64_t pos)
{
	leat_store_rlx(&rx->pos, pos); /* rlx: only this thread writes it */
	/* R2: reads, and lines handed back, before head; pairs with A2 in leat_spsc_refresh_head() */
	leat_store_rel(rx->head, pos);
}

/* The producer publishes the n items at pos. */
static inline void leat_spsc_publish(struct leat_spsc_cursor *tx, size_t n)
{
	leat_spsc_publish_to(tx, tx->pos + n);
}

/* The consumer frees the n slots at pos. */
static inline void leat_spsc_release(struct leat_spsc_cursor *rx, size_t n)
{
	if (!rx->packed)
		leat_spsc_hand_items_back(rx, leat_spsc_slot(rx, rx->item_size), n * rx->item_size);
	leat_spsc_release_to(rx, rx->pos + n);
}

/* --- single items --- */

/* Bytes of an item that its sender has not set, such as padding, are copied too. */
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

/*
 * Copies an item into its slot. Word by word through registers: the caller has often just built the
 * item by word stores, and a wider load would wait until those have left the store buffer, behind
 * the item before.
 */
LEAT_RING_INLINE void leat_spsc_copy_in(void *to, const void *from, size_t size)
{
	if (!__builtin_constant_p(size) || size % sizeof(uint64_t) != 0 || size > 128) {
		memcpy(to, from, size);
		return;
	}
	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, (const unsigned char *)from + i, sizeof(word));
		__asm__("" : "+r"(word)); /* else the compiler makes wide copies of the loop */
		memcpy((unsigned char *)to + i, &word, sizeof(word));
	}
}

#ifndef __clang__
#pragma GCC diagnostic pop
#endif

#ifdef __AVX__
typedef uint64_t leat_widest __attribute__((vector_size(32), aligned(1), may_alias));
#else
typedef uint64_t leat_widest __attribute__((vector_size(16), aligned(1), may_alias));
#endif

/*
 * Copies an item out of its slot by the widest stores that there are: whatever loads of the item
 * follow, each is served by one store, and need not wait.
 */
LEAT_RING_INLINE void leat_spsc_copy_out(void *to, const void *from, size_t size)
{
	const unsigned char *source = (const unsigned char *)from;
	unsigned char *copy = (unsigned char *)to;

	if (!__builtin_constant_p(size) || size > 256) {
		memcpy(to, from, size);
		return;
	}
	for (size_t i = 0; i + sizeof(leat_widest) <= size; i += sizeof(leat_widest))
		*(leat_widest *)(void *)(copy + i) =
			*(const leat_widest *)(const void *)(source + i);
	memcpy(copy + size - size % sizeof(leat_widest), source + size - size % sizeof(leat_widest),
	       size % sizeof(leat_widest));
}

/*
 * Where items are not packed, each push and pop prefetches the lines that an item some lines
 * further on will need, as far as the limit. The consumer prefetches to write where it hands lines
 * back.
 */
LEAT_RING_INLINE void leat_spsc_prefetch(const struct leat_spsc_cursor *side, size_t size,
                                         size_t ahead, bool write)
{
	const size_t items = ahead * LEAT_SPSC_LINE / size + 1;

	if (side->limit - side->pos <= items)
		return;
	for (size_t at = 0; at < size; at += LEAT_SPSC_LINE) {
		const unsigned char *far =
			(const unsigned char *)leat_spsc_slot(side, size) + items * size + at;

		if (write)
			leat_prefetch_write(far);
		else
			__builtin_prefetch(far, 0);
	}
}

LEAT_RING_INLINE bool leat_spsc_is_packed(const struct leat_spsc_cursor *side, size_t size)
{
	return __builtin_constant_p(size) ? size <= LEAT_SPSC_PACKED_MAX : side->packed;
}

/*
 * One item, after can_push() or can_pop() returned true. size is item_size, as a constant if the
 * caller has one. pos is the side's: it is read once, as to the compiler the copy, or an atomic
 * load, may have changed it.
 */
LEAT_RING_INLINE void leat_spsc_push_at(struct leat_spsc_cursor *tx, uint64_t pos, const void *item,
                                        size_t size)
{
	if (!leat_spsc_is_packed(tx, size))
		leat_spsc_prefetch(tx, size, LEAT_SPSC_AHEAD_TX, true);
	leat_spsc_copy_in(leat_spsc_slot_of(tx, pos, size), item, size);
	leat_spsc_publish_to(tx, pos + 1);
}

LEAT_RING_INLINE void leat_spsc_pop_at(struct leat_spsc_cursor *rx, uint64_t pos, void *item,
                                       size_t size)
{
	void *slot = leat_spsc_slot_of(rx, pos, size);

	if (!leat_spsc_is_packed(rx, size))
		leat_spsc_prefetch(rx, size, LEAT_SPSC_AHEAD_LARGE, rx->hand_back);
	leat_spsc_copy_out(item, slot, size);
	if (!leat_spsc_is_packed(rx, size))
		leat_spsc_hand_items_back(rx, slot, size);
	leat_spsc_release_to(rx, pos + 1);
}

LEAT_RING_INLINE void leat_spsc_push(struct leat_spsc_cursor *tx, const void *item, size_t size)
{
	leat_spsc_push_at(tx, tx->pos, item, size);
}

LEAT_RING_INLINE void leat_spsc_pop(struct leat_spsc_cursor *rx, void *item, size_t size)
{
	leat_spsc_pop_at(rx, rx->pos, item, size);
}

/* --- in place --- */

/*
 * Returns how many slots, up to want and to the run's end, are at *items for writing; 0 if the ring
 * is full.
 */
static inline size_t leat_spsc_claim(struct leat_spsc_cursor *tx, size_t want, void **items)
{
	uint64_t n;

	if (!leat_spsc_can_push(tx))
		return 0;
	n = tx->limit - tx->pos;
	if (n < want && tx->limit != tx->run_end && leat_spsc_refresh_head(tx) &&
	    leat_spsc_extend_limit(tx))
		n = tx->limit - tx->pos;
	*items = leat_spsc_slot(tx, tx->item_size);
	return (size_t)(n < want ? n : want);
}

/*
 * Returns how many items, up to want and to the run's end, are at *items for reading; 0 if the ring
 * is empty.
 */
static inline size_t leat_spsc_peek(struct leat_spsc_cursor *rx, size_t want, void **items)
{
	uint64_t n;

	if (!leat_spsc_can_pop(rx))
		return 0;
	n = rx->limit - rx->pos;
	if (n < want && rx->limit != rx->run_end) {
		leat_spsc_refresh_tail(rx, 0);
		n = rx->limit - rx->pos;
	}
	*items = leat_spsc_slot(rx, rx->item_size);
	return (size_t)(n < want ? n : want);
}

#ifdef __cplusplus
#define LEAT_STATIC_ASSERT static_assert
#else
#define LEAT_STATIC_ASSERT _Static_assert
#endif
LEAT_STATIC_ASSERT(offsetof(struct leat_spsc, tail) == 0,
                   "the word of large items has its own lines");
LEAT_STATIC_ASSERT(offsetof(struct leat_spsc, head) == LEAT_LINES_APART,
                   "C: head has its own lines");
LEAT_STATIC_ASSERT(sizeof(struct leat_spsc) == 2 * LEAT_LINES_APART, "nothing else is on them");
LEAT_STATIC_ASSERT(offsetof(struct leat_spsc_cursor, run_end) == 48,
                   "what every operation touches, with two pointers, is one line");

#include <leat/ring/spsc_batch.h>

#endif
