/*
 * Starting a flow, joining it, and closing it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <stdlib.h>
#include <string.h>

/* Starts a generator that sends into the ring of the tee behind it. */
static int start_into_tee(struct leat_flow *flow, struct node *node,
                          const struct leat_gen_opts *opts)
{
	struct leat_tx *tx = leat_ring_take_tx(flow, (uint32_t)node->consumers[0], 0);
	int rc = leat_gen_into(node->scope, node->gen, node->gen_arg, tx, opts);

	if (rc != 0)
		leat_tx_close(tx);
	return rc;
}

/* Starts the generator of a source. */
static int start_source(struct leat_flow *flow, struct node *node)
{
	struct leat_gen_opts opts = { .chan = leat_ring_opts(flow, node), .source = true };
	int rc;

	if (node->kind == NODE_SEQ)
		opts.pool = flow->opts.pool;
	node->scope = leat_scope_open(flow->scope, NULL);
	if (node->scope == NULL)
		rc = leat_open_error();
	else if (leat_feeds_tee(flow, node))
		rc = start_into_tee(flow, node, &opts);
	else if (node->kind == NODE_SEQ)
		rc = leat_gen_seq(node->scope, node->seq, &opts, &node->rx);
	else
		rc = leat_gen(node->scope, node->gen, node->gen_arg, node->type->size, &opts,
		              &node->rx);
	if (rc != 0)
		return leat_flow_mistake(flow, rc, "%s: it cannot be started: %s", node->name,
		                         strerror(-rc));
	node->seq = (struct leat_seq){ 0 }; /* the library's from now on */
	return 0;
}

static int start_sources(struct leat_flow *flow)
{
	int rc = 0;

	for (size_t i = 0; i < flow->nodes_count && rc == 0; i++)
		if (flow->nodes[i].kind == NODE_SEQ || flow->nodes[i].kind == NODE_GEN)
			rc = start_source(flow, &flow->nodes[i]);
	return rc;
}

/*
 * Where the program receives from it, or from the tee that it sends into, no island takes its
 * failure over. The program may still receive what is in its channel, so its scope stays.
 */
static void join_source(struct leat_flow *flow, struct node *node)
{
	const char *text;
	int code;

	leat_scope_join(node->scope);
	if ((flow->nodes[node->consumers[0]].kind == NODE_TO_RX || leat_feeds_tee(flow, node)) &&
	    leat_scope_cause(node->scope, &code, &text) == LEAT_FAILED &&
	    !leat_flow_is_cancelled(flow->scope))
		leat_flow_mistake(flow, code, "%s", text[0] != '\0' ? text : strerror(-code));
	node->ring_scope = node->scope;
	node->scope = NULL;
}

static void join_all(struct leat_flow *flow)
{
	for (size_t i = 0; i < flow->islands_count; i++)
		leat_tasks_join(&flow->islands[i]);
	for (size_t i = 0; i < flow->nodes_count; i++)
		if (flow->nodes[i].scope != NULL)
			join_source(flow, &flow->nodes[i]);
	for (size_t i = 0; i < flow->islands_count; i++)
		leat_tasks_free(&flow->islands[i]);
}

/* Gives the receivers of the ends to the program. */
static void give_receivers(struct leat_flow *flow)
{
	for (uint32_t i = 0; i < flow->nodes_count; i++) {
		struct node *node = &flow->nodes[i];

		if (node->to_rx != NULL)
			*node->to_rx = leat_ring_take_rx(flow, i, 0);
		if (node->to_seq != NULL)
			*node->to_seq = leat_seq_from_rx(leat_ring_take_rx(flow, i, 0));
	}
}

/* Takes them back, as the flow could not be started. */
static void take_receivers_back(struct leat_flow *flow)
{
	for (size_t i = 0; i < flow->nodes_count; i++) {
		struct node *node = &flow->nodes[i];

		if (node->to_rx != NULL && *node->to_rx != NULL) {
			leat_rx_close(*node->to_rx);
			*node->to_rx = NULL;
		}
		if (node->to_seq != NULL && node->to_seq->fini != NULL) {
			node->to_seq->fini(node->to_seq->state);
			*node->to_seq = (struct leat_seq){ 0 };
		}
	}
}

static int start_all(struct leat_flow *flow)
{
	int rc = leat_rings_open(flow);

	if (rc == 0 && leat_tasks_open_scopes(flow) != 0)
		rc = leat_flow_mistake(flow, -ENOMEM, "no memory for the scopes of its threads");
	if (rc == 0)
		rc = start_sources(flow);
	for (size_t i = 0; i < flow->islands_count && rc == 0; i++)
		rc = leat_tasks_make(&flow->islands[i]);
	if (rc == 0)
		give_receivers(flow);
	if (rc == 0)
		leat_rings_close(flow); /* what is left: senders that each island has a clone of */
	for (size_t i = 0; i < flow->islands_count && rc == 0; i++)
		rc = leat_tasks_start(&flow->islands[i]);
	return rc;
}

int leat_flow_start(struct leat_flow *flow)
{
	int rc;

	if (flow == NULL)
		return -EINVAL;
	if (flow->started)
		return -EALREADY;
	rc = leat_flow_plan(flow);
	if (rc != 0)
		return rc;
	flow->started = true;
	rc = start_all(flow);
	if (rc == 0)
		return 0;
	leat_scope_cancel(flow->scope, rc, flow->text);
	join_all(flow);
	take_receivers_back(flow);
	flow->joined = true;
	return rc;
}

int leat_flow_join(struct leat_flow *flow)
{
	int code = 0;

	if (flow == NULL || !flow->started)
		return -EINVAL;
	if (!flow->joined) {
		join_all(flow);
		flow->joined = true;
	}
	for (size_t i = 0; i < flow->nodes_count; i++) {
		struct collected *collected = flow->nodes[i].collected;

		if (collected == NULL || collected->items == NULL)
			continue;
		*collected->to_count = collected->count;
		if (collected->to != NULL)
			*collected->to = collected->items;
		collected->items = NULL; /* the caller's */
	}
	if (leat_flow_code(flow) != 0)
		return leat_flow_code(flow);
	return leat_scope_cause(flow->scope, &code, NULL) == LEAT_RUNNING ? 0 : code;
}

/* What join has not given to the caller, unless it is the caller's own array. */
static void discard_collected(struct collected *collected, const struct leat_type *type)
{
	if (collected->items != NULL)
		leat_items_discard(type, collected->items, collected->count);
	if (collected->to != NULL)
		free(collected->items);
	free(collected);
}

static void free_node(struct node *node)
{
	if (node->rx != NULL)
		leat_rx_close(node->rx);
	if (node->seq.fini != NULL)
		node->seq.fini(node->seq.state);
	leat_rx_close(node->end_rx);
	leat_scope_close(node->ring_scope);
	if (node->collected != NULL)
		discard_collected(node->collected, node->type);
	else if (node->counts)
		free((void *)(uintptr_t)node->state);
	free(node->inputs);
	free(node->consumers);
	free(node->given_name);
}

void leat_flow_close(struct leat_flow *flow)
{
	if (flow == NULL)
		return;
	if (flow->started && !flow->joined) {
		leat_scope_cancel(flow->scope, 0, "the flow was closed");
		join_all(flow);
	}
	leat_rings_close(flow);
	leat_flow_free_plan(flow);
	for (size_t i = 0; i < flow->nodes_count; i++)
		free_node(&flow->nodes[i]);
	free(flow->nodes);
	leat_scope_close(flow->rings);
	leat_scope_close(flow->scope);
	pthread_mutex_destroy(&flow->lock);
	free(flow);
}
