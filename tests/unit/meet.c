/*
 * tests/unit/meet.c: where features meet: the tests that docs/verify.md names and that belong to no
 * feature's own suite.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "numbers.h"
#include "plan.h"

#include <leat/leat.h>
#include <poll.h>

TestSuite(meet, .timeout = 600);

static bool is_readable_now(int fd)
{
	return poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) == 1;
}

static void count_call(void *arg)
{
	leat_add_acqrel((uint32_t *)arg, 1u);
}

/* --- a scope's events and a stop --- */

static int sleep_as_a_stage(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	leat_store_rel(&plan->tid, own_tid());
	plan->last = leat_scope_sleep(leat_tx_scope(out), LEAT_NEVER);
	return plan->last;
}

Test(meet, a_stop_is_no_cancel_for_a_scopes_events_but_its_drain_deadline_is)
{
	clock_start();
	struct leat_scope *scope = scope_open();
	struct leat_case is_cancelled[] = { LEAT_CASE_SCOPE(scope) };
	struct plan plan = { 0 };
	uint32_t calls = 0;
	int fd = leat_scope_fd(scope);
	cr_assert_geq(fd, 0);
	cr_assert_eq(leat_scope_on_cancel(scope, count_call, &calls, NULL), 0);
	cr_assert_eq(leat_gen(scope, sleep_as_a_stage, &plan, 0, NULL, NULL), 0);
	cr_assert(await_parked(&plan.tid));
	cr_assert_eq(leat_scope_stop(scope, leat_now_ns() + 500 * MS, NULL), 0);
	clock_advance(500 * MS - 1);
	cr_expect_eq(leat_scope_join_until(scope, 0), -EAGAIN);
	cr_expect_eq(leat_select(is_cancelled, 1, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
	cr_expect(!is_readable_now(fd));
	clock_advance(1);
	cr_expect_eq(leat_select(is_cancelled, 1, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	cr_expect_eq(plan.last, -ECANCELED);
	cr_expect(is_readable_now(fd));
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	cr_expect_eq(leat_load_acq(&calls), 1);
}

Test(meet, a_stop_without_a_deadline_raises_no_event_of_a_scope)
{
	struct leat_scope *scope = scope_open();
	struct leat_case is_cancelled[] = { LEAT_CASE_SCOPE(scope) };
	uint32_t calls = 0;
	int fd = leat_scope_fd(scope);
	cr_assert_eq(leat_scope_on_cancel(scope, count_call, &calls, NULL), 0);
	cr_assert_eq(leat_scope_stop(scope, LEAT_NEVER, NULL), 0);
	cr_expect_eq(leat_select(is_cancelled, 1, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
	cr_expect(!is_readable_now(fd));
	cr_expect_eq(leat_scope_sleep(scope, leat_now_ns() + MS), 0);
	cr_expect_eq(leat_scope_join_until(scope, LEAT_NEVER), 0);
	cr_expect_eq(leat_load_acq(&calls), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_load_acq(&calls), 1);
}

/* --- a scope's descriptor and a sleep beside other waits --- */

Test(meet, a_scopes_descriptor_is_a_case_of_a_select)
{
	struct leat_scope *scope = scope_open();
	struct pipe pipe = pipe_open(NULL);
	uint64_t item;
	struct leat_case cases[] = { LEAT_CASE_FD(leat_scope_fd(scope), POLLIN),
		                     LEAT_CASE_RECV(pipe.rx, &item) };
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
	pipe_close(&pipe);
	leat_scope_close(scope);
}

/* --- leat_tx_close_all() --- */

struct stream_of_many {
	struct leat_tx *tx;
};

static void close_the_stream(void *arg)
{
	leat_tx_close_all(((struct stream_of_many *)arg)->tx);
}

Test(meet, a_function_of_a_cancel_may_close_the_stream_of_another_scope)
{
	struct leat_scope *work = scope_open(), *request = scope_open();
	struct leat_chan_opts opts = { .kind = LEAT_MPSC };
	struct stream_of_many many;
	struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
	struct leat_rx *rx;
	int last;
	cr_assert_eq(leat_chan_open(work, 8, &opts, &many.tx, &rx), 0);
	cr_assert_eq(leat_gen_into(work, follow_plan, &plan, leat_tx_clone(many.tx), NULL), 0);
	cr_assert_eq(leat_scope_on_cancel(request, close_the_stream, &many, NULL), 0);
	leat_scope_cancel(request, 0, NULL);
	drain(rx, &last);
	cr_expect_eq(last, 0);
	cr_expect_eq(leat_scope_join(work), 0);
	cr_expect_eq(plan.last, -EPIPE);
	leat_rx_close(rx);
	leat_scope_close(request);
	cr_expect_eq(leat_scope_close(work), 0);
}

Test(meet, a_merge_and_a_sink_on_a_pool_hear_of_a_stream_that_one_sender_ended)
{
	struct place place = place_open(2, false);
	struct leat_chan_opts opts = { .kind = LEAT_MPSC };
	struct leat_tx *tx[2], *other[2];
	struct leat_rx *rx[2];
	struct sum sum = { 0 };
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	uint64_t item = 5;
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(leat_chan_open(place.scope, 8, &opts, &tx[i], &rx[i]), 0);
		other[i] = leat_tx_clone(tx[i]);
		cr_assert_eq(leat_send(other[i], &item), 0);
	}
	cr_assert_eq(leat_merge_add(merge, rx[0], 0), 0);
	cr_assert_eq(leat_gen_sink(place.scope, rx[1], (struct leat_sink){ add_up, fini_sum, &sum },
	                           &(struct leat_gen_opts){ .pool = place.pool }),
	             0);
	for (int i = 0; i < 2; i++)
		leat_tx_close_all(tx[i]);
	cr_expect_eq(leat_merge_recv(merge, &item, NULL), 1);
	cr_expect_eq(leat_merge_recv(merge, &item, NULL), 0);
	cr_expect_eq(leat_scope_join(place.scope), 0);
	cr_expect_eq(sum.sum, 5);
	leat_merge_close(merge);
	for (int i = 0; i < 2; i++)
		leat_tx_close(other[i]);
	cr_expect_eq(place_close(place), 0);
}

/* --- leat_gen_into() --- */

struct busy {
	struct leat_rx *in;
	struct leat_rate *rate;
	struct leat_sem *sem;
	uint32_t tid;
	int rc;
};

/* In place, by a select, from an input: then it waits for a permit, in its own scope. */
static int send_in_each_way(struct leat_tx *out, void *arg)
{
	struct busy *busy = arg;
	uint64_t item = 2, got;
	struct leat_case send[] = { LEAT_CASE_SEND(out, &item) };
	struct leat_seq input = leat_seq_from_rx(busy->in);
	void *room;
	cr_assert_eq(leat_reserve(out, 1, &room), 1);
	memcpy(room, &(uint64_t){ 1 }, sizeof(uint64_t));
	cr_assert_eq(leat_commit(out, 1), 0);
	cr_assert_eq(leat_select(send, 1, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
	while ((busy->rc = input.next(input.state, &got)) == 1)
		cr_assert_eq(leat_send(out, &got), 0);
	input.fini(input.state);
	cr_assert_eq(leat_rate_take(busy->rate, 1, leat_tx_scope(out), LEAT_NEVER), 0);
	leat_store_rel(&busy->tid, own_tid());
	busy->rc = leat_sem_acquire(busy->sem, 1, leat_tx_scope(out), LEAT_NEVER);
	return busy->rc;
}

Test(meet, a_generator_of_its_own_scope_reserves_selects_receives_and_is_paced)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC });
	struct pipe input = pipe_open(NULL);
	struct leat_scope *own = leat_scope_open(pipe.scope, NULL);
	struct busy busy = { .in = input.rx,
		             .rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 1000 }),
		             .sem = leat_sem_open(1) };
	uint64_t got;
	cr_assert_eq(leat_sem_try(busy.sem, 1), 0);
	cr_assert_eq(leat_gen_into(own, send_in_each_way, &busy, leat_tx_clone(pipe.tx), NULL), 0);
	cr_assert_eq(leat_send(input.tx, &(uint64_t){ 3 }), 0);
	leat_tx_close(input.tx);
	input.tx = NULL;
	input.rx = NULL; /* the seq's */
	for (uint64_t n = 1; n <= 3; n++) {
		cr_expect_eq(leat_recv(pipe.rx, &got), 1);
		cr_expect_eq(got, n);
	}
	cr_assert(await_parked(&busy.tid));
	leat_scope_cancel(own, 0, "enough");
	cr_expect_eq(leat_scope_close(own), 0);
	cr_expect_eq(busy.rc, -ECANCELED);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 4 }), 0);
	leat_sem_release(busy.sem, 1);
	leat_sem_close(busy.sem);
	leat_rate_close(busy.rate);
	pipe_close(&input);
	pipe_close(&pipe);
}

static int end_the_stream_for_all(struct leat_tx *out, void *arg)
{
	(void)arg;
	leat_tx_close_all(leat_tx_clone(out));
	return 0;
}

Test(meet, one_of_several_generators_ends_the_stream_for_all)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
	int last;
	cr_assert_eq(leat_gen_into(pipe.scope, follow_plan, &plan, leat_tx_clone(pipe.tx), NULL),
	             0);
	cr_assert_eq(leat_gen_into(pipe.scope, end_the_stream_for_all, NULL, pipe.tx, NULL), 0);
	pipe.tx = NULL;
	drain(pipe.rx, &last);
	cr_expect_eq(last, 0);
	expect_status(pipe.rx, LEAT_COMPLETED, 0, "");
	cr_expect_eq(leat_scope_join(pipe.scope), 0);
	pipe_close(&pipe);
}

/* What is in the channel when its scope is cancelled goes to discard, as ever. */
static void count_discard(void *item, void *arg)
{
	(void)item;
	leat_add_acqrel((uint32_t *)arg, 1u);
}

Test(meet, what_several_generators_have_sent_is_discarded_by_a_cancel)
{
	uint32_t discards = 0;
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){
		.kind = LEAT_MPSC, .discard = count_discard, .discard_arg = &discards });
	struct plan plans[2] = { { .send = 3 }, { .send = 4 } };
	for (int i = 0; i < 2; i++)
		cr_assert_eq(leat_gen_into(pipe.scope, follow_plan, &plans[i],
		                           leat_tx_clone(pipe.tx), NULL),
		             0);
	cr_expect_eq(leat_scope_join(pipe.scope), 0);
	leat_scope_cancel(pipe.scope, 0, NULL);
	cr_expect_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), -ECANCELED);
	cr_expect_eq(leat_load_acq(&discards), 7);
	pipe_close(&pipe);
}
