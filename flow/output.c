/*
 * flow/output.c: what leaves an island: into a ring, by key into several, in order, or into an end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/island.h"

struct leat_tx *leat_task_out(const struct task *task)
{
	return task->tx != NULL ? task->tx : task->out;
}

/* Whether it ends in the rings of a partition, whose consumers leave one by one. */
static bool ends_in_parts(const struct task *task)
{
	return task->parts != NULL && task->parts_end == NULL;
}

void leat_task_set_source(struct task *task, bool on)
{
	leat_tx_source(leat_task_out(task), on);
	if (task->parts_end != NULL)
		leat_tx_source(task->parts_end, on);
	for (size_t k = 0; ends_in_parts(task) && k < task->parts_count; k++)
		if (task->parts[k] != NULL)
			leat_tx_source(task->parts[k], on);
}

bool leat_task_leave_part(struct task *task, size_t k)
{
	if (!ends_in_parts(task))
		return false;
	leat_tx_close(task->parts[k]);
	task->parts[k] = NULL;
	return --task->parts_left > 0;
}

struct leat_tx *leat_task_bound(const struct task *task, size_t *k)
{
	if (task->watch != NULL)
		return task->watch;
	if (!ends_in_parts(task))
		return task->parts_end != NULL ? task->parts_end : leat_task_out(task);
	while (task->parts[*k] == NULL)
		*k = (*k + 1) % task->parts_count;
	return task->parts[*k];
}

int leat_task_wait(struct task *task, int64_t until_ns)
{
	size_t k = task->bound;
	int rc;

	do
		rc = leat_tx_wait(leat_task_bound(task, &k), -1, 0, until_ns);
	while (rc == -EPIPE && leat_task_leave_part(task, k));
	return rc == -ETIMEDOUT ? 0 : rc;
}

bool leat_task_flush_after_stop(struct task *task, ssize_t rc)
{
	if (rc != -ESHUTDOWN || !task->source || task->stopped)
		return false;
	task->stopped = true;
	leat_task_set_source(task, false);
	return true;
}

int leat_task_release_used(struct task *task)
{
	const size_t n = task->input_used - task->input_released;
	const void *rest;
	ssize_t held = 0;

	if (n == 0)
		return 0;
	leat_release(task->rx, n);
	task->input_released += n;
	while (task->input_used < task->input && held == 0) {
		held = leat_try_peek(task->rx, task->input - task->input_used, &rest);
		/* the input is bound to one consumer of a partition, and there are others */
		if (held == -EPIPE && leat_task_leave_part(task, task->bound))
			held = leat_task_bind_input(task);
	}
	if (held < 0)
		task->input = 0; /* it holds nothing any more */
	return held < 0 ? (int)held : 0;
}

/* As leat_task_release_used(), where so many of the vector have been sent: without steps it is the
 * input. */
static int release_sent(struct task *task, size_t sent)
{
	if (task->island->steps_count == 0 && task->input > 0)
		task->input_used = sent;
	return leat_task_release_used(task);
}

/* What leaves the island: a zip's type is another. */
static const struct leat_type *out_type(const struct task *task)
{
	return task->flow->nodes[last_node_of(task->island)].type;
}

static int send_items(struct task *task, const char *items, size_t n, size_t size, size_t *used)
{
	ssize_t sent;

	while (*used < n) {
		sent = leat_try_send_batch(task->tx, items + *used * size, n - *used);
		if (sent == -EAGAIN) {
			sent = release_sent(task, *used);
			if (sent == 0)
				sent = leat_send_batch(task->tx, items + *used * size, 1);
		}
		if (sent < 0 && leat_task_flush_after_stop(task, sent))
			continue;
		if (sent < 0)
			return (int)sent;
		*used += (size_t)sent;
	}
	return 0;
}

/* *used: how many are dealt with; none where the turn cannot come any more. */
static int put_in_order(struct task *task, const char *items, size_t n, size_t *used)
{
	struct shared *shared = task->island->shared;
	int rc = 0;

	if (!task->at_turn && leat_shared_put(shared, task->ticket, items, n)) {
		*used = n;
		return 0;
	}
	if (!task->at_turn)
		rc = leat_shared_await_turn(shared, task->ticket, &task->at_turn);
	if (rc != 0)
		return rc;
	*used = n;
	return leat_shared_send(shared, items, n);
}

/* Sends to workers by key. An item that is not used stays where it is. */
static int send_to_workers(struct task *task, const struct node *node, const char *items, size_t n,
                           size_t *used)
{
	int rc = 0;

	for (; *used < n; ++*used) {
		const char *item = items + *used * node->type->size;
		size_t k = (size_t)(node->key(item, node->key_arg) % task->parts_count);

		rc = leat_try_send(task->parts[k], item);
		if (rc == -EAGAIN) {
			rc = release_sent(task, *used);
			if (rc == 0)
				rc = leat_send(task->parts[k], item);
		}
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int send_to_parts(struct task *task, const struct node *node, const char *items, size_t n,
                         size_t *used)
{
	for (; *used < n; items += node->type->size) {
		size_t k = (size_t)(node->key(items, node->key_arg) % task->parts_count);
		int rc;

		do
			rc = task->parts[k] == NULL ? -EPIPE : leat_send(task->parts[k], items);
		while (leat_task_flush_after_stop(task, rc));
		(*used)++;
		if (rc == 0)
			continue;
		leat_items_discard(node->type, items, 1);
		if (rc != -EPIPE)
			return rc;
		if (task->parts[k] == NULL)
			continue;
		leat_tx_close(task->parts[k]);
		task->parts[k] = NULL;
		if (--task->parts_left == 0)
			return -EPIPE;
	}
	return 0;
}

/* One call of an end. *broken: it broke its contract. */
static int call_end_once(struct task *task, const struct node *node, struct leat_vec *v,
                         bool *broken)
{
	const size_t at = task->island->steps_count;
	struct books *books = &task->books[at];
	int rc = node->step.fn(task->states[at], v);

	*broken = leat_breaks_contract(&node->step, v, rc);
	if (__builtin_expect(*broken, 0))
		rc = leat_task_fail_contract(task, at, v, rc);
	if (node->kind == NODE_EACH && !leat_task_borrows(task, at) && v->used > 0)
		leat_items_discard(node->step.in, v->in, v->used);
	books->in += v->used;
	books->used += v->used - v->skipped;
	books->skipped += v->skipped;
	return rc;
}

int leat_task_call_end(struct task *task, const struct node *node, const char *items, size_t n,
                       bool last, size_t *used)
{
	const size_t at = task->island->steps_count, size = node->step.in->size;
	struct leat_vec v;
	bool broken;
	int rc;

	do {
		v = (struct leat_vec){ .in = n == 0 ? NULL : items + *used * size,
			               .n = n - *used,
			               .last = last };
		rc = call_end_once(task, node, &v, &broken);
		*used += v.used;
	} while (rc == 0 && *used < n && v.used > 0);
	if (rc > 0 || (rc == 0 && *used == n) || broken)
		return rc;
	if (rc == 0)
		rc = leat_task_fail_idle(task, at);
	else if (!leat_task_ends_with_scope(task, rc))
		leat_task_fail(task, at, *used < n, rc, leat_task_words(task, at, rc));
	if (*used == n)
		return rc;
	leat_books_failed(&task->books[at]);
	if (!leat_task_borrows(task, at))
		leat_items_discard(node->step.in, items + *used * size, 1);
	(*used)++;
	return rc;
}

int leat_task_deliver(struct task *task, const char *items, size_t n, size_t *used)
{
	const struct node *tail = node_of(task, task->island->steps_count);
	struct books *books = &task->books[task->island->steps_count];
	int rc;

	if (n == 0)
		return 0;
	if (!leat_kind_has_ring(tail->kind))
		return leat_task_call_end(task, tail, items, n, false, used);
	if (task->parts_end != NULL) {
		rc = send_to_workers(task, tail, items, n, used);
	} else if (task->parts != NULL) {
		rc = send_to_parts(task, tail, items, n, used);
	} else if (task->pooled != NULL) {
		rc = leat_island_keep(task->pooled, items, n);
		*used = rc == 0 ? n : 0;
	} else if (task->tx == NULL) {
		rc = put_in_order(task, items, n, used);
	} else {
		rc = send_items(task, items, n, out_type(task)->size, used);
	}
	books->in += *used;
	books->used += *used;
	books->made += *used;
	return rc;
}
