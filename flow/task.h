/*
 * flow/task.h: one thread's work on an island: island.c runs it (island.h), task.c makes it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_FLOW_TASK_H
#define LEAT_FLOW_TASK_H

#include "flow/merge.h"
#include "flow/workers.h"

struct pooled;

/* Of a step with due_ns: its calls when it was due that made nothing and left due_ns as it was. */
struct due_calls {
	uint32_t idle;
	uint64_t done; /* what it had been given and had made by then */
};

struct task {
	struct island *island;
	struct leat_flow *flow;
	struct leat_scope *scope; /* of its own */
	struct leat_rx *rx;       /* or shared's, or the array of its head */
	/* of a zip, a merge by key or by priority, a bridge; rx is the first then */
	struct leat_rx **inputs;
	size_t inputs_count;
	struct merger *merger; /* of such a merge, or a bridge: takes from the inputs */
	struct leat_tx *tx;    /* of one ring; with an order shared's */
	/* of each step that diverts; NULL: none, or its consumer has left */
	struct leat_tx **diverts;
	/*
	 * The rings that items go to by their key. Of a partition NULL: its consumer has left.
	 * Of workers by key (parts_end is not NULL) all stay, and the first that leaves ends the
	 * island; parts_end can send no more once that is to be.
	 */
	struct leat_tx **parts, *parts_end;
	size_t parts_count, parts_left;
	struct leat_tx *out; /* of the task: when to stop, where there is no ring */
	/*
	 * Of an ordered worker that may pause: a sender into gather's ring that sends nothing. It
	 * says when no consumer is left, while other workers use those that they share.
	 */
	struct leat_tx *watch;
	/*
	 * Its input's items own something, and belong to a tee's ring: it must not free them, or,
	 * where it gives them away, works on copies.
	 */
	bool borrowed;
	unsigned char *copies;
	size_t bound;            /* the part that rx is bound to */
	bool source, stopped;    /* it reads an array; a stop has told it to end */
	void *in_place;          /* a vector of its input, where that is copied */
	unsigned char **vectors; /* of each step: what it makes */
	void **states;           /* of each step, and of the end */
	struct books *books;     /* the same */
	size_t vector;           /* items, for now */
	uint64_t passes;
	bool timed;                  /* one of its steps may be due */
	struct due_calls *due_calls; /* of each step, and of the end */
	size_t due;                  /* the step that is called as it is due, and one; 0: none */
	uint64_t taken;              /* items of its input that its steps have dealt with */
	bool own_result; /* the last call's result is that of the step, not of one behind it */
	/* of the items that it reads in place: how many it has used, and has released of these */
	size_t input, input_used, input_released;
	/* its last step may write into the ring that the island ends in */
	bool writes;
	/* the step that is being called writes into the ring, or the array, that the island ends in
	 */
	bool in_ring, in_array;
	struct pooled *pooled; /* of an island on a pool */
	struct leat_rx
		*end_rx; /* of such a one that makes nothing: its seq's, until it is joined */
	/* ordered workers */
	uint64_t ticket;
	bool at_turn;
	int failure;
	int told;        /* the failure of those behind it: of an item, or its input's */
	bool taken_over; /* it is the input's */
	char text[LEAT_FLOW_TEXT];
};

/*
 * Whether items of this type are read and written in their slots. Small ones are beside a position
 * there (docs/rings.md): a peek, or a reservation, is of one to seven items. So these are copied,
 * by the vector; not where that would be more than the ring holds.
 */
static inline bool leat_stays_in_place(const struct leat_type *type, size_t capacity)
{
	return type->size > 32 || capacity < LEAT_VECTOR_MOST / 4;
}

/* The node of step i; behind the last, that of the end or ring. */
static inline const struct node *node_of(const struct task *task, size_t i)
{
	const struct island *island = task->island;

	return &island->flow->nodes[i < island->steps_count ? island->steps[i] : island->tail];
}

/* The node of its last step; where it has none, the one that feeds it. */
static inline uint32_t last_node_of(const struct island *island)
{
	return island->steps_count > 0 ? island->steps[island->steps_count - 1] : island->head;
}

/* Works until the end of the input, or what ends the island. 0; LEAT_ENOUGH; -errno. */
int leat_task_work(struct task *task);
/* A vector through all steps. *used: how many items are dealt with. Returns what the steps did. */
int leat_task_pass(struct task *task, const void *items, size_t n, size_t *used);
/* The steps have seen their last item. */
int leat_task_end(struct task *task);
/* Frees items that were copied out of the ring, and that the island ends before (input.c). */
void leat_task_discard_rest(struct task *task, const void *items, size_t used, size_t n);

/* task.c */

/* Whether its input has ended by a failure, which leat_task_settle() takes over. */
bool leat_task_input_failed(const struct task *task);
/*
 * The work is over, with rc. A failure becomes the flow's, and that of those behind the island; its
 * words are in task->text. Returns what the function that did the work returns.
 */
int leat_task_settle(struct task *task, int rc);
/* Adds the task's books to the flow's, and closes its handles. */
void leat_task_leave(struct task *task);

/* on_pool.c */

/* Starts an island on the flow's pool; *rx: what its seq makes. 0, or -errno: nothing has begun. */
int leat_island_start(struct task *task, const struct leat_chan_opts *chan, struct leat_rx **rx);
/* Keeps what the steps have made until the pool asks for it. 0, or -ENOMEM. */
int leat_island_keep(struct pooled *pooled, const void *items, size_t n);

#endif
