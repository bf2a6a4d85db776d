/*
 * tests/unit/broadcast_lag.c: subscribers that miss items, and those that are evicted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "feed.h"

#include <leat/test.h>

TestSuite(broadcast_lag, .timeout = 600);

Test(broadcast_lag, one_that_skips_misses_exactly_and_goes_on_half_a_ring_behind)
{
	for (int several = 0; several < 2; several++)
		for (size_t capacity = 1; capacity < 12; capacity++) {
			struct feed feed = feed_open((struct leat_broadcast_opts){
				.kind = several ? LEAT_MPMC : LEAT_SPSC,
				.skip = true,
				.capacity = capacity });
			struct leat_rx *rx =
				join(&feed, (struct leat_subscribe_opts){ .lag = LEAT_LAG_SKIP });
			uint64_t missed = 0, next = 0;
			for (uint64_t sent = 1; sent < 100; sent++) {
				send_to(&feed, sent - 1, sent);
				if (sent % 7 != 0)
					continue;
				if (sent - next > capacity) {
					uint64_t to = sent - (capacity + 1) / 2;
					missed += to - next;
					next = to;
				}
				expect_items(rx, next, sent);
				next = sent;
				cr_expect_eq(leat_rx_missed(rx), missed);
				expect_nothing(rx);
			}
			cr_expect_eq(leat_peek(rx, 1, &(const void *){ NULL }), -ENOTSUP);
			leat_rx_close(rx);
			feed_close(&feed);
		}
}

Test(broadcast_lag, one_that_is_out_of_patience_is_evicted)
{
	for_each_ring(opts)
	{
		uint64_t got;
		enum leat_cause cause;
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *slow = join(
				       &feed,
				       (struct leat_subscribe_opts){ .name = "slow",
		                                                     .lag = LEAT_LAG_EVICT,
		                                                     .patience_ns = 20000000 }),
			       *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		send_to(&feed, 0, 4);
		expect_items(rx, 0, 4);
		expect_items(slow, 0, 1);
		send_to(&feed, 4, 5);
		cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 5 }), -EAGAIN);
		int64_t from_ns = leat_now_ns();
		send_to(&feed, 5, 6);
		cr_expect_geq(leat_now_ns() - from_ns, 10000000, "it waits for the patience");
		cr_expect_eq(leat_recv(slow, &got), -ECONNABORTED);
		cr_expect_eq(leat_try_recv(slow, &got), -ECONNABORTED);
		cr_expect_eq(leat_rx_status(slow, &cause, NULL, NULL), 0);
		cr_expect_eq(cause, LEAT_ABANDONED);
		expect_items(rx, 4, 6);
		leat_rx_close(slow);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

/* By the manual clock: patience is counted from when it was first found at this item. */
Test(broadcast_lag, patience_begins_anew_with_each_item)
{
	cr_assert_eq(leat_test_clock_start(), 0);
	for_each_ring(opts)
	{
		uint64_t got;
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *slow =
			join(&feed, (struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT,
		                                                  .patience_ns = 100 * MS });
		send_to(&feed, 0, 2);
		for (uint64_t at = 0; at < 5; at++) {
			cr_expect_eq(leat_try_send(feed.tx, &at), -EAGAIN);
			leat_test_clock_advance(60 * MS);
			expect_items(slow, at, at + 1);
			cr_assert_eq(leat_try_send(feed.tx, &(uint64_t){ at + 2 }), 0);
		}
		cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 0 }), -EAGAIN);
		leat_test_clock_advance(99 * MS);
		cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 0 }), -EAGAIN);
		leat_test_clock_advance(2 * MS);
		cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 0 }), 0);
		cr_expect_eq(leat_try_recv(slow, &got), -ECONNABORTED);
		leat_rx_close(slow);
		feed_close(&feed);
	}
}

enum { TEARS = 50000, WORDS = 6 };

static void *send_equal_words(void *arg)
{
	uint64_t item[WORDS];

	for (uint64_t i = 0; i < TEARS; i++) {
		for (int k = 0; k < WORDS; k++)
			item[k] = i;
		cr_assert_eq(leat_send((struct leat_tx *)arg, &item), 0);
	}
	leat_tx_close(arg);
	return NULL;
}

Test(broadcast_lag, one_that_skips_never_sees_a_torn_item)
{
	for (int several = 0; several < 2; several++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_broadcast_opts opts = { .kind = several ? LEAT_MPMC : LEAT_SPSC,
			                            .skip = true,
			                            .capacity = 4 };
		struct leat_broadcast *bc;
		struct leat_tx *tx;
		struct leat_rx *rx;
		pthread_t sender;
		uint64_t got[WORDS], next = 0, seen = 0;
		cr_assert_eq(leat_broadcast_open(scope, sizeof(got), &opts, &bc, &tx), 0);
		cr_assert_eq(
			leat_broadcast_subscribe(
				bc, &(struct leat_subscribe_opts){ .lag = LEAT_LAG_SKIP }, &rx),
			0);
		cr_assert_eq(pthread_create(&sender, NULL, send_equal_words, tx), 0);
		while (leat_recv(rx, &got) == 1) {
			for (int k = 1; k < WORDS; k++)
				cr_assert_eq(got[k], got[0]);
			cr_assert_geq(got[0], next);
			next = got[0] + 1;
			cr_assert_eq(leat_rx_seq(rx), next);
			seen++;
		}
		pthread_join(sender, NULL);
		cr_expect_eq(leat_rx_seq(rx), TEARS);
		cr_expect_eq(seen + leat_rx_missed(rx), TEARS);
		leat_rx_close(rx);
		leat_broadcast_close(bc);
		leat_scope_close(scope);
	}
}

static int keep_number(void *state, const void *item)
{
	leat_add_acqrel((uint64_t *)state, *(const uint64_t *)item);
	return 0;
}

Test(broadcast_lag, sinks_of_those_that_may_be_overtaken)
{
	for (int pooled = 0; pooled < 2; pooled++)
		for (enum leat_lag lag = LEAT_LAG_WAIT; lag <= LEAT_LAG_EVICT; lag++) {
			struct leat_pool *pool = leat_pool_open(NULL);
			uint64_t sum = 0;
			struct feed feed = feed_open(
				(struct leat_broadcast_opts){ .skip = true, .capacity = 64 });
			struct leat_rx *rx =
				join(&feed, (struct leat_subscribe_opts){
						    .lag = lag, .patience_ns = 1000 * MS });
			cr_assert_eq(
				leat_gen_sink(
					feed.scope, rx,
					(struct leat_sink){ .put = keep_number, .state = &sum },
					&(struct leat_gen_opts){ .pool = pooled ? pool : NULL }),
				0);
			send_to(&feed, 0, 50);
			leat_tx_close(feed.tx);
			feed.tx = NULL;
			cr_expect_eq(leat_scope_join(feed.scope), 0);
			cr_expect_eq(leat_load_acq(&sum), 49 * 50 / 2);
			feed_close(&feed);
			leat_pool_close(pool);
		}
}

/* What ends because its subscriber was evicted is abandoned, and fails nothing. */

static int receives_until_refused(struct leat_tx *out, void *arg)
{
	uint64_t item;
	int rc;

	(void)out;
	while ((rc = leat_recv((struct leat_rx *)arg, &item)) == 1)
		;
	leat_rx_close(arg);
	return rc;
}

static int waits_for_word(void *state, const void *item)
{
	(void)item;
	return await_word(state, 1) ? 0 : -EIO;
}

Test(broadcast_lag, an_eviction_is_no_failure)
{
	for (int how = 0; how < 3; how++) {
		struct leat_pool *pool = leat_pool_open(NULL);
		struct feed feed = feed_open((struct leat_broadcast_opts){ .capacity = 2 });
		struct leat_rx *rx = join(&feed,
		                          (struct leat_subscribe_opts){ .name = "slow",
		                                                        .lag = LEAT_LAG_EVICT }),
			       *end = NULL;
		enum leat_cause cause;
		const char *text;
		uint32_t go = 0;
		if (how == 0) {
			for (uint64_t i = 0; i < 5; i++)
				cr_assert_eq(leat_send(feed.tx, &i), 0);
			cr_assert_eq(
				leat_gen(feed.scope, receives_until_refused, rx, 8, NULL, &end), 0);
			cr_expect_eq(leat_recv(end, &(uint64_t){ 0 }), 0);
			cr_expect_eq(leat_rx_status(end, &cause, NULL, &text), 0);
			cr_expect_eq(cause, LEAT_ABANDONED);
			cr_expect_neq(strstr(text, "slow"), NULL, "%s", text);
			leat_rx_close(end);
		} else {
			cr_assert_eq(
				leat_gen_sink(
					feed.scope, rx,
					(struct leat_sink){ .put = waits_for_word, .state = &go },
					&(struct leat_gen_opts){ .pool = how == 1 ? NULL : pool }),
				0);
			for (uint64_t i = 0; i < 9; i++)
				cr_assert_eq(leat_send(feed.tx, &i), 0);
			leat_store_rel(&go, 1);
		}
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		cr_expect_eq(leat_scope_cause(feed.scope, NULL, NULL), LEAT_RUNNING);
		feed_close(&feed);
		leat_pool_close(pool);
	}
}
