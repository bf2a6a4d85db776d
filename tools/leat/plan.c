/*
 * tools/leat/plan.c: `leat check` and `leat graph`: what a flow would run as.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/leat.h"

#include <string.h>

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void put_threads(const struct leat_run_group *group)
{
	printf("%u thread%s%s", group->threads, plural(group->threads),
	       group->ordered ? ", ordered" : "");
}

/* What it takes, the threads of the sinks with it. */
static int estimate(const struct leat_run *flow, struct leat_flow_cost *cost)
{
	int rc = 0;

	*cost = (struct leat_flow_cost){ 0 };
	if (flow->flow != NULL)
		rc = leat_flow_estimate(flow->flow, cost);
	if (rc == 0)
		cost->threads += flow->finals_count;
	return rc;
}

static int measure_names(const struct leat_plan *plan)
{
	int width = 0;

	for (size_t i = 0; i < plan->groups_count; i++) {
		int len = (int)strlen(plan->groups[i].name);

		width = len > width ? len : width;
	}
	return width;
}

/* Behind a group: the ring that it sends into. In a flow without streams that is all there is. */
static void put_ring(const struct leat_plan *plan, const struct leat_stages *stages, size_t at)
{
	const struct leat_run_group *group = &plan->groups[at];
	const struct leat_edge *edge = &plan->edges[group->out];

	if (group->out == LEAT_NO_EDGE)
		return;
	printf("  |  a ring of %zu line%s, %s", edge->capacity, plural(edge->capacity),
	       edge->kind == LEAT_MPSC ? "MPSC" : "SPSC");
	if (stages->branches_count > 1)
		printf(", %s", edge->name);
	putchar('\n');
}

static int put_check(const struct leat_run *flow)
{
	const struct leat_plan *plan = &flow->plan;
	struct leat_flow_cost cost;
	int rc = estimate(flow, &cost), width = measure_names(plan);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < plan->groups_count; i++) {
		const struct leat_run_group *group = &plan->groups[i];

		printf("%-*s  ", width, group->name);
		put_threads(group);
		putchar('\n');
		put_ring(plan, &flow->stages, i);
	}
	printf("%zu thread%s, %zu ring%s of %zu bytes in all, beside the text of the lines\n",
	       cost.threads, plural(cost.threads), cost.rings, plural(cost.rings), cost.ring_bytes);
	return 0;
}

/* In a quoted string of dot's. */
static void put_quoted(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar((unsigned char)*text < ' ' ? ' ' : *text);
	}
}

static void put_stage(const struct leat_stages *stages, size_t i)
{
	const struct leat_stage *stage = &stages->list[i];

	printf("    s%zu [label=\"%s", i, stage->type->name);
	if (stage->arg.given) {
		putchar(':');
		put_quoted(stage->arg.text);
	}
	for (const struct leat_value *key = stage->keys; key != NULL; key = key->next) {
		printf("\\n%s:", key->name);
		put_quoted(key->text);
	}
	fputs("\"];\n", stdout);
}

/* How a branch hangs together with those before it. */
static void put_joins(const struct leat_stages *stages, const struct leat_plan *plan, size_t at)
{
	static const char *const names[] = { [LEAT_JOIN_MERGE] = "merge",
		                             [LEAT_JOIN_FIRST] = "merge\\nfirst:yes",
		                             [LEAT_JOIN_BY] = "merge\\nby:",
		                             [LEAT_JOIN_ZIP] = "zip" };
	const struct leat_branch *branch = &stages->branches[at];
	const size_t edge = plan->groups[plan->first_groups[at]].in;

	if (branch->from_count > 1) {
		printf("  b%zu [label=\"%s", at, names[branch->join]);
		put_quoted(branch->by.given ? branch->by.text : "");
		fputs("\", shape=ellipse];\n", stdout);
		printf("  b%zu -> s%zu [label=\"%zu\"];\n", at, branch->first,
		       plan->edges[edge].capacity);
	}
	for (size_t i = 0; i < branch->from_count; i++) {
		const size_t stream = branch->from[i];

		printf("  s%zu -> %c%zu [label=\"%s",
		       (size_t)(leat_stream_stage(stages, stream) - stages->list),
		       branch->from_count > 1 ? 'b' : 's',
		       branch->from_count > 1 ? at : branch->first, stages->streams[stream].name);
		if (branch->from_count == 1)
			printf(" %zu", plan->edges[edge].capacity);
		fputs("\"];\n", stdout);
	}
}

static void put_graph(const struct leat_stages *stages, const struct leat_plan *plan)
{
	fputs("digraph flow {\n  rankdir=LR;\n  node [shape=box];\n", stdout);
	for (size_t i = 0; i < plan->groups_count; i++) {
		const struct leat_run_group *group = &plan->groups[i];
		const struct leat_branch *branch =
			&stages->branches[stages->list[group->first].branch];

		printf("  subgraph cluster_%zu {\n    label=\"", i);
		put_threads(group);
		fputs("\";\n", stdout);
		for (size_t k = group->first; k < group->first + group->count; k++)
			put_stage(stages, k);
		fputs("  }\n", stdout);
		for (size_t k = group->first; k + 1 < group->first + group->count; k++)
			printf("  s%zu -> s%zu;\n", k, k + 1);
		if (group->first > branch->first)
			printf("  s%zu -> s%zu [label=\"%zu\"];\n", group->first - 1, group->first,
			       plan->edges[group->in].capacity);
	}
	for (size_t i = 0; i < stages->branches_count; i++)
		put_joins(stages, plan, i);
	fputs("}\n", stdout);
}

/* What it takes, beside the text of the lines and what steps and sinks remember. */
static int put_estimate(const struct leat_run *flow)
{
	struct leat_flow_cost cost;
	int rc = estimate(flow, &cost);

	if (rc != 0)
		return rc;
	printf("threads    %zu\n", cost.threads);
	printf("rings      %zu, of %zu bytes in all\n", cost.rings, cost.ring_bytes);
	printf("vectors    %zu bytes, of lines that steps have in hand\n", cost.vector_bytes);
	printf("handovers  %zu between threads on the longest way of a line: it takes at least as "
	       "many trips from core to core\n",
	       cost.hops);
	return 0;
}

enum plan leat_plan_word(const char *command)
{
	return strcmp(command, "check") == 0      ? PLAN_CHECK
	       : strcmp(command, "graph") == 0    ? PLAN_GRAPH
	       : strcmp(command, "estimate") == 0 ? PLAN_ESTIMATE
	                                          : PLAN_NONE;
}

int plan_main(int argc, char **argv)
{
	const enum plan plan = leat_plan_word(argv[0]);
	struct run_opts opts;
	struct leat_stages stages = { 0 };
	struct leat_run *flow = NULL;
	char why[LEAT_RUN_WHY];
	int status = run_opts_read(&opts, argc, argv);

	if (status >= 0)
		goto out;
	status = flow_text_parse(&opts, &stages);
	if (status != 0)
		goto out;
	opts.flow.checks = true;
	if (leat_run_open(&flow, &stages, &opts.flow, why) != 0) {
		fprintf(stderr, "leat: %s\n", why);
		status = EXIT_FAILED;
		goto out;
	}
	if (plan == PLAN_GRAPH)
		put_graph(&flow->stages, &flow->plan);
	else if ((plan == PLAN_CHECK ? put_check : put_estimate)(flow) != 0)
		status = EXIT_FAILED;
	if (fflush(stdout) != 0) {
		perror("leat: stdout");
		status = EXIT_FAILED;
	}
out:
	leat_run_free(flow);
	leat_stages_free(&stages);
	run_opts_free(&opts);
	return status;
}
