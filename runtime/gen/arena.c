/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/gen/arena.h"
#include "runtime/gen/compact.h"
#include "runtime/registry/registry.h"

#include <leat/atomic.h>

enum { FIRST_BLOCKS = 4, SLAB_BYTES = 256 << 10, PAGES_FROM = 32 << 10, STEP = 16, IDS = 1024 };

static struct leat_slab *slab_in_all(struct leat_link *link)
{
	return (void *)((char *)link - offsetof(struct leat_slab, all));
}

static struct leat_slab *slab_in_roomy(struct leat_link *link)
{
	return (void *)((char *)link - offsetof(struct leat_slab, roomy));
}

static struct leat_slab *slab_in_emptied(struct leat_link *link)
{
	return (void *)((char *)link - offsetof(struct leat_slab, emptied));
}

/* Blocks begin on a line. */
static size_t slab_header(void)
{
	return (sizeof(struct leat_slab) + 63) & ~(size_t)63;
}

static char *slab_block(struct leat_slab *slab, uint32_t i)
{
	return (char *)slab + slab_header() + i * slab->of->stride;
}

static size_t stride_of(size_t size)
{
	return (size + STEP - 1) & ~(size_t)(STEP - 1);
}

static struct leat_sizes *find_sizes(struct leat_arena *group, size_t stride)
{
	struct leat_sizes *sizes = group->sizes;

	while (sizes != NULL && sizes->stride != stride)
		sizes = sizes->next;
	return sizes;
}

/* Under no lock. */
static struct leat_sizes *sizes_new(size_t stride)
{
	struct leat_sizes *sizes = leat_os_alloc(sizeof(*sizes), 0);

	if (sizes == NULL)
		return NULL;
	sizes->stride = stride;
	sizes->blocks_next = FIRST_BLOCKS;
	sizes->roomy.next = sizes->roomy.prev = &sizes->roomy;
	return sizes;
}

/* Under no lock. */
static struct leat_slab *slab_new(size_t stride, uint32_t blocks)
{
	size_t bytes = slab_header() + blocks * stride;
	struct leat_slab *slab;

	if (bytes > SLAB_BYTES)
		bytes = SLAB_BYTES;
	slab = bytes < PAGES_FROM ? leat_os_alloc(bytes, 64) : leat_os_pages(bytes);
	if (slab == NULL)
		return NULL;
	slab->bytes = bytes;
	slab->total = (uint32_t)((bytes - slab_header()) / stride);
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

static void slab_link(struct leat_arena *group, struct leat_sizes *sizes, struct leat_slab *slab)
{
	slab->of = sizes;
	if (slab->bytes < SLAB_BYTES && sizes->blocks_next <= slab->total)
		sizes->blocks_next *= 2;
	leat_link_before(&slab->all, &group->slabs);
	leat_link_before(&slab->roomy, &sizes->roomy);
}

int leat_arena_grow(struct leat_arena *group, size_t size)
{
	size_t stride = stride_of(size);
	struct leat_sizes *sizes = find_sizes(group, stride), *made = NULL;
	uint32_t blocks = sizes != NULL ? sizes->blocks_next : (uint32_t)FIRST_BLOCKS;
	struct leat_slab *slab;

	leat_spin_unlock(&group->crowd.lock);
	slab = slab_new(stride, blocks);
	if (sizes == NULL && slab != NULL)
		made = sizes_new(stride);
	leat_spin_lock(&group->crowd.lock);
	sizes = find_sizes(group, stride);
	if (sizes == NULL && made != NULL) {
		made->next = group->sizes;
		group->sizes = sizes = made;
		made = NULL;
	}
	if (sizes != NULL && slab != NULL) {
		slab_link(group, sizes, slab);
		slab = NULL;
	}
	if (made == NULL && slab == NULL)
		return sizes != NULL && sizes->roomy.next != &sizes->roomy ? 0 : -ENOMEM;
	leat_spin_unlock(&group->crowd.lock);
	leat_os_free(made); /* another thread was first, or there is no memory for both */
	leat_slab_free(slab);
	leat_spin_lock(&group->crowd.lock);
	return sizes != NULL ? 0 : -ENOMEM;
}

void *leat_arena_alloc(struct leat_arena *group, size_t size, struct leat_slab **slab_out)
{
	struct leat_sizes *sizes = find_sizes(group, stride_of(size));
	struct leat_slab *slab;
	struct leat_arena_block *block;

	if (sizes == NULL || sizes->roomy.next == &sizes->roomy)
		return NULL;
	slab = slab_in_roomy(sizes->roomy.next);
	block = slab->free;
	if (block != NULL)
		slab->free = block->next_free;
	else
		block = (void *)slab_block(slab, slab->first_unused++);
	if (slab->emptied.next != NULL)
		leat_link_remove(&slab->emptied);
	if (++slab->used == slab->total)
		leat_link_remove(&slab->roomy);
	block->group = group;
	group->crowd.holds++;
	*slab_out = slab;
	return block;
}

/* Under the lock: takes an empty slab out, unless it is the only one with room: the next block would want that. */
static struct leat_slab *prune(struct leat_slab *slab)
{
	struct leat_link *roomy = &slab->of->roomy;

	if (roomy->next == roomy->prev)
		return NULL;
	leat_link_remove(&slab->roomy);
	leat_link_remove(&slab->all);
	return slab;
}

struct leat_slab *leat_arena_free(struct leat_arena *group, struct leat_slab *slab, void *memory)
{
	struct leat_arena_block *block = memory;
	struct leat_sizes *sizes = slab->of;

	block->group = NULL;
	block->next_free = slab->free;
	slab->free = block;
	if (slab->used-- == slab->total)
		leat_link_before(&slab->roomy, sizes->roomy.next);
	if (slab->used != 0)
		return NULL;
	if (group->walks == 0)
		return prune(slab);
	leat_link_before(&slab->emptied, &group->emptied);
	return NULL;
}

/* Under the lock, which it lets go of and takes again: gives back what stayed for walks, a few at a time. */
static void free_emptied(struct leat_arena *group)
{
	enum { AT_ONCE = 16 };
	struct leat_slab *slabs[AT_ONCE];

	while (group->walks == 0 && group->emptied.next != &group->emptied) {
		unsigned n = 0;

		while (n < AT_ONCE && group->emptied.next != &group->emptied) {
			struct leat_slab *slab = slab_in_emptied(group->emptied.next);

			leat_link_remove(&slab->emptied);
			slabs[n] = prune(slab);
			n += slabs[n] != NULL;
		}
		leat_spin_unlock(&group->crowd.lock);
		while (n > 0)
			leat_slab_free(slabs[--n]);
		leat_spin_lock(&group->crowd.lock);
	}
}

/* Under the lock: calls fn for blocks in use, of a few from *i on. Whether there are more in this slab. */
static bool walk_some(struct leat_slab *slab, uint32_t *i, void (*fn)(void *block, void *arg), void *arg)
{
	for (uint32_t n = 0; n < LEAT_ARENA_AT_ONCE && *i < slab->first_unused; n++) {
		struct leat_arena_block *block = (void *)slab_block(slab, (*i)++);

		if (block->group != NULL)
			fn(block, arg);
	}
	return *i < slab->first_unused;
}

void leat_arena_for_each(struct leat_arena *group, void (*fn)(void *block, void *arg), void (*after)(void *arg), void *arg)
{
	struct leat_spin *lock = &group->crowd.lock;
	struct leat_link *link;
	uint32_t i = 0;

	leat_spin_lock(lock);
	group->walks++;
	for (link = group->slabs.next; link != &group->slabs;) {
		if (!walk_some(slab_in_all(link), &i, fn, arg)) {
			link = link->next;
			i = 0;
		}
		leat_spin_unlock(lock);
		after(arg);
		leat_spin_lock(lock);
	}
	group->walks--;
	free_emptied(group);
	leat_spin_unlock(lock);
}

void leat_arena_for_each_unlocked(struct leat_arena *group, void (*fn)(void *block, void *arg), void *arg)
{
	struct leat_spin *lock = &group->crowd.lock;
	struct leat_link *link;

	leat_spin_lock(lock);
	group->walks++;
	for (link = group->slabs.next; link != &group->slabs; link = link->next) {
		struct leat_slab *slab = slab_in_all(link);
		uint32_t unused = slab->first_unused;

		leat_spin_unlock(lock);
		for (uint32_t i = 0; i < unused; i++)
			fn(slab_block(slab, i), arg);
		leat_spin_lock(lock);
	}
	group->walks--;
	free_emptied(group);
	leat_spin_unlock(lock);
}

uint64_t leat_arena_id(struct leat_arena *group)
{
	uint64_t id;

	if (group->next_id == group->ids_end) {
		uint64_t n = group->ids_end == 0 ? 2 : IDS;

		group->next_id = leat_registry_ids(n);
		group->ids_end = group->next_id + n;
	}
	id = group->next_id;
	group->next_id += 2;
	return id;
}

static struct leat_arena *group_of_user(struct leat_pool_user *user)
{
	return caa_container_of(user, struct leat_arena, user);
}

static void group_free(struct leat_pool_user *user)
{
	struct leat_arena *group = group_of_user(user);
	struct leat_sizes *sizes;

	while (group->slabs.next != &group->slabs) {
		struct leat_slab *slab = slab_in_all(group->slabs.next);

		leat_link_remove(&slab->all);
		leat_slab_free(slab);
	}
	while ((sizes = group->sizes) != NULL) {
		group->sizes = sizes->next;
		leat_os_free(sizes);
	}
	leat_os_free(group);
}

static void group_destroy(struct leat_gen_set *crowd)
{
	leat_pool_remove_user(&caa_container_of(crowd, struct leat_arena, crowd)->user); /* and group_free() */
}

static bool group_busy(struct leat_pool_user *user)
{
	struct leat_gen_set *crowd = &group_of_user(user)->crowd;
	bool busy;

	leat_spin_lock(&crowd->lock);
	busy = crowd->live > 0;
	leat_spin_unlock(&crowd->lock);
	return busy;
}

static void group_without_pool(struct leat_pool_user *user)
{
	struct leat_arena *group = group_of_user(user);

	leat_spin_lock(&group->crowd.lock);
	group->pool = NULL;
	leat_store_rlx(&group->crowd.key, 0); /* rlx: a later pool at that address comes after this; else, under the lock */
	leat_spin_unlock(&group->crowd.lock);
}

/* Alone with the group, or under its lock with nobody in it: all that is the pool's. Its books begin with it. */
static void group_set_pool(struct leat_arena *group, struct leat_pool *pool)
{
	group->pool = pool;
	group->workers_only = leat_pool_workers_only(pool);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		leat_store_rlx(&group->dropped[reason], 0); /* rlx: a number */
	group->accepted = group->received = 0;
}

/* One whose pool is closed and whose receivers are, too. NULL: there is none. */
static struct leat_arena *group_reuse(struct leat_scope *scope, struct leat_pool *pool)
{
	struct leat_gen_set *crowd = leat_scope_reuse_gen_set(scope, pool);
	struct leat_arena *group;

	if (crowd == NULL)
		return NULL;
	group = caa_container_of(crowd, struct leat_arena, crowd);
	group_set_pool(group, pool);
	leat_spin_unlock(&crowd->lock);
	leat_pool_add_user(pool, &group->user);
	return group;
}

struct leat_arena *leat_arena_of(struct leat_scope *scope, struct leat_pool *pool, int *rc)
{
	struct leat_gen_set *crowd = leat_scope_find_gen_set(scope, pool);
	struct leat_arena *group;

	if (crowd != NULL)
		return caa_container_of(crowd, struct leat_arena, crowd);
	group = group_reuse(scope, pool);
	if (group != NULL)
		return group;
	group = leat_os_alloc(sizeof(*group), 0);
	*rc = -ENOMEM;
	if (group == NULL)
		return NULL;
	leat_compact_arena_init(group);
	group_set_pool(group, pool);
	group->slabs.next = group->slabs.prev = &group->slabs;
	group->emptied.next = group->emptied.prev = &group->emptied;
	group->fenced = !leat_os_fence_heavy_prepare();
	group->user.busy = group_busy;
	group->user.gone = group_without_pool;
	group->user.unstarted = leat_compact_wake_unstarted;
	group->user.look = leat_compact_read_stat;
	group->user.free = group_free;
	leat_store_rlx(&group->crowd.key, (uintptr_t)pool); /* rlx: not linked yet */
	group->crowd.free = group_destroy;
	*rc = leat_scope_add_gen_set(scope, &group->crowd);
	if (*rc == 0) {
		leat_pool_add_user(pool, &group->user);
		return group;
	}
	leat_os_free(group);
	crowd = *rc == -EEXIST ? leat_scope_find_gen_set(scope, pool) : NULL;
	return crowd == NULL ? NULL : caa_container_of(crowd, struct leat_arena, crowd);
}
