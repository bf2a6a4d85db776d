/*
 * flow/input.c: what an island is given: vectors of one ring, of a zip's two, of a merge or a
 * bridge.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/island.h"

#include <string.h>

/* Puts pairs together. */
static void make_pairs(struct task *task, const char *first, const char *second, size_t n)
{
	const struct leat_type *pair = task->flow->nodes[task->island->head].type;
	char *to = task->in_place;

	for (size_t i = 0; i < n; i++, to += pair->size) {
		memcpy(to + pair->offset, first + i * pair->of->size, pair->of->size);
		memcpy(to + pair->second_offset, second + i * pair->second->size,
		       pair->second->size);
	}
}

/* As leat_task_next(), of what both inputs of a zip have. */
static ssize_t next_pairs(struct task *task, const void **items, int64_t due_ns)
{
	const void *first, *second;
	ssize_t n = leat_peek_until(task->rx, task->vector, &first, due_ns), pairs;

	if (n <= 0)
		return n;
	pairs = leat_peek_until(task->inputs[1], (size_t)n, &second, due_ns);
	if (pairs > 0) {
		make_pairs(task, first, second, (size_t)pairs);
		leat_release(task->inputs[1], (size_t)pairs);
	}
	leat_release(task->rx, pairs > 0 ? (size_t)pairs : 0);
	*items = task->in_place;
	return pairs;
}

/* As leat_task_next(). What a merge takes is the island's own. */
static ssize_t next_merged(struct task *task, const void **items, int64_t due_ns)
{
	ssize_t n = leat_merger_take(task->merger, task->in_place, task->vector, due_ns);
	const char *words;

	*items = task->in_place;
	if (n != -EINVAL)
		return n;
	task->failure = leat_merger_failure(task->merger, &words);
	snprintf(task->text, sizeof(task->text), "%s", words);
	return n;
}

ssize_t leat_task_next(struct task *task, const void **items, int64_t due_ns)
{
	ssize_t n;

	if (task->merger != NULL)
		return next_merged(task, items, due_ns);
	if (task->inputs != NULL)
		return next_pairs(task, items, due_ns);
	n = task->in_place == NULL ? leat_peek_until(task->rx, task->vector, items, due_ns)
	                           : -ENOTSUP;
	if (n != -ENOTSUP)
		return n;
	if (task->in_place == NULL) {
		task->in_place = leat_items_alloc(task->island->vector,
		                                  task->flow->nodes[task->island->head].type->size);
		if (task->in_place == NULL)
			return -ENOMEM;
	}
	*items = task->in_place;
	if (due_ns == LEAT_NEVER)
		return leat_recv_batch(task->rx, task->in_place, task->vector);
	n = leat_try_recv_batch(task->rx, task->in_place, task->vector);
	return n == -EAGAIN ? leat_recv_until(task->rx, task->in_place, due_ns) : n;
}

void leat_task_discard_rest(struct task *task, const void *items, size_t used, size_t n)
{
	const struct leat_type *type = task->flow->nodes[task->island->head].type;

	leat_items_discard(type, (const char *)items + used * type->size, n - used);
}

int leat_task_bind_input(struct task *task)
{
	struct leat_tx *out = leat_task_bound(task, &task->bound);
	int rc = task->inputs == NULL ? leat_rx_bind(task->rx, out) : 0;

	for (size_t i = 0; i < task->inputs_count && rc == 0; i++)
		rc = leat_rx_bind(task->inputs[i], out);
	if (task->merger != NULL)
		leat_merger_bind(task->merger, out);
	return rc;
}

ssize_t leat_task_copy_items(struct task *task, const void **items, size_t n)
{
	const struct leat_type *type = task->flow->nodes[task->island->head].type;
	size_t i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++) {
		rc = type->dup(task->copies + i * type->size,
		               (const char *)*items + i * type->size);
		rc = rc > 0 ? -EINVAL : rc; /* no copy: it says what cannot be */
	}
	*items = task->copies;
	return rc == 0 ? (ssize_t)n : i > 1 ? (ssize_t)i - 1 : rc;
}
