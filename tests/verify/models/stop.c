/*
 * Models of stops: leat_scope_stop() against sends, marks, starts, sleeps, cancels_with, failures,
 * another stop, and its own deadline.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

#include <leat/pace.h>
#include <leat/select.h>

enum { DEADLINE_NS = 50000, ITEMS = 3 };

static struct leat_tx *tx;
static struct leat_rx *rx;
static uint32_t sent, refused, never_woken;
static bool stopped; /* plain memory, written before the stop */

static void open_chan(enum leat_kind kind, size_t capacity)
{
	struct leat_chan_opts chan = { .kind = kind,
		                       .capacity = capacity,
		                       .send_wait = LEAT_WAIT_PARK,
		                       .recv_wait = LEAT_WAIT_PARK };

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &chan, &tx, &rx) == 0);
}

static void stops(void *arg)
{
	(void)arg;
	stopped = true;
	verify_that(leat_scope_stop(scope, LEAT_NEVER, "enough") == 0);
}

/* A source that sends until it is refused. */
static void sends_as_source(void *arg)
{
	int rc;

	leat_tx_source(arg, true);
	for (uint64_t n = 1; (rc = leat_send((struct leat_tx *)arg, &n)) == 0; n++)
		leat_add_rlx(&sent, 1);
	verify_that(rc == -ESHUTDOWN && stopped);
	verify_that(leat_tx_done(arg));
	verify_that(leat_tx_wait(arg, -1, 0, LEAT_NEVER) == -ESHUTDOWN);
	leat_tx_close(arg);
}

static void receives_all(void *arg)
{
	uint64_t item;

	while (leat_recv((struct leat_rx *)arg, &item) == 1)
		verify_that(item == ++received);
	leat_rx_close(arg);
}

static void stop_against_full(enum leat_kind kind)
{
	open_chan(kind, 1);
	verify_spawn(sends_as_source, tx, "sender");
	stops(NULL);
	receives_all(rx);
	verify_join();
	verify_that(received == leat_load_rlx(&sent));
	verify_that(leat_scope_cause(scope, NULL, NULL) == LEAT_RUNNING);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(stop_against_send, .what = "a source that sends, or is about to be marked, is refused",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	stop_against_full(LEAT_SPSC);
}

MODEL(stop_against_send_turns, .what = "the same on a ring with turns", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	stop_against_full(LEAT_MPSC);
}

/* The source sleeps for good on the full channel, unless the stop wakes it. */
MODEL(stop_wakes_a_sender, .what = "nobody receives: the stop alone wakes a source that waits",
      .preemptions = 3, .stale = 1)
{
	open_chan(LEAT_SPSC, 1);
	verify_spawn(sends_as_source, tx, "sender");
	stops(NULL);
	verify_join();
	receives_all(rx);
	verify_that(received == leat_load_rlx(&sent));
	verify_that(leat_scope_close(scope) == 0);
}

static void waits_as_source(void *arg)
{
	leat_tx_source(arg, true);
	verify_that(leat_tx_wait(arg, -1, 0, LEAT_NEVER) == -ESHUTDOWN && stopped);
	leat_tx_close(arg);
}

MODEL(stop_wakes_a_wait, .what = "the stop wakes leat_tx_wait()", .preemptions = 3, .stale = 1)
{
	open_chan(LEAT_SPSC, 1);
	verify_spawn(waits_as_source, tx, "sender");
	stops(NULL);
	verify_join();
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == 0);
}

/* A sender that is no source shares the channel with one that is. */
static void sends_two(void *arg)
{
	for (uint64_t n = 1; n <= 2; n++)
		verify_that(leat_send((struct leat_tx *)arg, &n) == 0);
	leat_tx_close(arg);
}

MODEL(stop_spares_others, .what = "a sender that is no source goes on beside one that is stopped",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	uint64_t item;
	struct leat_tx *other;

	open_chan(LEAT_MPSC, 2);
	other = leat_tx_clone(tx);
	leat_tx_source(tx, true);
	verify_spawn(sends_two, other, "sender");
	stops(NULL);
	verify_that(leat_send(tx, &(uint64_t){ 9 }) == -ESHUTDOWN);
	leat_tx_close(tx);
	for (uint64_t n = 1; leat_recv(rx, &item) == 1; n++)
		verify_that(item == n && (received = (uint32_t)n) <= 2);
	verify_that(received == 2);
	leat_rx_close(rx);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
}

/* --- generators --- */

static int source_until_refused(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t n = 1; rc == 0 && n <= ITEMS; n++)
		if ((rc = leat_send(out, &n)) == 0)
			leat_add_rlx(&sent, 1);
	if (rc == 0)
		rc = leat_tx_wait(out, -1, 0, LEAT_NEVER);
	refused = (uint32_t)-rc;
	return rc;
}

static struct leat_gen_opts source_opts(size_t capacity)
{
	return (struct leat_gen_opts){ .source = true,
		                       .chan = { .capacity = capacity,
		                                 .send_wait = LEAT_WAIT_PARK,
		                                 .recv_wait = LEAT_WAIT_PARK } };
}

static void expect_cause(enum leat_cause want)
{
	enum leat_cause cause;

	verify_that(leat_rx_status(rx, &cause, NULL, NULL) == 0 && cause == want);
}

static void drain_and_expect(enum leat_cause want)
{
	uint64_t item;

	while (leat_recv(rx, &item) == 1)
		received++;
	expect_cause(want);
	leat_rx_close(rx);
	verify_that(received == leat_load_rlx(&sent));
}

MODEL(stop_against_start, .what = "a source starts: it is refused, or it ends as stopped",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_gen_opts opts = source_opts(1);
	int rc;

	scope = leat_scope_open(NULL, NULL);
	verify_spawn(stops, NULL, "stopper");
	rc = leat_gen(scope, source_until_refused, NULL, sizeof(uint64_t), &opts, &rx);
	verify_that(rc == 0 || (rc == -ESHUTDOWN && rx == NULL));
	if (rc == 0)
		drain_and_expect(LEAT_STOPPED);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

static void cancels_with(void *arg)
{
	leat_scope_cancel(scope, (int)(intptr_t)arg, "gone");
}

/* Whichever comes first, the source ends, and by the first of them that it heard of. */
static void stop_and_cancel(int code)
{
	struct leat_gen_opts opts = source_opts(1);
	enum leat_cause cause;
	int rc;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_gen(scope, source_until_refused, NULL, sizeof(uint64_t), &opts, &rx) == 0);
	verify_spawn(cancels_with, (void *)(intptr_t)code, "canceller");
	rc = leat_scope_stop(scope, LEAT_NEVER, "enough");
	verify_that(rc == 0 || rc == -ECANCELED);
	verify_join();
	verify_that(leat_scope_join(scope) == code);
	verify_that(leat_rx_status(rx, &cause, NULL, NULL) == 0);
	verify_that(refused == ESHUTDOWN ? cause == LEAT_STOPPED
	                                 : cause == (code == 0 ? LEAT_CANCELED : LEAT_FAILED));
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == code);
}

MODEL(stop_against_cancel, .what = "a stop and a cancel", .preemptions = 2, .stale = 1, .quick = 1)
{
	stop_and_cancel(0);
}

static int fails(struct leat_tx *out, void *arg)
{
	(void)out, (void)arg;
	return -EIO;
}

MODEL(stop_against_failure, .what = "a stop, and a sibling that fails", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	struct leat_gen_opts opts = source_opts(1);
	int rc;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_gen(scope, source_until_refused, NULL, sizeof(uint64_t), &opts, &rx) == 0);
	verify_that(leat_gen(scope, fails, NULL, 0, NULL, NULL) == 0);
	rc = leat_scope_stop(scope, LEAT_NEVER, "enough");
	verify_that(rc == 0 || rc == -ECANCELED);
	verify_that(leat_scope_join(scope) == -EIO);
	verify_that(refused == ESHUTDOWN || refused == ECANCELED);
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == -EIO);
}

/* --- the drain deadline --- */

static void stops_in_time(void *arg)
{
	verify_that(leat_scope_stop(scope, (int64_t)(intptr_t)arg, "enough") == 0);
}

/*
 * It passes while the source ends: either nothing is cancelled and the items stay, or the scope has
 * that cause. If a join has returned 0, nothing is cancelled later.
 */
static void drain_against_deadline(void)
{
	uint64_t item;
	int rc = leat_scope_join(scope);

	verify_join();
	if (rc == 0) {
		verify_idle(VERIFY_ANY_NS);
		while (leat_now_ns() < DEADLINE_NS)
			leat_os_futex_wait(&never_woken, 0, DEADLINE_NS);
		verify_that(leat_scope_cause(scope, NULL, NULL) == LEAT_RUNNING);
		while (leat_recv(rx, &item) == 1)
			received++;
		verify_that(received == leat_load_rlx(&sent));
		expect_cause(LEAT_STOPPED);
	} else {
		verify_that(rc == -ETIMEDOUT);
		verify_that(leat_scope_cause(scope, NULL, NULL) == LEAT_DEADLINE);
	}
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == rc);
}

MODEL(stop_deadline, .what = "the drain deadline passes while the source ends", .preemptions = 2,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_gen_opts opts = source_opts(1);

	verify_instant(DEADLINE_NS);
	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_gen(scope, source_until_refused, NULL, sizeof(uint64_t), &opts, &rx) == 0);
	stops_in_time((void *)DEADLINE_NS);
	drain_against_deadline();
}

static void stops_if_it_can(void *arg)
{
	int rc = leat_scope_stop(scope, LEAT_NEVER, "enough");

	(void)arg;
	verify_that(rc == 0 || (rc == -ECANCELED && leat_now_ns() >= DEADLINE_NS));
}

MODEL(stop_twice, .what = "two stops at once, one with a deadline", .preemptions = 1, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	struct leat_gen_opts opts = source_opts(1);

	verify_instant(DEADLINE_NS);
	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_gen(scope, source_until_refused, NULL, sizeof(uint64_t), &opts, &rx) == 0);
	verify_spawn(stops_if_it_can, NULL, "second stopper");
	stops_in_time((void *)DEADLINE_NS);
	drain_against_deadline();
}

/* --- on a pool --- */

static uint32_t told, finis_of_ticks;

/* One item, then it sleeps until a stop. */
static int next_or_sleep(void *state, void *item)
{
	uint64_t *n = state;
	int rc = *n == 0 ? 0 : leat_after(LEAT_NEVER);

	if (rc == -ESHUTDOWN)
		told++;
	if (rc != 0)
		return rc;
	*(uint64_t *)item = ++*n;
	leat_add_rlx(&sent, 1);
	return 1;
}

static void ticks_fini(void *state)
{
	(void)state;
	finis_of_ticks++;
}

static void stop_pooled(enum leat_kind kind, size_t capacity, bool receives)
{
	static uint64_t n;
	struct leat_seq seq = { next_or_sleep, ticks_fini, &n, sizeof(uint64_t) };
	struct leat_gen_opts opts = source_opts(capacity);
	uint64_t item;

	open_pool(1, true);
	opts.pool = pool;
	opts.chan.kind = kind;
	verify_that(leat_gen_seq(scope, seq, &opts, &rx) == 0);
	if (receives) {
		verify_that(leat_recv(rx, &item) == 1);
		received++;
	}
	verify_that(leat_scope_stop(scope, LEAT_NEVER, "enough") == 0);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(finis_of_ticks == 1 && told <= 1);
	drain_and_expect(LEAT_STOPPED);
	close_pool(0);
}

MODEL(stop_compact, .what = "a compact source that sleeps, or is about to", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	stop_pooled(LEAT_SPSC, 2, true);
}

MODEL(stop_compact_unread, .what = "a compact source from which nobody has received",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	stop_pooled(LEAT_SPSC, 1, false);
}

MODEL(stop_pooled_asleep,
      .what = "a source on a pool with a channel of its own, asleep or about to be",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	stop_pooled(LEAT_SPMC, 2, true);
}

MODEL(stop_pooled_unread, .what = "the same, from which nobody has received", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	stop_pooled(LEAT_SPMC, 1, false);
}

/* --- a wait that was given no scope --- */

static int takes_in_vain(struct leat_tx *out, void *arg)
{
	int rc = leat_rate_take(arg, 1, NULL, LEAT_NEVER); /* which parks at once */

	(void)out;
	verify_that(rc == 0 || (rc == -ESHUTDOWN && stopped)); /* 0: it became due */
	return rc;
}

MODEL(stop_wakes_a_wait_without_scope,
      .what = "the stop of a source's scope ends its wait for a rate that names no scope",
      .preemptions = 3, .stale = 1)
{
	struct leat_gen_opts opts = { .source = true };
	struct leat_rate *rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 0.0001 });

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_rate_try(rate, 1) == 0);
	verify_that(leat_gen(scope, takes_in_vain, rate, 0, &opts, NULL) == 0);
	stops(NULL);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_rate_close(rate) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

/* --- a source whose channel is in another scope than its own --- */

static int sleeps_in_vain(struct leat_tx *out, void *arg)
{
	int rc = leat_scope_sleep(arg, LEAT_NEVER);

	(void)out;
	verify_that(rc == -ESHUTDOWN && stopped);
	return rc;
}

MODEL(stop_of_the_channel_wakes_a_sleep,
      .what = "the stop of the scope of a source's channel, not its own, ends its sleep",
      .preemptions = 3, .stale = 1)
{
	struct leat_gen_opts opts = { .source = true };
	struct leat_scope *own = leat_scope_open(NULL, NULL);

	open_chan(LEAT_SPSC, 1);
	verify_that(leat_gen_into(own, sleeps_in_vain, own, tx, &opts) == 0);
	stops(NULL);
	verify_that(leat_scope_join(own) == 0);
	expect_cause(LEAT_STOPPED);
	leat_rx_close(rx);
	verify_that(leat_scope_close(own) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

/* --- a select --- */

static int selects_in_vain(struct leat_tx *out, void *arg)
{
	struct leat_case cases[] = { LEAT_CASE_SCOPE(arg) };
	int rc = leat_select(cases, 1, LEAT_NEVER, LEAT_BY_PRIORITY);

	(void)out;
	verify_that(rc == -ESHUTDOWN && stopped);
	return rc;
}

MODEL(stop_wakes_a_select, .what = "the stop of a source's scope ends its select on another",
      .preemptions = 3, .stale = 1)
{
	struct leat_gen_opts opts = { .source = true };
	struct leat_scope *other = leat_scope_open(NULL, NULL);

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_gen(scope, selects_in_vain, other, 0, &opts, NULL) == 0);
	stops(NULL);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_scope_close(other) == 0);
	verify_that(leat_scope_close(scope) == 0);
}
