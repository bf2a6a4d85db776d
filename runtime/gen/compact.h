/*
 * runtime/gen/compact.h: a generator on a pool and its channel, in one block of some 200 bytes.
 *
 * The channel is for one sender, which is whoever gives the generator its turn, and one receiver.
 * Its ring is Lamport's (1983), without anything kept: who runs the generator is most often who
 * receives.
 *
 *     line  field               writer               reader             published by
 *     0     the receiver's      open                 all                J2, the first turn
 *           take_at, held       receiver             receiver           private
 *           put_at              turns                turns              J2
 *           cost                turns                turns, receiver    J2; relaxed: the receiver
 *                                                    takes it as a hint
 *     1     job                                                         runtime/pool/job.h
 *           ctl (job.spare)     whoever ends         all                K1
 *           tail                turns                receiver           R1
 *           head                receiver             turns              R2
 *           id                  start, last leave    looks              B1, B2
 *     2     waiter              receiver; who tells  turns, cancel      C1, K2
 *           cold               start; turns,        turns, receiver,   X1
 *                               receiver             looks
 *           cause, code         the last turn        receiver           K1
 *
 *     R1  a turn stores tail        ->  A1  the receiver loads it      the items before it are
 *                                                                      written
 *     R2  the receiver stores head  ->  A2  a turn loads it            the items before it have
 *                                                                      been read
 *     C1  the receiver stores waiter, heavy fence, looks   <->  store tail or ctl, light fence,
 *                                                               load waiter
 *     J3  the receiver stores waiter, full fence, loads run    <->  PARKING, full fence, ready()
 *                                                                   loads waiter
 *     X1  who makes what most have not swaps cold         ->  X1  the other side loads it
 *     K2  who tells swaps waiter, tells, clears it             ->   the receiver, leaving, loads it
 *                                                                   clear
 *     B1  id is cleared, then a start stores head and tail     ->   a look loads head and tail,
 *                                                                   then id again
 *     B2  a start stores id last                               ->   a look loads id first: head and
 *                                                                   tail are of that block's life
 *
 * Who runs it. The generator that was started last stands with its arena (arena.h) until its
 * receiver runs it or a worker finds it, so that it runs beside its consumer; a second that is new
 * goes to the pool's inbox. A receiver that waits and finds nothing runs it itself, if no worker
 * has it just now. Steps are timed now and then: one whose steps are short (below two microseconds)
 * is from then on run by its receiver alone, when that needs an item, as handing it over would cost
 * more than running it; one whose steps are long goes back to the workers as soon as there is room.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_GEN_COMPACT_H
#define LEAT_RUNTIME_GEN_COMPACT_H

#include "runtime/gen/arena.h"

#include <leat/gen.h>

/*
 * Channels of more bytes than this are full ones also where a compact one would do: their ring is
 * better for much.
 */
enum { LEAT_COMPACT_BYTES = 1024 };

/* Whether a compact channel does what these options ask for. */
bool leat_compact_suits(const struct leat_chan_opts *opts, size_t item_size);

/* What a arena's receivers and its cancel do. */
void leat_compact_arena_init(struct leat_arena *arena);

/* What a pool asks a arena, which is its user: see struct leat_pool_user. */
bool leat_compact_wake_unstarted(struct leat_pool_user *user);
void leat_compact_read_stat(struct leat_pool_user *user, struct leat_pool_stat *stat);

/* As leat_gen_seq(); opts are checked, and suit. */
int leat_compact_start(struct leat_scope *scope, const struct leat_seq *seq,
                       const struct leat_gen_opts *opts, struct leat_rx **rx);

#endif
