/*
 * The lines that are appended to a file, through rotation and truncation.
 *
 * All follows of a process share one inotify instance and the thread that reads it (hub.h). It
 * watches the inode that is being read, and the directory of its path, where another file
 * can get that name. If the path is a symbolic link, it also watches the directory of each further
 * step. An event only raises news of the source: something may have changed. What has changed the
 * source finds by reading on, and by comparing the file that the path names with the file that is
 * open.
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
#include "runtime/io/hub.h"
#include "runtime/os/os.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes by which a file that was truncated is told from one that has grown. */
#define TAIL_BYTES 256

/* What the source does next. Each phase ends in one of the next phases. */
enum follow_phase {
	FOLLOW_BEGIN,   /* -> READ: opens the file that is there, and watches */
	FOLLOW_READ,    /* -> COMPARE: reads the open file to its end */
	FOLLOW_COMPARE, /* -> READ, DRAIN, WAIT: what does the path name now? */
	FOLLOW_DRAIN,   /* -> SWITCH: reads the old file to its end, as the path names another */
	FOLLOW_SWITCH,  /* -> READ: takes the other file */
	FOLLOW_WAIT     /* -> READ: until there is news */
};

struct follow_source {
	struct leat_line_source base; /* first: it is the seq's state */
	struct leat_watcher watcher;
	enum follow_phase phase;
	bool from_start;
	bool has_begun; /* open_first_file() is done */
	int fd;         /* the file that is read; -1 before there is one */
	dev_t dev;      /* the identity of that file, with ino */
	ino_t ino;
	off_t pos; /* how far it has been read */
	/* the last bytes before pos, as they were read */
	char tail[TAIL_BYTES];
	size_t tail_len;
	bool has_size;  /* check_size() is done */
	bool displaced; /* a watched directory is not where it was, or events were lost */
	int next_fd;    /* the file to switch to; else -1 */
	struct stat next_stat;
};

/*
 * A directory that is removed while a file in it is open reports that only when the file is closed.
 * So its parent is watched too.
 */
#define DIRECTORY_EVENTS \
	(IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define PARENT_EVENTS (IN_DELETE | IN_MOVED_FROM | IN_ONLYDIR)

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

/* Makes the path that of its directory, with a slash at its end. */
static void cut_to_directory(char path[PATH_MAX])
{
	size_t len = measure_directory(path);

	strcpy(path + len, len > 0 ? "" : "./");
}

/* What a watch that could not be added means: records the text. Returns code. */
static int fail_to_watch(const struct follow_source *follow, int code, const char *detail)
{
	if (code == -ENOSPC)
		return leat_source_refuse(&follow->base.source, code,
		                          "no inotify watch is left (fs.inotify.max_user_watches)");
	return leat_source_fail(&follow->base.source, code, detail);
}

/* If a link names the directory, which may be replaced: watches the directory of that link. */
static int watch_link_to_directory(struct leat_watcher *watcher, const char *directory)
{
	char link[PATH_MAX], target[1];
	size_t len = strlen(directory);

	memcpy(link, directory, len);
	while (len > 0 && link[len - 1] == '/')
		len--;
	link[len] = '\0';
	if (len == 0 || readlink(link, target, sizeof(target)) < 0)
		return 0;
	cut_to_directory(link);
	return leat_watcher_add(watcher, link, DIRECTORY_EVENTS);
}

static int watch_directory_of(struct leat_watcher *watcher, const char *path)
{
	char directory[PATH_MAX];
	int rc;

	if (measure_directory(path) + sizeof("./..") > sizeof(directory))
		return -ENAMETOOLONG;
	strcpy(directory, path);
	cut_to_directory(directory);
	rc = leat_watcher_add(watcher, directory, DIRECTORY_EVENTS);
	if (rc == 0)
		rc = watch_link_to_directory(watcher, directory);
	if (rc < 0)
		return rc;
	strcat(directory, "..");
	rc = leat_watcher_add(watcher, directory, PARENT_EVENTS);
	/* without a permission to read it, the parent is not watched */
	return rc == -EACCES || rc == -EPERM || rc == -ENOENT ? 0 : rc;
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
static int watch_directories(struct leat_watcher *watcher, const char *from)
{
	char path[PATH_MAX];
	int rc;

	if (snprintf(path, sizeof(path), "%s", from) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (int links = 0; links <= MOST_LINKS; links++) {
		rc = watch_directory_of(watcher, path);
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
static int watch_file(struct follow_source *follow)
{
	int rc = leat_watcher_add_fd(&follow->watcher, follow->fd, follow->base.source.path,
	                             IN_MODIFY);

	return rc == -ENOENT ? 0 : rc;
}

/*
 * Makes all watches anew, so that none of an earlier file or directory is left. Caller reads and
 * compares afterwards: changes before the new watches caused no event.
 */
static int watch_all(struct follow_source *follow)
{
	int rc;

	leat_watcher_renew_begin(&follow->watcher);
	rc = watch_directories(&follow->watcher, follow->base.source.path);
	if (rc < 0)
		return fail_to_watch(follow, rc, "its directory");
	rc = follow->fd >= 0 ? watch_file(follow) : 0;
	if (rc < 0)
		return fail_to_watch(follow, rc, "inotify");
	leat_watcher_renew_end(&follow->watcher);
	follow->displaced = false;
	return 0;
}

/*
 * Opens what the path names now. Returns the descriptor; -ENOENT if there is no file; another error
 * with its text recorded.
 */
static int open_file(const struct follow_source *follow, struct stat *stat)
{
	int fd = leat_source_open(follow->base.source.path);
	int rc = 0;

	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return leat_source_fail(&follow->base.source, fd, NULL);
	if (fstat(fd, stat) < 0)
		rc = leat_source_fail(&follow->base.source, -errno, NULL);
	else if (S_ISDIR(stat->st_mode))
		rc = leat_source_fail(&follow->base.source, -EISDIR, NULL);
	else if (!S_ISREG(stat->st_mode))
		rc = leat_source_refuse(&follow->base.source, -EINVAL, "Not a regular file");
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* Reads len bytes at pos, fewer only where the file ends. Returns how many, or -errno. */
static ssize_t read_at(int fd, char *to, size_t len, off_t pos)
{
	size_t sum = 0;
	ssize_t n;

	do {
		n = TEMP_FAILURE_RETRY(pread(fd, to + sum, len - sum, pos + (off_t)sum));
		sum += n > 0 ? (size_t)n : 0;
	} while (n > 0 && sum < len);
	return n < 0 ? -errno : (ssize_t)sum;
}

/* The file is open from now on at pos. Returns 0, or -errno with its text recorded. */
static int take_file(struct follow_source *follow, int fd, const struct stat *stat, off_t pos)
{
	size_t len = pos < TAIL_BYTES ? (size_t)pos : TAIL_BYTES;
	ssize_t n;

	close_fd(&follow->fd);
	follow->fd = fd;
	follow->dev = stat->st_dev;
	follow->ino = stat->st_ino;
	follow->pos = pos;
	follow->tail_len = len;
	follow->has_size = false;
	n = read_at(fd, follow->tail, len, pos - (off_t)len);
	if (n < 0)
		return leat_source_fail(&follow->base.source, (int)n, NULL);
	/*
	 * Where it was truncated just now, nothing of it is remembered, and the next read finds
	 * out.
	 */
	if ((size_t)n < len)
		memset(follow->tail, 0, sizeof(follow->tail));
	return 0;
}

static bool is_open(const struct follow_source *follow, const struct stat *stat)
{
	return follow->fd >= 0 && stat->st_dev == follow->dev && stat->st_ino == follow->ino;
}

/*
 * Whether the bytes before pos are still those that were read there. If not, the file was
 * truncated, whatever its size is by now. Returns 1, 0, or -errno.
 */
static int is_continued(const struct follow_source *follow)
{
	char now[TAIL_BYTES];
	size_t len = follow->tail_len;
	ssize_t n = read_at(follow->fd, now, len, follow->pos - (off_t)len);

	if (n < 0)
		return (int)n;
	return n == (ssize_t)len && memcmp(now, follow->tail, len) == 0;
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
		return leat_source_fail(&follow->base.source, -errno, NULL);
	if (stat.st_size == 0 && TEMP_FAILURE_RETRY(pread(follow->fd, &byte, 1, 0)) > 0 &&
	    fstat(follow->fd, &stat) == 0 && stat.st_size == 0)
		return leat_source_refuse(
			&follow->base.source, -EINVAL,
			"has no size and can't be followed; proc: reads such files");
	follow->has_size = true;
	return 0;
}

/* Reads once. *ended: there is no more for now. */
static int read_file(struct follow_source *follow, bool *ended)
{
	size_t room;
	ssize_t n;
	char *at;
	int rc = leat_splitter_room(&follow->base.split, &at, &room);

	if (rc < 0)
		return leat_source_fail(&follow->base.source, rc, NULL);
	n = TEMP_FAILURE_RETRY(pread(follow->fd, at, room, follow->pos));
	if (n < 0)
		return leat_source_fail(&follow->base.source, -errno, NULL);
	rc = n > 0 ? check_size(follow) : 0;
	if (rc < 0)
		return rc;
	rc = is_continued(follow);
	if (rc < 0)
		return leat_source_fail(&follow->base.source, rc, NULL);
	if (rc == 0) {
		/* It begins anew; a line whose end was cut away is sent as far as it came. */
		follow->pos = 0;
		follow->tail_len = 0;
		follow->base.takes_rest = true;
		*ended = false;
		return 0;
	}
	keep_tail(follow, at, (size_t)n);
	leat_splitter_fill(&follow->base.split, (size_t)n);
	follow->pos += n;
	*ended = n == 0;
	return 0;
}

/* Reads on in the open file, also after a truncation. *ended: as read_file(). */
static int read_on(struct follow_source *follow, bool *ended)
{
	int rc = leat_source_check(&follow->base.source);

	*ended = follow->fd < 0;
	return rc != 0 || *ended ? rc : read_file(follow, ended);
}

/* Gets the status of what the path names. Returns 1; 0 for nothing that could be read. */
static int find_file(struct follow_source *follow, struct stat *found)
{
	int rc;

	if (stat(follow->base.source.path, found) == 0)
		return 1;
	/*
	 * The file is not there. It may be created in a directory that is not watched yet: behind a
	 * link, or in the directory that a replaced link names now. The watches that there are
	 * stay.
	 */
	rc = watch_directories(&follow->watcher, follow->base.source.path);
	if (rc < 0 && lstat(follow->base.source.path, found) < 0)
		return 0; /* a directory that is gone is found by its own event */
	if (rc < 0)
		return fail_to_watch(follow, rc, "its directory");
	return stat(follow->base.source.path, found) == 0;
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
	rc = leat_watcher_add(&follow->watcher, follow->base.source.path, IN_MODIFY);
	if (rc < 0)
		return rc == -ENOENT || rc == -EACCES ? 0 : fail_to_watch(follow, rc, "inotify");
	return stat(follow->base.source.path, &found) == 0 && !is_open(follow, &found) &&
	       found.st_size > 0;
}

/* Whether the path names another file now, which is then open at next_fd. */
static int open_successor(struct follow_source *follow)
{
	int rc = find_successor(follow);

	if (rc <= 0)
		return rc;
	if (euidaccess(follow->base.source.path, R_OK) < 0 && errno == EACCES)
		/*
		 * the thread that created it has yet to set its permissions, which is an event too
		 */
		return 0;
	rc = open_file(follow, &follow->next_stat);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	follow->next_fd = rc;
	return 1;
}

/*
 * Opens the file that is there at the start, if there is one. Its position is set before its watch
 * is added, so what is appended between the two is sent.
 */
static int open_first_file(struct follow_source *follow)
{
	struct stat stat;
	int fd = open_file(follow, &stat), rc = 0;

	if (fd < 0 && fd != -ENOENT)
		return fd;
	if (fd >= 0)
		rc = take_file(follow, fd, &stat, follow->from_start ? 0 : stat.st_size);
	follow->has_begun = rc == 0;
	return rc;
}

static int begin_follow(struct follow_source *follow)
{
	const char *reason;
	int rc = follow->has_begun ? 0 : open_first_file(follow);

	if (rc < 0)
		return rc;
	rc = leat_watcher_enter(&follow->watcher, &reason);
	if (rc < 0)
		return reason != NULL ? leat_source_refuse(&follow->base.source, rc, reason)
		                      : leat_source_fail(&follow->base.source, rc, "inotify");
	follow->phase = FOLLOW_READ;
	return watch_all(follow);
}

/* At the end of the open file: finds what is to be done next. */
static int compare_file(struct follow_source *follow)
{
	int rc;

	if (follow->displaced) {
		follow->phase = FOLLOW_READ;
		return watch_all(follow);
	}
	rc = open_successor(follow);
	if (rc < 0)
		return rc;
	follow->phase = rc > 0 ? FOLLOW_DRAIN : FOLLOW_WAIT;
	return 0;
}

static int switch_file(struct follow_source *follow)
{
	int fd = follow->next_fd, rc;

	follow->next_fd = -1;
	rc = take_file(follow, fd, &follow->next_stat, 0);
	follow->phase = FOLLOW_READ;
	return rc < 0 ? rc : watch_all(follow);
}

static int wait_for_news(struct follow_source *follow)
{
	const struct leat_source *source = &follow->base.source;
	int rc = leat_news_await(&follow->watcher.news, source->to != NULL ? source->to->out : NULL,
	                         source->until_ns, LEAT_TIME_STARVED);

	if (rc == -ETIMEDOUT)
		return LEAT_EMIT_ENOUGH;
	if (rc == -EDEADLK)
		return leat_source_fail(source, rc, "waiting");
	if (rc != 0)
		return rc;
	if (leat_news_take(&follow->watcher.news) & LEAT_WATCH_DISPLACED)
		follow->displaced = true;
	follow->phase = FOLLOW_READ;
	return 0;
}

/* One phase, or one read of it. *has_read: there may be lines. */
static int advance_phase(struct follow_source *follow, bool *has_read)
{
	bool ended = false;
	int rc;

	switch (follow->phase) {
	case FOLLOW_BEGIN:
		return begin_follow(follow);
	case FOLLOW_READ:
		rc = read_on(follow, &ended);
		if (rc == 0 && ended)
			follow->phase = FOLLOW_COMPARE;
		*has_read = !ended;
		return rc;
	case FOLLOW_COMPARE:
		return compare_file(follow);
	case FOLLOW_DRAIN:
		rc = read_on(follow, &ended);
		if (rc == 0 && ended) {
			follow->base.takes_rest = true;
			follow->phase = FOLLOW_SWITCH;
		}
		*has_read = true;
		return rc;
	case FOLLOW_SWITCH:
		return switch_file(follow);
	case FOLLOW_WAIT:
		return wait_for_news(follow);
	}
	return -EINVAL;
}

static struct follow_source *follow_of(struct leat_line_source *base)
{
	return (struct follow_source *)(void *)base;
}

static int advance_follow(struct leat_line_source *base)
{
	bool has_read = false;
	int rc;

	do
		rc = advance_phase(follow_of(base), &has_read);
	while (rc == 0 && !has_read);
	return rc;
}

static void follow_fini(struct leat_line_source *base)
{
	struct follow_source *follow = follow_of(base);

	leat_watcher_leave(&follow->watcher);
	close_fd(&follow->fd);
	close_fd(&follow->next_fd);
}

static int prepare_follow(struct follow_source *follow, const struct leat_emitter *to,
                          const char *path, const struct leat_follow_opts *opts)
{
	*follow = (struct follow_source){
		.base = { .source = { .to = to,
		                      .name = "follow",
		                      .path = path,
		                      .until_ns = leat_source_until(opts->until_ns) },
		          .advance = advance_follow,
		          .fini = follow_fini },
		.from_start = opts->from_start,
		.fd = -1,
		.next_fd = -1,
	};
	return leat_source_check_opts(&follow->base.source, opts->reserved, 4,
	                              path == NULL ? "no path" : NULL);
}

int leat_follow_into(const struct leat_emitter *to, const struct leat_follow_opts *opts)
{
	struct leat_source nameless = { .to = to, .name = "follow" };
	struct follow_source follow;

	if (opts == NULL)
		return leat_source_refuse(&nameless, -EINVAL, "no options");
	return leat_line_source_run(&follow.base, prepare_follow(&follow, to, opts->path, opts));
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

/*
 * The position from which the file is sent is that at the call. What can't be opened here fails in
 * the first next, where there is a generator to record its text.
 */
int leat_follow_seq(const struct leat_follow_opts *opts, struct leat_seq *seq)
{
	struct follow_source *follow;
	int saved = errno, rc;
	char *path;

	if (!leat_source_seq_wanted(seq, opts))
		return -EINVAL;
	follow = leat_source_alloc(sizeof(*follow), "", opts->path, &path);
	if (follow == NULL)
		return -ENOMEM;
	rc = prepare_follow(follow, NULL, path, opts);
	if (rc == 0)
		open_first_file(follow);
	errno = saved;
	return leat_source_make_seq(seq, leat_line_source_seq(&follow->base), rc);
}
