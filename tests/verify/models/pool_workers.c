/*
 * Models of the pool: what workers do besides turns. The wheel and descriptors that somebody has to
 * keep, and jobs that one takes from another.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

#include <poll.h>

/* A time to wait for, set by whoever runs the step: there must be a timekeeper for it. */
static void receive_later(enum leat_kind kind)
{
	static struct numbers n;
	struct leat_rx *rx;

	verify_instant(40000000);
	open_pool(1, false);
	n.last = 1;
	n.due_ns = 40000000;
	rx = start(kind, 1, &n);
	receive_all(rx, 1);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_timer,
      .what = "a step that waits for a time is called again, whoever asked for it, also as the "
              "worker goes to sleep",
      .preemptions = 2, .stale = 1, .quick = 1, .idle_ns = 40000000 - VERIFY_START_NS + TICK_NS,
      .quick_both = 1)
{
	receive_later(LEAT_SPSC);
}

MODEL(pool_timer_turns, .what = "the same on an ordinary channel", .preemptions = 1, .stale = 1,
      .quick = 1, .idle_ns = 40000000 - VERIFY_START_NS + TICK_NS, .quick_both = 1)
{
	receive_later(LEAT_MPMC);
}

/* Two times to wait for: who sleeps until the later one hears of the earlier. */
static int64_t later_ns;

static int second_later(void *state, void *item)
{
	struct numbers *n = state;
	int rc = n->at == 1 ? leat_after(later_ns / 2) : 0;

	return rc == 0 ? next(state, item) : rc;
}

MODEL(pool_timer_earlier,
      .what = "the timekeeper sleeps until a time, and somebody puts an earlier one into the wheel",
      .preemptions = 1, .stale = 1, .idle_ns = 40000000 - VERIFY_START_NS + TICK_NS,
      .quick_both = 1)
{
	static struct numbers n[2] = { { .last = 1, .due_ns = 80000000 }, { .last = 2 } };
	struct leat_gen_opts opts;
	struct leat_rx *rx[2];
	uint32_t never = 0;
	uint64_t item;

	open_pool(1, false);
	opts = on_pool(LEAT_SPSC, 1);
	later_ns = n[0].due_ns;
	rx[0] = start(LEAT_SPSC, 1, &n[0]);
	verify_that(leat_gen_seq(scope,
	                         (struct leat_seq){ second_later, fini, &n[1], sizeof(item) },
	                         &opts, &rx[1]) == 0);
	verify_that(leat_recv(rx[1], &item) == 1);
	/* the worker goes to sleep for long, or has not yet */
	leat_os_futex_wait(&never, 0, later_ns / 4);
	verify_that(leat_recv(rx[1], &item) == 1);
	leat_rx_close(rx[1]);
	leat_rx_close(rx[0]);
	close_pool(0);
}

/* A descriptor to wait for, asked for by whoever runs the step: the timekeeper must sleep on it. */
static int flag;

static int next_when_ready(void *state, void *item)
{
	int rc = ((struct numbers *)state)->at == 0 ? leat_ready(flag, POLLIN, LEAT_NEVER) : 0;

	return rc == 0 ? next(state, item) : rc;
}

static void raises(void *arg)
{
	(void)arg;
	leat_os_flag_raise(flag);
}

static struct leat_rx *start_with_flag(enum leat_kind kind, struct numbers *n)
{
	struct leat_gen_opts opts = on_pool(kind, 1);
	struct leat_rx *rx;

	flag = leat_os_flag_open();
	verify_that(leat_gen_seq(scope,
	                         (struct leat_seq){ next_when_ready, fini, n, sizeof(uint64_t) },
	                         &opts, &rx) == 0);
	return rx;
}

MODEL(pool_descriptor,
      .what = "a step that waits for a descriptor, against what makes that ready and a worker that "
              "goes to sleep",
      .preemptions = 1, .stale = 1)
{
	static struct numbers n = { .last = 1 };
	struct leat_rx *rx;

	open_pool(1, false);
	rx = start_with_flag(LEAT_SPSC, &n);
	verify_spawn(raises, NULL, "raises");
	receive_all(rx, 1);
	leat_rx_close(rx);
	verify_join();
	leat_os_flag_close(flag);
	close_pool(0);
}

/* Jobs without anything else: one takes its time, until the other has had its turn. */
static struct leat_job jobs[2];

static void wait_for_turns(uint32_t count)
{
	for (uint32_t n; (n = leat_load_acq(&turns)) < count;)
		leat_os_futex_wait(&turns, n, LEAT_NEVER);
}

static enum leat_job_result waits_for_other(struct leat_job *job)
{
	(void)job;
	wait_for_turns(1);
	had_turn();
	return LEAT_JOB_OVER;
}

static enum leat_job_result waits_for_second(struct leat_job *job)
{
	(void)job;
	wait_for_turns(2);
	had_turn();
	return LEAT_JOB_OVER;
}

static enum leat_job_result is_other(struct leat_job *job)
{
	(void)job;
	had_turn();
	return LEAT_JOB_OVER;
}

static struct leat_pool *pool_of_job(const struct leat_job *job)
{
	(void)job;
	return pool;
}

static uint64_t id_of_job(const struct leat_job *job)
{
	(void)job;
	return 1;
}

static void start_job(struct leat_job *job, const struct leat_job_kind *kind, bool pulled)
{
	leat_job_init(job, kind);
	job->run = LEAT_RUN_QUEUED;
	leat_job_start(job, pulled);
}

MODEL(pool_steal,
      .what = "a job finds the other worker, however its inbox is adopted, while the first takes "
              "its time",
      .preemptions = 1, .stale = 1, .idle_ns = 2, .quick_both = 1)
{
	static const struct leat_job_kind kinds[2] = { { waits_for_other, NULL, pool_of_job,
		                                         id_of_job },
		                                       { is_other, NULL, pool_of_job, id_of_job } };
	uint32_t never = 0;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2, .workers_only = true });
	for (int i = 0; i < 2; i++) {
		/* until all others sleep, or anywhere between */
		leat_os_futex_wait(&never, 0, VERIFY_START_NS + 1 + i);
		start_job(&jobs[i], &kinds[i], false);
	}
	wait_for_turns(2);
	verify_that(leat_pool_close(pool) == 0);
}

/*
 * A worker takes two jobs from another's queue: the first for itself, the second into its own
 * queue. While the second is between the queues the other worker finds nothing and goes to sleep.
 * The first job then waits for the second.
 */
static uint32_t stage;
static struct leat_job pair[2];

static void reach_stage(uint32_t to)
{
	leat_store_rel(&stage, to);
	leat_os_futex_wake(&stage, 2);
}

static void wait_for_stage(uint32_t at)
{
	for (uint32_t n; (n = leat_load_acq(&stage)) < at;)
		leat_os_futex_wait(&stage, n, LEAT_NEVER);
}

static enum leat_job_result starts_pair(struct leat_job *job)
{
	static const struct leat_job_kind kinds[2] = { { waits_for_other, NULL, pool_of_job,
		                                         id_of_job },
		                                       { is_other, NULL, pool_of_job, id_of_job } };

	(void)job;
	wait_for_stage(1);
	for (int i = 0; i < 2; i++)
		start_job(&pair[i], &kinds[i], false);
	reach_stage(2);
	wait_for_stage(3);
	return LEAT_JOB_OVER;
}

static enum leat_job_result lets_pair_be_stolen(struct leat_job *job)
{
	(void)job;
	reach_stage(1);
	wait_for_stage(2);
	reach_stage(3);
	return LEAT_JOB_OVER;
}

MODEL(pool_steal_between_queues,
      .what = "a job between two queues, against the worker that finds nothing and goes to sleep",
      .preemptions = 1, .stale = VERIFY_NONE, .short_pauses = true, .quick_both = 1)
{
	static const struct leat_job_kind kinds[2] = {
		{ starts_pair, NULL, pool_of_job, id_of_job },
		{ lets_pair_be_stolen, NULL, pool_of_job, id_of_job }
	};

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2, .workers_only = true });
	for (int i = 0; i < 2; i++)
		start_job(&jobs[i], &kinds[i], false);
	wait_for_turns(2);
	verify_that(leat_pool_close(pool) == 0);
}

MODEL(pool_polling_worker_gets_work,
      .what = "a worker polls, so that new jobs wake none; it gets one that takes its time until "
              "the next has had its turn",
      .preemptions = 1, .stale = 1, .quick = VERIFY_NONE, .idle_ns = 1 + POLLED_TWICE_NS)
{
	static const struct leat_job_kind kinds[3] = { { is_other, NULL, pool_of_job, id_of_job },
		                                       { waits_for_second, NULL, pool_of_job,
		                                         id_of_job },
		                                       { is_other, NULL, pool_of_job, id_of_job } };
	static struct leat_job three[3];
	uint32_t never = 0;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	start_job(&three[0], &kinds[0], true);
	wait_for_turns(1);
	/* both workers sleep, one of them polling, or not yet */
	leat_os_futex_wait(&never, 0, VERIFY_START_NS + 1);
	for (int i = 1; i < 3; i++)
		start_job(&three[i], &kinds[i], true);
	wait_for_turns(3);
	verify_that(leat_pool_close(pool) == 0);
}

MODEL(pool_first_descriptor,
      .what = "the first descriptor of a pool, against the worker that finds that there is one to "
              "sleep on",
      .preemptions = 2, .stale = 1)
{
	static const struct leat_job_kind kind = { is_other, NULL, pool_of_job, id_of_job };
	struct leat_polled polled;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1, .workers_only = true });
	flag = leat_os_flag_open();
	leat_job_init(&jobs[0], &kind);
	jobs[0].run = LEAT_RUN_TIMED;
	leat_polled_init(&polled, &jobs[0]);
	verify_that(leat_polled_add(&polled, pool, flag, POLLIN) == 0);
	leat_os_flag_raise(flag);
	wait_for_turns(1);
	leat_polled_remove(&polled);
	leat_os_flag_close(flag);
	verify_that(leat_pool_close(pool) == 0);
}

static struct leat_polled held_polled;

static void lets_go(void *arg)
{
	(void)arg;
	leat_polled_remove(&held_polled);
	leat_pool_let_go(pool);
}

MODEL(pool_close_against_hold,
      .what = "the pool's close against the last that uses its poller, and lets go of it",
      .preemptions = 2, .stale = 1)
{
	int rc;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	flag = leat_os_flag_open();
	leat_pool_hold(pool);
	leat_polled_init(&held_polled, &jobs[0]);
	verify_that(leat_polled_add(&held_polled, pool, flag, POLLIN) == 0);
	verify_spawn(lets_go, NULL, "holder");
	rc = leat_pool_close(pool);
	verify_that(rc == 0 || rc == -EBUSY);
	verify_join();
	verify_that(rc == 0 || leat_pool_close(pool) == 0);
	leat_os_flag_close(flag);
}

static int next_is_other(void *state, void *item)
{
	(void)state, (void)item;
	had_turn();
	return 0;
}

MODEL(pool_fresh_beside_long_turn,
      .what = "one, and a job that takes its time until it has had its turn: the other worker "
              "finds it",
      .preemptions = 1, .stale = 1, .idle_ns = POLLED_TWICE_NS, .quick_both = 1)
{
	static const struct leat_job_kind kind = { waits_for_other, NULL, pool_of_job, id_of_job };
	struct leat_gen_opts opts;
	struct leat_rx *rx;

	open_pool(2, false);
	opts = on_pool(LEAT_SPSC, 1);
	verify_that(leat_gen_seq(scope,
	                         (struct leat_seq){ next_is_other, NULL, NULL, sizeof(uint64_t) },
	                         &opts, &rx) == 0);
	start_job(&jobs[0], &kind, false);
	verify_that(leat_scope_join(scope) == 0);
	wait_for_turns(2);
	leat_rx_close(rx);
	close_pool(0);
}
