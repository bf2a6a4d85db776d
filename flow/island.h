/*
 * flow/island.h: the parts of an island's work, of which island.c is the middle.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_FLOW_ISLAND_H
#define LEAT_FLOW_ISLAND_H

#include "flow/task.h"

/* --- failure.c --- */

/* Step i has failed with these words: at an item, or where there is none. Returns the code. */
int leat_task_fail(struct task *task, size_t i, bool at_item, int code, const char *words);
/* What a code of step i means. */
const char *leat_task_words(const struct task *task, size_t i, int code);
/*
 * Whether a wait inside the step was refused, by a cancel of the flow's scope, or by a stop where
 * this island is a source: no failure of an item.
 */
bool leat_task_ends_with_scope(const struct task *task, int code);
/* Step i would be called for ever: it does nothing with what it is given. */
int leat_task_fail_idle(struct task *task, size_t i);
/*
 * What a step, or an end, says of a call is against the rules of struct leat_vec. Such a call's
 * results go nowhere, and only what can be true of the rest counts. Returns -EINVAL.
 */
int leat_task_fail_contract(struct task *task, size_t i, struct leat_vec *v, int rc);

/* --- tries.c --- */

/* The tries of one item. */
struct tries {
	bool again;       /* it is tried again */
	bool late;        /* the last call has come back behind until_ns, or there is no further */
	bool gone;        /* that step owns its items, and has passed on, or freed, the late one */
	int64_t until_ns; /* LEAT_NEVER: its first call is still to come, or it has no time-out */
	struct leat_backoff pauses;
};

/* Calls the function of a step. What comes late is still to be dropped (leat_task_drop_late()). */
int leat_task_call_function(struct task *task, size_t i, struct leat_vec *v, struct tries *tries);
/* What a step has said of an item comes too late: it has not dealt with it. Returns -ETIMEDOUT. */
int leat_task_drop_late(const struct task *task, size_t i, struct leat_vec *v, struct tries *tries);
/*
 * What step i has returned is a failure, of this item, if there is one. Returns 0 to go on, with
 * the item again or behind it; or what the island ends with.
 */
int leat_task_handle_failure(struct task *task, size_t i, int code, const char *item, size_t *used,
                             struct tries *tries);

/* --- output.c --- */

/* The sender that says when the island is to end: of its ring, or of the task. */
struct leat_tx *leat_task_out(const struct task *task);
/* The island is a source, which a stop ends; or only has to pass on what is in hand. */
void leat_task_set_source(struct task *task, bool on);
/* The consumer of this part has left. Whether others have not. */
bool leat_task_leave_part(struct task *task, size_t k);
/* The sender that the island ends with. Of parts it is the first from the k-th on that is there. */
struct leat_tx *leat_task_bound(const struct task *task, size_t *k);
/*
 * Waits for a time. Returns 0 when it has come; before that -EPIPE as no consumer is left,
 * -ECANCELED, or -ESHUTDOWN: a stop, where the island is a source.
 */
int leat_task_wait(struct task *task, int64_t until_ns);
/*
 * A send of a source was refused, as the scope stops: what is in hand is sent all the same, and the
 * source ends.
 */
bool leat_task_flush_after_stop(struct task *task, ssize_t rc);
/*
 * The task is about to wait for room: releases what it has used of its input, so that the ring
 * there has all the room that it says, and holds the rest again. Returns 0; or -errno if it cannot
 * be held: by a cancel, which has freed the items, or as the output has ended. The task must not
 * touch the rest then.
 */
int leat_task_release_used(struct task *task);
/* Calls an end until it has used all. Its books are behind those of the steps. */
int leat_task_call_end(struct task *task, const struct node *node, const char *items, size_t n,
                       bool last, size_t *used);
/* n items leave the island. *used: how many of them are dealt with. */
int leat_task_deliver(struct task *task, const char *items, size_t n, size_t *used);

/* --- input.c --- */

/* The next vector. 0: the input has ended; -ETIMEDOUT: due_ns has come before an item did. */
ssize_t leat_task_next(struct task *task, const void **items, int64_t due_ns);
/*
 * So that the island ends while its input is idle: with the consumer of its ring, with the last
 * consumer of a partition, with the first of workers by key, with the scope.
 */
int leat_task_bind_input(struct task *task);
/* Makes copies of borrowed items. Returns how many, or -errno if the first fails. */
ssize_t leat_task_copy_items(struct task *task, const void **items, size_t n);

/* A call of the step, or the end, has returned rc. Only a step that is due may say LEAT_LATER. */
static inline bool leat_breaks_contract(const struct leat_step *step, const struct leat_vec *v,
                                        int rc)
{
	const bool waits = step->due_ns != NULL && step->out != NULL;

	return (v->used > v->n) | (v->made > v->room) | (v->skipped > v->used) |
	       ((v->made > v->used) & leat_moves_items(step)) |
	       ((rc > 0) & (rc != LEAT_ENOUGH) & ((rc != LEAT_LATER) | !waits));
}

static inline void leat_books_failed(struct books *books)
{
	books->in++;
	books->failed++;
}

/* Whether step i, or the end, is given items that it must not free. */
static inline bool leat_task_borrows(const struct task *task, size_t i)
{
	return i == 0 && task->borrowed;
}

#endif
