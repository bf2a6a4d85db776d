/*
 * tests/unit/flow_workers.c: workers: all items once; with an order in it, also where steps make
 * more than a slot holds, where one is slow, fails, has had enough; consumers that leave.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "flows.h"

#include <leat/diag.h>

TestSuite(flow_workers, .timeout = 600);

static const unsigned worker_counts[] = { 1, 2, 3, 8 };

static uint64_t key_of_number(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item;
}

/* Numbers below n, through `count` workers. */
static struct leat_port numbers_to(struct leat_flow *flow, uint64_t *n, unsigned count,
                                   enum leat_flow_order order)
{
	struct leat_port port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, n);

	return leat_flow_workers(port, count, order);
}

Test(flow_workers, all_items_once_and_in_order_where_it_counts)
{
	static const size_t capacities[] = { 1, 7, 1024 };
	uint64_t n = MANY_TIMES(5000) / 2 * 2;

	for (size_t i = 0; i < COUNT(worker_counts); i++)
		for (size_t k = 0; k < COUNT(capacities); k++)
			for (int ordered = 0; ordered < 2; ordered++) {
				struct leat_flow *flow = leat_flow_open(
					NULL,
					&(struct leat_flow_opts){ .capacity = capacities[k] });
				struct collected got;

				struct leat_port port =
					numbers_to(flow, &n, worker_counts[i],
				                   ordered ? LEAT_ORDERED : LEAT_UNORDERED);
				port = leat_flow_step(port, &triple, NULL);
				port = leat_flow_step(port, &keep_even, NULL);
				collect(leat_flow_gather(port), &got);
				expect_start(flow);
				expect_join(flow, 0);
				cr_assert_eq(got.count, n / 2);
				if (ordered)
					expect_series(&got, 0, 6, n / 2);
				expect_stat(flow, 0, "from_gen",
				            (struct leat_step_stat){ .made = n });
				expect_stat(
					flow, 1, "workers",
					(struct leat_step_stat){ .in = n, .used = n, .made = n });
				expect_stat(flow, 3, "keep_even",
				            (struct leat_step_stat){ .in = n,
				                                     .used = n / 2,
				                                     .skipped = n / 2,
				                                     .made = n / 2 });
				expect_stat(flow, 4, "gather",
				            (struct leat_step_stat){
						    .in = n / 2, .used = n / 2, .made = n / 2 });
				leat_flow_close(flow);
				free(got.items);
			}
}

Test(flow_workers, behind_a_step_they_have_a_ring)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t *array = numbers_below(3000);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), array, 3000);
	struct collected got;

	port = leat_flow_workers(leat_flow_step(port, &triple, NULL), 3, LEAT_ORDERED);
	port = leat_flow_workers(leat_flow_gather(port), 2, LEAT_UNORDERED);
	port = leat_flow_workers(leat_flow_gather(port), 2, LEAT_ORDERED);
	collect(leat_flow_gather(leat_flow_step(port, &keep_even, NULL)), &got);
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert_eq(got.count, 1500u);
	for (size_t at = 1; at <= 6; at++) {
		struct leat_step_stat stat;

		leat_flow_stat(flow, at, &stat);
		cr_assert(stat.in == 3000 && stat.made == 3000, "%s", stat.name);
	}
	leat_flow_close(flow);
	free(array);
	free(got.items);
}

/* Makes each number that many times: the vectors of large ones do not fit into a slot. */
static int repeat_vec(void *state, struct leat_vec *v)
{
	uint64_t *done = state;
	const uint64_t *in = v->in;

	while (v->used < v->n) {
		if (*done == in[v->used]) {
			*done = 0;
			v->used++;
			continue;
		}
		if (v->made == v->room)
			break;
		((uint64_t *)v->out)[v->made++] = in[v->used];
		++*done;
	}
	return 0;
}

static const struct leat_step repeat_it = {
	.name = "repeat_it", .fn = repeat_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

Test(flow_workers, a_vector_may_make_more_than_a_slot_holds)
{
	uint64_t n = MANY_TIMES(400);

	for (size_t i = 0; i < COUNT(worker_counts); i++)
		for (int ordered = 0; ordered < 2; ordered++) {
			struct leat_flow *flow =
				leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 32 });
			struct leat_port port = numbers_to(flow, &n, worker_counts[i],
			                                   ordered ? LEAT_ORDERED : LEAT_UNORDERED);
			struct collected got;
			size_t at = 0;

			port = leat_flow_step_with(port, &repeat_it,
			                           (struct leat_state){ .size = sizeof(uint64_t) });
			collect(leat_flow_gather(leat_flow_step(port, &triple, NULL)), &got);
			expect_start(flow);
			expect_join(flow, 0);
			cr_assert_eq(got.count, n * (n - 1) / 2);
			for (uint64_t k = 0; k < n && ordered; k++)
				for (uint64_t times = 0; times < k; times++)
					cr_assert_eq(got.items[at++], k * 3);
			leat_flow_close(flow);
			free(got.items);
		}
}

/* Is slow at some items, so that vectors behind them are done before. */
LEAT_MAP(dawdle, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	for (int i = 0; *x % 97 == 0 && i < 20; i++)
		sched_yield();
	return 0;
}

Test(flow_workers, what_each_holds_comes_out_at_the_end)
{
	uint64_t n = 1900;

	for (size_t i = 0; i < COUNT(worker_counts); i++)
		for (int ordered = 0; ordered < 2; ordered++) {
			struct leat_flow *flow =
				leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
			struct leat_port port = numbers_to(flow, &n, worker_counts[i],
			                                   ordered ? LEAT_ORDERED : LEAT_UNORDERED);
			struct collected got;

			port = leat_flow_step_with(
				port, &hold_all,
				(struct leat_state){ .size = sizeof(struct held) });
			collect(leat_flow_gather(port), &got);
			expect_start(flow);
			expect_join(flow, 0);
			expect_set(&got, n);
			leat_flow_close(flow);
			free(got.items);
		}
}

Test(flow_workers, in_order_exactly_what_is_before_a_failure_comes_out)
{
	static const uint64_t places[] = { 0, 1, 17, 500, 1999 };
	uint64_t n = 2000;

	for (size_t i = 0; i < COUNT(worker_counts); i++)
		for (size_t k = 0; k < COUNT(places); k++)
			for (int round = 0; round < MANY_TIMES(20); round++) {
				struct leat_flow *flow = leat_flow_open(
					NULL, &(struct leat_flow_opts){ .capacity = 64 });
				struct leat_port port =
					numbers_to(flow, &n, worker_counts[i], LEAT_ORDERED);
				struct collected got;

				port = leat_flow_step(port, &dawdle, NULL);
				port = leat_flow_step(port, &fail_at, &places[k]);
				collect(leat_flow_gather(port), &got);
				expect_start(flow);
				expect_join(flow, -EDOM);
				expect_words(flow, worker_counts[i] == 1
				                           ? "step \"fail_at\", item "
				                           : "step \"fail_at\", in a worker: ");
				expect_series(&got, 0, 1, places[k]);
				leat_flow_close(flow);
				free(got.items);
			}
}

/* Each item from 100 on fails: the lowest counts, whichever worker comes first. */
LEAT_MAP(fail_from, u64, x, u64, y, const uint64_t *, from)
{
	*y = *x;
	if (*x < *from)
		return 0;
	return *x == *from ? -EDOM : -EXDEV;
}

Test(flow_workers, in_order_the_lowest_failure_counts)
{
	uint64_t n = 2000, from = 300;

	for (int round = 0; round < MANY_TIMES(100); round++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
		struct leat_port port = numbers_to(flow, &n, 4, LEAT_ORDERED);
		enum leat_cause cause;
		struct leat_rx *rx;
		uint64_t item, next = 0;
		int code;

		port = leat_flow_step(leat_flow_step(port, &dawdle, NULL), &fail_from, &from);
		leat_flow_to_rx(leat_flow_gather(port), &rx);
		expect_start(flow);
		while (leat_recv(rx, &item) == 1)
			cr_assert_eq(item, next++);
		cr_assert_eq(next, from);
		cr_assert_eq(leat_rx_status(rx, &cause, &code, NULL), 0);
		cr_assert(cause == LEAT_FAILED && code == -EDOM);
		expect_join(flow, -EDOM);
		leat_rx_close(rx);
		leat_flow_close(flow);
	}
}

Test(flow_workers, a_worker_that_has_had_enough_ends_them_all)
{
	uint64_t enough = 777;

	for (size_t i = 0; i < COUNT(worker_counts); i++)
		for (int ordered = 0; ordered < 2; ordered++) {
			struct leat_flow *flow =
				leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
			struct leat_port port =
				leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
			struct collected got;

			port = leat_flow_workers(port, worker_counts[i],
			                         ordered ? LEAT_ORDERED : LEAT_UNORDERED);
			port = leat_flow_step(leat_flow_step(port, &dawdle, NULL), &take_below,
			                      &enough);
			collect(leat_flow_gather(port), &got);
			expect_start(flow);
			expect_join(flow, 0);
			if (ordered)
				expect_series(&got, 0, 1, enough);
			leat_flow_close(flow);
			free(got.items);
		}
}

Test(flow_workers, a_consumer_that_leaves_ends_them_all)
{
	for (size_t i = 0; i < COUNT(worker_counts); i++)
		for (int ordered = 0; ordered < 2; ordered++) {
			struct leat_flow *flow =
				leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
			struct leat_port port =
				leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
			struct collected got;

			port = leat_flow_workers(port, worker_counts[i],
			                         ordered ? LEAT_ORDERED : LEAT_UNORDERED);
			port = leat_flow_gather(leat_flow_step(port, &triple, NULL));
			collect(leat_flow_take(port, 1000), &got);
			expect_start(flow);
			expect_join(flow, 0);
			cr_assert_eq(got.count, 1000u);
			if (ordered)
				expect_series(&got, 0, 3, 1000);
			leat_flow_close(flow);
			free(got.items);
		}
}

/* The others wait for an item that never comes, in a scope of its own. */
Test(flow_workers, a_failure_ends_those_that_wait_for_items)
{
	for (int shape = 0; shape < 4; shape++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port port;
		uint64_t at = 0;
		struct leat_tx *tx;
		struct leat_rx *rx;

		cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx, &rx), 0);
		port = leat_flow_from_rx(flow, LEAT_T(u64), rx);
		if (shape & 2)
			port = leat_flow_buffer(port, 0);
		port = leat_flow_workers(port, 4, shape & 1 ? LEAT_ORDERED : LEAT_UNORDERED);
		port = leat_flow_gather(leat_flow_step(port, &fail_at, &at));
		leat_flow_for_each(port, &ignore, NULL);
		expect_start(flow);
		cr_assert_eq(leat_send(tx, &at), 0);
		expect_join(flow, -EDOM);
		leat_flow_close(flow);
		cr_assert_eq(leat_send(tx, &at), -EPIPE);
		leat_tx_close(tx);
		leat_scope_close(scope);
	}
}

LEAT_EACH(add_shared, u64, x, const uint64_t *, sum)
{
	leat_add_rlx((uint64_t *)(uintptr_t)sum, *x); /* rlx: read after the join */
	return 0;
}

Test(flow_workers, unordered_ones_may_be_the_end)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 5000, sum = 0;

	leat_flow_for_each(leat_flow_step(numbers_to(flow, &n, 3, LEAT_UNORDERED), &triple, NULL),
	                   &add_shared, &sum);
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert_eq(sum, 3 * n * (n - 1) / 2);
	expect_stat(flow, 3, "add_shared", (struct leat_step_stat){ .in = n, .used = n });
	leat_flow_close(flow);
}

static uint32_t inits, finis;

static int init_state(void *state, const void *arg)
{
	(void)state, (void)arg;
	leat_add_acqrel(&inits, 1u);
	return 0;
}

static void fini_state(void *state)
{
	(void)state;
	leat_add_acqrel(&finis, 1u);
}

LEAT_MAP(with_state, u64, x, u64, y, uint64_t *, seen)
{
	++*seen;
	*y = *x;
	return 0;
}

Test(flow_workers, each_has_state_of_its_own)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 5000;
	struct leat_port port = numbers_to(flow, &n, 5, LEAT_ORDERED);
	struct collected got;

	port = leat_flow_step_with(
		port, &with_state,
		(struct leat_state){ sizeof(uint64_t), init_state, fini_state, NULL });
	collect(leat_flow_gather(port), &got);
	expect_start(flow);
	expect_join(flow, 0);
	expect_series(&got, 0, 1, n);
	cr_assert(inits == 5 && finis == 5);
	leat_flow_close(flow);
	free(got.items);
}

/* A vector is held at a gate: those behind it are worked off, until the window is full. */
Test(flow_workers, one_that_is_slow_holds_up_the_order_alone)
{
	struct leat_flow *flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 4 });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct gate gate = { 0 };
	struct leat_port port;
	struct leat_tx *tx;
	struct leat_rx *rx, *out;
	uint64_t item;

	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx, &rx), 0);
	port = leat_flow_workers(leat_flow_from_rx(flow, LEAT_T(u64), rx), 2, LEAT_ORDERED);
	leat_flow_to_rx(leat_flow_gather(leat_flow_step(port, &pass_gate, &gate)), &out);
	expect_start(flow);
	for (uint64_t i = 0; i < 2; i++) {
		cr_assert_eq(leat_send(tx, &i), 0);
		cr_assert(await_word(&gate.reached, (uint32_t)i + 1));
	}
	cr_assert_eq(leat_try_recv(out, &item), -EAGAIN);
	leat_store_rel(&gate.open, 1u);
	for (uint64_t i = 2; i < 40; i++)
		cr_assert_eq(leat_send(tx, &i), 0);
	leat_tx_close(tx);
	for (uint64_t i = 0; i < 40; i++) {
		cr_assert_eq(leat_recv(out, &item), 1);
		cr_assert_eq(item, i);
	}
	cr_assert_eq(leat_recv(out, &item), 0);
	expect_join(flow, 0);
	leat_rx_close(out);
	leat_flow_close(flow);
	leat_scope_close(scope);
}

/* Holds the item 0 until the gate is open. */
LEAT_MAP(hold_zero, u64, x, u64, y, const struct gate *, shut)
{
	struct gate *gate = (struct gate *)(uintptr_t)shut;

	*y = *x;
	if (*x != 0)
		return 0;
	leat_add_acqrel(&gate->reached, 1u);
	return await_word(&gate->open, 1) ? 0 : -ETIME;
}

/* In a worker, and in a branch before a merge. */
Test(flow_workers, a_slow_step_does_not_hold_up_what_others_send_into_the_same_ring)
{
	for (int merges = 0; merges < 2; merges++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 4 });
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct gate gate = { 0 };
		struct leat_port ports[2];
		struct leat_tx *tx[2];
		struct leat_rx *rx, *out;
		uint64_t slow = 0, other = 1, item;

		for (int i = 0; i < 2; i++) {
			cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx[i], &rx), 0);
			ports[i] = leat_flow_from_rx(flow, LEAT_T(u64), rx);
			if (!merges)
				ports[i] = leat_flow_workers(ports[i], 2, LEAT_UNORDERED);
			ports[i] = leat_flow_step(ports[i], &hold_zero, &gate);
			if (!merges)
				ports[i] = leat_flow_gather(ports[i]);
		}
		leat_flow_to_rx(leat_flow_merge(ports, 2), &out);
		expect_start(flow);
		cr_assert_eq(leat_send(tx[0], &slow), 0);
		cr_assert(await_word(&gate.reached, 1));
		for (int i = 0; i < 100; i++) {
			cr_assert_eq(leat_send(tx[merges], &other), 0);
			cr_assert_eq(leat_recv(out, &item), 1);
			cr_assert_eq(item, other);
		}
		leat_store_rel(&gate.open, 1u);
		leat_tx_close(tx[0]);
		leat_tx_close(tx[1]);
		cr_assert_eq(leat_recv(out, &item), 1);
		cr_assert_eq(item, slow);
		cr_assert_eq(leat_recv(out, &item), 0);
		expect_join(flow, 0);
		leat_rx_close(out);
		leat_flow_close(flow);
		leat_scope_close(scope);
	}
}

/* The clock stands until the workers are all asleep: those that wait for the input, too. */
Test(flow_workers, a_manual_clock_knows_when_they_sleep)
{
	clock_start();
	for (int ordered = 0; ordered < 2; ordered++) {
		struct leat_scope *scope;
		struct leat_flow *flow;
		struct leat_rx *in, *out = NULL;
		struct leat_port port;
		struct leat_tx *tx;
		uint64_t got;

		scope = leat_scope_open(NULL, NULL);
		flow = leat_flow_open(scope, NULL);
		cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &in), 0);
		port = leat_flow_from_rx(flow, LEAT_T(u64), in);
		port = leat_flow_workers(port, 3, ordered ? LEAT_ORDERED : LEAT_UNORDERED);
		port = leat_flow_gather(leat_flow_step(port, &triple, NULL));
		leat_flow_to_rx(port, &out);
		expect_start(flow);
		for (uint64_t n = 0; n < 5; n++) {
			clock_settle();
			cr_assert_eq(leat_try_recv(out, &got), -EAGAIN);
			cr_assert_eq(leat_send(tx, &n), 0);
			clock_settle();
			cr_assert_eq(leat_try_recv(out, &got), 1);
			cr_assert_eq(got, 3 * n);
		}
		leat_tx_close(tx);
		cr_assert_eq(leat_recv(out, &got), 0);
		expect_join(flow, 0);
		leat_rx_close(out);
		leat_flow_close(flow);
		leat_scope_close(scope);
	}
}

/* The names in a snapshot. */
struct names {
	unsigned first, second, rings, others;
};

static void find_names(const struct leat_snapshot *snapshot, void *arg)
{
	struct names *names = arg;

	for (size_t i = 0; i < snapshot->generators_count; i++) {
		const char *name = snapshot->generators[i].name;

		names->first += strcmp(name, "three times/1") == 0;
		names->second += strcmp(name, "three times/2") == 0;
		names->others += strstr(name, "triple") != NULL;
	}
	for (size_t i = 0; i < snapshot->channels_count; i++)
		names->rings += strcmp(snapshot->channels[i].name, "to the end") == 0;
}

/* Workers are told from each other, and what a program names has that name everywhere. */
Test(flow_workers, names_in_the_books_and_in_snapshots)
{
	struct leat_diag_opts opts = { .interval_ns = INT64_C(3600000) * MS,
		                       .callback = find_names };

	for (int by_key = 0; by_key < 2; by_key++) {
		struct names names = { 0 };
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_diag *diag;
		struct leat_port port;
		uint64_t n = 10;
		char name[] = "three times";
		struct collected got;

		opts.callback_arg = &names;
		diag = leat_diag_start(&opts);
		port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
		port = by_key ? leat_flow_workers_by(port, 2, key_of_number, NULL)
		              : leat_flow_workers(port, 2, LEAT_UNORDERED);
		port = leat_flow_name(leat_flow_step(port, &triple, NULL), "once");
		port = leat_flow_name(port, name);
		name[0] = 'X'; /* it was copied */
		collect(leat_flow_name(leat_flow_gather(port), "to the end"), &got);
		expect_start(flow);
		expect_join(flow, 0);
		expect_stat(flow, 2, "three times",
		            (struct leat_step_stat){ .in = n, .used = n, .made = n });
		leat_flow_close(flow);
		cr_assert_eq(leat_diag_stop(diag), 0);
		cr_expect_eq(names.first, 1u);
		cr_expect_eq(names.second, 1u);
		cr_expect_eq(names.rings, 1u);
		cr_expect_eq(names.others, 0u);
		free(got.items);
	}
}

Test(flow_workers, a_name_that_is_none)
{
	for (int empty = 0; empty < 2; empty++) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		uint64_t n = 1;
		struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), &n, 1);

		leat_flow_name(leat_flow_step(port, &triple, NULL), empty ? "" : NULL);
		cr_expect_eq(leat_flow_check(flow, NULL), -EINVAL);
		expect_words(flow, "name: \"triple\" is to have no name");
		leat_flow_close(flow);
	}
}
