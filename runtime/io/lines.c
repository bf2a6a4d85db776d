/*
 * The lines of a file, a pipe or standard input.
 *
 * A regular file is read straight on, as its reads do not wait. For everything else the source
 * waits with leat_tx_wait(), which a close of the last receiver and a cancel end too, so a read
 * must not block. A path is opened with O_NONBLOCK for that (then the open of a named pipe does not
 * wait for a writer). Standard input is left as it is, as other processes share it; the source
 * reads it only when poll(2) says that there is something.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/io/common.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct lines_source {
	struct leat_source source;
	struct leat_splitter split;
	int fd;
	bool waits;  /* a read may find nothing yet: not a regular file */
	off_t first; /* the position of standard input at the start; 0 for a path */
	uint64_t passes;
};

static int open_input(struct lines_source *lines)
{
	struct stat stat;

	if (strcmp(lines->source.path, "-") == 0)
		lines->fd = STDIN_FILENO;
	else
		lines->fd = leat_source_open(lines->source.path);
	if (lines->fd < 0)
		return leat_source_fail(&lines->source, lines->fd, NULL);
	if (fstat(lines->fd, &stat) < 0)
		return leat_source_fail(&lines->source, -errno, NULL);
	if (S_ISDIR(stat.st_mode))
		return leat_source_fail(&lines->source, -EISDIR, NULL);
	lines->waits = !S_ISREG(stat.st_mode);
	if (lines->passes == 1)
		return 0;
	lines->first = lseek(lines->fd, 0, SEEK_CUR);
	return lines->first < 0 ? leat_source_fail(&lines->source, -errno, "to repeat it") : 0;
}

/* Reads a piece, or sets *ended. */
static int read_input(struct lines_source *lines, bool *ended)
{
	ssize_t n = -EAGAIN;
	int rc = 0;

	if (!lines->waits)
		n = leat_source_read(&lines->split, lines->fd);
	while (n == -EAGAIN) {
		rc = leat_source_wait(&lines->source, lines->fd, lines->source.until_ns);
		if (rc < 0)
			return rc == -ETIMEDOUT ? LEAT_EMIT_ENOUGH : rc;
		n = leat_source_read(&lines->split, lines->fd);
	}
	*ended = n == 0;
	return n < 0 ? leat_source_fail(&lines->source, (int)n, NULL) : 0;
}

/* Sends the lines from the current position to the end. *empty: there were no bytes. */
static int read_pass(struct lines_source *lines, bool *empty)
{
	bool ended = false;
	int rc;

	*empty = true;
	do {
		rc = leat_source_check(&lines->source);
		if (rc == 0)
			rc = read_input(lines, &ended);
		if (rc == 0)
			rc = leat_source_emit_lines(&lines->source, &lines->split);
		*empty = *empty && ended;
	} while (rc == 0 && !ended);
	return rc != 0 ? rc : leat_source_emit_rest(&lines->source, &lines->split);
}

static int read_passes(struct lines_source *lines)
{
	bool empty;
	int rc = read_pass(lines, &empty);

	/* An input that was empty once is not read again and again. */
	for (uint64_t pass = 1; rc == 0 && pass < lines->passes && !empty; pass++) {
		if (lseek(lines->fd, lines->first, SEEK_SET) < 0)
			return leat_source_fail(&lines->source, -errno, "to repeat it");
		rc = read_pass(lines, &empty);
	}
	return rc;
}

int leat_lines_into(const struct leat_emitter *to, const struct leat_lines_opts *opts)
{
	struct lines_source lines = { .source = { .to = to, .name = "lines" }, .fd = -1 };
	int saved = errno;
	int rc;

	if (opts == NULL)
		return leat_source_refuse(&lines.source, -EINVAL, "no options");
	lines.source.path = opts->path;
	lines.source.until_ns = leat_source_until(opts->until_ns);
	lines.passes = opts->repeat > 1 ? opts->repeat : 1;
	rc = leat_source_check_opts(&lines.source, opts->reserved, 4,
	                            opts->path == NULL ? "no path" : NULL);
	if (rc == 0)
		rc = open_input(&lines);
	if (rc == 0)
		rc = read_passes(&lines);
	leat_splitter_fini(&lines.split);
	if (lines.fd >= 0 && strcmp(opts->path, "-") != 0)
		close(lines.fd);
	errno = saved;
	return leat_source_end(rc);
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
