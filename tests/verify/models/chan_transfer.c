/*
 * Models of channels: how items get through. One by one to the end, in batches, in place, fewer
 * than were held, dropped; clones that come and go, and no memory for them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/chan.h"

/* Two items by its own handle, which it closes. */
static void sends_two(void *arg)
{
	struct leat_tx *out = arg;

	verify_that(send_one(out, 1) == 0);
	verify_that(send_one(out, 2) == 0);
	leat_tx_close(out);
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

MODEL(chan_spsc_drain_exact, .what = "close_then_drain_exact, no_lost_wake: SPSC, capacity 1",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC });
}

MODEL(chan_spsc_drain_exact_fenced, .what = "the same where each publish pays a full fence",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC, .full_fence = true });
}

MODEL(chan_spsc_spurious, .what = "the same with sleeps that end for no reason", .preemptions = 2,
      .stale = 1, .spurious = 1, .quick_both = 2)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC });
}

MODEL(chan_spsc_spin, .what = "both sides wait by spinning", .preemptions = 1, .stale = 1)
{
	drain_exact((struct leat_chan_opts){
		.kind = LEAT_SPSC, .send_wait = LEAT_WAIT_SPIN, .recv_wait = LEAT_WAIT_SPIN });
}

MODEL(chan_mpmc_yield, .what = "both sides wait by yielding, on a ring with turns",
      .preemptions = 1, .stale = 1)
{
	drain_exact((struct leat_chan_opts){
		.kind = LEAT_MPMC, .send_wait = LEAT_WAIT_YIELD, .recv_wait = LEAT_WAIT_YIELD });
}

MODEL(chan_spsc_adaptive, .what = "the receiver spins, yields, then parks; the sender yields",
      .preemptions = 1, .stale = 1)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPSC, .send_wait = LEAT_WAIT_YIELD });
}

static void sends_four(void *arg)
{
	for (uint64_t item = 1; item <= 4; item++)
		verify_that(send_one(arg, item) == 0);
	leat_tx_close(arg);
}

MODEL(chan_spsc_two_slots,
      .what = "four items through two slots, so that neither side looks for each", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_four, tx, "sender");
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_spsc_room_from_fast_receive,
      .what = "the room that a receive makes which does not look wakes the sender",
      .preemptions = 2, .stale = 1)
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

MODEL(chan_mpsc_drain_exact, .what = "close_then_drain_exact: MPSC, capacity 1", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_MPSC });
}

MODEL(chan_spmc_drain_exact, .what = "close_then_drain_exact: SPMC, capacity 1", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_SPMC });
}

MODEL(chan_mpmc_drain_exact, .what = "close_then_drain_exact: MPMC, capacity 1", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_MPMC });
}

MODEL(chan_mpmc_drain_exact_fenced, .what = "the same where each publish pays a full fence",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	drain_exact((struct leat_chan_opts){ .kind = LEAT_MPMC, .full_fence = true });
}

MODEL(chan_mpsc_two_senders, .what = "two senders, one slot, one receiver, to the end",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	open_chan(LEAT_MPSC, 1);
	verify_spawn(sends_one, leat_tx_clone(tx), "sender 1");
	verify_spawn(sends_two, tx, "sender 2");
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_spmc_two_receivers, .what = "one sender, two receivers, each to the end",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	open_chan(LEAT_SPMC, 1);
	verify_spawn(receives_to_the_end, leat_rx_clone(rx), "receiver 1");
	verify_spawn(receives_to_the_end, rx, "receiver 2");
	sends_two(tx);
	finish();
}

/* Dropping. */
static void sends_dropping(void *arg)
{
	for (uint64_t item = 1; item <= 3; item++)
		verify_that(send_one(arg, item) == 0);
	leat_tx_close(arg);
}

MODEL(chan_drop_oldest,
      .what = "drop_oldest against receive: never waits, each item received or dropped",
      .preemptions = 2, .stale = 1, .quick_both = 2)
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

		/* the rest could not be given back: all of it is this one's */
		if (leat_release(arg, 1) != 0) {
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

MODEL(chan_release_fewer, .what = "putting back against another receiver and the end",
      .preemptions = 2, .stale = 1, .quick_both = 2)
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

MODEL(chan_commit_none, .what = "a reservation given up against a sender and a receiver that wait",
      .preemptions = 2, .stale = 1, .quick_both = 1)
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

MODEL(chan_clone_while_used, .what = "a handle is cloned by another thread while it sends",
      .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_MPSC, 2);
	verify_spawn(clones_and_closes, tx, "cloner");
	verify_that(send_one(tx, 1) == 0);
	verify_join();
	leat_tx_close(tx);
	receives_to_the_end(rx);
	finish();
}

MODEL(chan_no_memory, .what = "each allocation fails in turn: an error, and nothing is left",
      .preemptions = 1, .failed_allocs = 1)
{
	struct leat_chan_opts opts = { .kind = LEAT_MPMC,
		                       .capacity = 2,
		                       .overflow = LEAT_DROP_OLDEST };
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

MODEL(chan_drop_oldest_two_senders, .what = "two senders that drop the oldest against a receiver",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP)
{
	open_with((struct leat_chan_opts){
		.kind = LEAT_MPSC, .capacity = 1, .overflow = LEAT_DROP_OLDEST });
	verify_spawn(sends_and_drops, leat_tx_clone(tx), "sender 1");
	verify_spawn(sends_and_drops, tx, "sender 2");
	receives_until_refused(rx);
	finish();
}

MODEL(chan_drop_oldest_against_put_back,
      .what = "what is peeked at and put back while a sender drops the oldest", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	open_with((struct leat_chan_opts){
		.kind = LEAT_SPSC, .capacity = 2, .overflow = LEAT_DROP_OLDEST });
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

MODEL(chan_drop_oldest_reserve,
      .what = "reserving on a channel that drops the oldest, against a receiver", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	open_with((struct leat_chan_opts){
		.kind = LEAT_SPSC, .capacity = 1, .overflow = LEAT_DROP_OLDEST });
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

MODEL(chan_spsc_batches, .what = "a batch larger than the channel, against batches",
      .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_batch, tx, "sender");
	receives_batches(rx);
	finish();
}

/* The compiler does not know the items' size, so the library moves batches, by its short way. */
static bool size_unknown;
/* The cancel has returned: calls that begin after that move nothing. */
static uint32_t canceled;

static ssize_t send_pair(struct leat_tx *to, const uint64_t *pair)
{
	return size_unknown ? leat_send_batch(to, (const void *)pair, 2)
	                    : leat_send_batch(to, pair, 2);
}

static void sends_pairs(void *arg)
{
	ssize_t n = 2;

	for (uint64_t i = 1; i < 5 && n == 2; i += 2) {
		const uint64_t pair[2] = { i, i + 1 };
		bool too_late = leat_load_acq(&canceled);

		n = send_pair(arg, pair);
		verify_that(n == 1 || n == 2 || n == -EPIPE || n == -ECANCELED);
		verify_that(n < 0 || !too_late);
		for (ssize_t k = 0; k < n; k++)
			accepted[pair[k]]++;
	}
	leat_tx_close(arg);
}

static void receives_pairs(void *arg)
{
	struct leat_rx *from = arg;
	uint64_t pair[2];
	ssize_t n;

	do {
		bool too_late = leat_load_acq(&canceled);

		n = size_unknown ? leat_recv_batch(from, (void *)pair, 2)
		                 : leat_recv_batch(from, pair, 2);
		verify_that(n <= 0 || !too_late);
		for (ssize_t i = 0; i < n; i++)
			received[pair[i]]++;
	} while (n > 0);
	verify_that(n == 0 || n == -ECANCELED);
	leat_rx_close(from);
}

static void pairs_to_the_end(void)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_pairs, tx, "sender");
	receives_pairs(rx);
	finish();
	for (uint64_t i = 1; i < 5; i++)
		verify_that(received[i] == 1);
}

MODEL(chan_spsc_pairs, .what = "batches that fit into the channel, by the inline bodies",
      .preemptions = 2, .stale = 1)
{
	pairs_to_the_end();
}

MODEL(chan_spsc_batches_at_once, .what = "the same by the library, which takes its short way",
      .preemptions = 2, .stale = 1)
{
	size_unknown = true;
	pairs_to_the_end();
}

MODEL(chan_spsc_pairs_fenced, .what = "by the inline bodies, each publish pays a full fence",
      .preemptions = 2, .stale = 1)
{
	open_with((struct leat_chan_opts){ .kind = LEAT_SPSC, .capacity = 2, .full_fence = true });
	verify_spawn(sends_pairs, tx, "sender");
	receives_pairs(rx);
	finish();
}

static void receives_six(void *arg)
{
	uint64_t batch[2];

	for (unsigned got = 0; got < 6;) {
		ssize_t n = leat_recv_batch((struct leat_rx *)arg, batch, 2);

		verify_that(n == 1 || n == 2);
		for (ssize_t i = 0; i < n; i++)
			received[batch[i]]++;
		got += (unsigned)n;
	}
}

/*
 * The first call of each side makes its attempt as any, the others take the short way first. No
 * side closes before both are done, as that would wake the other.
 */
MODEL(chan_mpmc_pairs, .what = "batches on a ring with turns", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	open_chan(LEAT_MPMC, 2);
	verify_spawn(receives_six, rx, "receiver");
	for (uint64_t i = 1; i < 7; i += 2) {
		const uint64_t pair[2] = { i, i + 1 };

		verify_that(leat_send_batch(tx, pair, 2) == 2);
		accepted[i] = accepted[i + 1] = 1;
	}
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(rx);
	finish();
}

static void cancels_pairs(void *arg)
{
	(void)arg;
	leat_scope_cancel(scope, 0, "no more");
	leat_store_rel(&canceled, 1);
}

MODEL(chan_spsc_pairs_against_cancel, .what = "by the inline bodies, against a cancel",
      .preemptions = 2, .stale = 1, .quick_both = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_pairs, tx, "sender");
	verify_spawn(cancels_pairs, NULL, "canceller");
	receives_pairs(rx);
	finish();
}

MODEL(chan_mpmc_pairs_against_cancel, .what = "the same against a cancel", .preemptions = 1,
      .stale = 1, .quick_both = 1)
{
	open_chan(LEAT_MPMC, 3);
	verify_spawn(sends_pairs, tx, "sender");
	verify_spawn(cancels_pairs, NULL, "canceller");
	receives_pairs(rx);
	finish();
}

static void receives_a_pair(void *arg)
{
	uint64_t pair[2];
	ssize_t n = leat_recv_batch((struct leat_rx *)arg, pair, 2);

	verify_that(n == 1 || n == 2);
	for (ssize_t i = 0; i < n; i++)
		received[pair[i]]++;
	leat_rx_close(arg);
}

MODEL(chan_spsc_pairs_against_leave, .what = "by the inline bodies, against the receiver's close",
      .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_pairs, tx, "sender");
	receives_a_pair(rx);
	finish();
}

MODEL(chan_mpmc_batches, .what = "the same on a ring with turns, two receivers", .preemptions = 1,
      .stale = 1, .quick_both = 1)
{
	open_chan(LEAT_MPMC, 2);
	verify_spawn(sends_batch, tx, "sender");
	verify_spawn(receives_batches, leat_rx_clone(rx), "receiver 1");
	receives_batches(rx);
	finish();
}

MODEL(chan_batch_against_cancel,
      .what = "a batch half sent, a receiver with an item held, and a cancel", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	open_chan(LEAT_SPSC, 2);
	verify_spawn(sends_batch, tx, "sender");
	verify_spawn(receives_batches, rx, "receiver");
	cancels(NULL);
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

MODEL(chan_spsc_zero_copy,
      .what = "items written and read in place, through one slot; neither side closes",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	zero_copy(LEAT_SPSC);
}

MODEL(chan_mpmc_zero_copy, .what = "the same on a ring with turns", .preemptions = 2, .stale = 1,
      .quick_both = 2)
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

MODEL(chan_spsc_peek_to_the_end,
      .what = "peeking to the end: what was sent before the close is there", .preemptions = 2,
      .stale = 2)
{
	peek_to_the_end(LEAT_SPSC);
}

MODEL(chan_mpmc_peek_to_the_end, .what = "the same on a ring with turns", .preemptions = 2,
      .stale = 2, .quick_both = 2)
{
	peek_to_the_end(LEAT_MPMC);
}

/*
 * Tries against transfers that are under way: what another thread has begun and not finished must
 * not hide what was finished before the try.
 */
static void sends_five(void *arg)
{
	verify_that(send_one(arg, 5) == 0);
}

MODEL(chan_try_recv_behind_a_send,
      .what = "a try finds an item whose send has returned, while another send is under way in "
              "front of it",
      .preemptions = 2, .stale = 1)
{
	struct leat_tx *clone;
	uint64_t item;

	open_chan(LEAT_MPMC, 2);
	clone = leat_tx_clone(tx);
	verify_spawn(sends_five, clone, "sender");
	verify_that(send_one(tx, 1) == 0);
	verify_that(leat_try_recv(rx, &item) == 1);
	received[item]++;
	verify_join();
	leat_tx_close(clone);
	leat_tx_close(tx);
	receives_until_refused(rx);
	finish();
}

static void receives_any(void *arg)
{
	uint64_t item;

	verify_that(leat_recv((struct leat_rx *)arg, &item) == 1);
	leat_add_rlx(&received[item], 1);
}

static void try_behind_a_receive(struct leat_chan_opts opts)
{
	struct leat_rx *clone;
	uint64_t item;

	open_with(opts);
	clone = leat_rx_clone(rx);
	verify_that(send_one(tx, 1) == 0);
	verify_that(send_one(tx, 2) == 0);
	verify_spawn(receives_any, clone, "receiver");
	receives_any(rx);
	item = 3;
	verify_that(leat_try_send(tx, &item) == 0);
	accepted[item]++;
	verify_join();
	leat_tx_close(tx);
	leat_rx_close(clone);
	receives_until_refused(rx);
	finish();
}

MODEL(chan_try_send_behind_a_receive,
      .what = "a try finds room that a receive has made, while another receive is under way in "
              "front of it",
      .preemptions = 2, .stale = 1)
{
	try_behind_a_receive((struct leat_chan_opts){ .kind = LEAT_SPMC, .capacity = 2 });
}

MODEL(chan_no_drop_behind_a_receive,
      .what = "the same where a send would drop its item for want of room: it is not dropped",
      .preemptions = 2, .stale = 1)
{
	try_behind_a_receive((struct leat_chan_opts){
		.kind = LEAT_SPMC, .capacity = 2, .overflow = LEAT_DROP_NEWEST });
	verify_that(discarded[3] == 0);
}
