/*
 * perf/peers/limits.c: what the machine can do, run among the contestants: lines streamed from core to core, the round
 * trip of one line and of two, a futex's wake-up.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#define _GNU_SOURCE
#include "perf/peer.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * As little as can be between two cores: the capacity in eight chunks (fewer where it is small), and for each a flag on
 * a line of its own. No item at a time, no position, no exact capacity.
 */
enum { CHUNKS = 8 };

struct chunk {
	uint64_t full __attribute__((aligned(APART))); /* how many items */
	struct item *items;
};

struct streamed {
	struct chunk chunk[CHUNKS];
	size_t chunk_items;
	struct item *items;
	unsigned tx __attribute__((aligned(APART))), rx __attribute__((aligned(APART)));
};

static inline struct streamed *streamed_open(const struct shape *shape)
{
	struct streamed *p;

	if (shape->producers != 1 || shape->consumers != 1)
		return NULL;
	p = bench_alloc(sizeof(*p));
	p->chunk_items = shape->capacity < CHUNKS ? 1 : shape->capacity / CHUNKS;
	p->items = bench_alloc(CHUNKS * p->chunk_items * sizeof(struct item));
	for (unsigned i = 0; i < CHUNKS; i++)
		p->chunk[i].items = p->items + i * p->chunk_items;
	return p;
}

static inline void streamed_close(struct streamed *p)
{
	free(p->items);
	free(p);
}

static inline size_t streamed_push_begin(struct streamed *p, size_t want, struct item **items)
{
	struct chunk *chunk = &p->chunk[p->tx];

	*items = chunk->items;
	return leat_load_acq(&chunk->full) == 0 ? want : 0;
}

static inline void streamed_push_end(struct streamed *p, size_t n)
{
	leat_store_rel(&p->chunk[p->tx].full, (uint64_t)n);
	p->tx = (p->tx + 1) % CHUNKS;
}

static inline size_t streamed_pop_begin(struct streamed *p, size_t want, struct item **items)
{
	struct chunk *chunk = &p->chunk[p->rx];

	(void)want;
	*items = chunk->items;
	return (size_t)leat_load_acq(&chunk->full);
}

static inline void streamed_pop_end(struct streamed *p, size_t n)
{
	(void)n;
	leat_store_rel(&p->chunk[p->rx].full, UINT64_C(0));
	p->rx = (p->rx + 1) % CHUNKS;
}

ONE_SIDE(streamed)

#define PIPE streamed
#define PIPE_NAME ""
#define PIPE_KINDS 0
#define PIPE_HAS HAS_ZERO_COPY
#include "perf/loops.h"

/* Whatever the calls and the batch: a chunk at a time. */
static void stream_chunks(struct part *part)
{
	part->batch = (unsigned)((struct streamed *)part->pipe)->chunk_items;
	streamed_produceCALLS_ZERO_COPY(part);
}

/* A word that goes there and back: on one line, or there on one and back on another. */
struct lines {
	uint64_t there __attribute__((aligned(APART)));
	uint64_t back __attribute__((aligned(APART)));
};

static void *lines_open(const struct shape *shape)
{
	(void)shape;
	return bench_alloc(sizeof(struct lines));
}

/* The sender stores n there and waits until `back` is `end`: on one line 0, on two lines n. */
#define LINES(name, back, end) \
	static void name##_ask(struct part *part) \
	{ \
		struct lines *lines = part->pipe; \
		const uint64_t count = part->count; \
		for (uint64_t n = 1; n <= count; n++) { \
			leat_store_rel(&lines->there, n); \
			while (leat_load_acq(&lines->back) != (end)) \
				; \
		} \
		part->got = count; \
	} \
	static void name##_answer(struct part *part) \
	{ \
		struct lines *lines = part->pipe; \
		const uint64_t count = part->count; \
		for (uint64_t n = 1; n <= count; n++) { \
			while (leat_load_acq(&lines->there) != n) \
				; \
			leat_store_rel(&lines->back, (end)); \
		} \
	}
LINES(one_line, there, UINT64_C(0))
LINES(two_lines, back, n)

/* One word, one sleeper: it sleeps while the word is what it saw last. */
struct bare_futex {
	uint64_t stamp __attribute__((aligned(APART)));
	uint32_t word;
};

static void *futex_open(const struct shape *shape)
{
	(void)shape;
	return bench_alloc(sizeof(struct bare_futex));
}

static void futex_pace(struct part *part)
{
	struct bare_futex *p = part->pipe;
	int64_t due_ns = bench_now_ns();

	for (uint64_t n = 1; n <= part->count; n++) {
		due_ns += part->interval_ns;
		while (bench_now_ns() < due_ns)
			;
		leat_store_rlx(&p->stamp, (uint64_t)due_ns); /* rlx: word is stored after it */
		leat_store_rel(&p->word, (uint32_t)n);
		syscall(SYS_futex, &p->word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
}

static void futex_arrive(struct part *part)
{
	struct bare_futex *p = part->pipe;
	uint32_t seen = 0;

	while (seen < part->count) {
		uint32_t now;

		while ((now = leat_load_acq(&p->word)) == seen)
			syscall(SYS_futex, &p->word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
		histogram_add(part->histogram, bench_now_ns() - (int64_t)leat_load_rlx(&p->stamp)); /* rlx: after word */
		seen = now;
	}
	part->got = part->count;
}

#define LIMIT(name_, open_, close_) \
	.name = name_, .item_size = ITEM_SIZE, .kinds = ANY_KIND, .limit = true, .open = open_, .close = close_
static const struct contestant streamed_limit = {
	LIMIT("(lines streamed)", streamed_open_any, streamed_close_any),
	.tx = { { stream_chunks, stream_chunks, stream_chunks } },
	.rx = { { streamed_consumeCALLS_ZERO_COPY, streamed_consumeCALLS_ZERO_COPY, streamed_consumeCALLS_ZERO_COPY } },
};
static const struct contestant one_line_limit = {
	LIMIT("(one line)", lines_open, free),
	.tx = { [MEASURE_ROUND_TRIP] = { one_line_ask } }, .rx = { [MEASURE_ROUND_TRIP] = { one_line_answer } },
};
static const struct contestant two_lines_limit = {
	LIMIT("(two lines)", lines_open, free),
	.tx = { [MEASURE_ROUND_TRIP] = { two_lines_ask } }, .rx = { [MEASURE_ROUND_TRIP] = { two_lines_answer } },
};
static const struct contestant futex_limit = {
	LIMIT("(bare futex)", futex_open, free),
	.tx = { [MEASURE_PACED] = { [CALLS_BLOCKING] = futex_pace } },
	.rx = { [MEASURE_PACED] = { [CALLS_BLOCKING] = futex_arrive } },
};

PEER(limits, &streamed_limit, &one_line_limit, &two_lines_limit, &futex_limit)
