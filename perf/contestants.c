/*
 * perf/contestants.c: the contestants: those that the build found (peers.inc), and Go.
 *
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "perf/bench.h"

#define PEER(file, size) extern const struct contestant *const peer_##file##_##size[];
#define MISSING(file, package)
#include "peers.inc"
#undef PEER
#undef MISSING

static const struct contestant *const *const tables[] = {
#define PEER(file, size) peer_##file##_##size,
#define MISSING(file, package)
#include "peers.inc"
#undef PEER
#undef MISSING
	remote_contestants,
};

const char *const bench_missing[][2] = {
#define PEER(file, size)
#define MISSING(file, package) { file, package },
#include "peers.inc"
#undef PEER
#undef MISSING
	{ NULL, NULL },
};

size_t contestants_find(unsigned item_size, const struct contestant **found, size_t max)
{
	size_t count = 0;

	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		if (tables[t] == remote_contestants && !remote_found(remote_contestants[0]))
			continue;
		for (const struct contestant *const *c = tables[t]; *c != NULL && count < max; c++)
			if ((*c)->item_size == item_size)
				found[count++] = *c;
	}
	return count;
}
