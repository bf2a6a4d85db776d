/*
 * tests/unit/seq.c: sources that are pulled, run on a thread by leat_gen_seq(), and brought back by
 * leat_seq_from_rx().
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

TestSuite(seq, .timeout = 600);

struct numbers {
	uint64_t next, limit;
	int answer; /* after the last */
	int odd;    /* an answer outside the contract, once, in the place of the third item */
	uint32_t nexts, finis, nexts_after_fini, finis_at_end, go;
	uint32_t aligned;
};

static int numbers_next(void *state, void *item)
{
	struct numbers *numbers = state;
	leat_add_acqrel(&numbers->nexts, 1u);
	if (leat_load_acq(&numbers->finis) != 0)
		leat_add_acqrel(&numbers->nexts_after_fini, 1u);
	if (numbers->next == numbers->limit)
		return numbers->answer;
	if (numbers->odd != 0 && numbers->next == 2)
		return numbers->odd;
	memcpy(item, &numbers->next, sizeof(numbers->next));
	numbers->next++;
	return 1;
}

static void numbers_fini(void *state)
{
	struct numbers *numbers = state;
	leat_add_acqrel(&numbers->finis, 1u);
}

static struct leat_seq seq_of(struct numbers *numbers)
{
	return (struct leat_seq){ numbers_next, numbers_fini, numbers, sizeof(uint64_t) };
}

static struct leat_scope *scope_open(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	cr_assert_not_null(scope);
	return scope;
}

static void expect_range(struct leat_rx *rx, uint64_t to)
{
	uint64_t next = 0, got;
	int rc;
	while ((rc = leat_recv(rx, &got)) == 1)
		cr_expect_eq(got, next++);
	cr_expect_eq(rc, 0);
	cr_expect_eq(next, to);
}

static void expect_cause(const struct leat_rx *rx, enum leat_cause want, int want_code)
{
	enum leat_cause cause = LEAT_RUNNING;
	int code = 4711;
	cr_expect_eq(leat_rx_status(rx, &cause, &code, NULL), 0);
	cr_expect_eq(cause, want, "cause %d", cause);
	cr_expect_eq(code, want_code, "code %d", code);
}

Test(seq, is_pulled_without_a_thread)
{
	struct numbers numbers = { .limit = 3 };
	struct leat_seq seq = seq_of(&numbers);
	uint64_t got;
	for (uint64_t n = 0; n < 3; n++) {
		cr_expect_eq(seq.next(seq.state, &got), 1);
		cr_expect_eq(got, n);
	}
	cr_expect_eq(seq.next(seq.state, &got), 0);
	seq.fini(seq.state);
}

Test(seq, runs_on_a_thread_to_its_end)
{
	for_each_kind(kind) {
		struct leat_scope *scope = scope_open();
		struct numbers numbers = { .limit = 1000 };
		struct leat_gen_opts opts = { .chan = { .kind = kind, .capacity = 7 } };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen_seq(scope, seq_of(&numbers), &opts, &rx), 0);
		expect_range(rx, 1000);
		cr_expect_eq(leat_load_acq(&numbers.finis), 1, "fini before the end can be seen");
		cr_expect_eq(numbers.nexts, 1001);
		expect_cause(rx, LEAT_COMPLETED, 0);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
		cr_expect_eq(numbers.finis, 1);
		cr_expect_eq(numbers.nexts_after_fini, 0);
	}
}

Test(seq, fini_is_over_before_the_join_is_seen)
{
	for (int round = 0; round < 200; round++) {
		struct leat_scope *scope = scope_open();
		struct numbers numbers = { .limit = (uint64_t)round % 3 };
		struct leat_rx *rx;
		cr_assert_eq(leat_gen_seq(scope, seq_of(&numbers), NULL, &rx), 0);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(leat_load_acq(&numbers.finis), 1);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(seq, needs_no_fini)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = 5 };
	struct leat_seq seq = seq_of(&numbers);
	struct leat_rx *rx;
	seq.fini = NULL;
	cr_assert_eq(leat_gen_seq(scope, seq, NULL, &rx), 0);
	expect_range(rx, 5);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(seq, a_failing_next_keeps_its_data)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = 50, .answer = -EIO };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope, seq_of(&numbers), NULL, &rx), 0);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	expect_range(rx, 50);
	expect_cause(rx, LEAT_FAILED, -EIO);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
	cr_expect_eq(numbers.finis, 1);
	cr_expect_eq(numbers.nexts, 51, "not called after a failure");
}

Test(seq, an_answer_above_1_is_a_failure)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = 50, .odd = 2 };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope, seq_of(&numbers), NULL, &rx), 0);
	cr_expect_eq(leat_scope_join(scope), -EINVAL);
	expect_range(rx, 2);
	expect_cause(rx, LEAT_FAILED, -EINVAL);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EINVAL);
	cr_expect_eq(numbers.finis, 1);
}

Test(seq, an_abandoned_seq_is_finished_once)
{
	for_each_kind(kind) {
		struct leat_scope *scope = scope_open();
		struct numbers numbers = { .limit = UINT64_MAX };
		struct leat_gen_opts opts = { .chan = { .kind = kind, .capacity = 2 } };
		struct leat_rx *rx;
		uint64_t got;
		cr_assert_eq(leat_gen_seq(scope, seq_of(&numbers), &opts, &rx), 0);
		for (uint64_t n = 0; n < 3; n++) {
			cr_expect_eq(leat_recv(rx, &got), 1);
			cr_expect_eq(got, n);
		}
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(numbers.finis, 1);
		cr_expect_eq(numbers.nexts_after_fini, 0);
		cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(seq, a_cancelled_seq_is_finished_once)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = UINT64_MAX };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope, seq_of(&numbers), NULL, &rx), 0);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 1);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(numbers.finis, 1);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/* One item when there is room for it: next is not called for an item that has no place yet. */
Test(seq, items_are_made_when_there_is_room)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = UINT64_MAX };
	struct leat_gen_opts opts = { .chan = { .capacity = 3 } };
	struct leat_rx *rx;
	uint64_t got;
	cr_assert_eq(leat_gen_seq(scope, seq_of(&numbers), &opts, &rx), 0);
	cr_assert(await_word(&numbers.nexts, 3));
	for (int i = 0; i < 200; i++)
		sched_yield();
	cr_expect_eq(leat_load_acq(&numbers.nexts), 3);
	cr_expect_eq(leat_recv(rx, &got), 1);
	cr_assert(await_word(&numbers.nexts, 4));
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(seq, on_an_error_the_state_is_still_the_callers)
{
	struct leat_scope *scope = scope_open(), *cancelled = scope_open();
	struct numbers numbers = { .limit = 5 };
	struct leat_seq seq = seq_of(&numbers);
	struct leat_rx *rx = (struct leat_rx *)&rx;
	leat_scope_cancel(cancelled, 0, NULL);
	cr_expect_eq(leat_gen_seq(cancelled, seq, NULL, &rx), -ECANCELED);
	cr_expect_null(rx);
	rx = (struct leat_rx *)&rx;
	cr_expect_eq(leat_gen_seq(NULL, seq, NULL, &rx), -EINVAL);
	cr_expect_null(rx);
	cr_expect_eq(leat_gen_seq(scope, seq, NULL, NULL), -EINVAL);
	seq.item_size = 0;
	cr_expect_eq(leat_gen_seq(scope, seq, NULL, &rx), -EINVAL);
	seq = seq_of(&numbers);
	seq.next = NULL;
	cr_expect_eq(leat_gen_seq(scope, seq, NULL, &rx), -EINVAL);
	seq = seq_of(&numbers);
	cr_expect_eq(leat_gen_seq(scope, seq, &(struct leat_gen_opts){ .reserved[3] = 1 }, &rx),
	             -EINVAL);
	cr_expect_eq(
		leat_gen_seq(scope, seq, &(struct leat_gen_opts){ .pin = LEAT_PIN(100000) }, &rx),
		-EINVAL);
	cr_expect_null(rx);
	cr_expect_eq(numbers.nexts, 0);
	cr_expect_eq(numbers.finis, 0);
	leat_scope_close(scope);
	leat_scope_close(cancelled);
}

Test(seq, a_compound_literal_is_an_argument)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = 5 };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope,
	                          (struct leat_seq){ numbers_next, numbers_fini, &numbers, 8 },
	                          NULL, &rx),
	             0);
	expect_range(rx, 5);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/*
 * What next makes for a channel that drops, or that nobody wants any more, is discarded, not lost.
 */

static struct ledger ledger;

static int owned_next(void *state, void *item)
{
	struct numbers *numbers = state;
	if (numbers->next == numbers->limit)
		return 0;
	ledger_accept(&ledger, numbers->next);
	memcpy(item, &numbers->next, sizeof(numbers->next));
	numbers->next++;
	return 1;
}

Test(seq, each_item_made_has_one_owner)
{
	for (int round = 0; round < 60; round++) {
		struct leat_scope *scope = scope_open();
		struct numbers numbers = { .limit = 2000 };
		struct leat_gen_opts opts = { .chan = { .kind = (enum leat_kind)(round % 4),
			                                .capacity = 3,
			                                .overflow =
			                                        (enum leat_overflow)(round / 4 % 3),
			                                .discard = ledger_discard,
			                                .discard_arg = &ledger } };
		struct leat_rx *rx;
		uint64_t got;
		memset(&ledger, 0, sizeof(ledger));
		cr_assert_eq(leat_gen_seq(scope, (struct leat_seq){ owned_next, NULL, &numbers, 8 },
		                          &opts, &rx),
		             0);
		for (int n = 0; n < round && leat_recv(rx, &got) == 1; n++)
			ledger_receive(&ledger, got);
		if (round % 2)
			leat_scope_cancel(scope, 0, NULL);
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), 0);
		cr_expect_eq(ledger_faults(&ledger), 0, "round %d", round);
	}
}

/*
 * What is there stays until there is something newer: an item that is still being made drops
 * nothing.
 */
struct slow {
	struct numbers numbers;
	uint32_t making, go; /* the item that is being made, from 1; how many may be */
};

static int slow_next(void *state, void *item)
{
	struct slow *slow = state;
	uint32_t n = leat_add_acqrel(&slow->making, 1u) + 1;
	while (leat_load_acq(&slow->go) < n)
		sched_yield();
	return numbers_next(&slow->numbers, item);
}

Test(seq, an_item_that_is_being_made_drops_none_that_is_there)
{
	for_each_kind(kind) {
		for (enum leat_overflow overflow = LEAT_BLOCK; overflow <= LEAT_DROP_OLDEST;
		     overflow++) {
			for (int on_pool = 0; on_pool < 2; on_pool++) {
				struct leat_pool *pool =
					on_pool ? leat_pool_open(
							  &(struct leat_pool_opts){ .workers = 1 })
						: NULL;
				struct leat_scope *scope = scope_open();
				struct slow slow = { .numbers = { .limit = 3 }, .go = 1 };
				struct leat_gen_opts opts = { .chan = { .kind = kind,
					                                .capacity = 1,
					                                .overflow = overflow },
					                      .pool = pool };
				uint64_t got;
				struct leat_rx *rx;
				cr_assert_eq(leat_gen_seq(scope,
				                          (struct leat_seq){ slow_next, NULL, &slow,
				                                             sizeof(uint64_t) },
				                          &opts, &rx),
				             0);
				if (overflow != LEAT_BLOCK)
					/* one is there, and the next one is made */
					cr_expect(await_word(&slow.making, 2));
				else if (!on_pool)
					cr_expect(await_word(&slow.making, 1));
				cr_expect_eq(leat_recv_until(rx, &got,
				                             leat_now_ns() + (overflow == LEAT_BLOCK
				                                                      ? PATIENCE_NS
				                                                      : 200 * MS)),
				             1, "%s, overflow %d, on a pool: %d", kind_names[kind],
				             overflow, on_pool);
				cr_expect_eq(got, 0);
				leat_store_rel(&slow.go, 4u);
				leat_rx_close(rx);
				cr_expect_eq(leat_scope_close(scope), 0);
				leat_pool_close(pool);
			}
		}
	}
}

Test(seq, the_last_of_one_that_drops_the_oldest_is_there_after_its_end)
{
	for_each_kind(kind) {
		for (int on_pool = 0; on_pool < 2; on_pool++) {
			struct leat_pool *pool =
				on_pool ? leat_pool_open(&(struct leat_pool_opts){ .workers = 1 })
					: NULL;
			struct leat_scope *scope = scope_open();
			struct numbers numbers = { .limit = 100 };
			struct leat_gen_opts opts = { .chan = { .kind = kind,
				                                .capacity = 1,
				                                .overflow = LEAT_DROP_OLDEST },
				                      .pool = pool };
			uint64_t got = 4711;
			struct leat_rx *rx;
			cr_assert_eq(leat_gen_seq(scope, seq_of(&numbers), &opts, &rx), 0);
			cr_expect_eq(leat_scope_join(scope), 0);
			cr_expect_eq(leat_recv(rx, &got), 1, "%s, on a pool: %d", kind_names[kind],
			             on_pool);
			cr_expect_eq(got, 99);
			cr_expect_eq(leat_recv(rx, &got), 0);
			leat_rx_close(rx);
			leat_scope_close(scope);
			leat_pool_close(pool);
		}
	}
}

/* The way back */

static struct leat_seq seq_on_thread(struct leat_scope *scope, struct numbers *numbers)
{
	struct leat_rx *rx;
	cr_assert_eq(leat_gen_seq(scope, seq_of(numbers), NULL, &rx), 0);
	return leat_seq_from_rx(rx);
}

Test(seq, from_a_receiver_gives_what_was_sent)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = 100 };
	struct leat_seq seq = seq_on_thread(scope, &numbers);
	uint64_t got;
	cr_expect_eq(seq.item_size, sizeof(uint64_t));
	for (uint64_t n = 0; n < 100; n++) {
		cr_expect_eq(seq.next(seq.state, &got), 1);
		cr_expect_eq(got, n);
	}
	cr_expect_eq(seq.next(seq.state, &got), 0);
	cr_expect_eq(seq.next(seq.state, &got), 0);
	seq.fini(seq.state);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(seq, from_a_receiver_tells_a_failing_generators_code)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = 3, .answer = -EBADMSG };
	struct leat_seq seq = seq_on_thread(scope, &numbers);
	uint64_t got;
	for (uint64_t n = 0; n < 3; n++)
		cr_expect_eq(seq.next(seq.state, &got), 1);
	cr_expect_eq(seq.next(seq.state, &got), -EBADMSG);
	seq.fini(seq.state);
	cr_expect_eq(leat_scope_close(scope), -EBADMSG);
}

Test(seq, from_a_cancelled_receiver_is_ecanceled)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = UINT64_MAX };
	struct leat_seq seq = seq_on_thread(scope, &numbers);
	leat_scope_cancel(scope, 0, NULL);
	cr_expect_eq(seq.next(seq.state, &(uint64_t){ 0 }), -ECANCELED);
	seq.fini(seq.state);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(seq, ending_the_pull_stops_the_generator)
{
	struct leat_scope *scope = scope_open();
	struct numbers numbers = { .limit = UINT64_MAX };
	struct leat_seq seq = seq_on_thread(scope, &numbers);
	uint64_t got;
	cr_expect_eq(seq.next(seq.state, &got), 1);
	seq.fini(seq.state);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(numbers.finis, 1);
	cr_expect_eq(leat_scope_close(scope), 0);
}

Test(seq, from_null_has_no_next)
{
	struct leat_seq seq = leat_seq_from_rx(NULL);
	struct leat_scope *scope = scope_open();
	struct leat_rx *rx = (struct leat_rx *)&rx;
	cr_expect_null(seq.next);
	cr_expect_eq(leat_gen_seq(scope, seq, NULL, &rx), -EINVAL);
	cr_expect_null(rx);
	leat_scope_close(scope);
}

/* There and back, four times: a chain of stages, ended from its far end or at its near one. */
Test(seq, there_and_back_many_times)
{
	for (int whole = 0; whole < 2; whole++) {
		struct leat_scope *scope = scope_open();
		struct numbers numbers = { .limit = whole ? 20 : UINT64_MAX };
		struct leat_seq seq = seq_on_thread(scope, &numbers);
		uint64_t got;
		for (int i = 0; i < 3; i++) {
			struct leat_rx *rx;
			cr_assert_eq(leat_gen_seq(scope, seq, NULL, &rx), 0);
			seq = leat_seq_from_rx(rx);
		}
		for (uint64_t n = 0; n < 20; n++) {
			cr_expect_eq(seq.next(seq.state, &got), 1);
			cr_expect_eq(got, n);
		}
		if (whole)
			cr_expect_eq(seq.next(seq.state, &got), 0);
		seq.fini(seq.state);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(numbers.finis, 1);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

/*
 * With a scope for each stage a failure travels along the chain, after the data, under its own
 * code.
 */
Test(seq, a_failure_travels_through_stages_after_the_data)
{
	struct leat_scope *scopes[4];
	struct numbers numbers = { .limit = 500, .answer = -EIO };
	struct leat_seq seq = seq_of(&numbers);
	uint64_t got, next = 0;
	int rc;
	for (int i = 0; i < 4; i++) {
		struct leat_rx *rx;
		scopes[i] = scope_open();
		cr_assert_eq(leat_gen_seq(scopes[i], seq, NULL, &rx), 0);
		seq = leat_seq_from_rx(rx);
	}
	while ((rc = seq.next(seq.state, &got)) == 1)
		cr_expect_eq(got, next++);
	cr_expect_eq(rc, -EIO);
	cr_expect_eq(next, 500);
	seq.fini(seq.state);
	for (int i = 0; i < 4; i++)
		cr_expect_eq(leat_scope_close(scopes[i]), -EIO);
	cr_expect_eq(numbers.finis, 1);
}
