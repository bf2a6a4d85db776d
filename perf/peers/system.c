/*
 * perf/peers/system.c: what one has without any library: a mutex and two condition variables around an array; a pipe.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/peer.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

struct condvars {
	pthread_mutex_t mutex;
	pthread_cond_t not_full, not_empty;
	size_t capacity, count, first, end;
	struct item *items;
};

static inline struct condvars *condvars_open(const struct shape *shape)
{
	struct condvars *p = bench_alloc(sizeof(*p));

	p->items = bench_alloc(shape->capacity * sizeof(struct item));
	p->capacity = shape->capacity;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->not_full, NULL);
	pthread_cond_init(&p->not_empty, NULL);
	return p;
}

static inline void condvars_close(struct condvars *p)
{
	pthread_cond_destroy(&p->not_empty);
	pthread_cond_destroy(&p->not_full);
	pthread_mutex_destroy(&p->mutex);
	free(p->items);
	free(p);
}

/* An item can be taken by one thread alone. */
static inline void condvars_notify(pthread_cond_t *cond, size_t n)
{
	if (n == 1)
		pthread_cond_signal(cond);
	else
		pthread_cond_broadcast(cond);
}

/* As many as there is room for under one lock. */
static inline void condvars_send_n(struct condvars *p, const struct item *items, size_t n)
{
	for (size_t done = 0; done < n;) {
		pthread_mutex_lock(&p->mutex);
		while (p->count == p->capacity)
			pthread_cond_wait(&p->not_full, &p->mutex);
		for (; done < n && p->count < p->capacity; done++, p->count++) {
			p->items[p->end] = items[done];
			if (++p->end == p->capacity)
				p->end = 0;
		}
		pthread_mutex_unlock(&p->mutex);
		condvars_notify(&p->not_empty, n);
	}
}

static inline size_t condvars_recv_n(struct condvars *p, struct item *items, size_t most)
{
	size_t got = 0;

	pthread_mutex_lock(&p->mutex);
	while (p->count == 0)
		pthread_cond_wait(&p->not_empty, &p->mutex);
	for (; got < most && p->count > 0; got++, p->count--) {
		items[got] = p->items[p->first];
		if (++p->first == p->capacity)
			p->first = 0;
	}
	pthread_mutex_unlock(&p->mutex);
	condvars_notify(&p->not_full, most);
	return got;
}

ONE_SIDE(condvars)
BLOCKING(condvars, condvars_send_n(p, item, 1), condvars_recv_n(p, item, 1))

#define PIPE condvars
#define PIPE_NAME "mutex and condvars"
#define PIPE_KINDS ANY_KIND
#define PIPE_HAS HAS_BLOCKING + HAS_BLOCKING_BATCH
#include "perf/loops.h"

/* A pipe's capacity is in bytes, and at least a page. */
struct kernel_pipe {
	int fd[2];
};

static inline struct kernel_pipe *kernel_pipe_open(const struct shape *shape)
{
	struct kernel_pipe *p = bench_alloc(sizeof(*p));

	if (pipe2(p->fd, O_CLOEXEC) != 0)
		bench_fail("cannot make a pipe");
	(void)!fcntl(p->fd[1], F_SETPIPE_SZ, (int)(shape->capacity * sizeof(struct item))); /* or as large as it is */
	return p;
}

static inline void kernel_pipe_close(struct kernel_pipe *p)
{
	close(p->fd[0]);
	close(p->fd[1]);
	free(p);
}

/* Pages hold whole items, so whatever the kernel takes or gives at once are whole items too. */
static inline void kernel_pipe_send_n(struct kernel_pipe *p, const struct item *items, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t wrote = write(p->fd[1], items + done, (n - done) * sizeof(*items));

		if (wrote <= 0 || (size_t)wrote % sizeof(*items) != 0)
			bench_fail("a pipe's write failed");
		done += (size_t)wrote / sizeof(*items);
	}
}

static inline size_t kernel_pipe_recv_n(struct kernel_pipe *p, struct item *items, size_t most)
{
	ssize_t got = read(p->fd[0], items, most * sizeof(*items));

	if (got <= 0 || (size_t)got % sizeof(*items) != 0)
		bench_fail("a pipe's read failed");
	return (size_t)got / sizeof(*items);
}

ONE_SIDE(kernel_pipe)
BLOCKING(kernel_pipe, kernel_pipe_send_n(p, item, 1), kernel_pipe_recv_n(p, item, 1))

#define PIPE kernel_pipe
#define PIPE_NAME "pipe"
#define PIPE_KINDS ANY_KIND
#define PIPE_HAS HAS_BLOCKING + HAS_BLOCKING_BATCH
#include "perf/loops.h"

PEER(system, &condvars_contestant, &kernel_pipe_contestant)
