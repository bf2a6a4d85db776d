/*
 * tests/unit/bridged.h: streams for bridges: those that make their items themselves, and those that
 * a test sends into.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TEST_BRIDGED_H
#define LEAT_TEST_BRIDGED_H

#include "clock.h"
#include "flows.h"

enum { STREAMS = 40, FORMS = 5 };

/* --- streams that make their items themselves --- */

/* An item is its stream, then its number there. */
static UNUSED uint64_t length_of(uint64_t stream)
{
	return stream * 37 % 90;
}

static UNUSED size_t count_items(uint64_t streams)
{
	size_t count = 0;

	for (uint64_t i = 0; i < streams; i++)
		count += length_of(i);
	return count;
}

static UNUSED int run_stream(struct leat_tx *out, void *arg)
{
	const uint64_t stream = (uintptr_t)arg;
	int rc = 0;

	for (uint64_t i = 0; i < length_of(stream) && rc == 0; i++)
		rc = leat_send(out, &(uint64_t){ stream << 32 | i });
	return rc;
}

struct counter {
	uint64_t stream, next;
};

static UNUSED int next_of_stream(void *state, void *item)
{
	struct counter *counter = state;

	if (counter->next == length_of(counter->stream))
		return 0;
	*(uint64_t *)item = counter->stream << 32 | counter->next++;
	return 1;
}

/* Where the streams of a test run. */
struct origin {
	struct leat_scope *scope;
	struct leat_pool *pool;
	unsigned form;
	size_t capacity;
	uint32_t opened;
	leat_gen_fn *run; /* NULL: run_stream, or other forms of the same */
	bool sources;
	/* the number of the stream that is of bad_run, in a scope of its own; NULL: none */
	uint64_t bad;
	struct leat_scope *bad_scope;
	leat_gen_fn *bad_run;
};

/* All items are in the channel, and its sender is closed. */
static UNUSED int fill_stream(const struct origin *origin, uint64_t stream, struct leat_rx **rx)
{
	const struct leat_chan_opts opts = { .capacity = 100 };
	struct leat_tx *tx;
	int rc = leat_chan_open(origin->scope, sizeof(uint64_t), &opts, &tx, rx);

	if (rc == 0)
		run_stream(tx, (void *)(uintptr_t)stream);
	leat_tx_close(tx);
	return rc;
}

static UNUSED int open_one(struct origin *origin, uint64_t stream, struct leat_rx **rx)
{
	struct leat_gen_opts opts = { .chan = { .capacity = origin->capacity },
		                      .source = origin->sources };
	void *arg = (void *)(uintptr_t)stream;
	struct counter *counter;
	unsigned form = origin->form < FORMS ? origin->form : (unsigned)(stream % FORMS);

	leat_add_acqrel(&origin->opened, 1u);
	if (origin->bad_run != NULL && stream == origin->bad)
		return leat_gen(origin->bad_scope, origin->bad_run, arg, sizeof(uint64_t), &opts,
		                rx);
	if (origin->run != NULL || form == 0)
		return leat_gen(origin->scope, origin->run != NULL ? origin->run : run_stream, arg,
		                sizeof(uint64_t), &opts, rx);
	if (form == 1)
		return fill_stream(origin, stream, rx);
	counter = calloc(1, sizeof(*counter));
	counter->stream = stream;
	opts.pool = form == 3 ? origin->pool : NULL;
	return leat_gen_seq(origin->scope,
	                    (struct leat_seq){ next_of_stream, free, counter, sizeof(uint64_t) },
	                    &opts, rx);
}

/* Its state is const, so that workers may share it. */
LEAT_MAP(open_stream, u64, n, rx, out, const struct origin *, origin)
{
	return open_one((struct origin *)(uintptr_t)origin, *n, out);
}

/* Sources of streams, in each form. */
struct source {
	struct origin *origin;
	uint64_t next, end;
};

static UNUSED int next_stream(void *state, void *item)
{
	struct source *source = state;

	if (source->next == source->end)
		return 0;
	return open_one(source->origin, source->next++, item) == 0 ? 1 : -ENOMEM;
}

static UNUSED int run_source(struct leat_tx *out, void *arg)
{
	struct leat_rx *rx;
	int rc = 0;

	while (rc == 0 && next_stream(arg, &rx) == 1) {
		rc = leat_send(out, &rx);
		if (rc != 0)
			leat_rx_close(rx);
	}
	return rc;
}

static UNUSED struct leat_port streams_of(struct leat_flow *flow, struct source *source,
                                          unsigned form, const uint64_t *numbers)
{
	const struct leat_gen_opts opts = { .chan.discard = LEAT_T(rx)->discard };
	struct leat_port port;
	struct leat_rx *rx;

	switch (form % FORMS) {
	case 0:
		port = leat_flow_from_array(flow, LEAT_T(u64), numbers, source->end);
		return leat_flow_step(port, &open_stream, source->origin);
	case 1:
		return leat_flow_from_seq(
			flow, LEAT_T(rx),
			(struct leat_seq){ next_stream, NULL, source, sizeof(struct leat_rx *) });
	case 2:
		return leat_flow_from_gen(flow, LEAT_T(rx), run_source, source);
	case 3:
		cr_assert_eq(leat_gen(source->origin->scope, run_source, source,
		                      sizeof(struct leat_rx *), &opts, &rx),
		             0);
		return leat_flow_from_rx(flow, LEAT_T(rx), rx);
	default:
		port = leat_flow_from_array(flow, LEAT_T(u64), numbers, source->end);
		port = leat_flow_workers(port, 3, LEAT_ORDERED);
		port = leat_flow_gather(leat_flow_step(port, &open_stream, source->origin));
		return leat_flow_buffer(port, 2);
	}
}

/* All of them: with `in_order` one stream after the other; else each in its order. */
static UNUSED void expect_all(const struct collected *got, uint64_t streams, bool in_order)
{
	uint64_t next[STREAMS] = { 0 }, last = 0;

	cr_assert_eq(got->count, count_items(streams), "%zu items, not %zu", got->count,
	             count_items(streams));
	for (size_t i = 0; i < got->count; i++) {
		uint64_t stream = got->items[i] >> 32;

		cr_assert_lt(stream, streams);
		cr_assert_eq((uint32_t)got->items[i], next[stream]++, "item %zu", i);
		cr_assert(!in_order || stream >= last, "item %zu", i);
		last = stream;
	}
}

/* --- streams of the test's --- */

struct bridged {
	struct leat_scope *scope;
	struct leat_flow *flow;
	struct leat_tx *feed, *tx[STREAMS];
	struct leat_port port;
	size_t count;
};

/* Of another type, which counts what it frees. */
static UNUSED uint32_t closed;

static UNUSED void close_counted(void *item, void *arg)
{
	leat_rx_close(*(struct leat_rx **)item);
	(void)arg;
	leat_add_acqrel(&closed, 1u);
}

static UNUSED int clone_stream(void *copy, const void *item)
{
	*(struct leat_rx **)copy = leat_rx_clone(*(struct leat_rx *const *)item);
	return *(struct leat_rx **)copy == NULL ? -ENOMEM : 0;
}

LEAT_TYPE_OWNED(counted, struct leat_rx *, close_counted, clone_stream);

static UNUSED void open_streams(struct bridged *bridged, struct leat_scope *scope)
{
	const struct leat_chan_opts opts = { .capacity = 64, .discard = close_counted };
	struct leat_rx *rx;

	memset(bridged, 0, sizeof(*bridged));
	closed = 0;
	bridged->scope = leat_scope_open(NULL, NULL);
	bridged->flow = leat_flow_open(scope, &(struct leat_flow_opts){ .capacity = 8 });
	cr_assert_eq(leat_chan_open(bridged->scope, sizeof(struct leat_rx *), &opts, &bridged->feed,
	                            &rx),
	             0);
	bridged->port = leat_flow_from_rx(bridged->flow, LEAT_T(counted), rx);
}

static UNUSED void open_bridged(struct bridged *bridged, size_t at_once)
{
	open_streams(bridged, NULL);
	bridged->port = leat_flow_bridge(bridged->port, LEAT_T(u64), at_once);
}

static UNUSED void send_stream_in(struct bridged *bridged, struct leat_scope *scope, size_t size)
{
	const struct leat_chan_opts opts = { .kind = LEAT_SPMC, .capacity = 4000 };
	struct leat_rx *rx;

	cr_assert_eq(leat_chan_open(scope, size, &opts, &bridged->tx[bridged->count++], &rx), 0);
	cr_assert_eq(leat_send(bridged->feed, &rx), 0);
}

static UNUSED void send_stream(struct bridged *bridged)
{
	send_stream_in(bridged, bridged->scope, sizeof(uint64_t));
}

static UNUSED void send_item(struct bridged *bridged, size_t stream, uint64_t item)
{
	cr_assert_eq(leat_send(bridged->tx[stream], &item), 0);
}

static UNUSED void end_stream(struct bridged *bridged, size_t stream)
{
	leat_tx_close(bridged->tx[stream]);
	bridged->tx[stream] = NULL;
}

static UNUSED void end_feed(struct bridged *bridged)
{
	leat_tx_close(bridged->feed);
	bridged->feed = NULL;
}

/* No stream has a receiver any more, and each was freed once. */
static UNUSED void expect_closed(struct bridged *bridged)
{
	uint64_t item = 0;
	int rc;

	cr_assert_eq(closed, bridged->count, "%u closed of %zu", closed, bridged->count);
	for (size_t i = 0; i < bridged->count; i++) {
		rc = bridged->tx[i] == NULL ? -EPIPE : (leat_try_send)(bridged->tx[i], &item);
		cr_assert_eq(rc, -EPIPE, "stream %zu: %d", i, rc);
	}
}

static UNUSED void close_bridged(struct bridged *bridged)
{
	leat_flow_close(bridged->flow);
	leat_tx_close(bridged->feed);
	for (size_t i = 0; i < bridged->count; i++)
		leat_tx_close(bridged->tx[i]);
	leat_scope_close(bridged->scope);
}

/* Exactly these items are there, of one digit each. */
static UNUSED void expect_items(struct leat_rx *rx, const char *items)
{
	uint64_t item;

	clock_settle();
	for (; *items != '\0'; items++) {
		cr_assert_eq(leat_try_recv(rx, &item), 1, "before %s", items);
		cr_assert_eq(item, (uint64_t)(*items - '0'), "%u, not %c", (unsigned)item, *items);
		clock_settle();
	}
	cr_assert_eq(leat_try_recv(rx, &item), -EAGAIN);
}

static UNUSED int run_for_ever(struct leat_tx *out, void *arg)
{
	int rc = 0;

	for (uint64_t n = 0; rc == 0; n++)
		rc = leat_send(out, &(uint64_t){ (uintptr_t)arg << 32 | n });
	return rc;
}

/* Opens nothing more, and sends nothing. */
static UNUSED int be_idle(struct leat_tx *out, void *arg)
{
	(void)arg;
	return leat_tx_wait(out, -1, 0, LEAT_NEVER);
}

#endif
