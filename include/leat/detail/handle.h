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
#include <leat/ring/mpmc.h>

/*
 * The control word of a channel: read by every operation, written only when something ends or
 * parks.
 *
 * Fatal if missed, harmless if seen late by a call that began before: CANCELED, RX_GONE, TX_GONE,
 * SEVERED. RX_PARKED and TX_PARKED are fatal if missed, harmless if set by mistake (a wake-up of
 * nobody).
 */
enum {
	LEAT_CTL_CANCELED = 1u << 0,  /* cancelled before the receivers left or a 0 was answered */
	LEAT_CTL_RX_GONE = 1u << 1,   /* the last receiver closed */
	LEAT_CTL_TX_GONE = 1u << 2,   /* the last sender closed */
	LEAT_CTL_ENDED = 1u << 3,     /* a 0 was answered; no cancel can change that */
	LEAT_CTL_RX_PARKED = 1u << 4, /* somebody sleeps until there is an item */
	LEAT_CTL_TX_PARKED = 1u << 5, /* somebody sleeps until there is room */
	LEAT_CTL_FENCED = 1u << 6,    /* each publish pays a full fence; constant after open */
	/* its generator failed: clones are refused as cancelled, receivers drain and get 0 */
	LEAT_CTL_TX_FAILED = 1u << 7,
	/* it is no channel of the ordinary kind that this receives from; constant */
	LEAT_CTL_RX_OPS = 1u << 30
};

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
