/*
 * Models of broadcasts: stages, diamonds, editors, gates that close.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/broadcast.h"

static struct leat_rx *second;

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

/* Two items to a line, and two lines: the sender comes back to a line that both have handed back.
 */
MODEL(broadcast_stage_lines, .what = "a stage hands lines back, as its gate does", .preemptions = 1,
      .quick_both = 1, .stale = 1)
{
	size = sizeof(struct three);
	items = 5;
	pipeline((struct leat_broadcast_opts){ 0 }, false);
}

/* Each pair begins in one line and ends in the next. */
MODEL(broadcast_stage_pairs, .what = "the same in batches", .preemptions = 1, .quick = VERIFY_NONE,
      .stale = VERIFY_NONE)
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
