/*
 * tests/verify/models/broadcast.h: what the models of broadcasts are made of.
 *
 *     broadcast_join.c   joins against senders that are under way
 *     broadcast_room.c   senders that wait, for room or for each other; leaving
 *     broadcast_stage.c  stages, diamonds, editors, gates that close
 *     broadcast_lag.c    copies against senders that overtake; eviction
 *     broadcast_end.c    ends against threads that wait; discard; select
 *
 * Item n is the number n, and a slot's number is the same unless a model says else. So a subscriber
 * that receives n where leat_rx_seq() said n has neither lost an item nor read a slot too late.
 *
 * Each of these files has its own copy of all that stands here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_VERIFY_MODELS_BROADCAST_H
#define LEAT_TESTS_VERIFY_MODELS_BROADCAST_H

#include "tests/verify/verify.h"

#include "runtime/chan/chan.h"

#include <leat/broadcast.h>
#include <leat/scope.h>

enum { DEADLINE = 5000 };

static struct leat_scope *scope;
static struct leat_broadcast *feed;
static struct leat_tx *tx;
static struct leat_rx *first;
static uint64_t items, seen;
static size_t size = 8; /* of an item: 8, seven to a line; 32, side by side */

/* An item says its number in each of its words. */
static inline int send_number(struct leat_tx *to, uint64_t number)
{
	const uint64_t item[4] = { number, number, number, number };

	return leat_send(to, (const void *)item);
}

static inline int receive_number(struct leat_rx *rx, uint64_t *number)
{
	uint64_t item[4];
	int rc = leat_recv(rx, (void *)item);

	if (rc == 1)
		verify_that(item[size / 8 - 1] == item[0]);
	*number = item[0];
	return rc;
}

static inline void open_feed(struct leat_broadcast_opts opts)
{
	opts.send_wait = LEAT_WAIT_PARK;
	opts.subscribers = 4;
	scope = leat_scope_open(NULL, NULL);
	verify_that(scope != NULL);
	verify_that(leat_broadcast_open(scope, size, &opts, &feed, &tx) == 0);
}

static inline struct leat_rx *join(struct leat_subscribe_opts opts)
{
	struct leat_rx *rx;

	opts.recv_wait = LEAT_WAIT_PARK;
	verify_that(leat_broadcast_subscribe(feed, &opts, &rx) == 0);
	return rx;
}

static inline struct leat_rx *join_after(struct leat_rx *gate, bool optional)
{
	struct leat_rx *gates[] = { gate };

	return join((struct leat_subscribe_opts){
		.after = gates, .after_count = 1, .after_optional = optional });
}

static inline void close_feed(void)
{
	leat_broadcast_close(feed);
	verify_that(leat_scope_close(scope) == 0);
}

static inline void sends(void *arg)
{
	for (uint64_t i = 0; i < items; i++)
		verify_that(send_number(arg, i) == 0);
	leat_tx_close(arg);
}

static inline void sends_until_refused(void *arg)
{
	int rc = 0;

	for (uint64_t i = 0; i < items && rc == 0; i++)
		rc = send_number(arg, i);
	verify_that(rc == 0 || rc == -EPIPE || rc == -ECANCELED || rc == -ESHUTDOWN);
	leat_tx_close(arg);
}

/* Receives to the end: each item is the slot's number. */
static inline void reads(void *arg)
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

static inline void reads_until_refused(void *arg)
{
	struct leat_rx *rx = arg;
	uint64_t item;
	int rc;

	while ((rc = leat_recv(rx, &item)) == 1)
		;
	verify_that(rc == 0 || rc == -ECANCELED);
	leat_rx_close(rx);
}

/* The gate closes after the end, so a stage that is not optional may see either end. */
static inline void reads_what_it_gets(void *arg)
{
	uint64_t item, next = 0;
	int rc;

	while ((rc = leat_recv((struct leat_rx *)arg, &item)) == 1)
		verify_that(item == next++);
	verify_that(rc == 0);
	seen = next;
	leat_rx_close(arg);
}

static inline void reads_one_and_leaves(void *arg)
{
	uint64_t item;

	verify_that(leat_recv((struct leat_rx *)arg, &item) == 1);
	verify_that(item == 0);
	leat_rx_close(arg);
}

struct three {
	uint64_t words[3];
};

/*
 * By batches that fit into the ring. After a join the next one scans; those behind it take the
 * short way, as far as that scan found room, and so do the receives. That is the library's, or,
 * where the compiler knows the items' size, that of the inline bodies.
 */
static bool size_known;
static uint64_t sent; /* items, before the first pair */

static inline void sends_pairs(void *arg)
{
	const size_t words = size / 8;
	uint64_t pair[2 * 4];

	for (uint64_t i = sent; i < items; i += 2) {
		for (size_t k = 0; k < 2 * words; k++)
			pair[k] = i + k / words;
		verify_that((size_known ? leat_send_batch((struct leat_tx *)arg, pair, 2)
		                        : leat_send_batch((struct leat_tx *)arg, (const void *)pair,
		                                          2)) == 2);
	}
}

static inline void reads_pairs(void *arg)
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

#endif
