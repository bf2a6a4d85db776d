/*
 * Models of waiting for several things: selects, merges and descriptors against all that can happen
 * to a channel.
 *
 * Channels park at once, so that no execution spins. That all items arrive, and that nobody sleeps
 * for ever, is what is looked for; that the books balance the library asserts itself.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/os/os.h"

#include <leat/merge.h>
#include <leat/scope.h>
#include <leat/select.h>
#include <poll.h>

enum { CHANS = 2 };

static struct leat_scope *scope;
static struct leat_tx *tx[CHANS], *tx_clone;
static struct leat_rx *rx[CHANS], *rx_clone, *rx_other;
static uint32_t received[8];

static void open_chans(enum leat_kind kind, size_t capacity)
{
	struct leat_chan_opts opts = { .kind = kind,
		                       .capacity = capacity,
		                       .send_wait = LEAT_WAIT_PARK,
		                       .recv_wait = LEAT_WAIT_PARK };

	scope = leat_scope_open(NULL, NULL);
	for (int i = 0; i < CHANS; i++)
		verify_that(leat_chan_open(scope, sizeof(uint64_t), &opts, &tx[i], &rx[i]) == 0);
}

static void finish(void)
{
	verify_join();
	for (int i = 0; i < CHANS; i++) {
		leat_tx_close(tx[i]);
		leat_rx_close(rx[i]);
	}
	leat_tx_close(tx_clone);
	leat_rx_close(rx_clone);
	verify_that(leat_scope_close(scope) == 0);
}

/* Threads of the other side. Each uses and closes one handle. */
static void sends(void *arg)
{
	struct leat_tx **out = arg;
	uint64_t item = out == &tx[0] ? 1 : out == &tx[1] ? 2 : 3;

	verify_that(leat_send(*out, &item) == 0);
}

static void sends_and_closes(void *arg)
{
	struct leat_tx **out = arg;

	sends(arg);
	leat_tx_close(*out);
	*out = NULL;
}

static void closes(void *arg)
{
	struct leat_tx **out = arg;

	leat_tx_close(*out);
	*out = NULL;
}

static void receives(void *arg)
{
	uint64_t item;

	verify_that(leat_recv(*(struct leat_rx **)arg, &item) == 1);
	leat_add_rlx(&received[item], 1);
}

static void cancels(void *arg)
{
	(void)arg;
	leat_scope_cancel(scope, 0, NULL);
}

static int select_of_both(int64_t deadline_ns, uint64_t *item)
{
	struct leat_case cases[] = { LEAT_CASE_RECV(rx[0], item), LEAT_CASE_RECV(rx[1], item) };
	int which = leat_select(cases, 2, deadline_ns, LEAT_BY_PRIORITY);

	if (which >= 0 && cases[which].answer == 1)
		leat_add_rlx(&received[*item], 1);
	return which < 0 ? which : cases[which].answer;
}

/* Selects until both have ended. */
static void select_to_the_ends(void)
{
	uint64_t item;
	struct leat_case cases[] = { LEAT_CASE_RECV(rx[0], &item), LEAT_CASE_RECV(rx[1], &item) };

	for (int left = 2; left > 0;) {
		int which = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);

		verify_that(which >= 0);
		if (cases[which].answer == 1) {
			received[item]++;
		} else {
			verify_that(cases[which].answer == 0);
			cases[which].rx = NULL;
			left--;
		}
	}
	verify_that(received[1] == 1 && received[2] == 1);
}

MODEL(select_two_channels, .what = "two senders, one who selects, to the ends: SPSC",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	open_chans(LEAT_SPSC, 1);
	verify_spawn(sends_and_closes, &tx[0], "sender 1");
	verify_spawn(sends_and_closes, &tx[1], "sender 2");
	select_to_the_ends();
	finish();
}

MODEL(select_two_channels_turns, .what = "the same on rings with turns", .preemptions = 1,
      .stale = 1, .quick_both = 1)
{
	open_chans(LEAT_MPMC, 1);
	verify_spawn(sends_and_closes, &tx[0], "sender 1");
	verify_spawn(sends_and_closes, &tx[1], "sender 2");
	select_to_the_ends();
	finish();
}

MODEL(select_no_lost_wake,
      .what = "one sends, one selects: whichever fence is missing, it sleeps for ever",
      .preemptions = 3, .stale = 2, .quick_both = 2)
{
	uint64_t item;

	open_chans(LEAT_SPSC, 1);
	verify_spawn(sends, &tx[1], "sender");
	verify_that(select_of_both(LEAT_NEVER, &item) == 1);
	verify_that(item == 2);
	finish();
}

MODEL(select_close, .what = "against the close of one", .preemptions = 3, .stale = 1,
      .quick_both = 2)
{
	uint64_t item;

	open_chans(LEAT_SPSC, 1);
	verify_spawn(closes, &tx[1], "closer");
	verify_that(select_of_both(LEAT_NEVER, &item) == 0);
	finish();
}

MODEL(select_cancel, .what = "against a cancel and a send", .preemptions = 2, .stale = 1)
{
	uint64_t item;
	int rc;

	open_chans(LEAT_SPSC, 1);
	verify_spawn(cancels, NULL, "canceller");
	item = 1;
	rc = leat_send(tx[0], &item);
	verify_that(rc == 0 || rc == -ECANCELED);
	rc = select_of_both(LEAT_NEVER, &item);
	verify_that(rc == 1 || rc == -ECANCELED);
	finish();
}

MODEL(select_deadline, .what = "the time is over just when something comes: it is taken, or stays",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	uint64_t item;
	int rc;

	open_chans(LEAT_SPSC, 1);
	verify_instant(2000);
	verify_spawn(sends, &tx[1], "sender");
	rc = select_of_both(2000, &item);
	verify_that(rc == 1 || rc == -ETIMEDOUT);
	verify_join();
	if (rc == -ETIMEDOUT)
		verify_that(select_of_both(0, &item) == 1);
	finish();
}

MODEL(select_spurious, .what = "sleeps that end for no reason", .preemptions = 2, .stale = 1,
      .spurious = 2)
{
	uint64_t item;

	open_chans(LEAT_SPSC, 1);
	verify_spawn(sends, &tx[1], "sender");
	verify_that(select_of_both(LEAT_NEVER, &item) == 1);
	finish();
}

MODEL(select_send, .what = "two full channels, one who selects among sends, a receiver of one",
      .preemptions = 2, .stale = 1)
{
	uint64_t item = 4;
	struct leat_case cases[] = { LEAT_CASE_SEND(NULL, &item), LEAT_CASE_SEND(NULL, &item) };

	open_chans(LEAT_SPSC, 1);
	sends(&tx[0]);
	sends(&tx[1]);
	verify_spawn(receives, &rx[1], "receiver");
	cases[0].tx = tx[0];
	cases[1].tx = tx[1];
	verify_that(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY) == 1);
	verify_that(cases[1].answer == 0);
	finish();
	verify_that(received[2] == 1);
}

/* Both sides of one channel, against a thread that does the same. */
static void sends_or_receives(void *arg)
{
	struct leat_case cases[2] = { { 0 } };
	uint64_t out = 1, in;
	int which;

	cases[0] = (struct leat_case)LEAT_CASE_RECV(arg == NULL ? rx[0] : rx_clone, &in);
	cases[1] = (struct leat_case)LEAT_CASE_SEND(arg == NULL ? tx[0] : tx_clone, &out);
	for (int times = 0; times < 2; times++) {
		which = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);
		verify_that(which >= 0 && cases[which].answer == (which == 0));
		leat_add_rlx(&received[which], 1);
	}
}

MODEL(select_both_sides, .what = "two threads that send or receive on one channel, as it comes",
      .preemptions = 1, .stale = 1)
{
	open_chans(LEAT_MPMC, 1);
	tx_clone = leat_tx_clone(tx[0]);
	rx_clone = leat_rx_clone(rx[0]);
	verify_spawn(sends_or_receives, &rx_clone, "other");
	sends_or_receives(NULL);
	verify_join();
	verify_that(leat_load_rlx(&received[0]) + leat_load_rlx(&received[1]) == 4);
	finish();
}

/*
 * One is told of an item in the second channel and takes one of the first instead; a plain receiver
 * waits for the second.
 */
static void selects_and_repays(void *arg)
{
	uint64_t item;

	(void)arg;
	verify_that(select_of_both(LEAT_NEVER, &item) == 1);
	if (item == 2)
		verify_that(leat_send(tx_clone, &item) == 0);
}

MODEL(select_passes_on, .what = "the news that a select leaves behind reaches the other receiver",
      .preemptions = 2, .stale = 0, .quick = 1, .quick_both = 1)
{
	uint64_t item = 2;

	open_chans(LEAT_MPMC, 2);
	rx_clone = leat_rx_clone(rx[1]);
	tx_clone = leat_tx_clone(tx[1]);
	verify_spawn(selects_and_repays, NULL, "selects");
	verify_spawn(receives, &rx_clone, "receives");
	verify_that(leat_send(tx[1], &item) == 0);
	item = 1;
	verify_that(leat_send(tx[0], &item) == 0);
	finish();
}

/* Two who select, one of them on another channel too. */
static void selects_one(void *arg)
{
	uint64_t item;

	(void)arg;
	verify_that(select_of_both(LEAT_NEVER, &item) == 1);
}

static void selects_by_clone(void *arg)
{
	uint64_t item;
	struct leat_case cases[] = { LEAT_CASE_RECV(rx_clone, &item), LEAT_CASE_RECV(NULL, &item) };

	(void)arg;
	verify_that(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY) == 0);
	verify_that(cases[0].answer == 1);
}

/*
 * Without waiting, against transfers: another receiver moves what is there from the case that is
 * looked at last to the one that was looked at first, so that at each moment one of the two can be
 * received from.
 */
static void moves(void *arg)
{
	struct leat_rx *in[2] = { rx_clone, rx_other };
	uint64_t item = 2;

	for (uintptr_t i = 0; i < (uintptr_t)arg; i++) {
		verify_that(leat_send(tx[i % 2], &item) == 0);
		verify_that(leat_recv(in[i % 2], &item) == 1);
	}
}

/*
 * Of two that move at the same time neither needs room that the other has: both channels have some
 * to spare.
 */
static void select_against_transfers(int64_t deadline_ns, uintptr_t transfers)
{
	uint64_t item = 1, more = 3;
	struct leat_tx *own[CHANS];
	int rc;

	open_chans(LEAT_MPMC, 3);
	rx_clone = leat_rx_clone(rx[1]);
	rx_other = leat_rx_clone(rx[0]);
	for (int i = 0; i < CHANS; i++)
		own[i] = leat_tx_clone(tx[i]);
	verify_that(leat_send(own[1], &item) == 0);
	verify_spawn(moves, (void *)transfers, "mover");
	rc = select_of_both(deadline_ns, &item);
	verify_that(rc == 1);
	for (int i = 0; i < CHANS; i++) { /* in place of what was taken from the mover */
		verify_that(leat_send(own[i], &more) == 0);
		leat_tx_close(own[i]);
	}
	verify_join();
	leat_rx_close(rx_other);
	finish();
}

MODEL(select_at_once_against_a_transfer,
      .what = "without waiting, while an item moves from one case to another: one is found",
      .preemptions = 2, .stale = 1)
{
	select_against_transfers(0, 1);
}

MODEL(select_in_time_against_transfers,
      .what = "the same with a time that is over: the last look is as exact", .preemptions = 3,
      .stale = 1, .quick_both = 2)
{
	select_against_transfers(VERIFY_START_NS, 3);
}

static void receives_and_makes_room(void *arg)
{
	uint64_t item = 3;

	(void)arg;
	verify_that(leat_recv(rx[0], &item) == 1);
	verify_that(leat_send(tx_clone, &item) == 0);
}

MODEL(select_send_at_once_against_a_transfer,
      .what = "the same for room: it moves from the second case to the first", .preemptions = 2,
      .stale = 1)
{
	uint64_t item = 1;
	struct leat_case cases[] = { LEAT_CASE_SEND(NULL, &item), LEAT_CASE_SEND(NULL, &item) };
	int which;

	open_chans(LEAT_MPMC, 1);
	cases[0].tx = tx[0];
	cases[1].tx = tx[1];
	tx_clone = leat_tx_clone(tx[1]);
	verify_that(leat_send(tx[0], &item) == 0);
	verify_spawn(receives_and_makes_room, NULL, "mover");
	which = leat_select(cases, 2, 0, LEAT_BY_PRIORITY);
	verify_that(which >= 0);
	if (which == 1)
		verify_that(leat_recv(rx[1], &item) == 1); /* what it sent, or the mover did */
	finish();
}

MODEL(select_two_selectors, .what = "two who select, two items in one channel: each gets one",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	uint64_t item = 1;

	open_chans(LEAT_MPMC, 2);
	rx_clone = leat_rx_clone(rx[0]);
	verify_spawn(selects_one, NULL, "selects");
	verify_spawn(selects_by_clone, NULL, "selects too");
	verify_that(leat_send(tx[0], &item) == 0);
	verify_that(leat_send(tx[0], &item) == 0);
	finish();
}

/* Descriptors: those of the model are flags. */
static int flag;

static void raises(void *arg)
{
	(void)arg;
	leat_os_flag_raise(flag);
}

MODEL(select_descriptor, .what = "asleep in poll, told by a channel or by a descriptor",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	uint64_t item;
	struct leat_case cases[] = { LEAT_CASE_RECV(NULL, &item), LEAT_CASE_FD(-1, POLLIN) };
	unsigned seen = 0;

	open_chans(LEAT_SPSC, 1);
	flag = leat_os_flag_open();
	cases[0].rx = rx[0];
	cases[1].fd = flag;
	verify_spawn(sends, &tx[0], "sender");
	verify_spawn(raises, NULL, "raises");
	while (seen != 3) {
		int which = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);

		verify_that(which >= 0 && cases[which].answer == 1);
		verify_that(!(seen & 1u << which));
		seen |= 1u << which;
		if (which == 1)
			leat_os_flag_clear(flag);
	}
	leat_os_flag_close(flag);
	finish();
}

/* As an event loop does, until the stream ends. */
static void loops(struct leat_rx *in, int items)
{
	struct pollfd polled = { .fd = leat_rx_fd(in), .events = POLLIN };
	uint64_t item;
	int r;

	for (;;) {
		while ((r = leat_try_recv(in, &item)) == 1)
			items--;
		if (r != -EAGAIN)
			break;
		if (leat_rx_arm(in) == 0)
			verify_that(leat_os_poll(&polled, 1, LEAT_NEVER) == 1);
	}
	verify_that(r == 0 && items == 0);
}

MODEL(fd_arm_against_send, .what = "arming against a send and a close: SPSC", .preemptions = 3,
      .stale = 2, .quick_both = 2)
{
	open_chans(LEAT_SPSC, 1);
	verify_spawn(sends_and_closes, &tx[0], "sender");
	loops(rx[0], 1);
	finish();
}

MODEL(fd_arm_against_send_turns, .what = "the same on a ring with turns, with two senders",
      .preemptions = 1, .stale = 1)
{
	open_chans(LEAT_MPMC, 1);
	tx_clone = leat_tx_clone(tx[0]);
	verify_spawn(sends_and_closes, &tx[0], "sender 1");
	verify_spawn(sends_and_closes, &tx_clone, "sender 2");
	loops(rx[0], 2);
	finish();
}

MODEL(fd_arm_against_room, .what = "arming for room against a receive", .preemptions = 3,
      .stale = 2, .quick_both = 2)
{
	struct pollfd polled = { .events = POLLIN };
	uint64_t item = 3;

	open_chans(LEAT_SPSC, 1);
	sends(&tx[0]);
	verify_spawn(receives, &rx[0], "receiver");
	polled.fd = leat_tx_fd(tx[0]);
	while (leat_try_send(tx[0], &item) == -EAGAIN)
		if (leat_tx_arm(tx[0]) == 0)
			verify_that(leat_os_poll(&polled, 1, LEAT_NEVER) == 1);
	finish();
}

static void arms_and_closes(void *arg)
{
	struct leat_rx **in = arg;

	verify_that(leat_rx_fd(*in) >= 0);
	verify_that(leat_rx_arm(*in) >= 0);
	leat_rx_close(*in);
	*in = NULL;
}

static void armed_passes_on(void (*arms_and_leaves)(void *))
{
	open_chans(LEAT_MPMC, 1);
	rx_clone = leat_rx_clone(rx[0]);
	verify_spawn(arms_and_leaves, &rx_clone, "arms");
	verify_spawn(receives, &rx[0], "receives");
	sends(&tx[0]);
	finish();
	verify_that(received[1] == 1);
}

MODEL(fd_passes_on, .what = "told, and closed: the other receiver gets the item", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	armed_passes_on(arms_and_closes);
}

static void receives_both(void *arg)
{
	receives(arg);
	receives(arg);
}

static void arms_and_disarms(void *arg)
{
	struct leat_rx **in = arg;

	verify_that(leat_rx_fd(*in) >= 0);
	verify_that(leat_rx_arm(*in) >= 0);
	verify_that(leat_rx_disarm(*in) == 0);
}

MODEL(fd_disarmed, .what = "told, and disarmed: the other receiver gets the item", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	armed_passes_on(arms_and_disarms);
}

MODEL(fd_arm_finds_something,
      .what = "armed, and again with something there: it is off the list, and the other receiver "
              "gets both items",
      .preemptions = 1, .stale = 1)
{
	open_chans(LEAT_MPMC, 1);
	rx_clone = leat_rx_clone(rx[0]);
	verify_that(leat_rx_fd(rx_clone) >= 0);
	verify_spawn(receives_both, &rx[0], "receives");
	verify_that(leat_rx_arm(rx_clone) >= 0);
	sends(&tx[0]);
	if (leat_rx_arm(rx_clone) == 0)
		verify_that(leat_rx_disarm(rx_clone) == 0);
	sends(&tx[0]);
	finish();
	verify_that(received[1] == 2);
}

/* Armed, and then another wait on the same handle: that one must be told, not the descriptor. */
static void armed_then_waits(bool by_select)
{
	uint64_t item;
	struct leat_case cases[] = { LEAT_CASE_RECV(NULL, &item), LEAT_CASE_RECV(NULL, &item) };

	open_chans(LEAT_SPSC, 1);
	verify_that(leat_rx_fd(rx[0]) >= 0);
	verify_spawn(sends, &tx[0], "sender");
	verify_that(leat_rx_arm(rx[0]) >= 0);
	verify_that(leat_rx_arm(rx[0]) >= 0);
	cases[0].rx = rx[0];
	cases[1].rx = rx[1];
	if (by_select)
		verify_that(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY) == 0);
	else
		verify_that(leat_recv(rx[0], &item) == 1);
	verify_that(item == 1);
	finish();
}

MODEL(fd_armed_then_receives, .what = "armed, then a receive on the same handle that waits",
      .preemptions = 2, .stale = 1)
{
	armed_then_waits(false);
}

MODEL(fd_armed_then_selects, .what = "armed, then a select with the same handle that waits",
      .preemptions = 2, .stale = 1)
{
	armed_then_waits(true);
}

/* Merges */
static struct leat_merge *merge;

static void open_merge(int lanes)
{
	merge = leat_merge_open(sizeof(uint64_t));
	for (int i = 0; i < lanes; i++) {
		verify_that(leat_merge_add(merge, rx[i], &rx[i]) == 0);
		rx[i] = NULL;
	}
}

static void merge_to_the_ends(int items, int lanes)
{
	uint64_t item;
	void *tag;
	int r;

	while ((r = leat_merge_recv(merge, &item, &tag)) != -ENOENT) {
		items -= r == 1;
		lanes -= r == 0;
		verify_that(r == 0 || (r == 1 && tag == &rx[item - 1]));
	}
	verify_that(items == 0 && lanes == 0);
	leat_merge_close(merge);
}

MODEL(merge_arm_against_send, .what = "one lane, a send and a close, to the end", .preemptions = 2,
      .stale = 1)
{
	open_chans(LEAT_SPSC, 1);
	open_merge(1);
	verify_spawn(sends_and_closes, &tx[0], "sender");
	merge_to_the_ends(1, 1);
	finish();
}

MODEL(merge_no_lost_wake, .what = "two lanes, of which one has an item: SPSC", .preemptions = 3,
      .stale = 2, .quick_both = 2)
{
	uint64_t item;
	void *tag;

	open_chans(LEAT_SPSC, 1);
	open_merge(2);
	verify_spawn(sends, &tx[1], "sender");
	verify_that(leat_merge_recv(merge, &item, &tag) == 1);
	verify_that(item == 2 && tag == &rx[1]);
	leat_merge_close(merge);
	finish();
}

MODEL(merge_two_lanes, .what = "two senders, two lanes, to the ends", .preemptions = 1, .stale = 1,
      .quick_both = 1)
{
	open_chans(LEAT_MPMC, 1);
	open_merge(2);
	verify_spawn(sends_and_closes, &tx[0], "sender 1");
	verify_spawn(sends_and_closes, &tx[1], "sender 2");
	merge_to_the_ends(2, 2);
	finish();
}

MODEL(merge_close_against_send, .what = "closed while a lane is told", .preemptions = 3, .stale = 1,
      .quick_both = 2)
{
	uint64_t item = 1;
	int rc;

	open_chans(LEAT_SPSC, 1);
	open_merge(2);
	verify_that(leat_merge_recv_until(merge, &item, NULL, 0) == -ETIMEDOUT);
	verify_spawn(cancels, NULL, "canceller");
	item = 1;
	rc = leat_send(tx[0], &item);
	verify_that(rc == 0 || rc == -ECANCELED);
	leat_merge_close(merge);
	finish();
}

static void adds(void *arg)
{
	struct leat_rx **in = arg;

	verify_that(leat_merge_add(merge, *in, in) == 0);
	*in = NULL;
}

MODEL(merge_add_against_sleep, .what = "a lane is added while the merging thread goes to sleep",
      .preemptions = 2, .stale = 1)
{
	uint64_t item = 2;
	void *tag;

	open_chans(LEAT_SPSC, 1);
	open_merge(1);
	verify_that(leat_send(tx[1], &item) == 0);
	verify_spawn(adds, &rx[1], "adds");
	verify_that(leat_merge_recv(merge, &item, &tag) == 1);
	verify_that(item == 2 && tag == &rx[1]);
	leat_merge_close(merge);
	finish();
}

/* As an event loop does, until so many items have come and so many lanes have ended. */
static void merge_in_a_loop(int items, int lanes)
{
	struct pollfd polled = { .fd = leat_merge_fd(merge), .events = POLLIN };
	uint64_t item;
	void *tag;
	int r;

	for (;;) {
		while ((r = leat_merge_recv_until(merge, &item, &tag, 0)) == 1 || r == 0 ||
		       r == -ECANCELED) {
			verify_that(r != 1 || tag == &rx[item - 1]);
			items -= r == 1;
			lanes -= r != 1;
		}
		if (items <= 0 && lanes <= 0)
			break;
		if (leat_merge_arm(merge) == 0)
			verify_that(leat_os_poll(&polled, 1, LEAT_NEVER) == 1);
	}
	verify_that(items == 0 && lanes == 0);
	leat_merge_close(merge);
}

MODEL(merge_fd_against_send, .what = "two lanes, armed against an item of one", .preemptions = 3,
      .stale = 2, .quick_both = 2)
{
	open_chans(LEAT_SPSC, 1);
	open_merge(2);
	verify_spawn(sends, &tx[1], "sender");
	merge_in_a_loop(1, 0);
	finish();
}

MODEL(merge_fd_to_the_end, .what = "armed against an item and the end after it", .preemptions = 2,
      .stale = 1)
{
	open_chans(LEAT_SPSC, 1);
	open_merge(1);
	verify_spawn(sends_and_closes, &tx[0], "sender");
	merge_in_a_loop(1, 1);
	finish();
}

MODEL(merge_fd_two_lanes, .what = "armed against two senders: rings with turns", .preemptions = 1,
      .stale = 1, .quick_both = 1)
{
	open_chans(LEAT_MPMC, 1);
	open_merge(2);
	verify_spawn(sends_and_closes, &tx[0], "sender 1");
	verify_spawn(sends_and_closes, &tx[1], "sender 2");
	merge_in_a_loop(2, 2);
	finish();
}

MODEL(merge_fd_cancel, .what = "armed against a cancel", .preemptions = 2, .stale = 1)
{
	open_chans(LEAT_SPSC, 1);
	open_merge(2);
	verify_spawn(cancels, NULL, "canceller");
	merge_in_a_loop(0, 2);
	finish();
}

MODEL(merge_fd_add, .what = "a merge without a lane, armed against a lane that is added",
      .preemptions = 3, .stale = 1)
{
	uint64_t item = 2;

	open_chans(LEAT_SPSC, 1);
	open_merge(0);
	verify_that(leat_send(tx[1], &item) == 0);
	verify_spawn(adds, &rx[1], "adds");
	merge_in_a_loop(1, 0);
	finish();
}

MODEL(merge_fd_add_and_close,
      .what = "the same, found without a wait, and closed while the descriptor may be told",
      .preemptions = 3, .stale = 1)
{
	uint64_t item = 2;
	int rc;

	open_chans(LEAT_SPSC, 1);
	open_merge(0);
	verify_that(leat_merge_fd(merge) >= 0);
	verify_that(leat_send(tx[1], &item) == 0);
	verify_spawn(adds, &rx[1], "adds");
	verify_that(leat_merge_arm(merge) >= 0);
	while ((rc = leat_merge_recv_until(merge, &item, NULL, 0)) == -ENOENT)
		leat_pause();
	verify_that(rc == 1 && item == 2);
	leat_merge_close(merge);
	finish();
}

MODEL(merge_fd_close, .what = "closed while it is armed, against a cancel", .preemptions = 3,
      .stale = 1)
{
	open_chans(LEAT_SPSC, 1);
	open_merge(1);
	verify_that(leat_merge_fd(merge) >= 0);
	verify_that(leat_merge_arm(merge) == 0);
	verify_spawn(cancels, NULL, "canceller");
	leat_merge_close(merge);
	finish();
}

MODEL(merge_fd_then_sleeps,
      .what = "armed, then a receive that sleeps in vain: the descriptor tells nothing any more",
      .preemptions = 2, .stale = 1, .idle_ns = 1)
{
	struct pollfd polled = { .events = POLLIN };
	uint64_t item;

	open_chans(LEAT_SPSC, 1);
	open_merge(1);
	polled.fd = leat_merge_fd(merge);
	verify_that(leat_merge_arm(merge) == 0);
	verify_that(leat_merge_recv_until(merge, &item, NULL, VERIFY_START_NS + 1) == -ETIMEDOUT);
	sends(&tx[0]);
	verify_that(leat_os_poll(&polled, 1, 0) == -ETIMEDOUT);
	verify_that(leat_merge_arm(merge) == 1);
	leat_merge_close(merge);
	finish();
}

MODEL(merge_fd_disarmed,
      .what = "armed and disarmed against an item: the descriptor tells nothing, and the item is "
              "there",
      .preemptions = 3, .stale = 1)
{
	struct pollfd polled = { .events = POLLIN };

	open_chans(LEAT_SPSC, 1);
	open_merge(1);
	polled.fd = leat_merge_fd(merge);
	verify_spawn(sends, &tx[0], "sender");
	verify_that(leat_merge_arm(merge) >= 0);
	verify_that(leat_merge_disarm(merge) == 0);
	verify_join();
	verify_that(leat_os_poll(&polled, 1, 0) == -ETIMEDOUT);
	merge_in_a_loop(1, 0);
	finish();
}

MODEL(merge_fd_then_receives,
      .what = "armed, then a receive that waits; then armed again, and nothing is told of what was "
              "taken",
      .preemptions = 2, .stale = 1)
{
	struct pollfd polled = { .events = POLLIN };
	uint64_t item;

	open_chans(LEAT_SPSC, 1);
	open_merge(2);
	polled.fd = leat_merge_fd(merge);
	verify_spawn(sends, &tx[1], "sender");
	verify_that(leat_merge_arm(merge) >= 0);
	verify_that(leat_merge_recv(merge, &item, NULL) == 1 && item == 2);
	verify_join(); /* who has sent may tell of what is taken already */
	verify_that(leat_merge_arm(merge) == 0);
	verify_that(leat_os_poll(&polled, 1, 0) == -ETIMEDOUT);
	sends(&tx[0]);
	verify_that(leat_os_poll(&polled, 1, 0) == 1);
	leat_merge_close(merge);
	finish();
}

MODEL(merge_deadline, .what = "the time is over just when something comes", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	uint64_t item;
	int rc;

	open_chans(LEAT_SPSC, 1);
	open_merge(1);
	verify_instant(2000);
	verify_spawn(sends, &tx[0], "sender");
	rc = leat_merge_recv_until(merge, &item, NULL, 2000);
	verify_that(rc == 1 || rc == -ETIMEDOUT);
	verify_join();
	if (rc == -ETIMEDOUT)
		verify_that(leat_merge_recv_until(merge, &item, NULL, 0) == 1);
	leat_merge_close(merge);
	finish();
}

MODEL(merge_passes_on,
      .what = "told, and closed: a plain receiver of the same channel gets the item",
      .preemptions = 2, .stale = 1, .idle_ns = 1, .quick_both = 2)
{
	uint64_t item;

	open_chans(LEAT_MPMC, 1);
	rx_clone = leat_rx_clone(rx[0]);
	open_merge(1);
	verify_that(leat_merge_recv_until(merge, &item, NULL, VERIFY_START_NS + 1) == -ETIMEDOUT);
	verify_spawn(receives, &rx_clone, "receives");
	verify_spawn(sends, &tx[0], "sends");
	leat_merge_close(merge);
	finish();
	verify_that(received[1] == 1);
}

/*
 * One commit shows three items, with the news of one. A lane takes two of them in its turn, and
 * then it is the other's.
 */
static void commits_and_sends(void *arg)
{
	(void)arg;
	verify_that(leat_commit(tx[0], 1) == 0);
	sends(&tx[1]);
}

MODEL(merge_turn_passes_on,
      .what = "what a lane leaves behind at the end of its turn reaches a plain receiver of that "
              "channel",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	uint64_t item = 3, taken = 0;
	void *place, *tag = NULL;

	open_chans(LEAT_MPMC, 4);
	rx_clone = leat_rx_clone(rx[0]);
	tx_clone = leat_tx_clone(tx[0]);
	verify_that(leat_reserve(tx[0], 1, &place) == 1);
	*(uint64_t *)place = 1;
	verify_that(leat_send(tx_clone, &item) == 0 && leat_send(tx_clone, &item) == 0);
	open_merge(2);
	verify_spawn(commits_and_sends, NULL, "commits");
	verify_spawn(receives, &rx_clone, "receives");
	while (tag != &rx[1]) {
		verify_that(leat_merge_recv(merge, &item, &tag) == 1);
		taken += tag == &rx[0];
	}
	if (taken == 3)
		sends(&tx_clone);
	leat_merge_close(merge);
	finish();
}
