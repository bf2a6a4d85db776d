/*
 * Each flow here runs for ever, and its limit is known. Most are a source "first", a stage "second"
 * and a sink "third" on threads of their own, with short channels between them, of which one is
 * slow in some way.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/why/corpus.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define US INT64_C(1000)

static _Noreturn void give_up(const char *what, int rc)
{
	fprintf(stderr, "corpus: %s: %s\n", what, strerror(-rc));
	abort();
}

static void must(const char *what, int rc)
{
	if (rc != 0)
		give_up(what, rc);
}

/* --- ways to be slow --- */

enum way { FAST, SLEEPS, COMPUTES, READS, PAUSES, RATED, PERMITTED, RETRIES };

struct slow {
	enum way way;
	int64_t ns; /* for each item */
};

static void sleep_ns(int64_t ns)
{
	nanosleep(&(struct timespec){ .tv_sec = ns / (1000 * MS), .tv_nsec = ns % (1000 * MS) },
	          NULL);
}

static int64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void compute(int64_t ns)
{
	int64_t until_ns = cpu_ns() + ns;
	volatile unsigned work = 0;

	while (cpu_ns() < until_ns)
		for (int i = 0; i < 500; i++)
			work += (unsigned)i;
}

/* A byte comes every millisecond. */
static void *feed_pipe(void *arg)
{
	int fd = *(int *)arg;

	for (;;) {
		sleep_ns(MS);
		if (write(fd, "x", 1) != 1)
			return NULL;
	}
}

static int open_fed_pipe(void)
{
	static int ends[2];
	pthread_t thread;

	must("pipe", pipe(ends) < 0 ? -errno : 0);
	must("pthread_create", -pthread_create(&thread, NULL, feed_pipe, &ends[1]));
	pthread_detach(thread);
	return ends[0];
}

static int read_byte(void)
{
	static int fd = -1;
	char byte;

	if (fd < 0)
		fd = open_fed_pipe();
	return read(fd, &byte, 1) == 1 ? 0 : -EIO;
}

static int take_rate(struct leat_scope *scope)
{
	static struct leat_rate *rate;

	if (rate == NULL)
		rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 500, .burst = 1 });
	return leat_rate_take(rate, 1, scope, LEAT_NEVER);
}

/* Somebody else keeps the one permit for a millisecond at a time. */
static struct leat_sem *shared_sem;

static void *keep_permit(void *arg)
{
	(void)arg;
	while (leat_sem_acquire(shared_sem, 1, NULL, LEAT_NEVER) == 0) {
		sleep_ns(3 * MS);
		leat_sem_release(shared_sem, 1);
	}
	return NULL;
}

static int take_permit(struct leat_scope *scope)
{
	pthread_t thread;
	int rc;

	if (shared_sem == NULL) {
		shared_sem = leat_sem_open(1);
		must("pthread_create", -pthread_create(&thread, NULL, keep_permit, NULL));
		pthread_detach(thread);
	}
	rc = leat_sem_acquire(shared_sem, 1, scope, LEAT_NEVER);
	return rc == 0 ? leat_sem_release(shared_sem, 1) : rc;
}

/* A try that fails twice. */
static int retry(struct leat_scope *scope)
{
	struct leat_backoff backoff = { .first_ns = 2 * MS, .most_ns = 8 * MS, .tries = 3 };
	int rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++)
		rc = leat_scope_sleep(scope, leat_now_ns() + leat_backoff_next(&backoff));
	return rc;
}

static int be_slow(const struct slow *slow, struct leat_scope *scope)
{
	switch (slow->way) {
	case SLEEPS:
		sleep_ns(slow->ns);
		return 0;
	case COMPUTES:
		compute(slow->ns);
		return 0;
	case READS:
		return read_byte();
	case PAUSES:
		return leat_scope_sleep(scope, leat_now_ns() + slow->ns);
	case RATED:
		return take_rate(scope);
	case PERMITTED:
		return take_permit(scope);
	case RETRIES:
		return retry(scope);
	default:
		return 0;
	}
}

/* --- three in a row --- */

struct stage {
	struct slow slow;
	struct leat_rx *in;
	struct leat_scope *scope;
};

static struct stage stages[16];
static size_t stages_count;

static struct stage *stage_new(struct leat_scope *scope, struct slow slow, struct leat_rx *in)
{
	struct stage *stage = &stages[stages_count++];

	*stage = (struct stage){ .slow = slow, .in = in, .scope = scope };
	return stage;
}

static int run_source(struct leat_tx *out, void *arg)
{
	struct stage *stage = arg;
	uint64_t item = 0;
	int rc = 0;

	while (rc == 0) {
		rc = be_slow(&stage->slow, stage->scope);
		if (rc == 0)
			rc = leat_send(out, &item);
		item++;
	}
	return rc;
}

static int run_stage(struct leat_tx *out, void *arg)
{
	struct stage *stage = arg;
	uint64_t item;
	int rc;

	while ((rc = leat_recv(stage->in, &item)) == 1) {
		rc = be_slow(&stage->slow, stage->scope);
		if (rc == 0)
			rc = leat_send(out, &item);
		if (rc < 0)
			break;
	}
	leat_rx_close(stage->in);
	return rc;
}

static int run_sink(struct leat_tx *out, void *arg)
{
	struct stage *stage = arg;
	uint64_t item;
	int rc;

	(void)out;
	while ((rc = leat_recv(stage->in, &item)) == 1 &&
	       (rc = be_slow(&stage->slow, stage->scope)) == 0)
		;
	leat_rx_close(stage->in);
	return rc;
}

static struct leat_rx *start(struct leat_scope *scope, leat_gen_fn *fn, struct slow slow,
                             struct leat_rx *in, const char *name,
                             const struct leat_chan_opts *chan)
{
	struct leat_gen_opts opts = { .chan = { .capacity = 16 } };
	struct leat_rx *rx = NULL;

	if (chan != NULL)
		opts.chan = *chan;
	opts.chan.name = name;
	must(name,
	     leat_gen(scope, fn, stage_new(scope, slow, in), fn == run_sink ? 0 : sizeof(uint64_t),
	              &opts, fn == run_sink ? NULL : &rx));
	return rx;
}

static void row(struct leat_scope *scope, struct slow first, struct slow second, struct slow third)
{
	struct leat_rx *rx = start(scope, run_source, first, NULL, "first", NULL);

	rx = start(scope, run_stage, second, rx, "second", NULL);
	start(scope, run_sink, third, rx, "third", NULL);
}

#define IS(...) \
	(struct slow) \
	{ \
		.way = __VA_ARGS__ \
	}
#define ROW(name, first, second, third) \
	static void name(struct leat_scope *scope) \
	{ \
		row(scope, first, second, third); \
	}
ROW(source_sleeps, IS(SLEEPS, MS), IS(FAST), IS(FAST))
ROW(stage_sleeps, IS(FAST), IS(SLEEPS, MS), IS(FAST))
ROW(sink_sleeps, IS(FAST), IS(FAST), IS(SLEEPS, MS))
ROW(source_computes, IS(COMPUTES, 200 * US), IS(FAST), IS(FAST))
ROW(stage_computes, IS(FAST), IS(COMPUTES, 200 * US), IS(FAST))
ROW(sink_computes, IS(FAST), IS(FAST), IS(COMPUTES, 200 * US))
ROW(stage_reads, IS(FAST), IS(READS), IS(FAST))
ROW(source_reads, IS(READS), IS(FAST), IS(FAST))
ROW(source_ticks, IS(PAUSES, 2 * MS), IS(FAST), IS(FAST))
ROW(stage_rated, IS(FAST), IS(RATED), IS(FAST))
ROW(stage_permitted, IS(FAST), IS(PERMITTED), IS(FAST))
ROW(sink_retries, IS(FAST), IS(FAST), IS(RETRIES))
ROW(two_alike, IS(FAST), IS(SLEEPS, MS), IS(SLEEPS, MS))
/* The second is slower, but not by far: 30 per cent. */
ROW(near, IS(SLEEPS, MS), IS(SLEEPS, 1500 * US), IS(SLEEPS, MS))
/* It sleeps and computes, and sleeps for longer. */
ROW(sink_slower, IS(SLEEPS, 200 * US), IS(SLEEPS, 500 * US), IS(SLEEPS, 2 * MS))

/* --- workers --- */

/* Of three, the second gets nine items of ten. */
static struct leat_tx *to[3];

static int run_split(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)out, (void)arg;
	for (uint64_t item = 0; rc == 0; item++)
		rc = leat_send(to[item % 10 < 9 ? 1 : item / 10 % 2 * 2], &item);
	return rc;
}

static void open_parts(struct leat_scope *scope, struct leat_rx *parts[3])
{
	struct leat_chan_opts opts = { .name = "part", .capacity = 16 };

	for (int i = 0; i < 3; i++)
		must("part", leat_chan_open(scope, sizeof(uint64_t), &opts, &to[i], &parts[i]));
}

static void skewed(struct leat_scope *scope)
{
	static const char *const names[] = { "count/1", "count/2", "count/3" };
	struct leat_rx *parts[3];

	open_parts(scope, parts);
	for (int i = 0; i < 3; i++)
		start(scope, run_sink, (struct slow){ SLEEPS, MS }, parts[i], names[i], NULL);
	must("split", leat_gen(scope, run_split, NULL, 0,
	                       &(struct leat_gen_opts){ .chan.name = "split" }, NULL));
}

static void shared_workers(struct leat_scope *scope, unsigned n, struct slow slow)
{
	struct leat_chan_opts many = { .capacity = 64, .kind = LEAT_SPMC };
	struct leat_rx *rx = start(scope, run_source, IS(FAST), NULL, "first", &many);
	char name[16];

	for (unsigned i = 1; i <= n; i++) {
		snprintf(name, sizeof(name), "work/%u", i);
		start(scope, run_sink, slow, i == n ? rx : leat_rx_clone(rx), name, NULL);
	}
}

static void workers_sleep(struct leat_scope *scope)
{
	shared_workers(scope, 4, (struct slow){ SLEEPS, MS });
}

/* Three times as many threads as processors compute. */
static void few_cores(struct leat_scope *scope)
{
	unsigned cores = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);

	shared_workers(scope, cores < 4 ? 3 * cores : 12, (struct slow){ COMPUTES, 200 * US });
}

/* --- flows --- */

LEAT_TYPE(number, uint64_t);

LEAT_MAP(slow_map, number, x, number, y, const struct slow *, slow)
{
	*y = *x;
	return be_slow(slow, NULL);
}

/* Of many vectors of items one has an item that takes long. */
LEAT_MAP(one_in_many, number, x, number, y, const void *, unused)
{
	*y = *x;
	if (*x % 5000 == 0)
		sleep_ns(20 * MS);
	return 0;
}

LEAT_EACH(swallow, number, x, void *, unused)
{
	(void)x;
	return 0;
}

static void end_flow(struct leat_port port, struct leat_flow *flow)
{
	leat_flow_for_each(port, &swallow, NULL);
	if (leat_flow_start(flow) != 0)
		give_up(leat_flow_error(flow), -EINVAL);
}

static struct leat_port begin_flow(struct leat_scope *scope, struct leat_flow **flow)
{
	*flow = leat_flow_open(scope, NULL);
	return leat_flow_from_rx(*flow, LEAT_T(number),
	                         start(scope, run_source, IS(FAST), NULL, "numbers", NULL));
}

static void flow_of_order(struct leat_scope *scope)
{
	struct leat_flow *flow;
	struct leat_port port = begin_flow(scope, &flow);

	port = leat_flow_workers(port, 4, LEAT_ORDERED);
	port = leat_flow_name(leat_flow_step(port, &one_in_many, NULL), "work");
	end_flow(leat_flow_gather(port), flow);
}

static void flow_of_workers(struct leat_scope *scope, enum leat_flow_order order)
{
	static const struct slow slow = { SLEEPS, 500 * US };
	struct leat_flow *flow;
	struct leat_port port = begin_flow(scope, &flow);

	port = leat_flow_workers(port, 3, order);
	port = leat_flow_name(leat_flow_step(port, &slow_map, &slow), "work");
	end_flow(leat_flow_gather(port), flow);
}

static void flow_in_order_alike(struct leat_scope *scope)
{
	flow_of_workers(scope, LEAT_ORDERED);
}

static void flow_unordered(struct leat_scope *scope)
{
	flow_of_workers(scope, LEAT_UNORDERED);
}

static void flow_of_steps(struct leat_scope *scope)
{
	static const struct slow fast = { SLEEPS, 20 * US }, slow = { SLEEPS, 500 * US };
	struct leat_flow *flow;
	struct leat_port port = begin_flow(scope, &flow);

	port = leat_flow_name(leat_flow_step(port, &slow_map, &fast), "quick");
	port = leat_flow_buffer(port, 64);
	port = leat_flow_name(leat_flow_step(port, &slow_map, &slow), "slow");
	port = leat_flow_buffer(port, 64);
	end_flow(port, flow);
}

/* --- several inputs and outputs --- */

static int run_merge(struct leat_tx *out, void *arg)
{
	struct leat_merge *merge = arg;
	uint64_t item;
	int rc;

	(void)out;
	while ((rc = leat_merge_recv(merge, &item, NULL)) == 1)
		sleep_ns(MS);
	leat_merge_close(merge);
	return rc;
}

static void merged(struct leat_scope *scope)
{
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	static const char *const names[] = { "one", "two", "three" };

	for (int i = 0; i < 3; i++)
		must("merge",
		     leat_merge_add(merge, start(scope, run_source, IS(FAST), NULL, names[i], NULL),
		                    NULL));
	must("meet", leat_gen(scope, run_merge, merge, 0,
	                      &(struct leat_gen_opts){ .chan.name = "meet" }, NULL));
}

static struct leat_rx *selected[2];

static int run_select(struct leat_tx *out, void *arg)
{
	uint64_t item;
	int done;

	(void)out, (void)arg;
	for (;;) {
		struct leat_case cases[] = { LEAT_CASE_RECV(selected[0], &item),
			                     LEAT_CASE_RECV(selected[1], &item) };

		done = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_CHANCE);
		if (done < 0 || cases[done].answer < 0)
			return done < 0 ? done : (int)cases[done].answer;
		sleep_ns(MS);
	}
}

static void select_sleeps(struct leat_scope *scope)
{
	selected[0] = start(scope, run_source, IS(FAST), NULL, "one", NULL);
	selected[1] = start(scope, run_source, IS(FAST), NULL, "two", NULL);
	must("choose", leat_gen(scope, run_select, NULL, 0,
	                        &(struct leat_gen_opts){ .chan.name = "choose" }, NULL));
}

static void broadcast_of_two(struct leat_scope *scope, struct slow a, struct slow b)
{
	struct leat_broadcast *broadcast;
	struct leat_tx *tx;
	struct leat_rx *rx[2];

	must("feed",
	     leat_broadcast_open(scope, sizeof(uint64_t),
	                         &(struct leat_broadcast_opts){ .name = "feed", .capacity = 64 },
	                         &broadcast, &tx));
	must("book", leat_broadcast_subscribe(
			     broadcast, &(struct leat_subscribe_opts){ .name = "book" }, &rx[0]));
	must("risk", leat_broadcast_subscribe(
			     broadcast, &(struct leat_subscribe_opts){ .name = "risk" }, &rx[1]));
	leat_broadcast_close(broadcast);
	start(scope, run_sink, a, rx[0], "book", NULL);
	start(scope, run_sink, b, rx[1], "risk", NULL);
	must("feed", leat_gen_into(scope, run_source, stage_new(scope, IS(FAST), NULL), tx,
	                           &(struct leat_gen_opts){ .chan.name = "feed" }));
}

static void broadcast_lags(struct leat_scope *scope)
{
	broadcast_of_two(scope, IS(FAST), (struct slow){ SLEEPS, MS });
}

/* The sender does not wait, items are dropped, and the sink still does all it can. */
static void drops(struct leat_scope *scope)
{
	struct leat_chan_opts chan = { .capacity = 16, .overflow = LEAT_DROP_OLDEST };
	struct leat_rx *rx =
		start(scope, run_source, (struct slow){ PAUSES, 5 * MS }, NULL, "first", &chan);

	start(scope, run_sink, (struct slow){ SLEEPS, 20 * MS }, rx, "third", NULL);
}

/* --- threads that wait for each other --- */

static struct leat_tx *ring_tx[2];
static struct leat_rx *ring_rx[2];

static int run_first_waits(struct leat_tx *out, void *arg)
{
	int at = *(int *)arg;
	uint64_t item;
	int rc = (int)leat_recv(ring_rx[at], &item);

	(void)out;
	return rc == 1 ? leat_send(ring_tx[1 - at], &item) : rc;
}

static void open_ring(struct leat_scope *scope)
{
	static const char *const names[] = { "there", "back" };

	for (int i = 0; i < 2; i++)
		must("ring",
		     leat_chan_open(scope, sizeof(uint64_t),
		                    &(struct leat_chan_opts){ .name = names[i], .capacity = 1 },
		                    &ring_tx[i], &ring_rx[i]));
}

/* A thread is known to send where it has waited to send, or is bound: so each binds. */
static int run_bound_waits(struct leat_tx *out, void *arg)
{
	int at = *(int *)arg;
	int rc = leat_rx_bind(ring_rx[at], ring_tx[1 - at]);

	return rc < 0 ? rc : run_first_waits(out, arg);
}

static void start_ring(struct leat_scope *scope, leat_gen_fn *fn)
{
	static int at[] = { 0, 1 };

	open_ring(scope);
	must("ping",
	     leat_gen(scope, fn, &at[0], 0, &(struct leat_gen_opts){ .chan.name = "ping" }, NULL));
	must("pong",
	     leat_gen(scope, fn, &at[1], 0, &(struct leat_gen_opts){ .chan.name = "pong" }, NULL));
}

static void both_receive(struct leat_scope *scope)
{
	start_ring(scope, run_bound_waits);
}

/* Each sends two before it receives, into a channel of one. */
static int run_both_send(struct leat_tx *out, void *arg)
{
	int at = *(int *)arg;
	uint64_t item = 0;
	int rc = 0;

	(void)out;
	for (int round = 0; rc == 0; round++) {
		for (int i = 0; i < (round < 4 ? 1 : 2) && rc == 0; i++)
			rc = leat_send(ring_tx[1 - at], &item);
		for (int i = 0; i < (round < 4 ? 1 : 2) && rc == 0; i++)
			rc = leat_recv(ring_rx[at], &item) == 1 ? 0 : -ECANCELED;
		sleep_ns(round % 2 == at ? MS : 0); /* so that each has to wait to receive */
	}
	return rc;
}

static void both_send(struct leat_scope *scope)
{
	start_ring(scope, run_both_send);
}

/* One item goes to and fro. */
static int run_pings(struct leat_tx *out, void *arg)
{
	int at = *(int *)arg;
	uint64_t item = 0;
	int rc = at == 0 ? leat_send(ring_tx[1], &item) : 0;

	(void)out;
	while (rc == 0) {
		rc = (int)leat_recv(ring_rx[at], &item);
		rc = rc == 1 ? leat_send(ring_tx[1 - at], &item) : rc;
	}
	return rc;
}

static void pings(struct leat_scope *scope)
{
	static const char *const names[] = { "there", "back" };

	for (int i = 0; i < 2; i++)
		must("ring", leat_chan_open(scope, sizeof(uint64_t),
		                            &(struct leat_chan_opts){ .name = names[i],
		                                                      .capacity = 1,
		                                                      .send_wait = LEAT_WAIT_PARK,
		                                                      .recv_wait = LEAT_WAIT_PARK },
		                            &ring_tx[i], &ring_rx[i]));
	static int at[] = { 0, 1 };
	must("ping", leat_gen(scope, run_pings, &at[0], 0,
	                      &(struct leat_gen_opts){ .chan.name = "ping" }, NULL));
	must("pong", leat_gen(scope, run_pings, &at[1], 0,
	                      &(struct leat_gen_opts){ .chan.name = "pong" }, NULL));
}

/* --- nothing to do, and threads of the program --- */

static int run_poll(struct leat_tx *out, void *arg)
{
	int fd = *(int *)arg, rc;
	uint64_t item = 0;
	char byte;

	while ((rc = leat_tx_wait(out, fd, POLLIN, LEAT_NEVER)) == 1) {
		if (read(fd, &byte, 1) != 1)
			return -EIO;
		rc = leat_send(out, &item);
		if (rc < 0)
			break;
	}
	return rc;
}

static void polled(struct leat_scope *scope, int fd)
{
	static int kept;
	struct leat_rx *rx;

	kept = fd;
	must("first",
	     leat_gen(scope, run_poll, &kept, sizeof(uint64_t),
	              &(struct leat_gen_opts){ .chan = { .name = "first", .capacity = 16 } }, &rx));
	rx = start(scope, run_stage, IS(FAST), rx, "second", NULL);
	start(scope, run_sink, IS(FAST), rx, "third", NULL);
}

static void input_comes(struct leat_scope *scope)
{
	polled(scope, open_fed_pipe());
}

static void nothing_comes(struct leat_scope *scope)
{
	int ends[2];

	must("pipe", pipe(ends) < 0 ? -errno : 0);
	polled(scope, ends[0]);
}

static struct leat_rx *program_rx;
static struct leat_tx *program_tx;

static void program_receives(struct leat_scope *scope)
{
	program_rx = start(scope, run_source, IS(FAST), NULL, "first", NULL);
}

static void receive_slowly(void)
{
	uint64_t item;

	while (leat_recv(program_rx, &item) == 1)
		sleep_ns(MS);
}

static void program_sends(struct leat_scope *scope)
{
	struct leat_rx *rx;

	must("orders", leat_chan_open(scope, sizeof(uint64_t),
	                              &(struct leat_chan_opts){ .name = "orders", .capacity = 16 },
	                              &program_tx, &rx));
	rx = start(scope, run_stage, IS(FAST), rx, "second", NULL);
	start(scope, run_sink, IS(FAST), rx, "third", NULL);
}

static void send_slowly(void)
{
	uint64_t item = 0;

	while (leat_send(program_tx, &item) == 0)
		sleep_ns(MS);
}

/* --- pools --- */

static int next_slow(void *state, void *item)
{
	*(uint64_t *)item = 0;
	be_slow(state, NULL);
	return 1;
}

static int put_nothing(void *state, const void *item)
{
	(void)state, (void)item;
	return 0;
}

static void pool_of(struct leat_scope *scope, struct slow *slow, unsigned workers, unsigned seqs)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){
		.name = "pool", .workers = workers, .workers_only = true });

	for (unsigned i = 0; i < seqs; i++) {
		struct leat_gen_opts opts = { .chan = { .name = "seq", .capacity = 4 },
			                      .pool = pool };
		struct leat_rx *rx;

		must("seq",
		     leat_gen_seq(scope,
		                  (struct leat_seq){ next_slow, NULL, slow, sizeof(uint64_t) },
		                  &opts, &rx));
		opts.pool = NULL;
		opts.chan = (struct leat_chan_opts){ .name = "take" };
		must("take",
		     leat_gen_sink(scope, rx, (struct leat_sink){ .put = put_nothing }, &opts));
	}
}

static void pool_sleeps(struct leat_scope *scope)
{
	static struct slow slow = { SLEEPS, MS };

	pool_of(scope, &slow, 2, 4);
}

static void pool_computes(struct leat_scope *scope)
{
	static struct slow slow = { COMPUTES, 200 * US };

	pool_of(scope, &slow, 1, 3);
}

const struct example examples[] = {
	{ "source sleeps", source_sleeps, NULL, LEAT_LIMIT_CALL, "first", false },
	{ "stage sleeps", stage_sleeps, NULL, LEAT_LIMIT_CALL, "second", false },
	{ "sink sleeps", sink_sleeps, NULL, LEAT_LIMIT_CALL, "third", false },
	{ "source computes", source_computes, NULL, LEAT_LIMIT_CPU, "first", true },
	{ "stage computes", stage_computes, NULL, LEAT_LIMIT_CPU, "second", true },
	{ "sink computes", sink_computes, NULL, LEAT_LIMIT_CPU, "third", true },
	{ "stage reads", stage_reads, NULL, LEAT_LIMIT_CALL, "second", false },
	{ "source reads", source_reads, NULL, LEAT_LIMIT_CALL, "first", false },
	{ "source ticks", source_ticks, NULL, LEAT_LIMIT_PACED, "first", false },
	{ "stage takes a rate", stage_rated, NULL, LEAT_LIMIT_PACED, "second", false },
	{ "stage takes a permit", stage_permitted, NULL, LEAT_LIMIT_PACED, "second", false },
	{ "sink tries again", sink_retries, NULL, LEAT_LIMIT_PACED, "third", false },
	{ "two alike", two_alike, NULL, LEAT_LIMIT_BALANCED, "second|third", false },
	{ "slower by a third", near, NULL, LEAT_LIMIT_CALL, "second", false },
	{ "all sleep, one for longer", sink_slower, NULL, LEAT_LIMIT_CALL, "third", false },
	{ "skewed keys", skewed, NULL, LEAT_LIMIT_SKEW, "count", false },
	{ "four workers sleep", workers_sleep, NULL, LEAT_LIMIT_CALL, "work", false },
	{ "too few cores", few_cores, NULL, LEAT_LIMIT_CORES, "work", true },
	{ "head of the line", flow_of_order, NULL, LEAT_LIMIT_ORDER, "work", false },
	{ "in order, all alike", flow_in_order_alike, NULL, LEAT_LIMIT_CALL, "work", false },
	{ "not in order", flow_unordered, NULL, LEAT_LIMIT_CALL, "work", false },
	{ "islands of a flow", flow_of_steps, NULL, LEAT_LIMIT_CALL, "slow", false },
	{ "a merge", merged, NULL, LEAT_LIMIT_CALL, "meet", false },
	{ "a select", select_sleeps, NULL, LEAT_LIMIT_CALL, "choose", false },
	{ "a subscriber that lags", broadcast_lags, NULL, LEAT_LIMIT_CALL, "risk", false },
	{ "drops", drops, NULL, LEAT_LIMIT_CALL, "third", false },
	{ "both receive", both_receive, NULL, LEAT_LIMIT_DEADLOCK, "ping|pong", false },
	{ "both send", both_send, NULL, LEAT_LIMIT_DEADLOCK, "ping|pong", false },
	{ "pings", pings, NULL, LEAT_LIMIT_WAKEUPS, "there|back", true },
	{ "input comes slowly", input_comes, NULL, LEAT_LIMIT_INPUT, "first", false },
	{ "nothing comes", nothing_comes, NULL, LEAT_LIMIT_IDLE, "", false },
	{ "the program receives slowly", program_receives, receive_slowly, LEAT_LIMIT_PROGRAM,
	  "first", false },
	{ "the program sends slowly", program_sends, send_slowly, LEAT_LIMIT_INPUT, "orders",
	  false },
	{ "a pool sleeps", pool_sleeps, NULL, LEAT_LIMIT_CALL, "pool", false },
	{ "a pool computes", pool_computes, NULL, LEAT_LIMIT_CPU, "pool", true },
};
const size_t examples_count = sizeof(examples) / sizeof(examples[0]);
