/*
 * tests/unit/gen_end.c: how generators end: they fail, they are stopped, and each item that they
 * sent has an owner.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "clock.h"
#include "plan.h"

#include "runtime/scope/scope.h"

TestSuite(gen_end, .timeout = 600);

/* Failing */

Test(gen_end, a_failing_generator_keeps_its_data)
{
	for_each_kind(kind) {
		struct leat_scope *scope = scope_open();
		struct plan plan = { .send = 500, .answer = -EIO, .words = "disk gone" };
		struct leat_gen_opts opts = { .chan.kind = kind };
		struct leat_rx *rx;
		const char *text;
		int last;
		cr_assert_eq(leat_gen(scope, follow_plan, &plan, 8, &opts, &rx), 0);
		cr_expect_eq(leat_scope_join(scope), -EIO);
		cr_expect_eq(leat_scope_cause(scope, NULL, &text), LEAT_FAILED);
		cr_expect_str_eq(text, "disk gone");
		cr_expect_eq(drain(rx, &last), 500);
		cr_expect_eq(last, 0);
		expect_status(rx, LEAT_FAILED, -EIO, "disk gone");
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_close(scope), -EIO);
	}
}

Test(gen_end, a_failing_generator_cancels_its_siblings_channel)
{
	struct leat_scope *scope = scope_open();
	struct plan failing = { .send = 5, .answer = -EIO },
		    sibling = { .send = WITHOUT_END, .answer = LAST_SEND };
	struct leat_rx *sibling_rx = start(scope, follow_plan, &sibling),
		       *rx = start(scope, follow_plan, &failing);
	int last;
	cr_expect_eq(leat_scope_join(scope), -EIO);
	cr_expect_eq(leat_recv(sibling_rx, &(uint64_t){ 0 }), -ECANCELED);
	expect_status(sibling_rx, LEAT_FAILED, -EIO, NULL);
	cr_expect_eq(drain(rx, &last), 5);
	cr_expect_eq(last, 0);
	leat_rx_close(rx);
	leat_rx_close(sibling_rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

Test(gen_end, a_cancel_by_anyone_else_reaches_a_failed_generators_channel)
{
	struct leat_scope *root = scope_open();
	for (int way = 0; way < 3; way++) {
		struct leat_scope *parent = leat_scope_open(root, NULL),
				  *scope = leat_scope_open(parent, NULL);
		struct plan plan = { .send = 5, .answer = -EIO };
		struct leat_rx *rx = start(scope, follow_plan, &plan);
		cr_expect_eq(leat_scope_join(scope), -EIO);
		cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 1);
		if (way == 0)
			leat_scope_cancel(scope, 0, "somebody");
		else if (way == 1)
			leat_scope_cancel(parent, 0, "somebody above");
		else
			cr_expect_eq(leat_scope_close(scope), -EIO);
		cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED, "way %d", way);
		leat_rx_close(rx);
		if (way != 2)
			cr_expect_eq(leat_scope_close(scope), -EIO);
		leat_scope_close(parent);
	}
	cr_expect_eq(leat_scope_close(root), 0);
}

/* The receiver hears of the end by a 0, never by a cancel of the failure's own making. */
Test(gen_end, a_failure_is_never_seen_as_a_cancel_by_its_receiver)
{
	for (int round = 0; round < 300; round++) {
		struct leat_scope *scope = scope_open();
		struct plan plan = { .send = 3, .answer = -EIO, .words = "words" };
		struct leat_rx *rx = start(scope, follow_plan, &plan);
		int last;
		cr_assert_eq(drain(rx, &last), 3);
		cr_assert_eq(last, 0);
		expect_status(rx, LEAT_FAILED, -EIO, "words");
		leat_rx_close(rx);
		cr_assert_eq(leat_scope_close(scope), -EIO);
	}
}

static int leave_a_clone(struct leat_tx *out, void *arg)
{
	struct plan *plan = arg;
	plan->clone = leat_tx_clone(out);
	if (plan->reserves)
		leat_reserve(plan->clone, 1, &plan->room);
	leat_send(out, &(uint64_t){ 0 });
	return plan->answer;
}

Test(gen_end, clones_of_out_belong_to_the_function)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { 0 };
	struct leat_gen_opts opts = { .chan.kind = LEAT_MPSC };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen(scope, leave_a_clone, &plan, 8, &opts, &rx), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_assert_not_null(plan.clone);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 1);
	cr_expect_eq(leat_try_recv(rx, &(uint64_t){ 0 }), -EAGAIN, "a sender is still open");
	cr_expect_eq(leat_rx_status(rx, NULL, NULL, NULL), -EAGAIN);
	cr_expect_eq(leat_send(plan.clone, &(uint64_t){ 1 }), 0);
	leat_tx_close(plan.clone);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 1);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 0);
	expect_status(rx, LEAT_COMPLETED, 0, NULL);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), 0);
}

/*
 * The failed generator's channel is past its scope's cancel, and does not end before its clone
 * gives up what it reserved. A wait there must not spin.
 */
Test(gen_end, waiting_on_a_channel_left_alone_past_its_scopes_deadline_ends)
{
	clock_start();
	struct leat_scope_opts scope_opts = { .deadline_ns = leat_now_ns() + 1000 * MS };
	struct leat_scope *scope = leat_scope_open(NULL, &scope_opts);
	struct plan plan = { .answer = -EIO, .reserves = true };
	struct leat_gen_opts opts = { .chan.kind = LEAT_MPSC };
	struct caller caller = { .op = OP_RECV };
	cr_assert_eq(leat_gen(scope, leave_a_clone, &plan, 8, &opts, &caller.rx), 0);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	caller_start(&caller);
	clock_advance_past(&caller, 1000 * MS);
	cr_expect_eq(caller_join(&caller), -ECANCELED, "the deadline is somebody else's cancel");
	expect_status(caller.rx, LEAT_FAILED, -EIO, NULL);
	leat_tx_close(plan.clone);
	leat_rx_close(caller.rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

/* A thread of a generator's that sends through a clone until it is refused, and then closes it. */
struct helper {
	pthread_t thread;
	struct leat_tx *tx;
	uint64_t sent;
	int refused;
	bool done_after, waits;
};

static void *send_until_refused(void *arg)
{
	struct helper *helper = arg;
	if (helper->waits)
		helper->refused = leat_tx_wait(helper->tx, -1, 0, LEAT_NEVER);
	while (helper->refused == 0)
		if ((helper->refused = leat_send(helper->tx, &helper->sent)) == 0)
			helper->sent++;
	helper->done_after = leat_tx_done(helper->tx);
	leat_tx_close(helper->tx);
	return NULL;
}

struct team {
	struct helper helpers[3]; /* two that send, one that waits to hear of the end */
	uint32_t started;
};

static int fail_and_leave_a_team(struct leat_tx *out, void *arg)
{
	struct team *team = arg;
	for (int i = 0; i < 3; i++) {
		team->helpers[i].waits = i == 2;
		team->helpers[i].tx = leat_tx_clone(out);
		if (team->helpers[i].tx == NULL ||
		    pthread_create(&team->helpers[i].thread, NULL, send_until_refused,
		                   &team->helpers[i]) != 0)
			return -EPROTO;
	}
	return leat_tx_fail(out, -EIO, "and others go on");
}

/*
 * Nobody who sends through its clones waits, or goes on, for ever; what they sent is kept; and the
 * end comes.
 */
Test(gen_end, a_failing_generators_clones_are_cancelled_and_their_data_is_kept, .timeout = 600)
{
	for (enum leat_kind kind = LEAT_MPSC; kind <= LEAT_MPMC; kind += LEAT_MPMC - LEAT_MPSC)
		for (int round = 0; round < 50; round++) {
			struct leat_scope *scope = scope_open();
			struct team team = { 0 };
			struct leat_gen_opts opts = { .chan = { .kind = kind, .capacity = 7 } };
			struct leat_rx *rx;
			int last;
			cr_assert_eq(leat_gen(scope, fail_and_leave_a_team, &team, 8, &opts, &rx),
			             0);
			if (round % 2 == 0)
				cr_expect_eq(leat_scope_join(scope), -EIO);
			uint64_t received = drain(rx, &last);
			cr_expect_eq(last, 0);
			cr_expect_eq(leat_scope_join(scope), -EIO);
			expect_status(rx, LEAT_FAILED, -EIO, "and others go on");
			for (int i = 0; i < 3; i++) {
				pthread_join(team.helpers[i].thread, NULL);
				cr_expect_eq(team.helpers[i].refused, -ECANCELED);
				cr_expect(team.helpers[i].done_after);
			}
			cr_expect_leq(received, team.helpers[0].sent + team.helpers[1].sent);
			cr_expect_leq(team.helpers[0].sent + team.helpers[1].sent - received, 2,
			              "a send each, under way at the end");
			cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 0, "for ever");
			leat_rx_close(rx);
			cr_expect_eq(leat_scope_close(scope), -EIO);
		}
}

/* "Receivers drain it, get 0": also where a clone is never closed. */
Test(gen_end, a_failing_generators_receiver_gets_0_while_a_clone_is_open, .timeout = 600)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .answer = -EIO };
	struct leat_gen_opts opts = { .chan.kind = LEAT_MPSC };
	struct caller caller = { .op = OP_RECV };
	cr_assert_eq(leat_gen(scope, leave_a_clone, &plan, 8, &opts, &caller.rx), 0);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	expect_status(caller.rx, LEAT_FAILED, -EIO, NULL);
	cr_expect_eq(leat_recv(caller.rx, &(uint64_t){ 0 }), 1);
	caller_start(&caller);
	cr_expect_eq(caller_join(&caller), 0);
	cr_expect_eq(leat_send(plan.clone, &(uint64_t){ 1 }), -ECANCELED);
	cr_expect_eq(leat_recv(caller.rx, &(uint64_t){ 0 }), 0);
	leat_tx_close(plan.clone);
	leat_rx_close(caller.rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

/*
 * A slot that a clone has reserved may still become an item; what was sent behind it is not cut off
 * by the end.
 */
Test(gen_end, a_failing_generators_data_behind_a_reservation_is_kept, .timeout = 600)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .answer = -EIO, .reserves = true };
	struct leat_gen_opts opts = { .chan.kind = LEAT_MPSC };
	struct leat_rx *rx;
	uint64_t n = 0;
	cr_assert_eq(leat_gen(scope, leave_a_clone, &plan, 8, &opts, &rx), 0);
	cr_expect_eq(leat_scope_join(scope), -EIO);
	cr_expect_eq(leat_try_recv(rx, &n), -EAGAIN);
	memcpy(plan.room, &(uint64_t){ 4711 }, sizeof(uint64_t));
	cr_expect_eq(leat_commit(plan.clone, 1), 0);
	cr_expect_eq(leat_recv(rx, &n), 1);
	cr_expect_eq(n, 4711);
	cr_expect_eq(leat_recv(rx, &n), 1);
	cr_expect_eq(n, 0);
	cr_expect_eq(leat_recv(rx, &n), 0);
	leat_tx_close(plan.clone);
	leat_rx_close(rx);
	cr_expect_eq(leat_scope_close(scope), -EIO);
}

/* A consumer that stops early */

Test(gen_end, three_items_of_an_endless_generator)
{
	for_each_kind(kind) {
		for_each_wait(wait) {
			struct leat_scope *scope = scope_open();
			struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
			struct leat_gen_opts opts = {
				.chan = { .kind = kind, .send_wait = wait, .capacity = 2 }
			};
			struct leat_rx *rx;
			cr_assert_eq(leat_gen(scope, follow_plan, &plan, 8, &opts, &rx), 0);
			leat_for(uint64_t, n, rx)
				if (n == 2)
					break;
			leat_rx_close(rx);
			cr_expect_eq(leat_scope_join(scope), 0);
			cr_expect_eq(plan.last, -EPIPE);
			cr_expect_eq(leat_scope_close(scope), 0);
		}
	}
}

struct stage {
	struct leat_rx *in;
	int last;
};

static int pass_on(struct leat_tx *out, void *arg)
{
	struct stage *stage = arg;
	leat_for(uint64_t, n, stage->in)
		if ((stage->last = leat_send(out, &n)) != 0)
			break;
	leat_rx_close(stage->in);
	return stage->last;
}

Test(gen_end, three_items_through_four_stages)
{
	for (int round = 0; round < 20; round++) {
		struct leat_scope *scope = scope_open();
		struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
		struct leat_gen_opts opts = { .chan.capacity = 1 + (size_t)round % 3 };
		struct stage stages[4] = { 0 };
		struct leat_rx *rx = start(scope, follow_plan, &plan);
		for (int i = 0; i < 4; i++) {
			stages[i].in = rx;
			cr_assert_eq(leat_gen(scope, pass_on, &stages[i], 8, &opts, &rx), 0);
		}
		for (uint64_t n = 0, got; n < 3; n++) {
			cr_expect_eq(leat_recv(rx, &got), 1);
			cr_expect_eq(got, n);
		}
		leat_rx_close(rx);
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect_eq(plan.last, -EPIPE);
		for (int i = 0; i < 4; i++)
			cr_expect_eq(stages[i].last, -EPIPE);
		cr_expect_eq(leat_scope_cause(scope, NULL, NULL), LEAT_RUNNING);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

Test(gen_end, close_of_the_scope_stops_four_stages)
{
	struct leat_scope *scope = scope_open();
	struct plan plan = { .send = WITHOUT_END, .answer = LAST_SEND };
	struct stage stages[4] = { 0 };
	struct leat_rx *rx = start(scope, follow_plan, &plan);
	for (int i = 0; i < 4; i++) {
		stages[i].in = rx;
		cr_assert_eq(leat_gen(scope, pass_on, &stages[i], 8, NULL, &rx), 0);
	}
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), 1);
	cr_expect_eq(leat_scope_close(scope), 0);
	cr_expect_eq(leat_recv(rx, &(uint64_t){ 0 }), -ECANCELED);
	leat_rx_close(rx);
}

/* So little that no stage after it ever waits for room. */
static int send_one_and_wait(struct leat_tx *out, void *arg)
{
	int rc = leat_send(out, &(uint64_t){ 0 });
	(void)arg;
	while (!leat_tx_done(out))
		sched_yield();
	return rc < 0 ? rc : -ECANCELED;
}

/* A stage that answers what its input did; both ends of it are the test's to close. */
struct relay {
	struct leat_rx *in;
	uint32_t tid; /* published just before it returns */
};

static int relay_all(struct leat_tx *out, void *arg)
{
	struct relay *relay = arg;
	uint64_t n;
	int rc;
	while ((rc = leat_recv(relay->in, &n)) == 1)
		if ((rc = leat_send(out, &n)) < 0)
			break;
	leat_store_rel(&relay->tid, own_tid());
	return rc;
}

/*
 * Stands among the channels of a scope: a cancel gets past it when the stage before it has
 * returned, and waits.
 */
struct gate {
	struct leat_scope_hook hook;
	struct relay *relay;
	bool parked;
};

static void hold_up(struct leat_scope_hook *hook, const void *spared)
{
	struct gate *gate = (void *)hook;

	(void)spared;
	gate->parked = await_parked(&gate->relay->tid);
}

/* The channel of a stage may not be marked yet when its input already says that it is cancelled. */
Test(gen_end, a_plain_cancel_of_a_chain_is_no_failure_of_a_stage_that_hears_of_it_first)
{
	for (int held_up = 0; held_up < 3; held_up++) {
		struct leat_scope *scope = scope_open();
		struct relay relays[3] = { { .in = start(scope, send_one_and_wait, NULL) } };
		struct gate gate = { .hook.cancel = hold_up, .relay = &relays[held_up] };
		struct leat_rx *last = NULL;
		for (int i = 0; i < 3; i++) {
			if (i == held_up)
				cr_assert_eq(leat_scope_attach(scope, &gate.hook), 0);
			cr_assert_eq(leat_gen(scope, relay_all, &relays[i], 8, NULL, &last), 0);
			if (i < 2)
				relays[i + 1].in = last;
		}
		cr_assert_eq(leat_recv(last, &(uint64_t){ 0 }), 1);
		leat_scope_cancel(scope, 0, "plain");
		cr_expect_eq(leat_scope_join(scope), 0);
		cr_expect(gate.parked, "the stage waits until the cancel is through");
		for (int i = 0; i < 3; i++)
			expect_status(relays[i].in, LEAT_CANCELED, 0, "plain");
		expect_status(last, LEAT_CANCELED, 0, "plain");
		leat_scope_detach(scope, &gate.hook);
		for (int i = 0; i < 3; i++)
			leat_rx_close(relays[i].in);
		leat_rx_close(last);
		cr_expect_eq(leat_scope_close(scope), 0);
	}
}

/* Ownership of what a generator sent */

static struct ledger ledger;

static int send_owned(struct leat_tx *out, void *arg)
{
	uint64_t *items = arg;
	int rc = 0;
	for (uint64_t n = 0; n < *items && rc == 0; n++)
		if ((rc = leat_send(out, &n)) == 0)
			ledger_accept(&ledger, n);
	return rc;
}

Test(gen_end, each_item_has_one_owner_whatever_ends_it)
{
	for (int round = 0; round < 80; round++) {
		struct leat_scope *scope = scope_open();
		struct leat_gen_opts opts = { .chan = { .kind = (enum leat_kind)(round % 4),
			                                .capacity = 4,
			                                .discard = ledger_discard,
			                                .discard_arg = &ledger } };
		struct leat_rx *rx;
		uint64_t items = LEDGER_ITEMS, got;
		memset(&ledger, 0, sizeof(ledger));
		cr_assert_eq(leat_gen(scope, send_owned, &items, 8, &opts, &rx), 0);
		for (int n = 0; n < round && leat_recv(rx, &got) == 1; n++)
			ledger_receive(&ledger, got);
		if (round / 4 % 3 == 0)
			leat_scope_cancel(scope, 0, NULL);
		if (round / 4 % 3 == 1)
			cr_expect_eq(leat_scope_close(scope), 0);
		leat_rx_close(rx);
		if (round / 4 % 3 != 1)
			cr_expect_eq(leat_scope_close(scope), 0);
		cr_expect_eq(ledger_faults(&ledger), 0, "round %d", round);
	}
}

struct joining {
	struct plan plan;
	struct leat_scope *scope;
	uint32_t discards;
	int join, close;
};

static void join_in_discard(void *item, void *arg)
{
	struct joining *joining = arg;
	(void)item;
	if (leat_add_acqrel(&joining->discards, 1u) == 0) {
		joining->join = leat_scope_join(joining->scope);
		joining->close = leat_scope_close(joining->scope);
	}
}

static int commit_after_told(struct leat_tx *out, void *arg)
{
	struct joining *joining = arg;
	void *room;
	if (leat_reserve(out, 1, &room) != 1)
		return -EPROTO;
	memset(room, 0, 8);
	leat_add_acqrel(&joining->plan.started, 1u);
	while (leat_load_acq(&joining->plan.go) == 0)
		sched_yield();
	return leat_commit(out, 1);
}

/*
 * The last close of its channel, with what is still in it, is the generator's own: its scope would
 * wait for ever.
 */
Test(gen_end, join_from_a_discard_in_a_generators_end_is_a_deadlock, .timeout = 600)
{
	struct joining joining = { .scope = scope_open(), .join = 1, .close = 1 };
	struct leat_gen_opts opts = { .chan = { .discard = join_in_discard,
		                                .discard_arg = &joining } };
	struct leat_rx *rx;
	cr_assert_eq(leat_gen(joining.scope, commit_after_told, &joining, 8, &opts, &rx), 0);
	cr_assert(await_word(&joining.plan.started, 1));
	leat_rx_close(rx);
	leat_store_rel(&joining.plan.go, 1u);
	cr_expect_eq(leat_scope_join(joining.scope), 0);
	cr_expect_eq(joining.discards, 1);
	cr_expect_eq(joining.join, -EDEADLK);
	cr_expect_eq(joining.close, -EDEADLK);
	cr_expect_eq(leat_scope_close(joining.scope), 0);
}
