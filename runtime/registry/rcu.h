/*
 * runtime/registry/rcu.h: all that leat uses of userspace RCU. No other file names liburcu, so
 * tests can put something else behind these names.
 *
 * The flavour is "bp": a thread need not register before it walks, and liburcu starts no thread of
 * its own. ThreadSanitizer does not see liburcu's ordering (assembly, and membarrier), so with it a
 * reader-writer lock takes liburcu's place.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_REGISTRY_RCU_H
#define LEAT_RUNTIME_REGISTRY_RCU_H

#include <leat/atomic.h>

#ifdef LEAT_TSAN

#include <pthread.h>

struct cds_list_head {
	struct cds_list_head *next, *prev;
};
#define CDS_LIST_HEAD(name) struct cds_list_head name = { &name, &name }

extern pthread_rwlock_t leat_rcu_lock;

static inline void leat_rcu_read_lock(void)
{
	pthread_rwlock_rdlock(&leat_rcu_lock);
}
static inline void leat_rcu_read_unlock(void)
{
	pthread_rwlock_unlock(&leat_rcu_lock);
}
static inline void leat_rcu_synchronize(void)
{
	pthread_rwlock_wrlock(&leat_rcu_lock);
	pthread_rwlock_unlock(&leat_rcu_lock);
}
static inline void cds_list_add_rcu(struct cds_list_head *entry, struct cds_list_head *head)
{
	pthread_rwlock_wrlock(&leat_rcu_lock);
	entry->next = head->next;
	entry->prev = head;
	head->next->prev = entry;
	head->next = entry;
	pthread_rwlock_unlock(&leat_rcu_lock);
}
static inline void cds_list_del_rcu(struct cds_list_head *entry)
{
	pthread_rwlock_wrlock(&leat_rcu_lock);
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	pthread_rwlock_unlock(&leat_rcu_lock);
}
#define caa_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define cds_list_for_each_entry_rcu(pos, head, member) \
	for (pos = caa_container_of((head)->next, __typeof__(*pos), member); \
	     &pos->member != (head); \
	     pos = caa_container_of(pos->member.next, __typeof__(*pos), member))

#else

#include "runtime/os/os.h"

#include <urcu/urcu-bp.h>

#include <urcu/rculist.h>

/*
 * A variable of liburcu's: whether its readers leave their fences to membarrier. liburcu's inline
 * readers load it each time.
 */
#ifndef CONFIG_RCU_FORCE_SYS_MEMBARRIER
extern int urcu_bp_has_sys_membarrier;
#endif

static inline void leat_rcu_read_lock(void)
{
	urcu_bp_read_lock();
}
static inline void leat_rcu_read_unlock(void)
{
	urcu_bp_read_unlock();
}
/*
 * liburcu ends the process if membarrier worked at the start and is refused later. So before a
 * grace period this function asks whether membarrier still works. If not, it clears the variable
 * above: readers that begin from then on execute their own fences. Readers that are under way did
 * not, so this function sleeps until what they stored is visible.
 */
static inline void leat_rcu_synchronize(void)
{
#ifndef CONFIG_RCU_FORCE_SYS_MEMBARRIER
	uint32_t *asked = (uint32_t *)&urcu_bp_has_sys_membarrier;

	/* rlx: liburcu's readers load it relaxed, too */
	if (leat_load_rlx(asked) != 0 && !leat_os_fence_heavy_ask()) {
		/*
		 * rlx: the sleep makes this store visible to readers, and their stores to this
		 * thread
		 */
		leat_store_rlx(asked, 0);
		leat_os_outlast_stores();
	}
#endif
	urcu_bp_synchronize_rcu();
}

#endif
#endif
