/*
 * The counters files of a directory: for readers; and for a process that begins one, which removes
 * the oldest that killed processes have left there.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/diag/array.h"
#include "runtime/diag/counters_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEFT_MOST = 16 };

struct name {
	uint32_t pid;
	uint64_t start_ticks;
};

struct names {
	struct name *list;
	size_t count, room;
};

static int compare_names(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	return x->start_ticks < y->start_ticks ? -1 : x->start_ticks > y->start_ticks;
}

/* Reads the names, and closes the descriptor. Returns 0 or -errno. */
static int read_names(int fd, struct names *names)
{
	DIR *directory = fdopendir(fd);
	struct dirent *entry;
	int rc = 0;

	if (directory == NULL) {
		rc = -errno;
		close(fd);
		return rc;
	}
	while (rc == 0 && (entry = readdir(directory)) != NULL) {
		void *list = names->list;
		struct name name;

		if (!leat_counters_parse_name(entry->d_name, &name.pid, &name.start_ticks))
			continue;
		if (!grow_array(&list, names->count, &names->room, sizeof(*names->list)))
			rc = -ENOMEM;
		names->list = list;
		if (rc == 0)
			names->list[names->count++] = name;
	}
	closedir(directory);
	if (names->count > 0)
		qsort(names->list, names->count, sizeof(*names->list), compare_names);
	return rc;
}

static void print_name(char *text, size_t size, const struct name *name)
{
	snprintf(text, size, "%" PRIu32 ".%" PRIu64, name->pid, name->start_ticks);
}

static int visit(const char *directory, const struct names *names, leat_counters_fn *fn, void *arg)
{
	int rc = 0;

	for (size_t i = 0; i < names->count && rc == 0; i++) {
		char name[40], *path;

		print_name(name, sizeof(name), &names->list[i]);
		if (asprintf(&path, "%s/%s", directory, name) < 0)
			return -ENOMEM;
		rc = fn(path, arg);
		free(path);
	}
	return rc;
}

/* A user's own directory below /dev/shm is checked; any other is opened as the caller names it. */
static int open_listed(const char *directory)
{
	char own[LEAT_COUNTERS_DIRECTORY], why[LEAT_COUNTERS_WHY];
	const char *number = strrchr(directory, '.');
	uint32_t uid;
	int fd;

	if (number != NULL && sscanf(number, ".%" SCNu32, &uid) == 1) {
		leat_counters_directory(own, uid);
		if (strcmp(own, directory) == 0)
			return leat_counters_open_private(directory, uid, why);
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int leat_counters_each(const char *directory, leat_counters_fn *fn, void *arg)
{
	char own[LEAT_COUNTERS_DIRECTORY];
	struct names names = { 0 };
	int saved = errno, rc;

	leat_counters_directory(own, geteuid());
	rc = open_listed(directory != NULL ? directory : own);
	if (rc == -ENOENT && directory == NULL)
		return 0;
	if (rc >= 0)
		rc = read_names(rc, &names);
	if (rc == 0)
		rc = visit(directory != NULL ? directory : own, &names, fn, arg);
	leat_os_free(names.list);
	errno = saved;
	return rc;
}

struct left {
	char name[40];
	struct timespec written;
};

static int compare_left(const void *a, const void *b)
{
	const struct timespec *x = &((const struct left *)a)->written;
	const struct timespec *y = &((const struct left *)b)->written;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* Whether no process has the file locked, as its writer does. */
static bool is_left(int directory, struct left *left)
{
	int fd = openat(directory, left->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat found;
	bool is = false;

	if (fd < 0)
		return false;
	if (fstat(fd, &found) == 0 && S_ISREG(found.st_mode)) {
		is = flock(fd, LOCK_EX | LOCK_NB) == 0;
		left->written = found.st_mtim;
	}
	close(fd);
	return is;
}

void leat_counters_remove_left(int directory)
{
	struct names names = { 0 };
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct left *left = NULL;
	size_t count = 0;

	if (fd >= 0 && read_names(fd, &names) == 0 && names.count > LEFT_MOST)
		left = leat_os_alloc(names.count * sizeof(*left), 0);
	for (size_t i = 0; i < names.count && left != NULL; i++) {
		print_name(left[count].name, sizeof(left[count].name), &names.list[i]);
		count += is_left(directory, &left[count]);
	}
	if (count > LEFT_MOST)
		qsort(left, count, sizeof(*left), compare_left);
	for (size_t i = 0; i + LEFT_MOST < count; i++)
		unlinkat(directory, left[i].name, 0);
	leat_os_free(left);
	leat_os_free(names.list);
}
