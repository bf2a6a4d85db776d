/*
 * tests/unit/counters.h: what the suites of counters files share: a directory on tmpfs, a process
 * that writes a file there, and a reader.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_COUNTERS_H
#define LEAT_TEST_COUNTERS_H

#include "census.h"

#include <leat/counters.h>
#include <leat/detail/counters.h>
#include <leat/diag.h>

#include <fcntl.h>
#include <sys/stat.h>

static char counters_folder[32];

/* A path in a directory of this test's own, on tmpfs. */
static UNUSED const char *counters_path(char path[64], const char *name)
{
	if (counters_folder[0] == '\0') {
		snprintf(counters_folder, sizeof(counters_folder), "/dev/shm/leat-test-XXXXXX");
		cr_assert_not_null(mkdtemp(counters_folder));
	}
	snprintf(path, 64, "%s/%s", counters_folder, name);
	return path;
}

static UNUSED void counters_clean_up(void)
{
	DIR *dir = opendir(counters_folder);
	char path[512];
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", counters_folder, entry->d_name);
		unlink(path);
	}
	closedir(dir);
	cr_expect_eq(rmdir(counters_folder), 0);
}

/* A reading of a large file is of one snapshot only if the writer pauses for so long. */
static UNUSED struct leat_diag *counters_start_by(const char *path, int64_t interval_ns)
{
	struct leat_diag *diag = leat_diag_start(
		&(struct leat_diag_opts){ .counters_path = path, .interval_ns = interval_ns });
	cr_assert_not_null(diag, "%s: %s", path, strerror(-leat_open_error()));
	return diag;
}

static UNUSED struct leat_diag *counters_start(const char *path)
{
	return counters_start_by(path, MS);
}

/*
 * Reads until the writer has taken two snapshots more: the second began after this call, and the
 * reading is of one snapshot.
 */
static UNUSED bool counters_read_later(struct leat_counters *c)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	if (leat_counters_read(c) != 0)
		return false;
	uint64_t snapshots = leat_counters_info(c)->snapshots;
	while (leat_counters_info(c)->snapshots < snapshots + 2 || leat_counters_info(c)->mixed) {
		if (leat_now_ns() > patience_ns || leat_counters_read(c) != 0)
			return false;
		sched_yield();
	}
	return true;
}

/* The nth record by a name, from 0. */
static UNUSED const struct leat_counters_record *counters_find(const struct leat_counters *c,
                                                               enum leat_counters_kind kind,
                                                               const char *name, int nth)
{
	const struct leat_counters_record *records;
	size_t count = leat_counters_records(c, &records);
	for (size_t i = 0; i < count; i++)
		if (records[i].kind == kind && strcmp(records[i].name, name) == 0 && nth-- == 0)
			return &records[i];
	return NULL;
}

/* The sum of a value over all records of a kind and a name; NULL: of every name. */
static UNUSED uint64_t counters_sum(const struct leat_counters *c, enum leat_counters_kind kind,
                                    const char *name, unsigned value)
{
	const struct leat_counters_record *records;
	size_t count = leat_counters_records(c, &records);
	uint64_t sum = 0;
	for (size_t i = 0; i < count; i++)
		if (records[i].kind == kind && (name == NULL || strcmp(records[i].name, name) == 0))
			sum += records[i].values[value];
	return sum;
}

static UNUSED const struct leat_counters_event *counters_event(const struct leat_counters *c,
                                                               enum leat_counters_event_type type,
                                                               const char *name)
{
	const struct leat_counters_event *events;
	size_t count = leat_counters_events(c, &events);
	for (size_t i = 0; i < count; i++)
		if (events[i].type == type && strcmp(events[i].name, name) == 0)
			return &events[i];
	return NULL;
}

#endif
