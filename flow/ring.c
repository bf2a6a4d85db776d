/*
 * The rings between islands.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <leat/atomic.h>
#include <stdlib.h>

bool leat_ring_has_several_senders(const struct node *node)
{
	return node->kind == NODE_GATHER || node->kind == NODE_MERGE || node->kind == NODE_DIVERT;
}

bool leat_feeds_tee(const struct leat_flow *flow, const struct node *node)
{
	return node->kind == NODE_GEN && node->overflow == LEAT_BLOCK &&
	       flow->nodes[node->consumers[0]].kind == NODE_TEE;
}

size_t leat_ring_capacity(const struct leat_flow *flow, const struct node *node)
{
	const struct node *before =
		node->kind == NODE_TEE ? &flow->nodes[node->inputs[0].node] : node;

	if (before != node && leat_feeds_tee(flow, before))
		node = before; /* a tee has no capacity of its own */
	return node->capacity != 0 ? node->capacity : flow->opts.capacity;
}

/* The items in the k-th ring of a node. */
static const struct leat_type *ring_type(const struct node *node, size_t k)
{
	if (node->kind == NODE_BRIDGE)
		return node->stream;
	return node->kind != NODE_ZIP ? node->type : k == 0 ? node->type->of : node->type->second;
}

/* A ring that drops has dropped this item. */
static void drop_item(void *item, void *arg)
{
	struct node *node = arg;

	leat_add_rlx(&node->dropped, 1u); /* rlx: read once the flow is joined */
	leat_items_discard(node->type, item, 1);
}

struct leat_chan_opts leat_ring_opts(const struct leat_flow *flow, struct node *node)
{
	const bool drops = node->overflow != LEAT_BLOCK;

	return (struct leat_chan_opts){
		.name = node->name,
		.kind = leat_ring_has_several_senders(node) ? LEAT_MPSC : LEAT_SPSC,
		.overflow = node->overflow,
		.capacity = leat_ring_capacity(flow, node),
		.send_wait = flow->opts.wait,
		.recv_wait = flow->opts.wait,
		.discard = drops ? drop_item : ring_type(node, 0)->discard,
		.discard_arg = drops ? node : NULL,
	};
}

static int open_tee(struct leat_flow *flow, struct node *node)
{
	struct leat_chan_opts like = leat_ring_opts(flow, node);
	struct leat_broadcast_opts opts = { .name = like.name,
		                            .capacity = like.capacity,
		                            .subscribers = (unsigned)node->outputs,
		                            .send_wait = like.send_wait,
		                            .discard = like.discard };
	struct leat_subscribe_opts sub = { .name = node->name, .recv_wait = like.recv_wait };
	int rc = leat_broadcast_open(flow->rings, node->type->size, &opts, &node->rings[0].bc,
	                             &node->rings[0].tx);

	for (size_t i = 0; i < node->outputs && rc == 0; i++)
		rc = leat_broadcast_subscribe(node->rings[0].bc, &sub, &node->rings[i].rx);
	if (node->rings[0].bc != NULL)
		leat_broadcast_close(node->rings[0].bc);
	return rc;
}

size_t leat_ring_count(const struct node *node)
{
	size_t parts = leat_parts_count(node);

	return leat_kind_joins(node->kind) ? node->inputs_count : parts > 0 ? parts : 1;
}

/* The ends that are kept of them: a tee's one ring has a receiver for each output. */
static size_t count_ends(const struct node *node)
{
	return node->kind == NODE_TEE ? node->outputs : leat_ring_count(node);
}

size_t leat_ring_bytes(const struct leat_flow *flow, const struct node *node)
{
	size_t sizes = 0;

	for (size_t k = 0; k < leat_ring_count(node); k++)
		sizes += ring_type(node, k)->size;
	return sizes * leat_ring_capacity(flow, node);
}

/* What the island before workers by key is bound to. */
static int open_end(struct leat_flow *flow, struct node *node)
{
	struct leat_chan_opts opts = { .name = "workers' end", .capacity = 1 };

	return leat_chan_open(flow->rings, 1, &opts, &node->end_tx, &node->end_rx);
}

static int open_rings_of(struct leat_flow *flow, struct node *node)
{
	const size_t count = count_ends(node);
	struct leat_chan_opts opts = leat_ring_opts(flow, node);
	int rc = 0;

	node->rings = calloc(count, sizeof(*node->rings));
	if (node->rings == NULL)
		return -ENOMEM;
	if (node->by_pool)
		return 0;
	if (node->kind == NODE_TEE)
		return open_tee(flow, node);
	if (node->kind == NODE_WORKERS && node->key != NULL)
		rc = open_end(flow, node);
	for (size_t i = 0; i < count && rc == 0; i++) {
		if (node->overflow == LEAT_BLOCK)
			opts.discard = ring_type(node, i)->discard;
		rc = leat_chan_open(flow->rings, ring_type(node, i)->size, &opts,
		                    &node->rings[i].tx, &node->rings[i].rx);
	}
	return rc;
}

/* Whether what it makes is in a ring that one island, or workers that share it, receives from. */
static bool makes_a_ring(enum node_kind kind)
{
	return kind <= NODE_GEN || kind == NODE_BUFFER || kind == NODE_GATHER || kind == NODE_MERGE;
}

/* Whether a receiver of the program's may be the tee's own before it. */
static bool gives_output(const struct node *before, const struct node *rx)
{
	return before->kind == NODE_TEE && (rx->lent || before->type->discard == NULL);
}

bool leat_output_is_rx(const struct leat_flow *flow, const struct node *node, size_t output)
{
	const struct node *behind = &flow->nodes[node->consumers[output]];

	return behind->kind == NODE_TO_RX && gives_output(node, behind);
}

bool leat_node_has_ring(const struct leat_flow *flow, const struct node *node)
{
	enum node_kind before;

	if (node->kind != NODE_WORKERS && node->kind != NODE_TO_RX)
		return leat_kind_has_ring(node->kind);
	before = flow->nodes[node->inputs[0].node].kind;
	if (node->kind == NODE_TO_RX && gives_output(&flow->nodes[node->inputs[0].node], node))
		return false;
	/* a receiver of the program's is read in place, which it does not promise to others */
	return node->key != NULL || !makes_a_ring(before) ||
	       (before == NODE_RX && node->kind == NODE_TO_RX);
}

int leat_rings_open(struct leat_flow *flow)
{
	for (size_t i = 0; i < flow->nodes_count; i++) {
		struct node *node = &flow->nodes[i];
		int rc = leat_node_has_ring(flow, node) ? open_rings_of(flow, node) : 0;

		if (rc < 0)
			return leat_flow_mistake(flow, rc,
			                         "%s: its ring of %zu items cannot be opened",
			                         node->name, leat_ring_capacity(flow, node));
	}
	return 0;
}

void leat_rings_close(struct leat_flow *flow)
{
	for (size_t i = 0; i < flow->nodes_count; i++) {
		struct node *node = &flow->nodes[i];

		for (size_t k = 0; k < count_ends(node) && node->rings != NULL; k++) {
			leat_tx_close(node->rings[k].tx);
			leat_rx_close(node->rings[k].rx);
		}
		leat_tx_close(node->end_tx);
		node->end_tx = NULL;
		free(node->rings);
		node->rings = NULL;
	}
}

struct leat_rx *leat_ring_take_rx(struct leat_flow *flow, uint32_t at, uint32_t output)
{
	struct node *node = &flow->nodes[at];
	struct leat_rx **place, *rx;

	if (node->rings == NULL && node->inputs_count > 0) { /* its ring is that before it */
		output = node->inputs[0].output;
		node = &flow->nodes[node->inputs[0].node];
	}
	place = node->rings != NULL ? &node->rings[output].rx : &node->rx;
	rx = *place;
	*place = NULL;
	return rx;
}

struct leat_tx *leat_ring_take_tx(struct leat_flow *flow, uint32_t at, uint32_t output)
{
	struct node *node = &flow->nodes[at];
	struct leat_tx *tx = node->rings[output].tx;

	if (leat_ring_has_several_senders(node))
		return leat_tx_clone(tx);
	node->rings[output].tx = NULL;
	return tx;
}

struct leat_tx *leat_ring_take_end(struct leat_flow *flow, uint32_t at)
{
	struct leat_tx *tx = flow->nodes[at].end_tx;

	flow->nodes[at].end_tx = NULL;
	return tx;
}

void leat_ring_end_sender(struct leat_flow *flow, uint32_t at)
{
	struct leat_rx *rx;

	pthread_mutex_lock(&flow->lock);
	rx = flow->nodes[at].end_rx;
	flow->nodes[at].end_rx = NULL;
	pthread_mutex_unlock(&flow->lock);
	leat_rx_close(rx);
}
