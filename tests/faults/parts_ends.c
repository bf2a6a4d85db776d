/*
 * Parts of the workload: streams that end before their time. A consumer leaves, which a bound
 * receiver and a select hear of; a scope is stopped, by a call or by a signal.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "workload.h"

#include <leat/atomic.h>
#include <leat/leat.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { ENOUGH = 40, FILL = 7, FEEDERS = 2, CASES = 20 };
#define LONG_NS INT64_C(100000000000)

/* Each item that a send has accepted was received, discarded, or held by a stage as it ended. */
struct books {
	uint64_t accepted, received, discarded, in_hand; /* atomic */
};

static void count(uint64_t *counter)
{
	leat_add_rlx(counter, UINT64_C(1));
}

static void count_discard(void *item, void *arg)
{
	(void)item;
	count(&((struct books *)arg)->discarded);
}

static void check_books(const struct books *books)
{
	workload_that(books->accepted == books->received + books->discarded + books->in_hand);
}

static struct leat_chan_opts small_channel(struct books *books)
{
	return (struct leat_chan_opts){ .name = "ends",
		                        .kind = LEAT_MPSC,
		                        .capacity = 4,
		                        .discard = count_discard,
		                        .discard_arg = books };
}

struct feeder {
	struct books *books;
	uint32_t finis;
	bool runs;
};

/* Until it is refused. */
static int feed(struct leat_tx *out, void *arg)
{
	struct feeder *feeder = arg;
	uint64_t n = 0;
	int rc;

	while ((rc = leat_send(out, &n)) == 0) {
		n++;
		count(&feeder->books->accepted);
	}
	return rc;
}

static void end_feeder(void *arg)
{
	((struct feeder *)arg)->finis++;
}

/* --- a consumer that leaves --- */

struct stage {
	struct books *books;
	struct leat_rx *in;
	struct leat_scope *watched;
};

static int pass_on(struct stage *stage, struct leat_tx *out, const uint64_t *item)
{
	int rc = leat_send(out, item);

	if (rc < 0)
		count(&stage->books->in_hand);
	return rc;
}

static int relay_bound(struct leat_tx *out, void *arg)
{
	struct stage *stage = arg;
	uint64_t item;
	int rc = leat_rx_bind(stage->in, out);

	while (rc == 0 && (rc = leat_recv(stage->in, &item)) == 1)
		rc = pass_on(stage, out, &item);
	leat_rx_close(stage->in);
	return rc;
}

/* Of more cases than a select has room for without memory of its own. */
static int relay_by_select(struct leat_tx *out, void *arg)
{
	struct stage *stage = arg;
	uint64_t item;
	struct leat_case cases[CASES] = {
		[3] = LEAT_CASE_RECV(stage->in, &item),
		[9] = LEAT_CASE_DONE(out),
		[17] = LEAT_CASE_SCOPE(stage->watched),
	};
	int rc = 0, done;

	do {
		done = leat_select(cases, CASES, LEAT_NEVER, LEAT_BY_CHANCE);
		if (done == 3 && cases[3].answer == 1)
			rc = pass_on(stage, out, &item);
	} while (rc == 0 && done == 3 && cases[3].answer == 1);
	leat_rx_close(stage->in);
	if (done < 0)
		return done;
	return rc != 0 || done == 17 ? rc : cases[done].answer;
}

/* A stage between rx and what becomes rx. One that cannot be had is left out. */
static int add_stage(struct stage *stage, struct leat_scope *scope, leat_gen_fn *fn,
                     struct leat_rx **rx)
{
	struct leat_gen_opts opts = { .chan = small_channel(stage->books) };
	struct leat_rx *out;
	int rc;

	stage->in = *rx;
	rc = leat_gen(scope, fn, stage, sizeof(uint64_t), &opts, &out);
	if (rc == 0)
		*rx = out;
	return rc;
}

/* Receives at least so many items, if they come; by fills. */
static int receive_enough(struct books *books, struct leat_rx *rx)
{
	uint64_t items[FILL];
	ssize_t n = 0;

	for (uint64_t received = 0; received < ENOUGH; received += (uint64_t)n) {
		n = leat_recv_fill(rx, items, FILL, LEAT_NEVER);
		if (n <= 0)
			break;
		leat_add_rlx(&books->received, (uint64_t)n);
	}
	return (int)n;
}

/*
 * A feeder, a bound stage and a stage that selects; then the consumer leaves, or the scope is
 * cancelled that the select watches. None of them fails by that.
 */
static int run_leaving(struct leat_scope *scope, struct leat_scope *watched, bool leaves)
{
	struct books books = { 0 };
	struct feeder feeder = { .books = &books };
	struct stage stages[2] = { { .books = &books, .watched = watched },
		                   { .books = &books, .watched = watched } };
	struct leat_gen_opts opts = { .chan = small_channel(&books) };
	struct leat_rx *rx;
	int rc = leat_gen(scope, feed, &feeder, sizeof(uint64_t), &opts, &rx), result = rc;

	if (rc != 0)
		return rc;
	rc = add_stage(&stages[0], scope, relay_bound, &rx);
	result = rc != 0 ? rc : result;
	rc = add_stage(&stages[1], scope, relay_by_select, &rx);
	result = rc != 0 ? rc : result;
	receive_enough(&books, rx);
	if (leaves)
		leat_rx_close(rx);
	leat_scope_cancel(watched, 0, "enough");
	if (!leaves)
		while (rc == 0 && receive_enough(&books, rx) > 0)
			;
	if (!leaves)
		leat_rx_close(rx);
	rc = leat_scope_join(scope);
	workload_that(rc == 0 || rc == workload_expected());
	check_books(&books);
	return result != 0 ? result : rc;
}

static int leaving(bool leaves)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL),
			  *watched = leat_scope_open(NULL, NULL);
	int rc = WORKLOAD_NOTHING;

	if (scope != NULL && watched != NULL)
		rc = run_leaving(scope, watched, leaves);
	leat_scope_close(scope);
	workload_that(leat_scope_close(watched) == 0);
	return rc;
}

int workload_consumer_leaves(void)
{
	return leaving(true);
}

int workload_watched_scope(void)
{
	return leaving(false);
}

/* --- a stop --- */

struct graph {
	struct leat_scope *scope;
	struct leat_pool *pool;
	struct books books;
	struct feeder feeders[FEEDERS];
	struct leat_rx *rx;
	int result; /* what could not be had */
};

static void note_result(struct graph *graph, int rc)
{
	if (rc != 0)
		graph->result = rc;
}

/* Two sources that share a channel, and a stage behind it, on a pool if it can be had. */
static void start_graph(struct graph *graph)
{
	struct leat_chan_opts opts = small_channel(&graph->books);
	struct leat_gen_opts feeds = { .source = true, .fini = end_feeder },
			     stage = { .chan = opts, .pool = graph->pool };
	struct leat_tx *tx;
	struct leat_rx *out;
	int rc = leat_chan_open(graph->scope, sizeof(uint64_t), &opts, &tx, &graph->rx);

	note_result(graph, rc);
	if (rc != 0)
		return;
	for (int i = 0; i < FEEDERS; i++) {
		struct feeder *feeder = &graph->feeders[i];
		struct leat_tx *clone = leat_tx_clone(tx);

		feeder->books = &graph->books;
		rc = clone == NULL ? WORKLOAD_NOTHING
		                   : leat_gen_into(graph->scope, feed, feeder, clone, &feeds);
		feeder->runs = rc == 0;
		if (rc != 0)
			leat_tx_close(clone);
		note_result(graph, rc);
	}
	leat_tx_close(tx);
	rc = leat_gen_seq(graph->scope, leat_seq_from_rx(graph->rx), &stage, &out);
	note_result(graph, rc);
	if (rc == 0)
		graph->rx = out;
}

/* To the end, or to what ends it; by fills that have a deadline. */
static int receive_rest(struct graph *graph)
{
	uint64_t items[FILL];
	ssize_t n;

	do {
		n = leat_recv_fill(graph->rx, items, FILL, leat_now_ns() + 1000000);
		if (n > 0)
			leat_add_rlx(&graph->books.received, (uint64_t)n);
	} while (n > 0 || n == -ETIMEDOUT);
	return (int)n;
}

/*
 * A stop that has no thread or no memory for its deadline has stopped nothing: items come as
 * before. One without a deadline needs neither.
 */
static void stop_graph(struct graph *graph)
{
	int rc;

	receive_enough(&graph->books, graph->rx);
	rc = leat_scope_stop(graph->scope, leat_now_ns() + LONG_NS, "enough");
	if (rc == 0 || rc == -ECANCELED) /* cancelled by a failure, which the join tells of */
		return;
	note_result(graph, rc);
	workload_that(rc == workload_expected());
	workload_that(!leat_scope_stopping(graph->scope));
	receive_enough(&graph->books, graph->rx);
	rc = leat_scope_stop(graph->scope, LEAT_NEVER, "enough");
	workload_that(rc == 0 || rc == -ECANCELED);
}

static void end_graph(struct graph *graph)
{
	int ended = receive_rest(graph), rc = leat_scope_join(graph->scope);

	workload_that(rc == 0 || rc == workload_expected());
	note_result(graph, rc);
	if (rc == 0)
		workload_that(ended == 0 && graph->books.received == graph->books.accepted);
	leat_rx_close(graph->rx);
	for (int i = 0; i < FEEDERS; i++)
		workload_that(graph->feeders[i].finis == (graph->feeders[i].runs ? 1 : 0));
}

int workload_stop(void)
{
	struct graph graph = { .scope = leat_scope_open(NULL, NULL),
		               .pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 }) };

	note_result(&graph, graph.pool == NULL ? WORKLOAD_NOTHING : 0);
	if (graph.scope != NULL) {
		start_graph(&graph);
		if (graph.rx != NULL) {
			stop_graph(&graph);
			end_graph(&graph);
		}
		leat_scope_close(graph.scope);
		check_books(&graph.books);
	}
	workload_that(leat_pool_close(graph.pool) == 0);
	return graph.scope == NULL ? WORKLOAD_NOTHING : graph.result;
}

/* --- a drain deadline that passes --- */

/* It is no source: nothing tells it to end, but the cancel. */
static int run_late(struct leat_scope *scope)
{
	struct books books = { 0 };
	struct feeder feeder = { .books = &books };
	struct leat_gen_opts opts = { .chan = small_channel(&books) };
	struct leat_rx *rx;
	const char *text;
	int rc = leat_gen(scope, feed, &feeder, sizeof(uint64_t), &opts, &rx), stopped;

	if (rc != 0) {
		leat_scope_close(scope);
		return rc;
	}
	receive_enough(&books, rx);
	stopped = leat_scope_stop(scope, leat_now_ns() + 1000000, "enough");
	if (stopped == 0) {
		workload_that(leat_scope_join(scope) == -ETIMEDOUT);
		workload_that(leat_scope_cause(scope, NULL, &text) == LEAT_DEADLINE);
		workload_that(strstr(text, "\"ends\"") != NULL);
	} else {
		workload_that(leat_scope_cause(scope, NULL, NULL) == LEAT_RUNNING);
	}
	leat_rx_close(rx);
	rc = leat_scope_close(scope);
	workload_that(rc == (stopped == 0 ? -ETIMEDOUT : 0));
	check_books(&books);
	return stopped;
}

int workload_late_drain(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);

	return scope == NULL ? WORKLOAD_NOTHING : run_late(scope);
}

/* --- a signal that stops --- */

/* The signal stops the scope; where it cannot have its deadline, it cancels. */
static void obey_signal(struct graph *graph)
{
	const char *text;
	int ended;

	receive_enough(&graph->books, graph->rx);
	workload_that(kill(getpid(), WORKLOAD_SIGNAL) == 0);
	ended = receive_rest(graph);
	workload_that(leat_scope_join(graph->scope) == 0);
	if (leat_scope_cause(graph->scope, NULL, &text) == LEAT_CANCELED)
		workload_that(workload_expected() != 0 && strcmp(text, "SIGHUP") == 0);
	else
		workload_that(ended == 0 && leat_scope_stopping(graph->scope) &&
		              graph->books.received == graph->books.accepted);
}

int workload_signal(void)
{
	struct graph graph = { .scope = leat_scope_open(NULL, NULL) };
	struct leat_gen_opts opts = { .chan = small_channel(&graph.books), .source = true };
	sigset_t signals;
	int rc, started;

	if (graph.scope == NULL)
		return WORKLOAD_NOTHING;
	sigemptyset(&signals);
	sigaddset(&signals, WORKLOAD_SIGNAL);
	rc = leat_scope_stop_on_signals(graph.scope, &signals, LONG_NS);
	graph.feeders[0].books = &graph.books;
	started =
		leat_gen(graph.scope, feed, &graph.feeders[0], sizeof(uint64_t), &opts, &graph.rx);
	if (started == 0 && rc == 0)
		obey_signal(&graph);
	leat_rx_close(graph.rx);
	leat_scope_close(graph.scope);
	check_books(&graph.books);
	return rc != 0 ? rc : started;
}
