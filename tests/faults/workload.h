/*
 * tests/faults/workload.h: some of everything that the library does, and what must hold of it
 * whatever fails underneath.
 *
 * It has parts: a channel of every kind with every policy, broadcasts, generators, a pool,
 * deadlines, sources, flows, rates and semaphores, hooks, stops. A part that fails to start returns
 * an error, or the NULL of a constructor, and closes what it began. At the end of a run
 *
 *     each item that a send accepted was received or discarded, once, in its sender's order
 *     the books of every channel balance in every snapshot
 *     nothing is left: threads, descriptors, channels, generators, memory
 *     an error is the one that was injected
 *
 * must hold. Otherwise the program prints what was injected and exits with 1. So it does if a run
 * takes longer than a minute.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_FAULTS_WORKLOAD_H
#define LEAT_TESTS_FAULTS_WORKLOAD_H

#include "inject.h"

#include "tests/census.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

/* Makes the files, once, before anything is injected. The end of the program removes their folder.
 */
void workload_init(const char *program);

/*
 * One run, of one part, or of all parts with diagnostics beside them. `expected` is the error that
 * a part may return (0: none); what and n name the run in a failure. Turns off what is injected
 * before it judges. Returns how many parts failed to start.
 */
#define WORKLOAD_PARTS 45
#define WORKLOAD_ALL SIZE_MAX
unsigned workload_run(size_t part, int expected, const char *what, uint64_t n);

/*
 * Runs each part again and again: its first call of that kind fails, then its second, and so on
 * until there are no more. Then it runs the part without a fault.
 */
void workload_fail_each(enum inject_point point, int error);

/* Starts the minute that a run may take. Each run begins with this. */
void workload_watch(void);

/*
 * Prints the last line of a program. Returns its exit status: 0, or 1 if fewer faults than `least`
 * were injected.
 */
int workload_done(uint64_t least);

/*
 * Parts that are in files of their own (parts_NAME.c). Each returns 0, or the error of what could
 * not be had: WORKLOAD_NOTHING where that was a NULL, whose reason leat_open_error() tells.
 */
#define WORKLOAD_NOTHING (-EXFULL)
int workload_rate(void);
int workload_rate_in_steps(void);
int workload_sem(void);
int workload_breaker(void);
int workload_hooks(void);
int workload_hooks_of_a_failure(void);
int workload_scope_fd(void);
int workload_consumer_leaves(void);
int workload_watched_scope(void);
int workload_stop(void);
int workload_late_drain(void);
int workload_signal(void);

/* The error that this run may return; 0: nothing is injected that could be seen. */
int workload_expected(void);

/* workload_init() blocks it: all threads of a test inherit that. Parts may send it to the process.
 */
#define WORKLOAD_SIGNAL SIGHUP

/* Ends the program with a failure, and prints what is injected. */
#define workload_that(condition) \
	((condition) ? (void)0 : workload_failed(#condition, __FILE__, __LINE__))
_Noreturn void workload_failed(const char *condition, const char *file, int line);

#endif
