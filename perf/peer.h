/*
 * perf/peer.h: what an adapter includes first.
 *
 * An adapter is a file of perf/peers/ that is compiled with ITEM_SIZE = 8, 64 and 256. For each contestant NAME it
 * defines a struct NAME and, as static inline functions,
 *
 *     struct NAME *NAME_open(const struct shape *);         NULL: not in this shape
 *     void NAME_close(struct NAME *);
 *     NAME_tx NAME_tx_of(struct NAME *, unsigned number);   a thread's side; and NAME_rx. ONE_SIDE(NAME): the struct itself
 *     bool NAME_push(NAME_tx, const struct item *);         HAS_TRY; false: full
 *     bool NAME_pop(NAME_rx, struct item *);
 *     size_t NAME_push_n(NAME_tx, const struct item *, size_t n);           HAS_BATCH; returns how many
 *     size_t NAME_pop_n(NAME_rx, struct item *, size_t n);
 *     size_t NAME_push_begin(NAME_tx, size_t want, struct item **);         HAS_ZERO_COPY; then push_end(tx, n)
 *     size_t NAME_pop_begin(NAME_rx, size_t want, struct item **);          then pop_end(rx, n)
 *     void NAME_send(NAME_tx, const struct item *);                         HAS_BLOCKING
 *     void NAME_recv(NAME_rx, struct item *);
 *     void NAME_send_n(NAME_tx, const struct item *, size_t n);             HAS_BLOCKING_BATCH
 *     size_t NAME_recv_n(NAME_rx, struct item *, size_t n);                 returns how many, 1 at least
 *
 * then PIPE as NAME, PIPE_NAME as what people call it, PIPE_KINDS, PIPE_HAS as the sum of what it has (PIPE_UNBOUNDED
 * true where that is so, PIPE_IN_PLACE_WAITS true where the calls in place wait by themselves), and includes
 * perf/loops.h. PIPE_OPS names another prefix for the calls. Last comes PEER(file, contestants...).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_PERF_PEER_H
#define LEAT_PERF_PEER_H

#include "perf/contestant.h"

#include <leat/atomic.h>

#include <sched.h>
#include <stdlib.h>
#include <string.h>

/*
 * In C++ whatever depends on an item's size stands in a namespace without a name: three sizes of one template would
 * have the same symbols, and the linker would take one for all.
 */
#ifdef __cplusplus
#define PEER_BEGIN \
	namespace \
	{
#define PEER_END }
#else
#define PEER_BEGIN
#define PEER_END
#endif

#define ITEM_WORDS (ITEM_SIZE / 8)
PEER_BEGIN
struct item {
	uint64_t word[ITEM_WORDS];
};
PEER_END

/* What an adapter has: PIPE_HAS. */
#define HAS_TRY 1
#define HAS_BATCH 2
#define HAS_ZERO_COPY 4
#define HAS_BLOCKING 8
#define HAS_BLOCKING_BATCH 16

/* The calls as expressions of p, a side, and item; or items and n. */
#define TRY(name, push, pop) \
	static inline bool name##_push(name##_tx p, const struct item *item) \
	{ \
		return push; \
	} \
	static inline bool name##_pop(name##_rx p, struct item *item) \
	{ \
		return pop; \
	}
#define BATCH(name, push, pop) \
	static inline size_t name##_push_n(name##_tx p, const struct item *items, size_t n) \
	{ \
		return push; \
	} \
	static inline size_t name##_pop_n(name##_rx p, struct item *items, size_t n) \
	{ \
		return pop; \
	}
#define BLOCKING(name, send, recv) \
	static inline void name##_send(name##_tx p, const struct item *item) \
	{ \
		send; \
	} \
	static inline void name##_recv(name##_rx p, struct item *item) \
	{ \
		recv; \
	}
#define BLOCKING_BATCH(name, send, recv) \
	static inline void name##_send_n(name##_tx p, const struct item *items, size_t n) \
	{ \
		send; \
	} \
	static inline size_t name##_recv_n(name##_rx p, struct item *items, size_t n) \
	{ \
		return recv; \
	}
#define SIDES(name, tx_type, tx, rx_type, rx) \
	typedef tx_type name##_tx; \
	typedef rx_type name##_rx; \
	static inline name##_tx name##_tx_of(struct name *p, unsigned number) \
	{ \
		(void)number; \
		return tx; \
	} \
	static inline name##_rx name##_rx_of(struct name *p, unsigned number) \
	{ \
		(void)number; \
		return rx; \
	}
#define ONE_SIDE(name) SIDES(name, struct name *, p, struct name *, p)

#define ONE_OF(kind) (1u << (kind))
#define MANY (ONE_OF(KIND_MPSC) | ONE_OF(KIND_SPMC) | ONE_OF(KIND_MPMC))
#define ANY_KIND (ONE_OF(KIND_SPSC) | MANY)

/* Ways to call that move an item at a time, and those that wait by themselves. */
#define CALLS_SINGLE(calls) ((calls) == CALLS_ONE || (calls) == CALLS_BLOCKING)
#define CALLS_WAIT(calls) ((calls) >= CALLS_BLOCKING)

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

#ifdef __cplusplus
#define PEER_LINKAGE extern "C"
#else
#define PEER_LINKAGE extern
#endif
/* The table that the harness finds: the contestants of one file for one item size. */
#define PEER(file, ...) \
	PEER_LINKAGE const struct contestant *const PASTE(peer_##file##_, ITEM_SIZE)[]; \
	const struct contestant *const PASTE(peer_##file##_, ITEM_SIZE)[] = { __VA_ARGS__, NULL };

/* Every word of an item is its value, so that every byte can be checked. */
static inline __attribute__((always_inline)) void item_fill(struct item *item, uint64_t value)
{
	for (unsigned w = 0; w < ITEM_WORDS; w++)
		item->word[w] = value;
}

typedef uint64_t item_vector __attribute__((vector_size(32), aligned(8), may_alias));

/* What a consumer has seen. Never leaves its loop, so that it stands in registers. */
struct check {
	uint64_t got, sum, wrong;
	uint64_t last[SIDE_MAX]; /* of each producer */
	item_vector wrong_words;
};
static const struct check check_start = { 0, 0, 0, { 0 }, { 0, 0, 0, 0 } };

static inline __attribute__((always_inline)) void check_item(struct check *check, const struct item *item, bool alone)
{
	const uint64_t value = item->word[0];

	check->got++;
	if (alone) {
		check->wrong |= value ^ check->got;
	} else {
		const unsigned producer = (unsigned)(value >> 48) % SIDE_MAX;

		check->wrong |= value <= check->last[producer];
		check->last[producer] = value;
	}
	check->sum += value;
#if ITEM_SIZE > 8
	for (unsigned v = 0; v < ITEM_SIZE / 32; v++)
		check->wrong_words |=
			((const item_vector *)(const void *)item)[v] ^ (item_vector) { value, value, value, value };
#endif
}

static inline void check_answer(const struct check *check, struct part *part)
{
	const item_vector words = check->wrong_words;

	part->got = check->got;
	part->sum = check->sum;
	part->wrong = (check->wrong | words[0] | words[1] | words[2] | words[3]) != 0;
}

static inline __attribute__((always_inline)) bool stopped(void)
{
	return leat_load_rlx(&bench_stop) != 0;
}

/* After a try that failed, where several share a side. */
static inline __attribute__((always_inline)) bool over(struct finish *finish, unsigned consumer, uint64_t got)
{
	return stopped() || (finish != NULL && finished(finish, consumer, got));
}

/* After a try that failed; 64 in a row give the core away where there are more threads than cores. */
static inline __attribute__((always_inline)) void hold_on(unsigned *failed, bool shares)
{
	leat_pause();
	if (shares && ++*failed == 64) {
		*failed = 0;
		sched_yield();
	}
}

#endif
