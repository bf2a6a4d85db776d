/*
 * tools/leat/flow/graph.h: a flow as text, declared with leat/flow.h: its groups are steps, its
 * edges rings, and its streams ports.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_GRAPH_H
#define LEAT_TOOLS_LEAT_FLOW_GRAPH_H

#include "tools/leat/flow/flow.h"

/*
 * Opens the scopes and the flow of a run whose plan and members are there, and checks that flow.
 * Returns 0; or -errno, with a line in why where there is more to say.
 */
int leat_graph_open(struct leat_run *run, char why[LEAT_RUN_WHY]);

#endif
