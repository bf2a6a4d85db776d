/*
 * tools/leat/flow/flow.h: a flow that runs, on the public calls of the library.
 *
 *     leat_flow_open(&flow, &stages, &opts, why)    checks and opens files; nothing runs yet
 *     leat_flow_start(flow)
 *     poll(flow->events_fd)                         until leat_flow_over(flow)
 *     leat_flow_join(flow)                          every thread is gone, every handle closed
 *     leat_flow_free(flow)
 *
 * Scopes. Each group runs in a scope of its own below the flow's, so that a failure cancels nothing
 * else: what was made before it drains, what is in front of it is abandoned. Only a cancel of the
 * whole flow drops what is in flight. A group of several threads sends into a channel that stands
 * in the group's scope, but runs in one below that, for the same reason.
 *
 * Leaving. A group that ends before its input does closes it, and what is in front of it finds out
 * by sending. A thread that waits for input itself does not find out; after a tenth of a second the
 * scopes in front are cancelled (leat_flow_dismiss), and the report calls that by its name:
 * abandoned.
 *
 *     F1  a thread that leaves early says so    ->  F1  leat_flow_left() loads the flag, which is
 *                                                       all it needs
 *     F2  a thread that ends takes itself off   ->  F2  leat_flow_over() loads 0: what all of them
 *                                                       left behind
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_FLOW_H
#define LEAT_TOOLS_LEAT_FLOW_FLOW_H

#include "tools/leat/flow/plan.h"
#include "tools/leat/flow/steps.h"

#include <leat/gen.h>
#include <leat/io.h>

struct leat_flow_opts {
	int64_t for_ns;  /* the sources end after it; 0: when they do */
	uint64_t repeat; /* of lines; 0: once */
	size_t capacity;
	enum leat_wait wait;
	enum leat_overflow overflow;
	/*
	 * each item costs this stage (from 1; 0: none) slow_ns more, once leat_flow_slow() was
	 * called
	 */
	size_t slow;
	int64_t slow_ns;
	/* Called on the sink's thread before it writes a result to standard output, once. */
	void (*before_output)(void *arg);
	void *before_output_arg;
};

struct leat_flow;

/* A thread of the flow. */
struct leat_member {
	struct leat_flow *flow;
	size_t group;
	char name[LEAT_NAME_MAX + 1]; /* the group's, "/2" behind it where it is one of several */
	struct leat_flow_step *steps; /* one for each stage of the group */
	size_t steps_count;
	bool paced;  /* a stage waits on purpose: no batches, which would hold back what is done */
	bool enough; /* a take has had its last item */
	bool started, canceled /* a receive said so */;
	uint32_t early; /* atomic: it ended before its input */
	uint32_t passed;
	struct leat_rx *rx; /* NULL: the source */
	/* what it sends into, or waits with: a clone of its own, or what it was started with */
	struct leat_tx *tx;
	bool own_tx;
	int left; /* how its work ended: 0, -EPIPE abandoned, -ECANCELED, a failure */
	int64_t began_ns, ended_ns;
};

struct leat_flow {
	struct leat_stages stages;
	struct leat_flow_opts opts;
	struct leat_plan plan;
	/* of each group; task_scopes NULL for a single thread */
	struct leat_scope *scope, **scopes, **task_scopes;
	struct leat_member *members;
	size_t members_count;
	int out_fd; /* of the sink */
	const char *out_name;
	int events_fd;    /* readable when a thread left early or the last one ended */
	uint32_t running; /* atomic: threads */
	uint32_t slow_on; /* atomic */
	bool dismissed;
	int64_t started_ns, until_ns;
};

#define LEAT_FLOW_WHY 512

/*
 * Takes the stages over in any case. 0; or -errno with a line that says what could not be opened,
 * nothing being left behind. Opening a named pipe to write waits for its reader.
 */
int leat_flow_open(struct leat_flow **flow, struct leat_stages *stages,
                   const struct leat_flow_opts *opts, char why[LEAT_FLOW_WHY]);
/* 0 or -errno; what was started already ends then by itself, and is joined as usual. */
int leat_flow_start(struct leat_flow *flow);

bool leat_flow_over(const struct leat_flow *flow);
/* Some thread left early: leat_flow_dismiss() may be needed. */
bool leat_flow_left(const struct leat_flow *flow);
void leat_flow_dismiss(struct leat_flow *flow);
void leat_flow_slow(struct leat_flow *flow);
void leat_flow_cancel(struct leat_flow *flow, const char *text);

void leat_flow_join(struct leat_flow *flow);
void leat_flow_free(struct leat_flow *flow);

/* Inside: the functions of the threads. */

/* What leat_steps() answers beside 0 (not wanted) and -errno. */
#define LEAT_PASS 1
#define LEAT_STOP 2 /* the time of the sources is over; the line is still the caller's */

int leat_member_main(struct leat_tx *out, void *member);
int leat_steps(struct leat_member *member, struct leat_line *line);
void leat_lines_free(struct leat_line *lines, size_t n);
/* A failure in words: "what: reason". Answers code. */
int leat_member_fail(struct leat_member *member, const char *what, int code);

/* source.c and sink.c: what the first and the last group do. */
int leat_flow_source_check(const struct leat_stage *stage, uint64_t repeat,
                           char why[LEAT_FLOW_WHY]);
int leat_flow_source_run(struct leat_member *member);
int leat_flow_sink_open(struct leat_flow *flow, char why[LEAT_FLOW_WHY]);
int leat_flow_sink_run(struct leat_member *member);

#endif
