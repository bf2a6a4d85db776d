/*
 * runtime/pool/poller.h: jobs that wait for descriptors. The worker that is the timekeeper sleeps
 * in epoll_wait(2), while any job does.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_POLLER_H
#define LEAT_RUNTIME_POOL_POLLER_H

#include "runtime/pool/job.h"

/*
 * One descriptor that one job waits for, or none. It belongs to the job; the poller's table points
 * at it, guarded by the poller's lock.
 */
struct leat_polled {
	struct leat_job *job;
	struct leat_poller *poller;
	int fd; /* a duplicate of the caller's; -1: none */
};

struct leat_poller {
	struct leat_mutex lock;     /* guards the table, and opening */
	struct leat_polled **table; /* by descriptor */
	size_t table_size;
	uint32_t count;        /* of descriptors in the table; workers load it */
	int epoll_fd, wake_fd; /* -1 before the first descriptor */
};

void leat_poller_init(struct leat_poller *poller);
void leat_poller_fini(struct leat_poller *poller);

/* Whether any job waits for a descriptor. */
bool leat_poller_wanted(const struct leat_poller *poller);
/*
 * Wakes the jobs whose descriptors are ready. The timekeeper sleeps until one is, until wake_fd is
 * raised, or until the deadline. Any worker may call this with deadline 0, and does not sleep.
 */
void leat_poller_wait(struct leat_poller *poller, int64_t deadline_ns);

void leat_polled_init(struct leat_polled *polled, struct leat_job *job);
/* 0 or -errno. When the descriptor has any of the events, the job is woken, once. */
int leat_polled_add(struct leat_polled *polled, struct leat_pool *pool, int fd, short events);
/* The job is not woken for the descriptor any more. */
void leat_polled_remove(struct leat_polled *polled);

#endif
