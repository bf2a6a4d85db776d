/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "runtime/pool/poller.h"
#include "runtime/pool/pool.h"

#include <leat/atomic.h>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void leat_poller_init(struct leat_poller *poller)
{
	leat_mutex_init(&poller->lock);
	poller->epoll_fd = poller->wake_fd = -1;
}

void leat_poller_fini(struct leat_poller *poller)
{
	if (poller->epoll_fd >= 0)
		close(poller->epoll_fd);
	if (poller->wake_fd >= 0)
		close(poller->wake_fd);
	leat_os_free(poller->table);
}

/* Under the lock. 0 or -errno. */
static int open_epoll(struct leat_poller *poller)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = -1 };
	int wake_fd, epoll_fd, rc;

	if (poller->epoll_fd >= 0)
		return 0;
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0)
		return -errno;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) < 0) {
		rc = -errno;
		close(wake_fd);
		if (epoll_fd >= 0)
			close(epoll_fd);
		return rc;
	}
	poller->wake_fd = wake_fd;
	poller->epoll_fd = epoll_fd;
	return 0;
}

void leat_polled_init(struct leat_polled *polled, struct leat_job *job)
{
	polled->job = job;
	polled->fd = -1;
}

/* Under the lock: room for this descriptor. */
static int grow_table(struct leat_poller *poller, int fd)
{
	size_t size = poller->table_size > 0 ? poller->table_size : 64;
	struct leat_polled **table;

	if ((size_t)fd < poller->table_size)
		return 0;
	while (size <= (size_t)fd)
		size *= 2;
	table = leat_os_alloc(size * sizeof(table[0]), 0);
	if (table == NULL)
		return -ENOMEM;
	if (poller->table_size > 0)
		memcpy(table, poller->table, poller->table_size * sizeof(table[0]));
	leat_os_free(poller->table);
	poller->table = table;
	poller->table_size = size;
	return 0;
}

static uint32_t epoll_events_of(short events)
{
	return EPOLLONESHOT | (events & POLLIN ? EPOLLIN : 0u) |
	       (events & POLLOUT ? EPOLLOUT : 0u) | (events & POLLPRI ? EPOLLPRI : 0u);
}

/*
 * Under the lock. The duplicate keeps two jobs on one descriptor apart, and a closed one from being
 * another by its number.
 */
static int add_polled(struct leat_polled *polled, struct leat_poller *poller, int fd, short events)
{
	struct epoll_event event = { .events = epoll_events_of(events) };
	int rc = open_epoll(poller), copy;

	if (rc < 0)
		return rc;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	event.data.fd = copy;
	rc = grow_table(poller, copy);
	if (rc == 0 && epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, copy, &event) < 0)
		rc = -errno;
	if (rc < 0) {
		close(copy);
		return rc;
	}
	polled->poller = poller;
	polled->fd = copy;
	poller->table[copy] = polled;
	/* P3: descriptors open; pairs with leat_poller_wanted() */
	leat_store_rel(&poller->count, leat_load_rlx(&poller->count) + 1);
	return 0;
}

int leat_polled_add(struct leat_polled *polled, struct leat_pool *pool, int fd, short events)
{
	struct leat_poller *poller = leat_pool_poller(pool);
	int saved = errno, rc;

	leat_mutex_lock(&poller->lock);
	rc = add_polled(polled, poller, fd, events);
	leat_mutex_unlock(&poller->lock);
	errno = saved;
	if (rc == 0)
		leat_pool_want_timekeeper(pool);
	return rc;
}

void leat_polled_remove(struct leat_polled *polled)
{
	struct leat_poller *poller = polled->poller;
	int saved = errno;

	if (polled->fd < 0)
		return;
	leat_mutex_lock(&poller->lock);
	poller->table[polled->fd] = NULL;
	leat_store_rlx(&poller->count, leat_load_rlx(&poller->count) - 1); /* rlx: a hint */
	epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, polled->fd, NULL);
	close(polled->fd);
	leat_mutex_unlock(&poller->lock);
	polled->fd = -1;
	errno = saved;
}

bool leat_poller_wanted(const struct leat_poller *poller)
{
	return leat_load_acq(&poller->count) > 0; /* P3: pairs with add_polled() */
}

static int wait_for_events(const struct leat_poller *poller, struct epoll_event *events, int n,
                           int64_t deadline_ns)
{
	int64_t left_ns = deadline_ns == LEAT_NEVER ? 0 : deadline_ns - leat_now_ns();
	struct timespec left = { 0, 0 };
	int found;

	if (left_ns > 0)
		left = (struct timespec){ .tv_sec = left_ns / 1000000000,
			                  .tv_nsec = left_ns % 1000000000 };
	found = epoll_pwait2(poller->epoll_fd, events, n, deadline_ns == LEAT_NEVER ? NULL : &left,
	                     NULL);
	if (found >= 0 || errno != ENOSYS)
		return found;
	/* Linux before 5.11: milliseconds, rounded up */
	left_ns = (left_ns + 999999) / 1000000;
	return epoll_wait(poller->epoll_fd, events, n,
	                  deadline_ns == LEAT_NEVER ? -1
	                  : left_ns <= 0            ? 0
	                  : left_ns < INT_MAX       ? (int)left_ns
	                                            : INT_MAX);
}

void leat_poller_wait(struct leat_poller *poller, int64_t deadline_ns)
{
	enum { AT_ONCE = 64 };
	struct epoll_event events[AT_ONCE];
	int saved = errno, n = wait_for_events(poller, events, AT_ONCE, deadline_ns);
	/* wake_fd tells it alone: who took that news away would leave it asleep */
	bool timekeeper = deadline_ns != 0;
	uint64_t drained;

	leat_mutex_lock(&poller->lock);
	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		/* or it has just given up waiting; another's late event does no harm */
		if (fd >= 0 && poller->table[fd] != NULL)
			leat_job_wake(poller->table[fd]->job);
		else if (fd < 0 && timekeeper &&
		         read(poller->wake_fd, &drained, sizeof(drained)) < 0)
			drained = 0; /* it is empty already */
	}
	leat_mutex_unlock(&poller->lock);
	errno = saved;
}
