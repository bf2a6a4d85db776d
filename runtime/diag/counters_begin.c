/*
 * LEAT_COUNTERS and LEAT_ENDS in the environment: a diagnostics thread that keeps a counters file,
 * and writes a line about each end, from the first object of the process until its exit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/diag/counters_file.h"
#include "runtime/diag/diag.h"
#include "runtime/registry/registry.h"

#include <leat/atomic.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INTERVAL_NS INT64_C(100000000)

static struct leat_diag *diag; /* written before the handler of exit(3) is installed */
static pid_t pid;

/* A child that was forked has no diagnostics thread, and the file is its parent's. */
static void end_diag(void)
{
	if (getpid() == pid)
		leat_diag_stop(diag);
}

static void refuse_counters(const char *value, const char *why)
{
	fprintf(stderr, "leat: LEAT_COUNTERS=%.100s: %s; no counters are kept\n", value, why);
}

/* The value of a variable that asks for something, or NULL. */
static const char *read_wish(const char *variable)
{
	const char *value = secure_getenv(variable);

	return value != NULL && value[0] != '\0' && strcmp(value, "0") != 0 ? value : NULL;
}

/* Returns the path for leat_diag_opts, or NULL, after it has said why there is none. */
static const char *path_of_counters(const char *value)
{
	if (value == NULL || strcmp(value, "1") == 0)
		return value == NULL ? NULL : "";
	if (strchr(value, '/') != NULL)
		return value;
	refuse_counters(value, "1, 0, or a path with a slash in it is wanted");
	return NULL;
}

/* For LEAT_ENDS=bad. */
static void print_bad_end(const struct leat_gen_stat *gen, void *file)
{
	if (gen->cause != LEAT_COMPLETED && gen->cause != LEAT_STOPPED)
		leat_diag_print_end(gen, file);
}

static leat_diag_end_fn *teller_of_ends(const char *value)
{
	if (value == NULL)
		return NULL;
	if (strcmp(value, "1") == 0)
		return leat_diag_print_end;
	if (strcmp(value, "bad") == 0)
		return print_bad_end;
	fprintf(stderr, "leat: LEAT_ENDS=%.100s: 1, bad or 0 is wanted; no ends are told\n", value);
	return NULL;
}

static void begin_diag(const char *counters, const char *ends)
{
	struct leat_diag_opts opts = { .interval_ns = INTERVAL_NS };
	char why[LEAT_COUNTERS_WHY];

	opts.counters_path = path_of_counters(counters);
	opts.ended = teller_of_ends(ends);
	if (opts.counters_path != NULL) {
		diag = leat_diag_start_paced(&opts, why);
		if (diag == NULL)
			refuse_counters(counters, why);
		opts.counters_path = NULL; /* ends are told without it */
	}
	if (diag == NULL && opts.ended != NULL) {
		diag = leat_diag_start_paced(&opts, why);
		if (diag == NULL)
			fprintf(stderr, "leat: LEAT_ENDS=%.100s: %s; no ends are told\n", ends,
			        why);
	}
	if (diag == NULL)
		return;
	pid = getpid();
	atexit(end_diag);
}

void leat_counters_begin(void)
{
	leat_registry_begin();
}

void leat_registry_begin(void)
{
	static uint32_t begun;
	uint32_t never = 0;
	const char *counters, *ends;

	/* rlx: both only choose the thread that begins; no other thread reads what it makes */
	if (leat_load_rlx(&begun) != 0 || !leat_cas_rlx(&begun, &never, 1))
		return;
	counters = read_wish("LEAT_COUNTERS");
	ends = read_wish("LEAT_ENDS");
	if (counters != NULL || ends != NULL) {
		int saved = errno;

		begin_diag(counters, ends);
		errno = saved;
	}
}
