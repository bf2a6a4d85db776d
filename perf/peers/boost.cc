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

#define QUEUE(name, type) \
	struct name { \
		boost::lockfree::type<item> queue; \
	}; \
	static inline name *name##_open(const struct shape *shape) \
	{ \
		return new (bench_alloc(sizeof(name))) name{ boost::lockfree::type<item>(shape->capacity) }; \
	} \
	static inline void name##_close(name *p) \
	{ \
		p->~name(); \
		free(p); \
	} \
	ONE_SIDE(name)
QUEUE(boost_spsc, spsc_queue)
TRY(boost_spsc, p->queue.push(*item), p->queue.pop(*item))
BATCH(boost_spsc, p->queue.push(items, n), p->queue.pop(items, n))
QUEUE(boost_queue, queue)
TRY(boost_queue, p->queue.bounded_push(*item), p->queue.pop(*item))

#define PIPE boost_spsc
#define PIPE_NAME "Boost spsc_queue"
#define PIPE_KINDS ONE_OF(KIND_SPSC)
#define PIPE_HAS HAS_TRY + HAS_BATCH
#include "perf/loops.h"

#define PIPE boost_queue
#define PIPE_NAME "Boost queue"
#define PIPE_KINDS MANY
#define PIPE_HAS HAS_TRY
#include "perf/loops.h"

PEER_END

PEER(boost, &boost_spsc_contestant, &boost_queue_contestant)
