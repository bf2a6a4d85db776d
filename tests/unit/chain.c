/*
 * tests/unit/chain.c: pipelines of many stages on a pool: what it costs to end them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/gen.h>

TestSuite(chain, .timeout = 120);

enum { STAGES = MANY_TIMES(1000) };

struct stage {
	struct leat_seq input; /* no next: the source */
	uint64_t next;
};

static uint64_t steps, finis;

static int next_of_stage(void *state, void *item)
{
	struct stage *stage = state;
	leat_add_rlx(&steps, 1);
	if (stage->input.next != NULL)
		return stage->input.next(stage->input.state, item);
	memcpy(item, &stage->next, sizeof(stage->next));
	stage->next++;
	return 1;
}

static void fini_of_stage(void *state)
{
	struct stage *stage = state;
	if (stage->input.fini != NULL)
		stage->input.fini(stage->input.state);
	leat_add_rlx(&finis, 1);
	free(stage);
}

static struct leat_rx *start_chain(struct leat_scope *scope, const struct leat_gen_opts *opts)
{
	struct leat_rx *rx = NULL;
	for (int i = 0; i < STAGES; i++) {
		struct stage *stage = calloc(1, sizeof(*stage));
		struct leat_seq seq = { next_of_stage, fini_of_stage, stage, sizeof(uint64_t) };
		if (i > 0)
			stage->input = leat_seq_from_rx(rx);
		cr_assert_eq(leat_gen_seq(scope, seq, opts, &rx), 0);
	}
	return rx;
}

/*
 * The stages fill their channels, which is STAGES * STAGES / 2 steps in all, when the receiver at
 * the far end leaves. Its end must come to the source before they are done: a few steps of others
 * for each stage on the way, not one of each other stage.
 */
static void end_at_the_far_end(const struct leat_gen_opts *opts)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx = start_chain(scope, opts);
	uint64_t got, before;
	for (uint64_t n = 0; n < 3; n++) {
		cr_assert_eq(leat_recv(rx, &got), 1);
		cr_expect_eq(got, n);
	}
	before = leat_load_rlx(&steps);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_leq(leat_load_rlx(&steps) - before, 20 * STAGES, "%zu steps after the close",
	              (size_t)(leat_load_rlx(&steps) - before));
	cr_expect_eq(leat_load_rlx(&finis), STAGES);
	cr_expect_eq(leat_scope_close(scope), 0);
}

static void end_chains(enum leat_kind kind)
{
	for (int workers_only = 0; workers_only < 2; workers_only++) {
		struct leat_pool_opts opts = { .workers = 1, .workers_only = workers_only };
		struct leat_pool *pool = leat_pool_open(&opts);
		steps = finis = 0;
		end_at_the_far_end(&(struct leat_gen_opts){
			.pool = pool, .chan = { .kind = kind, .capacity = 1 } });
		leat_pool_close(pool);
	}
}

Test(chain, a_receiver_that_leaves_ends_small_stages_in_few_steps)
{
	end_chains(LEAT_SPSC);
}

Test(chain, a_receiver_that_leaves_ends_stages_with_full_channels_in_few_steps)
{
	end_chains(LEAT_SPMC);
}
