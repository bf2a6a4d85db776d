/*
 * Models of channels: who is woken. Deadlines against news, and news of an item or of room, which
 * must not end with one that has no use for it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/chan.h"

static struct leat_tx *tx_of[3];

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
		/* a last look would have found it */
		verify_that(leat_load_acq(&sent_in_time) == 0);
}

MODEL(chan_deadline_against_wake,
      .what = "deadline_against_wake: what was there in time is received", .preemptions = 3,
      .stale = 1)
{
	/*
	 * the clock moves by the sleep's end alone: what a look before it missed is not meant here
	 */
	open_chan(LEAT_SPSC, 1);
	verify_spawn(receives_by_deadline, rx, "receiver");
	sends_then_looks(tx);
	verify_join();
	receives_until_refused(rx);
	finish();
}

MODEL(chan_deadline_last_look,
      .what = "the same while the clock moves at any time: the time is over, then a last look",
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

/*
 * Two items, the second only once the first was taken: both receivers take one, or the patient one
 * takes the first.
 */
static void feeds(void *arg)
{
	verify_that(send_one(arg, 1) == 0);
	verify_that(send_one(arg, 2) == 0);
}

MODEL(chan_wake_not_swallowed, .what = "wake_not_swallowed_by_one_that_timed_out: receivers",
      .preemptions = 2, .stale = 1, .quick_both = 2)
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

MODEL(chan_room_not_swallowed, .what = "wake_not_swallowed_by_one_that_timed_out: senders",
      .preemptions = 2, .stale = 1, .quick_both = 1)
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
 * A sender stands between claim and commit; the item behind it wakes a receiver, which finds
 * nothing. Whoever takes the first item must see that there is the second one.
 */
static void sends_item(void *arg)
{
	verify_that(send_one(tx_of[(uintptr_t)arg], (uintptr_t)arg) == 0);
}

MODEL(chan_wake_passed_on,
      .what = "a stalled sender: the news of an item behind its own is passed on", .preemptions = 1,
      .stale = 1, .quick_both = 1)
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

/*
 * Who goes first. A waiter is notified, and another thread takes the room (or the item) before it
 * runs, so it parks again, behind no other that parked meanwhile. What is asserted is asserted only
 * where it can be seen that both stand on the list and nothing else can take what comes.
 */
static bool has_parked(const void *handle, uint64_t times)
{
	return leat_load_rlx(&((const struct leat_handle *)handle)->counts.parks) >= times;
}

static void sends_item_and_closes(void *arg)
{
	sends_item(arg);
	leat_tx_close(tx_of[(uintptr_t)arg]);
}

/* Until the others can do nothing, or as long as the scheduler likes. */
static void lets_them_park(struct leat_tx *own, int64_t until_ns)
{
	verify_that(leat_tx_wait(own, -1, 0, until_ns) == -ETIMEDOUT);
}

MODEL(chan_sender_that_loses,
      .what = "a sender that was woken in vain sends before one that parked later",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1, .idle_ns = 2 * DEADLINE)
{
	struct leat_tx *own;
	uint64_t item = 3;

	open_chan(LEAT_MPSC, 1);
	tx_of[1] = tx;
	tx_of[2] = leat_tx_clone(tx);
	own = leat_tx_clone(tx);
	verify_that(send_one(tx, 9) == 0);
	verify_spawn(sends_item_and_closes, (void *)1, "sender 1");
	lets_them_park(own, DEADLINE);
	verify_that(leat_recv(rx, &item) == 1 && item == 9);
	received[9]++;
	item = 3;
	accepted[3] = leat_try_send(own, &item) == 0;
	verify_spawn(sends_item_and_closes, (void *)2, "sender 2");
	lets_them_park(own, 2 * DEADLINE);
	if (accepted[3] == 1 && has_parked(tx_of[1], 2) && has_parked(tx_of[2], 1)) {
		verify_that(leat_recv(rx, &item) == 1 && item == 3);
		received[3]++;
		verify_that(leat_recv(rx, &item) == 1 && item == 1);
		received[1]++;
	}
	leat_tx_close(own);
	receives_until_refused(rx);
	finish();
}

static void waits_until(void *arg)
{
	int rc = leat_tx_wait(arg, -1, 0, DEADLINE);

	verify_that(rc == -ETIMEDOUT || rc == -ECANCELED);
}

MODEL(chan_wait_deadline, .what = "a deadline of leat_tx_wait() against a cancel", .preemptions = 2,
      .stale = 1)
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

/*
 * Room that comes from a reservation given up, or closed with; and items that come from a peek put
 * back, or closed with.
 */
static void gives_up_late(void *arg)
{
	verify_that(leat_commit(arg, 0) == 0);
}

static void room_from(void (*lets_go)(void *), bool closes)
{
	struct leat_tx *clone;
	void *place;

	open_chan(LEAT_MPSC, 1);
	clone = leat_tx_clone(tx);
	verify_that(leat_reserve(clone, 1, &place) == 1);
	verify_spawn(lets_go, clone, "lets go");
	verify_that(send_one(tx, 1) == 0);
	verify_join();
	if (!closes)
		leat_tx_close(clone);
	leat_tx_close(tx);
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_room_from_given_up, .what = "a reservation given up is room that wakes a sender",
      .preemptions = 2, .stale = 1)
{
	room_from(gives_up_late, false);
}

MODEL(chan_room_from_close_with_reservation, .what = "the same by closing with a reservation held",
      .preemptions = 2, .stale = 1)
{
	room_from((void (*)(void *))leat_tx_close, true);
}

static void puts_back_late(void *arg)
{
	verify_that(leat_release(arg, 0) == 0);
}

static void item_from(void (*lets_go)(void *), bool closes)
{
	struct leat_rx *clone;
	const void *items;

	open_chan(LEAT_SPMC, 1);
	clone = leat_rx_clone(rx);
	verify_that(send_one(tx, 1) == 0);
	verify_that(leat_peek(clone, 1, &items) == 1);
	verify_spawn(lets_go, clone, "lets go");
	patient(rx);
	verify_join();
	leat_tx_close(tx);
	if (!closes)
		leat_rx_close(clone);
	leat_rx_close(rx);
	finish();
}

MODEL(chan_item_from_put_back, .what = "an item that is put back wakes a receiver",
      .preemptions = 2, .stale = 1)
{
	item_from(puts_back_late, false);
}

MODEL(chan_item_from_close_with_peek, .what = "the same by closing with an item held",
      .preemptions = 2, .stale = 1)
{
	item_from((void (*)(void *))leat_rx_close, true);
}

MODEL(chan_room_from_skipped,
      .what = "a slot given up behind which another sent, and an item received: room for two",
      .preemptions = 2, .quick = 1, .stale = 1)
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

MODEL(chan_drop_oldest_wakes,
      .what = "an item in the place of a dropped one wakes a receiver that found neither",
      .preemptions = 2, .stale = 1, .quick_both = 2)
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
MODEL(chan_room_from_skipping,
      .what = "a slot given up in front of one that is claimed: the receiver that skips it wakes a "
              "sender",
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
	/* skipped, as another has gone on: no room until the receiver comes by */
	verify_that(leat_commit(tx, 0) == 0);
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

/*
 * Room behind an item that is still looked at, then that one's: the news of the first must not end
 * with who was told.
 */
static void releases_out_of_turn(void *arg)
{
	uint64_t item;

	(void)arg;
	verify_that(leat_recv(rx_clone, &item) == 1);
	received[item]++;
	verify_that(leat_release(rx, 1) == 0);
}

MODEL(chan_room_passed_on,
      .what = "a stalled receiver: the news of room behind its own is passed on", .preemptions = 2,
      .quick = 1, .quick_both = 1, .stale = 1)
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
