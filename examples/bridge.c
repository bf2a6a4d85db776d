/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bridge: a stream of streams read as one. A generator opens the days of an archive one after the
 * other, each a stream of its own, and sends their receivers. The consumer sees one stream of
 * readings, in order. Three days are ahead of it, so the next one is there when a day ends.
 */
#include <leat/leat.h>

#include <inttypes.h>
#include <stdio.h>

enum { DAYS = 30, READINGS = 24, AHEAD = 3 };

struct archive {
	struct leat_scope *scope;
	uint64_t days[DAYS];
};

static int read_day(struct leat_tx *out, void *arg)
{
	const uint64_t *day = arg;
	int rc = 0;

	for (uint64_t hour = 0; hour < READINGS && rc == 0; hour++)
		rc = leat_send(out, &(uint64_t){ *day * READINGS + hour });
	return rc;
}

static int open_days(struct leat_tx *out, void *arg)
{
	struct archive *archive = arg;
	int rc = 0;

	for (uint64_t day = 0; day < DAYS && rc == 0; day++) {
		struct leat_rx *rx;

		archive->days[day] = day;
		rc = leat_gen(archive->scope, read_day, &archive->days[day], sizeof(uint64_t), NULL,
		              &rx);
		if (rc < 0)
			return rc;
		rc = leat_send(out, &rx);
		if (rc < 0)
			leat_rx_close(rx); /* a send that fails leaves the item with its sender */
	}
	return rc;
}

/* Days that no receiver gets end when their receivers close. */
static void close_day(void *item, void *unused)
{
	(void)unused;
	leat_rx_close(*(struct leat_rx **)item);
}

/* The bridge itself: a seq that pulls from the stream that is open, and then from the next one. */
struct bridge {
	struct leat_rx *days, *day;
};

static int next_reading(void *state, void *item)
{
	struct bridge *bridge = state;
	int rc;

	for (;;) {
		if (bridge->day == NULL) {
			rc = leat_recv(bridge->days, &bridge->day);
			if (rc != 1)
				return rc;
		}
		rc = leat_recv(bridge->day, (uint64_t *)item);
		if (rc != 0)
			return rc;
		leat_rx_close(bridge->day);
		bridge->day = NULL;
	}
}

static void close_bridge(void *state)
{
	struct bridge *bridge = state;

	leat_rx_close(bridge->day);
	leat_rx_close(bridge->days);
}

/* Returns how many readings came in order, up to `most`; then the consumer leaves. */
static uint64_t read_archive(uint64_t most)
{
	struct archive archive = { .scope = leat_scope_open(NULL, NULL) };
	struct leat_gen_opts opts = { .chan = { .capacity = AHEAD, .discard = close_day } };
	struct bridge bridge = { NULL, NULL };
	uint64_t reading, in_order = 0;

	if (archive.scope == NULL || leat_gen(archive.scope, open_days, &archive,
	                                      sizeof(struct leat_rx *), &opts, &bridge.days) < 0)
		return 0;
	while (in_order < most && next_reading(&bridge, &reading) == 1 && reading == in_order)
		in_order++;
	close_bridge(&bridge);
	leat_scope_close(archive.scope); /* waits for all generators */
	return in_order;
}

int main(void)
{
	uint64_t all = read_archive(UINT64_MAX), some = read_archive(100);

	printf("%" PRIu64 " readings of %d days, in order; then %" PRIu64
	       ", and the consumer left\n",
	       all, DAYS, some);
	return all == DAYS * READINGS && some == 100 ? 0 : 1;
}
