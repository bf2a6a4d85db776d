/*
 * Lanes of a merge: added, notified, armed, closed.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/select/merge.h"

#include "runtime/chan/bind.h"
#include "runtime/scope/scope.h"

/*
 * Puts a lane on the list, and wakes the merging thread or raises the descriptor. Any thread may
 * call this.
 *
 * The last touch of the merge is the unlock. From then on the merging thread may take the lane, and
 * close the merge. The wake-up after the unlock uses an address alone and reads nothing there. The
 * descriptor is raised before the unlock: after it, the number could be that of another descriptor.
 */
static void notify_merge(struct leat_merge *merge, struct leat_lane *lane)
{
	bool asleep;

	leat_mutex_lock(&merge->lock);
	if (lane->listed) {
		leat_mutex_unlock(&merge->lock);
		return;
	}
	lane->listed = true;
	leat_lane_queue_push(&merge->notified, lane);
	/* rlx: a hint; the merging thread reads the list under merge->lock before it sleeps */
	leat_store_rlx(&merge->has_notified, 1);
	asleep = merge->asleep;
	merge->asleep = false;
	if (asleep)
		/* rlx: the thread that it wakes takes merge->lock before it reads the list */
		leat_store_rlx(&merge->sleeper.word, 1);
	if (merge->fd_watched)
		leat_os_flag_raise(merge->flag);
	merge->fd_watched = false;
	leat_mutex_unlock(&merge->lock);
	if (asleep)
		leat_os_futex_wake(&merge->sleeper.word, 1);
}

/* Caller holds the event's lock. */
static void notify_lane(struct leat_sleeper *sleeper)
{
	struct leat_lane *lane = leat_container_of(sleeper, struct leat_lane, sleeper);

	notify_merge(lane->merge, lane);
}

int leat_merge_add(struct leat_merge *merge, struct leat_rx *rx, void *tag)
{
	struct leat_waitable *waitable = leat_waitable_of_rx(rx);
	struct leat_lane *lane;
	int rc;

	if (merge == NULL || rx == NULL)
		return -EINVAL;
	/* no item is received here, so any address is good for the check */
	rc = leat_waitable_check(waitable, rx, 0, "leat_merge_add");
	if (rc == 0 && leat_waitable_item_size(waitable) != merge->item_size)
		rc = -EINVAL;
	if (rc < 0)
		return rc;
	lane = leat_os_alloc(sizeof(*lane), 0);
	if (lane == NULL)
		return -ENOMEM;
	lane->waitable = waitable;
	lane->rx = rx;
	lane->merge = merge;
	lane->tag = tag;
	lane->sleeper = (struct leat_sleeper){ .fd = -1, .wake = notify_lane };
	lane->waiter.sleeper = &lane->sleeper;
	notify_merge(merge, lane);
	return 0;
}

/* The merging thread takes a new lane from the list. */
static void link_lane(struct leat_merge *merge, struct leat_lane *lane)
{
	lane->due.due_ns = leat_scope_deadline(leat_waitable_scope(lane->waitable));
	lane->timed = lane->due.due_ns != LEAT_NEVER;
	if (lane->timed)
		leat_due_add(&merge->due, &lane->due);
	if (leat_waitable_policy(lane->waitable) == LEAT_WAIT_PARK)
		merge->parks_at_once = true;
	lane->linked = true;
	lane->older = merge->newest;
	if (merge->newest != NULL)
		merge->newest->newer = lane;
	merge->newest = lane;
	merge->lanes++;
}

void leat_merge_close_lane(struct leat_merge *merge, struct leat_lane *lane)
{
	if (lane->newer != NULL)
		lane->newer->older = lane->older;
	else
		merge->newest = lane->older;
	if (lane->older != NULL)
		lane->older->newer = lane->newer;
	if (lane->timed)
		leat_due_remove(&merge->due, &lane->due);
	leat_rx_close(lane->rx);
	leat_os_free(lane);
}

void leat_merge_take_notified(struct leat_merge *merge)
{
	int64_t now_ns = leat_now_ns();
	struct leat_lane *lane, *next;

	leat_mutex_lock(&merge->lock);
	lane = merge->notified.first;
	leat_lane_queue_init(&merge->notified);
	leat_store_rlx(&merge->has_notified, 0); /* rlx: the same */
	leat_mutex_unlock(&merge->lock);
	for (; lane != NULL; lane = next) {
		next = lane->next;
		if (!lane->linked)
			link_lane(merge, lane);
		if (lane->bound)
			leat_waitable_remove_waiter(lane->waitable, &lane->waiter);
		lane->bound = false;
		lane->listed = false; /* no notifier can reach the lane any more */
		leat_waitable_wait_ends(lane->waitable, now_ns);
		lane->found_round = merge->rounds_found;
		leat_lane_queue_push(&merge->awake, lane);
	}
}

/*
 * The first half of arming: takes the lanes out of the queue, adds their waiters to their events,
 * and fences once for all. Returns these lanes, linked by next_armed.
 */
static struct leat_lane *add_waiters(struct leat_merge *merge, uint64_t rounds)
{
	struct leat_lane *armed = NULL;
	int64_t now_ns = 0;
	bool heavy = false;

	for (size_t n = merge->awake.n; n > 0; n--) {
		struct leat_lane *lane = leat_lane_queue_pop(&merge->awake);

		if (merge->rounds_found - lane->found_round < rounds) {
			leat_lane_queue_push(&merge->awake, lane);
			continue;
		}
		if (armed == NULL)
			now_ns = leat_now_ns();
		leat_waitable_wait_begins(lane->waitable, now_ns);
		leat_waitable_wait_parks(lane->waitable);
		lane->next_armed = armed;
		armed = lane;
		lane->armed = true;
		lane->bound = leat_rx_is_bound(lane->rx);
		/* from here on a notifier may put the lane on the list */
		heavy |= leat_waitable_add_waiter(lane->waitable, &lane->waiter);
	}
	if (armed != NULL)
		leat_event_fence(heavy);
	return armed;
}

/*
 * The second half: a recheck of each. A lane that has something goes back to the queue, unless
 * remove_waiter() says that it was notified meanwhile: then it is on the list already.
 */
void leat_merge_arm_lanes(struct leat_merge *merge, uint64_t rounds)
{
	struct leat_lane *lane = add_waiters(merge, rounds), *next;

	for (; lane != NULL; lane = next) {
		next = lane->next_armed;
		if (!leat_waitable_ready(lane->waitable) ||
		    leat_waitable_remove_waiter(lane->waitable, &lane->waiter))
			continue;
		lane->armed = false;
		leat_waitable_wait_ends(lane->waitable, leat_now_ns());
		leat_lane_queue_push(&merge->awake, lane);
	}
}
