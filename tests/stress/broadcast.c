/*
 * tests/stress/broadcast.c: subscribers join a broadcast at random positions, with every lag
 * policy, alone or as stages after others; they freeze, leave and join again, while senders send
 * in every way and the broadcast is closed, cancelled or stopped at random moments.
 *
 * Each subscriber's interval must be exact. A call moves leat_rx_seq() by what it returned, by what
 * leat_rx_missed() gained, and by holes; the items of each sender come in order and without a gap
 * but for what was missed; with one sender an item's number is that of its slot. A subscriber from
 * now sees each send that begins later. A stage never sees what a gate has not released. A slot
 * that owns memory is discarded once, and never while a subscriber has its item in hand. In some
 * rounds an editor stays, and all others come after it: they see each item as it has edited it. The
 * books balance in every snapshot, their totals never fall, and at the end they have what was sent;
 * nothing is left behind.
 *
 *     broadcast [seconds [seed]]
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "rounds.h"

#include <leat/broadcast.h>
#include <leat/diag.h>
#include <leat/select.h>
#include <poll.h>
#include <stddef.h>

enum {
	SENDERS = 3,
	SEATS = 4,        /* threads that join and leave, each with a group of subscribers */
	GROUP = 4,        /* subscribers of a group, each with a thread */
	SENT_MOST = 3000, /* by one sender */
	SIZE_MOST = 100,
	AT_ONCE = 8
};

/* What ends a round, but for senders that come to their end. */
enum end { SENDERS_END, CLOSE, CANCEL_SCOPE, STOP_SCOPE, CLOSE_FOR_ALL, ENDS };

enum { EDITED = 77777 }; /* what an editor adds to an item's check */

/* The life of an item that owns memory. */
enum { UNSENT, SENT, DISCARDED };

struct item {
	uint32_t sender, check;
	uint64_t n;
	unsigned char rest[SIZE_MOST - 16];
};

static struct feed {
	struct leat_broadcast_opts opts;
	struct leat_scope *scope;
	struct leat_broadcast *bc;
	size_t item_size;
	unsigned senders_count;
	enum end end;
	bool stays;           /* subscribers stay until the end of the stream */
	bool several, source; /* several: senders, so an item's number is not its slot's */
	int64_t enough_ns;
	uint64_t begun[SENDERS]; /* sends, at least */
	uint32_t life[SENDERS][SENT_MOST];
	uint64_t accepted, discarded, joins;
	struct subscriber *editor; /* or NULL */
	uint32_t ended, reserved;  /* reserved: there may be holes */
} feed;

/* What the snapshots of a round have of its channel: written by the thread of the diagnostics. */
static struct books {
	struct leat_chan_stat last;
	uint32_t seen;
} books;

static pthread_rwlock_t closing = PTHREAD_RWLOCK_INITIALIZER; /* nobody subscribes after it */

struct sender {
	pthread_t thread;
	struct leat_tx *tx;
	unsigned number;
	uint64_t random, n;
};

struct subscriber {
	pthread_t thread;
	struct leat_rx *rx;
	uint64_t random, calls;
	struct leat_subscribe_opts opts;
	char name[16];
	const struct subscriber *gates[GROUP];
	uint64_t seq, missed, taken, first;
	uint64_t next[SENDERS], bound[SENDERS]; /* of each sender's items */
	bool seen[SENDERS];
	uint64_t releases; /* this far it has released, or is about to */
	uint32_t leaves;
};

/* --- items --- */

static void write_item(void *to, unsigned sender, uint64_t n)
{
	struct item item = { .sender = sender, .check = (uint32_t)(n * 2654435761u), .n = n };

	for (size_t i = 0; i < sizeof(item.rest); i++)
		item.rest[i] = pattern(n, i);
	memcpy(to, &item, feed.item_size);
}

static void discard_item(void *what, void *arg)
{
	struct item item;
	uint32_t sent = SENT;

	(void)arg;
	memcpy(&item, what, 16);
	if (item.sender >= SENDERS || item.n >= SENT_MOST) {
		blame("a discarded item from nowhere", (long)item.n);
		return;
	}
	if (!leat_cas_acqrel(&feed.life[item.sender][item.n], &sent, DISCARDED))
		blame("discarded twice, or never sent:", (long)item.n);
	leat_add_rlx(&feed.discarded, 1); /* rlx: read after the joins */
}

/* Caller still has the item in hand. */
static bool check_item(const struct item *item, bool edited)
{
	if (item->sender >= feed.senders_count || item->n >= SENT_MOST ||
	    item->check != (uint32_t)(item->n * 2654435761u) + (edited ? EDITED : 0)) {
		blame("a torn item, or one from nowhere:", (long)item->n);
		return false;
	}
	for (size_t i = 0; i < feed.item_size - 16; i++)
		if (item->rest[i] != pattern(item->n, i)) {
			blame("a torn item:", (long)item->n);
			return false;
		}
	if (feed.opts.discard != NULL && leat_load_acq(&feed.life[item->sender][item->n]) != SENT)
		blame("discarded in hand:", (long)item->n);
	return true;
}

/* --- senders --- */

static ssize_t send_items(struct sender *from, size_t n)
{
	_Alignas(uint64_t) unsigned char items[AT_ONCE * SIZE_MOST];
	void *slots;
	ssize_t rc;

	for (size_t i = 0; i < n; i++)
		write_item(items + i * feed.item_size, from->number, from->n + i);
	switch (below(&from->random, 8)) {
	case 7: /* by the inline body, if the size is that */
		if (feed.item_size == sizeof(uint64_t))
			return leat_send_batch(from->tx, (uint64_t *)(void *)items, n);
		__attribute__((fallthrough));
	case 0:
		rc = leat_try_send(from->tx, (void *)items);
		break;
	case 1:
		rc = leat_send_until(from->tx, (void *)items,
		                     leat_now_ns() + (int64_t)below(&from->random, 40000));
		break;
	case 2:
		return leat_send_batch(from->tx, (void *)items, n);
	case 3:
		return leat_try_send_batch(from->tx, (void *)items, n);
	case 4:
		rc = leat_reserve(from->tx, n, &slots);
		if (rc == -ENOTSUP && feed.opts.skip)
			return -EAGAIN;
		if (rc <= 0)
			return rc;
		leat_store_rel(&feed.reserved, 1);
		n = (size_t)rc - (below(&from->random, 4) == 0); /* may be none */
		memcpy(slots, items, n * feed.item_size);
		if (below(&from->random, 32) == 0)
			sched_yield();
		rc = leat_commit(from->tx, n);
		if (rc != 0)
			blame("a commit returned", -(long)rc);
		return (ssize_t)n;
	case 5: {
		struct leat_case send[] = { LEAT_CASE_SEND(from->tx, (void *)items) };

		rc = leat_select(send, 1, LEAT_NEVER, LEAT_BY_CHANCE);
		rc = rc == 0 ? send[0].answer : rc;
		break;
	}
	default:
		rc = leat_send(from->tx, (void *)items);
	}
	return rc == 0 ? 1 : rc;
}

static void *run_sender(void *arg)
{
	struct sender *from = arg;
	uint64_t limit = 1 + below(&from->random, SENT_MOST - 1);

	while (from->n < limit && leat_now_ns() < feed.enough_ns) {
		size_t n = 1 + below(&from->random, AT_ONCE);
		ssize_t rc;

		if (n > limit - from->n)
			n = limit - from->n;
		for (size_t i = 0; i < n; i++)
			leat_store_rlx(&feed.life[from->number][from->n + i],
			               SENT); /* rlx: sent after */
		leat_store_rel(&feed.begun[from->number], from->n + n);
		rc = send_items(from, n);
		if (rc == -EPIPE || rc == -ECANCELED || rc == -ESHUTDOWN)
			break;
		if (rc > 0)
			from->n += (uint64_t)rc;
		else if (rc == -EAGAIN)
			sched_yield();
		else if (rc != 0 && rc != -ETIMEDOUT)
			blame("a send returned", -(long)rc);
	}
	leat_add_rlx(&feed.accepted, from->n); /* rlx: read after the joins */
	if (feed.end == CLOSE_FOR_ALL && from->number == 0)
		leat_tx_close_all(from->tx);
	else
		leat_tx_close(from->tx);
	return NULL;
}

/* --- subscribers --- */

static void note_item(struct subscriber *sub, const void *what)
{
	bool gapless = leat_rx_missed(sub->rx) == 0;
	struct item item;

	memcpy(&item, what, feed.item_size);
	if (!check_item(&item, feed.editor != NULL && feed.editor != sub))
		return;
	if (!sub->seen[item.sender]) {
		sub->seen[item.sender] = true;
		if (sub->opts.from == LEAT_FROM_NOW && gapless && item.n > sub->bound[item.sender])
			blame("from now, but missed the first:", (long)item.n);
	} else if (item.n < sub->next[item.sender] ||
	           (item.n > sub->next[item.sender] && gapless)) {
		blame("out of order, or lost:", (long)item.n);
	}
	sub->next[item.sender] = item.n + 1;
}

/* What a call has returned: n items, which were noted. first: the number of the first. */
static void note_call(struct subscriber *sub, size_t n, uint64_t first)
{
	uint64_t seq = leat_rx_seq(sub->rx), missed = leat_rx_missed(sub->rx);
	uint64_t moved = seq - sub->seq, gap = missed - sub->missed;
	bool holes = feed.several && leat_load_acq(&feed.reserved);

	if (gap > 0 && sub->opts.lag != LEAT_LAG_SKIP)
		blame("missed, without LEAT_LAG_SKIP:", (long)gap);
	if (moved < n + gap || (moved > n + gap && !holes))
		blame("its position moved by", (long)moved);
	if (!feed.several && n > 0 && first != sub->seq + gap)
		blame("not the number of its slot:", (long)first);
	for (size_t i = 0; i < sub->opts.after_count; i++)
		if (n > 0 && seq > leat_load_acq(&sub->gates[i]->releases) &&
		    !(sub->opts.after_optional && leat_load_acq(&sub->gates[i]->leaves)))
			blame("sees what its gate has not released:", (long)seq);
	sub->seq = seq;
	sub->missed = missed;
	sub->taken += n;
}

static uint64_t number_of(const void *what)
{
	struct item item;

	memcpy(&item, what, 16);
	return item.n;
}

static ssize_t peek_items(struct subscriber *sub, size_t max)
{
	const void *slots;
	ssize_t rc = below(&sub->random, 2)
	                     ? leat_peek(sub->rx, max, &slots)
	                     : leat_peek_until(sub->rx, max, &slots,
	                                       leat_now_ns() + (int64_t)below(&sub->random, 40000));
	size_t n;
	uint64_t first;

	if (sub->opts.lag != LEAT_LAG_WAIT)
		return rc == -ENOTSUP ? -EAGAIN : -EPROTO;
	if (rc <= 0)
		return rc;
	n = below(&sub->random, 4) ? (size_t)rc : below(&sub->random, (uint64_t)rc + 1);
	first = number_of(slots);
	for (size_t i = 0; i < n; i++)
		note_item(sub, (const unsigned char *)slots + i * feed.item_size);
	if (below(&sub->random, 32) == 0)
		sched_yield();
	for (size_t i = 0; i < n; i++)
		if (feed.opts.discard != NULL) {
			struct item item;

			memcpy(&item, (const unsigned char *)slots + i * feed.item_size,
			       feed.item_size);
			check_item(&item, feed.editor != NULL);
		}
	leat_store_rel(&sub->releases, leat_rx_seq(sub->rx) + n);
	if (leat_release(sub->rx, n) != 0)
		blame("a release failed of", (long)n);
	note_call(sub, n, first);
	return n == 0 ? -EAGAIN : (ssize_t)n;
}

static ssize_t wait_for_descriptor(struct subscriber *sub)
{
	struct pollfd fd = { .fd = leat_rx_fd(sub->rx), .events = POLLIN };
	int rc;

	if (fd.fd < 0)
		return -EAGAIN;
	rc = leat_rx_arm(sub->rx);
	if (rc == 0)
		poll(&fd, 1, feed.stays ? -1 : 1);
	else if (rc != 1)
		blame("an arm returned", -(long)rc);
	return -EAGAIN;
}

static ssize_t receive_items(struct subscriber *sub)
{
	unsigned char items[AT_ONCE * SIZE_MOST];
	size_t max = 1 + below(&sub->random, AT_ONCE);
	int64_t soon_ns = leat_now_ns() + (int64_t)below(&sub->random, 40000);
	ssize_t rc;

	/* a receive releases what it takes: at most so much, but for holes */
	leat_store_rel(&sub->releases, feed.several ? UINT64_MAX : leat_rx_seq(sub->rx) + max);
	switch (below(&sub->random, 10)) {
	case 9: /* by the inline body, if the size is that */
		if (feed.item_size == sizeof(uint64_t)) {
			rc = leat_recv_batch(sub->rx, (uint64_t *)(void *)items, max);
			break;
		}
		__attribute__((fallthrough));
	case 0:
		/* a peek releases holes */
		if (!feed.several)
			leat_store_rel(&sub->releases, leat_rx_seq(sub->rx));
		return peek_items(sub, max);
	case 1:
		rc = leat_try_recv(sub->rx, (void *)items);
		break;
	case 2:
		rc = leat_recv_until(sub->rx, (void *)items, soon_ns);
		break;
	case 3:
		rc = leat_try_recv_batch(sub->rx, (void *)items, max);
		break;
	case 4:
		rc = leat_recv_batch(sub->rx, (void *)items, max);
		break;
	case 5:
		if (feed.several ||
		    sub->opts.lag == LEAT_LAG_SKIP) /* a fill may span a gap, a hole */
			return -EAGAIN;
		rc = leat_recv_fill(sub->rx, (void *)items, max, soon_ns);
		break;
	case 6: {
		struct leat_case recv[] = { LEAT_CASE_RECV(sub->rx, (void *)items) };

		rc = leat_select(recv, 1, feed.stays ? LEAT_NEVER : soon_ns, LEAT_BY_CHANCE);
		rc = rc == 0 ? recv[0].answer : rc;
		break;
	}
	case 7:
		leat_store_rel(&sub->releases, leat_rx_seq(sub->rx));
		return wait_for_descriptor(sub);
	default:
		rc = leat_recv(sub->rx, (void *)items);
	}
	for (ssize_t i = 0; i < rc; i++)
		note_item(sub, items + (size_t)i * feed.item_size);
	note_call(sub, rc > 0 ? (size_t)rc : 0, rc > 0 ? number_of(items) : 0);
	leat_store_rel(&sub->releases, leat_rx_seq(sub->rx));
	return rc;
}

static void check_end(struct subscriber *sub)
{
	enum leat_cause cause;
	const char *text;
	bool gate_left = false;
	unsigned char item[SIZE_MOST];

	leat_rx_status(sub->rx, &cause, NULL, &text);
	for (size_t i = 0; i < sub->opts.after_count && !sub->opts.after_optional; i++)
		gate_left |= leat_load_acq(&sub->gates[i]->leaves) &&
		             strcmp(sub->gates[i]->name, text) == 0;
	if (cause == LEAT_ABANDONED ? !gate_left
	                            : cause != LEAT_COMPLETED && feed.end != CANCEL_SCOPE)
		blame("an end of cause", cause);
	if (leat_recv(sub->rx, (void *)item) != 0)
		blame("no end after the end:", (long)sub->seq);
}

static void *run_subscriber(void *arg)
{
	struct subscriber *sub = arg;

	for (uint64_t call = 0; call < sub->calls || feed.stays; call++) {
		ssize_t rc;

		if (below(&sub->random, 64) == 0)
			usleep((useconds_t)below(&sub->random, 500)); /* it freezes */
		rc = receive_items(sub);
		if (rc == 0)
			check_end(sub);
		if (rc == -ECONNABORTED && sub->opts.lag != LEAT_LAG_EVICT)
			blame("evicted, without LEAT_LAG_EVICT:", (long)sub->seq);
		if (rc == 0 || rc == -ECANCELED || rc == -ECONNABORTED)
			break;
		if (rc == -EAGAIN)
			sched_yield();
		else if (rc < 0 && rc != -ETIMEDOUT)
			blame("a receive returned", -(long)rc);
	}
	leat_store_rel(&sub->leaves, 1); /* and releases what it owes */
	leat_rx_close(sub->rx);
	return NULL;
}

/* --- an editor --- */

static void edit_item(void *slot)
{
	uint32_t check;

	memcpy(&check, (char *)slot + offsetof(struct item, check), sizeof(check));
	check += EDITED;
	memcpy((char *)slot + offsetof(struct item, check), &check, sizeof(check));
}

/* It stays to the end, as the others come after it, and main closes it. */
static void *run_editor(void *arg)
{
	struct subscriber *sub = arg;
	ssize_t rc;
	void *slots;

	for (;;) {
		/* a peek releases holes */
		leat_store_rel(&sub->releases, feed.several ? UINT64_MAX : leat_rx_seq(sub->rx));
		rc = leat_peek_mut(sub->rx, 1 + below(&sub->random, AT_ONCE), &slots);
		if (rc <= 0)
			break;
		size_t n = (size_t)rc - (rc > 1 && below(&sub->random, 4) == 0);
		uint64_t first = number_of(slots);

		for (size_t i = 0; i < n; i++) {
			note_item(sub, (unsigned char *)slots + i * feed.item_size);
			edit_item((unsigned char *)slots + i * feed.item_size);
		}
		if (below(&sub->random, 64) == 0)
			usleep((useconds_t)below(&sub->random, 500));
		leat_store_rel(&sub->releases, leat_rx_seq(sub->rx) + n);
		if (leat_release(sub->rx, n) != 0)
			blame("an editor's release failed of", (long)n);
		note_call(sub, n, first);
	}
	leat_store_rel(&sub->releases, UINT64_MAX);
	if (rc == 0)
		check_end(sub);
	else if (rc != -ECANCELED)
		blame("a peek to edit returned", -(long)rc);
	return NULL;
}

/* Before there is a sender or another subscriber. */
static void start_editor(struct subscriber *editor, uint64_t *random)
{
	editor->random = stress_random(random);
	editor->opts.name = "editor";
	snprintf(editor->name, sizeof(editor->name), "%s", editor->opts.name);
	if (leat_broadcast_subscribe(feed.bc, &editor->opts, &editor->rx) != 0)
		abort();
	feed.editor = editor;
	feed.joins = 1;
	if (pthread_create(&editor->thread, NULL, run_editor, editor) != 0)
		abort();
}

/* --- groups of subscribers --- */

static bool subscribe(struct subscriber *group, unsigned at, uint64_t *random, uint64_t near)
{
	struct subscriber *sub = &group[at];
	struct leat_rx *after[GROUP];
	int rc;

	memset(sub, 0, sizeof(*sub));
	snprintf(sub->name, sizeof(sub->name), "s%u", at);
	sub->random = stress_random(random);
	sub->calls = below(random, 100);
	sub->opts.name = sub->name;
	sub->opts.from = (enum leat_from)below(random, 3);
	sub->opts.seq = near - 2 + below(random, 5);
	sub->opts.lag = (enum leat_lag)below(random, 3);
	if (feed.opts.discard != NULL || (sub->opts.lag == LEAT_LAG_SKIP && !feed.opts.skip))
		sub->opts.lag = LEAT_LAG_WAIT;
	if (feed.editor != NULL) {
		sub->opts.from = LEAT_FROM_NOW; /* not at what the editor holds */
		if (sub->opts.lag == LEAT_LAG_SKIP)
			sub->opts.lag = LEAT_LAG_EVICT;
		sub->gates[0] = feed.editor;
		after[sub->opts.after_count++] = feed.editor->rx;
	}
	sub->opts.patience_ns = (int64_t)below(random, 3) * 50000;
	sub->opts.recv_wait = below(random, 2) ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE;
	sub->opts.after = after;
	sub->opts.after_optional = below(random, 2);
	for (unsigned i = 0; i < at; i++)
		if (group[i].opts.lag == LEAT_LAG_WAIT && group[i].rx != NULL && below(random, 2)) {
			sub->gates[sub->opts.after_count] = &group[i];
			after[sub->opts.after_count++] = group[i].rx;
		}
	pthread_rwlock_rdlock(&closing);
	rc = feed.bc == NULL ? -ECANCELED : leat_broadcast_subscribe(feed.bc, &sub->opts, &sub->rx);
	pthread_rwlock_unlock(&closing);
	if (rc != 0) {
		if (rc != -ECANCELED && rc != -ENOSPC &&
		    (rc != -ERANGE || sub->opts.from != LEAT_FROM_SEQ))
			blame("a subscribe returned", -(long)rc);
		return false;
	}
	for (unsigned i = 0; i < SENDERS; i++)
		sub->bound[i] = leat_load_acq(&feed.begun[i]);
	leat_add_rlx(&feed.joins, 1); /* rlx: a number */
	sub->first = sub->seq = leat_rx_seq(sub->rx);
	leat_store_rel(&sub->releases, sub->seq);
	if (sub->opts.from == LEAT_FROM_SEQ && sub->seq != sub->opts.seq)
		blame("begins elsewhere, at", (long)sub->seq);
	if (!feed.several && sub->opts.from == LEAT_FROM_NOW && sub->seq > sub->bound[0])
		blame("from now begins too late, at", (long)sub->seq);
	return true;
}

struct seat {
	pthread_t thread;
	uint64_t random;
};

static void *run_seat(void *arg)
{
	struct seat *seat = arg;
	uint64_t near = 0;

	do {
		struct subscriber group[GROUP] = { 0 };
		unsigned size = 1 + (unsigned)below(&seat->random, GROUP);

		for (unsigned i = 0; i < size; i++)
			if (subscribe(group, i, &seat->random, near))
				near = group[i].seq;
		for (unsigned i = 0; i < size; i++)
			if (group[i].rx != NULL &&
			    pthread_create(&group[i].thread, NULL, run_subscriber, &group[i]) != 0)
				abort();
		for (unsigned i = 0; i < size; i++)
			if (group[i].rx != NULL) {
				pthread_join(group[i].thread, NULL);
				near = group[i].seq;
			}
	} while (!leat_load_acq(&feed.ended) && leat_now_ns() < feed.enough_ns && !feed.stays);
	return NULL;
}

/* --- the books --- */

static uint64_t sum_sent(const struct leat_chan_stat *chan)
{
	return chan->offered - chan->rejected;
}

static void keep_books(const struct leat_snapshot *snapshot, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < snapshot->channels_count; i++) {
		const struct leat_chan_stat *now = &snapshot->channels[i];
		uint64_t dropped =
			now->dropped[LEAT_DROPPED_CANCELED] + now->dropped[LEAT_DROPPED_ABANDONED];

		if (strcmp(now->name, "feed") != 0)
			continue;
		if (now->offered != now->delivered + dropped + now->rejected + now->in_flight ||
		    now->in_flight > now->capacity)
			blame("the books do not balance: offered", (long)now->offered);
		if (books.seen && !now->ended &&
		    (sum_sent(now) < sum_sent(&books.last) ||
		     now->delivered < books.last.delivered))
			blame("a total fell by", (long)(sum_sent(&books.last) - sum_sent(now)));
		books.last = *now;
		books.seen = 1;
	}
}

/* The last ones, of a round that is over. */
static void check_books(void)
{
	const struct leat_chan_stat *last = &books.last;
	uint64_t dropped =
		last->dropped[LEAT_DROPPED_CANCELED] + last->dropped[LEAT_DROPPED_ABANDONED];

	if (!books.seen || !last->ended)
		blame("no last books", (long)books.seen);
	else if (sum_sent(last) != feed.accepted)
		blame("by the books too many were sent:", (long)(sum_sent(last) - feed.accepted));
	else if (last->in_flight != 0 || last->receivers != 0 || last->senders != 0)
		blame("in flight at the end:", (long)last->in_flight);
	else if (dropped != 0 && feed.end != CANCEL_SCOPE && feed.end != CLOSE &&
	         !(feed.opts.wait_for_first && last->canceled))
		blame("dropped, and neither closed nor cancelled:", (long)dropped);
}

/* --- a round --- */

static void draw_feed(uint64_t *random)
{
	static const size_t sizes[] = { 16, 16, 24, 40, 100 };

	memset(&feed, 0, sizeof(feed));
	memset(&books, 0, sizeof(books));
	feed.opts.name = "feed";
	feed.end = (enum end)below(random, ENDS);
	feed.opts.kind = below(random, 2) ? LEAT_MPMC : LEAT_SPSC;
	feed.opts.skip = below(random, 3) == 0;
	feed.opts.capacity = 1 + (below(random, 2) ? below(random, 8) : below(random, 64));
	feed.opts.subscribers = 1 + (unsigned)below(random, 16);
	feed.opts.send_wait = below(random, 2) ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE;
	feed.opts.wait_for_first = below(random, 4) == 0;
	if (!feed.opts.skip && below(random, 2))
		feed.opts.discard = discard_item;
	feed.stays = below(random, 3) == 0;
	feed.item_size = sizes[below(random, sizeof(sizes) / sizeof(sizes[0]))];
	feed.senders_count = feed.opts.kind == LEAT_MPMC ? 1 + (unsigned)below(random, SENDERS) : 1;
	feed.several = feed.opts.kind == LEAT_MPMC; /* holes, too */
	feed.enough_ns = leat_now_ns() + 30000000;
}

static void close_feed(void)
{
	pthread_rwlock_wrlock(&closing);
	leat_broadcast_close(feed.bc);
	feed.bc = NULL;
	pthread_rwlock_unlock(&closing);
}

static void end_feed(uint64_t *random)
{
	usleep((useconds_t)below(random, 5000));
	if (feed.end == CANCEL_SCOPE)
		leat_scope_cancel(feed.scope, 0, "enough");
	else if (feed.end == STOP_SCOPE)
		leat_scope_stop(feed.scope, LEAT_NEVER, "the end");
	else if (feed.end == CLOSE)
		close_feed();
	/* rlx: a join that is missed is cancelled with the rest */
	else if (feed.opts.wait_for_first && leat_load_rlx(&feed.joins) == 0)
		leat_scope_cancel(feed.scope, 0, "none came");
}

static void check_feed(void)
{
	if (feed.opts.discard != NULL && feed.discarded != feed.accepted)
		blame("accepted and not discarded:", (long)(feed.accepted - feed.discarded));
}

static uint64_t run_broadcast(uint64_t *random)
{
	struct sender senders[SENDERS] = { 0 };
	struct seat seats[SEATS] = { 0 };
	struct subscriber editor = { 0 };
	struct leat_census before;
	struct leat_diag *diag = NULL;
	char text[1000];
	unsigned seats_count = 1 + (unsigned)below(random, SEATS);

	leat_census_take(&before);
	draw_feed(random);
	if (below(random, 2)) {
		diag = leat_diag_start(
			&(struct leat_diag_opts){ .interval_ns = 200000, .callback = keep_books });
		if (diag == NULL)
			abort();
	}
	feed.scope = leat_scope_open(NULL, NULL);
	if (feed.scope == NULL || leat_broadcast_open(feed.scope, feed.item_size, &feed.opts,
	                                              &feed.bc, &senders[0].tx) != 0)
		abort();
	if (feed.end == STOP_SCOPE)
		leat_tx_source(senders[0].tx, true);
	if (below(random, 4) == 0)
		start_editor(&editor, random);
	for (unsigned i = 0; i < feed.senders_count; i++) {
		senders[i].number = i;
		senders[i].random = stress_random(random);
		if (i > 0)
			senders[i].tx = leat_tx_clone(senders[0].tx);
	}
	for (unsigned i = 0; i < seats_count; i++) {
		seats[i].random = stress_random(random);
		if (pthread_create(&seats[i].thread, NULL, run_seat, &seats[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < feed.senders_count; i++)
		if (pthread_create(&senders[i].thread, NULL, run_sender, &senders[i]) != 0)
			abort();
	end_feed(random);
	for (unsigned i = 0; i < feed.senders_count; i++)
		pthread_join(senders[i].thread, NULL);
	leat_store_rel(&feed.ended, 1);
	for (unsigned i = 0; i < seats_count; i++)
		pthread_join(seats[i].thread, NULL);
	if (feed.editor != NULL)
		pthread_join(editor.thread, NULL);
	leat_rx_close(editor.rx);
	close_feed();
	leat_scope_close(feed.scope);
	if (diag != NULL) {
		leat_diag_stop(diag);
		check_books();
	}
	check_feed();
	if (leat_census_left(&before, text, sizeof(text)) > 0) {
		fprintf(stderr, "%s\n", text);
		blame("left behind", 0);
	}
	if (rounds.faults != 0)
		fprintf(stderr,
		        "broadcast: kind %d, skip %d, capacity %zu, item %zu, %u senders, %u seats "
		        "of "
		        "%u, discard %d, waits %d, end %d, stays %d, editor %d, books %d\n",
		        feed.opts.kind, feed.opts.skip, feed.opts.capacity, feed.item_size,
		        feed.senders_count, seats_count, feed.opts.subscribers,
		        feed.opts.discard != NULL, feed.opts.send_wait, feed.end, feed.stays,
		        feed.editor != NULL, diag != NULL);
	return feed.joins;
}

int main(int argc, char **argv)
{
	return rounds_main("broadcast", run_broadcast, "subscribers", argc, argv);
}
