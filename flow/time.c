/*
 * The steps of time: what they hold, and when they are due.
 *
 * An island that is idle calls a step when it is due. One that is busy calls it behind the vector
 * that it is at, so a step may find in a call with items that its time has passed before them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flow/flow.h"

#include <stdlib.h>
#include <string.h>

/* Whether such a step can be here. Otherwise it is a mistake. holds: it keeps copies of items. */
static bool check_timed(struct leat_port port, const char *name, int64_t ns, bool holds)
{
	const struct leat_type *type = leat_port_type(port);

	if (port.flow == NULL)
		return false;
	if (ns <= 0)
		leat_flow_mistake(port.flow, -EINVAL, "%s: its time is %lld ns: it must be above 0",
		                  name, (long long)ns);
	else if (holds && type != NULL && type->discard != NULL)
		leat_flow_mistake(port.flow, -EINVAL,
		                  "%s: it holds copies, and items of type \"%s\" own something",
		                  name, type->name);
	else
		return true;
	return false;
}

static size_t size_at(struct leat_port port)
{
	const struct leat_type *type = leat_port_type(port);

	return type == NULL ? 0 : type->size;
}

/* --- delay --- */

/* The held items are a ring, the first at `first`, and so are their times. */
struct delayed {
	int64_t ns;
	size_t size, most, first, count;
	unsigned char *items;
	int64_t *due_ns;
};

static int init_delayed(void *state, const void *arg)
{
	struct delayed *delayed = state;

	leat_own_init(state, arg);
	delayed->items = calloc(delayed->most, delayed->size);
	delayed->due_ns = calloc(delayed->most, sizeof(*delayed->due_ns));
	if (delayed->items != NULL && delayed->due_ns != NULL)
		return 0;
	free(delayed->items);
	free(delayed->due_ns);
	return -ENOMEM;
}

static void fini_delayed(void *state)
{
	struct delayed *delayed = state;

	free(delayed->items);
	free(delayed->due_ns);
}

static void hold_delayed(struct delayed *delayed, const void *item, int64_t due_ns)
{
	size_t at = delayed->first + delayed->count++;

	at -= at < delayed->most ? 0 : delayed->most;
	memcpy(delayed->items + at * delayed->size, item, delayed->size);
	delayed->due_ns[at] = due_ns;
}

static void give_delayed(struct delayed *delayed, void *to)
{
	memcpy(to, delayed->items + delayed->first * delayed->size, delayed->size);
	delayed->count--;
	if (++delayed->first == delayed->most)
		delayed->first = 0;
}

static int delay_vec(void *state, struct leat_vec *v)
{
	struct delayed *delayed = state;
	const int64_t now_ns = leat_now_ns(), due_ns = leat_later_ns(now_ns, delayed->ns);
	const size_t size = delayed->size;

	for (; v->made < v->room && delayed->count > 0 && delayed->due_ns[delayed->first] <= now_ns;
	     v->made++)
		give_delayed(delayed, (char *)v->out + v->made * size);
	for (; v->used < v->n && delayed->count < delayed->most; v->used++)
		hold_delayed(delayed, (const char *)v->in + v->used * size, due_ns);
	/* it is full, or at its end */
	return v->made == 0 && v->used == 0 && delayed->count > 0 && (v->n > 0 || v->last)
	               ? LEAT_LATER
	               : 0;
}

static int64_t delay_due_ns(const void *state)
{
	const struct delayed *delayed = state;

	return delayed->count > 0 ? delayed->due_ns[delayed->first] : LEAT_NEVER;
}

struct leat_port leat_flow_delay(struct leat_port port, int64_t ns, size_t most)
{
	static const struct leat_step step = {
		.name = "delay", .kind = LEAT_STEP_FILTER, .fn = delay_vec, .due_ns = delay_due_ns
	};
	struct delayed delayed = { .ns = ns, .size = size_at(port), .most = most };

	if (port.flow != NULL &&
	    (most == 0 || most > SIZE_MAX / 2 / (delayed.size + sizeof(*delayed.due_ns))))
		leat_flow_mistake(port.flow, -EINVAL,
		                  "delay: it may hold %zu items: it must be from 1 to what memory "
		                  "has room for",
		                  most);
	if (!check_timed(port, step.name, ns, true))
		return leat_flow_no_port(port.flow);
	return leat_own_port(port, leat_own_add(port, &step, NULL, &delayed, sizeof(delayed)),
	                     init_delayed, fini_delayed);
}

/* --- debounce and sample --- */

/* The last item that came, until it is due. */
struct latest {
	int64_t ns;
	int64_t start_ns; /* of a sample: its times are so many ns behind it; otherwise 0 */
	int64_t due_ns;   /* LEAT_NEVER: it holds none */
	size_t size;
	unsigned char *item;
};

static int init_latest(void *state, const void *arg)
{
	struct latest *latest = state;

	leat_own_init(state, arg);
	latest->item = malloc(latest->size);
	latest->due_ns = LEAT_NEVER;
	return latest->item == NULL ? -ENOMEM : 0;
}

static int init_sample(void *state, const void *arg)
{
	int rc = init_latest(state, arg);

	((struct latest *)state)->start_ns = leat_now_ns();
	return rc;
}

static void fini_latest(void *state)
{
	free(((struct latest *)state)->item);
}

static int64_t next_due_ns(const struct latest *latest, int64_t now_ns)
{
	int64_t past_ns = latest->start_ns == 0 ? 0 : (now_ns - latest->start_ns) % latest->ns;

	return leat_later_ns(now_ns - past_ns, latest->ns);
}

static int latest_vec(void *state, struct leat_vec *v)
{
	struct latest *latest = state;
	const int64_t now_ns = leat_now_ns();

	if (latest->due_ns <= now_ns || (v->last && latest->due_ns != LEAT_NEVER)) {
		memcpy(v->out, latest->item, latest->size);
		v->made = 1;
		latest->due_ns = LEAT_NEVER;
	}
	if (v->n == 0)
		return 0;
	v->used = v->n;
	v->skipped = v->n - (latest->due_ns == LEAT_NEVER);
	memcpy(latest->item, (const char *)v->in + (v->n - 1) * latest->size, latest->size);
	latest->due_ns = next_due_ns(latest, now_ns);
	return 0;
}

static int64_t latest_due_ns(const void *state)
{
	return ((const struct latest *)state)->due_ns;
}

static struct leat_port add_latest(struct leat_port port, const struct leat_step *step, int64_t ns,
                                   int (*init)(void *state, const void *arg))
{
	struct latest latest = { .ns = ns, .size = size_at(port) };
	struct node *node;

	if (!check_timed(port, step->name, ns, true))
		return leat_flow_no_port(port.flow);
	node = leat_own_add(port, step, NULL, &latest, sizeof(latest));
	if (node != NULL)
		node->varies = true;
	return leat_own_port(port, node, init, fini_latest);
}

struct leat_port leat_flow_debounce(struct leat_port port, int64_t ns)
{
	static const struct leat_step step = { .name = "debounce",
		                               .kind = LEAT_STEP_FILTER,
		                               .fn = latest_vec,
		                               .due_ns = latest_due_ns };

	return add_latest(port, &step, ns, init_latest);
}

struct leat_port leat_flow_sample(struct leat_port port, int64_t ns)
{
	static const struct leat_step step = { .name = "sample",
		                               .kind = LEAT_STEP_FILTER,
		                               .fn = latest_vec,
		                               .due_ns = latest_due_ns };

	return add_latest(port, &step, ns, init_sample);
}

/* --- timeout --- */

struct silence {
	int64_t ns, since_ns;
	size_t size;
};

static void listen_anew(void *state)
{
	((struct silence *)state)->since_ns = leat_now_ns();
}

static int init_silence(void *state, const void *arg)
{
	leat_own_init(state, arg);
	listen_anew(state);
	return 0;
}

static int timeout_vec(void *state, struct leat_vec *v)
{
	struct silence *silence = state;
	const int64_t now_ns = leat_now_ns();

	if (v->n == 0)
		return !v->last && now_ns - silence->since_ns >= silence->ns ? -ETIMEDOUT : 0;
	v->used = v->n < v->room ? v->n : v->room;
	leat_pass_on(v, 0, v->used, silence->size);
	silence->since_ns = now_ns;
	return 0;
}

static int64_t timeout_due_ns(const void *state)
{
	const struct silence *silence = state;

	return leat_later_ns(silence->since_ns, silence->ns);
}

void leat_write_time(char *text, size_t size, const char *before, int64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	size_t unit = 0;

	for (; unit < 3 && ns % 1000 == 0; unit++)
		ns /= 1000;
	snprintf(text, size, "%s%lld %s", before, (long long)ns, units[unit]);
}

struct leat_port leat_flow_timeout(struct leat_port port, int64_t ns)
{
	static const struct leat_step step = { .name = "timeout",
		                               .kind = LEAT_STEP_FILTER,
		                               .fn = timeout_vec,
		                               .owns = true,
		                               .due_ns = timeout_due_ns };
	struct silence silence = { .ns = ns, .size = size_at(port) };
	struct node *node;

	if (!check_timed(port, step.name, ns, false))
		return leat_flow_no_port(port.flow);
	node = leat_own_add(port, &step, NULL, &silence, sizeof(silence));
	if (node != NULL) {
		node->listen = listen_anew;
		leat_write_time(node->words, sizeof(node->words), "no item came for ", ns);
	}
	return leat_own_port(port, node, init_silence, NULL);
}
