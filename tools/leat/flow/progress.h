/*
 * tools/leat/flow/progress.h: how far a source is in input whose size is known.
 *
 * Bytes are those of the files, packed or not. The thread of the source writes, once for each read;
 * any thread reads. A file may grow or shrink while it is read, so what was read may be more than
 * the total.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_PROGRESS_H
#define LEAT_TOOLS_LEAT_FLOW_PROGRESS_H

#include "tools/leat/flow/paths.h"

/* All zero: of an unknown size. */
struct leat_progress {
	uint64_t total; /* atomic: bytes; 0: not known */
	uint64_t done;  /* atomic: bytes of them that were read, or that cannot be read */
};

void leat_progress_add(struct leat_progress *progress, uint64_t bytes);
/* The total becomes so many bytes, times `repeat`. */
void leat_progress_total(struct leat_progress *progress, uint64_t bytes, uint64_t repeat);
/* The total becomes that of the files, if all of them are regular; "-": what is left of it. */
void leat_progress_files(struct leat_progress *progress, const struct leat_paths *paths,
                         uint64_t repeat);
/* 0 to 1; below 0: not known. */
double leat_progress_share(const struct leat_progress *progress);

#endif
