/*
 * tests/unit/chan_given_up.c: what a handle reserved or peeked at, and gives up while others have
 * gone on behind it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include <leat/diag.h>

TestSuite(chan_given_up, .timeout = 600);

static struct ledger ledger;

/* Items of this size stand side by side in every ring, so that a reservation of several is one. */
struct wide {
	uint64_t n, rest[7];
};

static struct pipe wide_open(enum leat_kind kind, size_t capacity, enum leat_overflow overflow)
{
	return pipe_open_sized(sizeof(struct wide), &(struct leat_chan_opts){
							    .name = "given up",
							    .kind = kind,
							    .capacity = capacity,
							    .overflow = overflow,
							    .discard = ledger_discard,
							    .discard_arg = &ledger,
						    });
}

static int wide_send(struct leat_tx *tx, uint64_t n)
{
	return leat_send(tx, &(struct wide){ .n = n });
}

/* The next item's number; UINT64_MAX where there is none now. */
static uint64_t wide_recv(struct leat_rx *rx)
{
	struct wide got;
	return leat_try_recv(rx, &got) == 1 ? got.n : UINT64_MAX;
}

static struct leat_chan_stat books;

static void keep_books(const struct leat_snapshot *snapshot, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < snapshot->channels_count; i++)
		if (strcmp(snapshot->channels[i].name, "given up") == 0)
			books = snapshot->channels[i];
}

static struct leat_diag *keep_last_books(void)
{
	return leat_diag_start(&(struct leat_diag_opts){ .interval_ns = 3600 * 1000 * MS,
	                                                 .callback = keep_books });
}

/*
 * A receiver that was answered the end must never be answered an item, so the other can't put one
 * back.
 */
Test(chan_given_up, nothing_comes_back_after_the_end_was_told)
{
	struct leat_diag *diag = keep_last_books();
	struct pipe pipe = wide_open(LEAT_MPMC, 4, LEAT_BLOCK);
	struct leat_rx *other = leat_rx_clone(pipe.rx);
	const void *items;
	struct wide got;

	cr_assert_eq(wide_send(pipe.tx, 0), 0);
	leat_tx_close(pipe.tx);
	cr_assert_eq(leat_peek(pipe.rx, 1, &items), 1);
	cr_assert_eq(leat_recv(other, &got), 0);
	cr_expect_eq(leat_release(pipe.rx, 0), -EINVAL);
	cr_expect_eq(leat_recv(other, &got), 0, "the end was told before");
	cr_expect_eq(((const struct wide *)items)->n, 0,
	             "what could not be put back is still held");
	cr_expect_eq(leat_release(pipe.rx, 1), 0);
	cr_expect_eq(leat_recv(pipe.rx, &got), 0);
	cr_expect_eq(leat_recv(other, &got), 0);
	leat_rx_close(other);
	leat_rx_close(pipe.rx);
	leat_scope_close(pipe.scope);
	cr_assert_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(books.delivered, 1);
	cr_expect_eq(ledger.discards, 0);
}

Test(chan_given_up, what_is_closed_with_after_the_end_is_discarded_and_counted)
{
	struct leat_diag *diag = keep_last_books();
	struct pipe pipe = wide_open(LEAT_SPMC, 4, LEAT_BLOCK);
	struct leat_rx *other = leat_rx_clone(pipe.rx);
	const void *items;
	struct wide got;

	cr_assert_eq(wide_send(pipe.tx, 5), 0);
	leat_tx_close(pipe.tx);
	cr_assert_eq(leat_peek(pipe.rx, 1, &items), 1);
	cr_assert_eq(leat_recv(other, &got), 0);
	leat_rx_close(pipe.rx);
	cr_expect_eq(ledger.discarded[5], 1);
	cr_expect_eq(leat_recv(other, &got), 0);
	leat_rx_close(other);
	leat_scope_close(pipe.scope);
	cr_assert_eq(leat_diag_stop(diag), 0);
	cr_expect_eq(books.offered, 1);
	cr_expect_eq(books.delivered, 0);
	cr_expect_eq(books.dropped[LEAT_DROPPED_ABANDONED], 1);
	cr_expect_eq(books.in_flight, 0);
}

/* Before the end was told, what is put back is received by the other. */
Test(chan_given_up, what_is_put_back_goes_to_the_other_receiver)
{
	struct pipe pipe = wide_open(LEAT_MPMC, 4, LEAT_BLOCK);
	struct leat_rx *other = leat_rx_clone(pipe.rx);
	const void *items;
	struct wide got;

	cr_assert_eq(wide_send(pipe.tx, 9), 0);
	cr_assert_eq(leat_peek(pipe.rx, 1, &items), 1);
	leat_tx_close(pipe.tx);
	cr_expect_eq(leat_release(pipe.rx, 0), 0);
	cr_expect_eq(leat_recv(other, &got), 1);
	cr_expect_eq(got.n, 9);
	cr_expect_eq(leat_recv(pipe.rx, &got), 0);
	cr_expect_eq(leat_recv(other, &got), 0);
	leat_rx_close(other);
	leat_rx_close(pipe.rx);
	leat_scope_close(pipe.scope);
}

/*
 * A sender that drops the oldest frees no given-up slot behind what the receiver holds, where it
 * would gain no room.
 */
Test(chan_given_up, a_single_receiver_can_always_put_back)
{
	struct pipe pipe = wide_open(LEAT_MPSC, 4, LEAT_DROP_OLDEST);
	struct leat_tx *other = leat_tx_clone(pipe.tx);
	const void *items;
	void *room;

	cr_assert_eq(wide_send(other, 0), 0);
	cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
	cr_assert_eq(wide_send(other, 1), 0);
	cr_assert_eq(leat_commit(pipe.tx, 0), 0); /* a slot given up between 0 and 1 */
	cr_assert_eq(leat_peek(pipe.rx, 1, &items), 1);
	for (uint64_t n = 2; n < 8; n++)
		cr_assert_eq(wide_send(other, n), 0);
	cr_expect_eq(((const struct wide *)items)->n, 0);
	cr_expect_eq(leat_release(pipe.rx, 0), 0);
	cr_expect_eq(wide_recv(pipe.rx), 0);
	cr_expect_eq(wide_recv(pipe.rx), 1);
	leat_tx_close(other);
	pipe_close(&pipe);
}

/* Where the given-up slot is the oldest, it is what makes room: no item is dropped for it. */
Test(chan_given_up, a_given_up_slot_is_room_for_a_sender_that_drops_the_oldest)
{
	struct pipe pipe = wide_open(LEAT_MPMC, 2, LEAT_DROP_OLDEST);
	struct leat_tx *other = leat_tx_clone(pipe.tx);
	void *room;

	cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
	cr_assert_eq(wide_send(other, 1), 0);
	cr_assert_eq(leat_commit(pipe.tx, 0), 0);
	cr_assert_eq(wide_send(other, 2), 0);
	cr_expect_eq(ledger.discards, 0);
	cr_expect_eq(wide_recv(pipe.rx), 1);
	cr_expect_eq(wide_recv(pipe.rx), 2);
	leat_tx_close(other);
	pipe_close(&pipe);
}

/* A slot given up in front of an item keeps neither the item nor the end from a receiver. */
Test(chan_given_up, items_behind_a_given_up_slot_are_received_at_once)
{
	for (enum leat_kind kind = LEAT_MPSC; kind <= LEAT_MPMC; kind += 2) {
		struct pipe pipe = wide_open(kind, 8, LEAT_BLOCK);
		struct leat_tx *other = leat_tx_clone(pipe.tx);
		struct wide got;
		void *room;

		for (uint64_t n = 0; n < 3; n++) {
			cr_assert_eq(leat_reserve(pipe.tx, 1, &room), 1);
			cr_assert_eq(wide_send(other, n), 0);
			cr_assert_eq(leat_commit(pipe.tx, 0), 0);
		}
		leat_tx_close(pipe.tx);
		leat_tx_close(other);
		for (uint64_t n = 0; n < 3; n++)
			cr_expect_eq(wide_recv(pipe.rx), n);
		cr_expect_eq(leat_recv(pipe.rx, &got), 0);
		leat_rx_close(pipe.rx);
		leat_scope_close(pipe.scope);
	}
}
