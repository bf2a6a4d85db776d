/*
 * tests/unit/timed.h: what the suites of steps that are called at times share: flows whose inputs
 * are channels, or each source, and what comes out of them by the manual clock.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_TIMED_H
#define LEAT_TEST_TIMED_H

#include "clock.h"
#include "flows.h"

LEAT_PAIR(both, u64, u64);

static UNUSED uint64_t key_of(const void *item, const void *arg)
{
	(void)arg;
	return *(const uint64_t *)item;
}

/* --- a flow whose inputs are channels, and what comes out --- */

struct timed {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct leat_tx *tx[2];
	struct leat_rx *in[2], *out;
};

static UNUSED struct timed timed_open(void)
{
	struct timed t = { .scope = leat_scope_open(NULL, NULL) };

	clock_start();
	t.flow = leat_flow_open(t.scope, NULL);
	cr_assert_not_null(t.flow);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(leat_chan_open(t.scope, sizeof(uint64_t), NULL, &t.tx[i], &t.in[i]),
		             0);
	return t;
}

static UNUSED struct leat_port input(struct timed *t, int i)
{
	struct leat_rx *in = t->in[i];

	t->in[i] = NULL;
	return leat_flow_from_rx(t->flow, LEAT_T(u64), in);
}

static UNUSED void put(struct timed *t, int i, uint64_t item)
{
	cr_assert_eq(leat_send(t->tx[i], &item), 0);
}

static UNUSED void end_input(struct timed *t, int i)
{
	leat_tx_close(t->tx[i]);
	t->tx[i] = NULL;
}

/* Joins, and frees all. */
static UNUSED void timed_close(struct timed *t, int code)
{
	expect_join(t->flow, code);
	for (int i = 0; i < 2; i++) {
		leat_tx_close(t->tx[i]);
		leat_rx_close(t->in[i]);
	}
	leat_rx_close(t->out);
	leat_flow_close(t->flow);
	leat_scope_close(t->scope);
}

/* --- what the steps of time have in common --- */

enum timed_step { DELAY, DEBOUNCE, SAMPLE, TIMEOUT, TIMED_STEPS };

static const char *const timed_names[] UNUSED = { "delay", "debounce", "sample", "timeout" };

static UNUSED struct leat_port add_timed(struct leat_port port, enum timed_step step, int64_t ns)
{
	switch (step) {
	case DELAY:
		return leat_flow_delay(port, ns, 1000);
	case DEBOUNCE:
		return leat_flow_debounce(port, ns);
	case SAMPLE:
		return leat_flow_sample(port, ns);
	default:
		return leat_flow_timeout(port, ns);
	}
}

static UNUSED void expect_item(struct timed *t, uint64_t item)
{
	uint64_t got;

	cr_assert_eq(leat_try_recv(t->out, &got), 1, "not there: %llu", (unsigned long long)item);
	cr_assert_eq(got, item, "%llu, not %llu", (unsigned long long)got,
	             (unsigned long long)item);
}

/* Nothing comes before that time has passed. */
static UNUSED void expect_none_for(struct timed *t, int64_t ns)
{
	uint64_t got;

	clock_advance(ns - 1);
	cr_assert_eq(leat_try_recv(t->out, &got), -EAGAIN);
	clock_advance(1);
}

static UNUSED void expect_end(struct timed *t)
{
	uint64_t got;

	clock_settle();
	cr_assert_eq(leat_try_recv(t->out, &got), 0);
}

static UNUSED void put_settled(struct timed *t, uint64_t item)
{
	put(t, 0, item);
	clock_settle();
}

/* --- each source, and what is cut before and behind --- */

enum cut { BARE, BUFFERED, TEED, PARTED, MERGED, CUTS };

struct sent {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct leat_rx *out, *other;
	struct numbers numbers;
	uint64_t *array, end;
};

static UNUSED uint64_t none_key(const void *item, const void *arg)
{
	(void)item, (void)arg;
	return 0;
}

static UNUSED struct leat_port source_of(struct sent *sent, int source)
{
	struct leat_rx *rx;

	switch (source) {
	case 0:
		return leat_flow_from_array(sent->flow, LEAT_T(u64), sent->array, sent->end);
	case 1:
		return leat_flow_from_seq(sent->flow, LEAT_T(u64), numbers_seq(&sent->numbers));
	case 2:
		return leat_flow_from_gen(sent->flow, LEAT_T(u64), run_numbers, &sent->end);
	default:
		cr_assert_eq(
			leat_gen(sent->scope, run_numbers, &sent->end, sizeof(uint64_t), NULL, &rx),
			0);
		return leat_flow_from_rx(sent->flow, LEAT_T(u64), rx);
	}
}

/* A flow that has numbers below `end`; in the caller's structure, as sources keep addresses in it.
 */
static UNUSED void sent_declare(struct sent *sent, uint64_t end)
{
	*sent = (struct sent){ .scope = leat_scope_open(NULL, NULL), .end = end };
	clock_start();
	sent->flow = leat_flow_open(sent->scope, NULL);
	sent->array = numbers_below(end);
	sent->numbers = (struct numbers){ .end = end };
}

/* What a suite is about: a step, or some, behind this port. */
typedef struct leat_port add_fn(struct leat_port port, const void *arg);

/* Such numbers through what add(port, arg) adds. */
static UNUSED void sent_start(struct sent *sent, int source, enum cut cut, uint64_t end,
                              add_fn *add, const void *arg)
{
	struct leat_port port, ports[2];

	sent_declare(sent, end);
	port = source_of(sent, source);
	if (cut == BUFFERED)
		port = leat_flow_buffer(port, 3);
	if (cut == MERGED)
		port = leat_flow_merge(&port, 1);
	port = add(port, arg);
	if (cut == BUFFERED)
		port = leat_flow_buffer(port, 3);
	if (cut == TEED) {
		leat_flow_tee(port, ports, 2);
		leat_flow_to_rx(ports[1], &sent->other);
		port = ports[0];
	}
	if (cut == PARTED) {
		leat_flow_partition(port, none_key, NULL, ports, 2);
		leat_flow_to_rx(ports[1], &sent->other);
		port = ports[0];
	}
	leat_flow_to_rx(port, &sent->out);
	expect_start(sent->flow);
	clock_settle();
}

static UNUSED struct leat_port add_delay(struct leat_port port, const void *most)
{
	return leat_flow_delay(port, 10 * MS, *(const size_t *)most);
}

/* Through a delay of 10 ms that holds `most`. */
static UNUSED void sent_open(struct sent *sent, int source, enum cut cut, uint64_t end, size_t most)
{
	sent_start(sent, source, cut, end, add_delay, &most);
}

static UNUSED void sent_close_with(struct sent *sent, int code)
{
	leat_rx_close(sent->out);
	leat_rx_close(sent->other);
	expect_join(sent->flow, code);
	leat_flow_close(sent->flow);
	leat_scope_close(sent->scope);
	free(sent->array);
}

static UNUSED void sent_close(struct sent *sent)
{
	sent_close_with(sent, 0);
}

#endif
