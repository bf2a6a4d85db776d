/*
 * tests/unit/flow_library.c: the steps of libleat-flow: flat maps, batches, windows, distinct keys,
 * rates.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"

#include <leat/flow.h>
#include <leat/test.h>

TestSuite(flow_library, .timeout = 60);

enum { MANY = 1000 };

LEAT_BATCH(ten, u64, 10);
LEAT_BATCH(three, u64, 3);

static uint64_t *numbers(void)
{
	static uint64_t items[MANY];

	for (uint64_t i = 0; i < MANY; i++)
		items[i] = i;
	return items;
}

struct run {
	struct leat_scope *scope;
	struct leat_flow *flow;
	void *items;
	size_t count;
};

static struct run run_open(void)
{
	struct run run = { .scope = leat_scope_open(NULL, NULL) };

	cr_assert_not_null(run.scope);
	run.flow = leat_flow_open(run.scope, NULL);
	cr_assert_not_null(run.flow);
	return run;
}

static void run_to_end(struct run *run)
{
	cr_assert_eq(leat_flow_start(run->flow), 0, "%s", leat_flow_error(run->flow));
	cr_expect_eq(leat_flow_join(run->flow), 0, "%s", leat_flow_error(run->flow));
}

static void run_close(struct run *run)
{
	leat_flow_close(run->flow);
	free(run->items);
	cr_expect_eq(leat_scope_close(run->scope), 0);
}

LEAT_FLAT_MAP(some, u64, x, u64, y, 3, const void *, unused)
{
	(void)unused;
	for (uint64_t i = 0; i < *x % 4; i++)
		y[i] = *x;
	return (int)(*x % 4);
}

Test(flow_library, a_flat_map_makes_any_number_of_each_item_also_into_a_ring_of_few)
{
	for (size_t capacity = 1; capacity < 9; capacity++) {
		struct run run = run_open();
		const uint64_t *items;
		size_t at = 0;

		leat_flow_collect(
			leat_flow_buffer(leat_flow_step(leat_flow_from_array(run.flow, LEAT_T(u64),
		                                                             numbers(), MANY),
		                                        &some, NULL),
		                         capacity),
			&run.items, &run.count);
		run_to_end(&run);
		cr_assert_eq(run.count, MANY / 4 * 6);
		items = run.items;
		for (uint64_t x = 0; x < MANY; x++)
			for (uint64_t i = 0; i < x % 4; i++)
				cr_assert_eq(items[at++], x);
		run_close(&run);
	}
}

Test(flow_library, batches_by_count_and_the_rest_at_the_end)
{
	struct run run = run_open();
	const leat_item_ten *batches;

	leat_flow_collect(
		leat_flow_batch(leat_flow_from_array(run.flow, LEAT_T(u64), numbers(), MANY - 5),
	                        LEAT_T(ten), 0),
		&run.items, &run.count);
	run_to_end(&run);
	cr_assert_eq(run.count, MANY / 10);
	batches = run.items;
	for (size_t i = 0; i < run.count; i++) {
		cr_expect_eq(batches[i].count, i + 1 < run.count ? 10 : 5);
		cr_expect_eq(batches[i].items[0], i * 10);
	}
	run_close(&run);
}

Test(flow_library, a_batch_goes_on_when_its_time_is_over)
{
	struct leat_tx *tx;
	struct leat_rx *in, *out;
	leat_item_ten batch;

	clock_start();
	struct run run = run_open();
	cr_assert_eq(leat_chan_open(run.scope, 8, NULL, &tx, &in), 0);
	leat_flow_to_rx(
		leat_flow_batch(leat_flow_from_rx(run.flow, LEAT_T(u64), in), LEAT_T(ten), 10 * MS),
		&out);
	cr_assert_eq(leat_flow_start(run.flow), 0);
	for (uint64_t round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 3; i++)
			cr_assert_eq(leat_send(tx, &i), 0);
		clock_settle();
		cr_expect_eq(leat_try_recv(out, &batch), -EAGAIN);
		clock_advance(10 * MS - 1);
		clock_settle();
		cr_expect_eq(leat_try_recv(out, &batch), -EAGAIN);
		clock_advance(1);
		cr_assert_eq(leat_recv(out, &batch), 1);
		cr_expect_eq(batch.count, 3);
	}
	leat_tx_close(tx);
	cr_expect_eq(leat_recv(out, &batch), 0);
	leat_rx_close(out);
	cr_expect_eq(leat_flow_join(run.flow), 0);
	run_close(&run);
}

Test(flow_library, a_window_has_each_item_with_those_before_it)
{
	struct run run = run_open();
	const leat_item_three *windows;

	leat_flow_collect(
		leat_flow_window(leat_flow_from_array(run.flow, LEAT_T(u64), numbers(), MANY),
	                         LEAT_T(three)),
		&run.items, &run.count);
	run_to_end(&run);
	cr_assert_eq(run.count, MANY - 2);
	windows = run.items;
	for (size_t i = 0; i < run.count; i++)
		for (size_t k = 0; k < 3; k++)
			cr_assert_eq(windows[i].items[k], i + k);
	run_close(&run);
}

static uint64_t modulo(const void *item, const void *arg)
{
	return *(const uint64_t *)item % *(const uint64_t *)arg;
}

/* Against a plain list of the last keys. */
Test(flow_library, distinct_keeps_the_last_keys)
{
	enum { MOST = 7 };
	static uint64_t items[MANY];
	uint64_t last[MOST] = { 0 }, came = 0, random = 1;
	struct run run = run_open();
	size_t at = 0;

	for (size_t i = 0; i < MANY; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		items[i] = random >> 33;
	}
	leat_flow_collect(
		leat_flow_distinct(leat_flow_from_array(run.flow, LEAT_T(u64), items, MANY), modulo,
	                           &(uint64_t){ 12 }, MOST),
		&run.items, &run.count);
	run_to_end(&run);
	for (size_t i = 0; i < MANY; i++) {
		uint64_t key = items[i] % 12;
		bool known = false;

		for (size_t k = 0; k < MOST && k < came; k++)
			known |= last[k] == key;
		if (known)
			continue;
		last[came++ % MOST] = key;
		cr_assert_lt(at, run.count);
		cr_assert_eq(((const uint64_t *)run.items)[at++], items[i]);
	}
	cr_expect_eq(at, run.count);
	run_close(&run);
}

Test(flow_library, a_rate_lets_items_through_as_they_are_due)
{
	struct leat_rate *rate;
	struct leat_rx *out;
	uint64_t got;

	clock_start();
	struct run run = run_open();
	rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 1000, .burst = 1 });
	leat_flow_to_rx(
		leat_flow_rate(leat_flow_from_array(run.flow, LEAT_T(u64), numbers(), 4), rate),
		&out);
	cr_assert_eq(leat_flow_start(run.flow), 0);
	cr_assert_eq(leat_recv(out, &got), 1);
	for (uint64_t i = 1; i < 4; i++) {
		clock_settle();
		cr_expect_eq(leat_try_recv(out, &got), -EAGAIN);
		clock_advance(MS);
		cr_assert_eq(leat_recv(out, &got), 1);
		cr_expect_eq(got, i);
	}
	cr_expect_eq(leat_recv(out, &got), 0);
	leat_rx_close(out);
	cr_expect_eq(leat_flow_join(run.flow), 0);
	leat_rate_close(rate);
	run_close(&run);
}

Test(flow_library, a_cancel_ends_a_wait_for_a_rate_and_fails_nothing)
{
	struct leat_rate *rate =
		leat_rate_open(&(struct leat_rate_opts){ .per_second = 0.001, .burst = 1 });
	struct run run = run_open();
	struct leat_rx *out;
	uint64_t got;

	leat_flow_to_rx(
		leat_flow_rate(leat_flow_from_array(run.flow, LEAT_T(u64), numbers(), 4), rate),
		&out);
	cr_assert_eq(leat_flow_start(run.flow), 0);
	cr_assert_eq(leat_recv(out, &got), 1);
	leat_scope_cancel(run.scope, 0, NULL);
	leat_rx_close(out);
	cr_expect_eq(leat_flow_join(run.flow), 0);
	cr_expect_str_eq(leat_flow_error(run.flow), "");
	leat_rate_close(rate);
	run_close(&run);
}

Test(flow_library, the_array_of_to_array_stays_the_callers_where_nothing_is_joined)
{
	for (int started = 0; started < 2; started++) {
		struct run run = run_open();
		uint64_t room[MANY];
		size_t count;

		leat_flow_to_array(
			leat_flow_take(leat_flow_from_array(run.flow, LEAT_T(u64), numbers(), MANY),
		                       MANY),
			room, MANY, &count);
		if (started)
			cr_assert_eq(leat_flow_start(run.flow), 0);
		run_close(&run);
		cr_expect_eq(count, 0, "it is told by join");
	}
}
