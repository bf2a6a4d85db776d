/*
 * tests/unit/flow_time.c: steps that are called at times: with which inputs, with which ends, and
 * what check refuses.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "flows.h"

TestSuite(flow_time, .timeout = 60);

LEAT_PAIR(both, u64, u64);
LEAT_BATCH(pairs, both, 10);

static uint64_t key_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item;
}

/* --- a flow whose inputs are channels, and what comes out --- */

struct timed {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct leat_tx *tx[2];
	struct leat_rx *in[2], *out;
};

static struct timed timed_open(void)
{
	struct timed t = { .scope = leat_scope_open(NULL, NULL) };

	clock_start();
	t.flow = leat_flow_open(t.scope, NULL);
	cr_assert_not_null(t.flow);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(leat_chan_open(t.scope, sizeof(uint64_t), NULL, &t.tx[i], &t.in[i]),
		             0);
	return t;
}

static struct leat_port input(struct timed *t, int i)
{
	struct leat_rx *in = t->in[i];

	t->in[i] = NULL;
	return leat_flow_from_rx(t->flow, LEAT_T(u64), in);
}

static void put(struct timed *t, int i, uint64_t item)
{
	cr_assert_eq(leat_send(t->tx[i], &item), 0);
}

static void end_input(struct timed *t, int i)
{
	leat_tx_close(t->tx[i]);
	t->tx[i] = NULL;
}

/* Joins, and frees all. */
static void timed_close(struct timed *t, int code)
{
	expect_join(t->flow, code);
	for (int i = 0; i < 2; i++) {
		leat_tx_close(t->tx[i]);
		leat_rx_close(t->in[i]);
	}
	leat_rx_close(t->out);
	leat_flow_close(t->flow);
	leat_scope_close(t->scope);
}

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

Test(flow_time, a_step_behind_a_zip_is_called_when_it_is_due)
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

Test(flow_time, consumers_that_leave_end_a_zip_whose_inputs_are_idle_and_only_the_last_does)
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

Test(flow_time, an_end_is_called_when_it_is_due)
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

Test(flow_time, check_refuses_a_step_with_due_ns_behind_workers)
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

Test(flow_time, a_step_that_says_later_is_called_again_when_it_is_due)
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

Test(flow_time, later_wants_a_time_and_something_to_do_then)
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

/* --- what the steps of time have in common --- */

enum timed_step { DELAY, DEBOUNCE, SAMPLE, TIMEOUT, TIMED_STEPS };

static const char *const timed_names[] = { "delay", "debounce", "sample", "timeout" };

static struct leat_port add_timed(struct leat_port port, enum timed_step step, int64_t ns)
{
	switch (step) {
	case DELAY:
		return leat_flow_delay(port, ns, 1000);
	case DEBOUNCE:
		return leat_flow_debounce(port, ns);
	case SAMPLE:
		return leat_flow_sample(port, ns);
	default:
		return leat_flow_timeout(port, ns);
	}
}

static void expect_item(struct timed *t, uint64_t item)
{
	uint64_t got;

	cr_assert_eq(leat_try_recv(t->out, &got), 1, "not there: %llu", (unsigned long long)item);
	cr_assert_eq(got, item, "%llu, not %llu", (unsigned long long)got,
	             (unsigned long long)item);
}

/* Nothing comes before that time has passed. */
static void expect_none_for(struct timed *t, int64_t ns)
{
	uint64_t got;

	clock_advance(ns - 1);
	cr_assert_eq(leat_try_recv(t->out, &got), -EAGAIN);
	clock_advance(1);
}

static void expect_end(struct timed *t)
{
	uint64_t got;

	clock_settle();
	cr_assert_eq(leat_try_recv(t->out, &got), 0);
}

static void put_settled(struct timed *t, uint64_t item)
{
	put(t, 0, item);
	clock_settle();
}

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

Test(flow_time, a_delay_holds_from_one_item_to_what_memory_has_room_for)
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

/* --- each source, and what is cut before and behind --- */

enum cut { BARE, BUFFERED, TEED, PARTED, MERGED, CUTS };

struct sent {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct leat_rx *out, *other;
	struct numbers numbers;
	uint64_t *array, end;
};

static uint64_t none_key(const void *item, const void *arg)
{
	(void)item, (void)arg;
	return 0;
}

static struct leat_port source_of(struct sent *sent, int source)
{
	struct leat_rx *rx;

	switch (source) {
	case 0:
		return leat_flow_from_array(sent->flow, LEAT_T(u64), sent->array, sent->end);
	case 1:
		return leat_flow_from_seq(sent->flow, LEAT_T(u64), numbers_seq(&sent->numbers));
	case 2:
		return leat_flow_from_gen(sent->flow, LEAT_T(u64), run_numbers, &sent->end);
	default:
		cr_assert_eq(
			leat_gen(sent->scope, run_numbers, &sent->end, sizeof(uint64_t), NULL, &rx),
			0);
		return leat_flow_from_rx(sent->flow, LEAT_T(u64), rx);
	}
}

/* A flow of numbers below `end`, through a delay of 10 ms that holds `most`. */
/* In the caller's structure, as sources keep addresses in it. */
static void sent_open(struct sent *sent, int source, enum cut cut, uint64_t end, size_t most)
{
	struct leat_port port, ports[2];

	*sent = (struct sent){ .scope = leat_scope_open(NULL, NULL), .end = end };
	clock_start();
	sent->flow = leat_flow_open(sent->scope, NULL);
	sent->array = numbers_below(end);
	sent->numbers = (struct numbers){ .end = end };
	port = source_of(sent, source);
	if (cut == BUFFERED)
		port = leat_flow_buffer(port, 3);
	if (cut == MERGED)
		port = leat_flow_merge(&port, 1);
	port = leat_flow_delay(port, 10 * MS, most);
	if (cut == BUFFERED)
		port = leat_flow_buffer(port, 3);
	if (cut == TEED) {
		leat_flow_tee(port, ports, 2);
		leat_flow_to_rx(ports[1], &sent->other);
		port = ports[0];
	}
	if (cut == PARTED) {
		leat_flow_partition(port, none_key, NULL, ports, 2);
		leat_flow_to_rx(ports[1], &sent->other);
		port = ports[0];
	}
	leat_flow_to_rx(port, &sent->out);
	expect_start(sent->flow);
	clock_settle();
}

static void sent_close(struct sent *sent)
{
	leat_rx_close(sent->out);
	leat_rx_close(sent->other);
	expect_join(sent->flow, 0);
	leat_flow_close(sent->flow);
	leat_scope_close(sent->scope);
	free(sent->array);
}

Test(flow_time, a_delay_of_each_source_holds_so_many_and_gives_all_in_order)
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
Test(flow_time, a_cancel_ends_the_wait_of_a_delay)
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

Test(flow_time, consumers_that_leave_end_the_wait_of_a_delay)
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

Test(flow_time, one_of_two_consumers_leaves_while_a_delay_waits)
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
Test(flow_time, a_stop_while_a_delay_waits_loses_nothing_that_was_taken)
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

Test(flow_time, a_delay_gives_each_item_when_its_time_has_passed)
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

Test(flow_time, a_consumer_that_leaves_an_idle_delay_ends_it)
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

Test(flow_time, a_failure_of_the_source_is_behind_what_a_delay_holds)
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

Test(flow_time, a_step_behind_that_has_enough_ends_a_delay)
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

Test(flow_time, a_step_behind_a_delay_that_waits_is_called_when_it_is_due)
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

Test(flow_time, a_delay_in_a_diamond_keeps_its_items_in_step)
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

/* --- debounce --- */

Test(flow_time, a_debounce_gives_the_last_item_of_a_burst)
{
	struct timed t = timed_open();

	leat_flow_to_rx(leat_flow_debounce(input(&t, 0), 10 * MS), &t.out);
	expect_start(t.flow);
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
	end_input(&t, 0); /* then at once */
	clock_settle();
	expect_item(&t, 9);
	expect_end(&t);
	expect_join(t.flow, 0);
	expect_stat(t.flow, 1, "debounce",
	            (struct leat_step_stat){ .in = 13, .used = 3, .skipped = 10, .made = 3 });
	timed_close(&t, 0);
}

Test(flow_time, what_is_held_is_dropped_with_its_consumer_and_by_a_cancel)
{
	for (enum timed_step step = DELAY; step < TIMEOUT; step++)
		for (int leaves = 0; leaves < 2; leaves++) {
			struct timed t = timed_open();
			struct leat_step_stat stat;

			leat_flow_to_rx(add_timed(input(&t, 0), step, 10 * MS), &t.out);
			expect_start(t.flow);
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

/* --- sample --- */

Test(flow_time, a_sample_gives_the_last_item_of_each_period)
{
	struct timed t = timed_open();

	leat_flow_to_rx(leat_flow_sample(input(&t, 0), 10 * MS), &t.out);
	expect_start(t.flow);
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
	end_input(&t, 0);
	clock_settle();
	expect_item(&t, 5);
	expect_end(&t);
	expect_join(t.flow, 0);
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

/* What a delay that waits has taken of a ring is room there. */
Test(flow_time, a_delay_that_waits_has_released_what_it_holds)
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

Test(flow_time, a_part_that_leaves_while_a_delay_waits_does_not_end_the_others)
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

Test(flow_time, a_stop_while_a_delay_before_an_end_waits)
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
