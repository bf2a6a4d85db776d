/*
 * tests/unit/flow_trouble.c: items that fail: skipped, diverted, tried again, kept away by a
 * breaker.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"

#include <leat/flow.h>
#include <leat/test.h>

TestSuite(flow_trouble, .timeout = 60);

enum { MANY = 1000 };

LEAT_TROUBLE(failed, u64);

static uint64_t *numbers(void)
{
	static uint64_t items[MANY];

	for (uint64_t i = 0; i < MANY; i++)
		items[i] = i;
	return items;
}

LEAT_MAP(no_sevens, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	return *x % 7 == 3 ? -(int)(*x % 100 + 1) : 0;
}
LEAT_EACH(add, u64, x, uint64_t *, sums)
{
	sums[0]++;
	sums[1] += *x;
	return 0;
}
LEAT_EACH(check_failed, failed, f, uint64_t *, sums)
{
	sums[0]++;
	sums[1] += f->item;
	sums[2] += f->code != -(int64_t)(f->item % 100 + 1) || f->item % 7 != 3;
	sums[3] += f->number != f->item;
	return 0;
}

Test(flow_trouble, diverted_items_come_with_code_and_number)
{
	for (unsigned workers = 0; workers < 4; workers++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_flow *flow = leat_flow_open(scope, NULL);
		struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers(), MANY),
				 trouble;
		uint64_t good[2] = { 0 }, bad[4] = { 0 };
		struct leat_step_stat stat;

		if (workers > 0)
			port = leat_flow_workers(port, workers, LEAT_ORDERED);
		port = leat_flow_divert(leat_flow_step(port, &no_sevens, NULL), LEAT_T(failed),
		                        &trouble);
		if (workers > 0)
			port = leat_flow_gather(port);
		leat_flow_for_each(port, &add, good);
		leat_flow_for_each(trouble, &check_failed, bad);
		cr_assert_eq(leat_flow_start(flow), 0, "%s", leat_flow_error(flow));
		cr_expect_eq(leat_flow_join(flow), 0, "%s", leat_flow_error(flow));
		cr_expect_eq(good[0] + bad[0], MANY);
		cr_expect_eq(good[1] + bad[1], MANY * (MANY - 1) / 2);
		cr_expect_eq(bad[0], 143);
		cr_expect_eq(bad[2], 0);
		if (workers == 0)
			cr_expect_eq(bad[3], 0, "the number among the items of the step");
		cr_assert_eq(leat_flow_stat(flow, workers > 0 ? 2 : 1, &stat), 0);
		cr_expect_eq(stat.in, MANY);
		cr_expect_eq(stat.diverted, 143);
		cr_expect_eq(stat.used, MANY - 143);
		leat_flow_close(flow);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(flow_trouble, the_consumer_of_diverted_items_may_leave)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, &(struct leat_flow_opts){ .capacity = 4 });
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers(), MANY), trouble;
	uint64_t good[2] = { 0 }, bad[4] = { 0 };

	port = leat_flow_divert(leat_flow_step(port, &no_sevens, NULL), LEAT_T(failed), &trouble);
	leat_flow_for_each(port, &add, good);
	leat_flow_for_each(leat_flow_take(trouble, 2), &check_failed, bad);
	cr_assert_eq(leat_flow_start(flow), 0, "%s", leat_flow_error(flow));
	cr_expect_eq(leat_flow_join(flow), 0);
	cr_expect_eq(good[0], MANY - 143);
	cr_expect_eq(bad[0], 2);
	leat_flow_close(flow);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* Fails so many times for each item. */
struct flaky {
	uint32_t calls; /* atomic */
	int fails, failed;
};

LEAT_MAP(try_flaky, u64, x, u64, y, struct flaky *, flaky)
{
	*y = *x;
	leat_add_rlx(&flaky->calls, 1u);
	if (flaky->failed++ < flaky->fails)
		return -EAGAIN;
	flaky->failed = 0;
	return 0;
}

Test(flow_trouble, a_retry_calls_the_step_again_after_its_pauses)
{
	struct leat_backoff pauses = { .first_ns = 10 * MS, .tries = 3 };
	struct flaky flaky = { .fails = 2 };
	struct leat_rx *out;
	uint64_t got;

	clock_start();
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	leat_flow_to_rx(leat_flow_retry(leat_flow_step(leat_flow_from_array(flow, LEAT_T(u64),
	                                                                    numbers(), 3),
	                                               &try_flaky, &flaky),
	                                &pauses),
	                &out);
	cr_assert_eq(leat_flow_start(flow), 0);
	for (uint64_t i = 0; i < 3; i++) {
		for (int pause = 0; pause < 2; pause++) {
			clock_settle();
			cr_expect_eq(leat_try_recv(out, &got), -EAGAIN);
			clock_advance((pause + 1) * 10 * MS);
		}
		cr_assert_eq(leat_recv(out, &got), 1);
		cr_expect_eq(got, i);
		cr_expect_geq(flaky.calls, i * 3 + 3);
	}
	cr_expect_eq(leat_recv(out, &got), 0);
	leat_rx_close(out);
	cr_expect_eq(leat_flow_join(flow), 0);
	cr_expect_eq(flaky.calls, 9);
	leat_flow_close(flow);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(flow_trouble, tries_that_are_over_leave_the_item_to_the_policy)
{
	for (int skip = 0; skip < 2; skip++) {
		struct leat_backoff pauses = { .first_ns = 1, .tries = 3 };
		struct flaky flaky = { .fails = 4 };
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_flow *flow = leat_flow_open(scope, NULL);
		uint64_t good[2] = { 0 };
		struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers(), 2);

		port = leat_flow_retry(leat_flow_step(port, &try_flaky, &flaky), &pauses);
		if (skip)
			port = leat_flow_on_error(port, LEAT_ON_ERROR_SKIP);
		leat_flow_for_each(port, &add, good);
		cr_assert_eq(leat_flow_start(flow), 0);
		cr_expect_eq(leat_flow_join(flow), skip ? 0 : -EAGAIN);
		/* the second item's first call is the one that succeeds */
		cr_expect_eq(flaky.calls, skip ? 5 : 4);
		cr_expect_eq(good[0], skip ? 1 : 0);
		leat_flow_close(flow);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(flow_trouble, a_cancel_ends_the_pause_of_a_retry)
{
	struct leat_backoff pauses = { .first_ns = 3600000 * MS };
	struct flaky flaky = { .fails = 1 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	uint64_t good[2] = { 0 };

	leat_flow_for_each(leat_flow_retry(leat_flow_step(leat_flow_from_array(flow, LEAT_T(u64),
	                                                                       numbers(), 3),
	                                                  &try_flaky, &flaky),
	                                   &pauses),
	                   &add, good);
	cr_assert_eq(leat_flow_start(flow), 0);
	cr_assert(await_word(&flaky.calls, 1));
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_flow_join(flow), 0);
	cr_expect_str_eq(leat_flow_error(flow), "");
	leat_flow_close(flow);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(flow_trouble, an_open_breaker_keeps_items_away)
{
	struct leat_breaker *breaker = leat_breaker_new(
		&(struct leat_breaker_opts){ .failures = 3, .open_ns = INT64_C(3600000) * MS });
	struct flaky flaky = { .fails = 1000000 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	uint64_t good[2] = { 0 };
	struct leat_step_stat stat;
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers(), 100);

	port = leat_flow_breaker(leat_flow_step(port, &try_flaky, &flaky), breaker);
	leat_flow_for_each(leat_flow_on_error(port, LEAT_ON_ERROR_SKIP), &add, good);
	cr_assert_eq(leat_flow_start(flow), 0);
	cr_expect_eq(leat_flow_join(flow), 0);
	cr_expect_eq(flaky.calls, 3);
	cr_assert_eq(leat_flow_stat(flow, 1, &stat), 0);
	cr_expect_eq(stat.failed, 100);
	cr_expect_eq(good[0], 0);
	leat_flow_close(flow);
	leat_breaker_free(breaker);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* Behind its item 5 it fails, with that of no item; a breaker has it called for one at a time. */
static int fail_behind_vec(void *state, struct leat_vec *v)
{
	const uint64_t *in = v->in;

	(void)state;
	for (; v->used < v->n && v->used < v->room; v->used++) {
		((uint64_t *)v->out)[v->made++] = in[v->used];
		if (in[v->used] == 5)
			return v->used++, v->used == v->n ? -EDOM : -EPROTO;
	}
	return 0;
}

static const struct leat_step fail_behind = {
	.name = "fail_behind", .fn = fail_behind_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

Test(flow_trouble, a_failure_of_no_item_is_not_one_of_the_next)
{
	struct leat_breaker *breaker = leat_breaker_new(NULL);
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers(), 100);
	uint64_t good[2] = { 0 };
	struct leat_step_stat stat;

	port = leat_flow_breaker(leat_flow_step(port, &fail_behind, NULL), breaker);
	leat_flow_for_each(leat_flow_on_error(port, LEAT_ON_ERROR_SKIP), &add, good);
	cr_assert_eq(leat_flow_start(flow), 0);
	cr_expect_eq(leat_flow_join(flow), -EDOM);
	cr_assert_eq(leat_flow_stat(flow, 1, &stat), 0);
	cr_expect(stat.in == 6 && stat.used == 6 && stat.failed == 0 && good[0] == 6);
	leat_flow_close(flow);
	leat_breaker_free(breaker);
}

Test(flow_trouble, mistakes)
{
	struct leat_backoff pauses = { .tries = 1 };
	const char *const words[] = { "retry", "breaker", "divert", "divert", "on_error" };

	for (int mistake = 0; mistake < 5; mistake++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_flow *flow = leat_flow_open(scope, NULL);
		struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers(), 3), q;
		struct leat_flow_report report;

		switch (mistake) {
		case 0:
			leat_flow_retry(port, &pauses); /* behind a source */
			break;
		case 1:
			leat_flow_breaker(leat_flow_step(port, &no_sevens, NULL), NULL);
			break;
		case 2:
			leat_flow_divert(leat_flow_step(port, &no_sevens, NULL), LEAT_T(u64), &q);
			break;
		case 3: /* its port goes nowhere */
			port = leat_flow_divert(leat_flow_step(port, &no_sevens, NULL),
			                        LEAT_T(failed), &q);
			leat_flow_for_each(port, &add, (uint64_t[2]){ 0 });
			break;
		default:
			leat_flow_on_error(leat_flow_take(port, 1), LEAT_ON_ERROR_SKIP);
		}
		cr_expect_eq(leat_flow_check(flow, &report), -EINVAL);
		cr_expect_eq(report.code, -EINVAL);
		cr_expect_not_null(strstr(report.text, words[mistake]), "%s", report.text);
		leat_flow_close(flow);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}
