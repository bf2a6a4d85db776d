/*
 * tests/unit/abi.c: a caller that was compiled for another layout opens nothing. Each test tries
 * another number and another size of options, by the function behind the macro, then another number
 * by the macro itself, and at last opens with the right ones, so that nothing else was the reason.
 * That nothing is left behind is held against each test by every.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/leat.h>

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

TestSuite(abi, .timeout = 600);

/*
 * What LEAT_ABI stands for. A size that changes here changes the number; the list is then renewed.
 */
_Static_assert(LEAT_ABI == 12, "these are the sizes of layout 12");
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), "LEAT_ABI changes with " #type)
SIZE(struct leat_chan_opts, 120);
SIZE(struct leat_scope_opts, 80);
SIZE(struct leat_gen_opts, 200);
SIZE(struct leat_pool_opts, 80);
SIZE(struct leat_diag_opts, 104);
SIZE(struct leat_lines_opts, 56);
SIZE(struct leat_follow_opts, 56);
SIZE(struct leat_proc_opts, 56);
SIZE(struct leat_tick_opts, 48);
SIZE(struct leat_count_opts, 56);
SIZE(struct leat_broadcast_opts, 120);
SIZE(struct leat_subscribe_opts, 136);
SIZE(struct leat_seq, 32);
SIZE(struct leat_sink, 24);
SIZE(struct leat_case, 56);
SIZE(struct leat_rate_opts, 48);
SIZE(struct leat_breaker_opts, 56);
SIZE(struct leat_backoff, 72);
SIZE(struct leat_line, 24);
SIZE(struct leat_chan_stat, 208);
SIZE(struct leat_gen_stat, 368);
SIZE(struct leat_pool_stat, 280);
SIZE(struct leat_subscriber_stat, 120);
SIZE(struct leat_snapshot, 160);
SIZE(struct leat_counters_process, 256);
SIZE(struct leat_counters_record, 504);
SIZE(struct leat_counters_event, 240);
SIZE(struct leat_verdict, 1320);
SIZE(struct leat_tx, 304);
SIZE(struct leat_rx, 296);
SIZE(struct leat_spsc, 256);
SIZE(struct leat_spsc_cursor, 192);
SIZE(struct leat_mpmc, 384);
SIZE(struct leat_mpmc_cursor, 80);

/* From here on this file is compiled for another layout, as far as the macros can tell. */
enum { LIBRARY_ABI = LEAT_ABI };
#undef LEAT_ABI
#define LEAT_ABI (LIBRARY_ABI + 1u)

#define RIGHT(options) ((unsigned)LIBRARY_ABI << 16 | (unsigned)sizeof(options))
#define for_each_wrong(abi, options) \
	for (unsigned abi = RIGHT(options) - 8; abi <= RIGHT(options) + 65536; \
	     abi += abi < RIGHT(options) ? 16 : 65536 - 8)

struct fixture {
	struct leat_scope *scope;
	struct leat_tx *tx;
	struct leat_rx *rx;
};

static struct fixture fixture_open(void)
{
	struct fixture f = { .scope = leat_detail_scope_open(RIGHT(struct leat_scope_opts), NULL,
		                                             NULL) };

	cr_assert_not_null(f.scope);
	cr_assert_eq(
		leat_detail_chan_open(RIGHT(struct leat_chan_opts), f.scope, 8, NULL, &f.tx, &f.rx),
		0);
	return f;
}

static void fixture_close(struct fixture *f)
{
	leat_tx_close(f->tx);
	leat_rx_close(f->rx);
	cr_expect_eq(leat_scope_close(f->scope), 0);
}

static int calls;

static int count_call(struct leat_tx *out, void *arg)
{
	(void)out;
	(void)arg;
	calls++;
	return 0;
}

static int count_next(void *state, void *item)
{
	(void)state;
	(void)item;
	calls++;
	return 0;
}

static int count_put(void *state, const void *item)
{
	(void)state;
	(void)item;
	calls++;
	return 0;
}

static void count_fini(void *state)
{
	(void)state;
	calls++;
}

Test(abi, the_wrong_words_are_three)
{
	unsigned words = 0;

	for_each_wrong(abi, struct leat_scope_opts) {
		cr_expect_neq(abi, RIGHT(struct leat_scope_opts));
		words++;
	}
	cr_expect_eq(words, 3, "smaller, larger, of another layout; not %u", words);
}

Test(abi, chan_open)
{
	struct fixture f = fixture_open();
	struct leat_tx *tx = f.tx;
	struct leat_rx *rx = f.rx;

	for_each_wrong(abi, struct leat_chan_opts) {
		tx = f.tx;
		rx = f.rx;
		cr_expect_eq(leat_detail_chan_open(abi, f.scope, 8, NULL, &tx, &rx), -ELIBBAD);
		cr_expect_null(tx);
		cr_expect_null(rx);
	}
	cr_expect_eq(leat_chan_open(f.scope, 8, NULL, &tx, &rx), -ELIBBAD);
	cr_assert_eq((leat_chan_open)(f.scope, 8, NULL, &tx, &rx), 0);
	leat_tx_close(tx);
	leat_rx_close(rx);
	fixture_close(&f);
}

Test(abi, broadcast)
{
	struct fixture f = fixture_open();
	struct leat_broadcast *broadcast = NULL;
	struct leat_tx *tx;
	struct leat_rx *rx;

	for_each_wrong(abi, struct leat_broadcast_opts) {
		tx = f.tx;
		cr_expect_eq(leat_detail_broadcast_open(abi, f.scope, 8, NULL, &broadcast, &tx),
		             -ELIBBAD);
		cr_expect_null(broadcast);
		cr_expect_null(tx);
	}
	cr_expect_eq(leat_broadcast_open(f.scope, 8, NULL, &broadcast, &tx), -ELIBBAD);
	cr_assert_eq((leat_broadcast_open)(f.scope, 8, NULL, &broadcast, &tx), 0);
	for_each_wrong(abi, struct leat_subscribe_opts) {
		rx = f.rx;
		cr_expect_eq(leat_detail_broadcast_subscribe(abi, broadcast, NULL, &rx), -ELIBBAD);
		cr_expect_null(rx);
	}
	cr_expect_eq(leat_broadcast_subscribe(broadcast, NULL, &rx), -ELIBBAD);
	cr_assert_eq((leat_broadcast_subscribe)(broadcast, NULL, &rx), 0);
	leat_tx_close(tx);
	leat_rx_close(rx);
	leat_broadcast_close(broadcast);
	fixture_close(&f);
}

Test(abi, scope_open)
{
	struct fixture f = fixture_open();
	struct leat_scope *scope;

	for_each_wrong(abi, struct leat_scope_opts) {
		cr_expect_null(leat_detail_scope_open(abi, NULL, NULL));
		cr_expect_null(leat_detail_scope_open(abi, f.scope, NULL));
	}
	cr_expect_null(leat_scope_open(
		f.scope, &(struct leat_scope_opts){ .name = "child", .deadline_ns = 1 }));
	cr_expect_eq(leat_scope_cause(f.scope, NULL, NULL), LEAT_RUNNING);
	scope = (leat_scope_open)(f.scope, NULL);
	cr_assert_not_null(scope);
	cr_expect_eq(leat_scope_close(scope), 0);
	fixture_close(&f);
}

Test(abi, gen)
{
	struct fixture f = fixture_open();
	struct leat_rx *rx = NULL;

	for_each_wrong(abi, struct leat_gen_opts) {
		rx = f.rx;
		cr_expect_eq(leat_detail_gen(abi, f.scope, count_call, NULL, 8, NULL, &rx),
		             -ELIBBAD);
		cr_expect_null(rx);
	}
	cr_expect_eq(leat_gen(f.scope, count_call, NULL, 8, NULL, &rx), -ELIBBAD);
	cr_expect_eq(leat_scope_join(f.scope), 0);
	cr_expect_eq(calls, 0);
	cr_assert_eq((leat_gen)(f.scope, count_call, NULL, 8, NULL, &rx), 0);
	cr_expect_eq(leat_scope_join(f.scope), 0);
	cr_expect_eq(calls, 1);
	leat_rx_close(rx);
	fixture_close(&f);
}

Test(abi, gen_seq)
{
	struct fixture f = fixture_open();
	const struct leat_seq seq = { .next = count_next, .fini = count_fini, .item_size = 8 };
	struct leat_rx *rx = NULL;

	for_each_wrong(abi, struct leat_gen_opts) {
		rx = f.rx;
		cr_expect_eq(leat_detail_gen_seq(abi, f.scope, seq, NULL, &rx), -ELIBBAD);
		cr_expect_null(rx);
	}
	cr_expect_eq(leat_gen_seq(f.scope, seq, NULL, &rx), -ELIBBAD);
	cr_expect_eq(leat_scope_join(f.scope), 0);
	cr_expect_eq(calls, 0, "neither next nor fini");
	cr_assert_eq((leat_gen_seq)(f.scope, seq, NULL, &rx), 0);
	cr_expect_eq(leat_scope_join(f.scope), 0);
	cr_expect_eq(calls, 2);
	leat_rx_close(rx);
	fixture_close(&f);
}

Test(abi, gen_into_leaves_the_handle_with_its_caller)
{
	struct fixture f = fixture_open();

	for_each_wrong(abi, struct leat_gen_opts)
		cr_expect_eq(leat_detail_gen_into(abi, f.scope, count_call, NULL, f.tx, NULL),
		             -ELIBBAD);
	cr_expect_eq(leat_gen_into(f.scope, count_call, NULL, f.tx, NULL), -ELIBBAD);
	cr_expect_eq(leat_scope_join(f.scope), 0);
	cr_expect_eq(calls, 0);
	cr_expect_eq(leat_send(f.tx, &(uint64_t){ 7 }), 0);
	cr_assert_eq((leat_gen_into)(f.scope, count_call, NULL, f.tx, NULL), 0);
	f.tx = NULL;
	cr_expect_eq(leat_scope_join(f.scope), 0);
	cr_expect_eq(calls, 1);
	fixture_close(&f);
}

Test(abi, gen_sink_leaves_the_receiver_with_its_caller)
{
	struct fixture f = fixture_open();
	const struct leat_sink sink = { .put = count_put, .fini = count_fini };
	uint64_t item = 7;

	for_each_wrong(abi, struct leat_gen_opts)
		cr_expect_eq(leat_detail_gen_sink(abi, f.scope, f.rx, sink, NULL), -ELIBBAD);
	cr_expect_eq(leat_gen_sink(f.scope, f.rx, sink, NULL), -ELIBBAD);
	cr_expect_eq(leat_scope_join(f.scope), 0);
	cr_expect_eq(calls, 0, "neither put nor fini");
	cr_assert_eq(leat_send(f.tx, &item), 0);
	cr_expect_eq(leat_recv(f.rx, &item), 1);
	cr_assert_eq((leat_gen_sink)(f.scope, f.rx, sink, NULL), 0);
	f.rx = NULL;
	leat_tx_close(f.tx);
	f.tx = NULL;
	cr_expect_eq(leat_scope_join(f.scope), 0);
	cr_expect_eq(calls, 1, "fini");
	fixture_close(&f);
}

Test(abi, pool_open)
{
	const struct leat_pool_opts opts = { .workers = 1 };
	struct leat_pool *pool;

	for_each_wrong(abi, struct leat_pool_opts)
		cr_expect_null(leat_detail_pool_open(abi, &opts));
	cr_expect_null(leat_pool_open(&opts));
	pool = (leat_pool_open)(&opts);
	cr_assert_not_null(pool);
	cr_expect_eq(leat_pool_close(pool), 0);
}

Test(abi, diag_start_writes_no_file)
{
	char path[] = "/tmp/leat-abi-XXXXXX";
	struct leat_diag_opts opts = { .prometheus_path = path };
	struct leat_diag *diag;
	int fd = mkstemp(path);

	cr_assert_geq(fd, 0);
	close(fd);
	unlink(path);
	for_each_wrong(abi, struct leat_diag_opts)
		cr_expect_null(leat_detail_diag_start(abi, &opts));
	cr_expect_null(leat_diag_start(&opts));
	cr_expect_neq(access(path, F_OK), 0);
	diag = (leat_diag_start)(&opts);
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(access(path, F_OK), 0);
	unlink(path);
}

Test(abi, why_verdict)
{
	struct leat_why *why = leat_why_open();
	struct leat_verdict verdict = { .limit = LEAT_LIMITS };

	for_each_wrong(abi, struct leat_verdict) {
		cr_expect_eq(leat_detail_why_verdict(abi, why, &verdict), -ELIBBAD);
		cr_expect_eq(verdict.limit, LEAT_LIMITS);
	}
	cr_expect_eq((leat_why_verdict)(why, &verdict), 0);
	leat_why_close(why);
}

/* A counters file is opened with the size of a record, which is what an open gives. */
Test(abi, counters_open)
{
	char path[64];
	const struct leat_diag_opts opts = { .counters_path = path };
	struct leat_counters *counters;
	struct leat_diag *diag;

	snprintf(path, sizeof(path), "/dev/shm/leat-abi-%d", (int)getpid());
	diag = (leat_diag_start)(&opts);
	cr_assert_not_null(diag);
	for_each_wrong(abi, struct leat_counters_record) {
		cr_expect_null(leat_detail_counters_open(abi, path));
		cr_expect_eq(leat_open_error(), -ELIBBAD);
	}
	cr_expect_null(leat_counters_open(path));
	counters = (leat_counters_open)(path);
	cr_expect_not_null(counters);
	leat_counters_close(counters);
	cr_expect_eq(leat_diag_stop(diag), 0);
}

Test(abi, merge_open)
{
	struct leat_merge *merge;

	cr_expect_null(leat_detail_merge_open(LIBRARY_ABI - 1u, 8));
	cr_expect_null(leat_merge_open(8));
	merge = (leat_merge_open)(8);
	cr_assert_not_null(merge);
	leat_merge_close(merge);
}

Test(abi, rate_open)
{
	const struct leat_rate_opts opts = { .per_second = 1 };
	struct leat_rate *rate;

	for_each_wrong(abi, struct leat_rate_opts)
		cr_expect_null(leat_detail_rate_open(abi, &opts));
	cr_expect_null(leat_rate_open(&opts));
	rate = (leat_rate_open)(&opts);
	cr_assert_not_null(rate);
	cr_expect_eq(leat_rate_close(rate), 0);
}

Test(abi, sem_open)
{
	struct leat_sem *sem;

	cr_expect_null(leat_detail_sem_open(LIBRARY_ABI - 1u, 8));
	cr_expect_null(leat_sem_open(8));
	sem = (leat_sem_open)(8);
	cr_assert_not_null(sem);
	cr_expect_eq(leat_sem_close(sem), 0);
}

Test(abi, breaker_new)
{
	struct leat_breaker *breaker;

	for_each_wrong(abi, struct leat_breaker_opts)
		cr_expect_null(leat_detail_breaker_new(abi, NULL));
	cr_expect_null(leat_breaker_new(NULL));
	breaker = (leat_breaker_new)(NULL);
	cr_assert_not_null(breaker);
	leat_breaker_free(breaker);
}
