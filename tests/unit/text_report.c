/*
 * The verdict of a report, from what the threads of a flow that never ran are made to have done.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/report.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define SECOND INT64_C(1000000000)
#define BEGIN (5 * SECOND)

static struct leat_run *flow;
static struct leat_report report;

/* A flow whose members all ran for ten seconds, blocked all the time. */
static void open_flow(const char *text)
{
	struct leat_stages stages;
	struct leat_mistake mistake;
	char why[LEAT_RUN_WHY];

	cr_assert_eq(leat_stages_parse(text, &stages, &mistake), 0);
	cr_assert_eq(leat_run_open(&flow, &stages, &(struct leat_run_opts){ .capacity = 8 }, why),
	             0);
	cr_assert_eq(leat_report_init(&report, flow), 0);
	flow->started_ns = BEGIN;
	for (size_t i = 0; i < flow->members_count; i++)
		report.times[i] = (struct leat_member_time){ .began_ns = BEGIN,
			                                     .seen_ns = BEGIN + 10 * SECOND,
			                                     .blocked_ns = 10 * (uint64_t)SECOND };
}

static struct leat_member_time *find(const char *name)
{
	size_t i = 0;

	while (i < flow->members_count && strcmp(flow->members[i].name, name) != 0)
		i++;
	cr_assert_lt(i, flow->members_count, "no member %s", name);
	return &report.times[i];
}

static void close_flow(void)
{
	leat_report_fini(&report);
	leat_run_free(flow);
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
	find("field/3")->busy_ns = 9 * SECOND;
	find("count")->busy_ns = 6 * SECOND;
	expect_line("bottleneck: field (busy 90 %;");
	close_flow();
}

Test(text_report, a_stage_that_waits_for_its_rate_is_paced)
{
	open_flow("count:5 | rate:1000/s | rate:10/m | null");
	find("count+rate+rate")->busy_ns = 2 * SECOND;
	find("count+rate+rate")->paced_ns = 8 * SECOND;
	expect_line("bottleneck: count+rate+rate (paced by rate: it lets 10/m through;");
	find("null")->busy_ns = 9 * SECOND; /* longer at work than the other is paced */
	expect_line("bottleneck: null (busy 90 %;");
	close_flow();
}

Test(text_report, a_rate_that_has_nothing_to_hold_back_is_not_named)
{
	open_flow("tick:1s | rate:1000/s | null");
	find("tick+rate")->starved_ns = 10 * SECOND;
	expect_line("bottleneck: none: the flow waited for its input");
	find("tick+rate")->starved_ns = 0;
	expect_line("bottleneck: none: no thread was at work for half of the time");
	close_flow();
}

Test(text_report, only_the_window_counts)
{
	open_flow("count:5 | workers:2 field:1 | null");
	/* In the last four seconds count was at work for three, and field/2 for one. */
	report.window_ns = BEGIN + 6 * SECOND;
	find("field/2")->busy_ns = 6 * SECOND;
	memcpy(report.bases, report.times, flow->members_count * sizeof(*report.bases));
	find("count")->busy_ns = 3 * SECOND;
	find("field/2")->busy_ns = 7 * SECOND;
	expect_line("bottleneck: count (busy 75 %;");
	close_flow();
}

Test(text_report, the_pauses_of_a_slowed_stage_are_its_work)
{
	open_flow("count:5 | workers:2 field:1 | null");
	find("field/2")->paced_ns = 9 * SECOND;
	flow->opts.slow = 2;
	expect_line("bottleneck: field (busy 90 %;");
	close_flow();
}
