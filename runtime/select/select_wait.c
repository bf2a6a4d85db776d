/*
 * How a select waits.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/select/select.h"

#include "runtime/chan/chan_fd.h"
#include "runtime/scope/scope.h"

#include <poll.h>

static int64_t nearest_scope_deadline(struct leat_select_call *call)
{
	int64_t nearest_ns = LEAT_NEVER;

	for_each_waitable(i, call) {
		int64_t deadline_ns = leat_scope_deadline(
			leat_waitable_scope(leat_select_place_of(call, i)->waitable));

		if (deadline_ns < nearest_ns)
			nearest_ns = deadline_ns;
	}
	for_each_scope_case(i, call) {
		int64_t deadline_ns = leat_scope_deadline(leat_select_case_of(call, i)->scope);

		if (deadline_ns < nearest_ns)
			nearest_ns = deadline_ns;
	}
	for_each_done_case(i, call) {
		int64_t deadline_ns =
			leat_scope_deadline(leat_select_case_of(call, i)->tx->chan->scope);

		if (deadline_ns < nearest_ns)
			nearest_ns = deadline_ns;
	}
	return nearest_ns;
}

static struct leat_select_call *call_of(struct leat_wait_loop *w)
{
	return leat_container_of(w, struct leat_select_call, loop);
}

/* Descriptors are as park() found them, but the last attempt polls them itself. */
static ssize_t select_wait_attempt(struct leat_wait_loop *w)
{
	ssize_t r = w->last ? leat_select_sweep_exactly(call_of(w))
	                    : leat_select_sweep(call_of(w), false);

	return r == -EAGAIN && leat_scope_stops_this_thread(NULL) ? -ESHUTDOWN : r;
}

static void select_wait_expire(struct leat_wait_loop *w, int64_t now_ns)
{
	struct leat_select_call *call = call_of(w);

	for_each_waitable(i, call) {
		struct leat_scope *scope =
			leat_waitable_scope(leat_select_place_of(call, i)->waitable);

		if (now_ns >= leat_scope_deadline(scope))
			leat_scope_expire(scope);
	}
	for_each_scope_case(i, call) {
		struct leat_scope *scope = leat_select_case_of(call, i)->scope;

		if (now_ns >= leat_scope_deadline(scope))
			leat_scope_expire(scope);
	}
	for_each_done_case(i, call) {
		struct leat_scope *scope = leat_select_case_of(call, i)->tx->chan->scope;

		if (now_ns >= leat_scope_deadline(scope))
			leat_scope_expire(scope);
	}
}

/*
 * A call that waits for descriptors and for channels or scopes sleeps in poll(2), so notifications
 * have to raise a flag. The wake descriptor of one of its handles serves as that flag; a call
 * without a handle opens a flag. Returns 0, or what that fails with.
 */
static int open_wake_flag(struct leat_select_call *call)
{
	int flag;

	if (call->fds == 0 || (call->fds == call->live && !leat_scope_runs_source()))
		return 0;
	for_each_waitable(i, call) {
		flag = leat_waitable_wake_fd(leat_select_place_of(call, i)->waitable);
		if (flag < 0)
			return flag;
		call->loop.sleeper.fd = flag;
		return 0;
	}
	for_each_done_case(i, call) {
		flag = leat_wake_fd(
			&leat_handle_of_tx(leat_select_case_of(call, i)->tx)->waits.wake_fd);
		if (flag < 0)
			return flag;
		call->loop.sleeper.fd = flag;
		return 0;
	}
	flag = leat_os_flag_open();
	if (flag < 0)
		return flag;
	call->loop.sleeper.fd = flag;
	call->owns_flag = true;
	return 0;
}

static void select_wait_prepare(struct leat_wait_loop *w)
{
	struct leat_select_call *call = call_of(w);
	bool heavy = false;

	if (w->sleeper.fd >= 0)
		leat_os_flag_clear(w->sleeper.fd);
	else
		call->flag_rc = open_wake_flag(call);
	for_each_waitable(i, call) {
		struct leat_select_place *place = leat_select_place_of(call, i);

		place->waiter = (struct leat_waiter){ .sleeper = &w->sleeper, .lost = place->lost };
		heavy |= leat_waitable_add_waiter(place->waitable, &place->waiter);
	}
	/* the event's lock orders it with what ends the sends: no fence is needed */
	for_each_done_case(i, call) {
		struct leat_waiter *waiter = &leat_select_place_of(call, i)->waiter;

		*waiter = (struct leat_waiter){ .sleeper = &w->sleeper };
		leat_event_add_waiter(&leat_select_case_of(call, i)->tx->chan->done, waiter);
	}
	for_each_scope_case(i, call)
		leat_scope_watch(&leat_select_place_of(call, i)->watch,
		                 leat_select_case_of(call, i)->scope, &w->sleeper);
	leat_source_watch(&call->own, NULL, &w->sleeper);
	leat_event_fence(heavy);
}

static bool select_wait_retire(struct leat_wait_loop *w)
{
	struct leat_select_call *call = call_of(w);
	bool notified = false;

	for_each_waitable(i, call) {
		struct leat_select_place *place = leat_select_place_of(call, i);

		place->notified = leat_waitable_remove_waiter(place->waitable, &place->waiter);
		place->lost += place->notified;
		notified |= place->notified;
	}
	for_each_done_case(i, call)
		leat_event_remove_waiter(&leat_select_case_of(call, i)->tx->chan->done,
		                         &leat_select_place_of(call, i)->waiter);
	for_each_scope_case(i, call)
		leat_scope_unwatch(&leat_select_place_of(call, i)->watch);
	leat_source_unwatch(&call->own);
	return notified;
}

static void select_wait_forward(struct leat_wait_loop *w)
{
	struct leat_select_call *call = call_of(w);

	for_each_waitable(i, call)
		if (leat_select_place_of(call, i)->notified)
			leat_waitable_forward_notify(leat_select_place_of(call, i)->waitable);
}

bool leat_select_schedule(struct leat_select_call *call)
{
	bool any = false;

	for_each_waitable(i, call)
		any |= leat_waitable_ready(leat_select_place_of(call, i)->waitable);
	return any;
}

static bool select_wait_schedule(struct leat_wait_loop *w)
{
	return leat_select_schedule(call_of(w));
}

static ssize_t select_wait_park(struct leat_wait_loop *w, int64_t until_ns)
{
	struct leat_select_call *call = call_of(w);
	int rc;

	if (call->flag_rc < 0)
		return call->flag_rc;
	for_each_waitable(i, call)
		leat_waitable_wait_parks(leat_select_place_of(call, i)->waitable);
	if (call->fds == 0) {
		leat_sleeper_park(&w->sleeper, until_ns);
		return -EAGAIN;
	}
	rc = leat_select_poll_fds(call, w->sleeper.fd, until_ns);
	return rc < 0 && rc != -ETIMEDOUT ? rc : -EAGAIN;
}

static void select_wait_begin(struct leat_wait_loop *w, int64_t now_ns)
{
	struct leat_select_call *call = call_of(w);

	for_each_waitable(i, call) {
		leat_select_place_of(call, i)->lost = 0;
		leat_waitable_wait_begins(leat_select_place_of(call, i)->waitable, now_ns);
		leat_times_note_wait(leat_waitable_channel(leat_select_place_of(call, i)->waitable),
		                     leat_select_case_of(call, i)->kind == LEAT_CASE_SENDS);
	}
}

static void select_wait_end(struct leat_wait_loop *w, int64_t now_ns)
{
	struct leat_select_call *call = call_of(w);

	for_each_waitable(i, call)
		leat_waitable_wait_ends(leat_select_place_of(call, i)->waitable, now_ns);
}

static const struct leat_wait_ops select_wait_ops = {
	.attempt = select_wait_attempt,
	.expire = select_wait_expire,
	.schedule = select_wait_schedule,
	.prepare = select_wait_prepare,
	.park = select_wait_park,
	.retire = select_wait_retire,
	.forward = select_wait_forward,
	.begin = select_wait_begin,
	.end = select_wait_end,
};

static bool has_receive_case(struct leat_select_call *call)
{
	for_each_waitable(i, call)
		if (leat_select_case_of(call, i)->kind == LEAT_CASE_RECEIVES)
			return true;
	return false;
}

/* Whether a case waits to send, or for a descriptor to become writable. */
static bool has_send_case(struct leat_select_call *call)
{
	for (size_t i = 0; i < call->n; i++)
		if (call->cases[i].kind == LEAT_CASE_SENDS ||
		    (call->cases[i].kind == LEAT_CASE_POLLS && call->cases[i].events & POLLOUT))
			return true;
	return false;
}

/*
 * Returns LEAT_WAIT_PARK if a waitable has it, else the policy that all waitables share, else
 * LEAT_WAIT_ADAPTIVE. A descriptor among the cases makes it adaptive, and cases without a
 * waitable alone make it park: the thread must come to sleep in poll(2), or a cancel is far off.
 */
static enum leat_wait common_policy(struct leat_select_call *call)
{
	enum leat_wait policy = LEAT_WAIT_ADAPTIVE;
	bool any = false, all = call->fds == 0;

	for_each_waitable(i, call) {
		enum leat_wait of_case =
			leat_waitable_policy(leat_select_place_of(call, i)->waitable);

		if (of_case == LEAT_WAIT_PARK)
			return of_case;
		all = all && (!any || of_case == policy);
		any = true;
		policy = of_case;
	}
	return !any ? LEAT_WAIT_PARK : all ? policy : LEAT_WAIT_ADAPTIVE;
}

int leat_select_wait(struct leat_select_call *call, int64_t deadline_ns)
{
	int rc;

	if (call->live == 0 && deadline_ns == LEAT_NEVER)
		return -EINVAL;
	if (has_receive_case(call))
		leat_scope_note_fed();
	call->loop = (struct leat_wait_loop){
		.ops = &select_wait_ops,
		.policy = common_policy(call),
		.time = has_send_case(call) ? LEAT_TIME_BLOCKED : LEAT_TIME_STARVED,
		.weight = 1,
		.deadline_ns = deadline_ns,
		.scopes_ns = nearest_scope_deadline(call),
		.sleeper = LEAT_SLEEPER_INIT,
	};
	rc = (int)leat_wait_for(&call->loop);
	if (call->owns_flag)
		leat_os_flag_close(call->loop.sleeper.fd);
	return rc;
}
