/*
 * tools/leat/flow/keyed.h: merge:A,B,... by:(KEY), which takes the lines of several streams, each
 * in ascending order of a number, in that order.
 *
 * A step at the end of each stream reads the key of each line once, on the thread of that stream.
 * It leaves out, and counts, lines whose key is no number. A line that is not in order it notes, in
 * words that name the stream: the merge then fails the flow. What goes through the rings of the
 * merge is a line with its key; a step behind the merge takes the key off.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_KEYED_H
#define LEAT_TOOLS_LEAT_FLOW_KEYED_H

#include "tools/leat/flow/flow.h"

/*
 * Merges the streams that the branch begins with; ports: theirs; name: that of the rings. What
 * cannot be made is a mistake of the flow's, or, where there is no memory, a port of no flow.
 */
struct leat_port leat_keyed_merge(struct leat_run *run, const struct leat_branch *branch,
                                  const struct leat_port *ports, const char *name);
void leat_keyed_free(struct leat_run *run);

#endif
