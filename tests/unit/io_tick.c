/*
 * tests/unit/io_tick.c: the sources of numbers: tick and count.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "clock.h"
#include "stream.h"

TestSuite(io_tick, .init = io_begin, .fini = io_end, .timeout = 600);

static uint64_t take_number(struct stream *stream)
{
	uint64_t number = 0;
	cr_assert_eq(leat_recv_until(stream->rx, &number, leat_now_ns() + PATIENCE_NS), 1);
	return number;
}

Test(io_tick, tick_sends_the_number_that_is_due)
{
	clock_start();
	const int64_t interval_ns = 5 * MS;
	struct leat_tick_opts opts = { .interval_ns = interval_ns };
	int64_t began_ns = leat_now_ns();
	struct stream stream = start_numbers(leat_tick, &opts);
	uint64_t tick;
	clock_settle();
	for (uint64_t n = 1; n <= 1000; n++) {
		clock_advance(began_ns + (int64_t)n * interval_ns - leat_now_ns() - 1);
		cr_assert_eq(leat_try_recv(stream.rx, &tick), -EAGAIN);
		clock_advance(1);
		cr_assert_eq(leat_try_recv(stream.rx, &tick), 1);
		cr_assert_eq(tick, n);
	}
	stop(&stream, 0);
}

Test(io_tick, tick_leaves_out_what_it_could_not_send)
{
	clock_start();
	struct leat_tick_opts opts = { .interval_ns = MS };
	struct stream stream = start_sized(leat_tick, &opts, sizeof(uint64_t), 1);
	uint64_t number;
	clock_settle();
	clock_advance(50 * MS);
	/* The first is in the channel; the source waits to send the second. */
	static const uint64_t expected[] = { 1, 2, 50 };
	for (size_t i = 0; i < COUNT(expected); i++) {
		cr_expect_eq(take_number(&stream), expected[i]);
		clock_settle();
	}
	cr_expect_eq(leat_try_recv(stream.rx, &number), -EAGAIN);
	clock_advance(MS);
	cr_expect_eq(take_number(&stream), 51);
	stop(&stream, 0);
}

Test(io_tick, tick_ends_quietly_at_its_time)
{
	clock_start();
	struct leat_tick_opts opts = { .interval_ns = INT64_MAX,
		                       .until_ns = leat_now_ns() + 20 * MS };
	struct stream stream = start_numbers(leat_tick, &opts);
	uint64_t number;
	clock_advance(20 * MS - 1);
	cr_expect_eq(leat_try_recv(stream.rx, &number), -EAGAIN);
	clock_advance(1);
	cr_expect_eq(leat_recv(stream.rx, &number), 0);
	expect_status(&stream, LEAT_COMPLETED, 0, "");
	stop(&stream, 0);
}

Test(io_tick, tick_needs_an_interval)
{
	struct leat_tick_opts opts = { .interval_ns = 0 };
	expect_failure(leat_tick, &opts, sizeof(uint64_t), -EINVAL,
	               "tick: the interval must be above 0");
	opts.interval_ns = -1;
	expect_failure(leat_tick, &opts, sizeof(uint64_t), -EINVAL,
	               "tick: the interval must be above 0");
}

Test(io_tick, tick_stops_between_ticks)
{
	struct leat_tick_opts opts = { .interval_ns = INT64_MAX };
	struct stream stream = start_numbers(leat_tick, &opts);
	await_source_waits();
	stop(&stream, 0);
}

static void expect_numbers(uint64_t first, uint64_t last)
{
	struct leat_count_opts opts = { .first = first, .last = last };
	struct stream stream = start_numbers(leat_count, &opts);
	uint64_t number;
	for (uint64_t n = first; n - first <= last - first; n++) {
		cr_assert_eq(take_number(&stream), n);
		if (n == last)
			break;
	}
	cr_expect_eq(leat_recv(stream.rx, &number), 0);
	expect_status(&stream, LEAT_COMPLETED, 0, "");
	stop(&stream, 0);
}

Test(io_tick, count_sends_first_to_last)
{
	expect_numbers(0, 0);
	expect_numbers(5, 5000);
	expect_numbers(UINT64_MAX - 200, UINT64_MAX);
	expect_numbers(UINT64_MAX, UINT64_MAX);
}

Test(io_tick, count_backwards_sends_nothing)
{
	struct leat_count_opts opts = { .first = 1, .last = 0 };
	struct stream stream = start_numbers(leat_count, &opts);
	uint64_t number;
	cr_expect_eq(leat_recv(stream.rx, &number), 0);
	expect_status(&stream, LEAT_COMPLETED, 0, "");
	stop(&stream, 0);
}

Test(io_tick, count_ends_quietly_at_its_time)
{
	struct leat_count_opts opts = { .last = UINT64_MAX, .until_ns = leat_now_ns() + 20 * MS };
	struct stream stream = start_numbers(leat_count, &opts);
	uint64_t next = 0, faults = 0;
	leat_for(uint64_t, number, stream.rx)
		faults += number != next++;
	cr_expect_eq(faults, 0);
	expect_status(&stream, LEAT_COMPLETED, 0, "");
	stop(&stream, 0);
}
