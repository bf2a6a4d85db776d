/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/os/os.h"
#include "runtime/os/time.h"

#include <leat/atomic.h>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t leat_now_ns(void)
{
	return read_clock_ns(CLOCK_MONOTONIC);
}

/*
 * A size to refuse: the sanitizers' allocators would stop the program for it, while calloc returns
 * NULL.
 */
static const size_t absurd = (size_t)1 << 40;

/*
 * calloc, unlike memset, leaves the pages of a large block untouched until they are used. The word
 * before the aligned address has the address of the block.
 */
static char *align_in_block(void *block, size_t align)
{
	return (char *)(((uintptr_t)block + sizeof(void *) + align - 1) & ~(uintptr_t)(align - 1));
}

/* The size of the block for so much memory; 0: refused. Makes the alignment 16 at least. */
static size_t find_block_size(size_t size, size_t *align)
{
	size_t total;

	if (*align < 16)
		*align = 16;
	if (__builtin_add_overflow(size, *align + sizeof(void *), &total) || total >= absurd)
		return 0;
	return total;
}

void *leat_os_alloc(size_t size, size_t align)
{
	size_t total = find_block_size(size, &align);
	char *block = total > 0 ? calloc(1, total) : NULL, *aligned;

	if (block == NULL)
		return NULL;
	aligned = align_in_block(block, align);
	memcpy(aligned - sizeof(void *), &block, sizeof(block));
	return aligned;
}

void *leat_os_grow(void *memory, size_t old, size_t size, size_t align)
{
	size_t total = find_block_size(size, &align), offset;
	char *block, *aligned;

	if (total == 0)
		return NULL;
	memcpy(&block, (char *)memory - sizeof(void *), sizeof(block));
	offset = (size_t)((char *)memory - block);
	block = realloc(block, total);
	if (block == NULL)
		return NULL;
	/* realloc(3) keeps the distance from its block, and the alignment only of whole pages. */
	aligned = align_in_block(block, align);
	if (aligned != block + offset)
		memmove(aligned, block + offset, old);
	memcpy(aligned - sizeof(void *), &block, sizeof(block));
	return aligned;
}

void leat_os_free(void *memory)
{
	void *block;

	if (memory == NULL)
		return;
	memcpy(&block, (char *)memory - sizeof(void *), sizeof(block));
	free(block);
}

void *leat_os_pages(size_t size)
{
	int saved = errno;
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	errno = saved;
	return pages == MAP_FAILED ? NULL : pages;
}

void leat_os_pages_free(void *pages, size_t size)
{
	munmap(pages, size);
}

int leat_os_futex_wait(uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
	struct timespec at = timespec_of(deadline_ns);
	int saved = errno, result = 0;

	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
	            deadline_ns == LEAT_NEVER ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY) < 0 &&
	    errno == ETIMEDOUT)
		result = -ETIMEDOUT;
	errno = saved;
	return result;
}

void leat_os_futex_wake(uint32_t *word, unsigned n)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
	errno = saved;
}

static pthread_once_t heavy_once = PTHREAD_ONCE_INIT;
static uint32_t heavy_works; /* 1: membarrier is there, and has not been refused */

static void heavy_register(void)
{
	int saved = errno;

	/* rlx: a hint; each fence finds out for itself */
	leat_store_rlx(&heavy_works, syscall(SYS_membarrier,
	                                     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0);
	errno = saved;
}

bool leat_os_fence_heavy_prepare(void)
{
	pthread_once(&heavy_once, heavy_register);
	return leat_load_rlx(&heavy_works) != 0; /* rlx: the same */
}

bool leat_os_fence_heavy_ask(void)
{
	int saved = errno;

	if (leat_os_fence_heavy_prepare() &&
	    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) < 0)
		leat_store_rlx(&heavy_works, 0); /* rlx: a hint; each fence finds out for itself */
	errno = saved;
	return leat_load_rlx(&heavy_works) != 0; /* rlx: the same */
}

void leat_os_outlast_stores(void)
{
	int64_t until_ns = leat_now_ns() + LEAT_OS_UNFENCED_NS;
	uint32_t word = 0;

	while (leat_now_ns() < until_ns)
		leat_os_futex_wait(&word, 0, until_ns);
}

void leat_os_fence_heavy(void)
{
	/* C1, C2: the fence of this thread; pairs with leat_fence_light() after each publish */
	leat_fence_seq();
	if (leat_os_fence_heavy_ask())
		return;
	leat_os_outlast_stores();
	/* C1, C2: before the recheck; pairs with leat_fence_light() after each publish */
	leat_fence_seq();
}

int leat_os_flag_open(void)
{
	int saved = errno, flag = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (flag < 0)
		flag = -errno;
	errno = saved;
	return flag;
}

void leat_os_flag_raise(int flag)
{
	static const uint64_t one = 1;
	int saved = errno;

	if (write(flag, &one, sizeof(one)) < 0)
		errno = saved; /* the eventfd's count is full, so it is readable already */
}

void leat_os_flag_clear(int flag)
{
	uint64_t count;
	int saved = errno;

	if (read(flag, &count, sizeof(count)) < 0)
		errno = saved; /* the flag was not raised */
}

void leat_os_flag_close(int flag)
{
	close(flag);
}

int leat_os_poll(struct pollfd *fds, size_t n, int64_t deadline_ns)
{
	struct timespec left = timespec_of(left_until(deadline_ns));
	int saved = errno, found;

	found = ppoll(fds, n, deadline_ns == LEAT_NEVER ? NULL : &left, NULL);
	if (found < 0)
		found = errno == EINTR ? 0 : -errno;
	else if (found == 0)
		found = -ETIMEDOUT;
	errno = saved;
	return found;
}

void leat_os_yield(void)
{
	sched_yield();
}

unsigned leat_os_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

void leat_mutex_init(struct leat_mutex *mutex)
{
	pthread_mutex_init(&mutex->posix, NULL);
}

void leat_mutex_lock(struct leat_mutex *mutex)
{
	pthread_mutex_lock(&mutex->posix);
}

void leat_mutex_unlock(struct leat_mutex *mutex)
{
	pthread_mutex_unlock(&mutex->posix);
}

void leat_cond_init(struct leat_cond *cond)
{
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&cond->posix, &attributes);
	pthread_condattr_destroy(&attributes);
}

void leat_cond_wait(struct leat_cond *cond, struct leat_mutex *mutex)
{
	pthread_cond_wait(&cond->posix, &mutex->posix);
}

int leat_cond_wait_until(struct leat_cond *cond, struct leat_mutex *mutex, int64_t deadline_ns)
{
	struct timespec at = timespec_of(deadline_ns);

	if (deadline_ns == LEAT_NEVER)
		return -pthread_cond_wait(&cond->posix, &mutex->posix);
	return -pthread_cond_timedwait(&cond->posix, &mutex->posix, &at);
}

void leat_cond_broadcast(struct leat_cond *cond)
{
	pthread_cond_broadcast(&cond->posix);
}

void leat_cond_fini(struct leat_cond *cond)
{
	pthread_cond_destroy(&cond->posix);
}

struct start {
	leat_thread_fn *fn;
	void *arg;
	char name[16];
};

static void *thread_main(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	pthread_setname_np(pthread_self(), start.name);
	start.fn(start.arg);
	return NULL;
}

static int attributes_for(pthread_attr_t *attributes, unsigned pin)
{
	size_t size = CPU_ALLOC_SIZE(pin);
	cpu_set_t *set;
	int error;

	if (pin == 0)
		return 0;
	if (pin > 1u << 20)
		return EINVAL;
	set = CPU_ALLOC(pin);
	if (set == NULL)
		return ENOMEM;
	CPU_ZERO_S(size, set);
	CPU_SET_S(pin - 1, size, set);
	error = pthread_attr_setaffinity_np(attributes, size, set);
	CPU_FREE(set);
	return error;
}

int leat_thread_start(struct leat_thread *thread, leat_thread_fn *fn, void *arg, const char *name,
                      unsigned pin)
{
	struct start *start = malloc(sizeof(*start));
	pthread_attr_t attributes;
	sigset_t all, before;
	int error;

	if (start == NULL)
		return -ENOMEM;
	start->fn = fn;
	start->arg = arg;
	snprintf(start->name, sizeof(start->name), "%s", *name ? name : "leat");
	pthread_attr_init(&attributes);
	error = attributes_for(&attributes, pin);
	if (error == 0) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
		error = pthread_create(&thread->posix, &attributes, thread_main, start);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	pthread_attr_destroy(&attributes);
	if (error != 0)
		free(start);
	return -error;
}

struct leat_thread leat_thread_self(void)
{
	return (struct leat_thread){ pthread_self() };
}

void leat_thread_join(struct leat_thread *thread)
{
	pthread_join(thread->posix, NULL);
}

void leat_die(const char *format, ...)
{
	va_list list;

	flockfile(stderr);
	fputs("leat: rule broken: ", stderr);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fputc('\n', stderr);
	fflush(stderr);
	abort();
}

void leat_text_copy(char to[LEAT_TEXT_MAX + 1], const char *from)
{
	size_t len = from == NULL ? 0 : strnlen(from, LEAT_TEXT_MAX + 1);

	if (len <= LEAT_TEXT_MAX) {
		memcpy(to, from == NULL ? "" : from, len);
		to[len] = '\0';
		return;
	}
	memcpy(to, from, LEAT_TEXT_MAX - 3);
	memcpy(to + LEAT_TEXT_MAX - 3, "...", 4);
}

bool leat_name_copy(char to[LEAT_NAME_MAX + 1], const char *from)
{
	size_t len = from == NULL ? 0 : strnlen(from, LEAT_NAME_MAX + 1);

	if (len > LEAT_NAME_MAX)
		return false;
	memcpy(to, from == NULL ? "" : from, len);
	to[len] = '\0';
	return true;
}

bool leat_words_unused(const uint64_t *words, size_t n)
{
	uint64_t any = 0;

	for (size_t i = 0; i < n; i++)
		any |= words[i];
	return any == 0;
}
