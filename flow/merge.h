/*
 * flow/merge.h: taking the items of several inputs: in order (merge.c), or those of the streams
 * that a bridge is given (bridge.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_FLOW_MERGE_H
#define LEAT_FLOW_MERGE_H

#include "flow/flow.h"

struct merger;

/*
 * Of a merge by key or by priority, or of a bridge, and the receivers of its inputs, which stay the
 * caller's.
 */
int leat_merger_open(const struct leat_flow *flow, const struct node *node,
                     struct leat_rx *const *inputs, struct merger **merger);
void leat_merger_free(struct merger *merger);
/*
 * Moves up to `most` items, which are the caller's then. Returns how many; 0 once all inputs have
 * ended; -ETIMEDOUT at due_ns; -EINVAL if an input is not in order, or a stream of a bridge has
 * failed; what a bound receiver returns. Between calls it holds nothing of its inputs.
 */
ssize_t leat_merger_take(struct merger *merger, void *items, size_t most, int64_t due_ns);
/* What -EINVAL stands for: the code of the failure, and its words. */
int leat_merger_failure(const struct merger *merger, const char **words);
/* Its island's inputs are bound to this sender now. */
void leat_merger_bind(struct merger *merger, struct leat_tx *out);

/* The same of a bridge, which owns the streams that it has taken. */
struct bridge;

int leat_bridge_open(const struct leat_flow *flow, const struct node *node, struct leat_rx *input,
                     struct bridge **bridge);
void leat_bridge_free(struct bridge *bridge);
void leat_bridge_bind(struct bridge *bridge, struct leat_tx *out);
ssize_t leat_bridge_take(struct bridge *bridge, char *items, size_t most, int64_t due_ns);
int leat_bridge_failure(const struct bridge *bridge, const char **words);

#endif
