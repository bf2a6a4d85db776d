/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One feed, three results in one pass: the mean, the extremes, and a histogram of some
 * measurements. A tee shows each item to all three ends without a copy; each end runs on a thread
 * of its own. The results are valid once join has returned.
 */
#include <leat/flow.h>

#include <inttypes.h>
#include <stdio.h>

enum { COUNT = 50000, BUCKETS = 16 };

struct mean {
	uint64_t sum, count;
};
struct extremes {
	uint64_t least, most;
};

LEAT_EACH(add, u64, us, struct mean *, m)
{
	m->sum += *us;
	m->count++;
	return 0;
}

LEAT_EACH(widen, u64, us, struct extremes *, e)
{
	if (*us < e->least)
		e->least = *us;
	if (*us > e->most)
		e->most = *us;
	return 0;
}

/* Bucket i counts what is below 2 to the power of i, and in no bucket before it. */
LEAT_EACH(sort_in, u64, us, uint64_t *, buckets)
{
	int i = *us == 0 ? 0 : 64 - __builtin_clzll(*us);

	buckets[i < BUCKETS ? i : BUCKETS - 1]++;
	return 0;
}

static int measure(struct leat_tx *out, void *arg)
{
	int rc = 0;

	(void)arg;
	for (uint64_t i = 0; i < COUNT && rc == 0; i++) {
		uint64_t us = i * 7919 % 9973;

		rc = leat_send(out, &us);
	}
	return rc;
}

int main(void)
{
	struct mean mean = { 0 };
	struct extremes extremes = { .least = UINT64_MAX };
	uint64_t buckets[BUCKETS] = { 0 };
	struct leat_port to[3];
	struct leat_flow *flow = leat_flow_open(NULL, NULL);
	int rc;

	leat_flow_tee(leat_flow_from_gen(flow, LEAT_T(u64), measure, NULL), to, 3);
	leat_flow_for_each(to[0], &add, &mean);
	leat_flow_for_each(to[1], &widen, &extremes);
	leat_flow_for_each(to[2], &sort_in, buckets);
	rc = leat_flow_start(flow);
	if (rc == 0)
		rc = leat_flow_join(flow);
	if (rc < 0) {
		fprintf(stderr, "flow_tee: %s\n", leat_flow_error(flow));
	} else {
		printf("mean %" PRIu64 ", least %" PRIu64 ", most %" PRIu64 "\n",
		       mean.sum / mean.count, extremes.least, extremes.most);
		for (int i = 0; i < BUCKETS; i++)
			if (buckets[i] > 0)
				printf("below %5u: %" PRIu64 "\n", 1u << i, buckets[i]);
	}
	leat_flow_close(flow);
	return rc < 0;
}
