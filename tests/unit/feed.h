/*
 * tests/unit/feed.h: what the suites of broadcasts share: a broadcast of numbers on each of its
 * rings, subscribers, and what they receive.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_FEED_H
#define LEAT_TEST_FEED_H

#include "census.h"

#include <leat/leat.h>

static const struct leat_broadcast_opts rings[] UNUSED = {
	{ .name = "lines" },
	{ .name = "skip", .skip = true },
	{ .name = "several", .kind = LEAT_MPMC },
	{ .name = "several, skip", .kind = LEAT_MPMC, .skip = true },
};

#define for_each_ring(opts) \
	for (size_t at_ = 0; at_ < COUNT(rings); at_++) \
		for (struct leat_broadcast_opts opts = rings[at_], *once_ = &opts; once_ != NULL; \
		     once_ = NULL)

struct feed {
	struct leat_scope *scope;
	struct leat_broadcast *bc;
	struct leat_tx *tx;
};

static UNUSED struct feed feed_open_in(struct leat_scope *scope, struct leat_broadcast_opts opts)
{
	struct feed feed = { .scope = scope };

	cr_assert_not_null(feed.scope);
	cr_assert_eq(leat_broadcast_open(feed.scope, sizeof(uint64_t), &opts, &feed.bc, &feed.tx),
	             0);
	return feed;
}

static UNUSED struct feed feed_open(struct leat_broadcast_opts opts)
{
	return feed_open_in(leat_scope_open(NULL, NULL), opts);
}

static UNUSED void feed_close(struct feed *feed)
{
	leat_tx_close(feed->tx);
	leat_broadcast_close(feed->bc);
	cr_expect_eq(leat_scope_close(feed->scope), 0);
}

static UNUSED struct leat_rx *join(struct feed *feed, struct leat_subscribe_opts opts)
{
	struct leat_rx *rx = NULL;

	cr_assert_eq(leat_broadcast_subscribe(feed->bc, &opts, &rx), 0);
	cr_assert_not_null(rx);
	return rx;
}

static UNUSED struct leat_rx *join_after(struct feed *feed, struct leat_rx *gate)
{
	struct leat_rx *gates[] = { gate };

	return join(feed, (struct leat_subscribe_opts){ .after = gates, .after_count = 1 });
}

static UNUSED void send_to(struct feed *feed, uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		cr_assert_eq(leat_send_until(feed->tx, &from, leat_now_ns() + 10000000000), 0);
}

static UNUSED void expect_items(struct leat_rx *rx, uint64_t from, uint64_t to)
{
	uint64_t got;

	for (; from < to; from++) {
		cr_assert_eq(leat_recv_until(rx, &got, leat_now_ns() + 10000000000), 1);
		cr_assert_eq(got, from, "%llu, not %llu", (unsigned long long)got,
		             (unsigned long long)from);
	}
}

static UNUSED void expect_nothing(struct leat_rx *rx)
{
	uint64_t got;

	cr_expect_eq(leat_try_recv(rx, &got), -EAGAIN);
}

static UNUSED void expect_end(struct leat_rx *rx, enum leat_cause expected)
{
	enum leat_cause cause;
	uint64_t got;

	cr_expect_eq(leat_recv(rx, &got), 0);
	cr_expect_eq(leat_recv(rx, &got), 0, "for ever");
	cr_expect_eq(leat_rx_status(rx, &cause, NULL, NULL), 0);
	cr_expect_eq(cause, expected, "cause %d", cause);
}

#endif
