/*
 * tools/leat/leat.h: the program's parts.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TOOLS_LEAT_LEAT_H
#define LEAT_TOOLS_LEAT_LEAT_H

#include "tools/leat/flow/report.h"

#include <leat/counters.h>

/* EXIT_SIGNALED: and the number of the signal, as a shell has it. */
enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_SIGNALED = 128 };

struct run_opts {
	const char *text; /* of the flow */
	const char *file; /* that the text is read from; NULL: it is on the command line */
	char *file_text;
	struct leat_run_opts flow;
	char *slow_stage; /* a name or a number; NULL: none */
	int64_t drain_ns; /* from a signal on; 0: a signal cancels at once */
	bool quiet, json;
	const char *json_path; /* NULL: standard error */
};

/*
 * Reads the options of `leat run`, which check and graph have, too. Returns -1, or the exit status
 * if there is nothing to run. The caller calls run_opts_free() in either case.
 */
int run_opts_read(struct run_opts *opts, int argc, char **argv);
void run_opts_free(struct run_opts *opts);
/* Finds the stage of --slow. Returns false if there is none, with a line on standard error. */
bool run_opts_slow(struct run_opts *opts, const struct leat_stages *stages);

/*
 * Reads the text, and takes it apart. Returns 0; or the exit status, and has told what is wrong.
 * The caller frees the stages in either case.
 */
int flow_text_parse(struct run_opts *opts, struct leat_stages *stages);

/*
 * Loads a shared object, and has it register its words. Returns false with a line on standard
 * error. It stays loaded.
 */
bool words_load(const char *path);

int run_main(int argc, char **argv);
/* `leat check`, `leat graph` and `leat estimate`: what a flow would run as. */
enum plan { PLAN_NONE, PLAN_CHECK, PLAN_GRAPH, PLAN_ESTIMATE };
enum plan leat_plan_word(const char *command);
int plan_main(int argc, char **argv);
/* argv[0] is "bench". Returns only if leat-bench cannot be run. */
int bench_main(char **argv);

/* Processes seen from outside, by their counters files (leat/counters.h). */
int ps_main(int argc, char **argv);
int stat_main(int argc, char **argv);
int why_main(int argc, char **argv);
/* What an error of the functions of leat/counters.h means. */
const char *counters_error(int rc);
int export_main(int argc, char **argv);
/* Says what is wrong with an option of one of these; option: what getopt_long() returned. */
int reject_seeing_option(char **argv, int option);

extern const char leat_usage[], leat_run_help[], leat_check_help[], leat_ps_help[],
	leat_stat_help[], leat_why_help[], leat_export_help[];

/* The picture of a running flow on standard error. The diagnostics thread draws it. */
struct display {
	struct leat_report *report;
	enum { DISPLAY_NONE, DISPLAY_LINES, DISPLAY_LIVE } how;
	pthread_mutex_t lock; /* guards held and the drawing */
	bool held;
	int rows; /* of the picture that is on the screen */
	int64_t started_ns;
	/* of each member, when the picture before was drawn; NULL: no memory */
	struct busy {
		int64_t seen_ns, busy_ns;
	} * busy;
};

void display_init(struct display *display, struct leat_report *report, bool quiet);
void display_fini(struct display *display); /* once the diagnostics thread has ended */
int64_t display_interval_ns(const struct display *display);
leat_diag_fn display_take;
/*
 * Wipes the picture, and has no more drawn, as standard output or the books come next. Any thread
 * may call it.
 */
void display_hold(void *display);
/*
 * Writes a line to standard error, above the picture: bytes that are no text become '?'. Any thread
 * may call it.
 */
void display_say(struct display *display, const char *text);
/* The columns of the terminal on standard error; 0: it is no terminal, or one of unknown width. */
int display_columns(void);

#endif
