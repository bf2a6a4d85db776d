/*
 * Models of broadcasts: joins against senders that are under way, leaving, eviction and the ends
 * against threads that wait, copies against senders that overtake, stages.
 *
 * Item n is the number n, and a slot's number is the same unless a model says else. So a subscriber
 * that receives n where leat_rx_seq() said n has neither lost an item nor read a slot too late.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/verify.h"

#include "runtime/chan/chan.h"

#include <leat/broadcast.h>
#include <leat/scope.h>
#include <leat/select.h>

enum { DEADLINE = 5000 };

static struct leat_scope *scope;
static struct leat_broadcast *feed;
static struct leat_tx *tx;
static struct leat_rx *first, *second;
static uint64_t items, seen;
static size_t size = 8; /* of an item: 8, seven to a line; 32, side by side */

/* An item says its number in each of its words. */
static int send_number(struct leat_tx *to, uint64_t number)
{
	const uint64_t item[4] = { number, number, number, number };

	return leat_send(to, (const void *)item);
}

static int receive_number(struct leat_rx *rx, uint64_t *number)
{
	uint64_t item[4];
	int rc = leat_recv(rx, (void *)item);

	if (rc == 1)
		verify_that(item[size / 8 - 1] == item[0]);
	*number = item[0];
	return rc;
}

static void open_feed(struct leat_broadcast_opts opts)
{
	opts.send_wait = LEAT_WAIT_PARK;
	opts.subscribers = 4;
	scope = leat_scope_open(NULL, NULL);
	verify_that(scope != NULL);
	verify_that(leat_broadcast_open(scope, size, &opts, &feed, &tx) == 0);
}

static struct leat_rx *join(struct leat_subscribe_opts opts)
{
	struct leat_rx *rx;

	opts.recv_wait = LEAT_WAIT_PARK;
	verify_that(leat_broadcast_subscribe(feed, &opts, &rx) == 0);
	return rx;
}

static struct leat_rx *join_after(struct leat_rx *gate, bool optional)
{
	struct leat_rx *gates[] = { gate };

	return join((struct leat_subscribe_opts){
		.after = gates, .after_count = 1, .after_optional = optional });
}

static void close_feed(void)
{
	leat_broadcast_close(feed);
	verify_that(leat_scope_close(scope) == 0);
}

static void sends(void *arg)
{
	for (uint64_t i = 0; i < items; i++)
		verify_that(send_number(arg, i) == 0);
	leat_tx_close(arg);
}

static void sends_until_refused(void *arg)
{
	int rc = 0;

	for (uint64_t i = 0; i < items && rc == 0; i++)
		rc = send_number(arg, i);
	verify_that(rc == 0 || rc == -EPIPE || rc == -ECANCELED || rc == -ESHUTDOWN);
	leat_tx_close(arg);
}

/* Receives to the end: each item is the slot's number. */
static void reads(void *arg)
{
	struct leat_rx *rx = arg;
	uint64_t item, next = leat_rx_seq(rx);
	int rc;

	while ((rc = receive_number(rx, &item)) == 1) {
		verify_that(item == next);
		next++;
	}
	verify_that(rc == 0);
	verify_that(next == items);
	leat_rx_close(rx);
}

static void reads_until_refused(void *arg)
{
	struct leat_rx *rx = arg;
	uint64_t item;
	int rc;

	while ((rc = leat_recv(rx, &item)) == 1)
		;
	verify_that(rc == 0 || rc == -ECANCELED);
	leat_rx_close(rx);
}

/* --- join against wrap --- */

static void joins_the_oldest(void *arg)
{
	(void)arg;
	reads(join((struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST }));
}

static void joins_now(void *arg)
{
	(void)arg;
	reads(join((struct leat_subscribe_opts){ 0 }));
}

static void join_against(struct leat_broadcast_opts opts, void (*joins)(void *))
{
	items = 3;
	opts.capacity = 1;
	open_feed(opts);
	verify_spawn(joins, NULL, "joiner");
	sends(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_join_oldest,
      .what = "a joiner reads each item from where it began, while the ring wraps",
      .preemptions = 3, .quick = 2, .quick_both = 2, .stale = 2)
{
	join_against((struct leat_broadcast_opts){ 0 }, joins_the_oldest);
}

MODEL(broadcast_join_now, .what = "the same from now", .preemptions = 2, .quick = 2,
      .quick_both = 2, .stale = 2)
{
	join_against((struct leat_broadcast_opts){ 0 }, joins_now);
}

MODEL(broadcast_join_no_membarrier, .what = "the same, with full fences in place of membarrier",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 2, .no_membarrier = true)
{
	join_against((struct leat_broadcast_opts){ 0 }, joins_the_oldest);
}

MODEL(broadcast_join_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	join_against((struct leat_broadcast_opts){ .kind = LEAT_MPMC }, joins_the_oldest);
}

MODEL(broadcast_join_oldest_apart, .what = "the same, items above 24 bytes", .preemptions = 3,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	size = 32;
	join_against((struct leat_broadcast_opts){ 0 }, joins_the_oldest);
}

MODEL(broadcast_join_apart_no_membarrier, .what = "the same, with full fences", .preemptions = 2,
      .quick_both = 2, .stale = 2, .no_membarrier = true)
{
	size = 32;
	join_against((struct leat_broadcast_opts){ 0 }, joins_the_oldest);
}

static void sends_a_batch(void *arg)
{
	uint64_t batch[5 * 4];
	const size_t words = size / 8;
	ssize_t n = 0;

	for (size_t i = 0; i < items * words; i++)
		batch[i] = i / words;
	while (n < (ssize_t)items) {
		ssize_t more = leat_send_batch((struct leat_tx *)arg,
		                               (const void *)(batch + (size_t)n * words),
		                               (size_t)items - (size_t)n);
		verify_that(more > 0);
		n += more;
	}
	leat_tx_close(arg);
}

static void join_a_batch(enum leat_kind kind)
{
	items = 5;
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 2 });
	verify_spawn(joins_the_oldest, NULL, "joiner");
	sends_a_batch(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_join_batch, .what = "a joiner meets a batch that is being written",
      .preemptions = 3, .quick = 2, .quick_both = 2, .stale = 2)
{
	join_a_batch(LEAT_SPSC);
}

MODEL(broadcast_join_batch_apart, .what = "the same, items above 24 bytes", .preemptions = 3,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	size = 32;
	join_a_batch(LEAT_SPSC);
}

MODEL(broadcast_join_batch_several, .what = "the same, a ring for several senders",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 2)
{
	join_a_batch(LEAT_MPMC);
}

/*
 * By batches that fit into the ring. After a join the next one scans; those behind it take the
 * short way, as far as that scan found room, and so do the receives. That is the library's, or,
 * where the compiler knows the items' size, that of the inline bodies.
 */
static bool size_known;
static uint64_t sent; /* items, before the first pair */

static void sends_pairs(void *arg)
{
	const size_t words = size / 8;
	uint64_t pair[2 * 4];

	for (uint64_t i = sent; i < items; i += 2) {
		for (size_t k = 0; k < 2 * words; k++)
			pair[k] = i + k / words;
		verify_that((size_known ? leat_send_batch((struct leat_tx *)arg, pair, 2)
		                        : leat_send_batch((struct leat_tx *)arg,
		                                          (const void *)pair, 2)) == 2);
	}
}

static void reads_pairs(void *arg)
{
	const size_t words = size / 8;
	struct leat_rx *rx = arg;
	uint64_t pair[2 * 4], next = leat_rx_seq(rx);

	while (next < items) {
		ssize_t n = size_known ? leat_recv_batch(rx, pair, 2)
		                       : leat_recv_batch(rx, (void *)pair, 2);

		verify_that(n > 0);
		for (size_t k = 0; k < (size_t)n * words; k++)
			verify_that(pair[k] == next + k / words);
		next += (uint64_t)n;
	}
	leat_rx_close(rx);
}

static void joins_for_pairs(void *arg)
{
	(void)arg;
	reads_pairs(join((struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST }));
}

static void join_pairs(void)
{
	items = 8;
	open_feed((struct leat_broadcast_opts){ .capacity = 4 });
	verify_spawn(joins_for_pairs, NULL, "joiner");
	sends_pairs(tx);
	verify_join();
	leat_tx_close(tx);
	close_feed();
}

MODEL(broadcast_join_pairs, .what = "a joiner meets batches that take the short way",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 1)
{
	join_pairs();
}

MODEL(broadcast_join_pairs_inline, .what = "the same by the inline bodies", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 1)
{
	size_known = true;
	join_pairs();
}

/*
 * Lines of small items have one line to spare, so a batch must be longer than that to come to a slot
 * that a joiner may still read.
 */
struct three {
	uint64_t words[3];
};
enum { LINES_CAPACITY = 6, LINES_BATCH = 5 };

static void sends_lines(void)
{
	struct three batch[LINES_BATCH];

	for (uint64_t i = 0; i < items;) {
		const uint64_t n = i % (LINES_BATCH + 1) == 0 ? 1 : LINES_BATCH;

		for (uint64_t k = 0; k < n; k++)
			for (int word = 0; word < 3; word++)
				batch[k].words[word] = i + k;
		if (n == 1)
			verify_that(leat_send(tx, batch) == 0);
		else
			verify_that(leat_send_batch(tx, batch, n) == (ssize_t)n);
		i += n;
	}
	leat_tx_close(tx);
}

MODEL(broadcast_join_lines_inline, .what = "a joiner meets batches of more than a line",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	size = sizeof(struct three);
	items = 3 * (LINES_BATCH + 1);
	open_feed((struct leat_broadcast_opts){ .capacity = LINES_CAPACITY });
	verify_spawn(joins_the_oldest, NULL, "joiner");
	sends_lines();
	verify_join();
	close_feed();
}

MODEL(broadcast_join_pairs_apart, .what = "the same, items above 24 bytes", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 1)
{
	size = 32;
	join_pairs();
}

static void send_pairs_to_one(void)
{
	items = 8;
	open_feed((struct leat_broadcast_opts){ .capacity = 4 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(reads_pairs, first, "subscriber");
	sends_pairs(tx);
	verify_join(); /* the close would wake the subscriber */
	leat_tx_close(tx);
	close_feed();
}

MODEL(broadcast_pairs, .what = "batches that take the short way, on both sides", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 1)
{
	send_pairs_to_one();
}

MODEL(broadcast_pairs_inline, .what = "the same by the inline bodies", .preemptions = 2, .quick = 2,
      .quick_both = 2, .stale = 1)
{
	size_known = true;
	send_pairs_to_one();
}

static void sends_reserved(void *arg)
{
	void *slot;

	for (uint64_t i = 0; i < items; i++) {
		verify_that(leat_reserve((struct leat_tx *)arg, 2, &slot) >= 1);
		for (size_t word = 0; word < size / 8; word++)
			((uint64_t *)slot)[word] = i;
		verify_that(leat_commit(arg, 1) == 0);
	}
	leat_tx_close(arg);
}

static void join_a_reservation(void)
{
	items = 4;
	open_feed((struct leat_broadcast_opts){ .capacity = 2 });
	verify_spawn(joins_the_oldest, NULL, "joiner");
	sends_reserved(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_join_reserved, .what = "a joiner meets a reservation", .preemptions = 2,
      .quick_both = 2, .stale = 2)
{
	join_a_reservation();
}

MODEL(broadcast_join_reserved_apart, .what = "the same, items above 24 bytes", .preemptions = 2,
      .quick_both = 2, .stale = 2)
{
	size = 32;
	join_a_reservation();
}

/* --- waiting for room --- */

static void two_readers(struct leat_broadcast_opts opts)
{
	items = 2;
	opts.capacity = 1;
	open_feed(opts);
	first = join((struct leat_subscribe_opts){ 0 });
	second = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(reads, first, "first");
	verify_spawn(reads, second, "second");
	sends(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_room_of_two, .what = "a sender that waits for two is woken by the later of them",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 2)
{
	two_readers((struct leat_broadcast_opts){ 0 });
}

MODEL(broadcast_room_of_two_several, .what = "the same, a ring for several senders",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	two_readers((struct leat_broadcast_opts){ .kind = LEAT_MPMC });
}

MODEL(broadcast_room_of_two_no_membarrier, .what = "the same, with full fences", .preemptions = 1,
      .quick_both = 1, .stale = 1, .no_membarrier = true)
{
	two_readers((struct leat_broadcast_opts){ 0 });
}

MODEL(broadcast_both_woken, .what = "one item wakes each subscriber that is parked",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	items = 2;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(reads, join((struct leat_subscribe_opts){ 0 }), "second");
	verify_spawn(sends, tx,
	             "sender"); /* after both of them have parked, if it is not preempted */
	reads(first);
	verify_join();
	close_feed();
}

static void reads_one_and_leaves(void *arg)
{
	uint64_t item;

	verify_that(leat_recv((struct leat_rx *)arg, &item) == 1);
	verify_that(item == 0);
	leat_rx_close(arg);
}

static void leave(struct leat_broadcast_opts opts)
{
	items = 3;
	opts.capacity = 1;
	open_feed(opts);
	verify_spawn(reads_one_and_leaves, join((struct leat_subscribe_opts){ 0 }), "leaver");
	sends(tx); /* it goes on without a subscriber */
	verify_join();
	close_feed();
}

MODEL(broadcast_leave, .what = "a sender that waits goes on when the subscriber leaves",
      .preemptions = 3, .quick = 2, .quick_both = 2, .stale = 2)
{
	leave((struct leat_broadcast_opts){ 0 });
}

MODEL(broadcast_leave_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	leave((struct leat_broadcast_opts){ .kind = LEAT_MPMC });
}

static void closes_feed(void *arg)
{
	(void)arg;
	leat_broadcast_close(feed);
}

MODEL(broadcast_last_close, .what = "-EPIPE after the last of close and leave; freed once",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 1)
{
	items = 4;
	open_feed((struct leat_broadcast_opts){ .capacity = 2 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(closes_feed, NULL, "closer");
	verify_spawn(sends_until_refused, tx, "sender");
	leat_rx_close(first);
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
}

static void waits_for_first(enum leat_kind kind)
{
	items = 2;
	open_feed((struct leat_broadcast_opts){
		.kind = kind, .capacity = 1, .wait_for_first = true });
	verify_spawn(sends, tx, "sender");
	first = join((struct leat_subscribe_opts){ 0 });
	verify_that(leat_rx_seq(first) == 0);
	reads(first);
	verify_join();
	close_feed();
}

MODEL(broadcast_wait_for_first, .what = "a sender waits for the first subscriber, which sees all",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 2)
{
	waits_for_first(LEAT_SPSC);
}

MODEL(broadcast_wait_for_first_several, .what = "the same, a ring for several senders",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 2)
{
	waits_for_first(LEAT_MPMC);
}

/* --- several senders --- */

static void sends_one(void *arg)
{
	uint64_t item = arg == tx;

	verify_that(leat_send((struct leat_tx *)arg, &item) == 0);
	leat_tx_close(arg);
}

MODEL(broadcast_two_senders, .what = "items of two senders, each once, to a subscriber that parks",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 2)
{
	uint64_t item, sum = 0;

	open_feed((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(sends_one, leat_tx_clone(tx), "other");
	verify_spawn(sends_one, tx, "sender");
	for (int i = 0; i < 2; i++) {
		verify_that(leat_recv(first, &item) == 1);
		sum += item;
	}
	verify_that(sum == 1);
	verify_that(leat_recv(first, &item) == 0);
	verify_join();
	leat_rx_close(first);
	close_feed();
}

static void sends_until_closed(void *arg)
{
	uint64_t item = 0;

	seen = leat_send((struct leat_tx *)arg, &item) == 0;
	leat_tx_close(arg);
}

static void closes_all(void *arg)
{
	leat_tx_close_all(arg);
}

MODEL(broadcast_close_all, .what = "what was sent before all senders were closed is received",
      .preemptions = 2, .stale = 2)
{
	uint64_t item, received = 0;

	open_feed((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 2 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(sends_until_closed, leat_tx_clone(tx), "other");
	verify_spawn(closes_all, tx, "closer");
	while (leat_recv(first, &item) == 1)
		received++;
	verify_join();
	verify_that(received == seen);
	leat_rx_close(first);
	close_feed();
}

static void sends_two(void *arg)
{
	for (uint64_t i = 0; i < 2; i++)
		verify_that(send_number((struct leat_tx *)arg, i) == 0);
	leat_tx_close(arg);
}

MODEL(broadcast_senders_alone,
      .what = "a sender waits until another one has written the slot that it wants",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 1)
{
	open_feed((struct leat_broadcast_opts){ .kind = LEAT_MPMC, .capacity = 1 });
	verify_spawn(sends_two, leat_tx_clone(tx), "other");
	verify_that(send_number(tx, 0) == 0);
	verify_join(); /* the close of a sender would wake the other one */
	leat_tx_close(tx);
	close_feed();
}

/* --- stages --- */

static void pipeline(struct leat_broadcast_opts opts, bool optional)
{
	opts.capacity = 1;
	open_feed(opts);
	first = join((struct leat_subscribe_opts){ 0 });
	second = join_after(first, optional);
	verify_spawn(reads, second, "stage");
	verify_spawn(sends, tx, "sender");
	reads(first);
	verify_join();
	close_feed();
}

/* The gate closes after the end, so a stage that is not optional may see either end. */
static void reads_what_it_gets(void *arg)
{
	uint64_t item, next = 0;
	int rc;

	while ((rc = leat_recv((struct leat_rx *)arg, &item)) == 1)
		verify_that(item == next++);
	verify_that(rc == 0);
	seen = next;
	leat_rx_close(arg);
}

MODEL(broadcast_stage, .what = "a stage sees each item after its gate, and parks meanwhile",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 2)
{
	items = 2;
	pipeline((struct leat_broadcast_opts){ 0 }, true);
}

MODEL(broadcast_stage_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 1, .quick_both = 1, .stale = 1)
{
	items = 2;
	pipeline((struct leat_broadcast_opts){ .kind = LEAT_MPMC }, true);
}

MODEL(broadcast_diamond, .what = "a stage with two gates sees what both have read",
      .preemptions = 1, .stale = 1)
{
	struct leat_rx *gates[2], *stage;
	uint64_t item;

	items = 2;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	gates[0] = join((struct leat_subscribe_opts){ 0 });
	gates[1] = join((struct leat_subscribe_opts){ 0 });
	stage = join((struct leat_subscribe_opts){ .after = gates, .after_count = 2 });
	verify_spawn(reads, stage, "stage");
	verify_spawn(sends, tx, "sender");
	for (uint64_t i = 0; i < items; i++)
		for (int gate = 0; gate < 2; gate++) {
			verify_that(receive_number(gates[gate], &item) == 1);
			verify_that(item == i);
		}
	verify_join();
	leat_rx_close(gates[1]);
	leat_rx_close(gates[0]);
	close_feed();
}

/* Two items to a line, and two lines: the sender comes back to a line that both have handed back. */
MODEL(broadcast_stage_lines, .what = "a stage hands lines back, as its gate does",
      .preemptions = 1, .quick_both = 1, .stale = 1)
{
	size = sizeof(struct three);
	items = 5;
	pipeline((struct leat_broadcast_opts){ 0 }, false);
}

/* Each pair begins in one line and ends in the next. */
MODEL(broadcast_stage_pairs, .what = "the same in batches", .preemptions = 1,
      .quick = VERIFY_NONE, .stale = VERIFY_NONE)
{
	size = sizeof(struct three);
	items = 7;
	open_feed((struct leat_broadcast_opts){ .capacity = 2 });
	first = join((struct leat_subscribe_opts){ 0 });
	verify_that(send_number(tx, sent++) == 0);
	verify_spawn(reads_pairs, join_after(first, false), "stage");
	verify_spawn(reads_pairs, first, "gate");
	sends_pairs(tx);
	verify_join();
	leat_tx_close(tx);
	close_feed();
}

/*
 * A gate that joins in the midst of a batch begins behind the whole of it; a stage that begins
 * before its gate comes to items that no gate has read.
 */
static void joins_behind_a_gate(void *arg)
{
	struct leat_rx *gates[] = { join((struct leat_subscribe_opts){ 0 }) };
	struct leat_rx *stage = join((struct leat_subscribe_opts){
		.from = LEAT_FROM_OLDEST, .after = gates, .after_count = 1 });
	uint64_t next = leat_rx_seq(stage), item;

	(void)arg;
	for (; next < leat_rx_seq(gates[0]); next++) {
		verify_that(receive_number(stage, &item) == 1);
		verify_that(item == next);
	}
	leat_rx_close(stage);
	leat_rx_close(gates[0]);
}

/* The same, and a gate from before the batch closes. */
static void joins_behind_two(void *arg)
{
	struct leat_rx *gates[] = { join((struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST }),
		                    join((struct leat_subscribe_opts){ 0 }) };
	struct leat_rx *stage = join((struct leat_subscribe_opts){ .from = LEAT_FROM_OLDEST,
		                                                   .after = gates,
		                                                   .after_count = 2,
		                                                   .after_optional = true });
	uint64_t next = leat_rx_seq(stage), item;

	(void)arg;
	leat_rx_close(gates[0]);
	for (; next < leat_rx_seq(gates[1]); next++) {
		verify_that(receive_number(stage, &item) == 1);
		verify_that(item == next);
	}
	leat_rx_close(stage);
	leat_rx_close(gates[1]);
}

static void stage_behind_a_gate(struct leat_broadcast_opts opts, void (*joins)(void *arg))
{
	enum { BATCH = 3 };
	struct three batch[BATCH];
	uint64_t item;

	size = sizeof(struct three);
	for (uint64_t i = 0; i < BATCH; i++)
		batch[i] = (struct three){ { i, i, i } };
	opts.capacity = BATCH;
	open_feed(opts);
	first = join((struct leat_subscribe_opts){ 0 });
	verify_spawn(joins, NULL, "joiner");
	verify_that(leat_send_batch(tx, batch, BATCH) == BATCH);
	for (uint64_t i = 0; i < BATCH; i++) {
		verify_that(receive_number(first, &item) == 1);
		verify_that(item == i);
	}
	leat_rx_close(first);
	verify_join();
	leat_tx_close(tx);
	close_feed();
}

MODEL(broadcast_stage_behind, .what = "a stage reads nothing that the sender has not written",
      .preemptions = 2, .stale = 1)
{
	stage_behind_a_gate((struct leat_broadcast_opts){ 0 }, joins_behind_a_gate);
}

MODEL(broadcast_stage_behind_closed, .what = "the same, where a gate that began before it closes",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	stage_behind_a_gate((struct leat_broadcast_opts){ 0 }, joins_behind_two);
}

static void gate_leaves(struct leat_broadcast_opts opts, bool optional)
{
	items = 2;
	opts.capacity = 2;
	open_feed(opts);
	first = join((struct leat_subscribe_opts){ 0 });
	second = join_after(first, optional);
	verify_spawn(reads_what_it_gets, second, "stage");
	verify_spawn(reads_one_and_leaves, first, "gate");
	sends(tx);
	verify_join();
	verify_that(seen == (optional ? 2 : 1));
	close_feed();
}

MODEL(broadcast_gate_leaves, .what = "a stage ends with what its gate released", .preemptions = 2,
      .quick = 1, .quick_both = 1, .stale = 2)
{
	gate_leaves((struct leat_broadcast_opts){ 0 }, false);
}

MODEL(broadcast_gate_opens, .what = "or goes on without it, and then waits for senders",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 2)
{
	gate_leaves((struct leat_broadcast_opts){ 0 }, true);
}

MODEL(broadcast_gate_opens_several, .what = "the same, a ring for several senders",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 1)
{
	gate_leaves((struct leat_broadcast_opts){ .kind = LEAT_MPMC }, true);
}

/* The sender stays open: nothing but the item wakes the stage. */
static void leaves_and_sends(void *arg)
{
	leat_rx_close(arg);
	verify_that(send_number(tx, 0) == 0);
}

MODEL(broadcast_gate_opens_early,
      .what = "a stage that is about to park at its gate parks elsewhere", .preemptions = 2,
      .quick_both = 2, .stale = 2)
{
	uint64_t item;

	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	second = join_after(first, true);
	verify_spawn(leaves_and_sends, first, "gate");
	verify_that(receive_number(second, &item) == 1);
	verify_join();
	leat_rx_close(second);
	leat_tx_close(tx);
	close_feed();
}

static void edits(void *arg)
{
	void *slot;

	for (uint64_t i = 0; i < items; i++) {
		verify_that(leat_peek_mut(arg, 1, &slot) == 1);
		verify_that(*(uint64_t *)slot == i);
		*(uint64_t *)slot = i + 5;
		verify_that(leat_release(arg, 1) == 0);
	}
}

static void reads_the_edited(void *arg)
{
	uint64_t item;

	for (uint64_t i = 0; i < items; i++) {
		verify_that(leat_recv((struct leat_rx *)arg, &item) == 1);
		verify_that(item == i + 5);
	}
}

MODEL(broadcast_editor, .what = "a stage sees what its gate wrote into the slot", .preemptions = 2,
      .quick = 1, .quick_both = 1, .stale = 2)
{
	items = 2;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	second = join_after(first, false);
	verify_spawn(reads_the_edited, second, "stage");
	verify_spawn(sends, tx, "sender");
	edits(first);
	verify_join();
	leat_rx_close(second);
	leat_rx_close(first);
	close_feed();
}

/* --- copy against overwrite --- */

static void skips(void *arg)
{
	uint64_t item[2], next = 0;
	int rc;

	while ((rc = leat_recv((struct leat_rx *)arg, &item)) == 1) {
		verify_that(item[0] == item[1]);
		verify_that(item[0] >= next);
		next = item[0] + 1;
		verify_that(leat_rx_seq(arg) == next);
		seen++;
	}
	verify_that(rc == 0);
	verify_that(seen + leat_rx_missed(arg) == items);
	leat_rx_close(arg);
}

static void overtake(enum leat_kind kind, size_t capacity)
{
	struct leat_broadcast_opts opts = { .kind = kind, .capacity = capacity, .skip = true };
	struct leat_subscribe_opts sub = { .lag = LEAT_LAG_SKIP, .recv_wait = LEAT_WAIT_PARK };

	items = 3;
	scope = leat_scope_open(NULL, NULL);
	verify_that(scope != NULL);
	verify_that(leat_broadcast_open(scope, 2 * sizeof(uint64_t), &opts, &feed, &tx) == 0);
	verify_that(leat_broadcast_subscribe(feed, &sub, &first) == 0);
	verify_spawn(skips, first, "reader");
	for (uint64_t i = 0; i < items; i++) {
		uint64_t item[2] = { i, i };
		verify_that(leat_send(tx, &item) == 0);
	}
	leat_tx_close(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_overtaken, .what = "a copy that was overtaken is not seen; missed is exact",
      .preemptions = 3, .quick = 2, .quick_both = 2, .stale = 3)
{
	overtake(LEAT_SPSC, 1);
}

MODEL(broadcast_overtaken_two, .what = "the same, capacity 2", .preemptions = 2, .quick = 2,
      .quick_both = 2, .stale = 3)
{
	overtake(LEAT_SPSC, 2);
}

/* --- eviction --- */

static void may_be_evicted(void *arg)
{
	uint64_t item, next = 0;
	int rc;

	while ((rc = leat_recv((struct leat_rx *)arg, &item)) == 1) {
		verify_that(item == next);
		next++;
	}
	verify_that(rc == -ECONNABORTED || (rc == 0 && next == items));
	leat_rx_close(arg);
}

static void evict(enum leat_kind kind)
{
	items = 2;
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 1 });
	/* no patience: it is evicted by the sender, at once */
	first = join((struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT });
	verify_spawn(may_be_evicted, first, "slow");
	sends(tx);
	verify_join();
	close_feed();
}

MODEL(broadcast_evict, .what = "what an evicted subscriber copied is whole; the sender goes on",
      .preemptions = 3, .quick = 1, .quick_both = 2, .stale = 2)
{
	evict(LEAT_SPSC);
}

MODEL(broadcast_evict_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 1, .quick_both = 2, .stale = 2)
{
	evict(LEAT_MPMC);
}

static void copies_one(void *arg)
{
	uint64_t item[4];
	int rc = leat_try_recv((struct leat_rx *)arg, (void *)item);

	verify_that(rc == -ECONNABORTED || (rc == 1 && item[size / 8 - 1] == 0));
}

static void open_to_evict(enum leat_kind kind, int64_t patience_ns)
{
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 1 });
	first = join(
		(struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT, .patience_ns = patience_ns });
	verify_that(send_number(tx, 0) == 0);
}

static void join_and_close(void)
{
	verify_join();
	leat_rx_close(first);
	leat_tx_close(tx);
	close_feed();
}

static void evict_while_copying(enum leat_kind kind, uint64_t slots)
{
	const uint64_t item[4] = { 0 };

	open_to_evict(kind, 0);
	verify_spawn(copies_one, first, "slow");
	/* twice each: a try that finds no room evicts; a call that waits would execute a fence, too */
	for (uint64_t i = 0; i < 2 * slots; i++)
		(void)leat_try_send(tx, (const void *)item);
	join_and_close();
}

MODEL(broadcast_evict_while_copying, .what = "no slot is written while it is copied",
      .preemptions = 3, .quick = 2, .stale = 1)
{
	size = 32; /* side by side, in two slots */
	evict_while_copying(LEAT_SPSC, 2);
}

MODEL(broadcast_evict_while_copying_several, .what = "the same, a ring for several senders",
      .preemptions = 3, .quick = 2, .stale = 1)
{
	evict_while_copying(LEAT_MPMC, 1);
}

static void copies_one_then(void *arg)
{
	verify_that(leat_recv_until(second, &seen, VERIFY_START_NS + DEADLINE) == -ETIMEDOUT);
	copies_one(arg);
}

MODEL(broadcast_evict_by_timer_while_copying,
      .what = "the same, where the timer evicts while the sender looks again",
      .preemptions = 2, .quick_both = 2, .stale = 1, .idle_ns = VERIFY_ANY_NS)
{
	struct leat_chan_opts waits = { .recv_wait = LEAT_WAIT_PARK };
	struct leat_tx *silent;
	uint64_t item = 0;
	int rc;

	open_to_evict(LEAT_MPMC, DEADLINE);
	verify_that(leat_chan_open(scope, sizeof(item), &waits, &silent, &second) == 0);
	verify_spawn(copies_one_then, first, "slow");
	rc = leat_send_until(tx, &item, VERIFY_START_NS + DEADLINE);
	verify_that(rc == 0 || rc == -ETIMEDOUT);
	(void)leat_try_send(tx, &item);
	verify_join();
	leat_tx_close(silent);
	leat_rx_close(second);
	join_and_close();
}

static void never_reads(void *arg)
{
	(void)arg;
}

MODEL(broadcast_evict_by_timer, .what = "a sender that is parked is freed by the timer",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 1, .idle_ns = VERIFY_ANY_NS)
{
	items = 3;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join(
		(struct leat_subscribe_opts){ .lag = LEAT_LAG_EVICT, .patience_ns = DEADLINE });
	verify_spawn(never_reads, NULL, "nobody");
	sends(tx);
	verify_join();
	verify_that(leat_recv(first, &seen) == -ECONNABORTED);
	leat_rx_close(first);
	close_feed();
}

/* --- ends --- */

static void cancels(void *arg)
{
	(void)arg;
	leat_scope_cancel(scope, 0, "enough");
}

static void cancel_all(struct leat_broadcast_opts opts)
{
	items = 2;
	opts.capacity = 1;
	open_feed(opts);
	first = join((struct leat_subscribe_opts){ 0 });
	second = join_after(first, false);
	verify_spawn(sends_until_refused, tx, "sender");
	verify_spawn(reads_until_refused, second, "stage");
	verify_spawn(cancels, NULL, "canceller");
	verify_join();
	leat_rx_close(first);
	close_feed();
}

MODEL(broadcast_cancel,
      .what = "a cancel frees a sender that waits for room and a stage that waits for its gate",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	cancel_all((struct leat_broadcast_opts){ 0 });
}

MODEL(broadcast_cancel_several, .what = "the same, a ring for several senders", .preemptions = 1,
      .stale = 1, .quick_both = 1)
{
	cancel_all((struct leat_broadcast_opts){ .kind = LEAT_MPMC });
}

static void stops(void *arg)
{
	(void)arg;
	verify_that(leat_scope_stop(scope, LEAT_NEVER, "enough") == 0);
}

MODEL(broadcast_stop, .what = "a stop frees a source that waits for room; what it sent is received",
      .preemptions = 2, .quick = 1, .quick_both = 1, .stale = 1)
{
	items = 3;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	leat_tx_source(tx, true);
	verify_spawn(sends_until_refused, tx, "source");
	verify_spawn(stops, NULL, "stopper");
	verify_spawn(reads_what_it_gets, first, "subscriber");
	verify_join();
	close_feed();
}

/* --- discard --- */

static uint64_t discards;

static void counts(void *item, void *arg)
{
	(void)arg;
	verify_that(*(uint64_t *)item == discards);
	discards++;
	*(uint64_t *)item = 99; /* nobody reads it any more */
}

static void discard_each(enum leat_kind kind)
{
	items = 3;
	open_feed((struct leat_broadcast_opts){ .kind = kind, .capacity = 1, .discard = counts });
	verify_spawn(reads, join((struct leat_subscribe_opts){ 0 }), "subscriber");
	sends(tx);
	verify_join();
	close_feed();
	verify_that(discards == items);
}

MODEL(broadcast_discard, .what = "each slot is discarded once, after all have read it",
      .preemptions = 2, .quick = 2, .quick_both = 2, .stale = 2)
{
	discard_each(LEAT_SPSC);
}

MODEL(broadcast_discard_several, .what = "the same, a ring for several senders", .preemptions = 2,
      .quick = 2, .quick_both = 2, .stale = 2)
{
	discard_each(LEAT_MPMC);
}

/* --- select --- */

MODEL(broadcast_select, .what = "a select on a stage and its gate, and a sender that selects",
      .preemptions = 2, .quick = 1, .quick_both = 2, .stale = 1)
{
	uint64_t a, b, got[2] = { 0, 0 };

	items = 2;
	open_feed((struct leat_broadcast_opts){ .capacity = 1 });
	first = join((struct leat_subscribe_opts){ 0 });
	second = join_after(first, false);
	verify_spawn(sends, tx, "sender");
	while (got[1] < 2) {
		struct leat_case cases[] = { LEAT_CASE_RECV(first, &a),
			                     LEAT_CASE_RECV(second, &b) };
		int i = leat_select(cases, 2, LEAT_NEVER, LEAT_BY_PRIORITY);
		verify_that(i == 0 || i == 1);
		if (cases[i].answer == 1)
			verify_that((i == 0 ? a : b) == got[i]++);
		else
			break; /* the end of the first; the second may have an item left */
	}
	while (leat_recv(second, &b) == 1)
		verify_that(b == got[1]++);
	verify_that(got[0] == 2 && got[1] == 2);
	verify_join();
	leat_rx_close(second);
	leat_rx_close(first);
	close_feed();
}
