/*
 * tests/unit/broadcast_ends.c: each way in which a broadcast can end, what its subscribers get
 * then, and the books after it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "feed.h"
#include "watcher.h"

#include <leat/test.h>

TestSuite(broadcast_ends, .timeout = 600);

static void expect_words(struct leat_rx *rx, enum leat_cause expected, int expected_code,
                         const char *expected_text)
{
	enum leat_cause cause = LEAT_RUNNING;
	const char *text = "";
	int code = 1;

	cr_expect_eq(leat_rx_status(rx, &cause, &code, &text), 0);
	cr_expect_eq(cause, expected, "cause %d", cause);
	cr_expect_eq(code, expected_code, "code %d", code);
	cr_expect_str_eq(text, expected_text);
}

/* --- failures of a sender --- */

Test(broadcast_ends, every_subscriber_sees_what_was_sent_then_the_failure)
{
	for_each_ring(opts)
	{
		opts.capacity = 8;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx[] = {
			join(&feed, (struct leat_subscribe_opts){ 0 }),
			join(&feed, (struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT,
			                                          .patience_ns = 60000 * MS }),
			NULL, NULL
		};
		rx[2] = join_after(&feed, rx[0]);
		send_to(&feed, 0, 3);
		cr_expect_eq(leat_tx_fail(feed.tx, -EIO, "disk gone"), -EIO);
		cr_expect_eq(leat_tx_fail(feed.tx, -EPERM, "the first one counts"), -EPERM);
		cr_expect_eq(leat_rx_status(rx[0], NULL, NULL, NULL), -EAGAIN, "not yet");
		leat_tx_close(feed.tx);
		feed.tx = NULL;
		rx[3] = join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
		for (size_t i = 0; i < COUNT(rx); i++) {
			expect_items(rx[i], 0, 3);
			expect_end(rx[i], LEAT_FAILED);
			expect_words(rx[i], LEAT_FAILED, -EIO, "disk gone");
		}
		for (size_t i = 0; i < COUNT(rx); i++)
			leat_rx_close(rx[i]);
		feed_close(&feed);
	}
}

static int send_three_and_fail(struct leat_tx *out, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < 3; i++)
		if (leat_send(out, &i) != 0)
			return -EPROTO;
	return leat_tx_fail(out, -EIO, "disk gone");
}

Test(broadcast_ends, a_generator_that_fails_keeps_what_it_has_sent)
{
	for_each_ring(opts)
	{
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join_after(&feed, a);
		struct pipe other = { .scope = feed.scope };
		cr_assert_eq(leat_chan_open(feed.scope, 8, NULL, &other.tx, &other.rx), 0);
		cr_assert_eq(leat_gen_into(feed.scope, send_three_and_fail, NULL, feed.tx, NULL),
		             0);
		cr_expect_eq(leat_scope_join(feed.scope), -EIO);
		cr_expect_eq(leat_recv(other.rx, &(uint64_t){ 0 }), -ECANCELED);
		for (struct leat_rx *rx = a; rx != NULL; rx = rx == a ? b : NULL) {
			expect_items(rx, 0, 3);
			expect_end(rx, LEAT_FAILED);
			expect_words(rx, LEAT_FAILED, -EIO, "disk gone");
		}
		cr_expect_eq(leat_broadcast_subscribe(feed.bc, NULL, &(struct leat_rx *){ NULL }),
		             -ECANCELED);
		leat_tx_close(other.tx);
		leat_rx_close(other.rx);
		leat_rx_close(a);
		leat_rx_close(b);
		leat_broadcast_close(feed.bc);
		cr_expect_eq(leat_scope_close(feed.scope), -EIO);
	}
}

Test(broadcast_ends, one_of_several_generators_fails_alone_in_a_scope_of_its_own)
{
	for_each_ring(opts)
	{
		if (opts.kind != LEAT_MPMC)
			continue;
		struct feed feed = feed_open(opts);
		struct leat_scope *own = leat_scope_open(feed.scope, NULL);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		cr_assert_eq(
			leat_gen_into(own, send_three_and_fail, NULL, leat_tx_clone(feed.tx), NULL),
			0);
		cr_expect_eq(leat_scope_join(own), -EIO);
		cr_expect_eq(leat_scope_close(own), -EIO);
		send_to(&feed, 3, 5);
		leat_tx_close(feed.tx);
		feed.tx = NULL;
		expect_items(rx, 0, 5);
		expect_end(rx, LEAT_FAILED);
		expect_words(rx, LEAT_FAILED, -EIO, "disk gone");
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

/* --- one sender ends the stream for all --- */

Test(broadcast_ends, one_of_several_senders_ends_the_stream_for_all)
{
	for_each_ring(opts)
	{
		void *slot;
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join_after(&feed, a);
		struct leat_tx *other = leat_tx_clone(feed.tx), *third = leat_tx_clone(feed.tx);
		struct caller sender = { .op = OP_SEND, .tx = third, .value = 9 };
		if (opts.kind != LEAT_MPMC) { /* then it is a close */
			cr_expect_null(other);
			send_to(&feed, 0, 4);
			leat_tx_close_all(feed.tx);
			goto ended;
		}
		send_to(&feed, 0, 3);
		if (opts.skip) {
			send_to(&feed, 3, 4);
		} else {
			cr_assert_eq(leat_reserve(other, 1, &slot), 1);
			*(uint64_t *)slot = 3;
		}
		caller_start(&sender);
		cr_assert(await_parked(&sender.tid));
		leat_tx_close_all(feed.tx);
		cr_expect_eq(caller_join(&sender), -EPIPE);
		if (!opts.skip) {
			expect_items(a, 0, 3);
			expect_nothing(a); /* the end waits for the reservation */
			cr_expect_eq(leat_commit(other, 1), 0);
			expect_items(a, 3, 4);
		} else {
			expect_items(a, 0, 4);
		}
		cr_expect_eq(leat_send(other, &(uint64_t){ 0 }), -EPIPE);
		leat_tx_close(other);
		leat_tx_close(third);
		expect_end(a, LEAT_COMPLETED);
		expect_items(b, 0, 4);
		expect_end(b, LEAT_COMPLETED);
		leat_rx_close(b);
		b = join_after(&feed, a);
		expect_end(b, LEAT_COMPLETED);
		leat_rx_close(a);
		a = join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
	ended:
		feed.tx = NULL;
		expect_items(a, 0, 4);
		expect_end(a, LEAT_COMPLETED);
		leat_rx_close(a);
		leat_rx_close(b);
		feed_close(&feed);
	}
}

Test(broadcast_ends, the_end_of_the_stream_wakes_all_that_wait_for_it)
{
	for_each_ring(opts) for (int what = 0; what < 3; what++)
	{
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 }), *gates[16];
		struct caller callers[3] = {
			{ .op = OP_RECV, .rx = gate },
			{ .op = OP_PEEK, .rx = join_after(&feed, gate) },
			{ .op = OP_RECV_BATCH,
			  .rx = join(&feed, (struct leat_subscribe_opts){ 0 }) },
		};
		gates[0] = gate;
		gates[1] = callers[2].rx;
		struct leat_rx *diamond = join(
			&feed, (struct leat_subscribe_opts){ .after = gates, .after_count = 2 });
		struct caller last = { .op = OP_RECV_UNTIL, .rx = diamond };
		for (size_t i = 0; i < COUNT(callers); i++)
			caller_start(&callers[i]);
		caller_start(&last);
		for (size_t i = 0; i < COUNT(callers); i++)
			cr_assert(await_parked(&callers[i].tid));
		cr_assert(await_parked(&last.tid));
		if (what == 0)
			leat_tx_close(feed.tx);
		else if (what == 1)
			leat_tx_close_all(feed.tx);
		else
			leat_scope_cancel(feed.scope, 0, NULL);
		for (size_t i = 0; i < COUNT(callers); i++)
			cr_expect_eq(caller_join(&callers[i]), what == 2 ? -ECANCELED : 0);
		cr_expect_eq(caller_join(&last), what == 2 ? -ECANCELED : 0);
		leat_rx_close(diamond);
		for (size_t i = 0; i < COUNT(callers); i++)
			leat_rx_close(callers[i].rx);
		if (what < 2)
			feed.tx = NULL;
		feed_close(&feed);
	}
}

/* --- cancels, deadlines, closes of a scope --- */

/* A sender waits for an idle subscriber, a stage for a stage, and another for senders. */
Test(broadcast_ends, whatever_ends_the_scope_frees_everyone)
{
	enum { CANCEL, DEADLINE, CLOSE, WHATS };

	clock_start();
	for_each_ring(opts) for (int what = 0; what < WHATS; what++)
	{
		struct leat_scope *scope = leat_scope_open(
			NULL,
			&(struct leat_scope_opts){
				.deadline_ns = what == DEADLINE ? leat_now_ns() + 50 * MS : 0 });
		struct caller sender = { .op = OP_SEND }, stage = { .op = OP_RECV },
			      idle = { .op = OP_PEEK };
		const int code = what == DEADLINE ? -ETIMEDOUT : 0;
		opts.capacity = 2;
		struct feed feed = feed_open_in(scope, opts), quiet = feed_open_in(scope, opts);
		struct leat_rx *never = join(&feed, (struct leat_subscribe_opts){ 0 });
		sender.tx = feed.tx;
		stage.rx = join_after(&feed, never);
		idle.rx = join(&quiet, (struct leat_subscribe_opts){ 0 });
		send_to(&feed, 0, 2);
		caller_start(&sender);
		caller_start(&stage);
		caller_start(&idle);
		cr_assert(await_parked(&sender.tid));
		cr_assert(await_parked(&stage.tid));
		cr_assert(await_parked(&idle.tid));
		switch (what) {
		case CANCEL:
			leat_scope_cancel(scope, 0, "enough");
			break;
		case DEADLINE:
			clock_advance(51 * MS);
			break;
		default:
			cr_expect_eq(leat_scope_close(scope), 0);
		}
		cr_expect_eq(caller_join(&sender), -ECANCELED);
		cr_expect_eq(caller_join(&stage), -ECANCELED);
		cr_expect_eq(caller_join(&idle), -ECANCELED);
		expect_words(stage.rx, what == DEADLINE ? LEAT_DEADLINE : LEAT_CANCELED, code,
		             what == CANCEL     ? "enough"
		             : what == DEADLINE ? "deadline passed"
		                                : "scope closed");
		cr_expect_eq(leat_broadcast_subscribe(feed.bc, NULL, &(struct leat_rx *){ NULL }),
		             -ECANCELED);
		leat_rx_close(stage.rx);
		leat_rx_close(never);
		leat_rx_close(idle.rx);
		leat_tx_close(feed.tx);
		leat_tx_close(quiet.tx);
		leat_broadcast_close(feed.bc);
		leat_broadcast_close(quiet.bc);
		if (what != CLOSE)
			cr_expect_eq(leat_scope_close(scope), code);
	}
}

Test(broadcast_ends, a_stop_refuses_sources_alone_and_late_subscribers_still_come)
{
	for_each_ring(opts)
	{
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join_after(&feed, a), *late;
		send_to(&feed, 0, 2);
		leat_tx_source(feed.tx, true);
		cr_expect_eq(leat_scope_stop(feed.scope, LEAT_NEVER, "the end"), 0);
		cr_expect_eq(leat_send(feed.tx, &(uint64_t){ 2 }), -ESHUTDOWN);
		cr_expect_eq(leat_try_send_batch(feed.tx, &(uint64_t){ 2 }, 1), -ESHUTDOWN);
		leat_tx_source(feed.tx, false);
		send_to(&feed, 2, 3);
		late = join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
		leat_tx_close(feed.tx);
		feed.tx = NULL;
		expect_items(a, 0, 3);
		expect_items(b, 0, 3);
		expect_items(late, 0, 3);
		expect_end(a, LEAT_COMPLETED);
		expect_end(b, LEAT_COMPLETED);
		expect_end(late, LEAT_COMPLETED);
		leat_rx_close(late);
		leat_rx_close(b);
		leat_rx_close(a);
		feed_close(&feed);
	}
}

/* --- the books --- */

static struct leat_chan_stat figures_of(const struct leat_broadcast_opts *opts)
{
	struct watcher watcher;

	stop(start(&watcher, opts->name, HOUR_NS), &watcher);
	cr_expect_eq(watcher.seen, 1);
	return watcher.chan;
}

#define expect_figures(opts, offered_, delivered_, in_flight_) \
	do { \
		struct leat_chan_stat now_ = figures_of(opts); \
		cr_expect_eq(now_.offered, offered_, "offered %llu", \
		             (unsigned long long)now_.offered); \
		cr_expect_eq(now_.delivered, delivered_, "delivered %llu", \
		             (unsigned long long)now_.delivered); \
		cr_expect_eq(now_.in_flight, in_flight_, "in flight %llu", \
		             (unsigned long long)now_.in_flight); \
		for (int reason_ = 0; reason_ < LEAT_DROP_REASONS; reason_++) \
			cr_expect_eq(now_.dropped[reason_], 0); \
	} while (0)

Test(broadcast_ends, an_item_is_delivered_once_all_that_senders_wait_for_have_passed_it)
{
	for_each_ring(opts)
	{
		const void *place;
		opts.capacity = 8;
		struct feed feed = feed_open(opts);
		expect_figures(&opts, 0, 0, 0);
		send_to(&feed, 0, 3);
		expect_figures(&opts, 3, 3, 0); /* with no subscriber */
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join_after(&feed, a),
			       *skips = opts.skip ? join(&feed,
		                                         (struct leat_subscribe_opts){
								 .lag = LEAT_LAG_SKIP })
		                                  : NULL;
		send_to(&feed, 3, 9);
		expect_figures(&opts, 9, 3, 6);
		expect_items(a, 3, 7);
		expect_figures(&opts, 9, 3, 6);
		expect_items(b, 3, 5);
		expect_figures(&opts, 9, 5, 4);
		cr_assert_geq(leat_peek(b, 2, &place), 1);
		expect_figures(&opts, 9, 5, 4);
		cr_assert_eq(leat_release(b, 1), 0);
		expect_figures(&opts, 9, 6, 3);
		struct leat_rx *old =
			join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
		expect_figures(&opts, 9, 6, 3); /* what was delivered stays so */
		struct leat_chan_stat now = figures_of(&opts);
		cr_expect_eq(now.capacity, 8);
		cr_expect_eq(now.senders, 1);
		cr_expect_eq(now.receivers, opts.skip ? 4 : 3);
		cr_expect(!now.ended);
		leat_rx_close(old);
		expect_figures(&opts, 9, 6, 3);
		leat_rx_close(b);
		expect_figures(&opts, 9, 7, 2);
		cr_expect_eq(leat_send_until(feed.tx, &(uint64_t){ 0 }, 0), 0);
		leat_rx_close(a);
		expect_figures(&opts, 10, 10, 0);
		leat_rx_close(skips);
		feed_close(&feed);
	}
}

Test(broadcast_ends, what_is_refused_is_offered_and_rejected)
{
	clock_start();
	for_each_ring(opts)
	{
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		send_to(&feed, 0, 2);
		cr_expect_eq(leat_try_send(feed.tx, &(uint64_t){ 0 }), -EAGAIN);
		struct caller caller = { .op = OP_SEND_UNTIL,
			                 .tx = feed.tx,
			                 .deadline_ns = leat_now_ns() + MS };
		caller_start(&caller);
		clock_advance_past(&caller, MS);
		cr_expect_eq(caller_join(&caller), -ETIMEDOUT);
		struct leat_chan_stat now = figures_of(&opts);
		cr_expect_eq(now.offered, 3);
		cr_expect_eq(now.rejected, 1);
		cr_expect_eq(now.in_flight, 2);
		cr_expect_eq(now.peak, 2);
		cr_expect_gt(now.send_blocked_ns, 0);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

Test(broadcast_ends, what_was_delivered_stays_so_when_a_subscriber_goes_back_to_it)
{
	for_each_ring(opts)
	{
		struct watcher watcher;
		struct leat_diag *diag = start(&watcher, opts.name, HOUR_NS);
		opts.capacity = 8;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 }), *old;
		send_to(&feed, 0, 7);
		expect_items(rx, 0, 5);
		/* no snapshot until here */
		old = join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_SEQ, .seq = 1 });
		expect_figures(&opts, 7, 5, 2);
		expect_items(old, 1, 3);
		leat_scope_cancel(feed.scope, 0, NULL);
		expect_figures(&opts, 7, 5, 2);
		leat_rx_close(old);
		leat_rx_close(rx);
		feed_close(&feed);
		stop(diag, &watcher);
		cr_expect_eq(watcher.ended.offered, 7);
		cr_expect_eq(watcher.ended.delivered, 5);
		cr_expect_eq(watcher.ended.dropped[LEAT_DROPPED_CANCELED], 2);
	}
}

/* After each end, with two items that one of two subscribers has not taken. */
Test(broadcast_ends, the_last_books)
{
	enum { SENDER_CLOSES, DRAINED, CANCEL, CLOSED, EVICTED, WHATS };

	for_each_ring(opts) for (int what = 0; what < WHATS; what++)
	{
		struct watcher watcher;
		struct leat_diag *diag = start(&watcher, opts.name, HOUR_NS);
		uint64_t canceled = 0, abandoned = 0, delivered = 5, offered = 5;
		opts.capacity = what == EVICTED ? 4 : 8;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join(&feed,
		                         (struct leat_subscribe_opts){
						 .lag = LEAT_LAG_EVICT,
						 .patience_ns = what == EVICTED ? 0 : 60000 * MS });
		send_to(&feed, 0, 3);
		expect_items(a, 0, 3);
		expect_items(b, 0, 3);
		send_to(&feed, 3, 5);
		expect_items(a, 3, 5);
		switch (what) {
		case SENDER_CLOSES: /* and one leaves before it has seen all, but can come back */
			break;
		case DRAINED:
			expect_items(b, 3, 5);
			break;
		case CANCEL:
			leat_scope_cancel(feed.scope, 0, NULL);
			delivered = 3;
			canceled = 2;
			break;
		case CLOSED:
			leat_broadcast_close(feed.bc);
			feed.bc = NULL;
			/* the last one leaves them behind */
			leat_rx_close(a);
			a = NULL;
			delivered = 3;
			abandoned = 2;
			break;
		default:
			send_to(&feed, 5, 8);
			expect_items(a, 5, 8);
			cr_expect_eq(leat_try_recv(b, &(uint64_t){ 0 }), -ECONNABORTED);
			offered = delivered = 8;
		}
		leat_rx_close(b);
		leat_rx_close(a);
		feed_close(&feed);
		stop(diag, &watcher);
		cr_expect_eq(watcher.ends, 1);
		cr_expect(watcher.ended.ended);
		cr_expect_eq(watcher.ended.offered, offered);
		cr_expect_eq(watcher.ended.delivered, delivered, "%d: %llu", what,
		             (unsigned long long)watcher.ended.delivered);
		cr_expect_eq(watcher.ended.dropped[LEAT_DROPPED_CANCELED], canceled, "%d", what);
		cr_expect_eq(watcher.ended.dropped[LEAT_DROPPED_ABANDONED], abandoned, "%d", what);
		cr_expect_eq(watcher.ended.in_flight, 0);
		cr_expect_eq(watcher.ended.rejected, 0);
		cr_expect_eq(watcher.ended.senders + watcher.ended.receivers, 0);
	}
}

Test(broadcast_ends, holes_are_in_no_books)
{
	static const struct leat_broadcast_opts opts = { .name = "holes",
		                                         .kind = LEAT_MPMC,
		                                         .capacity = 8 };
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, opts.name, HOUR_NS);
	struct feed feed = feed_open(opts);
	struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
	void *slots;
	for (uint64_t n = 0; n < 30; n++) {
		cr_assert_geq(leat_reserve(feed.tx, 3, &slots), 1);
		expect_figures(&opts, n, n, 0);
		*(uint64_t *)slots = n;
		cr_assert_eq(leat_commit(feed.tx, n % 3 != 0), 0);
		if (n % 3 == 0)
			send_to(&feed, n, n + 1);
		expect_figures(&opts, n + 1, n, 1);
		expect_items(rx, n, n + 1);
		cr_expect_eq(leat_try_recv(rx, &(uint64_t){ 0 }), -EAGAIN);
		expect_figures(&opts, n + 1, n + 1, 0);
	}
	leat_rx_close(rx);
	feed_close(&feed);
	stop(diag, &watcher);
	cr_expect_eq(watcher.ended.offered, 30);
	cr_expect_eq(watcher.ended.delivered, 30);
}

/* --- discard --- */

struct discards {
	uint64_t next, faults;
};

static void discard_next(void *item, void *arg)
{
	struct discards *d = arg;

	d->faults += *(uint64_t *)item != d->next++;
}

Test(broadcast_ends, each_slot_is_discarded_once_whatever_ends_it)
{
	enum {
		SENDER_CLOSES,
		CANCEL,
		CLOSE_ALL,
		FAILURE,
		STOP,
		SUBSCRIBERS_LEAVE,
		RESERVED,
		WHATS
	};

	for_each_ring(opts) for (int what = 0; what < WHATS; what++) for (uint64_t n = 1; n < 12;
	                                                                  n++)
	{
		struct discards discards = { 0 };
		const void *place;
		void *slot;
		if (opts.skip)
			continue; /* no discard */
		opts.capacity = 4;
		opts.discard = discard_next;
		opts.discard_arg = &discards;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join_after(&feed, a);
		for (uint64_t i = 0; i < n; i++) {
			if (i > 0) { /* which are copied, and owed */
				expect_items(a, i - 1, i);
				expect_nothing(a);
				expect_items(b, i - 1, i);
				expect_nothing(b);
			}
			send_to(&feed, i, i + 1);
		}
		cr_assert_eq(leat_peek(a, 1, &place), 1);
		leat_tx_source(feed.tx, true);
		switch (what) {
		case CANCEL:
			leat_scope_cancel(feed.scope, 0, NULL);
			break;
		case CLOSE_ALL:
			leat_tx_close_all(feed.tx);
			feed.tx = NULL;
			break;
		case FAILURE:
			leat_tx_fail(feed.tx, -EIO, NULL);
			break;
		case STOP:
			leat_scope_stop(feed.scope, LEAT_NEVER, NULL);
			break;
		case SUBSCRIBERS_LEAVE:
			leat_broadcast_close(feed.bc);
			feed.bc = NULL;
			leat_rx_close(a);
			leat_rx_close(b);
			a = b = NULL;
			break;
		case RESERVED:
			cr_assert_eq(leat_reserve(feed.tx, 1, &slot), 1);
			break;
		default:
			leat_tx_close(feed.tx);
			feed.tx = NULL;
		}
		cr_expect_eq(discards.faults, 0);
		leat_rx_close(b);
		leat_rx_close(a);
		feed_close(&feed);
		cr_expect_eq(discards.next, n, "%d: %llu of %llu", what,
		             (unsigned long long)discards.next, (unsigned long long)n);
		cr_expect_eq(discards.faults, 0);
	}
}
