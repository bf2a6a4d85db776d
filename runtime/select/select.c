/*
 * Waiting for one of several cases.
 *
 * A wait stands on the list of each side at once, with one sleeper for all. It is told of one, or
 * of several; it takes one, and passes on the news of all that told it (runtime/event/wait.h).
 * Nothing is made ready for that before a first attempt at each case has found nothing.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/select.h>

#include "runtime/chan/transfer.h"
#include "runtime/chan/waitable.h"
#include "runtime/event/wait.h"
#include "runtime/scope/scope.h"

#include <limits.h>
#include <poll.h>

enum { ON_STACK = 16 };

struct place {
	struct leat_waitable *side; /* NULL: a descriptor */
	struct leat_waiter waiter;
	bool told;
	unsigned lost;     /* the waiter's, from one round to the next */
	uint64_t position; /* leat_waitable_position() before the last sweep */
};

struct choice {
	struct leat_wait_loop loop; /* filled in before a wait */
	struct leat_case *cases;
	size_t n;    /* of cases; places and polled have as many, polled one more: the flag */
	size_t live; /* the first of order are the places of cases that are not ignored */
	size_t fds;  /* how many of those are descriptors */
	bool by_chance;
	int flag_rc; /* what the last wait_prepare() had of flag_open() */
	struct place *places;
	struct pollfd *polled; /* made when a descriptor is first looked at */
	uint32_t *order;
};

/*
 * The state of this thread's xorshift; 0 before the first use. Good enough to be fair, and its own,
 * so shared with nobody.
 */
static __thread uint64_t chance;

static uint32_t below(uint32_t n)
{
	uint64_t x = chance;

	if (x == 0)
		x = (uint64_t)(uintptr_t)&chance * UINT64_C(0x9e3779b97f4a7c15) | 1;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	chance = x;
	return (uint32_t)(((x >> 32) * n) >> 32);
}

/* 0, the error, or 1 for a case that is ignored. */
static int check(const struct leat_case *c, struct leat_waitable **side)
{
	*side = NULL;
	switch (c->kind) {
	case LEAT_CASE_NONE:
		return 1;
	case LEAT_CASE_SENDS:
		*side = leat_waitable_of_tx(c->tx);
		break;
	case LEAT_CASE_RECEIVES:
		*side = leat_waitable_of_rx(c->rx);
		break;
	case LEAT_CASE_POLLS:
		return c->fd < 0;
	default:
		return -EINVAL;
	}
	return *side == NULL ? 1 : leat_waitable_check(*side, c->item, c->size, "leat_select");
}

static int check_all(struct choice *choice)
{
	for (size_t i = 0; i < choice->n; i++) {
		int rc = check(&choice->cases[i], &choice->places[i].side);

		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		choice->order[choice->live++] = (uint32_t)i;
		choice->fds += choice->places[i].side == NULL;
	}
	return 0;
}

/* Looks at the descriptors, and at the flag for being woken, if there is one. As leat_os_poll(). */
static int look_at_fds(struct choice *choice, int flag, int64_t until_ns)
{
	for (size_t i = 0; i < choice->n; i++)
		choice->polled[i] = (struct pollfd){ .fd = -1 };
	for (size_t i = 0; i < choice->live; i++) {
		size_t at = choice->order[i];

		if (choice->places[at].side == NULL)
			choice->polled[at] = (struct pollfd){ choice->cases[at].fd,
				                              choice->cases[at].events, 0 };
	}
	choice->polled[choice->n] = (struct pollfd){ flag, POLLIN, 0 };
	return leat_os_poll(choice->polled, choice->n + 1, until_ns);
}

/* One attempt at a case: 1 done, or -EAGAIN. */
static inline int attempt(struct choice *choice, size_t at)
{
	struct leat_case *c = &choice->cases[at];
	struct leat_waitable *side = choice->places[at].side;
	int r;

	if (side == NULL) {
		if (choice->polled[at].revents == 0)
			return -EAGAIN;
		c->revents = choice->polled[at].revents;
		c->answer = 1;
		return 1;
	}
	r = leat_waitable_attempt(side, c->item);
	if (r == -EAGAIN)
		return -EAGAIN;
	c->answer = c->kind == LEAT_CASE_SENDS && r > 0 ? 0 : r;
	return 1;
}

/*
 * One attempt at each, in an order that is drawn while it goes: which case is done, -EAGAIN, or
 * what poll(2) fails with. Descriptors are looked at once, when the first of them comes up; or not
 * at all, where what was seen last still holds.
 */
static int sweep(struct choice *choice, bool look)
{
	for (size_t i = 0; i < choice->live; i++) {
		uint32_t *place = &choice->order[i], at = *place;

		if (choice->by_chance && i + 1 < choice->live) {
			uint32_t *other = place + below((uint32_t)(choice->live - i));

			*place = *other;
			*other = at;
			at = *place;
		}
		if (look && choice->places[at].side == NULL) {
			int rc = look_at_fds(choice, -1, 0);

			if (rc < 0 && rc != -ETIMEDOUT)
				return rc;
			look = false;
		}
		if (attempt(choice, at) != -EAGAIN)
			return (int)at;
	}
	return -EAGAIN;
}

static struct place *place_of(struct choice *choice, size_t i)
{
	return &choice->places[choice->order[i]];
}

/* The sides of live places. */
#define for_each_side(i, choice) \
	for (size_t i = 0; i < (choice)->live; i++) \
		if (place_of(choice, i)->side != NULL)

/* Where the others of each side have come to. False where none of the sides has any. */
static bool note_positions(struct choice *choice)
{
	bool any = false;

	for_each_side(i, choice) {
		struct place *place = place_of(choice, i);

		any |= leat_waitable_position(place->side, &place->position);
	}
	return any;
}

/*
 * Whether what the last sweep found was never true of all sides at once, or will not be in a
 * moment: *pauses counts those.
 */
static bool sweep_again(struct choice *choice, unsigned *pauses)
{
	bool behind = false;

	for_each_side(i, choice) {
		struct place *place = place_of(choice, i);
		uint64_t position;

		leat_waitable_position(place->side, &position);
		if (position != place->position)
			return true;
		behind |= leat_waitable_behind_peer(place->side);
	}
	if (!behind || (*pauses)++ == LEAT_PEER_PAUSES)
		return false;
	leat_pause();
	return true;
}

/*
 * The last sweep of one that waits no longer. Other threads may have moved what was there from a
 * side that was looked at later to one that was looked at before, so that there was something all
 * along. A side's position and the attempt after it say that it had nothing since that position was
 * read, if it is still the same afterwards; a side without others cannot lose what it had. So at
 * the moment between the two passes no side had anything.
 */
static int sweep_exactly(struct choice *choice)
{
	unsigned pauses = 0;
	int r;

	do {
		if (!note_positions(choice))
			return sweep(choice, true);
		r = sweep(choice, true);
	} while (r == -EAGAIN && sweep_again(choice, &pauses));
	return r;
}

static int64_t scopes_deadline(struct choice *choice)
{
	int64_t nearest_ns = LEAT_NEVER;

	for_each_side(i, choice) {
		int64_t its_ns =
			leat_scope_deadline(leat_waitable_scope(place_of(choice, i)->side));

		if (its_ns < nearest_ns)
			nearest_ns = its_ns;
	}
	return nearest_ns;
}

static struct choice *choice_of(struct leat_wait_loop *w)
{
	return (struct choice *)(void *)w;
}

/*
 * Descriptors as the last poll found them: that of park(), or, for the last attempt, one of its
 * own.
 */
static ssize_t wait_attempt(struct leat_wait_loop *w)
{
	return w->last ? sweep_exactly(choice_of(w)) : sweep(choice_of(w), false);
}

static void wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	struct choice *choice = choice_of(w);

	for_each_side(i, choice) {
		struct leat_scope *scope = leat_waitable_scope(place_of(choice, i)->side);

		if (now_ns >= leat_scope_deadline(scope))
			leat_scope_expire(scope);
	}
}

/* The flag by which poll(2) is told of channels is one of their handles'. */
static int flag_open(struct choice *choice)
{
	int flag;

	if (choice->fds == 0 || choice->fds == choice->live)
		return 0;
	for_each_side(i, choice) {
		flag = leat_waitable_wake_fd(place_of(choice, i)->side);
		if (flag < 0)
			return flag;
		choice->loop.sleeper.fd = flag;
		break;
	}
	return 0;
}

static void wait_prepare(struct leat_wait_loop *w)
{
	struct choice *choice = choice_of(w);
	bool heavy = false;

	if (w->sleeper.fd >= 0)
		leat_os_flag_clear(w->sleeper.fd);
	else
		choice->flag_rc = flag_open(choice);
	for_each_side(i, choice) {
		struct place *place = place_of(choice, i);

		place->waiter = (struct leat_waiter){ .sleeper = &w->sleeper, .lost = place->lost };
		heavy |= leat_waitable_add_waiter(place->side, &place->waiter);
	}
	leat_event_fence(heavy);
}

static bool wait_retire(struct leat_wait_loop *w)
{
	struct choice *choice = choice_of(w);
	bool notified = false;

	for_each_side(i, choice) {
		struct place *place = place_of(choice, i);

		place->told = leat_waitable_remove_waiter(place->side, &place->waiter);
		place->lost += place->told;
		notified |= place->told;
	}
	return notified;
}

static void wait_forward(struct leat_wait_loop *w)
{
	struct choice *choice = choice_of(w);

	for_each_side(i, choice)
		if (place_of(choice, i)->told)
			leat_waitable_forward_notify(place_of(choice, i)->side);
}

/*
 * Generators on a pool that nobody runs just now are run by a worker. Whether there is something to
 * be done.
 */
static bool urge(struct choice *choice)
{
	bool any = false;

	for_each_side(i, choice)
		any |= leat_waitable_ready(place_of(choice, i)->side);
	return any;
}

static bool wait_schedule(struct leat_wait_loop *w)
{
	return urge(choice_of(w));
}

static ssize_t wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	struct choice *choice = choice_of(w);
	int rc;

	if (choice->flag_rc < 0)
		return choice->flag_rc;
	for_each_side(i, choice)
		leat_waitable_wait_parks(place_of(choice, i)->side);
	if (choice->fds == 0) {
		leat_sleeper_park(&w->sleeper, until_ns);
		return -EAGAIN;
	}
	rc = look_at_fds(choice, w->sleeper.fd, until_ns);
	return rc < 0 && rc != -ETIMEDOUT ? rc : -EAGAIN;
}

static void wait_begin(struct leat_wait_loop *w, int64_t now_ns)
{
	struct choice *choice = choice_of(w);

	for_each_side(i, choice) {
		place_of(choice, i)->lost = 0;
		leat_waitable_wait_begins(place_of(choice, i)->side, now_ns);
	}
}

static void wait_end(struct leat_wait_loop *w, int64_t now_ns)
{
	struct choice *choice = choice_of(w);

	for_each_side(i, choice)
		leat_waitable_wait_ends(place_of(choice, i)->side, now_ns);
}

static const struct leat_wait_ops wait_ops = {
	.attempt = wait_attempt,
	.expire = wait_expire,
	.schedule = wait_schedule,
	.prepare = wait_prepare,
	.park = wait_park,
	.retire = wait_retire,
	.forward = wait_forward,
	.begin = wait_begin,
	.end = wait_end,
};

static bool any_sends(struct choice *choice)
{
	for_each_side(i, choice)
		if (choice->cases[choice->order[i]].kind == LEAT_CASE_SENDS)
			return true;
	return false;
}

/*
 * The policy that all sides have, else: park if one has it, else adaptive. Descriptors are waited
 * for asleep.
 */
static enum leat_wait policy_of(struct choice *choice)
{
	enum leat_wait policy = LEAT_WAIT_ADAPTIVE;
	bool any = false, all = choice->fds == 0;

	for_each_side(i, choice) {
		enum leat_wait its = leat_waitable_policy(place_of(choice, i)->side);

		if (its == LEAT_WAIT_PARK)
			return its;
		all = all && (!any || its == policy);
		any = true;
		policy = its;
	}
	return !any ? LEAT_WAIT_PARK : all ? policy : LEAT_WAIT_ADAPTIVE;
}

/* Out of line: what is done at once needs none of it. */
static __attribute__((noinline)) int wait_for_one(struct choice *choice, int64_t deadline_ns)
{
	if (choice->live == 0 && deadline_ns == LEAT_NEVER)
		return -EINVAL;
	choice->loop = (struct leat_wait_loop){
		.ops = &wait_ops,
		.policy = policy_of(choice),
		.time = any_sends(choice) ? LEAT_TIME_BLOCKED : LEAT_TIME_STARVED,
		.weight = 1,
		.deadline_ns = deadline_ns,
		.scopes_ns = scopes_deadline(choice),
		.sleeper = LEAT_SLEEPER_INIT,
	};
	return (int)leat_wait_for(&choice->loop);
}

static inline int choose(struct choice *choice, int64_t deadline_ns)
{
	int r = check_all(choice);

	if (r < 0)
		return r;
	r = sweep(choice, true);
	if (leat_likely(r != -EAGAIN))
		return r;
	urge(choice);
	if (deadline_ns > 0)
		return wait_for_one(choice, deadline_ns);
	r = sweep_exactly(choice);
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

static __attribute__((noinline)) int choose_of_many(struct choice *choice, int64_t deadline_ns)
{
	size_t each = sizeof(*choice->places) + sizeof(*choice->polled) + sizeof(*choice->order),
	       n = choice->n;
	char *memory = n < SIZE_MAX / each - 1 ? leat_os_alloc((n + 1) * each, 0) : NULL;
	int r;

	if (memory == NULL)
		return -ENOMEM;
	choice->places = (struct place *)(void *)memory;
	choice->polled = (struct pollfd *)(void *)(choice->places + n + 1);
	choice->order = (uint32_t *)(void *)(choice->polled + n + 1);
	r = choose(choice, deadline_ns);
	leat_os_free(memory);
	return r;
}

static bool has_size(const struct leat_case *c, size_t item_size)
{
	return c->size == LEAT_DETAIL_CHAN_SIZE || c->size == item_size;
}

/*
 * A lone case that can be done as the plain call does it. What is wrong with it is told by the long
 * way.
 */
static inline bool lone_case_done(struct leat_case *c)
{
	int r = -EAGAIN;

	if (c->kind == LEAT_CASE_RECEIVES && c->rx != NULL && has_size(c, c->rx->ring.item_size))
		r = (leat_try_recv)(c->rx, c->item);
	else if (c->kind == LEAT_CASE_SENDS && c->tx != NULL && has_size(c, c->tx->ring.item_size))
		r = (leat_try_send)(c->tx, c->item);
	if (r < 0 && r != -EPIPE && r != -ECANCELED)
		return false;
	c->answer = r;
	return true;
}

static __attribute__((noinline)) int select_of_any(struct leat_case *cases, size_t n,
                                                   int64_t deadline_ns, enum leat_order order)
{
	struct place places[ON_STACK];
	struct pollfd polled[ON_STACK + 1];
	uint32_t places_order[ON_STACK];
	struct choice choice = {
		.cases = cases,
		.n = n,
		.by_chance = order == LEAT_BY_CHANCE,
		.places = places,
		.polled = polled,
		.order = places_order,
	};

	return n <= ON_STACK ? choose(&choice, deadline_ns) : choose_of_many(&choice, deadline_ns);
}

int leat_select(struct leat_case *cases, size_t n, int64_t deadline_ns, enum leat_order order)
{
	if ((cases == NULL && n > 0) || n > INT_MAX || (unsigned)order > LEAT_BY_PRIORITY)
		return -EINVAL;
	if (n == 1 && lone_case_done(&cases[0]))
		return 0;
	return select_of_any(cases, n, deadline_ns, order);
}
