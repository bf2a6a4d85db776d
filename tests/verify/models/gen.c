/*
 * Models of generators and sinks where features meet: a sink beside other receivers, a seq on
 * channels that drop, a stage whose input is idle or ends in a scope of its own; each on a thread
 * and on a pool.
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
enum { DUE_NS = 5000, WHEEL_NS = 16384 }; /* jobs are woken at the wheel's next tick */

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
	struct leat_chan_opts chan = { .kind = LEAT_SPMC,
		                       .capacity = ITEMS,
		                       .recv_wait = LEAT_WAIT_PARK,
		                       .discard = counts_discard };
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
	verify_that(leat_gen_sink(scope, rx, (struct leat_sink){ put_shared, fini, &sharing },
	                          &opts) == 0);
	while (how != PUTS_ALL && leat_load_acq(&sharing.called) == 0)
		leat_pause(); /* the sink has peeked at some by then */
	receives_wide(other);
	leat_scope_join(scope);
	verify_that(sharing.waits_with == 0 && leat_load_rlx(&finis) == 1);
	check_owners(3);
	for (uint64_t n = 1; n <= 3; n++)
		/* one receiver or the other was there for it */
		verify_that(leat_load_rlx(&discarded[n]) == 0);
	verify_that(leat_scope_close(outer) == 0);
	close_pool(how == FAILS && leat_scope_cause(scope, NULL, NULL) == LEAT_FAILED ? -EIO : 0);
}

MODEL(gen_sink_shares, .what = "a sink on the pool beside another receiver", .preemptions = 2,
      .stale = 1, .quick = 1, .quick_both = 1)
{
	sink_shares(true, PUTS_ALL);
}

MODEL(gen_sink_shares_enough, .what = "the same that has enough in the middle", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	sink_shares(true, HAS_ENOUGH);
}

MODEL(gen_sink_shares_fails, .what = "the same that fails in the middle", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	sink_shares(true, FAILS);
}

MODEL(gen_sink_shares_waits, .what = "the same whose put waits with an item", .preemptions = 1,
      .stale = 1, .idle_ns = WHEEL_NS, .quick_both = 1)
{
	sink_shares(true, WAITS);
}

MODEL(gen_sink_shares_on_thread, .what = "a sink on a thread beside another receiver",
      .preemptions = 1, .stale = 1)
{
	sink_shares(false, HAS_ENOUGH);
}

/* --- a seq on each overflow --- */

static void seq_overflows(bool on_a_pool, enum leat_overflow overflow)
{
	static struct numbers n = { .last = 2 };
	struct leat_gen_opts opts = { 0 };
	struct leat_chan_stat stat;
	struct leat_rx *rx;
	uint64_t item, last = 0;
	int rc;

	open_place(on_a_pool);
	opts = on_pool(LEAT_SPSC, 1);
	opts.chan.overflow = overflow;
	opts.chan.send_wait = LEAT_WAIT_PARK;
	opts.chan.discard = counts_discard;
	verify_that(leat_gen_seq(scope, (struct leat_seq){ next, fini, &n, sizeof(item) }, &opts,
	                         &rx) == 0);
	while ((rc = leat_recv(rx, &item)) == 1) {
		verify_that(item > last);
		last = item;
		leat_add_rlx(&handled[item], 1);
	}
	verify_that(rc == 0 && last > 0);
	check_owners(2);
	if (overflow == LEAT_BLOCK)
		verify_that(last == 2 && leat_load_rlx(&handled[1]) == 1);
	if (overflow == LEAT_DROP_NEWEST)
		verify_that(leat_load_rlx(&handled[1]) == 1);
	if (overflow == LEAT_DROP_OLDEST) {
		leat_chan_read_stat(rx->chan, &stat);
		/* that a receiver stood in its way */
		verify_that(last == 2 || stat.dropped[LEAT_DROPPED_NEWEST] == 1);
	}
	verify_that(leat_scope_join(scope) == 0);
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(gen_seq_blocks, .what = "a seq on a thread, whose channel blocks", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	seq_overflows(false, LEAT_BLOCK);
}

MODEL(gen_seq_drops_newest, .what = "the same that drops the newest", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	seq_overflows(false, LEAT_DROP_NEWEST);
}

MODEL(gen_seq_drops_oldest, .what = "the same that drops the oldest: the last is there",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	seq_overflows(false, LEAT_DROP_OLDEST);
}

MODEL(gen_seq_on_pool_drops_newest, .what = "a seq on the pool that drops the newest",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	seq_overflows(true, LEAT_DROP_NEWEST);
}

MODEL(gen_seq_on_pool_drops_oldest, .what = "the same that drops the oldest: the last is there",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	seq_overflows(true, LEAT_DROP_OLDEST);
}

/* --- a reservation that is given back on a channel that drops --- */

static void gives_back(void *arg)
{
	void *place;

	verify_that(leat_reserve(arg, 1, &place) == 1);
	verify_that(leat_commit(arg, 0) == 0);
	leat_tx_close(arg);
}

static void reserve_given_back(enum leat_overflow overflow)
{
	struct leat_chan_opts chan = { .kind = LEAT_MPMC,
		                       .capacity = 2,
		                       .overflow = overflow,
		                       .recv_wait = LEAT_WAIT_PARK,
		                       .discard = counts_discard };
	struct leat_rx *rx;
	struct leat_tx *tx;
	uint64_t item, expected = 0;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(item), &chan, &tx, &rx) == 0);
	item = 1;
	verify_that(leat_send(tx, &item) == 0);
	verify_spawn(gives_back, leat_tx_clone(tx), "gives back");
	item = 2;
	verify_that(leat_send(tx, &item) == 0);
	leat_tx_close(tx);
	while (leat_recv(rx, &item) == 1)
		verify_that(item == ++expected);
	verify_that(expected == 2);
	verify_join();
	leat_rx_close(rx);
	close_pool(0);
}

MODEL(gen_reserve_given_back_newest,
      .what = "a reservation on a channel that drops the newest takes no room", .preemptions = 2,
      .stale = 1)
{
	reserve_given_back(LEAT_DROP_NEWEST);
}

MODEL(gen_reserve_given_back_oldest, .what = "the same that drops the oldest: nothing is dropped",
      .preemptions = 2, .stale = 1)
{
	reserve_given_back(LEAT_DROP_OLDEST);
}

static void receives_one(void *arg)
{
	uint64_t item;

	verify_that(leat_recv((struct leat_rx *)arg, &item) == 1);
	leat_rx_close(arg);
}

MODEL(gen_reserve_wakes, .what = "the commit of a reservation that takes no room wakes a receiver",
      .preemptions = 2, .stale = 1)
{
	struct leat_chan_opts chan = { .kind = LEAT_MPSC,
		                       .capacity = 1,
		                       .overflow = LEAT_DROP_OLDEST,
		                       .recv_wait = LEAT_WAIT_PARK };
	struct leat_rx *rx;
	struct leat_tx *tx;
	void *place;

	scope = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &chan, &tx, &rx) == 0);
	verify_spawn(receives_one, rx, "receiver");
	verify_that(leat_reserve(tx, 1, &place) == 1);
	*(uint64_t *)place = 1;
	verify_that(leat_commit(tx, 1) == 0);
	verify_join();
	leat_tx_close(tx);
	close_pool(0);
}

/* --- a stage whose input is idle --- */

static int idle_next(void *state, void *item)
{
	(void)state;
	(void)item;
	return leat_after(LEAT_NEVER);
}

static void seq_fini(void *state)
{
	leat_rx_close(state);
	leat_add_acqrel(&finis, 1);
}

enum ending { CONSUMER_LEAVES, SCOPE_CANCELLED, SCOPE_CLOSED, DEADLINE, ITEM_THEN_LEAVES };

/*
 * The input: a plain channel whose sender stays, or (compact) a generator on the pool that never
 * has anything.
 */
static void stage_idles(bool on_a_pool, bool compact, enum leat_wait wait, enum ending ending)
{
	struct leat_chan_opts chan = { .capacity = 1, .recv_wait = wait };
	struct leat_gen_opts opts;
	struct leat_scope *inner;
	struct leat_rx *in, *out;
	struct leat_tx *tx = NULL;
	struct leat_seq seq;
	uint64_t item = 1;
	int rc;

	if (on_a_pool || compact)
		open_pool(1, true);
	else
		scope = leat_scope_open(NULL, NULL);
	if (ending == DEADLINE) {
		leat_scope_close(scope);
		scope = leat_scope_open(NULL, &(struct leat_scope_opts){ .deadline_ns = DUE_NS });
		verify_instant(DUE_NS);
	}
	inner = leat_scope_open(NULL, NULL);
	opts = on_pool(LEAT_SPSC, 1);
	opts.chan.recv_wait = wait;
	if (compact)
		verify_that(leat_gen_seq(inner,
		                         (struct leat_seq){ idle_next, NULL, NULL, sizeof(item) },
		                         &opts, &in) == 0);
	else
		verify_that(leat_chan_open(inner, sizeof(item), &chan, &tx, &in) == 0);
	opts.pool = on_a_pool ? pool : NULL;
	opts.chan.recv_wait = LEAT_WAIT_PARK;
	seq = leat_seq_from_rx(in);
	seq.fini = seq_fini;
	rc = leat_gen_seq(scope, seq, &opts, &out);
	verify_that(rc == 0 || (rc == -ECANCELED && ending == DEADLINE));
	if (rc < 0)
		seq_fini(in);
	if (ending == ITEM_THEN_LEAVES) {
		verify_that(leat_send(tx, &item) == 0);
		verify_that(leat_recv(out, &item) == 1 && item == 1);
	}
	if (ending == CONSUMER_LEAVES || ending == ITEM_THEN_LEAVES) {
		leat_rx_close(out);
		out = NULL;
	} else if (ending == SCOPE_CANCELLED) {
		leat_scope_cancel(scope, 0, "enough");
	}
	if (ending != SCOPE_CLOSED) {
		verify_that(leat_scope_join(scope) == (ending == DEADLINE ? -ETIMEDOUT : 0));
		verify_that(leat_load_rlx(&finis) == 1);
	}
	verify_that(leat_scope_close(scope) == (ending == DEADLINE ? -ETIMEDOUT : 0));
	verify_that(leat_load_rlx(&finis) == 1);
	leat_rx_close(out);
	scope = inner;
	leat_tx_close(tx);
	close_pool(0);
}

MODEL(gen_stage_consumer_leaves,
      .what = "a stage on a thread with an idle input hears that its consumer left",
      .preemptions = 2, .stale = 1)
{
	stage_idles(false, false, LEAT_WAIT_PARK, CONSUMER_LEAVES);
}

MODEL(gen_stage_canceled, .what = "the same of a cancel", .preemptions = 2, .stale = 1)
{
	stage_idles(false, false, LEAT_WAIT_PARK, SCOPE_CANCELLED);
}

MODEL(gen_stage_closed, .what = "the same of its scope's close", .preemptions = 2, .stale = 1)
{
	stage_idles(false, false, LEAT_WAIT_PARK, SCOPE_CLOSED);
}

MODEL(gen_stage_deadline, .what = "the same of its scope's deadline", .preemptions = 2, .stale = 1,
      .idle_ns = DUE_NS, .quick_both = 1)
{
	stage_idles(false, false, LEAT_WAIT_PARK, DEADLINE);
}

MODEL(gen_stage_item_then_leaves, .what = "the same after an item", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	stage_idles(false, false, LEAT_WAIT_PARK, ITEM_THEN_LEAVES);
}

MODEL(gen_stage_spins, .what = "the same whose input is waited for awake", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	stage_idles(false, false, LEAT_WAIT_SPIN, CONSUMER_LEAVES);
}

MODEL(gen_stage_of_pooled, .what = "a stage on a thread whose input is a generator on the pool",
      .preemptions = 1, .stale = 1, .quick_both = 1)
{
	stage_idles(false, true, LEAT_WAIT_PARK, CONSUMER_LEAVES);
}

MODEL(gen_stage_of_pooled_canceled, .what = "the same of a cancel", .preemptions = 2, .stale = 1,
      .quick = 1, .quick_both = 1)
{
	stage_idles(false, true, LEAT_WAIT_PARK, SCOPE_CANCELLED);
}

MODEL(gen_stage_on_pool_consumer_leaves,
      .what = "a stage on the pool with an idle input hears that its consumer left",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	stage_idles(true, false, LEAT_WAIT_PARK, CONSUMER_LEAVES);
}

MODEL(gen_stage_on_pool_canceled, .what = "the same of a cancel", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	stage_idles(true, false, LEAT_WAIT_PARK, SCOPE_CANCELLED);
}

MODEL(gen_stage_on_pool_closed, .what = "the same of its scope's close", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	stage_idles(true, true, LEAT_WAIT_PARK, SCOPE_CLOSED);
}

MODEL(gen_stage_on_pool_deadline, .what = "the same of its scope's deadline", .preemptions = 2,
      .stale = 1, .quick = 1, .idle_ns = DUE_NS, .quick_both = 1)
{
	stage_idles(true, false, LEAT_WAIT_PARK, DEADLINE);
}

/* --- an input whose scope is cancelled --- */

static void input_cancelled(bool on_a_pool, bool sink, int code)
{
	struct leat_chan_opts chan = { .capacity = 1, .recv_wait = LEAT_WAIT_PARK };
	static uint64_t most;
	struct leat_gen_opts opts = { 0 };
	struct leat_scope *inner;
	struct leat_rx *in, *out = NULL;
	struct leat_tx *tx;
	struct leat_seq seq;
	enum leat_cause cause;
	const char *text;
	uint64_t item;

	open_place(on_a_pool);
	inner = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(inner, sizeof(item), &chan, &tx, &in) == 0);
	opts = on_pool(LEAT_SPSC, 1);
	seq = leat_seq_from_rx(in);
	seq.fini = seq_fini;
	if (sink)
		verify_that(leat_gen_sink(scope, in, (struct leat_sink){ put, fini, &most },
		                          &opts) == 0);
	else
		verify_that(leat_gen_seq(scope, seq, &opts, &out) == 0);
	leat_scope_cancel(inner, code, "enough");
	if (out != NULL) {
		item = (uint64_t)leat_recv(out, &item);
		verify_that((int)item == 0 || (code < 0 && (int)item == -ECANCELED));
		verify_that(leat_rx_status(out, &cause, NULL, &text) == 0);
		verify_that(cause == (code == 0 ? LEAT_CANCELED : LEAT_FAILED) && text[0] == 'e');
		leat_rx_close(out);
	}
	verify_that(leat_scope_join(scope) == code && leat_load_rlx(&finis) == 1);
	verify_that(leat_scope_cause(scope, NULL, &text) ==
	            (code == 0 ? LEAT_RUNNING : LEAT_FAILED));
	verify_that(code == 0 || text[0] == 'e');
	leat_tx_close(tx);
	verify_that(leat_scope_close(inner) == code);
	close_pool(code);
}

MODEL(gen_stage_input_canceled,
      .what = "a stage on a thread whose input's scope is cancelled ends with that, and fails "
              "nothing",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	input_cancelled(false, false, 0);
}

MODEL(gen_stage_on_pool_input_canceled, .what = "the same on the pool", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	input_cancelled(true, false, 0);
}

MODEL(gen_stage_on_pool_input_failed,
      .what = "the same of a failure, which is the stage's, words and all", .preemptions = 2,
      .stale = 1, .quick = 1)
{
	input_cancelled(true, false, -5);
}

MODEL(gen_sink_input_canceled, .what = "a sink on a thread whose input's scope is cancelled",
      .preemptions = 2, .stale = 1, .quick = 1)
{
	input_cancelled(false, true, 0);
}

MODEL(gen_sink_on_pool_input_canceled, .what = "the same on the pool", .preemptions = 2, .stale = 1,
      .quick = 1)
{
	input_cancelled(true, true, 0);
}

/* --- a stage that was notified of an item and of its end --- */

static bool took;

static int takes_note(void *state, void *item)
{
	struct leat_seq *from = state;
	int rc = from->next(from->state, item);

	took |= rc == 1;
	return rc;
}

static void takes_note_fini(void *state)
{
	seq_fini(((struct leat_seq *)state)->state);
}

MODEL(gen_stage_passes_on,
      .what = "a stage on a thread, notified of an item and cancelled: the other receiver gets one",
      .preemptions = 2, .stale = 1, .quick = 1, .quick_both = 1)
{
	struct leat_chan_opts chan = { .kind = LEAT_SPMC,
		                       .capacity = 2,
		                       .recv_wait = LEAT_WAIT_PARK };
	struct leat_gen_opts opts = { .chan = { .capacity = 1, .recv_wait = LEAT_WAIT_PARK } };
	struct leat_scope *inner;
	struct leat_rx *in, *other, *out;
	struct leat_tx *tx;
	struct leat_seq seq;
	uint64_t item = 1;

	scope = leat_scope_open(NULL, NULL);
	inner = leat_scope_open(NULL, NULL);
	verify_that(leat_chan_open(inner, sizeof(item), &chan, &tx, &in) == 0);
	other = leat_rx_clone(in);
	seq = leat_seq_from_rx(in);
	verify_that(
		leat_gen_seq(scope,
	                     (struct leat_seq){ takes_note, takes_note_fini, &seq, sizeof(item) },
	                     &opts, &out) == 0);
	while (!(leat_load_rlx(&tx->chan->ctl) & LEAT_CTL_RX_PARKED))
		leat_pause();
	verify_spawn(receives_one, other, "receiver");
	verify_that(leat_send(tx, &item) == 0);
	leat_scope_cancel(scope, 0, "enough");
	verify_that(leat_scope_join(scope) == 0);
	if (leat_recv(out, &item) == 1)
		verify_fail("assertion", "a receive from a cancelled channel gave an item");
	leat_rx_close(out);
	item = 2;
	if (took)
		verify_that(leat_send(tx, &item) == 0);
	verify_join();
	leat_tx_close(tx);
	verify_that(leat_scope_close(inner) == 0);
	close_pool(0);
}
