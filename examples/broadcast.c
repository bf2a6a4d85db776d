/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A market's feed to a book, a risk check and a log, each of which must see every message. The feed
 * is a file of NASDAQ's ITCH 5.0; its thread writes each message once, into the ring of a
 * broadcast. The three subscribers read it there, each on a thread of its own.
 *
 *     broadcast FEED LOG                      all three see all; LOG gets a line for each message
 *     broadcast FEED LOG log skip             the log is slow: it misses messages and counts them
 *     broadcast FEED LOG risk evict           risk is slow: it is put out, and the others see all
 *     broadcast FEED LOG book wait            the book is slow: the feed waits for it
 *
 * A book that has missed messages is wrong from then on, so a book waits, or is put out and begins
 * anew; a log may skip, if it says how much is missing.
 */
#define _GNU_SOURCE
#include <leat/leat.h>

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 256, SUBSCRIBERS = 3, SYMBOLS = 1 << 16, LONGEST = 50 };

struct message {
	unsigned char length;
	unsigned char bytes[LONGEST]; /* of which the first is the type */
};

struct feed {
	FILE *file;
	_Atomic uint64_t sent;
	atomic_bool ended;
};

struct orders {
	void *tree; /* of struct order, by its number (tsearch(3)) */
	uint64_t count, notional;
};

struct subscriber {
	const char *name;
	int (*take)(struct subscriber *s, const struct message *m);
	void (*report)(const struct subscriber *s);
	struct leat_rx *rx;
	struct feed *feed; /* its progress alone, in pause_if_slow() */
	enum leat_lag lag;
	bool slow;
	/* the thread's alone until it has ended */
	uint64_t seen, missed, bytes, most_at_risk, traded[SYMBOLS];
	struct orders orders;
	FILE *log;
	enum leat_cause cause;
	char text[LEAT_TEXT_MAX + 1];
};

/* --- messages --- */

static const unsigned char sizes[256] = {
	['S'] = 12, ['R'] = 39, ['H'] = 25, ['Y'] = 20, ['L'] = 26, ['V'] = 35,
	['W'] = 12, ['K'] = 28, ['J'] = 35, ['h'] = 21, ['A'] = 36, ['F'] = 40,
	['E'] = 31, ['C'] = 36, ['X'] = 23, ['D'] = 19, ['U'] = 35, ['P'] = 44,
	['Q'] = 40, ['B'] = 19, ['I'] = 50, ['N'] = 20,
};

static uint64_t number(const unsigned char *at, int bytes)
{
	uint64_t n = 0;

	while (bytes-- > 0)
		n = n << 8 | *at++;
	return n;
}

/* Returns 1, or 0 at the end of the file, or the error. */
static int read_message(FILE *file, struct message *m)
{
	unsigned char length[2]; /* 0 in some files; the type says it too */

	if (fread(length, 1, 2, file) != 2)
		return ferror(file) ? -EIO : 0;
	if (fread(m->bytes, 1, 1, file) != 1)
		return -EBADMSG;
	m->length = sizes[m->bytes[0]];
	if (m->length == 0 || (number(length, 2) != 0 && number(length, 2) != m->length))
		return -EBADMSG;
	return fread(m->bytes + 1, 1, m->length - 1u, file) == m->length - 1u ? 1 : -EBADMSG;
}

static uint64_t traded_shares(const unsigned char *m)
{
	switch (m[0]) {
	case 'E':
	case 'C':
		return number(m + 19, 4);
	case 'P':
		return number(m + 20, 4);
	default:
		return 0;
	}
}

/* --- the feed --- */

static int send_feed(struct leat_tx *out, void *arg)
{
	struct feed *feed = arg;
	struct message m;
	int rc;

	while ((rc = read_message(feed->file, &m)) == 1 && (rc = leat_send(out, &m)) == 0)
		feed->sent++;
	feed->ended = true;
	return rc == -EBADMSG ? leat_tx_fail(out, rc, "the feed is no ITCH, or cut short") : rc;
}

/* --- the orders that are open: the book has its own, and so has risk --- */

struct order {
	uint64_t id, shares, price; /* a price is in 1/10,000 of a dollar */
};

static int compare_orders(const void *a, const void *b)
{
	uint64_t left = ((const struct order *)a)->id, right = ((const struct order *)b)->id;

	return (left > right) - (left < right);
}

static int add_order(struct orders *orders, uint64_t id, uint64_t shares, uint64_t price)
{
	struct order *order = malloc(sizeof(*order)), **place;

	if (order == NULL)
		return -ENOMEM;
	*order = (struct order){ id, shares, price };
	place = tsearch(order, &orders->tree, compare_orders);
	if (place == NULL || *place != order) {
		free(order);
		return place == NULL ? -ENOMEM : 0;
	}
	orders->count++;
	orders->notional += shares * price;
	return 0;
}

/* An order that was added before the feed begins, or in a message that was missed, is not known. */
static void reduce_order(struct orders *orders, uint64_t id, uint64_t shares)
{
	struct order key = { .id = id }, **place = tfind(&key, &orders->tree, compare_orders),
		     *order;

	if (place == NULL)
		return;
	order = *place;
	if (shares > order->shares)
		shares = order->shares;
	order->shares -= shares;
	orders->notional -= shares * order->price;
	if (order->shares > 0)
		return;
	tdelete(order, &orders->tree, compare_orders);
	free(order);
	orders->count--;
}

static int follow_orders(struct orders *orders, const unsigned char *m)
{
	uint64_t id = number(m + 11, 8);

	switch (m[0]) {
	case 'A':
	case 'F':
		return add_order(orders, id, number(m + 20, 4), number(m + 32, 4));
	case 'E':
	case 'C':
	case 'X':
		reduce_order(orders, id, number(m + 19, 4));
		return 0;
	case 'D':
		reduce_order(orders, id, UINT64_MAX);
		return 0;
	case 'U':
		reduce_order(orders, id, UINT64_MAX);
		return add_order(orders, number(m + 19, 8), number(m + 27, 4), number(m + 31, 4));
	default:
		return 0;
	}
}

/* --- the three subscribers --- */

static int take_into_book(struct subscriber *s, const struct message *m)
{
	return follow_orders(&s->orders, m->bytes);
}

static void report_book(const struct subscriber *s)
{
	printf("%" PRIu64 " orders open", s->orders.count);
}

static int check_risk(struct subscriber *s, const struct message *m)
{
	int rc = follow_orders(&s->orders, m->bytes);

	if (s->orders.notional > s->most_at_risk)
		s->most_at_risk = s->orders.notional;
	return rc;
}

static void report_risk(const struct subscriber *s)
{
	printf("at most $%" PRIu64 " in open orders", s->most_at_risk / 10000);
}

static int write_log(struct subscriber *s, const struct message *m)
{
	s->bytes += m->length;
	if (fprintf(s->log, "%" PRIu64 " %c %" PRIu64 "\n", number(m->bytes + 5, 6), m->bytes[0],
	            number(m->bytes + 1, 2)) < 0)
		return leat_fail(-EIO, "the log cannot be written");
	return 0;
}

static void report_log(const struct subscriber *s)
{
	printf("%" PRIu64 " bytes", s->bytes);
}

/*
 * Stands for work that is too slow, and would not be in your program: now and then it rests until
 * the feed is a whole ring ahead. Where the feed does not wait for it, that is one message more.
 */
static void pause_if_slow(const struct subscriber *s, struct leat_scope *scope)
{
	int64_t ahead = RING + (s->lag != LEAT_LAG_WAIT);

	if (!s->slow || s->seen % 64 != 1)
		return;
	while ((int64_t)(s->feed->sent - leat_rx_seq(s->rx)) < ahead && !s->feed->ended)
		if (leat_scope_sleep(scope, leat_now_ns() + 200000) < 0)
			return;
}

/* The task of a subscriber. */
static int follow(struct leat_tx *task, void *arg)
{
	struct subscriber *s = arg;
	struct message m;
	const char *text;
	int rc;

	while ((rc = leat_recv(s->rx, &m)) == 1) {
		s->seen++;
		s->traded[number(m.bytes + 1, 2)] += traded_shares(m.bytes);
		rc = s->take(s, &m);
		if (rc < 0)
			break;
		pause_if_slow(s, leat_tx_scope(task));
	}
	s->missed = leat_rx_missed(s->rx);
	if (leat_rx_status(s->rx, &s->cause, NULL, &text) == 0)
		snprintf(s->text, sizeof(s->text), "%s", text);
	leat_rx_close(s->rx); /* the feed waits for it no more */
	return rc;            /* -ECONNABORTED: it was put out, which fails nothing */
}

/* --- the program --- */

static int start_subscriber(struct leat_scope *scope, struct leat_broadcast *broadcast,
                            struct subscriber *s)
{
	struct leat_subscribe_opts opts = { .name = s->name,
		                            .lag = s->lag,
		                            .patience_ns = 2000000 };
	struct leat_gen_opts task = { .chan.name = s->name };
	int rc = leat_broadcast_subscribe(broadcast, &opts, &s->rx);

	if (rc < 0)
		return rc;
	rc = leat_gen(scope, follow, s, 0, &task, NULL);
	if (rc < 0)
		leat_rx_close(s->rx);
	return rc;
}

/* Returns 0, or the error; what was started by then, the scope ends. */
static int start(struct leat_scope *scope, struct feed *feed, struct subscriber *subscribers)
{
	struct leat_broadcast_opts opts = { .name = "feed", .capacity = RING };
	struct leat_gen_opts source = { .chan.name = "feed", .source = true };
	struct leat_broadcast *broadcast;
	struct leat_tx *tx;
	int rc;

	for (int i = 0; i < SUBSCRIBERS; i++)
		opts.skip |= subscribers[i].lag == LEAT_LAG_SKIP;
	rc = leat_broadcast_open(scope, sizeof(struct message), &opts, &broadcast, &tx);
	if (rc < 0)
		return rc;
	for (int i = 0; i < SUBSCRIBERS && rc == 0; i++)
		rc = start_subscriber(scope, broadcast, &subscribers[i]);
	leat_broadcast_close(broadcast); /* no more of them: if all leave, the feed ends */
	if (rc == 0)
		rc = leat_gen_into(scope, send_feed, feed, tx, &source);
	if (rc < 0)
		leat_tx_close(tx); /* on an error it is still ours */
	return rc;
}

static void report(const struct subscriber *s)
{
	uint64_t shares = 0;
	unsigned symbols = 0;

	for (int i = 0; i < SYMBOLS; i++) {
		shares += s->traded[i];
		symbols += s->traded[i] > 0;
	}
	printf("%s: %" PRIu64 " messages, %" PRIu64 " missed; %" PRIu64
	       " shares traded in %u symbols; ",
	       s->name, s->seen, s->missed, shares, symbols);
	s->report(s);
	printf("%s%s\n", s->cause == LEAT_ABANDONED ? "; abandoned: " : "",
	       s->cause == LEAT_ABANDONED ? s->text : "");
}

/* Runs the feed to its end. Returns 0, or the code of what failed. */
static int run(struct feed *feed, struct subscriber *subscribers)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	int rc = scope == NULL ? leat_open_error() : start(scope, feed, subscribers);
	const char *text;

	if (rc == 0)
		rc = leat_scope_join(scope); /* a close would cancel what is still to be received */
	if (rc < 0 && leat_scope_cause(scope, NULL, &text) == LEAT_FAILED)
		fprintf(stderr, "broadcast: %s\n", text);
	else if (rc < 0)
		fprintf(stderr, "broadcast: %s\n", strerror(-rc));
	leat_scope_close(scope);
	return rc;
}

/* Which one is slow, and what then happens. Returns false if there is no such one. */
static bool make_slow(struct subscriber *subscribers, const char *name, const char *lag)
{
	static const char *const lags[] = { "wait", "skip", "evict" };

	for (int i = 0; i < SUBSCRIBERS; i++)
		for (int k = LEAT_LAG_WAIT; k <= LEAT_LAG_EVICT; k++)
			if (strcmp(name, subscribers[i].name) == 0 && strcmp(lag, lags[k]) == 0) {
				subscribers[i].lag = (enum leat_lag)k;
				subscribers[i].slow = true;
				return true;
			}
	return false;
}

int main(int argc, char **argv)
{
	static struct subscriber subscribers[SUBSCRIBERS] = {
		{ .name = "book", .take = take_into_book, .report = report_book },
		{ .name = "risk", .take = check_risk, .report = report_risk },
		{ .name = "log", .take = write_log, .report = report_log },
	};
	static struct feed feed;
	FILE *log;
	int rc;

	if ((argc != 3 && argc != 5) || (argc == 5 && !make_slow(subscribers, argv[3], argv[4]))) {
		fprintf(stderr, "usage: broadcast FEED LOG [book|risk|log wait|skip|evict]\n");
		return 2;
	}
	feed.file = fopen(argv[1], "rb");
	if (feed.file == NULL) {
		perror(argv[1]);
		return 1;
	}
	log = fopen(argv[2], "w");
	if (log == NULL) {
		perror(argv[2]);
		fclose(feed.file);
		return 1;
	}
	for (int i = 0; i < SUBSCRIBERS; i++) {
		subscribers[i].feed = &feed;
		subscribers[i].log = log;
	}
	rc = run(&feed, subscribers);
	if (fclose(log) != 0 && rc == 0) {
		perror(argv[2]);
		rc = -EIO;
	}
	fclose(feed.file);
	for (int i = 0; i < SUBSCRIBERS; i++) {
		if (rc == 0)
			report(&subscribers[i]);
		tdestroy(subscribers[i].orders.tree, free);
	}
	return rc < 0;
}
