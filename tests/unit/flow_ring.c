/*
 * tests/unit/flow_ring.c: where islands end: buffers, tees, partitions, merges; consumers that
 * leave early, also while an input is idle.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flows.h"

TestSuite(flow_ring, .timeout = 600);

static uint64_t key_of(const void *item, const void *arg)
{
	return *(const uint64_t *)item / *(const uint64_t *)arg;
}

static const uint64_t one = 1;

/* A flow that is fed by a channel of another scope, so that its input can be idle. */
struct fed {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct leat_tx *tx;
	struct leat_port port;
};

static struct fed feed_by_hand(void)
{
	struct fed fed = { .scope = leat_scope_open(NULL, NULL) };
	struct leat_rx *rx;

	cr_assert_eq(leat_chan_open(fed.scope, sizeof(uint64_t), NULL, &fed.tx, &rx), 0);
	fed.flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 16 });
	fed.port = leat_flow_from_rx(fed.flow, LEAT_T(u64), rx);
	return fed;
}

static void send_numbers(struct fed *fed, uint64_t from, uint64_t to)
{
	for (; from < to; from++)
		cr_assert_eq(leat_send(fed->tx, &from), 0);
}

static void close_fed(struct fed *fed)
{
	leat_flow_close(fed->flow);
	leat_tx_close(fed->tx);
	leat_scope_close(fed->scope);
}

Test(flow_ring, buffers_of_each_size_keep_order)
{
	static const size_t capacities[] = { 1, 2, 7, 1024, 0 };
	struct leat_flow *flow;
	struct leat_port port;
	struct collected got;
	uint64_t n = MANY_TIMES(3000);

	for (size_t i = 0; i < COUNT(capacities); i++)
		for (size_t k = 0; k < COUNT(capacities); k++) {
			flow = leat_flow_open(NULL, NULL);
			port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
			port = leat_flow_buffer(port, capacities[i]);
			port = leat_flow_buffer(port, capacities[k]);
			port = leat_flow_step(port, &triple, NULL);
			port = leat_flow_buffer(port, capacities[i]);
			collect(port, &got);
			expect_start(flow);
			expect_join(flow, 0);
			expect_series(&got, 0, 3, n);
			for (size_t at = 1; at <= 4; at++)
				expect_stat(
					flow, at, at == 3 ? "triple" : "buffer",
					(struct leat_step_stat){ .in = n, .used = n, .made = n });
			leat_flow_close(flow);
			free(got.items);
		}
}

/* --- rings that drop --- */

/* Lets nothing through before all items have been sent into the ring that is before it. */
struct passing {
	uint32_t passed; /* atomic: items that were sent there, or are about to be */
	uint32_t all;
};

LEAT_MAP(count_passed, u64, x, u64, y, struct passing *, passing)
{
	*y = *x;
	leat_add_acqrel(&passing->passed, 1u);
	return 0;
}

static int await_all_vec(void *state, struct leat_vec *v)
{
	struct passing *passing = state;

	while (v->n > 0 && leat_load_acq(&passing->passed) < passing->all)
		sched_yield();
	v->used = v->made = v->n < v->room ? v->n : v->room;
	if (v->used > 0)
		memcpy(v->out, v->in, v->used * sizeof(uint64_t));
	return 0;
}

static const struct leat_step await_all = { .name = "await_all",
	                                    .kind = LEAT_STEP_MAP,
	                                    .fn = await_all_vec,
	                                    .in = LEAT_T(u64),
	                                    .out = LEAT_T(u64),
	                                    .waits = true };

static void expect_rising(const struct collected *got)
{
	for (size_t i = 1; i < got->count; i++)
		cr_assert_gt(got->items[i], got->items[i - 1]);
}

Test(flow_ring, a_full_ring_drops_where_it_is_told_to)
{
	enum { ITEMS = 3000 };

	for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST; overflow++)
		for (int merged = 0; merged < 2; merged++) {
			struct passing passing = { .all = overflow == LEAT_BLOCK ? 0 : ITEMS };
			struct fed fed = feed_by_hand();
			struct leat_step_stat stat;
			struct collected got;
			struct leat_port port;

			port = leat_flow_step(fed.port, &count_passed, &passing);
			port = merged ? leat_flow_merge(&port, 1) : leat_flow_buffer(port, 8);
			port = leat_flow_overflow(port, overflow);
			collect(leat_flow_step(port, &await_all, &passing), &got);
			expect_start(fed.flow);
			send_numbers(&fed, 0, ITEMS);
			leat_tx_close(fed.tx);
			fed.tx = NULL;
			expect_join(fed.flow, 0);
			cr_assert_eq(leat_flow_stat(fed.flow, 2, &stat), 0);
			cr_expect_eq(stat.in, (uint64_t)ITEMS);
			cr_expect_eq(stat.used + stat.dropped, (uint64_t)ITEMS);
			cr_expect_eq(stat.made, (uint64_t)got.count);
			cr_expect_eq(stat.dropped > 0, overflow != LEAT_BLOCK);
			expect_rising(&got);
			if (overflow != LEAT_DROP_OLDEST)
				cr_expect_eq(got.items[0], 0u);
			if (overflow != LEAT_DROP_NEWEST)
				cr_expect_eq(got.items[got.count - 1], (uint64_t)ITEMS - 1);
			close_fed(&fed);
			free(got.items);
		}
}

/* Above 32 bytes a ring that drops its oldest lends its items to nobody. */
struct large {
	uint64_t number, rest[7];
};
LEAT_TYPE(large, struct large);

static int run_large(struct leat_tx *out, void *arg)
{
	const uint64_t end = *(uint64_t *)arg;
	int rc = 0;

	for (uint64_t n = 0; rc == 0 && n < end; n++)
		rc = leat_send(out, &(struct large){ n, { n, n, n, n, n, n, n } });
	return rc;
}

LEAT_MAP(number_of, large, large, u64, y, const void *, unused)
{
	(void)unused;
	*y = large->number;
	for (int i = 0; i < 7; i++)
		if (large->rest[i] != large->number)
			return -EIO;
	return 0;
}

Test(flow_ring, large_items_of_sources_and_workers_that_drop)
{
	for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
	     overflow++)
		for (int workers = 0; workers < 2; workers++) {
			uint64_t n = MANY_TIMES(20000);
			const struct leat_flow_opts opts = { .capacity = 4 };
			struct leat_flow *flow = leat_flow_open(NULL, &opts);
			struct leat_step_stat stat;
			struct collected got;
			struct leat_port port;

			port = leat_flow_from_gen(flow, LEAT_T(large), run_large, &n);
			if (workers) /* the source's ring is that of the workers */
				port = leat_flow_workers(port, 1, LEAT_UNORDERED);
			port = leat_flow_overflow(port, overflow);
			port = leat_flow_step(port, &number_of, NULL);
			if (workers)
				port = leat_flow_overflow(leat_flow_gather(port), overflow);
			collect(port, &got);
			expect_start(flow);
			expect_join(flow, 0);
			cr_assert_eq(leat_flow_stat(flow, 0, &stat), 0);
			cr_expect_eq(stat.made + stat.dropped, n);
			if (workers) {
				cr_assert_eq(leat_flow_stat(flow, 3, &stat), 0);
				cr_expect_eq(stat.in, stat.used + stat.dropped);
			}
			cr_expect_eq(stat.made, (uint64_t)got.count);
			expect_rising(&got);
			leat_flow_close(flow);
			free(got.items);
		}
}

Test(flow_ring, where_nothing_can_be_dropped)
{
	uint64_t n = 10;

	for (int what = 0; what < 5; what++) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), &n, 1), ports[2];

		switch (what) {
		case 0:
			leat_flow_overflow(port, LEAT_DROP_NEWEST);
			expect_words(flow, "overflow: \"from_array\" has no ring that could drop");
			break;
		case 1:
			port = leat_flow_step(port, &triple, NULL);
			leat_flow_overflow(port, LEAT_DROP_NEWEST);
			expect_words(flow, "overflow: \"triple\" has no ring that could drop");
			break;
		case 2:
			leat_flow_tee(port, ports, 2);
			leat_flow_overflow(ports[0], LEAT_DROP_NEWEST);
			expect_words(flow, "overflow: \"tee\" has no ring that could drop");
			break;
		case 3:
			port = leat_flow_buffer(port, 2);
			leat_flow_overflow(port, (enum leat_overflow)3);
			expect_words(flow, "overflow: of \"buffer\": there are block");
			break;
		default:
			port = leat_flow_workers_by(port, 2, key_of, &one);
			leat_flow_overflow(port, LEAT_DROP_OLDEST);
			expect_words(flow, "overflow: \"workers_by\" has no ring that could drop");
		}
		cr_expect_eq(leat_flow_check(flow, NULL), -EINVAL);
		leat_flow_close(flow);
	}
}

LEAT_PAIR(both, u64, u64);

Test(flow_ring, between_a_tee_and_a_zip_nothing_may_be_dropped)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 10;
	struct leat_port ports[2], port;
	void *items;
	size_t count;

	leat_flow_tee(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n), ports, 2);
	ports[0] = leat_flow_overflow(leat_flow_buffer(ports[0], 4), LEAT_DROP_NEWEST);
	port = leat_flow_zip(ports[0], ports[1], LEAT_T(both));
	leat_flow_collect(port, &items, &count);
	cr_expect_eq(leat_flow_check(flow, NULL), -EDEADLK);
	expect_words(flow, "zip: \"buffer\" may leave items out");
	leat_flow_close(flow);
}

Test(flow_ring, a_tee_shows_each_item_to_all)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port port, ports[3], nested[2];
	struct collected got[4];
	uint64_t n = 5000;

	port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
	leat_flow_tee(port, ports, 3);
	leat_flow_tee(leat_flow_step(ports[2], &triple, NULL), nested, 2);
	collect(ports[0], &got[0]);
	collect(leat_flow_step(ports[1], &keep_even, NULL), &got[1]);
	collect(nested[0], &got[2]);
	collect(leat_flow_take(nested[1], 10), &got[3]);
	expect_start(flow);
	expect_join(flow, 0);
	expect_series(&got[0], 0, 1, n);
	expect_series(&got[1], 0, 2, n / 2);
	expect_series(&got[2], 0, 3, n);
	expect_series(&got[3], 0, 3, 10);
	expect_stat(flow, 1, "tee", (struct leat_step_stat){ .in = n, .used = n, .made = n });
	leat_flow_close(flow);
	for (int i = 0; i < 4; i++)
		free(got[i].items);
}

Test(flow_ring, a_partition_gives_each_item_to_one)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port port, ports[3], nested[2];
	struct collected got[4];
	const uint64_t three = 3;
	uint64_t n = 6000;

	port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
	leat_flow_partition(port, key_of, &one, ports, 3);
	leat_flow_partition(ports[2], key_of, &three, nested, 2);
	collect(ports[0], &got[0]);
	collect(ports[1], &got[1]);
	collect(nested[0], &got[2]);
	collect(nested[1], &got[3]);
	expect_start(flow);
	expect_join(flow, 0);
	expect_series(&got[0], 0, 3, n / 3);
	expect_series(&got[1], 1, 3, n / 3);
	expect_series(&got[2], 2, 6, n / 6);
	expect_series(&got[3], 5, 6, n / 6);
	expect_stat(flow, 1, "partition", (struct leat_step_stat){ .in = n, .used = n, .made = n });
	leat_flow_close(flow);
	for (int i = 0; i < 4; i++)
		free(got[i].items);
}

Test(flow_ring, a_merge_has_all_that_comes)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct numbers numbers = { .next = 1000, .end = 2000 };
	struct leat_port ports[4], parts[2];
	uint64_t *array = numbers_below(3000), n = 1000;
	struct collected got;

	ports[0] = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
	ports[1] = leat_flow_from_seq(flow, LEAT_T(u64), numbers_seq(&numbers));
	leat_flow_partition(leat_flow_from_array(flow, LEAT_T(u64), array + 2000, 1000), key_of,
	                    &one, parts, 2);
	ports[2] = parts[0];
	ports[3] = parts[1];
	collect(leat_flow_merge(ports, 4), &got);
	expect_start(flow);
	expect_join(flow, 0);
	expect_set(&got, 3000);
	expect_stat(flow, 4, "merge",
	            (struct leat_step_stat){ .in = 3000, .used = 3000, .made = 3000 });
	leat_flow_close(flow);
	free(array);
	free(got.items);
}

Test(flow_ring, a_diamond_ends)
{
	static const size_t capacities[] = { 1, 3, 100 };

	for (size_t i = 0; i < COUNT(capacities); i++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = capacities[i] });
		struct leat_port ports[3];
		struct tally tally = { 0 };
		uint64_t n = MANY_TIMES(3000);

		leat_flow_tee(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n), ports, 3);
		ports[1] = leat_flow_step(ports[1], &keep_even, NULL);
		ports[2] = leat_flow_step(ports[2], &keep_none, NULL);
		leat_flow_for_each(leat_flow_merge(ports, 3), &count_each, &tally);
		expect_start(flow);
		expect_join(flow, 0);
		cr_assert_eq(tally.count, n + (n + 1) / 2);
		leat_flow_close(flow);
	}
}

/* A gen without end: join returns only if all before the end learn that it has left. */
Test(flow_ring, an_end_that_leaves_ends_what_is_before_it)
{
	for (int shape = 0; shape < 6; shape++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 8 });
		struct tally tally[2] = { { .enough = 100 }, { .enough = 50 } };
		struct leat_port port, ports[2];

		port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
		ports[0] = port;
		if (shape == 1) {
			port = leat_flow_buffer(leat_flow_step(port, &triple, NULL), 3);
		} else if (shape == 2) {
			leat_flow_tee(port, ports, 2);
		} else if (shape == 3) {
			leat_flow_partition(port, key_of, &one, ports, 2);
		} else if (shape == 4) {
			ports[1] = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, NULL);
			port = leat_flow_merge(ports, 2);
		} else if (shape == 5) {
			leat_flow_tee(port, ports, 2);
			port = leat_flow_merge(ports, 2);
		}
		if (shape == 2 || shape == 3) {
			leat_flow_for_each(ports[1], &count_each, &tally[1]);
			port = ports[0];
		}
		leat_flow_for_each(port, &count_each, &tally[0]);
		expect_start(flow);
		expect_join(flow, 0);
		cr_assert_eq(tally[0].count, 100u);
		cr_assert(tally[1].count == 50 || (shape != 2 && shape != 3));
		leat_flow_close(flow);
	}
}

Test(flow_ring, one_that_leaves_does_not_end_the_other)
{
	for (int tees = 0; tees < 2; tees++) {
		struct leat_flow *flow =
			leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 8 });
		struct leat_port port, ports[3];
		struct tally tally = { .enough = 10 };
		struct collected got;
		struct leat_rx *rx;
		uint64_t n = 3000;

		port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
		if (tees)
			leat_flow_tee(port, ports, 3);
		else
			leat_flow_partition(port, key_of, &one, ports, 3);
		leat_flow_for_each(ports[0], &count_each, &tally);
		collect(ports[1], &got);
		leat_flow_to_rx(ports[2], &rx);
		expect_start(flow);
		leat_rx_close(rx);
		expect_join(flow, 0);
		cr_assert_eq(tally.count, 10u);
		expect_series(&got, tees ? 0 : 1, tees ? 1 : 3, tees ? n : n / 3);
		leat_flow_close(flow);
		free(got.items);
	}
}

Test(flow_ring, an_idle_input_ends_with_its_consumer)
{
	for (int shape = 0; shape < 7; shape++) {
		struct fed fed = feed_by_hand();
		struct leat_rx *rx[2] = { NULL };
		struct leat_port port = fed.port, ports[2];

		if (shape == 1)
			port = leat_flow_buffer(leat_flow_step(port, &triple, NULL), 0);
		else if (shape == 2)
			port = leat_flow_merge(&port, 1);
		else if (shape == 3 || shape == 4)
			port = leat_flow_gather(leat_flow_step(
				leat_flow_workers(port, 3,
			                          shape == 3 ? LEAT_ORDERED : LEAT_UNORDERED),
				&triple, NULL));
		else if (shape == 5)
			leat_flow_tee(port, ports, 2);
		else if (shape == 6)
			leat_flow_partition(port, key_of, &one, ports, 2);
		leat_flow_to_rx(shape < 5 ? port : ports[0], &rx[0]);
		if (shape >= 5)
			leat_flow_to_rx(ports[1], &rx[1]);
		expect_start(fed.flow);
		send_numbers(&fed, 0, 2);
		cr_assert_eq(leat_recv(rx[0], &(uint64_t){ 0 }), 1);
		leat_rx_close(rx[0]);
		if (rx[1] != NULL) { /* the other one still gets its items */
			cr_assert_eq(leat_recv(rx[1], &(uint64_t){ 0 }), 1);
			send_numbers(&fed, 3, 4);
			cr_assert_eq(leat_recv(rx[1], &(uint64_t){ 0 }), 1);
			leat_rx_close(rx[1]);
		}
		expect_join(fed.flow, 0);
		cr_assert_eq(leat_send(fed.tx, &one), -EPIPE);
		close_fed(&fed);
	}
}

Test(flow_ring, an_idle_input_ends_with_the_flow)
{
	for (int shape = 0; shape < 6; shape++) {
		struct fed fed = feed_by_hand();
		struct leat_port port = fed.port, ports[2];
		struct tally tally = { 0 };

		if (shape == 1)
			port = leat_flow_buffer(port, 0);
		else if (shape == 2)
			port = leat_flow_workers(port, 3, LEAT_UNORDERED);
		else if (shape == 3)
			port = leat_flow_gather(leat_flow_workers(port, 3, LEAT_ORDERED));
		else if (shape == 4)
			leat_flow_tee(port, ports, 2);
		else if (shape == 5)
			leat_flow_partition(port, key_of, &one, ports, 2);
		if (shape >= 4) {
			leat_flow_for_each(ports[1], &ignore, NULL);
			port = ports[0];
		}
		if (shape == 2)
			leat_flow_for_each(port, &ignore, NULL);
		else
			leat_flow_for_each(port, &count_each, &tally);
		expect_start(fed.flow);
		send_numbers(&fed, 0, 3);
		if (shape != 2)
			cr_assert(await_word(&tally.count, 1));
		leat_flow_close(fed.flow);
		fed.flow = NULL;
		cr_assert_eq(leat_send(fed.tx, &one), -EPIPE);
		close_fed(&fed);
	}
}

Test(flow_ring, a_receiver_is_there_at_the_start_and_ends_as_the_flow_does)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	enum leat_cause cause;
	struct leat_rx *rx;
	uint64_t n = 100, item;

	leat_flow_to_rx(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n), &rx);
	cr_assert_null(rx);
	expect_start(flow);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(leat_recv(rx, &item), 1);
		cr_assert_eq(item, i);
	}
	cr_assert_eq(leat_recv(rx, &item), 0);
	cr_assert_eq(leat_rx_status(rx, &cause, NULL, NULL), 0);
	cr_assert_eq(cause, LEAT_COMPLETED);
	expect_join(flow, 0);
	leat_flow_close(flow);
	leat_rx_close(rx);
}

/* Sources that cannot be read in place: the island copies. */
Test(flow_ring, a_subscriber_that_may_be_overtaken_is_a_source)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_broadcast *broadcast;
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct collected got;
	struct leat_tx *tx;
	struct leat_rx *rx;

	cr_assert_eq(leat_broadcast_open(scope, sizeof(uint64_t),
	                                 &(struct leat_broadcast_opts){ .skip = true }, &broadcast,
	                                 &tx),
	             0);
	cr_assert_eq(leat_broadcast_subscribe(
			     broadcast, &(struct leat_subscribe_opts){ .lag = LEAT_LAG_SKIP }, &rx),
	             0);
	leat_broadcast_close(broadcast);
	collect(leat_flow_step(leat_flow_from_rx(flow, LEAT_T(u64), rx), &triple, NULL), &got);
	expect_start(flow);
	for (uint64_t i = 0; i < 500; i++)
		cr_assert_eq(leat_send(tx, &i), 0);
	leat_tx_close(tx);
	expect_join(flow, 0);
	expect_series(&got, 0, 3, 500);
	leat_flow_close(flow);
	leat_scope_close(scope);
	free(got.items);
}

struct wide {
	uint64_t value, pad[7];
};
LEAT_TYPE(wide, struct wide);

LEAT_MAP(same_wide, wide, x, wide, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	return 0;
}

/* What the header has for receivers that others take from, too: each item comes once. */
Test(flow_ring, a_receiver_that_is_not_the_flows_alone)
{
	const struct leat_chan_opts many = { .kind = LEAT_SPMC, .capacity = 64 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, &(struct leat_flow_opts){ .capacity = 1 });
	struct wide item = { 0 };
	struct leat_tx *tx;
	struct leat_rx *rx, *other, *out = NULL;
	struct leat_port port;
	uint64_t sum = 0;

	cr_assert_eq(leat_chan_open(scope, sizeof(item), &many, &tx, &rx), 0);
	other = leat_rx_clone(rx);
	cr_assert_not_null(other);
	port = leat_flow_from_seq(flow, LEAT_T(wide), leat_seq_from_rx(rx));
	leat_flow_to_rx(leat_flow_step(port, &same_wide, NULL), &out);
	expect_start(flow);
	for (item.value = 0; item.value < 40; item.value++)
		cr_assert_eq(leat_send(tx, &item), 0);
	if (leat_try_recv(other, &item) == 1)
		sum += item.value;
	leat_tx_close(tx);
	leat_rx_close(other);
	while (leat_recv(out, &item) == 1)
		sum += item.value;
	cr_assert_eq(sum, 39u * 40 / 2);
	expect_join(flow, 0);
	leat_rx_close(out);
	leat_flow_close(flow);
	leat_scope_close(scope);
}

/* Sends numbers until it cannot, and says how many it sent. */
static int send_all(struct leat_tx *out, void *sent)
{
	uint64_t *count = sent;
	int rc = 0;

	while (rc == 0) {
		rc = leat_send(out, count);
		*count += rc == 0;
	}
	return rc == -EPIPE ? 0 : rc;
}

LEAT_MAP(pass_on, u64, x, u64, y, const void *, unused)
{
	*y = *x;
	return 0;
}

/* Rings that are right behind one another are one: as many threads, and no item more in flight. */
Test(flow_ring, a_ring_of_the_capacity_that_it_is_given_and_no_other)
{
	for (int shape = 0; shape < 5; shape++) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_flow_cost cost;
		struct leat_port port, ports[2];
		struct leat_rx *out;
		uint64_t sent = 0, none = 0, item;

		port = leat_flow_from_gen(flow, LEAT_T(u64), send_all, &sent);
		if (shape == 1)
			port = leat_flow_buffer(leat_flow_step(port, &pass_on, NULL), 100);
		if (shape == 2 || shape == 3)
			port = leat_flow_workers(port, 3, LEAT_UNORDERED);
		if (shape == 2)
			port = leat_flow_gather(leat_flow_step(port, &pass_on, NULL));
		if (shape == 3) {
			port = leat_flow_gather(leat_flow_step(port, &pass_on, NULL));
			port = leat_flow_workers(port, 2, LEAT_UNORDERED);
			port = leat_flow_gather(leat_flow_step(port, &pass_on, NULL));
		}
		if (shape == 4) {
			ports[0] = port;
			ports[1] = leat_flow_from_gen(flow, LEAT_T(u64), send_all, &none);
			port = leat_flow_merge(ports, 2);
		}
		port = leat_flow_capacity(leat_flow_name(port, "the ring"), 5);
		leat_flow_to_rx(port, &out);
		cr_assert_eq(leat_flow_estimate(flow, &cost), 0, "%s", leat_flow_error(flow));
		cr_assert_eq(cost.rings, ((size_t[]){ 1, 2, 2, 3, 3 })[shape], "shape %d: %zu",
		             shape, cost.rings);
		expect_start(flow);
		cr_assert_eq(leat_rx_capacity(out), 5u, "shape %d", shape);
		for (int i = 0; i < 100; i++)
			cr_assert_eq(leat_recv(out, &item), 1);
		leat_rx_close(out);
		expect_join(flow, 0);
		cr_assert(shape != 0 || sent <= 105, "%llu", (unsigned long long)sent);
		leat_flow_close(flow);
	}
}

Test(flow_ring, a_capacity_is_that_of_a_ring)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t *numbers = numbers_below(3);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers, 3);

	leat_flow_capacity(port, 7);
	cr_assert_eq(leat_flow_check(flow, NULL), -EINVAL);
	expect_words(flow, "capacity: \"from_array\" has no ring: put a buffer behind it");
	leat_flow_close(flow);
	flow = leat_flow_open(NULL, NULL);
	port = leat_flow_from_array(flow, LEAT_T(u64), numbers, 3);
	leat_flow_capacity(leat_flow_buffer(port, 2), 0);
	cr_assert_eq(leat_flow_check(flow, NULL), -EINVAL);
	expect_words(flow, "capacity: of \"buffer\": from 1 item");
	leat_flow_close(flow);
	free(numbers);
}

/* Counts the items of each call. */
static int count_items(void *most, struct leat_vec *v)
{
	size_t *largest = most;

	*largest = v->n > *largest ? v->n : *largest;
	v->used = v->n;
	return 0;
}

Test(flow_ring, an_island_takes_no_more_than_a_step_says)
{
	for (size_t most = 0; most < 4; most++) {
		const struct leat_step step = { .name = "counter",
			                        .kind = LEAT_STEP_END,
			                        .fn = count_items,
			                        .in = LEAT_T(u64),
			                        .vector = most };
		struct fed fed = feed_by_hand();
		size_t largest = 0;

		send_numbers(&fed, 0, 16); /* before it starts */
		leat_flow_for_each(fed.port, &step, &largest);
		expect_start(fed.flow);
		leat_tx_close(fed.tx);
		fed.tx = NULL;
		expect_join(fed.flow, 0);
		cr_assert_eq(largest, most == 0 ? 16 : most, "%zu of at most %zu", largest, most);
		close_fed(&fed);
	}
}

/* The program's receiver of a source goes on when the flow has been joined. */
Test(flow_ring, what_a_source_has_sent_is_there_behind_the_join)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 700, item;
	struct leat_rx *out;

	leat_flow_to_rx(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n), &out);
	expect_start(flow);
	expect_join(flow, 0);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert_eq(leat_recv(out, &item), 1);
		cr_assert_eq(item, i);
	}
	cr_assert_eq(leat_recv(out, &item), 0);
	leat_flow_close(flow);
	leat_rx_close(out);
}

/* --- a tee right behind a generator, and a receiver of the program's right behind a tee --- */

static int fail_at_end(struct leat_tx *out, void *arg)
{
	int rc = run_numbers(out, arg);

	return rc != 0 ? rc : leat_tx_fail(out, -EXDEV, "the far end");
}

Test(flow_ring, a_generator_sends_into_the_ring_of_a_tee_itself)
{
	for (int drops = 0; drops < 2; drops++) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port port, ports[2];
		struct leat_flow_cost cost;
		struct tally tally[2] = { { 0 } };
		uint64_t n = 3000;

		port = leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n);
		port = leat_flow_capacity(port, 20);
		if (drops)
			port = leat_flow_overflow(port, LEAT_DROP_NEWEST);
		leat_flow_tee(port, ports, 2);
		for (int i = 0; i < 2; i++)
			leat_flow_for_each(ports[i], &count_each, &tally[i]);
		cr_assert_eq(leat_flow_estimate(flow, &cost), 0);
		if (!flows_on_pool())
			cr_expect_eq(cost.threads, drops ? 4 : 3, "%zu threads", cost.threads);
		cr_expect_eq(cost.rings, drops ? 2 : 1);
		cr_expect_eq(cost.ring_bytes, (drops ? 1024 + 20 : 20) * sizeof(uint64_t));
		cr_expect_eq(cost.hops, drops ? 2 : 1);
		expect_start(flow);
		expect_join(flow, 0);
		cr_expect_eq(tally[0].count, tally[1].count);
		if (!drops) {
			cr_expect_eq(tally[0].count, n);
			expect_stat(flow, 0, "from_gen", (struct leat_step_stat){ .made = n });
			expect_stat(flow, 1, "tee",
			            (struct leat_step_stat){ .in = n, .used = n, .made = n });
		}
		leat_flow_close(flow);
	}
}

/* What it has sent is worked off, and then its failure is that of each branch. */
Test(flow_ring, a_generator_before_a_tee_fails_all_branches)
{
	for (int receivers = 0; receivers < 3; receivers++) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port ports[2];
		struct leat_rx *rx[2] = { NULL, NULL };
		struct tally tally[2] = { { 0 } };
		uint64_t n = 3000, item;

		leat_flow_tee(leat_flow_from_gen(flow, LEAT_T(u64), fail_at_end, &n), ports, 2);
		for (int i = 0; i < 2; i++)
			if (i < receivers)
				leat_flow_to_rx(ports[i], &rx[i]);
			else
				leat_flow_for_each(ports[i], &count_each, &tally[i]);
		expect_start(flow);
		for (uint64_t k = 0; k < n; k++)
			for (int i = 0; i < receivers; i++) {
				cr_assert_eq(leat_recv(rx[i], &item), 1);
				cr_assert_eq(item, k);
			}
		for (int i = 0; i < receivers; i++) {
			const char *text;
			int code;

			cr_assert_eq(leat_recv(rx[i], &item), 0);
			cr_assert_eq(leat_rx_status(rx[i], NULL, &code, &text), 0);
			cr_expect_eq(code, -EXDEV);
			cr_expect_str_eq(text, "the far end");
			leat_rx_close(rx[i]);
		}
		expect_join(flow, -EXDEV);
		expect_words(flow, "the far end");
		for (int i = receivers; i < 2; i++)
			cr_expect_eq(tally[i].count, n);
		leat_flow_close(flow);
	}
}

Test(flow_ring, a_receiver_behind_a_tee_is_its_own)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port ports[2];
	struct leat_flow_cost cost;
	struct leat_rx *rx;
	struct tally tally = { 0 };
	uint64_t n = 3000, item, sum = 0;

	leat_flow_tee(leat_flow_step(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n),
	                             &triple, NULL),
	              ports, 2);
	leat_flow_to_rx(ports[0], &rx);
	leat_flow_for_each(ports[1], &count_each, &tally);
	cr_assert_eq(leat_flow_estimate(flow, &cost), 0);
	if (!flows_on_pool())
		cr_expect_eq(cost.threads, 3);
	cr_expect_eq(cost.rings, 2);
	expect_start(flow);
	while (leat_recv(rx, &item) == 1)
		sum += item;
	cr_expect_eq(sum, 3 * n * (n - 1) / 2);
	leat_rx_close(rx);
	expect_join(flow, 0);
	cr_expect_eq(tally.count, n);
	expect_stat(flow, 3, "to_rx", (struct leat_step_stat){ .in = n, .used = n, .made = n });
	leat_flow_close(flow);
}

Test(flow_ring, only_a_tee_lends)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_rx *rx;
	uint64_t n = 3;

	leat_flow_to_rx_lent(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n), &rx);
	cr_expect_eq(leat_flow_check(flow, NULL), -EINVAL);
	expect_words(flow, "to_rx_lent: \"from_gen\" before it is no tee, and lends nothing");
	leat_flow_close(flow);
	flow = leat_flow_open(NULL, NULL);
	leat_flow_to_rx_lent(leat_flow_from_gen(flow, LEAT_T(u64), run_numbers, &n), NULL);
	cr_expect_eq(leat_flow_check(flow, NULL), -EINVAL);
	expect_words(flow, "to_rx_lent: there is no place for it");
	leat_flow_close(flow);
}
