/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/scope/tree.h"
#include "testkit/testkit.h"

/* In front of each scope. The union keeps the scope's alignment. */
union entry {
	struct {
		union entry *next, **link;
		uint64_t number;
	};
	char room[64];
};

static struct leat_mutex lock = LEAT_MUTEX_INIT; /* guards the list */
static union entry *entries;
static uint64_t last_number;

struct leat_scope *leat_scope_create(const char *name)
{
	union entry *entry = leat_os_alloc(sizeof(*entry) + sizeof(struct leat_scope), 64);
	struct leat_scope *scope;

	if (entry == NULL)
		return NULL;
	scope = (struct leat_scope *)(void *)(entry + 1);
	if (!leat_name_copy(scope->name, name)) {
		leat_os_free(entry);
		return NULL;
	}
	leat_mutex_lock(&lock);
	entry->number = ++last_number;
	entry->next = entries;
	entry->link = &entries;
	if (entries != NULL)
		entries->link = &entry->next;
	entries = entry;
	leat_mutex_unlock(&lock);
	return scope;
}

void leat_scope_destroy(struct leat_scope *scope)
{
	union entry *entry = (union entry *)(void *)scope - 1;

	leat_mutex_lock(&lock);
	*entry->link = entry->next;
	if (entry->next != NULL)
		entry->next->link = entry->link;
	leat_mutex_unlock(&lock);
	leat_os_free(entry);
}

uint64_t leat_kit_last_scope(void)
{
	uint64_t last;

	leat_mutex_lock(&lock);
	last = last_number;
	leat_mutex_unlock(&lock);
	return last;
}

void leat_kit_walk_scopes(uint64_t last, void (*fn)(void *arg, const char *name), void *arg)
{
	leat_mutex_lock(&lock);
	/* the last that was opened is first */
	for (union entry *entry = entries; entry != NULL && entry->number > last;
	     entry = entry->next)
		fn(arg, ((struct leat_scope *)(void *)(entry + 1))->name);
	leat_mutex_unlock(&lock);
}
