/*
 * tests/unit/bind.c: receivers that are bound to a sender (leat_rx_bind()): every receive, from
 * every kind of input, against everything that ends the output.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "plan.h"

#include "runtime/chan/chan.h"

#include <leat/merge.h>
#include <leat/select.h>
#include <limits.h>
#include <signal.h>

TestSuite(bind, .timeout = 600);

#define HOUR_NS (INT64_C(3600) * 1000 * MS)

/* --- inputs --- */

/* Where items come from. The last three are generators: with a compact channel, with another. */
enum input { SPSC, MPSC, SPMC, MPMC, DROPS_NEWEST, DROPS_OLDEST, COMPACT, POOLED, THREAD, INPUTS };
static const char *const input_names[] = { "spsc",    "mpsc",         "spmc",
	                                   "mpmc",    "drops newest", "drops oldest",
	                                   "compact", "pooled",       "thread" };

/* What ends the output. */
enum ending { RECEIVER_CLOSES, SCOPE_CANCELED, SCOPE_STOPPED, DEADLINE_PASSES, ENDINGS };
static const int answers[] = { -EPIPE, -ECANCELED, -ESHUTDOWN, -ECANCELED };
static const char *const ending_names[] = { "closed", "cancelled", "stopped", "deadline" };

struct rig {
	struct leat_pool *pool;
	struct leat_scope *in_scope, *out_scope;
	struct leat_tx *feed; /* of inputs that are no generator */
	struct leat_rx *in;
	struct leat_tx *out;
	struct leat_rx *out_rx;
	uint64_t made, most; /* of a generator: items so far, items before it sleeps */
	int64_t deadline_ns;
};

static int next_until_asleep(void *state, void *item)
{
	struct rig *rig = state;
	int rc = rig->made >= rig->most ? leat_after(LEAT_NEVER) : 0;
	if (rc != 0)
		return rc;
	*(uint64_t *)item = rig->made++;
	return 1;
}

/* A deadline is one of the manual clock, which the test has started. */
static void open_output(struct rig *rig, enum ending ending)
{
	if (ending == DEADLINE_PASSES)
		rig->deadline_ns = leat_now_ns() + 100 * MS;
	rig->out_scope =
		leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = rig->deadline_ns });
	cr_assert_eq(leat_chan_open(rig->out_scope, 8, NULL, &rig->out, &rig->out_rx), 0);
}

/* An input with so many items, 0, 1 and so on, whose stream does not end; and an output. */
static void rig_open(struct rig *rig, enum input input, enum ending ending, uint64_t items)
{
	*rig = (struct rig){ .in_scope = scope_open(), .most = items };
	open_output(rig, ending);
	leat_tx_source(rig->out, ending == SCOPE_STOPPED);
	struct leat_chan_opts chan = { .kind = input <= MPMC ? (enum leat_kind)input : LEAT_SPSC,
		                       .overflow = input == DROPS_NEWEST   ? LEAT_DROP_NEWEST
		                                   : input == DROPS_OLDEST ? LEAT_DROP_OLDEST
		                                                           : LEAT_BLOCK,
		                       .capacity = 8 };
	if (input < COMPACT) {
		cr_assert_eq(leat_chan_open(rig->in_scope, 8, &chan, &rig->feed, &rig->in), 0);
		for (uint64_t n = 0; n < items; n++)
			cr_assert_eq(leat_send(rig->feed, &n), 0);
		return;
	}
	struct leat_gen_opts gen = { .chan = chan };
	if (input != THREAD)
		gen.pool = rig->pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	gen.chan.kind = input == POOLED ? LEAT_SPMC : LEAT_SPSC;
	struct leat_seq seq = { next_until_asleep, NULL, rig, 8 };
	cr_assert_eq(leat_gen_seq(rig->in_scope, seq, &gen, &rig->in), 0);
}

static void end_output(struct rig *rig, enum ending ending)
{
	switch (ending) {
	case RECEIVER_CLOSES:
		leat_rx_close(rig->out_rx);
		rig->out_rx = NULL;
		break;
	case SCOPE_CANCELED:
		leat_scope_cancel(rig->out_scope, -EIO, "gone");
		break;
	case SCOPE_STOPPED:
		cr_expect_eq(leat_scope_stop(rig->out_scope, leat_now_ns() + HOUR_NS, "stop"), 0);
		break;
	default:
		clock_advance(rig->deadline_ns - leat_now_ns());
		cr_expect(leat_tx_done(rig->out));
	}
}

static void rig_close(struct rig *rig)
{
	leat_rx_close(rig->in);
	leat_tx_close(rig->feed);
	leat_rx_close(rig->out_rx);
	leat_tx_close(rig->out);
	leat_scope_close(rig->in_scope);
	leat_scope_close(rig->out_scope);
	leat_pool_close(rig->pool);
}

/* --- every receive --- */

enum call {
	RECV,
	RECV_UNTIL,
	RECV_BATCH,
	RECV_FILL,
	PEEK,
	PEEK_UNTIL,
	SELECT,
	WAITING,
	TRY_RECV = WAITING,
	TRY_RECV_BATCH,
	TRY_PEEK,
	SELECT_NOW,
	FOR,
	CALLS
};
static const char *const call_names[] = { "recv",      "recv_until", "recv_batch", "recv_fill",
	                                  "peek",      "peek_until", "select",     "try_recv",
	                                  "try_batch", "try_peek",   "select now", "for" };

/* For a call that takes an item: 1, with it in *item. */
static ssize_t receive(struct leat_rx *in, enum call call, uint64_t *item)
{
	struct leat_case cases[2] = { LEAT_CASE_RECV(in, item), LEAT_CASE_FD(-1, 0) };
	int64_t later_ns = leat_now_ns() + HOUR_NS;
	const void *place;
	ssize_t r;
	switch (call) {
	case RECV:
		return leat_recv(in, item);
	case RECV_UNTIL:
		return leat_recv_until(in, item, later_ns);
	case RECV_BATCH:
		return leat_recv_batch(in, item, 1);
	case RECV_FILL:
		return leat_recv_fill(in, item, 1, later_ns);
	case TRY_RECV:
		return leat_try_recv(in, item);
	case TRY_RECV_BATCH:
		return leat_try_recv_batch(in, item, 1);
	case SELECT:
	case SELECT_NOW:
		r = leat_select(cases, 2, call == SELECT ? LEAT_NEVER : 0, LEAT_BY_PRIORITY);
		return r == 0 ? cases[0].answer : r == -ETIMEDOUT ? -EAGAIN : r;
	case FOR: {
		leat_for(uint64_t, got, in) {
			*item = got;
			return 1;
		}
		return leat_recv(in, item);
	}
	default:
		r = call == PEEK         ? leat_peek(in, 1, &place)
		    : call == PEEK_UNTIL ? leat_peek_until(in, 1, &place, later_ns)
		                         : leat_try_peek(in, 1, &place);
		if (r != 1)
			return r;
		memcpy(item, place, sizeof(*item));
		cr_expect_eq(leat_release(in, 1), 0);
		return 1;
	}
}

static void await_item(struct leat_rx *in)
{
	while (leat_rx_pending(in) == 0)
		sched_yield();
}

/* An item waits, and no call takes it once the output has ended; and all do before. */
Test(bind, every_receive_asks_the_output_first)
{
	clock_start();
	for (enum input input = 0; input < INPUTS; input++)
		for (enum ending ending = 0; ending < ENDINGS; ending++) {
			struct rig rig;
			uint64_t item = 4711;
			rig_open(&rig, input, ending, CALLS > 8 ? 8 : CALLS);
			cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
			/* they take items by turns, as a receiver that is not bound does */
			for (uint64_t n = 0; n < 7; n++) {
				enum call call = (enum call)((n + input) % WAITING);
				cr_expect_eq(receive(rig.in, call, &item), 1, "%s %s",
				             input_names[input], call_names[call]);
				cr_expect_eq(item, n);
			}
			if (input < COMPACT)
				await_item(rig.in);
			end_output(&rig, ending);
			item = 4711;
			for (enum call call = 0; call < CALLS; call++)
				cr_expect_eq(receive(rig.in, call, &item), answers[ending],
				             "%s %s %s", input_names[input], ending_names[ending],
				             call_names[call]);
			cr_expect_eq(item, 4711, "nothing was taken");
			cr_expect_eq(leat_rx_status(rig.in, NULL, NULL, NULL), -EAGAIN);
			cr_expect_eq(leat_rx_bind(rig.in, NULL), 0);
			cr_expect_eq(leat_recv(rig.in, &item), 1, "the next item is there");
			cr_expect_eq(item, 7);
			rig_close(&rig);
		}
}

struct receiver {
	pthread_t thread;
	struct leat_rx *in;
	enum call call;
	uint32_t tid;
	uint64_t item;
	ssize_t r;
};

static void *receiver_main(void *arg)
{
	struct receiver *receiver = arg;
	leat_store_rel(&receiver->tid, own_tid());
	receiver->r = receive(receiver->in, receiver->call, &receiver->item);
	return NULL;
}

static void receiver_start(struct receiver *receiver)
{
	cr_assert_eq(pthread_create(&receiver->thread, NULL, receiver_main, receiver), 0);
	cr_assert(await_parked(&receiver->tid));
}

static ssize_t receiver_join(struct receiver *receiver)
{
	cr_assert_eq(pthread_join(receiver->thread, NULL), 0);
	return receiver->r;
}

Test(bind, receive_that_waits_is_woken_by_the_end_of_the_output)
{
	clock_start();
	for (enum input input = 0; input < INPUTS; input++)
		for (enum ending ending = 0; ending < ENDINGS; ending++)
			for (enum call call = 0; call < WAITING; call++) {
				struct rig rig;
				rig_open(&rig, input, ending, 0);
				struct receiver receiver = { .in = rig.in, .call = call };
				cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
				receiver_start(&receiver);
				end_output(&rig, ending);
				cr_expect_eq(receiver_join(&receiver), answers[ending],
				             "%s %s %s: %zd", input_names[input],
				             ending_names[ending], call_names[call], receiver.r);
				rig_close(&rig);
			}
}

Test(bind, receive_that_waits_is_woken_by_an_item_and_by_the_end)
{
	for (enum input input = 0; input < COMPACT; input++)
		for (enum call call = 0; call < WAITING; call++)
			for (int end = 0; end < 2; end++) {
				struct rig rig;
				rig_open(&rig, input, RECEIVER_CLOSES, 0);
				struct receiver receiver = { .in = rig.in, .call = call };
				cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
				receiver_start(&receiver);
				if (end) {
					leat_tx_close(rig.feed);
					rig.feed = NULL;
				} else {
					cr_assert_eq(leat_send(rig.feed, &(uint64_t){ 5 }), 0);
				}
				cr_expect_eq(receiver_join(&receiver), !end, "%s %s",
				             input_names[input], call_names[call]);
				cr_expect_eq(receiver.item, end ? 0 : 5);
				rig_close(&rig);
			}
}

/* The output's answer goes before the end of the stream and before the input's cancel. */
Test(bind, output_goes_before_an_end_and_a_cancel)
{
	clock_start();
	for (enum input input = 0; input < COMPACT; input++)
		for (enum ending ending = 0; ending < ENDINGS; ending++)
			for (int cancel = 0; cancel < 2; cancel++) {
				struct rig rig;
				uint64_t item;
				rig_open(&rig, input, ending, 0);
				cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
				leat_tx_close(rig.feed);
				rig.feed = NULL;
				if (cancel)
					leat_scope_cancel(rig.in_scope, 0, NULL);
				end_output(&rig, ending);
				for (enum call call = 0; call < CALLS; call++)
					cr_expect_eq(receive(rig.in, call, &item), answers[ending]);
				leat_rx_bind(rig.in, NULL);
				cr_expect_eq(leat_recv(rig.in, &item), cancel ? -ECANCELED : 0);
				rig_close(&rig);
			}
}

/* A deadline of the call, with and without items; and the output's clones do not matter. */
Test(bind, deadlines_and_tries_are_those_of_the_input)
{
	for (enum input input = 0; input < COMPACT; input++) {
		struct rig rig;
		uint64_t item;
		rig_open(&rig, input, RECEIVER_CLOSES, 1);
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		cr_expect_eq(leat_recv_until(rig.in, &item, 0), 1);
		cr_expect_eq(leat_recv_until(rig.in, &item, 0), -ETIMEDOUT);
		int64_t due_ns = leat_now_ns() + 5 * MS;
		cr_expect_eq(leat_recv_until(rig.in, &item, due_ns), -ETIMEDOUT);
		cr_expect_geq(leat_now_ns(), due_ns);
		cr_expect_eq(leat_try_recv(rig.in, &item), -EAGAIN);
		cr_expect_eq(leat_send(rig.feed, &(uint64_t){ 6 }), 0);
		cr_expect_eq(leat_try_recv(rig.in, &item), 1);
		cr_expect_eq(item, 6);
		rig_close(&rig);
	}
}

/* --- the binding itself --- */

Test(bind, bad_arguments_are_refused)
{
	struct rig rig;
	const void *place;
	uint64_t item;
	rig_open(&rig, SPSC, RECEIVER_CLOSES, 2);
	cr_expect_eq(leat_rx_bind(NULL, rig.out), -EINVAL);
	cr_expect_eq(leat_rx_bind(NULL, NULL), -EINVAL);
	cr_expect_eq(leat_rx_bind(rig.in, NULL), 0, "it was not bound");
	cr_assert_eq(leat_peek(rig.in, 1, &place), 1);
	cr_expect_eq(leat_rx_bind(rig.in, rig.out), -EBUSY);
	cr_assert_eq(leat_release(rig.in, 0), 0);
	cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
	cr_assert_eq(leat_peek(rig.in, 2, &place), 2);
	cr_expect_eq(leat_rx_bind(rig.in, NULL), -EBUSY);
	cr_expect_eq(leat_recv(rig.in, &item), -EBUSY);
	cr_expect_eq(leat_peek(rig.in, 1, &place), -EBUSY);
	cr_expect_eq(leat_release(rig.in, 3), -EINVAL);
	cr_expect_eq(leat_release(rig.in, 1), 0);
	cr_expect_eq(leat_release(rig.in, 1), -EINVAL);
	cr_expect_eq(leat_recv(rig.in, NULL), -EINVAL);
	cr_expect_eq(leat_recv_batch(rig.in, &item, 0), -EINVAL);
	cr_expect_eq(leat_peek(rig.in, 0, &place), -EINVAL);
	cr_expect_eq(leat_recv(rig.in, &item), 1);
	cr_expect_eq(item, 1, "what was put back");
	rig_close(&rig);
}

Test(bind, closed_receiver_stops_the_program, .signal = SIGABRT)
{
	struct rig rig;
	rig_open(&rig, SPSC, RECEIVER_CLOSES, 0);
	leat_rx_close(rig.in);
	leat_rx_bind(rig.in, rig.out);
}

Test(bind, closed_sender_stops_the_program, .signal = SIGABRT)
{
	struct rig rig;
	rig_open(&rig, SPSC, RECEIVER_CLOSES, 0);
	leat_tx_close(rig.out);
	leat_rx_bind(rig.in, rig.out);
}

Test(bind, receive_on_a_closed_receiver_that_was_bound_stops_the_program, .signal = SIGABRT)
{
	struct rig rig;
	uint64_t item;
	rig_open(&rig, SPSC, RECEIVER_CLOSES, 0);
	leat_rx_bind(rig.in, rig.out);
	leat_rx_close(rig.in);
	leat_recv(rig.in, &item);
}

/* Closed in either order, with and without items; the next binding is as the first. */
Test(bind, close_of_the_output_unbinds)
{
	for (enum input input = 0; input < INPUTS; input++)
		for (enum ending ending = 0; ending < DEADLINE_PASSES; ending++) {
			struct rig rig;
			uint64_t item;
			rig_open(&rig, input, ending, 3);
			cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
			cr_expect_eq(leat_recv(rig.in, &item), 1);
			end_output(&rig, ending);
			cr_expect_eq(leat_recv(rig.in, &item), answers[ending]);
			leat_tx_close(rig.out);
			rig.out = NULL;
			cr_expect_eq(leat_recv(rig.in, &item), 1, "%s", input_names[input]);
			cr_expect_eq(item, 1);
			rig_close(&rig);
		}
}

Test(bind, another_output_takes_the_place_of_the_first)
{
	for (enum input input = 0; input < INPUTS; input++) {
		struct rig rig;
		struct pipe other = pipe_open(NULL);
		uint64_t item;
		rig_open(&rig, input, RECEIVER_CLOSES, 3);
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		cr_assert_eq(leat_rx_bind(rig.in, other.tx), 0);
		end_output(&rig, RECEIVER_CLOSES);
		cr_expect_eq(leat_recv(rig.in, &item), 1);
		leat_scope_cancel(other.scope, 0, NULL);
		cr_expect_eq(leat_recv(rig.in, &item), -ECANCELED);
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		cr_expect_eq(leat_recv(rig.in, &item), -EPIPE);
		cr_assert_eq(leat_rx_bind(rig.in, NULL), 0);
		cr_expect_eq(leat_recv(rig.in, &item), 1);
		pipe_close(&other);
		rig_close(&rig);
	}
}

Test(bind, several_receivers_to_one_sender_of_which_one_closes_first)
{
	struct rig rig[3];
	uint64_t item;
	for (int i = 0; i < 3; i++)
		rig_open(&rig[i], i == 0 ? MPMC : i == 1 ? COMPACT : SPSC, RECEIVER_CLOSES, 2);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(leat_rx_bind(rig[i].in, rig[0].out), 0);
	leat_rx_close(rig[1].in);
	rig[1].in = NULL;
	end_output(&rig[0], RECEIVER_CLOSES);
	cr_expect_eq(leat_recv(rig[0].in, &item), -EPIPE);
	cr_expect_eq(leat_recv(rig[2].in, &item), -EPIPE);
	leat_rx_bind(rig[0].in, NULL);
	cr_expect_eq(leat_recv(rig[0].in, &item), 1);
	leat_tx_close(rig[0].out);
	rig[0].out = NULL;
	cr_expect_eq(leat_recv(rig[2].in, &item), 1);
	for (int i = 0; i < 3; i++)
		rig_close(&rig[i]);
}

/* A clone is not bound, and both take from the same channel. */
Test(bind, clone_is_not_bound)
{
	for (enum input input = SPMC; input <= MPMC; input++) {
		struct rig rig;
		uint64_t item;
		rig_open(&rig, input, RECEIVER_CLOSES, 2);
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		struct leat_rx *clone = leat_rx_clone(rig.in);
		cr_assert_not_null(clone);
		end_output(&rig, RECEIVER_CLOSES);
		cr_expect_eq(leat_recv(rig.in, &item), -EPIPE);
		cr_expect_eq(leat_recv(clone, &item), 1);
		leat_rx_close(clone);
		rig_close(&rig);
	}
}

/* A waiter that was notified of an item and takes none passes the notification on. */
Test(bind, item_that_a_bound_receiver_leaves_goes_to_another)
{
	for (int i = 0; i < 200; i++) {
		struct rig rig;
		rig_open(&rig, MPMC, RECEIVER_CLOSES, 0);
		struct receiver bound = { .in = rig.in }, other = { .in = leat_rx_clone(rig.in) };
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		receiver_start(&bound);
		receiver_start(&other);
		cr_assert_eq(leat_send(rig.feed, &(uint64_t){ 7 }), 0);
		end_output(&rig, RECEIVER_CLOSES);
		ssize_t r = receiver_join(&bound);
		cr_expect(r == 1 || r == -EPIPE, "%zd", r);
		if (r == 1)
			cr_assert_eq(leat_send(rig.feed, &(uint64_t){ 7 }), 0);
		cr_expect_eq(receiver_join(&other), 1);
		leat_rx_close(other.in);
		rig_close(&rig);
	}
}

/* A task's tx does as well, and one that is its own channel's sender. */
static int wait_as_task(struct leat_tx *out, void *arg)
{
	struct rig *rig = arg;
	uint64_t item;
	int rc;
	leat_rx_bind(rig->in, out);
	rc = leat_recv(rig->in, &item);
	cr_expect_eq(rc, -ECANCELED);
	return rc;
}

Test(bind, tx_of_a_task)
{
	struct rig rig;
	rig_open(&rig, SPSC, RECEIVER_CLOSES, 0);
	struct leat_scope *scope = scope_open();
	cr_assert_eq(leat_gen(scope, wait_as_task, &rig, 0, NULL, NULL), 0);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_scope_close(scope), 0);
	rig_close(&rig);
}

/* --- with threads: nothing is lost, whichever way items are received --- */

enum { MANY = MANY_TIMES(20000) };

static void *feed_many(void *arg)
{
	struct leat_tx *tx = arg;
	for (uint64_t n = 0; n < MANY; n++)
		cr_assert_eq(leat_send(tx, &n), 0);
	leat_tx_close(tx);
	return NULL;
}

Test(bind, all_items_arrive_in_order)
{
	for_each_kind(kind)
		for_each_wait(wait) {
			struct pipe in = pipe_open(&(struct leat_chan_opts){
					    .kind = kind, .capacity = 7, .recv_wait = wait }),
				    out = pipe_open(NULL);
			const void *place;
			pthread_t thread;
			uint64_t next = 0, items[5];
			ssize_t r = 1;
			cr_assert_eq(leat_rx_bind(in.rx, out.tx), 0);
			cr_assert_eq(pthread_create(&thread, NULL, feed_many, in.tx), 0);
			while (r > 0) {
				r = next % 3 == 0   ? leat_recv(in.rx, &items[0])
				    : next % 3 == 1 ? leat_recv_batch(in.rx, items, 5)
				                    : leat_peek(in.rx, 5, &place);
				if (r > 0 && next % 3 == 2)
					memcpy(items, place, (size_t)r * sizeof(items[0]));
				if (r > 0 && next % 3 == 2)
					cr_assert_eq(leat_release(in.rx, (size_t)r), 0);
				for (ssize_t i = 0; i < r; i++)
					cr_assert_eq(items[i], next++);
			}
			cr_expect_eq(r, 0);
			cr_expect_eq(next, MANY);
			cr_assert_eq(pthread_join(thread, NULL), 0);
			in.tx = NULL;
			pipe_close(&in);
			pipe_close(&out);
		}
}

/* A wait is in the books of the input, and what the output refuses is no rejected item. */
Test(bind, books)
{
	for (enum input input = 0; input < COMPACT; input++) {
		struct rig rig;
		struct leat_chan_stat stat;
		uint64_t item;
		rig_open(&rig, input, RECEIVER_CLOSES, 2);
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		cr_expect_eq(leat_recv(rig.in, &item), 1);
		cr_expect_eq(leat_recv(rig.in, &item), 1);
		cr_expect_eq(leat_recv_until(rig.in, &item, leat_now_ns() + 20 * MS), -ETIMEDOUT);
		end_output(&rig, RECEIVER_CLOSES);
		cr_expect_eq(leat_recv(rig.in, &item), -EPIPE);
		leat_chan_read_stat(leat_chan_of(leat_handle_of_rx(rig.in)), &stat);
		cr_expect_eq(stat.delivered, 2);
		cr_expect_eq(stat.in_flight, 0);
		cr_expect_geq(stat.recv_parks, 1);
		cr_expect_geq(stat.recv_blocked_ns, (uint64_t)MS);
		leat_chan_read_stat(leat_chan_of(leat_handle_of_tx(rig.out)), &stat);
		cr_expect_eq(stat.offered, 0);
		cr_expect_eq(stat.rejected, 0);
		rig_close(&rig);
	}
}

/* --- descriptors --- */

Test(bind, descriptor_becomes_readable_with_the_end_of_the_output)
{
	clock_start();
	for (enum input input = 0; input < INPUTS; input++)
		for (enum ending ending = 0; ending < ENDINGS; ending++) {
			struct rig rig;
			uint64_t item;
			rig_open(&rig, input, ending, 0);
			cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
			int fd = leat_rx_fd(rig.in);
			cr_assert_geq(fd, 0);
			cr_assert_eq(leat_rx_arm(rig.in), 0);
			cr_expect_not(readable(fd));
			end_output(&rig, ending);
			cr_expect(becomes_readable(fd));
			cr_expect_eq(leat_try_recv(rig.in, &item), answers[ending]);
			cr_expect_eq(leat_rx_arm(rig.in), 1);
			cr_expect_not(readable(fd));
			rig_close(&rig);
		}
}

/* One that is armed stays so, whatever happens to the binding meanwhile. */
Test(bind, descriptor_that_is_armed_follows_the_binding)
{
	for (enum input input = 0; input < COMPACT; input++) {
		struct rig rig;
		rig_open(&rig, input, RECEIVER_CLOSES, 0);
		int fd = leat_rx_fd(rig.in);
		cr_assert_eq(leat_rx_arm(rig.in), 0);
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		cr_expect_not(readable(fd));
		end_output(&rig, RECEIVER_CLOSES);
		cr_expect(becomes_readable(fd));
		cr_assert_eq(leat_rx_bind(rig.in, NULL), 0);
		cr_expect_not(readable(fd), "there is nothing to do any more");
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		cr_expect(readable(fd), "the output has ended already");
		leat_tx_close(rig.out);
		rig.out = NULL;
		cr_expect_not(readable(fd));
		cr_assert_eq(leat_send(rig.feed, &(uint64_t){ 5 }), 0);
		cr_expect(becomes_readable(fd));
		rig_close(&rig);
	}
}

/* --- select --- */

struct selector {
	pthread_t thread;
	struct leat_case *cases;
	int64_t deadline_ns;
	uint32_t tid;
	int r;
};

static void *selector_main(void *arg)
{
	struct selector *selector = arg;
	leat_store_rel(&selector->tid, own_tid());
	selector->r = leat_select(selector->cases, 3, selector->deadline_ns, LEAT_BY_CHANCE);
	return NULL;
}

static void selector_start(struct selector *selector, int64_t deadline_ns)
{
	selector->tid = 0;
	selector->deadline_ns = deadline_ns;
	cr_assert_eq(pthread_create(&selector->thread, NULL, selector_main, selector), 0);
	cr_assert(await_parked(&selector->tid));
}

static int selector_join(struct selector *selector)
{
	cr_assert_eq(pthread_join(selector->thread, NULL), 0);
	return selector->r;
}

Test(bind, one_receiver_in_two_cases_of_a_select)
{
	clock_start();
	for (enum input input = 0; input < INPUTS; input++) {
		struct rig rig;
		struct pipe idle = pipe_open(NULL);
		uint64_t items[3] = { 0 };
		rig_open(&rig, input, DEADLINE_PASSES, 0);
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		struct leat_case cases[] = { LEAT_CASE_RECV(idle.rx, &items[0]),
			                     LEAT_CASE_RECV(rig.in, &items[1]),
			                     LEAT_CASE_RECV(rig.in, &items[2]) };
		struct selector selector = { .cases = cases };
		for (int i = 0; i < 3; i++) {
			selector_start(&selector, leat_now_ns() + MS);
			clock_advance(MS);
			cr_expect_eq(selector_join(&selector), -ETIMEDOUT);
		}
		selector_start(&selector, LEAT_NEVER);
		end_output(&rig, DEADLINE_PASSES);
		int r = selector_join(&selector);
		cr_assert(r == 1 || r == 2, "%d", r);
		cr_expect_eq(cases[r].answer, -ECANCELED);
		pipe_close(&idle);
		rig_close(&rig);
	}
}

/* --- merge --- */

struct merger {
	pthread_t thread;
	struct leat_merge *merge;
	uint32_t tid;
	int r;
	uint64_t item;
};

static void *merger_main(void *arg)
{
	struct merger *merger = arg;
	leat_store_rel(&merger->tid, own_tid());
	merger->r = leat_merge_recv(merger->merge, &merger->item, NULL);
	return NULL;
}

Test(bind, lane_of_a_merge_ends_with_its_output)
{
	clock_start();
	for (enum input input = 0; input < INPUTS; input++)
		for (enum ending ending = 0; ending < ENDINGS; ending++) {
			struct rig rig;
			struct pipe idle = pipe_open(NULL);
			struct merger merger = { .merge = leat_merge_open(8) };
			int lane = 0, free_lane = 0;
			void *tag;
			rig_open(&rig, input, ending, 0);
			cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
			cr_assert_eq(leat_merge_add(merger.merge, rig.in, &lane), 0);
			cr_assert_eq(leat_merge_add(merger.merge, idle.rx, &free_lane), 0);
			cr_assert_eq(pthread_create(&merger.thread, NULL, merger_main, &merger), 0);
			cr_assert(await_parked(&merger.tid));
			end_output(&rig, ending);
			cr_assert_eq(pthread_join(merger.thread, NULL), 0);
			cr_expect_eq(merger.r, answers[ending], "%s %s", input_names[input],
			             ending_names[ending]);
			cr_expect_eq(leat_merge_lane(merger.merge), rig.in);
			/* the lane has ended; the other goes on */
			cr_assert_eq(leat_send(idle.tx, &(uint64_t){ 3 }), 0);
			cr_expect_eq(leat_merge_recv(merger.merge, &merger.item, &tag), 1);
			cr_expect_eq(tag, &free_lane);
			leat_tx_close(idle.tx);
			cr_expect_eq(leat_merge_recv(merger.merge, &merger.item, NULL), 0);
			cr_expect_eq(leat_merge_recv(merger.merge, &merger.item, NULL), -ENOENT);
			leat_merge_close(merger.merge);
			cr_expect_eq(leat_scope_close(idle.scope), 0);
			rig.in = NULL;
			rig_close(&rig);
		}
}

/* Armed lanes, and both events at once; then the output closes and the lane goes on. */
Test(bind, lane_of_a_merge_that_both_events_notify)
{
	for (int round = 0; round < 300; round++) {
		struct rig rig;
		uint64_t item = 0;
		rig_open(&rig, (enum input)(round % COMPACT), RECEIVER_CLOSES, 0);
		struct leat_merge *merge = leat_merge_open(8);
		cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
		cr_assert_eq(leat_merge_add(merge, rig.in, NULL), 0);
		int fd = leat_merge_fd(merge);
		cr_assert_eq(leat_merge_arm(merge), 0);
		if (round % 2)
			cr_assert_eq(leat_send(rig.feed, &(uint64_t){ 5 }), 0);
		end_output(&rig, RECEIVER_CLOSES);
		cr_expect(becomes_readable(fd));
		if (round % 3 == 0) {
			leat_tx_close(rig.out);
			rig.out = NULL;
			cr_expect_eq(leat_merge_recv_until(merge, &item, NULL, 0),
			             round % 2 ? 1 : -ETIMEDOUT);
			cr_assert_eq(leat_send(rig.feed, &(uint64_t){ 6 }), 0);
			cr_expect_eq(leat_merge_recv(merge, &item, NULL), 1);
			cr_expect_eq(item, 6);
		} else {
			cr_expect_eq(leat_merge_recv(merge, &item, NULL), -EPIPE);
			cr_expect_eq(leat_merge_recv(merge, &item, NULL), -ENOENT);
		}
		leat_merge_close(merge);
		rig.in = NULL;
		rig_close(&rig);
	}
}

/* --- stages and sinks --- */

static int stage(struct leat_tx *out, void *arg)
{
	struct rig *rig = arg;
	uint64_t item;
	int rc;
	leat_rx_bind(rig->in, out);
	while ((rc = leat_recv(rig->in, &item)) == 1)
		if ((rc = leat_send(out, &item)) < 0)
			break;
	leat_rx_close(rig->in);
	rig->in = NULL;
	return rc;
}

/* The consumer leaves while the input is idle: the stage has been abandoned, and so has its source.
 */
Test(bind, stage_hears_that_its_consumer_has_left)
{
	for (enum input input = 0; input < INPUTS; input++) {
		struct rig rig;
		struct leat_rx *rx;
		uint64_t item;
		rig_open(&rig, input, RECEIVER_CLOSES, 3);
		struct leat_scope *scope = scope_open();
		cr_assert_eq(leat_gen(scope, stage, &rig, 8, NULL, &rx), 0);
		for (uint64_t n = 0; n < 3; n++) {
			cr_expect_eq(leat_recv(rx, &item), 1);
			cr_expect_eq(item, n);
		}
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_join(scope), 0, "abandoned is no failure");
		if (rig.feed != NULL)
			cr_expect_eq(leat_send(rig.feed, &item), -EPIPE);
		cr_expect_eq(leat_scope_close(scope), 0);
		rig_close(&rig);
	}
}

/* A stop reaches a bound stage only through its source: it is no source itself. */
Test(bind, stage_that_is_no_source_drains_when_its_scope_is_stopped)
{
	struct rig rig;
	struct leat_rx *rx;
	uint64_t item;
	rig_open(&rig, SPSC, RECEIVER_CLOSES, 3);
	struct leat_scope *scope = scope_open();
	cr_assert_eq(leat_gen(scope, stage, &rig, 8, NULL, &rx), 0);
	cr_expect_eq(leat_scope_stop(scope, leat_now_ns() + HOUR_NS, "enough"), 0);
	cr_expect_eq(leat_recv(rx, &item), 1);
	leat_tx_close(rig.feed);
	rig.feed = NULL;
	cr_expect_eq(leat_scope_join(scope), 0);
	expect_status(rx, LEAT_COMPLETED, 0, "");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	rig_close(&rig);
}

/* What a seq or a sink returns that receives from a bound input, on a thread and on a pool. */
struct passing {
	struct leat_tx *out;
	uint32_t put;
};

static int pass_on(void *state, const void *item)
{
	struct passing *passing = state;
	int rc = leat_try_send(passing->out, (void *)(uintptr_t)item);
	leat_add_acqrel(&passing->put, 1u);
	return rc;
}

static void sink_of_a_bound_input(enum input input, enum ending ending, bool on_pool)
{
	struct rig rig;
	struct leat_pool *pool =
		on_pool ? leat_pool_open(&(struct leat_pool_opts){ .workers = 1 }) : NULL;
	struct leat_scope *scope = scope_open();
	enum leat_cause want = ending == DEADLINE_PASSES ? LEAT_DEADLINE : LEAT_FAILED;
	const char *text;
	int code;
	rig_open(&rig, input, ending, 0);
	struct passing passing = { .out = rig.out };
	cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
	cr_assert_eq(leat_gen_sink(scope, rig.in, (struct leat_sink){ pass_on, NULL, &passing },
	                           &(struct leat_gen_opts){ .pool = pool }),
	             0);
	if (rig.feed != NULL && ending != DEADLINE_PASSES) {
		cr_assert_eq(leat_send(rig.feed, &(uint64_t){ 1 }), 0);
		cr_assert(await_word(&passing.put, 1));
	}
	rig.in = NULL;
	end_output(&rig, ending);
	int rc = leat_scope_join(scope);
	/* its end is the output's: a failure with that code, or the cancel of the output's scope */
	if (ending == RECEIVER_CLOSES || ending == SCOPE_STOPPED)
		cr_expect_eq(rc, answers[ending]);
	else if (ending == SCOPE_CANCELED)
		cr_expect_eq(rc, -EIO, "%d", rc);
	if (rc != 0)
		cr_expect_eq(leat_scope_cause(scope, &code, &text), want);
	if (ending == SCOPE_CANCELED)
		cr_expect_str_eq(text, "gone");
	leat_scope_close(scope);
	rig_close(&rig);
	leat_pool_close(pool);
}

Test(bind, sink_ends_with_the_output_that_its_input_is_bound_to)
{
	for (enum input input = 0; input < INPUTS; input++)
		for (enum ending ending = 0; ending < DEADLINE_PASSES; ending++)
			for (int on_pool = 0; on_pool < 2; on_pool++)
				sink_of_a_bound_input(input, ending, on_pool);
}

static void seq_of_a_bound_input(enum input input, enum ending ending, int where)
{
	struct rig rig;
	struct leat_pool *pool =
		where > 0 ? leat_pool_open(&(struct leat_pool_opts){ .workers = 1 }) : NULL;
	struct leat_scope *scope = scope_open();
	struct leat_rx *rx;
	uint64_t item;
	rig_open(&rig, input, ending, 1);
	cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
	struct leat_gen_opts opts = { .pool = pool,
		                      .chan.kind = where == 2 ? LEAT_SPMC : LEAT_SPSC };
	cr_assert_eq(leat_gen_seq(scope, leat_seq_from_rx(rig.in), &opts, &rx), 0);
	rig.in = NULL;
	cr_expect_eq(leat_recv(rx, &item), 1);
	cr_expect_eq(leat_recv_until(rx, &item, leat_now_ns() + MS), -ETIMEDOUT);
	end_output(&rig, ending);
	cr_expect_eq(leat_recv(rx, &item), 0);
	expect_status(rx, LEAT_FAILED, ending == SCOPE_CANCELED ? -EIO : answers[ending],
	              ending == SCOPE_CANCELED ? "gone" : "");
	leat_rx_close(rx);
	leat_scope_close(scope);
	rig_close(&rig);
	leat_pool_close(pool);
}

Test(bind, seq_ends_with_the_output_that_its_input_is_bound_to)
{
	for (enum input input = 0; input < INPUTS; input++)
		for (enum ending ending = 0; ending < DEADLINE_PASSES; ending++)
			for (int where = 0; where < 3; where++)
				seq_of_a_bound_input(input, ending, where);
}

/* In a step a bound receive returns what is there, what the output says, or -EDEADLK. */
struct stepping {
	struct leat_rx *in;
	uint32_t steps;
	ssize_t got[4];
};

static int receive_in_a_step(void *state, void *item)
{
	struct stepping *s = state;
	struct leat_case c = LEAT_CASE_RECV(s->in, (uint64_t *)item);
	const void *place;
	s->got[0] = leat_recv(s->in, (uint64_t *)item);
	s->got[1] = leat_peek(s->in, 1, &place);
	s->got[2] = leat_recv_until(s->in, (uint64_t *)item, leat_now_ns() + HOUR_NS);
	int r = leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE);
	s->got[3] = r == 0 ? c.answer : r;
	return 0;
}

Test(bind, step_on_a_pool_never_waits)
{
	for (enum input input = 0; input < INPUTS; input++)
		for (int ended = 0; ended < 2; ended++) {
			struct rig rig;
			struct leat_pool *pool = leat_pool_open(NULL);
			struct leat_rx *rx;
			uint64_t item;
			rig_open(&rig, input, RECEIVER_CLOSES, 0);
			cr_assert_eq(leat_rx_bind(rig.in, rig.out), 0);
			if (ended)
				end_output(&rig, RECEIVER_CLOSES);
			struct stepping s = { .in = rig.in };
			struct leat_gen_opts opts = { .pool = pool };
			struct leat_seq seq = { receive_in_a_step, NULL, &s, 8 };
			cr_assert_eq(leat_gen_seq(rig.in_scope, seq, &opts, &rx), 0);
			cr_expect_eq(leat_recv(rx, &item), 0);
			for (int i = 0; i < 4; i++)
				cr_expect_eq(s.got[i], ended ? -EPIPE : -EDEADLK, "%s %d: %zd",
				             input_names[input], i, s.got[i]);
			leat_rx_close(rx);
			rig_close(&rig);
			leat_pool_close(pool);
		}
}

/* A generator's failure ends what clones of its sender may send: so it ends what is bound to one.
 */
static int fail_with_a_clone(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	plan->clone = leat_tx_clone(out);
	leat_store_rel(&plan->started, 1u);
	while (leat_load_acq(&plan->go) == 0)
		sched_yield();
	return -EIO;
}

Test(bind, failure_of_the_outputs_generator)
{
	struct rig rig;
	struct plan plan = { .go = 0 };
	struct leat_scope *scope = scope_open();
	struct leat_rx *rx;
	struct leat_gen_opts opts = { .chan.kind = LEAT_MPSC };
	rig_open(&rig, SPSC, RECEIVER_CLOSES, 0);
	cr_assert_eq(leat_gen(scope, fail_with_a_clone, &plan, 8, &opts, &rx), 0);
	cr_assert(await_word(&plan.started, 1));
	struct receiver receiver = { .in = rig.in };
	cr_assert_eq(leat_rx_bind(rig.in, plan.clone), 0);
	receiver_start(&receiver);
	leat_store_rel(&plan.go, 1u);
	cr_expect_eq(receiver_join(&receiver), -ECANCELED);
	leat_tx_close(plan.clone);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
	rig_close(&rig);
}
