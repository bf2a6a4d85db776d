/*
 * tools/leat/why.c: `leat why`: which stage limits a process that keeps counters, and why.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/diag/json.h"
#include "tools/leat/attach.h"
#include "tools/leat/leat.h"
#include "tools/leat/table.h"

#include <getopt.h>
#include <inttypes.h>
#include <leat/why.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_NS INT64_C(5000000000)
#define PARTS 10

enum { EXIT_NAMED = 1, EXIT_CANNOT_TELL = 3 };

struct why_opts {
	const char *what; /* a process or a file */
	int64_t window_ns;
	bool json;
};

/* Returns -1, or the exit status if there is nothing to judge. */
static int read_why_opts(struct why_opts *opts, int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		                                 { "window", required_argument, NULL, 'w' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	int option;

	*opts = (struct why_opts){ .window_ns = WINDOW_NS };
	while ((option = getopt_long(argc, argv, ":hw:", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(leat_why_help, stdout) < 0 ? EXIT_CANNOT_TELL : 0;
		if (option == '?' || option == ':')
			return reject_seeing_option(argv, option);
		if (option == 'j')
			opts->json = true;
		else if (!read_seconds('w', optarg, &opts->window_ns))
			return EXIT_USAGE;
	}
	if (argc - optind != 1) {
		fputs("leat: why takes one process or file, such as leat why 1234; leat ps lists "
		      "them\n",
		      stderr);
		return EXIT_USAGE;
	}
	opts->what = argv[optind];
	return -1;
}

/* Adds readings for the time of the window; of a process that has ended, its whole life. */
static int watch(const struct why_opts *opts, struct leat_counters *counters, struct leat_why *why)
{
	const struct leat_counters_process *info = leat_counters_info(counters);
	const int64_t part_ns = opts->window_ns / PARTS;
	int rc = leat_counters_read(counters);
	int64_t until_ns;

	if (rc < 0)
		return rc;
	if (!attached_is_live(counters))
		leat_why_from_start(why);
	rc = leat_why_add_counters(why, counters);
	until_ns = info->time_ns + opts->window_ns;
	while (rc == 0 && attached_is_live(counters) && info->time_ns < until_ns) {
		int64_t left_ns = until_ns - info->time_ns;

		rc = attached_read_newer(counters, info->time_ns,
		                         left_ns < part_ns ? left_ns : part_ns);
		if (rc == 0)
			rc = leat_why_add_counters(why, counters);
	}
	return rc;
}

static void print_why(const struct leat_counters_process *info, const struct leat_verdict *verdict)
{
	char age[24];

	printf("%" PRIu32 " %s: %s; looked at for %.1f s\n%s\n", info->pid, info->name,
	       leat_counters_state_name(info->state),
	       (double)(verdict->to_ns - verdict->from_ns) / 1e9, verdict->text);
	if (verdict->limit == LEAT_LIMIT_UNKNOWN)
		return;
	printf("  since       %s ago%s\n", format_age(age, verdict->to_ns - verdict->since_ns),
	       verdict->since_ns == verdict->from_ns ? ", at least" : "");
	printf("  so for      %.0f %% of the time\n", verdict->confidence * 100);
	if (verdict->evidence[0] != '\0')
		printf("  seen        %s\n", verdict->evidence);
	if (verdict->advice[0] != '\0')
		printf("  what helps  %s\n", verdict->advice);
}

static void put_string(const char *name, const char *value)
{
	printf(",\"%s\":", name);
	leat_json_string(stdout, value, strlen(value));
}

static void put_share(const char *name, double share)
{
	if (share < 0)
		printf(",\"%s\":null", name);
	else
		printf(",\"%s\":%.4f", name, share);
}

static void print_why_json(const struct leat_counters_process *info,
                           const struct leat_verdict *verdict)
{
	printf("{\"pid\":%" PRIu32, info->pid);
	put_string("name", info->name);
	put_string("state", leat_counters_state_name(info->state));
	put_string("limit", leat_limit_name(verdict->limit));
	printf(",\"named\":%s", leat_limit_is_named(verdict->limit) ? "true" : "false");
	put_string("stage", verdict->stage);
	put_string("thread", verdict->thread);
	put_string("second", verdict->second);
	printf(",\"threads\":%" PRIu32, verdict->threads);
	put_share("busy", verdict->busy);
	put_share("paced", verdict->paced);
	put_share("cpu", verdict->cpu);
	put_share("runq", verdict->runq);
	put_share("before_blocked", verdict->before_blocked);
	put_share("behind_starved", verdict->behind_starved);
	put_share("one_more", verdict->one_more);
	put_share("confidence", verdict->confidence);
	printf(",\"window_ns\":%" PRId64 ",\"since_ns\":%" PRId64,
	       verdict->to_ns - verdict->from_ns, verdict->to_ns - verdict->since_ns);
	put_string("text", verdict->text);
	put_string("evidence", verdict->evidence);
	put_string("advice", verdict->advice);
	fputs("}\n", stdout);
}

/* Returns the exit status, or -errno. */
static int report(const struct why_opts *opts, const struct leat_counters *counters,
                  const struct leat_why *why)
{
	struct leat_verdict verdict;
	int rc = leat_why_verdict(why, &verdict);

	if (rc < 0)
		return rc;
	if (opts->json)
		print_why_json(leat_counters_info(counters), &verdict);
	else
		print_why(leat_counters_info(counters), &verdict);
	if (fflush(stdout) != 0)
		return -errno;
	if (verdict.limit == LEAT_LIMIT_UNKNOWN)
		return EXIT_CANNOT_TELL;
	return leat_limit_is_named(verdict.limit) ? EXIT_NAMED : 0;
}

int why_main(int argc, char **argv)
{
	struct leat_counters *counters;
	struct why_opts opts;
	struct leat_why *why;
	int rc = read_why_opts(&opts, argc, argv);

	if (rc >= 0)
		return rc;
	counters = attach(opts.what);
	why = counters != NULL ? leat_why_open() : NULL;
	rc = why == NULL ? leat_open_error() : watch(&opts, counters, why);
	if (rc == 0)
		rc = report(&opts, counters, why);
	leat_why_close(why);
	leat_counters_close(counters);
	if (rc >= 0)
		return rc;
	if (ferror(stdout))
		fprintf(stderr, "leat: stdout: %s\n", strerror(-rc));
	else
		attach_refused(opts.what, rc);
	return EXIT_CANNOT_TELL;
}
