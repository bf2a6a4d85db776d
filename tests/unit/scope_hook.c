/*
 * tests/unit/scope_hook.c: functions that a cancel calls. That no thread and no memory is left is
 * held against each test by every.c.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "runner.h"

#include <leat/test.h>

TestSuite(scope_hook, .timeout = 600);

/* What a function saw. */
struct call {
	uint32_t count, tid, go, leave;
	struct leat_scope *scope; /* joined and closed inside, unless NULL */
	struct leat_hook *remove; /* removed inside, unless NULL */
	struct leat_scope *close_other;
	int join_rc, until_rc, close_rc, remove_rc, other_rc;
	enum leat_cause cause;
};

static void count_call(void *arg)
{
	struct call *call = arg;
	leat_store_rel(&call->tid, own_tid());
	if (call->scope != NULL) {
		call->join_rc = leat_scope_join(call->scope);
		call->until_rc = leat_scope_join_until(call->scope, 0);
		call->close_rc = leat_scope_close(call->scope);
		call->cause = leat_scope_cause(call->scope, NULL, NULL);
	}
	if (call->remove != NULL)
		call->remove_rc = leat_hook_remove(call->remove);
	if (call->close_other != NULL)
		call->other_rc = leat_scope_close(call->close_other);
	leat_add_acqrel(&call->count, 1u);
}

/* Says that it has begun, and runs until the test lets it go. */
static void count_and_stay(void *arg)
{
	struct call *call = arg;
	leat_store_rel(&call->go, 1u);
	while (leat_load_acq(&call->leave) == 0)
		sched_yield();
	leat_add_acqrel(&call->count, 1u);
}

static struct leat_hook *add(struct leat_scope *scope, void (*fn)(void *), struct call *call)
{
	struct leat_hook *hook = NULL;
	cr_assert_eq(leat_scope_on_cancel(scope, fn, call, &hook), 0);
	cr_assert_not_null(hook);
	return hook;
}

Test(scope_hook, a_cancel_runs_the_function_once_before_it_returns)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call call = { 0 };
	struct leat_hook *hook = add(scope, count_call, &call);
	cr_expect_eq(call.count, 0);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(call.count, 1);
	cr_expect_eq(call.tid, own_tid());
	leat_scope_cancel(scope, -EIO, NULL);
	cr_expect_eq(call.count, 1);
	cr_expect_eq(leat_scope_close(scope), -EIO);
	cr_expect_eq(call.count, 1);
	cr_expect_eq(leat_hook_remove(hook), 1, "also after the close");
}

Test(scope_hook, bad_arguments)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call call = { 0 };
	struct leat_hook *hook = (struct leat_hook *)&call;
	cr_expect_eq(leat_scope_on_cancel(NULL, count_call, &call, &hook), -EINVAL);
	cr_expect_null(hook);
	cr_expect_eq(leat_scope_on_cancel(scope, NULL, &call, &hook), -EINVAL);
	cr_expect_eq(leat_hook_remove(NULL), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(call.count, 0);
}

Test(scope_hook, in_a_cancelled_scope_nothing_runs)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL), *child;
	struct call call = { 0 };
	struct leat_hook *hook = (struct leat_hook *)&call;
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_scope_on_cancel(scope, count_call, &call, &hook), -ECANCELED);
	cr_expect_null(hook);
	child = leat_scope_open(scope, NULL);
	cr_expect_eq(leat_scope_on_cancel(child, count_call, &call, NULL), -ECANCELED);
	cr_expect_eq(leat_scope_close(child), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(call.count, 0);
}

Test(scope_hook, a_close_counts_as_a_cancel)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call call = { 0 };
	struct leat_hook *hook = add(scope, count_call, &call);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(call.count, 0, "a join does not");
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(call.count, 1);
	cr_expect_eq(leat_hook_remove(hook), 1);
}

Test(scope_hook, without_a_handle_the_library_frees_it)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call call = { 0 };
	for (int i = 0; i < 100; i++)
		cr_assert_eq(leat_scope_on_cancel(scope, count_call, &call, NULL), 0);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(call.count, 100);
}

Test(scope_hook, a_removed_hook_does_not_run)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call calls[3] = { 0 };
	struct leat_hook *hooks[3];
	for (int i = 0; i < 3; i++)
		hooks[i] = add(scope, count_call, &calls[i]);
	cr_expect_eq(leat_hook_remove(hooks[1]), 0);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(calls[0].count, 1);
	cr_expect_eq(calls[1].count, 0);
	cr_expect_eq(calls[2].count, 1);
	cr_expect_eq(leat_hook_remove(hooks[0]), 1);
	cr_expect_eq(leat_hook_remove(hooks[2]), 1);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope_hook, hooks_of_scopes_below_run_too)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL),
			  *leaf = leat_scope_open(child, NULL);
	struct call calls[3] = { 0 };
	cr_assert_eq(leat_scope_on_cancel(leaf, count_call, &calls[0], NULL), 0);
	cr_assert_eq(leat_scope_on_cancel(child, count_call, &calls[1], NULL), 0);
	cr_assert_eq(leat_scope_on_cancel(root, count_call, &calls[2], NULL), 0);
	leat_scope_cancel(child, 0, NULL);
	cr_expect_eq(calls[0].count, 1);
	cr_expect_eq(calls[1].count, 1);
	cr_expect_eq(calls[2].count, 0);
	cr_expect_eq(leat_scope_close(root), 0);
	cr_expect_eq(calls[2].count, 1);
	cr_expect_eq(leat_scope_close(leaf), 0);
	cr_expect_eq(leat_scope_close(child), 0);
	cr_expect_eq(calls[0].count + calls[1].count + calls[2].count, 3);
}

Test(scope_hook, after_a_deadline_it_runs_on_a_thread_of_the_library)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 20 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct call call = { .scope = scope };
	struct leat_hook *hook = add(scope, count_call, &call);
	clock_advance(20 * MS);
	cr_assert(await_word(&call.count, 1));
	cr_expect_neq(call.tid, own_tid());
	cr_expect_eq(call.cause, LEAT_DEADLINE, "the cause is there before");
	cr_expect_eq(call.join_rc, -EDEADLK);
	cr_expect_eq(call.close_rc, -EDEADLK);
	cr_expect_eq(leat_hook_remove(hook), 1);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	cr_expect_eq(call.count, 1);
}

Test(scope_hook, a_receive_that_finds_the_deadline_passed_does_not_run_it)
{
	clock_start();
	struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 20 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &opts);
	struct call call = { 0 };
	struct leat_tx *tx;
	struct leat_rx *rx;
	cr_assert_eq(leat_chan_open(scope, 8, NULL, &tx, &rx), 0);
	cr_assert_eq(leat_scope_on_cancel(scope, count_call, &call, NULL), 0);
	struct caller receiver = { .op = OP_RECV, .rx = rx };
	caller_start(&receiver);
	clock_advance_past(&receiver, 20 * MS);
	cr_expect_eq(caller_join(&receiver), -ECANCELED);
	cr_assert(await_word(&call.count, 1));
	cr_expect_neq(call.tid, receiver.tid);
	cr_expect_neq(call.tid, own_tid());
	leat_tx_close(tx);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
}

Test(scope_hook, after_a_failure_it_runs_on_a_thread_of_the_library)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call call = { .scope = scope };
	struct leat_hook *hook = add(scope, count_call, &call);
	int code = -EIO;
	start(scope, answer_at_once, &code);
	cr_assert(await_word(&call.count, 1));
	cr_expect_neq(call.tid, own_tid());
	cr_expect_eq(call.cause, LEAT_FAILED);
	cr_expect_eq(leat_scope_close(scope), -EIO);
	cr_expect_eq(leat_hook_remove(hook), 1);
}

static int fail_step(void *state, void *item)
{
	(void)state;
	(void)item;
	return -EIO;
}

Test(scope_hook, after_a_failure_on_a_pool_it_runs_outside_of_the_receive)
{
	const size_t capacities[] = { 1, 4096 }; /* compact, and with an ordinary channel */
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	for (size_t i = 0; i < COUNT(capacities); i++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct call call = { .scope = scope };
		struct leat_seq seq = { .next = fail_step, .item_size = 8 };
		struct leat_rx *rx;
		uint64_t item;
		cr_assert_eq(leat_scope_on_cancel(scope, count_call, &call, NULL), 0);
		cr_assert_eq(leat_gen_seq(scope, seq,
		                          &(struct leat_gen_opts){ .pool = pool,
		                                                   .chan.capacity = capacities[i] },
		                          &rx),
		             0);
		cr_expect_eq(leat_recv(rx, &item), 0);
		cr_assert(await_word(&call.count, 1));
		cr_expect_neq(call.tid, own_tid());
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), -EIO);
	}
	cr_expect_eq(leat_pool_close(pool), 0);
}

Test(scope_hook, join_and_close_of_that_scope_or_above_inside_is_a_deadlock)
{
	struct leat_scope *root = leat_scope_open(NULL, NULL), *child = leat_scope_open(root, NULL);
	struct call own = { .scope = child }, above = { .scope = root };
	cr_assert_eq(leat_scope_on_cancel(child, count_call, &own, NULL), 0);
	cr_assert_eq(leat_scope_on_cancel(child, count_call, &above, NULL), 0);
	leat_scope_cancel(root, 0, NULL);
	for (int i = 0; i < 2; i++) {
		struct call *call = i == 0 ? &own : &above;
		cr_expect_eq(call->count, 1);
		cr_expect_eq(call->join_rc, -EDEADLK);
		cr_expect_eq(call->until_rc, -EDEADLK);
		cr_expect_eq(call->close_rc, -EDEADLK);
	}
	cr_expect_eq(leat_scope_close(child), 0);
	cr_expect_eq(leat_scope_close(root), 0);
}

Test(scope_hook, a_scope_below_or_elsewhere_may_be_closed_inside)
{
	clock_start();
	for (int below = 0; below < 2; below++) {
		struct leat_scope_opts opts = { .deadline_ns = leat_now_ns() + 10 * MS };
		struct leat_scope *scope = leat_scope_open(NULL, &opts),
				  *other = leat_scope_open(below ? scope : NULL, NULL);
		struct call inner = { 0 }, outer = { .close_other = other };
		cr_assert_eq(leat_scope_on_cancel(scope, count_call, &outer, NULL), 0);
		/* where it is below, it is called at the same time, and waits for the same thread
		 */
		cr_assert_eq(leat_scope_on_cancel(other, count_call, &inner, NULL), 0);
		clock_advance(10 * MS);
		cr_assert(await_word(&outer.count, 1));
		cr_expect_eq(outer.other_rc, below ? -ETIMEDOUT : 0);
		cr_expect_eq(inner.count, 1);
		cr_expect_eq(leat_scope_close(scope), -ETIMEDOUT);
	}
}

Test(scope_hook, removing_itself_inside_is_a_deadlock)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call call = { 0 };
	struct leat_hook *hook = add(scope, count_call, &call);
	call.remove = hook;
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(call.remove_rc, -EDEADLK);
	cr_expect_eq(leat_hook_remove(hook), 1);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(scope_hook, one_function_may_remove_another)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call first = { .remove_rc = -1 }, second = { 0 };
	cr_assert_eq(leat_scope_on_cancel(scope, count_call, &first, NULL), 0);
	first.remove = add(scope, count_call, &second);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(first.count, 1);
	cr_expect_eq(first.remove_rc, second.count == 1);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* Calls on another thread, while a function runs. */
struct other {
	pthread_t thread;
	uint32_t tid;
	struct leat_scope *scope;
	struct leat_hook *hook;
	struct call *call;
	int rc;
	uint32_t count_at_return;
};

static void *cancel_elsewhere(void *arg)
{
	struct other *other = arg;
	leat_scope_cancel(other->scope, 0, NULL);
	return NULL;
}

static void *remove_elsewhere(void *arg)
{
	struct other *other = arg;
	leat_store_rel(&other->tid, own_tid());
	other->rc = leat_hook_remove(other->hook);
	other->count_at_return = leat_load_acq(&other->call->count);
	return NULL;
}

static void *close_elsewhere(void *arg)
{
	struct other *other = arg;
	leat_store_rel(&other->tid, own_tid());
	other->rc = leat_scope_close(other->scope);
	other->count_at_return = leat_load_acq(&other->call->count);
	return NULL;
}

Test(scope_hook, remove_and_close_wait_while_it_runs)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct call call = { 0 };
	struct leat_hook *hook = add(scope, count_and_stay, &call);
	struct other canceller = { .scope = scope }, remover = { .hook = hook, .call = &call },
		     closer = { .scope = scope, .call = &call };
	cr_assert_eq(pthread_create(&canceller.thread, NULL, cancel_elsewhere, &canceller), 0);
	cr_assert(await_word(&call.go, 1));
	cr_assert_eq(pthread_create(&remover.thread, NULL, remove_elsewhere, &remover), 0);
	cr_assert_eq(pthread_create(&closer.thread, NULL, close_elsewhere, &closer), 0);
	cr_expect(await_parked(&remover.tid));
	cr_expect(await_parked(&closer.tid));
	leat_store_rel(&call.leave, 1u);
	pthread_join(canceller.thread, NULL);
	pthread_join(remover.thread, NULL);
	pthread_join(closer.thread, NULL);
	cr_expect_eq(remover.rc, 1);
	cr_expect_eq(remover.count_at_return, 1);
	cr_expect_eq(closer.rc, 0);
	cr_expect_eq(closer.count_at_return, 1);
}

struct step_state {
	struct leat_scope *scope;
	struct leat_hook *hook;
	int close_rc, remove_rc;
};

static int close_in_a_step(void *state, void *item)
{
	struct step_state *s = state;
	(void)item;
	s->close_rc = leat_scope_close(s->scope);
	s->remove_rc = leat_hook_remove(s->hook);
	return 0;
}

Test(scope_hook, a_step_waits_neither_in_a_close_nor_in_a_remove)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL), *own = leat_scope_open(NULL, NULL);
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct call call = { 0 };
	struct leat_hook *hook = add(scope, count_and_stay, &call);
	struct other canceller = { .scope = scope };
	struct step_state state = { .scope = scope, .hook = hook };
	struct leat_seq seq = { .next = close_in_a_step, .state = &state, .item_size = 8 };
	struct leat_rx *rx;
	uint64_t item;
	cr_assert_eq(pthread_create(&canceller.thread, NULL, cancel_elsewhere, &canceller), 0);
	cr_assert(await_word(&call.go, 1));
	cr_assert_eq(leat_gen_seq(own, seq, &(struct leat_gen_opts){ .pool = pool }, &rx), 0);
	cr_expect_eq(leat_recv(rx, &item), 0);
	leat_rx_close(rx);
	cr_expect_eq(state.close_rc, -EDEADLK);
	cr_expect_eq(state.remove_rc, -EDEADLK);
	leat_store_rel(&call.leave, 1u);
	pthread_join(canceller.thread, NULL);
	cr_expect_eq(leat_hook_remove(hook), 1);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_scope_close(own), 0);
	cr_expect_eq(leat_pool_close(pool), 0);
}

/* What a program does with it: ends a wait that the library does not know. */
static void raise_pipe(void *arg)
{
	if (write(*(int *)arg, "x", 1) != 1)
		abort();
}

Test(scope_hook, a_cancel_ends_a_foreign_wait)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int ends[2];
	char byte;
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(leat_scope_on_cancel(scope, raise_pipe, &ends[1], NULL), 0);
	struct other canceller = { .scope = scope };
	cr_assert_eq(pthread_create(&canceller.thread, NULL, cancel_elsewhere, &canceller), 0);
	cr_expect_eq(read(ends[0], &byte, 1), 1);
	pthread_join(canceller.thread, NULL);
	cr_expect_eq(leat_scope_close(scope), 0);
	close(ends[0]);
	close(ends[1]);
}

/* Adds, removes and cancels on three threads at once: what remove returned is what happened. */
static void *add_and_remove(void *arg)
{
	struct other *other = arg;
	other->rc = 0;
	for (int i = 0; i < 50 && other->rc == 0; i++) {
		struct call call = { 0 };
		struct leat_hook *hook;
		if (leat_scope_on_cancel(other->scope, count_call, &call, &hook) < 0)
			break;
		int ran = leat_hook_remove(hook);
		other->rc = ran != (int)leat_load_acq(&call.count);
	}
	return NULL;
}

Test(scope_hook, what_remove_returns_is_what_happened)
{
	for (int round = 0; round < MANY_TIMES(200); round++) {
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct other others[2] = { { .scope = scope }, { .scope = scope } },
			     canceller = { .scope = scope };
		for (int i = 0; i < 2; i++)
			cr_assert_eq(
				pthread_create(&others[i].thread, NULL, add_and_remove, &others[i]),
				0);
		cr_assert_eq(pthread_create(&canceller.thread, NULL, cancel_elsewhere, &canceller),
		             0);
		for (int i = 0; i < 2; i++) {
			pthread_join(others[i].thread, NULL);
			cr_assert_eq(others[i].rc, 0);
		}
		pthread_join(canceller.thread, NULL);
		cr_assert_eq(leat_scope_close(scope), 0);
	}
}
