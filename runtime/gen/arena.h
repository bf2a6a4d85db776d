/*
 * runtime/gen/arena.h: the compact generators of one scope on one pool: their memory, their count,
 * their cancel.
 *
 * Blocks stand in slabs that grow from four blocks to 256 KiB; an empty slab is given back at once,
 * but for one. All under the gen_set's lock, which starting, ending and closing one take once each.
 * It is held for a few instructions: memory is had from the system, and given back, outside of it,
 * and no walk holds it for more than a few blocks.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_ARENA_H
#define LEAT_RUNTIME_GEN_ARENA_H

#include "runtime/chan/rx_ops.h"
#include "runtime/pool/pool.h"
#include "runtime/scope/gen_set.h"

#include <leat/stat.h>

/* What a block in use begins with; a free one has a NULL arena. */
struct leat_arena_block {
	struct leat_arena *arena;
	struct leat_arena_block *next_free;
};

struct leat_slab {
	struct leat_link all;   /* of the arena */
	struct leat_link roomy; /* of its size, while it has room; next NULL: it has none */
	/* of the arena, while it is in no use and stays for a walk; else next NULL */
	struct leat_link emptied;
	struct leat_sizes *of;
	struct leat_arena_block *free;
	size_t bytes;
	uint32_t used, first_unused, total; /* blocks: in use; never used from here on; in all */
};

/* Slabs with blocks of one size. */
struct leat_sizes {
	struct leat_sizes *next;
	size_t stride;
	uint32_t blocks_next; /* of the next slab */
	struct leat_link roomy;
};

/*
 * Constant down to the lock, but for dropped and the pool's end, as long as anybody has a block of
 * it; then it may become another pool's (leat_scope_reuse_gen_set()).
 */
struct leat_arena {
	struct leat_rx_ops_word rx_ops; /* first: what a receiver's ctl points to */
	struct leat_pool *pool;         /* NULL once it is closed */
	struct leat_gen_set gen_set;
	struct leat_pool_user user;
	uint64_t dropped[LEAT_DROP_REASONS]; /* of all there ever were, by relaxed additions */
	bool fenced;                         /* publishing pays the fence */
	bool workers_only; /* the pool's, which may be gone when it is asked for */
	/* the rest under the gen_set's lock */
	/*
	 * the block whose generator was started last, and waited for its first turn then; or NULL
	 */
	void *unstarted;
	bool unstarted_seen; /* by the pool's workers */
	struct leat_link slabs, emptied;
	struct leat_sizes *sizes;
	unsigned walks; /* under way: as long as there are any no slab goes */
	uint64_t next_id, ids_end;
	uint64_t accepted, received; /* by those that are gone, since the pool is this one: items */
};

/*
 * The arena of this scope and pool; made if there is none. NULL, with *rc set, when that can't be.
 */
struct leat_arena *leat_arena_of(struct leat_scope *scope, struct leat_pool *pool, int *rc);

/*
 * Under the lock: a block of at least this size, which holds the arena; NULL: leat_arena_grow() has
 * to make room. It is zeroed where it was never used, else as it was left, but for its arena.
 */
void *leat_arena_alloc(struct leat_arena *arena, size_t size, struct leat_slab **slab);
/*
 * Under the lock, which it lets go of and takes again: makes room, which another thread may use
 * first. 0 or -ENOMEM.
 */
int leat_arena_grow(struct leat_arena *arena, size_t size);
/*
 * Under the lock: gives a block back. The hold is the caller's to drop. What it returns, if
 * anything, is not the arena's any more and is given to leat_slab_free() under no lock.
 */
struct leat_slab *leat_arena_free(struct leat_arena *arena, struct leat_slab *slab, void *block);
void leat_slab_free(struct leat_slab *slab);

/*
 * Under no lock: calls fn for each block in use, with the lock held, and after() without it once
 * for LEAT_ARENA_AT_ONCE at the most. Blocks that come into use or go meanwhile may be left out.
 */
enum { LEAT_ARENA_AT_ONCE = 64 };
void leat_arena_for_each(struct leat_arena *arena, void (*fn)(void *block, void *arg),
                         void (*after)(void *arg), void *arg);
/*
 * Under no lock: calls fn without the lock for each block that has ever been in use, however many
 * there are; so starts and ends wait for nothing. fn finds out which are in use, while they begin
 * and end.
 */
void leat_arena_for_each_unlocked(struct leat_arena *arena, void (*fn)(void *block, void *arg),
                                  void *arg);

/*
 * Two ids of the registry's, the first of which is answered: a channel's and its generator's. Under
 * the lock.
 */
uint64_t leat_arena_take_ids(struct leat_arena *arena);

#endif
