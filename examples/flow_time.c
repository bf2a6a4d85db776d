/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Steps of time on a small feed. A search begins when its text has stayed the same for a while, not
 * at each key (debounce). Of prices a display shows the last of each period (sample). A feed that
 * falls silent is a failure (timeout). A flat map makes each burst of one item, and the next item
 * is sent once the flow has answered: so what is printed does not depend on how fast the machine
 * is.
 */
#include <leat/flow.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)

enum { KEYS = 15, TICKS = 3 };

struct text {
	char of[KEYS + 1];
};
LEAT_TYPE(text, struct text);

/* A word as it is typed: a text for each key. */
LEAT_FLAT_MAP(type_word, text, word, text, typed, KEYS, const void *, unused)
{
	int keys = (int)strnlen(word->of, KEYS);

	for (int i = 0; i < keys; i++) {
		typed[i] = (struct text){ "" };
		memcpy(typed[i].of, word->of, (size_t)i + 1);
	}
	return keys;
}

LEAT_FLAT_MAP(trade, u64, open, u64, ticks, TICKS, const void *, unused)
{
	ticks[0] = *open;
	ticks[1] = *open + 7;
	ticks[2] = *open - 3;
	return TICKS;
}

LEAT_EACH(show, u64, value, const void *, unused)
{
	printf("value %" PRIu64 "\n", *value);
	return 0;
}

static int finish_flow(struct leat_flow *flow, int rc)
{
	rc = rc != 0 ? rc : leat_flow_join(flow);
	if (rc != 0)
		printf("failed: %s\n", leat_flow_error(flow));
	leat_flow_close(flow);
	return rc;
}

static int search_for_words(struct leat_scope *scope)
{
	static const struct text words[] = { { "flow" }, { "flower" }, { "flat" } };
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct leat_port p;
	struct leat_rx *typed, *searches;
	struct text text;
	struct leat_tx *tx;
	int rc = leat_chan_open(scope, sizeof(text), NULL, &tx, &typed);

	if (rc != 0)
		return rc;
	p = leat_flow_step(leat_flow_from_rx(flow, LEAT_T(text), typed), &type_word, NULL);
	leat_flow_to_rx(leat_flow_debounce(p, 20 * MS), &searches);
	rc = leat_flow_start(flow);
	for (size_t i = 0; i < 3 && rc == 0; i++) {
		rc = leat_send(tx, &words[i]);
		if (rc == 0)
			rc = leat_recv(searches, &text) == 1 ? 0 : -EIO;
		if (rc == 0)
			printf("search: %s\n", text.of);
	}
	leat_tx_close(tx);
	leat_rx_close(searches);
	return finish_flow(flow, rc);
}

static int show_prices(struct leat_scope *scope)
{
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct leat_port p;
	struct leat_rx *opens, *prices;
	struct leat_tx *tx;
	uint64_t price;
	int rc = leat_chan_open(scope, sizeof(price), NULL, &tx, &opens);

	if (rc != 0)
		return rc;
	p = leat_flow_step(leat_flow_from_rx(flow, LEAT_T(u64), opens), &trade, NULL);
	leat_flow_to_rx(leat_flow_sample(p, 20 * MS), &prices);
	rc = leat_flow_start(flow);
	for (uint64_t open = 100; open <= 300 && rc == 0; open += 100) {
		rc = leat_send(tx, &open);
		if (rc == 0)
			rc = leat_recv(prices, &price) == 1 ? 0 : -EIO;
		if (rc == 0)
			printf("price: %" PRIu64 "\n", price);
	}
	leat_tx_close(tx);
	leat_rx_close(prices);
	return finish_flow(flow, rc);
}

/* Three values, and then silence: the feed neither sends nor ends. */
static int hear_silence(struct leat_scope *scope)
{
	static const uint64_t values[] = { 1, 2, 3 };
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	struct leat_tx *tx;
	struct leat_rx *feed;
	int rc = leat_chan_open(scope, sizeof(uint64_t), NULL, &tx, &feed);

	if (rc != 0)
		return rc;
	leat_send_batch(tx, values, 3);
	leat_flow_for_each(leat_flow_timeout(leat_flow_from_rx(flow, LEAT_T(u64), feed), 50 * MS),
	                   &show, NULL);
	rc = finish_flow(flow, leat_flow_start(flow));
	leat_tx_close(tx);
	return rc;
}

int main(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int failed = search_for_words(scope) != 0 || show_prices(scope) != 0 ||
	             hear_silence(scope) != -ETIMEDOUT;

	return leat_scope_close(scope) != 0 || failed;
}
