/*
 * leat/detail/ctl.h: the bits of a control word. They are ABI (LEAT_ABI in leat/base.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_DETAIL_CTL_H
#define LEAT_DETAIL_CTL_H

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

#endif
