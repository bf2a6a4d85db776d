/*
 * How late is a receiver that shares its core with threads that compute? A lone item, and a deadline one millisecond away.
 *
 *     perf_shared_core [WAITS]        1,000 waits of each contestant, with 0, 1, 2 and 8 busy threads
 *
 * The receiver and the busy threads are pinned to one core, the sender to another. The contestants take turns, wait by wait:
 * an adaptive channel, one that parks at once, and a bare futex, which is the least that a sleep and a wake-up cost. The
 * sender waits until the receiver has said that it is about to wait, and then for a time drawn between 50 and 250
 * microseconds. Bound: adaptive at most 1.5 times park and 20 microseconds, at the median and at the ninety-ninth percentile.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "samples.h"

#include <leat/atomic.h>
#include <leat/leat.h>

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum contestant { ADAPTIVE, PARK, FUTEX, CONTESTANTS };
enum question { LONE_ITEM, DEADLINE, QUESTIONS };
enum { RECEIVER_CORE = 0, SENDER_CORE = 1, BUSY_MOST = 8, MS = 1000000 };

static const char *const contestant_names[] = { "adaptive", "park", "futex" };
static const char *const question_names[] = { "a lone item", "a deadline of 1 ms" };
static const unsigned busy_counts[] = { 0, 1, 2, BUSY_MOST };

static struct leat_tx *tx[FUTEX];
static struct leat_rx *rx[FUTEX];
static uint32_t word;              /* the bare futex */
static int64_t word_ns;            /* what is sent by it */
static uint32_t waits, stop;       /* waits that the receiver has begun; the busy threads end */
static double *late_us[CONTESTANTS];

static void *compute(void *arg)
{
	(void)arg;
	pin(RECEIVER_CORE);
	while (leat_load_rlx(&stop) == 0) /* rlx: it ends soon enough */
		;
	return NULL;
}

/* Returns false at the deadline. */
static bool futex_wait(int64_t deadline_ns)
{
	struct timespec until = { deadline_ns / 1000000000, deadline_ns % 1000000000 };
	struct timespec *timeout = deadline_ns == LEAT_NEVER ? NULL : &until;

	while (leat_load_acq(&word) == 0)
		if (syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, 0, timeout, NULL, FUTEX_BITSET_MATCH_ANY) < 0 &&
		    errno == ETIMEDOUT)
			return false;
	leat_store_rlx(&word, 0); /* rlx: the sender looks only after the next wait has begun */
	return true;
}

static double wait_for_item(enum contestant who)
{
	int64_t sent_ns = 0;

	if (who == FUTEX) {
		futex_wait(LEAT_NEVER);
		sent_ns = word_ns;
	} else if (leat_recv(rx[who], &sent_ns) != 1) {
		abort();
	}
	return (double)(leat_now_ns() - sent_ns) * 1e-3;
}

static double wait_for_deadline(enum contestant who)
{
	int64_t deadline_ns = leat_now_ns() + MS, item;

	if (who == FUTEX)
		futex_wait(deadline_ns);
	else if (leat_recv_until(rx[who], &item, deadline_ns) != -ETIMEDOUT)
		abort();
	return (double)(leat_now_ns() - deadline_ns) * 1e-3;
}

struct work {
	enum question question;
	uint32_t waits_each;
};

static void *receive(void *arg)
{
	const struct work *work = arg;

	pin(RECEIVER_CORE);
	for (uint32_t i = 0; i < work->waits_each * CONTESTANTS; i++) {
		enum contestant who = i % CONTESTANTS;

		leat_store_rel(&waits, i + 1);
		late_us[who][i / CONTESTANTS] = work->question == LONE_ITEM ? wait_for_item(who) : wait_for_deadline(who);
	}
	return NULL;
}

static void send_to(enum contestant who)
{
	int64_t now_ns = leat_now_ns();

	if (who != FUTEX) {
		leat_send(tx[who], &now_ns);
		return;
	}
	word_ns = now_ns;
	leat_store_rel(&word, 1);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void send_all(const struct work *work)
{
	unsigned seed = 1;

	for (uint32_t i = 0; i < work->waits_each * CONTESTANTS; i++) {
		int64_t at_ns;

		while (leat_load_acq(&waits) != i + 1)
			leat_pause();
		at_ns = leat_now_ns() + 50000 + rand_r(&seed) % 200000;
		while (leat_now_ns() < at_ns)
			leat_pause();
		send_to(i % CONTESTANTS);
	}
}

static double at(const double *sorted, uint32_t n, double part)
{
	return sorted[(uint32_t)((double)(n - 1) * part)];
}

static void report(const struct work *work, unsigned busy)
{
	bool kept = true;

	for (int who = 0; who < CONTESTANTS; who++)
		qsort(late_us[who], work->waits_each, sizeof(double), by_value);
	for (int who = 0; who < CONTESTANTS; who++)
		printf("%-20s %5u  %-10s %10.1f %10.1f %10.1f\n", question_names[work->question], busy, contestant_names[who],
		       at(late_us[who], work->waits_each, 0.5), at(late_us[who], work->waits_each, 0.99),
		       late_us[who][work->waits_each - 1]);
	for (int i = 0; i < 2; i++) {
		double part = i == 0 ? 0.5 : 0.99;

		kept &= at(late_us[ADAPTIVE], work->waits_each, part) <= at(late_us[PARK], work->waits_each, part) * 1.5 + 20;
	}
	printf("%-20s %5u  bound %s\n", question_names[work->question], busy, kept ? "kept" : "NOT KEPT");
}

static void ask(struct work work, unsigned busy)
{
	pthread_t receiver, computers[BUSY_MOST];

	leat_store_rlx(&stop, 0); /* rlx: before the threads start */
	leat_store_rlx(&waits, 0); /* rlx: the same */
	for (unsigned i = 0; i < busy; i++)
		pthread_create(&computers[i], NULL, compute, NULL);
	pthread_create(&receiver, NULL, receive, &work);
	if (work.question == LONE_ITEM)
		send_all(&work);
	pthread_join(receiver, NULL);
	leat_store_rlx(&stop, 1); /* rlx: see compute() */
	for (unsigned i = 0; i < busy; i++)
		pthread_join(computers[i], NULL);
	report(&work, busy);
}

int main(int argc, char **argv)
{
	struct leat_scope *scope;
	uint32_t waits_each = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000;

	if (waits_each == 0 || waits_each > 1000000) {
		fprintf(stderr, "perf_shared_core: the waits of each contestant are a number from 1 to 1000000\n");
		return 2;
	}
	scope = leat_scope_open(NULL, NULL);
	for (int who = 0; who < FUTEX; who++) {
		struct leat_chan_opts opts = { .recv_wait = who == PARK ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE };

		if (leat_chan_open(scope, sizeof(int64_t), &opts, &tx[who], &rx[who]) != 0)
			return 1;
	}
	for (int who = 0; who < CONTESTANTS; who++)
		late_us[who] = calloc(waits_each, sizeof(double));
	pin(SENDER_CORE);
	printf("%-20s %5s  %-10s %10s %10s %10s\n", "late, us", "busy", "receiver", "median", "p99", "most");
	for (int question = 0; question < QUESTIONS; question++)
		for (size_t i = 0; i < sizeof(busy_counts) / sizeof(busy_counts[0]); i++)
			ask((struct work){ (enum question)question, waits_each }, busy_counts[i]);
	for (int who = 0; who < FUTEX; who++) {
		leat_tx_close(tx[who]);
		leat_rx_close(rx[who]);
	}
	return leat_scope_close(scope) < 0;
}
