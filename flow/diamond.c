/*
 * Diamonds: a tee whose outputs a zip puts together again.
 *
 * The zip takes from both sides at the same pace. If one side has made more than the other, its
 * items wait in the rings of that side; once these are full, it stops reading the tee's ring; and
 * once that is full, too, the tee's sender waits, so the other side gets nothing more. If it needs
 * more to make its next item, all stand still. For each side this computes
 *
 *     per    how many items of the tee make one for the zip
 *     lag    how many more it is given before it makes the first
 *     room   how many items of the tee its rings have room for
 *
 * Sides with another `per` come apart without end. With the same, the side with less lag is ahead
 * by the difference, for which its rings and the tee's must have room. (A task that waits for room
 * has released what it has used, so a ring holds only what is still to go through it.)
 *
 * Two ways that part at a partition, or at a step and what it diverts, or of which one meets a
 * third in a merge, come apart by as much as their items say. No room is sure to be enough, so a
 * zip of these is refused. So is a merge by key of any two inputs that one node feeds, also of a
 * tee: it waits for one input while the rings of the others fill, for as many items as the keys
 * say.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <stdlib.h>

struct side {
	uint32_t *nodes; /* from the zip back to the tee, without these */
	size_t count;
	uint64_t per, lag, room;
};

/* Marks the nodes that a tee feeds. */
static void mark_behind(const struct leat_flow *flow, uint32_t tee, bool *marks)
{
	marks[tee] = true;
	for (uint32_t i = tee + 1; i < flow->nodes_count; i++)
		for (size_t k = 0; k < flow->nodes[i].inputs_count; k++)
			marks[i] |= marks[flow->nodes[i].inputs[k].node];
}

/*
 * Whether a tee feeds this node by steps, rings and zips alone; these are collected from here back
 * to the tee. A zip on the way makes one item of each: what it waits for at its other input comes
 * by itself, or its own diamond is checked. behind: what the tee feeds.
 */
static bool find_way(const struct leat_flow *flow, uint32_t at, uint32_t tee, const bool *behind,
                     struct side *side)
{
	side->count = 0;
	while (at != tee) {
		const struct node *node = &flow->nodes[at];
		bool by_second = node->kind == NODE_ZIP && !behind[node->inputs[0].node];

		if (node->inputs_count != 1 && node->kind != NODE_ZIP)
			return false;
		side->nodes[side->count++] = at;
		at = node->inputs[by_second].node;
		if (!behind[at])
			return false;
	}
	return true;
}

/* Follows the items from the tee to the zip. */
static int measure(struct leat_flow *flow, struct side *side)
{
	side->per = 1;
	side->lag = side->room = 0;
	for (size_t i = side->count; i-- > 0;) {
		struct node *node = &flow->nodes[side->nodes[i]];

		if (node->kind == NODE_PARTITION || node->varies || node->divert != 0 ||
		    node->on_error != LEAT_ON_ERROR_STOP)
			return leat_flow_mistake(
				flow, -EDEADLK,
				"zip: \"%s\" may leave items out, or make several of "
				"one, between the tee and the zip, and then all stand "
				"still: put it before the tee or behind the zip",
				node->name);
		if (leat_node_has_ring(flow, node))
			side->room += leat_ring_capacity(flow, node) * side->per;
		side->lag += node->lag * side->per;
		side->per *= node->per;
		node->keeps = node->kind == NODE_STEP && !node->counts;
	}
	return 0;
}

static int compare(struct leat_flow *flow, const struct node *zip, const struct node *tee,
                   const struct side *sides)
{
	const struct side *ahead = &sides[sides[0].lag > sides[1].lag];
	uint64_t apart = sides[0].lag > sides[1].lag ? sides[0].lag - sides[1].lag
	                                             : sides[1].lag - sides[0].lag;
	uint64_t room = ahead->room + leat_ring_capacity(flow, zip) * ahead->per +
	                leat_ring_capacity(flow, tee);

	if (sides[0].per != sides[1].per)
		return leat_flow_mistake(
			flow, -EDEADLK,
			"zip: its first side makes one item of %llu, its second one of "
			"%llu, so they come apart, and all stand still",
			(unsigned long long)sides[0].per, (unsigned long long)sides[1].per);
	if (apart < room)
		return 0;
	return leat_flow_mistake(
		flow, -EDEADLK,
		"zip: its %s side is %llu items ahead of the other, there is room for "
		"%llu, and then all stand still: put a buffer of %llu more on that side",
		ahead == sides ? "first" : "second", (unsigned long long)apart,
		(unsigned long long)room, (unsigned long long)((apart - room) / ahead->per + 1));
}

/* --- where two ways part --- */

/* Marks the nodes that feed this one. A node's inputs, and the step that diverts to it, are before
 * it. */
static void mark_before(const struct leat_flow *flow, uint32_t from, bool *marks)
{
	marks[from] = true;
	for (uint32_t i = from + 1; i-- > 0;) {
		const struct node *node = &flow->nodes[i];

		if (node->divert != 0 && marks[node->divert])
			marks[i] = true;
		for (size_t k = 0; marks[i] && k < node->inputs_count; k++)
			marks[node->inputs[k].node] = true;
	}
}

/* The node where the ways to two inputs part; NULL: they have nothing in common. */
static const struct node *find_fork(const struct leat_flow *flow, const bool *first,
                                    const bool *second)
{
	for (size_t i = flow->nodes_count; i-- > 0;)
		if (first[i] && second[i])
			return &flow->nodes[i];
	return NULL;
}

/* --- zips --- */

static int refuse_zip(struct leat_flow *flow, const char *fork)
{
	return leat_flow_mistake(
		flow, -EDEADLK,
		"zip: both its inputs come from \"%s\", and how many items come at one says "
		"nothing "
		"of the other: a ring may fill, and then all stand still: give it two ways from a "
		"tee, or inputs with sources of their own",
		fork);
}

/* The node where the ways to this zip's inputs part; NULL: none, or there is no memory. */
static const struct node *find_fork_of_zip(struct leat_flow *flow, const struct node *zip)
{
	const size_t nodes = flow->nodes_count;
	bool *marks = calloc(nodes, 2 * sizeof(*marks));
	const struct node *fork = NULL;

	if (marks == NULL) {
		leat_flow_mistake(flow, -ENOMEM, "no memory for the check");
		return NULL;
	}
	mark_before(flow, zip->inputs[0].node, marks);
	mark_before(flow, zip->inputs[1].node, marks + nodes);
	fork = find_fork(flow, marks, marks + nodes);
	free(marks);
	return fork;
}

static int check_sides(struct leat_flow *flow, const struct node *zip, const struct node *fork,
                       bool *behind, struct side *sides)
{
	const uint32_t tee = (uint32_t)(fork - flow->nodes);
	int rc = 0;

	mark_behind(flow, tee, behind);
	for (int i = 0; i < 2 && rc == 0; i++)
		if (fork->kind != NODE_TEE ||
		    !find_way(flow, zip->inputs[i].node, tee, behind, &sides[i]))
			rc = refuse_zip(flow, fork->name);
	for (int i = 0; i < 2 && rc == 0; i++)
		rc = measure(flow, &sides[i]);
	return rc == 0 ? compare(flow, zip, fork, sides) : rc;
}

int leat_flow_check_diamond(struct leat_flow *flow, const struct node *zip)
{
	const struct node *fork = find_fork_of_zip(flow, zip);
	struct side sides[2] = { { .count = 0 }, { .count = 0 } };
	bool *behind;
	int rc;

	if (fork == NULL)
		return leat_flow_code(flow);
	behind = calloc(flow->nodes_count, sizeof(*behind));
	for (int i = 0; i < 2; i++)
		sides[i].nodes = calloc(flow->nodes_count + 1, sizeof(*sides[i].nodes));
	if (behind == NULL || sides[0].nodes == NULL || sides[1].nodes == NULL)
		rc = leat_flow_mistake(flow, -ENOMEM, "no memory for the check");
	else
		rc = check_sides(flow, zip, fork, behind, sides);
	free(behind);
	free(sides[0].nodes);
	free(sides[1].nodes);
	return rc;
}

/* --- merges by key --- */

static int refuse_fork(struct leat_flow *flow, size_t first, size_t second, const char *fork)
{
	return leat_flow_mistake(
		flow, -EDEADLK,
		"merge_by: its inputs %zu and %zu both come from \"%s\": while it waits for one, "
		"the ring of the other may fill, and then all stand still: give it inputs with "
		"sources of their own",
		first, second, fork);
}

int leat_flow_check_merge_by(struct leat_flow *flow, const struct node *merge)
{
	const size_t nodes = flow->nodes_count, count = merge->inputs_count;
	bool *marks = calloc(nodes * count, sizeof(*marks));
	const struct node *fork;
	int rc = 0;

	if (marks == NULL)
		return leat_flow_mistake(flow, -ENOMEM, "no memory for the check");
	for (size_t i = 0; i < count && rc == 0; i++) {
		mark_before(flow, merge->inputs[i].node, marks + i * nodes);
		for (size_t k = 0; k < i && rc == 0; k++) {
			fork = find_fork(flow, marks + k * nodes, marks + i * nodes);
			if (fork != NULL)
				rc = refuse_fork(flow, k, i, fork->name);
		}
	}
	free(marks);
	return rc;
}
