/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bridge: a stream of streams read as one. A step opens the days of an archive, each a stream of
 * its own, and the bridge makes one stream of readings of them, in order. While it reads one day,
 * the next is there already, and a buffer lets more be ahead.
 */
#include <leat/flow.h>
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { DAYS = 30, READINGS = 24, AHEAD = 3 };

static int read_day(struct leat_tx *out, void *arg)
{
	const uint64_t day = (uintptr_t)arg;
	int rc = 0;

	for (uint64_t hour = 0; hour < READINGS && rc == 0; hour++)
		rc = leat_send(out, &(uint64_t){ day * READINGS + hour });
	return rc;
}

LEAT_MAP(open_day, u64, day, rx, out, struct leat_scope *, scope)
{
	return leat_gen(scope, read_day, (void *)(uintptr_t)*day, sizeof(uint64_t), NULL, out);
}

/* Returns how many readings came, all in order, up to `most`; then the consumer leaves. */
static uint64_t read_archive(uint64_t most)
{
	struct leat_scope *scope = leat_scope_open(NULL, NULL);
	struct leat_flow *flow = leat_flow_open(scope, NULL);
	uint64_t days[DAYS], *readings = NULL;
	size_t count = 0, in_order = 0;
	struct leat_port port;
	int rc;

	for (uint64_t day = 0; day < DAYS; day++)
		days[day] = day;
	port = leat_flow_from_array(flow, LEAT_T(u64), days, DAYS);
	port = leat_flow_step(port, &open_day, scope);
	port = leat_flow_buffer(port, AHEAD);
	port = leat_flow_bridge(port, LEAT_T(u64), 1);
	leat_flow_collect(leat_flow_take(port, most), (void **)&readings, &count);
	rc = leat_flow_start(flow);
	if (rc == 0)
		rc = leat_flow_join(flow);
	if (rc < 0)
		fprintf(stderr, "%s\n", leat_flow_error(flow));
	leat_flow_close(flow); /* the days that are open, or wait to be, are closed */
	while (in_order < count && readings[in_order] == in_order)
		in_order++;
	free(readings);
	leat_scope_close(scope); /* waits for all generators */
	return in_order == count ? count : 0;
}

int main(void)
{
	uint64_t all = read_archive(UINT64_MAX), some = read_archive(100);

	printf("%" PRIu64 " readings of %d days, in order; then %" PRIu64
	       ", and the consumer left\n",
	       all, DAYS, some);
	return all == DAYS * READINGS && some == 100 ? 0 : 1;
}
