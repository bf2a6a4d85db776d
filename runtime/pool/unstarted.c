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
		/*
		 * otherwise the user is on the list, or a worker that is about to ask it takes the
		 * user's lock after this
		 */
		list_unstarted_user(pool, user);
	user->unstarted_listed = true;
	return leat_pool_should_notify(pool, false);
}

void leat_pool_notify_unstarted(struct leat_pool *pool)
{
	leat_event_notify(&pool->idle, 1);
}

/*
 * Caller holds ask_lock. Takes the first user off the list; NULL if the list is empty. *last: the
 * user after which the caller stops, set where it is NULL. Users that come onto the list again and
 * again meanwhile would else be asked for ever.
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
		/*
		 * rlx: stored before this worker takes the user's lock: with that held it finds a
		 * new job, or the starter lists the user again
		 */
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
		/* a worker that parked meanwhile did not find them on the list */
		leat_pool_notify_worker(pool, false);
}
