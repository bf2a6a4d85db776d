/*
 * tests/unit/pool_step.c: what may not wait in a step, long steps, and that each of many generators
 * has its turns.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "numbers.h"

TestSuite(pool_step, .timeout = 600);

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

Test(pool_step, what_would_wait_in_a_step_is_refused)
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

Test(pool_step, fini_is_a_step_too)
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

Test(pool_step, long_steps_go_on_without_the_receiver)
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

Test(pool_step, nobody_starves)
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

/* Many */

Test(pool_step, a_hundred_thousand_at_once)
{
	enum { MANY = MANY_TIMES(100000) };
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

Test(pool_step, one_after_another)
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

Test(pool_step, new_ones_that_nobody_receives_from_have_their_turns)
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
Test(pool_step, a_new_one_has_its_turn_soon_beside_long_ones)
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
