/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generator runs beside its consumer. The consumer receives what it wants and closes its
 * receiver. Then the generator's next send fails, the generator returns, and nothing is left
 * behind.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

static int squares(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t n = 0; rc == 0; n++)
		rc = leat_send(out, &(uint64_t){ n * n });
	return rc; /* -EPIPE: the receiver is closed. The ordinary way out, not a failure */
}

int main(void)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx;

	if (scope == NULL || leat_gen(scope, squares, NULL, sizeof(uint64_t), NULL, &rx) < 0)
		return 1;
	leat_for(uint64_t, square, rx) {
		printf("%" PRIu64 "\n", square);
		if (square > 50)
			break;
	}
	leat_rx_close(rx);
	return leat_scope_close(scope) < 0;
}
