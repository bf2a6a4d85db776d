/*
 * flow/merge.h: taking the items of several inputs in order (merge.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_FLOW_MERGE_H
#define LEAT_FLOW_MERGE_H

#include "flow/flow.h"

struct merger;

/* Of a merge by key or by priority, and the receivers of its inputs, which stay the caller's. */
int leat_merger_open(const struct leat_flow *flow, const struct node *node,
                     struct leat_rx *const *inputs, struct merger **merger);
void leat_merger_free(struct merger *merger);
/*
 * Moves up to `most` items, which are the caller's then. Returns how many; 0 once all inputs have
 * ended; -ETIMEDOUT at due_ns; -EINVAL if an input is not in order; what a bound receiver returns.
 * Between calls it holds nothing of its inputs.
 */
ssize_t leat_merger_take(struct merger *merger, void *items, size_t most, int64_t due_ns);
/* The words for -EINVAL. */
const char *leat_merger_words(const struct merger *merger);

#endif
