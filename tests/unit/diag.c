/*
 * tests/unit/diag.c: the diagnostics thread and the figures of its snapshots.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "watcher.h"

TestSuite(diag, .timeout = 600);

/* Names */

Test(diag, names_are_those_of_the_contract)
{
	cr_expect_str_eq(leat_drop_name(LEAT_DROPPED_NEWEST), "newest");
	cr_expect_str_eq(leat_drop_name(LEAT_DROPPED_OLDEST), "oldest");
	cr_expect_str_eq(leat_drop_name(LEAT_DROPPED_CANCELED), "canceled");
	cr_expect_str_eq(leat_drop_name(LEAT_DROPPED_ABANDONED), "abandoned");
	cr_expect_str_eq(leat_cause_name(LEAT_RUNNING), "running");
	cr_expect_str_eq(leat_cause_name(LEAT_COMPLETED), "completed");
	cr_expect_str_eq(leat_cause_name(LEAT_CANCELED), "canceled");
	cr_expect_str_eq(leat_cause_name(LEAT_DEADLINE), "deadline");
	cr_expect_str_eq(leat_cause_name(LEAT_FAILED), "failed");
	cr_expect_str_eq(leat_cause_name(LEAT_ABANDONED), "abandoned");
	cr_expect_not_null(leat_drop_name((enum leat_drop)99));
	cr_expect_not_null(leat_cause_name((enum leat_cause)99));
}

/* Starting and stopping */

Test(diag, starts_with_the_defaults_and_stops)
{
	struct leat_diag *diag = leat_diag_start(NULL);
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	diag = leat_diag_start(&(struct leat_diag_opts){ 0 });
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(leat_diag_stop(NULL), 0);
}

Test(diag, bad_options_are_refused)
{
	cr_expect_null(leat_diag_start(&(struct leat_diag_opts){ .interval_ns = -1 }));
	cr_expect_null(
		leat_diag_start(&(struct leat_diag_opts){ .prometheus_path = "/nowhere/at/all" }));
	cr_expect_null(leat_diag_start(&(struct leat_diag_opts){ .json_path = "/nowhere/at/all" }));
	cr_expect_null(leat_diag_start(&(struct leat_diag_opts){ .json_path = "/" }));
	struct leat_diag_opts opts = { 0 };
	for (size_t i = 0; i < COUNT(opts.reserved); i++) {
		opts.reserved[i] = 1;
		cr_expect_null(leat_diag_start(&opts), "reserved[%zu]", i);
		opts.reserved[i] = 0;
	}
}

Test(diag, stop_does_not_wait_for_the_interval)
{
	struct watcher watcher;
	int64_t began_ns = leat_now_ns();
	struct leat_diag *diag = start(&watcher, "", HOUR_NS);
	stop(diag, &watcher);
	cr_expect_lt(leat_now_ns() - began_ns, 5000 * MS);
	diag = start(&watcher, "", INT64_MAX);
	stop(diag, &watcher);
}

static void stop_from_inside(const struct leat_snapshot *snapshot, void *arg)
{
	struct watcher *watcher = arg;
	(void)snapshot;
	if (leat_load_acq(&watcher->seen) != 0) {
		watcher->stop_answer = leat_diag_stop(watcher->diag);
		leat_store_rel(&watcher->stopped, 1u);
	}
}

Test(diag, stop_from_the_callback_is_a_deadlock)
{
	static struct watcher watcher;
	watcher.diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = MS, .callback = stop_from_inside, .callback_arg = &watcher });
	cr_assert_not_null(watcher.diag);
	leat_store_rel(&watcher.seen, 1u);
	cr_assert(await_word(&watcher.stopped, 1));
	cr_expect_eq(leat_diag_stop(watcher.diag), 0);
	cr_expect_eq(watcher.stop_answer, -EDEADLK);
}

Test(diag, snapshots_come_at_the_interval)
{
	struct watcher watcher;
	int64_t began_ns = leat_now_ns();
	struct leat_diag *diag = start(&watcher, "", 2 * MS);
	cr_assert(await_word(&watcher.snapshots, 5));
	cr_expect_geq(leat_now_ns() - began_ns, 4 * MS, "no faster than asked for");
	stop(diag, &watcher);
}

/* Figures: what a single thread did is told exactly by the last snapshot. */

static struct leat_chan_stat figures_of(struct pipe *pipe, const char *name)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, name, HOUR_NS);
	(void)pipe;
	stop(diag, &watcher);
	cr_assert_eq(watcher.seen, 1, "%u channels of that name", watcher.seen);
	return watcher.chan;
}

Test(diag, tells_what_a_channel_is)
{
	struct leat_chan_opts opts = { .name = "figures", .kind = LEAT_MPMC, .capacity = 7 };
	struct pipe pipe = pipe_open_sized(24, &opts);
	struct leat_tx *clone = leat_tx_clone(pipe.tx);
	struct leat_chan_stat stat = figures_of(&pipe, "figures");
	cr_expect_eq(stat.kind, LEAT_MPMC);
	cr_expect_eq(stat.capacity, 7);
	cr_expect_eq(stat.item_size, 24);
	cr_expect_eq(stat.senders, 2);
	cr_expect_eq(stat.receivers, 1);
	cr_expect_not(stat.ended);
	cr_expect_not(stat.canceled);
	cr_expect_neq(stat.id, 0);
	leat_tx_close(clone);
	leat_scope_cancel(pipe.scope, 0, NULL);
	stat = figures_of(&pipe, "figures");
	cr_expect_eq(stat.senders, 1);
	cr_expect(stat.canceled);
	pipe_close(&pipe);
}

Test(diag, counts_what_was_offered_delivered_and_is_in_flight)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(
			&(struct leat_chan_opts){ .name = "counts", .kind = kind, .capacity = 5 });
		uint64_t got[5];
		for (uint64_t n = 0; n < 12; n++) {
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
			cr_assert_eq(leat_recv(pipe.rx, got), 1);
		}
		cr_assert_eq(leat_send_batch(pipe.tx, got, 3), 3);
		struct leat_chan_stat stat = figures_of(&pipe, "counts");
		cr_expect_eq(stat.offered, 15, "%s: %lu", kind_names[kind],
		             (unsigned long)stat.offered);
		cr_expect_eq(stat.delivered, 12);
		cr_expect_eq(stat.in_flight, 3);
		cr_expect_eq(stat.rejected, 0);
		cr_expect_geq(stat.peak, 3);
		cr_expect_leq(stat.peak, 5);
		pipe_close(&pipe);
	}
}

Test(diag, eagain_counts_nothing_and_other_refusals_are_rejected)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){
			.name = "refusals", .kind = kind, .capacity = 2 });
		uint64_t items[3] = { 0 };
		fill(pipe.tx);
		cr_expect_eq(leat_try_send(pipe.tx, items), -EAGAIN);
		cr_expect_eq(leat_try_send_batch(pipe.tx, items, 3), -EAGAIN);
		struct leat_chan_stat stat = figures_of(&pipe, "refusals");
		cr_expect_eq(stat.offered, 2, "%s", kind_names[kind]);
		cr_expect_eq(stat.rejected, 0);
		cr_expect_eq(stat.peak, 2, "it was full");
		cr_expect_eq(leat_send_until(pipe.tx, items, 0), -ETIMEDOUT);
		cr_expect_eq(leat_send_until(pipe.tx, items, leat_now_ns() + MS), -ETIMEDOUT);
		stat = figures_of(&pipe, "refusals");
		cr_expect_eq(stat.offered, 4);
		cr_expect_eq(stat.rejected, 2);
		leat_rx_close(pipe.rx);
		cr_expect_eq(leat_send(pipe.tx, items), -EPIPE);
		cr_expect_eq(leat_try_send(pipe.tx, items), -EPIPE);
		stat = figures_of(&pipe, "refusals");
		cr_expect_eq(stat.rejected, 4);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_ABANDONED], 2);
		cr_expect_eq(stat.offered, 6);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

Test(diag, a_refused_batch_is_rejected_item_by_item)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "batch" });
	uint64_t items[3] = { 0 };
	leat_scope_cancel(pipe.scope, 0, NULL);
	cr_expect_eq(leat_send_batch(pipe.tx, items, 3), -ECANCELED);
	struct leat_chan_stat stat = figures_of(&pipe, "batch");
	cr_expect_eq(stat.rejected, 3, "%lu: what was given back", (unsigned long)stat.rejected);
	cr_expect_eq(stat.offered, 3);
	pipe_close(&pipe);
}

static struct leat_chan_stat end_of(const struct leat_chan_opts *opts, int way)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, opts->name, HOUR_NS);
	struct pipe pipe = pipe_open(opts);
	for (uint64_t n = 0; n < 5; n++)
		cr_assert_eq(leat_send(pipe.tx, &n), 0);
	cr_assert_eq(leat_recv(pipe.rx, &(uint64_t){ 0 }), 1);
	if (way == 1)
		leat_scope_cancel(pipe.scope, 0, NULL);
	if (way == 2)
		leat_rx_close(pipe.rx);
	if (way == 2)
		pipe.rx = NULL;
	pipe_close(&pipe);
	stop(diag, &watcher);
	cr_expect_eq(watcher.ends, 1, "the end is told once");
	cr_expect_eq(watcher.ended.in_flight, 0);
	cr_expect_eq(watcher.ended.senders, 0);
	cr_expect_eq(watcher.ended.receivers, 0);
	return watcher.ended;
}

Test(diag, drops_have_their_reasons)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = { .name = "drops", .kind = kind, .capacity = 3 };
		struct leat_chan_stat stat;
		opts.overflow = LEAT_DROP_NEWEST;
		stat = end_of(&opts, 2);
		cr_expect_eq(stat.offered, 5);
		cr_expect_eq(stat.delivered, 1);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_NEWEST], 2, "%s", kind_names[kind]);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_ABANDONED], 2);
		opts.overflow = LEAT_DROP_OLDEST;
		stat = end_of(&opts, 1);
		cr_expect_eq(stat.offered, 5);
		cr_expect_eq(stat.delivered, 1);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_OLDEST], 2, "%s", kind_names[kind]);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_CANCELED], 2);
		opts.overflow = LEAT_BLOCK;
		opts.capacity = 5;
		stat = end_of(&opts, 1);
		cr_expect_eq(stat.offered, 5);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_CANCELED], 4);
		cr_expect(stat.canceled);
		cr_expect_geq(stat.peak, 4, "%s: peak %lu", kind_names[kind],
		              (unsigned long)stat.peak);
		stat = end_of(&opts, 2);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_ABANDONED], 4);
		cr_expect_not(stat.canceled);
	}
}

/* Zero copy: what was given back was never offered; what was skipped in the ring is no item. */
Test(diag, reservations_given_back_count_nothing)
{
	for_each_kind(kind) {
		struct pipe pipe = pipe_open_sized(
			64,
			&(struct leat_chan_opts){ .name = "held", .kind = kind, .capacity = 8 });
		struct leat_tx *clone = leat_tx_clone(pipe.tx);
		static char item[64];
		void *room;
		const void *there;
		ssize_t had = leat_reserve(pipe.tx, 4, &room);
		cr_assert_eq(had, 4);
		if (clone != NULL)
			cr_assert_eq(leat_send(clone, item), 0);
		cr_expect_eq(leat_commit(pipe.tx, 1), 0);
		if (clone == NULL)
			cr_assert_eq(leat_send(pipe.tx, item), 0);
		cr_assert_eq(leat_recv(pipe.rx, item), 1);
		cr_assert_eq(leat_recv(pipe.rx, item), 1);
		cr_assert_eq(leat_send(pipe.tx, item), 0);
		cr_assert_eq(leat_peek(pipe.rx, 1, &there), 1);
		cr_assert_eq(leat_release(pipe.rx, 1), 0);
		leat_tx_close(clone);
		struct leat_chan_stat stat = figures_of(&pipe, "held");
		cr_expect_eq(stat.offered, 3, "%s: %lu", kind_names[kind],
		             (unsigned long)stat.offered);
		cr_expect_eq(stat.delivered, 3);
		cr_expect_eq(stat.in_flight, 0);
		pipe_close(&pipe);
	}
}

/* Accepted is what was committed; delivered what was released. */
Test(diag, what_is_held_is_neither_offered_nor_delivered_yet)
{
	for_each_kind(kind) {
		struct leat_chan_opts opts = { .name = "open", .kind = kind, .capacity = 8 };
		struct pipe pipe = pipe_open_sized(64, &opts);
		void *room;
		const void *there;
		cr_assert_eq(leat_reserve(pipe.tx, 4, &room), 4);
		struct leat_chan_stat stat = figures_of(&pipe, "open");
		cr_expect_eq(stat.offered, 0, "%s: %lu offered before the commit", kind_names[kind],
		             (unsigned long)stat.offered);
		cr_expect_eq(leat_commit(pipe.tx, 2), 0);
		cr_assert_eq(leat_peek(pipe.rx, 2, &there), 2);
		stat = figures_of(&pipe, "open");
		cr_expect_eq(stat.offered, 2);
		cr_expect_eq(stat.delivered, 0, "%s: %lu delivered before the release",
		             kind_names[kind], (unsigned long)stat.delivered);
		leat_rx_close(pipe.rx); /* what was peeked at is discarded after all */
		stat = figures_of(&pipe, "open");
		cr_expect_eq(stat.delivered, 0);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_ABANDONED], 2);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

/* Generators */

struct plan {
	uint64_t items;
	int answer;
	uint32_t go, started;
};

static int follow_plan(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	int rc = 0;
	leat_add_acqrel(&plan->started, 1u);
	while (leat_load_acq(&plan->go) == 0)
		sched_yield();
	for (uint64_t n = 0; n < plan->items && rc == 0; n++)
		rc = leat_send(out, &n);
	return plan->answer == 0 ? rc : leat_tx_fail(out, plan->answer, "in words");
}

static void expect_generator(struct plan plan, int way, enum leat_cause cause, int code,
                             const char *text)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, "generator", MS);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .chan = { .name = "generator", .capacity = 8 } };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen(scope, follow_plan, &plan, 8, &opts, &rx), 0);
	cr_assert(await_word(&watcher.running_seen, 1));
	if (way == 1)
		leat_rx_close(rx);
	if (way == 2)
		leat_scope_cancel(scope, 0, "by hand");
	leat_store_rel(&plan.go, 1u);
	leat_scope_join(scope);
	if (way != 1)
		leat_rx_close(rx);
	leat_scope_close(scope);
	stop(diag, &watcher);
	cr_expect_eq(watcher.gen_ends, 1);
	cr_expect_eq(watcher.gen.cause, cause);
	cr_expect_eq(watcher.gen.code, code);
	cr_expect_str_eq(watcher.gen.text, text);
	cr_expect_eq(watcher.gen.chan_id, watcher.ended.id);
	cr_expect_eq(watcher.exits[cause], 1);
	for (int i = LEAT_COMPLETED; i < LEAT_CAUSES; i++)
		cr_expect(i == (int)cause || watcher.exits[i] == 0);
}

Test(diag, tells_that_a_generator_completed)
{
	expect_generator((struct plan){ .items = 3 }, 0, LEAT_COMPLETED, 0, "");
}

Test(diag, tells_that_a_generator_was_abandoned)
{
	expect_generator((struct plan){ .items = 3 }, 1, LEAT_ABANDONED, 0, "");
}

Test(diag, tells_that_a_generator_was_cancelled)
{
	expect_generator((struct plan){ .items = 3 }, 2, LEAT_CANCELED, 0, "by hand");
}

Test(diag, tells_that_a_generator_failed)
{
	expect_generator((struct plan){ .items = 3, .answer = -EIO }, 0, LEAT_FAILED, -EIO,
	                 "in words");
}

Test(diag, a_task_has_no_channel)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, "task", HOUR_NS);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct plan plan = { .go = 1 };
	struct leat_gen_opts opts = { .chan.name = "task" };
	cr_assert_eq(leat_gen(scope, follow_plan, &plan, 0, &opts, NULL), 0);
	leat_scope_close(scope);
	stop(diag, &watcher);
	cr_expect_eq(watcher.gen_ends, 1);
	cr_expect_eq(watcher.gen.chan_id, 0);
	cr_expect_eq(watcher.seen, 0, "no channel of that name");
}

Test(diag, later_causes_are_counted)
{
	struct watcher watcher;
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	for (int i = 0; i < 4; i++)
		leat_scope_cancel(scope, -EIO, "again");
	leat_scope_close(scope);
	struct leat_diag *diag = start(&watcher, "", HOUR_NS);
	stop(diag, &watcher);
	cr_expect_eq(watcher.causes_later, 3);
}

/* While it runs */

static int forward(struct leat_tx *out, void *arg)
{
	int rc = 0;
	leat_for(uint64_t, n, arg)
		if ((rc = leat_send(out, &n)) != 0)
			break;
	leat_rx_close(arg);
	return rc;
}

Test(diag, books_balance_while_a_pipeline_runs)
{
	for_each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
			struct watcher watcher;
			struct leat_diag *diag = start(&watcher, "pipeline", 50000);
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct plan plan = { .items = MANY_TIMES(60000), .go = 1 };
			struct leat_gen_opts opts = { .chan = { .name = "pipeline",
				                                .kind = kind,
				                                .capacity = 3,
				                                .overflow = overflow } };
			struct leat_rx *rx;
			uint64_t received = 0;
			cr_assert_eq(leat_gen(scope, follow_plan, &plan, 8, &opts, &rx), 0);
			opts.chan.name = "second";
			opts.chan.overflow = LEAT_BLOCK;
			cr_assert_eq(leat_gen(scope, forward, rx, 8, &opts, &rx), 0);
			leat_for(uint64_t, n, rx)
				received++;
			leat_rx_close(rx);
			cr_expect_eq(leat_scope_close(scope), 0);
			stop(diag, &watcher);
			cr_expect_eq(watcher.ends, 1);
			cr_expect_eq(watcher.ended.offered, MANY_TIMES(60000));
			cr_expect_eq(watcher.ended.delivered, received, "%s, overflow %d",
			             kind_names[kind], overflow);
		}
	}
}

/* Sums since the open: a reader of rates must not see one fall. */
Test(diag, figures_only_grow)
{
	for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST; overflow++) {
		struct watcher watcher;
		struct leat_diag *diag = start(&watcher, "grows", 20000);
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct plan plan = { .items = MANY_TIMES(200000), .go = 1 };
		struct leat_gen_opts opts = { .chan = { .name = "grows",
			                                .kind = LEAT_MPMC,
			                                .capacity = 3,
			                                .overflow = overflow } };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen(scope, follow_plan, &plan, 8, &opts, &rx), 0);
		leat_for(uint64_t, n, rx)
			;
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
		stop(diag, &watcher);
		cr_expect_eq(watcher.offered_back, 0, "overflow %d: offered fell %d times",
		             overflow, watcher.offered_back);
		cr_expect_eq(watcher.delivered_back, 0, "overflow %d: delivered fell %d times",
		             overflow, watcher.delivered_back);
		cr_expect_eq(watcher.blocked_back, 0, "overflow %d: blocked time fell %d times",
		             overflow, watcher.blocked_back);
	}
}

static void *peek_all(void *rx)
{
	const void *there;
	ssize_t got;
	while ((got = leat_peek(rx, 4, &there)) > 0)
		leat_release(rx, (size_t)got);
	leat_rx_close(rx);
	return NULL;
}

/*
 * Young channels, whose figures are smaller than what their handles hold: a torn look goes below
 * zero.
 */
Test(diag, a_look_between_a_peek_and_its_note_is_never_torn)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, "young", 1);
	struct leat_chan_opts opts = { .name = "young",
		                       .kind = LEAT_MPMC,
		                       .capacity = 64,
		                       .send_wait = LEAT_WAIT_SPIN,
		                       .recv_wait = LEAT_WAIT_SPIN };
	int64_t end_ns = leat_now_ns() + 1500 * MS;
	while (leat_now_ns() < end_ns) {
		struct pipe pipe = pipe_open_sized(64, &opts);
		pthread_t thread;
		cr_assert_eq(pthread_create(&thread, NULL, peek_all, pipe.rx), 0);
		for (int i = 0; i < 16; i++) {
			void *room;
			ssize_t n = leat_reserve(pipe.tx, 4, &room);
			leat_commit(pipe.tx, (size_t)n);
		}
		leat_tx_close(pipe.tx);
		pthread_join(thread, NULL);
		cr_assert_eq(leat_scope_close(pipe.scope), 0);
	}
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(watcher.imbalances, 0, "%d looks were torn", watcher.imbalances);
}

Test(diag, channels_come_and_go_under_a_busy_watcher)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, "fleeting", 1);
	for (int i = 0; i < 60; i++) {
		struct pipe pipe = pipe_open(
			&(struct leat_chan_opts){ .name = "fleeting", .kind = LEAT_MPMC });
		struct leat_tx *clone = leat_tx_clone(pipe.tx);
		leat_send(clone, &(uint64_t){ 0 });
		leat_tx_close(clone);
		pipe_close(&pipe);
	}
	stop(diag, &watcher);
	cr_expect_eq(watcher.ends, 60);
}

Test(diag, blocked_time_grows_while_a_thread_is_parked)
{
	for (int sends = 0; sends < 2; sends++) {
		struct watcher watcher;
		struct leat_diag *diag = start(&watcher, "parked", MS);
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .name = "parked", .capacity = 2 });
		struct caller caller = { .op = sends ? OP_SEND : OP_RECV,
			                 .tx = pipe.tx,
			                 .rx = pipe.rx };
		if (sends)
			fill(pipe.tx);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		cr_assert(await_word(&watcher.blocked_enough, 1), "waits under way are included");
		leat_scope_cancel(pipe.scope, 0, NULL);
		caller_join(&caller);
		pipe_close(&pipe);
		stop(diag, &watcher);
		uint64_t blocked_ns =
			sends ? watcher.ended.send_blocked_ns : watcher.ended.recv_blocked_ns;
		cr_expect_gt(blocked_ns, (uint64_t)(5 * MS));
		cr_expect_eq(sends ? watcher.ended.recv_blocked_ns : watcher.ended.send_blocked_ns,
		             0);
		cr_expect_geq(sends ? watcher.ended.send_parks : watcher.ended.recv_parks, 1);
		if (sends)
			cr_expect_eq(watcher.ended.peak, 2, "it was full");
	}
}

/*
 * One item at a time: however fast they come and go, a snapshot tells of one in flight at the most.
 */
static void one_at_a_time(enum leat_kind kind, size_t capacity)
{
	struct pipe pipe = pipe_open(
		&(struct leat_chan_opts){ .name = "one", .kind = kind, .capacity = capacity });
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, "one", 1000);
	int64_t until_ns = leat_now_ns() + 100 * MS;
	uint64_t rounds = 0, got;
	for (; rounds % 1000 != 0 || leat_now_ns() < until_ns; rounds++) {
		cr_assert_eq(leat_send(pipe.tx, &rounds), 0);
		cr_assert_eq(leat_recv(pipe.rx, &got), 1);
	}
	pipe_close(&pipe);
	stop(diag, &watcher);
	cr_expect_eq(watcher.ended.offered, rounds);
	cr_expect(watcher.ended.peak <= 1, "%s of %zu: a peak of %lu", kind_names[kind], capacity,
	          (unsigned long)watcher.ended.peak);
}

Test(diag, one_item_at_a_time_is_never_told_as_more)
{
	for_each_kind(kind) {
		one_at_a_time(kind, 16);
		one_at_a_time(kind, 1000);
	}
}
