/*
 * flow/failure.c: an island fails: at which step and item, and in which words.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/island.h"

#include <string.h>

int leat_task_fail(struct task *task, size_t i, bool at_item, int code, const char *words)
{
	const struct node *node = node_of(task, i);
	char where[LEAT_FLOW_TEXT / 2], item[64] = "in a worker";

	leat_step_where(&node->step, where);
	if (!at_item && node->words[0] != '\0')
		snprintf(item, sizeof(item), "after %llu items",
		         (unsigned long long)task->books[i].in);
	else if (!at_item && task->due == i + 1)
		snprintf(item, sizeof(item), "called when it was due");
	else if (!at_item)
		snprintf(item, sizeof(item), "behind its last item");
	else if (leat_island_threads(task->island) == 1)
		snprintf(item, sizeof(item), "item %llu", (unsigned long long)task->books[i].in);
	snprintf(task->text, sizeof(task->text), "%sstep \"%s\", %s: %s", where, node->name, item,
	         words);
	task->failure = code;
	return code;
}

const char *leat_task_words(const struct task *task, size_t i, int code)
{
	const char *words = node_of(task, i)->words;

	if (words[0] != '\0')
		return words;
	return code == -EDEADLK && task->pooled != NULL
	               ? "it would wait, in a step on a pool: its leat_step.waits must say so"
	               : strerror(-code);
}

bool leat_task_ends_with_scope(const struct task *task, int code)
{
	return (code == -ECANCELED && leat_flow_is_cancelled(task->flow->scope)) ||
	       (code == -ESHUTDOWN && task->source && leat_scope_stopping(task->flow->scope));
}

int leat_task_fail_idle(struct task *task, size_t i)
{
	return leat_task_fail(task, i, true, -EINVAL, "it used none of its items, and made none");
}

int leat_task_fail_contract(struct task *task, size_t i, struct leat_vec *v, int rc)
{
	char words[96];

	if (v->used > v->n)
		snprintf(words, sizeof(words), "it said that it used %zu of %zu items", v->used,
		         v->n);
	else if (v->made > v->room)
		snprintf(words, sizeof(words), "it said that it made %zu items in room for %zu",
		         v->made, v->room);
	else if (v->skipped > v->used)
		snprintf(words, sizeof(words), "it said that it left out %llu of %zu items",
		         (unsigned long long)v->skipped, v->used);
	else if (leat_moves_items(&node_of(task, i)->step) && v->made > v->used)
		snprintf(words, sizeof(words), "it passed on %zu items, and used %zu", v->made,
		         v->used);
	else if (rc == LEAT_LATER)
		snprintf(words, sizeof(words), "it returned LEAT_LATER, and has no due_ns");
	else
		snprintf(words, sizeof(words), "it returned %d, and not 0, LEAT_ENOUGH or -errno",
		         rc);
	leat_task_fail(task, i, v->n > 0, -EINVAL, words);
	v->used = v->used < v->n ? v->used : v->n;
	v->made = v->made > v->room ? 0 : v->made;
	v->skipped = v->skipped > v->used ? 0 : v->skipped;
	return -EINVAL;
}
