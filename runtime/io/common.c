/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/io/common.h"
#include "runtime/chan/chan.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int leat_source_check(const struct leat_source *source)
{
	int refusal = leat_chan_refusal(source->to->out->chan);

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

int leat_source_emit_lines(struct leat_source *source, struct leat_splitter *split)
{
	struct leat_line line;
	int rc = 0;

	while (rc == 0 && next_line(source->to, split, &line))
		rc = leat_source_emit(source, &line);
	if (rc != 0)
		leat_line_free(&line);
	return rc;
}

int leat_source_emit_rest(struct leat_source *source, struct leat_splitter *split)
{
	struct leat_line line;
	int rc;

	if (!leat_splitter_rest(split, &line))
		return 0;
	if (!is_wanted(source->to, &line)) {
		leat_line_free(&line);
		return 0;
	}
	rc = leat_source_emit(source, &line);
	if (rc != 0)
		leat_line_free(&line);
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
 * The most bytes of a read. In the midst of a very long line there is more room, but the source
 * checks its time and its channel between reads only.
 */
#define READ_MAX ((size_t)4 * 1024 * 1024)

ssize_t leat_source_read(struct leat_splitter *split, int fd)
{
	int saved = errno;
	size_t room;
	ssize_t n;
	char *at;
	int rc = leat_splitter_room(split, &at, &room);

	if (rc < 0)
		return rc;
	n = TEMP_FAILURE_RETRY(read(fd, at, room < READ_MAX ? room : READ_MAX));
	if (n < 0)
		n = -errno;
	else
		leat_splitter_fill(split, (size_t)n);
	errno = saved;
	return n;
}

int leat_source_wait(const struct leat_source *source, int fd, int64_t deadline_ns)
{
	int rc = leat_tx_wait(source->to->out, fd, fd < 0 ? 0 : POLLIN, deadline_ns);

	if (rc == 1 || rc == -ETIMEDOUT || rc == -EPIPE || rc == -ECANCELED)
		return rc;
	return leat_source_fail(source, rc, "waiting");
}

/*
 * Records a failure with the text "NAME: PATH: TAIL", and returns code. A long path is cut at its
 * front, so that the tail, which says what went wrong, is whole.
 */
static int fail_with_text(const struct leat_source *source, int code, const char *tail)
{
	size_t len = source->path != NULL ? strlen(source->path) : 0;
	size_t rest = strlen(source->name) + strlen(": : ") + strlen(tail);
	char text[LEAT_TEXT_MAX + 1];

	if (source->path == NULL)
		snprintf(text, sizeof(text), "%s: %s", source->name, tail);
	else if (len + rest <= LEAT_TEXT_MAX)
		snprintf(text, sizeof(text), "%s: %s: %s", source->name, source->path, tail);
	else
		snprintf(text, sizeof(text), "%s: ...%s: %s", source->name,
		         source->path + len - (LEAT_TEXT_MAX - rest - strlen("...")), tail);
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
