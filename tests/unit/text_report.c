/*
 * The verdict of a report, from what the members of a flow that never ran are made to have waited.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/report.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define BEGIN (5 * SECOND)

static struct leat_flow *flow;
static struct leat_report report;

/* A flow whose members all ran for ten seconds, blocked all the time. */
static void open_flow(const char *text)
{
	struct leat_stages stages;
	struct leat_mistake mistake;
	char why[LEAT_FLOW_WHY];

	cr_assert_eq(leat_stages_parse(text, &stages, &mistake), 0);
	cr_assert_eq(leat_flow_open(&flow, &stages, &(struct leat_flow_opts){ .capacity = 8 }, why),
	             0);
	cr_assert_eq(leat_report_init(&report, flow), 0);
	flow->started_ns = BEGIN;
	for (size_t i = 0; i < flow->members_count; i++) {
		flow->members[i].began_ns = BEGIN;
		flow->members[i].ended_ns = BEGIN + 10 * SECOND;
		flow->members[i].blocked.word = 10 * (uint64_t)SECOND;
	}
}

static struct leat_member *find(const char *name)
{
	size_t i = 0;

	while (i < flow->members_count && strcmp(flow->members[i].name, name) != 0)
		i++;
	cr_assert_lt(i, flow->members_count, "no member %s", name);
	return &flow->members[i];
}

static void close_flow(void)
{
	leat_report_fini(&report);
	leat_flow_free(flow);
}

static void expect_line(const char *wanted)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	leat_report_verdict_line(&report, 0, out);
	fclose(out);
	cr_assert_not_null(strstr(text, wanted), "%s: not %s", text, wanted);
	free(text);
}

Test(text_report, one_worker_with_all_the_work_is_the_bottleneck)
{
	open_flow("count:5 | workers:4 field:1 | null");
	find("field/3")->blocked.word = (uint64_t)SECOND;
	find("count")->blocked.word = 4 * (uint64_t)SECOND;
	expect_line("bottleneck: field (busy 90 %;");
	close_flow();
}

Test(text_report, a_stage_that_waits_for_its_rate_is_paced)
{
	open_flow("count:5 | rate:1000/s | rate:10/m | null");
	find("count+rate+rate")->blocked.word = 0;
	find("count+rate+rate")->paced_for.word = 8 * (uint64_t)SECOND;
	expect_line("bottleneck: count+rate+rate (paced by rate: it lets 10/m through;");
	find("null")->blocked.word = (uint64_t)SECOND; /* longer at work than the other is paced */
	expect_line("bottleneck: null (busy 90 %;");
	close_flow();
}

Test(text_report, a_rate_that_has_nothing_to_hold_back_is_not_named)
{
	open_flow("tick:1s | rate:1000/s | null");
	find("tick+rate")->blocked.word = 0;
	expect_line("bottleneck: none: the flow waited for its input");
	find("tick+rate")->blocked.word = 10 * (uint64_t)SECOND;
	find("tick+rate")->paced_for.word = 0;
	expect_line("bottleneck: none: no thread was at work for half of the time");
	close_flow();
}

Test(text_report, only_the_window_counts)
{
	open_flow("count:5 | workers:2 field:1 | null");
	/* In the last four seconds count was blocked for one, and field/2 for three. */
	report.window_ns = BEGIN + 6 * SECOND;
	for (size_t i = 0; i < flow->members_count; i++)
		report.bases[i].blocked_ns = 6 * SECOND;
	find("count")->blocked.word = 7 * (uint64_t)SECOND;
	find("field/2")->blocked.word = 9 * (uint64_t)SECOND;
	expect_line("bottleneck: count (busy 75 %;");
	close_flow();
}

Test(text_report, a_wait_under_way_counts_up_to_now)
{
	struct leat_waited waited = { 0 };
	int64_t now_ns = leat_now_ns();

	leat_waited_begin(&waited);
	cr_assert_geq(leat_waited_ns(&waited, now_ns + SECOND), SECOND / 2);
	cr_assert_leq(leat_waited_ns(&waited, now_ns + SECOND), SECOND);
	leat_waited_end(&waited);
	int64_t sum_ns = leat_waited_ns(&waited, now_ns);
	cr_assert_geq(sum_ns, 0);
	cr_assert_eq(leat_waited_ns(&waited, now_ns + SECOND), sum_ns);
}
