/*
 * tools/leat/flow/plan.c: which stages share a thread, and between which there is a ring. See
 * plan.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two names and an arrow must fit in the name of a channel. */
#define GROUP_NAME_MAX 28u

static bool starts_group(const struct leat_stages *stages, size_t at,
                         const struct leat_run_group *before)
{
	const struct leat_stage *stage = &stages->list[at];

	if (at + 1 == stages->count || stage->workers != 0)
		return true;
	switch (stage->type->verb) {
	case LEAT_VERB_BUFFER:
		return true;
	case LEAT_VERB_TEE: /* a source does not say that it waits, which a tee has to know */
	case LEAT_VERB_TAKE:
		return before->first == 0 || before->threads > 1;
	case LEAT_VERB_RATE:
	case LEAT_VERB_SKIP:
	case LEAT_VERB_EVERY:
	case LEAT_VERB_UNIQ:
	case LEAT_VERB_DISTINCT:
		return before->threads > 1;
	default:
		return false;
	}
}

/*
 * Names a group by its stages. A long name ends in "..."; a name that an earlier group has gets a
 * number.
 */
static void name_group(const struct leat_stages *stages, struct leat_plan *plan, size_t at)
{
	struct leat_run_group *group = &plan->groups[at];
	char name[LEAT_NAME_MAX + 1] = "";

	for (size_t i = 0; i < group->count; i++) {
		size_t used = strlen(name);
		snprintf(name + used, sizeof(name) - used, "%s%s", i > 0 ? "+" : "",
		         stages->list[group->first + i].type->name);
	}
	if (strlen(name) > GROUP_NAME_MAX - 4)
		strcpy(name + GROUP_NAME_MAX - 7, "...");
	unsigned number = 1;
	strcpy(group->name, name);
	for (size_t i = 0; i < at; i++)
		if (strcmp(plan->groups[i].name, group->name) == 0) {
			snprintf(group->name, GROUP_NAME_MAX + 1, "%.24s#%u", name, ++number);
			/* from the start, as an earlier group may have the new name, too */
			i = (size_t)-1;
		}
}

static void make_edge(const struct leat_stages *stages, struct leat_plan *plan, size_t at,
                      size_t capacity)
{
	static const enum leat_kind kinds[2][2] = { { LEAT_SPSC, LEAT_SPMC },
		                                    { LEAT_MPSC, LEAT_MPMC } };
	const struct leat_run_group *from = &plan->groups[at], *to = &plan->groups[at + 1];
	const struct leat_stage *stage = &stages->list[to->first];
	struct leat_edge *edge = &plan->edges[at];

	snprintf(edge->name, sizeof(edge->name), "%.28s -> %.28s", from->name, to->name);
	edge->kind = kinds[from->threads > 1][to->threads > 1];
	edge->capacity =
		stage->type->verb == LEAT_VERB_BUFFER ? (size_t)stage->arg.number : capacity;
}

int leat_plan_make(const struct leat_stages *stages, size_t capacity, struct leat_plan *plan)
{
	*plan = (struct leat_plan){ 0 };
	plan->groups = calloc(stages->count, sizeof(*plan->groups));
	plan->edges = calloc(stages->count, sizeof(*plan->edges));
	if (plan->groups == NULL || plan->edges == NULL) {
		leat_plan_free(plan);
		return -ENOMEM;
	}
	for (size_t i = 0; i < stages->count; i++) {
		if (i == 0 || starts_group(stages, i, &plan->groups[plan->groups_count - 1])) {
			unsigned workers = stages->list[i].workers;
			plan->groups[plan->groups_count++] =
				(struct leat_run_group){ .first = i,
				                         .threads = workers != 0 ? workers : 1 };
		}
		plan->groups[plan->groups_count - 1].count++;
	}
	for (size_t i = 0; i < plan->groups_count; i++)
		name_group(stages, plan, i);
	for (size_t i = 0; i + 1 < plan->groups_count; i++)
		make_edge(stages, plan, i, capacity);
	return 0;
}

void leat_plan_free(struct leat_plan *plan)
{
	free(plan->groups);
	free(plan->edges);
	*plan = (struct leat_plan){ 0 };
}
