/*
 * tests/unit/flow_causes.c: how each thread of a flow ended is told once: of a failure, in which of
 * them it began, with the words of its step.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "counters.h"
#include "flows.h"

TestSuite(flow_causes, .timeout = 600);

enum { HOUR = 3600, ENDS_MOST = 64 };

struct ends {
	struct leat_gen_stat list[ENDS_MOST];
	size_t count;
};

static void note_end(const struct leat_gen_stat *gen, void *arg)
{
	struct ends *ends = arg;
	if (ends->count < ENDS_MOST)
		ends->list[ends->count] = *gen;
	ends->count++;
}

static struct leat_diag *listen(struct ends *ends, const char *path)
{
	struct leat_diag *diag =
		leat_diag_start(&(struct leat_diag_opts){ .interval_ns = HOUR * 1000 * MS,
	                                                  .counters_path = path,
	                                                  .ended = note_end,
	                                                  .ended_arg = ends });
	cr_assert_not_null(diag);
	return diag;
}

/* No generator is told twice; returns the one in which the failure began, the only one. */
static const struct leat_gen_stat *expect_one_origin(const struct ends *ends)
{
	const struct leat_gen_stat *origin = NULL;
	cr_assert(ends->count > 0 && ends->count <= ENDS_MOST);
	for (size_t i = 0; i < ends->count; i++) {
		for (size_t k = 0; k < i; k++)
			cr_expect_neq(ends->list[i].id, ends->list[k].id, "%s", ends->list[i].name);
		if (!ends->list[i].origin)
			continue;
		cr_expect_null(origin, "\"%s\" and \"%s\"", ends->list[i].name,
		               origin == NULL ? "" : origin->name);
		origin = &ends->list[i];
		cr_expect_eq(origin->cause, LEAT_FAILED);
	}
	cr_assert_not_null(origin);
	return origin;
}

/* The events of the file are those that were told, each once and with the same words. */
static void expect_events(const struct leat_counters *c, const struct ends *ends)
{
	const struct leat_counters_event *events;
	size_t count = leat_counters_events(c, &events), found = 0;
	for (size_t i = 0; i < count; i++) {
		if (events[i].kind != LEAT_COUNTERS_GENERATOR || events[i].cause == LEAT_RUNNING)
			continue;
		size_t k = 0;
		while (k < ends->count && ends->list[k].id != events[i].id)
			k++;
		cr_assert_lt(k, ends->count, "%s", events[i].name);
		cr_expect_eq(events[i].cause, ends->list[k].cause);
		cr_expect_eq(events[i].code, ends->list[k].code);
		cr_expect_str_eq(events[i].text, ends->list[k].text);
		cr_expect_eq(events[i].type == LEAT_COUNTERS_FAILED, ends->list[k].origin);
		found++;
	}
	cr_expect_eq(found, ends->count, "%zu events of %zu ends", found, ends->count);
}

/* A step fails between a source and a sink, on threads or workers of their own. */
static void fail_in_the_middle(unsigned workers)
{
	struct ends ends = { .count = 0 };
	char path[64];
	struct leat_diag *diag = listen(&ends, counters_path(path, "file"));
	struct leat_counters *c = leat_counters_open(path);
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t at = 1000, sum = 0;
	cr_assert_not_null(c);
	struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
	if (workers > 0)
		port = leat_flow_workers(port, workers, LEAT_UNORDERED);
	else
		port = leat_flow_buffer(port, 64);
	port = leat_flow_step(port, &fail_at, &at);
	if (workers > 0)
		port = leat_flow_gather(port);
	port = leat_flow_buffer(port, 64);
	leat_flow_for_each(port, &add, &sum);
	expect_start(flow);
	expect_join(flow, -EDOM);
	leat_flow_close(flow);
	cr_expect_eq(leat_diag_stop(diag), 0);
	const struct leat_gen_stat *origin = expect_one_origin(&ends);
	cr_expect_eq(origin->code, -EDOM);
	cr_expect_not_null(strstr(origin->text, "step \"fail_at\", "), "text: %s", origin->text);
	cr_expect_not_null(strstr(origin->name, "fail_at"), "%s", origin->name);
	cr_expect_eq(leat_counters_read(c), 0);
	expect_events(c, &ends);
	leat_counters_close(c);
}

Test(flow_causes, a_step_that_fails_is_the_one_that_failed)
{
	fail_in_the_middle(0);
	fail_in_the_middle(3);
	counters_clean_up();
}

static int run_failing(struct leat_tx *out, void *arg)
{
	int rc = run_numbers(out, arg);
	return rc != 0 ? rc : leat_tx_fail(out, -EIO, "disk gone");
}

/* from: 0 a generator of the flow's, 1 a generator of the program's */
static void fail_at_the_source(int from)
{
	struct ends ends = { .count = 0 };
	struct leat_diag *diag = listen(&ends, NULL);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 500, sum = 0;
	struct leat_port port;
	struct leat_rx *rx;
	if (from == 0) {
		port = leat_flow_from_gen(flow, LEAT_T(u64), run_failing, &n);
	} else {
		cr_assert_eq(leat_gen(scope, run_failing, &n, sizeof(uint64_t),
		                      &(struct leat_gen_opts){ .chan.name = "feed" }, &rx),
		             0);
		port = leat_flow_from_rx(flow, LEAT_T(u64), rx);
	}
	port = leat_flow_buffer(leat_flow_step(port, &triple, NULL), 64);
	leat_flow_for_each(port, &add, &sum);
	expect_start(flow);
	expect_join(flow, -EIO);
	leat_flow_close(flow);
	leat_scope_close(scope);
	cr_expect_eq(leat_diag_stop(diag), 0);
	const struct leat_gen_stat *origin = expect_one_origin(&ends);
	cr_expect_eq(origin->code, -EIO);
	cr_expect_str_eq(origin->text, "disk gone");
}

Test(flow_causes, a_source_that_fails_is_the_one_that_failed)
{
	fail_at_the_source(0);
	fail_at_the_source(1);
}

Test(flow_causes, a_cancelled_flow_fails_nowhere)
{
	struct ends ends = { .count = 0 };
	struct leat_diag *diag = listen(&ends, NULL);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct tally tally = { .count = 0 };
	struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
	leat_flow_for_each(leat_flow_buffer(port, 64), &count_each, &tally);
	expect_start(flow);
	cr_assert(await_word(&tally.count, 100));
	leat_scope_cancel(scope, 0, "by hand");
	leat_flow_join(flow);
	leat_flow_close(flow);
	leat_scope_close(scope);
	cr_expect_eq(leat_diag_stop(diag), 0);
	if (!flows_on_pool()) /* of compact generators only the number is told */
		cr_expect_geq(ends.count, 2);
	for (size_t i = 0; i < ends.count; i++) {
		cr_expect_eq(ends.list[i].cause, LEAT_CANCELED, "%s: %s", ends.list[i].name,
		             leat_cause_name(ends.list[i].cause));
		cr_expect_str_eq(ends.list[i].text, "by hand");
	}
}
