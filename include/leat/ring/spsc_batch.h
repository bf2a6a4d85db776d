/*
 * leat/ring/spsc_batch.h: batches of the ring for one producer and one consumer (leat/ring/spsc.h,
 * which includes this).
 *
 * A batch of small items whose size the compiler knows goes a line at a time, with position, line
 * and word in locals. Any other batch goes run by run, by the functions for single items.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RING_SPSC_BATCH_H
#define LEAT_RING_SPSC_BATCH_H

#include <leat/ring/spsc.h>

/* --- batches of items whose lines the compiler knows: a line at a time --- */

/*
 * Where a batch is of one item, or a few, gcc sees that the wider copies would go beyond it, and
 * not always that those are never reached.
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Warray-bounds"
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#pragma GCC diagnostic ignored "-Wstringop-overread"
#endif

/* Copies less than a line, without a call: in two pieces that may overlap. */
LEAT_RING_INLINE void leat_spsc_copy_part(void *to, const void *from, size_t bytes, size_t size)
{
	unsigned char *t = (unsigned char *)to;
	const unsigned char *f = (const unsigned char *)from;

	if (size < 8) {
		memcpy(t, f, bytes);
	} else if (bytes >= 32) {
		memcpy(t, f, 32);
		memcpy(t + bytes - 32, f + bytes - 32, 32);
	} else if (bytes >= 16) {
		memcpy(t, f, 16);
		memcpy(t + bytes - 16, f + bytes - 16, 16);
	} else if (bytes >= 8) {
		memcpy(t, f, 8);
		memcpy(t + bytes - 8, f + bytes - 8, 8);
	}
}

/* Copies the items of a whole line, in the widest pieces that there are; the last two may overlap. */
LEAT_RING_INLINE void leat_spsc_copy_line(void *to, const void *from, size_t bytes)
{
	const unsigned char *source = (const unsigned char *)from;
	unsigned char *copy = (unsigned char *)to;
	size_t i = 0;

	if (bytes < sizeof(leat_widest)) {
		memcpy(to, from, bytes);
		return;
	}
	for (; i + sizeof(leat_widest) < bytes; i += sizeof(leat_widest))
		*(leat_widest *)(void *)(copy + i) =
			*(const leat_widest *)(const void *)(source + i);
	i = bytes - sizeof(leat_widest);
	*(leat_widest *)(void *)(copy + i) = *(const leat_widest *)(const void *)(source + i);
}

/*
 * Where a batch has left a side: somewhere in this line, which ends at run_end. The caller sets its
 * word, unless it follows gates.
 */
LEAT_RING_INLINE void leat_spsc_set_line(struct leat_spsc_cursor *side, unsigned char *line,
                                         uint64_t run_end, size_t size)
{
	side->line = line;
	side->base = (uint64_t)(uintptr_t)line + leat_spsc_header(size) -
	             (run_end - leat_spsc_run(size, 0)) * size;
	side->run_end = run_end;
}

/* The producer goes on to the next line in the midst of a batch. */
LEAT_RING_INLINE unsigned char *leat_spsc_enter_line(const struct leat_spsc_cursor *tx,
                                                     unsigned char *line, uint64_t left, size_t run)
{
	line = leat_spsc_line_after(tx, line);
	if (left > (LEAT_SPSC_AHEAD_BATCH + 1) * run &&
	    leat_spsc_has_lines(tx, LEAT_SPSC_AHEAD_BATCH))
		leat_prefetch_write(leat_spsc_line_ahead(tx, line, LEAT_SPSC_AHEAD_BATCH));
	return line;
}

/* Writes the n items from pos on, for which there is room; position, line and word in locals. */
LEAT_RING_INLINE void leat_spsc_push_lines(struct leat_spsc_cursor *tx, const unsigned char *from,
                                           size_t n, size_t size)
{
	const size_t header = leat_spsc_header(size), run = leat_spsc_run(size, 0);
	const uint64_t end = tx->pos + n, room = tx->room;
	uint64_t pos = tx->pos, run_end = tx->run_end;
	unsigned char *line = tx->line;

	leat_store_rel(&tx->pos, end); /* D5: the head that made room; pairs with count_tail() */
	if (pos != run_end) {          /* the rest of a line */
		size_t k = run_end - pos < n ? (size_t)(run_end - pos) : n;

		leat_spsc_copy_part(line + header + (run - (run_end - pos)) * size, from, k * size,
		                    size);
		from += k * size;
		pos += k;
		/* R1: items before word; pairs with A1 in leat_spsc_read_line() */
		leat_store_rel((uint64_t *)(void *)line, pos);
	}
	while (pos != end) {
		line = leat_spsc_enter_line(tx, line, room - pos, run);
		run_end = pos + run;
		if (leat_likely(end - pos >= run)) {
			leat_spsc_copy_line(line + header, from, run * size);
			from += run * size;
			pos = run_end;
		} else {
			leat_spsc_copy_part(line + header, from, (size_t)(end - pos) * size, size);
			pos = end;
		}
		leat_store_rel((uint64_t *)(void *)line, pos); /* R1: the same */
	}
	leat_spsc_set_line(tx, line, run_end, size);
	tx->word = (uint64_t *)(void *)line;
	tx->limit = room - end < run_end - end ? room : run_end;
}

/* Reads how far the line of pos is filled, as far as its end. */
LEAT_RING_INLINE uint64_t leat_spsc_read_line(const unsigned char *line, uint64_t pos,
                                              uint64_t run_end)
{
	/* A1: items written; pairs with R1 in leat_spsc_push_lines() */
	uint64_t tail = leat_load_acq((const uint64_t *)(const void *)line);

	if ((int64_t)(tail - pos) < 0)
		return pos;
	return tail - pos < run_end - pos ? tail : run_end;
}

/*
 * Reads up to n items, and stops at a line that is not full. Returns the position behind them,
 * which the caller releases: all lines at once, after the last was read. It prefetches only where
 * lines are handed back: on the Xeon a prefetch took lines that the producer still wrote.
 */
LEAT_RING_INLINE uint64_t leat_spsc_pop_lines(struct leat_spsc_cursor *rx, unsigned char *to,
                                              size_t n, size_t size)
{
	const size_t header = leat_spsc_header(size), run = leat_spsc_run(size, 0);
	const uint64_t end = rx->pos + n;
	const bool prefetches =
		rx->hand_back && leat_spsc_has_lines(rx, LEAT_SPSC_AHEAD_BATCH);
	uint64_t pos = rx->pos, run_end = rx->run_end, limit = rx->limit;
	unsigned char *line = rx->line;

	if (pos != run_end) { /* the rest of a line */
		size_t k;

		if (limit != run_end)
			limit = leat_spsc_read_line(line, pos, run_end);
		k = limit - pos < n ? (size_t)(limit - pos) : n;
		leat_spsc_copy_part(to, line + header + (run - (run_end - pos)) * size, k * size,
		                    size);
		to += k * size;
		pos += k;
	}
	while (pos == run_end && pos != end) {
		size_t k;

		leat_spsc_hand_line_back(rx, (uint64_t *)(void *)line, pos);
		line = leat_spsc_line_after(rx, line);
		run_end = pos + run;
		if (prefetches)
			__builtin_prefetch(leat_spsc_line_ahead(rx, line, LEAT_SPSC_AHEAD_BATCH),
			                   0);
		limit = leat_spsc_read_line(line, pos, run_end);
		if (leat_likely(limit == run_end && end - pos >= run)) {
			leat_spsc_copy_line(to, line + header, run * size);
			to += run * size;
			pos = run_end;
			continue;
		}
		k = limit - pos < end - pos ? (size_t)(limit - pos) : (size_t)(end - pos);
		leat_spsc_copy_part(to, line + header, k * size, size);
		pos += k;
		break;
	}
	leat_spsc_set_line(rx, line, run_end, size);
	rx->word = (uint64_t *)(void *)line;
	rx->limit = limit;
	return pos;
}

/*
 * Reads up to n items of a side that follows gates: its word tells of all lines how far it may go,
 * so one look serves the whole batch. Returns as leat_spsc_pop_lines().
 */
LEAT_RING_INLINE uint64_t leat_spsc_pop_gated(struct leat_spsc_cursor *rx, unsigned char *to,
                                              size_t n, size_t size)
{
	const size_t header = leat_spsc_header(size), run = leat_spsc_run(size, 0);
	/* A1: items written, or read by the gate; pairs with R2 in leat_spsc_release_to() */
	const uint64_t begin = rx->pos, tail = leat_load_acq(rx->word);
	const uint64_t end = (int64_t)(tail - begin) < (int64_t)n ? tail : begin + n;
	const bool prefetches =
		rx->hand_back && leat_spsc_has_lines(rx, LEAT_SPSC_AHEAD_BATCH);
	uint64_t pos = begin, run_end = rx->run_end;
	unsigned char *line = rx->line;

	if ((int64_t)(end - begin) <= 0)
		return begin;
	if (pos != run_end) { /* the rest of a line */
		size_t k = run_end - pos < end - pos ? (size_t)(run_end - pos)
		                                     : (size_t)(end - pos);

		leat_spsc_copy_part(to, line + header + (run - (run_end - pos)) * size, k * size,
		                    size);
		to += k * size;
		pos += k;
	}
	while (pos != end) {
		leat_spsc_hand_line_back(rx, (uint64_t *)(void *)line, pos);
		line = leat_spsc_line_after(rx, line);
		run_end = pos + run;
		if (prefetches && tail - pos > (LEAT_SPSC_AHEAD_BATCH + 1) * run)
			__builtin_prefetch(leat_spsc_line_ahead(rx, line, LEAT_SPSC_AHEAD_BATCH),
			                   0);
		if (leat_likely(end - pos >= run)) {
			leat_spsc_copy_line(to, line + header, run * size);
			to += run * size;
			pos = run_end;
		} else {
			leat_spsc_copy_part(to, line + header, (size_t)(end - pos) * size, size);
			pos = end;
		}
	}
	leat_spsc_set_line(rx, line, run_end, size);
	rx->limit = tail - end < run_end - end ? tail : run_end;
	return end;
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

LEAT_RING_INLINE bool leat_spsc_knows_lines(size_t size)
{
	return __builtin_constant_p(size) && size <= LEAT_SPSC_PACKED_MAX;
}

/* --- batches of any items --- */

/*
 * A batch keeps what it moves in registers. Stores to the cursor for each line would fill the store
 * buffer behind the other side's line; and reading fields back together, as copying the struct
 * does, waits for all stores before them.
 */
static inline void leat_spsc_begin(struct leat_spsc_cursor *now,
                                   const struct leat_spsc_cursor *side)
{
	now->pos = leat_load_rlx(&side->pos);         /* rlx: this thread's; one load each */
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
	now->line_word = side->line_word;
	now->hand_back = side->hand_back;
}

/* All but pos: the producer has stored it with each run (D5), the consumer's release does. */
static inline void leat_spsc_end(struct leat_spsc_cursor *side, const struct leat_spsc_cursor *now)
{
	side->limit = now->limit;
	side->base = now->base;
	side->run_end = now->run_end;
	side->word = now->word;
	side->line = now->line;
}

/* Prefetches the lines of a next batch that is as large as this one, if the limit allows one. */
LEAT_RING_INLINE void leat_spsc_prefetch_batch(const struct leat_spsc_cursor *now, size_t n,
                                               size_t size, bool write)
{
	if (size <= LEAT_SPSC_PACKED_MAX || now->limit - now->pos < n)
		return;
	for (size_t at = 0; at < n * size; at += LEAT_SPSC_LINE) {
		const unsigned char *line = (const unsigned char *)leat_spsc_slot(now, size) + at;

		if (write)
			leat_prefetch_write(line);
		else
			__builtin_prefetch(line, 0);
	}
}

/* Writes the n items from pos on, for which there is room: run by run. */
LEAT_RING_INLINE void leat_spsc_push_runs(struct leat_spsc_cursor *tx, const unsigned char *from,
                                          size_t n, size_t size)
{
	struct leat_spsc_cursor now;

	leat_spsc_begin(&now, tx);
	while (n > 0) {
		size_t k;

		if (now.pos == now.limit)
			leat_spsc_extend_limit(&now);
		k = now.limit - now.pos < n ? (size_t)(now.limit - now.pos) : n;
		memcpy(leat_spsc_slot(&now, size), from, k * size);
		now.pos += k;
		leat_spsc_prefetch_batch(&now, k, size, true);
		/* D5: the head that made room; pairs with count_tail() */
		leat_store_rel(&tx->pos, now.pos);
		/* R1: items before word; pairs with A1 in leat_spsc_refresh_tail() */
		leat_store_rel(now.word, now.pos);
		from += k * size;
		n -= k;
	}
	leat_spsc_end(tx, &now);
}

/* Reads up to n items, run by run. Returns as leat_spsc_pop_lines(). */
LEAT_RING_INLINE uint64_t leat_spsc_pop_runs(struct leat_spsc_cursor *rx, unsigned char *to,
                                             size_t n, size_t size)
{
	struct leat_spsc_cursor now;
	size_t done = 0;

	leat_spsc_begin(&now, rx);
	while (done < n && (now.pos != now.limit || leat_spsc_refresh_tail(&now, 0))) {
		size_t k =
			now.limit - now.pos < n - done ? (size_t)(now.limit - now.pos) : n - done;
		void *slots = leat_spsc_slot(&now, size);

		memcpy(to + done * size, slots, k * size);
		if (!now.packed)
			leat_spsc_hand_items_back(&now, slots, k * size);
		now.pos += k;
		done += k;
		leat_spsc_prefetch_batch(&now, k, size, now.hand_back);
	}
	leat_spsc_end(rx, &now);
	return now.pos;
}

/*
 * Writes up to n items, in order. Returns how many. size is item_size, as a constant if the caller
 * has one. Reads the consumer's position at most once: a look for each line that comes free would
 * keep both sides in step.
 */
LEAT_RING_INLINE size_t leat_spsc_push_batch(struct leat_spsc_cursor *tx, const void *items,
                                             size_t n, size_t size)
{
	if (tx->room - tx->pos < n && !leat_spsc_refresh_head(tx))
		return 0;
	if (tx->room - tx->pos < n)
		n = (size_t)(tx->room - tx->pos);
	if (n == 0)
		return 0;
	if (leat_spsc_knows_lines(size))
		leat_spsc_push_lines(tx, (const unsigned char *)items, n, size);
	else
		leat_spsc_push_runs(tx, (const unsigned char *)items, n, size);
	return n;
}

/*
 * Reads up to n items, in order. Returns how many. The slots are released together, after the last
 * was read, and before any back-off: the producer may wait for them. A batch that came short has
 * caught up with the producer, and the next one would again: it never finds nothing, and so would
 * never back off. Therefore: the next one backs off first. gated: the side follows gates.
 */
LEAT_RING_INLINE size_t leat_spsc_pop_by(struct leat_spsc_cursor *rx, void *items, size_t n,
                                         size_t size, const bool gated)
{
	const uint64_t begin = rx->pos;
	uint64_t pos;

	if (n == 0 || leat_spsc_is_disabled(rx))
		return 0;
	if (leat_unlikely(rx->caught_up))
		leat_spsc_backoff(rx);
	if (!leat_spsc_knows_lines(size))
		pos = leat_spsc_pop_runs(rx, (unsigned char *)items, n, size);
	else if (gated)
		pos = leat_spsc_pop_gated(rx, (unsigned char *)items, n, size);
	else
		pos = leat_spsc_pop_lines(rx, (unsigned char *)items, n, size);
	rx->caught_up = pos != begin && pos - begin < n;
	if (pos != begin)
		leat_spsc_release_to(rx, pos);
	else
		leat_spsc_backoff(rx);
	return (size_t)(pos - begin);
}

LEAT_RING_INLINE size_t leat_spsc_pop_batch(struct leat_spsc_cursor *rx, void *items, size_t n,
                                            size_t size)
{
	return leat_spsc_pop_by(rx, items, n, size, false);
}

/* The same of a side that follows gates. */
LEAT_RING_INLINE size_t leat_spsc_pop_batch_gated(struct leat_spsc_cursor *rx, void *items,
                                                  size_t n, size_t size)
{
	return leat_spsc_pop_by(rx, items, n, size, true);
}

#endif
