/*
 * runtime/gen/pooled.h: what runs on a pool with an ordinary channel: seqs whose options a compact
 * generator does not suit, and sinks, which are tasks.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_POOLED_H
#define LEAT_RUNTIME_GEN_POOLED_H

#include <leat/gen.h>

/* As leat_gen_seq(). The caller has checked opts, which have a pool. */
int leat_pooled_start(struct leat_scope *scope, const struct leat_seq *seq,
                      const struct leat_gen_opts *opts, struct leat_rx **rx);
/* As leat_gen_sink(); the same holds. */
int leat_pooled_start_sink(struct leat_scope *scope, struct leat_rx *rx,
                           const struct leat_sink *sink, const struct leat_gen_opts *opts);

#endif
