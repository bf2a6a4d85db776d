/*
 * tests/verify/verify.h: what a model is written with.
 *
 * A model is a function that runs as the first thread of an execution: it makes the objects, spawns
 * the other threads, waits for them and says what must hold. It is executed once for each
 * interleaving, from the same initial state (globals included), and all that it does not leave to
 * chance itself is a choice of the scheduler.
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
	/* The bounds of a depth-first search that must be exhausted; 0 stands for the default. */
	unsigned preemptions; /* switches away from a thread that could go on; default 2 */
	unsigned quick;       /* the same for a run that must be short; default: preemptions */
	/* preemptions and stale loads together, in such a run; default: any */
	unsigned quick_both;
	unsigned stale;   /* loads that answer an older value; default 2; VERIFY_NO_BOUND */
	unsigned history; /* stores of a word that a load may choose among; default 4 */
	/* What may go wrong, and how often in one execution. */
	unsigned spurious, failed_allocs, failed_threads;
	const char *known; /* fails, and why; a model that has this and does not fail is an error */
	/* time that may pass while every thread sleeps; more is late. Default: none */
	int64_t idle_ns;
	/*
	 * a thread that pauses may go on before the others: what a search between pauses misses is
	 * found
	 */
	bool short_pauses;
	bool leaks;         /* what is left at the end is no leak */
	bool no_membarrier; /* the kernel has none: everybody pays for its fences */
};
#define VERIFY_NO_BOUND 1000000u
#define VERIFY_SKIP 1000001u /* as quick: not then */
#define VERIFY_NONE 1000002u /* as preemptions, quick or stale: 0 */

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
/* Waits for all that were spawned with verify_spawn(). */
void verify_join(void);

/* A choice of the model's own: below n. */
unsigned verify_choose(unsigned n);

/* An instant that the clock may jump to when it is read. It starts at 1000 ns. */
void verify_instant(int64_t ns);
#define VERIFY_START_NS 1000

/*
 * From here on so much time may pass while every thread sleeps, instead of what was left of the
 * model's idle_ns.
 */
void verify_idle(int64_t ns);
#define VERIFY_ANY_NS INT64_MAX

/*
 * The most pauses that this thread has made between two reads of the clock; a yield counts as so
 * many.
 */
unsigned verify_pauses_most(void);
#define VERIFY_YIELD_PAUSES 64

/* Steps so far, of all threads: what one thread saw before another began. */
uint64_t verify_now(void);

#define verify_that(condition) \
	((condition) ? (void)0 : verify_failed_that(#condition, __FILE__, __LINE__))
_Noreturn void verify_failed_that(const char *condition, const char *file, int line);
_Noreturn void verify_fail(const char *kind, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
