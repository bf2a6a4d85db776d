/*
 * Models of channels: everything that can end against everything that can wait.
 *
 * Each item is a number below MOST, sent once. What became of it is kept here; at the end each accepted one was received
 * once or discarded once, those of one sender in order. That the books balance the library asserts itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/chan/chan.h"
#include "runtime/chan/wait.h"

#include <leat/chan.h>
#include <leat/scope.h>

enum { MOST = 10 };

static struct leat_scope *scope;
static struct leat_tx *tx;
static struct leat_rx *rx;
static struct leat_tx *tx_of[3];
static uint32_t accepted[MOST], received[MOST], discarded[MOST];

static void discard(void *item, void *arg)
{
	(void)arg;
	discarded[*(uint64_t *)item]++;
}

static void open_with(struct leat_chan_opts opts)
{
	if (opts.send_wait == LEAT_WAIT_ADAPTIVE) /* which parks in the end, after a great many steps */
		opts.send_wait = opts.recv_wait = LEAT_WAIT_PARK;
	opts.discard = discard;
	scope = leat_scope_open(NULL, NULL);
	verify_that(scope != NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &opts, &tx, &rx) == 0);
}

static void open_chan(enum leat_kind kind, size_t capacity)
{
	open_with((struct leat_chan_opts){ .kind = kind, .capacity = capacity });
}

static void check_items(void)
{
	for (int i = 0; i < MOST; i++)
		verify_that(received[i] + discarded[i] == accepted[i]);
}

static void finish(void)
{
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
	check_items();
}

static int send_one(struct leat_tx *out, uint64_t item)
{
	int rc = leat_send(out, &item);

	if (rc == 0)
		accepted[item]++;
	return rc;
}

/* Senders: item and item + 1 by their own handle, which each closes. */
static void sends_two(void *arg)
{
	struct leat_tx *out = arg;

	verify_that(send_one(out, 1) == 0);
	verify_that(send_one(out, 2) == 0);
	leat_tx_close(out);
}

static void sends_one(void *arg)
{
	verify_that(send_one(arg, 5) == 0);
	leat_tx_close(arg);
}

static void sends_until_refused(void *arg)
{
	uint64_t first = arg == tx ? 1 : 5;
	int rc = 0;

	for (uint64_t item = first; item < first + 4 && rc == 0; item++)
		rc = send_one(arg, item);
	verify_that(rc == 0 || rc == -EPIPE || rc == -ECANCELED);
	if (rc == -ECANCELED) /* by now the cause can be asked for */
		verify_that(leat_scope_cause(scope, NULL, NULL) == LEAT_CANCELED);
	leat_tx_close(arg);
}

static void receives_to_the_end(void *arg)
{
	uint64_t item, last = 0;
	int rc;

	while ((rc = leat_recv(arg, &item)) == 1) {
		received[item]++;
		if (item < 5) {
			verify_that(item > last);
			last = item;
		}
	}
	verify_that(rc == 0);
	verify_that(leat_recv((struct leat_rx *)arg, &item) == 0); /* for ever */
	leat_rx_close(arg);
}

static void receives_until_refused(void *arg)
{
	uint64_t item;
	int rc;

	while ((rc = leat_recv(arg, &item)) == 1)
		received[item]++;
	verify_that(rc == 0 || rc == -ECANCELED);
	leat_rx_close(arg);
}

/* close_then_drain_exact: two items through one slot, then the end. */
static void drain_exact(struct leat_chan_opts opts)
{
	opts.capacity = 1;
	open_with(opts);
	verify_spawn(sends_two, tx, "sender");
	verify_spawn(receives_to_the_end, rx, "receiver");
	finish();
	verify_that(received[1] == 1 && received[2] == 1);
}

MODEL(chan_spsc_drain_exact, .what = "close_then_drain_exact, no_lost_wake: SPSC, capacity 1", .preemptions = 2, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC });
}

MODEL(chan_spsc_drain_exact_fenced, .what = "the same where each publish pays a full fence", .preemptions = 2, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC, .full_fence = true });
}

MODEL(chan_spsc_spurious, .what = "the same with sleeps that end for no reason", .preemptions = 2, .stale = 1, .spurious = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC });
}

MODEL(chan_spsc_spin, .what = "both sides wait by spinning", .preemptions = 1, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC, .send_wait = LEAT_WAIT_SPIN, .recv_wait = LEAT_WAIT_SPIN });
}

MODEL(chan_mpmc_yield, .what = "both sides wait by yielding, on a ring with turns", .preemptions = 1, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_MPMC, .send_wait = LEAT_WAIT_YIELD, .recv_wait = LEAT_WAIT_YIELD });
}

MODEL(chan_spsc_adaptive, .what = "the receiver spins, yields, then parks; the sender yields", .preemptions = 1, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC, .send_wait = LEAT_WAIT_YIELD });
}

static void sends_four(void *arg)
{
	for (uint64_t item = 1; item <= 4; item++)
		verify_that(send_one(arg, item) == 0);
	leat_tx_close(arg);
}

MODEL(chan_spsc_two_slots, .what = "four items through two slots, so that neither side looks for each", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_four, tx, "sender");
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_spsc_room_from_fast_receive, .what = "the room that a receive makes which does not look wakes the sender", .preemptions = 2,
      .stale = 1)
{
	uint64_t item;

	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_four, tx, "sender");
	for (int i = 0; i < 2; i++) {
		verify_that(leat_recv(rx, &item) == 1);
		received[item]++;
	}
	verify_join(); /* two items and two slots: it ends */
	receives_until_refused(rx);
	finish();
}

MODEL(chan_mpsc_drain_exact, .what = "close_then_drain_exact: MPSC, capacity 1", .preemptions = 2, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_MPSC });
}

MODEL(chan_spmc_drain_exact, .what = "close_then_drain_exact: SPMC, capacity 1", .preemptions = 2, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPMC });
}

MODEL(chan_mpmc_drain_exact, .what = "close_then_drain_exact: MPMC, capacity 1", .preemptions = 2, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_MPMC });
}

MODEL(chan_mpmc_drain_exact_fenced, .what = "the same where each publish pays a full fence", .preemptions = 2, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_MPMC, .full_fence = true });
}

MODEL(chan_mpsc_two_senders, .what = "two senders, one slot, one receiver, to the end", .preemptions = 1, .stale = 1)
{
	open_chan(LEAT_MPSC, 1);
	verify_spawn(sends_one, leat_tx_clone(tx), "sender 1");
	verify_spawn(sends_two, tx, "sender 2");
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_spmc_two_receivers, .what = "one sender, two receivers, each to the end", .preemptions = 1, .stale = 1)
{
	open_chan(LEAT_SPMC, 1);
	verify_spawn(receives_to_the_end, leat_rx_clone(rx), "receiver 1");
	verify_spawn(receives_to_the_end, rx, "receiver 2");
	sends_two(tx);
	finish();
}

MODEL(chan_close_wakes_all, .what = "close_wakes_all: two receivers asleep, the last sender closes", .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPMC, 1);
	verify_spawn(receives_to_the_end, leat_rx_clone(rx), "receiver 1");
	verify_spawn(receives_to_the_end, rx, "receiver 2");
	leat_tx_close(tx);
	finish();
}

MODEL(chan_rx_close_wakes_all, .what = "close_wakes_all: two senders asleep on a full channel, the receiver closes", .preemptions = 2,
      .stale = 1, .quick = 1)
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

MODEL(chan_spsc_close_against_send, .what = "the receiver closes while items are sent: received, discarded or given back",
      .preemptions = 3, .stale = 1)
{
	close_against_send(LEAT_SPSC);
}

MODEL(chan_mpmc_close_against_send, .what = "the same on a ring with turns", .preemptions = 3, .stale = 1, .quick = 2)
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

MODEL(chan_spsc_close_against_claim, .what = "close_against_claim: the receiver closes inside a reservation", .preemptions = 3,
      .stale = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(reserves_and_commits, tx, "sender");
	leat_rx_close(rx);
	finish();
}

MODEL(chan_mpmc_close_against_claim, .what = "close_against_claim on a ring with turns, with another sender", .preemptions = 2,
      .stale = 1)
{
	open_chan(LEAT_MPMC, 2);
	verify_spawn(reserves_and_commits, leat_tx_clone(tx), "reserves");
	verify_spawn(sends_one, tx, "sends");
	receives_until_refused(rx);
	finish();
}

/* Sent, received and closed: whoever closes last destroys, while the other may still be inside its wake-up. */
static void sends_and_closes(void *arg)
{
	verify_that(send_one(arg, 1) == 0);
	leat_tx_close(arg);
}

MODEL(chan_mpmc_two_by_two, .what = "two senders, two receivers, one slot, to the end", .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
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

MODEL(chan_waker_inside_wake_while_destroyed, .what = "the receiver takes the item and closes while the sender is in its wake-up",
      .preemptions = 3, .stale = 1)
{
	open_chan(LEAT_SPSC, 1);
	verify_spawn(receives_and_closes, rx, "receiver");
	sends_and_closes(tx);
	finish();
}

MODEL(chan_mpmc_waker_inside_wake, .what = "the same on a ring with turns", .preemptions = 3, .stale = 1)
{
	open_chan(LEAT_MPMC, 1);
	verify_spawn(receives_and_closes, rx, "receiver");
	sends_and_closes(tx);
	finish();
}

/* cancel_against_deliver_exactly_one. */
static void cancels(void *arg)
{
	(void)arg;
	leat_scope_cancel(scope, 0, "enough");
}

static void cancel_against(enum leat_kind kind)
{
	open_chan(kind, 1);
	verify_spawn(sends_until_refused, tx, "sender");
	verify_spawn(receives_until_refused, rx, "receiver");
	cancels(NULL);
	finish();
}

MODEL(chan_spsc_cancel_against_deliver, .what = "cancel_against_deliver_exactly_one: SPSC", .preemptions = 2, .stale = 1, .quick = 1)
{
	cancel_against(LEAT_SPSC);
}

MODEL(chan_mpmc_cancel_against_deliver, .what = "cancel_against_deliver_exactly_one: a ring with turns", .preemptions = 2, .stale = 1, .quick = 1)
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

MODEL(chan_cancel_against_end, .what = "a cancel against the end of the stream: the first answer stays", .preemptions = 2, .stale = 1, .quick = 1)
{
	open_chan(LEAT_SPMC, 1);
	verify_spawn(sees_the_end_once, leat_rx_clone(rx), "receiver 1");
	verify_spawn(sees_the_end_once, rx, "receiver 2");
	leat_tx_close(tx);
	cancels(NULL);
	finish();
}

/* Deadlines. */
enum { DEADLINE = 2000 };
static uint32_t sent_in_time;

static void sends_then_looks(void *arg)
{
	verify_that(send_one(arg, 1) == 0);
	if (leat_now_ns() < DEADLINE)
		leat_store_rel(&sent_in_time, 1);
	leat_tx_close(arg);
}

static void receives_by_deadline(void *arg)
{
	uint64_t item;
	int rc = leat_recv_until(arg, &item, DEADLINE);

	verify_that(rc == 1 || rc == -ETIMEDOUT);
	if (rc == 1)
		received[item]++;
	else
		verify_that(leat_load_acq(&sent_in_time) == 0); /* a last look would have found it */
}

MODEL(chan_deadline_against_wake, .what = "deadline_against_wake: what was there in time is received", .preemptions = 3, .stale = 1)
{
	open_chan(LEAT_SPSC, 1); /* the clock moves by the sleep's end alone: what a look before it missed is not meant here */
	verify_spawn(receives_by_deadline, rx, "receiver");
	sends_then_looks(tx);
	verify_join();
	receives_until_refused(rx);
	finish();
}

MODEL(chan_deadline_last_look, .what = "the same while the clock moves at any time: the time is over, then a last look",
      .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPSC, 1);
	verify_instant(DEADLINE);
	verify_spawn(receives_by_deadline, rx, "receiver");
	sends_then_looks(tx);
	verify_join();
	receives_until_refused(rx);
	finish();
}

static int impatient_rc;

static void impatient(void *arg)
{
	uint64_t item;

	impatient_rc = leat_recv_until(arg, &item, DEADLINE);
	verify_that(impatient_rc == 1 || impatient_rc == -ETIMEDOUT);
	if (impatient_rc == 1)
		received[item]++;
}

static void patient(void *arg)
{
	uint64_t item;

	verify_that(leat_recv((struct leat_rx *)arg, &item) == 1);
	received[item]++;
}

/* Two items, the second only once the first was taken: both receivers take one, or the patient one takes the first. */
static void feeds(void *arg)
{
	verify_that(send_one(arg, 1) == 0);
	verify_that(send_one(arg, 2) == 0);
}

MODEL(chan_wake_not_swallowed, .what = "wake_not_swallowed_by_one_that_timed_out: receivers", .preemptions = 2, .stale = 1)
{
	struct leat_rx *clone;

	open_chan(LEAT_SPMC, 2);
	clone = leat_rx_clone(rx);
	verify_spawn(impatient, clone, "impatient");
	verify_spawn(patient, rx, "patient");
	feeds(tx);
	verify_join(); /* the sender stays open: nothing but the items wakes them */
	leat_tx_close(tx);
	leat_rx_close(clone);
	receives_until_refused(rx);
	finish();
}

static void impatient_sender(void *arg)
{
	uint64_t item = 3;
	int rc = leat_send_until(arg, &item, DEADLINE);

	verify_that(rc == 0 || rc == -ETIMEDOUT);
	accepted[item] += rc == 0;
	leat_tx_close(arg);
}

static void patient_sender(void *arg)
{
	verify_that(send_one(arg, 4) == 0);
	leat_tx_close(arg);
}

MODEL(chan_room_not_swallowed, .what = "wake_not_swallowed_by_one_that_timed_out: senders", .preemptions = 2, .stale = 1)
{
	uint64_t item;

	open_chan(LEAT_MPSC, 2);
	verify_that(send_one(tx, 1) == 0);
	verify_that(send_one(tx, 2) == 0);
	verify_spawn(impatient_sender, leat_tx_clone(tx), "impatient");
	verify_spawn(patient_sender, leat_tx_clone(tx), "patient");
	for (int i = 0; i < 2; i++) {
		verify_that(leat_recv(rx, &item) == 1);
		received[item]++;
	}
	verify_join(); /* two slots for two senders */
	leat_tx_close(tx);
	receives_until_refused(rx);
	finish();
}

/*
 * A sender stands between claim and commit; the item behind it wakes a receiver, which finds nothing. Whoever takes the
 * first item must see that there is the second one.
 */
static void sends_item(void *arg)
{
	verify_that(send_one(tx_of[(uintptr_t)arg], (uintptr_t)arg) == 0);
}

MODEL(chan_wake_passed_on, .what = "a stalled sender: the news of an item behind its own is passed on", .preemptions = 1, .stale = 1)
{
	struct leat_rx *clone;

	open_chan(LEAT_MPMC, 2);
	tx_of[1] = tx;
	tx_of[2] = leat_tx_clone(tx);
	clone = leat_rx_clone(rx);
	verify_spawn(patient, clone, "receiver 1");
	verify_spawn(patient, rx, "receiver 2");
	verify_spawn(sends_item, (void *)1, "sender 1");
	sends_item((void *)2);
	verify_join();
	leat_tx_close(tx_of[1]);
	leat_tx_close(tx_of[2]);
	leat_rx_close(clone);
	receives_until_refused(rx);
	finish();
}

/* Dropping. */
static void sends_dropping(void *arg)
{
	for (uint64_t item = 1; item <= 3; item++)
		verify_that(send_one(arg, item) == 0);
	leat_tx_close(arg);
}

MODEL(chan_drop_oldest, .what = "drop_oldest against receive: never waits, each item received or dropped", .preemptions = 2, .stale = 1)
{
	open_with((struct leat_chan_opts){ .capacity = 1, .overflow = LEAT_DROP_OLDEST });
	verify_spawn(sends_dropping, tx, "sender");
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_drop_newest, .what = "drop_newest against receive", .preemptions = 2, .stale = 1)
{
	open_with((struct leat_chan_opts){ .capacity = 1, .overflow = LEAT_DROP_NEWEST });
	verify_spawn(sends_dropping, tx, "sender");
	receives_to_the_end(rx);
	finish();
}

/* Zero copy, fewer than were held. */
static void peeks_and_puts_back(void *arg)
{
	const void *items;
	ssize_t n = leat_peek(arg, 2, &items);

	if (n > 0) {
		uint64_t first = *(const uint64_t *)items;

		if (leat_release(arg, 1) != 0) { /* the rest could not be given back: all of it is this one's */
			for (ssize_t i = 1; i < n; i++)
				received[((const uint64_t *)items)[i]]++;
			verify_that(leat_release(arg, (size_t)n) == 0);
		}
		received[first]++;
	} else {
		verify_that(n == 0);
	}
	leat_rx_close(arg);
}

static void release_fewer(enum leat_kind kind)
{
	open_chan(kind, 2);
	verify_that(send_one(tx, 1) == 0);
	verify_that(send_one(tx, 2) == 0);
	leat_tx_close(tx);
	verify_spawn(peeks_and_puts_back, leat_rx_clone(rx), "puts back");
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_release_fewer, .what = "putting back against another receiver and the end", .preemptions = 2, .stale = 1)
{
	release_fewer(LEAT_SPMC);
}

static void reserves_and_gives_up(void *arg)
{
	void *place;
	ssize_t n = leat_reserve(arg, 1, &place);

	verify_that(n == 1);
	verify_that(leat_commit(arg, 0) == 0);
	leat_tx_close(arg);
}

MODEL(chan_commit_none, .what = "a reservation given up against a sender and a receiver that wait", .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_MPSC, 1);
	verify_spawn(reserves_and_gives_up, leat_tx_clone(tx), "gives up");
	verify_spawn(sends_one, tx, "sender");
	receives_to_the_end(rx);
	finish();
}

/* Cloning while it is used, and handles whose memory is used again. */
static void clones_and_closes(void *arg)
{
	struct leat_tx *clone = leat_tx_clone(arg);

	verify_that(clone != NULL);
	verify_that(send_one(clone, 5) == 0);
	leat_tx_close(clone);
}

MODEL(chan_clone_while_used, .what = "a handle is cloned by another thread while it sends", .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_MPSC, 2);
	verify_spawn(clones_and_closes, tx, "cloner");
	verify_that(send_one(tx, 1) == 0);
	verify_join();
	leat_tx_close(tx);
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_no_memory, .what = "each allocation fails in turn: an error, and nothing is left", .preemptions = 1, .failed_allocs = 1)
{
	struct leat_chan_opts opts = { .kind = LEAT_MPMC, .capacity = 2, .overflow = LEAT_DROP_OLDEST };
	struct leat_tx *clone;
	int rc;

	scope = leat_scope_open(NULL, NULL);
	if (scope == NULL)
		return;
	rc = leat_chan_open(scope, sizeof(uint64_t), &opts, &tx, &rx);
	verify_that(rc == 0 || rc == -ENOMEM);
	if (rc == 0) {
		clone = leat_tx_clone(tx);
		if (clone != NULL)
			sends_one(clone);
		leat_tx_close(tx);
		leat_rx_close(rx);
	} else {
		verify_that(tx == NULL && rx == NULL);
	}
	verify_that(leat_scope_close(scope) == 0);
}

/* More at once: for the random searches, and for a depth-first one of a few switches. */
static void sends_and_drops(void *arg)
{
	uint64_t first = arg == tx ? 1 : 5;

	for (uint64_t item = first; item < first + 2; item++)
		verify_that(send_one(arg, item) == 0);
	leat_tx_close(arg);
}

MODEL(chan_drop_oldest_two_senders, .what = "two senders that drop the oldest against a receiver", .preemptions = 1, .stale = 1,
      .quick = VERIFY_SKIP)
{
	open_with((struct leat_chan_opts){ .kind = LEAT_MPSC, .capacity = 1, .overflow = LEAT_DROP_OLDEST });
	verify_spawn(sends_and_drops, leat_tx_clone(tx), "sender 1");
	verify_spawn(sends_and_drops, tx, "sender 2");
	receives_until_refused(rx);
	finish();
}

MODEL(chan_drop_oldest_against_put_back, .what = "what is peeked at and put back while a sender drops the oldest", .preemptions = 2,
      .stale = 1)
{
	open_with((struct leat_chan_opts){ .kind = LEAT_SPSC, .capacity = 2, .overflow = LEAT_DROP_OLDEST });
	verify_spawn(sends_until_refused, tx, "sender");
	peeks_and_puts_back(rx);
	finish();
}

static void reserves_dropping(void *arg)
{
	void *place;

	for (uint64_t item = 1; item <= 2; item++) {
		verify_that(leat_reserve(arg, 1, &place) == 1);
		*(uint64_t *)place = item;
		verify_that(leat_commit(arg, 1) == 0);
		accepted[item]++;
	}
	leat_tx_close(arg);
}

MODEL(chan_drop_oldest_reserve, .what = "reserving on a channel that drops the oldest, against a receiver", .preemptions = 2, .stale = 1)
{
	open_with((struct leat_chan_opts){ .kind = LEAT_SPSC, .capacity = 1, .overflow = LEAT_DROP_OLDEST });
	verify_spawn(reserves_dropping, tx, "sender");
	receives_to_the_end(rx);
	finish();
}

static void sends_batch(void *arg)
{
	uint64_t batch[3] = { 1, 2, 3 };
	ssize_t n = leat_send_batch((struct leat_tx *)arg, batch, 3);

	verify_that(n >= 0 || n == -EPIPE || n == -ECANCELED);
	for (ssize_t i = 0; i < n; i++)
		accepted[i + 1]++;
	leat_tx_close(arg);
}

static void receives_batches(void *arg)
{
	uint64_t batch[3];
	ssize_t n;

	while ((n = leat_recv_batch((struct leat_rx *)arg, batch, 3)) > 0)
		for (ssize_t i = 0; i < n; i++)
			received[batch[i]]++;
	verify_that(n == 0 || n == -ECANCELED);
	leat_rx_close(arg);
}

MODEL(chan_spsc_batches, .what = "a batch larger than the channel, against batches", .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_batch, tx, "sender");
	receives_batches(rx);
	finish();
}

MODEL(chan_mpmc_batches, .what = "the same on a ring with turns, two receivers", .preemptions = 1, .stale = 1)
{
	open_chan(LEAT_MPMC, 2);
	verify_spawn(sends_batch, tx, "sender");
	verify_spawn(receives_batches, leat_rx_clone(rx), "receiver 1");
	receives_batches(rx);
	finish();
}

MODEL(chan_batch_against_cancel, .what = "a batch half sent, a receiver with an item held, and a cancel", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_batch, tx, "sender");
	verify_spawn(receives_batches, rx, "receiver");
	cancels(NULL);
	finish();
}

/* Nothing but the end itself wakes these: the other side keeps its handle and does nothing. */
static void is_cancelled(void *arg)
{
	uint64_t item;

	verify_that(leat_recv((struct leat_rx *)arg, &item) == -ECANCELED);
}

MODEL(chan_cancel_wakes_receivers, .what = "a cancel wakes two receivers asleep", .preemptions = 2, .stale = 1)
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

MODEL(chan_cancel_wakes_senders, .what = "a cancel wakes two senders asleep", .preemptions = 2, .stale = 1)
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

MODEL(chan_cancel_wakes_a_wait, .what = "a cancel ends leat_tx_wait()", .preemptions = 3, .stale = 2)
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

MODEL(chan_rx_close_wakes_a_wait, .what = "the last receiver's close ends leat_tx_wait()", .preemptions = 3, .stale = 2)
{
	open_chan(LEAT_SPSC, 1);
	wait_ends_with = -EPIPE;
	verify_spawn(waits_for_nothing, tx, "waiter");
	leat_rx_close(rx);
	verify_join();
	leat_tx_close(tx);
	finish();
}

static void waits_until(void *arg)
{
	int rc = leat_tx_wait(arg, -1, 0, DEADLINE);

	verify_that(rc == -ETIMEDOUT || rc == -ECANCELED);
}

MODEL(chan_wait_deadline, .what = "a deadline of leat_tx_wait() against a cancel", .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPSC, 1);
	verify_instant(DEADLINE);
	verify_spawn(waits_until, tx, "waiter");
	cancels(NULL);
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(rx);
	finish();
}

/* Room that comes from a reservation given up, and items that come from a peek put back. */
static void gives_up_late(void *arg)
{
	verify_that(leat_commit(arg, 0) == 0);
}

MODEL(chan_room_from_given_up, .what = "a reservation given up is room that wakes a sender", .preemptions = 2, .stale = 1)
{
	struct leat_tx *clone;
	void *place;

	open_chan(LEAT_MPSC, 1);
	clone = leat_tx_clone(tx);
	verify_that(leat_reserve(clone, 1, &place) == 1);
	verify_spawn(gives_up_late, clone, "gives up");
	verify_that(send_one(tx, 1) == 0);
	verify_join();
	leat_tx_close(clone);
	leat_tx_close(tx);
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_room_from_close_with_reservation, .what = "the same by closing with a reservation held", .preemptions = 2, .stale = 1)
{
	struct leat_tx *clone;
	void *place;

	open_chan(LEAT_MPSC, 1);
	clone = leat_tx_clone(tx);
	verify_that(leat_reserve(clone, 1, &place) == 1);
	verify_spawn((void (*)(void *))leat_tx_close, clone, "closes");
	verify_that(send_one(tx, 1) == 0);
	verify_join();
	leat_tx_close(tx);
	receives_to_the_end(rx);
	finish();
}

static void puts_back_late(void *arg)
{
	verify_that(leat_release(arg, 0) == 0);
}

MODEL(chan_item_from_put_back, .what = "an item that is put back wakes a receiver", .preemptions = 2, .stale = 1)
{
	struct leat_rx *clone;
	const void *items;

	open_chan(LEAT_SPMC, 1);
	clone = leat_rx_clone(rx);
	verify_that(send_one(tx, 1) == 0);
	verify_that(leat_peek(clone, 1, &items) == 1);
	verify_spawn(puts_back_late, clone, "puts back");
	patient(rx);
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(clone);
	leat_rx_close(rx);
	finish();
}

MODEL(chan_item_from_close_with_peek, .what = "the same by closing with an item held", .preemptions = 2, .stale = 1)
{
	struct leat_rx *clone;
	const void *items;

	open_chan(LEAT_SPMC, 1);
	clone = leat_rx_clone(rx);
	verify_that(send_one(tx, 1) == 0);
	verify_that(leat_peek(clone, 1, &items) == 1);
	verify_spawn((void (*)(void *))leat_rx_close, clone, "closes");
	patient(rx);
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(rx);
	finish();
}

/* Zero copy on both sides, parking. */
static void reserves_three(void *arg)
{
	void *place;

	for (uint64_t item = 1; item <= 3; item++) {
		verify_that(leat_reserve(arg, 1, &place) == 1);
		*(uint64_t *)place = item;
		accepted[item]++;
		verify_that(leat_commit(arg, 1) == 0);
	}
}

static void zero_copy(enum leat_kind kind)
{
	const void *items;

	open_chan(kind, 1);
	verify_spawn(reserves_three, tx, "sender");
	for (uint64_t item = 1; item <= 3; item++) {
		verify_that(leat_peek(rx, 1, &items) == 1);
		verify_that(*(const uint64_t *)items == item);
		received[item]++;
		verify_that(leat_release(rx, 1) == 0);
	}
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(rx);
	finish();
}

MODEL(chan_spsc_zero_copy, .what = "items written and read in place, through one slot; neither side closes", .preemptions = 2, .stale = 1)
{
	zero_copy(LEAT_SPSC);
}

MODEL(chan_mpmc_zero_copy, .what = "the same on a ring with turns", .preemptions = 2, .stale = 1)
{
	zero_copy(LEAT_MPMC);
}

static void peeks_to_the_end(void *arg)
{
	const void *items;
	uint64_t last = 0;
	ssize_t n;

	while ((n = leat_peek(arg, 2, &items)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			uint64_t item = ((const uint64_t *)items)[i];

			verify_that(item == ++last);
			received[item]++;
		}
		verify_that(leat_release(arg, (size_t)n) == 0);
	}
	verify_that(n == 0 && last == 2);
	leat_rx_close(arg);
}

static void peek_to_the_end(enum leat_kind kind)
{
	open_chan(kind, 2);
	verify_spawn(sends_two, tx, "sender");
	peeks_to_the_end(rx);
	finish();
}

MODEL(chan_spsc_peek_to_the_end, .what = "peeking to the end: what was sent before the close is there", .preemptions = 2, .stale = 2)
{
	peek_to_the_end(LEAT_SPSC);
}

MODEL(chan_mpmc_peek_to_the_end, .what = "the same on a ring with turns", .preemptions = 2, .stale = 2)
{
	peek_to_the_end(LEAT_MPMC);
}

MODEL(chan_room_from_skipped, .what = "a slot given up behind which another sent, and an item received: room for two", .preemptions = 2,
      .quick = 1,
      .stale = 1)
{
	struct leat_tx *clone;
	uint64_t item;
	void *place;

	open_chan(LEAT_MPSC, 2);
	clone = leat_tx_clone(tx);
	tx_of[1] = leat_tx_clone(tx);
	tx_of[2] = leat_tx_clone(tx);
	verify_that(leat_reserve(clone, 1, &place) == 1);
	verify_that(send_one(tx, 9) == 0);
	verify_spawn(sends_item, (void *)1, "sender 1");
	verify_spawn(sends_item, (void *)2, "sender 2");
	verify_that(leat_commit(clone, 0) == 0);
	verify_that(leat_recv(rx, &item) == 1 && item == 9);
	received[item]++;
	verify_join();
	leat_tx_close(clone);
	leat_tx_close(tx_of[1]);
	leat_tx_close(tx_of[2]);
	leat_tx_close(tx);
	receives_until_refused(rx);
	finish();
}

static void sends_two_and_stays(void *arg)
{
	verify_that(send_one(arg, 1) == 0);
	verify_that(send_one(arg, 2) == 0);
}

MODEL(chan_drop_oldest_wakes, .what = "an item in the place of a dropped one wakes a receiver that found neither", .preemptions = 2,
      .stale = 1)
{
	open_with((struct leat_chan_opts){ .capacity = 1, .overflow = LEAT_DROP_OLDEST });
	verify_spawn(sends_two_and_stays, tx, "sender");
	patient(rx);
	verify_join();
	leat_tx_close(tx);
	receives_until_refused(rx);
	finish();
}

/* Try receives free what was given up at the front, and that may be all that makes room. */
MODEL(chan_room_from_skipping, .what = "a slot given up in front of one that is claimed: the receiver that skips it wakes a sender",
      .preemptions = 2, .stale = 1)
{
	struct leat_tx *behind;
	uint64_t item;
	void *place;

	open_chan(LEAT_MPSC, 2);
	behind = leat_tx_clone(tx);
	tx_of[1] = leat_tx_clone(tx);
	verify_that(leat_reserve(tx, 1, &place) == 1);
	verify_that(leat_reserve(behind, 1, &place) == 1);
	verify_that(leat_commit(tx, 0) == 0); /* skipped, as another has gone on: no room until the receiver comes by */
	verify_spawn(sends_item, (void *)1, "sender");
	verify_that(leat_try_recv(rx, &item) == -EAGAIN);
	verify_join(); /* the room that the skipping made is what it needs */
	*(uint64_t *)place = 9;
	verify_that(leat_commit(behind, 1) == 0);
	accepted[9]++;
	leat_tx_close(behind);
	leat_tx_close(tx_of[1]);
	leat_tx_close(tx);
	receives_until_refused(rx);
	finish();
}

static struct leat_rx *rx_clone;

/* Room behind an item that is still looked at, then that one's: the news of the first must not end with who was told. */
static void releases_out_of_turn(void *arg)
{
	uint64_t item;

	(void)arg;
	verify_that(leat_recv(rx_clone, &item) == 1);
	received[item]++;
	verify_that(leat_release(rx, 1) == 0);
}

MODEL(chan_room_passed_on, .what = "a stalled receiver: the news of room behind its own is passed on", .preemptions = 2, .quick = 1, .stale = 1)
{
	const void *items;

	open_chan(LEAT_MPMC, 2);
	rx_clone = leat_rx_clone(rx);
	tx_of[1] = leat_tx_clone(tx);
	tx_of[2] = leat_tx_clone(tx);
	verify_that(send_one(tx, 8) == 0 && send_one(tx, 9) == 0);
	verify_that(leat_peek(rx, 1, &items) == 1);
	received[8]++;
	verify_spawn(sends_item, (void *)1, "sender 1");
	verify_spawn(sends_item, (void *)2, "sender 2");
	verify_spawn(releases_out_of_turn, NULL, "receiver");
	verify_join();
	leat_tx_close(tx_of[1]);
	leat_tx_close(tx_of[2]);
	leat_tx_close(tx);
	leat_rx_close(rx_clone);
	receives_until_refused(rx);
	finish();
}

/* What a generator that fails does to its channel, while a clone of its sender is held by somebody else. */
static void fails_like_a_generator(void *arg)
{
	struct leat_chan *chan = tx->chan;

	(void)arg;
	leat_chan_hold(chan);
	leat_tx_close(tx);
	leat_chan_sever(chan);
	leat_chan_let_go(chan);
}

static void sends_until_severed(void *arg)
{
	int rc = 0;

	for (uint64_t item = 1; item < 4 && rc == 0; item++)
		rc = send_one(arg, item);
	verify_that(rc == 0 || rc == -ECANCELED);
}

MODEL(chan_severed_against_send, .what = "a failure severs a clone: what it sent drains, then the end, though it is open",
      .preemptions = 2, .quick = 1, .stale = 1)
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

MODEL(chan_severed_after_send, .what = "a receiver that hears of the failure has what was sent before it", .preemptions = 2, .stale = 2)
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

/* Items in a reservation keep a severed stream open; both receivers hear of its end when it is over. */
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

MODEL(chan_severed_then_committed, .what = "a severed clone's last item: one receives it, and both hear of the end", .preemptions = 2,
      .quick = 1, .stale = 1)
{
	severed_with_reservation(1);
}

MODEL(chan_severed_then_given_up, .what = "the same where it is given up", .preemptions = 2, .quick = 1, .stale = 1)
{
	severed_with_reservation(0);
}

/* What can be known by an answer. */
static void asks_for_the_cause(void *arg)
{
	int rc = send_one(arg, 1);

	verify_that(rc == 0 || (rc == -ECANCELED && leat_scope_cause(scope, NULL, NULL) == LEAT_FAILED));
}

MODEL(chan_severed_says_why, .what = "a clone that is refused since its generator failed can ask for the cause", .preemptions = 2,
      .stale = 1)
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

MODEL(chan_status_of_cancel, .what = "the status of a stream that is cancelled just now", .preemptions = 2, .stale = 1)
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

MODEL(chan_close_publishes, .what = "who is refused by -EPIPE has what the last receiver did before its close", .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPSC, 1);
	verify_spawn(has_enough, NULL, "receiver");
	verify_that(send_one(tx, 1) == 0 || had_enough);
	leat_tx_close(tx);
	finish();
}
