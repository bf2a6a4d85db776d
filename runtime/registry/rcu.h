/*
 * runtime/registry/rcu.h: all that leat uses of userspace RCU. The only file that names liburcu, so
 * that tests can put something else behind these names.
 *
 * The flavour is "bp": a thread that walks need not have said so before, and no thread of liburcu's
 * own is started. ThreadSanitizer does not see liburcu's ordering (its assembly, and membarrier),
 * so under it a lock stands in.
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
 * liburcu's: whether its readers leave their fences to membarrier. Its inline readers load it each
 * time.
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
 * liburcu ends the process where membarrier worked at the start and is refused later. So a grace
 * period asks first, and where it is refused has the readers execute their own fences from then on;
 * those under way do not, so what they stored is waited for.
 */
static inline void leat_rcu_synchronize(void)
{
#ifndef CONFIG_RCU_FORCE_SYS_MEMBARRIER
	uint32_t *asked = (uint32_t *)&urcu_bp_has_sys_membarrier;

	/* rlx: liburcu's readers load it so, too */
	if (leat_load_rlx(asked) != 0 && !leat_os_fence_heavy_ask()) {
		/* rlx: the sleep makes it visible, and what readers did before */
		leat_store_rlx(asked, 0);
		leat_os_outlast_stores();
	}
#endif
	urcu_bp_synchronize_rcu();
}

#endif
#endif
