/*
 * tests/unit/nodes.h: nodes of the registry, without the objects that they describe.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_NODES_H
#define LEAT_TEST_NODES_H

#include "census.h"

#include "runtime/gen/gen.h"

/* The node of a running generator that has no thread. */
static UNUSED struct leat_gen_node *node_add(void)
{
	struct leat_gen_node *node = leat_os_alloc(sizeof(*node), 0);
	cr_assert_not_null(node);
	node->end = leat_os_alloc(sizeof(*node->end), 0);
	cr_assert_not_null(node->end);
	leat_registry_add(&node->node, LEAT_NODE_GEN, node);
	return node;
}

#endif
