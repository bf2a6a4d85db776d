/*
 * tools/leat/flow/plan.h: which stages share a thread, and between which there is a ring.
 *
 * A step runs on the thread of the stage in front of it, unless one of these is so:
 *
 *     workers:N STEP   starts a group of N threads that share one input
 *     buffer:N         starts a group whose input is a ring of N items
 *     take:N           does not share a thread with the source: it ends what is in front of it by
 *                      closing its input
 *     rate, take, skip, every, uniq, distinct
 *                      behind a group of several threads: they keep something from one item to the
 *                      next
 *     the sink         always has a thread of its own
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_PLAN_H
#define LEAT_TOOLS_LEAT_FLOW_PLAN_H

#include "tools/leat/flow/parse.h"

#include <leat/chan.h>

/* Neighbouring stages on the same threads. */
struct leat_run_group {
	char name[LEAT_NAME_MAX + 1]; /* "lines+grep"; no two groups of a flow have the same name */
	size_t first, count;          /* stages */
	unsigned threads;
};

/* The ring between group i and group i + 1. */
struct leat_edge {
	char name[LEAT_NAME_MAX + 1]; /* "lines+grep -> field" */
	enum leat_kind kind;
	size_t capacity;
};

struct leat_plan {
	struct leat_run_group *groups;
	struct leat_edge *edges;
	size_t groups_count; /* there is one edge less */
};

/* Returns 0 or -ENOMEM. capacity: of each edge without a buffer:N. */
int leat_plan_make(const struct leat_stages *stages, size_t capacity, struct leat_plan *plan);
void leat_plan_free(struct leat_plan *plan);

#endif
