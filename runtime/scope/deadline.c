/*
 * Deadlines of scopes. The timer thread cancels the scope whose deadline has passed. A thread that
 * waits in a channel does it too (leat_scope_expire()), so it need not wait for the timer thread to
 * run: the first of the two cancels.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/scope/tree.h"

static void expire_by_timer(struct leat_timer *timer)
{
	struct leat_scope *scope = leat_container_of(timer, struct leat_scope, timer);

	leat_scope_expire(scope);
}

int leat_scope_set_deadline(struct leat_scope *scope, int64_t deadline_ns)
{
	struct leat_scope *parent = scope->parent;
	int rc;

	scope->timer.due.due_ns = deadline_ns != 0 ? deadline_ns : LEAT_NEVER;
	scope->timer.fire = expire_by_timer;
	scope->deadline_owner = scope;
	if (parent != NULL && leat_scope_deadline(parent) <= scope->timer.due.due_ns)
		scope->deadline_owner = parent->deadline_owner;
	if (scope->timer.due.due_ns == LEAT_NEVER)
		return 0;
	if (scope->timer.due.due_ns <= leat_now_ns()) {
		leat_scope_expire(scope);
		return 0;
	}
	rc = leat_timer_add(&scope->timer);
	scope->has_timer = rc == 0;
	return rc;
}

int64_t leat_scope_deadline(const struct leat_scope *scope)
{
	return scope->deadline_owner->timer.due.due_ns;
}

void leat_scope_expire(struct leat_scope *scope)
{
	struct leat_scope *owner = scope->deadline_owner;

	lock_tree(owner);
	if (!owner->expired) {
		owner->expired = true;
		leat_scope_count_later(owner, 0);
		leat_scope_cancel_tree(owner, LEAT_DEADLINE, -ETIMEDOUT, "deadline passed", NULL,
		                       NULL);
	}
	unlock_tree(owner);
}
