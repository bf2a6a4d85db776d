/*
 * tools/leat/flow/source.c: the first group of a flow: a source of leat/io.h, and the steps on its
 * thread.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/io/source.h"
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/numbers.h"
#include "tools/leat/flow/unpack.h"
#include "tools/leat/flow/walk_source.h"

#include <fcntl.h>
#include <leat/atomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * After so many items the source checks whether a send can still succeed, as the steps may let none
 * through.
 */
#define CHECK_EVERY 64u
/* Lines that are sent together, at most; and of so many pieces. */
#define UNSENT 512u
#define UNSENT_PIECES 8u

static int refuse_source(const char *name, const char *path, int code, char why[LEAT_RUN_WHY])
{
	snprintf(why, LEAT_RUN_WHY, "%s: %.400s: %s", name, path, strerror(-code));
	return code;
}

/* Does not open the path, as the writer of a pipe would notice that. */
static int check_lines(const char *path, uint64_t repeat, char why[LEAT_RUN_WHY])
{
	struct stat st;
	bool standard = strcmp(path, "-") == 0;
	int rc = standard ? fstat(STDIN_FILENO, &st) : stat(path, &st);

	if (rc == 0 && S_ISDIR(st.st_mode))
		return refuse_source("lines", path, -EISDIR, why);
	if (rc == 0 && !S_ISREG(st.st_mode) && repeat > 1) {
		snprintf(why, LEAT_RUN_WHY,
		         "lines: %.400s: --repeat needs a file; this can be read only once", path);
		return -ESPIPE;
	}
	if (rc == 0 && !standard)
		rc = access(path, R_OK);
	return rc != 0 ? refuse_source("lines", path, -errno, why) : 0;
}

static int check_proc(const char *name, char why[LEAT_RUN_WHY])
{
	char path[4200];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.4096s", name);
	if (strstr(name, "..") != NULL)
		return refuse_source("proc", path, -EINVAL, why);
	if (stat(path, &st) != 0 || access(path, R_OK) != 0)
		return refuse_source("proc", path, -errno, why);
	return S_ISDIR(st.st_mode) ? refuse_source("proc", path, -EISDIR, why) : 0;
}

static int check_paths(struct leat_run *flow, struct leat_input *input, char why[LEAT_RUN_WHY])
{
	const char *none;
	int rc = leat_paths_find(&input->paths, input->stage, &none);

	if (rc == -ENOENT)
		snprintf(why, LEAT_RUN_WHY, "lines: %.400s: no file has such a name", none);
	for (size_t i = 0; rc == 0 && i < input->paths.count; i++) {
		const char *path = input->paths.list[i];

		rc = check_lines(path, flow->opts.repeat, why);
		/* a file of several is opened anew for each pass, and this one cannot be */
		if (rc == 0 && flow->opts.repeat > 1 && input->paths.count > 1 &&
		    strcmp(path, "-") == 0) {
			snprintf(why, LEAT_RUN_WHY,
			         "lines: -: --repeat can read it again only where it is the one "
			         "file");
			rc = -ESPIPE;
		}
	}
	if (rc == 0)
		leat_progress_files(&input->progress, &input->paths, flow->opts.repeat);
	return rc;
}

int leat_run_source_check(struct leat_run *flow, struct leat_input *input, char why[LEAT_RUN_WHY])
{
	const struct leat_stage *stage = input->stage;
	struct stat st;

	switch (stage->type->verb) {
	case LEAT_VERB_LINES:
		return check_paths(flow, input, why);
	case LEAT_VERB_WALK:
		return leat_walk_source_check(stage, why);
	case LEAT_VERB_FOLLOW:
		if (stat(stage->arg.text, &st) != 0)
			return errno == ENOENT
			               ? 0
			               : refuse_source("follow", stage->arg.text, -errno, why);
		if (S_ISDIR(st.st_mode))
			return refuse_source("follow", stage->arg.text, -EISDIR, why);
		return access(stage->arg.text, R_OK) != 0
		               ? refuse_source("follow", stage->arg.text, -errno, why)
		               : 0;
	case LEAT_VERB_PROC:
		return check_proc(stage->arg.text, why);
	default:
		return 0;
	}
}

/* Fails with the name that the first of all steps mentions and no column has. */
static int check_names(struct leat_member *source)
{
	struct leat_run *flow = source->flow;
	struct leat_input *input = source->input;
	char text[LEAT_TEXT_MAX + 1];

	for (size_t i = 0; i < flow->members_count; i++)
		for (size_t k = 0; flow->members[i].row.header == &input->header &&
		                   k < flow->members[i].row.count;
		     k++) {
			const struct leat_row_name *name = &flow->members[i].row.names[k];
			if (name->number != 0 || leat_csv_header_find(&input->header, name->text))
				continue;
			input->unknown = name;
			snprintf(text, sizeof(text), "%s: there is no column \"%.80s\"",
			         input->stage->type->name, name->text.data);
			return leat_tx_fail(source->tx, -EINVAL, text);
		}
	return 0;
}

static int refuse_header(struct leat_member *member, int code, const char *why)
{
	char text[LEAT_TEXT_MAX + 1];

	if (code == -ENOMEM)
		return leat_member_fail(member, "as:csv", code);
	snprintf(text, sizeof(text), "%s: %s", member->input->stage->type->name, why);
	return leat_tx_fail(member->tx, code, text);
}

/*
 * The first line of each file. Lines of the files before may be anywhere in the flow, so the names
 * must stay those of the first one.
 */
static int take_header(struct leat_member *member, struct leat_line *line)
{
	struct leat_input *input = member->input;
	struct leat_text text = { line->data, line->len };
	int rc;

	member->at_header = false;
	if (input->has_header) {
		if (!leat_csv_header_same(&input->header, text))
			return refuse_header(member, -EINVAL,
			                     "the file goes on with another first line: names");
	} else {
		rc = leat_csv_header_init(&input->header, text);
		if (rc != 0)
			return refuse_header(
				member, rc, "the first line, with the names, has a quote too many");
		input->has_header = true;
		rc = check_names(member);
		if (rc != 0)
			return rc;
	}
	leat_line_free(line);
	return 0;
}

static void expect_header(void *arg)
{
	struct leat_member *member = arg;

	member->at_header = leat_stage_as(member->input->stage) == LEAT_AS_CSV;
}

/* What an emitter returns for what a send, or a step, has returned. */
static int tell_source(struct leat_member *member, int rc)
{
	if (rc != LEAT_STOP)
		return rc;
	member->no_more = true;
	return LEAT_EMIT_ENOUGH;
}

static int send_unsent(struct leat_member *member)
{
	const size_t n = member->unsent_count;

	member->unsent_count = 0;
	member->pieces = 0;
	return tell_source(member, leat_member_send_all(member, member->unsent, n));
}

/* Where the next piece is there already, few lines wait for more. */
static int end_piece(void *arg, bool waits)
{
	struct leat_member *member = arg;

	return waits || ++member->pieces == UNSENT_PIECES ? send_unsent(member) : 0;
}

/* Takes the line over. */
static int keep_unsent(struct leat_member *member, struct leat_line *line)
{
	member->unsent[member->unsent_count++] = *line;
	*line = (struct leat_line){ 0 };
	return member->unsent_count == UNSENT ? send_unsent(member) : 0;
}

/*
 * An emitter: if it returns anything but 0, the line is still the source's, changed by the steps.
 */
static int emit_line(void *arg, void *item)
{
	struct leat_member *member = arg;
	struct leat_line *line = item;
	int rc;

	if (member->at_header)
		return take_header(member, line);
	rc = ++member->passed % CHECK_EVERY == 0 ? leat_member_refusal(member) : 0;
	if (rc != 0)
		return rc;
	rc = leat_steps(member, line);
	if (rc == LEAT_PASS && member->unsent != NULL)
		return keep_unsent(member, line);
	if (rc == LEAT_PASS) {
		rc = leat_member_send(member, line);
		if (rc == 0 && !member->enough)
			return 0;
		if (rc == 0) {
			*line = (struct leat_line){ 0 }; /* it was sent */
			rc = LEAT_STOP;
		}
	}
	if (rc == 0)
		leat_line_free(line);
	return tell_source(member, rc);
}

/* A count that is on the source's thread. */
static int add_count(void *arg, uint64_t lines)
{
	struct leat_member *member = arg;

	/* rlx: only this thread writes it, and nothing else depends on it */
	leat_store_rlx(&member->counted, leat_load_rlx(&member->counted) + lines);
	return 0;
}

static const char *find_match(void *arg, const char *text, size_t len)
{
	struct leat_member *member = arg;
	const char *found;

	if (member->at_header)
		return text;
	leat_member_enter(member, 1);
	found = leat_pattern_find(member->steps[1].pattern, len != 0 ? text : "", len);
	leat_member_leave(member);
	return found;
}

/*
 * Where a grep is the first step, the source searches what it has read in one go, and makes lines
 * of the matches alone. Not where each line costs a stage time (--slow), or the others are wanted.
 */
static bool can_search_blocks(const struct leat_member *member)
{
	const struct leat_run *flow = member->flow;
	const struct leat_stage *step;

	const size_t first = (size_t)(member->input->stage - flow->stages.list);

	if (member->steps_count < 2 || flow->opts.slow == first + 1 || flow->opts.slow == first + 2)
		return false;
	step = member->steps[1].stage;
	return step->type->verb == LEAT_VERB_GREP && !member->steps[1].invert;
}

/* One after the other. A single file is not opened anew for each pass. */
static int run_lines(struct leat_member *member, struct leat_emitter *to)
{
	struct leat_unpack *unpack = leat_unpack_create();
	struct leat_run *flow = member->flow;
	struct leat_input *input = member->input;
	uint64_t repeat = flow->opts.repeat > 1 ? flow->opts.repeat : 1;
	bool single = input->paths.count == 1, over = false;
	int rc = 0;

	if (unpack == NULL)
		return leat_member_fail(member, "", -ENOMEM);
	to->filter = leat_unpack_filter(unpack);
	leat_unpack_count(unpack, &input->progress);
	for (uint64_t pass = 0; !over && pass < (single ? 1 : repeat); pass++)
		for (size_t i = 0; !over && i < input->paths.count; i++) {
			rc = leat_lines_into(
				to, &(struct leat_lines_opts){ .path = input->paths.list[i],
			                                       .repeat = single ? repeat : 1,
			                                       .until_ns = flow->until_ns });
			over = rc != 0 || member->no_more ||
			       (flow->until_ns != 0 && leat_now_ns() >= flow->until_ns);
		}
	leat_unpack_destroy(unpack);
	return rc;
}

static int run_count(struct leat_member *member, struct leat_emitter *to)
{
	bool runs;
	int rc = leat_numbers_run(member, &runs);

	if (runs || rc != 0)
		return rc;
	return leat_count_into(to,
	                       &(struct leat_count_opts){ .first = 1,
	                                                  .last = member->input->stage->arg.number,
	                                                  .until_ns = member->flow->until_ns });
}

/*
 * Lines of text are sent by the vector: a thread that waits for them is woken for many. Not where
 * they go on one by one; nor where a full ring drops, which they would fill at once; nor where a
 * word of a program's may fail: what was passed on before is to go its way.
 */
static bool keeps_lines(struct leat_member *member)
{
	const enum leat_verb verb = member->input->stage->type->verb;

	if (verb == LEAT_VERB_TICK || verb == LEAT_VERB_NUMBERS || member->paced ||
	    member->made != NULL || member->flow->opts.overflow != LEAT_BLOCK)
		return false;
	member->unsent = calloc(UNSENT, sizeof(*member->unsent));
	return member->unsent != NULL;
}

/* How the lines of the source are taken: counted, searched, kept for a while, or one by one. */
static void choose_ways(struct leat_member *member, struct leat_emitter *to)
{
	const struct leat_run *flow = member->flow;
	const struct leat_stage *stage = member->input->stage;

	if (leat_member_counts(member)) {
		to->count = add_count;
		to->emits = &member->at_header;
		return;
	}
	if (keeps_lines(member))
		to->end_piece = end_piece;
	/* of the source itself a line wants nothing but the pause of --slow */
	if (flow->opts.slow != (size_t)(stage - flow->stages.list) + 1)
		member->steps_done = 1;
	if (stage->type->verb != LEAT_VERB_TICK && stage->type->verb != LEAT_VERB_NUMBERS &&
	    can_search_blocks(member)) {
		to->find = find_match;
		member->steps_done = 2;
	}
}

static int run_source(struct leat_member *member)
{
	const struct leat_stage *stage = member->input->stage;
	struct leat_emitter to = { .emit = emit_line,
		                   .arg = member,
		                   .end_file = expect_header,
		                   .out = member->tx,
		                   .as_text = true };
	int64_t until_ns = member->flow->until_ns;

	expect_header(member);
	choose_ways(member, &to);
	switch (stage->type->verb) {
	case LEAT_VERB_LINES:
		return run_lines(member, &to);
	case LEAT_VERB_WALK:
		return leat_walk_source_run(member, &to);
	case LEAT_VERB_FOLLOW:
		return leat_follow_into(
			&to, &(struct leat_follow_opts){
				     .path = stage->arg.text,
				     .from_start = leat_stage_key(stage, "from")->number != 0,
				     .until_ns = until_ns });
	case LEAT_VERB_PROC:
		return leat_proc_into(
			&to,
			&(struct leat_proc_opts){ .name = stage->arg.text,
		                                  .interval_ns = leat_stage_key(stage, "every")->ns,
		                                  .until_ns = until_ns });
	case LEAT_VERB_TICK:
		return leat_tick_into(&to, &(struct leat_tick_opts){ .interval_ns = stage->arg.ns,
		                                                     .until_ns = until_ns });
	default:
		return run_count(member, &to);
	}
}

/*
 * The source ends at the time of --for by itself, also where it waits then: so it ends on time. A
 * line that waits for room then is refused, and counts as rejected. Then the source stops the flow,
 * which is how that end is told.
 */
int leat_run_source_run(struct leat_member *member)
{
	struct leat_run *flow = member->flow;
	int rc, sent = 0;

	leat_tx_source(member->tx, true);
	rc = run_source(member);
	if (member->unsent_count > 0) /* it has ended amid a piece */
		sent = send_unsent(member);
	if (rc == 0 && sent < 0)
		rc = sent;
	free(member->unsent);
	member->unsent = NULL;
	if (rc == 0 || rc == -ESHUTDOWN) {
		/* what words hold was accepted before the stop */
		leat_tx_source(member->tx, rc == 0);
		int end = leat_steps_end(member);
		rc = end != 0 ? end : rc;
	}
	if (rc != 0 || member->enough || flow->until_ns == 0 || leat_now_ns() < flow->until_ns)
		return rc;
	leat_run_stop(flow, LEAT_TIME_OVER_TEXT);
	rc = leat_tx_wait(member->tx, -1, 0, 0);
	return rc == -ESHUTDOWN ? rc : 0;
}
