/*
 * Models of scopes, generators and the registry.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/chan/chan.h"
#include "runtime/registry/registry.h"

#include <leat/chan.h>
#include <leat/gen.h>
#include <leat/scope.h>

static struct leat_scope *scope;
static uint32_t ran, ended;

static struct leat_gen_opts opts(size_t capacity)
{
	return (struct leat_gen_opts){ .chan = { .capacity = capacity,
		                                 .send_wait = LEAT_WAIT_PARK,
		                                 .recv_wait = LEAT_WAIT_PARK } };
}

static void cancels(void *arg)
{
	(void)arg;
	leat_scope_cancel(scope, 0, "enough");
}

/* Sends until it is told to stop. */
static int counts(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	leat_add_rlx(&ran, 1);
	for (uint64_t n = 1; rc == 0 && n <= 3; n++)
		rc = leat_send(out, &n);
	leat_add_rlx(&ended, 1);
	return rc;
}

MODEL(scope_cancel_against_spawn,
      .what = "cancel_against_spawn: a generator starts and ends, or was never started",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_gen_opts o = opts(1);
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	scope = leat_scope_open(NULL, NULL);
	verify_spawn(cancels, NULL, "canceller");
	rc = leat_gen(scope, counts, NULL, sizeof(uint64_t), &o, &rx);
	verify_that(rc == 0 || rc == -ECANCELED);
	verify_that((rc == 0) == (rx != NULL));
	if (rc == 0) {
		while ((rc = leat_recv(rx, &item)) == 1)
			;
		verify_that(rc == 0 || rc == -ECANCELED);
		leat_rx_close(rx);
		verify_join();
		verify_that(leat_scope_join(scope) == 0);
		verify_that(leat_load_rlx(&ran) == 1 && leat_load_rlx(&ended) == 1);
	}
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_load_rlx(&ran) == leat_load_rlx(&ended));
	verify_that(leat_registry_size() == 0);
}

MODEL(scope_consumer_stops_early,
      .what = "a consumer that leaves stops its generator; the close leaves nothing behind",
      .preemptions = 2, .stale = 1, .quick_both = 2)
{
	struct leat_gen_opts o = opts(1);
	struct leat_rx *rx;
	uint64_t item;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_gen(scope, counts, NULL, sizeof(uint64_t), &o, &rx) == 0);
	verify_that(leat_recv(rx, &item) == 1 && item == 1);
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_load_rlx(&ended) == 1);
	verify_that(leat_registry_size() == 0);
}

/* first_cause_wins. */
static void cancels_with(void *arg)
{
	leat_scope_cancel(scope, -(int)(intptr_t)arg, "a cause");
}

MODEL(scope_first_cause_wins,
      .what = "first_cause_wins: two failures; the first stays, with its code and words",
      .preemptions = 3, .stale = 2)
{
	enum leat_cause cause, again;
	const char *text;
	int code, later;

	scope = leat_scope_open(NULL, NULL);
	verify_spawn(cancels_with, (void *)1, "first");
	verify_spawn(cancels_with, (void *)2, "second");
	cause = leat_scope_cause(scope, &code, &text);
	verify_that(cause == LEAT_RUNNING || (cause == LEAT_FAILED && (code == -1 || code == -2) &&
	                                      strcmp(text, "a cause") == 0));
	verify_join();
	again = leat_scope_cause(scope, &later, NULL);
	verify_that(again == LEAT_FAILED && (cause == LEAT_RUNNING || later == code));
	verify_that(leat_scope_close(scope) == later);
}

/* child_never_outlives. */
static struct leat_scope *child;

static void opens_child(void *arg)
{
	(void)arg;
	child = leat_scope_open(scope, NULL);
	verify_that(child != NULL);
}

MODEL(scope_child_against_cancel,
      .what = "child_never_outlives: a child opened while its parent is cancelled is cancelled, "
              "too",
      .preemptions = 3, .stale = 2)
{
	scope = leat_scope_open(NULL, NULL);
	verify_spawn(opens_child, NULL, "opener");
	cancels(NULL);
	verify_join();
	verify_that(leat_scope_cause(child, NULL, NULL) == LEAT_CANCELED);
	verify_that(leat_scope_close(scope) == 0); /* the child still holds what it needs */
	verify_that(leat_scope_close(child) == 0);
}

/* A failing generator keeps its data. */
static int fails(struct leat_tx *out, void *arg)
{
	uint64_t n = 1;

	(void)arg;
	verify_that(leat_send(out, &n) == 0);
	return leat_tx_fail(out, -EIO, "broken");
}

MODEL(scope_failure_keeps_its_data,
      .what = "the item of a failing generator is received, then 0, and the status says why",
      .preemptions = 2, .stale = 1)
{
	struct leat_gen_opts o = opts(2);
	enum leat_cause cause;
	struct leat_rx *rx;
	uint64_t item;
	int code;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_gen(scope, fails, NULL, sizeof(uint64_t), &o, &rx) == 0);
	verify_that(leat_recv(rx, &item) == 1 && item == 1);
	verify_that(leat_recv(rx, &item) == 0);
	verify_that(leat_rx_status(rx, &cause, &code, NULL) == 0);
	verify_that(cause == LEAT_FAILED && code == -EIO);
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == -EIO);
}

/* Faults at every place where there can be one. */
static uint32_t finished;

static int next(void *state, void *item)
{
	(void)state;
	*(uint64_t *)item = 1;
	return leat_add_rlx(&ran, 1) == 0;
}

static void fini(void *state)
{
	(void)state;
	finished++;
}

static void start_with_faults(void)
{
	struct leat_gen_opts o = opts(1);
	struct leat_seq seq = { .next = next, .fini = fini, .item_size = sizeof(uint64_t) };
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	scope = leat_scope_open(NULL, NULL);
	if (scope == NULL)
		return;
	rc = leat_gen_seq(scope, seq, &o, &rx);
	verify_that(rc == 0 || rc == -ENOMEM || rc == -EAGAIN);
	if (rc == 0) {
		verify_that(leat_recv(rx, &item) == 1);
		verify_that(leat_recv(rx, &item) == 0);
		verify_that(finished == 1); /* before the end can be seen */
		leat_rx_close(rx);
	} else {
		/* the state is still the caller's */
		verify_that(rx == NULL && finished == 0 && ran == 0);
	}
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_registry_size() == 0);
}

MODEL(scope_thread_creation_fails,
      .what = "thread_creation_fails: an error, nothing was started, nothing is left",
      .preemptions = 1, .failed_threads = 1)
{
	start_with_faults();
}

MODEL(scope_no_memory, .what = "each allocation of a start fails in turn", .preemptions = 1,
      .failed_allocs = 1)
{
	start_with_faults();
}

/* Deadlines of scopes: fired by the timer's thread or by whoever looks at the clock. */
MODEL(scope_deadline_wakes,
      .what = "a scope's deadline wakes a receiver, and the timer's thread ends with its scope",
      .preemptions = 2, .stale = 1, .idle_ns = 1000)
{
	struct leat_scope_opts o = { .deadline_ns = 2000 };
	struct leat_chan_opts c = { .capacity = 1,
		                    .send_wait = LEAT_WAIT_PARK,
		                    .recv_wait = LEAT_WAIT_PARK };
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t item;
	int rc;

	verify_instant(2000);
	scope = leat_scope_open(NULL, &o);
	verify_that(scope != NULL);
	rc = leat_chan_open(scope, sizeof(uint64_t), &c, &tx, &rx);
	verify_that(rc == 0 || rc == -ECANCELED);
	if (rc == 0) {
		verify_that(leat_recv(rx, &item) == -ECANCELED);
		leat_tx_close(tx);
		leat_rx_close(rx);
	}
	verify_that(leat_scope_cause(scope, NULL, NULL) == LEAT_DEADLINE);
	verify_that(leat_scope_close(scope) == -ETIMEDOUT);
}

static uint32_t never;

static bool is_failure(enum leat_cause cause, int code, const char *text)
{
	return cause == LEAT_FAILED && code == -1 && strcmp(text, "a cause") == 0;
}

static bool is_deadline(enum leat_cause cause, int code, const char *text)
{
	return cause == LEAT_DEADLINE && code == -ETIMEDOUT && strcmp(text, "deadline passed") == 0;
}

MODEL(scope_deadline_against_failure,
      .what = "a deadline against a failure: the first of the two stays, with its code and words",
      .preemptions = 2, .stale = 1, .idle_ns = 2000 - VERIFY_START_NS)
{
	enum leat_cause cause, again;
	const char *text;
	int code, later;

	verify_instant(2000);
	scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = 2000 });
	verify_that(scope != NULL);
	verify_spawn(cancels_with, (void *)1, "fails");
	cause = leat_scope_cause(scope, &code, &text);
	verify_that(cause == LEAT_RUNNING || is_failure(cause, code, text) ||
	            is_deadline(cause, code, text));
	verify_join();
	leat_os_futex_wait(&never, 0, 2000);
	leat_scope_expire(scope);
	again = leat_scope_cause(scope, &later, &text);
	verify_that(is_failure(again, later, text) || is_deadline(again, later, text));
	verify_that(cause == LEAT_RUNNING || cause == again);
	verify_that(leat_scope_close(scope) == later);
}

/*
 * A failure leaves its own hook alone, so the deadline's cancel comes by the scope once more; the
 * cause stays.
 */
static void hook_hears(struct leat_scope_hook *hook, const void *spared)
{
	(void)hook, (void)spared;
}

static struct leat_scope_hook own_hook = { .cancel = hook_hears };

static void fails_with(void *arg)
{
	leat_scope_fail(scope, -(int)(intptr_t)arg, "a cause", &own_hook, NULL);
}

MODEL(scope_deadline_after_failure,
      .what = "a deadline after the failure of a generator that keeps its data: the failure stays "
              "the cause",
      .preemptions = 2, .stale = 1, .idle_ns = 2000 - VERIFY_START_NS)
{
	enum leat_cause first;
	const char *text;
	int code, rc;

	verify_instant(2000);
	scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = 2000 });
	verify_that(scope != NULL);
	rc = leat_scope_attach(scope, &own_hook);
	verify_that(rc == 0 || rc == -ECANCELED);
	verify_spawn(fails_with, (void *)1, "fails");
	verify_join();
	first = leat_scope_cause(scope, &code, &text);
	verify_that(is_failure(first, code, text) || is_deadline(first, code, text));
	leat_os_futex_wait(&never, 0, 2000);
	leat_scope_expire(scope);
	verify_that(leat_scope_cause(scope, &code, &text) == first);
	verify_that(first == LEAT_FAILED ? is_failure(first, code, text)
	                                 : is_deadline(first, code, text));
	if (rc == 0)
		leat_scope_detach(scope, &own_hook);
	verify_that(leat_scope_close(scope) == code);
}

/* One that hears of its scope's end by a hook alone, and does not look at the clock. */
static uint32_t heard;

static void hears(struct leat_scope_hook *hook, const void *spared)
{
	(void)hook, (void)spared;
	leat_store_rel(&heard, 1);
	leat_os_futex_wake(&heard, 1);
}

MODEL(scope_nearer_deadline,
      .what = "the timer's thread sleeps until a deadline, and then a nearer one is set: that "
              "fires in time",
      .preemptions = 2, .stale = 1, .idle_ns = 2000 - VERIFY_START_NS)
{
	struct leat_scope *far =
		leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = 9000 });
	struct leat_scope_hook hook = { .cancel = hears };
	int rc;

	scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = 2000 });
	verify_that(far != NULL && scope != NULL);
	rc = leat_scope_attach(scope, &hook);
	verify_that(rc == 0 || rc == -ECANCELED);
	while (rc == 0 && leat_load_acq(&heard) == 0)
		leat_os_futex_wait(&heard, 0, LEAT_NEVER);
	if (rc == 0)
		leat_scope_detach(scope, &hook);
	verify_that(leat_scope_close(scope) == -ETIMEDOUT);
	leat_scope_close(far); /* its deadline may have passed by now */
}

/* The registry: a walk looks at a channel while it is closed. */
static struct leat_tx *its_tx;
static struct leat_rx *its_rx;

static void look(struct leat_node *node, void *arg)
{
	struct leat_chan_stat stat;

	if (node->kind != LEAT_NODE_CHAN)
		return;
	leat_chan_read_stat(caa_container_of(node, struct leat_chan, node), &stat);
	verify_that(stat.offered == stat.delivered + stat.in_flight + stat.rejected +
	                                    stat.dropped[0] + stat.dropped[1] + stat.dropped[2] +
	                                    stat.dropped[3]);
	verify_that(stat.in_flight <= stat.capacity);
	verify_that(stat.offered >= *(uint64_t *)arg);
	*(uint64_t *)arg = stat.offered;
}

static void walks(void *arg)
{
	uint64_t last_offered = 0;

	for (uintptr_t n = (uintptr_t)arg; n > 0; n--)
		leat_registry_walk(look, &last_offered);
}

static void open_chan(enum leat_kind kind)
{
	struct leat_chan_opts c = { .kind = kind,
		                    .capacity = 1,
		                    .send_wait = LEAT_WAIT_PARK,
		                    .recv_wait = LEAT_WAIT_PARK };

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &c, &its_tx, &its_rx) == 0);
}

MODEL(registry_unregister_against_snapshot,
      .what = "unregister_against_snapshot: what a walk looks at is not freed", .preemptions = 3,
      .stale = 1)
{
	open_chan(LEAT_SPSC);
	verify_spawn(walks, (void *)1, "walker");
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_registry_size() == 0);
}

MODEL(registry_register_against_snapshot, .what = "what a walk finds was made before",
      .preemptions = 2, .stale = 1)
{
	verify_spawn(walks, (void *)1, "walker");
	open_chan(LEAT_SPSC);
	verify_join();
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(registry_two_walks, .what = "two walks against a close: freed once, and by then",
      .preemptions = 2, .stale = 1)
{
	open_chan(LEAT_SPSC);
	verify_spawn(walks, (void *)1, "walker 1");
	verify_spawn(walks, (void *)1, "walker 2");
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
}

static void sends(void *arg)
{
	uint64_t item = 1;

	(void)arg;
	verify_that(leat_send(its_tx, &item) == 0);
	verify_that(leat_send(its_tx, &item) == 0);
}

static void snapshot(enum leat_kind kind)
{
	uint64_t item, offered = 0;

	open_chan(kind);
	verify_spawn(sends, NULL, "sender");
	verify_spawn(walks, (void *)2, "walker");
	verify_that(leat_recv(its_rx, &item) == 1);
	verify_that(leat_recv(its_rx, &item) == 1);
	verify_join();
	leat_registry_walk(look, &offered);
	verify_that(offered == 2);
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(registry_snapshot_never_torn,
      .what = "snapshot_never_torn: figures fit together and never go back; SPSC", .preemptions = 2,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	snapshot(LEAT_SPSC);
}

MODEL(registry_snapshot_never_torn_turns, .what = "the same on a ring with turns", .preemptions = 2,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	snapshot(LEAT_MPMC);
}

/* What is dropped is never told as delivered, nor taken off what was. */
static uint64_t delivered;

static void look_for_delivered(struct leat_node *node, void *arg)
{
	struct leat_chan_stat stat;

	(void)arg;
	if (node->kind != LEAT_NODE_CHAN)
		return;
	leat_chan_read_stat(caa_container_of(node, struct leat_chan, node), &stat);
	/* 0: no look was undisturbed yet */
	verify_that(stat.delivered == delivered || stat.offered == 0);
	verify_that(stat.delivered <= delivered);
}

static void walks_for_delivered(void *arg)
{
	(void)arg;
	leat_registry_walk(look_for_delivered, NULL);
}

static void snapshot_against_drop(enum leat_kind kind)
{
	uint64_t item = 1;

	open_chan(kind);
	verify_that(leat_send(its_tx, &item) == 0 && leat_recv(its_rx, &item) == 1);
	verify_that(leat_send(its_tx, &item) == 0);
	delivered = 1;
	verify_spawn(walks_for_delivered, NULL, "walker");
	leat_rx_close(its_rx);
	verify_join();
	leat_tx_close(its_tx);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(registry_snapshot_against_drop,
      .what = "an item that a close drops is never told as delivered; SPSC", .preemptions = 3,
      .stale = 2, .quick = 2)
{
	snapshot_against_drop(LEAT_SPSC);
}

MODEL(registry_snapshot_against_drop_turns,
      .what = "the same on a ring with turns and a single receiver", .preemptions = 3, .stale = 2,
      .quick = 2)
{
	snapshot_against_drop(LEAT_MPSC);
}

MODEL(registry_snapshot_against_drop_shared, .what = "the same where several may receive",
      .preemptions = 3, .stale = 2, .quick = 2)
{
	snapshot_against_drop(LEAT_SPMC);
}

/*
 * Nobody receives: what was offered is in flight or dropped, also while a sender drops the oldest.
 */
static void look_at_drops(struct leat_node *node, void *arg)
{
	struct leat_chan_stat stat;
	uint64_t sum;

	if (node->kind != LEAT_NODE_CHAN)
		return;
	leat_chan_read_stat(caa_container_of(node, struct leat_chan, node), &stat);
	sum = stat.in_flight;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		sum += stat.dropped[reason];
	verify_that(stat.delivered == 0);
	verify_that(stat.offered == sum && sum <= 3 && stat.in_flight <= 1);
	verify_that(stat.offered >= *(uint64_t *)arg);
	*(uint64_t *)arg = stat.offered;
}

static void walks_at_drops(void *arg)
{
	uint64_t last = 0;

	(void)arg;
	leat_registry_walk(look_at_drops, &last);
	leat_registry_walk(look_at_drops, &last);
}

MODEL(registry_snapshot_drop_is_no_delivery,
      .what = "what was delivered is told whole, while the next item is dropped", .preemptions = 2,
      .stale = 2, .quick = 1)
{
	struct leat_chan_opts c = { .capacity = 1, .overflow = LEAT_DROP_OLDEST };
	uint64_t item = 1;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &c, &its_tx, &its_rx) == 0);
	verify_that(leat_send(its_tx, &item) == 0 && leat_recv(its_rx, &item) == 1);
	verify_that(leat_send(its_tx, &item) == 0);
	delivered = 1;
	verify_spawn(walks_for_delivered, NULL, "walker");
	verify_that(leat_send(its_tx, &item) == 0);
	verify_join();
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(registry_snapshot_drop_oldest, .what = "snapshots while a sender drops the oldest",
      .preemptions = 2, .stale = 2, .quick = 1)
{
	struct leat_chan_opts c = { .capacity = 1, .overflow = LEAT_DROP_OLDEST };
	uint64_t last = 0;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &c, &its_tx, &its_rx) == 0);
	verify_spawn(walks_at_drops, NULL, "walker");
	for (uint64_t item = 1; item <= 3; item++)
		verify_that(leat_send(its_tx, &item) == 0);
	verify_join();
	leat_registry_walk(look_at_drops, &last);
	verify_that(last == 3);
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_that(leat_scope_close(scope) == 0);
}

/* A slot that was given up is no item, also while it is looked at. */
static void gives_up(void *arg)
{
	void *place;

	if (leat_reserve(arg, 1, &place) == 1)
		leat_commit(arg, 0);
	leat_tx_close(arg);
}

static void look_for_one(struct leat_node *node, void *arg)
{
	struct leat_chan_stat stat;

	if (node->kind != LEAT_NODE_CHAN)
		return;
	leat_chan_read_stat(caa_container_of(node, struct leat_chan, node), &stat);
	verify_that(stat.delivered <= 1 && stat.delivered + stat.in_flight <= 2);
	verify_that(stat.offered >= *(uint64_t *)arg);
	*(uint64_t *)arg = stat.offered;
}

static void walks_for_one(void *arg)
{
	uint64_t last = 0;

	(void)arg;
	leat_registry_walk(look_for_one, &last);
	leat_registry_walk(look_for_one, &last);
}

MODEL(registry_snapshot_given_up, .what = "snapshots while a slot is given up and skipped",
      .preemptions = 2, .stale = 1, .quick = 2, .quick_both = 1)
{
	uint64_t item = 1, last = 0;
	struct leat_chan_opts c = { .kind = LEAT_MPMC,
		                    .capacity = 2,
		                    .send_wait = LEAT_WAIT_PARK,
		                    .recv_wait = LEAT_WAIT_PARK };

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &c, &its_tx, &its_rx) == 0);
	verify_spawn(gives_up, leat_tx_clone(its_tx), "gives up");
	verify_spawn(walks_for_one, NULL, "walker");
	verify_that(leat_send(its_tx, &item) == 0);
	verify_that(leat_recv(its_rx, &item) == 1);
	verify_join();
	leat_registry_walk(look_for_one, &last);
	verify_that(last == 1);
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_that(leat_scope_close(scope) == 0);
}

/*
 * Two slots were given up behind an item that was received, and in front of two, of which at most
 * one is.
 */
static void look_behind_skipped(struct leat_node *node, void *arg)
{
	struct leat_chan_stat stat;

	if (node->kind != LEAT_NODE_CHAN)
		return;
	leat_chan_read_stat(caa_container_of(node, struct leat_chan, node), &stat);
	verify_that(stat.offered <= 3 && stat.delivered <= 2 &&
	            stat.delivered + stat.in_flight == stat.offered);
	/* nothing, if no look was undisturbed yet */
	verify_that(stat.delivered >= 1 || stat.offered == 0);
	/* told late while something is being claimed, but told */
	verify_that(arg == NULL || stat.offered == 3);
}

static void walks_behind_skipped(void *arg)
{
	(void)arg;
	leat_registry_walk(look_behind_skipped, NULL);
}

MODEL(registry_snapshot_skipped, .what = "slots that a receiver skips are never told as delivered",
      .preemptions = 2, .stale = 1)
{
	struct leat_chan_opts c = { .kind = LEAT_MPMC, .capacity = 4 };
	struct leat_tx *gives_up[2];
	uint64_t item = 1;
	void *place;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &c, &its_tx, &its_rx) == 0);
	verify_that(leat_send(its_tx, &item) == 0 && leat_recv(its_rx, &item) == 1);
	for (int i = 0; i < 2; i++) {
		gives_up[i] = leat_tx_clone(its_tx);
		verify_that(leat_reserve(gives_up[i], 1, &place) == 1);
	}
	verify_that(leat_send(its_tx, &item) == 0 && leat_send(its_tx, &item) == 0);
	for (int i = 0; i < 2; i++) {
		verify_that(leat_commit(gives_up[i], 0) == 0);
		leat_tx_close(gives_up[i]);
	}
	verify_spawn(walks_behind_skipped, NULL, "walker");
	verify_that(leat_recv(its_rx, &item) == 1);
	verify_join();
	leat_registry_walk(look_behind_skipped, scope);
	leat_scope_cancel(scope, 0, NULL);
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(registry_snapshot_put_back,
      .what = "an item that is peeked at and put back is never told as delivered", .preemptions = 2,
      .stale = 1)
{
	struct leat_chan_opts c = { .kind = LEAT_SPMC, .capacity = 1 };
	const void *items;
	uint64_t item = 1;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &c, &its_tx, &its_rx) == 0);
	verify_that(leat_send(its_tx, &item) == 0);
	verify_spawn(walks_for_delivered, NULL, "walker");
	verify_that(leat_peek(its_rx, 1, &items) == 1);
	verify_that(leat_release(its_rx, 0) == 0);
	verify_join();
	leat_rx_close(its_rx);
	leat_tx_close(its_tx);
	verify_that(leat_scope_close(scope) == 0);
}

/* Two join at once: one of them reaps, the other hears of it. */
static int ends_at_once(struct leat_tx *out, void *arg)
{
	(void)out;
	(void)arg;
	return 0;
}

static void joins(void *arg)
{
	(void)arg;
	verify_that(leat_scope_join(scope) == 0);
}

MODEL(scope_two_joins, .what = "two joins wait for one task: both return", .preemptions = 2,
      .stale = 1)
{
	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_gen(scope, ends_at_once, NULL, 0, NULL, NULL) == 0);
	verify_spawn(joins, NULL, "joiner");
	joins(NULL);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_registry_size() == 0);
}

/*
 * A stage that hears of a cancel through its input, before its own channel does, is canceled and
 * has not failed.
 */
static int passes_on(struct leat_tx *out, void *arg)
{
	uint64_t item;
	int rc;

	while ((rc = leat_recv((struct leat_rx *)arg, &item)) == 1)
		if ((rc = leat_send(out, &item)) != 0)
			break;
	leat_rx_close(arg);
	return rc;
}

MODEL(scope_cancel_through_input,
      .what = "a stage that hears of a cancel through its input has not failed", .preemptions = 2,
      .stale = 1)
{
	struct leat_gen_opts o = opts(1);
	enum leat_cause cause;
	struct leat_rx *rx;
	uint64_t item;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &o.chan, &its_tx, &its_rx) == 0);
	verify_that(leat_gen(scope, passes_on, its_rx, sizeof(uint64_t), &o, &rx) == 0);
	cancels(NULL);
	verify_that(leat_recv(rx, &item) == -ECANCELED);
	verify_that(leat_scope_join(scope) == 0);
	verify_that(leat_rx_status(rx, &cause, NULL, NULL) == 0 && cause == LEAT_CANCELED);
	leat_rx_close(rx);
	leat_tx_close(its_tx);
	verify_that(leat_scope_close(scope) == 0);
}

/*
 * Threads that have told of their end, and in whose last destructors the library is used once more.
 */
static int waits_for_word(struct leat_tx *out, void *arg)
{
	(void)out;
	while (leat_load_acq((uint32_t *)arg) == 0)
		leat_os_futex_wait(arg, 0, LEAT_NEVER);
	return 0;
}

static void says_farewell(void *arg)
{
	struct leat_ended *end = arg;

	leat_scope_current = end->scope;
	end->thread = leat_thread_self();
	leat_scope_exit(end);
	leat_scope_reap(end->scope); /* as a start does */
	verify_that(leat_scope_join(end->scope) == -EDEADLK);
}

/* As leat_gen() does. */
static void starts_farewell(void)
{
	struct leat_ended *end = leat_os_alloc(sizeof(*end), 0);
	struct leat_thread thread;

	end->scope = scope;
	verify_that(leat_scope_begin(scope) == 0);
	verify_that(leat_thread_start(&thread, says_farewell, end, "farewell", 0) == 0);
}

MODEL(scope_end_starts,
      .what = "a thread whose last destructor starts a generator joins neither itself nor one that "
              "joins it",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	scope = leat_scope_open(NULL, NULL);
	starts_farewell();
	starts_farewell();
	verify_that(leat_scope_close(scope) == 0);
}

/* The same, and waits there for another scope of the tree. */
static struct leat_scope *awaited;

static void waits_in_farewell(void *arg)
{
	struct leat_ended *end = arg;

	leat_scope_current = end->scope;
	end->thread = leat_thread_self();
	leat_scope_exit(end);
	verify_that(leat_scope_join(awaited) == 0);
}

MODEL(scope_end_joins,
      .what = "a thread's last destructor joins another scope, whose generator has yet to end",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	struct leat_ended *end = leat_os_alloc(sizeof(*end), 0);
	struct leat_thread thread;

	scope = leat_scope_open(NULL, NULL);
	awaited = leat_scope_open(scope, NULL);
	end->scope = scope;
	verify_that(leat_gen(awaited, waits_for_word, &ended, 0, NULL, NULL) == 0);
	verify_that(leat_scope_begin(scope) == 0);
	verify_that(leat_thread_start(&thread, waits_in_farewell, end, "farewell", 0) == 0);
	leat_store_rel(&ended, 1);
	leat_os_futex_wake(&ended, 1);
	verify_that(leat_scope_close(scope) == 0);
	verify_that(leat_scope_close(awaited) == 0);
}

/*
 * One item at a time: none is sent before the one before has been received, so never are two in
 * flight.
 */
static bool in_place;
static uint64_t most_in_flight = 1;

static void look_at_one(struct leat_node *node, void *arg)
{
	struct leat_chan_stat stat;

	if (node->kind != LEAT_NODE_CHAN)
		return;
	leat_chan_read_stat(caa_container_of(node, struct leat_chan, node), &stat);
	verify_that(stat.in_flight <= most_in_flight);
	verify_that(stat.peak <= most_in_flight);
	verify_that(stat.offered == stat.delivered + stat.in_flight);
	verify_that(stat.offered >= *(uint64_t *)arg);
	*(uint64_t *)arg = stat.offered;
}

static void walks_at_one(void *arg)
{
	uint64_t last = 0;

	(void)arg;
	leat_registry_walk(look_at_one, &last);
	leat_registry_walk(look_at_one, &last);
}

/* A channel, which the walker looks at while items go through it. */
static void begin_counted(enum leat_kind kind, size_t size, size_t capacity)
{
	struct leat_chan_opts c = { .kind = kind, .capacity = capacity };

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, size, &c, &its_tx, &its_rx) == 0);
	verify_spawn(walks_at_one, NULL, "walker");
}

static void end_counted(uint64_t offered)
{
	uint64_t last = 0;

	verify_join();
	leat_registry_walk(look_at_one, &last);
	verify_that(last == offered);
	leat_tx_close(its_tx);
	leat_rx_close(its_rx);
	verify_that(leat_scope_close(scope) == 0);
}

static void one_at_a_time(enum leat_kind kind)
{
	uint64_t item = 1;
	const void *there;

	begin_counted(kind, sizeof(item), 3);
	for (int i = 0; i < 3; i++) {
		verify_that(leat_send(its_tx, &item) == 0);
		if (in_place)
			verify_that(leat_peek(its_rx, 3, &there) == 1 &&
			            leat_release(its_rx, 1) == 0);
		else
			verify_that(leat_recv(its_rx, &item) == 1);
	}
	end_counted(3);
}

MODEL(registry_snapshot_one_at_a_time,
      .what = "one item at a time is never told as two in flight; SPSC", .preemptions = 2,
      .stale = 2, .quick = 1)
{
	one_at_a_time(LEAT_SPSC);
}

/* The same for batches of two. */
static void batch_at_a_time(size_t size)
{
	uint64_t items[2 * 3] = { 1, 2, 3, 4, 5, 6 };

	most_in_flight = 2;
	begin_counted(LEAT_SPSC, size, 4);
	for (int i = 0; i < 2; i++) {
		verify_that((leat_send_batch)(its_tx, items, 2) == 2);
		verify_that((leat_recv_batch)(its_rx, items, 2) == 2);
	}
	end_counted(4);
}

MODEL(registry_snapshot_batches,
      .what = "batches of two are never told as three in flight, by lines", .preemptions = 2,
      .stale = 2, .quick = 1)
{
	batch_at_a_time(8);
}

MODEL(registry_snapshot_batches_by_runs, .what = "the same, of items whose size is no constant",
      .preemptions = 2, .stale = 2, .quick = 1)
{
	batch_at_a_time(24);
}

MODEL(registry_snapshot_one_at_a_time_turns, .what = "the same on a ring with turns",
      .preemptions = 2, .stale = 2, .quick = 1)
{
	one_at_a_time(LEAT_MPMC);
}

MODEL(registry_snapshot_one_at_a_time_in_place, .what = "the same on a ring with turns, in place",
      .preemptions = 2, .stale = 2)
{
	in_place = true;
	one_at_a_time(LEAT_MPMC);
}
