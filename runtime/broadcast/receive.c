/*
 * A subscriber: what leat_recv(), leat_peek() and the other calls do with it (struct leat_rx_ops).
 *
 * The inline bodies of leat_recv() serve a subscriber whose cursor is that of its handle: it waits
 * for senders or for one gate, its items need not be released later, and it cannot be evicted. The
 * cursor of a stage with one gate has that gate's head where the cursor of a consumer has the word
 * of the producer.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/broadcast/broadcast.h"
#include "runtime/chan/bind.h"
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/endings.h"
#include "runtime/chan/handle.h"
#include "runtime/chan/transfer.h"
#include "runtime/chan/waitable.h"

#include <stdio.h>
#include <string.h>

enum { READ_TRIES = 100 };

LEAT_TLS char leat_evicted_text[LEAT_TEXT_MAX + 1];

static struct leat_sub *sub_of_rx(const struct leat_rx *rx)
{
	return leat_sub_of(leat_handle_of_rx(rx));
}

bool leat_rx_is_sub(const struct leat_rx *rx)
{
	return rx != NULL &&
	       (leat_rx_ops_of(rx) == &leat_sub_ops || leat_rx_ops_of(rx) == &leat_bound_sub_ops);
}

/* Whether the inline bodies may use the cursor of its handle, while nothing forbids it. */
static bool is_inline(const struct leat_sub *sub)
{
	return sub->cursor == &sub->h.spsc;
}

uint64_t leat_sub_next(const struct leat_sub *sub)
{
	/* rlx: a number; only the subscriber's thread writes it */
	return leat_load_rlx(sub->bc->turns ? &sub->pos : &sub->cursor->pos);
}

/* Lets the inline bodies use the cursor, or not, where they may at all. */
static void set_sub_inline(struct leat_sub *sub, bool on)
{
	if (!is_inline(sub) || on != leat_spsc_is_disabled(&sub->h.spsc))
		return;
	if (on)
		leat_spsc_enable(&sub->h.spsc);
	else
		leat_spsc_disable(&sub->h.spsc);
}

/* --- gates --- */

/* Whether this gate has closed, so that its head moves no more. */
static bool is_closed(const struct leat_sub *gate)
{
	/* H2: its last head; pairs with leat_sub_unlinked() */
	return leat_load_acq(&gate->state) == LEAT_SUB_CLOSED;
}

/* The gates that a stage waits for; those that have closed are none, where they are optional. */
struct gates {
	size_t count;
	const struct leat_sub *last;
	uint64_t head, start; /* the lowest head, and the lowest position where one began */
};

static struct gates look_at_gates(const struct leat_sub *sub)
{
	struct gates gates = { .head = UINT64_MAX, .start = UINT64_MAX };

	for (size_t i = 0; i < sub->after_count; i++) {
		const struct leat_sub *gate = sub->after[i];
		uint64_t head;

		if (sub->after_optional && is_closed(gate))
			continue;
		head = leat_load_acq(&gate->head); /* A2: pairs with R2 in leat_spsc_release_to() */
		gates.head = head < gates.head ? head : gates.head;
		gates.start = gate->start < gates.start ? gate->start : gates.start;
		gates.last = gate;
		gates.count++;
	}
	return gates;
}

uint64_t leat_sub_allowed(const struct leat_sub *sub)
{
	return look_at_gates(sub).head;
}

/*
 * Whether the next item of a stage is one that none of its gates has read, as the stage began
 * before them. A gate's head stands behind the item, but the sender may still be writing it: a
 * joiner begins behind the whole of a batch that is being written.
 */
static bool is_before_gates(const struct leat_sub *sub)
{
	return sub->gates > 0 && (int64_t)(sub->gates_start - sub->cursor->pos) > 0;
}

/* How far the sender has written, up to `most`, or to the end of that item's line. */
static uint64_t find_written(const struct leat_sub *sub, uint64_t most)
{
	const struct leat_spsc_cursor *rx = sub->cursor;
	uint64_t pos = rx->pos, end, written;

	do {
		const void *word = rx->packed ? (const void *)leat_broadcast_run_of(rx, pos)
		                              : (const void *)&sub->bc->chan->spsc.tail;

		end = rx->packed ? pos - pos % rx->run + rx->run : most;
		/* A1: items written; pairs with R1 in leat_spsc_publish_to() */
		written = leat_load_acq((const uint64_t *)word);
		if ((int64_t)(written - end) < 0)
			return (int64_t)(written - pos) > 0 ? written : pos;
		pos = end;
	} while ((int64_t)(most - pos) > 0);
	return pos;
}

/*
 * Of a stage with several gates, or before them: how far its cursor may go, for up to `want` items.
 * Gates may close meanwhile: those whose head counts here are those whose start does.
 */
static void refresh_allowed(struct leat_sub *sub, size_t want)
{
	const uint64_t next = sub->cursor->pos;
	struct gates gates;
	uint64_t allowed, written;

	if (sub->gates < 2 && !is_before_gates(sub))
		return;
	gates = look_at_gates(sub);
	allowed = gates.head;
	if (want > sub->cursor->capacity)
		want = sub->cursor->capacity;
	if ((gates.count == 0 || (int64_t)(gates.start - next) > 0) &&
	    (written = find_written(sub, next + want)) < allowed)
		allowed = written;
	/* rlx: this thread alone uses it; the loads before have acquired what it allows */
	leat_store_rlx(&sub->allowed, allowed);
}

void leat_sub_set_source(struct leat_sub *sub)
{
	struct leat_chan *chan = sub->bc->chan;
	struct leat_spsc_cursor *rx = sub->cursor;
	const struct gates gates = look_at_gates(sub);

	sub->gates = gates.count;
	sub->gates_start = gates.start;
	if (sub->bc->turns)
		return;
	/* not what another subscriber in this place of the table has left there */
	refresh_allowed(sub, 1);
	rx->line_word = rx->packed && sub->gates == 0;
	if (sub->gates == 1 && !is_before_gates(sub))
		rx->word = (uint64_t *)(uintptr_t)&gates.last->head;
	else if (sub->gates > 0)
		rx->word = &sub->allowed;
	else
		rx->word = rx->line_word ? (uint64_t *)(void *)rx->line : &chan->spsc.tail;
}

/* Gates have closed, or it has come to where they began. */
static void renew_source(struct leat_sub *sub)
{
	if (sub->gates == 0 || sub->h.held != 0)
		return;
	if ((sub->after_optional && look_at_gates(sub).count != sub->gates) ||
	    (!sub->bc->turns && sub->gates == 1 && sub->cursor->word == &sub->allowed &&
	     !is_before_gates(sub)))
		leat_sub_set_source(sub);
}

/*
 * What a subscriber that has found nothing waits for: senders, or its gates. A stage may have begun
 * before its gates, at a slot that a sender has claimed and not finished; then it waits for that
 * sender, too.
 */
struct leat_event *leat_sub_event(struct leat_sub *sub)
{
	struct leat_broadcast *bc = sub->bc;

	if (sub->gates == 0 || (bc->turns ? leat_sub_next(sub) < leat_sub_allowed(sub)
	                                  : is_before_gates(sub)))
		return &bc->chan->items;
	return &bc->stage;
}

/* --- taking items --- */

/* Releases all before the next item; without turns the ring's own functions do. */
static void publish_head(struct leat_sub *sub)
{
	/* R2: items read before head; pairs with A2 in leat_broadcast_scan() */
	leat_store_rel(&sub->head, leat_sub_next(sub));
}

bool leat_sub_release_owed(struct leat_sub *sub)
{
	if (!sub->owes)
		return false;
	sub->owes = false;
	publish_head(sub);
	return true;
}

/* Of a subscriber that may be evicted: false if it was. */
static bool begin_reading(struct leat_sub *sub)
{
	uint32_t idle = LEAT_SUB_IDLE;

	if (sub->lag != LEAT_LAG_EVICT)
		return true;
	/* rlx: one of the two swaps fails; what evict() must see is what end_reading() releases */
	return leat_cas_rlx(&sub->state, &idle, LEAT_SUB_READING);
}

static void end_reading(struct leat_sub *sub)
{
	if (sub->lag == LEAT_LAG_EVICT)
		/* H2: the copy before it, or a sender would write into it; pairs with evict() */
		leat_store_rel(&sub->state, LEAT_SUB_IDLE);
}

/* With turns. */
static void count_delivered(struct leat_sub *sub, size_t n)
{
	/* rlx: a number that only this thread writes */
	leat_store_rlx(&sub->delivered, leat_load_rlx(&sub->delivered) + n);
}

static size_t take_turns(struct leat_sub *sub, void *items, size_t max)
{
	uint64_t from = leat_sub_next(sub);
	size_t n = leat_turns_take(sub, items, max);

	if (leat_sub_next(sub) == from)
		return 0;
	count_delivered(sub, n);
	if (sub->bc->chan->discard != NULL && n > 0) {
		sub->owes = true;
		return n;
	}
	publish_head(sub);
	if (n == 0)
		leat_broadcast_ring.received(&sub->h); /* holes alone are room, too */
	return n;
}

static size_t take_items(struct leat_sub *sub, void *items, size_t max)
{
	struct leat_spsc_cursor *rx = sub->cursor;
	const size_t size = sub->bc->chan->item_size;
	uint64_t from, pos;

	if (sub->bc->turns)
		return take_turns(sub, items, max);
	from = rx->pos;
	refresh_allowed(sub, max);
	if (sub->bc->chan->discard != NULL) {
		if (leat_spsc_can_pop(rx)) {
			pos = leat_spsc_pop_runs(rx, items, max, size);
			leat_store_rlx(&rx->pos, pos); /* rlx: a number; head follows later */
			sub->owes = true;
		}
		return (size_t)(rx->pos - from);
	}
	return leat_pop_spsc(rx, items, max, size);
}

/* --- ends --- */

static ssize_t end_stream(struct leat_sub *sub)
{
	sub->ended = true;
	sub->plain = false;
	set_sub_inline(sub, false);
	return 0;
}

/* Nothing was found. A waiter of this subscriber may be on its event already. */
static void choose_event(struct leat_sub *sub)
{
	struct leat_event *was = sub->h.event;

	sub->h.event = leat_sub_event(sub);
	if (sub->h.event != was)
		/* it parks elsewhere now, so it must not go to sleep there */
		leat_event_notify(was, LEAT_EVENT_ALL);
}

/* Whether no send can claim a slot any more. ctl: loaded before. */
static bool has_last_item(const struct leat_broadcast *bc, uint32_t ctl)
{
	if (ctl & LEAT_CTL_TX_GONE)
		return true;
	if (ctl & LEAT_CTL_TX_CLOSED) /* a claim may succeed until the ring is closed, too */
		return leat_load_acq(&bc->senders_closed); /* K1: pairs with leat_turns_close() */
	return ctl & LEAT_CTL_TX_FAILED;
}

/*
 * After nothing was found. ctl: loaded before that. Returns 0 if no item will come, or -EAGAIN.
 */
static ssize_t end_if_over(struct leat_sub *sub, uint32_t ctl)
{
	uint64_t next = leat_sub_next(sub);

	if (has_last_item(sub->bc, ctl) && leat_broadcast_tail(sub->bc) == next)
		return end_stream(sub);
	for (size_t i = 0; i < sub->after_count && !sub->after_optional; i++)
		/* rlx: is_closed() has acquired its last head */
		if (is_closed(sub->after[i]) && leat_load_rlx(&sub->after[i]->head) <= next) {
			memcpy(sub->ended_by, sub->after[i]->name, sizeof(sub->ended_by));
			sub->gate_ended = true;
			return end_stream(sub);
		}
	choose_event(sub);
	return -EAGAIN;
}

static ssize_t say_evicted(const struct leat_sub *sub)
{
	snprintf(leat_evicted_text, sizeof(leat_evicted_text),
	         "subscriber \"%s\" was evicted: it was a whole ring behind", sub->name);
	return -ECONNABORTED;
}

static bool is_evicted(const struct leat_sub *sub)
{
	/* rlx: it stays so, and says all there is to know */
	return leat_load_rlx(&sub->state) == LEAT_SUB_EVICTED;
}

/* What a receive returns before it looks for items, or -EAGAIN. */
static ssize_t refuse_receive(struct leat_sub *sub, uint32_t ctl)
{
	if (leat_sub_release_owed(sub))
		leat_broadcast_ring.received(&sub->h);
	if (sub->ended)
		return 0;
	if (ctl & LEAT_CTL_CANCELED)
		return -ECANCELED;
	renew_source(sub);
	return -EAGAIN;
}

static ssize_t attempt_recv(struct leat_op *op)
{
	struct leat_sub *sub = leat_sub_of(op->h);
	/* K1: all that was sent before TX_GONE; pairs with leat_tx_close() */
	uint32_t ctl = leat_load_acq(&sub->bc->chan->ctl);
	ssize_t r = refuse_receive(sub, ctl);
	size_t n;

	if (r != -EAGAIN)
		return r;
	if (!begin_reading(sub))
		return say_evicted(sub);
	n = take_items(sub, op->items, op->n);
	end_reading(sub);
	if (n > 0 ? !sub->owes : sub->lag == LEAT_LAG_EVICT)
		/* after an empty copy, too: an eviction may have failed meanwhile */
		leat_broadcast_ring.received(op->h);
	return n > 0 ? (ssize_t)n : end_if_over(sub, ctl);
}

ssize_t leat_sub_recv_or_wait(struct leat_rx *rx, void *items, size_t max, size_t size,
                              int64_t deadline_ns, const char *call)
{
	struct leat_op op = { leat_handle_of_rx(rx), attempt_recv, items, max, NULL };
	int rc = leat_copy_check(op.h, items, size, call);

	if (rc == 0 && (max == 0 || !leat_fits_ssize(max, rx->chan->item_size)))
		rc = -EINVAL;
	return rc != 0 ? rc : leat_op_run(&op, deadline_ns);
}

/*
 * With one sender: receives what is there, where nothing is out of the ordinary. Otherwise returns
 * 0, and nothing has happened. A cursor that must not be used is disabled. Not behind several
 * gates, nor behind one that may have opened, or that began later: how far the items go has to be
 * found out first, or a batch would be shorter than it could be.
 */
static inline size_t recv_batch_at_once(struct leat_sub *sub, void *items, size_t max, size_t size)
{
	const struct leat_chan *chan = sub->bc->chan;
	size_t n;

	if (items == NULL || leat_spsc_is_disabled(&sub->h.spsc) || sub->gates > 1 ||
	    (sub->gates == 1 && (sub->after_optional || sub->h.spsc.word == &sub->allowed)) ||
	    max - 1 >= chan->capacity ||
	    (size != LEAT_DETAIL_CHAN_SIZE && size != chan->item_size) ||
	    /* rlx: a call that began before a cancel may miss it */
	    leat_load_rlx(&chan->ctl) & LEAT_CTL_CANCELED)
		return 0;
	n = leat_pop_spsc(&sub->h.spsc, items, max, chan->item_size);
	if (n > 0)
		leat_sub_released(sub);
	return n;
}

/* Without turns, or of one that is not plain. Out of line, for its registers. */
static __attribute__((noinline)) ssize_t recv_lines(struct leat_rx *rx, void *items, size_t max,
                                                    size_t size, int64_t deadline_ns,
                                                    const char *call)
{
	/* of one item the inline body has tried */
	const size_t n = max > 1 ? recv_batch_at_once(sub_of_rx(rx), items, max, size) : 0;

	return n > 0 ? (ssize_t)n : leat_sub_recv_or_wait(rx, items, max, size, deadline_ns, call);
}

static ssize_t sub_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                        int64_t deadline_ns, const char *call)
{
	return (sub_of_rx(rx)->plain ? leat_turns_recv : recv_lines)(rx, items, max, size,
	                                                             deadline_ns, call);
}

/* --- in place --- */

/* A sink's, of one that cannot be read in place: it peeks at a copy. */
static ssize_t peek_copy(struct leat_op *op)
{
	struct leat_sub *sub = leat_sub_of(op->h);
	struct leat_op copy = { .h = op->h, .items = sub->copy, .n = 1 };
	ssize_t r = sub->has_copy ? 1 : attempt_recv(&copy);

	if (r != 1)
		return r;
	sub->has_copy = true;
	op->place = sub->copy;
	op->h->held = 1;
	return 1;
}

static ssize_t attempt_peek(struct leat_op *op)
{
	struct leat_sub *sub = leat_sub_of(op->h);
	/* K1: all that was sent before TX_GONE; pairs with leat_tx_close() */
	uint32_t ctl = leat_load_acq(&sub->bc->chan->ctl);
	ssize_t r = refuse_receive(sub, ctl);
	size_t n;

	if (r != -EAGAIN)
		return r;
	if (sub->copy != NULL)
		return peek_copy(op);
	if (sub->bc->turns) {
		uint64_t from = leat_sub_next(sub);

		n = leat_turns_peek(sub, op->n, &op->place);
		if (leat_sub_next(sub) != from) {
			publish_head(sub); /* holes */
			leat_broadcast_ring.received(op->h);
		}
	} else {
		refresh_allowed(sub, op->n);
		n = leat_spsc_peek(sub->cursor, op->n, &op->place);
	}
	if (n == 0)
		return end_if_over(sub, ctl);
	op->h->held = n;
	set_sub_inline(sub, false);
	return (ssize_t)n;
}

static ssize_t sub_peek(struct leat_rx *rx, size_t want, const void **items, int64_t deadline_ns,
                        const char *call)
{
	struct leat_op op = { leat_handle_of_rx(rx), attempt_peek, NULL, want, NULL };
	ssize_t r = leat_copy_check(op.h, items, LEAT_DETAIL_CHAN_SIZE, call);

	if (r == 0 && want == 0)
		r = -EINVAL;
	if (r == 0 && sub_of_rx(rx)->lag != LEAT_LAG_WAIT && sub_of_rx(rx)->copy == NULL)
		r = -ENOTSUP;
	if (r != 0)
		return r;
	r = leat_op_run(&op, deadline_ns);
	if (r > 0)
		*items = op.place;
	return r;
}

int leat_sub_let_peek(struct leat_rx *rx)
{
	struct leat_sub *sub;

	if (!leat_rx_is_sub(rx) || sub_of_rx(rx)->lag == LEAT_LAG_WAIT)
		return 0;
	sub = sub_of_rx(rx);
	if (sub->copy == NULL)
		sub->copy =
			leat_os_alloc(rx->chan->item_size, leat_item_align(rx->chan->item_size));
	return sub->copy == NULL ? -ENOMEM : 0;
}

/* Whether this subscriber comes after another, or after one that does. Caller holds chan->lock. */
static bool comes_after(const struct leat_sub *sub, const struct leat_sub *gate)
{
	for (size_t i = 0; i < sub->after_count; i++)
		if (sub->after[i] == gate ||
		    (!is_closed(sub->after[i]) && comes_after(sub->after[i], gate)))
			return true;
	return false;
}

/*
 * Whether every other subscriber comes after this one, and none may be overtaken: that one copies
 * words while a sender, or an editor behind the sender, writes them, and an editor's writes are
 * plain.
 */
static bool all_come_after(struct leat_sub *editor)
{
	struct leat_chan *chan = editor->bc->chan;
	bool all = true;

	leat_mutex_lock(&chan->lock);
	for (struct leat_handle *h = chan->handles; h != NULL && all; h = h->next)
		all = h->sender || h == &editor->h ||
		      (leat_sub_of(h)->lag != LEAT_LAG_SKIP && comes_after(leat_sub_of(h), editor));
	leat_mutex_unlock(&chan->lock);
	return all;
}

ssize_t leat_peek_mut(struct leat_rx *rx, size_t want, void **items)
{
	const void *place;
	ssize_t r;

	if (rx == NULL || items == NULL)
		return -EINVAL;
	if (!leat_rx_is_sub(rx))
		return -ENOTSUP;
	leat_handle_check(leat_handle_of_rx(rx), "leat_peek_mut");
	if (!all_come_after(sub_of_rx(rx)))
		return -ENOTSUP;
	r = leat_rx_ops_of(rx)->peek(rx, want, &place, LEAT_NEVER, "leat_peek_mut");
	if (r > 0)
		*items = (void *)(uintptr_t)place;
	return r;
}

static int sub_release(struct leat_rx *rx, size_t n)
{
	struct leat_handle *h = leat_handle_of_rx(rx);
	struct leat_sub *sub = leat_sub_of(h);

	leat_handle_check(h, "leat_release");
	if (h->held == 0 || n > h->held)
		return -EINVAL;
	h->held = 0;
	if (sub->has_copy) {
		sub->has_copy = n == 0;
		return 0;
	}
	set_sub_inline(sub, true);
	if (n == 0)
		return 0;
	if (sub->bc->turns) {
		leat_store_rlx(&sub->pos, sub->pos + n); /* rlx: a number */
		count_delivered(sub, n);
		publish_head(sub);
	} else {
		leat_spsc_release(sub->cursor, n);
	}
	leat_broadcast_ring.received(h);
	return 0;
}

/* --- as one of several things to wait for; the sender's handle comes here, too --- */

static int sub_attempt(struct leat_rx *rx, void *item)
{
	struct leat_op op = { .h = leat_handle_of_rx(rx), .items = item, .n = 1 };

	return op.h->sender ? leat_chan_rx_ops.attempt(rx, item) : (int)attempt_recv(&op);
}

static bool sub_is_ready(struct leat_rx *rx)
{
	struct leat_handle *h = leat_handle_of_rx(rx);
	struct leat_sub *sub = leat_sub_of(h);
	uint32_t ctl;

	if (h->sender)
		return leat_chan_rx_ops.ready(rx);
	ctl = leat_load_acq(&sub->bc->chan->ctl); /* K1: pairs with leat_tx_close() */
	if (refuse_receive(sub, ctl) != -EAGAIN || is_evicted(sub))
		return true;
	if (sub->bc->turns) {
		if (leat_turns_readable(sub))
			return true;
	} else {
		refresh_allowed(sub, 1);
		if (leat_spsc_can_pop(sub->cursor))
			return true;
	}
	return end_if_over(sub, ctl) == 0;
}

static int sub_status(const struct leat_rx *rx, enum leat_cause *cause, int *code,
                      const char **text)
{
	struct leat_sub *sub = sub_of_rx(rx);

	leat_handle_check(&sub->h, "leat_rx_status");
	if (!sub->gate_ended && !is_evicted(sub))
		/* it has seen the end, and no cancel can change that */
		return sub->ended ? leat_chan_status_ended(rx, cause, code, text)
		                  : leat_chan_status(rx, cause, code, text);
	if (cause != NULL)
		*cause = LEAT_ABANDONED;
	if (code != NULL)
		*code = 0;
	if (text != NULL)
		*text = sub->gate_ended ? sub->ended_by
		                        : "evicted: a whole ring behind its senders";
	return 0;
}

static void set_sub_bound(struct leat_rx *rx, bool bound)
{
	struct leat_sub *sub = sub_of_rx(rx);

	/* rlx: read by this thread, and by leat_rx_clone(), to which both words say the same */
	leat_store_rlx(&rx->ctl, bound ? &sub->h.bound_word.ctl : &rx->chan->ctl);
	set_sub_inline(sub, !bound && sub->h.held == 0 && !sub->ended);
}

/* How many slots there are for it to receive; a hole counts, too. */
static size_t sub_pending(struct leat_rx *rx)
{
	struct leat_sub *sub = sub_of_rx(rx);
	uint64_t next = leat_sub_next(sub), tail = leat_broadcast_tail(sub->bc),
		 allowed = leat_sub_allowed(sub), pending;

	if (leat_load_rlx(&rx->chan->ctl) & LEAT_CTL_CANCELED || sub->ended) /* rlx: a number */
		return 0;
	pending = (allowed < tail ? allowed : tail) - next;
	if ((int64_t)pending < 0)
		return 0; /* its gate is behind it */
	return pending < sub->bc->capacity ? (size_t)pending : sub->bc->capacity;
}

/* The next receive would release what this one took; or there may be a gap between them. */
static bool sub_ends_fill(struct leat_rx *rx)
{
	return rx->chan->discard != NULL || sub_of_rx(rx)->lag == LEAT_LAG_SKIP;
}

/* What the two tables have in common. */
#define COMMON_FUNCTIONS \
	LEAT_RX_OPS_OF_HANDLES, .status = sub_status, .set_bound = set_sub_bound, \
				.pending = sub_pending, .ends_fill = sub_ends_fill

const struct leat_rx_ops leat_sub_ops = {
	COMMON_FUNCTIONS,
	.recv = sub_recv,
	.peek = sub_peek,
	.release = sub_release,
	.close = leat_sub_close,
	.attempt = sub_attempt,
	.ready = sub_is_ready,
	.add_waiter = leat_handle_rx_add_waiter,
	.remove_waiter = leat_handle_rx_remove_waiter,
};

/* While it is bound (runtime/chan/bind.h). */
const struct leat_rx_ops leat_bound_sub_ops = {
	COMMON_FUNCTIONS,
	LEAT_BOUND_FUNCTIONS,
};

/*
 * Whether senders wait for it. A subscriber that waits for a gate before it is not what they wait
 * for.
 */
static bool holds_senders(const struct leat_sub *sub, uint64_t tail)
{
	uint64_t head = leat_load_rlx(&sub->head); /* rlx: a number; no item is read */

	return leat_load_rlx(&sub->gating) && /* rlx: the same */
	       (int64_t)(tail - head) >= (int64_t)sub->bc->capacity &&
	       leat_sub_allowed(sub) != head;
}

/*
 * Returns the tail, at a moment at which *next was the next item to receive; or, after READ_TRIES,
 * a tail of before that.
 */
static uint64_t read_positions(const struct leat_sub *sub, uint64_t *next)
{
	uint64_t before, tail;
	int tries = 0;

	do {
		before = leat_sub_next(sub);
		tail = leat_broadcast_tail(sub->bc);
		*next = leat_sub_next(sub);
	} while (*next != before && ++tries < READ_TRIES);
	return tail;
}

void leat_sub_read_stat(const struct leat_handle *h, struct leat_subscriber_stat *stat)
{
	const struct leat_sub *sub = leat_container_of(h, const struct leat_sub, h);
	const struct leat_broadcast *bc = sub->bc;
	uint64_t next, tail = read_positions(sub, &next);

	memset(stat, 0, sizeof(*stat));
	stat->chan_id = bc->chan->node.id;
	stat->place = (uint32_t)(sub - bc->subs);
	memcpy(stat->name, sub->name, sizeof(stat->name));
	stat->lag = sub->lag;
	stat->evicted = is_evicted(sub);
	stat->holds_senders = holds_senders(sub, tail);
	stat->next = next;
	/* rlx: a number */
	stat->delivered = bc->turns ? leat_load_rlx(&sub->delivered) : next - sub->start;
	stat->missed = leat_load_rlx(&sub->missed); /* rlx: the same */
	if (!stat->evicted && (int64_t)(tail - next) > 0)
		stat->in_flight = tail - next;
}

uint64_t leat_rx_seq(const struct leat_rx *rx)
{
	return leat_rx_is_sub(rx) ? leat_sub_next(sub_of_rx(rx)) : 0;
}

uint64_t leat_rx_missed(const struct leat_rx *rx)
{
	return leat_rx_is_sub(rx) ? leat_load_rlx(&sub_of_rx(rx)->missed) : 0; /* rlx: a number */
}
