/*
 * tools/leat/flow/flow.c: opening, starting and ending a flow. See flow.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/graph.h"
#include "tools/leat/flow/keyed.h"
#include "tools/leat/flow/later.h"
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

/* What a stage reads; NULL: it is no source. */
static struct leat_input *find_input(const struct leat_run *flow, const struct leat_stage *stage)
{
	for (size_t i = 0; i < flow->inputs_count; i++)
		if (flow->inputs[i].stage == stage)
			return &flow->inputs[i];
	return NULL;
}

/* What a member reads or writes, if its group begins with a source or ends in a sink. */
static void set_ends(struct leat_member *member, const struct leat_run_group *group)
{
	struct leat_run *flow = member->flow;
	const struct leat_stage *first = &flow->stages.list[group->first];

	member->input = find_input(flow, first);
	for (size_t i = 0; i < flow->finals_count; i++)
		if (flow->finals[i].stage == &first[group->count - 1])
			member->final = &flow->finals[i];
}

const struct leat_csv_header *leat_run_header(const struct leat_run *flow,
                                              const struct leat_stage *stage)
{
	const struct leat_input *input = find_input(flow, leat_stage_source(&flow->stages, stage));

	return input != NULL ? &input->header : NULL;
}

/* One for each source, and one for each sink. */
static int init_ends(struct leat_run *flow)
{
	flow->inputs = calloc(flow->stages.count, sizeof(*flow->inputs));
	flow->finals = calloc(flow->stages.count, sizeof(*flow->finals));
	if (flow->inputs == NULL || flow->finals == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < flow->stages.count; i++) {
		const struct leat_stage *stage = &flow->stages.list[i];

		if (stage->type->role == LEAT_SOURCE)
			flow->inputs[flow->inputs_count++].stage = stage;
		if (stage->type->role == LEAT_SINK)
			flow->finals[flow->finals_count++] = (struct leat_final){ .stage = stage,
				                                                  .out_fd = -1,
				                                                  .reopen_fd = -1 };
	}
	return 0;
}

static int init_member(struct leat_member *member, struct leat_run *flow, size_t at, unsigned index)
{
	const struct leat_run_group *group = &flow->plan.groups[at];

	member->flow = flow;
	member->group = at;
	if (group->threads > 1)
		snprintf(member->name, sizeof(member->name), "%.50s/%u", group->name, index + 1);
	else
		strcpy(member->name, group->name);
	set_ends(member, group);
	leat_row_init(&member->row, leat_stage_as(&flow->stages.list[group->first]));
	member->row.header = leat_run_header(flow, &flow->stages.list[group->first]);
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
		member->timed |= leat_later_is_timed(stage);
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

/* All but the files. Takes the stages over. */
static int open_stages(struct leat_run *flow, struct leat_stages *stages,
                       const struct leat_run_opts *opts)
{
	int rc;

	flow->stages = *stages;
	*stages = (struct leat_stages){ 0 };
	flow->opts = *opts;
	pthread_mutex_init(&flow->writing, NULL);
	pthread_mutex_init(&flow->failing, NULL);
	flow->events_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = flow->events_fd < 0
	             ? -errno
	             : leat_plan_make(&flow->stages, opts->capacity, opts->overflow != LEAT_BLOCK,
	                              opts->slow, &flow->plan);
	if (rc == 0)
		rc = leat_outputs_init(flow);
	return rc == 0 ? init_ends(flow) : rc;
}

static int open_files(struct leat_run *flow, char why[LEAT_RUN_WHY])
{
	int rc = leat_tees_open(flow, why);

	for (size_t i = 0; i < flow->finals_count && rc == 0; i++)
		rc = leat_run_sink_open(flow, &flow->finals[i], why);
	return rc;
}

int leat_run_open(struct leat_run **made, struct leat_stages *stages,
                  const struct leat_run_opts *opts, char why[LEAT_RUN_WHY])
{
	struct leat_run *flow = calloc(1, sizeof(*flow));
	int rc = -ENOMEM;

	why[0] = '\0';
	*made = NULL;
	if (flow == NULL)
		leat_stages_free(stages);
	else
		rc = open_stages(flow, stages, opts);
	for (size_t i = 0; rc == 0 && !opts->checks && i < flow->inputs_count; i++)
		rc = leat_run_source_check(flow, &flow->inputs[i], why);
	if (rc == 0)
		rc = init_members(flow);
	if (rc == 0)
		rc = leat_graph_open(flow, why);
	if (rc == 0 && !opts->checks)
		rc = open_files(flow, why);
	if (rc == 0) {
		*made = flow;
		return 0;
	}
	leat_run_free(flow);
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
	leat_scope_join(flow->streams);
	leat_store_rel(&flow->over, 1u); /* F3: pairs with leat_run_over() */
	eventfd_write(flow->events_fd, 1);
	return NULL;
}

/* The times of every:TIME count from here. */
static void begin_times(struct leat_run *flow)
{
	for (size_t i = 0; i < flow->members_count; i++)
		for (size_t k = 0; k < flow->members[i].steps_count; k++)
			if (flow->members[i].steps[k].later != NULL)
				leat_later_begin(flow->members[i].steps[k].later, flow->started_ns);
}

/* It is not started, so that what is before it has to end. */
static void drop_sink(struct leat_member *sink)
{
	leat_rx_close(sink->rx);
	sink->rx = NULL;
}

static int start_sink(struct leat_run *flow, struct leat_member *sink)
{
	int rc;

	sink->scope = leat_scope_open(flow->sinks, NULL);
	rc = sink->scope == NULL
	             ? leat_open_error()
	             : leat_gen(sink->scope, leat_member_main, sink, 0,
	                        &(struct leat_gen_opts){ .chan.name = sink->name }, NULL);

	if (rc != 0)
		drop_sink(sink);
	return rc;
}

int leat_run_start(struct leat_run *flow)
{
	int rc;

	flow->started_ns = leat_now_ns();
	flow->until_ns = flow->opts.for_ns != 0 ? flow->started_ns + flow->opts.for_ns : 0;
	begin_times(flow);
	rc = flow->flow != NULL ? leat_flow_start(flow->flow) : 0;
	if (rc == 0) {
		for (size_t i = 0; i < flow->members_count; i++) {
			struct leat_member *member = &flow->members[i];

			if (member->final != NULL && rc == 0)
				rc = start_sink(flow, member);
			else if (member->final != NULL)
				drop_sink(member);
			member->started = member->final == NULL || rc == 0;
		}
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
	return member->input == NULL && member->final == NULL;
}

bool leat_member_counts(const struct leat_member *member)
{
	return member->input != NULL && member->final != NULL;
}

uint64_t leat_member_counted(const struct leat_member *member)
{
	return leat_load_rlx(&member->counted); /* rlx: a number; what is final is behind F2 */
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
	for (size_t i = 0; i < flow->finals_count; i++)
		leat_run_sink_close(&flow->finals[i]);
	if (flow->flow != NULL)
		snprintf(flow->error, sizeof(flow->error), "%s", leat_flow_error(flow->flow));
	leat_flow_close(flow->flow);
	for (size_t i = 0; i < flow->members_count; i++) {
		leat_scope_close(flow->members[i].scope);
		flow->members[i].scope = NULL;
	}
	leat_scope_close(flow->streams);
	leat_scope_close(flow->sinks);
	leat_scope_close(flow->scope);
	flow->flow = NULL;
	flow->streams = flow->sinks = flow->scope = NULL;
}

/* Whether a group of its branch that is before the member reads fields, too. */
static bool reads_later(const struct leat_run *flow, const struct leat_member *member)
{
	const struct leat_run_group *groups = flow->plan.groups;
	const size_t branch = flow->stages.list[groups[member->group].first].branch;

	for (size_t i = 0; i < flow->members_count; i++) {
		const struct leat_member *other = &flow->members[i];

		if (other->group < member->group && other->row.count > 0 &&
		    flow->stages.list[groups[other->group].first].branch == branch)
			return true;
	}
	return false;
}

void leat_run_lines_read(const struct leat_run *flow, const struct leat_input *input,
                         uint64_t *lines, uint64_t *bad)
{
	const struct leat_run_group *groups = flow->plan.groups;

	*lines = *bad = 0;
	for (size_t branch = 0; branch < flow->stages.branches_count; branch++) {
		uint64_t branch_lines = 0, branch_bad = 0;

		for (size_t i = 0; i < flow->members_count; i++) {
			const struct leat_member *member = &flow->members[i];
			const struct leat_stage *first =
				&flow->stages.list[groups[member->group].first];

			if (first->branch != branch || member->row.count == 0 ||
			    leat_stage_source(&flow->stages, first) != input->stage ||
			    reads_later(flow, member))
				continue;
			branch_lines += member->row.lines;
			branch_bad += member->row.bad;
		}
		if (branch_lines > *lines) {
			*lines = branch_lines;
			*bad = branch_bad;
		}
	}
}

double leat_run_share(const struct leat_run *flow)
{
	double least = 1;

	for (size_t i = 0; i < flow->inputs_count; i++) {
		double share = leat_progress_share(&flow->inputs[i].progress);

		least = share < least ? share : least;
	}
	return least;
}

bool leat_run_sources_over(const struct leat_run *flow)
{
	for (size_t i = 0; i < flow->members_count; i++)
		if (flow->members[i].input != NULL && !leat_member_over(&flow->members[i]))
			return false;
	return true;
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
	if (flow->events_fd >= 0)
		close(flow->events_fd);
	for (size_t i = 0; i < flow->inputs_count; i++) {
		leat_csv_header_fini(&flow->inputs[i].header);
		leat_paths_free(&flow->inputs[i].paths);
	}
	for (size_t i = 0; i < flow->finals_count; i++)
		leat_run_sink_close(&flow->finals[i]);
	leat_keyed_free(flow);
	leat_plan_free(&flow->plan);
	leat_outputs_fini(flow);
	leat_stages_free(&flow->stages);
	free(flow->members);
	free(flow->middle);
	free(flow->inputs);
	free(flow->finals);
	free(flow);
}
