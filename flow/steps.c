/*
 * The steps of the library.
 *
 * Each has state of its own, made from a description by leat_own_init(): the description is in the
 * node, and the state of a task begins as a copy of it. Those of time are in time.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <stdlib.h>
#include <string.h>

struct node *leat_own_add(struct leat_port port, const struct leat_step *step,
                          const struct leat_type *out, const void *like, size_t size)
{
	struct node *node = leat_flow_add_behind(port, NODE_STEP, step->name, 1);
	void *description = node == NULL ? NULL : malloc(size + sizeof(size));

	if (description == NULL) {
		if (node != NULL)
			leat_flow_mistake(port.flow, -ENOMEM, "no memory for %s", step->name);
		return NULL;
	}
	memcpy(description, &size, sizeof(size));
	memcpy((char *)description + sizeof(size), like, size);
	node->step = *step;
	node->step.in = node->type;
	node->step.out = node->type = out == NULL ? node->type : out;
	node->own = (struct leat_state){ .size = size, .init = NULL, .arg = description };
	node->has_own = true;
	node->counts = true;
	node->state = description; /* to be freed */
	return node;
}

int leat_own_init(void *state, const void *arg)
{
	size_t size;

	memcpy(&size, arg, sizeof(size));
	memcpy(state, (const char *)arg + sizeof(size), size);
	return 0;
}

struct leat_port leat_own_port(struct leat_port port, struct node *node,
                               int (*init)(void *state, const void *arg), void (*fini)(void *state))
{
	if (node == NULL)
		return leat_flow_no_port(port.flow);
	node->own.init = init;
	node->own.fini = fini;
	return leat_flow_port_of(port.flow, node, 0);
}

struct leat_port leat_own_mistake(struct leat_port port, const char *words)
{
	if (port.flow != NULL)
		leat_flow_mistake(port.flow, -EINVAL, "%s", words);
	return leat_flow_no_port(port.flow);
}

const struct leat_type *leat_port_type(struct leat_port port)
{
	return port.flow == NULL || port.node >= port.flow->nodes_count
	               ? NULL
	               : port.flow->nodes[port.node].type;
}

void leat_pass_on(struct leat_vec *v, size_t from, size_t n, size_t size)
{
	if (n > 0)
		memcpy(v->out, (const char *)v->in + from * size, n * size);
	v->made = n;
}

/* --- take and skip --- */

struct counted {
	uint64_t left;
	const struct leat_type *type;
};

static int take_vec(void *state, struct leat_vec *v)
{
	struct counted *counted = state;
	size_t n = v->n < v->room ? v->n : v->room;

	if (n > counted->left)
		n = (size_t)counted->left;
	leat_pass_on(v, 0, n, counted->type->size);
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
	leat_items_discard(counted->type, v->in, left_out);
	leat_pass_on(v, left_out, n, counted->type->size);
	v->used = left_out + n;
	v->skipped = left_out;
	return 0;
}

static struct leat_port add_counted(struct leat_port port, const struct leat_step *step, uint64_t n)
{
	struct counted counted = { .left = n, .type = leat_port_type(port) };
	struct node *node = leat_own_add(port, step, NULL, &counted, sizeof(counted));

	if (node != NULL && step->fn == skip_vec)
		node->lag = n;
	return leat_own_port(port, node, leat_own_init, NULL);
}

struct leat_port leat_flow_take(struct leat_port port, uint64_t n)
{
	static const struct leat_step take = {
		.name = "take", .kind = LEAT_STEP_FILTER, .fn = take_vec, .owns = true
	};

	return add_counted(port, &take, n);
}

struct leat_port leat_flow_skip(struct leat_port port, uint64_t n)
{
	static const struct leat_step skip = {
		.name = "skip", .kind = LEAT_STEP_FILTER, .fn = skip_vec, .owns = true
	};

	return add_counted(port, &skip, n);
}

/* --- batch and windows --- */

struct batching {
	const struct leat_type *type;
	int64_t most_ns, first_ns; /* first_ns: when the first item of `held` came */
	unsigned char *held;       /* a batch that is not full */
	int64_t within_ns;         /* of a window by time; then when the items of `held` came */
	int64_t *came_ns;
};

static uint64_t *count_of(unsigned char *batch)
{
	return (uint64_t *)(void *)batch;
}

static int init_batching(void *state, const void *arg)
{
	struct batching *batching = state;

	leat_own_init(state, arg);
	batching->held = calloc(1, batching->type->size);
	if (batching->within_ns > 0)
		batching->came_ns = calloc(batching->type->most, sizeof(*batching->came_ns));
	if (batching->held != NULL && (batching->within_ns == 0 || batching->came_ns != NULL))
		return 0;
	free(batching->held);
	free(batching->came_ns);
	return -ENOMEM;
}

static void fini_batching(void *state)
{
	struct batching *batching = state;

	free(batching->held);
	free(batching->came_ns);
}

static void give_held(struct batching *batching, struct leat_vec *v)
{
	memcpy((char *)v->out + v->made * batching->type->size, batching->held,
	       batching->type->size);
	v->made++;
}

static bool is_due(const struct batching *batching)
{
	return batching->most_ns > 0 && leat_now_ns() - batching->first_ns >= batching->most_ns;
}

static int batch_vec(void *state, struct leat_vec *v)
{
	struct batching *batching = state;
	const struct leat_type *type = batching->type;
	uint64_t *count = count_of(batching->held);

	while (v->used < v->n && v->made < v->room) {
		size_t n =
			type->most - *count < v->n - v->used ? type->most - *count : v->n - v->used;

		if (*count == 0 && batching->most_ns > 0)
			batching->first_ns = leat_now_ns();
		memcpy(batching->held + type->offset + *count * type->of->size,
		       (const char *)v->in + v->used * type->of->size, n * type->of->size);
		*count += n;
		v->used += n;
		if (*count < type->most)
			break;
		give_held(batching, v);
		*count = 0;
	}
	if (*count > 0 && v->used == v->n && v->made < v->room && (v->last || is_due(batching))) {
		give_held(batching, v);
		*count = 0;
	}
	return 0;
}

static int64_t batch_due_ns(const void *state)
{
	const struct batching *batching = state;

	return *count_of(batching->held) > 0 && batching->most_ns > 0
	               ? leat_later_ns(batching->first_ns, batching->most_ns)
	               : LEAT_NEVER;
}

static int window_vec(void *state, struct leat_vec *v)
{
	struct batching *batching = state;
	const struct leat_type *type = batching->type;
	unsigned char *items = batching->held + type->offset;
	uint64_t *count = count_of(batching->held);
	const size_t size = type->of->size;

	for (; v->used < v->n && v->made < v->room; v->used++) {
		if (*count == type->most) {
			memmove(items, items + size, (type->most - 1) * size);
			--*count;
		}
		memcpy(items + *count * size, (const char *)v->in + v->used * size, size);
		if (++*count == type->most)
			give_held(batching, v);
	}
	return 0;
}

/* Leaves out those that came too long before now; with as many as there may be the first, too. */
static void slide_window(struct batching *batching, int64_t now_ns)
{
	const struct leat_type *type = batching->type;
	unsigned char *items = batching->held + type->offset;
	uint64_t *count = count_of(batching->held);
	size_t past = *count == type->most, left;

	while (past < *count && now_ns - batching->came_ns[past] > batching->within_ns)
		past++;
	left = *count - past;
	memmove(items, items + past * type->of->size, left * type->of->size);
	memmove(batching->came_ns, batching->came_ns + past, left * sizeof(*batching->came_ns));
	*count = left;
}

static int window_within_vec(void *state, struct leat_vec *v)
{
	struct batching *batching = state;
	const struct leat_type *type = batching->type;
	const size_t size = type->of->size;
	const int64_t now_ns = leat_now_ns();
	uint64_t *count = count_of(batching->held);

	for (; v->used < v->n && v->made < v->room; v->used++) {
		slide_window(batching, now_ns);
		memcpy(batching->held + type->offset + *count * size,
		       (const char *)v->in + v->used * size, size);
		batching->came_ns[(*count)++] = now_ns;
		give_held(batching, v);
	}
	return 0;
}

/* batching: of this batch, and what is set besides. */
static struct leat_port add_batching(struct leat_port port, const struct leat_step *step,
                                     struct batching batching)
{
	const struct leat_type *batch = batching.type, *type = leat_port_type(port);
	struct node *node;

	if (batch == NULL || batch->of == NULL || batch->most == 0 || batching.most_ns < 0)
		return leat_own_mistake(
			port, "batch and window want a type made by LEAT_BATCH(), and a time "
			      "that is not negative");
	if (type != NULL && !leat_flow_same_type(type, batch->of)) {
		leat_flow_mistake(
			port.flow, -EINVAL,
			"%s: a batch \"%s\" is of items of type \"%s\", and \"%s\" before it "
			"makes \"%s\"",
			step->name, batch->name, batch->of->name, port.flow->nodes[port.node].name,
			type->name);
		return leat_flow_no_port(port.flow);
	}
	if (type != NULL && type->discard != NULL)
		return leat_own_mistake(
			port, "batch and window: items that own something cannot be copied");
	node = leat_own_add(port, step, batch, &batching, sizeof(batching));
	if (node != NULL) {
		node->lag = step->fn == window_within_vec ? 0 : batch->most - 1;
		node->per = step->fn == batch_vec ? batch->most : 1;
		node->varies = batching.most_ns > 0;
	}
	return leat_own_port(port, node, init_batching, fini_batching);
}

struct leat_port leat_flow_batch(struct leat_port port, const struct leat_type *batch,
                                 int64_t most_ns)
{
	static const struct leat_step step = { .name = "batch",
		                               .fn = batch_vec,
		                               .due_ns = batch_due_ns };

	return add_batching(port, &step, (struct batching){ .type = batch, .most_ns = most_ns });
}

struct leat_port leat_flow_window(struct leat_port port, const struct leat_type *batch)
{
	static const struct leat_step step = { .name = "window", .fn = window_vec };

	return add_batching(port, &step, (struct batching){ .type = batch });
}

struct leat_port leat_flow_window_within(struct leat_port port, const struct leat_type *batch,
                                         int64_t ns)
{
	static const struct leat_step step = { .name = "window_within", .fn = window_within_vec };

	if (ns > 0)
		return add_batching(port, &step,
		                    (struct batching){ .type = batch, .within_ns = ns });
	if (port.flow != NULL)
		leat_flow_mistake(port.flow, -EINVAL,
		                  "window_within: its time is %lld ns: it must be above 0",
		                  (long long)ns);
	return leat_flow_no_port(port.flow);
}

/* --- distinct --- */

/*
 * The last `most` keys in the order in which they came, and a table by their hash: open addressing
 * with steps of one; a place holds the key's number, and one.
 */
struct distinct {
	uint64_t (*key)(const void *item, const void *arg);
	const void *arg;
	const struct leat_type *type;
	size_t most, mask;
	uint64_t came; /* keys so far */
	uint64_t *keys;
	uint64_t *places;
};

static int init_distinct(void *state, const void *arg)
{
	struct distinct *d = state;

	leat_own_init(state, arg);
	d->mask = 1;
	while (d->mask < d->most * 2)
		d->mask *= 2;
	d->places = calloc(d->mask, sizeof(*d->places));
	d->mask--;
	d->keys = calloc(d->most, sizeof(*d->keys));
	if (d->places != NULL && d->keys != NULL)
		return 0;
	free(d->places);
	free(d->keys);
	return -ENOMEM;
}

static void fini_distinct(void *state)
{
	struct distinct *d = state;

	free(d->keys);
	free(d->places);
}

/* Multiplicative hashing: Donald Knuth, "The Art of Computer Programming", 6.4, 1973. */
static size_t home_of(const struct distinct *d, uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & d->mask;
}

static uint64_t key_at(const struct distinct *d, uint64_t number)
{
	return d->keys[number % d->most];
}

/* The place of this key, or the free one where it belongs. */
static size_t find_place(const struct distinct *d, uint64_t key)
{
	size_t at = home_of(d, key);

	while (d->places[at] != 0 && key_at(d, d->places[at] - 1) != key)
		at = (at + 1) & d->mask;
	return at;
}

/* Frees a place, and moves those behind it that may be there: no search finds a gap before its key.
 */
static void free_place(struct distinct *d, size_t at)
{
	size_t gap = at;

	for (;;) {
		size_t home;

		d->places[gap] = 0;
		do {
			at = (at + 1) & d->mask;
			if (d->places[at] == 0)
				return;
			home = home_of(d, key_at(d, d->places[at] - 1));
		} while (((at - home) & d->mask) < ((at - gap) & d->mask));
		d->places[gap] = d->places[at];
		gap = at;
	}
}

/* Whether this key is new among the last ones; it is one of them from now on. */
static bool is_new(struct distinct *d, uint64_t key)
{
	size_t at = find_place(d, key);

	if (d->places[at] != 0)
		return false;
	if (d->came >= d->most) {
		free_place(d, find_place(d, key_at(d, d->came)));
		at = find_place(d, key);
	}
	d->keys[d->came % d->most] = key;
	d->places[at] = ++d->came;
	return true;
}

static int distinct_vec(void *state, struct leat_vec *v)
{
	struct distinct *d = state;

	for (; v->used < v->n && v->made < v->room; v->used++) {
		const size_t size = d->type->size;
		const char *item = (const char *)v->in + v->used * size;

		memcpy((char *)v->out + v->made * size, item, size);
		if (is_new(d, d->key(item, d->arg)))
			v->made++;
		else
			leat_items_discard(d->type, item, 1);
	}
	v->skipped = v->used - v->made;
	return 0;
}

struct leat_port leat_flow_distinct(struct leat_port port,
                                    uint64_t (*key)(const void *item, const void *arg),
                                    const void *arg, size_t most)
{
	static const struct leat_step step = {
		.name = "distinct", .kind = LEAT_STEP_FILTER, .fn = distinct_vec, .owns = true
	};
	struct node *node;
	struct distinct distinct = {
		.key = key, .arg = arg, .most = most, .type = leat_port_type(port)
	};

	if (key == NULL || most == 0 || most > SIZE_MAX / 64)
		return leat_own_mistake(port,
		                        "distinct: it wants a key, and how many keys it may keep");
	node = leat_own_add(port, &step, NULL, &distinct, sizeof(distinct));
	if (node != NULL)
		node->varies = true;
	return leat_own_port(port, node, init_distinct, fini_distinct);
}

/* --- rate --- */

struct paced {
	struct leat_rate *rate;
	struct leat_scope *scope;
	size_t size;
};

/* One at a time: an item goes on when it is due, and what was due before it has gone on. */
static int rate_vec(void *state, struct leat_vec *v)
{
	struct paced *paced = state;
	int rc;

	if (v->n == 0)
		return 0;
	rc = leat_rate_take(paced->rate, 1, paced->scope, LEAT_NEVER);
	if (rc != 0)
		return rc;
	leat_pass_on(v, 0, 1, paced->size);
	v->used = 1;
	return 0;
}

struct leat_port leat_flow_rate(struct leat_port port, struct leat_rate *rate)
{
	static const struct leat_step step = {
		.name = "rate",
		.kind = LEAT_STEP_FILTER,
		.fn = rate_vec,
		.waits = true,
		.owns = true,
	};
	const struct leat_type *type = leat_port_type(port);
	struct paced paced = { .rate = rate, .size = type == NULL ? 0 : type->size };

	if (rate == NULL)
		return leat_own_mistake(port, "rate: there is no rate");
	paced.scope = port.flow == NULL ? NULL : port.flow->scope;
	return leat_own_port(port, leat_own_add(port, &step, NULL, &paced, sizeof(paced)),
	                     leat_own_init, NULL);
}
