/*
 * tools/leat/flow/sink.c: the last group of a flow: one thread that receives until the end, and
 * writes.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/file.h"
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/group.h"
#include "tools/leat/flow/numeric.h"
#include "tools/leat/flow/out.h"
#include "tools/leat/flow/result.h"
#include "tools/leat/flow/tally.h"
#include "tools/leat/flow/word.h"

#include <leat/atomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BATCH LEAT_GROUP_BATCH
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
	enum leat_result_form form;
	uint64_t count; /* of lines; top: how many rows are wanted */
	struct leat_tally tally;
	struct leat_numeric numeric;
	struct leat_group *group; /* the step's */
	struct leat_out out;
	struct leat_file file;
	struct leat_line lines[BATCH]; /* received */
	bool enough;                   /* a word of a program's wants no further line */
	/* a result for so many lines, or so much time (0: one in all): the lines, or the time, up
	 * to the next one */
	uint64_t span_lines, lines_left;
	int64_t span_ns, due_ns;
	uint64_t results; /* that were written */
	bool any;         /* a line has come since */
};

/* Whether it writes when it has all lines: such results have an order. */
static bool has_result(enum leat_verb verb)
{
	return verb != LEAT_VERB_STDOUT && verb != LEAT_VERB_FILE && verb != LEAT_VERB_NULL;
}

/* Its turn comes when the last result before it is written. */
static int order_result(struct leat_run *flow, struct leat_final *final)
{
	const struct leat_chan_opts opts = { .name = "turn", .capacity = 1 };
	struct leat_final *before = NULL;

	for (struct leat_final *other = flow->finals; other < final; other++)
		if (has_result(other->stage->type->verb))
			before = other;
	if (before == NULL || !has_result(final->stage->type->verb))
		return 0;
	return leat_chan_open(flow->sinks, 1, &opts, &before->done, &final->turn);
}

int leat_run_sink_open(struct leat_run *flow, struct leat_final *final, char why[LEAT_RUN_WHY])
{
	const struct leat_stage *stage = final->stage;

	final->out_fd = STDOUT_FILENO;
	final->out_name = "stdout";
	if (stage->type->verb == LEAT_VERB_STDOUT)
		final->out_fd = leat_output_stdout(flow, stage, why);
	if (stage->type->verb == LEAT_VERB_FILE) {
		final->out_name = stage->arg.text;
		final->out_fd = leat_output_open(flow, stage, false, why);
	}
	if (final->out_fd >= 0 && leat_stage_key(stage, "reopen")->number != 0) {
		final->reopen_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (final->reopen_fd < 0)
			return -errno;
	}
	return final->out_fd < 0 ? final->out_fd : order_result(flow, final);
}

void leat_run_sink_close(struct leat_final *final)
{
	leat_tx_close(final->done);
	leat_rx_close(final->turn);
	final->done = NULL;
	final->turn = NULL;
	if (final->out_fd > STDERR_FILENO)
		close(final->out_fd);
	if (final->reopen_fd >= 0)
		close(final->reopen_fd);
	final->out_fd = final->reopen_fd = -1;
}

/* Records a failure to write. That the reader of the output leaves is none. */
static int check_write(struct sink *sink, int rc)
{
	if (rc == 0 || rc == -EPIPE || rc == -ECANCELED)
		return rc;
	return leat_member_fail(sink->member,
	                        sink->verb == LEAT_VERB_STDOUT ? "" : sink->member->final->out_name,
	                        rc);
}

/* What several sinks write to standard output is written by lines, and by results. */
static void begin_writing(struct sink *sink)
{
	if (sink->out.fd == STDOUT_FILENO)
		pthread_mutex_lock(&sink->member->flow->writing);
}

static void end_writing(struct sink *sink)
{
	if (sink->out.fd == STDOUT_FILENO)
		pthread_mutex_unlock(&sink->member->flow->writing);
}

static int flush_lines(struct sink *sink)
{
	int rc;

	if (sink->out.len == 0)
		return 0;
	begin_writing(sink);
	rc = leat_out_flush(&sink->out);
	end_writing(sink);
	return check_write(sink, rc);
}

static int put_lines(struct sink *sink, const struct leat_line *lines, size_t n)
{
	int rc = 0;

	begin_writing(sink);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = leat_out_put_line(&sink->out, lines[i].data, lines[i].len);
	end_writing(sink);
	return check_write(sink, rc);
}

static int write_out(void *arg, const void *data, size_t len)
{
	return leat_out_put(arg, data, len);
}

static int put_count(struct leat_result *result, uint64_t count)
{
	static const char *const names[] = { "count" };

	leat_result_header(result, names, 1);
	return leat_result_count(result, count);
}

/* The first so many rows of the tally. */
static int put_tally(struct sink *sink, struct leat_result *result, size_t most)
{
	static const char *const names[] = { "count", "line" };
	struct leat_tally_row *rows;
	size_t n;
	int rc = leat_tally_top(&sink->tally, most, NULL, NULL, &rows, &n);

	if (rc == 0)
		rc = leat_result_header(result, names, 2);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		leat_tally_read_ahead(rows, i, n);
		leat_result_count(result, rows[i].weight);
		rc = leat_result_text(result, leat_tally_value(&sink->tally, rows[i].entry),
		                      rows[i].entry->len);
	}
	free(rows);
	return rc;
}

static int find_columns(int fd)
{
	struct winsize size;

	return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : COLUMNS;
}

static int put_numeric_text(struct sink *sink)
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
	return rc;
}

static int put_numeric(struct sink *sink, struct leat_result *result)
{
	int rc = sink->form == LEAT_RESULT_TEXT ? put_numeric_text(sink)
	                                        : leat_numeric_put_rows(&sink->numeric, result);

	leat_numeric_note(&sink->numeric, sink->member->final->note);
	return rc;
}

static int put_group(struct sink *sink, struct leat_result *result)
{
	int rc = leat_group_put(sink->group, result);

	leat_group_note(sink->group, sink->member->final->note, LEAT_NOTE);
	return rc;
}

/* The rows that a tally or a top writes. */
static size_t count_rows(const struct sink *sink)
{
	return sink->verb == LEAT_VERB_TOP && sink->count < sink->tally.used ? (size_t)sink->count
	                                                                     : sink->tally.used;
}

/* Whether the result of a sink that was cancelled can be written in time. */
static bool is_prompt(const struct sink *sink)
{
	if (sink->group != NULL)
		return leat_group_is_quick(sink->group);
	return count_rows(sink) <= TALLY_PROMPT_MAX && sink->tally.used <= TOP_PROMPT_MAX;
}

/* Whether the sink writes results one behind the other. */
static bool has_spans(const struct sink *sink)
{
	return sink->span_lines != 0 || sink->span_ns != 0;
}

/*
 * As text, each of several results that may have any number of rows ends
 * in an empty line.
 */
static int end_rows(struct sink *sink)
{
	switch (sink->verb) {
	case LEAT_VERB_TALLY:
	case LEAT_VERB_TOP:
	case LEAT_VERB_GROUP:
	case LEAT_VERB_QUANTILES:
	case LEAT_VERB_HISTOGRAM:
		return sink->form == LEAT_RESULT_TEXT ? leat_out_put(&sink->out, "\n", 1) : 0;
	default:
		return 0;
	}
}

static int put_rows(struct sink *sink)
{
	struct leat_result result;
	int rc;

	leat_result_init(&result, sink->form, write_out, &sink->out);
	if (has_spans(sink))
		leat_result_which(&result, ++sink->results);
	if (leat_numeric_has(sink->verb))
		rc = put_numeric(sink, &result);
	else if (sink->group != NULL)
		rc = put_group(sink, &result);
	else if (sink->verb == LEAT_VERB_COUNT)
		rc = put_count(&result, sink->count);
	else
		rc = put_tally(sink, &result, count_rows(sink));
	return rc == 0 && has_spans(sink) ? end_rows(sink) : rc;
}

static int put_result(struct sink *sink, bool canceled)
{
	const struct leat_run *flow = sink->member->flow;

	if (!leat_numeric_has(sink->verb) && sink->verb != LEAT_VERB_COUNT &&
	    sink->verb != LEAT_VERB_TALLY && sink->verb != LEAT_VERB_TOP &&
	    sink->verb != LEAT_VERB_GROUP)
		return 0;
	if (canceled && !is_prompt(sink))
		return 0;
	if (sink->results != 0 && !sink->any)
		return 0;
	if (flow->opts.before_output != NULL)
		flow->opts.before_output(flow->opts.before_output_arg);
	return put_rows(sink);
}

/* Until the result before this one is written, or the flow is cancelled. */
static void await_turn(struct sink *sink)
{
	char nothing;

	if (sink->member->final->turn != NULL)
		leat_recv(sink->member->final->turn, &nothing);
}

/*
 * Writes the result, when everything was received. A cancelled sink writes what it has, as far as
 * the reader takes it at once.
 */
static int write_result(struct sink *sink, bool canceled)
{
	int rc;

	await_turn(sink);
	begin_writing(sink);
	rc = put_result(sink, canceled);
	if (rc == 0)
		rc = leat_out_flush(&sink->out);
	end_writing(sink);
	if (sink->verb == LEAT_VERB_FILE) {
		int end = leat_file_end(&sink->file);
		rc = rc != 0 ? rc : end;
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

static int group_lines(struct sink *sink, const struct leat_line *lines, size_t n)
{
	int rc = leat_group_add(sink->group, lines, n);

	return rc != 0 ? leat_member_fail(sink->member, "", rc) : 0;
}

/* A word of a program's; n 0: no further lines come. */
static int call_word(struct sink *sink, const struct leat_line *lines, size_t n)
{
	struct leat_member *member = sink->member;
	const struct leat_run_step *step = &member->steps[member->steps_count - 1];
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
	case LEAT_VERB_GROUP:
		return group_lines(sink, lines, n);
	case LEAT_VERB_NULL:
		return 0;
	case LEAT_VERB_WORD:
		return call_word(sink, lines, n);
	default:
		return add_numbers(sink, lines, n);
	}
}

/* --- results one behind the other --- */

static void begin_spans(struct sink *sink, const struct leat_value *every)
{
	sink->span_lines = sink->lines_left = every->number;
	sink->span_ns = every->ns;
	if (every->ns != 0)
		sink->due_ns = sink->member->flow->started_ns + every->ns;
}

/* Forgets what has come: it is in a result that is written. */
static void restart(struct sink *sink)
{
	sink->any = false;
	if (sink->verb == LEAT_VERB_COUNT)
		sink->count = 0;
	if (sink->group != NULL)
		leat_group_restart(sink->group);
	else if (leat_numeric_has(sink->verb))
		leat_numeric_restart(&sink->numeric);
	leat_tally_fini(&sink->tally);
}

/* Writes the result of a span, and begins the next one. */
static int end_span(struct sink *sink)
{
	int rc;

	begin_writing(sink);
	rc = put_rows(sink);
	if (rc == 0)
		rc = leat_out_flush(&sink->out);
	end_writing(sink);
	restart(sink);
	sink->lines_left = sink->span_lines;
	if (sink->span_ns != 0)
		sink->due_ns +=
			sink->span_ns * (1 + (leat_now_ns() - sink->due_ns) / sink->span_ns);
	return check_write(sink, rc);
}

static bool is_span_over(const struct sink *sink)
{
	return (sink->span_lines != 0 && sink->lines_left == 0) ||
	       (sink->span_ns != 0 && leat_now_ns() >= sink->due_ns);
}

/* As leat_recv_batch(); -ETIMEDOUT where the time of a span is over. */
static ssize_t receive_in_span(struct sink *sink, size_t most)
{
	struct leat_rx *rx = sink->member->rx;
	ssize_t more;
	int rc;

	if (sink->span_ns == 0)
		return leat_recv_batch(rx, sink->lines, most);
	rc = leat_recv_until(rx, sink->lines, sink->due_ns);
	if (rc != 1 || most == 1)
		return rc;
	more = leat_try_recv_batch(rx, sink->lines + 1, most - 1);
	return more > 0 ? 1 + more : 1;
}

/* The same without a copy: those of a tee are read in their ring. *lines: where they are. */
static ssize_t receive_some(struct sink *sink, size_t most, bool waits,
                            const struct leat_line **lines)
{
	struct leat_rx *rx = sink->member->rx;
	const void *items = NULL;
	ssize_t n;

	*lines = sink->lines;
	if (!sink->member->lent)
		return waits ? receive_in_span(sink, most)
		             : leat_try_recv_batch(rx, sink->lines, most);
	if (!waits)
		n = leat_try_peek(rx, most, &items);
	else if (sink->span_ns == 0)
		n = leat_peek(rx, most, &items);
	else
		n = leat_peek_until(rx, most, &items, sink->due_ns);
	*lines = items;
	return n;
}

/* Only --slow asks something of a sink's step, and then lines come one by one. */
static int take_lines(struct sink *sink, const struct leat_line *lines, size_t n)
{
	struct leat_line line;
	int rc = 0;

	for (size_t i = 0; sink->member->paced && rc == 0 && i < n; i++) {
		line = lines[i]; /* which no sink changes */
		rc = leat_steps(sink->member, &line) < 0 ? -ECANCELED : 0;
	}
	if (rc == 0)
		rc = use_lines(sink, lines, n);
	if (sink->member->lent)
		leat_release(sink->member->rx, n);
	else
		leat_lines_free(sink->lines, n);
	sink->any = true;
	sink->lines_left -= sink->span_lines != 0 ? n : 0;
	return rc == 0 && has_spans(sink) && is_span_over(sink) ? end_span(sink) : rc;
}

/*
 * Receives until the end (0), or an error. Before it waits it writes what is in the buffer, so that
 * output is not held back.
 */
static int receive_lines(struct sink *sink)
{
	struct leat_member *member = sink->member;
	const size_t all = member->paced ? 1 : BATCH;
	const struct leat_line *lines;
	size_t most;
	ssize_t n;
	int rc = 0;

	while (rc == 0) {
		most = sink->span_lines != 0 && sink->lines_left < all ? (size_t)sink->lines_left
		                                                       : all;
		n = sink->out.len != 0 ? receive_some(sink, most, false, &lines) : -EAGAIN;
		if (n == -EAGAIN) {
			rc = flush_lines(sink);
			if (rc == 0 && sink->file.active)
				rc = check_write(sink, leat_file_wait(&sink->file));
			if (rc != 0)
				break;
			n = receive_some(sink, most, true, &lines);
		}
		if (n == 0)
			return 0;
		if (n < 0 && n != -ETIMEDOUT)
			return (int)n;
		if (n < 0) {
			rc = end_span(sink);
			continue;
		}
		rc = take_lines(sink, lines, (size_t)n);
		if (rc == 0 && sink->file.active)
			rc = check_write(sink, leat_file_check(&sink->file));
		if (sink->enough)
			break;
	}
	return rc;
}

/*
 * Runs the source whose lines the sink counts. What goes wrong behind that is the sink's: it is
 * recorded apart, as the source may have failed, too.
 */
static int count_source(struct sink *sink)
{
	struct leat_member *member = sink->member;
	int rc = leat_run_source_run(member);

	leat_tx_source(member->tx, false);
	member->tx = NULL;
	sink->count = leat_member_counted(member);
	return rc;
}

/* A word of a program's has been given all lines, and may write now. */
static int end_word(struct sink *sink)
{
	const struct leat_run *flow = sink->member->flow;
	int rc;

	await_turn(sink);
	begin_writing(sink);
	if (flow->opts.before_output != NULL)
		flow->opts.before_output(flow->opts.before_output_arg);
	rc = call_word(sink, NULL, 0);
	end_writing(sink);
	return rc;
}

/* Returns 0, or what was recorded. */
static int init_sink(struct sink *sink, struct leat_member *member)
{
	struct leat_run_step *step = &member->steps[member->steps_count - 1];
	const struct leat_stage *stage = step->stage;
	int rc;

	sink->member = member;
	sink->verb = stage->type->verb;
	sink->form = (enum leat_result_form)leat_stage_key(stage, "as")->number;
	sink->group = step->group;
	if (sink->verb == LEAT_VERB_TOP)
		sink->count = stage->arg.number;
	begin_spans(sink, leat_stage_key(stage, "every"));
	leat_out_init(&sink->out, member->final->out_fd, member->flow->scope);
	leat_file_init(&sink->file, member, &sink->out);
	rc = leat_numeric_init(&sink->numeric, stage);
	return rc != 0 ? leat_member_fail(member, "", rc) : 0;
}

int leat_run_sink_run(struct leat_member *member)
{
	const bool counts = leat_member_counts(member);
	struct sink *sink = calloc(1, sizeof(*sink));
	int rc;

	if (sink == NULL)
		return leat_member_fail(member, "", -ENOMEM);
	rc = init_sink(sink, member);
	if (rc == 0)
		rc = counts ? count_source(sink) : receive_lines(sink);
	/* what is before it is not to wait for a sink that waits for its turn to write */
	leat_rx_close(member->rx);
	member->rx = NULL;
	if (rc == 0 && sink->verb == LEAT_VERB_WORD)
		rc = end_word(sink);
	/* what a source has counted is written, too, where it has failed or was stopped */
	if (rc == 0 || rc == -ECANCELED || counts) {
		int end = write_result(sink, rc == -ECANCELED);
		rc = rc != 0 ? rc : end;
	}
	leat_file_fini(&sink->file);
	leat_tally_fini(&sink->tally);
	leat_numeric_fini(&sink->numeric);
	free(sink);
	leat_tx_close(member->final->done);
	member->final->done = NULL;
	return rc;
}
