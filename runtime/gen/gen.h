/*
 * runtime/gen/gen.h: what a generator leaves for those who look at it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_GEN_H
#define LEAT_RUNTIME_GEN_GEN_H

#include "runtime/gen/input.h"
#include "runtime/registry/registry.h"
#include "runtime/scope/scope.h"

#include <leat/gen.h>

/* A running generator; gone from the registry before its end or its scope's join can be seen. */
struct leat_gen_node {
	struct leat_node node;
	struct leat_end *end;
	struct leat_gen_stat stat; /* constant while it runs; its id is the node's */
};

struct leat_gen_node *leat_gen_node_alloc(void);
/* One that was never begun. */
void leat_gen_node_free(struct leat_gen_node *node);

/* A generator begins: counts it in its scope, and makes it visible. 0 or -ECANCELED. */
int leat_gen_begin(struct leat_scope *scope, struct leat_tx *out, struct leat_gen_node *node,
                   const char *name);
/*
 * It ended with rc, perhaps because an input had: keeps the outcome, tells the snapshots, closes
 * `out`, and cancels the scope if it failed. What is left to do is to tell the scope.
 */
void leat_gen_finish(struct leat_scope *scope, struct leat_tx *out, struct leat_gen_node *node,
                     int rc, const struct leat_input_end *input);

/*
 * The failure of a function that returned a value which is not one of the contract's. Answers
 * -EINVAL.
 */
int leat_gen_fail_value(struct leat_tx *out, const char *who, int value, const char *legal);

/* The words for a step that was left by an exception. */
extern const char leat_gen_thrown_text[];

/* The output of the generator that this thread is, or NULL. */
extern LEAT_TLS struct leat_tx *leat_gen_out;

/* -EINVAL for a scope or options that starting anything would refuse. */
int leat_gen_check(const struct leat_scope *scope, const struct leat_gen_opts *opts);

/* Starts a sink on a thread of its own: as leat_gen_sink(), whose arguments are checked. */
int leat_gen_start_sink(struct leat_scope *scope, struct leat_rx *rx, const struct leat_sink *sink,
                        const struct leat_gen_opts *opts);
/*
 * What that thread runs: puts until the end, closes the input, and calls the sink's fini. Returns
 * as a generator does.
 */
int leat_sink_run(struct leat_tx *out, struct leat_rx *in, const struct leat_sink *sink);

#endif
