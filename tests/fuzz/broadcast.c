/*
 * Fuzzes broadcasts from one thread: joins from everywhere, subscribers of each lag, stages, sends,
 * receives, batches, fills, zero copy, clones, closes and a cancel, in any order, against a model
 * that knows for each number what was sent there. After each step each subscriber's position, what
 * it missed and what is pending, the books, and what was discarded must be those of the model.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"
#include "runtime/chan/stat.h"
#include "tests/fuzz/fuzz.h"

#include <leat/leat.h>

enum { SENDERS = 2, SUBS = 6, PLACES = 2 * SUBS, BATCH = 12, POSITIONS = 8192, NONE = -1 };

enum state { UNFINISHED, FULL, HOLE };

struct sub {
	struct leat_rx *rx; /* NULL: it has closed, or the place is free */
	enum leat_lag lag;
	uint64_t pos, head, missed;
	bool owes, ended, optional, used; /* used: open, or closed and with followers */
	int gate, followers;
	const void *items; /* what is peeked at */
	size_t held;
};

struct fuzzed {
	struct leat_broadcast_opts opts;
	size_t size;
	struct leat_scope *scope;
	struct leat_broadcast *bc;
	struct leat_chan *chan;
	struct leat_tx *tx[SENDERS];
	struct {
		void *slots;
		uint64_t at;
		size_t n;
	} held[SENDERS];
	/* the model */
	unsigned char state[POSITIONS];
	uint64_t number[POSITIONS], tail, granted, numbers, accepted;
	struct sub subs[PLACES];
	bool turns, had_one, canceled, rx_gone, left_behind;
	int senders, receivers, refused; /* refused: what sends return, once they do */
	uint64_t passed, watermark;
	uint64_t discarded, next_discard; /* how many; positions before it are */
};

static void discard(void *item, void *arg)
{
	struct fuzzed *f = arg;

	while (f->state[f->next_discard] != FULL)
		f->next_discard++;
	CHECK(item_is(item, f->number[f->next_discard], f->size), "discarded, position %llu",
	      (unsigned long long)f->next_discard);
	f->next_discard++;
	f->discarded++;
}

/* --- the model --- */

static uint64_t lowest_head(const struct fuzzed *f, uint64_t none)
{
	uint64_t lowest = UINT64_MAX;

	for (int i = 0; i < PLACES; i++)
		if (f->subs[i].rx != NULL && f->subs[i].lag != LEAT_LAG_SKIP &&
		    f->subs[i].head < lowest)
			lowest = f->subs[i].head;
	return lowest == UINT64_MAX ? none : lowest;
}

static uint64_t first_unfinished(const struct fuzzed *f, uint64_t until)
{
	for (uint64_t pos = 0; f->turns && pos < until; pos++)
		if (f->state[pos] == UNFINISHED)
			return pos;
	return until;
}

static uint64_t room(const struct fuzzed *f)
{
	uint64_t lowest = first_unfinished(f, lowest_head(f, f->tail));

	if (f->opts.wait_for_first && !f->had_one)
		return 0;
	/* a joiner may be behind by one more than the capacity */
	return lowest + f->opts.capacity > f->tail ? lowest + f->opts.capacity - f->tail : 0;
}

static uint64_t allowed(const struct fuzzed *f, const struct sub *sub)
{
	if (sub->gate == NONE || (sub->optional && f->subs[sub->gate].rx == NULL))
		return UINT64_MAX;
	return f->subs[sub->gate].head;
}

static uint64_t oldest(const struct fuzzed *f)
{
	uint64_t cap = f->opts.capacity, pos = f->tail > cap ? f->tail - cap : 0;
	uint64_t spare = f->opts.discard == NULL, written = 0;

	if (f->turns)
		return pos;
	if (f->granted > f->tail && f->granted > pos + cap + spare)
		pos = f->granted - cap - spare;
	for (int i = 0; i < SENDERS; i++)
		if (f->held[i].n > 0 && f->tail + f->held[i].n > cap)
			written = f->tail + f->held[i].n - cap;
	if (f->opts.discard != NULL && f->next_discard > pos && f->next_discard >= written)
		pos = f->next_discard;
	return pos;
}

/* Moves a subscriber on by what a receive of at most max items takes. Writes their numbers. */
static size_t take(struct fuzzed *f, struct sub *sub, uint64_t *numbers, size_t max)
{
	size_t n = 0;

	while (n < max && sub->pos < allowed(f, sub) && sub->pos < f->tail) {
		if (sub->lag == LEAT_LAG_SKIP && f->tail > sub->pos + f->opts.capacity) {
			uint64_t to = f->tail - (f->opts.capacity + 1) / 2;

			if (n > 0)
				break;
			sub->missed += to - sub->pos;
			sub->pos = to;
			continue;
		}
		if (f->state[sub->pos] == UNFINISHED)
			break;
		if (f->state[sub->pos] == FULL)
			numbers[n++] = f->number[sub->pos];
		sub->pos++;
	}
	return n;
}

static void release_owed(struct sub *sub)
{
	if (sub->owes)
		sub->head = sub->pos;
	sub->owes = false;
}

/* What a receive returns that has found nothing. */
static int end_if_over(struct fuzzed *f, struct sub *sub)
{
	const struct sub *gate = sub->gate == NONE ? NULL : &f->subs[sub->gate];

	if ((f->senders == 0 && sub->pos == f->tail) ||
	    (gate != NULL && !sub->optional && gate->rx == NULL && gate->head <= sub->pos)) {
		sub->ended = true;
		return 0;
	}
	return -EAGAIN;
}

static void accept(struct fuzzed *f, size_t n, bool full)
{
	for (size_t i = 0; i < n; i++, f->tail++) {
		f->state[f->tail] = full ? FULL : UNFINISHED;
		if (full)
			f->number[f->tail] = f->numbers++;
	}
	f->accepted += full ? n : 0;
	f->granted = f->tail;
}

/* --- sends --- */

static int expected_of_send(const struct fuzzed *f)
{
	return f->refused != 0 ? f->refused : room(f) == 0 ? -EAGAIN : 0;
}

/* Whether a batch goes by an inline body, for which the items' size is a constant. */
static bool is_inline(const struct fuzzed *f, size_t n)
{
	return f->size == sizeof(uint64_t) && n % 2 == 0;
}

static void send(struct fuzzed *f, int at, unsigned how, size_t n)
{
	unsigned char items[BATCH * FUZZ_ITEM_MAX];
	int expected = expected_of_send(f);
	ssize_t rc;

	for (size_t i = 0; i < n; i++)
		item_write(items + i * f->size, f->numbers + i, f->size);
	if (f->held[at].n > 0)
		expected = -EBUSY;
	if (how == 2) {
		/* where no subscriber holds it up, a batch goes round the ring */
		while (expected >= 0 && (size_t)expected < n && room(f) > 0) {
			size_t fits =
				room(f) < n - (size_t)expected ? room(f) : n - (size_t)expected;

			accept(f, fits, true);
			expected += (int)fits;
		}
		rc = is_inline(f, n) ? leat_try_send_batch(f->tx[at], (uint64_t *)(void *)items, n)
		                     : leat_try_send_batch(f->tx[at], (void *)items, n);
		CHECK(rc == expected, "batch: %zd, %d", rc, expected);
		return;
	}
	if (expected == 0)
		accept(f, 1, true); /* before a discard asks */
	if (how == 0)
		rc = leat_try_send(f->tx[at], (void *)items);
	else
		rc = leat_send_until(f->tx[at], (void *)items, 1);
	if (how == 1 && expected == -EAGAIN)
		expected = -ETIMEDOUT;
	CHECK(rc == expected, "send: %zd, %d", rc, expected);
}

static void reserve(struct fuzzed *f, int at, size_t want)
{
	int expected = expected_of_send(f);
	uint64_t fits = room(f);
	ssize_t rc;

	if (f->opts.skip)
		expected = f->refused != 0 ? f->refused : -ENOTSUP;
	if (f->held[at].n > 0)
		expected = -EBUSY;
	rc = leat_try_reserve(f->tx[at], want, &f->held[at].slots);
	if (expected < 0) {
		CHECK(rc == expected, "reserve: %zd, %d", rc, expected);
		return;
	}
	CHECK(rc > 0 && (uint64_t)rc <= fits && (size_t)rc <= want, "reserve: %zd of %llu", rc,
	      (unsigned long long)fits);
	f->held[at].at = f->tail;
	f->held[at].n = (size_t)rc;
	if (f->turns)
		accept(f, (size_t)rc, false);
	else
		f->granted = f->tail + (want < fits ? want : fits);
}

static void commit(struct fuzzed *f, int at, size_t n)
{
	if (f->held[at].n == 0)
		return;
	if (n > f->held[at].n)
		n = f->held[at].n;
	for (size_t i = 0; i < n; i++)
		item_write((char *)f->held[at].slots + i * f->size, f->numbers + i, f->size);
	if (!f->turns) {
		accept(f, n, true);
	} else {
		for (size_t i = 0; i < f->held[at].n; i++) {
			f->state[f->held[at].at + i] = i < n ? FULL : HOLE;
			f->number[f->held[at].at + i] = f->numbers + i;
		}
		f->numbers += n;
		f->accepted += n;
	}
	f->held[at].n = 0;
	CHECK(leat_commit(f->tx[at], n) == 0, "commit");
}

static void close_sender(struct fuzzed *f, int at)
{
	/* what it holds becomes holes */
	for (size_t i = 0; f->turns && i < f->held[at].n; i++)
		f->state[f->held[at].at + i] = HOLE;
	f->held[at].n = 0;
	f->granted = f->tail;
	leat_tx_close(f->tx[at]);
	f->tx[at] = NULL;
	f->senders--;
}

/* --- subscribers --- */

static void subscribe(struct fuzzed *f, struct input *in)
{
	struct leat_subscribe_opts opts = { .from = (enum leat_from)next_in(in, 0, 2),
		                            .lag = (enum leat_lag)next_in(in, 0, 2),
		                            .patience_ns = INT64_C(1) << 60 };
	unsigned with_gate = next_byte(in);
	struct leat_rx *rx, *gate = NULL;
	uint64_t first = oldest(f), start = opts.from == LEAT_FROM_NOW ? f->tail : first;
	int at = 0, gate_at = NONE, expected = 0;

	if (f->bc == NULL)
		return;
	opts.seq = first - 1 + next_in(in, 0, 3 + f->opts.capacity);
	for (int i = 0; (with_gate & 1) && i < PLACES; i++)
		if (f->subs[i].rx != NULL && f->subs[i].lag == LEAT_LAG_WAIT)
			gate_at = i;
	if (gate_at != NONE) {
		gate = f->subs[gate_at].rx;
		opts.after = &gate;
		opts.after_count = 1;
		opts.after_optional = with_gate & 2;
	}
	while (at < PLACES && f->subs[at].used)
		at++;
	if ((opts.lag == LEAT_LAG_SKIP && !f->opts.skip) ||
	    (opts.lag != LEAT_LAG_WAIT && f->opts.discard != NULL))
		expected = -EINVAL;
	else if (f->canceled)
		expected = -ECANCELED;
	else if (f->receivers == SUBS || at == PLACES)
		expected = -ENOSPC;
	else if (opts.from == LEAT_FROM_SEQ && (opts.seq < first || opts.seq > f->tail))
		expected = -ERANGE;
	CHECK(leat_broadcast_subscribe(f->bc, &opts, &rx) == expected, "subscribe: %d wanted",
	      expected);
	if (expected != 0)
		return;
	if (opts.from == LEAT_FROM_SEQ)
		start = opts.seq;
	f->subs[at] = (struct sub){ .rx = rx,
		                    .lag = opts.lag,
		                    .pos = start,
		                    .head = start,
		                    .optional = opts.after_optional,
		                    .gate = gate_at,
		                    .used = true };
	if (gate_at != NONE)
		f->subs[gate_at].followers++;
	f->receivers++;
	f->had_one = true;
}

static void receive(struct fuzzed *f, struct sub *sub, unsigned how, size_t max)
{
	unsigned char items[BATCH * FUZZ_ITEM_MAX];
	uint64_t numbers[BATCH];
	bool until = how == 1 || how == 3;
	ssize_t rc, expected;

	if (how < 2)
		max = 1;
	rc = how == 0   ? leat_try_recv(sub->rx, (void *)items)
	     : how == 1 ? leat_recv_until(sub->rx, (void *)items, 1)
	     : how == 2 ? is_inline(f, max)
	                          ? leat_try_recv_batch(sub->rx, (uint64_t *)(void *)items, max)
	                          : leat_try_recv_batch(sub->rx, (void *)items, max)
	                : leat_recv_fill(sub->rx, (void *)items, max, 1);
	if (sub->held > 0) {
		CHECK(rc == -EBUSY, "receive: %zd", rc);
		return;
	}
	release_owed(sub);
	if (sub->ended || f->canceled) {
		CHECK(rc == (sub->ended ? 0 : -ECANCELED), "receive: %zd", rc);
		return;
	}
	expected = (ssize_t)take(f, sub, numbers, max);
	if (expected > 0 && f->opts.discard != NULL)
		sub->owes = true;
	else
		sub->head = sub->pos;
	if (expected == 0)
		expected = end_if_over(f, sub);
	else if (how == 3 && (size_t)expected < max && f->opts.discard == NULL &&
	         sub->lag != LEAT_LAG_SKIP)
		end_if_over(f, sub); /* what ends a fill comes by the next call */
	if (expected == -EAGAIN && until)
		expected = -ETIMEDOUT;
	CHECK(rc == expected, "receive by %u: %zd, %zd", how, rc, expected);
	for (ssize_t i = 0; i < rc; i++)
		CHECK(item_is(items + (size_t)i * f->size, numbers[i], f->size), "item %zd", i);
}

static void peek(struct fuzzed *f, struct sub *sub, size_t want)
{
	struct sub ahead;
	uint64_t numbers[BATCH];
	ssize_t rc = leat_try_peek(sub->rx, want, &sub->items);
	int expected;

	if (sub->held > 0 || sub->lag != LEAT_LAG_WAIT) {
		CHECK(rc == (sub->held > 0 ? -EBUSY : -ENOTSUP), "peek: %zd", rc);
		return;
	}
	release_owed(sub);
	if (sub->ended || f->canceled) {
		CHECK(rc == (sub->ended ? 0 : -ECANCELED), "peek: %zd", rc);
		return;
	}
	while (sub->pos < f->tail && sub->pos < allowed(f, sub) && f->state[sub->pos] == HOLE)
		sub->pos++;
	sub->head = sub->pos;
	ahead = *sub;
	if (take(f, &ahead, numbers, want) == 0) {
		expected = end_if_over(f, sub);
		CHECK(rc == expected, "peek: %zd, %d", rc, expected);
		return;
	}
	CHECK(rc > 0 && (size_t)rc <= want, "peek: %zd", rc);
	sub->held = (size_t)rc;
	for (size_t i = 0; i < sub->held; i++)
		CHECK(f->state[sub->pos + i] == FULL &&
		              item_is((const char *)sub->items + i * f->size,
		                      f->number[sub->pos + i], f->size),
		      "peeked at, item %zu", i);
}

static void release(struct sub *sub, size_t n)
{
	if (n > sub->held || sub->held == 0) {
		CHECK(leat_release(sub->rx, n) == -EINVAL, "release");
		return;
	}
	CHECK(leat_release(sub->rx, n) == 0, "release");
	sub->held = 0;
	sub->pos += n;
	sub->head = sub->pos;
}

static void settle(struct sub *sub)
{
	sub->used = sub->rx != NULL || sub->followers > 0;
}

static void close_sub(struct fuzzed *f, struct sub *sub)
{
	bool last = f->receivers == 1 && f->bc == NULL;

	release_owed(sub);
	if (last && f->refused == 0)
		f->refused = -EPIPE;
	f->rx_gone |= last;
	if ((f->canceled || f->rx_gone) && sub->lag != LEAT_LAG_SKIP && !f->left_behind) {
		f->left_behind = true;
		f->passed = lowest_head(f, 0);
	}
	leat_rx_close(sub->rx);
	sub->rx = NULL;
	f->receivers--;
	if (sub->gate != NONE) {
		f->subs[sub->gate].followers--;
		settle(&f->subs[sub->gate]);
	}
	settle(sub);
}

static void close_broadcast(struct fuzzed *f)
{
	if (f->bc == NULL)
		return;
	leat_broadcast_close(f->bc);
	f->bc = NULL;
	if (f->receivers > 0)
		return;
	f->rx_gone = true;
	if (f->refused == 0)
		f->refused = -EPIPE;
}

/* --- after each step --- */

static void check_books(struct fuzzed *f)
{
	uint64_t lowest = f->left_behind ? f->passed : lowest_head(f, f->tail), delivered = 0, left;
	bool dropped = f->left_behind && f->receivers == 0;
	struct leat_chan_stat stat;

	leat_chan_read_stat(f->chan, &stat);
	if (lowest < f->watermark)
		lowest = f->watermark;
	lowest = first_unfinished(f, lowest < f->tail ? lowest : f->tail);
	f->watermark = lowest;
	for (uint64_t pos = 0; pos < lowest; pos++)
		delivered += f->state[pos] == FULL;
	left = f->accepted - delivered;
	CHECK(stat.delivered == delivered, "delivered %llu, %llu",
	      (unsigned long long)stat.delivered, (unsigned long long)delivered);
	CHECK(stat.in_flight == (dropped ? 0 : left), "in flight %llu, %llu",
	      (unsigned long long)stat.in_flight, (unsigned long long)left);
	/* the first of both endings counts */
	CHECK(stat.dropped[f->refused == -ECANCELED ? LEAT_DROPPED_CANCELED
	                                            : LEAT_DROPPED_ABANDONED] ==
	              (dropped ? left : 0),
	      "dropped");
	CHECK(stat.offered == f->accepted + stat.rejected, "offered");
	CHECK(stat.receivers == (uint32_t)f->receivers && stat.senders == (uint32_t)f->senders,
	      "handles");
}

static void check_subs(const struct fuzzed *f)
{
	for (int i = 0; i < PLACES; i++) {
		const struct sub *sub = &f->subs[i];
		uint64_t until = f->tail, pending;

		if (sub->rx == NULL)
			continue;
		if (allowed(f, sub) < until)
			until = allowed(f, sub);
		pending = until > sub->pos ? until - sub->pos : 0;
		if (pending > f->opts.capacity)
			pending = f->opts.capacity;
		if (f->canceled || sub->ended)
			pending = 0;
		CHECK(leat_rx_seq(sub->rx) == sub->pos, "seq %llu, %llu",
		      (unsigned long long)leat_rx_seq(sub->rx), (unsigned long long)sub->pos);
		CHECK(leat_rx_missed(sub->rx) == sub->missed, "missed");
		CHECK(leat_rx_pending(sub->rx) == pending, "pending");
	}
}

static void check_discarded(const struct fuzzed *f)
{
	uint64_t claimed = f->tail, until, expected = 0;

	if (f->opts.discard == NULL)
		return;
	for (int i = 0; !f->turns && i < SENDERS; i++)
		claimed += f->held[i].n;
	until = claimed > f->opts.capacity ? claimed - f->opts.capacity : 0;
	if (until < f->next_discard)
		until = f->next_discard; /* a reservation that was given back had discarded more */
	for (uint64_t pos = 0; pos < until; pos++)
		expected += f->state[pos] == FULL;
	CHECK(f->discarded == expected, "discarded %llu, %llu", (unsigned long long)f->discarded,
	      (unsigned long long)expected);
}

/* --- a story --- */

static void open_story(struct fuzzed *f, struct input *in)
{
	unsigned how = next_byte(in);

	memset(f, 0, sizeof(*f));
	f->opts.kind = how & 1 ? LEAT_MPMC : LEAT_SPSC;
	f->opts.skip = (how & 6) == 2;
	f->opts.wait_for_first = (how & 24) == 8;
	if ((how & 6) == 4) {
		f->opts.discard = discard;
		f->opts.discard_arg = f;
	}
	f->opts.subscribers = SUBS;
	f->opts.capacity = next_in(in, 1, 20);
	f->size = next_size(in);
	f->turns = f->opts.skip || f->opts.kind == LEAT_MPMC;
	f->scope = leat_scope_open(NULL, NULL);
	f->senders = 1;
	CHECK(f->scope != NULL, "no scope");
	CHECK(leat_broadcast_open(f->scope, f->size, &f->opts, &f->bc, &f->tx[0]) == 0, "open");
	f->chan = leat_handle_of_tx(f->tx[0])->chan;
}

static void send_step(struct fuzzed *f, unsigned what, unsigned how, size_t n)
{
	int at = (int)(how >> 7);

	if (what == 6 && f->tx[1] == NULL && f->tx[0] != NULL && f->opts.kind == LEAT_MPMC) {
		f->tx[1] = leat_tx_clone(f->tx[0]);
		CHECK(f->tx[1] != NULL, "clone");
		f->senders++;
		return;
	}
	if (f->tx[at] == NULL)
		return;
	if (what == 5 && how % 16 == 0)
		close_sender(f, at);
	else if (what == 4)
		commit(f, at, n - 1);
	else if (what == 3)
		reserve(f, at, n);
	else if (what < 3)
		send(f, at, what, n);
}

static void receive_step(struct fuzzed *f, struct sub *sub, unsigned what, size_t n)
{
	if (sub->rx == NULL)
		return;
	if (what == 6)
		close_sub(f, sub);
	else if (what == 5)
		release(sub, n - 1);
	else if (what == 4)
		peek(f, sub, n);
	else
		receive(f, sub, what, n);
}

static void close_story(struct fuzzed *f)
{
	for (int i = PLACES; i-- > 0;)
		if (f->subs[i].rx != NULL)
			close_sub(f, &f->subs[i]);
	for (int i = 0; i < SENDERS; i++)
		if (f->tx[i] != NULL && f->senders > 1)
			close_sender(f, i);
	if (f->senders > 0 || f->bc != NULL)
		check_books(f);
	for (int i = 0; i < SENDERS; i++)
		if (f->tx[i] != NULL)
			close_sender(f, i);
	close_broadcast(f);
	CHECK(f->opts.discard == NULL || f->discarded == f->accepted, "discarded at the end");
	leat_scope_close(f->scope);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzzed f;
	struct input in = { data, data + size };

	open_story(&f, &in);
	while (in.at < in.end && f.tail + 2 * BATCH < POSITIONS) {
		unsigned what = next_byte(&in), how = next_byte(&in);
		size_t n = 1 + how % BATCH;

		if (what % 16 < 7) {
			send_step(&f, what % 16, how, n);
		} else if (what % 16 < 14) {
			receive_step(&f, &f.subs[(what >> 4) % PLACES], what % 16 - 7, n);
		} else if (what % 16 == 14) {
			subscribe(&f, &in);
		} else if (how % 16 == 0) {
			close_broadcast(&f);
		} else if (how % 64 == 1) {
			leat_scope_cancel(f.scope, 0, NULL);
			f.canceled = true;
			if (f.refused == 0)
				f.refused = -ECANCELED;
		}
		check_subs(&f);
		if (f.senders + f.receivers > 0 || f.bc != NULL)
			check_books(&f);
		check_discarded(&f);
	}
	close_story(&f);
	return 0;
}
