/*
 * Models of channels: how they end. Closes, cancels, senders that are severed by a failure, and
 * what can be known by an answer.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/chan.h"

static struct leat_tx *tx_of[2];

MODEL(chan_close_wakes_all, .what = "close_wakes_all: two receivers asleep, the last sender closes",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	open_chan(LEAT_SPMC, 1);
	verify_spawn(receives_to_the_end, leat_rx_clone(rx), "receiver 1");
	verify_spawn(receives_to_the_end, rx, "receiver 2");
	leat_tx_close(tx);
	finish();
}

MODEL(chan_rx_close_wakes_all,
      .what = "close_wakes_all: two senders asleep on a full channel, the receiver closes",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_chan(LEAT_MPSC, 1);
	verify_that(send_one(tx, 9) == 0);
	verify_spawn(sends_until_refused, leat_tx_clone(tx), "sender 1");
	verify_spawn(sends_until_refused, tx, "sender 2");
	leat_rx_close(rx);
	finish();
}

/* A close against the calls of the other side, for each kind of ring. */
static void close_against_send(enum leat_kind kind)
{
	open_chan(kind, 1);
	verify_spawn(sends_until_refused, tx, "sender");
	leat_rx_close(rx);
	finish();
}

MODEL(chan_spsc_close_against_send,
      .what = "the receiver closes while items are sent: received, discarded or given back",
      .preemptions = 3, .stale = 1, .quick_both = 2)
{
	close_against_send(LEAT_SPSC);
}

MODEL(chan_mpmc_close_against_send, .what = "the same on a ring with turns", .preemptions = 3,
      .stale = 1, .quick = 2)
{
	close_against_send(LEAT_MPMC);
}

static void reserves_and_commits(void *arg)
{
	void *place;
	ssize_t n = leat_reserve(arg, 2, &place);

	if (n > 0) {
		for (ssize_t i = 0; i < n; i++)
			((uint64_t *)place)[i] = (uint64_t)i + 1;
		verify_that(leat_commit(arg, 1) == 0);
		accepted[1]++;
	} else {
		verify_that(n == -EPIPE || n == -ECANCELED);
	}
	leat_tx_close(arg);
}

MODEL(chan_spsc_close_against_claim,
      .what = "close_against_claim: the receiver closes inside a reservation", .preemptions = 3,
      .stale = 1, .quick_both = 2)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(reserves_and_commits, tx, "sender");
	leat_rx_close(rx);
	finish();
}

MODEL(chan_mpmc_close_against_claim,
      .what = "close_against_claim on a ring with turns, with another sender", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	open_chan(LEAT_MPMC, 2);
	verify_spawn(reserves_and_commits, leat_tx_clone(tx), "reserves");
	verify_spawn(sends_one, tx, "sends");
	receives_until_refused(rx);
	finish();
}

/*
 * Sent, received and closed: whoever closes last destroys, while the other may still be inside its
 * wake-up.
 */
static void sends_and_closes(void *arg)
{
	verify_that(send_one(arg, 1) == 0);
	leat_tx_close(arg);
}

MODEL(chan_mpmc_two_by_two, .what = "two senders, two receivers, one slot, to the end",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
{
	open_chan(LEAT_MPMC, 1);
	verify_spawn(sends_one, leat_tx_clone(tx), "sender 1");
	verify_spawn(receives_to_the_end, leat_rx_clone(rx), "receiver 1");
	verify_spawn(receives_to_the_end, rx, "receiver 2");
	sends_and_closes(tx);
	finish();
}

static void receives_and_closes(void *arg)
{
	uint64_t item;

	verify_that(leat_recv(arg, &item) == 1);
	received[item]++;
	leat_rx_close(arg);
}

MODEL(chan_waker_inside_wake_while_destroyed,
      .what = "the receiver takes the item and closes while the sender is in its wake-up",
      .preemptions = 3, .stale = 1)
{
	open_chan(LEAT_SPSC, 1);
	verify_spawn(receives_and_closes, rx, "receiver");
	sends_and_closes(tx);
	finish();
}

MODEL(chan_mpmc_waker_inside_wake, .what = "the same on a ring with turns", .preemptions = 3,
      .stale = 1)
{
	open_chan(LEAT_MPMC, 1);
	verify_spawn(receives_and_closes, rx, "receiver");
	sends_and_closes(tx);
	finish();
}

/* cancel_against_deliver_exactly_one. */
static void cancel_against(enum leat_kind kind)
{
	open_chan(kind, 1);
	verify_spawn(sends_until_refused, tx, "sender");
	verify_spawn(receives_until_refused, rx, "receiver");
	cancels(NULL);
	finish();
}

MODEL(chan_spsc_cancel_against_deliver, .what = "cancel_against_deliver_exactly_one: SPSC",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	cancel_against(LEAT_SPSC);
}

MODEL(chan_mpmc_cancel_against_deliver,
      .what = "cancel_against_deliver_exactly_one: a ring with turns", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	cancel_against(LEAT_MPMC);
}

static void sees_the_end_once(void *arg)
{
	uint64_t item;
	int rc = leat_recv(arg, &item), again;

	verify_that(rc == 0 || rc == -ECANCELED);
	again = leat_recv((struct leat_rx *)arg, &item);
	verify_that(again == rc || (rc == -ECANCELED && again == -ECANCELED));
	leat_rx_close(arg);
}

MODEL(chan_cancel_against_end,
      .what = "a cancel against the end of the stream: the first answer stays", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	open_chan(LEAT_SPMC, 1);
	verify_spawn(sees_the_end_once, leat_rx_clone(rx), "receiver 1");
	verify_spawn(sees_the_end_once, rx, "receiver 2");
	leat_tx_close(tx);
	cancels(NULL);
	finish();
}

/* Nothing but the end itself wakes these: the other side keeps its handle and does nothing. */
static void is_cancelled(void *arg)
{
	uint64_t item;

	verify_that(leat_recv((struct leat_rx *)arg, &item) == -ECANCELED);
}

MODEL(chan_cancel_wakes_receivers, .what = "a cancel wakes two receivers asleep", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	struct leat_rx *clone;

	open_chan(LEAT_SPMC, 1);
	clone = leat_rx_clone(rx);
	verify_spawn(is_cancelled, clone, "receiver 1");
	verify_spawn(is_cancelled, rx, "receiver 2");
	cancels(NULL);
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(clone);
	leat_rx_close(rx);
	finish();
}

static void is_cancelled_sending(void *arg)
{
	verify_that(send_one(arg, 1) == -ECANCELED);
}

MODEL(chan_cancel_wakes_senders, .what = "a cancel wakes two senders asleep", .preemptions = 2,
      .stale = 1)
{
	struct leat_tx *clone;

	open_chan(LEAT_MPSC, 1);
	clone = leat_tx_clone(tx);
	verify_that(send_one(tx, 9) == 0);
	verify_spawn(is_cancelled_sending, clone, "sender 1");
	verify_spawn(is_cancelled_sending, tx, "sender 2");
	cancels(NULL);
	verify_join();
	leat_tx_close(clone);
	leat_tx_close(tx);
	leat_rx_close(rx);
	finish();
}

static int wait_ends_with;

static void waits_for_nothing(void *arg)
{
	verify_that(leat_tx_wait(arg, -1, 0, LEAT_NEVER) == wait_ends_with);
}

MODEL(chan_cancel_wakes_a_wait, .what = "a cancel ends leat_tx_wait()", .preemptions = 3,
      .stale = 2)
{
	open_chan(LEAT_SPSC, 1);
	wait_ends_with = -ECANCELED;
	verify_spawn(waits_for_nothing, tx, "waiter");
	cancels(NULL);
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(rx);
	finish();
}

MODEL(chan_rx_close_wakes_a_wait, .what = "the last receiver's close ends leat_tx_wait()",
      .preemptions = 3, .stale = 2)
{
	open_chan(LEAT_SPSC, 1);
	wait_ends_with = -EPIPE;
	verify_spawn(waits_for_nothing, tx, "waiter");
	leat_rx_close(rx);
	verify_join();
	leat_tx_close(tx);
	finish();
}

/*
 * What a generator that fails does to its channel, while a clone of its sender is held by somebody
 * else.
 */
static void fails_like_a_generator(void *arg)
{
	struct leat_chan *chan = tx->chan;

	(void)arg;
	leat_chan_hold(chan);
	leat_tx_close(tx);
	leat_chan_fail_tx(chan);
	leat_chan_let_go(chan);
}

static void sends_until_severed(void *arg)
{
	int rc = 0;

	for (uint64_t item = 1; item < 4 && rc == 0; item++)
		rc = send_one(arg, item);
	verify_that(rc == 0 || rc == -ECANCELED);
}

MODEL(chan_severed_against_send,
      .what = "a failure severs a clone: what it sent drains, then the end, though it is open",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	open_chan(LEAT_MPSC, 1);
	tx_of[1] = leat_tx_clone(tx);
	verify_spawn(sends_until_severed, tx_of[1], "clone");
	verify_spawn(receives_to_the_end, rx, "receiver");
	verify_that(send_one(tx, 5) == 0);
	fails_like_a_generator(NULL);
	verify_join();
	verify_that(received[5] == 1);
	leat_tx_close(tx_of[1]);
	finish();
}

MODEL(chan_severed_after_send,
      .what = "a receiver that hears of the failure has what was sent before it", .preemptions = 2,
      .stale = 2)
{
	open_chan(LEAT_MPSC, 2);
	tx_of[1] = leat_tx_clone(tx);
	verify_spawn(receives_to_the_end, rx, "receiver");
	verify_that(send_one(tx, 5) == 0);
	fails_like_a_generator(NULL);
	verify_join();
	verify_that(received[5] == 1);
	leat_tx_close(tx_of[1]);
	finish();
}

/*
 * Items in a reservation keep a severed stream open; both receivers hear of its end when it is
 * over.
 */
static void severed_with_reservation(size_t committed)
{
	void *place;

	open_chan(LEAT_MPMC, 2);
	tx_of[1] = leat_tx_clone(tx);
	verify_that(leat_reserve(tx_of[1], 1, &place) == 1);
	*(uint64_t *)place = 1;
	fails_like_a_generator(NULL);
	verify_spawn(receives_to_the_end, leat_rx_clone(rx), "receiver 1");
	verify_spawn(receives_to_the_end, rx, "receiver 2");
	verify_that(leat_commit(tx_of[1], committed) == 0);
	accepted[1] = (uint32_t)committed;
	verify_join();
	leat_tx_close(tx_of[1]);
	finish();
}

MODEL(chan_severed_then_committed,
      .what = "a severed clone's last item: one receives it, and both hear of the end",
      .preemptions = 2, .quick = 1, .stale = 1)
{
	severed_with_reservation(1);
}

MODEL(chan_severed_then_given_up, .what = "the same where it is given up", .preemptions = 2,
      .quick = 1, .stale = 1)
{
	severed_with_reservation(0);
}

/* What can be known by an answer. */
static void asks_for_the_cause(void *arg)
{
	int rc = send_one(arg, 1);

	verify_that(rc == 0 ||
	            (rc == -ECANCELED && leat_scope_cause(scope, NULL, NULL) == LEAT_FAILED));
}

MODEL(chan_severed_says_why,
      .what = "a clone that is refused since its generator failed can ask for the cause",
      .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_MPSC, 1);
	tx_of[1] = leat_tx_clone(tx);
	verify_spawn(asks_for_the_cause, tx_of[1], "clone");
	leat_scope_fail(scope, -EIO, NULL, &tx->chan->hook, NULL);
	fails_like_a_generator(NULL);
	verify_join();
	leat_tx_close(tx_of[1]);
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == -EIO);
	check_items();
}

MODEL(chan_status_of_cancel, .what = "the status of a stream that is cancelled just now",
      .preemptions = 2, .stale = 1)
{
	enum leat_cause cause;
	int rc;

	open_chan(LEAT_SPSC, 1);
	verify_spawn(cancels, NULL, "canceller");
	rc = leat_rx_status(rx, &cause, NULL, NULL);
	verify_that(rc == -EAGAIN || (rc == 0 && cause == LEAT_CANCELED));
	leat_tx_close(tx);
	leat_rx_close(rx);
	finish();
}

static bool had_enough;

static void has_enough(void *arg)
{
	(void)arg;
	had_enough = true;
	leat_rx_close(rx);
}

MODEL(chan_close_publishes,
      .what = "who is refused by -EPIPE has what the last receiver did before its close",
      .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPSC, 1);
	verify_spawn(has_enough, NULL, "receiver");
	verify_that(send_one(tx, 1) == 0 || had_enough);
	leat_tx_close(tx);
	finish();
}
