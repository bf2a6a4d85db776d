/*
 * tests/unit/flow_due.c: steps of the program that are called at times, and steps that say
 * LEAT_LATER.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "timed.h"

TestSuite(flow_due, .timeout = 60);

LEAT_BATCH(pairs, both, 10);

/* --- where a step is due --- */

static void expect_pair(struct timed *t, uint64_t first, uint64_t second)
{
	leat_item_pairs got;

	clock_advance(10 * MS - 1);
	cr_assert_eq(leat_try_recv(t->out, &got), -EAGAIN);
	clock_advance(1);
	cr_assert_eq(leat_try_recv(t->out, &got), 1);
	cr_assert_eq(got.count, 1u);
	cr_assert(got.items[0].first == first && got.items[0].second == second);
}

Test(flow_due, a_step_behind_a_zip_is_called_when_it_is_due)
{
	enum { NONE = 2 };

	for (int ahead = 0; ahead <= NONE; ahead++) {
		struct timed t = timed_open();
		leat_item_pairs got;

		leat_flow_to_rx(
			leat_flow_batch(leat_flow_zip(input(&t, 0), input(&t, 1), LEAT_T(both)),
		                        LEAT_T(pairs), 10 * MS),
			&t.out);
		expect_start(t.flow);
		put(&t, 0, 1);
		put(&t, 1, 11);
		if (ahead < NONE)
			put(&t, ahead, 2 + 10 * (uint64_t)ahead);
		expect_pair(&t, 1, 11);
		/* what one input has more is not lost */
		if (ahead != 0)
			put(&t, 0, 2);
		if (ahead != 1)
			put(&t, 1, 12);
		expect_pair(&t, 2, 12);
		end_input(&t, 0);
		end_input(&t, 1);
		cr_assert_eq(leat_recv(t.out, &got), 0);
		timed_close(&t, 0);
	}
}

Test(flow_due, consumers_that_leave_end_a_zip_whose_inputs_are_idle_and_only_the_last_does)
{
	for (int full = 0; full < 2; full++) {
		struct timed t = timed_open();
		struct leat_port parts[2];
		struct leat_rx *other;
		leat_item_both got;

		leat_flow_partition(leat_flow_zip(input(&t, 0), input(&t, 1), LEAT_T(both)), key_of,
		                    NULL, parts, 2);
		leat_flow_to_rx(parts[0], &t.out);
		leat_flow_to_rx(parts[1], &other);
		expect_start(t.flow);
		clock_settle();
		leat_rx_close(other);
		for (uint64_t i = 0; i < 4; i++) {
			clock_settle();
			put(&t, 0, i);
			put(&t, 1, i);
		}
		for (uint64_t i = 0; i < 4; i += 2) {
			cr_assert_eq(leat_recv(t.out, &got), 1);
			cr_assert_eq(got.first, i);
		}
		if (full)
			put(&t, 0, 4); /* it waits at the second input */
		clock_settle();
		leat_rx_close(t.out);
		t.out = NULL;
		timed_close(&t, 0);
	}
}

/* An end that writes down when it was called without an item. */
struct beats {
	int64_t next_ns;
	uint32_t beats, items;
};

static int beat_vec(void *state, struct leat_vec *v)
{
	struct beats *beats = state;

	beats->items += (uint32_t)v->n;
	v->used = v->n;
	if (leat_now_ns() < beats->next_ns)
		return 0;
	leat_store_rel(&beats->beats, beats->beats + 1);
	beats->next_ns += 10 * MS;
	return 0;
}

static int64_t beat_due_ns(const void *state)
{
	return ((const struct beats *)state)->next_ns;
}

static const struct leat_step beat = { .name = "beat",
	                               .kind = LEAT_STEP_END,
	                               .fn = beat_vec,
	                               .in = LEAT_T(u64),
	                               .due_ns = beat_due_ns };

Test(flow_due, an_end_is_called_when_it_is_due)
{
	struct timed t = timed_open();
	struct beats beats = { .next_ns = leat_now_ns() + 10 * MS };

	leat_flow_for_each(leat_flow_step(input(&t, 0), &triple, NULL), &beat, &beats);
	expect_start(t.flow);
	put(&t, 0, 1);
	clock_advance(10 * MS - 1);
	cr_assert_eq(leat_load_acq(&beats.beats), 0u);
	clock_advance(1);
	cr_assert_eq(leat_load_acq(&beats.beats), 1u);
	clock_advance(30 * MS);
	cr_assert_eq(leat_load_acq(&beats.beats), 4u);
	end_input(&t, 0);
	timed_close(&t, 0);
	cr_assert_eq(beats.items, 1u);
}

/* Passes items on, and is due at times. */
static int pass_vec(void *state, struct leat_vec *v)
{
	(void)state;
	v->used = v->made = v->n < v->room ? v->n : v->room;
	if (v->used > 0)
		memcpy(v->out, v->in, v->used * sizeof(uint64_t));
	return 0;
}

Test(flow_due, check_refuses_a_step_with_due_ns_behind_workers)
{
	static const struct leat_step pass = { .name = "pass",
		                               .fn = pass_vec,
		                               .in = LEAT_T(u64),
		                               .out = LEAT_T(u64),
		                               .stateless = true,
		                               .due_ns = beat_due_ns,
		                               .file = "a.c",
		                               .line = 7 };
	struct leat_step end = beat;

	end.stateless = true;
	for (int at_end = 0; at_end < 2; at_end++)
		for (enum leat_flow_order order = LEAT_UNORDERED; order <= LEAT_ORDERED; order++) {
			struct timed t = timed_open();
			struct leat_port port = leat_flow_workers(input(&t, 0), 2, order);
			const struct beats none = { .next_ns = LEAT_NEVER };

			port = leat_flow_step(port, &triple, NULL);
			if (at_end) {
				leat_flow_for_each(port, &end, &none);
			} else {
				port = leat_flow_step(port, &pass, &none);
				leat_flow_for_each(leat_flow_gather(port), &ignore, NULL);
			}
			cr_assert_eq(leat_flow_start(t.flow), -EINVAL);
			expect_words(
				t.flow,
				at_end ? "step \"beat\" is to be called at times, and "
					 "workers only wait for items"
				       : "a.c:7: step \"pass\" is to be called at times, and "
					 "workers only wait for items: put it before workers or "
					 "behind gather");
			timed_close(&t, -EINVAL);
		}
}

/* --- a step that says LEAT_LATER --- */

/* Passes an item on at each time, which are 10 ms apart, and holds one more, until the time behind.
 */
struct slow {
	int64_t next_ns;
	uint64_t held;
	bool holds;
	bool stuck; /* it is due, and does nothing */
};

static int slow_vec(void *state, struct leat_vec *v)
{
	struct slow *slow = state;

	if (!slow->holds && v->n == 0)
		return 0;
	if ((slow->holds && leat_now_ns() < slow->next_ns) || slow->stuck)
		return LEAT_LATER;
	if (slow->holds) {
		*(uint64_t *)v->out = slow->held;
		v->made = 1;
	}
	slow->holds = v->n > 0;
	slow->next_ns = slow->holds ? leat_now_ns() + 10 * MS : LEAT_NEVER;
	if (v->n > 0)
		slow->held = *(const uint64_t *)v->in;
	v->used = slow->holds;
	return 0;
}

static int64_t slow_due_ns(const void *state)
{
	return ((const struct slow *)state)->next_ns;
}

static const struct leat_step go_slow = { .name = "go_slow",
	                                  .fn = slow_vec,
	                                  .in = LEAT_T(u64),
	                                  .out = LEAT_T(u64),
	                                  .due_ns = slow_due_ns };

Test(flow_due, a_step_that_says_later_is_called_again_when_it_is_due)
{
	struct timed t = timed_open();
	struct slow slow = { .next_ns = LEAT_NEVER };
	uint64_t got;

	leat_flow_to_rx(
		leat_flow_step(leat_flow_step(input(&t, 0), &triple, NULL), &go_slow, &slow),
		&t.out);
	expect_start(t.flow);
	for (uint64_t i = 0; i < 4; i++)
		put(&t, 0, i);
	end_input(&t, 0);
	for (uint64_t i = 0; i < 4; i++) {
		clock_advance(10 * MS - 1);
		cr_assert_eq(leat_try_recv(t.out, &got), -EAGAIN);
		clock_advance(1);
		cr_assert_eq(leat_try_recv(t.out, &got), 1);
		cr_assert_eq(got, i * 3);
	}
	cr_assert_eq(leat_recv(t.out, &got), 0);
	timed_close(&t, 0);
}

Test(flow_due, later_wants_a_time_and_something_to_do_then)
{
	static const char *const words[] = {
		"step \"go_slow\", item 0: it returned LEAT_LATER, and has no due_ns",
		"step \"go_slow\", item 0: it returned LEAT_LATER, and is never due",
		"step \"go_slow\", item 0: it returned LEAT_LATER, was due, and did nothing",
		"step \"go_slow\", item 0: it returned LEAT_LATER, and has no due_ns",
	};

	for (size_t i = 0; i < COUNT(words); i++) {
		struct timed t = timed_open();
		struct leat_step step = go_slow;
		struct slow slow = { .next_ns = i == 1 ? LEAT_NEVER : 0, .stuck = true };

		if (i == 0)
			step.due_ns = NULL;
		if (i == 3) { /* an end */
			step.kind = LEAT_STEP_END;
			step.out = NULL;
			leat_flow_for_each(input(&t, 0), &step, &slow);
		} else {
			leat_flow_for_each(leat_flow_step(input(&t, 0), &step, &slow), &ignore,
			                   NULL);
		}
		expect_start(t.flow);
		put(&t, 0, 1);
		end_input(&t, 0);
		expect_join(t.flow, -EINVAL);
		expect_words(t.flow, words[i]);
		timed_close(&t, -EINVAL);
	}
}

/* --- a step that is due, and does nothing --- */

/*
 * Is due at next_ns. Each call then expires one of `entries` that are due at the same time; nothing
 * is seen of that. Behind the last it is due 10 ms later, or stays as it is.
 */
struct expiring {
	int64_t next_ns;
	uint32_t entries, calls;
	bool stays, makes, later;
};

static int expire_vec(void *state, struct leat_vec *v)
{
	struct expiring *expiring = state;

	if (v->n > 0)
		return pass_vec(NULL, v);
	if (v->last || leat_now_ns() < expiring->next_ns)
		return 0;
	expiring->calls++;
	if (expiring->entries > 0)
		expiring->entries--;
	else if (!expiring->stays)
		expiring->next_ns = leat_now_ns() + 10 * MS;
	if (expiring->makes && expiring->entries > 0)
		((uint64_t *)v->out)[v->made++] = expiring->entries;
	return expiring->later ? LEAT_LATER : 0;
}

static int expire_end_vec(void *state, struct leat_vec *v)
{
	v->used = v->n;
	return v->n > 0 ? 0 : expire_vec(state, v);
}

static int64_t expire_due_ns(const void *state)
{
	return ((const struct expiring *)state)->next_ns;
}

static const struct leat_step expire = { .name = "expire",
	                                 .fn = expire_vec,
	                                 .in = LEAT_T(u64),
	                                 .out = LEAT_T(u64),
	                                 .due_ns = expire_due_ns };

enum { IDLE_CALLS = 65536 };

/* Alone, or behind a delay that is full, or by a worker. */
static void run_expiring(struct timed *t, struct expiring *expiring, int where)
{
	struct leat_port port;
	struct leat_step step = expire;

	*t = timed_open();
	step.stateless = where == 2;
	expiring->next_ns = leat_now_ns() + 10 * MS;
	port = input(t, 0);
	if (where == 1)
		port = leat_flow_delay(port, 1000 * MS, 1);
	if (where == 2)
		port = leat_flow_workers_by(port, 1, key_of, NULL);
	if (where == 3) {
		step.kind = LEAT_STEP_END;
		step.fn = expire_end_vec;
		step.out = NULL;
		leat_flow_for_each(port, &step, expiring);
	} else {
		port = leat_flow_step(port, &step, expiring);
		leat_flow_for_each(where == 2 ? leat_flow_gather(port) : port, &ignore, NULL);
	}
	expect_start(t->flow);
	put(t, 0, 1);
	put_settled(t, 2);
	clock_advance(10 * MS);
}

Test(flow_due, a_step_that_does_nothing_whenever_it_is_due_fails)
{
	for (int where = 0; where < 4; where++)
		for (int later = 0; later < (where == 3 ? 1 : 2); later++) {
			struct expiring expiring = { .stays = true, .later = later };
			struct timed t;

			run_expiring(&t, &expiring, where);
			expect_join(t.flow, -EINVAL);
			cr_assert_str_eq(leat_flow_error(t.flow),
			                 "step \"expire\", called when it was due: it did nothing, "
			                 "65536 times in a row, and left due_ns as it was");
			cr_assert_eq(expiring.calls, IDLE_CALLS);
			timed_close(&t, -EINVAL);
		}
}

/* What it does may be seen by nothing but its due_ns at last. */
Test(flow_due, a_step_may_be_due_at_one_time_for_many_entries)
{
	for (int where = 0; where < 4; where++) {
		struct expiring expiring = { .entries = IDLE_CALLS - 1 };
		struct timed t;

		run_expiring(&t, &expiring, where);
		cr_assert_eq(expiring.calls, IDLE_CALLS);
		expiring.entries = IDLE_CALLS - 1; /* the count is anew */
		clock_advance(10 * MS);
		cr_assert_eq(expiring.calls, 2 * IDLE_CALLS);
		end_input(&t, 0);
		clock_advance(2000 * MS);
		timed_close(&t, 0);
	}
}

Test(flow_due, a_step_that_makes_items_may_be_due_at_one_time_for_ever)
{
	struct expiring expiring = { .entries = 3 * IDLE_CALLS, .makes = true };
	struct timed t;

	run_expiring(&t, &expiring, 0);
	cr_assert_eq(expiring.calls, 3 * IDLE_CALLS + 1);
	end_input(&t, 0);
	timed_close(&t, 0);
}
