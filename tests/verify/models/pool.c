/*
 * Models of the pool: generators and sinks as steps, on one worker, sometimes two.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/pool/pool.h"
#include "runtime/registry/registry.h"

#include <leat/gen.h>

static struct leat_pool *pool;
static struct leat_scope *scope;
static uint32_t inside, finis;

/* Numbers from 1 to last, then what it ends with; where due is set, it waits for that once, before the first. */
struct numbers {
	uint64_t last, at;
	int64_t due_ns;
	int ends_with;
};

static int next(void *state, void *item)
{
	struct numbers *n = state;
	int rc;

	verify_that(leat_add_acqrel(&inside, 1) == 0); /* one turn at a time, each happening before the next */
	rc = n->due_ns != 0 ? leat_after(n->due_ns) : 0;
	if (rc == 0) {
		rc = n->at < n->last ? 1 : n->ends_with;
		*(uint64_t *)item = n->at += rc == 1;
	}
	leat_add_acqrel(&inside, UINT32_MAX);
	return rc;
}

static void fini(void *state)
{
	(void)state;
	leat_add_acqrel(&finis, 1);
}

static void open_pool(unsigned workers, bool workers_only)
{
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = workers, .workers_only = workers_only });
	scope = leat_scope_open(NULL, NULL);
	verify_that(pool != NULL && scope != NULL);
}

static void close_pool(int scope_result)
{
	verify_that(leat_scope_close(scope) == scope_result);
	verify_that(leat_pool_close(pool) == 0);
	verify_that(leat_registry_size() == 0);
}

static struct leat_gen_opts on_pool(enum leat_kind kind, size_t capacity)
{
	return (struct leat_gen_opts){ .pool = pool, .chan = { .kind = kind, .capacity = capacity, .recv_wait = LEAT_WAIT_PARK } };
}

static struct leat_rx *start(enum leat_kind kind, size_t capacity, struct numbers *n)
{
	struct leat_gen_opts opts = on_pool(kind, capacity);
	struct leat_rx *rx;

	verify_that(leat_gen_seq(scope, (struct leat_seq){ next, fini, n, sizeof(uint64_t) }, &opts, &rx) == 0);
	return rx;
}

static void receive_all(struct leat_rx *rx, uint64_t last)
{
	uint64_t item;

	for (uint64_t i = 1; i <= last; i++)
		verify_that(leat_recv(rx, &item) == 1 && item == i);
	verify_that(leat_recv(rx, &item) == 0);
	verify_that(leat_load_rlx(&finis) == 1);
}

/* Spawn against the last worker parking; a receiver that runs it itself, or takes it from the queue, or parks. */
static void receive_from(enum leat_kind kind, unsigned workers, bool workers_only, size_t capacity, uint64_t last)
{
	static struct numbers n;
	struct leat_rx *rx;

	open_pool(workers, workers_only);
	n.last = last;
	rx = start(kind, capacity, &n);
	receive_all(rx, last);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_receive, .what = "spawn_against_last_worker_parking: it runs on the worker or in the receive; then the pool is closed",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, false, 1, 1);
}

MODEL(pool_receive_full, .what = "the same, with items that fill the channel", .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, false, 1, 3);
}

MODEL(pool_receive_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, true, 1, 2);
}

MODEL(pool_receive_two_workers, .what = "the same, with two workers", .preemptions = 1, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 2, false, 1, 1);
}

MODEL(pool_receive_turns, .what = "the same on an ordinary channel", .preemptions = 1, .stale = 1, .quick = 1)
{
	receive_from(LEAT_MPMC, 1, false, 1, 2);
}

MODEL(pool_receive_turns_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 1, .stale = 1, .quick = 1)
{
	receive_from(LEAT_MPMC, 1, true, 1, 2);
}

/* A time to wait for, set by whoever runs the step: there must be a keeper for it. */
static void receive_later(enum leat_kind kind)
{
	static struct numbers n;
	struct leat_rx *rx;

	verify_instant(40000000);
	open_pool(1, false);
	n.last = 1;
	n.due_ns = 40000000;
	rx = start(kind, 1, &n);
	receive_all(rx, 1);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_timer, .what = "a step that waits for a time is called again, whoever asked for it, also as the worker goes to sleep",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_later(LEAT_SPSC);
}

MODEL(pool_timer_turns, .what = "the same on an ordinary channel", .preemptions = 1, .stale = 1, .quick = 1)
{
	receive_later(LEAT_MPMC);
}
