/*
 * leat/broadcast.h: every subscriber sees every item.
 *
 * A broadcast is one ring with subscribers. A sender writes an item once, and each subscriber reads
 * it there. The sender's handle is a struct leat_tx and each subscriber is a struct leat_rx, so
 * every call of leat/chan.h, select, merge, sinks and descriptors work on them.
 *
 *     leat_broadcast_open(scope, sizeof(struct tick), NULL, &feed, &tx);
 *     leat_broadcast_subscribe(feed, NULL, &risk);
 *     leat_broadcast_subscribe(feed, &(struct leat_subscribe_opts){ .name = "log" }, &log);
 *
 *     the sender's thread            the thread of risk          the thread of log
 *     leat_send(tx, &tick);          leat_for(struct tick,       leat_for(struct tick,
 *     ...                                     t, risk)                    t, log)
 *     leat_tx_close(tx);                     check(&t);                  write_down(&t);
 *
 * Which thread may call what. A subscriber, like any handle, is one thread's at a time; it has no
 * clones (leat_rx_clone() returns NULL). Any thread may subscribe, at any time until
 * leat_broadcast_close().
 *
 * Lag. What happens when a subscriber is a whole ring behind is each subscriber's own choice:
 *
 *     LEAT_LAG_WAIT   the sender waits for it
 *     LEAT_LAG_SKIP   the sender goes on. The subscriber misses items, goes on half a ring behind
 *                     the sender, and leat_rx_missed() counts what it missed. No batch spans a gap.
 *     LEAT_LAG_EVICT  the sender waits for it for `patience_ns`, then puts it out: its receives
 *                     return -ECONNABORTED. A generator or a sink that returns that ends
 *                     LEAT_ABANDONED, which is no failure. One that is copying items at that
 *                     moment is not put out: it is about to make room.
 *
 * Stages. A subscriber that comes `after` others sees an item once they have all released it: a
 * pipeline or a diamond over one ring, without a copy. With leat_peek_mut() a subscriber may edit
 * items in place for those that come after it.
 *
 * Numbers. Each slot has a number, from 0, in the order in which senders claim them. A slot that
 * one of several senders reserved and gave back is a hole: it has a number, and no subscriber sees
 * it.
 *
 * How it ends. As a channel does, with these differences:
 *
 *     the last sender closes     subscribers, late ones too, take what is left, then get 0
 *     a subscriber closes        senders wait for it no more; a stage behind it: see `after`
 *     leat_broadcast_close()     no thread can subscribe any more; when no subscriber is left,
 *                                sends return -EPIPE
 *
 * Until then a send that no subscriber sees returns 0.
 *
 * Items that own memory. With `discard` a slot may own what its item points to: discard is called
 * once for each slot, by the send that uses the slot again, or by the last close. What a copying
 * receive returned stays valid until the next call on that handle. Therefore leat_recv_fill() then
 * ends with what one receive took, and so it does with LEAT_LAG_SKIP.
 *
 * Sizes and order are as in leat/chan.h.
 *
 * From elsewhere. The idea of one ring with a position for each reader, and stages that gate each
 * other, is the Disruptor's (Thompson, Farley, Barker, Gee, Stewart, "Disruptor: High performance
 * alternative to bounded queues", 2011). Here a sender claims a slot only when there is room, so
 * that a sender which waits can time out and be cancelled. A subscriber that may be overtaken reads
 * as a sequence lock's reader does (Boehm, "Can seqlocks get along with programming language memory
 * models?", 2012).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_BROADCAST_H
#define LEAT_BROADCAST_H

#include <leat/chan.h>

LEAT_BEGIN_DECLS

struct leat_broadcast;

/*
 * The first item that a new subscriber sees: of a send that begins after leat_broadcast_subscribe()
 * returned, or earlier; the oldest that is still in its slot; the one with a given number.
 */
enum leat_from { LEAT_FROM_NOW, LEAT_FROM_OLDEST, LEAT_FROM_SEQ };

struct leat_broadcast_opts {
	const char *name;     /* copied; at most LEAT_NAME_MAX bytes */
	enum leat_kind kind;  /* LEAT_SPSC (0) and LEAT_SPMC: one sender; LEAT_MPMC: clones */
	size_t capacity;      /* items, exact; 0: 1,024 */
	unsigned subscribers; /* how many at a time at most; 0: 16; at most 4,096 */
	enum leat_wait send_wait;
	bool wait_for_first; /* sends wait for the first subscriber; tries return -EAGAIN */
	/*
	 * Allows LEAT_LAG_SKIP. Sends then copy word by word, and leat_reserve() is -ENOTSUP.
	 */
	bool skip;
	void (*discard)(void *item, void *arg); /* with it every subscriber is LEAT_LAG_WAIT */
	void *discard_arg;
	uint64_t reserved[8];
};

/*
 * Opens a broadcast in a scope. NULL options mean the defaults. Returns 0; -EINVAL for a NULL
 * argument, an item size of 0, a member out of range, skip with discard, or reserved not zero;
 * -ECANCELED in a cancelled scope; -ENOMEM; -ELIBBAD when the caller was compiled for another
 * layout. On an error *broadcast and *tx are NULL.
 */
LEAT_API int leat_broadcast_open(struct leat_scope *scope, size_t item_size,
                                 const struct leat_broadcast_opts *opts,
                                 struct leat_broadcast **broadcast, struct leat_tx **tx);

struct leat_subscribe_opts {
	const char *name; /* copied; at most LEAT_NAME_MAX bytes */
	enum leat_from from;
	uint64_t seq; /* with LEAT_FROM_SEQ */
	enum leat_lag lag;
	int64_t patience_ns; /* with LEAT_LAG_EVICT */
	enum leat_wait recv_wait;
	/*
	 * LEAT_LAG_WAIT subscribers of this broadcast, at most 16, which must be open. Where one of
	 * them closes, this subscriber sees what that one released and then the end (status
	 * LEAT_ABANDONED, with its name); with after_optional it goes on without that one.
	 */
	struct leat_rx *const *after;
	size_t after_count;
	bool after_optional;
	uint64_t reserved[8];
};

/*
 * Adds a subscriber. NULL options mean the defaults. The caller sees to it that no subscriber in
 * `after` is closed meanwhile. Returns 0; -EINVAL for a NULL argument, a member out of range, a
 * lag that the broadcast's options rule out, an `after` that is no LEAT_LAG_WAIT subscriber of this
 * broadcast, or reserved not zero; -ERANGE for a seq that is older than the oldest item or above
 * the next number; -ENOSPC with as many subscribers as the options allow; -ECANCELED in a cancelled
 * scope; -ENOMEM, -EAGAIN where no thread could be started (LEAT_LAG_EVICT needs one); -ELIBBAD. On
 * an error *rx is NULL.
 */
LEAT_API int leat_broadcast_subscribe(struct leat_broadcast *broadcast,
                                      const struct leat_subscribe_opts *opts, struct leat_rx **rx);

/*
 * Ends subscribing. The subscribers stay, and the broadcast lives until the last handle is closed.
 * NULL: does nothing.
 */
LEAT_API void leat_broadcast_close(struct leat_broadcast *broadcast);

/*
 * For the thread of the handle. The number of the next item that a subscriber receives: with
 * LEAT_FROM_SEQ another subscriber goes on there. How many items it has missed. Both 0 for NULL and
 * for a receiver that is no subscriber.
 */
LEAT_API uint64_t leat_rx_seq(const struct leat_rx *rx);
LEAT_API uint64_t leat_rx_missed(const struct leat_rx *rx);

/*
 * As leat_peek(), to edit the items in place, before the subscribers that come after this one, or
 * after one that does, see them. Returns also -ENOTSUP while another subscriber does not come after
 * this one, or is LEAT_LAG_SKIP, and for a receiver that is no LEAT_LAG_WAIT subscriber. While the
 * editor holds items, no subscriber may join at one of them (LEAT_FROM_OLDEST, LEAT_FROM_SEQ): the
 * caller sees to that.
 */
LEAT_API ssize_t leat_peek_mut(struct leat_rx *rx, size_t want, void **items);

LEAT_API int leat_detail_broadcast_open(unsigned abi, struct leat_scope *scope, size_t item_size,
                                        const struct leat_broadcast_opts *opts,
                                        struct leat_broadcast **broadcast, struct leat_tx **tx);
LEAT_API int leat_detail_broadcast_subscribe(unsigned abi, struct leat_broadcast *broadcast,
                                             const struct leat_subscribe_opts *opts,
                                             struct leat_rx **rx);

/* Variadic, so that an argument may be a compound literal with commas. */
#define leat_broadcast_open(...) \
	leat_detail_broadcast_open(leat_detail_abi(struct leat_broadcast_opts), __VA_ARGS__)
#define leat_broadcast_subscribe(...) \
	leat_detail_broadcast_subscribe(leat_detail_abi(struct leat_subscribe_opts), __VA_ARGS__)

LEAT_END_DECLS
#endif
