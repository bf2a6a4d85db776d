/*
 * tests/stress/flow.c: random flows of all kinds of nodes, held against a straight computation.
 *
 * While a graph is built, what comes out of each port is computed, too. Half of the graphs have
 * trouble besides: steps and sources that fail, ends that leave early, inputs that stay idle, a
 * stop, a cancel, a close. For every graph: it ends; the books of each step balance; each item that
 * owns something is freed once; nothing is left behind. Without trouble each end has exactly the
 * items that were computed, in their order where one is promised. With trouble it has the first of
 * them, or, without an order, some of them. After a stop alone nothing that a step has made is
 * lost.
 *
 * usage: flow SECONDS [SEED]: 100 graphs for each second
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/atomic.h>
#include <leat/flow.h>
#include <leat/leat.h>
#include <leat/test.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STREAMS = 10, THINGS = 256, NODES = 256, CELLS = 1 << 16, MOST = 1500, MINUTES = 5 };

enum { FAILS = 1, LEAVES = 2, STOPS = 4, CANCELS = 8, SPICES = 4 };

struct list {
	uint64_t *items;
	size_t count, room;
};

/* A port that nothing uses yet, and what comes out of it. */
struct stream {
	struct leat_port port;
	struct list list;
	bool ordered, owned;
	bool diverted; /* an end that leaves early would cut off what a step before diverts */
};

struct end {
	struct list expected, got;
	bool ordered, owned;
	pthread_mutex_t lock;
	uint64_t leave_after; /* 0: never */
	struct leat_rx *rx;
	void *collected;
	size_t collected_count;
	bool collects;
};

/* What a step or a source is given: it lives as long as the graph. */
struct thing {
	uint64_t modulus, from, count, n;
	uint64_t fail_after; /* a source; 0: never */
	void *states[3];
	bool owned, numbered;
	uint64_t *items;
};

static struct graph {
	unsigned spices;
	struct leat_scope *scope, *outside;
	struct leat_flow *flow;
	struct stream streams[STREAMS];
	unsigned streams_count, things_count, ends_count;
	struct thing things[THINGS];
	struct end ends[NODES];
	struct leat_tx *idle[NODES];     /* of inputs that never get an item */
	struct leat_scope *feeds[NODES]; /* in which generators of the program run */
	unsigned idle_count, feeds_count;
	struct node {
		uint32_t inputs[STREAMS];
		unsigned inputs_count;
		bool parts; /* a partition: each item goes to one of its consumers */
	} nodes[NODES];
	uint32_t nodes_count;
	bool takes;   /* a step leaves early, as it should */
	bool endless; /* a source has no end */
} graph;

static uint64_t seed_now, random_state, items_in_all, plain_graphs, boxes_in_all;

static uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * below >> 32);
}

static void fail(const char *what)
{
	fprintf(stderr, "flow: seed %llu: %s\n", (unsigned long long)seed_now, what);
	abort();
}

static void append(struct list *list, uint64_t item)
{
	if (list->count == list->room) {
		list->room = list->room == 0 ? 64 : list->room * 2;
		list->items = realloc(list->items, list->room * sizeof(*list->items));
		if (list->items == NULL)
			fail("no memory");
	}
	list->items[list->count++] = item;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void sort(struct list *list)
{
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(uint64_t), compare);
}

static struct thing *new_thing(void)
{
	if (graph.things_count == THINGS)
		fail("too many things");
	return &graph.things[graph.things_count++];
}

/* --- items that own something: a cell, which is live or not --- */

struct box {
	uint64_t value;
	uint32_t cell, check;
};

static uint32_t cells[CELLS], next_cell, live_cells;

static struct box new_box(uint64_t value)
{
	for (;;) {
		/* rlx: a hint where to begin */
		uint32_t cell = leat_add_rlx(&next_cell, 1u) % CELLS;
		uint32_t free_cell = 0;

		if (leat_cas_acqrel(&cells[cell], &free_cell, 1u)) {
			leat_add_rlx(&live_cells, 1u); /* rlx: read after the join */
			return (struct box){ .value = value, .cell = cell, .check = ~cell };
		}
	}
}

static void free_box(void *item, void *arg)
{
	struct box *box = item;
	uint32_t live = 1;

	(void)arg;
	if (box->check != ~box->cell || box->cell >= CELLS)
		fail("what is freed is no box");
	if (!leat_cas_acqrel(&cells[box->cell], &live, 0u))
		fail("a box is freed twice");
	leat_sub_rlx(&live_cells, 1u); /* rlx: read after the join */
}

static int copy_box(void *copy, const void *item)
{
	*(struct box *)copy = new_box(((const struct box *)item)->value);
	return 0;
}

LEAT_TYPE_OWNED(box, struct box, free_box, copy_box);

/* --- steps, and what each does to a list --- */

LEAT_MAP(triple, u64, x, u64, y, const void *, unused)
{
	(void)unused;
	*y = *x * 3 + 1;
	return 0;
}

LEAT_MAP(map_some, u64, x, u64, y, const struct thing *, thing)
{
	*y = *x;
	return *x % thing->modulus == 0 ? LEAT_SKIP : 0;
}

LEAT_MAP(fail_some, u64, x, u64, y, const struct thing *, thing)
{
	*y = *x;
	return *x % thing->modulus == 0 ? -EDOM : 0;
}

LEAT_TROUBLE(failed, u64);

LEAT_MAP(untrouble, failed, failed, u64, y, const struct thing *, thing)
{
	*y = failed->item + (thing->numbered ? failed->number : 0);
	return failed->code == -EDOM ? 0 : -EXDEV;
}

LEAT_BATCH(few, u64, 7);

LEAT_FLAT_MAP(unbatch, few, few, u64, y, 7, const void *, unused)
{
	(void)unused;
	memcpy(y, few->items, few->count * sizeof(*y));
	return (int)few->count;
}

LEAT_BATCH(neighbours, u64, 2);

/* Of a window by time: the item itself. */
LEAT_MAP(last_of, neighbours, both, u64, y, const void *, unused)
{
	(void)unused;
	*y = both->items[both->count - 1];
	return 0;
}

LEAT_MAP(add_both, neighbours, both, u64, y, const void *, unused)
{
	(void)unused;
	*y = both->items[0] + both->items[1];
	return both->count == 2 ? 0 : -EXDEV;
}

LEAT_FILTER(keep_some, u64, x, const struct thing *, thing)
{
	return *x % thing->modulus != 0;
}

LEAT_MAP(number, u64, x, u64, y, uint64_t *, n)
{
	*y = *x + (*n)++;
	return 0;
}

LEAT_FUSE(fused, u64, u64, triple, keep_some, triple);

LEAT_MAP(wrap, u64, x, box, box, const void *, unused)
{
	(void)unused;
	*box = new_box(*x);
	return 0;
}

LEAT_MAP(unwrap, box, box, u64, y, const void *, unused)
{
	(void)unused;
	*y = box->value;
	return 0;
}

LEAT_MAP(rewrap, box, box, box, other, const struct thing *, thing)
{
	if (box->value % thing->modulus == 0)
		return LEAT_SKIP;
	*other = new_box(box->value);
	return 0;
}

LEAT_MAP(fail_boxes, box, box, box, other, const struct thing *, thing)
{
	if (box->value % thing->modulus == 0)
		return -EDOM;
	*other = new_box(box->value);
	return 0;
}

LEAT_FILTER(keep_boxes, box, box, const struct thing *, thing)
{
	return box->value % thing->modulus != 0;
}

/* Each item, and then its successor: more than there may be room for. */
static int twice_vec(void *state, struct leat_vec *v)
{
	bool *half = state;
	const uint64_t *in = v->in;
	uint64_t *out = v->out;

	while (v->used < v->n && v->made < v->room) {
		out[v->made++] = in[v->used] + *half;
		v->used += *half;
		*half = !*half;
	}
	return 0;
}

/* Holds the latest five items. */
struct held {
	uint64_t items[5];
	unsigned count;
};

static int hold_vec(void *state, struct leat_vec *v)
{
	struct held *held = state;
	const uint64_t *in = v->in;
	uint64_t *out = v->out;

	for (;;) {
		if (held->count == 5 || (v->last && held->count > 0)) {
			if (v->made == v->room)
				return 0;
			out[v->made++] = held->items[0];
			memmove(held->items, held->items + 1, --held->count * sizeof(uint64_t));
		}
		if (v->used < v->n)
			held->items[held->count++] = in[v->used++];
		else if (!v->last || held->count == 0)
			return 0;
	}
}

static const struct leat_step twice = {
	.name = "twice", .fn = twice_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};
static const struct leat_step hold = {
	.name = "hold", .fn = hold_vec, .in = LEAT_T(u64), .out = LEAT_T(u64)
};

static void keep_others(struct list *list, uint64_t modulus)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++)
		if (list->items[i] % modulus != 0)
			list->items[kept++] = list->items[i];
	list->count = kept;
}

static void triple_all(struct list *list)
{
	for (size_t i = 0; i < list->count; i++)
		list->items[i] = list->items[i] * 3 + 1;
}

static void double_all(struct list *list)
{
	struct list other = { 0 };

	for (size_t i = 0; i < list->count; i++) {
		append(&other, list->items[i]);
		append(&other, list->items[i] + 1);
	}
	free(list->items);
	*list = other;
}

/* --- the graph as it is built --- */

/* A node was declared, with these inputs: its number is the next. */
static void note_node(const struct leat_port *inputs, unsigned count, bool parts)
{
	struct node *node = &graph.nodes[graph.nodes_count++];

	for (unsigned i = 0; i < count; i++)
		node->inputs[i] = inputs[i].node;
	node->inputs_count = count;
	node->parts = parts;
}

static const int64_t an_hour_ns = INT64_C(3600000000000);

static void step_to(struct stream *stream, const struct leat_step *step, const void *state)
{
	struct leat_port from = stream->port;

	stream->port = leat_flow_step(from, step, state);
	if (draw(8) == 0)
		leat_flow_item_timeout(stream->port, an_hour_ns);
	note_node(&from, 1, false);
}

static void step_to_own(struct stream *stream, const struct leat_step *step, size_t size)
{
	struct leat_port from = stream->port;

	stream->port = leat_flow_step_with(from, step, (struct leat_state){ .size = size });
	note_node(&from, 1, false);
}

/* In workers: steps without state that counts items, and, with an order, none that holds them. */
enum place { ALONE, IN_ORDERED, IN_UNORDERED };

static void add_step_of_boxes(struct stream *stream, struct thing *thing)
{
	switch (draw(4)) {
	case 0:
		step_to(stream, &keep_boxes, thing);
		keep_others(&stream->list, thing->modulus);
		return;
	case 1:
		step_to(stream, &unwrap, NULL);
		stream->owned = false;
		return;
	case 2:
		step_to(stream, &rewrap, thing);
		break;
	default:
		step_to(stream, &fail_boxes, thing);
		if (draw(2)) /* again for nothing */
			leat_flow_retry(stream->port,
			                &(struct leat_backoff){ .first_ns = 1 + (int64_t)draw(9999),
			                                        .tries = 1 });
		if (!(graph.spices & FAILS) || draw(2))
			leat_flow_on_error(stream->port, LEAT_ON_ERROR_SKIP);
	}
	keep_others(&stream->list, thing->modulus);
}

static void add_step_for_one(struct stream *stream)
{
	struct leat_port from = stream->port;
	uint64_t n = draw(2) ? draw(10) : draw(1000);
	size_t some = n < stream->list.count ? n : stream->list.count;

	switch (stream->diverted ? 0 : stream->owned ? draw(2) : draw(8)) {
	case 0:
		stream->port = leat_flow_skip(from, n);
		note_node(&from, 1, false);
		stream->list.count -= some;
		for (size_t i = 0; i < stream->list.count; i++)
			stream->list.items[i] = stream->list.items[i + some];
		return;
	case 1:
		stream->port = leat_flow_take(from, n);
		note_node(&from, 1, false);
		stream->list.count = some;
		graph.takes = true;
		return;
	case 2:
		stream->port = leat_flow_batch(from, LEAT_T(few), 0);
		note_node(&from, 1, false);
		step_to(stream, &unbatch, NULL);
		return;
	case 3:
		stream->port = leat_flow_window(from, LEAT_T(neighbours));
		note_node(&from, 1, false);
		step_to(stream, &add_both, NULL);
		for (size_t i = 0; i + 1 < stream->list.count; i++)
			stream->list.items[i] += stream->list.items[i + 1];
		stream->list.count -= stream->list.count > 0;
		return;
	case 4:
		stream->port = leat_flow_delay(from, 1 + (int64_t)draw(20000), 64 + draw(200));
		note_node(&from, 1, false);
		return;
	case 5:
		stream->port = leat_flow_timeout(from, an_hour_ns);
		note_node(&from, 1, false);
		return;
	case 6:
		stream->port = leat_flow_window_within(from, LEAT_T(neighbours), an_hour_ns);
		note_node(&from, 1, false);
		step_to(stream, &last_of, NULL);
		return;
	default:
		step_to_own(stream, &number, sizeof(uint64_t));
		for (size_t i = 0; i < stream->list.count; i++)
			stream->list.items[i] += i;
	}
}

/* What the step fails at goes to a stream of its own. */
static void add_divert(struct stream *stream, struct thing *thing)
{
	struct stream *other = &graph.streams[graph.streams_count++];

	stream->diverted = true;
	thing->numbered = stream->ordered;
	*other = (struct stream){ .ordered = stream->ordered };
	for (size_t i = 0; i < stream->list.count; i++)
		if (stream->list.items[i] % thing->modulus == 0)
			append(&other->list, stream->list.items[i] + (stream->ordered ? i : 0));
	leat_flow_divert(stream->port, LEAT_T(failed), &other->port);
	note_node(NULL, 0, false);
	step_to(other, &untrouble, thing);
}

static void add_step(struct stream *stream, enum place place)
{
	struct thing *thing = new_thing();

	thing->modulus = 2 + draw(20);
	thing->states[0] = thing->states[1] = thing->states[2] = thing;
	if (stream->ordered && place == ALONE && draw(4) == 0) {
		add_step_for_one(stream);
		return;
	}
	if (stream->owned) {
		add_step_of_boxes(stream, thing);
		return;
	}
	switch (draw(8)) {
	case 0:
		step_to(stream, &triple, NULL);
		triple_all(&stream->list);
		return;
	case 1:
		step_to(stream, &map_some, thing);
		break;
	case 2:
		step_to(stream, &keep_some, thing);
		break;
	case 3:
		step_to(stream, &fail_some, thing);
		if (place == ALONE && graph.streams_count < STREAMS && draw(2))
			add_divert(stream, thing);
		else if (!(graph.spices & FAILS) || draw(2))
			leat_flow_on_error(stream->port, LEAT_ON_ERROR_SKIP);
		break;
	case 4:
		if (stream->list.count > MOST * 8)
			step_to(stream, &triple, NULL), triple_all(&stream->list);
		else
			step_to_own(stream, &twice, sizeof(bool)), double_all(&stream->list);
		return;
	case 5:
		step_to(stream, &wrap, NULL);
		stream->owned = true;
		return;
	case 6:
		if (place == ALONE)
			step_to(stream, &fused, thing->states);
		else
			step_to(stream, &triple, NULL);
		triple_all(&stream->list);
		if (place != ALONE)
			return;
		keep_others(&stream->list, thing->modulus);
		triple_all(&stream->list);
		return;
	default:
		if (place == IN_ORDERED)
			step_to(stream, &triple, NULL), triple_all(&stream->list);
		else
			step_to_own(stream, &hold, sizeof(struct held));
		return;
	}
	keep_others(&stream->list, thing->modulus);
}

/* --- sources --- */

static void set_item(const struct thing *thing, uint64_t n, struct box *box)
{
	if (thing->owned)
		*box = new_box(thing->from + n);
	else
		memcpy(box, &(uint64_t){ thing->from + n }, sizeof(uint64_t));
}

static int next_item(void *state, void *item)
{
	struct thing *thing = state;
	struct box box;

	if (thing->n == thing->count)
		return 0;
	if (thing->fail_after != 0 && thing->n == thing->fail_after)
		return -EIO;
	set_item(thing, thing->n++, &box);
	memcpy(item, &box, thing->owned ? sizeof(box) : sizeof(uint64_t));
	return 1;
}

static int run_source(struct leat_tx *out, void *arg)
{
	struct box box;
	int rc = 0;

	while (rc == 0) {
		rc = next_item(arg, &box);
		if (rc <= 0)
			return rc;
		rc = leat_send(out, (void *)&box);
		if (rc != 0 && ((struct thing *)arg)->owned)
			free_box(&box, NULL);
	}
	return rc;
}

static struct leat_rx *open_idle(bool owned)
{
	struct leat_chan_opts opts = { .discard = owned ? free_box : NULL };
	struct leat_rx *rx;

	if (leat_chan_open(graph.outside, owned ? sizeof(struct box) : sizeof(uint64_t), &opts,
	                   &graph.idle[graph.idle_count], &rx) != 0)
		fail("a channel cannot be opened");
	graph.idle_count++;
	return rx;
}

static struct leat_rx *open_feed(struct thing *thing)
{
	struct leat_gen_opts opts = { .source = true };
	struct leat_scope *scope = leat_scope_open(graph.scope, NULL);
	struct leat_rx *rx;

	opts.chan.capacity = 1 + draw(100);
	opts.chan.discard = thing->owned ? free_box : NULL;
	graph.feeds[graph.feeds_count++] = scope;
	if (leat_gen(scope, run_source, thing, thing->owned ? sizeof(struct box) : sizeof(uint64_t),
	             &opts, &rx) != 0)
		fail("a generator cannot be started");
	return rx;
}

static void add_source(void)
{
	struct stream *stream = &graph.streams[graph.streams_count++];
	struct thing *thing = new_thing();
	unsigned kind = draw(4);
	const struct leat_type *type;

	*stream = (struct stream){ .ordered = true };
	thing->owned = stream->owned = kind != 0 && draw(3) == 0;
	type = thing->owned ? LEAT_T(box) : LEAT_T(u64);
	thing->from = draw(1000);
	thing->count = draw(4) == 0 ? draw(20) : draw(MOST);
	if (graph.spices & FAILS && draw(6) == 0)
		thing->fail_after = 1 + draw(500);
	for (uint64_t i = 0; i < thing->count; i++)
		append(&stream->list, thing->from + i);
	if (graph.spices & (STOPS | CANCELS) && kind != 0 && draw(2)) {
		thing->count = UINT64_MAX;
		graph.endless = true;
	}
	if (kind == 0) {
		thing->items = calloc(thing->count + 1, sizeof(uint64_t));
		for (uint64_t i = 0; i < thing->count; i++)
			thing->items[i] = stream->list.items[i];
		stream->port = leat_flow_from_array(graph.flow, type, thing->items, thing->count);
	} else if (kind == 1) {
		stream->port = leat_flow_from_seq(graph.flow, type,
		                                  (struct leat_seq){ .next = next_item,
		                                                     .state = thing,
		                                                     .item_size = type->size });
	} else if (kind == 2) {
		stream->port = leat_flow_from_gen(graph.flow, type, run_source, thing);
	} else {
		bool idle = graph.spices & CANCELS && draw(3) == 0;

		stream->port = leat_flow_from_rx(graph.flow, type,
		                                 idle ? open_idle(thing->owned) : open_feed(thing));
	}
	note_node(NULL, 0, false);
}

/* --- where islands end --- */

static uint64_t key_of(const void *item, const void *arg)
{
	(void)arg; /* the value is what both types begin with */
	return *(const uint64_t *)item / 3;
}

static void add_buffer(struct stream *stream)
{
	struct leat_port from = stream->port;

	stream->port = leat_flow_buffer(from, draw(2) ? 1 + draw(8) : draw(2000));
	note_node(&from, 1, false);
}

static void add_end_of(struct stream *stream, bool in_workers);

static void add_workers(struct stream *stream, unsigned at)
{
	enum leat_flow_order order = draw(2) ? LEAT_ORDERED : LEAT_UNORDERED;
	struct leat_port from = stream->port;
	unsigned count = 1 + draw(4);

	stream->port = order == LEAT_UNORDERED && draw(2)
	                       ? leat_flow_workers_by(from, count, key_of, NULL)
	                       : leat_flow_workers(from, count, order);
	note_node(&from, 1, false);
	for (unsigned steps = draw(4); steps > 0; steps--)
		add_step(stream, order == LEAT_ORDERED ? IN_ORDERED : IN_UNORDERED);
	if (order == LEAT_UNORDERED && draw(4) == 0) {
		stream->ordered = false;
		add_end_of(stream, true);
		graph.streams[at] = graph.streams[--graph.streams_count];
		return;
	}
	from = stream->port;
	stream->port = leat_flow_gather(from);
	note_node(&from, 1, false);
	stream->ordered &= order == LEAT_ORDERED;
}

static void add_tee(struct stream *stream)
{
	struct leat_port ports[3], from = stream->port;
	unsigned count = 1 + draw(3);

	if (graph.streams_count + count > STREAMS)
		return;
	leat_flow_tee(from, ports, count);
	note_node(&from, 1, false);
	stream->port = ports[0];
	for (unsigned i = 1; i < count; i++) {
		struct stream *other = &graph.streams[graph.streams_count++];

		*other = *stream;
		other->port = ports[i];
		other->list = (struct list){ 0 };
		for (size_t k = 0; k < stream->list.count; k++)
			append(&other->list, stream->list.items[k]);
	}
}

static void add_partition(struct stream *stream)
{
	struct leat_port ports[3], from = stream->port;
	struct list list = stream->list, parts[3] = { 0 };
	unsigned count = 1 + draw(3);

	if (graph.streams_count + count > STREAMS)
		return;
	leat_flow_partition(from, key_of, NULL, ports, count);
	note_node(&from, 1, true);
	for (size_t i = 0; i < list.count; i++)
		append(&parts[list.items[i] / 3 % count], list.items[i]);
	free(list.items);
	for (unsigned i = 0; i < count; i++) {
		struct stream *part = i == 0 ? stream : &graph.streams[graph.streams_count++];

		*part = (struct stream){ .port = ports[i],
			                 .list = parts[i],
			                 .ordered = stream->ordered,
			                 .owned = stream->owned,
			                 .diverted = stream->diverted };
		add_buffer(part); /* so that a merge does not hide how many came from here */
	}
}

/* Takes up to three streams of items like those of the first, which it all goes to. */
static unsigned join_streams(struct leat_port ports[3])
{
	struct stream *first = &graph.streams[0];
	unsigned count = 0, kept = 1;

	for (unsigned i = 0; i < graph.streams_count; i++) {
		struct stream *stream = &graph.streams[i];

		if (count == 3 || stream->owned != first->owned) {
			graph.streams[kept++] = *stream;
			continue;
		}
		ports[count++] = stream->port;
		first->diverted |= stream->diverted;
		for (size_t k = 0; i > 0 && k < stream->list.count; k++)
			append(&first->list, stream->list.items[k]);
		if (i > 0)
			free(stream->list.items);
	}
	graph.streams_count = kept;
	return count;
}

static void add_merge(void)
{
	struct stream *first = &graph.streams[0];
	struct leat_port ports[3];
	unsigned count = join_streams(ports);

	first->port = draw(2) ? leat_flow_merge(ports, count) : leat_flow_merge_first(ports, count);
	first->ordered = first->ordered && count == 1;
	note_node(ports, count, false);
}

/* Each item as a stream, of up to three items. */
LEAT_MAP(open_items, u64, x, rx, out, const void *, unused)
{
	const struct leat_chan_opts opts = { .capacity = 3 };
	struct leat_tx *tx;

	(void)unused;
	if (leat_chan_open(graph.outside, sizeof(uint64_t), &opts, &tx, out) != 0)
		fail("a stream cannot be opened");
	for (uint64_t i = 0; i < *x % 4; i++)
		leat_send(tx, &(uint64_t){ *x + i });
	leat_tx_close(tx);
	return 0;
}

static void add_bridge(struct stream *stream)
{
	const size_t at_once = draw(2) ? 1 : 2 + draw(20);
	struct list list = stream->list;
	struct leat_port from;

	if (stream->owned || list.count > MOST)
		return;
	step_to(stream, &open_items, NULL);
	from = stream->port;
	stream->port = leat_flow_bridge(from, LEAT_T(u64), at_once);
	note_node(&from, 1, false);
	stream->list = (struct list){ 0 };
	for (size_t i = 0; i < list.count; i++)
		for (uint64_t k = 0; k < list.items[i] % 4; k++)
			append(&stream->list, list.items[i] + k);
	free(list.items);
	stream->ordered = stream->ordered && at_once == 1;
}

static int64_t value_of(const void *item, const void *arg)
{
	(void)arg; /* the value is what both types begin with */
	return (int64_t) * (const uint64_t *)item;
}

/*
 * Of sources alone, which ascend. With trouble, one that ends early, or has more items than are
 * computed, lets others through.
 */
static void add_merge_by(void)
{
	struct stream *first = &graph.streams[0];
	struct leat_port ports[3];
	unsigned count = join_streams(ports);

	first->port = leat_flow_merge_by(ports, count, value_of, NULL);
	first->ordered = graph.spices == 0 || count == 1;
	sort(&first->list);
	note_node(ports, count, false);
}

/* --- ends --- */

static int put(struct end *end, uint64_t value)
{
	int rc;

	pthread_mutex_lock(&end->lock);
	append(&end->got, value);
	rc = end->got.count == end->leave_after ? LEAT_ENOUGH : 0;
	pthread_mutex_unlock(&end->lock);
	return rc;
}

LEAT_EACH(put_plain, u64, x, const struct end *, end)
{
	return put((struct end *)(uintptr_t)end, *x);
}

LEAT_EACH(put_box, box, box, const struct end *, end)
{
	return put((struct end *)(uintptr_t)end, box->value);
}

static int drain(struct leat_tx *out, void *arg)
{
	struct end *end = arg;
	struct box box;
	int rc = 0;

	(void)out;
	while (rc == 0 && leat_recv(end->rx, (void *)&box) == 1)
		rc = put(end, *(uint64_t *)(void *)&box);
	leat_rx_close(end->rx);
	return 0;
}

static int drain_boxes(struct leat_tx *out, void *arg)
{
	struct end *end = arg;
	struct box box;
	int rc = 0;

	(void)out;
	while (rc == 0 && leat_recv(end->rx, (void *)&box) == 1) {
		rc = put(end, box.value);
		free_box(&box, NULL);
	}
	leat_rx_close(end->rx);
	return 0;
}

static void add_end_of(struct stream *stream, bool in_workers)
{
	struct end *end = &graph.ends[graph.ends_count++];
	unsigned kind = in_workers ? 0 : draw(3);

	if (!in_workers && stream->owned && kind == 2)
		kind = 0; /* what is collected is the program's to free */
	end->expected = stream->list;
	end->ordered = stream->ordered;
	pthread_mutex_init(&end->lock, NULL);
	if (graph.spices & LEAVES && draw(2))
		end->leave_after = 1 + draw(300);
	if (kind == 0) {
		leat_flow_for_each(stream->port, stream->owned ? &put_box : &put_plain, end);
	} else if (kind == 1) {
		end->owned = stream->owned;
		leat_flow_to_rx(stream->port, &end->rx);
	} else {
		end->collects = true;
		leat_flow_collect(stream->port, &end->collected, &end->collected_count);
	}
	note_node(&stream->port, 1, false);
}

/* --- a run --- */

static void build(void)
{
	unsigned sources = 1 + draw(3);

	while (sources-- > 0)
		add_source();
	if (draw(4) == 0)
		add_merge_by();
	for (unsigned n = draw(14); n > 0 && graph.streams_count > 0; n--) {
		unsigned at = draw(graph.streams_count);
		struct stream *stream = &graph.streams[at];

		switch (draw(11)) {
		case 0:
			add_buffer(stream);
			break;
		case 1:
		case 2:
			add_workers(stream, at);
			break;
		case 3:
			add_tee(stream);
			break;
		case 4:
			add_partition(stream);
			break;
		case 5:
			add_merge();
			break;
		case 6:
			add_bridge(stream);
			break;
		default:
			add_step(stream, ALONE);
		}
	}
	for (unsigned i = 0; i < graph.streams_count; i++)
		add_end_of(&graph.streams[i], false);
}

/* After trouble. What comes of a source without end goes on behind what was computed. */
static void check_part(struct end *end)
{
	const struct list *got = &end->got, *expected = &end->expected;
	size_t at = 0;

	if (end->ordered) {
		for (size_t i = 0; i < got->count && i < expected->count; i++)
			if (got->items[i] != expected->items[i])
				fail("an end has other items than the first");
	} else if (!graph.endless) {
		sort(&end->got);
		sort(&end->expected);
		for (size_t i = 0; i < got->count; i++, at++) {
			while (at < expected->count && expected->items[at] < got->items[i])
				at++;
			if (at == expected->count || expected->items[at] != got->items[i])
				fail("an end has an item that is none of those computed");
		}
	}
	if (!graph.endless && got->count > expected->count)
		fail("an end has more items than were computed");
}

static void check_end(struct end *end)
{
	if (end->collects)
		for (size_t i = 0; i < end->collected_count; i++)
			append(&end->got, ((uint64_t *)end->collected)[i]);
	items_in_all += end->got.count;
	if (graph.spices != 0) {
		check_part(end);
		return;
	}
	if (end->got.count != end->expected.count) {
		fprintf(stderr, "flow: %zu items, not %zu\n", end->got.count, end->expected.count);
		fail("an end has more or fewer items than were computed");
	}
	if (!end->ordered) {
		sort(&end->got);
		sort(&end->expected);
	}
	for (size_t i = 0; i < end->got.count; i++)
		if (end->got.items[i] != end->expected.items[i])
			fail(end->ordered ? "an end has other items, or in another order"
			                  : "an end has other items");
}

/* What node `at` should have been given by what is before it: of a partition nothing is known. */
static uint64_t given(uint32_t at, bool *known)
{
	const struct node *node = &graph.nodes[at];
	struct leat_step_stat stat;
	uint64_t sum = 0;

	*known = true;
	for (unsigned i = 0; i < node->inputs_count; i++) {
		leat_flow_stat(graph.flow, node->inputs[i], &stat);
		*known &= !graph.nodes[node->inputs[i]].parts;
		sum += stat.made;
	}
	return sum;
}

static void check_books(void)
{
	const bool complete = (graph.spices & ~STOPS) == 0 && !graph.takes;
	uint64_t of_parts[NODES] = { 0 };
	struct leat_step_stat stat;
	uint32_t at;

	for (at = 0; leat_flow_stat(graph.flow, at, &stat) == 0; at++) {
		const struct node *node = &graph.nodes[at];
		bool known;

		if (stat.in != stat.used + stat.skipped + stat.failed + stat.diverted) {
			fprintf(stderr,
			        "flow: %u %s: %llu in, %llu used, %llu skipped, %llu failed\n", at,
			        stat.name, (unsigned long long)stat.in,
			        (unsigned long long)stat.used, (unsigned long long)stat.skipped,
			        (unsigned long long)stat.failed);
			fail("the books of a step do not balance");
		}
		if (node->inputs_count == 1)
			of_parts[node->inputs[0]] += stat.in;
		if (complete && node->inputs_count > 0 && given(at, &known) != stat.in && known) {
			fprintf(stderr, "flow: %u %s: %llu in, %llu were made\n", at, stat.name,
			        (unsigned long long)stat.in, (unsigned long long)given(at, &known));
			fail("a step was not given what the step before it has made");
		}
	}
	if (at != graph.nodes_count)
		fail("there are more steps, or fewer, than were declared");
	for (at = 0; complete && at < graph.nodes_count; at++) {
		leat_flow_stat(graph.flow, at, &stat);
		if (graph.nodes[at].parts && of_parts[at] != stat.made)
			fail("a partition has lost items");
	}
}

static void wait_a_while(void)
{
	int64_t until_ns = leat_now_ns() + draw(1000000);

	while (leat_now_ns() < until_ns)
		sched_yield();
}

static void start_drains(void)
{
	for (unsigned i = 0; i < graph.ends_count; i++) {
		struct end *end = &graph.ends[i];

		if (end->rx != NULL && leat_gen(graph.outside, end->owned ? drain_boxes : drain,
		                                end, 0, NULL, NULL) != 0)
			fail("a drain cannot be started");
	}
}

/* Returns what join does; or 1, and the flow is still to be closed. */
static int make_trouble(void)
{
	bool closes = graph.spices & CANCELS && draw(4) == 0;

	if (graph.spices & (STOPS | CANCELS))
		wait_a_while();
	if (graph.spices & STOPS &&
	    leat_scope_stop(graph.scope, draw(2) ? LEAT_NEVER : INT64_MAX / 2, "enough") != 0)
		fail("the stop was refused");
	if (graph.spices & CANCELS && graph.spices & STOPS)
		wait_a_while();
	if (closes)
		return 1;
	if (graph.spices & CANCELS)
		leat_scope_cancel(graph.scope, 0, "that is all");
	return leat_flow_join(graph.flow);
}

static void clean_up(void)
{
	for (unsigned i = 0; i < graph.idle_count; i++)
		leat_tx_close(graph.idle[i]);
	for (unsigned i = 0; i < graph.things_count; i++)
		free(graph.things[i].items);
	for (unsigned i = 0; i < graph.ends_count; i++) {
		free(graph.ends[i].got.items);
		free(graph.ends[i].expected.items);
		free(graph.ends[i].collected);
		pthread_mutex_destroy(&graph.ends[i].lock);
	}
	if (live_cells != 0)
		fail("boxes were not freed");
	boxes_in_all += next_cell;
	next_cell = 0;
}

static void run_graph(void)
{
	struct leat_flow_opts opts = { .name = "stress" };
	struct leat_census before;
	char text[1000];
	int rc;

	leat_census_take(&before);
	memset(&graph, 0, sizeof(graph));
	graph.spices = draw(2) ? 0 : draw(1 << SPICES);
	opts.capacity = draw(3) == 0 ? 1 + draw(10) : draw(3000);
	opts.wait = draw(2) ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE;
	if (draw(2))
		opts.pool = leat_pool_open(&(struct leat_pool_opts){
			.workers = 1 + (unsigned)draw(3), .workers_only = draw(2) });
	graph.scope = leat_scope_open(NULL, NULL);
	graph.outside = leat_scope_open(NULL, NULL);
	graph.flow = leat_flow_open(graph.scope, &opts);
	if (graph.flow == NULL)
		fail("no flow");
	build();
	if (getenv("LEAT_STRESS_SHOW") != NULL)
		leat_flow_draw(graph.flow, stdout), fflush(stdout);
	if (leat_flow_check(graph.flow, NULL) != 0)
		fail(leat_flow_error(graph.flow));
	if (leat_flow_start(graph.flow) != 0)
		fail(leat_flow_error(graph.flow));
	start_drains();
	rc = make_trouble();
	if (rc < 0 && !(graph.spices & FAILS))
		fail(leat_flow_error(graph.flow));
	if (rc <= 0)
		check_books();
	if (graph.spices == 0)
		leat_scope_join(graph.outside);
	leat_flow_close(graph.flow);
	if (opts.pool != NULL)
		leat_pool_close(opts.pool);
	leat_scope_close(graph.scope);
	for (unsigned i = 0; i < graph.feeds_count; i++)
		leat_scope_close(graph.feeds[i]);
	leat_scope_join(graph.outside);
	leat_scope_close(graph.outside);
	for (unsigned i = 0; i < graph.ends_count; i++)
		check_end(&graph.ends[i]);
	clean_up();
	plain_graphs += graph.spices == 0;
	if (leat_census_left(&before, text, sizeof(text)) > 0)
		fail(text);
}

int main(int argc, char **argv)
{
	long graphs = argc > 1 ? atol(argv[1]) * 100 : 300;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)leat_now_ns();

	for (long i = 0; i < graphs; i++) {
		seed_now = seed + (uint64_t)i;
		random_state = seed_now * UINT64_C(0x9e3779b97f4a7c15) | 1;
		draw(2);
		if (getenv("LEAT_STRESS_SHOW") != NULL)
			printf("seed %llu\n", (unsigned long long)seed_now), fflush(stdout);
		alarm(60 * MINUTES); /* it is to end */
		run_graph();
	}
	printf("flow: %ld graphs from seed %llu, %llu without trouble, %llu items, %llu boxes\n",
	       graphs, (unsigned long long)seed, (unsigned long long)plain_graphs,
	       (unsigned long long)items_in_all, (unsigned long long)boxes_in_all);
	if (items_in_all == 0 || boxes_in_all == 0)
		fail("no item was sent at all");
	return 0;
}
