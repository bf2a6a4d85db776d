/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/poller.h"
#include "runtime/pool/pool.h"

#include <leat/atomic.h>

#include <poll.h>
#include <string.h>

void leat_poller_init(struct leat_poller *poller)
{
	leat_mutex_init(&poller->lock);
	poller->epoll_fd = poller->wake_fd = -1;
}

void leat_poller_fini(struct leat_poller *poller)
{
	if (poller->epoll_fd >= 0)
		leat_os_fd_close(poller->epoll_fd);
	if (poller->wake_fd >= 0)
		leat_os_flag_close(poller->wake_fd);
	leat_os_free(poller->table);
}

/* Caller holds poller->lock. 0 or -errno. */
static int open_epoll(struct leat_poller *poller)
{
	int wake_fd, epoll_fd, rc;

	if (poller->epoll_fd >= 0)
		return 0;
	wake_fd = leat_os_flag_open();
	if (wake_fd < 0)
		return wake_fd;
	epoll_fd = rc = leat_os_epoll_open();
	if (epoll_fd >= 0)
		rc = leat_os_epoll_add(epoll_fd, wake_fd, POLLIN, false);
	if (rc < 0) {
		leat_os_flag_close(wake_fd);
		if (epoll_fd >= 0)
			leat_os_fd_close(epoll_fd);
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

/* Caller holds poller->lock. Makes room for this descriptor. 0 or -ENOMEM. */
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

/*
 * Caller holds poller->lock. 0 or -errno. A duplicate is added, so that two jobs may wait for one
 * descriptor, and that a descriptor that the user closes and whose number comes back is not
 * mistaken for the old one.
 */
static int add_polled(struct leat_polled *polled, struct leat_poller *poller, int fd, short events)
{
	int rc = open_epoll(poller), copy;

	if (rc < 0)
		return rc;
	copy = leat_os_fd_duplicate(fd);
	if (copy < 0)
		return copy;
	rc = grow_table(poller, copy);
	if (rc == 0)
		rc = leat_os_epoll_add(poller->epoll_fd, copy, events, true);
	if (rc < 0) {
		leat_os_fd_close(copy);
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
	int rc;

	leat_mutex_lock(&poller->lock);
	rc = add_polled(polled, poller, fd, events);
	leat_mutex_unlock(&poller->lock);
	if (rc == 0)
		leat_pool_want_timekeeper(pool);
	return rc;
}

void leat_polled_remove(struct leat_polled *polled)
{
	struct leat_poller *poller = polled->poller;

	if (polled->fd < 0)
		return;
	leat_mutex_lock(&poller->lock);
	poller->table[polled->fd] = NULL;
	leat_store_rlx(&poller->count, leat_load_rlx(&poller->count) - 1); /* rlx: a hint */
	leat_os_epoll_remove(poller->epoll_fd, polled->fd);
	leat_os_fd_close(polled->fd);
	leat_mutex_unlock(&poller->lock);
	polled->fd = -1;
}

bool leat_poller_wanted(const struct leat_poller *poller)
{
	return leat_load_acq(&poller->count) > 0; /* P3: pairs with add_polled() */
}

void leat_poller_wait(struct leat_poller *poller, int64_t deadline_ns)
{
	int fds[LEAT_OS_EPOLL_MOST], n = leat_os_epoll_wait(poller->epoll_fd, fds, deadline_ns);
	/*
	 * wake_fd is for the timekeeper alone: another worker that cleared it would leave the
	 * timekeeper asleep
	 */
	bool timekeeper = deadline_ns != 0;

	leat_mutex_lock(&poller->lock);
	for (int i = 0; i < n; i++) {
		int fd = fds[i];

		if (fd == poller->wake_fd) {
			if (timekeeper)
				leat_os_flag_clear(fd);
		} else if (poller->table[fd] != NULL) {
			/*
			 * NULL: the job has just stopped waiting. A late event, for a job that has
			 * the number now, does no harm: the job rechecks.
			 */
			leat_job_wake(poller->table[fd]->job);
		}
	}
	leat_mutex_unlock(&poller->lock);
}
