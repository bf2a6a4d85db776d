/*
 * tests/unit/scope_watch.c: waits for the cancel of a scope: asleep, and by a descriptor.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "runner.h"

TestSuite(scope_watch, .timeout = 600);

struct sleeper_thread {
	pthread_t thread;
	uint32_t tid, done;
	struct leat_scope *scope;
	int64_t deadline_ns;
	int rc;
};

static void *sleep_in_scope(void *arg)
{
	struct sleeper_thread *s = arg;
	leat_store_rel(&s->tid, own_tid());
	s->rc = leat_scope_sleep(s->scope, s->deadline_ns);
	leat_store_rel(&s->done, 1u);
	return NULL;
}

static void sleeper_start(struct sleeper_thread *s)
{
	cr_assert_eq(pthread_create(&s->thread, NULL, sleep_in_scope, s), 0);
	cr_assert(await_parked(&s->tid));
}

static int sleeper_join(struct sleeper_thread *s)
{
	cr_assert_eq(pthread_join(s->thread, NULL), 0);
	return s->rc;
}

/* After so long, and not before. */
static void expect_sleep_of(struct sleeper_thread *s, int64_t ns, int rc)
{
	clock_advance(ns - 1);
	cr_expect_eq(leat_load_acq(&s->done), 0);
	clock_advance(1);
	cr_expect_eq(sleeper_join(s), rc);
}

Test(scope_watch, a_sleep_ends_when_the_time_has_come)
{
	clock_start();
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct sleeper_thread sleeper = { .scope = scope, .deadline_ns = leat_now_ns() + 10 * MS };
	const int64_t past[] = { 0, -1, INT64_MIN, leat_now_ns() };
	sleeper_start(&sleeper);
	expect_sleep_of(&sleeper, 10 * MS, 0);
	for (size_t i = 0; i < COUNT(past); i++)
		cr_expect_eq(leat_scope_sleep(scope, past[i]), 0);
	cr_expect_eq(leat_scope_sleep(NULL, 0), -EINVAL);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope_watch, a_cancel_wakes_every_sleep_in_the_scope_and_below)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	struct sleeper_thread sleepers[4] = { 0 };
	for (int i = 0; i < 4; i++) {
		sleepers[i].scope = i % 2 == 0 ? root : child;
		sleepers[i].deadline_ns = i < 2 ? LEAT_NEVER : leat_now_ns() + PATIENCE_NS;
		sleeper_start(&sleepers[i]);
	}
	leat_scope_cancel(root, 0, "enough");
	for (int i = 0; i < 4; i++) {
		pthread_join(sleepers[i].thread, NULL);
		cr_expect_eq(sleepers[i].rc, -ECANCELED);
	}
	cr_expect_eq(leat_scope_sleep(child, 0), -ECANCELED, "also where there is no wait");
	leat_scope_close(child);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope_watch, a_cancel_of_a_child_leaves_sleeps_of_its_parent)
{
	clock_start();
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	struct sleeper_thread sleeper = { .scope = root, .deadline_ns = leat_now_ns() + 50 * MS };
	sleeper_start(&sleeper);
	leat_scope_cancel(child, 0, NULL);
	expect_sleep_of(&sleeper, 50 * MS, 0);
	leat_scope_close(child);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope_watch, the_scopes_own_deadline_ends_a_sleep)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 20 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct sleeper_thread sleeper = { .scope = scope, .deadline_ns = LEAT_NEVER };
	sleeper_start(&sleeper);
	expect_sleep_of(&sleeper, 20 * MS, -ECANCELED);
	expect_cause(scope, LEAT_DEADLINE, -ETIMEDOUT, NULL);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(scope_watch, a_failure_of_a_generator_ends_a_sleep)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct sleeper_thread sleeper = { .scope = scope, .deadline_ns = LEAT_NEVER };
	int code = -EIO;
	sleeper_start(&sleeper);
	start(scope, answer_at_once, &code);
	pthread_join(sleeper.thread, NULL);
	cr_expect_eq(sleeper.rc, -ECANCELED);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

struct step_sleep {
	struct leat_scope *scope;
	int64_t deadline_ns;
	int answer;
};

static int sleep_in_a_step(void *state, void *item)
{
	struct step_sleep *s = state;
	(void)item;
	s->answer = leat_scope_sleep(s->scope, s->deadline_ns);
	return 0;
}

Test(scope_watch, a_step_must_not_sleep)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL),
			  *other = leat_scope_open(NULL, NULL);
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	const int64_t deadlines[] = { 0, LEAT_NEVER, 0 };
	const int answers[] = { 0, -EDEADLK, -ECANCELED };
	for (int i = 0; i < 3; i++) {
		struct step_sleep s = { .scope = other, .deadline_ns = deadlines[i] };
		struct leat_seq seq = { .next = sleep_in_a_step, .state = &s, .item_size = 8 };
		struct leat_rx *rx;
		uint64_t item;
		if (i == 2)
			leat_scope_cancel(other, 0, NULL);
		cr_assert_eq(leat_gen_seq(scope, seq, &(struct leat_gen_opts){ .pool = pool }, &rx),
		             0);
		cr_expect_eq(leat_recv(rx, &item), 0);
		leat_rx_close(rx);
		cr_expect_eq(s.answer, answers[i], "%d", s.answer);
	}
	cr_expect_eq(leat_scope_close(other), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}

/* The descriptor */

Test(scope_watch, the_descriptor_becomes_readable_for_good)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	int fd = leat_scope_fd(child), of_root = leat_scope_fd(root);
	cr_assert_geq(fd, 0);
	cr_assert_geq(of_root, 0);
	cr_expect_neq(fd, of_root);
	cr_expect_eq(leat_scope_fd(child), fd, "each call returns the same one");
	cr_expect_not(readable(fd));
	leat_scope_cancel(child, 0, NULL);
	cr_expect(readable(fd));
	cr_expect(readable(fd));
	cr_expect_not(readable(of_root));
	leat_scope_cancel(root, -EIO, NULL);
	cr_expect(readable(of_root));
	cr_expect_eq(leat_scope_close(child), 0);
	cr_expect_eq(leat_scope_close(root), -EIO);
	cr_expect_eq(leat_scope_fd(NULL), -EINVAL);
}

Test(scope_watch, the_descriptor_of_a_cancelled_scope_is_readable_at_once)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect(readable(leat_scope_fd(scope)));
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope_watch, a_deadline_and_a_failure_make_the_descriptor_readable)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 20 * MS };
	struct leat_scope *timed = leat_scope_open(NULL, &opts),
			  *fails = leat_scope_open(NULL, NULL);
	int code = -EIO, fd = leat_scope_fd(fails);
	cr_expect(!readable(leat_scope_fd(timed)));
	clock_advance(20 * MS - 1);
	cr_expect(!readable(leat_scope_fd(timed)));
	clock_advance(1);
	cr_expect(readable(leat_scope_fd(timed)));
	start(fails, answer_at_once, &code);
	cr_expect(becomes_readable(fd));
	cr_expect_eq(leat_scope_close(timed), -ETIMEDOUT);
	cr_expect_eq(leat_scope_close(fails), -EIO);
}

Test(scope_watch, no_descriptor_is_an_error_and_a_later_call_tries_again)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct rlimit before = refuse_descriptors();
	cr_expect_eq(leat_scope_fd(scope), -EMFILE);
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	cr_expect_geq(leat_scope_fd(scope), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* Several threads ask for it while the scope is cancelled. */
struct fd_asker {
	pthread_t thread;
	uint32_t *go;
	struct leat_scope *scope;
	int fd;
};

static void *ask_for_fd(void *arg)
{
	struct fd_asker *asker = arg;
	while (leat_load_acq(asker->go) == 0)
		sched_yield();
	asker->fd = leat_scope_fd(asker->scope);
	return NULL;
}

Test(scope_watch, all_threads_get_the_same_descriptor_also_during_a_cancel)
{
	for (int round = 0; round < MANY_TIMES(200); round++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct fd_asker askers[3];
		uint32_t go = 0;
		for (int i = 0; i < 3; i++) {
			askers[i] = (struct fd_asker){ .go = &go, .scope = scope };
			cr_assert_eq(
				pthread_create(&askers[i].thread, NULL, ask_for_fd, &askers[i]), 0);
		}
		leat_store_rel(&go, 1u);
		leat_scope_cancel(scope, 0, NULL);
		for (int i = 0; i < 3; i++) {
			pthread_join(askers[i].thread, NULL);
			cr_assert_eq(askers[i].fd, askers[0].fd);
		}
		cr_assert(readable(askers[0].fd));
		leat_scope_close(scope);
	}
}
