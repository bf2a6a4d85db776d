/*
 * tools/leat/flow/paths.h: the files of `lines`: those that are named, and those that a pattern
 * finds.
 *
 * A text with any of * ? [ that is not the name of a file is a pattern of glob(7), without escapes;
 * the files that it finds are in the order of their names.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_PATHS_H
#define LEAT_TOOLS_LEAT_FLOW_PATHS_H

#include "tools/leat/flow/parse.h"

/* All zero: none. */
struct leat_paths {
	char **list;
	size_t count;
};

/*
 * Finds the files of a stage: of its argument, then of each value of its key `and`. Returns 0;
 * -ENOENT with *none, the pattern that finds no file, which is the stage's; or -ENOMEM. The caller
 * frees the paths in any case.
 */
int leat_paths_find(struct leat_paths *paths, const struct leat_stage *stage, const char **none);
void leat_paths_free(struct leat_paths *paths);

#endif
