/*
 * tests/unit/stage.c: stages and sinks whose input is another scope's: how its end becomes theirs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "plan.h"

#include "runtime/scope/scope.h"

#include <leat/diag.h>

TestSuite(stage, .timeout = 600);

/*
 * Where the stage runs, and the form of its own channel: on a thread, compact on a pool, a channel
 * of its own on a pool.
 */
enum where { ON_THREAD, ON_POOL, ON_POOL_TURNS, WHERES };
static const char *const where_names[] = { "on a thread", "on a pool", "on a pool, with turns" };

/*
 * What feeds it: a plain channel whose sender the test keeps; a generator on a thread; one on a
 * pool.
 */
enum input { PLAIN, THREAD, POOL, INPUTS };
static const char *const input_names[] = { "a plain channel", "a generator on a thread",
	                                   "a generator on a pool" };

/* A deadline that passes when leat_scope_expire() says so. */
#define HOUR_NS (INT64_C(3600) * 1000 * MS)

#define for_each_place(where, input) \
	for (enum where where = ON_THREAD; where < WHERES; where++) \
		for (enum input input = PLAIN; input < INPUTS; input++)

struct idle {
	uint32_t finis;
};

/* Has nothing until its end. */
static int idle_next(void *state, void *item)
{
	(void)state, (void)item;
	return leat_after(LEAT_NEVER);
}

static void idle_fini(void *state)
{
	leat_add_acqrel(&((struct idle *)state)->finis, 1u);
}

/* A stage by hand, so that the end of what it pulls passes through user's code. */
struct stage {
	struct leat_seq from;
	uint32_t finis;
	int instead; /* what it returns in place of an input's end; 0: that */
};

static int stage_next(void *state, void *item)
{
	struct stage *stage = state;
	int rc = stage->from.next(stage->from.state, item);
	return rc == -ECANCELED && stage->instead != 0 ? stage->instead : rc;
}

static void stage_fini(void *state)
{
	struct stage *stage = state;
	stage->from.fini(stage->from.state);
	leat_add_acqrel(&stage->finis, 1u);
}

struct flow {
	enum where where;
	struct leat_scope *inner, *outer;
	struct leat_pool *pool;
	struct idle idle;
	struct leat_tx *tx; /* a plain input's */
	struct leat_rx *in;
	struct stage stage;
	uint32_t puts, put_finis;
};

static struct leat_gen_opts opts_of(const struct flow *f, enum where where)
{
	struct leat_gen_opts opts = {
		.chan = { .capacity = 4, .kind = where == ON_POOL_TURNS ? LEAT_MPMC : LEAT_SPSC }
	};
	if (where != ON_THREAD)
		opts.pool = f->pool;
	return opts;
}

static void flow_open(struct flow *f, enum where where, enum input input, int64_t inner_deadline_ns)
{
	struct leat_gen_opts opts;
	memset(f, 0, sizeof(*f));
	f->where = where;
	f->pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	f->inner = leat_scope_open(NULL,
	                           &(struct leat_scope_opts){ .deadline_ns = inner_deadline_ns });
	f->outer = scope_open();
	cr_assert(f->pool != NULL && f->inner != NULL);
	opts = opts_of(f, input == POOL ? ON_POOL : ON_THREAD);
	if (input == PLAIN)
		cr_assert_eq(leat_chan_open(f->inner, sizeof(uint64_t), &opts.chan, &f->tx, &f->in),
		             0);
	else
		cr_assert_eq(leat_gen_seq(f->inner,
		                          (struct leat_seq){ idle_next, idle_fini, &f->idle,
		                                             sizeof(uint64_t) },
		                          &opts, &f->in),
		             0);
}

static struct leat_rx *flow_stage(struct flow *f)
{
	struct leat_gen_opts opts = opts_of(f, f->where);
	struct leat_rx *rx;
	opts.chan.name = "stage";
	f->stage.from = leat_seq_from_rx(f->in);
	cr_assert_eq(leat_gen_seq(f->outer,
	                          (struct leat_seq){ stage_next, stage_fini, &f->stage,
	                                             sizeof(uint64_t) },
	                          &opts, &rx),
	             0);
	return rx;
}

static int count_put(void *state, const void *item)
{
	(void)item;
	leat_add_acqrel(&((struct flow *)state)->puts, 1u);
	return 0;
}

static void count_put_fini(void *state)
{
	leat_add_acqrel(&((struct flow *)state)->put_finis, 1u);
}

static void flow_sink(struct flow *f)
{
	struct leat_gen_opts opts = opts_of(f, f->where);
	opts.chan.name = "the sink";
	cr_assert_eq(leat_gen_sink(f->outer, f->in,
	                           (struct leat_sink){ count_put, count_put_fini, f }, &opts),
	             0);
}

static void flow_close(struct flow *f)
{
	leat_scope_close(f->inner);
	leat_scope_close(f->outer);
	cr_expect_eq(leat_pool_close(f->pool), 0);
}

/* How a receive of a stage's end, and its scope, must look. */
struct expected {
	enum leat_cause cause;
	int code;
	const char *text;
};

static void expect_ends(struct flow *f, struct leat_rx *rx, struct expected want, const char *what)
{
	enum leat_cause cause, scope_cause = LEAT_RUNNING;
	const char *text = "", *scope_text;
	int code = 0, scope_code;
	uint64_t got;
	int rc = leat_recv_until(rx, &got, leat_now_ns() + PATIENCE_NS);
	cr_assert(rc == 0 || (rc == -ECANCELED && want.cause == LEAT_FAILED), "%s: received %d",
	          what, rc);
	cr_expect_eq(leat_rx_status(rx, &cause, &code, &text), 0);
	cr_expect_eq(cause, want.cause, "%s: %s", what, leat_cause_name(cause));
	cr_expect_eq(code, want.code, "%s: %d", what, code);
	cr_expect_str_eq(text, want.text, "%s: \"%s\"", what, text);
	rc = leat_scope_join(f->outer);
	scope_cause = leat_scope_cause(f->outer, &scope_code, &scope_text);
	cr_expect_eq(rc, want.cause == LEAT_FAILED ? want.code : 0, "%s: join %d", what, rc);
	cr_expect_eq(scope_cause, want.cause == LEAT_FAILED ? LEAT_FAILED : LEAT_RUNNING,
	             "%s: the scope %s", what, leat_cause_name(scope_cause));
	if (want.cause == LEAT_FAILED)
		cr_expect_str_eq(scope_text, want.text, "%s: the scope's \"%s\"", what, scope_text);
}

static const char *name_of(enum where where, enum input input)
{
	static char name[128];
	snprintf(name, sizeof(name), "%s, from %s", where_names[where], input_names[input]);
	return name;
}

/* The input's scope ends */

static void inner_cancelled(int code, const char *text, struct expected want)
{
	for_each_place(where, input) {
		struct leat_rx *rx;
		struct flow f;
		flow_open(&f, where, input, 0);
		rx = flow_stage(&f);
		leat_scope_cancel(f.inner, code, text);
		expect_ends(&f, rx, want, name_of(where, input));
		cr_expect_eq(f.stage.finis, 1);
		leat_rx_close(rx);
		leat_tx_close(f.tx);
		flow_close(&f);
	}
}

Test(stage, a_plain_cancel_of_its_input_is_its_cause_and_no_failure)
{
	inner_cancelled(0, "enough", (struct expected){ LEAT_CANCELED, 0, "enough" });
}

Test(stage, a_failure_of_its_input_s_scope_is_its_failure)
{
	inner_cancelled(-EIO, "disk gone", (struct expected){ LEAT_FAILED, -EIO, "disk gone" });
}

Test(stage, a_deadline_of_its_input_s_scope_is_its_cause_and_no_failure)
{
	for_each_place(where, input) {
		struct leat_rx *rx;
		struct flow f;
		flow_open(&f, where, input, leat_now_ns() + HOUR_NS);
		rx = flow_stage(&f);
		leat_scope_expire(f.inner);
		expect_ends(&f, rx,
		            (struct expected){ LEAT_DEADLINE, -ETIMEDOUT, "deadline passed" },
		            name_of(where, input));
		leat_rx_close(rx);
		leat_tx_close(f.tx);
		flow_close(&f);
	}
}

/* What it makes of that is its own: nothing of the input's end is carried then. */
Test(stage, another_failure_in_its_place_has_no_words_of_the_input_s)
{
	for_each_place(where, input) {
		struct leat_rx *rx;
		struct flow f;
		flow_open(&f, where, input, 0);
		f.stage.instead = -EBADMSG;
		rx = flow_stage(&f);
		leat_scope_cancel(f.inner, 0, "enough");
		expect_ends(&f, rx, (struct expected){ LEAT_FAILED, -EBADMSG, "" },
		            name_of(where, input));
		leat_rx_close(rx);
		leat_tx_close(f.tx);
		flow_close(&f);
	}
}

/* An input that fails after its data */
Test(stage, the_words_of_a_failing_input_are_its_own)
{
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct plan plan = { .send = 2, .answer = -EIO, .words = "disk gone" };
		struct leat_rx *rx;
		struct flow f;
		uint64_t got;
		flow_open(&f, where, PLAIN, 0);
		leat_rx_close(f.in);
		leat_tx_close(f.tx);
		f.in = start(f.inner, follow_plan, &plan);
		rx = flow_stage(&f);
		cr_expect_eq(leat_recv(rx, &got), 1);
		cr_expect_eq(leat_recv(rx, &got), 1);
		expect_ends(&f, rx, (struct expected){ LEAT_FAILED, -EIO, "disk gone" },
		            where_names[where]);
		leat_rx_close(rx);
		flow_close(&f);
	}
}

/* Through two stages, each in a scope of its own, in all places. */
Test(stage, a_cancel_travels_through_stages_with_its_words)
{
	for_each_place(where, input)
		for (enum where second = ON_THREAD; second < WHERES; second++) {
			struct leat_gen_opts opts;
			struct leat_scope *last = scope_open();
			struct leat_rx *rx;
			struct flow f;
			flow_open(&f, where, input, 0);
			rx = flow_stage(&f);
			opts = opts_of(&f, second);
			cr_assert_eq(leat_gen_seq(last, leat_seq_from_rx(rx), &opts, &rx), 0);
			leat_scope_cancel(f.inner, 0, "enough");
			expect_ends(&f, rx, (struct expected){ LEAT_CANCELED, 0, "enough" },
			            name_of(where, input));
			cr_expect_eq(leat_scope_join(last), 0);
			cr_expect_eq(leat_scope_cause(last, NULL, NULL), LEAT_RUNNING);
			leat_rx_close(rx);
			leat_tx_close(f.tx);
			leat_scope_close(last);
			flow_close(&f);
		}
}

/* Sinks: their ends are told by snapshots. */

static void keep_sink(const struct leat_snapshot *snapshot, void *arg)
{
	for (size_t i = 0; i < snapshot->generators_count; i++)
		if (strcmp(snapshot->generators[i].name, "the sink") == 0 &&
		    snapshot->generators[i].cause != LEAT_RUNNING)
			*(struct leat_gen_stat *)arg = snapshot->generators[i];
}

static void sink_of_cancelled(int code, const char *text, struct expected want)
{
	for_each_place(where, input) {
		struct leat_gen_stat end = { .cause = LEAT_RUNNING };
		struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
			.interval_ns = HOUR_NS, .callback = keep_sink, .callback_arg = &end });
		const char *what = name_of(where, input), *scope_text;
		struct flow f;
		int rc;
		flow_open(&f, where, input, 0);
		flow_sink(&f);
		leat_scope_cancel(f.inner, code, text);
		rc = leat_scope_join(f.outer);
		cr_expect_eq(rc, want.cause == LEAT_FAILED ? want.code : 0, "%s: join %d", what,
		             rc);
		cr_expect_eq(leat_scope_cause(f.outer, NULL, &scope_text),
		             want.cause == LEAT_FAILED ? LEAT_FAILED : LEAT_RUNNING, "%s", what);
		cr_expect_str_eq(scope_text, want.cause == LEAT_FAILED ? want.text : "",
		                 "%s: the scope's \"%s\"", what, scope_text);
		cr_expect_eq(f.put_finis, 1);
		leat_tx_close(f.tx);
		flow_close(&f);
		cr_expect_eq(leat_diag_stop(diag), 0);
		cr_expect_eq(end.cause, want.cause, "%s: %s", what, leat_cause_name(end.cause));
		cr_expect_eq(end.code, want.code, "%s: %d", what, end.code);
		cr_expect_str_eq(end.text, want.text, "%s: \"%s\"", what, end.text);
	}
}

Test(stage, a_plain_cancel_of_a_sink_s_input_is_its_cause_and_no_failure)
{
	sink_of_cancelled(0, "enough", (struct expected){ LEAT_CANCELED, 0, "enough" });
}

Test(stage, a_failure_of_the_scope_of_a_sink_s_input_is_its_failure)
{
	sink_of_cancelled(-EIO, "disk gone", (struct expected){ LEAT_FAILED, -EIO, "disk gone" });
}

/* A function is no stage: for what it returns the contract of leat_gen() holds. */
static int pull_one(struct leat_tx *out, void *arg)
{
	struct leat_seq *seq = arg;
	uint64_t item;
	(void)out;
	return seq->next(seq->state, &item);
}

Test(stage, a_function_that_returns_what_it_pulled_fails_as_ever)
{
	struct leat_scope *inner = scope_open(), *outer = scope_open();
	struct leat_tx *tx;
	struct leat_rx *in, *rx;
	struct leat_seq seq;
	cr_assert_eq(leat_chan_open(inner, sizeof(uint64_t), NULL, &tx, &in), 0);
	seq = leat_seq_from_rx(in);
	leat_scope_cancel(inner, 0, "enough");
	cr_assert_eq(leat_gen(outer, pull_one, &seq, sizeof(uint64_t), NULL, &rx), 0);
	cr_expect_eq(leat_scope_join(outer), -ECANCELED);
	expect_status(rx, LEAT_FAILED, -ECANCELED, "");
	leat_rx_close(rx);
	seq.fini(seq.state);
	leat_tx_close(tx);
	leat_scope_close(inner);
	leat_scope_close(outer);
}

/* An idle input: the stage hears all the same that there is nothing to do any more. */

enum ending { CONSUMER_LEAVES, SCOPE_CANCELLED, SCOPE_CLOSED, ENDINGS };
static const char *const ending_names[] = { "the consumer leaves", "its scope is cancelled",
	                                    "its scope is closed" };

/*
 * The stage, or the function, sleeps at its input once no thread of that name runs: for those on
 * pools there is none.
 */
static bool sleeps_on_thread(const char *name)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	while (leat_now_ns() < patience_ns) {
		DIR *dir = opendir("/proc/self/task");
		bool parked = false;
		for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
			uint32_t tid = (uint32_t)strtoul(entry->d_name, NULL, 10);
			char comm[64];
			if (tid != 0 && read_task(tid, "comm", comm, sizeof(comm)) &&
			    strncmp(comm, name, strlen(name)) == 0)
				parked |= is_parked(tid);
		}
		closedir(dir);
		if (parked)
			return true;
		sched_yield();
	}
	return false;
}

static void end_it(struct flow *f, struct leat_rx **rx, enum ending ending)
{
	if (ending == CONSUMER_LEAVES) {
		leat_rx_close(*rx);
		*rx = NULL;
		cr_expect_eq(leat_scope_join(f->outer), 0);
		return;
	}
	if (ending == SCOPE_CANCELLED) {
		leat_scope_cancel(f->outer, 0, "enough");
		cr_expect_eq(leat_scope_join(f->outer), 0);
		return;
	}
	cr_expect_eq(leat_scope_close(f->outer), 0);
	f->outer = NULL;
}

Test(stage, with_an_idle_input_hears_of_each_way_of_ending, .timeout = 600)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++)
		for_each_place(where, input) {
			struct leat_rx *rx;
			struct flow f;
			flow_open(&f, where, input, 0);
			rx = flow_stage(&f);
			if (where == ON_THREAD)
				cr_expect(sleeps_on_thread("stage"), "%s", name_of(where, input));
			end_it(&f, &rx, ending);
			cr_expect_eq(f.stage.finis, 1, "%s, %s", ending_names[ending],
			             name_of(where, input));
			if (rx != NULL)
				expect_status(rx, LEAT_CANCELED, 0,
				              ending == SCOPE_CANCELLED ? "enough"
				                                        : "scope closed");
			if (input == PLAIN)
				cr_expect_eq(leat_send(f.tx, &(uint64_t){ 1 }), -EPIPE,
				             "the input was closed");
			leat_rx_close(rx);
			leat_tx_close(f.tx);
			flow_close(&f);
		}
}

/* Whatever way it waits at its input. */
Test(stage, waits_at_its_input_by_the_input_s_policy_and_hears_all_the_same, .timeout = 600)
{
	for_each_wait(wait)
		for (enum ending ending = 0; ending < ENDINGS; ending++)
			for_each_kind(kind) {
				struct leat_chan_opts chan = { .kind = kind,
					                       .capacity = 2,
					                       .recv_wait = wait };
				struct leat_rx *rx;
				struct flow f;
				uint64_t got = 0;
				flow_open(&f, ON_THREAD, PLAIN, 0);
				leat_tx_close(f.tx);
				leat_rx_close(f.in);
				cr_assert_eq(leat_chan_open(f.inner, sizeof(uint64_t), &chan, &f.tx,
				                            &f.in),
				             0);
				rx = flow_stage(&f);
				cr_expect_eq(leat_send(f.tx, &(uint64_t){ 7 }), 0);
				cr_expect_eq(leat_recv(rx, &got), 1);
				cr_expect_eq(got, 7);
				if (wait == LEAT_WAIT_ADAPTIVE || wait == LEAT_WAIT_PARK)
					cr_expect(sleeps_on_thread("stage"));
				end_it(&f, &rx, ending);
				cr_expect_eq(f.stage.finis, 1, "%s, %s, %s", wait_names[wait],
				             ending_names[ending], kind_names[kind]);
				leat_rx_close(rx);
				leat_tx_close(f.tx);
				flow_close(&f);
			}
}

/* Each stage of a chain closes its input, so that the one before hears of it. */
Test(stage, a_chain_with_an_idle_input_hears_of_each_way_of_ending, .timeout = 600)
{
	for (enum ending ending = 0; ending < ENDINGS; ending++)
		for_each_place(where, input) {
			struct leat_scope *last = scope_open();
			struct leat_rx *rx;
			struct flow f;
			flow_open(&f, where, input, 0);
			rx = flow_stage(&f);
			cr_assert_eq(leat_gen_seq(last, leat_seq_from_rx(rx), NULL, &rx), 0);
			if (ending == CONSUMER_LEAVES) {
				leat_rx_close(rx);
				rx = NULL;
				cr_expect_eq(leat_scope_join(last), 0);
				cr_expect_eq(leat_scope_join(f.outer), 0);
			} else {
				leat_scope_cancel(last, 0, NULL);
				cr_expect_eq(leat_scope_join(last), 0);
				cr_expect_eq(leat_scope_join(f.outer), 0);
				cr_expect_eq(leat_scope_cause(f.outer, NULL, NULL), LEAT_RUNNING);
			}
			cr_expect_eq(f.stage.finis, 1);
			leat_rx_close(rx);
			leat_tx_close(f.tx);
			leat_scope_close(last);
			flow_close(&f);
		}
}

/* The deadline of either scope. */
Test(stage, with_an_idle_input_hears_of_its_own_scope_s_deadline, .timeout = 600)
{
	for_each_place(where, input) {
		struct leat_rx *rx;
		struct flow f;
		flow_open(&f, where, input, 0);
		leat_scope_close(f.outer);
		f.outer = leat_scope_open(
			NULL, &(struct leat_scope_opts){ .deadline_ns = leat_now_ns() + HOUR_NS });
		rx = flow_stage(&f);
		if (where == ON_THREAD)
			cr_expect(sleeps_on_thread("stage"));
		leat_scope_expire(f.outer);
		cr_expect_eq(leat_scope_join(f.outer), -ETIMEDOUT, "%s", name_of(where, input));
		expect_status(rx, LEAT_DEADLINE, -ETIMEDOUT, "deadline passed");
		leat_rx_close(rx);
		leat_tx_close(f.tx);
		flow_close(&f);
	}
}

/* A function that pulls hears of it likewise: what it then returns is the ordinary way out. */
static int pull_and_send(struct leat_tx *out, void *arg)
{
	struct leat_seq *seq = arg;
	uint64_t item;
	int rc;
	while ((rc = seq->next(seq->state, &item)) == 1)
		if ((rc = leat_send(out, &item)) != 0)
			break;
	return rc;
}

Test(stage, a_function_that_pulls_from_an_idle_input_hears_that_its_consumer_left, .timeout = 600)
{
	for (enum input input = PLAIN; input < INPUTS; input++) {
		struct leat_gen_opts opts = { .chan.name = "puller" };
		struct leat_seq seq;
		struct leat_rx *rx;
		struct flow f;
		flow_open(&f, ON_THREAD, input, 0);
		seq = leat_seq_from_rx(f.in);
		cr_assert_eq(leat_gen(f.outer, pull_and_send, &seq, sizeof(uint64_t), &opts, &rx),
		             0);
		cr_expect(sleeps_on_thread("puller"));
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_join(f.outer), 0);
		seq.fini(seq.state);
		leat_tx_close(f.tx);
		flow_close(&f);
	}
}

/* One that was told of an item and of its end: the item is another receiver's. */
Test(stage, that_leaves_a_shared_input_leaves_its_items_to_others, .timeout = 600)
{
	for (int round = 0; round < 200; round++) {
		struct leat_chan_opts chan = { .kind = LEAT_MPMC,
			                       .capacity = 2,
			                       .recv_wait = LEAT_WAIT_PARK };
		struct caller other = { .op = OP_RECV };
		struct leat_rx *rx;
		struct flow f;
		uint64_t got;
		flow_open(&f, ON_THREAD, PLAIN, 0);
		leat_tx_close(f.tx);
		leat_rx_close(f.in);
		cr_assert_eq(leat_chan_open(f.inner, sizeof(uint64_t), &chan, &f.tx, &f.in), 0);
		other.rx = leat_rx_clone(f.in);
		rx = flow_stage(&f);
		if (round % 4 == 0)
			cr_expect(sleeps_on_thread("stage"));
		caller_start(&other);
		cr_expect_eq(leat_send(f.tx, &(uint64_t){ 1 }), 0);
		leat_scope_cancel(f.outer, 0, NULL);
		cr_expect_eq(leat_scope_join(f.outer), 0);
		leat_send(f.tx, &(uint64_t){ 2 }); /* in case the stage had the first */
		cr_expect_eq(caller_join(&other), 1);
		while (leat_try_recv(other.rx, &got) == 1)
			;
		leat_rx_close(other.rx);
		leat_rx_close(rx);
		leat_tx_close(f.tx);
		flow_close(&f);
	}
}

/* --- words of a failure --- */

static int next_fails(void *state, void *item)
{
	uint64_t *n = state;
	if (*n < 2) {
		leat_fail(-EAGAIN, "not the last word"); /* dropped, as it goes on */
		*(uint64_t *)item = (*n)++;
		return 1;
	}
	return leat_fail(-EIO, "disk gone");
}

static int put_fails(void *state, const void *item)
{
	(void)state, (void)item;
	return leat_fail(-EIO, "disk full");
}

static int function_fails(struct leat_tx *out, void *arg)
{
	(void)out, (void)arg;
	return leat_fail(-EIO, "disk gone");
}

static void set_place(struct leat_gen_opts *opts, enum where where, struct leat_pool *pool)
{
	opts->pool = where == ON_THREAD ? NULL : pool;
	opts->chan.capacity = 4;
	opts->chan.kind = where == ON_POOL_TURNS ? LEAT_SPMC : LEAT_SPSC;
}

Test(stage, words_of_a_failure_pass_through_stages)
{
	struct leat_pool *pool = leat_pool_open(NULL);
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct leat_scope *first = leat_scope_open(NULL, NULL),
				  *second = leat_scope_open(NULL, NULL);
		struct leat_gen_opts opts = { 0 };
		uint64_t n = 0, item;
		struct leat_rx *rx;
		set_place(&opts, where, pool);
		cr_assert_eq(leat_gen_seq(first, (struct leat_seq){ next_fails, NULL, &n, 8 }, &opts,
		                          &rx),
		             0);
		cr_assert_eq(leat_gen_seq(second, leat_seq_from_rx(rx), &opts, &rx), 0);
		while (leat_recv(rx, &item) == 1)
			;
		expect_status(rx, LEAT_FAILED, -EIO, "disk gone");
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(second), -EIO);
		cr_expect_eq(leat_scope_close(first), -EIO);
	}
	leat_pool_close(pool);
}

Test(stage, words_of_a_sink_and_of_a_function)
{
	struct leat_pool *pool = leat_pool_open(NULL);
	for (enum where where = ON_THREAD; where <= ON_POOL; where++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL),
				  *outer = leat_scope_open(NULL, NULL);
		struct leat_gen_opts opts = { .pool = where == ON_THREAD ? NULL : pool };
		struct leat_tx *tx;
		struct leat_rx *rx;
		const char *text;
		cr_assert_eq(leat_chan_open(outer, 8, NULL, &tx, &rx), 0);
		cr_assert_eq(leat_send(tx, &(uint64_t){ 1 }), 0);
		cr_assert_eq(leat_gen_sink(scope, rx, (struct leat_sink){ put_fails, NULL, NULL },
		                           &opts),
		             0);
		cr_expect_eq(leat_scope_join(scope), -EIO);
		cr_expect_eq(leat_scope_cause(scope, NULL, &text), LEAT_FAILED);
		cr_expect_str_eq(text, "disk full");
		leat_tx_close(tx);
		cr_expect_eq(leat_scope_close(scope), -EIO);
		cr_expect_eq(leat_scope_close(outer), 0);
	}
	leat_pool_close(pool);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	const char *text;
	cr_assert_eq(leat_gen(scope, function_fails, NULL, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	leat_scope_cause(scope, NULL, &text);
	cr_expect_str_eq(text, "disk gone");
	cr_expect_eq(leat_scope_close(scope), -EIO);
	cr_expect_eq(leat_fail(-EIO, "nobody hears this"), -EIO);
	cr_expect_eq(leat_fail(0, "no failure"), -EINVAL);
}
