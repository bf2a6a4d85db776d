/*
 * tests/unit/stop_names.c: which generator the text of a drain deadline names: one that nothing
 * told to end, and none that receives.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "plan.h"

#include <leat/leat.h>

TestSuite(stop_names, .timeout = 600);

/* Stops the scope with a deadline that is not in the future, and returns the text of its cause. */
static const char *text_of_deadline(struct leat_scope *scope)
{
	const char *text = "";
	cr_assert_eq(leat_scope_stop(scope, leat_now_ns(), "enough"), 0);
	cr_expect_eq(leat_scope_cause(scope, NULL, &text), LEAT_DEADLINE);
	return text;
}

static void expect_no_name(struct leat_scope *scope, const char *who)
{
	const char *text = text_of_deadline(scope);
	cr_expect_str_eq(text, "not drained in time", "%s: %s", who, text);
}

static void expect_name(struct leat_scope *scope, const char *name, const char *seen)
{
	const char *text = text_of_deadline(scope);
	char want[LEAT_TEXT_MAX + 1];
	snprintf(want, sizeof(want),
	         "not drained in time: \"%s\" is no source and was not seen to %s", name, seen);
	cr_expect_str_eq(text, want);
}

/* A channel in the scope with so many items in it. Its sender stays open: *tx. */
static struct leat_rx *open_input(struct leat_scope *scope, uint64_t items, struct leat_tx **tx)
{
	struct leat_chan_opts opts = { .capacity = 16 };
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), &opts, tx, &rx), 0);
	for (uint64_t n = 0; n < items; n++)
		cr_assert_eq(leat_send(*tx, &n), 0);
	return rx;
}

static void await_pending(struct leat_rx *rx)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	while (leat_rx_pending(rx) == 0) {
		cr_assert(leat_now_ns() < patience_ns);
		sched_yield();
	}
}

/* --- stages that are written by hand --- */

enum how { RECV, RECV_UNTIL, TRY, BATCH, FILL, PEEK, SELECT, SELECT_OF_TWO, MERGE, HOWS };

struct stage {
	enum how how;
	struct leat_rx *in;
	bool binds;
	struct leat_merge *merge;
	uint32_t tid, tries;
};

static int64_t in_an_hour(void)
{
	return leat_now_ns() + INT64_C(3600) * 1000 * MS;
}

static int try_until_there(struct stage *stage, uint64_t *item)
{
	int rc;
	while ((rc = leat_try_recv(stage->in, item)) == -EAGAIN) {
		leat_add_acqrel(&stage->tries, 1u);
		sched_yield();
	}
	return rc;
}

/* Returns 1, 0 or the error. */
static int receive_one(struct stage *stage, uint64_t *item)
{
	struct leat_case cases[] = { LEAT_CASE_RECV(stage->in, item), LEAT_CASE_FD(-1, 0) };
	const void *place;
	ssize_t n;
	switch (stage->how) {
	case RECV:
		return leat_recv(stage->in, item);
	case RECV_UNTIL:
		return leat_recv_until(stage->in, item, in_an_hour());
	case TRY:
		return try_until_there(stage, item);
	case BATCH:
		return (int)leat_recv_batch(stage->in, item, 1);
	case FILL:
		return (int)leat_recv_fill(stage->in, item, 1, LEAT_NEVER);
	case PEEK:
		n = leat_peek(stage->in, 1, &place);
		if (n == 1)
			*item = *(const uint64_t *)place;
		if (n == 1)
			leat_release(stage->in, 1);
		return (int)n;
	case SELECT:
	case SELECT_OF_TWO:
		n = leat_select(cases, stage->how == SELECT ? 1 : 2, LEAT_NEVER, LEAT_BY_CHANCE);
		return n == 0 ? cases[0].answer : (int)n;
	case MERGE:
		return leat_merge_recv(stage->merge, item, NULL);
	case HOWS:
		break;
	}
	return -EINVAL;
}

static int run_stage(struct leat_tx *out, void *arg)
{
	struct stage *stage = arg;
	uint64_t item;
	int rc = 0;
	leat_store_rel(&stage->tid, own_tid());
	if (stage->binds)
		rc = leat_rx_bind(stage->in, out);
	if (stage->how == MERGE) {
		stage->merge = leat_merge_open(sizeof(uint64_t));
		rc = leat_merge_add(stage->merge, stage->in, NULL);
		stage->in = NULL;
	}
	while (rc == 0 && (rc = receive_one(stage, &item)) == 1)
		rc = leat_send(out, &item);
	if (stage->merge != NULL)
		leat_merge_close(stage->merge);
	leat_rx_close(stage->in);
	return rc;
}

static struct leat_rx *start_stage(struct leat_scope *scope, struct stage *stage, const char *name)
{
	struct leat_gen_opts opts = { .chan = { .name = name, .capacity = 1 } };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen(scope, run_stage, stage, sizeof(uint64_t), &opts, &rx), 0);
	return rx;
}

/* The deadline has cancelled the scope. */
static void end(struct leat_scope *scope, struct leat_tx *tx, struct leat_rx *rx)
{
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(stop_names, no_stage_that_has_waited_for_an_item)
{
	static const char *const names[] = { "recv", "recv_until", "try",           "batch", "fill",
		                             "peek", "select",     "select of two", "merge" };
	for (enum how how = 0; how < HOWS; how++) {
		struct leat_scope *scope = scope_open();
		struct stage stage = { .how = how };
		struct leat_tx *tx;
		struct leat_rx *rx;
		stage.in = open_input(scope, 0, &tx);
		rx = start_stage(scope, &stage, "stage");
		cr_assert(how == TRY ? await_word(&stage.tries, 1) : await_parked(&stage.tid));
		expect_no_name(scope, names[how]);
		end(scope, tx, rx);
	}
}

Test(stop_names, no_stage_behind_a_broadcast)
{
	struct leat_scope *scope = scope_open();
	struct stage stage = { .how = RECV };
	struct leat_broadcast *feed;
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_broadcast_open(scope, sizeof(uint64_t), NULL, &feed, &tx), 0);
	cr_assert_eq(leat_broadcast_subscribe(feed, NULL, &stage.in), 0);
	rx = start_stage(scope, &stage, "stage");
	cr_assert(await_parked(&stage.tid));
	expect_no_name(scope, "broadcast");
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	leat_broadcast_close(feed);
	end(scope, tx, rx);
}

static int sleep_for_ever(void *state, void *item)
{
	(void)state;
	(void)item;
	return leat_after(LEAT_NEVER);
}

Test(stop_names, no_stage_behind_a_generator_on_a_pool)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct leat_scope *scope = scope_open();
	struct leat_gen_opts opts = { .pool = pool, .source = true };
	struct leat_seq seq = { sleep_for_ever, NULL, NULL, sizeof(uint64_t) };
	struct stage stage = { .how = RECV };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope, seq, &opts, &stage.in), 0);
	rx = start_stage(scope, &stage, "stage");
	cr_assert(await_parked(&stage.tid));
	expect_no_name(scope, "compact");
	end(scope, NULL, rx);
	leat_pool_close(pool);
}

/* It has never waited for an item, as there was one each time; but it is bound. */
Test(stop_names, no_bound_stage)
{
	for (int into = 0; into < 2; into++) {
		struct leat_scope *scope = scope_open();
		struct stage stage = { .how = RECV, .binds = true };
		struct leat_chan_opts chan = { .kind = LEAT_MPSC, .capacity = 1 };
		struct leat_tx *tx, *out;
		struct leat_rx *rx;
		stage.in = open_input(scope, 8, &tx);
		if (into) {
			cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), &chan, &out, &rx), 0);
			cr_assert_eq(leat_gen_into(scope, run_stage, &stage, out,
			                           &(struct leat_gen_opts){ .chan.name = "stage" }),
			             0);
		} else {
			rx = start_stage(scope, &stage, "stage");
		}
		cr_assert(await_parked(&stage.tid));
		expect_no_name(scope, into ? "gen_into" : "gen");
		end(scope, tx, rx);
	}
}

/* --- stages and sinks of the library that never had to wait --- */

enum where { ON_THREAD, COMPACT, WITH_A_CHANNEL, WHERES };

struct setting {
	struct leat_scope *scope;
	struct leat_pool *pool;
	struct leat_gen_opts opts;
};

static struct setting set_up(enum where where, const char *name)
{
	struct setting s = { .scope = scope_open() };
	if (where != ON_THREAD)
		s.pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	s.opts.pool = s.pool;
	s.opts.chan.name = name;
	s.opts.chan.capacity = 2;
	s.opts.chan.kind = where == WITH_A_CHANNEL ? LEAT_SPMC : LEAT_SPSC;
	return s;
}

/* A seq around another, which the library does not know when it starts it. */
static int next_of_inner(void *state, void *item)
{
	struct leat_seq *inner = state;
	return inner->next(inner->state, item);
}

static void end_inner(void *state)
{
	struct leat_seq *inner = state;
	inner->fini(inner->state);
}

Test(stop_names, no_busy_seq_of_a_receiver)
{
	for (enum where where = ON_THREAD; where < WHERES; where++)
		for (int wrapped = 0; wrapped < 2; wrapped++) {
			struct setting s = set_up(where, "stage");
			struct leat_tx *tx;
			struct leat_seq inner = leat_seq_from_rx(open_input(s.scope, 8, &tx)),
					seq = inner;
			struct leat_rx *rx;
			if (wrapped)
				seq = (struct leat_seq){ next_of_inner, end_inner, &inner,
					                 sizeof(uint64_t) };
			cr_assert_eq(leat_gen_seq(s.scope, seq, &s.opts, &rx), 0);
			await_pending(rx);
			expect_no_name(s.scope, wrapped ? "wrapped" : "seq");
			end(s.scope, tx, rx);
			leat_pool_close(s.pool);
		}
}

struct gate {
	uint32_t entered, open;
};

static int put_behind_gate(void *state, const void *item)
{
	struct gate *gate = state;
	(void)item;
	leat_add_acqrel(&gate->entered, 1u);
	return await_word(&gate->open, 1) ? 0 : -ETIME;
}

Test(stop_names, no_busy_sink)
{
	for (int pooled = 0; pooled < 2; pooled++) {
		struct setting s = set_up(pooled ? COMPACT : ON_THREAD, "sink");
		struct gate gate = { 0 };
		struct leat_sink sink = { put_behind_gate, NULL, &gate };
		struct leat_tx *tx;
		struct leat_gen_opts opts = { .pool = s.pool, .chan.name = "sink" };
		cr_assert_eq(leat_gen_sink(s.scope, open_input(s.scope, 8, &tx), sink, &opts), 0);
		cr_assert(await_word(&gate.entered, 1));
		expect_no_name(s.scope, pooled ? "pool" : "thread");
		leat_store_rel(&gate.open, 1u);
		end(s.scope, tx, NULL);
		leat_pool_close(s.pool);
	}
}

/* --- what is named --- */

static int count_up(void *state, void *item)
{
	*(uint64_t *)item = (*(uint64_t *)state)++;
	return 1;
}

Test(stop_names, a_seq_that_receives_nothing)
{
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct setting s = set_up(where, "deaf");
		uint64_t n = 0;
		struct leat_seq seq = { count_up, NULL, &n, sizeof(n) };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen_seq(s.scope, seq, &s.opts, &rx), 0);
		await_pending(rx);
		expect_name(s.scope, "deaf", "receive");
		end(s.scope, NULL, rx);
		leat_pool_close(s.pool);
	}
}

/* A stage that is written by hand and found each item there: nothing tells it from the culprit. */
Test(stop_names, a_function_only_where_nothing_is_likelier)
{
	for (int culprit = 0; culprit < 2; culprit++) {
		struct setting s = set_up(ON_THREAD, "deaf");
		struct stage stage = { .how = RECV };
		uint64_t n = 0;
		struct leat_seq seq = { count_up, NULL, &n, sizeof(n) };
		struct leat_tx *tx;
		struct leat_rx *rx, *of_seq = NULL;
		stage.in = open_input(s.scope, 8, &tx);
		rx = start_stage(s.scope, &stage, "busy");
		cr_assert(await_parked(&stage.tid));
		if (culprit) {
			cr_assert_eq(leat_gen_seq(s.scope, seq, &s.opts, &of_seq), 0);
			await_pending(of_seq);
			expect_name(s.scope, "deaf", "receive");
		} else {
			expect_name(s.scope, "busy", "wait for an item");
		}
		leat_rx_close(of_seq);
		end(s.scope, tx, rx);
	}
}

/* The innocent come first; one of them is in a scope below. */
Test(stop_names, the_one_among_innocents)
{
	struct leat_scope *scope = scope_open(), *below = leat_scope_open(scope, NULL);
	struct stage stages[] = { { .how = RECV }, { .how = RECV, .binds = true } };
	struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
	struct leat_gen_opts opts = { .chan = { .name = "deaf", .capacity = 1 } };
	struct leat_tx *tx[3];
	struct leat_rx *rx[4];
	stages[0].in = open_input(scope, 0, &tx[0]);
	rx[0] = start_stage(scope, &stages[0], "waits");
	stages[1].in = open_input(scope, 8, &tx[1]);
	rx[1] = start_stage(below, &stages[1], "bound");
	cr_assert(await_parked(&stages[0].tid));
	cr_assert(await_parked(&stages[1].tid));
	opts.chan.name = "seq";
	cr_assert_eq(
		leat_gen_seq(scope, leat_seq_from_rx(open_input(scope, 8, &tx[2])), &opts, &rx[2]),
		0);
	await_pending(rx[2]);
	opts.chan.name = "deaf";
	cr_assert_eq(leat_gen(scope, follow_plan, &plan, sizeof(uint64_t), &opts, &rx[3]), 0);
	cr_assert(await_parked(&plan.tid));
	expect_name(scope, "deaf", "wait for an item");
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	for (int i = 0; i < 3; i++)
		leat_tx_close(tx[i]);
	for (int i = 0; i < 4; i++)
		leat_rx_close(rx[i]);
	cr_expect_eq(leat_scope_close(below), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}
