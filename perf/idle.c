/*
 * perf/idle.c: what waiting costs: for each contestant a receiver at an empty pipe and a sender at a full one, all at
 * once, while the clock of each thread's CPU is read before and after a sleep of two seconds. Go's program is asked after
 * that, and answers for all of its threads.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/bench.h"

#include <pthread.h>
#include <stdlib.h>

/* Items that are sent to the full one: more than any of them holds (a pipe holds a page). */
enum { SECONDS = 2, SETTLE_MS = 100, CAPACITY = 64, ITEMS = 8192, SIDES = 2 };

struct idler {
	const struct contestant *contestant;
	void *pipe[SIDES]; /* empty, full */
	pthread_t thread[SIDES];
	struct part part[SIDES];
	double before_ms;
};

static void *receives(void *arg)
{
	struct idler *idler = arg;

	idler->contestant->consume[CALLS_BLOCKING](&idler->part[0]);
	return NULL;
}

static void *sends(void *arg)
{
	struct idler *idler = arg;

	idler->contestant->produce[CALLS_BLOCKING](&idler->part[1]);
	return NULL;
}

static double used_ms(const struct idler *idler)
{
	double ms = 0;

	for (int side = 0; side < SIDES && idler->contestant != NULL; side++) {
		struct timespec used;
		clockid_t clock;

		if (pthread_getcpuclockid(idler->thread[side], &clock) == 0 && clock_gettime(clock, &used) == 0)
			ms += (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
	}
	return ms;
}

static void begin(struct idler *idler, const struct contestant *contestant)
{
	const struct shape shape = { KIND_SPSC, CAPACITY, 1, 1 };

	idler->contestant = contestant;
	for (int side = 0; side < SIDES; side++) {
		idler->pipe[side] = contestant->open(&shape);
		idler->part[side] =
			(struct part){ .pipe = idler->pipe[side], .count = side == 0 ? 1 : ITEMS, .alone = true };
		if (pthread_create(&idler->thread[side], NULL, side == 0 ? receives : sends, idler) != 0)
			bench_fail("cannot start a thread");
	}
}

/* Gives each what it waits for. */
static void end(struct idler *idler)
{
	struct part one = { .pipe = idler->pipe[0], .count = 1, .alone = true };
	struct part all = { .pipe = idler->pipe[1], .count = ITEMS, .alone = true };

	idler->contestant->produce[CALLS_BLOCKING](&one);
	idler->contestant->consume[CALLS_BLOCKING](&all);
	for (int side = 0; side < SIDES; side++) {
		pthread_join(idler->thread[side], NULL);
		idler->contestant->close(idler->pipe[side]);
	}
	if (all.wrong || all.got != ITEMS || idler->part[0].wrong)
		bench_fail("an item is lost or changed");
}

static void sleep_ms(int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

static void answer(struct result *r, double ms)
{
	r->ns[0] = r->median = r->p5 = r->p95 = ms;
	r->taken = r->kept = 1;
}

void idle_measure(struct result *results, size_t count)
{
	struct idler *idlers = bench_alloc(count * sizeof(*idlers));

	for (size_t i = 0; i < count; i++)
		if (!results[i].contestant->remote)
			begin(&idlers[i], results[i].contestant);
	sleep_ms(SETTLE_MS);
	for (size_t i = 0; i < count; i++)
		idlers[i].before_ms = used_ms(&idlers[i]);
	sleep_ms(SECONDS * 1000);
	for (size_t i = 0; i < count; i++)
		if (!results[i].contestant->remote)
			answer(&results[i], (used_ms(&idlers[i]) - idlers[i].before_ms) / SECONDS);
	for (size_t i = 0; i < count; i++)
		if (idlers[i].contestant != NULL)
			end(&idlers[i]);
	for (size_t i = 0; i < count; i++)
		if (results[i].contestant->remote)
			answer(&results[i], remote_idle(results[i].contestant, SECONDS));
	free(idlers);
}
