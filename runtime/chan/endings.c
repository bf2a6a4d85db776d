/*
 * How a channel ends: cancel, failure, the last close of each side, and what leat_rx_status()
 * returns then. The states and the last close are in runtime/chan/endings.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/endings.h"
#include "runtime/chan/handle.h"
#include "runtime/chan/rx_ops.h"
#include "runtime/chan/stat.h"
#include "runtime/chan/transfer.h"

#include <string.h>

static void notify_all_waiters(struct leat_chan *chan)
{
	leat_event_notify(&chan->items, LEAT_EVENT_ALL);
	leat_event_notify(&chan->room, LEAT_EVENT_ALL);
	leat_event_notify(&chan->done, LEAT_EVENT_ALL);
	if (chan->ring != NULL)
		chan->ring->notify_ends(chan);
}

void leat_chan_cancel(struct leat_scope_hook *hook, const void *spared)
{
	struct leat_chan *chan = leat_container_of(hook, struct leat_chan, hook);
	uint32_t ctl = leat_load_rlx(&chan->ctl); /* rlx: the swap decides */

	(void)spared;
	do {
		if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_RX_GONE))
			return;
		/* K1: pairs with attempt_recv() */
	} while (!leat_cas_acqrel(&chan->ctl, &ctl, ctl | LEAT_CTL_CANCELED));
	notify_all_waiters(chan);
}

enum leat_drop leat_chan_drop_reason(const struct leat_chan *chan)
{
	/* rlx: all handles are closed, or all receivers are */
	uint32_t ctl = leat_load_rlx(&chan->ctl);

	return ctl & LEAT_CTL_CANCELED ? LEAT_DROPPED_CANCELED : LEAT_DROPPED_ABANDONED;
}

/* Caller holds chan->lock. Whether no handle is open and no hold is left. */
static bool chan_is_unused(const struct leat_chan *chan)
{
	return chan->senders == 0 && chan->receivers == 0 && chan->holds == 0;
}

/*
 * Unlinks the handle, unless it is the last of its side: then its count stays 1, so that no other
 * thread destroys the channel until the caller has done the side's part and calls unlink_last().
 * Returns whether it is the last.
 */
static bool unlink_unless_last(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);
	bool last;

	leat_mutex_lock(&chan->lock);
	last = (h->sender ? chan->senders : chan->receivers) == 1 &&
	       (h->sender || !chan->open_to_more);
	if (!last) {
		leat_handle_unlink(h);
		if (h->sender)
			chan->senders--;
		else
			chan->receivers--;
	}
	leat_mutex_unlock(&chan->lock);
	return last;
}

/* Caller holds chan->lock, which this releases. Destroys the channel if nothing needs it. */
static void unlock_and_destroy_unused(struct leat_chan *chan)
{
	bool unused = chan_is_unused(chan);

	leat_mutex_unlock(&chan->lock);
	if (unused)
		leat_chan_destroy(chan);
}

static void unlink_last(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	leat_mutex_lock(&chan->lock);
	leat_handle_unlink(h);
	if (h->sender)
		chan->senders--;
	else
		chan->receivers--;
	unlock_and_destroy_unused(chan);
}

void leat_chan_hold(struct leat_chan *chan)
{
	leat_mutex_lock(&chan->lock);
	chan->holds++;
	leat_mutex_unlock(&chan->lock);
}

void leat_chan_let_go(struct leat_chan *chan)
{
	leat_mutex_lock(&chan->lock);
	chan->holds--;
	unlock_and_destroy_unused(chan);
}

void leat_chan_fail_tx(struct leat_chan *chan)
{
	uint32_t ctl = leat_load_rlx(&chan->ctl); /* rlx: the swap decides */

	do {
		if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE | LEAT_CTL_TX_GONE))
			return;
		/* K1: pairs with attempt_recv() */
	} while (!leat_cas_acqrel(&chan->ctl, &ctl, ctl | LEAT_CTL_TX_FAILED));
	notify_all_waiters(chan);
}

void leat_tx_close(struct leat_tx *tx)
{
	struct leat_handle *h = leat_handle_of_tx(tx);
	struct leat_chan *chan;

	if (h == NULL)
		return;
	leat_handle_check(h, "leat_tx_close");
	chan = leat_chan_of(h);
	leat_handle_retire(h);
	if (!unlink_unless_last(h))
		return;
	leat_chan_note_peak(chan);
	/* K1: items before TX_GONE; pairs with attempt_recv() */
	leat_or_acqrel(&chan->ctl, LEAT_CTL_TX_GONE);
	leat_event_notify(&chan->items, LEAT_EVENT_ALL);
	if (chan->ring != NULL)
		chan->ring->notify_ends(chan);
	unlink_last(h);
}

/*
 * Refuses the sends of all handles from now on, unless something does so already. Returns whether
 * it did.
 */
static bool refuse_senders(struct leat_chan *chan)
{
	const uint32_t refused =
		LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE | LEAT_CTL_TX_GONE | LEAT_CTL_TX_FAILED;
	uint32_t ctl = leat_load_rlx(&chan->ctl); /* rlx: the swap decides */

	do {
		if (ctl & refused)
			return false;
		/* K1: pairs with leat_chan_refusal(), attempt_recv() */
	} while (!leat_cas_acqrel(&chan->ctl, &ctl, ctl | LEAT_CTL_TX_FAILED | LEAT_CTL_TX_CLOSED));
	return true;
}

void leat_tx_close_all(struct leat_tx *tx)
{
	struct leat_handle *h = leat_handle_of_tx(tx);
	struct leat_chan *chan;

	if (h == NULL)
		return;
	leat_handle_check(h, "leat_tx_close_all");
	chan = leat_chan_of(h);
	leat_handle_give_up_held(h);
	/* where the sender is single there are no others */
	if (leat_chan_many_senders(chan) && chan->item_size != 0 && refuse_senders(chan)) {
		leat_chan_close_ring(chan);
		notify_all_waiters(chan); /* mutate */
	}
	leat_tx_close(tx);
}

void leat_rx_close(struct leat_rx *rx)
{
	if (rx != NULL)
		leat_rx_ops_of(rx)->close(rx);
}

/* No receiver is left, and none will come. */
static void end_receiving(struct leat_chan *chan)
{
	leat_chan_note_peak(chan);
	/* K1: what was done before; pairs with leat_chan_refusal() */
	leat_or_acqrel(&chan->ctl, LEAT_CTL_RX_GONE);
	leat_event_notify(&chan->room, LEAT_EVENT_ALL);
	leat_event_notify(&chan->done, LEAT_EVENT_ALL);
	if (chan->producer != NULL)
		chan->producer->end(chan->producer);
	leat_chan_drain(chan, leat_chan_drop_reason(chan));
}

void leat_chan_close_rx(struct leat_rx *rx)
{
	struct leat_handle *h = leat_handle_of_rx(rx);
	struct leat_chan *chan = leat_chan_of(h);

	leat_handle_check(h, "leat_rx_close");
	leat_handle_retire(h);
	if (!unlink_unless_last(h))
		return;
	end_receiving(chan);
	unlink_last(h);
}

void leat_chan_close_to_more(struct leat_chan *chan)
{
	bool last;

	leat_mutex_lock(&chan->lock);
	chan->open_to_more = false;
	last = chan->receivers == 0;
	leat_mutex_unlock(&chan->lock);
	if (last)
		end_receiving(chan);
	leat_chan_let_go(chan);
}

bool leat_tx_done(const struct leat_tx *tx)
{
	return tx == NULL || leat_tx_refusal((struct leat_tx *)(uintptr_t)tx) != 0;
}

/* Caller holds chan->lock. */
static void keep_first_words(struct leat_chan *chan, int code, const char *text)
{
	if (chan->has_words)
		return;
	chan->has_words = true;
	chan->words_code = code;
	leat_text_copy(chan->words, text);
}

int leat_tx_fail(struct leat_tx *tx, int code, const char *text)
{
	struct leat_handle_gen *gen;
	struct leat_chan *chan;

	if (tx == NULL || code >= 0)
		return -EINVAL;
	leat_handle_check(leat_handle_of_tx(tx), "leat_tx_fail");
	gen = leat_handle_of_tx(tx)->gen;
	if (gen != NULL) {
		/* the generator's own: they count if it fails */
		if (!gen->has_words)
			leat_text_copy(gen->words, text);
		gen->has_words = true;
		return code;
	}
	chan = tx->chan;
	leat_mutex_lock(&chan->lock);
	keep_first_words(chan, code, text);
	leat_mutex_unlock(&chan->lock);
	return code;
}

void leat_chan_words(struct leat_chan *chan, char text[LEAT_TEXT_MAX + 1])
{
	leat_mutex_lock(&chan->lock);
	memcpy(text, chan->words, sizeof(chan->words));
	leat_mutex_unlock(&chan->lock);
}

void leat_chan_set_outcome(struct leat_chan *chan, const struct leat_outcome *outcome)
{
	leat_mutex_lock(&chan->lock);
	chan->outcome = *outcome;
	chan->outcome.known = true;
	leat_mutex_unlock(&chan->lock);
}

void leat_chan_add_outcome(struct leat_chan *chan, const struct leat_outcome *outcome, bool failed)
{
	leat_mutex_lock(&chan->lock);
	if (failed)
		keep_first_words(chan, outcome->code, outcome->text);
	else if (outcome->cause == LEAT_STOPPED && !chan->stopped.known)
		chan->stopped = *outcome;
	leat_mutex_unlock(&chan->lock);
}

/* How the senders ended, where no generator has: there is none, or it still runs. */
static enum leat_cause cause_of_senders(const struct leat_chan *chan, uint32_t ctl, int *code,
                                        const char **text)
{
	if (ctl & LEAT_CTL_CANCELED)
		return leat_scope_cause(chan->scope, code, text);
	*code = chan->has_words ? chan->words_code : 0;
	*text = chan->has_words ? chan->words : chan->stopped.text;
	if (chan->has_words)
		return LEAT_FAILED;
	return chan->stopped.known ? LEAT_STOPPED : LEAT_COMPLETED;
}

int leat_rx_status(const struct leat_rx *rx, enum leat_cause *cause, int *code, const char **text)
{
	return rx == NULL ? -EINVAL : leat_rx_ops_of(rx)->status(rx, cause, code, text);
}

static int status_by_ctl(const struct leat_rx *rx, uint32_t ctl, enum leat_cause *cause, int *code,
                         const char **text)
{
	struct leat_chan *chan = rx->chan;
	enum leat_cause its_cause;
	const char *its_text;
	int its_code;

	if (!(ctl & (LEAT_CTL_TX_GONE | LEAT_CTL_CANCELED | LEAT_CTL_TX_FAILED)))
		return -EAGAIN;
	leat_mutex_lock(&chan->lock);
	if (chan->outcome.known) {
		its_cause = chan->outcome.cause;
		its_code = chan->outcome.code;
		its_text = chan->outcome.text;
	} else {
		its_cause = cause_of_senders(chan, ctl, &its_code, &its_text);
	}
	leat_mutex_unlock(&chan->lock);
	if (cause != NULL)
		*cause = its_cause;
	if (code != NULL)
		*code = its_code;
	if (text != NULL)
		*text = its_text;
	return 0;
}

int leat_chan_status(const struct leat_rx *rx, enum leat_cause *cause, int *code, const char **text)
{
	leat_handle_check(leat_handle_of_rx(rx), "leat_rx_status");
	/* K1: what was done before the end; pairs with leat_tx_close(), leat_chan_cancel() */
	return status_by_ctl(rx, leat_load_acq(&rx->chan->ctl), cause, code, text);
}

int leat_chan_status_ended(const struct leat_rx *rx, enum leat_cause *cause, int *code,
                           const char **text)
{
	/* K1: pairs with leat_tx_close() */
	uint32_t ctl = leat_load_acq(&rx->chan->ctl) & ~(uint32_t)LEAT_CTL_CANCELED;

	return status_by_ctl(rx, ctl, cause, code, text);
}
