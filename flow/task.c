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
	task->told = code;
	if (text != task->text)
		snprintf(task->text, sizeof(task->text), "%s", text);
	if (task->tx != NULL)
		leat_tx_fail(task->tx, code, text);
	for (size_t i = 0; i < task->parts_count; i++)
		if (task->parts[i] != NULL)
			leat_tx_fail(task->parts[i], code, text);
}

bool leat_flow_is_cancelled(struct leat_scope *scope)
{
	struct leat_scope *child = leat_scope_open(scope, NULL);
	bool cancelled =
		leat_scope_cause(child != NULL ? child : scope, NULL, NULL) != LEAT_RUNNING;

	leat_scope_close(child);
	return cancelled;
}

int leat_input_failure(struct leat_scope *scope, const struct leat_rx *rx, ssize_t n,
                       char text[LEAT_FLOW_TEXT])
{
	enum leat_cause cause;
	const char *words;
	int code;

	if ((n != 0 && n != -ECANCELED) || leat_rx_status(rx, &cause, &code, &words) != 0)
		return 0;
	if ((cause != LEAT_FAILED && cause != LEAT_CANCELED && cause != LEAT_DEADLINE) ||
	    leat_flow_is_cancelled(scope))
		return 0;
	if (code == 0)
		code = -ECANCELED;
	snprintf(text, LEAT_FLOW_TEXT, "%s", words[0] != '\0' ? words : strerror(-code));
	return code;
}

/*
 * The input has ended by a failure: so this island's outputs do. For ordered workers
 * leat_tasks_join() does it.
 */
static void take_over_failure(struct task *task, int rc)
{
	char text[LEAT_FLOW_TEXT];
	int code = 0;

	if (task->rx != NULL)
		code = leat_input_failure(task->flow->scope, task->rx, rc, text);
	for (size_t i = 1; i < task->inputs_count && code == 0; i++)
		code = leat_input_failure(task->flow->scope, task->inputs[i], rc, text);
	if (task->island->shared != NULL && task->island->shared->window == 0)
		code = leat_shared_input_failure(task->island->shared, text);
	if (code == 0)
		return;
	leat_flow_mistake(task->flow, code, "%s", text);
	tell_failure(task, code, text);
	task->taken_over = true;
}

/* A generator has sent into the tee: as much as the branch that has taken most. */
static void add_teed(struct task *task, struct node *tee)
{
	struct node *source = &task->flow->nodes[tee->inputs[0].node];

	if (!leat_feeds_tee(task->flow, source) || task->taken <= tee->books.made)
		return;
	tee->books.in = tee->books.used = tee->books.made = task->taken;
	source->books.made = task->taken;
}

/*
 * The books of what no island ends in: a source, and workers whose ring is that of their source.
 * And what came out of a bridge, in whose ring are streams.
 */
static void add_taken(struct task *task)
{
	struct node *head = &task->flow->nodes[task->island->head];

	if (head->kind == NODE_WORKERS && !leat_node_has_ring(task->flow, head)) {
		head->books.in += task->taken;
		head->books.used += task->taken;
		head->books.made += task->taken;
		head = &task->flow->nodes[head->inputs[0].node];
	}
	if (head->kind == NODE_TEE)
		add_teed(task, head);
	else if (head->inputs_count == 0 || head->kind == NODE_BRIDGE)
		head->books.made += task->taken;
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
		if (node->kind != NODE_BRIDGE)
			to->made += task->books[i].made;
	}
	add_taken(task);
	pthread_mutex_unlock(&task->flow->lock);
}

static void close_handles(struct task *task)
{
	const struct island *island = task->island;

	leat_tx_close(task->tx);
	task->tx = NULL;
	for (size_t i = 0; i < task->parts_count; i++) {
		leat_tx_close(task->parts[i]);
		task->parts[i] = NULL;
	}
	leat_tx_close(task->parts_end);
	leat_tx_close(task->watch);
	task->parts_end = task->watch = NULL;
	for (size_t i = 0; task->diverts != NULL && i < island->steps_count; i++) {
		leat_tx_close(task->diverts[i]);
		task->diverts[i] = NULL;
	}
	leat_merger_free(task->merger); /* with the streams of a bridge */
	task->merger = NULL;
	if (task->inputs == NULL)
		leat_rx_close(task->rx);
	task->rx = NULL;
	for (size_t i = 0; i < task->inputs_count; i++) {
		leat_rx_close(task->inputs[i]);
		task->inputs[i] = NULL;
	}
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

bool leat_task_input_failed(const struct task *task)
{
	char text[LEAT_FLOW_TEXT];

	return task->rx != NULL && leat_input_failure(task->flow->scope, task->rx, 0, text) != 0;
}

int leat_task_settle(struct task *task, int rc)
{
	struct shared *shared = task->island->shared;
	bool ordered = shared != NULL && shared->window > 0;

	if (rc == 0 || rc == -ECANCELED)
		take_over_failure(task, rc);
	name_failure(task, rc);
	if (shared != NULL && rc != 0)
		leat_shared_end(shared);
	else if (rc != 0)
		leat_ring_end_sender(task->flow, task->island->head);
	if (task->failure != 0) {
		if (!ordered)
			leat_flow_mistake(task->flow, task->failure, "%s", task->text);
		tell_failure(task, task->failure, task->text);
	}
	if (rc >= 0 || rc == -EPIPE || rc == -ESHUTDOWN)
		return 0;
	return rc;
}

void leat_task_leave(struct task *task)
{
	add_books(task);
	close_handles(task);
	if (task->island->shared != NULL)
		leat_shared_leave(task->island->shared);
}

static int work(struct leat_tx *out, void *arg)
{
	struct task *task = arg;
	int rc;

	task->out = out;
	rc = leat_task_settle(task, leat_task_work(task));
	if (rc != 0 && rc == task->failure)
		leat_tx_fail(out, rc, task->text);
	leat_task_leave(task);
	return rc;
}

/* --- making, starting and joining --- */

void *leat_items_alloc(size_t count, size_t size)
{
	enum { ALIGNMENT = 64 };

	return aligned_alloc(ALIGNMENT, (count * size + ALIGNMENT) & ~(size_t)(ALIGNMENT - 1));
}

/* Whether the tasks of an island behind this node share its receiver. */
static bool shares_input(const struct node *head)
{
	return head->kind == NODE_WORKERS && head->key == NULL;
}

/* Slots of ordered workers. */
static size_t window_of(const struct island *island)
{
	const struct leat_flow *flow = island->flow;
	const struct node *head = &flow->nodes[island->head];

	return head->kind == NODE_WORKERS && head->order == LEAT_ORDERED &&
	                       flow->nodes[island->tail].kind == NODE_GATHER
	               ? 4 * (size_t)island->replicas
	               : 0;
}

size_t leat_island_bytes(const struct island *island)
{
	const struct node *nodes = island->flow->nodes, *head = &nodes[island->head];
	size_t made = 0, bytes = 0;

	for (size_t i = 0; i < island->steps_count; i++)
		made += nodes[island->steps[i]].type->size;
	if (shares_input(head) || leat_kind_joins(head->kind))
		bytes = head->type->size * island->vector;
	bytes = (bytes + made * island->room) * island->replicas;
	if (window_of(island) > 0)
		bytes += window_of(island) * island->room * nodes[island->tail].type->size;
	return bytes;
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
		*rc = *rc > 0 ? -EINVAL : *rc;
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
	task->due_calls = calloc(island->steps_count + 1, sizeof(*task->due_calls));
	if (task->vectors == NULL || task->states == NULL || task->books == NULL ||
	    task->due_calls == NULL)
		return -ENOMEM;
	for (size_t i = 0; i <= island->steps_count && rc == 0; i++) {
		const struct node *node = node_of(task, i);

		task->states[i] = make_state(node, &rc);
		task->timed |= node->step.due_ns != NULL;
		if (i == island->steps_count || rc != 0)
			continue;
		task->vectors[i] = leat_items_alloc(island->room, node->type->size);
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
		task->diverts[i] = leat_ring_take_tx(task->flow, node->divert, 0);
		if (task->diverts[i] == NULL)
			return -ENOMEM;
	}
	return 0;
}

/* Of a node whose inputs have a ring each: which of them this island is. */
static uint32_t which_input(const struct task *task, const struct node *tail)
{
	const struct island *island = task->island;
	uint32_t output = island->steps_count > 0 ? 0 : island->head_output, k = 0;

	while (leat_kind_joins(tail->kind) &&
	       (tail->inputs[k].node != last_node_of(island) || tail->inputs[k].output != output))
		k++;
	return k;
}

static int take_senders(struct task *task)
{
	const struct island *island = task->island;
	const struct node *tail = node_of(task, island->steps_count);

	if (!leat_kind_has_ring(tail->kind))
		return 0;
	if (leat_parts_count(tail) == 0) {
		task->tx = leat_ring_take_tx(island->flow, island->tail, which_input(task, tail));
		if (task->tx == NULL)
			return -ENOMEM;
		/*
		 * Not where others send into that ring, too: their items would be behind those that
		 * the step is still to write, and wait for it. Nor where it drops: what is written
		 * in place is never dropped, and the step would wait for room.
		 */
		task->writes =
			!leat_ring_has_several_senders(tail) && tail->overflow == LEAT_BLOCK &&
			/* a step before a bridge opens no more streams than there is room for */
			(tail->kind == NODE_BRIDGE ||
		         leat_stays_in_place(island->flow->nodes[last_node_of(island)].type,
		                             leat_tx_capacity(task->tx)));
		return 0;
	}
	task->parts = calloc(leat_parts_count(tail), sizeof(*task->parts));
	if (task->parts == NULL)
		return -ENOMEM;
	task->parts_count = task->parts_left = leat_parts_count(tail);
	for (uint32_t i = 0; i < task->parts_count; i++)
		task->parts[i] = leat_ring_take_tx(island->flow, island->tail, i);
	task->parts_end = leat_ring_take_end(island->flow, island->tail);
	return 0;
}

/* Whether one of its steps may pause between the tries of an item. */
static bool may_pause(const struct task *task)
{
	for (size_t i = 0; i < task->island->steps_count; i++)
		if (node_of(task, i)->retries)
			return true;
	return false;
}

static int take_watch(struct task *task)
{
	if (!may_pause(task))
		return 0;
	task->watch = leat_ring_take_tx(task->flow, task->island->tail, 0);
	return task->watch == NULL ? -ENOMEM : 0;
}

/* Behind a tee: whether items are copied, or borrowed. */
static int make_copies(struct task *task)
{
	const struct node *head = &task->flow->nodes[task->island->head];
	const struct node *first = node_of(task, 0);

	if (head->kind != NODE_TEE || head->type->discard == NULL)
		return 0;
	if (!leat_gives_away(first)) {
		task->borrowed = true;
		return 0;
	}
	task->copies = leat_items_alloc(task->island->vector, head->type->size);
	return task->copies == NULL ? -ENOMEM : 0;
}

/* Of a node whose inputs have a ring each. */
static int take_inputs(struct task *task)
{
	struct leat_flow *flow = task->flow;
	const uint32_t at = task->island->head;
	const struct node *head = &flow->nodes[at];

	task->inputs = calloc(head->inputs_count, sizeof(struct leat_rx *));
	if (task->inputs == NULL)
		return -ENOMEM;
	task->inputs_count = head->inputs_count;
	for (uint32_t i = 0; i < task->inputs_count; i++)
		task->inputs[i] = leat_ring_take_rx(flow, at, i);
	task->rx = task->inputs[0];
	if (head->kind == NODE_ZIP)
		return 0;
	return leat_merger_open(flow, head, task->inputs, &task->merger);
}

static int make_task(struct island *island, struct task *task)
{
	struct leat_flow *flow = island->flow;
	const struct node *head = &flow->nodes[island->head];
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
	if (rc == 0 && ordered)
		rc = take_watch(task);
	else if (rc == 0 && !island->pooled)
		rc = take_senders(task);
	if (rc == 0 && leat_kind_joins(head->kind))
		rc = take_inputs(task);
	else if (rc == 0 && island->shared == NULL && head->kind != NODE_ARRAY)
		task->rx = leat_ring_take_rx(flow, island->head, island->head_output);
	/* a tee's items are not the island's; a ring that drops its oldest lends none */
	if (rc == 0 &&
	    (island->shared != NULL || leat_kind_joins(head->kind) ||
	     (head->kind != NODE_TEE && head->kind != NODE_ARRAY &&
	      !leat_stays_in_place(head->type, leat_rx_capacity(task->rx))) ||
	     head->overflow == LEAT_DROP_OLDEST || (island->pooled && head->kind != NODE_ARRAY))) {
		task->in_place = leat_items_alloc(island->vector, head->type->size);
		rc = task->in_place == NULL ? -ENOMEM : 0;
	}
	return rc;
}

/* What the workers of an island share. */
static int make_shared(struct island *island)
{
	struct leat_flow *flow = island->flow;
	const struct node *tail = &flow->nodes[island->tail];
	const bool gathered = tail->kind == NODE_GATHER;
	const bool ordered = window_of(island) > 0;
	struct shared_opts opts = { .scope = flow->scope,
		                    .type = tail->type,
		                    .users = island->replicas,
		                    .room = island->room,
		                    .window = window_of(island) };
	int rc;

	opts.rx = leat_ring_take_rx(flow, island->head, island->head_output);
	opts.out = ordered ? leat_ring_take_tx(flow, island->tail, 0) : NULL;
	opts.bound = gathered ? leat_ring_take_tx(flow, island->tail, 0) : NULL;
	if ((ordered && opts.out == NULL) || (gathered && opts.bound == NULL))
		rc = -ENOMEM;
	else
		rc = leat_shared_open(&opts, &island->shared);
	if (rc == 0)
		return 0;
	leat_rx_close(opts.rx);
	leat_tx_close(opts.out);
	leat_tx_close(opts.bound);
	return rc;
}

/* Of several threads each is told from the others: "parse/2". */
static void name_task(const struct island *island, unsigned index, char name[LEAT_NAME_MAX + 1])
{
	const struct node *nodes = island->flow->nodes;
	const char *first = nodes[island->steps_count > 0 ? island->steps[0] : island->tail].name;

	if (leat_island_threads(island) == 1)
		snprintf(name, LEAT_NAME_MAX + 1, "%s", first);
	else
		snprintf(name, LEAT_NAME_MAX + 1, "%.*s/%u", LEAT_NAME_MAX - 5, first,
		         island->head_output + index + 1);
}

int leat_tasks_open_scopes(struct leat_flow *flow)
{
	for (size_t i = flow->islands_count; i > 0; i--) {
		struct island *island = &flow->islands[i - 1];

		island->scopes = calloc(island->replicas, sizeof(struct leat_scope *));
		if (island->scopes == NULL)
			return -ENOMEM;
		for (unsigned k = 0; k < island->replicas; k++) {
			island->scopes[k] = leat_scope_open(flow->scope, NULL);
			if (island->scopes[k] == NULL)
				return leat_open_error();
		}
	}
	return 0;
}

/* From now on the scope is the task's. */
static struct leat_scope *take_scope(struct island *island, unsigned k)
{
	struct leat_scope *scope = island->scopes[k];

	island->scopes[k] = NULL;
	return scope;
}

/* Its channel is the ring that it ends in, so it is started before the island behind is made. */
static int start_pooled(struct island *island)
{
	struct leat_flow *flow = island->flow;
	struct node *tail = &flow->nodes[island->tail];
	struct task *task = &island->tasks[0];
	struct leat_chan_opts opts = { .capacity = 1 };
	char name[LEAT_NAME_MAX + 1];

	if (leat_kind_has_ring(tail->kind))
		opts = leat_ring_opts(flow, tail);
	name_task(island, 0, name);
	opts.name = name;
	task->scope = take_scope(island, 0);
	return leat_island_start(
		task, &opts, leat_kind_has_ring(tail->kind) ? &tail->rings[0].rx : &task->end_rx);
}

int leat_tasks_make(struct island *island)
{
	const struct node *head = &island->flow->nodes[island->head];
	int rc = 0;

	island->tasks = calloc(island->replicas, sizeof(*island->tasks));
	if (island->tasks == NULL)
		rc = -ENOMEM;
	else if (shares_input(head))
		rc = make_shared(island);
	for (unsigned i = 0; i < island->replicas && rc == 0; i++)
		rc = make_task(island, &island->tasks[i]);
	if (rc == 0 && island->pooled)
		rc = start_pooled(island);
	return rc == 0 ? 0
	               : leat_flow_mistake(island->flow, rc, "the steps behind \"%s\": %s",
	                                   head->name, strerror(-rc));
}

int leat_tasks_start(struct island *island)
{
	struct leat_flow *flow = island->flow;
	char name[LEAT_NAME_MAX + 1];
	int rc = 0;

	if (island->pooled)
		return 0; /* it was, when it was made */
	for (unsigned i = 0; i < island->replicas && rc == 0; i++) {
		struct task *task = &island->tasks[i];

		name_task(island, i, name);
		task->scope = take_scope(island, i);
		rc = leat_gen(task->scope, work, task, 0,
		              &(struct leat_gen_opts){ .chan.name = name }, NULL);
	}
	return rc == 0 ? 0
	               : leat_flow_mistake(flow, rc, "no thread for the steps behind \"%s\": %s",
	                                   flow->nodes[island->head].name, strerror(-rc));
}

static void join_task(struct task *task)
{
	struct node *tail;

	if (task->scope == NULL) /* it was not started, or not even made */
		return;
	tail = &task->flow->nodes[task->island->tail];
	leat_scope_join(task->scope);
	leat_rx_close(task->end_rx);
	task->end_rx = NULL;
	if (tail->by_pool)
		tail->ring_scope = task->scope; /* there may be items in its channel */
	else
		leat_scope_close(task->scope);
	task->scope = NULL;
}

void leat_tasks_join(struct island *island)
{
	struct shared *shared = island->shared;

	for (unsigned i = 0; i < island->replicas && island->tasks != NULL; i++)
		join_task(&island->tasks[i]);
	if (shared != NULL && shared->final_reached && shared->final_code != 0)
		leat_flow_mistake(island->flow, shared->final_code, "%s", shared->final_text);
	else if (shared != NULL && !shared->final_reached && shared->input_code != 0)
		leat_flow_mistake(island->flow, shared->input_code, "%s", shared->input_text);
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
	free(task->inputs);
	free(task->vectors);
	free(task->states);
	free(task->books);
	free(task->due_calls);
	free(task->parts);
	free(task->copies);
	free(task->diverts);
	free(task->in_place);
}

void leat_tasks_free(struct island *island)
{
	for (unsigned i = 0; i < island->replicas && island->tasks != NULL; i++)
		free_task(&island->tasks[i]);
	free(island->tasks);
	island->tasks = NULL;
	for (unsigned i = 0; i < island->replicas && island->scopes != NULL; i++)
		leat_scope_close(island->scopes[i]);
	free(island->scopes);
	island->scopes = NULL;
	leat_shared_free(island->shared);
	island->shared = NULL;
}
