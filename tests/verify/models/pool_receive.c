/*
 * Models of the pool: turns and receives. Spawns against workers that park, room, what a receiver's
 * need and its descriptor tell of, and two receivers of one generator.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

#include <leat/select.h>

#include <poll.h>

/*
 * Spawn against the last worker parking; a receiver that runs it itself, or takes it from the
 * queue, or parks.
 */
static void receive_from(enum leat_kind kind, unsigned workers, bool workers_only, size_t capacity,
                         uint64_t last)
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

MODEL(pool_receive,
      .what = "spawn_against_last_worker_parking: it runs on the worker or in the receive; then "
              "the pool is closed",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, false, 1, 1);
}

MODEL(pool_receive_full, .what = "the same, with items that fill the channel", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, false, 1, 3);
}

MODEL(pool_receive_workers_only, .what = "the same, where only the worker runs steps",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, true, 1, 2);
}

MODEL(pool_receive_end, .what = "the same, where the end comes with the last item",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, true, 2, 1);
}

MODEL(pool_receive_fenced, .what = "the same without membarrier: who publishes pays",
      .preemptions = 2, .stale = 1, .quick = 1, .no_membarrier = true)
{
	receive_from(LEAT_SPSC, 1, true, 1, 1);
}

MODEL(pool_receive_fenced_two, .what = "the same, two items", .preemptions = 2, .stale = 2,
      .quick = 1, .no_membarrier = true, .quick_both = 1)
{
	receive_from(LEAT_SPSC, 1, true, 1, 2);
}

MODEL(pool_receive_two_workers, .what = "the same, with two workers", .preemptions = 1, .stale = 1,
      .quick = 1)
{
	receive_from(LEAT_SPSC, 2, false, 1, 1);
}

MODEL(pool_receive_turns, .what = "the same on an ordinary channel", .preemptions = 1, .stale = 1,
      .quick = 1)
{
	receive_from(LEAT_MPMC, 1, false, 1, 2);
}

MODEL(pool_receive_turns_workers_only, .what = "the same, where only the worker runs steps",
      .preemptions = 1, .stale = 1, .quick = 1, .quick_both = 1)
{
	receive_from(LEAT_MPMC, 1, true, 1, 2);
}

/* The receiver's one place: who was told just as its time was over stands there again. */
MODEL(pool_receive_late, .what = "a deadline against the news, then a wait at the same place",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	static struct numbers n = { .last = 2 };
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	verify_instant(2000);
	open_pool(1, true);
	rx = start(LEAT_SPSC, 1, &n);
	rc = leat_recv_until(rx, &item, 2000);
	verify_that(rc == 1 || rc == -ETIMEDOUT);
	if (rc == -ETIMEDOUT)
		rc = leat_recv(rx, &item);
	verify_that(rc == 1 && item == 1);
	verify_that(leat_recv(rx, &item) == 1 && item == 2);
	leat_rx_close(rx);
	close_pool(0);
}

/* A worker goes on as soon as there is room: nobody receives any more, and the end comes. */
MODEL(pool_room, .what = "room is told to a worker that is about to park", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	static struct numbers n = { .last = 1 };
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, true);
	rx = start(LEAT_SPSC, 1, &n);
	verify_that(leat_recv(rx, &item) == 1 && item == 1);
	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_status, .what = "a receiver that asks how it ended, and never waits", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	static struct numbers n = { .ends_with = -EIO };
	enum leat_cause cause;
	struct leat_rx *rx;
	int rc, code;

	open_pool(1, true);
	rx = start(LEAT_SPSC, 1, &n);
	rc = leat_rx_status(rx, &cause, &code, NULL);
	verify_that(rc == -EAGAIN || (rc == 0 && cause == LEAT_FAILED && code == -EIO));
	verify_that(leat_scope_join(scope) == -EIO);
	leat_rx_close(rx);
	close_pool(-EIO);
}

MODEL(pool_extra,
      .what = "a receiver's descriptor, whose memory the generator shares, against the first turn",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n;
	struct leat_gen_opts opts;
	struct leat_rx *rx;

	open_pool(1, true);
	opts = (struct leat_gen_opts){ .pool = pool, .chan = { .capacity = 1 } };
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(uint64_t) },
	                         &opts, &rx) == 0);
	verify_that(leat_rx_fd(rx) >= 0);
	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
	close_pool(0);
}

/* Who tells is done with the watch before that is freed. */
MODEL(pool_armed_close, .what = "a close of an armed receiver, against the first item",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n = { .last = 1 };
	struct leat_rx *rx;

	open_pool(1, true);
	rx = start(LEAT_SPSC, 1, &n);
	verify_that(leat_rx_fd(rx) >= 0);
	verify_that(leat_rx_arm(rx) >= 0);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_armed_then_receives,
      .what = "armed, then a receive that waits in its place; then armed again", .preemptions = 2,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	static struct numbers n = { .last = 2 };
	struct pollfd polled = { .events = POLLIN };
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	open_pool(1, true);
	rx = start(LEAT_SPSC, 1, &n);
	polled.fd = leat_rx_fd(rx);
	verify_that(leat_rx_arm(rx) >= 0);
	verify_that(leat_recv(rx, &item) == 1 && item == 1);
	while ((rc = leat_try_recv(rx, &item)) == -EAGAIN)
		if (leat_rx_arm(rx) == 0)
			verify_that(leat_os_poll(&polled, 1, LEAT_NEVER) == 1);
	verify_that(rc == 1 && item == 2);
	leat_rx_close(rx);
	close_pool(0);
}

/*
 * A generator of short steps waits, after its first turn on a worker, for its receiver's need: each
 * way to have that need must tell of it. NULL: by arming.
 */
static int receive_or_wait(struct leat_rx *rx, uint64_t *item)
{
	return leat_recv(rx, item);
}

static int receive_now(struct leat_rx *rx, uint64_t *item)
{
	return leat_try_recv(rx, item);
}

static int receive_in_vain(struct leat_rx *rx, uint64_t *item)
{
	int rc = leat_recv_until(rx, item, VERIFY_START_NS);

	return rc == -ETIMEDOUT ? -EAGAIN : rc;
}

static void sleep_armed(struct leat_rx *rx, int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	while (leat_rx_arm(rx) == 0)
		verify_that(leat_os_poll(&polled, 1, LEAT_NEVER) == 1);
}

static void need_second(int (*receive)(struct leat_rx *rx, uint64_t *item))
{
	static struct numbers n = { .last = 2 };
	struct leat_gen_opts opts;
	struct leat_rx *rx;
	uint64_t item;
	int rc, fd;

	open_pool(1, false);
	opts = (struct leat_gen_opts){ .pool = pool, .chan = { .capacity = 1 } };
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(item) }, &opts,
	                         &rx) == 0);
	fd = leat_rx_fd(rx);
	sleep_armed(rx, fd);
	verify_that(leat_try_recv(rx, &item) == 1 && item == 1);
	if (receive == NULL)
		sleep_armed(rx, fd);
	while ((rc = receive != NULL ? receive(rx, &item) : leat_recv(rx, &item)) == -EAGAIN)
		leat_pause();
	verify_that(rc == 1 && item == 2);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_need_wait, .what = "a receive that waits beside a turn that makes nothing more",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	need_second(receive_or_wait);
}

MODEL(pool_need_try, .what = "receives that never wait have a worker run the generator",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	need_second(receive_now);
}

MODEL(pool_need_late, .what = "the same whose time has passed", .preemptions = 2, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	need_second(receive_in_vain);
}

MODEL(pool_need_armed, .what = "arming does, too", .preemptions = 2, .stale = 1, .quick = 1,
      .quick_both = 1)
{
	need_second(NULL);
}

/*
 * Two receivers: one of them runs the steps while the other parks, or takes what the one has made.
 */
static struct leat_rx *second;

static void receive_by_two(bool workers_only)
{
	static struct numbers n;
	struct leat_rx *rx;

	open_pool(1, workers_only);
	n.last = 2;
	rx = start(LEAT_MPMC, 1, &n);
	second = leat_rx_clone(rx);
	verify_that(second != NULL);
	verify_spawn(receives, second, "second");
	receives(rx);
	verify_join();
	verify_that(received == ((1u << 8) | (1u << 16)));
	close_pool(0);
}

MODEL(pool_two_receivers,
      .what = "two receivers of one generator: each item to one of them, the end to both",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
{
	receive_by_two(false);
}

MODEL(pool_two_receivers_workers_only, .what = "the same, where only the worker runs steps",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
{
	receive_by_two(true);
}
