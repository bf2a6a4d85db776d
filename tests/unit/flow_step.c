/*
 * tests/unit/flow_step.c: steps: what each passes on, what is held and made behind the last item,
 * what fails.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flows.h"

TestSuite(flow_step, .timeout = 600);

/* Numbers below n from each kind of source. */
enum source { ARRAY, SEQ, GEN, RX, SOURCES };

struct fed {
	struct leat_flow *flow;
	struct leat_port port;
	uint64_t *array;
	struct numbers numbers;
	uint64_t end;
	struct leat_scope *scope;
};

static void feed(struct fed *fed, enum source source, size_t n)
{
	struct leat_rx *rx;

	memset(fed, 0, sizeof(*fed));
	fed->scope = leat_scope_open(NULL, NULL);
	fed->flow = leat_flow_open(fed->scope, NULL);
	fed->numbers.end = fed->end = n;
	fed->array = numbers_below(n);
	switch (source) {
	case ARRAY:
		fed->port = leat_flow_from_array(fed->flow, LEAT_T(u64), fed->array, n);
		break;
	case SEQ:
		fed->port = leat_flow_from_seq(fed->flow, LEAT_T(u64), numbers_seq(&fed->numbers));
		break;
	case GEN:
		fed->port = leat_flow_from_gen(fed->flow, LEAT_T(u64), run_numbers, &fed->end);
		break;
	default:
		cr_assert_eq(
			leat_gen(fed->scope, run_numbers, &fed->end, sizeof(uint64_t), NULL, &rx),
			0);
		fed->port = leat_flow_from_rx(fed->flow, LEAT_T(u64), rx);
	}
}

static void unfeed(struct fed *fed)
{
	leat_flow_close(fed->flow);
	leat_scope_close(fed->scope);
	free(fed->array);
}

static void run_fed(struct fed *fed, struct collected *got)
{
	collect(fed->port, got);
	expect_start(fed->flow);
	expect_join(fed->flow, 0);
}

Test(flow_step, each_source_gives_all_its_items_in_order)
{
	static const size_t counts[] = { 0, 1, 15, 16, 17, 256, 257, 5000 };
	struct collected got;
	struct fed fed;

	for (enum source source = ARRAY; source < SOURCES; source++)
		for (size_t i = 0; i < COUNT(counts); i++) {
			feed(&fed, source, counts[i]);
			fed.port = leat_flow_step(fed.port, &triple, NULL);
			run_fed(&fed, &got);
			expect_series(&got, 0, 3, counts[i]);
			expect_stat(fed.flow, 0,
			            source == ARRAY ? "from_array"
			            : source == SEQ ? "from_seq"
			            : source == GEN ? "from_gen"
			                            : "from_rx",
			            (struct leat_step_stat){ .made = counts[i] });
			expect_stat(fed.flow, 2, "collect",
			            (struct leat_step_stat){ .in = counts[i], .used = counts[i] });
			unfeed(&fed);
			free(got.items);
		}
}

Test(flow_step, books_of_maps_and_filters)
{
	struct leat_step_stat stat;
	uint64_t sum = 0;
	struct fed fed;

	feed(&fed, ARRAY, 1001);
	fed.port = leat_flow_step(fed.port, &drop_odd, NULL);
	fed.port = leat_flow_step(fed.port, &triple, NULL);
	fed.port = leat_flow_step(fed.port, &keep_even, NULL);
	leat_flow_for_each(fed.port, &add, &sum);
	expect_start(fed.flow);
	expect_join(fed.flow, 0);
	cr_assert_eq(sum, 3u * 2 * 500 * 501 / 2);
	expect_stat(
		fed.flow, 1, "drop_odd",
		(struct leat_step_stat){ .in = 1001, .used = 501, .skipped = 500, .made = 501 });
	expect_stat(fed.flow, 3, "keep_even",
	            (struct leat_step_stat){ .in = 501, .used = 501, .made = 501 });
	expect_stat(fed.flow, 4, "add", (struct leat_step_stat){ .in = 501, .used = 501 });
	cr_assert_eq(leat_flow_stat(fed.flow, 5, &stat), -ENOENT);
	cr_assert_eq(leat_flow_stat(fed.flow, 0, NULL), -EINVAL);
	unfeed(&fed);
}

Test(flow_step, books_are_busy_while_it_runs)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct gate gate = { 0 };
	struct leat_step_stat stat;
	uint64_t one = 1;

	leat_flow_for_each(
		leat_flow_step(leat_flow_from_array(flow, LEAT_T(u64), &one, 1), &pass_gate, &gate),
		&ignore, NULL);
	cr_assert_eq(leat_flow_stat(flow, 0, &stat), 0);
	expect_start(flow);
	cr_assert(await_word(&gate.reached, 1));
	cr_assert_eq(leat_flow_stat(flow, 0, &stat), -EBUSY);
	cr_assert_str_eq(leat_flow_error(flow), "");
	leat_store_rel(&gate.open, 1u);
	expect_join(flow, 0);
	leat_flow_close(flow);
}

LEAT_FUSE(fused_1, u64, u64, triple);
LEAT_FUSE(fused_2, u64, u64, triple, triple);
LEAT_FUSE(fused_3, u64, u64, drop_odd, triple, triple);
LEAT_FUSE(fused_8, u64, u64, triple, triple, triple, triple, keep_even, triple, triple, drop_odd);
LEAT_FUSE(fused_fail, u64, u64, triple, fail_at, triple);

Test(flow_step, fused_steps)
{
	const struct leat_step *steps[] = { &fused_1, &fused_2, &fused_3, &fused_8 };
	static const uint64_t factors[] = { 3, 9, 18, 1458 };
	void *states[8] = { NULL };
	uint64_t at = 300;
	struct collected got;
	struct fed fed;

	for (size_t i = 0; i < COUNT(steps); i++) {
		feed(&fed, SEQ, 1000);
		fed.port = leat_flow_step(fed.port, steps[i], states);
		run_fed(&fed, &got);
		expect_series(&got, 0, factors[i], i < 2 ? 1000 : 500);
		unfeed(&fed);
		free(got.items);
	}
	states[1] = &at;
	feed(&fed, SEQ, 1000);
	fed.port = leat_flow_step(fed.port, &fused_fail, states);
	collect(fed.port, &got);
	expect_start(fed.flow);
	expect_join(fed.flow, -EDOM);
	expect_words(fed.flow, "step \"fused_fail\", item 100: ");
	expect_series(&got, 0, 9, 100);
	unfeed(&fed);
	free(got.items);
}

Test(flow_step, take_and_skip)
{
	static const uint64_t counts[] = { 0, 1, 16, 100, 256, 300, 1000, 1001, UINT64_MAX };
	struct collected got;
	struct fed fed;

	for (enum source source = ARRAY; source < SOURCES; source++)
		for (size_t i = 0; i < COUNT(counts); i++) {
			uint64_t n = counts[i], least = n < 1000 ? n : 1000;

			feed(&fed, source, 1000);
			fed.port = leat_flow_take(fed.port, n);
			run_fed(&fed, &got);
			expect_series(&got, 0, 1, least);
			expect_stat(fed.flow, 1, "take",
			            (struct leat_step_stat){
					    .in = least, .used = least, .made = least });
			unfeed(&fed);
			free(got.items);
			feed(&fed, source, 1000);
			fed.port = leat_flow_skip(fed.port, n);
			run_fed(&fed, &got);
			expect_series(&got, n, 1, 1000 - least);
			expect_stat(fed.flow, 1, "skip",
			            (struct leat_step_stat){ .in = 1000,
			                                     .used = 1000 - least,
			                                     .skipped = least,
			                                     .made = 1000 - least });
			unfeed(&fed);
			free(got.items);
		}
}

Test(flow_step, an_item_that_fails_behind_what_was_wanted_is_no_failure)
{
	uint64_t at = 6;
	struct collected got;
	struct fed fed;

	feed(&fed, ARRAY, 100);
	fed.port = leat_flow_step(fed.port, &fail_at, &at);
	fed.port = leat_flow_take(fed.port, 5);
	run_fed(&fed, &got);
	expect_series(&got, 0, 1, 5);
	unfeed(&fed);
	free(got.items);
}

/* --- state of its own --- */

static uint32_t inits, finis;

struct counter {
	uint64_t n;
};

static int init_counter(void *state, const void *arg)
{
	struct counter *counter = state;

	cr_assert_eq(counter->n, 0u);
	if (arg != NULL && *(const int *)arg != 0)
		return *(const int *)arg;
	counter->n = 1000;
	inits++;
	return 0;
}

static void fini_counter(void *state)
{
	(void)state;
	finis++;
}

LEAT_MAP(renumber, u64, x, u64, y, struct counter *, counter)
{
	(void)x;
	*y = counter->n++;
	return 0;
}

Test(flow_step, state_is_made_at_the_start_and_freed_at_the_end)
{
	static const int refusals[] = { -ENOSPC, 7 };
	struct collected got;
	struct fed fed;

	feed(&fed, SEQ, 600);
	fed.port = leat_flow_step_with(fed.port, &renumber,
	                               (struct leat_state){ .size = sizeof(struct counter),
	                                                    .init = init_counter,
	                                                    .fini = fini_counter });
	cr_assert_eq(inits, 0u);
	run_fed(&fed, &got);
	expect_series(&got, 1000, 1, 600);
	cr_assert(inits == 1 && finis == 1);
	unfeed(&fed);
	free(got.items);

	for (size_t i = 0; i < COUNT(refusals); i++) {
		const int code = refusals[i] < 0 ? refusals[i] : -EINVAL;

		feed(&fed, SEQ, 600);
		for (int k = 0; k < 2; k++) /* the first one's state is made, and freed */
			fed.port = leat_flow_step_with(
				fed.port, &renumber,
				(struct leat_state){ .size = sizeof(struct counter),
			                             .init = init_counter,
			                             .fini = fini_counter,
			                             .arg = k == 1 ? &refusals[i] : NULL });
		collect(fed.port, &got);
		cr_assert_eq(leat_flow_start(fed.flow), code);
		expect_words(fed.flow, "the steps behind \"from_seq\": ");
		cr_assert_eq(leat_flow_join(fed.flow), code);
		unfeed(&fed);
		cr_assert(inits == 2 + i && finis == inits);
		cr_assert_eq(fed.numbers.finis, 1u);
	}
}

/* --- failures --- */

Test(flow_step, a_failure_names_step_item_and_line)
{
	uint64_t at = 777;
	struct collected got;
	char words[300];
	struct fed fed;

	for (enum source source = ARRAY; source < SOURCES; source++) {
		feed(&fed, source, 2000);
		fed.port = leat_flow_step(fed.port, &keep_even, NULL);
		fed.port = leat_flow_step(fed.port, &fail_at, &at);
		collect(fed.port, &got);
		at = 778;
		expect_start(fed.flow);
		expect_join(fed.flow, -EDOM);
		snprintf(words, sizeof(words), "%s:%d: step \"fail_at\", item 389: %s",
		         fail_at.file, fail_at.line, strerror(EDOM));
		cr_assert_str_eq(leat_flow_error(fed.flow), words);
		expect_series(&got, 0, 2, 389);
		expect_stat(fed.flow, 2, "fail_at",
		            (struct leat_step_stat){
				    .in = 390, .used = 389, .failed = 1, .made = 389 });
		unfeed(&fed);
		free(got.items);
	}
}

Test(flow_step, an_end_that_fails_or_has_enough)
{
	struct tally tally;
	struct fed fed;

	for (enum source source = ARRAY; source < SOURCES; source++) {
		tally = (struct tally){ .fail = 301 };
		feed(&fed, source, 2000);
		leat_flow_for_each(fed.port, &count_each, &tally);
		expect_start(fed.flow);
		expect_join(fed.flow, -EDOM);
		expect_words(fed.flow, "step \"count_each\", item 300: ");
		expect_stat(fed.flow, 1, "count_each",
		            (struct leat_step_stat){ .in = 301, .used = 300, .failed = 1 });
		unfeed(&fed);
		tally = (struct tally){ .enough = 301 };
		feed(&fed, source, 2000);
		leat_flow_for_each(leat_flow_step(fed.port, &triple, NULL), &count_each, &tally);
		expect_start(fed.flow);
		expect_join(fed.flow, 0);
		cr_assert_eq(tally.count, 301u);
		expect_stat(fed.flow, 2, "count_each",
		            (struct leat_step_stat){ .in = 301, .used = 301 });
		unfeed(&fed);
	}
}

LEAT_MAP(fail_odd, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	return *x % 2 == 1 ? -EDOM : 0;
}

Test(flow_step, items_that_fail_may_be_left_out)
{
	struct collected got;
	struct fed fed;

	for (enum source source = ARRAY; source < SOURCES; source++) {
		feed(&fed, source, 999);
		fed.port = leat_flow_step(fed.port, &fail_odd, NULL);
		fed.port = leat_flow_on_error(fed.port, LEAT_ON_ERROR_SKIP);
		run_fed(&fed, &got);
		expect_series(&got, 0, 2, 500);
		cr_assert_str_eq(leat_flow_error(fed.flow), "");
		expect_stat(fed.flow, 1, "fail_odd",
		            (struct leat_step_stat){
				    .in = 999, .used = 500, .failed = 499, .made = 500 });
		unfeed(&fed);
		free(got.items);
	}
}

/* --- steps by hand --- */

/* Adds up, and makes the sum behind the last item. */
struct total {
	uint64_t sum;
	uint32_t lasts;
	bool written;
	int fail;
};

static int total_vec(void *state, struct leat_vec *v)
{
	struct total *total = state;

	for (; v->used < v->n; v->used++)
		total->sum += ((const uint64_t *)v->in)[v->used];
	if (!v->last)
		return 0;
	total->lasts++;
	if (total->fail != 0)
		return total->fail;
	if (!total->written) {
		*(uint64_t *)v->out = total->sum;
		v->made = 1;
	}
	total->written = true;
	return 0;
}

static const struct leat_step sum_up = {
	.name = "sum_up", .fn = total_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

Test(flow_step, what_is_held_is_made_behind_the_last_item)
{
	struct total total, outer;
	struct collected got;
	struct fed fed;

	for (enum source source = ARRAY; source < SOURCES; source++)
		for (int taken = 0; taken < 3; taken++) {
			total = outer = (struct total){ 0 };
			feed(&fed, source, 1000);
			if (taken == 2)
				fed.port = leat_flow_step(fed.port, &triple, NULL);
			if (taken)
				fed.port = leat_flow_take(fed.port, 500);
			fed.port = leat_flow_step(fed.port, &sum_up, &total);
			fed.port = leat_flow_step(fed.port, &sum_up, &outer);
			run_fed(&fed, &got);
			cr_assert_eq(got.count, 1u);
			cr_assert_eq(got.items[0], taken == 0   ? 499500u
			                           : taken == 1 ? 124750u
			                                        : 374250u);
			cr_assert_eq(total.lasts,
			             2u); /* that which makes it, and one for nothing */
			cr_assert_eq(outer.lasts, 2u);
			unfeed(&fed);
			free(got.items);
		}
}

static int last_vec(void *state, struct leat_vec *v)
{
	struct total *total = state;

	total->lasts += v->last;
	v->used = v->n > 3 ? 3 : v->n; /* not all at once */
	for (size_t i = 0; i < v->used; i++)
		total->sum += ((const uint64_t *)v->in)[i];
	return 0;
}

static const struct leat_step end_total = {
	.name = "end_total", .kind = LEAT_STEP_END, .fn = last_vec, .in = LEAT_T(u64)
};

Test(flow_step, an_end_by_hand_uses_some_and_learns_of_the_last)
{
	struct total total;
	struct fed fed;

	for (enum source source = ARRAY; source < SOURCES; source++)
		for (int stepped = 0; stepped < 2; stepped++) {
			total = (struct total){ 0 };
			feed(&fed, source, 1000);
			if (stepped)
				fed.port = leat_flow_take(fed.port, 1000);
			leat_flow_for_each(fed.port, &end_total, &total);
			expect_start(fed.flow);
			expect_join(fed.flow, 0);
			cr_assert_eq(total.sum, 499500u);
			cr_assert_eq(total.lasts, 1u);
			unfeed(&fed);
		}
}

Test(flow_step, a_failure_behind_the_last_item_is_one_whatever_the_policy)
{
	struct total total = { .fail = -EXDEV };
	struct collected got;
	struct fed fed;

	feed(&fed, RX, 1000);
	fed.port = leat_flow_step(fed.port, &sum_up, &total);
	fed.port = leat_flow_on_error(fed.port, LEAT_ON_ERROR_SKIP);
	collect(fed.port, &got);
	expect_start(fed.flow);
	expect_join(fed.flow, -EXDEV);
	expect_words(fed.flow, "step \"sum_up\", behind its last item: ");
	expect_stat(fed.flow, 1, "sum_up", (struct leat_step_stat){ .in = 1000, .used = 1000 });
	unfeed(&fed);
	free(got.items);
}

/* Makes each number that many times: more than it is given, and than there is room for. */
struct repeat {
	uint64_t done;
};

static int repeat_vec(void *state, struct leat_vec *v)
{
	struct repeat *repeat = state;
	const uint64_t *in = v->in;

	while (v->used < v->n) {
		if (repeat->done == in[v->used]) {
			repeat->done = 0;
			v->used++;
			continue;
		}
		if (v->made == v->room)
			break;
		((uint64_t *)v->out)[v->made++] = in[v->used];
		repeat->done++;
	}
	return 0;
}

static const struct leat_step repeat_it = {
	.name = "repeat_it", .fn = repeat_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

static void expect_repeats(const struct collected *got, uint64_t n)
{
	size_t at = 0;

	cr_assert_eq(got->count, n * (n - 1) / 2);
	for (uint64_t i = 0; i < n; i++)
		for (uint64_t k = 0; k < i; k++)
			cr_assert_eq(got->items[at++], i);
}

Test(flow_step, a_step_may_make_more_than_there_is_room_for)
{
	static const size_t capacities[] = { 1, 7, 1024 };
	struct collected got;
	struct fed fed;

	for (size_t i = 0; i < COUNT(capacities); i++)
		for (int behind = 0; behind < 3; behind++) {
			feed(&fed, SEQ, MANY_TIMES(300));
			fed.port = leat_flow_step_with(
				fed.port, &repeat_it,
				(struct leat_state){ .size = sizeof(struct repeat) });
			if (behind == 1)
				fed.port = leat_flow_skip(fed.port, 0);
			if (behind > 0)
				fed.port = leat_flow_buffer(fed.port, capacities[i]);
			run_fed(&fed, &got);
			expect_repeats(&got, MANY_TIMES(300));
			unfeed(&fed);
			free(got.items);
		}
}

/* A delay line of 40 items: more than some vectors, and some rings, are long. */
struct delay {
	uint64_t items[40];
	uint64_t in, out;
};

static int delay_vec(void *state, struct leat_vec *v)
{
	struct delay *delay = state;

	for (;;) {
		bool full = delay->in - delay->out == 40;

		if ((full || v->last) && delay->in != delay->out) {
			if (v->made == v->room)
				return 0;
			((uint64_t *)v->out)[v->made++] = delay->items[delay->out++ % 40];
		} else if (v->used < v->n) {
			delay->items[delay->in++ % 40] = ((const uint64_t *)v->in)[v->used++];
		} else {
			return 0;
		}
	}
}

static const struct leat_step delay_it = {
	.name = "delay_it", .fn = delay_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

Test(flow_step, a_step_may_hold_items)
{
	static const size_t capacities[] = { 1, 7, 1024 };
	struct collected got;
	struct fed fed;

	for (enum source source = ARRAY; source < SOURCES; source++)
		for (size_t i = 0; i < COUNT(capacities); i++) {
			feed(&fed, source, 1000);
			for (int k = 0; k < 3; k++) {
				fed.port = leat_flow_step_with(
					fed.port, &delay_it,
					(struct leat_state){ .size = sizeof(struct delay) });
				if (k == 1)
					fed.port = leat_flow_buffer(fed.port, capacities[i]);
			}
			run_fed(&fed, &got);
			expect_series(&got, 0, 1, 1000);
			unfeed(&fed);
			free(got.items);
		}
}

static int idle_vec(void *state, struct leat_vec *v)
{
	(void)state, (void)v;
	return 0;
}

Test(flow_step, a_step_that_does_nothing_fails)
{
	struct leat_step idle = {
		.name = "idle", .fn = idle_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
	};
	struct fed fed;

	feed(&fed, SEQ, 10);
	fed.port = leat_flow_step(fed.port, &idle, NULL);
	fed.port = leat_flow_on_error(fed.port, LEAT_ON_ERROR_SKIP);
	leat_flow_for_each(fed.port, &ignore, NULL);
	expect_start(fed.flow);
	expect_join(fed.flow, -EINVAL);
	expect_words(fed.flow, "step \"idle\", item 0: it used none of its items, and made none");
	unfeed(&fed);
	feed(&fed, SEQ, 10);
	idle.out = NULL;
	idle.kind = LEAT_STEP_END;
	leat_flow_for_each(fed.port, &idle, NULL);
	expect_start(fed.flow);
	expect_join(fed.flow, -EINVAL);
	expect_words(fed.flow, "step \"idle\", item 0: it used none");
	unfeed(&fed);
}

/* --- steps that say what cannot be --- */

/* Passes numbers on, and from the one of that value on says something else of it. */
struct lie {
	uint64_t from;
	size_t used, made;
	uint64_t skipped;
	int rc;
	bool last; /* behind the last item, too */
};

static int lie_vec(void *state, struct leat_vec *v)
{
	const struct lie *lie = state;
	const uint64_t *in = v->in;

	v->used = v->n;
	if (v->room > 0 && v->n > 0) {
		v->used = v->made = v->n < v->room ? v->n : v->room;
		memcpy(v->out, in, v->used * sizeof(*in));
	}
	if (v->n == 0 ? !v->last || !lie->last : in[0] < lie->from)
		return 0;
	if (lie->used > 0)
		v->used = v->n + lie->used;
	if (lie->made > 0)
		v->made = v->room + lie->made;
	v->skipped = lie->skipped;
	return lie->rc;
}

static const struct {
	struct lie lie;
	const char *words;
} lies[] = {
	{ { .used = 1 }, "it said that it used 9 of 8 items" },
	{ { .used = SIZE_MAX - 8 }, "it said that it used 18446744073709551615 of 8 items" },
	{ { .made = 1000 }, "it said that it made 1" },
	{ { .skipped = 9 }, "it said that it left out 9 of " },
	{ { .rc = LEAT_SKIP }, "it returned 1, and not 0, LEAT_ENOUGH or -errno" },
	{ { .rc = 77 }, "it returned 77, and not " },
};

static const struct leat_step tell_lies = {
	.name = "tell_lies", .fn = lie_vec, .in = LEAT_T(u64), .out = LEAT_T(u64), .stateless = true
};

/* What is behind the step that lies. */
enum behind { A_STEP, A_RING, AN_ARRAY, AN_END, ORDERED_WORKERS, BEHINDS };

static void end_lies(struct fed *fed, enum behind behind, const struct lie *lie,
                     struct collected *got, uint64_t *array)
{
	struct leat_port port = fed->port;

	if (behind == ORDERED_WORKERS)
		port = leat_flow_workers(port, 2, LEAT_ORDERED);
	port = leat_flow_retry(
		leat_flow_on_error(leat_flow_step(port, &tell_lies, lie), LEAT_ON_ERROR_SKIP),
		&(struct leat_backoff){ .first_ns = 1, .most_ns = 1 });
	if (behind == A_RING)
		port = leat_flow_buffer(port, 1024);
	if (behind == A_STEP)
		port = leat_flow_step(port, &triple, NULL);
	if (behind == ORDERED_WORKERS)
		port = leat_flow_gather(port);
	if (behind == AN_ARRAY)
		leat_flow_to_array(port, array, 1000, &got->count);
	else
		collect(port, got);
}

static void expect_lie_found(enum behind behind, const struct lie *told, size_t before,
                             const char *words)
{
	uint64_t array[1000];
	struct collected got = { NULL, 0 };
	struct lie lie = *told;
	struct leat_step_stat stat;
	struct fed fed;

	feed(&fed, ARRAY, before + 8);
	lie.from = before;
	end_lies(&fed, behind, &lie, &got, array);
	expect_start(fed.flow);
	expect_join(fed.flow, -EINVAL);
	/* workers take as many as there are */
	expect_words(fed.flow, behind == ORDERED_WORKERS ? ", in a worker: it " : words);
	if (behind != ORDERED_WORKERS)
		expect_words(fed.flow,
		             before == 0 ? "\"tell_lies\", item 0: " : "\"tell_lies\", item 256: ");
	cr_assert_eq(got.count, before, "\"%s\": %zu items", words, got.count);
	cr_assert_eq(leat_flow_stat(fed.flow, behind == ORDERED_WORKERS ? 2 : 1, &stat), 0);
	cr_assert_eq(stat.in, stat.used + stat.skipped + stat.failed);
	if (behind != ORDERED_WORKERS)
		cr_assert_eq(stat.made, before);
	unfeed(&fed);
	free(got.items);
}

Test(flow_step, a_step_that_says_what_cannot_be_fails_and_nothing_of_it_is_sent)
{
	for (enum behind behind = A_STEP; behind < BEHINDS; behind++)
		for (size_t i = 0; i < COUNT(lies); i++) {
			expect_lie_found(behind, &lies[i].lie, 0, lies[i].words);
			if (behind != ORDERED_WORKERS)
				expect_lie_found(behind, &lies[i].lie, 256, lies[i].words);
		}
}

Test(flow_step, an_end_that_says_what_cannot_be_fails)
{
	struct leat_step end = {
		.name = "end", .kind = LEAT_STEP_END, .fn = lie_vec, .in = LEAT_T(u64)
	};

	for (size_t i = 0; i < COUNT(lies); i++) {
		struct lie lie = lies[i].lie;
		struct leat_step_stat stat;
		struct fed fed;

		feed(&fed, ARRAY, 8);
		leat_flow_for_each(fed.port, &end, &lie);
		expect_start(fed.flow);
		expect_join(fed.flow, -EINVAL);
		expect_words(fed.flow, lie.made > 0
		                               ? "it said that it made 1000 items in room for 0"
		                               : lies[i].words);
		leat_flow_stat(fed.flow, 1, &stat);
		cr_assert_eq(stat.in, stat.used + stat.skipped + stat.failed);
		unfeed(&fed);
	}
}

Test(flow_step, behind_the_last_item_nothing_can_be_used)
{
	struct leat_step end = {
		.name = "end", .kind = LEAT_STEP_END, .fn = lie_vec, .in = LEAT_T(u64)
	};

	for (int at_end = 0; at_end < 2; at_end++) {
		struct lie lie = { .from = UINT64_MAX, .used = 1, .last = true };
		struct fed fed;

		feed(&fed, ARRAY, 8);
		if (!at_end)
			fed.port = leat_flow_step(fed.port, &tell_lies, &lie);
		leat_flow_for_each(fed.port, at_end ? &end : &ignore, &lie);
		expect_start(fed.flow);
		expect_join(fed.flow, -EINVAL);
		expect_words(fed.flow, "behind its last item: it said that it used 1 of 0 items");
		unfeed(&fed);
	}
}

/* --- sizes --- */

static int copy_vec(void *state, struct leat_vec *v)
{
	v->used = v->made = v->n < v->room ? v->n : v->room;
	if (v->used > 0)
		memcpy(v->out, v->in, v->used * *(const size_t *)state);
	return 0;
}

Test(flow_step, items_of_each_size)
{
	enum { ITEMS = MANY_TIMES(700) };
	unsigned char *items = malloc(ITEMS * 256), *got;
	size_t count;

	for (size_t size = 1; size <= 256; size++) {
		const struct leat_type type = { .name = "bytes", .size = size };
		const struct leat_step copy = {
			.name = "copy", .fn = copy_vec, .in = &type, .out = &type
		};
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port port;

		for (size_t i = 0; i < ITEMS * size; i++)
			items[i] = (unsigned char)(i * 7 + i / 251);
		port = leat_flow_from_array(flow, &type, items, ITEMS);
		port = leat_flow_step(port, &copy, &size);
		port = leat_flow_step(port, &copy, &size);
		port = leat_flow_buffer(port, 33);
		port = leat_flow_take(port, ITEMS);
		port = leat_flow_gather(leat_flow_workers(port, 1, LEAT_ORDERED));
		leat_flow_collect(port, (void **)&got, &count);
		expect_start(flow);
		expect_join(flow, 0);
		cr_assert_eq(count, (size_t)ITEMS);
		cr_assert_eq(memcmp(got, items, ITEMS * size), 0, "size %zu", size);
		leat_flow_close(flow);
		free(got);
	}
	free(items);
}

struct line {
	_Alignas(64) uint64_t words[8];
};

LEAT_TYPE(line, struct line);

LEAT_MAP(check_line, line, in, line, out, const void *, unused)
{
	(void)unused;
	*out = *in;
	return (uintptr_t)in % 64 == 0 && (uintptr_t)out % 64 == 0 ? 0 : -EFAULT;
}

LEAT_EACH(end_line, line, in, const void *, unused)
{
	(void)unused;
	return (uintptr_t)in % 64 == 0 ? 0 : -EFAULT;
}

Test(flow_step, items_are_aligned)
{
	struct line *lines = aligned_alloc(64, 500 * sizeof(*lines));
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(line), lines, 500);

	memset(lines, 0, 500 * sizeof(*lines));
	port = leat_flow_step(port, &check_line, NULL);
	port = leat_flow_step(port, &check_line, NULL);
	port = leat_flow_workers(port, 3, LEAT_ORDERED);
	for (int i = 0; i < 3; i++)
		port = leat_flow_step(port, &check_line, NULL);
	port = leat_flow_gather(port);
	leat_flow_for_each(port, &end_line, NULL);
	expect_start(flow);
	expect_join(flow, 0);
	leat_flow_close(flow);
	free(lines);
}

/*
 * A vector is halved while its passes take long, and grows again; never beyond the first one. The
 * clock of a pass is read each sixteenth time.
 */
struct pace {
	uint64_t calls;
	size_t first, most, least;
};

static int pace_vec(void *state, struct leat_vec *v)
{
	struct pace *pace = state;
	int64_t until_ns = leat_now_ns() + 300000;

	if (v->n > 0 && pace->first == 0)
		pace->first = pace->least = v->n;
	if (v->n > pace->most)
		pace->most = v->n;
	if (v->n > 0 && v->n < pace->least)
		pace->least = v->n;
	while (v->n > 0 && pace->calls < 16 * 10 && pace->calls % 16 == 0 &&
	       leat_now_ns() < until_ns) {
	}
	pace->calls += v->n > 0;
	v->used = v->n;
	return 0;
}

Test(flow_step, a_vector_never_grows_beyond_its_memory)
{
	enum { ITEMS = 200000 };
	static const struct leat_type type = { .name = "hundred", .size = 100 };
	const struct leat_step pace_it = {
		.name = "pace_it", .kind = LEAT_STEP_END, .fn = pace_vec, .in = &type
	};
	struct pace pace = { 0 };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	char *items = calloc(ITEMS, 100);

	leat_flow_for_each(leat_flow_from_array(flow, &type, items, ITEMS), &pace_it, &pace);
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert_lt(pace.least, pace.first);
	cr_assert_eq(pace.most, pace.first, "%zu, after %zu", pace.most, pace.first);
	leat_flow_close(flow);
	free(items);
}

struct large {
	uint64_t value;
	char pad[1016];
};
LEAT_TYPE(large, struct large);

LEAT_FLAT_MAP(make_many, u64, x, large, y, 100, const void *, unused)
{
	(void)unused;
	for (int i = 0; i < 100; i++)
		y[i].value = *x;
	return 100;
}

LEAT_EACH(count_large, large, x, uint64_t *, count)
{
	(void)x;
	++*count;
	return 0;
}

/* Of which the vectors are short. */
Test(flow_step, many_large_items_of_one)
{
	const uint64_t items[3] = { 1, 2, 3 };
	struct leat_step step = make_many;
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t count = 0;
	struct leat_port port;

	port = leat_flow_step(leat_flow_from_array(flow, LEAT_T(u64), items, 3), &make_many, NULL);
	leat_flow_for_each(port, &count_large, &count);
	expect_start(flow);
	expect_join(flow, 0);
	leat_flow_close(flow);
	cr_assert_eq(count, 300u);

	step.most = 257;
	flow = leat_flow_open(NULL, NULL);
	leat_flow_step(leat_flow_from_array(flow, LEAT_T(u64), items, 3), &step, NULL);
	cr_assert_eq(leat_flow_check(flow, NULL), -EINVAL);
	expect_words(flow, "makes up to 257 items of one: at most 256 are possible");
	leat_flow_close(flow);
}
