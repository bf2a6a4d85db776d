/*
 * What does the machine leave to a ring with turns? One thread alone swaps a word, and fills and empties such a ring in
 * turns: what a push takes above a swap is the ring's own, and no other core has part in it. Then two threads send a word
 * there on one line and back on another, bare, and with what the ring does beside that: the consumer marks the line that it
 * read as free, and each swaps a position.
 *
 * The contestants take turns; medians of the samples, with the fifth and the ninety-fifth percentile.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "samples.h"

#include <leat/atomic.h>
#include <leat/base.h>
#include <leat/ring/mpmc.h>

#include <pthread.h>

enum { SAMPLES = 101, CAPACITY = 1024, ROUND = 800, TRIPS = 20000, FIRST_TRIPS = 2000 };
enum { MARKS = 1, SWAPS = 2 };

static struct leat_mpmc ring;
static struct leat_mpmc_cursor tx, rx;
static struct line {
	uint64_t word, mark;
} there __attribute__((aligned(128))), back __attribute__((aligned(128)));
static struct {
	uint64_t position __attribute__((aligned(128)));
} own[2];

/* Of what is known to be there, as in the ring: a load before it would wait for the swap before that. */
static uint64_t swap(uint64_t *position, uint64_t old)
{
	if (!leat_cas_acqrel(position, &old, old + 1)) /* for its price: it orders nothing here */
		abort();
	return old + 1;
}

static __attribute__((noinline)) void swaps(void)
{
	uint64_t now = own[0].position;

	for (unsigned n = 0; n < ROUND; n++)
		now = swap(&own[0].position, now);
}

static __attribute__((noinline)) void pushes(void)
{
	for (uint64_t n = 0; n < ROUND; n++)
		if (!leat_mpmc_push(&ring, &tx, &n, sizeof(n)))
			abort();
}

static __attribute__((noinline)) void pops(void)
{
	uint64_t item;

	for (uint64_t n = 0; n < ROUND; n++)
		if (!leat_mpmc_pop(&ring, &rx, &item, sizeof(item)) || item != n)
			abort();
}

static inline void wait_for(struct line *line, uint64_t n, unsigned who, unsigned how)
{
	while (leat_load_acq(&line->word) != n)
		;
	if (how & MARKS)
		leat_store_rel(&line->mark, n);
	if (how & SWAPS)
		swap(&own[who].position, own[who].position);
}

static void *answer(void *how)
{
	pin(1);
	for (uint64_t n = 1; n <= TRIPS; n++) {
		wait_for(&there, n, 1, *(unsigned *)how);
		leat_store_rel(&back.word, n);
	}
	return NULL;
}

static double round_trip(unsigned how)
{
	int64_t start_ns = 0;
	pthread_t thread;

	there.word = back.word = 0;
	if (pthread_create(&thread, NULL, answer, &how) != 0)
		abort();
	for (uint64_t n = 1; n <= TRIPS; n++) {
		if (n == FIRST_TRIPS)
			start_ns = leat_now_ns();
		leat_store_rel(&there.word, n);
		wait_for(&back, n, 0, how);
	}
	start_ns = leat_now_ns() - start_ns;
	pthread_join(thread, NULL);
	return (double)start_ns / (TRIPS - FIRST_TRIPS);
}

static double time_of(void (*run)(void))
{
	int64_t start_ns = leat_now_ns();

	run();
	return (double)(leat_now_ns() - start_ns) / ROUND;
}

int main(void)
{
	static const char *const names[] = {
		"one thread: a swap", "one thread: a push", "one thread: a pop",
		"two lines, there and back", "and a mark in the line that came", "and a swap", "and both",
	};
	enum { QUESTIONS = sizeof(names) / sizeof(names[0]) };
	static double ns[QUESTIONS][SAMPLES];
	void *memory = aligned_alloc(128, (leat_mpmc_bytes(sizeof(uint64_t), CAPACITY) + 127) / 128 * 128);

	if (memory == NULL)
		return 1;
	memset(memory, 0, leat_mpmc_bytes(sizeof(uint64_t), CAPACITY));
	leat_mpmc_init(&ring, memory, sizeof(uint64_t), CAPACITY, false, false);
	leat_mpmc_cursor_init(&tx, &ring);
	leat_mpmc_cursor_init(&rx, &ring);
	pin(0);
	for (int s = 0; s < SAMPLES; s++) {
		ns[0][s] = time_of(swaps);
		ns[1][s] = time_of(pushes);
		ns[2][s] = time_of(pops);
		for (unsigned how = 0; how <= (MARKS | SWAPS); how++)
			ns[3 + how][s] = round_trip(how);
	}
	print_head("ns");
	for (int q = 0; q < QUESTIONS; q++)
		print_samples(names[q], ns[q], SAMPLES);
	free(memory);
	return 0;
}
