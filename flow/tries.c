/*
 * flow/tries.c: the tries of an item, and what becomes of one that has failed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/island.h"

#include <string.h>

/* Until when the item's time lasts, in the step that this thread is calling for it. */
static __thread int64_t item_until_ns = LEAT_NEVER;

int64_t leat_flow_until_ns(void)
{
	return item_until_ns;
}

/*
 * Whether what the function returned comes too late. A step that has waited until that time, and
 * failed, is late. That it has had enough, that the scope ends its wait, and a failure that is of
 * no item, count at any time.
 */
static bool is_late(const struct task *task, const struct leat_vec *v, const struct tries *tries,
                    int rc)
{
	const int64_t now_ns = leat_now_ns();

	if (rc < 0 && v->used == v->n)
		return false;
	return (rc < 0 ? now_ns >= tries->until_ns : now_ns > tries->until_ns) &&
	       rc != LEAT_ENOUGH && !leat_task_ends_with_scope(task, rc);
}

/* Calls it for one item, whose time begins now if this is its first try. */
static int call_in_time(struct task *task, size_t i, struct leat_vec *v, struct tries *tries)
{
	/* a wait in a step may run a step of a pool in this thread */
	const int64_t outer_ns = item_until_ns;
	int rc;

	item_until_ns = tries->until_ns;
	rc = node_of(task, i)->step.fn(task->states[i], v);
	item_until_ns = outer_ns;
	tries->late = is_late(task, v, tries, rc);
	return rc;
}

int leat_task_call_function(struct task *task, size_t i, struct leat_vec *v, struct tries *tries)
{
	const struct node *node = node_of(task, i);
	uint64_t ticket = 0;
	int rc;

	tries->late = tries->gone = false;
	if (v->n == 0 || (node->breaker == NULL && node->item_ns == 0))
		return node->step.fn(task->states[i], v);
	if (node->item_ns > 0 && tries->until_ns == LEAT_NEVER)
		tries->until_ns = leat_later_ns(leat_now_ns(), node->item_ns);
	rc = node->breaker == NULL ? 0 : leat_breaker_enter(node->breaker, &ticket);
	if (rc != 0)
		return rc;
	rc = node->item_ns > 0 ? call_in_time(task, i, v, tries)
	                       : node->step.fn(task->states[i], v);
	if (node->breaker != NULL)
		leat_breaker_leave(node->breaker, ticket,
		                   tries->late ? -ETIMEDOUT
		                   : rc < 0    ? rc
		                               : 0);
	return rc;
}

int leat_task_drop_late(const struct task *task, size_t i, struct leat_vec *v, struct tries *tries)
{
	const struct node *node = node_of(task, i);

	tries->gone = v->used > 0 && leat_takes_items(&node->step);
	/* what other filters have made is the item itself, which is freed as one that fails */
	if (tries->gone || node->step.kind != LEAT_STEP_FILTER)
		leat_items_discard(node->type, v->out, v->made);
	v->used = v->made = 0;
	v->skipped = 0;
	return -ETIMEDOUT;
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

/* An item has failed; gone: it is no longer the flow's. Whether the step goes on behind it. */
static bool leave_out_failed(struct task *task, size_t i, const char *item, bool gone)
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
	if (!gone && !leat_task_borrows(task, i))
		leat_items_discard(node->step.in, item, 1);
	return true;
}

/*
 * Waits until the item is to be tried again. 1; 0: it is not; or what the island ends with. The
 * source that is stopped gives up the item, by the policy, and goes on with what it has in hand.
 */
static int pause_to_retry(struct task *task, const struct node *node, struct tries *tries)
{
	const bool first = !tries->again;
	int64_t next_ns, pause_ns;
	int rc;

	tries->again = false;
	if (!node->retries || task->stopped || tries->late)
		return 0;
	if (first)
		tries->pauses = node->pauses;
	pause_ns = leat_backoff_next(&tries->pauses);
	if (pause_ns < 0)
		return 0;
	next_ns = leat_later_ns(leat_now_ns(), pause_ns);
	tries->late = next_ns > tries->until_ns;
	if (tries->late)
		return 0;
	rc = leat_task_wait(task, next_ns);
	tries->again = rc == 0;
	return rc == 0 ? 1 : rc == -ESHUTDOWN ? 0 : rc;
}

/* An item has failed for good, with this code of its last try. Returns the code that counts. */
static int fail_item(struct task *task, size_t i, int code, const struct tries *tries)
{
	const char *last = leat_task_words(task, i, code), *late = node_of(task, i)->late_words;
	char words[LEAT_FLOW_TEXT / 2];

	if (!tries->late)
		return leat_task_fail(task, i, true, code, last);
	if (code == -ETIMEDOUT)
		return leat_task_fail(task, i, true, code, late);
	snprintf(words, sizeof(words), "%s; its last try: %s", late, last);
	return leat_task_fail(task, i, true, -ETIMEDOUT, words);
}

int leat_task_handle_failure(struct task *task, size_t i, int code, const char *item, size_t *used,
                             struct tries *tries)
{
	int rc;

	if (leat_task_ends_with_scope(task, code))
		return code;
	if (item == NULL)
		return leat_task_fail(task, i, false, code, leat_task_words(task, i, code));
	rc = pause_to_retry(task, node_of(task, i), tries);
	if (rc != 0)
		return rc > 0 ? 0 : rc;
	code = fail_item(task, i, code, tries);
	tries->until_ns = LEAT_NEVER;
	if (leave_out_failed(task, i, item, tries->gone))
		code = 0;
	*used += code == 0 || tries->gone;
	return code;
}
