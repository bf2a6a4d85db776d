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
 * A pool: workers that give generators (leat_gen_seq) and sinks (leat_gen_sink) their turns, each
 * as many steps as take some tenth of a millisecond. Every worker has a queue, and takes from the
 * others' when it is empty; with nothing to do they sleep.
 *
 * A generator whose channel is full costs memory and nothing else. One whose steps are short (below
 * 2 microseconds) is run by its receiver, in the receive that would otherwise wait, so a join of it
 * waits for a receiver that receives all, or closes. One whose steps are long is run by the
 * workers, as soon as there is room. A step may run on any thread, one at a time, each happening
 * before the next; never inside a try. In a step, a call that would wait answers -EDEADLK.
 */
struct leat_pool_opts {
	const char *name;  /* of its threads; copied */
	unsigned workers;  /* 0: one for each core that the process may use */
	bool workers_only; /* receivers run no steps */
	uint64_t reserved[8];
};

/*
 * NULL for bad options (more than 4,096 workers, a name too long, reserved not zero), without
 * memory or threads, and for a caller that was compiled for another layout (leat/base.h).
 */
LEAT_API struct leat_pool *leat_pool_open(const struct leat_pool_opts *opts);

/* Stops the workers. 0; -EBUSY while generators live on it; -EDEADLK in a step. NULL is 0. */
LEAT_API int leat_pool_close(struct leat_pool *pool);

LEAT_API struct leat_pool *leat_detail_pool_open(unsigned abi, const struct leat_pool_opts *opts);

LEAT_END_DECLS

/* Variadic, so that an argument may be a compound literal. */
#define leat_pool_open(...) \
	leat_detail_pool_open(leat_detail_abi(struct leat_pool_opts), __VA_ARGS__)

#endif
