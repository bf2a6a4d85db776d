/*
 * tests/unit/merge_fd.c: a merge as a descriptor for an event loop.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "braid.h"
#include "clock.h"

#include <leat/select.h>

TestSuite(merge_fd, .timeout = 600);

Test(merge_fd, a_descriptor_only_of_a_merge)
{
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	cr_expect_eq(leat_merge_fd(NULL), -EINVAL);
	cr_expect_eq(leat_merge_arm(NULL), -EINVAL);
	cr_expect_eq(leat_merge_disarm(NULL), -EINVAL);
	cr_expect_eq(leat_merge_arm(merge), -EINVAL, "there is no descriptor yet");
	cr_expect_eq(leat_merge_disarm(merge), 0);
	cr_expect_geq(leat_merge_fd(merge), 0);
	cr_expect_eq(leat_merge_fd(merge), leat_merge_fd(merge));
	leat_merge_close(merge);
}

Test(merge_fd, no_descriptor_to_be_had)
{
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	struct rlimit before = refuse_descriptors();
	errno = 4711;
	cr_expect_eq(leat_merge_fd(merge), -EMFILE);
	cr_expect_eq(errno, 4711);
	cr_expect_eq(leat_merge_arm(merge), -EINVAL);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_expect_geq(leat_merge_fd(merge), 0);
	leat_merge_close(merge);
}

Test(merge_fd, readable_only_while_it_is_armed)
{
	for_each_kind(kind) {
		struct braid *b = braid_open(&(struct leat_chan_opts){ .kind = kind });
		int fd = leat_merge_fd(b->merge);
		uint64_t item = 1;
		for (int i = 0; i < LANES; i++) {
			cr_assert_eq(leat_send(b->tx[i], &item), 0);
			cr_expect(!readable(fd), "%s: it was not armed", kind_names[kind]);
			cr_expect_eq(leat_merge_arm(b->merge), 1, "there is something");
			cr_expect(!readable(fd));
			cr_expect_eq(leat_merge_recv_until(b->merge, &item, NULL, 0), 1);
			cr_expect_eq(leat_merge_arm(b->merge), 0);
			cr_expect_eq(leat_merge_arm(b->merge), 0, "once more does no harm");
			cr_expect(!readable(fd));
			cr_assert_eq(leat_send(b->tx[i], &item), 0);
			cr_expect(readable(fd), "%s: it was armed", kind_names[kind]);
			cr_expect_eq(leat_merge_recv_until(b->merge, &item, NULL, 0), 1);
			cr_expect_eq(leat_merge_arm(b->merge), 0);
			cr_expect(!readable(fd), "arming clears it");
			cr_expect_eq(leat_merge_disarm(b->merge), 0);
			cr_assert_eq(leat_send(b->tx[i], &item), 0);
			cr_expect(!readable(fd), "it was disarmed");
			cr_expect_eq(leat_merge_recv_until(b->merge, &item, NULL, 0), 1);
		}
		braid_close(b);
	}
}

/*
 * Between two items of one lane, and with another that was told: each is still there, and 1 says
 * so.
 */
Test(merge_fd, arming_amid_items_loses_none)
{
	struct braid *b = braid_open(NULL);
	uint64_t item, got = 0;
	cr_assert_geq(leat_merge_fd(b->merge), 0);
	for (int times = 0; times < 20; times++) {
		cr_assert_eq(leat_merge_arm(b->merge), 0);
		for (item = 0; item < 3; item++) {
			cr_assert_eq(leat_send(b->tx[1], &item), 0);
			cr_assert_eq(leat_send(b->tx[3], &item), 0);
		}
		for (int n = 0; n < 6; n++) {
			cr_expect_eq(leat_merge_arm(b->merge), 1);
			cr_assert_eq(leat_merge_recv_until(b->merge, &item, NULL, 0), 1);
			got++;
		}
	}
	cr_expect_eq(got, 120);
	braid_close(b);
}

Test(merge_fd, ends_and_cancels_make_it_readable)
{
	for (int cancel = 0; cancel < 2; cancel++) {
		struct braid *b = braid_open(NULL);
		int fd = leat_merge_fd(b->merge);
		uint64_t item;
		cr_expect_eq(leat_merge_arm(b->merge), 0);
		if (cancel)
			leat_scope_cancel(b->scope, 0, NULL);
		else
			end_lane(b, 3);
		cr_expect(readable(fd));
		cr_expect_eq(leat_merge_arm(b->merge), 1);
		cr_expect_eq(leat_merge_recv_until(b->merge, &item, NULL, 0),
		             cancel ? -ECANCELED : 0);
		cr_expect_eq(leat_merge_arm(b->merge), cancel, "the other lanes");
		cr_expect_null(leat_merge_lane(b->merge),
		               "the lane that ended is closed with the next call");
		braid_close(b);
	}
}

Test(merge_fd, the_deadline_of_a_scope_makes_it_readable)
{
	clock_start();
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	struct leat_scope *soon = leat_scope_open(
		NULL, &(struct leat_scope_opts){ .deadline_ns = leat_now_ns() + 100 * MS });
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t item;
	cr_assert_eq(leat_chan_open(soon, sizeof(item), NULL, &tx, &rx), 0);
	cr_assert_eq(leat_merge_add(merge, rx, NULL), 0);
	cr_assert_geq(leat_merge_fd(merge), 0);
	cr_expect_eq(leat_merge_arm(merge), 0);
	clock_advance(100 * MS - 1);
	cr_expect(!readable(leat_merge_fd(merge)));
	clock_advance(1);
	cr_expect(readable(leat_merge_fd(merge)));
	cr_expect_eq(leat_merge_recv_until(merge, &item, NULL, 0), -ECANCELED);
	leat_merge_close(merge);
	leat_tx_close(tx);
	cr_expect_eq(leat_scope_close(soon), -ETIMEDOUT);
}

struct newcomer {
	struct leat_merge *merge;
	struct leat_rx *rx;
	int answer;
};

static void *adds_newcomer(void *arg)
{
	struct newcomer *n = arg;
	n->answer = leat_merge_add(n->merge, n->rx, n);
	return NULL;
}

Test(merge_fd, a_new_lane_makes_it_readable)
{
	struct pipe pipe = pipe_open(NULL);
	struct newcomer newcomer = { leat_merge_open(sizeof(uint64_t)), pipe.rx, 1 };
	uint64_t item = 4;
	pthread_t thread;
	void *tag;
	cr_assert_geq(leat_merge_fd(newcomer.merge), 0);
	cr_expect_eq(leat_merge_arm(newcomer.merge), 0, "a merge without a lane waits for one");
	cr_assert_eq(pthread_create(&thread, NULL, adds_newcomer, &newcomer), 0);
	cr_expect(becomes_readable(leat_merge_fd(newcomer.merge)));
	cr_expect_eq(leat_merge_recv_until(newcomer.merge, &item, &tag, 0), -ETIMEDOUT);
	cr_expect_eq(leat_merge_arm(newcomer.merge), 0);
	cr_assert_eq(leat_send(pipe.tx, &item), 0);
	cr_expect(readable(leat_merge_fd(newcomer.merge)));
	cr_expect_eq(leat_merge_recv_until(newcomer.merge, &item, &tag, 0), 1);
	cr_expect_eq(tag, &newcomer);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	cr_expect_eq(newcomer.answer, 0);
	leat_merge_close(newcomer.merge);
	pipe.rx = NULL;
	pipe_close(&pipe);
}

Test(merge_fd, a_receive_that_sleeps_disarms)
{
	struct braid *b = braid_open(NULL);
	int fd = leat_merge_fd(b->merge);
	struct waiter w = { 0 };
	uint64_t item = 6;
	cr_expect_eq(leat_merge_arm(b->merge), 0);
	waiter_start(&w, b->merge);
	cr_assert(await_parked(&w.tid));
	cr_assert_eq(leat_send(b->tx[2], &item), 0);
	cr_expect_eq(waiter_join(&w), 1);
	cr_expect_eq(w.tag, &b->places[2]);
	cr_assert_eq(leat_send(b->tx[0], &item), 0);
	cr_expect(!readable(fd));
	cr_expect_eq(leat_merge_arm(b->merge), 1);
	braid_close(b);
}

Test(merge_fd, closed_while_it_is_armed)
{
	struct braid *b = braid_open(NULL);
	uint64_t item = 1;
	cr_assert_geq(leat_merge_fd(b->merge), 0);
	cr_expect_eq(leat_merge_arm(b->merge), 0);
	leat_merge_close(b->merge);
	b->merge = NULL;
	cr_expect_eq(leat_send(b->tx[0], &item), -EPIPE);
	braid_close(b);
}

Test(merge_fd, a_case_of_a_select)
{
	struct braid *b = braid_open(NULL);
	struct pipe pipe = pipe_open(NULL);
	uint64_t item = 5, got;
	struct leat_case cases[] = { LEAT_CASE_RECV(pipe.rx, &got),
		                     LEAT_CASE_FD(leat_merge_fd(b->merge), POLLIN) };
	cr_expect_eq(leat_merge_arm(b->merge), 0);
	cr_expect_eq(leat_select(cases, 2, leat_now_ns() + MS, LEAT_BY_CHANCE), -ETIMEDOUT);
	cr_assert_eq(leat_send(pipe.tx, &item), 0);
	cr_expect_eq(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_CHANCE), 0);
	cr_assert_eq(leat_send(b->tx[1], &item), 0);
	cr_expect_eq(leat_select(cases, 2, LEAT_NEVER, LEAT_BY_CHANCE), 1);
	cr_expect_eq(leat_merge_recv_until(b->merge, &got, NULL, 0), 1);
	cr_expect_eq(leat_merge_arm(b->merge), 0);
	cr_expect_eq(leat_select(cases, 2, 0, LEAT_BY_CHANCE), -ETIMEDOUT);
	pipe_close(&pipe);
	braid_close(b);
}
