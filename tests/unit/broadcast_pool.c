/*
 * tests/unit/broadcast_pool.c: broadcasts and generators: what feeds a broadcast, and stages and
 * sinks that subscribe, on threads and on pools.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "feed.h"
#include "numbers.h"
#include "watcher.h"

TestSuite(broadcast_pool, .timeout = 600);

/* Where a stage runs, and the form of its own channel. */
enum where { ON_THREAD, COMPACT, WITH_CHANNEL, WHERES };

#define for_each_where(where) for (int where = ON_THREAD; where < WHERES; where++)

static struct leat_gen_opts opts_on(struct leat_pool *pool, int where)
{
	return (struct leat_gen_opts){
		.chan = { .capacity = 4, .kind = where == WITH_CHANNEL ? LEAT_MPMC : LEAT_SPSC },
		.pool = where == ON_THREAD ? NULL : pool
	};
}

static void start_sink(struct leat_scope *scope, struct leat_rx *rx, struct leat_pool *pool,
                       struct sum *sum)
{
	cr_assert_eq(leat_gen_sink(scope, rx, (struct leat_sink){ add_up, fini_sum, sum },
	                           &(struct leat_gen_opts){ .pool = pool }),
	             0);
}

/* A stage that adds 1 to what it pulls. Its state is on the heap. */
static int next_plus_one(void *state, void *item)
{
	struct leat_seq *from = state;
	uint64_t n;
	int rc = from->next(from->state, &n);

	if (rc == 1) {
		n++;
		memcpy(item, &n, sizeof(n));
	}
	return rc;
}

static void fini_plus_one(void *state)
{
	struct leat_seq *from = state;

	from->fini(from->state);
	free(from);
}

static struct leat_rx *start_stage(struct leat_scope *scope, struct leat_rx *rx,
                                   struct leat_gen_opts opts)
{
	struct leat_seq *from = malloc(sizeof(*from));
	struct leat_rx *out;

	*from = leat_seq_from_rx(rx);
	cr_assert_eq(leat_gen_seq(scope,
	                          (struct leat_seq){ next_plus_one, fini_plus_one, from,
	                                             sizeof(uint64_t) },
	                          &opts, &out),
	             0);
	return out;
}

/* A generator that feeds a broadcast: 0, 1, ... */
struct source {
	uint64_t items, sent;
	int last;
};

static int send_numbers(struct leat_tx *out, void *arg)
{
	struct source *s = arg;

	while (s->last == 0 && s->sent < s->items) {
		s->last = leat_send(out, &s->sent);
		if (s->last == 0)
			leat_store_rel(&s->sent, s->sent + 1);
	}
	return s->last;
}

static void start_source(struct feed *feed, struct source *source, bool is_source)
{
	cr_assert_eq(leat_gen_into(feed->scope, send_numbers, source, feed->tx,
	                           &(struct leat_gen_opts){ .source = is_source }),
	             0);
	feed->tx = NULL;
}

static uint64_t sum_below(uint64_t n)
{
	return n * (n - 1) / 2;
}

/* --- to the end --- */

/* A diamond of sinks, and a stage that sends into a channel, each on a thread or on the pool. */
Test(broadcast_pool, sinks_and_stages_see_every_item_wherever_they_run)
{
	enum { N = MANY_TIMES(1500) };

	for_each_ring(opts)
		for_each_where(where) for (unsigned on_pool = 0; on_pool < 16; on_pool += 5)
	{
		struct leat_pool *pool = leat_pool_open(
			&(struct leat_pool_opts){ .workers = 2, .workers_only = on_pool == 5 });
		struct watcher watcher;
		struct leat_diag *diag = start(&watcher, opts.name, MS);
		struct source source = { .items = N };
		struct sum sums[4] = { 0 }, after = { .wait_every = 100 };
		opts.capacity = on_pool < 10 ? 5 : 64;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx[4] = { join(&feed, (struct leat_subscribe_opts){ 0 }),
			                  join(&feed, (struct leat_subscribe_opts){ 0 }) };
		rx[2] = join(&feed, (struct leat_subscribe_opts){ .after = rx, .after_count = 2 });
		rx[3] = join_after(&feed, rx[2]);
		for (int i = 0; i < 3; i++)
			start_sink(feed.scope, rx[i], on_pool >> i & 1 ? pool : NULL, &sums[i]);
		start_sink(feed.scope, start_stage(feed.scope, rx[3], opts_on(pool, where)),
		           on_pool >> 3 & 1 ? pool : NULL, &after);
		start_source(&feed, &source, false);
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		for (int i = 0; i < 3; i++) {
			cr_expect_eq(sums[i].items, N);
			cr_expect_eq(sums[i].sum, sum_below(N));
			cr_expect_eq(sums[i].finis, 1);
		}
		cr_expect_eq(after.items, N);
		cr_expect_eq(after.sum, sum_below(N) + N);
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
		stop(diag, &watcher);
		cr_expect_eq(watcher.offered_back + watcher.delivered_back, 0);
		cr_expect_eq(watcher.ended.offered, N);
		cr_expect_eq(watcher.ended.delivered, N);
	}
}

Test(broadcast_pool, a_seq_that_is_pulled)
{
	for_each_ring(opts) for (int fails = 0; fails < 2; fails++)
	{
		uint64_t got;
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct leat_seq seq = leat_seq_from_rx(join_after(&feed, gate)),
				left = leat_seq_from_rx(join_after(&feed, gate));
		cr_expect_eq(seq.item_size, 8);
		send_to(&feed, 0, 2);
		if (fails)
			leat_tx_fail(feed.tx, -EIO, "disk gone");
		leat_tx_close(feed.tx);
		feed.tx = NULL;
		expect_items(gate, 0, 1);
		cr_expect_eq(left.next(left.state, &got), 1);
		cr_expect_eq(seq.next(seq.state, &got), 1);
		expect_items(gate, 1, 2);
		cr_expect_eq(seq.next(seq.state, &got), 1);
		cr_expect_eq(got, 1);
		cr_expect_eq(seq.next(seq.state, &got), fails ? -EIO : 0);
		seq.fini(seq.state);
		leat_rx_close(gate);
		cr_expect_eq(left.next(left.state, &got), 1, "its gate had released it");
		cr_expect_eq(left.next(left.state, &got), fails ? -EIO : 0);
		left.fini(left.state);
		feed_close(&feed);
	}
}

/* --- ends --- */

/* Each item of a send that returned 0 reaches each subscriber that senders wait for. */
Test(broadcast_pool, a_stop_loses_nothing_that_was_accepted)
{
	for_each_ring(opts) for_each_where(where)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
		struct source source = { .items = UINT64_MAX };
		struct sum sums[2] = { 0 }, after = { 0 };
		opts.capacity = 7;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx[3] = { join(&feed, (struct leat_subscribe_opts){ 0 }) };
		rx[1] = join_after(&feed, rx[0]);
		rx[2] = join(&feed, (struct leat_subscribe_opts){ 0 });
		start_sink(feed.scope, rx[0], NULL, &sums[0]);
		start_sink(feed.scope, rx[1], pool, &sums[1]);
		start_sink(feed.scope, start_stage(feed.scope, rx[2], opts_on(pool, where)), pool,
		           &after);
		start_source(&feed, &source, true);
		while (leat_load_acq(&source.sent) < 500)
			sched_yield();
		cr_expect_eq(leat_scope_stop(feed.scope, LEAT_NEVER, "the end"), 0);
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		cr_expect_eq(source.last, -ESHUTDOWN);
		cr_expect_eq(sums[0].items, source.sent);
		cr_expect_eq(sums[1].items, source.sent);
		cr_expect_eq(after.items, source.sent);
		cr_expect_eq(after.sum, sum_below(source.sent) + source.sent);
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

static int wait_for_ever(void *state, const void *item)
{
	(void)item;
	leat_store_rel((uint32_t *)state, 1);
	return leat_after(LEAT_NEVER);
}

Test(broadcast_pool, a_drain_deadline_frees_all_that_one_sink_holds_up)
{
	for_each_ring(opts) for (int on_pool = 0; on_pool < 2; on_pool++)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
		struct source source = { .items = UINT64_MAX };
		struct sum sum = { 0 };
		uint32_t waits = 0;
		opts.capacity = 3;
		struct feed feed = feed_open(opts);
		struct leat_rx *slow = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *behind = join_after(&feed, slow);
		cr_assert_eq(
			leat_gen_sink(feed.scope, slow,
		                      (struct leat_sink){ wait_for_ever, NULL, &waits },
		                      &(struct leat_gen_opts){ .pool = on_pool ? pool : NULL }),
			0);
		start_sink(feed.scope, behind, on_pool ? NULL : pool, &sum);
		start_source(&feed, &source, false); /* no source: the stop does not end it */
		cr_assert(await_word(&waits, 1));
		cr_expect_eq(leat_scope_stop(feed.scope, leat_now_ns() + 20 * MS, "the end"), 0);
		cr_expect_eq(leat_scope_join(feed.scope), -ETIMEDOUT);
		cr_expect_eq(leat_scope_cause(feed.scope, NULL, NULL), LEAT_DEADLINE);
		cr_expect_eq(source.last, -ECANCELED);
		cr_expect_eq(sum.finis, 1);
		cr_expect_eq(sum.items, 0);
		leat_broadcast_close(feed.bc);
		cr_expect_eq(leat_scope_close(feed.scope), -ETIMEDOUT);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

/* One has had enough, and only it leaves; one fails, and its scope's sender hears of it. */
Test(broadcast_pool, a_sink_that_leaves_and_a_sink_that_fails)
{
	for_each_ring(opts) for (int on_pool = 0; on_pool < 2; on_pool++) for (int fails = 0;
	                                                                       fails < 2; fails++)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
		struct source source = { .items = 300 };
		struct sum leaves = { .enough = 20, .failure = fails ? -EIO : 0 }, stays = { 0 };
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join(&feed, (struct leat_subscribe_opts){ 0 });
		start_sink(feed.scope, a, on_pool ? pool : NULL, &leaves);
		start_sink(feed.scope, b, on_pool ? NULL : pool, &stays);
		start_source(&feed, &source, false);
		cr_expect_eq(leat_scope_join(feed.scope), fails ? -EIO : 0);
		cr_expect_eq(leaves.items, 20);
		cr_expect_eq(leaves.finis, 1);
		if (!fails)
			cr_expect_eq(stays.sum, sum_below(300));
		cr_expect_eq(stays.finis, 1);
		leat_broadcast_close(feed.bc);
		cr_expect_eq(leat_scope_close(feed.scope), fails ? -EIO : 0);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

/* The end of a sink's subscriber because its gate left is the sink's: no failure. */
Test(broadcast_pool, a_sink_ends_abandoned_with_its_gate)
{
	for_each_ring(opts) for (int on_pool = 0; on_pool < 2; on_pool++)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		struct watcher watcher;
		struct leat_diag *diag = start(&watcher, "behind", HOUR_NS);
		struct sum sum = { 0 };
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ .name = "risk" });
		cr_assert_eq(
			leat_gen_sink(feed.scope, join_after(&feed, gate),
		                      (struct leat_sink){ add_up, fini_sum, &sum },
		                      &(struct leat_gen_opts){ .chan = { .name = "behind" },
		                                               .pool = on_pool ? pool : NULL }),
			0);
		send_to(&feed, 0, 5);
		expect_items(gate, 0, 3);
		leat_rx_close(gate);
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		cr_expect_eq(sum.items, 3);
		cr_expect_eq(leat_scope_cause(feed.scope, NULL, NULL), LEAT_RUNNING);
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
		stop(diag, &watcher);
		cr_expect_eq(watcher.gen_ends, 1);
		cr_expect_eq(watcher.gen.cause, LEAT_ABANDONED);
		cr_expect_str_eq(watcher.gen.text, "risk");
	}
}

static int forward_while_bound(struct leat_tx *out, void *arg)
{
	struct leat_rx *in = arg;
	uint64_t got;
	int rc = leat_rx_bind(in, out);

	while (rc == 0 && (rc = leat_recv(in, &got)) == 1)
		rc = leat_send(out, &got);
	leat_rx_close(in);
	return rc;
}

Test(broadcast_pool, a_stage_of_an_idle_broadcast_ends_with_its_consumer)
{
	for_each_ring(opts) for (int where = ON_THREAD - 1; where < WHERES; where++)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 }), *end;
		if (where < ON_THREAD)
			cr_assert_eq(leat_gen(feed.scope, forward_while_bound, rx, 8, NULL, &end),
			             0);
		else
			end = start_stage(feed.scope, rx, opts_on(pool, where));
		send_to(&feed, 5, 6);
		cr_expect_eq(leat_recv(end, &(uint64_t){ 0 }), 1);
		leat_rx_close(end);
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		send_to(&feed, 0, 20); /* no subscriber holds it up */
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

Test(broadcast_pool, a_generator_waits_for_the_first_subscriber)
{
	for_each_ring(opts) for (int on_pool = 0; on_pool < 2; on_pool++)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		struct source source = { .items = 100 };
		struct sum sum = { 0 };
		opts.wait_for_first = true;
		struct feed feed = feed_open(opts);
		start_source(&feed, &source, false);
		start_sink(feed.scope, join(&feed, (struct leat_subscribe_opts){ 0 }),
		           on_pool ? pool : NULL, &sum);
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		cr_expect_eq(sum.sum, sum_below(100));
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

/* --- steps wait for nothing --- */

struct step {
	struct feed feed;
	struct leat_rx *empty;
	int recv, peek, fill, select, merge, send, reserve, try_recv;
};

static int try_to_wait(void *state, void *item)
{
	struct step *s = state;
	uint64_t got;
	const void *place;
	void *slots;
	struct leat_case cases[] = { LEAT_CASE_RECV(s->empty, &got),
		                     LEAT_CASE_SEND(s->feed.tx, &got) };

	(void)item;
	s->recv = leat_recv(s->empty, &got);
	s->peek = (int)leat_peek(s->empty, 1, &place);
	s->fill = (int)leat_recv_fill(s->empty, &got, 1, LEAT_NEVER);
	s->select = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_CHANCE);
	s->send = leat_send(s->feed.tx, &got);
	s->reserve = (int)leat_reserve(s->feed.tx, 1, &slots);
	s->try_recv = leat_try_recv(s->empty, &got);
	return 0;
}

Test(broadcast_pool, a_step_waits_neither_for_an_item_nor_for_room)
{
	for_each_ring(opts) for (int where = COMPACT; where < WHERES; where++)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		struct leat_gen_opts gen = opts_on(pool, where);
		struct leat_rx *end;
		opts.capacity = 1;
		struct step s = { .feed = feed_open(opts) };
		struct leat_rx *gate = join(&s.feed, (struct leat_subscribe_opts){ 0 });
		s.empty = join_after(&s.feed, gate);
		send_to(&s.feed, 0, 1);
		cr_assert_eq(leat_gen_seq(s.feed.scope,
		                          (struct leat_seq){ try_to_wait, NULL, &s, 8 }, &gen,
		                          &end),
		             0);
		cr_expect_eq(leat_recv(end, &(uint64_t){ 0 }), 0);
		cr_expect_eq(s.recv, -EDEADLK);
		cr_expect_eq(s.peek, -EDEADLK);
		cr_expect_eq(s.fill, -EDEADLK);
		cr_expect_eq(s.select, -EDEADLK);
		cr_expect_eq(s.send, -EDEADLK);
		cr_expect_eq(s.reserve, opts.skip ? -ENOTSUP : -EDEADLK);
		cr_expect_eq(s.try_recv, -EAGAIN);
		leat_rx_close(end);
		expect_items(gate, 0, 1);
		expect_items(s.empty, 0, 1);
		leat_rx_close(s.empty);
		leat_rx_close(gate);
		feed_close(&s.feed);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

/* --- evictions --- */

static struct leat_rx *join_evictable(struct feed *feed)
{
	return join(feed, (struct leat_subscribe_opts){ .name = "slow", .lag = LEAT_LAG_EVICT });
}

static void expect_evicted(struct leat_rx *end)
{
	enum leat_cause cause;
	const char *text;
	uint64_t got;
	int rc;

	while ((rc = leat_recv(end, &got)) == 1)
		;
	cr_expect_eq(rc, 0);
	cr_expect_eq(leat_rx_status(end, &cause, NULL, &text), 0);
	cr_expect_eq(cause, LEAT_ABANDONED, "cause %d", cause);
	cr_expect_neq(strstr(text, "slow"), NULL, "%s", text);
	leat_rx_close(end);
}

/* A stage whose own channel is full and that is a whole ring behind. */
Test(broadcast_pool, a_stage_that_is_evicted_is_abandoned)
{
	for_each_ring(opts) for_each_where(where)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *end = start_stage(feed.scope, join_evictable(&feed),
		                                  opts_on(pool, where));
		for (uint64_t n = 0; n < 50; n += 2) {
			send_to(&feed, n, n + 2);
			expect_items(rx, n, n + 2);
		}
		expect_evicted(end);
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		cr_expect_eq(leat_scope_cause(feed.scope, NULL, NULL), LEAT_RUNNING);
		leat_rx_close(rx);
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

/* A next or a function that receives by itself. */
static int try_next(void *state, void *item)
{
	int rc = leat_try_recv((struct leat_rx *)state, (void *)item);

	return rc == -EAGAIN ? -EPROTO : rc;
}

static void close_rx(void *state)
{
	leat_rx_close(state);
}

Test(broadcast_pool, a_next_that_receives_by_itself_and_is_evicted_is_abandoned)
{
	for_each_ring(opts) for_each_where(where)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		struct leat_gen_opts gen = opts_on(pool, where);
		struct leat_rx *end;
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *slow = join_evictable(&feed);
		send_to(&feed, 0, 50);
		cr_assert_eq(leat_gen_seq(feed.scope,
		                          (struct leat_seq){ try_next, close_rx, slow, 8 }, &gen,
		                          &end),
		             0);
		expect_evicted(end);
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		cr_expect_eq(leat_scope_cause(feed.scope, NULL, NULL), LEAT_RUNNING);
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

/* The word of an eviction on a worker's thread is not another generator's. */
static int fail_with_that_code(void *state, void *item)
{
	(void)state, (void)item;
	return -ECONNABORTED;
}

Test(broadcast_pool, the_same_code_of_another_generator_is_a_failure)
{
	for_each_where(where)
	{
		struct leat_pool *pool = leat_pool_open(
			&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
		struct leat_gen_opts gen = opts_on(pool, where);
		struct leat_rx *end;
		enum leat_cause cause;
		struct feed feed = feed_open((struct leat_broadcast_opts){ .capacity = 2 });
		struct leat_scope *other = leat_scope_open(NULL, NULL);
		struct leat_rx *slow = join_evictable(&feed);
		send_to(&feed, 0, 50);
		expect_evicted(start_stage(feed.scope, slow, gen));
		cr_assert_eq(leat_gen_seq(other,
		                          (struct leat_seq){ fail_with_that_code, NULL, NULL, 8 },
		                          &gen, &end),
		             0);
		cr_expect_eq(leat_recv(end, &(uint64_t){ 0 }), 0);
		cr_expect_eq(leat_rx_status(end, &cause, NULL, NULL), 0);
		cr_expect_eq(cause, LEAT_FAILED);
		leat_rx_close(end);
		cr_expect_eq(leat_scope_close(other), -ECONNABORTED);
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
	}
}

/* A sink that keeps a copy of its item while its put waits. */
struct patient {
	uint32_t waits, go, finis;
	uint64_t items;
};

static int wait_then_take(void *state, const void *item)
{
	struct patient *p = state;
	int rc;

	(void)item;
	leat_store_rel(&p->waits, 1);
	while (!leat_load_acq(&p->go)) {
		rc = leat_after(leat_now_ns() + MS);
		if (rc != 0)
			return rc;
	}
	p->items++;
	return 0;
}

static void fini_patient(void *state)
{
	struct patient *p = state;

	p->finis++;
}

Test(broadcast_pool, a_sink_whose_put_waits_is_evicted)
{
	for_each_ring(opts) for (int on_pool = 0; on_pool < 2; on_pool++)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
		struct watcher watcher;
		struct leat_diag *diag = start(&watcher, "sink", HOUR_NS);
		struct patient patient = { 0 };
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		cr_assert_eq(
			leat_gen_sink(feed.scope, join_evictable(&feed),
		                      (struct leat_sink){ wait_then_take, fini_patient, &patient },
		                      &(struct leat_gen_opts){ .chan = { .name = "sink" },
		                                               .pool = on_pool ? pool : NULL }),
			0);
		send_to(&feed, 0, 1);
		cr_assert(await_word(&patient.waits, 1));
		send_to(&feed, 1, 9);
		leat_store_rel(&patient.go, 1);
		cr_expect_eq(leat_scope_join(feed.scope), 0);
		cr_expect_eq(patient.items, 1, "what it held it keeps");
		cr_expect_eq(patient.finis, 1);
		cr_expect_eq(leat_scope_cause(feed.scope, NULL, NULL), LEAT_RUNNING);
		feed_close(&feed);
		cr_expect_eq(leat_pool_close(pool), 0);
		stop(diag, &watcher);
		cr_expect_eq(watcher.gen.cause, LEAT_ABANDONED);
		cr_expect_neq(strstr(watcher.gen.text, "evicted"), NULL, "%s", watcher.gen.text);
	}
}

/* --- discard --- */

static struct ledger ledger;

static int check_not_discarded(void *state, const void *item)
{
	uint64_t n;
	int rc;

	memcpy(&n, item, sizeof(n));
	if (leat_load_acq(&ledger.discarded[n]) != 0)
		return -EPROTO;
	rc = add_up(state, item);
	return leat_load_acq(&ledger.discarded[n]) != 0 ? -EPROTO : rc;
}

static int send_entries(struct leat_tx *out, void *arg)
{
	struct source *s = arg;

	while (s->last == 0 && s->sent < s->items) {
		s->last = leat_send(out, &s->sent);
		if (s->last == 0) {
			ledger_accept(&ledger, s->sent);
			leat_store_rel(&s->sent, s->sent + 1);
		}
	}
	return s->last;
}

/* Also while a put waits, and whatever ends it. */
Test(broadcast_pool, each_slot_is_discarded_once_behind_all_sinks)
{
	enum { DRAINED, CANCEL, STOP, ONE_LEAVES, ONE_FAILS, WHATS };

	for_each_ring(opts) for (int what = 0; what < WHATS; what++) for (int on_pool = 0;
	                                                                  on_pool < 2; on_pool++)
	{
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
		struct source source = { .items = what == CANCEL || what == STOP ? LEDGER_ITEMS
			                                                         : 600 };
		struct sum sums[3] = { { .wait_every = what == DRAINED ? 100 : 0 },
			               { .enough = what >= ONE_LEAVES ? 50 : 0,
			                 .failure = what == ONE_FAILS ? -EIO : 0 } };
		if (opts.skip) {
			leat_pool_close(pool);
			continue; /* no discard */
		}
		memset(&ledger, 0, sizeof(ledger));
		opts.capacity = 5;
		opts.discard = ledger_discard;
		opts.discard_arg = &ledger;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx[3] = { join(&feed, (struct leat_subscribe_opts){ 0 }),
			                  join(&feed, (struct leat_subscribe_opts){ 0 }) };
		rx[2] = join_after(&feed, rx[0]);
		for (int i = 0; i < 3; i++)
			cr_assert_eq(
				leat_gen_sink(feed.scope, rx[i],
			                      (struct leat_sink){ check_not_discarded, fini_sum,
			                                          &sums[i] },
			                      &(struct leat_gen_opts){
						      .pool = (i + on_pool) % 2 ? pool : NULL }),
				0);
		cr_assert_eq(leat_gen_into(feed.scope, send_entries, &source, feed.tx,
		                           &(struct leat_gen_opts){ .source = true }),
		             0);
		feed.tx = NULL;
		if (what == CANCEL || what == STOP)
			while (leat_load_acq(&source.sent) < 100)
				sched_yield();
		if (what == CANCEL)
			leat_scope_cancel(feed.scope, 0, NULL);
		if (what == STOP)
			leat_scope_stop(feed.scope, LEAT_NEVER, NULL);
		cr_expect_eq(leat_scope_join(feed.scope), what == ONE_FAILS ? -EIO : 0);
		if (what == STOP || what == DRAINED)
			for (int i = 0; i < 3; i++)
				cr_expect_eq(sums[i].items, source.sent);
		leat_broadcast_close(feed.bc);
		cr_expect_eq(leat_scope_close(feed.scope), what == ONE_FAILS ? -EIO : 0);
		cr_expect_eq(leat_pool_close(pool), 0);
		cr_expect_eq(leat_load_acq(&ledger.discards), source.sent, "%d", what);
		cr_expect_eq(ledger_faults(&ledger), 0, "%d", what);
	}
}
