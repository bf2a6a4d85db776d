/*
 * tools/leat/flow/plan.c: which stages share a thread, and between which there is a ring. See
 * plan.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/plan.h"
#include "tools/leat/flow/later.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Two names and an arrow must fit in the name of a channel. */
#define GROUP_NAME_MAX 28u

/* Whether the stage is a sink that counts what the source right before it reads. */
static bool counts_source(const struct leat_stages *stages, size_t at, size_t slow)
{
	const struct leat_stage *stage = &stages->list[at];
	const enum leat_verb source = stages->list[at - 1].type->verb;

	return stage->type->role == LEAT_SINK && stage->type->verb == LEAT_VERB_COUNT &&
	       !leat_stage_key(stage, "every")->given &&
	       (source == LEAT_VERB_LINES || source == LEAT_VERB_WALK) &&
	       (slow == 0 || (slow != at && slow != at + 1));
}

static bool starts_group(const struct leat_stages *stages, size_t at, size_t slow,
                         const struct leat_run_group *before)
{
	const struct leat_stage *stage = &stages->list[at];

	if (at == stages->branches[stage->branch].first)
		return true;
	if (counts_source(stages, at, slow))
		return false;
	if (stage->workers != 0 || stage->type->role == LEAT_SINK ||
	    stages->list[at - 1].type->verb == LEAT_VERB_BRIDGE)
		return true;
	if (leat_later_is_timed(stage)) /* no source is called at a time */
		return stages->list[before->first].type->role == LEAT_SOURCE || before->threads > 1;
	switch (stage->type->verb) {
	case LEAT_VERB_BUFFER:
	case LEAT_VERB_TIMEOUT:
		return true;
	case LEAT_VERB_TEE: /* a source does not say that it waits, which a tee has to know */
	case LEAT_VERB_TAKE:
	case LEAT_VERB_WHILE:
	case LEAT_VERB_PARTITION:
	case LEAT_VERB_BRIDGE:
		return stages->list[before->first].type->role == LEAT_SOURCE || before->threads > 1;
	case LEAT_VERB_RATE:
	case LEAT_VERB_SKIP:
	case LEAT_VERB_EVERY:
	case LEAT_VERB_UNIQ:
	case LEAT_VERB_DISTINCT:
	case LEAT_VERB_SCAN:
	case LEAT_VERB_BATCH:
	case LEAT_VERB_WINDOW:
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

static void name_edge(struct leat_edge *edge, const char *from, const char *to)
{
	snprintf(edge->name, sizeof(edge->name), "%.28s -> %.28s", from, to);
}

/* An edge that begins behind this group; `to` is the group that it leads to, NULL: several. */
static struct leat_edge *add_edge(const struct leat_stages *stages, struct leat_plan *plan,
                                  struct leat_run_group *from, struct leat_run_group *to,
                                  size_t capacity)
{
	const struct leat_stage *stage = to != NULL ? &stages->list[to->first] : NULL;
	const struct leat_stage *last = &stages->list[from->first + from->count - 1];
	struct leat_edge *edge = &plan->edges[plan->edges_count];

	*edge = (struct leat_edge){ .kind = from->threads > 1 ? LEAT_MPSC : LEAT_SPSC,
		                    .capacity = capacity,
		                    .rings = 1 };
	if (stage != NULL && stage->type->verb == LEAT_VERB_BUFFER)
		edge->capacity = (size_t)stage->arg.number;
	if (last->type->verb == LEAT_VERB_BRIDGE) /* of files */
		edge->capacity = (size_t)last->arg.number;
	if (to != NULL) {
		name_edge(edge, from->name, to->name);
		to->in = plan->edges_count;
	}
	from->out = plan->edges_count++;
	return edge;
}

bool leat_branch_is_teed(const struct leat_stages *stages, const struct leat_branch *branch)
{
	return branch->to_count == 1 && stages->streams[branch->to].users > 1;
}

/* The branch that begins with this stream alone; NULL: none does. */
static const struct leat_branch *find_user(const struct leat_stages *stages, size_t stream)
{
	for (size_t i = 0; i < stages->branches_count; i++)
		if (stages->branches[i].join == LEAT_JOIN_STREAM &&
		    stages->branches[i].from[0] == stream)
			return &stages->branches[i];
	return NULL;
}

bool leat_branch_goes_on(const struct leat_stages *stages, const struct leat_branch *branch)
{
	return branch->to_count == 1 && !leat_branch_is_teed(stages, branch) &&
	       find_user(stages, branch->to) != NULL;
}

/* The ring that all branches of a stream, or of the parts of a partition, receive from. */
static void share_edge(const struct leat_stages *stages, struct leat_plan *plan,
                       const struct leat_branch *branch, struct leat_run_group *last,
                       size_t capacity)
{
	const struct leat_stream *stream = &stages->streams[branch->to];
	const bool own = last->out != LEAT_NO_EDGE; /* a source has a ring of its own before it */
	const size_t out = last->out;
	struct leat_edge *edge = add_edge(stages, plan, last, NULL, capacity);
	char users[29];

	edge->rings = (unsigned)branch->to_count;
	snprintf(users, sizeof(users), "%zu branches", stream->users);
	name_edge(edge, own ? stream->name : last->name,
	          own                    ? users
	          : branch->to_count > 1 ? "parts"
	                                 : stream->name);
	for (size_t i = 0; i < branch->to_count; i++)
		plan->stream_edges[branch->to + i] = last->out;
	if (own)
		last->out = out;
}

/* What a branch ends in, but for the ring of a merge or a zip. */
static void end_branch(const struct leat_stages *stages, struct leat_plan *plan,
                       const struct leat_branch *branch, struct leat_run_group *last,
                       size_t capacity)
{
	const struct leat_branch *user;

	if (branch->to_count == 0)
		return;
	if (leat_branch_goes_on(stages, branch)) {
		user = find_user(stages, branch->to);
		add_edge(stages, plan, last,
		         &plan->groups[plan->first_groups[user - stages->branches]], capacity);
		plan->stream_edges[branch->to] = last->out;
		return;
	}
	/* a source sends into the ring of its branches itself; that ring never drops */
	if (stages->list[last->first].type->role == LEAT_SOURCE &&
	    (plan->drops || !leat_branch_is_teed(stages, branch)))
		name_edge(add_edge(stages, plan, last, NULL, capacity), last->name,
		          stages->streams[branch->to].name);
	if (branch->to_count > 1 || leat_branch_is_teed(stages, branch))
		share_edge(stages, plan, branch, last, capacity);
}

/* The ring, or rings, that a merge or a zip receives from. */
static void begin_joined(const struct leat_stages *stages, struct leat_plan *plan,
                         const struct leat_branch *branch, struct leat_run_group *first,
                         size_t capacity)
{
	struct leat_edge *edge = &plan->edges[plan->edges_count];
	const bool own = branch->join != LEAT_JOIN_MERGE; /* each stream has a ring of its own */
	char names[29] = "";

	for (size_t i = 0; i < branch->from_count; i++) {
		const size_t used = strlen(names), stream = branch->from[i];

		snprintf(names + used, sizeof(names) - used, "%s%s", i > 0 ? "," : "",
		         stages->streams[stream].name);
		if (plan->stream_edges[stream] != LEAT_NO_EDGE)
			continue;
		plan->stream_edges[stream] = plan->edges_count;
		for (size_t k = 0; k < plan->groups_count; k++) {
			struct leat_run_group *group = &plan->groups[k];
			const struct leat_branch *from =
				&stages->branches[stages->streams[stream].branch];

			if (group->first + group->count == from->first + from->count &&
			    group->out == LEAT_NO_EDGE)
				group->out = plan->edges_count;
		}
	}
	*edge = (struct leat_edge){ .kind = own ? LEAT_SPSC : LEAT_MPSC,
		                    .capacity = capacity,
		                    .rings = own ? (unsigned)branch->from_count : 1 };
	name_edge(edge, names, first->name);
	first->in = plan->edges_count++;
}

static void make_edges(const struct leat_stages *stages, struct leat_plan *plan, size_t capacity)
{
	for (size_t i = 0; i < stages->branches_count; i++) {
		const struct leat_branch *branch = &stages->branches[i];
		size_t at = plan->first_groups[i], end = branch->first + branch->count;

		if (branch->from_count > 1)
			begin_joined(stages, plan, branch, &plan->groups[at], capacity);
		else if (branch->join == LEAT_JOIN_STREAM)
			plan->groups[at].in = plan->stream_edges[branch->from[0]];
		for (; plan->groups[at].first + plan->groups[at].count < end; at++)
			add_edge(stages, plan, &plan->groups[at], &plan->groups[at + 1], capacity);
		end_branch(stages, plan, branch, &plan->groups[at], capacity);
	}
}

static int alloc_plan(const struct leat_stages *stages, struct leat_plan *plan)
{
	*plan = (struct leat_plan){ 0 };
	plan->groups = calloc(stages->count, sizeof(*plan->groups));
	/* one behind each stage at most, and two more for each branch */
	plan->edges = calloc(stages->count + 2 * stages->branches_count, sizeof(*plan->edges));
	plan->first_groups = calloc(stages->branches_count, sizeof(*plan->first_groups));
	plan->stream_edges = calloc(stages->streams_count + 1, sizeof(*plan->stream_edges));
	if (plan->groups != NULL && plan->edges != NULL && plan->first_groups != NULL &&
	    plan->stream_edges != NULL) {
		for (size_t i = 0; i < stages->streams_count; i++)
			plan->stream_edges[i] = LEAT_NO_EDGE;
		return 0;
	}
	leat_plan_free(plan);
	return -ENOMEM;
}

int leat_plan_make(const struct leat_stages *stages, size_t capacity, bool drops, size_t slow,
                   struct leat_plan *plan)
{
	int rc = alloc_plan(stages, plan);

	if (rc != 0)
		return rc;
	plan->drops = drops;
	for (size_t i = 0; i < stages->count; i++) {
		const struct leat_stage *stage = &stages->list[i];

		if (i == stages->branches[stage->branch].first)
			plan->first_groups[stage->branch] = plan->groups_count;
		if (i == 0 || starts_group(stages, i, slow, &plan->groups[plan->groups_count - 1]))
			plan->groups[plan->groups_count++] = (struct leat_run_group){
				.first = i,
				.threads = stage->workers != 0 ? stage->workers : 1,
				.ordered = stage->ordered && stage->workers > 1,
				.in = LEAT_NO_EDGE,
				.out = LEAT_NO_EDGE
			};
		plan->groups[plan->groups_count - 1].count++;
	}
	for (size_t i = 0; i < plan->groups_count; i++)
		name_group(stages, plan, i);
	make_edges(stages, plan, capacity);
	return 0;
}

void leat_plan_free(struct leat_plan *plan)
{
	free(plan->groups);
	free(plan->edges);
	free(plan->first_groups);
	free(plan->stream_edges);
	*plan = (struct leat_plan){ 0 };
}
