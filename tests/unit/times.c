/*
 * tests/unit/times.c: the time of each generator's thread: which wait is in which class, that the
 * classes add up to the time since it began, also at its end, and that no figure falls.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "spent.h"

#include "runtime/chan/chan.h"
#include "runtime/event/wait.h"

#include <leat/leat.h>

#include <sys/eventfd.h>

TestSuite(times, .timeout = 600);

/* --- a generator that waits, in each way there is --- */

struct place {
	struct leat_scope *scope;
	/* nothing is sent into the first; the second is full */
	struct leat_tx *idle_tx, *full_tx, *lane_tx;
	struct leat_rx *idle_rx, *full_rx;
	struct leat_rx *of_pool;     /* of a generator that sleeps for long */
	struct leat_sem *sem, *turn; /* without a permit */
	struct leat_rate *rate;      /* with none in the next hours */
	struct leat_merge *merge;
	struct leat_pool *pool;
	int fd, full_fd; /* never readable; never writable */
};

static const int64_t far_ns = INT64_C(3600000) * MS;

static int waits_recv(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	uint64_t item;

	(void)out;
	return (int)leat_recv(p->idle_rx, &item);
}

static int waits_peek(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	const void *item;

	(void)out;
	return (int)leat_peek(p->idle_rx, 1, &item);
}

static int waits_select(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	uint64_t item;
	struct leat_case cases[] = { LEAT_CASE_RECV(p->idle_rx, &item),
		                     LEAT_CASE_FD(p->fd, POLLIN) };
	int done = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);

	(void)out;
	return done < 0 ? done : (int)cases[done].answer;
}

static int waits_merge(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	uint64_t item;

	(void)out;
	return leat_merge_recv(p->merge, &item, NULL);
}

static int waits_for_pool(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	uint64_t item;

	(void)out;
	return (int)leat_recv(p->of_pool, &item);
}

static int waits_ready(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	(void)out;
	return leat_ready(p->fd, POLLIN, LEAT_NEVER);
}

static int waits_for_fd(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	return leat_tx_wait(out, p->fd, POLLIN, LEAT_NEVER);
}

static int waits_join(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	struct leat_scope *child = leat_scope_open(p->scope, NULL);
	int rc = leat_gen(child, waits_recv, p, 0, NULL, NULL);

	(void)out;
	if (rc == 0)
		leat_scope_join(child);
	leat_scope_close(child);
	return rc == 0 ? -ECANCELED : rc;
}

static int waits_send(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	uint64_t item = 0;

	(void)out;
	return leat_send(p->full_tx, &item);
}

static int waits_reserve(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	void *slot;

	(void)out;
	return (int)leat_reserve(p->full_tx, 1, &slot);
}

static int waits_select_send(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	uint64_t item = 0;
	struct leat_case cases[] = { LEAT_CASE_RECV(p->idle_rx, &item),
		                     LEAT_CASE_SEND(p->full_tx, &item) };
	int done = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);

	(void)out;
	return done < 0 ? done : (int)cases[done].answer;
}

static int waits_to_write(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	return leat_tx_wait(out, p->full_fd, POLLOUT, LEAT_NEVER);
}

static int waits_select_write(struct leat_tx *out, void *arg)
{
	struct place *p = arg;
	uint64_t item;
	struct leat_case cases[] = { LEAT_CASE_RECV(p->idle_rx, &item),
		                     LEAT_CASE_FD(p->full_fd, POLLOUT) };
	int done = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);

	(void)out;
	return done < 0 ? done : (int)cases[done].answer;
}

static int waits_sleep(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	(void)out;
	return leat_scope_sleep(p->scope, LEAT_NEVER);
}

static int waits_for_time(struct leat_tx *out, void *arg)
{
	(void)arg;
	return leat_tx_wait(out, -1, 0, LEAT_NEVER);
}

static int waits_after(struct leat_tx *out, void *arg)
{
	(void)out, (void)arg;
	return leat_after(leat_now_ns() + far_ns);
}

static int waits_rate(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	(void)out;
	return leat_rate_take(p->rate, 1, p->scope, LEAT_NEVER);
}

static int waits_sem(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	(void)out;
	return leat_sem_acquire(p->sem, 1, p->scope, LEAT_NEVER);
}

static int waits_sem_after(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	(void)out;
	return leat_sem_after(p->sem, 1);
}

static int waits_turn(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	(void)out;
	leat_detail_sem_turn(p->turn, true);
	return -ECANCELED;
}

static int waits_turn_of_receiver(struct leat_tx *out, void *arg)
{
	struct place *p = arg;

	(void)out;
	leat_detail_sem_turn(p->turn, false);
	return -ECANCELED;
}

enum channel { NONE, IDLE, FULL, LANE, OF_POOL };

static const struct {
	const char *name;
	leat_gen_fn *fn;
	int class;
	enum channel receives, sends; /* that it waits for */
	bool among_others;            /* it waits for several things */
	enum leat_pace paced_by;
} ways[] = {
	{ "recv", waits_recv, CLASS_STARVED, .receives = IDLE },
	{ "peek", waits_peek, CLASS_STARVED, .receives = IDLE },
	{ "select", waits_select, CLASS_STARVED, .receives = IDLE, .among_others = true },
	{ "merge", waits_merge, CLASS_STARVED, .receives = LANE, .among_others = true },
	{ "for_another", waits_for_pool, CLASS_STARVED, .receives = OF_POOL },
	{ "ready", waits_ready, CLASS_STARVED, .receives = NONE },
	{ "for_fd", waits_for_fd, CLASS_STARVED, .receives = NONE },
	{ "join", waits_join, CLASS_STARVED, .receives = NONE },
	{ "turn_of_receiver", waits_turn_of_receiver, CLASS_STARVED, .receives = NONE },
	{ "send", waits_send, CLASS_BLOCKED, .sends = FULL },
	{ "reserve", waits_reserve, CLASS_BLOCKED, .sends = FULL },
	{ "select_send", waits_select_send, CLASS_BLOCKED, .receives = IDLE, .sends = FULL,
	  .among_others = true },
	{ "to_write", waits_to_write, CLASS_BLOCKED, .receives = NONE },
	{ "select_write", waits_select_write, CLASS_BLOCKED, .receives = IDLE,
	  .among_others = true },
	{ "turn", waits_turn, CLASS_ORDER, .receives = NONE },
	{ "sleep", waits_sleep, CLASS_PACED, .paced_by = LEAT_PACED_TIME },
	{ "for_time", waits_for_time, CLASS_PACED, .paced_by = LEAT_PACED_TIME },
	{ "after", waits_after, CLASS_PACED, .paced_by = LEAT_PACED_TIME },
	{ "rate", waits_rate, CLASS_PACED, .paced_by = LEAT_PACED_RATE },
	{ "sem", waits_sem, CLASS_PACED, .paced_by = LEAT_PACED_SEMAPHORE },
	{ "sem_after", waits_sem_after, CLASS_PACED, .paced_by = LEAT_PACED_SEMAPHORE },
};

/* A seq whose first item comes after some hours. */
static int next_far(void *state, void *item)
{
	int64_t *due_ns = state;
	int rc;

	if (*due_ns == 0)
		*due_ns = leat_now_ns() + far_ns;
	rc = leat_after(*due_ns);
	*(uint64_t *)item = 0;
	return rc == 0 ? 1 : rc;
}

static void place_open(struct place *p, int64_t *due_ns)
{
	struct leat_chan_opts one = { .capacity = 1, .kind = LEAT_MPMC };
	struct leat_rx *lane;
	uint64_t item = 0, full = UINT64_MAX - 1;

	*p = (struct place){ .scope = leat_scope_open(NULL, NULL), .fd = eventfd(0, EFD_CLOEXEC) };
	*due_ns = 0;
	p->full_fd = eventfd(0, EFD_CLOEXEC);
	cr_assert_eq(write(p->full_fd, &full, sizeof(full)), (ssize_t)sizeof(full));
	cr_assert_eq(leat_chan_open(p->scope, sizeof(item), &one, &p->idle_tx, &p->idle_rx), 0);
	cr_assert_eq(leat_chan_open(p->scope, sizeof(item), &one, &p->full_tx, &p->full_rx), 0);
	cr_assert_eq(leat_send(p->full_tx, &item), 0);
	cr_assert_eq(leat_chan_open(p->scope, sizeof(item), &one, &p->lane_tx, &lane), 0);
	p->merge = leat_merge_open(sizeof(item));
	cr_assert_eq(leat_merge_add(p->merge, lane, NULL), 0);
	p->sem = leat_sem_open(1);
	p->turn = leat_sem_open(1);
	cr_assert(leat_sem_try(p->sem, 1) == 0 && leat_sem_try(p->turn, 1) == 0);
	p->rate = leat_rate_open(&(struct leat_rate_opts){ .per_second = 1e-5, .burst = 1 });
	cr_assert_eq(leat_rate_try(p->rate, 1), 0);
	p->pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	cr_assert_eq(
		leat_gen_seq(p->scope,
	                     (struct leat_seq){ next_far, NULL, due_ns, sizeof(uint64_t) },
	                     &(struct leat_gen_opts){ .chan.name = "of the pool", .pool = p->pool },
	                     &p->of_pool),
		0);
}

static void place_close(struct place *p)
{
	leat_tx_close(p->idle_tx);
	leat_tx_close(p->full_tx);
	leat_tx_close(p->lane_tx);
	leat_rx_close(p->idle_rx);
	leat_rx_close(p->full_rx);
	leat_rx_close(p->of_pool);
	leat_merge_close(p->merge);
	cr_expect_eq(leat_scope_close(p->scope), 0);
	cr_expect_eq(leat_pool_close(p->pool), 0);
	cr_expect_eq(leat_sem_close(p->sem), 0);
	cr_expect_eq(leat_sem_close(p->turn), 0);
	cr_expect_eq(leat_rate_close(p->rate), 0);
	close(p->fd);
	close(p->full_fd);
}

/* The figures name just the channels that the thread waits for. */
static void expect_waits(const struct place *p, const struct leat_gen_stat *gen, size_t way)
{
	const struct leat_chan *channels[] = { NULL, p->idle_tx->chan, p->full_tx->chan,
		                               p->lane_tx->chan, p->of_pool->chan };
	const struct leat_chan *receives = channels[ways[way].receives],
			       *sends = channels[ways[way].sends];

	cr_expect_eq(gen->receives[0], receives != NULL ? receives->node.id : 0, "%s", gen->name);
	cr_expect_eq(gen->sends[0], sends != NULL ? sends->node.id : 0, "%s", gen->name);
	cr_expect_eq(gen->receives[1], 0, "%s", gen->name);
	cr_expect_eq(gen->sends[1], 0, "%s", gen->name);
	cr_expect_eq(gen->waits_on, ways[way].among_others ? 0 : gen->receives[0] + gen->sends[0],
	             "%s", gen->name);
	cr_expect_eq(gen->paced_by, ways[way].paced_by, "%s", gen->name);
}

/* By the manual clock no other time passes: not one nanosecond is in another class. */
Test(times, each_wait_is_in_its_class_while_it_lasts_and_at_the_end)
{
	struct place p;
	int64_t due_ns;

	clock_start();
	for (size_t i = 0; i < COUNT(ways); i++) {
		struct seen *seen = seen_open(MS);
		struct leat_gen_stat gen;

		place_open(&p, &due_ns);
		cr_assert_eq(leat_gen(p.scope, ways[i].fn, &p, 0,
		                      &(struct leat_gen_opts){ .chan.name = ways[i].name }, NULL),
		             0);
		for (int64_t ms = 1; ms <= 3; ms++) {
			clock_advance(MS);
			gen = last_seen(seen, ways[i].name);
			cr_expect_eq(gen.cause, LEAT_RUNNING);
			expect_spent(&gen, ways[i].class, ms * MS);
			expect_waits(&p, &gen, i);
		}
		leat_scope_cancel(p.scope, 0, "enough");
		cr_expect_eq(leat_sem_release(p.turn, 1), 0);
		clock_advance(MS);
		gen = last_seen(seen, ways[i].name);
		cr_expect_eq(gen.cause, LEAT_CANCELED, "%s: %s, %d", ways[i].name,
		             leat_cause_name(gen.cause), gen.code);
		expect_spent(&gen, ways[i].class, 3 * MS);
		seen_close(seen);
		place_close(&p);
	}
}

/* --- one that does several things --- */

struct changes {
	struct leat_scope *scope;
	struct leat_rx *rx;
	int answer;
};

/* Sleeps for 2 ms, waits for an item, then for the one that receives its own. */
static int changes_class(struct leat_tx *out, void *arg)
{
	struct changes *changes = arg;
	uint64_t item;

	for (int i = 0; i < 2; i++) {
		if (leat_scope_sleep(changes->scope, leat_now_ns() + 2 * MS) < 0 ||
		    leat_recv(changes->rx, &item) != 1 || leat_send(out, &item) < 0)
			return -EPROTO;
	}
	return changes->answer;
}

Test(times, the_end_has_the_whole_life_however_it_ends)
{
	static const int answers[] = { 0, -EIO, 7 };
	static const enum leat_cause causes[] = { LEAT_COMPLETED, LEAT_FAILED, LEAT_FAILED };

	clock_start();
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct seen *seen = seen_open(MS);
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct changes changes = { .scope = scope, .answer = answers[i] };
		struct leat_chan_opts one = { .capacity = 1 };
		struct leat_gen_opts opts = { .chan = { .name = "changes", .capacity = 1 } };
		struct leat_gen_stat gen;
		struct leat_tx *tx;
		struct leat_rx *rx;
		uint64_t item = 1;

		cr_assert_eq(leat_chan_open(scope, sizeof(item), &one, &tx, &changes.rx), 0);
		cr_assert_eq(leat_gen(scope, changes_class, &changes, sizeof(item), &opts, &rx), 0);
		clock_advance(5 * MS); /* 2 paced, 3 starved */
		cr_assert_eq(leat_send(tx, &item), 0);
		clock_settle();
		clock_advance(3 * MS); /* 2 paced, 1 starved */
		cr_assert_eq(leat_send(tx, &item), 0);
		clock_advance(4 * MS); /* blocked: the first item is still there */
		gen = last_seen(seen, "changes");
		cr_expect_eq(gen.cause, LEAT_RUNNING);
		cr_assert_eq(leat_recv(rx, &item), 1);
		clock_settle();
		seen_stop(seen);
		gen = last_seen(seen, "changes");
		cr_expect_eq(gen.cause, causes[i]);
		cr_expect(gen.paced_ns == 4 * MS && gen.starved_ns == 4 * MS &&
		                  gen.blocked_ns == 4 * MS && gen.busy_ns == 0 && gen.order_ns == 0,
		          "paced %llu, starved %llu, blocked %llu",
		          (unsigned long long)gen.paced_ns, (unsigned long long)gen.starved_ns,
		          (unsigned long long)gen.blocked_ns);
		seen_close(seen);
		leat_tx_close(tx);
		leat_rx_close(changes.rx);
		leat_rx_close(rx);
		leat_scope_close(scope);
	}
}

static int next_number(void *state, void *item)
{
	uint64_t *n = state;

	*(uint64_t *)item = ++*n;
	return 1;
}

static int puts_nothing(void *state, const void *item)
{
	(void)state, (void)item;
	return 0;
}

Test(times, seqs_and_sinks_have_times_too_and_those_on_a_pool_have_none)
{
	struct seen *seen;
	uint64_t numbers[2] = { 0, 0 };
	struct leat_tx *tx[2];
	struct leat_rx *rx[2], *out[2];
	struct leat_scope *scope;
	struct leat_pool *pool;
	int64_t began_ns;

	clock_start();
	began_ns = leat_now_ns();
	seen = seen_open(MS);
	scope = leat_scope_open(NULL, NULL);
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	for (int i = 0; i < 2; i++) {
		struct leat_gen_opts seq = { .chan = { .name = i ? "seq, pool" : "seq",
			                               .capacity = 300 },
			                     .pool = i ? pool : NULL };
		struct leat_gen_opts sink = { .chan.name = i ? "sink, pool" : "sink",
			                      .pool = i ? pool : NULL };

		cr_assert_eq(leat_chan_open(scope, sizeof(uint64_t), NULL, &tx[i], &rx[i]), 0);
		cr_assert_eq(leat_gen_seq(scope,
		                          (struct leat_seq){ next_number, NULL, &numbers[i], 8 },
		                          &seq, &out[i]),
		             0);
		cr_assert_eq(leat_gen_sink(scope, rx[i], (struct leat_sink){ .put = puts_nothing },
		                           &sink),
		             0);
	}
	clock_advance(4 * MS);
	for (int i = 0; i < 2; i++) {
		struct leat_gen_stat seq = last_seen(seen, i ? "seq, pool" : "seq"),
				     sink = last_seen(seen, i ? "sink, pool" : "sink");

		expect_spent(&seq, CLASS_BLOCKED, i ? 0 : 4 * MS);
		expect_spent(&sink, CLASS_STARVED, i ? 0 : 4 * MS);
		cr_expect(seq.began_ns == began_ns && sink.began_ns == began_ns);
		cr_expect(i == 0 || (seq.cpu_ns == 0 && sink.cpu_ns == 0));
		leat_tx_close(tx[i]);
		leat_rx_close(out[i]);
	}
	cr_expect_eq(leat_scope_join(scope), 0);
	seen_close(seen);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}

/* --- by the real clock: busy, the kernel's figures, load --- */

struct spinner {
	int64_t for_ns;
	bool kernel_counts;
};

static int spins(struct leat_tx *out, void *arg)
{
	struct spinner *spinner = arg;
	struct timespec cpu;
	uint64_t cpu_ns, runq_ns;

	(void)out;
	do
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	while ((int64_t)cpu.tv_sec * 1000 * MS + cpu.tv_nsec < spinner->for_ns);
	leat_os_thread_times(own_tid(), &cpu_ns, &runq_ns);
	spinner->kernel_counts = cpu_ns > 0;
	return 0;
}

Test(times, one_that_computes_is_busy_and_the_kernel_says_so)
{
	struct seen *seen = seen_open(MS);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct spinner spinner = { .for_ns = 60 * MS };
	struct leat_gen_stat gen;

	cr_assert_eq(leat_gen(scope, spins, &spinner, 0,
	                      &(struct leat_gen_opts){ .chan.name = "spins" }, NULL),
	             0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	seen_stop(seen);
	gen = last_seen(seen, "spins");
	expect_spent(&gen, CLASS_BUSY, (int64_t)sum_of_stat(&gen));
	cr_expect_geq(gen.busy_ns, (uint64_t)spinner.for_ns);
	if (spinner.kernel_counts)
		cr_expect(gen.cpu_ns >= (uint64_t)spinner.for_ns / 2 &&
		                  gen.cpu_ns + gen.runq_ns <= gen.busy_ns + 20 * MS,
		          "%llu ns, of %llu", (unsigned long long)gen.cpu_ns,
		          (unsigned long long)gen.busy_ns);
	else
		cr_expect(gen.cpu_ns == 0 && gen.runq_ns == 0);
	seen_close(seen);
}

/* Hands on what it receives. */
static int hands_on(struct leat_tx *out, void *arg)
{
	struct leat_rx *rx = arg;
	uint64_t item;
	int rc;

	while ((rc = (int)leat_recv(rx, &item)) == 1)
		if ((rc = leat_send(out, &item)) < 0)
			break;
	leat_rx_close(rx);
	return rc;
}

static int sends_all(struct leat_tx *out, void *arg)
{
	uint64_t n = *(uint64_t *)arg;

	for (uint64_t i = 0; i < n; i++)
		if (leat_send(out, &i) < 0)
			return -EPIPE;
	return 0;
}

/* A short chain of generators, each wait policy in it; all begin and end while readers run. */
static void run_chain(uint64_t items)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx;
	uint64_t item, received = 0;

	cr_assert_eq(
		leat_gen(scope, sends_all, &items, sizeof(item),
	                 &(struct leat_gen_opts){ .chan = { .name = "source", .capacity = 4 } },
	                 &rx),
		0);
	for_each_wait(wait)
		cr_assert_eq(leat_gen(scope, hands_on, rx, sizeof(item),
		                      &(struct leat_gen_opts){ .chan = { .name = wait_names[wait],
		                                                         .capacity = 4,
		                                                         .send_wait = wait,
		                                                         .recv_wait = wait } },
		                      &rx),
		             0);
	while (leat_recv(rx, &item) == 1)
		received++;
	cr_expect_eq(received, items);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(times, under_load_no_figure_falls_and_each_sum_is_a_time_for_two_readers)
{
	struct seen *seen[2] = { seen_open(MS / 10), seen_open(MS / 7) };
	size_t ended = 0;

	for (int i = 0; i < 20; i++)
		run_chain(MANY_TIMES(2000));
	for (int i = 0; i < 2; i++) {
		seen_stop(seen[i]);
		cr_expect_eq(seen[i]->count, 20 * 5);
		for (size_t k = 0; k < seen[i]->count; k++)
			ended += seen[i]->gens[k].cause == LEAT_COMPLETED;
	}
	cr_expect_eq(ended, 2 * 20 * 5);
	for (size_t k = 0; k < seen[0]->count; k++) {
		struct spent of[2] = { spent_of(&seen[0]->gens[k]), { { 0 } } };

		for (size_t m = 0; m < seen[1]->count; m++)
			if (seen[1]->gens[m].id == seen[0]->gens[k].id)
				of[1] = spent_of(&seen[1]->gens[m]);
		cr_expect(memcmp(&of[0], &of[1], sizeof(of[0])) == 0, "both get the same end of %s",
		          seen[0]->gens[k].name);
	}
	seen_close(seen[0]);
	seen_close(seen[1]);
}

/* --- the record itself --- */

static void expect_record(struct leat_times *times, int64_t now_ns, uint64_t busy_ns,
                          uint64_t starved_ns)
{
	struct leat_spent spent;

	leat_times_read(times, now_ns, &spent);
	cr_expect(spent.ns[LEAT_TIME_BUSY] == busy_ns && spent.ns[LEAT_TIME_STARVED] == starved_ns,
	          "at %d: %llu, %llu", (int)now_ns, (unsigned long long)spent.ns[LEAT_TIME_BUSY],
	          (unsigned long long)spent.ns[LEAT_TIME_STARVED]);
}

Test(times, a_change_that_comes_late_lets_no_figure_fall)
{
	struct leat_times times = { .state = 0 };

	leat_times_init(&times, 100);
	expect_record(&times, 107, 7, 0);
	/* at 5, but the thread was held up before it said so */
	cr_expect_eq(leat_times_switch(&times, LEAT_TIME_STARVED, 105), LEAT_TIME_BUSY);
	expect_record(&times, 108, 7, 1);
	expect_record(&times, 106, 7, 1); /* a reader with an older time */
	expect_record(&times, 112, 7, 5);
	cr_expect_eq(leat_times_switch(&times, LEAT_TIME_BUSY, 120), LEAT_TIME_STARVED);
	expect_record(&times, 0, 7, 13);
	expect_record(&times, 130, 15, 15);
}

Test(times, a_wait_inside_a_wait_counts_once)
{
	struct leat_times times = { .state = 0 };
	enum leat_time outer, inner;

	clock_start();
	leat_times_init(&times, leat_now_ns());
	leat_times_enter(&times);
	outer = leat_times_begin(LEAT_TIME_STARVED);
	clock_advance(MS);
	inner = leat_times_begin(LEAT_TIME_BLOCKED);
	clock_advance(2 * MS);
	leat_times_end(inner);
	clock_advance(3 * MS);
	leat_times_end(outer);
	leat_times_leave(&times, false);
	cr_expect(outer == LEAT_TIME_BUSY && inner == LEAT_TIME_STARVED);
	cr_expect_null(leat_times_current);
	cr_expect(times.last.ns[LEAT_TIME_STARVED] == 4 * MS &&
	          times.last.ns[LEAT_TIME_BLOCKED] == 2 * MS && times.last.ns[LEAT_TIME_BUSY] == 0);
	clock_advance(MS);
	expect_record(&times, leat_now_ns(), 0, 4 * MS); /* the record is over */
}

/* --- a wait that runs the producer on its thread --- */

static int64_t ran_ns;
static bool leaves;

/* The first call is before the wait is noted. */
static bool producer_runs(struct leat_wait_loop *w)
{
	int64_t since_ns = leat_now_ns();

	if (w->times == NULL)
		return false;
	if (leaves)
		pthread_exit(NULL);
	while (leat_now_ns() < since_ns + 30 * MS)
		leat_pause();
	ran_ns = leat_now_ns() - since_ns;
	return true;
}

static ssize_t producer_ran(struct leat_wait_loop *w)
{
	(void)w;
	return ran_ns > 0 ? 0 : -EAGAIN;
}

static void *waits_for_producer(void *times)
{
	static const struct leat_wait_ops ops = { .attempt = producer_ran,
		                                  .run_here = producer_runs };
	struct leat_wait_loop loop = { .ops = &ops,
		                       .policy = LEAT_WAIT_YIELD,
		                       .time = LEAT_TIME_STARVED,
		                       .weight = 1,
		                       .deadline_ns = LEAT_NEVER,
		                       .scopes_ns = LEAT_NEVER };

	leat_times_init(times, leat_now_ns());
	leat_times_enter(times);
	leat_wait_for(&loop);
	leat_times_leave(times, false);
	return NULL;
}

static void run_waiter(struct leat_times *times)
{
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, waits_for_producer, times), 0);
	cr_assert_eq(pthread_join(thread, NULL), 0);
}

Test(times, a_waiter_that_runs_its_producer_is_busy_meanwhile)
{
	struct leat_times times = { .state = 0 };

	run_waiter(&times);
	cr_expect_geq(times.last.ns[LEAT_TIME_BUSY], (uint64_t)ran_ns);
}

Test(times, what_leaves_the_producer_early_ends_the_wait)
{
	struct leat_times times = { .state = 0 };

	leaves = true;
	run_waiter(&times);
	cr_expect_eq(leat_times_switch(&times, LEAT_TIME_BUSY, leat_now_ns()), LEAT_TIME_BUSY);
}

/* --- workers --- */

Test(times, workers_are_idle_or_busy)
{
	struct leat_scope *scope;
	struct leat_pool *pool;
	struct seen *seen;
	struct leat_rx *rx;
	int64_t due_ns = 0;

	clock_start();
	seen = seen_open(MS);
	scope = leat_scope_open(NULL, NULL);
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	clock_advance(5 * MS);
	cr_expect(seen->pool.idle_ns == 10 * MS && seen->pool.busy_ns == 0 &&
	          seen->pool.busiest_ns == 0);
	cr_assert_eq(
		leat_gen_seq(scope, (struct leat_seq){ next_far, NULL, &due_ns, sizeof(uint64_t) },
	                     &(struct leat_gen_opts){ .chan.name = "of the pool", .pool = pool },
	                     &rx),
		0);
	clock_advance(5 * MS);
	cr_expect(seen->pool.idle_ns == 20 * MS && seen->pool.busy_ns == 0);
	leat_rx_close(rx);
	seen_stop(seen);
	leat_scope_close(scope);
	leat_pool_close(pool);
	seen_close(seen);
}

static uint32_t go, inside;

/* Its one step lasts until the test says so. */
static int next_long(void *state, void *item)
{
	(void)state, (void)item;
	leat_store_rel(&inside, 1u);
	while (leat_load_acq(&go) == 0)
		sched_yield();
	return 0;
}

Test(times, the_busiest_worker_is_the_one_with_the_long_step)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_pool *pool =
		leat_pool_open(&(struct leat_pool_opts){ .workers = 2, .workers_only = true });
	struct seen *seen = seen_open(MS);
	int64_t patience_ns = leat_now_ns() + PATIENCE_NS;
	struct leat_pool_stat before, now;
	uint64_t item;
	struct leat_rx *rx;

	cr_assert_eq(
		leat_gen_seq(scope, (struct leat_seq){ next_long, NULL, NULL, sizeof(uint64_t) },
	                     &(struct leat_gen_opts){ .chan.name = "of the pool", .pool = pool },
	                     &rx),
		0);
	leat_try_recv(rx, &item); /* it is wanted */
	cr_assert(await_word(&inside, 1));
	cr_assert(await_word(&seen->snapshots, leat_load_acq(&seen->snapshots) + 2));
	pthread_mutex_lock(&seen->lock);
	before = now = seen->pool;
	pthread_mutex_unlock(&seen->lock);
	while (now.busy_ns < before.busy_ns + 20 * MS && leat_now_ns() < patience_ns) {
		cr_assert(await_word(&seen->snapshots, leat_load_acq(&seen->snapshots) + 1));
		pthread_mutex_lock(&seen->lock);
		now = seen->pool;
		pthread_mutex_unlock(&seen->lock);
	}
	leat_store_rel(&go, 1u);
	cr_expect_geq(now.busiest_ns, before.busiest_ns + 15 * MS);
	cr_expect_lt(now.busiest_ns, now.busy_ns + 1);
	cr_expect_eq(leat_recv(rx, &item), 0);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_join(scope), 0);
	seen_stop(seen); /* the sums were those of two workers in each snapshot */
	leat_scope_close(scope);
	leat_pool_close(pool);
	seen_close(seen);
}

/* --- the files --- */

static char *slurp(const char *path)
{
	char *text = calloc(1, 1 << 16);
	FILE *file = fopen(path, "re");

	cr_assert(text != NULL && file != NULL);
	cr_assert_gt(fread(text, 1, (1 << 16) - 1, file), 0);
	fclose(file);
	return text;
}

static void expect_in(const char *text, const char *wanted)
{
	cr_expect_not_null(strstr(text, wanted), "no %s in:\n%s", wanted, text);
}

static void wait_and_cancel(int64_t ns)
{
	struct place p;
	int64_t due_ns;

	place_open(&p, &due_ns);
	cr_assert_eq(leat_gen(p.scope, waits_recv, &p, 0,
	                      &(struct leat_gen_opts){ .chan.name = "waits" }, NULL),
	             0);
	clock_advance(ns);
	leat_scope_cancel(p.scope, 0, "enough");
	clock_advance(MS);
	place_close(&p);
}

Test(times, both_files_have_them_and_the_totals_keep_what_has_ended)
{
	char prometheus[64], json[64], *text;
	struct leat_diag *diag;

	clock_start();
	snprintf(prometheus, sizeof(prometheus), "/tmp/leat-times-%d.prom", (int)getpid());
	snprintf(json, sizeof(json), "/tmp/leat-times-%d.json", (int)getpid());
	diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = MS, .prometheus_path = prometheus, .json_path = json });
	cr_assert_not_null(diag);
	wait_and_cancel(3 * MS);
	wait_and_cancel(2 * MS);
	cr_expect_eq(leat_diag_stop(diag), 0);
	text = slurp(prometheus);
	expect_in(text, "# TYPE leat_generator_seconds_total counter\n");
	expect_in(text, "leat_generator_seconds_total{generator=\"waits\",class=\"starved\"} "
	                "0.005000000\n");
	expect_in(text, "leat_generator_seconds_total{generator=\"waits\",class=\"busy\"} "
	                "0.000000000\n");
	expect_in(text, "leat_generator_cpu_seconds_total{generator=\"waits\"} ");
	expect_in(text, "leat_generator_runq_seconds_total{generator=\"waits\"} ");
	free(text);
	text = slurp(json);
	expect_in(text, "\"busy_ns\":0,\"starved_ns\":3000000,\"blocked_ns\":0,\"order_ns\":0,"
	                "\"paced_ns\":0,\"cpu_ns\":");
	expect_in(text, "\"idle_ns\":3000000,\"busiest_ns\":0,\"cpu_ns\":");
	free(text);
	unlink(prometheus);
	unlink(json);
}
