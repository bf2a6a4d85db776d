/*
 * What does it cost to be looked at? perf_looking [PAIRS [SECONDS]] moves items of 8 bytes through
 * a blocking channel of 1,024, SPSC and MPMC, between two threads pinned to the first two
 * processors of the process: once with nothing that looks, once with LEAT_COUNTERS=1 (a diagnostics
 * thread that writes a counters file at 10 Hz) and a reader attached, which reads the whole file
 * ten times a second. PAIRS (40) such pairs, in turns which comes first; SECONDS (0.5) for each.
 *
 * Each is a process of its own, so that nothing is left from the one before. Prints the mean of the
 * pairs' ratios of items a second, looked at to not, by their logarithms, and its 95 % interval by
 * Student's t.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include <leat/leat.h>

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CAPACITY = 1024, CHECK_EVERY = 4096 };
#define LOOKS_NS 100000000L

static unsigned cpus[2];

static _Noreturn void give_up(const char *what, int rc)
{
	fprintf(stderr, "perf_looking: %s: %s\n", what, strerror(-rc));
	exit(1);
}

static void find_cpus(void)
{
	cpu_set_t set;
	unsigned found = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		give_up("sched_getaffinity", -errno);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[found++] = cpu;
	if (found < 2) {
		fputs("perf_looking: two processors are needed\n", stderr);
		exit(1);
	}
}

/* --- one measurement --- */

static int send_all(struct leat_tx *out, void *arg)
{
	uint64_t item = 0;

	(void)arg;
	while (leat_send(out, &item) == 0)
		item++;
	return 0;
}

/* Items a second. */
static double measure(enum leat_kind kind, int64_t ns)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = {
		.chan = { .name = "items", .kind = kind, .capacity = CAPACITY },
		.pin = LEAT_PIN(cpus[0])
	};
	struct leat_rx *rx;
	cpu_set_t own;
	uint64_t item, n = 0;
	int64_t from_ns, now_ns;
	int rc;

	CPU_ZERO(&own);
	CPU_SET(cpus[1], &own);
	sched_setaffinity(0, sizeof(own), &own);
	rc = leat_gen(scope, send_all, NULL, sizeof(item), &opts, &rx);
	if (rc != 0)
		give_up("leat_gen", rc);
	for (int i = 0; i < CAPACITY && leat_recv(rx, &item) == 1; i++)
		; /* both threads run */
	from_ns = now_ns = leat_now_ns();
	while (now_ns - from_ns < ns) {
		for (int i = 0; i < CHECK_EVERY; i++)
			if (leat_recv(rx, &item) != 1)
				give_up("leat_recv", -EPIPE);
		n += CHECK_EVERY;
		now_ns = leat_now_ns();
	}
	leat_rx_close(rx);
	leat_scope_close(scope);
	return (double)n * 1e9 / (double)(now_ns - from_ns);
}

/* Reads the file of a process ten times a second until that is gone. */
static _Noreturn void look_at(pid_t pid)
{
	struct leat_counters *counters;
	char name[16];

	snprintf(name, sizeof(name), "%d", (int)pid);
	while ((counters = leat_counters_open(name)) == NULL)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	while (leat_counters_read(counters) == 0 &&
	       leat_counters_info(counters)->state != LEAT_COUNTERS_GONE)
		nanosleep(&(struct timespec){ .tv_nsec = LOOKS_NS }, NULL);
	_exit(0);
}

static double run_one(enum leat_kind kind, int64_t ns, bool looked_at)
{
	int ends[2];
	double rate = 0;
	pid_t pid, reader = 0;

	if (pipe(ends) < 0 || (pid = fork()) < 0)
		give_up("fork", -errno);
	if (pid == 0) {
		setenv("LEAT_COUNTERS", looked_at ? "1" : "0", 1);
		rate = measure(kind, ns);
		exit(write(ends[1], &rate, sizeof(rate)) != (ssize_t)sizeof(rate));
	}
	if (looked_at && (reader = fork()) == 0)
		look_at(pid);
	close(ends[1]);
	if (read(ends[0], &rate, sizeof(rate)) != (ssize_t)sizeof(rate))
		give_up("a measurement", -EPIPE);
	close(ends[0]);
	waitpid(pid, NULL, 0);
	if (reader > 0)
		waitpid(reader, NULL, 0);
	return rate;
}

/* --- pairs --- */

/* Of the 97.5 % quantile of Student's t with n - 1 degrees of freedom; from 30 on within 1 %. */
static double t_of(int n)
{
	double z = 1.959964, f = n - 1;

	return z + (z * z * z + z) / (4 * f) +
	       (5 * pow(z, 5) + 16 * z * z * z + 3 * z) / (96 * f * f);
}

static void ask(enum leat_kind kind, const char *name, int pairs, int64_t ns)
{
	double sum = 0, squares = 0, mean, half;

	for (int i = 0; i < pairs; i++) {
		double rate[2];

		for (int k = 0; k < 2; k++)
			rate[(i + k) % 2] = run_one(kind, ns, (i + k) % 2 == 1);
		sum += log(rate[1] / rate[0]);
		squares += log(rate[1] / rate[0]) * log(rate[1] / rate[0]);
	}
	mean = sum / pairs;
	half = t_of(pairs) * sqrt((squares / pairs - mean * mean) / (pairs - 1));
	printf("%s: %d pairs, looked at to not: %.3f [%.3f, %.3f]\n", name, pairs, exp(mean),
	       exp(mean - half), exp(mean + half));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int pairs = argc > 1 ? atoi(argv[1]) : 40;
	double seconds = argc > 2 ? atof(argv[2]) : 0.5;

	if (argc > 3 || pairs < 3 || seconds <= 0) {
		fputs("usage: perf_looking [PAIRS [SECONDS]]: pairs from 3; seconds of each "
		      "measurement\n",
		      stderr);
		return 2;
	}
	find_cpus();
	ask(LEAT_SPSC, "SPSC", pairs, (int64_t)(seconds * 1e9));
	ask(LEAT_MPMC, "MPMC", pairs, (int64_t)(seconds * 1e9));
	return 0;
}
