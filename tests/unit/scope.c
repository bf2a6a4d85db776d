/*
 * tests/unit/scope.c: the cancellation tree, causes, join and close.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <signal.h>

TestSuite(scope, .init = census_take, .fini = census_check, .timeout = 120);

static void expect_cause(const struct leat_scope *scope, enum leat_cause want, int want_code, const char *want_text)
{
	int code = 4711;
	const char *text = NULL;
	enum leat_cause cause = leat_scope_cause(scope, &code, &text);
	cr_expect_eq(cause, want, "cause %d", cause);
	cr_expect_eq(code, want_code, "code %d", code);
	cr_assert_not_null(text);
	if (want_text != NULL)
		cr_expect_str_eq(text, want_text);
}

/* A generator that runs until it is stopped, and says that it started. */
struct runner {
	uint32_t tid, started, ended, go;
	struct leat_scope *scope;
	int answer, inner_join, inner_close;
	struct leat_scope *join, *close;
};

static int run_until_cancelled(struct leat_tx *out, void *arg)
{
	struct runner *runner = arg;
	runner->scope = leat_tx_scope(out);
	leat_store_rel(&runner->tid, own_tid());
	leat_add_acqrel(&runner->started, 1u);
	while (!leat_tx_done(out))
		sched_yield();
	leat_add_acqrel(&runner->ended, 1u);
	return runner->answer;
}

static int run_until_told(struct leat_tx *out, void *arg)
{
	struct runner *runner = arg;
	(void)out;
	leat_store_rel(&runner->tid, own_tid());
	leat_add_acqrel(&runner->started, 1u);
	while (leat_load_acq(&runner->go) == 0)
		sched_yield();
	leat_add_acqrel(&runner->ended, 1u);
	return runner->answer;
}

static int answer_at_once(struct leat_tx *out, void *arg)
{
	(void)out;
	return *(int *)arg;
}

static int answer_with_words(struct leat_tx *out, void *arg)
{
	return leat_tx_fail(out, *(int *)arg, "the words");
}

static void start(struct leat_scope *scope, leat_gen_fn *fn, void *arg)
{
	cr_assert_eq(leat_gen(scope, fn, arg, 0, NULL, NULL), 0);
}

/* Opening */

Test(scope, opens_running_and_closes_with_0)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	cr_assert_not_null(scope);
	expect_cause(scope, LEAT_RUNNING, 0, "");
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope, zeroed_options_mean_the_defaults)
{
	struct leat_scope *scope = leat_scope_open(NULL, &(struct leat_scope_opts){ 0 });
	expect_cause(scope, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope, name_may_have_63_bytes)
{
	char name[65];
	memset(name, 's', sizeof(name));
	name[63] = '\0';
	struct leat_scope *scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .name = name });
	cr_assert_not_null(scope);
	cr_expect_eq(leat_scope_close(scope), 0);
	name[63] = 's';
	name[64] = '\0';
	cr_expect_null(leat_scope_open(NULL, &(struct leat_scope_opts){ .name = name }));
}

Test(scope, each_reserved_word_must_be_zero)
{
	for (int i = 0; i < 8; i++) {
		struct leat_scope_opts opts = { 0 };
		opts.reserved[i] = 1;
		cr_expect_null(leat_scope_open(NULL, &opts), "reserved[%d]", i);
	}
}

Test(scope, null_is_an_invalid_argument)
{
	cr_expect_eq(leat_scope_join(NULL), -EINVAL);
	cr_expect_eq(leat_scope_close(NULL), 0);
}

/* What cannot be an error stops the program. */
Test(scope, cancel_of_null_stops_the_program, .signal = SIGABRT)
{
	leat_scope_cancel(NULL, 0, NULL);
}

Test(scope, cause_of_null_stops_the_program, .signal = SIGABRT)
{
	leat_scope_cause(NULL, NULL, NULL);
}

/* Causes */

Test(scope, a_plain_cancel_is_canceled)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	leat_scope_cancel(scope, 0, "market closed");
	expect_cause(scope, LEAT_CANCELED, 0, "market closed");
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope, a_cancel_with_a_code_is_a_failure)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	leat_scope_cancel(scope, -EIO, "disk gone");
	expect_cause(scope, LEAT_FAILED, -EIO, "disk gone");
	cr_expect_eq(leat_scope_join(scope), -EIO);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(scope, a_cancel_needs_no_text)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	leat_scope_cancel(scope, -ENOSPC, NULL);
	expect_cause(scope, LEAT_FAILED, -ENOSPC, NULL);
	cr_expect_eq(leat_scope_close(scope), -ENOSPC);
}

Test(scope, a_positive_code_stops_the_program, .signal = SIGABRT)
{
	leat_scope_cancel(leat_scope_open(NULL, NULL), EIO, "positive");
}

Test(scope, the_first_cause_is_kept)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	leat_scope_cancel(scope, 0, "first");
	leat_scope_cancel(scope, -EIO, "second");
	leat_scope_cancel(scope, 0, "third");
	expect_cause(scope, LEAT_CANCELED, 0, "first");
	leat_scope_close(scope);
}

Test(scope, a_text_of_127_bytes_is_kept_whole)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	char text[128];
	memset(text, 'a', 127);
	text[127] = '\0';
	leat_scope_cancel(scope, -EIO, text);
	memset(text, 'b', 5);
	const char *kept;
	leat_scope_cause(scope, NULL, &kept);
	cr_expect_eq(strlen(kept), 127);
	cr_expect_eq(strspn(kept, "a"), 127, "copied, and not cut");
	leat_scope_close(scope);
}

Test(scope, a_longer_text_is_cut_visibly)
{
	for (size_t length = 128; length < 400; length += 90) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		char text[512];
		const char *kept;
		memset(text, 'x', length);
		text[length] = '\0';
		leat_scope_cancel(scope, -EIO, text);
		leat_scope_cause(scope, NULL, &kept);
		cr_expect_eq(strlen(kept), 127);
		cr_expect_str_eq(kept + 124, "...");
		cr_expect_eq(strspn(kept, "x"), 124);
		leat_scope_close(scope);
	}
}

Test(scope, the_text_lives_as_long_as_the_scope_is_open)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	const char *kept;
	leat_scope_cancel(scope, -EIO, "kept");
	leat_scope_cause(scope, NULL, &kept);
	leat_scope_cancel(scope, -EPERM, "other");
	leat_scope_join(scope);
	cr_expect_str_eq(kept, "kept");
	leat_scope_close(scope);
}

struct canceller {
	pthread_t thread;
	struct leat_scope *scope;
	pthread_barrier_t *barrier;
	int code;
	int seen_code;
	char seen_text[128];
};

static void *cancel_with_code(void *arg)
{
	struct canceller *canceller = arg;
	char text[32];
	const char *kept;
	snprintf(text, sizeof(text), "number %d", -canceller->code);
	pthread_barrier_wait(canceller->barrier);
	leat_scope_cancel(canceller->scope, canceller->code, text);
	leat_scope_cause(canceller->scope, &canceller->seen_code, &kept);
	snprintf(canceller->seen_text, sizeof(canceller->seen_text), "%s", kept);
	return NULL;
}

Test(scope, one_of_many_racing_cancels_wins_with_its_own_text)
{
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, 6);
	for (int round = 0; round < 200; round++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct canceller cancellers[6];
		int code;
		const char *text;
		char want[32];
		for (int i = 0; i < 6; i++) {
			cancellers[i] = (struct canceller){ .scope = scope, .barrier = &barrier, .code = -(i + 1) };
			cr_assert_eq(pthread_create(&cancellers[i].thread, NULL, cancel_with_code, &cancellers[i]), 0);
		}
		for (int i = 0; i < 6; i++)
			pthread_join(cancellers[i].thread, NULL);
		cr_expect_eq(leat_scope_cause(scope, &code, &text), LEAT_FAILED);
		snprintf(want, sizeof(want), "number %d", -code);
		cr_expect_str_eq(text, want);
		for (int i = 0; i < 6; i++) {
			cr_expect_eq(cancellers[i].seen_code, code, "after its cancel returned, each sees the winner");
			cr_expect_str_eq(cancellers[i].seen_text, want);
		}
		cr_expect_eq(leat_scope_close(scope), code);
	}
	pthread_barrier_destroy(&barrier);
}

/* The tree */

Test(scope, a_cause_is_inherited_downwards)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL),
			  *grandchild = leat_scope_open(child, NULL);
	leat_scope_cancel(root, -EIO, "from above");
	expect_cause(child, LEAT_FAILED, -EIO, "from above");
	expect_cause(grandchild, LEAT_FAILED, -EIO, "from above");
	cr_expect_eq(leat_scope_close(grandchild), -EIO);
	cr_expect_eq(leat_scope_close(child), -EIO);
	cr_expect_eq(leat_scope_close(root), -EIO);
}

Test(scope, a_cause_is_not_inherited_upwards_or_sideways)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL),
			  *sibling = leat_scope_open(root, NULL);
	leat_scope_cancel(child, -EIO, "below");
	expect_cause(root, LEAT_RUNNING, 0, NULL);
	expect_cause(sibling, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_scope_close(child), -EIO);
	cr_expect_eq(leat_scope_close(sibling), 0);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope, a_child_keeps_its_own_earlier_cause)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	leat_scope_cancel(child, -EPERM, "own");
	leat_scope_cancel(root, -EIO, "from above");
	expect_cause(child, LEAT_FAILED, -EPERM, "own");
	expect_cause(root, LEAT_FAILED, -EIO, "from above");
	leat_scope_close(child);
	leat_scope_close(root);
}

Test(scope, a_child_of_a_cancelled_parent_opens_cancelled)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL);
	struct leat_tx *tx;
	struct leat_rx *rx;
	int answer = 0;
	leat_scope_cancel(root, -EIO, "before");
	struct leat_scope *child = leat_scope_open(root, NULL);
	cr_assert_not_null(child);
	expect_cause(child, LEAT_FAILED, -EIO, "before");
	cr_expect_eq(leat_chan_open(child, 8, NULL, &tx, &rx), -ECANCELED);
	cr_expect_eq(leat_gen(child, answer_at_once, &answer, 0, NULL, NULL), -ECANCELED);
	leat_scope_close(child);
	leat_scope_close(root);
}

Test(scope, a_child_that_outlives_its_parent_is_open_and_cancelled)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL), *grandchild;
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(child, 8, NULL, &tx, &rx), 0);
	cr_expect_eq(leat_scope_close(root), 0);
	expect_cause(child, LEAT_CANCELED, 0, NULL);
	cr_expect_eq(leat_send(tx, &(uint64_t){ 1 }), -ECANCELED);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 1 }), -ECANCELED);
	grandchild = leat_scope_open(child, NULL);
	cr_assert_not_null(grandchild);
	expect_cause(grandchild, LEAT_CANCELED, 0, NULL);
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_join(child), 0);
	cr_expect_eq(leat_scope_close(grandchild), 0);
	cr_expect_eq(leat_scope_close(child), 0);
}

Test(scope, handles_of_a_closed_scope_live_on_cancelled)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tx *tx, *tx_clone;
	struct leat_rx *rx, *rx_clone;
	cr_assert_eq(leat_chan_open(scope, 8, &(struct leat_chan_opts){ .kind = LEAT_MPMC }, &tx, &rx), 0);
	leat_send(tx, &(uint64_t){ 1 });
	cr_expect_eq(leat_scope_close(scope), 0);
	tx_clone = leat_tx_clone(tx);
	rx_clone = leat_rx_clone(rx);
	cr_assert_not_null(tx_clone);
	cr_assert_not_null(rx_clone);
	cr_expect_eq(leat_send(tx_clone, &(uint64_t){ 1 }), -ECANCELED);
	cr_expect_eq(leat_recv(rx_clone, &(uint64_t){ 1 }), -ECANCELED);
	cr_expect(leat_tx_done(tx));
	leat_tx_close(tx);
	leat_tx_close(tx_clone);
	leat_rx_close(rx);
	leat_rx_close(rx_clone);
}

/* One scope, many children, a deep tree: cancel reaches all, and closing in any order frees all. */
Test(scope, cancel_reaches_a_wide_and_deep_tree)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *all[200];
	for (int i = 0; i < 200; i++)
		all[i] = leat_scope_open(i % 10 == 0 ? root : all[i - 1], NULL);
	leat_scope_cancel(root, -EIO, "root");
	for (int i = 0; i < 200; i++)
		expect_cause(all[i], LEAT_FAILED, -EIO, "root");
	cr_expect_eq(leat_scope_close(root), -EIO);
	for (int i = 0; i < 200; i++)
		cr_expect_eq(leat_scope_close(all[i * 7 % 200]), -EIO);
}

struct racer {
	pthread_t thread;
	struct leat_scope *root;
	pthread_barrier_t *barrier;
	int wrong;
};

static void *open_and_close_children(void *arg)
{
	struct racer *racer = arg;
	pthread_barrier_wait(racer->barrier);
	for (int i = 0; i < 200; i++) {
		struct leat_scope *child = leat_scope_open(racer->root, NULL), *grandchild;
		if (child == NULL) {
			racer->wrong++;
			break;
		}
		grandchild = leat_scope_open(child, NULL);
		enum leat_cause above = leat_scope_cause(racer->root, NULL, NULL);
		if (above != LEAT_RUNNING)
			racer->wrong += leat_scope_cause(grandchild, NULL, NULL) == LEAT_RUNNING && i > 150;
		leat_scope_close(i % 2 ? child : grandchild);
		leat_scope_close(i % 2 ? grandchild : child);
	}
	struct leat_scope *late = leat_scope_open(racer->root, NULL);
	racer->wrong += leat_scope_cause(racer->root, NULL, NULL) != LEAT_RUNNING &&
			leat_scope_cause(late, NULL, NULL) == LEAT_RUNNING;
	leat_scope_close(late);
	return NULL;
}

Test(scope, children_open_and_close_while_the_root_is_cancelled)
{
	for (int round = 0; round < 20; round++) {
		struct leat_scope *root = leat_scope_open(NULL, NULL);
		struct racer racers[4];
		pthread_barrier_t barrier;
		pthread_barrier_init(&barrier, NULL, 5);
		for (int i = 0; i < 4; i++) {
			racers[i] = (struct racer){ .root = root, .barrier = &barrier };
			cr_assert_eq(pthread_create(&racers[i].thread, NULL, open_and_close_children, &racers[i]), 0);
		}
		pthread_barrier_wait(&barrier);
		leat_scope_cancel(root, 0, "now");
		for (int i = 0; i < 4; i++) {
			pthread_join(racers[i].thread, NULL);
			cr_expect_eq(racers[i].wrong, 0);
		}
		cr_expect_eq(leat_scope_close(root), 0);
		pthread_barrier_destroy(&barrier);
	}
}

/* Join and close */

Test(scope, join_waits_and_cancels_nothing)
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

Test(scope, close_cancels_what_runs_and_waits_for_it)
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

Test(scope, join_parks_until_generators_of_child_scopes_are_gone)
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

Test(scope, close_waits_for_generators_of_child_scopes)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	struct runner runner = { .answer = -ECANCELED };
	start(child, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_close(root), 0);
	cr_expect_eq(runner.started, 1);
	cr_expect_eq(runner.ended, 1);
	cr_expect_eq(leat_scope_close(child), 0);
}

Test(scope, close_of_a_child_waits_while_its_parent_goes_on)
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

Test(scope, a_failing_task_is_the_cause)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int code = -EIO;
	start(scope, answer_with_words, &code);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	expect_cause(scope, LEAT_FAILED, -EIO, "the words");
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(scope, a_failing_task_cancels_its_siblings)
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

Test(scope, a_failing_task_of_a_child_leaves_the_parent_running)
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
Test(scope, join_answers_a_later_failure_after_a_plain_cancel)
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

Test(scope, close_answers_a_failure_that_its_own_cancel_brought_about)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .answer = -EBADMSG };
	start(scope, run_until_cancelled, &runner);
	cr_assert(await_word(&runner.started, 1));
	cr_expect_eq(leat_scope_close(scope), -EBADMSG);
}

Test(scope, a_code_of_the_cause_beats_later_failures)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct runner runner = { .answer = -EBADMSG };
	start(scope, run_until_cancelled, &runner);
	cr_assert(await_word(&runner.started, 1));
	leat_scope_cancel(scope, -EPERM, "first");
	cr_expect_eq(leat_scope_join(scope), -EPERM);
	cr_expect_eq(leat_scope_close(scope), -EPERM);
}

Test(scope, a_later_cancel_with_a_code_is_a_later_failure)
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

Test(scope, join_or_close_of_the_own_scope_is_a_deadlock)
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

Test(scope, join_or_close_of_a_parent_is_a_deadlock)
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

Test(scope, join_and_close_of_another_scope_from_inside_work)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL), *child = leat_scope_open(scope, NULL),
			  *stranger = leat_scope_open(NULL, NULL);
	struct runner runner = { .join = child, .close = stranger, .go = 1, .inner_join = 1, .inner_close = 1 };
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

Test(scope, a_generator_may_open_a_scope_below_its_own_and_close_it)
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

Test(scope, cancel_against_spawn)
{
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, 3);
	for (int round = 0; round < 100; round++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct spawner spawners[2];
		for (int i = 0; i < 2; i++) {
			spawners[i] = (struct spawner){ .scope = scope, .barrier = &barrier };
			cr_assert_eq(pthread_create(&spawners[i].thread, NULL, spawn_until_refused, &spawners[i]), 0);
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

Test(scope, a_spawn_in_a_cancelled_scope_starts_nothing)
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

/* Deadlines. The library may keep a timer thread while a scope has a deadline, not after. */

Test(scope, a_deadline_in_the_past_opens_a_cancelled_scope)
{
	const int64_t past[] = { 1, -1, INT64_MIN, leat_now_ns() };
	for (size_t i = 0; i < COUNT(past); i++) {
		struct leat_scope *scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = past[i] });
		struct leat_tx *tx;
		struct leat_rx *rx;
		cr_assert_not_null(scope);
		expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
		cr_expect_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), -ECANCELED);
		cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
		cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	}
}

Test(scope, never_is_no_deadline)
{
	struct leat_scope *scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = LEAT_NEVER });
	expect_cause(scope, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope, a_deadline_that_is_far_away_is_forgotten_at_close)
{
	int64_t began_ns = leat_now_ns();
	for (int i = 0; i < 50; i++) {
		struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 3600000 * MS };
		struct leat_scope *scope = leat_scope_open(NULL, &opts);
		expect_cause(scope, LEAT_RUNNING, 0, NULL);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
	cr_expect_lt(leat_now_ns() - began_ns, 5000 * MS);
}

Test(scope, a_deadline_cancels_generators)
{
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 10 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct runner runner = { .answer = -ECANCELED };
	start(scope, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	cr_expect_geq(leat_now_ns(), opts.deadline_ns);
	expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(scope, a_deadline_is_inherited)
{
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 10 * MS };
	struct leat_scope *root = leat_scope_open(NULL, &opts), *child = leat_scope_open(root, NULL);
	struct runner runner = { .answer = -ECANCELED };
	start(child, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_join(root), -ETIMEDOUT);
	expect_cause(child, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_close(child), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(root), -ETIMEDOUT);
}

Test(scope, an_earlier_deadline_below_leaves_the_parent_running)
{
	struct leat_scope_opts outer = { .deadline_ns = leat_now_ns() + 3600000 * MS },
			       inner = { .deadline_ns = leat_now_ns() + 10 * MS };
	struct leat_scope *root = leat_scope_open(NULL, &outer), *child = leat_scope_open(root, &inner);
	struct runner runner = { .answer = -ECANCELED };
	start(child, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_join(child), -ETIMEDOUT);
	expect_cause(root, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_scope_close(child), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope, an_earlier_deadline_above_comes_first)
{
	struct leat_scope_opts outer = { .deadline_ns = leat_now_ns() + 10 * MS },
			       inner = { .deadline_ns = leat_now_ns() + 3600000 * MS };
	struct leat_scope *root = leat_scope_open(NULL, &outer), *child = leat_scope_open(root, &inner);
	struct runner runner = { .answer = -ECANCELED };
	start(child, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_join(child), -ETIMEDOUT);
	expect_cause(child, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_close(child), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(root), -ETIMEDOUT);
}

Test(scope, deadlines_fire_in_their_own_order)
{
	struct leat_scope *scopes[8];
	struct runner runners[8] = { 0 };
	int64_t deadlines_ns[8], now_ns = leat_now_ns();
	for (int i = 0; i < 8; i++) {
		deadlines_ns[i] = now_ns + (10 + i * 3 % 8 * 4) * MS;
		scopes[i] = leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = deadlines_ns[i] });
		runners[i].answer = -ECANCELED;
		cr_assert_eq(leat_gen(scopes[i], run_until_cancelled, &runners[i], 0, NULL, NULL), 0);
	}
	for (int i = 0; i < 8; i++) {
		cr_expect_eq(leat_scope_join(scopes[i]), -ETIMEDOUT);
		cr_expect_geq(leat_now_ns(), deadlines_ns[i]);
		cr_expect_eq(leat_scope_close(scopes[i]), -ETIMEDOUT);
	}
}

Test(scope, an_earlier_deadline_opened_later_fires_first)
{
	struct leat_scope_opts late = { .deadline_ns = leat_now_ns() + 3600000 * MS };
	struct leat_scope *far_scope = leat_scope_open(NULL, &late);
	struct leat_scope_opts soon = { .deadline_ns = leat_now_ns() + 5 * MS };
	struct leat_scope *near_scope = leat_scope_open(NULL, &soon);
	struct runner runner = { .answer = -ECANCELED };
	start(near_scope, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_close(far_scope), 0);
	cr_expect_eq(leat_scope_join(near_scope), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(near_scope), -ETIMEDOUT);
}

Test(scope, a_cancel_before_the_deadline_wins)
{
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 5 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	leat_scope_cancel(scope, -EIO, "sooner");
	enum leat_cause cause = leat_scope_cause(scope, NULL, NULL);
	while (leat_now_ns() < opts.deadline_ns + 2 * MS)
		sched_yield();
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), cause);
	expect_cause(scope, LEAT_FAILED, -EIO, "sooner");
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

struct opener {
	pthread_t thread;
	pthread_barrier_t *barrier;
	int64_t ahead_ns;
	int wrong;
};

static void *open_with_deadlines(void *arg)
{
	struct opener *opener = arg;
	pthread_barrier_wait(opener->barrier);
	for (int i = 0; i < 500; i++) {
		struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + opener->ahead_ns };
		struct leat_scope *scope = leat_scope_open(NULL, &opts);
		int rc = leat_scope_close(scope);
		opener->wrong += scope == NULL || (rc != 0 && rc != -ETIMEDOUT);
	}
	return NULL;
}

/* The last deadline goes just as the first one comes, again and again. */
Test(scope, deadlines_come_and_go_in_several_threads, .timeout = 20)
{
	struct opener openers[3];
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 3; i++) {
		openers[i] = (struct opener){ .barrier = &barrier, .ahead_ns = i == 0 ? 20000 : 3600000 * MS };
		cr_assert_eq(pthread_create(&openers[i].thread, NULL, open_with_deadlines, &openers[i]), 0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(openers[i].thread, NULL);
		cr_expect_eq(openers[i].wrong, 0);
	}
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 2 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct runner runner = { .answer = -ECANCELED };
	start(scope, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT, "the timer still works");
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	pthread_barrier_destroy(&barrier);
}

/* Calls about to wait look for themselves: also on a channel where there is nothing to wake. */
Test(scope, a_wait_after_the_deadline_sees_it)
{
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 100 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), 0);
	while (leat_now_ns() <= opts.deadline_ns)
		;
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED);
	expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

/* A generator in a scope of its own, with handles that outlive it. */
Test(scope, handles_held_over_the_close_of_a_running_generator)
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
