/*
 * tests/fuzz/start.h: rings that have been in use for long. Their positions begin near the ends of
 * smaller integers. So a bug that keeps a difference, a lap or a turn in a smaller integer, or
 * compares positions by size, is found within a few steps.
 *
 * The type of positions is no parameter of the rings. C's arithmetic on types narrower than int
 * would need a cast at each difference, which makes the code harder to read. Positions that begin
 * near those ends reach the same carries.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_FUZZ_START_H
#define LEAT_TEST_FUZZ_START_H

#include "tests/fuzz/fuzz.h"

#include <leat/ring/mpmc.h>

/* Returns a position a little before 8, 16, 31, 32, 63 or (0) all 64 bits are used up; or 0. */
static FUZZ_UNUSED uint64_t next_start(struct input *in)
{
	static const unsigned bits[] = { 8, 0, 16, 31, 32, 63, 64 };
	unsigned byte = next_byte(in), which = bits[(byte & 7) % 7];

	if (which == 0)
		return 0;
	return (which == 64 ? 0 : UINT64_C(1) << which) - (byte >> 3) - 1;
}

static FUZZ_UNUSED void spsc_start_side(struct leat_spsc_cursor *side, uint64_t start)
{
	side->pos = side->limit = side->backoff.last = side->missed = start;
	leat_spsc_enter_run(side, side->lines);
}

/* Called after init: makes the ring as if `start` items had gone through. */
static FUZZ_UNUSED void spsc_start(struct leat_spsc *ring, struct leat_spsc_cursor *tx,
                                   struct leat_spsc_cursor *rx, uint64_t start)
{
	ring->tail = ring->head = start;
	for (unsigned char *line = tx->lines; tx->packed && line != tx->end; line += tx->stride)
		memcpy(line, &start, sizeof(start));
	spsc_start_side(tx, start);
	spsc_start_side(rx, start);
	tx->room = start + tx->capacity;
}

/*
 * Returns the last lap of a ring with turns. The larger the ring is, the fewer laps fit into a
 * position of 64 bits.
 */
static FUZZ_UNUSED uint64_t mpmc_lap(const struct leat_mpmc *ring, uint64_t start)
{
	uint64_t most = (UINT64_C(1) << 62) >> ring->lap_shift; /* bit 63 closes the ring */

	return start > most ? most - (UINT64_MAX - start) % 64 : start;
}

/* Called after init: makes the ring as if so many laps and `index` items had gone through. */
static FUZZ_UNUSED void mpmc_start(struct leat_mpmc *ring, uint64_t lap, size_t index)
{
	ring->tail = ring->head = (lap << ring->lap_shift) + index;
	for (size_t i = 0; i < ring->capacity; i++)
		*leat_mpmc_turn(ring, i) = (lap + (i < index)) << ring->lap_shift;
}

#endif
