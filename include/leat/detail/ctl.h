/*
 * leat/detail/ctl.h: the bits of a control word. They are ABI (LEAT_ABI in leat/base.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DETAIL_CTL_H
#define LEAT_DETAIL_CTL_H

/*
 * The control word of a channel. Every send and receive reads it; it is written only when something
 * ends or a thread parks.
 *
 * CANCELED, RX_GONE, TX_GONE, TX_FAILED, STOPPING, JOINED: a call that begins after the bit was set
 * must read it; a call that began before may miss it. RX_PARKED, TX_PARKED, STAGE_PARKED: a thread
 * that publishes must not miss the bit (edges C1 and C2); reading it set when no thread is parked
 * costs a call that notifies no waiter.
 */
enum {
	LEAT_CTL_CANCELED = 1u << 0,  /* cancelled, with neither RX_GONE nor ENDED set before */
	LEAT_CTL_RX_GONE = 1u << 1,   /* the last receiver closed */
	LEAT_CTL_TX_GONE = 1u << 2,   /* the last sender closed */
	LEAT_CTL_ENDED = 1u << 3,     /* a receive returned 0; no cancel can change that */
	LEAT_CTL_RX_PARKED = 1u << 4, /* a receiver is parked until there is an item */
	LEAT_CTL_TX_PARKED = 1u << 5, /* a sender is parked until there is room */
	LEAT_CTL_FENCED = 1u << 6,    /* each publish executes a full fence; constant after open */
	/* its generator failed: senders get -ECANCELED, receivers take what is left and get 0 */
	LEAT_CTL_TX_FAILED = 1u << 7,
	/* its scope is stopping and one of its senders is a source: the slow path knows which */
	LEAT_CTL_STOPPING = 1u << 8,
	/* a subscriber has joined a broadcast: its sender scans for room again, and clears this */
	LEAT_CTL_JOINED = 1u << 16,
	LEAT_CTL_STAGE_PARKED = 1u << 17, /* a subscriber is parked until others have released */
	/*
	 * constant: the word of a receiver that has a table of functions, as it is no channel's
	 * handle, or is bound to a sender
	 */
	LEAT_CTL_RX_OPS = 1u << 30
};

#endif
