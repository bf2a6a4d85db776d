/*
 * tests/unit/flow_streams.c: how a bridge takes, by itself: what goes first where several things
 * are so at once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "census.h"

#include "flow/merge.h"

TestSuite(flow_streams, .timeout = 60);

enum { MOST = 100 };

struct bridged {
	struct leat_scope *scope;
	struct leat_flow flow;
	struct node node;
	struct bridge *bridge;
	struct leat_tx *feed, *out, *tx[MOST];
	struct leat_rx *input, *behind;
	size_t count;
};

static void open_bridged(struct bridged *bridged, size_t at_once)
{
	const struct leat_chan_opts opts = { .capacity = MOST, .discard = LEAT_T(rx)->discard };

	memset(bridged, 0, sizeof(*bridged));
	bridged->scope = leat_scope_open(NULL, NULL);
	bridged->flow.scope = leat_scope_open(bridged->scope, NULL);
	bridged->node = (struct node){ .kind = NODE_BRIDGE,
		                       .name = "bridge",
		                       .type = LEAT_T(u64),
		                       .stream = LEAT_T(rx),
		                       .capacity = at_once };
	cr_assert_eq(leat_chan_open(bridged->scope, sizeof(struct leat_rx *), &opts, &bridged->feed,
	                            &bridged->input),
	             0);
	cr_assert_eq(leat_chan_open(bridged->flow.scope, 1, NULL, &bridged->out, &bridged->behind),
	             0);
	cr_assert_eq(
		leat_bridge_open(&bridged->flow, &bridged->node, bridged->input, &bridged->bridge),
		0);
	leat_bridge_bind(bridged->bridge, bridged->out);
}

/* A stream of the first n numbers, which is open still. */
static void send_stream(struct bridged *bridged, uint64_t n)
{
	struct leat_tx **tx = &bridged->tx[bridged->count++];
	struct leat_rx *rx;

	cr_assert_eq(leat_chan_open(bridged->flow.scope, sizeof(n), NULL, tx, &rx), 0);
	for (uint64_t i = 0; i < n; i++)
		cr_assert_eq(leat_send(*tx, &i), 0);
	cr_assert_eq(leat_send(bridged->feed, &rx), 0);
}

static void end_stream(struct bridged *bridged, size_t stream)
{
	leat_tx_close(bridged->tx[stream]);
	bridged->tx[stream] = NULL;
}

static ssize_t take(struct bridged *bridged, uint64_t *items, int64_t due_ns)
{
	return leat_bridge_take(bridged->bridge, (char *)items, MOST, due_ns);
}

static void close_bridged(struct bridged *bridged)
{
	leat_bridge_free(bridged->bridge);
	leat_rx_close(bridged->input);
	leat_tx_close(bridged->feed);
	leat_tx_close(bridged->out);
	leat_rx_close(bridged->behind);
	for (size_t i = 0; i < bridged->count; i++)
		leat_tx_close(bridged->tx[i]);
	leat_scope_close(bridged->flow.scope);
	leat_scope_close(bridged->scope);
}

Test(flow_streams, a_vector_is_made_of_what_several_have)
{
	struct bridged bridged;
	uint64_t items[MOST];

	open_bridged(&bridged, 4);
	send_stream(&bridged, 3);
	send_stream(&bridged, 0);
	send_stream(&bridged, 2);
	end_stream(&bridged, 0);
	cr_assert_eq(take(&bridged, items, 1), 5);
	for (size_t i = 0; i < 5; i++)
		cr_assert_eq(items[i], i < 3 ? i : i - 3);
	cr_assert_eq(take(&bridged, items, 1), -ETIMEDOUT);
	close_bridged(&bridged);
}

Test(flow_streams, what_is_due_comes_between_empty_streams)
{
	struct bridged bridged;
	uint64_t items[MOST];
	unsigned due = 0;
	ssize_t n;

	open_bridged(&bridged, 1);
	for (size_t i = 0; i < MOST; i++) {
		send_stream(&bridged, 0);
		end_stream(&bridged, i);
	}
	leat_tx_close(bridged.feed);
	bridged.feed = NULL;
	while ((n = take(&bridged, items, 1)) == -ETIMEDOUT)
		due++;
	cr_assert_eq(n, 0);
	cr_assert_geq(due, MOST / 2);
	close_bridged(&bridged);
}

Test(flow_streams, items_go_before_what_is_due)
{
	struct bridged bridged;
	uint64_t items[MOST];

	open_bridged(&bridged, 1);
	send_stream(&bridged, 3);
	cr_assert_eq(take(&bridged, items, 1), 3);
	cr_assert_eq(take(&bridged, items, 1), -ETIMEDOUT);
	close_bridged(&bridged);
}

Test(flow_streams, a_consumer_that_has_left_goes_before_items)
{
	struct bridged bridged;
	uint64_t items[MOST];

	open_bridged(&bridged, 1);
	send_stream(&bridged, 3);
	leat_rx_close(bridged.behind);
	bridged.behind = NULL;
	cr_assert_eq(take(&bridged, items, LEAT_NEVER), -EPIPE);
	close_bridged(&bridged);
}

/* The sender it is bound to is of another scope here, and does not hear of the cancel. */
Test(flow_streams, a_stream_that_is_cancelled_with_the_flow_is_no_failure)
{
	struct bridged bridged;
	uint64_t items[MOST];
	const char *words;

	open_bridged(&bridged, 1);
	leat_bridge_bind(bridged.bridge, bridged.feed);
	send_stream(&bridged, 3);
	cr_assert_eq(take(&bridged, items, LEAT_NEVER), 3);
	leat_scope_cancel(bridged.flow.scope, -EIO, "enough");
	cr_assert_eq(take(&bridged, items, LEAT_NEVER), -ECANCELED);
	cr_assert_eq(leat_bridge_failure(bridged.bridge, &words), 0);
	close_bridged(&bridged);
}

Test(flow_streams, items_go_before_the_failure_of_a_stream_which_stays)
{
	struct bridged bridged;
	uint64_t items[MOST];
	const char *words;

	open_bridged(&bridged, 3);
	for (uint64_t i = 0; i < 3; i++)
		send_stream(&bridged, 2 - i);
	leat_tx_fail(bridged.tx[2], -EIO, "disk gone");
	end_stream(&bridged, 2);
	cr_assert_eq(take(&bridged, items, 1), 3);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(take(&bridged, items, 1), -EINVAL);
	cr_assert_eq(leat_bridge_failure(bridged.bridge, &words), -EIO);
	cr_assert_str_eq(words, "bridge, its stream 2: disk gone");
	close_bridged(&bridged);
}
