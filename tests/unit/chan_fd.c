/*
 * tests/unit/chan_fd.c: a side of a channel as a descriptor for somebody else's event loop.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/select.h>
#include <signal.h>
#include <sys/epoll.h>

TestSuite(chan_fd, .timeout = 600);

Test(chan_fd, bad_arguments_are_refused)
{
	struct pipe pipe = pipe_open(NULL);
	uint64_t item = 1;
	const void *there;
	void *room;
	cr_expect_eq(leat_rx_fd(NULL), -EINVAL);
	cr_expect_eq(leat_tx_fd(NULL), -EINVAL);
	cr_expect_eq(leat_rx_arm(NULL), -EINVAL);
	cr_expect_eq(leat_tx_arm(NULL), -EINVAL);
	cr_expect_eq(leat_rx_disarm(NULL), -EINVAL);
	cr_expect_eq(leat_tx_disarm(NULL), -EINVAL);
	cr_expect_eq(leat_rx_arm(pipe.rx), -EINVAL, "there is no descriptor yet");
	cr_expect_eq(leat_tx_arm(pipe.tx), -EINVAL);
	cr_expect_eq(leat_rx_disarm(pipe.rx), 0);
	cr_expect_geq(leat_rx_fd(pipe.rx), 0);
	cr_expect_eq(leat_rx_fd(pipe.rx), leat_rx_fd(pipe.rx));
	cr_expect_geq(leat_tx_fd(pipe.tx), 0);
	cr_assert_eq(leat_send(pipe.tx, &item), 0);
	cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
	cr_expect_eq(leat_rx_arm(pipe.rx), -EBUSY);
	cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
	cr_expect_eq(leat_tx_arm(pipe.tx), -EBUSY);
	pipe_close(&pipe);
}

Test(chan_fd, a_closed_handle_stops_the_program, .signal = SIGABRT)
{
	struct pipe pipe = pipe_open(NULL);
	leat_rx_close(pipe.rx);
	leat_rx_fd(pipe.rx);
}

Test(chan_fd, no_descriptor_to_be_had)
{
	struct pipe pipe = pipe_open(NULL);
	struct rlimit before = refuse_descriptors();
	errno = 4711;
	cr_expect_eq(leat_rx_fd(pipe.rx), -EMFILE);
	cr_expect_eq(errno, 4711);
	cr_expect_eq(leat_rx_arm(pipe.rx), -EINVAL);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_expect_geq(leat_rx_fd(pipe.rx), 0);
	pipe_close(&pipe);
}

Test(chan_fd, only_while_it_is_armed)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		int fd = leat_rx_fd(pipe.rx);
		uint64_t item = 1;
		for (int times = 0; times < 3; times++) {
			cr_assert_eq(leat_send(pipe.tx, &item), 0);
			cr_expect(!readable(fd), "%s: it was not armed", kind_names[kind]);
			cr_expect_eq(leat_rx_arm(pipe.rx), 1, "there is something");
			cr_expect(!readable(fd));
			cr_expect_eq(leat_try_recv(pipe.rx, &item), 1);
			cr_expect_eq(leat_rx_arm(pipe.rx), 0);
			cr_expect_eq(leat_rx_arm(pipe.rx), 0, "once more does no harm");
			cr_expect(!readable(fd));
			cr_assert_eq(leat_send(pipe.tx, &item), 0);
			cr_expect(readable(fd), "%s: it was armed", kind_names[kind]);
			cr_expect_eq(leat_try_recv(pipe.rx, &item), 1);
			cr_expect_eq(leat_rx_arm(pipe.rx), 0);
			cr_expect(!readable(fd), "arming clears it");
			cr_expect_eq(leat_rx_disarm(pipe.rx), 0);
			cr_assert_eq(leat_send(pipe.tx, &item), 0);
			cr_expect(!readable(fd), "it was disarmed");
			cr_expect_eq(leat_try_recv(pipe.rx, &item), 1);
		}
		pipe_close(&pipe);
	}
}

Test(chan_fd, room)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 2 });
		int fd = leat_tx_fd(pipe.tx);
		uint64_t item = 1;
		cr_expect_eq(leat_tx_arm(pipe.tx), 1);
		cr_assert_eq(fill(pipe.tx), 2);
		cr_expect_eq(leat_tx_arm(pipe.tx), 0);
		cr_expect(!readable(fd));
		cr_assert_eq(leat_recv(pipe.rx, &item), 1);
		cr_expect(readable(fd));
		cr_expect_eq(leat_tx_arm(pipe.tx), 1);
		cr_expect(!readable(fd));
		cr_expect_eq(leat_try_send(pipe.tx, &item), 0);
		pipe_close(&pipe);
	}
}

Test(chan_fd, a_channel_that_drops_always_has_room)
{
	for (int overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST; overflow++) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){
			.overflow = (enum leat_overflow)overflow, .capacity = 1 });
		uint64_t item = 1;
		cr_assert_geq(leat_tx_fd(pipe.tx), 0);
		for (int n = 0; n < 3; n++) {
			cr_expect_eq(leat_tx_arm(pipe.tx), 1);
			cr_expect_eq(leat_send(pipe.tx, &item), 0);
		}
		pipe_close(&pipe);
	}
}

/* Endings */

Test(chan_fd, ends_make_it_readable)
{
	for_each_kind(kind)
		for (int ending = 0; ending < 4; ending++) {
			struct pipe pipe =
				pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 1 });
			int rx_fd = leat_rx_fd(pipe.rx), tx_fd = leat_tx_fd(pipe.tx);
			uint64_t item;
			if (ending == 1)
				cr_assert_eq(fill(pipe.tx), 1);
			if (ending != 1)
				cr_expect_eq(leat_rx_arm(pipe.rx), 0);
			if (ending == 1)
				cr_expect_eq(leat_tx_arm(pipe.tx), 0);
			if (ending == 0) {
				leat_tx_close(pipe.tx);
				pipe.tx = NULL;
			} else if (ending == 1) {
				leat_rx_close(pipe.rx);
				pipe.rx = NULL;
			} else if (ending == 2) {
				leat_scope_cancel(pipe.scope, 0, NULL);
			} else {
				cr_assert_eq(fill(pipe.tx), 1);
			}
			cr_expect(readable(ending == 1 ? tx_fd : rx_fd), "%s, %d", kind_names[kind],
			          ending);
			if (pipe.rx != NULL) {
				cr_expect_eq(leat_rx_arm(pipe.rx), 1);
				cr_expect_eq(leat_try_recv(pipe.rx, &item), ending == 0 ? 0
				                                            : ending == 2
				                                                    ? -ECANCELED
				                                                    : 1);
			} else {
				cr_expect_eq(leat_tx_arm(pipe.tx), 1);
				cr_expect_eq(leat_try_send(pipe.tx, &item), -EPIPE);
			}
			pipe_close(&pipe);
		}
}

Test(chan_fd, a_close_while_it_is_armed)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		uint64_t item = 1;
		cr_assert_geq(leat_rx_fd(pipe.rx), 0);
		cr_expect_eq(leat_rx_arm(pipe.rx), 0);
		leat_rx_close(pipe.rx);
		pipe.rx = NULL;
		cr_expect_eq(leat_send(pipe.tx, &item), -EPIPE);
		pipe_close(&pipe);
	}
}

/* Other waits on the handle while it is armed: they are told, and not the descriptor. */

Test(chan_fd, a_receive_that_waits_disarms)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		struct caller caller = { .op = OP_RECV, .rx = pipe.rx };
		int fd = leat_rx_fd(pipe.rx);
		uint64_t item = 1;
		cr_expect_eq(leat_rx_arm(pipe.rx), 0);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		cr_assert_eq(leat_send(pipe.tx, &item), 0);
		cr_expect_eq(caller_join(&caller), 1);
		cr_expect(!readable(fd));
		pipe_close(&pipe);
	}
}

Test(chan_fd, a_select_that_waits_disarms)
{
	struct pipe pipe = pipe_open(NULL);
	uint64_t item;
	struct leat_case c = LEAT_CASE_RECV(pipe.rx, &item);
	int fd = leat_rx_fd(pipe.rx);
	cr_expect_eq(leat_rx_arm(pipe.rx), 0);
	cr_expect_eq(leat_select(&c, 1, leat_now_ns() + 200 * MS, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_assert_eq(leat_send(pipe.tx, &item), 0);
	cr_expect(!readable(fd));
	cr_expect_eq(leat_rx_arm(pipe.rx), 1);
	pipe_close(&pipe);
}

/* Told, and then not interested: the other receiver gets the item. */
Test(chan_fd, news_that_is_not_taken_goes_on)
{
	for (int how = 0; how < 3; how++)
		for (int times = 0; times < 50; times++) {
			struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
			struct leat_rx *clone = leat_rx_clone(pipe.rx);
			struct caller plain = { .op = OP_RECV, .rx = pipe.rx };
			uint64_t item = 1;
			cr_assert_geq(leat_rx_fd(clone), 0);
			cr_expect_eq(leat_rx_arm(clone), 0);
			caller_start(&plain);
			cr_assert(await_parked(&plain.tid));
			/* tells the descriptor, which stood there first */
			cr_assert_eq(leat_send(pipe.tx, &item), 0);
			cr_expect(readable(leat_rx_fd(clone)));
			if (how == 0)
				cr_expect_eq(leat_rx_disarm(clone), 0);
			else if (how == 1)
				leat_rx_arm(clone);
			else
				leat_rx_close(clone);
			cr_expect_eq(caller_join(&plain), 1);
			if (how != 2)
				leat_rx_close(clone);
			pipe_close(&pipe);
		}
}

/* In an epoll loop, against a sender with pauses of its own. */

enum { ITEMS = 20000 };

static void *sends_items(void *arg)
{
	struct leat_tx *tx = arg;
	for (uint64_t n = 1; n <= ITEMS; n++) {
		leat_send(tx, &n);
		if (n % 64 == 0)
			sched_yield();
	}
	leat_tx_close(tx);
	return NULL;
}

Test(chan_fd, in_an_epoll_loop)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 16 });
		struct epoll_event event = { .events = EPOLLIN };
		int epoll = epoll_create1(EPOLL_CLOEXEC);
		uint64_t item, next = 1;
		pthread_t thread;
		int r;
		cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, leat_rx_fd(pipe.rx), &event), 0);
		cr_assert_eq(pthread_create(&thread, NULL, sends_items, pipe.tx), 0);
		for (;;) {
			while ((r = leat_try_recv(pipe.rx, &item)) == 1)
				cr_assert_eq(item, next++);
			if (r != -EAGAIN)
				break;
			if (leat_rx_arm(pipe.rx) == 0)
				cr_assert_eq(epoll_wait(epoll, &event, 1, (int)(PATIENCE_NS / MS)),
				             1, "%s: item %lu", kind_names[kind], next);
		}
		cr_expect_eq(r, 0);
		cr_expect_eq(next, ITEMS + 1);
		cr_assert_eq(pthread_join(thread, NULL), 0);
		pipe.tx = NULL;
		close(epoll);
		pipe_close(&pipe);
	}
}

static void *receives_all(void *arg)
{
	uint64_t item;
	while (leat_recv((struct leat_rx *)arg, &item) == 1)
		if (item % 64 == 0)
			sched_yield();
	return NULL;
}

Test(chan_fd, a_sender_in_a_loop)
{
	for_each_kind(kind) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .kind = kind, .capacity = 16 });
		int fd = leat_tx_fd(pipe.tx);
		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, receives_all, pipe.rx), 0);
		for (uint64_t n = 1; n <= ITEMS;) {
			int r = leat_try_send(pipe.tx, &n);
			if (r == 0)
				n++;
			else if (leat_tx_arm(pipe.tx) == 0)
				cr_assert(becomes_readable(fd), "%s: item %lu", kind_names[kind],
				          n);
		}
		leat_tx_close(pipe.tx);
		pipe.tx = NULL;
		cr_assert_eq(pthread_join(thread, NULL), 0);
		pipe_close(&pipe);
	}
}

/*
 * Who goes first: a side that was told in vain before one that has lost nothing; one that found
 * something is the last again.
 */
Test(chan_fd, one_that_lost_is_told_first)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPMC });
	uint64_t item = 1;
	for (int lost = 0; lost < 2; lost++) {
		struct leat_rx *first = leat_rx_clone(pipe.rx), *second = leat_rx_clone(pipe.rx);
		int fds[] = { leat_rx_fd(first), leat_rx_fd(second) };
		cr_assert_eq(leat_rx_arm(first), 0);
		cr_assert_eq(leat_rx_arm(second), 0);
		cr_assert_eq(leat_send(pipe.tx, &item), 0);
		cr_assert(readable(fds[0]) && !readable(fds[1]));
		cr_assert_eq(leat_try_recv(lost ? pipe.rx : first, &item), 1);
		cr_expect_eq(leat_try_recv(first, &item), -EAGAIN);
		cr_assert_eq(leat_rx_arm(first), 0);
		cr_assert_eq(leat_send(pipe.tx, &item), 0);
		cr_expect_eq(readable(fds[0]), lost == 1);
		cr_expect_eq(readable(fds[1]), lost == 0);
		cr_assert_eq(leat_try_recv(pipe.rx, &item), 1);
		leat_rx_close(first);
		leat_rx_close(second);
	}
	pipe_close(&pipe);
}
