/*
 * What does it cost to wait for several things? leat_select() beside the plain receive and beside Go's select, which
 * leat-bench-go runs where it was built (it must stand beside this program); and a merge of few lanes beside one of many of
 * which few are busy.
 *
 * The contestants of a question take turns; medians of the samples in nanoseconds an item, with the fifth and the
 * ninety-fifth percentile. Each item is counted.
 *
 *     perf_select [SAMPLES]
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include <leat/leat.h>

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHANS = 8, CAPACITY = 1024, OPERATIONS = 400000, LANES = 10000, BUSY = 10, SAMPLES_MAX = 101 };

static struct leat_scope *scope;
static struct leat_tx *tx[LANES];
static struct leat_rx *rx[LANES];
static FILE *questions, *answers;

static void expect(bool right, const char *what)
{
	if (right)
		return;
	fprintf(stderr, "perf_select: %s\n", what);
	exit(1);
}

static void open_chans(int n)
{
	scope = leat_scope_open(NULL, NULL);
	for (int i = 0; i < n; i++)
		expect(leat_chan_open(scope, sizeof(uint64_t), &(struct leat_chan_opts){ .capacity = CAPACITY }, &tx[i],
				      &rx[i]) == 0,
		       "no channel");
}

static void close_chans(int n)
{
	for (int i = 0; i < n; i++) {
		leat_tx_close(tx[i]);
		leat_rx_close(rx[i]);
	}
	leat_scope_close(scope);
}

/* One thread: an item is sent and taken at once. */

static double lone_receive(void)
{
	uint64_t item = 0, sum = 0;
	int64_t start_ns, took_ns;

	open_chans(1);
	start_ns = leat_now_ns();
	for (uint64_t n = 1; n <= OPERATIONS; n++) {
		leat_send(tx[0], &n);
		leat_recv(rx[0], &item);
		sum += item;
	}
	took_ns = leat_now_ns() - start_ns;
	expect(sum == (uint64_t)OPERATIONS * (OPERATIONS + 1) / 2, "an item is wrong");
	close_chans(1);
	return (double)took_ns / OPERATIONS;
}

static uint64_t select_all(size_t n, uint64_t operations, bool sends)
{
	struct leat_case cases[CHANS];
	uint64_t item, sum = 0, last[CHANS] = { 0 };

	for (size_t i = 0; i < n; i++)
		cases[i] = (struct leat_case)LEAT_CASE_RECV(rx[i], &item);
	for (uint64_t k = 1; k <= operations; k++) {
		int which;

		if (sends)
			leat_send(tx[k % n], &k);
		which = leat_select(cases, n, LEAT_NEVER, LEAT_BY_CHANCE);
		expect(which >= 0 && cases[which].answer == 1 && item > last[which], "an item is lost, or out of order");
		last[which] = item;
		sum += item;
	}
	return sum;
}

static double lone_select(size_t n)
{
	int64_t start_ns;
	uint64_t sum;

	open_chans((int)n);
	start_ns = leat_now_ns();
	sum = select_all(n, OPERATIONS, true);
	start_ns = leat_now_ns() - start_ns;
	expect(sum == (uint64_t)OPERATIONS * (OPERATIONS + 1) / 2, "an item is wrong");
	close_chans((int)n);
	return (double)start_ns / OPERATIONS;
}

static double lone_select_1(void)
{
	return lone_select(1);
}

static double lone_select_8(void)
{
	return lone_select(CHANS);
}

/* Producers on threads of their own. */

static unsigned producers;
static pthread_barrier_t together;

/* As leat-bench-go's do: item n goes to channel n - 1. */
static void *produce(void *arg)
{
	uint64_t first = (uint64_t)(uintptr_t)arg;

	pthread_barrier_wait(&together);
	for (uint64_t n = first; n <= OPERATIONS; n += producers)
		leat_send(tx[(n - 1) % CHANS], &n);
	return NULL;
}

static double select_from(unsigned n)
{
	pthread_t threads[CHANS];
	int64_t start_ns;
	uint64_t sum;

	producers = n;
	open_chans(CHANS);
	pthread_barrier_init(&together, NULL, n + 1);
	for (uintptr_t i = 0; i < n; i++)
		expect(pthread_create(&threads[i], NULL, produce, (void *)(i + 1)) == 0, "no thread");
	pthread_barrier_wait(&together);
	start_ns = leat_now_ns();
	sum = select_all(CHANS, OPERATIONS, false);
	start_ns = leat_now_ns() - start_ns;
	for (unsigned i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	expect(sum == (uint64_t)OPERATIONS * (OPERATIONS + 1) / 2, "an item is wrong");
	pthread_barrier_destroy(&together);
	close_chans(CHANS);
	return (double)start_ns / OPERATIONS;
}

static double select_from_1(void)
{
	return select_from(1);
}

static double select_from_8(void)
{
	return select_from(CHANS);
}

/* Merges: the busy lanes are fed by one thread in turn, or by the merging thread itself. */

static struct leat_merge *merge_open(int lanes)
{
	struct leat_merge *merge = leat_merge_open(sizeof(uint64_t));
	uint64_t item;

	open_chans(lanes);
	for (int i = 0; i < lanes; i++) {
		expect(leat_merge_add(merge, rx[i], NULL) == 0, "no lane");
		rx[i] = NULL;
	}
	expect(leat_merge_recv_until(merge, &item, NULL, leat_now_ns() + 20000000) == -ETIMEDOUT, "an item from nowhere");
	return merge;
}

/* Which channels are busy: the first, or one in so many. */
static struct leat_tx *busy[BUSY];

static void choose_busy(int lanes)
{
	for (int i = 0; i < BUSY; i++)
		busy[i] = tx[i * (lanes / BUSY)];
}

static void *feed_busy(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&together);
	for (uint64_t n = 1; n <= OPERATIONS; n++)
		leat_send(busy[n % BUSY], &n);
	return NULL;
}

static double merge_of(int lanes)
{
	struct leat_merge *merge = merge_open(lanes);
	uint64_t item, sum = 0;
	pthread_t thread;
	int64_t start_ns;

	choose_busy(lanes);
	pthread_barrier_init(&together, NULL, 2);
	expect(pthread_create(&thread, NULL, feed_busy, NULL) == 0, "no thread");
	pthread_barrier_wait(&together);
	start_ns = leat_now_ns();
	for (uint64_t n = 1; n <= OPERATIONS; n++) {
		expect(leat_merge_recv(merge, &item, NULL) == 1, "an item is lost");
		sum += item;
	}
	start_ns = leat_now_ns() - start_ns;
	pthread_join(thread, NULL);
	expect(sum == (uint64_t)OPERATIONS * (OPERATIONS + 1) / 2, "an item is wrong");
	leat_merge_close(merge);
	close_chans(lanes);
	return (double)start_ns / OPERATIONS;
}

/* One item to each busy lane, then as many taken. */
static double lone_merge_of(int lanes)
{
	struct leat_merge *merge = merge_open(lanes);
	uint64_t item, sum = 0;
	int64_t start_ns;

	choose_busy(lanes);
	start_ns = leat_now_ns();
	for (uint64_t n = 1; n <= OPERATIONS;) {
		for (int i = 0; i < BUSY; i++, n++)
			leat_send(busy[i], &n);
		for (int i = 0; i < BUSY; i++) {
			expect(leat_merge_recv(merge, &item, NULL) == 1, "an item is lost");
			sum += item;
		}
	}
	start_ns = leat_now_ns() - start_ns;
	expect(sum == (uint64_t)OPERATIONS * (OPERATIONS + 1) / 2, "an item is wrong");
	leat_merge_close(merge);
	close_chans(lanes);
	return (double)start_ns / OPERATIONS;
}

/* Each item to a lane that has stood armed for long. */
static double sleeping_merge_of(int lanes)
{
	struct leat_merge *merge = merge_open(lanes);
	uint64_t item, sum = 0;
	int64_t start_ns;

	start_ns = leat_now_ns();
	for (uint64_t n = 1; n <= OPERATIONS; n++) {
		leat_send(tx[n * 7919 % (unsigned)lanes], &n);
		expect(leat_merge_recv(merge, &item, NULL) == 1, "an item is lost");
		sum += item;
	}
	start_ns = leat_now_ns() - start_ns;
	expect(sum == (uint64_t)OPERATIONS * (OPERATIONS + 1) / 2, "an item is wrong");
	leat_merge_close(merge);
	close_chans(lanes);
	return (double)start_ns / OPERATIONS;
}

static double sleeping_merge_few(void)
{
	return sleeping_merge_of(100);
}

static double sleeping_merge_many(void)
{
	return sleeping_merge_of(LANES);
}

static double merge_few(void)
{
	return merge_of(BUSY);
}

static double merge_many(void)
{
	return merge_of(LANES);
}

static double lone_merge_few(void)
{
	return lone_merge_of(BUSY);
}

static double lone_merge_many(void)
{
	return lone_merge_of(LANES);
}

/* Go */

static void start_go(void)
{
	char self[PATH_MAX - 32], path[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	int in[2], out[2];

	if (len <= 0)
		return;
	self[len] = '\0';
	snprintf(path, sizeof(path), "%s/leat-bench-go", dirname(self));
	if (access(path, X_OK) != 0 || pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0)
		return;
	signal(SIGPIPE, SIG_IGN);
	if (fork() == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl(path, "leat-bench-go", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	questions = fdopen(in[1], "w");
	answers = fdopen(out[0], "r");
}

static double ask_go(unsigned n)
{
	char line[100];

	fprintf(questions, "4 8 %u 1 %d %d 0 0 1\n", n, CAPACITY, OPERATIONS);
	fflush(questions);
	expect(fgets(line, sizeof(line), answers) != NULL && strncmp(line, "wrong", 5) != 0, "Go's answer is wrong");
	return strtod(line, NULL);
}

static double go_lone(void)
{
	return ask_go(0);
}

static double go_from_1(void)
{
	return ask_go(1);
}

static double go_from_8(void)
{
	return ask_go(CHANS);
}

static const struct question {
	const char *what;
	struct {
		const char *name;
		double (*sample)(void);
		bool go;
	} contestants[4];
} all[] = {
	{ "one thread: an item sent, then received",
	  { { "leat_recv", lone_receive, false },
	    { "leat_select, 1 case", lone_select_1, false },
	    { "leat_select, 8 cases", lone_select_8, false },
	    { "Go's select, 8 cases", go_lone, true } } },
	{ "8 channels, a producer for each, one who selects",
	  { { "leat_select", select_from_8, false }, { "Go's select", go_from_8, true } } },
	{ "8 channels, one producer in turn, one who selects",
	  { { "leat_select", select_from_1, false }, { "Go's select", go_from_1, true } } },
	{ "a merge, 10 busy lanes, one producer in turn",
	  { { "of 10", merge_few, false }, { "of 10,000", merge_many, false } } },
	{ "a merge, 10 busy lanes, one thread for both",
	  { { "of 10", lone_merge_few, false }, { "of 10,000", lone_merge_many, false } } },
	{ "a merge, each item to a lane that slept, one thread",
	  { { "of 100", sleeping_merge_few, false }, { "of 10,000", sleeping_merge_many, false } } },
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void answer(const struct question *q, int samples)
{
	static double ns[4][SAMPLES_MAX];

	for (int s = 0; s < samples; s++)
		for (int i = 0; i < 4; i++) {
			int who = (i + s) % 4;

			if (q->contestants[who].name != NULL && (!q->contestants[who].go || answers != NULL))
				ns[who][s] = q->contestants[who].sample();
		}
	printf("%-52s %8s %8s %8s\n", q->what, "ns", "p5", "p95");
	for (int i = 0; i < 4 && q->contestants[i].name != NULL; i++) {
		if (q->contestants[i].go && answers == NULL)
			continue;
		qsort(ns[i], (size_t)samples, sizeof(ns[i][0]), by_value);
		printf("    %-48s %8.1f %8.1f %8.1f\n", q->contestants[i].name, ns[i][samples / 2], ns[i][samples / 20],
		       ns[i][samples - 1 - samples / 20]);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int samples = argc > 1 ? atoi(argv[1]) : 21;

	expect(samples > 0 && samples <= SAMPLES_MAX, "1 to 101 samples");
	start_go();
	if (answers == NULL)
		fputs("perf_select: leat-bench-go is not there, so Go is left out\n", stderr);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		answer(&all[i], samples);
	return 0;
}
