/*
 * tests/unit/flow_bridge_ends.c: bridges that end: with their streams, their consumers, by a
 * cancel, a stop, a failure; and that each stream is closed once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "bridged.h"

TestSuite(flow_bridge_ends, .timeout = 600);

/* --- what ends it --- */

Test(flow_bridge_ends, a_consumer_that_leaves_ends_it_and_closes_all_streams)
{
	for (unsigned form = 0; form <= FORMS; form++)
		for (size_t at_once = 1; at_once < 9; at_once += 7)
			for (int direct = 0; direct < 2; direct++) {
				struct origin origin = { .scope = leat_scope_open(NULL, NULL),
					                 .capacity = 4,
					                 .run = run_for_ever };
				struct source source = { .origin = &origin, .end = STREAMS };
				struct leat_flow *flow = leat_flow_open(
					NULL, &(struct leat_flow_opts){ .capacity = 4 });
				uint64_t *numbers = numbers_below(STREAMS);
				struct collected got;
				struct leat_port port;

				port = streams_of(flow, &source, form, numbers);
				port = leat_flow_bridge(port, LEAT_T(u64), at_once);
				if (!direct)
					port = leat_flow_buffer(port, 3);
				collect(leat_flow_take(port, 1000), &got);
				expect_start(flow);
				/* before the join, but for what ordered workers hold */
				if (form % FORMS != 4)
					leat_scope_join(origin.scope);
				expect_join(flow, 0);
				cr_assert_eq(got.count, 1000u);
				leat_flow_close(flow);
				leat_scope_close(origin.scope);
				free(got.items);
				free(numbers);
			}
}

/* Where what it makes goes to, and what it waits for. */
enum behind { RECEIVER, STEP, BUFFER, PARTS, KEYED, WORKERS, BEHINDS };
enum idle { NO_STREAM, ONE_OF_TWO, ALL_OPEN, MORE_WAIT, INPUT_ENDED, IDLES };

static uint64_t part_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item;
}

Test(flow_bridge_ends, consumers_that_leave_while_all_is_idle_end_it)
{
	for (enum behind behind = RECEIVER; behind < BEHINDS; behind++)
		for (enum idle idle = NO_STREAM; idle < IDLES; idle++)
			for (int some = 0; some < (idle == NO_STREAM ? 1 : 2); some++) {
				static const size_t streams[] = { 0, 1, 2, 7, 1 };
				struct leat_rx *out[2] = { NULL, NULL };
				struct bridged bridged;
				struct leat_port parts[2];
				uint64_t item = 0;

				open_bridged(&bridged, 2);
				parts[0] = bridged.port;
				if (behind == STEP)
					parts[0] = leat_flow_step(parts[0], &triple, NULL);
				if (behind == BUFFER)
					parts[0] = leat_flow_buffer(parts[0], 2);
				if (behind == KEYED)
					parts[0] = leat_flow_gather(
						leat_flow_workers_by(parts[0], 3, part_of, NULL));
				if (behind == WORKERS)
					parts[0] = leat_flow_gather(
						leat_flow_workers(parts[0], 3, LEAT_ORDERED));
				if (behind == PARTS) {
					leat_flow_partition(parts[0], part_of, NULL, parts, 2);
					leat_flow_to_rx(parts[1], &out[1]);
				}
				leat_flow_to_rx(parts[0], &out[0]);
				expect_start(bridged.flow);
				for (size_t i = 0; i < streams[idle]; i++)
					send_stream(&bridged);
				if (idle == INPUT_ENDED)
					end_feed(&bridged);
				if (some) {
					send_item(&bridged, 0, 0);
					cr_assert_eq(leat_recv(out[0], &item), 1);
				}
				leat_rx_close(out[0]);
				leat_rx_close(out[1]);
				expect_join(bridged.flow, 0);
				expect_closed(&bridged);
				close_bridged(&bridged);
			}
}

Test(flow_bridge_ends, a_part_behind_it_that_leaves_does_not_end_the_others)
{
	for (unsigned leaves = 0; leaves < 2; leaves++) {
		struct bridged bridged;
		struct leat_port parts[2];
		struct leat_rx *out[2];
		uint64_t item;

		clock_start();
		open_bridged(&bridged, 2);
		leat_flow_partition(bridged.port, part_of, NULL, parts, 2);
		leat_flow_to_rx(parts[0], &out[0]);
		leat_flow_to_rx(parts[1], &out[1]);
		expect_start(bridged.flow);
		send_stream(&bridged);
		send_stream(&bridged);
		clock_settle();
		leat_rx_close(out[leaves]);
		clock_settle();
		for (size_t i = 0; i < 2; i++)
			for (uint64_t n = 0; n < 4; n++)
				send_item(&bridged, i, n);
		for (size_t i = 0; i < 2; i++)
			end_stream(&bridged, i);
		end_feed(&bridged);
		for (int i = 0; i < 4; i++)
			cr_assert_eq(leat_recv(out[!leaves], &item), 1);
		cr_assert_eq(leat_recv(out[!leaves], &item), 0);
		leat_rx_close(out[!leaves]);
		expect_join(bridged.flow, 0);
		expect_closed(&bridged);
		close_bridged(&bridged);
	}
}

Test(flow_bridge_ends, a_cancel_closes_all_streams_also_while_they_are_idle)
{
	for (enum idle idle = NO_STREAM; idle < IDLES; idle++)
		for (int end = 0; end < 3; end++) {
			static const size_t streams[] = { 0, 1, 2, 7, 1 };
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct leat_rx *out = NULL;
			struct bridged bridged;
			struct leat_port port;

			clock_start();
			open_streams(&bridged, scope);
			port = leat_flow_bridge(bridged.port, LEAT_T(u64), 2);
			if (end == 0)
				leat_flow_to_rx(port, &out);
			else
				leat_flow_for_each(port, &ignore, NULL);
			expect_start(bridged.flow);
			for (size_t i = 0; i < streams[idle]; i++)
				send_stream(&bridged);
			if (idle == INPUT_ENDED)
				end_feed(&bridged);
			clock_settle();
			if (end < 2) {
				leat_scope_cancel(scope, -EOWNERDEAD, "enough");
				expect_join(bridged.flow, -EOWNERDEAD);
			} else {
				leat_flow_close(bridged.flow);
				bridged.flow = NULL;
			}
			expect_closed(&bridged);
			leat_rx_close(out);
			close_bridged(&bridged);
			leat_scope_close(scope);
		}
}

/*
 * The end is no ring, and all streams always have items. They are cancelled with the flow, or go on
 * until they are closed: in neither case is that a failure of theirs.
 */
Test(flow_bridge_ends, a_cancel_ends_it_while_all_streams_are_busy)
{
	for (int round = 0; round < MANY_TIMES(20); round++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct origin origin = { .scope = leat_scope_open(round % 2 ? scope : NULL, NULL),
			                 .run = run_for_ever };
		struct leat_flow *flow = leat_flow_open(scope, NULL);
		uint64_t *numbers = numbers_below(4);
		struct tally tally = { 0 };
		struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers, 4);

		port = leat_flow_step(port, &open_stream, &origin);
		leat_flow_for_each(leat_flow_bridge(port, LEAT_T(u64), 2), &count_each, &tally);
		expect_start(flow);
		while (leat_load_acq(&tally.count) < 1000)
			sched_yield();
		leat_scope_cancel(scope, -EOWNERDEAD, "enough");
		leat_scope_join(origin.scope);
		expect_join(flow, -EOWNERDEAD);
		cr_assert_str_empty(leat_flow_error(flow));
		leat_flow_close(flow);
		leat_scope_close(origin.scope);
		leat_scope_close(scope);
		free(numbers);
	}
}

/* The source ends, and so do streams that are sources of that scope. */
Test(flow_bridge_ends, a_stop_ends_streams_that_are_sources_and_works_off_the_rest)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct origin origin = { .scope = leat_scope_open(scope, NULL),
		                 .run = run_for_ever,
		                 .sources = true };
	struct source source = { .origin = &origin, .end = STREAMS };
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct leat_port port = leat_flow_from_gen(flow, LEAT_T(rx), run_source, &source);
	struct tally tally = { 0 };

	leat_flow_for_each(leat_flow_bridge(port, LEAT_T(u64), 3), &count_each, &tally);
	expect_start(flow);
	while (leat_load_acq(&tally.count) < 1000)
		sched_yield();
	leat_scope_stop(scope, LEAT_NEVER, NULL);
	expect_join(flow, 0);
	leat_flow_close(flow);
	leat_scope_close(origin.scope);
	leat_scope_close(scope);
}

Test(flow_bridge_ends, behind_a_stop_a_stream_of_the_programs_goes_on_until_its_sender_closes)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct bridged bridged;
	struct leat_rx *out;
	uint64_t item;

	clock_start();
	open_streams(&bridged, scope);
	leat_flow_to_rx(leat_flow_bridge(bridged.port, LEAT_T(u64), 1), &out);
	expect_start(bridged.flow);
	send_stream(&bridged);
	send_stream(&bridged);
	clock_settle();
	leat_scope_stop(scope, LEAT_NEVER, NULL);
	send_item(&bridged, 0, 1);
	expect_items(out, "1");
	end_stream(&bridged, 0);
	send_item(&bridged, 1, 2);
	expect_items(out, "2");
	end_stream(&bridged, 1);
	end_feed(&bridged);
	cr_assert_eq(leat_recv(out, &item), 0);
	expect_join(bridged.flow, 0);
	expect_closed(&bridged);
	leat_rx_close(out);
	close_bridged(&bridged);
	leat_scope_close(scope);
}

/* --- failures --- */

static int fail_stream(struct leat_tx *out, void *arg)
{
	int rc = run_stream(out, arg);

	return rc != 0 ? rc : leat_tx_fail(out, -EIO, "disk gone");
}

static int fail_without_words(struct leat_tx *out, void *arg)
{
	int rc = run_stream(out, arg);

	return rc != 0 ? rc : -EMLINK;
}

Test(flow_bridge_ends, a_stream_that_fails_fails_the_flow_behind_its_items)
{
	static const uint64_t bads[] = { 0, 1, 5, 11 };

	for (size_t i = 0; i < COUNT(bads); i++)
		for (size_t at_once = 1; at_once < 5; at_once += 3)
			for (int words = 0; words < 2; words++) {
				struct origin origin = { .scope = leat_scope_open(NULL, NULL),
					                 .bad_scope = leat_scope_open(NULL, NULL),
					                 .capacity = 5,
					                 .bad = bads[i],
					                 .bad_run = words ? fail_stream
					                                  : fail_without_words };
				struct leat_flow *flow = leat_flow_open(NULL, NULL);
				uint64_t *numbers = numbers_below(12);
				uint64_t next[12] = { 0 };
				struct collected got;
				struct leat_port port;
				char text[100];

				port = leat_flow_from_array(flow, LEAT_T(u64), numbers, 12);
				port = leat_flow_step(port, &open_stream, &origin);
				port = leat_flow_bridge(port, LEAT_T(u64), at_once);
				if (words)
					port = leat_flow_buffer(port, 3);
				collect(port, &got);
				expect_start(flow);
				expect_join(flow, words ? -EIO : -EMLINK);
				snprintf(text, sizeof(text), "bridge, its stream %u: %s",
				         (unsigned)bads[i], words ? "disk gone" : strerror(EMLINK));
				expect_words(flow, text);
				for (size_t k = 0; k < got.count; k++)
					cr_assert_eq((uint32_t)got.items[k],
					             next[got.items[k] >> 32]++);
				for (uint64_t s = 0; s <= bads[i]; s++)
					cr_assert(next[s] == length_of(s) ||
					          (at_once > 1 && s != bads[i]));
				for (uint64_t s = bads[i] + 1; s < 12 && at_once == 1; s++)
					cr_assert_eq(next[s], 0u);
				leat_flow_close(flow);
				leat_scope_close(origin.bad_scope);
				leat_scope_close(origin.scope);
				free(got.items);
				free(numbers);
			}
}

Test(flow_bridge_ends, a_stream_that_is_cancelled_without_the_flow_fails_it)
{
	for (int code = 0; code < 2; code++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		enum leat_cause cause;
		struct bridged bridged;
		struct leat_rx *out;
		uint64_t item;
		int ended_by;

		open_bridged(&bridged, 3);
		leat_flow_to_rx(bridged.port, &out);
		expect_start(bridged.flow);
		send_stream(&bridged);
		send_stream_in(&bridged, scope, sizeof(uint64_t));
		send_stream(&bridged);
		send_item(&bridged, 1, 4);
		cr_assert_eq(leat_recv(out, &item), 1);
		leat_scope_cancel(scope, code ? -EOWNERDEAD : 0, code ? "the day is over" : NULL);
		cr_assert_eq(leat_recv(out, &item), 0);
		cr_assert_eq(leat_rx_status(out, &cause, &ended_by, NULL), 0);
		cr_assert(cause == LEAT_FAILED && ended_by == (code ? -EOWNERDEAD : -ECANCELED));
		expect_join(bridged.flow, code ? -EOWNERDEAD : -ECANCELED);
		expect_words(bridged.flow, code ? "bridge, its stream 1: the day is over"
		                                : "bridge, its stream 1: ");
		cr_assert_eq(closed, 3u);
		leat_rx_close(out);
		close_bridged(&bridged);
		leat_scope_close(scope);
	}
}

Test(flow_bridge_ends, a_stream_that_fails_while_the_others_are_idle)
{
	struct bridged bridged;
	struct leat_rx *out;
	uint64_t item;

	clock_start();
	open_bridged(&bridged, 3);
	leat_flow_to_rx(bridged.port, &out);
	expect_start(bridged.flow);
	for (int i = 0; i < 6; i++)
		send_stream(&bridged);
	clock_settle();
	leat_tx_fail(bridged.tx[2], -EPIPE, "pipe gone");
	end_stream(&bridged, 2);
	cr_assert_eq(leat_recv(out, &item), 0);
	expect_join(bridged.flow, -EPIPE);
	expect_words(bridged.flow, "bridge, its stream 2: pipe gone");
	expect_closed(&bridged);
	leat_rx_close(out);
	close_bridged(&bridged);
}

Test(flow_bridge_ends, a_consumer_that_has_had_enough_does_not_see_a_later_failure)
{
	struct bridged bridged;
	struct collected got;

	open_bridged(&bridged, 1);
	collect(leat_flow_take(bridged.port, 2), &got);
	send_stream(&bridged);
	send_item(&bridged, 0, 1);
	send_item(&bridged, 0, 2);
	leat_tx_fail(bridged.tx[0], -EIO, "disk gone");
	end_stream(&bridged, 0);
	expect_start(bridged.flow);
	expect_join(bridged.flow, 0);
	cr_assert_eq(got.count, 2u);
	expect_closed(&bridged);
	free(got.items);
	close_bridged(&bridged);
}

Test(flow_bridge_ends, a_stream_that_is_null_or_of_items_of_another_size_fails_it)
{
	for (int null = 0; null < 2; null++) {
		struct collected got;
		struct bridged bridged;

		open_bridged(&bridged, 2);
		collect(bridged.port, &got);
		send_stream(&bridged);
		send_item(&bridged, 0, 1);
		end_stream(&bridged, 0);
		if (null)
			cr_assert_eq(leat_send(bridged.feed, &(struct leat_rx *){ NULL }), 0);
		else
			send_stream_in(&bridged, bridged.scope, 12);
		send_stream(&bridged);
		send_stream(&bridged);
		expect_start(bridged.flow);
		expect_join(bridged.flow, -EINVAL);
		expect_words(bridged.flow, null ? "bridge, its stream 1: it is NULL"
		                                : "bridge, its stream 1: its items have 12 bytes, "
		                                  "and those of type \"u64\" 8");
		if (!null)
			cr_assert_eq(closed, bridged.count);
		free(got.items);
		close_bridged(&bridged);
	}
}

static int fail_source(struct leat_tx *out, void *arg)
{
	int rc = run_source(out, arg);

	return rc != 0 ? rc : leat_tx_fail(out, -EIO, "archive gone");
}

Test(flow_bridge_ends, a_source_that_fails_ends_and_its_streams_are_worked_off)
{
	for (size_t at_once = 1; at_once < 9; at_once += 3) {
		struct origin origin = { .scope = leat_scope_open(NULL, NULL) };
		struct source source = { .origin = &origin, .end = 20 };
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port port = leat_flow_from_gen(flow, LEAT_T(rx), fail_source, &source);
		struct collected got;

		collect(leat_flow_bridge(port, LEAT_T(u64), at_once), &got);
		expect_start(flow);
		expect_join(flow, -EIO);
		expect_words(flow, "archive gone");
		expect_all(&got, 20, at_once == 1);
		leat_flow_close(flow);
		leat_scope_close(origin.scope);
		free(got.items);
	}
}

/* The step fails at an item: what it has opened before is worked off. */
Test(flow_bridge_ends, a_step_before_it_that_fails)
{
	struct origin origin = { .scope = leat_scope_open(NULL, NULL) };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t *numbers = numbers_below(20), at = 12;
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers, 20);
	struct collected got;

	port = leat_flow_step(leat_flow_step(port, &fail_at, &at), &open_stream, &origin);
	collect(leat_flow_bridge(port, LEAT_T(u64), 1), &got);
	expect_start(flow);
	expect_join(flow, -EDOM);
	expect_words(flow, "step \"fail_at\", item 12");
	expect_all(&got, 12, true);
	leat_flow_close(flow);
	leat_scope_close(origin.scope);
	free(got.items);
	free(numbers);
}

/* A step behind it fails: all streams are closed. */
Test(flow_bridge_ends, a_step_behind_it_that_fails)
{
	for (int direct = 0; direct < 2; direct++) {
		struct origin origin = { .scope = leat_scope_open(NULL, NULL),
			                 .run = run_for_ever };
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		uint64_t *numbers = numbers_below(20), at = 1200;
		struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers, 20);
		struct collected got;

		port = leat_flow_step(port, &open_stream, &origin);
		port = leat_flow_bridge(port, LEAT_T(u64), 1);
		if (!direct)
			port = leat_flow_buffer(port, 4);
		collect(leat_flow_step(port, &fail_at, &at), &got);
		expect_start(flow);
		expect_join(flow, -EDOM);
		expect_series(&got, 0, 1, 1200);
		leat_flow_close(flow);
		leat_scope_close(origin.scope);
		free(got.items);
		free(numbers);
	}
}
