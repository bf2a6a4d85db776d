/*
 * tests/unit/plan.h: what the suites of the generators share: a generator that follows a plan.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_PLAN_H
#define LEAT_TEST_PLAN_H

#include "census.h"

/* What a test's generator does, and what it saw. */
struct plan {
	uint64_t send; /* items to send first */
	/* what to return then; LAST_SEND: what the last send returned */
	int answer;
	const char *words; /* a text for leat_tx_fail(), or NULL */
	uint32_t go;       /* wait_then_follow_plan() waits until this is set */
	uint32_t tid, started, ended, runs;
	int last; /* what the last send returned */
	bool done;
	struct leat_scope *scope;
	struct leat_tx *clone; /* left open */
	bool reserves;         /* with the clone, one item: */
	void *room;
};
#define LAST_SEND 1
#define WITHOUT_END UINT64_MAX

static UNUSED int follow_plan(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	leat_add_acqrel(&plan->runs, 1u);
	plan->scope = leat_tx_scope(out);
	leat_store_rel(&plan->tid, own_tid());
	leat_add_acqrel(&plan->started, 1u);
	for (uint64_t n = 0; n < plan->send && plan->last == 0; n++)
		plan->last = leat_send(out, &n);
	plan->done = leat_tx_done(out);
	leat_add_acqrel(&plan->ended, 1u);
	if (plan->words != NULL)
		return leat_tx_fail(out, plan->answer, plan->words);
	return plan->answer == LAST_SEND ? plan->last : plan->answer;
}

/* Waits for plan->go, then follows the plan. */
static UNUSED int wait_then_follow_plan(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	leat_store_rel(&plan->tid, own_tid());
	leat_add_acqrel(&plan->started, 1u);
	while (leat_load_acq(&plan->go) == 0)
		sched_yield();
	return follow_plan(out, arg);
}

static UNUSED struct leat_scope *scope_open(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	cr_assert_not_null(scope);
	return scope;
}

static UNUSED struct leat_rx *start(struct leat_scope *scope, leat_gen_fn *fn, struct plan *plan)
{
	struct leat_rx *rx = NULL;
	cr_assert_eq(leat_gen(scope, fn, plan, sizeof(uint64_t), NULL, &rx), 0);
	cr_assert_not_null(rx);
	return rx;
}

static UNUSED void expect_status(const struct leat_rx *rx, enum leat_cause want, int want_code,
                                 const char *want_text)
{
	enum leat_cause cause = LEAT_RUNNING;
	int code = 4711, rc;
	const char *text = NULL;
	rc = leat_rx_status(rx, &cause, &code, &text);
	cr_expect_eq(rc, 0, "status %d", rc);
	cr_expect_eq(cause, want, "cause %d", cause);
	cr_expect_eq(code, want_code, "code %d", code);
	cr_assert_not_null(text);
	if (want_text != NULL)
		cr_expect_str_eq(text, want_text);
}

static UNUSED uint64_t drain(struct leat_rx *rx, int *last)
{
	uint64_t items = 0, got;
	while ((*last = leat_recv(rx, &got)) == 1)
		items++;
	return items;
}

#endif
