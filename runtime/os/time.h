/*
 * runtime/os/time.h: clocks and times as the sources of this folder use them.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_RUNTIME_OS_TIME_H
#define LEAT_RUNTIME_OS_TIME_H

#include <leat/base.h>
#include <time.h>

#define NS_PER_S INT64_C(1000000000)

static inline int64_t read_clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* 0 for a time below 0. */
static inline struct timespec timespec_of(int64_t ns)
{
	if (ns < 0)
		ns = 0;
	return (struct timespec){ .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
}

/*
 * The rest of a deadline, 0 or less once it has passed; 0 for LEAT_NEVER, for which the system
 * takes no time at all. A deadline of 0 reads no clock.
 */
static inline int64_t left_until(int64_t deadline_ns)
{
	if (deadline_ns <= 0 || deadline_ns == LEAT_NEVER)
		return 0;
	return deadline_ns - read_clock_ns(CLOCK_MONOTONIC);
}

#endif
