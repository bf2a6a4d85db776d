/*
 * tests/unit/chan_batch.c: batches: sent and received whole, in part, or cut short by the end of
 * the channel.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <signal.h>

TestSuite(chan_batch, .timeout = 600);

Test(chan_batch, batch_of_none_is_0)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		uint64_t item = 0;
		cr_expect_eq(leat_send_batch(pipe.tx, &item, 0), 0);
		cr_expect_eq(leat_try_send_batch(pipe.tx, &item, 0), 0);
		leat_send(pipe.tx, &item);
		cr_expect_eq(leat_send_batch(pipe.tx, &item, 0), 0, "full");
		cr_expect_eq(leat_try_send_batch(pipe.tx, &item, 0), 0, "full");
		pipe_close(&pipe);
	}
}

Test(chan_batch, try_batch_takes_what_there_is_room_for)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 5 });
		uint64_t items[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, got[8];
		cr_expect_eq(leat_try_send_batch(pipe.tx, items, 3), 3);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items + 3, 5), 2, "%s", kind_names[kind]);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items + 5, 3), -EAGAIN);
		cr_expect_eq(leat_recv(pipe.rx, got), 1);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items + 5, 3), 1);
		size_t received = 0;
		while (received < 5) {
			ssize_t more = leat_try_recv_batch(pipe.rx, got + received, 5 - received);
			cr_assert_gt(more, 0);
			received += (size_t)more;
		}
		cr_expect_eq(memcmp(got, items + 1, 5 * sizeof(got[0])), 0);
		cr_expect_eq(leat_try_recv_batch(pipe.rx, got, 8), -EAGAIN);
		pipe_close(&pipe);
	}
}

Test(chan_batch, recv_batch_takes_what_is_there)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[6] = { 0, 1, 2, 3, 4, 5 }, got[8] = { 0 };
		cr_assert_eq(leat_send_batch(pipe.tx, items, 6), 6);
		cr_expect_eq(leat_recv_batch(pipe.rx, got, 2), 2, "%s", kind_names[kind]);
		cr_expect_eq(leat_recv_batch(pipe.rx, got + 2, 6), 4, "%s", kind_names[kind]);
		cr_expect_eq(memcmp(got, items, sizeof(items)), 0);
		pipe_close(&pipe);
	}
}

Test(chan_batch, recv_batch_takes_what_is_there_across_the_wrap)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[8] = { 0, 1, 2, 3, 4, 5, 6, 7 }, got[8] = { 0 };
		for (int lap = 0; lap < 9; lap++) {
			cr_assert_eq(leat_send_batch(pipe.tx, items, 7), 7);
			cr_assert_eq(leat_recv_batch(pipe.rx, got, 8), 7, "%s, lap %d",
			             kind_names[kind], lap);
			cr_assert_eq(memcmp(got, items, 7 * sizeof(got[0])), 0);
		}
		pipe_close(&pipe);
	}
}

static void *drain(void *arg)
{
	struct party *party = arg;
	uint64_t items[16];
	while ((party->last = leat_recv_batch(party->rx, items, party->count % COUNT(items) + 1)) >
	       0)
		for (ssize_t i = 0; i < party->last; i++)
			party->disorder += items[i] != party->count++;
	return NULL;
}

Test(chan_batch, batch_larger_than_the_channel_is_taken_whole)
{
	static uint64_t items[5000];
	for (uint64_t n = 0; n < COUNT(items); n++)
		items[n] = n;
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 7 });
		struct party party = { .rx = pipe.rx };
		cr_assert_eq(pthread_create(&party.thread, NULL, drain, &party), 0);
		cr_expect_eq(leat_send_batch(pipe.tx, items, COUNT(items)), (ssize_t)COUNT(items));
		leat_tx_close(pipe.tx);
		pthread_join(party.thread, NULL);
		cr_expect_eq(party.count, COUNT(items));
		cr_expect_eq(party.disorder, 0);
		cr_expect_eq(party.last, 0);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

struct batch_caller {
	struct leat_tx *tx;
	uint32_t tid;
	ssize_t rc, next;
};

static void *batch_of_10(void *arg)
{
	struct batch_caller *caller = arg;
	uint64_t items[10] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
	leat_store_rel(&caller->tid, own_tid());
	caller->rc = leat_send_batch(caller->tx, items, 10);
	caller->next = leat_send_batch(caller->tx, items, 10);
	return NULL;
}

Test(chan_batch, batch_cut_short_by_close_tells_with_the_next_call)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 4 });
		struct batch_caller caller = { .tx = pipe.tx };
		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, batch_of_10, &caller), 0);
		cr_assert(await_parked(&caller.tid));
		leat_rx_close(pipe.rx);
		pthread_join(thread, NULL);
		cr_expect_eq(caller.rc, 4, "%s: %zd", kind_names[kind], caller.rc);
		cr_expect_eq(caller.next, -EPIPE);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_batch, batch_cut_short_by_cancel_tells_with_the_next_call)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 4 });
		struct batch_caller caller = { .tx = pipe.tx };
		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, batch_of_10, &caller), 0);
		cr_assert(await_parked(&caller.tid));
		leat_scope_cancel(pipe.scope, 0, NULL);
		pthread_join(thread, NULL);
		cr_expect_eq(caller.rc, 4, "%s: %zd", kind_names[kind], caller.rc);
		cr_expect_eq(caller.next, -ECANCELED);
		pipe_close(&pipe);
	}
}

/* What ends, or holds, must be seen by a batch for which there is room, or are items, as well. */
Test(chan_batch, batch_with_room_is_refused_once_the_receiver_has_left)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[2] = { 0, 1 };
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), 2);
		leat_rx_close(pipe.rx);
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), -EPIPE, "%s", kind_names[kind]);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items, 2), -EPIPE);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_batch, batch_is_refused_after_a_cancel_on_both_sides)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[4] = { 0, 1, 2, 3 };
		cr_expect_eq(leat_send_batch(pipe.tx, items, 4), 4);
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), -ECANCELED, "%s",
		             kind_names[kind]);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, 2), -ECANCELED);
		pipe_close(&pipe);
	}
}

Test(chan_batch, batch_of_a_source_is_refused_after_a_stop)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[4] = { 0, 1, 2, 3 };
		leat_tx_source(pipe.tx, true);
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), 2);
		cr_expect_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, NULL), 0);
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), -ESHUTDOWN, "%s",
		             kind_names[kind]);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, 4), 2, "what was sent is received");
		pipe_close(&pipe);
	}
}

Test(chan_batch, batch_beside_a_reservation_or_a_peek_is_busy)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[2] = { 0, 1 };
		const void *item;
		void *slot;
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), 2);
		cr_assert_eq(leat_reserve(pipe.tx, 1, &slot), 1);
		cr_assert_eq(leat_peek(pipe.rx, 1, &item), 1);
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), -EBUSY, "%s", kind_names[kind]);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, 2), -EBUSY, "%s", kind_names[kind]);
		cr_expect_eq(leat_commit(pipe.tx, 0), 0);
		cr_expect_eq(leat_release(pipe.rx, 1), 0);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, 2), 1);
		pipe_close(&pipe);
	}
}

Test(chan_batch, batch_into_no_memory_or_of_an_impossible_size_is_invalid)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[2] = { 0, 1 }, *none = NULL;
		cr_expect_eq(leat_send_batch(pipe.tx, items, 2), 2);
		cr_expect_eq(leat_send_batch(pipe.tx, none, 2), -EINVAL, "%s", kind_names[kind]);
		cr_expect_eq(leat_recv_batch(pipe.rx, none, 2), -EINVAL);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, 0), -EINVAL);
		cr_expect_eq(leat_send_batch(pipe.tx, items, SIZE_MAX), -EINVAL);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, SIZE_MAX), -EINVAL);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, 2), 2);
		pipe_close(&pipe);
	}
}

struct three {
	uint64_t words[3];
};

/* One of the calls of a random sequence: inline, in the library, one at a time, or in place. */
static ssize_t send_some(struct leat_tx *tx, const struct three *items, size_t n, long how)
{
	void *slots;
	ssize_t rc;

	if (how == 0)
		return leat_try_send_batch(tx, items, n);
	if (how == 1)
		return leat_try_send_batch(tx, (const void *)items, n);
	if (how == 2)
		return (rc = leat_try_send(tx, items)) == 0 ? 1 : rc;
	rc = leat_try_reserve(tx, n, &slots);
	if (rc > 0) {
		memcpy(slots, items, (size_t)rc * sizeof(*items));
		leat_commit(tx, (size_t)rc);
	}
	return rc;
}

static ssize_t receive_some(struct leat_rx *rx, struct three *items, size_t max, long how)
{
	const void *slots;
	ssize_t rc;

	if (how == 0)
		return leat_try_recv_batch(rx, items, max);
	if (how == 1)
		return leat_try_recv_batch(rx, (void *)items, max);
	if (how == 2)
		return leat_try_recv(rx, items);
	rc = leat_try_peek(rx, max, &slots);
	if (rc > 0) {
		memcpy(items, slots, (size_t)rc * sizeof(*items));
		leat_release(rx, (size_t)rc);
	}
	return rc;
}

Test(chan_batch, batches_inline_and_in_the_library_share_a_channel)
{
	for (size_t capacity = 1; capacity < 20; capacity++) {
		struct leat_chan_opts opts = { .kind = LEAT_SPSC, .capacity = capacity };
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_tx *tx;
		struct leat_rx *rx;
		uint64_t sent = 0, received = 0;

		srand48(42);
		cr_assert_eq(leat_chan_open(scope, sizeof(struct three), &opts, &tx, &rx), 0);
		while (received < 5000) {
			size_t n = 1 + (size_t)lrand48() % 12;
			struct three items[12];
			ssize_t rc;

			for (size_t i = 0; i < n; i++)
				items[i] = (struct three){ { sent + i, sent + i, sent + i } };
			rc = send_some(tx, items, n, lrand48() % 4);
			cr_assert(rc > 0 ? sent - received + (size_t)rc <= capacity
			                 : rc == -EAGAIN && sent - received == capacity);
			sent += rc > 0 ? (size_t)rc : 0;
			rc = receive_some(rx, items, n, lrand48() % 4);
			cr_assert(rc > 0 ? (size_t)rc <= n : rc == -EAGAIN && received == sent);
			for (ssize_t i = 0; i < rc; i++, received++)
				for (int word = 0; word < 3; word++)
					cr_assert_eq(items[i].words[word], received);
		}
		leat_tx_close(tx);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(chan_batch, batch_of_items_of_another_size_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	uint32_t items[2] = { 0, 1 };

	leat_send_batch(pipe.tx, items, 2);
}

Test(chan_batch, batch_received_as_items_of_another_size_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	uint64_t items[2] = { 0, 1 };
	uint32_t halves[2];

	leat_send_batch(pipe.tx, items, 2);
	leat_recv_batch(pipe.rx, halves, 2);
}
