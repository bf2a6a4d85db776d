/*
 * runtime/select/merge.h: the inside of a merge, one receiver over many channels.
 *
 * A lane is in one of three places:
 *
 *     awake   in the merging thread's queue: it has items, or had some a moment ago
 *     armed   on its channel's event, with a sleeper that is no thread but notify_lane()
 *     told    on the list that notify_lane() puts it on; so is a lane that was just added
 *
 * The merging thread serves the first of its queue, up to BUDGET items, and puts it at the end.
 * Every IDLE_ROUNDS rounds that found something it arms the lanes that found nothing in as many:
 * arming (two locks, and a heavy fence for all that are armed together) is for lanes that are idle.
 * Where whole rounds find nothing, it spins and yields as an adaptive wait does, then arms all and
 * sleeps. Who was armed is looked at once more. Where it sleeps in somebody else's event loop, it
 * arms all likewise, and then the descriptor: that is raised, once, for the next lane that is told.
 *
 * Lock order: a channel's event, then the merge's lock, which guards the list of the told and who
 * is to hear of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SELECT_MERGE_H
#define LEAT_RUNTIME_SELECT_MERGE_H

#include <leat/merge.h>

#include "runtime/chan/waitable.h"
#include "runtime/scope/due.h"

struct leat_lane {
	struct leat_sleeper sleeper; /* notify_lane() is given this */
	struct leat_waiter waiter;
	struct leat_waitable *waitable;
	struct leat_rx *rx;
	struct leat_merge *merge;
	void *tag;
	struct leat_lane *next;          /* in the queue, or on the list of the told */
	struct leat_lane *next_armed;    /* of those that are armed together */
	struct leat_lane *older, *newer; /* among all lanes of the merge */
	bool linked;                     /* is among them */
	/* is in the merge's heap of those whose scope has a deadline */
	bool timed;
	struct leat_due due;  /* that deadline */
	bool armed;           /* stands on the event, or was told and not served since */
	uint64_t found_round; /* the merge's rounds when it last had something */
};

struct leat_lane_queue {
	struct leat_lane *first, **end;
	size_t n;
};

struct leat_merge {
	struct leat_lane_queue awake;
	struct leat_lane *last; /* whom the last answer was about */
	bool last_ended;
	bool round_found;      /* this round has found something */
	unsigned served;       /* items of the queue's first, in its turn */
	size_t round_left;     /* lanes of the queue whose turn in this round is to come */
	uint64_t rounds_found; /* that have found something */
	size_t item_size, lanes;
	struct leat_lane *newest; /* the newest */
	/* lanes by their scopes' deadlines, those that have not passed; see nearest_deadline() */
	struct leat_due *due;
	bool parks_at_once; /* a lane's channel waits so */
	/* the descriptor was, and not disarmed since; it may have been told */
	bool fd_armed;
	/* the descriptor, or -1; others use it under the lock, while it is watched */
	int flag;

	uint32_t has_notified __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_mutex lock; /* guards what follows */
	struct leat_lane_queue notified;
	bool asleep;     /* the sleeper is to be woken */
	bool fd_watched; /* the flag is to be raised */
	struct leat_sleeper sleeper;
};

static inline void leat_lane_queue_init(struct leat_lane_queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
	queue->n = 0;
}

static inline void leat_lane_queue_push(struct leat_lane_queue *queue, struct leat_lane *lane)
{
	lane->next = NULL;
	*queue->end = lane;
	queue->end = &lane->next;
	queue->n++;
}

static inline struct leat_lane *leat_lane_queue_pop(struct leat_lane_queue *queue)
{
	struct leat_lane *lane = queue->first;

	queue->first = lane->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	queue->n--;
	return lane;
}

static inline bool leat_merge_has_notified(const struct leat_merge *merge)
{
	return leat_load_rlx(&merge->has_notified) != 0; /* rlx: a hint, as in notify_merge() */
}

/* lanes.c */
void leat_merge_take_notified(struct leat_merge *merge);
void leat_merge_arm_lanes(struct leat_merge *merge, uint64_t rounds);
void leat_merge_close_lane(struct leat_merge *merge, struct leat_lane *lane);

/* merge_recv.c */
struct leat_lane *leat_merge_end_turn(struct leat_merge *merge);
void leat_merge_forget_last(struct leat_merge *merge);
bool leat_merge_schedule(const struct leat_merge *merge);

/* merge.c */
void leat_merge_disarm_fd(struct leat_merge *merge); /* mutate */

#endif
