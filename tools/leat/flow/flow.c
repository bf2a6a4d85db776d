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
static int add_word(struct leat_member *member, size_t step, const struct leat_word *word)
{
	void *made = reallocarray(member->made, (step + 1) * LEAT_WORD_ROOM, sizeof(*member->made));

	if (made == NULL)
		return -ENOMEM;
	member->made = made;
	member->spreads |= leat_word_spreads(word);
	return 0;
}

static int init_member(struct leat_member *member, struct leat_flow *flow, size_t at,
                       unsigned index)
{
	const struct leat_flow_group *group = &flow->plan.groups[at];

	member->flow = flow;
	member->group = at;
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
		int rc = leat_flow_step_init(&member->steps[i], stage, &member->row);
		if (rc != 0)
			return rc;
		member->steps_count++;
		if (stage->type->verb == LEAT_VERB_WORD && stage->type->role == LEAT_STEP) {
			rc = add_word(member, i, leat_word_of(stage->type));
			if (rc != 0)
				return rc;
		}
		if (stage->type->verb == LEAT_VERB_RATE || group->first + i + 1 == flow->opts.slow)
			member->paced = true;
	}
	return 0;
}

static int init_members(struct leat_flow *flow)
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

static int open_scopes(struct leat_flow *flow)
{
	size_t n = flow->plan.groups_count;

	flow->scopes = calloc(n, sizeof(struct leat_scope *));
	flow->task_scopes = calloc(n, sizeof(struct leat_scope *));
	flow->scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .name = "flow" });
	if (flow->scopes == NULL || flow->task_scopes == NULL || flow->scope == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct leat_flow_group *group = &flow->plan.groups[i];
		struct leat_scope_opts opts = { .name = group->name };
		flow->scopes[i] = leat_scope_open(flow->scope, &opts);
		if (flow->scopes[i] == NULL)
			return -ENOMEM;
		if (group->threads == 1)
			continue;
		flow->task_scopes[i] = leat_scope_open(flow->scopes[i], &opts);
		if (flow->task_scopes[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

int leat_flow_open(struct leat_flow **made, struct leat_stages *stages,
                   const struct leat_flow_opts *opts, char why[LEAT_FLOW_WHY])
{
	struct leat_flow *flow = calloc(1, sizeof(*flow));
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
		rc = leat_flow_source_check(flow, why);
	if (rc == 0)
		rc = init_members(flow);
	if (rc == 0)
		rc = open_scopes(flow);
	if (rc == 0)
		rc = leat_tees_open(flow, why);
	if (rc == 0)
		rc = leat_flow_sink_open(flow, why);
	if (rc == 0) {
		*made = flow;
		return 0;
	}
	leat_flow_free(flow);
failed:
	if (why[0] == '\0')
		snprintf(why, LEAT_FLOW_WHY, "%s", strerror(-rc));
	return rc;
}

static struct leat_gen_opts make_edge_opts(const struct leat_flow *flow, size_t at)
{
	const struct leat_edge *edge = &flow->plan.edges[at];

	return (struct leat_gen_opts){ .chan = {
					       .name = edge->name,
					       .kind = edge->kind,
					       .capacity = edge->capacity,
					       .send_wait = flow->opts.wait,
					       .recv_wait = flow->opts.wait,
					       .overflow = flow->opts.overflow,
					       .discard = leat_line_discard,
				       } };
}

/*
 * A group of one thread is a generator: the library opens its output channel, which then knows how
 * the generator ended.
 */
static int start_single(struct leat_flow *flow, struct leat_member *member, struct leat_rx **rx)
{
	struct leat_gen_opts opts = make_edge_opts(flow, member->group);
	int rc;

	member->rx = *rx;
	member->started = true;
	rc = leat_gen(flow->scopes[member->group], leat_member_main, member,
	              sizeof(struct leat_line), &opts, rx);
	if (rc == 0)
		return 0;
	member->started = false;
	leat_rx_close(member->rx);
	return rc;
}

/*
 * A group of several threads is tasks, each with handles of its own on both sides: clones, and for
 * the last task the originals.
 */
static int start_tasks(struct leat_flow *flow, struct leat_member *members, unsigned n,
                       struct leat_tx *tx, struct leat_rx *rx)
{
	struct leat_scope *scope = flow->task_scopes[members->group];
	int rc = 0;

	if (scope == NULL)
		scope = flow->scopes[members->group];
	for (unsigned i = 0; i < n; i++) {
		struct leat_member *member = &members[i];
		struct leat_gen_opts opts = { .chan = { .name = member->name } };
		bool last = i + 1 == n;

		member->rx = last ? rx : leat_rx_clone(rx);
		member->tx = last || tx == NULL ? tx : leat_tx_clone(tx);
		member->own_tx = tx != NULL;
		rc = member->rx == NULL || (tx != NULL && member->tx == NULL) ? -ENOMEM : 0;
		member->started = true;
		if (rc == 0)
			rc = leat_gen(scope, leat_member_main, member, 0, &opts, NULL);
		if (rc == 0)
			continue;
		member->started = false;
		leat_rx_close(member->rx);
		leat_tx_close(member->tx);
		if (!last) {
			leat_rx_close(rx);
			leat_tx_close(tx);
		}
		break;
	}
	return rc;
}

/* Takes *rx over, the input of the group, and puts the output of the group there. */
static int start_group(struct leat_flow *flow, size_t at, struct leat_member *members,
                       struct leat_rx **rx)
{
	const struct leat_flow_group *group = &flow->plan.groups[at];
	struct leat_rx *in = *rx;
	struct leat_tx *tx = NULL;

	if (group->threads == 1 && at + 1 < flow->plan.groups_count)
		return start_single(flow, members, rx);
	*rx = NULL;
	if (at + 1 < flow->plan.groups_count) {
		struct leat_gen_opts opts = make_edge_opts(flow, at);
		int rc = leat_chan_open(flow->scopes[at], sizeof(struct leat_line), &opts.chan, &tx,
		                        rx);
		if (rc != 0) {
			leat_rx_close(in);
			return rc;
		}
	}
	return start_tasks(flow, members, group->threads, tx, in);
}

int leat_flow_start(struct leat_flow *flow)
{
	struct leat_rx *rx = NULL;
	size_t member = 0;
	uint32_t missing = 0;
	int rc = 0;

	flow->started_ns = leat_now_ns();
	flow->until_ns = flow->opts.for_ns != 0 ? flow->started_ns + flow->opts.for_ns : 0;
	/* no member is started yet, so a plain store will do */
	flow->running = (uint32_t)flow->members_count;
	for (size_t i = 0; rc == 0 && i < flow->plan.groups_count; i++) {
		rc = start_group(flow, i, &flow->members[member], &rx);
		member += flow->plan.groups[i].threads;
	}
	if (rc == 0)
		return 0;
	leat_rx_close(rx);
	leat_flow_cancel(flow, "the flow could not be started");
	/* Only this thread writes `started`, and it starts no member any more. */
	for (size_t i = 0; i < flow->members_count; i++)
		missing += !flow->members[i].started;
	/* F2: pairs with leat_flow_over() */
	if (leat_add_acqrel(&flow->running, -missing) == missing)
		eventfd_write(flow->events_fd, 1);
	return rc;
}

bool leat_flow_over(const struct leat_flow *flow)
{
	return leat_load_acq(&flow->running) == 0; /* F2 */
}

bool leat_flow_left(const struct leat_flow *flow)
{
	for (size_t i = 0; i < flow->members_count; i++)
		if (leat_load_acq(&flow->members[i].early)) /* F1 */
			return true;
	return false;
}

void leat_flow_dismiss(struct leat_flow *flow)
{
	size_t in_front = 0;

	for (size_t i = 0; i < flow->members_count; i++)
		if (leat_load_acq(&flow->members[i].early)) /* F1 */
			in_front = flow->members[i].group;
	flow->dismissed = true;
	for (size_t i = 0; i < in_front; i++)
		leat_scope_cancel(flow->scopes[i], 0, LEAT_DISMISSED_TEXT);
}

void leat_flow_slow(struct leat_flow *flow)
{
	leat_store_rlx(&flow->slow_on, 1u); /* rlx: nothing else depends on it */
}

/* The member's time on a processor; 0 before it has begun and once its thread has ended. */
static int64_t read_cpu_ns(const struct leat_member *member)
{
	struct timespec spent;

	if (!leat_load_acq(&member->begun) || /* F4 */
	    /* rlx: F4 has ordered it */
	    clock_gettime((clockid_t)leat_load_rlx(&member->clock), &spent) != 0)
		return 0;
	return spent.tv_sec * INT64_C(1000000000) + spent.tv_nsec;
}

bool leat_member_over(const struct leat_member *member)
{
	return leat_load_acq(&member->over) != 0; /* F3 */
}

const char *leat_member_inside(const struct leat_member *member)
{
	const struct leat_flow *flow = member->flow;
	uint32_t inside = leat_load_rlx(&member->inside); /* rlx: only to be shown */

	return flow->stages.list[inside != 0 ? inside - 1 : flow->plan.groups[member->group].first]
	        .type->name;
}

bool leat_flow_stuck(const struct leat_flow *flow, int64_t cpu_ns)
{
	bool any = false;

	for (size_t i = 0; i < flow->members_count; i++) {
		const struct leat_member *member = &flow->members[i];

		if (leat_member_over(member))
			continue;
		/* rlx: F3 and the time on a processor decide; this is what they are about */
		if (leat_load_rlx(&member->inside) == 0 ||
		    read_cpu_ns(member) - member->cpu_ns < cpu_ns)
			return false;
		any = true;
	}
	return any;
}

/* Without a deadline, which the caller keeps: a stop then needs no thread, and cannot fail. */
void leat_flow_stop(struct leat_flow *flow, const char *text)
{
	leat_scope_stop(flow->scope, LEAT_NEVER, text);
}

void leat_flow_cancel(struct leat_flow *flow, const char *text)
{
	/*
	 * From the source on. In another order a member could learn of its cancel while its input
	 * is still open, and would count as having left early.
	 */
	for (size_t i = 0; i < flow->plan.groups_count; i++)
		leat_scope_cancel(flow->scopes[i], 0, text);
	leat_scope_cancel(flow->scope, 0, text);
	for (size_t i = 0; i < flow->members_count; i++)
		flow->members[i].cpu_ns = read_cpu_ns(&flow->members[i]);
}

void leat_flow_join(struct leat_flow *flow)
{
	if (flow->scope == NULL)
		return;
	leat_scope_join(flow->scope);
	for (size_t i = 0;
	     flow->scopes != NULL && flow->task_scopes != NULL && i < flow->plan.groups_count;
	     i++) {
		leat_scope_close(flow->task_scopes[i]);
		leat_scope_close(flow->scopes[i]);
	}
	leat_scope_close(flow->scope);
	flow->scope = NULL;
}

/* A line goes on to a further group only if the first one that reads fields has read it. */
void leat_flow_lines_read(const struct leat_flow *flow, uint64_t *lines, uint64_t *bad)
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

void leat_flow_free(struct leat_flow *flow)
{
	if (flow == NULL)
		return;
	leat_flow_join(flow);
	for (size_t i = 0; i < flow->members_count; i++) {
		for (size_t k = 0; k < flow->members[i].steps_count; k++)
			leat_flow_step_fini(&flow->members[i].steps[k]);
		leat_row_fini(&flow->members[i].row);
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
	free(flow->scopes);
	free(flow->task_scopes);
	free(flow);
}
