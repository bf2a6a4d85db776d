/*
 * runtime/chan/stat.h: the figures of a channel, inside this room (stat.c).
 *
 *     D1  a drop counts itself begun, moves   ->  a look loads drops_begun     so that a head that
 *                                                 a drop has moved, or
 *         the head, counts what it dropped        last                         what it counted, is
 *                                                 seen only with it begun
 *     D2  a drop counts itself ended          ->  a look loads drops_ended     dropped[] is what it
 *                                                 dropped
 *                                                 first
 *     D3  positions and counts are published  ->  a look loads head, then tail  the head read first
 *                                                 is not ahead of the tail
 *     D5  the SPSC producer moves pos         ->  a look loads pos, then head  the head that let
 *                                                 the producer go so far
 *     D4  a handle tells what it has claimed  ->  a look loads claimed         with the position
 *                                                 that counts it
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_STAT_H
#define LEAT_RUNTIME_CHAN_STAT_H

#include "runtime/chan/chan.h"

/* Keeps what is in flight now, if it is the most yet: where it is about to change at once. */
void leat_chan_note_peak(struct leat_chan *chan);
/*
 * The last figures: nobody moves anything any more, so that what fits is right, whatever was seen
 * before.
 */
void leat_chan_settle_stat(struct leat_chan *chan);
/* Adds one handle's counts, as they are now. */
void leat_counts_add(struct leat_counts *to, const struct leat_counts *from);

#endif
