/*
 * runtime/select/merge.h: the inside of a merge, one receiver over many channels.
 *
 *     merge.c        opens and closes a merge; its descriptor
 *     lanes.c        adds, notifies, arms and closes lanes
 *     merge_recv.c   receives, and waits by the wait engine (runtime/event/wait.h)
 *
 * A lane is in one of three places:
 *
 *     awake      in the merging thread's queue: it has items, or had some a moment ago
 *     armed      on its channel's event; its sleeper is no thread but the function notify_lane()
 *     notified   on the merge's list of notified lanes, where notify_lane() puts it; so does
 *                leat_merge_add() with a new lane
 *
 * The merging thread serves the first lane of its queue, BUDGET items at most, and puts it at the
 * end. That is a turn; a turn of each lane is a round. After every IDLE_ROUNDS rounds that found an
 * item the thread arms the lanes that had none in as many rounds. It waits that long because arming
 * costs two locks for each lane, and a heavy fence for all that are armed together.
 *
 * When whole rounds find nothing, the thread spins and yields as an adaptive wait does. Then it
 * arms all lanes, rechecks each, and sleeps. In an event loop of the user's it sleeps elsewhere:
 * there it arms all lanes, and then the descriptor, which the next lane that is notified raises
 * once.
 *
 * No lost wake-up. Invariant: the merging thread sleeps only while no lane is notified, or a
 * notifier is about to wake it. The thread sets asleep (or fd_watched) in the critical section in
 * which it finds the list empty. The lane of a notifier that came before is on the list, so the
 * thread does not sleep. A notifier that comes after finds asleep (or fd_watched) set. The lock
 * orders them, so no fence is needed.
 *
 * Once on the list. Invariant: a lane is on the list of notified lanes once at most, and not while
 * it is in the queue; both link it by the same pointer. A lane whose receiver is bound
 * (runtime/chan/bind.h) is on two events, and both may notify it:
 *
 *     merging thread                   notifier of the input     notifier of the output
 *                                      puts the lane on the list
 *     takes it, puts it in the queue
 *                                                                puts it on the list again
 *
 * Therefore a lane that is put on the list is marked as listed, and a notifier that finds the mark
 * leaves the list alone. The merging thread takes the waiters of a bound lane off both events
 * before it clears the mark, so no notifier is left that could find it clear.
 *
 * Lock order: a channel's event, then the merge's lock.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_SELECT_MERGE_H
#define LEAT_RUNTIME_SELECT_MERGE_H

#include <leat/merge.h>

#include "runtime/chan/waitable.h"
#include "runtime/scope/due.h"

struct leat_lane {
	struct leat_sleeper sleeper; /* its function is notify_lane() */
	struct leat_waiter waiter;
	struct leat_waitable *waitable;
	struct leat_rx *rx;
	struct leat_merge *merge;
	void *tag;
	struct leat_lane *next;          /* in the queue, or on the list of notified lanes */
	struct leat_lane *next_armed;    /* of the lanes that are armed together */
	struct leat_lane *older, *newer; /* among all lanes of the merge */
	bool linked;                     /* it is among them */
	bool timed;                      /* its scope has a deadline: due is in the merge's heap */
	struct leat_due due;             /* that deadline */
	/* is on its channel's event, or was notified and has had no turn since */
	bool armed;
	bool bound;  /* its receiver was bound when it was armed: two events notify it */
	bool listed; /* is on the list, or has just been taken off it; guarded by merge->lock */
	uint64_t found_round; /* merge->rounds_found when this lane last had an item */
};

/* Lanes in order, by their next; the last one's next is *end. */
struct leat_lane_queue {
	struct leat_lane *first, **end;
	size_t n;
};

struct leat_merge {
	/* the merging thread's own; item_size never changes */
	struct leat_lane_queue awake;
	struct leat_lane *last; /* the lane that the last receive returned an item or the end of */
	bool last_ended;        /* it has ended; the next call closes it */
	bool round_found;       /* this round has found an item */
	unsigned served;        /* items of the queue's first lane, in its turn */
	size_t round_left;      /* lanes of the queue whose turn in this round is to come */
	uint64_t rounds_found;  /* how many rounds have found an item */
	size_t item_size, lanes;
	struct leat_lane *newest; /* the first of all lanes, by older */
	/* lanes whose scopes have a deadline that has not passed; see nearest_deadline() */
	struct leat_due *due;
	bool parks_at_once; /* the channel of a lane has LEAT_WAIT_PARK */
	bool fd_armed;      /* the descriptor was armed, and not disarmed since */
	/* the descriptor, or -1; a notifier that holds the lock raises it if fd_watched is set */
	int flag;

	/* of any thread; 1: the list may have a lane; a hint for a thread without the lock */
	uint32_t has_notified __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_mutex lock; /* guards what follows */
	struct leat_lane_queue notified;
	bool asleep;     /* the next notifier wakes the sleeper */
	bool fd_watched; /* the next notifier raises the flag */
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

/* Returns whether the list of notified lanes may have one. */
static inline bool leat_merge_has_notified(const struct leat_merge *merge)
{
	return leat_load_rlx(&merge->has_notified) != 0; /* rlx: a hint, as in notify_merge() */
}

/* All of these are called by the merging thread alone. */

/* Moves the notified lanes to the end of the queue. */
void leat_merge_take_notified(struct leat_merge *merge);
/*
 * Arms the lanes of the queue that had no item in so many rounds (0: all lanes), and rechecks them.
 * A lane that has something after all is back in the queue, or on the list of notified lanes.
 */
void leat_merge_arm_lanes(struct leat_merge *merge, uint64_t rounds);
/* Closes a lane that is on no event, in no queue and on no list, and frees it. */
void leat_merge_close_lane(struct leat_merge *merge, struct leat_lane *lane);

/* Ends the turn of the queue's first lane, and returns that lane, which is in no queue now. */
struct leat_lane *leat_merge_end_turn(struct leat_merge *merge);
/* Ends what leat_merge_lane() returns, and closes that lane if it has ended. */
void leat_merge_forget_last(struct leat_merge *merge);
/*
 * Has a worker run each generator on a pool that a lane waits for and that no thread runs. Returns
 * whether a lane in the queue has something.
 */
bool leat_merge_schedule(const struct leat_merge *merge);

/* From now on no notifier raises the descriptor; clears it if one has. */
void leat_merge_disarm_fd(struct leat_merge *merge); /* mutate */

#endif
