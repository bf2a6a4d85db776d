/*
 * perf/peers/tbb.cc: oneTBB's concurrent_bounded_queue.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/peer.h"

#include <oneapi/tbb/concurrent_queue.h>

PEER_BEGIN

struct tbb_bounded {
	tbb::concurrent_bounded_queue<item> queue;
};

static inline tbb_bounded *tbb_bounded_open(const struct shape *shape)
{
	tbb_bounded *p = new tbb_bounded;

	p->queue.set_capacity((ptrdiff_t)shape->capacity);
	return p;
}

static inline void tbb_bounded_close(tbb_bounded *p)
{
	delete p;
}

static inline bool tbb_bounded_push(tbb_bounded *p, const item *item)
{
	return p->queue.try_push(*item);
}

static inline bool tbb_bounded_pop(tbb_bounded *p, item *item)
{
	return p->queue.try_pop(*item);
}

static inline void tbb_bounded_send(tbb_bounded *p, const item *item)
{
	p->queue.push(*item);
}

static inline void tbb_bounded_recv(tbb_bounded *p, item *item)
{
	p->queue.pop(*item);
}

#define PIPE tbb_bounded
#define PIPE_NAME "oneTBB bounded"
#define PIPE_KINDS ANY_KIND
#define HAS_TRY
#define HAS_BLOCKING
#include "perf/loops.h"

PEER_END

PEER(tbb, &tbb_bounded_contestant)
