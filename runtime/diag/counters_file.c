/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/diag/counters_file.h"

#include <leat/atomic.h>

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { FIRST_ROOM = 64 };
#define TMPFS 0x01021994

/* The words of the largest structure that is written under a sequence. */
#define WORDS_MOST (sizeof(struct leat_counters_file_record) / sizeof(uint64_t))

static int refuse(char why[LEAT_COUNTERS_WHY], int rc, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(char why[LEAT_COUNTERS_WHY], int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, LEAT_COUNTERS_WHY, format, args);
	va_end(args);
	return rc;
}

/* The same for what the kernel has refused. */
static int refuse_errno(char why[LEAT_COUNTERS_WHY], const char *what)
{
	int rc = -errno;

	return refuse(why, rc, "%.150s: %s", what, strerror(-rc));
}

void leat_counters_directory(char path[LEAT_COUNTERS_DIRECTORY], uint32_t uid)
{
	snprintf(path, LEAT_COUNTERS_DIRECTORY, "/dev/shm/leat.%" PRIu32, uid);
}

int leat_counters_open_private(const char *path, uint32_t uid, char why[LEAT_COUNTERS_WHY])
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), rc;
	struct stat found;

	if (fd < 0) {
		if (errno == ENOTDIR || errno == ELOOP)
			return refuse(why, -EPERM, "%s is no directory: remove it", path);
		return refuse_errno(why, path);
	}
	if (fstat(fd, &found) != 0)
		rc = refuse_errno(why, path);
	else if (found.st_uid != uid)
		rc = refuse(why, -EPERM, "%s belongs to user %u, and not to %" PRIu32, path,
		            found.st_uid, uid);
	else if ((found.st_mode & 077) != 0)
		rc = refuse(why, -EPERM, "%s has mode %04o: other users may enter; 0700 is wanted",
		            path, found.st_mode & 07777);
	else
		return fd;
	close(fd);
	return rc;
}

bool leat_counters_parse_name(const char *name, uint32_t *pid, uint64_t *start_ticks)
{
	int end = 0;

	return name[0] >= '1' && name[0] <= '9' && strspn(name, "0123456789") <= 10 &&
	       sscanf(name, "%" SCNu32 ".%" SCNu64 "%n", pid, start_ticks, &end) == 2 &&
	       name[end] == '\0' && end < 40;
}

/* The name that a file has in a directory. */
static void name_file(struct leat_counters_file *file)
{
	uint32_t pid = (uint32_t)getpid();

	snprintf(file->name, sizeof(file->name), "%" PRIu32 ".%" PRIu64, pid,
	         leat_os_start_ticks(pid));
}

static int open_default_directory(struct leat_counters_file *file, char why[LEAT_COUNTERS_WHY])
{
	char path[LEAT_COUNTERS_DIRECTORY];
	int fd;

	leat_counters_directory(path, geteuid());
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return refuse_errno(why, path);
	name_file(file);
	fd = leat_counters_open_private(path, geteuid(), why);
	if (fd >= 0)
		leat_counters_remove_left(fd);
	return fd;
}

/* The directory of a file at this path, and its name there. */
static int open_parent(struct leat_counters_file *file, const char *path,
                       char why[LEAT_COUNTERS_WHY])
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	size_t len = (size_t)(name - path); /* with the slash */
	char *parent = leat_os_alloc(len + 2, 0);
	int fd, rc = 0;

	if (parent == NULL)
		return refuse(why, -ENOMEM, "%s", strerror(ENOMEM));
	memcpy(parent, len > 0 ? path : ".", len > 0 ? len : 1);
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		rc = refuse_errno(why, parent);
	else if (strlen(name) >= sizeof(file->name))
		rc = refuse(why, -ENAMETOOLONG, "%s", strerror(ENAMETOOLONG));
	else
		snprintf(file->name, sizeof(file->name), "%s", name);
	leat_os_free(parent);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

/* Returns a descriptor of the file's directory, or -errno. */
static int open_directory(struct leat_counters_file *file, const char *path,
                          char why[LEAT_COUNTERS_WHY])
{
	struct stat found;
	int fd;

	if (path[0] == '\0')
		return open_default_directory(file, why);
	if (stat(path, &found) != 0 || !S_ISDIR(found.st_mode))
		return open_parent(file, path, why);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return refuse_errno(why, path);
	name_file(file);
	return fd;
}

/* A file on a disk would stall its writer for as long as the disk is busy. */
static int check_tmpfs(int directory, char why[LEAT_COUNTERS_WHY])
{
	struct statfs found;

	if (fstatfs(directory, &found) != 0)
		return refuse_errno(why, "fstatfs");
	if (found.f_type != TMPFS)
		return refuse(why, -ENOTSUP,
		              "this is not on tmpfs, and a file on a disk would stall its writer; "
		              "/dev/shm is on tmpfs");
	return 0;
}

/* Whether a file that is there is a counters file of this user's whose process has let go of it. */
static int check_left_behind(const struct leat_counters_file *file, char why[LEAT_COUNTERS_WHY])
{
	int fd = openat(file->directory, file->name,
	                O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char magic[sizeof(LEAT_COUNTERS_MAGIC) - 1];
	struct stat found;
	int rc = 0;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && errno == ELOOP)
		return refuse(why, -ELOOP, "there is a symbolic link of that name");
	if (fd < 0)
		return refuse_errno(why, file->name);
	if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode) || found.st_uid != geteuid() ||
	    pread(fd, magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) ||
	    memcmp(magic, LEAT_COUNTERS_MAGIC, sizeof(magic)) != 0)
		rc = refuse(why, -EEXIST,
		            "there is a file of that name that is no counters file of this user");
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		rc = refuse(why, -EEXIST, "a process that lives writes that file");
	close(fd);
	return rc;
}

/* Returns a descriptor of the new file, or -errno. */
static int create_file(const struct leat_counters_file *file, char why[LEAT_COUNTERS_WHY])
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(file->directory, file->name, flags, 0600), rc;

	if (fd < 0 && errno == EEXIST) {
		rc = check_left_behind(file, why);
		if (rc < 0)
			return rc;
		unlinkat(file->directory, file->name, 0);
		fd = openat(file->directory, file->name, flags, 0600);
	}
	if (fd < 0)
		return refuse_errno(why, file->name);
	/* no other process has this new file open: the lock is there at once */
	if (fchmod(fd, 0600) != 0 || flock(fd, LOCK_EX | LOCK_NB) != 0) {
		rc = refuse_errno(why, file->name);
		unlinkat(file->directory, file->name, 0);
		close(fd);
		return rc;
	}
	return fd;
}

static uint64_t size_with(uint32_t records)
{
	return LEAT_COUNTERS_RECORDS_OFFSET +
	       (uint64_t)records * sizeof(struct leat_counters_file_record);
}

/*
 * Allocates pages up to a size. The kernel would kill the process for a size beyond its limit of
 * files, so the limit is read first.
 */
static int allocate_to(struct leat_counters_file *file, uint64_t size)
{
	struct rlimit limit;
	int error;

	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur)
		return -EFBIG;
	do
		error = posix_fallocate(file->fd, (off_t)file->size, (off_t)(size - file->size));
	while (error == EINTR); /* a signal of the caller's thread */
	if (error != 0)
		return -error;
	file->size = size;
	return 0;
}

bool leat_counters_file_grow(struct leat_counters_file *file)
{
	uint32_t room = 2 * file->room;

	if (file->refused || file->room == LEAT_COUNTERS_RECORDS_MOST)
		return false;
	if (room > LEAT_COUNTERS_RECORDS_MOST)
		room = LEAT_COUNTERS_RECORDS_MOST;
	if (allocate_to(file, size_with(room)) < 0) {
		file->refused = true;
		return false;
	}
	file->room = room;
	return true;
}

int leat_counters_file_check(const struct leat_counters_file *file)
{
	struct stat found;

	if (fstat(file->fd, &found) != 0)
		return -errno;
	return (uint64_t)found.st_size >= file->size ? 0 : -ESTALE;
}

static int map_file(struct leat_counters_file *file, char why[LEAT_COUNTERS_WHY])
{
	int rc = allocate_to(file, size_with(FIRST_ROOM));
	struct stat found;
	void *map;

	if (fstat(file->fd, &found) != 0)
		return refuse_errno(why, file->name);
	file->device = found.st_dev;
	file->inode = found.st_ino;
	if (rc < 0)
		return refuse(why, rc, "no room for its %" PRIu64 " bytes: %s",
		              size_with(FIRST_ROOM), strerror(-rc));
	map = mmap(NULL, LEAT_COUNTERS_FILE_MOST, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
	if (map == MAP_FAILED)
		return refuse_errno(why, "mmap");
	/* a child would write into its parent's file */
	madvise(map, LEAT_COUNTERS_FILE_MOST, MADV_DONTFORK);
	file->map = map;
	file->room = FIRST_ROOM;
	return 0;
}

int leat_counters_file_open(struct leat_counters_file *file, const char *path,
                            char why[LEAT_COUNTERS_WHY])
{
	int rc;

	*file = (struct leat_counters_file){ .fd = -1 };
	file->directory = open_directory(file, path, why);
	if (file->directory < 0)
		return file->directory;
	rc = check_tmpfs(file->directory, why);
	if (rc == 0)
		rc = file->fd = create_file(file, why);
	if (rc >= 0)
		rc = map_file(file, why);
	if (rc >= 0)
		return 0;
	if (file->fd >= 0) {
		unlinkat(file->directory, file->name, 0);
		close(file->fd);
	}
	close(file->directory);
	return rc;
}

void leat_counters_file_publish(struct leat_counters_file *file)
{
	uint64_t magic;

	memcpy(&magic, LEAT_COUNTERS_MAGIC, sizeof(magic));
	/* Q3: the head before the magic; pairs with read_head() */
	leat_store_rel((uint64_t *)(void *)file->map, magic);
}

void leat_counters_file_close(struct leat_counters_file *file)
{
	struct stat there;

	if (fstatat(file->directory, file->name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
	    file->inode == there.st_ino && file->device == there.st_dev)
		unlinkat(file->directory, file->name, 0);
	munmap(file->map, LEAT_COUNTERS_FILE_MOST);
	close(file->fd);
	close(file->directory);
}

/* The first word at `to` is the sequence. `from` has what follows it, and has its own first word.
 */
static void write_sequenced(void *to, const void *from, size_t size)
{
	uint64_t *words = to, next[WORDS_MOST], sequence;

	memcpy(next, from, size);
	sequence = leat_load_rlx(&words[0]);     /* rlx: only this thread stores it */
	leat_store_rlx(&words[0], sequence + 1); /* rlx: Q2 keeps it before the words */
	for (size_t i = 1; i < size / sizeof(uint64_t); i++)
		/* Q2: the odd sequence before the word; pairs with read_sequenced() */
		leat_store_rel(&words[i], next[i]);
	/* Q1: the words before the even sequence; pairs with read_sequenced() */
	leat_store_rel(&words[0], sequence + 2);
}

void leat_counters_file_put_head(struct leat_counters_file *file,
                                 const struct leat_counters_head *head)
{
	const size_t from = offsetof(struct leat_counters_head, sequence);

	write_sequenced(file->map + from, (const char *)head + from, sizeof(*head) - from);
}

void leat_counters_file_put_record(struct leat_counters_file *file, uint32_t place,
                                   const struct leat_counters_file_record *record)
{
	write_sequenced(file->map + size_with(place), record, sizeof(*record));
}

void leat_counters_file_put_event(struct leat_counters_file *file,
                                  const struct leat_counters_file_event *event)
{
	uint64_t place = event->number % LEAT_COUNTERS_EVENTS_MOST;

	write_sequenced(file->map + LEAT_COUNTERS_EVENTS_OFFSET + place * sizeof(*event), event,
	                sizeof(*event));
}
