/*
 * tests/unit/chan_handle.c: handles that are used or closed after their close, and those that
 * outlive their scope.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "owned.h"

#include <pthread.h>
#include <signal.h>

#include "runtime/chan/chan.h"

TestSuite(chan_handle, .timeout = 600);

/* Broken rules stop the program */

Test(chan_handle, send_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_tx_close(pipe.tx);
	leat_send(pipe.tx, &(uint64_t){ 1 });
}

Test(chan_handle, send_after_close_stops_where_room_was_known, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_send(pipe.tx, &(uint64_t){ 1 });
	leat_tx_close(pipe.tx);
	leat_send(pipe.tx, &(uint64_t){ 1 });
}

Test(chan_handle, try_send_after_close_stops_on_mpmc, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	leat_tx_close(pipe.tx);
	leat_try_send(pipe.tx, &(uint64_t){ 1 });
}

Test(chan_handle, send_batch_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_tx_close(pipe.tx);
	leat_send_batch(pipe.tx, &(uint64_t){ 1 }, 1);
}

Test(chan_handle, reserve_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	void *room;
	leat_tx_close(pipe.tx);
	leat_reserve(pipe.tx, 1, &room);
}

Test(chan_handle, clone_of_a_closed_sender_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	leat_tx_close(pipe.tx);
	leat_tx_clone(pipe.tx);
}

Test(chan_handle, recv_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_rx_close(pipe.rx);
	leat_recv(pipe.rx, &(uint64_t){ 1 });
}

Test(chan_handle, recv_after_close_stops_where_items_were_known, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	uint64_t got;
	leat_send_batch(pipe.tx, (uint64_t[]){ 1, 2, 3 }, 3);
	leat_recv(pipe.rx, &got);
	leat_rx_close(pipe.rx);
	leat_recv(pipe.rx, &got);
}

Test(chan_handle, try_recv_after_close_stops_on_mpmc, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	leat_rx_close(pipe.rx);
	leat_try_recv(pipe.rx, &(uint64_t){ 1 });
}

Test(chan_handle, peek_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	const void *there;
	leat_rx_close(pipe.rx);
	leat_peek(pipe.rx, 1, &there);
}

Test(chan_handle, double_close_of_a_sender_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_tx_close(pipe.tx);
	leat_tx_close(pipe.tx);
}

Test(chan_handle, double_close_of_a_receiver_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_rx_close(pipe.rx);
	leat_rx_close(pipe.rx);
}

Test(chan_handle, double_close_of_a_clone_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	struct leat_tx *clone = leat_tx_clone(pipe.tx);
	leat_tx_close(clone);
	leat_tx_close(clone);
}

/* Handles that outlive their scope, in every order */

Test(chan_handle, handles_may_be_closed_in_any_order_with_the_scope)
{
	for (int order = 0; order < 6; order++) {
		static const char orders[6][4] = { "str", "srt", "tsr", "trs", "rst", "rts" };
		struct leat_chan_opts opts = owned(LEAT_MPMC, 4);
		struct pipe pipe = pipe_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		send_owned(pipe.tx, 0, 3);
		for (const char *step = orders[order]; *step != '\0'; step++) {
			if (*step == 's')
				cr_expect_eq(leat_scope_close(pipe.scope), 0);
			else if (*step == 't')
				leat_tx_close(pipe.tx);
			else
				leat_rx_close(pipe.rx);
		}
		cr_expect_eq(ledger.discards, 3, "%s", orders[order]);
		cr_expect_eq(ledger_faults(&ledger), 0);
	}
}

/*
 * Calls that find a channel over do nothing that grows with its handles: nothing under its lock,
 * which guards their list.
 */
struct late_call {
	pthread_t thread;
	struct leat_rx *rx;
	uint32_t done;
	ssize_t answers[3];
};

static void *call_late(void *arg)
{
	struct late_call *call = arg;
	uint64_t got[2];
	const void *there;
	call->answers[0] = leat_recv(call->rx, &got[0]);
	call->answers[1] = leat_recv_batch(call->rx, got, 2);
	call->answers[2] = leat_peek(call->rx, 1, &there);
	leat_store_rel(&call->done, 1);
	return NULL;
}

Test(chan_handle, a_receive_from_what_was_cancelled_visits_no_handle)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		struct leat_chan *chan = pipe.rx->chan;
		struct late_call call = { .rx = pipe.rx };
		uint64_t item = 1;
		bool done;
		cr_assert_eq(leat_send(pipe.tx, &item), 0);
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(leat_recv(pipe.rx, &item), -ECANCELED,
		             "this one takes out what is there");
		leat_mutex_lock(&chan->lock);
		cr_assert_eq(pthread_create(&call.thread, NULL, call_late, &call), 0);
		done = await_word(&call.done, 1);
		leat_mutex_unlock(&chan->lock);
		pthread_join(call.thread, NULL);
		cr_expect(done, "%s: it took the lock", kind_names[kind]);
		for (int i = 0; i < 3; i++)
			cr_expect_eq(call.answers[i], -ECANCELED);
		pipe_close(&pipe);
	}
}
