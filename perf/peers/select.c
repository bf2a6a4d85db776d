/*
 * perf/peers/select.c: leat's part of `leat bench select`.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"
#include "perf/topics.h"

#include <leat/leat.h>

#include <errno.h>

static struct leat_scope *scope;
static struct leat_tx *tx[SELECT_LANES], *busy[SELECT_BUSY];
static struct leat_rx *rx[SELECT_LANES];
static struct leat_merge *merge;
static unsigned chans, producers;

static void chans_open(unsigned n)
{
	chans = n;
	scope = leat_scope_open(NULL, NULL);
	for (unsigned i = 0; i < n; i++)
		if (leat_chan_open(scope, sizeof(uint64_t), &(struct leat_chan_opts){ .capacity = SELECT_CAPACITY }, &tx[i],
				   &rx[i]) != 0)
			bench_fail("cannot open a channel");
}

static void chans_close(void)
{
	for (unsigned i = 0; i < chans; i++) {
		leat_tx_close(tx[i]);
		leat_rx_close(rx[i]);
	}
	leat_scope_close(scope);
}

/* As Go's program does: from the first start to the last end, pinned to no core. */
static double run(part_fn *consume, part_fn *produce, unsigned n)
{
	struct thread threads[1 + SELECT_CHANS] = { 0 };
	int64_t took_ns;

	producers = n;
	for (unsigned i = 0; i <= n; i++) {
		threads[i].run = i == 0 ? consume : produce;
		threads[i].part.number = i;
		threads[i].part.shares = n + 1 > bench_cores_count;
		threads[i].core = -1;
	}
	took_ns = threads_run(threads, n + 1, NULL);
	if (threads[0].part.wrong || threads[0].part.sum != (uint64_t)SELECT_ITEMS * (SELECT_ITEMS + 1) / 2)
		bench_fail("an item is lost, changed, or out of order");
	return (double)took_ns / SELECT_ITEMS;
}

static void receive(struct part *part)
{
	uint64_t item = 0, sum = 0;

	for (uint64_t n = 1; n <= SELECT_ITEMS; n++) {
		leat_send(tx[0], &n);
		part->wrong |= leat_recv(rx[0], &item) != 1 || item != n;
		sum += item;
	}
	part->sum = sum;
}

void receive_alone(uint64_t n, double *values)
{
	chans_open((unsigned)n);
	values[0] = run(receive, NULL, 0);
	chans_close();
}

static inline void choose(struct part *part, bool sends)
{
	struct leat_case cases[SELECT_CHANS];
	uint64_t item = 0, sum = 0, last[SELECT_CHANS] = { 0 };

	for (unsigned i = 0; i < chans; i++)
		cases[i] = (struct leat_case)LEAT_CASE_RECV(rx[i], &item);
	for (uint64_t n = 1; n <= SELECT_ITEMS; n++) {
		int which;

		if (sends)
			leat_send(tx[n % chans], &n);
		which = leat_select(cases, chans, LEAT_NEVER, LEAT_BY_CHANCE);
		if (which < 0 || cases[which].answer != 1 || item <= last[which]) {
			part->wrong = true;
			return;
		}
		last[which] = item;
		sum += item;
	}
	part->sum = sum;
}

static void send_and_choose(struct part *part)
{
	choose(part, true);
}

static void choose_only(struct part *part)
{
	choose(part, false);
}

/* Item n goes to channel n - 1, by any producer. */
static void send_to_all(struct part *part)
{
	for (uint64_t n = part->number; n <= SELECT_ITEMS; n += producers)
		leat_send(tx[(n - 1) % SELECT_CHANS], &n);
}

void select_alone(uint64_t n, double *values)
{
	chans_open((unsigned)n);
	values[0] = run(send_and_choose, NULL, 0);
	chans_close();
}

void select_from(uint64_t n, double *values)
{
	chans_open(SELECT_CHANS);
	values[0] = run(choose_only, send_to_all, (unsigned)n);
	chans_close();
}

/* The lanes that nothing comes to stand armed then. */
static void lanes_open(unsigned lanes)
{
	uint64_t item;

	merge = leat_merge_open(sizeof(uint64_t));
	if (merge == NULL)
		bench_fail("cannot open a merge");
	chans_open(lanes);
	for (unsigned i = 0; i < lanes; i++) {
		if (leat_merge_add(merge, rx[i], NULL) != 0)
			bench_fail("cannot add a lane");
		rx[i] = NULL;
	}
	for (unsigned i = 0; i < SELECT_BUSY; i++)
		busy[i] = tx[i * (lanes / SELECT_BUSY)];
	if (leat_merge_recv_until(merge, &item, NULL, leat_now_ns() + 20000000) != -ETIMEDOUT)
		bench_fail("an item from nowhere");
}

static double merge_run(part_fn *consume, part_fn *produce, unsigned lanes)
{
	double ns;

	lanes_open(lanes);
	ns = run(consume, produce, produce != NULL ? 1 : 0);
	leat_merge_close(merge);
	chans_close();
	return ns;
}

static inline void take(struct part *part)
{
	uint64_t item = 0;

	part->wrong |= leat_merge_recv(merge, &item, NULL) != 1;
	part->sum += item;
}

static void send_to_busy(struct part *part)
{
	(void)part;
	for (uint64_t n = 1; n <= SELECT_ITEMS; n++)
		leat_send(busy[n % SELECT_BUSY], &n);
}

static void take_all(struct part *part)
{
	for (uint64_t n = 1; n <= SELECT_ITEMS; n++)
		take(part);
}

/* One item to each busy lane, then as many taken. */
static void send_and_take(struct part *part)
{
	for (uint64_t n = 1; n <= SELECT_ITEMS;) {
		for (int i = 0; i < SELECT_BUSY; i++, n++)
			leat_send(busy[i], &n);
		for (int i = 0; i < SELECT_BUSY; i++)
			take(part);
	}
}

/* Each item to another lane, far from the last one. */
static void wake_and_take(struct part *part)
{
	for (uint64_t n = 1; n <= SELECT_ITEMS; n++) {
		leat_send(tx[n * 7919 % chans], &n);
		take(part);
	}
}

void merge_from(uint64_t n, double *values)
{
	values[0] = merge_run(take_all, send_to_busy, (unsigned)n);
}

void merge_alone(uint64_t n, double *values)
{
	values[0] = merge_run(send_and_take, NULL, (unsigned)n);
}

void merge_asleep(uint64_t n, double *values)
{
	values[0] = merge_run(wake_and_take, NULL, (unsigned)n);
}
