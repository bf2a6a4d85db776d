/*
 * tests/stress/stop.c: random graphs of sources, stages, fan-outs, fan-ins, merges and sinks, on
 * threads and on pools, by copies and in place, each stopped at a random moment. Sources are
 * functions, seqs, functions that share a channel (leat_gen_into()), and tickers (leat/io.h).
 *
 * Every item that a source's send accepted must have arrived at a sink, have been discarded, or be
 * one that a stage held in its hand when its own send was refused. In a graph that neither drops,
 * fails, is cancelled, has a sink that leaves early nor a deadline that passes, all must have
 * arrived. In one whose drain deadline passes, that deadline ends even a generator that nothing
 * tells to end. Nothing may be left behind.
 *
 * usage: stop SECONDS [SEED]: 100 graphs for each second
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/atomic.h>
#include <leat/leat.h>
#include <leat/test.h>

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREAMS = 12, NODES = 64 };
#define LONG_NS INT64_C(100000000000)

/* What a graph may have besides; a graph with none of these must lose nothing. */
enum { DROPS = 1, FAILS = 2, CANCELS = 4, LEAVES = 8, LATE = 16, SPICES = 5 };

static struct graph {
	unsigned spices;
	struct leat_scope *scope, *inner;
	struct leat_pool *pool;
	struct leat_rx *streams[STREAMS]; /* that nothing receives from yet */
	unsigned streams_count, nodes_count;
	struct node {
		uint64_t last; /* a source's; after so many a sink leaves, or a stage fails; 0:
		                  never */
		uint64_t n;
		struct leat_rx *in[2];
		bool bound; /* `in` to its output */
		bool in_place;
		bool deaf;          /* sends without end, and is no source */
		struct leat_tx *to; /* a handle of a channel of many senders */
		struct leat_seq from;
	} nodes[NODES];
	uint64_t accepted, sunk, discarded, in_hand;
	uint64_t ticks_discarded; /* that no stage had taken from the ticker's own channel */
	unsigned deaf_count, into_count;
	uint32_t finis;
	struct leat_tick_opts tick;
} graph;

static uint64_t graph_seed, random_state, items_in_all, plain_graphs, late_graphs;

static uint32_t draw(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 32) * below >> 32);
}

static void fail(const char *what)
{
	fprintf(stderr, "stop: %s, with seed %llu\n", what, (unsigned long long)graph_seed);
	abort();
}

static void count(uint64_t *counter)
{
	leat_add_rlx(counter, 1); /* rlx: read after the join */
}

static void discard(void *item, void *arg)
{
	(void)item, (void)arg;
	count(&graph.discarded);
}

static struct node *new_node(void)
{
	struct node *node = &graph.nodes[graph.nodes_count++];

	memset(node, 0, sizeof(*node));
	node->bound = draw(2);
	node->in_place = draw(3) == 0;
	return node;
}

static struct leat_rx *take_stream(void)
{
	unsigned at = draw(graph.streams_count);
	struct leat_rx *rx = graph.streams[at];

	graph.streams[at] = graph.streams[--graph.streams_count];
	return rx;
}

static void put_stream(struct leat_rx *rx)
{
	graph.streams[graph.streams_count++] = rx;
}

static struct leat_gen_opts random_opts(bool seq, bool source)
{
	static const size_t capacities[] = { 1, 2, 7, 64 };
	struct leat_gen_opts opts = { .source = source };

	opts.chan.capacity = capacities[draw(4)];
	opts.chan.kind = draw(3) == 0 ? LEAT_SPMC : LEAT_SPSC;
	opts.chan.send_wait = draw(2) ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE;
	opts.chan.recv_wait = draw(2) ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE;
	opts.chan.discard = discard;
	if (graph.spices & DROPS && draw(3) == 0)
		opts.chan.overflow = draw(2) ? LEAT_DROP_NEWEST : LEAT_DROP_OLDEST;
	if (seq && draw(2))
		opts.pool = graph.pool;
	return opts;
}

static struct leat_scope *random_scope(void)
{
	return draw(3) == 0 ? graph.inner : graph.scope;
}

/* Of two scopes, one may have been cancelled meanwhile, or stopped. */
static bool started(int rc)
{
	if (rc != 0 && rc != -ECANCELED && rc != -ESHUTDOWN)
		fail("a start failed");
	return rc == 0;
}

/* --- sources --- */

/* In place it gives the last of several slots back. Returns how many, or why none. */
static int send_some(struct leat_tx *out, const struct node *node)
{
	uint64_t *slots;
	void *room;
	int n, rc;

	if (!node->in_place) {
		rc = leat_send(out, &node->n);
		return rc == 0 ? 1 : rc;
	}
	n = (int)leat_reserve(out, node->last - node->n < 3 ? 1 : 3, &room);
	if (n <= 0)
		return n;
	n -= n > 1;
	slots = room;
	for (int i = 0; i < n; i++)
		slots[i] = node->n + (uint64_t)i;
	if (leat_commit(out, (size_t)n) != 0)
		fail("a commit failed");
	return n;
}

static int run_source(struct leat_tx *out, void *arg)
{
	struct node *node = arg;
	int rc = 1;

	if (!node->deaf)
		leat_tx_source(out, true);
	while (rc > 0 && node->n != node->last) {
		rc = send_some(out, node);
		node->n += rc > 0 ? (uint64_t)rc : 0;
	}
	leat_add_rlx(&graph.accepted, node->n); /* rlx: read after the join */
	return rc < 0 ? rc : 0;
}

static int next_of_source(void *state, void *item)
{
	struct node *node = state;
	int rc = 0;

	if (node->n == node->last)
		return 0;
	if (node->n % 16 == 15) /* it sleeps now and then; a stop wakes it */
		rc = leat_after(leat_now_ns() + 20000);
	if (rc != 0)
		return rc;
	*(uint64_t *)item = node->n++;
	count(&graph.accepted);
	return 1;
}

static void add_source(void)
{
	struct node *node = new_node();
	bool seq = draw(2);
	struct leat_gen_opts opts = random_opts(seq, seq || draw(2));
	struct leat_rx *rx;
	int rc;

	node->last = draw(3) == 0 ? 1 + draw(200) : UINT64_MAX;
	if (seq)
		rc = leat_gen_seq(random_scope(),
		                  (struct leat_seq){ next_of_source, NULL, node, sizeof(uint64_t) },
		                  &opts, &rx);
	else
		rc = leat_gen(random_scope(), run_source, node, sizeof(uint64_t), &opts, &rx);
	if (started(rc))
		put_stream(rx);
}

static void end_source(void *arg)
{
	(void)arg;
	leat_add_rlx(&graph.finis, 1u); /* rlx: read after the join */
}

/* Two sources with handles of one channel, each in any scope. */
static void add_sources_into_one(void)
{
	struct leat_gen_opts opts = random_opts(false, false),
			     into = { .source = draw(2), .fini = end_source };
	struct leat_tx *tx;
	struct leat_rx *rx;

	opts.chan.kind = LEAT_MPSC;
	if (!started(leat_chan_open(random_scope(), sizeof(uint64_t), &opts.chan, &tx, &rx)))
		return;
	for (int i = 0; i < 2; i++) {
		struct node *node = new_node();
		struct leat_tx *to = i == 0 ? leat_tx_clone(tx) : tx;

		node->last = draw(3) == 0 ? 1 + draw(200) : UINT64_MAX;
		if (started(leat_gen_into(random_scope(), run_source, node, to, &into)))
			graph.into_count++;
		else
			leat_tx_close(to);
	}
	put_stream(rx);
}

/* It is told nothing, so only the drain deadline ends it. */
static void add_deaf(void)
{
	struct node *node = new_node();
	struct leat_gen_opts opts = random_opts(false, false);
	struct leat_rx *rx;

	node->deaf = true;
	node->last = UINT64_MAX;
	if (!started(leat_gen(graph.scope, run_source, node, sizeof(uint64_t), &opts, &rx)))
		return;
	graph.deaf_count++;
	put_stream(rx);
}

static void discard_tick(void *item, void *arg)
{
	(void)item, (void)arg;
	count(&graph.ticks_discarded);
}

static int next_of_ticker(void *state, void *item)
{
	struct node *node = state;
	int rc = node->from.next(node->from.state, item);

	if (rc == 1)
		count(&graph.accepted);
	return rc;
}

static void end_stage(void *state)
{
	struct node *node = state;

	node->from.fini(node->from.state);
}

/* The library's ticker, and a stage that counts what it has sent. */
static void add_ticker(void)
{
	struct node *node = new_node();
	struct leat_gen_opts ticks = { .chan = { .capacity = 3, .discard = discard_tick } },
			     opts = random_opts(true, false);
	struct leat_scope *scope = random_scope();
	struct leat_rx *in, *rx;

	if (!started(leat_gen(scope, leat_tick, &graph.tick, sizeof(uint64_t), &ticks, &in)))
		return;
	node->from = leat_seq_from_rx(in);
	if (started(leat_gen_seq(
		    scope, (struct leat_seq){ next_of_ticker, end_stage, node, sizeof(uint64_t) },
		    &opts, &rx)))
		put_stream(rx);
	else
		leat_rx_close(in);
}

/* --- stages --- */

static int fails_now(struct node *node)
{
	return node->last != 0 && ++node->n > node->last ? -EIO : 0;
}

/* Receives and sends, by a handle of a shared channel if it has one. */
static int run_stage(struct leat_tx *out, void *arg)
{
	struct node *node = arg;
	uint64_t item;
	int rc;

	if (node->bound)
		leat_rx_bind(node->in[0], node->to != NULL ? node->to : out);
	while ((rc = leat_recv(node->in[0], &item)) == 1) {
		rc = fails_now(node);
		if (rc == 0)
			rc = leat_send(node->to != NULL ? node->to : out, &item);
		if (rc < 0) {
			count(&graph.in_hand);
			break;
		}
	}
	leat_rx_close(node->in[0]);
	leat_tx_close(node->to);
	return rc == -EPIPE && node->to != NULL ? 0 : rc;
}

static int next_of_stage(void *state, void *item)
{
	struct node *node = state;
	int rc = node->from.next(node->from.state, item);

	if (rc == 1 && fails_now(node) < 0) {
		count(&graph.in_hand);
		return -EIO;
	}
	return rc;
}

static void maybe_fails(struct node *node)
{
	if (graph.spices & FAILS && draw(4) == 0)
		node->last = 1 + draw(100);
}

static void add_stage(void)
{
	struct node *node = new_node();
	bool seq = draw(2);
	struct leat_gen_opts opts = random_opts(seq, false);
	struct leat_rx *in = take_stream(), *rx;
	int rc;

	maybe_fails(node);
	node->in[0] = in;
	if (seq) {
		node->from = leat_seq_from_rx(in);
		rc = leat_gen_seq(
			random_scope(),
			(struct leat_seq){ next_of_stage, end_stage, node, sizeof(uint64_t) },
			&opts, &rx);
	} else {
		rc = leat_gen(random_scope(), run_stage, node, sizeof(uint64_t), &opts, &rx);
	}
	if (started(rc))
		put_stream(rx);
	else
		leat_rx_close(in);
}

/* One channel of many receivers: two streams. */
static void add_fan_out(void)
{
	struct node *node = new_node();
	struct leat_gen_opts opts = random_opts(false, false);
	struct leat_rx *rx;

	opts.chan.kind = LEAT_SPMC;
	node->in[0] = take_stream();
	if (!started(leat_gen(random_scope(), run_stage, node, sizeof(uint64_t), &opts, &rx))) {
		leat_rx_close(node->in[0]);
		return;
	}
	put_stream(rx);
	put_stream(leat_rx_clone(rx));
}

/* Two tasks that send into one channel. */
static void add_fan_in(void)
{
	struct leat_gen_opts opts = random_opts(false, false);
	struct leat_scope *scope = random_scope();
	struct leat_tx *tx;
	struct leat_rx *rx;

	opts.chan.kind = LEAT_MPSC;
	if (!started(leat_chan_open(scope, sizeof(uint64_t), &opts.chan, &tx, &rx)))
		return;
	for (int i = 0; i < 2; i++) {
		struct node *node = new_node();

		node->in[0] = take_stream();
		node->to = i == 0 ? leat_tx_clone(tx) : tx;
		if (!started(leat_gen(scope, run_stage, node, 0, NULL, NULL))) {
			leat_rx_close(node->in[0]);
			leat_tx_close(node->to);
		}
	}
	put_stream(rx);
}

static int run_merge(struct leat_tx *out, void *arg)
{
	struct node *node = arg;
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	uint64_t item;
	int rc;

	for (int i = 0; i < 2; i++) {
		if (node->bound && leat_rx_bind(node->in[i], out) != 0)
			fail("no memory for a binding");
		if (merge == NULL || leat_merge_add(merge, node->in[i], node) != 0)
			fail("no memory");
	}
	for (;;) {
		rc = leat_merge_recv(merge, &item, NULL);
		if (rc == -ENOENT)
			rc = 0; /* no lane is left */
		else if (rc == 0 || rc == -ECANCELED)
			continue; /* a lane has ended */
		if (rc == 1)
			rc = leat_send(out, &item);
		else
			break;
		if (rc < 0) {
			count(&graph.in_hand);
			break;
		}
	}
	leat_merge_close(merge);
	return rc;
}

static void add_merge(void)
{
	struct node *node = new_node();
	struct leat_gen_opts opts = random_opts(false, false);
	struct leat_rx *rx;

	for (int i = 0; i < 2; i++)
		node->in[i] = take_stream();
	if (started(leat_gen(random_scope(), run_merge, node, sizeof(uint64_t), &opts, &rx))) {
		put_stream(rx);
		return;
	}
	for (int i = 0; i < 2; i++)
		leat_rx_close(node->in[i]);
}

/* --- sinks --- */

static int put_item(void *state, const void *item)
{
	struct node *node = state;

	(void)item;
	count(&graph.sunk);
	return ++node->n == node->last;
}

static int run_sink(struct leat_tx *out, void *arg)
{
	struct node *node = arg;
	uint64_t item;
	int rc;

	(void)out;
	while ((rc = leat_recv(node->in[0], &item)) == 1) {
		count(&graph.sunk);
		if (++node->n == node->last)
			break;
	}
	leat_rx_close(node->in[0]);
	return rc < 0 ? rc : 0;
}

/* Puts all but the first of them back, where that can be. */
static int run_peeking_sink(struct leat_tx *out, void *arg)
{
	struct node *node = arg;
	const void *items;
	ssize_t n;

	(void)out;
	while ((n = leat_peek(node->in[0], 4, &items)) > 0) {
		if (leat_release(node->in[0], 1) == 0)
			n = 1;
		else if (leat_release(node->in[0], (size_t)n) != 0)
			fail("a release failed");
		leat_add_rlx(&graph.sunk, (uint64_t)n); /* rlx: read after the join */
		node->n += (uint64_t)n;
		if (node->last != 0 && node->n >= node->last)
			break;
	}
	leat_rx_close(node->in[0]);
	return n < 0 ? (int)n : 0;
}

/* Beside a select, so that a stop meets it. */
static int run_selecting_sink(struct leat_tx *out, void *arg)
{
	struct node *node = arg;
	uint64_t item;
	struct leat_case recv[] = { LEAT_CASE_RECV(node->in[0], &item) };
	int rc;

	(void)out;
	while ((rc = leat_select(recv, 1, LEAT_NEVER, LEAT_BY_CHANCE)) == 0 &&
	       recv[0].answer == 1) {
		count(&graph.sunk);
		if (++node->n == node->last)
			break;
	}
	leat_rx_close(node->in[0]);
	return rc < 0 ? rc : 0;
}

static void add_sink(void)
{
	static leat_gen_fn *const functions[] = { run_sink, run_selecting_sink, run_peeking_sink };
	struct node *node = new_node();
	struct leat_rx *in = take_stream();
	int rc;

	if (graph.spices & LEAVES && draw(3) == 0)
		node->last = 1 + draw(100);
	node->in[0] = in;
	if (draw(2))
		rc = leat_gen_sink(random_scope(), in, (struct leat_sink){ put_item, NULL, node },
		                   &(struct leat_gen_opts){ .pool = draw(2) ? graph.pool : NULL });
	else
		rc = leat_gen(random_scope(), functions[draw(3)], node, 0, NULL, NULL);
	if (!started(rc))
		leat_rx_close(in);
}

/* --- a graph --- */

static void add_any_source(void)
{
	static void (*const adds[])(void) = { add_source, add_source, add_sources_into_one,
		                              add_ticker };

	adds[draw(4)]();
}

static void build(void)
{
	unsigned sources = 1 + draw(3), steps = draw(6);

	graph.tick.interval_ns = 1000 + (int64_t)draw(50000);
	while (sources-- > 0)
		add_any_source();
	if (graph.spices & LATE && draw(2))
		add_deaf();
	while (steps-- > 0 && graph.streams_count > 0) {
		unsigned what = draw(5);

		if (what == 0 && graph.streams_count + 1 < STREAMS)
			add_fan_out();
		else if (what == 1 && graph.streams_count > 1)
			add_fan_in();
		else if (what == 2 && graph.streams_count > 1)
			add_merge();
		else if (what == 3)
			add_any_source();
		else
			add_stage();
	}
	while (graph.streams_count > 0)
		add_sink();
}

/* A random moment: when so many items have arrived, or after a while. */
static void wait_a_while(void)
{
	uint64_t items = draw(300);
	int64_t until_ns = leat_now_ns() + draw(1000000);

	while (leat_load_rlx(&graph.sunk) < items && leat_now_ns() < until_ns) /* rlx: a number */
		sched_yield();
}

static void check_items(void)
{
	uint64_t gone = graph.sunk + graph.discarded + graph.in_hand;

	uint64_t lost = graph.discarded + graph.in_hand + graph.ticks_discarded;

	if (graph.accepted != gone || (graph.spices == 0 && lost != 0)) {
		fprintf(stderr, "stop: %llu accepted; %llu arrived, %llu discarded, %llu in hand\n",
		        (unsigned long long)graph.accepted, (unsigned long long)graph.sunk,
		        (unsigned long long)graph.discarded, (unsigned long long)graph.in_hand);
		fail("items are lost");
	}
	if (graph.finis != graph.into_count)
		fail("an argument was not ended once");
	items_in_all += graph.accepted;
	plain_graphs += graph.spices == 0;
}

/* Returns whether a generator is left that ends by nothing but the deadline. */
static bool must_be_late(void)
{
	return graph.deaf_count > 0 && (graph.spices & ~DROPS) == LATE;
}

static void check_cause(int rc)
{
	enum leat_cause cause = leat_scope_cause(graph.scope, NULL, NULL);

	if (graph.spices == 0 && (rc != 0 || cause != LEAT_RUNNING))
		fail("the scope has a cause");
	if (must_be_late() && (rc != -ETIMEDOUT || cause != LEAT_DEADLINE))
		fail("the drain deadline has not ended it");
	if (rc == -ETIMEDOUT && !(graph.spices & LATE))
		fail("it did not drain");
	late_graphs += rc == -ETIMEDOUT;
}

static void stop_graph(void)
{
	bool late = graph.spices & LATE;
	int64_t now_ns = leat_now_ns(), deadline_ns = now_ns + (late ? draw(1000000) : LONG_NS);
	int rc = leat_scope_stop(graph.scope, deadline_ns, "the end");

	if (rc != 0 && (rc != -ECANCELED || !(graph.spices & FAILS)))
		fail("the stop was refused");
	/* with a deadline of its own, or what ends there would end a generator outside in time */
	if (draw(4) == 0 && leat_scope_stop(graph.inner, now_ns + LONG_NS, "again") == -EINVAL)
		fail("the second stop was refused");
	if (graph.spices & CANCELS && draw(2)) {
		wait_a_while();
		leat_scope_cancel(draw(2) ? graph.scope : graph.inner, 0, "after all");
	}
}

static void run_graph(void)
{
	struct leat_census before;
	char text[1000];
	int rc;

	leat_census_take(&before);
	memset(&graph, 0, sizeof(graph));
	graph.spices = draw(2) ? 0 : draw(1 << SPICES);
	graph.scope = leat_scope_open(NULL, NULL);
	graph.inner = leat_scope_open(graph.scope, NULL);
	graph.pool = leat_pool_open(
		&(struct leat_pool_opts){ .workers = 1 + draw(3), .workers_only = draw(2) });
	if (graph.scope == NULL || graph.inner == NULL || graph.pool == NULL)
		fail("no memory");
	build();
	wait_a_while();
	stop_graph();
	rc = leat_scope_join(graph.scope);
	check_cause(rc);
	leat_scope_close(graph.inner);
	leat_scope_close(graph.scope);
	leat_pool_close(graph.pool);
	check_items();
	if (leat_census_left(&before, text, sizeof(text)) > 0)
		fail(text);
}

int main(int argc, char **argv)
{
	long graphs = argc > 1 ? atol(argv[1]) * 100 : 300;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)leat_now_ns();

	for (long i = 0; i < graphs; i++) {
		graph_seed = seed + (uint64_t)i;
		random_state = graph_seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
		draw(2);
		if (getenv("LEAT_STRESS_SHOW") != NULL)
			printf("seed %llu\n", (unsigned long long)(seed + (uint64_t)i)),
				fflush(stdout);
		run_graph();
	}
	printf("stop: %ld graphs from seed %llu, %llu without losses, %llu too late, %llu items\n",
	       graphs, (unsigned long long)seed, (unsigned long long)plain_graphs,
	       (unsigned long long)late_graphs, (unsigned long long)items_in_all);
	if (items_in_all == 0)
		fail("no item was sent at all");
	if (graphs >= 300 && late_graphs == 0)
		fail("no drain deadline has passed");
	return 0;
}
