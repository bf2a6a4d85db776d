/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/io/common.h"
#include "runtime/chan/chan.h"
#include "runtime/gen/await.h"
#include "runtime/gen/gen.h"
#include "runtime/gen/input.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int leat_source_check(const struct leat_source *source)
{
	/* a seq on a thread has that thread's output; a step returns, and its pool knows */
	struct leat_tx *out = source->to != NULL          ? source->to->out
	                      : leat_step_current == NULL ? leat_gen_out
	                                                  : NULL;
	int refusal;

	if (source->to == NULL)
		leat_gen_mark_source();
	refusal = out != NULL ? leat_tx_refusal(out) : 0;
	if (refusal != 0)
		return refusal;
	if (source->until_ns != LEAT_NEVER && leat_now_ns() >= source->until_ns)
		return LEAT_EMIT_ENOUGH;
	return 0;
}

static bool next_line(const struct leat_emitter *to, struct leat_splitter *split,
                      struct leat_line *line)
{
	if (to->find != NULL)
		return leat_splitter_find(split, line, to->find, to->arg);
	return leat_splitter_next(split, line);
}

static bool is_wanted(const struct leat_emitter *to, const struct leat_line *line)
{
	return to->find == NULL || to->find(to->arg, line->data, line->len) != NULL;
}

/* Whether lines are emitted, and not only counted. */
static bool emits_lines(const struct leat_emitter *to)
{
	return to->count == NULL || *to->emits;
}

static int count_lines(const struct leat_emitter *to, struct leat_splitter *split)
{
	const uint64_t lines = leat_splitter_count(split);

	return lines != 0 ? to->count(to->arg, lines) : 0;
}

/* The lines that are not taken are freed. */
static int emit_lines(struct leat_source *source, struct leat_splitter *split)
{
	struct leat_line line;
	int rc = 0;

	while (rc == 0 && emits_lines(source->to) && next_line(source->to, split, &line))
		rc = leat_source_emit(source, &line);
	if (rc != 0)
		leat_line_free(&line);
	return rc == 0 && !emits_lines(source->to) ? count_lines(source->to, split) : rc;
}

static int emit_rest(struct leat_source *source, struct leat_splitter *split)
{
	struct leat_line line;
	int rc;

	if (!leat_splitter_rest(split, &line))
		return 0;
	if (!is_wanted(source->to, &line)) {
		leat_line_free(&line);
		return 0;
	}
	if (!emits_lines(source->to)) {
		leat_line_free(&line);
		return source->to->count(source->to->arg, 1);
	}
	rc = leat_source_emit(source, &line);
	if (rc != 0)
		leat_line_free(&line);
	return rc;
}

static void line_source_fini(struct leat_line_source *lines)
{
	if (lines->fini != NULL)
		lines->fini(lines);
	leat_splitter_fini(&lines->split);
}

int leat_line_source_run(struct leat_line_source *lines, int rc)
{
	int saved = errno;

	while (rc == 0) {
		lines->takes_rest = false;
		rc = lines->advance(lines);
		if (rc == 0)
			rc = emit_lines(&lines->source, &lines->split);
		if (rc == 0 && lines->takes_rest)
			rc = emit_rest(&lines->source, &lines->split);
		if (rc == 0 && lines->source.to->end_piece != NULL)
			rc = lines->source.to->end_piece(lines->source.to->arg,
			                                 lines->takes_rest || !lines->at_once);
		/* What is taken without a line feed is so because its file has ended. */
		if (rc == 0 && lines->takes_rest && lines->source.to->end_file != NULL)
			lines->source.to->end_file(lines->source.to->arg);
	}
	line_source_fini(lines);
	errno = saved;
	return leat_source_end(rc);
}

/* Returns 0 when there may be lines again. */
static int advance_seq(struct leat_line_source *lines)
{
	int saved = errno;
	int rc = lines->advance(lines);

	errno = saved;
	if (rc == 0 || rc == LEAT_AFTER || rc == LEAT_READY)
		return rc;
	lines->ended = true;
	lines->result = leat_source_end(rc);
	return LEAT_EMIT_ENOUGH;
}

static int take_line(struct leat_line_source *lines, struct leat_line *line)
{
	if (leat_splitter_next(&lines->split, line))
		return 1;
	if (!lines->takes_rest)
		return 0;
	lines->takes_rest = false;
	return leat_splitter_rest(&lines->split, line);
}

/* The next of a seq. */
static int next_of_lines(void *state, void *item)
{
	struct leat_line_source *lines = state;
	int rc = 0;

	if (!lines->ended && leat_source_pace(&lines->source) != 0)
		lines->ended = true; /* its time is up; result is 0 */
	while (!lines->ended && rc == 0) {
		if (take_line(lines, item))
			return 1;
		rc = advance_seq(lines);
		if (rc == 0 && lines->split.size > LEAT_BLOCK_BYTES)
			rc = leat_step_pause(); /* a very long line: other jobs, and a cancel, come
			                           first */
	}
	return lines->ended ? lines->result : rc;
}

static void fini_of_lines(void *state)
{
	int saved = errno;

	line_source_fini(state);
	leat_os_free(state);
	errno = saved;
}

struct leat_seq leat_line_source_seq(struct leat_line_source *lines)
{
	return (struct leat_seq){ next_of_lines, fini_of_lines, lines, sizeof(struct leat_line) };
}

void *leat_source_alloc(size_t size, const char *prefix, const char *path, char **copy)
{
	size_t prefix_len = strlen(prefix), path_len = path != NULL ? strlen(path) : 0;
	char *state = leat_os_alloc(size + prefix_len + path_len + 1, 0);

	*copy = NULL;
	if (state == NULL || path == NULL)
		return state;
	*copy = state + size;
	memcpy(*copy, prefix, prefix_len);
	memcpy(*copy + prefix_len, path, path_len + 1);
	return state;
}

int leat_source_make_seq(struct leat_seq *seq, struct leat_seq made, int rc)
{
	if (rc < 0)
		made.fini(made.state);
	else
		*seq = made;
	return rc;
}

int leat_source_open(const char *path)
{
	int saved = errno;
	int fd = TEMP_FAILURE_RETRY(open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));

	if (fd < 0)
		fd = -errno;
	errno = saved;
	return fd;
}

/*
 * The most bytes of a read. With less, calls cost more; with more, the consumer has nothing to do
 * for so long that it goes to sleep. In the midst of a line that is longer than a block the
 * consumer has nothing to do anyway, but the source checks its time and its channel between reads.
 * Nor is there a consumer where the lines are only counted.
 */
#define READ_MAX ((size_t)32 * 1024)
#define COUNTED_READ_MAX LEAT_BLOCK_BYTES
#define LONG_LINE_READ_MAX ((size_t)4 * 1024 * 1024)

static ssize_t read_piece(struct leat_splitter *split, int fd, struct leat_filter *filter,
                          size_t most)
{
	int saved = errno;
	size_t room;
	ssize_t n;
	char *at;
	int rc = leat_splitter_room(split, &at, &room);

	if (rc < 0)
		return rc;
	if (split->size > LEAT_BLOCK_BYTES)
		most = LONG_LINE_READ_MAX;
	room = room < most ? room : most;
	if (filter != NULL) {
		n = filter->read(filter, fd, at, room);
	} else {
		n = TEMP_FAILURE_RETRY(read(fd, at, room));
		n = n < 0 ? -errno : n;
	}
	if (n >= 0)
		leat_splitter_fill(split, (size_t)n);
	errno = saved;
	return n;
}

ssize_t leat_source_read(struct leat_splitter *split, int fd)
{
	return read_piece(split, fd, NULL, READ_MAX);
}

ssize_t leat_source_read_through(struct leat_line_source *lines, int fd, struct leat_filter *filter)
{
	const struct leat_emitter *to = lines->source.to;
	const bool counted = to != NULL && !emits_lines(to);

	return read_piece(&lines->split, fd, filter, counted ? COUNTED_READ_MAX : READ_MAX);
}

/* As leat_tx_wait(); or LEAT_AFTER, LEAT_READY. */
static int wait_in_seq(int fd, int64_t deadline_ns)
{
	int rc;

	leat_gen_mark_source();
	if (fd < 0) {
		rc = leat_after(deadline_ns);
		return rc == 0 ? -ETIMEDOUT : rc;
	}
	rc = leat_ready(fd, POLLIN, deadline_ns);
	return rc == 0 ? 1 : rc;
}

int leat_source_wait(const struct leat_source *source, int fd, int64_t deadline_ns)
{
	int rc;

	if (source->to != NULL)
		rc = leat_tx_wait(source->to->out, fd, fd < 0 ? 0 : POLLIN, deadline_ns);
	else
		rc = wait_in_seq(fd, deadline_ns);
	if (rc == LEAT_AFTER || rc == LEAT_READY || rc == 1 || rc == -ETIMEDOUT || rc == -EPIPE ||
	    rc == -ECANCELED || rc == -ESHUTDOWN)
		return rc;
	return leat_source_fail(source, rc, "waiting");
}

/*
 * Records a failure with the text "NAME: PATH: TAIL", or tells the emitter's fail(), and returns
 * code. A long path is cut at its front, so that the tail, which says what went wrong, is whole.
 */
static int fail_with_text(const struct leat_source *source, int code, const char *tail)
{
	size_t len = source->path != NULL ? strlen(source->path) : 0;
	size_t rest = strlen(source->name) + strlen(": : ") + strlen(tail);
	char text[LEAT_TEXT_MAX + 1];

	if (source->to != NULL && source->to->fail != NULL)
		return source->to->fail(source->to->fail_arg, code, tail);
	if (source->path == NULL)
		snprintf(text, sizeof(text), "%s: %s", source->name, tail);
	else if (len + rest <= LEAT_TEXT_MAX)
		snprintf(text, sizeof(text), "%s: %s: %s", source->name, source->path, tail);
	else
		snprintf(text, sizeof(text), "%s: ...%s: %s", source->name,
		         source->path + len - (LEAT_TEXT_MAX - rest - strlen("...")), tail);
	if (source->to == NULL)
		return leat_input_failed(code, text);
	return leat_tx_fail(source->to->out, code, text);
}

int leat_source_fail(const struct leat_source *source, int code, const char *detail)
{
	/* strerrordesc_np(), as strerror() may share its buffer with other threads */
	const char *reason = strerrordesc_np(-code);
	char tail[LEAT_TEXT_MAX / 2 + 1];

	snprintf(tail, sizeof(tail), "%s%s%s", detail != NULL ? detail : "",
	         detail != NULL ? ": " : "", reason != NULL ? reason : "unknown error");
	return fail_with_text(source, code, tail);
}

int leat_source_refuse(const struct leat_source *source, int code, const char *text)
{
	return fail_with_text(source, code, text);
}

int leat_source_check_opts(const struct leat_source *source, const uint64_t *reserved, size_t n,
                           const char *missing)
{
	if (missing != NULL)
		return fail_with_text(source, -EINVAL, missing);
	return leat_words_unused(reserved, n)
	               ? 0
	               : fail_with_text(source, -EINVAL, "reserved options must be zero");
}

int64_t leat_source_due(int64_t first_ns, uint64_t k, int64_t interval_ns)
{
	int64_t after_ns, due_ns;

	if (k > INT64_MAX || __builtin_mul_overflow((int64_t)k, interval_ns, &after_ns) ||
	    __builtin_add_overflow(first_ns, after_ns, &due_ns))
		return LEAT_NEVER;
	return due_ns;
}

/*
 * The emitter of the public sources: sends into `out` until until_ns. At that time the source keeps
 * its item and ends well.
 */
struct sender {
	struct leat_tx *out;
	int64_t until_ns;
};

/* What an emitter returns for a send that returned rc. */
static int map_timeout(int rc, const struct sender *sender)
{
	return rc == -ETIMEDOUT && sender->until_ns != LEAT_NEVER ? LEAT_EMIT_ENOUGH : rc;
}

static int send_line(void *arg, void *item)
{
	const struct sender *sender = arg;
	const struct leat_line *line = item;

	return map_timeout((leat_send_until)(sender->out, line, sender->until_ns), sender);
}

static int send_number(void *arg, void *item)
{
	const struct sender *sender = arg;
	const uint64_t *number = item;

	return map_timeout((leat_send_until)(sender->out, number, sender->until_ns), sender);
}

static int run_with_sender(struct leat_tx *out, const char *name, int64_t until_ns,
                           size_t item_size, leat_emit_fn *emit, leat_source_fn *fn,
                           const void *opts)
{
	struct sender sender = { .out = out, .until_ns = leat_source_until(until_ns) };
	struct leat_emitter to = { .emit = emit, .arg = &sender, .out = out };
	struct leat_source source = { .to = &to, .name = name };

	if (out == NULL)
		return -EINVAL;
	if (out->chan->item_size != item_size)
		return fail_with_text(&source, -EINVAL,
		                      item_size == sizeof(struct leat_line)
		                              ? "the channel's items must be struct leat_line"
		                              : "the channel's items must be uint64_t");
	leat_tx_source(out, true);
	return fn(&to, opts);
}

int leat_source_send_lines(struct leat_tx *out, const char *name, int64_t until_ns,
                           leat_source_fn *fn, const void *opts)
{
	return run_with_sender(out, name, until_ns, sizeof(struct leat_line), send_line, fn, opts);
}

int leat_source_send_numbers(struct leat_tx *out, const char *name, int64_t until_ns,
                             leat_source_fn *fn, const void *opts)
{
	return run_with_sender(out, name, until_ns, sizeof(uint64_t), send_number, fn, opts);
}
