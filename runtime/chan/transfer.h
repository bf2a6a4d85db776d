/*
 * runtime/chan/transfer.h: what copying and zero-copy transfer share.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_TRANSFER_H
#define LEAT_RUNTIME_CHAN_TRANSFER_H

#include "runtime/chan/chan.h"

/* n items, or n free slots, were published: notifies as many parked waiters of the other side. */
void leat_chan_sent(struct leat_chan *chan, size_t n);     /* mutate */
void leat_chan_received(struct leat_chan *chan, size_t n); /* mutate */

/*
 * Takes everything out and discards it, as the only receiver, or one of several on a ring with
 * turns.
 */
void leat_chan_drain(struct leat_chan *chan, enum leat_drop reason);
/* Gives up what a handle holds, as its close does. In zero_copy.c. */
void leat_handle_give_up_held(struct leat_handle *h);

/*
 * Takes up to want neighbouring items of a ring with turns; what producers gave up is freed on the
 * way.
 */
size_t leat_chan_take(struct leat_chan *chan, size_t want, struct leat_mpmc_claim *claim);

/* The functions of leat_chan_rx_ops that receive; the last two in zero_copy.c. */
ssize_t leat_chan_recv(struct leat_rx *rx, void *items, size_t max, size_t size,
                       int64_t deadline_ns, const char *call);
ssize_t leat_chan_peek(struct leat_rx *rx, size_t want, const void **items);
int leat_chan_release(struct leat_rx *rx, size_t n);

/* Before a receive looks at the ring: -ECANCELED, after a drain, or -EAGAIN to go on. */
ssize_t leat_chan_refuse_receive(struct leat_chan *chan, uint32_t ctl);
/* After it found nothing, ctl having been loaded before: 0 the end, -ECANCELED, -EAGAIN. */
ssize_t leat_chan_end_if_empty(struct leat_chan *chan, uint32_t ctl);

/*
 * How often an attempt that must not wait is made once more, with a pause before each, while only
 * an unfinished transfer of another thread keeps it from an item (or room) that is there. Such a
 * thread is done within some ten nanoseconds, unless it is not running or holds a reservation or a
 * peek: then it is not waited for.
 */
enum { LEAT_PEER_PAUSES = 64 };
/* Whether that is so for this side of the channel now. */
bool leat_chan_behind_peer(const struct leat_chan *chan, bool sender);

/*
 * What moves a position without a transfer stands between drop_begins() and one of these, so that
 * looks see all of it or none: a drop of n items, or a giving back.
 */
void leat_chan_begin_move(struct leat_chan *chan);
void leat_chan_end_drop(struct leat_chan *chan, enum leat_drop reason, size_t n);
void leat_chan_end_move(struct leat_chan *chan);
/* Hands one item to the user's discard, if there is one. */
void leat_chan_discard(struct leat_chan *chan, void *item);

/*
 * One item that is copied, for who waits on several channels. check() answers 0, -EINVAL or -EBUSY;
 * now() one attempt, as struct leat_op has it, in the books; ready() whether an attempt would
 * answer something else than -EAGAIN.
 */
int leat_copy_check(const struct leat_handle *h, const void *item, size_t size, const char *call);
ssize_t leat_copy_attempt(struct leat_handle *h, void *item);
bool leat_copy_ready(struct leat_handle *h);

/*
 * Sends the handle's scratch item, or drops one as the channel does: a commit, which is not
 * refused.
 */
void leat_handle_send_scratch(struct leat_handle *h);

#endif
