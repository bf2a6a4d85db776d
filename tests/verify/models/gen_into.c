/*
 * Models of leat_gen_into(): generators that share a channel, in its scope or in scopes of their
 * own, as they end, fail, are cancelled and are stopped.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/chan.h"

#include <leat/gen.h>

static struct leat_scope *inner; /* of a generator that has one of its own */
static uint32_t finis, go, refusals;
static int expected; /* what a refused call returns */
static bool before;  /* plain memory, written before the end of the scope */

static void count_fini(void *arg)
{
	(void)arg;
	leat_add_acqrel(&finis, 1);
}

/* Returns whether it started. */
static bool start_into(struct leat_scope *in, leat_gen_fn *fn, uint64_t item, bool source)
{
	struct leat_gen_opts opts = { .fini = count_fini, .source = source };
	struct leat_tx *out = leat_tx_clone(tx);
	int rc = leat_gen_into(in, fn, (void *)(uintptr_t)item, out, &opts);

	verify_that(rc == 0 || rc == -ECANCELED || (rc == -ESHUTDOWN && source));
	if (rc != 0)
		leat_tx_close(out);
	return rc == 0;
}

static void open_scopes(size_t capacity)
{
	open_chan(LEAT_MPSC, capacity);
	inner = leat_scope_open(NULL, NULL);
}

static void expect_cause(enum leat_cause expected_cause, int expected_code)
{
	enum leat_cause cause;
	int code;

	verify_that(leat_rx_status(rx, &cause, &code, NULL) == 0);
	verify_that(cause == expected_cause && code == expected_code);
}

/* Receives to the end, and leaves the handle open. */
static void receives_all(void)
{
	uint64_t item;
	int rc;

	while ((rc = leat_recv(rx, &item)) == 1)
		received[item]++;
	verify_that(rc == 0);
}

static int one_item(struct leat_tx *out, void *arg)
{
	return send_one(out, (uint64_t)(uintptr_t)arg);
}

MODEL(gen_into_fan_in, .what = "two generators share a channel: it ends when both have",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	open_chan(LEAT_MPSC, 1);
	verify_that(start_into(scope, one_item, 1, false));
	verify_that(start_into(scope, one_item, 5, false));
	leat_tx_close(tx);
	receives_all();
	verify_that(leat_load_rlx(&finis) == 2 && received[1] == 1 && received[5] == 1);
	expect_cause(LEAT_COMPLETED, 0);
	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
	finish();
}

static int item_then_failure(struct leat_tx *out, void *arg)
{
	int rc = send_one(out, (uint64_t)(uintptr_t)arg);

	return rc == 0 ? leat_tx_fail(out, -EIO, "disk gone") : rc;
}

static int until_refused(struct leat_tx *out, void *arg)
{
	int rc = 0;

	for (uint64_t item = (uint64_t)(uintptr_t)arg; item < MOST - 1 && rc == 0; item++)
		rc = send_one(out, item);
	verify_that(rc == 0 || rc == -ECANCELED);
	return rc;
}

MODEL(gen_into_fails, .what = "one of two fails: what it sent is received, the other is refused",
      .preemptions = 2, .stale = 1, .quick_both = 1)
{
	uint32_t started;

	open_chan(LEAT_MPSC, 1);
	verify_that(start_into(scope, item_then_failure, 1, false));
	started = 1u + start_into(scope, until_refused, 7, false);
	leat_tx_close(tx);
	receives_all();
	verify_that(received[1] == 1 || accepted[1] == 0);
	verify_that(leat_scope_join(scope) == -EIO && leat_load_rlx(&finis) == started);
	expect_cause(LEAT_FAILED, -EIO);
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == -EIO);
	check_items();
}

MODEL(gen_into_fails_alone, .what = "one fails in a scope of its own: the others go on",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_scopes(2);
	verify_that(start_into(inner, item_then_failure, 1, false));
	verify_that(send_one(tx, 5) == 0);
	leat_tx_close(tx);
	receives_all();
	verify_that(received[1] == 1 && received[5] == 1);
	expect_cause(LEAT_FAILED, -EIO);
	leat_rx_close(rx);
	verify_that(leat_scope_close(inner) == -EIO);
	finish();
}

/* --- a cancel and a stop of the generator's own scope --- */

static int is_refused(struct leat_tx *out, void *arg)
{
	(void)arg;
	verify_that(send_one(out, 1) == expected && leat_tx_done(out));
	leat_add_acqrel(&refusals, 1);
	return expected;
}

static int waits_in_vain(struct leat_tx *out, void *arg)
{
	(void)arg;
	verify_that(leat_tx_wait(out, -1, 0, LEAT_NEVER) == expected);
	leat_add_acqrel(&refusals, 1);
	return expected;
}

/* It finds out by a send that has room, so by the fast path. */
static int is_refused_later(struct leat_tx *out, void *arg)
{
	while (leat_load_acq(&go) == 0)
		leat_pause();
	return is_refused(out, arg);
}

static void end_inner(int rc)
{
	before = true;
	if (rc == -ECANCELED)
		leat_scope_cancel(inner, 0, "enough");
	else
		verify_that(leat_scope_stop(inner, LEAT_NEVER, "enough") == 0);
	leat_store_rel(&go, 1);
}

static void own_scope_ends(leat_gen_fn *fn, size_t capacity, int rc)
{
	open_scopes(capacity);
	expected = rc;
	if (capacity == 1)
		verify_that(send_one(tx, 9) == 0);
	verify_that(start_into(inner, fn, 1, rc == -ESHUTDOWN));
	end_inner(rc);
	verify_that(leat_scope_join(inner) == 0);
	verify_that(leat_load_rlx(&refusals) == 1 && leat_load_rlx(&finis) == 1);
	if (capacity > 1) /* the others go on */
		verify_that(send_one(tx, 5) == 0);
	leat_tx_close(tx);
	receives_all();
	expect_cause(rc == -ESHUTDOWN ? LEAT_STOPPED : LEAT_COMPLETED, 0);
	leat_rx_close(rx);
	verify_that(leat_scope_close(inner) == 0);
	finish();
}

MODEL(gen_into_canceled, .what = "a cancel of the generator's own scope wakes its send",
      .preemptions = 2, .stale = 1)
{
	own_scope_ends(is_refused, 1, -ECANCELED);
}

MODEL(gen_into_canceled_waits, .what = "the same of leat_tx_wait()", .preemptions = 2, .stale = 1)
{
	own_scope_ends(waits_in_vain, 2, -ECANCELED);
}

MODEL(gen_into_canceled_with_room, .what = "the same of a send that has room", .preemptions = 2,
      .stale = 1)
{
	own_scope_ends(is_refused_later, 2, -ECANCELED);
}

MODEL(gen_into_stopped, .what = "a stop of the source's own scope wakes its send", .preemptions = 2,
      .stale = 1)
{
	own_scope_ends(is_refused, 1, -ESHUTDOWN);
}

MODEL(gen_into_stopped_waits, .what = "the same of leat_tx_wait()", .preemptions = 2, .stale = 1)
{
	own_scope_ends(waits_in_vain, 2, -ESHUTDOWN);
}

MODEL(gen_into_stopped_with_room, .what = "the same of a send that has room", .preemptions = 2,
      .stale = 1)
{
	own_scope_ends(is_refused_later, 2, -ESHUTDOWN);
}

static int hears_of_the_end(struct leat_tx *out, void *arg)
{
	(void)arg;
	while (!leat_tx_done(out))
		leat_pause();
	verify_that(before);
	if (expected == -ECANCELED)
		verify_that(leat_scope_cause(inner, NULL, NULL) == LEAT_CANCELED);
	leat_add_acqrel(&refusals, 1);
	return expected;
}

MODEL(gen_into_canceled_says_why,
      .what = "a generator that is refused has what was done before the cancel, and its cause",
      .preemptions = 2, .stale = 2)
{
	own_scope_ends(hears_of_the_end, 2, -ECANCELED);
}

MODEL(gen_into_stopped_says_why, .what = "the same of a stop", .preemptions = 2, .stale = 2)
{
	own_scope_ends(hears_of_the_end, 2, -ESHUTDOWN);
}

/* --- its end against other ends --- */

static void cancels_inner(void *arg)
{
	(void)arg;
	leat_scope_cancel(inner, 0, "enough");
}

MODEL(gen_into_ends_against_cancel, .what = "a generator ends while its own scope is cancelled",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	open_scopes(1);
	verify_spawn(cancels_inner, NULL, "canceller");
	start_into(inner, one_item, 1, false);
	leat_tx_close(tx);
	receives_all();
	leat_rx_close(rx);
	verify_that(leat_scope_join(inner) == 0);
	verify_join();
	verify_that(leat_scope_close(inner) == 0);
	finish();
}

MODEL(gen_into_ends_against_scope_close, .what = "its own scope is closed while it is in a send",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_scopes(1);
	start_into(inner, until_refused, 5, false);
	verify_that(leat_scope_close(inner) == 0);
	leat_tx_close(tx);
	receives_all();
	leat_rx_close(rx);
	finish();
}

static void leaves(void *arg)
{
	leat_rx_close(arg);
}

static int may_be_refused(struct leat_tx *out, void *arg)
{
	int rc = send_one(out, (uint64_t)(uintptr_t)arg);

	if (rc == 0)
		rc = send_one(out, (uint64_t)(uintptr_t)arg + 1);
	verify_that(rc == 0 || rc == -EPIPE || rc == -ECANCELED);
	if (rc < 0)
		verify_that(send_one(out, 9) == rc);
	return rc;
}

MODEL(gen_into_refused_twice,
      .what = "its own scope is cancelled and the receiver leaves: the first refusal stays",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_scopes(1);
	start_into(inner, may_be_refused, 1, false);
	verify_spawn(leaves, rx, "receiver");
	leat_scope_cancel(inner, 0, "enough");
	verify_that(leat_scope_close(inner) == 0);
	verify_join();
	leat_tx_close(tx);
	finish();
}

static void stops_inner(void *arg)
{
	(void)arg;
	verify_that(leat_scope_stop(inner, LEAT_NEVER, "enough") == 0);
}

static int source_until_stopped(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t item = 1; item < MOST && rc == 0; item++)
		rc = leat_tx_wait(out, -1, 0, LEAT_NEVER);
	verify_that(rc == -ESHUTDOWN);
	return rc;
}

MODEL(gen_into_starts_against_stop, .what = "a source starts while its own scope is stopped",
      .preemptions = 2, .stale = 1)
{
	open_scopes(1);
	verify_spawn(stops_inner, NULL, "stopper");
	start_into(inner, source_until_stopped, 1, true);
	verify_that(leat_scope_join(inner) == 0);
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(rx);
	verify_that(leat_scope_close(inner) == 0);
	finish();
}

static int until_the_stream_ends(struct leat_tx *out, void *arg)
{
	int rc = 0;

	for (uint64_t item = (uint64_t)(uintptr_t)arg; item < MOST && rc == 0; item++)
		rc = send_one(out, item);
	verify_that(rc == -EPIPE || rc == 0);
	return rc;
}

MODEL(gen_into_close_all, .what = "a coordinator ends the stream: its generators have completed",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_chan(LEAT_MPSC, 1);
	start_into(scope, until_the_stream_ends, 1, false);
	leat_tx_close_all(tx);
	receives_all();
	verify_that(leat_scope_join(scope) == 0);
	expect_cause(LEAT_COMPLETED, 0);
	leat_rx_close(rx);
	finish();
	for (int i = 0; i < MOST; i++)
		verify_that(discarded[i] == 0);
}
