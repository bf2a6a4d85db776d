/*
 * runtime/chan/transfer.h: what copying and zero-copy transfer share (transfer.c, zero_copy.c).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_TRANSFER_H
#define LEAT_RUNTIME_CHAN_TRANSFER_H

#include "runtime/chan/chan.h"

#include <limits.h>

/*
 * Loads ctl for a thread that has just published an item (C1), or a free slot (C2): it reads the
 * bit of each waiter that has not seen what was published.
 */
static inline uint32_t leat_chan_load_parked(const struct leat_chan *chan)
{
	uint32_t ctl;

	/* C1, C2: turn or position before ctl; pairs with leat_event_prepare_wait() */
	leat_fence_light();
	ctl = leat_load_rlx(&chan->ctl); /* rlx: C1, C2 order it */
	if (leat_unlikely(ctl & LEAT_CTL_FENCED)) {
		/*
		 * C1, C2: without membarrier; pairs with the full fence of
		 * leat_event_prepare_wait()
		 */
		leat_fence_seq();
		ctl = leat_load_rlx(&chan->ctl); /* rlx: the same */
	}
	return ctl;
}

/* n items, or n free slots, were published: notifies as many parked waiters of the other side. */
void leat_chan_sent(struct leat_chan *chan, size_t n);     /* mutate */
void leat_chan_received(struct leat_chan *chan, size_t n); /* mutate */

/* Up to n items into an SPSC ring, or out of it. Returns how many. */
size_t leat_push_spsc(struct leat_spsc_cursor *tx, const unsigned char *items, size_t n,
                      size_t size);
size_t leat_pop_spsc(struct leat_spsc_cursor *rx, unsigned char *items, size_t n, size_t size);

/*
 * Takes all items out and discards them; not those of a broadcast, whose last close does. On an
 * SPSC ring no other thread may receive meanwhile; on a ring with turns others may.
 */
void leat_chan_drain(struct leat_chan *chan, enum leat_drop reason);
/* Gives up what a handle has reserved or peeked at, as its close does. In zero_copy.c. */
void leat_handle_give_up_held(struct leat_handle *h);
/*
 * TX_CLOSED is set: closes the ring, unless a handle holds a scratch item, which its commit has yet
 * to put in. The give-up or commit of the last such handle calls this again. In zero_copy.c.
 */
void leat_chan_close_ring(struct leat_chan *chan);

/*
 * Claims up to want neighbouring items of a ring with turns. Frees slots that producers gave up
 * where they are in front.
 */
size_t leat_chan_take(struct leat_chan *chan, size_t want, struct leat_mpmc_claim *claim);

/*
 * Whether a send of these items may go on without the wait engine, if there is room. A call that
 * began before the end may miss it, so the load is relaxed.
 */
static inline bool leat_chan_send_is_usual(const struct leat_chan *chan, const void *items,
                                           size_t size)
{
	return items != NULL && (size == LEAT_DETAIL_CHAN_SIZE || size == chan->item_size) &&
	       !(leat_load_rlx(&chan->ctl) & /* rlx: see above */
	         (LEAT_CTL_CANCELED | LEAT_CTL_RX_GONE | LEAT_CTL_TX_FAILED | LEAT_CTL_TX_CLOSED |
	          LEAT_CTL_STOPPING));
}

/* Whether a count of so many bytes can be returned. */
static inline bool leat_fits_ssize(size_t n, size_t item_size)
{
	size_t bytes;

	return !__builtin_mul_overflow(n, item_size, &bytes) && bytes <= SSIZE_MAX;
}

/*
 * What leat_detail_send_wait() does where nothing can be sent at once, or that is not known. Out of
 * line, so that what is sent at once does not save registers for it.
 */
int leat_chan_send_or_wait(struct leat_tx *tx, const void *item, size_t size, int64_t deadline_ns)
	__attribute__((noinline));
/* The same for leat_detail_send_many(). */
ssize_t leat_chan_send_many_or_wait(struct leat_tx *tx, const void *items, size_t n, size_t size,
                                    int64_t deadline_ns) __attribute__((noinline));

/* The functions of leat_chan_rx_ops that receive; the last two in zero_copy.c. */
ssize_t leat_chan_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                       int64_t deadline_ns, const char *call);
ssize_t leat_chan_peek(struct leat_rx *rx, size_t want, const void **items, int64_t deadline_ns,
                       const char *call);
int leat_chan_release(struct leat_rx *rx, size_t n);

/*
 * Before a receive reads the ring. ctl: loaded with acquire (K1). Returns -ECANCELED after it has
 * drained the channel; 0 at the end of the stream; -EAGAIN if the receive goes on.
 */
ssize_t leat_chan_refuse_receive(struct leat_chan *chan, uint32_t ctl);
/*
 * After a receive found no item. ctl: loaded before it read the ring. Returns 0 if the stream has
 * ended, which it then has for all receivers; -ECANCELED; -EAGAIN.
 */
ssize_t leat_chan_end_if_empty(struct leat_chan *chan, uint32_t ctl);

/*
 * How often an attempt that must not wait is repeated, with a pause before each, while only an
 * unfinished transfer of another thread keeps it from an item (or room) that is there. That thread
 * finishes within some ten nanoseconds, unless it does not run or holds a reservation or a peek;
 * such a thread is not waited for.
 */
enum { LEAT_PEER_PAUSES = 64 };
/* Whether only such a transfer is in the way of this side now. */
bool leat_chan_behind_peer(const struct leat_chan *chan, bool sender);

/*
 * A thread that moves a position without a transfer (it drops n items, or gives slots or items
 * back) does so between leat_chan_begin_move() and one of the other two. So a snapshot reads all of
 * the move or none: edges D1 and D2 in runtime/chan/stat.h.
 */
void leat_chan_begin_move(struct leat_chan *chan);
void leat_chan_end_drop(struct leat_chan *chan, enum leat_drop reason, size_t n);
void leat_chan_end_move(struct leat_chan *chan);
/* Passes one item to the user's discard, if there is one. */
void leat_chan_discard(struct leat_chan *chan, void *item);

/*
 * One item that is copied, for threads that wait on several channels. check() returns 0, -EINVAL or
 * -EBUSY. attempt() makes one attempt, as in struct leat_op, and counts it. ready() returns whether
 * an attempt would return something else than -EAGAIN.
 */
int leat_copy_check(const struct leat_handle *h, const void *item, size_t size, const char *call);
ssize_t leat_copy_attempt(struct leat_handle *h, void *item);
bool leat_copy_ready(struct leat_handle *h);

/*
 * Sends the handle's scratch item, or drops an item as the channel's overflow policy says. For a
 * commit, which cannot fail.
 */
void leat_handle_send_scratch(struct leat_handle *h);

#endif
