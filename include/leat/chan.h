/*
 * leat/chan.h: channels.
 *
 * A channel is a bounded queue between threads. Senders put items in, receivers take them out, and
 * each side waits for the other. It is used through two handles of different types, so that no
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
 * Which thread may call what
 *
 *     a handle            one thread at a time; a further thread uses a clone
 *     leat_*_clone        any thread, on an open handle, also while another thread uses that handle
 *     leat_*_close        the handle's thread, once; the last close of a side ends the channel for
 *                         the other side
 *
 * A kind says which sides can be cloned: LEAT_MPSC and LEAT_MPMC the sender, LEAT_SPMC and
 * LEAT_MPMC the receiver.
 *
 * How it ends
 *
 *     the last sender closes      receivers take what is left, then get 0 for ever
 *     leat_tx_close_all()         the same, though other senders are open: they get -EPIPE
 *     the last receiver closes    senders get -EPIPE; what is left is dropped
 *     the scope is cancelled      senders get -ECANCELED; receivers get -ECANCELED instead of what
 *                                 is left, unless a receive has returned 0 before
 *     the scope is stopped        senders that are sources get -ESHUTDOWN (leat_tx_source())
 *
 * For senders the first of -EPIPE and -ECANCELED stays, and -ESHUTDOWN comes after both. A send
 * that returns 0 has given its item away: the item is received exactly once, or handed to `discard`
 * and counted. A send that returns an error has left the item with its caller.
 *
 * Items. They are copied, item_size bytes each. In the channel an item is aligned to the largest
 * power of two that divides its size, at most 64. The calls that copy know the type behind their
 * pointer: a pointer to void or to a character type stands for the channel's item size. Any other
 * type must have exactly that size, or the program stops with a line that says so. Arguments are
 * evaluated once.
 *
 * Order. The items of one sender are received first in, first out. Over all senders the order is
 * that in which the sends took effect. What a thread did before a send is seen by the thread that
 * receives the item.
 *
 * Pace. A handle that has moved at least 64 items since it last found the channel empty (or full),
 * and now finds it so again, backs off: it first pauses once for each item moved, at most 128 times
 * (a few microseconds). Tries do so too. Without it two sides that go on in step are several times
 * slower. A lone item is never delayed by it.
 *
 * Turns. Waiters of one side are notified first come, first served. A thread that does not wait may
 * take the item, or the room, before the notified waiter runs. That waiter is then notified before
 * those that have not lost. How often a waiter may lose has no bound. A thread that must not wait
 * long sends with a deadline, or has a channel of its own whose receiver is in a merge.
 *
 * Tries. A try finds each item whose send has returned, and all room that a receive has made. The
 * exception is a stalled thread: one that began a transfer of the slot in front and does not run,
 * or that holds a reservation or a peek of that slot. If there is something behind that slot, the
 * try pauses for the thread, at most 64 times (a few microseconds), and then returns -EAGAIN. A
 * call whose deadline has passed does the same and returns -ETIMEDOUT.
 *
 * Errors, all calls: -EINVAL for NULL (but closing NULL does nothing); -EBUSY on a handle that
 * holds a reservation or a peek. No call returns -EINTR, and none sets errno.
 *
 * In the event loop of another library, one handle of a channel is a descriptor:
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
	 * Called once for every accepted item that no receiver will take: by the send that drops
	 * the item, by a receive that returns -ECANCELED, or by a close. The caller holds no lock.
	 * It must not use the channel.
	 */
	void (*discard)(void *item, void *arg);
	void *discard_arg;
	/*
	 * Each send and receive executes a full fence, so that a thread that is about to park need
	 * not interrupt the other cores of the process (membarrier). Always so where the kernel has
	 * no membarrier.
	 */
	bool full_fence;
	uint64_t reserved[7];
};

/*
 * Opens a channel in a scope, with one handle for each side. NULL options mean the defaults.
 * Returns 0; -EINVAL for a NULL argument, an item size of 0, a member out of range or reserved not
 * zero; -ECANCELED in a cancelled scope; -ENOMEM; -ELIBBAD when the caller was compiled for another
 * layout (leat/base.h). On an error both handles are NULL. The channel lives until every handle of
 * both sides is closed.
 */
LEAT_API int leat_chan_open(struct leat_scope *scope, size_t item_size,
                            const struct leat_chan_opts *opts, struct leat_tx **tx,
                            struct leat_rx **rx);

/*
 * A further handle for a further thread, which closes it. NULL on a side that the kind makes
 * single, and without memory.
 */
LEAT_API struct leat_tx *leat_tx_clone(struct leat_tx *tx);
LEAT_API struct leat_rx *leat_rx_clone(struct leat_rx *rx);

/*
 * Closes a handle. What it has reserved is not sent. What it has peeked at goes back, or to
 * `discard` where that cannot be (see leat_release()). Never waits.
 */
LEAT_API void leat_tx_close(struct leat_tx *tx);
LEAT_API void leat_rx_close(struct leat_rx *rx);

/*
 * Closes this handle, and ends the stream for all senders, whichever handles of theirs are open:
 * for a coordinator that knows when there is enough. NULL does nothing. Never waits.
 *
 *     the other senders   sends that begin later return -EPIPE, and so do sends and waits that are
 *                         under way, unless they have taken effect: those items are received. A
 *                         generator that then returns -EPIPE ends as LEAT_COMPLETED
 *     a reservation       of another handle that is held may still be committed, and is received
 *     receivers           take what was sent, then get 0 for ever. While another handle holds a
 *                         reservation, or is within a send, the end waits for that
 *
 * The other handles stay open, and their threads close them. After a cancel or the last receiver's
 * close, and on a channel whose sender is single, this is leat_tx_close(). A generator does not
 * call it with its `out`, which the library closes, but with a clone.
 */
LEAT_API void leat_tx_close_all(struct leat_tx *tx);

/*
 * Sends one item. Waits for room on a channel that blocks; on one that drops it never waits and
 * returns 0. Returns 0; -EPIPE when the last receiver is closed; -ECANCELED; -ESHUTDOWN for a
 * source in a stopped scope; -ETIMEDOUT (until) at deadline_ns, where a deadline that is not in the
 * future means one attempt; -EAGAIN (try) without room.
 */
LEAT_API int leat_send(struct leat_tx *tx, const void *item);
LEAT_API int leat_send_until(struct leat_tx *tx, const void *item, int64_t deadline_ns);
LEAT_API int leat_try_send(struct leat_tx *tx, const void *item);

/*
 * Sends n items in order. Returns how many were sent: all, unless the channel ended (or, for the
 * try, filled up) on the way. The error then comes from the next call, or from this one if no item
 * was sent. 0 for n = 0.
 */
LEAT_API ssize_t leat_send_batch(struct leat_tx *tx, const void *items, size_t n);
LEAT_API ssize_t leat_try_send_batch(struct leat_tx *tx, const void *items, size_t n);

/*
 * Receives one item. Returns as read(2) does: 1 for an item; 0 at the end of the stream;
 * -ECANCELED; -ETIMEDOUT (until); -EAGAIN (try) when there is no item.
 */
LEAT_API int leat_recv(struct leat_rx *rx, void *item);
LEAT_API int leat_recv_until(struct leat_rx *rx, void *item, int64_t deadline_ns);
LEAT_API int leat_try_recv(struct leat_rx *rx, void *item);

/*
 * Waits for one item (the try does not), then takes all that are there, up to max. Returns how
 * many, or as leat_recv(). -EINVAL for max = 0.
 */
LEAT_API ssize_t leat_recv_batch(struct leat_rx *rx, void *items, size_t max);
LEAT_API ssize_t leat_try_recv_batch(struct leat_rx *rx, void *items, size_t max);

/*
 * Receives max items, and waits for those that are not there yet until the deadline. max may exceed
 * the channel's capacity. Returns how many: max, or fewer where the deadline passed or the stream
 * ended on the way. What ended it is then what the next call returns. With no item: 0 at the end of
 * the stream; -ETIMEDOUT; errors as leat_recv(). In a step on a pool it takes what is there, and
 * returns -EDEADLK if that is nothing. A deadline that is not in the future takes what is there.
 *
 *     n = leat_recv_fill(rx, rows, 500, leat_now_ns() + 50 * 1000000);     by count or time
 */
LEAT_API ssize_t leat_recv_fill(struct leat_rx *rx, void *items, size_t max, int64_t deadline_ns);

/*
 * How many items there are to receive: sent, and not taken since, with those that are peeked at.
 * For the handle's thread. It was so at some moment of the call; other threads may have sent or
 * received since. (Where other receivers move items all the while, the number may be too low, never
 * too high.) 0 for NULL and once the channel is cancelled.
 *
 * How many items the channel can hold, as it was opened. 0 for NULL, and for the tx of a task.
 */
LEAT_API size_t leat_rx_pending(struct leat_rx *rx);
LEAT_API size_t leat_rx_capacity(const struct leat_rx *rx);
LEAT_API size_t leat_tx_capacity(const struct leat_tx *tx);

/*
 * Sends without a copy. leat_reserve() waits for room for one item, as leat_send() does and with
 * its errors; leat_reserve_until() and leat_try_reserve() do as leat_send_until() and
 * leat_try_send(). They return how many items, from 1 to want, the caller may write at *items, side
 * by side. A handle has one reservation at a time: -EBUSY.
 *
 * leat_commit() sends the first n of them and gives the rest back; n = 0 gives all back. It returns
 * 0, also after a close or a cancel (the items are then discarded); -EINVAL for more than was
 * reserved. What is given back is room at once, unless another sender has reserved or sent behind
 * it: then it is room when receivers come to it.
 *
 * A channel that drops reserves one item at a time. The reservation drops nothing; the commit may,
 * as leat_send() would.
 */
LEAT_API ssize_t leat_reserve(struct leat_tx *tx, size_t want, void **items);
LEAT_API ssize_t leat_reserve_until(struct leat_tx *tx, size_t want, void **items,
                                    int64_t deadline_ns);
LEAT_API ssize_t leat_try_reserve(struct leat_tx *tx, size_t want, void **items);
LEAT_API int leat_commit(struct leat_tx *tx, size_t n);

/*
 * Receives without a copy. leat_peek() waits for one item, as leat_recv() does and with its errors;
 * leat_peek_until() and leat_try_peek() do as leat_recv_until() and leat_try_recv(). They return
 * how many items, from 1 to want, the caller may read at *items, side by side; 0 at the end of the
 * stream.
 *
 * leat_release() takes the first n of them and puts the rest back. It returns 0; -EINVAL for more
 * than was peeked at, and where the rest cannot go back: another receiver has gone on behind it, or
 * a receive has returned the end of the stream meanwhile (never where the receiver is single).
 * After -EINVAL the handle holds what it held.
 */
LEAT_API ssize_t leat_peek(struct leat_rx *rx, size_t want, const void **items);
LEAT_API ssize_t leat_peek_until(struct leat_rx *rx, size_t want, const void **items,
                                 int64_t deadline_ns);
LEAT_API ssize_t leat_try_peek(struct leat_rx *rx, size_t want, const void **items);
LEAT_API int leat_release(struct leat_rx *rx, size_t n);

/*
 * Says whether what this handle sends begins here (on), or was received before (off, as handles
 * are at first; so a generator that receives needs to say nothing). For the handle's thread. Clones
 * that are made later inherit it. The handle of a task can be a source too.
 *
 * Once leat_scope_stop() has stopped the channel's scope (or that of the generator, which is another
 * after leat_gen_into()), sends on a source return -ESHUTDOWN, also where the channel drops. So do
 * waits for room, and every wait of the generator whose output it is: leat_tx_wait(), leat_after(),
 * leat_ready(), leat_select(); a sleep, a rate and a semaphore, whichever scope they wait in, and
 * with NULL for a scope, too. leat_tx_done() is true. Descriptors become readable. A reservation
 * can still be committed. The item of a refused send stays with its caller. The generator may send
 * what it has in hand, after leat_tx_source(tx, false), and then ends by returning -ESHUTDOWN, or 0.
 */
LEAT_API void leat_tx_source(struct leat_tx *tx, bool on);

/*
 * Whether a send can no longer succeed: to ask during long work between sends. Ordered like a
 * relaxed load.
 */
LEAT_API bool leat_tx_done(const struct leat_tx *tx);

/*
 * Waits until fd has one of poll(2)'s events (fd -1: never), the deadline passes, or a send on tx
 * can no longer succeed. Returns 1 for fd; -ETIMEDOUT at the deadline; -EPIPE, -ECANCELED or (of a
 * source) -ESHUTDOWN as a send would; -EINVAL for NULL; -EDEADLK where it would wait in a step on a
 * pool; -errno when there is no descriptor to wake it by. Parks at once. The tx of a task will do.
 */
LEAT_API int leat_tx_wait(struct leat_tx *tx, int fd, short events, int64_t deadline_ns);

/*
 * Binds a receiver to a sender. A stage that receives from `in` and sends into `out` learns by this
 * that no consumer is left, or that it is to end, also while `in` is idle:
 *
 *     static int stage(struct leat_tx *out, void *arg)
 *     {
 *             leat_rx_bind(in, out);
 *             while ((rc = leat_recv(in, &item)) == 1) ...
 *
 * Every receive on `in` asks out first: all calls above, leat_for, peeks, a case of a select, a
 * lane of a merge, a sink, a seq. Once a send on out can no longer succeed, it returns what that
 * send would return (-EPIPE, -ECANCELED or -ESHUTDOWN) and takes nothing. That goes before an item
 * and before the end of the stream. A receive that waits is woken for it, and an armed descriptor
 * of `in` becomes readable. leat_rx_status() is still that of `in`. NULL unbinds; another out
 * replaces the first. Several receivers may be bound to one out, which may be a task's.
 *
 * While they are bound, one thread at a time uses both. The close of either ends the binding: a
 * receive on `in` is then as if it had never been bound. Clones of `in` are not bound. A receiver
 * that is given away (to a merge, a sink, a seq) stays bound; the thread that uses it then uses out
 * as well. A merge ends a lane with the answer of its out, as with the end of its stream.
 *
 * A bound receiver has no inline fast path: a call takes some thirty nanoseconds more, a batch as
 * well as a single item. Returns 0; -EINVAL for NULL; -EBUSY while `in` holds a peek; -ENOMEM.
 */
LEAT_API int leat_rx_bind(struct leat_rx *in, struct leat_tx *out);

/*
 * Gives a failure its text, for leat_rx_status() and for the scope: `return leat_tx_fail(out, -EIO,
 * "disk gone");`. Returns code; -EINVAL for NULL or a code that is not negative. The text is
 * copied, and the first one is kept. It counts if the generator then returns a failure. On a
 * channel without a generator it makes the last sender's close a failure.
 */
LEAT_API int leat_tx_fail(struct leat_tx *tx, int code, const char *text);

/*
 * How the generator of this channel ended, or the senders where there is no generator. Returns 0;
 * -EAGAIN before the end (a sender is open and nothing was cancelled); -EINVAL for NULL. cause,
 * code and text may be NULL. *text is never NULL and lives as long as rx.
 */
LEAT_API int leat_rx_status(const struct leat_rx *rx, enum leat_cause *cause, int *code,
                            const char **text);

/*
 * The scope that a generator runs in, valid until its function returns. Without a generator, the
 * scope that the channel was opened in.
 */
LEAT_API struct leat_scope *leat_tx_scope(const struct leat_tx *tx);

/*
 * A descriptor that poll(2) and epoll find readable when there is something to do on this side: an
 * item or room, an end, a cancel. It belongs to the handle: the first call makes it, and the
 * handle's close closes it. Returns it, or -EMFILE, -ENFILE, -ENOMEM, -EINVAL.
 *
 * It becomes readable only while it is armed. The handle's thread arms it each time before it waits
 * for it:
 *
 *     leat_*_arm()     0: it is armed, and will become readable once. 1: there is something to do
 *                      now, so do not wait; it is not armed. -EINVAL without a descriptor; -EBUSY
 *                      as a send or receive
 *     leat_*_disarm()  it is not armed any more. Returns 0
 *
 * While it is not armed, it costs the other threads of the channel nothing. Any other call with the
 * handle that has to sleep disarms it, because that call is then notified instead.
 *
 * A notified handle owns the wake-up. If other threads share its side, its thread must soon receive
 * (or send), arm, disarm or close, or those threads may stay asleep.
 */
LEAT_API int leat_rx_fd(struct leat_rx *rx);
LEAT_API int leat_rx_arm(struct leat_rx *rx);
LEAT_API int leat_rx_disarm(struct leat_rx *rx);
LEAT_API int leat_tx_fd(struct leat_tx *tx);
LEAT_API int leat_tx_arm(struct leat_tx *tx);
LEAT_API int leat_tx_disarm(struct leat_tx *tx);

/*
 * A loop over the items: declares `type var`, a copy of each, until the end of the stream or a
 * cancel. `break` leaves it. It closes nothing. rx is evaluated once.
 */
#define leat_for(type, var, rx) \
	for (struct leat_rx *leat_for_##var = (rx); leat_for_##var; leat_for_##var = NULL) \
		for (type var; leat_detail_recv(leat_for_##var, &var, sizeof(var)) == 1;)

LEAT_END_DECLS

#include <leat/detail/chan.h>
#endif
