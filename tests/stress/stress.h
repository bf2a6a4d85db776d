/*
 * tests/stress/stress.h: the harness of the stress programs. Each program says what may happen
 * (kinds, calls, endings) and calls stress_main(). The harness draws everything else at random,
 * round after round, until the time is over.
 *
 *     PROGRAM [seconds [seed]]
 *
 * A round opens a channel, starts senders and receivers on threads of their own, more of them than
 * there are cores, and ends the channel in one of the allowed ways, at a random moment. Then it
 * checks the ledger:
 *
 *     each item that a send accepted was received or discarded, exactly once; no other was
 *     each receiver saw the items of each sender in their order; a batch or a run is whole
 *     every byte of an item is what its sender wrote
 *     if the channel drops nothing, and no receiver left early, each sent item was received, also
 *     where one sender closes the stream for all (leat_tx_close_all())
 *     nothing is left behind: threads, descriptors, channels, memory (tests/census.h)
 *
 * A round that fails, or hangs, prints the seed and the round, and the program exits with 1.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_STRESS_H
#define LEAT_STRESS_H

#include "tests/census.h"

#include <inttypes.h>
#include <leat/atomic.h>
#include <leat/chan.h>
#include <leat/scope.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum stress_calls { COPY = 1, BATCH = 2, ZERO_COPY = 4, TRY = 8, UNTIL = 16, CLONE = 32 };
enum stress_ending {
	DRAIN = 1,
	RECEIVERS_LEAVE = 2,
	CANCEL = 4,
	DEADLINE = 8,
	SCOPE_CLOSE = 16,
	SENDERS_LEAVE = 32,
	CLOSE_ALL = 64 /* the first sender leaves, and closes the stream for all */
};
#define KIND(kind) (1u << (kind))
#define OVERFLOW(overflow) (1u << (overflow))

struct stress {
	const char *name;
	unsigned kinds, overflows, calls, endings;
};

#define SENDERS_MAX 4
#define RECEIVERS_MAX 4
#define PER_SENDER 4000
#define ITEMS (SENDERS_MAX * PER_SENDER)
#define ITEM_MAX 256
#define BATCH_MAX 16

struct stress_round {
	const struct stress *stress;
	uint64_t seed, number;
	struct leat_chan_opts opts;
	size_t item_size;
	unsigned ending;
	int senders_count, receivers_count;
	uint32_t accepted[ITEMS], received[ITEMS], discarded[ITEMS];
	uint32_t accepted_count, faults;
	/*
	 * when senders stop: threads that spin, if there are more than cores, need a time slice for
	 * each item
	 */
	int64_t enough_ns;
	char fault[200];
};

struct stress_side {
	pthread_t thread;
	struct stress_round *round;
	struct leat_tx *tx;
	struct leat_rx *rx;
	uint64_t random, who, limit;
	uint64_t last[SENDERS_MAX];
};

static struct stress_round stress_round;

static uint64_t stress_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t below(uint64_t *state, uint64_t n)
{
	return stress_random(state) % n;
}

/* Returns one of the bits of mask at random. */
static unsigned pick_bit(uint64_t *state, unsigned mask)
{
	for (;;) {
		unsigned bit = 1u << below(state, 32);
		if (mask & bit)
			return bit;
	}
}

static void fault(struct stress_round *round, const char *what, uint64_t n)
{
	if (leat_add_acqrel(&round->faults, 1u) == 0)
		snprintf(round->fault, sizeof(round->fault), "%s %" PRIu64, what, n);
}

/* Items */

static unsigned char pattern(uint64_t n, size_t i)
{
	return (unsigned char)(n * 131 + i * 17 + 5);
}

static void item_write(const struct stress_round *round, void *item, uint64_t n)
{
	memcpy(item, &n, sizeof(n));
	for (size_t i = sizeof(n); i < round->item_size; i++)
		((unsigned char *)item)[i] = pattern(n, i);
}

static uint64_t item_read(struct stress_round *round, const void *item)
{
	uint64_t n;
	memcpy(&n, item, sizeof(n));
	if (n >= ITEMS) {
		fault(round, "an item from nowhere:", n);
		return 0;
	}
	for (size_t i = sizeof(n); i < round->item_size; i++)
		if (((const unsigned char *)item)[i] != pattern(n, i)) {
			fault(round, "a torn item:", n);
			break;
		}
	return n;
}

static void stress_discard(void *item, void *arg)
{
	struct stress_round *round = arg;
	leat_add_rlx(&round->discarded[item_read(round, item)], 1u);
}

static void take(struct stress_side *side, const void *item)
{
	uint64_t n = item_read(side->round, item), who = n / PER_SENDER;
	if (leat_add_rlx(&side->round->received[n], 1u) != 0)
		fault(side->round, "received twice:", n);
	if (side->last[who] > n)
		fault(side->round, "out of order:", n);
	side->last[who] = n + 1;
}

/* Sending */

static void accept_items(struct stress_side *side, uint64_t from, uint64_t count)
{
	for (uint64_t n = from; n < from + count; n++)
		leat_add_rlx(&side->round->accepted[n], 1u);
	leat_add_acqrel(&side->round->accepted_count, (uint32_t)count);
}

static bool is_end(ssize_t rc)
{
	return rc == -EPIPE || rc == -ECANCELED;
}

/* Sends some items from `from` on. Returns how many were accepted, or the error that ends it. */
static ssize_t send_some(struct stress_side *side, uint64_t from, uint64_t left)
{
	unsigned char items[BATCH_MAX * ITEM_MAX];
	struct stress_round *round = side->round;
	size_t n = 1 + below(&side->random, left < BATCH_MAX ? left : BATCH_MAX);
	unsigned call = pick_bit(&side->random, round->stress->calls & ~(unsigned)CLONE);
	void *room;
	ssize_t rc;
	if (n > left)
		n = left;
	for (size_t i = 0; i < n && call != ZERO_COPY; i++)
		item_write(round, items + i * round->item_size, from + i);
	switch (call) {
	case COPY:
		rc = leat_send(side->tx, items);
		break;
	case TRY:
		rc = below(&side->random, 2) ? leat_try_send(side->tx, items)
		                             : leat_try_send_batch(side->tx, items, n);
		if (rc > 0)
			return rc;
		if (rc == -EAGAIN)
			sched_yield();
		break;
	case UNTIL:
		rc = leat_send_until(side->tx, items,
		                     leat_now_ns() + (int64_t)below(&side->random, 40000) - 5000);
		break;
	case BATCH:
		return leat_send_batch(side->tx, items, n);
	default:
		rc = leat_reserve(side->tx, n, &room);
		if (rc <= 0)
			return rc;
		n = below(&side->random, 4) ? (size_t)rc : below(&side->random, (uint64_t)rc + 1);
		for (size_t i = 0; i < n; i++)
			item_write(round, (unsigned char *)room + i * round->item_size, from + i);
		if (below(&side->random, 64) == 0)
			sched_yield();
		rc = leat_commit(side->tx, n);
		if (rc != 0)
			fault(round, "commit answered", (uint64_t)-rc);
		return (ssize_t)n;
	}
	return rc == 0 ? 1 : rc;
}

static void *send_all(void *arg)
{
	struct stress_side *side = arg;
	uint64_t from = side->who * PER_SENDER, n = 0;
	while (n < side->limit && leat_now_ns() < side->round->enough_ns) {
		ssize_t rc = send_some(side, from + n, side->limit - n);
		if (is_end(rc))
			break;
		if (rc > 0) {
			accept_items(side, from + n, (uint64_t)rc);
			n += (uint64_t)rc;
		} else if (rc != 0 && rc != -EAGAIN && rc != -ETIMEDOUT) {
			fault(side->round, "a send answered", (uint64_t)-rc);
			break;
		}
		if ((side->round->stress->calls & CLONE) && below(&side->random, 50) == 0) {
			struct leat_tx *clone = leat_tx_clone(side->tx);
			if (clone != NULL) {
				leat_tx_close(side->tx);
				side->tx = clone;
			}
		}
	}
	if (side->round->ending == CLOSE_ALL && side->who == 0)
		leat_tx_close_all(side->tx);
	else
		leat_tx_close(side->tx);
	return NULL;
}

/* Receiving */

static ssize_t receive_some(struct stress_side *side)
{
	unsigned char items[BATCH_MAX * ITEM_MAX];
	struct stress_round *round = side->round;
	size_t max = 1 + below(&side->random, BATCH_MAX), n;
	unsigned call = pick_bit(&side->random, round->stress->calls & ~(unsigned)CLONE);
	const void *there;
	ssize_t rc;
	switch (call) {
	case COPY:
		rc = leat_recv(side->rx, items);
		break;
	case TRY:
		rc = below(&side->random, 2) ? leat_try_recv(side->rx, items)
		                             : leat_try_recv_batch(side->rx, items, max);
		if (rc == -EAGAIN)
			sched_yield();
		break;
	case UNTIL:
		rc = leat_recv_until(side->rx, items,
		                     leat_now_ns() + (int64_t)below(&side->random, 40000) - 5000);
		break;
	case BATCH:
		rc = leat_recv_batch(side->rx, items, max);
		break;
	default:
		rc = leat_peek(side->rx, max, &there);
		if (rc <= 0)
			return rc;
		n = (size_t)rc;
		if (round->opts.kind == LEAT_SPSC && round->opts.overflow != LEAT_DROP_OLDEST &&
		    below(&side->random, 4) == 0)
			n = below(&side->random, n + 1);
		for (size_t i = 0; i < n; i++)
			take(side, (const unsigned char *)there + i * round->item_size);
		if (below(&side->random, 64) == 0)
			sched_yield();
		if (leat_release(side->rx, n) != 0)
			fault(round, "a release failed of", n);
		return rc;
	}
	for (ssize_t i = 0; i < rc; i++)
		take(side, items + (size_t)i * round->item_size);
	return rc;
}

static void *receive_all(void *arg)
{
	struct stress_side *side = arg;
	for (uint64_t calls = 0; calls < side->limit; calls++) {
		ssize_t rc = receive_some(side);
		if (rc == 0 || rc == -ECANCELED)
			break;
		if (rc < 0 && rc != -EAGAIN && rc != -ETIMEDOUT) {
			fault(side->round, "a receive answered", (uint64_t)-rc);
			break;
		}
		if ((side->round->stress->calls & CLONE) && below(&side->random, 50) == 0) {
			struct leat_rx *clone = leat_rx_clone(side->rx);
			if (clone != NULL) {
				leat_rx_close(side->rx);
				side->rx = clone;
			}
		}
	}
	leat_rx_close(side->rx);
	return NULL;
}

/* Rounds */

static void draw_round(struct stress_round *round, uint64_t *random)
{
	static const size_t sizes[] = { 8, 8, 16, 24, 40, 64, 100, 256 };
	struct leat_chan_opts *opts = &round->opts;
	memset(opts, 0, sizeof(*opts));
	opts->kind = (enum leat_kind)__builtin_ctz(pick_bit(random, round->stress->kinds));
	opts->overflow =
		(enum leat_overflow)__builtin_ctz(pick_bit(random, round->stress->overflows));
	opts->capacity = 1 + (below(random, 3) ? below(random, 8) : below(random, 300));
	opts->send_wait = (enum leat_wait)below(random, 4);
	opts->recv_wait = (enum leat_wait)below(random, 4);
	opts->full_fence = below(random, 4) == 0;
	opts->discard = stress_discard;
	opts->discard_arg = round;
	round->item_size = sizes[below(random, sizeof(sizes) / sizeof(sizes[0]))];
	round->ending = pick_bit(random, round->stress->endings);
	round->senders_count = opts->kind == LEAT_MPSC || opts->kind == LEAT_MPMC
	                               ? 1 + (int)below(random, SENDERS_MAX)
	                               : 1;
	round->receivers_count = opts->kind == LEAT_SPMC || opts->kind == LEAT_MPMC
	                                 ? 1 + (int)below(random, RECEIVERS_MAX)
	                                 : 1;
	memset(round->accepted, 0, sizeof(round->accepted));
	memset(round->received, 0, sizeof(round->received));
	memset(round->discarded, 0, sizeof(round->discarded));
	round->accepted_count = round->faults = 0;
}

static void describe(const struct stress_round *round, const char *verdict)
{
	const struct leat_chan_opts *opts = &round->opts;
	fprintf(stderr,
	        "%s: %s: seed %" PRIu64 " round %" PRIu64
	        ": kind %d, capacity %zu, waits %d %d, overflow %d, fence %d, "
	        "item %zu, %d to %d threads, ending %u; %s\n",
	        round->stress->name, verdict, round->seed, round->number, opts->kind,
	        opts->capacity, opts->send_wait, opts->recv_wait, opts->overflow, opts->full_fence,
	        round->item_size, round->senders_count, round->receivers_count, round->ending,
	        round->fault);
}

static void hung(int number)
{
	(void)number;
	/* not safe in a signal handler, but the last thing that this program does */
	describe(&stress_round, "HUNG");
	_exit(1);
}

static void check_ledger(struct stress_round *round)
{
	uint64_t received = 0, accepted = 0;
	for (uint64_t n = 0; n < ITEMS; n++) {
		if (round->accepted[n] != round->received[n] + round->discarded[n])
			fault(round,
			      round->accepted[n] ? "lost, or there twice:"
			                         : "not accepted, and yet there:",
			      n);
		received += round->received[n];
		accepted += round->accepted[n];
	}
	if ((round->ending == DRAIN || round->ending == CLOSE_ALL) &&
	    round->opts.overflow == LEAT_BLOCK && received != accepted)
		fault(round, "drained, but of those sent not received:", accepted - received);
}

static void start_thread(struct stress_side *side, void *(*run)(void *))
{
	if (pthread_create(&side->thread, NULL, run, side) != 0) {
		perror("pthread_create");
		exit(2);
	}
}

static void run_round(struct stress_round *round, uint64_t *random)
{
	struct stress_side tx[SENDERS_MAX] = { 0 }, rx[RECEIVERS_MAX] = { 0 };
	struct leat_scope_opts scope_opts = { 0 };
	uint64_t delay;
	draw_round(round, random);
	round->enough_ns = leat_now_ns() + 100000000;
	delay = below(random, 3) ? below(random, 3000) : 0;
	if (round->ending == DEADLINE)
		scope_opts.deadline_ns = leat_now_ns() + 20000 + (int64_t)below(random, 2000000);
	struct leat_scope *root = leat_scope_open(NULL, NULL),
			  *scope = leat_scope_open(root, &scope_opts);
	int rc = leat_chan_open(scope, round->item_size, &round->opts, &tx[0].tx, &rx[0].rx);
	if (rc == -ECANCELED && round->ending == DEADLINE) {
		leat_scope_close(scope);
		leat_scope_close(root);
		return;
	}
	if (rc != 0) {
		fault(round, "open answered", (uint64_t)-rc);
		return;
	}
	for (int i = 0; i < round->senders_count; i++) {
		tx[i].round = round;
		tx[i].who = (uint64_t)i;
		tx[i].random = stress_random(random);
		tx[i].limit = PER_SENDER;
		if (round->ending == SENDERS_LEAVE || (round->ending == CLOSE_ALL && i == 0))
			tx[i].limit = below(random, 200);
		if (i > 0)
			tx[i].tx = leat_tx_clone(tx[0].tx);
	}
	for (int i = 0; i < round->receivers_count; i++) {
		rx[i].round = round;
		rx[i].random = stress_random(random);
		rx[i].limit = round->ending == RECEIVERS_LEAVE ? below(random, 500) : UINT64_MAX;
		if (i > 0)
			rx[i].rx = leat_rx_clone(rx[0].rx);
	}
	for (int i = 0; i < round->senders_count; i++)
		start_thread(&tx[i], send_all);
	for (int i = 0; i < round->receivers_count; i++)
		start_thread(&rx[i], receive_all);
	if (round->ending == CANCEL || round->ending == SCOPE_CLOSE) {
		for (uint64_t i = 0; i < delay && leat_load_rlx(&round->accepted_count) < delay;
		     i++)
			sched_yield();
		if (round->ending == SCOPE_CLOSE) {
			leat_scope_close(scope);
			scope = NULL;
		} else {
			leat_scope_cancel(below(random, 2) ? scope : root, 0, NULL);
		}
	}
	for (int i = 0; i < round->senders_count; i++)
		pthread_join(tx[i].thread, NULL);
	for (int i = 0; i < round->receivers_count; i++)
		pthread_join(rx[i].thread, NULL);
	leat_scope_close(scope);
	leat_scope_close(root);
	check_ledger(round);
}

static int stress_main(const struct stress *stress, int argc, char **argv)
{
	int64_t seconds = argc > 1 ? atoll(argv[1]) : 3;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0)
	                         : (uint64_t)leat_now_ns() ^ ((uint64_t)getpid() << 32);
	int64_t end_ns = leat_now_ns() + seconds * INT64_C(1000000000);
	uint64_t random = seed, items = 0;
	struct stress_round *round = &stress_round;
	struct leat_census census;
	round->stress = stress;
	round->seed = seed;
	printf("%s: seed %" PRIu64 "\n", stress->name, seed);
	fflush(stdout);
	signal(SIGALRM, hung);
	leat_census_take(&census);
	while (leat_now_ns() < end_ns) {
		alarm(60);
		run_round(round, &random);
		if (leat_census_left(&census, round->fault, sizeof(round->fault)))
			round->faults++;
		if (round->faults != 0) {
			describe(round, "FAILED");
			return 1;
		}
		items += round->accepted_count;
		round->number++;
	}
	printf("%s: %" PRIu64 " rounds, %" PRIu64 " items, each with one owner\n", stress->name,
	       round->number, items);
	return 0;
}

#endif
