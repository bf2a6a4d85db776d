/*
 * Checking a flow, and cutting it into islands.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <stdlib.h>
#include <string.h>

enum { L1_BYTES = 32768, PASS_BYTES = L1_BYTES / 2 };

bool leat_kind_has_ring(enum node_kind kind)
{
	return kind >= NODE_BUFFER && kind <= NODE_TO_RX && kind != NODE_EACH;
}

bool leat_kind_joins(enum node_kind kind)
{
	return kind == NODE_ZIP || kind == NODE_MERGE_BY || kind == NODE_MERGE_FIRST ||
	       kind == NODE_BRIDGE;
}

static bool is_source(enum node_kind kind)
{
	return kind <= NODE_ARRAY;
}

/* A node that an island begins behind, at each of its outputs. */
static bool feeds_island(enum node_kind kind)
{
	return is_source(kind) || (kind >= NODE_BUFFER && kind <= NODE_DIVERT);
}

size_t leat_parts_count(const struct node *node)
{
	return node->key == NULL ? 0 : node->kind == NODE_WORKERS ? node->workers : node->outputs;
}

unsigned leat_island_threads(const struct island *island)
{
	const struct node *head = &island->flow->nodes[island->head];

	return head->kind == NODE_WORKERS ? head->workers : 1;
}

/* --- check --- */

/* Between workers and gather each step runs several times: the workers before an input, or NULL. */
static const struct node *workers_at_input(const struct leat_flow *flow,
                                           const struct leat_port *input)
{
	const struct node *node = &flow->nodes[input->node];

	while (node->kind == NODE_STEP)
		node = &flow->nodes[node->inputs[0].node];
	return node->kind == NODE_WORKERS ? node : NULL;
}

static const struct node *workers_before(const struct leat_flow *flow, const struct node *node)
{
	const struct node *workers = NULL;

	for (size_t i = 0; i < node->inputs_count && workers == NULL; i++)
		workers = workers_at_input(flow, &node->inputs[i]);
	return workers;
}

static int check_outputs(struct leat_flow *flow, const struct node *node)
{
	for (size_t i = 0; i < node->outputs; i++)
		if (node->consumers[i] < 0)
			return leat_flow_mistake(
				flow, -EINVAL,
				"what \"%s\" makes%s goes nowhere: end it with for_each, "
				"collect or to_rx",
				node->name, node->outputs > 1 ? " at one of its outputs" : "");
	return 0;
}

/* What may be between workers and gather. */
static int check_of_workers(struct leat_flow *flow, const struct node *node)
{
	const struct node *workers = workers_before(flow, node);
	char where[LEAT_FLOW_TEXT / 2];

	if (node->kind == NODE_GATHER && workers == NULL)
		return leat_flow_mistake(flow, -EINVAL,
		                         "gather: no workers are before it: \"%s\" runs once",
		                         flow->nodes[node->inputs[0].node].name);
	if (workers == NULL || node->kind == NODE_GATHER)
		return 0;
	if (node->kind != NODE_STEP && node->kind != NODE_EACH)
		return leat_flow_mistake(flow, -EINVAL,
		                         "%s: it is behind workers: put gather before it",
		                         node->name);
	if (node->counts)
		return leat_flow_mistake(
			flow, -EINVAL,
			"%s: it is behind workers, and each of them would count for "
			"itself: put it before workers or behind gather",
			node->name);
	leat_step_where(&node->step, where);
	if (node->step.due_ns != NULL && workers->key == NULL)
		return leat_flow_mistake(
			flow, -EINVAL,
			"%sstep \"%s\" is to be called at times, and workers only wait for "
			"items: put it before workers or behind gather",
			where, node->name);
	if (!node->step.stateless && !node->has_own && node->state != NULL)
		return leat_flow_mistake(
			flow, -EINVAL,
			"%sstep \"%s\" has state that it may change, and %u workers "
			"share it: make it const, or give each its own (step_with)",
			where, node->name, workers->workers);
	if (node->kind == NODE_EACH && workers->order == LEAT_ORDERED)
		return leat_flow_mistake(flow, -EINVAL,
		                         "%send \"%s\" is behind ordered workers, and nothing puts "
		                         "items in order before it: put gather before it",
		                         where, node->name);
	return 0;
}

/* Whether a tee is right before this node: what it is given belongs to the ring. */
static bool is_borrowed(const struct leat_flow *flow, const struct node *node)
{
	return flow->nodes[node->inputs[0].node].kind == NODE_TEE;
}

bool leat_gives_away(const struct node *node)
{
	return node->kind == NODE_STEP ? node->step.kind == LEAT_STEP_FILTER || node->step.owns
	                               : node->kind != NODE_EACH;
}

static int check_owned(struct leat_flow *flow, const struct node *node)
{
	const struct leat_type *type =
		node->inputs_count > 0 ? flow->nodes[node->inputs[0].node].type : NULL;
	char where[LEAT_FLOW_TEXT / 2];

	if (type == NULL || type->discard == NULL)
		return 0;
	if (is_borrowed(flow, node) && type->dup == NULL && leat_gives_away(node) && !node->lent)
		return leat_flow_mistake(
			flow, -ENOTSUP,
			"%s: items of type \"%s\" own something, a tee shows them to "
			"several, and this one gives them away: the type wants a dup",
			node->name, type->name);
	leat_step_where(&node->step, where);
	if (node->kind == NODE_STEP && node->step.kind == LEAT_STEP_FUSED)
		return leat_flow_mistake(flow, -ENOTSUP,
		                         "%sfused step \"%s\": items of type \"%s\" own something: "
		                         "use its steps one by one",
		                         where, node->name, type->name);
	return 0;
}

/* --- the cut --- */

static bool is_plain(const struct node *node)
{
	return !leat_filters_singly(&node->step) && node->breaker == NULL && node->item_ns == 0 &&
	       !node->keeps;
}

/* The most items that a step wants its island to take. */
static size_t bound(size_t most, const struct node *node)
{
	const bool has_step = node->kind == NODE_STEP || node->kind == NODE_EACH;

	return has_step && node->step.vector > 0 && node->step.vector < most ? node->step.vector
	                                                                     : most;
}

static int add_island(struct leat_flow *flow, uint32_t head, uint32_t output)
{
	struct island *island = &flow->islands[flow->islands_count];
	const struct node *node = &flow->nodes[head];
	/* workers by key have one output, and a ring each */
	uint32_t at = (uint32_t)node->consumers[node->outputs == 1 ? 0 : output];
	size_t largest = node->type->size, most = LEAT_VECTOR_MOST;

	*island =
		(struct island){ .flow = flow, .head = head, .head_output = output, .replicas = 1 };
	island->steps = calloc(flow->nodes_count, sizeof(*island->steps));
	if (island->steps == NULL)
		return leat_flow_mistake(flow, -ENOMEM, "no memory for the plan");
	flow->islands_count++;
	if (node->kind == NODE_WORKERS && node->key == NULL)
		island->replicas = node->workers;
	for (; flow->nodes[at].kind == NODE_STEP; at = (uint32_t)flow->nodes[at].consumers[0]) {
		island->steps[island->steps_count++] = at;
		flow->nodes[at].plain = is_plain(&flow->nodes[at]);
		if (flow->nodes[at].type->size > largest)
			largest = flow->nodes[at].type->size;
		most = bound(most, &flow->nodes[at]);
	}
	most = bound(most, &flow->nodes[at]);
	island->tail = at;
	island->vector = PASS_BYTES / largest;
	if (island->vector > LEAT_VECTOR_MOST)
		island->vector = LEAT_VECTOR_MOST;
	if (island->vector < LEAT_VECTOR_LEAST)
		island->vector = LEAT_VECTOR_LEAST;
	if (island->vector > most)
		island->vector = most;
	island->room = island->vector + 1;
	for (size_t i = 0; i < island->steps_count; i++)
		if (flow->nodes[island->steps[i]].step.most > island->room)
			island->room = flow->nodes[island->steps[i]].step.most;
	return 0;
}

/* Its ring is that of the workers, or of the receiver, right behind it: nothing is between. */
static bool is_ring_itself(const struct leat_flow *flow, const struct node *node)
{
	const struct node *behind = &flow->nodes[node->consumers[0]];

	return node->outputs == 1 && leat_kind_has_ring(behind->kind) &&
	       !leat_node_has_ring(flow, behind);
}

/* The islands that begin behind this node. */
static size_t count_islands(const struct node *node)
{
	const size_t parts = leat_parts_count(node);

	return parts > 0 ? parts : node->outputs;
}

/* Whether a step, or an end, may wait for something else than its items and its ring. */
static bool may_wait(const struct node *node)
{
	return node->step.waits || node->step.due_ns != NULL || node->retries ||
	       node->item_ns > 0 || node->divert != 0;
}

/*
 * Whether an island can be a seq: it reads one receiver, or an array, and ends in a ring that no
 * other island sends into, or in an end.
 */
static bool fits_pool(const struct leat_flow *flow, const struct island *island)
{
	const struct node *head = &flow->nodes[island->head], *tail = &flow->nodes[island->tail];

	if (head->kind == NODE_WORKERS || leat_kind_joins(head->kind) ||
	    (head->kind == NODE_TEE && head->type->discard != NULL))
		return false;
	if (tail->kind != NODE_BUFFER && tail->kind != NODE_EACH && tail->kind < NODE_TO_RX)
		return false;
	for (size_t i = 0; i < island->steps_count; i++)
		if (may_wait(&flow->nodes[island->steps[i]]))
			return false;
	return !may_wait(tail);
}

static int cut(struct leat_flow *flow)
{
	size_t most = 0;
	int rc = 0;

	for (size_t i = 0; i < flow->nodes_count; i++)
		most += count_islands(&flow->nodes[i]);
	flow->islands = calloc(most + 1, sizeof(*flow->islands));
	if (flow->islands == NULL)
		return leat_flow_mistake(flow, -ENOMEM, "no memory for the plan");
	for (uint32_t i = 0; i < flow->nodes_count; i++) {
		const struct node *node = &flow->nodes[i];

		if (!feeds_island(node->kind) || is_ring_itself(flow, node) ||
		    leat_feeds_tee(flow, node))
			continue;
		for (uint32_t k = 0; k < count_islands(node) && rc == 0; k++)
			if (node->kind == NODE_WORKERS || !leat_output_is_rx(flow, node, k))
				rc = add_island(flow, i, k);
	}
	for (size_t i = 0; i < flow->islands_count && rc == 0; i++) {
		struct island *island = &flow->islands[i];

		island->pooled = flow->opts.pool != NULL && fits_pool(flow, island);
		flow->nodes[island->tail].by_pool =
			island->pooled && leat_kind_has_ring(flow->nodes[island->tail].kind);
	}
	return rc;
}

void leat_flow_free_plan(struct leat_flow *flow)
{
	for (size_t i = 0; i < flow->islands_count; i++)
		free(flow->islands[i].steps);
	free(flow->islands);
	flow->islands = NULL;
	flow->islands_count = 0;
	flow->planned = false;
}

int leat_flow_plan(struct leat_flow *flow)
{
	int rc = leat_flow_code(flow);

	if (rc != 0 || flow->planned)
		return rc;
	if (flow->nodes_count == 0)
		return leat_flow_mistake(flow, -EINVAL, "the flow is empty: it wants a source");
	for (size_t i = 0; i < flow->nodes_count && rc == 0; i++) {
		rc = check_outputs(flow, &flow->nodes[i]);
		if (rc == 0)
			rc = check_of_workers(flow, &flow->nodes[i]);
		if (rc == 0)
			rc = check_owned(flow, &flow->nodes[i]);
	}
	for (size_t i = 0; i < flow->nodes_count && rc == 0; i++)
		if (flow->nodes[i].kind == NODE_ZIP)
			rc = leat_flow_check_diamond(flow, &flow->nodes[i]);
		else if (flow->nodes[i].kind == NODE_MERGE_BY)
			rc = leat_flow_check_merge_by(flow, &flow->nodes[i]);
	if (rc == 0) {
		leat_flow_free_plan(flow);
		rc = cut(flow);
	}
	flow->planned = rc == 0;
	return rc;
}

int leat_flow_check(struct leat_flow *flow, struct leat_flow_report *report)
{
	int rc = flow == NULL ? -EINVAL : leat_flow_plan(flow);

	if (report != NULL) {
		report->code = rc;
		snprintf(report->text, sizeof(report->text), "%s", leat_flow_error(flow));
	}
	return rc;
}
