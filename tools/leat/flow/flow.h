/*
 * tools/leat/flow/flow.h: a flow that runs, on the public calls of the library.
 *
 *     leat_flow_open(&flow, &stages, &opts, why)    checks and opens files; no thread runs yet
 *     leat_flow_start(flow)
 *     poll(flow->events_fd)                         until leat_flow_over(flow)
 *     leat_flow_join(flow)                          every thread has ended, every handle is closed
 *     leat_flow_free(flow)
 *
 * One thread calls these functions. The threads of the flow are its members.
 *
 * Scopes. Each group of stages runs in a scope of its own below the scope of the flow, so that a
 * failure cancels no other group: groups behind it drain what was made before, and groups in front
 * of it are abandoned. Only a cancel of the whole flow drops what is in flight. A group of several
 * threads sends into a channel that is opened in the scope of the group, but the threads run in a
 * scope below that one, for the same reason.
 *
 * Leaving. A group that ends before its input does closes its input. Groups in front of it learn
 * that when they send. A member that waits for input sends nothing and does not learn it. So after
 * a tenth of a second the caller cancels the scopes in front (leat_flow_dismiss()); the report says
 * "abandoned" for that, too.
 *
 *     F1  a member that leaves early sets a flag  ->  F1  leat_flow_left() loads the flag; it needs
 *                                                         nothing else of the member
 *     F2  a member that ends counts itself off    ->  F2  leat_flow_over() loads 0: then it sees
 *                                                         what all of them have written
 *     F3  a member that ends says so itself       ->  F3  leat_member_over() loads it, for a flow
 *                                                         of which others still run
 *     F4  a member that begins sets its clock     ->  F4  leat_flow_cancel() and leat_flow_stuck()
 *                                                         read the clock
 *
 * Giving up. A step is one call, and no cancel ends it: grep may search one line of half a gibibyte
 * for a second. leat_flow_stuck() finds that a while after leat_flow_cancel(), by the time that the
 * members had on a processor. A member that was waiting for a processor is not stuck. The caller
 * can then only end the process.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_FLOW_H
#define LEAT_TOOLS_LEAT_FLOW_FLOW_H

#include "tools/leat/flow/numeric.h"
#include "tools/leat/flow/outputs.h"
#include "tools/leat/flow/paths.h"
#include "tools/leat/flow/plan.h"
#include "tools/leat/flow/progress.h"
#include "tools/leat/flow/steps.h"

#include <leat/gen.h>
#include <leat/io.h>

struct leat_flow_opts {
	int64_t for_ns;  /* the sources end after this time; 0: at the end of their input */
	uint64_t repeat; /* how many times `lines` reads its file; 0: once */
	size_t capacity;
	enum leat_wait wait;
	enum leat_overflow overflow;
	/*
	 * after leat_flow_slow() each item costs this stage slow_ns more; stages count from 1, 0:
	 * none
	 */
	size_t slow;
	int64_t slow_ns;
	/* Called once, on the thread of the sink, before it writes a result to standard output. */
	void (*before_output)(void *arg);
	void *before_output_arg;
	/*
	 * Called on a thread of the flow with a line about what went wrong, where the flow goes on;
	 * NULL: such lines are lost.
	 */
	void (*say)(void *arg, const char *text);
	void *say_arg;
	bool progress; /* the progress is shown: what takes time to find out is found out */
};

struct leat_flow;

/*
 * How long a member has waited, in one word: the sum of its waits; during a wait the sum minus the
 * time at which the wait began, which is negative, as no sum is as large as the clock. So another
 * thread reads the sum with the wait under way in one load.
 */
struct leat_waited {
	uint64_t word; /* atomic; an int64_t, in its bits */
};
void leat_waited_begin(struct leat_waited *waited);
void leat_waited_end(struct leat_waited *waited);
int64_t leat_waited_ns(const struct leat_waited *waited, int64_t now_ns);

/* A thread of the flow. */
struct leat_member {
	struct leat_flow *flow;
	size_t group;
	/* the name of its group, with "/2" behind it where the group has several threads */
	char name[LEAT_NAME_MAX + 1];
	struct leat_row row;          /* of its steps */
	struct leat_flow_step *steps; /* one for each stage of the group */
	size_t steps_count;
	size_t steps_done; /* the source itself does so many of the first */
	/* a stage waits on purpose: then items go on one by one, as a batch would hold them back */
	bool paced;
	bool tees;    /* a step is a tee that is open */
	bool enough;  /* a take has let its last item through */
	bool no_more; /* the source: a step wants no further item */
	/* what a word of a program's makes; NULL: there is none in the group */
	struct leat_line *made;
	bool spreads; /* one of them may make several lines of one: they are sent at once */
	bool started, canceled /* a receive returned -ECANCELED */;
	uint32_t early; /* atomic: it has ended before its input */
	uint32_t over;  /* atomic: it has ended */
	/* atomic: 1 + the stage of the flow that it runs a step of now; 0: none, or the source's */
	uint32_t inside;
	/* atomic: the clockid_t of its time on a processor, if begun is set before */
	uint32_t begun, clock;
	int64_t cpu_ns; /* that clock at the cancel of the flow; only its caller uses it */
	uint32_t passed;
	bool at_header;     /* the source: the next line is the header of CSV */
	struct leat_rx *rx; /* NULL: the source */
	/* what it sends into, or waits with: its own clone, or the sender it was started with */
	struct leat_tx *tx;
	bool own_tx;
	/* how its work ended: 0, -EPIPE (abandoned), -ECANCELED, -ESHUTDOWN, or a failure */
	int left;
	int64_t began_ns, ended_ns;
	/* for its channels, receiving and sending; and on purpose, in a rate */
	struct leat_waited blocked, paced_for;
};

struct leat_flow {
	struct leat_stages stages;
	struct leat_flow_opts opts;
	struct leat_plan plan;
	struct leat_paths paths;       /* of lines */
	struct leat_progress progress; /* of the source */
	/* one of each for each group; task_scopes are NULL for a group of one thread */
	struct leat_scope *scope, **scopes, **task_scopes;
	struct leat_member *members;
	size_t members_count;
	struct leat_csv_header header; /* written by the source before it sends a line; see row.h */
	bool has_header;
	/* a name is in no column; the source writes it, and it is read when the flow is over */
	const struct leat_row_name *unknown;
	struct leat_outputs outputs;
	int reopen_fd; /* readable after a request to reopen the sink's file; -1: it has no such key
	                */
	uint64_t reopens; /* atomic: such requests; see file.h */
	int out_fd;       /* of the sink */
	const char *out_name;
	int events_fd;    /* readable after a member left early, and when the last one has ended */
	uint32_t running; /* atomic: members that have not ended */
	uint32_t slow_on; /* atomic */
	bool dismissed;
	/* what has to be said about the sink's result; the sink writes it before it ends (F3) */
	char note[LEAT_NOTE];
	int64_t started_ns, until_ns;
};

/* The text of the stop at the time of opts.for_ns. */
#define LEAT_TIME_OVER_TEXT "the time of --for is over"

#define LEAT_FLOW_WHY 512

/*
 * Opens a flow, and takes the stages over in any case. Returns 0; or -errno with a line in why that
 * says what could not be opened, and then nothing is left open. The open of a named pipe for
 * writing waits for its reader.
 */
int leat_flow_open(struct leat_flow **flow, struct leat_stages *stages,
                   const struct leat_flow_opts *opts, char why[LEAT_FLOW_WHY]);
/*
 * Starts the members. Returns 0 or -errno. After an error the members that were started end by
 * themselves; the caller joins the flow as usual.
 */
int leat_flow_start(struct leat_flow *flow);

/* Every member has ended. */
bool leat_flow_over(const struct leat_flow *flow);
/* A member has left early: leat_flow_dismiss() may be needed. */
bool leat_flow_left(const struct leat_flow *flow);
/* Cancels the scopes in front of the last group that left early. */
void leat_flow_dismiss(struct leat_flow *flow);
/* From now on the stage of opts.slow takes longer. */
void leat_flow_slow(struct leat_flow *flow);
/*
 * Ends the source, which then counts as stopped with this text; all that it has sent goes through
 * the flow. Any thread may call it.
 */
void leat_flow_stop(struct leat_flow *flow, const char *text);
/* Cancels all groups. The text becomes that of their cause. */
void leat_flow_cancel(struct leat_flow *flow, const char *text);

/* Whether the sink has reopen:yes; then it opens its file anew. See file.h. */
bool leat_flow_reopens(const struct leat_flow *flow);
void leat_flow_reopen(struct leat_flow *flow);

/*
 * Each member that has not ended is inside a step, and was on a processor for at least so long
 * since leat_flow_cancel(). Then it is in that step all the time, as between steps a member finds
 * out that it is cancelled. A member that still writes what it has is waited for.
 */
bool leat_flow_stuck(const struct leat_flow *flow, int64_t cpu_ns);
bool leat_member_over(const struct leat_member *member);
/* The name of the stage that the member runs now. */
const char *leat_member_inside(const struct leat_member *member);

/* Waits for all members, and closes the scopes. leat_flow_free() joins if the caller has not. */
void leat_flow_join(struct leat_flow *flow);
void leat_flow_free(struct leat_flow *flow);

/* What the members call. */

/* What leat_steps() returns besides 0 (the line is not wanted) and -errno. */
#define LEAT_PASS 1
#define LEAT_STOP 2 /* the flow is to end here; the line is still the caller's */

/* The leat_gen_fn of a member, which is its argument. */
int leat_member_main(struct leat_tx *out, void *member);
/* Receive and send as the library's calls do, and measure how long the member is blocked. */
ssize_t leat_member_recv(struct leat_member *member, struct leat_line *lines, size_t most);
/*
 * Of the source: also returns LEAT_STOP where the time of opts.for_ns has come before there was
 * room.
 */
int leat_member_send(struct leat_member *member, const struct leat_line *line);
/* Takes a line through the steps of a member. */
int leat_steps(struct leat_member *member, struct leat_line *line);
/* No further line comes: sends what words of programs still hold. Returns what a send would. */
int leat_steps_end(struct leat_member *member);
/* Say that the member runs this of its steps now, and none. */
void leat_member_enter(struct leat_member *member, size_t step);
void leat_member_leave(struct leat_member *member);
void leat_lines_free(struct leat_line *lines, size_t n);
/* Records a failure with the text "what: reason". Returns code. */
int leat_member_fail(struct leat_member *member, const char *what, int code);

/* The lines whose fields were wanted, and how many of them could not be read. Of a flow that is
 * over. */
void leat_flow_lines_read(const struct leat_flow *flow, uint64_t *lines, uint64_t *bad);

/* source.c and sink.c: the first and the last group. */
int leat_flow_source_check(struct leat_flow *flow, char why[LEAT_FLOW_WHY]);
int leat_flow_source_run(struct leat_member *member);
int leat_flow_sink_open(struct leat_flow *flow, char why[LEAT_FLOW_WHY]);
int leat_flow_sink_run(struct leat_member *member);

#endif
