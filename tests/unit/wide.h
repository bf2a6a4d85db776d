/*
 * tests/unit/wide.h: what the suites of zero-copy calls share: items that are contiguous in every
 * ring, and sends by reservation.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_WIDE_H
#define LEAT_TEST_WIDE_H

#include "owned.h"

/*
 * How many items are contiguous is the ring's affair, except for the one that is promised: some
 * rings keep small items beside words of their own. Items of this size stand side by side in every
 * ring.
 */
struct wide {
	uint64_t n, rest[7];
};

static UNUSED struct pipe wide_open(const struct leat_chan_opts *opts)
{
	return pipe_open_sized(sizeof(struct wide), opts);
}

static UNUSED void wide_send(struct leat_tx *tx, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		cr_assert_eq(leat_send(tx, &(struct wide){ .n = n }), 0);
		ledger_accept(&ledger, n);
	}
}

static UNUSED uint64_t wide_at(const void *items, size_t i)
{
	return ((const struct wide *)items)[i].n;
}

/* The next item's number; UINT64_MAX when there is none. */
static UNUSED uint64_t wide_recv(struct leat_rx *rx)
{
	struct wide got;
	return leat_recv(rx, &got) == 1 ? got.n : UINT64_MAX;
}

/* Reserves up to n, writes from on, commits what was had. */
static UNUSED ssize_t put(struct leat_tx *tx, uint64_t from, size_t n)
{
	void *room;
	ssize_t got = leat_reserve(tx, n, &room);
	for (ssize_t i = 0; i < got; i++) {
		((uint64_t *)room)[i] = from + (uint64_t)i;
		ledger_accept(&ledger, from + (uint64_t)i);
	}
	if (got > 0)
		cr_assert_eq(leat_commit(tx, (size_t)got), 0);
	return got;
}

static UNUSED void put_all(struct leat_tx *tx, uint64_t from, uint64_t to)
{
	while (from < to) {
		ssize_t got = put(tx, from, to - from);
		cr_assert_gt(got, 0);
		from += (uint64_t)got;
	}
}

#endif
