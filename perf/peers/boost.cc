/*
 * perf/peers/boost.cc: Boost.Lockfree's spsc_queue and queue. (The queue is a list over a pool of nodes of the
 * capacity.)
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/peer.h"

#include <boost/lockfree/queue.hpp>
#include <boost/lockfree/spsc_queue.hpp>

#include <new>

PEER_BEGIN

struct boost_spsc {
	boost::lockfree::spsc_queue<item> queue;

	explicit boost_spsc(size_t capacity) : queue(capacity)
	{
	}
};

static inline boost_spsc *boost_spsc_open(const struct shape *shape)
{
	return new (bench_alloc(sizeof(boost_spsc))) boost_spsc(shape->capacity);
}

static inline void boost_spsc_close(boost_spsc *p)
{
	p->~boost_spsc();
	free(p);
}

static inline bool boost_spsc_push(boost_spsc *p, const item *item)
{
	return p->queue.push(*item);
}

static inline bool boost_spsc_pop(boost_spsc *p, struct item *item)
{
	return p->queue.pop(*item);
}

static inline size_t boost_spsc_push_n(boost_spsc *p, const item *items, size_t n)
{
	return p->queue.push(items, n);
}

static inline size_t boost_spsc_pop_n(boost_spsc *p, item *items, size_t n)
{
	return p->queue.pop(items, n);
}

#define PIPE boost_spsc
#define PIPE_NAME "Boost spsc_queue"
#define PIPE_KINDS ONE_OF(KIND_SPSC)
#define HAS_TRY
#define HAS_BATCH
#include "perf/loops.h"

struct boost_queue {
	boost::lockfree::queue<item> queue;

	explicit boost_queue(size_t capacity) : queue(capacity)
	{
	}
};

static inline boost_queue *boost_queue_open(const struct shape *shape)
{
	return new (bench_alloc(sizeof(boost_queue))) boost_queue(shape->capacity);
}

static inline void boost_queue_close(boost_queue *p)
{
	p->~boost_queue();
	free(p);
}

static inline bool boost_queue_push(boost_queue *p, const item *item)
{
	return p->queue.bounded_push(*item);
}

static inline bool boost_queue_pop(boost_queue *p, struct item *item)
{
	return p->queue.pop(*item);
}

#define PIPE boost_queue
#define PIPE_NAME "Boost queue"
#define PIPE_KINDS (ONE_OF(KIND_MPSC) | ONE_OF(KIND_SPMC) | ONE_OF(KIND_MPMC))
#define HAS_TRY
#include "perf/loops.h"

PEER_END

PEER(boost, &boost_spsc_contestant, &boost_queue_contestant)
