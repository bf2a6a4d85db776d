/*
 * tools/leat/flow/flow.h: a flow as text that runs, on libleat-flow.
 *
 *     leat_run_open(&flow, &stages, &opts, why)    checks and opens files; no thread runs yet
 *     leat_run_start(flow)
 *     poll(flow->events_fd)                        until leat_run_over(flow)
 *     leat_run_join(flow)                          every thread has ended, every handle is closed
 *     leat_run_free(flow)
 *
 * One thread calls these functions. The threads of the flow are its members.
 *
 * Groups. Neighbouring stages that share a thread are a group (plan.h). The first is a generator,
 * a source of libleat-flow (from_gen). Those in the middle are a step each, with the stages in it:
 * so a line goes through all of them before the next one, and its fields are read once. The last is
 * a task of its own, behind the receiver of an end (to_rx). Rings, threads, how ends and failures
 * spread: all that is libleat-flow's (leat/flow.h). A count on its source's thread is both ends of
 * its branch: a task that libleat-flow knows nothing of.
 *
 *     F1  a member that begins sets its clock     ->  F1  leat_run_cancel() and leat_run_stuck()
 *                                                         read the clock
 *     F2  a member that ends says so itself       ->  F2  leat_member_over() loads it: then the
 *                                                         caller sees what that member has written
 *     F3  the thread that joins has joined all    ->  F3  leat_run_over() loads that: then the
 *                                                         caller sees what all have written
 *
 * Giving up. A step is one call, and no cancel ends it: grep may search one line of half a gibibyte
 * for a second. leat_run_stuck() finds that a while after leat_run_cancel(), by the time that the
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

#include <leat/flow.h>
#include <leat/io.h>

#include <pthread.h>

/* What goes through a flow. Behind a tee each branch has a hold of its own on the text. */
int leat_run_share_line(void *copy, const void *line);
LEAT_TYPE_OWNED(line, struct leat_line, leat_line_discard, leat_run_share_line);

#define LEAT_RUN_WHY 512

struct leat_run_opts {
	int64_t for_ns;  /* the sources end after this time; 0: at the end of their input */
	uint64_t repeat; /* how many times `lines` reads its file; 0: once */
	size_t capacity;
	enum leat_wait wait;
	enum leat_overflow overflow;
	/*
	 * after leat_run_slow() each item costs this stage slow_ns more; stages count from 1, 0:
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
	bool checks;   /* nothing is to run: no file is looked at, or opened */
};

struct leat_run;

/* A line that goes on from a step of its member, before any line that has not come yet. */
struct leat_held {
	struct leat_line line;
	size_t at;
	bool admitted;  /* by that step: a rate has let it through */
	int64_t due_ns; /* when it goes on; 0: at once */
};

/* What a flow reads: of a source. */
struct leat_input {
	const struct leat_stage *stage;
	struct leat_paths paths; /* of lines */
	struct leat_progress progress;
	struct leat_csv_header header; /* written by the source before it sends a line; see row.h */
	bool has_header;
	/* a name is in no column; the source writes it, and it is read when the flow is over */
	const struct leat_row_name *unknown;
};

/* What a flow writes: of a sink. */
struct leat_final {
	const struct leat_stage *stage;
	int out_fd;
	const char *out_name;
	int reopen_fd; /* readable after a request to reopen the sink's file; -1: it has no such key
	                */
	uint64_t reopens; /* atomic: such requests; see file.h */
	/*
	 * Results are written one after the other, in the order of the sinks: a sink closes `done`
	 * when it has ended, and receives from `turn` before it writes. NULL: the last, the first.
	 */
	struct leat_tx *done;
	struct leat_rx *turn;
	/* what has to be said about the result; the sink writes it before it ends (F2) */
	char note[LEAT_NOTE];
};

/* A thread of the flow. */
struct leat_member {
	struct leat_run *flow;
	size_t group;
	struct leat_input *input; /* of a source */
	struct leat_final *final; /* of a sink; both: see leat_member_counts() */
	uint64_t counted;         /* atomic: the lines of such a member */
	/* the name of its group, with "/2" behind it where the group has several threads */
	char name[LEAT_NAME_MAX + 1];
	struct leat_row row;         /* of its steps */
	struct leat_run_step *steps; /* one for each stage of the group */
	size_t steps_count;
	size_t steps_done; /* the source itself does so many of the first */
	/* a stage waits on purpose: then items go on one by one, as a batch would hold them back */
	bool paced;
	bool defers;   /* of a step that the flow calls again when a pause is over */
	bool timed;    /* a step of it is due at times (later.h) */
	bool tees;     /* a step is a tee that is open */
	bool enough;   /* a step wants no further item: this one, and none in front of it does */
	bool finished; /* it has seen its last line, or has had enough */
	bool no_more;  /* the source: a step wants no further item */
	/* what a word of a program's makes; NULL: there is none in the group */
	struct leat_line *made;
	struct leat_held *held; /* the last one goes on first */
	size_t held_count, held_room;
	int64_t pause_ns; /* of a line that has to be held: until then */
	int64_t now_ns;   /* what a call of the step is given has come then; 0: not read yet */
	size_t enough_at;
	size_t ending; /* at the end: the steps before this one have seen it */
	bool started;
	uint32_t over; /* atomic: of a source or a sink: it has ended */
	/* atomic: 1 + the stage of the flow that it runs a step of now; 0: none, or the source's */
	uint32_t inside;
	/* atomic: the clockid_t of its time on a processor, if begun is set before */
	uint32_t begun, clock;
	int64_t cpu_ns; /* that clock at the cancel of the flow; only its caller uses it */
	uint32_t passed;
	/* the source: lines that are sent together; NULL: each is sent at once */
	struct leat_line *unsent;
	size_t unsent_count;
	unsigned pieces;          /* that their texts are of */
	bool at_header;           /* the source: the next line is the header of CSV */
	struct leat_rx *rx;       /* of a sink */
	bool lent;                /* what it gives is only read, and given back */
	struct leat_scope *scope; /* of a sink: its failure is not that of others */
	/*
	 * the source: what it sends into, or, if it counts, waits with; a sink: what it waits with;
	 * else NULL
	 */
	struct leat_tx *tx;
	/* how a sink's work ended: 0, -EPIPE (abandoned), -ECANCELED, or a failure */
	int left;
	/*
	 * of a group in the middle, of one behind a merge in the order of a key, or of a count on
	 * its source's thread: the first thing that went wrong; 0, ""
	 */
	int code;
	char failure[LEAT_TEXT_MAX + 1];
};

/* Of the threads of one group, in the middle: each takes one. */
struct leat_members {
	struct leat_member *first;
	unsigned taken;
	struct leat_step step;
};

struct leat_run {
	struct leat_stages stages;
	struct leat_run_opts opts;
	struct leat_plan plan;
	struct leat_input *inputs;
	struct leat_final *finals;
	size_t inputs_count, finals_count;
	/* lines that go to one terminal, or pipe, from several sinks: each is written whole */
	pthread_mutex_t writing;
	/* guards the failures of groups in the middle, and of their bridges */
	pthread_mutex_t failing;
	struct leat_scope *scope;
	struct leat_flow *flow; /* in that scope; NULL: no branch has a ring */
	/* below it: of the sinks, and of the files that a bridge reads */
	struct leat_scope *sinks, *streams;
	struct leat_members *middle; /* one of each for each group */
	struct leat_member *members;
	size_t members_count;
	pthread_t joiner;
	bool joins; /* that thread was started */
	struct leat_outputs outputs;
	struct leat_keyed *keyed; /* keyed.h: the streams of merges in the order of a key */
	char error[LEAT_RUN_WHY]; /* what libleat-flow says of a step that failed; it has ended then
	                           */
	int events_fd;            /* readable when all have ended */
	uint32_t over;            /* atomic: they have been joined */
	uint32_t slow_on;         /* atomic */
	int64_t started_ns, until_ns;
};

/* The text of the stop at the time of opts.for_ns. */
#define LEAT_TIME_OVER_TEXT "the time of --for is over"

/*
 * Opens a flow, and takes the stages over in any case. Returns 0; or -errno with a line in why that
 * says what could not be opened, and then nothing is left open. The open of a named pipe for
 * writing waits for its reader.
 */
int leat_run_open(struct leat_run **flow, struct leat_stages *stages,
                  const struct leat_run_opts *opts, char why[LEAT_RUN_WHY]);
/*
 * Starts the members. Returns 0 or -errno. After an error the members that were started end by
 * themselves; the caller joins the flow as usual.
 */
int leat_run_start(struct leat_run *flow);

/* Every member has ended. */
bool leat_run_over(const struct leat_run *flow);
/* From now on the stage of opts.slow takes longer. */
void leat_run_slow(struct leat_run *flow);
/*
 * Ends the source, which then counts as stopped with this text; all that it has sent goes through
 * the flow. Any thread may call it.
 */
void leat_run_stop(struct leat_run *flow, const char *text);
/* Cancels all. The text becomes that of their cause. */
void leat_run_cancel(struct leat_run *flow, const char *text);

/* How far the sources are, 0 to 1: the one that is least far; below 0: not known. */
double leat_run_share(const struct leat_run *flow);
/* All sources have ended. */
bool leat_run_sources_over(const struct leat_run *flow);

/* Whether a sink has reopen:yes; then it opens its file anew. See file.h. */
bool leat_run_reopens(const struct leat_run *flow);
void leat_run_reopen(struct leat_run *flow);

/*
 * Each member that has not ended is inside a step, and was on a processor for at least so long
 * since leat_run_cancel(). Then it is in that step all the time, as between steps a member finds
 * out that it is cancelled. A member that still writes what it has is waited for.
 */
bool leat_run_stuck(const struct leat_run *flow, int64_t cpu_ns);
bool leat_member_over(const struct leat_member *member);
/* Of a group that is neither the first nor the last. */
bool leat_member_is_middle(const struct leat_member *member);
/* Whether the member is a source with the count of its lines on its thread: there is no ring. */
bool leat_member_counts(const struct leat_member *member);
/* How many lines such a member has counted by now. */
uint64_t leat_member_counted(const struct leat_member *member);
/* The name of the stage that the member runs now. */
const char *leat_member_inside(const struct leat_member *member);

/* Waits for all members, and closes the scopes. leat_run_free() joins if the caller has not. */
void leat_run_join(struct leat_run *flow);
void leat_run_free(struct leat_run *flow);

/* What the members call. */

/* What leat_steps() returns besides 0 (the line is not wanted) and -errno. */
#define LEAT_PASS 1
#define LEAT_STOP 2 /* the flow is to end here; the line is still the caller's */
#define LEAT_HOLD 3 /* the line goes on at pause_ns: only of a member that defers */

/* The leat_gen_fn of a source and of a sink, whose member is its argument. */
int leat_member_main(struct leat_tx *out, void *member);
/* The thread that calls this is the member's. */
void leat_member_begin(struct leat_member *member);
/* The step of a group in the middle (leat/flow.h), of one thread, and of several (leat_members). */
int leat_member_step(void *member, struct leat_vec *v);
int64_t leat_member_due_ns(const void *member);
int leat_members_take(void *state, const void *members);
int leat_members_step(void *state, struct leat_vec *v);
/* Frees the lines that are held. */
void leat_member_drop_held(struct leat_member *member);
/*
 * Of the source: also returns LEAT_STOP where the time of opts.for_ns has come before there was
 * room.
 */
int leat_member_send(struct leat_member *member, const struct leat_line *line);
/* The same of several lines. Those that it has not sent are freed. */
int leat_member_send_all(struct leat_member *member, struct leat_line *lines, size_t n);
/* Of the source: what a send would return if it can no longer succeed; else 0. */
int leat_member_refusal(const struct leat_member *member);
/* Takes a line through the steps of a source; or of a sink, which has its own alone. */
int leat_steps(struct leat_member *member, struct leat_line *line);
/* No further line comes: sends what words of programs still hold. Returns what a send would. */
int leat_steps_end(struct leat_member *member);
/* Say that the member runs this of its steps now, and none. */
void leat_member_enter(struct leat_member *member, size_t step);
void leat_member_leave(struct leat_member *member);
void leat_lines_free(struct leat_line *lines, size_t n);
/* Records a failure: with the text "what: reason", or with this one. Returns code. */
int leat_member_fail(struct leat_member *member, const char *what, int code);
int leat_member_fail_with(struct leat_member *member, int code, const char *text);

/*
 * The lines of an input whose fields were wanted, and how many of them could not be read: as the
 * branch has it that has read most of them. Of a flow that is over.
 */
void leat_run_lines_read(const struct leat_run *flow, const struct leat_input *input,
                         uint64_t *lines, uint64_t *bad);

/* The names of the fields that lines have there; NULL: they are of several sources. */
const struct leat_csv_header *leat_run_header(const struct leat_run *flow,
                                              const struct leat_stage *stage);

/* source.c and sink.c: the first and the last group of a branch. */
int leat_run_source_check(struct leat_run *flow, struct leat_input *input, char why[LEAT_RUN_WHY]);
int leat_run_source_run(struct leat_member *member);
int leat_run_sink_open(struct leat_run *flow, struct leat_final *final, char why[LEAT_RUN_WHY]);
int leat_run_sink_run(struct leat_member *member);
void leat_run_sink_close(struct leat_final *final);

#endif
