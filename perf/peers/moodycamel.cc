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

template <class Queue> struct moody {
	Queue queue;
	std::unique_ptr<moodycamel::ProducerToken> tx[SIDE_MAX];
	std::unique_ptr<moodycamel::ConsumerToken> rx[SIDE_MAX];

	explicit moody(const struct shape *shape) : queue(shape->capacity, shape->producers, 0)
	{
		for (unsigned i = 0; i < shape->producers; i++)
			tx[i].reset(new moodycamel::ProducerToken(queue));
		for (unsigned i = 0; i < shape->consumers; i++)
			rx[i].reset(new moodycamel::ConsumerToken(queue));
	}
};

template <class Queue> struct moody_tx {
	Queue *queue;
	moodycamel::ProducerToken *token;
};
template <class Queue> struct moody_rx {
	Queue *queue;
	moodycamel::ConsumerToken *token;
};

typedef moodycamel::ConcurrentQueue<item> spinning;
struct moody_queue : moody<spinning> {
	using moody::moody;
};
typedef moody_tx<spinning> moody_queue_tx;
typedef moody_rx<spinning> moody_queue_rx;

static inline moody_queue *moody_queue_open(const struct shape *shape)
{
	return new moody_queue(shape);
}

static inline void moody_queue_close(moody_queue *p)
{
	delete p;
}

static inline moody_queue_tx moody_queue_tx_of(moody_queue *p, unsigned number)
{
	return { &p->queue, p->tx[number].get() };
}

static inline moody_queue_rx moody_queue_rx_of(moody_queue *p, unsigned number)
{
	return { &p->queue, p->rx[number].get() };
}

static inline bool moody_queue_push(moody_queue_tx tx, const item *item)
{
	return tx.queue->enqueue(*tx.token, *item);
}

static inline bool moody_queue_pop(moody_queue_rx rx, item *item)
{
	return rx.queue->try_dequeue(*rx.token, *item);
}

static inline size_t moody_queue_push_n(moody_queue_tx tx, const item *items, size_t n)
{
	return tx.queue->enqueue_bulk(*tx.token, items, n) ? n : 0;
}

static inline size_t moody_queue_pop_n(moody_queue_rx rx, item *items, size_t n)
{
	return rx.queue->try_dequeue_bulk(*rx.token, items, n);
}

#define PIPE moody_queue
#define PIPE_NAME "moodycamel"
#define PIPE_KINDS ANY_KIND
#define PIPE_UNBOUNDED true
#define HAS_SIDES
#define HAS_TRY
#define HAS_BATCH
#include "perf/loops.h"

typedef moodycamel::BlockingConcurrentQueue<item> sleeping;
struct moody_blocking : moody<sleeping> {
	using moody::moody;
};
typedef moody_tx<sleeping> moody_blocking_tx;
typedef moody_rx<sleeping> moody_blocking_rx;

static inline moody_blocking *moody_blocking_open(const struct shape *shape)
{
	return new moody_blocking(shape);
}

static inline void moody_blocking_close(moody_blocking *p)
{
	delete p;
}

static inline moody_blocking_tx moody_blocking_tx_of(moody_blocking *p, unsigned number)
{
	return { &p->queue, p->tx[number].get() };
}

static inline moody_blocking_rx moody_blocking_rx_of(moody_blocking *p, unsigned number)
{
	return { &p->queue, p->rx[number].get() };
}

static inline void moody_blocking_send(moody_blocking_tx tx, const item *item)
{
	tx.queue->enqueue(*tx.token, *item);
}

static inline void moody_blocking_recv(moody_blocking_rx rx, item *item)
{
	rx.queue->wait_dequeue(*rx.token, *item);
}

static inline void moody_blocking_send_n(moody_blocking_tx tx, const item *items, size_t n)
{
	tx.queue->enqueue_bulk(*tx.token, items, n);
}

static inline size_t moody_blocking_recv_n(moody_blocking_rx rx, item *items, size_t most)
{
	return rx.queue->wait_dequeue_bulk(*rx.token, items, most);
}

#define PIPE moody_blocking
#define PIPE_NAME "moodycamel blocking"
#define PIPE_KINDS ANY_KIND
#define PIPE_UNBOUNDED true
#define HAS_SIDES
#define HAS_BLOCKING
#define HAS_BLOCKING_BATCH
#include "perf/loops.h"

PEER_END

PEER(moodycamel, &moody_queue_contestant, &moody_blocking_contestant)
