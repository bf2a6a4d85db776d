/*
 * Models of generators and sinks where features meet: a sink beside other receivers, a seq on channels that drop, a stage whose
 * input is idle or ends in a scope of its own; each on a thread and on a pool.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/pool.h"

enum { ITEMS = 4 };

/* Above 32 bytes, so that a peek lends several. */
struct wide {
	uint64_t n, rest[4];
};

static uint32_t handled[ITEMS + 1], discarded[ITEMS + 1];

static void counts_discard(void *item, void *arg)
{
	(void)arg;
	leat_add_rlx(&discarded[*(const uint64_t *)item], 1);
}

static void check_owners(uint64_t last)
{
	for (uint64_t n = 1; n <= last; n++)
		verify_that(leat_load_rlx(&handled[n]) + leat_load_rlx(&discarded[n]) == 1);
}

static void open_place(bool on_a_pool)
{
	if (on_a_pool)
		open_pool(1, true);
	else
		scope = leat_scope_open(NULL, NULL);
}

/* --- a sink, and another receiver of its input --- */

enum how { PUTS_ALL, HAS_ENOUGH, FAILS, WAITS };
enum { DUE_NS = 5000 };

struct sharing {
	enum how how;
	uint64_t waits_with;
	uint32_t called;
};

static int put_shared(void *state, const void *item)
{
	struct sharing *s = state;
	uint64_t n = ((const struct wide *)item)->n;
	int rc;

	leat_add_acqrel(&s->called, 1);
	verify_that(s->waits_with == 0 || s->waits_with == n); /* the same item again */
	if (s->how == WAITS && (rc = leat_after(DUE_NS)) != 0) {
		s->waits_with = n;
		return rc;
	}
	s->waits_with = 0;
	leat_add_rlx(&handled[n], 1);
	return s->how == HAS_ENOUGH ? 1 : s->how == FAILS ? -EIO : 0;
}

static void receives_wide(void *arg)
{
	struct wide wide;

	while (leat_recv((struct leat_rx *)arg, &wide) == 1)
		leat_add_rlx(&handled[wide.n], 1);
	leat_rx_close(arg);
}

static void sink_shares(bool on_a_pool, enum how how)
{
	struct leat_chan_opts chan = { .kind = LEAT_SPMC, .capacity = ITEMS, .recv_wait = LEAT_WAIT_PARK, .discard = counts_discard };
	struct sharing sharing = { .how = how };
	struct leat_gen_opts opts = { 0 };
	struct leat_scope *outer;
	struct leat_rx *rx, *other;
	struct leat_tx *tx;

	open_place(on_a_pool);
	outer = leat_scope_open(NULL, NULL);
	opts.pool = pool;
	if (how == WAITS)
		verify_instant(DUE_NS);
	verify_that(leat_chan_open(outer, sizeof(struct wide), &chan, &tx, &rx) == 0);
	other = leat_rx_clone(rx);
	for (uint64_t n = 1; n <= 3; n++)
		verify_that(leat_send(tx, &(struct wide){ .n = n }) == 0);
	leat_tx_close(tx);
	verify_that(leat_gen_sink(scope, rx, (struct leat_sink){ put_shared, fini, &sharing }, &opts) == 0);
	while (how != PUTS_ALL && leat_load_acq(&sharing.called) == 0)
		leat_pause(); /* the sink has peeked at some by then */
	receives_wide(other);
	leat_scope_join(scope);
	verify_that(sharing.waits_with == 0 && leat_load_rlx(&finis) == 1);
	check_owners(3);
	for (uint64_t n = 1; n <= 3; n++)
		verify_that(leat_load_rlx(&discarded[n]) == 0); /* one receiver or the other was there for it */
	verify_that(leat_scope_close(outer) == 0);
	close_pool(how == FAILS && leat_scope_cause(scope, NULL, NULL) == LEAT_FAILED ? -EIO : 0);
}

MODEL(gen_sink_shares, .what = "a sink on the pool beside another receiver", .preemptions = 2, .stale = 1, .quick = 1)
{
	sink_shares(true, PUTS_ALL);
}

MODEL(gen_sink_shares_enough, .what = "the same that has enough in the middle", .preemptions = 2, .stale = 1, .quick = 1)
{
	sink_shares(true, HAS_ENOUGH);
}

MODEL(gen_sink_shares_fails, .what = "the same that fails in the middle", .preemptions = 2, .stale = 1, .quick = 1)
{
	sink_shares(true, FAILS);
}

MODEL(gen_sink_shares_waits, .what = "the same whose put waits with an item", .preemptions = 2, .stale = 1, .quick = 1)
{
	sink_shares(true, WAITS);
}

MODEL(gen_sink_shares_on_thread, .what = "a sink on a thread beside another receiver", .preemptions = 1, .stale = 1)
{
	sink_shares(false, HAS_ENOUGH);
}
