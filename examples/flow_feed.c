/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was traded of each symbol in a market's feed, a file of NASDAQ's ITCH 5.0: two threads, each
 * of which has symbols of its own, so that no table is shared. Their states are their own
 * (step_with), and go on only at the end.
 *
 *     flow_feed FEED
 */
#include <leat/flow.h>
#include <leat/leat.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SYMBOLS = 1 << 16, LONGEST = 50, WORKERS = 2 };

struct message {
	unsigned char bytes[LONGEST]; /* of which the first is the type */
};
struct trade {
	uint32_t symbol, shares;
};
struct total {
	uint64_t symbol, trades, shares;
};
LEAT_TYPE(message, struct message);
LEAT_TYPE(trade, struct trade);
LEAT_TYPE(total, struct total);

static uint32_t number(const unsigned char *at, int bytes)
{
	uint32_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | *at++;
	return n;
}

/* Each message is behind its length, which is 0 in some files: the type says it, too. */
static int send_messages(struct leat_tx *out, void *arg)
{
	static const unsigned char sizes[256] = {
		['S'] = 12, ['R'] = 39, ['H'] = 25, ['Y'] = 20, ['L'] = 26, ['V'] = 35,
		['W'] = 12, ['K'] = 28, ['J'] = 35, ['h'] = 21, ['A'] = 36, ['F'] = 40,
		['E'] = 31, ['C'] = 36, ['X'] = 23, ['D'] = 19, ['U'] = 35, ['P'] = 44,
		['Q'] = 40, ['B'] = 19, ['I'] = 50, ['N'] = 20,
	};
	FILE *file = arg;
	struct message m;
	unsigned char length[2];
	int rc = 0;

	while (rc == 0 && fread(length, 1, 2, file) == 2) {
		size_t size = fread(m.bytes, 1, 1, file) == 1 ? sizes[m.bytes[0]] : 0;

		if (size == 0 || fread(m.bytes + 1, 1, size - 1, file) != size - 1)
			return leat_tx_fail(out, -EBADMSG, "the feed is no ITCH, or cut short");
		rc = leat_send(out, &m);
	}
	return ferror(file) ? -EIO : rc;
}

/* Messages that trade nothing are left out. */
LEAT_MAP(read_trade, message, m, trade, t, const void *, unused)
{
	const unsigned char *b = m->bytes;

	t->symbol = number(b + 1, 2);
	t->shares = b[0] == 'E' || b[0] == 'C' ? number(b + 19, 4)
	            : b[0] == 'P'              ? number(b + 20, 4)
	                                       : 0;
	return t->shares > 0 ? 0 : LEAT_SKIP;
}

static uint64_t symbol_of(const void *item, const void *arg)
{
	(void)arg;
	return ((const struct trade *)item)->symbol;
}

struct totals {
	uint32_t next; /* the symbol whose total is to go on next, at the end */
	struct total of[SYMBOLS];
};

/* Keeps all until its last call, and then makes what there is room for: it is called again. */
static int add_up(void *state, struct leat_vec *v)
{
	const struct trade *trades = v->in;
	struct totals *totals = state;
	struct total *out = v->out;

	for (; v->used < v->n; v->used++) {
		struct total *total = &totals->of[trades[v->used].symbol];

		total->symbol = trades[v->used].symbol;
		total->trades++;
		total->shares += trades[v->used].shares;
	}
	for (; v->last && totals->next < SYMBOLS && v->made < v->room; totals->next++)
		if (totals->of[totals->next].trades > 0)
			out[v->made++] = totals->of[totals->next];
	return 0;
}

static const struct leat_step sums = {
	.name = "sums", .fn = add_up, .in = LEAT_T(trade), .out = LEAT_T(total)
};

static int compare_symbols(const void *a, const void *b)
{
	const struct total *left = a, *right = b;

	return (left->symbol > right->symbol) - (left->symbol < right->symbol);
}

/* The messages that the step read_trade was given. */
static uint64_t count_messages(const struct leat_flow *flow)
{
	struct leat_step_stat stat;

	for (size_t i = 0; leat_flow_stat(flow, i, &stat) == 0; i++)
		if (strcmp(stat.name, "read_trade") == 0)
			return stat.in;
	return 0;
}

static int run(FILE *feed)
{
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	struct leat_port p = leat_flow_from_gen(flow, LEAT_T(message), send_messages, feed);
	struct total *totals = NULL;
	size_t count = 0;
	uint64_t shares = 0;
	int rc;

	p = leat_flow_step(p, &read_trade, NULL);
	p = leat_flow_workers_by(p, WORKERS, symbol_of, NULL);
	p = leat_flow_step_with(p, &sums, (struct leat_state){ .size = sizeof(struct totals) });
	p = leat_flow_gather(p);
	leat_flow_collect(p, (void **)&totals, &count);
	rc = leat_flow_start(flow);
	if (rc == 0)
		rc = leat_flow_join(flow);
	if (rc != 0)
		fprintf(stderr, "flow_feed: %s\n", leat_flow_error(flow));
	if (count > 0)
		qsort(totals, count, sizeof(*totals), compare_symbols);
	for (size_t i = 0; i < count && rc == 0; i++) {
		printf("symbol %" PRIu64 ": %" PRIu64 " trades, %" PRIu64 " shares\n",
		       totals[i].symbol, totals[i].trades, totals[i].shares);
		shares += totals[i].shares;
	}
	if (rc == 0)
		printf("%" PRIu64 " messages, %" PRIu64 " shares traded in %zu symbols\n",
		       count_messages(flow), shares, count);
	free(totals);
	leat_flow_close(flow);
	return rc;
}

int main(int argc, char **argv)
{
	FILE *feed = argc == 2 ? fopen(argv[1], "rb") : NULL;
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: flow_feed FEED\n");
		return 2;
	}
	if (feed == NULL) {
		fprintf(stderr, "flow_feed: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	rc = run(feed);
	fclose(feed);
	return rc != 0;
}
