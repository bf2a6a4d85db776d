/*
 * tools/leat/stat.c: `leat stat`: the figures of a process that keeps counters.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/attach.h"
#include "tools/leat/leat.h"
#include "tools/leat/sample.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_NS INT64_C(1000000000)

struct stat_opts {
	const char *what; /* a process or a file */
	int64_t interval_ns;
	uint64_t count; /* of readings; 0: until the process is gone */
	bool json, interval_given, count_given;
};

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
		opts->interval_given |= option == 'i';
		if ((option == 'i' && !read_seconds('i', optarg, &opts->interval_ns)) ||
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

/* Reads and shows, time after time. Returns 0, or -errno. */
static int watch(const struct stat_opts *opts, struct leat_counters *counters,
                 struct sample *before)
{
	int rc = leat_counters_read(counters);

	for (uint64_t n = 0; rc == 0 && (opts->count == 0 || n < opts->count); n++) {
		bool live = attached_is_live(counters) ||
		            (n > 0 && leat_counters_info(counters)->state == LEAT_COUNTERS_STALLED);

		if (!live && n > 0)
			break; /* its end has been shown */
		if (live) {
			if (!sample_take(before, counters))
				return -ENOMEM;
			rc = attached_read_newer(counters, before->time_ns, opts->interval_ns);
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
	counters = attach(opts.what);
	if (counters == NULL)
		return attach_refused(opts.what, leat_open_error());
	rc = watch(&opts, counters, &before);
	leat_counters_close(counters);
	sample_fini(&before);
	if (rc < 0 && ferror(stdout)) {
		fprintf(stderr, "leat: stdout: %s\n", strerror(-rc));
		return EXIT_FAILED;
	}
	return rc < 0 ? attach_refused(opts.what, rc) : 0;
}
