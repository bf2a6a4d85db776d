/*
 * tools/leat/flow/walk.c: the regular files below a directory. See walk.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tools/leat/flow/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_EVERY 256u
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
#define FILE_FLAGS (O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* A directory that the walk is in: what is wanted of it, of which `next` on is still to come. */
struct level {
	char **names; /* sorted; that of a directory ends in a slash */
	size_t count, next;
	size_t path_len; /* of its own path, with a slash at the end */
	dev_t dev;
	ino_t ino;
};

struct leat_walk {
	struct leat_walk_opts opts;
	struct level *levels;
	size_t depth;    /* how many levels there are */
	int fd;          /* of the level at_depth - 1; -1: of none */
	size_t at_depth; /* it may be below the last level: then the walk goes up before it opens */
	char *path;      /* of the last level, and behind it the current name */
	size_t path_size;
};

static bool is_wanted(const struct leat_walk *walk, const char *name)
{
	return walk->opts.pattern == NULL || fnmatch(walk->opts.pattern, name, FNM_NOESCAPE) == 0;
}

static bool has_to_stop(const struct leat_walk *walk)
{
	return walk->opts.stop != NULL && walk->opts.stop(walk->opts.arg);
}

/* Puts a name behind so many bytes of the path, and room for a slash. */
static int set_path(struct leat_walk *walk, size_t at, const char *name)
{
	size_t len = strlen(name), need = at + len + 2;

	if (need > walk->path_size) {
		char *grown = realloc(walk->path, need * 2);

		if (grown == NULL)
			return -ENOMEM;
		walk->path = grown;
		walk->path_size = need * 2;
	}
	memcpy(walk->path + at, name, len + 1);
	return 0;
}

static void free_names(struct level *level)
{
	for (size_t i = level->next; i < level->count; i++)
		free(level->names[i]);
	free(level->names);
	level->names = NULL;
	level->count = level->next = 0;
}

/* Appends the name, with the text behind it. The array doubles at the powers of two. */
static int add_name(struct level *level, const char *name, const char *behind)
{
	size_t len = strlen(name), count = level->count;
	char *copy;

	if ((count & (count - 1)) == 0) {
		size_t room = count != 0 ? count * 2 : 1;
		char **grown = realloc(level->names, room * sizeof(*grown));

		if (grown == NULL)
			return -ENOMEM;
		level->names = grown;
	}
	copy = malloc(len + strlen(behind) + 1);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, name, len);
	strcpy(copy + len, behind);
	level->names[level->count++] = copy;
	return 0;
}

/* Adds what is wanted. Not every file system says of what kind an entry is. */
static int add_entry(const struct leat_walk *walk, struct level *level, int fd,
                     const struct dirent *entry)
{
	unsigned char type = entry->d_type;
	const char *name = entry->d_name;
	struct stat st;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (type == DT_UNKNOWN) {
		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			type = DT_REG; /* what is wrong is told when its turn comes */
		else
			type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_LNK;
	}
	if (type == DT_DIR)
		return add_name(level, name, "/");
	return type == DT_REG && is_wanted(walk, name) ? add_name(level, name, "") : 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Reads the names of the directory. After an error the level has those before it. */
static int read_names(const struct leat_walk *walk, struct level *level, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), rc = 0;
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;
	const struct dirent *entry;
	unsigned read = 0;

	if (dir == NULL) {
		rc = -errno;
		if (copy >= 0)
			close(copy);
		return rc;
	}
	while (rc == 0) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL) {
			rc = -errno;
			break;
		}
		rc = ++read % STOP_EVERY == 0 && has_to_stop(walk)
		             ? -ECANCELED
		             : add_entry(walk, level, fd, entry);
	}
	closedir(dir);
	if (level->count > 1)
		qsort(level->names, level->count, sizeof(*level->names), compare_names);
	return rc;
}

/*
 * Goes into a directory, which the walk then owns the descriptor of, and which has so much of the
 * path. An error is one of reading it: the walk is in it all the same, unless that is -ENOMEM for
 * the level itself.
 */
static int enter_dir(struct leat_walk *walk, int fd, size_t path_len)
{
	struct level *grown = realloc(walk->levels, (walk->depth + 1) * sizeof(*grown));
	struct level *level;
	struct stat st;

	if (grown == NULL || fstat(fd, &st) != 0) {
		int rc = grown == NULL ? -ENOMEM : -errno;

		walk->levels = grown != NULL ? grown : walk->levels;
		close(fd);
		return rc;
	}
	walk->levels = grown;
	level = &walk->levels[walk->depth++];
	*level = (struct level){ .path_len = path_len, .dev = st.st_dev, .ino = st.st_ino };
	if (walk->fd >= 0)
		close(walk->fd);
	walk->fd = fd;
	walk->at_depth = walk->depth;
	return read_names(walk, level, fd);
}

static bool is_dir(int fd, const struct level *level)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == level->dev && st.st_ino == level->ino;
}

/* The last level by its path; -1: it is not there any more. */
static int open_by_path(struct leat_walk *walk)
{
	const struct level *level = &walk->levels[walk->depth - 1];
	char after = walk->path[level->path_len];
	int fd;

	walk->path[level->path_len] = '\0';
	fd = open(walk->path, DIR_FLAGS);
	walk->path[level->path_len] = after;
	if (fd >= 0 && !is_dir(fd, level)) {
		close(fd);
		errno = ENOENT;
		fd = -1;
	}
	return fd;
}

/* Goes up to the last level, if the walk is below it. */
static int return_to_level(struct leat_walk *walk)
{
	while (walk->fd >= 0 && walk->at_depth > walk->depth) {
		int fd = openat(walk->fd, "..", DIR_FLAGS);

		close(walk->fd);
		walk->fd = fd;
		walk->at_depth--;
	}
	if (walk->fd >= 0 && is_dir(walk->fd, &walk->levels[walk->depth - 1]))
		return 0;
	if (walk->fd >= 0)
		close(walk->fd);
	walk->at_depth = walk->depth;
	walk->fd = open_by_path(walk);
	return walk->fd < 0 ? -errno : 0;
}

/* The current name is one of a directory. */
static int go_down(struct leat_walk *walk)
{
	size_t len = strlen(walk->path);
	int fd;

	walk->path[len - 1] = '\0';
	fd = openat(walk->fd, walk->path + walk->levels[walk->depth - 1].path_len,
	            DIR_FLAGS | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	walk->path[len - 1] = '/';
	return enter_dir(walk, fd, len);
}

static void fill_file(const struct leat_walk *walk, struct leat_walk_file *file, int fd,
                      const struct stat *st)
{
	*file = (struct leat_walk_file){ .path = walk->path,
		                         .fd = fd,
		                         .size = (uint64_t)st->st_size,
		                         .dev = st->st_dev,
		                         .ino = st->st_ino };
}

/* The current name is one of a file. Returns 1; 0: it is no regular file any more; -errno. */
static int take_file(struct leat_walk *walk, struct leat_walk_file *file)
{
	const char *name = walk->path + walk->levels[walk->depth - 1].path_len;
	int fd = walk->opts.sizes_only ? -1 : openat(walk->fd, name, FILE_FLAGS);
	int failed = !walk->opts.sizes_only && fd < 0 ? -errno : 0, rc;
	struct stat st;

	rc = fd >= 0 ? fstat(fd, &st) : fstatat(walk->fd, name, &st, AT_SYMLINK_NOFOLLOW);
	rc = rc != 0 ? -errno : S_ISREG(st.st_mode) ? 1 : 0;
	if (rc == 1)
		fill_file(walk, file, fd, &st);
	if (rc == 1 && failed != 0)
		return failed;
	if (rc != 1 && fd >= 0)
		close(fd);
	return rc;
}

/* The next name of the last level. */
static int take_name(struct leat_walk *walk, struct leat_walk_file *file)
{
	struct level *level = &walk->levels[walk->depth - 1];
	char *name = level->names[level->next++];
	bool dir = name[strlen(name) - 1] == '/';
	int rc = set_path(walk, level->path_len, name);

	free(name);
	if (rc == 0)
		rc = dir ? go_down(walk) : take_file(walk, file);
	return rc;
}

int leat_walk_next(struct leat_walk *walk, struct leat_walk_file *file)
{
	int rc = 0;

	*file = (struct leat_walk_file){ .fd = -1 };
	while (rc == 0 && walk->depth > 0) {
		struct level *level = &walk->levels[walk->depth - 1];

		if (level->next == level->count) {
			free_names(level);
			walk->depth--;
			continue;
		}
		if (has_to_stop(walk))
			return -ECANCELED;
		if (walk->at_depth != walk->depth)
			rc = return_to_level(walk);
		if (rc == 0) {
			rc = take_name(walk, file);
		} else {
			/* the directory itself cannot be read any more */
			walk->path[level->path_len] = '\0';
			free_names(level);
		}
	}
	file->path = walk->path;
	return rc;
}

int leat_walk_open(struct leat_walk **made, const struct leat_walk_opts *opts)
{
	struct leat_walk *walk = calloc(1, sizeof(*walk));
	size_t len = strlen(opts->dir);
	int fd, rc;

	*made = NULL;
	if (walk == NULL)
		return -ENOMEM;
	*walk = (struct leat_walk){ .opts = *opts, .fd = -1 };
	rc = set_path(walk, 0, opts->dir);
	fd = rc == 0 ? open(opts->dir, DIR_FLAGS) : -1;
	if (rc == 0 && fd < 0)
		rc = -errno;
	if (rc == 0 && (len == 0 || opts->dir[len - 1] != '/'))
		strcpy(walk->path + len++, "/");
	if (rc == 0)
		rc = enter_dir(walk, fd, len);
	if (rc == 0)
		*made = walk;
	else
		leat_walk_close(walk);
	return rc;
}

void leat_walk_close(struct leat_walk *walk)
{
	if (walk == NULL)
		return;
	while (walk->depth > 0)
		free_names(&walk->levels[--walk->depth]);
	if (walk->fd >= 0)
		close(walk->fd);
	free(walk->levels);
	free(walk->path);
	free(walk);
}
