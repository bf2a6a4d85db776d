/*
 * runtime/registry/registry.h: what exists in the process: channels, generators, pools.
 *
 * What exists. Each is a node of one list, in order of ids. Threads add and remove nodes under a
 * lock; a snapshot walks the list under RCU, without the lock. The totals of ends and causes are
 * here too.
 *
 * Cost. A thread that adds or removes a node waits for no grace period, only for that lock,
 * which is held briefly. A walk pays instead: a node that is removed while a walk is under way is
 * put on the list of retired nodes, and each walk, when it is over, waits for the other walks (one
 * grace period of liburcu's) and frees the nodes that are retired by then. So nothing is left
 * behind when no walk is under way.
 *
 *     G1  remove unlinks, full fence, loads walkers     <->  a walk stores walkers, full fence,
 *                                                            reads the list
 *
 * Invariant: no node is freed while a walk may reach it. If the two fences were missing: a walker
 * counts itself, but its store is not visible yet; it reads the link to a node. The remover unlinks
 * the node, loads walkers as 0 and frees the node; the walker reads freed memory. Therefore both
 * sides store, fence, and load: one of the two sees the other's store. Either the walk does not
 * find the node, or the remover finds the walk and retires the node.
 *
 * Ends. While there is a listener (a diagnostics thread), the last figures of each channel and
 * generator that ended are kept until every listener has taken them, 65,536 of them at the most. An
 * end beyond that is freed and counted as lost.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_REGISTRY_REGISTRY_H
#define LEAT_RUNTIME_REGISTRY_REGISTRY_H

#include "runtime/os/os.h"
#include "runtime/registry/rcu.h"

#include <leat/stat.h>

enum leat_node_kind { LEAT_NODE_CHAN, LEAT_NODE_GEN, LEAT_NODE_POOL };

/*
 * The last figures of what ended. Its memory is allocated when the thing is opened, so that an end
 * needs none.
 */
struct leat_end {
	struct leat_end *next;
	uint64_t sequence; /* rises by one with each end: the order in which listeners take ends */
	enum leat_node_kind kind;
	union {
		struct leat_chan_stat chan;
		struct leat_gen_stat gen;
	};
};

struct leat_node {
	struct cds_list_head links;
	enum leat_node_kind kind;
	uint64_t id;
	/* the allocation that holds the node; leat_os_free() frees it when no walk can reach it */
	void *memory;
	struct leat_node *next; /* in the list of retired nodes */
};

/*
 * Called before a node is added. The first call begins what the environment asks for
 * (LEAT_COUNTERS, LEAT_ENDS: runtime/diag/counters_begin.c, a room above, which has the
 * definition); the others return at once.
 */
void leat_registry_begin(void);

/* Gives the node its id and puts it on the list: from now on a walk may reach it. */
void leat_registry_add(struct leat_node *node, enum leat_node_kind kind, void *memory);
/*
 * Takes the node off the list. Frees its memory: now, or when the walks under way are over. Takes
 * `end` over (NULL: none): keeps it for the listeners, or frees it.
 */
void leat_registry_remove(struct leat_node *node, struct leat_end *end);

/*
 * Takes over the end of something that has no node: keeps it for the listeners, or frees it if
 * there is none. NULL says that there was no memory for the end: it is counted as lost.
 */
void leat_registry_add_end(struct leat_end *end);
/* Whether there is a listener: if not, the end of something without a node need not be made. */
bool leat_registry_has_listener(void);

/* Reserves n successive ids, which nothing else gets, and returns the first. */
uint64_t leat_registry_ids(uint64_t n);

/*
 * Calls fn for each node, the last added one first, so by falling ids. fn runs under RCU: it must
 * not walk itself, as a grace period there would wait for the walk around it.
 */
typedef void leat_node_fn(struct leat_node *node, void *arg);
void leat_registry_walk(leat_node_fn *fn, void *arg);

/*
 * A listener takes every end that is added after leat_registry_listen(). leat_registry_take() calls
 * fn for each end that the listener has not taken, in their order, and holds no lock meanwhile; an
 * end lives until that call returns. One thread at a time uses a listener, which the caller owns.
 */
struct leat_listener {
	struct leat_listener *next;
	/* of the last end that it has taken; the ends after it are kept */
	uint64_t taken_sequence;
	struct leat_end *untaken; /* the first end after that one; NULL: none */
};
void leat_registry_listen(struct leat_listener *listener);
void leat_registry_unlisten(struct leat_listener *listener);
void leat_registry_take(struct leat_listener *listener, void (*fn)(const struct leat_end *, void *),
                        void *arg);

/* Totals since the process began. */
void leat_registry_count_exit(enum leat_cause cause);
void leat_registry_count_later(void);
void leat_registry_totals(struct leat_snapshot *snapshot);

/* How many nodes there are, for the census of the tests. */
size_t leat_registry_size(void);

#endif
