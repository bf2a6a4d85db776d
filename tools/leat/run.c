/*
 * tools/leat/run.c: `leat run`, from the text to the exit status.
 *
 * The main thread sleeps in ppoll(2) until a signal comes, a member of the flow leaves or ends, or
 * it is time to slow a stage or to dismiss groups.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/leat.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* When a group has left, how long the groups in front of it have to find that out themselves. */
#define DISMISS_NS INT64_C(100000000)
/* The bytes of a long text that are shown on either side of the caret. */
#define CONTEXT 60

struct flow_run {
	struct run_opts opts;
	struct leat_flow *flow;
	struct leat_report report;
	struct display display;
	FILE *json;
	int signal_fd, signal;
	int64_t slow_at_ns, dismiss_at_ns;
};

static bool is_continuation(char byte)
{
	return ((unsigned char)byte & 0xc0) == 0x80;
}

/*
 * Shows the text around the mistake, with a caret below. Bytes that would move the cursor become
 * blanks.
 */
static void show_mistake(const char *text, const struct leat_mistake *mistake)
{
	size_t len = strlen(text), from = mistake->at > CONTEXT ? mistake->at - CONTEXT : 0;
	size_t to = len - mistake->at > CONTEXT ? mistake->at + CONTEXT : len;

	while (from > 0 && is_continuation(text[from]))
		from--;
	while (to < len && is_continuation(text[to]))
		to++;
	fprintf(stderr, "leat: %s\n  %s", mistake->what, from > 0 ? "..." : "");
	for (size_t i = from; i < to; i++)
		putc((unsigned char)text[i] < ' ' || text[i] == 127 ? ' ' : text[i], stderr);
	fprintf(stderr, "%s\n  %s", to < len ? "..." : "", from > 0 ? "   " : "");
	for (size_t i = from; i < mistake->at; i++)
		if (!is_continuation(text[i]))
			putc(' ', stderr);
	fprintf(stderr, "^\ncould stand here: %s\n", mistake->wanted);
}

static int read_text(struct flow_run *run, struct leat_stages *stages)
{
	struct leat_mistake mistake;
	int rc = leat_stages_parse(run->opts.text, stages, &mistake);

	if (rc == -EINVAL) {
		show_mistake(run->opts.text, &mistake);
		return EXIT_USAGE;
	}
	if (rc != 0) {
		fprintf(stderr, "leat: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	if (!run_opts_slow(&run->opts, stages))
		return EXIT_USAGE;
	if (run->opts.flow.repeat != 0 && stages->list[0].type->verb != LEAT_VERB_LINES) {
		fprintf(stderr, "leat: --repeat is for lines:FILE, not for %s\n",
		        stages->list[0].type->name);
		return EXIT_USAGE;
	}
	return 0;
}

/*
 * Shows a failure such as "lines: nofile: No such file or directory": on one line, whatever bytes
 * the name of the file has; in the JSON object as it is.
 */
static void show_unopened(const struct flow_run *run, char why[LEAT_FLOW_WHY], int code)
{
	char *text = strstr(why, ": ");

	if (run->json != NULL && text != NULL) {
		*text = '\0';
		leat_report_json_unopened(EXIT_FAILED, why, code, text + 2, run->json);
		*text = ':';
	} else if (run->json != NULL) {
		leat_report_json_unopened(EXIT_FAILED, "leat", code, why, run->json);
	}
	for (char *p = why; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	fprintf(stderr, "leat: %s\n", why);
}

static int open_flow(struct flow_run *run, struct leat_stages *stages)
{
	char why[LEAT_FLOW_WHY];
	int rc;

	if (run->opts.json) {
		run->json = run->opts.json_path != NULL ? fopen(run->opts.json_path, "we") : stderr;
		if (run->json == NULL) {
			fprintf(stderr, "leat: --json: %s: %s\n", run->opts.json_path,
			        strerror(errno));
			return EXIT_FAILED;
		}
	}
	rc = leat_flow_open(&run->flow, stages, &run->opts.flow, why);
	if (rc == 0)
		rc = leat_report_init(&run->report, run->flow);
	if (rc == 0)
		return 0;
	if (why[0] == '\0')
		snprintf(why, sizeof(why), "%s", strerror(-rc));
	show_unopened(run, why, rc);
	return EXIT_FAILED;
}

/*
 * From here on signals are read from a descriptor. The members of the flow block all signals
 * anyway.
 */
static int take_signals(struct flow_run *run)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signal_fd < 0 ? -errno : 0;
}

static void handle_signal(struct flow_run *run)
{
	struct signalfd_siginfo info;
	sigset_t set;

	if (read(run->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	run->signal = (int)info.ssi_signo;
	leat_flow_cancel(run->flow, run->signal == SIGINT ? "interrupted" : "terminated");
	/* A second signal ends the program at once, even if the first would have been ignored. */
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void handle_event(struct flow_run *run)
{
	eventfd_t drained;

	eventfd_read(run->flow->events_fd, &drained);
	if (run->dismiss_at_ns == LEAT_NEVER && leat_flow_left(run->flow))
		run->dismiss_at_ns = leat_now_ns() + DISMISS_NS;
}

static void handle_time(struct flow_run *run)
{
	int64_t now_ns = leat_now_ns();

	if (now_ns >= run->slow_at_ns) {
		run->slow_at_ns = LEAT_NEVER;
		leat_report_window(&run->report);
		leat_flow_slow(run->flow);
	}
	if (now_ns >= run->dismiss_at_ns) {
		run->dismiss_at_ns = LEAT_NEVER;
		leat_flow_dismiss(run->flow);
	}
}

static void wait_for_end(struct flow_run *run)
{
	struct pollfd fds[] = { { .fd = run->signal_fd, .events = POLLIN },
		                { .fd = run->flow->events_fd, .events = POLLIN } };

	while (!leat_flow_over(run->flow)) {
		int64_t next_ns =
			run->slow_at_ns < run->dismiss_at_ns ? run->slow_at_ns : run->dismiss_at_ns;
		int64_t left_ns = next_ns - leat_now_ns();
		struct timespec left = { 0 };

		if (left_ns > 0)
			left = (struct timespec){ .tv_sec = left_ns / 1000000000,
				                  .tv_nsec = left_ns % 1000000000 };
		if (ppoll(fds, 2, next_ns == LEAT_NEVER ? NULL : &left, NULL) < 0)
			continue; /* EINTR: the program was stopped and continued */
		if (fds[0].revents != 0)
			handle_signal(run);
		if (fds[1].revents != 0)
			handle_event(run);
		handle_time(run);
	}
}

static int find_status(const struct flow_run *run, int started)
{
	if (run->signal != 0)
		return run->signal == SIGINT ? EXIT_INTERRUPTED : EXIT_TERMINATED;
	return started == 0 && leat_report_well(&run->report) ? 0 : EXIT_FAILED;
}

static void show_report(struct flow_run *run)
{
	struct leat_report *report = &run->report;
	const char *how = run->signal == SIGINT    ? "interrupted"
	                  : run->signal == SIGTERM ? "terminated"
	                  : report->status == 0    ? "completed"
	                                           : "failed";

	leat_report_failures(report, stderr);
	if (!run->opts.quiet) {
		fprintf(stderr, "leat: %s after %.1f s\n\n", how,
		        (double)(report->over_ns - run->flow->started_ns) / 1e9);
		leat_report_books(report, stderr);
		leat_report_verdict_line(report, stderr);
	}
	if (run->json == NULL)
		return;
	leat_report_json(report, run->json);
	if (fflush(run->json) != 0 && run->json != stderr) {
		fprintf(stderr, "leat: --json: %s: %s\n", run->opts.json_path, strerror(errno));
		if (report->status == 0)
			report->status = EXIT_FAILED;
	}
}

/* Starts the threads, and returns when all have ended and the report is shown. */
static int run_flow(struct flow_run *run)
{
	struct leat_diag_opts diag_opts = { .callback = display_take,
		                            .callback_arg = &run->display };
	struct leat_diag *diag;
	int rc, own_threads = leat_threads_own();

	display_init(&run->display, &run->report, run->opts.quiet);
	run->flow->opts.before_output = display_hold;
	run->flow->opts.before_output_arg = &run->display;
	diag_opts.interval_ns = display_interval_ns(&run->display);
	diag = leat_diag_start(&diag_opts);
	if (diag == NULL) {
		fprintf(stderr, "leat: no thread can be started\n");
		return EXIT_FAILED;
	}
	run->slow_at_ns = run->dismiss_at_ns = LEAT_NEVER;
	if (run->opts.flow.slow != 0 && run->opts.flow.for_ns == 0)
		leat_flow_slow(run->flow);
	else if (run->opts.flow.slow != 0)
		run->slow_at_ns = leat_now_ns() + run->opts.flow.for_ns / 2;
	rc = leat_flow_start(run->flow);
	if (rc != 0)
		fprintf(stderr, "leat: the flow could not be started: %s\n", strerror(-rc));
	wait_for_end(run);
	leat_flow_join(run->flow);
	display_hold(&run->display);
	leat_diag_stop(diag);
	run->report.over_ns = leat_now_ns();
	run->report.threads_left = leat_threads_left(own_threads);
	run->report.status = find_status(run, rc);
	show_report(run);
	return run->report.status;
}

int run_main(int argc, char **argv)
{
	struct flow_run run = { .signal_fd = -1 };
	struct leat_stages stages = { 0 };
	int status = run_opts_read(&run.opts, argc, argv);

	if (status >= 0)
		goto out;
	status = read_text(&run, &stages);
	if (status == 0)
		status = open_flow(&run, &stages);
	if (status != 0)
		goto out;
	if (take_signals(&run) == 0) {
		status = run_flow(&run);
	} else {
		perror("leat: signalfd");
		status = EXIT_FAILED;
	}
out:
	leat_stages_free(&stages);
	leat_flow_free(run.flow);
	leat_report_fini(&run.report);
	if (run.json != NULL && run.json != stderr)
		fclose(run.json);
	if (run.signal_fd >= 0)
		close(run.signal_fd);
	run_opts_free(&run.opts);
	return status;
}
