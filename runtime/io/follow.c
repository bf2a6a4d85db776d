/*
 * The lines that are appended to a file, through rotation and truncation.
 *
 * inotify watches the inode that is being read, and the directory of its path, where another file
 * can get that name. If the path is a symbolic link, it also watches the directory of each further
 * step. An event only says that something may have changed. What has changed the source finds by
 * reading on, and by comparing the file that the path names with the file that is open.
 *
 * Invariant: a change after the source last read and compared causes an event that the source gets.
 * If not, the source would sleep beside data. Therefore each watch is added before the read or the
 * comparison that relies on it. It does no harm that events are merged, come late, or are of other
 * files.
 *
 * Rotation. A program whose log was renamed writes into the old file until it opens the path again.
 * So the source follows the old file until the new one has its first byte. Then it reads the old
 * file to its end, and goes over to the new one.
 *
 * What the source cannot find: changes that inotify does not report (made through a memory map, or
 * by another machine on a network file system, or to a file that an overlay file system copies at
 * the first write); that a file was truncated, if it was written anew with the same bytes up to
 * where the source had read; a file that came and went between two comparisons.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/io/common.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes by which a file that was truncated is told from one that has grown. */
#define TAIL_BYTES 256

struct follow_source {
	struct leat_source source;
	struct leat_splitter split;
	int watch; /* the inotify descriptor */
	int fd;    /* the file that is read; -1 before there is one */
	dev_t dev; /* the identity of that file, with ino */
	ino_t ino;
	off_t pos; /* how far it has been read */
	/* the last bytes before pos, as they were read */
	char tail[TAIL_BYTES];
	size_t tail_len;
	bool has_size;  /* check_size() is done */
	bool displaced; /* a watched directory is not where it was, or events were lost */
};

/*
 * A directory that is removed while a file in it is open reports that only when the file is closed.
 * So its parent is watched too. One directory may be both: IN_MASK_ADD adds to the events that it
 * is watched for.
 */
#define DIRECTORY_EVENTS \
	(IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | \
	 IN_MASK_ADD)
#define PARENT_EVENTS (IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR | IN_MASK_ADD)
#define DISPLACING_EVENTS (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT | IN_Q_OVERFLOW)

/* The most symbolic links in a chain: as many as the kernel follows. */
#define MOST_LINKS 40

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/*
 * Returns the length of a path up to and with the last slash; 0 if there is none: the current
 * directory.
 */
static size_t measure_directory(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

static int watch_directory_of(int watch, const char *path)
{
	char directory[PATH_MAX];
	size_t len = measure_directory(path);

	if (len + sizeof("./..") > sizeof(directory))
		return -ENAMETOOLONG;
	memcpy(directory, path, len);
	strcpy(directory + len, len > 0 ? "" : "./");
	if (inotify_add_watch(watch, directory, DIRECTORY_EVENTS) < 0)
		return -errno;
	strcat(directory, "..");
	/* without a permission to read it, the parent is not watched */
	inotify_add_watch(watch, directory, PARENT_EVENTS);
	return 0;
}

/* Replaces the path of a link by what it points to. Returns 1; 0 if it is no link, or not there. */
static int step_link(char path[PATH_MAX])
{
	char target[PATH_MAX];
	size_t keep;
	ssize_t len = readlink(path, target, sizeof(target));

	if (len <= 0)
		return 0;
	keep = target[0] == '/' ? 0 : measure_directory(path);
	if (keep + (size_t)len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path + keep, target, (size_t)len);
	path[keep + (size_t)len] = '\0';
	return 1;
}

/* Watches the directory of the path, and of each link on the way from it. */
static int watch_directories(int watch, const char *from)
{
	char path[PATH_MAX];
	int rc;

	if (snprintf(path, sizeof(path), "%s", from) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (int links = 0; links <= MOST_LINKS; links++) {
		rc = watch_directory_of(watch, path);
		if (rc == 0)
			rc = step_link(path);
		if (rc <= 0)
			return rc;
	}
	return -ELOOP;
}

/*
 * Watches the inode that is open, whatever its path names by now; without /proc, what the path
 * names.
 */
static int watch_file(const struct follow_source *follow, int watch)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", follow->fd);
	if (inotify_add_watch(watch, path, IN_MODIFY) >= 0)
		return 0;
	if (errno == ENOENT && inotify_add_watch(watch, follow->source.path, IN_MODIFY) >= 0)
		return 0;
	return errno == ENOENT ? 0 : -errno;
}

/*
 * Makes all watches anew, so that none of an earlier file or directory is left. Caller reads and
 * compares afterwards: changes before the new watches caused no event.
 */
static int watch_all(struct follow_source *follow)
{
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	int rc;

	if (watch < 0)
		return leat_source_fail(&follow->source, -errno, "inotify");
	rc = watch_directories(watch, follow->source.path);
	if (rc < 0) {
		close(watch);
		return leat_source_fail(&follow->source, rc, "its directory");
	}
	rc = follow->fd >= 0 ? watch_file(follow, watch) : 0;
	if (rc < 0) {
		close(watch);
		return leat_source_fail(&follow->source, rc, "inotify");
	}
	close_fd(&follow->watch);
	follow->watch = watch;
	follow->displaced = false;
	return 0;
}

/*
 * Opens what the path names now. Returns the descriptor; -ENOENT if there is no file; another error
 * with its text recorded.
 */
static int open_file(const struct follow_source *follow, struct stat *stat)
{
	int fd = leat_source_open(follow->source.path);
	int rc = 0;

	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return leat_source_fail(&follow->source, fd, NULL);
	if (fstat(fd, stat) < 0)
		rc = leat_source_fail(&follow->source, -errno, NULL);
	else if (S_ISDIR(stat->st_mode))
		rc = leat_source_fail(&follow->source, -EISDIR, NULL);
	else if (!S_ISREG(stat->st_mode))
		rc = leat_source_refuse(&follow->source, -EINVAL, "Not a regular file");
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* Reads the `len` bytes before pos. Returns how many of them there are, or -errno. */
static ssize_t read_before(int fd, char *to, size_t len, off_t pos)
{
	size_t got = 0;
	ssize_t n = 1;

	while (got < len && n > 0) {
		n = TEMP_FAILURE_RETRY(
			pread(fd, to + got, len - got, pos - (off_t)len + (off_t)got));
		if (n < 0)
			return -errno;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* Goes over to this descriptor, also where it then returns an error. */
static int take_file(struct follow_source *follow, int fd, const struct stat *stat, off_t pos)
{
	ssize_t n;

	close_fd(&follow->fd);
	follow->fd = fd;
	follow->dev = stat->st_dev;
	follow->ino = stat->st_ino;
	follow->pos = pos;
	follow->tail_len = pos < TAIL_BYTES ? (size_t)pos : TAIL_BYTES;
	follow->has_size = false;
	n = read_before(fd, follow->tail, follow->tail_len, pos);
	if (n < 0)
		return leat_source_fail(&follow->source, (int)n, NULL);
	/* What is missing was truncated just now. The first reading finds that it differs. */
	memset(follow->tail + n, 0, follow->tail_len - (size_t)n);
	return 0;
}

static bool is_open(const struct follow_source *follow, const struct stat *stat)
{
	return follow->fd >= 0 && stat->st_dev == follow->dev && stat->st_ino == follow->ino;
}

/*
 * Whether the bytes before pos are still those that were read there. If not, the file was
 * truncated, whatever its size is by now. Returns 1, 0 or -errno.
 */
static int is_continued(const struct follow_source *follow)
{
	char now[TAIL_BYTES];
	ssize_t n = read_before(follow->fd, now, follow->tail_len, follow->pos);

	if (n < 0)
		return (int)n;
	return (size_t)n == follow->tail_len && memcmp(now, follow->tail, (size_t)n) == 0;
}

/* Remembers the last of the bytes that were read. */
static void keep_tail(struct follow_source *follow, const char *data, size_t n)
{
	size_t kept = n < TAIL_BYTES ? follow->tail_len : 0;

	if (kept + n > TAIL_BYTES && kept > 0) {
		memmove(follow->tail, follow->tail + kept + n - TAIL_BYTES, TAIL_BYTES - n);
		kept = TAIL_BYTES - n;
	}
	if (n > TAIL_BYTES) {
		data += n - TAIL_BYTES;
		n = TAIL_BYTES;
	}
	memcpy(follow->tail + kept, data, n);
	follow->tail_len = kept + n;
}

/*
 * A file that has bytes and says that its size is 0 (most of those in /proc) does not grow: each
 * reading is another text.
 */
static int check_size(struct follow_source *follow)
{
	struct stat stat;
	char byte;

	if (follow->has_size)
		return 0;
	if (fstat(follow->fd, &stat) < 0)
		return leat_source_fail(&follow->source, -errno, NULL);
	if (stat.st_size == 0 && TEMP_FAILURE_RETRY(pread(follow->fd, &byte, 1, 0)) > 0 &&
	    fstat(follow->fd, &stat) == 0 && stat.st_size == 0)
		return leat_source_refuse(
			&follow->source, -EINVAL,
			"has no size and can't be followed; proc: reads such files");
	follow->has_size = true;
	return 0;
}

/* Reads once and sends the whole lines. *ended: there is no more for now. */
static int read_file(struct follow_source *follow, bool *ended)
{
	size_t room;
	ssize_t n;
	char *at;
	int rc = leat_splitter_room(&follow->split, &at, &room);

	if (rc < 0)
		return leat_source_fail(&follow->source, rc, NULL);
	n = TEMP_FAILURE_RETRY(pread(follow->fd, at, room, follow->pos));
	if (n < 0)
		return leat_source_fail(&follow->source, -errno, NULL);
	rc = n > 0 ? check_size(follow) : 0;
	if (rc < 0)
		return rc;
	rc = is_continued(follow);
	if (rc < 0)
		return leat_source_fail(&follow->source, rc, NULL);
	if (rc == 0) {
		/* It begins anew; a line whose end was cut away is sent as far as it came. */
		follow->pos = 0;
		follow->tail_len = 0;
		*ended = false;
		return leat_source_emit_rest(&follow->source, &follow->split);
	}
	keep_tail(follow, at, (size_t)n);
	leat_splitter_fill(&follow->split, (size_t)n);
	follow->pos += n;
	*ended = n == 0;
	return leat_source_emit_lines(&follow->source, &follow->split);
}

/* Sends what there is in the open file, also after a truncation. */
static int read_to_end(struct follow_source *follow)
{
	bool ended = follow->fd < 0;
	int rc = 0;

	while (rc == 0 && !ended) {
		rc = leat_source_check(&follow->source);
		if (rc == 0)
			rc = read_file(follow, &ended);
	}
	return rc;
}

/* Gets the status of what the path names. Returns 1; 0 for nothing that could be read. */
static int find_file(struct follow_source *follow, struct stat *found)
{
	int rc;

	if (stat(follow->source.path, found) == 0)
		return 1;
	if (lstat(follow->source.path, found) < 0)
		return 0;
	/*
	 * A link to a file that is not there: the file may be created in a directory that is not
	 * watched yet. The watches that there are stay.
	 */
	rc = watch_directories(follow->watch, follow->source.path);
	if (rc < 0)
		return leat_source_fail(&follow->source, rc, "its directory");
	return stat(follow->source.path, found) == 0;
}

/*
 * Whether it is time for the file that the path names now: it is another one, with something in it.
 */
static int find_successor(struct follow_source *follow)
{
	struct stat found;
	int rc = find_file(follow, &found);

	if (rc <= 0 || is_open(follow, &found))
		return rc < 0 ? rc : 0;
	if (follow->fd < 0 || found.st_size > 0 || !S_ISREG(found.st_mode))
		return 1;
	/* The size is read again behind the watch: a write may have come just before the watch. */
	if (inotify_add_watch(follow->watch, follow->source.path, IN_MODIFY) < 0)
		return errno == ENOENT || errno == EACCES
		               ? 0
		               : leat_source_fail(&follow->source, -errno, "inotify");
	return stat(follow->source.path, &found) == 0 && !is_open(follow, &found) &&
	       found.st_size > 0;
}

/*
 * If the path names another file now, sends the rest of the old one and opens the new one. *moved:
 * the caller is to read and compare again.
 */
static int switch_file(struct follow_source *follow, bool *moved)
{
	struct stat stat;
	int rc = find_successor(follow), fd;

	*moved = false;
	if (rc <= 0)
		return rc;
	if (euidaccess(follow->source.path, R_OK) < 0 && errno == EACCES)
		/*
		 * the thread that created it has yet to set its permissions, which is an event too
		 */
		return 0;
	fd = open_file(follow, &stat);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	rc = read_to_end(follow);
	if (rc == 0)
		rc = leat_source_emit_rest(&follow->source, &follow->split);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	*moved = true;
	rc = take_file(follow, fd, &stat, 0);
	return rc < 0 ? rc : watch_all(follow);
}

/* Sends all that there is, in the open file and in those that follow it. */
static int read_available(struct follow_source *follow)
{
	bool moved;
	int rc;

	do {
		moved = follow->displaced;
		rc = read_to_end(follow);
		if (rc == 0 && moved)
			rc = watch_all(follow);
		else if (rc == 0)
			rc = switch_file(follow, &moved);
	} while (rc == 0 && moved);
	return rc;
}

/* Reads the events away. Only those of directories that went away matter. */
static int take_events(struct follow_source *follow)
{
	char events[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n;

	while ((n = TEMP_FAILURE_RETRY(read(follow->watch, events, sizeof(events)))) > 0)
		for (char *at = events; at < events + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			if ((event->mask & DISPLACING_EVENTS) ||
			    ((event->mask & IN_ISDIR) &&
			     (event->mask & (IN_DELETE | IN_MOVED_FROM))))
				follow->displaced = true;
		}
	return n < 0 && errno != EAGAIN ? leat_source_fail(&follow->source, -errno, "inotify") : 0;
}

static int wait_for_events(struct follow_source *follow)
{
	int rc = leat_source_wait(&follow->source, follow->watch, follow->source.until_ns);

	if (rc == -ETIMEDOUT)
		return LEAT_EMIT_ENOUGH;
	return rc < 0 ? rc : take_events(follow);
}

/*
 * Opens the file that is there at the start, if there is one. Its position is set before its watch
 * is added, so what is appended between the two is sent.
 */
static int open_first_file(struct follow_source *follow, bool from_start)
{
	struct stat stat;
	int fd = open_file(follow, &stat), rc = 0;

	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd >= 0)
		rc = take_file(follow, fd, &stat, from_start ? 0 : stat.st_size);
	return rc < 0 ? rc : watch_all(follow);
}

static int follow_until_end(struct follow_source *follow, bool from_start)
{
	int rc = open_first_file(follow, from_start);

	while (rc == 0) {
		rc = read_available(follow);
		if (rc == 0)
			rc = wait_for_events(follow);
	}
	return rc;
}

int leat_follow_into(const struct leat_emitter *to, const struct leat_follow_opts *opts)
{
	struct follow_source follow = { .source = { .to = to, .name = "follow" },
		                        .watch = -1,
		                        .fd = -1 };
	int saved = errno;
	int rc;

	if (opts == NULL)
		return leat_source_refuse(&follow.source, -EINVAL, "no options");
	follow.source.path = opts->path;
	follow.source.until_ns = leat_source_until(opts->until_ns);
	rc = leat_source_check_opts(&follow.source, opts->reserved, 4,
	                            opts->path == NULL ? "no path" : NULL);
	if (rc == 0)
		rc = follow_until_end(&follow, opts->from_start);
	leat_splitter_fini(&follow.split);
	close_fd(&follow.watch);
	close_fd(&follow.fd);
	errno = saved;
	return leat_source_end(rc);
}

static int run_follow_source(const struct leat_emitter *to, const void *opts)
{
	return leat_follow_into(to, opts);
}

int leat_follow(struct leat_tx *out, void *opts)
{
	const struct leat_follow_opts *follow = opts;

	return leat_source_send_lines(out, "follow", follow != NULL ? follow->until_ns : 0,
	                              run_follow_source, opts);
}
