/*
 * tests/unit/pool_looks.c: looks at a pool: they hold up no start, and what they tell never goes
 * back.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include "runtime/gen/compact_block.h"

#include <leat/diag.h>

TestSuite(pool_looks, .timeout = 30);

static int next_three(void *state, void *item)
{
	uint64_t *n = state;
	*(uint64_t *)item = *n;
	return (*n)++ % 4 != 3;
}

static struct leat_rx *start(struct leat_scope *scope, struct leat_pool *pool, uint64_t *state)
{
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = 4 };
	struct leat_rx *rx = NULL;
	cr_assert_eq(
		leat_gen_seq(scope, (struct leat_seq){ next_three, NULL, state, 8 }, &opts, &rx),
		0);
	return rx;
}

/*
 * What a look, and a walk of a group, meet in the middle: generators that start and end, in the
 * same scope and in new ones.
 */
struct middle {
	struct leat_pool_user user;
	struct leat_pool *pool;
	struct leat_scope *scope;
	unsigned looks, blocks;
};

static void start_and_end(struct middle *middle, struct leat_scope *scope)
{
	uint64_t state = 0, got;
	struct leat_rx *rx = start(scope, middle->pool, &state);
	cr_assert_eq(leat_recv(rx, &got), 1);
	leat_rx_close(rx);
}

static bool never_busy(struct leat_pool_user *user)
{
	(void)user;
	return false;
}

static void gone(struct leat_pool_user *user)
{
	(void)user;
}

static void look_and_start(struct leat_pool_user *user, struct leat_pool_stat *stat)
{
	struct middle *middle =
		(struct middle *)(void *)((char *)user - offsetof(struct middle, user));
	(void)stat;
	if (middle->looks++ > 0)
		return; /* that of its removal */
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	start_and_end(middle, scope);
	start_and_end(middle, middle->scope);
	cr_expect_eq(leat_scope_close(scope), 0);
}

static void keep_stat(const struct leat_snapshot *snapshot, void *arg)
{
	if (snapshot->pools_count == 1)
		*(struct leat_pool_stat *)arg = snapshot->pools[0];
}

Test(pool_looks, generators_and_scopes_begin_and_end_in_the_middle_of_a_look)
{
	struct leat_pool_stat stat = { 0 };
	struct middle middle = { .pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 }),
		                 .scope = leat_scope_open(NULL, NULL),
		                 .user = { .busy = never_busy,
		                           .forget_pool = gone,
		                           .read_stat = look_and_start,
		                           .free = gone } };
	start_and_end(&middle, middle.scope);
	leat_pool_add_user(middle.pool, &middle.user);
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 3600000 * MS, .callback = keep_stat, .callback_arg = &stat });
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(middle.looks, 1);
	leat_pool_remove_user(&middle.user);
	cr_expect_eq(leat_scope_close(middle.scope), 0);
	cr_expect_eq(leat_pool_close(middle.pool), 0);
}

static void start_at_block(void *block, void *arg)
{
	struct middle *middle = arg;
	(void)block;
	if (middle->blocks++ < 100)
		start_and_end(middle, middle->scope);
}

Test(pool_looks, generators_of_a_group_begin_and_end_while_it_is_walked)
{
	enum { MANY = 2000 };
	static struct leat_rx *rx[MANY];
	static uint64_t states[MANY];
	struct middle middle = { .pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 }),
		                 .scope = leat_scope_open(NULL, NULL) };
	for (int i = 0; i < MANY; i++)
		rx[i] = start(middle.scope, middle.pool, &states[i]);
	leat_arena_for_each_unlocked(((struct compact *)(void *)rx[0])->arena, start_at_block,
	                             &middle)
		;
	cr_expect_geq(middle.blocks, MANY);
	for (int i = 0; i < MANY; i++)
		leat_rx_close(rx[i]);
	cr_expect_eq(leat_scope_close(middle.scope), 0);
	cr_expect_eq(leat_pool_close(middle.pool), 0);
}

/* Totals */

struct totals {
	struct leat_pool_stat last;
	uint32_t snapshots;
	int fell, imbalances;
	uint64_t most; /* that was ever offered, by the test's own count; read after the stop */
};

static void watch_totals(const struct leat_snapshot *snapshot, void *arg)
{
	struct totals *totals = arg;
	if (snapshot->pools_count != 1)
		return;
	const struct leat_pool_stat *now = &snapshot->pools[0], *before = &totals->last;
	uint64_t out = now->delivered + now->in_flight;
	totals->fell += now->offered < before->offered || now->delivered < before->delivered ||
	                now->turns < before->turns;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
		totals->fell += now->dropped[reason] < before->dropped[reason];
		out += now->dropped[reason];
	}
	totals->imbalances += now->offered != out;
	totals->last = *now;
	leat_add_acqrel(&totals->snapshots, 1u);
}

/*
 * A thread that starts generators, receives from some and leaves the rest, in scopes that it opens
 * and closes.
 */
struct starter {
	pthread_t thread;
	struct leat_pool *pool;
	uint32_t *stop;
	uint64_t received;
};

static void *start_many(void *arg)
{
	struct starter *starter = arg;
	while (leat_load_acq(starter->stop) == 0) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		uint64_t states[40] = { 0 }, got;
		struct leat_rx *rx[COUNT(states)];
		for (size_t i = 0; i < COUNT(states); i++) {
			rx[i] = start(scope, starter->pool, &states[i]);
			for (size_t n = 0; n < i % 4; n++)
				starter->received += leat_recv(rx[i], &got) == 1;
			if (i >= 20) {
				leat_rx_close(rx[i - 20]);
				rx[i - 20] = NULL;
			}
		}
		if (starter->received % 2 == 0)
			leat_scope_cancel(scope, 0, "enough");
		for (size_t i = 0; i < COUNT(states); i++)
			leat_rx_close(rx[i]);
		leat_scope_close(scope);
	}
	return NULL;
}

Test(pool_looks, totals_never_fall_and_are_exact_in_the_end)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	struct totals totals = { 0 };
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 1000, .callback = watch_totals, .callback_arg = &totals });
	struct starter starters[2];
	uint32_t stop = 0;
	uint64_t received = 0;
	for (size_t i = 0; i < COUNT(starters); i++) {
		starters[i] = (struct starter){ .pool = pool, .stop = &stop };
		pthread_create(&starters[i].thread, NULL, start_many, &starters[i]);
	}
	cr_expect(await_word(&totals.snapshots, 2000));
	leat_store_rel(&stop, 1u);
	for (size_t i = 0; i < COUNT(starters); i++) {
		pthread_join(starters[i].thread, NULL);
		received += starters[i].received;
	}
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(totals.fell, 0, "totals fell %d times", totals.fell);
	cr_expect_eq(totals.imbalances, 0);
	cr_expect_eq(totals.last.delivered, received);
	cr_expect_eq(totals.last.in_flight, 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}
