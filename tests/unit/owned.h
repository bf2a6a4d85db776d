/*
 * tests/unit/owned.h: a ledger, and options of a channel whose discarded items it counts.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_OWNED_H
#define LEAT_TEST_OWNED_H

#include "census.h"

static struct ledger ledger UNUSED;

static UNUSED struct leat_chan_opts owned(enum leat_kind kind, size_t capacity)
{
	return (struct leat_chan_opts){ .kind = kind,
		                        .capacity = capacity,
		                        .discard = ledger_discard,
		                        .discard_arg = &ledger };
}

static UNUSED void send_owned(struct leat_tx *tx, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		cr_assert_eq(leat_send(tx, &n), 0);
		ledger_accept(&ledger, n);
	}
}

static UNUSED int recv_owned(struct leat_rx *rx)
{
	uint64_t got = LEDGER_ITEMS;
	int rc = leat_recv(rx, &got);
	if (rc == 1)
		ledger_receive(&ledger, got);
	return rc;
}

#endif
