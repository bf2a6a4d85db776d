/*
 * tests/unit/chan_zero_copy_commit.c: what a commit and a release take, give back, and let go on.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "wide.h"

#include <leat/select.h>

TestSuite(chan_zero_copy_commit, .timeout = 600);

/* Commit */

Test(chan_zero_copy_commit, commit_without_a_reservation_is_invalid)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		void *room;
		cr_expect_eq(leat_commit(pipe.tx, 0), -EINVAL);
		cr_expect_eq(leat_commit(pipe.tx, 1), -EINVAL);
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		cr_expect_eq(leat_commit(pipe.tx, 1), -EINVAL);
		cr_expect_eq(leat_commit(pipe.tx, 0), -EINVAL);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, commit_of_more_is_invalid_and_keeps_the_reservation)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		void *room;
		uint64_t got;
		ssize_t had = leat_reserve(pipe.tx, 2, &room);
		cr_assert_gt(had, 0);
		cr_expect_eq(leat_commit(pipe.tx, (size_t)had + 1), -EINVAL);
		cr_expect_eq(leat_commit(pipe.tx, SIZE_MAX), -EINVAL);
		*(uint64_t *)room = 6;
		cr_expect_eq(leat_commit(pipe.tx, 1), 0, "%s", kind_names[kind]);
		cr_expect_eq(leat_recv(pipe.rx, &got), 1);
		cr_expect_eq(got, 6);
		cr_expect_eq(leat_try_recv(pipe.rx, &got), -EAGAIN);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, commit_of_fewer_gives_the_rest_back)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 8);
		struct pipe pipe = wide_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		for (int lap = 0; lap < 20; lap++) {
			void *room;
			size_t filled = 0;
			ssize_t had = leat_reserve(pipe.tx, 5, &room);
			cr_assert(had == 5 || (had >= 1 && lap > 0));
			((struct wide *)room)->n = 100;
			cr_expect_eq(leat_commit(pipe.tx, 1), 0, "%s", kind_names[kind]);
			cr_assert_eq(leat_send(pipe.tx, &(struct wide){ .n = 101 }), 0);
			cr_expect_eq(wide_recv(pipe.rx), 100);
			cr_expect_eq(wide_recv(pipe.rx), 101,
			             "%s: what was given back is not received", kind_names[kind]);
			cr_expect_eq(leat_try_recv(pipe.rx, &(struct wide){ 0 }), -EAGAIN);
			while (leat_try_send(pipe.tx, &(struct wide){ .n = 7 }) == 0)
				filled++;
			cr_expect_eq(filled, 8, "%s: what was given back is room again",
			             kind_names[kind]);
			while (leat_try_recv(pipe.rx, &(struct wide){ 0 }) == 1)
				;
		}
		cr_expect_eq(ledger.discards, 0, "what was never sent is not discarded");
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, commit_of_0_gives_all_back)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 4);
		struct pipe pipe = wide_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		for (int lap = 0; lap < 20; lap++) {
			void *room;
			cr_assert_gt(leat_reserve(pipe.tx, 4, &room), 0);
			cr_expect_eq(leat_commit(pipe.tx, 0), 0, "%s", kind_names[kind]);
			cr_expect_eq(leat_try_recv(pipe.rx, &(struct wide){ 0 }), -EAGAIN);
			cr_expect_eq(leat_send(pipe.tx, &(struct wide){ .n = 55 }), 0);
			cr_expect_eq(wide_recv(pipe.rx), 55);
		}
		wide_send(pipe.tx, 0, 4);
		pipe_close(&pipe);
		cr_expect_eq(ledger.discards, 4);
	}
}

Test(chan_zero_copy_commit, a_reservation_of_a_full_channel_given_back_leaves_room_for_one)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		void *room;
		for (int lap = 0; lap < 5; lap++) {
			cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
			cr_expect_eq(leat_commit(pipe.tx, 0), 0);
		}
		cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 1 }, leat_now_ns() + 2000 * MS),
		             0, "%s", kind_names[kind]);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, what_is_reserved_is_not_received_before_its_commit)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		void *room;
		uint64_t got;
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		cr_expect_eq(leat_try_recv(pipe.rx, &got), -EAGAIN);
		cr_expect_eq(leat_recv_until(pipe.rx, &got, leat_now_ns() + MS), -ETIMEDOUT, "%s",
		             kind_names[kind]);
		*(uint64_t *)room = 3;
		cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		cr_expect_eq(leat_recv(pipe.rx, &got), 1);
		pipe_close(&pipe);
	}
}

/*
 * A stalled thread in the way of tries and selects: what is behind it is there as soon as it goes
 * on, and not before.
 */
Test(chan_zero_copy_commit, a_try_is_not_held_up_by_a_reservation_or_a_peek_in_front)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC, .capacity = 2 });
	struct leat_tx *behind = leat_tx_clone(pipe.tx);
	struct leat_rx *other = leat_rx_clone(pipe.rx);
	uint64_t item = 2;
	struct leat_case recv = LEAT_CASE_RECV(pipe.rx, &item),
			 send = LEAT_CASE_SEND(behind, &item);
	const void *there;
	void *room;
	cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
	cr_assert_eq(leat_send(behind, &item), 0);
	cr_expect_eq(leat_try_recv(pipe.rx, &item), -EAGAIN);
	cr_expect_eq(leat_recv_until(pipe.rx, &item, leat_now_ns() - 1), -ETIMEDOUT);
	cr_expect_eq(leat_select(&recv, 1, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
	*(uint64_t *)room = 1;
	cr_assert_eq(leat_commit(pipe.tx, 1), 0);
	cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
	cr_expect_eq(*(const uint64_t *)there, 1);
	cr_assert_eq(leat_try_recv(other, &item), 1);
	cr_expect_eq(item, 2);
	cr_expect_eq(leat_try_send(behind, &item), -EAGAIN);
	cr_expect_eq(leat_send_until(behind, &item, leat_now_ns() - 1), -ETIMEDOUT);
	cr_expect_eq(leat_select(&send, 1, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
	cr_assert_eq(leat_release(pipe.rx, 1), 0);
	cr_expect_eq(leat_select(&send, 1, 0, LEAT_BY_PRIORITY), 0);
	cr_expect_eq(leat_try_send(behind, &item), 0);
	leat_tx_close(behind);
	leat_rx_close(other);
	pipe_close(&pipe);
}

/* A waiting call can be aborted between a peer's claim and its commit. */
Test(chan_zero_copy_commit, cancel_ends_a_wait_behind_a_reservation)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 4);
		struct pipe pipe = pipe_open(&opts);
		struct caller caller = { .op = OP_RECV, .rx = pipe.rx };
		void *room;
		memset(&ledger, 0, sizeof(ledger));
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		caller_start(&caller);
		cr_assert(await_word(&caller.tid, 1));
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(caller_join(&caller), -ECANCELED, "%s", kind_names[kind]);
		*(uint64_t *)room = 1;
		ledger_accept(&ledger, 1);
		cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		pipe_close(&pipe);
		cr_expect_eq(ledger_faults(&ledger), 0, "%s: %u discards", kind_names[kind],
		             ledger.discards);
	}
}

Test(chan_zero_copy_commit, a_commit_wakes_a_receiver_that_parked_behind_it)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(
			&(struct leat_chan_opts){ .kind = kind, .recv_wait = LEAT_WAIT_PARK });
		struct caller caller = { .op = OP_RECV, .rx = pipe.rx };
		void *room;
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid), "%s", kind_names[kind]);
		*(uint64_t *)room = 12;
		cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		cr_expect_eq(caller_join(&caller), 1);
		cr_expect_eq(caller.value, 12);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, a_release_wakes_a_sender_that_parked_behind_it)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = { .kind = kind,
			                       .capacity = 1,
			                       .send_wait = LEAT_WAIT_PARK };
		struct pipe pipe = pipe_open(&opts);
		struct caller caller = { .op = OP_SEND, .tx = pipe.tx };
		const void *there;
		fill(pipe.tx);
		cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
		cr_expect_eq(leat_try_send(pipe.tx, &(uint64_t){ 1 }), -EAGAIN, "%s",
		             kind_names[kind]);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		cr_expect_eq(leat_release(pipe.rx, 1), 0);
		cr_expect_eq(caller_join(&caller), 0);
		pipe_close(&pipe);
	}
}

/* A reservation given back is room that a parked sender must learn of. */
Test(chan_zero_copy_commit, a_reservation_given_back_wakes_another_sender)
{
	for (enum leat_kind kind = LEAT_MPSC; kind <= LEAT_MPMC;
	     kind = (enum leat_kind)(kind + 2)) {
		struct leat_chan_opts opts = { .kind = kind,
			                       .capacity = 1,
			                       .send_wait = LEAT_WAIT_PARK };
		struct pipe pipe = pipe_open(&opts);
		struct caller caller = { .op = OP_SEND, .tx = leat_tx_clone(pipe.tx), .value = 4 };
		struct caller receiver = { .op = OP_RECV, .rx = pipe.rx };
		void *room;
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		/* where the place is left as a hole, a receiver passes over it */
		caller_start(&receiver);
		cr_expect_eq(leat_commit(pipe.tx, 0), 0);
		cr_expect_eq(caller_join(&caller), 0);
		cr_expect_eq(caller_join(&receiver), 1);
		cr_expect_eq(receiver.value, 4);
		leat_tx_close(caller.tx);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, commit_after_the_receiver_left_discards)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 4);
		struct pipe pipe = pipe_open(&opts);
		void *room;
		memset(&ledger, 0, sizeof(ledger));
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		leat_rx_close(pipe.rx);
		*(uint64_t *)room = 2;
		ledger_accept(&ledger, 2);
		cr_expect_eq(leat_commit(pipe.tx, 1), 0, "%s", kind_names[kind]);
		cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 9 }), -EPIPE);
		pipe.rx = NULL;
		pipe_close(&pipe);
		cr_expect_eq(ledger_faults(&ledger), 0, "%s: %u discards", kind_names[kind],
		             ledger.discards);
	}
}

Test(chan_zero_copy_commit, commit_after_cancel_discards)
{
	for_each_kind(kind) {
		for (int received = 0; received < 2; received++) {
			struct leat_chan_opts opts = owned(kind, 4);
			struct pipe pipe = pipe_open(&opts);
			void *room;
			memset(&ledger, 0, sizeof(ledger));
			put_all(pipe.tx, 0, 2);
			cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
			leat_scope_cancel(pipe.scope, 0, NULL);
			if (received)
				cr_expect_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), -ECANCELED);
			*(uint64_t *)room = 2;
			ledger_accept(&ledger, 2);
			cr_expect_eq(leat_commit(pipe.tx, 1), 0);
			cr_expect_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), -ECANCELED);
			pipe_close(&pipe);
			cr_expect_eq(ledger_faults(&ledger), 0, "%s: %u discards", kind_names[kind],
			             ledger.discards);
			cr_expect_eq(ledger.discards, 3);
		}
	}
}

Test(chan_zero_copy_commit, sender_closed_with_a_reservation_sent_nothing)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 4);
		struct pipe pipe = wide_open(&opts);
		void *room;
		memset(&ledger, 0, sizeof(ledger));
		wide_send(pipe.tx, 0, 1);
		cr_assert_gt(leat_reserve(pipe.tx, 2, &room), 0);
		leat_tx_close(pipe.tx);
		cr_expect_eq(wide_recv(pipe.rx), 0);
		ledger_receive(&ledger, 0);
		cr_expect_eq(leat_recv(pipe.rx, &(struct wide){ 0 }), 0, "%s", kind_names[kind]);
		pipe.tx = NULL;
		pipe_close(&pipe);
		cr_expect_eq(ledger.discards, 0);
		cr_expect_eq(ledger_faults(&ledger), 0);
	}
}

Test(chan_zero_copy_commit, a_clone_closed_with_a_reservation_is_passed_over)
{
	struct leat_chan_opts opts = owned(LEAT_MPSC, 4);
	struct pipe pipe = wide_open(&opts);
	struct leat_tx *clone = leat_tx_clone(pipe.tx);
	void *room;
	cr_assert_eq(leat_reserve(clone, 2, &room), 2);
	wide_send(pipe.tx, 1, 2);
	cr_expect_eq(leat_try_recv(pipe.rx, &(struct wide){ 0 }), -EAGAIN);
	leat_tx_close(clone);
	cr_expect_eq(wide_recv(pipe.rx), 1);
	for (int lap = 0; lap < 10; lap++) {
		wide_send(pipe.tx, 0, 4);
		cr_expect_eq(leat_try_send(pipe.tx, &(struct wide){ 0 }), -EAGAIN);
		for (uint64_t n = 0; n < 4; n++)
			cr_expect_eq(wide_recv(pipe.rx), n);
	}
	pipe_close(&pipe);
	cr_expect_eq(ledger.discards, 0);
}

/* Release */

Test(chan_zero_copy_commit, release_without_a_peek_is_invalid)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		const void *there;
		leat_send(pipe.tx, &(uint64_t){ 1 });
		cr_expect_eq(leat_release(pipe.rx, 0), -EINVAL);
		cr_expect_eq(leat_release(pipe.rx, 1), -EINVAL);
		cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
		cr_expect_eq(leat_release(pipe.rx, 1), 0);
		cr_expect_eq(leat_release(pipe.rx, 1), -EINVAL);
		cr_expect_eq(leat_release(pipe.rx, 0), -EINVAL);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, release_of_more_is_invalid_and_keeps_the_peek)
{
	for_each_kind(kind) {
		struct pipe pipe = wide_open(&(struct leat_chan_opts){ .kind = kind });
		const void *there;
		struct wide got;
		wide_send(pipe.tx, 1, 4);
		ssize_t had = leat_peek(pipe.rx, 2, &there);
		cr_assert_eq(had, 2, "%s", kind_names[kind]);
		cr_expect_eq(leat_release(pipe.rx, 3), -EINVAL);
		cr_expect_eq(leat_release(pipe.rx, SIZE_MAX), -EINVAL);
		cr_expect_eq(leat_recv(pipe.rx, &got), -EBUSY);
		cr_expect_eq(leat_release(pipe.rx, 2), 0);
		cr_expect_eq(leat_recv(pipe.rx, &got), 1);
		cr_expect_eq(got.n, 3);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, a_single_receiver_puts_the_rest_back)
{
	for (enum leat_kind kind = LEAT_SPSC; kind <= LEAT_MPSC; kind++) {
		struct pipe pipe =
			wide_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		const void *there;
		wide_send(pipe.tx, 1, 6);
		cr_assert_eq(leat_peek(pipe.rx, 4, &there), 4);
		cr_expect_eq(leat_release(pipe.rx, 1), 0, "%s", kind_names[kind]);
		cr_assert_eq(leat_peek(pipe.rx, 2, &there), 2);
		cr_expect_eq(wide_at(there, 0), 2);
		cr_expect_eq(leat_release(pipe.rx, 0), 0, "%s", kind_names[kind]);
		for (uint64_t n = 2; n <= 5; n++)
			cr_expect_eq(wide_recv(pipe.rx), n);
		pipe_close(&pipe);
	}
}

/*
 * Where nobody has gone on, a ring may be able to put back; where somebody has, it must refuse and
 * keep the peek.
 */
Test(chan_zero_copy_commit, a_receiver_with_clones_cannot_put_back)
{
	for (enum leat_kind kind = LEAT_SPMC; kind <= LEAT_MPMC; kind++) {
		struct pipe pipe =
			wide_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		struct leat_rx *other = leat_rx_clone(pipe.rx);
		const void *there;
		wide_send(pipe.tx, 1, 6);
		cr_assert_eq(leat_peek(pipe.rx, 4, &there), 4);
		cr_expect_eq(wide_recv(other), 5);
		cr_expect_eq(leat_release(pipe.rx, 1), -EINVAL, "%s", kind_names[kind]);
		cr_expect_eq(leat_release(pipe.rx, 0), -EINVAL);
		cr_expect_eq(wide_at(there, 3), 4);
		cr_expect_eq(leat_release(pipe.rx, 4), 0);
		leat_rx_close(other);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, peeked_items_stay_the_receivers_through_a_cancel)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 4);
		struct pipe pipe = wide_open(&opts);
		const void *there;
		memset(&ledger, 0, sizeof(ledger));
		wide_send(pipe.tx, 0, 3);
		cr_assert_eq(leat_peek(pipe.rx, 2, &there), 2);
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(wide_at(there, 1), 1);
		ledger_receive(&ledger, 0);
		ledger_receive(&ledger, 1);
		cr_expect_eq(leat_release(pipe.rx, 2), 0);
		cr_expect_eq(leat_recv(pipe.rx, &(struct wide){ 0 }), -ECANCELED);
		pipe_close(&pipe);
		cr_expect_eq(ledger.discards, 1);
		cr_expect_eq(ledger_faults(&ledger), 0, "%s", kind_names[kind]);
	}
}

Test(chan_zero_copy_commit, peeked_items_stay_the_receivers_after_the_sender_closed)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		const void *there;
		leat_send(pipe.tx, &(uint64_t){ 31 });
		cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
		leat_tx_close(pipe.tx);
		cr_expect_eq(*(const uint64_t *)there, 31);
		cr_expect_eq(leat_release(pipe.rx, 1), 0);
		cr_expect_eq(leat_peek(pipe.rx, 1, &there), 0);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy_commit, items_peeked_at_by_the_last_receiver_are_discarded_at_its_close)
{
	for_each_kind(kind) {
		for (int cancel = 0; cancel < 2; cancel++) {
			struct leat_chan_opts opts = owned(kind, 4);
			struct pipe pipe = wide_open(&opts);
			const void *there;
			memset(&ledger, 0, sizeof(ledger));
			wide_send(pipe.tx, 0, 3);
			cr_assert_eq(leat_peek(pipe.rx, 2, &there), 2);
			if (cancel)
				leat_scope_cancel(pipe.scope, 0, NULL);
			leat_rx_close(pipe.rx);
			pipe.rx = NULL;
			pipe_close(&pipe);
			cr_expect_eq(ledger.discards, 3, "%s: %u", kind_names[kind],
			             ledger.discards);
			cr_expect_eq(ledger_faults(&ledger), 0);
		}
	}
}

Test(chan_zero_copy_commit, items_peeked_at_by_a_clone_go_back_or_are_discarded_at_its_close)
{
	for (int passed = 0; passed < 2; passed++) {
		struct leat_chan_opts opts = owned(LEAT_SPMC, 4);
		struct pipe pipe = wide_open(&opts);
		struct leat_rx *clone = leat_rx_clone(pipe.rx);
		const void *there;
		uint64_t got;
		memset(&ledger, 0, sizeof(ledger));
		wide_send(pipe.tx, 0, 3);
		cr_assert_eq(leat_peek(clone, 2, &there), 2);
		if (passed) {
			cr_expect_eq(wide_recv(pipe.rx), 2);
			ledger_receive(&ledger, 2);
		}
		leat_rx_close(clone);
		leat_tx_close(pipe.tx);
		while ((got = wide_recv(pipe.rx)) != UINT64_MAX)
			ledger_receive(&ledger, got);
		cr_expect_eq(ledger_faults(&ledger), 0);
		if (passed)
			cr_expect_eq(ledger.discards, 2);
		pipe.tx = NULL;
		pipe_close(&pipe);
		cr_expect_eq(ledger_faults(&ledger), 0);
	}
}
