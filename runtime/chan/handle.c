/*
 * The handles of a channel: opening, cloning, linking and retiring one.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/handle.h"
#include "runtime/chan/chan_fd.h"
#include "runtime/chan/rx_ops.h"
#include "runtime/chan/stat.h"
#include "runtime/chan/transfer.h"

#include <string.h>

void leat_handle_check(const struct leat_handle *h, const char *call)
{
	if (!h->open)
		leat_die("%s: the handle is closed", call);
}

void leat_handle_init(struct leat_handle *h, struct leat_chan *chan, bool sender)
{
	h->tx.ctl = &chan->ctl; /* struct leat_rx has the same shape */
	h->tx.chan = chan;
	memset(&h->spsc, 0, sizeof(h->spsc));
	h->spsc.item_size = chan->item_size;
	leat_spsc_disable(&h->spsc); /* until there is a ring of its kind */
	leat_mpmc_cursor_init(&h->cursor, &chan->mpmc);
	h->mpmc = chan->turns && chan->item_size != 0 ? &chan->mpmc : NULL;
	h->sender = sender;
	h->open = true;
	h->event = sender ? &chan->room : &chan->items;
	h->wait = sender ? chan->send_wait : chan->recv_wait;
	h->mark = (struct leat_stop_mark){ .source = false };
	h->last_call = false;
	h->gen = NULL;
	h->held = 0;
	h->waits = (struct leat_rx_waits){ .wake_fd = -1 };
	h->bound_word = (struct leat_rx_ops_word){ LEAT_CTL_RX_OPS, &leat_bound_rx_ops };
	memset(&h->counts, 0, sizeof(h->counts));
}

void leat_handle_link(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	h->prev = NULL;
	h->next = chan->handles;
	if (h->next != NULL)
		h->next->prev = h;
	chan->handles = h;
	if (h->sender)
		chan->senders++;
	else
		chan->receivers++;
}

int leat_handle_alloc_scratch(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	if (!h->sender || chan->overflow == LEAT_BLOCK || h->scratch != NULL ||
	    chan->item_size == 0)
		return 0;
	h->scratch = leat_os_alloc(chan->item_size, leat_item_align(chan->item_size));
	return h->scratch == NULL ? -ENOMEM : 0;
}

/*
 * The memory of a closed handle serves the next clone. Until then it says that the handle is
 * closed, so that a call on it stops the program.
 */
static struct leat_handle *clone_handle(struct leat_handle *of)
{
	struct leat_chan *chan = leat_chan_of(of);
	struct leat_handle *h;

	leat_mutex_lock(&chan->lock);
	h = chan->closed[of->sender];
	if (h != NULL)
		chan->closed[of->sender] = h->next;
	leat_mutex_unlock(&chan->lock);
	if (h == NULL)
		h = leat_os_alloc(sizeof(*h), LEAT_LINES_APART);
	if (h == NULL)
		return leat_open_failed(-ENOMEM);
	leat_handle_init(h, chan, of->sender);
	if (leat_handle_alloc_scratch(h) < 0) {
		leat_os_free(h);
		return leat_open_failed(-ENOMEM);
	}
	/* rlx: only clones that are made after the call of leat_tx_source() inherit it */
	h->mark.source = leat_load_rlx(&of->mark.source);
	leat_mutex_lock(&chan->lock);
	leat_handle_link(h);
	leat_mutex_unlock(&chan->lock);
	return h;
}

struct leat_tx *leat_tx_clone(struct leat_tx *tx)
{
	struct leat_handle *h = leat_handle_of_tx(tx);

	if (h == NULL)
		return leat_open_failed(-EINVAL);
	leat_handle_check(h, "leat_tx_clone");
	if (!leat_chan_many_senders(tx->chan) || tx->chan->item_size == 0)
		return leat_open_failed(-ENOTSUP);
	h = clone_handle(h);
	return h == NULL ? NULL : &h->tx;
}

struct leat_rx *leat_rx_clone(struct leat_rx *rx)
{
	struct leat_handle *h = leat_handle_of_rx(rx);

	if (h == NULL)
		return leat_open_failed(-EINVAL);
	if (!leat_rx_is_handle(rx))
		return leat_open_failed(-ENOTSUP); /* such a receiver is single */
	leat_handle_check(h, "leat_rx_clone");
	if (!leat_chan_many_receivers(rx->chan))
		return leat_open_failed(-ENOTSUP);
	h = clone_handle(h);
	return h == NULL ? NULL : &h->rx;
}

void leat_handle_retire(struct leat_handle *h)
{
	leat_unbind_all(h);
	leat_handle_give_up_held(h);
	leat_spsc_disable(&h->spsc);
	h->mpmc = NULL;
	h->open = false;
	leat_chan_fd_close(leat_waitable_of_tx(&h->tx), &h->waits.chan_fd);
	leat_wake_fd_close(&h->waits.wake_fd);
}

void leat_handle_unlink(struct leat_handle *h)
{
	struct leat_chan *chan = leat_chan_of(h);

	if (h->prev != NULL)
		h->prev->next = h->next;
	else
		chan->handles = h->next;
	if (h->next != NULL)
		h->next->prev = h->prev;
	leat_counts_add(&chan->past[h->sender], &h->counts);
	if (chan->ring != NULL && !h->sender) { /* it is in the broadcast's table */
		chan->ring->unlinked(h);
		return;
	}
	h->next = chan->closed[h->sender];
	chan->closed[h->sender] = h;
}

void leat_handle_wait_begins(struct leat_handle *h, int64_t now_ns)
{
	/* rlx: a number that is right whenever a snapshot reads it */
	leat_store_rlx(&h->wait_base_ns, (uint64_t)now_ns - leat_load_rlx(&h->counts.blocked_ns));
}

void leat_handle_wait_ends(struct leat_handle *h, int64_t now_ns)
{
	/* rlx: only this thread writes it */
	uint64_t base_ns = leat_load_rlx(&h->wait_base_ns);

	if (base_ns == 0)
		return;
	leat_store_rlx(&h->counts.blocked_ns, (uint64_t)now_ns - base_ns); /* rlx: a number */
	leat_store_rlx(&h->wait_base_ns,
	               0); /* rlx: the same; read_stat keeps what it returns from falling */
}

struct leat_scope *leat_tx_scope(const struct leat_tx *tx)
{
	const struct leat_handle_gen *gen;

	if (tx == NULL)
		return NULL;
	gen = leat_handle_of_tx(tx)->gen;
	return gen != NULL ? gen->scope : tx->chan->scope;
}
