/*
 * tests/unit/broadcast_stage.c: subscribers that come after others.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "feed.h"

#include <poll.h>

TestSuite(broadcast_stage, .timeout = 600);

Test(broadcast_stage, a_stage_sees_what_its_gate_has_released)
{
	for_each_ring(opts)
	{
		const void *peeked;
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ .name = "a" }),
			       *b = join_after(&feed, a), *c = join_after(&feed, b);
		for (uint64_t at = 0; at < 20; at += 2) {
			send_to(&feed, at, at + 2);
			expect_nothing(b);
			cr_assert_eq(leat_peek(a, 1, &peeked), 1);
			expect_nothing(b);
			cr_assert_eq(leat_release(a, 1), 0);
			expect_nothing(c);
			expect_items(b, at, at + 1);
			expect_nothing(b);
			expect_items(c, at, at + 1);
			expect_items(a, at + 1, at + 2);
			expect_items(b, at + 1, at + 2);
			expect_items(c, at + 1, at + 2);
		}
		leat_tx_close(feed.tx);
		feed.tx = NULL;
		expect_end(a, LEAT_COMPLETED);
		leat_rx_close(a);
		expect_end(b, LEAT_COMPLETED);
		expect_end(c, LEAT_COMPLETED);
		leat_rx_close(b);
		leat_rx_close(c);
		feed_close(&feed);
	}
}

Test(broadcast_stage, a_diamond_waits_for_both_of_its_gates)
{
	for_each_ring(opts)
	{
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *gates[] = { join(&feed, (struct leat_subscribe_opts){ 0 }),
			                    join(&feed, (struct leat_subscribe_opts){ 0 }) },
			       *end = join(&feed, (struct leat_subscribe_opts){ .after = gates,
		                                                                .after_count = 2 });
		for (uint64_t at = 0; at < 20; at++) {
			send_to(&feed, at, at + 1);
			expect_items(gates[at % 2], at, at + 1);
			expect_nothing(end);
			expect_items(gates[1 - at % 2], at, at + 1);
			expect_items(end, at, at + 1);
		}
		leat_rx_close(gates[0]);
		leat_rx_close(gates[1]);
		expect_end(end, LEAT_ABANDONED);
		leat_rx_close(end);
		feed_close(&feed);
	}
}

Test(broadcast_stage, a_stage_ends_abandoned_with_its_gate_or_goes_on_without_it)
{
	for_each_ring(opts) for (int optional = 0; optional < 2; optional++)
	{
		enum leat_cause cause;
		const char *text;
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ .name = "risk" }),
			       *gates[] = { gate },
			       *rx = join(&feed, (struct leat_subscribe_opts){ .after = gates,
		                                                               .after_count = 1,
		                                                               .after_optional =
		                                                                       optional });
		send_to(&feed, 0, 3);
		expect_items(gate, 0, 2);
		leat_rx_close(gate);
		expect_items(rx, 0, 2);
		if (optional) {
			expect_items(rx, 2, 3);
			expect_nothing(rx);
			send_to(&feed, 3, 7);
			expect_items(rx, 3, 7);
		} else {
			expect_end(rx, LEAT_ABANDONED);
			cr_expect_eq(leat_rx_status(rx, &cause, NULL, &text), 0);
			cr_expect_str_eq(text, "risk");
		}
		leat_rx_close(rx);
		send_to(&feed, 10, 20);
		feed_close(&feed);
	}
}

Test(broadcast_stage, an_editor_edits_in_place)
{
	static const struct leat_broadcast_opts editable[] = { { 0 }, { .kind = LEAT_MPMC } };

	for (size_t i = 0; i < COUNT(editable); i++) {
		void *slot;
		struct feed feed = feed_open(editable[i]);
		struct leat_rx *editor = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *a = join_after(&feed, editor), *b = join_after(&feed, editor);
		send_to(&feed, 5, 6);
		cr_assert_eq(leat_peek_mut(editor, 1, &slot), 1);
		*(uint64_t *)slot = 77;
		expect_nothing(a);
		cr_assert_eq(leat_release(editor, 1), 0);
		expect_items(a, 77, 78);
		expect_items(b, 77, 78);
		struct leat_rx *beside = join(&feed, (struct leat_subscribe_opts){ 0 });
		cr_expect_eq(leat_peek_mut(editor, 1, &slot), -ENOTSUP);
		leat_rx_close(beside);
		leat_rx_close(a);
		leat_rx_close(b);
		leat_rx_close(editor);
		feed_close(&feed);
	}
}

Test(broadcast_stage, a_stage_that_joined_ahead_of_its_gate_waits_for_it)
{
	for_each_ring(opts)
	{
		opts.capacity = 8;
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 });
		send_to(&feed, 0, 5);
		struct leat_rx *stage = join_after(&feed, gate);
		send_to(&feed, 5, 6);
		expect_nothing(stage);
		expect_items(gate, 0, 5);
		expect_nothing(stage);
		expect_items(gate, 5, 6);
		expect_items(stage, 5, 6);
		leat_rx_close(stage);
		stage = join_after(&feed, gate);
		send_to(&feed, 6, 7);
		struct leat_rx *late = join_after(&feed, gate);
		leat_rx_close(gate);
		expect_end(stage, LEAT_ABANDONED);
		expect_end(late, LEAT_ABANDONED);
		leat_rx_close(stage);
		leat_rx_close(late);
		feed_close(&feed);
	}
}

Test(broadcast_stage, a_stage_that_began_behind_its_gate_waits_for_a_sender)
{
	struct feed feed =
		feed_open((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 4 });
	struct leat_tx *other = leat_tx_clone(feed.tx);
	void *slot;
	cr_assert_eq(leat_reserve(other, 1, &slot), 1);
	*(uint64_t *)slot = 0;
	struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 }), *gates[] = { gate },
		       *stage = join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST,
	                                                                  .after = gates,
	                                                                  .after_count = 1 });
	struct pollfd fd = { .fd = leat_rx_fd(stage), .events = POLLIN };
	cr_expect_eq(leat_rx_seq(gate), 1);
	cr_expect_eq(leat_rx_seq(stage), 0);
	expect_nothing(stage);
	cr_expect_eq(leat_rx_arm(stage), 0);
	cr_expect_eq(poll(&fd, 1, 0), 0);
	cr_assert_eq(leat_commit(other, 1), 0);
	cr_expect_eq(poll(&fd, 1, 10000), 1);
	expect_items(stage, 0, 1);
	expect_nothing(stage);
	cr_expect_eq(leat_rx_arm(stage), 0);
	send_to(&feed, 1, 2);
	cr_expect_eq(poll(&fd, 1, 0), 0);
	expect_items(gate, 1, 2);
	cr_expect_eq(poll(&fd, 1, 10000), 1);
	expect_items(stage, 1, 2);
	leat_rx_close(stage);
	leat_rx_close(gate);
	leat_tx_close(other);
	feed_close(&feed);
}

Test(broadcast_stage, a_closed_gate_takes_no_place_of_the_table)
{
	for_each_ring(opts)
	{
		opts.subscribers = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *stage = join_after(&feed, gate), *rx;
		cr_expect_eq(leat_broadcast_subscribe(feed.bc, NULL, &rx), -ENOSPC);
		leat_rx_close(gate);
		rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		leat_rx_close(rx);
		leat_rx_close(stage);
		feed_close(&feed);
	}
}
