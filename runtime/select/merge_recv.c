/*
 * Receiving from a merge.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/event/wait.h"
#include "runtime/scope/scope.h"
#include "runtime/select/merge.h"

#ifndef LEAT_MERGE_BUDGET
#define LEAT_MERGE_BUDGET 64 /* smaller for the exploring scheduler, which moves few items */
#endif

/*
 * BUDGET: the most items of one lane in its turn. So many items share the cost of the turn, and the
 * other lanes wait for about a microsecond. Attempts at LANES_A_PAUSE lanes take about as long as a
 * pause.
 */
enum { BUDGET = LEAT_MERGE_BUDGET, IDLE_ROUNDS = 8, LANES_A_PAUSE = 4 };

/*
 * The turn of a lane that was notified is over: if the lane leaves an item behind, and another
 * receiver of its channel is parked, that one is notified.
 */
static void forward_from_lane(struct leat_lane *lane)
{
	if (leat_likely(!lane->armed))
		return;
	lane->armed = false;
	leat_waitable_forward_notify(lane->waitable);
}

static void begin_round(struct leat_merge *merge)
{
	if (leat_merge_has_notified(merge))
		leat_merge_take_notified(merge);
	if (merge->round_found) {
		merge->round_found = false;
		if (++merge->rounds_found % IDLE_ROUNDS == 0)
			leat_merge_arm_lanes(merge, IDLE_ROUNDS);
	}
	merge->round_left = merge->awake.n;
}

struct leat_lane *leat_merge_end_turn(struct leat_merge *merge)
{
	struct leat_lane *lane = leat_lane_queue_pop(&merge->awake);

	if (merge->served > 0) {
		lane->found_round = merge->rounds_found;
		lane->waiter.lost = 0;
		merge->round_found = true;
	} else if (lane->armed) {
		lane->waiter.lost++;
	}
	merge->served = 0;
	merge->round_left--;
	forward_from_lane(lane);
	return lane;
}

/* Makes one attempt at the first lane of the queue. */
static inline int attempt_lane(struct leat_merge *merge, void *item, void **tag)
{
	struct leat_lane *lane = merge->awake.first;
	int r = leat_waitable_attempt(lane->waitable, item);

	if (r == -EAGAIN)
		return r;
	merge->served++;
	merge->last = lane;
	if (tag != NULL)
		*tag = lane->tag;
	return r;
}

/* The first lane of the queue has ended. The next call closes it. */
static void end_lane(struct leat_merge *merge)
{
	leat_merge_end_turn(merge);
	merge->last_ended = true;
	merge->lanes--;
}

void leat_merge_forget_last(struct leat_merge *merge)
{
	if (merge->last_ended)
		leat_merge_close_lane(merge, merge->last);
	merge->last = NULL;
	merge->last_ended = false;
}

/* Returns the nearest deadline of a lane's scope. */
static int64_t nearest_deadline(const struct leat_merge *merge)
{
	return merge->due == NULL ? LEAT_NEVER : merge->due->due_ns;
}

/*
 * Cancels each scope of a lane whose deadline has passed. The cancel notifies the lane. Visits
 * these lanes alone.
 */
static void expire_scopes(struct leat_merge *merge, int64_t now_ns)
{
	while (now_ns >= nearest_deadline(merge)) {
		struct leat_lane *lane = leat_container_of(merge->due, struct leat_lane, due);

		leat_due_remove(&merge->due, &lane->due);
		lane->timed = false;
		leat_scope_expire(leat_waitable_scope(lane->waitable));
	}
}

bool leat_merge_schedule(const struct leat_merge *merge)
{
	bool any = false;

	for (const struct leat_lane *lane = merge->awake.first; lane != NULL; lane = lane->next)
		any |= leat_waitable_ready(lane->waitable);
	return any;
}

static void sleep_until_lane(struct leat_merge *merge, int64_t until_ns)
{
	bool asleep;

	leat_merge_disarm_fd(merge); /* the next notifier wakes this thread instead */
	leat_mutex_lock(&merge->lock);
	asleep = merge->notified.first == NULL;
	if (asleep)
		leat_sleeper_reset(&merge->sleeper);
	merge->asleep = asleep;
	leat_mutex_unlock(&merge->lock);
	if (!asleep)
		return;
	leat_sleeper_park(&merge->sleeper, until_ns);
	leat_mutex_lock(&merge->lock);
	merge->asleep = false;
	leat_mutex_unlock(&merge->lock);
}

/* One wait of the merging thread. */
struct merge_wait {
	struct leat_wait_loop loop; /* its sleeper is not used: lanes notify the merge's sleeper */
	struct leat_merge *merge;
	void *item;
	void **tag;
};

static struct merge_wait *merge_wait_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct merge_wait, loop);
}

/*
 * Makes one attempt at each lane that is awake, until one has an item or an end. Also returns
 * -ENOENT: there is no lane.
 */
static int attempt_lanes(struct leat_merge *merge, void *item, void **tag)
{
	size_t attempts = 0;

	do {
		int r;

		if (merge->round_left == 0)
			begin_round(merge);
		if (merge->awake.n > 0) {
			r = attempt_lane(merge, item, tag);
			if (r <= 0 && r != -EAGAIN)
				end_lane(merge);
			if (r != -EAGAIN)
				return r;
			leat_lane_queue_push(&merge->awake, leat_merge_end_turn(merge));
			attempts++;
		}
		if (attempts >= merge->awake.n) {
			merge->round_left = 0;
			attempts = 0;
		}
	} while (attempts > 0 || leat_merge_has_notified(merge));
	return merge->lanes == 0 ? -ENOENT : -EAGAIN;
}

/* New lanes may change how the thread waits. */
static void update_wait_loop(struct leat_merge *merge, struct leat_wait_loop *w)
{
	w->policy = merge->parks_at_once ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE;
	w->weight = 1 + (unsigned)(merge->awake.n / LANES_A_PAUSE);
	w->scopes_ns = nearest_deadline(merge);
}

static ssize_t merge_wait_attempt(struct leat_wait_loop *w)
{
	struct merge_wait *wait = merge_wait_of(w);
	int r = attempt_lanes(wait->merge, wait->item, wait->tag);

	update_wait_loop(wait->merge, w);
	return r;
}

static void merge_wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	expire_scopes(merge_wait_of(w)->merge, now_ns);
}

static bool merge_wait_schedule(struct leat_wait_loop *w)
{
	return leat_merge_schedule(merge_wait_of(w)->merge);
}

static void merge_wait_prepare(struct leat_wait_loop *w)
{
	leat_merge_arm_lanes(merge_wait_of(w)->merge, 0);
}

/* A lane that is awake had something in its recheck, or was notified since: then do not sleep. */
static ssize_t merge_wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	struct leat_merge *merge = merge_wait_of(w)->merge;

	if (merge->awake.n == 0)
		sleep_until_lane(merge, until_ns);
	return -EAGAIN;
}

/* Lanes stay armed. A lane that was notified forwards when its turn ends. */
static bool merge_wait_retire(struct leat_wait_loop *w)
{
	(void)w;
	return false;
}

/* Of many lanes only the newest are noted. */
static void merge_wait_begin(struct leat_wait_loop *w, int64_t now_ns)
{
	const struct leat_lane *lane = merge_wait_of(w)->merge->newest;

	(void)now_ns;
	for (int i = 0; i < LEAT_WAITS_MOST && lane != NULL; i++, lane = lane->older)
		leat_times_note_wait(leat_waitable_channel(lane->waitable), false);
}

static const struct leat_wait_ops merge_wait_ops = {
	.attempt = merge_wait_attempt,
	.expire = merge_wait_expire,
	.schedule = merge_wait_schedule,
	.prepare = merge_wait_prepare,
	.park = merge_wait_park,
	.retire = merge_wait_retire,
	.begin = merge_wait_begin,
};

static __attribute__((noinline)) int receive_from_lanes(struct leat_merge *merge, void *item,
                                                        void **tag, int64_t deadline_ns)
{
	struct merge_wait wait = {
		.loop = { .ops = &merge_wait_ops,
		          .time = LEAT_TIME_STARVED,
		          .deadline_ns = deadline_ns },
		.merge = merge,
		.item = item,
		.tag = tag,
	};
	int r;

	leat_merge_forget_last(merge);
	if (merge->served >= BUDGET)
		leat_lane_queue_push(&merge->awake, leat_merge_end_turn(merge));
	r = attempt_lanes(merge, item, tag);
	if (r != -EAGAIN)
		return r;
	leat_scope_note_fed();
	if (deadline_ns <= 0) {
		leat_merge_schedule(merge); /* the next call finds what the producers make */
		return -ETIMEDOUT;
	}
	update_wait_loop(merge, &wait.loop);
	return (int)leat_wait_for(&wait.loop);
}

int leat_detail_merge_recv(struct leat_merge *merge, void *item, size_t size, void **tag,
                           int64_t deadline_ns)
{
	int r;

	if (merge == NULL || item == NULL)
		return -EINVAL;
	if (size != 0 && size != merge->item_size)
		leat_die("leat_merge_recv: the pointer is to items of %zu bytes; the merge has "
		         "items of %zu",
		         size, merge->item_size);
	if (leat_likely(merge->served > 0 && merge->served < BUDGET)) {
		r = attempt_lane(merge, item, tag);
		if (leat_likely(r == 1))
			return 1;
		/* the turn is over; at an end, the next attempt returns the end again */
		merge->served = r == -EAGAIN ? BUDGET : 1;
	}
	return receive_from_lanes(merge, item, tag, deadline_ns);
}

#undef leat_merge_recv
#undef leat_merge_recv_until

int leat_merge_recv(struct leat_merge *merge, void *item, void **tag)
{
	return leat_detail_merge_recv(merge, item, 0, tag, LEAT_NEVER);
}

int leat_merge_recv_until(struct leat_merge *merge, void *item, void **tag, int64_t deadline_ns)
{
	return leat_detail_merge_recv(merge, item, 0, tag, deadline_ns);
}
