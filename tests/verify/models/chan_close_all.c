/*
 * Models of leat_tx_close_all(): against senders that are parked, within a send, or hold a
 * reservation; against parked receivers, the last receiver's close, a cancel, a failure, and
 * another such call.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/chan.h"

static struct leat_tx *other;

static void open_two(enum leat_kind kind, size_t capacity)
{
	open_chan(kind, capacity);
	other = leat_tx_clone(tx);
}

/* Each item that a send accepted was received: none was discarded. */
static void finish_all_received(void)
{
	finish();
	for (int i = 0; i < MOST; i++)
		verify_that(discarded[i] == 0);
}

static void closes_all(void *arg)
{
	leat_tx_close_all(arg);
}

static void is_refused(void *arg)
{
	verify_that(send_one(arg, 1) == -EPIPE);
	verify_that(leat_tx_done(arg));
	leat_tx_close(arg);
}

MODEL(chan_close_all_wakes_senders,
      .what = "two senders asleep on a full channel, a third closes the stream", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	open_two(LEAT_MPSC, 1);
	verify_that(send_one(tx, 9) == 0);
	verify_spawn(is_refused, leat_tx_clone(tx), "sender 1");
	verify_spawn(is_refused, other, "sender 2");
	leat_tx_close_all(tx);
	verify_join();
	receives_to_the_end(rx);
	finish_all_received();
}

MODEL(chan_close_all_wakes_receivers,
      .what = "two receivers asleep hear of the end, though a sender's handle stays open",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	open_two(LEAT_MPMC, 1);
	verify_spawn(receives_to_the_end, leat_rx_clone(rx), "receiver 1");
	verify_spawn(receives_to_the_end, rx, "receiver 2");
	leat_tx_close_all(tx);
	verify_join();
	leat_tx_close(other);
	finish_all_received();
}

static void waits_for_nothing(void *arg)
{
	verify_that(leat_tx_wait(arg, -1, 0, LEAT_NEVER) == -EPIPE);
	leat_tx_close(arg);
}

MODEL(chan_close_all_wakes_a_wait, .what = "it ends leat_tx_wait() of another sender",
      .preemptions = 3, .stale = 1)
{
	open_two(LEAT_MPSC, 1);
	verify_spawn(waits_for_nothing, other, "waiter");
	leat_tx_close_all(tx);
	verify_join();
	receives_to_the_end(rx);
	finish_all_received();
}

static void against_send(enum leat_kind kind, size_t capacity)
{
	open_two(kind, capacity);
	verify_spawn(sends_until_refused, other, "sender");
	verify_spawn(closes_all, tx, "closer");
	receives_to_the_end(rx);
	finish_all_received();
}

MODEL(chan_close_all_against_send,
      .what = "what a send under way has accepted is received, though the stream ends",
      .preemptions = 2, .stale = 1, .quick_both = 1)
{
	against_send(LEAT_MPSC, 1);
}

MODEL(chan_close_all_against_send_roomy, .what = "the same with room", .preemptions = 2, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	against_send(LEAT_MPMC, 2);
}

static void sends_one_or_none(void *arg)
{
	int rc = send_one(arg, 5);

	verify_that(rc == 0 || rc == -EPIPE);
}

MODEL(chan_close_all_against_one_send,
      .what = "the same of a single send, whose sender keeps its handle open", .preemptions = 3,
      .stale = 1, .quick = 2, .quick_both = 2)
{
	open_two(LEAT_MPSC, 1);
	verify_spawn(sends_one_or_none, other, "sender");
	verify_spawn(receives_to_the_end, rx, "receiver");
	leat_tx_close_all(tx);
	verify_join();
	leat_tx_close(other);
	finish_all_received();
}

static void is_done_once_refused(void *arg)
{
	int rc = 0;

	for (uint64_t item = 5; item < 9 && rc == 0; item++)
		rc = send_one(arg, item);
	if (rc != 0)
		verify_that(rc == -EPIPE && leat_tx_done(arg));
}

MODEL(chan_close_all_says_so, .what = "a sender that finds the ring closed knows why",
      .preemptions = 1, .stale = 3, .quick = 1)
{
	open_two(LEAT_MPSC, 4);
	verify_spawn(is_done_once_refused, other, "sender");
	leat_tx_close_all(tx);
	verify_join();
	receives_to_the_end(rx);
	leat_tx_close(other);
	finish_all_received();
}

static void sends_a_batch(void *arg)
{
	uint64_t items[] = { 5, 6 };
	ssize_t n = leat_send_batch((struct leat_tx *)arg, items, 2);

	verify_that(n == 1 || n == 2 || n == -EPIPE);
	for (ssize_t i = 0; i < n; i++)
		accepted[items[i]]++;
	leat_tx_close(arg);
}

MODEL(chan_close_all_against_batch, .what = "the same of a batch", .preemptions = 2, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	open_two(LEAT_MPSC, 1);
	verify_spawn(sends_a_batch, other, "sender");
	verify_spawn(closes_all, tx, "closer");
	receives_to_the_end(rx);
	finish_all_received();
}

static size_t commits;

static void reserves(void *arg)
{
	void *place;
	ssize_t n = leat_reserve(arg, 1, &place);

	verify_that(n == 1 || n == -EPIPE);
	if (n == 1) {
		*(uint64_t *)place = 5;
		verify_that(leat_commit(arg, commits) == 0);
		accepted[5] += (uint32_t)commits;
	}
}

static void against_reservation(enum leat_overflow overflow, size_t committed)
{
	open_with(
		(struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 2, .overflow = overflow });
	other = leat_tx_clone(tx);
	commits = committed;
	verify_spawn(reserves, other, "reserves");
	verify_spawn(closes_all, tx, "closer");
	receives_to_the_end(rx);
	verify_join();
	leat_tx_close(other);
	finish_all_received();
}

MODEL(chan_close_all_against_reserve, .what = "a reservation that was held is received",
      .preemptions = 2, .stale = 1, .quick = 2, .quick_both = 2)
{
	against_reservation(LEAT_BLOCK, 1);
}

MODEL(chan_close_all_against_give_back, .what = "one that is given back does not keep the end",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	against_reservation(LEAT_BLOCK, 0);
}

MODEL(chan_close_all_against_scratch,
      .what = "the same on a channel that drops, where a reservation is no slot", .preemptions = 2,
      .stale = 1, .quick = 2, .quick_both = 2)
{
	against_reservation(LEAT_DROP_NEWEST, 1);
}

MODEL(chan_close_all_against_scratch_given_back, .what = "the same, given back", .preemptions = 2,
      .stale = 1, .quick = 2, .quick_both = 2)
{
	against_reservation(LEAT_DROP_OLDEST, 0);
}

static void commits_one(void *arg)
{
	verify_that(leat_commit(arg, 1) == 0);
}

MODEL(chan_close_all_two_scratches, .what = "two reservations are held: the last lets the end come",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_tx *third;
	void *place;

	open_with((struct leat_chan_opts){
		.kind = LEAT_MPSC, .capacity = 2, .overflow = LEAT_DROP_NEWEST });
	other = leat_tx_clone(tx);
	third = leat_tx_clone(tx);
	verify_that(leat_reserve(other, 1, &place) == 1);
	*(uint64_t *)place = 5;
	verify_that(leat_reserve(third, 1, &place) == 1);
	*(uint64_t *)place = 1;
	accepted[5] = accepted[1] = 1;
	leat_tx_close_all(tx);
	verify_spawn(commits_one, other, "commits 1");
	verify_spawn(commits_one, third, "commits 2");
	receives_to_the_end(rx);
	verify_join();
	leat_tx_close(other);
	leat_tx_close(third);
	finish_all_received();
}

/* Takes one item, or hears of the end, and keeps its handle. */
static void receives_once(void *arg)
{
	uint64_t item;
	int rc = leat_recv((struct leat_rx *)arg, &item);

	verify_that(rc == 0 || rc == 1);
	if (rc == 1)
		received[item]++;
}

MODEL(chan_close_all_end_is_passed_on,
      .what = "a receiver that takes the last item and no more: the other hears of the end",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	struct leat_rx *once;
	void *place;

	open_two(LEAT_MPMC, 1);
	once = leat_rx_clone(rx);
	verify_that(leat_reserve(other, 1, &place) == 1);
	*(uint64_t *)place = 5;
	accepted[5] = 1;
	leat_tx_close_all(tx);
	verify_spawn(receives_once, once, "once");
	verify_spawn(receives_to_the_end, rx, "to the end");
	verify_that(leat_commit(other, 1) == 0);
	verify_join();
	leat_tx_close(other);
	leat_rx_close(once);
	finish_all_received();
}

/* --- against what else ends a channel --- */

static void first_refusal_stays(void *arg)
{
	int rc = 0;

	for (uint64_t item = 5; item < 7 && rc == 0; item++)
		rc = send_one(arg, item);
	verify_that(rc == 0 || rc == -EPIPE || rc == -ECANCELED);
	if (rc != 0)
		verify_that(send_one(arg, 8) == rc);
	leat_tx_close(arg);
}

MODEL(chan_close_all_against_rx_close, .what = "against the last receiver's close",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_two(LEAT_MPSC, 1);
	verify_that(send_one(tx, 9) == 0);
	verify_spawn(sends_until_refused, other, "sender");
	verify_spawn(closes_all, tx, "closer");
	leat_rx_close(rx);
	finish();
}

MODEL(chan_close_all_against_cancel, .what = "against a cancel: the first refusal stays",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_two(LEAT_MPSC, 1);
	verify_spawn(first_refusal_stays, other, "sender");
	verify_spawn(closes_all, tx, "closer");
	cancels(NULL);
	receives_until_refused(rx);
	finish();
}

static void fails_like_a_generator(void *arg)
{
	struct leat_tx *out = arg;
	struct leat_chan *chan = out->chan;

	leat_chan_hold(chan);
	leat_tx_close(out);
	leat_chan_fail_tx(chan);
	leat_chan_let_go(chan);
}

MODEL(chan_close_all_against_failure,
      .what = "against a generator's failure: the first refusal stays, and the stream ends",
      .preemptions = 2, .stale = 1, .quick_both = 1)
{
	struct leat_tx *third;

	open_two(LEAT_MPSC, 1);
	third = leat_tx_clone(tx);
	verify_spawn(first_refusal_stays, other, "sender");
	verify_spawn(fails_like_a_generator, third, "fails");
	verify_spawn(closes_all, tx, "closer");
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_close_all_twice, .what = "two of them at the same time, beside a receiver",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_two(LEAT_MPSC, 1);
	verify_that(send_one(tx, 1) == 0);
	verify_spawn(closes_all, other, "closer 1");
	verify_spawn(closes_all, tx, "closer 2");
	receives_to_the_end(rx);
	finish_all_received();
	verify_that(received[1] == 1);
}

MODEL(chan_close_all_against_last_close, .what = "against the close of the only other sender",
      .preemptions = 3, .stale = 1, .quick_both = 2)
{
	open_two(LEAT_MPMC, 1);
	verify_spawn(sends_one, other, "sender");
	receives_once(rx);
	leat_tx_close_all(tx);
	receives_to_the_end(rx);
	finish_all_received();
}
