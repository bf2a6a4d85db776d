/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "inject.h"

#include <errno.h>
#include <fcntl.h>
#include <leat/atomic.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What a short read answers at the most; an event of inotify is shorter. */
#define SHORT_BYTES 300

struct rule {
	uint64_t countdown; /* above 0: the call that takes it to 0 fails */
	uint64_t one_in;
	int error;
	uint64_t count, calls;
};
static struct rule rules[INJECT_POINTS];
static uint64_t seed, total;
static uint64_t blocks;

void inject_nth(enum inject_point point, uint64_t nth, int error)
{
	rules[point].error = error;
	leat_store_rel(&rules[point].count, UINT64_C(0));
	leat_store_rel(&rules[point].countdown, nth);
}

void inject_one_in(enum inject_point point, uint64_t n, int error)
{
	rules[point].error = error;
	leat_store_rel(&rules[point].count, UINT64_C(0));
	leat_store_rel(&rules[point].one_in, n);
}

void inject_seed(uint64_t of)
{
	seed = of;
}

void inject_off(void)
{
	for (int i = 0; i < INJECT_POINTS; i++) {
		leat_store_rel(&rules[i].countdown, UINT64_C(0));
		leat_store_rel(&rules[i].one_in, UINT64_C(0));
	}
}

uint64_t inject_count(enum inject_point point)
{
	return leat_load_acq(&rules[point].count);
}

uint64_t inject_total(void)
{
	return leat_load_acq(&total);
}

uint64_t inject_calls(enum inject_point point)
{
	return leat_load_acq(&rules[point].calls);
}

uint64_t inject_blocks(void)
{
	return leat_load_acq(&blocks);
}

static bool draws(uint64_t one_in)
{
	uint64_t z = leat_add_rlx(&seed, UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return (z ^ (z >> 27)) % one_in == 0;
}

/* Whether this call is to fail. */
static bool fails(enum inject_point point)
{
	struct rule *rule = &rules[point];
	uint64_t one_in = leat_load_acq(&rule->one_in), left = leat_load_acq(&rule->countdown);
	bool now = one_in != 0 && draws(one_in);

	leat_add_rlx(&rule->calls, UINT64_C(1));
	while (left != 0 && !leat_cas_acqrel(&rule->countdown, &left, left - 1))
		;
	now = now || left == 1;
	if (now) {
		leat_add_rlx(&rule->count, UINT64_C(1));
		leat_add_rlx(&total, UINT64_C(1));
	}
	return now;
}

static int error_of(enum inject_point point, int usual)
{
	return rules[point].error != 0 ? rules[point].error : usual;
}

static bool refuses(enum inject_point point, int usual)
{
	if (!fails(point))
		return false;
	errno = error_of(point, usual);
	return true;
}

/* A call that may be interrupted is, or it answers an error. */
static bool interrupted(int usual)
{
	return refuses(INJECT_SIGNALLED, EINTR) || refuses(INJECT_FILE, usual);
}

#define WRAP(type, name, ...) \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

/* Memory */

static void *counted(void *memory)
{
	if (memory != NULL)
		leat_add_rlx(&blocks, UINT64_C(1));
	return memory;
}

WRAP(void *, malloc, size_t size)
{
	return refuses(INJECT_ALLOC, ENOMEM) ? NULL : counted(__real_malloc(size));
}

WRAP(void *, calloc, size_t n, size_t size)
{
	return refuses(INJECT_ALLOC, ENOMEM) ? NULL : counted(__real_calloc(n, size));
}

WRAP(void *, aligned_alloc, size_t alignment, size_t size)
{
	if (refuses(INJECT_ALLOC, ENOMEM))
		return NULL;
	return counted(__real_aligned_alloc(alignment, size));
}

WRAP(void *, realloc, void *before, size_t size)
{
	void *memory = refuses(INJECT_ALLOC, ENOMEM) ? NULL : __real_realloc(before, size);

	return before == NULL ? counted(memory) : memory;
}

WRAP(char *, strdup, const char *text)
{
	return refuses(INJECT_ALLOC, ENOMEM) ? NULL : counted(__real_strdup(text));
}

int __wrap_asprintf(char **to, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **to, const char *format, ...)
{
	va_list list;
	int n;

	if (refuses(INJECT_ALLOC, ENOMEM))
		return -1;
	va_start(list, format);
	n = vasprintf(to, format, list);
	va_end(list);
	if (n >= 0)
		counted(*to);
	return n;
}

/* Its text is a block, which the caller frees; so it is counted with its stream. */
WRAP(FILE *, open_memstream, char **text, size_t *len)
{
	FILE *stream = refuses(INJECT_ALLOC, ENOMEM) ? NULL : __real_open_memstream(text, len);

	counted(stream);
	return stream;
}

WRAP(void, free, void *memory)
{
	if (memory != NULL)
		leat_add_rlx(&blocks, UINT64_C(-1));
	__real_free(memory);
}

/* Threads, and sleeping */

WRAP(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
     void *arg)
{
	if (fails(INJECT_THREAD))
		return error_of(INJECT_THREAD, EAGAIN);
	return __real_pthread_create(thread, attributes, run, arg);
}

static bool wakes_for_nothing(pthread_mutex_t *mutex)
{
	if (!fails(INJECT_CONDITION))
		return false;
	pthread_mutex_unlock(mutex);
	sched_yield();
	pthread_mutex_lock(mutex);
	return true;
}

WRAP(int, pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	return wakes_for_nothing(mutex) ? 0 : __real_pthread_cond_wait(cond, mutex);
}

WRAP(int, pthread_cond_timedwait, pthread_cond_t *cond, pthread_mutex_t *mutex,
     const struct timespec *at)
{
	return wakes_for_nothing(mutex) ? 0 : __real_pthread_cond_timedwait(cond, mutex, at);
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
	long a[6];
	va_list list;

	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_futex && ((int)a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET &&
	    fails(INJECT_SLEEP)) {
		errno = rules[INJECT_SLEEP].error;
		return errno == 0 ? 0 : -1;
	}
	if (number == SYS_membarrier && refuses(INJECT_MEMBARRIER, ENOSYS))
		return -1;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Descriptors and files */

WRAP(int, eventfd, unsigned first, int flags)
{
	return refuses(INJECT_FILE, EMFILE) ? -1 : __real_eventfd(first, flags);
}

WRAP(int, signalfd, int fd, const sigset_t *signals, int flags)
{
	return refuses(INJECT_FILE, EMFILE) ? -1 : __real_signalfd(fd, signals, flags);
}

WRAP(int, epoll_create1, int flags)
{
	return refuses(INJECT_FILE, EMFILE) ? -1 : __real_epoll_create1(flags);
}

/* A descriptor that cannot be removed would stay in the set. */
WRAP(int, epoll_ctl, int epoll, int op, int fd, struct epoll_event *event)
{
	return op == EPOLL_CTL_ADD && refuses(INJECT_FILE, ENOSPC)
	               ? -1
	               : __real_epoll_ctl(epoll, op, fd, event);
}

/* One argument at the most; only duplicates fail. */
int __real_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...);
int __wrap_fcntl(int fd, int op, ...)
{
	va_list list;
	long arg;

	va_start(list, op);
	arg = va_arg(list, long);
	va_end(list);
	if ((op == F_DUPFD || op == F_DUPFD_CLOEXEC) && refuses(INJECT_FILE, EMFILE))
		return -1;
	return __real_fcntl(fd, op, arg);
}

WRAP(int, inotify_init1, int flags)
{
	return refuses(INJECT_FILE, EMFILE) ? -1 : __real_inotify_init1(flags);
}

WRAP(int, inotify_add_watch, int fd, const char *path, uint32_t mask)
{
	return refuses(INJECT_FILE, ENOSPC) ? -1 : __real_inotify_add_watch(fd, path, mask);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...)
{
	va_list list;
	int mode = 0;

	if (flags & O_CREAT) {
		va_start(list, flags);
		mode = va_arg(list, int);
		va_end(list);
	}
	return refuses(INJECT_FILE, EMFILE) ? -1 : __real_open(path, flags, mode);
}

WRAP(FILE *, fopen, const char *path, const char *mode)
{
	return refuses(INJECT_FILE, EMFILE) ? NULL : __real_fopen(path, mode);
}

WRAP(int, fclose, FILE *file)
{
	int rc = __real_fclose(file);

	return refuses(INJECT_FILE, ENOSPC) ? EOF : rc;
}

/* Eventfds are read and written eight bytes at a time, at once and whole. */
static bool is_event(size_t size)
{
	return size == sizeof(uint64_t);
}

WRAP(ssize_t, read, int fd, void *to, size_t size)
{
	if (is_event(size))
		return __real_read(fd, to, size);
	if (interrupted(EIO))
		return -1;
	return __real_read(fd, to, size > SHORT_BYTES && fails(INJECT_SHORT) ? SHORT_BYTES : size);
}

WRAP(ssize_t, pread, int fd, void *to, size_t size, off_t at)
{
	if (interrupted(EIO))
		return -1;
	return __real_pread(fd, to, size > SHORT_BYTES && fails(INJECT_SHORT) ? SHORT_BYTES : size,
	                    at);
}

WRAP(ssize_t, write, int fd, const void *from, size_t size)
{
	if (is_event(size))
		return __real_write(fd, from, size);
	if (interrupted(ENOSPC))
		return -1;
	return __real_write(fd, from, size > 1 && fails(INJECT_SHORT) ? 1 : size);
}

WRAP(int, ppoll, struct pollfd *fds, nfds_t n, const struct timespec *left, const sigset_t *mask)
{
	return refuses(INJECT_SIGNALLED, EINTR) ? -1 : __real_ppoll(fds, n, left, mask);
}

WRAP(int, stat, const char *path, struct stat *st)
{
	return refuses(INJECT_FILE, EACCES) ? -1 : __real_stat(path, st);
}

WRAP(int, lstat, const char *path, struct stat *st)
{
	return refuses(INJECT_FILE, EACCES) ? -1 : __real_lstat(path, st);
}

WRAP(int, fstat, int fd, struct stat *st)
{
	return refuses(INJECT_FILE, EIO) ? -1 : __real_fstat(fd, st);
}

WRAP(off_t, lseek, int fd, off_t at, int whence)
{
	return refuses(INJECT_FILE, EIO) ? -1 : __real_lseek(fd, at, whence);
}

WRAP(int, ftruncate, int fd, off_t size)
{
	return refuses(INJECT_FILE, EIO) ? -1 : __real_ftruncate(fd, size);
}

WRAP(int, rename, const char *from, const char *to)
{
	return refuses(INJECT_FILE, EIO) ? -1 : __real_rename(from, to);
}
