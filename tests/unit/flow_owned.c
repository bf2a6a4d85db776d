/*
 * tests/unit/flow_owned.c: items that own something: each is freed once, whatever passes it on, and
 * whatever ends the flow.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "flows.h"

TestSuite(flow_owned, .timeout = 600);

/* --- items, and who frees them --- */

enum { CELLS = 1 << 16 };

struct box {
	uint64_t value;
	uint64_t cell;
};

static uint32_t made, freed[CELLS], twice;

static struct box box_of(uint64_t value)
{
	return (struct box){ .value = value, .cell = leat_add_acqrel(&made, 1u) };
}

static void free_box(void *item, void *arg)
{
	const struct box *box = item;

	(void)arg;
	if (box->cell >= CELLS || leat_add_acqrel(&freed[box->cell], 1u) != 0)
		leat_add_acqrel(&twice, 1u);
}

static void begin(void)
{
	made = twice = 0;
	memset(freed, 0, sizeof(freed));
}

static uint32_t count_live(void)
{
	uint32_t live = 0;

	cr_assert_lt(made, (uint32_t)CELLS);
	for (uint32_t i = 0; i < made; i++)
		live += freed[i] == 0;
	return live;
}

static void expect_all_freed(const char *what)
{
	cr_assert_eq(twice, 0u, "%s: %u freed twice", what, twice);
	cr_assert_eq(count_live(), 0u, "%s: %u of %u not freed", what, count_live(), made);
}

LEAT_TYPE_OWNED(box, struct box, free_box, NULL);

LEAT_MAP(wrap, u64, x, box, box, const void *, unused)
{
	(void)unused;
	*box = box_of(*x);
	return 0;
}

LEAT_MAP(rewrap, box, box, box, other, const void *, unused)
{
	(void)unused;
	if (box->value % 5 == 0)
		return LEAT_SKIP;
	*other = box_of(box->value);
	return 0;
}

LEAT_MAP(unwrap, box, box, u64, x, const void *, unused)
{
	(void)unused;
	*x = box->value;
	return 0;
}

LEAT_FILTER(keep_some, box, box, const void *, unused)
{
	(void)unused;
	return box->value % 3 != 0;
}

LEAT_FILTER(keep_each, box, box, const void *, unused)
{
	(void)box, (void)unused;
	return true;
}

/* Some it makes another item of, some it changes, some it leaves out. */
LEAT_EDIT(edit_box, box, box, const void *, unused)
{
	(void)unused;
	if (box->value % 11 == 0)
		return LEAT_SKIP;
	if (box->value % 4 == 0) {
		struct box other = box_of(box->value);

		free_box(box, NULL);
		*box = other;
	}
	return 0;
}

/* A filter of the program's own, which does not say that it owns its items. */
static int keep_most_vec(void *state, struct leat_vec *v)
{
	const struct box *in = v->in;
	struct box *out = v->out;

	(void)state;
	for (; v->used < v->n && v->made < v->room; v->used++)
		if (in[v->used].value % 13 == 0)
			v->skipped++;
		else
			out[v->made++] = in[v->used];
	return 0;
}

static const struct leat_step keep_most = { .name = "keep_most",
	                                    .kind = LEAT_STEP_FILTER,
	                                    .fn = keep_most_vec,
	                                    .in = LEAT_T(box),
	                                    .out = LEAT_T(box),
	                                    .stateless = true };

/* A step that owns its items, and makes up to three of one. */
static int spread_vec(void *state, struct leat_vec *v)
{
	const struct box *in = v->in;
	struct box *out = v->out;

	(void)state;
	for (; v->used < v->n && v->room - v->made >= 3; v->used++) {
		struct box box = in[v->used];

		for (uint64_t i = 0; i < box.value % 3; i++)
			out[v->made++] = box_of(box.value);
		if (box.value % 2 == 0)
			out[v->made++] = box;
		else
			free_box(&box, NULL);
	}
	return 0;
}

static const struct leat_step spread = { .name = "spread",
	                                 .kind = LEAT_STEP_MAP,
	                                 .fn = spread_vec,
	                                 .in = LEAT_T(box),
	                                 .out = LEAT_T(box),
	                                 .most = 3,
	                                 .stateless = true,
	                                 .owns = true };

LEAT_EDIT(fail_edit, box, box, const uint64_t *, at)
{
	return box->value == *at ? -EDOM : 0;
}

LEAT_MAP(fail_box, box, box, box, other, const uint64_t *, at)
{
	if (box->value == *at)
		return -EDOM;
	*other = box_of(box->value);
	return 0;
}

LEAT_MAP(fail_seventh, box, box, box, other, const void *, unused)
{
	(void)unused;
	if (box->value % 7 == 0)
		return -EDOM;
	*other = box_of(box->value);
	return 0;
}

LEAT_EACH(end_box, box, box, struct tally *, tally)
{
	uint32_t n = leat_load_rlx(&tally->count) + 1; /* rlx: only this thread writes it */

	(void)box;
	if (n == tally->fail)
		return -EDOM;
	leat_store_rel(&tally->count, n);
	return n == tally->enough ? LEAT_ENOUGH : 0;
}

static int run_boxes(struct leat_tx *out, void *arg)
{
	const uint64_t end = *(uint64_t *)arg;
	int rc = 0;

	for (uint64_t n = 0; rc == 0 && n < end; n++) {
		struct box box = box_of(n);

		rc = leat_send(out, &box);
		if (rc != 0)
			free_box(&box, NULL);
	}
	return rc;
}

static uint64_t key_of(const void *item, const void *arg)
{
	(void)arg;
	return ((const struct box *)item)->value;
}

static int64_t order_of(const void *item, const void *arg)
{
	(void)arg;
	return (int64_t)((const struct box *)item)->value;
}

/* --- flows for them --- */

enum shape {
	STEPS,
	OWNERS,
	COUNTED,
	BUFFERS,
	PARTS,
	MERGE_BY,
	MERGE_FIRST,
	KEYED,
	UNORDERED,
	ORDERED,
	ORDERED_FEW, /* with a ring of two */
	PLAIN_BETWEEN,
	SHAPES
};
static const char *const shape_names[] = { "steps",
	                                   "owners",
	                                   "take and skip",
	                                   "buffers",
	                                   "parts",
	                                   "merge by key",
	                                   "merge by priority",
	                                   "workers by key",
	                                   "unordered workers",
	                                   "ordered",
	                                   "ordered, few",
	                                   "plain between" };

static struct leat_port shape_port(struct leat_port port, enum shape shape)
{
	static uint64_t few = 300;
	struct leat_port parts[3];

	switch (shape) {
	case STEPS:
		port = leat_flow_step(leat_flow_step(port, &rewrap, NULL), &keep_some, NULL);
		return leat_flow_step(port, &rewrap, NULL);
	case OWNERS:
		port = leat_flow_step(leat_flow_step(port, &edit_box, NULL), &spread, NULL);
		port = leat_flow_step(leat_flow_step(port, &keep_most, NULL), &keep_some, NULL);
		return leat_flow_distinct(leat_flow_step(port, &edit_box, NULL), key_of, NULL, 64);
	case COUNTED:
		return leat_flow_skip(leat_flow_take(leat_flow_skip(port, 100), 700), 33);
	case BUFFERS:
		port = leat_flow_step(leat_flow_buffer(port, 3), &keep_some, NULL);
		return leat_flow_buffer(leat_flow_buffer(port, 300), 1);
	case PARTS:
		leat_flow_partition(port, key_of, NULL, parts, 3);
		parts[2] = leat_flow_step(parts[2], &rewrap, NULL);
		return leat_flow_merge(parts, 3);
	case MERGE_BY:
	case MERGE_FIRST:
		parts[0] = leat_flow_from_gen(port.flow, LEAT_T(box), run_boxes, &few);
		parts[1] = leat_flow_buffer(port, 5);
		parts[2] = leat_flow_from_gen(port.flow, LEAT_T(box), run_boxes, &few);
		return shape == MERGE_BY ? leat_flow_merge_by(parts, 3, order_of, NULL)
		                         : leat_flow_merge_first(parts, 3);
	case KEYED:
		port = leat_flow_workers_by(port, 3, key_of, NULL);
		port = leat_flow_step(leat_flow_step(port, &rewrap, NULL), &keep_some, NULL);
		return leat_flow_gather(port);
	case UNORDERED:
	case ORDERED:
	case ORDERED_FEW:
		port = leat_flow_workers(port, 3,
		                         shape == UNORDERED ? LEAT_UNORDERED : LEAT_ORDERED);
		port = leat_flow_step(leat_flow_step(port, &rewrap, NULL), &keep_some, NULL);
		return leat_flow_gather(port);
	default:
		port = leat_flow_buffer(leat_flow_step(port, &unwrap, NULL), 10);
		return leat_flow_step(port, &wrap, NULL);
	}
}

struct ends {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct leat_port port;
	uint64_t count;
};

static void open_shape(struct ends *ends, enum shape shape, uint64_t count)
{
	const struct leat_flow_opts opts = { .capacity = shape == ORDERED_FEW ? 2 : 64 };

	begin();
	ends->scope = leat_scope_open(NULL, NULL);
	ends->flow = leat_flow_open(ends->scope, &opts);
	ends->count = count;
	ends->port = leat_flow_from_gen(ends->flow, LEAT_T(box), run_boxes, &ends->count);
}

static void close_shape(struct ends *ends, enum shape shape)
{
	leat_flow_close(ends->flow);
	leat_scope_close(ends->scope);
	expect_all_freed(shape_names[shape]);
}

Test(flow_owned, at_a_normal_end)
{
	for (enum shape shape = STEPS; shape < SHAPES; shape++) {
		struct tally tally = { 0 };
		struct ends ends;

		open_shape(&ends, shape, 2000);
		leat_flow_for_each(shape_port(ends.port, shape), &end_box, &tally);
		expect_start(ends.flow);
		expect_join(ends.flow, 0);
		cr_assert_gt(tally.count, 500u);
		expect_all_freed(shape_names[shape]);
		close_shape(&ends, shape);
	}
}

Test(flow_owned, where_the_end_leaves_or_fails)
{
	for (enum shape shape = STEPS; shape < SHAPES; shape++)
		for (int fails = 0; fails < 2; fails++) {
			struct tally tally = { .enough = 77, .fail = fails ? 77 : 0 };
			struct ends ends;

			open_shape(&ends, shape, 3000);
			leat_flow_for_each(shape_port(ends.port, shape), &end_box, &tally);
			expect_start(ends.flow);
			expect_join(ends.flow, fails ? -EDOM : 0);
			cr_assert_eq(tally.count, 77u - (unsigned)fails);
			close_shape(&ends, shape);
		}
}

Test(flow_owned, where_a_step_fails)
{
	for (enum shape shape = STEPS; shape < SHAPES; shape++)
		for (int how = 0; how < 4; how++) {
			const struct leat_step *step = how < 2 ? &fail_box : &fail_edit;
			const bool behind = how % 2 != 0;
			struct tally tally = { 0 };
			uint64_t at = 301;
			struct ends ends;

			open_shape(&ends, shape, 3000);
			if (!behind)
				ends.port = leat_flow_step(ends.port, step, &at);
			ends.port = shape_port(ends.port, shape);
			if (behind)
				ends.port = leat_flow_step(ends.port, step, &at);
			leat_flow_for_each(ends.port, &end_box, &tally);
			expect_start(ends.flow);
			expect_join(ends.flow, -EDOM);
			close_shape(&ends, shape);
		}
}

/* In the workers themselves: what is in slots behind the failure is freed. */
Test(flow_owned, where_a_worker_fails)
{
	static const uint64_t places[] = { 0, 1, 100, 1000 };

	for (size_t i = 0; i < COUNT(places); i++)
		for (int round = 0; round < MANY_TIMES(20); round++) {
			const enum shape shape = round % 2 ? ORDERED : ORDERED_FEW;
			struct tally tally = { 0 };
			struct ends ends;

			open_shape(&ends, shape, 3000);
			if (round % 3)
				ends.port = leat_flow_workers(ends.port, 4, LEAT_ORDERED);
			else if (round % 2)
				ends.port = leat_flow_workers(ends.port, 4, LEAT_UNORDERED);
			else
				ends.port = leat_flow_workers_by(ends.port, 4, key_of, NULL);
			ends.port = leat_flow_step(ends.port, &fail_box, &places[i]);
			leat_flow_for_each(leat_flow_gather(ends.port), &end_box, &tally);
			expect_start(ends.flow);
			expect_join(ends.flow, -EDOM);
			if (round % 3)
				cr_assert_eq(tally.count, (uint32_t)places[i]);
			close_shape(&ends, shape);
		}
}

Test(flow_owned, where_items_that_fail_are_left_out)
{
	for (enum shape shape = STEPS; shape < SHAPES; shape++) {
		struct tally tally = { 0 };
		struct ends ends;

		open_shape(&ends, shape, 3000);
		ends.port = leat_flow_step(ends.port, &fail_seventh, NULL);
		ends.port = leat_flow_on_error(ends.port, LEAT_ON_ERROR_SKIP);
		leat_flow_for_each(shape_port(ends.port, shape), &end_box, &tally);
		expect_start(ends.flow);
		expect_join(ends.flow, 0);
		cr_assert_gt(tally.count, 500u);
		close_shape(&ends, shape);
	}
}

enum stop { CANCEL, STOP, CLOSE, LEAVE, STOPS };

Test(flow_owned, where_it_is_ended_from_outside)
{
	for (enum shape shape = STEPS; shape < SHAPES; shape++)
		for (enum stop stop = CANCEL; stop < STOPS; stop++) {
			struct ends ends;
			struct leat_rx *rx;
			struct box box;

			open_shape(&ends, shape, 5000);
			leat_flow_to_rx(shape_port(ends.port, shape), &rx);
			expect_start(ends.flow);
			for (int i = 0; i < 50; i++) {
				cr_assert_eq(leat_recv(rx, &box), 1);
				free_box(&box, NULL);
			}
			if (stop == CANCEL)
				leat_scope_cancel(ends.scope, 0, "enough");
			else if (stop == STOP)
				leat_scope_stop(ends.scope, LEAT_NEVER, "enough");
			else if (stop == CLOSE)
				leat_flow_close(ends.flow), ends.flow = NULL;
			while (stop == STOP && leat_recv(rx, &box) == 1)
				free_box(&box, NULL);
			leat_rx_close(rx);
			if (ends.flow != NULL)
				expect_join(ends.flow, 0);
			close_shape(&ends, shape);
		}
}

/* Each ring that may drop does, where the flow ends well, is cancelled, or its end leaves. */
Test(flow_owned, what_rings_drop)
{
	for (enum leat_overflow overflow = LEAT_DROP_NEWEST; overflow <= LEAT_DROP_OLDEST;
	     overflow++)
		for (int how = 0; how < 3 * MANY_TIMES(4); how++) {
			struct tally tally = { .enough = how % 3 == 1 ? 20 : 0 };
			struct ends ends;

			open_shape(&ends, ORDERED_FEW, 3000);
			ends.port = leat_flow_overflow(ends.port, overflow);
			ends.port = leat_flow_overflow(leat_flow_buffer(ends.port, 3), overflow);
			ends.port = leat_flow_overflow(
				leat_flow_workers(ends.port, 2, LEAT_ORDERED), overflow);
			ends.port = leat_flow_step(ends.port, &edit_box, NULL);
			ends.port = leat_flow_overflow(leat_flow_gather(ends.port), overflow);
			ends.port = leat_flow_overflow(leat_flow_merge(&ends.port, 1), overflow);
			leat_flow_for_each(ends.port, &end_box, &tally);
			expect_start(ends.flow);
			if (how % 3 == 2)
				leat_scope_cancel(ends.scope, 0, "enough");
			expect_join(ends.flow, 0);
			close_shape(&ends, ORDERED_FEW);
		}
}

Test(flow_owned, where_the_parts_of_a_partition_leave)
{
	for (int direct = 0; direct < 2; direct++)
		for (unsigned count = 1; count < 4; count++) {
			struct tally tally[3] = { { .enough = 10 },
				                  { .enough = 20 },
				                  { .enough = 30 } };
			struct leat_port parts[3];
			struct ends ends;

			open_shape(&ends, PARTS, 5000);
			if (!direct)
				ends.port = leat_flow_step(ends.port, &keep_some, NULL);
			leat_flow_partition(ends.port, key_of, NULL, parts, count);
			for (unsigned i = 0; i < count; i++)
				leat_flow_for_each(parts[i], &end_box, &tally[i]);
			expect_start(ends.flow);
			expect_join(ends.flow, 0);
			close_shape(&ends, PARTS);
		}
}

Test(flow_owned, what_is_collected_is_the_programs)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	uint64_t n = 1000;
	void *items;
	size_t count;

	begin();
	leat_flow_collect(leat_flow_from_gen(flow, LEAT_T(box), run_boxes, &n), &items, &count);
	expect_start(flow);
	expect_join(flow, 0);
	leat_flow_close(flow);
	cr_assert_eq(count, n);
	cr_assert_eq(count_live(), n);
	for (size_t i = 0; i < count; i++)
		free_box(&((struct box *)items)[i], NULL);
	expect_all_freed("collected");
	free(items);

	/* but not where nothing was handed out */
	begin();
	flow = leat_flow_open(NULL, NULL);
	leat_flow_collect(leat_flow_from_gen(flow, LEAT_T(box), run_boxes, &n), &items, &count);
	expect_start(flow);
	leat_flow_close(flow);
	expect_all_freed("closed");
}

Test(flow_owned, what_was_never_started)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_chan_opts opts = { .discard = free_box };
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct leat_tx *tx;
	struct leat_rx *rx;

	begin();
	cr_assert_eq(leat_chan_open(scope, sizeof(struct box), &opts, &tx, &rx), 0);
	for (uint64_t i = 0; i < 10; i++)
		cr_assert_eq(leat_send(tx, &(struct box[]){ box_of(i) }[0]), 0);
	leat_flow_from_rx(flow, LEAT_T(box), rx);
	leat_flow_close(flow);
	leat_tx_close(tx);
	expect_all_freed("never started");
	leat_scope_close(scope);
}

Test(flow_owned, a_channel_of_many_receivers_as_a_source)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_chan_opts opts = { .discard = free_box, .kind = LEAT_MPMC };
	struct tally tally = { .enough = 40 };
	struct leat_tx *tx;
	struct leat_rx *rx;

	begin();
	cr_assert_eq(leat_chan_open(scope, sizeof(struct box), &opts, &tx, &rx), 0);
	for (uint64_t i = 0; i < 200; i++)
		cr_assert_eq(leat_send(tx, &(struct box[]){ box_of(i) }[0]), 0);
	leat_flow_for_each(leat_flow_from_rx(flow, LEAT_T(box), rx), &end_box, &tally);
	expect_start(flow);
	expect_join(flow, 0);
	leat_flow_close(flow);
	leat_tx_close(tx);
	expect_all_freed("a channel of many receivers");
	leat_scope_close(scope);
}

static int64_t order_in_rounds(const void *item, const void *arg)
{
	return (int64_t)(((const struct box *)item)->value % *(const uint64_t *)arg);
}

Test(flow_owned, where_an_input_of_a_merge_is_not_in_order)
{
	static const uint64_t rounds[] = { 1, 2, 100, 257, 2999 };

	for (size_t i = 0; i < COUNT(rounds); i++)
		for (int few = 0; few < 2; few++) {
			struct tally tally = { 0 };
			struct leat_port ports[2];
			struct ends ends;
			uint64_t n = 3000;

			open_shape(&ends, few ? ORDERED_FEW : MERGE_BY, 3000);
			ports[0] = leat_flow_step(ends.port, &keep_some, NULL);
			ports[1] = leat_flow_from_gen(ends.flow, LEAT_T(box), run_boxes, &n);
			ends.port = leat_flow_merge_by(ports, 2, order_in_rounds, &rounds[i]);
			leat_flow_for_each(ends.port, &end_box, &tally);
			expect_start(ends.flow);
			expect_join(ends.flow, rounds[i] == 1 ? 0 : -EINVAL);
			cr_assert_gt(tally.count, 0u);
			close_shape(&ends, MERGE_BY);
		}
}

/*
 * An island holds items of its input in place, and gives back those that it has passed on while it
 * waits for room. A cancel of the input's scope frees the rest meanwhile: they are not sent.
 */
Test(flow_owned, the_cancel_of_an_input_that_is_held_in_place)
{
	enum { BOXES = 50 };

	for (int steps = 0; steps < 2; steps++)
		for (int kind = LEAT_SPSC; kind <= LEAT_MPSC; kind += LEAT_MPSC - LEAT_SPSC) {
			struct leat_scope *outside = leat_scope_open(NULL, NULL);
			struct leat_flow *flow = leat_flow_open(NULL, NULL);
			struct leat_rx *in, *out = NULL;
			struct leat_port port;
			struct leat_tx *tx;
			struct box box;
			uint64_t got = 0;

			begin();
			cr_assert_eq(leat_chan_open(
					     outside, sizeof(box),
					     &(struct leat_chan_opts){ .kind = (enum leat_kind)kind,
			                                               .capacity = BOXES,
			                                               .discard = free_box },
					     &tx, &in),
			             0);
			for (uint64_t n = 0; n < BOXES; n++) {
				box = box_of(n);
				cr_assert_eq(leat_send(tx, &box), 0);
			}
			port = leat_flow_from_rx(flow, LEAT_T(box), in);
			if (steps > 0)
				port = leat_flow_step(port, &keep_each, NULL);
			port = leat_flow_buffer(port, 1);
			leat_flow_to_rx(leat_flow_buffer(port, 1), &out);
			cr_assert_eq(leat_flow_start(flow), 0);
			cr_assert_eq(leat_recv(out, &box), 1); /* it has passed on the first */
			free_box(&box, NULL);
			leat_scope_cancel(outside, -EIO, "no more");
			while (leat_recv(out, &box) == 1) {
				cr_assert_eq(box.value, ++got);
				free_box(&box, NULL);
			}
			leat_rx_close(out);
			cr_expect_eq(leat_flow_join(flow), -EIO);
			leat_flow_close(flow);
			leat_tx_close(tx);
			leat_scope_close(outside);
			expect_all_freed("a cancel of what is held");
		}
}

/* --- a step that breaks its contract --- */

enum { USED, MADE, SKIPPED, RESULT, LIES };

struct lie {
	int what;
	bool moves;
};

/* Passes a box on, itself or another, and says what cannot be of the fifth. */
static int lie_vec(void *state, struct leat_vec *v)
{
	const struct lie *lie = state;
	const struct box *in = v->in;
	struct box *out = v->out;

	if (v->n == 0)
		return 0;
	v->used = v->made = 1;
	if (in->value == 5 && lie->what == MADE)
		v->made = v->room + 1;
	else
		*out = lie->moves ? *in : box_of(in->value);
	if (in->value < 5)
		return 0;
	if (lie->what == USED)
		v->used = v->n + 1;
	v->skipped = lie->what == SKIPPED ? 2 : 0;
	return lie->what == RESULT ? 9 : 0;
}

Test(flow_owned, a_step_that_says_what_cannot_be)
{
	for (int ring = 0; ring < 2; ring++)
		for (int what = USED; what < LIES; what++)
			for (int moves = 0; moves < 2; moves++) {
				const struct lie lie = { what, moves };
				struct leat_step step = { .name = "lie",
					                  .kind = moves ? LEAT_STEP_FILTER
					                                : LEAT_STEP_MAP,
					                  .fn = lie_vec,
					                  .in = LEAT_T(box),
					                  .out = LEAT_T(box) };
				struct leat_flow *flow = leat_flow_open(NULL, NULL);
				struct tally tally = { 0 };
				uint64_t end = 50;
				struct leat_port port;

				begin();
				port = leat_flow_from_gen(flow, LEAT_T(box), run_boxes, &end);
				port = leat_flow_step(port, &step, &lie);
				if (ring)
					port = leat_flow_buffer(port, 16);
				leat_flow_for_each(port, &end_box, &tally);
				expect_start(flow);
				expect_join(flow, -EINVAL);
				expect_words(flow, "step \"lie\", item 5: it ");
				leat_flow_close(flow);
				cr_assert_eq(tally.count, 5u);
				expect_all_freed(moves ? "moved" : "made anew");
			}
}

/* --- slots of ordered workers --- */

struct gates {
	struct leat_scope *scope;
	struct leat_sem *stood, *gate, *passed;
};

LEAT_MAP(hold_first, box, box, box, other, const struct gates *, gates)
{
	int rc = 0;

	if (box->value == 0) {
		leat_sem_release(gates->stood, 1);
		rc = leat_sem_acquire(gates->gate, 1, gates->scope, LEAT_NEVER);
	}
	if (rc != 0)
		return rc;
	*other = box_of(box->value);
	leat_sem_release(gates->passed, 1);
	return 0;
}

/* The second box and those behind it are no part of the first's vector. */
static int run_boxes_apart(struct leat_tx *out, void *arg)
{
	struct gates *gates = arg;
	int rc = 0;

	for (uint64_t n = 0; rc == 0 && n < 10; n++) {
		struct box box = box_of(n);

		rc = leat_send(out, &box);
		if (rc != 0)
			free_box(&box, NULL);
		else if (n == 0)
			rc = leat_sem_acquire(gates->stood, 1, NULL, LEAT_NEVER);
	}
	return rc;
}

static struct leat_sem *empty_sem(void)
{
	struct leat_sem *sem = leat_sem_open(100);

	cr_assert_not_null(sem);
	cr_assert_eq(leat_sem_try(sem, 100), 0);
	return sem;
}

/* Before the flow is joined: a program may wait for something that these items own. */
Test(flow_owned, what_was_not_passed_on_in_order_is_freed_with_the_last_worker)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct gates gates = { scope, empty_sem(), empty_sem(), empty_sem() };
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct tally tally = { 0 };
	struct leat_port port;

	begin();
	port = leat_flow_from_gen(flow, LEAT_T(box), run_boxes_apart, &gates);
	port = leat_flow_workers(port, 2, LEAT_ORDERED);
	port = leat_flow_gather(leat_flow_step(port, &hold_first, &gates));
	leat_flow_for_each(port, &end_box, &tally);
	expect_start(flow);
	cr_assert_eq(leat_sem_acquire(gates.passed, 9, NULL, LEAT_NEVER), 0);
	leat_scope_cancel(scope, -EIO, "enough");
	leat_scope_join(scope);
	expect_all_freed("before the join");
	expect_join(flow, -EIO);
	leat_flow_close(flow);
	leat_scope_close(scope);
	leat_sem_close(gates.stood);
	leat_sem_close(gates.gate);
	leat_sem_close(gates.passed);
}

/* --- what a step, or a type, must not do --- */

static int pass_on_twice(void *state, struct leat_vec *v)
{
	uint64_t *calls = state;

	if (v->n == 0)
		return 0;
	*(struct box *)v->out = *(const struct box *)v->in;
	v->made = 1;
	v->used = (*calls)++ > 0;
	return 0;
}

Test(flow_owned, a_filter_that_passes_on_what_it_has_not_used)
{
	const struct leat_step step = { .name = "twice",
		                        .kind = LEAT_STEP_FILTER,
		                        .fn = pass_on_twice,
		                        .in = LEAT_T(box),
		                        .out = LEAT_T(box) };
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct tally tally = { 0 };
	uint64_t end = 5, calls = 0;
	struct leat_port port;

	begin();
	port = leat_flow_from_gen(flow, LEAT_T(box), run_boxes, &end);
	port = leat_flow_step(port, &step, &calls);
	leat_flow_for_each(port, &end_box, &tally);
	expect_start(flow);
	expect_join(flow, -EINVAL);
	expect_words(flow, "step \"twice\", item 0: it passed on 1 items, and used 0");
	leat_flow_close(flow);
	expect_all_freed("passed on twice");
}

static int copy_none(void *copy, const void *item)
{
	(void)copy, (void)item;
	return 5;
}

LEAT_TYPE_OWNED(odd_box, struct box, free_box, copy_none);

LEAT_FILTER(keep_odd, odd_box, x, const void *, unused)
{
	(void)x, (void)unused;
	return true;
}

LEAT_EACH(end_odd, odd_box, x, const void *, unused)
{
	(void)x, (void)unused;
	return 0;
}

/* A branch that gives items away makes copies. */
Test(flow_owned, a_copy_that_says_what_cannot_be)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port port, branches[2];
	uint64_t end = 5;

	begin();
	port = leat_flow_from_gen(flow, LEAT_T(odd_box), run_boxes, &end);
	leat_flow_tee(port, branches, 2);
	leat_flow_for_each(leat_flow_step(branches[0], &keep_odd, NULL), &end_odd, NULL);
	leat_flow_for_each(branches[1], &end_odd, NULL);
	expect_start(flow);
	expect_join(flow, -EINVAL);
	leat_flow_close(flow);
	expect_all_freed("not copied");
}

LEAT_PAIR(u64_pair, u64, u64);

LEAT_MAP(wrap_but_seven, u64, x, box, box, const void *, unused)
{
	(void)unused;
	if (*x == 7)
		return LEAT_SKIP;
	*box = box_of(*x);
	return 0;
}

LEAT_MAP(unwrap_but_seven, box, box, u64, x, const void *, unused)
{
	(void)unused;
	*x = box->value;
	return box->value == 7 ? LEAT_SKIP : 0;
}

LEAT_EACH(ignore_pair, u64_pair, x, const void *, unused)
{
	(void)x, (void)unused;
	return 0;
}

/* Between a tee and a zip that fails; what was made, or used, is freed. */
Test(flow_owned, an_item_that_is_left_out_where_none_may_be)
{
	uint64_t items[20];

	for (uint64_t i = 0; i < 20; i++)
		items[i] = i;
	for (int behind = 0; behind < 2; behind++) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port branches[2], port;

		begin();
		leat_flow_tee(leat_flow_from_array(flow, LEAT_T(u64), items, 20), branches, 2);
		port = leat_flow_step(branches[1], behind ? &wrap : &wrap_but_seven, NULL);
		port = leat_flow_step(port, behind ? &unwrap_but_seven : &unwrap, NULL);
		port = leat_flow_zip(branches[0], port, LEAT_T(u64_pair));
		leat_flow_for_each(port, &ignore_pair, NULL);
		expect_start(flow);
		expect_join(flow, -EDEADLK);
		leat_flow_close(flow);
		expect_all_freed(behind ? "left out behind" : "left out");
	}
}

static void free_boxes(void *item, void *arg);

LEAT_PAIR_OWNED(boxes, box, box, free_boxes, NULL);

static void free_boxes(void *item, void *arg)
{
	leat_item_boxes *boxes = item;

	free_box(&boxes->first, arg);
	free_box(&boxes->second, arg);
}

LEAT_EACH(take_boxes, boxes, boxes, size_t *, left)
{
	cr_assert_eq(boxes->first.value, boxes->second.value);
	return --*left == 0 ? LEAT_ENOUGH : 0;
}

/* One has fewer items; and the end has had enough, or never. */
Test(flow_owned, pairs_of_what_owns_something)
{
	uint64_t *numbers = numbers_below(2000);

	for (size_t enough = 0; enough < 100; enough += 33) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct leat_port sides[2];
		size_t left = enough > 0 ? enough : 10000;

		begin();
		for (size_t i = 0; i < 2; i++)
			sides[i] = leat_flow_step(leat_flow_from_array(flow, LEAT_T(u64), numbers,
			                                               i == 0 ? 2000 : 1500),
			                          &wrap, NULL);
		leat_flow_for_each(leat_flow_zip(sides[0], sides[1], LEAT_T(boxes)), &take_boxes,
		                   &left);
		expect_start(flow);
		expect_join(flow, 0);
		cr_assert_eq(left, enough > 0 ? 0 : 8500);
		leat_flow_close(flow);
		expect_all_freed("pairs");
	}
	free(numbers);
}

/* Boxes have no dup: where they are lent none is wanted. left: the receiver leaves after so many.
 */
Test(flow_owned, a_receiver_that_is_lent_items_frees_none)
{
	static const uint64_t left[] = { UINT64_MAX, 0, 700 };

	for (size_t i = 0; i < COUNT(left); i++) {
		struct leat_flow *flow = leat_flow_open(NULL, NULL);
		struct tally tally = { 0 };
		struct leat_port ports[2];
		const void *items;
		struct leat_rx *rx;
		uint64_t n = 2000, seen = 0;
		ssize_t got = 1;

		begin();
		leat_flow_tee(leat_flow_from_gen(flow, LEAT_T(box), run_boxes, &n), ports, 2);
		leat_flow_to_rx_lent(ports[0], &rx);
		leat_flow_for_each(ports[1], &end_box, &tally);
		expect_start(flow);
		while (seen < left[i] && (got = leat_peek(rx, 16, &items)) > 0) {
			for (ssize_t k = 0; k < got; k++)
				cr_assert_eq(((const struct box *)items)[k].value, seen++);
			cr_assert_eq(leat_release(rx, (size_t)got), 0);
		}
		leat_rx_close(rx);
		expect_join(flow, 0);
		cr_expect_eq(tally.count, n);
		if (left[i] == UINT64_MAX)
			cr_expect_eq(seen, n);
		leat_flow_close(flow);
		expect_all_freed("lent");
	}
}
