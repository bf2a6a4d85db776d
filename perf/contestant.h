/*
 * perf/contestant.h: what the harness knows of a contestant, and what a thread of it is given to do.
 *
 * An adapter (perf/peers/) is compiled once for each item size and says how to open, push and pop; perf/loops.h makes
 * the loops of it, the same for everybody. A loop is a function of its own that is called once on a pinned thread
 * and keeps all it needs in locals, so that nothing of the harness stands between two items.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_CONTESTANT_H
#define LEAT_PERF_CONTESTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How many threads push and pop: one or several. */
enum kind { KIND_SPSC, KIND_MPSC, KIND_SPMC, KIND_MPMC, KINDS };

/* How they do it. Blocking calls wait by themselves; around the others the loop does. */
enum calls { CALLS_ONE, CALLS_BATCH, CALLS_ZERO_COPY, CALLS_BLOCKING, CALLS_BLOCKING_BATCH, CALLS };

/* Threads of one side; items in a batch; bytes that keep two sides' lines apart. */
enum { SIDE_MAX = 8, BATCH_MAX = 256, APART = 128 };

/* What a pipe is opened for. */
struct shape {
	enum kind kind;
	size_t capacity; /* items; where a ring can only do other numbers, the next one up (less one for ck and rte) */
	unsigned producers, consumers;
};

/* How consumers that share a pipe learn that nothing more will come: the sum of what they got is all there was. */
struct finish {
	uint64_t producing __attribute__((aligned(APART))); /* producers at work */
	struct {
		uint64_t items __attribute__((aligned(APART)));
	} got[SIDE_MAX];
	unsigned consumers;
	uint64_t total;
};
bool finished(struct finish *finish, unsigned consumer, uint64_t got);

/*
 * Not 0: the sample is given up. Some rings wait inside for a thread that is not running; with more threads than cores
 * that takes a time slice an item. Looked at by loops of several threads a side.
 */
extern uint32_t bench_stop;

/* Latencies in nanoseconds, in buckets that are less than 1 % wide: an octave has 128. */
enum { OCTAVE_BITS = 7, OCTAVE = 1 << OCTAVE_BITS, BUCKETS = (65 - OCTAVE_BITS) * OCTAVE };
struct histogram {
	uint64_t count[BUCKETS], total, max;
};

/* One thread's part of a sample, and what it found. A producer pushes number << 48 | 1, 2, 3, ... */
struct part {
	void *pipe, *back; /* back: round trips come back through it */
	unsigned number;   /* which producer, or which consumer */
	unsigned batch;
	bool shares;           /* more threads than cores: a loop that finds nothing gives its core away now and then */
	bool alone;            /* one producer, one consumer: the items come exactly in order */
	uint64_t count;        /* items to push, or to pop; round trips */
	struct finish *finish; /* consumers: instead of count */
	int64_t interval_ns;   /* paced: an item each */
	struct histogram *histogram;

	uint64_t got, sum;
	bool wrong;
};
typedef void part_fn(struct part *part);

/* What is measured. The first three are loops over a pipe (perf/loops.h). */
enum measure { MEASURE_THROUGHPUT, MEASURE_ROUND_TRIP, MEASURE_PACED, LOOPS, MEASURE_IDLE = LOOPS, MEASURE_TOPIC };

enum { VALUES_MAX = 4 };
/*
 * One sample of a topic (perf/topics.c), of n things: fills as many values as the topic has. Ends the
 * program where an item is wrong.
 */
typedef void sample_fn(uint64_t n, double *values);

struct contestant {
	const char *name;
	unsigned item_size;
	unsigned kinds; /* 1 << KIND_... */
	bool unbounded; /* no capacity, or order only for each producer: shown, but no peer */
	bool limit;     /* no queue at all, but what the machine can do */
	bool in_place_waits; /* its calls in place wait by themselves, as it has no others */
	bool remote;         /* Go's program is asked (perf/remote.c); only name and kinds are set */
	void *(*open)(const struct shape *shape); /* NULL: not in this shape */
	void (*close)(void *pipe);
	/*
	 * Producer's and consumer's loop: as fast as they can; an item there, an item back; items at a
	 * fixed rate, stamped with when they were due. NULL: it has no such calls.
	 */
	part_fn *tx[LOOPS][CALLS], *rx[LOOPS][CALLS];
	/* Of a topic. */
	sample_fn *run;
	uint64_t n;      /* of what; 0: as many as the scenario says */
	const char *go; /* instead of run: what Go's program is asked for, in a process of its own */
};

/* Aligned to APART, zeroed, and touched. Ends the program when there is none. */
void *bench_alloc(size_t size);
void bench_fail(const char *what) __attribute__((noreturn));

static inline int64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline size_t bench_power_of_two(size_t at_least)
{
	size_t power = 2;

	while (power < at_least)
		power *= 2;
	return power;
}

static inline void histogram_add(struct histogram *histogram, int64_t ns)
{
	uint64_t value = ns > 0 ? (uint64_t)ns : 0;
	unsigned octave = value < OCTAVE ? 0 : 64 - OCTAVE_BITS - (unsigned)__builtin_clzll(value);

	histogram->count[octave == 0 ? value : octave * OCTAVE + ((value >> (octave - 1)) & (OCTAVE - 1))]++;
	histogram->total++;
	if (value > histogram->max)
		histogram->max = value;
}

/* The upper end of a bucket. */
static inline uint64_t histogram_bucket_ns(unsigned bucket)
{
	if (bucket < OCTAVE)
		return bucket;
	return ((uint64_t)OCTAVE + 1 + bucket % OCTAVE) << (bucket / OCTAVE - 1);
}

#ifdef __cplusplus
}
#endif
#endif
