/*
 * tests/unit/chan_close.c: how a channel ends: close, cancel, who wins, and who gets what was in
 * flight.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <pthread.h>
#include <signal.h>

#include "runtime/chan/chan.h"

TestSuite(chan_close, .timeout = 600);

static struct ledger ledger;

static struct leat_chan_opts owned(enum leat_kind kind, size_t capacity)
{
	return (struct leat_chan_opts){ .kind = kind,
		                        .capacity = capacity,
		                        .discard = ledger_discard,
		                        .discard_arg = &ledger };
}

static void send_owned(struct leat_tx *tx, uint64_t from, uint64_t to)
{
	for (uint64_t n = from; n < to; n++) {
		cr_assert_eq(leat_send(tx, &n), 0);
		ledger_accept(&ledger, n);
	}
}

static int recv_owned(struct leat_rx *rx)
{
	uint64_t got = LEDGER_ITEMS;
	int rc = leat_recv(rx, &got);
	if (rc == 1)
		ledger_receive(&ledger, got);
	return rc;
}

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
	struct census first, last;
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
		census_begin(round == 0 ? &first : &last);
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
		cr_expect_eq(caller_join(&caller), -ECANCELED, "%s", op_names[op]);
		cr_expect_geq(caller.done_ns, opts.deadline_ns);
		cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_DEADLINE);
		leat_tx_close(caller.tx);
		leat_rx_close(caller.rx);
		cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	}
}

/* The call's own deadline is later, or the same: what wakes it is the scope's. */
Test(chan_close, a_time_out_is_always_the_calls_own)
{
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 300 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), 0);
	cr_expect_eq(leat_recv_until(rx, &(uint64_t){ 0 }, opts.deadline_ns - 200 * MS),
	             -ETIMEDOUT);
	cr_expect_eq(leat_recv_until(rx, &(uint64_t){ 0 }, opts.deadline_ns + 5000 * MS),
	             -ECANCELED);
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

/* Ownership */

Test(chan_close, cancel_and_receive_discards_in_the_receive)
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

Test(chan_close, cancel_and_close_discards_in_the_close)
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

Test(chan_close, receiver_closed_with_items_in_flight_discards_them)
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

Test(chan_close, both_closed_with_items_in_flight_discards_them)
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

Test(chan_close, refused_items_stay_with_their_sender)
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

Test(chan_close, items_of_a_channel_left_by_its_scope_are_discarded)
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

Test(chan_close, discard_is_called_under_no_lock)
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
			               .from = (uint64_t)i * 20000,
			               .to = (uint64_t)(i + 1) * 20000,
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

Test(chan_close, each_item_has_one_owner_when_senders_close)
{
	for_each_kind(kind)
		for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST;
		     overflow++)
			check_ownership(kind, overflow, false);
}

Test(chan_close, each_item_has_one_owner_when_cancelled)
{
	for (int round = 0; round < 20; round++)
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

Test(chan_close, each_item_has_one_owner_when_receivers_leave)
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

/* Broken rules stop the program */

Test(chan_close, send_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_tx_close(pipe.tx);
	leat_send(pipe.tx, &(uint64_t){ 1 });
}

Test(chan_close, send_after_close_stops_where_room_was_known, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_send(pipe.tx, &(uint64_t){ 1 });
	leat_tx_close(pipe.tx);
	leat_send(pipe.tx, &(uint64_t){ 1 });
}

Test(chan_close, try_send_after_close_stops_on_mpmc, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	leat_tx_close(pipe.tx);
	leat_try_send(pipe.tx, &(uint64_t){ 1 });
}

Test(chan_close, send_batch_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_tx_close(pipe.tx);
	leat_send_batch(pipe.tx, &(uint64_t){ 1 }, 1);
}

Test(chan_close, reserve_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	void *room;
	leat_tx_close(pipe.tx);
	leat_reserve(pipe.tx, 1, &room);
}

Test(chan_close, clone_of_a_closed_sender_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	leat_tx_close(pipe.tx);
	leat_tx_clone(pipe.tx);
}

Test(chan_close, recv_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_rx_close(pipe.rx);
	leat_recv(pipe.rx, &(uint64_t){ 1 });
}

Test(chan_close, recv_after_close_stops_where_items_were_known, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	uint64_t got;
	leat_send_batch(pipe.tx, (uint64_t[]){ 1, 2, 3 }, 3);
	leat_recv(pipe.rx, &got);
	leat_rx_close(pipe.rx);
	leat_recv(pipe.rx, &got);
}

Test(chan_close, try_recv_after_close_stops_on_mpmc, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	leat_rx_close(pipe.rx);
	leat_try_recv(pipe.rx, &(uint64_t){ 1 });
}

Test(chan_close, peek_after_close_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	const void *there;
	leat_rx_close(pipe.rx);
	leat_peek(pipe.rx, 1, &there);
}

Test(chan_close, double_close_of_a_sender_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_tx_close(pipe.tx);
	leat_tx_close(pipe.tx);
}

Test(chan_close, double_close_of_a_receiver_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_rx_close(pipe.rx);
	leat_rx_close(pipe.rx);
}

Test(chan_close, double_close_of_a_clone_stops, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	struct leat_tx *clone = leat_tx_clone(pipe.tx);
	leat_tx_close(clone);
	leat_tx_close(clone);
}

/* Handles that outlive their scope, in every order */

Test(chan_close, handles_may_be_closed_in_any_order_with_the_scope)
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

Test(chan_close, a_receive_from_what_was_cancelled_visits_no_handle)
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
