/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How large a buffer must be: the same bursty feed through channels of several capacities. A burst
 * of 64 items comes at once, and the consumer works them off until the next burst. The smallest
 * channel in which the feed never waits is large enough: a larger one takes memory and gives
 * nothing.
 *
 * Here one thread is both sides, so the figures are the same on each machine. A program that runs
 * reads `peak` and `send_blocked_ns` of each channel in a snapshot (leat/diag.h).
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

enum { BURSTS = 20, BURST = 64, DONE_MEANWHILE = 16 };

struct figures {
	uint64_t most; /* items that were in the channel at once */
	uint64_t full; /* sends that found no room */
};

/* The consumer takes up to n items. */
static void work_off(struct leat_rx *rx, unsigned n)
{
	uint64_t item;

	while (n-- > 0 && leat_try_recv(rx, &item) == 1)
		;
}

static int run(size_t capacity, struct figures *figures)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_chan_opts opts = { .name = "feed", .capacity = capacity };
	struct leat_tx *tx;
	struct leat_rx *rx;

	if (scope == NULL || leat_chan_open(scope, sizeof(uint64_t), &opts, &tx, &rx) < 0)
		return -1;
	for (uint64_t n = 0; n < BURSTS * BURST; n++) {
		if (n % BURST == 0)
			work_off(rx, BURST); /* between two bursts */
		if (n % (BURST / DONE_MEANWHILE) == 0)
			work_off(rx, 1); /* and the consumer is not idle during a burst */
		while (leat_try_send(tx, &n) == -EAGAIN) {
			figures->full++;
			work_off(rx, 1);
		}
		if (leat_rx_pending(rx) > figures->most)
			figures->most = leat_rx_pending(rx);
	}
	leat_tx_close(tx);
	leat_rx_close(rx);
	return leat_scope_close(scope);
}

int main(void)
{
	static const size_t capacities[] = { 8, 16, 32, 48, 64, 256 };
	size_t enough = 0;

	printf("capacity   most inside   sends that found it full\n");
	for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
		struct figures figures = { 0 };

		if (run(capacities[i], &figures) < 0)
			return 1;
		printf("%8zu %13" PRIu64 " %26" PRIu64 "\n", capacities[i], figures.most,
		       figures.full);
		if (figures.full == 0 && enough == 0)
			enough = capacities[i];
	}
	printf("%zu are enough\n", enough);
	return enough == 64 ? 0 : 1;
}
