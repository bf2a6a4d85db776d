/*
 * tests/unit/fence_refused.c: membarrier works when channels are opened, and is refused later, as a
 * filter of system calls does that a program installs once it has started. What was opened before
 * goes on, and what is opened then has fences.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "census.h"
#include "system_call.h"

#include "runtime/chan/chan.h"

#include <leat/diag.h>
#include <leat/merge.h>
#include <leat/select.h>

TestSuite(fence_refused, .timeout = 60);

enum { ROUNDS = 60 };

static uint32_t refuses, refused;

static bool syscall_is_refused(long number)
{
	if (number != SYS_membarrier || leat_load_acq(&refuses) == 0)
		return false;
	leat_add_rlx(&refused, 1u);
	return true;
}

static void refuse(void)
{
	leat_store_rel(&refuses, 1u);
}

/* Sends one number each time that it is given one. */
struct echo {
	pthread_t thread;
	struct leat_rx *in;
	struct leat_tx *out;
	int rc;
};

static void *echo_main(void *arg)
{
	struct echo *echo = arg;
	uint64_t n;
	while ((echo->rc = leat_recv(echo->in, &n)) == 1)
		leat_send(echo->out, &n);
	leat_rx_close(echo->in);
	leat_tx_close(echo->out);
	return NULL;
}

static void there_and_back(enum leat_kind kind, enum leat_wait wait)
{
	struct leat_chan_opts opts = {
		.kind = kind, .capacity = 1, .send_wait = wait, .recv_wait = wait
	};
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tx *tx;
	struct leat_rx *rx;
	struct echo echo = { 0 };
	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), &opts, &tx, &echo.in), 0);
	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), &opts, &echo.out, &rx), 0);
	refuse();
	pthread_create(&echo.thread, NULL, echo_main, &echo);
	for (uint64_t n = 0, got = 0; n < ROUNDS; n++) {
		cr_assert_eq(leat_send(tx, &n), 0);
		cr_assert_eq(leat_recv(rx, &got), 1);
		cr_assert_eq(got, n);
	}
	int64_t now_ns = leat_now_ns();
	cr_expect_eq(leat_recv_until(rx, &(uint64_t){ 0 }, now_ns + 20 * MS), -ETIMEDOUT);
	cr_expect_geq(leat_now_ns(), now_ns + 20 * MS, "a short sleep is no deadline");
	leat_tx_close(tx);
	pthread_join(echo.thread, NULL);
	cr_expect_eq(echo.rc, 0);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 0);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_gt(refused, 0, "nobody asked for membarrier");
}

Test(fence_refused, spsc_goes_on)
{
	there_and_back(LEAT_SPSC, LEAT_WAIT_PARK);
}

Test(fence_refused, mpmc_goes_on)
{
	there_and_back(LEAT_MPMC, LEAT_WAIT_PARK);
}

Test(fence_refused, adaptive_goes_on)
{
	there_and_back(LEAT_MPSC, LEAT_WAIT_ADAPTIVE);
}

struct late {
	pthread_t thread;
	struct leat_tx *tx;
	uint32_t *go;
};

static void *send_when_told(void *arg)
{
	struct late *late = arg;
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		await_word(late->go, n);
		leat_send(late->tx, &(uint64_t){ n });
	}
	leat_tx_close(late->tx);
	return NULL;
}

/* A select, a descriptor and a merge, over channels that were opened before. */
enum by { BY_SELECT, BY_SELECT_WITH_FD, BY_FD, BY_MERGE };

static int receive_by(enum by by, struct leat_rx *rx, struct leat_merge *merge, int other_fd,
                      uint64_t *got)
{
	struct leat_case cases[] = { LEAT_CASE_RECV(rx, got), LEAT_CASE_FD(other_fd, POLLIN) };
	int rc;
	switch (by) {
	case BY_MERGE:
		return leat_merge_recv(merge, got, NULL);
	case BY_FD:
		while ((rc = leat_try_recv(rx, got)) == -EAGAIN)
			if (leat_rx_arm(rx) == 0)
				cr_assert(becomes_readable(leat_rx_fd(rx)));
		return rc;
	default:
		rc = leat_select(cases, by == BY_SELECT ? 1 : 2, LEAT_NEVER, LEAT_BY_PRIORITY);
		return rc == 0 ? cases[0].answer : -EPROTO;
	}
}

static void goes_on_by(enum by by)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_merge *merge = NULL;
	uint32_t go = 0;
	struct late late = { .go = &go };
	struct leat_rx *rx;
	uint64_t got;
	int never[2];
	cr_assert_eq(pipe(never), 0);
	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t),
	                            &(struct leat_chan_opts){ .capacity = 2 }, &late.tx, &rx),
	             0);
	cr_assert_geq(leat_rx_fd(rx), 0);
	if (by == BY_MERGE) {
		merge = leat_merge_open(sizeof(uint64_t));
		cr_assert_eq(leat_merge_add(merge, rx, NULL), 0);
	}
	refuse();
	pthread_create(&late.thread, NULL, send_when_told, &late);
	for (uint32_t n = 1; n <= ROUNDS; n++) {
		leat_store_rel(&go, n);
		cr_assert_eq(receive_by(by, rx, merge, never[0], &got), 1);
		cr_assert_eq(got, n);
	}
	pthread_join(late.thread, NULL);
	cr_expect_eq(receive_by(by, rx, merge, never[0], &got), 0);
	if (by == BY_MERGE)
		leat_merge_close(merge);
	else
		leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
	close(never[0]);
	close(never[1]);
}

Test(fence_refused, a_select_goes_on)
{
	goes_on_by(BY_SELECT);
}

Test(fence_refused, a_select_with_a_descriptor_goes_on)
{
	goes_on_by(BY_SELECT_WITH_FD);
}

Test(fence_refused, a_descriptor_goes_on)
{
	goes_on_by(BY_FD);
}

Test(fence_refused, a_merge_goes_on)
{
	goes_on_by(BY_MERGE);
}

static int next_after(void *state, void *item)
{
	uint64_t *n = state;
	if (*n % 4 == 3) {
		int rc = leat_after(leat_now_ns() + 200000);
		if (rc != 0 && *n < 100) {
			*n += 101;
			return rc;
		}
	}
	*n %= 101;
	if (*n == 20)
		return 0;
	*(uint64_t *)item = (*n)++;
	return 1;
}

static void pool_goes_on(enum leat_kind kind)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	uint64_t states[8] = { 0 }, got;
	cr_assert_not_null(pool);
	for (size_t i = 0; i < COUNT(states); i++) {
		struct leat_gen_opts opts = { .pool = pool,
			                      .chan = { .kind = kind, .capacity = 2 } };
		struct leat_rx *rx;
		uint64_t expected = 0;
		cr_assert_eq(leat_gen_seq(scope,
		                          (struct leat_seq){ next_after, NULL, &states[i], 8 },
		                          &opts, &rx),
		             0);
		if (i == 0)
			refuse();
		while (leat_recv(rx, &got) == 1)
			cr_assert_eq(got, expected++);
		cr_expect_eq(expected, 20);
		leat_rx_close(rx);
	}
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0); /* waits for a grace period of liburcu */
}

Test(fence_refused, a_pool_with_compact_channels_goes_on)
{
	pool_goes_on(LEAT_SPSC);
}

Test(fence_refused, a_pool_with_ordinary_channels_goes_on)
{
	pool_goes_on(LEAT_MPMC);
}

static void keep_count(const struct leat_snapshot *snapshot, void *arg)
{
	*(uint64_t *)arg = snapshot->waits_unfenced;
}

/* What is opened after the first refusal is fenced by itself, and its waits are not counted. */
Test(fence_refused, what_is_opened_afterwards_has_fences_and_both_are_told_apart)
{
	struct leat_chan_opts opts = { .recv_wait = LEAT_WAIT_PARK };
	struct pipe before = pipe_open(&opts), after;
	uint64_t count = 0;
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 3600000 * MS, .callback = keep_count, .callback_arg = &count });
	cr_expect_not(leat_load_rlx(before.tx->ctl) & LEAT_CTL_FENCED);
	refuse();
	for (int i = 0; i < 2; i++) /* the first finds out */
		cr_expect_eq(leat_recv_until(before.rx, &(uint64_t){ 0 }, leat_now_ns() + 10 * MS),
		             -ETIMEDOUT);
	after = pipe_open(&opts);
	cr_expect(leat_load_rlx(after.tx->ctl) & LEAT_CTL_FENCED);
	cr_expect_eq(leat_recv_until(after.rx, &(uint64_t){ 0 }, leat_now_ns() + 100 * MS),
	             -ETIMEDOUT);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect(count >= 2 && count <= 12, "%lu waits without a fence", (unsigned long)count);
	cr_expect_geq(refused, 1);
	pipe_close(&after);
	pipe_close(&before);
}
