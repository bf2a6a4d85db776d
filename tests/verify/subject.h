/*
 * tests/verify/subject.h: included before everything else when a source of the library, or a model,
 * is compiled.
 *
 * It replaces liburcu (runtime/registry/rcu.h), shows the C library's copies to the race detector,
 * and turns variables of a thread into memory that the scheduler exchanges at each switch.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_VERIFY_SUBJECT_H
#define LEAT_TESTS_VERIFY_SUBJECT_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <leat/atomic.h>

#define LEAT_POOL_SEARCH_ROUNDS 1
#define LEAT_MERGE_BUDGET 2
/* A model that wants lines not handed back says so to the ring's cursor. */
#define LEAT_RING_TUNING { .pause_ps = 24000, .hand_back = true, .skips = 63, .shared = true, .shorter = true }

#define __thread __attribute__((section("leat_tls")))
#define LEAT_TLS __thread

void *verify_memcpy(void *to, const void *from, size_t n);
void *verify_memset(void *to, int byte, size_t n);
#define memcpy verify_memcpy
#define memmove verify_memcpy
#define memset verify_memset

/* Userspace RCU. */
#define LEAT_RUNTIME_REGISTRY_RCU_H

struct cds_list_head {
	struct cds_list_head *next, *prev;
};
#define CDS_LIST_HEAD(name) struct cds_list_head name = { &name, &name }

void leat_rcu_read_lock(void);
void leat_rcu_read_unlock(void);
void leat_rcu_synchronize(void);

#define verify_rcu_load(p) leat_load_acq(&(p))
#define verify_rcu_store(p, v) leat_store_rel(&(p), (v))

static inline void cds_list_add_rcu(struct cds_list_head *entry, struct cds_list_head *head)
{
	struct cds_list_head *first = verify_rcu_load(head->next);

	verify_rcu_store(entry->next, first);
	entry->prev = head;
	first->prev = entry;
	verify_rcu_store(head->next, entry);
}
static inline void cds_list_del_rcu(struct cds_list_head *entry)
{
	struct cds_list_head *next = verify_rcu_load(entry->next);

	next->prev = entry->prev;
	verify_rcu_store(entry->prev->next, next);
}
#define caa_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
/*
 * A walk acquires the first node from the head. The load of the next node is relaxed here: liburcu
 * promises no more than that.
 */
#define verify_rcu_next(p) leat_load_rlx(&(p))
#define cds_list_for_each_entry_rcu(pos, head, member) \
	for (pos = caa_container_of(verify_rcu_load((head)->next), __typeof__(*pos), member); \
	     &pos->member != (head); \
	     pos = caa_container_of(verify_rcu_next(pos->member.next), __typeof__(*pos), member))

#endif
