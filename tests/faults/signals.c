/*
 * Signals, caught by a handler without SA_RESTART: a timer of the process at 10 kHz, and a thread
 * that sends one to every thread there is, without a pause, while the workload runs. Then a
 * claimant that stands still: a sender whose handler does not return, between its reservation and
 * its commit, and at moments drawn at random.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "workload.h"

#include <dirent.h>
#include <errno.h>
#include <leat/atomic.h>
#include <leat/leat.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static uint64_t handled;
static uint32_t stop, stands_still, may_go_on;

static void count_signal(int number)
{
	(void)number;
	leat_add_rlx(&handled, UINT64_C(1));
}

static void stand_still(int number)
{
	int saved = errno;

	(void)number;
	leat_store_rel(&stands_still, 1u);
	while (leat_load_acq(&may_go_on) == 0)
		sched_yield();
	errno = saved;
}

static void handle(int number, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigemptyset(&action.sa_mask);
	workload_that(sigaction(number, &action, NULL) == 0);
}

/* Those of the library block them all; sending to them must not hurt either. */
static void *signal_everybody(void *arg)
{
	long self = syscall(SYS_gettid);

	(void)arg;
	while (leat_load_acq(&stop) == 0) {
		DIR *tasks = opendir("/proc/self/task");

		workload_that(tasks != NULL);
		for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
			long tid = strtol(entry->d_name, NULL, 10);

			if (tid > 0 && tid != self)
				syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
		}
		closedir(tasks);
	}
	return NULL;
}

static void run_in_a_storm(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
	struct itimerspec every = { .it_interval = { 0, 100000 }, .it_value = { 0, 100000 } };
	pthread_t thread;
	timer_t timer;

	handle(SIGUSR1, count_signal);
	handle(SIGUSR2, count_signal);
	workload_that(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
	workload_that(timer_settime(timer, 0, &every, NULL) == 0);
	workload_that(pthread_create(&thread, NULL, signal_everybody, NULL) == 0);
	for (uint64_t round = 0; round < MANY_TIMES(15); round++)
		workload_that(
			workload_run(WORKLOAD_ALL, 0, "in a storm of signals, round", round) == 0);
	leat_store_rel(&stop, 1u);
	pthread_join(thread, NULL);
	timer_delete(timer);
}

struct claimant {
	struct leat_tx *tx;
	uint64_t sent;
};

/*
 * One item in place; between the two calls it stands still, as in a handler that does not return.
 */
static void *claims(void *arg)
{
	struct claimant *claimant = arg;
	void *room;

	workload_that(leat_reserve(claimant->tx, 1, &room) == 1);
	memcpy(room, &(uint64_t){ 1000 }, sizeof(uint64_t));
	stand_still(0);
	workload_that(leat_commit(claimant->tx, 1) == 0);
	leat_tx_close(claimant->tx);
	return NULL;
}

/*
 * Of four slots one is claimed and not written: three more are room and no fourth, nothing is
 * overwritten, no call waits for the one who stands still, and what comes before its item can be
 * had. When it goes on, all arrive, in order.
 */
static void claimant_stands_still(enum leat_kind kind)
{
	struct leat_chan_opts opts = { .kind = kind, .capacity = 4 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct claimant claimant = { 0 };
	struct leat_tx *tx;
	struct leat_rx *rx;
	pthread_t thread;
	uint64_t n;

	leat_store_rel(&stands_still, 0u);
	leat_store_rel(&may_go_on, 0u);
	workload_that(leat_chan_open(scope, sizeof(uint64_t), &opts, &tx, &rx) == 0);
	claimant.tx = leat_tx_clone(tx);
	workload_that(leat_send(tx, &(uint64_t){ 0 }) == 0);
	workload_that(pthread_create(&thread, NULL, claims, &claimant) == 0);
	while (leat_load_acq(&stands_still) == 0)
		sched_yield();
	for (n = 1; leat_try_send(tx, &n) == 0; n++)
		;
	workload_that(n == 3);
	workload_that(leat_send_until(tx, &n, leat_now_ns() + 1000000) == -ETIMEDOUT);
	workload_that(leat_try_recv(rx, &n) == 1 && n == 0);
	workload_that(leat_try_recv(rx, &n) == -EAGAIN);
	workload_that(leat_recv_until(rx, &n, leat_now_ns() + 1000000) == -ETIMEDOUT);
	leat_tx_close(tx);
	leat_store_rel(&may_go_on, 1u);
	workload_that(leat_recv(rx, &n) == 1 && n == 1000);
	for (uint64_t want = 1; want < 3; want++)
		workload_that(leat_recv(rx, &n) == 1 && n == want);
	workload_that(leat_recv(rx, &n) == 0);
	pthread_join(thread, NULL);
	leat_rx_close(rx);
	workload_that(leat_scope_close(scope) == 0);
}

static void *sends_many(void *arg)
{
	struct claimant *claimant = arg;

	for (uint64_t n = 0; leat_load_acq(&stop) == 0; n++) {
		workload_that(leat_send(claimant->tx, &n) == 0);
		leat_store_rel(&claimant->sent, n + 1);
	}
	leat_tx_close(claimant->tx);
	return NULL;
}

/*
 * Stopped wherever it is, while the receiver goes on with what is there; then everything arrives,
 * in order.
 */
static __attribute__((unused)) void sender_stands_still(enum leat_kind kind, uint64_t after)
{
	struct leat_chan_opts opts = { .kind = kind, .capacity = 8 };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct claimant claimant = { 0 };
	uint64_t n, want = 0;
	struct leat_rx *rx;
	pthread_t thread;

	leat_store_rel(&stop, 0u);
	leat_store_rel(&stands_still, 0u);
	leat_store_rel(&may_go_on, 0u);
	workload_that(leat_chan_open(scope, sizeof(uint64_t), &opts, &claimant.tx, &rx) == 0);
	workload_that(pthread_create(&thread, NULL, sends_many, &claimant) == 0);
	for (; want < after; want++)
		workload_that(leat_recv(rx, &n) == 1 && n == want);
	pthread_kill(thread, SIGUSR1);
	for (bool there = true; there || leat_load_acq(&stands_still) == 0;) {
		there = leat_try_recv(rx, &n) == 1;
		if (there)
			workload_that(n == want++);
	}
	leat_store_rel(&stop, 1u);
	leat_store_rel(&may_go_on, 1u);
	while (leat_recv(rx, &n) == 1)
		workload_that(n == want++);
	pthread_join(thread, NULL);
	workload_that(want == claimant.sent);
	leat_rx_close(rx);
	workload_that(leat_scope_close(scope) == 0);
}

int main(void)
{
	workload_init("signals");
	run_in_a_storm();
	fprintf(stderr, "signals: %llu handled\n", (unsigned long long)leat_load_acq(&handled));
	workload_that(leat_load_acq(&handled) > 1000);
	handle(SIGUSR1, stand_still);
	workload_watch();
	claimant_stands_still(LEAT_MPSC);
	claimant_stands_still(LEAT_MPMC);
#ifndef __SANITIZE_THREAD__ /* which calls a handler when the thread comes by one of its own \
                               calls, or not at all */
	for (uint64_t after = 0; after < 300; after++)
		sender_stands_still(after % 2 ? LEAT_MPMC : LEAT_SPSC, after);
#endif
	return workload_done(0);
}
