/*
 * tests/unit/pool_wait.c: steps that wait for a time or a descriptor, and waiting for several
 * generators.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "numbers.h"

#include <leat/merge.h>
#include <leat/select.h>
#include <poll.h>
#include <sys/eventfd.h>

TestSuite(pool_wait, .timeout = 600);

/* Steps that wait */

Test(pool_wait, tickers_keep_their_times)
{
	enum { TICKERS = 100, TICKS = 20 };
	struct place place = place_open(2, false);
	static struct numbers n[TICKERS];
	struct leat_rx *rx[TICKERS];
	int64_t start_ns = leat_now_ns();
	uint64_t got;
	memset(n, 0, sizeof(n));
	for (int i = 0; i < TICKERS; i++) {
		n[i] = (struct numbers){ .end = TICKS,
			                 .every_ns = 2 * MS,
			                 .due_ns = start_ns + i * 10000 };
		rx[i] = start_on(place.pool, place.scope, forms[(size_t)i % COUNT(forms)], &n[i]);
	}
	for (int tick = 0; tick < TICKS; tick++)
		for (int i = 0; i < TICKERS; i++) {
			cr_assert_eq(leat_recv(rx[i], &got), 1);
			cr_expect_geq(leat_now_ns(), start_ns + i * 10000 + tick * 2 * MS,
			              "never early");
		}
	for (int i = 0; i < TICKERS; i++) {
		cr_expect_eq(leat_recv(rx[i], &got), 0);
		cr_expect_leq(n[i].steps, 3 * TICKS + 3, "no polling: %u steps", n[i].steps);
		leat_rx_close(rx[i]);
	}
	place_close(place);
}

static int wait_for_fd(void *state, void *item)
{
	int *fd = state, rc = leat_ready(*fd, POLLIN, LEAT_NEVER);
	uint64_t count;
	if (rc != 0)
		return rc;
	if (read(*fd, &count, sizeof(count)) != sizeof(count))
		return -EIO;
	memcpy(item, &count, sizeof(count));
	return count == 99 ? 0 : 1;
}

static void wait_in_place(struct leat_pool *pool, struct leat_chan_opts chan)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct leat_gen_opts opts = { .chan = chan, .pool = pool };
	struct leat_rx *rx;
	uint64_t got;
	cr_assert_eq(
		leat_gen_seq(scope, (struct leat_seq){ wait_for_fd, NULL, &fd, 8 }, &opts, &rx), 0);
	cr_expect_eq(leat_recv_until(rx, &got, leat_now_ns() + 5 * MS), -ETIMEDOUT);
	for (uint64_t i = 1; i < 20; i++) {
		cr_assert_eq(write(fd, &i, sizeof(i)), sizeof(i));
		cr_assert_eq(leat_recv(rx, &got), 1);
		cr_expect_eq(got, i);
	}
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_recv(rx, &got), -ECANCELED);
	leat_rx_close(rx);
	leat_scope_close(scope);
	close(fd);
}

Test(pool_wait, descriptors_wake_their_generators)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	for (size_t f = 0; f < COUNT(forms); f++) {
		wait_in_place(pool, forms[f]);
		wait_in_place(NULL, forms[f]);
	}
	cr_expect_eq(leat_pool_close(pool), 0);
}

Test(pool_wait, waits_that_can_t_be_had_and_those_in_place)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int64_t before_ns = leat_now_ns();
	cr_expect_eq(leat_after(0), 0);
	cr_expect_eq(leat_after(before_ns + 3 * MS), 0);
	cr_expect_geq(leat_now_ns(), before_ns + 3 * MS);
	cr_expect_eq(leat_ready(-1, POLLIN, LEAT_NEVER), -EBADF);
	cr_expect_eq(leat_ready(1000000, POLLIN, LEAT_NEVER), -EBADF);
	cr_expect_eq(leat_ready(fd, POLLIN, leat_now_ns() + MS), -ETIMEDOUT);
	cr_expect_eq(leat_ready(fd, POLLOUT, LEAT_NEVER), 0);
	close(fd);
}

/* Waiting for several of them */

Test(pool_wait, selects_and_merges_and_descriptors_take_any_receiver)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(2, f % 2);
		struct numbers n[3] = { { .end = 500 }, { .end = 500 }, { .end = 500 } };
		struct leat_rx *rx[3];
		uint64_t got, at[3] = { 0 }, ended = 0;
		int i, rc;
		for (i = 0; i < 3; i++)
			rx[i] = start_on(place.pool, place.scope, forms[f], &n[i]);
		while (ended < 3) {
			struct leat_case cases[] = { LEAT_CASE_RECV(rx[0], &got),
				                     LEAT_CASE_RECV(rx[1], &got),
				                     LEAT_CASE_RECV(rx[2], &got) };
			i = leat_select(cases, 3, LEAT_NEVER, LEAT_BY_CHANCE);
			cr_assert(i >= 0 && i < 3, "form %zu: %d", f, i);
			if (cases[i].answer == 1) {
				cr_assert_eq(got, at[i]++);
				continue;
			}
			cr_assert_eq(cases[i].answer, 0);
			ended++;
			leat_rx_close(rx[i]);
			rx[i] = NULL;
		}
		cr_expect_eq(at[0] + at[1] + at[2], 1500);

		struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
		struct pollfd polled = { .fd = leat_merge_fd(merge), .events = POLLIN };
		void *tag;
		for (int in_poll = 0; in_poll < 2; in_poll++) {
			for (i = 0; i < 3; i++) {
				n[i] = (struct numbers){ .end = 500 };
				at[i] = 0;
				rx[i] = start_on(place.pool, place.scope, forms[f], &n[i]);
				cr_assert_eq(leat_merge_add(merge, rx[i], &at[i]), 0);
			}
			for (ended = 0; ended < 3;) {
				rc = leat_merge_recv_until(merge, &got, &tag,
				                           in_poll ? 0 : LEAT_NEVER);
				cr_assert(rc >= 0 || (rc == -ETIMEDOUT && in_poll), "form %zu: %d",
				          f, rc);
				if (rc == -ETIMEDOUT && leat_merge_arm(merge) == 0)
					cr_assert_eq(poll(&polled, 1, 20000), 1);
				if (rc == 1)
					cr_assert_eq(got, (*(uint64_t *)tag)++);
				ended += rc == 0;
			}
			cr_expect_eq(at[0] + at[1] + at[2], 1500, "form %zu", f);
		}
		leat_merge_close(merge);

		n[0] = (struct numbers){ .end = 500 };
		rx[0] = start_on(place.pool, place.scope, forms[f], &n[0]);
		at[0] = 0;
		polled.fd = leat_rx_fd(rx[0]);
		cr_assert_geq(polled.fd, 0);
		while ((rc = leat_try_recv(rx[0], &got)) != 0) {
			if (rc == 1)
				cr_assert_eq(got, at[0]++);
			else if (leat_rx_arm(rx[0]) == 0)
				cr_assert_eq(poll(&polled, 1, 20000), 1);
		}
		cr_expect_eq(at[0], 500);
		leat_rx_close(rx[0]);
		place_close(place);
	}
}

/*
 * A merge as a stage: it waits for its lanes as for any descriptor, and no thread is taken by that.
 */
static int next_of_lanes(void *state, void *item)
{
	struct leat_merge *merge = state;
	int rc;
	while ((rc = leat_merge_recv_until(merge, item, NULL, 0)) <= 0) {
		if (rc == -ENOENT)
			return 0;
		if (rc != -ETIMEDOUT || leat_merge_arm(merge) != 0)
			continue;
		rc = leat_ready(leat_merge_fd(merge), POLLIN, LEAT_NEVER);
		if (rc != 0)
			return rc;
	}
	return 1;
}

static void fini_lanes(void *state)
{
	leat_merge_close(state);
}

Test(pool_wait, a_stage_that_merges)
{
	for (size_t f = 0; f < COUNT(forms); f++)
		for (int canceled = 0; canceled < 2; canceled++) {
			struct place place = place_open(1, f % 2);
			struct numbers n[3] = { { .end = 500 }, { .end = 500 }, { .end = 500 } };
			struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
			struct leat_gen_opts opts = { .pool = place.pool };
			struct leat_rx *rx;
			uint64_t got, sum = 0;
			int rc;
			cr_assert_geq(leat_merge_fd(merge), 0);
			for (int i = 0; i < 3; i++)
				cr_assert_eq(leat_merge_add(merge,
				                            start_on(place.pool, place.scope,
				                                     forms[f], &n[i]),
				                            NULL),
				             0);
			cr_assert_eq(leat_gen_seq(place.scope,
			                          (struct leat_seq){ next_of_lanes, fini_lanes,
			                                             merge, sizeof(got) },
			                          &opts, &rx),
			             0);
			while ((rc = leat_recv(rx, &got)) == 1) {
				sum += got;
				if (canceled && sum > 1000)
					leat_scope_cancel(place.scope, 0, NULL);
			}
			cr_expect_eq(rc, canceled ? -ECANCELED : 0, "form %zu", f);
			if (!canceled)
				cr_expect_eq(sum, 3 * (499 * 500 / 2));
			leat_rx_close(rx);
			place_close(place);
		}
}
