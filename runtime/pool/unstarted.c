/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/parts.h"

#include <leat/atomic.h>

static void list_unstarted_user(struct leat_pool *pool, struct leat_pool_user *user)
{
	leat_spin_lock(&pool->unstarted_lock);
	leat_link_before(&user->unstarted_link, &pool->unstarted_users);
	leat_store_rlx(&pool->unstarted, 1); /* rlx: C1 orders it, as count */
	leat_spin_unlock(&pool->unstarted_lock);
}

bool leat_pool_add_unstarted(struct leat_pool *pool, struct leat_pool_user *user)
{
	if (!user->unstarted_listed)
		/* else who asks it takes the lock that is held, or has yet to come */
		list_unstarted_user(pool, user);
	user->unstarted_listed = true;
	return leat_pool_should_notify(pool, false);
}

void leat_pool_notify_unstarted(struct leat_pool *pool)
{
	leat_event_notify(&pool->idle, 1);
}

/*
 * Under ask_lock: takes the first off the list; NULL if it is empty. *last: whom to stop at, so
 * that those who are listed again and again meanwhile are not asked for ever; set where it is NULL.
 */
static struct leat_pool_user *take_unstarted_user(struct leat_pool *pool, struct leat_link **last)
{
	struct leat_link *link = NULL;

	leat_spin_lock(&pool->unstarted_lock);
	if (*last == NULL)
		*last = pool->unstarted_users.prev;
	if (pool->unstarted_users.next != &pool->unstarted_users) {
		link = pool->unstarted_users.next;
		leat_link_remove(link);
	}
	if (pool->unstarted_users.next == &pool->unstarted_users)
		/* rlx: before the user's lock: under that he is seen, or listed again */
		leat_store_rlx(&pool->unstarted, 0);
	leat_spin_unlock(&pool->unstarted_lock);
	return link == NULL ? NULL : leat_container_of(link, struct leat_pool_user, unstarted_link);
}

void leat_pool_unlist_unstarted(struct leat_pool *pool, struct leat_pool_user *user)
{
	leat_mutex_lock(&pool->ask_lock);
	leat_spin_lock(&pool->unstarted_lock);
	if (user->unstarted_link.next != NULL)
		leat_link_remove(&user->unstarted_link);
	leat_spin_unlock(&pool->unstarted_lock);
	leat_mutex_unlock(&pool->ask_lock);
	user->unstarted_listed = false;
}

void leat_pool_ask_unstarted(struct leat_worker *worker)
{
	struct leat_pool *pool = worker->pool;
	struct leat_link *last = NULL;
	struct leat_pool_user *user;
	bool left = false;

	if (leat_load_rlx(&pool->unstarted) == 0) /* rlx: C1 orders it, as count */
		return;
	worker->had_unstarted = true;
	worker->unstarted_ns = leat_now_ns();
	leat_mutex_lock(&pool->ask_lock);
	while ((user = take_unstarted_user(pool, &last)) != NULL) {
		if (user->wake_unstarted(user)) {
			list_unstarted_user(pool, user);
			left = true;
		}
		if (&user->unstarted_link == last)
			break;
	}
	leat_mutex_unlock(&pool->ask_lock);
	if (left)
		/* meanwhile it could not be seen by who went to sleep */
		leat_pool_notify_worker(pool, false);
}
