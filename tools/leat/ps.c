/*
 * tools/leat/ps.c: `leat ps`: the processes of this user that keep counters.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/diag/json.h"
#include "tools/leat/leat.h"
#include "tools/leat/table.h"

#include <getopt.h>
#include <inttypes.h>
#include <leat/counters.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct listing {
	struct table table;
	bool json;
	size_t processes, failed;
};

/* What lives, or lived when the last figures were written. */
struct living {
	uint64_t channels, generators;
};

static struct living count_living(const struct leat_counters *counters)
{
	const struct leat_counters_record *records;
	size_t count = leat_counters_records(counters, &records);
	struct living living = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (records[i].kind == LEAT_COUNTERS_CHANNEL)
			living.channels += records[i].living;
		else if (records[i].kind == LEAT_COUNTERS_GENERATOR)
			living.generators += records[i].living;
		else if (records[i].kind == LEAT_COUNTERS_POOL && records[i].living > 0)
			living.generators += records[i].values[LEAT_COUNTERS_POOL_GENERATORS];
	}
	return living;
}

/* Since its start; of a process that is gone, until its last figures. */
static int64_t find_age(const struct leat_counters_process *info)
{
	struct timespec now;
	int64_t until_ns = info->wall_ns, age_ns;

	clock_gettime(CLOCK_REALTIME, &now);
	if (info->state != LEAT_COUNTERS_GONE)
		until_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	if (info->start_ns == 0 || __builtin_sub_overflow(until_ns, info->start_ns, &age_ns))
		return -1;
	return age_ns > 0 ? age_ns : 0;
}

static void list_json(const struct leat_counters *counters, const char *path)
{
	const struct leat_counters_process *info = leat_counters_info(counters);
	struct living living = count_living(counters);
	int64_t age_ns = find_age(info);

	printf("{\"pid\":%" PRIu32 ",\"name\":", info->pid);
	leat_json_string(stdout, info->name, strlen(info->name));
	printf(",\"channels\":%" PRIu64 ",\"generators\":%" PRIu64 ",\"age_s\":%.3f,\"state\":"
	       "\"%s\",\"file\":",
	       living.channels, living.generators, age_ns < 0 ? 0 : (double)age_ns / 1e9,
	       leat_counters_state_name(info->state));
	leat_json_string(stdout, path, strlen(path));
	fputs("}\n", stdout);
}

static void list_row(struct table *table, const struct leat_counters *counters)
{
	const struct leat_counters_process *info = leat_counters_info(counters);
	struct living living = count_living(counters);
	int64_t age_ns = find_age(info);
	char age[24];

	table_put(table, "%" PRIu32, info->pid);
	table_put(table, "%s", info->name);
	table_put(table, "%" PRIu64, living.channels);
	table_put(table, "%" PRIu64, living.generators);
	table_put(table, "%s", age_ns < 0 ? "-" : format_age(age, age_ns));
	table_put(table, "%s", leat_counters_state_name(info->state));
}

/* A leat_counters_fn. A process may end, and its file go, between the listing and the reading. */
static int list_file(const char *path, void *arg)
{
	struct listing *listing = arg;
	struct leat_counters *counters = leat_counters_open(path);
	int rc = counters == NULL ? leat_open_error() : leat_counters_read(counters);

	if (rc == 0) {
		listing->processes++;
		if (listing->json)
			list_json(counters, path);
		else
			list_row(&listing->table, counters);
	} else if (rc != -ENOENT) {
		listing->failed++;
		fprintf(stderr, "leat: %s: %s\n", path, counters_error(rc));
	}
	leat_counters_close(counters);
	return 0;
}

static int list_directory(struct listing *listing, const char *directory)
{
	int rc = leat_counters_each(directory, list_file, listing);

	if (rc < 0 && directory != NULL)
		fprintf(stderr, "leat: %s: %s\n", directory, counters_error(rc));
	else if (rc < 0)
		fprintf(stderr, "leat: /dev/shm/leat.%u: %s\n", geteuid(), counters_error(rc));
	if (rc < 0)
		return EXIT_FAILED;
	if (listing->processes == 0 && listing->failed == 0)
		fputs("leat: no process of this user keeps counters: start one with "
		      "LEAT_COUNTERS=1 in its environment\n",
		      stderr);
	return listing->failed > 0 ? EXIT_FAILED : 0;
}

int ps_main(int argc, char **argv)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { 0 } };
	static const struct column columns[] = { RIGHT("PID", 0),      LEFT("NAME", 0),
		                                 RIGHT("CHANNELS", 0), RIGHT("GENERATORS", 0),
		                                 RIGHT("AGE", 0),      LEFT("STATE", 0) };
	struct listing listing = { 0 };
	int option, status;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (option == 'h')
			return fputs(leat_ps_help, stdout) < 0 ? EXIT_FAILED : 0;
		if (option != 'j')
			return reject_seeing_option(argv, option);
		listing.json = true;
	}
	if (argc - optind > 1) {
		fputs("leat: ps takes one directory at the most; see leat ps --help\n", stderr);
		return EXIT_USAGE;
	}
	table_init(&listing.table, columns, sizeof(columns) / sizeof(columns[0]));
	status = list_directory(&listing, argv[optind]);
	table_print(&listing.table, output_columns(), stdout);
	table_fini(&listing.table);
	return status;
}
