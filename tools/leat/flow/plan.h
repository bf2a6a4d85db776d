/*
 * tools/leat/flow/plan.h: which stages share a thread, and between which there is a ring.
 *
 * A step runs on the thread of the stage in front of it, unless one of these is so:
 *
 *     a STREAM         what begins with it starts a group
 *     workers:N STEP   starts a group of N threads that share one input; so does ordered:N STEP
 *     buffer:N         starts a group whose input is a ring of N items
 *     timeout:TIME     starts a group, as it is a step of libleat-flow's
 *     take, while      do not share a thread with the source: they end what is in front of them
 *                      by closing their input; nor does a partition, or a bridge, which begins
 *                      something new behind it; nor what is due at times (batch:N within:TIME,
 *                      every:TIME, delay, debounce), as a source waits for its input alone
 *     what keeps something from one item to the next (all steps but those of several workers)
 *                      behind a group of several threads
 *     the sink         has a thread of its own, but for a count without every:TIME right behind a
 *                      `lines` or a `walk`, neither of which is slowed (--slow): the source then
 *                      counts what it reads, and makes no lines
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
	bool ordered;   /* several threads, and what they make keeps the order of the lines */
	size_t in, out; /* edges; LEAT_NO_EDGE: of a source, of a sink; both of "lines+count" */
};

#define LEAT_NO_EDGE SIZE_MAX

/*
 * A ring, or several of one name: those of the parts of a partition, or of the streams of a zip or
 * of a merge that does not take lines as they come. From one group to the next, "lines+grep ->
 * field"; from one to those that begin with a stream, "lines -> x"; from several into a merge or a
 * zip, "x,y -> count".
 */
struct leat_edge {
	char name[LEAT_NAME_MAX + 1];
	enum leat_kind kind; /* several workers behind it take turns, as one receiver */
	size_t capacity;
	unsigned rings; /* so many */
};

struct leat_plan {
	struct leat_run_group *groups;
	struct leat_edge *edges;
	size_t groups_count, edges_count;
	bool drops; /* a full ring does, where it can */
	/* of each branch: its first group; of each stream: the edge that it is in */
	size_t *first_groups, *stream_edges;
};

/*
 * Returns 0 or -ENOMEM. capacity: of each edge without a buffer:N. drops: a full ring drops; then a
 * source whose lines go to several branches has a ring of its own before theirs, which never does.
 * slow: the stage of --slow, from 1; 0: none.
 */
int leat_plan_make(const struct leat_stages *stages, size_t capacity, bool drops, size_t slow,
                   struct leat_plan *plan);
void leat_plan_free(struct leat_plan *plan);

/* Whether what a branch makes goes to one branch, which begins with it alone. */
bool leat_branch_goes_on(const struct leat_stages *stages, const struct leat_branch *branch);
/* Whether what a branch makes goes to several branches, each of which gets all of it. */
bool leat_branch_is_teed(const struct leat_stages *stages, const struct leat_branch *branch);

#endif
