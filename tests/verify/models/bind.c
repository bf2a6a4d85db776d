/*
 * Models of receivers that are bound to a sender, of senders that a select waits to be done, and of
 * leat_recv_fill() and leat_rx_pending(): whatever ends the output, against a receive that is about
 * to park.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

#include <leat/merge.h>
#include <leat/select.h>
#include <poll.h>

/* The input, and the output. Each has a scope of its own; that of the input is `scope`. */
static struct leat_scope *out_scope;
static struct leat_tx *feed, *out;
static struct leat_rx *in, *out_rx;
static bool ended; /* plain memory, written before whatever ends the output */

enum ending { CLOSES, CANCELS, STOPS, FAILS };
static const int answers[] = { -EPIPE, -ECANCELED, -ESHUTDOWN, -ECANCELED };

static void open_output(enum ending ending)
{
	struct leat_chan_opts chan = { .capacity = 1, .send_wait = LEAT_WAIT_PARK };

	out_scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(out_scope, sizeof(uint64_t), &chan, &out, &out_rx) == 0);
	leat_tx_source(out, ending == STOPS);
}

static void open_input(enum leat_kind kind, size_t capacity)
{
	struct leat_chan_opts chan = { .kind = kind,
		                       .capacity = capacity,
		                       .send_wait = LEAT_WAIT_PARK,
		                       .recv_wait = LEAT_WAIT_PARK };

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &chan, &feed, &in) == 0);
}

static void open_both(enum leat_kind kind, enum ending ending)
{
	open_input(kind, 2);
	open_output(ending);
	verify_that(leat_rx_bind(in, out) == 0);
}

static void close_both(void)
{
	verify_join();
	leat_rx_close(in);
	leat_tx_close(feed);
	leat_rx_close(out_rx);
	leat_tx_close(out);
	verify_that(leat_scope_close(out_scope) == 0);
	verify_that(leat_scope_close(scope) == 0);
}

static void ends_output(void *arg)
{
	ended = true;
	switch ((enum ending)(uintptr_t)arg) {
	case CLOSES:
		leat_rx_close(out_rx);
		out_rx = NULL;
		break;
	case CANCELS:
		leat_scope_cancel(out_scope, 0, "enough");
		break;
	case STOPS:
		verify_that(leat_scope_stop(out_scope, LEAT_NEVER, "enough") == 0);
		break;
	default:
		leat_chan_fail_tx(out->chan);
	}
}

static void spawn_ending(enum ending ending)
{
	verify_spawn(ends_output, (void *)(uintptr_t)ending, "ends the output");
}

static void sends_one(void *arg)
{
	uint64_t item = 1;

	verify_that(leat_send((struct leat_tx *)arg, &item) == 0);
}

/* The receiver may have left by then. */
static void sends_if_it_can(void *arg)
{
	uint64_t item = 1;
	int rc = leat_send((struct leat_tx *)arg, &item);

	verify_that(rc == 0 || rc == -EPIPE);
}

/* --- an idle input --- */

static void idle_against(enum leat_kind kind, enum ending ending)
{
	uint64_t item;

	open_both(kind, ending);
	spawn_ending(ending);
	verify_that(leat_recv(in, &item) == answers[ending] && ended);
	verify_that(leat_try_recv(in, &item) == answers[ending]);
	close_both();
}

MODEL(bind_against_close, .what = "a bound receive parks, the output's last receiver closes",
      .preemptions = 3, .stale = 1)
{
	idle_against(LEAT_SPSC, CLOSES);
}

MODEL(bind_against_close_turns, .what = "the same on a ring with turns", .preemptions = 3,
      .stale = 1, .quick = 2)
{
	idle_against(LEAT_MPMC, CLOSES);
}

MODEL(bind_against_cancel, .what = "the same, the output's scope is cancelled", .preemptions = 3,
      .stale = 1, .quick = 2)
{
	idle_against(LEAT_SPSC, CANCELS);
}

MODEL(bind_against_stop, .what = "the same, the output is a source that is stopped",
      .preemptions = 3, .stale = 1, .quick = 2)
{
	idle_against(LEAT_SPSC, STOPS);
}

MODEL(bind_against_failure, .what = "the same, the output's generator fails", .preemptions = 3,
      .stale = 1, .quick = 2)
{
	idle_against(LEAT_SPSC, FAILS);
}

MODEL(bind_peek_against_close, .what = "a bound peek", .preemptions = 2, .stale = 1)
{
	const void *place;

	open_both(LEAT_SPSC, CLOSES);
	spawn_ending(CLOSES);
	verify_that(leat_peek(in, 1, &place) == -EPIPE && ended);
	close_both();
}

/* --- an item comes as well --- */

static void item_against(enum leat_kind kind, enum ending ending)
{
	uint64_t item = 0;
	int rc;

	open_both(kind, ending);
	verify_spawn(sends_one, feed, "sender");
	spawn_ending(ending);
	rc = leat_recv(in, &item);
	verify_that((rc == 1 && item == 1) || (rc == answers[ending] && ended));
	verify_join();
	verify_that(leat_recv(in, &item) == answers[ending]);
	verify_that(leat_rx_bind(in, NULL) == 0);
	verify_that(leat_try_recv(in, &item) == (rc == 1 ? -EAGAIN : 1));
	close_both();
}

MODEL(bind_item, .what = "an item, or the close: nothing is lost", .preemptions = 2, .stale = 1,
      .quick_both = 2)
{
	item_against(LEAT_SPSC, CLOSES);
}

MODEL(bind_item_turns, .what = "the same on a ring with turns, and a cancel", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	item_against(LEAT_MPMC, CANCELS);
}

static void feeds_to_the_end(void *arg)
{
	for (uint64_t n = 1; n <= 3; n++)
		verify_that(leat_send((struct leat_tx *)arg, &n) == 0);
	leat_tx_close(arg);
}

MODEL(bind_to_the_end, .what = "a bound receiver takes all items, and parks for each",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	uint64_t item, n = 0;

	open_input(LEAT_SPSC, 1);
	open_output(CLOSES);
	verify_that(leat_rx_bind(in, out) == 0);
	verify_spawn(feeds_to_the_end, feed, "sender");
	while (leat_recv(in, &item) == 1)
		verify_that(item == ++n);
	verify_that(n == 3);
	feed = NULL;
	close_both();
}

static uint32_t other_got;

static void receives_one(void *arg)
{
	uint64_t item;

	leat_add_rlx(&other_got, leat_recv((struct leat_rx *)arg, &item) == 1);
	leat_rx_close(arg);
}

/* The bound receiver may be notified of the only item, and then take none. */
MODEL(bind_passes_on, .what = "an item that a bound receiver leaves behind reaches the other",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_tx *second;
	uint64_t item = 2;
	int rc;

	open_both(LEAT_MPMC, CLOSES);
	second = leat_tx_clone(feed);
	verify_spawn(receives_one, leat_rx_clone(in), "other receiver");
	verify_spawn(sends_one, feed, "sender");
	spawn_ending(CLOSES);
	rc = leat_recv(in, &item);
	verify_that(rc == 1 || rc == -EPIPE);
	if (rc == 1)
		sends_one(second);
	verify_join();
	verify_that(other_got == 1);
	leat_tx_close(second);
	close_both();
}

/* --- the end of the binding --- */

MODEL(bind_output_closes, .what = "the output is closed behind its end: the input goes on",
      .preemptions = 2, .stale = 1)
{
	uint64_t item;

	open_both(LEAT_SPSC, CANCELS);
	spawn_ending(CANCELS);
	verify_that(leat_recv(in, &item) == -ECANCELED);
	leat_tx_close(out);
	out = NULL;
	verify_spawn(sends_one, feed, "sender");
	verify_that(leat_recv(in, &item) == 1);
	close_both();
}

static void clones(void *arg)
{
	struct leat_rx *clone = leat_rx_clone(arg);

	verify_that(clone != NULL);
	leat_rx_close(clone);
}

MODEL(bind_against_clone, .what = "a clone is made while the receiver is bound and unbound",
      .preemptions = 2, .stale = 1)
{
	uint64_t item;

	open_input(LEAT_SPMC, 2);
	open_output(CLOSES);
	verify_spawn(clones, in, "clones");
	verify_that(leat_rx_bind(in, out) == 0);
	verify_that(leat_try_recv(in, &item) == -EAGAIN);
	verify_that(leat_rx_bind(in, NULL) == 0);
	close_both();
}

/* --- select, descriptors, merge --- */

MODEL(bind_select, .what = "a bound receiver among a select's cases, an item of another",
      .preemptions = 2, .stale = 1)
{
	struct leat_chan_opts chan = { .capacity = 1, .recv_wait = LEAT_WAIT_PARK };
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t item = 0;
	int which;

	open_both(LEAT_SPSC, CLOSES);
	verify_that(leat_chan_open(scope, sizeof(item), &chan, &tx, &rx) == 0);
	struct leat_case cases[] = { LEAT_CASE_RECV(in, &item), LEAT_CASE_RECV(rx, &item) };

	spawn_ending(CLOSES);
	which = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);
	verify_that(which == 0 && cases[0].answer == -EPIPE && ended);
	leat_tx_close(tx);
	leat_rx_close(rx);
	close_both();
}

MODEL(bind_fd, .what = "a descriptor is armed, against the output's end", .preemptions = 3,
      .stale = 1)
{
	struct pollfd polled = { .events = POLLIN };
	uint64_t item;
	int rc;

	open_both(LEAT_SPSC, CLOSES);
	polled.fd = leat_rx_fd(in);
	spawn_ending(CLOSES);
	while ((rc = leat_try_recv(in, &item)) == -EAGAIN)
		if (leat_rx_arm(in) == 0)
			verify_that(leat_os_poll(&polled, 1, LEAT_NEVER) == 1);
	verify_that(rc == -EPIPE);
	close_both();
}

static bool is_readable(int fd)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return leat_os_poll(&polled, 1, 0) == 1;
}

MODEL(bind_fd_follows, .what = "a descriptor that is armed follows what is bound meanwhile",
      .preemptions = 2, .stale = 1)
{
	int fd;

	open_input(LEAT_MPMC, 2);
	open_output(CLOSES);
	fd = leat_rx_fd(in);
	verify_that(leat_rx_arm(in) == 0);
	verify_that(leat_rx_bind(in, out) == 0);
	spawn_ending(CLOSES);
	verify_join();
	verify_that(is_readable(fd));
	leat_tx_close(out);
	out = NULL;
	verify_that(!is_readable(fd));
	sends_one(feed);
	verify_that(is_readable(fd));
	close_both();
}

/* Both events may notify the lane, and each may do so while it is armed, or has just been. */
static void merge_bound(enum leat_kind kind, bool with_item)
{
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	uint64_t item;
	int rc, items = 0;

	open_both(kind, CLOSES);
	verify_that(leat_merge_add(merge, in, NULL) == 0);
	if (with_item)
		verify_spawn(sends_if_it_can, feed, "sender");
	spawn_ending(CLOSES);
	while ((rc = leat_merge_recv(merge, &item, NULL)) == 1)
		items++;
	verify_that(rc == -EPIPE && ended && items <= with_item);
	verify_that(leat_merge_recv(merge, &item, NULL) == -ENOENT);
	in = NULL;
	verify_join();
	leat_merge_close(merge);
	close_both();
}

MODEL(bind_merge, .what = "a lane of a merge ends with its output", .preemptions = 3, .stale = 1,
      .quick = 2)
{
	merge_bound(LEAT_SPSC, false);
}

MODEL(bind_merge_item, .what = "the same, notified of an item too", .preemptions = 2, .stale = 1,
      .quick_both = 2)
{
	merge_bound(LEAT_SPSC, true);
}

/* --- generators on a pool --- */

static int idle_next(void *state, void *item)
{
	(void)state, (void)item;
	return leat_after(LEAT_NEVER);
}

MODEL(bind_compact, .what = "a bound receiver of a compact generator that sleeps", .preemptions = 2,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_gen_opts opts;
	uint64_t item;

	open_pool(1, false);
	open_output(CLOSES);
	opts = on_pool(LEAT_SPSC, 1);
	verify_that(leat_gen_seq(scope, (struct leat_seq){ idle_next, NULL, NULL, sizeof(item) },
	                         &opts, &in) == 0);
	verify_that(leat_rx_bind(in, out) == 0);
	spawn_ending(CLOSES);
	verify_that(leat_recv(in, &item) == -EPIPE && ended);
	verify_join();
	leat_rx_close(in);
	leat_tx_close(out);
	verify_that(leat_scope_close(out_scope) == 0);
	close_pool(0);
}

/* The stage's own output goes on: what its input is bound to ends it. */
MODEL(bind_step, .what = "a stage on the pool whose input is bound to another output",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_chan_opts chan = { .capacity = 1 };
	struct leat_gen_opts opts;
	struct leat_rx *made;
	uint64_t item;

	open_pool(1, true);
	open_output(CLOSES);
	opts = on_pool(LEAT_SPSC, 1);
	verify_that(leat_chan_open(scope, sizeof(item), &chan, &feed, &in) == 0);
	verify_that(leat_rx_bind(in, out) == 0);
	verify_that(leat_gen_seq(scope, leat_seq_from_rx(in), &opts, &made) == 0);
	spawn_ending(CLOSES);
	verify_that(leat_recv(made, &item) == -ECANCELED || ended);
	verify_join();
	verify_that(leat_scope_join(scope) == -EPIPE);
	leat_rx_close(made);
	leat_tx_close(feed);
	leat_tx_close(out);
	verify_that(leat_scope_close(out_scope) == 0);
	close_pool(-EPIPE);
}

/* --- senders that are to be done --- */

static void done_against(enum ending ending)
{
	struct leat_case c;

	open_input(LEAT_SPSC, 1);
	open_output(ending);
	c = (struct leat_case)LEAT_CASE_DONE(out);
	spawn_ending(ending);
	verify_that(leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE) == 0);
	verify_that(c.answer == answers[ending] && ended);
	close_both();
}

MODEL(done_against_close, .what = "a select waits for a sender to be done: the receiver's close",
      .preemptions = 3, .stale = 1)
{
	done_against(CLOSES);
}

MODEL(done_against_cancel, .what = "the same, a cancel", .preemptions = 3, .stale = 1, .quick = 2)
{
	done_against(CANCELS);
}

MODEL(done_against_stop, .what = "the same, a stop", .preemptions = 3, .stale = 1, .quick = 2)
{
	done_against(STOPS);
}

MODEL(done_against_failure, .what = "the same, a failure", .preemptions = 3, .stale = 1, .quick = 2)
{
	done_against(FAILS);
}

MODEL(done_in_poll, .what = "the same beside a descriptor and a receive", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	uint64_t item;
	int flag = leat_os_flag_open(), which;

	open_input(LEAT_SPSC, 1);
	open_output(CLOSES);
	struct leat_case cases[] = { LEAT_CASE_FD(flag, POLLIN), LEAT_CASE_RECV(in, &item),
		                     LEAT_CASE_DONE(out) };

	spawn_ending(CLOSES);
	which = leat_select(cases, 3, LEAT_NEVER, LEAT_BY_CHANCE);
	verify_that(which == 2 && cases[2].answer == -EPIPE && ended);
	leat_os_flag_close(flag);
	close_both();
}

/* --- fills, and what is pending --- */

/* Two fills of two, then the last item, then the end. */
MODEL(fill_to_the_end, .what = "fills of two items, three items and the end", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	uint64_t items[2];

	open_input(LEAT_SPSC, 1);
	open_output(CLOSES);
	verify_spawn(feeds_to_the_end, feed, "sender");
	verify_that(leat_recv_fill(in, items, 2, LEAT_NEVER) == 2);
	verify_that(items[0] == 1 && items[1] == 2);
	verify_that(leat_recv_fill(in, items, 2, LEAT_NEVER) == 1 && items[0] == 3);
	verify_that(leat_recv_fill(in, items, 2, LEAT_NEVER) == 0);
	feed = NULL;
	close_both();
}

enum { DUE_NS = 5000 };

MODEL(fill_against_deadline, .what = "the deadline passes while items come: none is lost",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	uint64_t items[4], n = 0;
	ssize_t r;

	verify_instant(DUE_NS);
	open_input(LEAT_MPMC, 2);
	open_output(CLOSES);
	verify_spawn(feeds_to_the_end, feed, "sender");
	while ((r = leat_recv_fill(in, items, 4, DUE_NS)) != 0) {
		verify_that(r > 0 || r == -ETIMEDOUT);
		verify_that(r == 4 || leat_now_ns() >= DUE_NS || n + (uint64_t)r == 3);
		for (ssize_t i = 0; i < r; i++)
			verify_that(items[i] == ++n);
		if (r == -ETIMEDOUT)
			break;
	}
	if (r != 0) {
		while (leat_recv(in, items) == 1)
			verify_that(items[0] == ++n);
	}
	verify_that(n == 3);
	feed = NULL;
	close_both();
}

/* A single receiver: so many receives succeed without a wait for another send. */
static void pending_beside_a_sender(enum leat_kind kind)
{
	uint64_t item, n = 0;

	open_input(kind, 2);
	open_output(CLOSES);
	verify_spawn(feeds_to_the_end, feed, "sender");
	while (n < 3) {
		size_t pending = leat_rx_pending(in);

		verify_that(pending <= 2);
		if (pending == 0)
			pending = 1; /* which waits */
		for (; pending > 0; pending--)
			verify_that(leat_recv(in, &item) == 1 && item == ++n);
	}
	verify_that(leat_rx_pending(in) == 0);
	feed = NULL;
	close_both();
}

MODEL(pending_of_spsc, .what = "what is pending beside a sender: SPSC", .preemptions = 2,
      .stale = 1, .quick_both = 2)
{
	pending_beside_a_sender(LEAT_SPSC);
}

MODEL(pending_of_turns, .what = "the same on a ring with turns", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	pending_beside_a_sender(LEAT_MPSC);
}
