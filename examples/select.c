/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waits for two streams at once until both have ended. Orders are received before ticks. A deadline
 * ends the wait if neither comes.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

struct tick {
	uint64_t n;
	double price;
};

static int ticks(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t n = 0; n < 1000 && rc == 0; n++)
		rc = leat_send(out, &(struct tick){ n, 100 + (double)(n % 7) });
	return rc;
}

static int orders(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t n = 0; n < 10 && rc == 0; n++)
		rc = leat_send(out, &n);
	return rc;
}

int main(void)
{
	enum { ORDERS, TICKS, CASES };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_rx *rx[CASES];
	uint64_t order, counts[CASES] = { 0 };
	struct tick tick;
	int open = CASES;

	if (scope == NULL || leat_gen(scope, orders, NULL, sizeof(order), NULL, &rx[ORDERS]) < 0 ||
	    leat_gen(scope, ticks, NULL, sizeof(tick), NULL, &rx[TICKS]) < 0)
		return 1;
	struct leat_case cases[CASES] = {
		[ORDERS] = LEAT_CASE_RECV(rx[ORDERS], &order),
		[TICKS] = LEAT_CASE_RECV(rx[TICKS], &tick),
	};
	while (open > 0) {
		int which = leat_select(cases, CASES, leat_now_ns() + 1000000000, LEAT_BY_PRIORITY);

		if (which < 0) {
			fprintf(stderr, "nothing for a second (%d)\n", which);
			return 1;
		}
		if (cases[which].answer == 1) {
			counts[which]++;
		} else {
			cases[which].rx = NULL; /* this stream has ended: switch its case off */
			open--;
		}
	}
	printf("%" PRIu64 " orders, %" PRIu64 " ticks\n", counts[ORDERS], counts[TICKS]);
	for (int i = 0; i < CASES; i++)
		leat_rx_close(rx[i]);
	return leat_scope_close(scope);
}
