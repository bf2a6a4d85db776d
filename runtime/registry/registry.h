/*
 * runtime/registry/registry.h: what exists. Channels and generators stand in one list, which
 * snapshots walk under RCU.
 *
 * Adding and removing wait for nobody: no grace period, only a short lock among themselves. A walk
 * pays instead. What is removed while a walk is under way is retired, and the last thing a walk
 * does is to wait for the other walks (a grace period of liburcu's) and free what was retired
 * meanwhile. So when no walk is under way nothing is left behind.
 *
 *     G1  remove unlinks, full fence, loads walkers     <->  a walk stores walkers, full fence,
 *                                                            reads the list
 *
 * One of the two sees the other: either the walk does not find the node, or the remover finds the
 * walk and retires.
 *
 * Ends. While anybody listens (a diagnostics thread), the last figures of what ended are kept until
 * every listener has taken them, 65,536 at the most; beyond that they are counted.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_REGISTRY_REGISTRY_H
#define LEAT_RUNTIME_REGISTRY_REGISTRY_H

#include "runtime/os/os.h"
#include "runtime/registry/rcu.h"

#include <leat/stat.h>

enum leat_node_kind { LEAT_NODE_CHAN, LEAT_NODE_GEN, LEAT_NODE_POOL };

/* A record of an end: made at the start, so that ending needs no memory. */
struct leat_end {
	struct leat_end *next;
	uint64_t sequence; /* listeners take ends in this order */
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
	/* what the node stands in; freed with leat_os_free() when no walk can reach it */
	void *memory;
	struct leat_node *next; /* among the retired */
};

/* Gives the node its id and makes it visible to walks. */
void leat_registry_add(struct leat_node *node, enum leat_node_kind kind, void *memory);
/*
 * Takes it out and frees its memory, now or when the walks under way are over; keeps or frees end
 * (NULL: none).
 */
void leat_registry_remove(struct leat_node *node, struct leat_end *end);

/*
 * Tells of the end of what stands in no list here: keeps end, or frees it where nobody listens.
 * NULL: counts it as untold.
 */
void leat_registry_add_end(struct leat_end *end);
/* Whether anybody would hear of an end. */
bool leat_registry_has_listener(void);

/* n ids that nothing has or will have, the first of which is answered. */
uint64_t leat_registry_ids(uint64_t n);

/* Calls fn for each, the last added first, so by falling ids. */
typedef void leat_node_fn(struct leat_node *node, void *arg);
void leat_registry_walk(leat_node_fn *fn, void *arg);

/*
 * A listener hears of every end after listen(). take() calls fn, under no lock, for each that is
 * new to it, in order; an end lives until take() returns. One thread at a time for each listener.
 */
struct leat_listener {
	struct leat_listener *next;
	uint64_t taken_sequence;  /* the last that it has heard of: those after it stay */
	struct leat_end *untaken; /* the first of those; NULL: none */
};
void leat_registry_listen(struct leat_listener *listener);
void leat_registry_unlisten(struct leat_listener *listener);
void leat_registry_take(struct leat_listener *listener, void (*fn)(const struct leat_end *, void *),
                        void *arg);

/* Totals since the process began. */
void leat_registry_count_exit(enum leat_cause cause);
void leat_registry_count_later(void);
void leat_registry_totals(struct leat_snapshot *snapshot);

/* How many nodes there are: the census of the tests. */
size_t leat_registry_size(void);

#endif
