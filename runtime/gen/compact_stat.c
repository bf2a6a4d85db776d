/*
 * What a snapshot of a pool says of its compact generators.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/gen/compact_block.h"

#include <string.h>

/* What a snapshot adds up. */
struct stat_sum {
	struct leat_arena *arena;
	uint64_t tails, heads;
	struct leat_pool_stat *stat;
};

/*
 * Copies the name of the generator that has had a turn for long. While the lock is held and the
 * block has this id, its cold part is not freed.
 */
static void copy_long_name(struct stat_sum *sum, struct compact *c, uint64_t id)
{
	struct leat_spin *lock = &sum->arena->gen_set.lock;
	const struct cold *cold;

	leat_spin_lock(lock);
	cold = leat_load_rlx(&c->id) == id ? cold_of(c)
	                                   : NULL; /* rlx: it is cleared under this lock */
	if (cold != NULL)
		memcpy(sum->stat->long_name, cold->name, sizeof(cold->name));
	leat_spin_unlock(lock);
}

/* Caller holds no lock: the block may be freed meanwhile, and started anew (compact.h, B1). */
static void add_block_stat(void *block, void *arg)
{
	struct stat_sum *sum = arg;
	struct compact *c = block;
	uint64_t id = leat_load_acq(&c->id), head, tail; /* B2: pairs with init_block() */

	if (id == 0)
		return;
	/* B1: pairs with init_block(); and R2: what was dropped before head is counted */
	head = leat_load_acq(&c->head);
	tail = leat_load_acq(&c->tail);  /* B1: the same */
	if (leat_load_rlx(&c->id) != id) /* rlx: B1 orders it */
		return;
	sum->heads += head;
	sum->tails += tail;
	if (id + 1 == sum->stat->long_id)
		copy_long_name(sum, c, id);
}

/*
 * Invariant: a snapshot says nothing that was not so. A generator that ends during the walk may be
 * left out, and the next snapshot has it. An item that is dropped during the walk counts as dropped
 * and never as delivered: the walk reads heads before it reads what was dropped.
 */
void leat_compact_read_stat(struct leat_pool_user *user, struct leat_pool_stat *stat)
{
	struct leat_arena *arena = leat_container_of(user, struct leat_arena, user);
	struct stat_sum sum = { arena, 0, 0, stat };
	uint64_t dropped = 0;
	bool any;

	leat_spin_lock(&arena->gen_set.lock);
	any = arena->gen_set.holds > 0;
	stat->generators += arena->gen_set.live;
	sum.tails = arena->accepted;
	sum.heads = arena->received;
	leat_spin_unlock(&arena->gen_set.lock);
	if (any)
		leat_arena_for_each_unlocked(arena, add_block_stat, &sum);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++) {
		/* rlx: a number; drops before the heads that were read are in it (R2) */
		uint64_t now = leat_load_rlx(&arena->dropped[reason]);

		stat->dropped[reason] += now;
		dropped += now;
	}
	if (sum.heads < dropped)
		sum.heads = dropped;
	if (sum.tails < sum.heads)
		sum.tails = sum.heads;
	stat->delivered += sum.heads - dropped;
	stat->offered += sum.tails;
}
