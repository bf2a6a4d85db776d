/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/gen/group.h"
#include "runtime/gen/compact.h"
#include "runtime/registry/registry.h"

#include <leat/atomic.h>

#include <string.h>

enum { FIRST_BLOCKS = 4, SLAB_BYTES = 256 << 10, PAGES_FROM = 32 << 10, STEP = 16, IDS = 1024 };

static struct leat_slab *slab_in_all(struct leat_link *link)
{
	return (void *)((char *)link - offsetof(struct leat_slab, all));
}

static struct leat_slab *slab_in_roomy(struct leat_link *link)
{
	return (void *)((char *)link - offsetof(struct leat_slab, roomy));
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

static struct leat_sizes *sizes_for(struct leat_group *group, size_t stride)
{
	struct leat_sizes *sizes = group->sizes;

	while (sizes != NULL && sizes->stride != stride)
		sizes = sizes->next;
	if (sizes != NULL)
		return sizes;
	sizes = leat_os_alloc(sizeof(*sizes), 0);
	if (sizes == NULL)
		return NULL;
	sizes->stride = stride;
	sizes->blocks_next = FIRST_BLOCKS;
	sizes->roomy.next = sizes->roomy.prev = &sizes->roomy;
	sizes->next = group->sizes;
	group->sizes = sizes;
	return sizes;
}

static struct leat_slab *slab_new(struct leat_group *group, struct leat_sizes *sizes)
{
	size_t bytes = slab_header() + sizes->blocks_next * sizes->stride;
	struct leat_slab *slab;

	if (bytes > SLAB_BYTES)
		bytes = SLAB_BYTES;
	slab = bytes < PAGES_FROM ? leat_os_alloc(bytes, 64) : leat_os_pages(bytes);
	if (slab == NULL)
		return NULL;
	slab->of = sizes;
	slab->bytes = bytes;
	slab->total = (uint32_t)((bytes - slab_header()) / sizes->stride);
	if (bytes < SLAB_BYTES)
		sizes->blocks_next *= 2;
	leat_link_before(&slab->all, &group->slabs);
	leat_link_before(&slab->roomy, &sizes->roomy);
	return slab;
}

void *leat_group_alloc(struct leat_group *group, size_t size, struct leat_slab **slab_out)
{
	struct leat_sizes *sizes = sizes_for(group, (size + STEP - 1) & ~(size_t)(STEP - 1));
	struct leat_slab *slab;
	struct leat_block *block;

	if (sizes == NULL)
		return NULL;
	if (sizes->roomy.next == &sizes->roomy && slab_new(group, sizes) == NULL)
		return NULL;
	slab = slab_in_roomy(sizes->roomy.next);
	block = slab->free;
	if (block != NULL) {
		slab->free = block->next_free;
		memset(block, 0, size);
	} else {
		block = (void *)slab_block(slab, slab->fresh++);
	}
	if (++slab->used == slab->total)
		leat_link_remove(&slab->roomy);
	block->group = group;
	group->crowd.holds++;
	*slab_out = slab;
	return block;
}

static void slab_free(struct leat_slab *slab)
{
	size_t bytes = slab->bytes;

	leat_link_remove(&slab->all);
	if (bytes < PAGES_FROM)
		leat_os_free(slab);
	else
		leat_os_pages_free(slab, bytes);
}

/* Under the lock: an empty slab goes, unless it is the only one with room: the next block would want that. */
static void prune(struct leat_slab *slab)
{
	struct leat_link *roomy = &slab->of->roomy;

	if (roomy->next == roomy->prev)
		return;
	leat_link_remove(&slab->roomy);
	slab_free(slab);
}

void leat_group_free(struct leat_group *group, struct leat_slab *slab, void *memory)
{
	struct leat_block *block = memory;
	struct leat_sizes *sizes = slab->of;

	block->group = NULL;
	block->next_free = slab->free;
	slab->free = block;
	if (slab->used-- == slab->total)
		leat_link_before(&slab->roomy, sizes->roomy.next);
	if (slab->used == 0 && group->strollers == 0)
		prune(slab);
}

void leat_group_walk(struct leat_group *group, void (*fn)(void *block, const void *arg), const void *arg)
{
	for (struct leat_link *link = group->slabs.next; link != &group->slabs; link = link->next) {
		struct leat_slab *slab = slab_in_all(link);

		for (uint32_t i = 0; i < slab->fresh; i++) {
			struct leat_block *block = (void *)slab_block(slab, i);

			if (block->group != NULL)
				fn(block, arg);
		}
	}
}

static void each_of_slab(struct leat_slab *slab, void (*fn)(void *block, void *arg), void *arg)
{
	for (uint32_t i = 0; i < slab->fresh; i++) {
		struct leat_block *block = (void *)slab_block(slab, i);

		if (block->group != NULL)
			fn(block, arg);
	}
}

void leat_group_stroll(struct leat_group *group, void (*fn)(void *block, void *arg), void *arg)
{
	struct leat_spin *lock = &group->crowd.lock;
	struct leat_link *link, *next;

	leat_spin_lock(lock);
	group->strollers++;
	for (link = group->slabs.next; link != &group->slabs; link = link->next) {
		each_of_slab(slab_in_all(link), fn, arg);
		leat_spin_unlock(lock);
		leat_spin_lock(lock);
	}
	group->strollers--;
	for (link = group->slabs.next; link != &group->slabs && group->strollers == 0; link = next) {
		next = link->next;
		if (slab_in_all(link)->used == 0)
			prune(slab_in_all(link));
	}
	leat_spin_unlock(lock);
}

uint64_t leat_group_id(struct leat_group *group)
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

static void group_destroy(struct leat_crowd *crowd)
{
	struct leat_group *group = caa_container_of(crowd, struct leat_group, crowd);
	struct leat_sizes *sizes;

	leat_pool_remove_user(&group->user);
	while (group->slabs.next != &group->slabs)
		slab_free(slab_in_all(group->slabs.next));
	while ((sizes = group->sizes) != NULL) {
		group->sizes = sizes->next;
		leat_os_free(sizes);
	}
	leat_os_free(group);
}

static struct leat_group *group_of_user(struct leat_pool_user *user)
{
	return caa_container_of(user, struct leat_group, user);
}

static bool group_busy(struct leat_pool_user *user)
{
	struct leat_crowd *crowd = &group_of_user(user)->crowd;
	bool busy;

	leat_spin_lock(&crowd->lock);
	busy = crowd->live > 0;
	leat_spin_unlock(&crowd->lock);
	return busy;
}

static void group_without_pool(struct leat_pool_user *user)
{
	struct leat_group *group = group_of_user(user);

	leat_spin_lock(&group->crowd.lock);
	group->pool = NULL;
	leat_store_rlx(&group->crowd.key, 0); /* rlx: a later pool at that address comes after this; else, under the lock */
	leat_spin_unlock(&group->crowd.lock);
}

/* Alone with the group, or under its lock with nobody in it: all that is the pool's. Its books begin with it. */
static void group_set_pool(struct leat_group *group, struct leat_pool *pool)
{
	group->pool = pool;
	group->workers_only = leat_pool_workers_only(pool);
	memset(group->dropped, 0, sizeof(group->dropped));
	group->accepted = group->received = 0;
}

/* One whose pool is closed and whose receivers are, too. NULL: there is none. */
static struct leat_group *group_reuse(struct leat_scope *scope, struct leat_pool *pool)
{
	struct leat_crowd *crowd = leat_scope_reuse_crowd(scope, pool);
	struct leat_group *group;

	if (crowd == NULL)
		return NULL;
	group = caa_container_of(crowd, struct leat_group, crowd);
	group_set_pool(group, pool);
	leat_spin_unlock(&crowd->lock);
	leat_pool_add_user(pool, &group->user);
	return group;
}

struct leat_group *leat_group_of(struct leat_scope *scope, struct leat_pool *pool, int *rc)
{
	struct leat_crowd *crowd = leat_scope_find_crowd(scope, pool);
	struct leat_group *group;

	if (crowd != NULL)
		return caa_container_of(crowd, struct leat_group, crowd);
	group = group_reuse(scope, pool);
	if (group != NULL)
		return group;
	group = leat_os_alloc(sizeof(*group), 0);
	*rc = -ENOMEM;
	if (group == NULL)
		return NULL;
	leat_compact_group_init(group);
	group_set_pool(group, pool);
	group->slabs.next = group->slabs.prev = &group->slabs;
	group->fenced = !leat_os_fence_heavy_prepare();
	group->user.busy = group_busy;
	group->user.gone = group_without_pool;
	group->user.fresh = leat_compact_fresh;
	group->user.look = leat_compact_look;
	leat_store_rlx(&group->crowd.key, (uintptr_t)pool); /* rlx: not linked yet */
	group->crowd.free = group_destroy;
	*rc = leat_scope_add_crowd(scope, &group->crowd);
	if (*rc == 0) {
		leat_pool_add_user(pool, &group->user);
		return group;
	}
	leat_os_free(group);
	crowd = *rc == -EEXIST ? leat_scope_find_crowd(scope, pool) : NULL;
	return crowd == NULL ? NULL : caa_container_of(crowd, struct leat_group, crowd);
}
