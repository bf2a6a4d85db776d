/*
 * leat/detail/handle.h: what inline bodies touch. This layout is ABI (LEAT_ABI in leat/base.h).
 *
 * Each handle is one thread's. A send or a receive that need not wait touches the handle, the control word, the slot
 * and its own published position, and nothing else.
 *
 * The fast path has one condition, leat_spsc_can_push() or leat_spsc_can_pop(). Whatever must not take it (a ring of
 * another kind, a reservation that is open, a closed handle) is a side that is shut, and is told apart in the slow path.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DETAIL_HANDLE_H
#define LEAT_DETAIL_HANDLE_H

#include <leat/base.h>
#include <leat/ring/spsc.h>

/*
 * The control word of a channel: read by every operation, written only when something ends or parks.
 *
 * Fatal if missed, harmless if seen late by a call that began before: CANCELED, RX_GONE, TX_GONE, SEVERED.
 * RX_PARKED and TX_PARKED are fatal if missed, harmless if set by mistake (a wake-up of nobody).
 */
enum {
	LEAT_CTL_CANCELED = 1u << 0,  /* cancelled before the receivers left or a 0 was answered */
	LEAT_CTL_RX_GONE = 1u << 1,   /* the last receiver closed */
	LEAT_CTL_TX_GONE = 1u << 2,   /* the last sender closed */
	LEAT_CTL_ENDED = 1u << 3,     /* a 0 was answered; no cancel can change that */
	LEAT_CTL_RX_PARKED = 1u << 4, /* somebody sleeps until there is an item */
	LEAT_CTL_TX_PARKED = 1u << 5, /* somebody sleeps until there is room */
	LEAT_CTL_FENCED = 1u << 6,    /* each publish pays a full fence; constant after open */
	LEAT_CTL_SEVERED = 1u << 7    /* its generator failed: clones are refused as cancelled, receivers drain and get 0 */
};

struct leat_chan;

struct leat_tx {
	uint32_t *ctl;
	struct leat_chan *chan;
	struct leat_spsc_side ring; /* of another kind of ring: shut for ever */
};

/*
 * A receiver of a compact channel (runtime/gen/compact.h) has no chan, and is these 64 bytes and no more: its side is shut, and
 * what is shut is looked at no further.
 */
struct leat_rx {
	uint32_t *ctl;
	struct leat_chan *chan;
	struct leat_spsc_side ring;
};
LEAT_STATIC_ASSERT(offsetof(struct leat_rx, ring.run_end) == 64, "a fast path touches one line of its handle");

#endif
