/*
 * tests/unit/sink.c: sinks whose input others receive from too: what a put takes, waits with,
 * refuses or fails at.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

TestSuite(sink, .timeout = 600);

static struct ledger ledger;

enum { NO_ITEM = LEDGER_ITEMS - 1 };

/* An item above 32 bytes: on a ring with turns a peek lends several at once. */
struct wide {
	uint64_t n, rest[7];
};

/* What a put does. One that waits is called again with the same item. */
struct puts {
	uint64_t wait_at;            /* after so many calls, or NO_ITEM */
	uint64_t fail_at, enough_at; /* the number of the item, or NO_ITEM */
	int64_t due_ns;              /* until then, which is set when it begins to wait */
	uint64_t waited;             /* for this item, or NO_ITEM */
	/* takes one from here at each call: another receiver that goes on meanwhile */
	struct leat_rx *other;
	uint32_t calls, waits, others; /* others: items put while an earlier one waited */
	uint32_t fini;
};

static void puts_init(struct puts *puts)
{
	*puts = (struct puts){
		.wait_at = NO_ITEM, .fail_at = NO_ITEM, .enough_at = NO_ITEM, .waited = NO_ITEM
	};
}

static int put(void *state, const void *item)
{
	struct puts *puts = state;
	uint64_t n;
	int rc;
	memcpy(&n, item, sizeof(n));
	struct wide wide;
	if (puts->other != NULL && leat_try_recv(puts->other, (void *)&wide) == 1)
		ledger_receive(&ledger, wide.n);
	puts->others += puts->waited != NO_ITEM && puts->waited != n;
	if (puts->calls == puts->wait_at && puts->due_ns == 0)
		puts->due_ns = leat_now_ns() + 10 * MS;
	if (puts->calls == puts->wait_at && (rc = leat_after(puts->due_ns)) != 0) {
		puts->waited = n;
		leat_add_acqrel(&puts->waits, 1u);
		return rc;
	}
	puts->waited = NO_ITEM;
	ledger_receive(&ledger, n);
	leat_add_acqrel(&puts->calls, 1u);
	return n == puts->enough_at ? 1 : n == puts->fail_at ? -EIO : 0;
}

static void fini(void *state)
{
	leat_add_acqrel(&((struct puts *)state)->fini, 1u);
}

/* A channel that two may receive from, and its items. */
struct shared {
	struct leat_scope *scope;
	struct leat_pool *pool;
	struct leat_tx *tx;
	struct leat_rx *rx, *other;
	size_t size;
};

static struct shared shared_open(enum leat_kind kind, size_t size)
{
	struct leat_chan_opts opts = {
		.kind = kind, .capacity = 16, .discard = ledger_discard, .discard_arg = &ledger
	};
	struct shared s = { .scope = leat_scope_open(NULL, NULL), .size = size };
	memset(&ledger, 0, sizeof(ledger));
	s.pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	cr_assert_not_null(s.pool);
	cr_assert_eq(leat_chan_open(s.scope, size, &opts, &s.tx, &s.rx), 0);
	s.other = rx_is_multiple(kind) ? leat_rx_clone(s.rx) : NULL;
	return s;
}

static void shared_send(struct shared *s, uint64_t from, uint64_t to)
{
	struct wide wide = { 0 };
	for (; from < to; from++) {
		wide.n = from;
		cr_assert_eq(leat_send(s->tx, (void *)&wide), 0);
		ledger_accept(&ledger, from);
	}
}

static uint64_t shared_take(struct shared *s)
{
	struct wide wide = { .n = NO_ITEM };
	cr_assert_eq(leat_recv_until(s->other, (void *)&wide, leat_now_ns() + PATIENCE_NS), 1);
	ledger_receive(&ledger, wide.n);
	return wide.n;
}

static void shared_sink(struct shared *s, struct leat_scope *scope, struct puts *puts, bool on_pool)
{
	struct leat_gen_opts opts = { .pool = on_pool ? s->pool : NULL };
	cr_assert_eq(leat_gen_sink(scope, s->rx, (struct leat_sink){ put, fini, puts }, &opts), 0);
}

static void shared_close(struct shared *s, int code)
{
	struct wide wide;
	leat_tx_close(s->tx);
	while (s->other != NULL && leat_recv(s->other, (void *)&wide) == 1)
		ledger_receive(&ledger, wide.n);
	leat_rx_close(s->other);
	cr_expect_eq(leat_scope_close(s->scope), code);
	cr_expect_eq(leat_pool_close(s->pool), 0);
	cr_expect_eq(ledger_faults(&ledger), 0);
}

static const size_t sizes[] = { sizeof(uint64_t), sizeof(struct wide) };
#define for_each_form(kind, size, on_pool) \
	for_each_kind(kind) \
		for (size_t size##_at = 0, size = sizes[0]; size##_at < COUNT(sizes); \
		     size##_at++, size = sizes[size##_at < COUNT(sizes) ? size##_at : 0]) \
			for (int on_pool = 0; on_pool < 2; on_pool++)

/* While its put waits with an item, another receiver takes what is behind, and never that item. */
Test(sink, a_put_that_waits_is_called_again_with_the_item_that_is_its_own)
{
	for_each_form(kind, size, on_pool) {
		struct shared s = shared_open(kind, size);
		struct puts puts;
		puts_init(&puts);
		puts.wait_at = 0;
		shared_send(&s, 0, 6);
		shared_sink(&s, s.scope, &puts, on_pool);
		if (on_pool)
			cr_assert(await_word(&puts.waits, 1));
		for (uint64_t n = 1; on_pool && s.other != NULL && n < 4; n++)
			cr_expect_neq(shared_take(&s), 0,
			              "%s of %zu: the put's item went to another", kind_names[kind],
			              size);
		leat_tx_close(s.tx);
		s.tx = NULL;
		cr_expect_eq(leat_scope_join(s.scope), 0, "%s of %zu, on a pool: %d",
		             kind_names[kind], size, on_pool);
		cr_expect_eq(puts.others, 0);
		cr_expect_eq(ledger.received[0], 1);
		cr_expect_eq(ledger_received(&ledger), 6);
		cr_expect_eq(puts.fini, 1);
		shared_close(&s, 0);
	}
}

/* The same in the middle of what was peeked at, once another receiver has gone on behind that. */
Test(sink, a_put_that_waits_while_another_receiver_goes_on_is_called_again)
{
	for_each_form(kind, size, on_pool) {
		struct shared s = shared_open(kind, size);
		struct puts puts;
		puts_init(&puts);
		puts.wait_at = 1;
		puts.other = s.other;
		shared_send(&s, 0, 16);
		shared_sink(&s, s.scope, &puts, on_pool);
		leat_tx_close(s.tx);
		s.tx = NULL;
		cr_expect_eq(leat_scope_join(s.scope), 0, "%s of %zu, on a pool: %d",
		             kind_names[kind], size, on_pool);
		cr_expect_eq(puts.others, 0);
		cr_expect_eq(ledger_received(&ledger), 16, "%s of %zu, on a pool: %d",
		             kind_names[kind], size, on_pool);
		shared_close(&s, 0);
	}
}

/*
 * Ended in the middle of what it has peeked at: what it put is not put again, nor discarded; the
 * rest is the other's.
 */
static void end_in_the_middle(int rc)
{
	for_each_form(kind, size, on_pool) {
		struct shared s = shared_open(kind, size);
		struct leat_scope *scope = leat_scope_open(NULL, NULL);
		struct puts puts;
		puts_init(&puts);
		*(rc == 1 ? &puts.enough_at : &puts.fail_at) = s.other != NULL ? 0 : 2;
		puts.other = s.other;
		shared_send(&s, 0, 16);
		shared_sink(&s, scope, &puts, on_pool);
		cr_expect_eq(leat_scope_join(scope), rc == 1 ? 0 : rc, "%s of %zu, on a pool: %d",
		             kind_names[kind], size, on_pool);
		for (uint64_t left = 14; s.other != NULL && left > 0; left--)
			shared_take(&s);
		cr_expect_eq(ledger_received(&ledger), s.other != NULL ? 16 : 3,
		             "%s of %zu, on a pool: %d", kind_names[kind], size, on_pool);
		leat_scope_close(scope);
		shared_close(&s, 0);
	}
}

Test(sink, enough_in_the_middle_leaves_the_rest_to_others)
{
	end_in_the_middle(1);
}

Test(sink, a_failure_in_the_middle_leaves_the_rest_to_others)
{
	end_in_the_middle(-EIO);
}

struct taker {
	pthread_t thread;
	struct leat_rx *rx;
};

static void *takes_all(void *arg)
{
	struct taker *taker = arg;
	struct wide wide;
	while (leat_recv(taker->rx, (void *)&wide) == 1)
		ledger_receive(&ledger, wide.n);
	leat_rx_close(taker->rx);
	return NULL;
}

/*
 * Another takes behind the sink while that puts, waits, has enough or fails: the ledger is the
 * judge.
 */
Test(sink, each_item_has_one_owner_beside_another_receiver)
{
	for (int how = 0; how < 3; how++)
		for_each_form(kind, size, on_pool) {
			struct shared s = shared_open(kind, size);
			struct leat_scope *scope = leat_scope_open(NULL, NULL);
			struct taker taker = { .rx = s.other };
			struct puts puts;
			if (s.other == NULL) {
				leat_rx_close(s.rx);
				leat_scope_close(scope);
				shared_close(&s, 0);
				continue;
			}
			puts_init(&puts);
			puts.wait_at = how == 0 ? 100 : NO_ITEM;
			puts.enough_at = how == 1 ? 101 : NO_ITEM;
			puts.fail_at = how == 2 ? 101 : NO_ITEM;
			shared_sink(&s, scope, &puts, on_pool);
			cr_assert_eq(pthread_create(&taker.thread, NULL, takes_all, &taker), 0);
			shared_send(&s, 0, 2000);
			leat_tx_close(s.tx);
			pthread_join(taker.thread, NULL);
			int rc = leat_scope_join(scope);
			cr_expect(rc == 0 || (how == 2 && rc == -EIO),
			          "%s of %zu, on a pool: %d, how %d: %d", kind_names[kind], size,
			          on_pool, how, rc);
			leat_scope_close(scope);
			s.tx = NULL;
			s.other = NULL;
			shared_close(&s, 0);
		}
}

Test(sink, a_receiver_that_holds_a_peek_is_refused)
{
	for_each_form(kind, size, on_pool) {
		struct shared s = shared_open(kind, size);
		struct leat_gen_opts opts = { .pool = on_pool ? s.pool : NULL };
		const void *there;
		struct puts puts;
		puts_init(&puts);
		shared_send(&s, 0, 1);
		cr_assert_eq(leat_peek(s.rx, 1, &there), 1);
		cr_assert_eq(
			leat_gen_sink(s.scope, s.rx, (struct leat_sink){ put, fini, &puts }, &opts),
			-EBUSY);
		cr_expect_eq(puts.fini, 0);
		cr_expect_eq(leat_release(s.rx, 0), 0, "the receiver is still the caller's");
		shared_sink(&s, s.scope, &puts, on_pool);
		leat_tx_close(s.tx);
		s.tx = NULL;
		cr_expect_eq(leat_scope_join(s.scope), 0);
		cr_expect_eq(ledger.received[0], 1);
		shared_close(&s, 0);
	}
}

/* The same of a generator's own kind of receiver. */
Test(sink, a_pooled_generator_s_receiver_that_holds_a_peek_is_refused)
{
	struct leat_pool *pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	struct leat_scope *scope = leat_scope_open(NULL, NULL),
			  *source = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .chan.capacity = 4, .pool = pool };
	struct pipe pipe = pipe_open(NULL);
	const void *there;
	struct leat_rx *rx;
	struct puts puts;
	memset(&ledger, 0, sizeof(ledger));
	puts_init(&puts);
	cr_assert_eq(leat_send(pipe.tx, &(uint64_t){ 5 }), 0);
	leat_tx_close(pipe.tx);
	cr_assert_eq(leat_gen_seq(source, leat_seq_from_rx(pipe.rx), &opts, &rx), 0);
	cr_assert_eq(leat_peek(rx, 1, &there), 1);
	cr_assert_eq(leat_gen_sink(scope, rx, (struct leat_sink){ put, fini, &puts }, NULL),
	             -EBUSY);
	cr_expect_eq(leat_release(rx, 0), 0);
	cr_expect_eq(leat_gen_sink(scope, rx, (struct leat_sink){ put, fini, &puts }, NULL), 0);
	cr_expect_eq(leat_scope_join(scope), 0);
	cr_expect_eq(ledger.received[5], 1);
	leat_scope_close(scope);
	leat_scope_close(source);
	leat_scope_close(pipe.scope);
	cr_expect_eq(leat_pool_close(pool), 0);
}
