/*
 * leat/pool.h: pools of workers, on which generators and sinks run as steps (leat/gen.h).
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LEAT_POOL_H
#define LEAT_POOL_H

#include <leat/base.h>

LEAT_BEGIN_DECLS

struct leat_pool;

/*
 * A pool: workers that give generators (leat_gen_seq) and sinks (leat_gen_sink) their turns. A turn
 * has as many steps as take some tenth of a millisecond. Every worker has a queue, and takes jobs
 * from other workers' queues when its own is empty. A worker with nothing to do sleeps.
 *
 * A generator whose channel is full costs memory and nothing else. A generator whose steps are
 * short (below 2 microseconds) is run by its receiver, in the receive that would otherwise wait. So
 * a join of that generator waits for a receiver that receives all, or closes. A generator whose
 * steps are long is run by the workers, as soon as there is room. A step may run on any thread, but
 * never in a try call; one step runs at a time, and each happens before the next. In a step, a call
 * that would wait returns -EDEADLK.
 */
struct leat_pool_opts {
	const char *name;  /* of its threads; copied */
	unsigned workers;  /* 0: one for each core that the process may use */
	bool workers_only; /* receivers run no steps */
	uint64_t reserved[8];
};

/*
 * Returns NULL for bad options (more than 4,096 workers, a name too long, reserved not zero), where
 * memory or threads are lacking, and to a caller that was compiled for another layout
 * (leat/base.h).
 */
LEAT_API struct leat_pool *leat_pool_open(const struct leat_pool_opts *opts);

/*
 * Stops the workers and frees the pool. Returns 0, also for NULL; -EBUSY while generators live on
 * the pool; -EDEADLK in a step.
 */
LEAT_API int leat_pool_close(struct leat_pool *pool);

LEAT_API struct leat_pool *leat_detail_pool_open(unsigned abi, const struct leat_pool_opts *opts);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_pool_open(...) \
	leat_detail_pool_open(leat_detail_abi(struct leat_pool_opts), __VA_ARGS__)

#endif
