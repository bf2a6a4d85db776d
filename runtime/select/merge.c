/*
 * One receiver over many channels.
 *
 * A lane is in one of three places:
 *
 *     awake   in the merging thread's queue: it has items, or had some a moment ago
 *     armed   on its channel's event, with a sleeper that is no thread but lane_told()
 *     told    on the list that lane_told() puts it on; so is a lane that was just added
 *
 * The merging thread serves the first of its queue, up to BUDGET items, and puts it at the end.
 * Every LOOKS rounds that found something it arms the lanes that found nothing in as many: arming
 * (two locks, and a heavy fence for all that are armed together) is for lanes that are idle. Where
 * whole rounds find nothing, it spins and yields as an adaptive wait does, then arms all and
 * sleeps. Who was armed is looked at once more. Where it sleeps in somebody else's event loop, it
 * arms all likewise, and then the descriptor: that is raised, once, for the next lane that is told.
 *
 * Lock order: a channel's event, then the merge's lock, which guards the list of the told and who
 * is to hear of it.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/merge.h>

#include "runtime/chan/waitable.h"
#include "runtime/event/wait.h"
#include "runtime/scope/due.h"
#include "runtime/scope/scope.h"

#ifndef LEAT_MERGE_BUDGET
#define LEAT_MERGE_BUDGET 64 /* the exploring scheduler moves few items */
#endif

/*
 * BUDGET: items of one lane in a row, so that many share what a turn costs, and the others wait for
 * a microsecond or so. A look at A_PAUSE lanes takes about as long as a pause.
 */
enum { BUDGET = LEAT_MERGE_BUDGET, LOOKS = 8, A_PAUSE = 4 };

struct lane {
	struct leat_sleeper sleeper; /* first: lane_told() is given this */
	struct leat_waiter waiter;
	struct leat_waitable *side;
	struct leat_rx *rx;
	struct leat_merge *merge;
	void *tag;
	struct lane *next;          /* in the queue, or on the list of the told */
	struct lane *next_armed;    /* of those that are armed together */
	struct lane *older, *newer; /* among all lanes of the merge */
	bool linked;                /* is among them */
	/* is in the merge's heap of those whose scope has a deadline */
	bool timed;
	struct leat_due due; /* that deadline */
	bool armed;          /* stands on the event, or was told and not served since */
	uint64_t found;      /* the merge's rounds when it last had something */
};

struct queue {
	struct lane *first, **end;
	size_t n;
};

struct leat_merge {
	struct queue awake;
	struct lane *last; /* whom the last answer was about */
	bool last_ended;
	bool found;      /* this round has found something */
	unsigned served; /* items of the queue's first, in its turn */
	size_t round;    /* lanes of the queue whose turn in this round is to come */
	uint64_t rounds; /* that have found something */
	size_t item_size, lanes;
	struct lane *all; /* the newest */
	/* lanes by their scopes' deadlines, those that have not passed; see scopes_ns() */
	struct leat_due *due;
	bool parks_at_once; /* a lane's channel waits so */
	/* the descriptor was, and not disarmed since; it may have been told */
	bool armed;
	/* the descriptor, or -1; others use it under the lock, while it is watched */
	int flag;

	uint32_t has_told __attribute__((aligned(LEAT_LINES_APART)));
	struct leat_mutex lock; /* guards what follows */
	struct queue told;
	bool asleep;  /* the sleeper is to be woken */
	bool watched; /* the flag is to be raised */
	struct leat_sleeper sleeper;
};

static void queue_init(struct queue *queue)
{
	queue->first = NULL;
	queue->end = &queue->first;
	queue->n = 0;
}

static void queue_put(struct queue *queue, struct lane *lane)
{
	lane->next = NULL;
	*queue->end = lane;
	queue->end = &lane->next;
	queue->n++;
}

static struct lane *queue_take(struct queue *queue)
{
	struct lane *lane = queue->first;

	queue->first = lane->next;
	if (queue->first == NULL)
		queue->end = &queue->first;
	queue->n--;
	return lane;
}

/*
 * Any thread. The last touch of the merge is the unlock; the wake-up after it uses the address
 * alone. A descriptor could be closed by then, and be another's.
 */
static void tell(struct leat_merge *merge, struct lane *lane)
{
	bool asleep;

	leat_mutex_lock(&merge->lock);
	queue_put(&merge->told, lane);
	/* rlx: a hint; the list is looked at under the lock before a sleep */
	leat_store_rlx(&merge->has_told, 1);
	asleep = merge->asleep;
	merge->asleep = false;
	if (asleep)
		/* rlx: who wakes up by it takes this lock before he looks */
		leat_store_rlx(&merge->sleeper.word, 1);
	if (merge->watched)
		leat_os_flag_raise(merge->flag);
	merge->watched = false;
	leat_mutex_unlock(&merge->lock);
	if (asleep)
		leat_os_futex_wake(&merge->sleeper.word, 1);
}

/* Under the event's lock. */
static void lane_told(struct leat_sleeper *sleeper)
{
	struct lane *lane = (struct lane *)(void *)sleeper;

	tell(lane->merge, lane);
}

struct leat_merge *leat_detail_merge_open(unsigned abi, size_t item_size)
{
	struct leat_merge *merge;

	if (abi != LEAT_ABI || item_size == 0)
		return NULL;
	merge = leat_os_alloc(sizeof(*merge), LEAT_LINES_APART);
	if (merge == NULL)
		return NULL;
	merge->item_size = item_size;
	merge->flag = -1;
	merge->sleeper = (struct leat_sleeper)LEAT_SLEEPER_INIT;
	queue_init(&merge->awake);
	queue_init(&merge->told);
	leat_mutex_init(&merge->lock);
	return merge;
}

/* For a caller by address or from another language, which is not checked. */
struct leat_merge *(leat_merge_open)(size_t item_size)
{
	return leat_merge_open(item_size);
}

int leat_merge_add(struct leat_merge *merge, struct leat_rx *rx, void *tag)
{
	struct leat_waitable *side = leat_waitable_of_rx(rx);
	struct lane *lane;
	int rc;

	if (merge == NULL || rx == NULL)
		return -EINVAL;
	/* with any address for the item's */
	rc = leat_waitable_check(side, rx, 0, "leat_merge_add");
	if (rc == 0 && leat_waitable_item_size(side) != merge->item_size)
		rc = -EINVAL;
	if (rc < 0)
		return rc;
	lane = leat_os_alloc(sizeof(*lane), 0);
	if (lane == NULL)
		return -ENOMEM;
	lane->side = side;
	lane->rx = rx;
	lane->merge = merge;
	lane->tag = tag;
	lane->sleeper = (struct leat_sleeper){ .fd = -1, .wake = lane_told };
	lane->waiter.sleeper = &lane->sleeper;
	tell(merge, lane);
	return 0;
}

/* A lane that was added, and that the merging thread has not seen until now. */
static void lane_link(struct leat_merge *merge, struct lane *lane)
{
	lane->due.due_ns = leat_scope_deadline(leat_waitable_scope(lane->side));
	lane->timed = lane->due.due_ns != LEAT_NEVER;
	if (lane->timed)
		leat_due_add(&merge->due, &lane->due);
	if (leat_waitable_policy(lane->side) == LEAT_WAIT_PARK)
		merge->parks_at_once = true;
	lane->linked = true;
	lane->older = merge->all;
	if (merge->all != NULL)
		merge->all->newer = lane;
	merge->all = lane;
	merge->lanes++;
}

/* It stands on no event and in no queue. */
static void lane_close(struct leat_merge *merge, struct lane *lane)
{
	if (lane->newer != NULL)
		lane->newer->older = lane->older;
	else
		merge->all = lane->older;
	if (lane->older != NULL)
		lane->older->newer = lane->newer;
	if (lane->timed)
		leat_due_remove(&merge->due, &lane->due);
	leat_rx_close(lane->rx);
	leat_os_free(lane);
}

/* What a lane was told of was looked at: the news goes on where it leaves something behind. */
static void lane_served(struct lane *lane)
{
	if (leat_likely(!lane->armed))
		return;
	lane->armed = false;
	leat_waitable_forward_notify(lane->side);
}

static bool has_told(const struct leat_merge *merge)
{
	return leat_load_rlx(&merge->has_told) != 0; /* rlx: a hint, as in tell() */
}

/* Those that were told come to the end of the queue. */
static void collect(struct leat_merge *merge)
{
	int64_t now_ns = leat_now_ns();
	struct lane *lane, *next;

	leat_mutex_lock(&merge->lock);
	lane = merge->told.first;
	queue_init(&merge->told);
	leat_store_rlx(&merge->has_told, 0); /* rlx: the same */
	leat_mutex_unlock(&merge->lock);
	for (; lane != NULL; lane = next) {
		next = lane->next;
		if (!lane->linked)
			lane_link(merge, lane);
		leat_waitable_wait_ends(lane->side, now_ns);
		lane->found = merge->rounds;
		queue_put(&merge->awake, lane);
	}
}

/* Takes those out of the queue that have found nothing for so many rounds, and lines them up. */
static struct lane *line_up(struct leat_merge *merge, uint64_t rounds)
{
	struct lane *armed = NULL;
	int64_t now_ns = 0;
	bool heavy = false;

	for (size_t n = merge->awake.n; n > 0; n--) {
		struct lane *lane = queue_take(&merge->awake);

		if (merge->rounds - lane->found < rounds) {
			queue_put(&merge->awake, lane);
			continue;
		}
		if (armed == NULL)
			now_ns = leat_now_ns();
		leat_waitable_wait_begins(lane->side, now_ns);
		leat_waitable_wait_parks(lane->side);
		lane->next_armed = armed;
		armed = lane;
		lane->armed = true;
		/* from here on it may be told */
		heavy |= leat_waitable_add_waiter(lane->side, &lane->waiter);
	}
	if (armed != NULL)
		leat_event_fence(heavy);
	return armed;
}

/*
 * Arms them. Who has something after all comes back to the queue: at once, or by the list where it
 * was told meanwhile.
 */
static void arm(struct leat_merge *merge, uint64_t rounds)
{
	struct lane *lane = line_up(merge, rounds), *next;

	for (; lane != NULL; lane = next) {
		next = lane->next_armed;
		if (!leat_waitable_ready(lane->side) ||
		    leat_waitable_remove_waiter(lane->side, &lane->waiter))
			continue;
		lane->armed = false;
		leat_waitable_wait_ends(lane->side, leat_now_ns());
		queue_put(&merge->awake, lane);
	}
}

static void begin_round(struct leat_merge *merge)
{
	if (has_told(merge))
		collect(merge);
	if (merge->found) {
		merge->found = false;
		if (++merge->rounds % LOOKS == 0)
			arm(merge, LOOKS);
	}
	merge->round = merge->awake.n;
}

/* The first of the queue has had its turn. */
static struct lane *end_turn(struct leat_merge *merge)
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
	end_turn(merge);
	merge->last_ended = true;
	merge->lanes--;
}

static void forget_last(struct leat_merge *merge)
{
	if (merge->last_ended)
		lane_close(merge, merge->last);
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
static bool urge(const struct leat_merge *merge)
{
	bool any = false;

	for (const struct lane *lane = merge->awake.first; lane != NULL; lane = lane->next)
		any |= leat_waitable_ready(lane->side);
	return any;
}

/* Whether the descriptor will tell: nobody was told yet. */
static bool watch(struct leat_merge *merge)
{
	bool watched;

	leat_mutex_lock(&merge->lock);
	watched = merge->told.first == NULL;
	merge->watched = watched;
	leat_mutex_unlock(&merge->lock);
	merge->armed = watched;
	return watched;
}

static void disarm(struct leat_merge *merge) /* mutate */
{
	bool told;

	if (leat_likely(!merge->armed))
		return;
	leat_mutex_lock(&merge->lock);
	told = !merge->watched;
	merge->watched = false;
	leat_mutex_unlock(&merge->lock);
	merge->armed = false;
	if (told)
		leat_os_flag_clear(merge->flag);
}

static void sleep_until(struct leat_merge *merge, int64_t until_ns)
{
	bool asleep;

	disarm(merge); /* this thread is told instead */
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
			queue_put(&merge->awake, end_turn(merge));
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
	return urge(merge_wait_of(w)->merge);
}

static void wait_prepare(struct leat_wait_loop *w)
{
	arm(merge_wait_of(w)->merge, 0);
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

	forget_last(merge);
	if (merge->served >= BUDGET)
		queue_put(&merge->awake, end_turn(merge));
	r = look_at_lanes(merge, item, tag);
	if (r != -EAGAIN)
		return r;
	if (deadline_ns <= 0) {
		urge(merge); /* the next call finds what the producers make */
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
 * The lanes that were told and not looked at since are lined up with the others: what has nothing,
 * has no news to pass on.
 */
int leat_merge_arm(struct leat_merge *merge)
{
	if (merge == NULL || merge->flag < 0)
		return -EINVAL;
	disarm(merge);
	forget_last(merge);
	if (has_told(merge))
		collect(merge);
	if (urge(merge))
		return 1;
	if (merge->served > 0)
		queue_put(&merge->awake, end_turn(merge));
	merge->round = 0;
	arm(merge, 0);
	return merge->awake.n > 0 || !watch(merge);
}

int leat_merge_disarm(struct leat_merge *merge)
{
	if (merge == NULL)
		return -EINVAL;
	disarm(merge);
	return 0;
}

/*
 * All leave before any is freed: until then they may be told, and stand side by side on that list.
 */
void leat_merge_close(struct leat_merge *merge)
{
	if (merge == NULL)
		return;
	collect(merge);
	for (struct lane *lane = merge->all; lane != NULL; lane = lane->older) {
		if (lane->armed && leat_waitable_remove_waiter(lane->side, &lane->waiter))
			leat_waitable_forward_notify(lane->side);
		leat_waitable_wait_ends(lane->side, leat_now_ns());
	}
	while (merge->all != NULL)
		lane_close(merge, merge->all);
	if (merge->flag >= 0)
		leat_os_flag_close(merge->flag);
	leat_os_free(merge);
}
