/*
 * runtime/chan/stat.h: the figures of a channel, inside this room (stat.c).
 *
 * A snapshot reads the ring while items move. read_ring_figures() loads in the order ended, head,
 * dropped[], tail, head, begun, and these edges make the numbers fit together:
 *
 *     D1  a drop counts itself begun,  ->  a snapshot loads       so where it reads what a drop
 *         moves head, counts in            drops_begun last       moved or counted, it reads
 *         dropped[]                                               that drop as begun
 *     D2  a drop counts itself ended   ->  a snapshot loads       what the drop counted
 *                                          drops_ended first
 *     D3  positions and counts are     ->  a snapshot loads       so the head is not ahead of
 *         published                        head, then tail        the tail
 *     D5  the SPSC producer moves pos  ->  a snapshot loads pos,  the head that let the producer
 *                                          then head              come so far
 *     D4  a handle stores what it      ->  a snapshot loads       with the position that counts
 *         claimed                          claimed                the claim
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_CHAN_STAT_H
#define LEAT_RUNTIME_CHAN_STAT_H

#include "runtime/chan/chan.h"

/* Keeps what is in flight now, if it is the most yet. Called before the ring is emptied. */
void leat_chan_note_peak(struct leat_chan *chan);
/*
 * Reads the last figures. No thread moves items any more, so these are right even where an earlier
 * snapshot read more.
 */
void leat_chan_settle_stat(struct leat_chan *chan);
/* Adds the counts of one handle, as they are now. */
void leat_counts_add(struct leat_counts *to, const struct leat_counts *from);

/*
 * leat_rx_pending() of a channel's handle, for the handle's thread. On a ring with turns it takes
 * chan->lock.
 */
size_t leat_chan_pending(const struct leat_handle *h);

#endif
