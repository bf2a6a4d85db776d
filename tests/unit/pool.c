/*
 * tests/unit/pool.c: generators on a pool: both forms of channel, and how they end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "numbers.h"

#include <pthread.h>

TestSuite(pool, .timeout = 600);

/* Opening */

Test(pool, opens_and_closes)
{
	char name[65];
	memset(name, 'p', 64);
	name[64] = '\0';
	cr_expect_eq(leat_pool_close(NULL), 0);
	cr_expect_null(leat_pool_open(&(struct leat_pool_opts){ .name = name }));
	cr_expect_null(leat_pool_open(&(struct leat_pool_opts){ .reserved = { 1 } }));
	cr_expect_null(leat_pool_open(&(struct leat_pool_opts){ .workers = 1000000 }));
	for (unsigned workers = 0; workers < 5; workers++) {
		struct leat_pool *pool = leat_pool_open(
			&(struct leat_pool_opts){ .name = "some", .workers = workers });
		cr_assert_not_null(pool);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

static int loop(struct leat_tx *out, void *arg)
{
	(void)arg;
	return leat_send(out, &(uint64_t){ 1 });
}

Test(pool, bad_arguments_are_refused)
{
	struct place place = place_open(1, false);
	struct numbers n = { .end = 1 };
	struct leat_gen_opts opts = { .pool = place.pool };
	struct leat_rx *rx = (struct leat_rx *)&rx;
	cr_expect_eq(leat_gen(place.scope, loop, NULL, 8, &opts, &rx), -ENOTSUP,
	             "a function needs a thread");
	cr_expect_null(rx);
	opts.pin = LEAT_PIN(0);
	cr_expect_eq(leat_gen_seq(place.scope, seq_of(&n), &opts, &rx), -EINVAL,
	             "a worker is nobody's to pin");
	opts.pin = 0;
	cr_expect_eq(leat_gen_seq(place.scope, (struct leat_seq){ .item_size = 8 }, &opts, &rx),
	             -EINVAL);
	cr_expect_eq(leat_gen_sink(place.scope, NULL, (struct leat_sink){ 0 }, &opts), -EINVAL);
	leat_scope_cancel(place.scope, 0, NULL);
	opts.chan.capacity = 1;
	cr_expect_eq(leat_gen_seq(place.scope, seq_of(&n), &opts, &rx), -ECANCELED);
	opts.chan.capacity = 0;
	cr_expect_eq(leat_gen_seq(place.scope, seq_of(&n), &opts, &rx), -ECANCELED);
	cr_expect_null(rx);
	cr_expect_eq(n.steps + n.finis, 0, "nothing was started");
	place_close(place);
}

/* Streams */

Test(pool, streams_in_order_and_completes)
{
	for (size_t f = 0; f < COUNT(forms); f++)
		for (int only = 0; only < 2; only++) {
			struct place place = place_open(2, only);
			struct numbers n = { .end = 5000 };
			struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &n);
			uint64_t expected = 0;
			leat_for(uint64_t, got, rx)
				cr_assert_eq(got, expected++);
			cr_expect_eq(expected, 5000, "form %zu", f);
			expect_cause(rx, LEAT_COMPLETED, 0);
			cr_expect_eq(leat_load_acq(&n.finis), 1);
			cr_expect_eq(leat_recv(rx, &expected), 0, "for ever");
			leat_rx_close(rx);
			cr_expect_eq(leat_scope_join(place.scope), 0);
			cr_expect_eq(n.overlaps, 0);
			cr_expect_eq(place_close(place), 0);
		}
}

Test(pool, runs_beside_its_consumer)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(2, false);
		struct numbers n = { .end = 5000 };
		struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &n);
		size_t capacity = forms[f].capacity != 0 ? forms[f].capacity : 1024;
		int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
		while (leat_load_acq(&n.steps) < capacity && leat_now_ns() < patience_ns)
			sched_yield();
		cr_expect_eq(leat_load_acq(&n.steps), capacity,
		             "form %zu: nobody received, and its channel is full", f);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_join(place.scope), 0);
		cr_expect_eq(leat_load_acq(&n.finis), 1);
		place_close(place);
	}
}

Test(pool, a_try_never_runs_a_step_and_finds_one_run_later)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(1, false);
		struct numbers n = { .end = 300 };
		struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &n);
		uint64_t expected = 0, got;
		int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
		int rc = -EAGAIN;
		while (rc != 0 && leat_now_ns() < patience_ns) {
			rc = leat_try_recv(rx, &got);
			if (rc == 1)
				cr_assert_eq(got, expected++);
			else
				sched_yield();
		}
		cr_expect_eq(expected, 300, "form %zu", f);
		leat_rx_close(rx);
		place_close(place);
	}
}

Test(pool, deadlines_and_batches_and_peeks)
{
	clock_start();
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(1, false);
		struct numbers n = { .end = 1000, .every_ns = 0 };
		struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &n);
		uint64_t expected = 0, items[10];
		ssize_t got;
		const void *at;
		while (expected < 1000) {
			got = leat_recv_batch(rx, items, COUNT(items));
			cr_assert_gt(got, 0);
			for (ssize_t i = 0; i < got; i++)
				cr_assert_eq(items[i], expected++);
			got = leat_peek(rx, 3, &at);
			if (expected == 1000) {
				cr_assert_eq(got, 0);
				break;
			}
			cr_assert_gt(got, 0);
			cr_expect_eq(leat_recv(rx, items), -EBUSY);
			cr_expect_eq(((const uint64_t *)at)[0], expected);
			cr_expect_eq(leat_release(rx, (size_t)got + 1), -EINVAL);
			cr_expect_eq(leat_release(rx, 1), 0);
			expected++;
		}
		cr_expect_eq(leat_release(rx, 0), -EINVAL, "nothing is held");
		leat_rx_close(rx);
		place_close(place);

		place = place_open(1, false);
		n = (struct numbers){ .end = 2,
			              .every_ns = 50 * MS,
			              .due_ns = leat_now_ns() + 500 * MS };
		rx = start_on(place.pool, place.scope, forms[f], &n);
		struct caller caller = { .op = OP_RECV_UNTIL,
			                 .rx = rx,
			                 .deadline_ns = leat_now_ns() + 5 * MS };
		caller_start(&caller);
		clock_advance_past(&caller, 5 * MS);
		cr_expect_eq(caller_join(&caller), -ETIMEDOUT);
		cr_expect_eq(leat_recv_until(rx, items, 0), -ETIMEDOUT);
		clock_advance(495 * MS - 1);
		cr_expect_eq(leat_try_recv(rx, items), -EAGAIN);
		clock_advance(MS);
		cr_expect_eq(leat_try_recv(rx, items), 1);
		cr_expect_eq(leat_try_recv(rx, items), -EAGAIN);
		clock_advance(50 * MS);
		cr_expect_eq(leat_try_recv(rx, items), 1);
		/* a receiver that finds nothing wakes a generator that waited for room */
		cr_expect_eq(leat_try_recv(rx, items), -EAGAIN);
		clock_advance(50 * MS);
		cr_expect_eq(leat_try_recv(rx, items), 0);
		leat_rx_close(rx);
		place_close(place);
	}
}

/* Ends */

Test(pool, a_consumer_that_leaves_ends_it)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(2, false);
		struct numbers n = { .end = UINT64_MAX };
		struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &n);
		uint64_t got;
		for (int i = 0; i < 100; i++)
			cr_assert_eq(leat_recv(rx, &got), 1);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_join(place.scope), 0);
		cr_expect_eq(leat_load_acq(&n.finis), 1, "form %zu", f);
		place_close(place);
	}
}

static void count_discarded(void *item, void *arg)
{
	(void)item;
	leat_add_acqrel((uint32_t *)arg, 1);
}

Test(pool, cancel_is_prompt_and_discards)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(2, false);
		struct numbers n = { .end = UINT64_MAX };
		uint32_t discarded = 0, received = 0;
		struct leat_chan_opts chan = forms[f];
		chan.discard = count_discarded;
		chan.discard_arg = &discarded;
		struct leat_rx *rx = start_on(place.pool, place.scope, chan, &n);
		uint64_t got;
		while (received < 50 && leat_recv(rx, &got) == 1)
			received++;
		leat_scope_cancel(place.scope, 0, "enough");
		cr_expect_eq(leat_recv(rx, &got), -ECANCELED);
		cr_expect_eq(leat_try_recv(rx, &got), -ECANCELED);
		expect_cause(rx, LEAT_CANCELED, 0);
		cr_expect_eq(leat_scope_join(place.scope), 0);
		expect_cause(rx, LEAT_CANCELED, 0);
		leat_rx_close(rx);
		cr_expect_eq(n.at, received + leat_load_acq(&discarded),
		             "form %zu: %u received, %u discarded of %llu", f, received, discarded,
		             (unsigned long long)n.at);
		cr_expect_eq(n.finis, 1);
		place_close(place);
	}
}

Test(pool, a_failure_keeps_its_data_and_spares_no_sibling)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(2, false);
		struct numbers bad = { .end = 20, .last = -EIO }, good = { .end = UINT64_MAX };
		struct leat_rx *sibling = start_on(place.pool, place.scope, forms[f], &good);
		struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &bad);
		uint64_t got, expected = 0;
		int rc;
		while ((rc = leat_recv(rx, &got)) == 1)
			cr_assert_eq(got, expected++);
		cr_expect_eq(rc, 0, "form %zu: %d", f, rc);
		cr_expect_eq(expected, 20);
		expect_cause(rx, LEAT_FAILED, -EIO);
		cr_expect_eq(leat_scope_join(place.scope), -EIO);
		cr_expect_eq(leat_recv(sibling, &got), -ECANCELED);
		expect_cause(sibling, LEAT_FAILED, -EIO);
		cr_expect_eq(leat_recv(rx, &got), 0, "for ever");
		leat_rx_close(rx);
		leat_rx_close(sibling);
		cr_expect_eq(bad.finis + good.finis, 2);
		cr_expect_eq(place_close(place), -EIO);
	}
}

Test(pool, a_value_that_is_none_is_a_failure)
{
	static const int values[] = { 2, 3, 4, 5, 99 };
	for (size_t f = 0; f < COUNT(forms); f++)
		for (size_t v = 0; v < COUNT(values); v++) {
			struct place place = place_open(1, false);
			struct numbers n = { .end = 3, .last = values[v] };
			struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &n);
			uint64_t got;
			while (leat_recv(rx, &got) == 1)
				;
			expect_cause(rx, LEAT_FAILED, -EINVAL);
			leat_rx_close(rx);
			cr_expect_eq(place_close(place), -EINVAL);
		}
}

Test(pool, a_scope_s_deadline_ends_it)
{
	clock_start();
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(1, false);
		struct leat_scope *scope = leat_scope_open(
			place.scope,
			&(struct leat_scope_opts){ .deadline_ns = leat_now_ns() + 500 * MS });
		struct numbers n = { .end = UINT64_MAX,
			             .every_ns = 1000 * MS,
			             .due_ns = leat_now_ns() + 10000 * MS };
		struct leat_rx *rx = start_on(place.pool, scope, forms[f], &n);
		uint64_t got;
		clock_advance(500 * MS - 1);
		cr_expect_eq(leat_try_recv(rx, &got), -EAGAIN, "form %zu", f);
		clock_advance(1);
		cr_expect_eq(leat_recv(rx, &got), -ECANCELED, "form %zu", f);
		expect_cause(rx, LEAT_DEADLINE, -ETIMEDOUT);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
		cr_expect_eq(n.finis, 1);
		place_close(place);
	}
}

Test(pool, is_busy_while_generators_live)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(1, false);
		struct numbers n = { .end = UINT64_MAX };
		struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &n);
		uint64_t got;
		cr_expect_eq(leat_pool_close(place.pool), -EBUSY);
		leat_scope_cancel(place.scope, 0, NULL);
		leat_scope_join(place.scope);
		cr_expect_eq(leat_pool_close(place.pool), 0, "form %zu", f);
		cr_expect_eq(leat_recv(rx, &got), -ECANCELED, "the receiver outlives it");
		leat_rx_close(rx);
		leat_scope_close(place.scope);
	}
}

Test(pool, receivers_outlive_their_scope)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(1, false);
		struct numbers n = { .end = 1 };
		struct leat_chan_opts chan = forms[f];
		chan.capacity += chan.capacity == 1; /* its last step wants room as well */
		struct leat_rx *rx = start_on(place.pool, place.scope, chan, &n);
		uint64_t got;
		cr_expect_eq(leat_scope_join(place.scope), 0);
		cr_expect_eq(leat_recv(rx, &got), 1);
		cr_expect_eq(leat_recv(rx, &got), 0);
		place_close(place);
		cr_expect_eq(leat_recv(rx, &got), 0);
		expect_cause(rx, LEAT_COMPLETED, 0);
		leat_rx_close(rx);
	}
}

/*
 * A scope that is closed may stay in its tree for a channel's sake, and its generators' group not.
 */
Test(pool, closed_scopes_below_are_let_be)
{
	struct place place = place_open(1, false);
	struct leat_scope *below = leat_scope_open(place.scope, NULL);
	struct numbers n[2] = { { .end = 1 }, { .end = UINT64_MAX } };
	struct leat_rx *rx = start_on(place.pool, below, (struct leat_chan_opts){ .capacity = 2 },
	                              &n[0]),
		       *in;
	struct leat_tx *out;
	uint64_t got;
	cr_assert_eq(leat_chan_open(below, 8, NULL, &out, &in), 0);
	cr_expect_eq(leat_recv(rx, &got), 1);
	cr_expect_eq(leat_recv(rx, &got), 0);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(below), 0);
	rx = start_on(place.pool, place.scope, (struct leat_chan_opts){ .capacity = 2 }, &n[1]);
	leat_scope_cancel(place.scope, 0, NULL);
	cr_expect_eq(leat_scope_join(place.scope), 0);
	leat_rx_close(rx);
	leat_tx_close(out);
	leat_rx_close(in);
	place_close(place);
}

static void *opens_pools(void *arg)
{
	struct place *place = arg;
	uint64_t got;
	for (int i = 0; i < 50; i++) {
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		struct numbers n = { .end = 0 };
		struct leat_gen_opts opts = { .chan.capacity = 1, .pool = pool };
		struct leat_rx *rx;
		if (leat_gen_seq(place->scope, seq_of(&n), &opts, &rx) != 0 ||
		    leat_recv(rx, &got) != 0)
			return "a generator did not run";
		leat_rx_close(rx);
		while (leat_pool_close(pool) == -EBUSY) /* the end is told before it is counted */
			sched_yield();
	}
	return NULL;
}

Test(pool, come_and_go_beside_others)
{
	struct place place = place_open(1, false);
	pthread_t threads[2];
	void *failure;
	uint64_t got;
	for (int t = 0; t < 2; t++)
		pthread_create(&threads[t], NULL, opens_pools, &place);
	for (int i = 0; i < 2000; i++) {
		struct numbers n = { .end = 0 };
		struct leat_rx *rx = start_on(place.pool, place.scope,
		                              (struct leat_chan_opts){ .capacity = 1 }, &n);
		cr_assert_eq(leat_recv(rx, &got), 0);
		leat_rx_close(rx);
	}
	for (int t = 0; t < 2; t++) {
		pthread_join(threads[t], &failure);
		cr_expect_null(failure);
	}
	place_close(place);
}

/* What a service does that opens a pool for each request, under the scope of all. */
static void one_request(struct leat_scope *scope, size_t capacity, bool workers_only)
{
	struct leat_pool *pool = leat_pool_open(
		&(struct leat_pool_opts){ .workers = 1, .workers_only = workers_only });
	struct numbers n = { .end = 3 };
	uint64_t got, expected = 0;
	cr_assert_not_null(pool);
	struct leat_rx *rx =
		start_on(pool, scope, (struct leat_chan_opts){ .capacity = capacity }, &n);
	while (leat_recv(rx, &got) == 1)
		cr_assert_eq(got, expected++);
	cr_assert_eq(expected, 3);
	leat_rx_close(rx);
	cr_assert_eq(leat_scope_join(scope), 0);
	cr_assert_eq(leat_pool_close(pool), 0);
}

Test(pool, a_thousand_leave_no_more_behind_than_one)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_census one, all;
	for (int i = 0; i < 2; i++)
		one_request(scope, 1 + (size_t)i, i);
	leat_census_take(&one);
	for (int i = 0; i < 1000; i++)
		one_request(scope, 1 + (size_t)i % 2, i % 3 == 0);
	leat_census_take(&all);
	cr_expect_eq(all.blocks, one.blocks);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(pool, a_cancelled_scope_takes_no_other_pool)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_pool *pool;
	struct numbers n = { .end = 1 };
	struct leat_rx *rx;
	one_request(scope, 1, false);
	leat_scope_cancel(scope, 0, NULL);
	pool = leat_pool_open(NULL);
	cr_expect_eq(leat_gen_seq(scope, seq_of(&n),
	                          &(struct leat_gen_opts){ .chan.capacity = 1, .pool = pool }, &rx),
	             -ECANCELED);
	cr_expect_eq(leat_pool_close(pool), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}
