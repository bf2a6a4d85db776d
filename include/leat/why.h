/*
 * leat/why.h: a verdict: which stage limits the process, and why.
 *
 * A stage is all generators of one name; "parse/1" and "parse/2", as the workers of a flow are
 * named, are one stage "parse". A pool is a stage, too. The verdict is found from the time of each
 * generator's thread (leat/stat.h) over a window between two readings or more:
 *
 *     struct leat_why *why = leat_why_open();
 *
 *     leat_why_add(why, snapshot);                  in the callback of a diagnostics thread; or
 *     leat_why_add_counters(why, counters);         after leat_counters_read(), of another process
 *     ...
 *     leat_why_verdict(why, &verdict);              printf("%s\n%s\n", .text, .evidence)
 *     leat_why_restart(why);                        the next window begins with the last reading
 *     leat_why_close(why);
 *
 * `leat why PID` does this for a process that keeps counters (docs/counters.md).
 *
 * How it is found. The thread that limits a flow works: it is busy, or paced on purpose, while the
 * threads before it are blocked, as their channels are full, and those behind it are starved. So
 * the stage whose busiest thread works for the largest share of the window is named, if that is at
 * least LEAT_WHY_WORKS. The busiest thread counts, not the mean of a stage, as a mean hides one
 * worker that does all the work. A thread that is blocked does not work, so a stage that is itself
 * held up is never named. What the thread's time was spent on tells the kind of limit.
 *
 * How sure it is. Each reading ends a part of the window, and each part has a verdict of its own.
 * `confidence` is the share of the window whose parts agree with the whole. Where no half of it
 * does, no stage is named. Ten readings in five seconds are a good window; a tenth of a second is
 * the least.
 *
 * What it does not know. Threads of the program that are no generators are seen by their channels
 * alone. Generators on a pool are seen as the pool. A stage that a lock of the program's own holds
 * up is seen as one in calls that block.
 *
 * One thread at a time uses a leat_why.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_WHY_H
#define LEAT_WHY_H

#include <leat/counters.h>

LEAT_BEGIN_DECLS

/* A thread works if it is busy or paced for this share of the window. */
#define LEAT_WHY_WORKS 0.6

enum leat_limit {
	LEAT_LIMIT_UNKNOWN,  /* cannot tell: the text says why */
	LEAT_LIMIT_IDLE,     /* nothing moves, and every thread waits for something to do */
	LEAT_LIMIT_INPUT,    /* the flow waits for what comes from outside */
	LEAT_LIMIT_BALANCED, /* no stage limits it for long: several do in turn, or all are at ease
	                      */
	LEAT_LIMIT_CPU,      /* a stage computes */
	LEAT_LIMIT_CALL,     /* a stage is in calls that block in the kernel, or in locks */
	LEAT_LIMIT_SKEW,     /* one thread of a stage works, its others wait */
	LEAT_LIMIT_CORES,    /* a stage waits for a processor: too few for what runs */
	LEAT_LIMIT_PACED,    /* a stage is held back on purpose: by a rate, a semaphore, a time */
	LEAT_LIMIT_ORDER,    /* workers in order wait for the one whose turn it is */
	LEAT_LIMIT_DEADLOCK, /* threads wait for each other in a cycle */
	LEAT_LIMIT_WAKEUPS,  /* handing over takes the time: threads sleep and wake for few items */
	LEAT_LIMIT_PROGRAM,  /* a thread of the program that receives from `stage`, a channel */
	LEAT_LIMITS
};

/* Shares are of the window, and of the busiest thread of the stage; below 0: not known. */
struct leat_verdict {
	enum leat_limit limit;
	char stage[LEAT_NAME_MAX + 1];  /* its name; "": none is named */
	char thread[LEAT_NAME_MAX + 1]; /* the busiest generator of the stage */
	char second[LEAT_NAME_MAX + 1]; /* the stage that would limit the flow next; "": none */
	uint32_t threads;               /* of the stage */
	enum leat_pace paced_by;        /* of LEAT_LIMIT_PACED */
	double busy, paced, cpu, runq;  /* runq: without a processor */
	double before_blocked;          /* of the threads that send into the stage, the most */
	double behind_starved;          /* of those that receive from it, the most */
	/*
	 * How many times as much would go through with one more thread for the stage, at the most:
	 * until the second stage, or the last idle processor, limits it. 0: not known, or
	 * senseless.
	 */
	double one_more;
	double confidence; /* 0 to 1 */
	int64_t from_ns, to_ns;
	int64_t since_ns; /* it has been so since then, at the latest; from_ns at the latest found
	                   */
	/* In words: the limit; what it was found from; what may help ("": nothing). */
	char text[384], evidence[384], advice[256];
};

/* Returns NULL without memory; leat_open_error() is then -ENOMEM. leat_why_close() frees it. */
LEAT_API struct leat_why *leat_why_open(void);
LEAT_API void leat_why_close(struct leat_why *why);

/*
 * Adds a reading: the first begins the window. All are of one process, later ones of later times
 * (an older one is not added). Return 0 or -ENOMEM: then it is not added.
 */
LEAT_API int leat_why_add(struct leat_why *why, const struct leat_snapshot *snapshot);
LEAT_API int leat_why_add_counters(struct leat_why *why, const struct leat_counters *counters);
/*
 * Before the first reading: the window begins when the oldest thread began. So one reading is
 * enough, of a process that has ended, say; its parts are not told apart.
 */
LEAT_API void leat_why_from_start(struct leat_why *why);
/* The last reading begins a new window. */
LEAT_API void leat_why_restart(struct leat_why *why);

/* Judges the window. Returns 0, or -ENOMEM. */
LEAT_API int leat_why_verdict(const struct leat_why *why, struct leat_verdict *verdict);

/* Whether it names something that can be acted on: any limit from LEAT_LIMIT_CPU on. */
static inline bool leat_limit_is_named(enum leat_limit limit)
{
	return limit >= LEAT_LIMIT_CPU;
}

/* "cpu", "wake-ups", ...; "unknown" for another value. The string is static. */
LEAT_API const char *leat_limit_name(enum leat_limit limit);

LEAT_API int leat_detail_why_verdict(unsigned abi, const struct leat_why *why,
                                     struct leat_verdict *verdict);

LEAT_END_DECLS

#define leat_why_verdict(why, verdict) \
	leat_detail_why_verdict(leat_detail_abi(struct leat_verdict), (why), (verdict))

#endif
