/*
 * tests/verify/models/chan.h: what the models of channels are made of: everything that can end
 * against everything that can wait.
 *
 *     chan_transfer.c  items to the end, in batches, in place, dropped; clones, no memory
 *     chan_end.c       closes, cancels, severed clones, and what can be known by an answer
 *     chan_wake.c      deadlines, and who is woken by news of an item or of room
 *
 * Each item is a number below MOST, sent once. What became of it is kept here; at the end each
 * accepted one was received once or discarded once, those of one sender in order. That the books
 * balance the library asserts itself.
 *
 * Each of these files has its own copy of all that stands here.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_VERIFY_MODELS_CHAN_H
#define LEAT_TESTS_VERIFY_MODELS_CHAN_H

#include "tests/verify/verify.h"

#include "runtime/chan/chan.h"

#include <leat/chan.h>
#include <leat/scope.h>

enum { MOST = 10 };

static struct leat_scope *scope;
static struct leat_tx *tx;
static struct leat_rx *rx;
static uint32_t accepted[MOST], received[MOST], discarded[MOST];

static inline void discard(void *item, void *arg)
{
	(void)arg;
	discarded[*(uint64_t *)item]++;
}

static inline void open_with(struct leat_chan_opts opts)
{
	/* which parks in the end, after a great many steps */
	if (opts.send_wait == LEAT_WAIT_ADAPTIVE)
		opts.send_wait = opts.recv_wait = LEAT_WAIT_PARK;
	opts.discard = discard;
	scope = leat_scope_open(NULL, NULL);
	verify_that(scope != NULL);
	verify_that(leat_chan_open(scope, sizeof(uint64_t), &opts, &tx, &rx) == 0);
}

static inline void open_chan(enum leat_kind kind, size_t capacity)
{
	open_with((struct leat_chan_opts){ .kind = kind, .capacity = capacity });
}

static inline void check_items(void)
{
	for (int i = 0; i < MOST; i++)
		verify_that(received[i] + discarded[i] == accepted[i]);
}

static inline void finish(void)
{
	verify_join();
	verify_that(leat_scope_close(scope) == 0);
	check_items();
}

static inline int send_one(struct leat_tx *out, uint64_t item)
{
	int rc = leat_send(out, &item);

	if (rc == 0)
		accepted[item]++;
	return rc;
}

/* Senders by their own handle, which each closes. */
static inline void sends_one(void *arg)
{
	verify_that(send_one(arg, 5) == 0);
	leat_tx_close(arg);
}

static inline void sends_until_refused(void *arg)
{
	uint64_t first = arg == tx ? 1 : 5;
	int rc = 0;

	for (uint64_t item = first; item < first + 4 && rc == 0; item++)
		rc = send_one(arg, item);
	verify_that(rc == 0 || rc == -EPIPE || rc == -ECANCELED);
	if (rc == -ECANCELED) /* by now the cause can be asked for */
		verify_that(leat_scope_cause(scope, NULL, NULL) == LEAT_CANCELED);
	leat_tx_close(arg);
}

static inline void receives_to_the_end(void *arg)
{
	uint64_t item, last = 0;
	int rc;

	while ((rc = leat_recv(arg, &item)) == 1) {
		received[item]++;
		if (item < 5) {
			verify_that(item > last);
			last = item;
		}
	}
	verify_that(rc == 0);
	verify_that(leat_recv((struct leat_rx *)arg, &item) == 0); /* for ever */
	leat_rx_close(arg);
}

static inline void receives_until_refused(void *arg)
{
	uint64_t item;
	int rc;

	while ((rc = leat_recv(arg, &item)) == 1)
		received[item]++;
	verify_that(rc == 0 || rc == -ECANCELED);
	leat_rx_close(arg);
}

static inline void cancels(void *arg)
{
	(void)arg;
	leat_scope_cancel(scope, 0, "enough");
}

#endif
