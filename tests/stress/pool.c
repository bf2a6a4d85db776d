/*
 * tests/stress/pool.c: generators and sinks on pools, by several threads: started, received from,
 * left, cancelled, failing, in stages, waiting for times and descriptors. After each round every
 * fini has run once and each stage has seen whole numbers in their order. And pairs whose steps
 * wait for one another, each of which needs a worker: no news of work may be lost.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "rounds.h"

#include <leat/gen.h>
#include <poll.h>
#include <sys/eventfd.h>

enum { THREADS = 3, STARTS = 12 };

struct round {
	struct leat_pool *pools[2];
	struct leat_scope *scopes[3];
	int fd; /* an eventfd that is never ready */
	uint32_t starts, finis;
};

static struct round now;

/* Numbers from 0, with waits of all sorts among them. */
struct source {
	uint64_t at, end, random;
	int64_t due_ns;
	int answer;
	uint32_t inside;
	bool waits;
};

static int wait_somehow(struct source *s)
{
	int rc;

	if (s->due_ns == 0) {
		if (!s->waits || below(&s->random, 40) != 0)
			return 0;
		s->due_ns = leat_now_ns() + (int64_t)below(&s->random, 300000);
	}
	if (s->random % 3 == 0) {
		rc = leat_ready(now.fd, POLLIN, s->due_ns);
		rc = rc == -ETIMEDOUT ? 0 : rc;
	} else {
		rc = leat_after(s->due_ns);
	}
	if (rc == 0)
		s->due_ns = 0;
	return rc;
}

static int next_of_source(void *state, void *item)
{
	struct source *s = state;
	int rc;

	if (leat_add_acqrel(&s->inside, 1u) != 0)
		blame("two turns at once", 0);
	rc = wait_somehow(s);
	if (rc == 0 && s->at == s->end)
		rc = s->answer;
	else if (rc == 0) {
		memcpy(item, &s->at, sizeof(s->at));
		s->at++;
		rc = 1;
	}
	leat_add_acqrel(&s->inside, UINT32_MAX);
	return rc;
}

static void free_source(void *state)
{
	leat_add_acqrel(&now.finis, 1u);
	free(state);
}

/* A stage adds one. */
struct stage {
	struct leat_seq from;
	uint64_t expected;
};

static void expect(uint64_t *expected, uint64_t got)
{
	if (got != *expected)
		blame("out of order:", (long)got);
	*expected = got + 1;
}

static int next_of_stage(void *state, void *item)
{
	struct stage *s = state;
	uint64_t n;
	int rc = s->from.next(s->from.state, &n);

	if (rc == 1) {
		expect(&s->expected, n);
		memcpy(item, &n, sizeof(n));
	}
	return rc;
}

static void free_stage(void *state)
{
	struct stage *s = state;

	s->from.fini(s->from.state);
	leat_add_acqrel(&now.finis, 1u);
	free(s);
}

struct drain {
	uint64_t expected, enough;
};

static int put_in_drain(void *state, const void *item)
{
	struct drain *d = state;
	uint64_t n;

	memcpy(&n, item, sizeof(n));
	expect(&d->expected, n);
	return d->expected == d->enough;
}

static void free_drain(void *state)
{
	leat_add_acqrel(&now.finis, 1u);
	free(state);
}

static struct leat_gen_opts draw_opts(uint64_t *random)
{
	struct leat_gen_opts opts = { .pool = below(random, 8) ? now.pools[below(random, 2)]
		                                               : NULL };

	opts.chan.kind = below(random, 2) ? LEAT_SPSC : (enum leat_kind)below(random, 4);
	opts.chan.capacity = 1 + below(random, 20);
	opts.chan.recv_wait = (enum leat_wait)below(random, 4);
	opts.chan.full_fence = below(random, 8) == 0;
	return opts;
}

static bool start_seq(uint64_t *random, struct leat_seq seq, struct leat_rx **rx)
{
	struct leat_gen_opts opts = draw_opts(random);
	int rc = leat_gen_seq(now.scopes[below(random, 3)], seq, &opts, rx);

	if (rc == 0) {
		leat_add_acqrel(&now.starts, 1u);
		return true;
	}
	if (rc != -ECANCELED || *rx != NULL)
		blame("a start answered", rc);
	return false;
}

/* A source with up to three stages behind it. NULL: its scope is cancelled. */
static struct leat_rx *start_pipeline(uint64_t *random)
{
	struct source *source = calloc(1, sizeof(*source));
	struct leat_rx *rx, *next;

	*source = (struct source){ .end = below(random, 500),
		                   .random = stress_random(random),
		                   .waits = below(random, 2) };
	source->answer = below(random, 10) == 0 ? -EIO : 0;
	if (!start_seq(random,
	               (struct leat_seq){ next_of_source, free_source, source, sizeof(uint64_t) },
	               &rx)) {
		free(source);
		return NULL;
	}
	for (uint64_t stages = below(random, 4); stages > 0; stages--) {
		struct stage *stage = calloc(1, sizeof(*stage));
		stage->from = leat_seq_from_rx(rx);
		if (!start_seq(
			    random,
			    (struct leat_seq){ next_of_stage, free_stage, stage, sizeof(uint64_t) },
			    &next)) {
			free(stage);
			break;
		}
		rx = next;
	}
	return rx;
}

static void sink_it(uint64_t *random, struct leat_rx *rx)
{
	struct leat_gen_opts opts = { .pool = below(random, 4) ? now.pools[below(random, 2)]
		                                               : NULL };
	struct drain *drain = calloc(1, sizeof(*drain));
	int rc;

	drain->enough = below(random, 3) ? 0 : 1 + below(random, 300);
	rc = leat_gen_sink(now.scopes[below(random, 3)], rx,
	                   (struct leat_sink){ put_in_drain, free_drain, drain }, &opts);
	if (rc == 0) {
		leat_add_acqrel(&now.starts, 1u);
		return;
	}
	if (rc != -ECANCELED)
		blame("a sink's start answered", rc);
	free(drain);
	leat_rx_close(rx);
}

static void receive_from(uint64_t *random, struct leat_rx *rx)
{
	uint64_t expected = 0, batch[8], most = below(random, 700);

	while (expected < most) {
		ssize_t n = below(random, 2) ? leat_recv_batch(rx, batch, 1 + below(random, 8))
		                             : leat_recv(rx, batch);
		if (n <= 0)
			break;
		for (ssize_t i = 0; i < n; i++)
			expect(&expected, batch[i]);
	}
	leat_rx_close(rx);
}

static void *start_many(void *arg)
{
	uint64_t random = *(uint64_t *)arg;

	for (int i = 0; i < STARTS; i++) {
		struct leat_rx *rx = start_pipeline(&random);
		if (rx != NULL && below(&random, 3) == 0)
			sink_it(&random, rx);
		else if (rx != NULL)
			receive_from(&random, rx);
		if (below(&random, 15) == 0)
			leat_scope_cancel(now.scopes[below(&random, 3)],
			                  below(&random, 2) ? -EPERM : 0, "at random");
	}
	return NULL;
}

static void run_mixed(uint64_t *random)
{
	struct leat_scope_opts opts = {
		.deadline_ns =
			below(random, 3) ? 0 : leat_now_ns() + 1 + (int64_t)below(random, 20000000)
	};
	pthread_t threads[THREADS];
	uint64_t seeds[THREADS];

	now.starts = now.finis = 0;
	now.scopes[0] = leat_scope_open(NULL, NULL);
	now.scopes[1] = leat_scope_open(now.scopes[0], &opts);
	now.scopes[2] = leat_scope_open(now.scopes[0], NULL);
	for (unsigned i = 0; i < 2; i++)
		now.pools[i] = leat_pool_open(&(struct leat_pool_opts){
			.workers = 1 + (unsigned)below(random, 3), .workers_only = i });
	for (int i = 0; i < THREADS; i++) {
		seeds[i] = stress_random(random);
		if (now.pools[0] == NULL || now.pools[1] == NULL ||
		    pthread_create(&threads[i], NULL, start_many, &seeds[i]) != 0)
			exit(2);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 2; i >= 0; i--)
		leat_scope_close(now.scopes[i]);
	if (leat_pool_close(now.pools[0]) != 0 || leat_pool_close(now.pools[1]) != 0)
		blame("a pool is busy", 0);
	if (now.starts != now.finis)
		blame("starts without a fini:", (long)now.starts - (long)now.finis);
}

/*
 * Steps that wait for one another: each of these needs a worker of its own, and there are as many.
 */
enum { PAIR = 2, MEETINGS = 50 };
static uint32_t met;

static int meet(void *state, void *item)
{
	(void)item;
	if (*(int *)state == 1) /* one that only gives others work */
		return 1;
	leat_add_acqrel(&met, 1u);
	while (leat_load_acq(&met) % PAIR != 0)
		sched_yield();
	return 0;
}

static void count_fini(void *state)
{
	(void)state;
	leat_add_acqrel(&now.finis, 1u);
}

static int take_all(void *state, const void *item)
{
	(void)item;
	return (int)leat_load_acq((uint32_t *)state);
}

static void start_meeting(struct leat_pool *pool, struct leat_scope *scope)
{
	static int nothing;
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = 1 };
	struct leat_rx *rx[PAIR];

	for (int i = 0; i < PAIR; i++)
		if (leat_gen_seq(scope, (struct leat_seq){ meet, count_fini, &nothing, 8 }, &opts,
		                 &rx[i]) != 0)
			exit(2);
	while (leat_load_acq(&now.finis) < PAIR)
		sched_yield();
	leat_add_acqrel(&now.finis, (uint32_t)-PAIR);
	for (int i = 0; i < PAIR; i++)
		leat_rx_close(rx[i]);
}

static void run_meetings(uint64_t *random)
{
	static int busy = 1;
	static uint32_t enough;
	struct leat_pool *pool = leat_pool_open(
		&(struct leat_pool_opts){ .workers = PAIR, .workers_only = below(random, 2) });
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .pool = pool, .chan = { .capacity = 1, .kind = LEAT_MPMC } };
	struct source waiting = { .waits = true,
		                  .due_ns = leat_now_ns() + INT64_C(3600000000000),
		                  .random = 3 };
	struct leat_rx *rx;

	now.finis = enough = 0;
	if (below(random, 2)) /* the keeper sleeps on descriptors */
		if (leat_gen_seq(scope, (struct leat_seq){ next_of_source, NULL, &waiting, 8 },
		                 &opts, &rx) != 0)
			exit(2);
	if (below(random, 2)) { /* a worker is never out of work */
		struct leat_rx *fed;
		if (leat_gen_seq(scope, (struct leat_seq){ meet, NULL, &busy, 8 }, &opts, &fed) !=
		            0 ||
		    leat_gen_sink(scope, fed, (struct leat_sink){ take_all, NULL, &enough },
		                  &(struct leat_gen_opts){ .pool = pool }) != 0)
			exit(2);
	}
	for (int i = 0; i < MEETINGS; i++) {
		for (uint64_t pauses = below(random, 2000); pauses > 0; pauses--)
			leat_pause();
		if (below(random, 4) == 0)
			usleep((useconds_t)below(random, 500));
		start_meeting(pool, scope);
	}
	leat_store_rel(&enough, 1u);
	leat_scope_cancel(scope, 0, NULL);
	leat_scope_join(scope);
	if (waiting.at != 0 || leat_pool_close(pool) != 0)
		blame("a pool is busy", 0);
	leat_scope_close(scope);
}

static uint64_t run(uint64_t *random)
{
	if (rounds.number % 4 == 3)
		run_meetings(random);
	else
		run_mixed(random);
	return now.starts;
}

int main(int argc, char **argv)
{
	int status;

	now.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	status = rounds_main("pool", run, "generators and sinks", argc, argv);
	close(now.fd);
	return status;
}
