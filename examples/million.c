/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A million generators, all alive at once on the few threads of a pool. Each has a channel of its
 * own, and takes some 200 bytes and its state. A generator that waits costs memory and nothing
 * else. The first argument is the number of generators.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct walker {
	uint64_t seed;
	int32_t at;
};

/* One step to the left or to the right, for ever. */
static int walk(void *state, void *item)
{
	struct walker *w = state;

	w->seed = w->seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	w->at += w->seed >> 63 ? 1 : -1;
	*(int32_t *)item = w->at;
	return 1;
}

int main(int argc, char **argv)
{
	size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
	struct walker *walkers = calloc(count, sizeof(*walkers));
	struct leat_rx **rx = calloc(count, sizeof(*rx));
	struct leat_pool *pool = leat_pool_open(NULL); /* a worker for each core */
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_gen_opts opts = { .chan.capacity = 1, .pool = pool };
	uint64_t squares = 0;
	int64_t start_ns = leat_now_ns();
	int rc;

	if (walkers == NULL || rx == NULL || pool == NULL || scope == NULL)
		return 1;
	for (size_t i = 0; i < count; i++) {
		struct leat_seq seq = { walk, NULL, &walkers[i], sizeof(int32_t) };

		walkers[i].seed = i;
		if (leat_gen_seq(scope, seq, &opts, &rx[i]) < 0)
			return 1;
	}
	for (int round = 1; round <= 10; round++)
		for (size_t i = 0; i < count; i++) {
			int32_t at;

			if (leat_recv(rx[i], &at) != 1)
				return 1;
			if (round == 10)
				squares += (uint64_t)((int64_t)at * at);
		}
	leat_scope_cancel(scope, 0, "seen enough"); /* all generators end, wherever they wait */
	leat_scope_join(scope);
	for (size_t i = 0; i < count; i++)
		leat_rx_close(rx[i]);
	rc = leat_scope_close(scope) < 0 || leat_pool_close(pool) < 0;
	printf("%zu walkers, ten steps each, in %.2f s; mean square of where they are: %.2f\n",
	       count, (double)(leat_now_ns() - start_ns) / 1e9, (double)squares / (double)count);
	free(rx);
	free(walkers);
	return rc;
}
