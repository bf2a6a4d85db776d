/*
 * tests/unit/chan_overflow.c: channels that drop instead of waiting.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

TestSuite(chan_overflow, .timeout = 600);

static struct ledger ledger;

static struct leat_chan_opts dropping(enum leat_kind kind, size_t capacity,
                                      enum leat_overflow overflow)
{
	memset(&ledger, 0, sizeof(ledger));
	return (struct leat_chan_opts){ .kind = kind,
		                        .capacity = capacity,
		                        .overflow = overflow,
		                        .discard = ledger_discard,
		                        .discard_arg = &ledger };
}

static void expect_range(struct leat_rx *rx, uint64_t from, uint64_t to)
{
	for (uint64_t n = from, got; n < to; n++) {
		cr_assert_eq(leat_try_recv(rx, &got), 1);
		cr_expect_eq(got, n);
	}
	cr_expect_eq(leat_try_recv(rx, &(uint64_t){ 0 }), -EAGAIN);
}

Test(chan_overflow, drop_newest_keeps_the_first)
{
	static const size_t capacities[] = { 1, 2, 3, 7, 1000, 1024 };
	for_each_kind(kind) {
		for (size_t i = 0; i < COUNT(capacities); i++) {
			struct leat_chan_opts opts =
				dropping(kind, capacities[i], LEAT_DROP_NEWEST);
			struct pipe pipe = pipe_open(&opts);
			for (uint64_t n = 0; n < capacities[i] + 5; n++) {
				cr_assert_eq(leat_send(pipe.tx, &n), 0);
				cr_assert_eq(ledger.discards,
				             n < capacities[i] ? 0 : n + 1 - capacities[i],
				             "%s of %zu: dropped in the send", kind_names[kind],
				             capacities[i]);
			}
			for (uint64_t n = capacities[i]; n < capacities[i] + 5; n++)
				cr_expect_eq(ledger.discarded[n], 1);
			expect_range(pipe.rx, 0, capacities[i]);
			pipe_close(&pipe);
		}
	}
}

Test(chan_overflow, drop_oldest_keeps_the_last)
{
	static const size_t capacities[] = { 1, 2, 3, 7, 1000, 1024 };
	for_each_kind(kind) {
		for (size_t i = 0; i < COUNT(capacities); i++) {
			struct leat_chan_opts opts =
				dropping(kind, capacities[i], LEAT_DROP_OLDEST);
			struct pipe pipe = pipe_open(&opts);
			for (uint64_t n = 0; n < capacities[i] + 5; n++) {
				cr_assert_eq(leat_send(pipe.tx, &n), 0);
				cr_assert_eq(ledger.discards,
				             n < capacities[i] ? 0 : n + 1 - capacities[i],
				             "%s of %zu: dropped in the send", kind_names[kind],
				             capacities[i]);
			}
			for (uint64_t n = 0; n < 5; n++)
				cr_expect_eq(ledger.discarded[n], 1);
			expect_range(pipe.rx, 5, capacities[i] + 5);
			pipe_close(&pipe);
		}
	}
}

Test(chan_overflow, every_send_drops_and_answers_0)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = dropping(kind, 2, overflow);
			struct pipe pipe = pipe_open(&opts);
			uint64_t items[5] = { 0, 1, 2, 3, 4 };
			cr_expect_eq(leat_send_batch(pipe.tx, items, 5), 5, "%s, overflow %d",
			             kind_names[kind], overflow);
			cr_expect_eq(ledger.discards, 3);
			cr_expect_eq(leat_try_send(pipe.tx, &(uint64_t){ 5 }), 0);
			cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 6 }, 0), 0);
			cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 7 }, LEAT_NEVER), 0);
			cr_expect_eq(leat_try_send_batch(pipe.tx, (uint64_t[]){ 8, 9, 10 }, 3), 3);
			cr_expect_eq(ledger.discards, 9);
			if (overflow == LEAT_DROP_NEWEST)
				expect_range(pipe.rx, 0, 2);
			else
				expect_range(pipe.rx, 9, 11);
			pipe_close(&pipe);
		}
	}
}

Test(chan_overflow, errors_are_those_of_every_channel)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = dropping(kind, 1, overflow);
			struct pipe closed = pipe_open(&opts), cancelled = pipe_open(&opts);
			uint64_t item = 1;
			leat_send(closed.tx, &item);
			leat_rx_close(closed.rx);
			leat_send(cancelled.tx, &item);
			leat_scope_cancel(cancelled.scope, 0, NULL);
			cr_expect_eq(leat_send(closed.tx, &item), -EPIPE);
			cr_expect_eq(leat_try_send(closed.tx, &item), -EPIPE);
			cr_expect_eq(leat_send_batch(closed.tx, &item, 1), -EPIPE);
			cr_expect_eq(leat_send(cancelled.tx, &item), -ECANCELED);
			cr_expect_eq(leat_try_send(cancelled.tx, &item), -ECANCELED);
			cr_expect_eq(leat_recv(cancelled.rx, &item), -ECANCELED);
			closed.rx = NULL;
			pipe_close(&closed);
			pipe_close(&cancelled);
			cr_expect_eq(ledger.discards, 2, "one in flight in each");
		}
	}
}

Test(chan_overflow, clones_are_allowed_by_the_kind)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = dropping(kind, 2, LEAT_DROP_OLDEST);
		struct pipe pipe = pipe_open(&opts);
		struct leat_tx *tx = leat_tx_clone(pipe.tx);
		struct leat_rx *rx = leat_rx_clone(pipe.rx);
		cr_expect_eq(tx != NULL, tx_is_multiple(kind), "sender of %s", kind_names[kind]);
		cr_expect_eq(rx != NULL, rx_is_multiple(kind), "receiver of %s", kind_names[kind]);
		leat_tx_close(tx);
		leat_rx_close(rx);
		pipe_close(&pipe);
	}
}

Test(chan_overflow, large_items_are_discarded_whole)
{
	struct large {
		uint64_t n;
		unsigned char rest[4088];
	};
	for_each_drop(overflow) {
		struct leat_chan_opts opts = dropping(LEAT_SPSC, 2, overflow);
		struct pipe pipe = pipe_open_sized(sizeof(struct large), &opts);
		static struct large item;
		for (item.n = 0; item.n < 5; item.n++)
			cr_assert_eq(leat_send(pipe.tx, &item), 0);
		for (uint64_t n = 0; n < 5; n++)
			cr_expect_eq(ledger.discarded[n],
			             overflow == LEAT_DROP_NEWEST ? n >= 2 : n < 3);
		pipe_close(&pipe);
	}
}

Test(chan_overflow, dropping_needs_no_discard)
{
	for_each_drop(overflow) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .capacity = 1, .overflow = overflow });
		for (uint64_t n = 0; n < 10; n++)
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
		pipe_close(&pipe);
	}
}

Test(chan_overflow, an_item_wakes_a_parked_receiver)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = dropping(kind, 1, overflow);
			struct pipe pipe = pipe_open(&opts);
			struct caller caller = { .op = OP_RECV, .rx = pipe.rx };
			caller_start(&caller);
			cr_assert(await_parked(&caller.tid));
			cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 3 }), 0);
			cr_expect_eq(caller_join(&caller), 1);
			cr_expect_eq(caller.value, 3);
			pipe_close(&pipe);
		}
	}
}

struct side {
	pthread_t thread;
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t from, to, faults;
};

static void *send_range(void *arg)
{
	struct side *side = arg;
	for (uint64_t n = side->from; n < side->to; n++) {
		int rc = leat_send(side->tx, &n);
		side->faults += rc != 0;
		if (rc == 0)
			ledger_accept(&ledger, n);
	}
	leat_tx_close(side->tx);
	return NULL;
}

static void *receive_rising(void *arg)
{
	struct side *side = arg;
	uint64_t got, last[4] = { 0 };
	while (leat_recv(side->rx, &got) == 1) {
		uint64_t who = got / 16000 % 4;
		side->faults += got < last[who];
		last[who] = got;
		ledger_receive(&ledger, got);
	}
	leat_rx_close(side->rx);
	return NULL;
}

Test(chan_overflow, each_item_has_one_owner_between_threads)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = dropping(kind, 3, overflow);
			struct pipe pipe = pipe_open(&opts);
			int senders = tx_is_multiple(kind) ? 3 : 1,
			    receivers = rx_is_multiple(kind) ? 3 : 1;
			struct side tx[3] = { 0 }, rx[3] = { 0 };
			for (int i = 0; i < senders; i++)
				tx[i] = (struct side){ .tx = i == 0 ? pipe.tx
					                            : leat_tx_clone(pipe.tx),
					               .from = (uint64_t)i * 16000,
					               .to = (uint64_t)(i + 1) * 16000 };
			for (int i = 0; i < receivers; i++)
				rx[i] = (struct side){ .rx = i == 0 ? pipe.rx
					                            : leat_rx_clone(pipe.rx) };
			for (int i = 0; i < receivers; i++)
				cr_assert_eq(
					pthread_create(&rx[i].thread, NULL, receive_rising, &rx[i]),
					0);
			for (int i = 0; i < senders; i++)
				cr_assert_eq(
					pthread_create(&tx[i].thread, NULL, send_range, &tx[i]), 0);
			for (int i = 0; i < senders; i++) {
				pthread_join(tx[i].thread, NULL);
				cr_expect_eq(tx[i].faults, 0, "a dropping send answered an error");
			}
			for (int i = 0; i < receivers; i++) {
				pthread_join(rx[i].thread, NULL);
				cr_expect_eq(rx[i].faults, 0, "out of order");
			}
			cr_expect_eq(ledger_faults(&ledger), 0, "%s, overflow %d", kind_names[kind],
			             overflow);
			cr_expect_eq(leat_scope_close(pipe.scope), 0);
		}
	}
}

/* The receiver never comes: the sender must get through all the same. */
Test(chan_overflow, a_sender_never_waits_for_a_stalled_receiver)
{
	for_each_kind(kind) {
		for_each_drop(overflow) {
			struct leat_chan_opts opts = dropping(kind, 4, overflow);
			struct pipe pipe = pipe_open(&opts);
			struct side side = { .tx = pipe.tx, .to = 16000 };
			cr_assert_eq(pthread_create(&side.thread, NULL, send_range, &side), 0);
			pthread_join(side.thread, NULL);
			cr_expect_eq(side.faults, 0);
			cr_expect_eq(ledger.discards, 16000 - 4);
			pipe.tx = NULL;
			pipe_close(&pipe);
			cr_expect_eq(ledger.discards, 16000);
		}
	}
}
