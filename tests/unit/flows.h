/*
 * tests/unit/flows.h: what the suites of flows share: numbers that flow, steps for them, items that
 * own something, and what is expected of all of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_FLOWS_H
#define LEAT_TEST_FLOWS_H

#include "census.h"

#include <leat/flow.h>

#include <stdlib.h>
#include <string.h>

/* --- where flows run --- */

/*
 * With LEAT_TEST_FLOWS=pool in the environment each flow of a suite runs on one pool: the same
 * tests, and the same results, with and without threads.
 */
static UNUSED struct leat_pool *flows_pool;
static UNUSED unsigned flows_open;

static UNUSED bool flows_on_pool(void)
{
	const char *where = getenv("LEAT_TEST_FLOWS");

	return where != NULL && strcmp(where, "pool") == 0;
}

static UNUSED struct leat_flow *open_somewhere(struct leat_scope *scope,
                                               const struct leat_flow_opts *opts)
{
	struct leat_flow_opts pooled = opts != NULL ? *opts : (struct leat_flow_opts){ 0 };
	struct leat_flow *flow;

	if (!flows_on_pool())
		return leat_flow_open(scope, opts);
	if (flows_open == 0)
		flows_pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	if (pooled.pool == NULL)
		pooled.pool = flows_pool;
	flow = leat_flow_open(scope, &pooled);
	if (flow != NULL)
		flows_open++;
	else if (flows_open == 0)
		leat_pool_close(flows_pool);
	return flow;
}

static UNUSED void close_somewhere(struct leat_flow *flow)
{
	leat_flow_close(flow);
	if (flow != NULL && flows_on_pool() && --flows_open == 0)
		leat_pool_close(flows_pool);
}

#undef leat_flow_open
#define leat_flow_open(...) open_somewhere(__VA_ARGS__)
#define leat_flow_close(flow) close_somewhere(flow)

/* --- numbers --- */

/* A seq of 0, 1, ... below n; its fini counts. */
struct numbers {
	uint64_t next, end;
	uint32_t finis;
	int fail; /* what it returns at its end */
};

static UNUSED int next_number(void *state, void *item)
{
	struct numbers *numbers = state;

	if (numbers->next == numbers->end)
		return numbers->fail;
	*(uint64_t *)item = numbers->next++;
	return 1;
}

static UNUSED void end_numbers(void *state)
{
	leat_add_acqrel(&((struct numbers *)state)->finis, 1u);
}

static UNUSED struct leat_seq numbers_seq(struct numbers *numbers)
{
	return (struct leat_seq){ next_number, end_numbers, numbers, sizeof(uint64_t) };
}

/* A generator of the numbers below *arg, or of all. */
static UNUSED int run_numbers(struct leat_tx *out, void *arg)
{
	uint64_t end = arg == NULL ? UINT64_MAX : *(uint64_t *)arg;
	int rc = 0;

	for (uint64_t n = 0; rc == 0 && n < end; n++)
		rc = leat_send(out, &n);
	return rc;
}

/* An array of the numbers below n, for free(). */
static UNUSED uint64_t *numbers_below(size_t n)
{
	uint64_t *numbers = calloc(n + 1, sizeof(*numbers));

	for (size_t i = 0; i < n; i++)
		numbers[i] = i;
	return numbers;
}

/* --- steps --- */

LEAT_MAP(triple, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x * 3;
	return 0;
}

LEAT_MAP(drop_odd, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x;
	return *x % 2 == 1 ? LEAT_SKIP : 0;
}

LEAT_FILTER(keep_even, u64, x, const void *, unused)
{
	(void)unused;
	return *x % 2 == 0;
}

LEAT_FILTER(keep_none, u64, x, const void *, unused)
{
	(void)x, (void)unused;
	return false;
}

/* Fails at the item of that value. */
LEAT_MAP(fail_at, u64, x, u64, y, const uint64_t *, value)
{
	*y = *x;
	return *x == *value ? -EDOM : 0;
}

/* Holds what it is given until its end, and then makes it. */
struct held {
	uint64_t items[2000];
	size_t count;
};

static UNUSED int hold_vec(void *state, struct leat_vec *v)
{
	struct held *held = state;

	for (; v->used < v->n; v->used++)
		held->items[held->count++] = ((const uint64_t *)v->in)[v->used];
	while (v->last && held->count > 0 && v->made < v->room)
		((uint64_t *)v->out)[v->made++] = held->items[--held->count];
	return 0;
}

static const struct leat_step hold_all UNUSED = {
	.name = "hold_all", .fn = hold_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

/* Passes items on up to the first that is not below *state, and has had enough then. */
static UNUSED int enough_vec(void *state, struct leat_vec *v)
{
	const uint64_t *in = v->in, *enough = state;

	while (v->used < v->n && v->used < v->room && in[v->used] < *enough) {
		((uint64_t *)v->out)[v->made++] = in[v->used];
		v->used++;
	}
	return v->used < v->n && in[v->used] >= *enough ? LEAT_ENOUGH : 0;
}

static const struct leat_step take_below UNUSED = { .name = "take_below",
	                                            .fn = enough_vec,
	                                            .in = LEAT_T(u64),
	                                            .out = LEAT_T(u64),
	                                            .stateless = true };

LEAT_EACH(add, u64, x, uint64_t *, sum)
{
	*sum += *x;
	return 0;
}

LEAT_EACH(ignore, u64, x, const void *, unused)
{
	(void)x, (void)unused;
	return 0;
}

/* Counts, for another thread to see; has had enough at `enough`, fails at `fail`; 0: never. */
struct tally {
	uint32_t count;
	uint32_t enough, fail;
};

LEAT_EACH(count_each, u64, x, struct tally *, tally)
{
	uint32_t n = leat_load_rlx(&tally->count) + 1; /* rlx: only this thread writes it */

	(void)x;
	if (n == tally->fail)
		return -EDOM;
	leat_store_rel(&tally->count, n);
	return n == tally->enough ? LEAT_ENOUGH : 0;
}

/* Waits at its first item until the gate is open. */
struct gate {
	uint32_t reached, open, tid;
};

LEAT_MAP(pass_gate, u64, x, u64, y, const struct gate *, shut)
{
	struct gate *gate = (struct gate *)(uintptr_t)shut;

	*y = *x;
	leat_add_acqrel(&gate->reached, 1u);
	return await_word(&gate->open, 1) ? 0 : -ETIME;
}

/* --- a flow, and what became of it --- */

struct collected {
	uint64_t *items;
	size_t count;
};

static UNUSED void collect(struct leat_port port, struct collected *to)
{
	leat_flow_collect(port, (void **)&to->items, &to->count);
}

static UNUSED void expect_start(struct leat_flow *flow)
{
	cr_assert_eq(leat_flow_start(flow), 0, "%s", leat_flow_error(flow));
}

static UNUSED void expect_join(struct leat_flow *flow, int code)
{
	int rc = leat_flow_join(flow);

	cr_assert_eq(rc, code, "join returns %d, not %d: \"%s\"", rc, code, leat_flow_error(flow));
}

static UNUSED void expect_words(const struct leat_flow *flow, const char *words)
{
	cr_assert_not_null(strstr(leat_flow_error(flow), words), "\"%s\" lacks \"%s\"",
	                   leat_flow_error(flow), words);
}

/* Exactly count items: first, first + step, ... */
static UNUSED void expect_series(const struct collected *got, uint64_t first, uint64_t step,
                                 size_t count)
{
	cr_assert_eq(got->count, count, "%zu items, not %zu", got->count, count);
	for (size_t i = 0; i < count; i++)
		cr_assert_eq(got->items[i], first + i * step, "item %zu is %llu", i,
		             (unsigned long long)got->items[i]);
}

/* The numbers below n, in any order. */
static UNUSED void expect_set(const struct collected *got, size_t n)
{
	bool *seen = calloc(n + 1, 1);

	cr_assert_eq(got->count, n, "%zu items, not %zu", got->count, n);
	for (size_t i = 0; i < n; i++) {
		cr_assert(got->items[i] < n && !seen[got->items[i]]);
		seen[got->items[i]] = true;
	}
	free(seen);
}

static UNUSED void expect_stat(const struct leat_flow *flow, size_t number, const char *name,
                               struct leat_step_stat stat)
{
	struct leat_step_stat got;

	cr_assert_eq(leat_flow_stat(flow, number, &got), 0);
	cr_assert_str_eq(got.name, name);
	cr_assert(got.in == stat.in && got.used == stat.used && got.skipped == stat.skipped &&
	                  got.failed == stat.failed && got.made == stat.made,
	          "%s: %llu in, %llu used, %llu skipped, %llu failed, %llu made", name,
	          (unsigned long long)got.in, (unsigned long long)got.used,
	          (unsigned long long)got.skipped, (unsigned long long)got.failed,
	          (unsigned long long)got.made);
}

#endif
