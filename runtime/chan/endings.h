/*
 * runtime/chan/endings.h: how a channel ends, and which thread frees it (endings.c, and
 * leat_chan_destroy() in chan.c).
 *
 *     K1  a close, a cancel or a failure      ->  a receive or a send loads     what was done
 *         sets its bit in ctl                     ctl                           before it is seen:
 *                                                                               all items, the
 *                                                                               scope's cause
 *
 *     K2  leat_tx_close_all() sets            ->  a sender, or a receiver    TX_CLOSED, which
 *         TX_CLOSED, then closes the ring         loads tail                 refuses sends
 *     K3  it sets TX_CLOSED, full fence,      <-> a sender writes scratched, full fence, loads
 *         loads scratched of each sender          ctl: one of the two reads the other's
 *
 * The states are bits of the control word. None of these bits is cleared again.
 *
 *                 last sender's close: TX_GONE
 *                 leat_chan_fail_tx(): TX_FAILED
 *                 leat_tx_close_all(): both bits
 *                 TX_FAILED and TX_CLOSED                  a receive finds nothing: ENDED
 *        open ----------------------------> draining -----------------------------> ended
 *          |                                    |                                     |
 *          | leat_chan_cancel(): CANCELED       | leat_chan_cancel(): CANCELED        |
 *          +---------> canceled <---------------+                                     |
 *          |               |                    |                                     |
 *          |               v                    v                                     v
 *          +------> abandoned: the last receiver's close sets RX_GONE, from any state
 *
 *     state       a receive returns                a send returns           a cancel
 *     open        an item; waits                   0; waits                 CANCELED
 *     draining    an item; then ENDED is set       TX_CLOSED: -EPIPE;       CANCELED
 *                                                  else TX_FAILED:
 *                                                  -ECANCELED
 *     ended       0                                the same                 does nothing
 *     canceled    -ECANCELED, after it drops       -ECANCELED               does nothing
 *                 what is in flight
 *     abandoned   there is no receiver             -EPIPE; -ECANCELED if    does nothing
 *                                                  that was first
 *
 * Cancel against the end of the stream. Invariant: once a receive has returned 0, no receive
 * returns anything else; once one has returned -ECANCELED, none returns 0. If ENDED and CANCELED
 * could both be set, two receivers could return different ends:
 *
 *     last sender's closer    receiver R                    receiver S    canceller
 *     TX_GONE (K1)
 *                             loads ctl (K1): TX_GONE
 *                             ring empty
 *                                                                         loads ctl: TX_GONE
 *                             sets ENDED, returns 0
 *                                                                         sets CANCELED
 *                                                           -ECANCELED
 *
 * Therefore set_ended() and leat_chan_cancel() set their bit by compare-and-swap, each only where
 * the other bit is clear. One of the two swaps fails, and its thread then reads the other's bit.
 *
 * The end against the last item. Invariant: no receive returns 0 while an accepted item is in the
 * ring. If a receiver read the ring before ctl, it would break that:
 *
 *     the last sender                         receiver
 *                                             ring empty
 *     publishes an item
 *     closes: TX_GONE
 *                                             loads ctl: TX_GONE, so it would return 0
 *
 * Therefore attempt_recv() and attempt_peek() load ctl first, with acquire (K1): where that load
 * reads TX_GONE, every item that was sent is in the ring that they read after it. A receiver that
 * peeked can still put items back into a ring with turns. It does so in put_back_claim(), holding
 * chan->lock and only where ENDED is clear; end_chan_stream() reads the ring once more and sets
 * ENDED, holding the same lock. So either that reading finds the items that were put back, or the
 * other receiver finds ENDED and keeps what it holds. After TX_FAILED a clone's send may be
 * under way: end_chan_stream() then sets ENDED only while no slot is claimed (leat_mpmc_idle()). A
 * send that claims its slot later leaves an item that the destroying thread drops.
 *
 * The end behind leat_tx_close_all(). Invariant: each send that returns 0 is received, also one
 * that is under way while another sender ends the stream. A send reads ctl before it claims its
 * slot, so the bit alone would break that:
 *
 *     sender A                    closer                      receiver
 *     loads ctl: open
 *                                 sets TX_CLOSED
 *                                                             loads ctl: TX_CLOSED; all slots idle
 *                                                             sets ENDED, returns 0
 *     claims, publishes, returns 0
 *
 * Therefore the closer closes the ring, too: it sets a bit of tail, which every claim swaps
 * (leat_mpmc_close()). A sender whose swap comes before that has claimed its slot, and the receiver
 * finds that the slots are not idle. A sender whose swap would come later fails, finds the ring
 * full and then TX_CLOSED set (K2). ENDED is set only while the ring is closed and idle. A
 * reservation on a channel that drops is no slot but the handle's scratch item: the ring stays open
 * for as long as any handle holds one (K3, leat_chan_close_ring()), and TX_FAILED, which is set as
 * well, keeps new sends off the fast path meanwhile. Each receiver that waits hears of the end: a
 * notified receiver that takes the last item notifies another (leat_chan_forward_notify()), and the
 * receiver that sets ENDED notifies all.
 *
 * The last close. chan->senders and chan->receivers count the open handles; chan->holds is a
 * generator's end that still has to say something (leat_chan_hold()).
 *
 *     a handle's close: leat_handle_retire() gives up what it holds and disables its fast paths
 *       |
 *       |  holding chan->lock: is another handle of this side open?
 *       +-- yes --> unlinks the handle, counts it down. Done.
 *       |
 *       no: the count stays 1
 *       |
 *       |  without the lock, for its side: sets TX_GONE or RX_GONE, notifies the waiters;
 *       |  a receiver's also ends the producer, and drops what is in the ring
 *       |
 *       |  holding chan->lock: unlinks the handle, counts it down to 0. Are all three counts 0?
 *       +-- no ---> Done. This thread touches the channel no more.
 *       |
 *       yes: this thread destroys the channel, as leat_chan_let_go() does where it is the last
 *          1. drops what a send that was under way has put in since
 *          2. leat_scope_detach(): a cancel that runs has returned, and no other begins
 *          3. reads the last figures
 *          4. frees the closed handles, the ring and the producer
 *          5. leat_registry_remove(): frees the channel, now or after the snapshots that walk by it
 *
 * Invariant: one thread destroys the channel, and no other thread touches it after that but a
 * cancel and a walk of the registry, which steps 2 and 5 wait for. If a closer counted its side
 * down before it set the bit, two closes at once would break that:
 *
 *     the last sender's closer          the last receiver's closer       canceller
 *     senders 1 to 0
 *                                       RX_GONE, notifies, drains        in leat_chan_cancel():
 *                                       receivers 1 to 0: all are 0      notifies the waiters
 *                                       destroys the channel
 *     sets TX_GONE in freed memory                                       notifies in freed memory
 *
 * Therefore the side's work is done while its count is 1, and the count falls to 0 holding the
 * lock, as the closer's last access. The lock orders the two closers: the one that unlocks first
 * reads a count that is not 0 and leaves; the other then reads 0 everywhere, and everything that
 * the first did happened before. Whether another handle is open is decided holding the lock as
 * well: without it two closers of one side could both read 2, count down, and neither would set the
 * bit. A clone is made from an open handle, which is counted, so the last handle of a side is never
 * cloned behind that decision. Step 2 returns only when no cancel runs, so the canceller above has
 * left the channel before step 4.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_ENDINGS_H
#define LEAT_RUNTIME_CHAN_ENDINGS_H

#include "runtime/chan/chan.h"

/*
 * The scope's hook. The canceller holds the lock of the tree of scopes. Does nothing once a receive
 * has returned 0 or the last receiver is closed.
 */
void leat_chan_cancel(struct leat_scope_hook *hook, const void *spared);
/* Why an item that no receiver will take is dropped: the receivers closed, or a cancel. */
enum leat_drop leat_chan_drop_reason(const struct leat_chan *chan);
/* The functions of leat_chan_rx_ops that end. */
void leat_chan_close_rx(struct leat_rx *rx);
int leat_chan_status(const struct leat_rx *rx, enum leat_cause *cause, int *code,
                     const char **text);
/* The same for a receiver that has seen the end before a cancel. */
int leat_chan_status_ended(const struct leat_rx *rx, enum leat_cause *cause, int *code,
                           const char **text);
/*
 * In chan.c. Caller has counted the last handle or hold down: no other thread can reach the channel
 * but a cancel and a walk of the registry.
 */
void leat_chan_destroy(struct leat_chan *chan);

#endif
