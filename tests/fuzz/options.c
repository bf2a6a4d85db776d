/*
 * Fuzzes the options of `leat run`: any arguments are a flow with options within their bounds, or a
 * usage error. The arguments stand in the input one behind the other, apart by line feeds.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tests/fuzz/fuzz.h"
#include "tools/leat/leat.h"

#include <getopt.h>

enum { ARGUMENTS = 16 };

static void check_options(const struct run_opts *opts)
{
	const struct leat_run_opts *flow = &opts->flow;

	CHECK((opts->text != NULL) != (opts->file != NULL), "no flow, or two");
	CHECK(flow->for_ns >= 0, "--for");
	CHECK(flow->capacity >= 1 && flow->capacity <= LEAT_CAPACITY_MAX, "--capacity");
	CHECK((unsigned)flow->wait <= LEAT_WAIT_PARK &&
	              (unsigned)flow->overflow <= LEAT_DROP_OLDEST,
	      "--wait, --overflow");
	CHECK(opts->json || opts->json_path == NULL, "--json");
	CHECK(opts->slow_stage == NULL || flow->slow_ns > 0, "--slow");
	CHECK(flow->slow == 0, "a stage that nobody has looked for");
}

/* What is told of a mistake is not looked at; those streams are variables of the C library. */
static void hush(bool on)
{
	static FILE *nowhere, *was_stdout, *was_stderr;

	if (nowhere == NULL) {
		nowhere = fopen("/dev/null", "w");
		CHECK(nowhere != NULL, "/dev/null");
		was_stdout = stdout;
		was_stderr = stderr;
	}
	stdout = on ? nowhere : was_stdout;
	stderr = on ? nowhere : was_stderr;
}

/* In place of tools/leat/words.c: no object is loaded. */
bool words_load(const char *path)
{
	CHECK(path != NULL, "--load without a file");
	return path[0] != '.';
}

/* The stage of --slow is one of the flow's, if that is one. */
static void check_slow(struct run_opts *opts)
{
	struct leat_stages stages;
	struct leat_mistake mistake;
	bool found;

	/* the text may be in a file (-f) */
	if (opts->text == NULL || strpbrk(opts->text, "{+*") != NULL ||
	    leat_stages_parse(opts->text, &stages, &mistake) != 0)
		return;
	hush(true);
	found = run_opts_slow(opts, &stages);
	hush(false);
	CHECK(found || opts->slow_stage != NULL, "no stage was asked for");
	CHECK(opts->flow.slow <= stages.count, "stage %zu", opts->flow.slow);
	CHECK(!found || (opts->flow.slow != 0) == (opts->slow_stage != NULL), "--slow");
	leat_stages_free(&stages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *argv[ARGUMENTS + 2] = { (char[]){ "run" } }, *rest = text,
	     *arg;
	struct run_opts opts;
	int argc = 1, status;

	CHECK(text != NULL, "no memory");
	if (size != 0)
		memcpy(text, data, size);
	text[size] = '\0';
	while (argc <= ARGUMENTS && (arg = strsep(&rest, "\n")) != NULL)
		argv[argc++] = arg;
	optind = 0; /* which begins anew */
	hush(true);
	status = run_opts_read(&opts, argc, argv);
	hush(false);
	CHECK(status == -1 || status == 0 || status == EXIT_USAGE, "%d", status);
	if (status == -1) {
		check_options(&opts);
		check_slow(&opts);
	}
	run_opts_free(&opts);
	free(text);
	return 0;
}
