/*
 * tests/unit/numbers.h: what the suites of the pool share: a generator of numbers, a sink that adds
 * up, a pool with a scope, and both forms of channel.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_NUMBERS_H
#define LEAT_TEST_NUMBERS_H

#include "census.h"

struct numbers {
	uint64_t at, end;
	int last; /* what next answers at the end */
	uint32_t steps, finis, inside, overlaps;
	int64_t step_ns; /* how long a step takes */
	int64_t every_ns, due_ns;
};

static UNUSED int next_number(void *state, void *item)
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

static UNUSED void fini_numbers(void *state)
{
	struct numbers *n = state;
	leat_add_acqrel(&n->finis, 1);
}

static UNUSED struct leat_seq seq_of(struct numbers *n)
{
	return (struct leat_seq){ next_number, fini_numbers, n, sizeof(uint64_t) };
}

/* Both forms of channel are put through the same. */
static const struct leat_chan_opts forms[] UNUSED = {
	{ .capacity = 1 },
	{ .capacity = 7 },
	{ .capacity = 64 }, /* compact */
	{ .capacity = 0 },
	{ .kind = LEAT_MPMC, .capacity = 3 },
	{ .kind = LEAT_SPMC, .capacity = 1 },
	{ .kind = LEAT_MPSC, .capacity = 64 },
	{ .capacity = 5, .full_fence = true },
};

static UNUSED struct leat_rx *start_on(struct leat_pool *pool, struct leat_scope *scope,
                                       struct leat_chan_opts chan, struct numbers *n)
{
	struct leat_gen_opts opts = { .chan = chan, .pool = pool };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope, seq_of(n), &opts, &rx), 0);
	return rx;
}

static UNUSED void expect_cause(struct leat_rx *rx, enum leat_cause expected, int expected_code)
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

static UNUSED struct place place_open(unsigned workers, bool workers_only)
{
	struct place place = { leat_pool_open(&(struct leat_pool_opts){
				       .workers = workers, .workers_only = workers_only }),
		               leat_scope_open(NULL, NULL) };
	cr_assert_not_null(place.pool);
	cr_assert_not_null(place.scope);
	return place;
}

static UNUSED int place_close(struct place place)
{
	int rc = leat_scope_close(place.scope);
	cr_expect_eq(leat_pool_close(place.pool), 0);
	return rc;
}

struct sum {
	uint64_t sum, items, enough;
	int64_t wait_every;
	int failure;
	uint32_t finis;
	bool waited;
};

static UNUSED int add_up(void *state, const void *item)
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

static UNUSED void fini_sum(void *state)
{
	struct sum *s = state;
	leat_add_acqrel(&s->finis, 1);
}

#endif
