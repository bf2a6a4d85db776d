/*
 * leat/detail/handle.h: what inline bodies read and write. This layout is ABI (LEAT_ABI in
 * leat/base.h).
 *
 * A handle is used by one thread at a time. A send or a receive that need not wait touches the
 * handle, the control word, the slot and the position that the handle publishes, and nothing else.
 *
 * A fast path has one condition: leat_spsc_can_push() or leat_spsc_can_pop(), room for all of a
 * batch, or `mpmc` for a ring with turns. What must not take it (a ring of the other kind, an open
 * reservation or peek, a bound receiver, a closed handle) has its cursor disabled and `mpmc` NULL.
 * The slow path then finds out which of these it is.
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
	struct leat_mpmc *mpmc;
	struct leat_spsc_cursor spsc; /* disabled for ever where the ring has turns */
	struct leat_chan *chan;
	struct leat_mpmc_cursor cursor; /* this handle's cursor in the ring with turns */
	uint64_t granted;               /* a broadcast's: a batch under way ends here (J1) */
};

/*
 * A receiver whose control word says LEAT_CTL_RX_OPS has its cursor disabled and `mpmc` NULL. If it
 * is no channel's handle, it has the first 64 bytes of this and no more.
 */
struct leat_rx {
	uint32_t *ctl;
	struct leat_mpmc *mpmc;
	struct leat_spsc_cursor spsc;
	struct leat_chan *chan;
	struct leat_mpmc_cursor cursor;
};

LEAT_STATIC_ASSERT(offsetof(struct leat_rx, spsc.run_end) == 64,
                   "a fast path of one ring touches one line of its handle");
LEAT_STATIC_ASSERT(offsetof(struct leat_tx, spsc) == 16 && offsetof(struct leat_rx, spsc) == 16,
                   "ABI");
LEAT_STATIC_ASSERT(offsetof(struct leat_tx, chan) == 208 && offsetof(struct leat_rx, chan) == 208,
                   "ABI");
LEAT_STATIC_ASSERT(offsetof(struct leat_tx, cursor) == 216, "ABI");
LEAT_STATIC_ASSERT(offsetof(struct leat_rx, cursor) == 216, "ABI");
LEAT_STATIC_ASSERT(sizeof(struct leat_tx) == 304 && sizeof(struct leat_rx) == 296, "ABI");

#endif
