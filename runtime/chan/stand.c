/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/chan/stand.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/foreign.h"

void leat_rx_enter(struct leat_rx *rx, struct leat_waiter *waiter)
{
	if (leat_rx_is_foreign(rx))
		leat_rx_foreign(rx)->enter(rx, waiter->sleeper);
	else
		leat_event_enter(&rx->chan->items, waiter);
}

void leat_rx_leave(struct leat_rx *rx, struct leat_waiter *waiter)
{
	if (leat_rx_is_foreign(rx))
		leat_rx_foreign(rx)->leave(rx, waiter->sleeper);
	else if (leat_event_leave(&rx->chan->items, waiter))
		leat_chan_pass_on(rx->chan, false);
}

bool leat_rx_ready(struct leat_rx *rx)
{
	struct leat_chan *chan = rx->chan;
	uint32_t ctl;

	if (leat_rx_is_foreign(rx))
		return leat_rx_foreign(rx)->ready(rx);
	ctl = leat_load_acq(&chan->ctl); /* K1: pairs with whoever ended */
	if (ctl & (LEAT_CTL_CANCELED | LEAT_CTL_ENDED | LEAT_CTL_TX_GONE | LEAT_CTL_SEVERED))
		return true;
	if (chan->turns ? leat_mpmc_readable(&chan->mpmc) : leat_spsc_can_pop(&leat_handle_of_rx(rx)->ring))
		return true;
	if (chan->feeder != NULL)
		chan->feeder->demand(chan->feeder);
	return false;
}
