/* SPDX-License-Identifier: BSD-2-Clause */
#include "runtime/scope/tree.h"

struct leat_scope *leat_scope_create(const char *name)
{
	struct leat_scope *scope = leat_os_alloc(sizeof(*scope), 0);

	if (scope != NULL && !leat_name_copy(scope->name, name)) {
		leat_os_free(scope);
		return NULL;
	}
	return scope;
}

void leat_scope_destroy(struct leat_scope *scope)
{
	leat_os_free(scope);
}
