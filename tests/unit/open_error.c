/*
 * tests/unit/open_error.c: leat_open_error(): why a function that opens something returned NULL.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/leat.h>
#include <pthread.h>

TestSuite(open_error, .timeout = 600);

static const char long_name[] =
	"a name of sixty-four bytes, which is one byte more than a name may be";

static void *own_error(void *arg)
{
	*(int *)arg = leat_open_error();
	return NULL;
}

Test(open_error, is_0_before_anything_failed_and_each_threads_own)
{
	pthread_t thread;
	int others = 4711;
	cr_expect_eq(leat_open_error(), 0);
	cr_expect_null(leat_merge_open(0));
	cr_expect_eq(leat_open_error(), -EINVAL);
	cr_assert_eq(pthread_create(&thread, NULL, own_error, &others), 0);
	pthread_join(thread, NULL);
	cr_expect_eq(others, 0);
}

Test(open_error, an_open_that_succeeds_leaves_it_alone)
{
	struct leat_scope *scope;
	cr_expect_null(leat_sem_open(0));
	scope = leat_scope_open(NULL, NULL);
	cr_assert_not_null(scope);
	cr_expect_eq(leat_open_error(), -EINVAL);
	leat_scope_close(scope);
}

/* Another error first, so that what is read is this call's. */
static void expect_error(const void *opened, int rc, const char *what)
{
	cr_expect_null(opened, "%s", what);
	cr_expect_eq(leat_open_error(), rc, "%s: %d", what, leat_open_error());
}

Test(open_error, bad_arguments_of_each)
{
	struct leat_scope_opts scope = { .reserved = { 1 } };
	struct leat_pool_opts pool = { .reserved = { 1 } };
	struct leat_rate_opts rate = { .per_second = 1, .reserved = { 1 } };
	struct leat_breaker_opts breaker = { .window_ns = -1 };
	struct leat_diag_opts diag = { .interval_ns = -1 };
	expect_error(leat_scope_open(NULL, &scope), -EINVAL, "scope");
	scope = (struct leat_scope_opts){ .name = long_name };
	expect_error(leat_scope_open(NULL, &scope), -EINVAL, "scope's name");
	expect_error(leat_pool_open(&pool), -EINVAL, "pool");
	pool = (struct leat_pool_opts){ .name = long_name };
	expect_error(leat_pool_open(&pool), -EINVAL, "pool's name");
	expect_error(leat_merge_open(0), -EINVAL, "merge");
	expect_error(leat_rate_open(NULL), -EINVAL, "rate");
	expect_error(leat_rate_open(&rate), -EINVAL, "rate's reserved");
	expect_error(leat_sem_open(0), -EINVAL, "sem");
	expect_error(leat_breaker_new(&breaker), -EINVAL, "breaker");
	expect_error(leat_diag_start(&diag), -EINVAL, "diag");
	expect_error(leat_tx_clone(NULL), -EINVAL, "tx");
	expect_error(leat_rx_clone(NULL), -EINVAL, "rx");
}

Test(open_error, a_caller_with_another_layout)
{
	expect_error(leat_detail_scope_open(0, NULL, NULL), -ELIBBAD, "scope");
	expect_error(leat_detail_pool_open(0, NULL), -ELIBBAD, "pool");
	expect_error(leat_detail_merge_open(0, 8), -ELIBBAD, "merge");
	expect_error(leat_detail_rate_open(0, NULL), -ELIBBAD, "rate");
	expect_error(leat_detail_sem_open(0, 1), -ELIBBAD, "sem");
	expect_error(leat_detail_breaker_new(0, NULL), -ELIBBAD, "breaker");
	expect_error(leat_detail_diag_start(0, NULL), -ELIBBAD, "diag");
}

Test(open_error, a_clone_of_a_single_side)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		struct leat_tx *tx = leat_tx_clone(pipe.tx);
		struct leat_rx *rx;
		if (tx == NULL)
			expect_error(tx, -ENOTSUP, kind_names[kind]);
		rx = leat_rx_clone(pipe.rx);
		if (rx == NULL)
			expect_error(rx, -ENOTSUP, kind_names[kind]);
		cr_expect(kind == LEAT_MPMC || tx == NULL || rx == NULL);
		leat_tx_close(tx);
		leat_rx_close(rx);
		pipe_close(&pipe);
	}
}

Test(open_error, a_file_that_cannot_be_written)
{
	struct leat_diag_opts diag = { .prometheus_path = "/nowhere/at/all" };
	expect_error(leat_diag_start(&diag), -ENOENT, "prometheus");
	diag = (struct leat_diag_opts){ .json_path = "/" };
	expect_error(leat_diag_start(&diag), -EISDIR, "json");
}
