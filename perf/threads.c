/* SPDX-License-Identifier: BSD-2-Clause */
#define _GNU_SOURCE
#include "perf/bench.h"
#include "perf/topics.h"

#include <leat/atomic.h>

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* A sample takes milliseconds. One that takes this long has lost an item, and waits for it. */
enum { STUCK_S = 60 };
/* One that takes this long is given up, if its loops look. */
enum { PATIENCE_S = 1 };

uint32_t bench_stop __attribute__((aligned(APART)));

int bench_cores[CORES_MAX];
unsigned bench_cores_count;

static struct {
	uint32_t missing __attribute__((aligned(APART)));
	uint32_t go __attribute__((aligned(APART)));
	struct finish *finish __attribute__((aligned(APART)));
} gate;

void threads_cores_init(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		bench_fail("cannot ask for the processors");
	for (int cpu = 0; cpu < CPU_SETSIZE && bench_cores_count < CORES_MAX; cpu++)
		if (CPU_ISSET(cpu, &set))
			bench_cores[bench_cores_count++] = cpu;
}

static void keep_cores(unsigned count)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = 0; i < count; i++)
		CPU_SET(bench_cores[i], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void threads_cores_keep(void)
{
	keep_cores(bench_cores_count);
}

void bench_one_core(void)
{
	keep_cores(1);
}

int threads_core(enum place place, bool producer, unsigned i)
{
	unsigned n = bench_cores_count;

	if (place == PLACE_FREE)
		return -1;
	if (place == PLACE_SAME)
		return 0;
	return (int)(producer ? i % n : (n > 1 ? (i + 1) % n : 0));
}

static int64_t cpu_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static void *thread_main(void *arg)
{
	struct thread *thread = arg;
	int64_t before_ns;

	if (leat_add_acqrel(&gate.missing, UINT32_MAX) == 1) /* the last one */
		leat_store_rel(&gate.go, 1u);
	for (unsigned tries = 0; leat_load_acq(&gate.go) == 0; tries++) {
		leat_pause();
		if (thread->part.shares && tries % 64 == 63)
			sched_yield();
	}
	before_ns = cpu_ns();
	thread->started_ns = bench_now_ns();
	thread->run(&thread->part);
	thread->over_ns = bench_now_ns();
	thread->lost_ns = thread->over_ns - thread->started_ns - (cpu_ns() - before_ns);
	if (gate.finish != NULL && thread->part.finish == NULL)
		leat_add_acqrel(&gate.finish->producing, UINT64_MAX);
	return NULL;
}

static void start(struct thread *thread, pthread_t *posix)
{
	pthread_attr_t attr;
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = 0; i < bench_cores_count; i++)
		if (thread->core < 0 || (unsigned)thread->core == i)
			CPU_SET(bench_cores[i], &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	if (pthread_create(posix, &attr, thread_main, thread) != 0)
		bench_fail("cannot start a thread");
	pthread_attr_destroy(&attr);
}

static bool ends_within(pthread_t posix, int seconds)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += seconds;
	return pthread_timedjoin_np(posix, NULL, &deadline) == 0;
}

int64_t threads_run(struct thread *threads, unsigned count, struct finish *finish)
{
	pthread_t posix[THREADS_MAX];
	int64_t first_ns = INT64_MAX, last_ns = 0;

	gate.missing = count;
	gate.go = 0;
	gate.finish = finish;
	leat_store_rel(&bench_stop, 0u);
	for (unsigned i = 0; i < count; i++)
		start(&threads[i], &posix[i]);
	for (unsigned i = 0; i < count; i++) {
		if (!ends_within(posix[i], PATIENCE_S)) {
			leat_store_rel(&bench_stop, 1u);
			if (!ends_within(posix[i], STUCK_S))
				bench_fail("stuck: an item is lost, or a wake-up is");
		}
		if (threads[i].started_ns < first_ns)
			first_ns = threads[i].started_ns;
		if (threads[i].over_ns > last_ns)
			last_ns = threads[i].over_ns;
	}
	return last_ns - first_ns;
}

bool finished(struct finish *finish, unsigned consumer, uint64_t got)
{
	uint64_t sum = 0;

	if (leat_load_acq(&finish->producing) != 0)
		return false;
	leat_store_rel(&finish->got[consumer].items, got);
	for (unsigned i = 0; i < finish->consumers; i++)
		sum += leat_load_acq(&finish->got[i].items);
	return sum >= finish->total;
}

void *bench_alloc(size_t size)
{
	size_t whole = (size + APART - 1) / APART * APART;
	void *memory = aligned_alloc(APART, whole);

	if (memory == NULL)
		bench_fail("no memory");
	memset(memory, 0, whole);
	return memory;
}
