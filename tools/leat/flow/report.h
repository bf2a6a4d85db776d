/*
 * tools/leat/flow/report.h: what a flow did, put together from the library's snapshots.
 *
 * leat_report_take() is the callback of a diagnostics thread. It keeps the figures of a snapshot
 * under report->lock. The display reads them under the same lock. The books, the verdict and the
 * JSON object read what is kept when every member has ended and the last snapshot was taken.
 *
 * The bottleneck is the verdict of leat/why.h on the window, which is the whole run, or begins when
 * a stage was slowed: the same that `leat why` finds from outside. A group of stages is a stage
 * there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_FLOW_REPORT_H
#define LEAT_TOOLS_LEAT_FLOW_REPORT_H

#include "tools/leat/flow/flow.h"

#include <leat/diag.h>
#include <leat/why.h>
#include <pthread.h>
#include <stdio.h>

struct leat_edge_stat {
	bool known;
	/* of an edge of several rings: what is known of each */
	struct leat_chan_stat *rings;
	size_t rings_count;
	/* base: at the begin of the window; zero if that is the begin of the flow */
	struct leat_chan_stat now, before, base;
	int64_t now_ns, before_ns;
};

/* Of a member that counts on its source's thread (leat_member_counts()): its lines. */
struct leat_counted_stat {
	uint64_t now, before;
	int64_t now_ns, before_ns;
};

/* How a member ended, as the library has it. */
struct leat_end_stat {
	bool known;
	enum leat_cause cause;
	int code;
	char text[LEAT_TEXT_MAX + 1];
};

/* Of a member: the time of its thread, up to the last snapshot (leat/stat.h). */
struct leat_member_time {
	int64_t began_ns, seen_ns; /* seen: up to then; it has ended if cause is known */
	uint64_t busy_ns, starved_ns, blocked_ns, paced_ns;
};

struct leat_report {
	const struct leat_run *flow;
	pthread_mutex_t lock;
	struct leat_edge_stat *edges;
	/* one of each for each member */
	struct leat_end_stat *ends;
	struct leat_member_time *times;
	struct leat_counted_stat *counted;
	struct leat_why *why;
	/* when the report began: the first rates count from here */
	int64_t since_ns;
	int64_t over_ns; /* when everything had ended */
	int threads_left, status;
	/* members still ran when the report was made, inside a step: leat_report_give_up() */
	bool gave_up;
};

/* Returns 0 or -ENOMEM. The flow must outlive the report. */
int leat_report_init(struct leat_report *report, const struct leat_run *flow);
void leat_report_fini(struct leat_report *report);

/* Keeps the figures of a snapshot. */
void leat_report_take(struct leat_report *report, const struct leat_snapshot *snapshot);
/* The same, and begins the window of the verdict there. */
void leat_report_take_window(struct leat_report *report, const struct leat_snapshot *snapshot);
/* Begins the window now, with a snapshot of its own. */
void leat_report_window(struct leat_report *report);

/*
 * Says in the report which members have not ended, and what they are busy with. From then on it
 * reads nothing that they write.
 */
void leat_report_give_up(struct leat_report *report);

uint64_t leat_report_dropped(const struct leat_chan_stat *stat);
bool leat_report_balanced(const struct leat_chan_stat *stat);
/*
 * The share of time, 0 to 1, that the threads of a side were blocked, from one snapshot to another.
 */
double leat_report_blocked(uint64_t before_ns, uint64_t now_ns, int64_t window_ns,
                           unsigned threads);
/*
 * Every edge was in a snapshot and balances with nothing in flight, no member failed, and no thread
 * is left.
 */
bool leat_report_well(const struct leat_report *report);

/* How many members there are that count on their source's thread. */
size_t leat_report_counts(const struct leat_report *report);
/* The threads of the groups that send into an edge, or receive from it. */
unsigned leat_report_threads(const struct leat_run *flow, size_t edge, bool senders);
/* How long a member was at work by then. */
int64_t leat_report_busy_ns(const struct leat_report *report, size_t at,
                            const struct leat_member_time *time);

struct leat_bottleneck {
	bool found;
	const char *why_not;
	size_t group;
	double busy;                   /* 0 to 1: the share that its busiest thread was at work */
	const struct leat_stage *rate; /* what paced it; NULL: it was at work */
	double upstream_blocked;       /* on sending; below 0 if there is nothing upstream */
	double downstream_blocked;
	struct leat_verdict verdict;
};
struct leat_bottleneck leat_report_verdict(const struct leat_report *report);

/* A line for each failure: "leat: lines: nofile: No such file or directory". */
void leat_report_failures(const struct leat_report *report, FILE *out);
/* The line that the sink has to say about its result: "leat: sum: 3 of 9 lines are no numbers". */
void leat_report_note(const struct leat_report *report, FILE *out);
/*
 * How many of the lines whose fields were wanted could not be read, if any; and the columns that
 * there are, if one was wanted that there is not.
 */
void leat_report_lines_read(const struct leat_report *report, FILE *out);
/*
 * The books and the verdict, in lines of less than `columns` columns: where a table is wider, each
 * of its rows becomes a sentence. 0: tables, whatever their width.
 */
void leat_report_books(const struct leat_report *report, int columns, FILE *out);
void leat_report_verdict_line(const struct leat_report *report, int columns, FILE *out);
/* Writes one object and a line feed; the second one without a flow: the failure to open it. */
void leat_report_json(const struct leat_report *report, FILE *out);
void leat_report_json_unopened(int status, const char *name, int code, const char *text, FILE *out);

/*
 * leat_threads_own() returns how many threads the process has before a flow starts any: the calling
 * one, and those of an emulator or of a library that was loaded with the program.
 * leat_threads_left() returns how many there are beyond those, a moment after the flow's threads
 * were joined.
 */
int leat_threads_own(void);
int leat_threads_left(int own);

#endif
