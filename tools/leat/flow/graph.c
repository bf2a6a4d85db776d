/*
 * tools/leat/flow/graph.c: what a flow as text is built of. See graph.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tools/leat/flow/graph.h"
#include "tools/leat/flow/bridge.h"
#include "tools/leat/flow/keyed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int leat_run_share_line(void *copy, const void *line)
{
	leat_line_share(copy, line);
	return 0;
}

static void discard_pair(void *pair, void *unused);

LEAT_PAIR_OWNED(pair, line, line, discard_pair, NULL);

static void discard_pair(void *item, void *unused)
{
	leat_item_pair *pair = item;

	leat_line_discard(&pair->first, unused);
	leat_line_discard(&pair->second, unused);
}

/* The lines of a pair with a tab between them. */
LEAT_MAP(zip, pair, both, line, line, const void *, unused)
{
	const size_t len = both->first.len + 1 + both->second.len;
	char *text = malloc(len);
	int rc;

	if (text == NULL)
		return -ENOMEM;
	memcpy(text, both->first.data, both->first.len);
	text[both->first.len] = '\t';
	memcpy(text + both->first.len + 1, both->second.data, both->second.len);
	rc = leat_line_copy(line, text, len);
	free(text);
	return rc;
}

/* What a flow is built of. */
struct graph {
	struct leat_run *run;
	struct leat_member *next; /* of the next group */
	struct leat_port
		*streams; /* of a stream that is teed, the first one; they are side by side */
	struct leat_port **tees; /* of each stream: NULL: it is not teed */
	size_t *used;            /* of each stream: by so many branches */
};

/* The ring, or rings, right before this port are those of an edge. */
static struct leat_port set_edge(const struct leat_run *run, struct leat_port port, size_t at)
{
	const struct leat_edge *edge = &run->plan.edges[at];

	port = leat_flow_name(port, edge->name);
	port = leat_flow_capacity(port, edge->capacity);
	return leat_flow_overflow(port, run->opts.overflow);
}

/* Whether each line that goes into a group comes out of it, one for one. */
static bool keeps_lines(const struct leat_run *run, const struct leat_run_group *group)
{
	for (size_t i = group->first; i < group->first + group->count; i++)
		switch (run->stages.list[i].type->verb) {
		case LEAT_VERB_FIELD:
		case LEAT_VERB_MAP:
		case LEAT_VERB_RATE:
		case LEAT_VERB_TEE:
		case LEAT_VERB_BUFFER:
		case LEAT_VERB_TIMEOUT:
		case LEAT_VERB_SCAN:
		case LEAT_VERB_PARTITION:
			break;
		default:
			return false;
		}
	return true;
}

/* Where lines go on one by one they wait in the ring; a take receives no more than it lets through.
 */
static size_t bound_vector(const struct leat_run *run, const struct leat_run_group *group,
                           const struct leat_member *first)
{
	size_t most = first->paced ? 1 : 0;

	for (size_t i = group->first; i < group->first + group->count; i++) {
		const struct leat_stage *stage = &run->stages.list[i];

		if (stage->type->verb == LEAT_VERB_TAKE && (most == 0 || stage->arg.number < most))
			most = stage->arg.number < SIZE_MAX ? (size_t)stage->arg.number : most;
	}
	return most;
}

/* The step of a group: its name is the group's. */
static void make_step(struct leat_run *run, size_t at, struct leat_member *first)
{
	const struct leat_run_group *group = &run->plan.groups[at];
	const bool several = group->threads > 1;

	run->middle[at] = (struct leat_members){
		.first = first,
		.step = { .name = group->name,
		          .kind = LEAT_STEP_MAP,
		          .fn = several ? leat_members_step : leat_member_step,
		          .in = LEAT_T(line),
		          .out = LEAT_T(line),
		          /* 2: check is not to take it for a step that makes one of each */
		          .most = keeps_lines(run, group) ? 1 : 2,
		          /* workers that share their items are called for items alone */
		          .due_ns = several ? NULL : leat_member_due_ns,
		          .waits = true,
		          .owns = true,
		          .vector = bound_vector(run, group, first) },
	};
	first->defers = !several;
}

/* A group in the middle. Several threads are gathered in the ring that is behind them. */
static struct leat_port add_group(struct leat_run *run, size_t at, struct leat_member *first,
                                  struct leat_port port)
{
	const struct leat_run_group *group = &run->plan.groups[at];
	struct leat_members *middle = &run->middle[at];

	make_step(run, at, first);
	if (first->steps[0].stage->type->verb == LEAT_VERB_TIMEOUT)
		port = leat_flow_name(leat_flow_timeout(port, first->steps[0].stage->arg.ns),
		                      group->name);
	if (group->threads == 1)
		return leat_flow_step(port, &middle->step, first);
	port = leat_flow_workers(port, group->threads,
	                         group->ordered ? LEAT_ORDERED : LEAT_UNORDERED);
	port = leat_flow_step_with(port, &middle->step,
	                           (struct leat_state){ .size = sizeof(struct leat_member *),
	                                                .init = leat_members_take,
	                                                .arg = middle });
	return leat_flow_gather(port);
}

static struct leat_port use_stream(struct graph *graph, size_t stream)
{
	const size_t k = graph->used[stream]++;

	return graph->tees[stream] != NULL ? graph->tees[stream][k] : graph->streams[stream];
}

/* What a branch begins with, if that is no source. */
static struct leat_port begin_branch(struct graph *graph, const struct leat_branch *branch)
{
	const struct leat_run *run = graph->run;
	const struct leat_run_group *first =
		&run->plan.groups[run->plan.first_groups[branch - run->stages.branches]];
	struct leat_port ports[LEAT_JOINED_MAX], port;

	for (size_t i = 0; i < branch->from_count; i++)
		ports[i] = use_stream(graph, branch->from[i]);
	if (branch->join == LEAT_JOIN_STREAM)
		return ports[0];
	if (branch->join == LEAT_JOIN_MERGE)
		return set_edge(run, leat_flow_merge(ports, branch->from_count), first->in);
	if (branch->join == LEAT_JOIN_FIRST)
		return leat_flow_name(leat_flow_merge_first(ports, branch->from_count),
		                      run->plan.edges[first->in].name);
	if (branch->join == LEAT_JOIN_BY) {
		port = leat_keyed_merge(graph->run, branch, ports, run->plan.edges[first->in].name);
	} else {
		port = leat_flow_zip(ports[0], ports[1], LEAT_T(pair));
		port = leat_flow_name(port, run->plan.edges[first->in].name);
		port = leat_flow_step(port, &zip, NULL);
	}
	/* it runs on the thread of the step behind it, which has the name of its first one */
	return first->threads == 1 && run->stages.list[first->first].type->role == LEAT_STEP
	               ? leat_flow_name(port, first->name)
	               : port;
}

/* The part of a partition that a line goes to. */
static uint64_t part_of(const void *item, const void *arg)
{
	const struct leat_member *member = arg;
	struct leat_run_step *step = &member->steps[member->steps_count - 1];
	const struct leat_branch *branch = &member->flow->stages.branches[step->stage->branch];

	return leat_step_part(step, item, branch->to_count);
}

static int tee_stream(struct graph *graph, size_t stream, struct leat_port port, const char *name)
{
	const size_t users = graph->run->stages.streams[stream].users;

	graph->tees[stream] = calloc(users, sizeof(*graph->tees[stream]));
	if (graph->tees[stream] == NULL)
		return -ENOMEM;
	leat_flow_tee(port, graph->tees[stream], users);
	if (name != NULL)
		leat_flow_name(graph->tees[stream][0], name);
	return 0;
}

/* What comes out of a branch whose last group this is: streams. */
static int end_branch(struct graph *graph, const struct leat_branch *branch,
                      struct leat_member *last, struct leat_port port)
{
	const struct leat_run *run = graph->run;
	const size_t edge = run->plan.stream_edges[branch->to];
	const char *name = edge != LEAT_NO_EDGE ? run->plan.edges[edge].name : NULL;
	int rc = 0;

	if (branch->to_count == 1 && !leat_branch_is_teed(&run->stages, branch)) {
		graph->streams[branch->to] = port;
		return 0;
	}
	if (branch->to_count == 1)
		return tee_stream(graph, branch->to, port, name);
	leat_flow_partition(port, part_of, last, &graph->streams[branch->to], branch->to_count);
	leat_flow_name(graph->streams[branch->to], name);
	for (size_t i = branch->to; i < branch->to + branch->to_count && rc == 0; i++)
		if (run->stages.streams[i].users > 1)
			rc = tee_stream(graph, i, graph->streams[i], NULL);
	return rc;
}

/* Whether what is behind a group begins with a ring that is the group's own. */
static bool ends_in_ring(const struct leat_run *run, const struct leat_branch *branch, size_t at)
{
	const struct leat_run_group *group = &run->plan.groups[at];

	if (group->first + group->count < branch->first + branch->count)
		return true;
	return leat_branch_goes_on(&run->stages, branch);
}

/* Its ring has the streams, and is there whatever is behind it. */
static bool ends_in_bridge(const struct leat_run *run, const struct leat_run_group *group)
{
	return run->stages.list[group->first + group->count - 1].type->verb == LEAT_VERB_BRIDGE;
}

/* Whether a stream that several branches begin with is right before this group. */
static bool begins_with_tee(const struct graph *graph, const struct leat_branch *branch, size_t at)
{
	const struct leat_run *run = graph->run;

	return branch->join == LEAT_JOIN_STREAM && graph->tees[branch->from[0]] != NULL &&
	       at == run->plan.first_groups[branch - run->stages.branches];
}

static int add_branch(struct graph *graph, const struct leat_branch *branch)
{
	struct leat_run *run = graph->run;
	size_t at = run->plan.first_groups[branch - run->stages.branches];
	struct leat_port port = { 0 };
	struct leat_member *member = graph->next;

	if (branch->join != LEAT_JOIN_SOURCE)
		port = begin_branch(graph, branch);
	for (;; at++) {
		const struct leat_run_group *group = &run->plan.groups[at];

		member = graph->next;
		graph->next += group->threads;
		if (leat_member_counts(member))
			return 0;
		if (member->final != NULL) {
			member->lent = begins_with_tee(graph, branch, at);
			(member->lent ? leat_flow_to_rx_lent : leat_flow_to_rx)(port, &member->rx);
			return 0;
		}
		if (member->input != NULL)
			port = set_edge(run,
			                leat_flow_from_gen(run->flow, LEAT_T(line),
			                                   leat_member_main, member),
			                group->out);
		else
			port = add_group(run, at, member, port);
		if (ends_in_bridge(run, group)) {
			port = leat_bridge_add(member, port);
			if (ends_in_ring(run, branch, at))
				port = leat_flow_name(port, run->plan.edges[group->out].name);
		} else if (member->input == NULL && ends_in_ring(run, branch, at)) {
			if (group->threads == 1)
				port = leat_flow_buffer(port, 1);
			port = set_edge(run, port, group->out);
		}
		if (group->first + group->count == branch->first + branch->count)
			return end_branch(graph, branch, member, port);
	}
}

static int add_branches(struct leat_run *run)
{
	const size_t streams = run->stages.streams_count + 1;
	struct graph graph = { .run = run,
		               .next = run->members,
		               .streams = calloc(streams, sizeof(*graph.streams)),
		               .tees = calloc(streams, sizeof(*graph.tees)),
		               .used = calloc(streams, sizeof(*graph.used)) };
	int rc = graph.streams == NULL || graph.tees == NULL || graph.used == NULL ? -ENOMEM : 0;

	for (size_t i = 0; i < run->stages.branches_count && rc == 0; i++)
		rc = add_branch(&graph, &run->stages.branches[i]);
	for (size_t i = 0; i < streams && graph.tees != NULL; i++)
		free(graph.tees[i]);
	free(graph.streams);
	free(graph.tees);
	free(graph.used);
	return rc;
}

int leat_graph_open(struct leat_run *run, char why[LEAT_RUN_WHY])
{
	const struct leat_flow_opts opts = { .name = "flow",
		                             .wait = run->opts.wait,
		                             .capacity = run->opts.capacity };
	int rc;

	run->middle = calloc(run->plan.groups_count, sizeof(*run->middle));
	run->scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .name = "flow" });
	if (run->middle == NULL || run->scope == NULL)
		return -ENOMEM;
	run->sinks = leat_scope_open(run->scope, NULL);
	run->streams = leat_scope_open(run->scope, NULL);
	if (run->sinks == NULL || run->streams == NULL)
		return leat_open_error();
	if (run->plan.edges_count == 0) /* nothing is libleat-flow's */
		return 0;
	run->flow = leat_flow_open(run->scope, &opts);
	if (run->flow == NULL)
		return leat_open_error();
	rc = add_branches(run);
	if (rc == 0)
		rc = leat_flow_check(run->flow, NULL);
	if (rc != 0)
		snprintf(why, LEAT_RUN_WHY, "%s", leat_flow_error(run->flow));
	return rc;
}
