/*
 * perf/peers/rte_ring.c: DPDK's ring in its modes, on memory of our own. It holds one item less than its size, a power
 * of two. Elements are copied by value, in bursts: as many as fit.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/peer.h"

#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

static struct rte_ring *rte_open(const struct shape *shape, unsigned flags)
{
	unsigned size = (unsigned)bench_power_of_two(shape->capacity);
	struct rte_ring *ring = bench_alloc((size_t)rte_ring_get_memsize_elem(sizeof(struct item), size));

	if (rte_ring_init(ring, "bench", size, flags) != 0)
		bench_fail("rte_ring_init");
	return ring;
}

#define WAY(name, enqueue, dequeue, flags) \
	struct name { \
		struct rte_ring ring; \
	}; \
	static inline struct name *name##_open(const struct shape *shape) \
	{ \
		return (struct name *)rte_open(shape, flags); \
	} \
	static inline void name##_close(struct name *p) \
	{ \
		free(p); \
	} \
	ONE_SIDE(name) \
	TRY(name, rte_ring_##enqueue##_burst_elem(&p->ring, item, sizeof(*item), 1, NULL) == 1, \
	    rte_ring_##dequeue##_burst_elem(&p->ring, item, sizeof(*item), 1, NULL) == 1) \
	BATCH(name, rte_ring_##enqueue##_burst_elem(&p->ring, items, sizeof(*items), (unsigned)n, NULL), \
	      rte_ring_##dequeue##_burst_elem(&p->ring, items, sizeof(*items), (unsigned)n, NULL))

WAY(rte_sp_sc, sp_enqueue, sc_dequeue, RING_F_SP_ENQ | RING_F_SC_DEQ)
WAY(rte_mp_sc, mp_enqueue, sc_dequeue, RING_F_SC_DEQ)
WAY(rte_sp_mc, sp_enqueue, mc_dequeue, RING_F_SP_ENQ)
WAY(rte_mp_mc, mp_enqueue, mc_dequeue, 0)
WAY(rte_hts, mp_hts_enqueue, mc_hts_dequeue, RING_F_MP_HTS_ENQ | RING_F_MC_HTS_DEQ)
WAY(rte_rts, mp_rts_enqueue, mc_rts_dequeue, RING_F_MP_RTS_ENQ | RING_F_MC_RTS_DEQ)

/* In place, where the ring can: up to its end. What stands behind the end comes with the next call. */
#define IN_PLACE(name) \
	static inline size_t name##_push_begin(struct name *p, size_t want, struct item **items) \
	{ \
		struct rte_ring_zc_data zcd; \
		unsigned n = rte_ring_enqueue_zc_burst_elem_start(&p->ring, sizeof(struct item), (unsigned)want, &zcd, \
								  NULL); \
		if (n == 0) \
			return 0; \
		*items = zcd.ptr1; \
		return n < zcd.n1 ? n : zcd.n1; \
	} \
	static inline void name##_push_end(struct name *p, size_t n) \
	{ \
		rte_ring_enqueue_zc_elem_finish(&p->ring, (unsigned)n); \
	} \
	static inline size_t name##_pop_begin(struct name *p, size_t want, struct item **items) \
	{ \
		struct rte_ring_zc_data zcd; \
		unsigned n = rte_ring_dequeue_zc_burst_elem_start(&p->ring, sizeof(struct item), (unsigned)want, &zcd, \
								  NULL); \
		if (n == 0) \
			return 0; \
		*items = zcd.ptr1; \
		return n < zcd.n1 ? n : zcd.n1; \
	} \
	static inline void name##_pop_end(struct name *p, size_t n) \
	{ \
		rte_ring_dequeue_zc_elem_finish(&p->ring, (unsigned)n); \
	}
IN_PLACE(rte_sp_sc)
IN_PLACE(rte_hts)

#define PIPE rte_sp_sc
#define PIPE_NAME "rte_ring SP/SC"
#define PIPE_KINDS ONE_OF(KIND_SPSC)
#define PIPE_HAS HAS_TRY + HAS_BATCH + HAS_ZERO_COPY
#include "perf/loops.h"

#define PIPE rte_mp_sc
#define PIPE_NAME "rte_ring MP/SC"
#define PIPE_KINDS ONE_OF(KIND_MPSC)
#define PIPE_HAS HAS_TRY + HAS_BATCH
#include "perf/loops.h"

#define PIPE rte_sp_mc
#define PIPE_NAME "rte_ring SP/MC"
#define PIPE_KINDS ONE_OF(KIND_SPMC)
#define PIPE_HAS HAS_TRY + HAS_BATCH
#include "perf/loops.h"

#define PIPE rte_mp_mc
#define PIPE_NAME "rte_ring MP/MC"
#define PIPE_KINDS ONE_OF(KIND_MPMC)
#define PIPE_HAS HAS_TRY + HAS_BATCH
#include "perf/loops.h"

#define PIPE rte_hts
#define PIPE_NAME "rte_ring HTS"
#define PIPE_KINDS MANY
#define PIPE_HAS HAS_TRY + HAS_BATCH + HAS_ZERO_COPY
#include "perf/loops.h"

#define PIPE rte_rts
#define PIPE_NAME "rte_ring RTS"
#define PIPE_KINDS MANY
#define PIPE_HAS HAS_TRY + HAS_BATCH
#include "perf/loops.h"

PEER(rte_ring, &rte_sp_sc_contestant, &rte_mp_sc_contestant, &rte_sp_mc_contestant, &rte_mp_mc_contestant,
     &rte_hts_contestant, &rte_rts_contestant)
