/*
 * tests/unit/gen_into.c: leat_gen_into(): generators that send into handles that exist.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "plan.h"

#include "runtime/chan/chan.h"

#include <leat/diag.h>
#include <leat/leat.h>

TestSuite(gen_into, .timeout = 600);

enum { GENERATORS = 8 };

static struct leat_chan_opts many = { .kind = LEAT_MPMC, .capacity = 16 };

static void start_into(struct leat_scope *scope, leat_gen_fn *fn, struct plan *plan,
                       struct leat_tx *tx)
{
	cr_assert_not_null(tx);
	cr_assert_eq(leat_gen_into(scope, fn, plan, tx, NULL), 0);
}

static void count_fini(void *arg)
{
	leat_add_acqrel((uint32_t *)arg, 1u);
}

static int one_or_error(struct leat_tx *out, void *arg)
{
	(void)arg;
	return leat_send(out, &(uint64_t){ 1 });
}

Test(gen_into, several_share_a_channel_that_ends_with_the_last)
{
	struct pipe pipe = pipe_open(&many);
	struct plan plans[GENERATORS];
	int last;
	for (int i = 0; i < GENERATORS; i++) {
		plans[i] = (struct plan){ .send = 1000 };
		start_into(pipe.scope, follow_plan, &plans[i], leat_tx_clone(pipe.tx));
	}
	cr_expect_eq(leat_rx_status(pipe.rx, NULL, NULL, NULL), -EAGAIN);
	leat_tx_close(pipe.tx);
	pipe.tx = NULL;
	cr_expect_eq(drain(pipe.rx, &last), GENERATORS * 1000);
	cr_expect_eq(last, 0);
	expect_status(pipe.rx, LEAT_COMPLETED, 0, "");
	cr_expect_eq(leat_scope_join(pipe.scope), 0);
	for (int i = 0; i < GENERATORS; i++) {
		cr_expect_eq(plans[i].runs, 1);
		cr_expect_eq(plans[i].scope, pipe.scope);
	}
	pipe_close(&pipe);
}

Test(gen_into, works_on_every_kind_and_overflow)
{
	for_each_kind(kind)
		for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
			struct pipe pipe = pipe_open(&(struct leat_chan_opts){
				.kind = kind, .overflow = overflow, .capacity = 64 });
			struct plan plan = { .send = 50 };
			int last;
			start_into(pipe.scope, follow_plan, &plan, pipe.tx);
			pipe.tx = NULL;
			cr_expect_eq(drain(pipe.rx, &last), 50, "%s", kind_names[kind]);
			cr_expect_eq(last, 0);
			pipe_close(&pipe);
		}
}

Test(gen_into, fini_runs_once_before_the_end_is_seen)
{
	struct pipe pipe = pipe_open(&many);
	uint32_t finis = 0;
	struct leat_gen_opts opts = { .fini = count_fini };
	int last;
	cr_assert_eq(leat_gen_into(pipe.scope, one_or_error, &finis, pipe.tx, &opts), 0);
	pipe.tx = NULL;
	cr_expect_eq(drain(pipe.rx, &last), 1);
	cr_expect_eq(leat_load_acq(&finis), 1);
	pipe_close(&pipe);
	cr_expect_eq(leat_load_acq(&finis), 1);
}

/* On an error the handle is still the caller's, and as it was. */
Test(gen_into, on_an_error_the_handle_is_the_callers)
{
	struct pipe pipe = pipe_open(&many);
	struct leat_pool *pool = leat_pool_open(NULL);
	struct leat_scope *cancelled = leat_scope_open(NULL, NULL);
	struct leat_gen_opts odd = { .reserved = { 1 } }, pooled = { .pool = pool };
	void *room;
	leat_scope_cancel(cancelled, 0, NULL);
	cr_expect_eq(leat_gen_into(NULL, one_or_error, NULL, pipe.tx, NULL), -EINVAL);
	cr_expect_eq(leat_gen_into(pipe.scope, NULL, NULL, pipe.tx, NULL), -EINVAL);
	cr_expect_eq(leat_gen_into(pipe.scope, one_or_error, NULL, NULL, NULL), -EINVAL);
	cr_expect_eq(leat_gen_into(pipe.scope, one_or_error, NULL, pipe.tx, &odd), -EINVAL);
	cr_expect_eq(leat_gen_into(pipe.scope, one_or_error, NULL, pipe.tx, &pooled), -ENOTSUP);
	cr_expect_eq(leat_gen_into(cancelled, one_or_error, NULL, pipe.tx, NULL), -ECANCELED);
	cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
	cr_expect_eq(leat_gen_into(pipe.scope, one_or_error, NULL, pipe.tx, NULL), -EBUSY);
	cr_expect_eq(leat_commit(pipe.tx, 0), 0);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), 0);
	cr_expect_eq((leat_gen_into)(pipe.scope, one_or_error, NULL, leat_tx_clone(pipe.tx), NULL),
	             0);
	cr_expect_eq(leat_scope_join(pipe.scope), 0);
	leat_scope_close(cancelled);
	leat_pool_close(pool);
	pipe_close(&pipe);
}

static int gives_its_output(struct leat_tx *out, void *arg)
{
	*(int *)arg = leat_gen_into(leat_tx_scope(out), one_or_error, NULL, out, NULL);
	return 0;
}

Test(gen_into, refuses_the_output_of_a_task)
{
	struct leat_scope *scope = scope_open();
	int rc = 0;
	cr_assert_eq(leat_gen(scope, gives_its_output, &rc, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(rc, -EINVAL);
}

/* Failing */

Test(gen_into, in_the_channels_scope_a_failure_refuses_the_others_and_keeps_the_data)
{
	struct pipe pipe = pipe_open(&many);
	struct plan sibling = { .send = WITHOUT_END, .answer = LAST_SEND },
		    failing = { .send = 3, .answer = -EIO, .words = "disk gone" };
	struct leat_tx *clone = leat_tx_clone(pipe.tx), *its = leat_tx_clone(pipe.tx);
	int last;
	/* first: none can be started once the other has failed */
	start_into(pipe.scope, follow_plan, &sibling, pipe.tx);
	start_into(pipe.scope, follow_plan, &failing, its);
	pipe.tx = NULL;
	cr_expect_geq(drain(pipe.rx, &last), 3);
	cr_expect_eq(last, 0);
	expect_status(pipe.rx, LEAT_FAILED, -EIO, "disk gone");
	cr_expect_eq(leat_scope_join(pipe.scope), -EIO);
	cr_expect_eq(sibling.last, -ECANCELED);
	cr_expect_eq(leat_send(clone, &(uint64_t){ 0 }), -ECANCELED);
	leat_tx_close(clone);
	leat_rx_close(pipe.rx);
	cr_expect_eq(leat_scope_close(pipe.scope), -EIO);
}

Test(gen_into, in_a_scope_of_its_own_a_failure_is_one_senders_close)
{
	struct pipe pipe = pipe_open(&many);
	struct leat_scope *own = leat_scope_open(pipe.scope, NULL);
	struct plan failing = { .send = 3, .answer = -EIO, .words = "disk gone" },
		    second = { .answer = -ENOSPC, .words = "another" };
	int last;
	start_into(own, follow_plan, &failing, leat_tx_clone(pipe.tx));
	cr_expect_eq(leat_scope_join(own), -EIO);
	cr_expect_eq(leat_scope_close(own), -EIO);
	own = leat_scope_open(pipe.scope, NULL);
	start_into(own, follow_plan, &second, leat_tx_clone(pipe.tx));
	cr_expect_eq(leat_scope_join(own), -ENOSPC);
	cr_expect_eq(leat_scope_cause(own, NULL, NULL), LEAT_FAILED);
	cr_expect_eq(leat_scope_close(own), -ENOSPC);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 0 }), 0);
	cr_expect_eq(leat_rx_status(pipe.rx, NULL, NULL, NULL), -EAGAIN);
	leat_tx_close(pipe.tx);
	pipe.tx = NULL;
	cr_expect_eq(drain(pipe.rx, &last), 4);
	expect_status(pipe.rx, LEAT_FAILED, -EIO, "disk gone");
	pipe_close(&pipe);
}

static int gives_words_and_goes_on(struct leat_tx *out, void *arg)
{
	(void)arg;
	leat_tx_fail(out, -EIO, "never mind");
	return 0;
}

/* The words of one are not those of another, and count for nothing where it goes on. */
Test(gen_into, each_has_its_own_words)
{
	struct pipe pipe = pipe_open(&many);
	struct leat_scope *own = leat_scope_open(pipe.scope, NULL);
	struct plan bad = { .answer = -EIO };
	const char *text;
	start_into(pipe.scope, gives_words_and_goes_on, NULL, leat_tx_clone(pipe.tx));
	cr_expect_eq(leat_scope_join(pipe.scope), 0);
	start_into(own, follow_plan, &bad, pipe.tx);
	pipe.tx = NULL;
	cr_expect_eq(leat_scope_join(own), -EIO);
	leat_scope_cause(own, NULL, &text);
	cr_expect_str_eq(text, "");
	expect_status(pipe.rx, LEAT_FAILED, -EIO, "");
	cr_expect_eq(leat_scope_close(own), -EIO);
	pipe_close(&pipe);
}

Test(gen_into, a_failure_in_a_scope_above_the_channels_cancels_the_channel)
{
	struct leat_scope *above = scope_open(), *below = leat_scope_open(above, NULL);
	struct plan failing = { .send = 3, .answer = -EIO };
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(below, 8, &many, &tx, &rx), 0);
	start_into(above, follow_plan, &failing, tx);
	cr_expect_eq(leat_scope_join(above), -EIO);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED);
	expect_status(rx, LEAT_FAILED, -EIO, NULL);
	leat_rx_close(rx);
	leat_scope_close(below);
	cr_expect_eq(leat_scope_close(above), -EIO);
}

/* A scope of its own: cancels, stops, deadlines */

static int send_or_wait(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	int rc = 0;
	plan->scope = leat_tx_scope(out);
	leat_store_rel(&plan->tid, own_tid());
	if (plan->send == 0)
		rc = leat_tx_wait(out, -1, 0, LEAT_NEVER);
	for (uint64_t n = 0; rc == 0; n++)
		rc = leat_send(out, &n);
	plan->last = rc;
	plan->done = leat_tx_done(out);
	return rc;
}

enum ending { CANCEL_OWN, STOP_OWN, CLOSE_OWN, DEADLINE_OWN, CANCEL_CHAN, STOP_CHAN, ENDINGS };

Test(gen_into, either_scope_ends_it_and_the_others_go_on)
{
	clock_start();
	for (int waits = 0; waits < 2; waits++)
		for (enum ending ending = 0; ending < ENDINGS; ending++) {
			bool stop = ending == STOP_OWN || ending == STOP_CHAN;
			struct pipe pipe = pipe_open(
				&(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 1 });
			struct leat_scope_opts scope_opts = { 0 };
			struct leat_scope *own;
			struct leat_gen_opts opts = { .source = stop };
			struct plan plan = { .send = waits ? 0 : WITHOUT_END };
			uint64_t got;
			if (ending == DEADLINE_OWN)
				scope_opts.deadline_ns = leat_now_ns() + 20 * MS;
			own = leat_scope_open(NULL, &scope_opts);
			cr_assert_eq(leat_gen_into(own, send_or_wait, &plan, leat_tx_clone(pipe.tx),
			                           &opts),
			             0);
			cr_assert(await_parked(&plan.tid));
			if (ending == DEADLINE_OWN)
				clock_advance(20 * MS);
			else if (ending == CANCEL_OWN)
				leat_scope_cancel(own, 0, "enough");
			else if (ending == CANCEL_CHAN)
				leat_scope_cancel(pipe.scope, 0, "enough");
			else if (stop)
				cr_assert_eq(leat_scope_stop(ending == STOP_OWN ? own : pipe.scope,
				                             LEAT_NEVER, "enough"),
				             0);
			if (ending != CLOSE_OWN)
				cr_expect_eq(leat_scope_join(own),
				             ending == DEADLINE_OWN ? -ETIMEDOUT : 0);
			cr_expect_eq(leat_scope_close(own),
			             ending == DEADLINE_OWN ? -ETIMEDOUT : 0);
			cr_expect_eq(plan.last, stop ? -ESHUTDOWN : -ECANCELED, "ending %d",
			             ending);
			cr_expect(plan.done);
			if (ending != CANCEL_CHAN) {
				while (leat_try_recv(pipe.rx, &got) == 1)
					;
				cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 4711 }), 0);
				cr_expect_eq(leat_recv(pipe.rx, &got), 1);
				cr_expect_eq(got, 4711);
				leat_tx_close(pipe.tx);
				pipe.tx = NULL;
				cr_expect_eq(leat_recv(pipe.rx, &got), 0);
				expect_status(pipe.rx, stop ? LEAT_STOPPED : LEAT_COMPLETED, 0,
				              stop ? "enough" : "");
			}
			pipe_close(&pipe);
		}
}

/* A sender that is a source of the channel's scope is not stopped by another's own scope. */
Test(gen_into, a_stop_of_its_own_scope_stops_no_other_source)
{
	struct pipe pipe = pipe_open(&many);
	struct leat_scope *own = leat_scope_open(NULL, NULL);
	struct leat_tx *other = leat_tx_clone(pipe.tx);
	struct plan plan = { 0 };
	leat_tx_source(other, true);
	cr_assert_eq(leat_gen_into(own, send_or_wait, &plan, leat_tx_clone(pipe.tx),
	                           &(struct leat_gen_opts){ .source = true }),
	             0);
	cr_assert(await_parked(&plan.tid));
	cr_assert_eq(leat_scope_stop(own, LEAT_NEVER, "enough"), 0);
	cr_expect_eq(leat_scope_join(own), 0);
	cr_expect_eq(leat_scope_close(own), 0);
	cr_expect_eq(plan.last, -ESHUTDOWN);
	cr_expect_eq(leat_send(other, &(uint64_t){ 0 }), 0);
	cr_expect(!leat_tx_done(other));
	cr_assert_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, "enough"), 0);
	cr_expect_eq(leat_send(other, &(uint64_t){ 0 }), -ESHUTDOWN);
	leat_tx_close(other);
	pipe_close(&pipe);
}

/* The stop reaches a parked source although another's stop has set the shared bit before. */
Test(gen_into, a_stop_of_the_channels_scope_wakes_after_another_own_scope_was_cancelled)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 1 });
	struct leat_scope *own = leat_scope_open(NULL, NULL);
	struct plan plan = { 0 };
	struct caller caller = { .op = OP_SEND, .tx = leat_tx_clone(pipe.tx) };
	start_into(own, send_or_wait, &plan, leat_tx_clone(pipe.tx));
	leat_scope_cancel(own, 0, "enough");
	cr_expect_eq(leat_scope_close(own), 0);
	cr_assert_eq(fill(pipe.tx), 1);
	leat_tx_source(caller.tx, true);
	caller_start(&caller);
	cr_assert(caller_await(&caller, LEAT_WAIT_PARK));
	cr_assert_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, "enough"), 0);
	cr_expect_eq(caller_join(&caller), -ESHUTDOWN);
	leat_tx_close(caller.tx);
	pipe_close(&pipe);
}

Test(gen_into, a_source_is_refused_where_either_scope_is_stopping)
{
	for (int which = 0; which < 2; which++) {
		struct pipe pipe = pipe_open(&many);
		struct leat_scope *own = leat_scope_open(NULL, NULL);
		struct leat_gen_opts source = { .source = true };
		struct leat_tx *marked = leat_tx_clone(pipe.tx);
		leat_tx_source(marked, true);
		cr_assert_eq(leat_scope_stop(which ? own : pipe.scope, LEAT_NEVER, NULL), 0);
		cr_expect_eq(leat_gen_into(own, one_or_error, NULL, pipe.tx, &source), -ESHUTDOWN);
		cr_expect_eq(leat_gen_into(own, one_or_error, NULL, marked, NULL), -ESHUTDOWN);
		cr_expect_eq(leat_gen_into(own, one_or_error, NULL, pipe.tx, NULL), 0);
		pipe.tx = NULL;
		cr_expect_eq(leat_scope_join(own), 0);
		cr_expect_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), 1);
		leat_tx_close(marked);
		cr_expect_eq(leat_scope_close(own), 0);
		pipe_close(&pipe);
	}
}

Test(gen_into, the_drain_deadline_names_one_that_was_told_nothing)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 1 });
	struct plan plan = { .send = WITHOUT_END };
	struct leat_gen_opts opts = { .chan.name = "endless" };
	const char *text;
	cr_assert_eq(leat_gen_into(pipe.scope, send_or_wait, &plan, pipe.tx, &opts), 0);
	pipe.tx = NULL;
	cr_assert(await_parked(&plan.tid));
	cr_assert_eq(leat_scope_stop(pipe.scope, leat_now_ns() + 20 * MS, NULL), 0);
	cr_expect_eq(leat_scope_join(pipe.scope), -ETIMEDOUT);
	cr_expect_eq(leat_scope_cause(pipe.scope, NULL, &text), LEAT_DEADLINE);
	cr_expect_not_null(strstr(text, "\"endless\""), "%s", text);
	leat_rx_close(pipe.rx);
	cr_expect_eq(leat_scope_close(pipe.scope), -ETIMEDOUT);
}

/* Others that end the stream */

Test(gen_into, a_coordinator_closes_the_stream_and_they_have_completed)
{
	struct pipe pipe = pipe_open(&many);
	struct plan plans[GENERATORS];
	uint64_t sent = 0;
	int last;
	for (int i = 0; i < GENERATORS; i++) {
		plans[i] = (struct plan){ .send = i % 2 ? WITHOUT_END : 0 };
		start_into(pipe.scope, send_or_wait, &plans[i], leat_tx_clone(pipe.tx));
	}
	for (int i = 0; i < 100; i++)
		cr_assert_eq(leat_recv(pipe.rx, &sent), 1);
	leat_tx_close_all(pipe.tx);
	pipe.tx = NULL;
	cr_expect_eq(leat_scope_join(pipe.scope), 0);
	drain(pipe.rx, &last);
	cr_expect_eq(last, 0);
	expect_status(pipe.rx, LEAT_COMPLETED, 0, "");
	for (int i = 0; i < GENERATORS; i++)
		cr_expect_eq(plans[i].last, -EPIPE);
	pipe_close(&pipe);
}

Test(gen_into, is_abandoned_where_the_receivers_leave)
{
	struct pipe pipe = pipe_open(&many);
	struct plan plan = { .send = WITHOUT_END };
	start_into(pipe.scope, send_or_wait, &plan, pipe.tx);
	leat_rx_close(pipe.rx);
	cr_expect_eq(leat_scope_close(pipe.scope), 0);
	cr_expect_eq(plan.last, -EPIPE);
}

/* A generator that returns -ECANCELED has not failed where its scope is cancelled. */
static int sleep_in_its_scope(struct leat_tx *out, void *arg)
{
	leat_store_rel((uint32_t *)arg, own_tid());
	return leat_scope_sleep(leat_tx_scope(out), LEAT_NEVER);
}

Test(gen_into, a_cancelled_wait_is_no_failure_after_the_stream_has_ended)
{
	for (int all = 0; all < 2; all++) {
		struct pipe pipe = pipe_open(&many);
		uint32_t tid = 0;
		cr_assert_eq(leat_gen_into(pipe.scope, sleep_in_its_scope, &tid,
		                           leat_tx_clone(pipe.tx), NULL),
		             0);
		cr_assert(await_parked(&tid));
		if (all)
			leat_tx_close_all(pipe.tx);
		else
			leat_tx_close(pipe.tx);
		leat_rx_close(pipe.rx);
		leat_scope_cancel(pipe.scope, 0, "enough");
		cr_expect_eq(leat_scope_close(pipe.scope), 0, "all %d", all);
	}
}

/* Diagnostics */

static void find_generator(const struct leat_snapshot *snapshot, void *arg)
{
	uint64_t *chan_id = arg;
	for (size_t i = 0; i < snapshot->generators_count; i++)
		if (strcmp(snapshot->generators[i].name, "one") == 0)
			chan_id[1] = snapshot->generators[i].chan_id;
	for (size_t i = 0; i < snapshot->channels_count; i++)
		if (strcmp(snapshot->channels[i].name, "shared") == 0)
			chan_id[0] = snapshot->channels[i].id;
}

Test(gen_into, diagnostics_know_its_name_and_channel)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "shared" });
	struct leat_gen_opts opts = { .chan.name = "one" };
	struct plan plan = { 0 };
	uint64_t ids[2] = { 0 };
	struct leat_diag *diag;
	cr_assert_eq(leat_gen_into(pipe.scope, send_or_wait, &plan, pipe.tx, &opts), 0);
	pipe.tx = NULL;
	diag = leat_diag_start(
		&(struct leat_diag_opts){ .callback = find_generator, .callback_arg = ids });
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_neq(ids[0], 0);
	cr_expect_eq(ids[0], ids[1]);
	pipe_close(&pipe);
}
