/*
 * tests/stress/select.c: threads that select among receives and sends of a few shared channels,
 * with others that receive and send plainly, and one that watches by a descriptor; ended by closing
 * or by a cancel at a random moment.
 *
 *     PROGRAM [seconds [seed]]
 *
 * Each item that was accepted is received or discarded exactly once, and nobody sleeps for ever:
 * the alarm ends a round that hangs, with the seed and the round.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <leat/atomic.h>
#include <leat/leat.h>

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHANS = 3, THREADS = 6, PER_THREAD = 3000, ITEMS = THREADS * PER_THREAD, HANG_S = 60 };
enum role { SELECTS, MERGES, WATCHES, RECEIVES, SENDS, ROLES };

static uint64_t seed, round_number;
static struct leat_scope *scope;
static struct leat_tx *tx[CHANS];
static struct leat_rx *rx[CHANS];
static uint32_t accepted[ITEMS], received[ITEMS], discarded[ITEMS];

struct worker {
	pthread_t thread;
	enum role role;
	uint64_t random, first; /* its items are PER_THREAD from first */
	struct leat_tx *tx[CHANS];
	struct leat_rx *rx[CHANS];
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void hangs(int signal)
{
	char text[120];
	int n = snprintf(text, sizeof(text),
	                 "stress_select: round %" PRIu64 " of seed %" PRIu64 " hangs\n",
	                 round_number, seed);

	(void)signal;
	if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

static void discard(void *item, void *arg)
{
	uint64_t n;

	(void)arg;
	memcpy(&n, item, sizeof(n));
	leat_add_rlx(&discarded[n], 1);
}

static void close_rx(struct worker *w, int i)
{
	leat_rx_close(w->rx[i]);
	w->rx[i] = NULL;
}

static void close_tx(struct worker *w)
{
	for (int i = 0; i < CHANS; i++) {
		leat_tx_close(w->tx[i]);
		w->tx[i] = NULL;
	}
}

/* Sends its items and receives, as it comes; then receives to the ends. */
static void selects(struct worker *w)
{
	uint64_t got, item = w->first;
	struct leat_case cases[2 * CHANS];
	enum leat_order order = w->random % 2 ? LEAT_BY_CHANCE : LEAT_BY_PRIORITY;

	for (;;) {
		int64_t deadline_ns =
			next_random(&w->random) % 4 ? LEAT_NEVER : leat_now_ns() + 20000;
		int which;

		for (int i = 0; i < CHANS; i++) {
			cases[i] = (struct leat_case)LEAT_CASE_SEND(w->tx[i], &item);
			cases[CHANS + i] = (struct leat_case)LEAT_CASE_RECV(w->rx[i], &got);
		}
		which = leat_select(cases, 2 * CHANS, deadline_ns, order);
		if (which == -EINVAL)
			return; /* all ends are closed */
		if (which < 0)
			continue;
		if (which >= CHANS && cases[which].answer == 1)
			leat_add_rlx(&received[got], 1);
		else if (which >= CHANS)
			close_rx(w, which - CHANS);
		else if (cases[which].answer == 0)
			leat_add_rlx(&accepted[item++], 1);
		if (w->tx[0] != NULL &&
		    (item == w->first + PER_THREAD || (which < CHANS && cases[which].answer < 0)))
			close_tx(w);
	}
}

/* By a wait of its own, or in somebody else's loop. */
static int merge_next(struct leat_merge *merge, uint64_t *got, bool in_poll)
{
	struct pollfd polled = { .fd = leat_merge_fd(merge), .events = POLLIN };
	int r = leat_merge_recv_until(merge, got, NULL, in_poll ? 0 : leat_now_ns() + 50000);

	if (r == -ETIMEDOUT && in_poll && leat_merge_arm(merge) == 0)
		poll(&polled, 1, -1);
	return r;
}

static void merges(struct worker *w)
{
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	uint64_t got;
	int r;

	close_tx(w);
	for (int i = 0; i < CHANS; i++)
		if (leat_merge_add(merge, w->rx[i], NULL) != 0)
			abort();
	while ((r = merge_next(merge, &got, next_random(&w->random) % 2)) != -ENOENT)
		if (r == 1)
			leat_add_rlx(&received[got], 1);
	leat_merge_close(merge);
}

static void watches(struct worker *w)
{
	struct pollfd polled[CHANS];
	uint64_t got;
	int open = CHANS;

	close_tx(w);
	while (open > 0) {
		bool sleeps = true;

		for (int i = 0; i < CHANS; i++) {
			int r = -EAGAIN;

			polled[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
			if (w->rx[i] == NULL)
				continue;
			polled[i].fd = leat_rx_fd(w->rx[i]);
			while ((r = leat_try_recv(w->rx[i], &got)) == 1)
				leat_add_rlx(&received[got], 1);
			if (r != -EAGAIN) {
				close_rx(w, i);
				open--;
				sleeps = false;
			} else if (leat_rx_arm(w->rx[i]) != 0) {
				sleeps = false;
			}
		}
		if (sleeps)
			poll(polled, CHANS, -1);
	}
}

static void receives(struct worker *w)
{
	uint64_t got;

	close_tx(w);
	for (int i = CHANS - 1; i >= 0; i--) {
		while (leat_recv(w->rx[i], &got) == 1)
			leat_add_rlx(&received[got], 1);
		close_rx(w, i);
	}
}

static void sends(struct worker *w)
{
	for (int i = 0; i < CHANS; i++)
		close_rx(w, i);
	for (uint64_t item = w->first; item < w->first + PER_THREAD; item++) {
		if (leat_send(w->tx[next_random(&w->random) % CHANS], &item) < 0)
			break;
		leat_add_rlx(&accepted[item], 1);
	}
	close_tx(w);
}

static void *work(void *arg)
{
	static void (*const roles[ROLES])(struct worker *) = { selects, merges, watches, receives,
		                                               sends };
	struct worker *w = arg;

	roles[w->role](w);
	return NULL;
}

static void open_round(uint64_t *random)
{
	scope = leat_scope_open(NULL, NULL);
	memset(accepted, 0, sizeof(accepted));
	memset(received, 0, sizeof(received));
	memset(discarded, 0, sizeof(discarded));
	for (int i = 0; i < CHANS; i++) {
		struct leat_chan_opts opts = {
			.kind = LEAT_MPMC,
			.capacity = 1 + next_random(random) % 20,
			.recv_wait = next_random(random) % 2 ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE,
			.overflow = next_random(random) % 4 ? LEAT_BLOCK : LEAT_DROP_OLDEST,
			.full_fence = next_random(random) % 4 == 0,
			.discard = discard,
		};

		if (leat_chan_open(scope, sizeof(uint64_t), &opts, &tx[i], &rx[i]) != 0)
			abort();
	}
}

/* The first selects, the last sends, the others are what comes. */
static void start(struct worker *w, int i, uint64_t *random)
{
	w->role = i == 0             ? SELECTS
	          : i == THREADS - 1 ? SENDS
	                             : (enum role)(next_random(random) % ROLES);
	w->random = next_random(random) | 1;
	w->first = (uint64_t)i * PER_THREAD;
	for (int c = 0; c < CHANS; c++) {
		w->tx[c] = leat_tx_clone(tx[c]);
		w->rx[c] = leat_rx_clone(rx[c]);
	}
	if (pthread_create(&w->thread, NULL, work, w) != 0)
		abort();
}

static int faults(void)
{
	int wrong = 0;

	for (int n = 0; n < ITEMS; n++)
		wrong += accepted[n] != received[n] + discarded[n] || accepted[n] > 1;
	return wrong;
}

static bool one_round(uint64_t *random)
{
	struct worker workers[THREADS];

	open_round(random);
	for (int i = 0; i < THREADS; i++)
		start(&workers[i], i, random);
	for (int c = 0; c < CHANS; c++) {
		leat_tx_close(tx[c]);
		leat_rx_close(rx[c]);
	}
	if (next_random(random) % 2) {
		usleep((useconds_t)(next_random(random) % 3000));
		leat_scope_cancel(scope, 0, NULL);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	leat_scope_close(scope);
	return faults() == 0;
}

int main(int argc, char **argv)
{
	int64_t until_ns = leat_now_ns() + (argc > 1 ? atoi(argv[1]) : 5) * INT64_C(1000000000);
	uint64_t random;

	seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)leat_now_ns();
	random = seed | 1;
	signal(SIGALRM, hangs);
	printf("stress_select: seed %" PRIu64 "\n", seed);
	fflush(stdout);
	do {
		alarm(HANG_S);
		round_number++;
		if (!one_round(&random)) {
			fprintf(stderr,
			        "stress_select: round %" PRIu64 " of seed %" PRIu64
			        ": %d items went astray\n",
			        round_number, seed, faults());
			return 1;
		}
	} while (leat_now_ns() < until_ns);
	printf("stress_select: %" PRIu64 " rounds\n", round_number);
	return 0;
}
