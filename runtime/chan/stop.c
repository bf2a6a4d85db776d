/*
 * Sources: the senders of a channel that end when its scope is stopped.
 *
 * Two bits of the control word, one of the stopper's and one of the handle's, in either order; the
 * second of them sets LEAT_CTL_STOPPING too, in the same swap. So a send's fast path has one bit to
 * test, and where no sender is a source a stop leaves that fast path alone.
 *
 *     S4  the stopper sets SCOPE_STOPS, or   ->  a send on a source, or a wait of its generator,
 *         leat_tx_source() HAS_SOURCE            loads ctl: what was done before the stop is seen
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/chan.h"

bool leat_ctl_set_stop_bit(uint32_t *ctl, uint32_t bit)
{
	const uint32_t both = LEAT_CTL_SCOPE_STOPS | LEAT_CTL_HAS_SOURCE;
	uint32_t old = leat_load_rlx(ctl), new; /* rlx: the swap decides */

	do {
		new = old | bit;
		if ((new & both) == both)
			new |= LEAT_CTL_STOPPING;
		/* S4: what was done before the stop; pairs with leat_handle_is_stopped() */
	} while (new != old && !leat_cas_acqrel(ctl, &old, new));
	return new != old && (new & both) == both;
}

void leat_chan_stop(struct leat_scope_hook *hook)
{
	struct leat_chan *chan = leat_container_of(hook, struct leat_chan, hook);

	if (!leat_ctl_set_stop_bit(&chan->ctl, LEAT_CTL_SCOPE_STOPS))
		return;
	leat_event_notify(&chan->room, LEAT_EVENT_ALL);
	leat_event_notify(&chan->done, LEAT_EVENT_ALL);
}

void leat_tx_source(struct leat_tx *tx, bool on)
{
	struct leat_handle *h = leat_handle_of_tx(tx);

	if (h == NULL)
		return;
	leat_handle_check(h, "leat_tx_source");
	/* rlx: read by this thread, or one that it gives the handle to */
	leat_store_rlx(&h->mark.source, on);
	if (on)
		leat_ctl_set_stop_bit(&leat_chan_of(h)->ctl, LEAT_CTL_HAS_SOURCE);
}

enum leat_untold leat_chan_untold(struct leat_scope_hook *hook, char name[LEAT_NAME_MAX + 1])
{
	struct leat_chan *chan = leat_container_of(hook, struct leat_chan, hook);
	const struct leat_stop_mark *mark = &chan->first_tx.mark;
	/* rlx: the text says what was seen, and no more than that */
	uint32_t sent_by = leat_load_rlx(&chan->sent_by);

	/* rlx: the same */
	if (sent_by == LEAT_BY_ANY_THREAD || leat_load_rlx(&chan->ctl) & LEAT_CTL_TX_GONE ||
	    leat_load_rlx(&mark->source) || leat_load_rlx(&mark->fed)) /* rlx: the same */
		return LEAT_UNTOLD_NO;
	leat_name_copy(name, chan->name[0] != '\0' ? chan->name : "(no name)");
	return sent_by == LEAT_BY_SEQ ? LEAT_UNTOLD_LIKELY : LEAT_UNTOLD_PERHAPS;
}
