/*
 * tests/unit/testkit_clock.c: the manual clock of leat/test.h. What waits for a time runs at that
 * time, to the nanosecond, in the order of the times, and at no other.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "census.h"

#include <leat/leat.h>

#include <fcntl.h>

TestSuite(testkit_clock, .timeout = 600);

static int64_t zero_ns;

/* Each test begins at a round time, at which a pool's wheel has a tick, too. */
static void start_clock(void)
{
	cr_assert_eq(leat_test_clock_start(), 0);
	cr_assert_eq(leat_test_clock_advance((1 << 14) - leat_now_ns() % (1 << 14)), 0);
	zero_ns = leat_now_ns();
}

static void advance_to(int64_t ns)
{
	cr_assert_eq(leat_test_clock_advance(zero_ns + ns - leat_now_ns()), 0);
}

Test(testkit_clock, stands_still_until_it_is_advanced)
{
	cr_expect_eq(leat_test_clock_advance(1), -EINVAL);
	cr_expect_eq(leat_test_clock_settle(), -EINVAL);
	start_clock();
	struct timespec now, last;
	clock_gettime(CLOCK_MONOTONIC, &now);
	do
		clock_gettime(CLOCK_MONOTONIC, &last);
	while (last.tv_nsec == now.tv_nsec);
	cr_expect_eq(leat_now_ns(), zero_ns);
	advance_to(3600 * 1000 * MS);
	cr_expect_eq(leat_now_ns(), zero_ns + 3600 * 1000 * MS);
	cr_expect_eq(leat_test_clock_start(), 0, "a second start changes nothing");
	cr_expect_eq(leat_now_ns(), zero_ns + 3600 * 1000 * MS);
	cr_expect_eq(leat_test_clock_advance(-1), -EINVAL);
	cr_expect_eq(leat_test_clock_advance(INT64_MAX), 0);
	cr_expect_eq(leat_now_ns(), INT64_MAX - 1);
}

Test(testkit_clock, does_not_start_beside_threads_of_the_library)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	cr_expect_eq(leat_test_clock_start(), -EBUSY);
	leat_pool_close(pool);
	struct pipe pipe = pipe_open(NULL);
	struct caller caller = { .op = OP_RECV, .rx = pipe.rx };
	caller_start(&caller);
	cr_expect(await_parked(&caller.tid));
	cr_expect_eq(leat_test_clock_start(), -EBUSY);
	leat_send(pipe.tx, &caller.value);
	cr_expect_eq(caller_join(&caller), 1);
	pipe_close(&pipe);
	cr_expect_eq(leat_test_clock_start(), 0);
}

Test(testkit_clock, a_tick_is_made_at_its_time)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tick_opts ticks = { .interval_ns = 10 * MS };
	struct leat_rx *rx;
	uint64_t tick;

	start_clock();
	cr_assert_eq(leat_gen(scope, leat_tick, &ticks, sizeof(tick), NULL, &rx), 0);
	cr_assert_eq(leat_test_clock_settle(), 0);
	for (uint64_t n = 1; n < 1000; n++) {
		advance_to((int64_t)n * 10 * MS - 1);
		cr_assert_eq(leat_try_recv(rx, &tick), -EAGAIN);
		advance_to((int64_t)n * 10 * MS);
		cr_assert_eq(leat_try_recv(rx, &tick), 1);
		cr_assert_eq(tick, n);
	}
	advance_to(INT64_C(1000 * 60) * 10 * MS);
	for (uint64_t n = 1000; n < 1000 * 2; n++) {
		cr_assert_eq(leat_try_recv(rx, &tick), 1, "no time was left out");
		cr_assert_eq(tick, n);
	}
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(testkit_clock, a_scope_is_cancelled_at_its_deadline)
{
	struct leat_scope *scope;

	start_clock();
	scope = leat_scope_open(NULL,
	                        &(struct leat_scope_opts){ .deadline_ns = zero_ns + 5000 * MS });
	advance_to(5000 * MS - 1);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING);
	advance_to(5000 * MS);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_DEADLINE);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(testkit_clock, calls_with_a_deadline_return_at_it)
{
	struct pipe pipe = pipe_open(&(struct leat_chan_opts){ .capacity = 1 });
	struct caller recv = { .op = OP_RECV_UNTIL, .rx = pipe.rx };

	start_clock();
	recv.deadline_ns = zero_ns + 250 * MS;
	caller_start(&recv);
	cr_assert(await_parked(&recv.tid));
	advance_to(250 * MS - 1);
	cr_assert(await_parked(&recv.tid));
	advance_to(250 * MS);
	cr_expect_eq(caller_join(&recv), -ETIMEDOUT);
	cr_expect_eq(recv.done_ns, recv.deadline_ns);

	struct caller send = { .op = OP_SEND_UNTIL,
		               .tx = pipe.tx,
		               .deadline_ns = zero_ns + 500 * MS };
	cr_assert_eq(leat_send(pipe.tx, &send.value), 0);
	caller_start(&send);
	cr_assert(await_parked(&send.tid));
	advance_to(500 * MS);
	cr_expect_eq(caller_join(&send), -ETIMEDOUT);
	cr_expect_eq(send.done_ns, send.deadline_ns);
	pipe_close(&pipe);
}

/* A generator notes when its select, merge or wait for a descriptor has timed out. */
struct waits {
	struct leat_rx *rx;
	struct leat_merge *merge;
	int fd;
	int which;
	int64_t done_ns[3];
	int rc[3];
};

static int wait_three_times(struct leat_tx *tx, void *arg)
{
	struct waits *waits = arg;
	uint64_t item;
	struct leat_case cases[] = { LEAT_CASE_RECV(waits->rx, &item),
		                     LEAT_CASE_FD(waits->fd, POLLIN) };

	(void)tx;
	waits->rc[0] = leat_select(cases, 2, zero_ns + 10 * MS, LEAT_BY_PRIORITY);
	waits->done_ns[0] = leat_now_ns();
	waits->rc[1] = leat_select(cases, 1, zero_ns + 20 * MS, LEAT_BY_CHANCE);
	waits->done_ns[1] = leat_now_ns();
	waits->rc[2] = (int)leat_merge_recv_until(waits->merge, &item, NULL, zero_ns + 30 * MS);
	waits->done_ns[2] = leat_now_ns();
	return 0;
}

Test(testkit_clock, selects_and_merges_go_by_it)
{
	struct pipe pipe = pipe_open(NULL), lane = pipe_open(NULL);
	struct waits waits = { .rx = pipe.rx };
	int fds[2];

	start_clock();
	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	waits.fd = fds[0];
	waits.merge = leat_merge_open(sizeof(uint64_t));
	cr_assert_not_null(waits.merge);
	cr_assert_eq(leat_merge_add(waits.merge, lane.rx, NULL), 0);
	cr_assert_eq(leat_gen(pipe.scope, wait_three_times, &waits, 0, NULL, NULL), 0);
	advance_to(1000 * MS);
	cr_expect_eq(leat_scope_join(pipe.scope), 0);
	for (int i = 0; i < 3; i++) {
		cr_expect_eq(waits.rc[i], -ETIMEDOUT, "%d: %d", i, waits.rc[i]);
		cr_expect_eq(waits.done_ns[i], zero_ns + (i + 1) * 10 * MS, "%d", i);
	}
	leat_merge_close(waits.merge);
	leat_tx_close(lane.tx);
	leat_scope_close(lane.scope);
	pipe_close(&pipe);
	close(fds[0]);
	close(fds[1]);
}

/* Steps on a pool, each with its own interval: the times come in order, over all of them. */
struct step_log {
	pthread_mutex_t lock;
	int64_t last_ns;
	unsigned steps, disorder;
};
struct stepper {
	struct step_log *log;
	int64_t interval_ns, due_ns;
	unsigned late;
};

static int64_t rounded_up(int64_t ns)
{
	return (ns + (1 << 14) - 1) / (1 << 14) * (1 << 14);
}

static int next_step(void *state, void *item)
{
	struct stepper *stepper = state;
	int64_t now_ns = leat_now_ns();

	(void)item;
	if (stepper->due_ns == 0)
		stepper->due_ns = now_ns;
	if (now_ns < stepper->due_ns)
		return leat_after(stepper->due_ns);
	stepper->late += now_ns != stepper->due_ns && now_ns != rounded_up(stepper->due_ns);
	pthread_mutex_lock(&stepper->log->lock);
	stepper->log->disorder += now_ns < stepper->log->last_ns;
	stepper->log->last_ns = now_ns;
	stepper->log->steps++;
	pthread_mutex_unlock(&stepper->log->lock);
	stepper->due_ns += stepper->interval_ns;
	return leat_after(stepper->due_ns);
}

Test(testkit_clock, timers_of_a_pool_come_in_order)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct step_log log = { .lock = PTHREAD_MUTEX_INITIALIZER };
	struct stepper steppers[5];
	struct leat_rx *rx[5];
	struct leat_pool *pool;
	unsigned expected = 0;

	start_clock();
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	for (int i = 0; i < 5; i++) {
		struct leat_seq seq = { .next = next_step, .state = &steppers[i], .item_size = 1 };
		steppers[i] = (struct stepper){ .log = &log, .interval_ns = (i + 1) * 7 * MS };
		cr_assert_eq(
			leat_gen_seq(scope, seq, &(struct leat_gen_opts){ .pool = pool }, &rx[i]),
			0);
		expected += 1 + 1000 / ((unsigned)(i + 1) * 7);
	}
	advance_to(1001 * MS);
	cr_expect_eq(log.steps, expected, "%u, not %u", log.steps, expected);
	cr_expect_eq(log.disorder, 0);
	for (int i = 0; i < 5; i++) {
		cr_expect_eq(steppers[i].late, 0);
		leat_rx_close(rx[i]);
	}
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}

/* Ends with its input, which has one item. */
static int next_of_input(void *state, void *item)
{
	struct leat_seq *input = state;
	uint64_t got;
	int rc;

	(void)item;
	while ((rc = input->next(input->state, &got)) == 1)
		;
	return rc;
}

static void end_input(void *state)
{
	struct leat_seq *input = state;

	input->fini(input->state);
}

/* Workers that poll for jobs at a time would not see one while the clock stands. */
Test(testkit_clock, a_pool_runs_what_is_started_while_it_stands)
{
	start_clock();
	for (int i = 0; i < MANY_TIMES(2000); i++) {
		struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
		struct leat_scope *outer = leat_scope_open(NULL, NULL);
		struct leat_scope *scope = leat_scope_open(outer, NULL);
		struct leat_gen_opts opts = { .chan.capacity = 1, .pool = pool };
		struct leat_rx *in, *end;
		struct leat_seq input;
		struct leat_tx *tx;

		cr_assert_eq(leat_chan_open(outer, 8, NULL, &tx, &in), 0);
		input = leat_seq_from_rx(in);
		cr_assert_eq(
			leat_gen_seq(scope,
		                     ((struct leat_seq){ next_of_input, end_input, &input, 1 }),
		                     &opts, &end),
			0);
		cr_assert_eq(leat_send(tx, &(uint64_t){ 1 }), 0);
		leat_tx_close(tx);
		cr_assert_eq(leat_scope_join(scope), 0);
		leat_rx_close(end);
		leat_scope_close(scope);
		leat_scope_close(outer);
		cr_assert_eq(leat_pool_close(pool), 0);
	}
}

static void count_snapshot(const struct leat_snapshot *snapshot, void *arg)
{
	(void)snapshot;
	++*(unsigned *)arg;
}

Test(testkit_clock, snapshots_come_at_their_interval)
{
	unsigned snapshots = 0;
	struct leat_diag *diag;

	start_clock();
	diag = leat_diag_start(&(struct leat_diag_opts){
		.interval_ns = 100 * MS, .callback = count_snapshot, .callback_arg = &snapshots });
	cr_assert_eq(leat_test_clock_settle(), 0);
	cr_expect_eq(snapshots, 0);
	advance_to(1050 * MS);
	cr_expect_eq(snapshots, 10);
	cr_expect_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(snapshots, 11);
}

static int pass_on(struct leat_tx *tx, void *arg)
{
	struct leat_rx *rx = arg;
	uint64_t item;
	int rc = 0;

	while (rc == 0 && leat_recv(rx, &item) == 1)
		rc = leat_send(tx, &item);
	leat_rx_close(rx);
	return rc;
}

Test(testkit_clock, a_settle_waits_until_items_have_gone_as_far_as_they_go)
{
	struct pipe pipe = pipe_open(NULL);
	struct leat_rx *rx = pipe.rx, *next;
	uint64_t item;

	start_clock();
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(leat_gen(pipe.scope, pass_on, rx, sizeof(item), NULL, &next), 0);
		rx = next;
	}
	for (uint64_t n = 0; n < 500; n++) {
		cr_assert_eq(leat_send(pipe.tx, &n), 0);
		cr_assert_eq(leat_test_clock_settle(), 0);
		cr_assert_eq(leat_try_recv(rx, &item), 1);
		cr_assert_eq(item, n);
	}
	leat_tx_close(pipe.tx);
	cr_assert_eq(leat_test_clock_settle(), 0);
	cr_expect_eq(leat_try_recv(rx, &item), 0);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(pipe.scope), 0);
}

Test(testkit_clock, a_settle_waits_until_a_ready_descriptor_is_read)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_pool *pool;
	/* the generator reads it when it runs, after the block of an assertion has ended */
	struct leat_lines_opts lines = { 0 };
	struct leat_seq seq;
	struct leat_line line;
	struct leat_rx *rx[2];
	int fds[2][2];
	char paths[2][32];

	start_clock();
	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(pipe2(fds[i], O_CLOEXEC), 0);
		snprintf(paths[i], sizeof(paths[i]), "/proc/self/fd/%d", fds[i][0]);
	}
	lines.path = paths[0];
	cr_assert_eq(leat_gen(scope, leat_lines, &lines, sizeof(line), NULL, &rx[0]), 0);
	cr_assert_eq(leat_lines_seq(&(struct leat_lines_opts){ .path = paths[1] }, &seq), 0);
	cr_assert_eq(leat_gen_seq(scope, seq, &(struct leat_gen_opts){ .pool = pool }, &rx[1]), 0);
	cr_assert_eq(leat_test_clock_advance(MS), 0, "the pool has started it");
	for (int n = 0; n < 300; n++)
		for (int i = 0; i < 2; i++) {
			cr_assert_eq(write(fds[i][1], "line\n", 5), 5);
			cr_assert_eq(leat_test_clock_settle(), 0);
			cr_assert_eq(leat_try_recv(rx[i], &line), 1, "%d, %d", n, i);
			leat_line_free(&line);
		}
	for (int i = 0; i < 2; i++)
		close(fds[i][1]);
	cr_assert_eq(leat_test_clock_settle(), 0);
	for (int i = 0; i < 2; i++) {
		cr_expect_eq(leat_try_recv(rx[i], &line), 0, "%d", i);
		leat_rx_close(rx[i]);
		close(fds[i][0]);
	}
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}

static int settle_here(struct leat_tx *tx, void *arg)
{
	int *rc = arg;

	(void)tx;
	rc[0] = leat_test_clock_settle();
	rc[1] = leat_test_clock_advance(1);
	return 0;
}

Test(testkit_clock, a_thread_of_the_library_cannot_wait_for_itself)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int rc[2];

	start_clock();
	cr_assert_eq(leat_gen(scope, settle_here, rc, 0, NULL, NULL), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(rc[0], -EDEADLK);
	cr_expect_eq(rc[1], -EDEADLK);
}

/* A generator joins another one that waits for a time: both are parked. */
struct joining {
	struct leat_scope *root;
	int64_t done_ns;
};

static int sleep_a_second(struct leat_tx *tx, void *arg)
{
	struct leat_tick_opts second = { .interval_ns = 1000 * MS,
		                         .until_ns = zero_ns + 1000 * MS };

	(void)arg;
	return leat_tick(tx, &second);
}

static int join_a_sleeper(struct leat_tx *tx, void *arg)
{
	struct joining *joining = arg;
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx;
	uint64_t tick;

	(void)tx;
	leat_gen(scope, sleep_a_second, NULL, sizeof(tick), NULL, &rx);
	leat_scope_join(scope);
	joining->done_ns = leat_now_ns();
	leat_rx_close(rx);
	return leat_scope_close(scope);
}

Test(testkit_clock, a_thread_that_joins_is_parked)
{
	struct joining joining = { .root = leat_scope_open(NULL, NULL) };

	start_clock();
	cr_assert_eq(leat_gen(joining.root, join_a_sleeper, &joining, 0, NULL, NULL), 0);
	cr_assert_eq(leat_test_clock_settle(), 0);
	advance_to(2000 * MS);
	cr_expect_eq(leat_scope_close(joining.root), 0);
	cr_expect_eq(joining.done_ns, zero_ns + 1000 * MS);
}

Test(testkit_clock, its_own_thread_and_descriptor_are_not_in_the_census)
{
	struct leat_census before;
	char text[200];

	leat_census_take(&before);
	start_clock();
	cr_expect_eq(leat_census_left(&before, text, sizeof(text)), 0, "%s", text);
}
