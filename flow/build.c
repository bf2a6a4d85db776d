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

const char *kind_name(enum node_kind kind)
{
	static const char *const names[] = {
		[NODE_RX] = "from_rx",          [NODE_SEQ] = "from_seq",
		[NODE_GEN] = "from_gen",        [NODE_ARRAY] = "from_array",
		[NODE_STEP] = "step",           [NODE_BUFFER] = "buffer",
		[NODE_WORKERS] = "workers",     [NODE_GATHER] = "gather",
		[NODE_MERGE] = "merge",         [NODE_TEE] = "tee",
		[NODE_PARTITION] = "partition", [NODE_EACH] = "for_each",
		[NODE_TO_RX] = "to_rx",         [NODE_COLLECT] = "collect",
	};

	return names[kind];
}

int flow_mistake(struct leat_flow *flow, int code, const char *format, ...)
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

struct leat_flow *leat_flow_open(struct leat_scope *scope, const struct leat_flow_opts *opts)
{
	static const struct leat_flow_opts defaults;
	struct leat_scope_opts scope_opts = { 0 };
	struct leat_flow *flow;

	if (opts == NULL)
		opts = &defaults;
	/* what is wrong is passed on, and the core refuses it: so leat_open_error() is set */
	scope_opts.name = opts->name;
	for (size_t i = 0; i < sizeof(opts->reserved) / sizeof(opts->reserved[0]); i++)
		scope_opts.reserved[0] |= opts->reserved[i];
	scope_opts.reserved[0] |= (unsigned)opts->wait > LEAT_WAIT_PARK;
	flow = calloc(1, sizeof(*flow));
	if (flow == NULL)
		return NULL;
	flow->opts = *opts;
	if (opts->name != NULL)
		snprintf(flow->name, sizeof(flow->name), "%s", opts->name);
	if (flow->opts.capacity == 0)
		flow->opts.capacity = CAPACITY;
	pthread_mutex_init(&flow->lock, NULL);
	flow->scope = leat_scope_open(scope, &scope_opts);
	if (flow->scope == NULL) {
		free(flow);
		return NULL;
	}
	return flow;
}

int flow_error(const struct leat_flow *flow)
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
	return flow == NULL || flow_error(flow) == 0 ? "" : flow->text;
}

/* --- nodes --- */

static bool may_declare(struct leat_flow *flow)
{
	if (flow == NULL)
		return false;
	if (flow->started)
		flow_mistake(flow, -EINVAL, "the flow has been started: declare all of it before");
	else
		flow->planned = false;
	return flow_error(flow) == 0;
}

static struct leat_port no_port(struct leat_flow *flow)
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
		.kind = kind, .name = name, .inputs_count = inputs, .outputs = outputs
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
	flow_mistake(flow, -ENOMEM, "no memory for %s", name);
	return NULL;
}

static struct leat_port port_of(struct leat_flow *flow, const struct node *node, uint32_t output)
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
		flow_mistake(port.flow, -EINVAL, "%s: this is no output of a step of this flow",
		             name);
		return false;
	}
	from = &port.flow->nodes[port.node];
	if (from->consumers[port.output] >= 0) {
		flow_mistake(port.flow, -EINVAL,
		             "%s: what \"%s\" makes goes to \"%s\" already: put a tee behind it",
		             name, from->name, port.flow->nodes[from->consumers[port.output]].name);
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

/* A node with this port as its input, and so many outputs of the same type; NULL: a mistake. */
static struct node *add_behind(struct leat_port port, enum node_kind kind, const char *name,
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
		flow_mistake(flow, -EINVAL, "%s: a source wants the type of its items",
		             kind_name(kind));
		return NULL;
	}
	node = add_node(flow, kind, kind_name(kind), 0, 1);
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
		return port_of(flow, node, 0);
	}
	if (rx != NULL)
		leat_rx_close(rx);
	else if (flow != NULL)
		flow_mistake(flow, -EINVAL, "from_rx: there is no receiver");
	return no_port(flow);
}

struct leat_port leat_flow_from_seq(struct leat_flow *flow, const struct leat_type *type,
                                    struct leat_seq seq)
{
	struct node *node = NULL;

	if (flow != NULL && (seq.next == NULL || (type != NULL && seq.item_size != type->size)))
		flow_mistake(flow, -EINVAL,
		             "from_seq: the seq has no next, or items of another size than its "
		             "type");
	else
		node = add_source(flow, NODE_SEQ, type);
	if (node != NULL) {
		node->seq = seq;
		return port_of(flow, node, 0);
	}
	if (seq.fini != NULL)
		seq.fini(seq.state);
	return no_port(flow);
}

struct leat_port leat_flow_from_gen(struct leat_flow *flow, const struct leat_type *type,
                                    leat_gen_fn *fn, void *arg)
{
	struct node *node = NULL;

	if (flow != NULL && fn == NULL)
		flow_mistake(flow, -EINVAL, "from_gen: there is no function");
	else
		node = add_source(flow, NODE_GEN, type);
	if (node == NULL)
		return no_port(flow);
	node->gen = fn;
	node->gen_arg = arg;
	return port_of(flow, node, 0);
}

struct leat_port leat_flow_from_array(struct leat_flow *flow, const struct leat_type *type,
                                      const void *items, size_t count)
{
	struct node *node = NULL;

	if (flow != NULL && items == NULL && count > 0)
		flow_mistake(flow, -EINVAL, "from_array: there are no items");
	else if (flow != NULL && type != NULL && type->discard != NULL)
		flow_mistake(flow, -EINVAL,
		             "from_array: items of type \"%s\" own something, and these stay the "
		             "caller's",
		             type->name);
	else
		node = add_source(flow, NODE_ARRAY, type);
	if (node == NULL)
		return no_port(flow);
	node->items = items;
	node->count = count;
	return port_of(flow, node, 0);
}

/* --- steps --- */

static bool same_type(const struct leat_type *a, const struct leat_type *b)
{
	return a == b || (a != NULL && b != NULL && a->size == b->size &&
	                  a->discard == b->discard && strcmp(a->name, b->name) == 0);
}

void step_where(const struct leat_step *step, char where[LEAT_FLOW_TEXT / 2])
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
			flow_mistake(port.flow, -EINVAL,
			             "%s: there is no step, with a name, a function and types",
			             kind_name(kind));
		return NULL;
	}
	step_where(step, where);
	if (!usable(port, step->name))
		return NULL;
	type = port.flow->nodes[port.node].type;
	if (!same_type(type, step->in)) {
		flow_mistake(port.flow, -EINVAL,
		             "%sstep \"%s\" takes items of type \"%s\", and \"%s\" before it "
		             "makes \"%s\"%s",
		             where, step->name, step->in->name, port.flow->nodes[port.node].name,
		             type->name,
		             strcmp(type->name, step->in->name) != 0
		                     ? ""
		                     : ", of another size or with another discard");
		return NULL;
	}
	if ((kind == NODE_STEP) != (step->out != NULL)) {
		flow_mistake(port.flow, -EINVAL,
		             kind == NODE_STEP
		                     ? "%sstep \"%s\" makes no items: it is an end, for for_each"
		                     : "%sstep \"%s\" makes items: for_each wants an end",
		             where, step->name);
		return NULL;
	}
	if (step->kind == LEAT_STEP_FILTER && !same_type(step->in, step->out)) {
		flow_mistake(port.flow, -EINVAL,
		             "%sstep \"%s\" is a filter, and makes items of another type", where,
		             step->name);
		return NULL;
	}
	node = add_behind(port, kind, step->name, kind == NODE_STEP);
	if (node == NULL)
		return NULL;
	node->step = *step;
	node->type = step->out;
	node->state = state;
	return node;
}

struct leat_port leat_flow_step(struct leat_port port, const struct leat_step *step,
                                const void *state)
{
	struct node *node = add_step(port, NODE_STEP, step, state);

	return node == NULL ? no_port(port.flow) : port_of(port.flow, node, 0);
}

struct leat_port leat_flow_step_with(struct leat_port port, const struct leat_step *step,
                                     struct leat_state state)
{
	struct node *node = add_step(port, NODE_STEP, step, NULL);

	if (node == NULL)
		return no_port(port.flow);
	node->own = state;
	node->has_own = true;
	return port_of(port.flow, node, 0);
}

/* --- steps of the library: how many have gone by, and the size of an item --- */

struct counted {
	uint64_t left;
	size_t size;
};

static int init_counted(void *state, const void *arg)
{
	memcpy(state, arg, sizeof(struct counted));
	return 0;
}

static void pass_on(struct leat_vec *v, size_t from, size_t n, size_t size)
{
	if (n > 0)
		memcpy(v->out, (const char *)v->in + from * size, n * size);
	v->made = n;
}

static int take_vec(void *state, struct leat_vec *v)
{
	struct counted *counted = state;
	size_t n = v->n < v->room ? v->n : v->room;

	if (n > counted->left)
		n = (size_t)counted->left;
	pass_on(v, 0, n, counted->size);
	v->used = n;
	counted->left -= n;
	return counted->left == 0 ? LEAT_ENOUGH : 0;
}

static int skip_vec(void *state, struct leat_vec *v)
{
	struct counted *counted = state;
	size_t left_out = v->n < counted->left ? v->n : (size_t)counted->left, n;

	counted->left -= left_out;
	n = v->n - left_out < v->room ? v->n - left_out : v->room;
	pass_on(v, left_out, n, counted->size);
	v->used = left_out + n;
	v->skipped = left_out;
	return 0;
}

static struct leat_port add_counted(struct leat_port port, leat_step_fn *fn, const char *name,
                                    uint64_t n)
{
	struct node *node = add_behind(port, NODE_STEP, name, 1);
	struct counted *counted = node == NULL ? NULL : malloc(sizeof(*counted));

	if (counted == NULL) {
		if (node != NULL)
			flow_mistake(port.flow, -ENOMEM, "no memory for %s", name);
		return no_port(port.flow);
	}
	*counted = (struct counted){ .left = n, .size = node->type->size };
	node->step = (struct leat_step){ .name = name,
		                         .kind = LEAT_STEP_FILTER,
		                         .fn = fn,
		                         .in = node->type,
		                         .out = node->type };
	node->own = (struct leat_state){ .size = sizeof(*counted),
		                         .init = init_counted,
		                         .arg = counted };
	node->has_own = node->counts = true;
	node->state = counted; /* to be freed */
	return port_of(port.flow, node, 0);
}

struct leat_port leat_flow_take(struct leat_port port, uint64_t n)
{
	return add_counted(port, take_vec, "take", n);
}

struct leat_port leat_flow_skip(struct leat_port port, uint64_t n)
{
	return add_counted(port, skip_vec, "skip", n);
}

struct leat_port leat_flow_on_error(struct leat_port port, enum leat_on_error policy)
{
	if (!usable(port, "on_error"))
		return no_port(port.flow);
	if (port.flow->nodes[port.node].kind != NODE_STEP) {
		flow_mistake(port.flow, -EINVAL, "on_error: \"%s\" is not a step, it never fails",
		             port.flow->nodes[port.node].name);
		return no_port(port.flow);
	}
	if (policy != LEAT_ON_ERROR_STOP && policy != LEAT_ON_ERROR_SKIP) {
		flow_mistake(port.flow, -EINVAL, "on_error: there are stop and skip");
		return no_port(port.flow);
	}
	port.flow->nodes[port.node].on_error = policy;
	return port;
}

/* --- where islands end --- */

struct leat_port leat_flow_buffer(struct leat_port port, size_t capacity)
{
	struct node *node = add_behind(port, NODE_BUFFER, "buffer", 1);

	if (node == NULL)
		return no_port(port.flow);
	node->capacity = capacity;
	return port_of(port.flow, node, 0);
}

struct leat_port leat_flow_workers(struct leat_port port, unsigned count,
                                   enum leat_flow_order order)
{
	struct node *node;

	if (count == 0 || count > 1024 || (unsigned)order > LEAT_ORDERED) {
		if (port.flow != NULL)
			flow_mistake(port.flow, -EINVAL,
			             "workers: from 1 to 1024 of them, ordered or unordered");
		return no_port(port.flow);
	}
	node = add_behind(port, NODE_WORKERS, "workers", 1);
	if (node == NULL)
		return no_port(port.flow);
	node->workers = count;
	node->order = order;
	return port_of(port.flow, node, 0);
}

struct leat_port leat_flow_gather(struct leat_port port)
{
	struct node *node = add_behind(port, NODE_GATHER, "gather", 1);

	return node == NULL ? no_port(port.flow) : port_of(port.flow, node, 0);
}

struct leat_port leat_flow_merge(const struct leat_port *ports, size_t count)
{
	struct leat_flow *flow = count == 0 || ports == NULL ? NULL : ports[0].flow;
	struct node *node;

	if (flow == NULL)
		return no_port(NULL);
	for (size_t i = 0; i < count; i++) {
		if (ports[i].flow != flow) {
			flow_mistake(flow, -EINVAL, "merge: a port of another flow");
			return no_port(flow);
		}
		if (!usable(ports[i], "merge"))
			return no_port(flow);
		for (size_t k = 0; k < i; k++)
			if (ports[k].node == ports[i].node && ports[k].output == ports[i].output)
				flow_mistake(flow, -EINVAL, "merge: one port is there twice");
		if (!same_type(flow->nodes[ports[i].node].type, flow->nodes[ports[0].node].type))
			flow_mistake(flow, -EINVAL,
			             "merge: \"%s\" makes items of type \"%s\", and \"%s\" \"%s\"",
			             flow->nodes[ports[0].node].name,
			             flow->nodes[ports[0].node].type->name,
			             flow->nodes[ports[i].node].name,
			             flow->nodes[ports[i].node].type->name);
	}
	node = flow_error(flow) == 0 ? add_node(flow, NODE_MERGE, "merge", count, 1) : NULL;
	if (node == NULL)
		return no_port(flow);
	node->type = flow->nodes[ports[0].node].type;
	for (size_t i = 0; i < count; i++)
		connect(node, i, ports[i]);
	return port_of(flow, node, 0);
}

static struct node *add_fan_out(struct leat_port port, enum node_kind kind, struct leat_port *ports,
                                size_t count)
{
	struct node *node = NULL;

	if (port.flow != NULL && (ports == NULL || count == 0 || count > 1024))
		flow_mistake(port.flow, -EINVAL, "%s: from 1 to 1024 outputs", kind_name(kind));
	else
		node = add_behind(port, kind, kind_name(kind), count);
	for (size_t i = 0; i < count && ports != NULL; i++)
		ports[i] =
			node == NULL ? no_port(port.flow) : port_of(port.flow, node, (uint32_t)i);
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
		flow_mistake(port.flow, -EINVAL, "partition: there is no key");
	node->key = key;
	node->key_arg = arg;
}

/* --- ends --- */

void leat_flow_for_each(struct leat_port port, const struct leat_step *step, const void *state)
{
	add_step(port, NODE_EACH, step, state);
}

void leat_flow_to_rx(struct leat_port port, struct leat_rx **rx)
{
	struct node *node = NULL;

	if (rx == NULL) {
		if (port.flow != NULL)
			flow_mistake(port.flow, -EINVAL, "to_rx: there is no place for it");
		return;
	}
	*rx = NULL;
	node = add_behind(port, NODE_TO_RX, "to_rx", 0);
	if (node != NULL)
		node->to_rx = rx;
}

static int collect_vec(void *state, struct leat_vec *v)
{
	struct collected *collected = state;
	size_t wanted = collected->count + v->n, room = collected->room;
	unsigned char *larger;

	if (wanted > room) {
		room = room == 0 ? 1024 : room;
		while (room < wanted)
			room *= 2;
		larger = realloc(collected->items, room * collected->size);
		if (larger == NULL)
			return -ENOMEM;
		collected->items = larger;
		collected->room = room;
	}
	memcpy(collected->items + collected->count * collected->size, v->in,
	       v->n * collected->size);
	collected->count = wanted;
	v->used = v->n;
	return 0;
}

void leat_flow_collect(struct leat_port port, void **items, size_t *count)
{
	struct node *node;

	if (items == NULL || count == NULL) {
		if (port.flow != NULL)
			flow_mistake(port.flow, -EINVAL,
			             "collect: there is no place for the items");
		return;
	}
	*items = NULL;
	*count = 0;
	node = add_behind(port, NODE_COLLECT, "collect", 0);
	if (node == NULL)
		return;
	node->collected = calloc(1, sizeof(*node->collected));
	if (node->collected == NULL) {
		flow_mistake(port.flow, -ENOMEM, "no memory for collect");
		return;
	}
	node->collected->size = node->type->size;
	node->collected->to = items;
	node->collected->to_count = count;
	node->step = (struct leat_step){
		.name = "collect", .kind = LEAT_STEP_END, .fn = collect_vec, .in = node->type
	};
	node->state = node->collected;
}

/* --- books --- */

int leat_flow_stat(const struct leat_flow *flow, size_t number, struct leat_step_stat *stat)
{
	const struct node *node;

	if (flow == NULL || stat == NULL)
		return -EINVAL;
	if (flow->started && !flow->joined)
		return -EBUSY;
	if (number >= flow->nodes_count)
		return -ENOENT;
	node = &flow->nodes[number];
	*stat = (struct leat_step_stat){ .name = node->name,
		                         .in = node->books.in,
		                         .used = node->books.used,
		                         .skipped = node->books.skipped,
		                         .failed = node->books.failed,
		                         .made = node->books.made };
	return 0;
}
