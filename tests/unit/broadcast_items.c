/*
 * tests/unit/broadcast_items.c: broadcasts and each way to move items: fills, batches, zero copy,
 * edits in place, what is pending.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "feed.h"

TestSuite(broadcast_items, .timeout = 600);

/* A thread that sends 0, 1, 2, ... and closes. */
struct sender {
	pthread_t thread;
	struct leat_tx *tx;
	uint64_t items;
	int how, last;
};

enum { ONE_BY_ONE, BATCHES, IN_PLACE, WAYS };

static int send_next(struct sender *s, uint64_t *at)
{
	uint64_t items[7];
	size_t n = s->items - *at < COUNT(items) ? s->items - *at : COUNT(items);
	ssize_t rc = 0;
	void *slots;

	for (size_t i = 0; i < n; i++)
		items[i] = *at + i;
	if (s->how == ONE_BY_ONE)
		rc = leat_send(s->tx, &items[0]) == 0 ? 1 : -EPROTO;
	else if (s->how == BATCHES)
		rc = leat_send_batch(s->tx, items, n);
	else if ((rc = leat_reserve(s->tx, n, &slots)) > 0) {
		memcpy(slots, items, (size_t)rc * sizeof(items[0]));
		if (leat_commit(s->tx, (size_t)rc) != 0)
			rc = -EPROTO;
	}
	if (rc > 0)
		*at += (uint64_t)rc;
	return rc > 0 ? 0 : (int)rc;
}

static void *send_all(void *arg)
{
	struct sender *s = arg;

	for (uint64_t at = 0; at < s->items && s->last == 0;)
		s->last = send_next(s, &at);
	leat_tx_close(s->tx);
	return NULL;
}

static void sender_start(struct sender *s, struct feed *feed)
{
	s->tx = feed->tx;
	feed->tx = NULL;
	cr_assert_eq(pthread_create(&s->thread, NULL, send_all, s), 0);
}

static void sender_join(struct sender *s)
{
	cr_assert_eq(pthread_join(s->thread, NULL), 0);
	cr_expect_eq(s->last, 0);
}

/* --- sizes --- */

enum { ITEM_MAX = 64, ROOM = 50 };

static void item_write(unsigned char *item, size_t size, uint64_t number)
{
	for (size_t i = 0; i < size; i++)
		item[i] = (unsigned char)(number * 7 + i);
}

static void expect_number(const unsigned char *item, size_t size, uint64_t number)
{
	unsigned char wanted[ITEM_MAX];

	item_write(wanted, size, number);
	cr_assert(memcmp(item, wanted, size) == 0, "item %llu of %zu bytes",
	          (unsigned long long)number, size);
}

/* Receives what is there by one of three ways, and returns the next number. */
static uint64_t take_some(struct leat_rx *rx, size_t size, uint64_t next, uint64_t way)
{
	unsigned char copies[ROOM * ITEM_MAX];
	const void *items = copies;
	ssize_t n = way == ONE_BY_ONE ? leat_recv(rx, (void *)copies)
	            : way == BATCHES  ? leat_recv_batch(rx, (void *)copies, 1 + next % ROOM)
	                              : leat_peek(rx, 1 + next % ROOM, &items);

	cr_assert_gt(n, 0);
	for (size_t i = 0; i < (size_t)n; i++)
		expect_number((const unsigned char *)items + i * size, size, next + i);
	if (way == IN_PLACE)
		cr_assert_eq(leat_release(rx, (size_t)n), 0);
	return next + (uint64_t)n;
}

static void stages_take(struct leat_broadcast_opts opts, size_t size)
{
	const uint64_t most = 40 * ROOM;
	unsigned char items[ROOM * ITEM_MAX];
	uint64_t sent = 0, next[3] = { 0 }, turn = size;
	struct feed feed = { .scope = leat_scope_open(NULL, NULL) };
	struct leat_rx *rx[3];

	opts.capacity = ROOM;
	cr_assert_eq(leat_broadcast_open(feed.scope, size, &opts, &feed.bc, &feed.tx), 0);
	rx[0] = join(&feed, (struct leat_subscribe_opts){ 0 });
	rx[1] = join_after(&feed, rx[0]);
	rx[2] = join(&feed, (struct leat_subscribe_opts){ .after = rx, .after_count = 2 });
	while (next[2] < most) {
		const uint64_t room = next[2] + ROOM - sent, n = room < 11 ? room : 11;

		for (uint64_t i = 0; i < n; i++)
			item_write(items + i * size, size, sent + i);
		if (n > 0)
			cr_assert_eq(leat_send_batch(feed.tx, (void *)items, n), (ssize_t)n);
		sent += n;
		for (int i = 0; i < 3; i++, turn++)
			if (next[i] < (i == 0 ? sent : next[i - 1]))
				next[i] = take_some(rx[i], size, next[i], turn / 2 % WAYS);
		turn++;
	}
	for (int i = 2; i >= 0; i--)
		leat_rx_close(rx[i]);
	feed_close(&feed);
}

Test(broadcast_items, items_of_each_size_go_through_stages_by_each_way)
{
	static const size_t sizes[] = { 1, 2, 3, 4, 8, 12, 16, 24, 25, 32, ITEM_MAX };

	for_each_ring(opts) for (size_t i = 0; i < COUNT(sizes); i++) stages_take(opts, sizes[i]);
}

/* --- fills --- */

Test(broadcast_items, a_fill_takes_more_than_the_ring_holds)
{
	enum { N = 1000 };

	for_each_ring(opts) for (int how = 0; how < WAYS; how++)
	{
		static uint64_t got[2][N + 8];
		struct sender sender = { .items = N, .how = how };
		if (opts.skip && how == IN_PLACE)
			continue;
		opts.capacity = 6;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join_after(&feed, a);
		sender_start(&sender, &feed);
		/* by turns, as each waits for the other */
		for (size_t at = 0; at < N; at += 5) {
			cr_assert_eq(leat_recv_fill(a, &got[0][at], 5, LEAT_NEVER), 5);
			cr_assert_eq(leat_recv_fill(b, &got[1][at], 5, LEAT_NEVER), 5);
		}
		cr_expect_eq(leat_recv_fill(a, &got[0][0], 5, LEAT_NEVER), 0);
		cr_expect_eq(leat_recv_fill(b, &got[1][0], 5, LEAT_NEVER), 0);
		for (uint64_t n = 1; n < N; n++)
			cr_assert(got[0][n] == n && got[1][n] == n);
		sender_join(&sender);
		leat_rx_close(b);
		leat_rx_close(a);
		feed_close(&feed);
		/* alone, all at once, and the end comes by the next call */
		feed = feed_open(opts);
		a = join(&feed, (struct leat_subscribe_opts){ 0 });
		sender = (struct sender){ .items = N, .how = how };
		sender_start(&sender, &feed);
		cr_expect_eq(leat_recv_fill(a, got[0], N + 8, LEAT_NEVER), N);
		cr_expect_eq(leat_recv_fill(a, got[0], N + 8, LEAT_NEVER), 0);
		sender_join(&sender);
		leat_rx_close(a);
		feed_close(&feed);
	}
}

Test(broadcast_items, what_ends_a_fill)
{
	for_each_ring(opts)
	{
		uint64_t got[8];
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *stage = join_after(&feed, gate);
		cr_expect_eq(leat_recv_fill(gate, got, 8, 0), -ETIMEDOUT);
		send_to(&feed, 0, 5);
		cr_expect_eq(leat_recv_fill(stage, got, 8, 0), -ETIMEDOUT);
		cr_expect_eq(leat_recv_fill(gate, got, 3, 0), 3);
		cr_expect_eq(leat_recv_fill(stage, got, 8, leat_now_ns() + MS), 3);
		leat_rx_close(gate);
		cr_expect_eq(leat_recv_fill(stage, got, 8, LEAT_NEVER), 0);
		expect_end(stage, LEAT_ABANDONED);
		leat_rx_close(stage);
		gate = join(&feed, (struct leat_subscribe_opts){ 0 });
		send_to(&feed, 5, 7);
		leat_scope_cancel(feed.scope, 0, NULL);
		cr_expect_eq(leat_recv_fill(gate, got, 8, LEAT_NEVER), -ECANCELED);
		leat_rx_close(gate);
		feed_close(&feed);
	}
}

static void ignore_discard(void *item, void *arg)
{
	(void)item;
	(void)arg;
}

/* What one receive took is released by the next one; and no fill spans a gap. */
Test(broadcast_items, a_fill_is_one_receive_with_discard_and_of_one_that_skips)
{
	static const struct leat_broadcast_opts each[] = {
		{ .capacity = 4, .discard = ignore_discard },
		{ .capacity = 4, .kind = LEAT_MPMC, .discard = ignore_discard },
		{ .capacity = 4, .skip = true },
		{ .capacity = 4, .kind = LEAT_MPMC, .skip = true },
	};

	for (size_t i = 0; i < COUNT(each); i++) {
		uint64_t got[8];
		struct feed feed = feed_open(each[i]);
		struct leat_rx *rx =
			join(&feed, (struct leat_subscribe_opts){
					    .lag = each[i].skip ? LEAT_LAG_SKIP : LEAT_LAG_WAIT });
		send_to(&feed, 0, 3);
		cr_expect_eq(leat_recv_fill(rx, got, 8, LEAT_NEVER), 3, "it does not wait");
		cr_expect_eq(got[2], 2);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

/* --- pending, capacity --- */

Test(broadcast_items, pending_is_what_a_subscriber_may_receive)
{
	for_each_ring(opts)
	{
		const void *place;
		opts.capacity = 6;
		struct feed feed = feed_open(opts);
		struct leat_rx *gate = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *stage = join_after(&feed, gate), *late;
		cr_expect_eq(leat_rx_pending(gate), 0);
		for (uint64_t n = 0; n < 30; n += 5) {
			send_to(&feed, n, n + 5);
			cr_expect_eq(leat_rx_pending(gate), 5);
			cr_expect_eq(leat_rx_pending(stage), 0);
			cr_assert_geq(leat_peek(gate, 2, &place), 1);
			cr_expect_eq(leat_rx_pending(gate), 5, "with what is peeked at");
			cr_assert_eq(leat_release(gate, 0), 0);
			expect_items(gate, n, n + 3);
			cr_expect_eq(leat_rx_pending(gate), 2);
			cr_expect_eq(leat_rx_pending(stage), 3);
			expect_items(stage, n, n + 3);
			expect_items(gate, n + 3, n + 5);
			expect_items(stage, n + 3, n + 5);
		}
		late = join_after(&feed, gate);
		send_to(&feed, 30, 32);
		expect_items(gate, 30, 31);
		cr_expect_eq(leat_rx_pending(late), 1);
		leat_rx_close(late);
		late = join(&feed, (struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST });
		cr_expect_eq(leat_rx_pending(late), 6);
		leat_scope_cancel(feed.scope, 0, NULL);
		cr_expect_eq(leat_rx_pending(gate), 0);
		cr_expect_eq(leat_rx_pending(late), 0);
		leat_rx_close(late);
		leat_rx_close(stage);
		leat_rx_close(gate);
		feed_close(&feed);
	}
}

Test(broadcast_items, pending_of_one_that_skips_is_at_most_a_ring)
{
	for_each_ring(opts)
	{
		if (!opts.skip)
			continue;
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx =
			join(&feed, (struct leat_subscribe_opts){ .lag = LEAT_LAG_SKIP });
		send_to(&feed, 0, 3);
		cr_expect_eq(leat_rx_pending(rx), 3);
		send_to(&feed, 3, 100);
		cr_expect_eq(leat_rx_pending(rx), 4);
		expect_items(rx, 98, 100);
		cr_expect_eq(leat_rx_pending(rx), 0);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

Test(broadcast_items, capacities_are_exact)
{
	for_each_ring(opts) for (size_t capacity = 0; capacity < 10; capacity++)
	{
		size_t expected = capacity != 0 ? capacity : 1024;
		opts.capacity = capacity;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 });
		cr_expect_eq(leat_tx_capacity(feed.tx), expected);
		cr_expect_eq(leat_rx_capacity(rx), expected);
		cr_expect_eq(fill(feed.tx), expected);
		cr_expect_eq(leat_rx_pending(rx), expected);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}

/* --- zero copy --- */

Test(broadcast_items, peeks_wait_and_hold_senders_and_stages_up)
{
	for_each_ring(opts)
	{
		const void *place;
		uint64_t item = 4, got;
		opts.capacity = 4;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *stage = join_after(&feed, rx);
		struct leat_case cases[] = { LEAT_CASE_RECV(rx, &got) };
		struct caller caller = { .op = OP_PEEK, .rx = stage };
		struct pipe pipe = pipe_open(NULL);
		struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
		cr_expect_eq(leat_try_peek(rx, 1, &place), -EAGAIN);
		cr_expect_eq(leat_peek_until(rx, 1, &place, leat_now_ns() + MS), -ETIMEDOUT);
		cr_expect_eq(leat_release(rx, 1), -EINVAL);
		send_to(&feed, 0, 4);
		cr_assert_geq(leat_try_peek(rx, 3, &place), 1);
		cr_expect_eq(*(const uint64_t *)place, 0);
		cr_expect_eq(leat_try_peek(rx, 1, &place), -EBUSY);
		cr_expect_eq(leat_try_recv(rx, &got), -EBUSY);
		cr_expect_eq(leat_recv_fill(rx, &got, 1, 0), -EBUSY);
		cr_expect_eq(leat_select(cases, 1, 0, LEAT_BY_CHANCE), -EBUSY);
		cr_expect_eq(leat_rx_bind(rx, pipe.tx), -EBUSY);
		cr_expect_eq(leat_merge_add(merge, rx, NULL), -EBUSY);
		cr_assert_geq(leat_rx_fd(rx), 0);
		cr_expect_eq(leat_rx_arm(rx), -EBUSY);
		cr_expect_eq(leat_release(rx, 9), -EINVAL);
		cr_expect_eq(leat_try_send(feed.tx, &item), -EAGAIN);
		expect_nothing(stage);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		cr_expect_eq(leat_release(rx, 1), 0);
		cr_expect_eq(caller_join(&caller), 1);
		cr_expect_eq(caller.value, 0);
		expect_nothing(stage);
		cr_expect_eq(leat_try_send(feed.tx, &item), 0);
		cr_assert_geq(leat_peek(rx, 1, &place), 1);
		cr_expect_eq(*(const uint64_t *)place, 1, "the rest was put back");
		leat_rx_close(stage);
		caller = (struct caller){ .op = OP_SEND, .tx = feed.tx, .value = 5 };
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		leat_rx_close(rx);
		cr_expect_eq(caller_join(&caller), 0, "its close frees the sender");
		leat_merge_close(merge);
		pipe_close(&pipe);
		feed_close(&feed);
	}
}

Test(broadcast_items, reservations_wait_and_are_seen_once_committed)
{
	for_each_ring(opts)
	{
		void *slots;
		uint64_t item = 9;
		opts.capacity = 2;
		struct feed feed = feed_open(opts);
		struct leat_rx *a = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *b = join(&feed, (struct leat_subscribe_opts){ 0 });
		struct leat_case cases[] = { LEAT_CASE_SEND(feed.tx, &item) };
		struct caller caller = { .op = OP_RESERVE, .tx = feed.tx, .value = 3 };
		if (opts.skip) {
			cr_expect_eq(leat_try_reserve(feed.tx, 1, &slots), -ENOTSUP);
			cr_expect_eq(leat_reserve_until(feed.tx, 1, &slots, 0), -ENOTSUP);
			goto close;
		}
		cr_assert_geq(leat_try_reserve(feed.tx, 2, &slots), 1);
		*(uint64_t *)slots = 1;
		expect_nothing(a);
		cr_expect_eq(leat_select(cases, 1, 0, LEAT_BY_CHANCE), -EBUSY);
		cr_expect_eq(leat_commit(feed.tx, 9), -EINVAL);
		cr_expect_eq(leat_commit(feed.tx, 1), 0);
		expect_items(a, 1, 2);
		expect_items(b, 1, 2);
		while (leat_try_reserve(feed.tx, 1, &slots) == 1) {
			*(uint64_t *)slots = 2;
			cr_assert_eq(leat_commit(feed.tx, 1), 0);
		}
		cr_expect_eq(leat_try_reserve(feed.tx, 1, &slots), -EAGAIN);
		cr_expect_eq(leat_reserve_until(feed.tx, 1, &slots, leat_now_ns() + MS),
		             -ETIMEDOUT);
		caller_start(&caller);
		cr_assert(await_parked(&caller.tid));
		expect_items(a, 2, 3);
		cr_expect(is_parked(caller.tid));
		expect_items(b, 2, 3);
		cr_expect_eq(caller_join(&caller), 1);
		for (struct leat_rx *rx = a; rx != NULL; rx = rx == a ? b : NULL) {
			while (leat_try_recv(rx, &item) == 1 && item == 2)
				;
			cr_expect_eq(item, 3);
		}
		cr_assert_eq(leat_reserve(feed.tx, 1, &slots), 1);
		leat_scope_cancel(feed.scope, 0, NULL);
		cr_expect_eq(leat_commit(feed.tx, 1), 0);
	close:
		leat_rx_close(a);
		leat_rx_close(b);
		feed_close(&feed);
	}
}

/* --- edits --- */

enum { EDITS = 5000, FIRST = 100000 };

/* A subscriber on a thread: it adds to the items in place, or expects what an editor made. */
struct stage {
	pthread_t thread;
	struct leat_rx *rx;
	uint64_t adds, expected, items, faults;
	bool batches;
	ssize_t last;
};

static void *edit_all(void *arg)
{
	struct stage *s = arg;
	void *slots;

	while ((s->last = leat_peek_mut(s->rx, 5, &slots)) > 0) {
		/* the last of several goes back without an edit */
		size_t n = (size_t)s->last - (s->last > 1);

		for (size_t i = 0; i < n; i++) {
			s->faults += ((uint64_t *)slots)[i] != s->expected + s->items++;
			((uint64_t *)slots)[i] += s->adds;
		}
		s->faults += leat_release(s->rx, n) != 0;
	}
	return NULL;
}

static void *expect_edited(void *arg)
{
	struct stage *s = arg;
	uint64_t got[4];
	const void *place;

	for (;;) {
		s->last = s->batches ? leat_recv_batch(s->rx, got, 4) : leat_peek(s->rx, 4, &place);
		if (s->last <= 0)
			return NULL;
		if (!s->batches) {
			memcpy(got, place, (size_t)s->last * sizeof(got[0]));
			s->faults += leat_release(s->rx, (size_t)s->last) != 0;
		}
		for (ssize_t i = 0; i < s->last; i++)
			s->faults += got[i] != s->expected + s->items++;
	}
}

Test(broadcast_items, a_diamond_behind_an_editor_sees_what_it_made)
{
	for_each_ring(opts)
	{
		struct sender sender = { .items = EDITS, .how = opts.skip ? BATCHES : IN_PLACE };
		struct stage stages[5] = { { .adds = FIRST },
			                   { .expected = FIRST },
			                   { .expected = FIRST, .batches = true },
			                   { .expected = FIRST, .batches = true },
			                   { .expected = FIRST } };
		opts.capacity = 16;
		struct feed feed = feed_open(opts);
		struct leat_rx *editor = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *sides[] = { join_after(&feed, editor), join_after(&feed, editor) },
			       *end = join(&feed, (struct leat_subscribe_opts){ .after = sides,
		                                                                .after_count = 2 });
		stages[0].rx = editor;
		stages[1].rx = sides[0];
		stages[2].rx = sides[1];
		stages[3].rx = end;
		stages[4].rx = join_after(&feed, end);
		for (size_t i = 0; i < COUNT(stages); i++)
			cr_assert_eq(pthread_create(&stages[i].thread, NULL,
			                            i == 0 ? edit_all : expect_edited, &stages[i]),
			             0);
		sender_start(&sender, &feed);
		for (size_t i = 0; i < COUNT(stages); i++)
			pthread_join(stages[i].thread, NULL);
		sender_join(&sender);
		for (size_t i = 0; i < COUNT(stages); i++) {
			cr_expect_eq(stages[i].last, 0);
			cr_expect_eq(stages[i].items, EDITS);
			cr_expect_eq(stages[i].faults, 0, "%zu", i);
			leat_rx_close(stages[i].rx);
		}
		feed_close(&feed);
	}
}

Test(broadcast_items, the_next_subscriber_edits_once_the_editor_before_it_has_left)
{
	for_each_ring(opts)
	{
		void *slot;
		struct feed feed = feed_open(opts);
		struct leat_rx *first = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *gates[] = { first },
			       *second = join(&feed, (struct leat_subscribe_opts){ .after = gates,
		                                                                   .after_count = 1,
		                                                                   .after_optional =
		                                                                           true }),
			       *rx = join_after(&feed, second);
		send_to(&feed, 0, 1);
		cr_expect_eq(leat_peek_mut(second, 1, &slot), -ENOTSUP,
		             "the first does not come after it");
		cr_assert_eq(leat_peek_mut(first, 1, &slot), 1);
		*(uint64_t *)slot = 7;
		cr_assert_eq(leat_release(first, 1), 0);
		expect_items(second, 7, 8);
		expect_items(rx, 7, 8);
		leat_rx_close(first);
		send_to(&feed, 8, 9);
		cr_assert_eq(leat_peek_mut(second, 1, &slot), 1);
		*(uint64_t *)slot = 30;
		cr_assert_eq(leat_release(second, 1), 0);
		expect_items(rx, 30, 31);
		leat_rx_close(rx);
		leat_rx_close(second);
		feed_close(&feed);
	}
}

/*
 * It copies words that a sender may write meanwhile, and the editor behind that sender, whose
 * writes are its program's own. So there is no editor as long as one skips.
 */
Test(broadcast_items, nobody_edits_while_one_that_skips_is_there)
{
	for_each_ring(opts)
	{
		void *slot;
		if (!opts.skip)
			continue;
		struct feed feed = feed_open(opts);
		struct leat_rx *rx = join(&feed, (struct leat_subscribe_opts){ 0 }),
			       *gates[] = { rx },
			       *skips = join(&feed,
		                             (struct leat_subscribe_opts){ .lag = LEAT_LAG_SKIP,
		                                                           .after = gates,
		                                                           .after_count = 1 });
		send_to(&feed, 0, 1);
		cr_expect_eq(leat_peek_mut(rx, 1, &slot), -ENOTSUP);
		leat_rx_close(skips);
		cr_expect_eq(leat_peek_mut(rx, 1, &slot), 1);
		leat_rx_close(rx);
		feed_close(&feed);
	}
}
