/*
 * tests/unit/fill.c: leat_recv_fill(), which waits for so many items or a deadline; what is
 * pending, and capacities.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "plan.h"

#include <signal.h>

TestSuite(fill, .timeout = 600);

#define HOUR_NS (INT64_C(3600) * 1000 * MS)

static int64_t in_an_hour(void)
{
	return leat_now_ns() + HOUR_NS;
}

struct feeder {
	pthread_t thread;
	struct leat_tx *tx;
	uint64_t items;
};

static void *feed(void *arg)
{
	struct feeder *feeder = arg;
	for (uint64_t n = 0; n < feeder->items; n++)
		cr_assert_eq(leat_send(feeder->tx, &n), 0);
	leat_tx_close(feeder->tx);
	return NULL;
}

/* max exceeds the capacity; the last is short, and the end comes by itself. */
Test(fill, waits_for_max_items_and_the_end_comes_by_the_next_call)
{
	for_each_kind(kind)
		for_each_wait(wait)
			for (size_t max = 1; max <= 100; max = max * 3 + 1) {
				struct pipe pipe = pipe_open(&(struct leat_chan_opts){
					.kind = kind, .capacity = 4, .recv_wait = wait });
				struct feeder feeder = { .tx = pipe.tx, .items = 250 };
				uint64_t items[200], next = 0;
				ssize_t n;
				cr_assert_eq(pthread_create(&feeder.thread, NULL, feed, &feeder),
				             0);
				while ((n = leat_recv_fill(pipe.rx, items, max, LEAT_NEVER)) > 0) {
					uint64_t left = feeder.items - next;
					cr_expect_eq((uint64_t)n, left < max ? left : max);
					for (ssize_t i = 0; i < n; i++)
						cr_assert_eq(items[i], next++);
				}
				cr_expect_eq(n, 0);
				cr_expect_eq(next, feeder.items);
				cr_assert_eq(pthread_join(feeder.thread, NULL), 0);
				pipe.tx = NULL;
				pipe_close(&pipe);
			}
}

Test(fill, deadline_ends_it_with_what_there_is)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		uint64_t items[8];
		int64_t due_ns = leat_now_ns() + 5 * MS;
		cr_expect_eq(leat_recv_fill(pipe.rx, items, 8, 0), -ETIMEDOUT);
		cr_expect_eq(leat_recv_fill(pipe.rx, items, 8, due_ns), -ETIMEDOUT);
		cr_expect_geq(leat_now_ns(), due_ns);
		for (uint64_t n = 0; n < 3; n++)
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
		cr_expect_eq(leat_recv_fill(pipe.rx, items, 2, 0), 2);
		due_ns = leat_now_ns() + 5 * MS;
		cr_expect_eq(leat_recv_fill(pipe.rx, items, 8, due_ns), 1);
		cr_expect_eq(items[0], 2);
		cr_expect_geq(leat_now_ns(), due_ns);
		cr_expect_eq(leat_recv_fill(pipe.rx, items, 8, INT64_MIN), -ETIMEDOUT);
		pipe_close(&pipe);
	}
}

Test(fill, bad_arguments_are_refused)
{
	struct pipe pipe = pipe_open(NULL);
	const void *place;
	uint64_t items[2];
	cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), 0);
	cr_expect_eq(leat_recv_fill(NULL, items, 2, 0), -EINVAL);
	cr_expect_eq(leat_recv_fill(pipe.rx, (uint64_t *)NULL, 2, 0), -EINVAL);
	cr_expect_eq(leat_recv_fill(pipe.rx, items, 0, 0), -EINVAL);
	cr_expect_eq(leat_recv_fill(pipe.rx, items, SIZE_MAX / 8, 0), -EINVAL);
	cr_assert_eq(leat_peek(pipe.rx, 1, &place), 1);
	cr_expect_eq(leat_recv_fill(pipe.rx, items, 2, 0), -EBUSY);
	cr_assert_eq(leat_release(pipe.rx, 0), 0);
	cr_expect_eq((leat_recv_fill)(pipe.rx, items, 2, 0), 1);
	cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), 0);
	cr_expect_eq(leat_recv_fill(pipe.rx, (void *)items, 2, 0), 1,
	             "void has the channel's size");
	pipe_close(&pipe);
}

Test(fill, another_size_stops_the_program, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	uint32_t items[2];
	leat_recv_fill(pipe.rx, items, 2, 0);
}

/* --- what ends it on the way --- */

enum ending { SENDER_CLOSES, CANCEL, DEADLINE_OF_SCOPE, OUTPUT_ENDS, ENDINGS };
static const int answers[] = { 0, -ECANCELED, -ECANCELED, -EPIPE };

struct filler {
	pthread_t thread;
	struct leat_rx *rx;
	uint32_t tid;
	ssize_t n, next;
	uint64_t items[8];
};

static void *filler_main(void *arg)
{
	struct filler *filler = arg;
	leat_store_rel(&filler->tid, own_tid());
	filler->n = leat_recv_fill(filler->rx, filler->items, 8, in_an_hour());
	filler->next = leat_recv_fill(filler->rx, filler->items, 8, in_an_hour());
	return NULL;
}

Test(fill, what_ends_it_with_items_taken_is_told_by_the_next_call)
{
	clock_start();
	for_each_kind(kind)
		for (enum ending ending = 0; ending < ENDINGS; ending++)
			for (int had = 0; had < 2; had++) {
				struct leat_scope_opts scope = { .deadline_ns = 0 };
				struct pipe pipe = { NULL }, out = pipe_open(NULL);
				if (ending == DEADLINE_OF_SCOPE)
					scope.deadline_ns = leat_now_ns() + 30 * MS;
				pipe.scope = leat_scope_open(NULL, &scope);
				cr_assert_eq(
					leat_chan_open(pipe.scope, 8,
				                       &(struct leat_chan_opts){ .kind = kind },
				                       &pipe.tx, &pipe.rx),
					0);
				struct filler filler = { .rx = pipe.rx };
				if (ending == OUTPUT_ENDS)
					cr_assert_eq(leat_rx_bind(pipe.rx, out.tx), 0);
				for (int n = 0; n < had * 3; n++)
					cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), 0);
				cr_assert_eq(
					pthread_create(&filler.thread, NULL, filler_main, &filler),
					0);
				cr_assert(await_parked(&filler.tid));
				if (ending == SENDER_CLOSES) {
					leat_tx_close(pipe.tx);
					pipe.tx = NULL;
				} else if (ending == CANCEL) {
					leat_scope_cancel(pipe.scope, 0, NULL);
				} else if (ending == DEADLINE_OF_SCOPE) {
					clock_advance(30 * MS);
				} else if (ending == OUTPUT_ENDS) {
					leat_rx_close(out.rx);
					out.rx = NULL;
				}
				cr_assert_eq(pthread_join(filler.thread, NULL), 0);
				cr_expect_eq(filler.n, had ? 3 : answers[ending], "%zd", filler.n);
				cr_expect_eq(filler.next, answers[ending], "%zd", filler.next);
				leat_rx_close(pipe.rx);
				leat_tx_close(pipe.tx);
				leat_scope_close(pipe.scope);
				pipe_close(&out);
			}
}

/* --- generators, compact and others; and steps --- */

struct numbers {
	uint64_t n, last;
	bool sleeps; /* at last; else it ends */
};

static int next_number(void *state, void *item)
{
	struct numbers *numbers = state;
	if (numbers->n == numbers->last)
		return numbers->sleeps ? leat_after(LEAT_NEVER) : 0;
	*(uint64_t *)item = numbers->n++;
	return 1;
}

Test(fill, from_generators)
{
	for (int where = 0; where < 3; where++)
		for (size_t capacity = 1; capacity <= 16; capacity *= 4) {
			struct leat_pool *pool = where > 0 ? leat_pool_open(NULL) : NULL;
			struct leat_scope *scope = scope_open();
			struct numbers numbers = { .last = 100 };
			struct leat_gen_opts opts = { .pool = pool,
				                      .chan.capacity = capacity,
				                      .chan.kind =
				                              where == 2 ? LEAT_SPMC : LEAT_SPSC };
			struct leat_seq seq = { next_number, NULL, &numbers, 8 };
			uint64_t items[30], next = 0;
			struct leat_rx *rx;
			cr_assert_eq(leat_gen_seq(scope, seq, &opts, &rx), 0);
			cr_expect_eq(leat_rx_capacity(rx), capacity);
			for (int i = 0; i < 5; i++) {
				ssize_t n = leat_recv_fill(rx, items, 30, LEAT_NEVER);
				cr_expect_eq(n, i < 3 ? 30 : i == 3 ? 10 : 0, "%d: %zd", where, n);
				for (ssize_t k = 0; k < n; k++)
					cr_assert_eq(items[k], next++);
			}
			leat_rx_close(rx);
			cr_expect_eq(leat_scope_close(scope), 0);
			leat_pool_close(pool);
		}
}

struct stepping {
	struct leat_rx *in;
	ssize_t got[3];
	uint64_t items[8];
};

static int fill_in_a_step(void *state, void *item)
{
	struct stepping *s = state;
	(void)item;
	s->got[0] = leat_recv_fill(s->in, s->items, 2, in_an_hour());
	s->got[1] = leat_recv_fill(s->in, s->items, 8, in_an_hour());
	s->got[2] = leat_recv_fill(s->in, s->items, 8, in_an_hour());
	return 0;
}

/* Three are there: two, one, none. */
Test(fill, in_a_step_it_takes_what_is_there)
{
	for (int compact = 0; compact < 2; compact++)
		for (int bound = 0; bound < 2; bound++) {
			struct leat_pool *pool = leat_pool_open(NULL);
			struct leat_scope *scope = scope_open();
			struct numbers numbers = { .last = 3, .sleeps = true };
			struct pipe pipe = pipe_open(NULL), out = pipe_open(NULL);
			struct leat_gen_opts opts = { .pool = pool };
			struct stepping s = { .in = pipe.rx };
			struct leat_rx *rx, *made = NULL;
			uint64_t item;
			if (compact)
				cr_assert_eq(leat_gen_seq(scope,
				                          (struct leat_seq){ next_number, NULL,
				                                             &numbers, 8 },
				                          &opts, &made),
				             0);
			for (uint64_t n = 0; n < 3; n++)
				cr_assert_eq(leat_send(pipe.tx, &n), 0);
			if (compact)
				s.in = made;
			while (leat_rx_pending(s.in) < 3)
				sched_yield();
			if (bound)
				cr_assert_eq(leat_rx_bind(s.in, out.tx), 0);
			cr_assert_eq(leat_gen_seq(scope,
			                          (struct leat_seq){ fill_in_a_step, NULL, &s, 8 },
			                          &opts, &rx),
			             0);
			cr_expect_eq(leat_recv(rx, &item), 0);
			cr_expect_eq(s.got[0], 2, "%zd", s.got[0]);
			cr_expect_eq(s.got[1], 1, "%zd", s.got[1]);
			cr_expect_eq(s.got[2], -EDEADLK, "%zd", s.got[2]);
			leat_rx_close(rx);
			leat_rx_close(made);
			pipe_close(&pipe);
			pipe_close(&out);
			cr_expect_eq(leat_scope_close(scope), 0);
			leat_pool_close(pool);
		}
}

/* --- pending, capacities --- */

Test(fill, capacity_is_as_it_was_opened)
{
	for_each_kind(kind)
		for (size_t capacity = 0; capacity < 1100; capacity = capacity * 7 + 1) {
			struct pipe pipe = pipe_open(
				&(struct leat_chan_opts){ .kind = kind, .capacity = capacity });
			size_t want = capacity == 0 ? 1024 : capacity;
			cr_expect_eq(leat_tx_capacity(pipe.tx), want);
			cr_expect_eq(leat_rx_capacity(pipe.rx), want);
			pipe_close(&pipe);
		}
	cr_expect_eq(leat_tx_capacity(NULL), 0);
	cr_expect_eq(leat_rx_capacity(NULL), 0);
	cr_expect_eq(leat_rx_pending(NULL), 0);
}

static int task(struct leat_tx *out, void *arg)
{
	(void)arg;
	cr_expect_eq(leat_tx_capacity(out), 0);
	return 0;
}

Test(fill, capacity_of_a_task_is_0)
{
	struct leat_scope *scope = scope_open();
	cr_assert_eq(leat_gen(scope, task, NULL, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* Through several laps: sent, taken, peeked at, reserved and given back. */
Test(fill, pending_counts_what_was_sent_and_not_taken)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 5 });
		uint64_t item;
		const void *place;
		void *room;
		for (int lap = 0; lap < 10; lap++) {
			cr_expect_eq(leat_rx_pending(pipe.rx), 0);
			for (uint64_t n = 0; n < 4; n++) {
				cr_assert_eq(leat_send(pipe.tx, &n), 0);
				cr_expect_eq(leat_rx_pending(pipe.rx), n + 1);
			}
			cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
			cr_expect_eq(leat_rx_pending(pipe.rx), 4, "a reservation is no item");
			memset(room, 0, 8);
			cr_assert_eq(leat_commit(pipe.tx, (size_t)(lap % 2)), 0);
			cr_expect_eq(leat_rx_pending(pipe.rx), 4 + (size_t)(lap % 2));
			cr_assert_geq(leat_peek(pipe.rx, 2, &place), 1);
			cr_expect_eq(leat_rx_pending(pipe.rx), 4 + (size_t)(lap % 2));
			cr_assert_eq(leat_release(pipe.rx, 1), 0);
			cr_expect_eq(leat_rx_pending(pipe.rx), 3 + (size_t)(lap % 2));
			while (leat_try_recv(pipe.rx, &item) == 1)
				;
		}
		leat_send(pipe.tx, &item);
		leat_scope_cancel(pipe.scope, 0, NULL);
		cr_expect_eq(leat_rx_pending(pipe.rx), 0, "no receive takes it");
		pipe_close(&pipe);
	}
}

Test(fill, pending_of_a_channel_that_drops)
{
	for_each_kind(kind)
		for_each_drop(overflow) {
			struct pipe pipe = pipe_open(&(struct leat_chan_opts){
				.kind = kind, .capacity = 5, .overflow = overflow });
			for (uint64_t n = 0; n < 12; n++) {
				cr_assert_eq(leat_send(pipe.tx, &n), 0);
				cr_expect_eq(leat_rx_pending(pipe.rx), n < 5 ? n + 1 : 5);
			}
			pipe_close(&pipe);
		}
}

/* A single receiver: so many tries succeed. Never more than the channel holds. */
Test(fill, pending_beside_a_sender_promises_no_item_too_many)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 9 });
		struct feeder feeder = { .tx = pipe.tx, .items = 20000 };
		uint64_t item, got = 0;
		cr_assert_eq(pthread_create(&feeder.thread, NULL, feed, &feeder), 0);
		while (got < feeder.items) {
			size_t n = leat_rx_pending(pipe.rx);
			cr_assert_leq(n, 9);
			for (; n > 0; n--) {
				/* of a send that is about to return it counts as well */
				cr_assert_eq(leat_recv(pipe.rx, &item), 1);
				cr_assert_eq(item, got++);
			}
		}
		cr_assert_eq(pthread_join(feeder.thread, NULL), 0);
		pipe.tx = NULL;
		pipe_close(&pipe);
	}
}
