/*
 * leat/base.h: what every other header needs: visibility, likelihood, the clock's "never".
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_BASE_H
#define LEAT_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
#define LEAT_BEGIN_DECLS extern "C" {
#define LEAT_END_DECLS }
#else
#define LEAT_BEGIN_DECLS
#define LEAT_END_DECLS
#endif

#define LEAT_API __attribute__((visibility("default")))
#define leat_likely(x) __builtin_expect(!!(x), 1)
#define leat_unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Asks for a line to write it. Compilers for any x86-64 would ask to read it; where it is unknown
 * it does nothing.
 */
#if defined(__x86_64__)
#define leat_prefetch_write(p) __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)(p)))
#else
#define leat_prefetch_write(p) __builtin_prefetch((p), 1)
#endif

/*
 * What different threads write is kept so many bytes apart. Two lines: x86 fetches lines in pairs,
 * and other machines have lines of 128 bytes.
 */
#define LEAT_LINES_APART 128

/* Deadlines are absolute CLOCK_MONOTONIC nanoseconds. This one never passes. */
#define LEAT_NEVER INT64_MAX

/*
 * How a side of a channel waits; struct leat_chan_opts names a policy for each. Adaptive spins for
 * a few microseconds, yields unless that has cost the thread a slice of the scheduler lately, then
 * parks on a futex: no CPU while idle. Spin keeps its core busy (and offers it to others every 50
 * microseconds or so), yield offers it all the time, park sleeps at once.
 */
enum leat_wait { LEAT_WAIT_ADAPTIVE, LEAT_WAIT_SPIN, LEAT_WAIT_YIELD, LEAT_WAIT_PARK };

/* How many threads send and receive: single or multiple producers, single or multiple consumers. */
enum leat_kind { LEAT_SPSC, LEAT_MPSC, LEAT_SPMC, LEAT_MPMC };

/* Why a scope or a generator ended. */
enum leat_cause {
	LEAT_RUNNING,   /* it has not */
	LEAT_COMPLETED, /* a generator returned 0; never a scope's cause */
	LEAT_CANCELED,  /* leat_scope_cancel() with code 0, or leat_scope_close() */
	LEAT_DEADLINE,  /* the scope's deadline passed; the code is -ETIMEDOUT */
	LEAT_FAILED,    /* a generator's negative value, or leat_scope_cancel() with a code */
	LEAT_ABANDONED  /* nobody receives any more; never a scope's cause */
};

/* The bytes a name may have, and the bytes of a text that are kept (a longer one ends in "..."). */
#define LEAT_NAME_MAX 63
#define LEAT_TEXT_MAX 127

/*
 * The layout that programs are compiled with. Every function that opens or starts an object is a
 * macro that passes this number to the library, together with the size of the function's structure
 * of options. A library that was built with another number or another size opens nothing and
 * returns -ELIBBAD, or NULL where the function returns a pointer.
 *
 * The number changes with what inline bodies touch: struct leat_tx and struct leat_rx, the sides
 * and rings that they hold or point to, what stands in a slot (leat/ring/), and the bits of the
 * control word (leat/detail/handle.h). It also changes with each public structure and enumeration.
 * tests/unit/abi.c has the list; docs/abi.md says what is checked where.
 */
#define LEAT_ABI 4u

/* What an open passes: the number, and the size of its options as the caller was compiled. */
#define leat_detail_abi(options) (LEAT_ABI << 16 | (unsigned)sizeof(options))

/* The clock of every deadline: CLOCK_MONOTONIC now, in nanoseconds. */
LEAT_BEGIN_DECLS
LEAT_API int64_t leat_now_ns(void);
LEAT_END_DECLS

#endif
