/*
 * tests/unit/chan_zero_copy.c: reserve, commit, peek and release.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/select.h>

TestSuite(chan_zero_copy, .timeout = 600);

static struct ledger ledger;

/*
 * How many items are contiguous is the ring's affair, except for the one that is promised: some
 * rings keep small items beside words of their own. Items of this size stand side by side in every
 * ring.
 */
struct wide {
	uint64_t n, rest[7];
};

static struct pipe wide_open(const struct leat_chan_opts *opts)
{
	return pipe_open_sized(sizeof(struct wide), opts);
}

static void wide_send(struct leat_tx *tx, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		cr_assert_eq(leat_send(tx, &(struct wide){ .n = n }), 0);
		ledger_accept(&ledger, n);
	}
}

static uint64_t wide_at(const void *items, size_t i)
{
	return ((const struct wide *)items)[i].n;
}

/* The next item's number; UINT64_MAX when there is none. */
static uint64_t wide_recv(struct leat_rx *rx)
{
	struct wide got;
	return leat_recv(rx, &got) == 1 ? got.n : UINT64_MAX;
}

static struct leat_chan_opts owned(enum leat_kind kind, size_t capacity)
{
	return (struct leat_chan_opts){ .kind = kind,
		                        .capacity = capacity,
		                        .discard = ledger_discard,
		                        .discard_arg = &ledger };
}

/* Reserves up to n, writes from on, commits what was had. */
static ssize_t put(struct leat_tx *tx, uint64_t from, size_t n)
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

static void put_all(struct leat_tx *tx, uint64_t from, uint64_t to)
{
	while (from < to) {
		ssize_t got = put(tx, from, to - from);
		cr_assert_gt(got, 0);
		from += (uint64_t)got;
	}
}

static size_t alignment_of(size_t size)
{
	size_t alignment = size & -size;
	return alignment < 64 ? alignment : 64;
}

Test(chan_zero_copy, pointers_are_aligned_as_the_size_allows)
{
	static const size_t sizes[] = { 1,  2,  3,  4,   8,   12,  16,  24,  32,
		                        48, 64, 96, 100, 128, 192, 256, 4096 };
	for_each_kind(kind) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			size_t size = sizes[i], alignment = alignment_of(size);
			struct pipe pipe = pipe_open_sized(
				size, &(struct leat_chan_opts){ .kind = kind, .capacity = 5 });
			for (unsigned n = 0; n < 12; n++) {
				void *room;
				const void *there;
				cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
				cr_expect_eq((uintptr_t)room % alignment, 0, "reserve, %zu bytes",
				             size);
				memset(room, (int)n, size);
				cr_assert_eq(leat_commit(pipe.tx, 1), 0);
				cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
				cr_expect_eq((uintptr_t)there % alignment, 0, "peek, %zu bytes",
				             size);
				for (size_t byte = 0; byte < size; byte++)
					cr_assert_eq(((const unsigned char *)there)[byte], n);
				cr_assert_eq(leat_release(pipe.rx, 1), 0);
			}
			pipe_close(&pipe);
		}
	}
}

Test(chan_zero_copy, all_slots_are_written_whole)
{
	for_each_kind(kind) {
		for (size_t size = 1; size <= 300; size = size * 3 + 1) {
			struct pipe pipe = pipe_open_sized(
				size, &(struct leat_chan_opts){ .kind = kind, .capacity = 7 });
			size_t room_left = 7;
			unsigned char byte = 1;
			while (room_left > 0) {
				void *room;
				ssize_t got = leat_reserve(pipe.tx, room_left, &room);
				cr_assert(got >= 1 && got <= (ssize_t)room_left);
				for (ssize_t i = 0; i < got; i++)
					memset((char *)room + (size_t)i * size, byte++, size);
				cr_assert_eq(leat_commit(pipe.tx, (size_t)got), 0);
				room_left -= (size_t)got;
			}
			for (byte = 1; byte < 8; byte++) {
				unsigned char got[512] = { 0 };
				cr_assert_eq(leat_recv(pipe.rx, got), 1);
				for (size_t i = 0; i < size; i++)
					cr_assert_eq(got[i], byte, "%s, %zu bytes",
					             kind_names[kind], size);
			}
			pipe_close(&pipe);
		}
	}
}

Test(chan_zero_copy, reserve_offers_what_is_contiguous)
{
	struct pipe pipe = wide_open(&(struct leat_chan_opts){ .capacity = 8 });
	void *room;
	struct wide got;
	cr_expect_eq(leat_reserve(pipe.tx, 3, &room), 3);
	cr_expect_eq(leat_commit(pipe.tx, 3), 0);
	cr_expect_eq(leat_reserve(pipe.tx, 100, &room), 5);
	cr_expect_eq(leat_commit(pipe.tx, 5), 0);
	for (int i = 0; i < 4; i++)
		leat_recv(pipe.rx, &got);
	cr_expect_eq(leat_reserve(pipe.tx, 100, &room), 4);
	cr_expect_eq(leat_commit(pipe.tx, 4), 0);
	cr_expect_eq(leat_try_send(pipe.tx, &got), -EAGAIN);
	pipe_close(&pipe);
}

/* Small items stand in lines of their own: what is offered is a line's, and there is always one. */
Test(chan_zero_copy, small_items_are_offered_line_by_line)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 100 });
	size_t sent = 0;

	while (sent < 100) {
		void *room;
		ssize_t got = leat_reserve(pipe.tx, 100, &room);
		cr_assert(got >= 1 && got <= (ssize_t)(100 - sent));
		for (ssize_t i = 0; i < got; i++)
			((uint64_t *)room)[i] = sent++;
		cr_assert_eq(leat_commit(pipe.tx, (size_t)got), 0);
	}
	cr_expect_eq(leat_try_send(pipe.tx, &(uint64_t){ 0 }), -EAGAIN);
	for (uint64_t n = 0; n < 100; n++) {
		uint64_t got;
		cr_assert_eq(leat_try_recv(pipe.rx, &got), 1);
		cr_assert_eq(got, n);
	}
	pipe_close(&pipe);
}

Test(chan_zero_copy, runs_never_cross_the_end_of_the_ring)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 7);
		struct pipe pipe = pipe_open(&opts);
		uint64_t sent = 0, received = 0;
		while (received < 5000) {
			ssize_t got = put(pipe.tx, sent, sent % 3 + 1);
			const void *there;
			cr_assert_gt(got, 0);
			sent += (uint64_t)got;
			while (received < sent) {
				got = leat_peek(pipe.rx, sent - received, &there);
				cr_assert_gt(got, 0);
				cr_assert_leq(got, (ssize_t)(sent - received));
				for (ssize_t i = 0; i < got; i++)
					cr_assert_eq(((const uint64_t *)there)[i], received++, "%s",
					             kind_names[kind]);
				cr_assert_eq(leat_release(pipe.rx, (size_t)got), 0);
			}
		}
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy, mixes_with_copying_calls)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 5 });
		uint64_t sent = 0, received = 0, got;
		const void *there;
		while (received < 3000) {
			put_all(pipe.tx, sent, sent + 2);
			cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ sent + 2 }), 0);
			sent += 3;
			cr_assert_eq(leat_recv(pipe.rx, &got), 1);
			cr_assert_eq(got, received++);
			for (int i = 0; i < 2; i++) {
				cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
				cr_assert_eq(*(const uint64_t *)there, received++);
				cr_assert_eq(leat_release(pipe.rx, 1), 0);
			}
		}
		pipe_close(&pipe);
	}
}

/* One at a time */

Test(chan_zero_copy, a_reservation_makes_the_sender_busy)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		void *room, *other;
		uint64_t items[2] = { 0 };
		leat_send(pipe.tx, items);
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		cr_expect_eq(leat_reserve(pipe.tx, 1, &other), -EBUSY, "%s", kind_names[kind]);
		cr_expect_eq(leat_send(pipe.tx, items), -EBUSY);
		cr_expect_eq(leat_try_send(pipe.tx, items), -EBUSY);
		cr_expect_eq(leat_send_until(pipe.tx, items, 0), -EBUSY);
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), -EBUSY);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items, 2), -EBUSY);
		*(uint64_t *)room = 8;
		cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 9 }), 0);
		cr_expect_eq(leat_recv(pipe.rx, items), 1);
		cr_expect_eq(leat_recv(pipe.rx, items), 1);
		cr_expect_eq(items[0], 8);
		cr_expect_eq(leat_recv(pipe.rx, items), 1);
		cr_expect_eq(items[0], 9);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy, a_peek_makes_the_receiver_busy)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		const void *there, *other;
		uint64_t items[2] = { 7, 8 };
		for (int i = 0; i < 3; i++)
			leat_send(pipe.tx, &items[i % 2]);
		cr_assert_eq(leat_recv(pipe.rx, items), 1);
		cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
		cr_expect_eq(leat_peek(pipe.rx, 1, &other), -EBUSY, "%s", kind_names[kind]);
		cr_expect_eq(leat_recv(pipe.rx, items), -EBUSY);
		cr_expect_eq(leat_try_recv(pipe.rx, items), -EBUSY);
		cr_expect_eq(leat_recv_until(pipe.rx, items, 0), -EBUSY);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, 2), -EBUSY);
		cr_expect_eq(leat_try_recv_batch(pipe.rx, items, 2), -EBUSY);
		cr_expect_eq(*(const uint64_t *)there, 8);
		cr_expect_eq(leat_release(pipe.rx, 1), 0);
		cr_expect_eq(leat_recv(pipe.rx, items), 1);
		cr_expect_eq(items[0], 7);
		pipe_close(&pipe);
	}
}

Test(chan_zero_copy, a_clone_is_not_busy)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	struct leat_tx *tx = leat_tx_clone(pipe.tx), *late_tx;
	struct leat_rx *rx = leat_rx_clone(pipe.rx), *late_rx;
	void *room;
	const void *there;
	uint64_t got;
	cr_assert_eq(leat_send_batch(tx, (uint64_t[]){ 1, 2, 3 }, 3), 3);
	cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
	cr_expect_eq(leat_recv(rx, &got), 1);
	cr_expect_eq(got, 2);
	late_rx = leat_rx_clone(pipe.rx);
	cr_expect_eq(leat_recv(late_rx, &got), 1);
	cr_expect_eq(got, 3);
	cr_expect_eq(leat_release(pipe.rx, 1), 0);
	cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
	late_tx = leat_tx_clone(pipe.tx);
	cr_expect_eq(leat_send(tx, &(uint64_t){ 5 }), 0);
	cr_expect_eq(leat_send(late_tx, &(uint64_t){ 6 }), 0);
	*(uint64_t *)room = 4;
	cr_expect_eq(leat_commit(pipe.tx, 1), 0);
	for (uint64_t n = 4; n < 7; n++) {
		cr_expect_eq(leat_recv(pipe.rx, &got), 1);
		cr_expect_eq(got, n, "the order in which the places were taken");
	}
	leat_tx_close(tx);
	leat_tx_close(late_tx);
	leat_rx_close(rx);
	leat_rx_close(late_rx);
	pipe_close(&pipe);
}

/* Commit */

Test(chan_zero_copy, commit_without_a_reservation_is_invalid)
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

Test(chan_zero_copy, commit_of_more_is_invalid_and_keeps_the_reservation)
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

Test(chan_zero_copy, commit_of_fewer_gives_the_rest_back)
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

Test(chan_zero_copy, commit_of_0_gives_all_back)
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

Test(chan_zero_copy, a_reservation_of_a_full_channel_given_back_leaves_room_for_one)
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

Test(chan_zero_copy, what_is_reserved_is_not_received_before_its_commit)
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
Test(chan_zero_copy, a_try_is_not_held_up_by_a_reservation_or_a_peek_in_front)
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
Test(chan_zero_copy, cancel_ends_a_wait_behind_a_reservation)
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

Test(chan_zero_copy, a_commit_wakes_a_receiver_that_parked_behind_it)
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

Test(chan_zero_copy, a_release_wakes_a_sender_that_parked_behind_it)
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
Test(chan_zero_copy, a_reservation_given_back_wakes_another_sender)
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

Test(chan_zero_copy, commit_after_the_receiver_left_discards)
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

Test(chan_zero_copy, commit_after_cancel_discards)
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

Test(chan_zero_copy, sender_closed_with_a_reservation_sent_nothing)
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

Test(chan_zero_copy, a_clone_closed_with_a_reservation_is_passed_over)
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

Test(chan_zero_copy, release_without_a_peek_is_invalid)
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

Test(chan_zero_copy, release_of_more_is_invalid_and_keeps_the_peek)
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

Test(chan_zero_copy, a_single_receiver_puts_the_rest_back)
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
Test(chan_zero_copy, a_receiver_with_clones_cannot_put_back)
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

Test(chan_zero_copy, peeked_items_stay_the_receivers_through_a_cancel)
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

Test(chan_zero_copy, peeked_items_stay_the_receivers_after_the_sender_closed)
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

Test(chan_zero_copy, items_peeked_at_by_the_last_receiver_are_discarded_at_its_close)
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

Test(chan_zero_copy, items_peeked_at_by_a_clone_go_back_or_are_discarded_at_its_close)
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

/* Channels that drop */

Test(chan_zero_copy, a_channel_that_drops_reserves_one_at_a_time)
{
	for_each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
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

Test(chan_zero_copy, reserve_in_a_full_channel_that_drops_never_waits)
{
	for_each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
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

Test(chan_zero_copy, commit_of_0_in_a_channel_that_drops_sends_nothing)
{
	for_each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
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
Test(chan_zero_copy, a_reservation_that_is_given_back_drops_nothing)
{
	for_each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
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

Test(chan_zero_copy, the_commit_drops_and_only_where_there_is_no_room)
{
	for_each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
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

Test(chan_zero_copy, a_reservation_takes_no_room_from_other_senders_that_drop)
{
	for (int many = 0; many < 2; many++) {
		enum leat_kind kind = many ? LEAT_MPMC : LEAT_MPSC;
		for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
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
Test(chan_zero_copy, a_commit_in_a_channel_that_drops_after_its_end_is_discarded_once)
{
	for_each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
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

Test(chan_zero_copy, a_peeked_item_is_not_dropped_under_its_reader)
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
Test(chan_zero_copy, a_peek_costs_no_more_items_than_are_sent)
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

/* Threads */

struct side {
	pthread_t thread;
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t from, to, faults;
};

static void *reserve_range(void *arg)
{
	struct side *side = arg;
	uint64_t n = side->from;
	while (n < side->to) {
		void *room;
		ssize_t got = leat_reserve(side->tx, (n % 5) + 1, &room);
		if (got <= 0)
			break;
		size_t use = (size_t)got > side->to - n ? (size_t)(side->to - n) : (size_t)got;
		if (n % 7 == 0)
			use = (use + 1) / 2;
		for (size_t i = 0; i < use; i++) {
			((struct wide *)room)[i].n = n;
			ledger_accept(&ledger, n++);
		}
		side->faults += leat_commit(side->tx, use) != 0;
	}
	leat_tx_close(side->tx);
	return NULL;
}

static void *peek_all(void *arg)
{
	struct side *side = arg;
	const void *there;
	ssize_t got;
	size_t want = 1;
	while ((got = leat_peek(side->rx, want, &there)) > 0) {
		for (ssize_t i = 0; i < got; i++)
			ledger_receive(&ledger, wide_at(there, (size_t)i));
		side->faults += leat_release(side->rx, (size_t)got) != 0;
		want = want % 6 + 1;
	}
	leat_rx_close(side->rx);
	return NULL;
}

enum { PER_SENDER = MANY_TIMES(15000) };

Test(chan_zero_copy, each_item_has_one_owner_between_threads)
{
	for_each_kind(kind) {
		for (size_t capacity = 1; capacity <= 16; capacity *= 4) {
			struct leat_chan_opts opts = owned(kind, capacity);
			struct pipe pipe = wide_open(&opts);
			int senders = tx_is_multiple(kind) ? 3 : 1,
			    receivers = rx_is_multiple(kind) ? 3 : 1;
			struct side tx[3] = { 0 }, rx[3] = { 0 };
			memset(&ledger, 0, sizeof(ledger));
			for (int i = 0; i < senders; i++)
				tx[i] = (struct side){ .tx = i == 0 ? pipe.tx
					                            : leat_tx_clone(pipe.tx),
					               .from = (uint64_t)i * PER_SENDER,
					               .to = (uint64_t)(i + 1) * PER_SENDER };
			for (int i = 0; i < receivers; i++)
				rx[i] = (struct side){ .rx = i == 0 ? pipe.rx
					                            : leat_rx_clone(pipe.rx) };
			for (int i = 0; i < receivers; i++)
				cr_assert_eq(pthread_create(&rx[i].thread, NULL, peek_all, &rx[i]),
				             0);
			for (int i = 0; i < senders; i++)
				cr_assert_eq(
					pthread_create(&tx[i].thread, NULL, reserve_range, &tx[i]),
					0);
			for (int i = 0; i < senders; i++) {
				pthread_join(tx[i].thread, NULL);
				cr_expect_eq(tx[i].faults, 0);
			}
			for (int i = 0; i < receivers; i++) {
				pthread_join(rx[i].thread, NULL);
				cr_expect_eq(rx[i].faults, 0);
			}
			cr_expect_eq(ledger_faults(&ledger), 0, "%s of %zu", kind_names[kind],
			             capacity);
			cr_expect_eq(ledger_received(&ledger), (unsigned)senders * PER_SENDER,
			             "%s of %zu", kind_names[kind], capacity);
			cr_expect_eq(leat_scope_close(pipe.scope), 0);
		}
	}
}
