/*
 * tests/unit/flow_time.c: what the steps of time have in common; debounce, sample and timeout.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "timed.h"

TestSuite(flow_time, .timeout = 60);

struct mistake {
	enum timed_step step;
	int64_t ns;
	int owned;
	const char *words;
};

static uint32_t discarded;

static void discard_owned(void *item, void *arg)
{
	(void)item, (void)arg;
	leat_add_acqrel(&discarded, 1u);
}
LEAT_TYPE_OWNED(owned, uint64_t, discard_owned, NULL);

Test(flow_time, mistakes)
{
	static const struct mistake mistakes[] = {
		{ DELAY, 0, 0, "delay: its time is 0 ns: it must be above 0" },
		{ DEBOUNCE, -1, 0, "debounce: its time is -1 ns: it must be above 0" },
		{ SAMPLE, 0, 0, "sample: its time is 0 ns" },
		{ TIMEOUT, INT64_MIN, 0, "timeout: its time is -9223372036854775808 ns" },
		{ DELAY, 1, 1,
		  "delay: it holds copies, and items of type \"owned\" own something" },
		{ DEBOUNCE, 1, 1, "debounce: it holds copies, and items of type \"owned\" own " },
		{ SAMPLE, 1, 1, "sample: it holds copies, and items of type \"owned\" own " },
	};

	for (size_t i = 0; i < COUNT(mistakes); i++) {
		struct timed t = timed_open();
		const struct leat_type *type = mistakes[i].owned ? LEAT_T(owned) : LEAT_T(u64);
		struct leat_port port = leat_flow_from_rx(t.flow, type, t.in[0]);

		t.in[0] = NULL;
		leat_flow_to_rx(add_timed(port, mistakes[i].step, mistakes[i].ns), &t.out);
		cr_assert_eq(leat_flow_start(t.flow), -EINVAL);
		expect_words(t.flow, mistakes[i].words);
		timed_close(&t, -EINVAL);
	}
}

Test(flow_time, no_step_of_time_is_behind_workers)
{
	for (enum timed_step step = DELAY; step < TIMED_STEPS; step++) {
		struct timed t = timed_open();
		struct leat_port port = leat_flow_workers(input(&t, 0), 2, LEAT_ORDERED);
		char words[100];

		leat_flow_to_rx(leat_flow_gather(add_timed(port, step, MS)), &t.out);
		cr_assert_eq(leat_flow_start(t.flow), -EINVAL);
		snprintf(words, sizeof(words), "%s: it is behind workers", timed_names[step]);
		expect_words(t.flow, words);
		timed_close(&t, -EINVAL);
		t = timed_open();
		port = leat_flow_on_error(add_timed(input(&t, 0), step, MS), LEAT_ON_ERROR_SKIP);
		leat_flow_to_rx(port, &t.out);
		cr_assert_eq(leat_flow_start(t.flow), -EINVAL);
		expect_words(t.flow, "is no step of the program's");
		timed_close(&t, -EINVAL);
	}
}

/* Before workers and behind gather they are like anywhere else; and they add no thread and no ring.
 */
Test(flow_time, steps_of_time_before_and_behind_workers)
{
	for (enum timed_step step = DELAY; step < TIMED_STEPS; step++) {
		struct timed t = timed_open();
		struct leat_flow_cost cost;
		struct leat_port port = add_timed(input(&t, 0), step, 10 * MS);

		port = leat_flow_gather(
			leat_flow_step(leat_flow_workers(port, 1, LEAT_ORDERED), &triple, NULL));
		leat_flow_to_rx(add_timed(port, step, 10 * MS), &t.out);
		cr_assert_eq(leat_flow_estimate(t.flow, &cost), 0);
		cr_assert_eq(cost.threads, 3u);
		cr_assert_eq(cost.rings, 3u);
		expect_start(t.flow);
		put_settled(&t, 1);
		put_settled(&t, 2);
		if (step == TIMEOUT)
			end_input(&t, 0);
		else
			expect_none_for(&t, 20 * MS);
		clock_settle();
		if (step == DELAY || step == TIMEOUT)
			expect_item(&t, 3);
		expect_item(&t, 6);
		if (step != TIMEOUT)
			end_input(&t, 0);
		expect_end(&t);
		timed_close(&t, 0);
	}
}

/* The picture has them by name. */
Test(flow_time, steps_of_time_are_drawn)
{
	struct timed t = timed_open();
	struct leat_port port = input(&t, 0);
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (enum timed_step step = DELAY; step < TIMED_STEPS; step++)
		port = add_timed(port, step, MS);
	leat_flow_to_rx(port, &t.out);
	cr_assert_eq(leat_flow_draw(t.flow, out), 0);
	fclose(out);
	for (enum timed_step step = DELAY; step < TIMED_STEPS; step++)
		cr_assert_not_null(strstr(text, timed_names[step]), "%s", text);
	free(text);
	expect_start(t.flow);
	end_input(&t, 0);
	timed_close(&t, 0);
}

Test(flow_time, steps_that_leave_items_out_are_refused_in_a_diamond)
{
	for (enum timed_step step = DEBOUNCE; step <= SAMPLE; step++) {
		struct timed t = timed_open();
		struct leat_port sides[2];
		struct leat_rx *out;

		leat_flow_tee(input(&t, 0), sides, 2);
		sides[1] = add_timed(sides[1], step, MS);
		leat_flow_to_rx(leat_flow_zip(sides[0], sides[1], LEAT_T(both)), &out);
		cr_assert_eq(leat_flow_start(t.flow), -EDEADLK);
		expect_words(t.flow, timed_names[step]);
		expect_words(t.flow, "put it before the tee or behind the zip");
		timed_close(&t, -EINVAL); /* it has not been started */
	}
}

/* --- debounce and sample --- */

static struct timed start_timed(enum timed_step step)
{
	struct timed t = timed_open();

	leat_flow_to_rx(add_timed(input(&t, 0), step, 10 * MS), &t.out);
	expect_start(t.flow);
	return t;
}

/* The input ends, and what is held comes at once. */
static void end_at_once(struct timed *t, uint64_t held)
{
	end_input(t, 0);
	clock_settle();
	expect_item(t, held);
	expect_end(t);
	expect_join(t->flow, 0);
}

Test(flow_time, a_debounce_gives_the_last_item_of_a_burst)
{
	struct timed t = start_timed(DEBOUNCE);

	for (uint64_t i = 0; i < 5; i++) {
		put(&t, 0, 10 * i);
		put_settled(&t, 10 * i + 1);
		expect_none_for(&t, 9 * MS);
	}
	expect_none_for(&t, MS);
	expect_item(&t, 41);
	expect_none_for(&t, 100 * MS);
	put_settled(&t, 7);
	expect_none_for(&t, 10 * MS);
	expect_item(&t, 7);
	put_settled(&t, 8);
	put_settled(&t, 9);
	end_at_once(&t, 9);
	expect_stat(t.flow, 1, "debounce",
	            (struct leat_step_stat){ .in = 13, .used = 3, .skipped = 10, .made = 3 });
	timed_close(&t, 0);
}

Test(flow_time, what_is_held_is_dropped_with_its_consumer_and_by_a_cancel)
{
	for (enum timed_step step = DELAY; step < TIMEOUT; step++)
		for (int leaves = 0; leaves < 2; leaves++) {
			struct timed t = start_timed(step);
			struct leat_step_stat stat;

			put_settled(&t, 1);
			put_settled(&t, 2);
			if (leaves) {
				leat_rx_close(t.out);
				t.out = NULL;
			} else {
				leat_scope_cancel(t.scope, 0, "enough");
			}
			expect_join(t.flow, 0);
			cr_assert_eq(leat_flow_stat(t.flow, 1, &stat), 0);
			cr_assert(stat.in == 2 && stat.used + stat.skipped == 2 && stat.made == 0);
			timed_close(&t, 0);
		}
}

/* An array is there at once, so all of it is one burst. */
Test(flow_time, a_burst_of_each_source_is_one_item)
{
	for (int source = 0; source < 4; source++)
		for (enum timed_step step = DEBOUNCE; step <= SAMPLE; step++) {
			struct sent sent = { .scope = leat_scope_open(NULL, NULL), .end = 1000 };
			struct collected got;

			clock_start();
			sent.flow = leat_flow_open(sent.scope, NULL);
			sent.array = numbers_below(1000);
			sent.numbers = (struct numbers){ .end = 1000 };
			collect(add_timed(source_of(&sent, source), step, 10 * MS), &got);
			expect_start(sent.flow);
			sent_close(&sent);
			expect_series(&got, 999, 1, 1);
			free(got.items);
		}
}

Test(flow_time, a_sample_gives_the_last_item_of_each_period)
{
	struct timed t = start_timed(SAMPLE);

	expect_none_for(&t, 13 * MS);
	put_settled(&t, 1);
	expect_none_for(&t, 4 * MS);
	put_settled(&t, 2);
	expect_none_for(&t, 3 * MS); /* 20 ms from the start */
	expect_item(&t, 2);
	expect_none_for(&t, 30 * MS);
	put_settled(&t, 3); /* at the time of one: it is of the next */
	expect_none_for(&t, 9 * MS);
	put_settled(&t, 4);
	expect_none_for(&t, MS);
	expect_item(&t, 4);
	put_settled(&t, 5);
	end_at_once(&t, 5);
	expect_stat(t.flow, 1, "sample",
	            (struct leat_step_stat){ .in = 5, .used = 3, .skipped = 2, .made = 3 });
	timed_close(&t, 0);
}

/* --- timeout --- */

Test(flow_time, a_timeout_fails_when_no_item_has_come_from_the_start)
{
	struct timed t = timed_open();

	leat_flow_to_rx(leat_flow_timeout(input(&t, 0), 1500 * MS), &t.out);
	expect_start(t.flow);
	expect_none_for(&t, 1500 * MS);
	expect_end(&t);
	expect_join(t.flow, -ETIMEDOUT);
	cr_assert_str_eq(leat_flow_error(t.flow),
	                 "step \"timeout\", after 0 items: no item came for 1500 ms");
	timed_close(&t, -ETIMEDOUT);
}

Test(flow_time, a_timeout_fails_when_no_item_has_come_since_the_last)
{
	static const struct {
		int64_t ns;
		const char *words;
	} times[] = { { 7, "for 7 ns" }, { 12000, "for 12 us" }, { 30000 * MS, "for 30 s" } };

	for (size_t i = 0; i < COUNT(times); i++) {
		struct timed t = timed_open();
		uint64_t got;

		leat_flow_to_rx(leat_flow_timeout(input(&t, 0), times[i].ns), &t.out);
		expect_start(t.flow);
		for (uint64_t n = 0; n < 3; n++) {
			clock_advance(times[i].ns - 1);
			put_settled(&t, n);
			expect_item(&t, n);
		}
		clock_advance(times[i].ns - 1);
		cr_assert_eq(leat_try_recv(t.out, &got), -EAGAIN);
		clock_advance(1);
		expect_end(&t);
		expect_join(t.flow, -ETIMEDOUT);
		expect_words(t.flow, "step \"timeout\", after 3 items: no item came ");
		expect_words(t.flow, times[i].words);
		expect_stat(t.flow, 1, "timeout",
		            (struct leat_step_stat){ .in = 3, .used = 3, .made = 3 });
		timed_close(&t, -ETIMEDOUT);
	}
}

Test(flow_time, a_source_that_ends_in_time_is_no_timeout)
{
	struct timed t = timed_open();

	leat_flow_to_rx(leat_flow_timeout(input(&t, 0), 10 * MS), &t.out);
	expect_start(t.flow);
	clock_advance(9 * MS);
	end_input(&t, 0);
	expect_end(&t);
	clock_advance(100 * MS);
	timed_close(&t, 0);
}

/* The island waits for room for minutes, while items wait before it. */
Test(flow_time, a_slow_consumer_is_no_timeout)
{
	struct timed t = timed_open();
	struct leat_port port;
	uint64_t got;

	leat_flow_close(t.flow);
	t.flow = leat_flow_open(t.scope, &(struct leat_flow_opts){ .capacity = 1 });
	port = leat_flow_timeout(leat_flow_step(input(&t, 0), &keep_even, NULL), 10 * MS);
	leat_flow_to_rx(leat_flow_step(port, &triple, NULL), &t.out);
	for (uint64_t i = 0; i < 7; i++)
		put(&t, 0, i);
	expect_start(t.flow);
	clock_settle();
	for (uint64_t i = 0; i < 6; i += 2) {
		clock_advance(60000 * MS);
		expect_item(&t, i * 3);
	}
	clock_settle();
	expect_item(&t, 18);
	clock_advance(10 * MS - 1); /* from when the island listens again */
	cr_assert_eq(leat_try_recv(t.out, &got), -EAGAIN);
	clock_advance(1);
	expect_end(&t);
	timed_close(&t, -ETIMEDOUT);
}

Test(flow_time, items_that_do_not_come_to_a_timeout_do_not_count)
{
	struct timed t = timed_open();

	leat_flow_to_rx(leat_flow_timeout(leat_flow_step(input(&t, 0), &keep_even, NULL), 10 * MS),
	                &t.out);
	expect_start(t.flow);
	put_settled(&t, 2);
	expect_item(&t, 2);
	for (uint64_t i = 1; i < 5; i += 2) {
		expect_none_for(&t, 4 * MS);
		put_settled(&t, i);
	}
	expect_none_for(&t, 2 * MS);
	expect_end(&t);
	timed_close(&t, -ETIMEDOUT);
}

LEAT_EACH(end_owned, owned, x, uint64_t *, sum)
{
	*sum += *x;
	return 0;
}

Test(flow_time, a_timeout_passes_on_items_that_own_something)
{
	struct timed t = timed_open();
	uint64_t sum = 0;

	leat_flow_for_each(
		leat_flow_timeout(leat_flow_from_rx(t.flow, LEAT_T(owned), t.in[0]), 10 * MS),
		&end_owned, &sum);
	t.in[0] = NULL;
	discarded = 0;
	expect_start(t.flow);
	for (uint64_t i = 1; i < 5; i++)
		put(&t, 0, i);
	clock_advance(20 * MS);
	expect_join(t.flow, -ETIMEDOUT);
	cr_assert_eq(sum, 10u);
	cr_assert_eq(discarded, 4u);
	timed_close(&t, -ETIMEDOUT);
}

Test(flow_time, steps_of_time_behind_a_zip)
{
	for (enum timed_step step = DELAY; step < TIMED_STEPS; step++) {
		struct timed t = timed_open();
		leat_item_both got;

		leat_flow_to_rx(add_timed(leat_flow_zip(input(&t, 0), input(&t, 1), LEAT_T(both)),
		                          step, 10 * MS),
		                &t.out);
		expect_start(t.flow);
		put(&t, 0, 1);
		put(&t, 0, 2); /* it waits for a second */
		put(&t, 1, 11);
		clock_settle();
		if (step != TIMEOUT)
			clock_advance(10 * MS);
		cr_assert_eq(leat_try_recv(t.out, &got), 1);
		cr_assert(got.first == 1 && got.second == 11);
		if (step == TIMEOUT)
			clock_advance(10 * MS);
		else
			end_input(&t, 1);
		clock_settle();
		cr_assert_eq(leat_try_recv(t.out, &got), 0);
		timed_close(&t, step == TIMEOUT ? -ETIMEDOUT : 0);
	}
}

/* Its island is at work when a step is due: what it is given then has come after that time. */
LEAT_MAP(rest_at_two, u64, x, u64, y, struct leat_scope *, scope)
{
	*y = *x;
	return *x == 2 ? leat_scope_sleep(scope, leat_now_ns() + 20 * MS) : 0;
}

Test(flow_time, steps_of_time_whose_island_is_at_work_when_they_are_due)
{
	for (enum timed_step step = DELAY; step < TIMED_STEPS; step++) {
		struct timed t = timed_open();

		leat_flow_to_rx(add_timed(leat_flow_step(input(&t, 0), &rest_at_two, t.scope), step,
		                          10 * MS),
		                &t.out);
		expect_start(t.flow);
		put_settled(&t, 1);
		if (step == TIMEOUT)
			expect_item(&t, 1);
		put_settled(&t, 2);
		expect_none_for(&t, 20 * MS);
		if (step != TIMEOUT)
			expect_item(&t, 1);
		else
			expect_item(&t, 2);
		expect_none_for(&t, 10 * MS);
		if (step != TIMEOUT)
			expect_item(&t, 2);
		else
			expect_end(&t);
		end_input(&t, 0);
		timed_close(&t, step == TIMEOUT ? -ETIMEDOUT : 0);
	}
}
