/*
 * leat/chan.h: channels.
 *
 * A channel is a bounded ring, a place to sleep for each side, and a state: closed by its senders,
 * closed by its receivers, cancelled. It is used through two handles of different types, so that no
 * receiver can send.
 *
 *     struct leat_tx *tx;                               struct leat_rx *rx;
 *     leat_chan_open(scope, sizeof(struct tick), NULL, &tx, &rx);
 *
 *     the sender's thread                               the receiver's thread
 *     while (next(&tick))                               leat_for(struct tick, tick, rx)
 *             if (leat_send(tx, &tick) < 0)                     use(&tick);
 *                     break;                            leat_rx_close(rx);
 *     leat_tx_close(tx);
 *
 * Who may call what
 *
 *     a handle            one thread at a time; a further thread uses a clone
 *     leat_*_clone        any thread, on an open handle, also while another thread uses that
 *     leat_*_close        the handle's thread, once; the last close of a side closes the channel
 *                         for the other
 *
 * A kind says which sides can be cloned: LEAT_MPSC and LEAT_MPMC the sender, LEAT_SPMC and
 * LEAT_MPMC the receiver.
 *
 * How it ends. Close drains: after the last sender's close receivers take what is left, then get 0
 * for ever. After the last receiver's close senders get -EPIPE. Cancelling the scope is prompt:
 * receivers get -ECANCELED instead of what is in flight, unless a 0 was already answered, and
 * senders get -ECANCELED. For senders the first of -EPIPE and -ECANCELED stays. A send that answers
 * 0 has given its item away: it is received exactly once, or handed to `discard` and counted; a
 * send that answers an error has left the item with its caller.
 *
 * Items. They are copied, item_size bytes each, and stand in the channel aligned to the largest
 * power of two that divides their size, at most 64. The calls that copy know the type behind their
 * pointer: a pointer to void or to a character type stands for the channel's item size, any other
 * type must have exactly that size, or the program stops with a line that says so. Arguments are
 * evaluated once.
 *
 * Order. First in, first out for each sender; over all senders the order in which the sends took
 * effect. What a thread did before a send is seen by the thread that received the item.
 *
 * Pace. Who moved 64 items or more since it last found nothing to do, and now does, first pauses
 * for as many steps (at most 128, a few microseconds), a try included: two sides that go on in step
 * are several times slower. Lone items are never kept waiting by it.
 *
 * Turns. Waiters of one side are notified first come, first served. A thread that does not wait may
 * take the item, or the room, before the notified waiter runs. That waiter is then notified before
 * those that have not lost. How often it may lose has no bound; a thread that must not wait long
 * sends with a deadline, or has a channel of its own and the receiver a merge.
 *
 * Tries. A try finds an item whose send has returned, and room that a receive has made, unless a
 * stalled thread is in the way: one that began a transfer of the slot in front of it and does not
 * run, or holds a reservation or a peek of that slot. The try pauses a few microseconds for such a
 * thread, at most 64 steps, and only if there is something behind it; then it returns -EAGAIN. So
 * does a call whose deadline has passed, with -ETIMEDOUT.
 *
 * Errors, all calls: -EINVAL for NULL (but closing NULL does nothing); -EBUSY on a handle that
 * holds a reservation or a peek. No call answers -EINTR, and none sets errno.
 *
 * In somebody else's event loop, a side of a channel is a descriptor:
 *
 *     epoll_ctl(epoll, EPOLL_CTL_ADD, leat_rx_fd(rx), &event);
 *     for (;;) {
 *             while ((r = leat_try_recv(rx, &item)) == 1)
 *                     use(&item);
 *             if (r != -EAGAIN)
 *                     break;                                  the end, or a cancel
 *             if (leat_rx_arm(rx) == 0)
 *                     epoll_wait(epoll, events, n, -1);
 *     }
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_CHAN_H
#define LEAT_CHAN_H

#include <leat/base.h>

LEAT_BEGIN_DECLS

struct leat_scope;
struct leat_tx;
struct leat_rx;

/*
 * What a send does when there is no room: wait; drop its own item; drop the oldest item to make
 * room.
 */
enum leat_overflow { LEAT_BLOCK, LEAT_DROP_NEWEST, LEAT_DROP_OLDEST };

struct leat_chan_opts {
	const char *name; /* copied; at most LEAT_NAME_MAX bytes */
	enum leat_kind kind;
	size_t capacity; /* items, exact: 1000 means 1000; 0: 1,024 */
	enum leat_wait send_wait, recv_wait;
	enum leat_overflow overflow;
	/*
	 * Called on every accepted item that nobody will receive, once: in the send that drops it,
	 * in the receive that answers -ECANCELED, or in a close; never under a lock. It must not
	 * use the channel.
	 */
	void (*discard)(void *item, void *arg);
	void *discard_arg;
	/*
	 * Senders and receivers pay a full fence for each item, so that a side about to park need
	 * not interrupt the process's other cores (membarrier). Always so where the kernel has no
	 * membarrier.
	 */
	bool full_fence;
	uint64_t reserved[7];
};

/*
 * Opens a channel in a scope, with one handle for each side. NULL options mean the defaults.
 * Answers 0; -EINVAL for a NULL argument, an item size of 0, a member out of range or reserved not
 * zero; -ECANCELED in a cancelled scope; -ENOMEM; -ELIBBAD when the caller was compiled for another
 * layout (leat/base.h). On an error both handles are NULL. The channel lives until every handle of
 * both sides is closed.
 */
LEAT_API int leat_chan_open(struct leat_scope *scope, size_t item_size,
                            const struct leat_chan_opts *opts, struct leat_tx **tx,
                            struct leat_rx **rx);

/*
 * A further handle for a further thread; NULL on a side that the kind makes single, and without
 * memory.
 */
LEAT_API struct leat_tx *leat_tx_clone(struct leat_tx *tx);
LEAT_API struct leat_rx *leat_rx_clone(struct leat_rx *rx);

/*
 * Gives a handle up, with a reservation or peek that it still holds: what was reserved was never
 * sent; what was peeked at goes back, or to `discard` where it can't (see leat_release()). Never
 * waits.
 */
LEAT_API void leat_tx_close(struct leat_tx *tx);
LEAT_API void leat_rx_close(struct leat_rx *rx);

/*
 * Sends. They wait for room as the channel's overflow policy says (a dropping send answers 0 and
 * never waits). 0; -EPIPE nobody receives any more; -ECANCELED; -ETIMEDOUT (until): the call's own
 * deadline, and one that is not in the future means one attempt; -EAGAIN (try): no room now.
 */
LEAT_API int leat_send(struct leat_tx *tx, const void *item);
LEAT_API int leat_send_until(struct leat_tx *tx, const void *item, int64_t deadline_ns);
LEAT_API int leat_try_send(struct leat_tx *tx, const void *item);

/*
 * Sends n items in order and answers how many were taken: all, unless the channel closed or was
 * cancelled (or, for the try, filled up) on the way; the error then comes with the next call, or at
 * once if none was taken. 0 for n = 0.
 */
LEAT_API ssize_t leat_send_batch(struct leat_tx *tx, const void *items, size_t n);
LEAT_API ssize_t leat_try_send_batch(struct leat_tx *tx, const void *items, size_t n);

/*
 * Receives, answering as read(2) does: 1 an item; 0 the end of the stream; -ECANCELED; -ETIMEDOUT
 * (until); -EAGAIN (try): nothing there now.
 */
LEAT_API int leat_recv(struct leat_rx *rx, void *item);
LEAT_API int leat_recv_until(struct leat_rx *rx, void *item, int64_t deadline_ns);
LEAT_API int leat_try_recv(struct leat_rx *rx, void *item);

/*
 * Waits for one item (the try does not), then takes what is there, up to max. -EINVAL for max = 0.
 */
LEAT_API ssize_t leat_recv_batch(struct leat_rx *rx, void *items, size_t max);
LEAT_API ssize_t leat_try_recv_batch(struct leat_rx *rx, void *items, size_t max);

/*
 * Zero copy, sending: answers how many contiguous items, from 1 to want, may be written at *items,
 * waiting for the first like a send (and failing like one); commit sends the first n of them and
 * gives the rest back; n = 0 gives all back. One reservation at a time: -EBUSY. Commit answers 0,
 * also after a close or cancel (the items are then discarded); -EINVAL for more than was reserved.
 * A channel that drops reserves one item at a time, and drops nothing for it: the commit does, as
 * leat_send() would. What is given back is room at once, unless another sender has gone on behind
 * it: then it is when receivers reach it.
 */
LEAT_API ssize_t leat_reserve(struct leat_tx *tx, size_t want, void **items);
LEAT_API int leat_commit(struct leat_tx *tx, size_t n);

/*
 * Zero copy, receiving: answers how many contiguous items, from 1 to want, may be read at *items,
 * waiting for the first like a receive; 0 at the end of the stream. Release takes the first n and
 * puts the rest back; -EINVAL where that can't be, as another receiver has gone on or was answered
 * the end of the stream meanwhile (never where the receiver is single), and for more than was
 * peeked at. What -EINVAL refused is still held.
 */
LEAT_API ssize_t leat_peek(struct leat_rx *rx, size_t want, const void **items);
LEAT_API int leat_release(struct leat_rx *rx, size_t n);

/* A send can no longer succeed: for long work between sends. Ordered like a relaxed load. */
LEAT_API bool leat_tx_done(const struct leat_tx *tx);

/*
 * Waits until fd has one of poll(2)'s events (fd -1: never), the deadline passes, or a send on tx
 * can no longer succeed. Returns 1 for fd; -ETIMEDOUT at the deadline; -EPIPE or -ECANCELED as a
 * send would; -EINVAL for NULL; -EDEADLK where it would wait in a step on a pool; -errno when a
 * descriptor to be woken by can't be had. Parks at once. The tx of a task will do.
 */
LEAT_API int leat_tx_wait(struct leat_tx *tx, int fd, short events, int64_t deadline_ns);

/*
 * The words for a failure, kept for leat_rx_status() and for the scope: `return leat_tx_fail(out,
 * -EIO, "disk gone");`. Answers code. The first words are kept. They count if the generator then
 * returns a failure; on a channel without a generator they make its last sender's close a failure.
 * Answers -EINVAL for NULL or a code that is not negative.
 */
LEAT_API int leat_tx_fail(struct leat_tx *tx, int code, const char *text);

/*
 * How what feeds this channel ended: its generator, or for a plain channel its senders. 0; -EAGAIN
 * before the end (senders are still open and nothing was cancelled); -EINVAL for NULL. cause, code
 * and text may be NULL; *text is never NULL and lives as long as rx.
 */
LEAT_API int leat_rx_status(const struct leat_rx *rx, enum leat_cause *cause, int *code,
                            const char **text);

/*
 * The scope a generator runs in, until its function returns; of a plain channel, the one it was
 * opened in.
 */
LEAT_API struct leat_scope *leat_tx_scope(const struct leat_tx *tx);

/*
 * A descriptor that poll(2) and epoll find readable when there is something to do on this side: an
 * item or room, an end, a cancel. It is the handle's, made by the first call and closed with it; or
 * -EMFILE, -ENFILE, -ENOMEM, -EINVAL.
 *
 * It says so only when it is armed, by the handle's thread, each time before that waits for it: 0
 * it is armed now; 1 there is something already, so do not wait (it is not armed); -EINVAL without
 * a descriptor; -EBUSY as a send or receive. While it is not armed, nobody who sends or receives
 * pays for it. It tells once. disarm() ends that, and so does any other call with the handle that
 * has to sleep, as that is to be told instead. Who was told has the news: on a side of several
 * threads let him receive (or send), arm, disarm or close before he turns to something else for
 * long.
 */
LEAT_API int leat_rx_fd(struct leat_rx *rx);
LEAT_API int leat_rx_arm(struct leat_rx *rx);
LEAT_API int leat_rx_disarm(struct leat_rx *rx);
LEAT_API int leat_tx_fd(struct leat_tx *tx);
LEAT_API int leat_tx_arm(struct leat_tx *tx);
LEAT_API int leat_tx_disarm(struct leat_tx *tx);

/*
 * for each item: declares `type var`, a copy, until the end of the stream or a cancel; `break`
 * leaves it. Closes nothing. rx is evaluated once.
 */
#define leat_for(type, var, rx) \
	for (struct leat_rx *leat_for_##var = (rx); leat_for_##var; leat_for_##var = NULL) \
		for (type var; leat_detail_recv(leat_for_##var, &var, sizeof(var)) == 1;)

LEAT_END_DECLS

#include <leat/detail/chan.h>
#endif
