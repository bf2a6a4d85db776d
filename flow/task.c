/*
 * The tasks of an island: what they are given, their threads, and what they tell when they end.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/task.h"

#include <stdlib.h>
#include <string.h>

/* --- the task --- */

/* Tells those behind the island how it has failed. */
static void tell_failure(struct task *task, int code, const char *text)
{
	if (task->tx != NULL)
		leat_tx_fail(task->tx, code, text);
	for (size_t i = 0;
	     task->parts != NULL && i < node_of(task, task->island->steps_count)->outputs; i++)
		if (task->parts[i] != NULL)
			leat_tx_fail(task->parts[i], code, text);
}

static bool has_failed(struct leat_rx *rx)
{
	enum leat_cause cause;

	return leat_rx_status(rx, &cause, NULL, NULL) == 0 && cause == LEAT_FAILED;
}

/* The input has ended by a failure, so this island's outputs do. */
static void take_over_failure(struct task *task)
{
	struct leat_rx *rx = task->second != NULL && has_failed(task->second) ? task->second
	                     : task->rx != NULL                               ? task->rx
	                     : task->island->shared != NULL ? task->island->shared->rx
	                                                    : NULL;
	enum leat_cause cause;
	const char *text;
	int code;

	if (rx == NULL || leat_rx_status(rx, &cause, &code, &text) != 0 || cause != LEAT_FAILED)
		return;
	flow_mistake(task->flow, code, "%s", text[0] != '\0' ? text : strerror(-code));
	tell_failure(task, code, text);
}

static void add_books(struct task *task)
{
	pthread_mutex_lock(&task->flow->lock);
	for (size_t i = 0; i <= task->island->steps_count; i++) {
		const struct node *node = node_of(task, i);
		struct books *to = &((struct node *)(uintptr_t)node)->books;

		to->in += task->books[i].in;
		to->used += task->books[i].used;
		to->skipped += task->books[i].skipped;
		to->failed += task->books[i].failed;
		to->diverted += task->books[i].diverted;
		to->made += task->books[i].made;
	}
	pthread_mutex_unlock(&task->flow->lock);
}

static void close_handles(struct task *task)
{
	if (task->tx != NULL)
		leat_tx_close(task->tx);
	task->tx = NULL;
	for (size_t i = 0;
	     task->parts != NULL && i < node_of(task, task->island->steps_count)->outputs; i++) {
		if (task->parts[i] != NULL)
			leat_tx_close(task->parts[i]);
		task->parts[i] = NULL;
	}
	for (size_t i = 0; task->diverts != NULL && i < task->island->steps_count; i++) {
		if (task->diverts[i] != NULL)
			leat_tx_close(task->diverts[i]);
		task->diverts[i] = NULL;
	}
	if (task->rx != NULL)
		leat_rx_close(task->rx);
	if (task->second != NULL)
		leat_rx_close(task->second);
	task->rx = task->second = NULL;
}

/* What the island ended with, if it is a failure that has no text yet. */
static void name_failure(struct task *task, int rc)
{
	if (rc >= 0 || task->failure != 0 || rc == -EPIPE || rc == -ECANCELED || rc == -ESHUTDOWN)
		return;
	task->failure = rc;
	snprintf(task->text, sizeof(task->text), "%s, at its input: %s", node_of(task, 0)->name,
	         strerror(-rc));
}

static int work(struct leat_tx *out, void *arg)
{
	struct task *task = arg;
	struct shared *shared = task->island->shared;
	bool ordered = shared != NULL && shared->window > 0;
	int rc;

	task->out = out;
	if (task->rx != NULL && task->tx != NULL)
		leat_rx_bind(task->rx, task->tx);
	if (task->second != NULL && task->tx != NULL)
		leat_rx_bind(task->second, task->tx);
	rc = task_work(task);
	if (rc == 0)
		take_over_failure(task);
	name_failure(task, rc);
	if (shared != NULL && rc != 0 && !(ordered && task->failure != 0))
		shared_end(shared);
	if (task->failure != 0) {
		if (!ordered)
			flow_mistake(task->flow, task->failure, "%s", task->text);
		tell_failure(task, task->failure, task->text);
	}
	add_books(task);
	close_handles(task);
	if (shared != NULL)
		shared_leave(shared);
	if (rc >= 0 || rc == -EPIPE || rc == -ESHUTDOWN)
		return 0;
	return rc;
}

/* --- making, starting and joining --- */

size_t task_bytes(const struct island *island)
{
	size_t sizes = 0;

	for (size_t i = 0; i < island->steps_count; i++)
		sizes += island->flow->nodes[island->steps[i]].type->size;
	if (island->replicas > 1)
		sizes += island->flow->nodes[island->head].type->size;
	return sizes * island->vector;
}

static void *make_state(const struct node *node, int *rc)
{
	void *state;

	*rc = 0;
	if (!node->has_own)
		return (void *)(uintptr_t)node->state;
	state = calloc(1, node->own.size > 0 ? node->own.size : 1);
	if (state == NULL)
		*rc = -ENOMEM;
	else if (node->own.init != NULL)
		*rc = node->own.init(state, node->own.arg);
	if (*rc != 0) {
		free(state);
		return NULL;
	}
	return state;
}

static int make_vectors(struct task *task)
{
	const struct island *island = task->island;
	int rc = 0;

	task->vectors = calloc(island->steps_count + 1, sizeof(*task->vectors));
	task->states = calloc(island->steps_count + 1, sizeof(*task->states));
	task->books = calloc(island->steps_count + 1, sizeof(*task->books));
	if (task->vectors == NULL || task->states == NULL || task->books == NULL)
		return -ENOMEM;
	for (size_t i = 0; i <= island->steps_count && rc == 0; i++) {
		const struct node *node = node_of(task, i);

		task->states[i] = make_state(node, &rc);
		if (i == island->steps_count || rc != 0)
			continue;
		task->vectors[i] = malloc(island->vector * node->type->size);
		if (task->vectors[i] == NULL)
			rc = -ENOMEM;
	}
	return rc;
}

static int take_diverts(struct task *task)
{
	task->diverts = calloc(task->island->steps_count + 1, sizeof(*task->diverts));
	if (task->diverts == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < task->island->steps_count; i++) {
		const struct node *node = node_of(task, i);

		if (node->divert == 0)
			continue;
		task->diverts[i] = ring_take_tx(task->flow, node->divert, 0);
		if (task->diverts[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Of a zip: which of its inputs this island is. */
static uint32_t which_input(const struct task *task, const struct node *tail)
{
	const struct island *island = task->island;
	uint32_t last = island->steps_count > 0 ? island->steps[island->steps_count - 1]
	                                        : island->head,
		 output = island->steps_count > 0 ? 0 : island->head_output;

	return tail->kind == NODE_ZIP &&
	       (tail->inputs[1].node == last && tail->inputs[1].output == output);
}

static int take_senders(struct task *task)
{
	const struct island *island = task->island;
	const struct node *tail = node_of(task, island->steps_count);

	if (!kind_has_ring(tail->kind))
		return 0;
	if (tail->kind != NODE_PARTITION) {
		task->tx = ring_take_tx(island->flow, island->tail, which_input(task, tail));
		return task->tx == NULL ? -ENOMEM : 0;
	}
	task->parts = calloc(tail->outputs, sizeof(*task->parts));
	if (task->parts == NULL)
		return -ENOMEM;
	task->parts_left = tail->outputs;
	for (uint32_t i = 0; i < tail->outputs; i++)
		task->parts[i] = ring_take_tx(island->flow, island->tail, i);
	return 0;
}

/* Behind a tee: whether items are copied, or borrowed. */
static int make_copies(struct task *task)
{
	const struct node *head = &task->flow->nodes[task->island->head];
	const struct node *first = node_of(task, 0);

	if (head->kind != NODE_TEE || head->type->discard == NULL)
		return 0;
	if (!gives_away(first)) {
		task->borrowed = true;
		return 0;
	}
	task->copies = malloc(task->island->vector * head->type->size);
	return task->copies == NULL ? -ENOMEM : 0;
}

static int make_task(struct island *island, struct task *task)
{
	struct leat_flow *flow = island->flow;
	const bool ordered = island->shared != NULL && island->shared->window > 0;
	int rc;

	task->island = island;
	task->flow = flow;
	task->vector = island->vector;
	rc = make_vectors(task);
	if (rc == 0)
		rc = make_copies(task);
	if (rc == 0)
		rc = take_diverts(task);
	if (rc == 0 && !ordered)
		rc = take_senders(task);
	if (rc == 0 && island->shared != NULL) {
		task->in_place = malloc(island->vector * flow->nodes[island->head].type->size);
		rc = task->in_place == NULL ? -ENOMEM : 0;
	} else if (rc == 0 && flow->nodes[island->head].kind != NODE_ARRAY) {
		task->rx = ring_take_rx(flow, island->head, island->head_output);
	}
	if (rc == 0 && flow->nodes[island->head].kind == NODE_ZIP) {
		task->second = ring_take_rx(flow, island->head, 1);
		task->in_place = malloc(island->vector * flow->nodes[island->head].type->size);
		rc = task->in_place == NULL ? -ENOMEM : 0;
	}
	return rc;
}

/* What the workers of an island share. */
static int make_shared(struct island *island)
{
	struct leat_flow *flow = island->flow;
	const struct node *head = &flow->nodes[island->head], *tail = &flow->nodes[island->tail];
	struct shared_opts opts = { .users = island->replicas,
		                    .room = island->vector,
		                    .window = 4 * (size_t)island->replicas };

	opts.ordered = head->order == LEAT_ORDERED && tail->kind == NODE_GATHER;
	opts.out_size = tail->kind == NODE_GATHER ? tail->type->size : 0;
	opts.rx = ring_take_rx(flow, island->head, island->head_output);
	if (opts.ordered)
		opts.out = ring_take_tx(flow, island->tail, 0);
	if (tail->kind == NODE_GATHER)
		opts.bound = ring_take_tx(flow, island->tail, 0);
	island->shared = shared_open(&opts);
	if (island->shared != NULL)
		return 0;
	leat_rx_close(opts.rx);
	if (opts.out != NULL)
		leat_tx_close(opts.out);
	if (opts.bound != NULL)
		leat_tx_close(opts.bound);
	return -ENOMEM;
}

int tasks_make(struct island *island)
{
	const struct node *head = &island->flow->nodes[island->head];
	int rc = 0;

	island->tasks = calloc(island->replicas, sizeof(*island->tasks));
	if (island->tasks == NULL)
		rc = -ENOMEM;
	else if (head->kind == NODE_WORKERS)
		rc = make_shared(island);
	for (unsigned i = 0; i < island->replicas && rc == 0; i++)
		rc = make_task(island, &island->tasks[i]);
	return rc == 0 ? 0
	               : flow_mistake(island->flow, rc, "the steps behind \"%s\": %s", head->name,
	                              strerror(-rc));
}

int tasks_start(struct island *island)
{
	struct leat_flow *flow = island->flow;
	const char *name =
		flow->nodes[island->steps_count > 0 ? island->steps[0] : island->tail].name;
	int rc = 0;

	for (unsigned i = 0; i < island->replicas && rc == 0; i++) {
		struct task *task = &island->tasks[i];

		task->scope = leat_scope_open(flow->scope, NULL);
		rc = task->scope == NULL
		             ? leat_open_error()
		             : leat_gen(task->scope, work, task, 0,
		                        &(struct leat_gen_opts){ .chan.name = name }, NULL);
	}
	return rc == 0 ? 0
	               : flow_mistake(flow, rc, "no thread for the steps behind \"%s\": %s",
	                              flow->nodes[island->head].name, strerror(-rc));
}

void tasks_join(struct island *island)
{
	struct shared *shared = island->shared;

	for (unsigned i = 0; i < island->replicas && island->tasks != NULL; i++)
		if (island->tasks[i].scope != NULL) {
			leat_scope_join(island->tasks[i].scope);
			leat_scope_close(island->tasks[i].scope);
			island->tasks[i].scope = NULL;
		}
	if (shared != NULL && shared->failing && shared->window > 0)
		flow_mistake(island->flow, shared->failed_code, "%s", shared->failed_text);
}

static void free_task(struct task *task)
{
	const struct island *island = task->island;

	if (island == NULL)
		return;
	close_handles(task);
	for (size_t i = 0; i <= island->steps_count; i++) {
		const struct node *node = node_of(task, i);

		if (task->vectors != NULL)
			free(task->vectors[i]);
		if (!node->has_own || task->states == NULL || task->states[i] == NULL)
			continue;
		if (node->own.fini != NULL)
			node->own.fini(task->states[i]);
		free(task->states[i]);
	}
	free(task->vectors);
	free(task->states);
	free(task->books);
	free(task->parts);
	free(task->diverts);
	free(task->in_place);
	free(task->copies);
}

void tasks_free(struct island *island)
{
	for (unsigned i = 0; i < island->replicas && island->tasks != NULL; i++)
		free_task(&island->tasks[i]);
	free(island->tasks);
	island->tasks = NULL;
	shared_free(island->shared);
	island->shared = NULL;
}
