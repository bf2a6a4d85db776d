/*
 * Taking the items of several inputs in order: of a key, or of the inputs themselves.
 *
 * By key. The inputs whose next item is there are in a heap, by that item's key, and equal keys by
 * the input's number. An input whose next item is still to come is in `empty`. While none is empty,
 * the top of the heap has the lowest key of all that is to come, as no input goes down. So items
 * are taken until an input has no next one, and only then is that input waited for.
 *
 * This is the multiway merge of Donald Knuth, "The Art of Computer Programming", volume 3, 5.4.1;
 * the heap is that of J. W. J. Williams, "Algorithm 232: Heapsort", 1964.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/merge.h"

#include <leat/select.h>

#include <stdlib.h>
#include <string.h>

struct input {
	struct leat_rx *rx;
	const char *items; /* side by side in its ring */
	size_t n, at;      /* how many of these it holds, and how many of them are taken */
	bool held;         /* it is in the merger's `held` */
	bool ended;        /* of a merge by priority */
	int64_t key;       /* of its next item, while it is in the heap */
	uint64_t number;   /* of its next item, from 0 */
};

struct merger {
	const struct leat_flow *flow;
	const struct node *node;
	struct input *inputs;
	size_t *heap, heap_count;   /* inputs whose next item is there, by its key */
	size_t *empty, empty_count; /* inputs whose next item is still to come */
	size_t *held, held_count;   /* inputs that this take has held items of */
	struct leat_case *cases;    /* to wait for any of them */
	struct bridge *bridge;      /* takes instead, from its streams; NULL: it is a merge */
	int code;
	char words[LEAT_FLOW_TEXT];
};

int leat_merger_open(const struct leat_flow *flow, const struct node *node,
                     struct leat_rx *const *inputs, struct merger **merger_out)
{
	const size_t count = node->inputs_count;
	struct merger *merger = calloc(1, sizeof(*merger));

	if (merger == NULL)
		return -ENOMEM;
	merger->flow = flow;
	merger->node = node;
	if (node->kind == NODE_BRIDGE) {
		int rc = leat_bridge_open(flow, node, inputs[0], &merger->bridge);

		if (rc != 0)
			leat_merger_free(merger);
		else
			*merger_out = merger;
		return rc;
	}
	merger->inputs = calloc(count, sizeof(*merger->inputs));
	merger->heap = calloc(3 * count, sizeof(*merger->heap));
	merger->cases = calloc(count, sizeof(*merger->cases));
	if (merger->inputs == NULL || merger->heap == NULL || merger->cases == NULL) {
		leat_merger_free(merger);
		return -ENOMEM;
	}
	merger->empty = merger->heap + count;
	merger->held = merger->empty + count;
	for (size_t i = 0; i < count; i++) {
		merger->inputs[i].rx = inputs[i];
		merger->empty[i] = i;
	}
	merger->empty_count = count;
	*merger_out = merger;
	return 0;
}

void leat_merger_free(struct merger *merger)
{
	if (merger == NULL)
		return;
	leat_bridge_free(merger->bridge);
	free(merger->inputs);
	free(merger->heap);
	free(merger->cases);
	free(merger);
}

int leat_merger_failure(const struct merger *merger, const char **words)
{
	if (merger->bridge != NULL)
		return leat_bridge_failure(merger->bridge, words);
	*words = merger->words;
	return merger->code;
}

void leat_merger_bind(struct merger *merger, struct leat_tx *out)
{
	/* a merge waits for its inputs alone, which are bound */
	if (merger->bridge != NULL)
		leat_bridge_bind(merger->bridge, out);
}

/* --- the heap --- */

/* Whether the next item of input a goes before that of input b. */
static bool goes_before(const struct merger *merger, size_t a, size_t b)
{
	int64_t key_a = merger->inputs[a].key, key_b = merger->inputs[b].key;

	return key_a < key_b || (key_a == key_b && a < b);
}

static void push_input(struct merger *merger, size_t input)
{
	size_t at = merger->heap_count++;

	for (; at > 0 && goes_before(merger, input, merger->heap[(at - 1) / 2]); at = (at - 1) / 2)
		merger->heap[at] = merger->heap[(at - 1) / 2];
	merger->heap[at] = input;
}

/* The key of the top has become larger, or it is another input. */
static void sink_top(struct merger *merger)
{
	const size_t input = merger->heap[0], count = merger->heap_count;
	size_t at = 0, child;

	for (; (child = 2 * at + 1) < count; at = child) {
		if (child + 1 < count &&
		    goes_before(merger, merger->heap[child + 1], merger->heap[child]))
			child++;
		if (goes_before(merger, input, merger->heap[child]))
			break;
		merger->heap[at] = merger->heap[child];
	}
	merger->heap[at] = input;
}

static void pop_top(struct merger *merger)
{
	merger->heap[0] = merger->heap[--merger->heap_count];
	if (merger->heap_count > 0)
		sink_top(merger);
}

/* --- inputs in ascending order --- */

/* Holds what an input has, as leat_peek_until(); due_ns 0: without a wait. */
static ssize_t hold_items(struct merger *merger, size_t i, size_t want, int64_t due_ns)
{
	struct input *input = &merger->inputs[i];
	const void *items;
	ssize_t n = leat_peek_until(input->rx, want, &items, due_ns);

	if (n <= 0)
		return n;
	input->items = items;
	input->n = (size_t)n;
	input->at = 0;
	if (!input->held)
		merger->held[merger->held_count++] = i;
	input->held = true;
	return n;
}

static void release_taken(struct input *input)
{
	if (input->n > 0)
		leat_release(input->rx, input->at);
	input->n = input->at = 0;
}

static void release_all(struct merger *merger)
{
	for (size_t k = 0; k < merger->held_count; k++) {
		struct input *input = &merger->inputs[merger->held[k]];

		release_taken(input);
		input->held = false;
	}
	merger->held_count = 0;
}

/* Reads the key of the next item of an input, which is held. -EINVAL: it is not in order. */
static int read_key(struct merger *merger, size_t i)
{
	const struct node *node = merger->node;
	struct input *input = &merger->inputs[i];
	int64_t key = node->order_key(input->items + input->at * node->type->size, node->key_arg);

	if (input->number > 0 && key < input->key) {
		snprintf(merger->words, sizeof(merger->words),
		         "%s, item %llu of its input %zu, from \"%s\": its key %lld is lower than "
		         "%lld of the item before it",
		         node->name, (unsigned long long)input->number, i,
		         merger->flow->nodes[node->inputs[i].node].name, (long long)key,
		         (long long)input->key);
		return merger->code = -EINVAL;
	}
	input->key = key;
	return 0;
}

/* Waits until each input has its next item there, or has ended. */
static int await_inputs(struct merger *merger, size_t want, int64_t due_ns)
{
	int rc = 0;

	while (merger->empty_count > 0 && rc == 0) {
		size_t i = merger->empty[merger->empty_count - 1];
		ssize_t n = hold_items(merger, i, want, due_ns);

		if (n < 0)
			return (int)n;
		merger->empty_count--;
		if (n == 0)
			continue;
		rc = read_key(merger, i);
		if (rc == 0)
			push_input(merger, i);
	}
	return rc;
}

/* The top's next item is taken: finds its place with the one behind that. */
static int advance_top(struct merger *merger, size_t want)
{
	const size_t i = merger->heap[0];
	struct input *input = &merger->inputs[i];
	ssize_t n = 1;
	int rc;

	if (input->at == input->n) {
		release_taken(input);
		n = hold_items(merger, i, want, 0);
	}
	if (n < 0 && n != -ETIMEDOUT)
		return (int)n;
	if (n <= 0) {
		pop_top(merger);
		if (n < 0)
			merger->empty[merger->empty_count++] = i;
		return 0;
	}
	rc = read_key(merger, i);
	if (rc == 0)
		sink_top(merger);
	return rc;
}

static ssize_t take_by_key(struct merger *merger, char *items, size_t most, int64_t due_ns)
{
	const size_t size = merger->node->type->size;
	size_t taken = 0;
	int rc = merger->code != 0 ? merger->code : await_inputs(merger, most, due_ns);

	while (rc == 0 && taken < most && merger->heap_count > 0 && merger->empty_count == 0) {
		struct input *top = &merger->inputs[merger->heap[0]];

		if (top->n == 0) { /* the last take has given the rest back */
			ssize_t n = hold_items(merger, merger->heap[0], most, 0);

			rc = n > 0 ? 0 : n == 0 ? -ECANCELED : (int)n;
			if (rc != 0)
				break;
		}
		memcpy(items + taken++ * size, top->items + top->at++ * size, size);
		top->number++;
		rc = advance_top(merger, most);
	}
	release_all(merger);
	return taken > 0 ? (ssize_t)taken : rc;
}

/* --- the first input that has something --- */

/* What input i has; -EAGAIN: nothing now, or nothing more. */
static ssize_t take_of(struct merger *merger, size_t i, char *items, size_t most)
{
	struct input *input = &merger->inputs[i];
	ssize_t n = input->ended ? -EAGAIN : leat_try_recv_batch(input->rx, items, most);

	input->ended |= n == 0;
	return n == 0 ? -EAGAIN : n;
}

/* Waits for any input. Returns 1: an item; 0: none; -errno. *open: there was one to wait for. */
static ssize_t await_any(struct merger *merger, char *items, int64_t due_ns, bool *open)
{
	const size_t count = merger->node->inputs_count;
	int done, answer;

	*open = false;
	for (size_t i = 0; i < count; i++) {
		const struct input *input = &merger->inputs[i];

		merger->cases[i] =
			(struct leat_case)LEAT_CASE_RECV(input->ended ? NULL : input->rx, items);
		*open |= !input->ended;
	}
	if (!*open)
		return 0;
	done = leat_select(merger->cases, count, due_ns, LEAT_BY_PRIORITY);
	if (done < 0)
		return done;
	answer = merger->cases[done].answer;
	merger->inputs[done].ended |= answer == 0;
	return answer;
}

static ssize_t take_first(struct merger *merger, char *items, size_t most, int64_t due_ns)
{
	ssize_t n = -EAGAIN;
	bool open = true;

	for (size_t i = 0; i < merger->node->inputs_count && n == -EAGAIN; i++)
		n = take_of(merger, i, items, most);
	if (n != -EAGAIN)
		return n;
	for (n = 0; n == 0 && open;)
		n = await_any(merger, items, due_ns, &open);
	return n;
}

ssize_t leat_merger_take(struct merger *merger, void *items, size_t most, int64_t due_ns)
{
	if (merger->bridge != NULL)
		return leat_bridge_take(merger->bridge, items, most, due_ns);
	return merger->node->kind == NODE_MERGE_BY ? take_by_key(merger, items, most, due_ns)
	                                           : take_first(merger, items, most, due_ns);
}
