/*
 * tests/unit/chan_zero_copy.c: reserve, commit, peek and release: runs of items, one at a time, and
 * between threads.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "wide.h"

TestSuite(chan_zero_copy, .timeout = 600);

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

Test(chan_zero_copy, tries_and_deadlines_do_not_wait_for_room_or_items)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		int64_t soon_ns = leat_now_ns() + 1 * MS;
		const void *there = NULL;
		void *room = NULL;
		cr_expect_eq(leat_try_peek(pipe.rx, 1, &there), -EAGAIN);
		cr_expect_eq(leat_peek_until(pipe.rx, 1, &there, soon_ns), -ETIMEDOUT);
		cr_expect(leat_now_ns() >= soon_ns);
		cr_expect_eq(leat_peek_until(pipe.rx, 1, &there, INT64_MIN), -ETIMEDOUT);
		cr_assert_eq(leat_try_reserve(pipe.tx, 9, &room), 1);
		*(uint64_t *)room = 7;
		cr_expect_eq(leat_try_reserve(pipe.tx, 1, &room), -EBUSY);
		cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		cr_expect_eq(leat_try_reserve(pipe.tx, 1, &room), -EAGAIN);
		soon_ns = leat_now_ns() + 1 * MS;
		cr_expect_eq(leat_reserve_until(pipe.tx, 1, &room, soon_ns), -ETIMEDOUT);
		cr_expect(leat_now_ns() >= soon_ns);
		cr_assert_eq(leat_try_peek(pipe.rx, 1, &there), 1);
		cr_expect_eq(*(const uint64_t *)there, 7);
		cr_expect_eq(leat_try_peek(pipe.rx, 1, &there), -EBUSY);
		cr_expect_eq(leat_release(pipe.rx, 1), 0);
		cr_expect_eq(leat_try_reserve(pipe.tx, 0, &room), -EINVAL);
		cr_expect_eq(leat_try_reserve(NULL, 1, &room), -EINVAL);
		cr_expect_eq(leat_try_peek(pipe.rx, 1, NULL), -EINVAL);
		cr_expect_eq(leat_try_peek(NULL, 1, &there), -EINVAL);
		leat_tx_close(pipe.tx);
		cr_expect_eq(leat_try_peek(pipe.rx, 1, &there), 0);
		leat_rx_close(pipe.rx);
		cr_assert_eq(leat_scope_close(pipe.scope), 0);
	}
}

/* A channel that drops has room for one always. */
Test(chan_zero_copy, a_try_on_a_channel_that_drops_has_room)
{
	for_each_drop(overflow) {
		struct leat_chan_opts opts = { .capacity = 1, .overflow = overflow };
		struct pipe pipe = pipe_open(&opts);
		for (uint64_t n = 0; n < 3; n++) {
			void *room;
			cr_assert_eq(leat_try_reserve(pipe.tx, 5, &room), 1);
			*(uint64_t *)room = n;
			cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		}
		pipe_close(&pipe);
	}
}

static int next_after_an_hour(void *state, void *item)
{
	uint64_t *n = state;
	int rc = *n == 0 ? 0 : leat_after(leat_now_ns() + INT64_C(3600000) * MS);
	if (rc != 0)
		return rc;
	*(uint64_t *)item = ++*n;
	return 1;
}

/* Of a generator on a pool a try makes none of the items, but has it run. */
Test(chan_zero_copy, a_try_at_a_generator_on_a_pool)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	for (int compact = 0; compact < 2; compact++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_gen_opts opts = { .pool = pool, .chan.capacity = 4 };
		uint64_t n = 0;
		const void *there;
		struct leat_rx *rx;
		ssize_t r;
		opts.chan.kind = compact ? LEAT_SPSC : LEAT_SPMC;
		cr_assert_eq(leat_gen_seq(scope,
		                          (struct leat_seq){ next_after_an_hour, NULL, &n, 8 },
		                          &opts, &rx),
		             0);
		while ((r = leat_try_peek(rx, 4, &there)) == -EAGAIN)
			sched_yield();
		cr_assert_eq(r, 1);
		cr_expect_eq(*(const uint64_t *)there, 1);
		cr_expect_eq(leat_release(rx, 1), 0);
		cr_expect_eq(leat_try_peek(rx, 4, &there), -EAGAIN);
		cr_expect_eq(leat_peek_until(rx, 4, &there, leat_now_ns() + 1 * MS), -ETIMEDOUT);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
	leat_pool_close(pool);
}

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
