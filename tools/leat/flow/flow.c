/*
 * tools/leat/flow/flow.c: opening, starting and ending a flow. See flow.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/report.h"
#include "tools/leat/flow/tee.h"
#include "tools/leat/flow/word.h"

#include <leat/atomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

/* Makes room for what this word makes of one line. */
static int add_word(struct leat_member *member, size_t step)
{
	void *made = reallocarray(member->made, (step + 1) * LEAT_WORD_ROOM, sizeof(*member->made));

	if (made == NULL)
		return -ENOMEM;
	member->made = made;
	return 0;
}

static int init_member(struct leat_member *member, struct leat_run *flow, size_t at, unsigned index)
{
	const struct leat_run_group *group = &flow->plan.groups[at];

	member->flow = flow;
	member->group = at;
	member->due_ns = LEAT_NEVER;
	if (group->threads > 1)
		snprintf(member->name, sizeof(member->name), "%.50s/%u", group->name, index + 1);
	else
		strcpy(member->name, group->name);
	leat_row_init(&member->row, leat_stages_as(&flow->stages));
	member->row.header = &flow->header;
	member->steps = calloc(group->count, sizeof(*member->steps));
	if (member->steps == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < group->count; i++) {
		const struct leat_stage *stage = &flow->stages.list[group->first + i];
		int rc = leat_step_init(&member->steps[i], stage, &member->row);
		if (rc != 0)
			return rc;
		member->steps_count++;
		if (stage->type->verb == LEAT_VERB_WORD && stage->type->role == LEAT_STEP) {
			rc = add_word(member, i);
			if (rc != 0)
				return rc;
		}
		if (stage->type->verb == LEAT_VERB_RATE || group->first + i + 1 == flow->opts.slow)
			member->paced = true;
	}
	return 0;
}

static int init_members(struct leat_run *flow)
{
	size_t n = 0;

	for (size_t i = 0; i < flow->plan.groups_count; i++)
		n += flow->plan.groups[i].threads;
	flow->members = calloc(n, sizeof(*flow->members));
	if (flow->members == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < flow->plan.groups_count; i++)
		for (unsigned k = 0; k < flow->plan.groups[i].threads; k++) {
			int rc = init_member(&flow->members[flow->members_count++], flow, i, k);
			if (rc != 0)
				return rc;
		}
	return 0;
}

/* --- the graph --- */

static int share_line(void *copy, const void *item)
{
	leat_line_share(copy, item);
	return 0;
}

LEAT_TYPE_OWNED(line, struct leat_line, leat_line_discard, share_line);

/* The ring that is right before this port is that of an edge. */
static struct leat_port set_edge(const struct leat_run *flow, struct leat_port port, size_t at)
{
	const struct leat_edge *edge = &flow->plan.edges[at];

	port = leat_flow_name(port, edge->name);
	port = leat_flow_capacity(port, edge->capacity);
	return leat_flow_overflow(port, flow->opts.overflow);
}

/* The step of a group: its name is the group's. */
static void make_step(struct leat_run *flow, size_t at, struct leat_member *first)
{
	const struct leat_run_group *group = &flow->plan.groups[at];
	const bool several = group->threads > 1;

	flow->middle[at] = (struct leat_members){
		.first = first,
		.step = { .name = group->name,
		          .kind = LEAT_STEP_MAP,
		          .fn = several ? leat_members_step : leat_member_step,
		          .in = LEAT_T(line),
		          .out = LEAT_T(line),
		          .most = 1,
		          /* workers that share their items are called for items alone */
		          .due_ns = several ? NULL : leat_member_due_ns,
		          .waits = true,
		          .owns = true },
	};
	first->defers = !several;
}

static struct leat_port add_group(struct leat_run *flow, size_t at, struct leat_member *first,
                                  struct leat_port port)
{
	const struct leat_run_group *group = &flow->plan.groups[at];
	struct leat_members *middle = &flow->middle[at];

	make_step(flow, at, first);
	if (group->threads == 1)
		return leat_flow_buffer(leat_flow_step(port, &middle->step, first), 1);
	port = leat_flow_workers(port, group->threads, LEAT_UNORDERED);
	port = leat_flow_step_with(port, &middle->step,
	                           (struct leat_state){ .size = sizeof(struct leat_member *),
	                                                .init = leat_members_take,
	                                                .arg = middle });
	return leat_flow_gather(port);
}

static int open_graph(struct leat_run *flow, char why[LEAT_RUN_WHY])
{
	const struct leat_flow_opts opts = { .name = "flow", .wait = flow->opts.wait };
	struct leat_member *member = flow->members;
	struct leat_port port;
	int rc;

	flow->middle = calloc(flow->plan.groups_count, sizeof(*flow->middle));
	flow->scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .name = "flow" });
	if (flow->middle == NULL || flow->scope == NULL)
		return -ENOMEM;
	flow->sinks = leat_scope_open(flow->scope, NULL);
	flow->flow = leat_flow_open(flow->scope, &opts);
	if (flow->sinks == NULL || flow->flow == NULL)
		return leat_open_error();
	port = leat_flow_from_gen(flow->flow, LEAT_T(line), leat_member_main, member++);
	port = set_edge(flow, port, 0);
	for (size_t i = 1; i + 1 < flow->plan.groups_count; i++) {
		port = set_edge(flow, add_group(flow, i, member, port), i);
		member += flow->plan.groups[i].threads;
	}
	leat_flow_to_rx(port, &member->rx);
	rc = leat_flow_check(flow->flow, NULL);
	if (rc != 0)
		snprintf(why, LEAT_RUN_WHY, "%s", leat_flow_error(flow->flow));
	return rc;
}

int leat_run_open(struct leat_run **made, struct leat_stages *stages,
                  const struct leat_run_opts *opts, char why[LEAT_RUN_WHY])
{
	struct leat_run *flow = calloc(1, sizeof(*flow));
	int rc = -ENOMEM;

	why[0] = '\0';
	*made = NULL;
	if (flow == NULL) {
		leat_stages_free(stages);
		goto failed;
	}
	flow->stages = *stages;
	*stages = (struct leat_stages){ 0 };
	flow->opts = *opts;
	flow->out_fd = flow->reopen_fd = -1;
	flow->events_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = flow->events_fd < 0 ? -errno
	                         : leat_plan_make(&flow->stages, opts->capacity, &flow->plan);
	if (rc == 0)
		rc = leat_outputs_init(flow);
	if (rc == 0)
		rc = leat_run_source_check(flow, why);
	if (rc == 0)
		rc = init_members(flow);
	if (rc == 0)
		rc = open_graph(flow, why);
	if (rc == 0)
		rc = leat_tees_open(flow, why);
	if (rc == 0)
		rc = leat_run_sink_open(flow, why);
	if (rc == 0) {
		*made = flow;
		return 0;
	}
	leat_run_free(flow);
failed:
	if (why[0] == '\0')
		snprintf(why, LEAT_RUN_WHY, "%s", strerror(-rc));
	return rc;
}

/* --- running --- */

static void *join_all(void *arg)
{
	struct leat_run *flow = arg;

	leat_flow_join(flow->flow);
	leat_scope_join(flow->sinks);
	leat_store_rel(&flow->over, 1u); /* F3: pairs with leat_run_over() */
	eventfd_write(flow->events_fd, 1);
	return NULL;
}

static int start_sink(struct leat_run *flow, struct leat_member *sink)
{
	int rc = leat_gen(flow->sinks, leat_member_main, sink, 0,
	                  &(struct leat_gen_opts){ .chan.name = sink->name }, NULL);

	if (rc == 0)
		return 0;
	leat_rx_close(sink->rx);
	sink->rx = NULL;
	return rc;
}

int leat_run_start(struct leat_run *flow)
{
	int rc;

	flow->started_ns = leat_now_ns();
	flow->until_ns = flow->opts.for_ns != 0 ? flow->started_ns + flow->opts.for_ns : 0;
	rc = leat_flow_start(flow->flow);
	if (rc == 0) {
		for (size_t i = 0; i < flow->members_count; i++)
			flow->members[i].started = true;
		rc = start_sink(flow, &flow->members[flow->members_count - 1]);
		flow->members[flow->members_count - 1].started = rc == 0;
	}
	if (rc == 0)
		rc = -pthread_create(&flow->joiner, NULL, join_all, flow);
	flow->joins = rc == 0;
	if (rc == 0)
		return 0;
	leat_run_cancel(flow, "the flow could not be started");
	join_all(flow);
	return rc;
}

bool leat_run_over(const struct leat_run *flow)
{
	return leat_load_acq(&flow->over) != 0; /* F3 */
}

void leat_run_slow(struct leat_run *flow)
{
	leat_store_rlx(&flow->slow_on, 1u); /* rlx: nothing else depends on it */
}

/* The member's time on a processor; 0 before it has begun and once its thread has ended. */
static int64_t read_cpu_ns(const struct leat_member *member)
{
	struct timespec spent;

	if (!leat_load_acq(&member->begun) || /* F1 */
	    /* rlx: F1 has ordered it */
	    clock_gettime((clockid_t)leat_load_rlx(&member->clock), &spent) != 0)
		return 0;
	return spent.tv_sec * INT64_C(1000000000) + spent.tv_nsec;
}

bool leat_member_is_middle(const struct leat_member *member)
{
	return member->group > 0 && member->group + 1 < member->flow->plan.groups_count;
}

/* That of a group in the middle has ended if its thread, which has begun, has no clock any more. */
bool leat_member_over(const struct leat_member *member)
{
	const struct leat_run *flow = member->flow;

	if (leat_load_acq(&member->over) != 0 || leat_run_over(flow)) /* F2 */
		return true;
	return leat_member_is_middle(member) && leat_load_acq(&member->begun) && /* F1 */
	       read_cpu_ns(member) == 0;
}

const char *leat_member_inside(const struct leat_member *member)
{
	const struct leat_run *flow = member->flow;
	uint32_t inside = leat_load_rlx(&member->inside); /* rlx: only to be shown */

	return flow->stages.list[inside != 0 ? inside - 1 : flow->plan.groups[member->group].first]
	        .type->name;
}

bool leat_run_stuck(const struct leat_run *flow, int64_t cpu_ns)
{
	bool any = false;

	for (size_t i = 0; i < flow->members_count; i++) {
		const struct leat_member *member = &flow->members[i];

		/* one that has not begun waits, and the cancel has ended that */
		if (leat_member_over(member) || !leat_load_acq(&member->begun)) /* F1 */
			continue;
		/* rlx: F2 and the time on a processor decide; this is what they are about */
		if (leat_load_rlx(&member->inside) == 0 ||
		    read_cpu_ns(member) - member->cpu_ns < cpu_ns)
			return false;
		any = true;
	}
	return any;
}

/* Without a deadline, which the caller keeps: a stop then needs no thread, and cannot fail. */
void leat_run_stop(struct leat_run *flow, const char *text)
{
	leat_scope_stop(flow->scope, LEAT_NEVER, text);
}

void leat_run_cancel(struct leat_run *flow, const char *text)
{
	leat_scope_cancel(flow->scope, 0, text);
	for (size_t i = 0; i < flow->members_count; i++)
		flow->members[i].cpu_ns = read_cpu_ns(&flow->members[i]);
}

void leat_run_join(struct leat_run *flow)
{
	if (flow->joins)
		pthread_join(flow->joiner, NULL);
	flow->joins = false;
	for (size_t i = 0; i < flow->members_count; i++) {
		leat_tees_end(&flow->members[i]);
		leat_member_drop_held(&flow->members[i]);
	}
	leat_flow_close(flow->flow);
	leat_scope_close(flow->sinks);
	leat_scope_close(flow->scope);
	flow->flow = NULL;
	flow->sinks = flow->scope = NULL;
}

/* A line goes on to a further group only if the first one that reads fields has read it. */
void leat_run_lines_read(const struct leat_run *flow, uint64_t *lines, uint64_t *bad)
{
	size_t group = SIZE_MAX;

	*lines = *bad = 0;
	for (size_t i = 0; i < flow->members_count; i++) {
		const struct leat_member *member = &flow->members[i];
		if (member->row.count == 0 || member->group > group)
			continue;
		group = member->group;
		*lines += member->row.lines;
		*bad += member->row.bad;
	}
}

void leat_run_free(struct leat_run *flow)
{
	if (flow == NULL)
		return;
	leat_run_join(flow);
	for (size_t i = 0; i < flow->members_count; i++) {
		for (size_t k = 0; k < flow->members[i].steps_count; k++)
			leat_step_fini(&flow->members[i].steps[k]);
		leat_row_fini(&flow->members[i].row);
		free(flow->members[i].held);
		free(flow->members[i].made);
		free(flow->members[i].steps);
	}
	if (flow->out_fd > STDERR_FILENO)
		close(flow->out_fd);
	if (flow->reopen_fd >= 0)
		close(flow->reopen_fd);
	if (flow->events_fd >= 0)
		close(flow->events_fd);
	leat_csv_header_fini(&flow->header);
	leat_plan_free(&flow->plan);
	leat_paths_free(&flow->paths);
	leat_outputs_fini(flow);
	leat_stages_free(&flow->stages);
	free(flow->members);
	free(flow->middle);
	free(flow);
}
