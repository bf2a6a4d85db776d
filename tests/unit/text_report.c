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

enum { GENS = 16 };

static struct leat_run *flow;
static struct leat_report report;
static struct leat_gen_stat gens[GENS];

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
	cr_assert_leq(flow->members_count, GENS);
	for (size_t i = 0; i < flow->members_count; i++) {
		gens[i] = (struct leat_gen_stat){ .id = i + 1, .began_ns = BEGIN };
		snprintf(gens[i].name, sizeof(gens[i].name), "%s", flow->members[i].name);
	}
}

static struct leat_gen_stat *find(const char *name)
{
	size_t i = 0;

	while (i < flow->members_count && strcmp(gens[i].name, name) != 0)
		i++;
	cr_assert_lt(i, flow->members_count, "no member %s", name);
	return &gens[i];
}

/* The rest of each thread's time, until so many seconds have passed, it was blocked. */
static struct leat_snapshot snapshot_at(int seconds)
{
	for (size_t i = 0; i < flow->members_count; i++) {
		struct leat_gen_stat *gen = &gens[i];

		gen->blocked_ns = (uint64_t)(seconds * SECOND) -
		                  (gen->busy_ns + gen->starved_ns + gen->paced_ns);
		gen->cpu_ns = gen->busy_ns;
	}
	return (struct leat_snapshot){ .time_ns = BEGIN + seconds * SECOND,
		                       .generators_count = flow->members_count,
		                       .generators = gens,
		                       .cores = 8 };
}

static void close_flow(void)
{
	leat_report_fini(&report);
	leat_run_free(flow);
}

/* What is told of the ten seconds; a further second is without news. */
static void expect_line(const char *wanted)
{
	struct leat_snapshot snapshot = snapshot_at(10);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	leat_report_take(&report, &snapshot);
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
	expect_line("one of its threads has most of the work; more threads bring nothing");
	close_flow();
}

Test(text_report, a_stage_that_waits_for_its_rate_is_paced)
{
	open_flow("count:5 | rate:1000/s | rate:10/m | null");
	find("count+rate+rate")->busy_ns = 2 * SECOND;
	find("count+rate+rate")->paced_ns = 8 * SECOND;
	expect_line("bottleneck: count+rate+rate (paced by rate: it lets 10/m through;");
	close_flow();
	open_flow("count:5 | rate:1000/s | rate:10/m | null");
	find("count+rate+rate")->paced_ns = 8 * SECOND;
	find("null")->busy_ns = 9 * SECOND; /* longer at work than the other is paced */
	expect_line("bottleneck: null (busy 90 %;");
	close_flow();
}

Test(text_report, a_source_that_ticks_waits_for_its_input)
{
	open_flow("tick:1s | rate:1000/s | null");
	find("tick+rate")->paced_ns = 10 * SECOND;
	/* it has a rate, too, which is not what holds it back: both are pauses, and the rate is
	 * named */
	expect_line("bottleneck: tick+rate (paced by rate: it lets 1000/s through");
	close_flow();
	open_flow("tick:1s | null");
	find("tick")->paced_ns = 10 * SECOND;
	expect_line("bottleneck: none: the flow waited for its input");
	close_flow();
	open_flow("count:5 | null");
	expect_line("bottleneck: none: no stage limited the flow for most of the time");
	close_flow();
}

Test(text_report, only_the_window_counts)
{
	struct leat_snapshot snapshot;

	open_flow("count:5 | workers:2 field:1 | null");
	/* In the last four seconds count was at work for three, and field/2 for one. */
	find("field/2")->busy_ns = 6 * SECOND;
	snapshot = snapshot_at(6);
	leat_report_take_window(&report, &snapshot);
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
