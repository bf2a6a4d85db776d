/*
 * Where a flow ends: receivers and seqs of the program, memory; and what its steps have counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <leat/atomic.h>
#include <stdlib.h>
#include <string.h>

/* Whether there is what an end fills; else a mistake, in these words. */
static bool has_place(struct leat_port port, bool there, const char *end, const char *words)
{
	if (!there && port.flow != NULL)
		leat_flow_mistake(port.flow, -EINVAL, "%s: there is no %s", end, words);
	return there;
}

/* Returns NULL: a mistake. */
static struct node *add_rx(struct leat_port port, const char *name, struct leat_rx **rx)
{
	struct node *node;

	if (!has_place(port, rx != NULL, name, "place for it"))
		return NULL;
	*rx = NULL;
	node = leat_flow_add_behind(port, NODE_TO_RX, name, 0);
	if (node != NULL)
		node->to_rx = rx;
	return node;
}

void leat_flow_to_rx(struct leat_port port, struct leat_rx **rx)
{
	add_rx(port, "to_rx", rx);
}

void leat_flow_to_rx_lent(struct leat_port port, struct leat_rx **rx)
{
	struct node *node = add_rx(port, "to_rx_lent", rx);

	if (node == NULL)
		return;
	node->lent = true;
	if (port.flow->nodes[port.node].kind != NODE_TEE)
		leat_flow_mistake(port.flow, -EINVAL,
		                  "to_rx_lent: \"%s\" before it is no tee, and lends nothing",
		                  port.flow->nodes[port.node].name);
}

void leat_flow_to_seq(struct leat_port port, struct leat_seq *seq)
{
	struct node *node = NULL;

	if (!has_place(port, seq != NULL, "to_seq", "place for it"))
		return;
	*seq = (struct leat_seq){ 0 };
	node = leat_flow_add_behind(port, NODE_TO_RX, "to_seq", 0);
	if (node != NULL)
		node->to_seq = seq;
}

static int collect_vec(void *state, struct leat_vec *v)
{
	struct collected *collected = state;
	size_t wanted = collected->count + v->n, room = collected->room;
	unsigned char *larger;

	if (wanted > room) {
		room = room == 0 ? 1024 : room;
		while (room < wanted)
			room *= 2;
		larger = realloc(collected->items, room * collected->size);
		if (larger == NULL)
			return -ENOMEM;
		collected->items = larger;
		collected->room = room;
	}
	memcpy(collected->items + collected->count * collected->size, v->in,
	       v->n * collected->size);
	collected->count = wanted;
	v->used = v->n;
	return 0;
}

/* An end that keeps items in memory. */
static void add_collecting(struct leat_port port, enum node_kind kind, struct leat_step step,
                           struct collected like)
{
	struct node *node = leat_flow_add_behind(port, kind, step.name, 0);

	if (node == NULL)
		return;
	node->collected = malloc(sizeof(*node->collected));
	if (node->collected == NULL) {
		leat_flow_mistake(port.flow, -ENOMEM, "no memory for %s", step.name);
		return;
	}
	*node->collected = like;
	node->collected->size = node->type->size;
	node->step = step;
	node->step.in = node->type;
	node->state = node->collected;
}

void leat_flow_collect(struct leat_port port, void **items, size_t *count)
{
	if (!has_place(port, items != NULL && count != NULL, "collect", "place for the items"))
		return;
	*items = NULL;
	*count = 0;
	add_collecting(
		port, NODE_COLLECT,
		(struct leat_step){ .name = "collect", .kind = LEAT_STEP_END, .fn = collect_vec },
		(struct collected){ .to = items, .to_count = count });
}

/* Where the last step of the island does not write into the array itself. */
static int to_array_vec(void *state, struct leat_vec *v)
{
	struct collected *array = state;
	size_t left = array->room - array->count, n = v->n < left ? v->n : left;

	memcpy(array->items + array->count * array->size, v->in, n * array->size);
	array->count += n;
	v->used = n;
	return n < v->n ? -ENOSPC : 0;
}

void leat_flow_to_array(struct leat_port port, void *items, size_t room, size_t *count)
{
	if (!has_place(port, items != NULL && count != NULL, "to_array", "array, or no count"))
		return;
	*count = 0;
	add_collecting(
		port, NODE_TO_ARRAY,
		(struct leat_step){ .name = "to_array", .kind = LEAT_STEP_END, .fn = to_array_vec },
		(struct collected){ .items = items, .room = room, .to_count = count });
}

/* --- books --- */

int leat_flow_stat(const struct leat_flow *flow, size_t number, struct leat_step_stat *stat)
{
	const struct node *node;
	uint64_t dropped, in_ring;

	if (flow == NULL || stat == NULL)
		return -EINVAL;
	if (flow->started && !flow->joined)
		return -EBUSY;
	if (number >= flow->nodes_count)
		return -ENOENT;
	node = &flow->nodes[number];
	if (node->kind == NODE_TO_RX && !leat_node_has_ring(flow, node)) {
		/* all that is sent into the ring before it is the program's */
		leat_flow_stat(flow, node->inputs[0].node, stat);
		*stat = (struct leat_step_stat){
			.name = node->name, .in = stat->made, .used = stat->made, .made = stat->made
		};
		return 0;
	}
	dropped = leat_load_rlx(&node->dropped); /* rlx: nothing runs any more */
	/* what a source has made is counted behind its ring, what others make before it */
	in_ring = node->inputs_count > 0 ? dropped : 0;
	*stat = (struct leat_step_stat){ .name = node->name,
		                         .in = node->books.in,
		                         .used = node->books.used - in_ring,
		                         .skipped = node->books.skipped,
		                         .failed = node->books.failed,
		                         .diverted = node->books.diverted,
		                         .made = node->books.made - in_ring,
		                         .dropped = dropped };
	return 0;
}
