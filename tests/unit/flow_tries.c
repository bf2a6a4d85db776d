/*
 * tests/unit/flow_tries.c: the tries of an item: the pauses between them, and what ends them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "timed.h"

TestSuite(flow_tries, .timeout = 60);

/* --- what the island of a step that tries again ends in --- */

enum shape { TO_A_RING, TO_A_BUFFER, TO_A_TEE, TO_PARTS, UNORDERED, ORDERED, BY_KEY, SHAPES };

/* What is made goes through a ring, or several, to `out` (and `other`). */
static void end_in(struct leat_port port, enum shape shape, struct sent *sent)
{
	struct leat_port ports[2];

	if (shape == TO_A_BUFFER)
		port = leat_flow_buffer(port, 3);
	if (shape >= UNORDERED)
		port = leat_flow_gather(port);
	if (shape == TO_A_TEE || shape == TO_PARTS) {
		if (shape == TO_A_TEE)
			leat_flow_tee(port, ports, 2);
		else
			leat_flow_partition(port, none_key, NULL, ports, 2);
		leat_flow_to_rx(ports[1], &sent->other);
		port = ports[0];
	}
	leat_flow_to_rx(port, &sent->out);
}

static struct leat_port begin_with(struct leat_port port, enum shape shape)
{
	if (shape == BY_KEY)
		return leat_flow_workers_by(port, 2, key_of, NULL);
	if (shape >= UNORDERED)
		return leat_flow_workers(port, 2, shape == ORDERED ? LEAT_ORDERED : LEAT_UNORDERED);
	return port;
}

/* Fails so many times for the item of that value. */
struct flaky {
	uint64_t at;
	uint32_t fails, calls;
};

LEAT_MAP(try_flaky, u64, x, u64, y, struct flaky *, flaky)
{
	*y = *x;
	flaky->calls++;
	return *x == flaky->at && flaky->fails > 0 ? (flaky->fails--, -EIO) : 0;
}

/* --- pauses --- */

static const struct leat_backoff hours = { .first_ns = 3600000 * MS, .most_ns = 3600000 * MS };

/* A flow of 0 to 9, of which one pauses, with all that is before it on its way. */
static void pause_at(struct sent *sent, int source, enum shape shape, const uint64_t *at)
{
	struct leat_port port;

	sent_declare(sent, 10);
	port = begin_with(source_of(sent, source), shape);
	end_in(leat_flow_retry(leat_flow_step(port, &fail_at, at), &hours), shape, sent);
	expect_start(sent->flow);
	clock_settle();
}

Test(flow_tries, consumers_that_leave_end_a_pause)
{
	const uint64_t at = 3;

	for (int source = 0; source < 4; source++)
		for (enum shape shape = TO_A_RING; shape < SHAPES; shape++) {
			struct sent sent;

			pause_at(&sent, source, shape, &at);
			/* the clock stands still: nothing but that ends it */
			sent_close(&sent);
		}
}

/* The item is given up, by the policy; what the source has in hand goes on. */
Test(flow_tries, a_stop_ends_a_pause_of_a_source)
{
	const uint64_t at = 3;

	for (enum shape shape = TO_A_RING; shape <= TO_PARTS; shape++)
		for (int skip = 0; skip < 2; skip++) {
			struct leat_port port;
			struct sent sent;
			uint64_t got;

			sent_declare(&sent, 10);
			port = leat_flow_retry(leat_flow_step(source_of(&sent, 0), &fail_at, &at),
			                       &hours);
			if (skip)
				port = leat_flow_on_error(port, LEAT_ON_ERROR_SKIP);
			end_in(port, shape, &sent);
			expect_start(sent.flow);
			clock_settle();
			cr_assert_eq(leat_scope_stop(sent.scope, LEAT_NEVER, "enough"), 0);
			expect_join(sent.flow, skip ? 0 : -EDOM);
			for (uint64_t i = 0; i < (skip ? 10 : at); i += i == at - 1 ? 2 : 1) {
				cr_assert_eq(leat_recv(sent.out, &got), 1);
				cr_assert_eq(got, i);
			}
			expect_stat(sent.flow, 1, "fail_at",
			            (struct leat_step_stat){ .in = skip ? 10 : 4,
			                                     .used = skip ? 9 : 3,
			                                     .failed = 1,
			                                     .made = skip ? 9 : 3 });
			sent_close_with(&sent, skip ? 0 : -EDOM);
		}
}

Test(flow_tries, a_cancel_ends_a_pause)
{
	const uint64_t at = 3;

	for (int source = 0; source < 4; source++)
		for (enum shape shape = TO_A_RING; shape < SHAPES; shape++) {
			struct sent sent;

			pause_at(&sent, source, shape, &at);
			leat_scope_cancel(sent.scope, 0, "enough");
			expect_join(sent.flow, 0);
			cr_assert_str_eq(leat_flow_error(sent.flow), "");
			sent_close(&sent);
		}
}

/* One of two consumers leaves: the other has what comes behind the pause. */
Test(flow_tries, a_part_that_leaves_does_not_end_a_pause_of_the_others)
{
	for (int first = 0; first < 2; first++) {
		struct flaky flaky = { .at = 3, .fails = 1 };
		struct leat_port port, parts[2];
		struct leat_rx **gone;
		struct sent sent;
		uint64_t got;

		sent_declare(&sent, 10);
		port = leat_flow_retry(leat_flow_step(source_of(&sent, 0), &try_flaky, &flaky),
		                       &hours);
		leat_flow_partition(port, key_of, NULL, parts, 2);
		leat_flow_to_rx(parts[0], &sent.out);
		leat_flow_to_rx(parts[1], &sent.other);
		expect_start(sent.flow);
		clock_settle();
		gone = first ? &sent.out : &sent.other;
		leat_rx_close(*gone);
		*gone = NULL;
		clock_advance(hours.first_ns);
		for (uint64_t i = first; i < 10; i += 2) {
			cr_assert_eq(leat_try_recv(first ? sent.other : sent.out, &got), 1);
			cr_assert_eq(got, i);
		}
		sent_close(&sent);
		cr_assert_eq(flaky.calls, 11u);
	}
}
