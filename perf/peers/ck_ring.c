/*
 * perf/peers/ck_ring.c: Concurrency Kit's ring, in its four ways. It holds one item less than its size, a power of two.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/peer.h"

#include <ck_ring.h>

CK_RING_PROTOTYPE(item, item)

struct ck {
	ck_ring_t ring __attribute__((aligned(APART)));
	struct item *items;
};

static struct ck *ck_open(const struct shape *shape)
{
	size_t size = bench_power_of_two(shape->capacity);
	struct ck *p = bench_alloc(sizeof(*p));

	p->items = bench_alloc(size * sizeof(struct item));
	ck_ring_init(&p->ring, (unsigned)size);
	return p;
}

static void ck_close(struct ck *p)
{
	free(p->items);
	free(p);
}

#define WAY(name, way) \
	struct name { \
		struct ck ck; \
	}; \
	static inline struct name *name##_open(const struct shape *shape) \
	{ \
		return (struct name *)ck_open(shape); \
	} \
	static inline void name##_close(struct name *p) \
	{ \
		ck_close(&p->ck); \
	} \
	ONE_SIDE(name) \
	TRY(name, ck_ring_enqueue_##way##_item(&p->ck.ring, p->ck.items, (struct item *)(uintptr_t)item), \
	    ck_ring_dequeue_##way##_item(&p->ck.ring, p->ck.items, item))
WAY(ck_ring_of_spsc, spsc)
WAY(ck_ring_of_mpsc, mpsc)
WAY(ck_ring_of_spmc, spmc)
WAY(ck_ring_of_mpmc, mpmc)

#define PIPE ck_ring_of_spsc
#define PIPE_NAME "ck_ring spsc"
#define PIPE_KINDS ONE_OF(KIND_SPSC)
#define PIPE_HAS HAS_TRY
#include "perf/loops.h"

#define PIPE ck_ring_of_mpsc
#define PIPE_NAME "ck_ring mpsc"
#define PIPE_KINDS ONE_OF(KIND_MPSC)
#define PIPE_HAS HAS_TRY
#include "perf/loops.h"

#define PIPE ck_ring_of_spmc
#define PIPE_NAME "ck_ring spmc"
#define PIPE_KINDS ONE_OF(KIND_SPMC)
#define PIPE_HAS HAS_TRY
#include "perf/loops.h"

#define PIPE ck_ring_of_mpmc
#define PIPE_NAME "ck_ring mpmc"
#define PIPE_KINDS ONE_OF(KIND_MPMC)
#define PIPE_HAS HAS_TRY
#include "perf/loops.h"

PEER(ck_ring, &ck_ring_of_spsc_contestant, &ck_ring_of_mpsc_contestant, &ck_ring_of_spmc_contestant,
     &ck_ring_of_mpmc_contestant)
