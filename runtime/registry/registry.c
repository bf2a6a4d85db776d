/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/registry/registry.h"

enum { ENDS_MAX = 65536 };

#ifdef LEAT_TSAN
pthread_rwlock_t leat_rcu_lock = PTHREAD_RWLOCK_INITIALIZER;
#endif

/* guards all that follows but walkers and the totals */
static struct leat_mutex lock = LEAT_MUTEX_INIT;
static CDS_LIST_HEAD(nodes);
static size_t nodes_count;
static uint64_t last_id; /* by relaxed additions: only that each id is another one matters */
static struct leat_node *retired;
static uint32_t walkers; /* the walks that are under way */

static struct leat_listener *listeners;
static struct leat_end *ends, **ends_tail = &ends;
static size_t ends_count;
static uint64_t last_sequence;

static uint64_t exits[LEAT_CAUSES];      /* by relaxed additions: they order nothing */
static uint64_t causes_later, ends_lost; /* by relaxed additions, too */

void leat_registry_add(struct leat_node *node, enum leat_node_kind kind, void *memory)
{
	leat_registry_begin();
	node->kind = kind;
	node->memory = memory;
	leat_mutex_lock(&lock);
	/* rlx: the lock orders the ids of the nodes on the list */
	node->id = leat_add_rlx(&last_id, 1) + 1;
	nodes_count++;
	cds_list_add_rcu(&node->links, &nodes);
	leat_mutex_unlock(&lock);
}

uint64_t leat_registry_ids(uint64_t n)
{
	/* rlx: an addition gives no two callers the same ids */
	return leat_add_rlx(&last_id, n) + 1;
}

static void append_end(struct leat_end *end)
{
	end->sequence = ++last_sequence;
	end->next = NULL;
	*ends_tail = end;
	ends_tail = &end->next;
	ends_count++;
	for (struct leat_listener *l = listeners; l != NULL; l = l->next)
		if (l->untaken == NULL)
			l->untaken = end;
}

/* Caller holds `lock`. Returns the end that the caller is to free, if it is not kept; else NULL. */
static struct leat_end *append_end_if_listened(struct leat_end *end)
{
	if (end != NULL && listeners != NULL && ends_count < ENDS_MAX) {
		append_end(end);
		return NULL;
	}
	if (end != NULL && listeners != NULL)
		leat_add_rlx(&ends_lost, 1); /* rlx: a total, which orders nothing */
	return end;
}

void leat_registry_add_end(struct leat_end *end)
{
	if (end == NULL)
		leat_add_rlx(&ends_lost, 1); /* rlx: a total, which orders nothing */
	leat_mutex_lock(&lock);
	end = append_end_if_listened(end);
	leat_mutex_unlock(&lock);
	leat_os_free(end);
}

bool leat_registry_has_listener(void)
{
	bool listened;

	leat_mutex_lock(&lock);
	listened = listeners != NULL;
	leat_mutex_unlock(&lock);
	return listened;
}

void leat_registry_remove(struct leat_node *node, struct leat_end *end)
{
	void *memory = node->memory;

	leat_mutex_lock(&lock);
	cds_list_del_rcu(&node->links);
	nodes_count--;
	end = append_end_if_listened(end);
	/* G1: unlink before walkers; pairs with leat_registry_walk() */
	leat_fence_seq();
	if (leat_load_rlx(&walkers) != 0) { /* rlx: ordered by the fence */
		node->next = retired;
		retired = node;
		memory = NULL;
	}
	leat_mutex_unlock(&lock);
	leat_os_free(memory);
	leat_os_free(end);
}

void leat_registry_walk(leat_node_fn *fn, void *arg)
{
	struct leat_node *node, *free_now;

	leat_add_rlx(&walkers, 1); /* rlx: ordered by the fence */
	leat_fence_seq(); /* G1: walkers before the list; pairs with leat_registry_remove() */
	leat_rcu_read_lock();
	cds_list_for_each_entry_rcu(node, &nodes, links)
		fn(node, arg);
	leat_rcu_read_unlock();

	leat_mutex_lock(&lock);
	free_now = retired;
	retired = NULL;
	/* rlx: the lock orders it: leat_registry_remove() takes the lock before it loads walkers */
	leat_add_rlx(&walkers, UINT32_MAX);
	leat_mutex_unlock(&lock);
	if (free_now == NULL)
		return;
	leat_rcu_synchronize();
	while ((node = free_now) != NULL) {
		free_now = node->next;
		leat_os_free(node->memory);
	}
}

void leat_registry_listen(struct leat_listener *listener)
{
	leat_mutex_lock(&lock);
	listener->taken_sequence = last_sequence;
	listener->untaken = NULL;
	listener->next = listeners;
	listeners = listener;
	leat_mutex_unlock(&lock);
}

/*
 * Caller holds `lock`. Cuts off the ends that every listener has taken, and returns them for the
 * caller to free.
 */
static struct leat_end *cut_taken_ends(void)
{
	struct leat_end *taken = ends, **link = &taken;
	uint64_t last = UINT64_MAX;

	for (struct leat_listener *l = listeners; l != NULL; l = l->next)
		last = l->taken_sequence < last ? l->taken_sequence : last;
	while (*link != NULL && (*link)->sequence <= last) {
		link = &(*link)->next;
		ends_count--;
	}
	ends = *link;
	*link = NULL;
	if (ends == NULL)
		ends_tail = &ends;
	return taken;
}

static void free_ends(struct leat_end *end)
{
	while (end != NULL) {
		struct leat_end *next = end->next;

		leat_os_free(end);
		end = next;
	}
}

void leat_registry_unlisten(struct leat_listener *listener)
{
	struct leat_end *taken;

	leat_mutex_lock(&lock);
	for (struct leat_listener **l = &listeners; *l != NULL; l = &(*l)->next)
		if (*l == listener) {
			*l = listener->next;
			break;
		}
	taken = cut_taken_ends();
	leat_mutex_unlock(&lock);
	free_ends(taken);
}

void leat_registry_take(struct leat_listener *listener, void (*fn)(const struct leat_end *, void *),
                        void *arg)
{
	struct leat_end *end, *taken;
	uint64_t last;

	leat_mutex_lock(&lock);
	end = listener->untaken;
	last = last_sequence; /* of the tail */
	listener->untaken = NULL;
	leat_mutex_unlock(&lock);
	if (end == NULL)
		return;
	/* no further than `last`: behind that end other threads may be adding to the list */
	while (fn(end, arg), end->sequence != last)
		end = end->next;

	leat_mutex_lock(&lock);
	listener->taken_sequence = last;
	taken = cut_taken_ends();
	leat_mutex_unlock(&lock);
	free_ends(taken);
}

void leat_registry_count_exit(enum leat_cause cause)
{
	leat_add_rlx(&exits[cause], 1);
}

void leat_registry_count_later(void)
{
	leat_add_rlx(&causes_later, 1);
}

void leat_registry_totals(struct leat_snapshot *snapshot)
{
	for (int cause = 0; cause < LEAT_CAUSES; cause++)
		snapshot->exits[cause] = leat_load_rlx(&exits[cause]);
	snapshot->causes_later = leat_load_rlx(&causes_later);
	snapshot->untold = leat_load_rlx(&ends_lost);
}

size_t leat_registry_size(void)
{
	size_t count;

	leat_mutex_lock(&lock);
	count = nodes_count;
	leat_mutex_unlock(&lock);
	return count;
}
