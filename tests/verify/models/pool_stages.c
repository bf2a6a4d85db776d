/*
 * Models of the pool: stages, sinks and merges.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

#include <leat/merge.h>

#include <poll.h>

/* A stage on a stage: the one stands at the other's channel. */
static void pass_fini(void *state)
{
	struct leat_seq *from = state;

	from->fini(from->state);
	leat_add_acqrel(&finis, 1);
}

static void stages(enum leat_kind first, enum leat_kind second, bool workers_only, bool cancelled)
{
	static struct numbers n;
	static struct leat_seq from;
	struct leat_gen_opts opts;
	struct leat_rx *rx;
	uint64_t item, at = 0;
	int rc;

	open_pool(1, workers_only);
	n.last = 2;
	from = leat_seq_from_rx(start(first, 1, &n));
	opts = (struct leat_gen_opts){ .pool = pool, .chan = { .kind = second, .capacity = 1 } };
	verify_that(leat_gen_seq(scope, (struct leat_seq){ pass, pass_fini, &from, sizeof(item) },
	                         &opts, &rx) == 0);
	if (cancelled)
		verify_spawn(cancels, NULL, "canceller");
	while ((rc = leat_recv(rx, &item)) == 1)
		verify_that(item == ++at);
	verify_that((rc == 0 && at == 2) || (rc == -ECANCELED && cancelled));
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 2);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_stages, .what = "a stage that receives from another, and parks where that has nothing",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	stages(LEAT_SPSC, LEAT_SPSC, false, false);
}

MODEL(pool_stages_workers_only, .what = "the same, where only the worker runs steps",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	stages(LEAT_SPSC, LEAT_SPSC, true, false);
}

MODEL(pool_stages_canceled, .what = "the same against a cancel", .preemptions = 1, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	stages(LEAT_SPSC, LEAT_SPSC, false, true);
}

MODEL(pool_stages_turns, .what = "the same from an ordinary channel", .preemptions = 1, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	stages(LEAT_MPMC, LEAT_SPSC, false, false);
}

MODEL(pool_stages_into_turns, .what = "the same into an ordinary channel", .preemptions = 1,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	stages(LEAT_SPSC, LEAT_MPMC, true, false);
}

/* Sinks, on the pool and on a thread. */
static void drains(bool on_a_pool, bool cancelled, uint64_t enough)
{
	static struct numbers n;
	static uint64_t most;
	struct leat_gen_opts opts = { 0 };
	struct leat_rx *rx;
	int rc;

	open_pool(1, false);
	n.last = 2;
	most = enough;
	rx = start(LEAT_SPSC, 1, &n);
	opts.pool = on_a_pool ? pool : NULL;
	if (cancelled)
		verify_spawn(cancels, NULL, "canceller");
	rc = leat_gen_sink(scope, rx, (struct leat_sink){ put, fini, &most }, &opts);
	verify_that(rc == 0 || (rc == -ECANCELED && cancelled));
	if (rc < 0)
		leat_rx_close(rx);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == (rc == 0 ? 2 : 1));
	verify_that(cancelled || put_last == (enough != 0 ? enough : 2));
	verify_join();
	close_pool(0);
}

MODEL(pool_sink, .what = "a sink on the pool takes all", .preemptions = 2, .stale = 1, .quick = 1)
{
	drains(true, false, 0);
}

MODEL(pool_sink_enough, .what = "a sink on the pool that has had enough stops what feeds it",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	drains(true, false, 1);
}

MODEL(pool_sink_canceled, .what = "a sink on the pool against a cancel", .preemptions = 1,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	drains(true, true, 0);
}

MODEL(pool_sink_on_thread, .what = "a sink on a thread takes all from a generator on the pool",
      .preemptions = 1, .stale = 1, .quick = 1)
{
	drains(false, false, 0);
}

MODEL(pool_sink_on_thread_canceled, .what = "the same against a cancel", .preemptions = 1,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	drains(false, true, 0);
}

/* A sink that was told of an item and cancelled: who waits behind it must be told. */
static void receives_one(void *arg)
{
	uint64_t item;

	verify_that(leat_recv((struct leat_rx *)arg, &item) == 1);
	leat_rx_close(arg);
}

static void sink_passes_on(bool on_a_pool)
{
	struct leat_chan_opts chan = { .kind = LEAT_SPMC,
		                       .capacity = 1,
		                       .recv_wait = LEAT_WAIT_PARK };
	static uint64_t most, item = 1;
	struct leat_gen_opts opts = { 0 };
	struct leat_scope *outer;
	struct leat_rx *rx, *clone;
	struct leat_tx *tx;

	if (on_a_pool)
		open_pool(1, true);
	else
		scope = leat_scope_open(NULL, NULL);
	outer = leat_scope_open(NULL, NULL);
	opts.pool = pool;
	verify_that(leat_chan_open(outer, sizeof(item), &chan, &tx, &rx) == 0);
	clone = leat_rx_clone(rx);
	verify_that(leat_gen_sink(scope, rx, (struct leat_sink){ put, fini, &most }, &opts) == 0);
	while (!(leat_load_rlx(&tx->chan->ctl) & LEAT_CTL_RX_PARKED))
		leat_pause();
	verify_spawn(receives_one, clone, "receiver");
	verify_that(leat_send(tx, &item) == 0);
	leat_scope_cancel(scope, 0, "enough");
	verify_that(leat_scope_join(scope) == 0);
	item = 2;
	if (put_last == 1)
		verify_that(leat_send(tx, &item) == 0);
	verify_join();
	leat_tx_close(tx);
	verify_that(leat_scope_close(outer) == 0);
	close_pool(0);
}

MODEL(pool_sink_passes_on,
      .what = "a sink on the pool, told and cancelled: the other receiver gets the item",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	sink_passes_on(true);
}

MODEL(pool_sink_on_thread_passes_on, .what = "the same on a thread", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	sink_passes_on(false);
}

/*
 * It waits for an item with one worker, and is told by another thread: its next turn may be the
 * other worker's.
 */
MODEL(pool_sink_of_two_workers, .what = "a sink on a pool of two workers waits for a plain channel",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	struct leat_chan_opts opts = { .kind = LEAT_SPSC, .capacity = 1 };
	static uint64_t most;
	struct leat_rx *rx;
	struct leat_tx *tx;
	uint64_t item = 1;

	open_pool(2, false);
	verify_that(leat_chan_open(scope, sizeof(item), &opts, &tx, &rx) == 0);
	verify_that(leat_gen_sink(scope, rx, (struct leat_sink){ put, fini, &most },
	                          &(struct leat_gen_opts){ .pool = pool }) == 0);
	verify_that(leat_send(tx, &item) == 0);
	leat_tx_close(tx);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(put_last == 1 && leat_load_rlx(&finis) == 1);
	close_pool(0);
}

/* One place to wait at: who was told by a function comes back to it while it may still be told. */
static void merge_all(bool workers_only)
{
	struct numbers n = { .last = 2 };
	struct leat_merge *merge;
	uint64_t item, expected = 0;
	void *tag;
	int rc;

	finis = 0;
	open_pool(1, workers_only);
	merge = leat_merge_open(sizeof(uint64_t));
	verify_that(merge != NULL);
	verify_that(leat_merge_add(merge, start(LEAT_SPSC, 1, &n), NULL) == 0);
	while ((rc = leat_merge_recv(merge, &item, &tag)) == 1)
		verify_that(item == ++expected);
	verify_that(rc == 0 && expected == 2);
	leat_merge_close(merge);
	close_pool(0);
}

MODEL(pool_merge, .what = "a merge's lane, told and armed again against turns", .preemptions = 1,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	merge_all(false);
}

MODEL(pool_merge_workers_only, .what = "the same, where only the worker runs steps",
      .preemptions = 1, .stale = 1, .quick = 1, .quick_both = 1)
{
	merge_all(true);
}

/* As need_second() of pool_receive.c: merging without a wait has that need, too. */
static void merge_second(int64_t deadline_ns)
{
	static struct numbers n = { .last = 2 };
	struct leat_merge *merge;
	uint64_t item;
	int rc;

	open_pool(1, false);
	merge = leat_merge_open(sizeof(item));
	verify_that(leat_merge_add(merge, start(LEAT_SPSC, 1, &n), NULL) == 0);
	verify_that(leat_merge_recv(merge, &item, NULL) == 1 && item == 1);
	while ((rc = leat_merge_recv_until(merge, &item, NULL, deadline_ns)) == -ETIMEDOUT)
		leat_pause();
	verify_that(rc == 1 && item == 2);
	leat_merge_close(merge);
	close_pool(0);
}

MODEL(pool_merge_try, .what = "merging without ever waiting has a worker run the generator",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	merge_second(0);
}

MODEL(pool_merge_late, .what = "the same whose time has passed", .preemptions = 2, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	merge_second(VERIFY_START_NS);
}

/* Asleep in poll(2): who runs them is a worker. */
static void merge_in_a_loop(bool workers_only)
{
	static struct numbers n = { .last = 2 };
	struct pollfd polled = { .events = POLLIN };
	struct leat_merge *merge;
	uint64_t item, expected = 0;
	int rc;

	open_pool(1, workers_only);
	merge = leat_merge_open(sizeof(item));
	polled.fd = leat_merge_fd(merge);
	verify_that(leat_merge_add(merge, start(LEAT_SPSC, 1, &n), NULL) == 0);
	while ((rc = leat_merge_recv_until(merge, &item, NULL, 0)) != 0)
		if (rc == 1)
			verify_that(item == ++expected);
		else if (leat_merge_arm(merge) == 0)
			verify_that(leat_os_poll(&polled, 1, LEAT_NEVER) == 1);
	verify_that(expected == 2);
	leat_merge_close(merge);
	close_pool(0);
}

MODEL(pool_merge_fd, .what = "a merge's descriptor, armed against turns, to the end",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	merge_in_a_loop(false);
}

MODEL(pool_merge_fd_workers_only, .what = "the same, where only the worker runs steps",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	merge_in_a_loop(true);
}
