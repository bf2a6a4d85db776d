/*
 * tests/stress/killed.c: a process that keeps counters is killed at a random moment, most often
 * while it writes; what it leaves behind can be read, and what is read is true.
 *
 *     PROGRAM [seconds [seed]]
 *
 * In each round a child opens and closes channels, and its diagnostics thread takes one snapshot
 * after the other. The parent reads the file until it has figures, kills the child with SIGKILL,
 * and reads again, both by the reader that it has open and by a new one:
 *
 *     the process is gone; at most the head and one other structure are torn
 *     each record is one of the child's, and its books balance
 *     over all records no more is counted than was sent, and if they are of one snapshot, no less
 *     than the reading before
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "rounds.h"

#include <leat/counters.h>
#include <leat/diag.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { OPEN = 40, NAMES = 60, CAPACITY = 4, MOST_US = 4000 };

static char path[64];
static uint64_t *sent;      /* the child's, which its parent reads */
static uint64_t unfinished; /* rounds in which the child was killed while it wrote */

/* --- the child --- */

static void churn(uint64_t random)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_tx *tx[OPEN] = { NULL };
	struct leat_rx *rx[OPEN] = { NULL };
	char name[16];

	for (;;) {
		uint64_t i = below(&random, OPEN), item = i;

		if (tx[i] == NULL || below(&random, 50) == 0) {
			leat_tx_close(tx[i]);
			leat_rx_close(rx[i]);
			snprintf(name, sizeof(name), "name %d", (int)below(&random, NAMES));
			if (leat_chan_open(
				    scope, sizeof(item),
				    &(struct leat_chan_opts){ .name = name, .capacity = CAPACITY },
				    &tx[i], &rx[i]) != 0)
				_exit(1);
		}
		leat_add_acqrel(sent, 1);
		if (leat_try_send(tx[i], &item) == -EAGAIN || below(&random, 2) == 0)
			leat_try_recv(rx[i], &item);
	}
}

static void run_child(uint64_t random)
{
	struct leat_diag_opts opts = { .interval_ns = 1, .counters_path = path };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (leat_diag_start(&opts) == NULL) {
		fprintf(stderr, "killed: no counters: %s\n", strerror(-leat_open_error()));
		_exit(1);
	}
	churn(random);
}

/* --- the parent --- */

static bool balances(const struct leat_counters_record *record)
{
	const uint64_t *v = record->values;
	uint64_t sum = v[LEAT_COUNTERS_CHAN_DELIVERED] + v[LEAT_COUNTERS_CHAN_REJECTED] +
	               v[LEAT_COUNTERS_CHAN_IN_FLIGHT];

	for (unsigned reason = 0; reason < LEAT_DROP_REASONS; reason++)
		sum += v[LEAT_COUNTERS_CHAN_DROPPED + reason];
	return sum == v[LEAT_COUNTERS_CHAN_OFFERED];
}

/* Returns how many items all records together have. */
static uint64_t check_records(const struct leat_counters *c)
{
	const struct leat_counters_record *records;
	const struct leat_counters_event *events;
	size_t count = leat_counters_records(c, &records), told = leat_counters_events(c, &events);
	uint64_t offered = 0;
	unsigned name;
	char end;

	for (size_t i = 0; i < count; i++) {
		if (records[i].kind != LEAT_COUNTERS_CHANNEL ||
		    (strcmp(records[i].name, "(other names)") != 0 &&
		     (sscanf(records[i].name, "name %u%c", &name, &end) != 1 || name >= NAMES)))
			blame("a record of something else, of kind", (long)records[i].kind);
		if (!balances(&records[i]))
			blame("the books of a record do not balance:", (long)i);
		offered += records[i].values[LEAT_COUNTERS_CHAN_OFFERED];
	}
	for (size_t i = 1; i < told; i++)
		if (events[i].number <= events[i - 1].number)
			blame("events are in no order:", (long)events[i].number);
	return offered;
}

/* The child is gone. before: what an earlier reading had. */
static void check_rest(struct leat_counters *c, uint64_t before)
{
	const struct leat_counters_process *info = leat_counters_info(c);
	uint64_t offered;

	if (leat_counters_read(c) != 0) {
		blame("what is left cannot be read", 0);
		return;
	}
	offered = check_records(c);
	if (info->state != LEAT_COUNTERS_GONE)
		blame("it is not gone, but", (long)info->state);
	if (info->torn > 2 || info->truncated)
		blame("torn or cut off:", (long)info->torn);
	if (info->torn == 0 && !info->mixed && offered < before)
		blame("a total has fallen, by", (long)(before - offered));
	if (!info->mixed && offered > leat_load_acq(sent))
		blame("more is counted than was sent, by", (long)(offered - *sent));
}

/* Reads until there are figures. Returns the items of a reading of one snapshot, or 0. */
static uint64_t read_figures(struct leat_counters **c, pid_t child)
{
	uint64_t offered = 0;

	while (offered == 0) {
		if (waitpid(child, NULL, WNOHANG) != 0) {
			blame("the child has ended by itself", 0);
			return 0;
		}
		if (*c == NULL)
			*c = leat_counters_open(path);
		if (*c == NULL) {
			sched_yield();
			continue;
		}
		if (leat_counters_read(*c) != 0)
			blame("the file cannot be read", 0);
		if (!leat_counters_info(*c)->mixed && leat_counters_info(*c)->torn == 0)
			offered = check_records(*c);
	}
	return offered;
}

static uint64_t kill_one(uint64_t *random)
{
	const uint64_t seed = stress_random(random), pause_us = below(random, MOST_US);
	struct leat_counters *c = NULL, *anew;
	uint64_t before;
	pid_t child;

	*sent = 0;
	child = fork();
	if (child == 0)
		run_child(seed);
	before = read_figures(&c, child);
	usleep((useconds_t)pause_us); /* a random moment */
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	anew = leat_counters_open(path);
	if (c == NULL || anew == NULL) {
		blame("the file is not there", 0);
		return 0;
	}
	check_rest(c, before);
	check_rest(anew, before);
	unfinished += leat_counters_info(anew)->mixed || leat_counters_info(anew)->torn > 0;
	leat_counters_close(c);
	leat_counters_close(anew);
	remove(path);
	return 1;
}

int main(int argc, char **argv)
{
	int rc;

	snprintf(path, sizeof(path), "/dev/shm/leat-killed-%d", (int)getpid());
	sent = mmap(NULL, sizeof(*sent), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sent == MAP_FAILED)
		return 1;
	rc = rounds_main("killed", kill_one, "processes killed", argc, argv);
	printf("killed: %" PRIu64 " of them while they wrote\n", unfinished);
	if (rc == 0 && rounds.number >= 50 && unfinished == 0) {
		printf("killed: FAILED: no process was killed while it wrote\n");
		rc = 1;
	}
	return rc;
}
