/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/gen/arena.h"
#include "runtime/gen/compact.h"
#include "runtime/registry/registry.h"

#include <leat/atomic.h>

enum { FIRST_BLOCKS = 4, SLAB_BYTES = 256 << 10, PAGES_FROM = 32 << 10, STEP = 16, IDS = 1024 };

static struct leat_slab *slab_in_all(struct leat_link *link)
{
	return leat_container_of(link, struct leat_slab, all);
}

static struct leat_slab *slab_in_roomy(struct leat_link *link)
{
	return leat_container_of(link, struct leat_slab, roomy);
}

static struct leat_slab *slab_in_emptied(struct leat_link *link)
{
	return leat_container_of(link, struct leat_slab, emptied);
}

/* The first block begins on a cache line. */
static size_t slab_header_bytes(void)
{
	return (sizeof(struct leat_slab) + 63) & ~(size_t)63;
}

static char *block_at(struct leat_slab *slab, uint32_t i)
{
	return (char *)slab + slab_header_bytes() + i * slab->of->stride;
}

static size_t stride_of(size_t size)
{
	return (size + STEP - 1) & ~(size_t)(STEP - 1);
}

static struct leat_sizes *find_sizes(struct leat_arena *arena, size_t stride)
{
	struct leat_sizes *sizes = arena->sizes;

	while (sizes != NULL && sizes->stride != stride)
		sizes = sizes->next;
	return sizes;
}

/* Caller holds no lock. */
static struct leat_sizes *create_sizes(size_t stride)
{
	struct leat_sizes *sizes = leat_os_alloc(sizeof(*sizes), 0);

	if (sizes == NULL)
		return NULL;
	sizes->stride = stride;
	sizes->blocks_next = FIRST_BLOCKS;
	sizes->roomy.next = sizes->roomy.prev = &sizes->roomy;
	return sizes;
}

/* Caller holds no lock. */
static struct leat_slab *create_slab(size_t stride, uint32_t blocks)
{
	size_t bytes = slab_header_bytes() + blocks * stride;
	struct leat_slab *slab;

	if (bytes > SLAB_BYTES)
		bytes = SLAB_BYTES;
	slab = bytes < PAGES_FROM ? leat_os_alloc(bytes, 64) : leat_os_pages(bytes);
	if (slab == NULL)
		return NULL;
	slab->bytes = bytes;
	slab->total = (uint32_t)((bytes - slab_header_bytes()) / stride);
	return slab;
}

void leat_slab_free(struct leat_slab *slab)
{
	size_t bytes = slab == NULL ? 0 : slab->bytes;

	if (bytes < PAGES_FROM)
		leat_os_free(slab);
	else
		leat_os_pages_free(slab, bytes);
}

static void link_slab(struct leat_arena *arena, struct leat_sizes *sizes, struct leat_slab *slab)
{
	slab->of = sizes;
	if (slab->bytes < SLAB_BYTES && sizes->blocks_next <= slab->total)
		sizes->blocks_next *= 2;
	leat_link_before(&slab->all, &arena->slabs);
	leat_link_before(&slab->roomy, &sizes->roomy);
}

int leat_arena_grow(struct leat_arena *arena, size_t size)
{
	size_t stride = stride_of(size);
	struct leat_sizes *sizes = find_sizes(arena, stride), *made = NULL;
	uint32_t blocks = sizes != NULL ? sizes->blocks_next : (uint32_t)FIRST_BLOCKS;
	struct leat_slab *slab;

	leat_spin_unlock(&arena->gen_set.lock);
	slab = create_slab(stride, blocks);
	if (sizes == NULL && slab != NULL)
		made = create_sizes(stride);
	leat_spin_lock(&arena->gen_set.lock);
	sizes = find_sizes(arena, stride);
	if (sizes == NULL && made != NULL) {
		made->next = arena->sizes;
		arena->sizes = sizes = made;
		made = NULL;
	}
	if (sizes != NULL && slab != NULL) {
		link_slab(arena, sizes, slab);
		slab = NULL;
	}
	if (made == NULL && slab == NULL)
		return sizes != NULL && sizes->roomy.next != &sizes->roomy ? 0 : -ENOMEM;
	leat_spin_unlock(&arena->gen_set.lock);
	leat_os_free(made); /* another thread was first, or there is no memory for both */
	leat_slab_free(slab);
	leat_spin_lock(&arena->gen_set.lock);
	return sizes != NULL ? 0 : -ENOMEM;
}

void *leat_arena_alloc(struct leat_arena *arena, size_t size, struct leat_slab **slab_out)
{
	struct leat_sizes *sizes = find_sizes(arena, stride_of(size));
	struct leat_slab *slab;
	struct leat_arena_block *block;

	if (sizes == NULL || sizes->roomy.next == &sizes->roomy)
		return NULL;
	slab = slab_in_roomy(sizes->roomy.next);
	block = slab->free;
	if (block != NULL)
		slab->free = block->next_free;
	else
		block = (void *)block_at(slab, slab->first_unused++);
	if (slab->emptied.next != NULL)
		leat_link_remove(&slab->emptied);
	if (++slab->used == slab->total)
		leat_link_remove(&slab->roomy);
	block->arena = arena;
	arena->gen_set.holds++;
	*slab_out = slab;
	return block;
}

/*
 * Takes an empty slab off its lists and returns it; NULL if it is the only one with room, which the
 * next block would need. Caller holds the lock.
 */
static struct leat_slab *unlink_empty_slab(struct leat_slab *slab)
{
	struct leat_link *roomy = &slab->of->roomy;

	if (roomy->next == roomy->prev)
		return NULL;
	leat_link_remove(&slab->roomy);
	leat_link_remove(&slab->all);
	return slab;
}

struct leat_slab *leat_arena_free(struct leat_arena *arena, struct leat_slab *slab, void *memory)
{
	struct leat_arena_block *block = memory;
	struct leat_sizes *sizes = slab->of;

	block->arena = NULL;
	block->next_free = slab->free;
	slab->free = block;
	if (slab->used-- == slab->total)
		leat_link_before(&slab->roomy, sizes->roomy.next);
	if (slab->used != 0)
		return NULL;
	if (arena->walks == 0)
		return unlink_empty_slab(slab);
	leat_link_before(&slab->emptied, &arena->emptied);
	return NULL;
}

/*
 * Frees the slabs that walks have kept, if no walk is under way, a few at a time. Caller holds the
 * lock, which is released and taken again meanwhile.
 */
static void free_emptied(struct leat_arena *arena)
{
	enum { AT_ONCE = 16 };
	struct leat_slab *slabs[AT_ONCE];

	while (arena->walks == 0 && arena->emptied.next != &arena->emptied) {
		unsigned n = 0;

		while (n < AT_ONCE && arena->emptied.next != &arena->emptied) {
			struct leat_slab *slab = slab_in_emptied(arena->emptied.next);

			leat_link_remove(&slab->emptied);
			slabs[n] = unlink_empty_slab(slab);
			n += slabs[n] != NULL;
		}
		leat_spin_unlock(&arena->gen_set.lock);
		while (n > 0)
			leat_slab_free(slabs[--n]);
		leat_spin_lock(&arena->gen_set.lock);
	}
}

/*
 * Calls fn for those of the next few blocks from *i on that are in use. Returns whether the slab
 * has more blocks. Caller holds the lock.
 */
static bool visit_some_blocks(struct leat_slab *slab, uint32_t *i,
                              void (*fn)(void *block, void *arg), void *arg)
{
	for (uint32_t n = 0; n < LEAT_ARENA_AT_ONCE && *i < slab->first_unused; n++) {
		struct leat_arena_block *block = (void *)block_at(slab, (*i)++);

		if (block->arena != NULL)
			fn(block, arg);
	}
	return *i < slab->first_unused;
}

void leat_arena_for_each(struct leat_arena *arena, void (*fn)(void *block, void *arg),
                         void (*after)(void *arg), void *arg)
{
	struct leat_spin *lock = &arena->gen_set.lock;
	struct leat_link *link;
	uint32_t i = 0;

	leat_spin_lock(lock);
	arena->walks++;
	for (link = arena->slabs.next; link != &arena->slabs;) {
		if (!visit_some_blocks(slab_in_all(link), &i, fn, arg)) {
			link = link->next;
			i = 0;
		}
		leat_spin_unlock(lock);
		after(arg);
		leat_spin_lock(lock);
	}
	arena->walks--;
	free_emptied(arena);
	leat_spin_unlock(lock);
}

void leat_arena_for_each_unlocked(struct leat_arena *arena, void (*fn)(void *block, void *arg),
                                  void *arg)
{
	struct leat_spin *lock = &arena->gen_set.lock;
	struct leat_link *link;

	leat_spin_lock(lock);
	arena->walks++;
	for (link = arena->slabs.next; link != &arena->slabs; link = link->next) {
		struct leat_slab *slab = slab_in_all(link);
		uint32_t unused = slab->first_unused;

		leat_spin_unlock(lock);
		for (uint32_t i = 0; i < unused; i++)
			fn(block_at(slab, i), arg);
		leat_spin_lock(lock);
	}
	arena->walks--;
	free_emptied(arena);
	leat_spin_unlock(lock);
}

uint64_t leat_arena_take_ids(struct leat_arena *arena)
{
	uint64_t id;

	if (arena->next_id == arena->ids_end) {
		uint64_t n = arena->ids_end == 0 ? 2 : IDS;

		arena->next_id = leat_registry_ids(n);
		arena->ids_end = arena->next_id + n;
	}
	id = arena->next_id;
	arena->next_id += 2;
	return id;
}

static struct leat_arena *arena_of_user(struct leat_pool_user *user)
{
	return leat_container_of(user, struct leat_arena, user);
}

static void arena_free(struct leat_pool_user *user)
{
	struct leat_arena *arena = arena_of_user(user);
	struct leat_sizes *sizes;

	while (arena->slabs.next != &arena->slabs) {
		struct leat_slab *slab = slab_in_all(arena->slabs.next);

		leat_link_remove(&slab->all);
		leat_slab_free(slab);
	}
	while ((sizes = arena->sizes) != NULL) {
		arena->sizes = sizes->next;
		leat_os_free(sizes);
	}
	leat_os_free(arena);
}

static void arena_destroy(struct leat_gen_set *gen_set)
{
	/* and arena_free() */
	leat_pool_remove_user(&leat_container_of(gen_set, struct leat_arena, gen_set)->user);
}

static bool arena_is_busy(struct leat_pool_user *user)
{
	struct leat_gen_set *gen_set = &arena_of_user(user)->gen_set;
	bool busy;

	leat_spin_lock(&gen_set->lock);
	busy = gen_set->live > 0;
	leat_spin_unlock(&gen_set->lock);
	return busy;
}

static void arena_forget_pool(struct leat_pool_user *user)
{
	struct leat_arena *arena = arena_of_user(user);

	leat_spin_lock(&arena->gen_set.lock);
	arena->pool = NULL;
	/*
	 * rlx: another pool gets that address only after this; a reuse of the gen_set reads it
	 * under this lock
	 */
	leat_store_rlx(&arena->gen_set.key, NULL);
	leat_spin_unlock(&arena->gen_set.lock);
}

/*
 * Sets all that depends on the pool; the arena's books begin anew. Caller is alone with the arena,
 * or holds its lock while no block is in use.
 */
static void arena_set_pool(struct leat_arena *arena, struct leat_pool *pool)
{
	arena->pool = pool;
	arena->workers_only = leat_pool_workers_only(pool);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		leat_store_rlx(&arena->dropped[reason], 0); /* rlx: a number */
	arena->accepted = arena->received = 0;
}

/* Gives the pool an arena whose pool is closed and whose blocks are all free. NULL: there is none.
 */
static struct leat_arena *arena_reuse(struct leat_scope *scope, struct leat_pool *pool)
{
	struct leat_gen_set *gen_set = leat_scope_reuse_gen_set(scope, pool);
	struct leat_arena *arena;

	if (gen_set == NULL)
		return NULL;
	arena = leat_container_of(gen_set, struct leat_arena, gen_set);
	arena_set_pool(arena, pool);
	leat_spin_unlock(&gen_set->lock);
	leat_pool_add_user(pool, &arena->user);
	return arena;
}

struct leat_arena *leat_arena_of(struct leat_scope *scope, struct leat_pool *pool, int *rc)
{
	struct leat_gen_set *gen_set = leat_scope_find_gen_set(scope, pool);
	struct leat_arena *arena;

	if (gen_set != NULL)
		return leat_container_of(gen_set, struct leat_arena, gen_set);
	arena = arena_reuse(scope, pool);
	if (arena != NULL)
		return arena;
	arena = leat_os_alloc(sizeof(*arena), 0);
	*rc = -ENOMEM;
	if (arena == NULL)
		return NULL;
	leat_compact_arena_init(arena);
	arena_set_pool(arena, pool);
	arena->slabs.next = arena->slabs.prev = &arena->slabs;
	arena->emptied.next = arena->emptied.prev = &arena->emptied;
	arena->fenced = !leat_os_fence_heavy_prepare();
	arena->user.busy = arena_is_busy;
	arena->user.forget_pool = arena_forget_pool;
	arena->user.wake_unstarted = leat_compact_wake_unstarted;
	arena->user.read_stat = leat_compact_read_stat;
	arena->user.free = arena_free;
	leat_store_rlx(&arena->gen_set.key, pool); /* rlx: not linked yet */
	arena->gen_set.free = arena_destroy;
	*rc = leat_scope_add_gen_set(scope, &arena->gen_set);
	if (*rc == 0) {
		leat_pool_add_user(pool, &arena->user);
		return arena;
	}
	leat_os_free(arena);
	gen_set = *rc == -EEXIST ? leat_scope_find_gen_set(scope, pool) : NULL;
	return gen_set == NULL ? NULL : leat_container_of(gen_set, struct leat_arena, gen_set);
}
