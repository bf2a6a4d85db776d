/*
 * Models of the pool: generators and sinks as steps, on one worker, sometimes two.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/chan/chan.h"
#include "runtime/pool/pool.h"
#include "runtime/registry/registry.h"

#include <leat/gen.h>
#include <leat/merge.h>

#include <poll.h>

static struct leat_pool *pool;
static struct leat_scope *scope;
static uint32_t finis;
static bool why; /* plain memory, written before a cancel or a close */

/* Numbers from 1 to last, then what it ends with; where due is set, it waits for that once, before the first. */
struct numbers {
	uint64_t last, at;
	int64_t due_ns;
	int ends_with;
	bool knows_why; /* if it has to stop early */
	uint32_t inside;
};

static int next(void *state, void *item)
{
	struct numbers *n = state;
	int rc;

	verify_that(leat_add_acqrel(&n->inside, 1) == 0); /* one turn at a time, each happening before the next */
	rc = n->due_ns != 0 ? leat_after(n->due_ns) : 0;
	if (rc == 0) {
		rc = n->at < n->last ? 1 : n->ends_with;
		*(uint64_t *)item = n->at += rc == 1;
	}
	leat_add_acqrel(&n->inside, UINT32_MAX);
	return rc;
}

static void fini(void *state)
{
	(void)state;
	leat_add_acqrel(&finis, 1);
}

/* What was done before whatever stopped it has happened before this. */
static void fini_knows(void *state)
{
	const struct numbers *n = state;

	verify_that(n->at == n->last || why);
	fini(state);
}

static void discards(void *item, void *arg)
{
	(void)arg;
	verify_that(*(const uint64_t *)item != 0);
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
	return (struct leat_gen_opts){ .pool = pool,
				       .chan = { .kind = kind, .capacity = capacity, .recv_wait = LEAT_WAIT_PARK,
						 .discard = discards } };
}

static struct leat_rx *start(enum leat_kind kind, size_t capacity, struct numbers *n)
{
	struct leat_seq seq = { next, n->knows_why ? fini_knows : fini, n, sizeof(uint64_t) };
	struct leat_gen_opts opts = on_pool(kind, capacity);
	struct leat_rx *rx;

	verify_that(leat_gen_seq(scope, seq, &opts, &rx) == 0);
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

MODEL(pool_receive,
      .what = "spawn_against_last_worker_parking: it runs on the worker or in the receive; then the pool is closed",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, false, 1, 1);
}

MODEL(pool_receive_full, .what = "the same, with items that fill the channel", .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_from(LEAT_SPSC, 1, false, 1, 3);
}

MODEL(pool_receive_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	receive_from(LEAT_SPSC, 1, true, 1, 2);
}

MODEL(pool_receive_end, .what = "the same, where the end comes with the last item", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	receive_from(LEAT_SPSC, 1, true, 2, 1);
}

MODEL(pool_receive_fenced, .what = "the same without membarrier: who publishes pays", .preemptions = 2, .stale = 1,
      .quick = 1, .no_membarrier = true)
{
	receive_from(LEAT_SPSC, 1, true, 1, 1);
}

MODEL(pool_receive_fenced_two, .what = "the same, two items", .preemptions = 2, .stale = 2, .quick = 1, .no_membarrier = true)
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

MODEL(pool_receive_turns_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 1,
      .stale = 1, .quick = 1)
{
	receive_from(LEAT_MPMC, 1, true, 1, 2);
}

/* The receiver's one place: who was told just as its time was over stands there again. */
MODEL(pool_receive_late, .what = "a deadline against the news, then a wait at the same place", .preemptions = 2,
      .stale = 1, .quick = 1)
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
MODEL(pool_room, .what = "room is told to a worker that is about to park", .preemptions = 2, .stale = 1, .quick = 1)
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

MODEL(pool_status, .what = "a receiver that asks how it ended, and never waits", .preemptions = 2, .stale = 1, .quick = 1)
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

MODEL(pool_extra, .what = "a receiver's descriptor, whose memory the generator shares, against the first turn",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n;
	struct leat_gen_opts opts;
	struct leat_rx *rx;

	open_pool(1, true);
	opts = (struct leat_gen_opts){ .pool = pool, .chan = { .capacity = 1 } };
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(uint64_t) }, &opts, &rx) == 0);
	verify_that(leat_rx_fd(rx) >= 0);
	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
	close_pool(0);
}

/* Who tells is done with the watch before that is freed. */
MODEL(pool_armed_close, .what = "a close of an armed receiver, against the first item", .preemptions = 2, .stale = 1,
      .quick = 1)
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

MODEL(pool_armed_then_receives, .what = "armed, then a receive that waits in its place; then armed again",
      .preemptions = 2, .stale = 1, .quick = 1)
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
 * A generator of short steps waits, after its first turn on a worker, for its receiver's need: each way to have that need must
 * tell of it. NULL: by arming.
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
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(item) }, &opts, &rx) == 0);
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

MODEL(pool_need_wait, .what = "a receive that waits beside a turn that makes nothing more", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	need_second(receive_or_wait);
}

MODEL(pool_need_try, .what = "receives that never wait have a worker run the generator", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	need_second(receive_now);
}

MODEL(pool_need_late, .what = "the same whose time has passed", .preemptions = 2, .stale = 1, .quick = 1)
{
	need_second(receive_in_vain);
}

MODEL(pool_need_armed, .what = "arming does, too", .preemptions = 2, .stale = 1, .quick = 1)
{
	need_second(NULL);
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

MODEL(pool_timer,
      .what = "a step that waits for a time is called again, whoever asked for it, also as the worker goes to sleep",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	receive_later(LEAT_SPSC);
}

MODEL(pool_timer_turns, .what = "the same on an ordinary channel", .preemptions = 1, .stale = 1, .quick = 1)
{
	receive_later(LEAT_MPMC);
}

/* Two times to wait for: who sleeps until the later one hears of the earlier. */
static int64_t later_ns;

static int second_later(void *state, void *item)
{
	struct numbers *n = state;
	int rc = n->at == 1 ? leat_after(later_ns / 2) : 0;

	return rc == 0 ? next(state, item) : rc;
}

MODEL(pool_timer_earlier, .what = "the keeper sleeps until a time, and somebody puts an earlier one into the wheel", .preemptions = 1,
      .stale = 1)
{
	static struct numbers n[2] = { { .last = 1, .due_ns = 80000000 }, { .last = 2 } };
	struct leat_gen_opts opts;
	struct leat_rx *rx[2];
	uint32_t never = 0;
	uint64_t item;

	open_pool(1, false);
	opts = on_pool(LEAT_SPSC, 1);
	later_ns = n[0].due_ns;
	rx[0] = start(LEAT_SPSC, 1, &n[0]);
	verify_that(leat_gen_seq(scope, (struct leat_seq){ second_later, fini, &n[1], sizeof(item) }, &opts, &rx[1]) == 0);
	verify_that(leat_recv(rx[1], &item) == 1);
	leat_os_futex_wait(&never, 0, later_ns / 4); /* the worker goes to sleep for long, or has not yet */
	verify_that(leat_recv(rx[1], &item) == 1);
	leat_rx_close(rx[1]);
	leat_rx_close(rx[0]);
	close_pool(0);
}

/* A descriptor to wait for, asked for by whoever runs the step: the keeper must sleep on it. */
static int flag;

static int next_when_ready(void *state, void *item)
{
	int rc = ((struct numbers *)state)->at == 0 ? leat_ready(flag, POLLIN, LEAT_NEVER) : 0;

	return rc == 0 ? next(state, item) : rc;
}

static void raises(void *arg)
{
	(void)arg;
	leat_os_flag_raise(flag);
}

static struct leat_rx *start_with_flag(enum leat_kind kind, struct numbers *n)
{
	struct leat_gen_opts opts = on_pool(kind, 1);
	struct leat_rx *rx;

	flag = leat_os_flag_open();
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next_when_ready, fini, n, sizeof(uint64_t) }, &opts, &rx) == 0);
	return rx;
}

MODEL(pool_descriptor, .what = "a step that waits for a descriptor, against what makes that ready and a worker that goes to sleep",
      .preemptions = 1, .stale = 1)
{
	static struct numbers n = { .last = 1 };
	struct leat_rx *rx;

	open_pool(1, false);
	rx = start_with_flag(LEAT_SPSC, &n);
	verify_spawn(raises, NULL, "raises");
	receive_all(rx, 1);
	leat_rx_close(rx);
	verify_join();
	leat_os_flag_close(flag);
	close_pool(0);
}

/* Leaving early: a close against a turn, and against the end. */
static void leave_early(enum leat_kind kind, unsigned workers, uint64_t last, uint64_t takes)
{
	static struct numbers n;
	struct leat_rx *rx;
	uint64_t item;

	open_pool(workers, false);
	n.last = last;
	n.knows_why = true;
	rx = start(kind, 1, &n);
	for (uint64_t i = 1; i <= takes; i++)
		verify_that(leat_recv(rx, &item) == 1 && item == i);
	why = true;
	leat_rx_close(rx);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 1);
	close_pool(0);
}

MODEL(pool_close_at_once, .what = "a receiver that is closed at once, against the first turn", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	leave_early(LEAT_SPSC, 1, 3, 0);
}

MODEL(pool_close_early, .what = "the same after an item", .preemptions = 2, .stale = 1, .quick = 1)
{
	leave_early(LEAT_SPSC, 1, 3, 1);
}

MODEL(pool_close_against_end, .what = "the same against the end, which is told to nobody", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	leave_early(LEAT_SPSC, 1, 0, 0);
}

MODEL(pool_close_against_timer, .what = "a close against a time that is waited for, by whoever runs the step",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
{
	static struct numbers n = { .last = 1, .due_ns = 40000000 };
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	verify_instant(2000);
	verify_instant(40000000);
	open_pool(1, false);
	rx = start(LEAT_SPSC, 1, &n);
	rc = leat_recv_until(rx, &item, 2000);
	verify_that(rc == 1 || rc == -ETIMEDOUT);
	leat_rx_close(rx);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 1);
	close_pool(0);
}

MODEL(pool_close_early_turns, .what = "the same on an ordinary channel", .preemptions = 1, .stale = 1, .quick = 1)
{
	leave_early(LEAT_MPMC, 1, 3, 1);
}

/* Cancels against everything: turns, parking, the wheel, receives, closes. */
static void cancels(void *arg)
{
	(void)arg;
	why = true;
	leat_scope_cancel(scope, 0, "enough");
}

static void cancel_against(enum leat_kind kind, bool workers_only, int64_t due_ns, bool closes)
{
	static struct numbers n;
	struct leat_rx *rx;
	uint64_t item;
	int rc = 1;

	if (due_ns != 0)
		verify_instant(due_ns);
	open_pool(1, workers_only);
	n.last = 1000;
	n.due_ns = due_ns;
	rx = start(kind, 1, &n);
	verify_spawn(cancels, NULL, "canceller");
	for (int i = 0; i < 2 && !closes && rc == 1; i++)
		rc = leat_recv(rx, &item);
	verify_that(rc == 1 || (rc == -ECANCELED && why));
	leat_rx_close(rx);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 1);
	close_pool(0);
}

MODEL(pool_cancel, .what = "a cancel against turns and receives", .preemptions = 2, .stale = 1, .quick = 1)
{
	cancel_against(LEAT_SPSC, false, 0, false);
}

MODEL(pool_cancel_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	cancel_against(LEAT_SPSC, true, 0, false);
}

MODEL(pool_cancel_timer, .what = "a cancel against a time that is waited for", .preemptions = 2, .stale = 1,
      .quick = VERIFY_SKIP)
{
	cancel_against(LEAT_SPSC, false, 40000000, false);
}

MODEL(pool_cancel_against_close, .what = "a cancel against a close", .preemptions = 2, .stale = 1, .quick = 1)
{
	cancel_against(LEAT_SPSC, false, 0, true);
}

MODEL(pool_cancel_against_end, .what = "a cancel against the end of the stream: one of the two, for ever",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n;
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	open_pool(1, true);
	rx = start(LEAT_SPSC, 1, &n);
	verify_spawn(cancels, NULL, "canceller");
	rc = leat_recv(rx, &item);
	verify_that(rc == 0 || (rc == -ECANCELED && why));
	verify_join();
	verify_that(leat_recv(rx, &item) == rc);
	leat_rx_close(rx);
	close_pool(0);
}

/* A cancel that only the steps hear of, as nobody receives. */
static int next_until_canceled(void *state, void *item)
{
	*(uint64_t *)item = ++*(uint64_t *)state;
	return leat_scope_cause(scope, NULL, NULL) == LEAT_RUNNING ? 1 : -ECANCELED;
}

static enum leat_cause cancel_against_steps(struct leat_seq seq)
{
	struct leat_gen_opts opts;
	enum leat_cause cause;
	const char *text;
	struct leat_rx *rx;
	int rc;

	open_pool(1, true);
	opts = on_pool(LEAT_SPSC, 1);
	verify_that(leat_gen_seq(scope, seq, &opts, &rx) == 0);
	verify_spawn(cancels, NULL, "canceller");
	rc = leat_scope_join(scope);
	verify_that(leat_rx_status(rx, &cause, NULL, &text) == 0);
	verify_that(cause == LEAT_FAILED || (cause == LEAT_CANCELED && strcmp(text, "enough") == 0));
	verify_join();
	leat_rx_close(rx);
	close_pool(rc);
	return cause;
}

MODEL(pool_cancel_steps, .what = "a cancel against steps: its cause and what was before it are known at the end",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n = { .last = 1000 };

	verify_that(cancel_against_steps((struct leat_seq){ next, fini_knows, &n, sizeof(uint64_t) }) == LEAT_CANCELED);
}

MODEL(pool_cancel_heard_early, .what = "a step that hears of the cancel from its scope, before its channel does",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static uint64_t at;

	verify_that(cancel_against_steps((struct leat_seq){ next_until_canceled, NULL, &at, sizeof(at) }) == LEAT_CANCELED);
}

MODEL(pool_cancel_claimed, .what = "a step that says it was cancelled, against a cancel: it was, or it failed",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n = { .ends_with = -ECANCELED };

	cancel_against_steps((struct leat_seq){ next, fini, &n, sizeof(uint64_t) });
}

static uint32_t heard;

static int next_when_heard(void *state, void *item)
{
	(void)state;
	(void)item;
	while (leat_load_acq(&heard) == 0)
		leat_os_futex_wait(&heard, 0, LEAT_NEVER);
	return 0;
}

MODEL(pool_cancel_beside_step, .what = "a cancel is heard of beside a step that takes its time", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	struct leat_gen_opts opts;
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, true);
	opts = on_pool(LEAT_SPSC, 1);
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next_when_heard, NULL, NULL, sizeof(item) }, &opts, &rx) == 0);
	verify_spawn(cancels, NULL, "canceller");
	verify_that(leat_recv(rx, &item) == -ECANCELED && why);
	leat_store_rel(&heard, 1);
	leat_os_futex_wake(&heard, 1);
	leat_rx_close(rx);
	verify_join();
	close_pool(0);
}

MODEL(pool_cancel_turns, .what = "a cancel against turns and receives of an ordinary channel", .preemptions = 1,
      .stale = 1, .quick = 1)
{
	cancel_against(LEAT_MPMC, false, 0, false);
}

MODEL(pool_cancel_timer_turns, .what = "the same against a time that is waited for", .preemptions = 1, .stale = 1,
      .quick = VERIFY_SKIP)
{
	cancel_against(LEAT_MPMC, false, 40000000, false);
}

MODEL(pool_cancel_two_workers, .what = "two workers against a cancel", .preemptions = 1, .stale = 1)
{
	static struct numbers n = { .last = 1000 };
	struct leat_rx *rx;
	uint64_t item;

	open_pool(2, true);
	rx = start(LEAT_SPSC, 1, &n);
	cancels(NULL);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 1);
	verify_that(leat_recv(rx, &item) == -ECANCELED);
	leat_rx_close(rx);
	close_pool(0);
}

/*
 * One that stands in a queue is cancelled: whoever takes it out of there has heard of it. Its step would wait at another scope's
 * channel, for ever.
 */
static int pass(void *state, void *item);

static void cancel_queued(bool receives)
{
	struct leat_chan_opts opts = { .kind = LEAT_SPSC, .capacity = 1 };
	struct leat_gen_opts on;
	struct leat_scope *outside = leat_scope_open(NULL, NULL);
	struct leat_rx *in, *rx;
	static struct leat_seq from;
	struct leat_tx *tx;
	uint64_t item;

	open_pool(1, !receives);
	on = on_pool(LEAT_SPSC, 1);
	verify_that(leat_chan_open(outside, sizeof(item), &opts, &tx, &in) == 0);
	from = leat_seq_from_rx(in);
	verify_that(leat_gen_seq(scope, (struct leat_seq){ pass, fini, &from, sizeof(item) }, &on, &rx) == 0);
	if (receives) {
		verify_that(leat_try_recv(rx, &item) == -EAGAIN); /* into a queue */
		verify_spawn(cancels, NULL, "canceller");
	} else {
		cancels(NULL);
	}
	verify_that(!receives || leat_recv(rx, &item) == -ECANCELED);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 1);
	leat_rx_close(rx);
	leat_rx_close(in);
	leat_tx_close(tx);
	verify_that(leat_scope_close(outside) == 0);
	close_pool(0);
}

MODEL(pool_cancel_queued, .what = "a cancel of one that stands in a queue, against the worker that takes it", .preemptions = 2, .stale = 1)
{
	cancel_queued(false);
}

MODEL(pool_cancel_queued_claimed, .what = "the same against a receiver that takes it", .preemptions = 1, .stale = 1)
{
	cancel_queued(true);
}

/* One fails while its sibling is received from: the one keeps its data, the other is cancelled. */
MODEL(pool_failure, .what = "a failure keeps its own data, and cancels the sibling", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	static struct numbers failing = { .last = 1, .ends_with = -EIO }, n;
	struct leat_gen_opts opts;
	enum leat_cause cause;
	struct leat_rx *rx[2];
	uint64_t item;
	int rc, code;

	open_pool(1, false);
	opts = on_pool(LEAT_SPSC, 2);
	n.last = 1000;
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next, fini, &failing, sizeof(item) }, &opts, &rx[0]) == 0);
	rc = leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(item) }, &opts, &rx[1]);
	verify_that(rc == 0 || rc == -ECANCELED);
	verify_that(leat_recv(rx[0], &item) == 1 && item == 1);
	verify_that(leat_recv(rx[0], &item) == 0);
	verify_that(leat_rx_status(rx[0], &cause, &code, NULL) == 0 && cause == LEAT_FAILED && code == -EIO);
	leat_rx_close(rx[0]);
	if (rc == 0) {
		verify_that(leat_scope_join(scope) == -EIO);
		verify_that(leat_recv(rx[1], &item) == -ECANCELED);
		verify_that(leat_rx_status(rx[1], &cause, &code, NULL) == 0 && cause == LEAT_FAILED && code == -EIO);
		leat_rx_close(rx[1]);
	}
	close_pool(-EIO);
}

/* Who joins and closes against the last end: crowds are counted, held, orphaned and freed once. */
static void joins(void *arg)
{
	(void)arg;
	verify_that(leat_scope_join(scope) == 0);
}

MODEL(pool_join, .what = "two joins against the ends of two generators, and receivers that outlive the scope",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n[2];
	struct leat_rx *rx[2];
	uint64_t item;

	open_pool(1, true);
	rx[0] = start(LEAT_SPSC, 1, &n[0]);
	verify_spawn(joins, NULL, "joiner");
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 1);
	rx[1] = start(LEAT_SPSC, 1, &n[1]);
	verify_that(leat_scope_join(scope) == 0);
	verify_join();
	leat_rx_close(rx[0]);
	close_pool(0);
	verify_that(leat_recv(rx[1], &item) == -ECANCELED);
	leat_rx_close(rx[1]);
}

static struct leat_rx *left;

static void closes_receiver(void *arg)
{
	(void)arg;
	leat_rx_close(left);
}

MODEL(pool_scope_close_against_rx_close, .what = "the last receiver against the scope's close: the crowd is freed once",
      .preemptions = 3, .stale = 1, .quick = 1)
{
	static struct numbers n;

	open_pool(1, true);
	left = start(LEAT_SPSC, 1, &n);
	verify_spawn(closes_receiver, NULL, "closer");
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_pool_close(pool) == 0);
	verify_join();
	verify_that(leat_registry_size() == 0);
}

/* A waker that is still inside leat_job_wake() when the generator has ended and the pool is closed. */
MODEL(pool_waker_inside_wake_while_closed,
      .what = "waker_inside_wake_while_destroyed: who woke the last job, and the pool's close", .preemptions = 3,
      .stale = 1, .quick = 2)
{
	static struct numbers n;

	open_pool(1, true);
	n.last = 1000;
	left = start(LEAT_SPSC, 1, &n);
	verify_spawn(closes_receiver, NULL, "closer");
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_pool_close(pool) == 0);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
}

/* The pool is closed as soon as it can be: when nobody has anything of it any more. */
static void receives(void *arg);

MODEL(pool_close_against_last_hold, .what = "the pool's close against a receiver that runs its last generator to the end",
      .preemptions = 1, .stale = 1)
{
	static struct numbers n;
	int rc;

	open_pool(1, false);
	verify_spawn(receives, start(LEAT_MPMC, 1, &n), "receiver");
	rc = leat_pool_close(pool);
	verify_that(rc == 0 || rc == -EBUSY);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(rc == 0 || leat_pool_close(pool) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

/* Jobs without anything else: one takes its time, until the other has had its turn. */
static struct leat_job jobs[2];
static uint32_t turns;

static void had_turn(void)
{
	leat_add_acqrel(&turns, 1);
	leat_os_futex_wake(&turns, 2);
}

static enum leat_turn waits_for_other(struct leat_job *job)
{
	(void)job;
	while (leat_load_acq(&turns) == 0)
		leat_os_futex_wait(&turns, 0, LEAT_NEVER);
	had_turn();
	return LEAT_TURN_OVER;
}

static enum leat_turn is_other(struct leat_job *job)
{
	(void)job;
	had_turn();
	return LEAT_TURN_OVER;
}

static struct leat_pool *pool_of_job(const struct leat_job *job)
{
	(void)job;
	return pool;
}

static uint64_t id_of_job(const struct leat_job *job)
{
	(void)job;
	return 1;
}

MODEL(pool_steal, .what = "a job finds the other worker, however its inbox is adopted, while the first takes its time", .preemptions = 1,
      .stale = 1)
{
	static const struct leat_job_kind kinds[2] = { { waits_for_other, NULL, pool_of_job, id_of_job },
						       { is_other, NULL, pool_of_job, id_of_job } };
	uint32_t never = 0;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2, .workers_only = true });
	for (int i = 0; i < 2; i++) {
		leat_os_futex_wait(&never, 0, VERIFY_START_NS + 1 + i); /* until all others sleep, or anywhere between */
		leat_job_init(&jobs[i], &kinds[i]);
		jobs[i].run = LEAT_RUN_QUEUED;
		leat_job_start(&jobs[i], false);
	}
	for (uint32_t n; (n = leat_load_acq(&turns)) < 2;)
		leat_os_futex_wait(&turns, n, LEAT_NEVER);
	verify_that(leat_pool_close(pool) == 0);
}

MODEL(pool_first_descriptor, .what = "the first descriptor of a pool, against the worker that finds that there is one to sleep on",
      .preemptions = 2, .stale = 1)
{
	static const struct leat_job_kind kind = { is_other, NULL, pool_of_job, id_of_job };
	struct leat_polled polled;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	flag = leat_os_flag_open();
	leat_job_init(&jobs[0], &kind);
	jobs[0].run = LEAT_RUN_TIMED;
	leat_polled_init(&polled, &jobs[0]);
	verify_that(leat_polled_add(&polled, pool, flag, POLLIN) == 0);
	leat_os_flag_raise(flag);
	while (leat_load_acq(&turns) == 0)
		leat_os_futex_wait(&turns, 0, LEAT_NEVER);
	leat_polled_remove(&polled);
	leat_os_flag_close(flag);
	verify_that(leat_pool_close(pool) == 0);
}

static struct leat_polled held_polled;

static void lets_go(void *arg)
{
	(void)arg;
	leat_polled_remove(&held_polled);
	leat_pool_let_go(pool);
}

MODEL(pool_close_against_hold, .what = "the pool's close against the last that uses its poller, and lets go of it", .preemptions = 2,
      .stale = 1)
{
	int rc;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	flag = leat_os_flag_open();
	leat_pool_hold(pool);
	leat_polled_init(&held_polled, &jobs[0]);
	verify_that(leat_polled_add(&held_polled, pool, flag, POLLIN) == 0);
	verify_spawn(lets_go, NULL, "holder");
	rc = leat_pool_close(pool);
	verify_that(rc == 0 || rc == -EBUSY);
	verify_join();
	verify_that(rc == 0 || leat_pool_close(pool) == 0);
	leat_os_flag_close(flag);
}

/* Two threads start their first generators of a scope at once. */
static void starts(void *arg)
{
	struct leat_rx *rx = start(LEAT_SPSC, 1, arg);

	leat_rx_close(rx);
}

MODEL(pool_two_start, .what = "two threads start generators of one scope: one makes their crowd, the other finds it", .preemptions = 1,
      .stale = 1)
{
	static struct numbers n[2];

	open_pool(1, true);
	verify_spawn(starts, &n[0], "starter");
	starts(&n[1]);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 2);
	close_pool(0);
}

/* New generators that nobody receives from: a worker finds them where they stand. */
static void nobody_receives(unsigned workers, size_t count)
{
	static struct numbers n[2];
	struct leat_rx *rx[2];

	open_pool(workers, false);
	for (size_t i = 0; i < count; i++)
		rx[i] = start(LEAT_SPSC, 1, &n[i]);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == count);
	for (size_t i = 0; i < count; i++)
		leat_rx_close(rx[i]);
	close_pool(0);
}

MODEL(pool_fresh, .what = "a new generator that nobody receives from", .preemptions = 2, .stale = 1, .quick = 1)
{
	nobody_receives(1, 1);
}

MODEL(pool_fresh_fenced, .what = "the same without membarrier", .preemptions = 2, .stale = 1, .quick = 1, .no_membarrier = true)
{
	nobody_receives(1, 1);
}

MODEL(pool_fresh_two, .what = "two of them: the second is queued, unless the first has had its turn", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	nobody_receives(1, 2);
}

MODEL(pool_fresh_two_workers, .what = "one of them, and two workers", .preemptions = 1, .stale = 1)
{
	nobody_receives(2, 1);
}

static struct leat_scope *other_scope;

/* In another scope: one that it runs itself, and one that it leaves to the worker. */
static void starts_elsewhere(void *arg)
{
	struct leat_gen_opts opts = on_pool(LEAT_SPSC, 1);

	for (int i = 0; i < 2; i++) {
		struct leat_seq seq = { next, fini, arg, sizeof(uint64_t) };
		struct leat_rx *rx;
		uint64_t item;

		verify_that(leat_gen_seq(other_scope, seq, &opts, &rx) == 0);
		verify_that(i == 1 || leat_recv(rx, &item) == 0);
		verify_that(leat_scope_join(other_scope) == 0);
		leat_rx_close(rx);
	}
	verify_that(leat_scope_close(other_scope) == 0);
}

MODEL(pool_fresh_two_scopes, .what = "a thread starts one, another two of another scope", .preemptions = 1, .stale = 1)
{
	static struct numbers n[2];

	open_pool(1, false);
	other_scope = leat_scope_open(NULL, NULL);
	verify_spawn(starts_elsewhere, &n[0], "starter");
	starts(&n[1]);
	verify_that(leat_scope_join(scope) == 0);
	verify_join();
	verify_that(leat_load_rlx(&finis) == 3);
	close_pool(0);
}

static void starts_and_joins(void *arg)
{
	struct leat_rx *rx = start(LEAT_SPSC, 1, arg);

	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
}

MODEL(pool_fresh_two_start, .what = "two threads start the first of a scope, and nobody receives", .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n[2];

	open_pool(1, false);
	verify_spawn(starts_and_joins, &n[0], "starter");
	starts_and_joins(&n[1]);
	verify_join();
	verify_that(leat_load_rlx(&finis) == 2);
	close_pool(0);
}

MODEL(pool_fresh_against_look, .what = "one that is started while the worker looks for such", .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n[2];
	uint32_t never = 0;
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, false);
	for (int i = 0; i < 2; i++) {
		rx = start(LEAT_SPSC, 1, &n[i]);
		if (i == 0) {
			verify_that(leat_recv(rx, &item) == 0); /* by itself; the worker hears that there was one */
			leat_os_futex_wait(&never, 0, VERIFY_START_NS + 200000);
		}
		verify_that(leat_scope_join(scope) == 0);
		leat_rx_close(rx);
	}
	close_pool(0);
}

MODEL(pool_fresh_memory, .what = "what was started last is gone, and the memory that it was in: the next does not look there",
      .preemptions = 1, .stale = 1)
{
	enum { FULL = 4, MANY = FULL + 2 }; /* the first slab has four blocks */
	static struct numbers n[MANY];
	struct leat_rx *rx[MANY];
	uint64_t item;

	open_pool(1, false);
	for (int i = 0; i < MANY; i++) {
		rx[i] = start(LEAT_SPSC, 1, &n[i]);
		verify_that(leat_recv(rx[i], &item) == 0);
		if (i != FULL)
			continue;
		leat_rx_close(rx[0]); /* room in the first, so that the second goes */
		leat_rx_close(rx[FULL]);
	}
	for (int i = 1; i < MANY; i++)
		if (i != FULL)
			leat_rx_close(rx[i]);
	close_pool(0);
}

static int next_is_other(void *state, void *item)
{
	(void)state, (void)item;
	had_turn();
	return 0;
}

MODEL(pool_fresh_beside_long_turn, .what = "one, and a job that takes its time until it has had its turn: the other worker finds it",
      .preemptions = 1, .stale = 1)
{
	static const struct leat_job_kind kind = { waits_for_other, NULL, pool_of_job, id_of_job };
	struct leat_gen_opts opts;
	struct leat_rx *rx;

	open_pool(2, false);
	opts = on_pool(LEAT_SPSC, 1);
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next_is_other, NULL, NULL, sizeof(uint64_t) }, &opts, &rx) == 0);
	leat_job_init(&jobs[0], &kind);
	jobs[0].run = LEAT_RUN_QUEUED;
	leat_job_start(&jobs[0], false);
	verify_that(leat_scope_join(scope) == 0);
	for (uint32_t n; (n = leat_load_acq(&turns)) < 2;)
		leat_os_futex_wait(&turns, n, LEAT_NEVER);
	leat_rx_close(rx);
	close_pool(0);
}

static void fini_is_other(void *state)
{
	(void)state;
	had_turn();
}

static void starts_one(void *arg)
{
	struct leat_seq seq = { next, fini_is_other, arg, sizeof(uint64_t) };
	struct leat_gen_opts opts = on_pool(LEAT_SPSC, 1);
	int rc = leat_gen_seq(scope, seq, &opts, &left);

	verify_that(rc == 0 || rc == -ECANCELED);
	if (rc < 0)
		had_turn();
}

MODEL(pool_fresh_starter_inside_wake_while_closed,
      .what = "who started the last generator is still waking a worker, and a cancel and the pool's close", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	static struct numbers n;

	open_pool(1, false);
	verify_spawn(starts_one, &n, "starter");
	verify_spawn(cancels, NULL, "canceller");
	while (leat_load_acq(&turns) == 0)
		leat_os_futex_wait(&turns, 0, LEAT_NEVER);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_pool_close(pool) == 0);
	verify_join();
	leat_rx_close(left);
	verify_that(leat_scope_close(scope) == 0);
}

/*
 * The next pool under a scope whose crowd of the last pool is nobody's any more, so that two threads start on it, or (held) about
 * to be, as another thread closes the last receiver.
 */
static void next_pool(bool held)
{
	static struct numbers n[3];
	uint64_t item;

	open_pool(1, true);
	left = start(LEAT_SPSC, 1, &n[0]);
	verify_that(leat_recv(left, &item) == 0);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_pool_close(pool) == 0);
	if (!held)
		leat_rx_close(left);
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	if (held)
		verify_spawn(closes_receiver, NULL, "closer");
	else
		verify_spawn(starts, &n[1], "starter");
	starts(&n[2]);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == (held ? 2 : 3));
	close_pool(0);
}

MODEL(pool_next, .what = "two threads start on a scope's next pool: one takes over the crowd of the last, the other finds it",
      .preemptions = 1, .stale = 1)
{
	next_pool(false);
}

MODEL(pool_next_against_rx_close, .what = "the first generator on a scope's next pool, against the last receiver of the one before",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	next_pool(true);
}

static void closes_pool(void *arg)
{
	verify_that(leat_pool_close(arg) == 0);
}

MODEL(pool_next_against_close, .what = "the first generator on a scope's next pool, against the close of the one before",
      .preemptions = 1, .stale = 1)
{
	static struct numbers n[2];

	open_pool(1, true);
	starts(&n[0]);
	verify_that(leat_scope_join(scope) == 0);
	verify_spawn(closes_pool, pool, "closer");
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	starts(&n[1]);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 2);
	close_pool(0);
}

/* A stage on a stage: the one stands at the other's channel. */
static int pass(void *state, void *item)
{
	struct leat_seq *from = state;

	return from->next(from->state, item);
}

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
	verify_that(leat_gen_seq(scope, (struct leat_seq){ pass, pass_fini, &from, sizeof(item) }, &opts, &rx) == 0);
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

MODEL(pool_stages, .what = "a stage that receives from another, and parks where that has nothing", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	stages(LEAT_SPSC, LEAT_SPSC, false, false);
}

MODEL(pool_stages_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	stages(LEAT_SPSC, LEAT_SPSC, true, false);
}

MODEL(pool_stages_canceled, .what = "the same against a cancel", .preemptions = 1, .stale = 1, .quick = 1)
{
	stages(LEAT_SPSC, LEAT_SPSC, false, true);
}

MODEL(pool_stages_turns, .what = "the same from an ordinary channel", .preemptions = 1, .stale = 1, .quick = 1)
{
	stages(LEAT_MPMC, LEAT_SPSC, false, false);
}

MODEL(pool_stages_into_turns, .what = "the same into an ordinary channel", .preemptions = 1, .stale = 1, .quick = 1)
{
	stages(LEAT_SPSC, LEAT_MPMC, true, false);
}

/* Sinks, on the pool and on a thread. */
static uint64_t put_last;

static int put(void *state, const void *item)
{
	verify_that(*(const uint64_t *)item == ++put_last);
	return put_last == *(uint64_t *)state;
}

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

MODEL(pool_sink_enough, .what = "a sink on the pool that has had enough stops what feeds it", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	drains(true, false, 1);
}

MODEL(pool_sink_canceled, .what = "a sink on the pool against a cancel", .preemptions = 1, .stale = 1, .quick = 1)
{
	drains(true, true, 0);
}

MODEL(pool_sink_on_thread, .what = "a sink on a thread takes all from a generator on the pool", .preemptions = 1,
      .stale = 1, .quick = 1)
{
	drains(false, false, 0);
}

MODEL(pool_sink_on_thread_canceled, .what = "the same against a cancel", .preemptions = 1, .stale = 1, .quick = 1)
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
	struct leat_chan_opts chan = { .kind = LEAT_SPMC, .capacity = 1, .recv_wait = LEAT_WAIT_PARK };
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

MODEL(pool_sink_passes_on, .what = "a sink on the pool, told and cancelled: the other receiver gets the item",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	sink_passes_on(true);
}

MODEL(pool_sink_on_thread_passes_on, .what = "the same on a thread", .preemptions = 2, .stale = 1, .quick = 1)
{
	sink_passes_on(false);
}

/* It waits for an item with one worker, and is told by another thread: its next turn may be the other worker's. */
MODEL(pool_sink_of_two_workers, .what = "a sink on a pool of two workers waits for a plain channel", .preemptions = 1, .stale = 1)
{
	struct leat_chan_opts opts = { .kind = LEAT_SPSC, .capacity = 1 };
	static uint64_t most;
	struct leat_rx *rx;
	struct leat_tx *tx;
	uint64_t item = 1;

	open_pool(2, false);
	verify_that(leat_chan_open(scope, sizeof(item), &opts, &tx, &rx) == 0);
	verify_that(leat_gen_sink(scope, rx, (struct leat_sink){ put, fini, &most }, &(struct leat_gen_opts){ .pool = pool }) == 0);
	verify_that(leat_send(tx, &item) == 0);
	leat_tx_close(tx);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(put_last == 1 && leat_load_rlx(&finis) == 1);
	close_pool(0);
}

/* Two receivers: one of them runs the steps while the other parks, or takes what the one has made. */
static struct leat_rx *second;
static uint32_t received;

static void receives(void *arg)
{
	struct leat_rx *rx = arg;
	uint64_t item;

	while (leat_recv(rx, &item) == 1)
		leat_add_rlx(&received, 1u << (8 * item));
	leat_rx_close(rx);
}

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

MODEL(pool_two_receivers, .what = "two receivers of one generator: each item to one of them, the end to both",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
{
	receive_by_two(false);
}

MODEL(pool_two_receivers_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 1,
      .stale = 1, .quick = VERIFY_SKIP)
{
	receive_by_two(true);
}

/* Faults at every place where there can be one. */
static void start_with_faults(enum leat_kind kind, bool sink)
{
	static struct numbers n;
	static uint64_t most;
	struct leat_gen_opts opts;
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	scope = leat_scope_open(NULL, NULL);
	if (pool == NULL || scope == NULL) {
		verify_that(leat_scope_close(scope) == 0 && leat_pool_close(pool) == 0);
		return;
	}
	opts = on_pool(kind, 1);
	n.last = 1;
	rc = leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(item) }, &opts, &rx);
	verify_that(rc == 0 || rc == -ENOMEM);
	verify_that((rx != NULL) == (rc == 0));
	if (rc == 0 && sink) {
		opts = (struct leat_gen_opts){ .pool = pool };
		rc = leat_gen_sink(scope, rx, (struct leat_sink){ put, fini, &most }, &opts);
		verify_that(rc == 0 || rc == -ENOMEM);
		if (rc == 0)
			rx = NULL;
	}
	if (rx != NULL) {
		verify_that(leat_recv(rx, &item) == 1 && item == 1);
		verify_that(leat_recv(rx, &item) == 0);
		verify_that(leat_load_rlx(&finis) == 1);
		leat_rx_close(rx);
	}
	close_pool(0);
}

MODEL(pool_thread_creation_fails, .what = "thread_creation_fails: an open that answers NULL left nothing behind",
      .preemptions = 1, .stale = 1, .failed_threads = 1)
{
	start_with_faults(LEAT_SPSC, false);
}

MODEL(pool_no_memory, .what = "each allocation of a pool, a generator and its end fails in turn", .preemptions = 1,
      .stale = 1, .failed_allocs = 1)
{
	start_with_faults(LEAT_SPSC, false);
}

MODEL(pool_no_memory_turns, .what = "the same with an ordinary channel and a sink", .preemptions = 1, .stale = 1,
      .quick = VERIFY_SKIP, .failed_allocs = 1)
{
	start_with_faults(LEAT_MPMC, true);
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

MODEL(pool_merge, .what = "a merge's lane, told and armed again against turns", .preemptions = 1, .stale = 1, .quick = 1)
{
	merge_all(false);
}

MODEL(pool_merge_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 1, .stale = 1, .quick = 1)
{
	merge_all(true);
}

/* As need_second(): merging without a wait has that need, too. */
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

MODEL(pool_merge_try, .what = "merging without ever waiting has a worker run the generator", .preemptions = 2, .stale = 1, .quick = 1)
{
	merge_second(0);
}

MODEL(pool_merge_late, .what = "the same whose time has passed", .preemptions = 2, .stale = 1, .quick = 1)
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

MODEL(pool_merge_fd, .what = "a merge's descriptor, armed against turns, to the end", .preemptions = 2, .stale = 1, .quick = 1)
{
	merge_in_a_loop(false);
}

MODEL(pool_merge_fd_workers_only, .what = "the same, where only the worker runs steps", .preemptions = 2, .stale = 1, .quick = 1)
{
	merge_in_a_loop(true);
}
