/*
 * tools/leat/flow/walk_source.c: the source `walk`. See walk_source.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/walk_source.h"
#include "tools/leat/flow/unpack.h"
#include "tools/leat/flow/walk.h"

#include <fcntl.h>
#include <leat/atomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* How many files the walk that sums up takes for each one that is read. */
#define SCOUT_FILES 64u
#define PATH_SHOWN 4000u
#define FIRST_SHOWN 64u /* of the first failure, in the text of the source's, beside a number */

struct walk_run {
	struct leat_member *member;
	struct leat_emitter *to;
	struct leat_walk *scout; /* NULL where the size is known, or not wanted */
	uint64_t scouted;        /* bytes */
	const char *path;        /* of the file that is read */
	bool failed;             /* it could not be read to its end */
	uint64_t pass;           /* 0: the first one, which alone tells what fails */
	uint64_t failures;
	int first_code; /* of the first of them, and its text */
	char first[FIRST_SHOWN + 1];
};

static int64_t until_of(const struct walk_run *run)
{
	return run->member->flow->until_ns;
}

static bool is_over(const struct walk_run *run)
{
	return run->member->no_more || (until_of(run) != 0 && leat_now_ns() >= until_of(run));
}

/* The stop() of both walks. */
static bool has_ended(void *arg)
{
	const struct walk_run *run = arg;

	return leat_tx_done(run->member->tx) || is_over(run);
}

static int open_walk(struct walk_run *run, struct leat_walk **walk, bool sizes_only)
{
	const struct leat_stage *stage = run->member->input->stage;
	const struct leat_walk_opts opts = { .dir = stage->arg.text,
		                             .pattern = leat_stage_key(stage, "name")->text,
		                             .sizes_only = sizes_only,
		                             .stop = has_ended,
		                             .arg = run };

	return leat_walk_open(walk, &opts);
}

/* The end of a path of which only so many bytes can be shown, and what stands for the rest. */
static const char *shorten_path(const char *path, size_t most, const char **cut)
{
	size_t len = strlen(path);

	*cut = len > most ? "..." : "";
	return len > most ? path + len - (most - strlen("...")) : path;
}

static void tell_failure(struct walk_run *run, const char *path, int code, const char *why)
{
	const struct leat_run_opts *opts = &run->member->flow->opts;
	char text[PATH_SHOWN + LEAT_RUN_WHY];
	const char *cut, *shown;
	size_t taken = strlen(": ") + strlen(why), room = sizeof(run->first) - 1;

	if (run->pass != 0)
		return;
	if (run->failures++ == 0) {
		shown = shorten_path(path, room > taken + 16 ? room - taken : 16, &cut);
		snprintf(run->first, sizeof(run->first), "%s%s: %s", cut, shown, why);
		run->first_code = code;
	}
	if (opts->say == NULL)
		return;
	shown = shorten_path(path, PATH_SHOWN, &cut);
	snprintf(text, sizeof(text), "walk: %s%s: %s", cut, shown, why);
	opts->say(opts->say_arg, text);
}

/* The emitter's fail(). */
static int hear_failure(void *arg, int code, const char *why)
{
	struct walk_run *run = arg;

	run->failed = true;
	tell_failure(run, run->path, code, why);
	return code;
}

static void advance_scout(struct walk_run *run)
{
	struct leat_run *flow = run->member->flow;
	struct leat_walk_file file;
	int rc = 1;

	for (unsigned i = 0; i < SCOUT_FILES && run->scout != NULL && rc != 0; i++) {
		rc = leat_walk_next(run->scout, &file);
		run->scouted += file.size;
		if (rc == -ECANCELED)
			return;
	}
	if (rc != 0 || run->scout == NULL)
		return;
	leat_progress_total(&run->member->input->progress, run->scouted, flow->opts.repeat);
	leat_walk_close(run->scout);
	run->scout = NULL;
}

/* What of a file was not read counts as read, as the total has all of it. */
static void skip_rest(struct walk_run *run, uint64_t size, uint64_t before)
{
	struct leat_progress *progress = &run->member->input->progress;
	/* rlx: only this thread writes it */
	uint64_t read = leat_load_rlx(&progress->done) - before;

	if (read < size)
		leat_progress_add(progress, size - read);
}

static int read_file(struct walk_run *run, const struct leat_walk_file *file)
{
	struct leat_run *flow = run->member->flow;
	/* rlx: only this thread writes it */
	uint64_t before = leat_load_rlx(&run->member->input->progress.done);
	int rc;

	if (leat_output_is(flow, file->dev, file->ino)) {
		close(file->fd);
		tell_failure(run, file->path, -EINVAL, "is what the flow writes");
		skip_rest(run, file->size, before);
		return 0;
	}
	run->path = file->path;
	run->failed = false;
	rc = leat_open_file_into(run->to, &(struct leat_open_file){ .fd = file->fd,
	                                                            .path = file->path,
	                                                            .until_ns = until_of(run) });
	if (!run->failed)
		return rc;
	run->to->end_file(run->to->arg);
	skip_rest(run, file->size, before);
	return 0;
}

/*
 * Returns 1: there may be more; 0: no file is left, the time is over, or a step wants no more; or
 * -errno.
 */
static int read_next(struct walk_run *run, struct leat_walk *walk)
{
	struct leat_walk_file file;
	int rc = leat_walk_next(walk, &file);

	if (rc == 1) {
		rc = read_file(run, &file);
		return rc != 0 ? rc : 1;
	}
	if (rc == -ECANCELED)
		return leat_member_refusal(run->member);
	if (rc < 0) {
		tell_failure(run, file.path, rc, strerrordesc_np(-rc));
		leat_progress_add(&run->member->input->progress, file.size);
	}
	return rc != 0;
}

/* Returns 0 also where the time is over, or a step wants no more. */
static int walk_once(struct walk_run *run)
{
	struct leat_walk *walk;
	int rc = open_walk(run, &walk, false);

	if (rc == -ECANCELED)
		return leat_member_refusal(run->member);
	if (rc != 0)
		return leat_member_fail(run->member, "walk", rc);
	do {
		advance_scout(run);
		rc = read_next(run, walk);
	} while (rc > 0 && !is_over(run));
	leat_walk_close(walk);
	return rc < 0 ? rc : 0;
}

/* All passes; those behind one that has found no byte would find none, either. */
static int walk_passes(struct walk_run *run)
{
	const struct leat_run *flow = run->member->flow;
	uint64_t repeat = flow->opts.repeat > 1 ? flow->opts.repeat : 1, before;
	int rc;

	do {
		before = leat_load_rlx(
			&run->member->input->progress.done); /* rlx: only this thread writes it */
		rc = walk_once(run);
	} while (rc == 0 && ++run->pass < repeat && !is_over(run) &&
	         leat_load_rlx(&run->member->input->progress.done) != before); /* rlx: the same */
	return rc;
}

/* What the source returns if its own work ended with rc. */
static int settle(const struct walk_run *run, int rc)
{
	char text[LEAT_TEXT_MAX + 1];

	if (run->failures == 0 || (rc != 0 && rc != -ESHUTDOWN && rc != -EPIPE))
		return rc;
	snprintf(text, sizeof(text), "walk: could not read %llu path%s; the first: %s",
	         (unsigned long long)run->failures, run->failures == 1 ? "" : "s", run->first);
	return leat_tx_fail(run->member->tx, run->first_code, text);
}

int leat_walk_source_run(struct leat_member *member, struct leat_emitter *to)
{
	struct leat_run *flow = member->flow;
	struct walk_run run = { .member = member, .to = to };
	struct leat_unpack *unpack = leat_unpack_create();
	int rc;

	if (unpack == NULL)
		return leat_member_fail(member, "", -ENOMEM);
	leat_unpack_count(unpack, &member->input->progress);
	to->filter = leat_unpack_filter(unpack);
	to->fail = hear_failure;
	to->fail_arg = &run;
	/* without it no share is shown, which is no reason to end */
	if (flow->opts.progress && open_walk(&run, &run.scout, true) != 0)
		run.scout = NULL;
	rc = walk_passes(&run);
	leat_walk_close(run.scout);
	leat_unpack_destroy(unpack);
	return settle(&run, rc);
}

int leat_walk_source_check(const struct leat_stage *stage, char why[LEAT_RUN_WHY])
{
	int fd = open(stage->arg.text, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	int rc = fd < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	else
		snprintf(why, LEAT_RUN_WHY, "walk: %.400s: %s", stage->arg.text, strerror(-rc));
	return rc;
}
