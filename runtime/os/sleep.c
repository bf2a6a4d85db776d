/*
 * The clock, and each call that sleeps until another thread, a descriptor or the clock ends the
 * sleep; but for epoll, which is in epoll.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "runtime/os/os.h"
#include "runtime/os/time.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

int64_t leat_now_ns(void)
{
	return read_clock_ns(CLOCK_MONOTONIC);
}

bool leat_os_time_stands(void)
{
	return false;
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

void leat_os_outlast_stores(void)
{
	int64_t until_ns = leat_now_ns() + LEAT_OS_UNFENCED_NS;
	uint32_t word = 0;

	while (leat_now_ns() < until_ns)
		leat_os_futex_wait(&word, 0, until_ns);
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
