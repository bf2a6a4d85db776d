/*
 * What does it cost to be looked at? perf_looking [PAIRS [SLICES]] moves items of 8 bytes through a
 * blocking channel of 1,024, SPSC and MPMC, between two threads pinned to the first two processors
 * of the process, and compares two states: nothing looks; and a diagnostics thread writes a
 * counters file ten times a second, which a process of its own reads whole as often.
 *
 * A pair (40 of them) is SLICES (30) slices of a tenth of a second in each state, in turns, and its
 * ratio is that of the items a second, looked at to not. In a slice that is looked at there are one
 * snapshot and one reading. The turns are this short as the host of a virtual machine moves or
 * stops its processors for longer than that: of halves of a second or more the figures of one state
 * alone differ by a tenth. Prints the mean of the ratios, by their logarithms, and its 95 %
 * interval by Student's t.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include <leat/leat.h>

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CAPACITY = 1024, CHECK_EVERY = 512 };
#define LOOKS_NS 100000000L
#define SETTLE_NS (LOOKS_NS / 2) /* so that looks come in the middle of a slice */

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

/* --- who looks: a process that reads the file, told by a pipe when to --- */

struct looker {
	pid_t pid;
	int orders; /* a byte: begin; the next one: end */
	char path[64];
};

static void read_until_told(const char *path, int orders)
{
	struct leat_counters *counters = leat_counters_open(path);
	struct pollfd told = { .fd = orders, .events = POLLIN };

	if (counters == NULL)
		give_up(path, leat_open_error());
	do
		leat_counters_read(counters);
	while (poll(&told, 1, LOOKS_NS / 1000000) == 0);
	leat_counters_close(counters);
}

static struct looker start_looker(void)
{
	struct looker looker;
	int ends[2];
	char order;

	snprintf(looker.path, sizeof(looker.path), "/dev/shm/perf_looking.%d", (int)getpid());
	if (pipe(ends) < 0 || (looker.pid = fork()) < 0)
		give_up("fork", -errno);
	looker.orders = ends[1];
	if (looker.pid > 0) {
		close(ends[0]);
		return looker;
	}
	close(ends[1]);
	while (read(ends[0], &order, 1) == 1) {
		read_until_told(looker.path, ends[0]);
		if (read(ends[0], &order, 1) != 1)
			break;
	}
	_exit(0);
}

static void order_looker(const struct looker *looker)
{
	if (write(looker->orders, "", 1) != 1)
		give_up("the reader", -errno);
}

static void stop_looker(const struct looker *looker)
{
	int status;

	close(looker->orders);
	waitpid(looker->pid, &status, 0);
	if (status != 0)
		exit(1); /* it has said why */
}

/* A diagnostics thread, on any processor, and the reader. */
static struct leat_diag *begin_looking(const struct looker *looker)
{
	const struct leat_diag_opts opts = { .interval_ns = LOOKS_NS,
		                             .counters_path = looker->path };
	struct leat_diag *diag;
	cpu_set_t own, all;

	sched_getaffinity(0, sizeof(own), &own);
	CPU_ZERO(&all);
	CPU_SET(cpus[0], &all);
	CPU_SET(cpus[1], &all);
	sched_setaffinity(0, sizeof(all), &all);
	diag = leat_diag_start(&opts);
	if (diag == NULL)
		give_up("leat_diag_start", leat_open_error());
	sched_setaffinity(0, sizeof(own), &own);
	order_looker(looker);
	return diag;
}

static void end_looking(const struct looker *looker, struct leat_diag *diag)
{
	order_looker(looker);
	leat_diag_stop(diag);
}

/* --- what is looked at --- */

static int send_all(struct leat_tx *out, void *arg)
{
	uint64_t item = 0;

	(void)arg;
	while (leat_send(out, &item) == 0)
		item++;
	return 0;
}

/* Items a second. */
static double receive_for(struct leat_rx *rx, int64_t ns)
{
	const int64_t from_ns = leat_now_ns();
	int64_t now_ns = from_ns;
	uint64_t item, n = 0;

	for (; now_ns - from_ns < ns; now_ns = leat_now_ns()) {
		for (int i = 0; i < CHECK_EVERY; i++)
			if (leat_recv(rx, &item) != 1)
				give_up("leat_recv", -EPIPE);
		n += CHECK_EVERY;
	}
	return (double)n * 1e9 / (double)(now_ns - from_ns);
}

static double measure_slice(struct leat_rx *rx, const struct looker *looker, bool looked_at)
{
	struct leat_diag *diag = looked_at ? begin_looking(looker) : NULL;
	double rate;

	receive_for(rx, SETTLE_NS);
	rate = receive_for(rx, LOOKS_NS);
	if (looked_at)
		end_looking(looker, diag);
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

/* Of so many slices in each state: items a second, looked at to not. */
static double measure_pair(struct leat_rx *rx, const struct looker *looker, int first, int slices)
{
	double sums[2] = { 0 };

	for (int k = 0; k < 2 * slices; k++) {
		const int looked_at = (first + k / 2 + k) % 2;

		sums[looked_at] += measure_slice(rx, looker, looked_at);
	}
	return sums[1] / sums[0];
}

static void run_pairs(struct leat_rx *rx, const struct looker *looker, int pairs, int slices)
{
	double sum = 0, squares = 0, mean, half;

	for (int i = 0; i < pairs; i++) {
		const double ratio = log(measure_pair(rx, looker, i % 2, slices));

		sum += ratio;
		squares += ratio * ratio;
	}
	mean = sum / pairs;
	half = t_of(pairs) * sqrt((squares / pairs - mean * mean) / (pairs - 1));
	printf("%.4f [%.4f, %.4f]\n", exp(mean), exp(mean - half), exp(mean + half));
}

static void ask(enum leat_kind kind, const char *name, int pairs, int slices)
{
	const struct looker looker = start_looker();
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = {
		.chan = { .name = "items", .kind = kind, .capacity = CAPACITY },
		.pin = LEAT_PIN(cpus[0])
	};
	struct leat_rx *rx;
	cpu_set_t own;
	int rc;

	CPU_ZERO(&own);
	CPU_SET(cpus[1], &own);
	sched_setaffinity(0, sizeof(own), &own);
	rc = leat_gen(scope, send_all, NULL, sizeof(uint64_t), &opts, &rx);
	if (rc != 0)
		give_up("leat_gen", rc);
	printf("%s, %d pairs of %d slices, looked at to not: ", name, pairs, slices);
	fflush(stdout);
	run_pairs(rx, &looker, pairs, slices);
	leat_rx_close(rx);
	leat_scope_close(scope);
	stop_looker(&looker);
}

int main(int argc, char **argv)
{
	int pairs = argc > 1 ? atoi(argv[1]) : 40;
	int slices = argc > 2 ? atoi(argv[2]) : 30;

	if (argc > 3 || pairs < 3 || slices < 1) {
		fputs("usage: perf_looking [PAIRS [SLICES]]: pairs from 3; slices of each state in "
		      "a pair, from 1\n",
		      stderr);
		return 2;
	}
	find_cpus();
	ask(LEAT_SPSC, "SPSC", pairs, slices);
	ask(LEAT_MPMC, "MPMC", pairs, slices);
	return 0;
}
