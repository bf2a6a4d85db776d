/*
 * leat/base.h: what every other header needs: visibility, likelihood, deadlines, kinds and causes.
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
 * Prefetches a cache line in order to write to it. Without the instruction by name, a compiler for
 * generic x86-64 prefetches in order to read. A processor that does not know the instruction
 * ignores it.
 */
#if defined(__x86_64__)
#define leat_prefetch_write(p) __asm__ __volatile__("prefetchw %0" : : "m"(*(const char *)(p)))
#else
#define leat_prefetch_write(p) __builtin_prefetch((p), 1)
#endif

/*
 * Words that different threads write are kept this many bytes apart. That is two lines: x86 fetches
 * lines in pairs, and other machines have lines of 128 bytes.
 */
#define LEAT_LINES_APART 128

/* Deadlines are absolute CLOCK_MONOTONIC nanoseconds. This one never passes. */
#define LEAT_NEVER INT64_MAX

/*
 * How a side of a channel waits; struct leat_chan_opts has a policy for each side.
 *
 *     LEAT_WAIT_ADAPTIVE  spins for a few microseconds, unless the other side has needed this core
 *                         lately; yields, unless that has cost the thread a slice of the scheduler
 *                         lately; then parks on a futex; no CPU while idle
 *     LEAT_WAIT_SPIN      keeps the core busy, and offers it to other threads about every 50
 *                         microseconds
 *     LEAT_WAIT_YIELD     offers the core all the time
 *     LEAT_WAIT_PARK      sleeps at once
 *
 * Which one. LEAT_WAIT_ADAPTIVE, unless figures of your program say otherwise. LEAT_WAIT_PARK where
 * items come far apart (milliseconds and more) or the cores are busy with other work: it saves the
 * few microseconds of CPU for each wait that spinning for such an item takes in vain, and a
 * wake-up takes as long as with LEAT_WAIT_ADAPTIVE once that sleeps. LEAT_WAIT_SPIN where the
 * thread has a core of its own, and a wake-up is too slow.
 */
enum leat_wait { LEAT_WAIT_ADAPTIVE, LEAT_WAIT_SPIN, LEAT_WAIT_YIELD, LEAT_WAIT_PARK };

/* How many threads send and receive: single or multiple producers, single or multiple consumers. */
enum leat_kind { LEAT_SPSC, LEAT_MPSC, LEAT_SPMC, LEAT_MPMC };

/* What happens when a subscriber of a broadcast is a whole ring behind (leat/broadcast.h). */
enum leat_lag { LEAT_LAG_WAIT, LEAT_LAG_SKIP, LEAT_LAG_EVICT };

/* Why a scope or a generator ended. */
enum leat_cause {
	LEAT_RUNNING,   /* it has not ended */
	LEAT_COMPLETED, /* a generator returned 0; never a scope's cause */
	LEAT_CANCELED,  /* leat_scope_cancel() with code 0, or leat_scope_close() */
	LEAT_DEADLINE,  /* the scope's deadline passed; the code is -ETIMEDOUT */
	LEAT_FAILED,    /* a generator returned a negative value; leat_scope_cancel() with a code */
	LEAT_ABANDONED, /* the channel has no receiver any more; never a scope's cause */
	LEAT_STOPPED,   /* a stop ended it, a source; no failure, never a scope's cause */
	LEAT_CAUSES     /* how many there are */
};

/* What a generator's thread last waited for, where it waited for a time. */
enum leat_pace {
	LEAT_PACED_NOT,  /* it never did */
	LEAT_PACED_TIME, /* a sleep, or a pause before the next try */
	LEAT_PACED_RATE,
	LEAT_PACED_SEMAPHORE
};

/* Of how many channels a figure says that a thread has waited for them. */
#define LEAT_WAITS_MOST 4

/*
 * The most bytes of a name, without the final zero: a longer name is refused. And of a text: a
 * longer text is cut and ends in "...".
 */
#define LEAT_NAME_MAX 63
#define LEAT_TEXT_MAX 127

/*
 * The layout that programs are compiled with. Every function that opens or starts an object is a
 * macro that passes this number to the library, together with the size of the function's structure
 * of options. A library that was built with another number or another size opens nothing and
 * returns -ELIBBAD, or NULL where the function returns a pointer (then leat_open_error() is
 * -ELIBBAD).
 *
 * The number changes with what inline bodies touch: struct leat_tx and struct leat_rx, the cursors
 * and rings that they hold or point to, the layout of a slot (leat/ring/), and the bits of the
 * control word (leat/detail/ctl.h). It also changes with each public structure and enumeration.
 * tests/unit/abi.c has the list; docs/abi.md says what is checked where.
 */
#define LEAT_ABI 12u

/* What an open passes: the number, and the size of its options as the caller was compiled. */
#define leat_detail_abi(options) (LEAT_ABI << 16 | (unsigned)sizeof(options))

/* Returns the time of the clock of all deadlines: CLOCK_MONOTONIC, in nanoseconds. */
LEAT_BEGIN_DECLS
LEAT_API int64_t leat_now_ns(void);

/*
 * Why this thread's last function that opens something and returned NULL did so, as -errno: -EINVAL
 * for bad arguments and options, -ENOMEM, -EAGAIN for want of a thread, -ENOTSUP for a clone of a
 * side that the kind makes single, -ELIBBAD for a caller that was compiled for another layout; of
 * leat_diag_start() also what a file could not be written for. 0 if none has failed. An open that
 * succeeds leaves it alone. So:
 *
 *     if ((scope = leat_scope_open(NULL, &opts)) == NULL)
 *             return leat_open_error();
 */
LEAT_API int leat_open_error(void);
/* For libraries on top of this one: sets what leat_open_error() returns. Returns NULL. */
LEAT_API void *leat_detail_open_failed(int rc);
LEAT_END_DECLS

#endif
