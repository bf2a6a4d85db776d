/*
 * tools/leat/plan.c: `leat check` and `leat graph`: what a flow would run as.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/leat.h"

#include <leat/io.h>
#include <string.h>

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static const char *kind_name(enum leat_kind kind)
{
	static const char *const names[] = { [LEAT_SPSC] = "SPSC",
		                             [LEAT_MPSC] = "MPSC",
		                             [LEAT_SPMC] = "SPMC",
		                             [LEAT_MPMC] = "MPMC" };

	return names[kind];
}

static void put_check(const struct leat_plan *plan)
{
	uint64_t threads = 0, items = 0;
	int width = 0;

	for (size_t i = 0; i < plan->groups_count; i++) {
		int len = (int)strlen(plan->groups[i].name);

		width = len > width ? len : width;
	}
	for (size_t i = 0; i < plan->groups_count; i++) {
		const struct leat_run_group *group = &plan->groups[i];

		printf("%-*s  %u thread%s\n", width, group->name, group->threads,
		       plural(group->threads));
		threads += group->threads;
		if (i + 1 == plan->groups_count)
			break;
		printf("  |  a ring of %zu line%s, %s\n", plan->edges[i].capacity,
		       plural(plan->edges[i].capacity), kind_name(plan->edges[i].kind));
		items += plan->edges[i].capacity;
	}
	printf("%llu thread%s, %zu ring%s of %llu bytes in all, beside the text of the lines\n",
	       (unsigned long long)threads, plural(threads), plan->groups_count - 1,
	       plural(plan->groups_count - 1),
	       (unsigned long long)(items * sizeof(struct leat_line)));
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

static void put_graph(const struct leat_stages *stages, const struct leat_plan *plan)
{
	fputs("digraph flow {\n  rankdir=LR;\n  node [shape=box];\n", stdout);
	for (size_t i = 0; i < plan->groups_count; i++) {
		const struct leat_run_group *group = &plan->groups[i];

		printf("  subgraph cluster_%zu {\n    label=\"%u thread%s\";\n", i, group->threads,
		       plural(group->threads));
		for (size_t k = group->first; k < group->first + group->count; k++)
			put_stage(stages, k);
		fputs("  }\n", stdout);
		for (size_t k = group->first; k + 1 < group->first + group->count; k++)
			printf("  s%zu -> s%zu;\n", k, k + 1);
		if (i > 0)
			printf("  s%zu -> s%zu [label=\"%zu\"];\n", group->first - 1, group->first,
			       plan->edges[i - 1].capacity);
	}
	fputs("}\n", stdout);
}

int plan_main(int argc, char **argv, bool graph)
{
	struct run_opts opts;
	struct leat_stages stages = { 0 };
	struct leat_plan plan = { 0 };
	int status = run_opts_read(&opts, argc, argv);

	if (status < 0)
		status = flow_text_parse(&opts, &stages);
	else
		goto out;
	if (status == 0 && leat_plan_make(&stages, opts.flow.capacity, &plan) != 0) {
		fprintf(stderr, "leat: %s\n", strerror(ENOMEM));
		status = EXIT_FAILED;
	}
	if (status != 0)
		goto out;
	if (graph)
		put_graph(&stages, &plan);
	else
		put_check(&plan);
	if (fflush(stdout) != 0) {
		perror("leat: stdout");
		status = EXIT_FAILED;
	}
out:
	leat_plan_free(&plan);
	leat_stages_free(&stages);
	run_opts_free(&opts);
	return status;
}
