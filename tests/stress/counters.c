/*
 * tests/stress/counters.c: channels of a few names, and of names of their own, are opened and
 * closed by three threads while two readers read the counters file, and no total is wrong.
 *
 *     PROGRAM [seconds]
 *
 * In each reading that is of one snapshot, the books over all channels balance, no total of a name
 * that is in use is less than in the reading before, and none is more than was sent. At the end the
 * total is what was sent, unless there were more ends than a process keeps.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "tests/census.h"

#include <inttypes.h>
#include <leat/atomic.h>
#include <leat/leat.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPENERS = 3, READERS = 2, NAMES = 4, OPEN = 24 };

static struct {
	struct leat_scope *scope;
	char path[64];
	uint32_t stop, faults;
	uint64_t sent, readings, mixed, opened;
} stress;

static void fault(const char *what, uint64_t n)
{
	if (leat_add_acqrel(&stress.faults, 1u) == 0)
		printf("FAILED: %s: %" PRIu64 "\n", what, n);
}

struct pair {
	struct leat_tx *tx;
	struct leat_rx *rx;
};

/* Opens a channel of a name that others have, too, or, one in eight, of its own; and sends. */
static void open_one(struct pair *pair, uint64_t n)
{
	char name[32];
	struct leat_chan_opts opts = { .name = name, .capacity = 4 };

	if (n % 8 == 0)
		snprintf(name, sizeof(name), "own %" PRIu64, leat_add_rlx(&stress.opened, 1));
	else
		snprintf(name, sizeof(name), "name %d", (int)(n % NAMES));
	if (leat_chan_open(stress.scope, sizeof(n), &opts, &pair->tx, &pair->rx) != 0) {
		fault("a channel is not opened", n);
		pair->tx = NULL;
		pair->rx = NULL;
		return;
	}
	for (uint64_t i = 0; i < n % 4; i++) {
		leat_add_acqrel(&stress.sent, 1);
		leat_send(pair->tx, &i);
	}
}

static void *keep_opening(void *arg)
{
	struct pair pairs[OPEN] = { { NULL, NULL } };
	uint64_t n = (uint64_t)(uintptr_t)arg;

	while (leat_load_acq(&stress.stop) == 0) {
		struct pair *pair = &pairs[n * 7 % OPEN];

		leat_tx_close(pair->tx);
		leat_rx_close(pair->rx);
		open_one(pair, n++);
		if (n % 16 == 0)
			sched_yield();
	}
	for (int i = 0; i < OPEN; i++) {
		leat_tx_close(pairs[i].tx);
		leat_rx_close(pairs[i].rx);
	}
	return NULL;
}

static uint64_t sum_of(const struct leat_counters *c, const char *name, unsigned value)
{
	const struct leat_counters_record *records;
	size_t count = leat_counters_records(c, &records);
	uint64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		if (records[i].kind == LEAT_COUNTERS_CHANNEL &&
		    (name == NULL || strcmp(records[i].name, name) == 0))
			sum += records[i].values[value];
	return sum;
}

static void check_books(const struct leat_counters *c)
{
	uint64_t sum = sum_of(c, NULL, LEAT_COUNTERS_CHAN_DELIVERED) +
	               sum_of(c, NULL, LEAT_COUNTERS_CHAN_REJECTED) +
	               sum_of(c, NULL, LEAT_COUNTERS_CHAN_IN_FLIGHT);

	for (unsigned reason = 0; reason < LEAT_DROP_REASONS; reason++)
		sum += sum_of(c, NULL, LEAT_COUNTERS_CHAN_DROPPED + reason);
	if (sum != sum_of(c, NULL, LEAT_COUNTERS_CHAN_OFFERED) &&
	    leat_counters_info(c)->untold == 0)
		fault("the books of all channels do not balance, items", sum);
}

/* last: of the reading before: of all, and of each name. */
static void check_totals(const struct leat_counters *c, uint64_t last[1 + NAMES])
{
	char name[16];

	for (int i = 0; i <= NAMES; i++) {
		uint64_t now;

		snprintf(name, sizeof(name), "name %d", i - 1);
		now = sum_of(c, i == 0 ? NULL : name, LEAT_COUNTERS_CHAN_OFFERED);
		if (now < last[i])
			fault("a total has fallen, by", last[i] - now);
		last[i] = now;
	}
	if (last[0] > leat_load_acq(&stress.sent))
		fault("more is counted than was sent", last[0]);
}

static void *keep_reading(void *arg)
{
	struct leat_counters *c = leat_counters_open(stress.path);
	uint64_t last[1 + NAMES] = { 0 };

	(void)arg;
	if (c == NULL)
		fault("the file is not opened", (uint64_t)-leat_open_error());
	while (c != NULL && leat_load_acq(&stress.stop) == 0) {
		if (leat_counters_read(c) != 0)
			fault("the file is not read", 0);
		leat_add_rlx(&stress.readings, 1);
		if (leat_counters_info(c)->mixed || leat_counters_info(c)->torn > 0) {
			leat_add_rlx(&stress.mixed, 1);
			continue;
		}
		check_books(c);
		check_totals(c, last);
	}
	leat_counters_close(c);
	return NULL;
}

/* All channels are closed: the reader waits for a snapshot that has all of their ends. */
static void check_last(void)
{
	struct leat_counters *c = leat_counters_open(stress.path);
	uint64_t snapshots = 0;
	bool first = true;

	while (c != NULL && (first || leat_counters_info(c)->snapshots < snapshots + 2 ||
	                     leat_counters_info(c)->mixed)) {
		if (leat_counters_read(c) != 0)
			fault("the last reading fails", 0);
		if (first)
			snapshots = leat_counters_info(c)->snapshots;
		first = false;
		sched_yield();
	}
	if (c == NULL)
		fault("the file is not there at the end", 0);
	else if (leat_counters_info(c)->untold == 0 &&
	         sum_of(c, NULL, LEAT_COUNTERS_CHAN_OFFERED) != stress.sent)
		fault("not all is counted that was sent", stress.sent);
	leat_counters_close(c);
}

int main(int argc, char **argv)
{
	unsigned seconds = argc > 1 ? (unsigned)atoi(argv[1]) : 3;
	pthread_t threads[OPENERS + READERS];
	struct leat_diag *diag;

	snprintf(stress.path, sizeof(stress.path), "/dev/shm/leat-stress-%d", (int)getpid());
	stress.scope = leat_scope_open(NULL, NULL);
	diag = leat_diag_start(
		&(struct leat_diag_opts){ .interval_ns = 2000000, .counters_path = stress.path });
	if (diag == NULL) {
		printf("FAILED: no counters file: %s\n", strerror(-leat_open_error()));
		return 1;
	}
	for (uintptr_t t = 0; t < OPENERS + READERS; t++)
		if (pthread_create(&threads[t], NULL, t < OPENERS ? keep_opening : keep_reading,
		                   (void *)(t * 1000)) != 0)
			abort();
	sleep(seconds); /* how long it runs */
	leat_store_rel(&stress.stop, 1);
	for (int t = 0; t < OPENERS + READERS; t++)
		pthread_join(threads[t], NULL);
	check_last();
	leat_scope_close(stress.scope);
	if (leat_diag_stop(diag) != 0)
		fault("the file was not written", 0);
	if (stress.readings - stress.mixed < 3)
		fault("readings of one snapshot are too few", stress.readings - stress.mixed);
	printf("%" PRIu64 " items, %" PRIu64 " readings, %" PRIu64 " of them mixed, %u faults\n",
	       stress.sent, stress.readings, stress.mixed, stress.faults);
	return stress.faults != 0;
}
