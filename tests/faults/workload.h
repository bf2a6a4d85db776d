/*
 * tests/faults/workload.h: some of everything that the library does, and what must hold of it
 * whatever fails underneath.
 *
 * There are parts: a channel of every kind with every policy, generators, a pool, deadlines,
 * sources, flows. A part that cannot be had says so: with an error, or with the NULL of a
 * constructor; what it began is then closed. At the end of a run
 *
 *     each item that a send accepted was received or discarded, once, in its sender's order
 *     the books of every channel balance in every snapshot
 *     nothing is left: threads, descriptors, channels, generators, memory
 *     an error is the one that was injected
 *
 * and a violation prints what was injected and ends the program with 1, as a run does that takes
 * longer than a minute.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_TESTS_FAULTS_WORKLOAD_H
#define LEAT_TESTS_FAULTS_WORKLOAD_H

#include "inject.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Once, before anything is injected: makes the files, in a folder that the program's end removes.
 */
void workload_init(const char *program);

/*
 * One run: of one part, or of all with diagnostics looking on. `expected` is the error that a part
 * may answer (0: none may); what and n name the run in a failure. Turns off what is injected before
 * it judges. Answers how many parts could not be had.
 */
#define WORKLOAD_PARTS 26
#define WORKLOAD_ALL SIZE_MAX
unsigned workload_run(size_t part, int expected, const char *what, uint64_t n);

/*
 * For each part: its first call of that kind fails, its second, ... until there are no more; then
 * it runs without.
 */
void workload_fail_each(enum inject_point point, int error);

/* From now on a minute: each run begins so. */
void workload_watch(void);

/*
 * The last line of a program. Its exit status: 0, or 1 where fewer faults than `least` were
 * injected.
 */
int workload_done(uint64_t least);

/* Fails the program, with what is injected. */
#define workload_that(condition) \
	((condition) ? (void)0 : workload_failed(#condition, __FILE__, __LINE__))
_Noreturn void workload_failed(const char *condition, const char *file, int line);

#endif
