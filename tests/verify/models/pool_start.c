/*
 * Models of the pool: starting. Crowds that two threads make, new generators that nobody receives
 * from, the next pool of a scope, and what fails.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

/* Two threads start their first generators of a scope at once. */
static void starts(void *arg)
{
	struct leat_rx *rx = start(LEAT_SPSC, 1, arg);

	leat_rx_close(rx);
}

MODEL(pool_two_start,
      .what = "two threads start generators of one scope: one makes their gen_set, the other finds "
              "it",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	static struct numbers n[2];

	open_pool(1, true);
	verify_spawn(starts, &n[0], "starter");
	starts(&n[1]);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 2);
	close_pool(0);
}

/* New generators that nobody receives from: a worker finds them where they stand. */
static void nobody_receives(unsigned workers, size_t count)
{
	static struct numbers n[2];
	struct leat_rx *rx[2];

	open_pool(workers, false);
	for (size_t i = 0; i < count; i++)
		rx[i] = start(LEAT_SPSC, 1, &n[i]);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == count);
	for (size_t i = 0; i < count; i++)
		leat_rx_close(rx[i]);
	close_pool(0);
}

MODEL(pool_fresh, .what = "a new generator that nobody receives from", .preemptions = 2, .stale = 1,
      .quick = 1, .idle_ns = POLLED_TWICE_NS)
{
	nobody_receives(1, 1);
}

MODEL(pool_fresh_fenced, .what = "the same without membarrier", .preemptions = 2, .stale = 1,
      .quick = 1, .no_membarrier = true, .idle_ns = POLLED_TWICE_NS)
{
	nobody_receives(1, 1);
}

MODEL(pool_fresh_two,
      .what = "two of them: the second is queued, unless the first has had its turn",
      .preemptions = 2, .stale = 1, .quick = 1, .idle_ns = POLLED_TWICE_NS)
{
	nobody_receives(1, 2);
}

MODEL(pool_fresh_two_workers, .what = "one of them, and two workers", .preemptions = 1, .stale = 1,
      .idle_ns = POLLED_TWICE_NS, .quick_both = 1)
{
	nobody_receives(2, 1);
}

static struct leat_scope *other_scope;

/* In another scope: one that it runs itself, and one that it leaves to the worker. */
static void starts_elsewhere(void *arg)
{
	struct leat_gen_opts opts = on_pool(LEAT_SPSC, 1);

	for (int i = 0; i < 2; i++) {
		struct leat_seq seq = { next, fini, arg, sizeof(uint64_t) };
		struct leat_rx *rx;
		uint64_t item;

		verify_that(leat_gen_seq(other_scope, seq, &opts, &rx) == 0);
		verify_that(i == 1 || leat_recv(rx, &item) == 0);
		verify_that(leat_scope_join(other_scope) == 0);
		leat_rx_close(rx);
	}
	verify_that(leat_scope_close(other_scope) == 0);
}

MODEL(pool_fresh_two_scopes, .what = "a thread starts one, another two of another scope",
      .preemptions = 1, .stale = 1, .idle_ns = POLLED_TWICE_NS, .quick_both = 1)
{
	static struct numbers n[2];

	open_pool(1, false);
	other_scope = leat_scope_open(NULL, NULL);
	verify_spawn(starts_elsewhere, &n[0], "starter");
	starts(&n[1]);
	verify_that(leat_scope_join(scope) == 0);
	verify_join();
	verify_that(leat_load_rlx(&finis) == 3);
	close_pool(0);
}

static void scope_gone(int64_t until_ns)
{
	static struct numbers n[2];
	uint32_t never = 0;
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, false);
	other_scope = scope;
	scope = leat_scope_open(NULL, NULL);
	rx = start(LEAT_SPSC, 1, &n[0]);
	verify_that(leat_recv(rx, &item) == 0);
	leat_rx_close(rx);
	leat_os_futex_wait(&never, 0, until_ns);
	verify_idle(POLLED_TWICE_NS);
	verify_that(leat_scope_close(scope) == 0);
	scope = other_scope;
	rx = start(LEAT_SPSC, 1, &n[1]);
	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_fresh_scope_gone,
      .what = "a scope is closed before a worker has looked at what was new there; then one of "
              "another scope",
      .preemptions = 2, .stale = 1, .quick = 1, .idle_ns = POLLED_TWICE_NS)
{
	scope_gone(VERIFY_START_NS); /* it sleeps for nothing */
}

MODEL(pool_fresh_scope_goes, .what = "the same, while the worker looks", .preemptions = 2,
      .stale = 1, .quick = 1, .idle_ns = POLLED_TWICE_NS)
{
	scope_gone(VERIFY_START_NS + 200000);
}

static void starts_and_joins(void *arg)
{
	struct leat_rx *rx = start(LEAT_SPSC, 1, arg);

	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
}

MODEL(pool_fresh_two_start, .what = "two threads start the first of a scope, and nobody receives",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1, .idle_ns = POLLED_TWICE_NS)
{
	static struct numbers n[2];

	open_pool(1, false);
	verify_spawn(starts_and_joins, &n[0], "starter");
	starts_and_joins(&n[1]);
	verify_join();
	verify_that(leat_load_rlx(&finis) == 2);
	close_pool(0);
}

MODEL(pool_fresh_against_look, .what = "one that is started while the worker looks for such",
      .preemptions = 2, .stale = 1, .quick = 1, .idle_ns = POLLED_TWICE_NS)
{
	static struct numbers n[2];
	uint32_t never = 0;
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, false);
	for (int i = 0; i < 2; i++) {
		rx = start(LEAT_SPSC, 1, &n[i]);
		if (i == 0) {
			/* by itself; the worker hears that there was one */
			verify_that(leat_recv(rx, &item) == 0);
			leat_os_futex_wait(&never, 0, VERIFY_START_NS + 200000);
			verify_idle(POLLED_TWICE_NS);
		}
		verify_that(leat_scope_join(scope) == 0);
		leat_rx_close(rx);
	}
	close_pool(0);
}

MODEL(pool_fresh_memory,
      .what = "what was started last is gone, and the memory that it was in: the next does not "
              "look there",
      .preemptions = 1, .stale = 1)
{
	enum { FULL = 4, MANY = FULL + 2 }; /* the first slab has four blocks */
	static struct numbers n[MANY];
	struct leat_rx *rx[MANY];
	uint64_t item;

	open_pool(1, false);
	for (int i = 0; i < MANY; i++) {
		rx[i] = start(LEAT_SPSC, 1, &n[i]);
		verify_that(leat_recv(rx[i], &item) == 0);
		if (i != FULL)
			continue;
		leat_rx_close(rx[0]); /* room in the first, so that the second goes */
		leat_rx_close(rx[FULL]);
	}
	for (int i = 1; i < MANY; i++)
		if (i != FULL)
			leat_rx_close(rx[i]);
	close_pool(0);
}

static void fini_is_other(void *state)
{
	(void)state;
	had_turn();
}

static void starts_one(void *arg)
{
	struct leat_seq seq = { next, fini_is_other, arg, sizeof(uint64_t) };
	struct leat_gen_opts opts = on_pool(LEAT_SPSC, 1);
	int rc = leat_gen_seq(scope, seq, &opts, &left);

	verify_that(rc == 0 || rc == -ECANCELED);
	if (rc < 0)
		had_turn();
}

MODEL(pool_fresh_starter_inside_wake_while_closed,
      .what = "who started the last generator is still waking a worker, and a cancel and the "
              "pool's close",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	static struct numbers n;

	open_pool(1, false);
	verify_spawn(starts_one, &n, "starter");
	verify_spawn(cancels, NULL, "canceller");
	while (leat_load_acq(&turns) == 0)
		leat_os_futex_wait(&turns, 0, LEAT_NEVER);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_pool_close(pool) == 0);
	verify_join();
	leat_rx_close(left);
	verify_that(leat_scope_close(scope) == 0);
}

/* Asks once for a time, and relies on it. */
static int next_waits_once(void *state, void *item)
{
	struct numbers *n = state;

	(void)item;
	if (n->at++ == 0)
		return leat_after(n->due_ns);
	verify_that(leat_now_ns() >= n->due_ns);
	return 0;
}

/* receives false: only asks, so that a worker gives all turns. */
static void waits_for_its_time(unsigned workers, bool receives)
{
	static struct numbers n = { .due_ns = VERIFY_START_NS + 1000000 };
	struct leat_gen_opts opts;
	struct leat_rx *rx;
	uint32_t never = 0;
	uint64_t item;

	open_pool(workers, false);
	opts = on_pool(LEAT_SPSC, 1);
	verify_that(leat_gen_seq(scope,
	                         (struct leat_seq){ next_waits_once, fini, &n, sizeof(item) },
	                         &opts, &rx) == 0);
	/* the worker looks for such a second time */
	leat_os_futex_wait(&never, 0, VERIFY_START_NS + 400000);
	if (receives)
		verify_that(leat_recv(rx, &item) == 0);
	else
		leat_try_recv(rx, &item);
	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(pool_fresh_timed,
      .what = "one whose receiver gives it its first turn, in which it waits for a time, while a "
              "worker looks for such",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1, .idle_ns = 1000000 + TICK_NS)
{
	waits_for_its_time(1, true);
}

MODEL(pool_demand_timed, .what = "a worker gives it that turn, while the receiver asks for it",
      .preemptions = 2, .stale = 1, .quick = 1, .idle_ns = 1000000 + TICK_NS)
{
	waits_for_its_time(1, false);
}

/*
 * The next pool under a scope whose gen_set of the last pool is nobody's any more, so that two
 * threads start on it, or (held) about to be, as another thread closes the last receiver.
 */
static void next_pool(bool held)
{
	static struct numbers n[3];
	uint64_t item;

	open_pool(1, true);
	left = start(LEAT_SPSC, 1, &n[0]);
	verify_that(leat_recv(left, &item) == 0);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_pool_close(pool) == 0);
	if (!held)
		leat_rx_close(left);
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	if (held)
		verify_spawn(closes_receiver, NULL, "closer");
	else
		verify_spawn(starts, &n[1], "starter");
	starts(&n[2]);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == (held ? 2 : 3));
	close_pool(0);
}

MODEL(pool_next,
      .what = "two threads start on a scope's next pool: one takes over the gen_set of the last, "
              "the other finds it",
      .preemptions = 1, .stale = 1, .idle_ns = POLLED_TWICE_NS, .quick_both = 1)
{
	next_pool(false);
}

MODEL(pool_next_against_rx_close,
      .what = "the first generator on a scope's next pool, against the last receiver of the one "
              "before",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	next_pool(true);
}

MODEL(pool_next_fresh,
      .what = "a pool is closed before a worker has looked at what was new, and the next has a new "
              "one that nobody receives from",
      .preemptions = 1, .stale = 1, .idle_ns = POLLED_TWICE_NS)
{
	static struct numbers n[2];
	struct leat_rx *rx;
	uint64_t item;

	open_pool(1, false);
	for (int i = 0; i < 2; i++) {
		rx = start(LEAT_SPSC, 1, &n[i]);
		verify_that(i == 1 || leat_recv(rx, &item) == 0);
		verify_that(leat_scope_join(scope) == 0);
		leat_rx_close(rx);
		if (i == 1)
			break;
		verify_that(leat_pool_close(pool) == 0);
		pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	}
	close_pool(0);
}

static void closes_pool(void *arg)
{
	verify_that(leat_pool_close(arg) == 0);
}

MODEL(pool_next_against_close,
      .what = "the first generator on a scope's next pool, against the close of the one before",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	static struct numbers n[2];

	open_pool(1, true);
	starts(&n[0]);
	verify_that(leat_scope_join(scope) == 0);
	verify_spawn(closes_pool, pool, "closer");
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	starts(&n[1]);
	verify_join();
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_load_rlx(&finis) == 2);
	close_pool(0);
}

/* Faults at every place where there can be one. */
static void start_with_faults(enum leat_kind kind, bool sink)
{
	static struct numbers n;
	static uint64_t most;
	struct leat_gen_opts opts;
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	scope = leat_scope_open(NULL, NULL);
	if (pool == NULL || scope == NULL) {
		verify_that(leat_scope_close(scope) == 0 && leat_pool_close(pool) == 0);
		return;
	}
	opts = on_pool(kind, 1);
	n.last = 1;
	rc = leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(item) }, &opts, &rx);
	verify_that(rc == 0 || rc == -ENOMEM);
	verify_that((rx != NULL) == (rc == 0));
	if (rc == 0 && sink) {
		opts = (struct leat_gen_opts){ .pool = pool };
		rc = leat_gen_sink(scope, rx, (struct leat_sink){ put, fini, &most }, &opts);
		verify_that(rc == 0 || rc == -ENOMEM);
		if (rc == 0)
			rx = NULL;
	}
	if (rx != NULL) {
		verify_that(leat_recv(rx, &item) == 1 && item == 1);
		verify_that(leat_recv(rx, &item) == 0);
		verify_that(leat_load_rlx(&finis) == 1);
		leat_rx_close(rx);
	}
	close_pool(0);
}

MODEL(pool_thread_creation_fails,
      .what = "thread_creation_fails: an open that answers NULL left nothing behind",
      .preemptions = 1, .stale = 1, .failed_threads = 1)
{
	start_with_faults(LEAT_SPSC, false);
}

MODEL(pool_no_memory, .what = "each allocation of a pool, a generator and its end fails in turn",
      .preemptions = 1, .stale = 1, .failed_allocs = 1)
{
	start_with_faults(LEAT_SPSC, false);
}

MODEL(pool_no_memory_turns, .what = "the same with an ordinary channel and a sink",
      .preemptions = 1, .stale = 1, .quick = VERIFY_SKIP, .failed_allocs = 1)
{
	start_with_faults(LEAT_MPMC, true);
}
