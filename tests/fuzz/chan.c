/*
 * Fuzzes channels of every kind and overflow policy from one thread: sends, receives, batches, zero
 * copy, clones, closes and cancelling, in any order, against turns.h and books of its own. After
 * each step the channel's books must be those; each item comes out once, whole and in its order, or
 * is discarded once.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"
#include "tests/fuzz/start.h"
#include "tests/fuzz/turns.h"

#include <leat/diag.h>

enum { HANDLES = 3, BATCH_MAX = 64 };

/* How a call moves items: one; one, with a deadline that has passed; several. */
enum how { ONE, ONE_UNTIL, BATCH };

struct end {
	struct leat_tx *tx; /* of senders */
	struct leat_rx *rx; /* of receivers */
	void *items;        /* what is reserved, or peeked at */
	struct turns_claim held;
	bool scratched; /* it is no slot */
};

struct fuzzed {
	struct leat_chan *chan;
	struct leat_scope *scope;
	enum leat_kind kind;
	enum leat_overflow overflow;
	size_t size, start_run;
	bool turns, packed;
	struct end senders[HANDLES], receivers[HANDLES];
	/* the model */
	struct turns ring;
	bool canceled, rx_gone, tx_gone, ended;
	uint64_t number, delivered, rejected, dropped[LEAT_DROP_REASONS], skipped;
	uint64_t base; /* items that the books begin with */
	/* what was discarded and is not yet accounted for, in order */
	uint64_t expected[BATCH_MAX * 4];
	unsigned char discarded[BATCH_MAX * 4][FUZZ_ITEM_MAX];
	size_t expected_count, discarded_count;
};

/* The end of the one channel of an input, as it was told. */
static struct leat_chan_stat last;
static unsigned lasts;

static void discard(void *item, void *arg)
{
	struct fuzzed *f = arg;

	CHECK(f->discarded_count < BATCH_MAX * 4, "so many were never sent");
	memcpy(f->discarded[f->discarded_count++], item, f->size);
}

static void expect_drop(struct fuzzed *f, uint64_t number, enum leat_drop reason)
{
	f->expected[f->expected_count++] = number;
	f->dropped[reason]++;
}

static void check_discarded(struct fuzzed *f)
{
	CHECK(f->discarded_count == f->expected_count, "%zu, %zu wanted", f->discarded_count,
	      f->expected_count);
	for (size_t i = 0; i < f->expected_count; i++)
		CHECK(item_is(f->discarded[i], f->expected[i], f->size),
		      "item %zu that was discarded", i);
	f->discarded_count = f->expected_count = 0;
}

static enum leat_drop reason_now(const struct fuzzed *f)
{
	return f->canceled ? LEAT_DROPPED_CANCELED : LEAT_DROPPED_ABANDONED;
}

/* Frees what was given up at the front. */
static void skip(struct fuzzed *f)
{
	f->skipped -= turns_skip(&f->ring);
}

/* Whether there is something to take, if need be behind what was given up. */
static bool has_item(struct fuzzed *f)
{
	uint64_t at = f->ring.head;

	for (size_t i = 0; i < f->ring.capacity && turns_slot(&f->ring, at)->state == SLOT_SKIPPED;
	     i++)
		at++;
	return turns_slot(&f->ring, at)->state == SLOT_FULL;
}

/* Takes at the front, behind what was given up. */
static size_t take(struct fuzzed *f, size_t want, struct turns_claim *claim)
{
	skip(f);
	return turns_take(&f->ring, want, claim);
}

static void drain(struct fuzzed *f, enum leat_drop reason)
{
	struct turns_claim claim;

	while (take(f, BATCH_MAX, &claim) > 0) {
		for (size_t i = 0; i < claim.n; i++)
			expect_drop(f, turns_slot(&f->ring, claim.at + i)->number, reason);
		turns_free(&f->ring, &claim);
	}
}

/* What stands in the ring: sent, and not yet received. */
static uint64_t in_flight(struct fuzzed *f)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < f->ring.capacity; i++)
		n += f->ring.slots[i].state == SLOT_FULL || f->ring.slots[i].state == SLOT_TAKEN;
	return n;
}

/* How many from `at` on stand side by side where they are lent. */
static size_t side_by_side(const struct fuzzed *f, uint64_t at)
{
	if (f->turns)
		return f->packed ? 1 : FUZZ_CAPACITY_MAX;
	return f->start_run - (size_t)(at % f->start_run);
}

static int refusal(const struct fuzzed *f)
{
	return f->canceled ? -ECANCELED : f->rx_gone ? -EPIPE : 0;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Drops the oldest, if no receiver stands in the way; then there is room. */
static void drop_oldest(struct fuzzed *f)
{
	struct turns_claim claim;

	if (turns_take_oldest(&f->ring, &claim, SLOT_FULL) == 1)
		expect_drop(f, turns_slot(&f->ring, claim.at)->number, LEAT_DROPPED_OLDEST);
	turns_free(&f->ring, &claim);
}

/*
 * One try at up to n items, the first of which is number f->number: how many were accepted, as an
 * attempt does it.
 */
static ssize_t put(struct fuzzed *f, size_t n)
{
	struct turns_claim claim;
	size_t done = 0, k;

	do {
		k = turns_claim(&f->ring, n - done, &claim);
		for (size_t i = 0; i < k; i++)
			turns_slot(&f->ring, claim.at + i)->number = f->number++;
		turns_commit(&f->ring, &claim, k);
		done += k;
	} while (k > 0 && done < n);
	if (done > 0 || f->overflow == LEAT_BLOCK)
		return done > 0 ? (ssize_t)done : -EAGAIN;
	if (f->overflow == LEAT_DROP_OLDEST) {
		drop_oldest(f);
		if (turns_slot(&f->ring, f->ring.tail)->state == SLOT_FREE)
			return put(f, 1);
	}
	expect_drop(f, f->number++, LEAT_DROPPED_NEWEST);
	return 1;
}

static ssize_t call_send(struct fuzzed *f, struct leat_tx *tx, unsigned char *items, size_t n,
                         enum how how)
{
	/* the size is then a constant, and the call inline */
	bool typed = f->size == sizeof(uint64_t);

	if (how == BATCH) /* inline and not, in turn: they share the cursor */
		return typed && f->number % 2 == 0
		               ? leat_try_send_batch(tx, (uint64_t *)(void *)items, n)
		               : leat_try_send_batch(tx, items, n);
	if (how == ONE_UNTIL)
		return typed ? leat_send_until(tx, (uint64_t *)(void *)items, 1)
		             : leat_send_until(tx, items, 1);
	return typed ? leat_try_send(tx, (uint64_t *)(void *)items) : leat_try_send(tx, items);
}

static void send(struct fuzzed *f, struct end *e, size_t n, enum how how)
{
	_Alignas(64) unsigned char items[BATCH_MAX * FUZZ_ITEM_MAX];
	uint64_t first = f->number;
	size_t accepted = 0;
	ssize_t wanted = 0, did;

	for (size_t i = 0; i < n; i++)
		item_write(items + i * f->size, first + i, f->size);
	did = call_send(f, e->tx, items, n, how);
	if (e->held.n > 0) {
		CHECK(did == -EBUSY, "%zd", did);
		return;
	}
	while (accepted < n && (wanted = refusal(f) != 0 ? refusal(f) : put(f, n - accepted)) > 0)
		accepted += (size_t)wanted;
	if (wanted == -EAGAIN && how == ONE_UNTIL)
		wanted = -ETIMEDOUT;
	if (accepted > 0 || n == 0)
		wanted = how == BATCH ? (ssize_t)accepted : 0;
	else if (wanted != -EAGAIN)
		f->rejected += n;
	CHECK(did == wanted, "%zd, %zd wanted of %zu", did, wanted, n);
	/* those not taken are not sent again, so that one that was sent all the same is found */
	f->number = first + n;
}

/* What a receive answers where there is nothing, or what stands in its way; 1: it may take. */
static ssize_t receivable(struct fuzzed *f, bool found)
{
	if (f->canceled)
		return -ECANCELED;
	if (f->ended)
		return 0;
	if (found)
		return 1;
	if (!f->tx_gone)
		return -EAGAIN;
	f->ended = true;
	return 0;
}

static void check_received(struct fuzzed *f, const unsigned char *items,
                           const struct turns_claim *claim)
{
	for (size_t i = 0; i < claim->n; i++) {
		uint64_t number = turns_slot(&f->ring, claim->at + i)->number;

		CHECK(item_is(items + i * f->size, number, f->size), "item %llu",
		      (unsigned long long)number);
	}
}

static ssize_t call_receive(struct fuzzed *f, struct leat_rx *rx, unsigned char *items, size_t n,
                            enum how how)
{
	bool typed = f->size == sizeof(uint64_t);

	if (how == BATCH)
		return typed && f->number % 2 == 0
		               ? leat_try_recv_batch(rx, (uint64_t *)(void *)items, n)
		               : leat_try_recv_batch(rx, items, n);
	if (how == ONE_UNTIL)
		return typed ? leat_recv_until(rx, (uint64_t *)(void *)items, 1)
		             : leat_recv_until(rx, items, 1);
	return typed ? leat_try_recv(rx, (uint64_t *)(void *)items) : leat_try_recv(rx, items);
}

static void receive(struct fuzzed *f, struct end *e, size_t n, enum how how)
{
	_Alignas(64) unsigned char items[BATCH_MAX * FUZZ_ITEM_MAX];
	struct turns_claim claim;
	size_t taken = 0, k;
	ssize_t wanted, did;

	did = call_receive(f, e->rx, items, n, how);
	if (e->held.n > 0 || n == 0) {
		CHECK(did == (e->held.n > 0 ? -EBUSY : -EINVAL), "%zd", did);
		return;
	}
	if (f->canceled)
		drain(f, LEAT_DROPPED_CANCELED);
	for (k = f->canceled || f->ended ? 0 : take(f, n, &claim); k > 0;
	     k = turns_take(&f->ring, n - taken, &claim)) {
		check_received(f, items + taken * f->size, &claim);
		turns_free(&f->ring, &claim);
		taken += k;
	}
	wanted = receivable(f, taken > 0);
	if (wanted == 1)
		wanted = (ssize_t)taken;
	else if (wanted == -EAGAIN && how == ONE_UNTIL)
		wanted = -ETIMEDOUT;
	CHECK(did == wanted, "%zd, %zd wanted of %zu", did, wanted, n);
	f->delivered += taken;
}

/* Where a reservation would be in the way of other senders, it is no slot. */
static bool shares_its_drops(const struct fuzzed *f)
{
	return f->overflow != LEAT_BLOCK && (f->kind == LEAT_MPSC || f->kind == LEAT_MPMC);
}

/* Those that would wait are left out. */
static void reserve(struct fuzzed *f, struct end *e, size_t want)
{
	size_t n = least(want, f->overflow == LEAT_BLOCK ? side_by_side(f, f->ring.tail) : 1);
	ssize_t did;

	if (e->held.n > 0 || refusal(f) != 0) {
		did = leat_reserve(e->tx, want, &e->items);
		CHECK(did == (e->held.n > 0 ? -EBUSY : refusal(f)), "%zd", did);
		return;
	}
	if (!shares_its_drops(f) && turns_claim(&f->ring, n, &e->held) == 0 &&
	    f->overflow == LEAT_BLOCK)
		return;
	did = leat_reserve(e->tx, want, &e->items);
	e->scratched = e->held.n == 0;
	if (e->scratched)
		e->held.n = 1;
	CHECK(did == (ssize_t)e->held.n, "%zd of %zu, %zu wanted", did, want, e->held.n);
	CHECK((uintptr_t)e->items % leat_item_align(f->size) == 0, "alignment");
	for (size_t i = 0; i < e->held.n; i++) {
		if (!e->scratched)
			turns_slot(&f->ring, e->held.at + i)->number = f->number + i;
		item_write((char *)e->items + i * f->size, f->number + i, f->size);
	}
	f->number += e->held.n;
}

/* One that is sent under the number that it was given before. */
static void put_numbered(struct fuzzed *f, uint64_t number)
{
	uint64_t next = f->number;

	f->number = number;
	put(f, 1);
	f->number = next;
}

/* The model's part of a commit, or of a close of a handle that holds. */
static void let_go(struct fuzzed *f, struct end *e, size_t n, uint64_t scratch_number)
{
	if (!e->scratched)
		f->skipped += turns_commit(&f->ring, &e->held, n);
	else if (n > 0)
		put_numbered(f, scratch_number);
	e->held.n = 0;
	e->scratched = false;
}

static void commit(struct fuzzed *f, struct end *e, size_t n)
{
	int rc;

	if (e->held.n == 0 || n > e->held.n) {
		CHECK(leat_commit(e->tx, n) == -EINVAL, "%zu of %zu", n, e->held.n);
		return;
	}
	item_write(e->items, f->number, f->size); /* written once more, so late */
	if (!e->scratched)
		turns_slot(&f->ring, e->held.at)->number = f->number;
	rc = leat_commit(e->tx, n);
	CHECK(rc == 0, "%d", rc);
	let_go(f, e, n, f->number++);
}

static void peek(struct fuzzed *f, struct end *e, size_t want)
{
	const void *items = NULL;
	ssize_t did, wanted;

	if (e->held.n == 0 && !f->canceled && !f->ended) {
		if (!has_item(f) && !f->tx_gone)
			return; /* it would wait */
		skip(f);
		turns_take(&f->ring, least(want, side_by_side(f, f->ring.head)), &e->held);
		did = leat_peek(e->rx, want, &items);
		wanted = receivable(f, e->held.n > 0);
		CHECK(did == (wanted == 1 ? (ssize_t)e->held.n : wanted), "%zd of %zu, %zu wanted",
		      did, want, e->held.n);
		e->items = (void *)(uintptr_t)items;
		check_received(f, items, &e->held);
		return;
	}
	did = leat_peek(e->rx, want, &items);
	if (e->held.n > 0) {
		CHECK(did == -EBUSY, "%zd", did);
		return;
	}
	CHECK(did == receivable(f, false), "%zd", did);
	if (f->canceled)
		drain(f, LEAT_DROPPED_CANCELED);
}

static bool put_back(struct fuzzed *f, struct end *e, size_t n)
{
	if (f->turns && f->ended)
		return false;
	return turns_untake(&f->ring, &e->held, n);
}

static void release(struct fuzzed *f, struct end *e, size_t n)
{
	bool can = e->held.n > 0 && n <= e->held.n;
	int rc;

	if (e->held.n > 0)
		check_received(f, e->items, &e->held); /* still there */
	if (can && n < e->held.n)
		can = put_back(f, e, n);
	rc = leat_release(e->rx, n);
	CHECK(rc == (can ? 0 : -EINVAL), "%d for %zu of %zu", rc, n, e->held.n);
	if (!can)
		return;
	e->held.n = n;
	turns_free(&f->ring, &e->held);
	e->held.n = 0;
	f->delivered += n;
}

static size_t open_ends(const struct end *ends)
{
	size_t n = 0;

	for (size_t i = 0; i < HANDLES; i++)
		n += ends[i].tx != NULL || ends[i].rx != NULL;
	return n;
}

/* What the channel's last handle leaves behind. */
static void model_destroy(struct fuzzed *f)
{
	if (f->tx_gone && f->rx_gone)
		drain(f, reason_now(f));
}

static void close_sender(struct fuzzed *f, struct end *e)
{
	if (e->held.n > 0)
		let_go(f, e, 0, 0);
	leat_tx_close(e->tx);
	*e = (struct end){ 0 };
	f->tx_gone = open_ends(f->senders) == 0;
	model_destroy(f);
}

static void close_receiver(struct fuzzed *f, struct end *e)
{
	if (e->held.n > 0 && !put_back(f, e, 0)) {
		for (size_t i = 0; i < e->held.n; i++)
			expect_drop(f, turns_slot(&f->ring, e->held.at + i)->number, reason_now(f));
		turns_free(&f->ring, &e->held);
	}
	leat_rx_close(e->rx);
	*e = (struct end){ 0 };
	f->rx_gone = open_ends(f->receivers) == 0;
	if (f->rx_gone)
		drain(f, reason_now(f));
	model_destroy(f);
}

static void add_clone(struct fuzzed *f, struct end *ends, const struct end *e, bool many)
{
	for (size_t i = 0; i < HANDLES; i++) {
		if (ends[i].tx != NULL || ends[i].rx != NULL)
			continue;
		ends[i].tx = e->tx != NULL ? leat_tx_clone(e->tx) : NULL;
		ends[i].rx = e->rx != NULL ? leat_rx_clone(e->rx) : NULL;
		CHECK((ends[i].tx != NULL || ends[i].rx != NULL) == many, "kind %d", f->kind);
		return;
	}
}

static void cancel(struct fuzzed *f)
{
	leat_scope_cancel(f->scope, 0, "told to");
	if (!f->ended && !f->rx_gone)
		f->canceled = true;
}

static void sender_step(struct fuzzed *f, struct end *e, unsigned op, size_t n)
{
	switch (op) {
	case 0:
	case 1:
		send(f, e, 1, op == 0 ? ONE : ONE_UNTIL);
		break;
	case 2:
		send(f, e, n, BATCH);
		break;
	case 3:
		reserve(f, e, n + 1);
		break;
	case 4:
		commit(f, e, n % (e->held.n + 2));
		break;
	case 5:
		add_clone(f, f->senders, e, f->kind == LEAT_MPSC || f->kind == LEAT_MPMC);
		break;
	case 6:
		if (n % 4 == 0)
			close_sender(f, e);
		break;
	default:
		CHECK(leat_tx_done(e->tx) == (refusal(f) != 0), "done");
		if (n == 9)
			cancel(f);
		break;
	}
}

static void receiver_step(struct fuzzed *f, struct end *e, unsigned op, size_t n)
{
	switch (op) {
	case 0:
	case 1:
		receive(f, e, 1, op == 0 ? ONE : ONE_UNTIL);
		break;
	case 2:
		receive(f, e, n, BATCH);
		break;
	case 3:
		peek(f, e, n + 1);
		break;
	case 4:
	case 5:
		release(f, e, op == 4 ? e->held.n : n % (e->held.n + 2));
		break;
	case 6:
		add_clone(f, f->receivers, e, f->kind == LEAT_SPMC || f->kind == LEAT_MPMC);
		break;
	default:
		if (n % 4 == 0)
			close_receiver(f, e);
		break;
	}
}

static void check_books(const struct fuzzed *f, const struct leat_chan_stat *stat, uint64_t flying)
{
	uint64_t sum = stat->delivered + stat->rejected + stat->in_flight;

	for (int i = 0; i < LEAT_DROP_REASONS; i++) {
		CHECK(stat->dropped[i] == f->dropped[i], "dropped %s: %llu, %llu wanted",
		      leat_drop_name(i), (unsigned long long)stat->dropped[i],
		      (unsigned long long)f->dropped[i]);
		sum += stat->dropped[i];
	}
	CHECK(stat->delivered - f->base == f->delivered, "%llu, %llu wanted",
	      (unsigned long long)(stat->delivered - f->base), (unsigned long long)f->delivered);
	CHECK(stat->rejected == f->rejected, "%llu", (unsigned long long)stat->rejected);
	CHECK(stat->in_flight == flying, "%llu, %llu wanted", (unsigned long long)stat->in_flight,
	      (unsigned long long)flying);
	CHECK(stat->offered == sum, "the books");
	CHECK(stat->peak >= flying && stat->peak <= f->ring.capacity, "peak %llu",
	      (unsigned long long)stat->peak);
}

static void look(struct fuzzed *f)
{
	struct leat_chan_stat stat;

	check_discarded(f);
	if (f->tx_gone && f->rx_gone)
		return; /* and the channel with them */
	leat_chan_read_stat(f->chan, &stat);
	check_books(f, &stat, in_flight(f));
	CHECK(stat.senders == open_ends(f->senders) && stat.receivers == open_ends(f->receivers),
	      "handles");
	CHECK(stat.canceled == f->canceled, "canceled");
}

static void begin_late(struct fuzzed *f, uint64_t start)
{
	struct leat_chan *chan = f->chan;

	if (f->turns) {
		f->ring.first = start % f->ring.capacity;
		mpmc_start(&chan->mpmc, mpmc_lap(&chan->mpmc, start), f->ring.first);
		f->base = leat_mpmc_count(&chan->mpmc, chan->mpmc.tail);
		chan->first_tx.cursor.next = chan->first_rx.cursor.next = chan->mpmc.tail;
	} else {
		f->base = start >> 63 == 0 || start << 1 == 0 ? start
		                                              /* books count, and do not wrap */
		                                              : UINT64_C(1) << 63;
		spsc_start(&chan->spsc, &chan->first_tx.spsc, &chan->first_rx.spsc, f->base);
	}
	chan->last_stat.delivered = f->base;
}

static void open_one(struct fuzzed *f, struct input *in)
{
	struct leat_chan_opts opts = { .discard = discard, .discard_arg = f };
	unsigned kind = next_byte(in);
	uint64_t start;

	f->size = next_size(in);
	f->ring.capacity = next_in(in, 1, FUZZ_CAPACITY_MAX);
	opts.kind = f->kind = kind & 3;
	opts.overflow = f->overflow = (kind >> 2) % 3;
	opts.capacity = f->ring.capacity;
	opts.full_fence = kind & 128;
	f->scope = leat_scope_open(NULL, NULL);
	CHECK(f->scope != NULL, "no scope");
	CHECK(leat_chan_open(f->scope, f->size, &opts, &f->senders[0].tx, &f->receivers[0].rx) == 0,
	      "no channel");
	f->chan = f->senders[0].tx->chan;
	f->turns = f->chan->turns;
	f->ring.endless = !f->turns;
	f->packed = f->turns && leat_mpmc_packed(f->size);
	f->start_run = leat_spsc_run(f->size, f->ring.capacity);
	start = next_start(in);
	if (start != 0)
		begin_late(f, start);
}

static void keep_last(const struct leat_end *end, void *unused)
{
	(void)unused;
	last = end->chan;
	lasts++;
}

static void close_all(struct fuzzed *f, struct leat_listener *listener)
{
	for (size_t i = 0; i < HANDLES; i++) {
		if (f->senders[i].tx != NULL)
			close_sender(f, &f->senders[i]);
		if (f->receivers[i].rx != NULL)
			close_receiver(f, &f->receivers[i]);
		look(f);
	}
	lasts = 0;
	leat_registry_take(listener, keep_last, NULL);
	CHECK(lasts == 1 && last.ended, "%u ends", lasts);
	check_books(f, &last, 0);
	CHECK(leat_scope_close(f->scope) == 0, "the scope");
	CHECK(leat_registry_size() == 0, "channels left");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct leat_listener listener;
	static bool listens;
	static struct fuzzed f;
	struct input in = { data, data + size };

	if (!listens)
		leat_registry_listen(&listener);
	listens = true;
	memset(&f, 0, sizeof(f));
	open_one(&f, &in);
	look(&f);
	while (in.at < in.end) {
		unsigned op = next_byte(&in), arg = next_byte(&in);
		struct end *e = &(op & 8 ? f.receivers : f.senders)[(op >> 4) % HANDLES];

		if (e->tx != NULL)
			sender_step(&f, e, op & 7, arg % BATCH_MAX);
		else if (e->rx != NULL)
			receiver_step(&f, e, op & 7, arg % BATCH_MAX);
		look(&f);
	}
	close_all(&f, &listener);
	return 0;
}
