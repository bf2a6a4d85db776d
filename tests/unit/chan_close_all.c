/*
 * tests/unit/chan_close_all.c: leat_tx_close_all(): one sender ends the stream for all of them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "numbers.h"
#include "owned.h"

#include "runtime/chan/chan.h"

#include <leat/diag.h>
#include <leat/select.h>
#include <poll.h>

TestSuite(chan_close_all, .timeout = 600);

#define for_each_shared_kind(kind) \
	for (enum leat_kind kind = LEAT_MPSC; kind <= LEAT_MPMC; kind += LEAT_MPMC - LEAT_MPSC)

static void expect_all_refused(struct leat_tx *tx, const char *what)
{
	uint64_t items[2] = { 0 };
	void *room;
	for (int times = 0; times < 2; times++) {
		cr_expect_eq(leat_send(tx, items), -EPIPE, "%s: send", what);
		cr_expect_eq(leat_send_until(tx, items, 0), -EPIPE, "%s: send_until", what);
		cr_expect_eq(leat_try_send(tx, items), -EPIPE, "%s: try_send", what);
		cr_expect_eq(leat_send_batch(tx, items, 2), -EPIPE, "%s: send_batch", what);
		cr_expect_eq(leat_try_send_batch(tx, items, 2), -EPIPE, "%s: try_batch", what);
		cr_expect_eq(leat_reserve(tx, 2, &room), -EPIPE, "%s: reserve", what);
		cr_expect_eq(leat_try_reserve(tx, 2, &room), -EPIPE, "%s: try_reserve", what);
	}
	cr_expect(leat_tx_done(tx), "%s: not done", what);
	cr_expect_eq(leat_tx_wait(tx, -1, 0, LEAT_NEVER), -EPIPE, "%s: wait", what);
}

Test(chan_close_all, null_does_nothing)
{
	leat_tx_close_all(NULL);
}

Test(chan_close_all, the_others_are_refused_and_receivers_drain)
{
	for_each_shared_kind(kind) for (enum leat_overflow overflow = LEAT_BLOCK;
	                                overflow <= LEAT_DROP_OLDEST; overflow++)
	{
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){
			.kind = kind, .capacity = 3, .overflow = overflow });
		struct leat_tx *other = leat_tx_clone(pipe.tx), *late;
		uint64_t got;
		for (uint64_t n = 0; n < 3; n++)
			cr_assert_eq(leat_send(n % 2 == 0 ? pipe.tx : other, &n), 0);
		leat_tx_close_all(pipe.tx);
		pipe.tx = NULL;
		expect_all_refused(other, kind_names[kind]);
		late = leat_tx_clone(other);
		expect_all_refused(late, "a late clone");
		leat_tx_close(late);
		for (uint64_t n = 0; n < 3; n++) {
			cr_expect_eq(leat_recv(pipe.rx, &got), 1);
			cr_expect_eq(got, n);
		}
		for (int times = 0; times < 2; times++)
			cr_expect_eq(leat_recv(pipe.rx, &got), 0);
		expect_cause(pipe.rx, LEAT_COMPLETED, 0);
		expect_all_refused(other, "after the end");
		leat_tx_close(other);
		pipe_close(&pipe);
	}
}

Test(chan_close_all, with_a_single_sender_it_is_a_close)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 2 });
		uint64_t got;
		cr_assert_eq(fill(pipe.tx), 2);
		leat_tx_close_all(pipe.tx);
		pipe.tx = NULL;
		for (uint64_t n = 0; n < 2; n++)
			cr_expect_eq(leat_recv(pipe.rx, &got), 1);
		cr_expect_eq(leat_recv(pipe.rx, &got), 0, "%s", kind_names[kind]);
		expect_cause(pipe.rx, LEAT_COMPLETED, 0);
		pipe_close(&pipe);
	}
}

/* What was first stays: a cancel, or the receivers' close. */
Test(chan_close_all, does_not_change_why_sends_are_refused)
{
	for (int canceled = 0; canceled < 2; canceled++) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC });
		struct leat_tx *other = leat_tx_clone(pipe.tx);
		uint64_t item = 0;
		if (canceled)
			leat_scope_cancel(pipe.scope, 0, NULL);
		else
			leat_rx_close(pipe.rx);
		leat_tx_close_all(pipe.tx);
		cr_expect_eq(leat_send(other, &item), canceled ? -ECANCELED : -EPIPE);
		leat_tx_close(other);
		pipe.tx = NULL;
		if (!canceled)
			pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close_all, is_not_changed_by_a_cancel_or_a_stop)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC });
	struct leat_tx *other = leat_tx_clone(pipe.tx);
	uint64_t item = 0;
	leat_tx_source(other, true);
	cr_assert_eq(leat_send(other, &item), 0);
	leat_tx_close_all(pipe.tx);
	pipe.tx = NULL;
	cr_expect_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, "enough"), 0);
	expect_all_refused(other, "stopped");
	leat_scope_cancel(pipe.scope, 0, "enough");
	expect_all_refused(other, "cancelled");
	cr_expect_eq(leat_recv(pipe.rx, &item), -ECANCELED);
	leat_tx_close(other);
	pipe_close(&pipe);
}

Test(chan_close_all, a_reservation_that_is_held_is_received_before_the_end)
{
	for_each_shared_kind(
		kind) for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST;
	                   overflow++) for (size_t committed = 0; committed < 2; committed++)
	{
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){
			.kind = kind, .capacity = 3, .overflow = overflow });
		struct leat_tx *other = leat_tx_clone(pipe.tx);
		uint64_t got = 1;
		void *room;
		cr_assert_eq(leat_reserve(other, 1, &room), 1);
		memcpy(room, &(uint64_t){ 4711 }, sizeof(uint64_t));
		leat_tx_close_all(pipe.tx);
		pipe.tx = NULL;
		cr_expect_eq(leat_try_recv(pipe.rx, &got), -EAGAIN);
		cr_expect_eq(leat_commit(other, committed), 0);
		if (committed == 1) {
			cr_expect_eq(leat_recv(pipe.rx, &got), 1);
			cr_expect_eq(got, 4711);
		}
		cr_expect_eq(leat_recv(pipe.rx, &got), 0, "%s, overflow %d", kind_names[kind],
		             overflow);
		leat_tx_close(other);
		pipe_close(&pipe);
	}
}

/* The closer's own reservation is given up, and one of a handle that closes. */
Test(chan_close_all, a_reservation_that_is_given_up_does_not_keep_the_end)
{
	for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST; overflow++) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){
			.kind = LEAT_MPSC, .capacity = 4, .overflow = overflow });
		struct leat_tx *other = leat_tx_clone(pipe.tx), *third = leat_tx_clone(pipe.tx);
		uint64_t got;
		void *room;
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		cr_assert_eq(leat_reserve(other, 1, &room), 1);
		leat_tx_close_all(pipe.tx);
		pipe.tx = NULL;
		cr_expect_eq(leat_try_recv(pipe.rx, &got), -EAGAIN);
		leat_tx_close(other);
		cr_expect_eq(leat_recv(pipe.rx, &got), 0, "overflow %d", overflow);
		leat_tx_close(third);
		pipe_close(&pipe);
	}
}

Test(chan_close_all, wakes_every_send_of_every_policy)
{
	for (enum op op = OP_SEND; op < OP_SENDS; op++)
		for (enum leat_wait wait = LEAT_WAIT_ADAPTIVE; wait <= LEAT_WAIT_PARK; wait++) {
			struct pipe pipe = pipe_open(&(struct leat_chan_opts){
				.kind = LEAT_MPSC, .capacity = 1, .send_wait = wait });
			struct caller caller = { .op = op, .tx = leat_tx_clone(pipe.tx) };
			uint64_t got;
			cr_assert_eq(fill(pipe.tx), 1);
			caller_start(&caller);
			cr_assert(caller_await(&caller, wait));
			leat_tx_close_all(pipe.tx);
			pipe.tx = NULL;
			cr_expect_eq(caller_join(&caller), -EPIPE, "%s", op_names[op]);
			leat_tx_close(caller.tx);
			cr_expect_eq(leat_recv(pipe.rx, &got), 1);
			cr_expect_eq(leat_recv(pipe.rx, &got), 0);
			pipe_close(&pipe);
		}
}

Test(chan_close_all, wakes_every_receive)
{
	for (enum op op = OP_RECV; op <= OP_PEEK; op++) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
		struct leat_tx *other = leat_tx_clone(pipe.tx);
		struct caller callers[2] = { { .op = op, .rx = pipe.rx },
			                     { .op = op, .rx = leat_rx_clone(pipe.rx) } };
		for (int i = 0; i < 2; i++) {
			caller_start(&callers[i]);
			cr_assert(caller_await(&callers[i], LEAT_WAIT_PARK));
		}
		leat_tx_close_all(pipe.tx);
		pipe.tx = NULL;
		for (int i = 0; i < 2; i++)
			cr_expect_eq(caller_join(&callers[i]), 0, "%s", op_names[op]);
		leat_rx_close(callers[1].rx);
		leat_tx_close(other);
		pipe_close(&pipe);
	}
}

struct waiting {
	struct leat_tx *tx;
	struct leat_rx *idle;
	uint32_t tid;
	int rc, done;
};

static void *wait_in_select(void *arg)
{
	struct waiting *w = arg;
	uint64_t item = 1, got;
	struct leat_case cases[] = { LEAT_CASE_SEND(w->tx, &item), LEAT_CASE_RECV(w->idle, &got) };
	leat_store_rel(&w->tid, own_tid());
	w->done = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);
	w->rc = cases[0].answer;
	return NULL;
}

static void *wait_for_the_output(void *arg)
{
	struct waiting *w = arg;
	leat_store_rel(&w->tid, own_tid());
	w->rc = leat_tx_wait(w->tx, -1, 0, LEAT_NEVER);
	return NULL;
}

Test(chan_close_all, wakes_a_select_and_a_wait)
{
	for (int selects = 0; selects < 2; selects++) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 1 });
		struct pipe idle = pipe_open(NULL);
		struct waiting w = { .tx = leat_tx_clone(pipe.tx), .idle = idle.rx };
		pthread_t thread;
		cr_assert_eq(fill(pipe.tx), 1);
		cr_assert_eq(pthread_create(&thread, NULL,
		                            selects ? wait_in_select : wait_for_the_output, &w),
		             0);
		cr_assert(await_parked(&w.tid));
		leat_tx_close_all(pipe.tx);
		pipe.tx = NULL;
		pthread_join(thread, NULL);
		cr_expect_eq(w.done, 0);
		cr_expect_eq(w.rc, -EPIPE);
		leat_tx_close(w.tx);
		pipe_close(&idle);
		pipe_close(&pipe);
	}
}

static bool is_readable(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 10000) == 1;
}

Test(chan_close_all, raises_the_descriptors_of_both_sides)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 1 });
	struct pipe empty = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC });
	struct leat_tx *other = leat_tx_clone(pipe.tx), *idle = leat_tx_clone(empty.tx);
	int tx_fd = leat_tx_fd(other), rx_fd = leat_rx_fd(empty.rx);
	uint64_t item = 0;
	cr_assert_eq(fill(pipe.tx), 1);
	cr_assert_eq(leat_tx_arm(other), 0);
	cr_assert_eq(leat_rx_arm(empty.rx), 0);
	leat_tx_close_all(pipe.tx);
	leat_tx_close_all(empty.tx);
	pipe.tx = empty.tx = NULL;
	cr_expect(is_readable(tx_fd));
	cr_expect(is_readable(rx_fd));
	cr_expect_eq(leat_try_send(other, &item), -EPIPE);
	cr_expect_eq(leat_try_recv(empty.rx, &item), 0);
	leat_tx_close(other);
	leat_tx_close(idle);
	pipe_close(&empty);
	pipe_close(&pipe);
}

/* Generators */

struct sender {
	struct leat_tx *clone; /* of the generator's output */
	uint32_t ready;
	bool waits;
};

static int send_without_end(struct leat_tx *out, void *arg)
{
	struct sender *sender = arg;
	int rc = 0;
	sender->clone = leat_tx_clone(out);
	leat_store_rel(&sender->ready, 1u);
	if (sender->waits)
		return leat_tx_wait(out, -1, 0, LEAT_NEVER);
	for (uint64_t n = 0; rc == 0; n++)
		rc = leat_send(out, &n);
	return rc;
}

Test(chan_close_all, a_generator_that_is_refused_has_completed)
{
	for (int waits = 0; waits < 2; waits++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_gen_opts opts = { .chan = { .kind = LEAT_MPSC, .capacity = 2 } };
		struct sender sender = { .waits = waits != 0 };
		struct leat_rx *rx;
		uint64_t got, n = 0;
		cr_assert_eq(leat_gen(scope, send_without_end, &sender, sizeof(got), &opts, &rx),
		             0);
		cr_assert(await_word(&sender.ready, 1));
		leat_tx_close_all(sender.clone);
		cr_expect_eq(leat_scope_join(scope), 0);
		while (leat_recv(rx, &got) == 1)
			cr_expect_eq(got, n++);
		expect_cause(rx, LEAT_COMPLETED, 0);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

/* Books: what the others keep counts as rejected, and nothing is dropped. */
Test(chan_close_all, the_books_balance)
{
	struct pipe pipe = pipe_open(
		&(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 2, .name = "many" });
	struct leat_tx *other = leat_tx_clone(pipe.tx);
	struct leat_chan_stat stat;
	uint64_t item = 0;
	cr_assert_eq(fill(pipe.tx), 2);
	leat_tx_close_all(pipe.tx);
	pipe.tx = NULL;
	cr_expect_eq(leat_send(other, &item), -EPIPE);
	leat_chan_read_stat(other->chan, &stat);
	cr_expect_eq(stat.in_flight, 2);
	cr_expect_eq(stat.offered, 3);
	cr_expect_eq(stat.rejected, 1);
	cr_expect_eq(stat.senders, 1);
	while (leat_recv(pipe.rx, &item) == 1)
		;
	leat_chan_read_stat(other->chan, &stat);
	cr_expect_eq(stat.delivered, 2);
	cr_expect_eq(stat.in_flight, 0);
	leat_tx_close(other);
	pipe_close(&pipe);
}
