/*
 * tools/leat/run.c: `leat run`, from the text to the exit status.
 *
 * The main thread sleeps in ppoll(2) until a signal comes, the flow has ended, or it is time to
 * slow a stage, or to end a drain.
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

/*
 * How long after a signal the threads have to end. Then the program ends without those that are
 * left if each of them is inside a step and was on a processor for most of that time. Any other
 * thread has GRACE_MAX_NS: it writes what it has, frees what is left in a ring, or waits for a
 * processor. The end of the process frees the memory of a very long line, which takes a while too,
 * and all is to be over within 100 ms. With a sanitizer everything takes longer.
 */
#if defined(LEAT_TSAN) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GRACE_NS INT64_C(1500000000)
#else
#define GRACE_NS INT64_C(40000000)
#endif
#define GRACE_CPU_NS (GRACE_NS / 4 * 3)
#define GRACE_AGAIN_NS INT64_C(5000000)
#define GRACE_MAX_NS INT64_C(2000000000)

struct flow_run {
	struct run_opts opts;
	struct leat_run *flow;
	struct leat_report report;
	struct display display;
	FILE *json;
	sigset_t signals; /* those that end the flow, or reopen its file */
	int signal_fd, signal /* that came; 0: none */;
	bool drains;    /* the signal has stopped the flow, and nothing has cancelled it */
	bool undrained; /* the time of --drain was over */
	int64_t slow_at_ns, give_up_at_ns, drain_until_ns;
	int64_t cancel_ns; /* when the flow was cancelled */
	bool gave_up;      /* threads still run, inside a step */
};

/*
 * Shows a failure such as "lines: nofile: No such file or directory": on one line, whatever bytes
 * the name of the file has; in the JSON object as it is. The line is left out where the object goes
 * to standard error, which it shares with nothing.
 */
static void show_unopened(const struct flow_run *run, char why[LEAT_RUN_WHY], int code)
{
	char *text = strstr(why, ": ");

	if (run->json != NULL && text != NULL) {
		*text = '\0';
		leat_report_json_unopened(EXIT_FAILED, why, code, text + 2, run->json);
		*text = ':';
	} else if (run->json != NULL) {
		leat_report_json_unopened(EXIT_FAILED, "leat", code, why, run->json);
	}
	if (run->json == stderr)
		return;
	for (char *p = why; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	fprintf(stderr, "leat: %s\n", why);
}

/* Shows that no thread, or not all of them, could be started. */
static void show_unstarted(const struct flow_run *run, int code)
{
	char why[LEAT_RUN_WHY];

	snprintf(why, sizeof(why), "the flow could not be started: %s", strerror(-code));
	show_unopened(run, why, code);
}

static int open_flow(struct flow_run *run, struct leat_stages *stages)
{
	char why[LEAT_RUN_WHY];
	int rc;

	if (run->opts.json) {
		run->json = run->opts.json_path != NULL ? fopen(run->opts.json_path, "we") : stderr;
		if (run->json == NULL) {
			fprintf(stderr, "leat: --json: %s: %s\n", run->opts.json_path,
			        strerror(errno));
			return EXIT_FAILED;
		}
	}
	rc = leat_run_open(&run->flow, stages, &run->opts.flow, why);
	if (rc == 0)
		rc = leat_report_init(&run->report, run->flow);
	if (rc == 0)
		return 0;
	if (why[0] == '\0')
		snprintf(why, sizeof(why), "%s", strerror(-rc));
	show_unopened(run, why, rc);
	return EXIT_FAILED;
}

/* SIGHUP reopens the file of the sink, and ends nothing. */
static bool hangup_reopens(const struct flow_run *run)
{
	return leat_run_reopens(run->flow);
}

/*
 * The signals that end a flow. SIGHUP only if it is not ignored: nohup(1) has it ignored so that
 * the program outlives its terminal; or, in any case, to reopen a file. SIGINT in any case: a shell
 * has it ignored in what it runs in the background, and kill -INT is meant all the same.
 */
static void fill_signals(sigset_t *set, bool hangup)
{
	struct sigaction old;

	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	if (hangup || (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN))
		sigaddset(set, SIGHUP);
}

/*
 * From here on signals are read from a descriptor. The members of the flow block all signals
 * anyway.
 */
static int take_signals(struct flow_run *run)
{
	signal(SIGPIPE, SIG_IGN);
	fill_signals(&run->signals, hangup_reopens(run));
	pthread_sigmask(SIG_BLOCK, &run->signals, NULL);
	run->signal_fd = signalfd(-1, &run->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return run->signal_fd < 0 ? -errno : 0;
}

/* What the signal did to the flow: in the text of its cancel and in the report. */
static const char *describe_signal(int number)
{
	return number == SIGINT ? "interrupted" : number == SIGHUP ? "hung up" : "terminated";
}

static void cancel_flow(struct flow_run *run, const char *text)
{
	run->drains = false;
	run->drain_until_ns = LEAT_NEVER;
	run->cancel_ns = leat_now_ns();
	run->give_up_at_ns = run->cancel_ns + GRACE_NS;
	leat_run_cancel(run->flow, text);
	/* A further signal ends the program at once, even if the first would have been ignored. */
	if (hangup_reopens(run))
		sigdelset(&run->signals, SIGHUP);
	for (int number = 1; number < NSIG; number++)
		if (sigismember(&run->signals, number) == 1)
			signal(number, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &run->signals, NULL);
}

/* The first signal, with --drain. Later ones, and each one without it, cancel. */
static void stop_flow(struct flow_run *run)
{
	int64_t now_ns = leat_now_ns();

	run->drains = true;
	run->drain_until_ns =
		run->opts.drain_ns > LEAT_NEVER - now_ns ? LEAT_NEVER : now_ns + run->opts.drain_ns;
	leat_run_stop(run->flow, describe_signal(run->signal));
}

static void handle_signal(struct flow_run *run)
{
	struct signalfd_siginfo info;
	bool first = run->signal == 0;

	if (read(run->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP && hangup_reopens(run)) {
		leat_run_reopen(run->flow);
		return;
	}
	run->signal = (int)info.ssi_signo;
	if (first && run->opts.drain_ns != 0)
		stop_flow(run);
	else
		cancel_flow(run, describe_signal(run->signal));
}

static void handle_time(struct flow_run *run)
{
	int64_t now_ns = leat_now_ns();

	if (now_ns >= run->slow_at_ns) {
		run->slow_at_ns = LEAT_NEVER;
		leat_report_window(&run->report);
		leat_run_slow(run->flow);
	}
	if (now_ns >= run->drain_until_ns) {
		run->undrained = true;
		cancel_flow(run, "not drained in time");
	}
	if (now_ns >= run->give_up_at_ns) {
		run->give_up_at_ns = now_ns + GRACE_AGAIN_NS;
		run->gave_up = leat_run_stuck(run->flow, GRACE_CPU_NS) ||
		               now_ns >= run->cancel_ns + GRACE_MAX_NS;
	}
}

static void wait_for_end(struct flow_run *run)
{
	struct pollfd fds[] = { { .fd = run->signal_fd, .events = POLLIN },
		                { .fd = run->flow->events_fd, .events = POLLIN } };

	while (!leat_run_over(run->flow) && !run->gave_up) {
		int64_t next_ns = run->slow_at_ns;
		if (run->give_up_at_ns < next_ns)
			next_ns = run->give_up_at_ns;
		if (run->drain_until_ns < next_ns)
			next_ns = run->drain_until_ns;
		int64_t left_ns = next_ns - leat_now_ns();
		struct timespec left = { 0 };

		if (left_ns > 0)
			left = (struct timespec){ .tv_sec = left_ns / 1000000000,
				                  .tv_nsec = left_ns % 1000000000 };
		if (ppoll(fds, 2, next_ns == LEAT_NEVER ? NULL : &left, NULL) < 0)
			continue; /* EINTR: the program was stopped and continued */
		if (fds[0].revents != 0)
			handle_signal(run);
		handle_time(run);
	}
}

static int find_status(const struct flow_run *run, int started)
{
	if (run->signal != 0 && !run->drains)
		return EXIT_SIGNALED + run->signal;
	return started == 0 && leat_report_well(&run->report) ? 0 : EXIT_FAILED;
}

static void show_report(struct flow_run *run)
{
	struct leat_report *report = &run->report;
	const char *how = run->signal != 0      ? describe_signal(run->signal)
	                  : report->status == 0 ? "completed"
	                                        : "failed";
	const char *drained = run->undrained                       ? ", not drained in time"
	                      : run->drains && report->status == 0 ? ", drained"
	                                                           : "";

	if (run->json != stderr) {
		leat_report_failures(report, stderr);
		leat_report_note(report, stderr);
		leat_report_lines_read(report, stderr);
	}
	if (!run->opts.quiet) {
		fprintf(stderr, "leat: %s after %.1f s%s\n\n", how,
		        (double)(report->over_ns - run->flow->started_ns) / 1e9, drained);
		leat_report_books(report, display_columns(), stderr);
		leat_report_verdict_line(report, display_columns(), stderr);
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

static void say_line(void *display, const char *text)
{
	display_say(display, text);
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
	run->flow->opts.say = run->json != stderr ? say_line : NULL;
	run->flow->opts.say_arg = &run->display;
	run->flow->opts.progress = run->display.how != DISPLAY_NONE;
	diag_opts.interval_ns = display_interval_ns(&run->display);
	diag = leat_diag_start(&diag_opts);
	if (diag == NULL) {
		display_fini(&run->display);
		show_unstarted(run, -EAGAIN);
		return EXIT_FAILED;
	}
	run->slow_at_ns = LEAT_NEVER;
	run->give_up_at_ns = run->drain_until_ns = LEAT_NEVER;
	if (run->opts.flow.slow != 0 && run->opts.flow.for_ns == 0)
		leat_run_slow(run->flow);
	else if (run->opts.flow.slow != 0)
		run->slow_at_ns = leat_now_ns() + run->opts.flow.for_ns / 2;
	rc = leat_run_start(run->flow);
	wait_for_end(run);
	if (!run->gave_up)
		leat_run_join(run->flow);
	display_hold(&run->display);
	leat_diag_stop(diag);
	display_fini(&run->display);
	run->report.over_ns = leat_now_ns();
	run->report.status = find_status(run, rc);
	if (run->gave_up)
		leat_report_give_up(&run->report);
	else
		run->report.threads_left = leat_threads_left(own_threads);
	if (rc != 0)
		show_unstarted(run, rc);
	if (rc == 0 || run->json == NULL)
		show_report(run);
	/* The threads that still run use the flow: nothing of it can be freed. */
	if (run->gave_up)
		_exit(run->report.status);
	return run->report.status;
}

int run_main(int argc, char **argv)
{
	struct flow_run run = { .signal_fd = -1 };
	struct leat_stages stages = { 0 };
	int status = run_opts_read(&run.opts, argc, argv);

	if (status >= 0)
		goto out;
	status = flow_text_parse(&run.opts, &stages);
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
	leat_report_fini(&run.report); /* it reads the flow's plan */
	leat_run_free(run.flow);
	if (run.json != NULL && run.json != stderr)
		fclose(run.json);
	if (run.signal_fd >= 0)
		close(run.signal_fd);
	run_opts_free(&run.opts);
	return status;
}
