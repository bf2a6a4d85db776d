/*
 * tests/unit/flow_window.c: windows by time: which items are in one, from each source, and with
 * what is cut before and behind.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "timed.h"

TestSuite(flow_window, .timeout = 60);

LEAT_BATCH(four, u64, 4);
LEAT_BATCH(one, u64, 1);
LEAT_BATCH(four_pairs, both, 4);
LEAT_PAIR(with_window, u64, four);

static struct leat_port add_window(struct leat_port port, const void *unused)
{
	(void)unused;
	return leat_flow_window_within(port, LEAT_T(four), 10 * MS);
}

static void start_window(struct timed *t)
{
	*t = timed_open();
	leat_flow_to_rx(add_window(input(t, 0), NULL), &t->out);
	expect_start(t->flow);
}

/* These, side by side. */
static void expect_window(struct leat_rx *out, uint64_t first, size_t count)
{
	leat_item_four got;

	cr_assert_eq(leat_try_recv(out, &got), 1, "no window with %llu", (unsigned long long)first);
	cr_assert_eq(got.count, count, "%llu items, not %zu", (unsigned long long)got.count, count);
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(got.items[i], first + i);
}

Test(flow_window, each_item_comes_with_those_within_the_time_before_it)
{
	struct timed t;

	start_window(&t);
	put_settled(&t, 0);
	expect_window(t.out, 0, 1);
	clock_advance(4 * MS);
	put_settled(&t, 1);
	expect_window(t.out, 0, 2);
	clock_advance(6 * MS);
	put_settled(&t, 2); /* the first came 10 ms before it */
	expect_window(t.out, 0, 3);
	clock_advance(1);
	put_settled(&t, 3);
	expect_window(t.out, 1, 3);
	clock_advance(9 * MS);
	put_settled(&t, 4); /* the second came 15 ms before it */
	expect_window(t.out, 2, 3);
	clock_advance(10 * MS + 1);
	put_settled(&t, 5);
	expect_window(t.out, 5, 1);
	end_input(&t, 0);
	expect_join(t.flow, 0);
	expect_stat(t.flow, 1, "window_within",
	            (struct leat_step_stat){ .in = 6, .used = 6, .made = 6 });
	timed_close(&t, 0);
}

/* With more than there is room for, the last ones; and times go on with their items. */
Test(flow_window, a_window_that_is_full_has_the_last_items)
{
	struct timed t;

	start_window(&t);
	for (uint64_t i = 0; i < 10; i++) {
		put_settled(&t, i);
		expect_window(t.out, i < 4 ? 0 : i - 3, i < 4 ? i + 1 : 4);
		clock_advance(MS);
	}
	clock_advance(8 * MS); /* the items 7, 8, 9 came 11, 10, 9 ms before */
	put_settled(&t, 10);
	expect_window(t.out, 8, 3);
	end_input(&t, 0);
	timed_close(&t, 0);
}

Test(flow_window, a_window_with_room_for_one_has_the_item_alone)
{
	struct timed t = timed_open();
	leat_item_one got;

	leat_flow_to_rx(leat_flow_window_within(input(&t, 0), LEAT_T(one), INT64_MAX), &t.out);
	expect_start(t.flow);
	for (uint64_t i = 0; i < 3; i++) {
		put_settled(&t, i);
		cr_assert_eq(leat_try_recv(t.out, &got), 1);
		cr_assert(got.count == 1 && got.items[0] == i);
	}
	end_input(&t, 0);
	timed_close(&t, 0);
}

Test(flow_window, one_window_for_each_item_of_each_source)
{
	enum { ITEMS = 700 };

	for (int source = 0; source < 4; source++)
		for (enum cut cut = BARE; cut < CUTS; cut++) {
			struct sent sent;
			leat_item_four got;

			sent_start(&sent, source, cut, ITEMS, add_window, NULL);
			if (sent.other != NULL && cut == TEED) {
				leat_rx_close(sent.other);
				sent.other = NULL;
			}
			for (uint64_t i = 0; i < ITEMS; i++) {
				cr_assert_eq(leat_recv(sent.out, &got), 1);
				cr_assert_eq(got.count, i < 4 ? i + 1 : 4);
				cr_assert_eq(got.items[got.count - 1], i);
			}
			cr_assert_eq(leat_recv(sent.out, &got), 0);
			sent_close(&sent);
		}
}

static int fail_source(struct leat_tx *out, void *arg)
{
	int rc = run_numbers(out, arg);

	return rc != 0 ? rc : leat_tx_fail(out, -EIO, "disk gone");
}

Test(flow_window, a_failure_of_the_source_is_behind_all_windows)
{
	struct timed t = timed_open();
	uint64_t end = 3;
	leat_item_four got;

	leat_flow_to_rx(
		add_window(leat_flow_from_gen(t.flow, LEAT_T(u64), fail_source, &end), NULL),
		&t.out);
	expect_start(t.flow);
	clock_settle();
	for (size_t i = 0; i < 3; i++)
		expect_window(t.out, 0, i + 1);
	cr_assert_eq(leat_recv(t.out, &got), 0);
	timed_close(&t, -EIO);
}

/* An idle one, by its consumer, a cancel, or a stop and the end of its input. */
Test(flow_window, what_ends_a_window)
{
	for (int how = 0; how < 3; how++) {
		struct timed t;

		start_window(&t);
		put_settled(&t, 0);
		if (how == 0) {
			leat_rx_close(t.out);
			t.out = NULL;
		} else if (how == 1) {
			leat_scope_cancel(t.scope, 0, "enough");
		} else {
			cr_assert_eq(leat_scope_stop(t.scope, LEAT_NEVER, "enough"), 0);
			end_input(&t, 0);
		}
		expect_join(t.flow, 0);
		if (how == 2)
			expect_window(t.out, 0, 1);
		timed_close(&t, 0);
	}
}

Test(flow_window, a_window_in_a_diamond_keeps_its_items_in_step)
{
	enum { ITEMS = 300 };

	for (int side = 0; side < 2; side++) {
		struct leat_flow *flow;
		struct leat_port sides[2];
		uint64_t *array = numbers_below(ITEMS);
		leat_item_with_window *got;
		size_t count;

		flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 4 });
		leat_flow_tee(leat_flow_from_array(flow, LEAT_T(u64), array, ITEMS), sides, 2);
		sides[side] = add_window(sides[side], NULL);
		leat_flow_collect(leat_flow_zip(sides[!side], sides[side], LEAT_T(with_window)),
		                  (void **)&got, &count);
		expect_start(flow);
		expect_join(flow, 0);
		cr_assert_eq(count, ITEMS);
		for (size_t i = 0; i < count; i++)
			cr_assert(got[i].first == i &&
			          got[i].second.items[got[i].second.count - 1] == i);
		leat_flow_close(flow);
		free(array);
		free(got);
	}
}

Test(flow_window, a_window_behind_a_zip)
{
	struct timed t = timed_open();
	leat_item_four_pairs got;

	leat_flow_to_rx(
		leat_flow_window_within(leat_flow_zip(input(&t, 0), input(&t, 1), LEAT_T(both)),
	                                LEAT_T(four_pairs), 10 * MS),
		&t.out);
	expect_start(t.flow);
	put(&t, 0, 1);
	clock_advance(20 * MS); /* it comes with its pair */
	put(&t, 1, 11);
	put(&t, 0, 2);
	clock_settle();
	put(&t, 1, 12);
	for (uint64_t i = 1; i < 3; i++) {
		cr_assert_eq(leat_recv(t.out, &got), 1);
		cr_assert_eq(got.count, i);
		cr_assert(got.items[i - 1].first == i && got.items[i - 1].second == i + 10);
	}
	end_input(&t, 0);
	timed_close(&t, 0);
}

/* Workers by key, with a window each, are told to have them elsewhere, as of all that counts. */
Test(flow_window, mistakes)
{
	static const struct {
		const struct leat_type *batch;
		int64_t ns;
		const char *words;
	} mistakes[] = {
		{ LEAT_T(four), 0, "window_within: its time is 0 ns: it must be above 0" },
		{ LEAT_T(four), -1, "window_within: its time is -1 ns: it must be above 0" },
		{ LEAT_T(u64), 1, "want a type made by LEAT_BATCH()" },
		{ LEAT_T(four_pairs), 1,
		  "window_within: a batch \"four_pairs\" is of items of type \"both\"" },
		{ LEAT_T(four), 1, "window_within: it is behind workers" },
	};

	for (size_t i = 0; i < COUNT(mistakes); i++) {
		struct timed t = timed_open();
		struct leat_port port = input(&t, 0);

		if (i == 4)
			port = leat_flow_workers_by(port, 2, key_of, NULL);
		port = leat_flow_window_within(port, mistakes[i].batch, mistakes[i].ns);
		leat_flow_to_rx(i == 4 ? leat_flow_gather(port) : port, &t.out);
		cr_assert_eq(leat_flow_start(t.flow), -EINVAL);
		expect_words(t.flow, mistakes[i].words);
		timed_close(&t, -EINVAL);
	}
}

static void discard_owned(void *item, void *arg)
{
	(void)item, (void)arg;
}
LEAT_TYPE_OWNED(owned, uint64_t, discard_owned, NULL);
LEAT_BATCH(several_owned, owned, 4);

Test(flow_window, items_that_own_something_are_refused)
{
	struct timed t = timed_open();
	struct leat_port port = leat_flow_from_rx(t.flow, LEAT_T(owned), t.in[0]);

	t.in[0] = NULL;
	leat_flow_to_rx(leat_flow_window_within(port, LEAT_T(several_owned), MS), &t.out);
	cr_assert_eq(leat_flow_start(t.flow), -EINVAL);
	expect_words(t.flow, "items that own something cannot be copied");
	timed_close(&t, -EINVAL);
}

/* It adds no thread and no ring, needs none on a pool, and is in the picture by its name. */
Test(flow_window, what_a_window_costs)
{
	struct leat_pool *pool = leat_pool_open(NULL);
	struct leat_flow *flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .pool = pool });
	uint64_t *array = numbers_below(100);
	struct leat_flow_cost cost;
	leat_item_four *got;
	char *text = NULL;
	size_t size, count;
	FILE *out = open_memstream(&text, &size);

	leat_flow_collect(add_window(leat_flow_from_array(flow, LEAT_T(u64), array, 100), NULL),
	                  (void **)&got, &count);
	cr_assert_eq(leat_flow_estimate(flow, &cost), 0);
	cr_assert(cost.threads == 0 && cost.rings == 0 && cost.islands == 1);
	cr_assert_eq(leat_flow_draw(flow, out), 0);
	fclose(out);
	cr_assert_not_null(strstr(text, "window_within"), "%s", text);
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert_eq(count, 100u);
	leat_flow_close(flow);
	leat_pool_close(pool);
	free(array);
	free(text);
	free(got);
}
