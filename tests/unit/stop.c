/*
 * tests/unit/stop.c: leat_scope_stop(): which senders it ends, and that nothing is lost that they
 * had sent.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "plan.h"

#include "runtime/scope/scope.h"

#include <leat/io.h>
#include <leat/pace.h>
#include <leat/select.h>
#include <sys/socket.h>

TestSuite(stop, .timeout = 600);

#define HOUR_NS (INT64_C(3600) * 1000 * MS)

static int64_t in_an_hour(void)
{
	return leat_now_ns() + HOUR_NS;
}

static void expect_no_cause(struct leat_scope *scope)
{
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING);
}

/* Receives 0, 1, 2 and so on to the end. Returns how many. */
static uint64_t receive_all(struct leat_rx *rx)
{
	uint64_t n = 0;
	leat_for(uint64_t, item, rx) {
		cr_expect_eq(item, n);
		n++;
	}
	return n;
}

/* --- a generator's function on a thread --- */

struct source {
	uint64_t sent;
	uint32_t started, told;
	bool says_so_itself, returns_0;
	int last;
};

static int send_without_end(struct leat_tx *out, void *arg)
{
	struct source *source = arg;
	if (source->says_so_itself)
		leat_tx_source(out, true);
	while ((source->last = leat_send(out, &source->sent)) == 0) {
		source->sent++;
		leat_store_rel(&source->started, 1u);
	}
	cr_expect(leat_tx_done(out));
	return source->returns_0 ? 0 : source->last;
}

static void stop_a_function(bool by_option, bool returns_0, const struct leat_gen_opts *opts)
{
	struct leat_scope *scope = scope_open();
	struct source source = { .says_so_itself = !by_option, .returns_0 = returns_0 };
	struct leat_gen_opts with = *opts;
	struct leat_rx *rx;
	with.source = by_option;
	cr_assert_eq(leat_gen(scope, send_without_end, &source, sizeof(uint64_t), &with, &rx), 0);
	cr_assert(await_word(&source.started, 1));
	cr_expect_not(leat_scope_stopping(scope));
	cr_expect_eq(leat_scope_stop(scope, in_an_hour(), "enough"), 0);
	cr_expect(leat_scope_stopping(scope));
	cr_expect_eq(leat_scope_join(scope), 0);
	expect_no_cause(scope);
	cr_expect_eq(receive_all(rx), source.sent);
	cr_expect_eq(source.last, -ESHUTDOWN);
	expect_status(rx, LEAT_STOPPED, 0, "enough");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(stop, function_that_sends_ends_as_stopped_and_its_items_stay)
{
	for_each_kind(kind)
		for_each_wait(wait)
			for (int i = 0; i < 4; i++)
				stop_a_function(i & 1, i & 2,
				                &(struct leat_gen_opts){ .chan.kind = kind,
				                                         .chan.send_wait = wait,
				                                         .chan.capacity = 7 });
}

/* A channel that drops never makes its sender wait, and refuses all the same. */
Test(stop, function_that_sends_into_a_channel_that_drops_is_refused)
{
	for_each_drop(overflow) {
		struct leat_scope *scope = scope_open();
		struct source source = { .says_so_itself = true };
		struct leat_gen_opts opts = { .chan.capacity = 7, .chan.overflow = overflow };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen(scope, send_without_end, &source, 8, &opts, &rx), 0);
		cr_assert(await_word(&source.started, 1));
		cr_expect_eq(leat_scope_stop(scope, in_an_hour(), NULL), 0);
		cr_expect_eq(leat_scope_join(scope), 0);
		expect_no_cause(scope);
		leat_rx_close(rx);
		cr_expect_eq(source.last, -ESHUTDOWN);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(stop, generator_that_is_no_source_and_returns_that_error_has_failed)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .answer = -ESHUTDOWN };
	struct leat_rx *rx;
	cr_expect_eq(leat_scope_stop(scope, in_an_hour(), "enough"), 0);
	cr_assert_eq(leat_gen(scope, follow_plan, &plan, 8, NULL, &rx), 0);
	cr_expect_eq(leat_scope_join(scope), -ESHUTDOWN);
	expect_status(rx, LEAT_FAILED, -ESHUTDOWN, "");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ESHUTDOWN);
}

/* --- what a source may still do --- */

Test(stop, item_that_was_refused_can_be_sent_by_a_handle_that_is_no_source_any_more)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		uint64_t item = 0;
		leat_tx_source(pipe.tx, true);
		cr_expect_eq(leat_send(pipe.tx, &item), 0);
		cr_expect_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, NULL), 0);
		item = 1;
		cr_expect_eq(leat_send(pipe.tx, &item), -ESHUTDOWN);
		cr_expect_eq(leat_try_send(pipe.tx, &item), -ESHUTDOWN);
		cr_expect_eq(leat_send_until(pipe.tx, &item, in_an_hour()), -ESHUTDOWN);
		cr_expect_eq(leat_send_batch(pipe.tx, &item, 1), -ESHUTDOWN);
		cr_expect_eq(leat_tx_wait(pipe.tx, -1, 0, in_an_hour()), -ESHUTDOWN);
		cr_expect(leat_tx_done(pipe.tx));
		leat_tx_source(pipe.tx, false);
		cr_expect_not(leat_tx_done(pipe.tx));
		cr_expect_eq(leat_send(pipe.tx, &item), 0);
		leat_tx_close(pipe.tx);
		cr_expect_eq(receive_all(pipe.rx), 2);
		leat_rx_close(pipe.rx);
		cr_assert_eq(leat_scope_close(pipe.scope), 0);
	}
}

/* The other order of the two bits: the handle is marked after the stop. */
Test(stop, handle_that_is_marked_in_a_stopping_scope_is_refused_at_once)
{
	struct pipe pipe = pipe_open(NULL);
	cr_expect_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, NULL), 0);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 0 }), 0);
	leat_tx_source(pipe.tx, true);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), -ESHUTDOWN);
	pipe_close(&pipe);
}

Test(stop, channel_of_a_stopping_scope_knows_it_too)
{
	struct leat_scope *scope = scope_open(), *below;
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_expect_eq(leat_scope_stop(scope, LEAT_NEVER, "outer"), 0);
	below = leat_scope_open(scope, NULL);
	cr_expect(leat_scope_stopping(below));
	cr_assert_eq(leat_chan_open(below, 8, NULL, &tx, &rx), 0);
	leat_tx_source(tx, true);
	cr_expect_eq(leat_send(tx, &(uint64_t){ 1 }), -ESHUTDOWN);
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(below), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(stop, reservation_can_be_committed)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = kind });
		void *room;
		leat_tx_source(pipe.tx, true);
		cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
		*(uint64_t *)room = 0;
		cr_expect_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, NULL), 0);
		cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		cr_expect_eq(leat_reserve(pipe.tx, 1, &room), -ESHUTDOWN);
		leat_tx_close(pipe.tx);
		cr_expect_eq(receive_all(pipe.rx), 1);
		leat_rx_close(pipe.rx);
		cr_assert_eq(leat_scope_close(pipe.scope), 0);
	}
}

Test(stop, clone_made_later_inherits_and_other_handles_go_on)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .kind = LEAT_MPSC });
	struct leat_tx *before = leat_tx_clone(pipe.tx), *after;
	leat_tx_source(pipe.tx, true);
	after = leat_tx_clone(pipe.tx);
	cr_expect_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, NULL), 0);
	cr_expect_eq(leat_send(before, &(uint64_t){ 0 }), 0);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), -ESHUTDOWN);
	cr_expect_eq(leat_send(after, &(uint64_t){ 1 }), -ESHUTDOWN);
	cr_expect_eq(leat_send(before, &(uint64_t){ 1 }), 0);
	leat_tx_close(before);
	leat_tx_close(after);
	leat_tx_close(pipe.tx);
	cr_expect_eq(receive_all(pipe.rx), 2);
	leat_rx_close(pipe.rx);
	cr_assert_eq(leat_scope_close(pipe.scope), 0);
}

Test(stop, descriptor_and_select_say_that_no_send_can_succeed)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = { .kind = kind, .capacity = 1 };
		struct pipe pipe = pipe_open(&opts);
		uint64_t item = 1;
		struct leat_case cases[] = { LEAT_CASE_SEND(pipe.tx, &item) };
		leat_tx_source(pipe.tx, true);
		cr_expect_eq(leat_send(pipe.tx, &item), 0);
		cr_assert(leat_tx_fd(pipe.tx) >= 0);
		cr_expect_eq(leat_tx_arm(pipe.tx), 0);
		cr_expect_not(readable(leat_tx_fd(pipe.tx)));
		cr_expect_eq(leat_scope_stop(pipe.scope, LEAT_NEVER, NULL), 0);
		cr_expect(readable(leat_tx_fd(pipe.tx)));
		cr_expect_eq(leat_tx_arm(pipe.tx), 1);
		cr_expect_eq(leat_select(cases, 1, LEAT_NEVER, LEAT_BY_CHANCE), 0);
		cr_expect_eq(cases[0].answer, -ESHUTDOWN);
		pipe_close(&pipe);
	}
}

/* --- seqs --- */

enum where { ON_THREAD, COMPACT, WITH_A_CHANNEL, WHERES };
static const char *const where_names[] = { "thread", "compact", "channel" };

struct ticks {
	uint64_t n, quick; /* so many items come at once; then it sleeps for an hour */
	uint32_t asked, finis;
	int told, calls_after;
	bool gives_one_more;
};

static int next_tick(void *state, void *item)
{
	struct ticks *ticks = state;
	int rc = 0;
	if (ticks->told != 0)
		ticks->calls_after++;
	if (ticks->n >= ticks->quick) {
		leat_add_acqrel(&ticks->asked, 1u);
		rc = leat_after(LEAT_NEVER);
	}
	if (rc == -ESHUTDOWN) {
		ticks->told = rc;
		if (!ticks->gives_one_more)
			return rc;
		rc = 0;
	}
	if (rc != 0)
		return rc;
	*(uint64_t *)item = ticks->n++;
	return 1;
}

static void end_ticks(void *state)
{
	leat_add_acqrel(&((struct ticks *)state)->finis, 1u);
}

struct setting {
	struct leat_scope *scope;
	struct leat_pool *pool;
	struct leat_gen_opts opts;
};

static struct setting set_up(enum where where, size_t capacity)
{
	struct setting s = { .scope = scope_open() };
	if (where != ON_THREAD)
		s.pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	s.opts.pool = s.pool;
	s.opts.source = true;
	s.opts.chan.capacity = capacity;
	s.opts.chan.kind = where == WITH_A_CHANNEL ? LEAT_SPMC : LEAT_SPSC;
	return s;
}

static void tear_down(struct setting *s, int want)
{
	cr_expect_eq(leat_scope_close(s->scope), want);
	leat_pool_close(s->pool);
}

static struct leat_seq seq_of(struct ticks *ticks)
{
	return (struct leat_seq){ next_tick, end_ticks, ticks, sizeof(uint64_t) };
}

/* It sleeps; a stop has it called once more, and sends what that call returns. */
static void stop_a_sleeping_seq(enum where where, bool gives_one_more)
{
	struct setting s = set_up(where, 8);
	struct ticks ticks = { .quick = 3, .gives_one_more = gives_one_more };
	struct leat_rx *rx;
	uint64_t item;
	cr_assert_eq(leat_gen_seq(s.scope, seq_of(&ticks), &s.opts, &rx), 0);
	for (uint64_t n = 0; n < ticks.quick; n++)
		cr_assert_eq(leat_recv(rx, &item), 1);
	cr_expect_eq(leat_recv_until(rx, &item, leat_now_ns() + 1 * MS), -ETIMEDOUT);
	cr_assert(await_word(&ticks.asked, 1));
	cr_expect_eq(leat_scope_stop(s.scope, in_an_hour(), "enough"), 0);
	cr_expect_eq(leat_recv(rx, &item), gives_one_more);
	cr_expect_eq(leat_recv(rx, &item), 0);
	cr_expect_eq(leat_scope_join(s.scope), 0);
	cr_expect_eq(ticks.told, -ESHUTDOWN);
	cr_expect_eq(ticks.calls_after, 0, "%s", where_names[where]);
	cr_expect_eq(ticks.finis, 1);
	expect_status(rx, LEAT_STOPPED, 0, "enough");
	expect_no_cause(s.scope);
	leat_rx_close(rx);
	tear_down(&s, 0);
}

Test(stop, seq_that_sleeps_is_called_once_more)
{
	for (enum where where = ON_THREAD; where < WHERES; where++)
		for (int more = 0; more < 2; more++)
			stop_a_sleeping_seq(where, more);
}

/* Its channel is full and no receiver ever comes: the stop ends it all the same. */
Test(stop, seq_needs_no_receiver_to_end)
{
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct setting s = set_up(where, 4);
		struct ticks ticks = { .quick = UINT64_MAX };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen_seq(s.scope, seq_of(&ticks), &s.opts, &rx), 0);
		cr_expect_eq(leat_scope_stop(s.scope, in_an_hour(), "enough"), 0);
		cr_expect_eq(leat_scope_join(s.scope), 0);
		cr_expect_eq(ticks.finis, 1);
		cr_expect_eq(receive_all(rx), ticks.n);
		expect_status(rx, LEAT_STOPPED, 0, "enough");
		leat_rx_close(rx);
		tear_down(&s, 0);
	}
}

Test(stop, seq_that_ends_by_itself_before_has_completed)
{
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct setting s = set_up(where, 4);
		struct leat_scope *inner = leat_scope_open(s.scope, NULL);
		struct leat_rx *rx;
		struct leat_tx *tx;
		/* a seq of an input that has ended: it returns 0 */
		cr_assert_eq(leat_chan_open(s.scope, 8, NULL, &tx, &rx), 0);
		leat_tx_close(tx);
		cr_assert_eq(leat_gen_seq(inner, leat_seq_from_rx(rx), &s.opts, &rx), 0);
		cr_expect_eq(receive_all(rx), 0);
		cr_expect_eq(leat_scope_stop(s.scope, in_an_hour(), "enough"), 0);
		expect_status(rx, LEAT_COMPLETED, 0, "");
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(inner), 0);
		tear_down(&s, 0);
	}
}

Test(stop, source_cannot_be_started_any_more_and_a_stage_can)
{
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct setting s = set_up(where, 4);
		struct ticks ticks = { .quick = 2 };
		struct leat_rx *rx = NULL, *in;
		struct leat_tx *tx;
		cr_expect_eq(leat_scope_stop(s.scope, in_an_hour(), "enough"), 0);
		cr_expect_eq(leat_gen_seq(s.scope, seq_of(&ticks), &s.opts, &rx), -ESHUTDOWN);
		cr_expect_null(rx);
		cr_expect_eq(ticks.finis, 0);
		s.opts.source = false;
		cr_assert_eq(leat_chan_open(s.scope, 8, NULL, &tx, &in), 0);
		cr_expect_eq(leat_send(tx, &(uint64_t){ 0 }), 0);
		leat_tx_close(tx);
		cr_assert_eq(leat_gen_seq(s.scope, leat_seq_from_rx(in), &s.opts, &rx), 0);
		cr_expect_eq(receive_all(rx), 1);
		expect_status(rx, LEAT_COMPLETED, 0, "");
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_join(s.scope), 0);
		tear_down(&s, 0);
	}
}

/* --- a pipeline --- */

struct sum {
	uint64_t items, sum;
};

static int add_up(void *state, const void *item)
{
	struct sum *sum = state;
	sum->items++;
	sum->sum += *(const uint64_t *)item;
	return 0;
}

/* A source, two stages and a sink: all items arrive, and only the source ends as stopped. */
Test(stop, pipeline_drains_to_its_sink)
{
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct setting s = set_up(where, 4);
		struct ticks ticks = { .quick = UINT64_MAX };
		struct sum sum = { 0 };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen_seq(s.scope, seq_of(&ticks), &s.opts, &rx), 0);
		s.opts.source = false;
		for (int i = 0; i < 2; i++)
			cr_assert_eq(leat_gen_seq(s.scope, leat_seq_from_rx(rx), &s.opts, &rx), 0);
		cr_assert_eq(leat_gen_sink(s.scope, rx, (struct leat_sink){ add_up, NULL, &sum },
		                           &(struct leat_gen_opts){ .pool = s.pool }),
		             0);
		cr_expect_eq(leat_scope_stop(s.scope, in_an_hour(), "enough"), 0);
		cr_expect_eq(leat_scope_join(s.scope), 0);
		expect_no_cause(s.scope);
		cr_expect_eq(sum.items, ticks.n, "%s", where_names[where]);
		cr_expect_eq(sum.sum, ticks.n * (ticks.n - (ticks.n > 0)) / 2);
		tear_down(&s, 0);
	}
}

/* Only the source has been stopped: what is behind it has completed. */
Test(stop, stage_behind_a_source_completes)
{
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct setting s = set_up(where, 4);
		struct ticks ticks = { .quick = UINT64_MAX };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen_seq(s.scope, seq_of(&ticks), &s.opts, &rx), 0);
		s.opts.source = false;
		cr_assert_eq(leat_gen_seq(s.scope, leat_seq_from_rx(rx), &s.opts, &rx), 0);
		cr_expect_eq(leat_scope_stop(s.scope, in_an_hour(), "enough"), 0);
		cr_expect_eq(receive_all(rx), ticks.n);
		expect_status(rx, LEAT_COMPLETED, 0, "");
		cr_expect_eq(leat_scope_join(s.scope), 0);
		leat_rx_close(rx);
		tear_down(&s, 0);
	}
}

/* --- tasks --- */

static int wait_for_ever(struct leat_tx *out, void *arg)
{
	int *rc = arg;
	leat_tx_source(out, true);
	*rc = leat_tx_wait(out, -1, 0, LEAT_NEVER);
	return 0;
}

Test(stop, task_can_be_a_source)
{
	struct leat_scope *scope = scope_open();
	int rc = 0;
	cr_assert_eq(leat_gen(scope, wait_for_ever, &rc, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_stop(scope, in_an_hour(), NULL), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(rc, -ESHUTDOWN);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* --- the drain deadline --- */

/* Is no source and hears of nothing but a cancel. */
static int run_until_cancelled_only(struct leat_tx *out, void *arg)
{
	uint64_t n = 0;
	int rc;
	leat_store_rel((uint32_t *)arg, 1u);
	while ((rc = leat_send(out, &n)) == 0)
		n++;
	return rc;
}

Test(stop, deadline_cancels_what_still_runs_and_names_it)
{
	struct leat_scope *scope = scope_open();
	struct leat_gen_opts opts = { .chan.name = "deaf", .chan.overflow = LEAT_DROP_OLDEST };
	uint32_t started = 0;
	struct leat_rx *rx;
	const char *text;
	int code;
	cr_assert_eq(leat_gen(scope, run_until_cancelled_only, &started, 8, &opts, &rx), 0);
	cr_assert(await_word(&started, 1));
	cr_expect_eq(leat_scope_stop(scope, leat_now_ns() + 2 * MS, "enough"), 0);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	cr_expect_eq(leat_scope_cause(scope, &code, &text), LEAT_DEADLINE);
	cr_expect_eq(code, -ETIMEDOUT);
	cr_expect(strstr(text, "deaf") != NULL, "%s", text);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(stop, deadline_that_has_passed_cancels_at_once)
{
	for (int pooled = 0; pooled < 2; pooled++) {
		struct setting s = set_up(pooled ? COMPACT : ON_THREAD, 4);
		struct ticks ticks = { .quick = 0 };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen_seq(s.scope, seq_of(&ticks), &s.opts, &rx), 0);
		cr_expect_eq(leat_scope_stop(s.scope, leat_now_ns(), "enough"), 0);
		cr_expect_eq(leat_scope_cause(s.scope, NULL, NULL), LEAT_DEADLINE);
		cr_expect_eq(leat_scope_join(s.scope), -ETIMEDOUT);
		leat_rx_close(rx);
		tear_down(&s, -ETIMEDOUT);
	}
}

/* Nothing runs any more, so what is in the channel stays there, however late a receiver comes. */
Test(stop, deadline_means_nothing_once_no_generator_is_left)
{
	clock_start();
	for (enum where where = ON_THREAD; where < WHERES; where++) {
		struct setting s = set_up(where, 8);
		struct ticks ticks = { .quick = 3 };
		struct leat_rx *rx;
		uint64_t item;
		cr_assert_eq(leat_gen_seq(s.scope, seq_of(&ticks), &s.opts, &rx), 0);
		cr_assert_eq(leat_recv(rx, &item), 1);
		cr_expect_eq(leat_scope_stop(s.scope, leat_now_ns() + 50 * MS, "enough"), 0);
		cr_expect_eq(leat_scope_join(s.scope), 0);
		clock_advance(60 * MS);
		expect_no_cause(s.scope);
		for (uint64_t n = 1; leat_recv(rx, &item) == 1; n++)
			cr_expect_eq(item, n);
		expect_status(rx, LEAT_STOPPED, 0, "enough");
		leat_rx_close(rx);
		tear_down(&s, 0);
	}
}

Test(stop, second_stop_keeps_the_text_and_may_bring_the_deadline_nearer)
{
	clock_start();
	struct leat_scope *scope = scope_open();
	struct source source = { .says_so_itself = true };
	uint32_t started = 0;
	struct leat_rx *rx, *deaf;
	cr_assert_eq(leat_gen(scope, send_without_end, &source, 8, NULL, &rx), 0);
	cr_assert_eq(leat_gen(scope, run_until_cancelled_only, &started, 8, NULL, &deaf), 0);
	cr_expect_eq(leat_scope_stop(scope, LEAT_NEVER, "first"), 0);
	cr_expect_eq(leat_scope_stop(scope, in_an_hour(), "second"), 0);
	cr_expect_eq(leat_scope_stop(scope, in_an_hour() + HOUR_NS, "third"), 0);
	receive_all(rx);
	expect_status(rx, LEAT_STOPPED, 0, "first");
	expect_no_cause(scope);
	cr_expect_eq(leat_scope_stop(scope, leat_now_ns() + 1 * MS, "fourth"), 0);
	clock_advance(1 * MS - 1);
	expect_no_cause(scope);
	clock_advance(1);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	leat_rx_close(rx);
	leat_rx_close(deaf);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(stop, cancel_beats_it)
{
	struct leat_scope *scope = scope_open();
	struct pipe pipe = pipe_open(NULL);
	leat_tx_source(pipe.tx, true);
	leat_scope_cancel(scope, -EIO, "gone");
	cr_expect_eq(leat_scope_stop(scope, in_an_hour(), NULL), -ECANCELED);
	cr_expect_not(leat_scope_stopping(scope));
	cr_expect_eq(leat_scope_close(scope), -EIO);
	cr_expect_eq(leat_scope_stop(NULL, in_an_hour(), NULL), -EINVAL);
	cr_expect_not(leat_scope_stopping(NULL));
	cr_expect_eq(leat_scope_stop(pipe.scope, in_an_hour(), NULL), 0);
	leat_scope_cancel(pipe.scope, 0, "after all");
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), -ECANCELED);
	pipe_close(&pipe);
}

Test(stop, receivers_that_left_beat_it)
{
	struct pipe pipe = pipe_open(NULL);
	leat_tx_source(pipe.tx, true);
	leat_rx_close(pipe.rx);
	cr_expect_eq(leat_scope_stop(pipe.scope, in_an_hour(), NULL), 0);
	cr_expect_eq(leat_send(pipe.tx, &(uint64_t){ 1 }), -EPIPE);
	leat_tx_close(pipe.tx);
	cr_assert_eq(leat_scope_close(pipe.scope), 0);
}

/* --- the sources of leat/io.h --- */

Test(stop, ticker_is_a_source)
{
	struct leat_scope *scope = scope_open();
	struct leat_tick_opts opts = { .interval_ns = HOUR_NS };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen(scope, leat_tick, &opts, 8, NULL, &rx), 0);
	cr_expect_eq(leat_scope_stop(scope, in_an_hour(), "enough"), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	receive_all(rx);
	expect_status(rx, LEAT_STOPPED, 0, "enough");
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* --- what a source waits for in a step --- */

enum step_wait { FOR_A_DESCRIPTOR, FOR_A_PERMIT, FOR_A_GRANT, FOR_AN_ITEM, STEP_WAITS };

struct step_source {
	enum step_wait what;
	int fd, last;
	int64_t due_ns;
	struct leat_rate *rate;
	struct leat_sem *sem;
	struct leat_seq from;
	uint32_t asked, finis;
};

static int wait_in_a_step(void *state, void *item)
{
	struct step_source *s = state;
	leat_add_acqrel(&s->asked, 1u);
	switch (s->what) {
	case FOR_A_DESCRIPTOR:
		s->last = leat_ready(s->fd, POLLIN, LEAT_NEVER);
		break;
	case FOR_A_PERMIT:
		s->last = leat_sem_after(s->sem, 1);
		break;
	case FOR_A_GRANT:
		s->last = leat_rate_after(s->rate, 1, &s->due_ns);
		break;
	default:
		s->last = s->from.next(s->from.state, item);
	}
	return s->last;
}

static void end_step_source(void *state)
{
	struct step_source *s = state;
	s->from.fini(s->from.state);
	s->finis++;
}

/* The permit and the grant are with the test, the descriptor is silent, the input idle. */
static struct step_source open_step_source(enum step_wait what, int fd, struct leat_rx *in)
{
	struct step_source s = { .what = what, .fd = fd, .from = leat_seq_from_rx(in) };
	s.rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 0.0001 });
	s.sem = leat_sem_open(1);
	cr_assert_eq(leat_rate_try(s.rate, 1), 0);
	cr_assert_eq(leat_sem_try(s.sem, 1), 0);
	return s;
}

/* Neither a permit nor a place in the queue for one is left with the source. */
static void close_step_source(struct step_source *s)
{
	cr_expect_eq(leat_sem_release(s->sem, 1), 0);
	cr_expect_eq(leat_sem_try(s->sem, 1), 0);
	cr_expect_eq(leat_sem_close(s->sem), 0);
	cr_expect_eq(leat_rate_close(s->rate), 0);
}

static void stop_a_waiting_step(enum where where, enum step_wait what)
{
	struct setting s = set_up(where, 4);
	struct pipe pipe = pipe_open(NULL);
	struct step_source source;
	struct leat_rx *rx;
	uint64_t item;
	int fds[2];
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	source = open_step_source(what, fds[0], pipe.rx);
	cr_assert_eq(leat_gen_seq(s.scope,
	                          (struct leat_seq){ wait_in_a_step, end_step_source, &source, 8 },
	                          &s.opts, &rx),
	             0);
	cr_assert(await_word(&source.asked, 1));
	cr_expect_eq(leat_try_recv(rx, &item), -EAGAIN);
	cr_expect_eq(leat_scope_stop(s.scope, in_an_hour(), "enough"), 0);
	cr_expect_eq(leat_scope_join(s.scope), 0);
	cr_expect_eq(source.last, -ESHUTDOWN, "%s, %d: %d", where_names[where], what, source.last);
	cr_expect_eq(source.finis, 1);
	cr_expect_eq(leat_recv(rx, &item), 0);
	expect_status(rx, LEAT_STOPPED, 0, "enough");
	expect_no_cause(s.scope);
	cr_expect_eq(leat_send(pipe.tx, &item), -EPIPE, "its input was closed");
	leat_rx_close(rx);
	pipe.rx = NULL;
	pipe_close(&pipe);
	close(fds[0]);
	close(fds[1]);
	close_step_source(&source);
	tear_down(&s, 0);
}

Test(stop, every_wait_of_a_step_ends)
{
	for (enum where where = ON_THREAD; where < WHERES; where++)
		for (enum step_wait what = 0; what < STEP_WAITS; what++)
			stop_a_waiting_step(where, what);
}

/* --- what else a source waits for --- */

enum wait_for {
	A_TIME,
	A_RATE,
	A_PERMIT,
	A_RATE_WITHOUT_SCOPE,
	A_PERMIT_WITHOUT_SCOPE,
	A_CASE,
	A_DESCRIPTOR,
	A_CASE_OF_A_DESCRIPTOR,
	A_CASE_OF_A_SCOPE,
	WAITS
};

struct waiting {
	enum wait_for what;
	struct leat_scope *scope; /* that it waits in */
	uint32_t tid;
	int rc;
	struct leat_rate *rate;
	struct leat_sem *sem;
	struct leat_rx *rx;
	int fd;
};

static int wait_as_source(struct leat_tx *out, void *arg)
{
	struct waiting *w = arg;
	struct leat_scope *scope = w->scope;
	uint64_t item;
	struct leat_case recv[] = { LEAT_CASE_RECV(w->rx, &item) },
			 poll_fd[] = { LEAT_CASE_FD(w->fd, POLLIN) },
			 cancel[] = { LEAT_CASE_SCOPE(scope) };
	leat_tx_source(out, true);
	leat_store_rel(&w->tid, own_tid());
	switch (w->what) {
	case A_TIME:
		w->rc = leat_scope_sleep(scope, LEAT_NEVER);
		break;
	case A_RATE:
		w->rc = leat_rate_take(w->rate, 1, scope, LEAT_NEVER);
		break;
	case A_PERMIT:
		w->rc = leat_sem_acquire(w->sem, 1, scope, LEAT_NEVER);
		break;
	case A_RATE_WITHOUT_SCOPE:
		w->rc = leat_rate_take(w->rate, 1, NULL, LEAT_NEVER);
		break;
	case A_PERMIT_WITHOUT_SCOPE:
		w->rc = leat_sem_acquire(w->sem, 1, NULL, LEAT_NEVER);
		break;
	case A_CASE:
		w->rc = leat_select(recv, 1, LEAT_NEVER, LEAT_BY_CHANCE);
		break;
	case A_DESCRIPTOR:
		w->rc = leat_ready(w->fd, POLLIN, LEAT_NEVER);
		break;
	case A_CASE_OF_A_DESCRIPTOR:
		w->rc = leat_select(poll_fd, 1, LEAT_NEVER, LEAT_BY_CHANCE);
		break;
	case A_CASE_OF_A_SCOPE:
		w->rc = leat_select(cancel, 1, LEAT_NEVER, LEAT_BY_CHANCE);
		break;
	case WAITS:
		break;
	}
	return 0;
}

struct wait_setting {
	struct pipe pipe; /* of the case that is waited for */
	struct waiting w;
	int fds[2];
};

static void set_up_wait(struct wait_setting *s, enum wait_for what, struct leat_scope *scope)
{
	*s = (struct wait_setting){ .pipe = pipe_open(NULL) };
	s->w = (struct waiting){ .what = what, .scope = scope, .rx = s->pipe.rx };
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, s->fds), 0);
	s->w.fd = s->fds[0];
	s->w.rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 0.0001 });
	s->w.sem = leat_sem_open(1);
	cr_assert_eq(leat_rate_try(s->w.rate, 1), 0);
	cr_assert_eq(leat_sem_try(s->w.sem, 1), 0);
}

static void tear_down_wait(struct wait_setting *s)
{
	leat_sem_release(s->w.sem, 1);
	leat_sem_close(s->w.sem);
	leat_rate_close(s->w.rate);
	close(s->fds[0]);
	close(s->fds[1]);
	pipe_close(&s->pipe);
}

Test(stop, every_wait_of_a_source_ends)
{
	for (enum wait_for what = 0; what < WAITS; what++) {
		struct leat_scope *scope = scope_open();
		struct wait_setting s;
		set_up_wait(&s, what, scope);
		cr_assert_eq(leat_gen(scope, wait_as_source, &s.w, 0, NULL, NULL), 0);
		cr_assert(await_word(&s.w.tid, 1));
		cr_expect_eq(leat_scope_stop(scope, in_an_hour(), "enough"), 0);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(s.w.rc, -ESHUTDOWN, "%d: %d", what, s.w.rc);
		cr_expect_eq(leat_scope_close(scope), 0);
		tear_down_wait(&s);
	}
}

enum whose_scope { OWN, OF_THE_CHANNEL, OF_NEITHER, SCOPES };

/*
 * The source sends into a channel of another scope than its own. A stop of either ends its waits,
 * whichever scope it waits in.
 */
Test(stop, every_wait_of_a_source_ends_with_its_own_scope_and_with_its_channels)
{
	for (enum wait_for what = 0; what < WAITS; what++)
		for (int i = 0; i < 2 * SCOPES; i++) {
			struct pipe out = pipe_open(NULL);
			struct leat_scope *own = scope_open(), *other = scope_open();
			struct leat_scope *in[] = { own, out.scope, other };
			bool stops_own = i < SCOPES;
			bool polls = what == A_DESCRIPTOR || what == A_CASE_OF_A_DESCRIPTOR;
			struct wait_setting s;
			set_up_wait(&s, what, in[i % SCOPES]);
			cr_assert_eq(leat_gen_into(own, wait_as_source, &s.w, out.tx,
			                           &(struct leat_gen_opts){ .source = true }),
			             0);
			out.tx = NULL;
			cr_assert(polls ? await_word(&s.w.tid, 1) : await_parked(&s.w.tid));
			cr_expect_eq(leat_scope_stop(stops_own ? own : out.scope, in_an_hour(),
			                             "enough"),
			             0);
			cr_expect_eq(leat_scope_join(own), 0);
			cr_expect_eq(s.w.rc, -ESHUTDOWN, "%d, %d: %d", what, i, s.w.rc);
			cr_expect_eq(leat_recv(out.rx, &(uint64_t){ 0 }), 0);
			expect_status(out.rx, LEAT_STOPPED, 0, "enough");
			cr_expect_eq(leat_scope_close(own), 0);
			cr_expect_eq(leat_scope_close(other), 0);
			tear_down_wait(&s);
			pipe_close(&out);
		}
}

/* Only its own stop, or that of its channel, ends a source that waits for the cancel of another. */
Test(stop, stop_of_a_scope_that_is_a_case_wakes_nothing)
{
	struct leat_scope *scope = scope_open(), *other = scope_open();
	struct waiting w = { .what = A_CASE_OF_A_SCOPE, .scope = other };
	cr_expect_eq(leat_scope_stop(other, LEAT_NEVER, "other"), 0);
	cr_assert_eq(leat_gen(scope, wait_as_source, &w, 0, NULL, NULL), 0);
	cr_assert(await_parked(&w.tid));
	cr_expect_eq(leat_scope_stop(scope, in_an_hour(), "enough"), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(w.rc, -ESHUTDOWN);
	cr_expect_eq(leat_scope_close(other), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* --- another generator's step on the thread of a source --- */

static int next_at_a_rate(void *state, void *item)
{
	int rc = leat_rate_take(state, 1, NULL, LEAT_NEVER);
	*(uint64_t *)item = 1;
	return rc == 0 ? 1 : rc;
}

struct reading_source {
	struct leat_rx *rx;
	int last;
	uint64_t received;
};

static int receive_after_the_stop(struct leat_tx *out, void *arg)
{
	struct reading_source *source = arg;
	uint64_t item;
	int rc = leat_tx_wait(out, -1, 0, LEAT_NEVER);
	while (source->received < 100 && (source->last = leat_recv(source->rx, &item)) == 1)
		source->received++;
	leat_rx_close(source->rx);
	return rc;
}

/* The receive runs the step, which belongs to a generator of a scope that is not stopped. */
Test(stop, step_that_the_receive_of_a_source_runs_is_not_stopped_with_it)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct leat_scope *scope = scope_open(), *other = scope_open();
	struct leat_rate_opts opts = { .per_second = 1e9, .burst = 1000 };
	struct leat_rate *rate = leat_rate_open(&opts);
	struct leat_seq seq = { next_at_a_rate, NULL, rate, sizeof(uint64_t) };
	struct reading_source source = { 0 };
	cr_assert_eq(leat_gen_seq(other, seq,
	                          &(struct leat_gen_opts){ .pool = pool, .chan.capacity = 1 },
	                          &source.rx),
	             0);
	cr_assert_eq(leat_gen(scope, receive_after_the_stop, &source, 0,
	                      &(struct leat_gen_opts){ .source = true }, NULL),
	             0);
	cr_expect_eq(leat_scope_stop(scope, in_an_hour(), "enough"), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(source.received, 100, "%d", source.last);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_scope_close(other), 0);
	leat_rate_close(rate);
	leat_pool_close(pool);
}
