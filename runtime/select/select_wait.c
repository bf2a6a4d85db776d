/*
 * How a select waits, by the wait engine.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/select/select.h"

#include "runtime/scope/scope.h"

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
	return w->last ? leat_select_sweep_exactly(choice_of(w))
	               : leat_select_sweep(choice_of(w), false);
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
bool leat_select_schedule(struct choice *choice)
{
	bool any = false;

	for_each_side(i, choice)
		any |= leat_waitable_ready(place_of(choice, i)->side);
	return any;
}

static bool wait_schedule(struct leat_wait_loop *w)
{
	return leat_select_schedule(choice_of(w));
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
	rc = leat_select_poll(choice, w->sleeper.fd, until_ns);
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
int leat_select_wait(struct choice *choice, int64_t deadline_ns)
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
