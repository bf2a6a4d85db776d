/*
 * tests/unit/chan_wait.c: deadlines, wake-ups of every call by every policy, signals, and what
 * waiting costs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"
#include "clock.h"

#include <malloc.h>
#include <signal.h>

TestSuite(chan_wait, .timeout = 600);

/* Deadlines */

static const int64_t not_future[] = { 1, 0, -1, INT64_MIN, INT64_MIN + 1, -INT64_C(1000000000) };

Test(chan_wait, deadline_not_in_the_future_is_one_attempt)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		for (size_t i = 0; i < COUNT(not_future); i++) {
			uint64_t got = 0;
			cr_expect_eq(leat_recv_until(pipe.rx, &got, not_future[i]), -ETIMEDOUT,
			             "deadline %zu", i);
			cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ i + 1 }, not_future[i]),
			             0, "room wins");
			cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 0 }, not_future[i]),
			             -ETIMEDOUT, "%s, deadline %zu", kind_names[kind], i);
			cr_expect_eq(leat_recv_until(pipe.rx, &got, not_future[i]), 1,
			             "an item wins");
			cr_expect_eq(got, i + 1);
		}
		cr_expect_eq(leat_recv_until(pipe.rx, &(uint64_t){ 0 }, leat_now_ns()), -ETIMEDOUT);
		pipe_close(&pipe);
	}
}

Test(chan_wait, the_end_wins_over_a_passed_deadline)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		struct pipe other =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		uint64_t got;
		leat_tx_close(pipe.tx);
		leat_rx_close(other.rx);
		cr_expect_eq(leat_recv_until(pipe.rx, &got, 0), 0);
		cr_expect_eq(leat_send_until(other.tx, &(uint64_t){ 0 }, 0), -EPIPE);
		pipe.tx = NULL;
		other.rx = NULL;
		pipe_close(&pipe);
		pipe_close(&other);
	}
}

Test(chan_wait, cancel_wins_over_a_passed_deadline)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 2 });
		leat_send(pipe.tx, &(uint64_t){ 0 });
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(leat_recv_until(pipe.rx, &(uint64_t){ 0 }, 0), -ECANCELED);
		cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 0 }, 0), -ECANCELED);
		pipe_close(&pipe);
	}
}

Test(chan_wait, future_deadline_wakes_every_policy)
{
	for_each_kind(kind) {
		for_each_wait(wait) {
			struct leat_chan_opts opts = {
				.kind = kind, .capacity = 1, .send_wait = wait, .recv_wait = wait
			};
			struct pipe pipe = pipe_open(&opts);
			int64_t deadline_ns = leat_now_ns() + 2 * MS;
			cr_expect_eq(leat_recv_until(pipe.rx, &(uint64_t){ 0 }, deadline_ns),
			             -ETIMEDOUT);
			cr_expect_geq(leat_now_ns(), deadline_ns, "early");
			fill(pipe.tx);
			deadline_ns = leat_now_ns() + 2 * MS;
			cr_expect_eq(leat_send_until(pipe.tx, &(uint64_t){ 0 }, deadline_ns),
			             -ETIMEDOUT);
			cr_expect_geq(leat_now_ns(), deadline_ns, "early");
			pipe_close(&pipe);
		}
	}
}

Test(chan_wait, never_is_a_deadline)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 1 });
	struct caller caller = { .op = OP_RECV_UNTIL, .rx = pipe.rx, .deadline_ns = LEAT_NEVER };
	caller_start(&caller);
	cr_assert(await_parked(&caller.tid));
	leat_send(pipe.tx, &(uint64_t){ 5 });
	cr_assert_eq(caller_join(&caller), 1);
	pipe_close(&pipe);
}

Test(chan_wait, after_a_time_out_the_channel_is_as_before)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 2 });
		uint64_t got = 0;
		for (uint64_t n = 0; n < 10; n++) {
			cr_assert_eq(leat_recv_until(pipe.rx, &got, leat_now_ns() + MS / 10),
			             -ETIMEDOUT);
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
			cr_assert_eq(leat_send_until(pipe.tx, &(uint64_t){ 77 },
			                             leat_now_ns() + MS / 10),
			             -ETIMEDOUT);
			cr_assert_eq(leat_recv(pipe.rx, &got), 1);
			cr_assert_eq(got, n);
			cr_assert_eq(leat_recv(pipe.rx, &got), 1);
			cr_assert_eq(got, n);
		}
		pipe_close(&pipe);
	}
}

/* Waking: every call, every kind, every policy on that side, with and without membarrier */

static void describe(char *text, size_t size, const struct leat_chan_opts *opts, enum op op)
{
	snprintf(text, size, "%s, %s, send %s, recv %s%s", op_names[op], kind_names[opts->kind],
	         wait_names[opts->send_wait], wait_names[opts->recv_wait],
	         opts->full_fence ? ", full fence" : "");
}

static void check_wake(const struct leat_chan_opts *opts, enum op op)
{
	char what[128];
	struct pipe pipe = pipe_open(opts);
	bool sends = op < OP_SENDS;
	uint64_t got = 0;
	struct caller caller = { .op = op, .tx = pipe.tx, .rx = pipe.rx, .value = 42 };
	describe(what, sizeof(what), opts, op);
	if (sends)
		fill(pipe.tx);
	caller_start(&caller);
	cr_assert(caller_await(&caller, sends ? opts->send_wait : opts->recv_wait),
	          "%s: never parked", what);
	if (sends)
		cr_assert_eq(leat_recv(pipe.rx, &got), 1, "%s", what);
	else
		cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 42 }), 0, "%s", what);
	cr_expect_eq(caller_join(&caller), op_success(op), "%s", what);
	cr_expect_eq(caller.errno_after, 4711, "%s: errno", what);
	if (sends)
		while (leat_try_recv(pipe.rx, &got) == 1)
			;
	else
		got = caller.value;
	cr_expect_eq(got, 42, "%s", what);
	pipe_close(&pipe);
}

static void check_wakes(bool full_fence)
{
	for_each_kind(kind) {
		for_each_wait(wait) {
			for (enum op op = 0; op < OPS; op++) {
				struct leat_chan_opts opts = { .kind = kind,
					                       .capacity = 2,
					                       .send_wait = wait,
					                       .recv_wait = wait,
					                       .full_fence = full_fence };
				check_wake(&opts, op);
			}
		}
	}
}

Test(chan_wait, first_item_or_slot_wakes_every_policy)
{
	check_wakes(false);
}

Test(chan_wait, first_item_or_slot_wakes_every_policy_with_full_fences)
{
	check_wakes(true);
}

Test(chan_wait, deadline_wakes_a_parked_thread)
{
	clock_start();
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		struct caller rx = { .op = OP_RECV_UNTIL, .rx = pipe.rx };
		struct caller tx = { .op = OP_SEND_UNTIL, .tx = pipe.tx };
		rx.deadline_ns = leat_now_ns() + 5 * MS;
		caller_start(&rx);
		clock_advance_past(&rx, 5 * MS);
		cr_expect_eq(caller_join(&rx), -ETIMEDOUT);
		cr_expect_eq(rx.done_ns, rx.deadline_ns);
		fill(pipe.tx);
		tx.deadline_ns = leat_now_ns() + 5 * MS;
		caller_start(&tx);
		clock_advance_past(&tx, 5 * MS);
		cr_expect_eq(caller_join(&tx), -ETIMEDOUT);
		cr_expect_eq(tx.done_ns, tx.deadline_ns);
		pipe_close(&pipe);
	}
}

static void park_receivers(struct caller *callers, size_t n, struct leat_rx *rx)
{
	for (size_t i = 0; i < n; i++) {
		callers[i].op = OP_RECV;
		callers[i].rx = leat_rx_clone(rx);
		caller_start(&callers[i]);
	}
	for (size_t i = 0; i < n; i++)
		cr_assert(await_parked(&callers[i].tid));
}

/* Each has received one item: their sum. */
static uint64_t join_receivers(struct caller *callers, size_t n)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++) {
		cr_expect_eq(caller_join(&callers[i]), 1);
		sum += callers[i].value;
		leat_rx_close(callers[i].rx);
	}
	return sum;
}

Test(chan_wait, an_item_each_wakes_every_parked_receiver)
{
	struct pipe pipe = pipe_open(
		&(struct leat_chan_opts){ .kind = LEAT_MPMC, .recv_wait = LEAT_WAIT_PARK });
	struct caller callers[12] = { 0 };
	uint64_t sum = 0;
	park_receivers(callers, COUNT(callers), pipe.rx);
	for (uint64_t n = 1; n <= COUNT(callers); n++)
		cr_assert_eq(leat_send(pipe.tx, &n), 0);
	sum = join_receivers(callers, COUNT(callers));
	cr_expect_eq(sum, 78);
	pipe_close(&pipe);
}

Test(chan_wait, a_batch_wakes_every_parked_receiver)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_SPMC });
	struct caller callers[6] = { 0 };
	uint64_t items[6] = { 1, 2, 3, 4, 5, 6 }, sum;
	park_receivers(callers, COUNT(callers), pipe.rx);
	cr_assert_eq(leat_send_batch(pipe.tx, items, 6), 6);
	sum = join_receivers(callers, COUNT(callers));
	cr_expect_eq(sum, 21);
	pipe_close(&pipe);
}

Test(chan_wait, a_batch_received_wakes_every_parked_sender)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 6 });
	struct caller callers[6] = { 0 };
	uint64_t items[6];
	fill(pipe.tx);
	for (size_t i = 0; i < COUNT(callers); i++) {
		callers[i].op = OP_SEND;
		callers[i].tx = leat_tx_clone(pipe.tx);
		caller_start(&callers[i]);
	}
	for (size_t i = 0; i < COUNT(callers); i++)
		cr_assert(await_parked(&callers[i].tid));
	cr_assert_eq(leat_recv_batch(pipe.rx, items, 6), 6);
	for (size_t i = 0; i < COUNT(callers); i++) {
		cr_expect_eq(caller_join(&callers[i]), 0);
		leat_tx_close(callers[i].tx);
	}
	pipe_close(&pipe);
}

/* A receiver that timed out must not have swallowed the wake-up of another. */
Test(chan_wait, wake_is_not_swallowed_by_one_that_timed_out)
{
	for (int round = 0; round < 60; round++) {
		struct pipe pipe = pipe_open(
			&(struct leat_chan_opts){ .kind = LEAT_SPMC, .recv_wait = LEAT_WAIT_PARK });
		struct caller brief = { .op = OP_RECV_UNTIL, .rx = leat_rx_clone(pipe.rx) };
		struct caller patient = { .op = OP_RECV, .rx = leat_rx_clone(pipe.rx) };
		brief.deadline_ns = leat_now_ns() + MS;
		caller_start(&brief);
		caller_start(&patient);
		cr_assert(await_parked(&patient.tid));
		while (leat_now_ns() < brief.deadline_ns - (round % 5) * MS / 50)
			;
		cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), 0);
		if (caller_join(&brief) == 1)
			cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 2 }), 0);
		cr_expect_eq(caller_join(&patient), 1);
		leat_rx_close(brief.rx);
		leat_rx_close(patient.rx);
		pipe_close(&pipe);
	}
}

static void ignore(int number)
{
	(void)number;
}

Test(chan_wait, signals_neither_end_a_wait_nor_show)
{
	struct sigaction action = { .sa_handler = ignore };
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 1 });
	struct caller callers[2] = { { .op = OP_RECV, .rx = pipe.rx },
		                     { .op = OP_RECV_UNTIL, .rx = pipe.rx } };
	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	for (int i = 0; i < 2; i++) {
		callers[i].deadline_ns = leat_now_ns() + 60000 * MS;
		caller_start(&callers[i]);
		for (int k = 0; k < 20; k++) {
			cr_assert(await_parked(&callers[i].tid));
			pthread_kill(callers[i].thread, SIGUSR1);
		}
		cr_assert(await_parked(&callers[i].tid));
		leat_send(pipe.tx, &(uint64_t){ 3 });
		cr_expect_eq(caller_join(&callers[i]), 1);
		cr_expect_eq(callers[i].value, 3);
	}
	pipe_close(&pipe);
}

Test(chan_wait, signals_do_not_move_a_deadline)
{
	struct sigaction action = { .sa_handler = ignore };
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 1 });
	struct caller caller = { .op = OP_RECV_UNTIL, .rx = pipe.rx };
	cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
	caller.deadline_ns = leat_now_ns() + 20 * MS;
	caller_start(&caller);
	while (leat_now_ns() < caller.deadline_ns - MS)
		pthread_kill(caller.thread, SIGUSR1);
	cr_expect_eq(caller_join(&caller), -ETIMEDOUT);
	cr_expect_geq(caller.done_ns, caller.deadline_ns);
	cr_expect_leq(caller.done_ns, caller.deadline_ns + 2000 * MS);
	pipe_close(&pipe);
}

Test(chan_wait, no_call_sets_errno)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		uint64_t item = 0;
		errno = 4711;
		leat_try_recv(pipe.rx, &item);
		leat_recv_until(pipe.rx, &item, leat_now_ns() + MS / 10);
		leat_send(pipe.tx, &item);
		leat_try_send(pipe.tx, &item);
		leat_send_until(pipe.tx, &item, leat_now_ns() + MS / 10);
		leat_tx_close(leat_tx_clone(pipe.tx));
		leat_rx_close(leat_rx_clone(pipe.rx));
		leat_scope_cancel(pipe.scope, 0, NULL);
		leat_send(pipe.tx, &item);
		leat_recv(pipe.rx, &item);
		cr_expect_eq(errno, 4711, "%s", kind_names[kind]);
		pipe_close(&pipe);
		cr_expect_eq(errno, 4711, "%s", kind_names[kind]);
	}
}

/* What waiting and flowing cost */

Test(chan_wait, idle_costs_nothing)
{
	struct pipe pipes[6];
	struct caller callers[6] = { 0 };
	struct pipe clock = pipe_open(NULL);
	long ticks = 0;
	for (size_t i = 0; i < COUNT(pipes); i++) {
		pipes[i] = pipe_open(
			&(struct leat_chan_opts){ .kind = (enum leat_kind)(i % 4), .capacity = 1 });
		callers[i] = (struct caller){ .op = i % 2 ? OP_SEND : OP_RECV,
			                      .tx = pipes[i].tx,
			                      .rx = pipes[i].rx };
		if (i % 2)
			fill(pipes[i].tx);
		caller_start(&callers[i]);
	}
	for (size_t i = 0; i < COUNT(pipes); i++)
		cr_assert(await_parked(&callers[i].tid));
	for (size_t i = 0; i < COUNT(pipes); i++)
		ticks -= cpu_ticks(callers[i].tid);
	cr_assert_eq(leat_recv_until(clock.rx, &(uint64_t){ 0 }, leat_now_ns() + 300 * MS),
	             -ETIMEDOUT);
	for (size_t i = 0; i < COUNT(pipes); i++)
		ticks += cpu_ticks(callers[i].tid);
	cr_expect_leq(ticks, 1, "%ld clock ticks while parked", ticks);
	for (size_t i = 0; i < COUNT(pipes); i++) {
		leat_scope_cancel(pipes[i].scope, 0, NULL);
		cr_expect_eq(caller_join(&callers[i]), -ECANCELED);
		pipe_close(&pipes[i]);
	}
	pipe_close(&clock);
}

static size_t heap_in_use(void)
{
	struct mallinfo2 info = mallinfo2();
	return info.uordblks + info.hblkhd;
}

Test(chan_wait, items_flow_without_allocation)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 100 });
		uint64_t got;
		size_t before = heap_in_use();
		for (uint64_t n = 0; n < 1000; n++) {
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
			if (n % 3 == 2)
				for (int i = 0; i < 3; i++)
					leat_try_recv(pipe.rx, &got);
			if (n % 100 == 0)
				leat_recv_until(pipe.rx, &got, leat_now_ns() + MS / 20);
		}
		cr_expect_eq(heap_in_use(), before, "%s", kind_names[kind]);
		pipe_close(&pipe);
	}
}
