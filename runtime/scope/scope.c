/*
 * Scopes: the tree, its causes, its cancels. scope.h says where a cause goes.
 *
 *     S1  the canceller writes code and text,  ->  S1  leat_scope_cause() loads cause: code and
 *         then stores cause                            text are written
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "runtime/registry/registry.h"
#include "runtime/scope/hook.h"
#include "runtime/scope/tree.h"

/* Caller holds the tree's lock. */
static void unlink_child(struct leat_scope *scope)
{
	if (scope->newer != NULL)
		scope->newer->older = scope->older;
	else
		scope->parent->children = scope->older;
	if (scope->older != NULL)
		scope->older->newer = scope->newer;
}

void leat_scope_let_go(struct leat_scope *scope)
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
		leat_scope_destroy(scope);
	}
}

/* Caller holds the tree's lock. */
static void keep_cause(struct leat_scope *scope, enum leat_cause cause, int code, const char *text)
{
	scope->code = code;
	leat_text_copy(scope->text, text);
	/* S1: code, text before cause; pairs with leat_scope_cause() */
	leat_store_rel(&scope->cause, cause);
}

/*
 * Caller holds the tree's lock. The cause is kept before any hook is called: a thread that finds
 * its channel cancelled finds the cause, too. A failure that spared one hook has called the others;
 * a later cancel calls all of them again.
 */
static void cancel_scope(struct leat_scope *scope, enum leat_cause cause, int code,
                         const char *text, const struct leat_scope_hook *except, const void *spared)
{
	struct leat_scope_hook *hook, *next;

	if (!is_cancelled(scope))
		keep_cause(scope, cause, code, text);
	for (hook = scope->hooks.next; hook != &scope->hooks; hook = next) {
		next = hook->next;
		if (hook != except)
			hook->cancel(hook, NULL);
		else if (spared != NULL)
			hook->cancel(hook, spared);
	}
}

void leat_scope_cancel_tree(struct leat_scope *top, enum leat_cause cause, int code,
                            const char *text, const struct leat_scope_hook *except,
                            const void *spared)
{
	struct leat_scope *scope, *next;

	for (scope = top; scope != NULL; scope = next) {
		bool descend = !scope->swept;

		if (descend) {
			cancel_scope(scope, cause, code, text, except, spared);
			scope->swept = scope != top || except == NULL;
		}
		next = next_below(top, scope, descend);
	}
}

void leat_scope_count_later(struct leat_scope *scope, int code)
{
	if (!is_cancelled(scope))
		return;
	if (scope->later_code == 0)
		scope->later_code = code;
	leat_registry_count_later();
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
	/* rlx: the tree's lock is held; it orders what the stopper wrote */
	leat_store_rlx(&scope->stopped_by, leat_load_rlx(&parent->stopped_by));
	if (is_cancelled(parent)) {
		/* rlx: the tree's lock is held */
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
	char name[LEAT_NAME_MAX + 1];
	struct leat_scope *scope;
	int rc;

	if (abi != leat_detail_abi(*opts))
		return leat_open_failed(-ELIBBAD);
	if (opts == NULL)
		opts = &defaults;
	if (!leat_words_unused(opts->reserved, sizeof(opts->reserved) / sizeof(opts->reserved[0])))
		return leat_open_failed(-EINVAL);
	scope = leat_scope_create(opts->name);
	if (scope == NULL)
		return leat_open_failed(leat_name_copy(name, opts->name) ? -ENOMEM : -EINVAL);
	scope->refs = 1;
	scope->hooks.next = scope->hooks.prev = &scope->hooks;
	scope->root = scope;
	if (parent != NULL) {
		link_below(scope, parent);
	} else {
		leat_mutex_init(&scope->lock);
		leat_cond_init(&scope->changed);
	}
	rc = leat_scope_set_deadline(scope, opts->deadline_ns);
	if (rc < 0) {
		leat_scope_let_go(scope);
		return leat_open_failed(rc);
	}
	return scope;
}

/* For a caller that takes the address, or from another language: its layout is not checked. */
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
	leat_hooks_cancel_begin(scope);
	leat_scope_count_later(scope, code);
	leat_scope_cancel_tree(scope, code == 0 ? LEAT_CANCELED : LEAT_FAILED, code, text, NULL,
	                       NULL);
	leat_hooks_cancel_end(scope);
}

void leat_scope_fail(struct leat_scope *scope, int code, const char *text,
                     struct leat_scope_hook *except, const void *spared)
{
	lock_tree(scope);
	if (is_cancelled(scope))
		/* a second failure must not cut off the data that the first one spared */
		leat_scope_count_later(scope, code);
	else
		leat_scope_cancel_tree(scope, LEAT_FAILED, code, text, except, spared);
	unlock_tree(scope);
}

void leat_scope_settle(struct leat_scope *scope)
{
	lock_tree(scope);
	unlock_tree(scope);
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
	if (!is_cancelled(scope)) {
		rc = 0;
		scope->refs++;
		hook->next = &scope->hooks;
		hook->prev = scope->hooks.prev;
		hook->prev->next = scope->hooks.prev = hook;
		/* rlx: the tree's lock is held */
		if (leat_load_rlx(&scope->stopped_by) != NULL && hook->stop != NULL)
			hook->stop(hook);
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
	leat_scope_let_go(scope);
}
