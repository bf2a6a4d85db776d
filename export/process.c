/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "export/export.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS INT64_C(1000000)

enum {
	PROCESSES_MOST = 256, /* that are exported */
	GONE_MOST = 64,       /* of them, that have ended */
	READINGS = 3          /* until one is whole */
};

/* A reading that is not whole is taken when there was no other one for as long. */
#define PATIENCE_NS (10000 * MS)

static int64_t read_wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void destroy_process(struct leat_export_process *process)
{
	leat_counters_close(process->counters);
	for (unsigned kind = 1; kind < LEAT_COUNTERS_KINDS; kind++)
		leat_export_names_fini(&process->names[kind]);
	free(process->what);
	free(process);
}

void leat_export_processes_fini(struct leat_export *exporter)
{
	for (size_t i = 0; i < exporter->count; i++)
		destroy_process(exporter->processes[i]);
	free(exporter->processes);
}

static void remove_process(struct leat_export *exporter, size_t i)
{
	destroy_process(exporter->processes[i]);
	exporter->count--;
	memmove(&exporter->processes[i], &exporter->processes[i + 1],
	        (exporter->count - i) * sizeof(exporter->processes[0]));
}

/* The one that has been gone for longest. Returns false if there is none. */
static bool remove_oldest_gone(struct leat_export *exporter)
{
	size_t oldest = exporter->count;

	for (size_t i = 0; i < exporter->count; i++) {
		int64_t since_ns = exporter->processes[i]->gone_since_ns;

		if (since_ns != 0 && (oldest == exporter->count ||
		                      since_ns < exporter->processes[oldest]->gone_since_ns))
			oldest = i;
	}
	if (oldest == exporter->count)
		return false;
	remove_process(exporter, oldest);
	return true;
}

static bool make_room(struct leat_export *exporter)
{
	void *memory;

	if (exporter->count >= PROCESSES_MOST && !remove_oldest_gone(exporter))
		return false;
	if (exporter->count < exporter->room)
		return true;
	memory = realloc(exporter->processes,
	                 (exporter->room + 16) * sizeof(exporter->processes[0]));
	if (memory == NULL)
		return false;
	exporter->processes = memory;
	exporter->room += 16;
	return true;
}

static bool is_same(const struct leat_counters_process *a, const struct leat_counters_process *b)
{
	return a->pid == b->pid && a->start_ticks == b->start_ticks;
}

/* Puts a process on the list, with its reader. Returns false without room or memory. */
static bool add_process(struct leat_export *exporter, const char *what, bool named,
                        struct leat_counters *counters)
{
	struct leat_export_process *process = calloc(1, sizeof(*process));

	if (process == NULL || (process->what = strdup(what)) == NULL || !make_room(exporter)) {
		if (process != NULL)
			free(process->what);
		free(process);
		return false;
	}
	process->named = named;
	process->counters = counters;
	process->info = *leat_counters_info(counters);
	process->found = true;
	leat_export_clean_text(process->name, process->info.name);
	for (unsigned kind = 1; kind < LEAT_COUNTERS_KINDS; kind++)
		leat_export_names_init(&process->names[kind], (enum leat_counters_kind)kind,
		                       exporter->opts.names_most);
	exporter->processes[exporter->count++] = process;
	return true;
}

/* Whether it ended so long ago that it is not exported any more. */
static bool is_past(const struct leat_export *exporter, const struct leat_counters_process *info)
{
	int64_t age_ns;

	if (info->state != LEAT_COUNTERS_GONE && info->state != LEAT_COUNTERS_UNKNOWN)
		return false;
	return __builtin_sub_overflow(read_wall_clock(), info->wall_ns, &age_ns) || age_ns < 0 ||
	       age_ns > exporter->opts.gone_ns;
}

/*
 * Marks a process that is on the list already, by its number and start. But a process that has
 * closed its file may have begun another one.
 */
static bool mark_same(struct leat_export *exporter, const struct leat_counters_process *info)
{
	for (size_t i = 0; i < exporter->count; i++) {
		struct leat_export_process *process = exporter->processes[i];

		if (is_same(&process->info, info) &&
		    (process->gone_since_ns == 0 || info->state == LEAT_COUNTERS_GONE ||
		     info->state == LEAT_COUNTERS_UNKNOWN)) {
			process->found = true;
			return true;
		}
	}
	return false;
}

/* The same by its file, which need not be opened then; a file is read until its process has ended.
 */
static bool mark_open(struct leat_export *exporter, const char *what)
{
	for (size_t i = 0; i < exporter->count; i++)
		if (exporter->processes[i]->gone_since_ns == 0 &&
		    strcmp(exporter->processes[i]->what, what) == 0) {
			exporter->processes[i]->found = true;
			return true;
		}
	return false;
}

static void find_process(struct leat_export *exporter, const char *what, bool named)
{
	struct leat_counters *counters;
	const struct leat_counters_process *info;

	if (mark_open(exporter, what))
		return;
	counters = leat_counters_open(what);
	if (counters == NULL) {
		/* none there: it has not begun, or has ended since it was listed */
		exporter->read_errors += leat_open_error() != -ENOENT;
		return;
	}
	info = leat_counters_info(counters);
	if (mark_same(exporter, info) || (!named && is_past(exporter, info))) {
		leat_counters_close(counters);
		return;
	}
	if (!add_process(exporter, what, named, counters)) {
		exporter->left_out++;
		leat_counters_close(counters);
	}
}

/* A leat_counters_fn. */
static int find_listed(const char *path, void *exporter)
{
	find_process(exporter, path, false);
	return 0;
}

static void find_all(struct leat_export *exporter)
{
	for (size_t i = 0; i < exporter->count; i++)
		exporter->processes[i]->found = false;
	for (size_t i = 0; i < exporter->whats_count; i++)
		find_process(exporter, exporter->whats[i], true);
	if (exporter->whats_count == 0 && leat_counters_each(NULL, find_listed, exporter) < 0)
		exporter->read_errors++;
}

static bool is_whole(const struct leat_counters_process *info)
{
	return info->torn == 0 && !info->truncated && !info->mixed;
}

/* Numbers that never fall: also not where the head of a file was torn. */
static void keep_totals(struct leat_counters_process *now, const struct leat_counters_process *last)
{
#define KEEP(member) \
	if (now->member < last->member) \
	now->member = last->member
	for (int cause = 0; cause < LEAT_CAUSES; cause++)
		KEEP(exits[cause]);
	KEEP(causes_later);
	KEEP(untold);
	KEEP(waits_unfenced);
	KEEP(records_lost);
	KEEP(events_total);
	KEEP(events_lost);
	KEEP(snapshots);
#undef KEEP
}

static void take_reading(struct leat_export_process *process, bool whole)
{
	const struct leat_counters_record *records;
	size_t count = leat_counters_records(process->counters, &records);
	struct leat_counters_process info = *leat_counters_info(process->counters);

	if (process->taken)
		keep_totals(&info, &process->info);
	process->info = info;
	for (unsigned kind = 1; kind < LEAT_COUNTERS_KINDS; kind++)
		leat_export_names_take(&process->names[kind], records, count, whole);
	process->taken = true;
	process->taken_ns = leat_now_ns();
}

/*
 * A reading that is not whole may miss a total that moved from one record to another, or have it
 * twice. It is taken where there is no other: at first, at last, and after a while.
 */
static void judge_reading(struct leat_export_process *process)
{
	const struct leat_counters_process *info = leat_counters_info(process->counters);
	bool whole = is_whole(info);

	if (whole || !process->taken || info->state == LEAT_COUNTERS_GONE ||
	    leat_now_ns() - process->taken_ns > PATIENCE_NS)
		take_reading(process, whole);
	process->info.state = info->state;
	process->info.torn = info->torn;
	process->info.truncated = info->truncated;
	process->info.mixed = info->mixed;
}

/* Its last figures stay. */
static void end_reading(struct leat_export_process *process)
{
	if (process->info.state == LEAT_COUNTERS_GONE) {
		leat_counters_close(process->counters);
		process->counters = NULL;
	}
	if (process->gone_since_ns == 0)
		process->gone_since_ns = leat_now_ns();
}

static void read_process(struct leat_export *exporter, struct leat_export_process *process)
{
	const struct timespec pause = { .tv_nsec = MS };
	int rc = leat_counters_read(process->counters);

	for (int n = 1; n < READINGS && rc == 0; n++) {
		const struct leat_counters_process *info = leat_counters_info(process->counters);

		if (is_whole(info) || info->state != LEAT_COUNTERS_RUNNING)
			break;
		nanosleep(&pause, NULL);
		rc = leat_counters_read(process->counters);
	}
	if (rc < 0) {
		exporter->read_errors++;
		process->info.state = LEAT_COUNTERS_UNKNOWN; /* the file is no such file any more */
	} else {
		judge_reading(process);
	}
	if (process->info.state == LEAT_COUNTERS_GONE ||
	    process->info.state == LEAT_COUNTERS_UNKNOWN)
		end_reading(process);
	else
		process->gone_since_ns = 0;
}

/* A process that has ended stays for a while, and one whose file was named as long as that. */
static bool is_over(const struct leat_export *exporter, const struct leat_export_process *process)
{
	return process->gone_since_ns != 0 && !(process->named && process->found) &&
	       leat_now_ns() - process->gone_since_ns > exporter->opts.gone_ns;
}

/* Whether a is to be exported rather than b. */
static bool is_better(const struct leat_export_process *a, const struct leat_export_process *b)
{
	if ((a->gone_since_ns == 0) != (b->gone_since_ns == 0))
		return a->gone_since_ns == 0;
	return a->info.start_ns > b->info.start_ns;
}

/*
 * Invariant: no two processes have the same labels, which are its number and its name. If not: no
 * client would take the text. Therefore: of two the one that lives is exported, or the later one.
 */
static bool has_a_better(const struct leat_export *exporter, size_t i)
{
	const struct leat_export_process *process = exporter->processes[i];

	for (size_t k = 0; k < exporter->count; k++) {
		const struct leat_export_process *other = exporter->processes[k];

		if (k != i && other->info.pid == process->info.pid &&
		    strcmp(other->name, process->name) == 0 &&
		    (is_better(other, process) || (k < i && !is_better(process, other))))
			return true;
	}
	return false;
}

static void remove_what_is_over(struct leat_export *exporter)
{
	size_t gone = 0;

	for (size_t i = exporter->count; i-- > 0;) {
		if (has_a_better(exporter, i)) {
			exporter->left_out += exporter->processes[i]->gone_since_ns == 0;
			remove_process(exporter, i);
		} else if (is_over(exporter, exporter->processes[i])) {
			remove_process(exporter, i);
		} else {
			gone += exporter->processes[i]->gone_since_ns != 0;
		}
	}
	for (; gone > GONE_MOST; gone--)
		remove_oldest_gone(exporter);
}

void leat_export_collect(struct leat_export *exporter)
{
	int64_t begun_ns = leat_now_ns();

	exporter->left_out = 0;
	exporter->scrapes++;
	find_all(exporter);
	for (size_t i = 0; i < exporter->count; i++)
		if (exporter->processes[i]->counters != NULL)
			read_process(exporter, exporter->processes[i]);
	remove_what_is_over(exporter);
	exporter->scrape_ns = leat_now_ns() - begun_ns;
}
