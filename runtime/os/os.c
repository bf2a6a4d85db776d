/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/os/os.h"

#include <leat/atomic.h>

#include <linux/membarrier.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

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
