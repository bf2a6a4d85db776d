/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "tools/leat/attach.h"
#include "tools/leat/leat.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PATIENCE_NS INT64_C(1000000000)
#define SECONDS_LEAST 0.001
#define SECONDS_MOST 86400.0

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

bool read_seconds(int option, const char *text, int64_t *ns)
{
	char *end;
	double seconds = strtod(text, &end);

	if (text[strspn(text, "0123456789.")] != '\0' || *end != '\0' ||
	    !(seconds >= SECONDS_LEAST && seconds <= SECONDS_MOST)) {
		fprintf(stderr,
		        "leat: -%c %s: a number of seconds from 0.001 to 86400 is wanted, such as "
		        "0.5\n",
		        option, text);
		return false;
	}
	*ns = (int64_t)(seconds * 1e9);
	return true;
}

static bool is_process(const char *what)
{
	return what[strspn(what, "0123456789")] == '\0';
}

int attach_refused(const char *what, int rc)
{
	if (rc == -ENOENT && is_process(what))
		fprintf(stderr,
		        "leat: %s: there is no such process that keeps counters: it has to run "
		        "with LEAT_COUNTERS=1 in its environment; leat ps lists those that do\n",
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

/* A process that was started a moment ago opens its first channel in a moment. */
struct leat_counters *attach(const char *what)
{
	const int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	struct leat_counters *counters;

	while ((counters = leat_counters_open(what)) == NULL &&
	       (leat_open_error() == -ENOENT || leat_open_error() == -EPROTO) && is_process(what) &&
	       strlen(what) < 10 && kill(atoi(what), 0) == 0 && leat_now_ns() < patience_ns)
		sleep_for(PATIENCE_NS / 100);
	return counters;
}

bool attached_is_live(const struct leat_counters *counters)
{
	enum leat_counters_state state = leat_counters_info(counters)->state;

	return state == LEAT_COUNTERS_RUNNING || state == LEAT_COUNTERS_UNKNOWN;
}

int attached_read_newer(struct leat_counters *counters, int64_t before_ns, int64_t interval_ns)
{
	const int64_t patience_ns = leat_now_ns() + interval_ns + PATIENCE_NS;
	int64_t pause_ns = interval_ns;
	int rc;

	do {
		sleep_for(pause_ns);
		rc = leat_counters_read(counters);
		pause_ns = PATIENCE_NS / 200;
	} while (rc == 0 && attached_is_live(counters) && leat_now_ns() < patience_ns &&
	         leat_counters_info(counters)->time_ns == before_ns);
	return rc;
}
