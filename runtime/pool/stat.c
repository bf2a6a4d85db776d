/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/pool/parts.h"

#include <leat/atomic.h>

#include <string.h>

/* One for all pools, as a user may outlive its pool. */
static struct leat_mutex users_lock = LEAT_MUTEX_INIT;

/*
 * Caller holds users_lock. Adds the worker's turns. If the present turn was found by an earlier
 * reader already, it is a long one: keeps the longest and its job's id.
 */
static void read_worker_stat(struct leat_worker *worker, struct leat_pool_stat *stat,
                             int64_t now_ns)
{
	/* rlx: numbers */
	uint64_t running = leat_load_rlx(&worker->running),
		 turns_run = leat_load_rlx(&worker->turns_run);

	stat->turns += turns_run;
	if (running == 0 || turns_run != worker->stat_turns_run) {
		worker->stat_turns_run = turns_run;
		worker->stat_since_ns = now_ns;
	} else if (now_ns - worker->stat_since_ns > stat->long_ns) {
		stat->long_ns = now_ns - worker->stat_since_ns;
		stat->long_id = running;
	}
}

/* Caller holds stat_lock alone, as the kernel is asked. */
static void add_worker_times(struct leat_worker *worker, struct leat_pool_stat *stat,
                             int64_t now_ns)
{
	struct leat_spent spent;
	uint64_t busy_ns;

	leat_times_read(&worker->times, now_ns, &spent);
	busy_ns = spent.ns[LEAT_TIME_BUSY];
	stat->busy_ns += busy_ns;
	for (int i = LEAT_TIME_BUSY + 1; i < LEAT_TIMES; i++)
		stat->idle_ns += spent.ns[i];
	if (busy_ns > stat->busiest_ns)
		stat->busiest_ns = busy_ns;
	stat->cpu_ns += spent.cpu_ns;
	stat->runq_ns += spent.runq_ns;
}

static void add_user_stat(struct leat_pool_stat *to, const struct leat_pool_stat *from)
{
	to->generators += from->generators;
	to->offered += from->offered;
	to->delivered += from->delivered;
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		to->dropped[reason] += from->dropped[reason];
	if (from->long_name[0] != '\0')
		memcpy(to->long_name, from->long_name, sizeof(to->long_name));
}

/* Caller holds users_lock. */
static void unlink_user(struct leat_pool_user *user)
{
	user->prev->next = user->next;
	user->next->prev = user->prev;
	user->next = user->prev = NULL;
	user->pool = NULL;
}

/* Caller holds users_lock. The thread that makes the last of these true frees the user. */
static bool may_free(const struct leat_pool_user *user)
{
	return user->removed && user->pool == NULL && user->stat_readers == 0 && !user->deferred;
}

/* Caller holds users_lock, which is released and taken again. */
static void free_user(struct leat_pool_user *user)
{
	leat_mutex_unlock(&users_lock);
	user->free(user);
	leat_mutex_lock(&users_lock);
}

/*
 * Caller holds users_lock. No job of the user's is left, and no reader has added past_stat. Its
 * pool may have been closed already, and the user is off the list then.
 */
static void end_user(struct leat_pool *pool, struct leat_pool_user *user)
{
	if (user->pool != pool)
		return;
	user->read_stat(user, &pool->past_stat);
	unlink_user(user);
}

/*
 * Caller holds users_lock, which is released at each user, so that no start waits for a whole walk.
 * Each user's figures are of another moment.
 *
 * Invariant: each user is in the sum once; one whose scope was closed before the walk began is in
 * it with all that it had. If a user could leave the list during the walk, its figures would be in
 * past_stat, which was added before, and in the list no more: they would be missing. Therefore no
 * user leaves the list during a walk, unless its pool is closed.
 */
static void read_users_stat(struct leat_pool *pool, struct leat_pool_stat *sum)
{
	struct leat_pool_user *user = pool->users.next, *next;

	pool->reading_stat = true;
	add_user_stat(sum, &pool->past_stat);
	while (user != &pool->users) {
		struct leat_pool_stat stat = { .long_id = sum->long_id };

		user->stat_readers++;
		leat_mutex_unlock(&users_lock);
		user->read_stat(user, &stat);
		leat_mutex_lock(&users_lock);
		user->stat_readers--;
		next = &pool->users; /* the pool is being closed, if the user has left it */
		if (user->pool == pool) {
			next = user->next;
			add_user_stat(sum, &stat);
		}
		if (may_free(user))
			free_user(user);
		user = next;
	}
	pool->reading_stat = false;
}

/*
 * Caller holds users_lock, which is released and taken again. After a walk: ends the users that
 * were removed during it.
 */
static void end_deferred_users(struct leat_pool *pool)
{
	struct leat_pool_user *user;

	while ((user = pool->deferred) != NULL) {
		pool->deferred = user->deferred_next;
		user->deferred = false;
		end_user(pool, user);
		if (may_free(user))
			free_user(user);
	}
}

static uint64_t larger_of(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Caller holds users_lock. Raises totals to those of the last reader, below which they may be, as
 * jobs that end during a walk may be left out. At least all items that went out were offered.
 */
static void raise_totals(struct leat_pool *pool, struct leat_pool_stat *stat)
{
	uint64_t out;

	out = stat->delivered = pool->last_stat.delivered =
		larger_of(stat->delivered, pool->last_stat.delivered);
	for (int reason = 0; reason < LEAT_DROP_REASONS; reason++)
		out += stat->dropped[reason] = pool->last_stat.dropped[reason] =
			larger_of(stat->dropped[reason], pool->last_stat.dropped[reason]);
	stat->offered = pool->last_stat.offered =
		larger_of(larger_of(stat->offered, pool->last_stat.offered), out);
	stat->in_flight = stat->offered - out;
}

void leat_pool_read_stat(struct leat_node *node, struct leat_pool_stat *stat)
{
	struct leat_pool *pool = leat_container_of(node, struct leat_pool, node);
	int64_t now_ns = leat_now_ns();

	memset(stat, 0, sizeof(*stat));
	stat->id = node->id;
	memcpy(stat->name, pool->name, sizeof(stat->name));
	stat->workers = pool->workers_count;
	stat->began_ns = pool->began_ns;
	leat_mutex_lock(&pool->stat_lock);
	for (unsigned i = 0; i < pool->workers_count; i++)
		add_worker_times(&pool->workers[i], stat, now_ns);
	leat_mutex_lock(&users_lock);
	for (unsigned i = 0; i < pool->workers_count; i++)
		read_worker_stat(&pool->workers[i], stat, now_ns);
	stat->generators = leat_load_rlx(&pool->held); /* rlx: a number */
	read_users_stat(pool, stat);
	raise_totals(pool, stat);
	end_deferred_users(pool);
	leat_mutex_unlock(&users_lock);
	leat_mutex_unlock(&pool->stat_lock);
}

/* Caller holds users_lock. 0: no user names the pool any more. -EBUSY: jobs are left on it. */
static int dismiss_users(struct leat_pool *pool)
{
	struct leat_pool_user *user;

	if (leat_load_acq(&pool->held) > 0) /* P2: pairs with leat_pool_let_go() */
		return -EBUSY;
	for (user = pool->users.next; user != &pool->users; user = user->next)
		if (user->busy(user))
			return -EBUSY;
	while ((user = pool->users.next) != &pool->users) {
		leat_pool_unlist_unstarted(pool, user); /* before another pool can have it */
		user->forget_pool(user);
		unlink_user(user);
	}
	return 0;
}

int leat_pool_dismiss_users(struct leat_pool *pool)
{
	int rc;

	leat_mutex_lock(&users_lock);
	rc = dismiss_users(pool);
	leat_mutex_unlock(&users_lock);
	return rc;
}

void leat_pool_add_user(struct leat_pool *pool, struct leat_pool_user *user)
{
	leat_mutex_lock(&users_lock);
	user->next = &pool->users;
	user->prev = pool->users.prev;
	user->prev->next = pool->users.prev = user;
	user->pool = pool;
	leat_mutex_unlock(&users_lock);
}

void leat_pool_remove_user(struct leat_pool_user *user)
{
	struct leat_pool *pool;
	bool now;

	leat_mutex_lock(&users_lock);
	pool = user->pool;
	user->removed = true;
	if (pool != NULL)
		leat_pool_unlist_unstarted(pool, user);
	if (pool != NULL && pool->reading_stat) {
		user->deferred = true;
		user->deferred_next = pool->deferred;
		pool->deferred = user;
	} else if (pool != NULL) {
		end_user(pool, user);
	}
	now = may_free(user);
	leat_mutex_unlock(&users_lock);
	if (now)
		user->free(user);
}
