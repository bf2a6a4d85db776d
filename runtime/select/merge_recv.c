/*
 * Receiving from a merge.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/event/wait.h"
#include "runtime/scope/scope.h"
#include "runtime/select/merge.h"

#ifndef LEAT_MERGE_BUDGET
#define LEAT_MERGE_BUDGET 64 /* the exploring scheduler moves few items */
#endif

/*
 * BUDGET: items of one lane in a row, so that many share what a turn costs, and the others wait for
 * a microsecond or so. A look at A_PAUSE lanes takes about as long as a pause.
 */
enum { BUDGET = LEAT_MERGE_BUDGET, LOOKS = 8, A_PAUSE = 4 };

/* What a lane was told of was looked at: the news goes on where it leaves something behind. */
static void lane_served(struct lane *lane)
{
	if (leat_likely(!lane->armed))
		return;
	lane->armed = false;
	leat_waitable_forward_notify(lane->side);
}

static void begin_round(struct leat_merge *merge)
{
	if (has_told(merge))
		leat_merge_collect(merge);
	if (merge->found) {
		merge->found = false;
		if (++merge->rounds % LOOKS == 0)
			leat_merge_arm_lanes(merge, LOOKS);
	}
	merge->round = merge->awake.n;
}

/* The first of the queue has had its turn. */
struct lane *leat_merge_end_turn(struct leat_merge *merge)
{
	struct lane *lane = queue_take(&merge->awake);

	if (merge->served > 0) {
		lane->found = merge->rounds;
		lane->waiter.lost = 0;
		merge->found = true;
	} else if (lane->armed) {
		lane->waiter.lost++;
	}
	merge->served = 0;
	merge->round--;
	lane_served(lane);
	return lane;
}

/* One attempt at the first of the queue. */
static inline int attempt(struct leat_merge *merge, void *item, void **tag)
{
	struct lane *lane = merge->awake.first;
	int r = leat_waitable_attempt(lane->side, item);

	if (r == -EAGAIN)
		return r;
	merge->served++;
	merge->last = lane;
	if (tag != NULL)
		*tag = lane->tag;
	return r;
}

/* A lane has said that it has ended. It is closed with the next call. */
static void lane_ended(struct leat_merge *merge)
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

/* The nearest deadline of a lane's scope. */
static int64_t scopes_ns(const struct leat_merge *merge)
{
	return merge->due == NULL ? LEAT_NEVER : merge->due->due_ns;
}

/*
 * Deadlines of scopes that have passed are fired; their lanes are told by that. It visits those
 * lanes alone.
 */
static void expire_scopes(struct leat_merge *merge, int64_t now_ns)
{
	while (now_ns >= scopes_ns(merge)) {
		struct lane *lane = caa_container_of(merge->due, struct lane, due);

		leat_due_remove(&merge->due, &lane->due);
		lane->timed = false;
		leat_scope_expire(leat_waitable_scope(lane->side));
	}
}

/*
 * Generators on a pool that nobody runs just now are run by a worker. Whether a lane that is awake
 * has something.
 */
bool leat_merge_schedule(const struct leat_merge *merge)
{
	bool any = false;

	for (const struct lane *lane = merge->awake.first; lane != NULL; lane = lane->next)
		any |= leat_waitable_ready(lane->side);
	return any;
}

static void sleep_until(struct leat_merge *merge, int64_t until_ns)
{
	bool asleep;

	leat_merge_disarm_fd(merge); /* this thread is told instead */
	leat_mutex_lock(&merge->lock);
	asleep = merge->told.first == NULL;
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

/* One wait of the merge. */
struct merge_wait {
	struct leat_wait_loop loop; /* its sleeper is not used: lanes notify the merge's */
	struct leat_merge *merge;
	void *item;
	void **tag;
};

static struct merge_wait *merge_wait_of(struct leat_wait_loop *w)
{
	return (struct merge_wait *)(void *)w;
}

/* One attempt at each lane that is awake. Also -ENOENT: there is no lane. */
static int look_at_lanes(struct leat_merge *merge, void *item, void **tag)
{
	size_t looks = 0;

	do {
		int r;

		if (merge->round == 0)
			begin_round(merge);
		if (merge->awake.n > 0) {
			r = attempt(merge, item, tag);
			if (r == 0 || r == -ECANCELED)
				lane_ended(merge);
			if (r != -EAGAIN)
				return r;
			queue_put(&merge->awake, leat_merge_end_turn(merge));
			looks++;
		}
		if (looks >= merge->awake.n) {
			merge->round = 0;
			looks = 0;
		}
	} while (looks > 0 || has_told(merge));
	return merge->lanes == 0 ? -ENOENT : -EAGAIN;
}

/* Lanes that were added since then may change how this waits. */
static void update_wait(struct leat_merge *merge, struct leat_wait_loop *w)
{
	w->policy = merge->parks_at_once ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE;
	w->weight = 1 + (unsigned)(merge->awake.n / A_PAUSE);
	w->scopes_ns = scopes_ns(merge);
}

static ssize_t wait_attempt(struct leat_wait_loop *w)
{
	struct merge_wait *wait = merge_wait_of(w);
	int r = look_at_lanes(wait->merge, wait->item, wait->tag);

	update_wait(wait->merge, w);
	return r;
}

static void wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	expire_scopes(merge_wait_of(w)->merge, now_ns);
}

static bool wait_schedule(struct leat_wait_loop *w)
{
	return leat_merge_schedule(merge_wait_of(w)->merge);
}

static void wait_prepare(struct leat_wait_loop *w)
{
	leat_merge_arm_lanes(merge_wait_of(w)->merge, 0);
}

/* A lane that is awake is not armed: it has something, or had when it was armed. */
static ssize_t wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	struct leat_merge *merge = merge_wait_of(w)->merge;

	if (merge->awake.n == 0)
		sleep_until(merge, until_ns);
	return -EAGAIN;
}

/* Lanes stay armed, and each forwards its own notification when it is served. */
static bool wait_retire(struct leat_wait_loop *w)
{
	(void)w;
	return false;
}

static const struct leat_wait_ops wait_ops = {
	.attempt = wait_attempt,
	.expire = wait_expire,
	.schedule = wait_schedule,
	.prepare = wait_prepare,
	.park = wait_park,
	.retire = wait_retire,
};

static __attribute__((noinline)) int receive_slowly(struct leat_merge *merge, void *item,
                                                    void **tag, int64_t deadline_ns)
{
	struct merge_wait wait = {
		.loop = { .ops = &wait_ops, .time = LEAT_TIME_STARVED, .deadline_ns = deadline_ns },
		.merge = merge,
		.item = item,
		.tag = tag,
	};
	int r;

	leat_merge_forget_last(merge);
	if (merge->served >= BUDGET)
		queue_put(&merge->awake, leat_merge_end_turn(merge));
	r = look_at_lanes(merge, item, tag);
	if (r != -EAGAIN)
		return r;
	if (deadline_ns <= 0) {
		leat_merge_schedule(merge); /* the next call finds what the producers make */
		return -ETIMEDOUT;
	}
	update_wait(merge, &wait.loop);
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
		r = attempt(merge, item, tag);
		if (leat_likely(r == 1))
			return 1;
		/* its turn is over; an end it answers again */
		merge->served = r == -EAGAIN ? BUDGET : 1;
	}
	return receive_slowly(merge, item, tag, deadline_ns);
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
