/*
 * tests/unit/broadcast.c: what a broadcast promises, on each of its rings: one sender, one sender
 * that may overtake, several senders.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "feed.h"

#include <poll.h>

TestSuite(broadcast, .timeout = 600);

Test(broadcast, every_subscriber_sees_every_item)
{
	for_each_ring(opts)
	{
		opts.capacity = 5;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join(&feed, (struct leat_subscribe_opts){ 0 });
		for (uint64_t at = 0; at < 100; at += 5) {
			send_to(&feed, at, at + 5);
			cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 0 }), -EAGAIN, "exact");
			expect_items(a, at, at + 5);
			cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 0 }), -EAGAIN);
			expect_items(b, at, at + 5);
			expect_nothing(a);
			expect_nothing(b);
		}
		cr_expect_eq(leat_rx_seq(a), 100);
		cr_expect_eq(leat_rx_missed(a), 0);
		cr_expect_null(leat_rx_clone(a));
		leat_rx_close(a);
		leat_rx_close(b);
		feed_close(&feed);
	}
}

Test(broadcast, items_of_any_size_and_rings_of_any_capacity)
{
	static const size_t sizes[] = { 1, 3, 8, 12, 24, 32, 40, 64, 100 };

	for_each_ring(opts) for (size_t i = 0; i < COUNT(sizes);
	                         i++) for (size_t capacity = 1; capacity <= 9; capacity++)
	{
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_broadcast *bc;
		struct leat_tx *tx;
		struct leat_rx *rx;
		unsigned char in[100], out[100];
		opts.capacity = capacity;
		cr_assert_eq(leat_broadcast_open(scope, sizes[i], &opts, &bc, &tx), 0);
		cr_assert_eq(leat_broadcast_subscribe(bc, NULL, &rx), 0);
		for (unsigned k = 0; k < 40; k++) {
			memset(in, (int)k, sizeof(in));
			cr_assert_eq(leat_try_send(tx, (void *)in), 0);
			if (k % capacity != capacity - 1)
				continue;
			for (unsigned n = k + 1 - (unsigned)capacity; n <= k; n++) {
				cr_assert_eq(leat_try_recv(rx, (void *)out), 1);
				for (size_t byte = 0; byte < sizes[i]; byte++)
					cr_assert_eq(out[byte], n);
			}
		}
		leat_tx_close(tx);
		leat_rx_close(rx);
		leat_broadcast_close(bc);
		leat_scope_close(scope);
	}
}

Test(broadcast, a_batch_goes_over_slots_that_were_given_back)
{
	struct feed feed =
		feed_open((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 8 });
	struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
	uint64_t items[2] = { 1, 2 }, got[8] = { 0 };
	void *slots;

	cr_assert_eq(leat_send_batch(feed.tx, items, 2), 2);
	cr_assert_eq(leat_reserve(feed.tx, 1, &slots), 1);
	cr_assert_eq(leat_commit(feed.tx, 0), 0);
	cr_assert_eq(leat_send(feed.tx, &(uint64_t){ 3 }), 0);
	cr_expect_eq(leat_recv_batch(rx, got, 8), 3);
	cr_expect(got[0] == 1 && got[1] == 2 && got[2] == 3);
	leat_rx_close(rx);
	feed_close(&feed);
}

Test(broadcast, a_batch_behind_an_optional_gate_that_has_closed_is_of_all_that_is_there)
{
	struct feed feed = feed_open((struct leat_broadcast_opts){ .capacity = 8 });
	struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 });
	struct leat_rx *rx =
		join(&feed, (struct leat_subscribe_opts){ .after = (struct leat_rx *[]){ gate },
	                                                  .after_count = 1,
	                                                  .after_optional = true });
	uint64_t items[4] = { 1, 2, 3, 4 }, got[8] = { 0 };

	cr_assert_eq(leat_send_batch(feed.tx, items, 4), 4);
	cr_assert_eq(leat_recv_batch(gate, got, 3), 3);
	leat_rx_close(gate);
	cr_expect_eq(leat_recv_batch(rx, got, 8), 4);
	leat_rx_close(rx);
	feed_close(&feed);
}

Test(broadcast, batches)
{
	for_each_ring(opts)
	{
		uint64_t items[64], got[64];
		opts.capacity = 20;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join_after(&feed, a);
		for (uint64_t at = 0; at < 1000; at += 20) {
			for (uint64_t k = 0; k < 64; k++)
				items[k] = at + k;
			cr_assert_eq(leat_try_send_batch(feed.tx, items, 64), 20);
			cr_assert_eq(leat_try_recv_batch(b, got, 64), -EAGAIN);
			cr_assert_eq(leat_recv_batch(a, got, 7), 7);
			cr_assert_eq(leat_recv_batch(b, got, 64), 7);
			cr_assert_eq(got[6], at + 6);
			for (size_t have = 0; have < 13;) {
				ssize_t n = leat_recv_batch(a, got + have, 64 - have);
				cr_assert_gt(n, 0);
				have += (size_t)n;
			}
			for (uint64_t k = 0; k < 13; k++)
				cr_assert_eq(got[k], at + 7 + k);
			for (size_t have = 0; have < 13;) {
				ssize_t n = leat_recv_batch(b, got + have, 64 - have);
				cr_assert_gt(n, 0);
				have += (size_t)n;
			}
			for (uint64_t k = 0; k < 13; k++)
				cr_assert_eq(got[k], at + 7 + k);
		}
		leat_rx_close(b);
		leat_rx_close(a);
		feed_close(&feed);
	}
}

Test(broadcast, joins_from_now_from_the_oldest_and_from_a_number)
{
	for_each_ring(opts) for (int others = 0; others < 2; others++)
	{
		opts.capacity = 8;
		struct feed feed = feed_open(opts);
		struct leat_rx *other =
			others ? join(&feed, (struct leat_subscribe_opts){ 0 }) : NULL;
		for (uint64_t sent = 0; sent < 30; sent++) {
			uint64_t oldest = sent > 8 ? sent - 8 : 0;
			struct leat_rx *rx = join(
				&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
			cr_expect_eq(leat_rx_seq(rx), oldest);
			expect_items(rx, oldest, sent);
			expect_nothing(rx);
			leat_rx_close(rx);
			rx = join(&feed, (struct leat_subscribe_opts){ 0 });
			cr_expect_eq(leat_rx_seq(rx), sent);
			expect_nothing(rx);
			leat_rx_close(rx);
			for (uint64_t seq = oldest; seq <= sent; seq++) {
				rx = join(&feed, (struct leat_subscribe_opts){
							 .from = LEAT_FROM_SEQ, .seq = seq });
				expect_items(rx, seq, sent);
				leat_rx_close(rx);
			}
			for (uint64_t seq = oldest - 2; seq <= sent + 2; seq++) {
				struct leat_subscribe_opts bad = { .from = LEAT_FROM_SEQ,
					                           .seq = seq };
				if (seq >= oldest && seq <= sent)
					continue;
				cr_expect_eq(leat_broadcast_subscribe(feed.bc, &bad, &rx), -ERANGE);
				cr_expect_null(rx);
			}
			send_to(&feed, sent, sent + 1);
			if (others)
				expect_items(other, sent, sent + 1);
		}
		leat_rx_close(other);
		feed_close(&feed);
	}
}

Test(broadcast, late_subscribers_drain_after_the_last_sender_closed)
{
	for_each_ring(opts)
	{
		opts.capacity = 8;
		struct feed feed = feed_open(opts);
		send_to(&feed, 0, 20);
		leat_tx_close(feed.tx);
		struct leat_rx *rx =
			join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
		expect_items(rx, 12, 20);
		expect_end(rx, LEAT_COMPLETED);
		leat_rx_close(rx);
		feed.tx = NULL;
		feed_close(&feed);
	}
}

Test(broadcast, epipe_once_it_is_closed_and_has_no_subscriber)
{
	for_each_ring(opts)
	{
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		send_to(&feed, 0, 3);
		leat_rx_close(rx);
		send_to(&feed, 3, 50);
		rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		leat_broadcast_close(feed.bc);
		feed.bc = NULL;
		send_to(&feed, 50, 53);
		cr_expect_not(leat_tx_done(feed.tx));
		leat_rx_close(rx);
		cr_expect(leat_tx_done(feed.tx));
		cr_expect_eq(leat_send(feed.tx, &(uint64_t){ 0 }), -EPIPE);
		feed_close(&feed);
	}
}

Test(broadcast, a_full_table_is_enospc_and_a_place_is_used_again)
{
	for_each_ring(opts)
	{
		struct leat_rx *rx[3], *one_more;
		opts.subscribers = 3;
		struct feed feed = feed_open(opts);
		for (int turn = 0; turn < 5; turn++) {
			for (int i = 0; i < 3; i++)
				rx[i] = join(&feed, (struct leat_subscribe_opts){ 0 });
			cr_expect_eq(leat_broadcast_subscribe(feed.bc, NULL, &one_more), -ENOSPC);
			for (int i = 0; i < 3; i++)
				leat_rx_close(rx[i]);
		}
		feed_close(&feed);
	}
}

Test(broadcast, reserved_slots_that_are_given_back_are_holes)
{
	void *slots;
	struct feed feed =
		feed_open((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 8 });
	struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
	for (uint64_t at = 0; at < 40; at += 4) {
		cr_assert_eq(leat_reserve(feed.tx, 3, &slots), 3);
		cr_expect_eq(leat_send(feed.tx, &at), -EBUSY);
		((uint64_t *)slots)[0] = at;
		cr_assert_eq(leat_commit(feed.tx, 1), 0);
		send_to(&feed, at + 3, at + 4);
		expect_items(rx, at, at + 1);
		cr_expect_eq(leat_rx_seq(rx), at + 1);
		expect_items(rx, at + 3, at + 4);
		cr_expect_eq(leat_rx_seq(rx), at + 4);
		expect_nothing(rx);
	}
	leat_rx_close(rx);
	feed_close(&feed);
	feed = feed_open((struct leat_broadcast_opts){ .capacity = 8 });
	rx = join(&feed, (struct leat_subscribe_opts){ 0 });
	for (uint64_t at = 0; at < 40; at++) {
		cr_assert_geq(leat_reserve(feed.tx, 3, &slots), 1);
		*(uint64_t *)slots = at;
		cr_assert_eq(leat_commit(feed.tx, 1), 0);
		expect_items(rx, at, at + 1);
		expect_nothing(rx);
	}
	leat_rx_close(rx);
	feed_close(&feed);
	feed = feed_open((struct leat_broadcast_opts){ .skip = true });
	cr_expect_eq(leat_reserve(feed.tx, 1, &slots), -ENOTSUP);
	feed_close(&feed);
}

Test(broadcast, cancel_and_stop_free_a_sender_that_waits)
{
	for_each_ring(opts) for (int stop = 0; stop < 2; stop++)
	{
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		leat_tx_source(feed.tx, true);
		send_to(&feed, 0, 2);
		if (stop)
			leat_scope_stop(feed.scope, LEAT_NEVER, NULL);
		else
			leat_scope_cancel(feed.scope, 0, "enough");
		cr_expect_eq(leat_send(feed.tx, &(uint64_t){ 0 }), stop ? -ESHUTDOWN : -ECANCELED);
		if (stop)
			expect_items(rx, 0, 2);
		else
			cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED);
		leat_rx_close(rx);
		leat_tx_close(feed.tx);
		leat_broadcast_close(feed.bc);
		leat_scope_close(feed.scope);
	}
}

Test(broadcast, wait_for_first)
{
	for_each_ring(opts)
	{
		opts.wait_for_first = true;
		opts.capacity = 3;
		struct feed feed = feed_open(opts);
		cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 0 }), -EAGAIN);
		cr_expect_eq(leat_send_until(feed.tx, &(uint64_t){ 0 }, 0), -ETIMEDOUT);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		send_to(&feed, 0, 3);
		expect_items(rx, 0, 3);
		leat_rx_close(rx);
		send_to(&feed, 3, 20);
		feed_close(&feed);
	}
}

static uint64_t discarded;

static void count_discard(void *item, void *arg)
{
	uint64_t number;

	memcpy(&number, item, sizeof(number));
	cr_expect_eq(number, discarded, "each once, in order");
	cr_expect_eq(arg, &discarded);
	discarded++;
}

Test(broadcast, discard_runs_once_for_each_slot)
{
	static const struct leat_broadcast_opts owning[] = { { 0 }, { .kind = LEAT_MPMC } };

	for (size_t i = 0; i < COUNT(owning); i++)
		for (size_t capacity = 1; capacity < 10; capacity++) {
			struct leat_broadcast_opts opts = owning[i];
			uint64_t got[4];
			opts.capacity = capacity;
			opts.discard = count_discard;
			opts.discard_arg = &discarded;
			discarded = 0;
			struct feed feed = feed_open(opts);
			struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
			uint64_t sent = 0, seen = 0;
			while (sent < 50) {
				while (leat_try_send(feed.tx, &sent) == 0)
					sent++;
				ssize_t n = leat_try_recv_batch(rx, got, 4);
				if (n == -EAGAIN)
					continue; /* it has released what it took before */
				cr_assert_gt(n, 0);
				for (ssize_t k = 0; k < n; k++)
					cr_assert_eq(got[k], seen + (uint64_t)k);
				seen += (uint64_t)n;
				cr_expect_leq(discarded, seen - (uint64_t)n,
				              "what was copied is kept");
				cr_expect_eq(discarded, sent < capacity ? 0 : sent - capacity);
			}
			cr_expect_eq(leat_broadcast_subscribe(
					     feed.bc,
					     &(struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT },
					     &(struct leat_rx *){ NULL }),
			             -EINVAL);
			leat_rx_close(rx);
			feed_close(&feed);
			cr_expect_eq(discarded, sent);
		}
}

Test(broadcast, select_and_descriptors)
{
	for_each_ring(opts)
	{
		uint64_t a_got = 0, b_got = 0, item = 9;
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join_after(&feed, a);
		struct leat_case cases[] = { LEAT_CASE_RECV(b, &b_got), LEAT_CASE_RECV(a, &a_got) };
		struct pollfd fd = { .fd = leat_rx_fd(b), .events = POLLIN };
		cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
		cr_expect_eq(leat_rx_arm(b), 0);
		send_to(&feed, 5, 6);
		cr_expect_eq(poll(&fd, 1, 0), 0);
		cr_expect_eq(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY), 1);
		cr_expect_eq(a_got, 5);
		cr_expect_eq(poll(&fd, 1, 10000), 1);
		cr_expect_eq(leat_rx_arm(b), 1);
		cr_expect_eq(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
		cr_expect_eq(b_got, 5);
		send_to(&feed, 6, 8);
		struct leat_case sends[] = { LEAT_CASE_SEND(feed.tx, &item) };
		fd.fd = leat_tx_fd(feed.tx);
		cr_expect_eq(leat_tx_arm(feed.tx), 0);
		cr_expect_eq(leat_select(sends, 1, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
		cr_expect_eq(leat_tx_arm(feed.tx), 0);
		expect_items(a, 6, 7);
		cr_expect_eq(poll(&fd, 1, 0), 0);
		expect_items(b, 6, 7);
		cr_expect_eq(poll(&fd, 1, 10000), 1);
		cr_expect_eq(leat_select(sends, 1, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
		leat_rx_close(b);
		leat_rx_close(a);
		feed_close(&feed);
	}
}

/* --- threads --- */

enum { ITEMS = MANY_TIMES(20000), THREADS = 4 };

struct reader {
	struct leat_rx *rx;
	uint64_t items, sum, last;
	int64_t slow_every;
	int result;
};

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	uint64_t got[5];
	ssize_t n;

	while ((n = leat_recv_batch(reader->rx, got, reader->items % 3 ? 5 : 1)) > 0)
		for (ssize_t i = 0; i < n; i++) {
			reader->items++;
			reader->sum += got[i];
		}
	reader->result = (int)n;
	return NULL;
}

static void *send_some(void *arg)
{
	struct leat_tx *tx = arg;

	for (uint64_t i = 0; i < ITEMS; i++)
		cr_assert_eq(leat_send(tx, &i), 0);
	leat_tx_close(tx);
	return NULL;
}

Test(broadcast, many_threads_and_stages)
{
	for_each_ring(opts) for (int wait = LEAT_WAIT_ADAPTIVE; wait <= LEAT_WAIT_PARK;
	                         wait += LEAT_WAIT_PARK)
	{
		unsigned senders = opts.kind == LEAT_MPMC ? 3 : 1;
		pthread_t threads[THREADS + 3];
		struct reader readers[THREADS] = { 0 };
		struct leat_rx *gates[2];
		opts.capacity = 16;
		opts.send_wait = (enum leat_wait)wait;
		struct feed feed = feed_open(opts);
		struct leat_subscribe_opts sub = { .recv_wait = (enum leat_wait)wait };
		readers[0].rx = gates[0] = join(&feed, sub);
		sub.after = gates;
		sub.after_count = 1;
		readers[1].rx = gates[1] = join(&feed, sub);
		sub.after_count = 2;
		readers[2].rx = join(&feed, sub);
		sub = (struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT,
			                            .patience_ns = INT64_C(100000000000) };
		readers[3].rx = join(&feed, sub);
		for (unsigned i = 0; i < THREADS; i++)
			pthread_create(&threads[i], NULL, read_all, &readers[i]);
		for (unsigned i = 0; i < senders; i++)
			pthread_create(&threads[THREADS + i], NULL, send_some,
			               i == 0 ? feed.tx : leat_tx_clone(feed.tx));
		for (unsigned i = 0; i < THREADS + senders; i++)
			pthread_join(threads[i], NULL);
		for (unsigned i = 0; i < THREADS; i++) {
			cr_expect_eq(readers[i].result, 0);
			cr_expect_eq(readers[i].items, ITEMS * senders);
			cr_expect_eq(readers[i].sum, (uint64_t)ITEMS * (ITEMS - 1) / 2 * senders);
		}
		for (unsigned i = THREADS; i-- > 0;)
			leat_rx_close(readers[i].rx);
		feed.tx = NULL;
		feed_close(&feed);
	}
}

/* --- options --- */

Test(broadcast, bad_options)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_broadcast *bc;
	struct leat_tx *tx;
	struct leat_rx *rx, *none = NULL;
	static const struct leat_broadcast_opts bad[] = { { .kind = LEAT_MPSC },
		                                          { .kind = (enum leat_kind)9 },
		                                          { .subscribers = 4097 },
		                                          { .skip = true,
		                                            .discard = count_discard },
		                                          { .send_wait = (enum leat_wait)9 },
		                                          { .reserved = { 1 } } };
	const struct leat_subscribe_opts bad_subscribers[] = {
		{ .from = (enum leat_from)3 }, { .lag = (enum leat_lag)3 },
		{ .lag = LEAT_LAG_SKIP },      { .recv_wait = (enum leat_wait)9 },
		{ .after_count = 1 },          { .after = &none, .after_count = 1 },
		{ .after_count = 17 },         { .reserved = { [7] = 1 } }
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		cr_expect_eq(leat_broadcast_open(scope, 8, &bad[i], &bc, &tx), -EINVAL, "%zu", i);
		cr_expect_null(bc);
		cr_expect_null(tx);
	}
	cr_expect_eq(leat_broadcast_open(NULL, 8, NULL, &bc, &tx), -EINVAL);
	cr_expect_eq(leat_broadcast_open(scope, 0, NULL, &bc, &tx), -EINVAL);
	cr_expect_eq(leat_broadcast_open(scope, 8, NULL, NULL, &tx), -EINVAL);
	cr_expect_eq(leat_broadcast_open(scope, 8,
	                                 &(struct leat_broadcast_opts){ .capacity = SIZE_MAX }, &bc,
	                                 &tx),
	             -ENOMEM);
	cr_assert_eq(leat_broadcast_open(scope, 8, NULL, &bc, &tx), 0);
	for (size_t i = 0; i < COUNT(bad_subscribers); i++)
		cr_expect_eq(leat_broadcast_subscribe(bc, &bad_subscribers[i], &rx), -EINVAL, "%zu",
		             i);
	cr_expect_eq(leat_broadcast_subscribe(NULL, NULL, &rx), -EINVAL);
	leat_tx_close(tx);
	leat_broadcast_close(bc);
	leat_broadcast_close(NULL);
	leat_scope_close(scope);
}

Test(broadcast, no_sender_claims_a_slot_that_another_has_not_finished)
{
	void *slot;
	struct feed feed =
		feed_open((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 2 });
	struct leat_tx *other = leat_tx_clone(feed.tx);
	cr_assert_eq(leat_reserve(other, 1, &slot), 1);
	*(uint64_t *)slot = 0;
	send_to(&feed, 1, 2);
	cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 2 }), -EAGAIN, "its slot is reserved");
	cr_assert_eq(leat_commit(other, 1), 0);
	struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
	expect_items(rx, 0, 2);
	send_to(&feed, 2, 4);
	expect_items(rx, 2, 4);
	leat_rx_close(rx);
	leat_tx_close(other);
	feed_close(&feed);
}

Test(broadcast, holes_alone_are_room)
{
	void *slots;
	const void *peeked;
	for (int peek = 0; peek < 2; peek++) {
		struct feed feed =
			feed_open((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 2 });
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		cr_assert_eq(leat_reserve(feed.tx, 2, &slots), 2);
		cr_assert_eq(leat_commit(feed.tx, 0), 0);
		cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 2 }), -EAGAIN);
		if (peek)
			cr_expect_eq(leat_try_peek(rx, 1, &peeked), -EAGAIN);
		else
			expect_nothing(rx);
		send_to(&feed, 2, 4);
		expect_items(rx, 2, 4);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

Test(broadcast, a_joiner_gets_no_item_that_was_discarded)
{
	static const struct leat_broadcast_opts owning[] = { { 0 }, { .kind = LEAT_MPMC } };

	for (size_t i = 0; i < COUNT(owning); i++) {
		struct leat_broadcast_opts opts = owning[i];
		void *slot;
		opts.capacity = 4;
		opts.discard = count_discard;
		opts.discard_arg = &discarded;
		discarded = 0;
		struct feed feed = feed_open(opts);
		send_to(&feed, 0, 4);
		cr_assert_eq(leat_reserve(feed.tx, 1, &slot), 1);
		cr_expect_eq(discarded, 1);
		cr_assert_eq(leat_commit(feed.tx, 0), 0);
		struct leat_rx *rx =
			join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
		expect_items(rx, 1, 4);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

Test(broadcast, a_cancel_does_not_change_a_stream_that_has_ended)
{
	for_each_ring(opts)
	{
		enum leat_cause cause;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *other = join(&feed, (struct leat_subscribe_opts){ 0 });
		send_to(&feed, 0, 1);
		leat_tx_close(feed.tx);
		feed.tx = NULL;
		expect_items(rx, 0, 1);
		expect_end(rx, LEAT_COMPLETED);
		leat_scope_cancel(feed.scope, 0, "late");
		expect_end(rx, LEAT_COMPLETED);
		cr_expect_eq(leat_recv(other, &(uint64_t){ 0 }), -ECANCELED);
		cr_expect_eq(leat_rx_status(other, &cause, NULL, NULL), 0);
		cr_expect_eq(cause, LEAT_CANCELED);
		leat_rx_close(rx);
		leat_rx_close(other);
		feed_close(&feed);
	}
}
