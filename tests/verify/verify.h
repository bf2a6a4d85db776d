/*
 * tests/verify/verify.h: what a model is written with.
 *
 * A model is a function that runs as the first thread of an execution. It makes the objects, spawns
 * the other threads, waits for them and says what must hold. The engine executes it once for each
 * interleaving, from the same initial state (globals included). Which thread goes on, what a load
 * reads and when a sleep ends are choices of the scheduler.
 *
 *     MODEL(spsc_push_pop, .what = "...", .preemptions = 2)
 *     {
 *             verify_spawn(producer, NULL, "producer");
 *             verify_join();
 *             verify_that(sum == 3);
 *     }
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_VERIFY_VERIFY_H
#define LEAT_TESTS_VERIFY_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verify_model {
	const char *name, *what, *file;
	void (*run)(void);
	/* The bounds within which a depth-first search must be exhausted; 0 means the default. */
	unsigned preemptions; /* switches away from a thread that could go on; default 2 */
	unsigned quick;       /* the same for a short run (--quick); default: preemptions */
	/* preemptions and stale loads together, in a short run; default: no bound */
	unsigned quick_both;
	unsigned stale;   /* loads that read an older value; default 2; VERIFY_NO_BOUND */
	unsigned history; /* stores of a word that a load may choose among; default 4 */
	/* What may go wrong, and how often in one execution. */
	unsigned spurious, failed_allocs, failed_threads;
	const char *known; /* why the model is known to fail; then it is an error if it does not */
	/* time that may pass in all while every thread sleeps; more fails as "late"; default: none
	 */
	int64_t idle_ns;
	/*
	 * a thread that pauses may go on before the other threads have run; without it, a search
	 * never tries what happens between two pauses of one thread
	 */
	bool short_pauses;
	bool leaks;         /* blocks that are left at the end are no leak */
	bool no_membarrier; /* the kernel has no membarrier, so each thread executes full fences */
};
#define VERIFY_NO_BOUND 1000000u
#define VERIFY_SKIP 1000001u /* as quick: a short run leaves the model out */
#define VERIFY_NONE 1000002u /* as preemptions, quick or stale: a bound of 0 */

#define MODEL(model, ...) \
	static void model(void); \
	static const struct verify_model model##_model = { \
		.name = #model, .run = model, .file = __FILE__, __VA_ARGS__ \
	}; \
	__attribute__((constructor)) static void model##_register(void) \
	{ \
		verify_register(&model##_model); \
	} \
	static void model(void)

void verify_register(const struct verify_model *model);

void verify_spawn(void (*fn)(void *), void *arg, const char *name);
/* Waits for all threads that verify_spawn() started. */
void verify_join(void);

/* A choice of the model's own. Returns a number below n; the search tries all of them. */
unsigned verify_choose(unsigned n);

/* An instant that the clock may jump to when a thread reads it. The clock starts at 1000 ns. */
void verify_instant(int64_t ns);
#define VERIFY_START_NS 1000

/*
 * From now on so much time may pass in all while every thread sleeps. This replaces what was left
 * of the model's idle_ns.
 */
void verify_idle(int64_t ns);
#define VERIFY_ANY_NS INT64_MAX

/*
 * Returns the most pauses that this thread has made between two reads of the clock. A yield counts
 * as VERIFY_YIELD_PAUSES.
 */
unsigned verify_pauses_most(void);
#define VERIFY_YIELD_PAUSES 64

/* Returns the steps of all threads so far, to compare which of two things happened first. */
uint64_t verify_now(void);

#define verify_that(condition) \
	((condition) ? (void)0 : verify_failed_that(#condition, __FILE__, __LINE__))
_Noreturn void verify_failed_that(const char *condition, const char *file, int line);
_Noreturn void verify_fail(const char *kind, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
