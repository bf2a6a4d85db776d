/*
 * tests/unit/gen.c: generators and tasks: how they start, what they return, and what is told of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "plan.h"

#include <signal.h>
#include <sys/resource.h>

TestSuite(gen, .timeout = 600);

/* Starting */

Test(gen, runs_and_completes)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = 3000 };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	uint64_t next = 0;
	leat_for(uint64_t, n, rx)
		cr_expect_eq(n, next++);
	cr_expect_eq(next, 3000);
	expect_status(rx, LEAT_COMPLETED, 0, NULL);
	cr_expect_eq(plan.scope, scope);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING,
	             "completing cancels nothing");
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(plan.runs, 1);
}

static int gen_answer(struct leat_scope *scope, leat_gen_fn *fn, size_t item_size,
                      const struct leat_gen_opts *opts)
{
	struct plan plan = { 0 };
	struct leat_rx *rx = (struct leat_rx *)&rx;
	int rc = leat_gen(scope, fn, &plan, item_size, opts, &rx);
	if (rc != 0) {
		cr_expect_null(rx);
		cr_expect_eq(leat_load_acq(&plan.runs), 0);
	} else {
		leat_rx_close(rx);
		leat_scope_join(scope);
	}
	return rc;
}

Test(gen, bad_arguments_are_refused)
{
	struct leat_scope *scope = scope_open();
	struct leat_rx *rx = (struct leat_rx *)&rx;
	char name[65];
	memset(name, 'g', sizeof(name));
	name[64] = '\0';
	cr_expect_eq(gen_answer(NULL, follow_plan, 8, NULL), -EINVAL);
	cr_expect_eq(gen_answer(scope, NULL, 8, NULL), -EINVAL);
	cr_expect_eq(gen_answer(scope, follow_plan, 0, NULL), -EINVAL, "a task with a receiver");
	cr_expect_eq(leat_gen(scope, follow_plan, NULL, 8, NULL, NULL), -EINVAL,
	             "items without a receiver");
	cr_expect_eq(
		gen_answer(scope, follow_plan, 8, &(struct leat_gen_opts){ .chan.name = name }),
		-EINVAL);
	cr_expect_eq(gen_answer(scope, follow_plan, 8,
	                        &(struct leat_gen_opts){ .chan.kind = (enum leat_kind)9 }),
	             -EINVAL);
	cr_expect_eq(gen_answer(scope, follow_plan, 8,
	                        &(struct leat_gen_opts){ .chan.send_wait = (enum leat_wait)9 }),
	             -EINVAL);
	cr_expect_eq(
		gen_answer(scope, follow_plan, 8, &(struct leat_gen_opts){ .chan.reserved[6] = 1 }),
		-EINVAL);
	for (size_t i = 0; i < COUNT(((struct leat_gen_opts *)0)->reserved); i++) {
		struct leat_gen_opts opts = { 0 };
		opts.reserved[i] = 1;
		cr_expect_eq(gen_answer(scope, follow_plan, 8, &opts), -EINVAL, "reserved[%zu]", i);
	}
	int rc = gen_answer(scope, follow_plan, SIZE_MAX, NULL);
	cr_expect(rc == -EINVAL || rc == -ENOMEM, "%d", rc);
	name[63] = '\0';
	cr_expect_eq(
		gen_answer(scope, follow_plan, 8, &(struct leat_gen_opts){ .chan.name = name }), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

struct finished {
	uint32_t runs, finis;
	int answer;
	bool run_first;
};

static int note_run(struct leat_tx *out, void *arg)
{
	struct finished *f = arg;
	leat_add_acqrel(&f->runs, 1u);
	return f->answer != 0 ? leat_tx_fail(out, f->answer, "no luck") : 0;
}

static void note_fini(void *arg)
{
	struct finished *f = arg;
	f->run_first = leat_load_acq(&f->runs) == 1;
	leat_add_acqrel(&f->finis, 1u);
}

Test(gen, fini_runs_once_before_the_end_is_seen)
{
	for (int failing = 0; failing < 2; failing++) {
		struct leat_scope *scope = scope_open();
		struct finished f = { .answer = failing ? -EIO : 0 };
		struct leat_gen_opts opts = { .fini = note_fini };
		struct leat_rx *rx;
		uint64_t item;
		cr_assert_eq(leat_gen(scope, note_run, &f, 8, &opts, &rx), 0);
		cr_expect_eq(leat_recv(rx, &item), 0);
		cr_expect_eq(leat_load_acq(&f.finis), 1);
		cr_expect(f.run_first);
		expect_status(rx, failing ? LEAT_FAILED : LEAT_COMPLETED, f.answer,
		              failing ? "no luck" : "");
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), f.answer);
	}
}

Test(gen, fini_of_a_task_runs_before_a_join_returns)
{
	struct leat_scope *scope = scope_open();
	struct finished f = { .runs = 0 };
	struct leat_gen_opts opts = { .fini = note_fini };
	cr_assert_eq(leat_gen(scope, note_run, &f, 0, &opts, NULL), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(f.finis, 1);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_gen(scope, note_run, &f, 0, &opts, NULL), -ECANCELED);
	cr_expect_eq(f.finis, 1, "arg is still the caller's");
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, fini_is_for_functions_alone)
{
	struct leat_scope *scope = scope_open();
	struct leat_gen_opts opts = { .fini = note_fini };
	struct leat_tx *tx;
	struct leat_rx *in, *rx = NULL;
	cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &in), 0);
	cr_expect_eq(leat_gen_seq(scope, leat_seq_from_rx(in), &opts, &rx), -EINVAL);
	leat_rx_close(in);
	leat_tx_close(tx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

static int read_affinity(struct leat_tx *out, void *arg)
{
	unsigned long *mask = arg;
	(void)out;
	memset(mask, 0, 128);
	return syscall(SYS_sched_getaffinity, 0, 128, mask) > 0 ? 0 : -EIO;
}

Test(gen, pin_keeps_the_thread_on_its_processor)
{
	struct leat_scope *scope = scope_open();
	unsigned long mask[16] = { 0 };
	struct leat_gen_opts opts = { .pin = LEAT_PIN(0) };
	cr_assert_eq(leat_gen(scope, read_affinity, mask, 0, &opts, NULL), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(mask[0], 1);
	for (int i = 1; i < 16; i++)
		cr_expect_eq(mask[i], 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, pin_to_no_processor_is_refused)
{
	static const unsigned pins[] = { LEAT_PIN(1000000), LEAT_PIN(1023), LEAT_PIN(1024),
		                         UINT32_MAX };
	struct leat_scope *scope = scope_open();
	for (size_t i = 0; i < COUNT(pins); i++) {
		cr_expect_eq(gen_answer(scope, follow_plan, 8,
		                        &(struct leat_gen_opts){ .pin = pins[i] }),
		             -EINVAL, "%u", pins[i]);
		cr_expect_eq(gen_answer(scope, follow_plan, 8, NULL), 0, "the scope is as before");
	}
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, thread_bears_the_first_15_bytes_of_its_name)
{
	struct leat_scope *scope = scope_open();
	struct leat_gen_opts opts = { .chan.name = "a-generator-of-many-items" };
	struct plan plan = { .go = 0 };
	char comm[32] = "";
	cr_assert_eq(leat_gen(scope, wait_then_follow_plan, &plan, 0, &opts, NULL), 0);
	cr_assert(await_word(&plan.started, 1));
	cr_assert(read_task(plan.tid, "comm", comm, sizeof(comm)));
	cr_expect_str_eq(comm, "a-generator-of-\n");
	leat_store_rel(&plan.go, 1u);
	leat_scope_close(scope);
}

static int read_signal_mask(struct leat_tx *out, void *arg)
{
	(void)out;
	return pthread_sigmask(SIG_SETMASK, NULL, arg) == 0 ? 0 : -EIO;
}

Test(gen, thread_blocks_all_signals)
{
	struct leat_scope *scope = scope_open();
	sigset_t mask, own_before, own_after;
	sigemptyset(&mask);
	pthread_sigmask(SIG_SETMASK, NULL, &own_before);
	cr_assert_eq(leat_gen(scope, read_signal_mask, &mask, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	static const int blocked[] = { SIGINT,  SIGTERM, SIGHUP,  SIGUSR1, SIGUSR2,
		                       SIGALRM, SIGCHLD, SIGPIPE, SIGWINCH };
	for (size_t i = 0; i < COUNT(blocked); i++)
		cr_expect_eq(sigismember(&mask, blocked[i]), 1, "signal %d", blocked[i]);
	pthread_sigmask(SIG_SETMASK, NULL, &own_after);
	for (size_t i = 0; i < COUNT(blocked); i++)
		cr_expect_eq(sigismember(&own_before, blocked[i]),
		             sigismember(&own_after, blocked[i]));
	leat_scope_close(scope);
}

/* What it returns */

Test(gen, zero_is_completed_even_when_nobody_receives)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { 0 };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	int last;
	cr_expect_eq(drain(rx, &last), 0);
	cr_expect_eq(last, 0);
	expect_status(rx, LEAT_COMPLETED, 0, NULL);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, epipe_is_abandoned_when_nobody_receives)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	uint64_t got;
	leat_recv(rx, &got);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(plan.last, -EPIPE);
	cr_expect(plan.done);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING, "no failure");
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, epipe_is_a_failure_while_somebody_receives)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = 2, .answer = -EPIPE };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	int last;
	cr_expect_eq(leat_scope_join(scope), -EPIPE);
	cr_expect_eq(drain(rx, &last), 2);
	cr_expect_eq(last, 0);
	expect_status(rx, LEAT_FAILED, -EPIPE, NULL);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EPIPE);
}

Test(gen, ecanceled_is_the_scopes_cause_when_cancelled)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	leat_scope_cancel(scope, -EIO, "the reason");
	cr_expect_eq(leat_scope_join(scope), -EIO);
	cr_expect_eq(plan.last, -ECANCELED);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED);
	expect_status(rx, LEAT_FAILED, -EIO, "the reason");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(gen, ecanceled_after_a_plain_cancel_is_canceled)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	leat_scope_cancel(scope, 0, "enough");
	cr_expect_eq(leat_scope_join(scope), 0);
	expect_status(rx, LEAT_CANCELED, 0, "enough");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, ecanceled_is_a_failure_when_not_cancelled)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = 2, .answer = -ECANCELED };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	int last;
	cr_expect_eq(leat_scope_join(scope), -ECANCELED);
	cr_expect_eq(drain(rx, &last), 2);
	cr_expect_eq(last, 0);
	expect_status(rx, LEAT_FAILED, -ECANCELED, NULL);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_FAILED);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ECANCELED);
}

/* What its own channel did not answer is a failure, whatever has happened to it. */
Test(gen, ecanceled_is_a_failure_when_abandoned)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .answer = -ECANCELED };
	leat_rx_close(start(scope, wait_then_follow_plan, &plan));
	leat_store_rel(&plan.go, 1u);
	cr_expect_eq(leat_scope_join(scope), -ECANCELED);
	cr_expect_eq(leat_scope_close(scope), -ECANCELED);
}

Test(gen, epipe_is_a_later_failure_when_cancelled)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .answer = -EPIPE };
	struct leat_rx *rx = start(scope, wait_then_follow_plan, &plan);
	leat_scope_cancel(scope, 0, "plain");
	leat_store_rel(&plan.go, 1u);
	cr_expect_eq(leat_scope_join(scope), -EPIPE);
	expect_status(rx, LEAT_FAILED, -EPIPE, NULL);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EPIPE);
}

Test(gen, another_code_while_abandoned_is_a_failure)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .answer = -EIO, .words = "while closing" };
	const char *text;
	leat_rx_close(start(scope, wait_then_follow_plan, &plan));
	leat_store_rel(&plan.go, 1u);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	cr_expect_eq(leat_scope_cause(scope, NULL, &text), LEAT_FAILED);
	cr_expect_str_eq(text, "while closing");
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(gen, a_positive_value_is_einval)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = 1, .answer = 5 };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	int last;
	cr_expect_eq(leat_scope_join(scope), -EINVAL);
	cr_expect_eq(drain(rx, &last), 1);
	expect_status(rx, LEAT_FAILED, -EINVAL, NULL);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EINVAL);
}

/* Words */

Test(gen, tx_fail_answers_its_code)
{
	struct pipe pipe = pipe_open(NULL);
	cr_expect_eq(leat_tx_fail(NULL, -EIO, "x"), -EINVAL);
	cr_expect_eq(leat_tx_fail(pipe.tx, 0, "x"), -EINVAL);
	cr_expect_eq(leat_tx_fail(pipe.tx, 5, "x"), -EINVAL);
	cr_expect_eq(leat_tx_fail(pipe.tx, -EIO, "x"), -EIO);
	cr_expect_eq(leat_tx_fail(pipe.tx, -EPERM, NULL), -EPERM);
	pipe_close(&pipe);
}

Test(gen, words_on_a_plain_channel_make_its_end_a_failure)
{
	struct pipe pipe = pipe_open(NULL);
	char words[200];
	const char *text;
	memset(words, 'w', sizeof(words));
	words[199] = '\0';
	leat_send(pipe.tx, &(uint64_t){ 1 });
	leat_tx_fail(pipe.tx, -EIO, words);
	leat_tx_fail(pipe.tx, -EPERM, "later words");
	cr_expect_eq(leat_rx_status(pipe.rx, NULL, NULL, NULL), -EAGAIN);
	leat_tx_close(pipe.tx);
	cr_expect_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), 1);
	cr_expect_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), 0);
	expect_status(pipe.rx, LEAT_FAILED, -EIO, NULL);
	leat_rx_status(pipe.rx, NULL, NULL, &text);
	cr_expect_eq(strlen(text), 127);
	cr_expect_str_eq(text + 124, "...");
	cr_expect_eq(leat_scope_cause(pipe.scope, NULL, NULL), LEAT_RUNNING);
	pipe.tx = NULL;
	pipe_close(&pipe);
}

static int fail_twice(struct leat_tx *out, void *arg)
{
	(void)arg;
	leat_tx_fail(out, -EIO, "first words");
	return leat_tx_fail(out, -EIO, "second words");
}

Test(gen, the_first_words_are_kept)
{
	struct leat_scope *scope = scope_open();
	struct leat_rx *rx = start(scope, fail_twice, NULL);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 0);
	expect_status(rx, LEAT_FAILED, -EIO, "first words");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

static int words_but_no_failure(struct leat_tx *out, void *arg)
{
	(void)arg;
	leat_tx_fail(out, -EIO, "thought better of it");
	return 0;
}

Test(gen, words_count_only_with_a_failure)
{
	struct leat_scope *scope = scope_open();
	struct leat_rx *rx = start(scope, words_but_no_failure, NULL);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 0);
	expect_status(rx, LEAT_COMPLETED, 0, "");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* Status */

Test(gen, status_is_eagain_before_the_end)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = 1 };
	struct leat_rx *rx = start(scope, wait_then_follow_plan, &plan);
	enum leat_cause cause = LEAT_RUNNING;
	cr_expect_eq(leat_rx_status(rx, &cause, NULL, NULL), -EAGAIN);
	cr_expect_eq(leat_rx_status(NULL, &cause, NULL, NULL), -EINVAL);
	leat_store_rel(&plan.go, 1u);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 1);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 0);
	cr_expect_eq(leat_rx_status(rx, NULL, NULL, NULL), 0);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, status_of_a_plain_channel_is_its_senders)
{
	struct pipe pipe = pipe_open(NULL), cancelled = pipe_open(NULL);
	cr_expect_eq(leat_rx_status(pipe.rx, NULL, NULL, NULL), -EAGAIN);
	leat_tx_close(pipe.tx);
	expect_status(pipe.rx, LEAT_COMPLETED, 0, "");
	leat_scope_cancel(cancelled.scope, 0, "words");
	expect_status(cancelled.rx, LEAT_CANCELED, 0, "words");
	pipe.tx = NULL;
	pipe_close(&pipe);
	pipe_close(&cancelled);
}

/* After its scope is closed, and freed, the text is still to be had. */
Test(gen, status_text_lives_as_long_as_the_receiver)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	const char *text;
	leat_scope_cancel(scope, -EIO, "kept for the receiver");
	cr_expect_eq(leat_scope_close(scope), -EIO);
	cr_expect_eq(leat_rx_status(rx, NULL, NULL, &text), 0);
	cr_expect_str_eq(text, "kept for the receiver");
	leat_rx_close(rx);
}

Test(gen, status_text_of_a_plain_channel_lives_as_long_as_the_receiver)
{
	struct pipe pipe = pipe_open(NULL);
	const char *text;
	leat_scope_cancel(pipe.scope, -EIO, "kept");
	cr_expect_eq(leat_rx_status(pipe.rx, NULL, NULL, &text), 0);
	leat_tx_close(pipe.tx);
	cr_expect_eq(leat_scope_close(pipe.scope), -EIO);
	cr_expect_str_eq(text, "kept");
	leat_rx_close(pipe.rx);
}

/* Tasks */

static int try_to_send(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	void *room;
	plan->scope = leat_tx_scope(out);
	plan->done = leat_tx_done(out);
	plan->last = leat_send(out, &(uint64_t){ 1 });
	if (leat_try_send(out, "x") >= 0 || leat_reserve(out, 1, &room) >= 0 ||
	    leat_send_batch(out, "x", 1) > 0)
		plan->last = 0;
	plan->clone = leat_tx_clone(out);
	return 0;
}

Test(gen, a_task_runs_and_cannot_send)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { 0 };
	cr_assert_eq(leat_gen(scope, try_to_send, &plan, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(plan.scope, scope);
	cr_expect_not(plan.done);
	cr_expect_lt(plan.last, 0);
	cr_expect_null(plan.clone);
	cr_expect_eq(leat_scope_close(scope), 0);
}

static int task_until_done(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	leat_add_acqrel(&plan->started, 1u);
	while (!leat_tx_done(out))
		sched_yield();
	return plan->answer;
}

Test(gen, a_task_hears_of_a_cancel)
{
	static const int answers[] = { 0, -ECANCELED };
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct leat_scope *scope = scope_open();
		struct plan plan = { .answer = answers[i] };
		cr_assert_eq(leat_gen(scope, task_until_done, &plan, 0, NULL, NULL), 0);
		cr_assert(await_word(&plan.started, 1));
		leat_scope_cancel(scope, 0, NULL);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(gen, a_tasks_epipe_is_a_failure)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .answer = -EPIPE };
	cr_assert_eq(leat_gen(scope, follow_plan, &plan, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_join(scope), -EPIPE);
	cr_expect_eq(leat_scope_close(scope), -EPIPE);
}

/* Many */

Test(gen, two_thousand_one_after_another_leave_no_threads)
{
	struct leat_scope *scope = scope_open();
	int most = 0, before = census_threads();
	for (int i = 0; i < 2000; i++) {
		struct plan plan = { .send = 2 };
		struct leat_rx *rx = start(scope, follow_plan, &plan);
		int last;
		cr_assert_eq(drain(rx, &last), 2);
		cr_assert_eq(last, 0);
		leat_rx_close(rx);
		/*
		 * plan is this round's: the function is past its last use of it, as its channel has
		 * ended
		 */
		if (i % 100 == 99 && census_threads() > most)
			most = census_threads();
	}
	cr_expect_leq(most, before + 20, "%d threads at once, of generators that ended", most);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect(census_settles_at(before));
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, sixty_at_once_leave_no_threads)
{
	struct leat_scope *scope = scope_open();
	static struct plan plans[60];
	int before = census_threads();
	struct leat_rx *rx[60];
	for (int i = 0; i < 60; i++) {
		plans[i] = (struct plan){ .send = WITHOUT_END, .answer = LAST_SEND };
		rx[i] = start(scope, follow_plan, &plans[i]);
	}
	for (int i = 0; i < 60; i++)
		cr_expect_eq(leat_recv(rx[i], &(uint64_t){ 0 }), 1);
	for (int i = 0; i < 60; i += 2)
		leat_rx_close(rx[i]);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect(census_settles_at(before), "close waited for every thread");
	for (int i = 1; i < 60; i += 2)
		leat_rx_close(rx[i]);
}

static int start_another(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	struct leat_rx *rx;
	int rc = leat_gen(leat_tx_scope(out), follow_plan, plan, 8, NULL, &rx), last;
	if (rc != 0)
		return rc;
	plan->last = (int)drain(rx, &last);
	leat_rx_close(rx);
	return last;
}

Test(gen, a_generator_may_start_another_in_its_scope)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = 7 };
	cr_assert_eq(leat_gen(scope, start_another, &plan, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(plan.runs, 1);
	cr_expect_eq(plan.last, 7);
	cr_expect_eq(leat_scope_close(scope), 0);
}

static int cancel_own_scope(struct leat_tx *out, void *arg)
{
	int *seen = arg;
	leat_scope_cancel(leat_tx_scope(out), 0, "from inside");
	*seen = leat_send(out, &(uint64_t){ 0 });
	return *seen;
}

Test(gen, a_generator_may_cancel_its_scope)
{
	struct leat_scope *scope = scope_open();
	int seen = 0;
	struct leat_rx *rx = NULL;
	cr_assert_eq(leat_gen(scope, cancel_own_scope, &seen, 8, NULL, &rx), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(seen, -ECANCELED);
	expect_status(rx, LEAT_CANCELED, 0, "from inside");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(gen, compound_literals_are_arguments)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = 3 };
	struct leat_rx *rx;
	int last;
	cr_assert_eq(leat_gen(scope, follow_plan, &plan, 8,
	                      &(struct leat_gen_opts){ .chan = { .name = "a", .capacity = 2 } },
	                      &rx),
	             0);
	cr_expect_eq(drain(rx, &last), 3);
	leat_rx_close(rx);
	cr_expect_eq((leat_gen)(scope, follow_plan, &plan, 8, NULL, &rx), 0,
	             "the function behind the macro");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}
