/*
 * tests/unit/chan_close.c: how a channel ends: close, cancel, who wins, and that each waiting call
 * returns.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "owned.h"

#include <pthread.h>

TestSuite(chan_close, .timeout = 600);

static void expect_all_sends(struct leat_tx *tx, int rc, const char *what)
{
	uint64_t items[2] = { 0 };
	void *room;
	for (int times = 0; times < 2; times++) {
		cr_expect_eq(leat_send(tx, items), rc, "%s: send", what);
		cr_expect_eq(leat_send_until(tx, items, 0), rc, "%s: send_until", what);
		cr_expect_eq(leat_try_send(tx, items), rc, "%s: try_send", what);
		cr_expect_eq(leat_send_batch(tx, items, 2), rc, "%s: send_batch", what);
		cr_expect_eq(leat_try_send_batch(tx, items, 2), rc, "%s: try_send_batch", what);
		cr_expect_eq(leat_reserve(tx, 2, &room), rc, "%s: reserve", what);
	}
	cr_expect(leat_tx_done(tx), "%s: not done", what);
}

static void expect_all_receives(struct leat_rx *rx, int rc, const char *what)
{
	uint64_t items[2];
	const void *there;
	for (int times = 0; times < 2; times++) {
		cr_expect_eq(leat_recv(rx, items), rc, "%s: recv", what);
		cr_expect_eq(leat_recv_until(rx, items, 0), rc, "%s: recv_until", what);
		cr_expect_eq(leat_try_recv(rx, items), rc, "%s: try_recv", what);
		cr_expect_eq(leat_recv_batch(rx, items, 2), rc, "%s: recv_batch", what);
		cr_expect_eq(leat_try_recv_batch(rx, items, 2), rc, "%s: try_recv_batch", what);
		cr_expect_eq(leat_peek(rx, 2, &there), rc, "%s: peek", what);
	}
}

/* Close */

Test(chan_close, receivers_drain_and_then_get_0_for_ever)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 3 });
		uint64_t got;
		cr_assert_eq(fill(pipe.tx), 3);
		leat_tx_close(pipe.tx);
		for (uint64_t n = 0; n < 3; n++) {
			cr_expect_eq(leat_recv(pipe.rx, &got), 1);
			cr_expect_eq(got, n);
		}
		expect_all_receives(pipe.rx, 0, kind_names[kind]);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, every_receive_drains)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 8 });
		uint64_t items[8];
		const void *there;
		cr_assert_eq(fill(pipe.tx), 8);
		leat_tx_close(pipe.tx);
		cr_expect_eq(leat_try_recv(pipe.rx, items), 1);
		cr_expect_eq(leat_recv_until(pipe.rx, items, 0), 1);
		cr_expect_eq(leat_recv_batch(pipe.rx, items, 2), 2);
		cr_expect_eq(leat_try_recv_batch(pipe.rx, items, 2), 2);
		for (ssize_t left = 2, got; left > 0; left -= got) {
			got = leat_peek(pipe.rx, (size_t)left, &there);
			cr_assert(got >= 1 && got <= left, "%s", kind_names[kind]);
			cr_expect_eq(leat_release(pipe.rx, (size_t)got), 0);
		}
		expect_all_receives(pipe.rx, 0, kind_names[kind]);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, an_empty_stream_ends_at_once)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		leat_tx_close(pipe.tx);
		expect_all_receives(pipe.rx, 0, kind_names[kind]);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, only_the_last_sender_ends_the_stream)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	struct leat_tx *clone = leat_tx_clone(pipe.tx);
	uint64_t got;
	leat_tx_close(pipe.tx);
	cr_expect_eq(leat_try_recv(pipe.rx, &got), -EAGAIN);
	cr_expect_eq(leat_send(clone, &(uint64_t){ 1 }), 0);
	leat_tx_close(clone);
	cr_expect_eq(leat_recv(pipe.rx, &got), 1);
	cr_expect_eq(leat_recv(pipe.rx, &got), 0);
	pipe.tx = NULL;
	pipe_close(&pipe);
}

Test(chan_close, only_the_last_receiver_breaks_the_pipe)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	struct leat_rx *clone = leat_rx_clone(pipe.rx);
	leat_rx_close(pipe.rx);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), 0);
	cr_expect_not(leat_tx_done(pipe.tx));
	leat_rx_close(clone);
	expect_all_sends(pipe.tx, -EPIPE, "mpmc");
	pipe.rx = NULL;
	pipe_close(&pipe);
}

Test(chan_close, last_receiver_gives_epipe)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		cr_expect_not(leat_tx_done(pipe.tx));
		leat_send(pipe.tx, &(uint64_t){ 1 });
		leat_rx_close(pipe.rx);
		expect_all_sends(pipe.tx, -EPIPE, kind_names[kind]);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

/* Cancel */

Test(chan_close, cancel_is_seen_by_every_call)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		uint64_t got;
		for (uint64_t n = 0; n < 5; n++) /* the handles now know of room and of items */
			leat_send(pipe.tx, &n);
		leat_recv(pipe.rx, &got);
		leat_scope_cancel(pipe.scope, 0, NULL);
		expect_all_sends(pipe.tx, -ECANCELED, kind_names[kind]);
		expect_all_receives(pipe.rx, -ECANCELED, kind_names[kind]);
		pipe_close(&pipe);
	}
}

Test(chan_close, cancel_of_a_parent_is_seen_below)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL);
	struct leat_scope *child = leat_scope_open(root, NULL);
	struct leat_scope *grandchild = leat_scope_open(child, NULL);
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(grandchild, 8, NULL, &tx, &rx), 0);
	leat_scope_cancel(root, -EIO, "root");
	expect_all_sends(tx, -ECANCELED, "below");
	expect_all_receives(rx, -ECANCELED, "below");
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(grandchild), -EIO);
	cr_expect_eq(leat_scope_close(child), -EIO);
	cr_expect_eq(leat_scope_close(root), -EIO);
}

Test(chan_close, cancel_beats_draining)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = owned(kind, 0);
		struct pipe pipe = pipe_open(&opts);
		memset(&ledger, 0, sizeof(ledger));
		send_owned(pipe.tx, 0, 5);
		leat_tx_close(pipe.tx);
		cr_expect_eq(recv_owned(pipe.rx), 1);
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(ledger.discards, 0, "the cancel discards nothing itself");
		expect_all_receives(pipe.rx, -ECANCELED, kind_names[kind]);
		cr_expect_eq(ledger.discards, 4, "%s: %u in the receive", kind_names[kind],
		             ledger.discards);
		cr_expect_eq(ledger_faults(&ledger), 0);
		pipe.tx = NULL;
		pipe_close(&pipe);
		cr_expect_eq(ledger.discards, 4);
	}
}

Test(chan_close, cancel_beats_a_0_that_was_not_answered_yet)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		leat_send(pipe.tx, &(uint64_t){ 1 });
		leat_tx_close(pipe.tx);
		leat_recv(pipe.rx, &(uint64_t){ 0 });
		leat_scope_cancel(pipe.scope, 0, NULL);
		expect_all_receives(pipe.rx, -ECANCELED, kind_names[kind]);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, cancel_does_not_undo_a_0)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		leat_send(pipe.tx, &(uint64_t){ 1 });
		leat_tx_close(pipe.tx);
		leat_recv(pipe.rx, &(uint64_t){ 0 });
		cr_assert_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), 0);
		leat_scope_cancel(pipe.scope, 0, NULL);
		expect_all_receives(pipe.rx, 0, kind_names[kind]);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, a_0_answered_by_any_call_stays)
{
	uint64_t items[2];
	const void *there;
	for (int call = 0; call < 6; call++) {
		struct pipe pipe = pipe_open(NULL);
		leat_tx_close(pipe.tx);
		switch (call) {
		case 0:
			cr_assert_eq(leat_recv(pipe.rx, items), 0);
			break;
		case 1:
			cr_assert_eq(leat_try_recv(pipe.rx, items), 0);
			break;
		case 2:
			cr_assert_eq(leat_recv_until(pipe.rx, items, 0), 0);
			break;
		case 3:
			cr_assert_eq(leat_recv_batch(pipe.rx, items, 2), 0);
			break;
		case 4:
			cr_assert_eq(leat_try_recv_batch(pipe.rx, items, 2), 0);
			break;
		default:
			cr_assert_eq(leat_peek(pipe.rx, 2, &there), 0);
		}
		leat_scope_cancel(pipe.scope, 0, NULL);
		expect_all_receives(pipe.rx, 0, "after a 0");
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, a_0_answered_to_one_clone_holds_for_all)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_SPMC });
	struct leat_rx *clone = leat_rx_clone(pipe.rx);
	leat_tx_close(pipe.tx);
	cr_assert_eq(leat_recv(clone, &(uint64_t){ 0 }), 0);
	leat_scope_cancel(pipe.scope, 0, NULL);
	expect_all_receives(pipe.rx, 0, "the other");
	leat_rx_close(clone);
	pipe.tx = NULL;
	pipe_close(&pipe);
}

/* Which error a sender keeps */

Test(chan_close, epipe_first_sticks)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		leat_rx_close(pipe.rx);
		leat_scope_cancel(pipe.scope, 0, NULL);
		expect_all_sends(pipe.tx, -EPIPE, kind_names[kind]);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, epipe_that_was_seen_first_sticks)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		leat_rx_close(pipe.rx);
		expect_all_sends(pipe.tx, -EPIPE, kind_names[kind]);
		leat_scope_cancel(pipe.scope, 0, NULL);
		expect_all_sends(pipe.tx, -EPIPE, kind_names[kind]);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, ecanceled_first_sticks)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		leat_scope_cancel(pipe.scope, 0, NULL);
		leat_rx_close(pipe.rx);
		expect_all_sends(pipe.tx, -ECANCELED, kind_names[kind]);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, clones_take_the_memory_of_their_own_side_s_closed_ones)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){
		.kind = LEAT_MPMC, .overflow = LEAT_DROP_OLDEST, .capacity = 4 });
	struct leat_tx *tx[10];
	struct leat_rx *rx[10];
	struct leat_census first, last;
	uint64_t got;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 10; i++) {
			tx[i] = leat_tx_clone(pipe.tx);
			cr_expect_eq(leat_send(tx[i], &(uint64_t){ (uint64_t)i }), 0);
		}
		for (int i = 0; i < 10; i++)
			rx[i] = leat_rx_clone(pipe.rx);
		for (int i = 0; i < 4; i++) {
			cr_expect_eq(leat_recv(rx[i], &got), 1);
			cr_expect_eq(got, 6 + i);
		}
		for (int i = 0; i < 10; i++) { /* in turns, and each round another side first */
			if (round == 1)
				leat_rx_close(rx[i]);
			leat_tx_close(tx[i]);
			if (round != 1)
				leat_rx_close(rx[i]);
		}
		leat_census_take(round == 0 ? &first : &last);
	}
	cr_expect_eq(last.blocks, first.blocks);
	pipe_close(&pipe);
}

Test(chan_close, what_a_sender_keeps_is_kept_for_its_clones)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC });
	struct leat_tx *clone = leat_tx_clone(pipe.tx), *late;
	leat_rx_close(pipe.rx);
	leat_scope_cancel(pipe.scope, 0, NULL);
	late = leat_tx_clone(pipe.tx);
	cr_assert_not_null(late);
	expect_all_sends(clone, -EPIPE, "early clone");
	expect_all_sends(late, -EPIPE, "late clone");
	leat_tx_close(clone);
	leat_tx_close(late);
	pipe.rx = NULL;
	pipe_close(&pipe);
}

struct ender {
	struct leat_scope *scope;
	pthread_barrier_t *barrier;
};

static void *cancel_at_the_barrier(void *arg)
{
	struct ender *ender = arg;
	pthread_barrier_wait(ender->barrier);
	leat_scope_cancel(ender->scope, 0, NULL);
	return NULL;
}

Test(chan_close, cancel_racing_with_close_leaves_one_error)
{
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, 2);
	for (int round = 0; round < 400; round++) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = (enum leat_kind)(round % 4) });
		struct ender ender = { pipe.scope, &barrier };
		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, cancel_at_the_barrier, &ender), 0);
		pthread_barrier_wait(&barrier);
		leat_rx_close(pipe.rx);
		int first = leat_send(pipe.tx, &(uint64_t){ 0 });
		pthread_join(thread, NULL);
		cr_assert(first == -EPIPE || first == -ECANCELED, "%d", first);
		expect_all_sends(pipe.tx, first, "after the race");
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
	pthread_barrier_destroy(&barrier);
}

/* Everyone gets out */

enum ending { BY_CLOSE, BY_CANCEL, BY_PARENT, ENDINGS };

static void check_ending(const struct leat_chan_opts *opts, enum op op, enum ending ending)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *scope = leat_scope_open(root, NULL);
	struct leat_tx *tx;
	struct leat_rx *rx;
	bool sends = op < OP_SENDS;
	char what[128];
	snprintf(what, sizeof(what), "%s, %s, wait %s%s, ending %d", op_names[op],
	         kind_names[opts->kind], wait_names[opts->send_wait],
	         opts->full_fence ? ", full fence" : "", ending);
	cr_assert_eq(leat_chan_open(scope, 8, opts, &tx, &rx), 0);
	struct caller caller = { .op = op, .tx = tx, .rx = rx };
	if (sends)
		fill(tx);
	caller_start(&caller);
	cr_assert(caller_await(&caller, sends ? opts->send_wait : opts->recv_wait),
	          "%s: never parked", what);
	if (ending == BY_CANCEL)
		leat_scope_cancel(scope, 0, NULL);
	else if (ending == BY_PARENT)
		leat_scope_cancel(root, 0, NULL);
	else if (sends)
		leat_rx_close(rx);
	else
		leat_tx_close(tx);
	ssize_t want = ending != BY_CLOSE ? -ECANCELED : sends ? -EPIPE : 0;
	ssize_t got = caller_join(&caller);
	/*
	 * One that spins may have begun its attempt before the close, whose draining then makes it
	 * room.
	 */
	bool awake = opts->send_wait == LEAT_WAIT_SPIN || opts->send_wait == LEAT_WAIT_YIELD;
	if (!(ending == BY_CLOSE && sends && awake && got == op_success(op)))
		cr_expect_eq(got, want, "%s: %zd", what, got);
	cr_expect_eq(caller.errno_after, 4711, "%s: errno", what);
	if (ending != BY_CLOSE || !sends)
		leat_rx_close(rx);
	if (ending != BY_CLOSE || sends)
		leat_tx_close(tx);
	leat_scope_close(scope);
	leat_scope_close(root);
}

static void check_endings(enum ending ending)
{
	for_each_kind(kind) {
		for_each_wait(wait) {
			for (int full_fence = 0; full_fence < 2; full_fence++) {
				struct leat_chan_opts opts = { .kind = kind,
					                       .capacity = 2,
					                       .send_wait = wait,
					                       .recv_wait = wait,
					                       .full_fence = full_fence };
				for (enum op op = 0; op < OPS; op++)
					check_ending(&opts, op, ending);
			}
		}
	}
}

Test(chan_close, close_wakes_every_call_of_every_policy)
{
	check_endings(BY_CLOSE);
}

Test(chan_close, cancel_wakes_every_call_of_every_policy)
{
	check_endings(BY_CANCEL);
}

Test(chan_close, a_parents_cancel_wakes_every_call_of_every_policy)
{
	check_endings(BY_PARENT);
}

Test(chan_close, scope_deadline_wakes_parked_threads)
{
	clock_start();
	for (enum op op = 0; op < OPS; op++) {
		struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 100 * MS };
		struct leat_scope *scope = leat_scope_open(NULL, &opts);
		struct caller caller = { .op = op };
		cr_assert_eq(leat_chan_open(scope, 8, &(struct leat_chan_opts){ .capacity = 2 },
		                            &caller.tx, &caller.rx),
		             0);
		if (op < OP_SENDS)
			fill(caller.tx);
		caller_start(&caller);
		clock_advance_past(&caller, 100 * MS);
		cr_expect_eq(caller_join(&caller), -ECANCELED, "%s", op_names[op]);
		cr_expect_eq(caller.done_ns, opts.deadline_ns);
		cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_DEADLINE);
		leat_tx_close(caller.tx);
		leat_rx_close(caller.rx);
		cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	}
}

/* The call's own deadline is later, or the same: what wakes it is the scope's. */
Test(chan_close, a_time_out_is_always_the_calls_own)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 300 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), 0);
	struct caller caller = { .op = OP_RECV_UNTIL,
		                 .rx = rx,
		                 .deadline_ns = opts.deadline_ns - 200 * MS };
	caller_start(&caller);
	clock_advance_past(&caller, 100 * MS);
	cr_expect_eq(caller_join(&caller), -ETIMEDOUT);
	caller.deadline_ns = opts.deadline_ns + 5000 * MS;
	caller_start(&caller);
	clock_advance_past(&caller, 200 * MS);
	cr_expect_eq(caller_join(&caller), -ECANCELED);
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(chan_close, close_wakes_all)
{
	for (int round = 0; round < 2; round++) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC, .capacity = 1 });
		struct caller callers[16] = { 0 };
		bool sends = round == 0;
		if (sends)
			fill(pipe.tx);
		for (size_t i = 0; i < COUNT(callers); i++) {
			callers[i].op = sends ? OP_SEND : OP_RECV;
			callers[i].tx = sends ? leat_tx_clone(pipe.tx) : NULL;
			callers[i].rx = sends ? NULL : leat_rx_clone(pipe.rx);
			caller_start(&callers[i]);
		}
		for (size_t i = 0; i < COUNT(callers); i++)
			cr_assert(await_parked(&callers[i].tid));
		if (sends)
			leat_rx_close(pipe.rx);
		else
			leat_tx_close(pipe.tx);
		for (size_t i = 0; i < COUNT(callers); i++) {
			cr_expect_eq(caller_join(&callers[i]), sends ? -EPIPE : 0);
			leat_tx_close(callers[i].tx);
			leat_rx_close(callers[i].rx);
		}
		if (sends)
			pipe.rx = NULL;
		else
			pipe.tx = NULL;
		pipe_close(&pipe);
	}
}

Test(chan_close, cancel_wakes_both_sides_of_many_channels)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct caller callers[16] = { 0 };
	for (size_t i = 0; i < COUNT(callers); i++) {
		struct leat_chan_opts opts = { .kind = (enum leat_kind)(i % 4), .capacity = 1 };
		cr_assert_eq(leat_chan_open(scope, 8, &opts, &callers[i].tx, &callers[i].rx), 0);
		callers[i].op = i / 4 % 2 ? OP_SEND : OP_RECV;
		if (callers[i].op == OP_SEND)
			fill(callers[i].tx);
		caller_start(&callers[i]);
	}
	for (size_t i = 0; i < COUNT(callers); i++)
		cr_assert(await_parked(&callers[i].tid));
	leat_scope_cancel(scope, 0, NULL);
	for (size_t i = 0; i < COUNT(callers); i++) {
		cr_expect_eq(caller_join(&callers[i]), -ECANCELED);
		leat_tx_close(callers[i].tx);
		leat_rx_close(callers[i].rx);
	}
	cr_expect_eq(leat_scope_close(scope), 0);
}
