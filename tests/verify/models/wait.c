/*
 * Models of the wait engine: how often a thread that waits reads the clock.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/verify/models/chan.h"

#include <leat/merge.h>
#include <leat/select.h>

/* runtime/event/wait.c: PAUSES, or one yield. */
enum { BETWEEN_READS = 64, DEADLINE_NS = 5000 };

static void open_waiter(enum leat_wait policy)
{
	struct leat_chan_opts opts = { .capacity = 1, .recv_wait = policy, .send_wait = policy };

	scope = leat_scope_open(NULL, NULL);
	verify_that(scope != NULL && leat_chan_open(scope, sizeof(uint64_t), &opts, &tx, &rx) == 0);
}

static void close_waiter(void)
{
	verify_that(verify_pauses_most() <= BETWEEN_READS);
	leat_tx_close(tx);
	leat_rx_close(rx);
	verify_that(leat_scope_close(scope) == 0);
}

MODEL(wait_clock_receive,
      .what = "a receive with a deadline pauses so many times at most between two reads of the "
              "clock",
      .idle_ns = DEADLINE_NS)
{
	uint64_t item;

	open_waiter(verify_choose(2) ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE);
	verify_that(leat_recv_until(rx, &item, DEADLINE_NS) == -ETIMEDOUT);
	close_waiter();
}

MODEL(wait_clock_send, .what = "the same of a send", .idle_ns = DEADLINE_NS)
{
	uint64_t item = 1;

	open_waiter(LEAT_WAIT_ADAPTIVE);
	verify_that(leat_send(tx, &item) == 0);
	verify_that(leat_send_until(tx, &item, DEADLINE_NS) == -ETIMEDOUT);
	close_waiter();
}

MODEL(wait_clock_select, .what = "the same of a select", .idle_ns = DEADLINE_NS)
{
	uint64_t item;
	struct leat_case one[1];

	open_waiter(LEAT_WAIT_ADAPTIVE);
	one[0] = (struct leat_case)LEAT_CASE_RECV(rx, &item);
	verify_that(leat_select(one, 1, DEADLINE_NS, LEAT_BY_PRIORITY) == -ETIMEDOUT);
	close_waiter();
}

MODEL(wait_clock_merge, .what = "the same of a merge", .idle_ns = DEADLINE_NS)
{
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	uint64_t item;

	open_waiter(LEAT_WAIT_ADAPTIVE);
	verify_that(merge != NULL && leat_merge_add(merge, rx, NULL) == 0);
	verify_that(leat_merge_recv_until(merge, &item, NULL, DEADLINE_NS) == -ETIMEDOUT);
	verify_that(verify_pauses_most() <= BETWEEN_READS);
	leat_merge_close(merge);
	leat_tx_close(tx);
	verify_that(leat_scope_close(scope) == 0);
}
