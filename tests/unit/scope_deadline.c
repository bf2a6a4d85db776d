/*
 * tests/unit/scope_deadline.c: deadlines of scopes. The library may keep a timer thread while a
 * scope has one, not after.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "runner.h"

TestSuite(scope_deadline, .timeout = 600);

/* As run_until_cancelled(), but asleep: the manual clock waits for a thread that is not. */
static int sleep_until_cancelled(struct leat_tx *out, void *arg)
{
	struct runner *runner = arg;
	leat_add_acqrel(&runner->started, 1u);
	while (leat_tx_wait(out, -1, 0, LEAT_NEVER) != -ECANCELED)
		;
	leat_add_acqrel(&runner->ended, 1u);
	return runner->answer;
}

Test(scope_deadline, a_deadline_in_the_past_opens_a_cancelled_scope)
{
	const int64_t past[] = { 1, -1, INT64_MIN, leat_now_ns() };
	for (size_t i = 0; i < COUNT(past); i++) {
		struct leat_scope *scope =
			leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = past[i] });
		struct leat_tx *tx;
		struct leat_rx *rx;
		cr_assert_not_null(scope);
		expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
		cr_expect_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), -ECANCELED);
		cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
		cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	}
}

Test(scope_deadline, never_is_no_deadline)
{
	struct leat_scope *scope =
		leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = LEAT_NEVER });
	expect_cause(scope, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope_deadline, a_deadline_that_is_far_away_is_forgotten_at_close)
{
	int64_t began_ns = leat_now_ns();
	for (int i = 0; i < 50; i++) {
		struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 3600000 * MS };
		struct leat_scope *scope = leat_scope_open(NULL, &opts);
		expect_cause(scope, LEAT_RUNNING, 0, NULL);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
	cr_expect_lt(leat_now_ns() - began_ns, 5000 * MS);
}

Test(scope_deadline, a_deadline_cancels_generators)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 200 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct runner runner = { .answer = -ECANCELED };
	start(scope, sleep_until_cancelled, &runner);
	clock_advance(200 * MS - 1);
	expect_cause(scope, LEAT_RUNNING, 0, NULL);
	clock_advance(1);
	expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT);
	expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(scope_deadline, a_deadline_is_inherited)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 200 * MS };
	struct leat_scope *root = leat_scope_open(NULL, &opts),
			  *child = leat_scope_open(root, NULL);
	struct runner runner = { .answer = -ECANCELED };
	start(child, sleep_until_cancelled, &runner);
	clock_advance(200 * MS - 1);
	expect_cause(root, LEAT_RUNNING, 0, NULL);
	clock_advance(1);
	expect_cause(root, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_join(root), -ETIMEDOUT);
	expect_cause(child, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_close(child), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(root), -ETIMEDOUT);
}

Test(scope_deadline, an_earlier_deadline_below_leaves_the_parent_running)
{
	clock_start();
	struct leat_scope_opts outer = { .deadline_ns = leat_now_ns() + 3600000 * MS },
			       inner = { .deadline_ns = leat_now_ns() + 200 * MS };
	struct leat_scope *root = leat_scope_open(NULL, &outer),
			  *child = leat_scope_open(root, &inner);
	struct runner runner = { .answer = -ECANCELED };
	start(child, sleep_until_cancelled, &runner);
	clock_advance(200 * MS - 1);
	expect_cause(child, LEAT_RUNNING, 0, NULL);
	clock_advance(1);
	expect_cause(child, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_join(child), -ETIMEDOUT);
	expect_cause(root, LEAT_RUNNING, 0, NULL);
	cr_expect_eq(leat_scope_close(child), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope_deadline, an_earlier_deadline_above_comes_first)
{
	clock_start();
	struct leat_scope_opts outer = { .deadline_ns = leat_now_ns() + 200 * MS },
			       inner = { .deadline_ns = leat_now_ns() + 3600000 * MS };
	struct leat_scope *root = leat_scope_open(NULL, &outer),
			  *child = leat_scope_open(root, &inner);
	struct runner runner = { .answer = -ECANCELED };
	start(child, sleep_until_cancelled, &runner);
	clock_advance(200 * MS - 1);
	expect_cause(child, LEAT_RUNNING, 0, NULL);
	clock_advance(1);
	expect_cause(child, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_join(child), -ETIMEDOUT);
	expect_cause(child, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_close(child), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(root), -ETIMEDOUT);
}

Test(scope_deadline, deadlines_fire_in_their_own_order)
{
	clock_start();
	struct leat_scope *scopes[8];
	struct runner runners[8] = { 0 };
	int64_t deadlines_ns[8], now_ns = leat_now_ns();
	for (int i = 0; i < 8; i++) {
		deadlines_ns[i] = now_ns + (200 + i * 3 % 8 * 20) * MS;
		scopes[i] = leat_scope_open(
			NULL, &(struct leat_scope_opts){ .deadline_ns = deadlines_ns[i] });
		runners[i].answer = -ECANCELED;
		cr_assert_eq(leat_gen(scopes[i], sleep_until_cancelled, &runners[i], 0, NULL, NULL),
		             0);
	}
	for (int k = 0; k < 8; k++) {
		clock_advance(now_ns + (200 + k * 20) * MS - leat_now_ns());
		for (int i = 0; i < 8; i++)
			cr_expect_eq(leat_scope_cause(scopes[i], NULL, NULL),
			             deadlines_ns[i] <= leat_now_ns() ? LEAT_DEADLINE
			                                              : LEAT_RUNNING);
	}
	for (int i = 0; i < 8; i++)
		cr_expect_eq(leat_scope_close(scopes[i]), -ETIMEDOUT);
}

/*
 * Scopes by rank of their deadlines; NULL: closed. How many have fired; -1 if a later one has and
 * an earlier one not.
 */
static int fired_in_order(struct leat_scope *const scopes[], int n, int64_t base_ns,
                          int64_t apart_ns)
{
	int fired = 0;
	for (int rank = n - 1; rank >= 0; rank--) {
		if (scopes[rank] == NULL)
			continue;
		bool now = leat_scope_cause(scopes[rank], NULL, NULL) == LEAT_DEADLINE;
		if ((now && leat_now_ns() < base_ns + rank * apart_ns) || (!now && fired > 0))
			return -1;
		fired += now;
	}
	return fired;
}

Test(scope_deadline, many_fire_in_their_own_order_beside_those_that_are_closed)
{
	clock_start();
	enum { MANY = 2000 };
	static const int steps[] = { 1, MANY - 1, 777 }; /* ranks rise, fall, go about */
	for (size_t k = 0; k < COUNT(steps); k++) {
		struct leat_scope *scopes[MANY] = { 0 };
		int64_t apart_ns = MS / 20, base_ns = leat_now_ns() + 500 * MS;
		int open = MANY, fired = 0;
		for (int i = 0; i < MANY; i++) {
			int rank = (int)((int64_t)i * steps[k] % MANY);
			scopes[rank] = leat_scope_open(
				NULL, &(struct leat_scope_opts){ .deadline_ns = base_ns +
			                                                        rank * apart_ns });
			cr_assert_not_null(scopes[rank]);
		}
		for (int i = 0; i < MANY; i += 3, open--) {
			int rank = i * 7 % MANY;
			leat_scope_close(scopes[rank]);
			scopes[rank] = NULL;
		}
		clock_advance(base_ns - 1 - leat_now_ns());
		cr_expect_eq(fired_in_order(scopes, MANY, base_ns, apart_ns), 0);
		for (int rank = 0; rank <= MANY; rank += 10) {
			int more = fired_in_order(scopes, MANY, base_ns, apart_ns);
			cr_assert(more >= fired, "step %d", steps[k]);
			fired = more;
			clock_advance(10 * apart_ns);
		}
		cr_expect_eq(fired, open, "step %d", steps[k]);
		for (int rank = 0; rank < MANY; rank++)
			leat_scope_close(scopes[rank]);
	}
}

Test(scope_deadline, an_earlier_deadline_opened_later_fires_first)
{
	clock_start();
	struct leat_scope_opts late = { .deadline_ns = leat_now_ns() + 3600000 * MS };
	struct leat_scope *far_scope = leat_scope_open(NULL, &late);
	struct leat_scope_opts soon = { .deadline_ns = leat_now_ns() + 200 * MS };
	struct leat_scope *near_scope = leat_scope_open(NULL, &soon);
	struct runner runner = { .answer = -ECANCELED };
	start(near_scope, sleep_until_cancelled, &runner);
	cr_expect_eq(leat_scope_close(far_scope), 0);
	clock_advance(200 * MS - 1);
	expect_cause(near_scope, LEAT_RUNNING, 0, NULL);
	clock_advance(1);
	expect_cause(near_scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_join(near_scope), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(near_scope), -ETIMEDOUT);
}

/* Nobody waits in them who would look at the clock. */
Test(scope_deadline, an_earlier_deadline_is_heard_of_while_a_far_one_is_slept_for)
{
	clock_start();
	struct leat_scope_opts late = { .deadline_ns = leat_now_ns() + 3600000 * MS };
	struct leat_scope *far_scope = leat_scope_open(NULL, &late);
	for (int i = 0; i < 10; i++) {
		struct leat_scope_opts soon = { .deadline_ns = leat_now_ns() + 5 * MS };
		struct leat_scope *scope = leat_scope_open(NULL, &soon);
		clock_advance(5 * MS);
		expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
		cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	}
	cr_expect_eq(leat_scope_close(far_scope), 0);
}

Test(scope_deadline, a_cancel_before_the_deadline_wins)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 50 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	leat_scope_cancel(scope, -EIO, "sooner");
	enum leat_cause cause = leat_scope_cause(scope, NULL, NULL);
	clock_advance(52 * MS);
	cr_expect_eq(leat_scope_cause(scope, NULL, NULL), cause);
	expect_cause(scope, LEAT_FAILED, -EIO, "sooner");
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

struct opener {
	pthread_t thread;
	pthread_barrier_t *barrier;
	int64_t ahead_ns;
	int wrong;
};

static void *open_with_deadlines(void *arg)
{
	struct opener *opener = arg;
	pthread_barrier_wait(opener->barrier);
	for (int i = 0; i < 500; i++) {
		struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + opener->ahead_ns };
		struct leat_scope *scope = leat_scope_open(NULL, &opts);
		int rc = leat_scope_close(scope);
		opener->wrong += scope == NULL || (rc != 0 && rc != -ETIMEDOUT);
	}
	return NULL;
}

/* The last deadline goes just as the first one comes, again and again. */
Test(scope_deadline, deadlines_come_and_go_in_several_threads, .timeout = 600)
{
	struct opener openers[3];
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 3; i++) {
		openers[i] = (struct opener){ .barrier = &barrier,
			                      .ahead_ns = i == 0 ? 20000 : 3600000 * MS };
		cr_assert_eq(
			pthread_create(&openers[i].thread, NULL, open_with_deadlines, &openers[i]),
			0);
	}
	for (int i = 0; i < 3; i++) {
		pthread_join(openers[i].thread, NULL);
		cr_expect_eq(openers[i].wrong, 0);
	}
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 20 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct runner runner = { .answer = -ECANCELED };
	start(scope, run_until_cancelled, &runner);
	cr_expect_eq(leat_scope_join(scope), -ETIMEDOUT, "the timer still works");
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	pthread_barrier_destroy(&barrier);
}

/* Calls about to wait look for themselves: also on a channel where there is nothing to wake. */
Test(scope_deadline, a_wait_after_the_deadline_sees_it)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 200 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), 0);
	clock_advance(200 * MS);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED);
	expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}
