/*
 * runtime/gen/compact.h: a compact generator, which is a seq on a pool, and its channel, in one
 * block of some 200 bytes.
 *
 * Two sides share the block. The turns' side is the thread that gives the generator its turn just
 * now, a worker or the receiver's own thread; it is the only sender. The receiver's side is the one
 * receiver. The ring between them is Lamport's (1983): tail and head, of which neither side caches
 * the other's, as the thread that runs the generator is most often the one that receives.
 *
 * Life. leat_compact_start() takes a block from its arena (arena.h). The turns' side has done with
 * the block after the generator's last turn, the receiver's side in leat_rx_close().
 *
 * Which thread frees it. The first side that has done with the block sets its bit in ctl
 * (CTL_TURNS_DONE or CTL_RX_DONE) as its last touch. The second side finds that bit, is alone with
 * the block, and frees it: so it is the closer's thread if the generator had ended before, else the
 * thread that gave the last turn, a worker. It does so at once, in leat_compact_leave(): it
 * discards the items that were not received, gives the block back to its slab, and drops the
 * block's hold on the arena. A cancel never frees a block. (A receiver that gives the last turn
 * sets CTL_TURNS_DONE before its last touch: it cannot close the channel meanwhile.)
 *
 *     line  field              written by          read by           published by
 *     0     struct leat_rx's   start               all               J2, the first turn
 *           open               receiver            receiver          private
 *           take_at, held      receiver            receiver          private
 *           put_at             turns               turns             J2
 *           cost               turns               turns, receiver   J2; a hint to the receiver
 *     1     job                                                      runtime/pool/job.h
 *           ctl (job.spare)    each side, cancel   all               K1
 *           tail               turns               receiver          R1
 *           head               receiver            turns             R2
 *     2     waiter             receiver, notifier  turns, cancel     C1, K2
 *           cold               start, turns,       turns, receiver,  X1
 *                              receiver            snapshots
 *           id                 start, second side  snapshots         B1, B2
 *           cause, code        the last turn       receiver          K1
 *
 *     R1  a turn stores tail            ->  A1  the receiver loads it: items before it are written
 *     R2  the receiver stores head      ->  A2  a turn loads it: items before it have been read
 *     C1  the receiver stores waiter,  <->  a turn stores tail or ctl, or a cancel ctl, light
 *         heavy fence, recheck              fence, load of waiter
 *     J3  the receiver stores waiter   <->  PARKING, full fence, ready() loads waiter and head
 *         or head, full fence, loads run
 *     X1  the side that first needs     ->  X1  the other side loads cold
 *         the cold part swaps cold in
 *     K2  the notifier swaps its mark   ->  the receiver, which leaves, loads waiter clear
 *         into waiter, notifies, clears
 *     B1  id is cleared, then a start   ->  a snapshot loads head and tail, then id again
 *         stores head and tail
 *     B2  a start stores id last        ->  a snapshot loads id first: head and tail are of that
 *                                           life of the block, or of a later one
 *
 * B1 in an interleaving. A snapshot adds up head and tail of a block that may be freed and started
 * anew meanwhile. Without the second load of id it could count half of each life:
 *
 *     snapshot                      a start in the same block
 *     loads id: 7
 *     loads head of life 7
 *                                   (freed: id is 0) stores head 0, tail 0, id 9; sends an item
 *     loads tail of life 9
 *     loads id: not 7, so this block is left out
 *
 * The snapshot's load of tail acquires what that start stored, so the load of id after it reads the
 * cleared id or a later one.
 *
 * Which thread runs it. The generator that was started last is not queued: its arena holds it
 * (unstarted) until its receiver runs it or a worker finds it, so that it can run beside its
 * consumer. If another is unstarted already, a new one goes to the pool's inbox. A receiver that
 * finds no item runs the generator itself, if no worker does just now. Steps are timed now and
 * then. A generator with short steps (below two microseconds) is then run by its receiver alone,
 * when that needs an item: handing an item over would cost more than making it. One with longer
 * steps goes back to the workers as soon as there is room.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_COMPACT_H
#define LEAT_RUNTIME_GEN_COMPACT_H

#include "runtime/gen/arena.h"

#include <leat/gen.h>

/*
 * A channel of more bytes than this is an ordinary one, even where a compact one would do: its ring
 * is better for much data.
 */
enum { LEAT_COMPACT_BYTES = 1024 };

/* Whether a compact channel does what these options ask for. */
bool leat_compact_suits(const struct leat_chan_opts *opts, size_t item_size);

/* Sets what receivers of the arena do, and what a cancel does. */
void leat_compact_arena_init(struct leat_arena *arena);

/* What a pool calls of an arena, which is its user: see struct leat_pool_user. */
bool leat_compact_wake_unstarted(struct leat_pool_user *user);
void leat_compact_read_stat(struct leat_pool_user *user, struct leat_pool_stat *stat);

/* As leat_gen_seq(). The caller has checked opts, and found that they suit. */
int leat_compact_start(struct leat_scope *scope, const struct leat_seq *seq,
                       const struct leat_gen_opts *opts, struct leat_rx **rx);

#endif
