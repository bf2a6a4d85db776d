/*
 * tests/unit/pool_sink.c: sinks and stages on a pool.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "numbers.h"

TestSuite(pool_sink, .timeout = 600);

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

Test(pool_sink, whole_pipelines_run_on_it)
{
	enum { ITEMS = MANY_TIMES(2000) };

	for (size_t f = 0; f < COUNT(forms); f++)
		/* which of the three stages are on the pool */
		for (int where = 0; where < 8; where++) {
			struct place place = place_open(2, f % 2);
			struct numbers n = { .end = ITEMS };
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
			cr_expect_eq(sum.items, ITEMS);
			cr_expect_eq(sum.sum, (uint64_t)ITEMS * ITEMS);
			cr_expect_eq(sum.finis + n.finis, 2);
			place_close(place);
		}
}

Test(pool_sink, sinks_end_as_they_should)
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
