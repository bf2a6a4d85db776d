/*
 * tests/unit/flow_pool.c: flows on a pool: which islands have no thread, and what only that shows.
 * The other suites of flows run once more with each of their flows on a pool (flows.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flows.h"

#include <leat/pool.h>

TestSuite(flow_pool, .timeout = 600);

enum { N = 1000, FLOWS = 500 };

static struct leat_flow *flow_on(struct leat_scope *scope, struct leat_pool *pool)
{
	return leat_flow_open(scope, &(struct leat_flow_opts){ .capacity = 16, .pool = pool });
}

static size_t count_threads(struct leat_flow *flow)
{
	struct leat_flow_cost cost;

	cr_assert_eq(leat_flow_estimate(flow, &cost), 0, "%s", leat_flow_error(flow));
	return cost.threads;
}

static bool is_drawn(struct leat_flow *flow, const char *words)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	bool found;

	cr_assert_not_null(file);
	cr_assert_eq(leat_flow_draw(flow, file), 0);
	fclose(file);
	found = strstr(text, words) != NULL;
	free(text);
	return found;
}

Test(flow_pool, islands_of_a_line_have_no_thread)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct numbers numbers = { .end = N };
	struct leat_flow *flow = flow_on(NULL, pool);
	int before = census_threads();
	uint64_t sum = 0;
	struct leat_port port;

	port = leat_flow_from_seq(flow, LEAT_T(u64), numbers_seq(&numbers));
	port = leat_flow_step(port, &triple, NULL);
	port = leat_flow_buffer(leat_flow_buffer(port, 1), 7);
	port = leat_flow_step(port, &keep_even, NULL);
	leat_flow_for_each(port, &add, &sum);
	cr_expect_eq(count_threads(flow), 0u);
	cr_expect(is_drawn(flow, "on the pool"));
	cr_expect_not(is_drawn(flow, "thread"));
	expect_start(flow);
	cr_expect_leq(census_threads(), before);
	expect_join(flow, 0);
	cr_expect_eq(sum, 3u * (N / 2) * (N / 2 - 1));
	expect_stat(flow, 1, "triple", (struct leat_step_stat){ .in = N, .used = N, .made = N });
	expect_stat(flow, 2, "buffer", (struct leat_step_stat){ .in = N, .used = N, .made = N });
	leat_flow_close(flow);
	cr_expect_eq(leat_pool_close(pool), 0);
}

/* --- which islands have a thread all the same --- */

static struct leat_port with_rate(struct leat_port port, struct leat_rate *rate)
{
	return leat_flow_rate(port, rate);
}

static struct leat_port with_item_timeout(struct leat_port port, struct leat_rate *rate)
{
	(void)rate;
	return leat_flow_item_timeout(leat_flow_step(port, &triple, NULL), 3600000 * MS);
}

static struct leat_port with_retry(struct leat_port port, struct leat_rate *rate)
{
	(void)rate;
	return leat_flow_retry(leat_flow_step(port, &triple, NULL),
	                       &(struct leat_backoff){ .first_ns = 1, .most_ns = 1, .tries = 1 });
}

static struct leat_port with_a_step_that_waits(struct leat_port port, struct leat_rate *rate)
{
	struct leat_step step = triple;

	(void)rate;
	step.waits = true;
	return leat_flow_step(port, &step, NULL);
}

LEAT_BATCH(four, u64, 4);
LEAT_MAP(first_of_four, four, four, u64, x, const void *, unused)
{
	(void)unused;
	*x = four->items[0];
	return 0;
}

static struct leat_port with_time(struct leat_port port, struct leat_rate *rate)
{
	(void)rate;
	return leat_flow_step(leat_flow_batch(port, LEAT_T(four), 1000), &first_of_four, NULL);
}

static struct leat_port with_workers(struct leat_port port, struct leat_rate *rate)
{
	(void)rate;
	port = leat_flow_step(leat_flow_workers(port, 2, LEAT_ORDERED), &triple, NULL);
	return leat_flow_gather(port);
}

static struct leat_port with_tee_and_merge(struct leat_port port, struct leat_rate *rate)
{
	struct leat_port ports[2];

	(void)rate;
	leat_flow_tee(port, ports, 2);
	return leat_flow_merge(ports, 2);
}

Test(flow_pool, islands_that_may_wait_have_a_thread)
{
	static const struct {
		struct leat_port (*add)(struct leat_port port, struct leat_rate *rate);
		size_t threads, count;
	} cases[] = {
		{ with_rate, 1, N },
		{ with_retry, 1, N },
		{ with_item_timeout, 1, N },
		{ with_time, 1, N / 4 },
		{ with_a_step_that_waits, 1, N },
		{ with_workers, 3, N },
		{ with_tee_and_merge, 3, 2 * N },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct leat_pool *pool = leat_pool_open(NULL);
		struct leat_rate *rate = leat_rate_open(
			&(struct leat_rate_opts){ .per_second = 1e9, .burst = 1000 });
		struct leat_flow *flow = flow_on(NULL, pool);
		uint64_t *array = numbers_below(N);
		struct tally tally = { 0 };
		struct leat_port port;

		port = leat_flow_from_array(flow, LEAT_T(u64), array, N);
		port = cases[i].add(port, rate);
		leat_flow_for_each(leat_flow_buffer(port, 0), &count_each, &tally);
		cr_expect_eq(count_threads(flow), cases[i].threads, "case %zu: %zu threads", i,
		             count_threads(flow));
		cr_expect(is_drawn(flow, "on the pool"));
		expect_start(flow);
		if (cases[i].add == with_time)
			leat_flow_join(flow);
		else
			expect_join(flow, 0);
		if (cases[i].add != with_time) /* batches may be short by time */
			cr_expect_eq(tally.count, cases[i].count, "case %zu: %u", i, tally.count);
		leat_flow_close(flow);
		leat_rate_close(rate);
		leat_pool_close(pool);
		free(array);
	}
}

/* A step that waits, and does not say so, fails like any other call that waits in a step. */
LEAT_MAP(wait_without_a_word, u64, x, u64, y, struct leat_scope *, scope)
{
	*y = *x;
	return *x < 3 ? 0 : leat_scope_sleep(scope, LEAT_NEVER);
}

Test(flow_pool, a_step_that_waits_without_a_word_fails)
{
	struct leat_pool *pool = leat_pool_open(NULL);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = flow_on(NULL, pool);
	uint64_t *array = numbers_below(N);
	struct collected got;

	collect(leat_flow_step(leat_flow_from_array(flow, LEAT_T(u64), array, N),
	                       &wait_without_a_word, scope),
	        &got);
	expect_start(flow);
	expect_join(flow, -EDEADLK);
	expect_words(flow, "step \"wait_without_a_word\", item 3: it would wait");
	leat_flow_close(flow);
	free(got.items);
	leat_scope_close(scope);
	leat_pool_close(pool);
	free(array);
}

/* --- many, and unequal ones --- */

Test(flow_pool, many_flows_share_few_workers)
{
	enum { EACH = 100 };
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow **flows = calloc(FLOWS, sizeof(*flows));
	struct numbers *numbers = calloc(FLOWS, sizeof(*numbers));
	uint64_t *sums = calloc(FLOWS, sizeof(*sums));
	int before = census_threads();

	for (size_t i = 0; i < FLOWS; i++) {
		struct leat_port port;

		numbers[i] = (struct numbers){ .end = EACH };
		flows[i] = flow_on(scope, pool);
		port = leat_flow_from_seq(flows[i], LEAT_T(u64), numbers_seq(&numbers[i]));
		port = leat_flow_buffer(leat_flow_step(port, &triple, NULL), 1);
		leat_flow_for_each(port, &add, &sums[i]);
		expect_start(flows[i]);
	}
	cr_expect_leq(census_threads(), before);
	for (size_t i = 0; i < FLOWS; i++) {
		expect_join(flows[i], 0);
		cr_expect_eq(sums[i], 3u * EACH * (EACH - 1) / 2);
		leat_flow_close(flows[i]);
	}
	leat_scope_close(scope);
	leat_pool_close(pool);
	free(flows);
	free(numbers);
	free(sums);
}

/* An island that never makes an item gives its worker back all the same. */
Test(flow_pool, a_flow_without_end_leaves_time_for_another)
{
	struct leat_pool *pool =
		leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *endless = flow_on(scope, pool), *other = flow_on(NULL, pool);
	struct numbers all = { .end = UINT64_MAX }, few = { .end = N };
	struct tally tally = { 0 };

	leat_flow_for_each(
		leat_flow_step(leat_flow_from_seq(endless, LEAT_T(u64), numbers_seq(&all)),
	                       &keep_none, NULL),
		&ignore, NULL);
	leat_flow_for_each(leat_flow_from_seq(other, LEAT_T(u64), numbers_seq(&few)), &count_each,
	                   &tally);
	expect_start(endless);
	expect_start(other);
	expect_join(other, 0);
	cr_expect_eq(tally.count, N);
	leat_scope_cancel(scope, 0, NULL);
	expect_join(endless, 0);
	leat_flow_close(endless);
	leat_flow_close(other);
	leat_scope_close(scope);
	leat_pool_close(pool);
}

/* --- ends while nothing runs --- */

enum ending { CONSUMER_LEAVES, CANCEL, STOP, CLOSE, ENDINGS };

static uint64_t send_some(struct leat_tx *tx)
{
	uint64_t n;

	for (n = 0; n < 3; n++)
		cr_assert_eq(leat_send(tx, &n), 0);
	return n;
}

/* Sends until the ring behind the island is full, and so is the channel before it, for a while. */
static uint64_t fill_all(struct leat_tx *tx, struct leat_rx *out)
{
	uint64_t n = 0;

	for (int refused = 0; refused < 100 || leat_rx_pending(out) < 3;) {
		if (leat_try_send(tx, &n) == 0) {
			n++;
			refused = 0;
		} else {
			refused++;
			sched_yield();
		}
	}
	return n;
}

/* Idle: its input has no item. Full: nobody takes what it has made. */
Test(flow_pool, each_ending_while_no_worker_is_in_it)
{
	for (int full = 0; full < 2; full++)
		for (enum ending ending = 0; ending < ENDINGS; ending++) {
			struct leat_pool *pool = leat_pool_open(NULL);
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct leat_flow *flow = flow_on(scope, pool);
			struct leat_rx *in, *out = NULL;
			uint64_t item, got = 0, sent;
			struct leat_port port;
			struct leat_tx *tx;

			cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &in), 0);
			port = leat_flow_step(leat_flow_from_rx(flow, LEAT_T(u64), in), &triple,
			                      NULL);
			leat_flow_to_rx(leat_flow_buffer(port, 3), &out);
			expect_start(flow);
			sent = full ? fill_all(tx, out) : send_some(tx);
			cr_assert_eq(leat_recv(out, &item), 1);
			cr_assert_eq(item, 0u);
			if (ending == CONSUMER_LEAVES) {
				leat_rx_close(out);
				out = NULL;
				while (!leat_tx_done(tx))
					sched_yield(); /* it leaves its input, too */
			} else if (ending == CANCEL) {
				leat_scope_cancel(scope, 0, "enough");
			} else if (ending == STOP) {
				/* its source is the program's sender, which ends by itself */
				leat_tx_close(tx);
				tx = NULL;
				for (got = 1; leat_recv(out, &item) == 1; got++)
					cr_assert_eq(item, got * 3);
				cr_expect_eq(got, sent);
			}
			if (ending != CLOSE)
				expect_join(flow, 0);
			leat_flow_close(flow);
			leat_rx_close(out);
			leat_tx_close(tx);
			leat_scope_close(scope);
			leat_pool_close(pool);
		}
}

Test(flow_pool, a_stop_ends_an_array_and_loses_nothing_it_has_passed_on)
{
	enum { MANY = 100000 };
	struct leat_pool *pool = leat_pool_open(NULL);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = flow_on(scope, pool);
	uint64_t *array = numbers_below(MANY), item, got = 0;
	struct leat_step_stat stat;
	struct leat_rx *out = NULL;

	leat_flow_to_rx(
		leat_flow_step(leat_flow_from_array(flow, LEAT_T(u64), array, MANY), &triple, NULL),
		&out);
	expect_start(flow);
	cr_assert_eq(leat_recv(out, &item), 1);
	leat_scope_stop(scope, LEAT_NEVER, "enough");
	for (got = 1; leat_recv(out, &item) == 1; got++)
		cr_assert_eq(item, got * 3);
	expect_join(flow, 0);
	cr_assert_eq(leat_flow_stat(flow, 1, &stat), 0);
	cr_expect_eq(stat.made, got, "made %llu, received %llu", (unsigned long long)stat.made,
	             (unsigned long long)got);
	cr_expect_lt(got, (uint64_t)MANY);
	leat_rx_close(out);
	leat_flow_close(flow);
	leat_scope_close(scope);
	leat_pool_close(pool);
	free(array);
}
