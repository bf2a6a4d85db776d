/*
 * tests/verify/models/pool.h: what the models of the pool are made of: generators and sinks as
 * steps, on one worker, sometimes two.
 *
 *     pool_receive.c  turns and receives: room, needs, descriptors, two receivers
 *     pool_end.c      closes, cancels, failures, joins
 *     pool_start.c    starting: gen_sets, new ones that nobody receives from, a scope's next pool,
 *                     faults
 *     pool_workers.c  what workers do besides: timers, descriptors, stealing
 *     pool_stages.c   stages, sinks and merges
 *     news.c          what a source waits for without a descriptor
 *     gen.c           stages and sinks, on pools and threads, where features meet
 *
 * Each of these files has its own copy of all that stands here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_VERIFY_MODELS_POOL_H
#define LEAT_TESTS_VERIFY_MODELS_POOL_H

#include "tests/verify/verify.h"

#include "runtime/chan/chan.h"
#include "runtime/pool/pool.h"
#include "runtime/registry/registry.h"

#include <leat/gen.h>

static struct leat_pool *pool;
static struct leat_scope *scope;
static uint32_t finis;
static bool why; /* plain memory, written before a cancel or a close */

/*
 * How late a new job may be that its starter is likely to run itself: a worker polls for such,
 * sleeps POLL_NS (runtime/pool/pool.c) between two polls, and runs one that it has seen twice.
 */
enum { POLLED_TWICE_NS = 2 * 200000 };

/* How late a time may be noticed: the wheel rounds it up to its next tick. */
enum { TICK_NS = 1 << 14 };

/*
 * Numbers from 1 to last, then what it ends with; where due is set, it waits for that once, before
 * the first.
 */
struct numbers {
	uint64_t last, at;
	int64_t due_ns;
	int ends_with;
	bool knows_why; /* if it has to stop early */
	uint32_t inside;
};

static inline int next(void *state, void *item)
{
	struct numbers *n = state;
	int rc;

	/* one turn at a time, each happening before the next */
	verify_that(leat_add_acqrel(&n->inside, 1) == 0);
	rc = n->due_ns != 0 ? leat_after(n->due_ns) : 0;
	if (rc == 0) {
		rc = n->at < n->last ? 1 : n->ends_with;
		*(uint64_t *)item = n->at += rc == 1;
	}
	leat_add_acqrel(&n->inside, UINT32_MAX);
	return rc;
}

static inline void fini(void *state)
{
	(void)state;
	leat_add_acqrel(&finis, 1);
}

/* What was done before whatever stopped it has happened before this. */
static inline void fini_knows(void *state)
{
	const struct numbers *n = state;

	verify_that(n->at == n->last || why);
	fini(state);
}

static inline void discards(void *item, void *arg)
{
	(void)arg;
	verify_that(*(const uint64_t *)item != 0);
}

static inline void open_pool(unsigned workers, bool workers_only)
{
	pool = leat_pool_open(
		&(struct leat_pool_opts){ .workers = workers, .workers_only = workers_only });
	scope = leat_scope_open(NULL, NULL);
	verify_that(pool != NULL && scope != NULL);
}

static inline void close_pool(int scope_result)
{
	verify_that(leat_scope_close(scope) == scope_result);
	verify_that(leat_pool_close(pool) == 0);
	verify_that(leat_registry_size() == 0);
}

static inline struct leat_gen_opts on_pool(enum leat_kind kind, size_t capacity)
{
	return (struct leat_gen_opts){ .pool = pool,
		                       .chan = { .kind = kind,
		                                 .capacity = capacity,
		                                 .recv_wait = LEAT_WAIT_PARK,
		                                 .discard = discards } };
}

static inline struct leat_rx *start(enum leat_kind kind, size_t capacity, struct numbers *n)
{
	struct leat_seq seq = { next, n->knows_why ? fini_knows : fini, n, sizeof(uint64_t) };
	struct leat_gen_opts opts = on_pool(kind, capacity);
	struct leat_rx *rx;

	verify_that(leat_gen_seq(scope, seq, &opts, &rx) == 0);
	return rx;
}

static inline void receive_all(struct leat_rx *rx, uint64_t last)
{
	uint64_t item;

	for (uint64_t i = 1; i <= last; i++)
		verify_that(leat_recv(rx, &item) == 1 && item == i);
	verify_that(leat_recv(rx, &item) == 0);
	verify_that(leat_load_rlx(&finis) == 1);
}

/* Stops everything from outside. */
static inline void cancels(void *arg)
{
	(void)arg;
	why = true;
	leat_scope_cancel(scope, 0, "enough");
}

/* A receiver that another thread closes. */
static struct leat_rx *left;

static inline void closes_receiver(void *arg)
{
	(void)arg;
	leat_rx_close(left);
}

/* A thread that receives to the end; how often item n came stands in byte n. */
static uint32_t received;

static inline void receives(void *arg)
{
	struct leat_rx *rx = arg;
	uint64_t item;

	while (leat_recv(rx, &item) == 1)
		leat_add_rlx(&received, 1u << (8 * item));
	leat_rx_close(rx);
}

/* A stage that hands on what it receives. */
static inline int pass(void *state, void *item)
{
	struct leat_seq *from = state;

	return from->next(from->state, item);
}

/* A sink that has had enough after as many as its state says. */
static uint64_t put_last;

static inline int put(void *state, const void *item)
{
	verify_that(*(const uint64_t *)item == ++put_last);
	return put_last == *(uint64_t *)state;
}

/* Told to who waits until so many have had their turns. */
static uint32_t turns;

static inline void had_turn(void)
{
	leat_add_acqrel(&turns, 1);
	leat_os_futex_wake(&turns, 2);
}

#endif
