/* Lines of a file, a pipe or standard input; and of /proc, again and again. */
/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/chan/wait.h"
#include "runtime/io/split.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int emit_rest(struct leat_split *split, const struct leat_emitter *to)
{
	struct leat_line line;
	int rc;

	if (!leat_split_rest(split, &line))
		return 0;
	rc = to->emit(to->arg, &line);
	if (rc == 0)
		leat_split_handed(split);
	return rc;
}

/* To the end of what fd gives. 0 at the end; what the emitter or leat_tx_wait() answered; a failure of the read in *error. */
static int emit_all(int fd, bool may_wait, struct leat_split *split, const struct leat_emitter *to, int64_t until_ns,
		    int *error)
{
	for (;;) {
		ssize_t n;
		int rc = 1;

		if (may_wait)
			rc = leat_tx_wait(to->out, fd, POLLIN, leat_source_deadline(until_ns));
		else if (leat_source_over(until_ns))
			rc = -ETIMEDOUT;
		if (rc < 0)
			return rc;
		n = leat_split_read(split, fd);
		if (n == -EAGAIN)
			continue; /* a descriptor that somebody set to answer at once; there was nothing after all */
		if (n < 0)
			*error = (int)n;
		if (n < 0)
			return (int)n;
		rc = n == 0 ? emit_rest(split, to) : leat_split_emit(split, to, until_ns);
		if (rc != 0 || n == 0)
			return rc;
	}
}

static int open_lines(const char *path, struct stat *st)
{
	int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int rc;

	if (fd < 0)
		return -errno;
	rc = fstat(fd, st) < 0 ? -errno : S_ISDIR(st->st_mode) ? -EISDIR : 0;
	if (rc < 0 && fd != STDIN_FILENO)
		close(fd);
	return rc < 0 ? rc : fd;
}

/*
 * A FIFO that was opened without waiting for a writer looks ended until one comes; ends once a writer was there.
 */
static int wait_for_writer(int fd, const struct stat *st, const struct leat_emitter *to, int64_t until_ns)
{
	if (!S_ISFIFO(st->st_mode) || fd == STDIN_FILENO)
		return 0;
	return leat_tx_wait(to->out, fd, POLLIN, leat_source_deadline(until_ns));
}

int leat_lines_into(const struct leat_emitter *to, const struct leat_lines_opts *opts)
{
	struct leat_split split = { 0 };
	struct stat st;
	bool regular;
	int fd, rc, error = 0;

	if (opts == NULL || opts->path == NULL || !leat_source_reserved(opts->reserved, 4))
		return leat_tx_fail(to->out, -EINVAL, "lines: the options need a path, and reserved must be zero");
	fd = open_lines(opts->path, &st);
	if (fd < 0)
		return leat_source_fail(to, fd, "lines", opts->path);
	regular = S_ISREG(st.st_mode);
	rc = wait_for_writer(fd, &st, to, opts->until_ns);
	rc = rc > 0 ? 0 : rc;
	for (uint64_t i = 0; rc == 0 && i < (opts->repeat == 0 ? 1 : opts->repeat); i++) {
		if (i > 0 && lseek(fd, 0, SEEK_SET) < 0)
			rc = error = -errno;
		else
			rc = emit_all(fd, !regular, &split, to, opts->until_ns, &error);
	}
	leat_split_fini(&split);
	if (fd != STDIN_FILENO)
		close(fd);
	return error != 0 ? leat_source_fail(to, error, "lines", opts->path) : leat_source_end(rc);
}

/* Whether the name stays below /proc. */
static bool well_named(const char *name)
{
	const char *p = name;

	if (*name == '\0' || *name == '/' || strlen(name) > 200)
		return false;
	while (*p != '\0') {
		size_t len = strcspn(p, "/");

		if (len == 2 && p[0] == '.' && p[1] == '.')
			return false;
		p += len + (p[len] == '/');
	}
	return true;
}

static int read_once(const char *path, struct leat_split *split, const struct leat_emitter *to, int64_t until_ns,
		     int *error)
{
	struct stat st;
	int fd = open_lines(path, &st), rc;

	if (fd < 0) {
		*error = fd;
		return fd;
	}
	rc = emit_all(fd, false, split, to, until_ns, error);
	close(fd);
	return rc;
}

int leat_proc_into(const struct leat_emitter *to, const struct leat_proc_opts *opts)
{
	struct leat_split split = { 0 };
	int64_t interval_ns, next_ns;
	char path[256];
	int rc, error = 0;

	if (opts == NULL || opts->name == NULL || opts->interval_ns < 0 || !leat_source_reserved(opts->reserved, 4))
		return leat_tx_fail(to->out, -EINVAL, "proc: the options need a name and an interval, and reserved zero");
	if (!well_named(opts->name))
		return leat_source_fail(to, -EINVAL, "proc", opts->name);
	snprintf(path, sizeof(path), "/proc/%s", opts->name);
	interval_ns = opts->interval_ns == 0 ? 1000000000 : opts->interval_ns;
	next_ns = leat_now_ns();
	do {
		int64_t now_ns, end_ns = leat_source_deadline(opts->until_ns);

		rc = read_once(path, &split, to, opts->until_ns, &error);
		if (rc != 0)
			break;
		now_ns = leat_now_ns();
		next_ns += interval_ns;
		if (next_ns <= now_ns)
			next_ns += (now_ns - next_ns) / interval_ns * interval_ns + interval_ns; /* what was missed is missed */
		rc = leat_tx_wait(to->out, -1, 0, next_ns < end_ns ? next_ns : end_ns);
		if (rc == -ETIMEDOUT && next_ns < end_ns)
			rc = 0;
	} while (rc == 0);
	leat_split_fini(&split);
	return error != 0 ? leat_source_fail(to, error, "proc", path) : leat_source_end(rc);
}
