/*
 * The lines appended to a file, through rotation and truncation.
 *
 * Two watches wake it: one on the file, for what is written, and one on the folder, for another file under the
 * name. What they report is not looked at; each time everything is looked at afresh, so an event too many does no
 * harm. On file systems whose changes are made elsewhere (network, /proc) nothing is reported and nothing seen.
 */
/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/chan/wait.h"
#include "runtime/io/split.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

struct follow {
	const struct leat_emitter *to;
	const struct leat_follow_opts *opts;
	int events; /* inotify */
	int fd;     /* the file, or -1 while there is none */
	int watch;
	dev_t dev;
	ino_t ino;
	struct leat_split split;
};

static int watch_folder(struct follow *f)
{
	const char *slash = strrchr(f->opts->path, '/');
	char *folder = slash == NULL ? strdup(".") : slash == f->opts->path ? strdup("/") :
		       strndup(f->opts->path, (size_t)(slash - f->opts->path));
	int rc = 0;

	if (folder == NULL)
		return -ENOMEM;
	if (inotify_add_watch(f->events, folder, IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR) < 0)
		rc = -errno;
	free(folder);
	return rc;
}

/* Opens what the path names now; -ENOENT is no error but a wait. The watch comes before the first read. */
static int open_file(struct follow *f, bool at_end)
{
	struct stat st;
	int rc = 0;

	f->fd = open(f->opts->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (f->fd < 0)
		return errno == ENOENT ? 0 : -errno;
	f->watch = inotify_add_watch(f->events, f->opts->path, IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF);
	if (fstat(f->fd, &st) < 0)
		rc = -errno;
	else if (S_ISDIR(st.st_mode))
		rc = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		rc = -ESPIPE; /* what can't be read again from its start has no rotation: leat_lines() reads it */
	else if (at_end && lseek(f->fd, 0, SEEK_END) < 0)
		rc = -errno;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return rc;
}

static void close_file(struct follow *f)
{
	if (f->fd < 0)
		return;
	if (f->watch >= 0)
		inotify_rm_watch(f->events, f->watch);
	close(f->fd);
	f->fd = -1;
}

/* Emits what is there, from the start again if the file has shrunk. 0, what the emitter answered, -errno in *error. */
static int catch_up(struct follow *f, int *error)
{
	struct stat st;
	ssize_t n;

	if (fstat(f->fd, &st) == 0 && st.st_size < lseek(f->fd, 0, SEEK_CUR)) {
		leat_split_forget(&f->split);
		lseek(f->fd, 0, SEEK_SET);
	}
	while ((n = leat_split_read(&f->split, f->fd)) > 0) {
		int rc = leat_split_emit(&f->split, f->to, f->opts->until_ns);

		if (rc != 0)
			return rc;
	}
	if (n < 0)
		*error = (int)n;
	return (int)n;
}

/* Whether the path names another file than the one that is open. */
static bool rotated(const struct follow *f)
{
	struct stat st;

	return stat(f->opts->path, &st) == 0 && (st.st_dev != f->dev || st.st_ino != f->ino);
}

/* The old file's last bytes, which will have no line feed any more. */
static int emit_rest(struct follow *f)
{
	struct leat_line line;
	int rc = 0;

	if (leat_split_rest(&f->split, &line)) {
		rc = f->to->emit(f->to->arg, &line);
		if (rc == 0)
			leat_split_handed(&f->split);
	}
	return rc;
}

/* Everything there is to do now. */
static int look(struct follow *f, int *error)
{
	int rc = 0;

	for (;;) {
		bool other;

		if (f->fd < 0)
			rc = *error = open_file(f, false);
		if (rc != 0 || f->fd < 0)
			return rc;
		other = rotated(f); /* before the last read: what the old file got before that is read */
		rc = catch_up(f, error);
		if (rc != 0 || !other)
			return rc;
		rc = emit_rest(f);
		if (rc != 0)
			return rc;
		close_file(f);
	}
}

static int follow(struct follow *f, int *error)
{
	char events[4096] __attribute__((aligned(8)));
	int rc;

	rc = *error = watch_folder(f);
	if (rc == 0)
		rc = *error = open_file(f, !f->opts->from_start);
	while (rc == 0) {
		rc = look(f, error);
		if (rc == 0)
			rc = leat_tx_wait(f->to->out, f->events, POLLIN, leat_source_deadline(f->opts->until_ns));
		if (rc < 0)
			break;
		while (read(f->events, events, sizeof(events)) > 0)
			;
		rc = rc == 1 ? 0 : rc;
	}
	return rc;
}

int leat_follow_into(const struct leat_emitter *to, const struct leat_follow_opts *opts)
{
	struct follow f = { .to = to, .opts = opts, .fd = -1, .watch = -1 };
	int rc, error = 0;

	if (opts == NULL || opts->path == NULL || !leat_source_reserved(opts->reserved, 4))
		return leat_tx_fail(to->out, -EINVAL, "follow: the options need a path, and reserved must be zero");
	f.events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (f.events < 0)
		return leat_source_fail(to, -errno, "follow", opts->path);
	rc = follow(&f, &error);
	close_file(&f);
	close(f.events);
	leat_split_fini(&f.split);
	return error != 0 ? leat_source_fail(to, error, "follow", opts->path) : leat_source_end(rc);
}
