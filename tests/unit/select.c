/*
 * tests/unit/select.c: waiting for one of several cases.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "census.h"
#include "clock.h"

#include <fcntl.h>
#include <leat/diag.h>
#include <leat/gen.h>
#include <leat/select.h>
#include <poll.h>
#include <signal.h>

#include "runtime/chan/chan.h"

TestSuite(select, .timeout = 600);

enum { PIPES = 4 };

/* Several channels in one scope. */
struct bundle {
	struct leat_scope *scope;
	struct leat_tx *tx[PIPES];
	struct leat_rx *rx[PIPES];
};

static struct bundle bundle_open(const struct leat_chan_opts *opts)
{
	struct bundle bundle = { .scope = leat_scope_open(NULL, NULL) };
	for (int i = 0; i < PIPES; i++)
		cr_assert_eq(leat_chan_open(bundle.scope, sizeof(uint64_t), opts, &bundle.tx[i],
		                            &bundle.rx[i]),
		             0);
	return bundle;
}

static void bundle_close(struct bundle *bundle)
{
	for (int i = 0; i < PIPES; i++) {
		leat_tx_close(bundle->tx[i]);
		leat_rx_close(bundle->rx[i]);
	}
	cr_expect_eq(leat_scope_close(bundle->scope), 0);
}

/* A select on a thread of its own. */
struct selector {
	pthread_t thread;
	uint32_t tid;
	struct leat_case cases[PIPES];
	size_t n;
	int64_t deadline_ns;
	enum leat_order order;
	uint64_t items[PIPES];
	int answer, errno_after;
};

static void *selector_main(void *arg)
{
	struct selector *s = arg;
	errno = 4711;
	leat_store_rel(&s->tid, own_tid());
	s->answer = leat_select(s->cases, s->n, s->deadline_ns, s->order);
	s->errno_after = errno;
	return NULL;
}

static void selector_start(struct selector *s)
{
	s->tid = 0;
	if (s->deadline_ns == 0)
		s->deadline_ns = LEAT_NEVER;
	cr_assert_eq(pthread_create(&s->thread, NULL, selector_main, s), 0);
}

static int selector_join(struct selector *s)
{
	cr_assert_eq(pthread_join(s->thread, NULL), 0);
	cr_expect_eq(s->errno_after, 4711, "errno is touched");
	return s->answer;
}

static void selector_receives(struct selector *s, struct bundle *bundle, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->cases[i] = (struct leat_case)LEAT_CASE_RECV(bundle->rx[i], &s->items[i]);
	s->n = n;
}

/* In poll(2), which census.h does not take for parked. */
static bool await_polling(uint32_t *tid)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	char text[512];
	for (;;) {
		if (leat_load_acq(tid) != 0 &&
		    read_task(leat_load_acq(tid), "stat", text, sizeof(text))) {
			const char *state = strrchr(text, ')');
			bool asleep = state != NULL && state[1] != '\0' && state[2] == 'S';
			if (asleep &&
			    (!read_task(leat_load_acq(tid), "syscall", text, sizeof(text)) ||
			     strtol(text, NULL, 10) == SYS_ppoll))
				return true;
		}
		if (leat_now_ns() > patience_ns)
			return false;
		sched_yield();
	}
}

/* Arguments */

Test(select, bad_arguments_are_refused)
{
	struct bundle b = bundle_open(NULL);
	uint64_t item = 0;
	struct leat_case good = LEAT_CASE_RECV(b.rx[0], &item), bad = good;
	cr_expect_eq(leat_select(NULL, 1, 0, LEAT_BY_CHANCE), -EINVAL);
	cr_expect_eq(leat_select(&good, 1, 0, (enum leat_order)2), -EINVAL);
	cr_expect_eq(leat_select(&good, 1, 0, (enum leat_order) - 1), -EINVAL);
	cr_expect_eq(leat_select(&good, SIZE_MAX, 0, LEAT_BY_CHANCE), -EINVAL);
	bad.kind = (enum leat_case_kind)6;
	cr_expect_eq(leat_select(&bad, 1, 0, LEAT_BY_CHANCE), -EINVAL);
	bad = good;
	bad.item = NULL;
	cr_expect_eq(leat_select(&bad, 1, 0, LEAT_BY_CHANCE), -EINVAL);
	bundle_close(&b);
}

/* A bad case that would come last is seen before anything is done. */
Test(select, an_error_does_nothing)
{
	struct bundle b = bundle_open(NULL);
	uint64_t item = 7, got = 0;
	void *room;
	cr_assert_eq(leat_send(b.tx[0], &item), 0);
	struct leat_case cases[] = { LEAT_CASE_RECV(b.rx[0], &got),
		                     LEAT_CASE_SEND(b.tx[1], &item) };
	cr_assert_gt(leat_reserve(b.tx[1], 1, &room), 0);
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_PRIORITY), -EBUSY);
	cr_expect_eq(leat_commit(b.tx[1], 0), 0);
	cases[1].item = NULL;
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_PRIORITY), -EINVAL);
	cr_expect_eq(got, 0);
	cases[1].item = &item;
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_PRIORITY), 0);
	cr_expect_eq(got, 7);
	bundle_close(&b);
}

Test(select, another_size_stops_the_program, .signal = SIGABRT)
{
	struct bundle b = bundle_open(NULL);
	uint32_t item = 0;
	struct leat_case c = LEAT_CASE_RECV(b.rx[0], &item);
	leat_select(&c, 1, 0, LEAT_BY_CHANCE);
}

Test(select, a_pointer_to_void_stands_for_the_size)
{
	struct bundle b = bundle_open(NULL);
	uint64_t item = 3, got = 0;
	void *raw = &got;
	const void *from = &item;
	struct leat_case cases[] = { LEAT_CASE_SEND(b.tx[0], from), LEAT_CASE_RECV(b.rx[0], raw) };
	cr_expect_eq(cases[0].size, 0);
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_PRIORITY), 0);
	cases[0].tx = NULL;
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_PRIORITY), 1);
	cr_expect_eq(got, 3);
	bundle_close(&b);
}

Test(select, nothing_to_wait_for)
{
	struct leat_case cases[3] = { LEAT_CASE_FD(-1, POLLIN),
		                      LEAT_CASE_RECV(NULL, &cases),
		                      { 0 } };
	cr_expect_eq(leat_select(NULL, 0, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_expect_eq(leat_select(cases, 3, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_expect_eq(leat_select(cases, 3, LEAT_NEVER, LEAT_BY_CHANCE), -EINVAL);
	int64_t until_ns = leat_now_ns() + 2 * MS;
	cr_expect_eq(leat_select(cases, 3, until_ns, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_expect_geq(leat_now_ns(), until_ns);
}

/* What is ready */

Test(select, each_kind_and_each_side)
{
	for_each_kind(kind) {
		struct bundle b =
			bundle_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		uint64_t out = 5, in = 0;
		struct leat_case cases[] = { LEAT_CASE_SEND(b.tx[0], &out),
			                     LEAT_CASE_RECV(b.rx[0], &in) };
		for (int times = 0; times < 3; times++) {
			cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_CHANCE), 0, "%s",
			             kind_names[kind]);
			cr_expect_eq(cases[0].answer, 0);
			cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_CHANCE), 1, "%s",
			             kind_names[kind]);
			cr_expect_eq(cases[1].answer, 1);
			cr_expect_eq(in, out++);
		}
		bundle_close(&b);
	}
}

Test(select, a_deadline_that_has_passed_is_one_attempt)
{
	struct bundle b = bundle_open(NULL);
	uint64_t item = 1, got;
	struct leat_case cases[] = { LEAT_CASE_RECV(b.rx[0], &got), LEAT_CASE_RECV(b.rx[1], &got) };
	static const int64_t passed[] = { 0, -1, INT64_MIN, 1 };
	for (size_t i = 0; i < COUNT(passed); i++) {
		cr_expect_eq(leat_select(cases, 2, passed[i], LEAT_BY_CHANCE), -ETIMEDOUT);
		cr_assert_eq(leat_send(b.tx[1], &item), 0);
		cr_expect_eq(leat_select(cases, 2, passed[i], LEAT_BY_CHANCE), 1);
	}
	bundle_close(&b);
}

Test(select, ends_are_answers)
{
	for_each_kind(kind) {
		struct bundle b = bundle_open(&(struct leat_chan_opts){ .kind = kind });
		uint64_t item = 9;
		struct leat_case cases[] = { LEAT_CASE_RECV(b.rx[0], &item),
			                     LEAT_CASE_SEND(b.tx[1], &item),
			                     LEAT_CASE_RECV(b.rx[2], &item) };
		leat_tx_close(b.tx[0]);
		b.tx[0] = NULL;
		leat_rx_close(b.rx[1]);
		b.rx[1] = NULL;
		for (int times = 0; times < 2; times++) {
			cr_expect_eq(leat_select(cases, 3, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
			cr_expect_eq(cases[0].answer, 0);
		}
		cases[0].rx = NULL;
		cr_expect_eq(leat_select(cases, 3, LEAT_NEVER, LEAT_BY_PRIORITY), 1);
		cr_expect_eq(cases[1].answer, -EPIPE);
		cases[1].tx = NULL;
		leat_scope_cancel(b.scope, 0, NULL);
		cr_expect_eq(leat_select(cases, 3, LEAT_NEVER, LEAT_BY_PRIORITY), 2);
		cr_expect_eq(cases[2].answer, -ECANCELED);
		cases[2] = (struct leat_case)LEAT_CASE_SEND(b.tx[3], &item);
		cr_expect_eq(leat_select(cases, 3, LEAT_NEVER, LEAT_BY_PRIORITY), 2);
		cr_expect_eq(cases[2].answer, -ECANCELED);
		bundle_close(&b);
	}
}

/* A send that is refused is in the books as one; one that was never done is not. */
Test(select, books)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "books", .capacity = 1 });
	struct leat_chan_stat stat = { 0 };
	uint64_t item = 1;
	struct leat_case c = LEAT_CASE_SEND(pipe.tx, &item);
	cr_expect_eq(leat_select(&c, 1, 0, LEAT_BY_CHANCE), 0);
	cr_expect_eq(leat_select(&c, 1, leat_now_ns() + 200 * MS, LEAT_BY_CHANCE), -ETIMEDOUT);
	leat_chan_read_stat(leat_chan_of(leat_handle_of_tx(pipe.tx)), &stat);
	cr_expect_eq(stat.rejected, 0);
	cr_expect_eq(stat.offered, 1);
	cr_expect_geq(stat.send_parks, 1);
	cr_expect_geq(stat.send_blocked_ns, (uint64_t)MS);
	leat_rx_close(pipe.rx);
	pipe.rx = NULL;
	cr_expect_eq(leat_select(&c, 1, 0, LEAT_BY_CHANCE), 0);
	cr_expect_eq(c.answer, -EPIPE);
	leat_chan_read_stat(leat_chan_of(leat_handle_of_tx(pipe.tx)), &stat);
	cr_expect_eq(stat.rejected, 1);
	pipe_close(&pipe);
}

/* Order */

Test(select, by_priority_the_first_in_the_array)
{
	struct bundle b = bundle_open(NULL);
	uint64_t item, counts[PIPES] = { 0 };
	struct leat_case cases[PIPES];
	for (uint64_t i = 0; i < PIPES; i++) {
		cases[i] = (struct leat_case)LEAT_CASE_RECV(b.rx[i], &item);
		for (int n = 0; n < 100; n++)
			cr_assert_eq(leat_send(b.tx[i], &i), 0);
	}
	for (int n = 0; n < 100 * PIPES; n++) {
		int which = leat_select(cases, PIPES, 0, LEAT_BY_PRIORITY);
		cr_assert_eq(which, n / 100);
		cr_assert_eq(item, (uint64_t)which);
		counts[which]++;
	}
	bundle_close(&b);
}

/*
 * Two neighbours of several are as likely as each other; a drawn beginning and a walk from there
 * would favour the first.
 */
Test(select, by_chance_all_alike)
{
	enum { TIMES = 20000 };
	struct bundle b = bundle_open(NULL);
	uint64_t item = 0, counts[PIPES];
	struct leat_case cases[PIPES];
	for (unsigned ready = 1; ready < 1u << PIPES; ready++) {
		memset(counts, 0, sizeof(counts));
		for (int i = 0; i < PIPES; i++) {
			cases[i] = (struct leat_case)LEAT_CASE_RECV(b.rx[i], &item);
			if (ready >> i & 1)
				cr_assert_eq(leat_send(b.tx[i], &item), 0);
		}
		for (int n = 0; n < TIMES; n++) {
			int which = leat_select(cases, PIPES, 0, LEAT_BY_CHANCE);
			cr_assert_geq(which, 0);
			counts[which]++;
			cr_assert_eq(leat_send(b.tx[which], &item), 0);
		}
		int share = TIMES / __builtin_popcount(ready);
		for (int i = 0; i < PIPES; i++) {
			if (!(ready >> i & 1)) {
				cr_expect_eq(counts[i], 0);
				continue;
			}
			cr_expect(counts[i] > (uint64_t)share * 9 / 10 &&
			                  counts[i] < (uint64_t)share * 11 / 10 + 1,
			          "ready %x: case %d was chosen %lu times of %d", ready, i,
			          counts[i], TIMES);
			cr_assert_eq(leat_recv(b.rx[i], &item), 1);
		}
	}
	bundle_close(&b);
}

/* The same channel and the same handle more than once */

Test(select, the_same_handle_twice)
{
	for_each_kind(kind) {
		struct bundle b =
			bundle_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		struct selector s = { .n = 3 };
		uint64_t item = 4;
		for (int i = 0; i < 3; i++)
			s.cases[i] = (struct leat_case)LEAT_CASE_RECV(b.rx[0], &s.items[i]);
		selector_start(&s);
		cr_assert(await_parked(&s.tid));
		cr_expect_eq(leat_send(b.tx[0], &item), 0);
		int which = selector_join(&s);
		cr_assert(which >= 0 && which < 3);
		for (int i = 0; i < 3; i++)
			cr_expect_eq(s.items[i], i == which ? 4 : 0);
		struct leat_chan_stat stat;
		leat_chan_read_stat(leat_chan_of(leat_handle_of_rx(b.rx[0])), &stat);
		cr_expect_leq(stat.recv_blocked_ns, (uint64_t)(PATIENCE_NS));
		bundle_close(&b);
	}
}

/* Parking */

Test(select, a_send_wakes_it)
{
	for_each_kind(kind)
		for_each_wait(wait)
			for (int which = 0; which < PIPES; which++) {
				struct bundle b = bundle_open(&(struct leat_chan_opts){
					.kind = kind, .recv_wait = wait });
				struct selector s = { .order = which % 2 ? LEAT_BY_CHANCE
					                                 : LEAT_BY_PRIORITY };
				uint64_t item = 11;
				selector_receives(&s, &b, PIPES);
				selector_start(&s);
				if (wait == LEAT_WAIT_ADAPTIVE || wait == LEAT_WAIT_PARK)
					cr_assert(await_parked(&s.tid), "%s %s", kind_names[kind],
					          wait_names[wait]);
				cr_expect_eq(leat_send(b.tx[which], &item), 0);
				cr_expect_eq(selector_join(&s), which);
				cr_expect_eq(s.items[which], 11);
				cr_expect_eq(s.cases[which].answer, 1);
				bundle_close(&b);
			}
}

Test(select, a_receive_wakes_it)
{
	for_each_kind(kind) {
		struct bundle b =
			bundle_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
		struct selector s = { .n = 2, .items = { 1, 2 } };
		uint64_t item = 0;
		for (int i = 0; i < 2; i++) {
			cr_assert_eq(leat_send(b.tx[i], &item), 0);
			s.cases[i] = (struct leat_case)LEAT_CASE_SEND(b.tx[i], &s.items[i]);
		}
		selector_start(&s);
		cr_assert(await_parked(&s.tid));
		cr_expect_eq(leat_recv(b.rx[1], &item), 1);
		cr_expect_eq(selector_join(&s), 1);
		cr_expect_eq(s.cases[1].answer, 0);
		cr_expect_eq(leat_recv(b.rx[1], &item), 1);
		cr_expect_eq(item, 2);
		bundle_close(&b);
	}
}

Test(select, a_close_wakes_it)
{
	for_each_kind(kind) {
		struct bundle b = bundle_open(&(struct leat_chan_opts){ .kind = kind });
		struct selector s = { 0 };
		selector_receives(&s, &b, 3);
		selector_start(&s);
		cr_assert(await_parked(&s.tid));
		leat_tx_close(b.tx[1]);
		b.tx[1] = NULL;
		cr_expect_eq(selector_join(&s), 1);
		cr_expect_eq(s.cases[1].answer, 0);
		bundle_close(&b);
	}
}

Test(select, the_receiver_that_leaves_wakes_it)
{
	struct bundle b = bundle_open(&(struct leat_chan_opts){ .capacity = 1 });
	struct selector s = { .n = 2 };
	uint64_t item = 0;
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(leat_send(b.tx[i], &item), 0);
		s.cases[i] = (struct leat_case)LEAT_CASE_SEND(b.tx[i], &s.items[i]);
	}
	selector_start(&s);
	cr_assert(await_parked(&s.tid));
	leat_rx_close(b.rx[0]);
	b.rx[0] = NULL;
	cr_expect_eq(selector_join(&s), 0);
	cr_expect_eq(s.cases[0].answer, -EPIPE);
	bundle_close(&b);
}

Test(select, a_cancel_wakes_it)
{
	struct bundle b = bundle_open(NULL);
	struct selector s = { 0 };
	selector_receives(&s, &b, PIPES);
	selector_start(&s);
	cr_assert(await_parked(&s.tid));
	leat_scope_cancel(b.scope, 0, NULL);
	int which = selector_join(&s);
	cr_assert_geq(which, 0);
	cr_expect_eq(s.cases[which].answer, -ECANCELED);
	bundle_close(&b);
}

Test(select, its_deadline_ends_it)
{
	struct bundle b = bundle_open(NULL);
	for_each_wait(wait) {
		uint64_t item;
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .recv_wait = wait });
		struct leat_case cases[] = { LEAT_CASE_RECV(pipe.rx, &item),
			                     LEAT_CASE_RECV(pipe.rx, &item) };
		int64_t until_ns = leat_now_ns() + 2 * MS;
		cr_expect_eq(leat_select(cases, 2, until_ns, LEAT_BY_CHANCE), -ETIMEDOUT);
		cr_expect_geq(leat_now_ns(), until_ns);
		cr_expect_lt(leat_now_ns(), until_ns + PATIENCE_NS);
		pipe_close(&pipe);
	}
	bundle_close(&b);
}

Test(select, the_deadline_of_a_scope_ends_it)
{
	clock_start();
	for_each_wait(wait) {
		struct bundle b = bundle_open(&(struct leat_chan_opts){ .recv_wait = wait });
		struct leat_scope *soon = leat_scope_open(
			b.scope,
			&(struct leat_scope_opts){ .deadline_ns = leat_now_ns() + 100 * MS });
		struct leat_tx *tx;
		struct leat_rx *rx;
		uint64_t item;
		cr_assert_eq(leat_chan_open(soon, sizeof(item),
		                            &(struct leat_chan_opts){ .recv_wait = wait }, &tx,
		                            &rx),
		             0);
		struct leat_case cases[] = { LEAT_CASE_RECV(b.rx[0], &item),
			                     LEAT_CASE_RECV(rx, &item) };
		cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
		clock_advance(100 * MS);
		cr_expect_eq(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_CHANCE), 1);
		cr_expect_eq(cases[1].answer, -ECANCELED);
		leat_tx_close(tx);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(soon), -ETIMEDOUT);
		bundle_close(&b);
	}
}

/*
 * Two who select on one channel, each told of an item; and one who selects and leaves with
 * something else.
 */
Test(select, news_that_is_not_taken_goes_on)
{
	for (int times = 0; times < 300; times++) {
		struct bundle b = bundle_open(
			&(struct leat_chan_opts){ .kind = LEAT_MPMC, .recv_wait = LEAT_WAIT_PARK });
		struct leat_rx *clone = leat_rx_clone(b.rx[1]);
		struct selector both = { .order = LEAT_BY_PRIORITY };
		struct caller plain = { .op = OP_RECV, .rx = clone };
		uint64_t item = 1;
		selector_receives(&both, &b, 2);
		selector_start(&both);
		cr_assert(await_parked(&both.tid));
		caller_start(&plain);
		cr_assert(await_parked(&plain.tid));
		cr_assert_eq(leat_send(b.tx[1], &item), 0); /* tells the selector first */
		cr_assert_eq(leat_send(b.tx[0], &item), 0); /* which may take this instead */
		if (selector_join(&both) == 1) {
			item = 2;
			cr_assert_eq(leat_send(b.tx[1], &item), 0);
		}
		cr_expect_eq(caller_join(&plain), 1);
		leat_rx_close(clone);
		bundle_close(&b);
	}
}

/* Many cases */

Test(select, more_than_fit_on_the_stack)
{
	enum { MANY = 100 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tx *tx[MANY];
	struct leat_case cases[MANY];
	uint64_t item, sent = 5;
	for (int i = 0; i < MANY; i++) {
		struct leat_rx *rx;
		cr_assert_eq(leat_chan_open(scope, sizeof(item), NULL, &tx[i], &rx), 0);
		cases[i] = (struct leat_case)LEAT_CASE_RECV(rx, &item);
	}
	for (size_t n = 1; n <= MANY; n++) {
		cr_expect_eq(leat_select(cases, n, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
		cr_expect_eq(leat_select(cases, n, leat_now_ns() + MS / 10, LEAT_BY_CHANCE),
		             -ETIMEDOUT);
		cr_assert_eq(leat_send(tx[n - 1], &sent), 0);
		cr_expect_eq(leat_select(cases, n, LEAT_NEVER, LEAT_BY_CHANCE), (int)n - 1);
	}
	for (int i = 0; i < MANY; i++) {
		leat_tx_close(tx[i]);
		leat_rx_close(cases[i].rx);
	}
	leat_scope_close(scope);
}

/* Descriptors */

Test(select, descriptors)
{
	struct bundle b = bundle_open(NULL);
	int ends[2];
	uint64_t item, sent = 1;
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	struct leat_case cases[] = { LEAT_CASE_FD(ends[0], POLLIN), LEAT_CASE_FD(ends[1], POLLOUT),
		                     LEAT_CASE_RECV(b.rx[0], &item), LEAT_CASE_FD(-1, POLLIN) };
	cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 1);
	cr_expect_eq(cases[1].revents, POLLOUT);
	cr_expect_eq(cases[1].answer, 1);
	cases[1].fd = -1;
	cr_expect_eq(leat_select(cases, 4, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
	cr_expect_eq(leat_select(cases, 4, leat_now_ns() + MS, LEAT_BY_PRIORITY), -ETIMEDOUT);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
	cr_expect_eq(cases[0].revents, POLLIN);
	cr_assert_eq(leat_send(b.tx[0], &sent), 0);
	bool seen[4] = { false };
	for (int n = 0; n < 1000 && !(seen[0] && seen[2]); n++) {
		int which = leat_select(cases, 4, LEAT_NEVER, LEAT_BY_CHANCE);
		seen[which] = true;
		if (which == 2)
			cr_assert_eq(leat_send(b.tx[0], &sent), 0);
	}
	cr_expect(seen[0] && seen[2]);
	close(ends[0]);
	close(ends[1]);
	cr_expect_eq(leat_select(cases, 1, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
	cr_expect_eq(cases[0].revents, POLLNVAL);
	bundle_close(&b);
}

Test(select, asleep_in_poll_it_is_woken_by_both)
{
	for (int by_fd = 0; by_fd < 2; by_fd++)
		for (int times = 0; times < 3; times++) {
			struct bundle b = bundle_open(NULL);
			struct selector s = { .n = 3 };
			uint64_t item = 6;
			int ends[2];
			cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
			s.cases[0] = (struct leat_case)LEAT_CASE_FD(ends[0], POLLIN);
			s.cases[1] = (struct leat_case)LEAT_CASE_RECV(b.rx[0], &s.items[1]);
			s.cases[2] = (struct leat_case)LEAT_CASE_RECV(b.rx[1], &s.items[2]);
			selector_start(&s);
			cr_assert(await_polling(&s.tid));
			if (by_fd)
				cr_assert_eq(write(ends[1], "x", 1), 1);
			else
				cr_assert_eq(leat_send(b.tx[1], &item), 0);
			cr_expect_eq(selector_join(&s), by_fd ? 0 : 2);
			close(ends[0]);
			close(ends[1]);
			bundle_close(&b);
		}
}

Test(select, without_a_descriptor_to_be_woken_by)
{
	struct bundle b = bundle_open(NULL);
	struct rlimit before;
	int ends[2];
	uint64_t item;
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	struct leat_case cases[] = { LEAT_CASE_FD(ends[0], POLLIN),
		                     LEAT_CASE_RECV(b.rx[0], &item) };
	before = refuse_descriptors();
	cr_expect_eq(leat_select(cases, 2, leat_now_ns() + 10000 * MS, LEAT_BY_CHANCE), -EMFILE);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(ends[0]);
	close(ends[1]);
	bundle_close(&b);
}

/* Scopes */

Test(select, a_cancelled_scope_is_done_by_each_call)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_case c = LEAT_CASE_SCOPE(scope);
	cr_expect_eq(leat_select(&c, 1, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_expect_eq(leat_select(&c, 1, leat_now_ns() + 5 * MS, LEAT_BY_CHANCE), -ETIMEDOUT);
	leat_scope_cancel(scope, -EIO, NULL);
	for (int i = 0; i < 2; i++) {
		c.answer = 0;
		cr_expect_eq(leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE), 0);
		cr_expect_eq(c.answer, -ECANCELED);
	}
	c.scope = NULL;
	cr_expect_eq(leat_select(&c, 1, 0, LEAT_BY_CHANCE), -ETIMEDOUT, "NULL is off");
	cr_expect_eq(leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE), -EINVAL);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(select, a_scope_among_other_cases)
{
	struct bundle b = bundle_open(NULL);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	uint64_t item = 7, got = 0;
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	struct leat_case cases[] = { LEAT_CASE_SCOPE(scope), LEAT_CASE_RECV(b.rx[0], &got),
		                     LEAT_CASE_FD(ends[0], POLLIN), LEAT_CASE_SCOPE(b.scope) };
	cr_expect_eq(leat_select(cases, 4, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
	cr_assert_eq(leat_send(b.tx[0], &item), 0);
	cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_CHANCE), 1);
	cr_expect_eq(got, 7);
	cr_assert_eq(write(ends[1], "x", 1), 1);
	cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_CHANCE), 2);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
	cr_expect_eq(cases[0].answer, -ECANCELED);
	bool seen[4] = { false };
	for (int i = 0; i < 200; i++) {
		int which = leat_select(cases, 4, LEAT_NEVER, LEAT_BY_CHANCE);
		cr_assert(which >= 0 && which < 4);
		seen[which] = true;
	}
	cr_expect(seen[0] && seen[2] && !seen[1] && !seen[3]);
	cases[0].scope = NULL;
	cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 2);
	close(ends[0]);
	close(ends[1]);
	cr_expect_eq(leat_scope_close(scope), 0);
	bundle_close(&b);
}

/* Asleep on a futex: with a scope alone, and with a channel; in poll(2), with both and a pipe. */
Test(select, a_cancel_of_a_case_wakes_it)
{
	for (int with = 0; with < 4; with++) {
		struct bundle b = bundle_open(NULL);
		struct leat_scope *root = leat_scope_open(NULL, NULL),
				  *scope = leat_scope_open(root, NULL);
		struct selector s = { .n = with < 2 ? with + 1 : with };
		int ends[2];
		cr_assert_eq(pipe(ends), 0);
		s.cases[0] = (struct leat_case)LEAT_CASE_SCOPE(scope);
		if (with >= 2)
			s.cases[1] = (struct leat_case)LEAT_CASE_FD(ends[0], POLLIN);
		if (with == 1 || with == 3)
			s.cases[s.n - 1] = (struct leat_case)LEAT_CASE_RECV(b.rx[0], &s.items[0]);
		selector_start(&s);
		cr_assert(with < 2 ? await_parked(&s.tid) : await_polling(&s.tid));
		leat_scope_cancel(root, 0, NULL);
		cr_expect_eq(selector_join(&s), 0);
		cr_expect_eq(s.cases[0].answer, -ECANCELED);
		close(ends[0]);
		close(ends[1]);
		leat_scope_close(scope);
		leat_scope_close(root);
		bundle_close(&b);
	}
}

Test(select, the_deadline_of_a_scope_case_ends_it)
{
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 20 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct leat_case c = LEAT_CASE_SCOPE(scope);
	cr_expect_eq(leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE), 0);
	cr_expect_eq(c.answer, -ECANCELED);
	cr_expect_geq(leat_now_ns(), opts.deadline_ns);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(select, a_scope_and_a_descriptor_without_a_flag_to_be_woken_by)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct rlimit before;
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	struct leat_case cases[] = { LEAT_CASE_SCOPE(scope), LEAT_CASE_FD(ends[0], POLLIN) };
	before = refuse_descriptors();
	cr_expect_eq(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_CHANCE), -EMFILE);
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(ends[0]);
	close(ends[1]);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* What ends a sender, and what its case then says. */
enum ending { RECEIVER_CLOSES, SCOPE_CANCELED, SCOPE_STOPPED, ENDINGS };
static const int endings[] = { -EPIPE, -ECANCELED, -ESHUTDOWN };

static void end_sender(struct bundle *b, int i, enum ending ending)
{
	if (ending == RECEIVER_CLOSES) {
		leat_rx_close(b->rx[i]);
		b->rx[i] = NULL;
	} else if (ending == SCOPE_CANCELED) {
		leat_scope_cancel(b->scope, 0, NULL);
	} else {
		cr_expect_eq(leat_scope_stop(b->scope, LEAT_NEVER, NULL), 0);
	}
}

Test(select, a_sender_that_is_done_is_so_by_each_call)
{
	for_each_kind(kind)
		for (enum ending ending = 0; ending < ENDINGS; ending++) {
			struct bundle b = bundle_open(&(struct leat_chan_opts){ .kind = kind });
			struct leat_case c = LEAT_CASE_DONE(b.tx[0]);
			void *room;
			leat_tx_source(b.tx[0], ending == SCOPE_STOPPED);
			cr_expect_eq(leat_select(&c, 1, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
			cr_expect_eq(leat_select(&c, 1, leat_now_ns() + MS, LEAT_BY_CHANCE),
			             -ETIMEDOUT);
			cr_assert_eq(leat_reserve(b.tx[0], 1, &room), 1);
			end_sender(&b, 0, ending);
			for (int i = 0; i < 2; i++) {
				c.answer = 0;
				cr_expect_eq(leat_select(&c, 1, i * LEAT_NEVER, LEAT_BY_CHANCE), 0);
				cr_expect_eq(c.answer, endings[ending]);
			}
			cr_expect_eq(leat_commit(b.tx[0], 0), 0);
			c.tx = NULL;
			cr_expect_eq(leat_select(&c, 1, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
			cr_expect_eq(leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE), -EINVAL);
			bundle_close(&b);
		}
}

Test(select, a_closed_sender_that_is_to_be_done_stops_the_program, .signal = SIGABRT)
{
	struct bundle b = bundle_open(NULL);
	struct leat_case c = LEAT_CASE_DONE(b.tx[0]);
	leat_tx_close(b.tx[0]);
	leat_select(&c, 1, 0, LEAT_BY_CHANCE);
}

/*
 * Alone; with a descriptor, in poll(2); with a receive; with both; twice the same sender. What ends
 * the sender wakes it.
 */
Test(select, the_end_of_a_sender_wakes_it)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++)
		for (int with = 0; with < 5; with++) {
			struct bundle b = bundle_open(NULL);
			struct selector s = { .n = 1 };
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct leat_tx *tx = NULL;
			struct leat_rx *rx = NULL;
			int ends[2];
			cr_assert_eq(pipe(ends), 0);
			cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), 0);
			leat_tx_source(b.tx[0], ending == SCOPE_STOPPED);
			s.cases[0] = (struct leat_case)LEAT_CASE_DONE(b.tx[0]);
			if (with == 1 || with == 3)
				s.cases[s.n++] = (struct leat_case)LEAT_CASE_FD(ends[0], POLLIN);
			if (with == 2 || with == 3)
				s.cases[s.n++] = (struct leat_case)LEAT_CASE_RECV(rx, &s.items[1]);
			if (with == 4)
				s.cases[s.n++] = s.cases[0];
			selector_start(&s);
			cr_assert(with == 1 || with == 3 ? await_polling(&s.tid)
			                                 : await_parked(&s.tid));
			end_sender(&b, 0, ending);
			int r = selector_join(&s);
			cr_expect(r == 0 || (with == 4 && r == 1));
			cr_expect_eq(s.cases[r].answer, endings[ending]);
			close(ends[0]);
			close(ends[1]);
			leat_tx_close(tx);
			leat_rx_close(rx);
			leat_scope_close(scope);
			bundle_close(&b);
		}
}

Test(select, the_deadline_of_a_senders_scope_ends_it)
{
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 300 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), 0);
	struct leat_case c = LEAT_CASE_DONE(tx);
	cr_expect_eq(leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE), 0);
	cr_expect_eq(c.answer, -ECANCELED);
	cr_expect_geq(leat_now_ns(), opts.deadline_ns);
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

/* A full channel, and one that drops: room, or its want, does not matter. */
Test(select, a_sender_among_other_cases)
{
	for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST; overflow++) {
		struct bundle b = bundle_open(
			&(struct leat_chan_opts){ .capacity = 1, .overflow = overflow });
		uint64_t item = 7, got = 0;
		struct leat_case cases[] = { LEAT_CASE_DONE(b.tx[1]), LEAT_CASE_RECV(b.rx[0], &got),
			                     LEAT_CASE_DONE(NULL), LEAT_CASE_SCOPE(b.scope) };
		cr_assert_eq(leat_send(b.tx[1], &item), 0);
		cr_expect_eq(leat_select(cases, 4, 0, LEAT_BY_PRIORITY), -ETIMEDOUT);
		cr_assert_eq(leat_send(b.tx[0], &item), 0);
		cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 1);
		leat_rx_close(b.rx[1]);
		b.rx[1] = NULL;
		cr_assert_eq(leat_send(b.tx[0], &item), 0);
		cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 0);
		cr_expect_eq(cases[0].answer, -EPIPE);
		cases[0].tx = NULL;
		cr_expect_eq(leat_select(cases, 4, LEAT_NEVER, LEAT_BY_PRIORITY), 1);
		bundle_close(&b);
	}
}

static int select_as_task(struct leat_tx *out, void *arg)
{
	struct leat_case c = LEAT_CASE_DONE(out);
	leat_store_rel((uint32_t *)arg, own_tid());
	cr_expect_eq(leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE), 0);
	cr_expect_eq(c.answer, -ECANCELED);
	return c.answer;
}

Test(select, a_tasks_sender_is_done_by_a_cancel)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	uint32_t tid = 0;
	cr_assert_eq(leat_gen(scope, select_as_task, &tid, 0, NULL, NULL), 0);
	cr_assert(await_parked(&tid));
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* In a step on a pool it is asked, and never waited for. */
struct stepping {
	struct leat_tx *tx;
	int now, later;
};

static int select_in_a_step(void *state, void *item)
{
	struct stepping *s = state;
	struct leat_case c = LEAT_CASE_DONE(s->tx);
	(void)item;
	s->now = leat_select(&c, 1, 0, LEAT_BY_CHANCE);
	s->later = leat_select(&c, 1, LEAT_NEVER, LEAT_BY_CHANCE);
	return 0;
}

Test(select, a_sender_that_is_to_be_done_in_a_step)
{
	for (int done = 0; done < 2; done++) {
		struct bundle b = bundle_open(NULL);
		struct leat_pool *pool = leat_pool_open(NULL);
		struct stepping s = { .tx = b.tx[0] };
		struct leat_rx *rx;
		uint64_t item;
		if (done)
			end_sender(&b, 0, RECEIVER_CLOSES);
		cr_assert_eq(leat_gen_seq(b.scope,
		                          (struct leat_seq){ select_in_a_step, NULL, &s, 8 },
		                          &(struct leat_gen_opts){ .pool = pool }, &rx),
		             0);
		cr_expect_eq(leat_recv(rx, &item), 0);
		cr_expect_eq(s.now, done ? 0 : -ETIMEDOUT);
		cr_expect_eq(s.later, done ? 0 : -EDEADLK);
		leat_rx_close(rx);
		bundle_close(&b);
		leat_pool_close(pool);
	}
}

/* The sender's own descriptor serves where there is one; without any it says so. */
Test(select, a_sender_and_a_descriptor_without_a_flag_to_be_woken_by)
{
	struct bundle b = bundle_open(NULL);
	struct rlimit before;
	int ends[2];
	cr_assert_eq(pipe(ends), 0);
	struct leat_case cases[] = { LEAT_CASE_DONE(b.tx[0]), LEAT_CASE_FD(ends[0], POLLIN) };
	before = refuse_descriptors();
	cr_expect_eq(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_CHANCE), -EMFILE);
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	close(ends[0]);
	close(ends[1]);
	bundle_close(&b);
}
