/*
 * perf/peers/leat_ring.c: leat's bare rings: no waiting, no closing, no books.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/peer.h"

#include <leat/ring/mpmc.h>
#include <leat/ring/spsc.h>

struct leat_ring_spsc {
	struct leat_spsc ring;
	struct leat_spsc_cursor tx __attribute__((aligned(APART))), rx __attribute__((aligned(APART)));
	void *slots;
};

static inline struct leat_ring_spsc *leat_ring_spsc_open(const struct shape *shape)
{
	struct leat_ring_spsc *p = bench_alloc(sizeof(*p));

	p->slots = bench_alloc(leat_spsc_bytes(sizeof(struct item), shape->capacity));
	leat_spsc_init(&p->ring, &p->tx, &p->rx, p->slots, sizeof(struct item), shape->capacity);
	return p;
}

static inline void leat_ring_spsc_close(struct leat_ring_spsc *p)
{
	free(p->slots);
	free(p);
}

ONE_SIDE(leat_ring_spsc)
TRY(leat_ring_spsc, leat_spsc_can_push(&p->tx) && (leat_spsc_push(&p->tx, item, sizeof(*item)), true),
    leat_spsc_can_pop(&p->rx) && (leat_spsc_pop(&p->rx, item, sizeof(*item)), true))
BATCH(leat_ring_spsc, leat_spsc_push_batch(&p->tx, items, n, sizeof(*items)),
      leat_spsc_pop_batch(&p->rx, items, n, sizeof(*items)))

static inline size_t leat_ring_spsc_push_begin(struct leat_ring_spsc *p, size_t want, struct item **items)
{
	void *at;
	size_t n = leat_spsc_claim(&p->tx, want, &at);

	*items = at;
	return n;
}

static inline void leat_ring_spsc_push_end(struct leat_ring_spsc *p, size_t n)
{
	leat_spsc_publish(&p->tx, n);
}

static inline size_t leat_ring_spsc_pop_begin(struct leat_ring_spsc *p, size_t want, struct item **items)
{
	void *at;
	size_t n = leat_spsc_peek(&p->rx, want, &at);

	*items = at;
	return n;
}

static inline void leat_ring_spsc_pop_end(struct leat_ring_spsc *p, size_t n)
{
	leat_spsc_release(&p->rx, n);
}

#define PIPE leat_ring_spsc
#define PIPE_NAME "leat ring spsc"
#define PIPE_KINDS ONE_OF(KIND_SPSC)
#define PIPE_HAS HAS_TRY + HAS_BATCH + HAS_ZERO_COPY
#include "perf/loops.h"

/* The other ring, in the three ways that it knows. Each thread has a place for what it has claimed. */
struct leat_ring_side {
	struct leat_mpmc *ring;
	struct leat_mpmc_cursor side;
	struct leat_mpmc_claim claim;
} __attribute__((aligned(APART)));

struct leat_ring_many {
	struct leat_mpmc ring;
	struct leat_ring_side tx[SIDE_MAX], rx[SIDE_MAX];
	void *memory;
};

static void many_side(struct leat_ring_side *side, struct leat_mpmc *ring)
{
	side->ring = ring;
	leat_mpmc_cursor_init(&side->side, ring);
}

static struct leat_ring_many *many_open(const struct shape *shape, bool single_producer, bool single_consumer)
{
	struct leat_ring_many *p = bench_alloc(sizeof(*p));

	p->memory = bench_alloc(leat_mpmc_bytes(sizeof(struct item), shape->capacity));
	leat_mpmc_init(&p->ring, p->memory, sizeof(struct item), shape->capacity, single_producer, single_consumer);
	for (unsigned i = 0; i < SIDE_MAX; i++)
		many_side(&p->tx[i], &p->ring), many_side(&p->rx[i], &p->ring);
	return p;
}

static inline void many_close(struct leat_ring_many *p)
{
	free(p->memory);
	free(p);
}

typedef struct leat_ring_side *many_tx, *many_rx;
TRY(many, leat_mpmc_push(p->ring, &p->side, item, sizeof(*item)), leat_mpmc_pop(p->ring, &p->side, item, sizeof(*item)))
BATCH(many, leat_mpmc_push_batch(p->ring, &p->side, items, n, sizeof(*items)),
      leat_mpmc_pop_batch(p->ring, &p->side, items, n, sizeof(*items)))

static inline size_t many_push_begin(struct leat_ring_side *tx, size_t want, struct item **items)
{
	size_t n = leat_mpmc_claim_slots(tx->ring, leat_mpmc_contiguous(tx->ring, want), &tx->claim);

	if (n > 0)
		*items = leat_mpmc_item(tx->ring, &tx->claim, 0);
	return n;
}

static inline void many_push_end(struct leat_ring_side *tx, size_t n)
{
	leat_mpmc_commit(tx->ring, &tx->claim, n);
}

static inline size_t many_pop_begin(struct leat_ring_side *rx, size_t want, struct item **items)
{
	size_t n = leat_mpmc_claim_items(rx->ring, leat_mpmc_contiguous(rx->ring, want), &rx->claim);

	if (n > 0)
		*items = leat_mpmc_item(rx->ring, &rx->claim, 0);
	return n;
}

static inline void many_pop_end(struct leat_ring_side *rx, size_t n)
{
	(void)n;
	leat_mpmc_release(rx->ring, &rx->claim);
}

/* The names that loops.h wants, for a ring that was opened in one of the ways. */
#define WAY(name, single_producer, single_consumer) \
	struct name { \
		struct leat_ring_many many; \
	}; \
	static inline struct name *name##_open(const struct shape *shape) \
	{ \
		return (struct name *)many_open(shape, single_producer, single_consumer); \
	} \
	static inline void name##_close(struct name *p) \
	{ \
		many_close(&p->many); \
	} \
	SIDES(name, struct leat_ring_side *, &p->many.tx[number], struct leat_ring_side *, &p->many.rx[number])
WAY(leat_ring_mpmc, false, false)
WAY(leat_ring_mpsc, false, true)
WAY(leat_ring_spmc, true, false)

#define PIPE leat_ring_mpmc
#define PIPE_NAME "leat ring mpmc"
#define PIPE_KINDS MANY
#define PIPE_HAS HAS_TRY + HAS_BATCH + HAS_ZERO_COPY
#define PIPE_OPS many
#include "perf/loops.h"

#define PIPE leat_ring_mpsc
#define PIPE_NAME "leat ring mpsc"
#define PIPE_KINDS ONE_OF(KIND_MPSC)
#define PIPE_HAS HAS_TRY + HAS_BATCH + HAS_ZERO_COPY
#define PIPE_OPS many
#include "perf/loops.h"

#define PIPE leat_ring_spmc
#define PIPE_NAME "leat ring spmc"
#define PIPE_KINDS ONE_OF(KIND_SPMC)
#define PIPE_HAS HAS_TRY + HAS_BATCH + HAS_ZERO_COPY
#define PIPE_OPS many
#include "perf/loops.h"

PEER(leat_ring, &leat_ring_spsc_contestant, &leat_ring_mpmc_contestant, &leat_ring_mpsc_contestant,
     &leat_ring_spmc_contestant)
