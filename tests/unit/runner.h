/*
 * tests/unit/runner.h: what the suites of the scopes share: tasks that run until they are stopped.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_RUNNER_H
#define LEAT_TEST_RUNNER_H

#include "census.h"

static UNUSED void expect_cause(const struct leat_scope *scope, enum leat_cause want, int want_code,
                                const char *want_text)
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

static UNUSED int run_until_cancelled(struct leat_tx *out, void *arg)
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

static UNUSED int run_until_told(struct leat_tx *out, void *arg)
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

static UNUSED int answer_at_once(struct leat_tx *out, void *arg)
{
	(void)out;
	return *(int *)arg;
}

static UNUSED int answer_with_words(struct leat_tx *out, void *arg)
{
	return leat_tx_fail(out, *(int *)arg, "the words");
}

static UNUSED void start(struct leat_scope *scope, leat_gen_fn *fn, void *arg)
{
	cr_assert_eq(leat_gen(scope, fn, arg, 0, NULL, NULL), 0);
}

#endif
