/*
 * tests/unit/broadcast_meet.c: broadcasts and what else waits, receives or ends: selects, merges,
 * descriptors, bindings, zero copy, and each way to end. docs/verify.md has the table of it; what
 * runs generators is in broadcast_pool.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "feed.h"

#include <leat/test.h>

TestSuite(broadcast_meet, .timeout = 600);

/* --- selects --- */

enum { CASES = 4 };

/* A select on a thread of its own. */
struct selector {
	pthread_t thread;
	uint32_t tid;
	struct leat_case cases[CASES];
	size_t n;
	int answer;
};

static void *selector_main(void *arg)
{
	struct selector *s = arg;

	leat_store_rel(&s->tid, own_tid());
	s->answer = leat_select(s->cases, s->n, LEAT_NEVER, LEAT_BY_PRIORITY);
	return NULL;
}

/* Returns once it is parked. */
static void selector_start(struct selector *s)
{
	s->tid = 0;
	s->answer = INT32_MIN;
	cr_assert_eq(pthread_create(&s->thread, NULL, selector_main, s), 0);
	cr_assert(await_parked(&s->tid));
}

static int selector_join(struct selector *s)
{
	cr_assert_eq(pthread_join(s->thread, NULL), 0);
	return s->answer;
}

Test(broadcast_meet, a_select_over_two_subscribers_and_a_channel)
{
	enum { N = 200 };

	for_each_ring(opts)
	{
		uint64_t got[3] = { 0 }, sums[3] = { 0 }, items[3] = { 0 }, sent = 0, late = 77;
		struct pipe pipe = pipe_open(NULL);
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct leat_case cases[] = { LEAT_CASE_RECV(a, &got[0]), LEAT_CASE_RECV(b, &got[1]),
			                     LEAT_CASE_RECV(pipe.rx, &got[2]) };
		cr_expect_eq(leat_select(cases, 3, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
		cr_assert_eq(leat_send(pipe.tx, &late), 0);
		cr_expect_eq(leat_select(cases, 3, LEAT_NEVER, LEAT_BY_PRIORITY), 2);
		cr_expect_eq(got[2], 77);
		cr_assert_eq(leat_send(pipe.tx, &late), 0);
		send_to(&feed, 5, 6);
		for (int i = 0; i < 3; i++) {
			cr_expect_eq(leat_select(cases, 3, LEAT_NEVER, LEAT_BY_PRIORITY), i);
			cr_expect_eq(cases[i].answer, 1);
			cr_expect_eq(got[i], i == 2 ? 77 : 5);
		}
		for (int open = 3; open > 0;) {
			while (sent < N && leat_try_send(feed.tx, &sent) == 0) {
				cr_assert_eq(leat_send(pipe.tx, &sent), 0);
				sent++;
			}
			if (sent == N) {
				leat_tx_close(feed.tx);
				leat_tx_close(pipe.tx);
				feed.tx = pipe.tx = NULL;
			}
			int at = leat_select(cases, 3, LEAT_NEVER, LEAT_BY_CHANCE);
			cr_assert(at >= 0 && at < 3);
			if (cases[at].answer == 0) {
				cases[at].rx = NULL;
				open--;
				continue;
			}
			cr_assert_eq(got[at], items[at], "in order");
			sums[at] += got[at];
			items[at]++;
		}
		for (int i = 0; i < 3; i++)
			cr_expect_eq(sums[i], (uint64_t)N * (N - 1) / 2, "each sees all");
		leat_rx_close(a);
		leat_rx_close(b);
		feed_close(&feed);
		pipe_close(&pipe);
	}
}

Test(broadcast_meet, a_select_that_waits_for_subscribers_is_woken)
{
	for_each_ring(opts) for (int what = 0; what < 4; what++)
	{
		uint64_t got[2] = { 0 };
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ .name = "gate" }),
			       *stage = join_after(&feed, gate),
			       *other = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct selector s = { .n = 2,
			              .cases = { LEAT_CASE_RECV(stage, &got[0]),
			                         LEAT_CASE_RECV(other, &got[1]) } };
		send_to(&feed, 3, 4);
		expect_items(other, 3, 4);
		selector_start(&s);
		switch (what) {
		case 0: /* the gate releases an item */
			expect_items(gate, 3, 4);
			cr_expect_eq(selector_join(&s), 0);
			cr_expect_eq(s.cases[0].answer, 1);
			cr_expect_eq(got[0], 3);
			break;
		case 1: /* a sender sends one */
			send_to(&feed, 4, 5);
			cr_expect_eq(selector_join(&s), 1);
			cr_expect_eq(s.cases[1].answer, 1);
			cr_expect_eq(got[1], 4);
			break;
		case 2: /* the gate closes */
			leat_rx_close(gate);
			gate = NULL;
			cr_expect_eq(selector_join(&s), 0);
			cr_expect_eq(s.cases[0].answer, 0);
			break;
		default:
			leat_scope_cancel(feed.scope, 0, "enough");
			cr_expect_geq(selector_join(&s), 0);
			cr_expect_eq(s.cases[s.answer].answer, -ECANCELED);
		}
		leat_rx_close(stage);
		leat_rx_close(other);
		leat_rx_close(gate);
		feed_close(&feed);
	}
}

Test(broadcast_meet, a_select_sends_into_a_broadcast_that_is_full)
{
	for_each_ring(opts)
	{
		uint64_t item = 2;
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct selector s = { .n = 1, .cases = { LEAT_CASE_SEND(feed.tx, &item) } };
		send_to(&feed, 0, 2);
		cr_expect_eq(leat_select(s.cases, 1, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
		selector_start(&s);
		expect_items(a, 0, 2);
		cr_expect(is_parked(s.tid), "the other one still holds the slot");
		expect_items(b, 0, 1);
		cr_expect_eq(selector_join(&s), 0);
		cr_expect_eq(s.cases[0].answer, 0);
		expect_items(a, 2, 3);
		expect_items(b, 1, 3);
		/* both sides in one select */
		uint64_t got;
		struct leat_case both[] = { LEAT_CASE_SEND(feed.tx, &item),
			                    LEAT_CASE_RECV(a, &got) };
		cr_expect_eq(leat_select(both, 2, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
		item = 3;
		cr_expect_eq(leat_select(both, 2, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
		item = 4;
		for (uint64_t n = 2; n < 4; n++) {
			cr_expect_eq(leat_select(both, 2, LEAT_NEVER, LEAT_BY_PRIORITY), 1, "full");
			cr_expect_eq(got, n);
		}
		leat_rx_close(b);
		cr_expect_eq(leat_select(both, 2, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
		expect_items(a, 4, 5);
		leat_rx_close(a);
		leat_broadcast_close(feed.bc);
		feed.bc = NULL;
		cr_expect_eq(leat_select(both, 1, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
		cr_expect_eq(both[0].answer, -EPIPE);
		feed_close(&feed);
	}
}

Test(broadcast_meet, a_select_that_sends_is_woken_by_an_eviction)
{
	clock_start();
	for_each_ring(opts)
	{
		uint64_t item = 2, got = 0;
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *slow = join(&feed,
		                            (struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT,
		                                                          .patience_ns = 50 * MS }),
			       *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct selector s = { .n = 1, .cases = { LEAT_CASE_SEND(feed.tx, &item) } };
		send_to(&feed, 0, 2);
		expect_items(rx, 0, 2);
		selector_start(&s);
		clock_advance(51 * MS);
		cr_expect_eq(selector_join(&s), 0);
		cr_expect_eq(s.cases[0].answer, 0);
		expect_items(rx, 2, 3);
		/* what a select over the evicted one returns, as often as it is called */
		struct leat_case recv[] = { LEAT_CASE_RECV(slow, &got), LEAT_CASE_RECV(rx, &got) };
		for (int i = 0; i < 2; i++) {
			cr_expect_eq(leat_select(recv, 2, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
			cr_expect_eq(recv[0].answer, -ECONNABORTED);
		}
		recv[0].rx = NULL;
		cr_expect_eq(leat_select(recv, 2, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
		leat_rx_close(slow);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

struct tx_waiter {
	pthread_t thread;
	uint32_t tid;
	struct leat_tx *tx;
	int answer;
};

static void *wait_for_the_end(void *arg)
{
	struct tx_waiter *w = arg;

	leat_store_rel(&w->tid, own_tid());
	w->answer = leat_tx_wait(w->tx, -1, 0, LEAT_NEVER);
	return NULL;
}

Test(broadcast_meet, a_sender_that_is_to_be_done)
{
	static const int expected[] = { -EPIPE, -EPIPE, -ECANCELED, -ESHUTDOWN };

	for_each_ring(opts) for (int what = 0; what < 4; what++)
	{
		opts.kind = LEAT_MPMC; /* so that two threads can wait */
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct tx_waiter waiter = { .tx = leat_tx_clone(feed.tx) };
		struct selector s = { .n = 1, .cases = { LEAT_CASE_DONE(feed.tx) } };
		leat_tx_source(feed.tx, true);
		leat_tx_source(waiter.tx, true);
		cr_expect_eq(leat_select(s.cases, 1, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
		selector_start(&s);
		cr_assert_eq(pthread_create(&waiter.thread, NULL, wait_for_the_end, &waiter), 0);
		cr_assert(await_word(&waiter.tid, 1));
		if (what < 2) {
			leat_broadcast_close(feed.bc);
			feed.bc = NULL;
			cr_expect(is_parked(s.tid), "a subscriber is left");
			leat_rx_close(rx);
			rx = NULL;
		} else if (what == 2) {
			leat_scope_cancel(feed.scope, 0, NULL);
		} else {
			cr_expect_eq(leat_scope_stop(feed.scope, LEAT_NEVER, NULL), 0);
		}
		cr_expect_eq(selector_join(&s), 0);
		cr_expect_eq(s.cases[0].answer, expected[what]);
		pthread_join(waiter.thread, NULL);
		cr_expect_eq(waiter.answer, expected[what]);
		cr_expect(leat_tx_done(feed.tx));
		cr_expect_eq(leat_send(feed.tx, &(uint64_t){ 0 }), expected[what]);
		leat_tx_close(waiter.tx);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

Test(broadcast_meet, the_last_subscribers_leave_before_the_close)
{
	for_each_ring(opts)
	{
		struct feed feed = feed_open(opts);
		struct selector s = { .n = 1, .cases = { LEAT_CASE_DONE(feed.tx) } };
		leat_rx_close(join(&feed, (struct leat_subscribe_opts){ 0 }));
		selector_start(&s);
		cr_expect(is_parked(s.tid));
		leat_broadcast_close(feed.bc);
		feed.bc = NULL;
		cr_expect_eq(selector_join(&s), 0);
		cr_expect_eq(s.cases[0].answer, -EPIPE);
		feed_close(&feed);
	}
}

Test(broadcast_meet, a_scope_beside_a_subscriber)
{
	for_each_ring(opts)
	{
		uint64_t got = 0;
		struct leat_scope *request = leat_scope_open(NULL, NULL);
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct selector s = {
			.n = 2, .cases = { LEAT_CASE_SCOPE(request), LEAT_CASE_RECV(rx, &got) }
		};
		selector_start(&s);
		send_to(&feed, 8, 9);
		cr_expect_eq(selector_join(&s), 1);
		cr_expect_eq(got, 8);
		selector_start(&s);
		leat_scope_cancel(request, 0, NULL);
		cr_expect_eq(selector_join(&s), 0);
		send_to(&feed, 9, 10);
		expect_items(rx, 9, 10);
		leat_rx_close(rx);
		feed_close(&feed);
		leat_scope_close(request);
	}
}

/* --- merges --- */

static void *send_numbers(void *arg)
{
	struct leat_tx *tx = arg;

	for (uint64_t i = 0; i < 2000 && leat_send(tx, &i) == 0; i++)
		;
	leat_tx_close(tx);
	return NULL;
}

Test(broadcast_meet, a_merge_of_subscribers_of_two_broadcasts_and_of_a_channel)
{
	enum { LANES = 5, SENDERS = 3 };

	for_each_ring(opts)
	{
		uint64_t next[LANES] = { 0 }, got;
		pthread_t threads[SENDERS];
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 8 });
		opts.capacity = 8;
		struct feed one = feed_open(opts), two = feed_open(opts);
		struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
		struct leat_rx *first = join(&one, (struct leat_subscribe_opts){ 0 }),
			       *lanes[LANES] = { first, join_after(&one, first),
			                         join(&two, (struct leat_subscribe_opts){ 0 }),
			                         join(&two, (struct leat_subscribe_opts){ 0 }),
			                         pipe.rx };
		struct leat_tx *senders[SENDERS] = { one.tx, two.tx, pipe.tx };
		int ends = 0, rc;
		void *tag;
		for (size_t i = 0; i < LANES; i++)
			cr_assert_eq(leat_merge_add(merge, lanes[i], &next[i]), 0);
		for (int i = 0; i < SENDERS; i++)
			cr_assert_eq(pthread_create(&threads[i], NULL, send_numbers, senders[i]),
			             0);
		while ((rc = leat_merge_recv(merge, &got, &tag)) != -ENOENT) {
			uint64_t *lane = tag;
			enum leat_cause cause = LEAT_RUNNING;

			cr_assert(rc == 1 || rc == 0, "%d", rc);
			if (rc == 1) {
				cr_assert_eq(got, *lane, "in order, and each sees all");
				++*lane;
				continue;
			}
			cr_expect_eq(*lane, 2000);
			cr_expect_eq(leat_rx_status(leat_merge_lane(merge), &cause, NULL, NULL), 0);
			/* its gate is closed by the merge after the gate's end */
			cr_expect_eq(cause, LEAT_COMPLETED);
			ends++;
		}
		cr_expect_eq(ends, LANES);
		for (int i = 0; i < SENDERS; i++)
			pthread_join(threads[i], NULL);
		leat_merge_close(merge);
		one.tx = two.tx = pipe.tx = NULL;
		pipe.rx = NULL;
		feed_close(&one);
		feed_close(&two);
		pipe_close(&pipe);
	}
}

Test(broadcast_meet, a_lane_that_is_evicted_ends_and_the_others_go_on)
{
	for_each_ring(opts)
	{
		uint64_t got = 0;
		int tags[2];
		void *tag = NULL;
		enum leat_cause cause = LEAT_RUNNING;
		const char *text = NULL;
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *slow =
			join(&feed, (struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT });
		struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
		struct pipe pipe = pipe_open(NULL);
		cr_assert_eq(leat_merge_add(merge, slow, &tags[0]), 0);
		cr_assert_eq(leat_merge_add(merge, pipe.rx, &tags[1]), 0);
		pipe.rx = NULL;
		send_to(&feed, 0, 1);
		cr_expect_eq(leat_merge_recv(merge, &got, &tag), 1);
		cr_expect_eq(tag, &tags[0]);
		send_to(&feed, 1, 7); /* its patience is 0 */
		cr_expect_eq(leat_merge_recv(merge, &got, &tag), -ECONNABORTED);
		cr_expect_eq(tag, &tags[0]);
		cr_expect_eq(leat_rx_status(leat_merge_lane(merge), &cause, NULL, &text), 0);
		cr_expect_eq(cause, LEAT_ABANDONED);
		cr_expect_neq(strstr(text, "evicted"), NULL, "%s", text);
		cr_expect_eq(leat_merge_recv_until(merge, &got, &tag, 0), -ETIMEDOUT);
		cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 5 }), 0);
		cr_expect_eq(leat_merge_recv(merge, &got, &tag), 1);
		cr_expect_eq(tag, &tags[1]);
		leat_merge_close(merge);
		feed_close(&feed);
		pipe_close(&pipe);
	}
}

/* --- descriptors --- */

Test(broadcast_meet, a_subscribers_descriptor)
{
	for_each_ring(opts) for (int what = 0; what < 6; what++)
	{
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ .name = "gate" }),
			       *rx = what < 3 ? join(&feed, (struct leat_subscribe_opts){ 0 })
		                              : join_after(&feed, gate);
		int fd = leat_rx_fd(rx);
		cr_assert_geq(fd, 0);
		cr_expect_eq(leat_rx_arm(rx), 0);
		cr_expect(!readable(fd));
		switch (what) {
		case 0:
			send_to(&feed, 1, 2);
			break;
		case 1:
			leat_tx_close(feed.tx);
			feed.tx = NULL;
			break;
		case 2:
			leat_scope_cancel(feed.scope, 0, NULL);
			break;
		case 3:
			send_to(&feed, 1, 2);
			cr_expect(!readable(fd), "its gate has not released it");
			expect_items(gate, 1, 2);
			break;
		case 4:
			leat_rx_close(gate);
			gate = NULL;
			break;
		default:
			leat_tx_close(feed.tx);
			feed.tx = NULL;
		}
		cr_expect(becomes_readable(fd), "%d", what);
		cr_expect_eq(leat_rx_arm(rx), 1);
		cr_expect(!readable(fd), "not armed");
		leat_rx_close(rx);
		leat_rx_close(gate);
		feed_close(&feed);
	}
}

Test(broadcast_meet, a_senders_descriptor)
{
	for_each_ring(opts) for (int what = 0; what < 6; what++)
	{
		opts.capacity = 2;
		opts.wait_for_first = what == 5;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = NULL, *b = NULL;
		int fd = leat_tx_fd(feed.tx);
		cr_assert_geq(fd, 0);
		leat_tx_source(feed.tx, true);
		if (what < 5) {
			cr_expect_eq(leat_tx_arm(feed.tx), 1, "there is room");
			a = join(&feed, (struct leat_subscribe_opts){ 0 });
			b = join(&feed, (struct leat_subscribe_opts){ 0 });
			send_to(&feed, 0, 2);
		}
		cr_expect_eq(leat_tx_arm(feed.tx), 0);
		switch (what) {
		case 0:
			expect_items(a, 0, 2);
			cr_expect(!readable(fd), "the slowest counts");
			expect_items(b, 0, 1);
			break;
		case 1:
			leat_rx_close(a);
			cr_expect(!readable(fd));
			leat_rx_close(b);
			a = b = NULL;
			break;
		case 2:
			leat_scope_cancel(feed.scope, 0, NULL);
			break;
		case 3:
			leat_scope_stop(feed.scope, LEAT_NEVER, NULL);
			break;
		case 4:
			leat_broadcast_close(feed.bc);
			feed.bc = NULL;
			cr_expect(!readable(fd));
			leat_rx_close(a);
			leat_rx_close(b);
			a = b = NULL;
			break;
		default:
			a = join(&feed, (struct leat_subscribe_opts){ 0 });
		}
		cr_expect(becomes_readable(fd), "%d", what);
		cr_expect_eq(leat_tx_arm(feed.tx), 1);
		leat_rx_close(a);
		leat_rx_close(b);
		feed_close(&feed);
	}
}

Test(broadcast_meet, the_descriptors_of_an_eviction)
{
	clock_start();
	for_each_ring(opts)
	{
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *slow =
			join(&feed, (struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT,
		                                                  .patience_ns = 50 * MS });
		int rx_fd = leat_rx_fd(slow), tx_fd = leat_tx_fd(feed.tx);
		cr_expect_eq(leat_rx_arm(slow), 0);
		send_to(&feed, 0, 2);
		cr_expect(readable(rx_fd), "an item");
		cr_expect_eq(leat_tx_arm(feed.tx), 0);
		clock_advance(49 * MS);
		cr_expect(!readable(tx_fd));
		clock_advance(2 * MS);
		cr_expect(readable(tx_fd), "room");
		cr_expect_eq(leat_rx_arm(slow), 1, "there is its end");
		cr_expect_eq(leat_try_recv(slow, &(uint64_t){ 0 }), -ECONNABORTED);
		leat_rx_close(slow);
		feed_close(&feed);
	}
}

Test(broadcast_meet, the_descriptor_of_a_merge_of_subscribers)
{
	for_each_ring(opts)
	{
		uint64_t got = 0;
		struct feed feed = feed_open(opts);
		struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 });
		cr_assert_eq(leat_merge_add(merge, join_after(&feed, gate), NULL), 0);
		int fd = leat_merge_fd(merge);
		cr_assert_geq(fd, 0);
		cr_expect_eq(leat_merge_recv_until(merge, &got, NULL, 0), -ETIMEDOUT);
		cr_expect_eq(leat_merge_arm(merge), 0);
		send_to(&feed, 3, 4);
		cr_expect(!readable(fd));
		expect_items(gate, 3, 4);
		cr_expect(becomes_readable(fd));
		cr_expect_eq(leat_merge_recv_until(merge, &got, NULL, 0), 1);
		cr_expect_eq(got, 3);
		cr_expect_eq(leat_merge_recv_until(merge, &got, NULL, 0), -ETIMEDOUT);
		cr_expect_eq(leat_merge_arm(merge), 0);
		leat_tx_close(feed.tx);
		feed.tx = NULL;
		cr_expect(becomes_readable(fd));
		cr_expect_eq(leat_merge_recv_until(merge, &got, NULL, 0), 0);
		leat_merge_close(merge);
		leat_rx_close(gate);
		feed_close(&feed);
	}
}

/* --- bindings --- */

static const enum op receives[] = { OP_RECV, OP_RECV_UNTIL, OP_RECV_BATCH, OP_PEEK };

Test(broadcast_meet, a_subscriber_that_is_bound_to_a_channel)
{
	for_each_ring(opts) for (size_t i = 0; i < COUNT(receives); i++)
	{
		struct pipe out = pipe_open(NULL);
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct caller caller = { .op = receives[i], .rx = rx };
		cr_assert_eq(leat_rx_bind(rx, out.tx), 0);
		send_to(&feed, 0, 1);
		expect_items(rx, 0, 1);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		send_to(&feed, 1, 2);
		cr_expect_eq(caller_join(&caller), 1);
		cr_expect_eq(caller.value, 1);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		leat_rx_close(out.rx);
		out.rx = NULL;
		cr_expect_eq(caller_join(&caller), -EPIPE, "%s", op_names[receives[i]]);
		send_to(&feed, 2, 3);
		cr_expect_eq(leat_try_recv(rx, &(uint64_t){ 0 }), -EPIPE, "before an item");
		cr_expect_eq(leat_recv_fill(rx, &(uint64_t){ 0 }, 1, LEAT_NEVER), -EPIPE);
		cr_expect_eq(leat_rx_pending(rx), 1);
		cr_expect_eq(leat_rx_seq(rx), 2);
		cr_assert_eq(leat_rx_bind(rx, NULL), 0);
		expect_items(rx, 2, 3);
		leat_rx_close(rx);
		feed_close(&feed);
		pipe_close(&out);
	}
}

Test(broadcast_meet, a_channel_that_is_bound_to_a_broadcasts_sender)
{
	for_each_ring(opts) for (int what = 0; what < 3; what++)
	{
		static const int expected[] = { -EPIPE, -ECANCELED, -ESHUTDOWN };
		struct pipe in = pipe_open(NULL);
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct caller caller = { .op = OP_RECV, .rx = in.rx };
		leat_tx_source(feed.tx, true);
		cr_assert_eq(leat_rx_bind(in.rx, feed.tx), 0);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		if (what == 0) {
			leat_rx_close(rx);
			rx = NULL;
			cr_expect(is_parked(caller.tid), "another may subscribe");
			leat_broadcast_close(feed.bc);
			feed.bc = NULL;
		} else if (what == 1) {
			leat_scope_cancel(feed.scope, 0, NULL);
		} else {
			leat_scope_stop(feed.scope, LEAT_NEVER, NULL);
		}
		cr_expect_eq(caller_join(&caller), expected[what]);
		leat_rx_close(rx);
		feed_close(&feed);
		cr_assert_eq(leat_send(in.tx, &(uint64_t){ 0 }), 0);
		cr_expect_eq(leat_recv(in.rx, &(uint64_t){ 0 }), 1, "its close unbinds");
		pipe_close(&in);
	}
}

Test(broadcast_meet, a_subscriber_that_is_bound_to_a_broadcasts_sender)
{
	for_each_ring(opts)
	{
		struct feed in = feed_open(opts), out = feed_open(opts);
		struct leat_rx *gate = join(&in, (struct leat_subscribe_opts){ 0 }),
			       *stage = join_after(&in, gate),
			       *rx = join(&out, (struct leat_subscribe_opts){ 0 });
		struct caller caller = { .op = OP_PEEK, .rx = stage };
		struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
		int fd = leat_rx_fd(stage);
		cr_assert_eq(leat_rx_bind(stage, out.tx), 0);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		send_to(&in, 0, 1);
		expect_items(gate, 0, 1);
		cr_expect_eq(caller_join(&caller), 1);
		cr_expect_eq(leat_rx_arm(stage), 0);
		leat_broadcast_close(out.bc);
		out.bc = NULL;
		cr_expect(!readable(fd));
		leat_rx_close(rx);
		cr_expect(becomes_readable(fd));
		uint64_t got;
		struct leat_case cases[] = { LEAT_CASE_RECV(stage, &got) };
		cr_expect_eq(leat_select(cases, 1, LEAT_NEVER, LEAT_BY_CHANCE), 0);
		cr_expect_eq(cases[0].answer, -EPIPE);
		cr_assert_eq(leat_merge_add(merge, stage, NULL), 0);
		cr_expect_eq(leat_merge_recv(merge, &got, NULL), -EPIPE);
		leat_merge_close(merge);
		leat_rx_close(gate);
		feed_close(&in);
		feed_close(&out);
	}
}
