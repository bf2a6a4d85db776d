/*
 * runtime/chan/waitable.h: a handle as one of several things to wait for (waitable.c).
 *
 * This is all that leat_select(), merges and descriptors know of a channel. A waitable is a sender,
 * a receiver, or a receiver of another kind; the thread that uses the handle uses the waitable. A
 * thread that waits on several does
 *
 *     attempt, on each           until one returns something else than -EAGAIN
 *     add_waiter, on each        then one leat_event_fence(), and an attempt on each once more
 *     leat_sleeper_park()
 *     remove_waiter, on each     and forward_notify() for those that were notified, once it is
 *                                known which item was taken
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_WAITABLE_H
#define LEAT_RUNTIME_CHAN_WAITABLE_H

#include "runtime/chan/chan.h"
#include "runtime/chan/rx_ops.h"

struct leat_waitable; /* never defined: a handle, under another name */

static inline struct leat_waitable *leat_waitable_of_tx(struct leat_tx *tx)
{
	return (struct leat_waitable *)tx;
}

static inline struct leat_waitable *leat_waitable_of_rx(struct leat_rx *rx)
{
	return (struct leat_waitable *)rx;
}

int leat_waitable_check_slowly(struct leat_waitable *waitable, const void *item, size_t size,
                               const char *call);
int leat_waitable_attempt_slowly(struct leat_waitable *waitable, void *item);

/*
 * 0, -EINVAL or -EBUSY. size: of the item, or LEAT_DETAIL_CHAN_SIZE; another than the channel's
 * stops the program.
 */
static inline int leat_waitable_check(struct leat_waitable *waitable, const void *item, size_t size,
                                      const char *call)
{
	const struct leat_handle *h = (const struct leat_handle *)(const void *)waitable;

	if (leat_likely(!leat_rx_has_ops(&h->rx) && h->open && h->held == 0 && item != NULL &&
	                size != LEAT_DETAIL_CHAN_SIZE && size == h->spsc.item_size))
		return 0;
	return leat_waitable_check_slowly(waitable, item, size, call);
}

/* The id of its channel; 0: that has none, as a compact one of a generator on a pool. */
uint64_t leat_waitable_channel(struct leat_waitable *waitable);
/* The size of the channel's items; 0 for a task's channel. */
size_t leat_waitable_item_size(struct leat_waitable *waitable);
/*
 * Sends or receives one item, if that can be done at once. Returns 1; 0 at the end of the stream;
 * -EAGAIN; -EPIPE, -ECANCELED.
 */
static inline int leat_waitable_attempt(struct leat_waitable *waitable, void *item)
{
	const uint32_t ends =
		LEAT_CTL_CANCELED | LEAT_CTL_TX_GONE | LEAT_CTL_ENDED | LEAT_CTL_TX_FAILED;
	struct leat_handle *h = (struct leat_handle *)(void *)waitable;

	/* Of many receivers most find no item; those return here. */
	/* rlx: it decides only whether to make an attempt that loads in order */
	if (!leat_rx_has_ops(&h->rx) && !h->sender && !(leat_load_rlx(h->rx.ctl) & ends))
		if (h->mpmc != NULL ? !leat_mpmc_readable(h->mpmc) : !leat_spsc_can_pop(&h->spsc))
			return -EAGAIN;
	return leat_waitable_attempt_slowly(waitable, item);
}
/*
 * Whether an attempt would return something else than -EAGAIN. If not, has a worker run the
 * generator that feeds it.
 */
bool leat_waitable_ready(struct leat_waitable *waitable);

/* Whether other handles may receive from the same channel. */
static inline bool leat_rx_is_shared(const struct leat_rx *rx)
{
	return leat_rx_is_handle(rx) && leat_chan_many_receivers(rx->chan);
}

/*
 * For a thread that polls several waitables and waits for none. position() returns false where no
 * other handle shares the side, so that what can be done now stays possible. Else it returns true,
 * and *position differs from an earlier one if another thread has moved an item since.
 * behind_peer() returns whether only an unfinished transfer of another thread is in the way of an
 * attempt.
 */
bool leat_waitable_position(struct leat_waitable *waitable, uint64_t *position);
bool leat_waitable_behind_peer(struct leat_waitable *waitable);
/* Changes once this handle has moved items in a ring that other handles use too; else 0. */
uint64_t leat_waitable_moved(struct leat_waitable *waitable);

/*
 * add_waiter() returns what leat_event_fence() is to be called with. remove_waiter() returns
 * whether the waiter was notified.
 */
bool leat_waitable_add_waiter(struct leat_waitable *waitable, struct leat_waiter *waiter);
bool leat_waitable_remove_waiter(struct leat_waitable *waitable, struct leat_waiter *waiter);
void leat_waitable_forward_notify(struct leat_waitable *waitable); /* mutate */

enum leat_wait leat_waitable_policy(struct leat_waitable *waitable);
struct leat_scope *leat_waitable_scope(struct leat_waitable *waitable);
/* Its descriptors; NULL where there are none, or no memory to make them. */
struct leat_rx_waits *leat_waitable_waits(struct leat_waitable *waitable, bool make);
/* As leat_wake_fd(). */
int leat_waitable_wake_fd(struct leat_waitable *waitable);

/*
 * The figures of a wait: it begins, parks once, ends. Several waits on one waitable at the same
 * time count as one.
 */
void leat_waitable_wait_begins(struct leat_waitable *waitable, int64_t now_ns);
void leat_waitable_wait_parks(struct leat_waitable *waitable);
void leat_waitable_wait_ends(struct leat_waitable *waitable, int64_t now_ns);

#endif
