/*
 * Models of a step on a pool that waits for a permit of a semaphore.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

#include "runtime/pace/sem.h"

#include <leat/pace.h>

static struct leat_sem *sem;

/* Makes one item for all permits, which it gives back. */
static int next_with_permit(void *state, void *item)
{
	struct numbers *n = state;
	int rc;

	if (n->at == n->last)
		return 0;
	rc = leat_sem_after(sem, sem->permits);
	verify_that(rc == 0 || rc == LEAT_READY);
	if (rc != 0)
		return rc;
	*(uint64_t *)item = ++n->at;
	verify_that(leat_sem_release(sem, sem->permits) == 0);
	return 1;
}

static void releases(void *arg)
{
	(void)arg;
	verify_that(leat_sem_release(sem, 1) == 0);
}

static struct leat_rx *start_with_permit(enum leat_kind kind, struct numbers *n, uint32_t permits)
{
	struct leat_seq seq = { next_with_permit, fini, n, sizeof(uint64_t) };
	struct leat_gen_opts opts = on_pool(kind, 1);
	struct leat_rx *rx;

	sem = leat_sem_open(permits);
	verify_that(leat_sem_try(sem, 1) == 0);
	verify_that(leat_gen_seq(scope, seq, &opts, &rx) == 0);
	return rx;
}

static void close_all(struct leat_rx *rx)
{
	leat_rx_close(rx);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(sem->there == 1);
	verify_that(leat_sem_close(sem) == 0);
	close_pool(0);
}

static void permit_for_step(enum leat_kind kind)
{
	struct numbers n = { .last = 1 };
	struct leat_rx *rx;

	open_pool(1, false);
	rx = start_with_permit(kind, &n, 1);
	verify_spawn(releases, NULL, "releaser");
	receive_all(rx, 1);
	verify_join();
	close_all(rx);
}

MODEL(pool_sem_step, .what = "a step that waits for a permit is called again when it has one",
      .preemptions = 1, .stale = 1, .quick = 1, .quick_both = 1)
{
	permit_for_step(LEAT_SPSC);
}

MODEL(pool_sem_step_turns, .what = "the same into an ordinary channel", .preemptions = 1,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	permit_for_step(LEAT_MPMC);
}

static void permit_for_none(enum leat_kind kind)
{
	struct numbers n = { .last = 1 };
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	open_pool(1, false);
	rx = start_with_permit(kind, &n, 1);
	rc = leat_try_recv(rx, &item);
	verify_that(rc == -EAGAIN || rc == 1);
	verify_spawn(releases, NULL, "releaser");
	cancels(NULL);
	verify_join();
	close_all(rx);
}

MODEL(pool_sem_step_canceled,
      .what = "a cancel in the moment in which a step is granted a permit: the permit is there",
      .preemptions = 1, .stale = 1, .quick = 1, .quick_both = 1,
      .idle_ns = POLLED_TWICE_NS + TICK_NS)
{
	permit_for_none(LEAT_SPSC);
}

MODEL(pool_sem_step_canceled_turns, .what = "the same into an ordinary channel", .preemptions = 1,
      .stale = 1, .quick = 1, .quick_both = 2, .idle_ns = POLLED_TWICE_NS + TICK_NS)
{
	permit_for_none(LEAT_MPMC);
}

static void waits_behind(void *arg)
{
	(void)arg;
	verify_that(leat_sem_acquire(sem, 1, NULL, LEAT_NEVER) == 0);
	verify_that(leat_sem_release(sem, 1) == 0);
}

MODEL(pool_sem_step_in_front,
      .what = "a step that waits for more permits than there are ends: the thread behind it goes "
              "on",
      .preemptions = 1, .stale = 1, .quick = 1, .quick_both = 1,
      .idle_ns = POLLED_TWICE_NS + TICK_NS)
{
	struct numbers n = { .last = 1 };
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, false);
	rx = start_with_permit(LEAT_SPSC, &n, 2);
	verify_that(leat_try_recv(rx, &item) == -EAGAIN);
	verify_spawn(waits_behind, NULL, "behind");
	cancels(NULL);
	verify_join();
	close_all(rx);
}
