/*
 * runtime/gen/arena.h: the compact generators of one scope on one pool: their memory, their count,
 * their cancel.
 *
 * Memory. Blocks are in slabs, of four blocks at first and of 256 KiB at most. An empty slab is
 * freed at once, unless it is the only one with room for its size.
 *
 * Lock. The arena's lock is the lock of its gen_set. A start, an end and a close of a generator
 * take it once each, for a few instructions. No thread that holds it allocates or frees memory of
 * the system, and a walk holds it for a few blocks at a time.
 *
 * Lifetime. The gen_set's holds keep the arena, one for each block in use. The scope's close, or
 * the free of the last block after that, frees it. An arena whose pool is closed, and whose blocks
 * are all free, may be given to another pool (leat_scope_reuse_gen_set()).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_ARENA_H
#define LEAT_RUNTIME_GEN_ARENA_H

#include "runtime/chan/rx_ops.h"
#include "runtime/pool/pool.h"
#include "runtime/scope/gen_set.h"

#include <leat/stat.h>

/* A block begins with this. A free one has a NULL arena, and next_free. */
struct leat_arena_block {
	struct leat_arena *arena;
	struct leat_arena_block *next_free;
};

struct leat_slab {
	struct leat_link all;   /* on the arena's list */
	struct leat_link roomy; /* on the list of its size while it has room; else next is NULL */
	/* on the arena's list while it is empty and a walk keeps it; else next is NULL */
	struct leat_link emptied;
	struct leat_sizes *of;
	struct leat_arena_block *free;
	size_t bytes;
	uint32_t used, first_unused,
		total; /* blocks: in use; from this one on never used; in all */
};

/* The slabs with blocks of one size. */
struct leat_sizes {
	struct leat_sizes *next;
	size_t stride;
	uint32_t blocks_next; /* how many the next slab has */
	struct leat_link roomy;
};

/*
 * While any block is in use, what is above "the rest" is constant, but for dropped, and for pool,
 * which becomes NULL when the pool is closed.
 */
struct leat_arena {
	struct leat_rx_ops_word rx_ops; /* first: a receiver's ctl points to it */
	struct leat_pool *pool;         /* NULL once it is closed */
	struct leat_gen_set gen_set;
	struct leat_pool_user user;
	uint64_t dropped[LEAT_DROP_REASONS]; /* by all blocks there ever were; relaxed additions */
	bool fenced;                         /* no membarrier: a publish executes a full fence */
	bool workers_only; /* as the pool's, which may be closed when this is read */
	/* the rest is guarded by the gen_set's lock */
	/* the block whose generator was started last and was not queued; or NULL */
	void *unstarted;
	bool unstarted_seen; /* a worker has found it once */
	struct leat_link slabs, emptied;
	struct leat_sizes *sizes;
	unsigned walks; /* under way; while there are any no slab is freed */
	uint64_t next_id, ids_end;
	uint64_t accepted, received; /* items, by blocks that are free, since it has this pool */
};

/*
 * Returns the arena of this scope and pool, and makes it if there is none. NULL with *rc set if
 * that fails.
 */
struct leat_arena *leat_arena_of(struct leat_scope *scope, struct leat_pool *pool, int *rc);

/*
 * Returns a block of at least this size, which holds the arena; NULL if leat_arena_grow() must make
 * room first. A block that was never used is zeroed; else it is as it was freed, but for its arena.
 * Caller holds the lock.
 */
void *leat_arena_alloc(struct leat_arena *arena, size_t size, struct leat_slab **slab);
/*
 * Makes room, which another thread may use first. Returns 0 or -ENOMEM. Caller holds the lock,
 * which is released and taken again meanwhile.
 */
int leat_arena_grow(struct leat_arena *arena, size_t size);
/*
 * Frees a block; the caller drops the block's hold. Returns NULL, or a slab that is not the arena's
 * any more: the caller gives it to leat_slab_free() when it has released the lock. Caller holds the
 * lock.
 */
struct leat_slab *leat_arena_free(struct leat_arena *arena, struct leat_slab *slab, void *block);
void leat_slab_free(struct leat_slab *slab);

/*
 * Calls fn for each block in use, with the lock held, and after(), with the lock released, each
 * time after at most LEAT_ARENA_AT_ONCE blocks. Blocks that are taken or freed meanwhile may be
 * left out. Caller holds no lock of the arena.
 */
enum { LEAT_ARENA_AT_ONCE = 64 };
void leat_arena_for_each(struct leat_arena *arena, void (*fn)(void *block, void *arg),
                         void (*after)(void *arg), void *arg);
/*
 * Calls fn for each block that has ever been in use, without the lock, so that starts and ends
 * never wait for the walk. fn itself finds out which blocks are in use, while they are taken and
 * freed. Caller holds no lock of the arena.
 */
void leat_arena_for_each_unlocked(struct leat_arena *arena, void (*fn)(void *block, void *arg),
                                  void *arg);

/*
 * Takes two ids of the registry's, for a channel and its generator, and returns the first; the
 * other is the next number. Caller holds the lock.
 */
uint64_t leat_arena_take_ids(struct leat_arena *arena);

#endif
