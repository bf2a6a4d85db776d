/*
 * tests/unit/chan_zero_copy_drop.c: reserve, commit, peek and release on a channel that drops.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "wide.h"

TestSuite(chan_zero_copy_drop, .timeout = 600);

Test(chan_zero_copy_drop, a_channel_that_drops_reserves_one_at_a_time)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = { .kind = kind,
				                       .capacity = 8,
				                       .overflow = overflow };
			struct pipe pipe = pipe_open(&opts);
			void *room;
			cr_expect_eq(leat_reserve(pipe.tx, 5, &room), 1, "%s, overflow %d",
			             kind_names[kind], overflow);
			cr_expect_eq(leat_commit(pipe.tx, 0), 0);
			pipe_close(&pipe);
		}
	}
}

Test(chan_zero_copy_drop, reserve_in_a_full_channel_that_drops_never_waits)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = owned(kind, 3);
			struct pipe pipe;
			uint64_t got;
			opts.overflow = overflow;
			pipe = pipe_open(&opts);
			memset(&ledger, 0, sizeof(ledger));
			put_all(pipe.tx, 0, 10);
			cr_expect_eq(ledger.discards, 7, "%s, overflow %d: %u", kind_names[kind],
			             overflow, ledger.discards);
			leat_tx_close(pipe.tx);
			for (uint64_t n = 0; leat_recv(pipe.rx, &got) == 1; n++) {
				cr_expect_eq(got, overflow == LEAT_DROP_NEWEST ? n : n + 7);
				ledger_receive(&ledger, got);
			}
			cr_expect_eq(ledger_faults(&ledger), 0);
			pipe.tx = NULL;
			pipe_close(&pipe);
		}
	}
}

Test(chan_zero_copy_drop, commit_of_0_in_a_channel_that_drops_sends_nothing)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = owned(kind, 2);
			struct pipe pipe;
			void *room;
			uint64_t got, n = 0;
			opts.overflow = overflow;
			pipe = pipe_open(&opts);
			memset(&ledger, 0, sizeof(ledger));
			put_all(pipe.tx, 0, 2);
			cr_expect_eq(leat_reserve(pipe.tx, 1, &room), 1);
			*(uint64_t *)room = 60000;
			cr_expect_eq(leat_commit(pipe.tx, 0), 0);
			leat_tx_close(pipe.tx);
			for (; leat_recv(pipe.rx, &got) == 1; n++)
				ledger_receive(&ledger, got);
			cr_expect_eq(ledger_faults(&ledger), 0, "%s, overflow %d", kind_names[kind],
			             overflow);
			cr_expect_eq(ledger.discarded[60000], 0);
			pipe.tx = NULL;
			pipe_close(&pipe);
		}
	}
}

/*
 * A reservation drops nothing, and holds up nobody: what becomes of its item is decided by the
 * commit.
 */
Test(chan_zero_copy_drop, a_reservation_that_is_given_back_drops_nothing)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			for (size_t capacity = 1; capacity <= 3; capacity++) {
				struct leat_chan_opts opts = owned(kind, capacity);
				struct pipe pipe;
				uint64_t got;
				void *room;
				opts.overflow = overflow;
				pipe = pipe_open(&opts);
				memset(&ledger, 0, sizeof(ledger));
				put_all(pipe.tx, 0, capacity);
				for (int i = 0; i < 3; i++) {
					cr_expect_eq(leat_reserve(pipe.tx, 1, &room), 1);
					cr_expect_eq(leat_commit(pipe.tx, 0), 0);
				}
				cr_expect_eq(ledger.discards, 0, "%s of %zu, overflow %d",
				             kind_names[kind], capacity, overflow);
				for (uint64_t n = 0; n < capacity; n++) {
					cr_expect_eq(leat_try_recv(pipe.rx, &got), 1);
					cr_expect_eq(got, n);
				}
				pipe_close(&pipe);
			}
		}
	}
}

Test(chan_zero_copy_drop, the_commit_drops_and_only_where_there_is_no_room)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = owned(kind, 2);
			struct pipe pipe;
			uint64_t got;
			void *room;
			opts.overflow = overflow;
			pipe = pipe_open(&opts);
			memset(&ledger, 0, sizeof(ledger));
			put_all(pipe.tx, 0, 2);
			cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
			cr_expect_eq(ledger.discards, 0, "%s, overflow %d: by the reservation",
			             kind_names[kind], overflow);
			*(uint64_t *)room = 2;
			cr_expect_eq(leat_commit(pipe.tx, 1), 0);
			cr_expect_eq(ledger.discards, 1);
			cr_expect_eq(ledger.discarded[overflow == LEAT_DROP_NEWEST ? 2 : 0], 1);

			cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
			*(uint64_t *)room = 3;
			cr_expect_eq(leat_try_recv(pipe.rx, &got), 1, "there is room again");
			cr_expect_eq(leat_commit(pipe.tx, 1), 0);
			cr_expect_eq(ledger.discards, 1, "%s, overflow %d: there was room",
			             kind_names[kind], overflow);
			cr_expect_eq(leat_try_recv(pipe.rx, &got), 1);
			cr_expect_eq(leat_try_recv(pipe.rx, &got), 1);
			cr_expect_eq(got, 3);
			pipe_close(&pipe);
		}
	}
}

Test(chan_zero_copy_drop, a_reservation_takes_no_room_from_other_senders_that_drop)
{
	for (int many = 0; many < 2; many++) {
		enum leat_kind kind = many ? LEAT_MPMC : LEAT_MPSC;
		for_each_drop(overflow) {
			struct leat_chan_opts opts = owned(kind, 2);
			struct leat_tx *clone;
			struct pipe pipe;
			uint64_t got;
			void *room;
			opts.overflow = overflow;
			pipe = pipe_open(&opts);
			memset(&ledger, 0, sizeof(ledger));
			clone = leat_tx_clone(pipe.tx);
			cr_assert_eq(leat_reserve(clone, 1, &room), 1);
			put_all(pipe.tx, 0, 2);
			cr_expect_eq(ledger.discards, 0, "%s, overflow %d", kind_names[kind],
			             overflow);
			cr_expect_eq(leat_try_recv(pipe.rx, &got), 1,
			             "nothing stands in front of what was sent");
			cr_expect_eq(got, 0);
			put_all(pipe.tx, 2, 3);
			cr_expect_eq(ledger.discards, 0);
			cr_expect_eq(leat_commit(clone, 0), 0);
			leat_tx_close(clone);
			pipe_close(&pipe);
		}
	}
}

/* Also after an end, where it is accepted and discarded: its sender has not been told otherwise. */
Test(chan_zero_copy_drop, a_commit_in_a_channel_that_drops_after_its_end_is_discarded_once)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			for (int cancelled = 0; cancelled < 2; cancelled++) {
				struct leat_chan_opts opts = owned(kind, 2);
				struct pipe pipe;
				void *room;
				opts.overflow = overflow;
				pipe = pipe_open(&opts);
				memset(&ledger, 0, sizeof(ledger));
				put_all(pipe.tx, 0, 2);
				cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
				if (cancelled)
					leat_scope_cancel(pipe.scope, 0, NULL);
				leat_rx_close(pipe.rx);
				*(uint64_t *)room = 2;
				cr_expect_eq(leat_commit(pipe.tx, 1), 0);
				ledger_accept(&ledger, 2);
				pipe.rx = NULL;
				pipe_close(&pipe);
				cr_expect_eq(ledger.discards, 3);
				cr_expect_eq(ledger_faults(&ledger), 0, "%s, overflow %d",
				             kind_names[kind], overflow);
			}
		}
	}
}

Test(chan_zero_copy_drop, a_peeked_item_is_not_dropped_under_its_reader)
{
	for_each_kind(kind) {
		for (size_t capacity = 1; capacity <= 3; capacity++) {
			struct leat_chan_opts opts = owned(kind, capacity);
			struct pipe pipe;
			const void *there;
			uint64_t got;
			opts.overflow = LEAT_DROP_OLDEST;
			pipe = pipe_open(&opts);
			memset(&ledger, 0, sizeof(ledger));
			for (uint64_t n = 0; n < capacity; n++) {
				cr_assert_eq(leat_send(pipe.tx, &n), 0);
				ledger_accept(&ledger, n);
			}
			cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
			for (uint64_t n = capacity; n < capacity + 5; n++) {
				cr_expect_eq(leat_send(pipe.tx, &n), 0);
				ledger_accept(&ledger, n);
			}
			cr_expect_eq(*(const uint64_t *)there, 0, "%s of %zu", kind_names[kind],
			             capacity);
			cr_expect_eq(leat_release(pipe.rx, 1), 0);
			ledger_receive(&ledger, 0);
			leat_tx_close(pipe.tx);
			while (leat_recv(pipe.rx, &got) == 1)
				ledger_receive(&ledger, got);
			cr_expect_eq(ledger_faults(&ledger), 0, "%s of %zu", kind_names[kind],
			             capacity);
			pipe.tx = NULL;
			pipe_close(&pipe);
		}
	}
}

/* What makes no room is not dropped: the reader stands in the very slot that the sender needs. */
Test(chan_zero_copy_drop, a_peek_costs_no_more_items_than_are_sent)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 8);
		struct pipe pipe;
		const void *there;
		opts.overflow = LEAT_DROP_OLDEST;
		pipe = wide_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		wide_send(pipe.tx, 0, 8);
		cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
		wide_send(pipe.tx, 8, 9);
		cr_expect_eq(ledger.discards, 1, "%s: one send dropped %u items", kind_names[kind],
		             ledger.discards);
		cr_expect_eq(leat_release(pipe.rx, 1), 0);
		pipe_close(&pipe);
	}
}
