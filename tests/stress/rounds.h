/*
 * tests/stress/rounds.h: for programs with rounds of their own, which no struct stress describes.
 * If a round fails or hangs, the program prints its first fault, the seed and the round, and exits
 * with 1.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_STRESS_ROUNDS_H
#define LEAT_STRESS_ROUNDS_H

#include "stress.h"

static struct {
	const char *name;
	uint64_t seed, number;
	uint32_t faults;
	char fault[128];
} rounds;

static void blame(const char *what, long n)
{
	if (leat_add_acqrel(&rounds.faults, 1u) == 0)
		snprintf(rounds.fault, sizeof(rounds.fault), "%s %ld", what, n);
}

static void rounds_hung(int number)
{
	(void)number;
	fprintf(stderr, "%s: HUNG: seed %" PRIu64 " round %" PRIu64 "\n", rounds.name, rounds.seed,
	        rounds.number);
	_exit(1);
}

/*
 * run() does one round and returns how many things it started; `started` is their name. This
 * returns what main() is to return.
 */
static int rounds_main(const char *name, uint64_t (*run)(uint64_t *random), const char *started,
                       int argc, char **argv)
{
	int64_t seconds = argc > 1 ? atoll(argv[1]) : 3,
		end_ns = leat_now_ns() + seconds * INT64_C(1000000000);
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0)
	                         : (uint64_t)leat_now_ns() ^ ((uint64_t)getpid() << 32);
	uint64_t random = seed, starts = 0;

	(void)stress_main;
	rounds.name = name;
	rounds.seed = seed;
	printf("%s: seed %" PRIu64 "\n", name, seed);
	fflush(stdout);
	signal(SIGALRM, rounds_hung);
	while (leat_now_ns() < end_ns) {
		alarm(8);
		starts += run(&random);
		if (rounds.faults != 0) {
			fprintf(stderr, "%s: FAILED: seed %" PRIu64 " round %" PRIu64 ": %s\n",
			        name, seed, rounds.number, rounds.fault);
			return 1;
		}
		rounds.number++;
	}
	printf("%s: %" PRIu64 " rounds, %" PRIu64 " %s\n", name, rounds.number, starts, started);
	return 0;
}

#endif
