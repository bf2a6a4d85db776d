/*
 * Opening and closing a merge, and its descriptor.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/select/merge.h"

struct leat_merge *leat_detail_merge_open(unsigned abi, size_t item_size)
{
	struct leat_merge *merge;

	if (abi != LEAT_ABI || item_size == 0)
		return leat_open_failed(abi != LEAT_ABI ? -ELIBBAD : -EINVAL);
	merge = leat_os_alloc(sizeof(*merge), LEAT_LINES_APART);
	if (merge == NULL)
		return leat_open_failed(-ENOMEM);
	merge->item_size = item_size;
	merge->flag = -1;
	merge->sleeper = (struct leat_sleeper)LEAT_SLEEPER_INIT;
	leat_lane_queue_init(&merge->awake);
	leat_lane_queue_init(&merge->notified);
	leat_mutex_init(&merge->lock);
	return merge;
}

/* For callers by address or from another language: their layout is not checked. */
struct leat_merge *(leat_merge_open)(size_t item_size)
{
	return leat_merge_open(item_size);
}

/*
 * From now on the next notifier raises the descriptor. Returns false, and does nothing, if a lane
 * has been notified already.
 */
static bool watch_fd(struct leat_merge *merge)
{
	bool watched;

	leat_mutex_lock(&merge->lock);
	watched = merge->notified.first == NULL;
	merge->fd_watched = watched;
	leat_mutex_unlock(&merge->lock);
	merge->fd_armed = watched;
	return watched;
}

void leat_merge_disarm_fd(struct leat_merge *merge)
{
	bool notified;

	if (leat_likely(!merge->fd_armed))
		return;
	leat_mutex_lock(&merge->lock);
	notified = !merge->fd_watched;
	merge->fd_watched = false;
	leat_mutex_unlock(&merge->lock);
	merge->fd_armed = false;
	if (notified)
		leat_os_flag_clear(merge->flag);
}

const struct leat_rx *leat_merge_lane(const struct leat_merge *merge)
{
	return merge == NULL || merge->last == NULL ? NULL : merge->last->rx;
}

int leat_merge_fd(struct leat_merge *merge)
{
	if (merge == NULL)
		return -EINVAL;
	if (merge->flag < 0) {
		int flag = leat_os_flag_open();

		if (flag < 0)
			return flag;
		merge->flag = flag;
	}
	return merge->flag;
}

/*
 * A lane that was notified and has had no turn since is armed like the others. It forwards nothing:
 * it has no item, so there is no work for another receiver.
 */
int leat_merge_arm(struct leat_merge *merge)
{
	if (merge == NULL || merge->flag < 0)
		return -EINVAL;
	leat_merge_disarm_fd(merge);
	leat_merge_forget_last(merge);
	if (leat_merge_has_notified(merge))
		leat_merge_take_notified(merge);
	if (leat_merge_schedule(merge))
		return 1;
	if (merge->served > 0)
		leat_lane_queue_push(&merge->awake, leat_merge_end_turn(merge));
	merge->round_left = 0;
	leat_merge_arm_lanes(merge, 0);
	return merge->awake.n > 0 || !watch_fd(merge);
}

int leat_merge_disarm(struct leat_merge *merge)
{
	if (merge == NULL)
		return -EINVAL;
	leat_merge_disarm_fd(merge);
	return 0;
}

/*
 * Invariant: no lane is freed while a lane is on an event. If not: a notifier would append that
 * lane to the list, and write to the lane before it, which is freed. Therefore the waiters of all
 * lanes are removed first.
 */
void leat_merge_close(struct leat_merge *merge)
{
	if (merge == NULL)
		return;
	leat_merge_take_notified(merge);
	for (struct leat_lane *lane = merge->newest; lane != NULL; lane = lane->older) {
		if (lane->armed && leat_waitable_remove_waiter(lane->waitable, &lane->waiter))
			leat_waitable_forward_notify(lane->waitable);
		leat_waitable_wait_ends(lane->waitable, leat_now_ns());
	}
	while (merge->newest != NULL)
		leat_merge_close_lane(merge, merge->newest);
	if (merge->flag >= 0)
		leat_os_flag_close(merge->flag);
	leat_os_free(merge);
}
