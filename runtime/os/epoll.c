/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/os/os.h"
#include "runtime/os/time.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

int leat_os_fd_duplicate(int fd)
{
	int saved = errno, copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	if (copy < 0)
		copy = -errno;
	errno = saved;
	return copy;
}

void leat_os_fd_close(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

int leat_os_epoll_open(void)
{
	int saved = errno, epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		epoll = -errno;
	errno = saved;
	return epoll;
}

int leat_os_epoll_add(int epoll, int fd, short events, bool once)
{
	struct epoll_event event = { .events = (once ? EPOLLONESHOT : 0u) |
		                               (events & POLLIN ? EPOLLIN : 0u) |
		                               (events & POLLOUT ? EPOLLOUT : 0u) |
		                               (events & POLLPRI ? EPOLLPRI : 0u),
		                     .data.fd = fd };
	int saved = errno, rc = epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);

	if (rc < 0)
		rc = -errno;
	errno = saved;
	return rc;
}

void leat_os_epoll_remove(int epoll, int fd)
{
	int saved = errno;

	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	errno = saved;
}

/* epoll_wait(2) with a deadline; -1 for a signal. */
static int wait_for_events(int epoll, struct epoll_event *events, int n, int64_t deadline_ns)
{
	int64_t left_ns = left_until(deadline_ns);
	struct timespec left = timespec_of(left_ns);
	int found;

	found = epoll_pwait2(epoll, events, n, deadline_ns == LEAT_NEVER ? NULL : &left, NULL);
	if (found >= 0 || errno != ENOSYS)
		return found;
	/* Linux before 5.11: milliseconds, rounded up */
	left_ns = (left_ns + 999999) / 1000000;
	return epoll_wait(epoll, events, n,
	                  deadline_ns == LEAT_NEVER ? -1
	                  : left_ns <= 0            ? 0
	                  : left_ns < INT_MAX       ? (int)left_ns
	                                            : INT_MAX);
}

int leat_os_epoll_wait(int epoll, int fds[LEAT_OS_EPOLL_MOST], int64_t deadline_ns)
{
	struct epoll_event events[LEAT_OS_EPOLL_MOST];
	int saved = errno, n = wait_for_events(epoll, events, LEAT_OS_EPOLL_MOST, deadline_ns);

	for (int i = 0; i < n; i++)
		fds[i] = events[i].data.fd;
	errno = saved;
	return n > 0 ? n : 0;
}
