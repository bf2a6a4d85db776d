/*
 * tests/soak/soak.c: whatever can be built, for as long as one likes.
 *
 *     soak [--seconds N] [--seed S] [--round R]
 *
 * Each round draws a topology: pipelines that run side by side in a tree of scopes, each with a few
 * sources, stages and sinks of one to three threads, and between them channels of any kind,
 * capacity, policy and wait. Threads send and receive by any call, clone their handles, leave
 * early, or fail; stages are bound to their output, sources take permits from a rate. Scopes have
 * deadlines, are stopped, cancelled or closed at any moment; in some rounds memory and threads fail
 * and waits end early. Some rounds run a flow instead. After each of them:
 *
 *     every item that was made has one owner: it was received, discarded, or stayed with who could
 *     not send it
 *     single threads keep the order of each source; where nothing drops, fails or ends early, every
 *     item arrives
 *     the books of every channel balance in every snapshot
 *     nothing is left behind (tests/census.h)
 *
 * A line tells of progress every ten seconds. A round is drawn from the seed and its number, so
 * that one alone can be had again with both (--round), as far as the scheduler lets it. Exits with
 * 1 at the first round that is wrong or hangs.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "tests/census.h"
#include "tests/faults/inject.h"
#include "tools/leat/flow/flow.h"
#include "tools/leat/flow/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <leat/atomic.h>
#include <leat/leat.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	PIPELINES = 3,
	GROUPS = 5,
	MEMBERS = 3,
	SCOPES = 5,
	PER_SOURCE = 2000,
	ITEMS = MEMBERS * PER_SOURCE,
	BATCH = 8,
	HANG_S = 90
};

struct pipeline {
	int groups; /* sources, stages, sinks */
	int members[GROUPS];
	struct leat_tx *tx[GROUPS - 1];
	struct leat_rx *rx[GROUPS - 1];
	bool keeps_order, keeps_all;
	uint32_t made[ITEMS], owners[ITEMS], received; /* atomic */
	uint32_t refused;                              /* atomic: by a stop; the sender has them */
};

struct worker {
	struct pipeline *pipeline;
	struct leat_tx *tx; /* NULL: a sink */
	struct leat_rx *rx; /* NULL: a source */
	uint64_t random, limit, first;
	int answer;
	bool into; /* tx is the library's: leat_gen_into() */
	bool bound, paced, source;
	bool closes_all;
	uint64_t last[MEMBERS];
};

static struct {
	uint64_t seed, number, items, ends, flows, stops;
	int64_t began_ns;
	bool injects, fails;
	uint32_t ticks; /* atomic */
	struct leat_scope *scopes[SCOPES];
	struct leat_rate *rate; /* of the round; NULL: none */
	struct pipeline pipelines[PIPELINES];
	struct worker workers[PIPELINES][GROUPS][MEMBERS];
	uint64_t imbalances, snapshots; /* atomic */
} soak;

static uint64_t draw(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t below(uint64_t *state, uint64_t n)
{
	return draw(state) % n;
}

static _Noreturn void fail(const char *what, uint64_t n)
{
	fprintf(stderr, "soak: FAILED: %s %" PRIu64 ": --seed %" PRIu64 " --round %" PRIu64 "\n",
	        what, n, soak.seed, soak.number);
	_exit(1);
}

/*
 * A second has passed in which this process could run: those in which it was stopped come as one.
 */
static void tick(int number)
{
	(void)number;
	if (leat_add_rlx(&soak.ticks, 1u) == HANG_S)
		/* not safe in a handler, and the last that this program does */
		fail("hung, seconds:", HANG_S);
}

static void own(struct pipeline *pipeline, uint64_t n)
{
	if (n >= ITEMS)
		fail("an item from nowhere:", n);
	if (leat_add_acqrel(&pipeline->owners[n], 1u) != 0)
		fail("two owners of item", n);
}

static void discard(void *item, void *pipeline)
{
	uint64_t n;

	memcpy(&n, item, sizeof(n));
	own(pipeline, n);
}

static bool is_end(ssize_t rc)
{
	return rc == -EPIPE || rc == -ECANCELED || rc == -ESHUTDOWN;
}

/*
 * All of them, by some call each time; what could not be sent stays with us. Answers 0 or why it
 * ends.
 */
static int send_all(struct worker *worker, const uint64_t *items, size_t n)
{
	size_t done = 0;
	ssize_t rc = 0;
	void *room;

	while (done < n && !is_end(rc)) {
		switch (below(&worker->random, 5)) {
		case 0:
			rc = leat_send_batch(worker->tx, items + done, n - done);
			break;
		case 1:
			rc = leat_try_send_batch(worker->tx, items + done, n - done);
			break;
		case 2:
			rc = leat_send_until(worker->tx, &items[done],
			                     leat_now_ns() +
			                             (int64_t)below(&worker->random, 50000));
			rc = rc == 0 ? 1 : rc;
			break;
		case 3:
			rc = leat_reserve(worker->tx, n - done, &room);
			if (rc > 0) {
				rc = (ssize_t)below(&worker->random, (uint64_t)rc + 1);
				memcpy(room, items + done, (size_t)rc * sizeof(*items));
				if (leat_commit(worker->tx, (size_t)rc) != 0)
					fail("a commit failed of", (uint64_t)rc);
			}
			break;
		default:
			rc = leat_send(worker->tx, &items[done]);
			rc = rc == 0 ? 1 : rc;
		}
		if (rc > 0)
			done += (size_t)rc;
		else if (rc != 0 && rc != -EAGAIN && rc != -ETIMEDOUT && !is_end(rc))
			fail("a send answered", (uint64_t)-rc);
	}
	if (rc == -ESHUTDOWN)
		leat_add_rlx(&worker->pipeline->refused, (uint32_t)(n - done));
	for (; done < n; done++)
		own(worker->pipeline, items[done]);
	return is_end(rc) ? (int)rc : 0;
}

static ssize_t receive_some(struct worker *worker, uint64_t items[BATCH])
{
	size_t max = 1 + below(&worker->random, BATCH);
	const void *there;
	ssize_t rc;

	switch (below(&worker->random, 6)) {
	case 0:
		return leat_recv_batch(worker->rx, items, max);
	case 1:
		return leat_try_recv_batch(worker->rx, items, max);
	case 2:
		return leat_recv_until(worker->rx, items,
		                       leat_now_ns() + (int64_t)below(&worker->random, 50000));
	case 3:
		return leat_recv_fill(worker->rx, items, max,
		                      leat_now_ns() + (int64_t)below(&worker->random, 50000));
	case 4:
		rc = leat_peek(worker->rx, max, &there);
		if (rc > 0) {
			memcpy(items, there, (size_t)rc * sizeof(*items));
			if (leat_release(worker->rx, (size_t)rc) != 0)
				fail("a release failed of", (uint64_t)rc);
		}
		return rc;
	default:
		return leat_recv(worker->rx, items);
	}
}

static void take(struct worker *worker, uint64_t n)
{
	struct pipeline *pipeline = worker->pipeline;
	uint64_t *last = &worker->last[n / PER_SOURCE % MEMBERS];

	if (pipeline->keeps_order && *last > n)
		fail("out of order:", n);
	*last = n + 1;
	if (worker->tx != NULL)
		return;
	own(pipeline, n);
	leat_add_rlx(&pipeline->received, 1u);
}

static void change_handles(struct worker *worker)
{
	struct leat_tx *tx = worker->tx != NULL && !worker->into ? leat_tx_clone(worker->tx) : NULL;
	struct leat_rx *rx = worker->rx != NULL ? leat_rx_clone(worker->rx) : NULL;

	if (tx != NULL) {
		leat_tx_close(worker->tx);
		worker->tx = tx;
	}
	if (rx != NULL) {
		leat_rx_close(worker->rx);
		worker->rx = rx;
	}
}

static int make(struct worker *worker)
{
	uint64_t items[BATCH];
	int rc = 0;

	if (worker->source)
		leat_tx_source(worker->tx, true);
	for (uint64_t n = 0; n < worker->limit && rc == 0;) {
		size_t k = 1 + below(&worker->random, BATCH);

		if (worker->paced)
			rc = leat_rate_take(soak.rate, (uint32_t)k, NULL, LEAT_NEVER);
		if (rc != 0)
			break;

		if (k > worker->limit - n)
			k = worker->limit - n;
		for (size_t i = 0; i < k; i++) {
			items[i] = worker->first + n + i;
			leat_store_rlx(&worker->pipeline->made[items[i]], 1u);
		}
		rc = send_all(worker, items, k);
		n += k;
		if (below(&worker->random, 64) == 0)
			change_handles(worker);
	}
	return rc;
}

static int pass(struct worker *worker)
{
	uint64_t items[BATCH];
	int rc = worker->bound ? leat_rx_bind(worker->rx, worker->tx) : 0;

	if (rc == -ENOMEM && soak.injects)
		rc = 0; /* it hears of its output's end with its next send */
	else if (rc != 0)
		fail("a binding answered", (uint64_t)-rc);
	for (uint64_t calls = 0; calls < worker->limit && rc == 0; calls++) {
		ssize_t n = receive_some(worker, items);

		if (n == 0 || is_end(n))
			return (int)n;
		if (n < 0 && n != -EAGAIN && n != -ETIMEDOUT)
			fail("a receive answered", (uint64_t)-n);
		if (n < 0)
			sched_yield();
		for (ssize_t i = 0; i < n; i++)
			take(worker, items[i]);
		if (n > 0 && worker->tx != NULL)
			rc = send_all(worker, items, (size_t)n);
		if (below(&worker->random, 64) == 0)
			change_handles(worker);
	}
	return rc;
}

static int work(struct leat_tx *out, void *arg)
{
	struct worker *worker = arg;

	if (worker->rx == NULL)
		make(worker);
	else
		pass(worker);
	leat_rx_close(worker->rx);
	if (worker->closes_all)
		leat_tx_close_all(worker->tx);
	else if (!worker->into)
		leat_tx_close(worker->tx);
	return worker->answer != 0 ? leat_tx_fail(out, worker->answer, "as drawn") : 0;
}

/* Setting up: what fails here is left out. */

static struct leat_chan_opts draw_channel(struct pipeline *pipeline, int at, uint64_t *random)
{
	bool many_tx = pipeline->members[at] > 1 || below(random, 2),
	     many_rx = pipeline->members[at + 1] > 1 || below(random, 2);
	struct leat_chan_opts opts = {
		.kind = many_tx ? (many_rx ? LEAT_MPMC : LEAT_MPSC)
		                : (many_rx ? LEAT_SPMC : LEAT_SPSC),
		.capacity = 1 + (below(random, 3) ? below(random, 8) : below(random, 500)),
		.send_wait = (enum leat_wait)below(random, 4),
		.recv_wait = (enum leat_wait)below(random, 4),
		.overflow = below(random, 4) ? LEAT_BLOCK : (enum leat_overflow)below(random, 3),
		.full_fence = below(random, 4) == 0,
		.discard = discard,
		.discard_arg = pipeline,
	};

	pipeline->keeps_all = pipeline->keeps_all && opts.overflow == LEAT_BLOCK;
	return opts;
}

static struct leat_scope *any_scope(uint64_t *random)
{
	return soak.scopes[below(random, SCOPES)];
}

/* False: a channel could not be had, and nothing is left open. */
static bool open_channels(struct pipeline *pipeline, uint64_t *random)
{
	for (int at = 0; at + 1 < pipeline->groups; at++) {
		struct leat_chan_opts opts = draw_channel(pipeline, at, random);
		int rc = leat_chan_open(any_scope(random), sizeof(uint64_t), &opts,
		                        &pipeline->tx[at], &pipeline->rx[at]);

		if (rc == 0)
			continue;
		if (rc != -ECANCELED && !(soak.injects && (rc == -ENOMEM || rc == -EINVAL)))
			fail("an open answered", (uint64_t)-rc);
		while (at-- > 0) {
			leat_tx_close(pipeline->tx[at]);
			leat_rx_close(pipeline->rx[at]);
		}
		return false;
	}
	return true;
}

static void draw_worker(struct pipeline *pipeline, struct worker *worker, int group, int member,
                        uint64_t *random)
{
	bool source = group == 0, sink = group + 1 == pipeline->groups;

	*worker = (struct worker){ .pipeline = pipeline,
		                   .random = draw(random),
		                   .first = (uint64_t)member * PER_SOURCE };
	worker->limit = source ? below(random, PER_SOURCE) : UINT64_MAX;
	if (!source && below(random, 12) == 0) {
		worker->limit = below(random, 300);
		pipeline->keeps_all = false;
	}
	if (below(random, 12) == 0) {
		worker->answer = -EIO;
		soak.fails = true; /* which cancels its scope, and who else is in it */
	}
	worker->source = source && below(random, 2);
	worker->paced = source && soak.rate != NULL && below(random, 3) == 0;
	worker->bound = !source && !sink && below(random, 3) == 0;
	worker->into = !sink && below(random, 3) == 0;
	if (!sink && !worker->into && below(random, 24) == 0) {
		worker->closes_all = true;
		pipeline->keeps_all = false;
	}
	if (!sink)
		worker->tx = member == 0 ? pipeline->tx[group] : leat_tx_clone(pipeline->tx[group]);
	if (!source)
		worker->rx = member == 0 ? pipeline->rx[group - 1]
		                         : leat_rx_clone(pipeline->rx[group - 1]);
}

static void start_worker(struct worker *worker, bool source, bool sink, uint64_t *random)
{
	int rc = -ENOMEM;

	if ((source || worker->rx != NULL) && (sink || worker->tx != NULL))
		rc = worker->into ? leat_gen_into(any_scope(random), work, worker, worker->tx, NULL)
		                  : leat_gen(any_scope(random), work, worker, 0, NULL, NULL);
	if (rc == 0)
		return;
	if (rc != -ECANCELED &&
	    !(soak.injects && (rc == -ENOMEM || rc == -EAGAIN || rc == -EINVAL)))
		fail("a start answered", (uint64_t)-rc);
	worker->pipeline->keeps_all = false;
	leat_rx_close(worker->rx);
	leat_tx_close(worker->tx);
}

static void start_pipeline(int number, uint64_t *random)
{
	struct pipeline *pipeline = &soak.pipelines[number];

	memset(pipeline, 0, sizeof(*pipeline));
	pipeline->groups = 2 + (int)below(random, GROUPS - 1);
	pipeline->keeps_order = pipeline->keeps_all = true;
	for (int group = 0; group < pipeline->groups; group++) {
		pipeline->members[group] = below(random, 2) ? 1 : 1 + (int)below(random, MEMBERS);
		if (group > 0 && group + 1 < pipeline->groups && pipeline->members[group] > 1)
			pipeline->keeps_order = false;
	}
	if (!open_channels(pipeline, random)) {
		pipeline->groups = 0;
		return;
	}
	/* a handle is cloned before its thread has it */
	for (int group = 0; group < pipeline->groups; group++)
		for (int i = 0; i < pipeline->members[group]; i++)
			draw_worker(pipeline, &soak.workers[number][group][i], group, i, random);
	for (int group = 0; group < pipeline->groups; group++)
		for (int i = 0; i < pipeline->members[group]; i++)
			start_worker(&soak.workers[number][group][i], group == 0,
			             group + 1 == pipeline->groups, random);
}

static void check_pipeline(const struct pipeline *pipeline, bool whole)
{
	uint64_t made = 0;

	for (uint64_t n = 0; n < ITEMS; n++) {
		if (pipeline->made[n] != pipeline->owners[n])
			fail("lost, or not made and yet there:", n);
		made += pipeline->made[n];
	}
	if (whole && pipeline->keeps_all && pipeline->received + pipeline->refused != made)
		fail("everything was sent and nothing ended early, but not received:",
		     made - pipeline->received - pipeline->refused);
	soak.items += made;
}

static void open_scopes(bool deadlines, uint64_t *random)
{
	for (int i = 0; i < SCOPES; i++) {
		struct leat_scope_opts opts = { 0 };

		if (deadlines && below(random, 3) == 0)
			opts.deadline_ns = leat_now_ns() + 1 + (int64_t)below(random, 20000000);
		soak.scopes[i] = leat_scope_open(
			i == 0 ? NULL : soak.scopes[below(random, (uint64_t)i)], &opts);
		if (soak.scopes[i] == NULL && !soak.injects)
			fail("a scope could not be opened:", (uint64_t)i);
		/* without a deadline it needs memory alone, of which there is more next time */
		while (soak.scopes[i] == NULL)
			soak.scopes[i] = leat_scope_open(NULL, NULL);
	}
}

static void look(const struct leat_snapshot *snapshot, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < snapshot->channels_count; i++) {
		const struct leat_chan_stat *chan = &snapshot->channels[i];
		uint64_t sum = chan->delivered + chan->rejected + chan->in_flight;

		for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
			sum += chan->dropped[reason];
		if (sum != chan->offered || chan->in_flight > chan->capacity ||
		    chan->peak > chan->capacity)
			leat_add_rlx(&soak.imbalances, UINT64_C(1));
	}
	leat_add_rlx(&soak.snapshots, UINT64_C(1));
}

/* Sources end, and all that they have sent arrives. Without memory or a thread nothing is stopped.
 */
static void stop_any(uint64_t *random)
{
	int64_t deadline_ns =
		below(random, 2) ? LEAT_NEVER : leat_now_ns() + HANG_S * INT64_C(2000000000);
	int rc = leat_scope_stop(any_scope(random), deadline_ns, "at random");

	if (rc != 0 && rc != -ECANCELED && !(soak.injects && (rc == -ENOMEM || rc == -EAGAIN)))
		fail("a stop answered", (uint64_t)-rc);
	soak.stops += rc == 0;
}

static void run_pipelines(uint64_t *random)
{
	bool cancels = below(random, 3) == 0, deadlines = below(random, 4) == 0,
	     closes = below(random, 6) == 0, stops = below(random, 3) == 0;
	struct leat_diag *diag =
		below(random, 2) ? leat_diag_start(&(struct leat_diag_opts){ .interval_ns = 500000,
	                                                                     .callback = look })
				 : NULL;
	int pipelines = 1 + (int)below(random, PIPELINES);

	if (soak.injects) {
		inject_seed(draw(random));
		inject_one_in(INJECT_ALLOC, 60, ENOMEM);
		inject_one_in(INJECT_THREAD, 20, EAGAIN);
		inject_one_in(INJECT_SLEEP, 3, EINTR);
		inject_one_in(INJECT_CONDITION, 3, 0);
	}
	soak.fails = false;
	soak.rate = below(random, 2) ? leat_rate_open(&(struct leat_rate_opts){
					       .per_second = 1e6, .burst = 4 * BATCH })
	                             : NULL;
	open_scopes(deadlines, random);
	for (int i = 0; i < pipelines; i++)
		start_pipeline(i, random);
	for (uint64_t n = cancels || closes || stops ? below(random, 3000) : 0; n > 0; n--)
		sched_yield();
	if (stops)
		stop_any(random);
	if (cancels)
		leat_scope_cancel(any_scope(random), below(random, 2) ? -EBADMSG : 0, "at random");
	soak.ends += cancels + deadlines + closes;
	/* a closed one is cancelled, with all that is in it */
	for (int i = 0; i < SCOPES && !closes; i++)
		leat_scope_join(soak.scopes[i]);
	for (uint64_t first = below(random, SCOPES), i = 0; i < SCOPES; i++)
		leat_scope_close(soak.scopes[(first + i) % SCOPES]);
	leat_diag_stop(diag);
	if (leat_rate_close(soak.rate) != 0)
		fail("a rate has waiters that are gone", 0);
	inject_off();
	for (int i = 0; i < pipelines; i++)
		if (soak.pipelines[i].groups != 0)
			check_pipeline(&soak.pipelines[i],
			               !cancels && !deadlines && !closes && !soak.fails);
	if (leat_load_acq(&soak.imbalances) != 0)
		fail("books that do not balance:", leat_load_acq(&soak.imbalances));
}

/* A flow that counts to n, and as many lines in its file. */
static void run_flow(uint64_t *random)
{
	struct leat_run_opts opts = { .capacity = 1 + below(random, 100),
		                      .wait = (enum leat_wait)below(random, 4) };
	uint64_t n = 1 + below(random, 5000), lines = 0;
	char text[200], why[LEAT_RUN_WHY], path[64];
	struct leat_mistake mistake;
	struct leat_stages stages;
	struct leat_run *flow;
	FILE *file;

	snprintf(path, sizeof(path), "/tmp/leat-soak-%d", getpid());
	snprintf(text, sizeof(text),
	         "count:%" PRIu64 " | workers:%u map:trim | workers:%u grep:. | field:1 | file:%s",
	         n, 1 + (unsigned)below(random, 3), 1 + (unsigned)below(random, 3), path);
	if (leat_stages_parse(text, &stages, &mistake) != 0 ||
	    leat_run_open(&flow, &stages, &opts, why) != 0 || leat_run_start(flow) != 0)
		fail("a flow did not start, of", n);
	while (!leat_run_over(flow))
		poll(&(struct pollfd){ .fd = flow->events_fd, .events = POLLIN }, 1, -1);
	leat_run_free(flow);
	file = fopen(path, "re");
	if (file == NULL)
		fail("a flow left no file, of", n);
	for (int c; (c = getc(file)) != EOF;)
		lines += c == '\n';
	fclose(file);
	unlink(path);
	if (lines != n)
		fail("a flow lost lines:", n - lines);
	soak.items += n;
	soak.flows++;
}

static void progress(void)
{
	printf("%4" PRId64 " s: %" PRIu64 " rounds, %" PRIu64 " items, %" PRIu64
	       " faults injected, %" PRIu64 " ends forced, %" PRIu64 " stops, %" PRIu64
	       " flows, %" PRIu64 " snapshots\n",
	       (leat_now_ns() - soak.began_ns) / 1000000000, soak.number, soak.items,
	       inject_total(), soak.ends, soak.stops, soak.flows, leat_load_acq(&soak.snapshots));
	fflush(stdout);
}

static void run_round(void)
{
	uint64_t random = soak.seed ^ (soak.number * UINT64_C(0xd1342543de82ef95) + 1);
	struct leat_census before;
	char words[400];

	leat_store_rlx(&soak.ticks, 0u);
	soak.injects = below(&random, 5) == 0;
	leat_census_take(&before);
	if (below(&random, 16) == 0)
		run_flow(&random);
	else
		run_pipelines(&random);
	if (leat_census_left(&before, words, sizeof(words)))
		fail(words, 0);
}

int main(int argc, char **argv)
{
	int64_t seconds = 10, told_ns, end_ns;
	uint64_t only = UINT64_MAX;

	soak.began_ns = told_ns = leat_now_ns();
	soak.seed = (uint64_t)soak.began_ns ^ ((uint64_t)getpid() << 32);
	for (int i = 1; i < argc; i += 2) {
		if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
			seconds = atoll(argv[i + 1]);
		else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0)
			soak.seed = strtoull(argv[i + 1], NULL, 0);
		else if (i + 1 < argc && strcmp(argv[i], "--round") == 0)
			only = strtoull(argv[i + 1], NULL, 0);
		else
			return fprintf(stderr,
			               "usage: soak [--seconds N] [--seed S] [--round R]\n"),
			       2;
	}
	printf("soak: seed %" PRIu64 "\n", soak.seed);
	signal(SIGALRM, tick);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 1, 0 }, { 1, 0 } }, NULL);
	end_ns = soak.began_ns + seconds * 1000000000;
	for (soak.number = only == UINT64_MAX ? 0 : only; leat_now_ns() < end_ns;
	     soak.number += only == UINT64_MAX) {
		run_round();
		if (leat_now_ns() - told_ns < INT64_C(10000000000))
			continue;
		told_ns = leat_now_ns();
		progress();
	}
	progress();
	return 0;
}
