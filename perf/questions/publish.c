/*
 * What does it cost to publish while nobody sleeps? leat's event against Concurrency Kit's event count (ck_ec), which is the
 * way not taken: one thread publishes a counter and does what each needs so that a sleeper would be woken.
 *
 * The contestants take turns; medians of the samples, with the fifth and the ninety-fifth percentile.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "samples.h"

#include <leat/atomic.h>
#include <leat/base.h>

#include <ck_ec.h>
#include <time.h>

enum { SAMPLES = 31, PUBLISHES = 2000000 };

static uint64_t position __attribute__((aligned(128)));
static uint32_t control __attribute__((aligned(128)));
static struct ck_ec32 count __attribute__((aligned(128)));
static unsigned sleepers; /* whom a publish found: nobody, here */

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

static void wake_nobody(const struct ck_ec_ops *ops, const uint32_t *address)
{
	(void)ops, (void)address;
	sleepers++;
}

static const struct ck_ec_ops ops = { .gettime = get_time, .wait32 = wait_never, .wake32 = wake_nobody };
static const struct ck_ec_mode one_publisher = { .ops = &ops, .single_producer = true };
static const struct ck_ec_mode many_publishers = { .ops = &ops, .single_producer = false };

#define LOOP(name, after) \
	static __attribute__((noinline)) void name(void) \
	{ \
		for (uint64_t n = 1; n <= PUBLISHES; n++) { \
			leat_store_rel(&position, n); \
			after; \
		} \
	}
LOOP(store_alone, (void)0)
LOOP(event, leat_fence_light(); if (leat_load_rlx(&control) & 1) sleepers++)
LOOP(event_fenced, leat_fence_seq(); if (leat_load_rlx(&control) & 1) sleepers++)
LOOP(ec_one, ck_ec32_inc(&count, &one_publisher))
LOOP(ec_many, ck_ec32_inc(&count, &many_publishers))

static const struct {
	const char *name;
	void (*run)(void);
} contestants[] = {
	{ "a store with release, and nothing more", store_alone },
	{ "leat's event (the waiter pays, by membarrier)", event },
	{ "leat's event, full_fence", event_fenced },
	{ "ck_ec, one publisher", ec_one },
	{ "ck_ec, many publishers", ec_many },
};
enum { CONTESTANTS = sizeof(contestants) / sizeof(contestants[0]) };

int main(void)
{
	static double ns[CONTESTANTS][SAMPLES];

	pin(0);
	ck_ec32_init(&count, 0);
	for (int s = 0; s < SAMPLES; s++)
		for (int c = 0; c < CONTESTANTS; c++) {
			int who = (c + s) % CONTESTANTS;
			int64_t start_ns = leat_now_ns();

			contestants[who].run();
			ns[who][s] = (double)(leat_now_ns() - start_ns) / PUBLISHES;
		}
	print_head("one publish while nobody sleeps, ns");
	for (int c = 0; c < CONTESTANTS; c++)
		print_samples(contestants[c].name, ns[c], SAMPLES);
	return sleepers == 0 ? 0 : 1;
}
