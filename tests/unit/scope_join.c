/*
 * tests/unit/scope_join.c: join and close: what they wait for, what they answer, and from where.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runner.h"

TestSuite(scope_join, .timeout = 600);

Test(scope_join, join_waits_and_cancels_nothing)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runners[3] = { 0 };
	for (int i = 0; i < 3; i++) {
		start(scope, run_until_told, &runners[i]);
		cr_assert(await_word(&runners[i].started, 1));
	}
	for (int i = 0; i < 3; i++)
		leat_store_rel(&runners[i].go, 1u);
	cr_expect_eq(leat_scope_join(scope), 0);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(runners[i].ended, 1);
	expect_cause(scope, LEAT_RUNNING, 0, NULL);
	start(scope, run_until_told, &runners[0]);
	cr_expect_eq(leat_scope_join(scope), 0, "a scope can be used after a join");
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope_join, close_cancels_what_runs_and_waits_for_it)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .answer = -ECANCELED };
	start(scope, run_until_cancelled, &runner);
	cr_assert(await_word(&runner.started, 1));
	cr_expect_eq(runner.scope, scope);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(runner.ended, 1);
}

struct joiner {
	pthread_t thread;
	uint32_t tid;
	struct leat_scope *scope;
	int rc;
	struct runner *runner;
	uint32_t ended_at_return;
};

static void *join_scope(void *arg)
{
	struct joiner *joiner = arg;
	leat_store_rel(&joiner->tid, own_tid());
	joiner->rc = leat_scope_join(joiner->scope);
	joiner->ended_at_return = leat_load_acq(&joiner->runner->ended);
	return NULL;
}

Test(scope_join, join_parks_until_generators_of_child_scopes_are_gone)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL),
			  *grandchild = leat_scope_open(child, NULL);
	struct runner runner = { 0 };
	struct joiner joiners[3] = { 0 };
	start(grandchild, run_until_told, &runner);
	for (int i = 0; i < 3; i++) {
		joiners[i] = (struct joiner){ .scope = i == 2 ? child : root, .runner = &runner };
		cr_assert_eq(pthread_create(&joiners[i].thread, NULL, join_scope, &joiners[i]), 0);
	}
	for (int i = 0; i < 3; i++)
		cr_assert(await_parked(&joiners[i].tid));
	leat_store_rel(&runner.go, 1u);
	for (int i = 0; i < 3; i++) {
		pthread_join(joiners[i].thread, NULL);
		cr_expect_eq(joiners[i].rc, 0);
		cr_expect_eq(joiners[i].ended_at_return, 1);
	}
	leat_scope_close(grandchild);
	leat_scope_close(child);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope_join, close_waits_for_generators_of_child_scopes)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	struct runner runner = { .answer = -ECANCELED };
	start(child, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_close(root), 0);
	cr_expect_eq(runner.started, 1);
	cr_expect_eq(runner.ended, 1);
	cr_expect_eq(leat_scope_close(child), 0);
}

Test(scope_join, close_of_a_child_waits_while_its_parent_goes_on)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	struct runner in_child = { .answer = -ECANCELED }, in_root = { .answer = -ECANCELED };
	start(child, run_until_cancelled, &in_child);
	start(root, run_until_cancelled, &in_root);
	cr_expect_eq(leat_scope_close(child), 0);
	cr_expect_eq(in_child.ended, 1);
	cr_expect_eq(leat_load_acq(&in_root.ended), 0);
	expect_cause(root, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope_join, a_failing_task_is_the_cause)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int code = -EIO;
	start(scope, answer_with_words, &code);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	expect_cause(scope, LEAT_FAILED, -EIO, "the words");
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(scope_join, a_failing_task_cancels_its_siblings)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner sibling = { .answer = -ECANCELED };
	int code = -EIO;
	start(scope, run_until_cancelled, &sibling);
	start(scope, answer_with_words, &code);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	cr_expect_eq(sibling.ended, 1);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(scope_join, a_failing_task_of_a_child_leaves_the_parent_running)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	int code = -EIO;
	start(child, answer_at_once, &code);
	cr_expect_eq(leat_scope_join(child), -EIO);
	expect_cause(root, LEAT_RUNNING, 0, NULL);
	leat_scope_close(child);
	cr_expect_eq(leat_scope_close(root), 0);
}

/* The cause's code, else the first later failure, else 0. */
Test(scope_join, join_answers_a_later_failure_after_a_plain_cancel)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .answer = -EBADMSG };
	start(scope, run_until_cancelled, &runner);
	cr_assert(await_word(&runner.started, 1));
	leat_scope_cancel(scope, 0, "plain");
	cr_expect_eq(leat_scope_join(scope), -EBADMSG);
	expect_cause(scope, LEAT_CANCELED, 0, "plain");
	cr_expect_eq(leat_scope_close(scope), -EBADMSG);
}

Test(scope_join, close_answers_a_failure_that_its_own_cancel_brought_about)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .answer = -EBADMSG };
	start(scope, run_until_cancelled, &runner);
	cr_assert(await_word(&runner.started, 1));
	cr_expect_eq(leat_scope_close(scope), -EBADMSG);
}

Test(scope_join, a_code_of_the_cause_beats_later_failures)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .answer = -EBADMSG };
	start(scope, run_until_cancelled, &runner);
	cr_assert(await_word(&runner.started, 1));
	leat_scope_cancel(scope, -EPERM, "first");
	cr_expect_eq(leat_scope_join(scope), -EPERM);
	cr_expect_eq(leat_scope_close(scope), -EPERM);
}

Test(scope_join, a_later_cancel_with_a_code_is_a_later_failure)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	leat_scope_cancel(scope, 0, "plain");
	leat_scope_cancel(scope, -EIO, "later");
	cr_expect_eq(leat_scope_join(scope), -EIO);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

/* From inside */

static int join_and_close_inside(struct leat_tx *out, void *arg)
{
	struct runner *runner = arg;
	(void)out;
	while (leat_load_acq(&runner->go) == 0)
		sched_yield();
	runner->inner_join = leat_scope_join(runner->join);
	runner->inner_close = leat_scope_close(runner->close);
	return 0;
}

Test(scope_join, join_or_close_of_the_own_scope_is_a_deadlock)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .join = scope, .close = scope, .go = 1 };
	start(scope, join_and_close_inside, &runner);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(runner.inner_join, -EDEADLK);
	cr_expect_eq(runner.inner_close, -EDEADLK);
	expect_cause(scope, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope_join, join_or_close_of_a_parent_is_a_deadlock)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL),
			  *grandchild = leat_scope_open(child, NULL);
	struct runner runner = { .join = root, .close = child, .go = 1 };
	start(grandchild, join_and_close_inside, &runner);
	cr_expect_eq(leat_scope_join(root), 0);
	cr_expect_eq(runner.inner_join, -EDEADLK);
	cr_expect_eq(runner.inner_close, -EDEADLK);
	expect_cause(child, LEAT_RUNNING, 0, NULL);
	leat_scope_close(grandchild);
	leat_scope_close(child);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope_join, join_and_close_of_another_scope_from_inside_work)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL),
			  *child = leat_scope_open(scope, NULL),
			  *stranger = leat_scope_open(NULL, NULL);
	struct runner runner = {
		.join = child, .close = stranger, .go = 1, .inner_join = 1, .inner_close = 1
	};
	struct runner in_child = { .go = 1 };
	start(child, run_until_told, &in_child);
	start(scope, join_and_close_inside, &runner);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(runner.inner_join, 0);
	cr_expect_eq(runner.inner_close, 0);
	leat_scope_close(child);
	cr_expect_eq(leat_scope_close(scope), 0);
}

static int open_and_close_below(struct leat_tx *out, void *arg)
{
	struct runner *runner = arg;
	struct leat_scope *child = leat_scope_open(leat_tx_scope(out), NULL);
	struct runner inner = { .go = 1 };
	if (child == NULL || leat_gen(child, run_until_told, &inner, 0, NULL, NULL) != 0)
		return -EPROTO;
	runner->inner_close = leat_scope_close(child);
	runner->ended = inner.ended;
	return 0;
}

Test(scope_join, a_generator_may_open_a_scope_below_its_own_and_close_it)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .inner_close = 1 };
	start(scope, open_and_close_below, &runner);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(runner.inner_close, 0);
	cr_expect_eq(runner.ended, 1);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* Cancel against spawn: 0 and it runs exactly once, or -ECANCELED and it never runs. */

static int count_run(struct leat_tx *out, void *arg)
{
	(void)out;
	leat_add_acqrel((uint32_t *)arg, 1u);
	return 0;
}

struct spawner {
	pthread_t thread;
	struct leat_scope *scope;
	pthread_barrier_t *barrier;
	uint32_t runs, successes;
	int wrong;
};

static void *spawn_until_refused(void *arg)
{
	struct spawner *spawner = arg;
	int rc = 0;
	pthread_barrier_wait(spawner->barrier);
	for (int i = 0; i < 50 && rc == 0; i++) {
		struct leat_rx *rx = (struct leat_rx *)&rx;
		rc = leat_gen(spawner->scope, count_run, &spawner->runs, 8, NULL, &rx);
		if (rc == 0) {
			spawner->successes++;
			leat_rx_close(rx);
		} else {
			spawner->wrong += rc != -ECANCELED || rx != NULL;
		}
	}
	return NULL;
}

Test(scope_join, cancel_against_spawn)
{
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, 3);
	for (int round = 0; round < 100; round++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct spawner spawners[2];
		for (int i = 0; i < 2; i++) {
			spawners[i] = (struct spawner){ .scope = scope, .barrier = &barrier };
			cr_assert_eq(pthread_create(&spawners[i].thread, NULL, spawn_until_refused,
			                            &spawners[i]),
			             0);
		}
		pthread_barrier_wait(&barrier);
		for (int spin = 0; spin < round * 20; spin++)
			leat_pause();
		leat_scope_cancel(scope, 0, NULL);
		for (int i = 0; i < 2; i++)
			pthread_join(spawners[i].thread, NULL);
		cr_expect_eq(leat_scope_join(scope), 0);
		for (int i = 0; i < 2; i++) {
			cr_expect_eq(spawners[i].wrong, 0);
			cr_expect_eq(leat_load_acq(&spawners[i].runs), spawners[i].successes);
		}
		cr_expect_eq(leat_scope_close(scope), 0);
	}
	pthread_barrier_destroy(&barrier);
}

Test(scope_join, a_spawn_in_a_cancelled_scope_starts_nothing)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx = (struct leat_rx *)&rx;
	uint32_t runs = 0;
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_gen(scope, count_run, &runs, 8, NULL, &rx), -ECANCELED);
	cr_expect_null(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(runs, 0);
}

/* A generator in a scope of its own, with handles that outlive it. */
Test(scope_join, handles_held_over_the_close_of_a_running_generator)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .answer = -ECANCELED };
	struct leat_rx *rx;
	enum leat_cause cause;
	const char *text;
	cr_assert_eq(leat_gen(scope, run_until_cancelled, &runner, 8, NULL, &rx), 0);
	cr_assert(await_word(&runner.started, 1));
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED);
	cr_expect_eq(leat_rx_status(rx, &cause, NULL, &text), 0);
	cr_expect_eq(cause, LEAT_CANCELED);
	cr_expect_not_null(text);
	leat_rx_close(rx);
}

/* Join until a deadline */

Test(scope_join, join_until_ends_at_its_deadline_and_may_be_repeated)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { 0 };
	start(scope, run_until_told, &runner);
	const int64_t past[] = { 0, -1, INT64_MIN, leat_now_ns() };
	for (size_t i = 0; i < COUNT(past); i++)
		cr_expect_eq(leat_scope_join_until(scope, past[i]), -EAGAIN);
	int64_t deadline_ns = leat_now_ns() + 20 * MS;
	cr_expect_eq(leat_scope_join_until(scope, deadline_ns), -EAGAIN);
	cr_expect_geq(leat_now_ns(), deadline_ns);
	expect_cause(scope, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_load_acq(&runner.ended), 0);
	leat_store_rel(&runner.go, 1u);
	cr_expect_eq(leat_scope_join_until(scope, LEAT_NEVER), 0);
	cr_expect_eq(runner.ended, 1);
	cr_expect_eq(leat_scope_join_until(scope, 0), 0, "nothing runs, so there is no wait");
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope_join, join_until_answers_as_join_does)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int code = -EIO;
	start(scope, answer_at_once, &code);
	cr_expect_eq(leat_scope_join_until(scope, leat_now_ns() + PATIENCE_NS), -EIO);
	cr_expect_eq(leat_scope_join_until(scope, 0), -EIO);
	cr_expect_eq(leat_scope_join_until(NULL, 0), -EINVAL);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

static int join_own_scope_until(struct leat_tx *out, void *arg)
{
	int *answers = arg;
	answers[0] = leat_scope_join_until(leat_tx_scope(out), 0);
	answers[1] = leat_scope_join_until(leat_tx_scope(out), LEAT_NEVER);
	return 0;
}

Test(scope_join, join_until_of_the_own_scope_is_a_deadlock)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL);
	int answers[2] = { 0 };
	start(root, join_own_scope_until, answers);
	cr_expect_eq(leat_scope_join(root), 0);
	cr_expect_eq(answers[0], -EDEADLK);
	cr_expect_eq(answers[1], -EDEADLK);
	cr_expect_eq(leat_scope_close(root), 0);
}

/* A seq on a pool that joins a scope in which a task runs. */
struct step_joiner {
	struct leat_scope *scope;
	int64_t deadline_ns;
	int answer;
};

static int join_in_a_step(void *state, void *item)
{
	struct step_joiner *joiner = state;
	(void)item;
	joiner->answer = leat_scope_join_until(joiner->scope, joiner->deadline_ns);
	return 0;
}

Test(scope_join, join_until_in_a_step_polls_but_does_not_wait)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL), *own = leat_scope_open(NULL, NULL);
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct runner runner = { 0 };
	const int64_t deadlines[] = { 0, LEAT_NEVER };
	const int answers[] = { -EAGAIN, -EDEADLK };
	start(scope, run_until_told, &runner);
	for (int i = 0; i < 2; i++) {
		struct step_joiner joiner = { .scope = scope, .deadline_ns = deadlines[i] };
		struct leat_seq seq = { .next = join_in_a_step, .state = &joiner, .item_size = 8 };
		struct leat_rx *rx;
		uint64_t item;
		cr_assert_eq(leat_gen_seq(own, seq, &(struct leat_gen_opts){ .pool = pool }, &rx),
		             0);
		cr_expect_eq(leat_recv(rx, &item), 0);
		leat_rx_close(rx);
		cr_expect_eq(joiner.answer, answers[i], "%d", joiner.answer);
	}
	leat_store_rel(&runner.go, 1u);
	cr_expect_eq(leat_scope_close(own), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}
