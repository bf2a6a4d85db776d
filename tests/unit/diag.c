/*
 * tests/unit/diag.c: the diagnostics thread, its snapshots and its files.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/diag.h>

#include <fcntl.h>
#include <sys/stat.h>

TestSuite(diag, .init = census_take, .fini = census_check, .timeout = 120);

/* What a callback saw. Its own thread writes it; a test reads it after the stop, but for the words with an await. */
struct watcher {
	uint32_t snapshots;
	int imbalances, disorders, doubles;
	int offered_back, delivered_back, blocked_back;
	int64_t last_ns;
	uint64_t told_chans[64], told_gens[64]; /* ids whose end was told */
	size_t told_chans_count, told_gens_count;
	char name[64];                  /* the channel that is looked at; "" any */
	struct leat_chan_stat chan;     /* as last seen */
	struct leat_chan_stat ended;    /* at its end */
	uint32_t seen, ends;
	uint32_t running_seen;          /* generators by that name that ran */
	struct leat_gen_stat gen;       /* its end */
	uint32_t gen_ends;
	uint64_t exits[LEAT_ABANDONED + 1], causes_later, untold;
	uint64_t most_blocked_ns[2];    /* receivers, senders */
	uint32_t blocked_enough;
	struct leat_diag *diag;
	int stop_answer;
	uint32_t stopped;
};

static bool told_before(uint64_t *ids, size_t *count, uint64_t id)
{
	for (size_t i = 0; i < *count; i++)
		if (ids[i] == id)
			return true;
	if (*count < 64)
		ids[(*count)++] = id;
	return false;
}

static bool balances(const struct leat_chan_stat *chan)
{
	uint64_t dropped = 0;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		dropped += chan->dropped[reason];
	return chan->offered == chan->delivered + dropped + chan->rejected + chan->in_flight &&
	       chan->in_flight <= chan->capacity && chan->peak <= chan->capacity && chan->delivered <= chan->offered &&
	       chan->offered < UINT64_C(1) << 40;
}

static void watch_growth(struct watcher *watcher, const struct leat_chan_stat *before, const struct leat_chan_stat *now)
{
	watcher->offered_back += now->offered < before->offered || now->peak < before->peak;
	watcher->delivered_back += now->delivered < before->delivered;
	watcher->blocked_back += now->send_blocked_ns < before->send_blocked_ns ||
				 now->recv_blocked_ns < before->recv_blocked_ns;
}

static void watch_channel(struct watcher *watcher, const struct leat_chan_stat *chan)
{
	watcher->imbalances += !balances(chan);
	for (size_t i = 0; i < watcher->told_chans_count; i++)
		watcher->doubles += watcher->told_chans[i] == chan->id;
	if (chan->ended)
		watcher->doubles += told_before(watcher->told_chans, &watcher->told_chans_count, chan->id);
	if (strcmp(chan->name, watcher->name) != 0)
		return;
	if (watcher->chan.id == chan->id)
		watch_growth(watcher, &watcher->chan, chan);
	watcher->chan = *chan;
	if (chan->ended) {
		watcher->ended = *chan;
		watcher->ends++;
	}
	if (chan->recv_blocked_ns > (uint64_t)(5 * MS) || chan->send_blocked_ns > (uint64_t)(5 * MS))
		leat_store_rel(&watcher->blocked_enough, 1u);
	leat_add_acqrel(&watcher->seen, 1u);
}

static void watch_generator(struct watcher *watcher, const struct leat_gen_stat *gen)
{
	for (size_t i = 0; i < watcher->told_gens_count; i++)
		watcher->doubles += watcher->told_gens[i] == gen->id;
	if (gen->cause != LEAT_RUNNING)
		watcher->doubles += told_before(watcher->told_gens, &watcher->told_gens_count, gen->id);
	if (strcmp(gen->name, watcher->name) != 0)
		return;
	if (gen->cause == LEAT_RUNNING) {
		leat_add_acqrel(&watcher->running_seen, 1u);
	} else {
		watcher->gen = *gen;
		watcher->gen_ends++;
	}
}

static void watch(const struct leat_snapshot *snapshot, void *arg)
{
	struct watcher *watcher = arg;
	watcher->disorders += snapshot->time_ns < watcher->last_ns;
	watcher->last_ns = snapshot->time_ns;
	for (size_t i = 0; i < snapshot->channels_count; i++)
		watch_channel(watcher, &snapshot->channels[i]);
	for (size_t i = 0; i < snapshot->generators_count; i++)
		watch_generator(watcher, &snapshot->generators[i]);
	memcpy(watcher->exits, snapshot->exits, sizeof(watcher->exits));
	watcher->causes_later = snapshot->causes_later;
	watcher->untold = snapshot->untold;
	leat_add_acqrel(&watcher->snapshots, 1u);
}

static struct leat_diag *start(struct watcher *watcher, const char *name, int64_t interval_ns)
{
	memset(watcher, 0, sizeof(*watcher));
	snprintf(watcher->name, sizeof(watcher->name), "%s", name);
	struct leat_diag *diag = leat_diag_start(
		&(struct leat_diag_opts){ .interval_ns = interval_ns, .callback = watch, .callback_arg = watcher });
	cr_assert_not_null(diag);
	return diag;
}

static void stop(struct leat_diag *diag, const struct watcher *watcher)
{
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_gt(watcher->snapshots, 0);
	cr_expect_eq(watcher->imbalances, 0, "%d books do not balance", watcher->imbalances);
	cr_expect_eq(watcher->disorders, 0, "time went back");
	cr_expect_eq(watcher->doubles, 0, "%d ends were told twice", watcher->doubles);
	cr_expect_eq(watcher->untold, 0);
}

#define HOUR_NS (INT64_C(3600000) * MS)

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
	cr_expect_null(leat_diag_start(&(struct leat_diag_opts){ .prometheus_path = "/nowhere/at/all" }));
	cr_expect_null(leat_diag_start(&(struct leat_diag_opts){ .json_path = "/nowhere/at/all" }));
	cr_expect_null(leat_diag_start(&(struct leat_diag_opts){ .json_path = "/" }));
	for (int i = 0; i < 8; i++) {
		struct leat_diag_opts opts = { 0 };
		opts.reserved[i] = 1;
		cr_expect_null(leat_diag_start(&opts), "reserved[%d]", i);
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
	for each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "counts", .kind = kind, .capacity = 5 });
		uint64_t got[5];
		for (uint64_t n = 0; n < 12; n++) {
			cr_assert_eq(leat_send(pipe.tx, &n), 0);
			cr_assert_eq(leat_recv(pipe.rx, got), 1);
		}
		cr_assert_eq(leat_send_batch(pipe.tx, got, 3), 3);
		struct leat_chan_stat stat = figures_of(&pipe, "counts");
		cr_expect_eq(stat.offered, 15, "%s: %lu", kind_names[kind], (unsigned long)stat.offered);
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
	for each_kind(kind) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "refusals", .kind = kind, .capacity = 2 });
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
	for each_kind(kind) {
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
		cr_expect_geq(stat.peak, 4, "%s: peak %lu", kind_names[kind], (unsigned long)stat.peak);
		stat = end_of(&opts, 2);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_ABANDONED], 4);
		cr_expect_not(stat.canceled);
	}
}

/* Zero copy: what was given back was never offered; what was skipped in the ring is no item. */
Test(diag, reservations_given_back_count_nothing)
{
	for each_kind(kind) {
		struct pipe pipe = pipe_open_sized(64, &(struct leat_chan_opts){ .name = "held", .kind = kind, .capacity = 8 });
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
		cr_expect_eq(stat.offered, 3, "%s: %lu", kind_names[kind], (unsigned long)stat.offered);
		cr_expect_eq(stat.delivered, 3);
		cr_expect_eq(stat.in_flight, 0);
		pipe_close(&pipe);
	}
}

/* Accepted is what was committed; delivered what was released. */
Test(diag, what_is_held_is_neither_offered_nor_delivered_yet)
{
	for each_kind(kind) {
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
		cr_expect_eq(stat.delivered, 0, "%s: %lu delivered before the release", kind_names[kind],
			     (unsigned long)stat.delivered);
		leat_rx_close(pipe.rx); /* what was peeked at is discarded after all */
		stat = figures_of(&pipe, "open");
		cr_expect_eq(stat.delivered, 0);
		cr_expect_eq(stat.dropped[LEAT_DROPPED_ABANDONED], 2);
		pipe.rx = NULL;
		pipe_close(&pipe);
	}
}

/* Ends */

Test(diag, an_end_is_told_once_with_the_last_figures)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, "brief", MS);
	for (int i = 0; i < 20; i++) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "brief", .capacity = 4 });
		for (uint64_t n = 0; n < 3; n++)
			leat_send(pipe.tx, &n);
		leat_recv(pipe.rx, &(uint64_t){ 0 });
		pipe_close(&pipe);
		cr_assert(await_word(&watcher.snapshots, (uint32_t)i));
	}
	stop(diag, &watcher);
	cr_expect_eq(watcher.ends, 20);
	cr_expect_eq(watcher.ended.offered, 3);
	cr_expect_eq(watcher.ended.delivered, 1);
	cr_expect_eq(watcher.ended.dropped[LEAT_DROPPED_ABANDONED], 2);
}

Test(diag, each_of_two_is_told_of_every_end)
{
	struct watcher first, second;
	struct leat_diag *one = start(&first, "shared", MS), *other = start(&second, "shared", 3 * MS);
	for (int i = 0; i < 30; i++) {
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "shared" });
		leat_send(pipe.tx, &(uint64_t){ 0 });
		pipe_close(&pipe);
	}
	stop(one, &first);
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "shared" });
	pipe_close(&pipe);
	stop(other, &second);
	cr_expect_eq(first.ends, 30);
	cr_expect_eq(second.ends, 31);
}

Test(diag, one_that_starts_later_is_not_told_of_earlier_ends)
{
	struct watcher watcher;
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "earlier" });
	pipe_close(&pipe);
	struct leat_diag *diag = start(&watcher, "earlier", HOUR_NS);
	stop(diag, &watcher);
	cr_expect_eq(watcher.seen, 0);
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

static void expect_generator(struct plan plan, int way, enum leat_cause cause, int code, const char *text)
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
	for (int i = LEAT_COMPLETED; i <= LEAT_ABANDONED; i++)
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
	expect_generator((struct plan){ .items = 3, .answer = -EIO }, 0, LEAT_FAILED, -EIO, "in words");
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
	for each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST; overflow++) {
			struct watcher watcher;
			struct leat_diag *diag = start(&watcher, "pipeline", 50000);
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct plan plan = { .items = 60000, .go = 1 };
			struct leat_gen_opts opts = { .chan = { .name = "pipeline", .kind = kind, .capacity = 3,
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
			cr_expect_eq(watcher.ended.offered, 60000);
			cr_expect_eq(watcher.ended.delivered, received, "%s, overflow %d", kind_names[kind], overflow);
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
		struct plan plan = { .items = 200000, .go = 1 };
		struct leat_gen_opts opts = { .chan = { .name = "grows", .kind = LEAT_MPMC, .capacity = 3,
							.overflow = overflow } };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen(scope, follow_plan, &plan, 8, &opts, &rx), 0);
		leat_for(uint64_t, n, rx)
			;
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
		stop(diag, &watcher);
		cr_expect_eq(watcher.offered_back, 0, "overflow %d: offered fell %d times", overflow, watcher.offered_back);
		cr_expect_eq(watcher.delivered_back, 0, "overflow %d: delivered fell %d times", overflow,
			     watcher.delivered_back);
		cr_expect_eq(watcher.blocked_back, 0, "overflow %d: blocked time fell %d times", overflow,
			     watcher.blocked_back);
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

/* Young channels, whose figures are smaller than what their handles hold: a torn look goes below zero. */
Test(diag, a_look_between_a_peek_and_its_note_is_never_torn)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, "young", 1);
	struct leat_chan_opts opts = { .name = "young", .kind = LEAT_MPMC, .capacity = 64,
				       .send_wait = LEAT_WAIT_SPIN, .recv_wait = LEAT_WAIT_SPIN };
	int64_t end_ns = leat_now_ns() + 4000 * MS;
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
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "fleeting", .kind = LEAT_MPMC });
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
		struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "parked", .capacity = 2 });
		struct caller caller = { .op = sends ? OP_SEND : OP_RECV, .tx = pipe.tx, .rx = pipe.rx };
		if (sends)
			fill(pipe.tx);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		cr_assert(await_word(&watcher.blocked_enough, 1), "waits under way are included");
		leat_scope_cancel(pipe.scope, 0, NULL);
		caller_join(&caller);
		pipe_close(&pipe);
		stop(diag, &watcher);
		uint64_t blocked_ns = sends ? watcher.ended.send_blocked_ns : watcher.ended.recv_blocked_ns;
		cr_expect_gt(blocked_ns, (uint64_t)(5 * MS));
		cr_expect_eq(sends ? watcher.ended.recv_blocked_ns : watcher.ended.send_blocked_ns, 0);
		cr_expect_geq(sends ? watcher.ended.send_parks : watcher.ended.recv_parks, 1);
		if (sends)
			cr_expect_eq(watcher.ended.peak, 2, "it was full");
	}
}

/* Files */

static char directory[64];

static const char *path_of(char *path, size_t size, const char *name)
{
	if (directory[0] == '\0') {
		snprintf(directory, sizeof(directory), "/tmp/leat-diag-XXXXXX");
		cr_assert_not_null(mkdtemp(directory));
	}
	snprintf(path, size, "%s/%s", directory, name);
	return path;
}

static char *read_whole(const char *path)
{
	FILE *file = fopen(path, "re");
	static char text[1 << 20];
	if (file == NULL)
		return NULL;
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void clean_up(void)
{
	DIR *dir = opendir(directory);
	char path[512];
	for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		unlink(path);
	}
	closedir(dir);
	rmdir(directory);
}

/* name{label="value",...} number, with quotes and backslashes escaped */
static bool is_prometheus_line(const char *line)
{
	if (line[0] == '#')
		return strncmp(line, "# HELP leat_", 12) == 0 || strncmp(line, "# TYPE leat_", 12) == 0;
	size_t at = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
	if (at == 0 || strncmp(line, "leat_", 5) != 0)
		return false;
	if (line[at] == '{') {
		do {
			at++;
			size_t label = strspn(line + at, "abcdefghijklmnopqrstuvwxyz_");
			at += label;
			if (label == 0 || line[at] != '=' || line[at + 1] != '"')
				return false;
			for (at += 2; line[at] != '"'; at++) {
				if (line[at] == '\0')
					return false;
				if (line[at] == '\\' && strchr("\\\"n", line[++at]) == NULL)
					return false;
			}
			at++;
		} while (line[at] == ',');
		if (line[at++] != '}')
			return false;
	}
	char *end;
	if (line[at++] != ' ')
		return false;
	strtod(line + at, &end);
	return end != line + at && *end == '\0';
}

static int bad_prometheus_lines(char *text)
{
	int bad = 0;
	size_t length = strlen(text);
	if (length == 0 || text[length - 1] != '\n')
		return 1;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		bad += !is_prometheus_line(line);
	return bad;
}

Test(diag, prometheus_file_is_valid_text)
{
	char path[128];
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "a \"quoted\" \\ name\nof two lines", .capacity = 3 });
	leat_send(pipe.tx, &(uint64_t){ 0 });
	struct leat_diag *diag = leat_diag_start(
		&(struct leat_diag_opts){ .prometheus_path = path_of(path, sizeof(path), "valid.prom"), .interval_ns = MS });
	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	char *text = read_whole(path);
	cr_assert_not_null(text);
	cr_expect_not_null(strstr(text, "a \\\"quoted\\\" \\\\ name\\nof two lines"));
	cr_expect_not_null(strstr(text, "reason=\"oldest\""));
	cr_expect_eq(bad_prometheus_lines(text), 0);
	cr_expect_eq(entries(directory), 1, "nothing else is left beside it");
	pipe_close(&pipe);
	clean_up();
}

/* Whoever opens it finds a whole file at any moment, however often it is replaced. */
Test(diag, prometheus_file_is_replaced_whole)
{
	char path[128];
	struct leat_diag_opts opts = { .prometheus_path = path_of(path, sizeof(path), "whole.prom"), .interval_ns = 10000 };
	struct leat_diag *diag = leat_diag_start(&opts);
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "whole" });
	struct stat before, after;
	cr_assert_not_null(diag);
	int first = open(path, O_RDONLY | O_CLOEXEC); /* held open, so that its number is not used again */
	cr_assert_eq(fstat(first, &before), 0, "there from the start");
	for (int i = 0; i < 300; i++) {
		char *text = read_whole(path);
		cr_assert_not_null(text);
		cr_assert_eq(bad_prometheus_lines(text), 0, "look %d", i);
	}
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(stat(path, &after), 0);
	cr_expect_neq(before.st_ino, after.st_ino, "replaced, not written over");
	close(first);
	pipe_close(&pipe);
	clean_up();
}

/* One JSON value; answers where it ends, or NULL. */
static const char *json_value(const char *p);

static const char *json_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p == '\\') {
			p++;
			if (*p == 'u' && strspn(p + 1, "0123456789abcdefABCDEF") >= 4)
				p += 4;
			else if (*p == '\0' || strchr("\"\\/bfnrt", *p) == NULL)
				return NULL;
		}
	}
	return p + 1;
}

static const char *json_list(const char *p, char end, bool keys)
{
	if (*++p == end)
		return p + 1;
	for (;; p++) {
		if (keys && ((p = json_string(p)) == NULL || *p++ != ':'))
			return NULL;
		if ((p = json_value(p)) == NULL)
			return NULL;
		if (*p == end)
			return p + 1;
		if (*p != ',')
			return NULL;
	}
}

static const char *json_value(const char *p)
{
	char *end;
	if (*p == '{')
		return json_list(p, '}', true);
	if (*p == '[')
		return json_list(p, ']', false);
	if (*p == '"')
		return json_string(p);
	if (strncmp(p, "true", 4) == 0 || strncmp(p, "null", 4) == 0)
		return p + 4;
	if (strncmp(p, "false", 5) == 0)
		return p + 5;
	strtod(p, &end);
	return end == p ? NULL : end;
}

Test(diag, json_lines_are_objects)
{
	char path[128];
	struct leat_diag_opts opts = { .json_path = path_of(path, sizeof(path), "lines.json"), .interval_ns = MS };
	struct watcher watcher = { 0 };
	opts.callback = watch;
	opts.callback_arg = &watcher;
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "a \"name\" \\ \n \t \x01 \xff \xc3\xa9" });
	for (int round = 0; round < 2; round++) { /* the second appends */
		struct leat_diag *diag = leat_diag_start(&opts);
		cr_assert_not_null(diag);
		cr_assert(await_word(&watcher.snapshots, leat_load_acq(&watcher.snapshots) + 3));
		cr_expect_eq(leat_diag_stop(diag), 0);
	}
	pipe_close(&pipe);
	char *text = read_whole(path);
	uint32_t lines = 0;
	cr_assert_not_null(text);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
		const char *end = json_value(line);
		cr_expect_eq(line[0], '{');
		cr_expect(end != NULL && *end == '\0', "no JSON: %s", line);
		cr_expect_not_null(strstr(line, "\"in_flight\":"));
	}
	cr_expect_eq(lines, watcher.snapshots, "a line for each snapshot");
	clean_up();
}

Test(diag, an_exporters_error_is_told_by_stop)
{
	char path[128], gone[256];
	struct leat_diag_opts opts = { .prometheus_path = path_of(path, sizeof(path), "gone.prom"), .interval_ns = HOUR_NS };
	struct leat_diag *diag = leat_diag_start(&opts);
	cr_assert_not_null(diag);
	snprintf(gone, sizeof(gone), "%s-moved", directory);
	cr_assert_eq(rename(directory, gone), 0);
	cr_expect_eq(leat_diag_stop(diag), -ENOENT);
	snprintf(directory, sizeof(directory), "%.60s", gone);
	clean_up();
}
