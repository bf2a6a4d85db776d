/*
 * perf/peers/moodycamel.cc: moodycamel's ConcurrentQueue, with tokens, and its blocking form. Unbounded, and in order
 * for each producer only.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/peer.h"

#include <concurrentqueue/blockingconcurrentqueue.h>
#include <concurrentqueue/concurrentqueue.h>

#include <memory>

PEER_BEGIN

template <class Queue, class Token> struct moody_side {
	Queue *queue;
	Token *token;
};

#define QUEUE(name, type) \
	struct name { \
		moodycamel::type<item> queue; \
		std::unique_ptr<moodycamel::ProducerToken> tx[SIDE_MAX]; \
		std::unique_ptr<moodycamel::ConsumerToken> rx[SIDE_MAX]; \
	}; \
	static inline name *name##_open(const struct shape *shape) \
	{ \
		name *p = new name{ moodycamel::type<item>(shape->capacity, shape->producers, 0), {}, {} }; \
		for (unsigned i = 0; i < shape->producers; i++) \
			p->tx[i].reset(new moodycamel::ProducerToken(p->queue)); \
		for (unsigned i = 0; i < shape->consumers; i++) \
			p->rx[i].reset(new moodycamel::ConsumerToken(p->queue)); \
		return p; \
	} \
	static inline void name##_close(name *p) \
	{ \
		delete p; \
	} \
	typedef moody_side<moodycamel::type<item>, moodycamel::ProducerToken> name##_sender; \
	typedef moody_side<moodycamel::type<item>, moodycamel::ConsumerToken> name##_receiver; \
	SIDES(name, name##_sender, (name##_sender{ &p->queue, p->tx[number].get() }), name##_receiver, \
	      (name##_receiver{ &p->queue, p->rx[number].get() }))
QUEUE(moody_queue, ConcurrentQueue)
TRY(moody_queue, p.queue->enqueue(*p.token, *item), p.queue->try_dequeue(*p.token, *item))
BATCH(moody_queue, p.queue->enqueue_bulk(*p.token, items, n) ? n : 0, p.queue->try_dequeue_bulk(*p.token, items, n))
QUEUE(moody_blocking, BlockingConcurrentQueue)
BLOCKING(moody_blocking, p.queue->enqueue(*p.token, *item), p.queue->wait_dequeue(*p.token, *item))
BLOCKING_BATCH(moody_blocking, p.queue->enqueue_bulk(*p.token, items, n), p.queue->wait_dequeue_bulk(*p.token, items, n))

#define PIPE moody_queue
#define PIPE_NAME "moodycamel"
#define PIPE_KINDS ANY_KIND
#define PIPE_HAS HAS_TRY + HAS_BATCH
#define PIPE_UNBOUNDED true
#include "perf/loops.h"

#define PIPE moody_blocking
#define PIPE_NAME "moodycamel blocking"
#define PIPE_KINDS ANY_KIND
#define PIPE_HAS HAS_BLOCKING + HAS_BLOCKING_BATCH
#define PIPE_UNBOUNDED true
#include "perf/loops.h"

PEER_END

PEER(moodycamel, &moody_queue_contestant, &moody_blocking_contestant)
