/*
 * runtime/pool/poller.h: jobs that wait for descriptors. Whichever worker keeps the pool's time
 * sleeps in epoll_wait(2).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_POOL_POLLER_H
#define LEAT_RUNTIME_POOL_POLLER_H

#include "runtime/pool/job.h"

/*
 * One descriptor that one job waits for, or none. The job's, but for what the poller's table says
 * of it.
 */
struct leat_polled {
	struct leat_job *job;
	struct leat_poller *poller;
	int fd; /* a duplicate of the caller's; -1: none */
};

struct leat_poller {
	struct leat_mutex lock;     /* guards the table */
	struct leat_polled **table; /* by descriptor */
	size_t table_size;
	uint32_t count;        /* of those in it; read by workers */
	int epoll_fd, wake_fd; /* -1 before the first */
};

void leat_poller_init(struct leat_poller *poller);
void leat_poller_fini(struct leat_poller *poller);

/* Any job waits. */
bool leat_poller_wanted(const struct leat_poller *poller);
/*
 * The timekeeper sleeps until a descriptor is ready, wake_fd is written to, or the deadline; 0:
 * anybody looks. Wakes the jobs.
 */
void leat_poller_wait(struct leat_poller *poller, int64_t deadline_ns);

void leat_polled_init(struct leat_polled *polled, struct leat_job *job);
/* 0 or -errno. The job is woken when the descriptor has any of the events, once. */
int leat_polled_add(struct leat_polled *polled, struct leat_pool *pool, int fd, short events);
/* The job is not woken any more. */
void leat_polled_remove(struct leat_polled *polled);

#endif
