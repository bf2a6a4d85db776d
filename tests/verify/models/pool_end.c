/*
 * Models of the pool: how generators end. Closes, cancels, failures and joins, and the close of the
 * pool itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

/* Leaving early: a close against a turn, and against the end. */
static void leave_early(enum leat_kind kind, bool workers_only, uint64_t last, uint64_t takes)
{
	static struct numbers n;
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, workers_only);
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

MODEL(pool_close_at_once, .what = "a receiver that is closed at once, against the first turn",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	leave_early(LEAT_SPSC, false, 3, 0);
}

MODEL(pool_close_at_once_workers_only, .what = "the same, where only the worker runs steps",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	leave_early(LEAT_SPSC, true, 3, 0);
}

MODEL(pool_close_early, .what = "the same after an item", .preemptions = 2, .stale = 1, .quick = 1)
{
	leave_early(LEAT_SPSC, false, 3, 1);
}

MODEL(pool_close_against_end, .what = "the same against the end, which is told to nobody",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	leave_early(LEAT_SPSC, true, 0, 0);
}

MODEL(pool_close_against_timer,
      .what = "a close against a time that is waited for, by whoever runs the step",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP, .idle_ns = VERIFY_ANY_NS)
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

MODEL(pool_close_early_turns, .what = "the same on an ordinary channel", .preemptions = 1,
      .stale = 1, .quick = 1)
{
	leave_early(LEAT_MPMC, false, 3, 1);
}

/* Cancels against everything: turns, parking, the wheel, receives, closes. */
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

MODEL(pool_cancel, .what = "a cancel against turns and receives", .preemptions = 2, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	cancel_against(LEAT_SPSC, false, 0, false);
}

MODEL(pool_cancel_workers_only, .what = "the same, where only the worker runs steps",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	cancel_against(LEAT_SPSC, true, 0, false);
}

MODEL(pool_cancel_timer, .what = "a cancel against a time that is waited for", .preemptions = 2,
      .stale = 1, .quick = VERIFY_SKIP)
{
	cancel_against(LEAT_SPSC, false, 40000000, false);
}

MODEL(pool_cancel_against_close, .what = "a cancel against a close", .preemptions = 2, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	cancel_against(LEAT_SPSC, false, 0, true);
}

MODEL(pool_cancel_against_end,
      .what = "a cancel against the end of the stream: one of the two, for ever", .preemptions = 2,
      .stale = 1, .quick = 1)
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
	verify_that(cause == LEAT_FAILED ||
	            (cause == LEAT_CANCELED && strcmp(text, "enough") == 0));
	verify_join();
	leat_rx_close(rx);
	close_pool(rc);
	return cause;
}

MODEL(pool_cancel_steps,
      .what = "a cancel against steps: its cause and what was before it are known at the end",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n = { .last = 1000 };

	verify_that(cancel_against_steps((struct leat_seq){ next, fini_knows, &n,
	                                                    sizeof(uint64_t) }) == LEAT_CANCELED);
}

MODEL(pool_cancel_heard_early,
      .what = "a step that hears of the cancel from its scope, before its channel does",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static uint64_t at;

	verify_that(cancel_against_steps((struct leat_seq){ next_until_canceled, NULL, &at,
	                                                    sizeof(at) }) == LEAT_CANCELED);
}

MODEL(pool_cancel_claimed,
      .what = "a step that says it was cancelled, against a cancel: it was, or it failed",
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

MODEL(pool_cancel_beside_step, .what = "a cancel is heard of beside a step that takes its time",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_gen_opts opts;
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, true);
	opts = on_pool(LEAT_SPSC, 1);
	verify_that(leat_gen_seq(scope,
	                         (struct leat_seq){ next_when_heard, NULL, NULL, sizeof(item) },
	                         &opts, &rx) == 0);
	verify_spawn(cancels, NULL, "canceller");
	verify_that(leat_recv(rx, &item) == -ECANCELED && why);
	leat_store_rel(&heard, 1);
	leat_os_futex_wake(&heard, 1);
	leat_rx_close(rx);
	verify_join();
	close_pool(0);
}

MODEL(pool_cancel_turns, .what = "a cancel against turns and receives of an ordinary channel",
      .preemptions = 1, .stale = 1, .quick = 1, .idle_ns = POLLED_TWICE_NS, .quick_both = 1)
{
	cancel_against(LEAT_MPMC, false, 0, false);
}

MODEL(pool_cancel_timer_turns, .what = "the same against a time that is waited for",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
{
	cancel_against(LEAT_MPMC, false, 40000000, false);
}

MODEL(pool_cancel_two_workers, .what = "two workers against a cancel", .preemptions = 1, .stale = 1,
      .quick_both = 1)
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
 * One that stands in a queue is cancelled: whoever takes it out of there has heard of it. Its step
 * would wait at another scope's channel, for ever.
 */
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
	verify_that(leat_gen_seq(scope, (struct leat_seq){ pass, fini, &from, sizeof(item) }, &on,
	                         &rx) == 0);
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

MODEL(pool_cancel_queued,
      .what = "a cancel of one that stands in a queue, against the worker that takes it",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	cancel_queued(false);
}

MODEL(pool_cancel_queued_claimed, .what = "the same against a receiver that takes it",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	cancel_queued(true);
}

/* One fails while its sibling is received from: the one keeps its data, the other is cancelled. */
MODEL(pool_failure, .what = "a failure keeps its own data, and cancels the sibling",
      .preemptions = 2, .stale = 1, .quick = 1, .idle_ns = POLLED_TWICE_NS)
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
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next, fini, &failing, sizeof(item) },
	                         &opts, &rx[0]) == 0);
	rc = leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(item) }, &opts, &rx[1]);
	verify_that(rc == 0 || rc == -ECANCELED);
	verify_that(leat_recv(rx[0], &item) == 1 && item == 1);
	verify_that(leat_recv(rx[0], &item) == 0);
	verify_that(leat_rx_status(rx[0], &cause, &code, NULL) == 0 && cause == LEAT_FAILED &&
	            code == -EIO);
	leat_rx_close(rx[0]);
	if (rc == 0) {
		verify_that(leat_scope_join(scope) == -EIO);
		verify_that(leat_recv(rx[1], &item) == -ECANCELED);
		verify_that(leat_rx_status(rx[1], &cause, &code, NULL) == 0 &&
		            cause == LEAT_FAILED && code == -EIO);
		leat_rx_close(rx[1]);
	}
	close_pool(-EIO);
}

/*
 * Who joins and closes against the last end: gen_sets are counted, held, orphaned and freed once.
 */
static void joins(void *arg)
{
	(void)arg;
	verify_that(leat_scope_join(scope) == 0);
}

MODEL(pool_join,
      .what = "two joins against the ends of two generators, and receivers that outlive the scope",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
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

MODEL(pool_scope_close_against_rx_close,
      .what = "the last receiver against the scope's close: the gen_set is freed once",
      .preemptions = 3, .stale = 1, .quick = 1, .quick_both = 1)
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

/*
 * A waker that is still inside leat_job_wake() when the generator has ended and the pool is closed.
 */
MODEL(pool_waker_inside_wake_while_closed,
      .what = "waker_inside_wake_while_destroyed: who woke the last job, and the pool's close",
      .preemptions = 3, .stale = 1, .quick = 2, .quick_both = 1)
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
MODEL(pool_close_against_last_hold,
      .what = "the pool's close against a receiver that runs its last generator to the end",
      .preemptions = 1, .stale = 1, .quick_both = 1)
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
