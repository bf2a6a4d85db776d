/*
 * perf/peers/leat_chan.c: leat's channels, as a user has them: closing, cancelling, counting.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/peer.h"

#include <leat/chan.h>
#include <leat/scope.h>

struct chan {
	struct leat_scope *scope;
	unsigned producers, consumers;
	struct leat_tx *tx[SIDE_MAX];
	struct leat_rx *rx[SIDE_MAX];
};

static struct chan *chan_open(const struct shape *shape, enum leat_kind kind, enum leat_wait wait)
{
	const struct leat_chan_opts opts = {
		.capacity = shape->capacity, .kind = kind, .send_wait = wait, .recv_wait = wait
	};
	struct chan *p = bench_alloc(sizeof(*p));

	p->producers = shape->producers;
	p->consumers = shape->consumers;
	p->scope = leat_scope_open(NULL, NULL);
	if (p->scope == NULL || leat_chan_open(p->scope, sizeof(struct item), &opts, &p->tx[0], &p->rx[0]) != 0)
		bench_fail("cannot open a channel");
	for (unsigned i = 1; i < p->producers; i++)
		p->tx[i] = leat_tx_clone(p->tx[0]);
	for (unsigned i = 1; i < p->consumers; i++)
		p->rx[i] = leat_rx_clone(p->rx[0]);
	return p;
}

static void chan_close(struct chan *p)
{
	for (unsigned i = 0; i < SIDE_MAX; i++) {
		leat_tx_close(p->tx[i]);
		leat_rx_close(p->rx[i]);
	}
	leat_scope_close(p->scope);
	free(p);
}

/* How many, or none. */
static inline size_t at_least_0(ssize_t n)
{
	return n > 0 ? (size_t)n : 0;
}

typedef struct leat_tx *chan_tx;
typedef struct leat_rx *chan_rx;
TRY(chan, leat_try_send(p, item) == 0, leat_try_recv(p, item) == 1)
BATCH(chan, at_least_0(leat_try_send_batch(p, items, n)), at_least_0(leat_try_recv_batch(p, items, n)))
BLOCKING(chan, leat_send(p, item), leat_recv(p, item))
BLOCKING_BATCH(chan, leat_send_batch(p, items, n), at_least_0(leat_recv_batch(p, items, n)))

/* Zero copy waits by itself, as there is no other. */
static inline size_t chan_push_begin(struct leat_tx *tx, size_t want, struct item **items)
{
	void *at = NULL;
	ssize_t n = leat_reserve(tx, want, &at);

	*items = at;
	return n > 0 ? (size_t)n : 0;
}

static inline void chan_push_end(struct leat_tx *tx, size_t n)
{
	leat_commit(tx, n);
}

static inline size_t chan_pop_begin(struct leat_rx *rx, size_t want, struct item **items)
{
	const void *at = NULL;
	ssize_t n = leat_peek(rx, want, &at);

	*items = (struct item *)(uintptr_t)at;
	return n > 0 ? (size_t)n : 0;
}

static inline void chan_pop_end(struct leat_rx *rx, size_t n)
{
	leat_release(rx, n);
}

static inline enum leat_kind same_kind(const struct shape *shape)
{
	static const enum leat_kind kinds[KINDS] = { LEAT_SPSC, LEAT_MPSC, LEAT_SPMC, LEAT_MPMC };

	return kinds[shape->kind];
}

/* The names that loops.h wants, for a channel of some kind and some way to wait. */
#define WAY(name, kind, wait) \
	struct name { \
		struct chan chan; \
	}; \
	static inline struct name *name##_open(const struct shape *shape) \
	{ \
		return (struct name *)chan_open(shape, kind, wait); \
	} \
	static inline void name##_close(struct name *p) \
	{ \
		chan_close(&p->chan); \
	} \
	SIDES(name, struct leat_tx *, p->chan.tx[number], struct leat_rx *, p->chan.rx[number])
WAY(leat_channel, same_kind(shape), LEAT_WAIT_ADAPTIVE)
WAY(leat_channel_mpmc, LEAT_MPMC, LEAT_WAIT_ADAPTIVE)
WAY(leat_channel_spin, same_kind(shape), LEAT_WAIT_SPIN)
WAY(leat_channel_park, same_kind(shape), LEAT_WAIT_PARK)

#define PIPE leat_channel
#define PIPE_NAME "leat channel"
#define PIPE_KINDS ANY_KIND
#define PIPE_HAS HAS_TRY + HAS_BATCH + HAS_ZERO_COPY + HAS_BLOCKING + HAS_BLOCKING_BATCH
#define PIPE_OPS chan
#define PIPE_IN_PLACE_WAITS true
#include "perf/loops.h"

/* Where one producer and one consumer would do with less. */
#define PIPE leat_channel_mpmc
#define PIPE_NAME "leat channel mpmc"
#define PIPE_KINDS ONE_OF(KIND_SPSC)
#define PIPE_HAS HAS_BLOCKING + HAS_BLOCKING_BATCH
#define PIPE_OPS chan
#include "perf/loops.h"

#define PIPE leat_channel_spin
#define PIPE_NAME "leat channel, spin"
#define PIPE_KINDS ANY_KIND
#define PIPE_HAS HAS_BLOCKING + HAS_BLOCKING_BATCH
#define PIPE_OPS chan
#include "perf/loops.h"

#define PIPE leat_channel_park
#define PIPE_NAME "leat channel, park"
#define PIPE_KINDS ANY_KIND
#define PIPE_HAS HAS_BLOCKING + HAS_BLOCKING_BATCH
#define PIPE_OPS chan
#include "perf/loops.h"

PEER(leat_chan, &leat_channel_contestant, &leat_channel_mpmc_contestant, &leat_channel_spin_contestant,
     &leat_channel_park_contestant)
