/*
 * tests/unit/flow_delay.c: items that are held for a time: from each source, with what is cut
 * before and behind, and with all that may end the wait.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "timed.h"

TestSuite(flow_delay, .timeout = 60);

Test(flow_delay, a_delay_holds_from_one_item_to_what_memory_has_room_for)
{
	static const size_t most[] = { 0, SIZE_MAX / 4, SIZE_MAX };

	for (size_t i = 0; i < COUNT(most); i++) {
		struct timed t = timed_open();
		char words[60];

		leat_flow_to_rx(leat_flow_delay(input(&t, 0), MS, most[i]), &t.out);
		cr_assert_eq(leat_flow_start(t.flow), -EINVAL);
		snprintf(words, sizeof(words), "delay: it may hold %zu items: it must be ",
		         most[i]);
		expect_words(t.flow, words);
		timed_close(&t, -EINVAL);
	}
}

Test(flow_delay, a_delay_of_each_source_holds_so_many_and_gives_all_in_order)
{
	for (int source = 0; source < 4; source++)
		for (enum cut cut = BARE; cut < CUTS; cut++) {
			struct sent sent;
			uint64_t got, before;

			sent_open(&sent, source, cut, 5, 2);
			/* two at a time: the others wait before it */
			for (uint64_t i = 0; i < 5; i++) {
				if (i % 2 == 0) {
					clock_advance(10 * MS - 1);
					cr_assert_eq(leat_try_recv(sent.out, &before), -EAGAIN);
					clock_advance(1);
				}
				cr_assert_eq(leat_try_recv(sent.out, &got), 1);
				cr_assert_eq(got, i);
			}
			cr_assert_eq(leat_try_recv(sent.out, &got), 0);
			sent_close(&sent);
		}
}

/* Full, with items before it, or at its end, with items that it holds. */
Test(flow_delay, a_cancel_ends_the_wait_of_a_delay)
{
	for (int source = 0; source < 4; source++)
		for (enum cut cut = BARE; cut < CUTS; cut++)
			for (size_t most = 2; most < 10; most += 6) {
				struct sent sent;

				sent_open(&sent, source, cut, 5, most);
				leat_scope_cancel(sent.scope, 0, "enough");
				expect_join(sent.flow, 0);
				cr_assert_str_eq(leat_flow_error(sent.flow), "");
				sent_close(&sent);
			}
}

Test(flow_delay, consumers_that_leave_end_the_wait_of_a_delay)
{
	for (int source = 0; source < 4; source++)
		for (enum cut cut = BARE; cut < CUTS; cut++)
			for (size_t most = 2; most < 10; most += 6) {
				struct sent sent;

				sent_open(&sent, source, cut, 5, most);
				/* the clock stands still: nothing but that ends it */
				sent_close(&sent);
			}
}

Test(flow_delay, one_of_two_consumers_leaves_while_a_delay_waits)
{
	for (int first = 0; first < 2; first++)
		for (size_t most = 2; most < 10; most += 6) {
			struct sent sent;
			uint64_t got;

			sent_open(&sent, 0, PARTED, 5, most);
			leat_rx_close(first ? sent.out : sent.other);
			if (first)
				sent.out = NULL;
			else
				sent.other = NULL;
			clock_settle();
			for (int i = 0; i < 3; i++)
				clock_advance(10 * MS);
			for (uint64_t i = 0; i < 5 && !first; i++) {
				cr_assert_eq(leat_try_recv(sent.out, &got), 1);
				cr_assert_eq(got, i);
			}
			cr_assert_eq(leat_try_recv(first ? sent.other : sent.out, &got), 0);
			sent_close(&sent);
		}
}

/* The source ends; what is on its way waits for its time. */
Test(flow_delay, a_stop_while_a_delay_waits_loses_nothing_that_was_taken)
{
	for (int source = 0; source < 3; source++)
		for (enum cut cut = BARE; cut < CUTS; cut++)
			for (size_t most = 2; most < 10000; most += 9000) {
				struct sent sent;
				struct leat_step_stat stat;
				uint64_t got, count = 0;
				int rc = -EAGAIN;

				sent_open(&sent, source, cut, 8000, most);
				cr_assert_eq(leat_scope_stop(sent.scope, LEAT_NEVER, "enough"), 0);
				while (rc != 0) {
					clock_advance(10 * MS);
					while ((rc = leat_try_recv(sent.out, &got)) == 1)
						cr_assert_eq(got, count++);
					cr_assert(rc == 0 || rc == -EAGAIN, "%d", rc);
					while (cut == TEED &&
					       leat_try_recv(sent.other, &got) == 1) {
					}
				}
				expect_join(sent.flow, 0);
				cr_assert_eq(leat_flow_stat(sent.flow, 0, &stat), 0);
				cr_assert_eq(stat.made, count, "%d, %d: %llu of %llu", source, cut,
				             (unsigned long long)count,
				             (unsigned long long)stat.made);
				if (most == 2)
					cr_assert_lt(count, 8000u);
				sent_close(&sent);
			}
}

/* --- delay --- */

Test(flow_delay, a_delay_gives_each_item_when_its_time_has_passed)
{
	struct timed t = timed_open();

	leat_flow_to_rx(leat_flow_step(leat_flow_delay(input(&t, 0), 10 * MS, 8), &triple, NULL),
	                &t.out);
	expect_start(t.flow);
	put_settled(&t, 1);
	expect_none_for(&t, 4 * MS);
	put_settled(&t, 2);
	put_settled(&t, 3);
	expect_none_for(&t, 6 * MS);
	expect_item(&t, 3);
	end_input(&t, 0);
	clock_settle();
	expect_none_for(&t, 4 * MS);
	expect_item(&t, 6);
	expect_item(&t, 9);
	expect_end(&t);
	expect_join(t.flow, 0);
	expect_stat(t.flow, 1, "delay", (struct leat_step_stat){ .in = 3, .used = 3, .made = 3 });
	timed_close(&t, 0);
}

Test(flow_delay, a_consumer_that_leaves_an_idle_delay_ends_it)
{
	struct timed t = timed_open();

	leat_flow_to_rx(leat_flow_delay(input(&t, 0), 10 * MS, 8), &t.out);
	expect_start(t.flow);
	put_settled(&t, 1);
	leat_rx_close(t.out);
	t.out = NULL;
	expect_join(t.flow, 0);
	expect_stat(t.flow, 1, "delay", (struct leat_step_stat){ .in = 1, .used = 1 });
	timed_close(&t, 0);
}

/* What is held goes on at its time, and then the failure. */
static int fail_source(struct leat_tx *out, void *arg)
{
	int rc = run_numbers(out, arg);

	return rc != 0 ? rc : leat_tx_fail(out, -EIO, "disk gone");
}

Test(flow_delay, a_failure_of_the_source_is_behind_what_a_delay_holds)
{
	struct timed t = timed_open();
	uint64_t end = 3;

	leat_flow_to_rx(leat_flow_delay(leat_flow_from_gen(t.flow, LEAT_T(u64), fail_source, &end),
	                                10 * MS, 2),
	                &t.out);
	expect_start(t.flow);
	expect_none_for(&t, 10 * MS);
	expect_item(&t, 0);
	expect_item(&t, 1);
	expect_none_for(&t, 10 * MS);
	expect_item(&t, 2);
	expect_end(&t);
	timed_close(&t, -EIO);
}

Test(flow_delay, a_step_behind_that_has_enough_ends_a_delay)
{
	struct sent sent = { .scope = leat_scope_open(NULL, NULL), .end = 100 };
	struct collected got;

	clock_start();
	sent.flow = leat_flow_open(sent.scope, NULL);
	sent.array = numbers_below(100);
	collect(leat_flow_take(leat_flow_delay(source_of(&sent, 0), 10 * MS, 2), 3), &got);
	expect_start(sent.flow);
	clock_advance(20 * MS);
	sent_close(&sent);
	expect_series(&got, 0, 1, 3);
	free(got.items);
}

/* A step behind a delay that waits, full or at its end, is called when it is due. */
LEAT_BATCH(many, u64, 100);

Test(flow_delay, a_step_behind_a_delay_that_waits_is_called_when_it_is_due)
{
	for (size_t most = 1; most < 10; most += 8) {
		struct timed t = timed_open();
		leat_item_many got;

		leat_flow_to_rx(leat_flow_batch(leat_flow_delay(input(&t, 0), 10 * MS, most),
		                                LEAT_T(many), 3 * MS),
		                &t.out);
		expect_start(t.flow);
		put_settled(&t, 1);
		clock_advance(5 * MS);
		put_settled(&t, 2);
		end_input(&t, 0);
		clock_advance(8 * MS - 1);
		cr_assert_eq(leat_try_recv(t.out, &got), -EAGAIN);
		clock_advance(1); /* 3 ms behind the first item, before the second */
		cr_assert_eq(leat_try_recv(t.out, &got), 1);
		cr_assert(got.count == 1 && got.items[0] == 1);
		clock_advance(10 * MS);
		cr_assert_eq(leat_try_recv(t.out, &got), 1);
		cr_assert(got.count == 1 && got.items[0] == 2);
		timed_close(&t, 0);
	}
}

Test(flow_delay, a_delay_in_a_diamond_keeps_its_items_in_step)
{
	enum { ITEMS = 300 };

	for (int side = 0; side < 2; side++) {
		struct leat_flow *flow;
		struct leat_port sides[2];
		uint64_t *array = numbers_below(ITEMS);
		leat_item_both *got;
		size_t count;

		clock_start();
		flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 4 });
		leat_flow_tee(leat_flow_from_array(flow, LEAT_T(u64), array, ITEMS), sides, 2);
		sides[side] = leat_flow_delay(sides[side], 10 * MS, 20);
		sides[!side] = leat_flow_timeout(sides[!side], 1000 * MS);
		leat_flow_collect(leat_flow_zip(sides[0], sides[1], LEAT_T(both)), (void **)&got,
		                  &count);
		expect_start(flow);
		clock_advance(ITEMS * 10 * MS);
		expect_join(flow, 0);
		cr_assert_eq(count, ITEMS);
		for (size_t i = 0; i < count; i++)
			cr_assert(got[i].first == i && got[i].second == i);
		leat_flow_close(flow);
		free(array);
		free(got);
	}
}

/* What a delay that waits has taken of a ring is room there. */
Test(flow_delay, a_delay_that_waits_has_released_what_it_holds)
{
	struct timed t = timed_open();
	struct leat_tx *tx;
	struct leat_rx *in;
	uint64_t item = 0;

	cr_assert_eq(leat_chan_open(t.scope, sizeof(uint64_t),
	                            &(struct leat_chan_opts){ .capacity = 4 }, &tx, &in),
	             0);
	for (; item < 4; item++)
		cr_assert_eq(leat_send(tx, &item), 0);
	leat_flow_to_rx(leat_flow_delay(leat_flow_from_rx(t.flow, LEAT_T(u64), in), 10 * MS, 2),
	                &t.out);
	expect_start(t.flow);
	clock_settle();
	for (; item < 6; item++)
		cr_assert_eq(leat_try_send(tx, &item), 0);
	cr_assert_eq(leat_try_send(tx, &item), -EAGAIN);
	leat_tx_close(tx);
	for (uint64_t i = 0; i < 6; i++) {
		if (i % 2 == 0)
			expect_none_for(&t, 10 * MS);
		expect_item(&t, i);
	}
	expect_end(&t);
	timed_close(&t, 0);
}

Test(flow_delay, a_part_that_leaves_while_a_delay_waits_does_not_end_the_others)
{
	struct timed t = timed_open();
	struct leat_port parts[2];
	struct leat_rx *first;

	leat_flow_partition(leat_flow_delay(input(&t, 0), 10 * MS, 1), key_of, NULL, parts, 2);
	leat_flow_to_rx(parts[0], &first);
	leat_flow_to_rx(parts[1], &t.out);
	expect_start(t.flow);
	for (uint64_t i = 1; i < 4; i += 2)
		put(&t, 0, i);
	end_input(&t, 0);
	clock_settle();
	leat_rx_close(first);
	for (uint64_t i = 1; i < 4; i += 2) {
		expect_none_for(&t, 10 * MS);
		expect_item(&t, i);
	}
	expect_end(&t);
	timed_close(&t, 0);
}

Test(flow_delay, a_stop_while_a_delay_before_an_end_waits)
{
	struct sent sent = { .scope = leat_scope_open(NULL, NULL), .end = 1000 };
	struct leat_step_stat stat;
	struct collected got;

	clock_start();
	sent.flow = leat_flow_open(sent.scope, NULL);
	sent.array = numbers_below(1000);
	collect(leat_flow_delay(source_of(&sent, 0), 10 * MS, 2), &got);
	expect_start(sent.flow);
	clock_settle();
	cr_assert_eq(leat_scope_stop(sent.scope, LEAT_NEVER, "enough"), 0);
	clock_advance(5000 * MS);
	expect_join(sent.flow, 0);
	cr_assert_eq(leat_flow_stat(sent.flow, 0, &stat), 0);
	expect_series(&got, 0, 1, (size_t)stat.made);
	cr_assert(got.count > 2 && got.count < 1000, "%zu", got.count);
	sent_close(&sent);
	free(got.items);
}
