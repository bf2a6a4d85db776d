/*
 * tests/unit/pool.c: generators and sinks on a pool: both forms of channel, how they end, and steps
 * that wait.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/diag.h>
#include <leat/merge.h>
#include <leat/select.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

TestSuite(pool, .timeout = 600);

/* What runs */

struct numbers {
	uint64_t at, end;
	int last; /* what next answers at the end */
	uint32_t steps, finis, inside, overlaps;
	int64_t step_ns; /* how long a step takes */
	int64_t every_ns, due_ns;
};

static int next_number(void *state, void *item)
{
	struct numbers *n = state;
	int rc;

	if (leat_add_acqrel(&n->inside, 1) != 0)
		leat_add_rlx(&n->overlaps, 1);
	leat_add_rlx(&n->steps, 1);
	if (n->step_ns > 0)
		for (int64_t until_ns = leat_now_ns() + n->step_ns; leat_now_ns() < until_ns;)
			leat_pause();
	if (n->every_ns > 0 && (rc = leat_after(n->due_ns)) != 0) {
		leat_add_acqrel(&n->inside, UINT32_MAX);
		return rc;
	}
	n->due_ns += n->every_ns;
	rc = n->at == n->end ? n->last : 1;
	if (rc == 1)
		memcpy(item, &n->at, sizeof(n->at));
	n->at += rc == 1;
	leat_add_acqrel(&n->inside, UINT32_MAX);
	return rc;
}

static void fini_numbers(void *state)
{
	struct numbers *n = state;
	leat_add_acqrel(&n->finis, 1);
}

static struct leat_seq seq_of(struct numbers *n)
{
	return (struct leat_seq){ next_number, fini_numbers, n, sizeof(uint64_t) };
}

/* Both forms of channel are put through the same. */
static const struct leat_chan_opts forms[] = {
	{ .capacity = 1 },
	{ .capacity = 7 },
	{ .capacity = 64 }, /* compact */
	{ .capacity = 0 },
	{ .kind = LEAT_MPMC, .capacity = 3 },
	{ .kind = LEAT_SPMC, .capacity = 1 },
	{ .kind = LEAT_MPSC, .capacity = 64 },
	{ .capacity = 5, .full_fence = true },
};

static struct leat_rx *start_on(struct leat_pool *pool, struct leat_scope *scope,
                                struct leat_chan_opts chan, struct numbers *n)
{
	struct leat_gen_opts opts = { .chan = chan, .pool = pool };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope, seq_of(n), &opts, &rx), 0);
	return rx;
}

static void expect_cause(struct leat_rx *rx, enum leat_cause expected, int expected_code)
{
	enum leat_cause cause;
	const char *text = NULL;
	int code;
	cr_assert_eq(leat_rx_status(rx, &cause, &code, &text), 0);
	cr_expect_eq(cause, expected, "cause %d, not %d", cause, expected);
	cr_expect_eq(code, expected_code, "code %d, not %d", code, expected_code);
	cr_expect_not_null(text);
}

struct place {
	struct leat_pool *pool;
	struct leat_scope *scope;
};

static struct place place_open(unsigned workers, bool workers_only)
{
	struct place place = { leat_pool_open(&(struct leat_pool_opts){
				       .workers = workers, .workers_only = workers_only }),
		               leat_scope_open(NULL, NULL) };
	cr_assert_not_null(place.pool);
	cr_assert_not_null(place.scope);
	return place;
}

static int place_close(struct place place)
{
	int rc = leat_scope_close(place.scope);
	cr_expect_eq(leat_pool_close(place.pool), 0);
	return rc;
}

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
		cr_expect_eq(leat_recv_until(rx, items, leat_now_ns() + 5 * MS), -ETIMEDOUT);
		cr_expect_eq(leat_recv_until(rx, items, 0), -ETIMEDOUT);
		cr_expect_eq(leat_recv_until(rx, items, leat_now_ns() + PATIENCE_NS), 1);
		cr_expect_eq(leat_recv(rx, items), 1);
		cr_expect_eq(leat_recv(rx, items), 0);
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
	struct census one, all;
	for (int i = 0; i < 2; i++)
		one_request(scope, 1 + (size_t)i, i);
	census_begin(&one);
	for (int i = 0; i < 1000; i++)
		one_request(scope, 1 + (size_t)i % 2, i % 3 == 0);
	census_begin(&all);
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

/* Steps */

struct prober {
	struct place place;
	struct leat_rx *rx;
	struct leat_tx *tx;
	int recv_answer, send_answer, join_answer, close_answer, pool_answer, try_answer;
	uint32_t done;
};

static int probe(void *state, void *item)
{
	struct prober *p = state;
	uint64_t got = 0;
	if (p->done)
		return 0;
	p->try_answer = leat_try_recv(p->rx, &got);
	p->recv_answer = leat_recv(p->rx, &got);
	p->send_answer = leat_send(p->tx, &got);
	p->join_answer = leat_scope_join(p->place.scope);
	p->close_answer = leat_scope_close(p->place.scope);
	p->done = 1;
	memcpy(item, &got, sizeof(got));
	return 1;
}

Test(pool, what_would_wait_in_a_step_is_refused)
{
	for (int only = 0; only < 2; only++) {
		struct place place = place_open(1, only);
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct prober p = { .place = place };
		struct leat_tx *tx;
		struct leat_rx *full, *rx;
		uint64_t got;
		cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &p.rx), 0);
		cr_assert_eq(leat_chan_open(scope, 8, &(struct leat_chan_opts){ .capacity = 1 },
		                            &p.tx, &full),
		             0);
		cr_assert_eq(leat_send(p.tx, &(uint64_t){ 1 }), 0);
		struct leat_gen_opts opts = { .pool = place.pool, .chan.capacity = 1 };
		cr_assert_eq(leat_gen_seq(place.scope, (struct leat_seq){ probe, NULL, &p, 8 },
		                          &opts, &rx),
		             0);
		cr_expect_eq(leat_recv(rx, &got), 1);
		cr_expect_eq(p.try_answer, -EAGAIN);
		cr_expect_eq(p.recv_answer, -EDEADLK);
		cr_expect_eq(p.send_answer, -EDEADLK);
		cr_expect_eq(p.join_answer, -EDEADLK);
		cr_expect_eq(p.close_answer, -EDEADLK);
		leat_rx_close(rx);
		leat_tx_close(tx);
		leat_rx_close(p.rx);
		leat_tx_close(p.tx);
		leat_rx_close(full);
		leat_scope_close(scope);
		place_close(place);
	}
}

static void probe_at_the_end(void *state)
{
	struct prober *p = state;
	uint64_t got;
	p->recv_answer = leat_recv(p->rx, &got);
}

Test(pool, fini_is_a_step_too)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(1, true);
		struct prober p = { .done = 1 };
		struct leat_gen_opts opts = { .pool = place.pool, .chan = forms[f] };
		struct leat_rx *rx;
		struct leat_tx *tx;
		uint64_t got;
		cr_assert_eq(leat_chan_open(place.scope, 8, NULL, &tx, &p.rx), 0);
		cr_assert_eq(leat_gen_seq(place.scope,
		                          (struct leat_seq){ probe, probe_at_the_end, &p, 8 },
		                          &opts, &rx),
		             0);
		cr_expect_eq(leat_recv_until(rx, &got, leat_now_ns() + PATIENCE_NS), 0, "form %zu",
		             f);
		cr_expect_eq(p.recv_answer, -EDEADLK);
		leat_rx_close(rx);
		leat_tx_close(tx);
		leat_rx_close(p.rx);
		place_close(place);
	}
}

Test(pool, long_steps_go_on_without_the_receiver)
{
	struct place place = place_open(2, false);
	struct numbers n = { .end = UINT64_MAX, .step_ns = 200000 };
	struct leat_rx *rx =
		start_on(place.pool, place.scope, (struct leat_chan_opts){ .capacity = 4 }, &n);
	uint64_t got;
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	for (int i = 0; i < 10; i++)
		cr_assert_eq(leat_recv(rx, &got), 1);
	while (leat_load_acq(&n.steps) < 14 && leat_now_ns() < patience_ns)
		sched_yield();
	cr_expect_eq(leat_load_acq(&n.steps), 14, "room was made, and is used: %u", n.steps);
	leat_rx_close(rx);
	place_close(place);
}

Test(pool, nobody_starves)
{
	enum { MANY = 200 };
	struct place place = place_open(1, true);
	static struct numbers n[MANY];
	struct leat_rx *rx[MANY];
	uint64_t got;
	memset(n, 0, sizeof(n));
	for (int i = 0; i < MANY; i++) {
		n[i].end = UINT64_MAX;
		rx[i] = start_on(place.pool, place.scope, forms[(size_t)i % COUNT(forms)], &n[i]);
	}
	for (int round = 0; round < 30; round++)
		for (int i = 0; i < MANY; i++)
			cr_assert_eq(leat_recv(rx[i], &got), 1);
	leat_scope_cancel(place.scope, 0, NULL);
	cr_expect_eq(leat_scope_join(place.scope), 0);
	for (int i = 0; i < MANY; i++) {
		cr_expect_eq(n[i].finis, 1);
		leat_rx_close(rx[i]);
	}
	place_close(place);
}

/* Steps that wait */

Test(pool, tickers_keep_their_times)
{
	enum { TICKERS = 100, TICKS = 20 };
	struct place place = place_open(2, false);
	static struct numbers n[TICKERS];
	struct leat_rx *rx[TICKERS];
	int64_t start_ns = leat_now_ns();
	uint64_t got;
	memset(n, 0, sizeof(n));
	for (int i = 0; i < TICKERS; i++) {
		n[i] = (struct numbers){ .end = TICKS,
			                 .every_ns = 2 * MS,
			                 .due_ns = start_ns + i * 10000 };
		rx[i] = start_on(place.pool, place.scope, forms[(size_t)i % COUNT(forms)], &n[i]);
	}
	for (int tick = 0; tick < TICKS; tick++)
		for (int i = 0; i < TICKERS; i++) {
			cr_assert_eq(leat_recv(rx[i], &got), 1);
			cr_expect_geq(leat_now_ns(), start_ns + i * 10000 + tick * 2 * MS,
			              "never early");
		}
	for (int i = 0; i < TICKERS; i++) {
		cr_expect_eq(leat_recv(rx[i], &got), 0);
		cr_expect_leq(n[i].steps, 3 * TICKS + 3, "no polling: %u steps", n[i].steps);
		leat_rx_close(rx[i]);
	}
	place_close(place);
}

static int wait_for_fd(void *state, void *item)
{
	int *fd = state, rc = leat_ready(*fd, POLLIN, LEAT_NEVER);
	uint64_t count;
	if (rc != 0)
		return rc;
	if (read(*fd, &count, sizeof(count)) != sizeof(count))
		return -EIO;
	memcpy(item, &count, sizeof(count));
	return count == 99 ? 0 : 1;
}

static void wait_in_place(struct leat_pool *pool, struct leat_chan_opts chan)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct leat_gen_opts opts = { .chan = chan, .pool = pool };
	struct leat_rx *rx;
	uint64_t got;
	cr_assert_eq(
		leat_gen_seq(scope, (struct leat_seq){ wait_for_fd, NULL, &fd, 8 }, &opts, &rx), 0);
	cr_expect_eq(leat_recv_until(rx, &got, leat_now_ns() + 5 * MS), -ETIMEDOUT);
	for (uint64_t i = 1; i < 20; i++) {
		cr_assert_eq(write(fd, &i, sizeof(i)), sizeof(i));
		cr_assert_eq(leat_recv(rx, &got), 1);
		cr_expect_eq(got, i);
	}
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_recv(rx, &got), -ECANCELED);
	leat_rx_close(rx);
	leat_scope_close(scope);
	close(fd);
}

Test(pool, descriptors_wake_their_generators)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	for (size_t f = 0; f < COUNT(forms); f++) {
		wait_in_place(pool, forms[f]);
		wait_in_place(NULL, forms[f]);
	}
	cr_expect_eq(leat_pool_close(pool), 0);
}

Test(pool, waits_that_can_t_be_had_and_those_in_place)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int64_t before_ns = leat_now_ns();
	cr_expect_eq(leat_after(0), 0);
	cr_expect_eq(leat_after(before_ns + 3 * MS), 0);
	cr_expect_geq(leat_now_ns(), before_ns + 3 * MS);
	cr_expect_eq(leat_ready(-1, POLLIN, LEAT_NEVER), -EBADF);
	cr_expect_eq(leat_ready(1000000, POLLIN, LEAT_NEVER), -EBADF);
	cr_expect_eq(leat_ready(fd, POLLIN, leat_now_ns() + MS), -ETIMEDOUT);
	cr_expect_eq(leat_ready(fd, POLLOUT, LEAT_NEVER), 0);
	close(fd);
}

/* Sinks and stages */

struct sum {
	uint64_t sum, items, enough;
	int64_t wait_every;
	int failure;
	uint32_t finis;
	bool waited;
};

static int add_up(void *state, const void *item)
{
	struct sum *s = state;
	uint64_t n;
	int rc;
	memcpy(&n, item, sizeof(n));
	if (s->wait_every > 0 && s->items % (uint64_t)s->wait_every == 0 && !s->waited) {
		s->waited = true;
		if ((rc = leat_after(leat_now_ns() + MS)) != 0)
			return rc;
	}
	s->waited = false;
	s->sum += n;
	/* who waits for an item to come reads it meanwhile */
	leat_store_rel(&s->items, s->items + 1);
	if (s->failure != 0 && s->items == s->enough)
		return s->failure;
	return s->enough != 0 && s->items == s->enough;
}

static void fini_sum(void *state)
{
	struct sum *s = state;
	leat_add_acqrel(&s->finis, 1);
}

static int map(void *state, void *item)
{
	struct leat_seq *from = state;
	uint64_t n;
	int rc = from->next(from->state, &n);
	if (rc == 1) {
		n = n * 2 + 1;
		memcpy(item, &n, sizeof(n));
	}
	return rc;
}

static void map_fini(void *state)
{
	struct leat_seq *from = state;
	from->fini(from->state);
	free(from);
}

static struct leat_seq map_of(struct leat_rx *rx)
{
	struct leat_seq *from = malloc(sizeof(*from));
	*from = leat_seq_from_rx(rx);
	return (struct leat_seq){ map, map_fini, from, sizeof(uint64_t) };
}

Test(pool, whole_pipelines_run_on_it)
{
	for (size_t f = 0; f < COUNT(forms); f++)
		/* which of the three stages are on the pool */
		for (int where = 0; where < 8; where++) {
			struct place place = place_open(2, f % 2);
			struct numbers n = { .end = 2000 };
			struct sum sum = { 0 };
			struct leat_gen_opts opts[3];
			struct leat_rx *rx, *mapped;
			for (int i = 0; i < 3; i++)
				opts[i] = (struct leat_gen_opts){
					.chan = forms[f], .pool = where >> i & 1 ? place.pool : NULL
				};
			cr_assert_eq(leat_gen_seq(place.scope, seq_of(&n), &opts[0], &rx), 0);
			cr_assert_eq(leat_gen_seq(place.scope, map_of(rx), &opts[1], &mapped), 0);
			cr_assert_eq(leat_gen_sink(place.scope, mapped,
			                           (struct leat_sink){ add_up, fini_sum, &sum },
			                           &opts[2]),
			             0);
			cr_expect_eq(leat_scope_join(place.scope), 0, "form %zu, %d", f, where);
			cr_expect_eq(sum.items, 2000);
			cr_expect_eq(sum.sum, 2000u * 1999 + 2000);
			cr_expect_eq(sum.finis + n.finis, 2);
			place_close(place);
		}
}

Test(pool, sinks_end_as_they_should)
{
	for (size_t f = 0; f < COUNT(forms); f++)
		for (int on_pool = 0; on_pool < 2; on_pool++) {
			struct place place = place_open(2, false);
			struct leat_gen_opts opts = { .pool = on_pool ? place.pool : NULL };
			struct numbers n = { .end = UINT64_MAX };
			struct sum sum = { .enough = 100, .wait_every = 10 };
			struct leat_rx *rx = start_on(place.pool, place.scope, forms[f], &n);
			cr_assert_eq(leat_gen_sink(place.scope, rx,
			                           (struct leat_sink){ add_up, fini_sum, &sum },
			                           &opts),
			             0);
			cr_expect_eq(leat_scope_join(place.scope), 0,
			             "it had enough, and its source was abandoned");
			cr_expect_eq(sum.items, 100);
			cr_expect_eq(sum.finis + n.finis, 2);

			struct sum failing = { .enough = 5, .failure = -EIO };
			n = (struct numbers){ .end = UINT64_MAX };
			rx = start_on(place.pool, place.scope, forms[f], &n);
			cr_assert_eq(leat_gen_sink(place.scope, rx,
			                           (struct leat_sink){ add_up, fini_sum, &failing },
			                           &opts),
			             0);
			cr_expect_eq(leat_scope_join(place.scope), -EIO);
			cr_expect_eq(failing.items, 5);
			cr_expect_eq(place_close(place), -EIO);

			place = place_open(2, false);
			opts.pool = on_pool ? place.pool : NULL;
			struct sum idle = { 0 };
			struct leat_tx *tx;
			cr_assert_eq(leat_chan_open(place.scope, 8, &forms[f], &tx, &rx), 0);
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			cr_assert_eq(leat_gen_sink(scope, rx,
			                           (struct leat_sink){ add_up, fini_sum, &idle },
			                           &opts),
			             0);
			cr_expect_eq(leat_send(tx, &(uint64_t){ 7 }), 0);
			int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
			while (leat_load_acq(&idle.items) < 1 && leat_now_ns() < patience_ns)
				sched_yield();
			/* while it waits for items of another scope's channel */
			leat_scope_cancel(scope, 0, NULL);
			cr_expect_eq(leat_scope_close(scope), 0);
			cr_expect_eq(idle.finis, 1);
			cr_expect_eq(leat_send(tx, &(uint64_t){ 7 }), -EPIPE);
			leat_tx_close(tx);
			place_close(place);
		}
}

/* Many */

Test(pool, a_hundred_thousand_at_once)
{
	enum { MANY = 100000 };
	struct place place = place_open(2, false);
	struct numbers *n = calloc(MANY, sizeof(*n));
	struct leat_rx **rx = calloc(MANY, sizeof(struct leat_rx *));
	uint64_t got;
	for (int i = 0; i < MANY; i++) {
		n[i].end = (uint64_t)i % 3;
		rx[i] = start_on(place.pool, place.scope, (struct leat_chan_opts){ .capacity = 2 },
		                 &n[i]);
	}
	for (int i = 0; i < MANY; i++)
		for (uint64_t k = 0; k <= n[i].end; k++)
			cr_assert_eq(leat_recv(rx[i], &got), k < n[i].end, "generator %d", i);
	cr_expect_eq(leat_scope_join(place.scope), 0);
	for (int i = 0; i < MANY; i++) {
		cr_assert_eq(n[i].finis, 1);
		leat_rx_close(rx[i]);
	}
	place_close(place);
	free(rx);
	free(n);
}

Test(pool, one_after_another)
{
	enum { MANY = 20000 };
	struct place place = place_open(2, false);
	uint64_t got;
	for (int i = 0; i < MANY; i++) {
		struct numbers n = { .end = 1 };
		struct leat_rx *rx = start_on(place.pool, place.scope,
		                              (struct leat_chan_opts){ .capacity = 1 }, &n);
		cr_assert_eq(leat_recv(rx, &got), 1);
		cr_assert_eq(leat_recv(rx, &got), 0);
		cr_assert_eq(leat_load_acq(&n.finis), 1);
		leat_rx_close(rx);
	}
	place_close(place);
}

Test(pool, new_ones_that_nobody_receives_from_have_their_turns)
{
	enum { MANY = 3 };
	struct place place = place_open(1, false);
	struct leat_scope *busy = leat_scope_open(NULL, NULL);
	struct numbers endless = { .end = UINT64_MAX }, n[2 * MANY] = { 0 };
	struct leat_rx *rx[2 * MANY], *from;
	struct leat_gen_opts opts = { .pool = place.pool };
	struct sum sum = { 0 };
	for (int i = 0; i < MANY; i++)
		rx[i] = start_on(place.pool, place.scope, forms[0], &n[i]);
	cr_expect_eq(leat_scope_join(place.scope), 0, "on an idle worker");
	from = start_on(place.pool, busy, forms[0], &endless);
	cr_assert_eq(leat_gen_sink(busy, from, (struct leat_sink){ add_up, fini_sum, &sum }, &opts),
	             0);
	for (int i = MANY; i < 2 * MANY; i++)
		rx[i] = start_on(place.pool, place.scope, forms[0], &n[i]);
	cr_expect_eq(leat_scope_join(place.scope), 0, "on one that always has something to do");
	leat_scope_cancel(busy, 0, NULL);
	leat_scope_close(busy);
	for (int i = 0; i < 2 * MANY; i++) {
		cr_expect_eq(n[i].finis, 1);
		leat_rx_close(rx[i]);
	}
	place_close(place);
}

/* Turns are counted and not time: of one that takes milliseconds few may pass. */
Test(pool, a_new_one_has_its_turn_soon_beside_long_ones)
{
	enum { LONG = 2, FEW = 500 };
	struct place place = place_open(1, false);
	struct leat_scope *busy = leat_scope_open(NULL, NULL);
	struct numbers n[LONG], one = { 0 };
	struct leat_gen_opts opts = { .pool = place.pool };
	struct sum sum[LONG] = { 0 };
	struct leat_rx *rx;
	uint32_t before = 0, after = 0;
	for (int i = 0; i < LONG; i++) {
		n[i] = (struct numbers){ .end = UINT64_MAX, .step_ns = MS / 2 };
		rx = start_on(place.pool, busy, forms[1], &n[i]);
		cr_assert_eq(leat_gen_sink(busy, rx,
		                           (struct leat_sink){ add_up, fini_sum, &sum[i] }, &opts),
		             0);
	}
	while (leat_load_acq(&n[LONG - 1].steps) < 10)
		sched_yield();
	for (int i = 0; i < LONG; i++)
		before += leat_load_rlx(&n[i].steps);
	rx = start_on(place.pool, place.scope, forms[0], &one);
	cr_expect_eq(leat_scope_join(place.scope), 0);
	for (int i = 0; i < LONG; i++)
		after += leat_load_rlx(&n[i].steps);
	cr_expect_lt(after - before, FEW, "%u steps of others", after - before);
	leat_rx_close(rx);
	leat_scope_cancel(busy, 0, NULL);
	leat_scope_close(busy);
	place_close(place);
}

/* Waiting for several of them */

Test(pool, selects_and_merges_and_descriptors_take_any_receiver)
{
	for (size_t f = 0; f < COUNT(forms); f++) {
		struct place place = place_open(2, f % 2);
		struct numbers n[3] = { { .end = 500 }, { .end = 500 }, { .end = 500 } };
		struct leat_rx *rx[3];
		uint64_t got, at[3] = { 0 }, ended = 0;
		int i, rc;
		for (i = 0; i < 3; i++)
			rx[i] = start_on(place.pool, place.scope, forms[f], &n[i]);
		while (ended < 3) {
			struct leat_case cases[] = { LEAT_CASE_RECV(rx[0], &got),
				                     LEAT_CASE_RECV(rx[1], &got),
				                     LEAT_CASE_RECV(rx[2], &got) };
			i = leat_select(cases, 3, LEAT_NEVER, LEAT_BY_CHANCE);
			cr_assert(i >= 0 && i < 3, "form %zu: %d", f, i);
			if (cases[i].answer == 1) {
				cr_assert_eq(got, at[i]++);
				continue;
			}
			cr_assert_eq(cases[i].answer, 0);
			ended++;
			leat_rx_close(rx[i]);
			rx[i] = NULL;
		}
		cr_expect_eq(at[0] + at[1] + at[2], 1500);

		struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
		struct pollfd polled = { .fd = leat_merge_fd(merge), .events = POLLIN };
		void *tag;
		for (int in_poll = 0; in_poll < 2; in_poll++) {
			for (i = 0; i < 3; i++) {
				n[i] = (struct numbers){ .end = 500 };
				at[i] = 0;
				rx[i] = start_on(place.pool, place.scope, forms[f], &n[i]);
				cr_assert_eq(leat_merge_add(merge, rx[i], &at[i]), 0);
			}
			for (ended = 0; ended < 3;) {
				rc = leat_merge_recv_until(merge, &got, &tag,
				                           in_poll ? 0 : LEAT_NEVER);
				cr_assert(rc >= 0 || (rc == -ETIMEDOUT && in_poll), "form %zu: %d",
				          f, rc);
				if (rc == -ETIMEDOUT && leat_merge_arm(merge) == 0)
					cr_assert_eq(poll(&polled, 1, 20000), 1);
				if (rc == 1)
					cr_assert_eq(got, (*(uint64_t *)tag)++);
				ended += rc == 0;
			}
			cr_expect_eq(at[0] + at[1] + at[2], 1500, "form %zu", f);
		}
		leat_merge_close(merge);

		n[0] = (struct numbers){ .end = 500 };
		rx[0] = start_on(place.pool, place.scope, forms[f], &n[0]);
		at[0] = 0;
		polled.fd = leat_rx_fd(rx[0]);
		cr_assert_geq(polled.fd, 0);
		while ((rc = leat_try_recv(rx[0], &got)) != 0) {
			if (rc == 1)
				cr_assert_eq(got, at[0]++);
			else if (leat_rx_arm(rx[0]) == 0)
				cr_assert_eq(poll(&polled, 1, 20000), 1);
		}
		cr_expect_eq(at[0], 500);
		leat_rx_close(rx[0]);
		place_close(place);
	}
}

/*
 * A merge as a stage: it waits for its lanes as for any descriptor, and no thread is taken by that.
 */
static int next_of_lanes(void *state, void *item)
{
	struct leat_merge *merge = state;
	int rc;
	while ((rc = leat_merge_recv_until(merge, item, NULL, 0)) <= 0) {
		if (rc == -ENOENT)
			return 0;
		if (rc != -ETIMEDOUT || leat_merge_arm(merge) != 0)
			continue;
		rc = leat_ready(leat_merge_fd(merge), POLLIN, LEAT_NEVER);
		if (rc != 0)
			return rc;
	}
	return 1;
}

static void fini_lanes(void *state)
{
	leat_merge_close(state);
}

Test(pool, a_stage_that_merges)
{
	for (size_t f = 0; f < COUNT(forms); f++)
		for (int canceled = 0; canceled < 2; canceled++) {
			struct place place = place_open(1, f % 2);
			struct numbers n[3] = { { .end = 500 }, { .end = 500 }, { .end = 500 } };
			struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
			struct leat_gen_opts opts = { .pool = place.pool };
			struct leat_rx *rx;
			uint64_t got, sum = 0;
			int rc;
			cr_assert_geq(leat_merge_fd(merge), 0);
			for (int i = 0; i < 3; i++)
				cr_assert_eq(leat_merge_add(merge,
				                            start_on(place.pool, place.scope,
				                                     forms[f], &n[i]),
				                            NULL),
				             0);
			cr_assert_eq(leat_gen_seq(place.scope,
			                          (struct leat_seq){ next_of_lanes, fini_lanes,
			                                             merge, sizeof(got) },
			                          &opts, &rx),
			             0);
			while ((rc = leat_recv(rx, &got)) == 1) {
				sum += got;
				if (canceled && sum > 1000)
					leat_scope_cancel(place.scope, 0, NULL);
			}
			cr_expect_eq(rc, canceled ? -ECANCELED : 0, "form %zu", f);
			if (!canceled)
				cr_expect_eq(sum, 3 * (499 * 500 / 2));
			leat_rx_close(rx);
			place_close(place);
		}
}

/* What snapshots tell */

struct told {
	struct leat_pool_stat pool;
	struct leat_gen_stat failed;
	uint32_t unbalanced;
};

/*
 * The diagnostics thread writes what the latest snapshot told while the test reads it: both hold
 * the lock.
 */
struct seen {
	pthread_mutex_t lock;
	struct told told;
	uint32_t snapshots, long_steps;
};

static void see(const struct leat_snapshot *snapshot, void *arg)
{
	struct seen *seen = arg;
	struct told *told = &seen->told;

	pthread_mutex_lock(&seen->lock);
	for (size_t i = 0; i < snapshot->pools_count; i++) {
		const struct leat_pool_stat *pool = &snapshot->pools[i];
		uint64_t dropped = 0;
		for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
			dropped += pool->dropped[reason];
		if (pool->offered != pool->delivered + dropped + pool->in_flight)
			told->unbalanced++;
		told->pool = *pool;
		if (pool->long_ns > 0 && strcmp(pool->long_name, "slow") == 0)
			leat_add_acqrel(&seen->long_steps, 1);
	}
	for (size_t i = 0; i < snapshot->generators_count; i++)
		if (snapshot->generators[i].cause == LEAT_FAILED)
			told->failed = snapshot->generators[i];
	pthread_mutex_unlock(&seen->lock);
	leat_add_acqrel(&seen->snapshots, 1);
}

/* What is told once n more snapshots were taken. */
static struct told await_snapshots(struct seen *seen, uint32_t n)
{
	uint32_t until = leat_load_acq(&seen->snapshots) + n;
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	struct told told;
	while (leat_load_acq(&seen->snapshots) < until && leat_now_ns() < patience_ns)
		sched_yield();
	pthread_mutex_lock(&seen->lock);
	told = seen->told;
	pthread_mutex_unlock(&seen->lock);
	return told;
}

Test(pool, snapshots_count_its_generators_and_name_who_takes_long)
{
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct told told;
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 2 * MS, .callback = see, .callback_arg = &seen });
	struct leat_pool *pool = leat_pool_open(
		&(struct leat_pool_opts){ .name = "mill", .workers = 2, .workers_only = true });
	struct leat_scope *scope = leat_scope_open(NULL, NULL),
			  *failing = leat_scope_open(NULL, NULL);
	struct place place = { pool, scope };
	enum { MANY = 500 };
	static struct numbers n[MANY];
	struct leat_rx *rx[MANY], *bad;
	uint64_t got;
	memset(n, 0, sizeof(n));
	for (int i = 0; i < MANY; i++) {
		n[i].end = UINT64_MAX;
		rx[i] = start_on(pool, scope, (struct leat_chan_opts){ .capacity = 4 }, &n[i]);
		for (int k = 0; k < 10; k++)
			cr_assert_eq(leat_recv(rx[i], &got), 1);
	}
	told = await_snapshots(&seen, 2);
	cr_expect_eq(told.pool.generators, MANY);
	cr_expect_eq(told.pool.delivered, MANY * 10);
	cr_expect_geq(told.pool.in_flight + told.pool.delivered, MANY * 10);
	cr_expect_str_eq(told.pool.name, "mill");
	cr_expect_eq(told.pool.workers, 2);

	for (int form = 0; form < 2; form++) {
		struct numbers slow = { .end = 3, .step_ns = 50 * MS };
		struct leat_rx *slow_rx = start_on(
			pool, scope,
			(struct leat_chan_opts){ .name = "slow", .capacity = form == 0 ? 2 : 1000 },
			&slow);
		int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
		leat_store_rel(&seen.long_steps, 0);
		while (leat_load_acq(&seen.long_steps) == 0 && leat_now_ns() < patience_ns)
			sched_yield();
		cr_expect_gt(leat_load_acq(&seen.long_steps), 0, "form %d: its long step was told",
		             form);
		while (leat_recv(slow_rx, &got) == 1)
			;
		leat_rx_close(slow_rx);
	}

	struct numbers broken = { .end = 1, .last = -EIO };
	bad = start_on(pool, failing, (struct leat_chan_opts){ .name = "bad", .capacity = 4 },
	               &broken);
	while (leat_recv(bad, &got) == 1)
		;
	leat_rx_close(bad);
	cr_expect_eq(leat_scope_close(failing), -EIO);
	leat_scope_cancel(scope, 0, NULL);
	for (int i = 0; i < MANY; i++)
		leat_rx_close(rx[i]);
	leat_scope_join(scope);
	told = await_snapshots(&seen, 2);
	cr_expect_eq(told.pool.generators, 0);
	cr_expect_eq(told.pool.in_flight, 0);
	cr_expect_str_eq(told.failed.name, "bad");
	cr_expect_eq(told.failed.code, -EIO);
	cr_expect_eq(told.unbalanced, 0);
	place_close(place);
	cr_expect_eq(leat_diag_stop(diag), 0);
}

/* Its receiver's items are dropped when the next pool already runs. */
Test(pool, receivers_that_outlive_it_are_not_in_the_next_one_s_books)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct seen seen = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct leat_diag *diag;
	struct numbers n[3] = { { .end = 2 }, { .end = 1 }, { .end = 1 } };
	struct leat_rx *old, *rx;
	struct census before, after;
	uint64_t got;
	struct leat_pool *pool =
		leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	old = start_on(pool, scope, (struct leat_chan_opts){ .capacity = 4 }, &n[0]);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);

	for (int i = 0; i < 2; i++) {
		pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		census_begin(&before);
		rx = start_on(pool, scope, (struct leat_chan_opts){ .capacity = 4 }, &n[1 + i]);
		census_begin(&after);
		cr_expect_eq(after.blocks > before.blocks, i == 0,
		             "a new crowd for the first, and one of the two for the second");
		if (i == 0) {
			cr_expect_eq(leat_recv(old, &got), 1);
			cr_expect_eq(got, 0);
			leat_rx_close(old);
		}
		cr_expect_eq(leat_recv(rx, &got), 1);
		cr_expect_eq(leat_recv(rx, &got), 0);
		leat_rx_close(rx);
		diag = leat_diag_start(
			&(struct leat_diag_opts){ .callback = see, .callback_arg = &seen });
		cr_expect_eq(leat_diag_stop(diag), 0);
		cr_expect_eq(seen.told.pool.offered, 1, "%d", i);
		cr_expect_eq(seen.told.pool.delivered, 1, "%d", i);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
	cr_expect_eq(leat_scope_close(scope), 0);
}
