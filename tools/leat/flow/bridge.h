/*
 * tools/leat/flow/bridge.h: the step `bridge:N`: each line is the path of a file, and what comes
 * out are the lines of these files, of N at a time.
 *
 * Each file is read by a generator of its own. One that cannot be read is told at once, and left
 * out; the rest is read, and the flow has failed at its end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_BRIDGE_H
#define LEAT_TOOLS_LEAT_FLOW_BRIDGE_H

#include "tools/leat/flow/flow.h"

/* What comes out of the group of this member, whose last stage is a bridge. */
struct leat_port leat_bridge_add(struct leat_member *member, struct leat_port port);

#endif
