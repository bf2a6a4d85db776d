/*
 * flow/flow.h: the inside of libleat-flow.
 *
 * A flow is an array of nodes, in the order of the calls that declared them, so a node's inputs are
 * before it and the graph has no cycle. plan.c cuts it into islands: each is a way of steps from
 * where it is fed to where it ends.
 *
 *     fed by      a receiver (of the program, of a seq's or generator's channel, of a ring), those
 *                 of the rings of a zip, a merge by key or by priority, the streams of a bridge, or
 *                 an array
 *     ends in     a ring, the rings of a partition or of workers by key, or an end
 *
 * A ring belongs to the node that declares it: a buffer, workers, gather, a merge, a bridge, a tee,
 * a partition, an end that is a receiver. The islands before it send into it by a clone of its
 * sender each, and the island behind each of its outputs receives.
 *
 * Threads. An island runs as one task; an island of workers as several, which share its receiver;
 * with a pool, as a seq of the core without a thread where it can (on_pool.c). Workers by key have
 * a ring each, so they are several islands of the same steps. Each task has a scope of its own
 * below that of the flow, so that its failure ends it alone: what it has sent is worked off behind
 * it, and what is before it finds its consumer gone.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_FLOW_FLOW_H
#define LEAT_FLOW_FLOW_H

#include <leat/flow.h>

#include <pthread.h>

enum { LEAT_FLOW_TEXT = 256, LEAT_VECTOR_MOST = 256, LEAT_VECTOR_LEAST = 16 };

enum node_kind {
	NODE_RX,
	NODE_SEQ,
	NODE_GEN,
	NODE_ARRAY,
	NODE_STEP,
	NODE_BUFFER,
	NODE_WORKERS,
	NODE_GATHER,
	NODE_MERGE,
	NODE_TEE,
	NODE_PARTITION,
	NODE_ZIP,
	NODE_MERGE_BY,
	NODE_MERGE_FIRST,
	NODE_BRIDGE,
	NODE_DIVERT, /* the ring of what a step has failed with */
	NODE_EACH,   /* an end whose step has no output */
	NODE_TO_RX,
	NODE_COLLECT,
	NODE_TO_ARRAY
};

/* Of a node; counted by each task once for a vector. */
struct books {
	uint64_t in, used, skipped, failed, diverted, made;
};

struct ring {
	struct leat_tx *tx;        /* of which each island before it has a clone */
	struct leat_broadcast *bc; /* of a tee */
	struct leat_rx *rx;
};

struct node {
	enum node_kind kind;
	const char *name;
	const struct leat_type *type;   /* of its outputs; NULL: an end */
	const struct leat_type *stream; /* of a bridge: what is in its ring */
	struct leat_step step;          /* of a step, and of an end */
	const void *state;
	struct leat_state own;
	bool has_own;
	/*
	 * How what a step makes depends on what it is given (diamond.c): one item for each `per`,
	 * from when it has been given `lag` more; or there is no telling. keeps: of the program's,
	 * between a tee and a zip: it must make one of each.
	 */
	uint64_t per, lag;
	bool varies, keeps;
	bool counts; /* a step of the library, with a state for each worker */
	bool plain;  /* no call of it needs more than its function, unless it fails */
	/*
	 * Of a step that is due when no item has come for a while: that begins anew, as the island
	 * has not listened meanwhile. And what it fails with, in words.
	 */
	void (*listen)(void *state);
	char words[64];
	enum leat_on_error on_error;
	uint32_t divert; /* the node of its ring; 0: none */
	bool retries;
	int64_t item_ns; /* the time for all tries of an item; 0: none */
	char late_words[64];
	bool by_pool; /* its ring is the channel of an island on the pool */
	struct leat_backoff pauses;
	struct leat_breaker *breaker;
	struct leat_port *inputs;
	size_t inputs_count, outputs;
	int32_t *consumers; /* the node that each output goes to; -1: none */

	struct leat_rx *rx;            /* of a source; start makes that of a seq and a generator */
	struct leat_scope *scope;      /* in which such a generator runs */
	struct leat_scope *ring_scope; /* of its ring, if that is by the pool */
	struct leat_seq seq;
	leat_gen_fn *gen;
	void *gen_arg;
	const unsigned char *items;
	size_t count;

	char *given_name; /* by leat_flow_name(): what `name` points to; or NULL */
	enum leat_overflow overflow;
	uint64_t dropped; /* atomic: by its ring, if that drops */
	size_t capacity;  /* of a bridge also how many streams are open */
	unsigned workers;
	enum leat_flow_order order;
	uint64_t (*key)(const void *item, const void *arg);
	int64_t (*order_key)(const void *item, const void *arg); /* of a merge by key */
	const void *key_arg;

	struct leat_rx **to_rx;
	bool lent; /* what that receiver gives stays the tee's before it */
	struct leat_seq *to_seq;
	struct collected *collected; /* of collect and to_array */
	struct books books; /* added to by each task at its end; the flow's lock guards them */
	struct ring *rings; /* leat_ring_count() of them; of a tee one for each output */
	/*
	 * Of workers by key, a channel that nothing is sent into: the island before them is bound
	 * to end_tx, and the first worker that ends early closes end_rx. The flow's lock guards
	 * end_rx while it runs.
	 */
	struct leat_tx *end_tx;
	struct leat_rx *end_rx;
};

/* Items in memory that grows. */
struct collected {
	unsigned char *items;
	size_t count, room, size;
	void **to;
	size_t *to_count;
};

struct island {
	struct leat_flow *flow;
	uint32_t head, head_output; /* the node that feeds it */
	uint32_t *steps;            /* nodes */
	size_t steps_count;
	uint32_t tail;     /* the node it ends in */
	unsigned replicas; /* tasks: one, or the workers that share its receiver */
	bool pooled;       /* it has no thread */
	size_t vector;     /* items, at most */
	/*
	 * What a step is given room for: an item more. So one that makes an item of each, and
	 * holds none, does not fill it, and is not called again for what it might hold.
	 */
	size_t room;
	struct leat_rx *rx;    /* NULL: the array of its head */
	struct shared *shared; /* of workers */
	struct task *tasks;
	struct leat_scope **scopes; /* of the tasks, until each has its own */
};

/* What the tasks of one island of workers share (workers.c). */
struct shared;

struct leat_flow {
	struct leat_scope *scope;
	/* below it: of the rings. It was opened first, so a cancel comes to it last (task.c) */
	struct leat_scope *rings;
	struct leat_flow_opts opts;
	char name[LEAT_NAME_MAX + 1];
	struct node *nodes;
	size_t nodes_count, nodes_room;
	struct island *islands;
	size_t islands_count;
	bool planned, started, joined;
	pthread_mutex_t lock; /* guards error and text while it runs */
	int error;            /* the first mistake, then the first failure */
	char text[LEAT_FLOW_TEXT];
};

/* build.c */

/* Keeps the first mistake. Returns code. */
int leat_flow_mistake(struct leat_flow *flow, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int leat_flow_code(const struct leat_flow *flow);
const char *leat_kind_name(enum node_kind kind);
bool leat_flow_same_type(const struct leat_type *a, const struct leat_type *b);
struct leat_port leat_flow_no_port(struct leat_flow *flow);
struct leat_port leat_flow_port_of(struct leat_flow *flow, const struct node *node,
                                   uint32_t output);
/* A node with this port as its input, and so many outputs of the same type; NULL: a mistake. */
struct node *leat_flow_add_behind(struct leat_port port, enum node_kind kind, const char *name,
                                  size_t outputs);
/* "FILE:LINE: " of a step, or "". */
void leat_step_where(const struct leat_step *step, char where[LEAT_FLOW_TEXT / 2]);

/* steps.c: what the steps of the library are made of */

/*
 * Adds a step of the library. `like`, of `size` bytes, is what the state of a task begins as; out
 * NULL: it makes what it is given. NULL: a mistake.
 */
struct node *leat_own_add(struct leat_port port, const struct leat_step *step,
                          const struct leat_type *out, const void *like, size_t size);
/* For steps whose state is a copy of their description. */
int leat_own_init(void *state, const void *arg);
/* The port behind such a step, whose state begins and ends so. */
struct leat_port leat_own_port(struct leat_port port, struct node *node,
                               int (*init)(void *state, const void *arg),
                               void (*fini)(void *state));
struct leat_port leat_own_mistake(struct leat_port port, const char *words);
/* The type of the items at a port; NULL: it is none. */
const struct leat_type *leat_port_type(struct leat_port port);
/* A time ns later; it is one that comes, if only in centuries. */
static inline int64_t leat_later_ns(int64_t from_ns, int64_t ns)
{
	return ns < LEAT_NEVER - from_ns ? from_ns + ns : LEAT_NEVER - 1;
}
/* `before` and a time, in the largest unit that shows all of it. */
void leat_write_time(char *text, size_t size, const char *before, int64_t ns);
/* Passes n items on, from the given one. */
void leat_pass_on(struct leat_vec *v, size_t from, size_t n, size_t size);

/* what becomes of the items that a step is given */

/* Whether what it makes are the items themselves that it is given, which own something. */
static inline bool leat_moves_items(const struct leat_step *step)
{
	return step->kind == LEAT_STEP_FILTER && step->in->discard != NULL;
}

/* Whether the items that it has used are no longer the flow's. */
static inline bool leat_takes_items(const struct leat_step *step)
{
	return step->owns && step->in->discard != NULL;
}

/*
 * Whether it is called for one item at a time, as the flow frees what it leaves out and cannot tell
 * which of several that is.
 */
static inline bool leat_filters_singly(const struct leat_step *step)
{
	return leat_moves_items(step) && !step->owns;
}

/* plan.c */

/* Checks the graph and cuts it into islands. 0, or the mistake. */
int leat_flow_plan(struct leat_flow *flow);
void leat_flow_free_plan(struct leat_flow *flow);
bool leat_kind_has_ring(enum node_kind kind);
/* Whether each input has a ring of its own: a zip, a merge by key or by priority, a bridge. */
bool leat_kind_joins(enum node_kind kind);
/* The rings that what it is given goes to by its key; 0: it has no key. */
size_t leat_parts_count(const struct node *node);
/* The threads that run the steps of an island: its tasks, or the workers by key. */
unsigned leat_island_threads(const struct island *island);
/* Whether it passes on the items themselves that it is given. */
bool leat_gives_away(const struct node *node);

/* diamond.c */

/* Whether what is between a tee and this zip would stand still. 0, or the mistake. */
int leat_flow_check_diamond(struct leat_flow *flow, const struct node *zip);
/* Whether the inputs of this merge by key would wait for each other. 0, or the mistake. */
int leat_flow_check_merge_by(struct leat_flow *flow, const struct node *merge);

/* ring.c */

/*
 * A generator that sends into the ring of the tee right behind it has none; else all sources but an
 * array have one.
 */
bool leat_feeds_tee(const struct leat_flow *flow, const struct node *node);
/* Whether what is behind this output is a receiver of the program's that receives from its ring. */
bool leat_output_is_rx(const struct leat_flow *flow, const struct node *node, size_t output);
/* The ring right before workers, or a receiver of the program, is theirs. */
bool leat_node_has_ring(const struct leat_flow *flow, const struct node *node);
bool leat_ring_has_several_senders(const struct node *node);
/* How many rings it has, if it has any. */
size_t leat_ring_count(const struct node *node);
/* The bytes of all its rings. */
size_t leat_ring_bytes(const struct leat_flow *flow, const struct node *node);
/* The items that a ring of this node has room for. */
size_t leat_ring_capacity(const struct leat_flow *flow, const struct node *node);
/* How the channel of such a ring, or of a source's, is opened. */
struct leat_chan_opts leat_ring_opts(const struct leat_flow *flow, struct node *node);
int leat_rings_open(struct leat_flow *flow);
/* Closes what the islands have not taken. */
void leat_rings_close(struct leat_flow *flow);
/* The receiver that an output of a node is read from; it is the caller's from then on. */
struct leat_rx *leat_ring_take_rx(struct leat_flow *flow, uint32_t node, uint32_t output);
/* A sender of its own into a node's ring; NULL: leat_open_error(). */
struct leat_tx *leat_ring_take_tx(struct leat_flow *flow, uint32_t node, uint32_t output);
/* Of workers by key: what the island before them is bound to; else NULL. */
struct leat_tx *leat_ring_take_end(struct leat_flow *flow, uint32_t node);
/* A worker by key has ended early: the island before it is to send no more. */
void leat_ring_end_sender(struct leat_flow *flow, uint32_t node);

/* task.c */

/* One thread's work on an island. */
struct task;
/* Memory for items, aligned as a channel aligns them; for free(). NULL: there is none. */
void *leat_items_alloc(size_t count, size_t size);
/* Frees what these items own, if their type owns anything. */
static inline void leat_items_discard(const struct leat_type *type, const void *items, size_t count)
{
	char *item = (char *)(uintptr_t)items;

	for (size_t i = 0; type->discard != NULL && i < count; i++)
		type->discard(item + i * type->size, NULL);
}
/*
 * Whether the flow's scope is cancelled, or a cancel is on its way that has reached others of its
 * tree already: a scope that is opened below waits for that.
 */
bool leat_flow_is_cancelled(struct leat_scope *scope);
/*
 * The failure that an input has ended with, and its text, once a receive has returned n: also a
 * cancel, if it is not that of the flow's scope. 0: none.
 */
int leat_input_failure(struct leat_scope *scope, const struct leat_rx *rx, ssize_t n,
                       char text[LEAT_FLOW_TEXT]);
/*
 * Opens the scopes of the tasks of all islands. A cancel of the flow's scope comes to the scopes
 * below it that were opened last before the others: it has to come to what sends before it comes to
 * what receives, or a sender would find its receiver gone, and end abandoned. So the scope of the
 * rings is opened first, as each end of a ring is told by its cancel, then these, from the last
 * island to the first, and then those of the sources. 0, or -errno.
 */
int leat_tasks_open_scopes(struct leat_flow *flow);
/* Makes the tasks of an island, with what they send into and receive from. 0, or the mistake. */
int leat_tasks_make(struct island *island);
int leat_tasks_start(struct island *island);
void leat_tasks_join(struct island *island);
void leat_tasks_free(struct island *island);
/* The memory of the vectors of its tasks, and of what they share. */
size_t leat_island_bytes(const struct island *island);

#endif
