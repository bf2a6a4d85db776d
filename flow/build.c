/*
 * Declaring a flow: nodes, and the first mistake.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 1024 };

const char *leat_kind_name(enum node_kind kind)
{
	static const char *const names[] = {
		[NODE_RX] = "from_rx",          [NODE_SEQ] = "from_seq",
		[NODE_GEN] = "from_gen",        [NODE_ARRAY] = "from_array",
		[NODE_STEP] = "step",           [NODE_BUFFER] = "buffer",
		[NODE_WORKERS] = "workers",     [NODE_GATHER] = "gather",
		[NODE_MERGE] = "merge",         [NODE_TEE] = "tee",
		[NODE_PARTITION] = "partition", [NODE_ZIP] = "zip",
		[NODE_MERGE_BY] = "merge_by",   [NODE_MERGE_FIRST] = "merge_first",
		[NODE_BRIDGE] = "bridge",       [NODE_DIVERT] = "divert",
		[NODE_EACH] = "for_each",       [NODE_TO_RX] = "to_rx",
		[NODE_COLLECT] = "collect",     [NODE_TO_ARRAY] = "to_array",
	};

	return names[kind];
}

int leat_flow_mistake(struct leat_flow *flow, int code, const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&flow->lock);
	if (flow->error == 0) {
		flow->error = code;
		va_start(args, format);
		vsnprintf(flow->text, sizeof(flow->text), format, args);
		va_end(args);
	}
	pthread_mutex_unlock(&flow->lock);
	return code;
}

struct leat_flow *(leat_flow_open)(struct leat_scope *scope, const struct leat_flow_opts *opts)
{
	return leat_flow_open(scope, opts);
}

struct leat_flow *leat_detail_flow_open(unsigned abi, struct leat_scope *scope,
                                        const struct leat_flow_opts *opts)
{
	static const struct leat_flow_opts defaults;
	struct leat_flow *flow;
	uint64_t reserved = 0;

	if (abi != (LEAT_FLOW_ABI << 16 | (unsigned)sizeof(*opts)))
		return leat_detail_open_failed(-ELIBBAD);
	if (opts == NULL)
		opts = &defaults;
	for (size_t i = 0; i < sizeof(opts->reserved) / sizeof(opts->reserved[0]); i++)
		reserved |= opts->reserved[i];
	if (reserved != 0 || (unsigned)opts->wait > LEAT_WAIT_PARK)
		return leat_detail_open_failed(-EINVAL);
	flow = calloc(1, sizeof(*flow));
	if (flow == NULL)
		return leat_detail_open_failed(-ENOMEM);
	flow->opts = *opts;
	if (opts->name != NULL)
		snprintf(flow->name, sizeof(flow->name), "%s", opts->name);
	if (flow->opts.capacity == 0)
		flow->opts.capacity = CAPACITY;
	pthread_mutex_init(&flow->lock, NULL);
	flow->scope = leat_scope_open(scope, &(struct leat_scope_opts){ .name = opts->name });
	flow->rings = flow->scope == NULL ? NULL : leat_scope_open(flow->scope, NULL);
	if (flow->rings == NULL) {
		leat_scope_close(flow->scope);
		free(flow);
		return NULL;
	}
	return flow;
}

int leat_flow_code(const struct leat_flow *flow)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&flow->lock;
	int error;

	pthread_mutex_lock(lock);
	error = flow->error;
	pthread_mutex_unlock(lock);
	return error;
}

const char *leat_flow_error(const struct leat_flow *flow)
{
	/* once there is an error its text stays as it is */
	return flow == NULL || leat_flow_code(flow) == 0 ? "" : flow->text;
}

/* --- nodes --- */

static bool may_declare(struct leat_flow *flow)
{
	if (flow == NULL)
		return false;
	if (flow->started)
		leat_flow_mistake(flow, -EINVAL,
		                  "the flow has been started: declare all of it before");
	else
		flow->planned = false;
	return leat_flow_code(flow) == 0;
}

struct leat_port leat_flow_no_port(struct leat_flow *flow)
{
	return (struct leat_port){ .flow = flow, .node = UINT32_MAX };
}

/* A node with so many inputs and outputs; NULL without memory. */
static struct node *add_node(struct leat_flow *flow, enum node_kind kind, const char *name,
                             size_t inputs, size_t outputs)
{
	struct node *node;

	if (flow->nodes_count == flow->nodes_room) {
		size_t room = flow->nodes_room == 0 ? 16 : flow->nodes_room * 2;

		node = realloc(flow->nodes, room * sizeof(*node));
		if (node == NULL)
			goto no_memory;
		flow->nodes = node;
		flow->nodes_room = room;
	}
	node = &flow->nodes[flow->nodes_count];
	*node = (struct node){
		.kind = kind, .name = name, .per = 1, .inputs_count = inputs, .outputs = outputs
	};
	node->inputs = calloc(inputs + 1, sizeof(*node->inputs));
	node->consumers = calloc(outputs + 1, sizeof(*node->consumers));
	if (node->inputs == NULL || node->consumers == NULL) {
		free(node->inputs);
		free(node->consumers);
		goto no_memory;
	}
	for (size_t i = 0; i < outputs; i++)
		node->consumers[i] = -1;
	flow->nodes_count++;
	return node;
no_memory:
	leat_flow_mistake(flow, -ENOMEM, "no memory for %s", name);
	return NULL;
}

struct leat_port leat_flow_port_of(struct leat_flow *flow, const struct node *node, uint32_t output)
{
	return (struct leat_port){ .flow = flow,
		                   .node = (uint32_t)(node - flow->nodes),
		                   .output = output };
}

/* Checks that this port can be used by a step of that name. */
static bool usable(struct leat_port port, const char *name)
{
	const struct node *from;

	if (!may_declare(port.flow))
		return false;
	if (port.node >= port.flow->nodes_count ||
	    port.output >= port.flow->nodes[port.node].outputs) {
		leat_flow_mistake(port.flow, -EINVAL,
		                  "%s: this is no output of a step of this flow", name);
		return false;
	}
	from = &port.flow->nodes[port.node];
	if (from->consumers[port.output] >= 0) {
		leat_flow_mistake(
			port.flow, -EINVAL,
			"%s: what \"%s\" makes goes to \"%s\" already: put a tee behind it", name,
			from->name, port.flow->nodes[from->consumers[port.output]].name);
		return false;
	}
	return true;
}

/* The node's k-th input is this port. */
static void connect(struct node *node, size_t k, struct leat_port port)
{
	struct leat_flow *flow = port.flow;

	node->inputs[k] = port;
	flow->nodes[port.node].consumers[port.output] = (int32_t)(node - flow->nodes);
}

struct node *leat_flow_add_behind(struct leat_port port, enum node_kind kind, const char *name,
                                  size_t outputs)
{
	struct node *node;

	if (!usable(port, name))
		return NULL;
	node = add_node(port.flow, kind, name, 1, outputs);
	if (node == NULL)
		return NULL;
	node->type = port.flow->nodes[port.node].type;
	connect(node, 0, port);
	return node;
}

static bool is_whole(const struct leat_type *type)
{
	return type != NULL && type->name != NULL && type->size > 0;
}

/* --- sources --- */

static struct node *add_source(struct leat_flow *flow, enum node_kind kind,
                               const struct leat_type *type)
{
	struct node *node;

	if (!may_declare(flow))
		return NULL;
	if (!is_whole(type)) {
		leat_flow_mistake(flow, -EINVAL, "%s: a source wants the type of its items",
		                  leat_kind_name(kind));
		return NULL;
	}
	node = add_node(flow, kind, leat_kind_name(kind), 0, 1);
	if (node != NULL)
		node->type = type;
	return node;
}

struct leat_port leat_flow_from_rx(struct leat_flow *flow, const struct leat_type *type,
                                   struct leat_rx *rx)
{
	struct node *node = rx == NULL ? NULL : add_source(flow, NODE_RX, type);

	if (node != NULL) {
		node->rx = rx;
		return leat_flow_port_of(flow, node, 0);
	}
	if (rx != NULL)
		leat_rx_close(rx);
	else if (flow != NULL)
		leat_flow_mistake(flow, -EINVAL, "from_rx: there is no receiver");
	return leat_flow_no_port(flow);
}

struct leat_port leat_flow_from_seq(struct leat_flow *flow, const struct leat_type *type,
                                    struct leat_seq seq)
{
	struct node *node = NULL;

	if (flow != NULL && (seq.next == NULL || (type != NULL && seq.item_size != type->size)))
		leat_flow_mistake(
			flow, -EINVAL,
			"from_seq: the seq has no next, or items of another size than its "
			"type");
	else
		node = add_source(flow, NODE_SEQ, type);
	if (node != NULL) {
		node->seq = seq;
		return leat_flow_port_of(flow, node, 0);
	}
	if (seq.fini != NULL)
		seq.fini(seq.state);
	return leat_flow_no_port(flow);
}

struct leat_port leat_flow_from_gen(struct leat_flow *flow, const struct leat_type *type,
                                    leat_gen_fn *fn, void *arg)
{
	struct node *node = NULL;

	if (flow != NULL && fn == NULL)
		leat_flow_mistake(flow, -EINVAL, "from_gen: there is no function");
	else
		node = add_source(flow, NODE_GEN, type);
	if (node == NULL)
		return leat_flow_no_port(flow);
	node->gen = fn;
	node->gen_arg = arg;
	return leat_flow_port_of(flow, node, 0);
}

struct leat_port leat_flow_from_array(struct leat_flow *flow, const struct leat_type *type,
                                      const void *items, size_t count)
{
	struct node *node = NULL;

	if (flow != NULL && items == NULL && count > 0)
		leat_flow_mistake(flow, -EINVAL, "from_array: there are no items");
	else if (flow != NULL && type != NULL && type->discard != NULL)
		leat_flow_mistake(
			flow, -EINVAL,
			"from_array: items of type \"%s\" own something, and these stay the "
			"caller's",
			type->name);
	else
		node = add_source(flow, NODE_ARRAY, type);
	if (node == NULL)
		return leat_flow_no_port(flow);
	node->items = items;
	node->count = count;
	return leat_flow_port_of(flow, node, 0);
}

/* --- steps --- */

bool leat_flow_same_type(const struct leat_type *a, const struct leat_type *b)
{
	return a == b || (a != NULL && b != NULL && a->size == b->size &&
	                  a->discard == b->discard && strcmp(a->name, b->name) == 0);
}

void leat_step_where(const struct leat_step *step, char where[LEAT_FLOW_TEXT / 2])
{
	where[0] = '\0';
	if (step->file != NULL)
		snprintf(where, LEAT_FLOW_TEXT / 2, "%s:%d: ", step->file, step->line);
}

/* A step or an end of the program's; NULL: a mistake. */
static struct node *add_step(struct leat_port port, enum node_kind kind,
                             const struct leat_step *step, const void *state)
{
	const struct leat_type *type;
	char where[LEAT_FLOW_TEXT / 2];
	struct node *node;

	if (step == NULL || step->fn == NULL || step->name == NULL || !is_whole(step->in) ||
	    (step->out != NULL && !is_whole(step->out))) {
		if (port.flow != NULL)
			leat_flow_mistake(port.flow, -EINVAL,
			                  "%s: there is no step, with a name, a function and types",
			                  leat_kind_name(kind));
		return NULL;
	}
	leat_step_where(step, where);
	if (!usable(port, step->name))
		return NULL;
	type = port.flow->nodes[port.node].type;
	if (!leat_flow_same_type(type, step->in)) {
		leat_flow_mistake(port.flow, -EINVAL,
		                  "%sstep \"%s\" takes items of type \"%s\", and \"%s\" before it "
		                  "makes \"%s\"%s",
		                  where, step->name, step->in->name,
		                  port.flow->nodes[port.node].name, type->name,
		                  strcmp(type->name, step->in->name) != 0
		                          ? ""
		                          : ", of another size or with another discard");
		return NULL;
	}
	if ((kind == NODE_STEP) != (step->out != NULL)) {
		leat_flow_mistake(
			port.flow, -EINVAL,
			kind == NODE_STEP
				? "%sstep \"%s\" makes no items: it is an end, for for_each"
				: "%sstep \"%s\" makes items: for_each wants an end",
			where, step->name);
		return NULL;
	}
	if (step->kind == LEAT_STEP_FILTER && !leat_flow_same_type(step->in, step->out)) {
		leat_flow_mistake(port.flow, -EINVAL,
		                  "%sstep \"%s\" is a filter, and makes items of another type",
		                  where, step->name);
		return NULL;
	}
	if (step->most > LEAT_VECTOR_MOST) {
		leat_flow_mistake(port.flow, -EINVAL,
		                  "%sstep \"%s\" makes up to %zu items of one: at most %d are "
		                  "possible",
		                  where, step->name, step->most, LEAT_VECTOR_MOST);
		return NULL;
	}
	node = leat_flow_add_behind(port, kind, step->name, kind == NODE_STEP);
	if (node == NULL)
		return NULL;
	node->step = *step;
	node->type = step->out;
	node->state = state;
	node->varies = step->kind == LEAT_STEP_FILTER || step->most > 1;
	return node;
}

struct leat_port leat_flow_step(struct leat_port port, const struct leat_step *step,
                                const void *state)
{
	struct node *node = add_step(port, NODE_STEP, step, state);

	return node == NULL ? leat_flow_no_port(port.flow) : leat_flow_port_of(port.flow, node, 0);
}

struct leat_port leat_flow_step_with(struct leat_port port, const struct leat_step *step,
                                     struct leat_state state)
{
	struct node *node = add_step(port, NODE_STEP, step, NULL);

	if (node == NULL)
		return leat_flow_no_port(port.flow);
	node->own = state;
	node->has_own = true;
	return leat_flow_port_of(port.flow, node, 0);
}

/* The step before a port; NULL: a mistake. */
static struct node *step_before(struct leat_port port, const char *name)
{
	struct node *node;

	if (!usable(port, name))
		return NULL;
	node = &port.flow->nodes[port.node];
	if (node->kind == NODE_STEP && !node->counts)
		return node;
	leat_flow_mistake(port.flow, -EINVAL,
	                  "%s: \"%s\" is no step of the program's, none of its items fails", name,
	                  node->name);
	return NULL;
}

struct leat_port leat_flow_on_error(struct leat_port port, enum leat_on_error policy)
{
	struct node *node = step_before(port, "on_error");

	if (node == NULL)
		return leat_flow_no_port(port.flow);
	if (policy != LEAT_ON_ERROR_STOP && policy != LEAT_ON_ERROR_SKIP) {
		leat_flow_mistake(port.flow, -EINVAL, "on_error: there are stop and skip");
		return leat_flow_no_port(port.flow);
	}
	node->on_error = policy;
	return port;
}

struct leat_port leat_flow_divert(struct leat_port port, const struct leat_type *type,
                                  struct leat_port *trouble)
{
	struct node *node = step_before(port, "divert"), *ring;

	if (trouble != NULL)
		*trouble = leat_flow_no_port(port.flow);
	if (node == NULL)
		return leat_flow_no_port(port.flow);
	if (trouble == NULL || type == NULL || type->of == NULL ||
	    !leat_flow_same_type(type->of, node->step.in)) {
		leat_flow_mistake(
			port.flow, -EINVAL,
			"divert: \"%s\" wants a type made by LEAT_TROUBLE() of \"%s\", and a "
			"port",
			node->name, node->step.in->name);
		return leat_flow_no_port(port.flow);
	}
	if (node->divert != 0 || node->step.in->discard != NULL) {
		leat_flow_mistake(port.flow, -EINVAL,
		                  node->divert != 0 ? "divert: \"%s\" diverts already"
		                                    : "divert: the items of \"%s\" own something",
		                  node->name);
		return leat_flow_no_port(port.flow);
	}
	ring = add_node(port.flow, NODE_DIVERT, "divert", 0, 1);
	if (ring == NULL)
		return leat_flow_no_port(port.flow);
	ring->type = type;
	port.flow->nodes[port.node].divert = (uint32_t)(ring - port.flow->nodes);
	*trouble = leat_flow_port_of(port.flow, ring, 0);
	return port;
}

struct leat_port leat_flow_retry(struct leat_port port, const struct leat_backoff *pauses)
{
	struct node *node = step_before(port, "retry");

	if (node == NULL)
		return leat_flow_no_port(port.flow);
	if (pauses == NULL) {
		leat_flow_mistake(port.flow, -EINVAL, "retry: there are no pauses");
		return leat_flow_no_port(port.flow);
	}
	node->retries = true;
	node->pauses = *pauses;
	return port;
}

struct leat_port leat_flow_item_timeout(struct leat_port port, int64_t ns)
{
	struct node *node = step_before(port, "item_timeout");

	if (node == NULL)
		return leat_flow_no_port(port.flow);
	if (ns <= 0)
		leat_flow_mistake(port.flow, -EINVAL,
		                  "item_timeout: its time is %lld ns: it must be above 0",
		                  (long long)ns);
	else if (node->item_ns > 0)
		leat_flow_mistake(port.flow, -EINVAL, "item_timeout: \"%s\" has one already",
		                  node->name);
	else if (node->step.due_ns != NULL)
		leat_flow_mistake(
			port.flow, -EINVAL,
			"item_timeout: \"%s\" is called at times (due_ns), so the end of its "
			"call for an item is not the end of its work: let it fail late items",
			node->name);
	if (leat_flow_code(port.flow) != 0)
		return leat_flow_no_port(port.flow);
	node->item_ns = ns;
	leat_write_time(node->late_words, sizeof(node->late_words), "it took longer than ", ns);
	return port;
}

struct leat_port leat_flow_breaker(struct leat_port port, struct leat_breaker *breaker)
{
	struct node *node = step_before(port, "breaker");

	if (node == NULL)
		return leat_flow_no_port(port.flow);
	if (breaker == NULL) {
		leat_flow_mistake(port.flow, -EINVAL, "breaker: there is none");
		return leat_flow_no_port(port.flow);
	}
	node->breaker = breaker;
	return port;
}

/* --- where islands end --- */

struct leat_port leat_flow_buffer(struct leat_port port, size_t capacity)
{
	struct node *node = leat_flow_add_behind(port, NODE_BUFFER, "buffer", 1);

	if (node == NULL)
		return leat_flow_no_port(port.flow);
	node->capacity = capacity;
	return leat_flow_port_of(port.flow, node, 0);
}

struct leat_port leat_flow_workers(struct leat_port port, unsigned count,
                                   enum leat_flow_order order)
{
	struct node *node;

	if (count == 0 || count > 1024 || (unsigned)order > LEAT_ORDERED) {
		if (port.flow != NULL)
			leat_flow_mistake(port.flow, -EINVAL,
			                  "workers: from 1 to 1024 of them, ordered or unordered");
		return leat_flow_no_port(port.flow);
	}
	node = leat_flow_add_behind(port, NODE_WORKERS, "workers", 1);
	if (node == NULL)
		return leat_flow_no_port(port.flow);
	node->workers = count;
	node->order = order;
	return leat_flow_port_of(port.flow, node, 0);
}

struct leat_port leat_flow_workers_by(struct leat_port port, unsigned count,
                                      uint64_t (*key)(const void *item, const void *arg),
                                      const void *arg)
{
	struct node *node = NULL;

	if (port.flow != NULL && (count == 0 || count > 1024))
		leat_flow_mistake(port.flow, -EINVAL, "workers_by: from 1 to 1024 of them");
	else if (port.flow != NULL && key == NULL)
		leat_flow_mistake(port.flow, -EINVAL, "workers_by: there is no key");
	else
		node = leat_flow_add_behind(port, NODE_WORKERS, "workers_by", 1);
	if (node == NULL)
		return leat_flow_no_port(port.flow);
	node->workers = count;
	node->key = key;
	node->key_arg = arg;
	return leat_flow_port_of(port.flow, node, 0);
}

struct leat_port leat_flow_gather(struct leat_port port)
{
	struct node *node = leat_flow_add_behind(port, NODE_GATHER, "gather", 1);

	return node == NULL ? leat_flow_no_port(port.flow) : leat_flow_port_of(port.flow, node, 0);
}

/* Checks the i-th port of a merge: it is of this flow, of the type of the first, and there once. */
static bool may_merge(const struct leat_port *ports, size_t i, const char *name)
{
	struct leat_flow *flow = ports[0].flow;

	if (ports[i].flow != flow) {
		leat_flow_mistake(flow, -EINVAL, "%s: a port of another flow", name);
		return false;
	}
	if (!usable(ports[i], name))
		return false;
	for (size_t k = 0; k < i; k++)
		if (ports[k].node == ports[i].node && ports[k].output == ports[i].output)
			leat_flow_mistake(flow, -EINVAL, "%s: one port is there twice", name);
	if (!leat_flow_same_type(flow->nodes[ports[i].node].type, flow->nodes[ports[0].node].type))
		leat_flow_mistake(
			flow, -EINVAL, "%s: \"%s\" makes items of type \"%s\", and \"%s\" \"%s\"",
			name, flow->nodes[ports[0].node].name,
			flow->nodes[ports[0].node].type->name, flow->nodes[ports[i].node].name,
			flow->nodes[ports[i].node].type->name);
	return leat_flow_code(flow) == 0;
}

/* A node with all these ports as its inputs; NULL: a mistake. */
static struct node *add_merge(const struct leat_port *ports, size_t count, enum node_kind kind)
{
	struct leat_flow *flow = count == 0 || ports == NULL ? NULL : ports[0].flow;
	const char *name = leat_kind_name(kind);
	struct node *node;

	if (flow == NULL)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (!may_merge(ports, i, name))
			return NULL;
	node = add_node(flow, kind, name, count, 1);
	if (node == NULL)
		return NULL;
	node->type = flow->nodes[ports[0].node].type;
	for (size_t i = 0; i < count; i++)
		connect(node, i, ports[i]);
	return node;
}

/* Behind such a node; NULL: none of the flow of the first of these ports. */
static struct leat_port port_behind(const struct node *node, const struct leat_port *ports,
                                    size_t count)
{
	struct leat_flow *flow = count == 0 || ports == NULL ? NULL : ports[0].flow;

	return node == NULL ? leat_flow_no_port(flow) : leat_flow_port_of(flow, node, 0);
}

struct leat_port leat_flow_merge(const struct leat_port *ports, size_t count)
{
	return port_behind(add_merge(ports, count, NODE_MERGE), ports, count);
}

struct leat_port leat_flow_merge_by(const struct leat_port *ports, size_t count,
                                    int64_t (*key)(const void *item, const void *arg),
                                    const void *arg)
{
	struct node *node = add_merge(ports, count, NODE_MERGE_BY);

	if (node != NULL && key == NULL)
		leat_flow_mistake(ports[0].flow, -EINVAL, "merge_by: there is no key");
	if (node != NULL) {
		node->order_key = key;
		node->key_arg = arg;
	}
	return port_behind(node, ports, count);
}

struct leat_port leat_flow_merge_first(const struct leat_port *ports, size_t count)
{
	return port_behind(add_merge(ports, count, NODE_MERGE_FIRST), ports, count);
}

/* Checks the type of a port that is to be a part of a pair. */
static void check_part(struct leat_port port, const struct leat_type *part,
                       const struct leat_type *pair, const char *which)
{
	const struct node *from = &port.flow->nodes[port.node];

	if (!leat_flow_same_type(from->type, part))
		leat_flow_mistake(
			port.flow, -EINVAL,
			"zip: the %s of the pair is of type \"%s\", and \"%s\" makes \"%s\"", which,
			part->name, from->name, from->type->name);
	else if (part->discard != NULL && pair->discard == NULL)
		leat_flow_mistake(port.flow, -ENOTSUP,
		                  "zip: items of type \"%s\" own something: the pair wants a "
		                  "discard (LEAT_PAIR_OWNED)",
		                  part->name);
}

struct leat_port leat_flow_zip(struct leat_port first, struct leat_port second,
                               const struct leat_type *pair)
{
	struct leat_flow *flow = first.flow;
	struct node *node = NULL;

	if (flow == NULL || !usable(first, "zip"))
		return leat_flow_no_port(flow);
	if (pair == NULL || pair->second == NULL)
		leat_flow_mistake(flow, -EINVAL, "zip: it wants a type made by LEAT_PAIR()");
	else if (second.flow != flow ||
	         (first.node == second.node && first.output == second.output))
		leat_flow_mistake(flow, -EINVAL, "zip: two ports of this flow");
	else if (usable(second, "zip")) {
		check_part(first, pair->of, pair, "first");
		check_part(second, pair->second, pair, "second");
		node = flow->error == 0 ? add_node(flow, NODE_ZIP, "zip", 2, 1) : NULL;
	}
	if (node == NULL)
		return leat_flow_no_port(flow);
	node->type = pair;
	connect(node, 0, first);
	connect(node, 1, second);
	return leat_flow_port_of(flow, node, 0);
}

static struct node *add_fan_out(struct leat_port port, enum node_kind kind, struct leat_port *ports,
                                size_t count)
{
	struct node *node = NULL;

	if (port.flow != NULL && (ports == NULL || count == 0 || count > 1024))
		leat_flow_mistake(port.flow, -EINVAL, "%s: from 1 to 1024 outputs",
		                  leat_kind_name(kind));
	else
		node = leat_flow_add_behind(port, kind, leat_kind_name(kind), count);
	for (size_t i = 0; i < count && ports != NULL; i++)
		ports[i] = node == NULL ? leat_flow_no_port(port.flow)
		                        : leat_flow_port_of(port.flow, node, (uint32_t)i);
	return node;
}

void leat_flow_tee(struct leat_port port, struct leat_port *ports, size_t count)
{
	add_fan_out(port, NODE_TEE, ports, count);
}

void leat_flow_partition(struct leat_port port, uint64_t (*key)(const void *item, const void *arg),
                         const void *arg, struct leat_port *ports, size_t count)
{
	struct node *node = add_fan_out(port, NODE_PARTITION, ports, count);

	if (node == NULL)
		return;
	if (key == NULL)
		leat_flow_mistake(port.flow, -EINVAL, "partition: there is no key");
	node->key = key;
	node->key_arg = arg;
}

void leat_flow_for_each(struct leat_port port, const struct leat_step *step, const void *state)
{
	add_step(port, NODE_EACH, step, state);
}

/* --- names, and full rings --- */

struct leat_port leat_flow_name(struct leat_port port, const char *name)
{
	struct node *node;
	char *copy;

	if (!usable(port, "name"))
		return leat_flow_no_port(port.flow);
	node = &port.flow->nodes[port.node];
	if (name == NULL || name[0] == '\0') {
		leat_flow_mistake(port.flow, -EINVAL, "name: \"%s\" is to have no name",
		                  node->name);
		return leat_flow_no_port(port.flow);
	}
	copy = strdup(name);
	if (copy == NULL) {
		leat_flow_mistake(port.flow, -ENOMEM, "name: \"%s\" gets no name: no memory",
		                  node->name);
		return leat_flow_no_port(port.flow);
	}
	free(node->given_name);
	node->name = node->given_name = copy;
	return port;
}

/* Whether it has one ring, whose capacity and overflow may be chosen. */
static bool has_one_ring(const struct node *node)
{
	return node->kind == NODE_SEQ || node->kind == NODE_GEN || node->kind == NODE_BUFFER ||
	       (node->kind == NODE_WORKERS && node->key == NULL) || node->kind == NODE_GATHER ||
	       node->kind == NODE_MERGE;
}

/*
 * The node whose ring is right before this port. NULL: a mistake, which says that `what` needs a
 * ring (" that could drop").
 */
static struct node *ring_before(struct leat_port port, const char *what, const char *that)
{
	struct node *node;

	if (!usable(port, what))
		return NULL;
	node = &port.flow->nodes[port.node];
	if (node->kind == NODE_WORKERS && !leat_node_has_ring(port.flow, node))
		node = &port.flow->nodes[node->inputs[0].node]; /* the ring before is theirs */
	if (has_one_ring(node))
		return node;
	leat_flow_mistake(port.flow, -EINVAL, "%s: \"%s\" has no ring%s: put a buffer behind it",
	                  what, node->name, that);
	return NULL;
}

struct leat_port leat_flow_overflow(struct leat_port port, enum leat_overflow overflow)
{
	struct node *node = ring_before(port, "overflow", " that could drop");

	if (node == NULL)
		return leat_flow_no_port(port.flow);
	if ((unsigned)overflow > LEAT_DROP_OLDEST) {
		leat_flow_mistake(port.flow, -EINVAL,
		                  "overflow: of \"%s\": there are block, drop the newest and "
		                  "drop the oldest",
		                  node->name);
		return leat_flow_no_port(port.flow);
	}
	node->overflow = overflow;
	node->varies = overflow != LEAT_BLOCK;
	return port;
}

struct leat_port leat_flow_capacity(struct leat_port port, size_t capacity)
{
	struct node *node = ring_before(port, "capacity", "");

	if (node == NULL)
		return leat_flow_no_port(port.flow);
	if (capacity == 0) {
		leat_flow_mistake(port.flow, -EINVAL, "capacity: of \"%s\": from 1 item",
		                  node->name);
		return leat_flow_no_port(port.flow);
	}
	node->capacity = capacity;
	return port;
}
