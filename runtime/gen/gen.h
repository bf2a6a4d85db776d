/*
 * runtime/gen/gen.h: begin and end of a generator, and what snapshots read of it. Shared by those
 * on threads (gen.c, sink.c) and those on a pool with an ordinary channel (pooled.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_GEN_H
#define LEAT_RUNTIME_GEN_GEN_H

#include "runtime/chan/chan.h"
#include "runtime/event/times.h"
#include "runtime/gen/input.h"
#include "runtime/registry/registry.h"
#include "runtime/scope/scope.h"

#include <leat/gen.h>

/*
 * A running generator in the registry. It is removed before any thread can see the generator's end
 * or return from a join of its scope.
 */
struct leat_gen_node {
	struct leat_node node;
	struct leat_end *end;
	struct leat_gen_stat stat; /* constant while it runs; its id is the node's */
	bool has_thread;           /* constant, too */
	struct leat_times times;   /* of its thread */
};

/* Any thread: the figures of one that runs, as they are at now_ns, or later (times.h). */
void leat_gen_read_stat(struct leat_gen_node *node, int64_t now_ns, struct leat_gen_stat *stat);

struct leat_gen_node *leat_gen_node_alloc(void);
/* Frees a node for which leat_gen_begin() was not called, or failed. NULL is nothing. */
void leat_gen_node_free(struct leat_gen_node *node);

/*
 * A generator begins: counts it in its scope and adds it to the registry. by: what it is. Returns 0
 * or -ECANCELED.
 */
int leat_gen_begin(struct leat_scope *scope, struct leat_tx *out, struct leat_gen_node *node,
                   enum leat_sent_by by, const char *name);
/*
 * The generator ended with rc, perhaps because its input had ended: keeps the outcome in the
 * channel, records the end for snapshots, closes `out`, and cancels the scope if it failed. Frees
 * node. The caller then ends it in its scope: leat_scope_exit() or leat_scope_end().
 */
void leat_gen_finish(struct leat_scope *scope, struct leat_tx *out, struct leat_gen_node *node,
                     int rc, const struct leat_input_end *input);

/*
 * A function of the user's returned a value that its contract does not have: makes that the text of
 * the failure, and returns -EINVAL.
 */
int leat_gen_fail_value(struct leat_tx *out, const char *who, int value, const char *legal);

/* The text of the failure of a next that was left by an exception. */
extern const char leat_gen_thrown_text[];

/* The output of the generator whose thread this is, or NULL. */
extern LEAT_TLS struct leat_tx *leat_gen_out;

/* Returns 0, or -EINVAL for a scope or options that every start would refuse. */
int leat_gen_check(const struct leat_scope *scope, const struct leat_gen_opts *opts);

/* Starts a sink on a thread of its own, as leat_gen_sink(). The caller has checked the arguments.
 */
int leat_gen_start_sink(struct leat_scope *scope, struct leat_rx *rx, const struct leat_sink *sink,
                        const struct leat_gen_opts *opts);
/*
 * What that thread runs: puts each item until the end, closes the input, calls the sink's fini.
 * Returns what a generator returns.
 */
int leat_sink_run(struct leat_tx *out, struct leat_rx *in, const struct leat_sink *sink);

#endif
