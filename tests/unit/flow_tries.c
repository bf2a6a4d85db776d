/*
 * tests/unit/flow_tries.c: the tries of an item: the pauses between them, what ends these, and a
 * time for all of them.
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

	if (shape == TO_A_BUFFER) /* and a step, or the receiver would be the buffer's */
		port = leat_flow_take(leat_flow_buffer(port, 3), UINT64_MAX);
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

/* --- a time for each item --- */

enum { ITEMS = 10 };

/*
 * For an item, how long a call takes, and how many fail; then what was seen. Only one thread at a
 * time has an item, so workers may share this.
 */
struct work {
	struct leat_scope *scope;
	int64_t takes_ns[ITEMS];
	int fails[ITEMS];
	uint32_t calls[ITEMS];
	int64_t left_ns[ITEMS]; /* of its time, at the last call */
};

static int take_time(struct work *work, uint64_t item)
{
	int64_t until_ns = leat_flow_until_ns();
	int rc = 0;

	work->calls[item]++;
	work->left_ns[item] = until_ns == LEAT_NEVER ? -1 : until_ns - leat_now_ns();
	if (work->takes_ns[item] > 0)
		rc = leat_scope_sleep(work->scope, leat_now_ns() + work->takes_ns[item]);
	if (rc == 0 && work->fails[item] > 0) {
		work->fails[item]--;
		rc = -EIO;
	}
	return rc;
}

LEAT_MAP(work_on, u64, x, u64, y, const struct work *, work)
{
	*y = *x;
	return take_time((struct work *)(uintptr_t)work, *x);
}

/* Numbers through work_on, with 20 ms for each. */
static struct leat_port add_work(struct sent *sent, int source, enum shape shape, struct work *work)
{
	sent_declare(sent, ITEMS);
	work->scope = sent->scope;
	return leat_flow_item_timeout(
		leat_flow_step(begin_with(source_of(sent, source), shape), &work_on, work),
		20 * MS);
}

static void start_work(struct sent *sent, struct leat_port port, enum shape shape)
{
	end_in(port, shape, sent);
	expect_start(sent->flow);
	clock_settle();
	clock_advance(1000 * MS);
}

static void expect_numbers(struct leat_rx *out, uint64_t from, uint64_t to, uint64_t without)
{
	uint64_t got;

	for (; from < to; from++) {
		if (from == without)
			continue;
		cr_assert_eq(leat_try_recv(out, &got), 1, "no %llu", (unsigned long long)from);
		cr_assert_eq(got, from);
	}
}

/* 20 ms are in time, and a nanosecond more is not. */
Test(flow_tries, an_item_that_takes_too_long_fails)
{
	for (int source = 0; source < 4; source++)
		for (enum shape shape = TO_A_RING; shape < SHAPES; shape++) {
			struct work work = { .takes_ns = { [2] = 20 * MS, [5] = 20 * MS + 1 } };
			bool workers = shape >= UNORDERED;
			struct sent sent;

			start_work(&sent, add_work(&sent, source, shape, &work), shape);
			expect_join(sent.flow, -ETIMEDOUT);
			expect_words(sent.flow,
			             workers ? "step \"work_on\", in a worker: it took longer "
			                       "than 20 ms"
			                     : "step \"work_on\", item 5: it took longer than "
			                       "20 ms");
			if (!workers || shape == ORDERED)
				expect_numbers(sent.out, 0, 5, ITEMS);
			sent_close_with(&sent, -ETIMEDOUT);
		}
}

Test(flow_tries, an_item_that_takes_too_long_is_left_out)
{
	for (int source = 0; source < 4; source++)
		for (enum shape shape = TO_A_RING; shape < SHAPES; shape++) {
			struct work work = { .takes_ns = { [0] = 5 * MS, [5] = 30 * MS } };
			struct leat_port port;
			struct sent sent;

			port = add_work(&sent, source, shape, &work);
			start_work(&sent, leat_flow_on_error(port, LEAT_ON_ERROR_SKIP), shape);
			expect_join(sent.flow, 0);
			expect_stat(sent.flow, shape >= UNORDERED ? 2 : 1, "work_on",
			            (struct leat_step_stat){ .in = ITEMS,
			                                     .used = ITEMS - 1,
			                                     .failed = 1,
			                                     .made = ITEMS - 1 });
			for (int i = 0; i < ITEMS; i++)
				cr_assert(work.calls[i] == 1 && work.left_ns[i] == 20 * MS);
			if (shape < UNORDERED || shape == ORDERED)
				expect_numbers(sent.out, 0, ITEMS, 5);
			sent_close(&sent);
		}
}

LEAT_TROUBLE(failed, u64);

Test(flow_tries, an_item_that_takes_too_long_is_diverted)
{
	struct work work = { .takes_ns = { [5] = 30 * MS } };
	struct leat_port port, trouble;
	struct leat_rx *failed;
	struct leat_step_stat stat;
	struct sent sent;
	leat_item_failed got;

	port = add_work(&sent, 0, TO_A_RING, &work);
	port = leat_flow_divert(port, LEAT_T(failed), &trouble);
	leat_flow_to_rx(trouble, &failed);
	start_work(&sent, port, TO_A_RING);
	cr_assert_eq(leat_recv(failed, &got), 1);
	cr_assert(got.code == -ETIMEDOUT && got.number == 5 && got.item == 5);
	cr_assert_eq(leat_recv(failed, &got), 0);
	leat_rx_close(failed);
	expect_numbers(sent.out, 0, ITEMS, 5);
	expect_join(sent.flow, 0);
	cr_assert_eq(leat_flow_stat(sent.flow, 1, &stat), 0);
	cr_assert(stat.in == ITEMS && stat.used == ITEMS - 1 && stat.diverted == 1);
	sent_close(&sent);
}

/* Calls at 0, 8 and 16 ms; the fourth would be at 24. Other items have times of their own. */
Test(flow_tries, the_time_of_an_item_is_for_all_its_tries)
{
	const struct leat_backoff pauses = { .first_ns = 8 * MS, .factor = 1 };

	for (int skip = 0; skip < 2; skip++)
		for (enum shape shape = TO_A_RING; shape < SHAPES; shape++) {
			struct work work = { .fails = { [1] = 2, [2] = 2, [5] = 100 } };
			struct leat_port port;
			struct sent sent;

			port = leat_flow_retry(add_work(&sent, 0, shape, &work), &pauses);
			if (skip)
				port = leat_flow_on_error(port, LEAT_ON_ERROR_SKIP);
			start_work(&sent, port, shape);
			expect_join(sent.flow, skip ? 0 : -ETIMEDOUT);
			cr_assert(work.calls[1] == 3 && work.calls[2] == 3);
			cr_assert_eq(work.calls[5], 3u, "%u calls", work.calls[5]);
			cr_assert_eq(work.left_ns[5], 4 * MS);
			if (!skip)
				expect_words(sent.flow,
				             shape >= UNORDERED
				                     ? "it took longer than 20 ms; its last try"
				                     : "it took longer than 20 ms; its last try: "
				                       "Input/output error");
			sent_close_with(&sent, skip ? 0 : -ETIMEDOUT);
		}
}

/* A pause may end with the time of the item; the tries may be over before it. */
Test(flow_tries, the_last_try_may_be_at_the_end_of_its_time)
{
	for (uint32_t tries = 1; tries < 3; tries++) {
		struct leat_backoff pauses = { .first_ns = 10 * MS, .factor = 1, .tries = tries };
		struct work work = { .fails = { [5] = 2 } };
		struct sent sent;

		start_work(&sent, leat_flow_retry(add_work(&sent, 0, TO_A_RING, &work), &pauses),
		           TO_A_RING);
		expect_join(sent.flow, tries == 1 ? -EIO : 0);
		cr_assert_eq(work.calls[5], tries + 1);
		sent_close_with(&sent, tries == 1 ? -EIO : 0);
	}
}

Test(flow_tries, an_item_that_takes_too_long_has_failed_for_a_breaker)
{
	struct leat_breaker *breaker = leat_breaker_new(
		&(struct leat_breaker_opts){ .failures = 2, .open_ns = 3600000 * MS });
	struct work work = { .takes_ns = { [3] = 30 * MS, [4] = 30 * MS } };
	struct leat_port port;
	struct sent sent;

	port = leat_flow_breaker(add_work(&sent, 0, TO_A_RING, &work), breaker);
	start_work(&sent, leat_flow_on_error(port, LEAT_ON_ERROR_SKIP), TO_A_RING);
	expect_join(sent.flow, 0);
	cr_assert_eq(leat_breaker_now(breaker), LEAT_BREAKER_OPEN);
	for (int i = 0; i < ITEMS; i++)
		cr_assert_eq(work.calls[i], i < 5 ? 1u : 0u);
	expect_numbers(sent.out, 0, 3, ITEMS);
	sent_close(&sent);
	leat_breaker_free(breaker);
}

/* --- how long a step may wait --- */

/* Waits for a reply that does not come, as long as it may; before and behind, what that is. */
struct asking {
	struct leat_rx *replies;
	int64_t last_ns;
};

static int ask_vec(void *state, struct leat_vec *v)
{
	struct asking *asking = state;
	uint64_t reply;
	ssize_t n;

	if (v->n == 0) {
		asking->last_ns = leat_flow_until_ns();
		return 0;
	}
	n = leat_recv_until(asking->replies, &reply, leat_flow_until_ns());
	if (n < 0)
		return (int)n;
	v->used = v->made = 1;
	*(uint64_t *)v->out = reply;
	return 0;
}

static const struct leat_step ask = {
	.name = "ask", .fn = ask_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

Test(flow_tries, a_wait_of_a_step_ends_with_the_time_of_its_item)
{
	struct timed t = timed_open();
	struct asking asking = { .last_ns = 0 };
	struct leat_port port;

	cr_assert_eq(leat_flow_until_ns(), LEAT_NEVER);
	asking.replies = t.in[1];
	t.in[1] = NULL;
	port = leat_flow_item_timeout(leat_flow_step(input(&t, 0), &ask, &asking), 20 * MS);
	leat_flow_to_rx(leat_flow_on_error(port, LEAT_ON_ERROR_SKIP), &t.out);
	expect_start(t.flow);
	put(&t, 0, 1); /* its reply does not come */
	put_settled(&t, 2);
	clock_advance(20 * MS);
	clock_advance(19 * MS);
	put(&t, 1, 22);
	clock_settle();
	expect_item(&t, 22);
	end_input(&t, 0);
	expect_join(t.flow, 0);
	cr_assert_eq(asking.last_ns, LEAT_NEVER);
	expect_stat(t.flow, 1, "ask",
	            (struct leat_step_stat){ .in = 2, .used = 1, .failed = 1, .made = 1 });
	leat_rx_close(asking.replies);
	timed_close(&t, 0);
}

Test(flow_tries, a_wait_that_ends_with_the_time_of_its_item_has_the_words_of_that)
{
	struct timed t = timed_open();
	struct asking asking = { .last_ns = 0 };

	asking.replies = t.in[1];
	t.in[1] = NULL;
	leat_flow_to_rx(
		leat_flow_item_timeout(leat_flow_step(input(&t, 0), &ask, &asking), 1500000),
		&t.out);
	expect_start(t.flow);
	put_settled(&t, 1);
	clock_advance(1500000);
	expect_join(t.flow, -ETIMEDOUT);
	cr_assert_str_eq(leat_flow_error(t.flow),
	                 "step \"ask\", item 0: it took longer than 1500 us");
	leat_rx_close(asking.replies);
	timed_close(&t, -ETIMEDOUT);
}

/* A step without a time for its items has all the time there is. */
LEAT_MAP(has_no_time, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	return leat_flow_until_ns() == LEAT_NEVER ? 0 : -EDOM;
}

Test(flow_tries, the_time_of_an_item_is_that_of_its_step_alone)
{
	struct work work = { .takes_ns = { 0 } };
	struct leat_port port;
	struct sent sent;

	port = add_work(&sent, 0, TO_A_RING, &work);
	start_work(&sent, leat_flow_step(port, &has_no_time, NULL), TO_A_RING);
	expect_join(sent.flow, 0);
	expect_numbers(sent.out, 0, ITEMS, ITEMS);
	sent_close(&sent);
}

/* --- what becomes of a late result --- */

/* Items that own something. One that was freed is no multiple of 1024 any more. */
static uint32_t made_owned, freed_owned;

static void free_owned(void *item, void *arg)
{
	(void)arg;
	cr_assert_eq(*(uint64_t *)item % 1024, 0u);
	*(uint64_t *)item = 1;
	leat_add_acqrel(&freed_owned, 1u);
}

static int copy_owned(void *copy, const void *item)
{
	memcpy(copy, item, sizeof(uint64_t));
	leat_add_acqrel(&made_owned, 1u);
	return 0;
}
LEAT_TYPE_OWNED(owned, uint64_t, free_owned, copy_owned);

LEAT_MAP(make_owned, u64, x, owned, y, const void *, unused)
{
	(void)unused;
	*y = *x * 1024;
	leat_add_acqrel(&made_owned, 1u);
	return 0;
}

LEAT_MAP(map_owned, owned, x, owned, y, struct work *, work)
{
	int rc = take_time(work, *x / 1024);

	*y = *x;
	if (rc == 0)
		leat_add_acqrel(&made_owned, 1u);
	return rc;
}

LEAT_FLAT_MAP(double_owned, owned, x, owned, y, 2, struct work *, work)
{
	int rc = take_time(work, *x / 1024);

	y[0] = y[1] = *x;
	if (rc == 0)
		leat_add_acqrel(&made_owned, 2u);
	return rc == 0 ? 2 : rc;
}

LEAT_FILTER(filter_owned, owned, x, struct work *, work)
{
	return take_time(work, *x / 1024) == 0;
}

LEAT_FILTER(drop_owned, owned, x, struct work *, work)
{
	take_time(work, *x / 1024);
	return false;
}

LEAT_EDIT(edit_owned, owned, x, struct work *, work)
{
	int rc = take_time(work, *x / 1024);

	if (rc == 0)
		*x *= 2;
	return rc;
}

LEAT_EDIT(edit_away, owned, x, struct work *, work)
{
	int rc = take_time(work, *x / 1024);

	return rc == 0 ? LEAT_SKIP : rc;
}

LEAT_EACH(end_owned, owned, x, uint32_t *, count)
{
	*count += *x % 1024 == 0;
	return 0;
}

Test(flow_tries, what_a_late_item_and_its_results_own_is_freed_once)
{
	static const struct leat_step *const steps[] = { &map_owned,  &double_owned, &filter_owned,
		                                         &drop_owned, &edit_owned,   &edit_away };
	static const uint32_t passed[] = { 9, 18, 9, 0, 9, 0 };

	for (size_t i = 0; i < COUNT(steps); i++)
		for (int teed = 0; teed < 2; teed++)
			for (int skip = 0; skip < 2; skip++) {
				struct work work = { .takes_ns = { [5] = 30 * MS } };
				struct leat_port port, ports[2];
				struct sent sent;
				uint32_t count = 0, other = 0;

				made_owned = freed_owned = 0;
				sent_declare(&sent, ITEMS);
				work.scope = sent.scope;
				port = leat_flow_step(source_of(&sent, 0), &make_owned, NULL);
				if (teed) {
					leat_flow_tee(port, ports, 2);
					leat_flow_for_each(ports[1], &end_owned, &other);
					port = ports[0];
				}
				port = leat_flow_step(port, steps[i], &work);
				port = leat_flow_item_timeout(port, 20 * MS);
				if (skip)
					port = leat_flow_on_error(port, LEAT_ON_ERROR_SKIP);
				leat_flow_for_each(port, &end_owned, &count);
				expect_start(sent.flow);
				clock_advance(100 * MS);
				expect_join(sent.flow, skip ? 0 : -ETIMEDOUT);
				cr_assert_eq(count, skip ? passed[i] : passed[i] / 9 * 5,
				             "step %zu: %u", i, count);
				leat_flow_close(sent.flow);
				cr_assert_eq(made_owned, freed_owned, "step %zu: %u, %u", i,
				             made_owned, freed_owned);
				leat_scope_close(sent.scope);
				free(sent.array);
			}
}

/* A result into the ring, the array, and the memory of the step behind. */
LEAT_FUSE(fused_work, u64, u64, work_on, triple);

Test(flow_tries, a_late_result_is_not_passed_on)
{
	for (int end = 0; end < 3; end++) {
		struct work work = { .takes_ns = { [5] = 30 * MS } };
		struct leat_port port;
		struct sent sent;
		struct collected got;
		uint64_t array[1000];

		sent_declare(&sent, ITEMS);
		work.scope = sent.scope;
		port = leat_flow_step(source_of(&sent, 0), &fused_work, (void *[]){ &work, NULL });
		port = leat_flow_on_error(leat_flow_item_timeout(port, 20 * MS),
		                          LEAT_ON_ERROR_SKIP);
		got.items = array;
		if (end == 0)
			leat_flow_to_array(port, array, 1000, &got.count);
		else
			collect(end == 1 ? port : leat_flow_buffer(port, 4), &got);
		expect_start(sent.flow);
		clock_advance(100 * MS);
		expect_join(sent.flow, 0);
		cr_assert_eq(got.count, ITEMS - 1u);
		for (uint64_t i = 0; i < got.count; i++)
			cr_assert_eq(got.items[i], 3 * (i < 5 ? i : i + 1));
		sent_close(&sent);
		if (end > 0)
			free(got.items);
	}
}

/* --- what ends a call that is late --- */

LEAT_MAP(enough_late, u64, x, u64, y, struct leat_scope *, scope)
{
	*y = *x;
	if (*x < 5)
		return 0;
	leat_scope_sleep(scope, leat_now_ns() + 30 * MS);
	return LEAT_ENOUGH;
}

Test(flow_tries, a_step_has_had_enough_however_late)
{
	struct sent sent;
	struct collected got;
	struct leat_port port;

	sent_declare(&sent, ITEMS);
	port = leat_flow_step(source_of(&sent, 0), &enough_late, sent.scope);
	collect(leat_flow_item_timeout(port, 20 * MS), &got);
	expect_start(sent.flow);
	clock_advance(100 * MS);
	expect_join(sent.flow, 0);
	expect_series(&got, 0, 1, 5);
	sent_close(&sent);
	free(got.items);
}

Test(flow_tries, a_cancel_of_a_late_call_is_no_timeout)
{
	for (enum shape shape = TO_A_RING; shape < SHAPES; shape++) {
		struct work work = { .takes_ns = { [5] = 30 * MS } };
		struct leat_port port;
		struct sent sent;

		port = leat_flow_on_error(add_work(&sent, 0, shape, &work), LEAT_ON_ERROR_SKIP);
		end_in(port, shape, &sent);
		expect_start(sent.flow);
		clock_settle();
		clock_advance(25 * MS);
		leat_scope_cancel(sent.scope, 0, "enough");
		expect_join(sent.flow, 0);
		cr_assert_str_eq(leat_flow_error(sent.flow), "");
		sent_close(&sent);
	}
}

/* A failure that is of no item is not one of an item that is late: no policy leaves it out. */
static void pass_one(struct leat_vec *v)
{
	if (v->n == 0)
		return;
	memcpy(v->out, v->in, sizeof(uint64_t));
	v->used = v->made = 1;
}

static int fail_behind_vec(void *state, struct leat_vec *v)
{
	const struct work *work = state;

	pass_one(v);
	if (v->n == 0 || *(const uint64_t *)v->in != 5)
		return 0;
	leat_scope_sleep(work->scope, leat_now_ns() + 30 * MS);
	return -EDOM;
}

Test(flow_tries, a_failure_of_no_item_is_not_late)
{
	static const struct leat_step fail_behind = {
		.name = "fail_behind", .fn = fail_behind_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
	};
	struct work work = { .takes_ns = { 0 } };
	struct leat_port port;
	struct sent sent;
	struct collected got;

	sent_declare(&sent, ITEMS);
	work.scope = sent.scope;
	port = leat_flow_step(source_of(&sent, 0), &fail_behind, &work);
	port = leat_flow_item_timeout(port, 20 * MS);
	collect(leat_flow_on_error(port, LEAT_ON_ERROR_SKIP), &got);
	expect_start(sent.flow);
	clock_advance(100 * MS);
	expect_join(sent.flow, -EDOM);
	expect_series(&got, 0, 1, 6);
	expect_stat(sent.flow, 1, "fail_behind",
	            (struct leat_step_stat){ .in = 6, .used = 6, .made = 6 });
	sent_close_with(&sent, -EDOM);
	free(got.items);
}

/* --- where it can be --- */

Test(flow_tries, a_time_for_each_item_in_a_diamond)
{
	for (int late = 0; late < 2; late++) {
		struct work work = { .takes_ns = { [5] = (late ? 30 : 20) * MS } };
		struct leat_port sides[2];
		leat_item_both *got;
		struct sent sent;
		size_t count;

		sent_declare(&sent, ITEMS);
		work.scope = sent.scope;
		leat_flow_tee(source_of(&sent, 0), sides, 2);
		sides[0] =
			leat_flow_item_timeout(leat_flow_step(sides[0], &work_on, &work), 20 * MS);
		leat_flow_collect(leat_flow_zip(sides[0], sides[1], LEAT_T(both)), (void **)&got,
		                  &count);
		expect_start(sent.flow);
		clock_advance(100 * MS);
		expect_join(sent.flow, late ? -ETIMEDOUT : 0);
		cr_assert_eq(count, late ? 5u : ITEMS);
		sent_close_with(&sent, late ? -ETIMEDOUT : 0);
		free(got);
	}
}

static int64_t never_due_ns(const void *state)
{
	(void)state;
	return LEAT_NEVER;
}

Test(flow_tries, mistakes)
{
	static const char *const words[] = {
		"item_timeout: its time is 0 ns: it must be above 0",
		"item_timeout: its time is -7 ns: it must be above 0",
		"item_timeout: \"fail_at\" has one already",
		"item_timeout: \"from_rx\" is no step of the program's",
		"item_timeout: \"delay\" is no step of the program's",
		"item_timeout: \"ask\" is called at times (due_ns)",
	};

	for (size_t i = 0; i < COUNT(words); i++) {
		static const uint64_t none = UINT64_MAX;
		struct timed t = timed_open();
		struct leat_port port = input(&t, 0);
		struct leat_step timed_step = ask;

		timed_step.due_ns = never_due_ns;
		if (i < 3)
			port = leat_flow_step(port, &fail_at, &none);
		if (i == 2)
			port = leat_flow_item_timeout(port, MS);
		if (i == 4)
			port = leat_flow_delay(port, MS, 1);
		if (i == 5)
			port = leat_flow_step(port, &timed_step, NULL);
		port = leat_flow_item_timeout(port, i == 0 ? 0 : i == 1 ? -7 : MS);
		leat_flow_to_rx(port, &t.out);
		cr_assert_eq(leat_flow_start(t.flow), -EINVAL);
		expect_words(t.flow, words[i]);
		timed_close(&t, -EINVAL);
	}
}
