/*
 * tools/leat/stat.c: `leat stat`: the figures of a process that keeps counters.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/leat.h"
#include "tools/leat/sample.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define INTERVAL_NS INT64_C(1000000000)
#define PATIENCE_NS INT64_C(1000000000)
#define INTERVAL_LEAST_S 0.001
#define INTERVAL_MOST_S 86400.0

struct stat_opts {
	const char *what; /* a process or a file */
	int64_t interval_ns;
	uint64_t count; /* of readings; 0: until the process is gone */
	bool json, interval_given, count_given;
};

const char *counters_error(int rc)
{
	switch (rc) {
	case -EPROTO:
		return "this is no counters file, or one that is not complete yet";
	case -EPROTONOSUPPORT:
		return "this counters file is of another version of leat, or of another machine";
	case -EPERM:
		return "this directory is not this user's alone: it must be owned by the user, and "
		       "closed to all others (mode 0700)";
	case -ELOOP:
		return "this is a symbolic link, which is not followed";
	case -EINVAL:
		return "this is no regular file";
	default:
		return strerror(-rc);
	}
}

int reject_seeing_option(char **argv, int option)
{
	const char *name = argv[optind - 1];

	if (option == ':')
		fprintf(stderr, "leat: %s takes a value; see leat %s --help\n", name, argv[0]);
	else if (optopt != 0 && optopt < 128)
		fprintf(stderr,
		        "leat: there is no option -%c, or it takes no value; see leat %s "
		        "--help\n",
		        optopt, argv[0]);
	else
		fprintf(stderr, "leat: there is no option %s; see leat %s --help\n", name, argv[0]);
	return EXIT_USAGE;
}

static bool read_seconds(struct stat_opts *opts, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (text[strspn(text, "0123456789.")] != '\0' || *end != '\0' ||
	    !(seconds >= INTERVAL_LEAST_S && seconds <= INTERVAL_MOST_S)) {
		fprintf(stderr,
		        "leat: -i %s: a number of seconds from 0.001 to 86400 is wanted, such as "
		        "0.5\n",
		        text);
		return false;
	}
	opts->interval_ns = (int64_t)(seconds * 1e9);
	opts->interval_given = true;
	return true;
}

static bool read_count(struct stat_opts *opts, const char *text)
{
	errno = 0;
	opts->count = strtoull(text, NULL, 10);
	if (text[strspn(text, "0123456789")] != '\0' || errno != 0 || opts->count == 0) {
		fprintf(stderr, "leat: -c %s: a number of readings from 1 is wanted\n", text);
		return false;
	}
	opts->count_given = true;
	return true;
}

/* Returns -1, or the exit status if there is nothing to read. */
static int read_stat_opts(struct stat_opts *opts, int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		                                 { "interval", required_argument, NULL, 'i' },
		                                 { "count", required_argument, NULL, 'c' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	int option;

	*opts = (struct stat_opts){ .interval_ns = INTERVAL_NS };
	while ((option = getopt_long(argc, argv, ":hi:c:", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(leat_stat_help, stdout) < 0 ? EXIT_FAILED : 0;
		if (option == '?' || option == ':')
			return reject_seeing_option(argv, option);
		if (option == 'j')
			opts->json = true;
		if ((option == 'i' && !read_seconds(opts, optarg)) ||
		    (option == 'c' && !read_count(opts, optarg)))
			return EXIT_USAGE;
	}
	if (argc - optind != 1) {
		fputs("leat: stat takes one process or file, such as leat stat 1234; leat ps lists "
		      "them\n",
		      stderr);
		return EXIT_USAGE;
	}
	if (!opts->interval_given && !opts->count_given)
		opts->count = 1;
	opts->what = argv[optind];
	return -1;
}

static bool is_process(const char *what)
{
	return what[strspn(what, "0123456789")] == '\0';
}

int counters_refuse(const char *what, int rc)
{
	if (rc == -ENOENT && is_process(what))
		fprintf(stderr,
		        "leat: %s: there is no such process that keeps counters: it has to run "
		        "with "
		        "LEAT_COUNTERS=1 in its environment; leat ps lists those that do\n",
		        what);
	else
		fprintf(stderr, "leat: %s: %s\n", what, counters_error(rc));
	return EXIT_FAILED;
}

static void sleep_for(int64_t ns)
{
	struct timespec left = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

struct leat_counters *counters_open_patiently(const char *what)
{
	const int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	struct leat_counters *counters;

	while ((counters = leat_counters_open(what)) == NULL &&
	       (leat_open_error() == -ENOENT || leat_open_error() == -EPROTO) && is_process(what) &&
	       strlen(what) < 10 && kill(atoi(what), 0) == 0 && leat_now_ns() < patience_ns)
		sleep_for(PATIENCE_NS / 100);
	return counters;
}

/* Shows the present reading. Returns whether it was written. */
static bool show(const struct stat_opts *opts, const struct leat_counters *counters,
                 const struct sample *before, bool first)
{
	struct view view;

	view_take(&view, counters, before);
	view.first_event = first ? 0 : before->events_total;
	if (!first && !opts->json)
		putchar('\n');
	if (opts->json)
		view_print_json(&view, stdout);
	else
		view_print(&view, stdout);
	return fflush(stdout) == 0;
}

/* Whether the process goes on writing its figures. */
static bool is_live(const struct leat_counters *counters)
{
	enum leat_counters_state state = leat_counters_info(counters)->state;

	return state == LEAT_COUNTERS_RUNNING || state == LEAT_COUNTERS_UNKNOWN;
}

/*
 * Reads after the interval, or, if that is shorter than the one of the process, when there are
 * newer figures. Returns 0, or -errno.
 */
static int read_next(const struct stat_opts *opts, struct leat_counters *counters,
                     const struct sample *before)
{
	const int64_t patience_ns = leat_now_ns() + opts->interval_ns + PATIENCE_NS;
	int64_t pause_ns = opts->interval_ns;
	int rc;

	do {
		sleep_for(pause_ns);
		rc = leat_counters_read(counters);
		pause_ns = PATIENCE_NS / 200;
	} while (rc == 0 && is_live(counters) && leat_now_ns() < patience_ns &&
	         leat_counters_info(counters)->time_ns == before->time_ns);
	return rc;
}

/* Reads and shows, time after time. Returns 0, or -errno. */
static int watch(const struct stat_opts *opts, struct leat_counters *counters,
                 struct sample *before)
{
	int rc = leat_counters_read(counters);

	for (uint64_t n = 0; rc == 0 && (opts->count == 0 || n < opts->count); n++) {
		bool live = is_live(counters) ||
		            (n > 0 && leat_counters_info(counters)->state == LEAT_COUNTERS_STALLED);

		if (!live && n > 0)
			break; /* its end has been shown */
		if (live) {
			if (!sample_take(before, counters))
				return -ENOMEM;
			rc = read_next(opts, counters, before);
		}
		if (rc == 0 && !show(opts, counters, before, n == 0))
			return -errno;
	}
	return rc;
}

int stat_main(int argc, char **argv)
{
	struct sample before = { 0 };
	struct leat_counters *counters;
	struct stat_opts opts;
	int rc = read_stat_opts(&opts, argc, argv);

	if (rc >= 0)
		return rc;
	counters = counters_open_patiently(opts.what);
	if (counters == NULL)
		return counters_refuse(opts.what, leat_open_error());
	rc = watch(&opts, counters, &before);
	leat_counters_close(counters);
	sample_fini(&before);
	if (rc < 0 && ferror(stdout)) {
		fprintf(stderr, "leat: stdout: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	return rc < 0 ? counters_refuse(opts.what, rc) : 0;
}
