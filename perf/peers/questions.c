/*
 * perf/peers/questions.c: smaller questions, each a command of its own: what a publish costs while no thread sleeps;
 * what the machine leaves to a ring with turns; how long a start waits beside snapshots; how late a receiver is that
 * shares its core with threads that compute; what the idle heuristics of pools gain (docs/perf.md has the figures with
 * each of them switched off).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"
#include "perf/topics.h"

#include <leat/atomic.h>
#include <leat/diag.h>
#include <leat/leat.h>
#include <leat/ring/mpmc.h>

#ifdef LEAT_BENCH_CK_EC
#include <ck_ec.h>
#endif
#include <errno.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static double per(int64_t start_ns, unsigned operations)
{
	return (double)(bench_now_ns() - start_ns) / operations;
}

static void fail_if(bool failed)
{
	if (failed)
		bench_fail("a call failed, or an item is wrong");
}

/* The median, p99, p99.9 and the most. */
static void take_quantiles(double *sorted, unsigned count, double *values)
{
	bench_sort(sorted, count);
	values[0] = sorted[count / 2];
	values[1] = sorted[(size_t)count * 99 / 100];
	values[2] = sorted[(size_t)count * 999 / 1000];
	values[3] = sorted[count - 1];
}

/* Runs on the first core. */
static void run_pinned(part_fn *run, uint64_t n, double *values)
{
	struct thread thread = { .run = run, .part = { .pipe = values, .count = n } };

	threads_run(&thread, 1, NULL);
}

/* A publish: a counter is stored, and then what each way needs so that a sleeper would be woken. */

enum { PUBLISHES = 2000000 };
static uint64_t position __attribute__((aligned(APART)));
static uint32_t control __attribute__((aligned(APART)));
static unsigned woken; /* none, here */

#ifdef LEAT_BENCH_CK_EC
static struct ck_ec32 event_count __attribute__((aligned(APART)));

static int get_time(const struct ck_ec_ops *ops, struct timespec *now)
{
	(void)ops;
	return clock_gettime(CLOCK_MONOTONIC, now);
}

static void wait_never(const struct ck_ec_wait_state *state, const uint32_t *address, uint32_t expected,
		       const struct timespec *deadline)
{
	(void)state, (void)address, (void)expected, (void)deadline;
}

static void count_woken(const struct ck_ec_ops *ops, const uint32_t *address)
{
	(void)ops, (void)address;
	woken++;
}

static const struct ck_ec_ops ops = { .gettime = get_time, .wait32 = wait_never, .wake32 = count_woken };
static const struct ck_ec_mode one_publisher = { .ops = &ops, .single_producer = true };
static const struct ck_ec_mode many_publishers = { .ops = &ops, .single_producer = false };
#else
#define ck_ec32_inc(count, mode) (void)0
#endif

#define PUBLISH_AND(after) \
	for (uint64_t n = 1; n <= PUBLISHES; n++) { \
		leat_store_rel(&position, n); \
		after; \
	} \
	break
static void publish_pinned(struct part *part)
{
	int64_t start_ns = bench_now_ns();

	switch (part->count) {
	case 0:
		PUBLISH_AND((void)0);
	case 1:
		PUBLISH_AND(leat_fence_light(); if (leat_load_rlx(&control) & 1) woken++); /* rlx: no thread stores it */
	case 2:
		PUBLISH_AND(leat_fence_seq(); if (leat_load_rlx(&control) & 1) woken++); /* rlx: the same */
	case 3:
		PUBLISH_AND(ck_ec32_inc(&event_count, &one_publisher));
	default:
		PUBLISH_AND(ck_ec32_inc(&event_count, &many_publishers));
	}
	*(double *)part->pipe = per(start_ns, PUBLISHES);
	fail_if(woken != 0);
}

void question_publish(uint64_t n, double *values)
{
	run_pinned(publish_pinned, n, values);
}

/*
 * What the machine leaves to a ring with turns. One thread swaps a word, and fills and empties such a ring: what a push
 * takes above a swap is the ring's own. Then two threads send a word there on one line and back on another, bare, and
 * with what the ring does beside: the consumer marks the line that it read as free, and each swaps a position.
 */

enum { FLOOR_ROUND = 800, FLOOR_ROUNDS = 100, TRIPS = 20000, MARKS = 1, SWAPS = 2 };
static struct {
	uint64_t position __attribute__((aligned(APART)));
} own[2];
static struct line {
	uint64_t word, mark;
} there __attribute__((aligned(APART))), back __attribute__((aligned(APART)));

/* Of a value that is known to be there, as in the ring: a load before it would wait for the swap before that. */
static uint64_t swap(uint64_t *at, uint64_t old)
{
	fail_if(!leat_cas_acqrel(at, &old, old + 1)); /* for its price: it orders nothing here */
	return old + 1;
}

static void floor_pinned(struct part *part)
{
	const size_t bytes = leat_mpmc_bytes(sizeof(uint64_t), 1024);
	struct leat_mpmc *ring = bench_alloc(sizeof(*ring));
	struct leat_mpmc_cursor *sides = bench_alloc(2 * sizeof(*sides)), *tx = &sides[0], *rx = &sides[1];
	void *memory = bench_alloc(bytes);
	uint64_t now = own[0].position, item;
	int64_t taken_ns[3] = { 0 };

	leat_mpmc_init(ring, memory, sizeof(uint64_t), 1024, false, false);
	leat_mpmc_cursor_init(tx, ring);
	leat_mpmc_cursor_init(rx, ring);
	for (int r = 0; r < FLOOR_ROUNDS; r++) {
		taken_ns[0] -= bench_now_ns();
		for (unsigned n = 0; n < FLOOR_ROUND; n++)
			now = swap(&own[0].position, now);
		taken_ns[0] += bench_now_ns();
		taken_ns[1] -= bench_now_ns();
		for (uint64_t n = 0; n < FLOOR_ROUND; n++)
			fail_if(!leat_mpmc_push(ring, tx, &n, sizeof(n)));
		taken_ns[1] += bench_now_ns();
		taken_ns[2] -= bench_now_ns();
		for (uint64_t n = 0; n < FLOOR_ROUND; n++)
			fail_if(!leat_mpmc_pop(ring, rx, &item, sizeof(item)) || item != n);
		taken_ns[2] += bench_now_ns();
	}
	*(double *)part->pipe = (double)taken_ns[part->count] / FLOOR_ROUNDS / FLOOR_ROUND;
	free(memory), free(sides), free(ring);
}

void question_floor(uint64_t n, double *values)
{
	run_pinned(floor_pinned, n, values);
}

static inline void wait_for(struct line *line, uint64_t n, const struct part *part)
{
	while (leat_load_acq(&line->word) != n)
		;
	if (part->batch & MARKS)
		leat_store_rel(&line->mark, n);
	if (part->batch & SWAPS)
		swap(&own[part->number].position, own[part->number].position);
}

static void send_there(struct part *part)
{
	for (uint64_t n = 1; n <= TRIPS; n++) {
		leat_store_rel(&there.word, n);
		wait_for(&back, n, part);
	}
}

static void send_back(struct part *part)
{
	for (uint64_t n = 1; n <= TRIPS; n++) {
		wait_for(&there, n, part);
		leat_store_rel(&back.word, n);
	}
}

void question_trip(uint64_t n, double *values)
{
	struct thread threads[2] = {
		{ .run = send_there, .part = { .batch = (unsigned)n } },
		{ .run = send_back, .part = { .batch = (unsigned)n, .number = 1 }, .core = 1 },
	};

	there.word = back.word = 0;
	values[0] = (double)threads_run(threads, 2, NULL) / TRIPS;
}

/* How long does a start wait, while many generators of its scope live, and while a thread takes snapshots? */

enum { STARTS = 50000, IN_NEW_SCOPE = 1, BESIDE_SNAPSHOTS = 2 };
static struct leat_pool *pool;

static int one_for_ever(void *state, void *item)
{
	(void)state;
	*(uint64_t *)item = 1;
	return 1;
}

static struct leat_rx *start(struct leat_scope *scope, struct leat_seq seq, size_t capacity)
{
	struct leat_gen_opts opts = { .pool = pool, .chan.capacity = capacity };
	struct leat_rx *rx;

	fail_if(leat_gen_seq(scope, seq, &opts, &rx) < 0);
	return rx;
}

static double start_and_end(struct leat_scope *scope, bool new_scope)
{
	struct leat_scope *in = new_scope ? leat_scope_open(NULL, NULL) : scope;
	int64_t start_ns = bench_now_ns();
	struct leat_rx *rx = start(in, (struct leat_seq){ one_for_ever, NULL, NULL, sizeof(uint64_t) }, 1);
	double us = per(start_ns, 1000);

	leat_rx_close(rx);
	if (new_scope)
		leat_scope_close(in);
	return us;
}

static void ignore_snapshot(const struct leat_snapshot *snapshot, void *arg)
{
	(void)snapshot, (void)arg;
}

/* n is 4 and how, so that it is not 0. */
static void measure_starts(uint64_t n, uint64_t generators, double *values)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	double *us = bench_alloc(STARTS * sizeof(*us));
	struct leat_diag *diag = NULL;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 1 });
	for (uint64_t i = 0; i < generators; i++) /* the process ends with them */
		start(scope, (struct leat_seq){ one_for_ever, NULL, NULL, sizeof(uint64_t) }, 1);
	if (n & BESIDE_SNAPSHOTS)
		diag = leat_diag_start(&(struct leat_diag_opts){ .interval_ns = 1, .callback = ignore_snapshot });
	for (int i = 0; i < STARTS; i++)
		us[i] = start_and_end(scope, n & IN_NEW_SCOPE);
	fail_if((n & BESIDE_SNAPSHOTS) && leat_diag_stop(diag) < 0);
	take_quantiles(us, STARTS, values);
}

void question_starts(uint64_t n, double *values)
{
	measure_starts(n, 400000, values);
}

/*
 * How late is a receiver that shares its core with threads that compute? The sender waits until the receiver has said
 * that it is about to wait, and then for a time drawn between 50 and 250 microseconds. n is the receiver, in the tens
 * how many threads compute, and 100 for a deadline of a millisecond in place of an item.
 */

enum { ADAPTIVE, PARK, FUTEX, WAITS = 200, MS = 1000000 };
static struct leat_tx *late_tx;
static struct leat_rx *late_rx;
static uint32_t futex_word, waits, over;
static int64_t futex_sent_ns;
static double late_us[WAITS];

static void compute(struct part *part)
{
	(void)part;
	while (leat_load_rlx(&over) == 0) /* rlx: it ends soon enough */
		;
}

/* Returns false at the deadline. */
static bool futex_wait(int64_t deadline_ns)
{
	struct timespec until = { deadline_ns / 1000000000, deadline_ns % 1000000000 };
	struct timespec *timeout = deadline_ns == LEAT_NEVER ? NULL : &until;

	while (leat_load_acq(&futex_word) == 0)
		if (syscall(SYS_futex, &futex_word, FUTEX_WAIT_BITSET_PRIVATE, 0, timeout, NULL, FUTEX_BITSET_MATCH_ANY) < 0 &&
		    errno == ETIMEDOUT)
			return false;
	leat_store_rlx(&futex_word, 0); /* rlx: the sender loads only after the next wait has begun */
	return true;
}

static int64_t wait_once(unsigned receiver, int64_t deadline_ns)
{
	int64_t due_ns = deadline_ns;

	if (receiver == FUTEX) {
		if (futex_wait(deadline_ns))
			due_ns = futex_sent_ns;
	} else {
		ssize_t rc = leat_recv_until(late_rx, &due_ns, deadline_ns);

		fail_if(rc != (deadline_ns == LEAT_NEVER ? 1 : -ETIMEDOUT));
	}
	return due_ns;
}

static void receive_late(struct part *part)
{
	for (uint32_t i = 0; i < WAITS; i++) {
		int64_t deadline_ns = part->batch ? leat_now_ns() + MS : LEAT_NEVER;

		leat_store_rel(&waits, i + 1);
		deadline_ns = wait_once(part->number, deadline_ns);
		late_us[i] = (double)(leat_now_ns() - deadline_ns) * 1e-3;
	}
	leat_store_rel(&over, 1);
}

static void send_late(struct part *part)
{
	unsigned seed = 1;

	for (uint32_t i = 0; i < WAITS && !part->batch; i++) {
		int64_t at_ns;

		while (leat_load_acq(&waits) != i + 1)
			leat_pause();
		at_ns = leat_now_ns() + 50000 + rand_r(&seed) % 200000;
		while (leat_now_ns() < at_ns)
			leat_pause();
		at_ns = leat_now_ns();
		if (part->number != FUTEX) {
			leat_send(late_tx, &at_ns);
			continue;
		}
		futex_sent_ns = at_ns;
		leat_store_rel(&futex_word, 1);
		syscall(SYS_futex, &futex_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

void question_late(uint64_t n, double *values)
{
	const struct part part = { .number = (unsigned)(n % 10), .batch = n >= 100 };
	struct thread threads[2 + 9] = { { .run = receive_late, .part = part },
					 { .run = send_late, .part = part, .core = bench_cores_count > 1 } };
	struct leat_chan_opts opts = { .recv_wait = part.number == PARK ? LEAT_WAIT_PARK : LEAT_WAIT_ADAPTIVE };
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	unsigned busy = (unsigned)(n / 10 % 10);

	over = waits = futex_word = 0;
	fail_if(leat_chan_open(scope, sizeof(int64_t), &opts, &late_tx, &late_rx) != 0);
	for (unsigned i = 0; i < busy; i++)
		threads[2 + i].run = compute;
	threads_run(threads, 2 + busy, NULL);
	leat_tx_close(late_tx);
	leat_rx_close(late_rx);
	leat_scope_close(scope);
	take_quantiles(late_us, WAITS, values);
}

/* Pools of two workers; nanoseconds, and nanoseconds of CPU. */

enum { ITEMS = 1000000, LONE = 300, POOL_STARTS = 50000, TOGETHER = 8, BESIDE = 1000 };

static double cpu_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e9 +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e3;
}

static int count_down(void *state, void *item)
{
	uint64_t *left = state;

	if (*left == 0)
		return 0;
	*(uint64_t *)item = (*left)--;
	return 1;
}

static int add_one(void *state, void *item)
{
	struct leat_seq *in = state;
	int rc = in->next(in->state, item);

	*(uint64_t *)item += rc == 1;
	return rc;
}

static void end_input(void *state)
{
	struct leat_seq *in = state;

	in->fini(in->state);
}

static int add_up(void *state, const void *item)
{
	*(uint64_t *)state += *(const uint64_t *)item;
	return 0;
}

static unsigned run_pipeline(struct leat_scope *scope)
{
	struct leat_gen_opts opts = { .pool = pool };
	uint64_t left = ITEMS, sum = 0;
	struct leat_seq in = leat_seq_from_rx(start(scope, (struct leat_seq){ count_down, NULL, &left, sizeof(left) }, 64));
	struct leat_rx *rx = start(scope, (struct leat_seq){ add_one, end_input, &in, sizeof(left) }, 64);

	fail_if(leat_gen_sink(scope, rx, (struct leat_sink){ add_up, NULL, &sum }, &opts) < 0 || leat_scope_join(scope) < 0);
	return ITEMS;
}

static double lone_ns[LONE];
static unsigned lone_count;

static int take_time(void *state, const void *item)
{
	(void)state;
	lone_ns[lone_count++] = (double)(leat_now_ns() - *(const int64_t *)item);
	return 0;
}

static void send_lone_items(struct leat_scope *scope, double *values)
{
	struct leat_gen_opts opts = { .pool = pool };
	int64_t first_ns = leat_now_ns();
	struct leat_tx *tx;
	struct leat_rx *rx;

	lone_count = 0;
	fail_if(leat_chan_open(scope, sizeof(int64_t), NULL, &tx, &rx) < 0 ||
		leat_gen_sink(scope, rx, (struct leat_sink){ take_time, NULL, NULL }, &opts) < 0);
	for (int64_t i = 0; i < LONE; i++) {
		int64_t due_ns = first_ns + i * MS, now_ns;
		struct timespec due = { due_ns / 1000000000, due_ns % 1000000000 };

		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
		now_ns = leat_now_ns();
		fail_if(leat_send(tx, &now_ns) < 0);
	}
	leat_tx_close(tx);
	fail_if(leat_scope_join(scope) < 0);
	take_quantiles(lone_ns, lone_count, values);
}

static void work_for(int64_t ns)
{
	for (int64_t end_ns = leat_now_ns() + ns; leat_now_ns() < end_ns;)
		;
}

static int count_down_slowly(void *state, void *item)
{
	if (*(uint64_t *)state > 0)
		work_for(20000);
	return count_down(state, item);
}

/* Starts so many before it receives from them; work_ns: then works for as long itself. */
static unsigned start_and_receive(struct leat_scope *scope, unsigned starts, unsigned together, int64_t work_ns)
{
	for (unsigned n = 0; n < starts; n += together) {
		struct leat_rx *rx[TOGETHER];
		uint64_t left[TOGETHER], item;

		for (unsigned i = 0; i < together; i++) {
			left[i] = 1;
			rx[i] = start(scope, (struct leat_seq){ work_ns > 0 ? count_down_slowly : count_down, NULL, &left[i],
								sizeof(left[i]) }, 1);
		}
		work_for(work_ns);
		for (unsigned i = 0; i < together; i++) {
			while (leat_recv(rx[i], &item) == 1)
				;
			leat_rx_close(rx[i]);
		}
	}
	return starts;
}

void question_pool(uint64_t n, double *values)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	double cpu = cpu_ns();
	int64_t start_ns = leat_now_ns();
	unsigned operations = 0;

	pool = leat_pool_open(&(struct leat_pool_opts){ .workers = 2 });
	fail_if(scope == NULL || pool == NULL);
	if (n == 1)
		operations = run_pipeline(scope);
	else if (n == 2)
		send_lone_items(scope, values);
	else
		operations = n == 3   ? start_and_receive(scope, POOL_STARTS, 1, 0)
			     : n == 4 ? start_and_receive(scope, POOL_STARTS, TOGETHER, 0)
				      : start_and_receive(scope, BESIDE, 1, 20000);
	if (operations > 0) {
		values[0] = per(start_ns, operations);
		values[1] = (cpu_ns() - cpu) / operations;
	}
	leat_scope_close(scope);
	fail_if(leat_pool_close(pool) < 0);
}
