/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Built against the installed library: a generator that would never end, of which ten items are
 * taken.
 */
#include <leat/leat.h>

static int count(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t n = 1; rc == 0; n++)
		rc = leat_send(out, &n);
	return rc;
}

int main(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx;
	uint64_t sum = 0;

	if (scope == NULL || leat_gen(scope, count, NULL, sizeof(uint64_t), NULL, &rx) != 0)
		return 1;
	leat_for(uint64_t, n, rx) {
		sum += n;
		if (n == 10)
			break;
	}
	leat_rx_close(rx);
	return leat_scope_close(scope) == 0 && sum == 55 ? 0 : 1;
}
