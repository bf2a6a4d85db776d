/*
 * tests/unit/chan_owner.c: which side owns an item that is in flight when its channel ends: one,
 * and one alone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "owned.h"

#include <pthread.h>

TestSuite(chan_owner, .timeout = 600);

/* Ownership */

Test(chan_owner, cancel_and_receive_discards_in_the_receive)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 7);
		struct pipe pipe = pipe_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		send_owned(pipe.tx, 0, 5);
		cr_assert_eq(recv_owned(pipe.rx), 1);
		cr_assert_eq(recv_owned(pipe.rx), 1);
		send_owned(pipe.tx, 5, 9);
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(ledger.discards, 0);
		cr_expect_eq(recv_owned(pipe.rx), -ECANCELED);
		cr_expect_eq(ledger.discards, 7, "%s: %u", kind_names[kind], ledger.discards);
		pipe_close(&pipe);
		cr_expect_eq(ledger.discards, 7);
		cr_expect_eq(ledger_faults(&ledger), 0);
	}
}

Test(chan_owner, cancel_and_close_discards_in_the_close)
{
	for_each_kind(kind) {
		for (int rx_first = 0; rx_first < 2; rx_first++) {
			struct leat_chan_opts opts = owned(kind, 7);
			struct pipe pipe = pipe_open(&opts);
			memset(&ledger, 0, sizeof(ledger));
			send_owned(pipe.tx, 0, 6);
			leat_scope_cancel(pipe.scope, 0, NULL);
			cr_expect_eq(ledger.discards, 0);
			if (rx_first)
				leat_rx_close(pipe.rx);
			leat_tx_close(pipe.tx);
			if (!rx_first)
				leat_rx_close(pipe.rx);
			cr_expect_eq(ledger.discards, 6, "%s: %u", kind_names[kind],
			             ledger.discards);
			cr_expect_eq(ledger_faults(&ledger), 0);
			cr_expect_eq(leat_scope_close(pipe.scope), 0);
			cr_expect_eq(ledger.discards, 6);
		}
	}
}

Test(chan_owner, receiver_closed_with_items_in_flight_discards_them)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 7);
		struct pipe pipe = pipe_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		send_owned(pipe.tx, 0, 4);
		cr_assert_eq(recv_owned(pipe.rx), 1);
		leat_rx_close(pipe.rx);
		cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 99 }), -EPIPE);
		pipe.rx = NULL;
		pipe_close(&pipe);
		cr_expect_eq(ledger.discards, 3, "%s: %u", kind_names[kind], ledger.discards);
		cr_expect_eq(ledger_faults(&ledger), 0);
	}
}

Test(chan_owner, both_closed_with_items_in_flight_discards_them)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 3);
		struct pipe pipe = pipe_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		send_owned(pipe.tx, 0, 3);
		leat_tx_close(pipe.tx);
		cr_expect_eq(ledger.discards, 0, "receivers may drain yet");
		leat_rx_close(pipe.rx);
		cr_expect_eq(ledger.discards, 3, "%s: %u", kind_names[kind], ledger.discards);
		cr_expect_eq(ledger_faults(&ledger), 0);
		cr_expect_eq(leat_scope_close(pipe.scope), 0);
	}
}

Test(chan_owner, refused_items_stay_with_their_sender)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 2);
		struct pipe pipe = pipe_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		send_owned(pipe.tx, 0, 2);
		cr_expect_eq(leat_try_send(pipe.tx, &(uint64_t){ 7 }), -EAGAIN);
		cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 7 }, 0), -ETIMEDOUT);
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 7 }), -ECANCELED);
		cr_expect_eq(leat_send_batch(pipe.tx, (uint64_t[]){ 7, 7 }, 2), -ECANCELED);
		pipe_close(&pipe);
		cr_expect_eq(ledger.discards, 2);
		cr_expect_eq(ledger_faults(&ledger), 0);
	}
}

Test(chan_owner, items_of_a_channel_left_by_its_scope_are_discarded)
{
	struct leat_chan_opts opts = owned(LEAT_MPMC, 8);
	struct pipe pipe = pipe_open(&opts);
	send_owned(pipe.tx, 0, 5);
	cr_expect_eq(leat_scope_close(pipe.scope), 0);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 9 }), -ECANCELED);
	cr_expect_eq(recv_owned(pipe.rx), -ECANCELED);
	cr_expect_eq(ledger.discards, 5);
	leat_tx_close(pipe.tx);
	leat_rx_close(pipe.rx);
	cr_expect_eq(ledger.discards, 5);
	cr_expect_eq(ledger_faults(&ledger), 0);
}

/* Never under a lock: discard may use what the library has, but for its own channel. */
struct relay {
	struct leat_scope *scope;
	struct leat_tx *tx;
	int answers[8], count;
};

static void relay_discard(void *item, void *arg)
{
	struct relay *relay = arg;
	struct leat_tx *tx;
	struct leat_rx *rx;
	relay->answers[relay->count++ % 8] = leat_try_send(relay->tx, item);
	leat_scope_cancel(relay->scope, -EIO, "from discard");
	if (leat_chan_open(relay->scope, 8, NULL, &tx, &rx) == 0) {
		leat_tx_close(tx);
		leat_rx_close(rx);
	}
	leat_scope_close(leat_scope_open(relay->scope, NULL));
}

Test(chan_owner, discard_is_called_under_no_lock)
{
	for (int way = 0; way < 3; way++) {
		struct pipe refuge = pipe_open(NULL);
		struct relay relay = { .tx = refuge.tx };
		struct leat_chan_opts opts = { .kind = LEAT_MPMC,
			                       .discard = relay_discard,
			                       .discard_arg = &relay };
		struct pipe pipe = pipe_open(&opts);
		uint64_t got = 0;
		relay.scope = pipe.scope;
		leat_send(pipe.tx, &(uint64_t){ 1 });
		leat_send(pipe.tx, &(uint64_t){ 2 });
		if (way == 0) {
			leat_scope_cancel(pipe.scope, 0, NULL);
			cr_expect_eq(leat_recv(pipe.rx, &got), -ECANCELED);
		}
		leat_rx_close(pipe.rx);
		leat_tx_close(pipe.tx);
		cr_expect_eq(relay.count, 2);
		cr_expect_eq(relay.answers[0], 0);
		cr_expect_eq(leat_recv(refuge.rx, &got), 1);
		cr_expect_eq(leat_scope_close(pipe.scope), -EIO,
		             "the cause, or the first later failure");
		pipe_close(&refuge);
	}
}

/* Threads on all sides while it ends */

struct side {
	pthread_t thread;
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t from, to;
	uint32_t *started;
};

static void *send_range(void *arg)
{
	struct side *side = arg;
	leat_add_acqrel(side->started, 1u);
	for (uint64_t n = side->from; n < side->to && leat_send(side->tx, &n) == 0; n++)
		ledger_accept(&ledger, n);
	leat_tx_close(side->tx);
	return NULL;
}

static void *receive_until_end(void *arg)
{
	struct side *side = arg;
	leat_add_acqrel(side->started, 1u);
	while (recv_owned(side->rx) == 1)
		;
	leat_rx_close(side->rx);
	return NULL;
}

enum { PER_SENDER = MANY_TIMES(20000) };

static void check_ownership(enum leat_kind kind, enum leat_overflow overflow, bool cancel)
{
	struct leat_chan_opts opts = owned(kind, 5);
	opts.overflow = overflow;
	struct pipe pipe = pipe_open(&opts);
	int senders = tx_is_multiple(kind) ? 3 : 1, receivers = rx_is_multiple(kind) ? 3 : 1;
	struct side tx[3] = { 0 }, rx[3] = { 0 };
	uint32_t started = 0;
	memset(&ledger, 0, sizeof(ledger));
	for (int i = 0; i < senders; i++)
		tx[i] = (struct side){ .tx = i == 0 ? pipe.tx : leat_tx_clone(pipe.tx),
			               .from = (uint64_t)i * PER_SENDER,
			               .to = (uint64_t)(i + 1) * PER_SENDER,
			               .started = &started };
	for (int i = 0; i < receivers; i++)
		rx[i] = (struct side){ .rx = i == 0 ? pipe.rx : leat_rx_clone(pipe.rx),
			               .started = &started };
	for (int i = 0; i < senders; i++)
		cr_assert_eq(pthread_create(&tx[i].thread, NULL, send_range, &tx[i]), 0);
	for (int i = 0; i < receivers; i++)
		cr_assert_eq(pthread_create(&rx[i].thread, NULL, receive_until_end, &rx[i]), 0);
	cr_assert(await_word(&started, (uint32_t)(senders + receivers)));
	if (cancel)
		leat_scope_cancel(pipe.scope, 0, NULL);
	for (int i = 0; i < senders; i++)
		pthread_join(tx[i].thread, NULL);
	for (int i = 0; i < receivers; i++)
		pthread_join(rx[i].thread, NULL);
	cr_expect_eq(ledger_faults(&ledger), 0, "%s, overflow %d: %u items lost or doubled",
	             kind_names[kind], overflow, ledger_faults(&ledger));
	if (!cancel && overflow == LEAT_BLOCK)
		cr_expect_eq(ledger.discards, 0);
	cr_expect_eq(leat_scope_close(pipe.scope), 0);
}

Test(chan_owner, each_item_has_one_owner_when_senders_close)
{
	for_each_kind(kind)
		for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST;
		     overflow++)
			check_ownership(kind, overflow, false);
}

Test(chan_owner, each_item_has_one_owner_when_cancelled)
{
	for (int round = 0; round < MANY_TIMES(20); round++)
		for_each_kind(kind)
			for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST;
			     overflow++)
				check_ownership(kind, overflow, true);
}

static void *receive_some(void *arg)
{
	struct side *side = arg;
	leat_add_acqrel(side->started, 1u);
	for (uint64_t n = 0; n < side->to && recv_owned(side->rx) == 1; n++)
		;
	leat_rx_close(side->rx);
	return NULL;
}

Test(chan_owner, each_item_has_one_owner_when_receivers_leave)
{
	for (int round = 0; round < 40; round++) {
		enum leat_kind kind = (enum leat_kind)(round % 4);
		struct leat_chan_opts opts = owned(kind, 5);
		struct pipe pipe = pipe_open(&opts);
		uint32_t started = 0;
		struct side tx[2] = { { .tx = pipe.tx, .to = 5000, .started = &started } };
		struct side rx = { .rx = pipe.rx, .to = (uint64_t)round * 7, .started = &started };
		int senders = tx_is_multiple(kind) ? 2 : 1;
		memset(&ledger, 0, sizeof(ledger));
		if (senders == 2)
			tx[1] = (struct side){ .tx = leat_tx_clone(pipe.tx),
				               .from = 5000,
				               .to = 10000,
				               .started = &started };
		for (int i = 0; i < senders; i++)
			cr_assert_eq(pthread_create(&tx[i].thread, NULL, send_range, &tx[i]), 0);
		cr_assert_eq(pthread_create(&rx.thread, NULL, receive_some, &rx), 0);
		for (int i = 0; i < senders; i++)
			pthread_join(tx[i].thread, NULL);
		pthread_join(rx.thread, NULL);
		cr_expect_eq(ledger_faults(&ledger), 0, "%s: %u items lost or doubled",
		             kind_names[kind], ledger_faults(&ledger));
		cr_expect_eq(leat_scope_close(pipe.scope), 0);
	}
}
