/*
 * tools/leat/flow/sink.c: the last group of a flow: one thread that receives until the end, and
 * writes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/numeric.h"
#include "tools/leat/flow/out.h"
#include "tools/leat/flow/tally.h"
#include "tools/leat/flow/word.h"

#include <fcntl.h>
#include <leat/atomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH 64u
/*
 * A cancelled tally of more values is not written: sorting and writing must be over within a tenth
 * of a second.
 */
#define TALLY_PROMPT_MAX 50000u
#define TOP_PROMPT_MAX 1000000u /* values of which only so many are sorted */
/* Of a histogram that goes to no terminal. */
#define COLUMNS 80

struct sink {
	struct leat_member *member;
	enum leat_verb verb;
	uint64_t count; /* of lines; top: how many rows are wanted */
	struct leat_tally tally;
	struct leat_numeric numeric;
	struct leat_out out;
	bool enough; /* a word of a program's wants no further line */
};

static bool is_file(const char *path, const struct stat *out)
{
	struct stat in;
	int rc = strcmp(path, "-") == 0 ? fstat(STDIN_FILENO, &in) : stat(path, &in);

	return rc == 0 && S_ISREG(in.st_mode) && in.st_dev == out->st_dev &&
	       in.st_ino == out->st_ino;
}

/* The file that the flow reads and writes; NULL: there is none. */
static const char *find_source_file(const struct leat_flow *flow, const struct stat *out)
{
	const struct leat_stage *source = &flow->stages.list[0];

	for (size_t i = 0; i < flow->paths.count; i++)
		if (is_file(flow->paths.list[i], out))
			return flow->paths.list[i];
	return source->type->verb == LEAT_VERB_FOLLOW && is_file(source->arg.text, out)
	               ? source->arg.text
	               : NULL;
}

int leat_flow_sink_open(struct leat_flow *flow, char why[LEAT_FLOW_WHY])
{
	const struct leat_stage *stage = &flow->stages.list[flow->stages.count - 1];
	bool append =
		stage->type->verb == LEAT_VERB_FILE && leat_stage_key(stage, "append")->number != 0;
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | (append ? O_APPEND : 0);
	struct stat st;

	flow->out_fd = STDOUT_FILENO;
	flow->out_name = "stdout";
	/* A flow that appends to the file that it reads would never end. */
	if (stage->type->verb == LEAT_VERB_STDOUT && fstat(STDOUT_FILENO, &st) == 0 &&
	    find_source_file(flow, &st) != NULL) {
		snprintf(why, LEAT_FLOW_WHY, "stdout: %.400s: is what the flow reads",
		         find_source_file(flow, &st));
		return -EINVAL;
	}
	if (stage->type->verb != LEAT_VERB_FILE)
		return 0;
	flow->out_name = stage->arg.text;
	flow->out_fd = open(stage->arg.text, flags, 0666);
	if (flow->out_fd < 0)
		goto failed;
	/* Truncated only now, as it might be the file that the flow reads. */
	if (fstat(flow->out_fd, &st) != 0)
		goto failed;
	if (find_source_file(flow, &st) != NULL) {
		snprintf(why, LEAT_FLOW_WHY, "file: %.400s: is what the flow reads",
		         stage->arg.text);
		return -EINVAL;
	}
	if (S_ISREG(st.st_mode) && !append && ftruncate(flow->out_fd, 0) != 0)
		goto failed;
	return 0;
failed:
	snprintf(why, LEAT_FLOW_WHY, "file: %.400s: %s", stage->arg.text, strerror(errno));
	return -errno;
}

/* Records a failure to write. That the reader of the output leaves is none. */
static int check_write(struct sink *sink, int rc)
{
	if (rc == 0 || rc == -EPIPE || rc == -ECANCELED)
		return rc;
	return leat_member_fail(sink->member,
	                        sink->verb == LEAT_VERB_STDOUT ? "" : sink->member->flow->out_name,
	                        rc);
}

static int put_lines(struct sink *sink, const struct leat_line *lines, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = leat_out_put(&sink->out, lines[i].data, lines[i].len);
		if (rc == 0)
			rc = leat_out_put(&sink->out, "\n", 1);
	}
	return check_write(sink, rc);
}

/* Writes a count, and the byte that ends it. */
static int put_count(struct leat_out *out, uint64_t count, char behind)
{
	char text[LEAT_FIGURES + 1], *end = text + LEAT_FIGURES,
				     *begin = leat_put_figures(end, count);

	*end = behind;
	return leat_out_put(out, begin, (size_t)(end + 1 - begin));
}

/* The first so many rows of the tally. */
static int put_tally(struct sink *sink, size_t most)
{
	struct leat_tally_row *rows;
	size_t n;
	int rc = leat_tally_top(&sink->tally, most, &rows, &n);

	for (size_t i = 0; rc == 0 && i < n; i++) {
		rc = put_count(&sink->out, rows[i].count, '\t');
		if (rc == 0)
			rc = leat_out_put(&sink->out, rows[i].entry->value, rows[i].entry->len);
		if (rc == 0)
			rc = leat_out_put(&sink->out, "\n", 1);
	}
	free(rows);
	return rc;
}

static int find_columns(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : COLUMNS;
}

static int put_numeric(struct sink *sink)
{
	char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);
	int rc;

	if (memory == NULL)
		return -ENOMEM;
	rc = leat_numeric_put(&sink->numeric, find_columns(sink->out.fd), memory);
	if (fclose(memory) != 0 && rc == 0)
		rc = -ENOMEM;
	if (rc == 0)
		rc = leat_out_put(&sink->out, text, len);
	free(text);
	leat_numeric_note(&sink->numeric, sink->member->flow->note);
	return rc;
}

/* The rows that a tally or a top writes. */
static size_t count_rows(const struct sink *sink)
{
	return sink->verb == LEAT_VERB_TOP && sink->count < sink->tally.used ? (size_t)sink->count
	                                                                     : sink->tally.used;
}

static int put_result(struct sink *sink, bool canceled)
{
	const struct leat_flow *flow = sink->member->flow;
	bool numeric = leat_numeric_has(sink->verb);

	if (!numeric && sink->verb != LEAT_VERB_COUNT && sink->verb != LEAT_VERB_TALLY &&
	    sink->verb != LEAT_VERB_TOP)
		return 0;
	if (canceled && (count_rows(sink) > TALLY_PROMPT_MAX || sink->tally.used > TOP_PROMPT_MAX))
		return 0;
	if (flow->opts.before_output != NULL)
		flow->opts.before_output(flow->opts.before_output_arg);
	if (numeric)
		return put_numeric(sink);
	return sink->verb == LEAT_VERB_COUNT ? put_count(&sink->out, sink->count, '\n')
	                                     : put_tally(sink, count_rows(sink));
}

/*
 * Writes the result, when everything was received. A cancelled sink writes what it has, as far as
 * the reader takes it at once.
 */
static int write_result(struct sink *sink, bool canceled)
{
	int rc = put_result(sink, canceled);

	if (rc == 0)
		rc = leat_out_flush(&sink->out);
	if (sink->verb == LEAT_VERB_FILE) {
		/* Some file systems report a full disk only here. */
		if (close(sink->out.fd) != 0 && rc == 0)
			rc = -errno;
		sink->member->flow->out_fd = -1;
	}
	return check_write(sink, rc);
}

static int tally_lines(struct sink *sink, const struct leat_line *lines, size_t n)
{
	uint64_t hashes[BATCH];
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		hashes[i] = leat_tally_hash(lines[i].data, lines[i].len);
		leat_tally_prefetch(&sink->tally, hashes[i]);
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = leat_tally_add(&sink->tally, hashes[i], lines[i].data, lines[i].len);
	return rc != 0 ? leat_member_fail(sink->member, "", rc) : 0;
}

static int add_numbers(struct sink *sink, const struct leat_line *lines, size_t n)
{
	int rc = leat_numeric_add(&sink->numeric, lines, n);

	return rc != 0 ? leat_member_fail(sink->member, "", rc) : 0;
}

/* A word of a program's; n 0: no further lines come. */
static int call_word(struct sink *sink, const struct leat_line *lines, size_t n)
{
	struct leat_member *member = sink->member;
	const struct leat_flow_step *step = &member->steps[member->steps_count - 1];
	int rc;

	leat_member_enter(member, member->steps_count - 1);
	rc = leat_word_sink(leat_word_of(step->stage->type), step->word_state, lines, n,
	                    &sink->enough);
	leat_member_leave(member);
	return rc != 0 ? leat_member_fail(member, step->stage->type->name, rc) : 0;
}

static int use_lines(struct sink *sink, const struct leat_line *lines, size_t n)
{
	switch (sink->verb) {
	case LEAT_VERB_STDOUT:
	case LEAT_VERB_FILE:
		return put_lines(sink, lines, n);
	case LEAT_VERB_COUNT:
		sink->count += n;
		return 0;
	case LEAT_VERB_TALLY:
	case LEAT_VERB_TOP:
		return tally_lines(sink, lines, n);
	case LEAT_VERB_NULL:
		return 0;
	case LEAT_VERB_WORD:
		return call_word(sink, lines, n);
	default:
		return add_numbers(sink, lines, n);
	}
}

/* Only --slow asks something of a sink's step, and then lines come one by one. */
static int take_lines(struct sink *sink, struct leat_line *lines, size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = leat_steps(sink->member, &lines[i]) < 0 ? -ECANCELED : 0;
	if (rc == 0)
		rc = use_lines(sink, lines, n);
	leat_lines_free(lines, n);
	return rc;
}

/*
 * Receives until the end (0), or an error. Before it waits it writes what is in the buffer, so that
 * output is not held back.
 */
static int receive_lines(struct sink *sink)
{
	struct leat_member *member = sink->member;
	size_t most = member->paced ? 1 : BATCH;
	struct leat_line lines[BATCH];
	ssize_t n;
	int rc = 0;

	while (rc == 0) {
		n = sink->out.len != 0 ? leat_try_recv_batch(member->rx, lines, most) : -EAGAIN;
		if (n == -EAGAIN) {
			rc = check_write(sink, leat_out_flush(&sink->out));
			if (rc != 0)
				break;
			n = leat_member_recv(member, lines, most);
		}
		if (n == 0)
			return 0;
		if (n < 0) {
			member->canceled = true;
			return (int)n;
		}
		rc = take_lines(sink, lines, (size_t)n);
		if (sink->enough)
			break;
	}
	leat_store_rel(&member->early, 1u); /* F1: pairs with leat_flow_left() */
	return rc;
}

/* A word of a program's has been given all lines, and may write now. */
static int end_word(struct sink *sink)
{
	const struct leat_flow *flow = sink->member->flow;

	if (flow->opts.before_output != NULL)
		flow->opts.before_output(flow->opts.before_output_arg);
	return call_word(sink, NULL, 0);
}

int leat_flow_sink_run(struct leat_member *member)
{
	const struct leat_stage *stage = member->steps[member->steps_count - 1].stage;
	struct sink *sink = calloc(1, sizeof(*sink));
	int rc;

	if (sink == NULL)
		return leat_member_fail(member, "", -ENOMEM);
	sink->member = member;
	sink->verb = stage->type->verb;
	if (sink->verb == LEAT_VERB_TOP)
		sink->count = stage->arg.number;
	leat_out_init(&sink->out, member->flow->out_fd, member->tx);
	rc = leat_numeric_init(&sink->numeric, stage);
	rc = rc != 0 ? leat_member_fail(member, "", rc) : receive_lines(sink);
	if (rc == 0 && sink->verb == LEAT_VERB_WORD)
		rc = end_word(sink);
	if (rc == 0 || rc == -ECANCELED) {
		int end = write_result(sink, rc == -ECANCELED);
		rc = rc != 0 ? rc : end;
	}
	leat_tally_fini(&sink->tally);
	leat_numeric_fini(&sink->numeric);
	free(sink);
	return rc;
}
