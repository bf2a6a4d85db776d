/*
 * tests/unit/diag_ends.c: what a snapshot says of what ended since the one before, also of very
 * much.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "nodes.h"
#include "watcher.h"

#include "runtime/chan/chan.h"

TestSuite(diag_ends, .timeout = 600);

Test(diag_ends, an_end_is_told_once_with_the_last_figures)
{
	struct watcher watcher;
	struct leat_diag *diag = start(&watcher, "brief", MS);
	for (int i = 0; i < 20; i++) {
		struct pipe pipe =
			pipe_open(&(struct leat_chan_opts){ .name = "brief", .capacity = 4 });
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

Test(diag_ends, each_of_two_is_told_of_every_end)
{
	struct watcher first, second;
	struct leat_diag *one = start(&first, "shared", MS),
			 *other = start(&second, "shared", 3 * MS);
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

Test(diag_ends, one_that_starts_later_is_not_told_of_earlier_ends)
{
	struct watcher watcher;
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .name = "earlier" });
	pipe_close(&pipe);
	struct leat_diag *diag = start(&watcher, "earlier", HOUR_NS);
	stop(diag, &watcher);
	cr_expect_eq(watcher.seen, 0);
}

/* Very many */

static int64_t cpu_ns(void)
{
	struct timespec used;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (int64_t)used.tv_sec * 1000 * MS + used.tv_nsec;
}

struct crowd {
	size_t running, ended, others;
};

static void count_crowd(const struct leat_snapshot *snapshot, void *arg)
{
	struct crowd *crowd = arg;
	for (size_t i = 0; i < snapshot->generators_count; i++) {
		crowd->running += snapshot->generators[i].cause == LEAT_RUNNING;
		crowd->ended += snapshot->generators[i].cause == LEAT_COMPLETED;
		crowd->others +=
			snapshot->generators[i].code != -(int)snapshot->generators[i].cause;
	}
}

/* It ends; its code is its cause, negative. */
static void complete(struct leat_gen_node *node)
{
	struct leat_end *end = node->end;
	end->kind = LEAT_NODE_GEN;
	end->gen = node->stat;
	end->gen.id = node->node.id;
	end->gen.cause = LEAT_COMPLETED;
	end->gen.code = -LEAT_COMPLETED;
	leat_registry_remove(&node->node, end);
}

/* A search through all that run for each that ended takes a hundred times as long. */
Test(diag_ends, a_crowd_that_ends_within_one_interval_is_told_in_no_time)
{
	enum { CROWD = 60000 };
	static struct leat_gen_node *running[CROWD];
	struct crowd crowd = { 0 };
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = HOUR_NS, .callback = count_crowd, .callback_arg = &crowd });
	cr_assert_not_null(diag);
	for (int i = 0; i < CROWD; i++) {
		running[i] = node_add();
		complete(node_add());
	}
	int64_t before_ns = cpu_ns();
	cr_expect_eq(leat_diag_stop(diag), 0); /* takes the last snapshot */
	int64_t took_ns = cpu_ns() - before_ns;
	cr_expect_eq(crowd.running, CROWD);
	cr_expect_eq(crowd.ended, CROWD);
	cr_expect_eq(crowd.others, 0);
	cr_expect_lt(took_ns, 2500 * MS, "%lld ms", (long long)(took_ns / MS));
	for (int i = 0; i < CROWD; i++)
		complete(running[i]);
}

#ifndef LEAT_TSAN /* where a lock stands in for RCU, and nothing can end during a look */

enum { CHANNELS = 12 };

/* What a watcher saw of the channels by their names, "a", "b", ...: while open, and at the end. */
struct sightings {
	uint32_t open[CHANNELS], ended[CHANNELS];
	uint32_t doubles; /* in one snapshot */
	uint32_t snapshots;
};

static void sight(const struct leat_snapshot *snapshot, void *arg)
{
	struct sightings *sightings = arg;
	uint32_t here[CHANNELS] = { 0 };
	for (size_t i = 0; i < snapshot->channels_count; i++) {
		int which = snapshot->channels[i].name[0] - 'a';
		sightings->doubles += here[which]++ > 0;
		sightings->open[which] += !snapshot->channels[i].ended;
		sightings->ended[which] += snapshot->channels[i].ended;
	}
	leat_add_acqrel(&sightings->snapshots, 1u);
}

/* Whether a look has seen the one item that is in flight. */
static bool await_look(struct leat_chan *chan)
{
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	for (bool seen = false; !seen; sched_yield()) {
		leat_mutex_lock(&chan->lock);
		seen = chan->last_stat.in_flight == 1;
		leat_mutex_unlock(&chan->lock);
		if (leat_now_ns() > patience_ns)
			return false;
	}
	return true;
}

/*
 * A look goes from the youngest to the oldest. It is held up at the oldest; then all that it has
 * seen are closed.
 */
Test(diag_ends, what_ends_behind_a_look_is_told_once_and_as_ended)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct sightings sightings = { 0 };
	struct leat_tx *tx[CHANNELS];
	struct leat_rx *rx[CHANNELS];
	for (int i = 0; i < CHANNELS; i++) {
		char name[] = { (char)('a' + i), '\0' };
		cr_assert_eq(leat_chan_open(scope, 8, &(struct leat_chan_opts){ .name = name },
		                            &tx[i], &rx[i]),
		             0);
		leat_send(tx[i], &(uint64_t){ 0 });
	}
	struct leat_chan *oldest = tx[0]->chan;
	leat_mutex_lock(&oldest->lock);
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 1, .callback = sight, .callback_arg = &sightings });
	cr_assert_not_null(diag);
	bool looked = await_look(tx[1]->chan);
	bool early = leat_load_acq(&sightings.snapshots) != 0;
	for (int i = 1; i < CHANNELS; i++) {
		leat_tx_close(tx[i]);
		leat_rx_close(rx[i]);
	}
	leat_mutex_unlock(&oldest->lock);
	bool told = await_word(&sightings.snapshots, 1);
	cr_expect_eq(leat_diag_stop(diag), 0);
	leat_tx_close(tx[0]);
	leat_rx_close(rx[0]);
	leat_scope_close(scope);
	cr_assert(looked && told && !early);
	for (int i = 1; i < CHANNELS; i++) {
		cr_expect_eq(sightings.open[i], 0, "the end replaces what the look saw of %c",
		             'a' + i);
		cr_expect_eq(sightings.ended[i], 1);
	}
	cr_expect_eq(sightings.doubles, 0);
	cr_expect_gt(sightings.open[0], 0);
}

#endif
