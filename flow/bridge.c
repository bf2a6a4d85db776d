/*
 * A bridge: taking the items of a stream of streams.
 *
 * The streams that are open are in an array, in the order in which they came, and each take begins
 * with another of them. So a stream that always has items fills one vector, and the next vector
 * begins with the others. With one stream open at a time this is the order of the streams.
 *
 * The receivers of the streams are the program's, and may be of scopes that the flow knows nothing
 * of. So the sender that the island ends with is asked at each take, and is a case of each wait.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/merge.h"

#include <leat/select.h>

#include <stdlib.h>
#include <string.h>

enum { STREAMS_MOST = 1024 };

struct stream {
	struct leat_rx *rx;
	uint64_t number; /* among the streams of the bridge, from 0 */
};

struct bridge {
	const struct leat_flow *flow;
	const struct node *node;
	struct leat_rx *input;
	bool input_ended;
	struct leat_tx *bound;  /* what the island ends with */
	struct stream *streams; /* `count` that are open */
	size_t count, next;     /* next: the one that the next take begins with */
	uint64_t number;        /* of the next stream that comes */
	struct leat_case *cases;
	int code; /* the failure of a stream */
	char words[LEAT_FLOW_TEXT];
};

/* --- declaring it --- */

static void close_stream(void *item, void *arg)
{
	(void)arg;
	leat_rx_close(*(struct leat_rx **)item);
}

const struct leat_type leat_type_rx = { .name = "rx",
	                                .size = sizeof(struct leat_rx *),
	                                .discard = close_stream };

/* Whether these items are receivers, which the flow can close. */
static bool are_streams(const struct leat_type *type)
{
	return type->size == sizeof(struct leat_rx *) && type->discard != NULL;
}

struct leat_port leat_flow_bridge(struct leat_port port, const struct leat_type *type,
                                  size_t at_once)
{
	struct node *node;

	if (type == NULL || type->name == NULL || type->size == 0)
		return leat_own_mistake(port,
		                        "bridge: it wants the type of the items of its streams");
	if (at_once == 0 || at_once > STREAMS_MOST)
		return leat_own_mistake(port, "bridge: from 1 to 1024 streams at once");
	node = leat_flow_add_behind(port, NODE_BRIDGE, "bridge", 1);
	if (node == NULL)
		return leat_flow_no_port(port.flow);
	if (!are_streams(node->type)) {
		leat_flow_mistake(port.flow, -EINVAL,
		                  "bridge: \"%s\" makes items of type \"%s\", which are no "
		                  "receivers: it wants LEAT_T(rx), or a type of struct leat_rx * "
		                  "whose discard closes them",
		                  port.flow->nodes[port.node].name, node->type->name);
		return leat_flow_no_port(port.flow);
	}
	node->stream = node->type;
	node->type = type;
	node->capacity = at_once;
	node->varies = true;
	return leat_flow_port_of(port.flow, node, 0);
}

/* --- its life --- */

int leat_bridge_open(const struct leat_flow *flow, const struct node *node, struct leat_rx *input,
                     struct bridge **bridge_out)
{
	struct bridge *bridge = calloc(1, sizeof(*bridge));

	if (bridge == NULL)
		return -ENOMEM;
	bridge->flow = flow;
	bridge->node = node;
	bridge->input = input;
	bridge->streams = calloc(node->capacity, sizeof(*bridge->streams));
	bridge->cases = calloc(node->capacity + 2, sizeof(*bridge->cases));
	if (bridge->streams == NULL || bridge->cases == NULL) {
		leat_bridge_free(bridge);
		return -ENOMEM;
	}
	*bridge_out = bridge;
	return 0;
}

void leat_bridge_free(struct bridge *bridge)
{
	if (bridge == NULL)
		return;
	for (size_t i = 0; i < bridge->count; i++)
		leat_items_discard(bridge->node->stream, &bridge->streams[i].rx, 1);
	free(bridge->streams);
	free(bridge->cases);
	free(bridge);
}

void leat_bridge_bind(struct bridge *bridge, struct leat_tx *out)
{
	bridge->bound = out;
}

int leat_bridge_failure(const struct bridge *bridge, const char **words)
{
	*words = bridge->words;
	return bridge->code;
}

/* --- streams that come and end --- */

/* Returns -EINVAL, and so does each take from now on. */
static int fail_stream(struct bridge *bridge, uint64_t number, int code, const char *words)
{
	bridge->code = code;
	snprintf(bridge->words, sizeof(bridge->words), "%s, its stream %llu: %.200s",
	         bridge->node->name, (unsigned long long)number, words);
	return -EINVAL;
}

static int add_stream(struct bridge *bridge, struct leat_rx *rx)
{
	const uint64_t number = bridge->number++;
	const struct leat_type *type = bridge->node->type;
	char words[LEAT_FLOW_TEXT / 2];
	size_t size;

	if (rx == NULL)
		return fail_stream(bridge, number, -EINVAL, "it is NULL");
	bridge->streams[bridge->count++] = (struct stream){ .rx = rx, .number = number };
	size = leat_seq_from_rx(rx).item_size;
	if (size == type->size)
		return 0;
	snprintf(words, sizeof(words), "its items have %zu bytes, and those of type \"%s\" %zu",
	         size, type->name, type->size);
	return fail_stream(bridge, number, -EINVAL, words);
}

static bool can_open(const struct bridge *bridge)
{
	return !bridge->input_ended && bridge->count < bridge->node->capacity;
}

/* The input has answered: a stream, 1; its end, 0; or -errno. */
static int take_stream(struct bridge *bridge, int answer, struct leat_rx *rx)
{
	bridge->input_ended |= answer == 0;
	return answer == 1 ? add_stream(bridge, rx) : answer;
}

static int open_streams(struct bridge *bridge)
{
	struct leat_rx *rx = NULL;
	int rc = 0;

	while (rc == 0 && can_open(bridge)) {
		rc = leat_try_recv(bridge->input, &rx);
		if (rc == -EAGAIN)
			return 0;
		rc = take_stream(bridge, rc, rx);
	}
	return rc;
}

/* A receive from the i-th stream that is open has returned n, its end or an error. */
static int end_stream(struct bridge *bridge, size_t i, ssize_t n)
{
	struct stream stream = bridge->streams[i];
	char words[LEAT_FLOW_TEXT];
	int code = leat_input_failure(bridge->flow->scope, stream.rx, n, words);

	if (code == 0 && n == -ECANCELED && leat_flow_is_cancelled(bridge->flow->scope))
		return -ECANCELED;
	if (code == 0 && n < 0) {
		code = (int)n;
		snprintf(words, sizeof(words), "%s", strerror(-code));
	}
	bridge->count--;
	memmove(&bridge->streams[i], &bridge->streams[i + 1], (bridge->count - i) * sizeof(stream));
	if (bridge->next == bridge->count) /* another may have lost its turn, for once */
		bridge->next = 0;
	leat_items_discard(bridge->node->stream, &stream.rx, 1);
	return code == 0 ? 0 : fail_stream(bridge, stream.number, code, words);
}

/* --- items --- */

/* What those that are open have, each once. *taken: how many. */
static int take_open(struct bridge *bridge, char *items, size_t most, size_t *taken)
{
	const size_t size = bridge->node->type->size;
	int rc = 0;

	for (size_t left = bridge->count; left > 0 && *taken < most && rc == 0; left--) {
		const size_t i = bridge->next;
		ssize_t n = leat_try_recv_batch(bridge->streams[i].rx, items + *taken * size,
		                                most - *taken);

		if (n <= 0 && n != -EAGAIN) {
			rc = end_stream(bridge, i, n);
			continue;
		}
		*taken += n > 0 ? (size_t)n : 0;
		bridge->next = (i + 1) % bridge->count;
	}
	return rc;
}

/* Waits for an item, a further stream, an end, or what the island ends with. */
static int await_any(struct bridge *bridge, char *items, int64_t due_ns, size_t *taken)
{
	struct leat_case *cases = bridge->cases;
	struct leat_rx *rx = NULL;
	int done, answer;

	cases[0] = (struct leat_case)LEAT_CASE_DONE(bridge->bound);
	cases[1] = (struct leat_case)LEAT_CASE_RECV(can_open(bridge) ? bridge->input : NULL, &rx);
	for (size_t i = 0; i < bridge->count; i++)
		cases[i + 2] = (struct leat_case)LEAT_CASE_RECV(bridge->streams[i].rx, items);
	done = leat_select(cases, bridge->count + 2, due_ns, LEAT_BY_PRIORITY);
	if (done < 0)
		return done;
	answer = cases[done].answer;
	if (done == 0)
		return answer;
	if (done == 1)
		return take_stream(bridge, answer, rx);
	if (answer != 1)
		return end_stream(bridge, (size_t)done - 2, answer);
	*taken = 1;
	bridge->next = ((size_t)done - 1) % bridge->count;
	return 0;
}

/* What a send of the island would return, once none can succeed; else 0. */
static int ask_bound(const struct bridge *bridge)
{
	struct leat_case done = LEAT_CASE_DONE(bridge->bound);

	if (!leat_tx_done(bridge->bound))
		return 0;
	return leat_select(&done, 1, 0, LEAT_BY_PRIORITY) == 0 ? done.answer : 0;
}

ssize_t leat_bridge_take(struct bridge *bridge, char *items, size_t most, int64_t due_ns)
{
	size_t taken = 0;
	int rc = bridge->code != 0 ? -EINVAL : ask_bound(bridge);

	while (rc == 0 && taken == 0) {
		rc = open_streams(bridge);
		if (rc == 0)
			rc = take_open(bridge, items, most, &taken);
		if (rc != 0 || taken > 0 || (bridge->input_ended && bridge->count == 0))
			break;
		rc = await_any(bridge, items, due_ns, &taken);
		/* one empty stream behind the other must not keep what is due from its time */
		if (rc == 0 && taken == 0 && due_ns != LEAT_NEVER && leat_now_ns() >= due_ns)
			rc = -ETIMEDOUT;
	}
	return taken > 0 ? (ssize_t)taken : rc;
}
