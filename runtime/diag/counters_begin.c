/*
 * LEAT_COUNTERS in the environment: a diagnostics thread that keeps a counters file, from the first
 * object of the process until its exit.
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
static void end_counters(void)
{
	if (getpid() == pid)
		leat_diag_stop(diag);
}

static void refuse_counters(const char *value, const char *why)
{
	fprintf(stderr, "leat: LEAT_COUNTERS=%.100s: %s; no counters are kept\n", value, why);
}

static void begin_counters(const char *value)
{
	struct leat_diag_opts opts = { .interval_ns = INTERVAL_NS, .counters_path = value };
	char why[LEAT_COUNTERS_WHY];

	if (strcmp(value, "1") == 0) {
		opts.counters_path = "";
	} else if (strchr(value, '/') == NULL) {
		refuse_counters(value, "1, 0, or a path with a slash in it is wanted");
		return;
	}
	diag = leat_diag_start_paced(&opts, why);
	if (diag == NULL) {
		refuse_counters(value, why);
		return;
	}
	pid = getpid();
	atexit(end_counters);
}

void leat_counters_begin(void)
{
	leat_registry_begin();
}

void leat_registry_begin(void)
{
	static uint32_t begun;
	uint32_t never = 0;
	const char *value;

	/* rlx: both only choose the thread that begins; no other thread reads what it makes */
	if (leat_load_rlx(&begun) != 0 || !leat_cas_rlx(&begun, &never, 1))
		return;
	value = secure_getenv("LEAT_COUNTERS");
	if (value != NULL && value[0] != '\0' && strcmp(value, "0") != 0) {
		int saved = errno;

		begin_counters(value);
		errno = saved;
	}
}
