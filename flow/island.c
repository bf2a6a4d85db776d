/*
 * The work of an island: vectors through its steps.
 *
 * Depth first: what a step has made of a vector goes through the steps behind it before the step is
 * called again, so one vector for each step is all the memory there is.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/task.h"

#include <stdlib.h>
#include <string.h>

#define PASS_NS INT64_C(100000)

/* --- failures --- */

/* Step i has failed with these words: at an item, or where there is none. Returns the code. */
static int fail_step(struct task *task, size_t i, bool at_item, int code, const char *words)
{
	const struct node *node = node_of(task, i);
	char where[LEAT_FLOW_TEXT / 2], item[64] = "in a worker";

	leat_step_where(&node->step, where);
	if (!at_item && node->words[0] != '\0')
		snprintf(item, sizeof(item), "after %llu items",
		         (unsigned long long)task->books[i].in);
	else if (!at_item)
		snprintf(item, sizeof(item), "behind its last item");
	else if (leat_island_threads(task->island) == 1)
		snprintf(item, sizeof(item), "item %llu", (unsigned long long)task->books[i].in);
	snprintf(task->text, sizeof(task->text), "%sstep \"%s\", %s: %s", where, node->name, item,
	         words);
	task->failure = code;
	return code;
}

static const char *words_of(const struct task *task, size_t i, int code)
{
	const char *words = node_of(task, i)->words;

	if (words[0] != '\0')
		return words;
	return code == -EDEADLK && task->pooled != NULL
	               ? "it would wait, in a step on a pool: its leat_step.waits must say so"
	               : strerror(-code);
}

/*
 * Whether a wait inside the step was refused, by a cancel of the flow's scope, or by a stop where
 * this island is a source: no failure of an item.
 */
static bool ends_with_scope(const struct task *task, int code)
{
	return (code == -ECANCELED && leat_flow_is_cancelled(task->flow->scope)) ||
	       (code == -ESHUTDOWN && task->source && leat_scope_stopping(task->flow->scope));
}

/* It would be called for ever. */
static int fail_idle(struct task *task, size_t i)
{
	return fail_step(task, i, true, -EINVAL, "it used none of its items, and made none");
}

/*
 * What a step, or an end, says of a call is against the rules of struct leat_vec. Such a call's
 * results go nowhere, and only what can be true of the rest counts. Returns -EINVAL.
 */
static int fail_contract(struct task *task, size_t i, struct leat_vec *v, int rc)
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
	else if (rc == LEAT_LATER)
		snprintf(words, sizeof(words), "it returned LEAT_LATER, and has no due_ns");
	else
		snprintf(words, sizeof(words), "it returned %d, and not 0, LEAT_ENOUGH or -errno",
		         rc);
	fail_step(task, i, v->n > 0, -EINVAL, words);
	v->used = v->used < v->n ? v->used : v->n;
	v->made = v->made > v->room ? 0 : v->made;
	v->skipped = v->skipped > v->used ? 0 : v->skipped;
	return -EINVAL;
}

/* waits: it may return LEAT_LATER. */
static bool breaks_contract(const struct leat_vec *v, int rc, bool waits)
{
	return (v->used > v->n) | (v->made > v->room) | (v->skipped > v->used) |
	       ((rc > 0) & (rc != LEAT_ENOUGH) & ((rc != LEAT_LATER) | !waits));
}

static void count_failed(struct books *books)
{
	books->in++;
	books->failed++;
}

/* --- what leaves the island --- */

/* The sender that says when the island is to end: of its ring, or of the task. */
static struct leat_tx *out_of(const struct task *task)
{
	return task->tx != NULL ? task->tx : task->out;
}

/* The island is a source, which a stop ends; or only has to pass on what is in hand. */
static void set_source(struct task *task, bool on)
{
	leat_tx_source(out_of(task), on);
	if (task->parts_end != NULL)
		leat_tx_source(task->parts_end, on);
}

/* Whether it ends in the rings of a partition, whose consumers leave one by one. */
static bool ends_in_parts(const struct task *task)
{
	return task->parts != NULL && task->parts_end == NULL;
}

/*
 * A send of a source was refused, as the scope stops: what is in hand is sent all the same, and the
 * source ends.
 */
static bool flush_after_stop(struct task *task, ssize_t rc)
{
	if (rc != -ESHUTDOWN || !task->source || task->stopped)
		return false;
	task->stopped = true;
	set_source(task, false);
	return true;
}

/*
 * The task is about to wait for room: releases what it has used of its input, so that the ring
 * there has all the room that it says, and holds the rest again. Returns 0; or -errno if it cannot
 * be held: by a cancel, which has freed the items, or as the output has ended. The task must not
 * touch the rest then.
 */
static int release_used(struct task *task)
{
	const size_t n = task->input_used - task->input_released;
	const void *rest;
	ssize_t held = 0;

	if (n == 0)
		return 0;
	leat_release(task->rx, n);
	task->input_released += n;
	if (task->input_used < task->input)
		held = leat_try_peek(task->rx, task->input - task->input_used, &rest);
	return held < 0 ? (int)held : 0;
}

/* As release_used(), where so many of the vector have been sent: without steps it is the input. */
static int release_sent(struct task *task, size_t sent)
{
	if (task->island->steps_count == 0 && task->input > 0)
		task->input_used = sent;
	return release_used(task);
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
		if (sent < 0 && flush_after_stop(task, sent))
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
		int rc = task->parts[k] == NULL ? -EPIPE : leat_send(task->parts[k], items);

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

/* Whether step i, or the end, is given items that it must not free. */
static bool is_borrowed(const struct task *task, size_t i)
{
	return i == 0 && task->borrowed;
}

/* One call of an end. *broken: it broke its contract. */
static int call_end_once(struct task *task, const struct node *node, struct leat_vec *v,
                         bool *broken)
{
	const size_t at = task->island->steps_count;
	struct books *books = &task->books[at];
	int rc = node->step.fn(task->states[at], v);

	*broken = breaks_contract(v, rc, false);
	if (__builtin_expect(*broken, 0))
		rc = fail_contract(task, at, v, rc);
	if (node->kind == NODE_EACH && !is_borrowed(task, at) && v->used > 0)
		leat_items_discard(node->step.in, v->in, v->used);
	books->in += v->used;
	books->used += v->used - v->skipped;
	books->skipped += v->skipped;
	return rc;
}

/* Calls an end until it has used all. Its books are behind those of the steps. */
static int call_end(struct task *task, const struct node *node, const char *items, size_t n,
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
		rc = fail_idle(task, at);
	else if (!ends_with_scope(task, rc))
		fail_step(task, at, *used < n, rc, words_of(task, at, rc));
	if (*used == n)
		return rc;
	count_failed(&task->books[at]);
	if (!is_borrowed(task, at))
		leat_items_discard(node->step.in, items + *used * size, 1);
	(*used)++;
	return rc;
}

/* *used: how many are dealt with. */
static int deliver(struct task *task, const char *items, size_t n, size_t *used)
{
	const struct node *tail = node_of(task, task->island->steps_count);
	struct books *books = &task->books[task->island->steps_count];
	int rc;

	if (n == 0)
		return 0;
	if (!leat_kind_has_ring(tail->kind))
		return call_end(task, tail, items, n, false, used);
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

/* --- steps --- */

static int run_steps(struct task *task, size_t i, const char *items, size_t n, bool last,
                     size_t *used);

/*
 * Whether step i writes into the ring behind it. Not where others send into that ring, too: their
 * items would be behind those that this step is still to write, and wait for it.
 */
static bool writes_in_place(const struct task *task, size_t i, size_t n)
{
	return i + 1 == task->island->steps_count && n > 0 && task->tx != NULL &&
	       !leat_ring_has_several_senders(node_of(task, i + 1));
}

/* Whether step i writes into the array that the island ends in. */
static bool is_before_array(const struct task *task, size_t i)
{
	return i + 1 == task->island->steps_count && node_of(task, i + 1)->kind == NODE_TO_ARRAY;
}

/* Room for what step i makes. Returns how many items, or -errno. */
static ssize_t find_place(struct task *task, size_t i, size_t n, void **place)
{
	int rc = 0;
	ssize_t r;

	task->in_ring = task->in_array = false;
	if (is_before_array(task, i) && n > 0) {
		const struct collected *array = task->states[i + 1];

		*place = array->items + array->count * array->size;
		r = (ssize_t)(array->room - array->count);
		task->in_array = (size_t)r >= task->island->vector;
		if (task->in_array)
			return (ssize_t)task->island->vector;
	}
	if (writes_in_place(task, i, n)) {
		r = leat_try_reserve(task->tx, task->vector, place);
		if (r == -EAGAIN)
			rc = release_used(task);
		if (rc < 0)
			return rc;
		while (r < 0 && (r == -EAGAIN || flush_after_stop(task, r)))
			r = leat_reserve(task->tx, task->vector, place);
		task->in_ring = r > 0;
		if (r < 0 || (size_t)r >= node_of(task, i)->step.most)
			return r;
		leat_commit(task->tx, 0); /* the ring's end is near */
		task->in_ring = false;
	}
	*place = task->vectors[i];
	return (ssize_t)task->island->vector;
}

/* Step i has made these. */
static int pass_made(struct task *task, size_t i, const struct leat_vec *v)
{
	struct books *tail = &task->books[task->island->steps_count];
	const struct leat_type *type = node_of(task, i)->type;
	size_t used = 0;
	int rc;

	if (!task->in_ring && !task->in_array) {
		rc = v->made == 0 ? 0 : run_steps(task, i + 1, v->out, v->made, false, &used);
		/* it may have ended early */
		leat_items_discard(type, (const char *)v->out + used * type->size, v->made - used);
		return rc;
	}
	if (task->in_ring)
		leat_commit(task->tx, v->made);
	else
		((struct collected *)task->states[i + 1])->count += v->made;
	tail->in += v->made;
	tail->used += v->made;
	tail->made += task->in_ring ? v->made : 0;
	return 0;
}

/*
 * The step has dealt with one item of a type that owns something. A step that moves items has
 * passed it on if it made one.
 */
static void free_used(const struct task *task, size_t i, const struct leat_vec *v)
{
	const struct node *node = node_of(task, i);

	if (is_borrowed(task, i))
		return;
	if (v->used > 0 && !(node->step.kind == LEAT_STEP_FILTER && v->made > 0))
		leat_items_discard(node->step.in, v->in, 1);
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
	count_failed(&task->books[i]);
	if (node->on_error != LEAT_ON_ERROR_SKIP)
		return false;
	task->failure = 0;
	if (!is_borrowed(task, i))
		leat_items_discard(node->step.in, item, 1);
	return true;
}

/* Whether step i is called for one item at a time. */
static bool is_called_singly(const struct node *node)
{
	/* each item is to be freed, or not; each asks the breaker */
	return node->step.in->discard != NULL || node->breaker != NULL;
}

/* Calls the function of a step. */
static int call_function(struct task *task, size_t i, struct leat_vec *v)
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

static void count_call(struct task *task, size_t i, const struct leat_vec *v)
{
	struct books *books = &task->books[i];

	if (i == 0 && task->input > 0)
		task->input_used += v->used;
	books->in += v->used;
	books->used += v->used - v->skipped;
	books->skipped += v->skipped;
	books->made += v->made;
}

/* What a step has made in a call that broke its contract. Of what it moves it cannot make more. */
static void drop_made(struct task *task, size_t i, const struct leat_vec *v)
{
	const struct node *node = node_of(task, i);
	bool moves = node->step.kind == LEAT_STEP_FILTER && v->made > v->used;

	leat_items_discard(node->type, v->out, moves ? v->used : v->made);
	task->books[i].made -= v->made;
	if (task->in_ring)
		leat_commit(task->tx, 0);
}

/* One call of step i. */
static int call_step(struct task *task, size_t i, struct leat_vec *v)
{
	const struct node *node = node_of(task, i);
	ssize_t room = find_place(task, i, v->n, &v->out);
	bool broken;
	int rc, passed;

	task->own_result = false;
	if (room < 0)
		return (int)room;
	v->room = (size_t)room;
	rc = call_function(task, i, v);
	broken = breaks_contract(v, rc, node->step.due_ns != NULL);
	if (__builtin_expect(broken, 0))
		rc = fail_contract(task, i, v, rc);
	count_call(task, i, v);
	if (node->keeps && v->skipped > 0 && !broken)
		return fail_step(task, i, true, -EDEADLK,
		                 "it left an item out between a tee and a zip, which would wait");
	if (node->step.in->discard != NULL)
		free_used(task, i, v);
	if (__builtin_expect(broken, 0)) {
		drop_made(task, i, v);
		return rc;
	}
	passed = pass_made(task, i, v);
	/* the step behind has had enough: then the item that failed was not needed */
	task->own_result = passed == 0 && rc != 0;
	return passed != 0 ? passed : rc;
}

/* Step i and those behind it have seen their last item. */
static int end_steps(struct task *task, size_t i)
{
	const struct node *node = node_of(task, i);
	size_t used = 0;

	if (i < task->island->steps_count)
		return run_steps(task, i, NULL, 0, true, &used);
	return node->kind == NODE_EACH ? call_end(task, node, NULL, 0, true, &used) : 0;
}

int leat_task_end(struct task *task)
{
	return end_steps(task, 0);
}

/* The tries of one item: `again` while it is tried again. */
struct retry {
	bool again;
	struct leat_backoff pauses;
};

/* Waits until the item is to be tried again. 1; 0: it is not; -ECANCELED. */
static int pause_to_retry(struct task *task, const struct node *node, struct retry *retry)
{
	int64_t pause_ns;

	if (!node->retries)
		return 0;
	if (!retry->again)
		retry->pauses = node->pauses;
	retry->again = false;
	pause_ns = leat_backoff_next(&retry->pauses);
	if (pause_ns < 0)
		return 0;
	switch (leat_scope_sleep(task->flow->scope, leat_now_ns() + pause_ns)) {
	case 0:
		break;
	case -ESHUTDOWN: /* a stop, of an island that is a source */
		return 0;
	default:
		return -ECANCELED;
	}
	retry->again = true;
	return 1;
}

/*
 * What step i has returned is a failure, of this item, if there is one. Returns 0 to go on, with
 * the item again or behind it; or what the island ends with.
 */
static int handle_failure(struct task *task, size_t i, int code, const char *item, size_t *used,
                          struct retry *retry)
{
	int rc;

	if (ends_with_scope(task, code))
		return code;
	rc = item == NULL ? 0 : pause_to_retry(task, node_of(task, i), retry);
	if (rc != 0)
		return rc > 0 ? 0 : rc;
	fail_step(task, i, item != NULL, code, words_of(task, i, code));
	if (item == NULL || !leave_out_failed(task, i, item))
		return code;
	*used += 1;
	return 0;
}

/* --- times --- */

/* When step k is to be called without an item, or LEAT_NEVER. */
static int64_t due_of_ns(const struct task *task, size_t k)
{
	const struct leat_step *step = &node_of(task, k)->step;

	return step->due_ns == NULL ? LEAT_NEVER : step->due_ns(task->states[k]);
}

/* When the first of the steps from k on, or the end, is to be called so, or LEAT_NEVER. */
static int64_t first_due_ns(const struct task *task, size_t k)
{
	int64_t first_ns = LEAT_NEVER;

	for (; task->timed && k <= task->island->steps_count; k++) {
		int64_t due_ns = due_of_ns(task, k);

		first_ns = due_ns < first_ns ? due_ns : first_ns;
	}
	return first_ns;
}

/*
 * Calls the steps from k on whose time has come, and the end. from_ns: until then the island has
 * waited for items.
 */
static int run_due(struct task *task, size_t k, int64_t from_ns)
{
	const size_t steps = task->island->steps_count;
	size_t used = 0;
	int rc = 0;

	for (; task->timed && k <= steps && rc == 0; k++) {
		const struct node *node = node_of(task, k);
		int64_t due_ns = due_of_ns(task, k);

		if (due_ns > leat_now_ns())
			continue;
		if (node->listen != NULL && due_ns > from_ns)
			node->listen(task->states[k]);
		else if (k < steps)
			rc = run_steps(task, k, NULL, 0, false, &used);
		else
			rc = call_end(task, node, NULL, 0, false, &used);
	}
	return rc;
}

/* The consumer of this part has left. Whether others have not. */
static bool leave_part(struct task *task, size_t k)
{
	if (!ends_in_parts(task))
		return false;
	leat_tx_close(task->parts[k]);
	task->parts[k] = NULL;
	return --task->parts_left > 0;
}

/* The sender that the island ends with. Of parts it is the first from the k-th on that is there. */
static struct leat_tx *bound_of(const struct task *task, size_t *k)
{
	if (!ends_in_parts(task))
		return task->parts_end != NULL ? task->parts_end : out_of(task);
	while (task->parts[*k] == NULL)
		*k = (*k + 1) % task->parts_count;
	return task->parts[*k];
}

/* Returns 0 when the time has come; before that an error, if the island is to end. */
static int wait_until(struct task *task, int64_t until_ns)
{
	size_t k = task->bound;
	int rc;

	for (;;) {
		rc = leat_tx_wait(bound_of(task, &k), -1, 0, until_ns);
		if (rc == -ETIMEDOUT)
			return 0;
		if (!(rc == -EPIPE && leave_part(task, k)) && !flush_after_stop(task, rc))
			return rc;
	}
}

/*
 * Step i has returned LEAT_LATER: waits until it is due. Meanwhile those behind it are called as
 * they are due. *awaited_ns: the time for which it has been waited before, or LEAT_NEVER.
 */
static int await_due(struct task *task, size_t i, bool at_item, int64_t *awaited_ns)
{
	int64_t due_ns = due_of_ns(task, i);
	int rc;

	if (due_ns == *awaited_ns)
		return fail_step(task, i, at_item, -EINVAL,
		                 due_ns == LEAT_NEVER
		                         ? "it returned LEAT_LATER, and is never due"
		                         : "it returned LEAT_LATER, was due, and did nothing");
	*awaited_ns = due_ns;
	rc = release_used(task);
	while (rc == 0 && leat_now_ns() < due_ns) {
		rc = wait_until(task, first_due_ns(task, i));
		if (rc == 0)
			rc = run_due(task, i + 1, leat_now_ns());
	}
	return rc;
}

/*
 * Puts n items through step i and those behind it. Returns 0; LEAT_ENOUGH; -errno. *used: how many
 * of them are dealt with.
 */
static int run_steps(struct task *task, size_t i, const char *items, size_t n, bool last,
                     size_t *used)
{
	const struct node *node = node_of(task, i);
	const size_t size = i < task->island->steps_count ? node->step.in->size : 0;
	int64_t awaited_ns = LEAT_NEVER;
	struct retry retry;
	bool own = false;
	int rc = 0;

	*used = 0;
	if (i == task->island->steps_count)
		return deliver(task, items, n, used);
	retry.again = false; /* and pauses are set by the first failure */
	for (;;) {
		size_t now = n - *used;
		struct leat_vec v = { .in = n == 0 ? NULL : items + *used * size, .last = last };

		v.n = now > 1 && (is_called_singly(node) || retry.again) ? 1 : now;
		rc = call_step(task, i, &v);
		own = task->own_result;
		*used += v.used;
		if (rc == LEAT_LATER) {
			bool waits = *used < n || last;

			own = false;
			rc = waits ? await_due(task, i, *used < n, &awaited_ns) : 0;
			if (rc == 0 && waits)
				continue;
		} else if (rc < 0 && own) {
			rc = handle_failure(task, i, rc, *used < n ? items + *used * size : NULL,
			                    used, &retry);
			if (rc == 0 && *used < n)
				continue;
		} else if (rc == 0 && v.n > 0 && v.used == 0 && v.made == 0) {
			rc = fail_idle(task, i);
			count_failed(&task->books[i]);
		}
		retry.again = false;
		/* it may hold more than it had room for */
		if (rc != 0 || (*used == n && (v.made == 0 || (v.made < v.room && !last))))
			break;
	}
	if ((rc == LEAT_ENOUGH && own) || (rc == 0 && last)) {
		int ended = end_steps(task, i + 1);

		return ended < 0 ? ended : rc;
	}
	return rc;
}

/* --- vectors --- */

/*
 * A pass is to take at most 100 microseconds, for the sake of what ends the island. The clock is
 * read each sixteenth pass.
 */
static void adapt_vector(struct task *task, int64_t from_ns)
{
	int64_t took_ns = leat_now_ns() - from_ns;

	if (took_ns > PASS_NS && task->vector > 1)
		task->vector /= 2;
	else if (took_ns < PASS_NS / 4 && task->vector <= task->island->vector / 2)
		task->vector *= 2;
	else if (took_ns < PASS_NS / 4)
		task->vector = task->island->vector;
}

int leat_task_pass(struct task *task, const void *items, size_t n, size_t *used)
{
	bool timed = task->passes++ % 16 == 0 && n == task->vector;
	int64_t from_ns = timed ? leat_now_ns() : 0;
	int rc = run_steps(task, 0, items, n, false, used);

	task->taken += *used;
	if (timed)
		adapt_vector(task, from_ns);
	return rc;
}

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

/* As next_items(), of what both inputs of a zip have. */
static ssize_t next_pairs(struct task *task, const void **items)
{
	int64_t due_ns = first_due_ns(task, 0);
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

/* As next_items(). What a merge takes is the island's own. */
static ssize_t next_merged(struct task *task, const void **items)
{
	ssize_t n =
		leat_merger_take(task->merger, task->in_place, task->vector, first_due_ns(task, 0));

	*items = task->in_place;
	if (n != -EINVAL)
		return n;
	task->failure = -EINVAL;
	snprintf(task->text, sizeof(task->text), "%s", leat_merger_words(task->merger));
	return n;
}

/* -ETIMEDOUT: a step is due. */
static ssize_t next_items(struct task *task, const void **items)
{
	int64_t due_ns;
	ssize_t n;

	if (task->merger != NULL)
		return next_merged(task, items);
	if (task->inputs != NULL)
		return next_pairs(task, items);
	due_ns = first_due_ns(task, 0);
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
	if (due_ns != LEAT_NEVER)
		return leat_recv_until(task->rx, (char *)task->in_place, due_ns);
	return leat_recv_batch(task->rx, (char *)task->in_place, task->vector);
}

void leat_task_discard_rest(struct task *task, const void *items, size_t used, size_t n)
{
	const struct leat_type *type = task->flow->nodes[task->island->head].type;

	leat_items_discard(type, (const char *)items + used * type->size, n - used);
}

/*
 * So that the island ends while its input is idle: with the consumer of its ring, with the last
 * consumer of a partition, with the first of workers by key, with the scope.
 */
static int bind_input(struct task *task)
{
	struct leat_tx *out = bound_of(task, &task->bound);
	int rc = task->inputs == NULL ? leat_rx_bind(task->rx, out) : 0;

	for (size_t i = 0; i < task->inputs_count && rc == 0; i++)
		rc = leat_rx_bind(task->inputs[i], out);
	return rc;
}

/* Makes copies of borrowed items. Returns how many, or -errno if the first fails. */
static ssize_t copy_items(struct task *task, const void **items, size_t n)
{
	const struct leat_type *type = task->flow->nodes[task->island->head].type;
	size_t i;
	int rc = 0;

	for (i = 0; i < n && rc == 0; i++)
		rc = type->dup(task->copies + i * type->size,
		               (const char *)*items + i * type->size);
	*items = task->copies;
	return rc == 0 ? (ssize_t)n : i > 1 ? (ssize_t)i - 1 : rc;
}

/* A pass over what was received, and what becomes of it in the ring. */
static int pass_received(struct task *task, const void *items, size_t n)
{
	size_t used = 0;
	ssize_t copied = (ssize_t)n;
	int rc;

	if (task->copies != NULL) {
		copied = copy_items(task, &items, n);
		leat_release(task->rx, copied > 0 ? (size_t)copied : 0);
	} else if (task->in_place == NULL) {
		task->input = n;
	}
	task->input_used = task->input_released = 0;
	rc = copied < 0 ? (int)copied : leat_task_pass(task, items, (size_t)copied, &used);
	if (task->input > 0)
		leat_release(task->rx, used - task->input_released);
	task->input = 0;
	if (task->in_place != NULL || task->copies != NULL)
		leat_task_discard_rest(task, items, used, copied > 0 ? (size_t)copied : 0);
	return rc;
}

static int work_rx(struct task *task)
{
	const void *items;
	int64_t from_ns;
	ssize_t n;
	int rc = bind_input(task);

	while (rc == 0) {
		n = next_items(task, &items);
		if (n == -EPIPE && leave_part(task, task->bound)) {
			rc = bind_input(task);
			continue;
		}
		if (n == 0)
			return end_steps(task, 0);
		if (n < 0 && n != -ETIMEDOUT)
			return (int)n;
		from_ns = task->timed ? leat_now_ns() : 0;
		rc = n < 0 ? 0 : pass_received(task, items, (size_t)n);
		if (rc == 0)
			rc = run_due(task, 0, from_ns);
		if (rc == 0 && task->parts != NULL && task->parts[task->bound] == NULL)
			rc = bind_input(task);
	}
	return rc;
}

static int work_array(struct task *task)
{
	const struct node *head = &task->flow->nodes[task->island->head];
	struct leat_tx *told = out_of(task);
	size_t at = 0, used;
	int64_t from_ns;
	int rc = 0;

	task->source = true;
	set_source(task, true);
	while (at < head->count && rc == 0 && !task->stopped) {
		size_t n = head->count - at < task->vector ? head->count - at : task->vector;

		if (leat_tx_done(told) ||
		    (task->parts_end != NULL && leat_tx_done(task->parts_end)))
			break;
		from_ns = task->timed ? leat_now_ns() : 0;
		rc = leat_task_pass(task, head->items + at * head->type->size, n, &used);
		at += used;
		if (rc == 0)
			rc = run_due(task, 0, from_ns);
	}
	if (rc == 0)
		rc = end_steps(task, 0);
	return rc;
}

/* The vector of the task's ticket is worked off, and rc is what the steps returned. */
static int finish_ticket(struct task *task, int rc)
{
	struct finished finished = { .ticket = task->ticket,
		                     .held = task->at_turn,
		                     .rc = rc,
		                     .failure = task->failure,
		                     .text = task->text };
	int finish = leat_shared_finish(task->island->shared, &finished);

	return rc != 0 ? rc : finish;
}

static int work_shared(struct task *task)
{
	struct shared *shared = task->island->shared;
	const size_t size = task->flow->nodes[task->island->head].type->size;
	size_t used;
	ssize_t n;
	int rc;

	do {
		n = leat_shared_take(shared, task->in_place, task->vector, size, &task->ticket);
		if (n < 0)
			return (int)n;
		task->at_turn = false;
		if (n == 0) {
			rc = end_steps(task, 0);
		} else {
			rc = leat_task_pass(task, task->in_place, (size_t)n, &used);
			leat_task_discard_rest(task, task->in_place, used, (size_t)n);
		}
		if (shared->window > 0)
			rc = finish_ticket(task, rc);
	} while (n > 0 && rc == 0);
	return rc;
}

int leat_task_work(struct task *task)
{
	return task->island->shared != NULL ? work_shared(task)
	       : task->rx != NULL           ? work_rx(task)
	                                    : work_array(task);
}
