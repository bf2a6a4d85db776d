/*
 * flow/tries.c: the tries of an item, and what becomes of one that has failed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/island.h"

#include <string.h>

int leat_task_call_function(struct task *task, size_t i, struct leat_vec *v)
{
	const struct node *node = node_of(task, i);
	uint64_t ticket = 0;
	int rc;

	if (node->breaker == NULL || v->n == 0)
		return node->step.fn(task->states[i], v);
	rc = leat_breaker_enter(node->breaker, &ticket);
	if (rc != 0)
		return rc;
	rc = node->step.fn(task->states[i], v);
	leat_breaker_leave(node->breaker, ticket, rc < 0 ? rc : 0);
	return rc;
}

/* Sends an item that has failed to the step's ring of trouble. Without a consumer it is counted. */
static void divert_item(struct task *task, size_t i, const char *item)
{
	const struct leat_type *type = task->flow->nodes[node_of(task, i)->divert].type;
	int64_t code = task->failure;
	uint64_t number = task->books[i].in - 1;
	void *place;

	if (task->diverts[i] == NULL)
		return;
	if (leat_reserve(task->diverts[i], 1, &place) != 1) {
		leat_tx_close(task->diverts[i]);
		task->diverts[i] = NULL;
		return;
	}
	memcpy(place, &code, sizeof(code));
	memcpy((char *)place + sizeof(code), &number, sizeof(number));
	memcpy((char *)place + type->offset, item, type->of->size);
	leat_commit(task->diverts[i], 1);
}

/* An item has failed. Whether the step goes on behind it. */
static bool leave_out_failed(struct task *task, size_t i, const char *item)
{
	const struct node *node = node_of(task, i);

	if (node->divert != 0) {
		task->books[i].in++;
		task->books[i].diverted++;
		divert_item(task, i, item);
		task->failure = 0;
		return true;
	}
	leat_books_failed(&task->books[i]);
	if (node->on_error != LEAT_ON_ERROR_SKIP)
		return false;
	task->failure = 0;
	if (!leat_task_borrows(task, i))
		leat_items_discard(node->step.in, item, 1);
	return true;
}

/*
 * Waits until the item is to be tried again. 1; 0: it is not; or what the island ends with. The
 * source that is stopped gives up the item, by the policy, and goes on with what it has in hand.
 */
static int pause_to_retry(struct task *task, const struct node *node, struct retry *retry)
{
	const bool first = !retry->again;
	int64_t pause_ns;
	int rc;

	retry->again = false;
	if (!node->retries || task->stopped)
		return 0;
	if (first)
		retry->pauses = node->pauses;
	pause_ns = leat_backoff_next(&retry->pauses);
	if (pause_ns < 0)
		return 0;
	rc = leat_task_wait(task, leat_later_ns(leat_now_ns(), pause_ns));
	retry->again = rc == 0;
	return rc == 0 ? 1 : rc == -ESHUTDOWN ? 0 : rc;
}

int leat_task_handle_failure(struct task *task, size_t i, int code, const char *item, size_t *used,
                             struct retry *retry)
{
	int rc;

	if (leat_task_ends_with_scope(task, code))
		return code;
	rc = item == NULL ? 0 : pause_to_retry(task, node_of(task, i), retry);
	if (rc != 0)
		return rc > 0 ? 0 : rc;
	leat_task_fail(task, i, item != NULL, code, leat_task_words(task, i, code));
	if (item == NULL || !leave_out_failed(task, i, item))
		return code;
	*used += 1;
	return 0;
}
