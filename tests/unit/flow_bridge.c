/*
 * tests/unit/flow_bridge.c: bridges: the order of what comes out, how many streams are open, what
 * is waited for, items that own something; and what is refused.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "bridged.h"

TestSuite(flow_bridge, .timeout = 600);

static void run_all(unsigned source_form, unsigned form, size_t at_once, size_t capacity,
                    uint64_t streams)
{
	struct origin origin = { .scope = leat_scope_open(NULL, NULL),
		                 .pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 }),
		                 .form = form,
		                 .capacity = capacity };
	struct source source = { .origin = &origin, .end = streams };
	struct leat_flow *flow =
		leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = capacity });
	uint64_t *numbers = numbers_below(streams);
	const size_t n = count_items(streams);
	struct leat_step_stat stat;
	struct collected got;
	struct leat_port port;

	port = leat_flow_bridge(streams_of(flow, &source, source_form, numbers), LEAT_T(u64),
	                        at_once);
	collect(leat_flow_skip(port, 0), &got);
	expect_start(flow);
	expect_join(flow, 0);
	expect_all(&got, streams, at_once == 1);
	cr_assert_eq(leat_flow_stat(flow, port.node, &stat), 0);
	cr_assert_str_eq(stat.name, "bridge");
	cr_assert(stat.in == streams && stat.used == streams && stat.made == n,
	          "%llu in, %llu used, %llu made", (unsigned long long)stat.in,
	          (unsigned long long)stat.used, (unsigned long long)stat.made);
	cr_assert_eq(leat_flow_stat(flow, port.node + 1, &stat), 0);
	cr_assert_eq(stat.in, n);
	leat_flow_close(flow);
	free(got.items);
	free(numbers);
	leat_scope_close(origin.scope);
	leat_pool_close(origin.pool);
}

Test(flow_bridge, one_at_a_time_they_come_one_after_the_other)
{
	static const size_t capacities[] = { 1, 3, 1024 };

	for (unsigned source = 0; source < FORMS; source++)
		for (unsigned form = 0; form <= FORMS; form++)
			for (size_t i = 0; i < COUNT(capacities); i++)
				run_all(source, form, 1, capacities[i],
				        form == FORMS ? STREAMS : 9);
}

Test(flow_bridge, several_at_a_time_they_come_each_in_its_order)
{
	static const size_t at_once[] = { 2, 5, 17, STREAMS, 1024 };

	for (unsigned source = 0; source < FORMS; source++)
		for (unsigned form = 0; form <= FORMS; form++)
			for (size_t i = 0; i < COUNT(at_once); i++)
				run_all(source, form, at_once[i], i % 2 ? 1 : 100,
				        form == FORMS ? STREAMS : 9);
}

Test(flow_bridge, without_streams_and_with_empty_ones)
{
	for (size_t at_once = 1; at_once < 4; at_once++) {
		run_all(0, 0, at_once, 8, 0);
		run_all(1, 0, at_once, 8, 1); /* stream 0 is empty */
		run_all(2, 1, at_once, 8, 2);
	}
}

Test(flow_bridge, a_stream_is_opened_when_one_has_ended)
{
	struct bridged bridged;
	struct leat_rx *out;
	uint64_t item;

	clock_start();
	open_bridged(&bridged, 2);
	leat_flow_to_rx(bridged.port, &out);
	expect_start(bridged.flow);
	expect_items(out, "");
	for (size_t i = 0; i < 5; i++) {
		send_stream(&bridged);
		send_item(&bridged, i, i);
		expect_items(out, i == 0 ? "0" : i == 1 ? "1" : "");
	}
	send_item(&bridged, 1, 6);
	expect_items(out, "6");
	end_stream(&bridged, 1);
	expect_items(out, "2");
	end_stream(&bridged, 3);
	expect_items(out, "");
	send_item(&bridged, 0, 7);
	end_stream(&bridged, 0);
	expect_items(out, "734"); /* 3 is at its end then */
	send_item(&bridged, 2, 8);
	expect_items(out, "8");
	send_item(&bridged, 4, 9);
	expect_items(out, "9");
	end_feed(&bridged);
	expect_items(out, "");
	end_stream(&bridged, 4);
	send_item(&bridged, 2, 5);
	expect_items(out, "5");
	end_stream(&bridged, 2);
	cr_assert_eq(leat_recv(out, &item), 0);
	expect_join(bridged.flow, 0);
	expect_closed(&bridged);
	leat_rx_close(out);
	close_bridged(&bridged);
}

/* Both are there before it begins; the first could fill many vectors. */
Test(flow_bridge, a_stream_that_has_more_does_not_hold_up_the_others)
{
	struct collected got;
	struct bridged bridged;
	size_t last = 0, seen = 0;

	open_bridged(&bridged, 3);
	for (size_t i = 0; i < 3; i++) {
		send_stream(&bridged);
		for (uint64_t n = 0; n < (i == 0 ? 4000 : 500); n++)
			send_item(&bridged, i, i << 32 | n);
		end_stream(&bridged, i);
	}
	end_feed(&bridged);
	collect(bridged.port, &got);
	expect_start(bridged.flow);
	expect_join(bridged.flow, 0);
	cr_assert_eq(got.count, 5000u);
	for (size_t i = 0; i < got.count; i++) {
		if (got.items[i] >> 32 == 0)
			continue;
		last = i;
		seen++;
	}
	cr_assert_eq(seen, 1000u);
	cr_assert_lt(last, 2600u);
	expect_closed(&bridged);
	free(got.items);
	close_bridged(&bridged);
}

Test(flow_bridge, the_step_before_it_is_as_many_ahead_as_its_ring_and_a_buffer_have_room_for)
{
	for (size_t at_once = 1; at_once < 4; at_once++)
		for (size_t buffer = 0; buffer < 8; buffer += 7) {
			struct origin origin = { .capacity = 4, .run = be_idle };
			struct leat_flow *flow;
			uint64_t *numbers = numbers_below(1000);
			struct leat_port port;
			struct leat_rx *out;

			clock_start();
			flow = leat_flow_open(NULL, NULL);
			origin.scope = leat_scope_open(NULL, NULL);
			port = leat_flow_from_array(flow, LEAT_T(u64), numbers, 1000);
			port = leat_flow_step(port, &open_stream, &origin);
			if (buffer > 0)
				port = leat_flow_buffer(port, buffer);
			leat_flow_to_rx(leat_flow_bridge(port, LEAT_T(u64), at_once), &out);
			expect_start(flow);
			clock_settle();
			/* before a buffer, on a pool, what a vector has made is kept until it is
			 * sent */
			cr_assert(origin.opened == 2 * at_once + buffer ||
			                  (buffer > 0 && flows_on_pool() &&
			                   origin.opened <= 2 * at_once + buffer + 256),
			          "%u opened for %zu, %zu", origin.opened, at_once, buffer);
			leat_rx_close(out);
			expect_join(flow, 0);
			leat_flow_close(flow);
			leat_scope_close(origin.scope); /* all are told, also those not opened */
			free(numbers);
		}
}

/* --- times --- */

LEAT_BATCH(ten, u64, 10);

Test(flow_bridge, a_step_behind_it_is_called_when_it_is_due)
{
	for (size_t at_once = 1; at_once < 3; at_once++) {
		leat_item_ten batch;
		struct bridged bridged;
		struct leat_rx *out;

		clock_start();
		open_bridged(&bridged, at_once);
		leat_flow_to_rx(leat_flow_batch(bridged.port, LEAT_T(ten), 10 * MS), &out);
		expect_start(bridged.flow);
		for (int i = 0; i < 3; i++) {
			send_stream(&bridged);
			send_item(&bridged, (size_t)i, 1);
		}
		clock_settle();
		clock_advance(10 * MS - 1);
		cr_assert_eq(leat_try_recv(out, &batch), -EAGAIN);
		clock_advance(1);
		cr_assert_eq(leat_recv(out, &batch), 1);
		cr_assert_eq(batch.count, at_once);
		for (size_t i = 0; i < 3; i++)
			end_stream(&bridged, i);
		end_feed(&bridged);
		cr_assert_eq(leat_recv(out, &batch), 1);
		cr_assert_eq(batch.count, 3 - at_once);
		cr_assert_eq(leat_recv(out, &batch), 0);
		expect_join(bridged.flow, 0);
		leat_rx_close(out);
		close_bridged(&bridged);
	}
}

/* A delay waits while it holds an item, and then lets the bridge go on. */
Test(flow_bridge, a_step_that_waits_behind_it_holds_up_the_streams)
{
	struct bridged bridged;
	struct leat_rx *out;

	clock_start();
	open_bridged(&bridged, 2);
	leat_flow_to_rx(leat_flow_delay(bridged.port, 10 * MS, 1), &out);
	expect_start(bridged.flow);
	send_stream(&bridged);
	send_stream(&bridged);
	send_item(&bridged, 0, 1);
	send_item(&bridged, 0, 3);
	expect_items(out, "");
	clock_advance(10 * MS);
	expect_items(out, "1");
	clock_advance(10 * MS);
	expect_items(out, "3");
	send_item(&bridged, 1, 2);
	expect_items(out, "");
	leat_rx_close(out);
	expect_join(bridged.flow, 0);
	expect_closed(&bridged);
	close_bridged(&bridged);
}

/* --- items that own something --- */

enum { CELLS = 1 << 16 };

struct box {
	uint64_t value, cell;
};

static uint32_t made, freed[CELLS], twice;

static void free_box(void *item, void *arg)
{
	const struct box *box = item;

	(void)arg;
	if (leat_add_acqrel(&freed[box->cell], 1u) != 0)
		leat_add_acqrel(&twice, 1u);
}

LEAT_TYPE_OWNED(box, struct box, free_box, NULL);

static int run_boxes(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t i = 0; i < 300 && rc == 0; i++) {
		struct box box = { i, leat_add_acqrel(&made, 1u) };

		rc = leat_send(out, &box);
		if (rc != 0)
			free_box(&box, NULL);
	}
	return rc;
}

LEAT_MAP(open_boxes, u64, n, rx, out, struct leat_scope *, scope)
{
	const struct leat_gen_opts opts = { .chan = { .capacity = 7, .discard = free_box } };

	(void)n;
	return leat_gen(scope, run_boxes, NULL, sizeof(struct box), &opts, out);
}

LEAT_FILTER(keep_some, box, box, const void *, unused)
{
	(void)unused;
	return box->value % 3 != 0;
}

LEAT_MAP(fail_box, box, box, u64, x, const uint64_t *, at)
{
	*x = box->value;
	return box->value == *at ? -EDOM : 0;
}

Test(flow_bridge, items_that_own_something_are_freed_once)
{
	for (int how = 0; how < 5; how++)
		for (size_t at_once = 1; at_once < 6; at_once += 4) {
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct leat_flow *flow = leat_flow_open(NULL, NULL);
			uint64_t *numbers = numbers_below(20), at = how == 2 ? 100 : 1000, sum = 0;
			struct leat_port port =
				leat_flow_from_array(flow, LEAT_T(u64), numbers, 20);
			uint32_t live = 0;

			made = twice = 0;
			memset(freed, 0, sizeof(freed));
			port = leat_flow_step(port, &open_boxes, scope);
			port = leat_flow_bridge(port, LEAT_T(box), at_once);
			if (how == 1)
				port = leat_flow_take(port, 700);
			if (how == 3)
				port = leat_flow_buffer(port, 3);
			if (how == 4)
				port = leat_flow_workers(port, 3, LEAT_ORDERED);
			port = leat_flow_step(port, &keep_some, NULL);
			port = leat_flow_step(port, &fail_box, &at);
			if (how == 4)
				port = leat_flow_gather(port);
			leat_flow_for_each(port, &add, &sum);
			expect_start(flow);
			expect_join(flow, how == 2 ? -EDOM : 0);
			leat_flow_close(flow);
			leat_scope_close(scope);
			cr_assert(made <= CELLS && (made == 20 * 300) == (how != 1 && how != 2));
			for (uint32_t i = 0; i < made; i++)
				live += freed[i] == 0;
			cr_assert(live == 0 && twice == 0, "way %d: %u left, %u twice", how, live,
			          twice);
			if (how != 1 && how != 2) /* those that 3 does not divide */
				cr_assert_eq(sum, 20u * 30000);
			free(numbers);
		}
}

/* --- steps over the streams themselves --- */

LEAT_FILTER(keep_odd_stream, counted, rx, uint64_t *, n)
{
	(void)rx;
	return (*n)++ % 2 == 1;
}

Test(flow_bridge, streams_that_are_left_out_are_closed)
{
	struct bridged bridged;
	struct collected got;
	uint64_t n = 0;

	open_streams(&bridged, NULL);
	bridged.port = leat_flow_step(bridged.port, &keep_odd_stream, &n);
	bridged.port = leat_flow_take(bridged.port, 3);
	collect(leat_flow_bridge(bridged.port, LEAT_T(u64), 1), &got);
	for (size_t i = 0; i < 12; i++) {
		send_stream(&bridged);
		send_item(&bridged, i, i);
		end_stream(&bridged, i);
	}
	expect_start(bridged.flow);
	expect_join(bridged.flow, 0);
	expect_series(&got, 1, 2, 3);
	expect_closed(&bridged);
	free(got.items);
	close_bridged(&bridged);
}

/* Each branch has a receiver of its own of each stream, and they share its items. */
Test(flow_bridge, behind_a_tee_streams_are_cloned)
{
	struct bridged bridged;
	struct leat_port ports[2];
	uint64_t sums[2] = { 0, 0 };

	open_streams(&bridged, NULL);
	leat_flow_tee(bridged.port, ports, 2);
	for (size_t i = 0; i < 2; i++)
		leat_flow_for_each(leat_flow_bridge(ports[i], LEAT_T(u64), 1 + i), &add, &sums[i]);
	for (size_t i = 0; i < 10; i++) {
		send_stream(&bridged);
		for (uint64_t n = 0; n < 100; n++)
			send_item(&bridged, i, n);
		end_stream(&bridged, i);
	}
	end_feed(&bridged);
	expect_start(bridged.flow);
	expect_join(bridged.flow, 0);
	cr_assert_eq(sums[0] + sums[1], 10u * 4950);
	cr_assert_eq(closed, 3u * 10);
	close_bridged(&bridged);
}

Test(flow_bridge, a_bridge_of_bridges)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	const struct leat_chan_opts opts = { .capacity = 20, .discard = LEAT_T(rx)->discard };
	struct origin origin = { .scope = scope, .form = FORMS };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_rx *outer, *inner, *rx;
	struct leat_tx *outer_tx, *inner_tx;
	struct collected got;
	struct leat_port port;

	cr_assert_eq(leat_chan_open(scope, sizeof(rx), &opts, &outer_tx, &outer), 0);
	for (uint64_t i = 0; i < 5; i++) {
		cr_assert_eq(leat_chan_open(scope, sizeof(rx), &opts, &inner_tx, &inner), 0);
		for (uint64_t k = 0; k < 4; k++) {
			cr_assert_eq(open_one(&origin, 4 * i + k, &rx), 0);
			cr_assert_eq(leat_send(inner_tx, &rx), 0);
		}
		leat_tx_close(inner_tx);
		cr_assert_eq(leat_send(outer_tx, &inner), 0);
	}
	leat_tx_close(outer_tx);
	port = leat_flow_bridge(leat_flow_from_rx(flow, LEAT_T(rx), outer), LEAT_T(rx), 1);
	collect(leat_flow_bridge(port, LEAT_T(u64), 1), &got);
	expect_start(flow);
	expect_join(flow, 0);
	expect_all(&got, 20, true);
	leat_flow_close(flow);
	leat_scope_close(scope);
	free(got.items);
}

/* --- what is refused --- */

static void expect_refused(struct bridged *bridged, int code, const char *words)
{
	cr_assert_eq(leat_flow_check(bridged->flow, NULL), code, "%s",
	             leat_flow_error(bridged->flow));
	expect_words(bridged->flow, words);
	close_bridged(bridged);
	cr_assert_eq(closed, bridged->count);
}

LEAT_TYPE(bare, struct leat_rx *);

LEAT_MAP(take_discard, counted, rx, bare, bare, const void *, unused)
{
	(void)rx, (void)unused;
	*bare = NULL;
	return 0;
}

LEAT_MAP(to_number, counted, rx, u64, x, const void *, unused)
{
	(void)rx, (void)unused;
	*x = 0;
	return 0;
}

Test(flow_bridge, mistakes)
{
	struct bridged bridged;
	struct leat_port port;
	struct leat_rx *rx;

	cr_assert_null(leat_flow_bridge((struct leat_port){ 0 }, LEAT_T(u64), 1).flow);
	cr_assert_null(leat_flow_bridge((struct leat_port){ 0 }, NULL, 1).flow);
	open_streams(&bridged, NULL);
	send_stream(&bridged); /* which no flow takes */
	leat_flow_to_rx(leat_flow_bridge(bridged.port, NULL, 1), &rx);
	expect_refused(&bridged, -EINVAL, "bridge: it wants the type of the items of its streams");
	open_bridged(&bridged, 0);
	expect_refused(&bridged, -EINVAL, "bridge: from 1 to 1024 streams at once");
	open_bridged(&bridged, 1025);
	expect_refused(&bridged, -EINVAL, "bridge: from 1 to 1024 streams at once");
	for (int bare = 0; bare < 2; bare++) {
		open_streams(&bridged, NULL);
		port = bare ? leat_flow_step(bridged.port, &take_discard, NULL)
		            : leat_flow_step(bridged.port, &to_number, NULL);
		leat_flow_to_rx(leat_flow_bridge(port, LEAT_T(u64), 1), &rx);
		expect_refused(
			&bridged, -EINVAL,
			bare ? "bridge: \"take_discard\" makes items of type \"bare\", which "
			       "are no receivers: it wants LEAT_T(rx)"
			     : "bridge: \"to_number\" makes items of type \"u64\", which are "
			       "no receivers");
	}
	open_bridged(&bridged, 1);
	expect_refused(&bridged, -EINVAL, "what \"bridge\" makes goes nowhere");
	open_bridged(&bridged, 1);
	leat_flow_to_rx(leat_flow_on_error(bridged.port, LEAT_ON_ERROR_SKIP), &rx);
	expect_refused(&bridged, -EINVAL, "on_error: \"bridge\" is no step of the program's");
	open_streams(&bridged, NULL);
	port = leat_flow_workers(bridged.port, 2, LEAT_UNORDERED);
	leat_flow_to_rx(leat_flow_bridge(port, LEAT_T(u64), 1), &rx);
	expect_refused(&bridged, -EINVAL, "bridge: it is behind workers: put gather");
}

Test(flow_bridge, behind_a_tee_streams_that_cannot_be_cloned_are_refused)
{
	const struct leat_chan_opts opts = { .discard = LEAT_T(rx)->discard };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port ports[2];
	struct leat_tx *tx;
	struct leat_rx *rx;

	cr_assert_eq(leat_chan_open(scope, sizeof(rx), &opts, &tx, &rx), 0);
	leat_flow_tee(leat_flow_from_rx(flow, LEAT_T(rx), rx), ports, 2);
	for (int i = 0; i < 2; i++)
		leat_flow_for_each(leat_flow_bridge(ports[i], LEAT_T(u64), 1), &ignore, NULL);
	cr_assert_eq(leat_flow_check(flow, NULL), -ENOTSUP);
	expect_words(flow, "bridge: items of type \"rx\" own something, a tee shows them");
	leat_flow_close(flow);
	leat_tx_close(tx);
	leat_scope_close(scope);
}

LEAT_PAIR(both, u64, u64);

static int64_t key_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const int64_t *)item;
}

Test(flow_bridge, between_a_tee_and_a_zip_or_a_merge_by_key_it_is_refused)
{
	for (int zip = 0; zip < 2; zip++) {
		struct origin origin = { 0 };
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		uint64_t *numbers = numbers_below(3);
		struct leat_port ports[2], port;
		struct leat_rx *rx;

		port = leat_flow_from_array(flow, LEAT_T(u64), numbers, 3);
		leat_flow_tee(port, ports, 2);
		port = leat_flow_step(ports[1], &open_stream, &origin);
		ports[1] = leat_flow_bridge(port, LEAT_T(u64), 2);
		if (zip)
			port = leat_flow_zip(ports[0], ports[1], LEAT_T(both));
		else
			port = leat_flow_merge_by(ports, 2, key_of, NULL);
		leat_flow_to_rx(port, &rx);
		cr_assert_eq(leat_flow_check(flow, NULL), -EDEADLK);
		expect_words(flow, zip ? "zip: \"bridge\" may leave items out, or make several of "
		                         "one, between the tee and the zip"
		                       : "merge_by: its inputs 0 and 1 both come from \"tee\"");
		leat_flow_close(flow);
		free(numbers);
	}
}

/* Each side has its own source: the zip takes what both have. */
Test(flow_bridge, before_a_zip_and_a_merge_with_sources_of_their_own)
{
	struct origin origin = { .scope = leat_scope_open(NULL, NULL), .form = FORMS };
	struct leat_flow *flow = leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 3 });
	uint64_t *numbers = numbers_below(10);
	struct leat_port ports[2];
	struct collected got;

	for (int i = 0; i < 2; i++) {
		ports[i] = leat_flow_from_array(flow, LEAT_T(u64), numbers, 10);
		ports[i] = leat_flow_step(ports[i], &open_stream, &origin);
		ports[i] = leat_flow_bridge(ports[i], LEAT_T(u64), 1);
	}
	collect(leat_flow_zip(ports[0], ports[1], LEAT_T(both)), &got);
	expect_start(flow);
	expect_join(flow, 0);
	cr_assert_eq(got.count, count_items(10));
	for (size_t i = 0; i < got.count; i++)
		cr_assert_eq(got.items[2 * i], got.items[2 * i + 1]);
	leat_flow_close(flow);
	leat_scope_close(origin.scope);
	free(got.items);
	free(numbers);
}

/* A flow that cannot be started, and one that never is. */
Test(flow_bridge, streams_of_a_flow_that_does_not_run_are_closed)
{
	for (int cancelled = 0; cancelled < 2; cancelled++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct bridged bridged;
		struct leat_rx *out;

		open_streams(&bridged, scope);
		leat_flow_to_rx(leat_flow_bridge(bridged.port, LEAT_T(u64), 2), &out);
		for (int i = 0; i < 5; i++)
			send_stream(&bridged);
		if (cancelled) {
			leat_scope_cancel(scope, -EOWNERDEAD, "before");
			cr_assert_lt(leat_flow_start(bridged.flow), 0);
		}
		leat_flow_close(bridged.flow);
		bridged.flow = NULL;
		expect_closed(&bridged);
		close_bridged(&bridged);
		leat_scope_close(scope);
	}
}

/* --- with a pool, drawn, and what it costs --- */

Test(flow_bridge, with_a_pool_it_has_a_thread)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct origin origin = { .scope = leat_scope_open(NULL, NULL), .pool = pool, .form = 3 };
	struct leat_flow *flow =
		leat_flow_open(NULL, &(struct leat_flow_opts){ .capacity = 8, .pool = pool });
	uint64_t *numbers = numbers_below(STREAMS);
	struct leat_port port = leat_flow_from_array(flow, LEAT_T(u64), numbers, STREAMS);
	struct leat_flow_cost estimate;
	struct collected got;

	port = leat_flow_step(leat_flow_buffer(port, 4), &open_stream, &origin);
	port = leat_flow_bridge(leat_flow_buffer(port, 4), LEAT_T(u64), 3);
	collect(leat_flow_buffer(leat_flow_buffer(port, 4), 4), &got);
	cr_assert_eq(leat_flow_estimate(flow, &estimate), 0);
	cr_assert_eq(estimate.islands, 6u);
	/* what sends into the bridge's ring, and the bridge */
	cr_assert_eq(estimate.threads, 2u);
	expect_start(flow);
	expect_join(flow, 0);
	expect_all(&got, STREAMS, false);
	leat_flow_close(flow);
	leat_scope_close(origin.scope);
	cr_assert_eq(leat_pool_close(pool), 0);
	free(got.items);
	free(numbers);
}

Test(flow_bridge, it_is_drawn_with_its_ring_of_streams)
{
	struct leat_flow_cost estimate;
	struct bridged bridged;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	open_bridged(&bridged, 7);
	leat_flow_for_each(bridged.port, &ignore, NULL);
	cr_assert_eq(leat_flow_draw(bridged.flow, out), 0);
	fclose(out);
	cr_assert_not_null(strstr(text, "n1 [label=\"bridge, 7 at once\", shape=cds]"), "%s", text);
	cr_assert_not_null(strstr(text, "n0 -> n1 [label=\"counted\"]"));
	cr_assert_not_null(strstr(text, "n1 -> n2 [label=\"u64\"]"));
	free(text);
	cr_assert_eq(leat_flow_estimate(bridged.flow, &estimate), 0);
	cr_assert_eq(estimate.islands, 2u);
	cr_assert_eq(estimate.rings, 1u);
	cr_assert_eq(estimate.ring_bytes, 7 * sizeof(struct leat_rx *));
	cr_assert_eq(estimate.vector_bytes, 256u * 8);
	cr_assert_eq(estimate.hops, 1u);
	close_bridged(&bridged);
}
