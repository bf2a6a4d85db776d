/*
 * The ring of a broadcast with several senders, or with subscribers that may be overtaken. Each
 * slot has a turn, a word that says which position it holds, and in which state:
 *
 *     position * 4 + WRITING   a sender that copies word by word is in the slot
 *     position * 4 + FULL      the item is there
 *     position * 4 + HOLE      the sender gave the slot back
 *
 * A slot that no sender has used yet has turn 0. A sender claims positions by a swap of tail, and
 * only as far as `limit`, so a sender that waits holds no position.
 *
 * Overtaken subscribers. A subscriber with LEAT_LAG_SKIP may copy an item while a sender writes the
 * next one into that slot. The sender stores the turn WRITING before the first word of the item,
 * and FULL after the last. The subscriber loads the turn, the words, and the turn again. If it
 * copied a word of the new item, then that word's load (acquire) read what the sender stored
 * (release) after WRITING, so the second load of the turn is no longer FULL of the old position.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/broadcast/broadcast.h"
#include "runtime/chan/transfer.h"

#include <string.h>

enum { WRITING = 1, FULL = 2, HOLE = 3, STATE_BITS = 2 };
/* The largest item that is in the line of its turn. */
enum { PACKED_MAX = 24, LINE = 64 };

static uint64_t turn_of(uint64_t pos, unsigned state)
{
	return pos << STATE_BITS | state;
}

static size_t index_of(const struct leat_broadcast *bc, uint64_t pos)
{
	return (size_t)(bc->mask != 0 ? pos & bc->mask : pos % bc->capacity);
}

struct slot {
	uint64_t *turn;
	unsigned char *item;
};

static struct slot slot_at(const struct leat_broadcast *bc, uint64_t pos)
{
	const size_t index = index_of(bc, pos), run = index >> bc->run_shift;
	const size_t in_run = index & bc->run_mask;
	unsigned char *turns = bc->slot_turns + run * bc->turns_apart;

	return (struct slot){ (uint64_t *)(void *)turns + in_run,
		              bc->slots + run * bc->items_apart + in_run * bc->stride };
}

/* How many items, from this position on, have no room between them. */
static size_t count_side_by_side(const struct leat_broadcast *bc, uint64_t pos)
{
	size_t index = index_of(bc, pos), left = bc->capacity - index;
	size_t in_run = bc->run_mask + 1 - (index & bc->run_mask);

	if (bc->stride != bc->chan->item_size)
		return 1;
	return bc->packed && in_run < left ? in_run : left;
}

static uint64_t position_of(uint64_t tail)
{
	return tail >> LEAT_TAIL_JOINS;
}

/*
 * Where turns and items are: four items of a word, or two of up to three words, in a line with
 * their turns; larger items have an array of their own.
 */
static void lay_out(struct leat_broadcast *bc, size_t item_size)
{
	/* words of a whole item, so that it can be copied word by word */
	bc->stride = bc->skip ? (item_size + 7) / 8 * 8 : item_size;
	bc->packed = item_size <= PACKED_MAX;
	bc->run_shift = !bc->packed ? 0 : item_size <= sizeof(uint64_t) ? 2 : 1;
	bc->run_mask = ((size_t)1 << bc->run_shift) - 1;
	bc->turns_apart = bc->packed ? LINE : sizeof(uint64_t);
	bc->items_apart = bc->packed ? LINE : bc->stride;
}

int leat_turns_open(struct leat_broadcast *bc, size_t item_size)
{
	size_t turns, items, runs;

	lay_out(bc, item_size);
	runs = ((bc->capacity - 1) >> bc->run_shift) + 1;
	bc->mask = (bc->capacity & (bc->capacity - 1)) == 0 ? bc->capacity - 1 : 0;
	if (__builtin_mul_overflow(runs, bc->turns_apart, &turns) ||
	    __builtin_mul_overflow(runs, bc->items_apart, &items) || bc->stride < item_size)
		return -ENOMEM;
	bc->slot_turns = leat_os_alloc(turns, LINE);
	bc->limit = bc->wait_for_first ? 0 : bc->capacity;
	if (bc->slot_turns == NULL)
		return -ENOMEM;
	bc->slots = bc->packed ? bc->slot_turns + (bc->run_mask + 1) * sizeof(uint64_t)
	                       : leat_os_alloc(items, LINE);
	return bc->slots == NULL ? -ENOMEM : 0;
}

void leat_turns_free(struct leat_broadcast *bc)
{
	leat_os_free(bc->slot_turns);
	if (!bc->packed)
		leat_os_free(bc->slots);
}

/* --- the turn of a slot --- */

static uint64_t load_turn(struct slot slot)
{
	/* T1: the item written; pairs with write_plain(), write_guarded(), leat_turns_commit() */
	return leat_load_acq(slot.turn);
}

/* Whether the sender that claimed this position has written it, or has given it back. */
static bool is_finished(const struct leat_broadcast *bc, uint64_t pos)
{
	uint64_t turn = load_turn(slot_at(bc, pos));

	return turn == turn_of(pos, FULL) || turn == turn_of(pos, HOLE);
}

/* --- senders --- */

/*
 * Of several senders: the first position before `until` that a sender has claimed and not finished.
 * No sender claims its slot again before that, or two senders would be in the slot. A head does not
 * say so: a subscriber may have joined behind that position, or miss it.
 */
static uint64_t first_unfinished(struct leat_broadcast *bc, uint64_t until)
{
	while ((int64_t)(until - bc->finished) > 0 && is_finished(bc, bc->finished))
		bc->finished++; /* scan_lock is held */
	return (int64_t)(until - bc->finished) > 0 ? bc->finished : until;
}

/* Scans, and sets limit. Returns whether there is room behind the tail. */
static bool find_room(struct leat_broadcast *bc)
{
	uint64_t tail, lowest;
	bool found;

	leat_mutex_lock(&bc->scan_lock);
	tail = leat_broadcast_tail(bc);
	lowest = leat_broadcast_scan(bc, tail);
	if (leat_chan_many_senders(bc->chan))
		lowest = first_unfinished(bc, lowest);
	/* rlx: the lock */
	if (leat_load_rlx(&bc->senders_closed) || leat_broadcast_must_wait(bc))
		lowest = tail - bc->capacity;
	found = (int64_t)(lowest + bc->capacity - tail) > 0;
	/* L1: the items read; pairs with claim_known() */
	leat_store_rel(&bc->limit, lowest + bc->capacity);
	leat_mutex_unlock(&bc->scan_lock);
	if (!found && is_finished(bc, lowest)) /* else a subscriber there waits for a sender */
		leat_broadcast_lose_patience(bc, lowest);
	return found;
}

void leat_turns_close(struct leat_chan *chan)
{
	struct leat_broadcast *bc = leat_broadcast_of(chan);

	leat_mutex_lock(&bc->scan_lock);
	leat_store_rel(&bc->limit, 0); /* L1: as find_room() */
	leat_turns_join(bc); /* so that no claim that has loaded the limit before succeeds */
	/* K1: the last claim before it; pairs with has_last_item() */
	leat_store_rel(&bc->senders_closed, 1);
	leat_mutex_unlock(&bc->scan_lock);
}

/* Claims up to n positions, as far as the last scan found room. Returns how many. */
static inline size_t claim_known(struct leat_broadcast *bc, size_t n, uint64_t *pos)
{
	uint64_t tail;
	int64_t room;

	/* another sender has the line: ask for it once, and not to read it first */
	leat_prefetch_write(&bc->tail);
	tail = leat_load_acq(&bc->tail); /* J2: pairs with leat_turns_join() */
	do {
		*pos = position_of(tail);
		room = (int64_t)(leat_load_acq(&bc->limit) - *pos); /* L1: pairs with find_room() */
		if (room <= 0)
			return 0;
		if ((uint64_t)room < n)
			n = (size_t)room;
		/* J2: pairs with leat_turns_join() */
	} while (!leat_cas_acqrel(&bc->tail, &tail, tail + ((uint64_t)n << LEAT_TAIL_JOINS)));
	return n;
}

/* Claims up to n positions. Returns how many; *pos is the first. */
static size_t claim(struct leat_broadcast *bc, size_t n, uint64_t *pos)
{
	size_t claimed;

	while ((claimed = claim_known(bc, n, pos)) == 0 && find_room(bc))
		;
	return claimed;
}

bool leat_turns_writable(struct leat_broadcast *bc)
{
	/* rlx: a hint that is right while no other thread sends; an attempt loads in order */
	return (int64_t)(leat_load_rlx(&bc->limit) - leat_broadcast_tail(bc)) > 0 || find_room(bc);
}

uint64_t leat_turns_join(struct leat_broadcast *bc)
{
	const uint64_t joins = ((uint64_t)1 << LEAT_TAIL_JOINS) - 1;
	uint64_t tail = leat_load_rlx(&bc->tail), next; /* rlx: the swap decides */

	do
		next = (tail & ~joins) | ((tail + 1) & joins);
	/* J2: the limit before it; pairs with claim_known() */
	while (!leat_cas_acqrel(&bc->tail, &tail, next));
	return position_of(next);
}

static void store_words(void *to, const unsigned char *from, size_t size)
{
	uint64_t *words = to, word;
	const size_t whole = size / sizeof(word);

	for (size_t i = 0; i < whole; i++) {
		memcpy(&word, from + i * sizeof(word), sizeof(word));
		leat_store_rel(&words[i],
		               word); /* T2: WRITING before it; pairs with load_words() */
	}
	if (size % sizeof(word) == 0)
		return;
	word = 0;
	memcpy(&word, from + whole * sizeof(word), size % sizeof(word));
	leat_store_rel(&words[whole], word); /* T2: the same */
}

static void load_words(unsigned char *to, const void *from, size_t size)
{
	const uint64_t *words = from;
	const size_t whole = size / sizeof(*words);
	uint64_t word;

	for (size_t i = 0; i < whole; i++) {
		/* T2: before the turn is loaded again; pairs with store_words() */
		word = leat_load_acq(&words[i]);
		memcpy(to + i * sizeof(word), &word, sizeof(word));
	}
	if (size % sizeof(word) == 0)
		return;
	word = leat_load_acq(&words[whole]); /* T2: the same */
	memcpy(to + whole * sizeof(word), &word, size % sizeof(word));
}

/* So that the compiler knows the size of the smallest items: no call. */
static inline void copy_item(void *to, const void *from, size_t size)
{
	if (size == sizeof(uint64_t))
		memcpy(to, from, sizeof(uint64_t));
	else
		memcpy(to, from, size);
}

/* The item that this slot still has, of one lap before: before it is written over. */
static void discard_before(struct leat_broadcast *bc, uint64_t pos, struct slot slot)
{
	if (bc->chan->discard != NULL && pos >= bc->capacity &&
	    load_turn(slot) == turn_of(pos - bc->capacity, FULL))
		leat_chan_discard(bc->chan, slot.item);
}

/* Of a broadcast that is not plain. */
static inline void write_guarded(struct leat_broadcast *bc, uint64_t pos, const void *item)
{
	const struct slot slot = slot_at(bc, pos);

	discard_before(bc, pos, slot);
	if (bc->skip) {
		/* rlx: T2: the words after it are released */
		leat_store_rlx(slot.turn, turn_of(pos, WRITING));
		store_words(slot.item, item, bc->chan->item_size);
	} else {
		copy_item(slot.item, item, bc->stride);
	}
	/* T1: the item before it; pairs with load_turn() */
	leat_store_rel(slot.turn, turn_of(pos, FULL));
}

static inline void write_plain(struct leat_broadcast *bc, uint64_t pos, const void *item)
{
	const struct slot slot = slot_at(bc, pos);

	memcpy(slot.item, item, sizeof(uint64_t));
	/* T1: the item before it; pairs with load_turn() */
	leat_store_rel(slot.turn, turn_of(pos, FULL));
}

size_t leat_turns_push(struct leat_broadcast *bc, const unsigned char *items, size_t n)
{
	const size_t size = bc->chan->item_size;
	uint64_t pos;

	n = claim(bc, n, &pos);
	for (size_t i = 0; i < n && bc->plain; i++)
		write_plain(bc, pos + i, items + i * size);
	for (size_t i = 0; i < n && !bc->plain; i++)
		write_guarded(bc, pos + i, items + i * size);
	if (n > 0 && leat_chan_many_senders(bc->chan))
		/* the slots are finished, and another sender may wait for that */
		leat_chan_received(bc->chan, LEAT_EVENT_ALL);
	return n;
}

/* Claims a position for an item that is sent where all is as usual. */
static inline bool claim_at_once(struct leat_tx *tx, const void *item, size_t size, uint64_t *pos)
{
	return leat_chan_send_is_usual(tx->chan, item, size) &&
	       claim_known(leat_broadcast_of(tx->chan), 1, pos) == 1;
}

static inline void notify_sent(struct leat_chan *chan)
{
	if (leat_likely(!(leat_chan_load_parked(chan) & (LEAT_CTL_RX_PARKED | LEAT_CTL_TX_PARKED))))
		return;
	leat_chan_received(chan, LEAT_EVENT_ALL); /* as in leat_turns_push() */
	leat_chan_sent(chan, 1);
}

/* Out of line, for its registers. */
static __attribute__((noinline)) int send_guarded(struct leat_tx *tx, const void *item, size_t size,
                                                  int64_t deadline_ns)
{
	struct leat_broadcast *bc = leat_broadcast_of(tx->chan);
	uint64_t pos;

	if (!bc->turns || !claim_at_once(tx, item, size, &pos))
		return leat_chan_send_or_wait(tx, item, size, deadline_ns);
	write_guarded(bc, pos, item);
	notify_sent(tx->chan);
	return 0;
}

int leat_turns_send(struct leat_tx *tx, const void *item, size_t size, int64_t deadline_ns)
{
	struct leat_broadcast *bc = leat_broadcast_of(tx->chan);
	uint64_t pos;

	if (!bc->plain)
		return send_guarded(tx, item, size, deadline_ns);
	if (!claim_at_once(tx, item, size, &pos))
		return leat_chan_send_or_wait(tx, item, size, deadline_ns);
	write_plain(bc, pos, item);
	notify_sent(tx->chan);
	return 0;
}

size_t leat_turns_claim(struct leat_broadcast *bc, size_t want, struct leat_handle *h, void **place)
{
	size_t n, side_by_side;
	uint64_t pos;

	/* what is claimed is held, so it must lie side by side: one where the ring's end is near */
	side_by_side = count_side_by_side(bc, leat_broadcast_tail(bc));
	n = claim(bc, want < side_by_side ? want : side_by_side, &pos);
	if (n == 0)
		return 0;
	side_by_side = count_side_by_side(bc, pos);
	h->claim.pos = pos;
	h->claim.n = n;
	for (size_t i = 0; i < n; i++)
		discard_before(bc, pos + i, slot_at(bc, pos + i));
	*place = slot_at(bc, pos).item;
	return n < side_by_side ? n : side_by_side;
}

void leat_turns_commit(struct leat_broadcast *bc, struct leat_handle *h, size_t n)
{
	if (n < h->claim.n)
		/* rlx: T1 publishes it with the turns of these holes */
		leat_add_rlx(&bc->holes, h->claim.n - n);
	for (size_t i = 0; i < h->claim.n; i++) {
		uint64_t pos = h->claim.pos + i;

		/* T1: the item before it; pairs with load_turn() */
		leat_store_rel(slot_at(bc, pos).turn, turn_of(pos, i < n ? FULL : HOLE));
	}
	if (leat_chan_many_senders(bc->chan))
		leat_chan_received(bc->chan, LEAT_EVENT_ALL); /* as in leat_turns_push() */
	leat_chan_sent(bc->chan, h->claim.n);
}

/*
 * Returns how many items were sent before the tail. *lowest is moved back to the first slot that a
 * sender has claimed and not finished; *holes is how many holes lie before *lowest. A slot that was
 * claimed again meanwhile counts as an item. Holes that a sender is about to make may be in *holes,
 * and are then missing from what is returned.
 */
uint64_t leat_turns_count(const struct leat_broadcast *bc, uint64_t *lowest, uint64_t tail,
                          uint64_t *holes)
{
	uint64_t oldest = leat_broadcast_oldest(bc, tail), unfinished = 0, ahead = 0, all;

	for (uint64_t pos = oldest; pos < *lowest; pos++)
		if (load_turn(slot_at(bc, pos)) < turn_of(pos, FULL))
			*lowest = pos;
	for (uint64_t pos = *lowest > oldest ? *lowest : oldest; pos < tail; pos++) {
		uint64_t turn = load_turn(slot_at(bc, pos));

		unfinished += turn < turn_of(pos, FULL);
		ahead += turn == turn_of(pos, HOLE);
	}
	/* rlx: T1, or A2, orders it behind the turns of all holes that were found or passed */
	all = leat_load_rlx(&bc->holes);
	*holes = all - (ahead < all ? ahead : all);
	return tail - unfinished > all ? tail - unfinished - all : 0;
}

void leat_turns_drain(struct leat_broadcast *bc)
{
	uint64_t tail = leat_broadcast_tail(bc);

	for (uint64_t i = 0; i < bc->capacity; i++)
		discard_before(bc, tail + i, slot_at(bc, tail + i));
}

/* --- subscribers --- */

/* Whether senders may have begun to write over this position. */
static bool is_overtaken(const struct leat_sub *sub, uint64_t turn)
{
	return sub->lag == LEAT_LAG_SKIP && (turn >> STATE_BITS) > sub->pos;
}

/* Goes on to the next position. */
static void step_over(struct leat_sub *sub)
{
	leat_store_rlx(&sub->pos, sub->pos + 1); /* rlx: a number that only this thread writes */
}

/* Goes on half a ring behind the senders. */
static void skip_ahead(struct leat_sub *sub)
{
	struct leat_broadcast *bc = sub->bc;
	uint64_t to = leat_broadcast_tail(bc) - (bc->capacity + 1) / 2;

	if ((int64_t)(to - sub->pos) <= 0)
		to = sub->pos + 1;
	/* rlx: a number that only this thread writes */
	leat_store_rlx(&sub->missed, leat_load_rlx(&sub->missed) + (to - sub->pos));
	leat_store_rlx(&sub->pos, to); /* rlx: the same */
}

/* Copies the item at this position. False if it was overtaken meanwhile. */
static bool read_item(const struct leat_sub *sub, struct slot slot, void *to)
{
	const size_t size = sub->bc->chan->item_size;

	if (sub->lag != LEAT_LAG_SKIP) {
		copy_item(to, slot.item, size);
		return true;
	}
	load_words(to, slot.item, size);
	/* rlx: T2: the words' loads came before it */
	return leat_load_rlx(slot.turn) == turn_of(sub->pos, FULL);
}

/* Of a plain subscriber: copies the item at this position, if it is there. */
static inline bool copy_next(const struct leat_sub *sub, uint64_t pos, void *item, size_t size)
{
	const struct slot slot = slot_at(sub->bc, pos);

	if (load_turn(slot) != turn_of(pos, FULL))
		return false;
	copy_item(item, slot.item, size);
	return true;
}

/* Releases all before this position, of which it has received n. */
static inline void release_plain(struct leat_sub *sub, uint64_t pos, size_t n)
{
	/* rlx: numbers that only this thread writes */
	leat_store_rlx(&sub->pos, pos);
	leat_store_rlx(&sub->delivered, leat_load_rlx(&sub->delivered) + n); /* rlx: the same */
	/* R2: items read before head; pairs with A2 in leat_broadcast_scan() */
	leat_store_rel(&sub->head, pos);
	leat_sub_released(sub);
}

/* Of several items, or of any size, and over holes. Out of line, for its registers. */
static __attribute__((noinline)) ssize_t recv_plain(struct leat_rx *rx, unsigned char *items,
                                                    size_t max, size_t size, int64_t deadline_ns,
                                                    const char *call)
{
	struct leat_sub *sub = leat_sub_of(leat_handle_of_rx(rx));
	const size_t item_size = rx->spsc.item_size;
	uint64_t pos = sub->pos;
	size_t n = 0;

	for (; n < max; pos++) {
		const struct slot slot = slot_at(sub->bc, pos);
		const uint64_t turn = load_turn(slot);

		if (turn == turn_of(pos, HOLE))
			continue;
		if (turn != turn_of(pos, FULL))
			break;
		copy_item(items + n * item_size, slot.item, item_size);
		n++;
	}
	if (pos != sub->pos)
		release_plain(sub, pos, n);
	return n > 0 ? (ssize_t)n : leat_sub_recv_or_wait(rx, items, max, size, deadline_ns, call);
}

ssize_t leat_turns_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                        int64_t deadline_ns, const char *call)
{
	struct leat_sub *sub = leat_sub_of(leat_handle_of_rx(rx));
	const size_t item_size = rx->spsc.item_size;
	const uint64_t pos = sub->pos;

	if (items == NULL || !sub->h.open || sub->h.held != 0 || max - 1 >= sub->bc->capacity ||
	    (size != LEAT_DETAIL_CHAN_SIZE && size != item_size) ||
	    /* rlx: a call that began before a cancel may miss it */
	    leat_load_rlx(&rx->chan->ctl) & LEAT_CTL_CANCELED)
		return leat_sub_recv_or_wait(rx, items, max, size, deadline_ns, call);
	if (max > 1 || item_size != sizeof(uint64_t))
		return recv_plain(rx, items, max, size, deadline_ns, call);
	if (!copy_next(sub, pos, items, sizeof(uint64_t)))
		return leat_sub_recv_or_wait(rx, items, max, size, deadline_ns, call);
	release_plain(sub, pos + 1, 1);
	return 1;
}

size_t leat_turns_take(struct leat_sub *sub, unsigned char *items, size_t max)
{
	uint64_t allowed = leat_sub_allowed(sub);
	size_t done = 0;

	while (done < max && sub->pos < allowed) {
		const struct slot slot = slot_at(sub->bc, sub->pos);
		uint64_t turn = load_turn(slot);
		bool full = turn == turn_of(sub->pos, FULL);

		if (full && read_item(sub, slot, items + done * sub->bc->chan->item_size)) {
			done++;
		} else if (full || is_overtaken(sub, turn)) {
			if (done > 0)
				break; /* no batch spans a gap */
			skip_ahead(sub);
			continue;
		} else if (turn != turn_of(sub->pos, HOLE)) {
			break;
		}
		step_over(sub);
	}
	return done;
}

size_t leat_turns_peek(struct leat_sub *sub, size_t want, void **place)
{
	const struct leat_broadcast *bc = sub->bc;
	uint64_t allowed = leat_sub_allowed(sub);
	size_t n = 0, side_by_side;

	while (sub->pos < allowed && load_turn(slot_at(bc, sub->pos)) == turn_of(sub->pos, HOLE))
		step_over(sub);
	side_by_side = count_side_by_side(bc, sub->pos);
	while (n < want && n < side_by_side && sub->pos + n < allowed &&
	       load_turn(slot_at(bc, sub->pos + n)) == turn_of(sub->pos + n, FULL))
		n++;
	*place = slot_at(bc, sub->pos).item;
	return n;
}

bool leat_turns_readable(struct leat_sub *sub)
{
	uint64_t turn = load_turn(slot_at(sub->bc, sub->pos));

	if (sub->pos >= leat_sub_allowed(sub)) /* above: it joined ahead of its gate */
		return false;
	return turn == turn_of(sub->pos, FULL) || turn == turn_of(sub->pos, HOLE) ||
	       is_overtaken(sub, turn);
}
