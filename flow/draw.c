/*
 * A flow as a picture, and what it will cost.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <stdlib.h>

static void write_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', out);
		fputc(*text, out);
	}
}

static void draw_node(const struct leat_flow *flow, uint32_t at, FILE *out)
{
	const struct node *node = &flow->nodes[at];

	fprintf(out, "\t\tn%u [label=\"", at);
	write_text(out, node->name);
	if (node->kind == NODE_WORKERS)
		fprintf(out, " x %u%s", node->workers,
		        node->order == LEAT_ORDERED ? ", ordered" : "");
	if (node->kind == NODE_BRIDGE)
		fprintf(out, ", %zu at once", node->capacity);
	if (node->overflow != LEAT_BLOCK)
		fprintf(out, ", drops its %s",
		        node->overflow == LEAT_DROP_NEWEST ? "newest" : "oldest");
	fprintf(out, "\"%s]\n", leat_kind_has_ring(node->kind) ? ", shape=cds" : "");
}

static void draw_island(const struct leat_flow *flow, size_t i, FILE *out)
{
	const struct island *island = &flow->islands[i];
	const struct node *head = &flow->nodes[island->head];
	const unsigned threads = leat_island_threads(island);

	if (head->kind == NODE_WORKERS && island->head_output > 0)
		return; /* workers by key are drawn as one box */
	fprintf(out, "\tsubgraph cluster_%zu {\n\t\tlabel=\"", i);
	if (island->pooled)
		fprintf(out, "on the pool\"\n");
	else
		fprintf(out, "%u thread%s\"\n", threads, threads == 1 ? "" : "s");
	if (head->kind == NODE_ARRAY)
		draw_node(flow, island->head, out);
	for (size_t k = 0; k < island->steps_count; k++)
		draw_node(flow, island->steps[k], out);
	if (!leat_kind_has_ring(flow->nodes[island->tail].kind))
		draw_node(flow, island->tail, out);
	fprintf(out, "\t}\n");
}

int leat_flow_draw(struct leat_flow *flow, FILE *out)
{
	int rc = leat_flow_check(flow, NULL);

	if (rc != 0)
		return rc;
	if (out == NULL)
		return -EINVAL;
	fprintf(out, "digraph \"");
	write_text(out, flow->name);
	fprintf(out, "\" {\n\trankdir=LR\n\tnode [shape=box]\n");
	for (size_t i = 0; i < flow->islands_count; i++)
		draw_island(flow, i, out);
	for (uint32_t i = 0; i < flow->nodes_count; i++)
		if (leat_kind_has_ring(flow->nodes[i].kind) || flow->nodes[i].kind <= NODE_GEN)
			draw_node(flow, i, out);
	for (uint32_t i = 0; i < flow->nodes_count; i++)
		if (flow->nodes[i].divert != 0)
			fprintf(out, "\tn%u -> n%u [style=dashed]\n", i, flow->nodes[i].divert);
	for (uint32_t i = 0; i < flow->nodes_count; i++)
		for (size_t k = 0; k < flow->nodes[i].outputs; k++) {
			fprintf(out, "\tn%u -> n%d [label=\"", i, flow->nodes[i].consumers[k]);
			write_text(out, flow->nodes[i].type->name);
			fprintf(out, "\"]\n");
		}
	fprintf(out, "}\n");
	return ferror(out) ? -EIO : 0;
}

/* --- estimate --- */

/* Rings before what leaves this node, on the longest way. A node's inputs are before it. */
static size_t longest_way(const struct leat_flow *flow)
{
	size_t *ways = calloc(flow->nodes_count, sizeof(*ways)), most = 0;

	if (ways == NULL)
		return 0;
	for (size_t i = 0; i < flow->nodes_count; i++) {
		const struct node *node = &flow->nodes[i];

		for (size_t k = 0; k < node->inputs_count; k++)
			if (ways[node->inputs[k].node] > ways[i])
				ways[i] = ways[node->inputs[k].node];
		ways[i] += leat_node_has_ring(flow, node) || node->kind == NODE_SEQ ||
		           (node->kind == NODE_GEN && !leat_feeds_tee(flow, node));
		if (ways[i] > most)
			most = ways[i];
	}
	free(ways);
	return most;
}

int leat_flow_estimate(struct leat_flow *flow, struct leat_flow_cost *estimate)
{
	int rc = leat_flow_check(flow, NULL);

	if (rc != 0)
		return rc;
	if (estimate == NULL)
		return -EINVAL;
	*estimate = (struct leat_flow_cost){ .islands = flow->islands_count,
		                             .hops = longest_way(flow) };
	for (size_t i = 0; i < flow->islands_count; i++) {
		estimate->threads += flow->islands[i].pooled ? 0 : flow->islands[i].replicas;
		estimate->vector_bytes += leat_island_bytes(&flow->islands[i]);
	}
	for (size_t i = 0; i < flow->nodes_count; i++) {
		const struct node *node = &flow->nodes[i];

		if (node->kind == NODE_SEQ || node->kind == NODE_GEN)
			estimate->threads += node->kind == NODE_GEN || flow->opts.pool == NULL;
		else if (!leat_node_has_ring(flow, node))
			continue;
		if (leat_feeds_tee(flow, node))
			continue;
		estimate->rings += leat_ring_count(node);
		estimate->ring_bytes += leat_ring_bytes(flow, node);
	}
	return 0;
}
