/*
 * Islands on a pool.
 *
 * Such an island is a seq of the core (leat/gen.h), and its ring is the seq's own channel. Workers
 * of the pool call it while its input has items and its ring has room, so no thread waits for
 * either. A call makes one item for the core. What a vector has made beyond that is kept here, for
 * the next calls, and no further vector is taken before it is given away.
 *
 * An island with an end makes nothing: its calls return when they have to wait, or are over.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/task.h"

#include <stdlib.h>
#include <string.h>

/* A call that makes nothing gives the worker back after this time. */
#define CALL_NS INT64_C(1000000)
enum { PASSES_A_LOOK = 16 }; /* at the clock */

struct pooled {
	struct task *task;
	struct leat_seq in; /* of its receiver; next NULL: it reads an array */
	size_t array_at;
	size_t size;         /* of an item that it makes */
	unsigned char *made; /* `count` of them, the first `at` of which are given away */
	size_t at, count, room;
	bool over; /* its steps are done; then what the seq returns */
	int rc;
};

int leat_island_keep(struct pooled *pooled, const void *items, size_t n)
{
	if (n > pooled->room - pooled->count) {
		const size_t room = pooled->room * 2 + n;
		unsigned char *made = realloc(pooled->made, room * pooled->size);

		if (made == NULL)
			return -ENOMEM;
		pooled->made = made;
		pooled->room = room;
	}
	memcpy(pooled->made + pooled->count * pooled->size, items, n * pooled->size);
	pooled->count += n;
	return 0;
}

/* A vector of the input: its length; 0 at the end; LEAT_ITEM and such; -errno. */
static int take_vector(struct pooled *pooled, const void **items, size_t *n)
{
	struct task *task = pooled->task;
	const struct node *head = &task->flow->nodes[task->island->head];
	const size_t size = head->type->size;
	ssize_t more;
	int rc;

	if (pooled->in.next == NULL) {
		if (pooled->array_at == head->count || leat_scope_stopping(task->flow->scope))
			return 0;
		*n = head->count - pooled->array_at;
		*n = *n < task->vector ? *n : task->vector;
		*items = head->items + pooled->array_at * size;
		return 1;
	}
	*items = task->in_place;
	rc = pooled->in.next(pooled->in.state, task->in_place);
	if (rc != 1)
		return rc;
	*n = 1;
	if (task->vector == 1)
		return 1;
	more = leat_try_recv_batch(task->rx, (char *)task->in_place + size, task->vector - 1);
	*n += more > 0 ? (size_t)more : 0;
	return 1;
}

/* What the steps return. */
static int run_vector(struct pooled *pooled, const void *items, size_t n)
{
	size_t used = 0;
	int rc = leat_task_pass(pooled->task, items, n, &used);

	if (pooled->in.next == NULL)
		pooled->array_at += used;
	else
		leat_task_discard_rest(pooled->task, items, used, n);
	return rc;
}

static void end_with(struct pooled *pooled, int rc)
{
	pooled->over = true;
	pooled->rc = leat_task_settle(pooled->task, rc);
	if (pooled->task->told != 0)
		pooled->rc = pooled->task->told;
	else if ((pooled->rc == 0 || pooled->rc == -ECANCELED) &&
	         leat_flow_is_cancelled(pooled->task->scope))
		/*
		 * also where it is on its way, and has ended the input: its cause is that of the
		 * seq, too, which would else end as completed, or by a failure of its own
		 */
		pooled->rc = -ECANCELED;
}

/* The input has ended; rc: what it returned, 0 or -errno. */
static void end_with_input(struct pooled *pooled, int rc)
{
	if (rc == 0)
		rc = leat_task_end(pooled->task);
	else if (leat_task_input_failed(pooled->task))
		rc = 0; /* settled as the end of an input that has failed, in that input's words */
	end_with(pooled, rc);
}

/*
 * The failure of the input ends this seq: its next, asked once more, returns that failure again, so
 * that it is told as the one of the generator in which it began, and not as one of this seq's own.
 */
static bool returns_failure_again(const struct pooled *pooled)
{
	const struct task *task = pooled->task;
	enum leat_cause cause;

	return task->taken_over && pooled->in.next != NULL && task->rx != NULL &&
	       leat_rx_status(task->rx, &cause, NULL, NULL) == 0 && cause == LEAT_FAILED &&
	       pooled->in.next(pooled->in.state, task->in_place) == pooled->rc;
}

/* What the seq returns once all that its steps have made is given away. */
static int last_result(const struct pooled *pooled)
{
	const struct task *task = pooled->task;

	if (task->told == 0 || returns_failure_again(pooled))
		return pooled->rc;
	return leat_fail(pooled->rc, task->text);
}

/*
 * Takes vectors until the steps have made an item, or are over, or for CALL_NS: 0. Or what the
 * input, or leat_after(), returned, and the seq returns to be called again.
 */
static int make_items(struct pooled *pooled)
{
	int64_t since_ns = leat_now_ns();

	pooled->at = pooled->count = 0;
	for (unsigned passes = 1; pooled->count == 0 && !pooled->over; passes++) {
		const void *items = NULL;
		size_t n = 0;
		int rc = take_vector(pooled, &items, &n);

		if (rc > 1)
			return rc;
		if (rc < 1) {
			end_with_input(pooled, rc);
			break;
		}
		rc = run_vector(pooled, items, n);
		if (rc != 0)
			end_with(pooled, rc);
		else if (passes % PASSES_A_LOOK == 0 && leat_now_ns() - since_ns > CALL_NS)
			return leat_after(leat_now_ns() + 1);
	}
	return 0;
}

static int next_made(void *state, void *item)
{
	struct pooled *pooled = state;

	while (pooled->at == pooled->count && !pooled->over) {
		int rc = make_items(pooled);

		if (rc != 0)
			return rc;
	}
	if (pooled->at == pooled->count)
		return last_result(pooled);
	memcpy(item, pooled->made + pooled->at++ * pooled->size, pooled->size);
	return 1;
}

static void finish(void *state)
{
	struct pooled *pooled = state;
	struct task *task = pooled->task;

	if (pooled->at < pooled->count)
		leat_items_discard(node_of(task, task->island->steps_count)->type,
		                   pooled->made + pooled->at * pooled->size,
		                   pooled->count - pooled->at);
	task->rx = NULL; /* the input's */
	leat_task_leave(task);
	if (pooled->in.fini != NULL)
		pooled->in.fini(pooled->in.state); /* closes the receiver */
	task->pooled = NULL;
	free(pooled->made);
	free(pooled);
}

int leat_island_start(struct task *task, const struct leat_chan_opts *chan, struct leat_rx **rx)
{
	const struct node *tail = node_of(task, task->island->steps_count);
	struct leat_gen_opts opts = { .chan = *chan, .pool = task->flow->opts.pool };
	struct pooled *pooled = calloc(1, sizeof(*pooled));
	struct leat_seq seq = { next_made, finish, pooled, 1 };
	int rc;

	if (pooled == NULL)
		return -ENOMEM;
	pooled->task = task;
	pooled->size = seq.item_size = leat_kind_has_ring(tail->kind) ? tail->type->size : 1;
	if (task->rx != NULL)
		pooled->in = leat_seq_from_rx(task->rx);
	task->pooled = pooled;
	rc = leat_gen_seq(task->scope, seq, &opts, rx);
	if (rc != 0) {
		task->pooled = NULL;
		free(pooled);
	}
	return rc;
}
