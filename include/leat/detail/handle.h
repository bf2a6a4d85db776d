/*
 * leat/detail/handle.h: what inline bodies touch. This layout is ABI (LEAT_ABI in leat/base.h).
 *
 * Each handle is one thread's. A send or a receive that need not wait touches the handle, the
 * control word, the slot and its own published position, and nothing else.
 *
 * A fast path has one condition: leat_spsc_can_push() or leat_spsc_can_pop(), or `fast` for a ring
 * with turns. Whatever must not take it (a ring of another kind, a reservation that is open, a
 * closed handle) is a side that is shut, or NULL, and is told apart in the slow path.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DETAIL_HANDLE_H
#define LEAT_DETAIL_HANDLE_H

#include <leat/base.h>
#include <leat/detail/ctl.h>
#include <leat/ring/mpmc.h>

struct leat_chan;

struct leat_tx {
	uint32_t *ctl;
	/* the ring with turns, while nothing is held and the handle is open; else NULL */
	struct leat_mpmc *fast;
	struct leat_spsc_side ring; /* of another kind of ring: shut for ever */
	struct leat_chan *chan;
	struct leat_mpmc_side side; /* this thread's place in the ring with turns */
};

/*
 * A receiver whose control word says LEAT_CTL_RX_OPS is the first 64 bytes of this and no more:
 * nothing of it is open.
 */
struct leat_rx {
	uint32_t *ctl;
	struct leat_mpmc *fast;
	struct leat_spsc_side ring;
	struct leat_chan *chan;
	struct leat_mpmc_side side;
};

LEAT_STATIC_ASSERT(offsetof(struct leat_rx, ring.run_end) == 64,
                   "a fast path of one ring touches one line of its handle");
LEAT_STATIC_ASSERT(offsetof(struct leat_tx, ring) == 16 && offsetof(struct leat_rx, ring) == 16,
                   "ABI");
LEAT_STATIC_ASSERT(offsetof(struct leat_tx, chan) == 192 && offsetof(struct leat_rx, chan) == 192,
                   "ABI");
LEAT_STATIC_ASSERT(offsetof(struct leat_tx, side) == 200 && offsetof(struct leat_rx, side) == 200,
                   "ABI");
LEAT_STATIC_ASSERT(sizeof(struct leat_tx) == 272 && sizeof(struct leat_rx) == 272, "ABI");

#endif
