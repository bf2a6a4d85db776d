/*
 * tests/unit/broadcast_stat.c: the figures of each subscriber in a snapshot.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "feed.h"

#include <leat/diag.h>
#include <pthread.h>

TestSuite(broadcast_stat, .timeout = 60);

enum { MOST = 8 };

struct figures {
	size_t count;
	struct leat_subscriber_stat subs[MOST];
	struct leat_chan_stat chan;
};

static void keep_figures(const struct leat_snapshot *snapshot, void *arg)
{
	struct figures *figures = arg;

	figures->count = snapshot->subscribers_count;
	for (size_t i = 0; i < snapshot->subscribers_count && i < MOST; i++)
		figures->subs[i] = snapshot->subscribers[i];
	if (snapshot->channels_count == 1)
		figures->chan = snapshot->channels[0];
}

/* One snapshot: the last of a diagnostics thread that is stopped at once. */
static struct figures read_figures(void)
{
	struct figures figures = { 0 };
	struct leat_diag *diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 3600000 * MS, .callback = keep_figures, .callback_arg = &figures });

	cr_assert_not_null(diag);
	cr_expect_eq(leat_diag_stop(diag), 0);
	return figures;
}

static struct leat_subscriber_stat *find(struct figures *figures, const char *name)
{
	for (size_t i = 0; i < figures->count; i++)
		if (strcmp(figures->subs[i].name, name) == 0)
			return &figures->subs[i];
	cr_assert_fail("no subscriber \"%s\"", name);
	return NULL;
}

#define expect_figures(stat, next_, delivered_, missed_, in_flight_, holds) \
	do { \
		cr_expect_eq((stat)->next, next_, "next %llu", (unsigned long long)(stat)->next); \
		cr_expect_eq((stat)->delivered, delivered_, "delivered %llu", \
		             (unsigned long long)(stat)->delivered); \
		cr_expect_eq((stat)->missed, missed_, "missed %llu", \
		             (unsigned long long)(stat)->missed); \
		cr_expect_eq((stat)->in_flight, in_flight_, "in flight %llu", \
		             (unsigned long long)(stat)->in_flight); \
		cr_expect_eq((stat)->holds_senders, holds); \
	} while (0)

Test(broadcast_stat, position_and_books_of_each_since_it_came)
{
	for_each_ring(opts)
	{
		struct figures figures;
		struct leat_rx *early, *late;

		opts.capacity = 8;
		struct feed feed = feed_open(opts);
		early = join(&feed, (struct leat_subscribe_opts){ .name = "early" });
		send_to(&feed, 0, 5);
		late = join(&feed, (struct leat_subscribe_opts){ .name = "late" });
		expect_items(early, 0, 3);
		send_to(&feed, 5, 7);
		expect_items(late, 5, 6);
		figures = read_figures();
		cr_assert_eq(figures.count, 2);
		expect_figures(find(&figures, "early"), 3, 3, 0, 4, false);
		expect_figures(find(&figures, "late"), 6, 1, 0, 1, false);
		cr_expect_eq(figures.subs[0].chan_id, figures.chan.id);
		cr_expect_eq(figures.subs[1].chan_id, figures.chan.id);
		cr_expect_neq(figures.subs[0].place, figures.subs[1].place);
		cr_expect_eq(find(&figures, "early")->lag, LEAT_LAG_WAIT);
		leat_rx_close(early);
		figures = read_figures();
		cr_expect_eq(figures.count, 1, "one that has closed is in none");
		leat_rx_close(late);
		feed_close(&feed);
		cr_expect_eq(read_figures().count, 0);
	}
}

Test(broadcast_stat, the_one_that_holds_senders_up)
{
	for_each_ring(opts)
	{
		struct figures figures;
		struct leat_rx *slow, *fast, *behind;

		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		slow = join(&feed, (struct leat_subscribe_opts){ .name = "slow" });
		fast = join(&feed, (struct leat_subscribe_opts){ .name = "fast" });
		behind = join(&feed, (struct leat_subscribe_opts){
					     .name = "behind", .after = &slow, .after_count = 1 });
		send_to(&feed, 0, 4);
		expect_items(fast, 0, 4);
		figures = read_figures();
		cr_assert_eq(figures.count, 3);
		expect_figures(find(&figures, "slow"), 0, 0, 0, 4, true);
		expect_figures(find(&figures, "fast"), 4, 4, 0, 0, false);
		expect_figures(find(&figures, "behind"), 0, 0, 0, 4, false);
		expect_items(slow, 0, 1);
		figures = read_figures();
		expect_figures(find(&figures, "slow"), 1, 1, 0, 3, false);
		expect_figures(find(&figures, "behind"), 0, 0, 0, 4, true);
		leat_rx_close(behind);
		leat_rx_close(fast);
		leat_rx_close(slow);
		feed_close(&feed);
	}
}

Test(broadcast_stat, what_one_that_skips_has_missed)
{
	for_each_ring(opts)
	{
		struct figures figures;
		struct leat_rx *rx;

		if (!opts.skip)
			continue;
		opts.capacity = 8;
		struct feed feed = feed_open(opts);
		rx = join(&feed, (struct leat_subscribe_opts){ .lag = LEAT_LAG_SKIP });
		send_to(&feed, 0, 20);
		figures = read_figures();
		expect_figures(&figures.subs[0], 0, 0, 0, 20, false);
		expect_items(rx, 16, 18);
		figures = read_figures();
		cr_expect_eq(figures.subs[0].lag, LEAT_LAG_SKIP);
		expect_figures(&figures.subs[0], 18, 2, 16, 2, false);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

Test(broadcast_stat, one_that_was_evicted_has_nothing_in_flight)
{
	for_each_ring(opts)
	{
		struct figures figures;
		struct leat_rx *rx;

		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		rx = join(&feed, (struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT });
		send_to(&feed, 0, 3);
		expect_items(rx, 0, 2);
		figures = read_figures();
		cr_expect(!figures.subs[0].evicted);
		expect_figures(&figures.subs[0], 2, 2, 0, 1, false);
		send_to(&feed, 3, 10);
		figures = read_figures();
		cr_expect(figures.subs[0].evicted);
		cr_expect_eq(figures.subs[0].lag, LEAT_LAG_EVICT);
		expect_figures(&figures.subs[0], 2, 2, 0, 0, false);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

/* A slot that was given back is passed, and never received. */
Test(broadcast_stat, a_hole_is_not_delivered)
{
	void *place;
	struct figures figures;
	struct feed feed = feed_open((struct leat_broadcast_opts){ .kind = LEAT_MPMC });
	struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });

	cr_assert_eq(leat_reserve(feed.tx, 1, &place), 1);
	cr_assert_eq(leat_commit(feed.tx, 0), 0);
	send_to(&feed, 0, 3);
	expect_items(rx, 0, 1);
	figures = read_figures();
	expect_figures(&figures.subs[0], 2, 1, 0, 2, false);
	leat_rx_close(rx);
	feed_close(&feed);
}

/* --- while items move --- */

struct watched {
	struct leat_subscriber_stat last[2];
	unsigned fell, missed, too_many;
	uint32_t snapshots;
};

static void watch_subscribers(const struct leat_snapshot *snapshot, void *arg)
{
	struct watched *watched = arg;

	for (size_t i = 0; i < snapshot->subscribers_count; i++) {
		const struct leat_subscriber_stat *now = &snapshot->subscribers[i];
		struct leat_subscriber_stat *last = &watched->last[now->name[0] == 'b'];

		watched->fell += now->next < last->next || now->delivered < last->delivered ||
		                 now->missed < last->missed;
		watched->missed += now->lag == LEAT_LAG_WAIT && now->missed != 0;
		watched->too_many += now->lag == LEAT_LAG_WAIT && now->in_flight > 16;
		*last = *now;
	}
	leat_add_acqrel(&watched->snapshots, 1u);
}

struct taker {
	struct leat_rx *rx;
	uint64_t taken;
};

static void *take_all(void *arg)
{
	struct taker *taker = arg;
	uint64_t got;

	while (leat_recv(taker->rx, &got) == 1)
		taker->taken++;
	return NULL;
}

Test(broadcast_stat, figures_never_fall_and_fit_together_while_items_move)
{
	for_each_ring(opts)
	{
		struct watched watched = { 0 };
		struct taker takers[2] = { { NULL, 0 }, { NULL, 0 } };
		pthread_t threads[2];
		struct leat_diag *diag;
		uint64_t sent = 0;

		opts.capacity = 16;
		struct feed feed = feed_open(opts);
		takers[0].rx = join(&feed, (struct leat_subscribe_opts){ .name = "a" });
		takers[1].rx =
			join(&feed, (struct leat_subscribe_opts){
					    .name = "b",
					    .lag = opts.skip ? LEAT_LAG_SKIP : LEAT_LAG_WAIT });
		for (int i = 0; i < 2; i++)
			cr_assert_eq(pthread_create(&threads[i], NULL, take_all, &takers[i]), 0);
		diag = leat_diag_start(&(struct leat_diag_opts){ .interval_ns = 10000,
		                                                 .callback = watch_subscribers,
		                                                 .callback_arg = &watched });
		while (leat_load_acq(&watched.snapshots) < 300) {
			send_to(&feed, sent, sent + 100);
			sent += 100;
		}
		leat_tx_close(feed.tx);
		for (int i = 0; i < 2; i++)
			cr_assert_eq(pthread_join(threads[i], NULL), 0);
		cr_expect_eq(leat_diag_stop(diag), 0);
		cr_expect_eq(watched.fell, 0);
		cr_expect_eq(watched.missed, 0);
		cr_expect_eq(watched.too_many, 0);
		for (int i = 0; i < 2; i++) {
			cr_expect_eq(watched.last[i].delivered, takers[i].taken);
			cr_expect_eq(watched.last[i].missed, leat_rx_missed(takers[i].rx));
			cr_expect_eq(watched.last[i].delivered + watched.last[i].missed, sent);
			cr_expect_eq(watched.last[i].in_flight, 0);
			leat_rx_close(takers[i].rx);
		}
		leat_broadcast_close(feed.bc);
		cr_expect_eq(leat_scope_close(feed.scope), 0);
	}
}
