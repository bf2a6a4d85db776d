/*
 * tests/unit/scope.c: scopes, their causes, and the tree.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runner.h"

#include <signal.h>

TestSuite(scope, .timeout = 600);

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
			cancellers[i] = (struct canceller){ .scope = scope,
				                            .barrier = &barrier,
				                            .code = -(i + 1) };
			cr_assert_eq(pthread_create(&cancellers[i].thread, NULL, cancel_with_code,
			                            &cancellers[i]),
			             0);
		}
		for (int i = 0; i < 6; i++)
			pthread_join(cancellers[i].thread, NULL);
		cr_expect_eq(leat_scope_cause(scope, &code, &text), LEAT_FAILED);
		snprintf(want, sizeof(want), "number %d", -code);
		cr_expect_str_eq(text, want);
		for (int i = 0; i < 6; i++) {
			cr_expect_eq(cancellers[i].seen_code, code,
			             "after its cancel returned, each sees the winner");
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
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL),
			  *grandchild;
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
	cr_assert_eq(
		leat_chan_open(scope, 8, &(struct leat_chan_opts){ .kind = LEAT_MPMC }, &tx, &rx),
		0);
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
			racer->wrong +=
				leat_scope_cause(grandchild, NULL, NULL) == LEAT_RUNNING && i > 150;
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
			cr_assert_eq(pthread_create(&racers[i].thread, NULL,
			                            open_and_close_children, &racers[i]),
			             0);
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
