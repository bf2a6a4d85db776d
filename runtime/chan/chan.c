/*
 * Creating and destroying channels. Which thread destroys one is in runtime/chan/endings.h.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/chan/endings.h"
#include "runtime/chan/handle.h"
#include "runtime/chan/stat.h"
#include "runtime/chan/transfer.h"

#include <string.h>

enum { DEFAULT_CAPACITY = 1024 };

int leat_chan_check(const struct leat_chan_opts *opts)
{
	char name[LEAT_NAME_MAX + 1];

	if ((unsigned)opts->kind > LEAT_MPMC || (unsigned)opts->send_wait > LEAT_WAIT_PARK ||
	    (unsigned)opts->recv_wait > LEAT_WAIT_PARK ||
	    (unsigned)opts->overflow > LEAT_DROP_OLDEST)
		return -EINVAL;
	if (!leat_words_unused(opts->reserved, sizeof(opts->reserved) / sizeof(opts->reserved[0])))
		return -EINVAL;
	return leat_name_copy(name, opts->name) ? 0 : -EINVAL;
}

static void init_turns(struct leat_chan *chan)
{
	leat_mpmc_init(&chan->mpmc, chan->slots, chan->item_size, chan->capacity,
	               !leat_chan_many_senders(chan),
	               !leat_chan_many_receivers(chan) && chan->overflow != LEAT_DROP_OLDEST);
	leat_mpmc_cursor_init(&chan->first_tx.cursor, &chan->mpmc);
	leat_mpmc_cursor_init(&chan->first_rx.cursor, &chan->mpmc);
}

static int open_ring(struct leat_chan *chan)
{
	size_t bytes;

	if (chan->item_size == 0 || chan->ring != NULL)
		return 0;
	if (chan->turns)
		bytes = leat_mpmc_bytes(chan->item_size, chan->capacity);
	else
		bytes = leat_spsc_bytes(chan->item_size, chan->capacity);
	if (bytes == 0)
		return -ENOMEM;
	chan->slots = leat_os_alloc(bytes, 64);
	if (chan->slots == NULL)
		return -ENOMEM;
	if (chan->turns)
		init_turns(chan);
	else
		leat_spsc_init(&chan->spsc, &chan->first_tx.spsc, &chan->first_rx.spsc, chan->slots,
		               chan->item_size, chan->capacity);
	return 0;
}

static void free_chan(struct leat_chan *chan)
{
	leat_os_free(chan->first_tx.scratch);
	leat_os_free(chan->slots);
	leat_os_free(chan->end);
	leat_os_free(chan->producer);
	leat_os_free(chan);
}

static void init_chan(struct leat_chan *chan, size_t item_size, const struct leat_chan_opts *opts)
{
	chan->kind = opts->kind;
	chan->send_wait = opts->send_wait;
	chan->recv_wait = opts->recv_wait;
	chan->overflow = opts->overflow;
	chan->item_size = item_size;
	chan->capacity = opts->capacity != 0 ? opts->capacity : DEFAULT_CAPACITY;
	chan->discard = opts->discard;
	chan->discard_arg = opts->discard_arg;
	chan->turns = chan->ring == NULL &&
	              (opts->kind != LEAT_SPSC || opts->overflow == LEAT_DROP_OLDEST);
	chan->hook.cancel = leat_chan_cancel;
	chan->hook.stop = leat_chan_stop;
	chan->hook.untold = leat_chan_untold;
	leat_name_copy(chan->name, opts->name);
	leat_mutex_init(&chan->lock);
	leat_event_init(&chan->items, &chan->ctl, LEAT_CTL_RX_PARKED);
	leat_event_init(&chan->room, &chan->ctl, LEAT_CTL_TX_PARKED);
	leat_event_init(&chan->done, &chan->ctl, 0);
	if (opts->full_fence || !leat_os_fence_heavy_prepare())
		/* rlx: no other thread knows the channel yet */
		leat_store_rlx(&chan->ctl, LEAT_CTL_FENCED);
	leat_handle_init(&chan->first_tx, chan, true);
	leat_handle_init(&chan->first_rx, chan, false);
}

/* Allocates a channel with its ring, and attaches it to the scope. It has no handles yet. */
static int make_chan(struct leat_scope *scope, size_t item_size, const struct leat_chan_opts *opts,
                     const struct leat_chan_ring *ring, struct leat_broadcast *broadcast,
                     struct leat_chan **made)
{
	struct leat_chan *chan = leat_os_alloc(sizeof(*chan), LEAT_LINES_APART);
	int rc;

	if (chan == NULL)
		return -ENOMEM;
	chan->ring = ring;
	chan->broadcast = broadcast;
	init_chan(chan, item_size, opts);
	chan->end = leat_os_alloc(sizeof(*chan->end), 0);
	rc = chan->end == NULL ? -ENOMEM : open_ring(chan);
	if (rc == 0)
		rc = leat_handle_alloc_scratch(&chan->first_tx);
	if (rc == 0 && ring != NULL)
		ring->opened(chan);
	if (rc == 0)
		rc = leat_scope_attach(scope, &chan->hook);
	if (rc < 0) {
		free_chan(chan);
		return rc;
	}
	chan->scope = scope;
	leat_handle_link(&chan->first_tx);
	*made = chan;
	return 0;
}

int leat_chan_create(struct leat_scope *scope, size_t item_size, const struct leat_chan_opts *opts,
                     struct leat_tx **tx, struct leat_rx **rx)
{
	static const struct leat_chan_opts defaults;
	struct leat_chan *chan;
	int rc;

	if (opts == NULL)
		opts = &defaults;
	rc = leat_chan_check(opts);
	if (rc == 0)
		rc = make_chan(scope, item_size, opts, NULL, NULL, &chan);
	if (rc < 0)
		return rc;
	if (rx != NULL) {
		leat_handle_link(&chan->first_rx);
		*rx = &chan->first_rx.rx;
	}
	*tx = &chan->first_tx.tx;
	leat_registry_add(&chan->node, LEAT_NODE_CHAN, chan);
	return 0;
}

int leat_chan_create_broadcast(struct leat_scope *scope, size_t item_size,
                               const struct leat_chan_opts *opts, struct leat_broadcast *broadcast,
                               const struct leat_chan_ring *ring, const struct leat_rx_ops *ops,
                               struct leat_chan **made)
{
	struct leat_chan *chan;
	int rc = make_chan(scope, item_size, opts, ring, broadcast, &chan);

	if (rc < 0)
		return rc;
	chan->rx_functions = ops;
	leat_or_rlx(&chan->ctl, LEAT_CTL_RX_OPS); /* rlx: a cancel may have set its bit */
	chan->open_to_more = true;
	chan->holds = 1; /* until leat_chan_close_to_more() */
	leat_registry_add(&chan->node, LEAT_NODE_CHAN, chan);
	*made = chan;
	return 0;
}

int leat_detail_chan_open(unsigned abi, struct leat_scope *scope, size_t item_size,
                          const struct leat_chan_opts *opts, struct leat_tx **tx,
                          struct leat_rx **rx)
{
	if (tx != NULL)
		*tx = NULL;
	if (rx != NULL)
		*rx = NULL;
	if (abi != leat_detail_abi(*opts))
		return -ELIBBAD;
	if (scope == NULL || item_size == 0 || tx == NULL || rx == NULL)
		return -EINVAL;
	return leat_chan_create(scope, item_size, opts, tx, rx);
}

void leat_chan_destroy(struct leat_chan *chan)
{
	struct leat_end *end = chan->end;
	struct leat_handle *h;

	leat_chan_drain(chan, leat_chan_drop_reason(chan));
	if (chan->ring != NULL)
		chan->ring->drain(chan);
	leat_scope_detach(chan->scope, &chan->hook);
	leat_chan_settle_stat(chan);
	leat_chan_read_stat(chan, &end->chan);
	if (end->chan.in_flight != 0)
		leat_die("channel \"%s\": its books do not balance: %llu items in flight after the "
		         "last was taken out",
		         chan->name, (unsigned long long)end->chan.in_flight);
	end->kind = LEAT_NODE_CHAN;
	end->chan.ended = true;
	for (int side = 0; side < 2; side++)
		while ((h = chan->closed[side]) != NULL) {
			chan->closed[side] = h->next;
			leat_os_free(h->scratch);
			if (h != &chan->first_tx && h != &chan->first_rx)
				leat_os_free(h);
		}
	if (chan->ring != NULL)
		chan->ring->free(chan);
	leat_os_free(chan->slots);
	leat_os_free(chan->producer);
	leat_registry_remove(&chan->node, end);
}
