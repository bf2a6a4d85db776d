/*
 * The lines of a file, a pipe or standard input.
 *
 * A regular file is read straight on, as its reads do not wait. For everything else the source
 * waits with leat_tx_wait(), which a close of the last receiver and a cancel end too, or returns
 * from a step (leat_ready()), so a read must not block. A path is opened with O_NONBLOCK for that
 * (then the open of a named pipe does not wait for a writer). Standard input is left as it is, as
 * other processes share it; the source reads it only when poll(2) says that there is something.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/io/common.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lines_source {
	struct leat_line_source base; /* first: it is the seq's state */
	int fd;                       /* -1: not open yet */
	bool begun;                   /* what fd is was found out */
	bool waits;                   /* a read may find nothing yet: not a regular file */
	bool pass_ended;
	bool empty;      /* this pass has found no byte yet */
	off_t first;     /* the position of standard input at the start; 0 for a path */
	uint64_t passes; /* that are left, with this one */
};

static struct lines_source *lines_source_of(struct leat_line_source *base)
{
	return (struct lines_source *)(void *)base;
}

static struct leat_filter *filter_of(const struct lines_source *lines)
{
	const struct leat_emitter *to = lines->base.source.to;

	return to != NULL ? to->filter : NULL;
}

static int open_input(struct lines_source *lines)
{
	struct leat_source *source = &lines->base.source;
	struct stat stat;

	lines->begun = true;
	if (strcmp(source->path, "-") == 0)
		lines->fd = STDIN_FILENO;
	else if (lines->fd < 0)
		lines->fd = leat_source_open(source->path);
	if (lines->fd < 0)
		return leat_source_fail(source, lines->fd, NULL);
	if (fstat(lines->fd, &stat) < 0)
		return leat_source_fail(source, -errno, NULL);
	if (S_ISDIR(stat.st_mode))
		return leat_source_fail(source, -EISDIR, NULL);
	lines->waits = !S_ISREG(stat.st_mode);
	lines->base.at_once = !lines->waits;
	if (filter_of(lines) != NULL)
		filter_of(lines)->rewind(filter_of(lines));
	if (lines->passes == 1)
		return 0;
	lines->first = lseek(lines->fd, 0, SEEK_CUR);
	return lines->first < 0 ? leat_source_fail(source, -errno, "to repeat it") : 0;
}

/*
 * Reads what can be had without a wait: all of a regular file; of another what the filter still
 * has, as a read of it might wait. -EAGAIN: nothing.
 */
static ssize_t read_at_once(struct lines_source *lines, int *rc)
{
	struct leat_filter *filter = filter_of(lines);
	ssize_t n = -EAGAIN;

	if (lines->waits)
		return filter == NULL ? -EAGAIN
		                      : leat_source_read_through(&lines->base, -1, filter);
	while (n == -EAGAIN && *rc == 0) {
		n = leat_source_read_through(&lines->base, lines->fd, filter);
		if (n == -EAGAIN)
			*rc = leat_source_check(&lines->base.source);
	}
	return n;
}

/* Reads a piece. Returns how many bytes came, 0 at the end; sets *rc where there is no piece. */
static ssize_t read_input(struct lines_source *lines, int *rc)
{
	struct leat_source *source = &lines->base.source;
	struct leat_filter *filter = filter_of(lines);
	ssize_t n;

	*rc = 0;
	n = read_at_once(lines, rc);
	if (*rc != 0)
		return 0;
	while (n == -EAGAIN) {
		*rc = leat_source_wait(source, lines->fd, source->until_ns);
		if (*rc != 1) {
			*rc = *rc == -ETIMEDOUT ? LEAT_EMIT_ENOUGH : *rc;
			return 0;
		}
		n = leat_source_read_through(&lines->base, lines->fd, filter);
	}
	*rc = 0;
	if (n < 0 && filter != NULL && filter->why[0] != '\0')
		*rc = leat_source_refuse(source, (int)n, filter->why);
	else if (n < 0)
		*rc = leat_source_fail(source, (int)n, NULL);
	return n;
}

/* Goes back to the start. An input that was empty once is not read again and again. */
static int begin_next_pass(struct lines_source *lines)
{
	if (--lines->passes == 0 || lines->empty)
		return LEAT_EMIT_ENOUGH;
	if (lseek(lines->fd, lines->first, SEEK_SET) < 0)
		return leat_source_fail(&lines->base.source, -errno, "to repeat it");
	if (filter_of(lines) != NULL)
		filter_of(lines)->rewind(filter_of(lines));
	lines->pass_ended = false;
	lines->empty = true;
	return 0;
}

static int advance_lines(struct leat_line_source *base)
{
	struct lines_source *lines = lines_source_of(base);
	ssize_t n = 0;
	int rc = 0;

	if (!lines->begun)
		rc = open_input(lines);
	else if (lines->pass_ended)
		rc = begin_next_pass(lines);
	if (rc == 0)
		rc = leat_source_check(&base->source);
	if (rc == 0)
		n = read_input(lines, &rc);
	if (rc != 0)
		return rc;
	lines->pass_ended = base->takes_rest = n == 0;
	lines->empty = lines->empty && n == 0;
	return 0;
}

static void lines_fini(struct leat_line_source *base)
{
	struct lines_source *lines = lines_source_of(base);

	if (lines->fd >= 0 && strcmp(base->source.path, "-") != 0)
		close(lines->fd);
}

static int prepare_lines(struct lines_source *lines, const struct leat_emitter *to,
                         const char *path, const struct leat_lines_opts *opts)
{
	*lines = (struct lines_source){
		.base = { .source = { .to = to,
		                      .name = "lines",
		                      .path = path,
		                      .until_ns = leat_source_until(opts->until_ns) },
		          .advance = advance_lines,
		          .fini = lines_fini },
		.fd = -1,
		.empty = true,
		.passes = opts->repeat > 1 ? opts->repeat : 1,
	};
	return leat_source_check_opts(&lines->base.source, opts->reserved, 4,
	                              path == NULL ? "no path" : NULL);
}

int leat_lines_into(const struct leat_emitter *to, const struct leat_lines_opts *opts)
{
	struct leat_source nameless = { .to = to, .name = "lines" };
	struct lines_source lines;

	if (opts == NULL)
		return leat_source_refuse(&nameless, -EINVAL, "no options");
	return leat_line_source_run(&lines.base, prepare_lines(&lines, to, opts->path, opts));
}

int leat_open_file_into(const struct leat_emitter *to, const struct leat_open_file *file)
{
	const struct leat_lines_opts opts = { .until_ns = file->until_ns };
	struct lines_source lines;
	int rc = prepare_lines(&lines, to, file->path, &opts);

	lines.fd = file->fd;
	return leat_line_source_run(&lines.base, rc);
}

static int run_lines_source(const struct leat_emitter *to, const void *opts)
{
	return leat_lines_into(to, opts);
}

int leat_lines(struct leat_tx *out, void *opts)
{
	const struct leat_lines_opts *lines = opts;

	return leat_source_send_lines(out, "lines", lines != NULL ? lines->until_ns : 0,
	                              run_lines_source, opts);
}

int leat_lines_seq(const struct leat_lines_opts *opts, struct leat_seq *seq)
{
	struct lines_source *lines;
	char *path;

	if (!leat_source_seq_wanted(seq, opts))
		return -EINVAL;
	lines = leat_source_alloc(sizeof(*lines), "", opts->path, &path);
	if (lines == NULL)
		return -ENOMEM;
	return leat_source_make_seq(seq, leat_line_source_seq(&lines->base),
	                            prepare_lines(lines, NULL, path, opts));
}
