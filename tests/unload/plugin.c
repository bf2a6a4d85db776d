/*
 * tests/unload/plugin.c: what host.c loads: it receives what a generator on a pool sends.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/leat.h>

int plugin_use(void);

static int next(void *state, void *item)
{
	uint64_t *n = state;

	if (*n == 1000)
		return 0;
	*(uint64_t *)item = ++*n;
	return 1;
}

/* Returns 0 if the sum of what it received is right. */
int plugin_use(void)
{
	struct leat_pool *pool = leat_pool_open(NULL);
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx;
	uint64_t n = 0, sum = 0;
	int failed;

	if (pool == NULL || scope == NULL ||
	    leat_gen_seq(scope,
	                 (struct leat_seq){ .next = next, .state = &n, .item_size = sizeof(n) },
	                 &(struct leat_gen_opts){ .pool = pool }, &rx) != 0)
		return -1;
	leat_for(uint64_t, item, rx)
		sum += item;
	leat_rx_close(rx);
	failed = leat_scope_close(scope);
	return failed | leat_pool_close(pool) | (sum != 500500);
}
