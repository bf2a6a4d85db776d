/*
 * Scopes: the tree, its causes, its joins.
 *
 *     S1  a first cause is kept, then told  ->  S1  leat_scope_cause() loads it: code and text are
 *                                                   there
 *     S2  a gen_set is made, then linked      ->  S2  leat_scope_find_gen_set() loads the link
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/scope/scope.h"
#include "runtime/event/event.h"
#include "runtime/registry/registry.h"
#include "runtime/scope/timer.h"

#include <leat/atomic.h>

#include <string.h>

struct leat_scope {
	struct leat_scope *root, *parent;
	struct leat_scope *children;      /* the last opened */
	struct leat_scope *older, *newer; /* its siblings */
	struct leat_scope_hook hooks;     /* the ends of a ring */
	struct leat_timer timer;
	/* whose deadline is the nearest: this scope or one above; constant */
	struct leat_scope *deadline_owner;
	bool has_timer, expired;
	/* a cancel reached all hooks here and below; none can come after it */
	bool swept;
	unsigned refs;
	/* generators of this scope and below, until joined */
	size_t live;
	uint32_t cause;        /* enum leat_cause; published by S1 */
	uint64_t gen_sets;     /* struct leat_gen_set *; published by S2 */
	size_t gen_sets_below; /* generator sets of this scope and below */
	int code, later_code;
	char text[LEAT_TEXT_MAX + 1], name[LEAT_NAME_MAX + 1];

	/* The root's: for the whole tree. */
	struct leat_mutex lock;
	struct leat_cond changed;
	struct leat_ended *ended;
	uint32_t joiners; /* joins that wait; read under a gen_set's lock */
};

LEAT_TLS struct leat_scope *leat_scope_current;
/* of a generator's thread that has told of its end; only compared */
static LEAT_TLS struct leat_ended *own_end;

static void lock_tree(const struct leat_scope *scope)
{
	leat_mutex_lock(&scope->root->lock);
}

static void unlock_tree(const struct leat_scope *scope)
{
	leat_mutex_unlock(&scope->root->lock);
}

static bool cancelled(const struct leat_scope *scope)
{
	return leat_load_rlx(&scope->cause) != LEAT_RUNNING; /* rlx: under the tree's lock */
}

/* Under the lock. */
static void unlink_child(struct leat_scope *scope)
{
	if (scope->newer != NULL)
		scope->newer->older = scope->older;
	else
		scope->parent->children = scope->older;
	if (scope->older != NULL)
		scope->older->newer = scope->newer;
}

/* Lets go of a scope and of those above it that nobody else holds. Takes the tree's lock. */
static void put(struct leat_scope *scope)
{
	struct leat_scope *root = scope->root, *gone = NULL;

	leat_mutex_lock(&root->lock);
	while (scope != NULL && --scope->refs == 0) {
		struct leat_scope *parent = scope->parent;

		if (parent != NULL)
			unlink_child(scope);
		scope->older = gone;
		gone = scope;
		scope = parent;
	}
	leat_mutex_unlock(&root->lock);
	while ((scope = gone) != NULL) {
		gone = scope->older;
		if (scope->root == scope)
			leat_cond_fini(&scope->changed);
		leat_os_free(scope);
	}
}

/* Under the lock. */
static void keep_cause(struct leat_scope *scope, enum leat_cause cause, int code, const char *text)
{
	scope->code = code;
	leat_text_copy(scope->text, text);
	/* S1: code, text before cause; pairs with leat_scope_cause() */
	leat_store_rel(&scope->cause, cause);
}

/*
 * Under the lock. Hooks that were called before, by a failure that left one alone, are called
 * again.
 */
static void cancel_one(struct leat_scope *scope, enum leat_cause cause, int code, const char *text,
                       const struct leat_scope_hook *except, const void *spared)
{
	struct leat_scope_hook *hook, *next;

	if (!cancelled(scope))
		keep_cause(scope, cause, code, text);
	for (hook = scope->hooks.next; hook != &scope->hooks; hook = next) {
		next = hook->next;
		if (hook != except)
			hook->cancel(hook, NULL);
		else if (spared != NULL)
			hook->cancel(hook, spared);
	}
}

/*
 * The next scope of the tree below top, and below scope itself only where that is wanted; NULL at
 * the end.
 */
static struct leat_scope *next_below(const struct leat_scope *top, struct leat_scope *scope,
                                     bool descend)
{
	if (descend && scope->children != NULL)
		return scope->children;
	while (scope != top && scope->older == NULL)
		scope = scope->parent;
	return scope == top ? NULL : scope->older;
}

/*
 * Under the lock: this scope and everything below it. First causes stay. What is swept has nothing
 * left to cancel, so that a tree is walked twice at the most, however deep it is and in whatever
 * order it is closed. Only a hook of this very scope may be left alone.
 */
static void cancel_tree(struct leat_scope *top, enum leat_cause cause, int code, const char *text,
                        const struct leat_scope_hook *except, const void *spared)
{
	struct leat_scope *scope, *next;

	for (scope = top; scope != NULL; scope = next) {
		bool descend = !scope->swept;

		if (descend) {
			cancel_one(scope, cause, code, text, except, spared);
			scope->swept = scope != top || except == NULL;
		}
		next = next_below(top, scope, descend);
	}
}

static void count_later(struct leat_scope *scope, int code)
{
	if (!cancelled(scope))
		return;
	if (scope->later_code == 0)
		scope->later_code = code;
	leat_registry_count_later();
}

static void fire(struct leat_timer *timer)
{
	struct leat_scope *scope = (void *)((char *)timer - offsetof(struct leat_scope, timer));

	leat_scope_expire(scope);
}

/* The deadline's part of an open: the nearest deadline, and a timer for one of this scope's own. */
static int set_deadline(struct leat_scope *scope, int64_t deadline_ns)
{
	struct leat_scope *parent = scope->parent;

	scope->timer.due.due_ns = deadline_ns != 0 ? deadline_ns : LEAT_NEVER;
	scope->timer.fire = fire;
	scope->deadline_owner = scope;
	if (parent != NULL && leat_scope_deadline(parent) <= scope->timer.due.due_ns)
		scope->deadline_owner = parent->deadline_owner;
	if (scope->timer.due.due_ns == LEAT_NEVER)
		return 0;
	if (scope->timer.due.due_ns <= leat_now_ns()) {
		leat_scope_expire(scope);
		return 0;
	}
	if (leat_timer_add(&scope->timer) < 0)
		return -EAGAIN;
	scope->has_timer = true;
	return 0;
}

static void link_below(struct leat_scope *scope, struct leat_scope *parent)
{
	scope->parent = parent;
	scope->root = parent->root;
	lock_tree(parent);
	parent->refs++;
	scope->older = parent->children;
	if (scope->older != NULL)
		scope->older->newer = scope;
	parent->children = scope;
	if (cancelled(parent)) {
		/* rlx: locked */
		keep_cause(scope, (enum leat_cause)leat_load_rlx(&parent->cause), parent->code,
		           parent->text);
		scope->swept = true;
	}
	unlock_tree(parent);
}

struct leat_scope *leat_detail_scope_open(unsigned abi, struct leat_scope *parent,
                                          const struct leat_scope_opts *opts)
{
	static const struct leat_scope_opts defaults;
	struct leat_scope *scope;

	if (abi != leat_detail_abi(*opts))
		return NULL;
	if (opts == NULL)
		opts = &defaults;
	if (!leat_words_unused(opts->reserved, sizeof(opts->reserved) / sizeof(opts->reserved[0])))
		return NULL;
	scope = leat_os_alloc(sizeof(*scope), 0);
	if (scope == NULL)
		return NULL;
	if (!leat_name_copy(scope->name, opts->name)) {
		leat_os_free(scope);
		return NULL;
	}
	scope->refs = 1;
	scope->hooks.next = scope->hooks.prev = &scope->hooks;
	scope->root = scope;
	if (parent != NULL) {
		link_below(scope, parent);
	} else {
		leat_mutex_init(&scope->lock);
		leat_cond_init(&scope->changed);
	}
	if (set_deadline(scope, opts->deadline_ns) < 0) {
		put(scope);
		return NULL;
	}
	return scope;
}

/* For a caller by address or from another language, which is not checked. */
struct leat_scope *(leat_scope_open)(struct leat_scope *parent, const struct leat_scope_opts *opts)
{
	return leat_scope_open(parent, opts);
}

void leat_scope_cancel(struct leat_scope *scope, int code, const char *text)
{
	if (scope == NULL)
		leat_die("leat_scope_cancel: the scope is NULL");
	if (code > 0)
		leat_die("leat_scope_cancel: the code is %d; it must be 0 or -errno", code);
	lock_tree(scope);
	count_later(scope, code);
	cancel_tree(scope, code == 0 ? LEAT_CANCELED : LEAT_FAILED, code, text, NULL, NULL);
	unlock_tree(scope);
}

void leat_scope_fail(struct leat_scope *scope, int code, const char *text,
                     struct leat_scope_hook *except, const void *spared)
{
	lock_tree(scope);
	if (cancelled(scope))
		/* whose data is left alone by the first failure must not be cut off by a second */
		count_later(scope, code);
	else
		cancel_tree(scope, LEAT_FAILED, code, text, except, spared);
	unlock_tree(scope);
}

void leat_scope_settle(struct leat_scope *scope)
{
	lock_tree(scope);
	unlock_tree(scope);
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
		count_later(owner, 0);
		cancel_tree(owner, LEAT_DEADLINE, -ETIMEDOUT, "deadline passed", NULL, NULL);
	}
	unlock_tree(owner);
}

enum leat_cause leat_scope_cause(const struct leat_scope *scope, int *code, const char **text)
{
	enum leat_cause cause;

	if (scope == NULL)
		leat_die("leat_scope_cause: the scope is NULL");
	/* S1: pairs with the store in keep_cause() */
	cause = (enum leat_cause)leat_load_acq(&scope->cause);
	if (code != NULL)
		*code = cause == LEAT_RUNNING ? 0 : scope->code;
	if (text != NULL)
		*text = cause == LEAT_RUNNING ? "" : scope->text;
	return cause;
}

int leat_scope_attach(struct leat_scope *scope, struct leat_scope_hook *hook)
{
	int rc = -ECANCELED;

	lock_tree(scope);
	if (!cancelled(scope)) {
		rc = 0;
		scope->refs++;
		hook->next = &scope->hooks;
		hook->prev = scope->hooks.prev;
		hook->prev->next = scope->hooks.prev = hook;
	}
	unlock_tree(scope);
	return rc;
}

void leat_scope_detach(struct leat_scope *scope, struct leat_scope_hook *hook)
{
	lock_tree(scope);
	hook->prev->next = hook->next;
	hook->next->prev = hook->prev;
	unlock_tree(scope);
	put(scope);
}

/* Under the lock. */
static void count_live(struct leat_scope *scope, size_t by)
{
	for (; scope != NULL; scope = scope->parent)
		scope->live += by;
}

int leat_scope_begin(struct leat_scope *scope)
{
	int rc = -ECANCELED;

	lock_tree(scope);
	if (!cancelled(scope)) {
		rc = 0;
		scope->refs++;
		count_live(scope, 1);
	}
	unlock_tree(scope);
	return rc;
}

void leat_scope_end(struct leat_scope *scope)
{
	lock_tree(scope);
	count_live(scope, (size_t)-1);
	leat_cond_broadcast(&scope->root->changed);
	unlock_tree(scope);
	put(scope);
}

void leat_scope_exit(struct leat_ended *ended)
{
	struct leat_scope *root = ended->scope->root;

	own_end = ended;
	leat_mutex_lock(&root->lock);
	ended->next = root->ended;
	root->ended = ended;
	leat_cond_broadcast(&root->changed);
	leat_mutex_unlock(&root->lock);
}

static bool is_below(const struct leat_scope *scope, const struct leat_scope *top)
{
	while (scope != NULL && scope != top)
		scope = scope->parent;
	return scope != NULL;
}

/*
 * Under the lock: the link to a thread that has ended and that the caller may join, or to NULL.
 *
 * Destructors of a thread's own values run after its generator has told of its end, and may use the
 * library. Such a thread must not join itself. Nor may it join any thread that it has no need of,
 * as that thread's destructors may wait for this one; so it joins only those of the scope that it
 * waits for.
 */
static struct leat_ended **find_ended(struct leat_scope *root, const struct leat_scope *waits_for)
{
	struct leat_ended **link = &root->ended;

	if (own_end != NULL)
		while (*link != NULL && (*link == own_end || !is_below((*link)->scope, waits_for)))
			link = &(*link)->next;
	return link;
}

/*
 * Under the lock, which it lets go of meanwhile: joins one thread that has ended. False if there is
 * none to join.
 */
static bool reap_one(struct leat_scope *root, const struct leat_scope *waits_for)
{
	struct leat_ended **link = find_ended(root, waits_for), *ended = *link;

	if (ended == NULL)
		return false;
	*link = ended->next;
	leat_mutex_unlock(&root->lock);
	leat_thread_join(&ended->thread);
	leat_scope_end(ended->scope);
	leat_os_free(ended);
	leat_mutex_lock(&root->lock);
	return true;
}

void leat_scope_reap(struct leat_scope *scope)
{
	if (own_end != NULL)
		return; /* the joins of others do it */
	lock_tree(scope);
	while (reap_one(scope->root, scope->root))
		;
	unlock_tree(scope);
}

/* A link to a gen_set, and back. */
static struct leat_gen_set *gen_set_of(uint64_t link)
{
	return (struct leat_gen_set *)(uintptr_t)link;
}

struct leat_gen_set *leat_scope_find_gen_set(const struct leat_scope *scope, const void *key)
{
	/* S2: pairs with leat_scope_add_gen_set() */
	struct leat_gen_set *gen_set = gen_set_of(leat_load_acq(&scope->gen_sets));

	/* rlx: whose key it is knows what became of it */
	while (gen_set != NULL && leat_load_rlx(&gen_set->key) != (uintptr_t)key)
		gen_set = gen_set_of(gen_set->next);
	return gen_set;
}

/* Under the lock. */
static void count_gen_sets(struct leat_scope *scope, size_t by)
{
	for (; scope != NULL; scope = scope->parent)
		scope->gen_sets_below += by;
}

int leat_scope_add_gen_set(struct leat_scope *scope, struct leat_gen_set *gen_set)
{
	const void *key;
	int rc;

	leat_spin_init(&gen_set->lock);
	gen_set->scope = scope;
	rc = leat_scope_attach(scope, &gen_set->hook);
	if (rc < 0)
		return rc;
	lock_tree(scope);
	key = (const void *)(uintptr_t)leat_load_rlx(&gen_set->key); /* rlx: its maker's own */
	if (leat_scope_find_gen_set(scope, key) == NULL) {
		gen_set->next = leat_load_rlx(&scope->gen_sets); /* rlx: written under the lock */
		/* S2: pairs with leat_scope_find_gen_set() */
		leat_store_rel(&scope->gen_sets, (uint64_t)(uintptr_t)gen_set);
		count_gen_sets(scope, 1);
	} else {
		rc = -EEXIST;
	}
	unlock_tree(scope);
	if (rc < 0)
		leat_scope_detach(scope, &gen_set->hook);
	return rc;
}

/* Under the tree's lock: takes the gen_set's, and keeps it if the gen_set is nobody's. */
static bool lock_unused(struct leat_gen_set *gen_set)
{
	leat_spin_lock(&gen_set->lock);
	/* rlx: under the lock */
	if (leat_load_rlx(&gen_set->key) == 0 && gen_set->live == 0 && gen_set->holds == 0)
		return true;
	leat_spin_unlock(&gen_set->lock);
	return false;
}

struct leat_gen_set *leat_scope_reuse_gen_set(struct leat_scope *scope, const void *key)
{
	struct leat_gen_set *gen_set = NULL;

	lock_tree(scope);
	if (!cancelled(scope) && leat_scope_find_gen_set(scope, key) == NULL)
		gen_set = gen_set_of(leat_load_rlx(&scope->gen_sets)); /* rlx: under the lock */
	while (gen_set != NULL && !lock_unused(gen_set))
		gen_set = gen_set_of(gen_set->next);
	if (gen_set != NULL)
		/* rlx: who finds it takes the gen_set's lock before all else */
		leat_store_rlx(&gen_set->key, (uintptr_t)key);
	unlock_tree(scope);
	return gen_set;
}

/* Under no lock: from now on the tree counts the gen_set, unless it is cancelled. */
static int count_gen_set(struct leat_gen_set *gen_set)
{
	struct leat_scope *scope = gen_set->scope;
	int rc = 0;

	lock_tree(scope);
	leat_spin_lock(&gen_set->lock);
	if (cancelled(scope)) {
		rc = -ECANCELED;
	} else if (!gen_set->counted) {
		gen_set->counted = true;
		count_live(scope, 1);
	}
	leat_spin_unlock(&gen_set->lock);
	unlock_tree(scope);
	return rc;
}

int leat_gen_set_begin(struct leat_gen_set *gen_set)
{
	int rc;

	while (!gen_set->counted && !gen_set->canceled) {
		leat_spin_unlock(&gen_set->lock);
		rc = count_gen_set(gen_set);
		leat_spin_lock(&gen_set->lock);
		if (rc < 0)
			return rc;
	}
	if (gen_set->canceled)
		return -ECANCELED;
	gen_set->live++;
	return 0;
}

/* Under the tree's lock: a gen_set of which nobody lives is not counted any more. */
static void settle_gen_set(struct leat_gen_set *gen_set)
{
	leat_spin_lock(&gen_set->lock);
	if (gen_set->live == 0 && gen_set->counted) {
		gen_set->counted = false;
		count_live(gen_set->scope, (size_t)-1);
	}
	leat_spin_unlock(&gen_set->lock);
}

static void free_gen_set(struct leat_gen_set *gen_set)
{
	struct leat_scope *scope = gen_set->scope;

	lock_tree(scope);
	count_gen_sets(scope, (size_t)-1);
	unlock_tree(scope);
	leat_scope_detach(scope, &gen_set->hook);
	gen_set->free(gen_set);
}

/* Under the gen_set's lock, which it lets go of. */
static void drop_hold(struct leat_gen_set *gen_set)
{
	bool last = --gen_set->holds == 0 && gen_set->orphan;

	leat_spin_unlock(&gen_set->lock);
	if (last)
		free_gen_set(gen_set);
}

void leat_gen_set_leave(struct leat_gen_set *gen_set, bool ended, bool held)
{
	struct leat_scope *root = gen_set->scope->root;

	/*
	 * rlx: a join that waits has counted itself before it took this lock, or takes it after
	 * this
	 */
	if (ended && --gen_set->live == 0 && leat_load_rlx(&root->joiners) > 0) {
		gen_set->holds += !held;
		leat_spin_unlock(&gen_set->lock);
		leat_mutex_lock(&root->lock);
		settle_gen_set(gen_set);
		leat_cond_broadcast(&root->changed);
		leat_mutex_unlock(&root->lock);
		held = true;
		leat_spin_lock(&gen_set->lock);
	}
	if (held)
		drop_hold(gen_set);
	else
		leat_spin_unlock(&gen_set->lock);
}

/* Under the tree's lock. */
static void settle_gen_sets(struct leat_scope *top)
{
	struct leat_scope *scope;

	for (scope = top; scope != NULL; scope = next_below(top, scope, scope->gen_sets_below > 0))
		/* rlx: under the lock */
		for (struct leat_gen_set *gen_set = gen_set_of(leat_load_rlx(&scope->gen_sets));
		     gen_set != NULL; gen_set = gen_set_of(gen_set->next))
			settle_gen_set(gen_set);
}

/*
 * The scope is closed, and nobody lives in it: its gen_sets live on as long as they are held, and
 * are not found any more by who walks the tree, in which the scope may stay longer than they do.
 */
static void orphan_gen_sets(struct leat_scope *scope)
{
	struct leat_gen_set *gen_set, *next;

	lock_tree(scope);
	gen_set = gen_set_of(leat_load_rlx(&scope->gen_sets)); /* rlx: under the lock */
	leat_store_rlx(&scope->gen_sets, 0);                   /* rlx: the same */
	unlock_tree(scope);
	for (; gen_set != NULL; gen_set = next) {
		next = gen_set_of(gen_set->next);
		leat_spin_lock(&gen_set->lock);
		gen_set->orphan = true;
		gen_set->holds++;
		drop_hold(gen_set);
	}
}

/* Whether the calling thread is a generator that a join of scope would wait for. */
static bool inside(const struct leat_scope *scope)
{
	for (const struct leat_scope *s = leat_scope_current; s != NULL; s = s->parent)
		if (s == scope)
			return true;
	return false;
}

/* Under the lock. */
static int result(const struct leat_scope *scope)
{
	return scope->code != 0 ? scope->code : scope->later_code;
}

/*
 * Under the lock. Crowds that are empty already are found here; those that become so see the
 * joiner.
 */
static void wait_for_all(struct leat_scope *scope)
{
	struct leat_scope *root = scope->root;

	/* rlx: before the gen_sets' locks are taken */
	leat_store_rlx(&root->joiners, leat_load_rlx(&root->joiners) + 1);
	settle_gen_sets(scope);
	while (scope->live > 0)
		if (!reap_one(root, scope))
			leat_cond_wait(&root->changed, &root->lock);
	/* rlx: a leaver that still sees it broadcasts in vain */
	leat_store_rlx(&root->joiners, leat_load_rlx(&root->joiners) - 1);
}

/* From inside what would be waited for, and in a step where there is anything to wait for. */
static bool must_not_join(struct leat_scope *scope)
{
	bool would_wait = false;

	if (leat_must_not_wait > 0) {
		lock_tree(scope);
		settle_gen_sets(scope);
		would_wait = scope->live > 0;
		unlock_tree(scope);
	}
	return would_wait || inside(scope);
}

int leat_scope_join(struct leat_scope *scope)
{
	int rc;

	if (scope == NULL)
		return -EINVAL;
	if (must_not_join(scope))
		return -EDEADLK;
	lock_tree(scope);
	if (scope->live > 0)
		wait_for_all(scope);
	rc = result(scope);
	unlock_tree(scope);
	return rc;
}

int leat_scope_close(struct leat_scope *scope)
{
	int rc;

	if (scope == NULL)
		return 0;
	if (must_not_join(scope))
		return -EDEADLK;
	lock_tree(scope);
	cancel_tree(scope, LEAT_CANCELED, 0, "scope closed", NULL, NULL);
	unlock_tree(scope);
	rc = leat_scope_join(scope);
	if (scope->has_timer)
		leat_timer_remove(&scope->timer);
	orphan_gen_sets(scope);
	put(scope);
	return rc;
}
