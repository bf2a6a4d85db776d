/*
 * tools/leat/flow/walk_source.h: the source `walk:DIR`: the lines of the files that a walk finds.
 *
 * A path that cannot be read is told at once (leat_run_opts.say), and the rest is read; at the end
 * the source fails, with how many there were. So does a file that the flow writes.
 *
 * What all files hold is summed up by a second walk, which is always ahead of the one that reads:
 * for each file that is read it takes a number of further ones. So the size is known soon, and the
 * first line does not wait for that.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_WALK_SOURCE_H
#define LEAT_TOOLS_LEAT_FLOW_WALK_SOURCE_H

#include "runtime/io/source.h"
#include "tools/leat/flow/flow.h"

/* As leat_run_source_check(). */
int leat_walk_source_check(const struct leat_stage *stage, char why[LEAT_RUN_WHY]);
/* The source itself, on its thread. */
int leat_walk_source_run(struct leat_member *member, struct leat_emitter *to);

#endif
