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

ONE_SIDE(tbb_bounded)
TRY(tbb_bounded, p->queue.try_push(*item), p->queue.try_pop(*item))
BLOCKING(tbb_bounded, p->queue.push(*item), p->queue.pop(*item))

#define PIPE tbb_bounded
#define PIPE_NAME "oneTBB bounded"
#define PIPE_KINDS ANY_KIND
#define PIPE_HAS HAS_TRY + HAS_BLOCKING
#include "perf/loops.h"

PEER_END

PEER(tbb, &tbb_bounded_contestant)
